"""Minimisation: Fisher scoring that turns into Newton's method near the minimum, under linear and other constraints.

Far away the Gauss-Newton matrix is positive definite and its steps are safe; near the minimum the exact Hessian makes
convergence quadratic. Where the discrepancy is nearly flat or saddle-shaped (few items, near-collinear constructs)
neither is enough: there the exact quadratic model is minimised within an ellipsoid shaped by the Gauss-Newton matrix
(trust region of Moré and Sorensen 1983, solved exactly by eigenvalues).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .objective import Derivatives, Objective

Array = NDArray[Any]

__all__ = ["Minimum", "minimise", "solve_damped"]

_NEAR = 1e-2  # Newton decrement below which exact second derivatives are worth their price
_SMALL = 1e-17  # decrement, in units of the discrepancy, at which nothing is left to gain
_PATIENCE = 8  # scoring steps before the trust region takes over


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where a minimisation ended.

    Attributes
    ----------
    x : ndarray of shape (q,)
    value : float
    gradient : ndarray of shape (q,)
    iterations : int
    converged : bool
    """

    x: Array
    value: float
    gradient: Array
    iterations: int
    converged: bool


def minimise(objective: Objective, x: Array, basis: Array | None = None, *, max_iter: int = 500) -> Minimum:
    """Minimise over x + span(basis).

    Parameters
    ----------
    objective : Objective
    x : ndarray of shape (q,)
        Start, feasible.
    basis : ndarray of shape (q, r), optional
        Directions that linear constraints allow; by default all.
    max_iter : int, default 500

    Returns
    -------
    Minimum
    """
    now = objective.derivatives(x)
    if now is None or not np.isfinite(now.value):
        return Minimum(x, np.inf, np.full(len(x), np.nan), 0, False)
    if not len(x):
        return Minimum(x, now.value, now.gradient, 0, True)
    damping, radius = 0.0, 0.0
    for number in range(1, max_iter + 1):
        g, h = _reduced(now.gradient, now.scoring, basis)
        step, decrement = solve_damped(h, g, damping)
        if decrement < _SMALL * max(1.0, now.value) and decrement >= 0:
            return Minimum(x, now.value, now.gradient, number, True)
        near = decrement < _NEAR * max(now.value, 1e-3)
        if near or number > _PATIENCE:
            exact = _reduced(now.gradient, objective.hessian(x), basis)[1]
            step, decrement = solve_damped(exact, g, 0.0, strict=True)
            if 0 <= decrement < _SMALL * max(1.0, now.value):
                x, now = _last(objective, x, step, basis, now)
                return Minimum(x, now.value, now.gradient, number, True)
            if decrement >= 0:
                new = x + _whole(step, basis)
                found = objective.derivatives(new)
                if found is not None and found.value <= now.value - 0.2 * decrement * (decrement > 1e-11):
                    x, now = new, found
                    continue
            inside = _trust(objective, x, now, exact, basis, radius or 1.0)
            if inside is None:
                break
            x, now, radius = inside
            continue
        for attempt in range(30):
            new = x + _whole(step, basis)
            found = objective.derivatives(new)
            if found is not None and found.value <= now.value - 1e-4 * decrement * (decrement > 1e-11):
                x, now = new, found
                damping = damping / 10 if attempt == 0 and damping > 1e-6 else damping * (attempt > 0)
                break
            damping = max(damping * 8, 1e-3)
            step, decrement = solve_damped(h, g, damping)
        else:
            break
    return Minimum(x, now.value, now.gradient, number, _settled(objective, x, now, basis))


def solve_damped(h: Array, g: Array, damping: float, strict: bool = False) -> tuple[Array, float]:
    """Return -inv(h + damping * diag(h)) g and the decrement g' inv(h) g.

    A matrix that is not positive definite gives a decrement of -1 if `strict`, else it is damped until it is.
    """
    from scipy.linalg import lapack

    scale = np.sqrt(np.abs(h.diagonal()))
    scale[scale == 0] = 1.0
    unit, target = h / (scale[:, None] * scale), g / scale
    if not np.isfinite(unit).all():
        return np.zeros_like(g), -1.0
    own = np.arange(len(g))
    diagonal = unit[own, own]
    while True:
        unit[own, own] = diagonal + damping
        root, info = lapack.dpotrf(unit, lower=1, clean=0)
        if info == 0 and root.diagonal().min() > 1e-7:
            step, _ = lapack.dpotrs(root, target, lower=1)
            return -step / scale, float(step @ target)
        if strict or damping > 1e8:
            return np.zeros_like(g), -1.0
        damping = max(damping * 10, 1e-8)


