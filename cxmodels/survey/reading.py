"""Reading survey files: SPSS, Stata, CSV, Excel and Parquet, with what they say about their columns."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import CxError, DataError, SpecError, listed, near
from ..files import path_of
from .codebook import Codebook, Item
from .sheets import Loaded, read_csv, read_excel, whole
from .survey import Survey

__all__ = ["read_survey"]

KINDS = {
    ".sav": "an SPSS file",
    ".zsav": "an SPSS file",
    ".dta": "a Stata file",
    ".csv": "a CSV file",
    ".tsv": "a TSV file",
    ".xlsx": "an Excel workbook",
    ".parquet": "a Parquet file",
}


def read_survey(
    path: str | os.PathLike[str],
    codebook: Any = None,
    *,
    weights: Any = None,
    wave: str | None = None,
    hierarchy: str | Iterable[str] = (),
    encoding: str | None = None,
    sheet: str | int | None = None,
    language: str = "en",
) -> Survey:
    r"""Read a survey file, together with what it says about its columns.

    Parameters
    ----------
    path : path
        A file ending in .sav, .zsav (SPSS), .dta (Stata), .csv, .tsv, .xlsx or .parquet.
    codebook : Codebook, dict or path of a TOML file, optional
        What the columns mean. Where it says something, it wins over the labels, answer texts and
        user-missing codes of the file.
    weights, wave, hierarchy : optional
        Roles of columns, as for `Survey`. A weight variable set in SPSS itself is not used unless named.
    encoding : str, optional
        Encoding of a text, SPSS or Stata file. Default: UTF-8 for text, else what the file declares.
    sheet : str or int, optional
        Sheet of a workbook, by name or position from 0. Default: the first.
    language : str, default "en"
        Language of the labels in the file.

    Returns
    -------
    Survey
        Its `notes` say what reading decided: metadata rows of a Qualtrics export, blank rows, the sheet.

    Raises
    ------
    DataError
        If the file is missing, empty, damaged, in another encoding or of an unknown kind.
    SpecError
        If the codebook or an option is wrong.

    Notes
    -----
    CSV files may be delimited by comma, semicolon, tab or bar; with the latter three a decimal comma is
    understood. Only blank cells are missing, except that ``NA``, ``N/A``, ``NaN``, ``null``, ``none`` and ``.``
    are so in columns otherwise made of numbers. Column names lose surrounding blanks.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from cxmodels import read_survey
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "answers.csv")
    ...     _ = file.write_text("q1;q2\n7;8,5\n9;\n")
    ...     read_survey(file).frame
       q1   q2
    0   7  8.5
    1   9  NaN
    """
    frame, book, notes = opened(path_of(path, "read_survey()"), encoding, sheet, language)
    book = Codebook.of(codebook, base=book)
    return Survey(frame, book, weights=weights, wave=wave, hierarchy=hierarchy, notes=notes)


def opened(path: Path, encoding: str | None, sheet: str | int | None, language: str) -> Loaded:
    """Frame, codebook and notes of one file, or one sentence on why not."""
    kind = _kind(path)
    _check_options(path, kind, encoding, sheet)
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise DataError(f"File '{path}' is empty.")
    except FileNotFoundError:
        raise DataError(f"File '{path}' does not exist.{_near_file(path)}") from None
    except OSError as error:
        raise DataError(f"File '{path}' cannot be opened: {error.strerror}.") from None
    try:
        frame, book, notes = _load(path, encoding, sheet, language)
    except (CxError, MemoryError):
        raise
    except Exception as error:
        # The readers raise anything at all on a damaged file, from KeyError to zlib's own.
        raise DataError(_damaged(path, kind, error)) from error
    if frame.empty:
        raise DataError(f"File '{path}' has {frame.shape[1]} columns and {len(frame)} rows: there are no answers.")
    return frame, book, notes


def _kind(path: Path) -> str:
    if "{" in path.name:
        raise DataError(f"'{path}' stands for many files: read them together by read_surveys('{path}').")
    kind = KINDS.get(path.suffix.lower())
    if kind is None and path.is_dir():
        raise DataError(f"'{path}' is a folder: read its files together by read_surveys('{path}/{{company}}.csv').")
    if kind is None:
        raise DataError(f"File '{path}' is of no kind that can be read: its name must end in {listed(KINDS)}.")
    return kind


def takes(path: Path, option: str) -> bool:
    """Whether a file of this name has an encoding, or sheets."""
    kind = KINDS.get(path.suffix.lower())
    return kind == "an Excel workbook" if option == "sheet" else kind not in ("an Excel workbook", "a Parquet file")


def _check_options(path: Path, kind: str, encoding: str | None, sheet: str | int | None) -> None:
    if sheet is not None and not takes(path, "sheet"):
        raise SpecError(f"sheet= is for Excel workbooks, and {path.name!r} is {kind}: leave it out.")
    if encoding is not None and not takes(path, "encoding"):
        raise SpecError(f"encoding= does not apply to {path.name!r}: {kind} declares its own, so leave it out.")


def _near_file(path: Path) -> str:
    folder = path.parent
    return near(path.name, (entry.name for entry in folder.iterdir())) if folder.is_dir() else ""


def _damaged(path: Path, kind: str, error: Exception) -> str:
    said = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, UnicodeError) or "requested encoding" in said:
        return f"File '{path}' has text that is not in the encoding it declares: pass encoding=, such as 'cp1251'."
    said = said if len(said) <= 120 else said[:117] + "..."
    return f"File '{path}' cannot be read as {kind}; it may be damaged or of another kind ({said})."


def _load(path: Path, encoding: str | None, sheet: str | int | None, language: str) -> Loaded:
    match path.suffix.lower():
        case ".csv" | ".tsv":
            return read_csv(path, encoding, language)
        case ".xlsx":
            _extra("openpyxl", "survey", path)
            return read_excel(path, sheet, language)
        case ".parquet":
            _extra("pyarrow", "arrow", path)
            return pd.read_parquet(path, engine="pyarrow"), Codebook(), []
        case suffix:
            pyreadstat = _extra("pyreadstat", "survey", path)
            read = pyreadstat.read_dta if suffix == ".dta" else pyreadstat.read_sav
            frame, meta = read(str(path), user_missing=True, encoding=encoding)
            return _tidied(frame), _metadata(frame, meta, language), []


def _extra(module: str, extra: str, path: Path) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise DataError(
            f"Reading '{path.name}' needs the package {module}: pip install \"cxmodels[{extra}]\"."
        ) from None


def _tidied(frame: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers as integers and blank texts as missing: these files hold neither by themselves."""
    columns = {
        str(name): whole(column) if column.dtype.kind == "f" else column.mask(column.map(_blank))
        for name, column in frame.items()
        if column.dtype.kind in "fO"
    }
    return frame.assign(**columns)


def _blank(cell: object) -> bool:
    return isinstance(cell, str) and not cell.strip()


def _metadata(frame: pd.DataFrame, meta: Any, language: str) -> Codebook:
    """The codebook inside an SPSS or Stata file."""
    items = []
    for name in frame.columns:
        label = meta.column_names_to_labels.get(name)
        texts = meta.variable_value_labels.get(name, {})
        missing = [_range(**pair) for pair in meta.missing_ranges.get(name, [])]
        missing += meta.missing_user_values.get(name, [])
        if label or texts or missing:
            values = {code: {language: str(text)} for code, text in texts.items()}
            items.append(Item(name, {language: label} if label else {}, missing=tuple(missing), values=values))
    return Codebook(items)


def _range(lo: Any, hi: Any) -> Any:
    """A missing code or range; LOWEST and HIGHEST of SPSS arrive as extreme doubles, infinite or (pyreadstat 1.3.0) NaN."""
    if isinstance(lo, str):
        return lo
    lo, hi = lo if lo > -1e300 else -np.inf, hi if hi < 1e300 else np.inf
    return lo if lo == hi else (lo, hi)
