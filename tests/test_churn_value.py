"""What customers are worth: covariates, values and their intervals against sums by hand, known truth and refits."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.churn import BGNBD, CoxHazards, GammaGamma, ParetoNBD, ShiftedBetaGeometric, customer_value
from cxmodels.errors import CxError
from tests.churn_histories import bought_until_they_leave


@cache
def cdnow():
    return cx.datasets.load("cdnow_summary")


@cache
def bought():
    return BGNBD().fit(cdnow())


@cache
def spent():
    return GammaGamma().fit(cdnow())


def buyers(n, seed, gamma_buying=0.0, gamma_leaving=0.0, r=0.8, alpha=5.0, a=0.9, b=2.5):
    """Histories of the BG/NBD with a plan that moves both rates."""
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 2, n).astype(float)
    age = rng.normal(size=n)
    t = rng.uniform(20, 60, n)
    rate = rng.gamma(r, 1 / alpha, n) * np.exp(gamma_buying * z)
    leave = rng.beta(a * np.exp(gamma_leaving * age), b)
    x, tx = bought_until_they_leave(rng, rate, leave, t)
    plan = np.where(z == 1, "plus", "basic")
    return pd.DataFrame({"frequency": x, "recency": tx, "T": t, "plan": plan, "age": age})


def left(n, seed, s_shift=0.0, r=0.7, alpha=6.0, s=0.8, beta=12.0):
    """Histories of the Pareto/NBD with an age that moves the rate of leaving."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    t = rng.uniform(20, 60, n)
    rate, end = rng.gamma(r, 1 / alpha, n), rng.exponential(1 / (rng.gamma(s, 1 / beta, n) * np.exp(s_shift * z)))
    until = np.minimum(end, t)
    x = rng.poisson(rate * until)
    last = until * rng.beta(np.maximum(x, 1), 1)  # the last of x uniform times
    tx = np.where(x > 0, last, 0.0)
    return pd.DataFrame({"frequency": x, "recency": tx, "T": t, "z": z})


# --- covariates -------------------------------------------------------------------------------------------------------


def test_covariates_of_the_bgnbd_are_recovered():
    d = buyers(8_000, 1, gamma_buying=0.5, gamma_leaving=0.4)
    d["plan"] = pd.Categorical(d.plan)
    found = BGNBD().fit(d, buying=["plan"], leaving=["age"])
    table = found.estimates
    plus = next(k for k in table.index if k.startswith("gamma_buying"))
    flip = 1.0 if plus.endswith("plus") else -1.0  # the more frequent plan is the reference
    assert abs(flip * table.est[plus] - 0.5) < 3.5 * table.se[plus]
    assert abs(table.est["gamma_leaving:age"] - 0.4) < 3.5 * table.se["gamma_leaving:age"]
    assert table.se.between(1e-4, 0.5).all()
    plain = BGNBD().fit(d)
    assert 2 * (found.loglik - plain.loglik) > 30
    halved = BGNBD().fit(d.assign(age=d.age / 100), buying=["plan"], leaving=["age"])
    assert halved.loglik == pytest.approx(found.loglik, abs=1e-5)
    assert halved.params["gamma_leaving:age"] == pytest.approx(100 * found.params["gamma_leaving:age"], rel=1e-4)


def test_covariates_of_the_pareto_nbd_are_recovered():
    d = left(4_000, 3, s_shift=0.7)
    found = ParetoNBD().fit(d, leaving=["z"])
    table = found.estimates
    truth = pd.Series({"r": 0.7, "alpha": 6.0, "s": 0.8, "beta": 12.0, "gamma_leaving:z": 0.7})
    assert ((table.est - truth).abs() < 3.5 * table.se).all()


@pytest.mark.parametrize("spec", [BGNBD(), ParetoNBD()])
def test_a_covariate_without_effect_changes_nothing(spec):
    d = cdnow().iloc[:800].reset_index(drop=True)
    rng = np.random.default_rng(1)
    moved = spec.fit(d.assign(noise=rng.normal(size=len(d))), buying=["noise"], leaving=["noise"])
    plain = spec.fit(d)
    assert 0 <= moved.loglik - plain.loglik < 6
    assert moved.params["r"] == pytest.approx(plain.params["r"], rel=0.1)
    with_noise = d.assign(noise=0.0)
    np.testing.assert_allclose(
        moved.expected_new([10.0], with_noise.iloc[:1]), plain.expected_new([10.0]), rtol=0.1
    )  # fmt: skip


def test_any_table_is_taken():
    polars = pytest.importorskip("polars")
    d = polars.from_pandas(cdnow())
    found = BGNBD().fit(d)
    pd.testing.assert_series_equal(found.params, bought().params)
    np.testing.assert_allclose(found.p_alive(d), bought().p_alive(cdnow()))
    assert GammaGamma().fit(d).params["p"] == pytest.approx(spent().params["p"])


