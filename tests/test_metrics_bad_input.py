"""Metrics refuse what they cannot use in one sentence."""

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels import metrics as m
from cxmodels.errors import CxError, DataError, SpecError

TABLE = pd.DataFrame({"q": [1, 2, 3], "r": [1, 0, 1], "t": ["a", "b", "c"]})
BAD = {
    "eleven": (lambda: m.nps([11, 11, 5, 9]), "outside its scale 0 to 10 in 2 of 4 rows: 11"),
    "minus": (lambda: m.nps([-1, 5, 9]), "-1"),
    "five-point": (lambda: m.nps([1, 2, 3, 4, 5, 5, 4]), "five-point question"),
    "codebook": (
        lambda: m.nps("q", data=cx.Survey(TABLE, {"items": {"q": {"scale": [1, 5]}}})),
        "has the scale 1-5 in the codebook",
    ),
    "scale": (lambda: m.nps([9, 10], scale=(1, 10)), "needs the scale 0-10"),
    "broken": (lambda: m.nps([9.5, 10, 2]), "whole answers: 1 of 3 rows"),
    "text": (lambda: m.nps(pd.Series(["nine", "ten"])), "holds text in 2 of 2 rows"),
    "empty": (lambda: m.nps([]), "no rows"),
    "no answer": (lambda: m.nps([None, None]), "no answer in any of 2 rows"),
    "infinite": (lambda: m.nps([np.inf, 5]), "infinite in 1 of 2 rows"),
    "no table": (lambda: m.nps("q"), "give the table too"),
    "no table for weights": (lambda: m.nps([9, 10], weights="w"), "give the table too"),
    "unknown column": (lambda: m.csat("Q", data=TABLE), "Did you mean 'q'"),
    "unknown group": (lambda: m.csat("q", data=TABLE, by="tt"), "Did you mean 't'"),
    "group twice": (lambda: m.csat("q", data=TABLE, by=["t", "t"]), "twice"),
    "interval": (lambda: m.nps([9, 10], interval="wilsen"), "adjusted_wald"),
    "near interval": (lambda: m.rate([1, 0], interval="wilsn"), "Did you mean 'wilson'"),
    "level": (lambda: m.rate([1, 0], level=95), "between 0 and 1"),
    "negative weight": (lambda: m.rate([1, 0], weights=[1, -1]), "1 of 2 rows are negative"),
    "weights too short": (lambda: m.rate([1, 0], weights=[1]), "2 rows"),
    "index of weights": (
        lambda: m.rate(pd.Series([1, 0]), weights=pd.Series([1, 1], index=[5, 6])),
        "index of the weights differs",
    ),
    "index of groups": (lambda: m.rate(pd.Series([1, 0]), by=pd.Series(["a", "b"], index=[5, 6])), "index of by"),
    "clusters missing": (lambda: m.rate([1, 0, 1], clusters=[1, None, 2]), "clusters is missing in 1 of 3 rows"),
    "one cluster": (lambda: m.rate([1, 0, 1], clusters=[1, 1, 1]), "one cluster"),
    "lonely": (lambda: m.rate([1, 0, 1], strata=[1, 1, 2]), "1 of 2 strata hold a single row"),
    "no rate": (lambda: m.rate([0, 1, 2]), "1 of 3 rows hold something else, 2 (1 row)"),
    "too many": (lambda: m.proportion(7, 5), "7 of 5"),
    "counts": (lambda: m.churn_rate(start=100, end=250, new=50), "200 kept of 100"),
    "both": (lambda: m.churn_rate([0, 1], start=10, end=9, new=0), "either"),
    "negative time": (lambda: m.duration([5, -1]), "-1 (1 row)"),
    "zero time": (lambda: m.duration([5, 0], measure="geometric_mean"), "above 0"),
    "no target": (lambda: m.duration([5, 1], measure="within"), "target="),
    "stock": (lambda: m.service_level([31], 30), "exceeds 'days' in 1 of 1 row"),
    "no transactions": (lambda: m.contact_rate([1, 2], [0, 0]), "nothing to divide by"),
    "endless": (lambda: m.clv(100, 1.0, 0.0), "no end"),
    "percent": (lambda: m.clv(100, 80, 0.1), "divide percents by 100"),
    "periods": (lambda: m.clv(100, 0.8, 0.1, convention="finite"), "periods="),
    "csi columns": (lambda: m.csi([[5, 4]], [[5, 4, 3]]), "2 columns of importance"),
    "csi outside": (lambda: m.csi([[5, 4]], [[5, 6]]), "outside its scale 1 to 5 in 1 of 1 row: 6"),
    "csi order": (
        lambda: m.csi(pd.DataFrame({"a": [1], "b": [2]}), pd.DataFrame({"b": [1], "a": [2]})),
        "another order",
    ),
    "csi nothing": (lambda: m.csi([[0, 0]], [[4, 4]], importance_scale=(0, 5)), "importance 0"),
    "tree twice": (
        lambda: m.csi_tree(m.Branch("A", [m.Component("b", "q"), m.Component("b", "r")]), TABLE),
        "more than once",
    ),
    "tree empty": (lambda: m.csi_tree(m.Branch("A", []), TABLE), "no parts"),
    "competitor": (lambda: m.profile(m.csi([4, 4], [4, 3], names=["a", "b"]), {"a": 4}), "no quality for 'b'"),
    "no difference": (lambda: m.differences(m.nps, [9, 10], by=["a", "a"]), "one group only"),
    "no reference": (
        lambda: m.differences(m.rate, [0, 1, 0, 1], by=list("aabb"), compare="reference", reference="c"),
        "no group 'c'",
    ),
    "other metric": (lambda: m.difference(m.rate([0, 1]), m.nps([9, 2])), "different things"),
    "units": (lambda: m.monitor([1, 2, 3, 4], list("aabb"), [1, 1, 1, 1]), "2 units"),
    "indicator": (
        lambda: m.csi_indicators(pd.DataFrame({"weight": [1], "actual": [120], "target": [90]}, index=["Speed"])),
        "1 of 1 rows do not, 'Speed'",
    ),
    "block": (lambda: m.checklist({"A": ["r"], "B": ["r"]}, TABLE), "more than once"),
    "journey": (lambda: m.journey(m.rate, ["r"], data=TABLE), "two touchpoints"),
    "margin": (lambda: m.sample_size("nps", 0), "above 0"),
    "metric": (lambda: m.sample_size("npz", 5), "Did you mean 'nps'"),
    "no sd": (lambda: m.sample_size("ces", 0.1), "sd="),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_said_in_one_sentence(case):
    call, said = BAD[case]
    with pytest.raises(CxError) as caught:
        call()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, DataError | SpecError)
