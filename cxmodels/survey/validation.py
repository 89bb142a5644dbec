"""Checks of survey columns: each finds problems, says them in a sentence, and leaves raising to the caller."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, listed, near
from .codebook import Item
from .entries import in_language, scale_text

LIMIT = 8
"""How many problems or values a message writes out."""


class Problem(NamedTuple):
    """One fault of one column."""

    column: str
    problem: str
    rows: int
    detail: str


def raise_for(problems: list[Problem]) -> None:
    """Raise one DataError that lists the problems, if there are any."""
    if not problems:
        return
    kinds: dict[str, list[Problem]] = {}
    for problem in problems:
        kinds.setdefault(problem.problem, []).append(problem)
    said = [
        alike[0].detail
        if len(alike) == 1
        else f"{len(alike)} items have the same fault ({kind}): {listed([p.column for p in alike], LIMIT)}. {alike[0].detail}"
        for kind, alike in kinds.items()
    ]
    raise DataError(" ".join(said))


def of_rows(count: int, total: int) -> str:
    """'3 of 250 rows'."""
    return f"{count} of {total} row{'s' * (total != 1)}"


def numbers_of(column: pd.Series) -> tuple[np.ndarray, list[Problem]]:
    """Return a column as floats with NaN for missing, and what in it is no number."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        column = column.astype(dtype.categories.dtype if not column.isna().any() else object)
    if pd.api.types.is_numeric_dtype(column.dtype) and column.dtype.kind != "c":
        return column.to_numpy(dtype=float, na_value=np.nan), []
    cells = np.asarray(column, dtype=object)
    blank = pd.isna(cells)
    wrong = np.array([not _number(cell) for cell in cells], dtype=bool) & ~blank
    values = np.array([np.nan if bad else _float(cell) for cell, bad in zip(cells, wrong | blank, strict=True)])
    return values, [_no_numbers(str(column.name), cells[wrong], len(cells))] if wrong.any() else []


def _number(cell: object) -> bool:
    """Whether a cell of an object column is a real number; text that looks like one is text."""
    return isinstance(cell, numbers.Real | Decimal | np.bool_)


def _float(cell: Any) -> float:
    """A number as float; an integer beyond all floats is infinite, and is refused as such."""
    try:
        return float(cell)
    except OverflowError:
        return np.inf


def _no_numbers(name: str, cells: np.ndarray, total: int) -> Problem:
    """Say which cells are no numbers, with an example and what to do."""
    culprits = [cell for cell in cells if not _reads_as_number(cell)]
    if not culprits:
        detail = (
            f"Item '{name}' holds numbers stored as text in {of_rows(len(cells), total)}, such as '{cells[0]}': "
            "convert the column with pandas.to_numeric."
        )
        return Problem(name, "text", len(cells), detail)
    what = "text" if isinstance(culprits[0], str) else "dates" if hasattr(culprits[0], "year") else "no numbers"
    shown = str(culprits[0])
    detail = (
        f"Item '{name}' holds {what} in {of_rows(len(culprits), total)}, such as "
        f"'{shown if len(shown) <= 40 else shown[:37] + '...'}': "
        "code the answers as numbers, or declare texts that mean no answer as missing codes."
    )
    return Problem(name, "text", len(culprits), detail)


def _reads_as_number(cell: object) -> bool:
    try:
        float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return isinstance(cell, str)


def array_problems(
    values: np.ndarray,
    items: list[str],
    book: Mapping[str, Item] = {},
    *,
    allow_missing: bool = True,
    constant: bool = False,
) -> list[Problem]:
    """Find what makes columns of floats unusable; quick where nothing is wrong."""
    problems: list[Problem] = []
    n = len(values)
    with np.errstate(over="ignore", invalid="ignore"):
        clean = np.isfinite(values.sum())
    if not clean:
        missing = np.isnan(values).sum(axis=0)
        infinite = np.isinf(values).sum(axis=0)
        for name, gone, endless in zip(items, missing.tolist(), infinite.tolist(), strict=True):
            if endless:
                problems.append(_infinite(name, endless, n))
            if gone == n:
                problems.append(_all_missing(name, n))
            elif gone and not allow_missing:
                detail = f"Item '{name}' has no answer in {of_rows(gone, n)}: fill or drop them."
                problems.append(Problem(name, "missing", gone, detail))
    declared = [j for j, name in enumerate(items) if name in book and book[name].scale] if book else []
    if declared:
        low, high = np.array([book[items[j]].scale for j in declared]).T
        beyond = ((values[:, declared] < low) | (values[:, declared] > high)).any(axis=0)
        for j in np.compress(beyond, declared):
            problems += outside(values[:, j], book[items[j]])
    if constant and n:
        # fmin and fmax pass over missing answers
        same = np.fmin.reduce(values, axis=0) == np.fmax.reduce(values, axis=0)
        problems += [constant_item(items[j], values[:, j]) for j in np.flatnonzero(same)]
    return problems


