"""Every unit's model, and the replicates of every unit: the loops of a study of many companies."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CxError, DataError, EstimationError, listed
from ..pls import PLS, PLSResult
from ..pls.kernel import Array
from ..pls.units import fit_units
from ..resampling import Interval, Replicates, Sampling, bootstrap, run_tasks
from ..survey import Survey
from .engines import Fit, IndexStatistic, fit_unit
from .means import Means, fit_means

if TYPE_CHECKING:
    from .satisfaction import SatisfactionIndex

Fitted = tuple[Fit | CxError, str]


def fit_each(
    spec: SatisfactionIndex,
    survey: Survey,
    rows: Sequence[np.ndarray],
    case: Array | None,
    missing: str | None,
    n_jobs: int = 1,
) -> Iterator[Fitted]:
    """Fit the model to each set of rows.

    Path models of units whose items all vary are estimated together, in one pass of the algorithm; the others, and
    covariance-based models, one by one.

    Parameters
    ----------
    spec : SatisfactionIndex
    survey : Survey
    rows : sequence of ndarray of int
    case : ndarray of shape (n,) or None
    missing : str or None
    n_jobs : int, default 1
        Workers for models that are fitted one by one.

    Yields
    ------
    fit, dropped
        The result or the error of a unit, and the constructs left out there because nobody's answers differ.
    """
    together: dict[int, Fit | CxError] = {}
    if isinstance(spec.equations, PLS):
        x = survey.numeric(spec.model.items)
        whole = [u for u, own in enumerate(rows) if not _flat(x[own], spec).size]
        treated = missing or "mean"
        found = fit_units(spec.equations, survey, [rows[u] for u in whole], weights=case, missing=treated)
        together = dict(zip(whole, found, strict=True))
    if isinstance(spec.equations, Means):
        together = dict(enumerate(fit_means(spec.equations, survey, rows, case, missing or "mean")))
    alone = [u for u in range(len(rows)) if u not in together]
    tasks = [(spec, survey.subset(rows[u]), (missing,), None if case is None else case[rows[u]]) for u in alone]
    others = iter(run_tasks(_alone, tasks, n_jobs, None, len(tasks)) if n_jobs != 1 else (_alone(*t) for t in tasks))
    for u in range(len(rows)):
        if u not in together:
            fitted, said = next(others)
            for category, message in said:
                warnings.warn(message, category, stacklevel=4)
            yield fitted
            continue
        fit = together.pop(u)
        for category, message in fit.events if isinstance(fit, PLSResult) else ():
            warnings.warn(message, category, stacklevel=4)
        yield fit, ""


def _alone(
    spec: SatisfactionIndex, part: Survey, missing: tuple[str | None], case: Array | None
) -> tuple[Fitted, list[tuple[type[Warning], str]]]:
    """Fit one unit by itself, perhaps in another process, and bring its warnings along."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model, dropped = _without_constant(spec, part)
            fitted: Fitted = (fit_unit(model, part, case, missing[0]), dropped)
        except (DataError, EstimationError) as error:
            fitted = (error, "")
    return fitted, [(w.category, str(w.message)) for w in caught]


def _flat(x: Array, spec: SatisfactionIndex) -> np.ndarray:
    """Items that hold one answer throughout, or none."""
    low, high = np.fmin.reduce(x, axis=0), np.fmax.reduce(x, axis=0)
    return np.flatnonzero(~(low < high))


def _without_constant(spec: SatisfactionIndex, part: Survey) -> tuple[Any, str]:
    """Leave out constructs whose items do not vary in a unit, as complaints where nobody complained."""
    model = spec.model
    flat = {model.items[i] for i in _flat(part.numeric(model.items), spec)}
    gone = [c for c, items in model.measures.items() if c != model.target and set(items) <= flat]
    if not gone:
        return spec.equations, ""
    return spec.engine_model(model.without(*gone)), listed(gone)


def replicates_of(
    statistics: Sequence[IndexStatistic],
    samplings: Sequence[Sampling],
    seeds: Sequence[Any],
    n: int,
    interval: Interval,
    n_jobs: int,
    progress: Callable[[int, int], None] | None,
) -> list[Replicates | EstimationError]:
    """Bootstrap every unit, several units at a time where there are workers.

    Parameters
    ----------
    statistics : sequence of callable
        One per unit.
    samplings : sequence of Sampling
        How the rows of each unit are drawn.
    seeds : sequence
        Seed of each unit: the same numbers whatever the workers.
    n : int
        Replicates.
    interval : str
    n_jobs : int
    progress : callable, optional
        ``progress(units done, units)``.

    Returns
    -------
    list of Replicates or EstimationError
        The error where every replicate of a unit failed.
    """
    tasks = [(s, how, (seed,), n, interval) for s, how, seed in zip(statistics, samplings, seeds, strict=True)]
    return run_tasks(_unit, tasks, n_jobs, progress, len(tasks))


def _unit(
    statistic: IndexStatistic, sampling: Sampling, seed: tuple[Any], n: int, interval: Interval
) -> Replicates | EstimationError:
    """Bootstrap one unit."""
    try:
        return bootstrap(statistic, sampling, n, seed=seed[0], interval=interval)
    except EstimationError as error:
        return error
