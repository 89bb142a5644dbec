"""Cohorts, forecasts held out, and their pictures: numbers by hand, and what the pictures show."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from functools import cache

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.churn import (
    BGNBD,
    KaplanMeier,
    ParetoNBD,
    ShiftedBetaGeometric,
    judge_forecast,
    purchase_histories,
    retention_triangle,
)
from cxmodels.errors import CxError
from cxmodels.report import notebook_html, survival_chart, tracking_chart, triangle_chart


@cache
def log():
    return cx.datasets.load("cdnow")


@cache
def subscriptions():
    return cx.datasets.simulate_subscribers(customers=2000, months=18, seed=1)[0]["subscriptions"]


@cache
def telco_curves():
    return KaplanMeier().fit(cx.datasets.load("telco"), "churn", duration="tenure", group="contract")


def texts(svg):
    return [t.text for t in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


# --- cohorts ----------------------------------------------------------------------------------------------------------


def test_triangle_is_the_count_of_those_still_there():
    frame, until = subscriptions(), pd.Timestamp("2024-06-30")
    found = retention_triangle(frame, share=False, observed_from="2023-01-01", observed_until=until)
    shares = retention_triangle(frame, observed_from="2023-01-01", observed_until=until)
    for cohort, k in (("2023-01", 3), ("2023-05", 6), ("2023-09", 1)):
        month = frame[frame.start.astype("datetime64[us]").dt.strftime("%Y-%m") == cohort]
        end = month.end.fillna(pd.Timestamp("2100-01-01"))
        there = (end > month.start + pd.DateOffset(months=k)).sum()
        assert found.loc[cohort, k] == there
        assert found.loc[cohort, "customers"] == len(month)
        assert shares.loc[cohort, k] == pytest.approx(there / len(month))
    counts = found.drop(columns="customers")
    assert (counts.diff(axis=1).iloc[:, 1:].fillna(0) <= 0).all().all()  # nobody comes back into a cohort
    assert counts.loc["2024-05"].notna().sum() == 2  # in full until the last day of June: one month on
    assert counts.loc["2024-06"].notna().sum() == 1
    quarters = retention_triangle(frame, every="quarter", observed_from="2023-01-01", observed_until=until)
    assert quarters.index[0] == "2023-Q1"
    assert quarters.customers.sum() == found.customers.sum()


def test_one_cohort_is_one_line():
    frame = pd.DataFrame({"customer_id": [1, 2], "start": ["2024-01-05"] * 2, "end": ["2024-02-10", None]})
    found = retention_triangle(frame, observed_until="2024-04-01")
    assert found.to_numpy().tolist() == [[2, 1, 1, 0.5]]  # until the second month of who began on the 31st is over
    assert len(re.findall("<rect", triangle_chart(found))) == 3


def test_triangle_chart_writes_every_share():
    found = retention_triangle(subscriptions(), observed_from="2023-01-01", every="quarter")
    svg = triangle_chart(found)
    shown = texts(svg)
    assert f"2023-Q1 ({found.customers.iloc[0]})" in shown
    assert f"{100 * found.iloc[0, 3]:.1f}" in shown
    assert len(re.findall("<rect", svg)) == found.drop(columns="customers").notna().to_numpy().sum()


# --- survival ---------------------------------------------------------------------------------------------------------


def test_survival_chart_shows_curves_names_and_numbers_at_risk():
    found = telco_curves()
    svg = found.plot(time="Months")
    assert len(re.findall("<polyline", svg)) == 3
    assert len(re.findall("<polygon", svg)) == 3
    shown = texts(svg)
    risk = found.at([24]).set_index("group").at_risk
    for name in found.groups:
        assert shown.count(name) == 2
        assert f"{risk[name]:,.0f}" in shown
    assert "72" in shown
    assert "80" not in shown  # the axis ends with the data
    assert "<svg" in notebook_html(found)
    assert svg == found.plot(time="Months")


def test_a_curve_with_truncation_and_few_customers_is_drawn():
    found = KaplanMeier().fit([2.5, 3.0, 1.2, 4.0], [1, 0, 1, 1], entry=[0.5, 1.0, 0, 2.0])
    assert "Customers at risk" in texts(found.plot())


# --- forecasts --------------------------------------------------------------------------------------------------------


def test_histories_are_those_published():
    """The published summary counts weeks with two decimals; T ends with week 39."""
    told = cx.datasets.load("cdnow_summary").set_index("customer_id")
    found = purchase_histories(log(), observed_until="1997-09-30", amount="amount").set_index("customer_id")
    assert (found.frequency == told.frequency).all()
    np.testing.assert_allclose(found.recency, told.recency, atol=0.0051)
    np.testing.assert_allclose(found["T"], told["T"], atol=0.0051)
    np.testing.assert_allclose(found.monetary_value, told.monetary_value, atol=0.0051)


@pytest.mark.parametrize("spec", [BGNBD(), ParetoNBD()])
def test_forecast_of_cdnow_beside_what_came(spec):
    found = judge_forecast(spec, log(), "1997-09-30")
    after = log()[log().date > "1997-09-30"].drop_duplicates(["customer_id", "date"])
    assert found.measures.observed == len(after)
    assert found.measures.expected == pytest.approx(
        found.model.expected_purchases(39, found.customers).sum(), rel=1e-6
    )
    assert abs(found.measures.error) < 0.15
    assert found.measures.mae < found.measures.mae_rate
    told = {"BGNBD": 0.626, "ParetoNBD": 0.630}[type(spec).__name__]  # as Fader, Hardie and Lee (2005) report
    assert found.measures.correlation == pytest.approx(told, abs=1e-3)
    by = found.by_frequency
    assert by.customers.sum() == 2357
    assert (by.observed * by.customers).sum() == pytest.approx(len(after))
    assert (by.gap.abs() < 0.6).all()
    at = found.tracking.set_index("time")
    assert (
        at.observed[39]
        == log().drop_duplicates(["customer_id", "date"]).query("date <= '1997-10-01'").shape[0] - 2357
    )
    assert at.expected[39] == pytest.approx(at.observed[39], rel=0.03)
    assert at.observed.is_monotonic_increasing


def test_forecast_with_columns_that_move_buying():
    first = log().groupby("customer_id").amount.first().rename("first_spend").reset_index()
    first["large"] = (first.first_spend > 30).astype(int)
    found = judge_forecast(BGNBD(), log(), "1997-09-30", customers=first, buying=["large"])
    plain = judge_forecast(BGNBD(), log(), "1997-09-30")
    assert found.model.params["gamma_buying:large"] > 0
    assert found.model.loglik > plain.model.loglik + 2
    assert found.tracking.expected.iloc[-1] == pytest.approx(plain.tracking.expected.iloc[-1], rel=0.05)


def test_tracking_chart_and_contracts_judged():
    found = judge_forecast(BGNBD(), log(), "1997-09-30")
    shown = texts(found.plot())
    assert {"learned", "held out", "counted", "foreseen", "Periods of 7 days"} <= set(shown)
    assert "<svg" in found._repr_html_()
    alive = [1000, 869, 743, 653, 593, 551, 517, 491, 468, 445, 427, 409, 394]
    table = ShiftedBetaGeometric().fit(alive[:8]).judge(alive)
    assert table.observed.iloc[12] == 0.394
    assert (table.gap.abs() < 0.02).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: retention_triangle(subscriptions(), every="weeks"), "Unknown every"),
        (lambda: retention_triangle(subscriptions(), observed_from="2090-01-01"), "No subscription starts"),
        (lambda: triangle_chart(retention_triangle(subscriptions(), share=False)), "shares between 0 and 1"),
        (lambda: triangle_chart(pd.DataFrame(np.ones((3, 90)))), "too large"),
        (lambda: survival_chart(pd.DataFrame({"time": [1]})), "no column 'survival'"),
        (
            lambda: survival_chart(pd.concat([telco_curves().curve.assign(group=k) for k in range(8)])),
            "up to 6 curves",
        ),
        (lambda: tracking_chart(pd.DataFrame({"time": [], "observed": [], "expected": []})), "no rows"),
        (lambda: judge_forecast(BGNBD(), log(), "2005-01-01"), "must lie within the log"),
        (lambda: judge_forecast(KaplanMeier(), log(), "1997-09-30"), "Give a model of purchases"),
        (lambda: purchase_histories(log(), amount="amunt"), "no column 'amunt'"),
        (lambda: purchase_histories(log(), observed_until="1990-01-01"), "dated after"),
        (lambda: ShiftedBetaGeometric().fit([9, 5, 4]).judge([9, 10]), "rise"),
    ],
)
def test_what_cannot_be_drawn_or_judged_is_refused(call, said):
    with pytest.raises(CxError, match=said):
        call()
