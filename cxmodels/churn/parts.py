"""Scoring many files at once, on one machine or on several: a folder of parts in, a folder of parts out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..errors import DataError, listed
from .scoring import ScoreReport, score_file

if TYPE_CHECKING:
    from .estimator import Churn


def score_files(
    model: Churn,
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    *,
    ids: str = "customer_id",
    n_jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Score Parquet files part by part, each into a file of the same name in another folder.

    Parts are given out through joblib, so that inside ``joblib.parallel_config(backend="dask")`` the workers of a Dask
    cluster take them (extra ``dask``; source and target must be reachable from every worker). A row's score does not
    depend on its part: the numbers are those of :func:`score_file`, to the last bit.

    Parameters
    ----------
    model : Churn
        Fitted, or loaded.
    sources : path, or iterable of paths
        A folder, whose ``.parquet`` files are taken in order of name, or the files.
    folder : path
        Takes the scored files; made if it is not there. Each is whole or not there.
    ids : str, default "customer_id"
        Column of identifiers, unique within each part.
    n_jobs : int, default 1
        Parts at a time; -1 for all processors, or all workers of a cluster.
    progress : callable, optional
        Called as ``progress(done, total)``.
    **options
        As for :func:`score_file`: chunk, intervals, flags.

    Returns
    -------
    DataFrame
        [part, rows, mean, flagged, path], a line per part in the order given: rows scored, mean probability, values that
        could not be used as they are.

    Raises
    ------
    DataError
        If there is no file, two have the same name, or one cannot be scored: the part is named, and no other part is
        begun after it.

    Examples
    --------
    >>> import tempfile
    >>> import cxmodels as cx
    >>> data = cx.datasets.load("telco").head(600).assign(customer_id=range(600))
    >>> model = cx.Churn(candidates=["linear"], folds=3).fit(data.drop(columns=["churn", "customer_id"]), data["churn"])
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for k in range(2):
    ...         data.iloc[300 * k : 300 * k + 300].to_parquet(f"{home}/part-{k}.parquet")
    ...     cx.churn.score_files(model, home, f"{home}/scored")[["part", "rows"]].values.tolist()
    [['part-0.parquet', 300], ['part-1.parquet', 300]]
    """
    from joblib import Parallel, delayed

    files = _files(sources)
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    jobs = (delayed(_one)(model, source, home / source.name, ids, options) for source in files)
    lines = []
    for report in Parallel(n_jobs=n_jobs, return_as="generator")(jobs):
        name = Path(report.path).name
        lines.append((name, report.rows, report.mean, int(report.flags["rows"].sum()), report.path))
        if progress is not None:
            progress(len(lines), len(files))
    return pd.DataFrame(lines, columns=["part", "rows", "mean", "flagged", "path"])


def _files(sources: Any) -> list[Path]:
    """The files to score."""
    if isinstance(sources, str | os.PathLike):
        place = Path(sources)
        files = sorted(place.glob("*.parquet")) if place.is_dir() else [place]
        if not files:
            raise DataError(f"The folder '{place.name}' holds no .parquet file.")
    else:
        files = [Path(s) for s in sources]
    if not files:
        raise DataError("There is no file to score.")
    names = [f.name for f in files]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise DataError(f"Two files are called {listed(twice)}, and would be written over one another.")
    return files


def _one(model: Churn, source: Path, target: Path, ids: str, options: dict[str, Any]) -> ScoreReport:
    """Score one part, naming it if that fails."""
    try:
        return score_file(model, source, target, ids=ids, n_jobs=1, **options)
    except DataError as error:
        raise DataError(f"Part '{source.name}': {error}") from None
