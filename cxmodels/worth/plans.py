"""Which attributes to raise, and how far: what was asked for, or the best return that a budget buys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..drivers.budget import pieces
from ..errors import SpecError, listed
from .sources import Source

Array = NDArray[np.float64]

STEPS = 24  # of the curve of return against budget


def asked(source: Source, changes: Mapping[str, float]) -> tuple[Array, list[str]]:
    """Rises asked for, cut at the length of each scale.

    Parameters
    ----------
    source : Source
    changes : mapping of attribute to points

    Returns
    -------
    rises : ndarray of shape (k,)
    notes : list of str
        What was cut.
    """
    if not isinstance(changes, Mapping) or not changes:
        raise SpecError('Give the changes as a mapping, such as {"speed": 0.5}.')
    out, notes = np.zeros(len(source.names)), []
    for name, by in changes.items():
        k = source.column(name)
        if isinstance(by, bool) or not isinstance(by, int | float | np.number) or not np.isfinite(by):
            raise SpecError(f"The change of '{name}' must be a number, not {by!r}.")
        room = source.hi[k] - source.lo[k]
        if abs(by) > room:
            notes.append(
                f"A change of {by:+g} for '{name}' is longer than its scale, {source.lo[k]:g} to {source.hi[k]:g}; "
                f"{np.sign(by) * room:+g} was taken."
            )
        out[k] = np.clip(by, -room, room)
    return out, notes


def prices(source: Source, costs: Mapping[str, float] | None, rises: Array) -> Array:
    """Cost of a point of each attribute; 0 where none is given and nothing is raised.

    Parameters
    ----------
    source : Source
    costs : mapping of attribute to money, optional
    rises : ndarray of shape (k,)

    Returns
    -------
    ndarray of shape (k,)
    """
    out = np.zeros(len(source.names))
    if costs is None:
        return out
    if not isinstance(costs, Mapping) or not costs:
        raise SpecError('Give the costs as a mapping of what one point costs, such as {"speed": 20000}.')
    for name, price in costs.items():
        k = source.column(name)
        if isinstance(price, bool) or not isinstance(price, int | float | np.number) or not 0 <= price < np.inf:
            raise SpecError(f"The cost of one point of '{name}' must be 0 or more, not {price!r}.")
        out[k] = float(price)
    if free := [n for n, r in zip(source.names, rises, strict=True) if r and n not in costs]:
        raise SpecError(f"costs lacks {listed(free)}, which is raised; give the cost of a point, 0 if it is free.")
    return out


def path(source: Source, slopes: Array, weight: Array, price: Array) -> tuple[Array, Array]:
    """Spend on the steepest rise next, until nothing that costs something still gains.

    Effects add up and only flatten as respondents reach the end of a scale, so this is the best use of any budget.

    Parameters
    ----------
    source : Source
    slopes : ndarray of shape (k,)
        Points of satisfaction per point.
    weight : ndarray of shape (n,)
        Of the respondents.
    price : ndarray of shape (k,)
        Of a point; attributes with price 0 are not for sale.

    Returns
    -------
    spent : ndarray of shape (m,)
        Money, from 0.
    rises : ndarray of shape (m, k)
    """
    steps = []
    for k in np.flatnonzero(price > 0).tolist():
        x = source.answers[:, k]
        seen = np.isfinite(x)
        room = np.round(np.maximum(source.hi[k] - x[seen], 0.0), 9)
        values, place = np.unique(room, return_inverse=True)
        share = np.bincount(place, weight[seen]) / weight.sum()
        found = pieces(dict(zip(values.tolist(), share.tolist(), strict=True)), np.inf)
        steps += [(slopes[k] * rate / price[k], k, length) for rate, length in found]
    spent, rises = [0.0], [np.zeros(len(price))]
    for gain, k, length in sorted(steps, key=lambda s: (-s[0], s[1])):
        if gain <= 0:
            break
        then = rises[-1].copy()
        then[k] += length
        spent.append(spent[-1] + length * price[k])
        rises.append(then)
    return np.array(spent), np.array(rises)


def at(spent: Array, rises: Array, budgets: Any) -> Array:
    """Rises that budgets buy along the path.

    Parameters
    ----------
    spent : ndarray of shape (m,)
    rises : ndarray of shape (m, k)
    budgets : array-like of shape (s,)

    Returns
    -------
    ndarray of shape (s, k)
    """
    if len(spent) < 2:
        return np.zeros((np.size(budgets), rises.shape[1]))
    return np.stack([np.interp(np.atleast_1d(budgets), spent, column) for column in rises.T], axis=1)
