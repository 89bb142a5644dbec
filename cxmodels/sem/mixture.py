"""The likelihood of latent moderated structural equations: a mixture of normal distributions over quadrature nodes.

In v = m + A v + e, cov(e) = S, the constructs C that interact are exogenous. With S_CC = L L', G = S_.C inv(L)' and
standard normal z, e = m + G z + r, cov(r) = R = S - G G'. Given z the constructs in C are the numbers u = m_C + L z; a
product c:w is linear in w, so it adds its path times u to A; and all observed variables are normal with T = inv(I - A(u)),

    mu = T (m + G z),   Sigma = T R T',   f(y) = sum_k w_k N(y; mu(z_k), Sigma(z_k))

over Gauss-Hermite nodes (Klein and Moosbrugger 2000, Psychometrika 65, equations 9-15). It is enough that every product has
one part in C. Scores follow from the posterior of the nodes (Fisher's identity), in which every derivative of Sigma has rank
two but those with respect to moments of C.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .matrices import Block, gather
from .objective import Derivatives, expand
from .table import Table

Array = NDArray[Any]

__all__ = ["Mixture", "Part", "nodes_of", "parts_of"]

_LOG_2PI = float(np.log(2 * np.pi))
_CHUNK = 1000  # rows at a time: memory is nodes x rows x parameters
_LIGHT = 1e-12  # weight below which a node says nothing
_SAME = 1e-6  # relative move of all parameters that leaves second derivatives as they are
_STEP = 1e-5  # of the numerical derivative of the gradient


def nodes_of(count: int, dimensions: int) -> tuple[Array, Array]:
    """Gauss-Hermite nodes (k, c) and logs of their weights (k,) for independent standard normal variables."""
    z, w = np.polynomial.hermite_e.hermegauss(count)
    w = w / np.sqrt(2 * np.pi)
    grid = np.stack([g.ravel() for g in np.meshgrid(*[z] * dimensions, indexing="ij")], axis=1)
    weight = np.prod([g.ravel() for g in np.meshgrid(*[w] * dimensions, indexing="ij")], axis=0)
    keep = weight > _LIGHT
    return grid[keep], np.log(weight[keep])


class Part(NamedTuple):
    """Rows of one group with answers to the same variables: which rows, which variables, answers, weights."""

    rows: NDArray[np.intp]
    seen: NDArray[np.intp]
    x: Array
    weight: Array


def parts_of(x: Array, weights: Array | None) -> tuple[Part, ...]:
    """Sort the rows of a group by what is missing."""
    w = np.ones(len(x)) if weights is None else weights
    patterns, which = np.unique(~np.isnan(x), axis=0, return_inverse=True)
    which = which.ravel()
    out = []
    for k, pattern in enumerate(patterns):
        every, seen = np.flatnonzero(which == k), np.flatnonzero(pattern)
        for rows in np.array_split(every, -(-len(every) // _CHUNK)):
            out.append(Part(rows, seen, x[np.ix_(rows, seen)], w[rows]))
    return tuple(out)


class _Node(NamedTuple):
    """All nodes of a block at some values: u, T, C, mu, V-free pieces, and the fixed matrices behind them."""

    u: Array
    total: Array
    cov: Array
    mean: Array
    root: Array
    reach: Array
    slopes: Array


class _Answers(NamedTuple):
    """What the rows of a part say at the nodes: log densities, residuals V d and V, and the posterior."""

    loglik: Array
    scaled: Array
    inverse: Array
    posterior: Array


class _Sums(NamedTuple):
    """Over all rows: log-likelihood, scores, their cross-products, and their covariance over the nodes."""

    loglik: float
    score: Array
    meat: Array
    spread: Array


class _Moments(NamedTuple):
    """Posterior-weighted moments of rows at the nodes: variables seen, number, sums, sums of products."""

    seen: NDArray[np.intp]
    number: Array
    first: Array
    second: Array


@dataclass(frozen=True, eq=False)
class Layout:
    """One block: its cells, products and integrated constructs.

    Attributes
    ----------
    block : Block
    products : tuple of (int, int, int)
        Place of a product, number of its integrated part among `cover`, place of its other part.
    cover : ndarray of int
        Places of the integrated constructs.
    """

    block: Block
    products: tuple[tuple[int, int, int], ...]
    cover: NDArray[np.intp]

    @cached_property
    def places(self) -> NDArray[np.intp]:
        """Places of the products."""
        return np.array([p for p, _, _ in self.products], dtype=np.intp)

    @cached_property
    def dense(self) -> NDArray[np.intp]:
        """Cells of moments of the integrated constructs."""
        nd, nu, _ = self.block.counts
        to, source = self.block.to, self.block.source
        touch = np.isin(to, self.cover) | (np.isin(source, self.cover) & (np.arange(len(to)) < nd + nu))
        return np.flatnonzero(touch & (np.arange(len(to)) >= nd))

    def at(self, values: Array, z: Array) -> _Node | None:
        """Compute all nodes; None where the integrated constructs have no covariance matrix."""
        b, v = self.block, self.block.v
        effects, spread, level = np.zeros((v, v)), np.zeros((v, v)), np.zeros(v)
        to, source, rows = b.directed
        effects[to, source] = values[rows]
        i, j, rows = b.undirected
        spread[i, j] = spread[j, i] = values[rows]
        i, rows = b.means
        level[i] = values[rows]
        at = self.places
        spread[at], spread[:, at], level[at] = 0.0, 0.0, 0.0
        slopes = effects[:, at].copy()
        effects[:, at] = 0.0
        try:
            root = np.linalg.cholesky(spread[np.ix_(self.cover, self.cover)])
        except np.linalg.LinAlgError:
            return None
        reach = np.linalg.solve(root, spread[self.cover]).T
        rest = spread - reach @ reach.T
        rest[self.cover], rest[:, self.cover] = 0.0, 0.0
        z = z[:, : len(self.cover)]
        u = level[self.cover] + z @ root.T
        inner = np.repeat(np.eye(v)[None] - effects, len(z), axis=0)
        for k, (_, c, w) in enumerate(self.products):
            inner[:, :, w] -= u[:, c, None] * slopes[:, k]
        try:
            total = np.linalg.inv(inner)
        except np.linalg.LinAlgError:
            return None
        cov = total @ rest @ np.swapaxes(total, 1, 2)
        mean = (total @ (level + z @ reach.T)[:, :, None])[:, :, 0]
        return _Node(u, total, cov, mean, root, reach, slopes)

    def answers(self, node: _Node, part: Part, logw: Array) -> _Answers | None:
        """Log-likelihood of rows and posterior of the nodes."""
        seen = part.seen
        sigma = node.cov[:, seen[:, None], seen]
        try:
            root = np.linalg.cholesky(sigma)
        except np.linalg.LinAlgError:
            return None
        d = part.x[None] - node.mean[:, None, seen]
        inverse = np.linalg.inv(sigma)
        scaled = d @ inverse
        logdet = 2 * np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
        logs = logw[:, None] - 0.5 * (len(seen) * _LOG_2PI + logdet[:, None] + (scaled * d).sum(axis=2))
        top = logs.max(axis=0)
        loglik = top + np.log(np.exp(logs - top).sum(axis=0))
        return _Answers(loglik, scaled, inverse, np.exp(logs - loglik))

    def vectors(self, node: _Node) -> tuple[Array, Array, Array]:
        """Left and right vectors (nodes, p, k) of the covariance and derivatives (nodes, p, k) of the mean, by cell."""
        b = self.block
        nd, nu, _ = b.counts
        source, factor = b.source[:nd].copy(), np.ones((len(node.u), nd))
        for p, c, w in self.products:
            own = source == p
            source[own], factor[:, own] = w, node.u[:, c, None]
        left = node.total[:, : b.p, b.to]
        right = np.zeros_like(left)
        right[:, :, :nd] = node.cov[:, : b.p][:, :, source] * factor[:, None]
        right[:, :, nd : nd + nu] = node.total[:, : b.p, b.source[nd : nd + nu]] * b.half
        shift = np.zeros_like(left)
        shift[:, :, :nd] = left[:, :, :nd] * (node.mean[:, source] * factor)[:, None]
        shift[:, :, nd + nu :] = left[:, :, nd + nu :]
        right[:, :, self.dense], shift[:, :, self.dense] = 0.0, 0.0
        return left, right, shift

    def moved(self, node: _Node, z: Array) -> Iterator[tuple[Array, Array]]:
        """Derivatives of covariance (nodes, p, p) and mean (nodes, p) for the dense cells in turn."""
        b, v, cover = self.block, self.block.v, self.cover
        nd, nu, _ = b.counts
        z = z[:, : len(cover)]
        back = np.linalg.inv(node.root)
        for cell in self.dense:
            spread, level, reach = np.zeros((v, v)), np.zeros(v), np.zeros_like(node.reach)
            i, j = b.to[cell], b.source[cell]
            if cell < nd + nu:
                spread[i, j] = spread[j, i] = 1.0
                inner = back @ spread[np.ix_(cover, cover)] @ back.T
                root = node.root @ (np.tril(inner) - 0.5 * np.diag(np.diagonal(inner)))
                reach = (spread[:, cover] - node.reach @ root.T) @ back.T
                du = z @ root.T
                spread -= reach @ node.reach.T + node.reach @ reach.T
                spread[cover], spread[:, cover] = 0.0, 0.0
            else:
                level[i] = 1.0
                du = np.tile((cover == i).astype(float), (len(z), 1))
            effects = np.zeros((len(z), v, v))
            for k, (_, c, w) in enumerate(self.products):
                effects[:, :, w] += du[:, c, None] * node.slopes[:, k]
            outer = node.total[:, : b.p]
            half = outer @ effects @ node.cov[:, :, : b.p]
            cov = half + np.swapaxes(half, 1, 2) + outer @ spread @ np.swapaxes(outer, 1, 2)
            change = (effects @ node.mean[:, :, None])[:, :, 0] + level + z @ reach.T
            yield cov, (outer @ change[:, :, None])[:, :, 0]


class Mixture:
    """-2 (loglik - top) / n of a model with interactions of constructs.

    Parameters
    ----------
    table : Table
    layouts : sequence of Layout
        One for each group.
    parts : sequence of tuple of Part
        Rows of each group.
    base : ndarray of shape (rows,)
        Fixed values.
    top : float
        Log-likelihood that is the zero of the discrepancy.
    count : int
        Nodes in each dimension.
    """

    def __init__(
        self, table: Table, layouts: Sequence[Layout], parts: Sequence[tuple[Part, ...]], base: Array, top: float,
        count: int,
    ) -> None:  # fmt: skip
        self.table, self.layouts, self.parts, self.base, self.top, self.count = (
            table,
            layouts,
            parts,
            base,
            top,
            count,
        )
        self.z, self.logw = nodes_of(count, max(len(x.cover) for x in layouts))
        self.n = sum(float(p.weight.sum()) for group in parts for p in group)
        self._last: tuple[Array, Array] | None = None
        self._known: tuple[Array, _Sums] | None = None

    def loglik(self, x: Array) -> float:
        """Return the log-likelihood, minus infinity where the model has no moments."""
        values, total = expand(self.table, self.base, x), 0.0
        for layout, parts in zip(self.layouts, self.parts, strict=True):
            node = layout.at(values, self.z)
            for part in parts:
                found = None if node is None else layout.answers(node, part, self.logw)
                if found is None:
                    return -np.inf
                total += float(part.weight @ found.loglik)
        return total

    def value(self, x: Array) -> float:
        """Return the discrepancy, infinite where the model has no moments."""
        return 2 * (self.top - self.loglik(x)) / self.n

    def derivatives(self, x: Array) -> Derivatives | None:
        """Return value, gradient and the cross-products of the scores."""
        found = self._sums(x)
        if found is None:
            return None
        return Derivatives(2 * (self.top - found.loglik) / self.n, -2 * found.score / self.n, 2 * found.meat / self.n)

    def _sums(self, x: Array) -> _Sums | None:
        """Log-likelihood, scores and what their second moments are, from the last time if x is the same."""
        if self._known is not None and np.array_equal(x, self._known[0]):
            return self._known[1]
        values, q = expand(self.table, self.base, x), len(x)
        total, score, meat, spread = 0.0, np.zeros(q), np.zeros((q, q)), np.zeros((q, q))
        for layout, parts in zip(self.layouts, self.parts, strict=True):
            for part, loglik, scores, inner in self._scores(layout, parts, values):
                if loglik is None or inner is None or not np.isfinite(loglik).all():
                    return None
                outer = (scores * part.weight[:, None]).T @ scores
                total += float(part.weight @ loglik)
                score += part.weight @ scores
                meat += outer
                spread += inner.T @ inner - outer
        self._known = x.copy(), _Sums(total, score, meat, spread)
        return self._known[1]

    def hessian(self, x: Array) -> Array:
        """Return the second derivatives; again where x has hardly moved.

        Those of the expected complete-data likelihood, by central differences of its exact gradient in which the rows
        count through their posterior moments only, and the variance of the scores over the nodes (Louis 1982).
        """
        if self._last is not None and (np.abs(x - self._last[0]) <= _SAME * np.maximum(np.abs(x), 0.1)).all():
            return self._last[1]
        q, sums = len(x), self._sums(x)
        if sums is None:
            return np.full((q, q), np.nan)
        values = expand(self.table, self.base, x)
        found = [self._posterior_moments(a, b, values) for a, b in zip(self.layouts, self.parts, strict=True)]
        out = np.empty((q, q))
        for k in range(q):
            step = _STEP * max(abs(x[k]), 0.1) * np.eye(q)[k]
            out[k] = (self._complete(x + step, found) - self._complete(x - step, found)) / (2 * step[k])
        self._last = x.copy(), -2 * ((out + out.T) / 2 + sums.spread) / self.n
        return self._last[1]

    def case_scores(self, x: Array) -> list[Array]:
        """Gradient of the log-likelihood of every row by group, (rows, q), not multiplied by weights."""
        values, out = expand(self.table, self.base, x), []
        for layout, parts in zip(self.layouts, self.parts, strict=True):
            rows = np.zeros((sum(len(p.rows) for p in parts), len(x)))
            for part, _, scores, _ in self._scores(layout, parts, values):
                rows[part.rows] = scores
            out.append(rows)
        return out

    def _scores(
        self, layout: Layout, parts: tuple[Part, ...], values: Array
    ) -> Iterator[tuple[Part, Array | None, Array, Array | None]]:
        """Log-likelihood and scores of the rows of a group, pattern by pattern, and their weighted scores at the nodes."""
        node = layout.at(values, self.z)
        if node is None:
            yield parts[0], None, np.empty(0), None
            return
        left, right, shift = layout.vectors(node)
        dense = list(layout.moved(node, self.z))
        for part in parts:
            found = layout.answers(node, part, self.logw)
            if found is None:
                yield part, None, np.empty(0), None
                return
            e, r, seen = found.scaled, found.posterior, part.seen
            a, b, m = left[:, seen], right[:, seen], shift[:, seen]
            each = (e @ a) * (e @ b) + e @ m - (a * (found.inverse @ b)).sum(axis=1)[:, None]
            for cell, (cov, mean) in zip(layout.dense, dense, strict=True):
                s = cov[:, seen[:, None], seen]
                trace = (found.inverse * s).sum(axis=(1, 2))
                each[:, :, cell] = (
                    0.5 * (((e @ s) * e).sum(axis=2) - trace[:, None]) + (e @ mean[:, seen, None])[:, :, 0]
                )
            each = gather(layout.block, each)
            scores = np.einsum("kn,knq->nq", r, each)
            weighted = each * np.sqrt(r * part.weight)[:, :, None]
            yield part, found.loglik, scores, weighted.reshape(-1, each.shape[2])

    def _posterior_moments(self, layout: Layout, parts: tuple[Part, ...], values: Array) -> list[_Moments] | None:
        """What the rows of a group count for at each node, pattern by pattern."""
        node = layout.at(values, self.z)
        if node is None:
            return None
        out = []
        for part in parts:
            found = layout.answers(node, part, self.logw)
            if found is None:
                return None
            r = found.posterior * part.weight
            square = np.swapaxes(part.x[None] * r[:, :, None], 1, 2) @ part.x
            out.append(_Moments(part.seen, r.sum(axis=1), r @ part.x, square))
        return out

    def _complete(self, x: Array, rows: list[list[_Moments] | None]) -> Array:
        """Gradient of the log-likelihood of rows that are known to belong to the nodes."""
        values, out = expand(self.table, self.base, x), np.zeros(len(x))
        for layout, group in zip(self.layouts, rows, strict=True):
            node = layout.at(values, self.z)
            if node is None or group is None:
                return np.full(len(x), np.nan)
            p = layout.block.p
            bend, tilt = np.zeros((len(self.z), p, p)), np.zeros((len(self.z), p))
            for seen, count, first, second in group:
                v = np.linalg.inv(node.cov[:, seen[:, None], seen])
                mean = node.mean[:, seen]
                cross = first[:, :, None] * mean[:, None]
                about = second - cross - np.swapaxes(cross, 1, 2)
                about += count[:, None, None] * mean[:, :, None] * mean[:, None]
                bend[:, seen[:, None], seen] += v @ about @ v - count[:, None, None] * v
                tilt[:, seen] += (v @ (first - count[:, None] * mean)[:, :, None])[:, :, 0]
            left, right, shift = layout.vectors(node)
            cells = (left * (bend @ right)).sum(axis=(0, 1)) + (tilt[:, :, None] * shift).sum(axis=(0, 1))
            for cell, (cov, level) in zip(layout.dense, layout.moved(node, self.z), strict=True):
                cells[cell] = 0.5 * float((bend * cov).sum()) + float((tilt * level).sum())
            out += gather(layout.block, cells)
        return out

    def posterior(self, x: Array, group: int) -> tuple[Array, Array]:
        """Means and variances (rows, v) of all variables of a group given the answers of each row."""
        layout, parts = self.layouts[group], self.parts[group]
        node = layout.at(expand(self.table, self.base, x), self.z)
        assert node is not None
        v = layout.block.v
        total = sum(len(p.rows) for p in parts)
        mean, var = np.zeros((total, v)), np.zeros((total, v))
        for part in parts:
            found = layout.answers(node, part, self.logw)
            assert found is not None
            across = node.cov[:, :, part.seen]
            inner = node.mean[:, None] + found.scaled @ np.swapaxes(across, 1, 2)
            spread = np.diagonal(node.cov, axis1=1, axis2=2) - ((across @ found.inverse) * across).sum(axis=2)
            inner[:, :, layout.cover] = node.u[:, None]
            for p, c, w in layout.products:
                inner[:, :, p] = node.u[:, c, None] * inner[:, :, w]
                spread[:, p] = node.u[:, c] ** 2 * spread[:, w]
            r = found.posterior
            mean[part.rows] = np.einsum("kn,knv->nv", r, inner)
            second = np.einsum("kn,knv->nv", r, inner**2) + r.T @ spread
            var[part.rows] = np.maximum(second - mean[part.rows] ** 2, 0.0)
        return mean, var
