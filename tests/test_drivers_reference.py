"""Driver analysis against relaimpo 2.2-7, R's glm and lm, MASS::polr, and an independent all-subsets program."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx

REFERENCE = Path(__file__).parent / "reference" / "drivers"
LINEAR, ITERATED = 1e-9, 1e-5  # what the task asks for; the reference files give 1e-9 and 1e-7


@cache
def case(name):
    return json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))


@cache
def data(name):
    return pd.read_csv(REFERENCE / case(name)["data"])


def close(found, wanted, tolerance=LINEAR):
    wanted = pd.Series(wanted, dtype=float)
    assert list(found.index) == list(wanted.index)
    np.testing.assert_allclose(found.to_numpy(float), wanted.to_numpy(), rtol=0, atol=tolerance)


def matrix(nested):
    return pd.DataFrame(nested).T


def outcome_of(name):
    frame = data(name)
    if name == "mobi_logit_mcfadden":
        return frame.assign(top=(frame["CUSA1"] >= 9).astype(int))
    if name == "mobi_ordered_mcfadden":
        return frame.assign(ord=frame["CUSA1"].clip(6) - 5)
    return frame


def fit(name, method="shapley", **spec):
    c = case(name)
    return cx.Drivers(c["outcome"], c["predictors"], method, **spec).fit(outcome_of(name), weights=c.get("weights"))


LINEAR_CASES = ["swiss_linear", "attitude_linear", "mobi_p12", "mobi_p14", "mobi_weighted"]
METHODS = {"lmg": "lmg", "first": "first", "last": "last", "betasq": "betasq", "pratt": "pratt", "genizi": "genizi", "car": "car"}  # fmt: skip


@pytest.mark.parametrize("name", LINEAR_CASES)
@pytest.mark.parametrize("metric", METHODS)
def test_relaimpo(name, metric):
    """Six linear metrics of relaimpo, raw and normalised, weighted where the case is."""
    reference = case(name).get("relaimpo_2.2_7", {})
    if metric not in reference.get("raw", {}):
        pytest.skip(f"relaimpo was not run for {metric} here")
    res = fit(name, METHODS[metric])
    close(res.importance["importance"], reference["raw"][metric])
    close(res.importance["share"], reference["normalized"][metric])
    assert res.r_squared == pytest.approx(reference["r2"], abs=LINEAR)


@pytest.mark.parametrize("name", LINEAR_CASES)
def test_all_subsets(name):
    """Shapley, dominance of three kinds, Johnson, PMVD, VIF, coefficients and correlations."""
    values = case(name)["values"]
    res = fit(name)
    close(res.importance["importance"], values["lmg"])
    close(res.importance["correlation"], values["correlation_with_y"])
    close(res.importance["vif"], values["vif"], 1e-8)
    assert res.importance["importance"].sum() == pytest.approx(res.r_squared, abs=1e-12)
    wanted = {k: v for k, v in values["dominance_conditional"].items() if k != "note"}
    np.testing.assert_allclose(res.dominance.conditional, matrix(wanted), rtol=0, atol=LINEAR)
    close(fit(name, "johnson").importance["importance"], values["johnson_raw"])
    if "pmvd" in values:
        close(fit(name, "pmvd").importance["importance"], values["pmvd"])
    if "dominance_complete_share" in values:
        shares = {k: v for k, v in values["dominance_complete_share"].items() if k != "note"}
        np.testing.assert_array_equal(res.dominance.complete, matrix(shares))
    frame, columns = outcome_of(name), case(name)["predictors"]
    w = frame["w"] if case(name).get("weights") else np.ones(len(frame))
    sd = {c: np.sqrt(np.cov(frame[c], aweights=w)) for c in [*columns, case(name)["outcome"]]}
    beta = res.importance["coef"] * pd.Series(sd)[columns] / sd[case(name)["outcome"]]
    close(beta, values["beta_standardized"])


def test_controls_stand_in_every_model():
    wanted = case("swiss_linear")["always_Catholic_relaimpo"]
    columns = [c for c in case("swiss_linear")["predictors"] if c != "Catholic"]
    for metric in ("lmg", "last", "first"):
        res = cx.Drivers("Fertility", columns, metric, controls=["Catholic"]).fit(data("swiss_linear"))
        close(res.importance["importance"], wanted["raw"][metric])
        assert res.r_squared == pytest.approx(wanted["r2"], abs=LINEAR)
        assert res.r_squared - res.r_squared_controls == pytest.approx(wanted["r2_decomposed"], abs=LINEAR)


def test_groups_are_players():
    c = case("mobi_groups")
    spec = cx.Drivers("CUSA", list(c["groups"]), groups=c["groups"])
    res = spec.fit(data("mobi_groups"))
    close(res.importance["importance"], c["lmg"])
    np.testing.assert_allclose(res.dominance.conditional, matrix(c["dominance_conditional"]), rtol=0, atol=LINEAR)
    np.testing.assert_array_equal(res.dominance.complete, matrix(c["dominance_complete_share"]))
    for method in ("pmvd", "first", "last"):
        wanted = c["pmvd"] if method == "pmvd" else c["relaimpo_2_2_7"]["raw"][method]
        again = cx.Drivers("CUSA", [], method, groups=c["groups"]).fit(data("mobi_groups"))
        close(again.importance["importance"], wanted)


def test_categorical_attributes_are_players():
    c = case("mtcars_factor")
    for method in ("shapley", "first", "last"):
        res = cx.Drivers(c["outcome"], c["predictors"], method, categorical=c["categorical"]).fit(
            data("mtcars_factor")
        )
        name = "lmg" if method == "shapley" else method
        close(res.importance["importance"], c["relaimpo_2_2_7"]["raw"][name])
    res = cx.Drivers(c["outcome"], c["predictors"], categorical=c["categorical"]).fit(data("mtcars_factor"))
    np.testing.assert_allclose(res.dominance.conditional, matrix(c["dominance_conditional"]), rtol=0, atol=LINEAR)
    np.testing.assert_array_equal(res.dominance.complete, matrix(c["dominance_complete_share"]))


@pytest.mark.parametrize("measure", ["mcfadden", "cox_snell", "nagelkerke"])
def test_logit(measure):
    c = case("mobi_logit_mcfadden")
    res = fit("mobi_logit_mcfadden", family="logit", measure=measure)
    close(res.importance["importance"], c[f"shapley_{measure}"], ITERATED)
    assert res.r_squared == pytest.approx(c[f"{measure}_full"], abs=1e-7)


def test_logit_dominance_and_relative_weights():
    c = case("mobi_logit_mcfadden")
    res = fit("mobi_logit_mcfadden", family="logit")
    np.testing.assert_allclose(res.dominance.conditional, matrix(c["dominance_conditional"]), rtol=0, atol=1e-7)
    np.testing.assert_array_equal(res.dominance.complete, matrix(c["dominance_complete_share"]))
    johnson = fit("mobi_logit_mcfadden", "johnson", family="logit")
    wanted = c["logistic_relative_weights_Tonidandel_LeBreton_2010"]
    close(johnson.importance["importance"], wanted["raw"], ITERATED)
    close(100 * johnson.importance["share"], wanted["rescaled_pct"], 1e-4)
    assert johnson.r_squared == pytest.approx(wanted["R2_O"], abs=ITERATED)


def test_ordered():
    c = case("mobi_ordered_mcfadden")
    res = fit("mobi_ordered_mcfadden", family="ordered")
    close(res.importance["importance"], c["shapley_mcfadden"], ITERATED)
    close(res.importance["share"], c["shapley_mcfadden_normalized"], ITERATED)
    np.testing.assert_allclose(res.dominance.conditional, matrix(c["dominance_conditional"]), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(res.dominance.complete, matrix(c["dominance_complete_share"]))


@pytest.mark.parametrize("name", ["mobi_logit_mcfadden", "mobi_ordered_mcfadden"])
def test_every_sub_model(name):
    """Log-likelihoods of all sub-models against R."""
    from cxmodels.drivers.likelihood import Ordinal

    c, frame = case(name), outcome_of(name)
    y = frame[c["outcome"]].to_numpy() - frame[c["outcome"]].min()
    q = len(c["predictors"])
    sets = ((np.arange(2**q)[:, None] >> np.arange(q)) & 1).astype(bool)
    found, _, done = Ordinal(frame[c["predictors"]].to_numpy(float), y).fit(np.ones((1, len(y))), sets)
    assert done.all()
    np.testing.assert_allclose(found[0], c["submodel_loglik"]["values"], rtol=0, atol=c["tolerance"]["abs"])


TREATMENTS = {"listwise": "listwise", "pairwise": "pairwise_correlation", "mean": "mean_fill", "indicator": "dummy_adjustment"}  # fmt: skip


@pytest.mark.parametrize("missing", TREATMENTS)
def test_missing(missing):
    c = case("cxsim_missing")
    wanted = c[TREATMENTS[missing]]
    res = cx.Drivers(c["outcome"], c["predictors"]).fit(data("cxsim_missing"), missing=missing)
    close(res.importance["importance"], wanted["lmg"])
    assert res.n_obs == (c["n_complete"] if missing == "listwise" else c["n_total"])
    if "r2" in wanted:
        assert res.r_squared == pytest.approx(wanted["r2"], abs=LINEAR)
    if missing == "indicator":
        coef = res.coefficients["est"]
        coef.index = [i.replace(" (missing)", "_missing").replace("(intercept)", "const") for i in coef.index]
        close(coef[list(wanted["coef"])], wanted["coef"], 1e-8)


def test_segments():
    c = case("cxsim_segments")
    res = cx.Drivers(c["outcome"], c["predictors"]).fit(data("cxsim_segments"))
    seg = res.segments("segment", n=20, seed=1)
    assert seg.chow["F"] == pytest.approx(c["chow"]["F"], abs=1e-8)
    assert seg.chow["pvalue"] == pytest.approx(c["chow"]["p"], abs=1e-10)
    assert [seg.chow["df1"], seg.chow["df2"]] == c["chow"]["df"]
    assert seg.slopes["F"] == pytest.approx(c["all_slopes_by_segment"]["F"], abs=1e-8)
    assert seg.slopes["pvalue"] == pytest.approx(c["all_slopes_by_segment"]["p"], abs=1e-10)
    for name, wanted in c["each_driver_by_segment"].items():
        row = seg.moderation.loc[name]
        assert row["F"] == pytest.approx(wanted["F"], abs=1e-8)
        assert row["pvalue"] == pytest.approx(wanted["p"], abs=1e-10)
        assert [row["df1"], row["df2"]] == wanted["df"]
    for name, wanted in c["per_segment"].items():
        own = seg.fits[name].point
        assert own.n_obs == wanted["n"]
        close(own.importance["importance"], wanted["lmg"])
        coef = own.coefficients.rename(index={"(intercept)": "const"})
        close(coef["est"], wanted["coef"], 1e-8)
        close(coef["se"], wanted["se"], 1e-8)


def test_penalty_reward():
    c = case("mobi_penalty_reward")
    names = ["PERQ1", "PERQ3", "PERQ6", "IMAG3", "PERV1"]
    found = cx.Drivers("CUSA", names).fit(data("mobi_penalty_reward")).penalty_reward(6, 9)
    for name in names:
        row = found.loc[name]
        assert row["penalty"] == pytest.approx(c["coef"][f"{name}_low"], abs=LINEAR)
        assert row["reward"] == pytest.approx(c["coef"][f"{name}_high"], abs=LINEAR)
        assert row["penalty_se"] == pytest.approx(c["se"][f"{name}_low"], abs=LINEAR)
        assert row["reward_se"] == pytest.approx(c["se"][f"{name}_high"], abs=LINEAR)
        assert (row["n_low"], row["n_high"]) == (c["n_low"][f"{name}_low"], c["n_high"][f"{name}_high"])
    assert found["intercept"].iloc[0] == pytest.approx(c["coef"]["(Intercept)"], abs=LINEAR)


def test_what_if():
    c = case("mobi_what_if")
    names = list(c["means"])
    res = cx.Drivers("CUSA", names).fit(data("mobi_what_if"))
    coef = res.coefficients.rename(index={"(intercept)": "(Intercept)"})
    close(coef["est"], c["coef"])
    close(coef["se"], c["se"])
    np.testing.assert_allclose(res.fit_coefficients.cov, c["vcov"], rtol=0, atol=LINEAR)
    close(res.importance["vif"], c["vif"])
    close(res.importance["performance"], c["means"])
    capped = res.simulate(dict.fromkeys(names, 0.5), scale=(1, 10))
    close(capped.effects["effect"], c["capped"])
    close(capped.effects["share_at_end"], c["share_at_max"])
    free = res.simulate(dict.fromkeys(names, 0.5), scale=(1, 10), capped=False)
    close(free.effects["effect"], c["uncapped"])
    close(free.effects["se"], c["uncapped_se"])
    assert free.change == pytest.approx(c["joint_uncapped"], abs=LINEAR)
    assert free.se == pytest.approx(c["joint_uncapped_se"], abs=LINEAR)
    close(res.elasticities()["elasticity"], c["elasticity"])
    assert free.baseline == pytest.approx(c["ybar"], abs=LINEAR)


def test_bootstrap_limits():
    c = case("mobi_bootstrap_rough")
    res = cx.Drivers(c["outcome"], c["predictors"]).fit(data("mobi_bootstrap_rough"))
    boot = res.bootstrap(1000, seed=1).importance
    close(boot["importance"], c["est"])
    close(boot["ci_lower"], c["lo"], c["tolerance"]["interval ends abs"])
    close(boot["ci_upper"], c["hi"], c["tolerance"]["interval ends abs"])
