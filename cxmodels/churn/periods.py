"""One row per customer and period, with what was known when the period began: for hazards that change over time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SpecError, listed, near
from ..results import Result
from .durations import excluded_text
from .labels import spells
from .timeline import DAY, Instants, Timeline, dates, day_text, days, instants, table

EVERY = ("month", "calendar_month")


@dataclass(frozen=True, repr=False, eq=False)
class PersonPeriods(Result):
    """Rows of customers and periods.

    Attributes
    ----------
    frame : DataFrame
        [customer_id, spell, period, period_start, period_end, columns..., event]: `period` counts from 1 at the start of the
        spell, `event` is 1 where the customer left in the period. Columns are as known at `period_start`.
    excluded : DataFrame
        [reason, rows]: periods left out.
    observed_until : Timestamp
        Instant up to which ends are known.
    scores : tuple of str
        Columns that come from dated scores.
    strangers : int
        Rows of scores from customers without a subscription, which are not used.
    """

    frame: pd.DataFrame
    excluded: pd.DataFrame
    observed_until: pd.Timestamp
    every: str
    scores: tuple[str, ...] = ()
    strangers: int = 0

    @property
    def n_obs(self) -> int:
        """Rows."""
        return len(self.frame)

    def headline(self) -> list[tuple[str, str]]:
        """Return rows, customers, and how many rows have a score.

        Returns
        -------
        list of (label, value)
        """
        f = self.frame
        rows = [
            ("Periods", f"{len(f):,} of {f.iloc[:, 0].nunique():,} customers, each a {self.every}"),
            ("Left", f"{int(f['event'].sum()):,} ({f['event'].mean():.2%} per period)"),
            ("Ends known", f"until {day_text(self.observed_until.to_datetime64())}"),
        ]
        if self.scores:
            scored = f[self.scores[0]].notna()
            rows.append(
                ("With a score", f"{int(scored.sum()):,} ({scored.mean():.0%}), never from after the period began")
            )
        if self.strangers:
            rows.append(("Scores not used", f"{self.strangers:,} of customers without a subscription"))
        text = excluded_text(self.excluded).removeprefix(", ")
        return [*rows, ("Periods left out", text.replace(" left out", ""))] if text else rows

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return losses by period of the relation, the first twelve.

        Returns
        -------
        dict of DataFrame
        """
        by = self.frame.groupby("period")["event"].agg(at_risk="size", left="sum")
        return {"By period": by.assign(hazard=by["left"] / by["at_risk"]).head(12)}


