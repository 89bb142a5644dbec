"""Ordinal PLS: the path model of the continuous answers behind ordered categories.

Items of few categories are treated as normal variables cut at thresholds: their polychoric correlations (polyserial with
items left continuous) take the place of Pearson's, which categories shrink. Scores of respondents do not exist, all else
does. With ``consistent=True`` this is OrdPLSc.

Sources: Cantaluppi and Boari (2016), in The Multiple Facets of Partial Least Squares, for ordinal PLS; Schuberth, Henseler
and Dijkstra (2018), Quality & Quantity 52(1), for OrdPLSc.
"""

from __future__ import annotations

import warnings as _warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import CxError, EstimationError, ImproperSolutionWarning, SpecError, listed, near
from ..resampling import Interval, Sampling, bootstrap, check_interval, check_level
from ..results import Derived
from .bootstrap import PLSBootstrap, PLSStatistic
from .kernel import Array, Estimate
from .layout import Layout

if TYPE_CHECKING:
    from .result import PLSResult

_CATEGORIES = 10  # items with at most so many values are ordered unless the caller says which are


@dataclass(frozen=True, eq=False)
class OrdinalStatistic:
    """The model of polychoric correlations under weightings of the rows, for the resampling engine."""

    inner: PLSStatistic
    x: Array
    ordered: NDArray[np.bool_]
    names: tuple[str, ...]

    def __call__(self, counts: Array) -> tuple[Array, dict[str, Any]]:
        """Return every number of every frame (b, k), and failures."""
        g = counts if self.inner.case_weights is None else counts * self.inner.case_weights
        cov = np.full((len(g), self.x.shape[1], self.x.shape[1]), np.nan)
        for line, weights in enumerate(g):
            try:
                cov[line] = self.correlations(weights)
            except CxError:  # a category or a pair of items lost in this resample: counted below
                continue
        _, _, est, bad, notes = self.inner.of_moments(np.zeros(cov.shape[:2]), cov)
        values = self.inner.layout.flatten(est)
        values[bad] = np.nan
        return values, notes

    def correlations(self, weights: Array) -> Array:
        """Return the correlations of the answers behind the items, (p, p)."""
        from ..sem.ordinal import ordinal_moments

        use = weights > 0
        missing: Literal["pairwise", "listwise"] = "pairwise" if np.isnan(self.x[use]).any() else "listwise"
        moments = ordinal_moments(
            self.x[use],
            self.ordered,
            weights[use],
            missing,
            names=self.names,
            covariance="none",
        )
        sd = np.sqrt(np.diagonal(moments.cor))
        return np.asarray(moments.cor / np.outer(sd, sd))


def _view(name: str, doc: str) -> cached_property[pd.DataFrame]:
    """A frame of the estimate, made when first read."""

    def frame(self: PLSOrdinal) -> pd.DataFrame:
        return self.layout.frame(name, self.estimate)

    frame.__doc__ = doc
    return cached_property(frame)