def _infinite(name: str, count: int, total: int) -> Problem:
    detail = f"Item '{name}' is infinite in {of_rows(count, total)}: correct the values or set them to missing."
    return Problem(name, "infinite", count, detail)


def _all_missing(name: str, total: int) -> Problem:
    detail = f"Item '{name}' has no answer in any of {total} row{'s' * (total != 1)}: leave it out."
    return Problem(name, "all missing", total, detail)


def constant_item(name: str, values: np.ndarray) -> Problem:
    """Say that an item has one value only."""
    answered = values[~np.isnan(values)]
    detail = f"Item '{name}' is {answered[0]:g} in all {len(answered)} rows that have it: leave it out."
    return Problem(name, "constant", len(answered), detail)


def outside(values: np.ndarray, item: Item) -> list[Problem]:
    """Find finite values beyond the ends of an item's scale; the message shows the codes as collected."""
    if item.scale is None:
        return []
    lo, hi = item.scale
    wrong = values[((values < lo) | (values > hi)) & np.isfinite(values)]
    if not wrong.size:
        return []
    codes, counts = np.unique(lo + hi - wrong if item.reversed else wrong, return_counts=True)
    found = sorted(zip(codes.tolist(), counts.tolist(), strict=True), key=lambda pair: -pair[1])
    shown = ", ".join(_counted(code, count, item) for code, count in found[:LIMIT])
    more = f" and {len(found) - LIMIT} other values" if len(found) > LIMIT else ""
    detail = (
        f"Item '{item.name}' is outside its scale {scale_text(item.scale)} in {of_rows(wrong.size, len(values))}: "
        f"{shown}{more}; correct them or declare them missing codes."
    )
    return [Problem(item.name, "out of scale", wrong.size, detail)]


def unlabelled(values: np.ndarray, item: Item) -> list[Problem]:
    """Find codes without a text where every whole number from the first to the last text has one."""
    labels = sorted(code for code in item.values if not isinstance(code, str))
    run = [code for code in labels if not _declared_missing(code, item)]
    if item.scale or len(run) < 2 or run != list(range(int(run[0]), int(run[0]) + len(run))):
        return []
    wrong = values[np.isfinite(values) & ~np.isin(values, run)]
    if not wrong.size:
        return []
    codes, counts = np.unique(wrong, return_counts=True)
    shown = ", ".join(_counted(c, n, item) for c, n in zip(codes[:LIMIT].tolist(), counts.tolist(), strict=False))
    detail = (
        f"Item '{item.name}' has texts for the answers {run[0]:g} to {run[-1]:g}, but holds {shown} in "
        f"{of_rows(wrong.size, len(values))}: give them a text or declare them missing codes."
    )
    return [Problem(item.name, "code without a text", wrong.size, detail)]


def _declared_missing(code: float, item: Item) -> bool:
    pairs = [pair if isinstance(pair, tuple) else (pair, pair) for pair in item.missing if not isinstance(pair, str)]
    return any(low <= code <= high for low, high in pairs)


def _counted(code: float, count: int, item: Item) -> str:
    """'99 "Don't know" (12 rows)'."""
    text = in_language(item.values.get(code, {}), None)
    quoted = f' "{text}"' if text else ""
    return f"{code:g}{quoted} ({count} row{'s' if count > 1 else ''})"


def weight_problems(weights: Any, n: int, name: str = "weights") -> tuple[np.ndarray, list[Problem]]:
    """Return case weights as floats and what is wrong with them."""
    said = "The weights" if name == "weights" else f"Weight '{name}'"
    if isinstance(weights, np.ndarray) and weights.dtype.kind in "iufb":
        values = np.asarray(weights, dtype=float)
        problems: list[Problem] = []
    else:
        column = weights if isinstance(weights, pd.Series) else _as_column(weights, said)
        values, problems = numbers_of(column.rename(name))
        if problems:
            count = problems[0].rows
            example = next(cell for cell in column if not (_number(cell) or pd.isna(cell)))
            text = f"{said} must be numbers: {of_rows(count, len(values))} hold something else, such as '{example}'."
            return values, [Problem(name, "text weight", count, text)]
    if values.ndim != 1 or len(values) != n:
        shape = " x ".join(map(str, values.shape))
        return values, [
            Problem(name, "weight length", 0, f"{said} must be one number for each of {n} rows, not {shape}.")
        ]
    checks = [
        ("missing weight", np.isnan(values), "are missing", "fill them or drop those rows"),
        ("infinite weight", np.isinf(values), "are infinite", "correct them"),
        ("negative weight", values < 0, "are negative", "a weight is 0 or more"),
    ]
    for problem, wrong, what, remedy in checks:
        count = int(wrong.sum())
        if count:
            problems.append(Problem(name, problem, count, f"{said}: {of_rows(count, n)} {what}; {remedy}."))
    if n and not problems and not values.any():
        problems.append(
            Problem(name, "zero weights", n, f"{said} are 0 in all {n} rows: at least one must be positive.")
        )
    return values, problems


