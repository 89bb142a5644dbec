"""Inference for a PLS path model: the estimator as a statistic, and what its replicates say.

Every replicate re-estimates the model on its rows (Efron and Tibshirani 1993, ch. 6); a construct that comes
out with the opposite sign is turned to match the point estimate, and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import SpecError, listed, near
from ..resampling import Interval, Replicates
from ..results import Resampled
from .analyses import BootstrapAnalyses
from .kernel import Array, Estimate, singular
from .layout import Layout
from .pictures import BootstrapPictures
from .stages import Plan

if TYPE_CHECKING:
    from ..moments import WeightedMoments
    from .result import PLSResult


# a test of these against 0 answers no question: read their intervals, against .85 or .90 for HTMT
UNTESTED = ("r_squared", "reliability", "htmt", "fornell_larcker", "vif", "item_vif", "f_squared")

_CELLS = 12_000_000  # numbers of moment matrices held at a time


@dataclass(frozen=True, eq=False)
class PLSStatistic:
    """The estimator as a picklable function of row weightings, for the resampling engine."""

    plan: Plan
    moments: WeightedMoments
    layout: Layout
    case_weights: Array | None
    toward: Estimate
    tolerance: float
    max_iter: int

    def __call__(self, counts: Array) -> tuple[Array, dict[str, Any]]:
        """Estimate under each weighting; a line that fails or does not converge holds NaN.

        Parameters
        ----------
        counts : ndarray of shape (b, n)

        Returns
        -------
        values : ndarray of shape (b, k)
        notes : dict of ndarray of shape (b,)
        """
        size = self.moments.p  # products of items make wide tables, of which few matrices fit into memory
        step = max(1, int(_CELLS / size**2))
        if len(counts) <= step:
            return self._numbers(counts)
        parts = [self._numbers(counts[i : i + step]) for i in range(0, len(counts), step)]
        notes = {key: np.concatenate([part[1][key] for part in parts]) for key in parts[0][1]}
        return np.concatenate([part[0] for part in parts]), notes

    def _numbers(self, counts: Array) -> tuple[Array, dict[str, Any]]:
        _, _, est, bad, notes = self.estimates(counts)
        values = self.layout.flatten(est)
        values[bad] = np.nan
        return values, notes

    def estimates(self, counts: Array) -> tuple[Array, Array, Estimate, np.ndarray, dict[str, Any]]:
        """Return means, covariances and estimates under each weighting, which lines are unusable, and events.

        Parameters
        ----------
        counts : ndarray of shape (b, n)

        Returns
        -------
        means, cov, estimate, bad, notes
        """
        return self.of_moments(*self.moments(counts if self.case_weights is None else counts * self.case_weights))

    def of_moments(self, means: Array, cov: Array) -> tuple[Array, Array, Estimate, np.ndarray, dict[str, Any]]:
        """Return the same from moments of the items and their products.

        Parameters
        ----------
        means, cov : ndarray of shape (b, c) and (b, c, c)

        Returns
        -------
        means, cov, estimate, bad, notes
        """
        d = self.layout.design
        est = self.plan.run(
            means, cov, self.moments.center, tolerance=self.tolerance, max_iter=self.max_iter, toward=self.toward
        )
        means, cov = self.plan.observed(means, cov)
        finite = np.isfinite(est.weights).all(axis=(1, 2)) & np.isfinite(est.paths).all(axis=(1, 2))
        finite &= ~singular(est, d)
        improper = d.corrected & ~((est.rho_a > 0) & (est.rho_a <= 1))
        notes = {
            "no estimate": ~finite,
            "not converged": finite & ~est.converged,
            "improper": improper.any(axis=1) | (np.abs(est.cor) > 1 + 1e-12).any(axis=(1, 2)),
            "sign aligned": est.flipped,
        }
        # replicates of an estimate that did not settle itself are shown for what they are, not thrown away
        settled = est.converged | ~self.toward.converged[0]
        return means, cov, est, ~(finite & settled), notes


def _table(name: str, doc: str) -> cached_property[pd.DataFrame]:
    """A frame of the bootstrap, made when first read."""

    def frame(self: PLSBootstrap) -> pd.DataFrame:
        layout = self.point.layout
        table = self.replicates.table(layout.slices()[name], self.interval, self.level)
        if name in UNTESTED:
            table[["t", "pvalue"]] = np.nan
        return pd.concat([pd.DataFrame(layout.keys[name]), table], axis=1)

    frame.__doc__ = doc
    return cached_property(frame)


@dataclass(frozen=True, eq=False, repr=False)
class PLSBootstrap(BootstrapAnalyses, BootstrapPictures, Resampled):
    """Bootstrap of a PLS path model; made by :meth:`PLSResult.bootstrap`.

    Every frame is long, [keys, est, se, t, pvalue, ci_lower, ci_upper]; square and wide frames of the point
    estimate become [row, column, ...], and effects [outcome, predictor, effect, ...] with effect direct,
    indirect or total. Reliabilities, R², f², HTMT, correlations and VIF have no t and p-value (NaN): zero is no hypothesis
    about them.

    Attributes
    ----------
    point : PLSResult
        The point estimate.
    replicates : Replicates
        Every replicate of every number.
    interval, level : str, float
        Kind and level of the intervals.

    Examples
    --------
    >>> import cxmodels as cx
    >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
    >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
    >>> boot = res.bootstrap(200, seed=1)
    >>> boot.paths[["outcome", "predictor", "est", "se", "ci_lower", "ci_upper"]].round(2)
      outcome predictor   est    se  ci_lower  ci_upper
    0       S         Q  0.77  0.03      0.71      0.81
    >>> boot.failed
    0
    """

    point: PLSResult
    replicates: Replicates
    interval: Interval
    level: float

    paths = _table("paths", "Standardised path coefficients, [outcome, predictor, est, ...].")
    weights = _table("weights", "Outer weights, [construct, item, est, ...].")
    loadings = _table("loadings", "Loadings, [construct, item, est, ...].")
    cross_loadings = _table("cross_loadings", "Correlations of items with scores, [row, column, est, ...].")
    r_squared = _table("r_squared", "R² and adjusted R², [row, column, est, ...].")
    reliability = _table("reliability", "Alpha, rho A, rho C and AVE, [row, column, est, ...].")
    htmt = _table("htmt", "Heterotrait-monotrait ratios, [row, column, est, ...], each pair both ways.")
    fornell_larcker = _table("fornell_larcker", "Correlations of scores, roots of the AVE, [row, column, est, ...].")
    vif = _table("vif", "Variance inflation of predictors, [outcome, predictor, est, ...].")
    item_vif = _table("item_vif", "Variance inflation of items, [construct, item, est, ...].")
    f_squared = _table("f_squared", "Effect sizes, [outcome, predictor, est, ...].")
    effects = _table("effects", "Effects along directed paths, [outcome, predictor, effect, est, ...].")

    def draws(self, name: str) -> pd.DataFrame:
        """Return the replicates behind one frame.

        Parameters
        ----------
        name : str
            Name of the frame, such as ``"paths"``.

        Returns
        -------
        DataFrame
            One line per usable replicate, one column per row of the frame.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> res.bootstrap(50, seed=1).draws("paths").shape
        (50, 1)
        """
        slices = self.point.layout.slices()
        if name not in slices:
            raise SpecError(f"No frame '{name}'; choose from {listed(slices)}.{near(name, slices)}")
        values = self.replicates.values[self.replicates.ok][:, slices[name]]
        keys = [k.astype(str) for k in self.point.layout.keys[name].values()]
        return pd.DataFrame(values, columns=pd.MultiIndex.from_arrays(keys, names=list(self.point.layout.keys[name])))

    @property
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """What was unusual about the point estimate and the replicates."""
        return self.point.warnings + self._events()

    def headline(self) -> list[tuple[str, str]]:
        """Model, rows, replicates and intervals.

        Returns
        -------
        list of (label, value)
        """
        kind = {"bca": "BCa"}.get(self.interval, self.interval)
        return [*self.point.headline(), ("Bootstrap", self.runs), ("Intervals", f"{kind}, {self.level:.0%}")]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        total = self.effects[self.effects["effect"] == "total"].drop(columns="effect")
        r2 = (
            self.r_squared[self.r_squared["column"] == "r2"]
            .drop(columns="column")
            .rename(columns={"row": "construct"})
        )
        return {
            "Paths": self.paths,
            "Total effects": total.reset_index(drop=True),
            "Explained variance": r2.reset_index(drop=True),
            "Loadings": self.loadings,
            "Weights": self.weights,
            "Heterotrait-monotrait ratios": self.htmt[self.htmt["row"] > self.htmt["column"]].reset_index(drop=True),
        }

    def _events(self) -> tuple[str, ...]:
        n, notes = self.replicates.n, self.replicates.notes
        said = {
            "no estimate": "gave no estimate (an item without variance, or predictors that determine one another) and are left out",
            "not converged": f"did not converge and are {'left out' if self.point.converged else 'kept, like the estimate'}",
            "improper": "are improper (a reliability or correlation out of range) and are kept",
            "sign aligned": "had a construct's sign turned to match the point estimate",
        }
        return tuple(f"{notes[k]} of {n} replicates {text}." for k, text in said.items() if notes.get(k))
