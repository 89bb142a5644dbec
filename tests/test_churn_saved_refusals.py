"""Files of saved models that no fit could have written, each with a checksum that fits: one sentence, never a model."""

from __future__ import annotations

import json
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.churn import saved, selection
from cxmodels.errors import DataError, SpecError


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A regression and a small forest, as their files say them."""
    folder = tmp_path_factory.mktemp("saved")
    frame = cx.datasets.load("telco").head(900)
    x, y = frame[["contract", "tenure", "monthly_charges"]], frame["churn"]
    few = {k: replace(shape, trees=3) for k, shape in selection.SHAPES.items()}
    found = {"folder": folder}
    for kind in ("linear", "boosted"):
        with patch.dict(selection.SHAPES, few):
            cx.Churn(candidates=[kind], folds=2, drop_noise=False, totals=False).fit(x, y).save(
                folder / f"{kind}.json"
            )
        found[kind] = (folder / f"{kind}.json").read_text(encoding="utf-8")
    return found


def first(body, kind):
    """The first used column of a kind."""
    return next(body["columns"][j] for j in body["used"] if body["columns"][j]["kind"] == kind)


def effect(body, kind):
    """The effect of the first used column of a kind, [knots, slopes, levels, high]."""
    place = [body["columns"][j]["kind"] for j in body["used"]].index(kind)
    return body["linear"]["effects"][place]


def tree(body):
    return body["trees"]["forests"][0]["trees"][0]


def put(where, key, value):
    where[key] = value


def loop(t):
    """The root's right child is its left child."""
    t[2][0] = t[1][0]


def orphan(t):
    """A node that no other one leads to."""
    for part, value in zip(t, (-1, -1, -1, 0.0, ""), strict=True):
        part.append(value)


LINEAR = {
    "a column twice": (lambda b: b["columns"].append(b["columns"][0]), "a column stands twice"),
    "no column": (lambda b: put(b, "used", []), "it uses no column"),
    "variance": (lambda b: put(b["sigmoid"], 2, -1.0), "its calibration has a negative variance"),
    "kind": (lambda b: put(b["columns"][0], "kind", "date"), "is of an unknown kind"),
    "how": (lambda b: put(b["columns"][0], "how", "product"), "is of an unknown kind"),
    "levels": (lambda b: put(first(b, "category"), "levels", ["x", "x"]), "the levels or bins of column 'contract' make no sense"),
    "bins": (lambda b: put(first(b, "number"), "edges", [2.0, 1.0]), "the levels or bins of column 'tenure' make no sense"),
    "parts": (lambda b: b["columns"][0].update(how="sum", parts=["later"]), "is made of columns that do not stand before it"),
    "parts without how": (lambda b: b["columns"][-1].update(parts=["tenure"]), "is made of columns that do not stand before it"),
    "intercept": (lambda b: put(b["linear"], "intercepts", []), "it has no intercept"),
    "slopes": (lambda b: effect(b, "number")[1].pop(), "the effect of column 'tenure' does not fit"),
    "levels of an effect": (lambda b: effect(b, "category")[2].pop(), "the effect of column 'contract' does not fit"),
    "beyond": (lambda b: put(effect(b, "category")[2][0], 0, 1e9), "the effect of column 'contract' is beyond all bounds"),
    "labels": (lambda b: put(b, "classes", ["yes", "yes"]), "it does not have two labels"),
    "level": (lambda b: put(b["options"], "level", 95.0), "its level is not between 0 and 1"),
}  # fmt: skip

BOOSTED = {
    "no forest": (lambda b: put(b["trees"], "forests", []), "it has no trees"),
    "many trees": (lambda b: b["trees"]["forests"][0].update(trees=[tree(b)] * (saved.MOST_TREES + 1)), f"it has more than {saved.MOST_TREES} trees"),
    "no node": (lambda b: put(b["trees"]["forests"][0]["trees"], 0, [[], [], [], [], []]), "a tree has 0 nodes"),
    "a loop": (lambda b: loop(tree(b)), "a tree is no tree"),
    "an orphan": (lambda b: orphan(tree(b)), "a tree is no tree"),
    "codes": (lambda b: put(tree(b)[4], 0, tree(b)[4][0] + "00"), "a tree asks for codes that its column does not have"),
    "a list too long": (lambda b: tree(b)[1].append(-1), "a tree is incomplete"),
    "shares": (lambda b: put(b["trees"]["background"][0][1], 0, 2.0), "the shares of its training customers do not add up"),
}  # fmt: skip


@pytest.mark.parametrize("case", [("linear", c) for c in LINEAR] + [("boosted", c) for c in BOOSTED])
def test_a_description_that_no_fit_makes_is_refused(files, case):
    kind, name = case
    change, said = (LINEAR if kind == "linear" else BOOSTED)[name]
    whole = json.loads(files[kind])
    change(whole["model"])
    whole["checksum"] = saved.checksum(whole["model"])
    path = files["folder"] / "changed.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        cx.churn.load(path)
    assert str(caught.value).startswith(f"'{path}' is no usable churn model: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NaN", "it holds NaN where a number should be"),
        ("{", "it is not JSON, or cut off"),
        ("[]", "it does not say that it is one"),
        ('{"format": "FORMAT", "version": 99}', "it has version 99, and this program reads version"),
    ],
)
def test_a_text_that_is_no_model_is_refused(tmp_path, text, said):
    path = tmp_path / "m.json"
    path.write_text(text.replace("FORMAT", saved.FORMAT), encoding="utf-8")
    with pytest.raises(DataError, match=said):
        cx.churn.load(path)


def test_what_cannot_be_opened_is_named(tmp_path, monkeypatch, files):
    with pytest.raises(DataError, match=r"There is no file '.*m\.json'\."):
        cx.churn.load(tmp_path / "m.json")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        cx.churn.load(tmp_path)
    monkeypatch.setattr(saved, "MOST_BYTES", 1 << 20)
    (tmp_path / "large.json").write_text(" " * (1 << 20) + "{}")
    with pytest.raises(DataError, match="it is larger than 1 MiB"):
        cx.churn.load(tmp_path / "large.json")


def test_labels_that_are_neither_text_nor_numbers_stay_in_the_program(tmp_path):
    rng = np.random.default_rng(2)
    x = pd.DataFrame({"calls": rng.normal(size=200)})
    days = np.array(["2024-01-01", "2024-02-01"], dtype="datetime64[D]")
    y = days[(rng.random(200) < 1 / (1 + np.exp(-x["calls"]))).astype(int)]
    model = cx.Churn(candidates=["linear"], folds=2).fit(x, y)
    with pytest.raises(SpecError, match="Labels of type date cannot be saved; use numbers or text"):
        model.save(tmp_path / "m.json")
    assert not list(tmp_path.iterdir())