@pytest.mark.parametrize("leaving", [(), ("z",)])
def test_gradients_with_covariates_are_those_of_the_values(leaving):
    from cxmodels.churn.histories import read_histories
    from cxmodels.churn.purchases import BGNBDResult, ParetoNBDResult

    d = left(60, 4).assign(plan=["a", "b", "c"] * 20)
    rows = read_histories(d, "frequency", "recency", "T", None, ["plan"], leaving)
    for kind in (BGNBDResult, ParetoNBDResult):
        function = kind._loglik(rows)
        at = np.append([0.7, 4.0, 0.9, 2.2], np.full(2 + len(leaving), 0.3))
        for j in range(len(at)):
            step = np.zeros(len(at))
            step[j] = 1e-6
            slope = (function(at + step)[0] - function(at - step)[0]) / 2e-6
            assert function(at)[1][j] == pytest.approx(slope, rel=1e-4, abs=1e-4)


def test_a_customer_who_bought_very_often_has_the_likelihood_of_the_formula_in_logarithms():
    from scipy.special import betaln, gammaln

    from cxmodels.churn.purchase_kernel import bgnbd_rows

    x, tx, t = np.array([900, 2, 1, 0.0]), np.array([1.0, 30, 10, 0]), np.array([100.0, 40, 40, 40])
    p = np.array([0.3, 0.01, 0.8, 2.5])
    r, alpha, a, b = p
    stayed = betaln(a, b + x) - (r + x) * np.log(alpha + t)  # Fader, Hardie and Lee (2005), equation 6
    left = np.where(x > 0, betaln(a + 1, b + x - 1) - (r + x) * np.log(alpha + tx), -np.inf)
    expected = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - betaln(a, b) + np.logaddexp(stayed, left)
    value, slopes = bgnbd_rows(tuple(p), x, tx, t)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    for j, step in enumerate(np.diag(1e-6 * p)):
        rise = bgnbd_rows(tuple(p + step), x, tx, t)[0] - bgnbd_rows(tuple(p - step), x, tx, t)[0]
        np.testing.assert_allclose(slopes[j], rise / (2 * step[j]), rtol=1e-5, atol=1e-6)


def test_the_expectation_is_smooth_where_its_formula_divides_by_nothing():
    from cxmodels.churn.purchase_kernel import bgnbd_expected, bgnbd_new

    x, tx, t = np.array([0.0, 3.0]), np.array([0.0, 20.0]), np.array([30.0, 30.0])
    at = bgnbd_expected((0.5, 5.0, 1.0, 2.5), 10.0, x, tx, t)
    near = [bgnbd_expected((0.5, 5.0, a, 2.5), 10.0, x, tx, t) for a in (0.999, 1.001)]
    np.testing.assert_allclose(at, np.mean(near, axis=0), rtol=1e-5)
    assert bgnbd_new((0.5, 5.0, 1.0, 2.5), 10.0) == pytest.approx(bgnbd_new((0.5, 5.0, 1.0001, 2.5), 10.0), rel=1e-3)


# --- values -----------------------------------------------------------------------------------------------------------


def test_value_of_purchases_is_the_sum_by_period():
    d = cdnow().iloc[:50]
    found = customer_value(bought(), d, spend=spent(), periods=6, period=4.0, discount=0.02, margin=0.3)
    so_far, wanted = 0.0, np.zeros(50)
    for k in range(1, 7):
        now = bought().expected_purchases(4.0 * k, d)
        wanted += (now - so_far) / 1.02**k
        so_far = now
    wanted *= 0.3 * spent().expected_spend(d.frequency, d.monetary_value)
    np.testing.assert_allclose(found.customers.est, wanted, rtol=1e-10)
    assert found.total.est == pytest.approx(wanted.sum())
    assert found.mean.est == pytest.approx(wanted.mean())
    plain = customer_value(bought(), d, periods=1, period=39)
    np.testing.assert_allclose(plain.customers.est, bought().expected_purchases(39, d))
    total = bought().expected_total(39, d)
    assert plain.total.se == pytest.approx(total.se, rel=1e-6)
    assert (found.customers.ci_lower > 0).all()
    assert "Total" in found.summary()


