"""The one resampling engine: bootstrap and jackknife for every model of the package.

A resample is a vector of row counts, so a statistic is a function from weightings of the rows to numbers, many
weightings at a time. Replicate i draws from child i of the seed and replicates are computed in chunks whose
size depends on the data alone: one worker or a hundred give the same numbers to the last bit.

Sources: Efron and Tibshirani (1993), *An Introduction to the Bootstrap*, ch. 11-14; Davison and Hinkley (1997),
*Bootstrap Methods and their Application*, ch. 5; Rao and Wu (1988) for resampling clusters within strata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .errors import DataError, EstimationError, SpecError
from .intervals import INTERVALS as INTERVALS
from .intervals import Interval, check_interval, intervals, jackknife_se, noise, standard_error
from .intervals import check_level as check_level

Array = NDArray[np.float64]
Statistic = Callable[[Array], tuple[Array, Mapping[str, NDArray[np.bool_]]]]

__all__ = [
    "Replicates",
    "Sampling",
    "bootstrap",
    "intervals",
    "jackknife",
    "jackknife_se",
    "standard_error",
]
_CHUNK_CELLS = 4_000_000  # counts held at a time: replicates × rows
_ATTEMPTS = 3
_NESTED = 50  # inner resamples behind each studentised replicate (Efron and Tibshirani 1993, sec. 12.5)


@dataclass(frozen=True, eq=False)
class Sampling:
    """How rows are drawn: singly, as whole clusters, and separately in each stratum.

    Parameters
    ----------
    n : int
        Number of rows.
    strata : array of shape (n,), optional
        Drawn separately; the number drawn from each stays as observed.
    clusters : array of shape (n,), optional
        Drawn as a whole. A cluster lies in one stratum.

    Raises
    ------
    DataError
        If labels are missing or of the wrong length, a cluster crosses strata, or a stratum holds one unit.

    Examples
    --------
    >>> from cxmodels.resampling import Sampling
    >>> Sampling(6, strata=[1, 1, 1, 2, 2, 2], clusters=["a", "a", "b", "c", "d", "d"]).units
    4
    """

    n: int
    strata: ArrayLike | None = None
    clusters: ArrayLike | None = None
    unit: NDArray[np.intp] = field(init=False, repr=False)  # unit of each row, units sorted by stratum
    start: Array = field(init=False, repr=False)  # first unit of the stratum of each unit
    size: Array = field(init=False, repr=False)  # number of units in the stratum of each unit

    def __post_init__(self) -> None:
        cluster = _labels(self.clusters, self.n, "clusters")
        stratum = _labels(self.strata, self.n, "strata")
        if cluster is None:
            cluster = np.arange(self.n)
        if stratum is None:
            stratum = np.zeros(self.n, dtype=np.intp)
        units, first, unit = np.unique(cluster, return_index=True, return_inverse=True)
        of_unit = stratum[first]
        if crossing := int((of_unit[unit] != stratum).sum()):
            raise DataError(
                f"{crossing} rows lie in another stratum than the rest of their cluster; "
                "clusters must be nested in strata."
            )
        order = np.argsort(of_unit, kind="stable")
        place = np.empty(len(units), dtype=np.intp)
        place[order] = np.arange(len(units))
        _, begin, counts = np.unique(of_unit[order], return_index=True, return_counts=True)
        if (counts < 2).any():
            raise DataError(
                f"{int((counts < 2).sum())} of {len(counts)} strata hold a single "
                f"{'cluster' if self.clusters is not None else 'row'}, which cannot be resampled; merge them."
                if len(counts) > 1
                else "Resampling needs at least two rows or clusters."
            )
        object.__setattr__(self, "unit", place[unit])
        object.__setattr__(self, "start", np.repeat(begin, counts).astype(float))
        object.__setattr__(self, "size", np.repeat(counts, counts).astype(float))

    @property
    def units(self) -> int:
        """Number of units drawn: clusters, or rows."""
        return len(self.size)

    def draw(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Return the units of one resample, as many as there are, stratum by stratum.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of shape (units,)
        """
        u = rng.random(self.units)
        return (self.start + np.minimum(np.floor(u * self.size), self.size - 1)).astype(np.intp)

    def counts(self, drawn: NDArray[np.intp]) -> Array:
        """Return how often each row occurs among the drawn units.

        Parameters
        ----------
        drawn : ndarray of shape (units,)
            From :meth:`draw`.

        Returns
        -------
        ndarray of shape (n,)
        """
        return np.bincount(drawn, minlength=self.units)[self.unit].astype(float)


