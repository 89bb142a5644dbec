"""Coordinates of the structural part in which paths cannot run away: covariances in place of coefficients.

Where predictors are nearly one, the residual variance psi of one of them given the others is nearly zero, and a path from
it is c / psi with a finite covariance c. A minimum at a small negative psi then lies behind a wall at which paths and
residual variances are infinite, and in any step that adds to the coefficients the way to it is a narrow bent valley.
In the coordinates

    z_k = (C[k, P], C[k, k])        P the predictors of variable k, C the covariances that the model implies,

there is no wall and hardly a bend: they are one to one with the paths A[k, P] = inv(C[P, P]) C[P, k] and the residual
variance C[k, k] - A[k, P] C[P, k] of k. A step taken in them begins in the same direction as one of the coefficients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .matrices import Block, Moved, Products, State, curvature, gather_square, move, state
from .objective import expand
from .table import Table

Array = NDArray[Any]
Index = NDArray[np.intp]

__all__ = ["RUNAWAY", "Chart", "Core", "core_of", "longest_path"]

RUNAWAY = 100.0  # standard deviations per standard deviation: a path beyond it is on its way to infinity


class _Layer(NamedTuple):
    """Variables with equations of k predictors each: places of both in the core, entries of paths and residual variances."""

    place: Index
    parents: Index
    rows: Index
    own: Index
    fresh: bool  # whether the layers before have changed covariances of these predictors


@dataclass(frozen=True, eq=False)
class Core:
    """The variables of a block that have an equation of free paths, and all that these depend on.

    Attributes
    ----------
    block : Block
    members : ndarray of int
        Places of the variables in the block, causes before effects, and those that cause nothing last.
    causes : int
        Number of those that cause something.
    directed, undirected : tuple of ndarray
        (to, from, entry) and (i, j, entry) of every cell among the causes, by their places in the core.
    layers : tuple
        The variables whose coordinates change, causes before effects.
    cells : ndarray of int
        Parameters of the nodes, counted in the order of the block.
    first, second : ndarray of int
        The covariance (places in the core) that replaces each of these.
    """

    block: Block
    members: Index
    causes: int
    directed: tuple[Index, Index, Index]
    undirected: tuple[Index, Index, Index]
    layers: tuple[_Layer, ...]
    cells: Index
    first: Index
    second: Index

    def covariances(self, values: Array) -> Array:
        """Implied covariances of the causes, (..., c, c), from values (..., rows) of all entries."""
        c = self.causes
        effects = np.zeros((*values.shape[:-1], c, c))
        to, source, rows = self.directed
        effects[..., to, source] = -values[..., rows]
        effects[..., range(c), range(c)] += 1.0
        residual = np.zeros_like(effects)
        i, j, rows = self.undirected
        residual[..., i, j] = residual[..., j, i] = values[..., rows]
        total = np.linalg.inv(effects)
        return total @ residual @ np.swapaxes(total, -1, -2)

    def settle(self, values: Array, target: Array) -> None:
        """Set paths and residual variances such that the variables have given covariances with their predictors."""
        cov = target
        for place, parents, rows, own, fresh in self.layers:
            if fresh:
                cov = self.covariances(values)
            side = target[..., parents, place[:, None]]
            if parents.shape[1] == 1:
                paths = side / cov[..., parents, parents]
            else:
                inner = cov[..., parents[:, :, None], parents[:, None, :]]
                paths = np.linalg.solve(inner, side[..., None])[..., 0]
            values[..., rows] = paths
            values[..., own] = target[..., place, place] - (paths * side).sum(axis=-1)

    def target(self, s: State, m: Moved, step: Array) -> Array:
        """Covariances of the members after a step (..., k) of the block's parameters, to first order."""
        left, right = m.left[..., self.members, :], m.right[..., self.members, :]
        moved = (left * step[..., None, :]) @ np.swapaxes(right, -1, -2)
        return s.cov[..., self.members[:, None], self.members] + moved + np.swapaxes(moved, -1, -2)

    def bend(self, s: State, m: Moved, gradient: Array) -> Array:
        """What the second derivatives (..., k, k) by coefficients owe to the change of coordinates.

        Parameters
        ----------
        s, m : State and Moved
            Of the block, at the point.
        gradient : ndarray of shape (..., k)
            Of the function, by the block's parameters.
        """
        left = m.left[..., self.members[:, None], self.cells]
        right = m.right[..., self.members[:, None], self.cells]
        change = left[..., self.first, :] * right[..., self.second, :]
        change += right[..., self.first, :] * left[..., self.second, :]
        try:
            by_cov = np.linalg.solve(np.swapaxes(change, -1, -2), gradient[..., self.cells, None])[..., 0] / 2
        except np.linalg.LinAlgError:  # a predictor without variance: the coordinates end here
            return np.zeros((*gradient.shape, gradient.shape[-1]))
        c = len(self.members)
        w = np.zeros((*gradient.shape[:-1], c, c))
        w[..., self.first, self.second] += by_cov
        w[..., self.second, self.first] += by_cov
        return curvature(self.block, s, m, Products.of(m.pairs[..., self.members, :], w))


