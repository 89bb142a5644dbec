"""Gaussian copulas against endogeneity, where a predictor shares something with what the model leaves out.

A copy of the predictor, Φ^-1 of its empirical distribution, joins its equation. If predictor and disturbance are linked by
a Gaussian copula and the predictor is not normal, the copy takes up what they share: its coefficient tests endogeneity and
the predictor's own becomes consistent. Where the predictor is normal the copy is the predictor again and nothing can
be told, so its normality is tested too.

Sources: Park and Gupta (2012), Marketing Science 31(4); Hult, Hair, Proksch, Sarstedt, Pinkwart and Ringle (2018), Journal
of International Marketing 26(3), for PLS; Becker, Proksch and Ringle (2022), Journal of the Academy of Marketing Science
50(1), for the intercept and the size of samples it takes; Papies, Ebbes and Van Heerde (2017), in Advanced Methods for
Modeling Markets, for interactions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import SpecError, listed, near
from ..resampling import Interval, Replicates, Sampling, bootstrap, check_interval, check_level
from ..results import Resampled
from .bootstrap import PLSStatistic
from .kernel import Array

if TYPE_CHECKING:
    from .result import PLSResult


def copula_term(x: Array, g: Array) -> Array:
    """Return Φ^-1 of the weighted empirical distribution, 1 taken as n / (n + 1), n the rows with weight.

    Parameters
    ----------
    x : ndarray of shape (n,)
    g : ndarray of shape (n,)
        Weights; rows of weight zero get a value but do not count.

    Returns
    -------
    ndarray of shape (n,)

    Examples
    --------
    >>> copula_term(np.array([3.0, 1.0, 2.0]), np.ones(3)).round(3)
    array([ 0.674, -0.431,  0.431])
    """
    from scipy.special import ndtri

    order = np.argsort(x, kind="stable")
    total = np.cumsum(g[order]) / g.sum()
    last = np.searchsorted(x[order], x, side="right") - 1
    n = np.count_nonzero(g)
    return np.asarray(ndtri(np.clip(total[last], 1 / (n + 1), n / (n + 1))))


@dataclass(frozen=True, eq=False)
class CopulaStatistic:
    """Coefficients with copula terms, everything estimated anew, for the resampling engine."""

    inner: PLSStatistic
    table: Array
    y: int
    x: tuple[int, ...]
    sets: tuple[tuple[int, ...], ...]

    def __call__(self, counts: Array) -> tuple[Array, dict[str, Any]]:
        """Return predictors' and copulas' coefficients of every set, (b, k), and failures."""
        _, _, est, bad, notes = self.inner.estimates(counts)
        size = sum(len(self.x) + len(s) for s in self.sets)
        values = np.full((len(counts), size), np.nan)
        g = counts if self.inner.case_weights is None else counts * self.inner.case_weights
        for line in np.flatnonzero(~bad).tolist():
            use = g[line] > 0
            centre = np.average(self.table[use], axis=0, weights=g[line][use])
            scores = self.inner.plan.scores(est, line, self.table[use], centre)
            values[line] = self._coefficients(scores, g[line][use])
        return values, notes

    def _coefficients(self, scores: Array, g: Array) -> Array:
        root, out = np.sqrt(g)[:, None], []
        terms = {j: copula_term(scores[:, j], g) for j in {j for s in self.sets for j in s}}
        for chosen in self.sets:
            design = np.column_stack([np.ones(len(g)), scores[:, self.x], *(terms[j] for j in chosen)])
            b, _, rank, _ = np.linalg.lstsq(design * root, scores[:, self.y] * root[:, 0], rcond=None)
            out.append(b[1:] if rank == design.shape[1] else np.full(design.shape[1] - 1, np.nan))
        return np.concatenate(out)


@dataclass(frozen=True, eq=False, repr=False)
class PLSCopula(Resampled):
    """An equation with copula terms; made by :meth:`PLSResult.copula`.

    Attributes
    ----------
    point : PLSResult
    outcome : str
    """

    point: PLSResult
    outcome: str
    replicates: Replicates
    keys: pd.DataFrame
    interval: Interval
    level: float

    @cached_property
    def terms(self) -> pd.DataFrame:
        """[treated, term, est, se, t, pvalue, ci_lower, ci_upper] for every set of predictors treated as endogenous.

        A term is a predictor, or ``copula(predictor)``, whose coefficient differs from zero if it is endogenous.
        """
        return pd.concat([self.keys, self.replicates.table(slice(None), self.interval, self.level)], axis=1)

    @cached_property
    def normality(self) -> pd.DataFrame:
        """Index predictor, [skewness, kurtosis, ks, pvalue, usable]: Lilliefors' test; a normal predictor is not usable."""
        from scipy.stats import kurtosis, skew
        from statsmodels.stats.diagnostic import lilliefors

        rows = {}
        for name in self.keys["term"][~self.keys["term"].str.contains(r"^copula\(|:")].unique():
            x = self.point.scores[name].to_numpy()
            statistic, p = lilliefors(x)
            rows[name] = (float(skew(x)), float(kurtosis(x)), float(statistic), float(p), bool(p < 0.05))
        columns = ["skewness", "kurtosis", "ks", "pvalue", "usable"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("predictor")

    @property
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """What was unusual about the fit, and which predictors look normal."""
        normal = list(self.normality.index[~self.normality["usable"]])
        text = f"The scores of {listed(normal)} look normal, so their copula terms tell nothing."
        return (*self.point.warnings, *([text] if normal else []))

    def headline(self) -> list[tuple[str, str]]:
        """Model, outcome and replicates.

        Returns
        -------
        list of (label, value)
        """
        text = f"equation of '{self.outcome}'; {self.runs}"
        return [*self.point.headline(), ("Gaussian copula", text)]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        return {"Normality of the predictors": self.normality, "Coefficients with copula terms": self.terms}


def copula(
    result: PLSResult,
    outcome: str,
    predictors: Sequence[str] | None,
    n: int,
    seed: int | None,
    interval: Interval,
    level: float,
    strata: ArrayLike | None,
    clusters: ArrayLike | None,
    n_jobs: int,
) -> PLSCopula:
    """Add copula terms to an equation; see :meth:`PLSResult.copula`."""
    check_interval(interval)
    check_level(level)
    names, linear = list(result.layout.constructs), result.linear
    if outcome not in linear:
        raise SpecError(f"'{outcome}' is not a construct of the model.{near(outcome, linear)}")
    x = tuple(int(j) for j in np.flatnonzero(result.layout.design.arrows[names.index(outcome)]))
    if not x:
        raise SpecError(f"'{outcome}' has no predictors, so none can be endogenous.")
    every = [names[j] for j in x]
    known = [name for name in every if name in linear]
    for name in predictors or ():
        if name not in known:
            raise SpecError(f"'{name}' does not predict '{outcome}'; choose from {listed(known)}.{near(name, known)}")
    treated = [names.index(p) for p in (predictors or known)]
    sets = tuple(s for m in range(1, len(treated) + 1) for s in combinations(treated, m))
    keys = [
        (" + ".join(names[j] for j in s), term)
        for s in sets
        for term in [*every, *(f"copula({names[j]})" for j in s)]
    ]
    statistic = CopulaStatistic(result.statistic(), result.extended, names.index(outcome), x, sets)
    sampling = Sampling(result.n_obs, result._labels(strata), result._labels(clusters))
    reps = bootstrap(statistic, sampling, n, seed=seed, interval=interval, n_jobs=n_jobs)
    return PLSCopula(result, outcome, reps, pd.DataFrame(keys, columns=["treated", "term"]), interval, level)