def column_problems(column: pd.Series, item: Item | None) -> list[Problem]:
    """Find every problem of one item; a column of mere text is one only where a scale says numbers."""
    values, texts = numbers_of(column)
    if texts:
        mixed = 2 * texts[0].rows < int(column.notna().sum())
        return texts if mixed or (item is not None and item.scale) else []
    name = str(column.name)
    problems = array_problems(values[:, None], [name], {name: item} if item else {}, constant=True)
    return problems + (unlabelled(values, item) if item else [])


def level_problems(frame: pd.DataFrame, wave: str | None, hierarchy: tuple[str, ...]) -> list[Problem]:
    """Find rows without a wave or level, and units of one level that lie in several units of the next."""
    problems = []
    for name in [*([wave] if wave else []), *hierarchy]:
        blank = int(frame[name].isna().sum())
        if blank:
            detail = f"Column '{name}' is blank in {of_rows(blank, len(frame))}: these belong to no unit."
            problems.append(Problem(name, "no unit", blank, detail))
    for fine, coarse in pairwise(hierarchy):
        keys = [wave, fine] if wave else [fine]
        parents = frame[[*keys, coarse]].dropna().drop_duplicates().groupby(keys, observed=True)[coarse].agg(list)
        split = parents[parents.map(len) > 1]
        if len(split):
            unit = split.index[0][-1] if wave else split.index[0]
            rows = int(frame[fine].isin(split.index.get_level_values(fine)).sum())
            detail = (
                f"{len(split)} of {len(parents)} values of '{fine}' lie in several of '{coarse}', such as '{unit}' in "
                f"{listed(split.iloc[0], limit=3)}: each must belong to one."
            )
            problems.append(Problem(fine, "not nested", rows, detail))
    return problems


def _as_column(weights: Any, said: str) -> pd.Series:
    try:
        return pd.Series(weights)
    except (ValueError, TypeError):
        raise DataError(f"{said} must be a 1-D array of numbers, not a {type(weights).__name__}.") from None


def check_weights(weights: Any, n: int, *, name: str = "weights") -> npt.NDArray[np.float64]:
    """Return case weights as floats, or say what is wrong with them.

    Parameters
    ----------
    weights : array-like (n,)
        One number for each row; zero leaves a row out.
    n : int
        Number of rows.
    name : str, default "weights"
        Column name for messages.

    Returns
    -------
    ndarray (n,)
        The weights, not rescaled.

    Raises
    ------
    DataError
        If they are negative, missing, infinite, no numbers, all zero or not n.

    Examples
    --------
    >>> from cxmodels.survey import check_weights
    >>> check_weights([1, 2, 0], 3)
    array([1., 2., 0.])
    >>> check_weights([1, -2, 0], 3)
    Traceback (most recent call last):
    cxmodels.errors.DataError: The weights: 1 of 3 rows are negative; a weight is 0 or more.
    """
    values, problems = weight_problems(weights, n, name)
    raise_for(problems)
    return values


def require_role(frame: pd.DataFrame, name: str, role: str) -> None:
    """Refuse a role for a column that is not there exactly once."""
    count = int((frame.columns == name).sum())
    if count == 1:
        return
    if count:
        raise DataError(f"Column '{name}' ({role}) is in the data {count} times: keep one.")
    hint = near(name, frame.columns) or f" Columns are {listed(frame.columns)}."
    raise DataError(f"Column '{name}' ({role}) is not in the data.{hint}")


def require_weights(weights: Any, frame: pd.DataFrame) -> None:
    """Refuse weights given by value that cannot belong to these rows."""
    if np.ndim(weights) != 1 or len(weights) != len(frame):
        shape = " x ".join(map(str, np.shape(weights))) or "a single value"
        raise DataError(f"The weights must be one number for each of {len(frame)} rows, not {shape}.")
    if isinstance(weights, pd.Series) and not weights.index.equals(frame.index):
        raise DataError(
            "The index of the weights differs from that of the data: align them, or give weights.to_numpy()."
        )


def place_problem(frame: pd.DataFrame, name: str) -> Problem | None:
    """Say why a column cannot be looked up."""
    count = int((frame.columns == name).sum())
    if count == 1:
        return None
    if count:
        detail = f"Item '{name}' is in the data {count} times: keep one column of that name."
        return Problem(name, "duplicated column", count, detail)
    hint = near(str(name), frame.columns)
    case = " Columns are case-sensitive." if hint else f" Columns are {listed(frame.columns)}."
    return Problem(str(name), "not in the data", 0, f"Item '{name}' is not in the data.{hint}{case}")