def test_value_of_contracts_is_the_residual_lifetime():
    found = ShiftedBetaGeometric().fit([1000, 869, 743, 653, 593, 551, 517, 491])
    d = pd.DataFrame({"renewals": [0, 3, 3], "fee": [10.0, 20.0, 20.0]}, index=list("abc"))
    value = customer_value(found, d, so_far="renewals", margin="fee", discount=0.1)
    derl = found.residual_lifetime(3, 0.1)
    assert value.customers.est["b"] == pytest.approx(20 * derl.est)
    assert value.customers.se["b"] == pytest.approx(20 * derl.se, rel=1e-6)
    few = customer_value(found, d, so_far="renewals", margin="fee", discount=0.1, periods=4)
    by_hand = sum(found.survival([4 + k])[0] / found.survival([3])[0] * 1.1**-k for k in range(4))
    assert few.customers.est["b"] == pytest.approx(20 * by_hand)
    heavy = customer_value(found, d, so_far="renewals", margin="fee", discount=0.1, weights=[0, 1, 1])
    assert heavy.total.est == pytest.approx(2 * value.customers.est["b"])


def subscribers(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    t = np.ceil(rng.exponential(18 / np.exp(0.6 * x)))
    c = rng.integers(6, 30, n)
    return pd.DataFrame({"x": x, "months": np.minimum(t, c), "gone": (t <= c).astype(int)})


def test_the_error_of_a_value_by_cox_is_that_of_refits():
    """Standard errors of customers and of the base against 60 new samples (with 800: ratios .98 to 1.05)."""
    base = pd.DataFrame({"x": [-1.0, 0.0, 1.0, 0.5], "age": [0.0, 2.0, 5.0, 1.0]})
    est, se, total, total_se = [], [], [], []
    for seed in range(60):
        found = CoxHazards().fit(subscribers(500, seed), "gone", duration="months", columns=["x"])
        value = customer_value(found, base, so_far="age", periods=10, discount=0.01, margin=[5, 10, 10, 20])
        est.append(value.customers.est)
        se.append(value.customers.se)
        total.append(value.total.est)
        total_se.append(value.total.se)
    np.testing.assert_allclose(np.mean(se, axis=0), np.std(est, axis=0), rtol=0.3)
    assert np.mean(total_se) == pytest.approx(np.std(total), rel=0.3)


def test_value_by_cox_is_the_sum_of_chances():
    found = CoxHazards().fit(subscribers(800, 1), "gone", duration="months")
    d = subscribers(30, 2).query("gone == 0")
    with pytest.warns(cx.CxWarning, match="beyond the longest duration"):
        value = customer_value(found, d, so_far="months", periods=12, discount=0.01, convention="first_margin_now")
    near = d[d.months <= 15]
    chances = found.ahead(near, np.arange(12), so_far="months").to_numpy()
    np.testing.assert_allclose(value.customers.est[near.index], chances @ 1.01 ** -np.arange(12.0))
    assert value.n_obs == value.customers.est.notna().sum()
    assert value.excluded.rows.sum() == len(d) - value.n_obs


def test_spend_without_a_mean_is_refused():
    from dataclasses import replace

    wild = replace(spent(), params=spent().params.copy())
    wild.params["q"] = 0.8
    with pytest.raises(CxError, match="1411 customers has no end"):
        customer_value(bought(), cdnow(), spend=wild, periods=3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: customer_value(bought(), cdnow()), "how many periods"),
        (lambda: customer_value(bought(), cdnow(), periods=0), "periods must be"),
        (lambda: customer_value(bought(), cdnow(), periods=5, so_far=3), "so_far is not"),
        (lambda: customer_value(bought(), cdnow(), periods=5, spend=bought()), "spend must be a fitted GammaGamma"),
        (lambda: customer_value(bought(), cdnow(), periods=5, discount=-2), "discount must be"),
        (lambda: customer_value(bought(), cdnow(), periods=5, margin="marge"), "Column 'marge'"),
        (lambda: customer_value("x", cdnow(), periods=5), "does not foresee"),
        (lambda: customer_value(bought(), cdnow().drop(columns="T"), periods=5), "no column 'T'"),
        (lambda: customer_value(bought(), cdnow().iloc[:0], periods=5), "no customers"),
        (lambda: customer_value(ShiftedBetaGeometric().fit([100, 70, 60]), cdnow(), so_far=0), "no end"),
        (lambda: customer_value(ShiftedBetaGeometric().fit([100, 70, 60]), cdnow(), discount=0.1), "how often"),
        (lambda: BGNBD().fit(cdnow(), buying=["agee"]), "'agee' is not in the data"),
        (lambda: BGNBD().fit(cdnow().assign(k=1), buying=["k"]), "same value"),
        (lambda: BGNBD().fit([1, 2], [5, 6], [40, 40], buying=["k"]), "named in a frame"),
    ],
)
def test_what_cannot_be_valued_is_refused(call, said):
    with pytest.raises(CxError, match=said):
        call()
