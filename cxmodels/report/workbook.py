"""A benchmark study as a workbook: a sheet for each table, with formats, filters and a frozen head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..files import needed, neutral, replacing
from .blocks import shown
from .svg import ACCENT, BLUE

if TYPE_CHECKING:
    from .nation_tables import Sheet
    from .words import Language

LONGEST = 32_000  # characters; a cell of a workbook takes 32,767
WIDEST = 46
FONT = "Calibri"  # that of cells without a style of their own
FORMATS = {
    "index": "0.0", "points": '+0.0;"−"0.0;0.0', "impact": '0.00;"−"0.00', "share": "0.0%", "count": "#,##0", "p": '[<0.001]"< "0.001;0.000',
    "number": "0.000", "rank": "0",
}  # fmt: skip


def write_workbook(
    sheets: Sequence[Sheet], path: str | Path, *, title: str, facts: Sequence[tuple[str, str]], words: Language
) -> Path:
    """Write tables to a workbook, whole or not at all.

    Parameters
    ----------
    sheets : sequence of Sheet
        From :func:`cxmodels.report.nation_tables.sheets`.
    path : str or Path
        Ends in .xlsx.
    title : str
        Of the study, on the first sheet.
    facts : sequence of (term, text)
        Method and provenance, on the first sheet.
    words : Language
        Language of the labels; numbers follow the reader's own settings.

    Returns
    -------
    Path

    Raises
    ------
    SpecError
        If openpyxl is not installed.
    DataError
        If the file cannot be written.
    """
    openpyxl, target = needed("openpyxl", "report"), Path(path)
    book = openpyxl.Workbook()
    _contents(book.active, sheets, title, facts, words)
    for sheet in sheets:
        _fill(book.create_sheet(sheet.name), sheet)
    book.properties.title = shown(title)
    book.properties.creator = "cxmodels"
    with replacing(target, "workbook") as draft:
        book.save(draft)
    return target


def _contents(
    page: Any, sheets: Sequence[Sheet], title: str, facts: Sequence[tuple[str, str]], words: Language
) -> None:
    """The first sheet: what the others hold, and how the numbers came about."""
    from openpyxl.styles import Alignment, Font
    from openpyxl.worksheet.hyperlink import Hyperlink

    page.title = words("contents")
    page.sheet_view.showGridLines = False
    head, soft = Font(name=FONT, bold=True, size=16, color=_rgb(BLUE)), Font(name=FONT, color="55616C")
    lines: list[tuple[str, str]] = [(s.name, s.note) for s in sheets]
    texts = neutral(pd.DataFrame([("", title), *lines, *facts], columns=["term", "text"]).map(_plain))
    page["A1"], page["A1"].font = texts["text"][0], head
    for at, (term, text) in enumerate(texts.iloc[1:].itertuples(index=False, name=None)):
        row = at + 3 + (at >= len(lines)) * 2
        page.cell(row, 1, term).font = soft
        page.cell(row, 2, text).alignment = Alignment(wrap_text=True, vertical="top")
        page.cell(row, 1).alignment = Alignment(vertical="top")
        page.row_dimensions[row].height = 15.5 * max(-(-len(text) // 105), 1)  # not every program fits wrapped rows
        if at < len(lines):
            cell = page.cell(row, 1)
            cell.hyperlink = Hyperlink(cell.coordinate, location=f"'{sheets[at].name}'!A1")
            page.cell(row, 1).font = Font(name=FONT, color=_rgb(BLUE), underline="single")
    page.cell(len(lines) + 4, 1, words("method")).font = Font(name=FONT, bold=True, size=13)
    page.column_dimensions["A"].width, page.column_dimensions["B"].width = 32, 100
    _print_across(page)


def _fill(page: Any, sheet: Sheet) -> None:
    """One table: a frozen head with filters, each column in its format, clear changes in colour."""
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter

    columns = list(sheet.columns)
    frame = neutral(sheet.frame[[c.name for c in columns]].map(_value))  # cleaned first: cleaning may bare a formula
    heads = neutral(pd.DataFrame({"head": [c.head for c in columns]}).map(_plain))["head"]
    for k, (column, head) in enumerate(zip(columns, heads, strict=True), 1):
        cell = page.cell(1, k, head)
        cell.font = Font(name=FONT, bold=True, color="FFFFFF")
        cell.fill = PatternFill("solid", fgColor=_rgb(BLUE))
        side = "left" if column.kind == "text" else "right"
        cell.alignment = Alignment(wrap_text=True, vertical="center", horizontal=side)
        values = list(frame[column.name])
        for row, value in enumerate(values, 2):
            cell = page.cell(row, k, value)
            if column.kind in FORMATS:
                cell.number_format = FORMATS[column.kind]
            elif k > 1:
                cell.alignment = Alignment(horizontal="left", indent=1)
        longest = max([len(str(v)) for v in values if isinstance(v, str)], default=0)
        word = max(len(w) for w in head.split()) if head.split() else 0
        page.column_dimensions[get_column_letter(k)].width = min(max(longest, word + 3, 9) + 1, WIDEST)
    if sheet.flag is not None:
        _colour(page, sheet.flag, len(columns), Font)
    page.freeze_panes = page.cell(2, 1 + sum(1 for c in columns[:1] if c.kind == "text"))
    page.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{max(len(frame) + 1, 2)}"
    page.row_dimensions[1].height = 46
    page.print_title_rows = "1:1"
    _print_across(page)


def _print_across(page: Any) -> None:
    """Have a sheet printed as wide as the paper."""
    page.page_setup.orientation, page.page_setup.fitToWidth, page.page_setup.fitToHeight = "landscape", 1, 0
    page.sheet_properties.pageSetUpPr.fitToPage = True


def _colour(page: Any, flags: Sequence[str], columns: int, font: Any) -> None:
    """Set the rows of clear changes in the colour of their sign; the words say it too."""
    colours: Mapping[str, str] = {"up": _rgb(BLUE), "down": _rgb(ACCENT)}
    for row, flag in enumerate(flags, 2):
        if flag in colours:
            for k in range(1, columns + 1):
                page.cell(row, k).font = font(name=FONT, color=colours[flag])


def _value(value: Any) -> Any:
    """What a cell holds: a number, a text without control characters, or nothing."""
    if value is None or pd.isna(value):
        return None
    if isinstance(value, bool | int | float):
        return value if abs(value) < float("inf") else None
    if hasattr(value, "item"):
        return _value(value.item())
    return _plain(value)


def _plain(value: object) -> str:
    return shown(value, LONGEST)


def _rgb(colour: str) -> str:
    return colour.lstrip("#").upper()
