"""A table as journals print it: columns of a kind, headed rows, notes; numbers stay numbers until they are written.

Number style is that of the American Psychological Association (2020, Publication Manual, 7th ed., 6.36): no zero before
the point of what cannot exceed 1 (p, correlations, standardised estimates, reliabilities), p to three decimals and
``< .001`` below that, a real minus sign.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ..errors import SpecError, listed, near
from .blocks import shown

__all__ = ["FORMATS", "Cell", "Column", "Table", "Tables", "number_text"]

Kind = Literal["text", "number", "unit", "fit", "p", "count", "interval", "unit interval", "fit interval"]
FORMATS = ("html", "latex", "markdown", "xlsx")
SUFFIXES = {".html": "html", ".htm": "html", ".tex": "latex", ".md": "markdown", ".xlsx": "xlsx"}
STAR_NOTE = "* p < .05. ** p < .01. *** p < .001."
FIT_DIGITS = 3  # of fit indices and p-values, whatever the digits of the rest


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name : str or (str, str)
        Column of the frame; the two ends of an interval.
    head : str
        What stands above it.
    kind : str, default "number"
        text; number; unit (cannot exceed 1: no leading zero); fit (the same with three decimals); p; count;
        interval, unit interval and fit interval (two ends in brackets).
    span : str, default ""
        Head over neighbouring columns with the same.
    pvalue : str, default ""
        Column whose p-values become stars behind the number.
    bold : str, default ""
        Column that says which cells stand out.
    """

    name: str | tuple[str, str]
    head: str
    kind: Kind = "number"
    span: str = ""
    pvalue: str = ""
    bold: str = ""


@dataclass(frozen=True)
class Cell:
    """One cell as it is written.

    Attributes
    ----------
    text : str
    value : object
        The number behind the text, None where there is none.
    kind : str
        That of the column.
    bold : bool
    """

    text: str
    value: Any
    kind: str
    bold: bool = False


@dataclass(frozen=True, eq=False)
class Table:
    """One table.

    Parameters
    ----------
    title : str
    frame : DataFrame
        One row per line; a column ``heading`` (bool) marks the lines that head those below.
    columns : sequence of Column
        What is shown, in order.
    notes : sequence of str
        Sentences below.
    digits : int, default 2
        Decimals.
    name : str, default ""
        Short name: the ``what`` that asks for the table alone.
    """

    title: str
    frame: pd.DataFrame
    columns: Sequence[Column]
    notes: Sequence[str] = ()
    digits: int = 2
    name: str = ""

    @property
    def headings(self) -> list[bool]:
        """Which lines head those below."""
        if "heading" not in self.frame:
            return [False] * len(self.frame)
        return [bool(x) for x in self.frame["heading"]]

    @property
    def every_note(self) -> tuple[str, ...]:
        """The notes, and what stars mean."""
        return (*self.notes, STAR_NOTE) if any(c.pvalue for c in self.columns) else tuple(self.notes)

    def spans(self) -> list[tuple[str, int]]:
        """Heads over the columns, each with the number of columns it covers; empty if there are none."""
        out: list[tuple[str, int]] = []
        for c in self.columns:
            if out and out[-1][0] == c.span:
                out[-1] = (c.span, out[-1][1] + 1)
            else:
                out.append((c.span, 1))
        return out if any(s for s, _ in out) else []

    def lines(self) -> Iterator[list[Cell]]:
        """Yield the cells, line by line."""
        heads = self.headings
        for i, (_, row) in enumerate(self.frame.iterrows()):
            yield [self._cell(row, c, heads[i]) for c in self.columns]

    def _cell(self, row: pd.Series, column: Column, heading: bool) -> Cell:
        bold = (heading and column.kind == "text") or bool(column.bold and row[column.bold])
        if isinstance(column.name, tuple):
            ends = [row[n] for n in column.name]
            if any(_blank(e) for e in ends):
                return Cell("", None, column.kind)
            kind = column.kind.removesuffix("interval").strip() or "number"
            text = ", ".join(number_text(e, kind, self.digits) for e in ends)
            return Cell(f"[{text}]", None, column.kind, bold)
        value = row[column.name]
        if column.kind == "text":
            return Cell("" if _blank(value) else shown(value), None, "text", bold)
        if _blank(value):
            return Cell("", None, column.kind)
        text = number_text(value, column.kind, self.digits)
        if column.pvalue and not _blank(row[column.pvalue]):
            text += stars(row[column.pvalue])
        return Cell(text, float(value) if math.isfinite(value) else None, column.kind, bold)


