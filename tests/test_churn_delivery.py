"""The list of customers: who is contacted and why, and that it reaches every store whole, once, and in one schema."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pandas as pd
import pytest

from cxmodels.churn import deliver, read_delivery, targets, targets_summary
from cxmodels.churn.delivery import SCHEMA
from cxmodels.errors import CxError, DataError, SpecError

from .postgres import server

N = 2000


def population(seed=1, n=N):
    rng = np.random.default_rng(seed)
    return np.array([f"c{i:05d}" for i in range(n)]), rng.beta(1, 4, n), rng.gamma(4, 60, n)


def made(day="2026-03-31", **options):
    ids, p, value = population(n=200)
    given = {"value": value, "as_of_date": day, "horizon_days": 90, "model_id": "m1"} | options
    return targets(ids, p, **given)


def test_expected_profit_is_that_of_the_formula_and_orders_the_list():
    ids, p, value = population()
    found = targets(ids, p, value=value, contact_cost=2, offer_cost=15, accept_rate=0.25)
    again = found.set_index("customer_id").loc[ids]
    wanted = p * (0.25 * (value - 15) - 2) - (1 - p) * (15 + 2)
    np.testing.assert_allclose(again.expected_profit, wanted, rtol=1e-12)
    assert found.expected_profit.is_monotonic_decreasing
    assert found["rank"].tolist() == list(range(1, N + 1))
    np.testing.assert_allclose(again.expected_loss, p * value)
    assert list(found.columns) == list(SCHEMA)


def test_capacity_is_met_and_nobody_is_contacted_at_a_loss():
    ids, p, value = population()
    free = targets(ids, p, value=value, control_share=0)
    paying = free.expected_profit > 0
    assert (free.action == "contact").equals(paying)
    few = targets(ids, p, value=value, control_share=0.2, capacity=100)
    counts = targets_summary(few).customers
    assert counts["contact"] == 100
    reached = few[few.action != "none"]["rank"].max()
    assert (few["rank"][few.action == "control"] <= reached).all()
    assert (few.action[few["rank"] <= reached] != "none").all()
    assert targets_summary(targets(ids, p, value=value, capacity=0)).customers["contact"] == 0


def test_the_control_group_is_random_stable_and_of_the_asked_size():
    ids, p, value = population(n=20_000)
    one = targets(ids, p, value=value, control_share=0.1, seed=3)
    turn = np.random.default_rng(0).permutation(len(ids))
    other = targets(ids[turn], p[turn], value=value[turn], control_share=0.1, seed=3)
    pd.testing.assert_frame_equal(one, other)
    counts = targets_summary(one).customers
    share = counts["control"] / (counts["control"] + counts["contact"])
    assert abs(share - 0.1) < 4 * np.sqrt(0.09 / (counts["control"] + counts["contact"]))
    kept = set(one.customer_id[one.action == "control"])
    tomorrow = targets(ids, np.clip(p * 1.02, 0, 1), value=value, control_share=0.1, seed=3)
    moved = set(tomorrow.customer_id[tomorrow.action == "control"])
    assert len(kept & moved) > 0.95 * len(kept)  # the same customers stay out while they stay on the list
    new = targets(ids, p, value=value, control_share=0.1, seed=4)
    assert len(kept & set(new.customer_id[new.action == "control"])) < 0.3 * len(kept)
    contacted, control = (one[one.action == a].p_churn for a in ("contact", "control"))
    assert abs(contacted.mean() - control.mean()) < 4 * one.p_churn.std() / np.sqrt(len(control))


def test_ties_are_broken_by_identifier_not_by_row():
    ids = np.array(["x", "y", "z", "w"])
    one = targets(ids, [0.4] * 4, value=500, capacity=2, control_share=0)
    other = targets(ids[::-1], [0.4] * 4, value=500, capacity=2, control_share=0)
    pd.testing.assert_frame_equal(one, other)


def test_percentile_and_decile_count_from_the_riskiest():
    ids, p, _ = population(n=1000)
    found = targets(ids, p, value=100.0).sort_values("p_churn", ascending=False)
    assert found.decile.tolist() == list(np.repeat(np.arange(1, 11), 100))
    assert found.percentile.iloc[0] == 100.0
    assert found.percentile.iloc[-1] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"customer_id": ["a", "a", "b"]}, "stand more than once"),
        ({"customer_id": ["a", None, "b"]}, "no identifier"),
        ({"p": [0.1, 1.2, 0.3]}, "outside 0 to 1"),
        ({"p": [0.1, np.nan, 0.3]}, "p is missing"),
        ({"value": [1, -5, 3]}, "negative value"),
        ({"value": [1, 2]}, "value has 2 entries for 3 customers"),
        ({"value": "dear"}, "not a number"),
        ({"capacity": -1}, "capacity"),
        ({"capacity": 1.5}, "capacity"),
        ({"contact_cost": -1}, "contact_cost"),
        ({"offer_cost": float("nan")}, "offer_cost"),
        ({"accept_rate": 1.2}, "acceptance"),
        ({"control_share": 2}, "control_share"),
        ({"seed": "a"}, "seed"),
        ({"customer_id": [], "p": []}, "no customers"),
    ],
)
def test_bad_lists_are_refused(change, said):
    given = {"customer_id": ["a", "b", "c"], "p": [0.1, 0.2, 0.3], "value": 100.0} | change
    with pytest.raises(CxError, match=said):
        targets(given.pop("customer_id"), given.pop("p"), **given)


STORES = ("list.parquet", "list.csv", "list.duckdb", "sqlite")


def place(tmp_path, store):
    return f"sqlite:///{tmp_path / 'list.db'}" if store == "sqlite" else tmp_path / store


@pytest.mark.parametrize("store", STORES)
def test_every_store_gives_back_the_same_schema_and_numbers(tmp_path, store):
    scores, where = made(), place(tmp_path, store)
    told = deliver(scores, where)
    again = read_delivery(where)
    assert told["rows"] == len(again) == 200
    assert list(again.columns) == list(SCHEMA)
    for name in ("p_churn", "expected_profit", "rank", "percentile"):
        np.testing.assert_allclose(again[name].astype(float), scores[name].astype(float), rtol=1e-15)
    assert again.customer_id.tolist() == scores.customer_id.tolist()
    assert again.action.tolist() == scores.action.tolist()
    assert again.reason_1.tolist() == [""] * 200
    assert (again.as_of_date == pd.Timestamp("2026-03-31")).all()


def check_replacement(where):
    first = made("2026-03-31")
    assert deliver(first, where)["replaced"] == 0
    deliver(made("2026-04-30"), where)
    corrected = made("2026-03-31", contact_cost=3)
    assert deliver(corrected, where)["replaced"] == 200
    everything = read_delivery(where)
    assert len(everything) == 400
    march = read_delivery(where, as_of_date="2026-03-31")
    np.testing.assert_allclose(march.expected_profit, corrected.expected_profit, rtol=1e-14)
    other = made("2026-03-31")
    other["horizon_days"] = 30
    assert deliver(other, where)["replaced"] == 0
    assert len(read_delivery(where)) == 600


@pytest.mark.parametrize("store", ["list.duckdb", "sqlite"])
def test_the_same_day_again_replaces_and_other_days_stay(tmp_path, store):
    check_replacement(place(tmp_path, store))


def test_a_real_postgresql_takes_the_list_and_its_replacement():
    with server() as url:
        check_replacement(url)
        with pytest.raises(DataError, match="database refused"):
            deliver(made(), url.replace("/postgres", "/nowhere"))


@pytest.mark.parametrize("store", ["list.parquet", "list.csv"])
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, store, monkeypatch):
    where = tmp_path / store
    deliver(made(), where)
    before = where.read_bytes()
    deliver(made(), where)
    assert where.read_bytes() == before

    def broken(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(DataError, match=r"^The list could not be written to .*: No space left on device\.$"):
        deliver(made(contact_cost=5), where)
    assert where.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [store]


def test_formulas_are_neutralised_in_csv_only(tmp_path):
    scores = made()
    scores.loc[0, "reason_1"] = "=HYPERLINK(1)"
    scores.loc[1, "customer_id"] = "@evil"
    assert deliver(scores, tmp_path / "a.csv")["neutralised"] == 2
    assert "'=HYPERLINK(1)" in (tmp_path / "a.csv").read_text()
    deliver(scores, tmp_path / "a.parquet")
    assert read_delivery(tmp_path / "a.parquet").reason_1[0] == "=HYPERLINK(1)"


def test_a_failing_insert_leaves_the_database_as_it_was(tmp_path):
    where = f"sqlite:///{tmp_path / 'list.db'}"
    deliver(made(), where)
    with closing(sqlite3.connect(tmp_path / "list.db")) as db:
        db.execute(
            "CREATE TRIGGER no BEFORE INSERT ON churn_scores WHEN NEW.rank = 150 BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    with pytest.raises(DataError, match="nothing was written"):
        deliver(made(contact_cost=4), where)
    np.testing.assert_allclose(read_delivery(where).expected_profit, made().expected_profit)


def test_bad_deliveries_are_refused(tmp_path):
    scores = made()
    with pytest.raises(SpecError, match="Cannot tell"):
        deliver(scores, tmp_path / "list.xls")
    with pytest.raises(DataError, match="lacks the columns 'flags'"):
        deliver(scores.drop(columns="flags"), tmp_path / "a.csv")
    with pytest.raises(DataError, match="no rows"):
        deliver(scores.iloc[:0], tmp_path / "a.csv")
    with pytest.raises(DataError, match="more than once"):
        deliver(pd.concat([scores, scores]), tmp_path / "a.csv")
    with pytest.raises(DataError, match="one day and one horizon"):
        deliver(pd.concat([scores, made("2026-04-30")]), tmp_path / "a.csv")
    with pytest.raises(DataError, match="no as_of_date"):
        deliver(made(None), tmp_path / "a.csv")
    with pytest.raises(SpecError, match="table name"):
        deliver(scores, tmp_path / "a.duckdb", table="x; DROP")
    with pytest.raises(SpecError, match="URL cannot be used"):
        deliver(scores, "nosuch://host/db")
    (tmp_path / "no.duckdb").write_text("not a database")
    with pytest.raises(DataError, match=r"no\.duckdb"):
        deliver(scores, tmp_path / "no.duckdb")
    with closing(sqlite3.connect(tmp_path / "o.db")) as db:
        db.execute("CREATE TABLE churn_scores (customer_id TEXT)")
    with pytest.raises(DataError, match="other columns"):
        deliver(scores, f"sqlite:///{tmp_path / 'o.db'}")
    with pytest.raises(DataError, match="no file"):
        read_delivery(tmp_path / "gone.parquet")
    assert not (tmp_path / "a.csv").exists()
