"""A folder of survey files, one for each company or wave, read as one survey; the names of the files say whose they are."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import DataError, DataWarning, SpecError, listed, near, raise_all
from ..files import path_of
from .codebook import Codebook, Item
from .reading import KINDS, Loaded, opened, takes
from .survey import Survey

__all__ = ["read_surveys"]


def read_surveys(
    pattern: str | os.PathLike[str],
    codebook: Any = None,
    *,
    weights: Any = None,
    wave: str | None = None,
    hierarchy: str | Iterable[str] = (),
    encoding: str | None = None,
    sheet: str | int | None = None,
    language: str = "en",
) -> Survey:
    r"""Read the files of a folder as one survey; what stands in braces in their names becomes columns.

    Parameters
    ----------
    pattern : path
        Path whose last part has names in braces, such as ``"wave24/{company}.sav"`` or
        ``"files/{company}_{year}.csv"``. Every file that fits is read, in the order of names; values that are whole
        numbers in all files become numbers. A ``*`` stands for anything that is not kept:
        ``"files/{company}_{year}.*"`` reads files of all kinds.
    codebook, weights, wave, hierarchy, encoding, sheet, language : optional
        As for :func:`read_survey`; `wave` and `hierarchy` may name the columns made from the names. `encoding` goes
        to the files of text, SPSS and Stata among them, `sheet` to the workbooks.

    Returns
    -------
    Survey
        Rows of all files below one another, columns put together by name. Its `notes` say how many files were read,
        which others of the folder were not, and what reading decided in each.

    Warns
    -----
    DataWarning
        For a column that some of the files lack: its answers are missing there.

    Raises
    ------
    DataError
        If no file fits, some cannot be read (all are named), a column exists already, or two files give a column different meanings
        (other missing codes, texts or scale ends).
    SpecError
        If the pattern has no name in braces, or one twice.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import cxmodels as cx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, answer in {"Alfa_2024": 7, "Beta_2024": 9}.items():
    ...         _ = pathlib.Path(folder, f"{name}.csv").write_text(f"q1,q2\n{answer},5\n")
    ...     cx.read_surveys(folder + "/{company}_{year}.csv").frame
      company  year  q1  q2
    0    Alfa  2024   7   5
    1    Beta  2024   9   5
    """
    place = path_of(pattern, "read_surveys()")
    fits = _matcher(place)
    files, others = _files(place, fits)
    loaded = _opened(files, encoding, sheet, language)
    frames = {path: frame for path, (frame, _, _) in loaded.items()}
    book = _one_book({path: book for path, (_, book, _) in loaded.items()})
    keys = _keys({path: fits.fullmatch(path.name).groupdict() for path in files})  # type: ignore[union-attr]
    for key in keys:
        if held := [p.name for p, frame in frames.items() if key in frame.columns]:
            raise DataError(
                f"Column '{key}' is to come from the names of the files, but {listed(held)} have it: "
                f"use another name in the braces, or * to keep the column."
            )
    gaps = list(_gaps(frames))
    for gap in gaps:
        warnings.warn(gap, DataWarning, stacklevel=2)
    named = [frame.assign(**{k: v[path] for k, v in keys.items()}) for path, frame in frames.items()]
    whole = pd.concat(named, ignore_index=True)
    whole = whole[[*keys, *(c for c in whole.columns if c not in keys)]]
    notes = [f"{len(files)} files read, {len(whole):,} rows."]
    if others:
        notes.append(f"Not read, as their names do not fit: {listed(others)}.")
    notes += gaps
    notes += [f"{path.name}: {note}" for path, (_, _, told) in loaded.items() for note in told]
    return Survey(
        whole, Codebook.of(codebook, base=book), weights=weights, wave=wave, hierarchy=hierarchy, notes=tuple(notes)
    )


def _matcher(place: Path) -> re.Pattern[str]:
    """A file name with {names} as a regular expression."""
    name = place.name
    parts = re.split(r"(\{[^{}]*\}|\*)", name)
    keys = [p[1:-1] for p in parts if p.startswith("{") and p.endswith("}")]
    example = f"such as '{place if place.is_dir() else 'files'}/{{company}}_{{year}}.csv'"
    if not keys:
        raise SpecError(
            f"The names of the files must say whose they are: put a column in braces, {example}, not '{name}'."
        )
    if wrong := [k for k in keys if not k.isidentifier()]:
        raise SpecError(f"In braces stands the name of a column, {example}, not {listed(wrong)}.")
    if twice := sorted({k for k in keys if keys.count(k) > 1}):
        raise SpecError(f"{listed(twice)} stands twice in '{name}': each column can come from one place only.")
    text = "".join(
        ".*" if p == "*" else f"(?P<{p[1:-1]}>.+)" if p.startswith("{") and p.endswith("}") else re.escape(p)
        for p in parts
    )
    return re.compile(text)


def _files(place: Path, fits: re.Pattern[str]) -> tuple[list[Path], list[str]]:
    """Files that fit, and names of others that could be read."""
    folder = place.parent
    if not folder.is_dir():
        beside = (p.name for p in folder.parent.iterdir()) if folder.parent.is_dir() else ()
        raise DataError(f"Folder '{folder}' does not exist.{near(folder.name, beside)}")
    there = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith((".", "~$")))
    files = [p for p in there if fits.fullmatch(p.name)]
    if not files:
        seen = f"it holds {listed([p.name for p in there[:5]])}" if there else "it is empty"
        raise DataError(f"No file of '{folder}' fits '{place.name}': {seen}.")
    return files, [p.name for p in there if p not in files and p.suffix.lower() in KINDS]


def _opened(
    files: Iterable[Path], encoding: str | None, sheet: str | int | None, language: str
) -> dict[Path, Loaded]:
    """Contents of all files, options given to those that take them; all that cannot be read are told of at once."""
    files = list(files)
    for option, value in {"encoding": encoding, "sheet": sheet}.items():
        if value is not None and not any(takes(path, option) for path in files):
            raise SpecError(f"{option}= applies to none of the {len(files)} files: leave it out.")
    loaded, problems = {}, []
    for path in files:
        own_encoding, own_sheet = (
            encoding if takes(path, "encoding") else None,
            sheet if takes(path, "sheet") else None,
        )
        try:
            loaded[path] = opened(path, own_encoding, own_sheet, language)
        except DataError as error:
            problems.append(str(error))
    raise_all(problems)
    return loaded


def _keys(found: Mapping[Path, Mapping[str, str]]) -> dict[str, dict[Path, str | int]]:
    """Values of each column by file, as whole numbers where all are."""
    names = next(iter(found.values()))
    columns = {key: {path: values[key] for path, values in found.items()} for key in names}
    plain = re.compile(r"0|[1-9][0-9]{0,17}")
    return {
        key: {p: int(v) for p, v in by.items()} if all(plain.fullmatch(v) for v in by.values()) else dict(by)
        for key, by in columns.items()
    }


def _one_book(books: Mapping[Path, Codebook]) -> Codebook:
    """What the columns mean, if the files agree about it."""
    items: dict[str, tuple[Item, str]] = {}
    for path, book in books.items():
        for name, item in book.items():
            first, other = items.setdefault(name, (item, path.name))
            for what in ("missing", "values", "scale", "reversed"):
                if getattr(item, what) != getattr(first, what):
                    raise DataError(
                        f"'{name}' has {what} {getattr(item, what)!r} in '{path.name}', but {getattr(first, what)!r} in "
                        f"'{other}': make the files agree, or read them apart."
                    )
    return Codebook([item for item, _ in items.values()])


def _gaps(frames: Mapping[Path, pd.DataFrame]) -> Iterator[str]:
    """A sentence for each column that some files lack."""
    columns = dict.fromkeys(c for frame in frames.values() for c in frame.columns)
    for column in columns:
        without = [p.name for p, frame in frames.items() if column not in frame.columns]
        if without:
            hint = near(str(column), (c for c in columns if c != column))
            yield (
                f"Column '{column}' is in {len(frames) - len(without)} of {len(frames)} files; its answers are missing "
                f"in {listed(without)}.{hint}"
            )
