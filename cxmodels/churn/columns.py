"""A raw column and what it holds: text, numbers or dates, its levels, its blanks; and whether it repeats another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError
from .timeline import UNIT, Instants
from .timeline import dates as read_dates

LOOK = 2_000  # distinct values of text looked at, and rows that may tell two columns apart
_CODES = 20  # fewer different numbers may be codes


@dataclass(frozen=True, eq=False)
class Column:
    """One column: its values and what they are, computed when first asked for."""

    name: Any
    values: pd.Series

    @cached_property
    def blank(self) -> NDArray[np.bool_]:
        """Where it is blank; text of blanks only is blank too."""
        out = self.values.isna().to_numpy(dtype=bool)
        if self.is_text:
            out = out | np.append(self.texts.str.strip().to_numpy(dtype=object) == "", False)[self.codes]
        return out

    @cached_property
    def hashable(self) -> bool:
        """Whether its values can be told apart: lists cannot."""
        if self.values.dtype != object:
            return True
        try:
            pd.unique(self.values)
        except TypeError:
            return False
        return True

    @cached_property
    def is_text(self) -> bool:
        """Whether it holds text or categories, and neither numbers nor dates."""
        kind = self.values.dtype
        return isinstance(kind, pd.CategoricalDtype) or kind.kind not in "biufcmM"

    @cached_property
    def factorized(self) -> tuple[NDArray[np.int64], Any]:
        """Codes, -1 where blank, and levels."""
        code, levels = pd.factorize(self.values)
        return code.astype(np.int64), levels

    @property
    def codes(self) -> NDArray[np.int64]:
        """Level of each row, -1 where blank."""
        return self.factorized[0]

    @cached_property
    def texts(self) -> pd.Series:
        """Levels as text."""
        return pd.Series(pd.Index(self.factorized[1])).astype(str)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Rows of each level."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.factorized[1]))

    @cached_property
    def as_numbers(self) -> pd.Series:
        """Levels of text as numbers, blank where they are none."""
        return pd.to_numeric(self.texts.str.strip(), errors="coerce")

    @cached_property
    def is_integer(self) -> bool:
        """Whether it holds whole numbers."""
        if self.values.dtype.kind in "iu":
            return True
        if self.values.dtype.kind != "f":
            return False
        x = self.values.to_numpy(dtype=float, na_value=np.nan)
        return bool(np.all((x == np.floor(x)) | np.isnan(x)))

    @cached_property
    def dates(self) -> Instants | None:
        """Its dates, if it holds any; text of dates in another order than the ISO one gives none."""
        if self.values.dtype.kind == "M" or isinstance(self.values.dtype, pd.DatetimeTZDtype):
            naive = (
                self.values.dt.tz_localize(None) if isinstance(self.values.dtype, pd.DatetimeTZDtype) else self.values
            )
            return naive.to_numpy(dtype=UNIT)
        try:
            return read_dates(self.values.to_frame("date"), "date", "") if self.is_text else None
        except DataError:
            return None


def duplicates(columns: list[Column]) -> Iterator[tuple[Column, Column, str]]:
    """Columns that say what an earlier one says: equal, in other units, or by other names."""
    seen: dict[bytes, list[Column]] = {}
    for column in columns:
        n = len(column.values)
        rows = np.unique(np.linspace(0, n - 1, min(n, LOOK)).astype(int))
        earlier = seen.setdefault(_appearance(column.values.iloc[rows]).tobytes(), [])
        for other in earlier:
            if how := _same(other, column, rows):
                yield column, other, how
                break
        else:
            earlier.append(column)


def _same(a: Column, b: Column, rows: NDArray[np.intp]) -> str:
    """How column b repeats column a; nothing if it does not. Cheap tests on some rows come first."""
    if a.dates is not None or b.dates is not None:
        return "the same dates as" if a.values.equals(b.values) else ""
    if a.is_text or b.is_text:
        text = a if a.is_text else b
        few = len(text.rows) <= len(a.values) / 5  # distinct texts match any other distinct values
        return "by other names the same as" if few and _same_appearance(a, b) else ""
    x, y = (c.values.to_numpy(dtype=float, na_value=np.nan) for c in (a, b))
    if np.array_equal(x[rows], y[rows], equal_nan=True):
        return "equal to" if np.array_equal(x, y, equal_nan=True) else ""
    if len(np.unique(x[rows])) < _CODES:
        return "by other numbers the same as" if _same_appearance(a, b) else ""
    return "in other units the same as" if _linear(x[rows], y[rows]) and _linear(x, y) else ""


def _appearance(values: pd.Series) -> NDArray[np.int64]:
    """Code values in the order in which they first appear, blank like any other."""
    return pd.factorize(values, use_na_sentinel=False)[0].astype(np.int64)


def _same_appearance(a: Column, b: Column) -> bool:
    return np.array_equal(_appearance(a.values), _appearance(b.values))


def _linear(x: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    """Whether one column is the other times a number plus a number."""
    there = np.isfinite(x)
    if not np.array_equal(there, np.isfinite(y)) or there.sum() < 3:
        return False
    x, y = x[there] - x[there].mean(), y[there] - y[there].mean()
    return bool(np.abs(y - x * (x @ y / (x @ x))).max() <= 1e-9 * np.abs(y).max())
