"""The run of a benchmark study: facts from files, workers from a cluster, and the history it ends with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from .acsi import Benchmark, BenchmarkResult
from .acsi.roster import WAVE
from .errors import CxError, DataError, EstimationError, raise_all
from .files import needed
from .history import History
from .store import masked
from .survey import Survey, read_survey
from .survey.sheets import likely_encoding

if TYPE_CHECKING:
    from .study import Study

Progress = Callable[[str, int, int], None]


def run_benchmark(study: Study, progress: Progress | None = None) -> BenchmarkResult:
    """Measure a benchmark study, and keep its waves where the study file says.

    Parameters
    ----------
    study : Study
        With a section ``[units]``.
    progress : callable, optional
        ``progress(stage, done, total)``.

    Returns
    -------
    BenchmarkResult

    Raises
    ------
    CxError
        If anything is wrong; the history is then as it was.
    """
    plan, survey, facts, notes = benchmark_input(study)
    b = study.bootstrap
    address = study.cluster.get("address")
    with on_cluster(address):
        found = plan.fit(
            survey,
            facts,
            missing=study.options.get("missing"),
            bootstrap=b.get("replicates"),
            seed=int(b.get("seed", 1)),
            interval=b.get("interval", "percentile"),
            level=float(b.get("level", 0.95)),
            n_jobs=-1 if address else int(b.get("workers", 1)),
            progress=progress,
        )
    result = replace(
        found,
        title=study.title,
        name=study.name,
        subtitle=study.subtitle,
        language=study.language,
        labels=dict(study.labels),
        notes=(*_unusual(study, survey), *notes, *found.notes),
    )
    if study.history:
        result.keep(history_of(study), progress)
    return result


def _unusual(study: Study, survey: Survey) -> tuple[str, ...]:
    """What reading the data decided; of a folder without the number of its files, which is nothing to be warned of."""
    return survey.notes[1:] if "{" in study.data.get("file", "") else survey.notes


def checked_lines(study: Study) -> list[str]:
    """Check a benchmark study as a run does, fit nothing, and say what would be measured.

    Parameters
    ----------
    study : Study

    Returns
    -------
    list of str

    Raises
    ------
    CxError
        One error that says all that is wrong.
    """
    plan, survey, facts, notes = benchmark_input(study)
    plan, roster = plan.prepare(survey, facts)
    frame = roster.survey.frame
    lines = []
    for wave, part in frame.groupby(WAVE, sort=False):
        sizes = part[plan.by].value_counts()
        small = int((sizes < plan.minimum_n).sum())
        groups = "".join(f", {part[k].nunique()} {k}" for k in plan.above if k in part)
        lines.append(f"{wave}  {len(part)} rows, {len(sizes)} {plan.by}{groups}; {small} below minimum_n")
    left = [f"Left out  {r.rows} rows: {r.reason}" for r in roster.left_out.itertuples()]
    return [*lines, *left, *survey.notes, *notes, *roster.notes]


def benchmark_input(study: Study) -> tuple[Benchmark, Survey, list[pd.DataFrame], list[str]]:
    """Read what a benchmark study needs.

    Parameters
    ----------
    study : Study

    Returns
    -------
    plan : Benchmark
    survey : Survey
    facts : list of DataFrame
        The facts files.
    notes : list of str
        What reading them decided.
    """
    u = study.units
    options = {k: u[k] for k in u if k not in ("facts", "levels")}
    levels = u.get("levels")
    plan = Benchmark(study.spec(), levels=[levels] if isinstance(levels, str) else levels, **options)
    survey = study.survey()
    names = [u["facts"]] if isinstance(u.get("facts"), str) else list(u.get("facts", ()))
    read = _read_all([study.folder / name for name in names])
    if study.history:
        history_of(study).check()  # before a long run, not after it
    return plan, survey, [t for t, _ in read], [n for _, notes in read for n in notes]


def _read_all(paths: Sequence[Path]) -> list[tuple[pd.DataFrame, list[str]]]:
    """Read all tables of facts, and say all that is wrong with them at once."""
    read, problems = [], []
    for path in paths:
        try:
            read.append(read_facts(path))
        except DataError as error:
            problems.append(str(error))
    raise_all(problems)
    return read


def read_facts(path: str | os.PathLike[str]) -> tuple[pd.DataFrame, list[str]]:
    """Read a table of facts about units, whatever encoding it is in.

    Parameters
    ----------
    path : path
        A .csv, .tsv, .xlsx, .parquet, .sav or .dta file.

    Returns
    -------
    frame : DataFrame
        Its name in ``attrs["name"]``.
    notes : list of str
        The encoding, where a text file is not UTF-8.

    Raises
    ------
    DataError
        If the file is missing, damaged, or in no encoding that can be read.
    """
    path = Path(path)
    encoding = _encoding(path)
    try:
        survey = read_survey(path, encoding=encoding)
    except CxError as error:
        raise DataError(f"The facts cannot be read. {error}") from None
    frame = survey.frame
    frame.attrs["name"] = f"'{path.name}'"
    said = [f"'{path.name}' is not UTF-8 and was read as {encoding}; look at a name with special letters."]
    return frame, [*(said if encoding else []), *(f"'{path.name}': {n}" for n in survey.notes)]


def _encoding(path: Path) -> str | None:
    """The likely encoding of a text file that is not UTF-8; None where none need be named."""
    if path.suffix.lower() not in (".csv", ".tsv") or not path.is_file():
        return None
    raw = path.read_bytes()
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return None
    try:
        raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        likely = likely_encoding(raw)
    else:
        return None
    try:
        raw.decode(likely)
    except UnicodeDecodeError:
        raise DataError(
            f"The facts cannot be read. '{path.name}' is text neither in UTF-8 nor in {likely}; save it as UTF-8."
        ) from None
    return likely


def history_of(study: Study) -> History:
    """Return the history that a study names.

    Parameters
    ----------
    study : Study

    Returns
    -------
    History
    """
    h: Mapping[str, Any] = study.history
    target = h["target"] if "://" in h["target"] else study.folder / h["target"]
    return History(target, h.get("study", study.name))


@contextmanager
def on_cluster(address: str | None) -> Iterator[None]:
    """Let joblib's work go to an existing Dask cluster.

    Parameters
    ----------
    address : str or None
        Of its scheduler, such as ``"tcp://host:8786"``; None leaves everything as it is.

    Yields
    ------
    None

    Raises
    ------
    DataError
        If no scheduler answers.
    EstimationError
        If workers died time and again under the same task. One that dies once is replaced by another.
    """
    if address is None:
        yield
        return
    from joblib import parallel_config

    distributed = needed("distributed", "dask")
    try:
        client = distributed.Client(address, timeout=10, set_as_default=True)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"No Dask scheduler answers at '{masked(address)}': {str(error).splitlines()[0][:160]}"
        ) from None
    try:
        with client, parallel_config(backend="dask"):
            yield
    except distributed.KilledWorker as error:
        raise EstimationError(
            f"Workers of the cluster at '{masked(address)}' died again and again at the same task; give them more memory."
        ) from error
