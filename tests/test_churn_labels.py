"""Who was at risk and who left: against the published counts of CDNOW, a brute-force reading of the rule, and by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cxmodels as cx
from cxmodels.churn import cohorts, inactivity_evidence, lapses, subscription_labels, transaction_labels
from cxmodels.errors import CxError, DataError, SpecError

GOLDEN = json.loads((Path(__file__).parent / "reference" / "churn" / "cdnow_labels.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def log():
    return cx.datasets.load("cdnow")


def spells(*rows):
    return pd.DataFrame(rows, columns=["customer_id", "start", "end"])


def label(table, when="2024-03-31", horizon=30, until="2024-12-31", **options):
    return subscription_labels(table, when, horizon, observed_until=until, **options)


def outcome(labels):
    return dict(zip(labels.frame["customer_id"], labels.frame["churned"], strict=True))


# --- purchases -----------------------------------------------------------------------------------------------------


def test_transaction_labels_are_the_reference_counts(log):
    labels = transaction_labels(log, list(GOLDEN["cutoffs"]))
    assert str(labels.observed_until.date()) == GOLDEN["log_end"]
    for row, (cutoff, wanted) in zip(labels.snapshots.itertuples(), GOLDEN["cutoffs"].items(), strict=True):
        assert str(row.as_of_date.date()) == cutoff
        assert row.known == wanted["known_customers"]
        assert row.at_risk == wanted["active_lt_90d"]
        assert row.churned == wanted["churn_next_90d_among_active"]
        assert row.reactivated == wanted["reactivated_among_lapsed"]
        assert row.rate == pytest.approx(wanted["churn_rate_active"], abs=1e-11)
        assert row.finished == wanted["label_observable"]
    assert labels.n_obs == 409 + 400 + 384
    assert labels.excluded.to_dict("list") == {"reason": ["lapsed before the snapshot"], "rows": [1948 + 1957 + 1973]}


def test_lapses_and_cohorts_are_the_reference_counts(log):
    customers = lapses(log)
    final = GOLDEN["final_state"]
    assert customers["lapsed"].sum() == final["events"]
    assert (customers["lapsed"] == 0).sum() == final["censored"]
    assert customers["duration_days"].mean() == pytest.approx(final["mean_duration"], abs=1e-9)
    assert customers["first_lapse"].notna().sum() == GOLDEN["first_lapse_customers"]
    counts = cohorts(log)
    for cohort, wanted in GOLDEN["cohort_counts"].items():
        assert counts.loc[cohort, range(13)].to_list() == list(wanted.values())
    # June 1998 is the last month of the log: later cells are blank, not 0
    assert counts.notna().sum(axis=1).to_dict() == {"1997-01": 18, "1997-02": 17, "1997-03": 16}
    assert cohorts(log, observed_until="1998-06-29").notna().sum(axis=1).to_list() == [17, 16, 15]
    np.testing.assert_allclose(cohorts(log, share=True)[1], [124 / 781, 134 / 857, 87 / 719])


def test_first_lapse_is_the_first_long_silence():
    log = pd.DataFrame({"customer_id": [1] * 3, "date": ["2024-01-01", "2024-04-15", "2024-04-20"]})
    found = lapses(log, 90, observed_until="2024-12-31").iloc[0]
    assert found["first_lapse"] == pd.Timestamp("2024-03-31")
    assert (found["purchases"], found["duration_days"], found["silent_days"]) == (3, 110, 255)
    assert pd.isna(lapses(log, 106, observed_until="2024-05-01")["first_lapse"].iloc[0])


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_transaction_labels_follow_the_rule(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 60))
    log = pd.DataFrame(
        {
            "customer_id": rng.integers(0, 8, n),
            "date": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, n), "D"),
        }
    )
    when, horizon, silence = pd.Timestamp("2024-09-01"), int(rng.integers(5, 90)), int(rng.integers(20, 200))
    wanted = {}
    for who, dates in log.groupby("customer_id")["date"]:
        past = dates[dates <= when]
        if len(past) and (when - past.max()).days < silence:
            wanted[who] = float(not ((dates > when) & (dates <= when + pd.Timedelta(days=horizon))).any())
    options = {"horizon": horizon, "inactive_after": silence, "observed_until": "2025-02-10"}
    if not wanted:
        with pytest.raises(DataError, match="No customer is at risk"):
            transaction_labels(log, when, **options)
        return
    labels = transaction_labels(log, when, **options)
    assert outcome(labels) == wanted
    shuffled = transaction_labels(log.sample(frac=1, random_state=seed), when, **options)
    pd.testing.assert_frame_equal(labels.frame, shuffled.frame)
    assert len(labels.frame) + labels.excluded["rows"].sum() == log["customer_id"].nunique()


def test_unfinished_windows_are_refused_or_censored_never_stayed(log):
    with pytest.raises(DataError) as caught:
        transaction_labels(log, ["1998-03-31", "1998-05-31"])
    assert str(caught.value) == (
        "The horizon after 1998-05-31 ends 1998-08-29, past the end of the data 1998-06-30 (1 of 2 snapshots): take "
        "snapshots up to 1998-04-01, or unfinished='censor' for blank labels."
    )
    labels = transaction_labels(log, ["1998-03-31", "1998-05-31"], unfinished="censor")
    late = labels.frame["as_of_date"] == "1998-05-31"
    assert labels.frame.loc[late, "churned"].isna().all()
    assert labels.frame.loc[~late, "churned"].notna().all()
    assert labels.n_obs == 384
    assert labels.snapshots["rate"].isna().to_list() == [False, True]
    assert "384 labelled" in repr(labels)
    with pytest.raises(DataError, match="Snapshot 1998-07-01 lies after the end of the data, 1998-06-30"):
        transaction_labels(log, "1998-07-01", unfinished="censor")


def test_the_chance_of_a_return_is_kaplan_meier(log):
    from statsmodels.duration.survfunc import SurvfuncRight

    evidence = inactivity_evidence(log, at=(1, 30, 90, 150), horizon=60)
    days = log.drop_duplicates(["customer_id", "date"]).sort_values(["customer_id", "date"])
    after = days.groupby("customer_id")["date"].shift(-1)
    length = (after.fillna(pd.Timestamp("1998-06-30")) - days["date"]).dt.days
    assert evidence.n_obs == len(days)
    assert evidence.n_returns == after.notna().sum()
    for row in evidence.curve.itertuples():
        reached = length >= row.days  # the chance given the first k days is that among the silences that got there
        assert row.reached == reached.sum()
        curve = SurvfuncRight(length[reached], after.notna()[reached].astype(int))
        last = np.flatnonzero(curve.surv_times <= row.days + 60)[-1]
        assert row.chance == pytest.approx(1 - curve.surv_prob[last], abs=1e-12)
        assert row.se == pytest.approx(curve.surv_prob_se[last], abs=1e-12)
        returns = length[after.notna()]
        assert row.share_later == pytest.approx((returns >= row.days).mean(), abs=1e-12)
    median = evidence.quantiles.set_index("share")["days"]
    assert (returns <= median[0.5]).mean() >= 0.5 > (returns < median[0.5]).mean()
    assert np.isnan(inactivity_evidence(log, at=(500,), horizon=60).curve["chance"].iloc[0])


def test_evidence_recovers_a_known_chance():
    """Purchases by a Poisson process of one in 50 days, watched for 200 days: the chance within 30 is 1 - exp(-0.6)."""
    rng = np.random.default_rng(5)
    gaps = rng.exponential(50, (4000, 40)).cumsum(axis=1)
    who, k = np.nonzero(gaps < 200)
    start = pd.Timestamp("2024-01-01")
    log = pd.DataFrame({"customer_id": who, "date": start + pd.to_timedelta(np.floor(gaps[who, k]), "D")})
    evidence = inactivity_evidence(log, at=(10, 40, 80), horizon=30, observed_until="2024-07-18")
    # days are whole: a silence of k days or more begins k - 1/2 days after a purchase on average
    assert np.abs(evidence.curve["chance"] - (1 - np.exp(-31 / 50))).max() < 4 * evidence.curve["se"].max()


def test_evidence_needs_a_return():
    with pytest.raises(DataError, match="None of the 2 customers bought on two days"):
        inactivity_evidence(pd.DataFrame({"customer_id": [1, 2], "date": ["2024-01-01"] * 2}))


# --- subscriptions -------------------------------------------------------------------------------------------------


def test_subscription_labels_at_the_edges_of_the_window():
    table = spells(
        ("starts at t", "2024-03-31", None),
        ("starts later", "2024-04-01", None),
        ("ends at t", "2023-01-01", "2024-03-31"),
        ("ends next day", "2023-01-01", "2024-04-01"),
        ("ends last day", "2023-01-01", "2024-04-30"),
        ("ends after", "2023-01-01", "2024-05-01"),
        ("open", "2023-01-01", None),
        ("open in 9999", "2023-01-01", "9999-12-31"),
    )
    labels = label(table)
    assert outcome(labels) == {
        "starts at t": 0,
        "ends next day": 1,
        "ends last day": 1,
        "ends after": 0,
        "open": 0,
        "open in 9999": 0,
    }
    assert labels.frame.columns.to_list() == ["customer_id", "as_of_date", "horizon_days", "churned"]
    assert labels.excluded.to_dict("list") == {
        "reason": ["not yet a customer", "ended before the snapshot"],
        "rows": [1, 1],
    }
    assert labels.rate == pytest.approx(2 / 6)


def test_several_spells_of_a_customer():
    table = spells(
        ("changes plan", "2023-01-01", "2024-04-10"),
        ("changes plan", "2024-04-10", None),
        ("overlaps", "2023-01-01", "2024-04-10"),
        ("overlaps", "2024-01-01", "2024-04-20"),
        ("inside", "2023-01-01", None),
        ("inside", "2023-02-01", "2024-04-05"),
        ("comes back", "2023-01-01", "2024-04-10"),
        ("comes back", "2024-04-18", None),
        ("left, back later", "2023-01-01", "2023-06-01"),
        ("left, back later", "2024-06-01", None),
    )
    strict = {"changes plan": 0, "overlaps": 1, "inside": 0, "comes back": 1}
    assert outcome(label(table)) == strict
    assert outcome(label(table, grace=8)) == strict | {"comes back": 0}
    assert outcome(label(table, grace=7)) == strict
    assert label(table).excluded["rows"].to_list() == [1]
    assert outcome(label(table, "2024-04-14", grace=8))["comes back"] == 0  # between two spells of one


def test_a_break_may_still_end_so_grace_delays_the_label():
    table = spells(("a", "2023-01-01", "2024-04-20"), ("b", "2023-01-01", None))
    assert label(table, until="2024-04-30").n_obs == 2
    with pytest.raises(DataError, match="The horizon after 2024-03-31 ends 2024-05-14"):
        label(table, until="2024-04-30", grace=14)


def test_customers_on_pause_are_not_at_risk():
    table = spells(("a", "2023-01-01", "2024-04-20"), ("b", "2023-01-01", None), ("c", "2023-01-01", None))
    pauses = spells(("a", "2024-03-01", "2024-04-01"), ("b", "2024-03-01", "2024-03-31"), ("c", "2024-04-01", None))
    labels = label(table, pauses=pauses)
    assert outcome(labels) == {"b": 0, "c": 0}
    assert labels.excluded.to_dict("list") == {"reason": ["paused at the snapshot"], "rows": [1]}
    with pytest.raises(DataError, match="1 of 1 pauses are of customers without a subscription, such as 'z'"):
        label(table, pauses=spells(("z", "2024-03-01", None)))


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_subscription_labels_follow_the_rule(seed):
    """Day by day: covered or not, with short breaks filled; at risk while covered, left when cover ends in time."""
    rng = np.random.default_rng(seed)
    n, grace, horizon = int(rng.integers(3, 25)), int(rng.integers(0, 15)), int(rng.integers(1, 60))
    begin, length = rng.integers(0, 300, n), rng.integers(0, 120, n)
    who, open_end = rng.integers(0, 7, n), rng.random(n) < 0.2
    origin = pd.Timestamp("2024-01-01")
    table = pd.DataFrame({"customer_id": who, "start": origin + pd.to_timedelta(begin, "D")})
    table["end"] = (table["start"] + pd.to_timedelta(length, "D")).mask(open_end)
    t, wanted = 200, {}
    for customer in np.unique(who):
        covered = np.zeros(800, dtype=bool)
        for k in np.flatnonzero(who == customer):
            covered[begin[k] : 800 if open_end[k] else begin[k] + length[k]] = True
        starts = [begin[k] for k in np.flatnonzero(who == customer)]
        ends = [800 if open_end[k] else begin[k] + length[k] for k in np.flatnonzero(who == customer)]
        for s in starts:
            for e in ends:
                if e <= s <= e + grace:
                    covered[e:s] = True
        if covered[t]:
            wanted[customer] = float(not covered[t : t + horizon + 1].all())
    options = {"horizon": horizon, "grace": grace, "until": "2026-01-01"}
    when = origin + pd.Timedelta(days=t)
    if not wanted:
        with pytest.raises(DataError, match="No customer is at risk"):
            label(table, when, **options)
        return
    found = label(table.sample(frac=1, random_state=seed), when, **options)
    assert outcome(found) == wanted


def test_several_snapshots_at_once_are_the_snapshots_one_by_one():
    tables, truth = cx.datasets.simulate_subscribers(customers=300, months=8, seed=3)
    dates = ["2023-02-28", "2023-05-31"]
    both = label(tables["subscriptions"], dates, 31, until=truth.observed_until)
    single = [label(tables["subscriptions"], d, 31, until=truth.observed_until).frame for d in dates]
    pd.testing.assert_frame_equal(both.frame, pd.concat(single, ignore_index=True))
    assert both.snapshots["at_risk"].sum() == len(both.frame)
    assert both.overlapping == 0
    monthly = label(tables["subscriptions"], [*dates, "2023-06-30"], 31, until=truth.observed_until)
    assert monthly.overlapping == 1
    assert "1 overlap the one before" in repr(monthly)


def test_the_end_of_the_data_is_the_last_date_unless_that_is_a_plan():
    table = spells(("a", "2024-01-01", None), ("b", "2024-02-01", "2024-06-30"))
    assert str(subscription_labels(table, "2024-03-31").observed_until.date()) == "2024-06-30"
    planned = spells(("a", "2024-01-01", None), ("b", "2024-02-01", "2026-06-30"))
    with pytest.raises(
        DataError, match=r"'end' of table 'subscriptions' goes to 2026-06-30 .* give `observed_until`"
    ):
        subscription_labels(planned, "2024-03-31")
    # an end beyond what was observed is a plan too: the customer is still there
    assert outcome(label(table, "2024-04-30", 30, until="2024-05-30"))["b"] == 0


def test_spells_have_an_end_or_are_censored():
    table = spells(
        ("a", "2024-01-01", "2024-02-01"),
        ("a", "2024-02-05", "2024-05-28"),
        ("b", "2024-01-01", None),
        ("c", "2024-01-01", "2024-08-01"),
        ("d", "2024-07-01", None),
    )
    found = cx.churn.spells(table, observed_until="2024-06-01")
    assert found["customer_id"].to_list() == ["a", "a", "b", "c"]
    assert found["spell"].to_list() == [1, 2, 1, 1]
    assert found["duration_days"].to_list() == [31, 113, 152, 152]
    assert found["left"].to_list() == [1, 1, 0, 0]
    joined = cx.churn.spells(table, grace=5, observed_until="2024-06-01")
    assert joined["duration_days"].to_list() == [148, 152, 152]
    assert joined["left"].sum() == 0  # four days after its end the last one may still be renewed
    tables, truth = cx.datasets.simulate_subscribers(customers=500, months=12)
    every = cx.churn.spells(tables["subscriptions"], observed_until=truth.observed_until)
    assert every["left"].sum() == tables["subscriptions"]["end"].notna().sum()


def test_instants_are_compared_with_their_time_of_day():
    table = spells(
        ("morning", "2024-01-01", "2024-03-31 09:00"),
        ("evening", "2024-03-31 20:00", None),
        ("all", "2024-01-01", None),
    )
    assert set(outcome(label(table, "2024-03-31"))) == {"morning", "all"}
    assert set(outcome(label(table, "2024-03-31 21:00"))) == {"evening", "all"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"end": "2023-01-01"}, r"3 of 3 rows of table 'subscriptions' end before they start, the first of customer 'a' \('start' 2024-01-05, 'end' 2023-01-01\)"),
        ({"start": None}, "Column 'start' of table 'subscriptions' is blank in 3 of 3 rows"),
        ({"customer_id": [None, "b", "c"]}, "Column 'customer_id' of table 'subscriptions' is blank in 1 of 3 rows"),
        ({"customer_id": ["a", 1, "c"]}, r"Customers of table 'subscriptions' are of several types \('int', 'str'\)"),
        ({"start": 20240105}, "Column 'start' of table 'subscriptions' holds int64, no dates"),
        ({"start": "05/01/2024"}, "'start' .* has 3 of 3 values that are no ISO dates .*'05/01/2024': read them with pandas.to_datetime"),
        ({"start": "2024-02-30"}, "no ISO dates"),
        ({"start": "2024-01-05T10:00:00Z"}, "'2024-01-05T10:00:00Z': bring all dates to one zone and take it off"),
        ({"start": pd.Timestamp("2024-01-05", tz="Europe/Paris")}, "'start' of table 'subscriptions' has the time zone Europe/Paris: bring"),
    ],
)  # fmt: skip
def test_bad_subscriptions(change, message):
    table = spells(*[(c, "2024-01-05", None) for c in "abc"]).assign(**change)
    with pytest.raises(DataError, match=message) as caught:
        label(table)
    assert "\n" not in str(caught.value)


def test_bad_arguments():
    table = spells(("a", "2024-01-05", None))
    with pytest.raises(
        DataError, match=r"Table 'subscriptions' has no column 'customer'. Did you mean 'customer_id'\?"
    ):
        label(table, customer="customer")
    for options, message in [
        ({"horizon": 0}, "`horizon` must be a number of days, 1 or more, not 0"),
        ({"horizon": "30"}, "`horizon` must be a number of days"),
        ({"grace": -1}, "`grace` must be a number of days, 0 or more, not -1"),
        ({"when": []}, "`as_of` must be one date or several"),
        ({"when": "31.3.2024"}, "`as_of` has 1 of 1 values that are no ISO dates"),
        ({"when": ["2024-03-31", "2024-03-31"]}, "`as_of` names a date more than once"),
        ({"when": pd.Timestamp("2024-03-31", tz="UTC")}, "`as_of` .* take it off"),
        ({"unfinished": "stayed"}, "Unknown unfinished='stayed'; choose from 'refuse', 'censor'"),
    ]:
        with pytest.raises(SpecError, match=message):
            label(table, **options)
    with pytest.raises(DataError, match="No customer is at risk at any of the 1 snapshots"):
        label(table, "2023-03-31")
    with pytest.raises(DataError, match="Table 'subscriptions' has no rows"):
        label(table.iloc[:0])
    with pytest.raises(CxError, match="All 1 transactions are dated after 2020-01-01"):
        transaction_labels(table, "2020-01-01", date="start", observed_until="2020-01-01")


def test_frames_of_other_kinds_and_dates_of_any_type():
    polars = pytest.importorskip("polars")
    table = spells(("a", "2024-01-05", "2024-04-10"), ("b", "2024-01-05", None))
    wanted = outcome(label(table))
    typed = table.assign(start=pd.to_datetime(table["start"]), end=pd.to_datetime(table["end"]))
    days = typed.assign(start=typed["start"].dt.date)
    for kind in (typed, days, typed.astype({"start": "category"}), polars.from_pandas(typed), table.to_dict("list")):
        assert outcome(label(kind)) == wanted


def test_a_display_says_what_was_done(log):
    labels = transaction_labels(log, "1997-12-31")
    assert "400 labelled" in labels.summary()
    assert "no purchase within 90 days" in labels._repr_html_()
    assert "ended by a purchase" in inactivity_evidence(log, at=(30, 90)).summary()
