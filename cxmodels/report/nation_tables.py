"""Tables of a benchmark study: what stands in a column decides how a page, a sheet or a slide writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from .blocks import Block, markup, shown
from .nation_charts import interval_mark
from .words import NOTHING, Language

__all__ = ["ARROWS", "Column", "Sheet", "flag_text", "sortable"]

Kind = Literal[
    "text", "index", "points", "impact", "share", "count", "rank", "p", "number", "flag", "span", "shares", "mark"
]
BESIDE = {
    "index_",
    "ci_lower",
    "ci_upper",
    "flag",
    "rank_lower",
    "rank_upper",
    "href",
}  # what some kinds of columns read too
ARROWS = {"up": "▲", "down": "▼", "same": "≈", "none": ""}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name : str
        Column of the frame.
    head : str
        What the reader calls it.
    kind : str, default "text"
        text; index (0-100, one decimal); points (signed, one decimal); impact (two decimals); share (of one);
        count; rank (with its interval, rank_lower and rank_upper); p; number (three decimals); span (the interval ci_lower to ci_upper); shares (a share with its interval, NAME_lower and
        NAME_upper beside it); flag (a change in points with its arrow and word); mark (a drawing of the interval,
        on pages only).
    """

    name: str
    head: str
    kind: Kind = "text"


@dataclass(frozen=True, eq=False)
class Sheet:
    """One sheet of a workbook.

    Parameters
    ----------
    name : str
        At most 31 characters.
    frame : DataFrame
    columns : sequence of Column
    note : str
        What the sheet holds.
    flag : sequence of {"up", "down", "same", "none"}, optional
        One for each line, for its colour.
    """

    name: str
    frame: pd.DataFrame
    columns: Sequence[Column]
    note: str = ""
    flag: Sequence[str] | None = None


def flag_text(flag: str, change: float, words: Language) -> str:
    """Write a change with its arrow and a word, so that it does not hang on colour.

    Parameters
    ----------
    flag : {"up", "down", "same", "none"}
        Clear rise, clear fall, no clear change, nothing to compare with.
    change : float
        Points.
    words : Language

    Returns
    -------
    str

    Examples
    --------
    >>> from cxmodels.report.words import language
    >>> flag_text("down", -1.25, language("en")), flag_text("none", float("nan"), language("en"))
    ('▼ −1.2 fell', 'new')
    """
    if flag == "none":
        return words("new")
    return f"{ARROWS[flag]} {words.number(change, 1, signed=True)} {words(flag)}"


def sortable(
    frame: pd.DataFrame,
    columns: Sequence[Column],
    words: Language,
    *,
    title: str = "",
    caption: str = "",
    strong: Callable[[Any], bool] | None = None,
    seek: bool = False,
    middle: float = np.nan,
) -> Block:
    """Make a table that a reader can sort by its heads.

    Parameters
    ----------
    frame : DataFrame
        A column ``flag`` is needed for the kind flag; index_, ci_lower and ci_upper for the kind mark. A column ``href``
        links the first column.
    columns : sequence of Column
    words : Language
    title, caption : str
    strong : callable, optional
        Whether a line, given as a dict, stands out.
    seek : bool, default False
        Whether a reader can look for names in it.
    middle : float, default NaN
        What the drawn intervals are compared with.

    Returns
    -------
    dict
        A block for a page.
    """
    ends = _ends(frame, middle) if any(c.kind == "mark" for c in columns) else (0.0, 1.0)
    rows = []
    every = strong is not None or any(c.kind == "shares" for c in columns)
    needed = [c for c in frame.columns if every or c in {k.name for k in columns} | BESIDE]
    for values in zip(*(frame[c].tolist() for c in needed), strict=True):
        line = dict(zip(needed, values, strict=True))
        cells = [_cell(line, c, words, ends, middle) for c in columns]
        cells[0]["href"] = line.get("href") or ""
        rows.append({"cells": cells, "strong": bool(strong and strong(line))})
    head = [{"text": c.head, "kind": _css(c.kind)} for c in columns]
    filter_text = words("seek") if seek else ""
    return {"kind": "table", "head": head, "rows": rows, "title": title, "caption": caption, "sortable": len(rows) > 2, "filter": filter_text}  # fmt: skip


def text_of(value: Any, kind: str, words: Language) -> str:
    """Write one value as a reader of that language sees it.

    Parameters
    ----------
    value : object
    kind : str
        Of the column.
    words : Language

    Returns
    -------
    str
    """
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return NOTHING
    if kind == "text":
        return shown(value)
    if kind == "p":
        return words.pvalue(float(value))
    if kind == "share":
        return words.share(float(value), 1)
    digits = {"index": 1, "points": 1, "flag": 1, "impact": 2, "number": 3}.get(kind, 0)
    return words.number(float(value), digits, signed=kind in ("points", "flag"))


def _cell(
    line: Mapping[Any, Any], column: Column, words: Language, ends: tuple[float, float], middle: float
) -> dict[str, Any]:
    if column.kind == "mark":
        drawn = interval_mark(line["index_"], line["ci_lower"], line["ci_upper"], ends, middle)
        return {"text": markup(drawn), "kind": "mark", "value": None, "href": ""}
    if column.kind == "span":
        text = words.span(line["ci_lower"], line["ci_upper"]) or NOTHING
        return {"text": text, "kind": "n", "value": _key(line["ci_lower"]), "href": ""}
    value = line[column.name]
    if column.kind == "flag":
        text, css = flag_text(line["flag"], value, words), f"n flag{line['flag']}"
    elif column.kind == "shares":
        ends_of = [words.number(100 * line[f"{column.name}_{end}"]) for end in ("lower", "upper")]
        said = text_of(value, "share", words)
        text, css = said if said == NOTHING else f"{said} ({'–'.join(ends_of)})", "n"
    elif column.kind == "rank":
        ends_of = [text_of(line[k], "count", words) for k in ("rank_lower", "rank_upper")]
        text, css = f"{text_of(value, 'count', words)} ({'–'.join(ends_of)})", "n"
    else:
        text, css = text_of(value, column.kind, words), _css(column.kind)
    return {"text": text, "kind": css, "value": None if column.kind == "text" else _key(value), "href": ""}


def _key(value: Any) -> str:
    """What a script sorts by; empty where the number is missing."""
    return "" if value is None or pd.isna(value) else f"{float(value):.6g}"


def _css(kind: str) -> str:
    return kind if kind in ("text", "mark") else "n"


def _ends(frame: pd.DataFrame, middle: float) -> tuple[float, float]:
    """Ends of the axis that the drawn intervals of a table share."""
    values = np.append(frame[["index_", "ci_lower", "ci_upper"]].to_numpy(dtype=float), middle)
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
