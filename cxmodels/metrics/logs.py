"""From the logs of a contact centre to answers: who came back, how often, and how long each matter took or still takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import DataError, DataWarning, SpecError
from ..inference import SHARE_INTERVALS, ShareInterval, choose
from ..survey import as_survey
from ..survey.validation import of_rows
from .answers import Answers, labels
from .design import Array, Codes
from .estimate import Measure, Point, evaluate
from .kinds import SHARE_UNIT, named, share_bounds, share_point

UNITS = {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86400.0}


def fcr_from_log(
    customer: Any,
    when: Any,
    *,
    topic: Any = None,
    window: float = 7,
    count: Literal["contacts", "issues"] = "contacts",
    until: Any = None,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    interval: ShareInterval = "wilson",
    level: float = 0.95,
) -> Any:
    """First contact resolution from a log of contacts: resolved is what brings no further contact within a window.

    Parameters
    ----------
    customer : column name or labels of shape (n,)
        Who made each contact.
    when : column name or array-like of shape (n,)
        Date or time of each contact; or numbers, in days.
    topic : column name or labels of shape (n,), optional
        What it was about: another contact counts as a repeat only if it has the same topic.
    window : float, default 7
        Days within which a further contact is a repeat; one at the very end of them still is.
    count : {"contacts", "issues"}, default "contacts"
        The base. Every contact; or issues, which begin with a contact that has none before it within the window.
    until : date, time or number, optional
        When the log ends; by default with its last contact. Whether the contacts of the last `window` days were
        resolved is not known yet, so they are left out; of issues those of the first days too, as they may have
        begun before. Both are counted in ``method``.
    data : Survey or DataFrame, optional
        The table that column names speak of.
    weights, strata, by, interval, level
        As for :func:`rate`.
    clusters : column name or array-like of shape (n,), optional
        By default the customer, whose contacts are alike.

    Returns
    -------
    Estimate or DataFrame
        On 0-1.

    Raises
    ------
    DataError
        For times that cannot be read, contacts after `until`, or a log no longer than the window.

    Examples
    --------
    >>> from cxmodels.metrics import fcr_from_log
    >>> e = fcr_from_log(["Ann", "Ann", "Bo", "Cy", "Cy"], [0, 3, 1, 2, 30], window=7)
    >>> e.value, e.n
    (0.75, 4)
    """
    choose("interval", interval, SHARE_INTERVALS)
    choose("count", count, ("contacts", "issues"))
    if isinstance(window, bool) or not (np.isfinite(window) and window > 0):
        raise SpecError(f"window is a number of days, above 0, not {window!r}.")
    log = _log(customer, data)
    who = _matters(log, customer, topic)
    day = _clock(labels(log, when, "when"), "when")[0] / _scale_of(log, when)
    known = (who >= 0) & ~np.isnan(day)
    if not known.any():
        raise DataError(f"None of {log.n} rows has a customer and a time.")
    last = float(np.nanmax(day[known])) if until is None else _moment(until, log, when)
    if late := int((day > last).sum()):
        raise DataError(f"{of_rows(late, log.n)} lie after until={until!r}; give the end of the log, or drop them.")
    before, after = _gaps(who, day)
    open_end = known & (day > last - window)
    first = known & ~(before <= window)
    unsure = first & (day < np.nanmin(day[known]) + window) if count == "issues" else np.zeros(log.n, dtype=bool)
    base = (first if count == "issues" else known) & ~open_end & ~unsure
    if not base.any():
        raise DataError(f"All {int(known.sum())} contacts lie within {window:g} days of the ends of the log, so none can be judged.")  # fmt: skip
    values = np.where(base, (after > window).astype(float), np.nan)[:, None]
    same = "customer" if topic is None else "customer on the same topic"
    said = [f"share of {count} with no further one by the same {same} within {window:g} days"]
    left = [(int(open_end.sum()), "of the last"), (int((unsure & ~open_end).sum()), "of the first")]
    said += [f"{k} contacts {which} {window:g} days left out" for k, which in left if k]
    if count == "issues":
        said += [f"{int((known & ~first & ~open_end).sum())} repeats are part of their issues"]

    def point(x: Array, w: Array) -> Point:
        return share_point(x[:, 0], w)

    asked = Measure("FCR, from log", SHARE_UNIT, "; ".join([*said, named(interval)]), point, share_bounds(interval))
    answers = Answers(values, ["resolved"], log.survey, log.named)
    if clusters is None and len(np.unique(who[known])) > 1:
        clusters = np.where(known, labels(log, customer, "customer").astype(str), "")
    return evaluate(asked, answers, weights=weights, strata=strata, clusters=clusters, by=by, level=level)


def per_customer(contacts: Any, transactions: Any) -> pd.DataFrame:
    """Count contacts and transactions of each customer, for :func:`contact_rate`.

    Parameters
    ----------
    contacts, transactions : array-like
        Customer of each contact in one log, and of each transaction in another.

    Returns
    -------
    DataFrame
        Index customer: [contacts, transactions]. Customers of either log are there; a contact or transaction without
        a customer is left out, with a warning that counts it.

    Examples
    --------
    >>> from cxmodels.metrics import per_customer
    >>> table = per_customer(["Ann", "Ann", "Bo"], ["Ann", "Bo", "Bo", "Cy"])
    >>> table.to_numpy().tolist()
    [[2, 1], [1, 2], [0, 1]]
    """
    import warnings

    counts = {}
    for name, log in (("contacts", contacts), ("transactions", transactions)):
        series = pd.Series(np.asarray(log, dtype=object))
        if gone := int(series.isna().sum()):
            warnings.warn(
                f"{gone} of {len(series)} {name} have no customer and are left out.", DataWarning, stacklevel=2
            )
        counts[name] = series.dropna().value_counts(sort=False)
    return pd.DataFrame(counts).fillna(0).astype(int).rename_axis("customer")


def elapsed(
    start: Any,
    end: Any,
    *,
    data: Any = None,
    until: Any = None,
    unit: Literal["seconds", "minutes", "hours", "days"] = "hours",
    hours: tuple[float, float] | None = None,
    weekdays: Sequence[int] = (0, 1, 2, 3, 4),
    holidays: Sequence[Any] = (),
) -> pd.DataFrame:
    """Time from one event to another, and whether the other is still to come: input of :func:`duration`.

    Parameters
    ----------
    start : column name or array-like of shape (n,)
        Dates and times at which the matters began.
    end : column name or array-like of shape (n,)
        When they were answered or settled; NaT where they are open.
    data : DataFrame, optional
        The table that column names speak of.
    until : date or time, optional
        When the log was read; by default its last time. Open matters have waited until then.
    unit : {"seconds", "minutes", "hours", "days"}, default "hours"
        Of the result. Days are of 24 hours; with `hours` of one working day.
    hours : (opening, closing), optional
        Clock hours of work, such as (9, 17.5): time outside them does not count. By default every hour does.
    weekdays : sequence of int, default (0, 1, 2, 3, 4)
        Working days with `hours`, Monday 0.
    holidays : sequence of date
        Further days on which nobody works, with `hours`.

    Returns
    -------
    DataFrame
        [duration, open], on the rows of the data. A row without a start has NaN in both.

    Raises
    ------
    DataError
        For times that cannot be read, or ends before their start, with counts.
    SpecError
        For hours that are none.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.metrics import elapsed
    >>> log = pd.DataFrame({"asked": ["2025-03-07 16:00", "2025-03-10 09:30"], "settled": ["2025-03-10 10:00", None]})
    >>> elapsed("asked", "settled", data=log, until="2025-03-10 12:00", hours=(9, 17)).values.tolist()
    [[2.0, False], [2.5, True]]
    """
    choose("unit", unit, tuple(UNITS))
    log = _log(start, data)
    local = hours is not None  # working hours go by the clock on the wall, waiting by the time that passed
    began, dated = _clock(labels(log, start, "start"), "start", local)
    ended, _ = _clock(labels(log, end, "end"), "end", local)
    if not dated:
        raise DataError("start holds numbers, and elapsed() needs dates and times; subtract numbers yourself.")
    known = ~np.isnan(began)
    if not known.any():
        raise DataError(f"start has no time in any of {log.n} rows.")
    now = np.nanmax(np.concatenate([began, ended]))
    if until is not None:
        zone = getattr(labels(log, start, "start").dtype, "tz", None)
        read_at = pd.Timestamp(until)
        read_at = read_at.tz_localize(zone) if zone is not None and read_at.tz is None else read_at
        now = float(_seconds(pd.Series([read_at]), local)[0])
    running = known & (np.isnan(ended) | (ended > now))
    stop = np.where(running, now, ended)
    if wrong := int((stop < began).sum()):
        raise DataError(f"{of_rows(wrong, log.n)} end, or are read, before they start; correct the times.")
    if hours is None:
        seconds, day = stop - began, UNITS["days"]
    else:
        opening, closing = _working(hours)
        day = closing - opening
        seconds = _worked(stop, opening, closing, weekdays, holidays) - _worked(began, opening, closing, weekdays, holidays)  # fmt: skip
    out = pd.DataFrame(index=log.survey.frame.index)
    out["duration"] = np.where(known, seconds / (day if unit == "days" else UNITS[unit]), np.nan)
    out["open"] = running if known.all() else pd.Series(running, index=out.index).astype(object).where(known)
    return out


# --- reading ------------------------------------------------------------------------------------------------------


def _log(column: Any, data: Any) -> Answers:
    """The table, with no answers taken from it yet."""
    if data is None:
        if isinstance(column, str):
            raise SpecError(f"'{column}' is the name of a column: give the table too, data=df.")
        series = column if isinstance(column, pd.Series) else pd.Series(np.asarray(column))
        return Answers(np.empty((len(series), 0)), [], as_survey(series.to_frame("row")), False)
    survey = as_survey(data)
    return Answers(np.empty((len(survey.frame), 0)), [], survey, True)


def _matters(log: Answers, customer: Any, topic: Any) -> Codes:
    """One code for each customer, or each customer and topic; -1 where unknown."""
    parts = {"customer": labels(log, customer, "customer")}
    if topic is not None:
        parts["topic"] = labels(log, topic, "topic")
    frame = pd.DataFrame(parts)
    code = frame.groupby(list(frame.columns), sort=False, observed=True).ngroup().to_numpy()
    return np.where(frame.isna().any(axis=1), -1, code).astype(np.intp)


def _clock(values: pd.Series, role: str, local: bool = True) -> tuple[Array, bool]:
    """Times as seconds, or numbers as they are; and whether they were times."""
    if pd.api.types.is_bool_dtype(values) or isinstance(values.dtype, pd.CategoricalDtype):
        raise DataError(f"{role} must be dates, times or numbers, not {values.dtype}.")
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(float, na_value=np.nan), False
    times = pd.to_datetime(values, errors="coerce", format="ISO8601" if values.dtype == object or str(values.dtype) in ("str", "string") else None)  # fmt: skip
    if bad := int((times.isna() & values.notna()).sum()):
        example = values[times.isna() & values.notna()].iloc[0]
        raise DataError(
            f"{role} cannot be read as a date or time in {of_rows(bad, len(values))}, such as {str(example)!r}; write "
            "them as 2025-03-31 14:05, or convert the column with pandas.to_datetime."
        )
    return _seconds(times, local), True


def _seconds(times: pd.Series, local: bool = True) -> Array:
    """Seconds since 1970, of times with a zone by the clock there or by that of Greenwich; NaN where there is no time."""
    if getattr(times.dt, "tz", None) is not None:
        times = (times if local else times.dt.tz_convert("UTC")).dt.tz_localize(None)
    return np.asarray((times - pd.Timestamp(0)).dt.total_seconds(), dtype=float)


def _scale_of(log: Answers, when: Any) -> float:
    """Seconds in a day where `when` holds times; numbers are days already."""
    return UNITS["days"] if _clock(labels(log, when, "when"), "when")[1] else 1.0


def _moment(until: Any, log: Answers, when: Any) -> float:
    """The end of the log, in days."""
    scale = _scale_of(log, when)
    return float(until) if scale == 1.0 else float(_seconds(pd.Series([pd.Timestamp(until)]))[0]) / scale


def _gaps(who: Codes, day: Array) -> tuple[Array, Array]:
    """Days since the contact before and until the one after, of the same matter; infinite where there is none."""
    before, after = np.full(len(day), np.inf), np.full(len(day), np.inf)
    rows = np.flatnonzero((who >= 0) & ~np.isnan(day))
    order = rows[np.lexsort((day[rows], who[rows]))]
    gap = np.where(np.diff(who[order]) == 0, np.diff(day[order]), np.inf)
    after[order[:-1]], before[order[1:]] = gap, gap
    return before, after


# --- working hours ------------------------------------------------------------------------------------------------


def _working(hours: Any) -> tuple[float, float]:
    """Opening and closing in seconds of the day."""
    try:
        opening, closing = (float(h) for h in hours)
    except (TypeError, ValueError):
        raise SpecError(f"hours are two clock hours, such as (9, 17), not {hours!r}.") from None
    if not 0 <= opening < closing <= 24:
        raise SpecError(f"hours are two clock hours between 0 and 24, the first the earlier, not {hours!r}.")
    return opening * 3600, closing * 3600


def _worked(seconds: Array, opening: float, closing: float, weekdays: Any, holidays: Any) -> Array:
    """Working seconds from 1970 to each time."""
    if not set(weekdays) <= set(range(7)) or not len(set(weekdays)):
        raise SpecError(f"weekdays are numbers from 0 (Monday) to 6, not {weekdays!r}.")
    mask = [d in set(weekdays) for d in range(7)]
    free = pd.to_datetime(list(holidays)).to_numpy().astype("datetime64[D]")
    sound = np.where(np.isnan(seconds), 0.0, seconds)
    day = np.floor(sound / 86400).astype(np.int64).astype("datetime64[D]")
    whole = np.busday_count(np.datetime64("1970-01-01"), day, weekmask=mask, holidays=free)
    clock = np.clip(sound % 86400, opening, closing) - opening
    today = np.is_busday(day, weekmask=mask, holidays=free)
    return np.where(np.isnan(seconds), np.nan, whole * (closing - opening) + today * clock)
