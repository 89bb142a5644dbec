"""Contracts, purchases and spend against Fader and Hardie's published values and lifetimes 0.11, and known truth."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import betaln
from scipy.stats import gamma as gamma_law

import cxmodels as cx
from cxmodels.churn import BGNBD, GammaGamma, ParetoNBD, ShiftedBetaGeometric
from cxmodels.churn.contracts import _loglik as contract_loglik
from cxmodels.churn.purchase_kernel import bgnbd_loglik
from cxmodels.churn.spend import _loglik as spend_loglik
from cxmodels.errors import ConvergenceWarning, CxError
from tests.churn_histories import bought_until_they_leave

REFERENCE = Path(__file__).parent / "reference" / "churn"


@cache
def reference(name):
    return json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))


@cache
def cdnow():
    return cx.datasets.load("cdnow_summary")


@cache
def bought():
    return BGNBD().fit(cdnow())


@pytest.mark.parametrize("cohort", ["regular", "high_end"])
def test_shifted_beta_geometric_equals_the_article(cohort):
    told = reference("sbg")["cohorts"][cohort]
    alive = told["alive"]
    for last in (4, 7, 12):
        wanted = told[f"fit_years_0_{last}"]
        found = ShiftedBetaGeometric().fit(alive[: last + 1])
        assert found.params["alpha"] == pytest.approx(wanted["alpha"], rel=1e-6)
        assert found.params["beta"] == pytest.approx(wanted["beta"], rel=1e-6)
        if "loglik" in wanted:
            assert found.loglik == pytest.approx(wanted["loglik"], abs=1e-6)
    found = ShiftedBetaGeometric().fit(alive[:8])
    t = np.arange(1, 13)
    np.testing.assert_allclose(found.survival(t), told["survival_1_12"], rtol=1e-6)
    np.testing.assert_allclose(found.retention(t), told["retention_1_12"], rtol=1e-6)
    assert found.expected_lifetime(0.1).est == pytest.approx(told["del_d10"], rel=1e-6)
    assert found.residual_lifetime(3, 0.1).est == pytest.approx(told["derl_after_3_renewals_d10"], rel=1e-6)
    wide = ShiftedBetaGeometric(weibull=True).fit(alive[:8])
    assert wide.params.to_dict() == pytest.approx(
        {k: told["bdw_years_0_7"][k] for k in ("alpha", "beta", "c")}, rel=1e-4
    )
    assert wide.loglik == pytest.approx(told["bdw_years_0_7"]["loglik"], abs=1e-6)


def test_single_customers_and_several_cohorts_say_what_the_counts_say():
    alive = [100, 70, 55, 48]
    durations = np.repeat([1, 2, 3, 3], [30, 15, 7, 48])
    churned = np.repeat([1, 1, 1, 0], [30, 15, 7, 48])
    one = ShiftedBetaGeometric().fit(alive)
    two = ShiftedBetaGeometric().fit(durations=durations, churned=churned)
    pd.testing.assert_series_equal(one.params, two.params)
    cohorts = ShiftedBetaGeometric().fit([[60, 40, 31, 27], [40, 30, 24, np.nan]])
    assert cohorts.n_obs == 100
    longer = _discounted_by_hand(one, 4, 0.1)
    assert one.residual_lifetime(3, 0.1).est == pytest.approx(longer, rel=1e-6)


def _discounted_by_hand(found, n, rate):
    t = np.arange(n, 4000)
    return (found.survival(t) / found.survival([n - 1]) * (1 + rate) ** -(t - n)).sum()


def test_one_customer_needs_no_brackets():
    one, several = (
        bought().expected_purchases(39, 2, 30.43, 38.86),
        bought().expected_purchases(39, [2], [30.43], [38.86]),
    )
    assert one.shape == (1,)
    assert one[0] == several[0] == pytest.approx(1.226, abs=5e-4)  # Fader, Hardie and Lee (2005)


def test_bgnbd_equals_the_article():
    told, found = reference("bgnbd_cdnow"), bought()
    for name, value in told["mle"].items():
        if name != "loglik":
            assert found.params[name] == pytest.approx(value, rel=1e-5)
            assert found.estimates.se[name] == pytest.approx(told["se"][name], rel=2e-3)
    assert found.loglik == pytest.approx(told["mle"]["loglik"], abs=1e-6)
    for line in told["customers"]:
        history = ([line["frequency"]], [line["recency"]], [line["T"]])
        assert found.p_alive(*history)[0] == pytest.approx(line["p_alive"], rel=1e-5)
        assert found.expected_purchases(39, *history)[0] == pytest.approx(line["expected_39"], rel=1e-5)
    for t, value in told["unconditional_expected"].items():
        assert found.expected_new(float(t))[0] == pytest.approx(value, rel=1e-5)
    d = cdnow()
    total = found.expected_total(39, d.frequency, d.recency, d["T"])
    assert total.est == pytest.approx(told["totals"]["sum_expected_39"], rel=1e-5)
    assert total.ci_lower < total.est < total.ci_upper
    assert found.p_alive(d.frequency, d.recency, d["T"]).mean() == pytest.approx(
        told["totals"]["mean_p_alive"], rel=1e-5
    )


def test_pareto_nbd_equals_the_article():
    told, d = reference("bgnbd_cdnow"), cdnow()
    found = ParetoNBD().fit(d)
    assert found.params.to_dict() == pytest.approx(
        {k: told["pareto_nbd_lifetimes"][k] for k in ("r", "alpha", "s", "beta")}, rel=2e-3
    )
    assert found.loglik == pytest.approx(told["pareto_nbd_published"]["loglik"], abs=0.05)
    # P(alive) and expectation against integrals over the two rates of one customer
    r, alpha, s, beta = found.params
    x, tx, t = 2, 10.0, 20.0

    lam, gone = (gamma_law.ppf((np.arange(1500) + 0.5) / 1500, k, scale=1 / c) for k, c in ((r, alpha), (s, beta)))
    stayed = lam[:, None] ** x * np.exp(-(lam[:, None] + gone) * t)
    both = lam[:, None] + gone
    left = lam[:, None] ** x * gone / both * (np.exp(-both * tx) - np.exp(-both * t))
    assert found.p_alive([x], [tx], [t])[0] == pytest.approx(stayed.sum() / (stayed + left).sum(), rel=5e-3)
    assert found.expected_new([0.0])[0] == pytest.approx(0)


def test_gamma_gamma_equals_the_article():
    told, found = reference("gamma_gamma_cdnow"), GammaGamma().fit(cdnow())
    assert found.params.to_dict() == pytest.approx({k: told["mle"][k] for k in ("p", "q", "v")}, rel=1e-5)
    assert found.loglik == pytest.approx(told["mle"]["loglik"], abs=1e-6)
    assert found.population_mean == pytest.approx(told["population_mean"], rel=1e-5)
    assert found.correlation == pytest.approx(told["corr_frequency_monetary"], abs=1e-9)
    for line in told["conditional"]:
        assert found.expected_spend([line["x"]], [line["zbar"]])[0] == pytest.approx(line["expected_spend"], rel=1e-5)
    assert found.n_obs == told["n"]
    assert found.excluded.rows.tolist() == [2357 - 946]


def test_gradients_are_those_of_the_values():
    rng = np.random.default_rng(1)
    x = rng.integers(0, 5, 50).astype(float)
    t = rng.uniform(5, 30, 50)
    tx = np.where(x > 0, t * rng.uniform(0.1, 1, 50), 0)
    w, z = rng.integers(1, 4, 50).astype(float), rng.gamma(3, 10, 50)
    ux, place = np.unique(x, return_inverse=True)
    again = x > 0
    cases = [
        (lambda p: bgnbd_loglik(p, ux, place, x, tx, t, w), np.array([0.4, 5.0, 0.8, 2.0])),
        (
            lambda p: spend_loglik(p, x[again], z[again], w[again], np.column_stack([tx[again]])),
            np.array([3.0, 4.0, 12.0, 0.01]),
        ),
        (lambda p: contract_loglik(p, w[:5], w[5:11], np.arange(1.0, 6), np.arange(6.0)), np.array([0.7, 2.0, 1.3])),
    ]
    for function, at in cases:
        for j in range(len(at)):
            step = np.zeros(len(at))
            step[j] = 1e-6
            slope = (function(at + step)[0] - function(at - step)[0]) / 2e-6
            assert function(at)[1][j] == pytest.approx(slope, rel=1e-5)


def drawn(n, seed, r=0.6, alpha=6.0, a=0.9, b=2.5, t=40.0):
    rng = np.random.default_rng(seed)
    rate, leave = rng.gamma(r, 1 / alpha, n), rng.beta(a, b, n)
    x, tx = bought_until_they_leave(rng, rate, leave, t)
    return x, tx, np.full(n, t)


def test_bgnbd_recovers_a_known_population_from_any_start():
    x, tx, t = drawn(6_000, 2)
    found = BGNBD().fit(x, tx, t)
    truth = np.array([0.6, 6.0, 0.9, 2.5])
    table = found.estimates
    assert (np.abs(table.est - truth) < 3.5 * table.se).all()
    far = BGNBD().fit(x, tx, t, start=[5.0, 0.5, 4.0, 0.3])
    np.testing.assert_allclose(found.params, far.params, rtol=1e-6)
    weeks = BGNBD().fit(x, tx / 52, t / 52)
    np.testing.assert_allclose(weeks.params[["r", "a", "b"]], found.params[["r", "a", "b"]], rtol=1e-5)
    assert weeks.params["alpha"] == pytest.approx(found.params["alpha"] / 52, rel=1e-5)
    w = np.random.default_rng(3).integers(0, 3, 500)
    heavy = BGNBD().fit(x[:500], tx[:500], t[:500], weights=w)
    repeated = BGNBD().fit(*(np.repeat(v[:500], w) for v in (x, tx, t)))
    np.testing.assert_allclose(heavy.params, repeated.params, rtol=1e-6)
    assert heavy.loglik == pytest.approx(repeated.loglik)


def test_intervals_of_contracts_cover_the_truth():
    truth = np.exp(betaln(0.8, 14.5) - betaln(0.8, 2.5))
    inside = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        leave = rng.beta(0.8, 2.5, 600)
        durations = rng.geometric(leave)
        churned = durations <= 8
        found = ShiftedBetaGeometric().fit(durations=np.minimum(durations, 8), churned=churned.astype(int))
        curve = found.curve(12)
        inside.append(curve.ci_lower.iloc[12] <= truth <= curve.ci_upper.iloc[12])
    assert 0.86 <= np.mean(inside) <= 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ShiftedBetaGeometric().fit([100, 110, 90]), "rise"),
        (lambda: ShiftedBetaGeometric().fit([100, 100, 100]), "Nobody left"),
        (lambda: ShiftedBetaGeometric().fit([100, 0, 0]), "Everybody left"),
        (lambda: ShiftedBetaGeometric().fit([100]), "at least one period"),
        (lambda: ShiftedBetaGeometric().fit(), "Give either"),
        (lambda: ShiftedBetaGeometric().fit(durations=[1, -2], churned=[1, 0]), "negative"),
        (lambda: ShiftedBetaGeometric().fit(durations=[0, 2], churned=[1, 0]), "before the end"),
        (lambda: ShiftedBetaGeometric().fit(durations=[1, 2], churned=[1, 5]), "1 or 0"),
        (lambda: BGNBD().fit([1, 2], [5, 50], [40, 40]), "after the end"),
        (lambda: BGNBD().fit([1.5, 2], [5, 6], [40, 40]), "whole number"),
        (lambda: BGNBD().fit([0, 2], [5, 6], [40, 40]), "recency but no repeat"),
        (lambda: BGNBD().fit([0, 0], [0, 0], [40, 40]), "Nobody bought again"),
        (lambda: BGNBD().fit([1, -2], [5, 6], [40, 40]), "below 0"),
        (lambda: BGNBD().fit([1, 2], [5, 6], [40]), "T has 1 entries"),
        (lambda: BGNBD().fit(cdnow(), "recenc"), "Did you mean 'recency'"),
        (lambda: GammaGamma().fit([1, 2, 3, 4], [5, -6, 7, 8]), "zero or less"),
        (lambda: GammaGamma().fit([1, 0, 0], [5, 0, 0]), "Only 1 customers"),
    ],
)
def test_bad_histories_are_refused(call, said):
    with pytest.raises(CxError, match=said):
        call()


def test_a_likelihood_without_a_maximum_says_so():
    alive = 3125 * 0.8 ** np.arange(6)  # one and the same hazard for all: the beta is a point
    with pytest.warns(ConvergenceWarning, match="no finite maximum|settled"):
        found = ShiftedBetaGeometric().fit(alive)
    assert not found.converged
    assert "NO" in repr(found)
