"""Results on disk: a folder that is there whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import glob
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from ..acsi import BenchmarkResult
from ..errors import CxWarning, DataError, SpecError, check_kind, listed
from ..files import neutral
from .company_report import company_html
from .html import study_html
from .nation_deck import write_deck
from .nation_report import nation_html
from .nation_sheets import sheets
from .nation_view import NationView
from .workbook import write_workbook

if TYPE_CHECKING:
    from ..study import StudyResult

CONTENTS = ("report.html", "result.json", "tables", "companies", "report.xlsx", "report.pptx")
LONGEST_SLUG = 80  # bytes
ASIDE = "earlier"  # the results of before, while new ones take their place


def write_study(result: StudyResult | BenchmarkResult, out: str | Path = "reports") -> Path:
    """Write a study's report, tables and result.json into ``out/NAME``.

    Parameters
    ----------
    result : StudyResult or BenchmarkResult
        A benchmark study is written by :func:`write_benchmark`.
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

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import cxmodels as cx
    >>> study = cx.Study.of({"title": "Phones", "name": "phones", "data": {"dataset": "mobi"}, "model": {"name": "ECSI"},
    ...                      "bootstrap": {"replicates": 10}})
    >>> result = study.run()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     place = cx.report.write_study(result, folder)
    ...     sorted(path.name for path in place.iterdir())
    ['report.html', 'result.json', 'tables']
    """
    if isinstance(result, BenchmarkResult):
        return write_benchmark(result, out)
    from ..study import StudyResult

    check_kind(result, StudyResult, "write_study()", "Study.run")
    with whole_folder(Path(out) / result.study.name) as folder:
        (folder / "report.html").write_text(study_html(result), encoding="utf-8")
        (folder / "result.json").write_text(result_json(result), encoding="utf-8")
        _write_tables(folder / "tables", result.frames)
    return Path(out) / result.study.name


def write_benchmark(
    result: BenchmarkResult,
    out: str | Path = "reports",
    *,
    pages: Iterable[Any] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Write a benchmark study's reports, workbook, slides, tables and result.json into ``out/NAME``.

    Parameters
    ----------
    result : BenchmarkResult
        Its name becomes that of the folder, its language that of everything in it.
    out : str or Path, default "reports"
        Folder that takes the study's folder, as for :func:`write_study`.
    pages : iterable, optional
        Units that get a page of their own; by default all of the last wave.
    progress : callable, optional
        ``progress(stage, done, total)``.

    Returns
    -------
    Path
        The study's folder: report.html, companies (a page for each unit of the last wave), report.xlsx,
        report.pptx, result.json, tables as CSV and, where pyarrow is installed, Parquet.

    Raises
    ------
    DataError
        If the folder cannot be written.
    SpecError
        If `pages` names a unit without numbers, or the study's name is no folder's.

    Warns
    -----
    CxWarning
        If the workbook or the slides are left out because their library is not installed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import cxmodels as cx
    >>> data, _ = cx.datasets.simulate_study(companies=3, respondents=60, years=1, seed=3)
    >>> plan = cx.acsi.Benchmark(levels=["industry", "nation"], wave="year")
    >>> result = plan.fit(cx.Survey(data, weights="weight"), bootstrap=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     place = cx.report.write_benchmark(result, folder, pages=["Company 1"])
    ...     [path.name for path in (place / "companies").iterdir()]
    ['1-company-1.html']
    """
    view = NationView(result)
    if Path(result.name).name != result.name:
        raise SpecError(f"The study is called '{result.name}', which cannot name a folder; choose another name.")
    wanted = list(view.units["name"] if pages is None else pages)
    for unit in wanted:
        view.check_unit(unit)
    places = page_names(wanted)
    links = {unit: f"companies/{quote(place)}" for unit, place in places.items()}
    target = Path(out) / result.name
    with whole_folder(target) as folder:
        (folder / "report.html").write_text(nation_html(view, links=links), encoding="utf-8")
        (folder / "companies").mkdir()
        for done, (unit, place) in enumerate(places.items(), 1):
            page = company_html(view, unit, up="../report.html#league")
            (folder / "companies" / place).write_text(page, encoding="utf-8")
            if progress is not None:
                progress("pages", done, len(places))
        _write_office(folder, view)
        (folder / "result.json").write_text(benchmark_json(result), encoding="utf-8")
        _write_tables(folder / "tables", result.frames)
    return target


