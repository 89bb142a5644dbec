"""Features as of a snapshot: the numbers of a loop over rows, whatever the order, and nothing from after the snapshot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cxmodels as cx
from cxmodels.churn import CustomerSplit, Features, TimeSplit, subscription_labels, transaction_labels
from cxmodels.errors import DataError, SpecError

GOLDEN = json.loads((Path(__file__).parent / "reference" / "churn" / "cdnow_labels.json").read_text("utf-8"))
ORIGIN = pd.Timestamp("2024-01-01")


def day(number):
    return ORIGIN + pd.to_timedelta(number, "D")


def random_tables(seed, rows=80, customers=6):
    rng = np.random.default_rng(seed)
    usage = pd.DataFrame(
        {
            "customer_id": rng.integers(0, customers + 2, rows),
            "date": day(rng.choice(300, rows)) + pd.to_timedelta(rng.choice([0, 0, 9], rows), "h"),
            "minutes": np.where(rng.random(rows) < 0.15, np.nan, 1e6 + rng.normal(0, 5, rows)),
            "plan": rng.choice(["a", "b", None], rows),
        }
    )
    pairs = pd.MultiIndex.from_product([range(customers), day([120, 150, 240])], names=["customer_id", "as_of_date"])
    return usage, pairs.to_frame(index=False).sample(frac=1, random_state=seed).reset_index(drop=True)


SPEC = (
    Features()
    .window("usage", "minutes", days=(7, 60), stats=("count", "days", "sum", "mean", "min", "max", "std"))
    .total("usage", "minutes", stats=("count", "sum"))
    .trend("usage", "minutes", days=45, measures=("change", "ratio", "slope"))
    .recency("usage", first=True)
    .latest("usage", ("minutes", "plan"), prefix="last")
)


def by_loop(usage, who, when):
    """The features of one customer at one snapshot, read off the rows."""
    past = usage[(usage["customer_id"] == who) & (usage["date"] <= when)].sort_values("date")
    out = {}
    for d in (7, 60):
        rows = past[past["date"] > when - pd.Timedelta(days=d)]
        x = rows["minutes"].dropna()
        out |= {f"usage_count_{d}d": len(rows), f"usage_days_{d}d": rows["date"].dt.normalize().nunique()}
        out |= {f"usage_minutes_{s}_{d}d": getattr(x, s)() for s in ("sum", "mean", "min", "max", "std")}
    out |= {"usage_count_total": len(past), "usage_minutes_sum_total": past["minutes"].sum()}
    recent = past[past["date"] > when - pd.Timedelta(days=45)]
    both = past[past["date"] > when - pd.Timedelta(days=90)]
    new, old = recent["minutes"].sum(), both["minutes"].sum() - recent["minutes"].sum()
    known = both.dropna(subset="minutes")
    t = (known["date"] - ORIGIN) / pd.Timedelta(days=1)
    slope = np.nan
    if t.nunique() > 1:
        slope = np.cov(t, known["minutes"])[0, 1] / t.var()
    out |= {"usage_minutes_change_45d": new - old, "usage_minutes_ratio_45d": new / old if abs(old) > 1 else np.nan}
    out |= {"usage_minutes_slope_45d": slope}
    since = [(when - d) / pd.Timedelta(days=1) for d in (past["date"].max(), past["date"].min())]
    out |= dict(zip(("usage_days_since_last", "usage_days_since_first"), since, strict=True))
    answers = past.dropna(subset=["minutes", "plan"], how="all")
    last = answers[answers["date"] == answers["date"].max()]
    out |= {"last_minutes": last["minutes"].mean(), "last_plan": max(last["plan"].dropna(), default=None)}
    return out | {"last_age_days": (when - answers["date"].max()) / pd.Timedelta(days=1)}


@given(st.integers(0, 10_000))
@settings(max_examples=4)
def test_features_are_those_of_a_loop_over_rows(seed):
    usage, snapshots = random_tables(seed)
    built = SPEC.build(snapshots, {"usage": usage})
    pd.testing.assert_frame_equal(built.frame[["customer_id", "as_of_date"]], snapshots, check_dtype=False)
    for row in built.frame.to_dict("records"):
        wanted = by_loop(usage, row["customer_id"], row["as_of_date"])
        assert set(wanted) == set(built.features)
        for name, value in wanted.items():
            if name == "last_plan":
                assert row[name] == value or (value is None and pd.isna(row[name]))
            else:
                tolerance = {"std": 1e-6, "slope": 1e-7}.get(name.split("_")[-2], 1e-9)
                assert row[name] == pytest.approx(value, rel=tolerance, abs=1e-6, nan_ok=True), name


@given(st.integers(0, 10_000))
@settings(max_examples=5)
def test_neither_the_order_of_rows_nor_the_future_changes_a_number(seed):
    usage, snapshots = random_tables(seed)
    usage = pd.concat([usage, usage.sample(10, random_state=seed)])  # ties
    built = SPEC.build(snapshots, {"usage": usage})
    shuffled = SPEC.build(snapshots, {"usage": usage.sample(frac=1, random_state=seed)})
    pd.testing.assert_frame_equal(built.frame, shuffled.frame, check_exact=True)

    early = snapshots[snapshots["as_of_date"] == day(120)]
    known = usage["date"] <= day(120)
    rewritten = pd.concat([usage[known], usage[~known].assign(minutes=-1e9, plan="zzz", date=day(121))])
    alone = SPEC.build(early, {"usage": usage})
    pd.testing.assert_frame_equal(alone.frame, SPEC.build(early, {"usage": rewritten}).frame, check_exact=True)
    pd.testing.assert_frame_equal(alone.frame, SPEC.build(early, {"usage": usage[known]}).frame, check_exact=True)
    together = built.frame[built.frame["as_of_date"] == day(120)].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.frame, together, check_exact=True)


def test_cdnow_features_are_the_reference_means():
    log = cx.datasets.load("cdnow")
    spec = Features().recency("log").total("log", "amount", stats=("days", "sum"))
    for cutoff, wanted in GOLDEN["cutoffs"].items():
        everybody = pd.DataFrame({"customer_id": log["customer_id"].unique(), "as_of_date": cutoff})
        X = spec.build(everybody, {"log": log}).X
        assert X["log_days_since_last"].mean() == pytest.approx(wanted["mean_recency_days"], abs=1e-8)
        assert X["log_days_total"].mean() == pytest.approx(wanted["mean_distinct_days"], abs=1e-9)
        assert X["log_amount_sum_total"].sum() == pytest.approx(wanted["total_amount"], abs=1e-6)


def test_a_customer_without_rows_has_counts_of_zero_and_blank_means():
    usage, _ = random_tables(1)
    built = SPEC.build(pd.DataFrame({"customer_id": [99], "as_of_date": ["2024-06-01"]}), {"usage": usage})
    row = built.frame.iloc[0]
    assert (row[["usage_count_7d", "usage_days_60d", "usage_minutes_sum_60d", "usage_count_total"]] == 0).all()
    blank = ["usage_minutes_mean_60d", "usage_minutes_max_60d", "usage_minutes_std_60d", "usage_minutes_ratio_45d"]
    assert (
        row[
            [*blank, "usage_minutes_slope_45d", "usage_days_since_last", "last_minutes", "last_plan", "last_age_days"]
        ]
        .isna()
        .all()
    )
    empty = SPEC.build(pd.DataFrame({"customer_id": [99], "as_of_date": ["2024-06-01"]}), {"usage": usage.iloc[:0]})
    pd.testing.assert_frame_equal(built.frame, empty.frame, check_dtype=False)


def test_a_survey_after_the_snapshot_is_never_used_and_counted():
    survey = pd.DataFrame(
        {
            "customer_id": ["a", "a", "a", "b", "x", "a"],
            "date": ["2024-03-01", "2024-03-31", "2024-04-01", "2024-05-01", "2024-01-01", None],
            "score": [50.0, 60.0, 99.0, 10.0, 5.0, 5.0],
        }
    )
    built = (
        Features()
        .latest("survey", "score")
        .build(pd.DataFrame({"customer_id": ["a", "b"], "as_of_date": "2024-03-31"}), {"survey": survey})
    )
    assert built.frame["survey_score"].to_list()[0] == 60
    assert built.frame["survey_score"].isna().to_list() == [False, True]
    assert built.frame["survey_age_days"].iloc[0] == 0
    counts = dict(zip(built.excluded["reason"], built.excluded["rows"], strict=True))
    assert counts == {
        "dated after every snapshot of the customer": 2,
        "customer not among the snapshots": 1,
        "no date": 1,
    }
    assert "2 rows of 'survey': dated after every snapshot of the customer" in built.summary()


def test_old_answers_can_be_blanked_and_empty_ones_are_passed_over():
    survey = pd.DataFrame(
        {"customer_id": ["a", "a"], "date": ["2024-01-01", "2024-03-01"], "score": [7, None], "why": ["ok", None]}
    )
    look = pd.DataFrame({"customer_id": ["a"], "as_of_date": ["2024-03-31"]})
    row = Features().latest("survey", ["score", "why"]).build(look, {"survey": survey}).X.iloc[0]
    assert (row["survey_score"], row["survey_why"], row["survey_age_days"]) == (7, "ok", 90)
    row = Features().latest("survey", ["score", "why"], max_age=89).build(look, {"survey": survey}).X.iloc[0]
    assert row[["survey_score", "survey_why"]].isna().all()
    assert row["survey_age_days"] == 90


def test_index_scores_of_a_model_join_like_any_dated_answer():
    tables, truth = cx.datasets.simulate_subscribers(customers=800, months=12, seed=2)
    survey = tables["surveys"].dropna()
    model = "Quality =~ speed + service + reliability\nSat =~ satisfaction + expectations + ideal\nSat ~ Quality"
    scores = cx.PLS(model).fit(survey).index_scores(scale=(1, 10))
    dated = survey[["customer_id", "date"]].join(scores)
    labels = subscription_labels(tables["subscriptions"], "2023-09-30", 31)
    built = Features().latest("index", ["Sat", "Quality"]).build(labels, {"index": dated})
    state = built.frame.merge(truth.monthly, on=["customer_id", "as_of_date"])
    near = state["index_age_days"] < 31
    assert near.sum() > 50
    # three items with errors of 8 points: the index follows the truth of the month
    assert np.corrcoef(state["index_Sat"][near], state["satisfaction"][near])[0, 1] > 0.85


def test_attributes_keep_their_types_and_training_leaves_unknown_labels_out():
    customers = pd.DataFrame(
        {"customer_id": ["b", "a", "z"], "region": pd.Categorical(["n", "s", "n"]), "age": [30, 40, 50]}
    )
    log = pd.DataFrame(
        {"customer_id": ["a", "b", "c", "a"], "date": ["2024-01-05", "2024-01-25", "2024-01-26", "2024-02-20"]}
    )
    labels = transaction_labels(log, ["2024-01-31", "2024-02-15"], 20, inactive_after=30, unfinished="censor")
    built = (
        Features()
        .attributes("people", ("region", "age"))
        .recency("log")
        .build(labels, {"people": customers, "log": log})
    )
    assert isinstance(built.X["region"].dtype, pd.CategoricalDtype)
    assert built.X["region"].astype(object).where(built.X["region"].notna(), "").to_list()[:3] == ["s", "n", ""]
    assert built.excluded.values.tolist() == [
        ["log", "dated after every snapshot of the customer", 1],
        ["people", "customer not among the snapshots", 1],
    ]
    X, y = built.training()
    assert y.to_list() == [0, 1, 1]
    assert len(X) == 3 < built.n_obs
    with pytest.raises(DataError, match="None of the 1 snapshots"):
        built.time_split()
    with pytest.raises(DataError, match="no column 'churned'"):
        Features().recency("log").build(labels.frame.drop(columns="churned"), {"log": log}).training()


def test_coverage_counts_windows_that_reach_before_the_table():
    usage = pd.DataFrame({"customer_id": [1, 1], "date": ["2024-01-10", "2024-03-01"]})
    look = pd.DataFrame({"customer_id": [1, 1, 2], "as_of_date": ["2024-02-01", "2024-06-01", "2024-06-01"]})
    row = Features().window("usage", days=(7, 60), stats="count").build(look, {"usage": usage}).coverage.iloc[0]
    assert (row["short"], row["rows"], row["customers"], row["with_rows"]) == (1, 2, 2, 1)
    assert row["first"] == pd.Timestamp("2024-01-10")


def test_errors_name_the_table_and_the_column():
    usage, snapshots = random_tables(2)
    tables = {"usage": usage}
    recency = Features().recency("usage")
    for spec, look, given_tables, message in [
        (Features(), snapshots, tables, "No features are asked for"),
        (Features().recency("usge"), snapshots, tables, r"Table 'usge' is not given. Did you mean 'usage'\?"),
        (Features().window("usage", "minute"), snapshots, tables, r"Table 'usage' has no column 'minute'. Did you mean 'minutes'\?"),
        (Features().recency("usage", date="day"), snapshots, tables, "Table 'usage' has no column 'day'"),
        (Features().window("usage", "plan"), snapshots, tables, r"Column 'plan' of table 'usage' holds \w+ \('.*'\), no numbers"),
        (recency.recency("usage"), snapshots, tables, "Two columns are called 'usage_days_since_last'"),
        (recency, snapshots.rename(columns={"as_of_date": "as_of"}), tables, r"Table 'snapshots' has no column 'as_of_date'. Did you mean 'as_of'\?"),
        (recency, pd.concat([snapshots, snapshots[:2]]), tables, "2 of 20 snapshots are of a customer and date that stand there already, such as customer"),
        (recency, snapshots.iloc[:0], tables, "The snapshots have no rows"),
        (recency, snapshots, {"usage": usage.astype({"customer_id": str})}, "Customers are str in table 'usage' and int.* so none of 80 rows fits"),
        (recency, snapshots, {"usage": usage.assign(date=usage["date"].dt.tz_localize("UTC"))}, "'date' of table 'usage' has the time zone UTC"),
        (Features().window("usage", "minutes"), snapshots, {"usage": usage.assign(minutes=np.inf)}, "'minutes' of table 'usage' has .* infinite values"),
        (Features().attributes("usage", "plan"), snapshots, tables, "Table 'usage' has .* rows of customers that stand there already"),
        (recency, snapshots, {"usage": pd.concat([usage, usage], axis=1)}, "Table 'usage' has the column .* more than once"),
    ]:  # fmt: skip
        with pytest.raises((SpecError, DataError), match=message) as caught:
            spec.build(look, given_tables)
        assert "\n" not in str(caught.value)
    for wrong, message in [
        (lambda: Features().window("usage", stats="sum"), "The window of table 'usage' names no column for 'sum'"),
        (lambda: Features().window("usage", "m", stats="average"), "Unknown stats 'average'; choose from 'count'"),
        (lambda: Features().window("usage", "m", days=0), "`days` must be a number of days, 1 or more, not 0"),
        (lambda: Features().trend("usage", "m", measures="slop"), "Unknown measures 'slop'.*Did you mean 'slope'"),
        (lambda: Features().trend("usage", ()), "The trend of table 'usage' names no column"),
        (lambda: Features().latest("usage", ()), "The latest values of table 'usage' name no column"),
    ]:
        with pytest.raises(SpecError, match=message):
            wrong()


# --- splits --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def panel():
    months = pd.date_range("2023-01-31", periods=12, freq="ME")
    rng = np.random.default_rng(4)
    rows = pd.DataFrame({"as_of": rng.choice(months, 600), "who": rng.integers(0, 80, 600)})
    return rows.assign(x=rng.normal(size=600), y=rng.integers(0, 2, 600))


@pytest.mark.parametrize("horizon", [20, 31, 92])
@pytest.mark.parametrize("gap", [0, 15])
def test_no_training_label_reaches_into_the_test(panel, horizon, gap):
    split = TimeSplit(panel["as_of"], horizon, tests=3, gap=gap)
    assert split.get_n_splits() == 3
    for (train, test), row in zip(split.split(panel), split.table.itertuples(), strict=True):
        when = panel["as_of"].iloc[test].unique()
        assert len(when) == 1
        assert len(test) == (panel["as_of"] == when[0]).sum()
        ends = panel["as_of"].iloc[train] + pd.Timedelta(days=horizon + gap)
        assert (ends <= when[0]).all()
        left = (panel["as_of"] < when[0]) & ~panel.index.isin(train)
        assert (panel["as_of"][left] + pd.Timedelta(days=horizon + gap) > when[0]).all()
        assert (row.train_rows, row.embargoed_rows, row.test_rows) == (len(train), left.sum(), len(test))


def test_the_split_of_a_feature_table_keeps_its_horizon():
    tables, _ = cx.datasets.simulate_subscribers(300, 12)
    labels = subscription_labels(tables["subscriptions"], pd.date_range("2023-03-31", periods=7, freq="ME"), 92)
    built = Features().recency("usage").build(labels, tables)
    row = built.time_split(tests=["2023-09-30"]).table.iloc[0]
    assert row["train_last"] == pd.Timestamp("2023-06-30")  # its 92 days end on the day of the test


def test_time_splits_roll_shorten_and_part_customers(panel):
    assert TimeSplit(panel["as_of"], 31, tests=["2023-06-30"]).table["test"].to_list() == [pd.Timestamp("2023-06-30")]
    short = TimeSplit(panel["as_of"], 31, history=60).table.iloc[0]
    assert (short["train_first"], short["train_last"]) == (pd.Timestamp("2023-10-31"), pd.Timestamp("2023-11-30"))
    ((train, test),) = TimeSplit(panel["as_of"], 31, customers=panel["who"]).split()
    assert not set(panel["who"].iloc[train]) & set(panel["who"].iloc[test])
    assert len(train)


def test_splits_serve_scikit_learn(panel):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    for split in (TimeSplit(panel["as_of"], 31, tests=4), CustomerSplit(panel["who"], folds=4)):
        assert len(cross_val_score(LogisticRegression(), panel[["x"]], panel["y"], cv=split)) == 4


def test_customer_folds_are_whole_even_and_independent_of_row_order(panel):
    split = CustomerSplit(panel["who"], folds=5, seed=2)
    seen = np.zeros(len(panel), dtype=int)
    folds = {}
    for k, (train, test) in enumerate(split.split(panel, panel["y"])):
        assert not set(panel["who"].iloc[train]) & set(panel["who"].iloc[test])
        assert len(train) + len(test) == len(panel)
        seen[test] += 1
        folds |= dict.fromkeys(panel["who"].iloc[test], k)
    assert (seen == 1).all()
    mixed = panel.sample(frac=1, random_state=1)
    for k, (_, test) in enumerate(CustomerSplit(mixed["who"], folds=5, seed=2).split(mixed, mixed["y"])):
        assert {folds[w] for w in mixed["who"].iloc[test]} == {k}
    ever = panel.groupby("who")["y"].max() == 1
    share = [ever[[w for w, f in folds.items() if f == k]].sum() for k in range(5)]
    assert max(share) - min(share) <= 1


def test_bad_splits(panel):
    as_of = panel["as_of"]
    for wrong, message in [
        (lambda: TimeSplit(as_of[:0], 31), "0 of 0 rows have no snapshot"),
        (lambda: TimeSplit(as_of, 400), "None of the 12 snapshots .* lies 400 days or more after another"),
        (lambda: TimeSplit(as_of, 31, tests=12), "`tests` is 12, but only 10 of 12 snapshots lie 31 days or more after another"),
        (lambda: TimeSplit(as_of, 31, tests="2023-01-31"), "The test at 2023-01-31 has no snapshot whose label ends by then"),
        (lambda: TimeSplit(as_of, 31, tests="2023-01-30"), "The test at 2023-01-30 has no row to test"),
        (lambda: TimeSplit(as_of, 31, customers=[1]), "There are 1 customers for 600 rows"),
        (lambda: TimeSplit(as_of, 31, customers=np.ones(600)), "All customers known before the test at 2023-12-31 are in it"),
        (lambda: next(TimeSplit(as_of, 31).split(panel[:5])), "The split was made for 600 rows, these are 5"),
        (lambda: CustomerSplit([1, 2], folds=3), "There are 2 customers for 3 folds"),
        (lambda: CustomerSplit([1, None]), "1 of 2 customers are blank"),
        (lambda: CustomerSplit([1, 2], folds=1), "folds must be a whole number of 2 or more, not 1"),
    ]:  # fmt: skip
        with pytest.raises((SpecError, DataError), match=message):
            wrong()
