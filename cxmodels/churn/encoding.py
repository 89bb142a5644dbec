"""From a raw table to typed columns: numbers, categories with their levels, blanks and unseen levels, all counted.

A column is learned once, at `fit`: whether it holds numbers or categories, its levels, its bins and its range. Reading
never fails on a value: what cannot be used counts as blank and is flagged (see :data:`FLAGS`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, listed, near

Array = NDArray[np.float64]
Codes = NDArray[np.integer[Any]]

#: What may be said of a value: the word of the flag and what was done.
FLAGS = {
    "blank": "no value; scored as blank",
    "unseen": "a level that training did not have; scored as blank",
    "not a number": "text in a column of numbers; scored as blank",
    "infinite": "an infinite number; scored as blank",
    "out of range": "beyond what training had; scored as given by trees, at the end of the range by the linear model",
}
BLANKS = frozenset({"", "na", "n/a", "nan", "null", "nat", "<na>", "?"})
MOST_LEVELS = 200
LEAST_ROWS = 5  # a level with fewer rows has no effect of its own
BINS = 128
NUMERIC_SHARE = 0.95  # of the filled values of a text column that must be numbers for it to be a column of numbers
_FEW = 4  # edges of a column that are compared one by one


@dataclass(frozen=True, eq=False)
class Column:
    """One learned column.

    Codes: 0 is blank; numbers have 1 … len(edges) + 1 by bin, with ``x <= edge`` in the lower one; categories have
    1 … len(levels) and, where rare levels were pooled, len(levels) + 1 for these and all unseen ones.

    Parameters
    ----------
    name : str
        Name in the table.
    kind : {"number", "category"}
        How its values are read.
    levels : tuple of str
        Levels of a category, the most frequent first.
    pooled : bool
        Whether rare levels were pooled.
    edges : ndarray
        Upper ends of the bins of numbers.
    low, high : float
        Range of the numbers in training.
    how : {"", "sum", "ratio"}
        How a derived column follows from `parts`.
    parts : tuple of str
        Columns that a derived column is made of.
    """

    name: str
    kind: str
    levels: tuple[str, ...] = ()
    pooled: bool = False
    edges: Array = field(default_factory=lambda: np.empty(0))
    low: float = 0.0
    high: float = 0.0
    how: str = ""
    parts: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of codes, blank among them."""
        return 1 + (len(self.levels) + self.pooled if self.kind == "category" else len(self.edges) + 1)

    @property
    def truth(self) -> bool:
        """Whether it holds 0 and 1 alone, as which True and False are read."""
        return self.kind == "number" and len(self.edges) == 1 and (self.low, self.high) == (0, 1)

    @property
    def whole(self) -> bool:
        """Whether a column of numbers holds whole ones."""
        return bool(
            float(self.low).is_integer() and float(self.high).is_integer() and (self.edges * 2 % 1 == 0).all()
        )

    def codes(self, values: NDArray[Any]) -> Codes:
        """Codes of read values: bins of numbers; the codes of a category are its values."""
        if self.kind == "category":
            return values
        if len(self.edges) <= _FEW:  # comparisons are quicker than a search, and say the same
            out = np.ones(len(values), dtype=np.uint8)
            for edge in self.edges:
                out += values > edge
        else:
            out = np.searchsorted(self.edges, values, side="left").astype(np.uint8)
            out += 1
        out[np.isnan(values)] = 0
        return out

    def label(self, code: int) -> str:
        """Name of a level by its code."""
        if code == 0:
            return "blank"
        return self.levels[code - 1] if code <= len(self.levels) else "another level"


