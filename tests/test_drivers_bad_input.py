"""Driver analysis refuses what it cannot use in one sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import (
    CxError,
    DataError,
    NotIdentifiedError,
    SpecError,
)
from tests.driver_surveys import CX, FULL, RATINGS, drivers

TEXT = CX.assign(one=1, text="x", grade=pd.Categorical(np.resize(["b", "a", "c"], 600)))
SPECS = [
    ({"attributes": []}, "There are no attributes"),
    ({"attributes": ["a1", "nps"]}, "outcome 'nps' is among its own attributes"),
    ({"attributes": ["a1", "a1"]}, "attribute 'a1' is listed 2 times"),
    ({"method": "shaply"}, "Unknown method='shaply'.*Did you mean 'shapley'"),
    ({"family": "normal"}, "Unknown family='normal'"),
    ({"groups": {"G": ["a1", "a2"], "H": ["a2", "a3"]}}, "'a2' is in groups 'G' and 'H'"),
    ({"groups": [("G", ["a1"]), ("G", ["a2"])]}, "group 'G' is listed 2 times"),
    ({"groups": {"G": ["a1", "a9"]}}, "Group 'G' names 'a9', which is not among the attributes"),
    ({"groups": {"G": []}}, "Group 'G' has no attributes"),
    ({"controls": ["a1"]}, "'a1' is both an attribute and a control"),
    ({"method": "johnson", "controls": ["stratum"]}, "method='johnson' cannot take controls"),
    ({"method": "car", "groups": {"G": ["a1", "a2"]}}, "method='car' cannot take the block 'G'"),
    ({"method": "pratt", "family": "logit"}, "method='pratt' splits the R² of a linear model"),
    ({"method": "johnson", "family": "ordered"}, "not defined for family='ordered'"),
    ({"measure": "r2"}, "Unknown measure='r2'"),
    ({"categorical": ["a9"]}, "categorical names 'a9'.*Did you mean 'a1'|categorical names 'a9'"),
]


@pytest.mark.parametrize(("spec", "message"), SPECS, ids=lambda v: str(v)[:40])
def test_wrong_specifications(spec, message):
    spec = {"attributes": FULL, **spec}
    with pytest.raises(SpecError, match=message):
        cx.Drivers("nps", spec.pop("attributes"), **spec)


FITS = [
    (["a1", "b7"], {}, {}, "'b7' is not in the data"),
    (["a1", "one"], {}, {}, "'one' is 1 in all 600 rows"),
    (["a1", "text"], {}, {}, "'text' holds text .* name it in categorical="),
    (FULL, {"outcome": "one"}, {}, "outcome 'one' is 1 in all 600 rows"),
    (FULL, {"outcome": "one", "family": "logit"}, {}, "outcome 'one' is 1 in all 600 rows"),
    (FULL, {"family": "logit"}, {}, "'nps' has 10 values, and family='logit' needs two"),
    (FULL, {"outcome": "grade", "family": "ordered"}, {}, "'grade' is categorical without an order"),
    (FULL, {"outcome": "segment", "family": "ordered"}, {}, "'segment' holds text without an order"),
    (FULL, {"outcome": "csat", "family": "nps"}, {}, "'csat' never exceeds 5, so it is no 0-10 recommendation"),
    (RATINGS, {}, {"missing": "error"}, r"Answers are missing in 'a6' \(34\), 'a7' \(58\), 'a8' \(136\)"),
    (FULL, {}, {"missing": "mice"}, "Unknown missing='mice'"),
    (FULL, {"family": "promoter"}, {"missing": "pairwise"}, "missing='pairwise' needs a linear model"),
    (FULL, {}, {"weights": -np.ones(600)}, "The weights: 600 of 600 rows are negative"),
    (FULL, {}, {"weights": "wait"}, r"Column 'wait' \(weights\) is not in the data"),
    (FULL, {}, {"strata": "strata"}, r"Column 'strata' \(strata\) is not in the data. Did you mean 'stratum'"),
]


@pytest.mark.parametrize(("attributes", "spec", "fit", "message"), FITS, ids=lambda v: str(v)[:30])
def test_unusable_data(attributes, spec, fit, message):
    with pytest.raises(CxError, match=message) as caught:
        drivers(attributes, **spec).fit(TEXT, **fit)
    assert "\n" not in str(caught.value)


def test_more_refusals():
    with pytest.raises(
        DataError, match="7 rows are too few for 5 columns of attributes and controls; at least 8 are needed"
    ):
        drivers().fit(CX.head(7))
    with pytest.raises(DataError, match=r"no whole number from 0 to 10 in 1 of 600 rows"):
        drivers(family="nps").fit(CX.assign(nps=CX["nps"].where(CX.index != 3, 11)))
    with pytest.raises(DataError, match="outside its scale"):
        drivers().fit(cx.Survey(CX, {"items": {"a1": {"scale": [1, 4]}}}))
    combined = CX.assign(sum=CX["a1"] + CX["a2"])
    with pytest.raises(
        NotIdentifiedError, match="'a1', 'a2', 'sum' determine one another exactly, and method='johnson'"
    ):
        drivers([*FULL, "sum"], method="johnson").fit(combined)
    with pytest.raises(NotIdentifiedError, match="method='pmvd' undefined"):
        drivers([*FULL, "sum"], method="pmvd").fit(combined)
    res = drivers().fit(CX)
    for changes, message in [
        ({"a1": 5}, "longer than its scale, 1 to 5"),
        ({"a11": 1}, "'a11' is not an attribute of the analysis. Did you mean 'a1'"),
        ({}, "Give the changes as a mapping"),
        ({"a1": "much"}, "must be a number, not 'much'"),
    ]:
        with pytest.raises(SpecError, match=message):
            res.simulate(changes, scale=(1, 5))
    with pytest.raises(DataError, match="Answers outside the scale 1-4"):
        res.simulate({"a1": 1}, scale=(1, 4))
    with pytest.raises(SpecError, match="budget must be positive"):
        res.plan({"a1": 1}, 0)
    with pytest.raises(SpecError, match="at most 20 players"):
        cx.Drivers("y", [f"q{i}" for i in range(21)], "pmvd")
