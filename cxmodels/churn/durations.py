"""How long customers stayed and whether they left: read from a table or arrays, checked, and counted by time."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, DataWarning, SpecError, listed, near
from ..survey.frames import to_pandas
from ..survey.validation import check_weights
from .encoding import BLANKS, is_number

Array = NDArray[np.float64]
Counts = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Durations:
    """Durations of the rows that are used.

    Parameters
    ----------
    time : ndarray of shape (n,)
        How long the customer was watched, from the beginning of the relation.
    event : ndarray of shape (n,)
        0 for a customer who was still there, else 1, or the number of the cause (from 1).
    entry : ndarray of shape (n,)
        Since when the customer was watched, 0 from the beginning; at risk in (entry, time].
    weights : ndarray of shape (n,)
    used : ndarray of bool of shape (rows given,)
        Which rows of the table these are.
    excluded : DataFrame
        [reason, rows].
    label : str
        What counted as leaving, for display.
    causes : tuple of str
        Names of the causes, the first with number 1.
    messages : tuple of str
        What the reader must know.
    """

    time: Array
    event: Counts
    entry: Array
    weights: Array
    used: NDArray[np.bool_]
    excluded: pd.DataFrame
    label: str
    causes: tuple[str, ...]
    messages: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Rows used."""
        return len(self.time)

    @property
    def truncated(self) -> bool:
        """Whether some were watched only from later on."""
        return bool((self.entry > 0).any())

    def __getitem__(self, rows: Any) -> Durations:
        """Some of the rows."""
        time, event, entry, weights = (v[rows] for v in (self.time, self.event, self.entry, self.weights))
        return Durations(
            time, event, entry, weights, self.used, self.excluded, self.label, self.causes, self.messages
        )


def as_table(data: Any, event: Any, duration: Any) -> tuple[pd.DataFrame | None, Any, Any]:
    """Tell a table from an array of durations.

    Parameters
    ----------
    data : frame or array-like
        A table, or the durations themselves.
    event, duration : str or array-like
        As given by the caller.

    Returns
    -------
    frame : DataFrame or None
    event, duration : str or array-like
        The duration is `data` where that was no table.

    Raises
    ------
    SpecError
        If arrays and names of columns are mixed.
    """
    is_frame = hasattr(data, "columns") or isinstance(data, dict)
    if is_frame:
        return to_pandas(data), event, duration
    if isinstance(event, str):
        raise SpecError(
            f"The first argument is no table, so there is no column '{event}'; give a table, or durations and events as arrays."
        )
    return None, event, data


def column(frame: pd.DataFrame | None, given: Any, what: str, rows: int | None = None) -> pd.Series:
    """Return a column by its name, or an array as one, of the right length.

    Parameters
    ----------
    frame : DataFrame or None
    given : str or array-like of shape (n,)
    what : str
        What it is, for messages.
    rows : int, optional
        Rows wanted where there is no frame.

    Returns
    -------
    Series
        With row numbers as index.

    Raises
    ------
    DataError
        For a column that is missing or there twice, or an array of another length.
    """
    if frame is not None:
        rows = len(frame)
        if isinstance(given, str):
            if (count := int((frame.columns == given).sum())) != 1:
                said = "is not in the data" if not count else f"is in the data {count} times"
                hint = (
                    near(given, map(str, frame.columns))
                    or f" There are {listed(frame.columns)}; if it is one of them, name it in the call: {what}=."
                )
                raise DataError(f"Column '{given}' ({what}) {said}.{hint}")
            return frame[given].reset_index(drop=True)
    elif isinstance(given, str):
        raise SpecError(f"{what} names the column '{given}', but the data are no table; give an array.")
    values = pd.Series(given).reset_index(drop=True) if np.ndim(given) == 1 else None
    if values is None:
        raise DataError(f"{what} must be one value per customer, not {type(given).__name__}.")
    if rows is not None and len(values) != rows:
        raise DataError(f"{what} has {len(values)} entries for {rows} customers; give one each.")
    return values


def numbers(values: pd.Series, what: str) -> Array:
    """Return numbers, NaN where blank; months or days as they are, lengths of time in days.

    Parameters
    ----------
    values : Series
    what : str
        What they are, for messages.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    DataError
        For text, dates or infinite numbers.
    """
    if values.dtype.kind == "m":
        return (values.to_numpy() / np.timedelta64(1, "D")).astype(float)
    if values.dtype.kind == "M":
        raise DataError(f"{what} holds dates, but must be how long each customer stayed: subtract the start.")
    if values.dtype.kind not in "biuf":
        text = values.astype("string").str.strip()
        blank = text.isna() | text.str.casefold().isin(BLANKS)
        values = pd.to_numeric(text.mask(blank), errors="coerce")
        if bad := int((values.isna() & ~blank).sum()):
            example = text[values.isna() & ~blank].iloc[0]
            raise DataError(f"{what} holds text in {bad} of {len(text)} rows, such as '{example}'; give numbers.")
    out = values.to_numpy(dtype=float, na_value=np.nan)
    if bad := int(np.isinf(out).sum()):
        raise DataError(
            f"{what} is infinite for {bad} of {len(out)} customers; for those still there give the time so far."
        )
    return out