@dataclass(frozen=True, eq=False)
class Table:
    """Read values by column, in the order of the columns, and what was flagged.

    Parameters
    ----------
    values : list of ndarray
        Floats with NaN for numbers, codes for categories.
    flags : list of (column, flag, rows)
        Row numbers by column and flag, only where there are any.
    """

    values: list[NDArray[Any]]
    flags: list[tuple[str, str, NDArray[np.intp]]]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.values[0])

    def take(self, rows: NDArray[Any]) -> Table:
        """Some of the rows, without their flags."""
        return Table([v[rows] for v in self.values], [])

    def counted(self) -> pd.DataFrame:
        """Frame [column, flag, rows, done]: how many values were flagged, and what became of them."""
        rows = [(c, f, len(r), FLAGS[f]) for c, f, r in self.flags]
        return pd.DataFrame(rows, columns=["column", "flag", "rows", "done"])

    def by_row(self) -> NDArray[np.object_]:
        """Flags of each row as text, ``"unseen: contract; blank: tenure"``, empty where there are none."""
        state, texts = self.combined()
        return np.array(texts, dtype=object)[state]

    def combined(self) -> tuple[NDArray[np.intp], list[str]]:
        """Which of the occurring combinations of flags each row has, and these as text."""
        state, texts = np.zeros(self.rows, dtype=np.intp), [""]
        for column, flag, rows in self.flags:
            before, place = np.unique(state[rows], return_inverse=True)
            state[rows] = len(texts) + place
            texts += [f"{texts[b]}; {flag}: {column}" if texts[b] else f"{flag}: {column}" for b in before]
        return state, texts


def learn(
    frame: pd.DataFrame, weights: Array, derived: Iterable[tuple[str, str, tuple[str, ...]]] = ()
) -> tuple[Column, ...]:
    """Learn the columns of a table.

    Parameters
    ----------
    frame : DataFrame
        The training rows.
    weights : ndarray of shape (n,)
        Rows that each row stands for.
    derived : iterable of (name, how, parts)
        Totals and ratios of other columns.

    Returns
    -------
    tuple of Column
        The columns of the frame in their order, then the derived ones.

    Raises
    ------
    DataError
        For a column name that is repeated.
    """
    names = [str(c) for c in frame.columns]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise DataError(f"Column {listed(twice)} stands more than once in the table; keep one of each name.")
    columns = [_learn(name, frame.iloc[:, j], weights) for j, name in enumerate(names)]
    values = dict(zip(names, read(frame, columns).values, strict=True))
    for name, how, parts in derived:
        values[name] = derive(how, [values[p] for p in parts])
        columns.append(_learn_number(name, values[name], weights, how, parts))
    return tuple(columns)


def read(frame: pd.DataFrame, columns: Sequence[Column]) -> Table:
    """Read a table with learned columns: in any order, with others beside them.

    Parameters
    ----------
    frame : DataFrame
        The rows.
    columns : sequence of Column
        What :func:`learn` returned.

    Returns
    -------
    Table

    Raises
    ------
    DataError
        For a column that is missing, or there more than once.
    """
    where = {str(c): j for j, c in enumerate(frame.columns)}
    check_columns(map(str, frame.columns), columns)
    found: dict[str, NDArray[Any]] = {}
    flags: list[tuple[str, str, NDArray[np.intp]]] = []
    for column in columns:
        if column.how:
            found[column.name] = derive(column.how, [found[p] for p in column.parts])
            continue
        one = frame.iloc[:, where[column.name]]
        found[column.name], marked = (
            _numbers(one, column.truth) if column.kind == "number" else _categories(one, column.levels)
        )
        if column.kind == "category" and column.pooled:
            found[column.name][marked["unseen"]] = column.size - 1
        if column.kind == "number":
            marked["out of range"] = (found[column.name] < column.low) | (found[column.name] > column.high)
        flags += [(column.name, flag, np.flatnonzero(m)) for flag, m in marked.items() if m.any()]
    return Table([found[c.name] for c in columns], flags)


