"""Features as of a snapshot and the audit at size: beside DuckDB's SQL, answers compared first. Times are of the processor."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from cxmodels.churn import Features, audit

CUSTOMERS, ROWS = 50_000, 1_000_000
SNAPSHOTS = ("2024-12-31", "2025-01-31", "2025-02-28", "2025-03-31")
DAYS = (7, 30, 90)


def usage(seed: int = 0) -> pd.DataFrame:
    """A log of usage over a year and a half, in no order."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"C{k:06d}" for k in range(CUSTOMERS)], dtype=object)
    return pd.DataFrame(
        {
            "customer_id": ids[rng.integers(0, CUSTOMERS, ROWS)],
            "date": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 540, ROWS), "D"),
            "minutes": rng.gamma(2, 30, ROWS),
            "gb": rng.gamma(1, 3, ROWS),
        }
    )


def snapshots(log: pd.DataFrame) -> pd.DataFrame:
    """Every customer at every snapshot."""
    known = pd.MultiIndex.from_product([sorted(log["customer_id"].unique()), pd.to_datetime(SNAPSHOTS)])
    return known.to_frame(index=False, name=["customer_id", "as_of_date"])


def ours(log: pd.DataFrame, look: pd.DataFrame) -> pd.DataFrame:
    """Counts, sums and means of two columns in three windows, and recency."""
    spec = Features().window("usage", ("minutes", "gb"), days=DAYS).recency("usage")
    return spec.build(look, {"usage": log}).frame


def by_sql(log: pd.DataFrame, look: pd.DataFrame) -> pd.DataFrame:
    """The same as one join and one grouping."""
    import duckdb

    parts = []
    for d in DAYS:
        inside = f"filter (where u.date > s.as_of_date - interval {d} day)"
        parts.append(f"count(u.date) {inside} as usage_count_{d}d")
        for column in ("minutes", "gb"):
            parts.append(f"coalesce(sum(u.{column}) {inside}, 0) as usage_{column}_sum_{d}d")
            parts.append(f"avg(u.{column}) {inside} as usage_{column}_mean_{d}d")
    query = (
        "select s.customer_id, s.as_of_date, " + ", ".join(parts) + ", "
        "date_diff('day', max(u.date), any_value(s.as_of_date)) as usage_days_since_last "
        "from look s left join log u on u.customer_id = s.customer_id and u.date <= s.as_of_date "
        "group by s.customer_id, s.as_of_date order by s.customer_id, s.as_of_date"
    )
    with duckdb.connect() as base:
        base.execute("set threads to 1")
        base.register("log", log)
        base.register("look", look)
        return base.execute(query).df()


def best(action: Callable[[], Any], times: int = 3) -> tuple[float, Any]:
    """Least processor time of some runs, and the last answer."""
    runs, out = [], None
    for _ in range(times):
        start = time.process_time()
        out = action()
        runs.append(time.process_time() - start)
    return min(runs), out


def run() -> None:
    """Print both tables."""
    log = usage()
    look = snapshots(log)
    mine, made = best(lambda: ours(log, look))
    theirs, wanted = best(lambda: by_sql(log, look))
    for name in wanted.columns[2:]:
        np.testing.assert_allclose(made[name].to_numpy(float), wanted[name].to_numpy(float), rtol=1e-9, atol=1e-9)
    print(
        f"{len(look):,} snapshots of {CUSTOMERS:,} customers, {ROWS:,} rows, {len(wanted.columns) - 2} features, same numbers:"
    )
    print(f"  Features().build {mine:5.1f} s   DuckDB, one thread {theirs:5.1f} s   ratio {theirs / mine:.1f}")

    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(ROWS, 36))).add_prefix("x")
    for k in range(12):
        table[f"kind{k}"] = np.array(["a", "b", "c", "d"])[rng.integers(0, 4, ROWS)]
    table["id"], table["row"] = [f"C{k}" for k in range(ROWS)], np.arange(ROWS)
    spent, found = best(lambda: audit(table, rng.random(ROWS) < 0.05), 1)
    print(f"audit of {ROWS:,} x {table.shape[1]}: {spent:.1f} s, found {found['column'].to_list()}")


if __name__ == "__main__":
    run()
