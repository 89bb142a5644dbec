"""The best use of a budget: where each unit of money goes with the greatest rise of the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SpecError, listed
from .coefficients import expected
from .scenario import WhatIf, answered, mean_of, simulate, weights_of
from .table import filled

if TYPE_CHECKING:
    from .result import DriverResult

Array = NDArray[np.float64]

_PORTIONS = 100  # into which a budget is cut where the model is not linear


def plan(
    result: DriverResult, costs: Mapping[str, float], budget: float, scale: Any, most: Any, level: float
) -> WhatIf:
    """Spend a budget where it moves the outcome most; see :meth:`DriverResult.plan`."""
    names = list(costs)
    if not names:
        raise SpecError("costs names no attribute; give the cost of one point of each that may be raised.")
    if wrong := [n for n in names if isinstance(costs[n], str) or not costs[n] > 0]:
        raise SpecError(f"The cost of one point of {listed(wrong)} must be a number above 0.")
    if isinstance(budget, str) or not budget > 0:
        raise SpecError(f"The budget must be positive, not {budget!r}.")
    for name in [*names, *(most or {})]:
        if name not in result.numeric:
            raise result.unknown(name)
    lo, hi = result.scale_ends(names, scale)
    price = np.array([float(costs[n]) for n in names])
    limit = np.minimum([float((most or {}).get(n, np.inf)) for n in names], hi - lo)
    spend = _steepest if result.spec.linear else _portions
    change = spend(result, names, price, float(budget), hi, limit)
    if not change.any():
        wanted = "fewer detractors in" if _wanted(result) < 0 else "a higher"
        raise SpecError(
            f"None of {listed(names)} goes with {wanted} '{result.spec.outcome}'; there is nothing to buy."
        )
    chosen = {n: float(c) for n, c in zip(names, change, strict=True) if c > 0}
    out = simulate(result, chosen, scale, True, level)
    effects = out.effects.assign(cost=[chosen[n] * costs[n] for n in out.effects.index])
    effects["cost_per_point"] = effects["cost"] / (_wanted(result) * effects["effect"])
    return replace(out, effects=effects)


def _wanted(result: DriverResult) -> float:
    """Which way the outcome is to go: detractors are to become fewer."""
    return -1.0 if result.spec.family == "detractor" else 1.0


def _steepest(result: DriverResult, names: list[str], price: Array, budget: float, top: Array, limit: Array) -> Array:
    """Buy the steepest piece next: the best plan there is, as effects only flatten and add up."""
    slopes = result.slopes_by_attribute()
    steps = [
        (slopes[name] * rate / price[k], k, length)
        for k, name in enumerate(names)
        for rate, length in _returns(result, name, top[k], limit[k])
    ]
    left, change = budget, np.zeros(len(names))
    for gain, k, length in sorted(steps, key=lambda s: (-s[0], s[1])):
        if not gain > 0 or left <= 0:
            break
        taken = min(length, left / price[k])
        change[k] += taken
        left -= taken * price[k]
    return change


def _returns(result: DriverResult, name: str, top: float, limit: float) -> list[tuple[float, float]]:
    """Pieces of a rise of one attribute: the share of respondents who can still follow, and how long the piece is."""
    room: dict[float, float] = {}
    for table in result.tables_used:
        w = weights_of(table)
        x = filled(table)[:, result.column(name)]
        moved = answered(result, table, name)
        for value, weight in zip(top - x[moved], w[moved] / w.sum() / len(result.tables_used), strict=True):
            room[round(float(value), 9)] = room.get(round(float(value), 9), 0.0) + float(weight)
    return pieces(room, limit)


def pieces(room: Mapping[float, float], limit: float) -> list[tuple[float, float]]:
    """Cut a rise of one attribute where respondents reach the end of its scale.

    Parameters
    ----------
    room : mapping of float to float
        How far respondents are from the end, and the share of them that is so far.
    limit : float
        Longest rise.

    Returns
    -------
    list of (rate, length)
        Share of respondents who can still follow, and how long the piece is.

    Examples
    --------
    >>> pieces({0.0: 0.5, 1.0: 0.25, 3.0: 0.25}, 2.0)
    [(0.5, 1.0), (0.25, 1.0)]
    """
    out, start = [], 0.0
    for end in sorted(v for v in room if v > 0):
        rate = sum(share for value, share in room.items() if value >= end)
        stop = min(end, limit)
        if stop > start:
            out.append((rate, stop - start))
        start = end
    return out


def _portions(result: DriverResult, names: list[str], price: Array, budget: float, top: Array, limit: Array) -> Array:
    """Spend portion by portion on what gains most, then move portions while that gains: good, if not surely the best.

    A chance rises in an S: what an attribute adds depends on the others, and may grow before it flattens.
    """
    fit, theta = result.fit_coefficients, np.nan_to_num(result.fit_coefficients.values)
    columns = [result.column(n) for n in names]
    tables = [(t, filled(t), np.column_stack([answered(result, t, n) for n in names])) for t in result.tables_used]

    def outcome(change: Array) -> float:
        total = 0.0
        for table, x, seen in tables:
            to = x.copy()
            now = x[:, columns]
            to[:, columns] = np.where(seen, np.clip(now + change, None, np.maximum(top, now)), now)
            total += mean_of(table, expected(fit, theta, to, result.scores)) / len(tables)
        return _wanted(result) * total

    step, unit = budget / _PORTIONS / price, np.eye(len(names))
    spent = np.zeros(len(names))  # portions
    best = outcome(spent)

    def better(moves: list[Array]) -> bool:
        """Make the best of some moves, if it gains."""
        nonlocal best, spent
        found = [outcome(np.minimum((spent + move) * step, limit)) for move in moves]
        if not found or max(found) <= best + 1e-12:
            return False
        best, spent = max(found), spent + moves[int(np.argmax(found))]
        return True

    def rising() -> Any:
        return np.flatnonzero(spent * step < limit - 1e-12)

    for _ in range(_PORTIONS):
        if not better([unit[k] for k in rising()]):
            break
    for _ in range(_PORTIONS):
        if not better([unit[j] - unit[i] for i in np.flatnonzero(spent > 0) for j in rising() if i != j]):
            break
    return np.asarray(np.minimum(spent * step, limit))