@dataclass(frozen=True, eq=False)
class Replicates:
    """Bootstrap replicates of a vector of statistics.

    Attributes
    ----------
    estimate : ndarray of shape (k,)
        The statistics of the data themselves.
    values : ndarray of shape (n, k)
        One replicate per line, in the order of the seeds; NaN lines failed.
    ok : ndarray of shape (n,)
        Which lines are usable.
    notes : dict
        Events the statistic reported, by name: in how many replicates they happened.
    seed : int or None
        Entropy of the seed sequence, to reproduce the run; None when resamples were given.
    jack : ndarray of shape (units, k), optional
        The statistics with each unit left out, where BCa intervals were asked for.
    se_values : ndarray of shape (n, k), optional
        Standard error of every replicate, where studentised intervals were asked for.

    Examples
    --------
    >>> import numpy as np
    >>> from cxmodels.resampling import Sampling, bootstrap
    >>> x = np.array([3.0, 5.0, 6.0, 8.0, 9.0])
    >>> mean = lambda w: ((w @ x / w.sum(axis=1))[:, None], {})
    >>> bootstrap(mean, Sampling(5), 2000, seed=1).table(slice(0, 1))[["est", "se"]].round(1).to_numpy().tolist()
    [[6.2, 1.0]]
    """

    estimate: Array
    values: Array
    ok: NDArray[np.bool_]
    notes: dict[str, int]
    seed: Any
    jack: Array | None = None
    se_values: Array | None = None

    @property
    def n(self) -> int:
        """Replicates asked for."""
        return len(self.ok)

    @property
    def failed(self) -> int:
        """Replicates without usable numbers, left out of everything below."""
        return int((~self.ok).sum())

    def table(self, part: slice, interval: Interval = "percentile", level: float = 0.95) -> pd.DataFrame:
        """Summarise some of the statistics.

        Parameters
        ----------
        part : slice
            Which statistics.
        interval : {"percentile", "basic", "normal", "bca", "studentized"}
            Percentile is the default because it respects bounds and needs nothing else; BCa corrects for bias
            and skewness at the price of a jackknife; studentised is second-order exact at the price of a
            nested bootstrap.
        level : float, default 0.95
            Confidence level.

        Returns
        -------
        DataFrame
            Columns est, se, t, pvalue, ci_lower, ci_upper. The p-value is two-sided from t = est / se
            against the normal distribution.
        """
        from scipy.special import ndtr

        est, reps = self.estimate[part], self.values[self.ok][:, part]
        se = standard_error(reps)
        with np.errstate(invalid="ignore", divide="ignore"):
            t = np.where(se > noise(est), est / se, np.nan)
        lower, upper = intervals(
            est,
            reps,
            interval,
            level,
            jack=None if self.jack is None else self.jack[:, part],
            se_reps=None if self.se_values is None else self.se_values[self.ok][:, part],
        )
        columns = {"est": est, "se": se, "t": t, "pvalue": 2 * ndtr(-np.abs(t))}
        return pd.DataFrame(columns | {"ci_lower": lower, "ci_upper": upper})


