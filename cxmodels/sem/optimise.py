"""Minimisation: Fisher scoring that turns into Newton's method near the minimum, under linear and other constraints.

Far away the Gauss-Newton matrix is positive definite and its steps are safe; near the minimum the exact Hessian makes
convergence quadratic. Where the discrepancy is nearly flat or saddle-shaped (few items, near-collinear constructs)
neither is enough: there the exact Hessian is damped by the Gauss-Newton matrix, as much as it takes to descend, in coordinates
in which paths cannot run away (:mod:`cxmodels.sem.chart`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .chart import Chart
from .objective import Derivatives, Objective

Array = NDArray[Any]

__all__ = ["Minimum", "minimise", "solve_damped"]

_NEAR = 5e-2  # Newton decrement below which exact second derivatives are worth their price
_SMALL = 1e-17  # decrement, in units of the discrepancy, at which nothing is left to gain
_SQUARED = 1e-10  # decrement from which one Newton step, which squares it, leads to less than that
_FAR = 1e-3  # decrement above which second derivatives mislead where the discrepancy is bent
_PATIENCE = 12  # simple steps before damped ones take over
_STEPS = 60  # damped ones: what has not settled by then has no minimum
_WINDOW, _CRAWL = 20, 1e-5  # so many steps that gain less than this share are on a slope without end
_RIDGE = 1e-5  # so that the metric is one where scoring says nothing about a direction
_STUCK = 1e12  # damping at which no step is left


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


def minimise(
    objective: Objective,
    x: Array,
    basis: Array | None = None,
    *,
    chart: Chart | None = None,
    max_iter: int = _STEPS,
) -> Minimum:
    """Minimise over x + span(basis).

    Parameters
    ----------
    objective : Objective
    x : ndarray of shape (q,)
        Start, feasible.
    basis : ndarray of shape (q, r), optional
        Directions that linear constraints allow; by default all.
    chart : Chart, optional
        Coordinates for difficult cases, without constraints; by default the parameters.
    max_iter : int, default 60
        Of the damped steps for difficult cases.

    Returns
    -------
    Minimum
    """
    now = objective.derivatives(x)
    if now is None or not np.isfinite(now.value):
        return Minimum(x, np.inf, np.full(len(x), np.nan), 0, False)
    if not len(x):
        return Minimum(x, now.value, now.gradient, 0, True)
    start, damping, number = (x, now), 0.0, 0  # from which the damped steps may lead to another valley
    near, before = False, np.nan  # the decrement of the Newton step before
    for number in range(1, _PATIENCE + 1):
        g, h = _reduced(now.gradient, now.scoring, basis)
        if not near:
            step, decrement = solve_damped(h, g, damping)
            if decrement < _SMALL * max(1.0, now.value) and decrement >= 0:
                return Minimum(x, now.value, now.gradient, number, True)
            near = decrement < _NEAR * max(now.value, 1e-3)
        if near:
            exact = _reduced(now.gradient, objective.hessian(x), basis)[1]
            newton, gain = solve_damped(exact, g, 0.0, strict=True)
            size = max(1.0, now.value)
            # each is the square of the one before times a number that no longer changes near the minimum
            if 0 <= gain < _SQUARED * size or 0 <= gain**2 * max(gain / before**2, 1.0) < _SMALL * size:
                x, now = _last(objective, x, newton, basis, now)
                return Minimum(x, now.value, now.gradient, number, True)
            if gain >= 0:
                before = gain
                new = x + _whole(newton, basis)
                found = objective.derivatives(new)
                if found is not None and found.value <= now.value - 0.2 * gain:
                    x, now = new, found
                    continue
            break
        for attempt in range(8):
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
    end = _difficult(objective, x, now, basis, chart, number, max_iter)
    if end.converged or chart is None or not any(chart.cores):
        return end
    other = _difficult(objective, *start, basis, chart, number, max_iter)
    return other if other.converged or other.value < end.value else end


def _difficult(
    objective: Objective,
    x: Array,
    now: Derivatives,
    basis: Array | None,
    chart: Chart | None,
    before: int,
    max_iter: int,
) -> Minimum:
    """Minimise with damped second derivatives in the coordinates of a chart, after some steps `before`."""
    damping, number, mark = 0.0, before, np.inf
    for number in range(before + 1, before + max_iter + 1):
        if (number - before) % _WINDOW == 0:
            if mark - now.value < _CRAWL * max(now.value, 1e-3):
                break  # downhill without end
            mark = now.value
        g, metric = _reduced(now.gradient, _metric(objective, x, now), basis)
        metric = metric + _RIDGE * np.diag(metric.diagonal())
        far = solve_damped(metric, g, 0.0)[1] > _FAR * max(now.value, 1e-3)
        matrix = metric
        if not far:
            bend = 0.0 if chart is None else chart.bend(x, now.gradient)
            matrix = _reduced(now.gradient, objective.hessian(x) - bend, basis)[1]
        while damping < _STUCK:
            step, decrement = solve_damped(matrix + damping * metric if damping else matrix, g, 0.0, strict=True)
            if decrement < 0:
                damping = max(damping * 4, 0.1)
                continue
            if not far and not damping and decrement < _SMALL * max(1.0, now.value):
                x, now = _last(objective, x, step, basis, now)
                return Minimum(x, now.value, now.gradient, number, True)
            whole = _whole(step, basis)
            new = x + whole if chart is None else chart.after(x, whole)
            found = objective.derivatives(new)
            expected = (decrement + damping * float(step @ metric @ step)) / 2
            gain = -1.0 if found is None else (now.value - found.value) / max(expected, 1e-300)
            if found is not None and (gain > 0.1 or (decrement < 1e-10 and found.value <= now.value + 1e-12)):
                x, now = new, found
                damping = 0.0 if damping < 0.02 else damping * (0.2 if gain > 0.7 else 0.5 if gain > 0.3 else 1.0)
                break
            damping = max(damping * 4, 0.05)
        else:
            break
    return Minimum(x, now.value, now.gradient, number, _settled(objective, x, now, basis))


def _metric(objective: Objective, x: Array, now: Derivatives) -> Array:
    """Expected second derivatives, which the scoring matrix may stand for near the data only."""
    expected = getattr(objective, "expected", None)
    return now.scoring if expected is None else 2 * expected(x)


def solve_damped(h: Array, g: Array, damping: float, strict: bool = False) -> tuple[Array, float]:
    """Return -inv(h + damping * diag(h)) g and the decrement g' inv(h) g.

    A matrix that is not positive definite gives a decrement of -1 if `strict`, else it is damped until it is.
    """
    from scipy.linalg import lapack

    scale = np.sqrt(np.abs(h.diagonal()))
    scale[scale == 0] = 1.0
    unit, target = h / (scale[:, None] * scale), g / scale
    diagonal = unit.diagonal().copy()
    while True:
        if damping:
            unit.flat[:: len(g) + 1] = diagonal + damping
        root, info = lapack.dpotrf(unit.T, lower=1, clean=0)  # symmetric, and what LAPACK reads
        pivots = root.diagonal()
        if info == 0 and pivots.min() > 1e-7 and pivots.max() < np.inf:
            step, _ = lapack.dpotrs(root, target, lower=1)
            return -step / scale, float(step @ target)
        if strict or damping > 1e8 or not np.isfinite(unit).all():
            return np.zeros_like(g), -1.0
        damping = max(damping * 10, 1e-8)


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
