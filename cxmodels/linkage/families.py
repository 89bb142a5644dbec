"""How an outcome follows from satisfaction: families of quasi-likelihood, fitted with or without error in the index.

All functions are kernels on arrays: design matrices with the index in column 1, after the intercept.

Sources: McCullagh and Nelder (1989), *Generalized Linear Models*, for the scoring steps; Carroll, Ruppert, Stefanski and
Crainiceanu (2006), *Measurement Error in Nonlinear Models*, 2nd ed., ch. 4 (regression calibration), 5 (SIMEX) and 8
(likelihood); Cook and Stefanski (1994), JASA 89, for SIMEX.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import EstimationError

Array = NDArray[np.float64]

NODES, MASS = np.polynomial.hermite_e.hermegauss(15)
MASS = MASS / MASS.sum()
ZETAS = (0.5, 1.0, 1.5, 2.0)  # error variance added by SIMEX, in multiples of what is there (Cook and Stefanski 1994)
SIMEX_DRAWS = 20
_STEPS = 60
_TIGHT = 1e-9
_FAR = 30.0  # a linear predictor beyond which a 0/1 outcome is told without error


@dataclass(frozen=True)
class Family:
    """An outcome's link and variance.

    Parameters
    ----------
    name : str
    inverse, slope, variance : callable
        Mean and its derivative by the linear predictor; variance by the mean, up to a factor.
    kind : {"binary", "number", "positive", "amount"}
        What the outcome may be: 0 and 1, any number, above 0, or 0 and more.
    logged : bool, default False
        Whether the logarithm of the outcome is modelled.
    """

    name: str
    inverse: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    variance: Callable[[Array], Array]
    kind: str
    logged: bool = False

    @property
    def binary(self) -> bool:
        """Whether the outcome is 0 or 1."""
        return self.kind == "binary"

    @property
    def multiplies(self) -> bool:
        """Whether an effect multiplies the outcome (log link or logged outcome)."""
        return self.name in ("gamma", "poisson", "loglinear")


def _logistic(eta: Array) -> Array:
    return 1 / (1 + np.exp(-np.clip(eta, -500, 500)))


def _logistic_slope(eta: Array) -> Array:
    p = _logistic(eta)
    return p * (1 - p)


def _cloglog(eta: Array) -> Array:
    return -np.expm1(-np.exp(np.clip(eta, -500, 5)))


def _cloglog_slope(eta: Array) -> Array:
    e = np.exp(np.clip(eta, -500, 5))
    return e * np.exp(-e)


def _bernoulli(mu: Array) -> Array:
    return np.maximum(mu * (1 - mu), 1e-12)


def _exp(eta: Array) -> Array:
    return np.exp(np.clip(eta, -500, 50))


def _same(eta: Array) -> Array:
    return eta


FAMILIES = {
    f.name: f
    for f in (
        Family("logit", _logistic, _logistic_slope, _bernoulli, "binary"),
        Family("cloglog", _cloglog, _cloglog_slope, _bernoulli, "binary"),
        Family("gaussian", _same, np.ones_like, np.ones_like, "number"),
        Family("loglinear", _same, np.ones_like, np.ones_like, "positive", logged=True),
        Family("gamma", _exp, _exp, np.square, "positive"),
        Family("poisson", _exp, _exp, _same, "amount"),
    )
}


class Failed(Exception):
    """No estimate from these rows; the text says why."""


def scoring(design: Array, y: Array, w: Array, family: Family, start: Array | None = None) -> Array:
    """Fit a quasi-likelihood by Fisher scoring.

    Parameters
    ----------
    design : ndarray of shape (n, k)
    y, w : ndarray of shape (n,)
        Outcome and weights.
    family : Family
    start : ndarray of shape (k,), optional

    Returns
    -------
    ndarray of shape (k,)

    Raises
    ------
    Failed
        If there is no finite estimate.
    """
    b = _first(design, y, w, family) if start is None else start.copy()
    w = w / w.sum()
    for _ in range(_STEPS):
        eta = design @ b
        if family.binary and np.abs(eta).max() > _FAR:
            break
        mu, slope = family.inverse(eta), family.slope(eta)
        variance = np.maximum(family.variance(mu), 1e-300)
        step = _solve(
            (design * (w * slope**2 / variance)[:, None]).T @ design, design.T @ (w * slope * (y - mu) / variance)
        )
        b = b + step * min(1.0, 5 / max(float(np.abs(design @ step).max()), 1e-12))
        if np.abs(step).max() < _TIGHT * max(1.0, float(np.abs(b).max())):
            return _checked(b, design, family)
    _checked(b, design, family)
    raise Failed("the regression did not converge")


def blurred(design: Array, tau: float, y: Array, w: Array, family: Family, start: Array | None = None) -> Array:
    """Fit a 0/1 outcome whose index is known up to a normal spread, by maximum likelihood.

    The chance of the outcome is the mean of the family's over x ~ N(column 1, tau²), by Gauss-Hermite quadrature with 15
    nodes (Carroll et al. 2006, eq. 8.7): exact where index and error are normal, also where regression calibration is not.

    Parameters
    ----------
    design : ndarray of shape (n, k)
        Intercept, expected index given what was observed, other terms.
    tau : float
        Standard deviation of the index about its expectation.
    y, w : ndarray of shape (n,)
    family : Family
        Binary.
    start : ndarray of shape (k,), optional

    Returns
    -------
    ndarray of shape (k,)

    Raises
    ------
    Failed
        If there is no finite estimate.
    """
    b = scoring(design, y, w, family) if start is None else start.copy()
    w = w / w.sum()
    value, gradient, information = _blurred_parts(design, tau, y, w, family, b)
    for _ in range(_STEPS):
        step, size = _solve(information, gradient), 1.0
        while True:
            new = _blurred_parts(design, tau, y, w, family, b + size * step)
            if new[0] >= value - 1e-13 or size < 1e-4:
                break
            size /= 2
        b, (value, gradient, information) = b + size * step, new
        if np.abs(size * step).max() < _TIGHT * max(1.0, float(np.abs(b).max())):
            return _checked(b, design, family)
    raise Failed("the regression did not converge")


def _blurred_parts(
    design: Array, tau: float, y: Array, w: Array, family: Family, b: Array
) -> tuple[float, Array, Array]:
    """Log-likelihood, its gradient, and the expected information."""
    eta = (design @ b)[:, None] + b[1] * tau * NODES
    slopes = family.slope(eta)
    mu = np.clip(family.inverse(eta) @ MASS, 1e-12, 1 - 1e-12)
    jacobian = design * (slopes @ MASS)[:, None]
    jacobian[:, 1] += tau * (slopes @ (MASS * NODES))
    variance = mu * (1 - mu)
    value = float(w @ np.where(y > 0, np.log(mu), np.log1p(-mu)))
    return value, jacobian.T @ (w * (y - mu) / variance), (jacobian * (w / variance)[:, None]).T @ jacobian


class Calibrated(NamedTuple):
    """Expected index of each row given what was observed, and the standard deviation about it."""

    expected: Array
    tau: float


def calibrate(observed: Array, others: Array, w: Array, error: float) -> Calibrated:
    """Best linear prediction of the true index from the observed one and the other terms.

    With W = X + U and U of variance s² independent of everything, cov(X, (W, Z)) = cov(W, (W, Z)) less s² in its first
    entry (Carroll et al. 2006, sec. 4.4.2).

    Parameters
    ----------
    observed : ndarray of shape (n,)
        Index as measured.
    others : ndarray of shape (n, k)
        Terms without error, without the intercept.
    w : ndarray of shape (n,)
        Weights.
    error : float
        Variance of the error.

    Returns
    -------
    Calibrated

    Raises
    ------
    Failed
        If the error leaves no variance of the true index.
    """
    table = np.column_stack([observed, others])
    share = w / w.sum()
    mean = share @ table
    centred = table - mean
    cov = (centred * share[:, None]).T @ centred
    target = cov[0].copy()
    target[0] -= error
    b = _solve(cov, target)
    tau2 = float(cov[0, 0] - error - b @ target)
    if not target[0] > 0 or b[0] <= 0 or tau2 < -1e-9 * cov[0, 0]:
        raise Failed("the error of measurement leaves no variance of the index")
    return Calibrated(mean[0] + centred @ b, float(np.sqrt(max(tau2, 0.0))))


def corrected(
    observed: Array,
    others: Array,
    y: Array,
    w: Array,
    family: Family,
    error: float,
    how: str,
    start: Array | None = None,
    noise: Array | None = None,
) -> tuple[Array, Calibrated]:
    """Coefficients of the true index and the other terms.

    Parameters
    ----------
    observed, others : ndarray
        As for :func:`calibrate`.
    y, w : ndarray of shape (n,)
    family : Family
    error : float
        Variance of the error, 0 for none.
    how : {"likelihood", "calibration", "simex"}
    start : ndarray, optional
        Coefficients to start from.
    noise : ndarray of shape (draws, n), optional
        Standard normal numbers for SIMEX.

    Returns
    -------
    coefficients : ndarray of shape (2 + k,)
        Intercept, index, other terms: of the true index, so the intercept of a log link is cleared of the spread that
        calibration leaves.
    calibrated : Calibrated
    """
    known = calibrate(observed, others, w, error)
    if how == "simex":
        return _simex(observed, others, y, w, family, error, start, noise), known
    design = np.column_stack([np.ones(len(y)), known.expected, others])
    if how == "likelihood" and error > 0:
        return blurred(design, known.tau, y, w, family, start), known
    b = scoring(design, y, w, family, start)
    if family.multiplies and not family.logged:
        b[0] -= (b[1] * known.tau) ** 2 / 2
    return b, known


def _simex(
    observed: Array,
    others: Array,
    y: Array,
    w: Array,
    family: Family,
    error: float,
    start: Array | None,
    noise: Array | None,
) -> Array:
    """Add error, see where the coefficients go, and go back to no error along a parabola."""
    assert noise is not None
    design = np.column_stack([np.ones(len(y)), observed, others])
    b = scoring(design, y, w, family, start)
    rows = [b]
    for zeta in ZETAS:
        total = np.zeros(len(b))
        for line in noise:
            design[:, 1] = observed + np.sqrt(zeta * error) * line
            total += scoring(design, y, w, family, b)
        rows.append(total / len(noise))
    at = np.array([0.0, *ZETAS])
    curve = np.column_stack([np.ones(len(at)), at, at**2])
    return np.array([1.0, -1.0, 1.0]) @ np.linalg.lstsq(curve, np.array(rows), rcond=None)[0]


def expected_outcome(
    b: Array, known: Calibrated, others: Array, family: Family, shift: float = 0.0
) -> tuple[Array, Array]:
    """Mean outcome of each row if its true index were `shift` higher, and the derivative by the index.

    Parameters
    ----------
    b : ndarray of shape (2 + k,)
    known : Calibrated
    others : ndarray of shape (n, k)
    family : Family
    shift : float, default 0
        Points added to the index of every row.

    Returns
    -------
    mean, derivative : ndarray of shape (n,)
        On the scale that is modelled: the logarithm for a logged outcome.
    """
    eta = b[0] + b[1] * (known.expected + shift) + others @ b[2:]
    nodes = eta[:, None] + b[1] * known.tau * NODES
    return family.inverse(nodes) @ MASS, b[1] * (family.slope(nodes) @ MASS)


def propensity(design: Array, answered: Array, w: Array, start: Array | None = None) -> tuple[Array, Array]:
    """Chance to answer, see :func:`cxmodels.fieldwork.propensity.chance_to_answer`.

    Parameters
    ----------
    design, answered, w, start
        As there.

    Returns
    -------
    chance : ndarray of shape (n,)
    coefficients : ndarray of shape (k,)

    Raises
    ------
    Failed
        If there is no finite estimate.
    """
    from ..fieldwork.propensity import chance_to_answer

    try:
        return chance_to_answer(design, answered, w, start)
    except EstimationError as error:
        raise Failed(str(error)) from None


def _first(design: Array, y: Array, w: Array, family: Family) -> Array:
    """Coefficients of the model without terms."""
    mean = float(w @ y / w.sum())
    if family.name == "logit":
        mean = np.log(mean / (1 - mean))
    elif family.name == "cloglog":
        mean = np.log(-np.log1p(-mean))
    elif family.multiplies and not family.logged:
        mean = np.log(mean)
    return np.append(mean, np.zeros(design.shape[1] - 1))


def _solve(a: Array, b: Array) -> Array:
    try:
        out = np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        raise Failed("some terms repeat each other") from None
    if not np.isfinite(out).all():
        raise Failed("some terms repeat each other")
    return out.astype(float)


def _checked(b: Array, design: Array, family: Family) -> Array:
    if family.binary and (not np.isfinite(b).all() or np.abs(design @ b).max() > _FAR):
        raise Failed("some terms tell the outcome without an error")
    return b
