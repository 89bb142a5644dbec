"""The kinds of feature: each says which table, date and columns it needs, and computes its columns from rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import SpecError, listed, near
from .timeline import Positions
from .timeline import days as check_days
from .windows import COUNTS, STATS, Rows, column_stats, counts, latest, reduce, since_first, trend

Stat = Literal["count", "days", "sum", "mean", "min", "max", "std"]
Columns = dict[str, Any]


@dataclass(frozen=True)
class Window:
    """Statistics of rows and columns over the last days."""

    table: str
    columns: tuple[str, ...]
    date: str
    days: tuple[float | None, ...]
    stats: tuple[str, ...]
    prefix: str

    numeric = True

    def compute(self, rows: Rows, frame: pd.DataFrame) -> Columns:
        """One column per window, column and statistic."""
        out: Columns = {}
        for length in self.days:
            lo, hi = rows.slices(length)
            end = "total" if length is None else f"{length:g}d"
            for stat in (s for s in self.stats if s in COUNTS):
                out[f"{self.prefix}_{stat}_{end}"] = counts(rows, stat, lo, hi).astype(np.int64)
            wanted = tuple(s for s in self.stats if s in STATS)
            for column in self.columns:
                made = column_stats(rows, column, wanted, lo, hi)
                out |= {f"{self.prefix}_{column}_{stat}_{end}": values for stat, values in made.items()}
        return out


@dataclass(frozen=True)
class Trend:
    """The last days against as many before."""

    table: str
    columns: tuple[str, ...]
    date: str
    days: tuple[float, ...]
    measures: tuple[str, ...]
    prefix: str

    numeric = True

    def compute(self, rows: Rows, frame: pd.DataFrame) -> Columns:
        """One column per length, column and measure."""
        out: Columns = {}
        for length in self.days:
            for column in self.columns:
                made = trend(rows, column, self.measures, length)
                out |= {f"{self.prefix}_{column}_{measure}_{length:g}d": values for measure, values in made.items()}
        return out


@dataclass(frozen=True)
class Recency:
    """Days since the last row and, on demand, the first."""

    table: str
    date: str
    first: bool
    prefix: str

    columns: tuple[str, ...] = ()
    numeric = True

    def compute(self, rows: Rows, frame: pd.DataFrame) -> Columns:
        """One or two columns of days."""
        out: Columns = {f"{self.prefix}_days_since_last": latest(rows)[2]}
        return out | ({f"{self.prefix}_days_since_first": since_first(rows)} if self.first else {})


@dataclass(frozen=True)
class Latest:
    """The latest values, with their age."""

    table: str
    columns: tuple[str, ...]
    date: str
    max_age: float | None
    prefix: str

    numeric = False

    def compute(self, rows: Rows, frame: pd.DataFrame) -> Columns:
        """One column per value, and the age in days."""
        lo, hi, age = latest(rows)
        fresh = np.full(len(age), True) if self.max_age is None else ~(age > self.max_age)
        out: Columns = {}
        for column in self.columns:
            if column in rows.values:
                made = column_stats(rows, column, ("mean",), lo, hi)["mean"]
                out[f"{self.prefix}_{column}"] = np.where(fresh, made, np.nan)
            else:
                at = np.where(fresh, last_text(rows, frame[column], lo, hi), -1)
                out[f"{self.prefix}_{column}"] = taken(frame[column], at)
        return out | {f"{self.prefix}_age_days": age}


@dataclass(frozen=True)
class Attributes:
    """Columns of a table without dates, one row per customer."""

    table: str
    columns: tuple[str, ...]
    prefix: str

    date: None = None
    numeric = False


Step = Window | Trend | Recency | Latest | Attributes


def ranks(values: pd.Series) -> NDArray[np.int64]:
    """Ranks of text in sorted order, -1 where blank."""
    return pd.factorize(values.astype(str).where(values.notna()), sort=True)[0].astype(np.int64)


def taken(values: pd.Series, at: Positions) -> Any:
    """Values of some rows, blank for row -1; the type of the column stays where it can."""
    return values.set_axis(range(len(values))).reindex(at).array


def last_text(rows: Rows, values: pd.Series, lo: Positions, hi: Positions) -> Positions:
    """Row of the table with the text that sorts last in each slice; -1 where there is none."""
    rank = ranks(values)
    row = np.full(int(rank.max(initial=-1)) + 2, -1)  # of each rank, blank ones at the end
    row[rank] = np.arange(len(rank))
    row[-1] = -1
    return row[reduce(np.maximum, rank[rows.line.order].astype(float), lo, hi, -1.0).astype(int)]


def names_of(columns: str | Iterable[str]) -> tuple[str, ...]:
    """Read one name or several."""
    return (columns,) if isinstance(columns, str) else tuple(columns)


def one_of(what: str, values: str | Iterable[str], options: tuple[str, ...]) -> tuple[str, ...]:
    """Check words of an option, each once."""
    chosen = names_of(values)
    for value in chosen:
        if value not in options:
            raise SpecError(f"Unknown {what} {value!r}; choose from {listed(options)}.{near(str(value), options)}")
    if not chosen or len(set(chosen)) < len(chosen):
        raise SpecError(f"`{what}` must name one or several of {listed(options)}, each once.")
    return chosen


def lengths(days: Any) -> tuple[float, ...]:
    """Check one window length or several."""
    chosen = [days] if np.isscalar(days) or days is None else list(days)
    if not chosen:
        raise SpecError("`days` must be one number of days or several, such as (7, 30, 90).")
    return tuple(check_days(d, "days") for d in chosen)
