"""From the codes as collected to the numbers models use: missing codes blanked, reversed items turned round."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from .codebook import Codebook, Item
from .entries import is_number, plain
from .validation import numbers_of


def one_column(frame: pd.DataFrame, name: str) -> pd.Series | None:
    """The column of a name, where there is exactly one."""
    column = frame.get(name)
    return column if isinstance(column, pd.Series) else None


def recode(raw: pd.DataFrame, book: Codebook) -> pd.DataFrame:
    """Apply the codebook; the same frame where there is nothing to do."""
    changed: dict[str, pd.Series] = {}
    for name, item in book.items():
        column = one_column(raw, name) if item.missing or item.reversed else None
        if column is None:
            continue
        hit = _coded(column, item)
        if hit.any():
            column = _numbers_left(column.mask(hit))
        changed[name] = _turned(column, item) if item.reversed else column
    # The copy puts the columns together again, which makes every later selection of rows quick.
    return raw.assign(**changed).copy() if changed else raw


def missing_codes(raw: pd.DataFrame, book: Codebook) -> pd.DataFrame:
    """Count the cells of each item that hold each of its missing codes: [column, code, rows]."""
    found: list[tuple[str, object, int]] = []
    for name, item in book.items():
        column = one_column(raw, name) if item.missing else None
        if column is not None:
            counts = column[_coded(column, item)].astype(object).value_counts(sort=False).items()
            found += sorted(
                ((name, plain(code) if is_number(code) else code, int(rows)) for code, rows in counts),
                key=_numbers_first,
            )
    return pd.DataFrame(found, columns=["column", "code", "rows"]).astype({"rows": int, "code": object})


def _numbers_first(found: tuple[str, object, int]) -> tuple[bool, object]:
    return isinstance(found[1], str), found[1]


def _coded(column: pd.Series, item: Item) -> npt.NDArray[np.bool_]:
    """Which cells of a column hold a missing code of its item; in a column of text, '98' is the code 98."""
    hit = column.isin([code for code in item.missing if isinstance(code, str)]).to_numpy(dtype=bool)
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = numbers_of(column)[0]
    else:
        values = pd.to_numeric(column.astype(object), errors="coerce").to_numpy(dtype=float)
    for code in item.missing:
        if not isinstance(code, str):
            low, high = code if isinstance(code, tuple) else (code, code)
            hit = hit | ((values >= low) & (values <= high))
    return hit


def _turned(column: pd.Series, item: Item) -> pd.Series:
    """Turn answers to lo + hi - answer; a column with text in it stays, and no model takes it."""
    if not pd.api.types.is_numeric_dtype(column.dtype):
        values, texts = numbers_of(column)
        if texts:
            return column
        column = pd.Series(values, index=column.index, name=column.name)
    return sum(item.scale or ()) - column


def _numbers_left(column: pd.Series) -> pd.Series:
    """Numbers where a column was text only because of the codes just blanked."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column
    try:
        return pd.to_numeric(column.astype(object))
    except (ValueError, TypeError):
        return column