def read_durations(
    frame: pd.DataFrame | None,
    event: Any,
    duration: Any,
    entry: Any = None,
    weights: Any = None,
    *,
    causes: bool = False,
    left: Any = None,
) -> Durations:
    """Read and check durations.

    Parameters
    ----------
    frame : DataFrame or None
        The table of the customers, where there is one.
    event, duration, entry, weights : str or array-like of shape (n,)
        Names of columns, or arrays.
    causes : bool, default False
        Whether `event` tells the cause of leaving: blank, 0, "" or `left` for those still there.
    left : object, optional
        With `causes`: the label of customers who are still there.

    Returns
    -------
    Durations

    Raises
    ------
    DataError
        Negative durations, events before entry, nobody who left, or columns that hold something else.
    """
    time_of = column(frame, duration, "duration")
    n = len(time_of)
    if not n:
        raise DataError("There are no customers.")
    name = f"Duration '{duration}'" if isinstance(duration, str) else "The duration"
    time = numbers(time_of, name)
    if bad := int((time < 0).sum()):
        raise DataError(f"{name} is negative for {bad} of {n} customers; it counts from the start of the relation.")
    outcomes, said = column(frame, event, "event", n), f"Event '{event}'" if isinstance(event, str) else "The event"
    outcome, label, names = _causes(outcomes, left, said) if causes else _events(outcomes, said)
    since = f"Entry '{entry}'" if isinstance(entry, str) else "The entry"
    begin = np.zeros(n) if entry is None else numbers(column(frame, entry, "entry", n), since)
    if isinstance(weights, str):
        weights = column(frame, weights, "weights")
    w = np.ones(n) if weights is None else check_weights(weights, n)
    begin = np.maximum(begin, 0.0)  # NaN stays; from before the beginning is from the beginning
    if bad := int(((begin > time) | ((begin >= time) & (begin > 0) & (outcome > 0))).sum()):
        raise DataError(
            f"{since} is after {name[0].lower()}{name[1:]} or at it for {bad} of {n} customers; the duration counts from the "
            "start of the relation, the entry is when they came under observation."
        )
    reasons = {
        "blank duration": np.isnan(time),
        "blank event": outcome < 0,
        "blank entry": np.isnan(begin),
        "no time at risk": (begin > 0) & (begin == time),
        "weight 0": w == 0,
    }
    used, counted = np.ones(n, dtype=bool), []
    for reason, rows in reasons.items():
        if count := int((rows & used).sum()):
            counted.append((reason, count))
        used &= ~rows
    if not used.any():
        raise DataError(f"No customer of {n} is left ({listed(r for r, _ in counted)}).")
    if not (outcome[used] > 0).any():
        raise DataError(
            f"Nobody of {int(used.sum())} customers left, so nothing is known about when customers leave."
        )
    messages: tuple[str, ...] = ()
    if (outcome[used] > 0).all():
        messages = (
            f"All {int(used.sum())} customers left: if those still there were taken out of the data, durations look too short.",
        )
        warnings.warn(messages[0], DataWarning, stacklevel=4)
    table = pd.DataFrame(counted, columns=["reason", "rows"])
    return Durations(
        time[used],
        np.asarray(outcome[used], dtype=np.intp),
        begin[used],
        w[used],
        used,
        table,
        label,
        names,
        messages,
    )


def _events(values: pd.Series, said: str) -> tuple[Array, str, tuple[str, ...]]:
    """1 for those who left, 0 for the others, -1 where blank; what counted as leaving."""
    if values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) == "boolean":
        values = values.astype("boolean")
    if is_number(values):
        codes = numbers(values, said)
        if bad := int((~np.isin(codes, (0, 1)) & ~np.isnan(codes)).sum()):
            raise DataError(
                f"{said} must be 1 for customers who left and 0 for the others, but is something else in {bad} of "
                f"{len(codes)} rows; for several causes use AalenJohansen."
            )
        return np.where(np.isnan(codes), -1, codes), "1", ("1",)
    text = values.astype("string").str.strip()
    blank = (text.isna() | text.str.casefold().isin(BLANKS)).to_numpy(dtype=bool)
    kinds = sorted(text[~blank].unique())
    if len(kinds) != 2:
        raise DataError(
            f"{said} must hold two labels, the later one in the alphabet for leaving, but holds {listed(kinds) or 'none'}; "
            "give 1 for customers who left and 0 for the others."
        )
    return np.where(blank, -1, (text == kinds[1]).fillna(False).to_numpy(dtype=float)), kinds[1], (kinds[1],)


