"""Retention of cohorts: of the customers who began in a month, how many are there so many months later."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, listed, near
from .labels import spells
from .periods import months_later
from .timeline import day_text, instants

EVERY = {"month": 1, "quarter": 3, "year": 12}


def retention_triangle(
    subscriptions: Any,
    *,
    every: str = "month",
    share: bool = True,
    observed_from: Any = None,
    observed_until: Any = None,
    grace: float = 0,
    customer: str = "customer_id",
    start: str = "start",
    end: str = "end",
) -> pd.DataFrame:
    """Count who is still subscribed so many periods after the start, by the month, quarter or year of the start.

    A customer counts in period k if the spell lasts beyond k periods from its own start, day by day. A cell is blank unless
    all of the cohort could be watched for so long: unfinished months are blank, not low.

    Parameters
    ----------
    subscriptions : frame
        One row per subscription: customer, start, end (blank while it runs).
    every : {"month", "quarter", "year"}, default "month"
        Length of cohorts and of periods.
    share : bool, default True
        Shares of the cohort on 0-1, else customers.
    observed_from : date, optional
        Earlier starts are left out: of cohorts from before the records began only those who stayed are known, so that
        their retention looks too good.
    observed_until : date, optional
        Up to when ends are known. By default the last date among starts and ends.
    grace : float, default 0
        Days within which a new subscription carries a spell on, see :func:`spells`.
    customer, start, end : str
        Names of columns.

    Returns
    -------
    DataFrame
        Index cohort; column ``customers``, then one per number of periods since the start, from 0. A customer who comes back
        after a break counts again, in the cohort of the new start.

    Raises
    ------
    DataError
        As for :func:`spells`, or if no start is left.
    SpecError
        For another length.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.churn import retention_triangle
    >>> table = pd.DataFrame({"customer_id": list("abcd"), "start": ["2024-01-05", "2024-01-20", "2024-02-01", "2024-02-10"],
    ...                       "end": ["2024-02-20", None, None, "2024-03-05"]})
    >>> retention_triangle(table, observed_until="2024-04-30").rename_axis(columns=None)
             customers    0    1    2    3
    cohort
    2024-01          2  1.0  1.0  0.5  0.5
    2024-02          2  1.0  0.5  0.5  NaN
    """
    if every not in EVERY:
        raise SpecError(f"Unknown every={every!r}; choose from {listed(EVERY)}.{near(str(every), EVERY)}")
    known = spells(subscriptions, grace=grace, observed_until=observed_until, customer=customer, start=start, end=end)
    begin, stop = (known[c].to_numpy(dtype="datetime64[us]") for c in ("start", "end"))
    until = stop.max() if observed_until is None else instants(observed_until, "observed_until")[0]
    if observed_from is not None:
        since = instants(observed_from, "observed_from")[0]
        if not (begin >= since).any():
            raise DataError(f"No subscription starts on or after {day_text(since)}; choose an earlier observed_from.")
        known, stop, begin = known[begin >= since], stop[begin >= since], begin[begin >= since]
    size = EVERY[every]
    month = begin.astype("datetime64[M]").astype(int)
    cohort = month // size
    first, last = int(cohort.min()), int(cohort.max())
    left = known["left"].to_numpy() == 1
    count = int((until.astype("datetime64[M]").astype(int) // size) - first) + 1
    rows = np.arange(first, last + 1)
    whole = np.bincount(cohort - first, minlength=len(rows))
    table = {}
    for k in range(count + 1):
        there = ~left | (stop > months_later(begin, k * size)) if k else np.ones(len(begin), dtype=bool)
        alive = np.bincount((cohort - first)[there], minlength=len(rows)).astype(float)
        closed = months_later(((rows + 1) * size).astype("datetime64[M]").astype("datetime64[us]"), k * size)
        alive[(closed - np.timedelta64(1, "D") > until) & (k > 0)] = np.nan
        table[k] = alive / np.maximum(whole, 1) if share else alive
    out = pd.DataFrame(table, index=pd.Index([_name(int(r), every) for r in rows], name="cohort"))
    out = out[whole > 0].dropna(axis=1, how="all")
    out.columns.name = f"{every}s"
    out.insert(0, "customers", whole[whole > 0])
    return out


def _name(number: int, every: str) -> str:
    """Name of a cohort."""
    if every == "year":
        return str(1970 + number)
    if every == "quarter":
        return f"{1970 + number // 4}-Q{number % 4 + 1}"
    return f"{1970 + number // 12}-{number % 12 + 1:02d}"
