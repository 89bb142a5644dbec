"""Pictures of metrics: what they show, that they are sound SVG, and that a notebook draws them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels import metrics as m
from cxmodels.errors import SpecError
from cxmodels.report import indicator_chart, profile_chart

NAMES = ["Room & bed", "<Bar>", "Price"]


def ratings(seed, shift=0.0, n=60):
    rng = np.random.default_rng(seed)
    return np.clip(np.round(rng.normal([4.2 + shift, 3.6, 3.0 - shift], 0.8, (n, 3))), 1, 5)


def hotel(seed=0, shift=0.0):
    return m.csi(ratings(seed + 10), ratings(seed, shift), names=NAMES)


def drawn(svg):
    """Number of circles, and all texts, of sound XML."""
    root = ET.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    return len(list(root.iter(f"{space}circle"))), [t.text for t in root.iter(f"{space}text")]


def test_profile_of_components_and_of_drivers():
    frame = m.profile(hotel(), hotel(1, shift=-0.8))
    circles, texts = drawn(profile_chart(frame, theirs="Grand"))
    assert circles == 2 + 3 * 3
    assert {*NAMES, "Ours", "Grand"} <= set(texts)
    assert f"{frame['gap'].iloc[0]:+.2f}".replace("-", "−") in texts
    np.testing.assert_allclose(frame["se"], np.hypot(frame["quality_se"], frame["competitor_se"]))
    known = m.profile(hotel(), dict.fromkeys(NAMES, 4.0))
    assert drawn(profile_chart(known))[0] == 2 + 3 * 3
    data = pd.DataFrame(ratings(3), columns=list("abc")).assign(y=lambda d: d.sum(axis=1) + np.resize([0, 1], 60))
    gaps = cx.Drivers("y", list("abc")).fit(data).profile(pd.DataFrame(ratings(4), columns=list("abc")))
    assert gaps["ours_se"].iloc[0] == pytest.approx(data["a"].sem())
    assert drawn(profile_chart(gaps))[0] == 2 + 3 * 3
    with pytest.raises(SpecError, match="needs a column 'competitor'"):
        profile_chart(frame.drop(columns="competitor"))


def test_gap_is_filled_where_it_is_sure():
    frame = pd.DataFrame(
        {
            "ours": [4.0, 3.0],
            "theirs": [3.0, 3.1],
            "gap": [1.0, -0.1],
            "ci_lower": [0.5, -0.6],
            "ci_upper": [1.5, 0.4],
        },
        index=["Sure", "Not"],
    )
    fills = re.findall(r'<circle[^>]* fill="(#\w+)" stroke="(#\w+)"', profile_chart(frame))
    assert fills[4][0] == fills[4][1]
    assert fills[7][0] == "#ffffff"


def test_indicators_show_what_is_lost():
    table = pd.DataFrame({"weight": [3, 1], "actual": [70, 85], "target": [80, 80]}, index=["Speed", "Staff"])
    svg = indicator_chart(m.csi_indicators(table).indicators)
    _, texts = drawn(svg)
    assert {"70.0", "7.5", "85.0", "0.0"} <= set(texts)
    assert svg.count("stroke-dasharray") == 1


def test_notebooks_draw_what_has_a_picture():
    rng = np.random.default_rng(2)
    data = pd.DataFrame({
        "unit": np.repeat(list("abcdefgh"), 48), "month": np.tile(np.repeat([1, 2, 3, 4], 12), 8),
        "score": rng.normal(80, 10, 384), "region": np.repeat(["N", "S"], 192), "book": rng.integers(1, 6, 384), "stay": rng.integers(1, 6, 384),
    })  # fmt: skip
    table = pd.DataFrame({"weight": [3], "actual": [70], "target": [80]}, index=["Speed"])
    results = {
        "csi": (hotel(), 1),
        "monitor": (m.monitor("score", "unit", "month", data=data), 1),
        "groups": (m.monitor("score", "unit", "month", data=data, by="region"), 2),
        "journey": (m.journey(m.csat, ["book", "stay"], data=data), 1),
        "journeys": (m.journey(m.csat, ["book", "stay"], data=data, by="region"), 2),
        "indicators": (m.csi_indicators(table), 1),
        "estimate": (m.csat("book", data=data), 0),
    }
    for name, (result, pictures) in results.items():
        page = result._repr_html_()
        assert page.count("<svg") == pictures, name
        assert page == result._repr_html_()
        for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
            ET.fromstring(svg)
        ids = re.findall(r'\bid="([^"]+)"', page)
        assert len(ids) == len(set(ids))
