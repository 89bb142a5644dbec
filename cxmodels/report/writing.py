"""Results on disk: a folder that is there whole or not at all."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import DataError
from .html import study_html

if TYPE_CHECKING:
    from ..study import StudyResult


def write_study(result: StudyResult, out: str | Path = "reports") -> Path:
    """Write a study's report, tables and result.json into ``out/NAME``.

    Parameters
    ----------
    result : StudyResult
    out : str or Path, default "reports"
        Folder that takes the study's folder; made if needed. A folder of that name from an earlier run is
        replaced once everything has been written, never before.

    Returns
    -------
    Path
        The study's folder: report.html, result.json, tables/*.csv and, where pyarrow is installed, *.parquet.

    Raises
    ------
    DataError
        If the folder cannot be written.
    """
    with whole_folder(Path(out) / result.study.name) as folder:
        (folder / "report.html").write_text(study_html(result), encoding="utf-8")
        (folder / "result.json").write_text(result_json(result), encoding="utf-8")
        tables = folder / "tables"
        tables.mkdir()
        parquet = importlib.util.find_spec("pyarrow") is not None
        for name, frame in result.frames.items():
            neutral(frame).to_csv(tables / f"{name}.csv", index=False, lineterminator="\n")
            if parquet:
                _plain(frame).to_parquet(tables / f"{name}.parquet", index=False)
    return Path(out) / result.study.name


def result_json(result: StudyResult) -> str:
    """Render a study as JSON: headline, warnings, every table as records, provenance.

    Parameters
    ----------
    result : StudyResult

    Returns
    -------
    str
        NaN becomes null. The same result gives the same text.
    """
    row = result.index.scores.set_index("construct").loc[result.index.target]
    content = {
        "title": result.study.title,
        "target": result.index.target,
        "index": {k: row[k] for k in ("index", "se", "ci_lower", "ci_upper")},
        "converged": result.converged,
        "warnings": list(result.warnings),
        "tables": {name: frame.to_dict("records") for name, frame in result.frames.items()},
        "provenance": result.provenance,
    }
    return json.dumps(_jsonable(content), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


@contextlib.contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give a fresh folder to write into, and put it in place of `target` only if nothing failed.

    Parameters
    ----------
    target : Path

    Yields
    ------
    Path
        An empty folder beside the target.

    Raises
    ------
    DataError
        If the place cannot be written to.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_dir():
            raise DataError(f"'{target}' is a file; the results need a folder of that name.")
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise DataError(f"The folder '{target.parent}' cannot be written to: {error.strerror}.") from None
    try:
        fresh.chmod(0o755)
        yield fresh
        _replace(fresh, target)
    except OSError as error:
        raise DataError(f"The results could not be written to '{target}': {error.strerror}.") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _replace(fresh: Path, target: Path) -> None:
    """Swap folders; the old one is put aside first and comes back if the swap fails."""
    if not target.exists():
        os.rename(fresh, target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent)) / target.name
    os.rename(target, aside)
    try:
        os.rename(fresh, target)
    except OSError:
        os.rename(aside, target)
        raise
    finally:
        shutil.rmtree(aside.parent, ignore_errors=True)


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
        return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value

    return frame.assign(**{c: frame[c].map(tame) for c in texts})


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Texts of one kind, so that Parquet can hold them."""
    mixed = [c for c in frame.columns if frame[c].dtype == object]
    return frame.assign(**{c: frame[c].map(lambda v: v if v is None or v != v else str(v)) for c in mixed})


def _jsonable(value: Any) -> Any:
    """Plain Python values; NaN and infinities become null."""
    if isinstance(value, dict):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)
