"""Models of retention, value, uplift and linkage at the edges: rare shapes of data, and input that a hurried user gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.churn import purchase_kernel as kernel
from cxmodels.errors import CxError

BG = (0.243, 4.414, 0.793, 2.426)
X = np.array([0, 2, 50, 300, 1000, 5000.0])
TX = np.array([0, 30.43, 30, 38, 38.5, 38.8])
T = np.array([38.9, 38.86, 38.9, 38.9, 38.9, 38.9])


def purchases() -> pd.DataFrame:
    """Every tenth customer of CDNOW."""
    return cx.datasets.load("cdnow_summary").iloc[::10]


def test_frequent_buyers_are_foreseen_as_by_sixty_digits():
    # mpmath 1.3 with 60 digits on the printed formulas: Fader, Hardie and Lee (2005), eq. 10; Fader and Hardie (2005).
    found = kernel.bgnbd_expected(BG, 39.0, X, np.append(TX[:5], 38.9), T)
    exact = [0.194935616787, 1.22602817477, 0.0215777370613, 84.6529061714, 72.4037690631, 3433.34869435]
    np.testing.assert_allclose(found, exact, rtol=1e-10)
    alive, ahead, loglik = (
        [0.293539942722, 0.868410917132, 0.00337892822161, 0.668178064747, 0.331635157627, 0.252740423486],
        [0.105668146138, 1.45037137479, 0.111792925059, 131.438665221, 217.176862638, 827.192668277],
        [-0.517155770639, -9.56198126084, -44.8962763818, 240.04844349, 2006.33180899, 18078.6204737],
    )
    p = (0.55, 10.58, 0.61, 11.67)
    np.testing.assert_allclose(kernel.pareto_alive(p, X, TX, T), alive, rtol=1e-10)
    np.testing.assert_allclose(kernel.pareto_expected(p, 39.0, X, TX, T), ahead, rtol=1e-10)
    np.testing.assert_allclose(kernel.pareto_rows(p, X, TX, T)[0], loglik, rtol=1e-10)
    p = (0.55, 10.58, 0.61, 3.2)  # alpha above beta takes the other form
    np.testing.assert_allclose(kernel.pareto_alive(p, X, TX, T)[[0, 5]], [0.123569152409, 0.219610288531], rtol=1e-10)


def test_who_bought_thousands_of_times_long_ago_has_left():
    alive = kernel.bgnbd_alive(BG, np.array([5000.0]), np.array([10.0]), np.array([400.0]))
    assert alive[0] < 1e-300
    assert kernel.bgnbd_expected(BG, 39.0, np.array([5000.0]), np.array([10.0]), np.array([400.0]))[0] < 1e-290


def test_a_few_frequent_buyers_do_not_break_the_fit():
    often = pd.DataFrame({"frequency": [300, 1000, 5000], "recency": [38, 38.5, 38.8], "T": 38.9})
    found = cx.churn.BGNBD().fit(pd.concat([cx.datasets.load("cdnow_summary").iloc[::3], often]))
    assert found.converged
    assert np.isfinite(found.estimates.to_numpy()).all()


def test_slopes_of_the_pareto_nbd_are_those_of_its_likelihood():
    p = np.array([0.3, 5.0, 20.0, 700.0])
    value, slopes = kernel.pareto_rows(tuple(p), X[:5], TX[:5], T[:5])
    assert np.isfinite(value).all()
    for j in range(4):
        up, down = (np.where(np.arange(4) == j, p * (1 + h), p) for h in (1e-5, -1e-5))
        ends = [kernel.pareto_rows(tuple(q), X[:5], TX[:5], T[:5])[0] for q in (up, down)]
        np.testing.assert_allclose(slopes[j], (ends[0] - ends[1]) / (2e-5 * p[j]), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("ahead", [-1, np.nan, np.inf, "a month", [1, 2]])
def test_times_ahead_that_are_none(ahead):
    data = purchases()
    found = cx.churn.BGNBD().fit(data)
    for call in (found.expected_purchases, found.expected_total):
        with pytest.raises(CxError, match=r"^t (must be|has 2 times for 236 customers)"):
            call(ahead, data)
    if ahead != [1, 2]:
        with pytest.raises(CxError, match=r"^t must be"):
            found.expected_new(ahead)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"discount": "1%"}, "discount must be a rate"),
        ({"discount": None}, "discount must be a rate"),
        ({"periods": np.nan}, "periods must be a whole number"),
        ({"periods": "12"}, "periods must be a whole number"),
        ({"period": "week"}, "period must be a length"),
        ({"weights": [1.0, 2.0]}, "one number for each of 236 rows"),
    ],
)
def test_options_of_customer_value(bad, said):
    data = purchases()
    with pytest.raises(CxError, match=said):
        cx.churn.customer_value(cx.churn.BGNBD().fit(data), data, **({"periods": 12} | bad))


def test_levels_starts_and_weights_of_the_models_of_value():
    data = purchases()
    for model in (cx.churn.BGNBD, cx.churn.ParetoNBD, cx.churn.GammaGamma, cx.churn.ShiftedBetaGeometric):
        with pytest.raises(CxError, match="level must lie between 0 and 1, not 95"):
            model(level=95)
    for start in ("x", [1, 2], [np.nan, 1, 1, 1], [np.inf, 1, 1, 1]):
        with pytest.raises(CxError, match="start must be 4 numbers above zero"):
            cx.churn.BGNBD().fit(data, start=start)
    with pytest.raises(CxError, match="236 of 236 rows are negative"):
        cx.churn.BGNBD().fit(data, weights=-np.ones(len(data)))
    contract = cx.churn.ShiftedBetaGeometric().fit([1000, 869, 743, 653])
    for call in (contract.survival, contract.retention, contract.curve):
        with pytest.raises(CxError, match="eriods"):
            call("x")


def test_a_spend_of_zero_with_purchases_is_not_valued():
    data = purchases()
    spent, bought = cx.churn.GammaGamma().fit(data), cx.churn.BGNBD().fit(data)
    wrong = data.assign(monetary_value=0.0)
    count = int((data["frequency"] > 0).sum())
    with pytest.raises(CxError, match=f"zero or less for {count} customers with purchases"):
        cx.churn.customer_value(bought, wrong, periods=3, spend=spent)
    with pytest.raises(CxError, match=f"zero or less for {count} customers with purchases"):
        spent.expected_spend(wrong["frequency"], wrong["monetary_value"])
