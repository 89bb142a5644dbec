"""Results on disk: a folder that is there whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import glob
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import DataError, listed
from ..files import neutral
from .html import study_html

if TYPE_CHECKING:
    from ..study import StudyResult

CONTENTS = ("report.html", "result.json", "tables")
ASIDE = "earlier"  # the results of before, while new ones take their place


def write_study(result: StudyResult, out: str | Path = "reports") -> Path:
    """Write a study's report, tables and result.json into ``out/NAME``.

    Parameters
    ----------
    result : StudyResult
    out : str or Path, default "reports"
        Folder that takes the study's folder; made if needed. A folder of that name from an earlier run is
        replaced once everything has been written, never before; one that holds anything else is refused.

    Returns
    -------
    Path
        The study's folder: report.html, result.json, CSV files in tables and, where pyarrow is installed, Parquet beside them.

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

    Notes
    -----
    The keys are

    title, target
        Of the study; the headline construct.
    index
        ``{index, se, ci_lower, ci_upper}`` of the target on 0-100.
    converged, proper
        Whether every model settled, and every estimate is one that the model allows.
    warnings
        Sentences.
    tables
        Name to list of records, the tables of the folder ``tables``: indices, impacts, paths, weights, ...
    provenance
        ``data_sha256``, ``rows``, ``rows_used``, ``rows_excluded``, ``options``, ``bootstrap``, ``versions``.
    """
    row = result.index.scores.set_index("construct").loc[result.index.target]
    content = {
        "title": result.study.title,
        "target": result.index.target,
        "index": {k: row[k] for k in ("index", "se", "ci_lower", "ci_upper")},
        "converged": result.converged,
        "proper": result.proper,
        "warnings": list(result.warnings),
        "tables": {name: frame.to_dict("records") for name, frame in result.frames.items()},
        "provenance": result.provenance,
    }
    return json.dumps(_jsonable(content), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def check_place(target: Path) -> None:
    """Refuse a place that cannot take the results, before a long run rather than after it.

    Parameters
    ----------
    target : Path
        The folder of the results.

    Raises
    ------
    DataError
        If the place cannot be written to, or holds what no earlier run has left there.
    """
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise DataError(f"'{target}' is a file or a link; the results need a folder of that name.")
    if strangers := sorted(p.name for p in target.iterdir() if p.name not in CONTENTS) if target.is_dir() else []:
        raise DataError(
            f"The folder '{target}' holds {listed(strangers)}, which no study has written; a run would replace the "
            "folder, so move them or choose another name."
        )
    parent = next(p for p in (target.parent, *target.parent.absolute().parents) if p.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise DataError(
            f"The folder '{target.parent}' cannot be written to: '{parent}' is not a folder we may change."
        )


@contextlib.contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give a fresh folder to write into, and put it in place of `target` only if nothing failed.

    Folders that earlier runs left unfinished, because they were killed, are removed.

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
    check_place(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}.{os.getpid()}-", dir=target.parent))
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


def _sweep(target: Path) -> None:
    """Remove the unfinished folders of runs that are no more; bring back results put aside by a run killed then."""
    for stray in sorted(target.parent.glob(f".{glob.escape(target.name)}.*-*")):
        owner = stray.name[len(target.name) + 2 :].partition("-")[0]
        if not owner.isdecimal() or not stray.is_dir() or _runs(int(owner)):
            continue
        if (aside := stray / ASIDE).is_dir() and not target.exists():
            os.rename(aside, target)
        shutil.rmtree(stray, ignore_errors=True)


def _runs(process: int) -> bool:
    """Whether another process of that number is at work on this machine."""
    if os.name != "posix":
        return False  # asking would end it; folders in use cannot be removed there anyway
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return process != os.getpid()


def _replace(fresh: Path, target: Path) -> None:
    """Put `fresh` in the place of `target`, in one step where the system can; else the old one waits aside."""
    if not target.exists():
        os.rename(fresh, target)
    elif not _exchange(fresh, target):
        twin = Path(tempfile.mkdtemp(prefix=f".{target.name}.{os.getpid()}-", dir=target.parent))
        try:
            os.rename(target, twin / ASIDE)
            try:
                os.rename(fresh, target)
            except OSError:
                os.rename(twin / ASIDE, target)
                raise
        finally:
            shutil.rmtree(twin, ignore_errors=True)


def _exchange(a: Path, b: Path) -> bool:
    """Swap two folders so that a kill at any moment finds both whole; False where Linux's call for it is absent."""
    if not sys.platform.startswith("linux"):
        return False
    swap = getattr(ctypes.CDLL(None), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return swap is not None and swap(here, os.fsencode(a), here, os.fsencode(b), exchange) == 0


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
