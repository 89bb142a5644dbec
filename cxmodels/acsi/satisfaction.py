"""`SatisfactionIndex`: from a survey to indices on 0-100 and the impacts of their drivers, unit by unit."""

from __future__ import annotations

import warnings as _warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from .. import index as ix
from ..errors import CxError, DataError, DataWarning, EstimationError, ReplicateWarning, SpecError, listed, near
from ..pls.kernel import Array
from ..resampling import (
    Interval,
    Sampling,
    check_interval,
    check_level,
    check_workers,
    entropy,
    whole_number,
)
from ..resampling import bootstrap as resample
from ..survey import Survey, as_survey
from .engines import (
    ENGINES,
    PLS_ONLY,
    SEM_ONLY,
    Fit,
    Model,
    answers_given,
    check_missing,
    engine_model,
    fit_unit,
    item_names,
    statistic_of,
)
from .fitting import Fitted, fit_each, replicates_of
from .hierarchy import SCORES
from .models import ACSI, IndexModel, with_price_tolerance
from .result import IndexResult
from .schemes import Scheme, scheme_of

REPLICATES = {"pls": 500, "sem": 0, "mean": 0}  # SEM and means have standard errors of their own


@dataclass(frozen=True)
class SatisfactionIndex:
    """Satisfaction index of one or many units (companies, branches, countries), from the same model in each.

    Parameters
    ----------
    model : IndexModel, Scheme, Model or str, default cx.acsi.ACSI
        The structural model; ``cx.acsi.ECSI`` or a text in the model language as well. A public scheme, or its name
        ("acsi", "ncsi", "ecsi", "epsi", "ukcsi"), brings its engine and its rules: :class:`cxmodels.acsi.Scheme`.
    engine : {"pls", "sem", "mean"}, default "pls"
        How the model is estimated: by PLS path modelling, as the national indices are, or by covariance-based SEM,
        whose paths are free of measurement error and whose fit can be tested. The weights of an index are the
        outer weights of PLS, or those of the construct's factor score from its own items (loading over residual
        variance, if residuals are uncorrelated). By "mean" items count alike and paths are left out: no impacts.
    target : str, optional
        Headline construct; by default the model's own, Satisfaction.
    items : mapping of item to column, optional
        Where the survey's columns are named otherwise than the model's items.
    scale : (lo, hi), or mapping of column to (lo, hi), optional
        Ends of the answer scales. By default those of the survey's codebook, else of the model.
    scheme, modes, standardize, consistent
        Options of PLS, as for :class:`cxmodels.PLS`. With ``consistent=True`` (PLSc) paths and impacts of
        ``=~`` constructs are corrected for measurement error; indices are the same.
    estimator : str, default "ML"
        Option of SEM, as for :class:`cxmodels.SEM`; ML becomes MLR under case weights.
    from_zero : bool, default False
        Whether 0 on the index is an answer of 0, not the lowest answer there is; True for UKCSI, whose ratings on
        1-10 are multiplied by ten.
    minimum_n : int, default 0
        Interviews that a unit needs; those with fewer are estimated and warned about. 250 for EPSI.

    Examples
    --------
    >>> import cxmodels as cx
    >>> study = cx.SatisfactionIndex(cx.acsi.ECSI).fit(cx.datasets.load("mobi"), bootstrap=200, seed=1)
    >>> study.scores.set_index("construct").loc["Satisfaction", ["index", "se"]].round(2).to_dict()
    {'index': 72.45, 'se': 0.91}
    >>> model = "Image =~ IMAG1 + IMAG4 + IMAG5; Satisfaction =~ CUSA1 + CUSA2 + CUSA3; Satisfaction ~ Image"
    >>> sem = cx.SatisfactionIndex(model, engine="sem", scale=(1, 10)).fit(cx.datasets.load("mobi"))
    >>> sem.impacts[["driver", "target", "impact", "se"]].round(2)
      driver        target  impact    se
    0  Image  Satisfaction    0.96  0.08
    """

    model: Any = ACSI
    engine: Literal["pls", "sem", "mean"] = "pls"
    target: str | None = None
    items: Mapping[str, str] | None = None
    scale: ix.Scale = None
    scheme: Literal["path", "factorial", "centroid"] = field(default="path", kw_only=True)
    modes: Mapping[str, str] | None = field(default=None, kw_only=True)
    standardize: bool = field(default=True, kw_only=True)
    consistent: bool = field(default=False, kw_only=True)
    estimator: str = field(default="ML", kw_only=True)
    from_zero: bool = field(default=False, kw_only=True)
    minimum_n: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        if scheme := scheme_of(self.model):
            self._follow(scheme)
        if self.engine not in ENGINES:
            raise SpecError(
                f"Unknown engine '{self.engine}'; choose from {listed(ENGINES)}.{near(self.engine, ENGINES)}"
            )
        model = IndexModel.of(self.model, self.target)
        model = model.with_items(self.items)
        if self.engine == "mean":
            model = replace(model, paths=())
        if whole_number("minimum_n", self.minimum_n) < 0:
            raise SpecError(f"minimum_n is a number of interviews, 0 or more, not {self.minimum_n}.")
        object.__setattr__(self, "model", model)
        object.__setattr__(self, "_equations", self.engine_model(model))

    def _follow(self, scheme: Scheme) -> None:
        """Take what a public scheme prescribes."""
        if scheme.engine == "mean" and self.engine == "sem":
            raise SpecError(f"The {scheme.name} scheme is made of plain means, so engine='sem' has no model to fit.")
        rules = {"model": scheme.model, "from_zero": scheme.from_zero or self.from_zero}
        rules["minimum_n"] = self.minimum_n or scheme.minimum_n
        if scheme.engine == "mean":
            rules["engine"] = "mean"
        for name, value in rules.items():
            object.__setattr__(self, name, value)

    def fit(
        self,
        data: Any,
        by: str | Sequence[str] | None = None,
        *,
        weights: Any = None,
        missing: Literal["mean", "listwise", "pairwise", "fiml", "error"] | None = None,
        bootstrap: int | None = None,
        seed: int | Sequence[int] | None = None,
        interval: Interval = "percentile",
        level: float = 0.95,
        n_jobs: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> IndexResult:
        """Estimate the model in every unit.

        Parameters
        ----------
        data : Survey or DataFrame
            One row per respondent. An ACSI-style survey with the columns tolerance_up and tolerance_down gets
            the combined item price_tolerance by itself.
        by : str or sequence of str, optional
            Columns that name the unit, finest first, such as ``"company"`` or ``["company", "year"]``. Without
            it all rows are one unit.
        weights : str or array-like of shape (n,), optional
            Case weights; by default those of the survey.
        missing : {"mean", "listwise", "pairwise", "fiml", "error"}, optional
            As for the ``fit`` of :class:`cxmodels.PLS` (mean, listwise, pairwise, error; default mean) or
            :class:`cxmodels.SEM` (fiml, listwise, error; default fiml where answers are missing).
        bootstrap : int, optional
            Replicates behind the intervals of impacts and ``se_bootstrap``. Default 500 for PLS. For SEM 0: standard
            errors and intervals of impacts are then those of the delta method; PLS has none without replicates.
        seed : int or sequence of int, optional
            Same seed, same numbers, whatever `n_jobs`.
        interval : {"percentile", "basic", "normal", "bca", "studentized"}, default "percentile"
            Kind of the bootstrap intervals, those of the impacts.
        level : float, default 0.95
            Confidence level.
        n_jobs : int, default 1
            Workers for the bootstrap.
        progress : callable, optional
            ``progress(units done, units)``, or replicates if there is one unit.

        Returns
        -------
        IndexResult

        Raises
        ------
        DataError
            If a column is missing or no unit can be estimated. A unit that cannot be estimated while others can
            is listed in ``skipped`` with the reason, and warned about.
        """
        bootstrap = REPLICATES[self.engine] if bootstrap is None else bootstrap
        if whole_number("bootstrap", bootstrap) < 0 or bootstrap == 1:
            raise SpecError(f"bootstrap is the number of replicates, 0 or at least 2, not {bootstrap}.")
        check_level(level)
        check_interval(interval)
        check_workers(n_jobs)
        check_missing(self.engine, missing)
        survey = with_price_tolerance(as_survey(data), self.model.items)
        case = survey.case_weights(weights)
        keys, units, place, unnamed = _units(survey.frame, by)
        survey.numeric(self.model.items)  # one complaint about the whole table, before any unit
        root = entropy(seed)
        fits: dict[tuple[Any, ...], Fit] = {}
        skipped: dict[tuple[Any, ...], str] = {}
        messages: list[str] = []
        scales: dict[tuple[str, ...], tuple[Array, Array]] = {}
        places = np.argsort(place, kind="stable")[unnamed:]
        rows = np.split(places, np.flatnonzero(np.diff(place[places])) + 1) if units else []
        fit: Fit | CxError
        fitted = fit_each(self, survey, rows, case, missing, n_jobs) if keys else self._whole(survey, case, missing)
        for unit, (fit, dropped) in zip(units, fitted, strict=True):
            try:
                if isinstance(fit, CxError):
                    raise fit
                self.ends(fit, scales)
                fits[unit] = fit
            except (DataError, EstimationError) as error:
                if not keys:
                    raise
                skipped[unit] = str(error)
            if dropped:
                messages.append(f"{', '.join(map(str, unit))}: {dropped} has one answer throughout and is left out.")
            if progress is not None and keys and not bootstrap:
                progress(len(fits) + len(skipped), len(units))
        reps = self._replicates(fits, units, scales, bootstrap, root, interval, n_jobs, progress)
        for unit, found in [*reps.items()]:
            if isinstance(found, EstimationError):
                if not keys:
                    raise found
                skipped[unit] = str(found)
                del fits[unit], reps[unit]
        lost = [(*unit, len(own), skipped[unit]) for unit, own in zip(units, rows, strict=True) if unit in skipped]
        if not units:
            raise DataError(f"No row names {listed(keys)}, so there are no units.")
        if not fits:
            raise DataError(f"None of the {len(units)} units can be estimated; the first: {lost[0][-1]}")
        if lost:
            messages.append(f"{len(lost)} of {len(units)} units could not be estimated; see skipped.")
        if unnamed:
            messages.append(f"{unnamed} rows without {listed(keys)} are left out.")
        messages += self._too_few(fits)
        messages += [
            (f"{', '.join(map(str, unit))}: " if unit else "") + text
            for unit, fit in fits.items()
            for text in fit.negative_weights()
        ]
        for message in messages:
            _warnings.warn(message, DataWarning, stacklevel=2)
        if failed := sum(r.failed for r in reps.values()):
            total = sum(r.n for r in reps.values())
            _warnings.warn(f"{failed} of {total} replicates failed and are left out.", ReplicateWarning, stacklevel=2)
        return IndexResult(
            spec=self,
            survey=survey,
            keys=tuple(keys),
            fits=fits,
            replicates=reps,
            skipped=pd.DataFrame(lost, columns=[*keys, "rows", "reason"]),
            unnamed=unnamed,
            level=level,
            interval=interval,
            seed=seed,
            messages=tuple(messages),
        )

    @property
    def equations(self) -> Model:
        """The model behind the index, a :class:`cxmodels.PLS` or :class:`cxmodels.SEM`."""
        return self._equations  # type: ignore[attr-defined]

    def engine_model(self, model: IndexModel) -> Model:
        """Return the model that the engine fits.

        Parameters
        ----------
        model : IndexModel

        Returns
        -------
        PLS, SEM or Means
        """
        return engine_model(self.engine, model, {k: getattr(self, k) for k in (*PLS_ONLY, *SEM_ONLY)})

    def _too_few(self, fits: Mapping[tuple[Any, ...], Fit]) -> list[str]:
        """A sentence on units with fewer interviews than they need."""
        small = {u: f.n_obs for u, f in fits.items() if f.n_obs < self.minimum_n}
        if not small:
            return []
        said = listed((", ".join(map(str, u)) or "all rows") + f" ({n})" for u, n in small.items())
        return [
            f"{len(small)} of {len(fits)} units have fewer interviews than the {self.minimum_n} that "
            f"{self.model.name} asks for: {said}."
        ]

    def _whole(self, survey: Survey, case: Array | None, missing: str | None) -> Iterator[Fitted]:
        """Fit the model to all rows as one unit."""
        yield fit_unit(self.equations, survey, case, missing), ""

    def _replicates(
        self,
        fits: Mapping[tuple[Any, ...], Fit],
        units: Sequence[tuple[Any, ...]],
        scales: dict[tuple[str, ...], tuple[Array, Array]],
        n: int,
        root: Any,
        interval: Interval,
        n_jobs: int,
        progress: Callable[[int, int], None] | None,
    ) -> dict[tuple[Any, ...], Any]:
        """Replicates of every unit fitted, or the error where all of them failed."""
        if not n:
            return {}
        statistics = {u: statistic_of(f, *self.ends(f, scales)) for u, f in fits.items()}
        if units == [()]:
            sampling = Sampling(fits[()].n_obs)
            found = resample(
                statistics[()], sampling, n, seed=root, interval=interval, n_jobs=n_jobs, progress=progress
            )
            return {(): found}
        seeds = [[*np.atleast_1d(root).tolist(), u] for u, unit in enumerate(units) if unit in fits]
        samplings = [Sampling(f.n_obs) for f in fits.values()]
        gone = len(units) - len(fits)  # those that could not be estimated are done with
        tell = None if progress is None else lambda done, _: progress(done + gone, len(units))
        made = replicates_of(list(statistics.values()), samplings, seeds, n, interval, n_jobs, tell)
        return dict(zip(fits, made, strict=True))

    def ends(self, fit: Fit, known: dict[tuple[str, ...], tuple[Array, Array]] | None = None) -> tuple[Array, Array]:
        """Return the ends of each item's scale, after a check that all answers lie inside.

        Parameters
        ----------
        fit : PLSResult or SEMResult
            The fit of one unit.
        known : dict, optional
            Ends that were already looked up, by items; grows.

        Returns
        -------
        lo, hi : ndarray of shape (items,)
        """

        def look_up(item: str) -> tuple[float, float] | None:
            return (fit.survey.scale(item) if fit.survey else None) or self.model.scales.get(item)

        items, known = item_names(fit), {} if known is None else known
        if items not in known:
            known[items] = ix.scale_ends(items, self.scale, look_up)
        lo, hi = known[items]
        ix.check_inside(answers_given(fit), items, lo, hi)
        if not self.from_zero:
            return lo, hi
        if (below := np.flatnonzero(hi <= 0)).size:
            raise SpecError(f"The scale of '{items[below[0]]}' ends at or below 0; an index from zero needs more.")
        return np.zeros_like(lo), hi


def _units(
    frame: pd.DataFrame, by: str | Sequence[str] | None
) -> tuple[list[str], list[tuple[Any, ...]], np.ndarray, int]:
    """Units in sorted order, the unit of each row (-1 for none), and how many rows name none."""
    keys = [] if by is None else [by] if isinstance(by, str) else list(by)
    if twice := [k for k in keys if keys.count(k) > 1]:
        raise SpecError(f"by names '{twice[0]}' twice.")
    for key in keys:
        if key not in frame.columns:
            raise SpecError(f"by names '{key}', which is not a column.{near(key, map(str, frame.columns))}")
        if key in (*SCORES, "driver", "target", "impact"):
            raise SpecError(
                f"by names '{key}', which is called like a column of every result; rename it in the data."
            )
    if not keys:
        return keys, [()], np.zeros(len(frame), dtype=np.intp), 0
    groups = frame.groupby(keys, sort=True, observed=True, dropna=True)
    units = [k if isinstance(k, tuple) else (k,) for k in groups.size().index]
    place = groups.ngroup().fillna(-1).to_numpy(dtype=np.intp)  # rows that name no unit have no number
    return keys, units, place, int((place < 0).sum())
