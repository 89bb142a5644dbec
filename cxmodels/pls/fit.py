"""How well a PLS path model reproduces the correlations of its items: SRMR, distances, and the test of exact fit.

The implied correlations of a construct's items are those observed if it is a composite, and products of loadings if it
is a common factor; between constructs they are loadings times the correlations that the paths imply. Distances between
observed matrix S and implied matrix C, p items:

    srmr    sqrt(mean squared residual over the lower triangle with its diagonal)
    d_uls   half the sum of squared residuals
    d_g     half the sum of squared logarithms of the eigenvalues of S^-1 C
    d_ml    trace(S C^-1) - log det(S C^-1) - p

Logarithms are natural, as in the literature; cSEM takes them to base 10, so its d_g is ours over log(10)² = 5.30.

Sources: Henseler et al. (2014), Organizational Research Methods 17(2), for the SRMR; Dijkstra and Henseler (2015),
Computational Statistics & Data Analysis 81, for the distances and their bootstrap; Beran and Srivastava (1985) and Bollen
and Stine (1992) for the transformation of the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, SpecError
from ..inference import choose
from ..moments import WeightedMoments
from ..resampling import Replicates, Sampling, bootstrap, check_level
from ..results import Resampled
from .assessment import loadings
from .kernel import Array, Design, Estimate, estimate

if TYPE_CHECKING:
    from .result import PLSResult

MEASURES = ("srmr", "d_uls", "d_g", "d_ml")
MEASUREMENT = ("own", "factor", "composite")
Measurement = Literal["own", "factor", "composite"]


def factors(design: Design, measurement: Measurement) -> NDArray[np.bool_]:
    """Say which constructs are common factors: those that PLSc corrects, all of Mode A, or none."""
    if measurement == "own":
        return design.corrected
    return ~design.mode_b & (design.size > 1) & (measurement == "factor")


def construct_correlations(est: Estimate, design: Design, saturated: bool) -> Array:
    """Correlations of the constructs (b, j, j) that the model implies, or all of them as estimated if saturated.

    Exogenous constructs correlate as estimated, disturbances not at all; Σ = (I - B)^-1 Ψ (I - B)^-T.
    """
    if saturated:
        return est.cor
    j = design.arrows.shape[0]
    exogenous = design.arrows.sum(axis=1) == 0
    psi = est.cor * (exogenous[:, None] & exogenous)
    at = np.flatnonzero(~exogenous)
    psi[:, at, at] = 1 - est.r2[:, at]
    reach = power = np.broadcast_to(np.eye(j), est.paths.shape)
    for _ in range(design.depth):
        power = power @ est.paths
        reach = reach + power
    out = reach @ psi @ np.swapaxes(reach, 1, 2)
    out[:, np.arange(j), np.arange(j)] = 1.0  # unlike the sum, never off by what omitted paths leave
    return out


def implied(est: Estimate, design: Design, measurement: Measurement = "own", saturated: bool = False) -> Array:
    """Correlations of the items (b, p, p) that the model implies.

    Parameters
    ----------
    est : Estimate
    design : Design
    measurement : {"own", "factor", "composite"}, default "own"
        What constructs are: factors where PLSc corrects them and composites elsewhere, or all of Mode A one or the other.
    saturated : bool, default False
        Let all constructs correlate freely, so that only the measurement is judged.

    Returns
    -------
    ndarray of shape (b, p, p)
    """
    s = correlations(est)
    load = loadings(est, design) * ~design.repeated  # an item depends on its dimension, and by it on higher orders
    out = load @ construct_correlations(est, design, saturated) @ np.swapaxes(load, 1, 2)
    composite = ~factors(design, measurement) & ~design.repeated
    together = (design.mask * composite) @ design.mask.T > 0
    p = np.arange(s.shape[-1])
    together[p, p] = True
    return np.where(together, s, out)


def correlations(est: Estimate) -> Array:
    """Correlations of the items (b, p, p) that were analysed."""
    sd = np.sqrt(np.diagonal(est.cov, axis1=1, axis2=2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return est.cov / (sd[:, :, None] * sd[:, None, :])


def distances(s: Array, c: Array) -> Array:
    """Return srmr, d_uls, d_g and d_ml (b, 4) between observed and implied correlations.

    Parameters
    ----------
    s, c : ndarray of shape (b, p, p)
        Where a matrix is not positive definite, d_g and d_ml are NaN.

    Returns
    -------
    ndarray of shape (b, 4)

    Examples
    --------
    >>> s, c = np.array([[[1, 0.5], [0.5, 1]]]), np.eye(2)[None]
    >>> distances(s, c).round(4).tolist()
    [[0.2887, 0.25, 0.3224, 0.2877]]
    """
    p = s.shape[-1]
    squares = ((s - c) ** 2).sum(axis=(1, 2))  # the diagonals agree, so half of this is the lower triangle
    values = _relative_eigenvalues(s, c)
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(np.where(values > 0, values, np.nan))
        d_ml = (1 / values + logs).sum(axis=1) - p
    return np.stack([np.sqrt(squares / (p * (p + 1))), squares / 2, (logs**2).sum(axis=1) / 2, d_ml], axis=1)


def fit_measures(result: PLSResult) -> pd.DataFrame:
    """Distances for each way of reading the model; see :attr:`PLSResult.model_fit`."""
    _check_linear(result)
    est, design = result.estimate, result.layout.design
    s = correlations(est)
    ways: list[Measurement] = ["own"] if design.corrected.any() else ["composite", "factor"]
    rows = [(m, kind) for m in ways for kind in ("saturated", "estimated")]
    values = [distances(s, implied(est, design, m, kind == "saturated"))[0] for m, kind in rows]
    index = pd.MultiIndex.from_tuples(rows, names=["measurement", "structure"])
    return pd.DataFrame(values, index, list(MEASURES))


@dataclass(frozen=True, eq=False)
class FitStatistic:
    """Distances of the model refitted to weightings of rows, for the resampling engine."""

    moments: WeightedMoments
    design: Design
    case_weights: Array | None
    measurement: Measurement
    saturated: bool
    tolerance: float
    max_iter: int

    def __call__(self, counts: Array) -> tuple[Array, dict[str, Any]]:
        """Return the distances (b, 4) under each weighting, and which gave no estimate."""
        g = counts if self.case_weights is None else counts * self.case_weights
        est = estimate(self.moments(g)[1], self.design, tolerance=self.tolerance, max_iter=self.max_iter)
        values = distances(correlations(est), implied(est, self.design, self.measurement, self.saturated))
        values[~est.converged] = np.nan
        return values, {"no estimate": ~est.converged}


@dataclass(frozen=True, eq=False, repr=False)
class PLSExactFit(Resampled):
    """Bootstrap test of exact fit; made by :meth:`PLSResult.exact_fit`.

    Attributes
    ----------
    point : PLSResult
    replicates : Replicates
        Distances of samples for which the model is true.
    """

    point: PLSResult
    replicates: Replicates
    measurement: str
    saturated: bool
    level: float

    @cached_property
    def test(self) -> pd.DataFrame:
        """Index measure, [est, critical, pvalue, fits]: the model is rejected where est exceeds the critical value."""
        est, reps = self.observed, self.replicates.values[self.replicates.ok]
        critical = np.nanquantile(reps, self.level, axis=0)
        pvalue = (1 + (reps >= est).sum(axis=0)) / (1 + len(reps))
        columns = {"est": est, "critical": critical, "pvalue": pvalue, "fits": est <= critical}
        return pd.DataFrame(columns, index=pd.Index(MEASURES, name="measure"))

    @cached_property
    def observed(self) -> Array:
        """Distances of the data."""
        est, design = self.point.estimate, self.point.layout.design
        c = implied(est, design, self.measurement, self.saturated)  # type: ignore[arg-type]
        return distances(correlations(est), c)[0]

    def headline(self) -> list[tuple[str, str]]:
        """Model, what is tested, and replicates.

        Returns
        -------
        list of (label, value)
        """
        what = {"own": "constructs as estimated", "factor": "common factors", "composite": "composites"}
        text = f"{what[self.measurement]}, {'saturated' if self.saturated else 'estimated'} structure"
        return [*self.point.headline(), ("Exact fit", text), ("Bootstrap", f"data that fit exactly; {self.runs}")]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        return {f"Test of exact fit, {self.level:.0%} critical values": self.test}


def exact_fit(
    result: PLSResult,
    n: int,
    seed: int | None,
    measurement: Measurement,
    saturated: bool,
    level: float,
    strata: ArrayLike | None,
    clusters: ArrayLike | None,
    n_jobs: int,
) -> PLSExactFit:
    """Refit the model to resamples of data transformed to fit it; see :meth:`PLSResult.exact_fit`."""
    choose("measurement", measurement, MEASUREMENT)
    check_level(level)
    _check_linear(result)
    if result.moments.missing == "pairwise":
        raise SpecError("The test of exact fit transforms complete rows; fit with missing='mean' or 'listwise'.")
    est, design, spec = result.estimate, result.layout.design, result.spec
    c = implied(est, design, measurement, saturated)
    if np.linalg.eigvalsh(c[0])[0] <= 1e-10:
        raise DataError(
            "The implied correlations of the items are not positive definite, so no data can have them; the test of "
            "exact fit does not exist for this solution."
        )
    columns = result.filled - result.means
    if est.transform is not None:
        columns = columns @ est.transform[0]
    sd = np.sqrt(np.diagonal(est.cov[0])) * (est.sd[0] if spec.standardize else 1.0)
    x = (columns / sd) @ (_power(correlations(est), -0.5) @ _power(c, 0.5))[0] * sd
    statistic = FitStatistic(
        WeightedMoments(x),
        design,
        result.case_weights,
        measurement,
        saturated,
        spec.tolerance,
        spec.max_iter,
    )
    sampling = Sampling(result.n_obs, result._labels(strata), result._labels(clusters))
    reps = bootstrap(statistic, sampling, n, seed=seed, n_jobs=n_jobs)
    return PLSExactFit(result, reps, measurement, saturated, level)


def _check_linear(result: PLSResult) -> None:
    """Refuse interactions: products of items have no correlations that a linear model implies."""
    if terms := [t.name for t in result.spec.plan.terms]:
        raise SpecError(f"Model fit is defined for linear models; fit the model without '{terms[0]}' to judge it.")


def _relative_eigenvalues(s: Array, c: Array) -> Array:
    """Eigenvalues of S^-1 C, (b, p); NaN where S is not positive definite or C not finite."""
    out = np.full(s.shape[:2], np.nan)
    usable = np.asarray(np.isfinite(s).all(axis=(1, 2)) & np.isfinite(c).all(axis=(1, 2)))
    try:
        low = np.linalg.cholesky(s[usable])
    except np.linalg.LinAlgError:  # one of the stack is not definite, so find out which
        usable &= np.linalg.eigvalsh(np.where(usable[:, None, None], s, np.eye(s.shape[-1])))[:, 0] > 1e-12
        low = np.linalg.cholesky(s[usable])
    half = np.swapaxes(np.linalg.solve(low, c[usable]), 1, 2)
    out[usable] = np.linalg.eigvalsh(np.linalg.solve(low, half))
    return out


def _power(s: Array, exponent: float) -> Array:
    """Symmetric power of positive definite matrices; NaN for others."""
    fine = np.asarray(np.isfinite(s).all(axis=(1, 2)))
    values, vectors = np.linalg.eigh(np.where(fine[:, None, None], s, np.eye(s.shape[-1])))
    fine &= values[:, 0] > 1e-12
    with np.errstate(invalid="ignore", divide="ignore"):
        out = (vectors * (values**exponent)[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    return np.where(fine[:, None, None], out, np.nan)
