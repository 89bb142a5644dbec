"""Tables as HTML, LaTeX, Markdown and workbooks."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..files import in_html, needed, replacing, shown
from .tables import FIT_DIGITS, Cell, Table, Tables

__all__ = ["to_html", "to_latex", "to_markdown", "write"]

STATISTICS = {
    "b",
    "SE",
    "z",
    "t",
    "p",
    "df",
    "N",
    "n",
    "r",
    "R²",
    "f²",
    "M",
    "SD",
    "CI",
}  # set in italics, but for CI
SYMBOL = re.compile(r"(?<![\w*])([pNn]|df)(?= [<=>]|\()")  # statistics in a note

LONGEST_NOTE = 4000  # characters of a sentence
LONGEST_CELL = 32_000  # characters; a cell of a workbook takes 32,767

RULE, HAIR = "2px solid #1b2733", "1px solid #1b2733"
LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "|": r"\textbar{}",
    "−": "$-$", "–": "--", "—": "---", "…": r"\ldots{}", "α": r"$\alpha$", "β": r"$\beta$", "ρ": r"$\rho$", "ω": r"$\omega$",
    "χ²": r"$\chi^2$", "χ": r"$\chi$", "Δ": r"$\Delta$", "²": "$^2$", "√": r"$\surd$", "→": r"$\rightarrow$", "←": r"$\leftarrow$",
    "↔": r"$\leftrightarrow$", "∞": r"$\infty$", "×": r"$\times$", "·": r"$\cdot$", "≥": r"$\geq$", "≤": r"$\leq$",
    "\u00a0": "~", "\u2068": "", "\u2069": "",
}  # fmt: skip

SPECIAL = re.compile("|".join(map(re.escape, sorted(LATEX, key=len, reverse=True))))


# --- HTML -----------------------------------------------------------------------------------------------------------


def to_html(tables: Tables) -> str:
    """Return the tables as one ``<div>``, everything from the data escaped, style inline."""
    return f'<div style="background:#fff;color:#1b2733;overflow-x:auto">{"".join(map(_html_table, tables))}</div>'


def _html_table(t: Table) -> str:
    style = (
        "border-collapse:collapse;font:14px/1.45 Georgia,'Times New Roman',serif;font-variant-numeric:tabular-nums"
    )
    out = [f'<table style="{style};margin:0 0 .3em;border-top:{RULE};border-bottom:{RULE};color:inherit">']
    out.append(
        '<caption style="caption-side:top;text-align:left;padding:0 0 .5em;color:inherit;font-style:italic">'
        f"{in_html(t.title, 600)}</caption><thead>"
    )
    if spans := t.spans():
        cells = (
            f'<th colspan="{n}" style="{_pad("center")}font-weight:400;{f"border-bottom:{HAIR}" if s else ""}">{in_html(s)}</th>'
            for s, n in spans
        )
        out.append(f'<tr style="background:none">{"".join(cells)}</tr>')
    heads = (
        f'<th scope="col" style="{_pad("left" if c.kind == "text" else "right")}font-weight:400;border-bottom:{HAIR};'
        f'vertical-align:bottom">{_html_symbol(c.head)}</th>'
        for c in t.columns
    )
    out.append(f'<tr style="background:none">{"".join(heads)}</tr></thead><tbody>')
    headed = any(t.headings)
    for line, heading in zip(t.lines(), t.headings, strict=True):
        cells = (_html_cell(c, k, headed and not heading) for k, c in enumerate(line))
        out.append(f'<tr style="background:none">{"".join(cells)}</tr>')
    out.append("</tbody></table>")
    if t.every_note:
        text = " ".join(_html_note(n) for n in t.every_note)
        out.append(
            "<p style=\"font:13px/1.45 Georgia,'Times New Roman',serif;margin:0 0 1.8em;max-width:46rem;color:inherit\">"
            f"<i>Note.</i> {text}</p>"
        )
    return "".join(out)


def _html_cell(c: Cell, place: int, indented: bool) -> str:
    indent = "padding-left:1.4em;" if indented and place == 0 else ""
    weight = "font-weight:600;" if c.bold else "font-weight:400;"
    side = "left" if c.kind == "text" else "right"
    tag = 'th scope="row"' if place == 0 else "td"
    return f'<{tag} style="{_pad(side)}{weight}white-space:{"normal" if place == 0 else "nowrap"};{indent}">{in_html(c.text)}</{tag.split()[0]}>'


def _pad(side: str) -> str:
    return f"padding:.18em .7em;text-align:{side};border-left:0;border-right:0;border-top:0;"


def _html_symbol(head: str) -> str:
    return f"<i>{in_html(head)}</i>" if head in STATISTICS - {"CI"} else in_html(head)


def _html_note(text: str) -> str:
    """A note with its statistics in italics; all else is escaped, as names from the data may stand in it."""
    text = shown(text, LONGEST_NOTE)
    parts, at = [], 0
    for found in SYMBOL.finditer(text):
        parts += [html.escape(text[at : found.start()]), f"<i>{found[1]}</i>"]
        at = found.end()
    return "".join([*parts, html.escape(text[at:])])


# --- LaTeX ----------------------------------------------------------------------------------------------------------


def to_latex(tables: Tables) -> str:
    """Return the tables as LaTeX for booktabs, every special character escaped."""
    return "\n".join(map(_latex_table, tables))


def _latex_table(t: Table) -> str:
    sides = "".join("l" if c.kind == "text" else "r" for c in t.columns)
    out = [r"\begin{table}[htbp]", rf"\caption{{{_tex(t.title)}}}", rf"\begin{{tabular}}{{{sides}}}", r"\toprule"]
    if spans := t.spans():
        out.append(" & ".join(rf"\multicolumn{{{n}}}{{c}}{{{_tex(s)}}}" for s, n in spans) + r" \\")
        at, rules = 1, []
        for s, n in spans:
            rules += [rf"\cmidrule(lr){{{at}-{at + n - 1}}}"] if s else []
            at += n
        out.append(" ".join(rules))
    out.append(" & ".join(_tex_symbol(c.head) for c in t.columns) + r" \\")
    out.append(r"\midrule")
    headed = any(t.headings)
    for line, heading in zip(t.lines(), t.headings, strict=True):
        texts = [rf"\textbf{{{_tex(c.text)}}}" if c.bold and c.text else _tex(c.text) for c in line]
        if headed and not heading:
            texts[0] = r"\quad " + texts[0]
        # a line that begins with a bracket would be read as the option of the line break before it
        out.append(("{}" if texts[0].startswith("[") else "") + " & ".join(texts) + r" \\")
    out += [r"\bottomrule", r"\end{tabular}"]
    if t.every_note:
        out.append(rf"\par\smallskip\footnotesize\textit{{Note.}} {' '.join(_tex(n) for n in t.every_note)}")
    return "\n".join([*out, r"\end{table}", ""])


def _tex(text: str) -> str:
    return SPECIAL.sub(lambda m: LATEX[m.group()], shown(text, LONGEST_NOTE))


def _tex_symbol(head: str) -> str:
    return rf"\textit{{{_tex(head)}}}" if head in STATISTICS - {"CI"} else _tex(head)


# --- Markdown -------------------------------------------------------------------------------------------------------


def to_markdown(tables: Tables) -> str:
    """Return the tables as Markdown with pipes."""
    return "\n".join(map(_markdown_table, tables))


def _markdown_table(t: Table) -> str:
    heads = [f"{c.span}: {c.head}" if c.span else c.head for c in t.columns]
    out = [f"**{_plain(t.title)}**", "", _pipes(map(_plain, heads))]
    out.append(f"|{'|'.join(':---' if c.kind == 'text' else '---:' for c in t.columns)}|")
    for line in t.lines():
        out.append(_pipes(f"**{_plain(c.text)}**" if c.bold and c.text else _plain(c.text) for c in line))
    if t.every_note:
        out += ["", f"*Note.* {' '.join(map(_plain, t.every_note))}"]
    return "\n".join([*out, ""])


def _pipes(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    text = shown(text, LONGEST_NOTE)
    return re.sub(r"([\\`*_|\[\]<])", r"\\\1", text) if re.search(r"[\\`*_|<]", text) else text


# --- files ----------------------------------------------------------------------------------------------------------


def write(tables: Tables, path: Path, format: str) -> Path:
    """Write the tables to a file that is there whole or not at all."""
    book = needed("openpyxl", "report") if format == "xlsx" else None
    with replacing(path, "tables") as draft:
        if book is not None:
            _workbook(book, tables).save(draft)
        else:
            text = tables.to(format)
            draft.write_text(_page(tables, text) if format == "html" else text, encoding="utf-8")
    return path


def _page(tables: Tables, body: str) -> str:
    title = html.escape(shown(next((t.title for t in tables), "Tables"), 600))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
        f'<body style="margin:2rem">{body}</body></html>\n'
    )


def _workbook(book: Any, tables: Tables) -> Any:
    """Make a sheet of each table; numbers stay numbers, texts never run as formulas."""
    from openpyxl.styles import Alignment, Border, Font, Side
    from openpyxl.utils import get_column_letter

    out = book.Workbook()
    out.remove(out.active)
    thick, thin = Side("medium"), Side("thin")
    for t in tables:
        sheet = out.create_sheet(_sheet_name(t.name or t.title, out.sheetnames))
        sheet.sheet_view.showGridLines = False
        put = _writer(sheet, Font, Alignment)
        put(1, 1, t.title, italic=True)
        row = 2
        if spans := t.spans():
            at = 1
            for text, n in spans:
                if text:
                    put(row, at, text, side="center")
                    sheet.merge_cells(start_row=row, start_column=at, end_row=row, end_column=at + n - 1)
                at += n
            row += 1
        for k, c in enumerate(t.columns, 1):
            put(row, k, c.head, side="left" if c.kind == "text" else "right", italic=c.head in STATISTICS - {"CI"})
        for k in range(1, len(t.columns) + 1):
            sheet.cell(2, k).border = Border(top=thick, bottom=thin if row == 2 else None)
            if row > 2:
                sheet.cell(row, k).border = Border(bottom=thin)
        headed = any(t.headings)
        for line, heading in zip(t.lines(), t.headings, strict=True):
            row += 1
            for k, cell in enumerate(line, 1):
                value = cell.text if cell.value is None else cell.value
                side, indent = "left" if cell.kind == "text" else "right", int(headed and not heading and k == 1)
                put(row, k, value, side=side, bold=cell.bold, indent=indent)
                if cell.value is not None:
                    sheet.cell(row, k).number_format = _format(cell, t.digits)
        for k in range(1, len(t.columns) + 1):
            sheet.cell(row, k).border = Border(bottom=thick)
        if t.every_note:
            put(row + 1, 1, f"Note. {' '.join(t.every_note)}")
        for k, c in enumerate(t.columns, 1):
            widest = max([len(c.head), *(len(line[k - 1].text) for line in t.lines())])
            sheet.column_dimensions[get_column_letter(k)].width = min(max(widest + 3, 8), 60)
    return out


def _writer(sheet: Any, font: Any, alignment: Any) -> Callable[..., None]:
    """Return what puts a value into a cell of a sheet; a text that a spreadsheet would run gets an apostrophe."""

    def put(
        row: int,
        column: int,
        value: Any,
        *,
        side: str = "left",
        bold: bool = False,
        italic: bool = False,
        indent: int = 0,
    ) -> None:
        cell = sheet.cell(row, column)
        value = shown(value, LONGEST_CELL) if isinstance(value, str) else value  # first: cleaning may bare a formula
        cell.value = f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@") else value
        cell.font = font(name="Georgia", size=11, bold=bold, italic=italic)
        cell.alignment = alignment(horizontal=side, indent=indent)

    return put


def _format(c: Cell, digits: int) -> str:
    """Number format of a cell; stars stand behind the number."""
    if c.kind == "count":
        return "0" if float(c.value).is_integer() else "0.0"
    if c.kind == "p":
        return '[<0.0005]"< .001";.000'
    places = "0" * (FIT_DIGITS if c.kind == "fit" else digits)
    base = f".{places}" if c.kind in ("unit", "fit") and abs(c.value) < 1 else f"0.{places}" if places else "0"
    tail = c.text[len(c.text.rstrip("*")) :]
    return f'{base}"{tail}"' if tail else base


def _sheet_name(text: str, taken: list[str]) -> str:
    base = re.sub(r"[\[\]:*?/\\']", " ", shown(text)).strip()[:28] or "Table"
    name, k = base, 2
    while name.casefold() in map(str.casefold, taken):
        name, k = f"{base} {k}"[:31], k + 1
    return name