def check_columns(have: Iterable[str], columns: Sequence[Column]) -> None:
    """Say which columns are missing, or there more than once.

    Parameters
    ----------
    have : iterable of str
        Names in the table.
    columns : sequence of Column
        What is needed.

    Raises
    ------
    DataError
        Where one is missing, or there more than once.
    """
    names = list(have)
    known = set(names)
    if len(names) > len(known) and (twice := [c.name for c in columns if names.count(c.name) > 1]):
        raise DataError(f"Column {listed(twice)} stands more than once in the data; keep one of each name.")
    if missing := [c.name for c in columns if not c.how and c.name not in known]:
        word = "Column" if len(missing) == 1 else f"{len(missing)} columns that the model needs are not in the data:"
        tail = " is not in the data, but the model needs it." if len(missing) == 1 else "."
        raise DataError(f"{word} {listed(missing)}{tail}{near(missing[0], known)}")


def derive(how: str, parts: Sequence[Array]) -> Array:
    """A total or a ratio of columns of numbers; blank where a part is blank or the divisor is zero.

    Parameters
    ----------
    how : {"sum", "ratio"}
        Sum of all parts, or the first divided by the second.
    parts : sequence of ndarray
        The columns.

    Returns
    -------
    ndarray
    """
    if how == "sum":
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(parts[1] == 0, np.nan, parts[0] / parts[1])


def is_number(series: pd.Series) -> bool:
    """Whether a column is one of numbers: by its type, or as text of which nearly all are numbers.

    Parameters
    ----------
    series : Series
        The column.

    Returns
    -------
    bool
    """
    if isinstance(series.dtype, pd.CategoricalDtype):
        return False
    if _numeric_type(series):
        return True
    codes, uniques = _factorize(series)
    filled = np.array([not is_blank(u) for u in uniques], dtype=bool)
    count = np.bincount(codes[codes >= 0], minlength=len(uniques))
    numbers = filled & np.isfinite(parsed(uniques))
    return bool(count[filled].sum() > 0 and count[numbers].sum() >= NUMERIC_SHARE * count[filled].sum())


def text_of(value: Any) -> str:
    """A level as text: whole floats without decimals, no blanks around.

    Parameters
    ----------
    value : object
        A value of the column.

    Returns
    -------
    str
    """
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _learn(name: str, series: pd.Series, weights: Array) -> Column:
    """One column of the table."""
    if is_number(series):
        return _learn_number(name, _numbers(series)[0], weights)
    codes, uniques = _factorize(series)
    texts = np.array(["" if is_blank(u) else text_of(u) for u in uniques], dtype=object)
    count: dict[str, float] = {}
    for text, weight in zip(texts, np.bincount(codes[codes >= 0], weights[codes >= 0], len(uniques)), strict=True):
        count[text] = count.get(text, 0.0) + float(weight)
    count.pop("", None)
    ranked = sorted(count, key=lambda level: (-count[level], level))
    kept = [level for level in ranked[:MOST_LEVELS] if count[level] >= min(LEAST_ROWS, weights.sum() / 4)]
    return Column(name, "category", levels=tuple(kept), pooled=len(kept) < len(ranked))


def _learn_number(name: str, x: Array, weights: Array, how: str = "", parts: tuple[str, ...] = ()) -> Column:
    """A column of numbers: every distinct value its own bin, or bins of equal weight where there are too many."""
    here = np.isfinite(x)
    distinct, where = np.unique(x[here], return_inverse=True)
    if not len(distinct):
        return Column(name, "number", how=how, parts=parts)
    edges = (distinct[:-1] + distinct[1:]) / 2
    if len(distinct) > BINS:
        share = np.cumsum(np.bincount(where, weights[here]))[:-1]
        total = weights[here].sum()
        edges = edges[np.unique(np.searchsorted(share, total * np.arange(1, BINS) / BINS).clip(max=len(edges) - 1))]
    return Column(name, "number", edges=edges, low=distinct[0], high=distinct[-1], how=how, parts=parts)


