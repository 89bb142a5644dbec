"""Data designs against lavaan 0.6-14, case by case; see reference/cbsem/designs."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from tests.test_sem_designs import DATA, fit, matched, reference

CASES = [k for k, v in reference().items() if isinstance(v, dict) and "call" in v]
OPTIONS = {"estimator": "estimator", "ordered": "ordered", "std.lv": "std_lv", "parameterization": "parameterization"}
HOW = {
    "group": "group",
    "group.equal": "equal",
    "sampling.weights": "weights",
    "missing": "missing",
    "cluster": "cluster",
}
# lavaan 0.6-14 forgets the shares of the groups in the bias of the baseline; ours is tested by itself below
BASELINE = {"cfi_robust", "tli_robust", "nnfi_robust", "rni_robust"}


@cache
def fitted(name: str):
    call = reference()[name]["call"]
    how = {ours: call[theirs] for theirs, ours in HOW.items() if theirs in call}
    if how.get("missing") == "ml":
        how["missing"] = "fiml"
    options = {ours: call[theirs] for theirs, ours in OPTIONS.items() if theirs in call}
    if isinstance(options.get("ordered"), str):
        options["ordered"] = [options["ordered"]]
    return fit(reference()[name]["model"], DATA, options, **how)


@pytest.mark.parametrize("name", CASES)
def test_estimates(name):
    m = matched(fitted(name), reference()[name])
    # lavaan stops where gradients fall below 1e-5: a few of its own digits are open, more under theta
    assert_allclose(m["est"], m["est_ref"], rtol=2e-5, atol=2e-5)
    assert_allclose(m["se"], m["se_ref"], rtol=1e-4, atol=1e-6)
    for ours, theirs in (("std_lv", "std.lv"), ("std_all", "std.all")):
        known = m[theirs].notna()
        assert_allclose(m.loc[known, ours], m.loc[known, theirs].astype(float), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", CASES)
def test_fit_measures(name):
    ours = fitted(name).fit_measures
    grouped = len(fitted(name).rows.labels) > 1 and name.startswith("cat")
    for key, value in reference()[name]["fit"].items():
        if value is not None and not (grouped and key in BASELINE):
            assert ours[key] == pytest.approx(value, rel=5e-5, abs=2e-5), key


def test_robust_baseline_of_ordinal_groups_weighs_them_by_their_rows():
    """Two groups with the same rows have the CFI of one: twice the discrepancy, twice the bias, of model and baseline."""
    model, twice = reference()["cat_wlsmv"]["model"], pd.concat([DATA.assign(k="a"), DATA.assign(k="b")])
    one, two = fit(model, DATA, {"ordered": True}), fit(model, twice, {"ordered": True}, group="k")
    for key in ("cfi_robust", "tli_robust"):
        assert two.fit_measures[key] == pytest.approx(one.fit_measures[key], abs=1e-9), key
    assert one.fit_measures["cfi_robust"] < one.fit_measures["cfi_scaled"] - 0.05  # what Savalei (2021) is about


def test_robust_indices_of_ordinal_items_are_left_out_where_they_have_no_meaning():
    for name in ("cat_groups_equal",):
        assert "cfi_robust" not in fitted(name).fit_measures
    assert np.isfinite(fitted("cat_groups").fit_measures["cfi_robust"])
