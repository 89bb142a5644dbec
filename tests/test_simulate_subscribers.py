"""The simulated subscription business: its tables fit together, and its truth is what the tables show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.churn import subscription_labels
from cxmodels.datasets import simulate_subscribers
from cxmodels.errors import SpecError


@pytest.fixture(scope="module")
def business():
    return simulate_subscribers(customers=12_000, months=17, seed=5)


@pytest.fixture(scope="module")
def small():
    return simulate_subscribers(customers=600, months=12, seed=2)


@pytest.fixture(scope="module")
def observed(business):
    """The truth of each customer and month beside what happened."""
    tables, truth = business
    dates = truth.monthly["as_of_date"].unique()[:-1]
    labels = subscription_labels(tables["subscriptions"], dates, 31, observed_until=truth.observed_until)
    return labels.frame.merge(truth.monthly, on=["customer_id", "as_of_date"])


def test_labels_are_the_simulated_months(business, observed):
    _, truth = business
    assert len(observed) == (truth.monthly["as_of_date"] < truth.observed_until).sum()
    assert truth.monthly["as_of_date"].max() == truth.observed_until == pd.Timestamp("2024-05-31")


def test_who_leaves_follows_the_true_chances(observed):
    error = np.sqrt((observed["p_churn"] * (1 - observed["p_churn"])).sum())
    assert abs((observed["churned"] - observed["p_churn"]).sum()) < 4 * error
    tenth = pd.qcut(observed["p_churn"], 10, labels=False)
    gap = (observed["churned"] - observed["p_churn"]).groupby(tenth).mean()
    assert gap.abs().max() < 0.01


def test_a_logit_recovers_the_true_effects(business, observed):
    import statsmodels.api as sm

    _, truth = business
    X = sm.add_constant(observed[["satisfaction", "price", "log_tenure", "tickets"]].astype(float))
    fit = sm.GLM(observed["churned"], X, family=sm.families.Binomial(), offset=observed["offer_effect"]).fit()
    assert np.abs((fit.params - truth.effects.to_numpy()) / fit.bse).max() < 4
    assert fit.bse["satisfaction"] < 0.004


def test_satisfaction_comes_from_the_attributes(business):
    _, truth = business
    inner = truth.monthly[truth.monthly["satisfaction"].between(1, 99)]
    parts = inner[["speed", "price_rating", "service", "reliability"]]
    slopes = np.linalg.lstsq(np.column_stack([np.ones(len(parts)), parts]), inner["satisfaction"], rcond=None)[0][1:]
    np.testing.assert_allclose(slopes, truth.drivers, atol=0.015)


def test_payments_follow_satisfaction(business):
    tables, truth = business
    paid = (
        tables["payments"]
        .rename(columns={"date": "as_of_date"})
        .merge(truth.monthly, on=["customer_id", "as_of_date"])
    )
    assert paid["amount"].mean() == pytest.approx(paid["value"].mean(), rel=0.003)
    slope = np.polyfit(paid["satisfaction"], np.log(paid["amount"] / paid["price"]), 1)[0]
    assert slope == pytest.approx(truth.spend_effect, rel=0.02)


def test_answers_tell_satisfaction_and_who_answers_depends_on_it(business):
    tables, truth = business
    month = tables["surveys"]["date"] + pd.offsets.MonthEnd(0)
    answers = (
        tables["surveys"]
        .assign(as_of_date=month)
        .merge(truth.monthly, on=["customer_id", "as_of_date"], suffixes=("", "_true"))
    )
    index = (answers[["satisfaction", "expectations", "ideal"]].mean(axis=1) - 1) / 9 * 100
    assert np.corrcoef(index, answers["satisfaction_true"])[0, 1] > 0.9
    assert answers["satisfaction_true"].mean() > truth.monthly["satisfaction"].mean() + 2
    items = tables["surveys"].drop(columns=["customer_id", "date"])
    assert items.drop(columns="recommend").melt()["value"].dropna().isin(range(1, 11)).all()
    assert items["recommend"].dropna().isin(range(11)).all()
    assert items.isna().mean().mean() == pytest.approx(0.02, abs=0.003)


def test_offers_are_random_and_their_true_effect_is_what_campaigns_show(business):
    tables, truth = business
    uplift = truth.uplift
    assert (uplift["uplift"] - (uplift["p_control"] - uplift["p_offer"])).abs().max() < 1e-12
    labels = subscription_labels(
        tables["subscriptions"], uplift["date"].unique(), 92, observed_until=truth.observed_until
    )
    seen = uplift.merge(labels.frame, left_on=["customer_id", "date"], right_on=["customer_id", "as_of_date"])
    assert len(seen) == len(uplift)
    for arm, chance in (("control", "p_control"), ("offer", "p_offer")):
        rows = seen[seen["arm"] == arm]
        error = np.sqrt((rows[chance] * (1 - rows[chance])).sum())
        assert abs((rows["churned"] - rows[chance]).sum()) < 4 * error
    assert abs((uplift["arm"] == "offer").mean() - 0.5) < 4 * 0.5 / np.sqrt(len(uplift))
    assert uplift["uplift"].mean() > 0.01
    assert (uplift["uplift"] < 0).mean() > 0.02  # some are better left alone


def test_tables_fit_together(small):
    tables, truth = small
    known = set(tables["customers"]["customer_id"])
    assert len(known) == 600
    spells = tables["subscriptions"]
    assert spells["end"].dropna().isin(truth.monthly["as_of_date"]).all()
    assert (spells["end"].isna() | (spells["end"] > spells["start"])).all()
    for name, date in [
        ("usage", "date"),
        ("tickets", "date"),
        ("surveys", "date"),
        ("payments", "date"),
        ("campaigns", "date"),
    ]:
        frame = tables[name]
        assert set(frame["customer_id"]) <= known
        assert frame[date].between("2023-01-01", truth.observed_until).all()
        inside = frame.merge(spells, on="customer_id")
        covered = (inside["start"] <= inside[date]) & (inside["end"].isna() | (inside[date] <= inside["end"]))
        assert covered.groupby([inside["customer_id"], inside[date]]).any().all()
    month = tables["tickets"].assign(as_of_date=tables["tickets"]["date"] + pd.offsets.MonthEnd(0))
    counted = month.groupby(["customer_id", "as_of_date"]).size().rename("seen").reset_index()
    both = truth.monthly.merge(counted, how="left", on=["customer_id", "as_of_date"])
    assert (both["seen"].fillna(0) == both["tickets"]).all()
    assert spells["customer_id"].duplicated().any()  # some come back


def test_a_seed_is_a_business_and_each_table_has_its_own_stream(small):
    tables, truth = small
    again, same = simulate_subscribers(customers=600, months=12, seed=2)
    for name, frame in tables.items():
        pd.testing.assert_frame_equal(frame, again[name])
    pd.testing.assert_frame_equal(truth.monthly, same.monthly)
    other, _ = simulate_subscribers(customers=600, months=12, seed=2, response=0.6)
    assert len(other["surveys"]) > 1.2 * len(tables["surveys"])
    for name in set(tables) - {"surveys"}:
        pd.testing.assert_frame_equal(tables[name], other[name])
    assert not simulate_subscribers(customers=600, months=12, seed=3)[0]["usage"].equals(tables["usage"])


def test_the_arguments_do_what_they_say():
    tables, truth = simulate_subscribers(
        2_000, 8, churn=0.1, satisfaction_effect=0.0, returning=0.0, missing=0.0, first_month="2024-02"
    )
    assert truth.observed_until == pd.Timestamp("2024-09-30")
    assert truth.effects["satisfaction"] == 0
    assert truth.monthly["p_churn"].mean() > 0.08
    assert not tables["subscriptions"]["customer_id"].duplicated().any()
    assert tables["surveys"].notna().all(axis=None)
    assert simulate_subscribers(200, 12, campaign_share=0.0)[0]["campaigns"].empty
    assert simulate_subscribers(50, 4)[1].uplift.columns.to_list()[-1] == "uplift"
    assert "2000 customers, 8 months" in repr(truth)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"customers": 5}, "customers must be a whole number of 10 or more, not 5"),
        ({"months": 3}, "months must be a whole number of 4 or more, not 3"),
        ({"seed": 1.5}, "seed must be a whole number of 0 or more, not 1.5"),
        ({"churn": 0}, "`churn` must be a share below 1 and above 0, not 0"),
        ({"missing": 1}, "`missing` must be a share below 1, not 1"),
        ({"satisfaction_effect": np.inf}, "`satisfaction_effect` must be a finite number, not inf"),
        ({"first_month": "soon"}, "`first_month` must be a month such as '2023-01', not 'soon'"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(SpecError, match=message):
        simulate_subscribers(**options)


def test_the_data_set_is_the_simulation_with_its_defaults():
    frame = cx.datasets.load("simulated_subscribers")
    assert frame["churned"].isin([0, 1]).all()
    assert not frame.duplicated(["customer_id", "as_of_date"]).any()
    assert cx.datasets.simulate_subscribers is simulate_subscribers
    with pytest.raises(SpecError, match="'simulated_subscribers' is simulated"):
        cx.datasets.load("simulated_subscribers", path="x.csv")
