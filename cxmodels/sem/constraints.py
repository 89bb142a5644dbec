"""Equations and inequalities between parameters: their values, derivatives, and the minimum under them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SpecError, listed
from .chart import Chart
from .objective import Objective, expand
from .optimise import Minimum, minimise
from .table import Table

Array = NDArray[Any]

__all__ = ["Constraints", "defined_values", "minimise_under", "null_space", "rank_of_equations"]

_STEP = 1e-20


def defined_values(table: Table, values: Array) -> Array:
    """Values (..., d) of the ``:=`` parameters from those (..., rows) of the entries."""
    known = _known(table, values)
    return np.stack([known[name] for name, _ in table.defined], axis=-1) if table.defined else values[..., :0]


def _known(table: Table, values: Array) -> dict[str, Array]:
    """Values by label and by defined name."""
    known = {label: values[..., i] for label, i in table.labels.items()}
    for name, expression in table.defined:
        known[name] = np.broadcast_to(expression.evaluate(known), values.shape[:-1])
    return known


@dataclass(frozen=True, eq=False)
class Constraints:
    """What must hold: functions that are zero, and functions that are not negative.

    Parameters
    ----------
    table : Table
    base : ndarray of shape (rows,)
        Fixed values.
    """

    table: Table
    base: Array

    def values(self, x: Array) -> tuple[Array, Array]:
        """Equations and inequalities at x; bounds come last."""
        known = _known(self.table, expand(self.table, self.base, x))
        zero: list[Any] = []
        more: list[Any] = []
        for op, left, right in self.table.constraints:
            gap = left.evaluate(known) - right.evaluate(known)
            (zero if op == "==" else more).append(-gap if op == "<" else gap)
        for i, e in enumerate(self.table.entries):
            place = self.table.index[i]
            if place >= 0:
                more += [x[..., place] - e.lower] if np.isfinite(e.lower) else []
                more += [e.upper - x[..., place]] if np.isfinite(e.upper) else []
        return np.array(zero, dtype=x.dtype).reshape(-1), np.array(more, dtype=x.dtype).reshape(-1)

    def jacobians(self, x: Array) -> tuple[Array, Array]:
        """Derivatives of both, by complex steps."""
        zero, more = self.values(x)
        first, second = np.zeros((len(zero), len(x))), np.zeros((len(more), len(x)))
        for k in range(len(x)):
            moved = x.astype(complex)
            moved[k] += _STEP * 1j
            a, b = self.values(moved)
            first[:, k], second[:, k] = a.imag / _STEP, b.imag / _STEP
        return first, second


def null_space(jacobian: Array) -> Array:
    """Orthonormal directions along which nothing changes."""
    _, singular, rows = np.linalg.svd(jacobian)
    rank = int((singular > 1e-10 * max(singular.max(initial=0.0), 1e-300)).sum())
    return rows[rank:].T


def rank_of_equations(active: Array | None, equations: NDArray[np.bool_] | None) -> int:
    """How many parameters the equations of `minimise_under` cost; inequalities that bind cost none."""
    if active is None or equations is None or not equations.any():
        return 0
    return int(np.linalg.matrix_rank(active[equations]))


def minimise_under(
    objective: Objective, table: Table, base: Array, x: Array, chart: Chart | None = None
) -> tuple[Minimum, Array | None, NDArray[np.bool_] | None]:
    """Minimise under the constraints and bounds of a table.

    Parameters
    ----------
    objective : Objective
    table : Table
    base : ndarray of shape (rows,)
        Fixed values.
    x : ndarray of shape (q,)
        Start.
    chart : Chart, optional
        Coordinates for difficult cases without constraints.

    Returns
    -------
    minimum : Minimum
    active : ndarray of shape (c, q) or None
        Derivatives of the constraints that hold with equality at the minimum.
    equations : ndarray of bool or None
        Which of these are equations, and not inequalities that happen to bind.

    Raises
    ------
    SpecError
        If the equations contradict each other.
    """
    if not table.restricted:
        return minimise(objective, x, chart=chart), None, None
    rules = Constraints(table, base)
    zero, _ = rules.values(x)
    jac, more_jac = rules.jacobians(x)
    other = rules.jacobians(x * 1.37 + 0.11)
    linear = np.allclose(jac, other[0], atol=1e-10)
    if linear and np.allclose(more_jac, other[1], atol=1e-10):
        _check_possible(rules, x, jac, more_jac)
    if linear:
        x = _onto(rules, x, jac)
        found = minimise(objective, x, null_space(jac) if len(zero) else None)
        if (rules.values(found.x)[1] >= -1e-9).all():
            return found, jac, np.ones(len(jac), dtype=bool)
    return _nonlinear(objective, rules, x)


def _check_possible(rules: Constraints, x: Array, jac: Array, more_jac: Array) -> None:
    """Refuse linear constraints that no values satisfy together, by linear programming."""
    from scipy.optimize import linprog

    zero, more = rules.values(x)
    if not len(more):
        return
    found = linprog(
        np.zeros(len(x)), A_ub=-more_jac, b_ub=more - more_jac @ x,
        A_eq=jac if len(jac) else None, b_eq=jac @ x - zero if len(jac) else None, bounds=(None, None),
    )  # fmt: skip
    if found.status == 2:
        written = [f"{left.text} {op} {right.text}" for op, left, right in rules.table.constraints]
        limits = [f"{e.lhs} {e.op} {e.rhs}" for e in rules.table.entries if np.isfinite([e.lower, e.upper]).any()]
        within = f" within the bounds of {listed(limits)}" if limits else ""
        raise SpecError(
            f"The constraints contradict each other: no parameter values satisfy {listed(written)} together{within}; "
            "drop or change one."
        )


def _onto(rules: Constraints, x: Array, jac: Array) -> Array:
    """Move the start onto linear equations."""
    zero = rules.values(x)[0]
    if not len(zero):
        return x
    x = x - np.linalg.lstsq(jac, zero, rcond=None)[0]
    if np.abs(rules.values(x)[0]).max() > 1e-6:
        raise SpecError("The '==' constraints contradict each other: no parameter values satisfy all of them.")
    return x


def _nonlinear(objective: Objective, rules: Constraints, x: Array) -> tuple[Minimum, Array, NDArray[np.bool_]]:
    """Sequential quadratic programming, then Newton's method on the constraints that bind."""
    from scipy.optimize import minimize

    def whole(x: Array) -> tuple[float, Array]:
        found = objective.derivatives(x)
        return (1e10, np.zeros(len(x))) if found is None else (found.value, found.gradient)

    start = minimise(objective, x).x
    both = [
        {"type": kind, "fun": lambda x, k=k: rules.values(x)[k], "jac": lambda x, k=k: rules.jacobians(x)[k]}
        for k, kind in enumerate(("eq", "ineq"))
        if len(rules.values(x)[k])
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = minimize(
            whole, start, jac=True, method="SLSQP", constraints=both, options={"maxiter": 300, "ftol": 1e-12}
        )
    x = found.x
    zero, more = rules.values(x)
    if (len(zero) and np.abs(zero).max() > 1e-4) or (len(more) and more.min() < -1e-4):
        raise SpecError("No parameter values that satisfy the constraints were found; do they contradict each other?")
    active = more < 1e-6
    steps, size = 0, np.inf
    while steps < 50:
        steps += 1
        step, size = _newton(objective, rules, x, active)
        if step is None:
            break
        x = x + step
        if size < 1e-11:
            break
    at = objective.derivatives(x)
    first, second = rules.jacobians(x)
    value, gradient = (np.inf, x) if at is None else (at.value, at.gradient)
    done = at is not None and (bool(found.success) or size < 1e-8)
    jac = np.vstack([first, second[active]])
    minimum = Minimum(x, value, gradient, int(found.nit) + steps, done)
    return minimum, jac, np.arange(len(jac)) < len(first)


def _newton(
    objective: Objective, rules: Constraints, x: Array, active: NDArray[np.bool_]
) -> tuple[Array | None, float]:
    """One Newton step of the Lagrangian, and its size."""
    zero, more = rules.values(x)
    first, second = rules.jacobians(x)
    gap, jac = np.concatenate([zero, more[active]]), np.vstack([first, second[active]])
    now = objective.derivatives(x)
    if now is None:
        return None, np.inf
    multiplier = np.linalg.lstsq(jac.T, now.gradient, rcond=None)[0]
    h = objective.hessian(x)
    for k in range(len(x)):
        moved = x.copy()
        moved[k] += 1e-6
        a, b = rules.jacobians(moved)
        h[k] -= multiplier @ ((np.vstack([a, b[active]]) - jac) / 1e-6)
    h = (h + h.T) / 2
    c = len(gap)
    system = np.block([[h, jac.T], [jac, np.zeros((c, c))]])
    try:
        step = np.linalg.solve(system, -np.concatenate([now.gradient, gap]))[: len(x)]
    except np.linalg.LinAlgError:
        return None, np.inf
    return step, float(np.abs(step / np.maximum(np.abs(x), 1.0)).max())