def _causes(values: pd.Series, left: Any, said: str) -> tuple[Array, str, tuple[str, ...]]:
    """Number of the cause, 0 for those still there."""
    from .encoding import text_of

    text = values.map(text_of, na_action="ignore").astype("string")
    stayed = text.isna() | text.str.casefold().isin(BLANKS | {"0", "false", "no", "none"})
    if left is not None:
        if not (text == text_of(left)).any():
            raise DataError(
                f"No customer has the label '{left}' of those still there; {said[0].lower()}{said[1:]} holds "
                f"{listed(sorted(text.dropna().unique()))}.{near(str(left), text.dropna().unique())}"
            )
        stayed = text.isna() | (text == text_of(left)).fillna(False)
    names = tuple(sorted(text[~stayed].unique()))
    if len(names) > 50:
        raise DataError(f"{said} holds {len(names)} different causes; group them to a few.")
    codes = np.zeros(len(text))
    for number, cause in enumerate(names, start=1):
        codes[(text == cause).fillna(False).to_numpy(dtype=bool)] = number
    return codes, ", ".join(names), names


@dataclass(frozen=True, eq=False)
class RiskTable:
    """Customers at risk and events by distinct time of an exit, as weighted counts.

    Parameters
    ----------
    time : ndarray of shape (k,)
        Distinct times of exits.
    at_risk : ndarray of shape (k,)
        Entered before and not gone before.
    events : ndarray of shape (k, causes)
    censored : ndarray of shape (k,)
    """

    time: Array
    at_risk: Array
    events: Array
    censored: Array


def risk_table(data: Durations, time: Array | None = None) -> RiskTable:
    """Count customers at risk and events by time.

    Parameters
    ----------
    data : Durations
    time : ndarray of shape (k,), optional
        Times to count at, which must hold all exits; default the distinct exits.

    Returns
    -------
    RiskTable
    """
    time = np.unique(data.time) if time is None else time
    k, causes = len(time), max(len(data.causes), 1)
    exit = np.searchsorted(time, data.time)
    entered = np.searchsorted(time, data.entry, side="right")  # at risk from this place on
    entered[data.entry == 0] = 0
    gone = np.bincount(exit, data.weights, k)
    came = np.bincount(entered, data.weights, k + 1)[:k]
    at_risk = np.cumsum(came) - np.append(0.0, np.cumsum(gone)[:-1])
    events = np.column_stack(
        [np.bincount(exit[data.event == c], data.weights[data.event == c], k) for c in range(1, causes + 1)]
    )
    return RiskTable(time, np.maximum(at_risk, 0.0), events.astype(float), gone - events.sum(axis=1))


def group_labels(values: pd.Series, used: NDArray[np.bool_], what: str) -> tuple[Counts, list[str], int]:
    """Number of the group of each used row, the groups in order, and how many rows have none.

    Parameters
    ----------
    values : Series
        One value per row of the data.
    used : ndarray of bool
        Rows that are used otherwise.
    what : str
        What the groups are, for messages.

    Returns
    -------
    code : ndarray of int
        -1 where blank.
    names : list of str
    blank : int

    Raises
    ------
    DataError
        If no row has a group.
    """
    code, names = pd.factorize(values[used], sort=True)
    blank = int((code < 0).sum())
    if not len(names):
        raise DataError(f"{what} is blank for all customers.")
    return code.astype(np.intp), [str(n) for n in names], blank


def times_of(times: Any, what: str = "times") -> Array:
    """Return times as a sorted array without repeats.

    Parameters
    ----------
    times : float or array-like of shape (k,)
    what : str
        Name of the argument.

    Returns
    -------
    ndarray of shape (k,)

    Raises
    ------
    SpecError
        For negative, missing or no numbers.
    """
    try:
        out = np.atleast_1d(np.asarray(times, dtype=float))
    except (TypeError, ValueError):
        raise SpecError(f"{what} must be numbers, not {times!r}.") from None
    if out.ndim != 1 or not len(out) or not np.isfinite(out).all() or (out < 0).any():
        raise SpecError(f"{what} must be one or more numbers of zero or more, not {times!r}.")
    return np.unique(out)


def last_rows(data: Durations, cluster: Counts | None) -> NDArray[np.bool_] | None:
    """Which rows end the watch of a customer: not those that a further row of the cluster takes up where they end.

    Parameters
    ----------
    data : Durations
    cluster : ndarray of shape (n,) or None

    Returns
    -------
    ndarray of bool of shape (n,) or None
        None without clusters.
    """
    if cluster is None:
        return None
    ends, starts = (pd.MultiIndex.from_arrays([cluster, t]) for t in (data.time, data.entry))
    return np.asarray((data.event > 0) | ~ends.isin(starts[data.entry > 0]), dtype=bool)


def left_text(spells: Durations, events: int) -> str:
    """Write how many left, and by which label where the data have labels, as ``"3 left (event 'churned')"``.

    Parameters
    ----------
    spells : Durations
    events : int

    Returns
    -------
    str
    """
    return f"{events:,} left" + (f" (event '{spells.label}')" if spells.label != "1" else "")


def excluded_text(excluded: pd.DataFrame) -> str:
    """Write exclusions behind the number of rows used, as ``", 3 left out (blank duration)"``.

    Parameters
    ----------
    excluded : DataFrame
        [reason, rows].

    Returns
    -------
    str
    """
    out = int(excluded["rows"].sum()) if len(excluded) else 0
    return f", {out:,} left out ({', '.join(map(str, excluded['reason']))})" if out else ""