def page_names(units: Iterable[object]) -> dict[Any, str]:
    """Give each unit a file name that every system takes, and no other unit has.

    Parameters
    ----------
    units : iterable
        Names of any kind.

    Returns
    -------
    dict of unit to str
        Letters and digits of the name, and its place in the list.

    Examples
    --------
    >>> page_names(["Acme & Co.", "../x", "Банк"])
    {'Acme & Co.': '1-acme-co.html', '../x': '2-x.html', 'Банк': '3-банк.html'}
    """
    out = {}
    for k, unit in enumerate(units, 1):
        plain = re.sub(r"[\W_]+", "-", str(unit).casefold()).strip("-")
        short = plain.encode()[:LONGEST_SLUG].decode(errors="ignore")
        out[unit] = f"{k}-{short}.html" if short else f"{k}.html"
    return out


def benchmark_json(result: BenchmarkResult) -> str:
    """Render a benchmark study as JSON.

    Parameters
    ----------
    result : BenchmarkResult

    Returns
    -------
    str
        NaN becomes null. The same result gives the same text.

    Notes
    -----
    The keys are

    title, target, unit, levels, waves
        Of the study: the headline construct, the column of the units, the levels above them.
    index
        ``{name, index, se, ci_lower, ci_upper, change, change_se}`` of the whole in the last wave; null without a
        level that is everything together.
    converged, proper, warnings, tables, provenance
        As in :func:`result_json`.
    """
    content = {
        "title": result.title,
        "target": result.target,
        "unit": result.by,
        "levels": list(result.levels),
        "waves": [str(w) for w in result.waves],
        "index": _whole_index(result),
        **_content(result),
    }
    return json.dumps(_jsonable(content), ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def _whole_index(result: BenchmarkResult) -> dict[str, Any] | None:
    """The headline index of the last wave and its change."""
    view = NationView(result)
    if view.top is None:
        return None
    row: Any = view.groups(view.top).iloc[0]
    ends = {k: row[k] for k in ("se", "ci_lower", "ci_upper", "change", "change_se")}
    return {"name": row["name"], "index": row["index_"], **ends}


def _write_office(folder: Path, view: NationView) -> None:
    """The workbook and the slides, as far as their libraries are installed."""
    made: dict[str, Callable[[Path], object]] = {
        "openpyxl": lambda path: write_workbook(
            sheets(view), path, title=view.result.title, facts=view.method_facts, words=view.words
        ),
        "pptx": lambda path: write_deck(view, path),
    }
    missing = [library for library in made if importlib.util.find_spec(library) is None]
    for library, write in made.items():
        if library not in missing:
            write(folder / ("report.xlsx" if library == "openpyxl" else "report.pptx"))
    if missing:
        warnings.warn(
            f"Without {' and '.join(missing)} there is no workbook or no slides; install them with "
            'pip install "cxmodels[report]".',
            CxWarning,
            stacklevel=3,
        )


def _content(result: StudyResult | BenchmarkResult) -> dict[str, Any]:
    """What the JSON of every study ends with."""
    return {
        "converged": result.converged,
        "proper": result.proper,
        "warnings": list(result.warnings),
        "tables": {name: frame.to_dict("records") for name, frame in result.frames.items()},
        "provenance": result.provenance,
    }


def _write_tables(tables: Path, frames: Mapping[str, pd.DataFrame]) -> None:
    """Every frame as CSV, and as Parquet where that can be written."""
    tables.mkdir()
    parquet = importlib.util.find_spec("pyarrow") is not None
    for name, frame in frames.items():
        neutral(frame).to_csv(tables / f"{name}.csv", index=False, lineterminator="\n")
        if parquet:
            _plain(frame).to_parquet(tables / f"{name}.parquet", index=False)


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

    Examples
    --------
    >>> import json
    >>> import cxmodels as cx
    >>> study = cx.Study.of({"title": "Phones", "name": "phones", "data": {"dataset": "mobi"}, "model": {"name": "ECSI"},
    ...                      "bootstrap": {"replicates": 10}})
    >>> result = study.run()
    >>> sorted(json.loads(cx.report.result_json(result)))[:3]
    ['converged', 'index', 'proper']
    """
    row = result.index.scores.set_index("construct").loc[result.index.target]
    content = {
        "title": result.study.title,
        "target": result.index.target,
        "index": {k: row[k] for k in ("index", "se", "ci_lower", "ci_upper")},
        **_content(result),
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

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import cxmodels as cx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cx.report.check_place(pathlib.Path(folder, "phones"))
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
