"""Boosted trees as sums of small tables, for fast scores and exact Shapley values.

A leaf of a tree is a product of conditions on the few columns along its path, so a boosted model is a sum of tables over
these columns' codes. Leaves over the same columns are added up in one table, whose axes are the classes of codes that
these leaves tell apart. Scoring is a look-up per table; nothing is approximated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

from .boosted import Forest
from .encoding import Codes

Array = NDArray[np.float64]
Leaf = tuple[dict[int, NDArray[np.bool_]], float]

MOST_CELLS = 1 << 14  # a table of 128 KiB stays in the processor's cache
CHUNK = 1 << 13


@dataclass(frozen=True, eq=False)
class Block:
    """One table.

    Parameters
    ----------
    columns : tuple of int
        Columns of its axes.
    classes : list of ndarray of int
        Per axis: class of each code of the column.
    values : ndarray
        Log-odds added, an axis per column.
    """

    columns: tuple[int, ...]
    classes: list[NDArray[np.intp]]
    values: Array

    def strides(self) -> list[NDArray[np.intp]]:
        """Per axis: what each code adds to the place in the flat table."""
        steps = np.cumprod([1, *self.values.shape[:0:-1]])[::-1]
        return [c * int(step) for c, step in zip(self.classes, steps, strict=True)]

    def place(self, codes: Sequence[Codes]) -> NDArray[np.intp]:
        """Place of each row in the flat table."""
        out = np.zeros(len(codes[0]), dtype=np.intp)
        for column, step in zip(self.columns, self.strides(), strict=True):
            out += step[codes[column]]
        return out

    def shapley(self, weight: Array) -> list[Array]:
        r"""Shapley values of each column, for every cell, against rows distributed as `weight`.

        .. math:: \phi_i(x) = \sum_{S \not\ni i} \frac{|S|!\,(k-|S|-1)!}{k!}\,[v_{S \cup i}(x) - v_S(x)], \quad
                  v_S(x) = E_b\, f(x_S, b_{\bar S})

        the expectation over the rows b of the background (interventional; Lundberg et al. 2020, Nature Machine Intelligence 2,
        56-67). Exact, because the table is the function.

        Parameters
        ----------
        weight : ndarray
            Share of the background rows in each cell; the shape of the values.

        Returns
        -------
        list of ndarray
            Per column, an array that broadcasts to the shape of the values.
        """
        k = len(self.columns)
        value = {s: self._given(s, weight) for r in range(k + 1) for s in combinations(range(k), r)}
        out = []
        for i in range(k):
            others = [j for j in range(k) if j != i]
            phi = np.zeros(self.values.shape)
            for r in range(k):
                share = factorial(r) * factorial(k - r - 1) / factorial(k)
                for s in combinations(others, r):
                    phi += share * (value[tuple(sorted((*s, i)))] - value[s])
            out.append(phi)
        return out

    def _given(self, known: tuple[int, ...], weight: Array) -> Array:
        """Mean of the table over the background's joint distribution of the axes not known."""
        free = tuple(j for j in range(len(self.columns)) if j not in known)
        if not free:
            return self.values
        return (self.values * weight.sum(axis=known, keepdims=True)).sum(axis=free, keepdims=True)


@dataclass(frozen=True, eq=False)
class Tables:
    """A boosted model compiled: log-odds are `base` plus one cell of each block."""

    base: float
    blocks: list[Block]

    def logits(self, codes: Sequence[Codes]) -> Array:
        """Log-odds of rows by their codes, the same for a row whatever stands beside it."""
        n = len(codes[0])
        out = np.full(n, self.base)
        plans = [(b.columns, b.strides(), b.values.ravel()) for b in self.blocks]
        for start in range(0, n, CHUNK):
            part = [c[start : start + CHUNK].astype(np.intp) for c in codes]
            total = out[start : start + CHUNK]
            place, step = np.empty(len(total), dtype=np.intp), np.empty(len(total), dtype=np.intp)
            add = np.empty(len(total))
            for columns, strides, values in plans:
                np.take(strides[0], part[columns[0]], out=place, mode="clip")
                for column, stride in zip(columns[1:], strides[1:], strict=True):
                    np.take(stride, part[column], out=step, mode="clip")
                    place += step
                np.take(values, place, out=add, mode="clip")
                total += add
        return out

    def background(self, codes: Sequence[Codes], w: Array) -> list[Array]:
        """Share of rows in each cell of each block."""
        total = w.sum()
        return [np.bincount(b.place(codes), w, b.values.size).reshape(b.values.shape) / total for b in self.blocks]


def compile_forest(forest: Forest, sizes: Sequence[int]) -> Tables:
    """Add the leaves of all trees up in tables.

    Parameters
    ----------
    forest : Forest
        Trees on codes.
    sizes : sequence of int
        Number of codes of each column.

    Returns
    -------
    Tables
    """
    groups: dict[tuple[int, ...], list[Leaf]] = {}
    base = forest.base
    for tree in forest.trees:
        for path, value in tree.leaves():
            if path:
                groups.setdefault(tuple(sorted(path)), []).append((path, value))
            else:
                base += value
    blocks: list[Block] = []
    for columns in sorted(groups, key=lambda g: (-len(g), g)):
        if columns not in groups:
            continue
        leaves = groups.pop(columns)
        for inner in [g for g in groups if set(g) < set(columns)]:
            if _cells(columns, leaves + groups[inner], sizes) <= MOST_CELLS:
                leaves = leaves + groups.pop(inner)
        blocks += _blocks(columns, leaves, sizes)
    return Tables(base, blocks)


def _blocks(columns: tuple[int, ...], leaves: list[Leaf], sizes: Sequence[int]) -> list[Block]:
    """One block, or several where one would have too many cells."""
    if len(leaves) > 1 and _cells(columns, leaves, sizes) > MOST_CELLS:
        half = len(leaves) // 2
        return _blocks(columns, leaves[:half], sizes) + _blocks(columns, leaves[half:], sizes)
    classes, masks = [], []
    for column in columns:
        stacked = _stacked(column, leaves, sizes[column])
        distinct, of_code = np.unique(stacked, axis=1, return_inverse=True)
        classes.append(of_code.reshape(-1).astype(np.intp))
        masks.append(distinct)
    values = np.zeros([m.shape[1] for m in masks])
    for i, (_, value) in enumerate(leaves):
        values[np.ix_(*(np.flatnonzero(m[i]) for m in masks))] += value
    return [Block(columns, classes, values)]


def _cells(columns: tuple[int, ...], leaves: list[Leaf], sizes: Sequence[int]) -> int:
    """Cells that a table of these leaves would have."""
    return prod(len({c.tobytes() for c in _stacked(j, leaves, sizes[j]).T}) for j in columns)


def _stacked(column: int, leaves: list[Leaf], size: int) -> NDArray[np.bool_]:
    """Mask of a column in each leaf (leaves, codes); leaves that do not ask it take all codes."""
    whole = np.ones(size, dtype=bool)
    return np.array([path.get(column, whole) for path, _ in leaves])
