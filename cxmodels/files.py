"""Files are written whole or not at all, no cell of theirs runs as a formula, and texts from the data stay texts."""

from __future__ import annotations

import html
import importlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from .errors import DataError, SpecError, described


def path_of(value: object, what: str) -> Path:
    """Return a path, or say that something else was given.

    Parameters
    ----------
    value : str or path
    what : str
        Who asks, as the user wrote it.

    Returns
    -------
    Path

    Raises
    ------
    SpecError
        If the value names no file.

    Examples
    --------
    >>> path_of({"q1": [7]}, "read_survey()")
    Traceback (most recent call last):
        ...
    cxmodels.errors.SpecError: read_survey() takes the name of a file, not {'q1': [7]}.
    """
    if not isinstance(value, str | os.PathLike):
        raise SpecError(f"{what} takes the name of a file, not {described(value)}.")
    return Path(value)


LONGEST = 160  # characters of a text from the data that a page shows; the tables on disk hold all of it
# Control characters, halves of characters, and the marks that turn the direction of all that follows, numbers too.
BLANKS = re.compile("[^\\S\u00a0\u202f]+")  # but for those inside numbers
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066\u2067\ufffe\uffff\ud800-\udfff]")


@contextmanager
def replacing(path: Path, what: str = "file") -> Iterator[Path]:
    """Give a draft in the same folder that takes the place of `path` when all went well.

    Parameters
    ----------
    path : Path
        File to write; its folder is made if need be.
    what : str, default "file"
        How a refusal calls it.

    Yields
    ------
    Path
        The draft, of the same suffix. It is removed when something fails, and `path` stays as it was.

    Raises
    ------
    DataError
        If the place cannot be written to.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "a.txt") as draft:
    ...         _ = draft.write_text("whole")
    ...     (Path(folder) / "a.txt").read_text()
    'whole'
    """
    draft = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        draft = Path(name)
        yield draft
        mask = os.umask(0)
        os.umask(mask)
        draft.chmod(0o666 & ~mask)  # mkstemp's own mode would keep colleagues from reading the file
        os.replace(draft, path)
    except OSError as error:
        raise DataError(f"The {what} could not be written to '{path}': {error.strerror or error}.") from None
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)


def write_page(text: str, path: str | Path) -> Path:
    """Write a page whole or not at all.

    Parameters
    ----------
    text : str
    path : str or Path
        File; its folder is made if needed.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    target = Path(path)
    with replacing(target, "report") as draft:
        draft.write_text(text, encoding="utf-8")
    return target


def neutral(frame: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe before texts that a spreadsheet would run as a formula.

    Parameters
    ----------
    frame : DataFrame

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> neutral(pd.DataFrame({"unit": ["=1+1", "Alpha"]}))["unit"].tolist()
    ["'=1+1", 'Alpha']
    """
    texts = [c for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c])]

    def tame(value: Any) -> Any:
        return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r\n" and value else value

    return frame.assign(**{c: frame[c].map(tame) for c in texts})


def shown(text: object, longest: int = LONGEST) -> str:
    r"""Return a text from the data as a page can show it: on one line, without control characters, not endless.

    Parameters
    ----------
    text : object
    longest : int, default 160
        Characters kept.

    Returns
    -------
    str

    Examples
    --------
    >>> shown("a\x00b\n c"), shown("x" * 5000, 4), shown("\u202eno")
    ('ab c', 'xxx…', 'no')
    """
    clean = BLANKS.sub(" ", CONTROL.sub("", str(text))).strip()
    return clean if len(clean) <= longest else clean[: longest - 1].rstrip("\u200d") + "…"


def in_html(text: object, longest: int = LONGEST) -> str:
    """Return a text from the data as HTML: escaped, on one line, and where it is cut the whole as a tooltip.

    Parameters
    ----------
    text : object
    longest : int, default 160
        Characters kept.

    Returns
    -------
    str

    Examples
    --------
    >>> in_html("<b>"), in_html("abcde", 3)
    ('&lt;b&gt;', '<span title="abcde">ab…</span>')
    """
    whole = CONTROL.sub("", str(text))
    short = html.escape(shown(whole, longest))
    return short if len(" ".join(whole.split())) <= longest else f'<span title="{html.escape(whole)}">{short}</span>'


def needed(module: str, extra: str) -> Any:
    """Import a library of an extra.

    Parameters
    ----------
    module : str
        What to import, such as ``"pyarrow.parquet"``.
    extra : str
        The extra that brings it.

    Returns
    -------
    module

    Raises
    ------
    SpecError
        If it is not installed, naming the extra.

    Examples
    --------
    >>> needed("json", "store").loads("1")
    1
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        package = module.split(".")[0]
        raise SpecError(f'This needs the package {package}: pip install "cxmodels[{extra}]".') from None