@dataclass(frozen=True, eq=False)
class Tables:
    r"""Tables ready to be published: shown in a notebook, returned as text or written to a file.

    Parameters
    ----------
    tables : tuple of Table

    Examples
    --------
    >>> import cxmodels as cx
    >>> res = cx.SEM("visual =~ x1 + x2 + x3; speed =~ x7 + x8 + x9").fit(cx.datasets.load("holzinger"))
    >>> print(cx.report.table(res, what="fit").to("markdown").splitlines()[4])
    | 47.41 | 8 | \< .001 | .879 | .774 | .128 | [.094, .164] | .079 |
    """

    tables: tuple[Table, ...] = field(default=())

    def __iter__(self) -> Iterator[Table]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    def __getitem__(self, name: str) -> Table:
        found = {t.name: t for t in self.tables}
        if name not in found:
            raise SpecError(f"There is no table '{name}'; there are {listed(found)}.{near(name, found)}")
        return found[name]

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The numbers of each table, by its name."""
        return {t.name: t.frame for t in self.tables}

    def to(self, format: str = "html") -> str:
        """Return the tables as text.

        Parameters
        ----------
        format : {"html", "latex", "markdown"}, default "html"
            HTML with inline style, to be pasted into a mail or a word processor; LaTeX for the packages booktabs and,
            outside of XeLaTeX and LuaLaTeX, inputenc with utf8; Markdown with pipes.

        Returns
        -------
        str

        Raises
        ------
        SpecError
            For another format; a workbook needs :meth:`write`.

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.SEM("visual =~ x1 + x2 + x3; speed =~ x7 + x8 + x9").fit(cx.datasets.load("holzinger"))
        >>> print(cx.report.table(res, what="fit").to("markdown").splitlines()[0])
        **Model Fit**
        """
        from . import table_files as files

        texts = {"html": files.to_html, "latex": files.to_latex, "markdown": files.to_markdown}
        if format == "xlsx":
            raise SpecError("A workbook is no text; name a file: path='table.xlsx'.")
        if format not in texts:
            place = f" To write a file, say path='{format}'." if Path(str(format)).suffix in SUFFIXES else ""
            raise SpecError(f"format is {listed(FORMATS)}, not '{format}'.{near(str(format), FORMATS)}{place}")
        return texts[format](self)

    def write(self, path: str | Path, format: str | None = None) -> Path:
        """Write the tables to one file, whole or not at all.

        Parameters
        ----------
        path : str or Path
            A suffix of .html, .tex, .md or .xlsx says the format.
        format : {"html", "latex", "markdown", "xlsx"}, optional
            For another suffix.

        Returns
        -------
        Path

        Raises
        ------
        SpecError
            If neither suffix nor format is known, or openpyxl is missing for a workbook.
        DataError
            If the file cannot be written.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> import cxmodels as cx
        >>> res = cx.SEM("visual =~ x1 + x2 + x3; speed =~ x7 + x8 + x9").fit(cx.datasets.load("holzinger"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     cx.report.table(res).write(pathlib.Path(folder, "tables.tex")).name
        'tables.tex'
        """
        from . import table_files as files

        path = Path(path)
        wanted = format or SUFFIXES.get(path.suffix.lower())
        if wanted not in FORMATS:
            raise SpecError(
                f"Tables are written as .html, .tex, .md or .xlsx, not '{format or path.suffix}'; "
                f"choose one, or pass format=.{near(str(format or path.suffix), (*FORMATS, *SUFFIXES))}"
            )
        return files.write(self, path, wanted)

    def __repr__(self) -> str:
        return f"Tables({', '.join(t.name for t in self.tables)})"

    def __str__(self) -> str:
        return self.to("markdown")

    def _repr_html_(self) -> str:
        return self.to("html")


def number_text(value: float, kind: str, digits: int) -> str:
    """Write a number in APA style.

    Parameters
    ----------
    value : float
    kind : str
        As for :class:`Column`.
    digits : int
        Decimals; fit indices and p-values have three.

    Returns
    -------
    str

    Examples
    --------
    >>> number_text(-0.456, "unit", 2), number_text(0.0004, "p", 2), number_text(1.04, "unit", 2)
    ('−.46', '< .001', '1.04')
    """
    if math.isinf(value):
        return "−∞" if value < 0 else "∞"
    if kind == "count":
        return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"
    if kind == "p":
        return "< .001" if value < 0.0005 else _unpadded(f"{value:.3f}")
    text = f"{value:.{FIT_DIGITS if kind == 'fit' else digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    text = _unpadded(text) if kind in ("unit", "fit") else text
    return text.replace("-", "−")


def stars(p: float) -> str:
    """Return one star below .05, two below .01, three below .001."""
    return "*" * sum(p < limit for limit in (0.05, 0.01, 0.001))


def _unpadded(text: str) -> str:
    """Take the zero before the point away."""
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def _blank(value: Any) -> bool:
    return value is None or value is pd.NA or value != value or value == ""