def core_of(table: Table, number: int, block: Block, ops: Sequence[str] = ("~",)) -> Core | None:
    """Find the part of a block that has other coordinates, or None.

    A variable belongs to it if all paths to it are free ones of the kinds `ops`, its residual variance is free too, nothing of it is
    tied to another parameter, it is on no circle, and its residual is uncorrelated with all that it depends on.
    """
    written = {i for i in table.block(number) if table.entries[i].op in ops}
    to, source, rows = block.directed
    if not written:
        return None
    reach = np.eye(block.v)
    reach[to, source] = 1.0
    for _ in range(block.v.bit_length()):
        reach = np.minimum(reach @ reach, 1.0)  # chains of twice the length
    arrows = np.zeros((block.v, block.v))
    arrows[to, source] = 1.0
    depends: NDArray[np.bool_] = arrows @ reach > 0  # [k, j]: k depends on j
    once = np.bincount(table.index[table.index >= 0], minlength=table.size) == 1
    single = (table.index >= 0) & once[table.index]
    i, j, at = block.undirected
    partners = np.zeros((block.v, block.v), dtype=bool)
    partners[i, j] = partners[j, i] = i != j
    cell = {int(row): k for k, row in enumerate(block.rows)}
    found: list[tuple[int, Index, int]] = []
    members: set[int] = set()
    for k in range(block.v):
        mine = np.flatnonzero(to == k)
        own = at[(i == k) & (j == k)]
        causes = np.flatnonzero(depends[k])
        if (
            len(mine)
            and len(own) == 1
            and single[own[0]]
            and all(int(r) in written and single[r] for r in rows[mine])
            and not depends[causes, causes].any()
            and not depends[k, k]
            and not (depends[k] & partners[k]).any()
        ):
            found.append((k, mine, int(own[0])))
            members |= {k, *(int(c) for c in causes)}
    if not found:
        return None
    leaf: NDArray[np.bool_] = np.logical_not(depends[sorted(members)].any(axis=0))
    order = np.array(sorted(members, key=lambda n: (leaf[n], depends[n].sum(), n)), dtype=np.intp)
    where = np.full(block.v, -1, dtype=np.intp)
    where[order] = np.arange(len(order))
    found.sort(key=lambda f: where[f[0]])
    parents = {k: where[source[mine]] for k, mine, _ in found}
    inside = np.isin(to, order[~leaf[order]])
    pairs = np.isin(i, order[~leaf[order]]) & np.isin(j, order[~leaf[order]])
    return Core(
        block=block,
        members=order,
        causes=int((~leaf[order]).sum()),
        directed=(where[to[inside]], where[source[inside]], rows[inside]),
        undirected=(where[i[pairs]], where[j[pairs]], at[pairs]),
        layers=_layers(found, parents, where, rows, leaf),
        cells=np.array([cell[int(r)] for _, mine, own in found for r in (*rows[mine], own)], dtype=np.intp),
        first=np.concatenate([np.full(len(parents[k]) + 1, where[k]) for k, _, _ in found]),
        second=np.concatenate([np.append(parents[k], where[k]) for k, _, _ in found]),
    )


