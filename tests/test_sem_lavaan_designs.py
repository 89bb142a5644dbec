"""Data designs against lavaan 0.6-14, case by case; see reference/cbsem/designs."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from cxmodels.errors import CxError
from tests.test_sem_designs import DATA, fit, matched, reference

CASES = [k for k, v in reference().items() if isinstance(v, dict) and "call" in v and not k.startswith("tl_")]
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
        if ours["df"] == 0 and key not in ours.dropna():
            continue  # where there is nothing to test lavaan prints 0 or 1
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
        assert np.isnan(fitted(name).fit_measures["cfi_robust"])
    assert np.isfinite(fitted("cat_groups").fit_measures["cfi_robust"])


# --- ordinal items given observed predictors ----------------------------------------------------------------------

MIMIC = "f1 =~ o1 + o2 + o3\nf1 ~ x + z"
ITEMS = ["o1", "o2", "o3"]


def test_units_of_the_predictors_change_only_their_slopes():
    plain = fit(MIMIC, options={"ordered": ITEMS}).estimates
    far = fit(MIMIC, DATA.assign(x=DATA["x"] * 1e4 + 2e6), {"ordered": ITEMS}).estimates
    free = plain["op"].isin(["=~", "~"])
    scale = np.where((plain["op"] == "~") & (plain["rhs"] == "x"), 1e4, 1.0)[free]
    assert_allclose(far.loc[free, "est"] * scale, plain.loc[free, "est"], rtol=1e-6)
    assert_allclose(far.loc[free, "z"], plain.loc[free, "z"], rtol=1e-6)


def test_predictors_and_pairwise_answers_use_the_rows_that_have_them():
    rng = np.random.default_rng(5)
    data = DATA.assign(**{k: DATA[k].astype(float).mask(rng.random(len(DATA)) < 0.1) for k in ITEMS})
    data.loc[:9, "x"] = np.nan
    found = fit(MIMIC, data, {"ordered": ITEMS}, missing="pairwise")
    assert found.excluded.to_dict("list") == {"reason": ["'x', 'z' missing"], "rows": [10]}
    whole = fit(MIMIC, DATA, {"ordered": ITEMS})
    gap = (found.estimates["est"] - whole.estimates["est"]).abs() / whole.estimates["se"].where(lambda s: s > 0)
    assert gap.max() < 1.5
    assert (found.estimates["se"] >= whole.estimates["se"] * 0.9).all()


def test_weights_stand_for_copies_of_rows_with_predictors():
    whole = DATA.assign(k=1 + DATA.index % 2)
    copies = whole.loc[whole.index.repeat(whole["k"])]
    a = fit(MIMIC, whole, {"ordered": ITEMS}, weights="k").estimates
    b = fit(MIMIC, copies, {"ordered": ITEMS}).estimates
    # the weights of least squares come from the design of the sample, so only what needs no weights is the same
    rows = a["op"] == "~*~"
    assert_allclose(a.loc[~rows & ~a["rhs"].isin(["x", "z"]), "est"], b.loc[~rows & ~b["rhs"].isin(["x", "z"]), "est"], atol=0.08)  # fmt: skip
    single = [
        fit("o1 ~ x + z", d, {"ordered": ["o1"]}, weights=w).estimates for d, w in ((whole, "k"), (copies, None))
    ]
    rows = single[0]["op"].isin(["~", "|"])
    assert_allclose(single[0].loc[rows, "est"], single[1].loc[rows, "est"], rtol=1e-7)


def test_bootstrap_scores_and_indices_of_a_model_with_predictors():
    found = fit(MIMIC, options={"ordered": ITEMS})
    boot = found.bootstrap(20, seed=2)
    assert boot.failed == 0
    rows = found.estimates["op"] == "~"
    assert_allclose(boot.estimates.loc[rows, "se"], found.estimates.loc[rows, "se"], rtol=0.7)
    crossed = fit(MIMIC + "\no3 ~ 0*z", options={"ordered": ITEMS})
    tests = crossed.modification_indices().set_index(["lhs", "op", "rhs"])
    freed = fit(MIMIC + "\no3 ~ z", options={"ordered": ITEMS}).estimates.set_index(["lhs", "op", "rhs"])
    assert tests.loc[("o3", "~", "z"), "epc"] == pytest.approx(freed.loc[("o3", "~", "z"), "est"], abs=1e-3)
    assert found.residuals("cor").shape == (3, 3)


def test_predictors_that_cannot_be_used_are_refused():
    cases = [
        ("f1 =~ o1 + o2 + o3\nf1 ~ x + k", DATA.assign(k=2 * DATA["x"] + 1), ITEMS, "'x', 'k' determine one another"),
        (MIMIC, DATA.assign(z=1), ITEMS, "'z' is 1 in all 492 rows"),
        (MIMIC, DATA.assign(x=(DATA["o1"] > 2) * 1.0), ITEMS, "separate the categories of 'o1'"),
        (MIMIC, DATA, [*ITEMS, "z"], "ordered names 'z', an observed predictor"),
    ]
    for model, data, ordered, words in cases:
        with pytest.raises(CxError, match=words) as caught:
            fit(model, data, {"ordered": ordered})
        assert str(caught.value).count(". ") == 0
