"""What the model leaves of the sample moments, and how sure that is.

With r = s - sigma(theta) the residuals of a group, A1 the information about its moments and D their Jacobian,

    r = Q (s - sigma),   Q = I - D inv(sum over groups of f D' A1 D) f D' A1,   f the share of the group's rows,

to first order, so that cov(r) = Q cov(s) Q' and, where parameters are common to groups, what the other groups move
them. cov(s) is that of the standard errors of the model: normal theory, or the sandwich. Normalised residuals divide by
the standard errors of s alone.

Sources: Jöreskog and Sörbom (1981) for the normalised ones; Ogasawara (2001), Psychometrika 66, and Maydeu-Olivares (2017),
Multivariate Behavioral Research 52, for cov(r); both as lavaan's ``residuals(type=)``, which leaves the other groups out.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import SpecError, listed, near
from . import missing
from .estimate import Estimate, normal_weight
from .inference import case_totals, invert, modelled
from .objective import LeastSquares, weigh
from .patterns import Patterns
from .responses import Responses
from .samples import vech

Array = NDArray[Any]

__all__ = ["residuals"]

KINDS = ("raw", "cor", "standardized", "normalized")


def residuals(e: Estimate, number: int, kind: str) -> pd.DataFrame:
    """Sample less implied covariances (or correlations) of the items of a group.

    Parameters
    ----------
    e : Estimate
    number : int
        Group, from 0.
    kind : {"raw", "cor", "standardized", "normalized"}

    Returns
    -------
    DataFrame
        Items by items; NaN where a residual that is not zero has no variance.

    Raises
    ------
    SpecError
        For an unknown kind, or standard errors that are not known.
    """
    if kind not in KINDS:
        raise SpecError(f"kind is {listed(KINDS)}, not '{kind}'.{near(str(kind), KINDS)}")
    block, s = e.blocks[number], e.states[number]
    p, names = block.p, block.names[: block.p]
    sample, sigma = e.data.samples[number].cov, s.cov[:p, :p]
    ordinal = isinstance(e.objective, LeastSquares) and e.data.ordinal
    if ordinal:  # of the latent responses, on the scale of the data
        target = e.objective.targets[number]  # type: ignore[attr-defined]
        assert isinstance(target, Responses)
        sample, sigma = target.covariances(target.stats), target.covariances(target.implied(e.values))
        names = tuple(names[i] for i in np.unique(target.found.row))
    sd = np.sqrt(np.diagonal(sample))
    if kind == "cor":
        fitted = np.sqrt(np.abs(np.diagonal(sigma)))
        return pd.DataFrame(sample / np.outer(sd, sd) - sigma / np.outer(fitted, fitted), names, names)
    gap = sample - sigma
    if kind != "raw":
        variance = np.zeros((len(gap), len(gap)))
        rows, cols, found = _variances(e, number, kind == "standardized")
        variance[rows, cols] = variance[cols, rows] = found
        size = np.outer(sd, sd)
        unit = np.where(variance > 1e-12 * size**2 / e.data.n, np.sqrt(np.maximum(variance, 0.0)), np.nan)
        gap = np.where(np.abs(gap) < 1e-6 * size, 0.0, gap / unit)
    return pd.DataFrame(gap, names, names)


def _variances(e: Estimate, number: int, of_residuals: bool) -> tuple[Array, Array, Array]:
    """Rows, columns and sampling variances of the covariances of a group, or of their residuals."""
    if e.data.ordinal:
        o = e.data.ordinal[number]
        place = {int(i): k for k, i in enumerate(np.unique(o.row))}
        keep = (o.kind == "covariance") | (o.kind == "variance")
        rows, cols = (np.array([place[int(i)] for i in side[keep]], np.intp) for side in (o.row, o.col))
    else:
        rows, cols = vech(e.blocks[number].p)
        keep = np.arange(len(e.jacobians[number])) >= len(e.jacobians[number]) - len(rows)
    if not of_residuals:
        return rows, cols, np.diagonal(_sampling(e, number))[keep]
    parts = range(len(e.blocks))
    weights = [_model_information(e, g) for g in parts]
    info = sum(f * j.T @ weigh(w, j) for f, j, w in zip(e.data.shares, e.jacobians, weights, strict=True))
    inverse = invert(np.asarray(info), e.basis)
    mine = e.jacobians[number][keep]
    total = np.zeros(int(keep.sum()))
    for g in parts:
        moved = -e.data.shares[g] * mine @ inverse @ weigh(weights[g], e.jacobians[g]).T
        if g == number:
            moved[np.arange(len(moved)), np.flatnonzero(keep)] += 1.0
        elif np.abs(moved).max(initial=0.0) < 1e-12:
            continue
        total += ((moved @ _sampling(e, g)) * moved).sum(axis=1)
    return rows, cols, total


def _sampling(e: Estimate, number: int) -> Array:
    """Covariance matrix of the sample moments of a group; zero for those of fixed predictors."""
    if e.data.ordinal:
        gamma = e.data.ordinal[number].gamma
        if gamma is None:
            raise SpecError("The covariance of the sample moments is not known here; use kind='raw' or 'cor'.")
        return gamma / e.data.ordinal[number].n
    sample = e.data.samples[number]
    keep = _kept(e, number)
    cut = np.ix_(keep, keep)
    info = _sample_information(e, number)
    inverse = np.linalg.pinv(info[cut], hermitian=True)
    if e.plan.se.startswith("robust") or e.plan.information == "first.order":
        meat = _first_order(e, number, sample.mean, sample.cov)[cut]
        inverse = inverse @ meat @ inverse if e.plan.se.startswith("robust") else np.linalg.pinv(meat, hermitian=True)
    out = np.zeros(info.shape)
    out[cut] = inverse / sample.n
    return out


def _kept(e: Estimate, number: int) -> NDArray[np.intp]:
    """Moments that do not belong to fixed predictors alone."""
    keep, p = modelled(e.table.roles[number], e.table.options.fixed_x), e.blocks[number].p
    return keep if e.table.options.means else keep[keep >= p] - p


def _sample_information(e: Estimate, number: int) -> Array:
    """Unit information about the unrestricted moments of a group, at these."""
    if e.plan.fiml:
        top = e.data.saturated[number]
        return missing.information(e.data.patterns[number], top.mean, top.cov, _kind(e))
    if e.plan.kind in ("GLS", "WLS"):
        return e.weights[number]
    return normal_weight(e.data.samples[number].inverse, e.table.options.means)


def _kind(e: Estimate) -> Literal["observed", "expected"]:
    """Which information of incomplete rows the standard errors are from."""
    return "expected" if e.plan.information == "expected" else "observed"


def _first_order(e: Estimate, number: int, mu: Array, sigma: Array) -> Array:
    """First-order unit information about the moments of a group at given ones, sampling units added up."""
    sample = e.data.samples[number]
    if sample.x is None:
        raise SpecError("Robust standard errors of residuals need the rows of the data; use kind='raw' or 'cor'.")
    patterns = e.data.patterns[number] if e.plan.fiml else Patterns.of(sample.x, sample.weights)
    sums = case_totals(missing.case_scores(patterns, mu, sigma), sample)
    sums = sums if e.table.options.means else sums[:, len(mu) :]
    return sums.T @ sums / sample.n


def _model_information(e: Estimate, number: int) -> Array:
    """Unit information about the moments of a group at those of the model, zero for fixed predictors; or its diagonal."""
    if isinstance(e.objective, LeastSquares) or e.plan.kind == "GLS":
        return e.weights[number]
    p, s, means = e.blocks[number].p, e.states[number], e.table.options.means
    mu, sigma = s.mean[:p] if means else e.data.samples[number].mean, s.cov[:p, :p]
    if e.plan.information == "first.order":
        out = _first_order(e, number, mu, sigma)
    elif e.plan.fiml:
        out = missing.information(e.data.patterns[number], mu, sigma, _kind(e))
    elif e.plan.information == "observed":
        sample = e.data.samples[number]
        out = _observed(sample.cov, sample.mean - mu, sigma, means)
    else:
        out = normal_weight(np.linalg.inv(sigma), means)
    fixed = np.ones(len(out), bool)
    fixed[_kept(e, number)] = False
    return np.where(fixed[:, None] | fixed, 0.0, out)


def _observed(cov: Array, gap: Array, sigma: Array, means: bool) -> Array:
    """Minus the second derivative of the normal unit log-likelihood by (mean, vech sigma) at sample moments."""
    v = np.linalg.inv(sigma)
    m = v @ (cov + np.outer(gap, gap) if means else cov) @ v
    i, j = vech(len(v))
    half = np.where(i == j, 0.5, 1.0)

    def both(a: Array, b: Array) -> Array:
        one = a[np.ix_(i, i)] * b[np.ix_(j, j)] + a[np.ix_(i, j)] * b[np.ix_(j, i)]
        other = b[np.ix_(i, i)] * a[np.ix_(j, j)] + b[np.ix_(i, j)] * a[np.ix_(j, i)]
        return (one + other) / 2

    below = (2 * both(v, m) - both(v, v)) * half[:, None] * half
    if not means:
        return below
    u = v @ gap
    side = (v[:, i] * u[j] + v[:, j] * u[i]) * half
    return np.block([[v, side], [side.T, below]])
