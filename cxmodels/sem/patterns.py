"""The rows of a table with missing values, grouped by which variables they observe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, listed

Array = NDArray[np.float64]
Index = NDArray[np.intp]


class Rows(NamedTuple):
    """Rows sorted by pattern.

    Attributes
    ----------
    values : ndarray of shape (r, p)
        0 where missing.
    location : ndarray of shape (r, p)
        What to subtract of the mean: 1 for an observed value, 0 for a missing one and in rows of spread.
    mass : ndarray of shape (r,)
        Weights.
    start : ndarray of shape (m + 1,)
        The rows of pattern j are ``start[j]`` to ``start[j + 1]``.
    """

    values: Array
    location: Array
    mass: Array
    start: Index

    @property
    def raw(self) -> NDArray[np.bool_]:
        """Which rows are not rows of spread, (r,)."""
        return np.asarray(self.location.any(axis=1))


class Block(NamedTuple):
    """Neighbouring patterns with the same number k of missing variables, and which these are, (patterns, k)."""

    patterns: slice
    missing: Index


@dataclass(frozen=True, eq=False)
class Patterns:
    """The rows of a table grouped by which variables they observe; make one by :meth:`of`.

    Attributes
    ----------
    names : tuple of str
        The variables, for messages.
    table : ndarray of shape (rows, p)
        The data.
    weights : ndarray of shape (rows,)
        Weights of the rows, as given.
    observed : ndarray of shape (m, p)
        One pattern per line, fewest missing values first.
    n : ndarray of shape (m,)
        Sum of the weights of its rows.
    means : ndarray of shape (m, p)
        Its means; NaN where missing.
    pattern : ndarray of shape (rows,)
        The pattern of each row of the table, -1 for rows with nothing observed.
    order : ndarray of int
        Numbers of the rows with something observed, sorted by pattern.
    stored : Rows
        Rows with the same likelihood as the table: a pattern with many rows needs one for its mean and as many
        as it has variables for its spread, so that large samples with few patterns cost nothing.
    blocks : tuple of Block
    """

    names: tuple[str, ...]
    table: Array
    weights: Array
    observed: NDArray[np.bool_]
    n: Array
    means: Array
    pattern: Index
    order: Index
    stored: Rows
    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, x: ArrayLike, weights: ArrayLike | None = None, names: Sequence[str] | None = None) -> Patterns:
        """Group the rows of a table.

        Parameters
        ----------
        x : array-like of shape (rows, p)
            The data; NaN is missing.
        weights : array-like of shape (rows,), optional
            Weights of the rows, on the scale on which they are to count. Default: 1 each.
        names : sequence of str, optional
            Names of the columns, for messages. Default: their numbers from 1.

        Returns
        -------
        Patterns

        Raises
        ------
        DataError
            If a column has an infinite value, no observed value, or no variance.

        Examples
        --------
        >>> nan = float("nan")
        >>> p = Patterns.of([[1, 2], [2, nan], [3, 5], [4, nan], [nan, nan]])
        >>> p.observed.tolist(), p.n.tolist(), p.empty.tolist()
        ([[True, True], [True, False]], [2.0, 2.0], [4])
        """
        table = np.asarray(x, dtype=float)
        w = np.ones(len(table)) if weights is None else np.asarray(weights, dtype=float)
        names = tuple(names) if names is not None else tuple(str(i + 1) for i in range(table.shape[1]))
        _check_columns(table, w, names)
        observed, pattern = _group(~np.isnan(table))
        order = np.argsort(pattern, kind="stable")[(pattern < 0).sum() :]
        start = np.searchsorted(pattern[order], np.arange(len(observed) + 1))
        means = np.full(observed.shape, np.nan)
        pieces = []
        for j, here in enumerate(observed):
            rows = order[start[j] : start[j + 1]]
            means[j, here], piece = _compress(table[np.ix_(rows, here)], w[rows])
            pieces.append(piece)
        count = [len(mass) for _, mass, _ in pieces]
        at = np.repeat(np.arange(len(observed)), count)
        raw = np.concatenate([raw for _, _, raw in pieces])
        values = np.zeros((len(at), table.shape[1]))
        values[observed[at]] = np.concatenate([v.ravel() for v, _, _ in pieces])
        mass = np.concatenate([mass for _, mass, _ in pieces])
        stored = Rows(values, (observed[at] & raw[:, None]).astype(float), mass, np.append(0, np.cumsum(count)))
        n = np.bincount(pattern[order], w[order], len(observed)).astype(float)
        return cls(names, table, w, observed, n, means, pattern, order, stored, _blocks(observed))

    @property
    def p(self) -> int:
        """Number of variables."""
        return self.observed.shape[1]

    @property
    def total(self) -> float:
        """Sum of the weights of all rows with something observed: the sample size."""
        return float(self.n.sum())

    @property
    def empty(self) -> Index:
        """Numbers of the rows with nothing observed; they are left out everywhere."""
        return np.flatnonzero(self.pattern < 0)

    @property
    def coverage(self) -> Array:
        """Share of the weight that has both variables, (p, p); on the diagonal, that has the variable."""
        seen = self.observed.astype(float)
        return (seen * self.n[:, None]).T @ seen / self.total

    def raw(self) -> Rows:
        """Return the rows of the table themselves, in the order of :attr:`order`."""
        seen = self.observed[self.pattern[self.order]]
        values = np.where(seen, self.table[self.order], 0.0)
        start = np.searchsorted(self.pattern[self.order], np.arange(len(self.n) + 1))
        return Rows(values, seen.astype(float), self.weights[self.order], start)


def _check_columns(x: Array, w: Array, names: Sequence[str]) -> None:
    """Refuse columns that have no likelihood."""
    used = x[w > 0]
    if bad := [f"'{n}' ({c})" for n, c in zip(names, np.isinf(used).sum(axis=0), strict=True) if c]:
        raise DataError(f"Infinite values in {', '.join(bad)}; replace them or make them missing.")
    seen = ~np.isnan(used)
    if empty := [n for n, count in zip(names, seen.sum(axis=0), strict=True) if not count]:
        raise DataError(f"No value is observed in {listed(empty)} among the {len(used)} rows; leave them out.")
    top, bottom = np.where(seen, used, -np.inf).max(axis=0), np.where(seen, used, np.inf).min(axis=0)
    if same := [n for n, low, high in zip(names, bottom, top, strict=True) if low == high]:
        raise DataError(f"All observed values are equal in {listed(same)}; leave them out.")


def _group(seen: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], Index]:
    """Distinct patterns, fewest missing first, and the pattern of each row (-1: nothing observed)."""
    packed = np.packbits(seen, axis=1)
    _, first, inverse = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    observed = seen[first]
    place = np.argsort(-observed.sum(axis=1), kind="stable")
    rank = np.empty(len(place), dtype=np.intp)
    rank[place] = np.arange(len(place))
    pattern = rank[inverse.reshape(-1)]
    observed = observed[place]
    if not observed[-1].any():
        observed, pattern = observed[:-1], np.where(pattern == len(observed) - 1, -1, pattern)
    return observed, pattern


def _blocks(observed: NDArray[np.bool_]) -> tuple[Block, ...]:
    """Split sorted patterns by their number of missing variables."""
    count = (~observed).sum(axis=1)
    edges = np.flatnonzero(np.diff(count, prepend=-1, append=-1))
    out = []
    for begin, end in pairwise(edges):
        missing = np.nonzero(~observed[begin:end])[1].reshape(end - begin, -1)
        out.append(Block(slice(int(begin), int(end)), missing))
    return tuple(out)


def _compress(x: Array, w: Array) -> tuple[Array, tuple[Array, Array, NDArray[np.bool_]]]:
    """Mean of complete rows, and few rows that stand for all: values, weights, whether the mean is to be subtracted."""
    total = w.sum()
    if total == 0:
        return x[0], (x[:1], np.zeros(1), np.ones(1, dtype=bool))
    mean = w @ x / total
    rows, k = x.shape
    if rows <= k + 1:
        return mean, (x, w, np.ones(rows, dtype=bool))
    spread = np.linalg.qr(np.sqrt(w)[:, None] * (x - mean), mode="r")
    return mean, (np.vstack([mean, spread]), np.append(total, np.ones(k)), np.arange(k + 1) == 0)
