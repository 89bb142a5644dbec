"""Contracts and spend with columns that move them: brute force, known truth, money, and what cannot be asked."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import betaln, gammaln

import cxmodels as cx
from cxmodels.churn import GammaGamma, ShiftedBetaGeometric
from cxmodels.errors import DataError, SpecError

TRUTH = {"alpha": 0.8, "beta": 3.5, "price": 0.03, "month": 0.9}


def contracts(n=20_000, seed=1, periods=10):
    """Customers whose chance to leave is beta-distributed given price and plan."""
    rng = np.random.default_rng(seed)
    price, month = rng.choice([10.0, 20.0, 30.0], n), rng.random(n) < 0.5
    alpha = TRUTH["alpha"] * np.exp(TRUTH["price"] * price + TRUTH["month"] * month)
    gone_at = rng.geometric(rng.beta(alpha, TRUTH["beta"]))
    return pd.DataFrame(
        {
            "months": np.minimum(gone_at, periods),
            "left": (gone_at <= periods).astype(int),
            "price": price,
            "plan": np.where(month, "month", "year"),
        }
    )


@pytest.fixture(scope="module")
def fitted():
    data = contracts()
    # the more frequent plan would be the reference: make it the yearly one
    data = pd.concat([data, data[data["plan"] == "year"].head(600)], ignore_index=True)
    model = ShiftedBetaGeometric()
    return data, model.fit(data=data, durations="months", churned="left", leaving=["price", "plan"])


def test_parameters_are_recovered_and_maximise_the_likelihood(fitted):
    data, found = fitted
    truth = [TRUTH[k] for k in ("alpha", "beta", "price", "month")]
    assert list(found.params.index) == ["alpha", "beta", "gamma_leaving:price", "gamma_leaving:plan: month"]
    gap = (found.params - truth) / found.estimates["se"]
    assert gap.abs().max() < 3.5

    def minus(theta):
        a = np.exp(theta[0] + theta[2] * data["price"] + theta[3] * (data["plan"] == "month"))
        b, t = np.exp(theta[1]), data["months"]
        stay = betaln(a, b + t) - betaln(a, b)
        leave = betaln(a + 1, b + t - 1) - betaln(a, b)
        return -np.where(data["left"] == 1, leave, stay).sum()

    best = minimize(minus, [0.0, 1.0, 0.0, 0.0], method="BFGS")
    assert found.loglik == pytest.approx(-best.fun, abs=1e-4)
    p = found.params.to_numpy()
    np.testing.assert_allclose([*np.log(p[:2]), *p[2:]], best.x, atol=2e-3)
    se = np.sqrt(np.diag(found.covariance))[2:]
    h = np.diag([1e-2, 1e-2, 1e-3, 1e-2])
    x = best.x
    second = [
        [
            (minus(x + a + b) - minus(x + a - b) - minus(x - a + b) + minus(x - a - b)) / (4 * a.max() * b.max())
            for b in h
        ]
        for a in h
    ]
    np.testing.assert_allclose(se, np.sqrt(np.diag(np.linalg.inv(second)))[2:], rtol=0.01)


def test_weights_stand_for_rows_and_no_columns_are_the_model_of_counts():
    data = contracts(3000, seed=2)
    counts = data.groupby(list(data)).size().rename("people").reset_index()
    ask = {"durations": "months", "churned": "left"}
    one = ShiftedBetaGeometric(weibull=True).fit(data=data, leaving=["price"], **ask)
    many = ShiftedBetaGeometric(weibull=True).fit(data=counts, leaving=["price"], weights="people", **ask)
    pd.testing.assert_series_equal(one.params, many.params, rtol=1e-6)
    plain = ShiftedBetaGeometric().fit(durations=data["months"], churned=data["left"])
    rows = ShiftedBetaGeometric().fit(data=data, **ask)
    pd.testing.assert_series_equal(rows.params, plain.params, rtol=1e-6)
    assert rows.loglik == pytest.approx(plain.loglik, abs=1e-8)


def test_customers_of_one_kind_have_a_curve_and_money(fitted):
    data, found = fitted
    kind = found.given({"price": 20.0, "plan": "month"})
    same = data.query("price == 20 and plan == 'month'")
    seen = [(same["months"] > t).mean() + ((same["months"] == t) & (same["left"] == 0)).mean() for t in (1, 4, 9)]
    np.testing.assert_allclose(kind.survival([1, 4, 9]), seen, atol=0.025)
    a, b = kind.params
    assert kind.retention([3])[0] == pytest.approx((b + 2) / (a + b + 2))
    base = pd.DataFrame(
        {
            "price": [20.0, 10.0, 20.0],
            "plan": ["month", "year", "month"],
            "so_far": [0, 2, 3],
            "margin": [5.0, 7.0, 5.0],
        }
    )
    value = cx.churn.customer_value(found, base, margin="margin", so_far="so_far", discount=0.1)
    expected = [
        5 * found.given(base.iloc[[0]]).residual_lifetime(0, 0.1)["est"],
        7 * found.given(base.iloc[[1]]).residual_lifetime(2, 0.1)["est"],
        5 * found.given(base.iloc[[2]]).residual_lifetime(3, 0.1)["est"],
    ]
    np.testing.assert_allclose(value.customers["est"], expected, rtol=1e-9)
    assert value.customers["se"].iloc[0] == pytest.approx(5 * kind.residual_lifetime(0, 0.1)["se"], rel=1e-3)


@pytest.mark.parametrize(
    ("job", "kind", "message"),
    [
        (lambda f, _: f.survival([1]), SpecError, "Customers differ by 'price', 'plan'; say by result.given"),
        (lambda f, _: f.expected_lifetime(), SpecError, "result.given"),
        (lambda f, _: f.given({"price": 1.0}), DataError, "'plan' is not in the data"),
        (lambda f, _: f.given({"price": 1.0, "plan": "decade"}), DataError, "never seen for 1 of 1"),
        (lambda f, d: f.given(d.head(2)), DataError, "one customer at a time, not 2 rows"),
        (lambda f, _: f.given({"price": 1.0, "plan": "year"}).given({}), SpecError, "has no columns"),
        (lambda _, d: ShiftedBetaGeometric().fit([5, 4], data=d, leaving=["price"]), SpecError, "not with numbers alive"),
        (
            lambda _, d: ShiftedBetaGeometric().fit(durations=d["months"], churned=d["left"], leaving=["price"]),
            SpecError, "named in a frame",
        ),
        (
            lambda _, d: ShiftedBetaGeometric().fit(data=d, durations="months", churned="left", leaving=["prise"]),
            DataError, "prise",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said(fitted, job, kind, message):
    data, found = fitted
    with pytest.raises(kind, match=message):
        job(found, data)


# --- spend ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def purchases():
    """Customers whose mean spend is three halves where they live in town, and 2 % more per year of age."""
    rng = np.random.default_rng(4)
    n = 6000
    town, age = rng.random(n) < 0.4, rng.integers(20, 70, n).astype(float)
    v = 12.0 * np.exp(np.log(1.5) * town + 0.02 * (age - 20))
    mean_rate = rng.gamma(4.0, 1 / v)  # nu, of the gamma-distributed spends
    x = rng.integers(1, 12, n).astype(float)
    spend = rng.gamma(6.0 * x, 1 / (mean_rate * x))
    return pd.DataFrame(
        {"frequency": x, "monetary_value": spend, "place": np.where(town, "town", "country"), "age": age - 20}
    )


def test_spend_moves_with_columns(purchases):
    found = GammaGamma().fit(purchases, spending=["place", "age"])
    truth = pd.Series(
        {"p": 6.0, "q": 4.0, "v": 12.0, "gamma_spending:place: town": np.log(1.5), "gamma_spending:age": 0.02}
    )
    assert list(found.params.index) == list(truth.index)
    assert ((found.params - truth) / found.estimates["se"]).abs().max() < 3.5
    x, z = purchases["frequency"], purchases["monetary_value"]

    def minus(t):
        p, q = np.exp(t[:2])
        v = np.exp(t[2] + t[3] * (purchases["place"] == "town") + t[4] * purchases["age"])
        value = gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(v) + (p * x - 1) * np.log(z)
        return -(value + p * x * np.log(x) - (p * x + q) * np.log(v + x * z)).sum()

    own = np.append(np.log(found.params.iloc[:3]), found.params.iloc[3:])
    assert found.loglik == pytest.approx(-minus(own), abs=1e-6)
    for step in np.eye(5) * 1e-3:
        assert minus(own + step) > minus(own) < minus(own - step)
    p, q = found.params.iloc[:2]
    one = purchases.iloc[[0]]
    v = np.exp(own[2] + own[3] * (one["place"].iloc[0] == "town") + own[4] * one["age"].iloc[0])
    expected = p * (v + x[0] * z[0]) / (p * x[0] + q - 1)
    assert found.expected_spend(one["frequency"], one["monetary_value"], one)[0] == pytest.approx(expected)
    assert found.slopes_of_spend(purchases.head(5))[1].shape == (5, 5)


def test_spend_of_columns_that_do_nothing_is_that_without_them(purchases):
    plain = GammaGamma().fit(cx.datasets.load("cdnow_summary"))
    assert plain.params.round(2).tolist() == [6.25, 3.74, 15.45]
    data = purchases.assign(noise=np.random.default_rng(1).normal(size=len(purchases)))
    found = GammaGamma().fit(data, spending=["noise"])
    assert abs(found.params["gamma_spending:noise"]) < 3 * found.estimates["se"]["gamma_spending:noise"]


def test_spend_without_its_columns_is_refused(purchases):
    found = GammaGamma().fit(purchases, spending=["place"])
    with pytest.raises(SpecError, match="moves with 'place'; give the customers' columns as data="):
        found.expected_spend([1.0], [20.0])
    with pytest.raises(DataError, match="'place' is not in the data"):
        found.expected_spend([1.0], [20.0], pd.DataFrame({"plaice": ["town"]}))
    with pytest.raises(DataError, match="data has 2 rows for 1 customers"):
        found.expected_spend([1.0], [20.0], purchases.head(2))
    with pytest.raises(SpecError, match="named in a frame"):
        GammaGamma().fit([1.0, 2.0, 3.0, 4.0, 5.0], [9.0, 8.0, 7.0, 9.0, 9.0], spending=["place"])