def bootstrap(
    statistic: Statistic,
    sampling: Sampling,
    n: int = 1000,
    *,
    seed: int | Sequence[int] | None = None,
    indices: ArrayLike | None = None,
    interval: Interval = "percentile",
    n_jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Replicates:
    """Draw resamples and evaluate a statistic on each.

    Parameters
    ----------
    statistic : callable
        Takes weightings of the rows (b, rows) and returns the statistics (b, k), with NaN lines where there is
        no usable number, and a dict of named events (b,) to be counted. Picklable if `n_jobs` is not 1.
    sampling : Sampling
        Rows, strata and clusters.
    n : int, default 1000
        Replicates.
    seed : int or sequence of int, optional
        Same seed, same numbers, whatever `n_jobs`. Without it a fresh one is drawn and kept in the result.
    indices : array-like of shape (n, m), optional
        Row numbers (from 0) of given resamples; replaces `n` and `seed`.
    interval : str, default "percentile"
        The kind of interval to prepare for: ``"bca"`` adds a jackknife, ``"studentized"`` a nested bootstrap.
    n_jobs : int, default 1
        Workers, by joblib and whichever backend the caller has configured. 1 runs in this process.
    progress : callable, optional
        Called as ``progress(done, total)`` after every chunk.

    Returns
    -------
    Replicates

    Raises
    ------
    SpecError
        For an unknown interval or a number of replicates below 2.
    EstimationError
        If every replicate fails.

    Examples
    --------
    The standard error of a mean:

    >>> import numpy as np
    >>> from cxmodels.resampling import Sampling, bootstrap
    >>> x = np.arange(100.0)
    >>> mean = lambda g: ((g @ x / g.sum(axis=1))[:, None], {})
    >>> r = bootstrap(mean, Sampling(100), 2000, seed=1)
    >>> bool(abs(r.table(slice(None)).se[0] - x.std() / 10) < 0.1)
    True
    """
    check_interval(interval)
    check_workers(n_jobs)
    given = None if indices is None else _given(indices, sampling.n)
    total = whole_number("The number of replicates", n) if given is None else len(given)
    if total < 2:
        raise SpecError(f"A bootstrap needs at least 2 replicates, not {total}.")
    if given is not None and interval == "studentized":
        raise SpecError("Studentised intervals draw their own resamples; leave out indices.")
    root = entropy(seed) if given is None else None
    size = _chunk(sampling.n)
    tasks = [
        (statistic, sampling, range(i, min(i + size, total)), root, given, interval == "studentized")
        for i in range(0, total, size)
    ]
    parts = run_tasks(_replicate_chunk, tasks, n_jobs, progress, total)
    with _one_blas_thread():
        estimate = statistic(np.ones((1, sampling.n)))[0][0]
    values = _finite(np.concatenate([p[0] for p in parts]))
    notes = {k: int(sum(p[1][k] for p in parts)) for k in parts[0][1]}
    se_values = np.concatenate([p[2] for p in parts]) if interval == "studentized" else None
    ok = np.ones(total, dtype=bool)
    for lines in (values, se_values):  # a resample that cannot be resampled again has no standard error
        if lines is not None and lines.shape[1]:
            ok &= ~np.isnan(lines).all(axis=1)
    if not ok.any():
        worst = max(notes, key=lambda k: notes[k], default="")
        why = f" ({notes[worst]} times: {worst})" if worst and notes[worst] else ""
        raise EstimationError(f"All {total} bootstrap replicates failed{why}; the data are too few or too alike.")
    jack = jackknife(statistic, sampling, n_jobs=n_jobs) if interval == "bca" else None
    return Replicates(estimate, values, ok, notes, root, jack, se_values)


def jackknife(statistic: Statistic, sampling: Sampling, *, n_jobs: int = 1) -> Array:
    """Evaluate a statistic with each unit (row, or cluster) left out in turn.

    Parameters
    ----------
    statistic : callable
        As for :func:`bootstrap`.
    sampling : Sampling
        Rows and clusters; strata do not matter here.
    n_jobs : int, default 1
        Workers.

    Returns
    -------
    ndarray of shape (units, k)

    Examples
    --------
    The jackknife standard error of a mean is s / sqrt(n):

    >>> import numpy as np
    >>> from cxmodels.resampling import Sampling, jackknife, jackknife_se
    >>> x = np.arange(10.0)
    >>> mean = lambda g: ((g @ x / g.sum(axis=1))[:, None], {})
    >>> values = jackknife(mean, Sampling(10))
    >>> bool(np.isclose(jackknife_se(values)[0], x.std(ddof=1) / 10**0.5))
    True
    """
    size = _chunk(sampling.n)
    tasks = [(statistic, sampling, range(i, min(i + size, sampling.units))) for i in range(0, sampling.units, size)]
    return _finite(np.concatenate(run_tasks(_jackknife_chunk, tasks, n_jobs, None, sampling.units)))


def check_workers(n_jobs: int) -> None:
    """Raise a SpecError unless `n_jobs` is a number of workers as joblib counts them."""
    if whole_number("n_jobs", n_jobs) == 0:
        raise SpecError("n_jobs is the number of workers, 1 or more, or -1 for all processors; not 0.")


def whole_number(what: str, value: Any, least: int | None = None) -> int:
    """Return a whole number, or raise a SpecError that says what should have been one, and how large."""
    if isinstance(value, bool) or not isinstance(value, Integral) or (least is not None and value < least):
        raise SpecError(
            f"{what} must be a whole number{'' if least is None else f' of {least} or more'}, not {value!r}."
        )
    return int(value)


def _replicate_chunk(
    statistic: Statistic,
    sampling: Sampling,
    which: range,
    entropy: Any,
    given: NDArray[np.intp] | None,
    nested: bool,
) -> tuple[Array, dict[str, int], Array]:
    """Values, counts of events and, if nested, standard errors of some replicates."""
    with _one_blas_thread():
        if given is not None:
            counts = np.stack([np.bincount(given[i], minlength=sampling.n) for i in which]).astype(float)
            values, notes = statistic(counts)
            return values, {k: int(v.sum()) for k, v in notes.items()}, values[:0]
        counts = np.empty((len(which), sampling.n))
        inner = []
        for line, i in enumerate(which):
            rng = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(i,)))
            drawn = sampling.draw(rng)
            counts[line] = sampling.counts(drawn)
            if nested:
                again = np.stack([sampling.counts(drawn[sampling.draw(rng)]) for _ in range(_NESTED)])
                inner.append(standard_error(_usable(_finite(statistic(again)[0]))))
        values, notes = statistic(counts)
        return values, {k: int(v.sum()) for k, v in notes.items()}, np.array(inner)


