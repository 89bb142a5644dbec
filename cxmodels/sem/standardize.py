"""Standardised solutions, for any number of lines of values at once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .constraints import defined_values
from .estimate import Estimate
from .inference import delta_variances
from .matrices import State, state
from .objective import expand
from .table import Table

Array = NDArray[Any]

__all__ = ["KINDS", "complex_jacobian", "factors", "standardized", "standardized_se"]

KINDS = ("std_lv", "std_all", "std_nox")


class _Scales(NamedTuple):
    """For the entries of a block: variables to multiply and divide by, residuals to divide by, variables to divide by again."""

    rows: NDArray[np.intp]
    up: NDArray[np.intp]
    down: NDArray[np.intp]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    square: NDArray[np.intp]


def standardized(e: Estimate, values: Array, kind: str, states: list[State] | None = None) -> Array:
    """Standardise values (..., rows) of all entries.

    Parameters
    ----------
    e : Estimate
    values : ndarray of shape (..., rows)
        Complete, possibly complex.
    kind : {"std_lv", "std_all", "std_nox"}
        Latent variables only; all; all but fixed predictors.
    states : list of State, optional
        The moments at these values, where they are known.

    Returns
    -------
    ndarray of shape (..., rows)
        A residual covariance is divided by the residual standard deviations, negative variances by their size.
    """
    return values * factors(e, values, kind, states)


def factors(e: Estimate, values: Array, kind: str, states: list[State] | None = None) -> Array:
    """What :func:`standardized` multiplies values (..., rows) with."""
    out = np.ones_like(values)
    if states is None:
        states = [state(block, values) for block in e.blocks]
    for number, (block, s) in enumerate(zip(e.blocks, states, strict=True)):
        sd, residual = _deviations(block.v, s, e, number, values)
        scales = _scales(e.table, number, kind)
        factor = sd[..., scales.up] / (sd[..., scales.down] * sd[..., scales.square])
        out[..., scales.rows] = factor / (residual[..., scales.first] * residual[..., scales.second])
    if kind != "std_lv":
        scale = [i for i, x in enumerate(e.table.entries) if x.op == "~*~"]
        out[..., scale] = 1 / values[..., scale]  # a scale is 1 in its own unit
    return out


def _deviations(v: int, s: State, e: Estimate, number: int, values: Array) -> tuple[Array, Array]:
    """Total and residual standard deviations of all variables, with a 1 at the end for nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        sd = _root(np.diagonal(s.cov, axis1=-2, axis2=-1))
        own = np.zeros((*values.shape[:-1], v), values.dtype)
        i, j, rows = e.blocks[number].undirected
        own[..., i[i == j]] = values[..., rows[i == j]]
        residual = _root(own)
    one = np.ones((*values.shape[:-1], 1), values.dtype)
    return np.concatenate([sd, one], axis=-1), np.concatenate([residual, one], axis=-1)


def _root(variance: Array) -> Array:
    """Square root of the size, analytic in the complex plane; 1 where there is no variance."""
    real = np.real(variance)
    return np.sqrt(np.where(real < 0, -variance, np.where(real == 0, 1.0, variance)))


@lru_cache(maxsize=256)
def _scales(table: Table, number: int, kind: str) -> _Scales:
    role, block = table.roles[number], table.blocks[number]
    place = {n: i for i, n in enumerate(block.names)}
    spare = block.v
    wanted = set(role.latent)
    if kind != "std_lv":
        wanted |= set(role.observed) - (set(role.exogenous) if kind == "std_nox" else set())
    at = {n: place[n] if n in wanted else spare for n in block.names}
    found = []
    for i in table.block(number):
        x = table.entries[i]
        up = down = first = second = square = spare
        if x.op == "=~":
            up, down = at[x.lhs], at[x.rhs]
        elif x.op in ("~", "<~"):
            up, down = at[x.rhs], at[x.lhs]
        elif x.op in ("~1", "|"):
            down = at[x.lhs]
        elif x.lhs == x.rhs:
            down = square = at[x.lhs]
        else:
            first, second = at[x.lhs], at[x.rhs]
        found.append((i, up, down, first, second, square))
    return _Scales(*(np.array(c, dtype=np.intp) for c in zip(*found, strict=True)))


def complex_jacobian(function, x: Array) -> Array:  # type: ignore[no-untyped-def]
    """Derivatives (k, q) of an analytic function of lines (..., q) to (..., k), exact to rounding."""
    moved = x + 1e-20j * np.eye(len(x))
    return (function(moved).imag / 1e-20).T


def standardized_se(e: Estimate, vcov: Array, kind: str) -> Array:
    """Delta-method standard errors of a standardised solution, then of the defined parameters in it."""

    def function(x: Array) -> Array:
        values = standardized(e, e.completed(expand(e.table, e.base, x)), kind)
        return np.concatenate([values, defined_values(e.table, values)], axis=-1)

    jacobian = complex_jacobian(function, e.x)
    return np.sqrt(delta_variances(jacobian, vcov))
