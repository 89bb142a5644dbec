"""Checks of survey columns: each finds problems, says them in a sentence, and leaves raising to the caller."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..errors import DataError
from .codebook import scale_text

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
    said = [problem.detail for problem in problems[:LIMIT]]
    if len(problems) > LIMIT:
        said.append(f"And {len(problems) - LIMIT} more problems.")
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
    values = np.array([np.nan if bad else float(cell) for cell, bad in zip(cells, wrong | blank, strict=True)])
    return values, [_no_numbers(str(column.name), cells[wrong], len(cells))] if wrong.any() else []


def _number(cell: object) -> bool:
    """Whether a cell of an object column is a real number; text that looks like one is text."""
    import numbers
    from decimal import Decimal

    return isinstance(cell, numbers.Real | Decimal | np.bool_)


def _no_numbers(name: str, cells: np.ndarray, total: int) -> Problem:
    """Say which cells are no numbers, with an example and what to do."""
    example = cells[0]
    what = "text" if isinstance(example, str) else "dates" if hasattr(example, "year") else "no numbers"
    shown = example if isinstance(example, str) else str(example)
    shown = shown if len(shown) <= 40 else shown[:37] + "..."
    hint = (
        "convert the column with pandas.to_numeric"
        if all(isinstance(cell, str) and _reads_as_number(cell) for cell in cells)
        else "code the answers as numbers, or declare texts that mean no answer as missing codes"
    )
    return Problem(
        name,
        "text",
        len(cells),
        f"Item '{name}' holds {what} in {of_rows(len(cells), total)}, such as '{shown}': {hint}.",
    )


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def array_problems(
    values: np.ndarray,
    items: list[str],
    scales: Iterable[tuple[float, float] | None] = (),
    *,
    allow_missing: bool = True,
    constant: bool = False,
) -> list[Problem]:
    """Find what makes columns of floats unusable; quick where nothing is wrong.

    `scales` is empty or holds the scale (or None) of each item.
    """
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
                problems.append(
                    Problem(
                        name,
                        "missing",
                        gone,
                        f"Item '{name}' has no answer in {of_rows(gone, n)}: fill or drop them.",
                    )
                )
    for j, scale in enumerate(scales):
        if scale is not None:
            problems += outside(values[:, j], items[j], scale)
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


def outside(values: np.ndarray, name: str, scale: tuple[float, float]) -> list[Problem]:
    """Find finite values beyond the ends of a scale, with each value and its count."""
    lo, hi = scale
    wrong = values[((values < lo) | (values > hi)) & np.isfinite(values)]
    if not wrong.size:
        return []
    found, counts = (part.tolist() for part in np.unique(wrong, return_counts=True))
    order = sorted(range(len(found)), key=lambda i: -counts[i])[:LIMIT]
    shown = ", ".join(f"{found[i]:g} ({counts[i]} row{'s' * (counts[i] != 1)})" for i in order)
    more = f" and {len(found) - LIMIT} other values" if len(found) > LIMIT else ""
    detail = (
        f"Item '{name}' is outside its scale {scale_text(scale)} in {of_rows(wrong.size, len(values))}: "
        f"{shown}{more}; correct them or declare them missing codes."
    )
    return [Problem(name, "out of scale", wrong.size, detail)]


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


def _as_column(weights: Any, said: str) -> pd.Series:
    try:
        return pd.Series(weights)
    except (ValueError, TypeError):
        raise DataError(f"{said} must be a 1-D array of numbers, not a {type(weights).__name__}.") from None