def _jackknife_chunk(statistic: Statistic, sampling: Sampling, which: range) -> Array:
    """Values with each of some units left out."""
    with _one_blas_thread():
        return statistic((sampling.unit[None, :] != np.asarray(which)[:, None]).astype(float))[0]


def run_tasks(
    function: Callable[..., Any],
    tasks: list[tuple[Any, ...]],
    n_jobs: int,
    progress: Callable[[int, int], None] | None,
    total: int,
) -> list[Any]:
    """Call the function on each task, here or through joblib, telling how far it is.

    A worker that is killed, as for want of memory, costs its own work only: what is not done is given out again. (A
    Dask cluster does so by itself.)
    """
    stream = (function(*task) for task in tasks) if n_jobs == 1 else _given_out(function, tasks, n_jobs)
    out, done = [], 0
    with _one_blas_thread():  # here too: threads that each set and restore the cap would undo one another's
        for task, result in zip(tasks, stream, strict=True):
            out.append(result)
            done += len(task[2])
            if progress is not None:
                progress(done, total)
    return out


def _given_out(function: Callable[..., Any], tasks: list[tuple[Any, ...]], n_jobs: int) -> Iterator[Any]:
    """Results in the order of the tasks, from joblib's workers."""
    from concurrent.futures.process import BrokenProcessPool

    from joblib import Parallel, delayed

    done = 0
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            left = (delayed(function)(*task) for task in tasks[done:])
            for result in Parallel(n_jobs=n_jobs, return_as="generator")(left):
                done += 1
                yield result
            return
        except BrokenProcessPool:
            if attempt == _ATTEMPTS:
                raise EstimationError(
                    f"Workers were killed {_ATTEMPTS} times, perhaps for want of memory, with {done} of {len(tasks)} parts "
                    "done; take fewer workers."
                ) from None


def _chunk(rows: int) -> int:
    """Replicates evaluated together: a function of the data's size only, so that results never depend on workers."""
    return max(8, min(250, _CHUNK_CELLS // max(rows, 1)))


@cache
def _libraries() -> Any:
    """The BLAS libraries, looked up once; SciPy brings its own, so it must be there first."""
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _one_blas_thread() -> Any:
    """Cap BLAS at one thread: on stacks of small matrices threads cost far more than they give."""
    return _libraries().limit(limits=1, user_api="blas")


def _usable(values: Array) -> Array:
    """Lines that hold numbers."""
    return values[~np.isnan(values).all(axis=1)]


def _finite(values: Array) -> Array:
    """Replace infinite values, as of a variance inflation factor without bound, by NaN."""
    return np.where(np.isfinite(values), values, np.nan)


def entropy(seed: int | Sequence[int] | None) -> Any:
    """Return the entropy of a seed, a fresh one for None; refuse what is no seed."""
    try:
        return np.random.SeedSequence(seed).entropy
    except (TypeError, ValueError):
        raise SpecError(f"seed must be a whole number of 0 or more, not {seed!r}.") from None


def _given(indices: ArrayLike, rows: int) -> NDArray[np.intp]:
    """Check resamples given as row numbers."""
    try:
        array = np.asarray(indices)
    except ValueError:
        raise DataError("indices must be a table of whole numbers: its lines differ in length.") from None
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer):
        raise DataError("indices must be a table of whole numbers, one resample per line.")
    if array.size and (array.min() < 0 or array.max() >= rows):
        bad = int(((array < 0) | (array >= rows)).sum())
        raise DataError(f"{bad} of the resample indices are not row numbers between 0 and {rows - 1}.")
    return array.astype(np.intp)


def _labels(labels: ArrayLike | None, n: int, name: str) -> NDArray[np.intp] | None:
    """Turn strata or cluster labels into whole numbers."""
    if labels is None:
        return None
    values = np.asarray(labels)
    if values.shape != (n,):
        shape = " x ".join(map(str, values.shape)) or "a single value"
        raise DataError(f"{name} must be one label for each of the {n} rows used, not {shape}.")
    codes, _ = pd.factorize(values)
    if missing := int((codes < 0).sum()):
        raise DataError(f"{name} is missing in {missing} rows; fill or drop them.")
    return codes