def _trust(
    objective: Objective, x: Array, now: Derivatives, exact: Array, basis: Array | None, radius: float
) -> tuple[Array, Derivatives, float] | None:
    """One accepted step of the trust region, or None if none is left; the next radius with it."""
    g, shape = _reduced(now.gradient, now.scoring, basis)
    size = np.sqrt(np.maximum(np.diagonal(shape), 1e-12))
    try:
        root = np.linalg.cholesky(shape / np.outer(size, size) + 1e-6 * np.eye(len(g))) * size[:, None]
        inner = np.linalg.inv(root)
        values, vectors = np.linalg.eigh(inner @ exact @ inner.T)
    except np.linalg.LinAlgError:
        return None
    slope = vectors.T @ (inner @ g)
    for _ in range(60):
        z = _within(values, slope, radius)
        expected = -(slope @ z + 0.5 * (values * z) @ z)
        new = x + _whole(inner.T @ (vectors @ z), basis)
        found = objective.derivatives(new)
        gain = -np.inf if found is None else now.value - found.value
        if found is not None and (gain > 0.05 * expected or (expected < 1e-12 and gain > 0)):
            length = float(np.sqrt(z @ z))
            good = gain > 0.7 * expected and length > 0.8 * radius
            return new, found, radius * 2.5 if good else max(radius, length) if gain > 0.3 * expected else radius / 2
        radius = min(radius, float(np.sqrt(z @ z))) / 4
        if radius < 1e-14 or expected < 1e-15:
            return None
    return None


def _within(values: Array, slope: Array, radius: float) -> Array:
    """Minimise slope'z + z'diag(values)z/2 over |z| <= radius."""
    low = max(0.0, -float(values[0]))
    if values[0] > 0:
        z = -slope / values
        if z @ z <= radius**2:
            return z
    down, up = low, low + float(np.sqrt(slope @ slope)) / radius + 1e-12
    for _ in range(100):
        middle = (down + up) / 2
        gap = values + middle
        z = -slope / np.where(gap > 1e-300, gap, 1e-300)
        down, up = (middle, up) if z @ z > radius**2 else (down, middle)
        if up - down < 1e-12 * max(up, 1e-12):
            break
    z = -slope / np.maximum(values + up, 1e-300)
    short = radius**2 - float(z @ z)
    if values[0] < 0 and short > 0.1 * radius**2:  # the hard case: add the direction of negative curvature
        z = z.copy()
        z[0] += np.sqrt(short) * (-1.0 if slope[0] > 0 else 1.0)
    return z


def _settled(objective: Objective, x: Array, now: Derivatives, basis: Array | None) -> bool:
    """Whether the last point is a minimum to the precision that rounding allows."""
    g, h = _reduced(now.gradient, objective.hessian(x), basis)
    decrement = solve_damped(h, g, 0.0, strict=True)[1]
    if decrement < 0:  # flat or singular: judge by the scoring matrix
        g, h = _reduced(now.gradient, now.scoring, basis)
        decrement = solve_damped(h, g, 0.0)[1]
    return 0 <= decrement < 1e-9


def _whole(step: Array, basis: Array | None) -> Array:
    return step if basis is None else basis @ step


def _reduced(g: Array, h: Array, basis: Array | None) -> tuple[Array, Array]:
    """Gradient and second derivatives along the allowed directions."""
    return (g, h) if basis is None else (basis.T @ g, basis.T @ h @ basis)


def _last(
    objective: Objective, x: Array, step: Array, basis: Array | None, now: Derivatives
) -> tuple[Array, Derivatives]:
    """Take the final step if it does no harm."""
    new = x + _whole(step, basis)
    found = objective.derivatives(new)
    return (new, found) if found is not None and found.value <= now.value + 1e-13 else (x, now)
