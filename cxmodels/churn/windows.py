"""Sums, means, extremes, trends and latest values of dated rows in windows that end at a snapshot: arrays only.

Rows are sorted by customer and time, snapshots likewise, so a window is a slice of rows and a statistic of all windows
is one ``reduceat``. Nothing after a snapshot is in any of its slices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .timeline import DAY, Instants, Positions, Timeline, span

Array = NDArray[np.float64]
STATS = ("sum", "mean", "min", "max", "std")  # of a column
COUNTS = ("count", "days")  # of rows, and of days with rows
MEASURES = ("change", "ratio", "slope")


@dataclass(frozen=True, eq=False)
class Rows:
    """Dated rows of one table and the snapshots that look at them.

    Parameters
    ----------
    line : Timeline
        The rows.
    values : dict of ndarray
        Columns in the order of `line`, NaN where blank.
    code, when : ndarray of shape (snapshots,)
        Customer and instant of each snapshot, sorted.
    """

    line: Timeline
    values: dict[str, Array]
    code: NDArray[np.int64]
    when: Instants

    def slices(self, recent: float | None, earlier: float = 0.0) -> tuple[Positions, Positions]:
        """Positions of the rows in (t - recent, t - earlier], for all snapshots t; `recent` None has no beginning."""
        stop = self.line.upto(self.code, self.when - span(earlier))
        begin = self.line.first(self.code) if recent is None else self.line.upto(self.code, self.when - span(recent))
        return np.minimum(begin, stop), stop


def reduce(ufunc: Any, x: Array, lo: Positions, hi: Positions, empty: float) -> Array:
    """Reduce each slice [lo, hi) of `x`; `empty` where a slice has no row. Fast where the slices are in order."""
    if not len(lo):
        return np.zeros(0)
    bounds = np.stack([lo, hi], axis=1).ravel()
    out = ufunc.reduceat(np.append(x, 0.0), bounds)[::2].astype(float)
    out[lo == hi] = empty
    return out


def counts(rows: Rows, stat: str, lo: Positions, hi: Positions) -> Array:
    """Count the rows of each slice, or the days that have any."""
    if stat == "count":
        return (hi - lo).astype(float)
    day = rows.line.time.astype("datetime64[D]").astype(np.int64)
    fresh = np.ones(len(day))
    fresh[1:] = (rows.line.code[1:] != rows.line.code[:-1]) | (day[1:] != day[:-1])
    # A slice can begin in the middle of a day, whose first row then lies before it.
    return reduce(np.add, fresh, lo, hi, 0.0) + np.where(lo < hi, 1 - np.append(fresh, 1.0)[lo], 0.0)


def column_stats(rows: Rows, column: str, stats: tuple[str, ...], lo: Positions, hi: Positions) -> dict[str, Array]:
    """Statistics of one column in each slice; blank values do not count, sums of nothing are 0, the rest is blank."""
    x, own, lo, hi = _filled(rows, column, lo, hi)
    n = (hi - lo).astype(float)

    def spread() -> Array:
        # About each customer's first value, so that large levels cancel.
        y = x - x[own]
        first, second = reduce(np.add, y, lo, hi, 0.0), reduce(np.add, y * y, lo, hi, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(n > 1, np.sqrt(np.maximum(second - first**2 / n, 0.0) / (n - 1)), np.nan)

    def total() -> Array:
        return reduce(np.add, x, lo, hi, 0.0)

    make: dict[str, Callable[[], Array]] = {
        "sum": total,
        "mean": lambda: np.divide(total(), n, out=np.full(len(n), np.nan), where=n > 0),
        "min": lambda: reduce(np.minimum, x, lo, hi, np.nan),
        "max": lambda: reduce(np.maximum, x, lo, hi, np.nan),
        "std": spread,
    }
    return {stat: make[stat]() for stat in stats}


def _filled(rows: Rows, column: str, lo: Positions, hi: Positions) -> tuple[Array, Positions, Positions, Positions]:
    """Drop blank values: the others, the position of each customer's first one, and the slices among them."""
    x = rows.values[column]
    there = np.isfinite(x)
    before = np.concatenate([[0], np.cumsum(there)])
    code = rows.line.code[there]
    fresh = np.ones(len(code), dtype=bool)
    fresh[1:] = code[1:] != code[:-1]
    own = np.maximum.accumulate(np.where(fresh, np.arange(len(code)), 0))
    return x[there], own, before[lo], before[hi]


def trend(rows: Rows, column: str, measures: tuple[str, ...], length: float) -> dict[str, Array]:
    """Compare the last `length` days with as many before: difference, ratio, or the slope per day through both."""
    recent = column_stats(rows, column, ("sum",), *rows.slices(length))["sum"]
    earlier = column_stats(rows, column, ("sum",), *rows.slices(2 * length, length))["sum"]
    out: dict[str, Array] = {}
    for measure in measures:
        if measure == "change":
            out[measure] = recent - earlier
        elif measure == "ratio":
            out[measure] = np.divide(recent, earlier, out=np.full(len(recent), np.nan), where=earlier != 0)
        else:
            out[measure] = slope(rows, column, *rows.slices(2 * length))
    return out


def slope(rows: Rows, column: str, lo: Positions, hi: Positions) -> Array:
    """Least-squares slope per day of the values over time; blank with fewer than two instants."""
    time = rows.line.time[np.isfinite(rows.values[column])]
    x, own, lo, hi = _filled(rows, column, lo, hi)
    t, y, n = (time - time[own]) / DAY, x - x[own], (hi - lo).astype(float)
    st, sy, stt, sty = (reduce(np.add, v, lo, hi, 0.0) for v in (t, y, t * t, t * y))
    with np.errstate(divide="ignore", invalid="ignore"):
        sxx = stt - st * st / n
        return np.where((n > 1) & (sxx > 1e-9 * np.maximum(stt, 1.0)), (sty - st * sy / n) / sxx, np.nan)


def latest(rows: Rows) -> tuple[Positions, Positions, Array]:
    """Slice of the rows at the last instant at or before each snapshot, and its age in days; blank without one."""
    begin, stop = rows.slices(None)
    found = begin < stop
    last = np.where(found, stop - 1, 0)
    if not len(rows.line.time):
        return begin, begin, np.full(len(begin), np.nan)
    age = np.where(found, (rows.when - rows.line.time[last]) / DAY, np.nan)
    first = np.where(found, np.searchsorted(rows.line._key, rows.line._key[last]), begin)
    return first, np.where(found, stop, begin), age


def since_first(rows: Rows) -> Array:
    """Days since the first row of the customer; blank where it is later than the snapshot."""
    begin, stop = rows.slices(None)
    if not len(rows.line.time):
        return np.full(len(begin), np.nan)
    return np.where(
        begin < stop, (rows.when - rows.line.time[np.minimum(begin, len(rows.line.time) - 1)]) / DAY, np.nan
    )
