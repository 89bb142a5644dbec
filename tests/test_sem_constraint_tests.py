"""Score tests of constraints and tests between nested models, against lavaan 0.6-14; see reference/cbsem/designs."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import cxmodels as cx
from cxmodels.errors import SpecError
from tests.test_sem_designs import DATA, fit, reference

SCORES = [k for k in reference() if k.startswith("score_")]
DIFFERENCES = [k for k in reference() if k.startswith("diff_")]
OPTIONS = {"estimator": "estimator", "ordered": "ordered", "meanstructure": "mean_structure"}
HOW = {"group": "group", "group.equal": "equal", "missing": "missing"}


def fitted(model: str, call: dict, data: pd.DataFrame):
    call = {k: "fiml" if v == "ml" else v for k, v in dict(call).items()}
    options = {ours: call[theirs] for theirs, ours in OPTIONS.items() if theirs in call}
    return fit(model, data, options, **{ours: call[theirs] for theirs, ours in HOW.items() if theirs in call})


def scored(name: str):
    case = reference()[name]
    data = DATA if name in ("score_ordinal", "score_fiml") else cx.datasets.load("holzinger")
    return case, fitted(case["model"], case["options"] or {}, data)


@pytest.mark.parametrize("name", SCORES)
def test_score_tests(name):
    """Total and univariate tests; lavaan lists equations first and names tied parameters by their place."""
    case, found = scored(name)
    ours = found.score_tests()
    written = ours["op"].eq("==") & ours["lhs"].ne("(all)")
    ordered = pd.concat([ours[written], ours[~ours["op"].eq("==")]])
    theirs = pd.DataFrame(case["uni"])
    # the score of least squares is multiplied by n there and by n - 1 here
    wide = 5e-3 if name == "score_ordinal" else 2e-4
    assert_allclose(ordered["chisq"], theirs["X2"], rtol=wide, atol=2e-5)
    assert_allclose(ordered["pvalue"], theirs["p.value"], rtol=5 * wide, atol=1e-6)
    assert (ordered["df"] == 1).all()
    total = ours[ours["lhs"] == "(all)"].iloc[0]
    # equal intercepts identify the three latent means, so that releasing all of them tells three things fewer
    assert total["df"] == case["total"]["df"] - (3 if name == "score_groups" else 0)
    assert total["chisq"] == pytest.approx(case["total"]["X2"], rel=wide)


@pytest.mark.parametrize("name", [k for k in SCORES if k != "score_groups"])  # there not identified
def test_expected_changes_when_all_constraints_go(name):
    case, found = scored(name)
    keys = ["lhs", "op", "rhs", *(["group"] if len(found.rows.labels) > 1 else [])]
    theirs = pd.DataFrame(case["epc"]).dropna(subset="epc")
    if "group" in keys:
        theirs["group"] = [found.rows.labels[g - 1] for g in theirs["group"]]
    both = found.expected_changes().merge(theirs, on=keys, suffixes=("", "_ref"))
    assert len(both) == len(theirs) == len(found.expected_changes())
    if name == "score_ordinal":  # there the sign of the gradient of least squares is turned
        both["epc_ref"] *= -1
    assert_allclose(both["epc"], both["epc_ref"], rtol=5e-3, atol=2e-4)
    assert_allclose(both["epv"], both["est"] + both["epc"])


def test_releasing_one_constraint_foretells_the_model_without_it():
    case, found = scored("score_tied")
    free = fit(case["model"].replace("b == c\n", ""), cx.datasets.load("holzinger"))
    tests = found.score_tests().set_index("lhs")
    drop = found.estimate.chisq - free.estimate.chisq
    assert tests.loc["b", "chisq"] == pytest.approx(drop, rel=0.1)
    assert tests.loc["b", "epc"] == pytest.approx(float(np.subtract(*free.estimates.set_index("label").loc[["b", "c"], "est"])), rel=0.15)  # fmt: skip
    changes = found.expected_changes("b == c").merge(free.estimates, on=["lhs", "op", "rhs"])
    assert (changes["epv"] - changes["est_y"]).abs().max() < 0.05
    assert len(found.expected_changes(["a", "b==c"])) == len(changes)


def test_constraints_that_set_a_scale_have_no_test_and_bounds_stay():
    data = cx.datasets.load("holzinger")
    scale = fit("f =~ NA*x1 + a*x2 + b*x3 + c*x4\na + b + c == 3", data).score_tests()
    assert scale.loc[0, ["lhs", "rhs"]].tolist() == ["a+b+c", "3"]
    assert scale["chisq"].isna().all()
    assert scale["df"].tolist() == [0, 0]
    bounded = fit("f =~ x1 + a*x2 + a*x3 + b*x4\nb < 0.3", data).score_tests()
    assert bounded["lhs"].tolist() == ["f", "(all)"]
    plain = fit("f =~ x1 + x2 + x3", data)
    assert plain.score_tests().empty
    with pytest.raises(SpecError, match="no equality constraints"):
        plain.expected_changes()
    with pytest.raises(SpecError, match="release names 'd'; constraints are 'a'"):
        fit("f =~ x1 + a*x2 + a*x3 + x4", data).expected_changes("d")


# --- between models -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIFFERENCES)
def test_scaled_differences(name):
    case = reference()[name]
    wide = fitted(case["free"], case["options"], DATA)
    narrow = fitted(case["tight"], dict(case["options"]) | dict(case["more"] or {}), DATA)
    for row in case["rows"]:
        method = None if row["method"] == "default" else row["method"]
        ours = cx.compare(wide, narrow, method=method).iloc[1]
        assert ours["df_diff"] == row["df_diff"]
        assert ours["chisq_diff"] == pytest.approx(row["chisq_diff"], rel=1e-4), row["method"]
        assert ours["pvalue"] == pytest.approx(row["pvalue"], rel=1e-3), row["method"]


def test_methods_that_do_not_apply_are_refused():
    y = "f1 =~ y1 + y2 + y3\nf2 =~ y4 + y5 + y6"
    tight = y.replace("y2 + y3", "a*y2 + a*y3")
    pair = [fit(m, options={"estimator": "MLR"}) for m in (y, tight)]
    with pytest.raises(SpecError, match=r"method is one of .* Did you mean 'satorra.bentler.2010'"):
        cx.compare(*pair, method="satorra.bentler.2011")
    with pytest.raises(SpecError, match="is for robust tests; the models were fitted by ML"):
        cx.compare(*(fit(m) for m in (y, tight)), method="satorra.2000")
    other = fit(tight, options={"estimator": "MLR", "std_lv": True})
    with pytest.raises(SpecError, match="set the scale of the constructs the same way"):
        cx.compare(pair[0], other, method="satorra.bentler.2010")
    ordinal = [fit(m.replace("y", "o"), options={"ordered": True}) for m in (y, tight)]
    with pytest.raises(SpecError, match="not WLSMV"):
        cx.compare(*ordinal, method="satorra.bentler.2001")
    assert cx.compare(*ordinal, method="satorra.2000").equals(cx.compare(*ordinal))


def test_difference_of_2000_of_incomplete_rows_is_that_of_complete_ones_where_nothing_is_missing():
    y = "f1 =~ y1 + y2 + y3\nf2 =~ y4 + y5 + y6"
    tight = y.replace("y2 + y3", "a*y2 + a*y3")
    options = {"estimator": "MLR", "mean_structure": True}
    found = [
        cx.compare(*(fit(m, options=options, missing=how) for m in (y, tight)), method="satorra.2000")["chisq_diff"][
            1
        ]
        for how in ("listwise", "fiml")
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-6)
    gaps = [fit(m.replace("y", "m"), options={"estimator": "MLR"}, missing="fiml") for m in (y, tight)]
    by_factors, by_restriction = (cx.compare(*gaps, method=m)["chisq_diff"][1] for m in (None, "satorra.2000"))
    assert by_restriction == pytest.approx(by_factors, rel=0.25)
