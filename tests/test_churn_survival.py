"""Survival against lifelines 0.30 and statsmodels 0.14 on telco, other implementations, brute force and known truth."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.hazard_regression import PHReg

import cxmodels as cx
from cxmodels.churn import CoxHazards, KaplanMeier, concordance
from cxmodels.errors import DataWarning

REFERENCE = Path(__file__).parent / "reference" / "churn"


@cache
def reference():
    return json.loads((REFERENCE / "survival_wa_churn.json").read_text(encoding="utf-8"))


@cache
def telco():
    """The columns behind the reference values."""
    d = cx.datasets.load("telco")
    return pd.DataFrame(
        {
            "senior": d.senior_citizen,
            "partner": d.partner,
            "dependents": d.dependents,
            "paperless": d.paperless_billing,
            "monthly_charges": d.monthly_charges,
            "fiber": (d.internet_service == "Fiber optic").astype(int),
            "no_internet": (d.internet_service == "No").astype(int),
            "one_year": (d.contract == "One year").astype(int),
            "two_year": (d.contract == "Two year").astype(int),
            "e_check": (d.payment_method == "Electronic check").astype(int),
            "tenure": d.tenure,
            "churn": d.churn,
        }
    )


@cache
def cox():
    return CoxHazards().fit(telco(), "churn", duration="tenure")


def simulated(n=400, seed=1, *, rounded=True):
    """Customers with known hazard ratios, delayed entry, weights, strata and clusters."""
    rng = np.random.default_rng(seed)
    x = pd.DataFrame({"a": rng.normal(size=n), "b": rng.integers(0, 2, n).astype(float)})
    t = rng.weibull(1.3, n) * 20 * np.exp(-(0.5 * x.a - 0.8 * x.b) / 1.3)
    c = rng.uniform(5, 40, n)
    entry = np.where(rng.random(n) < 0.4, rng.uniform(0, 8, n), 0.0)
    time = np.minimum(t, c)
    if rounded:
        time, entry = np.ceil(time), np.floor(entry) + 0.5 * (entry > 0)
    d = x.assign(time=time, left=(t <= c).astype(int), entry=entry)
    d["w"], d["s"], d["id"] = rng.integers(1, 4, n).astype(float), rng.integers(0, 3, n), rng.integers(0, n // 3, n)
    return d[d.time > d.entry].reset_index(drop=True)


# --- Kaplan-Meier -----------------------------------------------------------------------------------------------------


def test_kaplan_meier_equals_lifelines():
    told = reference()
    found = KaplanMeier().fit(telco(), "churn", duration="tenure")
    at = found.at([line["t"] for line in told["km_all"]])
    for ours, theirs in (("survival", "S"), ("ci_lower", "lo"), ("ci_upper", "hi")):
        np.testing.assert_allclose(at[ours], [line[theirs] for line in told["km_all"]], atol=1e-10)
    hazard = found.at([float(k) for k in told["nelson_aalen"]])["hazard"]
    np.testing.assert_allclose(hazard, list(told["nelson_aalen"].values()), atol=1e-10)
    assert found.restricted_mean(72).est[0] == pytest.approx(told["rmst_72"], abs=1e-8)
    ahead = found.ahead(12, so_far=12)
    assert ahead.survival[0] == pytest.approx(told["conditional_survival"]["S(24)/S(12)"], abs=1e-10)
    assert np.isnan(found.quantiles().time[0])
    assert (found.n_obs, found.n_events) == (7043, 1869)


def test_kaplan_meier_by_group_equals_lifelines():
    told = reference()
    found = KaplanMeier().fit(cx.datasets.load("telco"), "churn", duration="tenure", group="contract")
    for name, line in told["by_contract"].items():
        at = found.at([float(k) for k in line["S"]]).set_index("group").loc[name]
        np.testing.assert_allclose(at.survival, list(line["S"].values()), atol=1e-10)
    medians = found.quantiles(0.5).set_index("group").time
    assert medians["Month-to-month"] == 35
    assert medians[["One year", "Two year"]].isna().all()
    test = found.test()
    assert test.chisq == pytest.approx(told["logrank_contract"]["chi2"], rel=1e-9)
    assert test.df == 2


def test_weights_are_customers_and_the_jackknife_is_greenwood_without_them():
    d = simulated()
    many = d.loc[d.index.repeat(d.w.astype(int))]
    for spec in (KaplanMeier(), KaplanMeier(interval="log"), KaplanMeier(interval="plain")):
        one = spec.fit(d, "left", duration="time", entry="entry", weights="w", group="s")
        two = spec.fit(many, "left", duration="time", entry="entry", group="s")
        pd.testing.assert_frame_equal(one.curve, two.curve)
        assert one.test().chisq == pytest.approx(two.test().chisq)
    plain = KaplanMeier().fit(d, "left", duration="time").curve
    robust = KaplanMeier(robust=True).fit(d, "left", duration="time").curve
    np.testing.assert_allclose(plain.se, robust.se, atol=1e-12)


def test_the_jackknife_with_weights_and_truncation_is_that_of_left_out_rows():
    d = simulated(150)
    time = np.unique(d.time)

    def log_survival(w):
        n = ((d.entry.to_numpy() < time[:, None]) & (d.time.to_numpy() >= time[:, None])) @ w
        gone = ((d.time.to_numpy() == time[:, None]) & (d.left.to_numpy() == 1)) @ w
        return np.cumsum(np.log1p(-gone / n))

    w, step = d.w.to_numpy(), 1e-6
    moved = [(log_survival(w + step * e) - log_survival(w - step * e)) / (2 * step) for e in np.eye(len(d))]
    wanted = np.sqrt((w[:, None] ** 2 * np.array(moved) ** 2).sum(axis=0))
    found = KaplanMeier(robust=True).fit(d, "left", duration="time", entry="entry", weights="w").curve.iloc[1:]
    np.testing.assert_allclose(found.se / found.survival, wanted, rtol=1e-5)


def test_delayed_entry_undoes_what_nobody_saw():
    rng = np.random.default_rng(3)
    t, start = rng.exponential(10, 40_000), np.maximum(rng.uniform(-3, 15, 40_000), 0)
    seen = t > start
    naive = KaplanMeier().fit(t[seen], np.append(np.ones(seen.sum() - 1, int), 0)).at(10).survival[0]
    right = KaplanMeier().fit(t[seen], np.append(np.ones(seen.sum() - 1, int), 0), entry=start[seen]).at(10)
    assert naive > np.exp(-1) + 0.1
    assert right.ci_lower[0] < np.exp(-1) < right.ci_upper[0]


# --- Cox --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ties", "name"), [("efron", "cox_efron_lifelines"), ("efron", "cox_efron_statsmodels"), ("breslow", "cox_breslow_statsmodels")]
)  # fmt: skip
def test_cox_equals_lifelines_and_statsmodels(ties, name):
    told = reference()[name]
    found = CoxHazards(ties=ties).fit(telco(), "churn", duration="tenure")
    table = found.estimates.set_index("term")
    for term in told["params"]:
        assert table.est[term] == pytest.approx(told["params"][term], abs=1e-7)
        assert table.se[term] == pytest.approx(told["se"][term], abs=1e-7)
    assert found.fit_measures["loglik"] == pytest.approx(told["loglik"], abs=1e-6)
    if "concordance" in told:
        risk = telco()[list(table.index)] @ table.est
        assert concordance(telco().tenure, telco().churn, risk) == pytest.approx(told["concordance"], abs=1e-9)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_cox_with_entry_and_strata_equals_statsmodels(ties):
    d = simulated()
    found = CoxHazards(ties=ties).fit(d, "left", duration="time", columns=["a", "b"], entry="entry", strata="s")
    peer = PHReg(d.time, d[["a", "b"]], d.left, entry=d.entry, strata=d.s, ties=ties).fit()
    np.testing.assert_allclose(found.estimates.est, peer.params, atol=1e-6)
    np.testing.assert_allclose(found.estimates.se, peer.bse, atol=1e-6)
    assert found.fit_measures["loglik"] == pytest.approx(peer.llf, abs=1e-6)


def test_breslow_weights_are_customers():
    d = simulated()
    many = d.loc[d.index.repeat(d.w.astype(int))]
    options = {"duration": "time", "columns": ["a", "b"], "entry": "entry"}
    one = CoxHazards(ties="breslow").fit(d, "left", weights="w", **options)
    two = CoxHazards(ties="breslow").fit(many, "left", **options)
    np.testing.assert_allclose(one.estimates.iloc[:, 1:], two.estimates.iloc[:, 1:], atol=1e-9)
    np.testing.assert_allclose(one.baseline, two.baseline, atol=1e-9)


def test_hold_out_of_telco_reaches_the_bar():
    """The protocol of the reference file: concordance of .861 and an integrated Brier score of .082 by lifelines."""
    from sklearn.model_selection import train_test_split

    d = cx.datasets.load("telco").query("tenure > 0").drop(columns="total_charges").reset_index(drop=True)
    train, test = train_test_split(np.arange(len(d)), test_size=0.25, stratify=d.churn, random_state=20240131)
    with pytest.warns(DataWarning, match="7 of 28 terms follow from the others"):
        found = CoxHazards().fit(d.iloc[np.sort(train)], "churn", duration="tenure")
    judged = found.evaluate(d.iloc[np.sort(test)], "churn", duration="tenure", times=np.arange(2, 71), tau=71)
    told = reference()["holdout"]["models"]["cox_all_features"]
    assert judged["harrell"] == pytest.approx(told["harrell"], abs=2e-3)
    assert judged["harrell"] > 0.86
    assert judged["uno"] == pytest.approx(told["uno_tau71"], abs=3e-3)
    assert judged["ibs"] <= 0.083
    assert judged["ibs_null"] == pytest.approx(reference()["holdout"]["models"]["km_null"]["ibs_2_70"], abs=5e-3)