def person_periods(
    subscriptions: Any,
    scores: Any = None,
    *,
    customers: Any = None,
    every: str | float = "month",
    observed_from: Any = None,
    observed_until: Any = None,
    grace: float = 0,
    newest: float | None = None,
    customer: str = "customer_id",
    start: str = "start",
    end: str = "end",
    date: str = "date",
) -> PersonPeriods:
    """Build rows of customers and periods, with survey scores as they were at the time.

    Nothing in a row is from after its period began: a score counts from its date on, until the next one; an attribute of a
    subscription from the start of that subscription. The last period counts only if it was complete, for those who left in
    it too: counting leavers of unfinished periods but not those who stay would overstate the hazard.

    Parameters
    ----------
    subscriptions : frame
        One row per subscription: customer, start, end (blank while it runs), and attributes such as plan and price.
    scores : frame, optional
        One row per answer: customer, date and scores.
    customers : frame, optional
        One row per customer with attributes that do not change.
    every : {"month", "calendar_month"} or number, default "month"
        Periods from the day of the start; between ends of calendar months, the first one from the start to the first such
        end; or of so many days.
    observed_from : date, optional
        Periods that began earlier are left out, for customers who left before are not in the table (left truncation).
    observed_until : date, optional
        Up to when ends are known. By default the last date among starts and ends.
    grace : float, default 0
        Days within which a new subscription carries a spell on, see :func:`spells`.
    newest : float, optional
        Days after which a score is too old and counts as blank.
    customer, start, end, date : str
        Names of columns.

    Returns
    -------
    PersonPeriods

    Raises
    ------
    DataError
        A column is missing, holds no dates, a subscription ends before it starts, no complete period is left, or no score is
        dated before one.
    SpecError
        An argument is out of its range.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.churn import person_periods
    >>> subscriptions = pd.DataFrame(
    ...     {"customer_id": ["a", "b"], "start": ["2024-01-01", "2024-02-10"], "end": ["2024-03-20", None]}
    ... )
    >>> scores = pd.DataFrame({"customer_id": ["a", "a"], "date": ["2024-01-15", "2024-02-15"], "score": [8, 4]})
    >>> person_periods(subscriptions, scores, observed_until="2024-04-30").frame[["customer_id", "period", "score", "event"]]
      customer_id  period  score  event
    0           a       1    NaN      0
    1           a       2    8.0      0
    2           a       3    4.0      1
    3           b       1    NaN      0
    4           b       2    NaN      0
    """
    if isinstance(every, str) and every not in EVERY:
        raise SpecError(f"Unknown every={every!r}; choose {listed(EVERY)} or a number of days.{near(every, EVERY)}")
    length = None if isinstance(every, str) else days(every, "every")
    frame = table(subscriptions, "subscriptions", (customer, start, end))
    known = spells(frame, grace=grace, observed_until=observed_until, customer=customer, start=start, end=end)
    begin, stop = (known[c].to_numpy(dtype="datetime64[us]") for c in ("start", "end"))
    until = stop.max() if observed_until is None else instants(observed_until, "observed_until")[0]
    rows, period = _rows(begin, stop, length)
    opens, closes = _boundary(begin[rows], period - 1, every, length), _boundary(begin[rows], period, every, length)
    left = (known["left"].to_numpy()[rows] == 1) & (stop[rows] <= closes)
    since = instants(observed_from, "observed_from")[0] if observed_from is not None else None
    over = (opens >= stop[rows]) & ~((opens == begin[rows]) & (opens == stop[rows]) & left)
    unfinished = ~over & (closes > until)
    early = ~over & ~unfinished & (opens < since) if since is not None else np.zeros(len(rows), dtype=bool)
    keep = ~over & ~unfinished & ~early
    counts = [("unfinished at the end of the data", unfinished), ("began before observed_from", early)]
    excluded = pd.DataFrame([(r, int(v.sum())) for r, v in counts if v.any()], columns=["reason", "rows"])
    if not keep.any():
        raise DataError(
            f"No period is complete by {day_text(until)}; take shorter periods or a later observed_until."
        )
    rows, period, opens, closes, left = (v[keep] for v in (rows, period, opens, closes, left))
    ids = known["customer_id"].to_numpy()[rows]
    parts: dict[str, Any] = {customer: ids, "spell": known["spell"].to_numpy()[rows], "period": period}
    parts |= {"period_start": opens, "period_end": closes}
    _add(parts, _as_of(frame.drop(columns=end), "subscriptions", customer, start, ids, opens)[0], "subscriptions")
    if customers is not None:
        _add(parts, attributes(customers, customer, ids, "periods"), "customers")
    names: tuple[str, ...] = ()
    strangers = 0
    if scores is not None:
        answers = table(scores, "scores", (customer, date))
        strangers = int((~answers[customer].isin(frame[customer])).sum())
        if strangers == len(answers):
            raise DataError(
                f"None of the {strangers} rows of table 'scores' is of a customer with a subscription; are '{customer}' the same ids?"
            )
        found, age = _as_of(answers, "scores", customer, date, ids, opens, newest)
        if not found:
            raise DataError("Table 'scores' has no column beside the customer and the date.")
        names = tuple(found)
        if np.isnan(age).all():
            raise DataError(
                f"None of the {len(answers)} rows of table 'scores' is dated before a period that is left; give earlier answers"
                f"{'' if newest is None else ', or a larger newest='}."
            )
        _add(parts, found | {"score_age_days": age}, "scores")
    parts["event"] = left.astype(int)
    said = every.replace("_", " ") if isinstance(every, str) else f"{length:g} days"
    return PersonPeriods(pd.DataFrame(parts), excluded, pd.Timestamp(until), said, names, strangers)


