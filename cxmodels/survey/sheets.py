"""Tables of text: CSV and Excel files, their header, their Qualtrics rows and the types of their columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, listed, near
from .codebook import Codebook, Item
from .entries import is_number

_BLANK_WORDS = frozenset({"na", "n/a", "nan", "#n/a", "#null!", "null", "none", "."})
"""Words that stand for no answer in a column which otherwise holds numbers."""

Loaded = tuple[pd.DataFrame, Codebook, list[str]]
"""A table, what its file says of the columns, and what was decided while reading."""


def read_csv(path: Path, encoding: str | None, language: str) -> Loaded:
    """Read delimited text: comma, semicolon, tab or bar; decimal comma where the delimiter leaves it free."""
    text = _decode(path, encoding)
    if not text.strip():
        raise DataError(f"File '{path}' is empty.")
    stream = io.StringIO(text, newline="")
    delimiter = _delimiter(stream, path)
    lines = _Lines(stream, delimiter, path)
    header = next(line for line in lines if any(map(str.strip, line)))
    start = stream.tell()
    labels = _qualtrics([line for _, line in zip(range(2), lines, strict=False)])
    start = stream.tell() if labels else start
    stream.seek(start)
    width, notes = _check_widths(_Lines(stream, delimiter, path, skipped=text.count("\n", 0, start)), len(header))
    if not text[start:].strip():
        raise DataError(f"File '{path}' has a header but no rows.")
    stream.seek(start)
    cells = pd.read_csv(
        stream, sep=delimiter, header=None, names=range(width), index_col=False, keep_default_na=False,
        na_values=[""], low_memory=False,
    )  # fmt: skip
    return _table(cells, header, labels, path, language, notes, comma=delimiter != ",")


class _Lines:
    """The records of a CSV stream, which know their line number and say it when quotation marks do not match."""

    def __init__(self, stream: io.StringIO, delimiter: str, path: Path, skipped: int = 0) -> None:
        self._records = csv.reader(stream, delimiter=delimiter, strict=True)
        self._skipped = skipped
        self.path = path

    @property
    def number(self) -> int:
        """Line of the file on which the last record ends."""
        return self._skipped + self._records.line_num

    def __iter__(self) -> Iterator[list[str]]:
        try:
            yield from self._records
        except csv.Error as error:
            raise DataError(
                f"File '{self.path}', line {self.number}: {error}; check the quotation marks there."
            ) from None


def read_excel(path: Path, sheet: str | int | None, language: str) -> Loaded:
    """Read one sheet of a workbook; its first row that is not blank is the header."""
    with pd.ExcelFile(path, engine="openpyxl") as book:
        names = [str(name) for name in book.sheet_names]
        chosen = _sheet(sheet, names, path)
        cells = pd.read_excel(
            book, sheet_name=chosen, header=None, dtype=object, keep_default_na=False, na_values=[""]
        )
    notes = [f"Sheet '{chosen}' was read; the workbook has {len(names)}."] if sheet is None and len(names) > 1 else []
    cells = cells.loc[~_blank(cells)]
    if cells.empty:
        raise DataError(f"Sheet '{chosen}' of '{path}' is empty.")
    lines = [["" if pd.isna(cell) else str(cell) for cell in row] for row in cells.head(3).to_numpy(dtype=object)]
    labels = _qualtrics(lines[1:])
    body = cells.iloc[3 if labels else 1 :].reset_index(drop=True)
    if body.empty:
        raise DataError(f"Sheet '{chosen}' of '{path}' has a header but no rows.")
    return _table(body, lines[0], labels, path, language, notes, comma=False)


def _decode(path: Path, encoding: str | None) -> str:
    raw = path.read_bytes()
    if encoding is None and raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    if encoding is None and b"\0" in raw:
        raise DataError(f"File '{path}' is not text (it has NUL characters): check its format and encoding.")
    try:
        text = raw.decode(encoding or "utf-8-sig")
    except LookupError:
        raise SpecError(f"encoding '{encoding}' is unknown: try 'utf-8', 'cp1252', 'cp1251' or 'utf-16'.") from None
    except UnicodeError as error:
        place = getattr(error, "start", 0)
        line = raw.count(b"\n", 0, place) + 1
        where = f"at byte {place + 1} (line {line})"
        if encoding:
            raise DataError(
                f"File '{path}' is not in encoding '{encoding}' {where}: pass another encoding=."
            ) from None
        raise DataError(f"File '{path}' is not UTF-8 {where}: pass encoding='{likely_encoding(raw)}'.") from None
    if "\0" in text:
        raise DataError(f"File '{path}' is not text (it has NUL characters): check its format and encoding.")
    return text.removeprefix("\ufeff")


def likely_encoding(raw: bytes) -> str:
    """Cyrillic words are runs of letters at the top of the code page; accented Latin letters stand alone."""
    words = re.findall(rb"[\xa8\xb8\xc0-\xff]+", raw)
    long = sum(len(word) for word in words if len(word) > 2)
    return "cp1251" if 2 * long > sum(map(len, words)) else "cp1252"


def _delimiter(stream: io.StringIO, path: Path) -> str:
    """The delimiter that cuts the header into most fields; Excel may name it in a line of its own."""
    start = stream.tell()
    line = next(text for text in stream if text.strip())
    named = re.fullmatch(r'"?sep=(.)"?\s*', line)
    if named:
        return named[1]
    stream.seek(start)
    if path.suffix.lower() == ".tsv":
        return "\t"
    return max(",;\t|", key=lambda mark: len(next(csv.reader([line], delimiter=mark), [])))


def _check_widths(lines: _Lines, width: int) -> tuple[int, list[str]]:
    """Width of the widest line, and a note on short ones; answers beyond the header are an error."""
    short: list[int] = []
    widest = width
    for line in lines:
        if len(line) == width:
            continue
        if len(line) > width and any(map(str.strip, line[width:])):
            raise DataError(
                f"File '{lines.path}', line {lines.number}: {len(line)} fields where the header has {width}; "
                "quote the answers that contain the delimiter."
            )
        widest = max(widest, len(line))
        if line and len(line) < width:
            short.append(lines.number)
    if not short:
        return widest, []
    what = "line has" if len(short) == 1 else "lines have"
    return widest, [
        f"{len(short)} {what} fewer fields than the header (first: line {short[0]}); the rest is missing."
    ]


def _sheet(sheet: str | int | None, names: list[str], path: Path) -> str:
    if sheet is None:
        return names[0]
    if isinstance(sheet, int) and 0 <= sheet < len(names):
        return names[sheet]
    if sheet in names:
        return str(sheet)
    hint = near(str(sheet), names) or f" Sheets are {listed(names)}."
    raise DataError(f"Workbook '{path}' has no sheet '{sheet}'.{hint}")


def _qualtrics(lines: Sequence[Sequence[str]]) -> list[str]:
    """The questions, if these two lines are what Qualtrics puts between the header and the answers."""
    if len(lines) < 2:
        return []
    ids = [cell for cell in lines[1] if cell.strip()]
    if not ids or not all(re.match(r'\s*\{\s*"ImportId"', cell) for cell in ids):
        return []
    return [" ".join(cell.split()) for cell in lines[0]]


def _table(
    cells: pd.DataFrame,
    header: Sequence[str],
    labels: list[str],
    path: Path,
    language: str,
    notes: list[str],
    *,
    comma: bool,
) -> Loaded:
    """Give cells their names and types."""
    names = [name.strip() for name in header]
    blank = _blank(cells)
    if blank.any():
        count = int(blank.sum())
        notes.append(f"{count} blank row{'s were' if count > 1 else ' was'} left out.")
        cells = cells.loc[~blank].reset_index(drop=True)
    if cells.empty:
        raise DataError(f"File '{path}' has a header but no rows.")
    columns = {}
    for j in range(cells.shape[1]):
        column = _typed(cells[j], comma)
        if j < len(names) and (names[j] or column.notna().any()):
            names[j] = names[j] or f"unnamed_{j + 1}"
            columns[j] = column
    frame = pd.DataFrame(columns, index=cells.index)
    frame.columns = pd.Index([names[j] for j in columns])
    items = {names[j]: Item(names[j], label={language: labels[j]}) for j in columns if j < len(labels) and labels[j]}
    if labels:
        notes.append(
            "Two rows of the Qualtrics export (question text, ImportId) were read as labels, not as answers."
        )
    return frame, Codebook(items), notes


def _blank(cells: pd.DataFrame) -> pd.Series:
    return cells.isna().all(axis=1)


def _typed(column: pd.Series, comma: bool) -> pd.Series:
    """Numbers where every answer of a text column is one; else the texts, with blank ones missing."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return whole(column) if column.dtype.kind == "f" else column
    texts = column[column.map(lambda cell: isinstance(cell, str))].str.strip()
    if texts.empty:
        return column.infer_objects()
    column = column.where(~column.index.isin(texts.index[texts == ""]))
    words = texts[(texts != "") & ~texts.str.lower().isin(_BLANK_WORDS)]
    if comma and words.str.fullmatch(r"[+-]?\d*(,\d+)?").all():
        words = words.str.replace(",", ".")
    others = column.drop(texts.index).dropna()
    numeric = pd.to_numeric(words.drop_duplicates(), errors="coerce").notna().all()
    if not numeric or (words.empty and others.empty) or not others.map(is_number).all():
        return column.infer_objects()
    found = pd.to_numeric(words)
    numbers = pd.Series(np.nan, index=column.index, name=column.name)
    numbers.loc[others.index] = others.astype(float)
    numbers.loc[found.index] = found.astype(float)
    return whole(numbers)


def whole(column: pd.Series) -> pd.Series:
    """Integers where all values are whole and none is missing, so that codes and years print as such."""
    values = column.to_numpy(dtype=float)
    with np.errstate(invalid="ignore"):
        whole = np.isfinite(values).all() and (values == np.round(values)).all() and (np.abs(values) < 2**53).all()
    return column.astype("int64") if whole else column