@dataclass(frozen=True, eq=False, repr=False)
class PLSOrdinal(Derived):
    """A path model of polychoric correlations; made by :meth:`PLSResult.ordinal`.

    Attributes
    ----------
    point : PLSResult
        The fit that treats the answers as numbers.
    ordered : tuple of str
        Items taken as ordered.
    """

    point: PLSResult
    statistic: OrdinalStatistic
    estimate: Estimate
    ordered: tuple[str, ...]
    warnings: tuple[str, ...]

    paths = _view("paths", "Standardised path coefficients, [outcome, predictor, est].")
    weights = _view("weights", "Outer weights of the answers behind the items, [construct, item, est].")
    loadings = _view("loadings", "Loadings of the answers behind the items, [construct, item, est].")
    r_squared = _view("r_squared", "Explained variance by endogenous construct, [r2, r2_adj].")
    reliability = _view("reliability", "Reliability and convergent validity, [alpha, rho_a, rho_c, ave].")
    htmt = _view("htmt", "Heterotrait-monotrait ratios, constructs by constructs.")
    fornell_larcker = _view("fornell_larcker", "Correlations of the constructs, root of the AVE on the diagonal.")
    f_squared = _view("f_squared", "Effect sizes, [outcome, predictor, f2].")
    effects = _view("effects", "Effects along directed paths, [outcome, predictor, direct, indirect, total].")

    @cached_property
    def correlations(self) -> pd.DataFrame:
        """Polychoric correlations of the items."""
        names = list(self.point.item_names)
        case = np.ones(self.n_obs) if self.point.case_weights is None else self.point.case_weights
        return pd.DataFrame(self.statistic.correlations(case), names, names)

    @property
    def layout(self) -> Layout:
        """Names and order of all numbers."""
        return self.point.layout

    @property
    def converged(self) -> bool:
        """Whether the weights settled."""
        return bool(self.estimate.converged[0])

    def bootstrap(
        self,
        n: int = 500,
        seed: int | None = None,
        *,
        interval: Interval = "percentile",
        level: float = 0.95,
        strata: ArrayLike | None = None,
        clusters: ArrayLike | None = None,
        n_jobs: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> PLSBootstrap:
        """Resample respondents and estimate correlations and model anew.

        Parameters
        ----------
        n : int, default 500
            Replicates; every one takes as long as the estimate itself.
        seed : int, optional
            Same seed, same numbers.
        interval, level, strata, clusters, n_jobs, progress
            As for :meth:`PLSResult.bootstrap`.

        Returns
        -------
        PLSBootstrap
        """
        check_interval(interval)
        check_level(level)
        sampling = Sampling(self.n_obs, self.point._labels(strata), self.point._labels(clusters))
        reps = bootstrap(self.statistic, sampling, n, seed=seed, interval=interval, n_jobs=n_jobs, progress=progress)
        return PLSBootstrap(self, reps, interval, level)  # type: ignore[arg-type]

    def headline(self) -> list[tuple[str, str]]:
        """Model and ordered items.

        Returns
        -------
        list of (label, value)
        """
        head = [row for row in self.point.headline() if row[0] != "Converged"]
        steps = int(self.estimate.iterations[0])
        return [
            *head,
            ("Ordinal", f"{len(self.ordered)} of {len(self.point.item_names)} items by polychoric correlations"),
            ("Converged", f"yes, {steps} iterations" if self.converged else f"NO, stopped at {steps}"),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        return {
            "Paths": self.paths,
            "Explained variance": self.r_squared,
            "Reliability and convergent validity": self.reliability,
            "Loadings": self.loadings,
        }


def ordinal(result: PLSResult, ordered: Sequence[str] | None) -> PLSOrdinal:
    """Fit the model to polychoric correlations; see :meth:`PLSResult.ordinal`."""
    if result.spec.plan.terms:
        raise SpecError("Ordinal PLS is for models without interactions: products of ordered answers have no scale.")
    if not result.spec.standardize:
        raise SpecError("Ordinal PLS standardises items, as ordered answers have no unit; fit with standardize=True.")
    names = result.item_names
    for name in ordered or ():
        if name not in names:
            raise SpecError(f"'{name}' is not an item of the model.{near(name, names)}")
    few = [len(np.unique(column[~np.isnan(column)])) <= _CATEGORIES for column in result.x.T]
    chosen = np.array(few if ordered is None else [n in ordered for n in names])
    if not chosen.any():
        raise SpecError(
            f"No item has {_CATEGORIES} values or fewer; name the ordered ones, or use the ordinary fit. "
            f"Items: {listed(names)}."
        )
    statistic = OrdinalStatistic(result.statistic(), result.x, chosen, names)
    case = np.ones(result.n_obs) if result.case_weights is None else result.case_weights
    cor = statistic.correlations(case)
    _, _, est, bad, _ = statistic.inner.of_moments(np.zeros((1, len(names))), cor[None])
    if bad[0]:
        raise EstimationError("The polychoric correlations give no estimate; look at items with rare categories.")
    notes = []
    if (smallest := np.linalg.eigvalsh(cor)[0]) < 0:
        notes.append(f"The polychoric correlations are not positive definite (smallest eigenvalue {smallest:.3f}).")
    for text in notes:
        _warnings.warn(text, ImproperSolutionWarning, stacklevel=3)
    items = tuple(n for n, c in zip(names, chosen, strict=True) if c)
    return PLSOrdinal(result, statistic, est, items, (*result.warnings, *notes))
