"""Who was a customer at a snapshot and left within the horizon: from subscriptions, or from purchases and silence.

A snapshot is an instant; a date without a time of day is its midnight. What is dated at or before the snapshot is
known then; the label looks at the time after it, up to and with the end of the horizon. A window that the data do
not cover to its end says nothing about who stayed: it is refused, or its labels are blank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError
from ..inference import choose
from ..results import Result
from .timeline import DAY, Instants, Timeline, customers, dates, day_text, days, instants, numbered, span, table

Unfinished = Literal["refuse", "censor"]
_OPEN = np.datetime64("9999-01-01", "us")  # tables write an open end as a day of this year
_YEAR = np.timedelta64(366, "D")
_FRAME = ["customer_id", "as_of_date", "horizon_days", "churned"]


@dataclass(frozen=True, eq=False, repr=False)
class Labels(Result):
    """Customers at risk at one or several snapshots, and who left; made by :func:`subscription_labels` and others.

    Attributes
    ----------
    frame : DataFrame
        One row per customer at risk and snapshot, [customer_id, as_of_date, horizon_days, churned]: 1 left within the
        horizon, 0 stayed, NaN unknown, because the horizon ends after the data. By snapshot, then by customer.
    snapshots : DataFrame
        One row per snapshot, [as_of_date, finished, known, at_risk, churned, censored, rate]; with purchases also
        [lapsed, reactivated]: customers who had lapsed, and those of them who bought again within the horizon.
    excluded : DataFrame
        Customers left out, over all snapshots, [reason, rows].
    observed_until : Timestamp
        Up to when the data are complete.
    rule : str
        What counts as leaving.
    warnings : tuple of str
        What was unusual.

    Examples
    --------
    >>> import pandas as pd
    >>> import cxmodels as cx
    >>> table = pd.DataFrame({"customer_id": ["a", "b", "c"], "start": ["2024-01-05"] * 3, "end": ["2024-04-10", None, None]})
    >>> labels = cx.churn.subscription_labels(table, "2024-03-31", 30, observed_until="2024-06-30")
    >>> labels.frame[["customer_id", "churned"]]
      customer_id  churned
    0           a      1.0
    1           b      0.0
    2           c      0.0
    >>> round(labels.rate, 2)
    0.33
    """

    frame: pd.DataFrame
    snapshots: pd.DataFrame
    excluded: pd.DataFrame
    observed_until: pd.Timestamp
    rule: str
    warnings: tuple[str, ...] = ()

    @property
    def n_obs(self) -> int:
        """Rows with a known label."""
        return int(self.frame["churned"].notna().sum())

    @property
    def rate(self) -> float:
        """Share that left among the known labels, on 0-1."""
        return float(self.frame["churned"].mean())

    def headline(self) -> list[tuple[str, str]]:
        """Say the rule, the rows and what is unknown.

        Returns
        -------
        list of (label, value)
        """
        blank = len(self.frame) - self.n_obs
        left_out = ", ".join(f"{r.rows} {r.reason}" for r in self.excluded.itertuples()) or "none"
        rows = [
            ("Churn", self.rule),
            ("Data", f"complete until {day_text(self.observed_until)}"),
            (
                "Rows",
                f"{self.n_obs} labelled, {blank} censored at {len(self.snapshots)} snapshots; left out: {left_out}",
            ),
            ("Rate", f"{self.rate:.4f}" if self.n_obs else "unknown"),
        ]
        if self.overlapping:
            said = "one departure counts at several snapshots: keep customers together when cross-validating"
            rows.append(("Windows", f"{self.overlapping} overlap the one before; {said}"))
        return rows

    @property
    def overlapping(self) -> int:
        """Snapshots that fall into the window of the one before, so that their labels share departures."""
        apart = self.snapshots["as_of_date"].diff()
        return int((apart < pd.Timedelta(days=float(self.frame["horizon_days"].max()))).sum())

    def tables(self) -> dict[str, pd.DataFrame]:
        """Give the counts by snapshot.

        Returns
        -------
        dict of DataFrame
        """
        return {"Snapshots": self.snapshots}


def subscription_labels(
    subscriptions: Any,
    as_of: Any,
    horizon: float = 30,
    *,
    grace: float = 0,
    pauses: Any = None,
    observed_until: Any = None,
    unfinished: Unfinished = "refuse",
    customer: str = "customer_id",
    start: str = "start",
    end: str = "end",
) -> Labels:
    """Label customers from their subscriptions.

    A customer is at risk at a snapshot t with start <= t < end, and has left when the end falls in (t, t + horizon].
    ``end`` is the first instant without the subscription; a blank one, or one in the year 9999, runs on. Several subscriptions of a customer
    that overlap, touch, or follow within `grace` days are one spell, and the spell's end is what counts: changing
    the plan is not churn.

    Parameters
    ----------
    subscriptions : frame
        One row per subscription.
    as_of : date or iterable of dates
        Snapshots.
    horizon : float, default 30
        Days after the snapshot in which leaving counts.
    grace : float, default 0
        A break of at most this many days is a renewal, not churn. Whether a break is longer is known `grace` days
        after it began, so a window is finished that much later.
    pauses : frame, optional
        Spells in which a customer is on hold, with the same column names: who is at a snapshot is not at risk then.
    observed_until : date, optional
        The instant up to which the table is complete; ends after it count as open. By default the latest start or
        end in the table, unless ends lie more than a year after the last start, which only plans do.
    unfinished : {"refuse", "censor"}, default "refuse"
        A snapshot whose horizon goes past `observed_until`: an error, or blank labels for all its customers. Those
        already known to have left are blank too: to keep only them would inflate the rate.
    customer, start, end : str
        Names of the columns.

    Returns
    -------
    Labels

    Raises
    ------
    DataError
        A column is missing, holds no dates or blanks, a subscription ends before it starts, or the data end before
        the horizon does.
    SpecError
        An argument is out of its range.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.churn import subscription_labels
    >>> table = pd.DataFrame(
    ...     {"customer_id": ["a", "b", "c"], "start": ["2024-01-05"] * 3, "end": ["2024-04-10", None, "2024-02-01"]}
    ... )
    >>> labels = subscription_labels(table, "2024-03-31", 30, observed_until="2024-06-30")
    >>> labels.frame[["customer_id", "churned"]].to_dict("list")
    {'customer_id': ['a', 'b'], 'churned': [1.0, 0.0]}
    >>> labels.excluded.to_dict("list")
    {'reason': ['ended before the snapshot'], 'rows': [1]}
    """
    choose("unfinished", unfinished, ("refuse", "censor"))
    ahead, slack = span(days(horizon, "horizon")), span(days(grace, "grace", 0))
    snapshots = instants(as_of)
    frame = table(subscriptions, "subscriptions", (customer, start, end))
    code, ids = numbered(customers(frame, customer, "subscriptions"), "subscriptions")
    begin, stop = _spells(frame, "subscriptions", customer, start, end)
    until = _covered(begin, stop, end) if observed_until is None else instants(observed_until, "observed_until")[0]
    stop[stop > until] = _OPEN
    hold = _pauses(pauses, ids, customer, start, end)
    code, begin, stop = _merged(code, begin, stop, slack)
    first = begin[np.searchsorted(code, np.arange(len(ids)))]
    parts, rows, left_out = [], [], np.zeros(3, dtype=int)
    for when, finished in zip(snapshots, _finished(snapshots, ahead + slack, until, unfinished), strict=True):
        active = (begin <= when) & (when < stop)
        paused = active & np.isin(code, hold[0][(hold[1] <= when) & (when < hold[2])])
        at_risk = active & ~paused
        left = np.where(finished, stop[at_risk] <= when + ahead, np.nan)
        known = int((first <= when).sum())
        left_out += [len(ids) - known, known - int(active.sum()), int(paused.sum())]
        parts.append(_part(ids[code[at_risk]], when, horizon, left))
        rows.append(_counts(when, finished, known, left))
    reasons = ("not yet a customer", "ended before the snapshot", "paused at the snapshot")
    rule = f"subscription ends within {horizon:g} days" + (f" and is not renewed within {grace:g}" if grace else "")
    return _labels(parts, rows, reasons, left_out, until, rule)


def transaction_labels(
    transactions: Any,
    as_of: Any,
    horizon: float = 90,
    *,
    inactive_after: float = 90,
    observed_until: Any = None,
    unfinished: Unfinished = "refuse",
    customer: str = "customer_id",
    date: str = "date",
) -> Labels:
    """Label customers who leave without notice from their purchases.

    A customer is active at a snapshot t if the last purchase at or before t is less than `inactive_after` days old,
    and has left when there is no purchase in (t, t + horizon]. Customers who had lapsed already are not at risk: they
    are left out, and who of them came back is counted, which says how wrong the rule is.

    Parameters
    ----------
    transactions : frame
        One row per purchase; several on one day are one sign of life.
    as_of : date or iterable of dates
        Snapshots.
    horizon : float, default 90
        Days after the snapshot without a purchase that count as leaving.
    inactive_after : float, default 90
        Days of silence after which a customer counts as lapsed. :func:`inactivity_evidence` shows what the data say.
    observed_until : date, optional
        The instant up to which the log is complete; later purchases are not used. By default the last date in it.
    unfinished : {"refuse", "censor"}, default "refuse"
        A snapshot whose horizon goes past `observed_until`: an error, or blank labels.
    customer, date : str
        Names of the columns.

    Returns
    -------
    Labels

    Raises
    ------
    DataError
        A column is missing or holds no dates, dates are blank, or the log ends before the horizon does.
    SpecError
        An argument is out of its range.

    See Also
    --------
    inactivity_evidence : choose the days of silence.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.churn import transaction_labels
    >>> labels = transaction_labels(cx.datasets.load("cdnow"), ["1997-09-30", "1998-03-31"])
    >>> labels.snapshots[["at_risk", "churned", "lapsed", "reactivated"]].values.tolist()
    [[409, 210, 1948, 199], [384, 215, 1973, 129]]
    """
    choose("unfinished", unfinished, ("refuse", "censor"))
    ahead, silence = span(days(horizon, "horizon")), span(days(inactive_after, "inactive_after"))
    snapshots = instants(as_of)
    line, ids, until, _ = purchases(transactions, customer, date, observed_until)
    every = np.arange(len(ids))
    first = line.first(every)
    parts, rows, left_out = [], [], np.zeros(2, dtype=int)
    for when, finished in zip(snapshots, _finished(snapshots, ahead, until, unfinished), strict=True):
        now = line.upto(every, when)
        known = now > first
        active = known & (when - line.time[now - 1] < silence)
        back = line.upto(every, when + ahead) > now
        left = np.where(finished, ~back[active], np.nan)
        lapsed = known & ~active
        left_out += [int((~known).sum()), int(lapsed.sum())]
        parts.append(_part(ids[active], when, horizon, left))
        again = int(back[lapsed].sum()) if finished else np.nan
        rows.append(
            _counts(when, finished, int(known.sum()), left) | {"lapsed": int(lapsed.sum()), "reactivated": again}
        )
    reasons = ("not yet a customer", "lapsed before the snapshot")
    rule = f"no purchase within {horizon:g} days, of those silent for less than {inactive_after:g}"
    return _labels(parts, rows, reasons, left_out, until, rule)


def spells(
    subscriptions: Any,
    *,
    grace: float = 0,
    observed_until: Any = None,
    customer: str = "customer_id",
    start: str = "start",
    end: str = "end",
) -> pd.DataFrame:
    """Join subscriptions to spells, for a survival analysis of how long customers stay.

    Parameters
    ----------
    subscriptions, grace, observed_until, customer, start, end
        As for :func:`subscription_labels`. Subscriptions that start after `observed_until` are not yet known.

    Returns
    -------
    DataFrame
        One row per spell, by customer and start, [customer_id, spell, start, end, duration_days, left]: number of the
        spell of its customer from 1; end, or `observed_until` while it runs; days between; 1 if it ended (the event)
        and 0 if it runs or ended less than `grace` days before `observed_until`, so that it may be renewed (censored).

    Raises
    ------
    DataError
        As for :func:`subscription_labels`.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.churn import spells
    >>> table = pd.DataFrame(
    ...     {"customer_id": ["a", "a", "b"], "start": ["2024-01-01", "2024-03-01", "2024-02-01"],
    ...      "end": ["2024-03-01", "2024-05-01", None]}
    ... )
    >>> spells(table, observed_until="2024-06-01")[["customer_id", "duration_days", "left"]].values.tolist()
    [['a', 121.0, 1], ['b', 121.0, 0]]
    """
    slack = span(days(grace, "grace", 0))
    frame = table(subscriptions, "subscriptions", (customer, start, end))
    code, ids = numbered(customers(frame, customer, "subscriptions"), "subscriptions")
    begin, stop = _spells(frame, "subscriptions", customer, start, end)
    until = _covered(begin, stop, end) if observed_until is None else instants(observed_until, "observed_until")[0]
    known = begin <= until
    if not known.any():
        raise DataError(f"All {len(known)} subscriptions start after {day_text(until)}: move `observed_until`.")
    code, begin, stop = _merged(code[known], begin[known], stop[known], slack)
    shown = np.minimum(stop, until)
    number = np.arange(len(code)) - np.searchsorted(code, code) + 1
    return pd.DataFrame(
        {
            "customer_id": ids[code],
            "spell": number,
            "start": begin,
            "end": shown,
            "duration_days": (shown - begin) / DAY,
            "left": (stop + slack <= until).astype(int),
        }
    )


def purchases(
    transactions: Any, customer: str, date: str, observed_until: Any
) -> tuple[Timeline, pd.Index, np.datetime64, int]:
    """Read a log: sorted rows, customers in order, its end, and how many rows are later than that."""
    frame = table(transactions, "transactions", (customer, date))
    code, ids = numbered(customers(frame, customer, "transactions"), "transactions")
    when = _complete(frame, "transactions", date)
    until = when.max() if observed_until is None else instants(observed_until, "observed_until")[0]
    within = when <= until
    if not within.any():
        raise DataError(f"All {len(when)} transactions are dated after {day_text(until)}: move `observed_until`.")
    kept, known = np.unique(code[within], return_inverse=True)
    return Timeline.of(known, when[within]), ids[kept], until, int((~within).sum())


def _complete(frame: pd.DataFrame, name: str, column: str) -> Instants:
    """Read dates of which none may be blank."""
    out = dates(frame, column, name)
    if len(out) == 0:
        raise DataError(f"Table '{name}' has no rows.")
    if blank := int(np.isnat(out).sum()):
        raise DataError(
            f"Column '{column}' of table '{name}' is blank in {blank} of {len(out)} rows: fill or drop them."
        )
    return out


def _spells(frame: pd.DataFrame, name: str, customer: str, start: str, end: str) -> tuple[Instants, Instants]:
    """Read starts and ends; an open end becomes the end of time."""
    begin, stop = _complete(frame, name, start), dates(frame, end, name).copy()
    if (wrong := np.flatnonzero(stop < begin)).size:
        k = wrong[0]
        raise DataError(
            f"{len(wrong)} of {len(frame)} rows of table '{name}' end before they start, the first of customer "
            f"'{frame[customer].iloc[k]}' ('{start}' {day_text(begin[k])}, '{end}' {day_text(stop[k])}): correct them."
        )
    stop[np.isnat(stop) | (stop > _OPEN)] = _OPEN
    return begin, stop


def _covered(begin: Instants, stop: Instants, end: str) -> np.datetime64:
    """Up to when a table of subscriptions is complete: its last date, unless that is a plan."""
    ended = stop[stop < _OPEN]
    last = max(begin.max(), ended.max()) if ended.size else begin.max()
    if last - begin.max() > _YEAR:
        raise DataError(
            f"Column '{end}' of table 'subscriptions' goes to {day_text(last)} but the last start is "
            f"{day_text(begin.max())}: ends planned ahead do not say how far the data reach, give `observed_until`."
        )
    return last


def _pauses(
    pauses: Any, ids: pd.Index, customer: str, start: str, end: str
) -> tuple[NDArray[np.int64], Instants, Instants]:
    """Customer number, start and end of each pause."""
    if pauses is None:
        none = np.zeros(0, dtype="datetime64[us]")
        return np.zeros(0, dtype=np.int64), none, none
    frame = table(pauses, "pauses", (customer, start, end))
    code = ids.get_indexer(pd.Index(customers(frame, customer, "pauses")))
    if strange := int((code < 0).sum()):
        who = frame[customer].to_numpy()[code < 0][0]
        raise DataError(f"{strange} of {len(frame)} pauses are of customers without a subscription, such as '{who}'.")
    return code.astype(np.int64), *_spells(frame, "pauses", customer, start, end)


def _merged(
    code: NDArray[np.int64], begin: Instants, stop: Instants, slack: np.timedelta64
) -> tuple[NDArray[np.int64], Instants, Instants]:
    """Join subscriptions of a customer that overlap, touch, or follow within the slack; sorted by customer and start."""
    order = np.lexsort((stop, begin, code))
    code, begin, stop = code[order], begin[order], stop[order]
    known, rank = np.unique(stop, return_inverse=True)
    # The latest end so far of the same customer: ranks of ends, shifted by customer, make one running maximum.
    reach = known[np.maximum.accumulate(code * len(known) + rank) - code * len(known)]
    fresh = np.ones(len(code), dtype=bool)
    fresh[1:] = (code[1:] != code[:-1]) | (begin[1:] - slack > reach[:-1])
    last = np.append(np.flatnonzero(fresh)[1:], len(code)) - 1
    return code[fresh], begin[fresh], reach[last]


def _finished(snapshots: Instants, ahead: np.timedelta64, until: np.datetime64, unfinished: str) -> NDArray[np.bool_]:
    """Which windows the data cover to their end; others are refused or censored."""
    if (late := snapshots[snapshots > until]).size:
        raise DataError(
            f"Snapshot {day_text(late[0])} lies after the end of the data, {day_text(until)}: who is at risk then is "
            "unknown; take an earlier one."
        )
    finished = snapshots + ahead <= until
    if unfinished == "refuse" and not finished.all():
        late = snapshots[~finished]
        raise DataError(
            f"The horizon after {day_text(late[0])} ends {day_text(late[0] + ahead)}, past the end of the data "
            f"{day_text(until)} ({len(late)} of {len(snapshots)} snapshots): take snapshots up to "
            f"{day_text(until - ahead)}, or unfinished='censor' for blank labels."
        )
    return finished


def _part(ids: pd.Index, when: np.datetime64, horizon: float, churned: Any) -> pd.DataFrame:
    """Rows of one snapshot."""
    return pd.DataFrame(dict(zip(_FRAME, (ids, when, _whole(horizon), churned), strict=True)))


def _whole(number: float) -> float | int:
    return int(number) if float(number).is_integer() else number


def _counts(when: np.datetime64, finished: bool, known: int, left: NDArray[np.float64]) -> dict[str, Any]:
    """The line of one snapshot."""
    rate = float(left.mean()) if finished and left.size else np.nan
    return {
        "as_of_date": pd.Timestamp(when),
        "finished": bool(finished),
        "known": known,
        "at_risk": len(left),
        "churned": int(np.nansum(left)),
        "censored": int(np.isnan(left).sum()),
        "rate": rate,
    }


def _labels(
    parts: list[pd.DataFrame],
    rows: list[dict[str, Any]],
    reasons: Any,
    left_out: Any,
    until: np.datetime64,
    rule: str,
) -> Labels:
    """Stack the snapshots."""
    counts = pd.DataFrame(rows)
    if counts["at_risk"].sum() == 0:
        raise DataError(
            f"No customer is at risk at any of the {len(counts)} snapshots ({counts['known'].sum()} known then): "
            "check the dates of the snapshots against those of the table."
        )
    excluded = pd.DataFrame({"reason": reasons, "rows": left_out}).query("rows > 0").reset_index(drop=True)
    return Labels(pd.concat(parts, ignore_index=True), counts, excluded, pd.Timestamp(until), rule)