def _layers(
    found: list[tuple[int, Index, int]], parents: dict[int, Index], where: Index, rows: Index, leaf: NDArray[np.bool_]
) -> tuple[_Layer, ...]:
    """Put together the variables that can be settled together: one by one, and all that cause nothing at the end."""
    groups: dict[tuple[int, int], list[tuple[int, Index, int]]] = {}
    for k, mine, own in found:
        last = bool(leaf[k])
        groups.setdefault((len(where) if last else int(where[k]), len(mine)), []).append((k, mine, own))
    out, before = [], -1
    for (level, _), group in groups.items():
        out.append(
            _Layer(
                np.array([where[k] for k, _, _ in group]),
                np.stack([parents[k] for k, _, _ in group]),
                np.stack([rows[mine] for _, mine, _ in group]),
                np.array([own for _, _, own in group]),
                level != before,
            )
        )
        before = level
    return tuple(out)


@dataclass(frozen=True, eq=False)
class Chart:
    """Coordinates for the distinct free parameters of a table.

    Parameters
    ----------
    table : Table
    blocks : sequence of Block
    base : ndarray of shape (rows,)
        Fixed values.
    """

    table: Table
    blocks: Sequence[Block]
    base: Array

    @cached_property
    def cores(self) -> list[Core | None]:
        """The part of each block that has other coordinates."""
        return [core_of(self.table, k, b, ("~", "=~")) for k, b in enumerate(self.blocks)]

    def after(self, x: Array, step: Array) -> Array:
        """Where a step (q,) leads; straight on where there are no other coordinates."""
        before, values = expand(self.table, self.base, x), expand(self.table, self.base, x + step)
        for block, core in zip(self.blocks, self.cores, strict=True):
            if core is not None:
                s = state(block, before)
                try:
                    core.settle(values, core.target(s, move(block, s), step[block.columns]))
                except np.linalg.LinAlgError:  # exactly on a wall
                    return x + step
        out = x + step
        rows, places = self.table.free
        out[places] = values[rows]
        return out

    def bend(self, x: Array, gradient: Array) -> Array:
        """What second derivatives (q, q) by the parameters owe to these coordinates, given the gradient there."""
        values = expand(self.table, self.base, x)
        out = np.zeros((len(x), len(x)))
        for block, core in zip(self.blocks, self.cores, strict=True):
            if core is not None:
                s = state(block, values)
                out += gather_square(block, core.bend(s, move(block, s), gradient[block.columns]))
        return out


def longest_path(
    table: Table, blocks: Sequence[Block], values: Array, states: Sequence[State]
) -> tuple[Array, Index]:
    """Find the free regression path that is largest in standard deviations.

    Parameters
    ----------
    table : Table
    blocks : sequence of Block
    values : ndarray of shape (..., rows)
    states : sequence of State
        Of each block, at these values.

    Returns
    -------
    size : ndarray of shape (...)
        0 without such paths.
    entry : ndarray of int of shape (...)
        -1 without such paths.
    """
    size, entry = np.zeros(values.shape[:-1]), np.full(values.shape[:-1], -1, dtype=np.intp)
    for block, s in zip(blocks, states, strict=True):
        free = [table.index[r] >= 0 and table.entries[r].op == "~" for r in block.directed[2]]
        to, source, rows = (a[free] for a in block.directed)
        if len(rows):
            sd = np.sqrt(np.abs(np.diagonal(s.cov, axis1=-2, axis2=-1))) + 1e-300
            each = np.abs(values[..., rows]) * sd[..., source] / sd[..., to]
            most = each.max(axis=-1)
            entry = np.where(most > size, rows[each.argmax(axis=-1)], entry)
            size = np.maximum(size, most)
    return size, entry
