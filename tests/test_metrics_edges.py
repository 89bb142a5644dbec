"""Rarer options of the metrics, and groups without a base, by hand."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import cxmodels as cx
from cxmodels import metrics as m
from cxmodels.errors import DataError, DataWarning

TABLE = pd.DataFrame(
    {"weight": [3, 1], "actual": [70, 60], "target": [80, 80], "error": [1.0, 2.0], "next": [75, 70]},
    index=["Speed", "Staff"],
)
ANSWERS = pd.DataFrame({"Speed": [9, 8, 7, None], "Staff": [10, 8, 9, None]})


def test_index_of_a_table_says_its_error_and_path():
    e = m.csi_indicators(TABLE, se="error", years=[2025, 2026, 2027, 2028], steps="halving")
    se = np.sqrt((0.75 * 1) ** 2 + (0.25 * 2) ** 2)
    assert (e.se, e.n_obs) == (pytest.approx(se), 2)
    assert [e.ci_lower, e.ci_upper] == pytest.approx([67.5 - 1.959964 * se, 67.5 + 1.959964 * se], abs=1e-5)
    assert e.path["index"].tolist() == [67.5, 73.75, 76.875, 80]
    said = dict(e.headline())
    assert said["Target"] == "80.00 (+12.50 to go)"
    assert said["95% interval"] == f"{e.ci_lower:.2f} to {e.ci_upper:.2f}"
    assert said["Path"] == "2025 to 2028"
    assert e.tables()["Target path"].loc["Speed"].tolist() == [70, 75, 77.5, 80]
    assert e.excluded.empty


def test_index_of_answers_says_who_answered():
    e = m.csi_indicators(TABLE, data=ANSWERS, scale=(0, 10))
    assert (e.value, e.n_obs) == (82.5, 3)
    assert dict(e.headline())["Answers"].startswith("3; weighted mean of 2 indicators")
    assert e.excluded["rows"].tolist() == [1]
    above = dict(m.csi_indicators(TABLE.assign(target=50)).headline())["Target"]
    assert above == "50.00 (−17.50 to go)"


def test_index_of_answers_takes_the_scale_of_the_codebook():
    five = pd.DataFrame({"Speed": [5, 3], "Staff": [1, 3]})
    survey = cx.Survey(five, {"items": {name: {"scale": [1, 5]} for name in five}})
    assert m.csi_indicators(TABLE, data=survey).value == 0.75 * 75 + 0.25 * 25
    assert m.csi_indicators(TABLE, data=five, scale=(1, 5)).value == 0.75 * 75 + 0.25 * 25


@pytest.mark.parametrize("step", ["next", [75, 70], np.array([75.0, 70.0])])
def test_path_by_given_targets(step):
    e = m.csi_indicators(TABLE, years=[2025, 2026], steps={2026: step})
    assert e.path["index"].tolist() == [67.5, 73.75]
    assert e.progress(2026, {"Speed": 75, "Staff": 69})["reached"].tolist() == [True, False, False]


def test_group_without_a_base_has_no_ratio():
    found = m.contact_rate([1, 2, 3, 4], [0, 0, 5, 5], by=list("aabb")).set_index("group")["value"]
    assert np.isnan(found["a"])
    assert found["b"] == 0.7
    share = m.service_level([0, 0, 3, 4], [0, 0, 5, 5], by=list("aabb"))
    assert share["value"].tolist() == [pytest.approx(np.nan, nan_ok=True), 0.7]
    assert share[["ci_lower", "ci_upper"]].isna().all(axis=1).tolist() == [True, False]


def test_wald_interval_of_a_ratio():
    e = m.service_level([3, 4, 5, 6], [5, 5, 10, 10], interval="wald")
    assert [e.ci_lower, e.ci_upper] == pytest.approx([e.value - 1.959964 * e.se, e.value + 1.959964 * e.se], abs=1e-6)


@pytest.mark.parametrize("given", [{}, {"data": True}])
def test_durations_are_seconds(given):
    times = pd.Series(pd.to_timedelta([60, 120, None], unit="s"), name="t")
    e = m.duration("t", data=times.to_frame()) if given else m.duration(times)
    assert (e.value, e.n, e.missing) == (90, 2, 1)


def test_answers_of_any_frame():
    assert m.csat(pl.DataFrame({"a": [1, 2, 5]})).value == pytest.approx(1 / 3)
    mixed = m.rate([1, 0, 1], by=pd.Series([1, "a", 1], dtype=object))
    assert mixed[["group", "value"]].values.tolist() == [[1, 1.0], ["a", 0.0]]


def test_share_of_all_in_two_clusters_has_two_effective_answers():
    e = m.rate([1, 1, 1, 1], clusters=[1, 1, 2, 2])
    assert (e.value, e.se, e.n_eff, e.n_obs) == (1, 0, 2, 4)
    assert e.ci_lower == pytest.approx(2 / (2 + 1.959964**2), abs=1e-6)  # Wilson: n / (n + z²)


def test_journey_and_monitor_count_what_is_missing():
    stay = pd.DataFrame({"book": [5, 4, None, 4], "leave": [2, 3, 4, 2]})
    gone = m.journey(m.csat, ["book", "leave"], data=stay, measure="mean").excluded
    assert gone["rows"].tolist() == [1]
    rng = np.random.default_rng(0)
    who, when = np.repeat(list("abc"), 10), np.tile([1, 2], 15)
    watched = m.monitor([*rng.normal(80, 5, 30), np.nan], [*who, "a"], [*when, 1])
    assert (watched.n_obs, watched.excluded["rows"].tolist()) == (30, [1])


def test_long_journey_in_the_order_of_its_categories():
    points = pd.Categorical(["x", "y"] * 3, categories=["y", "x"])
    long = pd.DataFrame({"q": [5, 4, 4, 3, 5, 2], "p": points})
    assert m.journey(m.csat, "q", data=long, touchpoint="p", measure="mean").frame["touchpoint"].tolist() == [
        "y",
        "x",
    ]


@pytest.mark.parametrize(
    ("metric", "margin", "options", "expected"),
    [
        ("csi", 2, {}, 217),  # (1.96 * 15 / 2)² = 216.1
        ("csi", 2, {"difference": True}, 433),  # twice 216.1 = 432.2
        ("csi", 2, {"deff": 1.5}, 325),  # 324.2
        ("contact_rate", 0.05, {"rate": 0.5}, 769),  # 1.96² * 0.5 / 0.05² = 768.3
        ("geometric_mean", 0.1, {"sd": 1.0}, 423),  # (1.96 / ln 1.1)² = 422.9
        ("median", 0.1, {"sd": 1.0}, 665),  # π / 2 times as many: 664.3
    ],
)
def test_answers_needed_by_hand(metric, margin, options, expected):
    found = m.sample_size(metric, margin, response_rate=0.5, **options)
    assert (int(found), found.n_obs, found.invitations) == (expected, expected, 2 * expected)
    assert found.excluded.empty
    each = " in each of 2 groups" if options.get("difference") else ""
    assert dict(found.headline())["Invitations"] == f"{2 * expected}{each}"


def test_index_of_one_question_of_expectations():
    """On 1-10 an answer x is 100 (x - 1) / 9."""
    e = m.expectation_gap([1, 10, 4], measure="index")
    assert e.value == pytest.approx(100 * (0 + 9 + 3) / 9 / 3)


def test_rows_without_a_group_are_all():
    with (
        pytest.warns(DataWarning, match="2 of 2 rows without 'group' belong to no group and are left out"),
        pytest.raises(DataError, match="No row has 'group': there are no groups"),
    ):
        m.rate([1, 0], by=[None, None])
