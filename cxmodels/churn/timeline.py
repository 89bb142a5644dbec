"""Dated rows of customers: read from a table with every fault named, sorted once, then asked for any window of time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SpecError, listed, near
from ..survey.frames import to_pandas

Instants = NDArray[np.datetime64]
Positions = NDArray[np.intp]

DAY = np.timedelta64(86_400_000_000, "us")
UNIT = "datetime64[us]"  # reaches the year 9999, which tables use for "no end"
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?\Z")
_ZONE = re.compile(r"\d{2}:\d{2}.*(Z|[+-]\d{2}:?\d{2})\Z")


def table(data: Any, name: str, columns: Iterable[str]) -> pd.DataFrame:
    """Return a table as pandas with the columns that are needed; the error names the one that is missing."""
    frame = to_pandas(data)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(f"Table '{name}' has the column {listed(twice.unique())} more than once: rename or drop one.")
    for column in columns:
        if column not in frame:
            hint = (
                near(str(column), frame.columns)
                or f" There are {listed(frame.columns)}; if it is one of them, name it in the call."
            )
            raise DataError(f"Table '{name}' has no column '{column}'.{hint}")
    return frame


def customers(frame: pd.DataFrame, column: str, name: str) -> pd.Series:
    """Return the customer of each row; none may be blank."""
    ids = frame[column]
    if blank := int(ids.isna().sum()):
        raise DataError(
            f"Column '{column}' of table '{name}' is blank in {blank} of {len(ids)} rows: say whose they are or drop them."
        )
    return ids


def numbered(ids: pd.Series, name: str) -> tuple[NDArray[np.int64], pd.Index]:
    """Number customers in the order of their sorted ids, which no order of rows changes."""
    if ids.dtype == object and pd.api.types.infer_dtype(ids, skipna=True).startswith("mixed"):
        kinds = sorted({type(v).__name__ for v in ids})
        raise DataError(f"Customers of table '{name}' are of several types ({listed(kinds)}): make them one.")
    code, known = pd.factorize(ids, sort=True)
    return code.astype(np.int64), pd.Index(known)


def dates(frame: pd.DataFrame, column: str, name: str) -> Instants:
    """Return a column of dates as instants without a time zone, NaT where blank."""
    values = frame[column]
    where = f"Column '{column}' of table '{name}'"
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        raise DataError(
            f"{where} has the time zone {values.dtype.tz}: bring all dates to one zone and take it off, "
            f"frame['{column}'].dt.tz_convert('UTC').dt.tz_localize(None)."
        )
    if values.dtype.kind == "M":
        return values.to_numpy(dtype=UNIT)
    if values.isna().all():
        return np.full(len(values), np.datetime64("NaT", "us"), dtype=UNIT)
    if not (values.dtype == object or isinstance(values.dtype, pd.StringDtype | pd.CategoricalDtype)):
        raise DataError(
            f"{where} holds {values.dtype}, no dates: read them with pandas.to_datetime(..., format=...)."
        )
    codes, distinct = pd.factorize(values)
    parsed = np.array([_instant(v) for v in distinct], dtype=UNIT)
    if wrong := [v for v, p in zip(distinct, parsed, strict=True) if np.isnat(p) and not _blank(v)]:
        zone = any(getattr(v, "tzinfo", None) or (isinstance(v, str) and _ZONE.search(v)) for v in wrong)
        advice = "bring all dates to one zone and take it off" if zone else "read them with pandas.to_datetime"
        rows = int(np.isin(codes, [k for k, p in enumerate(parsed) if np.isnat(p) and not _blank(distinct[k])]).sum())
        raise DataError(
            f"{where} has {rows} of {len(values)} values that are no ISO dates (2024-01-31) without time zone, "
            f"such as {listed(wrong, 3)}: {advice}."
        )
    return np.append(parsed, np.datetime64("NaT", "us"))[codes]


def instants(when: Any, name: str = "as_of") -> Instants:
    """Return the dates of an argument: one or several, in order, each once."""
    single = isinstance(when, str) or not isinstance(when, Iterable)
    values = pd.Series([when] if single else list(when), dtype=object)
    try:
        out = dates(values.to_frame(name), name, "the arguments")
    except DataError as problem:
        raise SpecError(str(problem).replace(f"Column '{name}' of table 'the arguments'", f"`{name}`")) from None
    if len(out) == 0 or np.isnat(out).any():
        raise SpecError(f"`{name}` must be one date or several, such as '2024-01-31', not {when!r}.")
    if len(np.unique(out)) < len(out):
        raise SpecError(f"`{name}` names a date more than once.")
    return np.sort(out)


def days(number: Any, name: str, least: float = 1) -> float:
    """Check a number of days."""
    if not isinstance(number, Real) or isinstance(number, bool) or not least <= float(number) < 1e6:
        raise SpecError(f"`{name}` must be a number of days, {least:g} or more, not {number!r}.")
    return float(number)


def span(number: float) -> np.timedelta64:
    """Return days as a length of time."""
    return np.timedelta64(round(number * 86_400_000_000), "us")


def day_text(instant: Any) -> str:
    """Write an instant as the day, with its time only where it has one."""
    stamp = pd.Timestamp(instant)
    return str(stamp.date()) if stamp == stamp.normalize() else str(stamp)


@dataclass(frozen=True, eq=False)
class Timeline:
    """Rows sorted by customer and time, so that the rows of a window lie side by side.

    Parameters
    ----------
    code : ndarray of int
        Customer of each row, 0 to customers - 1, sorted.
    time : ndarray of datetime64
        Sorted within the customer.
    order : ndarray of int
        Row number in the table of each sorted row.
    """

    code: NDArray[np.int64]
    time: Instants
    order: Positions
    _known: Instants
    _key: NDArray[np.int64]

    @classmethod
    def of(cls, code: Any, time: Instants, ties: Iterable[Any] = ()) -> Timeline:
        """Sort rows; `ties` are arrays that order the rows of one customer at one instant, so that any file order is one."""
        rank, known = pd.factorize(time, sort=True)
        key = np.asarray(code, dtype=np.int64) * (len(known) + 1) + rank
        order = np.argsort(key)
        key = key[order]
        # Only rows that share customer and instant need the other columns to be in one order.
        step = np.diff(key, prepend=-1, append=-1)
        tied = np.flatnonzero((step[:-1] == 0) | (step[1:] == 0))
        if len(tied):
            rows = order[tied]
            order[tied] = rows[np.lexsort((*(t[rows] for t in reversed(list(ties))), key[tied]))]
        return cls(np.asarray(code, dtype=np.int64)[order], time[order], order, np.asarray(known, dtype=UNIT), key)

    def upto(self, code: Any, when: Any) -> Positions:
        """Position after the last row of each customer dated at or before `when`."""
        rank = np.searchsorted(self._known, when, side="right")
        return np.searchsorted(self._key, np.asarray(code, dtype=np.int64) * (len(self._known) + 1) + rank)

    def first(self, code: Any) -> Positions:
        """Position of the first row of each customer."""
        return np.searchsorted(self._key, np.asarray(code, dtype=np.int64) * (len(self._known) + 1))


def _instant(value: Any) -> np.datetime64:
    """One value as an instant; NaT where it is none."""
    if isinstance(value, str):
        return np.datetime64(value.strip(), "us") if _ISO.match(value.strip()) and _exists(value) else _NAT
    if isinstance(value, np.datetime64):
        return value.astype(UNIT)
    if not hasattr(value, "isoformat") or getattr(value, "tzinfo", None) is not None or value is pd.NaT:
        return _NAT
    return np.datetime64(value, "us")


def _exists(text: str) -> bool:
    """Whether there is such a day and time: February has no 30th."""
    try:
        np.datetime64(text.strip(), "us")
    except ValueError:
        return False
    return True


def _blank(value: Any) -> bool:
    return value is pd.NaT or value is None or (isinstance(value, str) and not value.strip()) or value != value


_NAT = np.datetime64("NaT", "us")