def _numbers(series: pd.Series, truth: bool = False) -> tuple[Array, dict[str, NDArray[np.bool_]]]:
    """Floats with NaN for what is no finite number, and where that was what."""
    if _numeric_type(series):
        x = _floats(series)
        blank = np.isnan(x)
        text = np.zeros(len(x), dtype=bool)
    else:
        codes, uniques = _factorize(series)
        numbers = np.append(parsed(uniques, truth), np.nan)
        empty = np.append([is_blank(u) for u in uniques], True).astype(bool)
        x, blank = numbers[codes], empty[codes]
        text = np.isnan(x) & ~blank
    infinite = np.isinf(x)
    if infinite.any():
        x = np.where(infinite, np.nan, x)
    return x, {"blank": blank, "not a number": text, "infinite": infinite}


def _categories(series: pd.Series, levels: tuple[str, ...]) -> tuple[Codes, dict[str, NDArray[np.bool_]]]:
    """Codes of a column's levels, 0 for blank and for unseen, and where that was what."""
    codes, uniques = _factorize(series)
    number, blank, unseen = match(uniques, levels)
    return number[codes], {"blank": blank[codes], "unseen": unseen[codes]}


def match(uniques: Sequence[Any], levels: tuple[str, ...]) -> tuple[Codes, NDArray[np.bool_], NDArray[np.bool_]]:
    """Codes of distinct values among known levels.

    Parameters
    ----------
    uniques : sequence
        Distinct values; one more, for "no value", is added at the end.
    levels : tuple of str
        Known levels.

    Returns
    -------
    codes : ndarray of uint8
        1 + place among the levels, 0 for the others.
    blank, unseen : ndarray of bool
        Which are blank, and which are not among the levels.
    """
    known = {level: k + 1 for k, level in enumerate(levels)}
    blank = np.append([is_blank(u) for u in uniques], True).astype(bool)
    codes = np.append([known.get(text_of(u), 0) for u in uniques], 0).astype(np.uint8)
    codes[blank] = 0
    return codes, blank, ~blank & (codes == 0)


def _numeric_type(series: pd.Series) -> bool:
    kind = series.dtype.kind if hasattr(series.dtype, "kind") else "O"
    return kind in "biufmM"


def _floats(series: pd.Series) -> Array:
    """Numbers as floats; dates and durations in days."""
    if series.dtype.kind in "mM":
        if series.dtype.kind == "M":
            stamps = pd.DatetimeIndex(series)
            series = pd.Series((stamps.tz_localize(None) if stamps.tz else stamps) - pd.Timestamp(0))
        return (series.to_numpy() / np.timedelta64(1, "D")).astype(np.float64)
    return series.to_numpy(dtype=float, na_value=np.nan)


def _factorize(series: pd.Series) -> tuple[NDArray[Any], list[Any]]:
    """Place of each value among the distinct ones, -1 for missing."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.cat.codes.to_numpy(dtype=np.intp), series.cat.categories.tolist()
    try:
        codes, uniques = pd.factorize(series.to_numpy() if series.dtype == object else series)
    except TypeError:  # values that cannot be hashed, such as lists
        codes, uniques = pd.factorize(series.astype(str))
    return codes.astype(np.intp), list(uniques)


def parsed(uniques: Sequence[Any], truth: bool = False) -> Array:
    """Distinct values as floats, NaN where they are none.

    Parameters
    ----------
    uniques : sequence
        Distinct values, text or numbers.
    truth : bool, default False
        Whether the words True and False are 1 and 0.

    Returns
    -------
    ndarray
    """
    words = {"true": 1, "false": 0} if truth else {}
    stripped = (u.strip() if isinstance(u, str) else u for u in uniques)
    texts = pd.Series([words.get(u.casefold(), u) if isinstance(u, str) else u for u in stripped], dtype=object)
    return pd.to_numeric(texts, errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def is_blank(value: Any) -> bool:
    """Whether a value says nothing.

    Parameters
    ----------
    value : object
        A value of a column.

    Returns
    -------
    bool
    """
    if isinstance(value, str):
        return value.strip().casefold() in BLANKS
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value))