def _rows(begin: Instants, stop: Instants, length: float | None) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Spell and number of each period, a few too many."""
    many = np.ceil((stop - begin) / DAY / (length or 28)).astype(int) + 2
    rows = np.repeat(np.arange(len(begin)), many)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(many) - many, many) + 1


def _boundary(begin: Instants, number: NDArray[np.int64], every: Any, length: float | None) -> Instants:
    """End of each period; that of number 0 is the start of the spell."""
    if length is not None:
        return (
            begin + number * (DAY * length).astype("timedelta64[us]")
            if length % 1
            else begin + number * (int(length) * DAY)
        )
    if every == "month":
        return months_later(begin, number)
    month = (begin + DAY).astype("datetime64[M]")
    ends = (month + number).astype("datetime64[us]") - DAY
    return np.where(number == 0, begin, ends)


def _as_of(
    frame: pd.DataFrame,
    name: str,
    customer: str,
    date: str,
    ids: NDArray[Any],
    when: Instants,
    newest: float | None = None,
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """The last value of each column dated at or before an instant, blank values passed over, and the age of the newest."""
    dated = dates(frame, date, name)
    if blank := int(np.isnat(dated).sum()):
        raise DataError(
            f"Column '{date}' of table '{name}' is blank in {blank} of {len(frame)} rows: date or drop them."
        )
    known = pd.Index(pd.unique(ids))
    code = known.get_indexer(pd.Index(frame[customer]))
    mine = known.get_indexer(pd.Index(ids))
    oldest = None if newest is None else days(newest, "newest")
    out: dict[str, Any] = {}
    age = np.full(len(ids), np.nan)
    for column in frame.columns.drop([customer, date]):
        filled = (code >= 0) & frame[column].notna().to_numpy()
        line = Timeline.of(code[filled], dated[filled])
        place = line.upto(mine, when) - 1
        found = place >= line.first(mine)
        days_old = np.full(len(ids), np.nan)
        days_old[found] = (when[found] - line.time[place[found]]) / DAY
        if oldest is not None:
            found &= ~(days_old > oldest)
        values = frame[column].to_numpy()[filled][line.order] if filled.any() else np.array([np.nan])
        taken = values[np.where(found, place, 0)]
        out[str(column)] = pd.Series(taken).where(found).to_numpy()
        age = np.fmin(age, np.where(found, days_old, np.nan))
    return out, age


def months_later(when: Instants, months: Any) -> Instants:
    """Return the same day so many months later; the last of the month where there is no such day.

    Parameters
    ----------
    when : ndarray of datetime64
    months : int or ndarray of int

    Returns
    -------
    ndarray of datetime64

    Examples
    --------
    >>> months_later(np.array(["2024-01-31"], dtype="datetime64[us]"), 1).astype("datetime64[D]").tolist()
    [datetime.date(2024, 2, 29)]
    """
    month = when.astype("datetime64[M]")
    into = when - month
    ahead = np.asarray(months).astype("timedelta64[M]")
    first = (month + ahead).astype("datetime64[us]")
    after = (month + ahead + np.timedelta64(1, "M")).astype("datetime64[us]")
    return np.minimum(first + into, after - DAY + into % DAY)


def attributes(customers: Any, customer: str, ids: Any, what: str) -> dict[str, Any]:
    """Return columns of the customers' own table for given customers.

    Parameters
    ----------
    customers : frame
        One row per customer.
    customer : str
        Column of ids.
    ids : array-like of shape (n,)
    what : str
        What the ids are of, for messages.

    Returns
    -------
    dict of ndarray of shape (n,)

    Raises
    ------
    DataError
        For customers who are there twice, or not at all.
    """
    frame = table(customers, "customers", (customer,))
    if twice := int(frame[customer].duplicated().sum()):
        raise DataError(f"Table 'customers' has {twice} rows for customers who are there already; keep one row each.")
    place = pd.Index(frame[customer]).get_indexer(pd.Index(ids))
    if missing := int((place < 0).sum()):
        first = np.asarray(ids)[place < 0][0]
        raise DataError(f"{missing} {what} are of customers who are not in table 'customers', such as '{first}'.")
    return {str(c): frame[c].to_numpy()[place] for c in frame.columns if c != customer}


def _add(parts: dict[str, Any], more: dict[str, Any], name: str) -> None:
    """Add columns whose names are free."""
    if both := _both(parts, more):
        raise DataError(f"Table '{name}' has the column {listed(both)}, which is there already; rename it.")
    parts.update(more)


def _both(parts: Iterable[str], more: Iterable[str]) -> list[str]:
    known = set(parts) | {"event"}
    return [c for c in more if c in known]
