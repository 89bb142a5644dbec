"""The likelihood of two-level models: respondents within clusters, a model for each level.

With cluster means m and deviations from them, a cluster of n rows has the likelihood of n - 1 deviations with
covariance W and of (m, z) with covariance B + W / n, z being what is measured on clusters only. Clusters of one size
share their covariance, so a likelihood costs one matrix per size (Muthén 1994, Sociological Methods & Research 22).
Weights make it a pseudo-likelihood: those of clusters multiply their terms, those of rows enter means and scatter
(Asparouhov 2006, Communications in Statistics: Theory and Methods 35).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .clusters import Clusters
from .estimate import Estimate
from .matrices import Block, Moved, Products, State, curvature, move, state
from .objective import Derivatives, expand
from .table import Table

Array = NDArray[Any]

__all__ = ["LOG_2PI", "TwoLevel", "TwoLevelEstimate"]

LOG_2PI = float(np.log(2 * np.pi))


class _Part(NamedTuple):
    """Deviations, or cluster means of one size: -2 loglik, how many, V, the weights of the gradient, and V d."""

    value: float
    many: float
    v: Array
    w: Array
    e: Array


class _Vectors(NamedTuple):
    """Left and right vectors of the covariances and derivatives of the means, both levels side by side."""

    left: Array
    right: Array
    level: Array


@dataclass(frozen=True, eq=False)
class _Group:
    """Both levels of one group."""

    clusters: Clusters
    inner: Block
    outer: Block

    @cached_property
    def select(self) -> Array:
        """From the cells of both levels to the distinct free parameters."""
        return np.vstack([self.inner.select, self.outer.select])

    def states(self, values: Array) -> tuple[State, State]:
        """Moments of both levels."""
        return state(self.inner, values), state(self.outer, values)

    def _moments(self, states: Sequence[State], n: float) -> tuple[Array, Array]:
        """Mean and covariance of all variables averaged over n rows of a cluster."""
        c = self.clusters
        pw, pb, total = self.inner.p, self.outer.p, c.means.shape[1]
        mean, cov = np.zeros(total), np.zeros((total, total))
        mean[c.inner] += states[0].mean[:pw]
        mean[c.outer] += states[1].mean[:pb]
        cov[np.ix_(c.inner, c.inner)] += states[0].cov[:pw, :pw] / n
        cov[np.ix_(c.outer, c.outer)] += states[1].cov[:pb, :pb]
        return mean, cov

    def parts(self, states: Sequence[State]) -> Iterator[_Part | None]:
        """The deviations, then the means of each size; None where a level has no moments."""
        c, pw = self.clusters, self.inner.p
        nothing = np.zeros(pw)
        yield _normal(nothing, c.within, nothing, states[0].cov[:pw, :pw], c.free, 0.0)
        for size in c.sizes:
            mean, cov = self._moments(states, size.n)
            yield _normal(size.mean, size.cov, mean, cov, size.m, pw * np.log(size.n))

    def vectors(self, moved: Sequence[Moved]) -> Iterator[_Vectors]:
        """In the order of :meth:`parts`."""
        yield self._vectors(moved, None)
        for size in self.clusters.sizes:
            yield self._vectors(moved, size.n)

    def _vectors(self, moved: Sequence[Moved], n: float | None) -> _Vectors:
        c = self.clusters
        inner, outer, (first, second) = self.inner, self.outer, moved
        cut = len(inner.rows)
        k = cut + len(outer.rows)
        if n is None:
            left, right = np.zeros((inner.p, k)), np.zeros((inner.p, k))
            left[:, :cut], right[:, :cut] = first.left[: inner.p], first.right[: inner.p]
            return _Vectors(left, right, np.zeros((inner.p, k)))
        left, right, level = (np.zeros((c.means.shape[1], k)) for _ in range(3))
        root = np.sqrt(n)
        left[c.inner, :cut], right[c.inner, :cut] = first.left[: inner.p] / root, first.right[: inner.p] / root
        left[c.outer, cut:], right[c.outer, cut:] = second.left[: outer.p], second.right[: outer.p]
        level[c.inner, :cut] = first.left[: inner.p] * first.shift
        level[c.outer, cut:] = second.left[: outer.p] * second.shift
        return _Vectors(left, right, level)

    def derivatives(self, values: Array) -> tuple[float, Array, Array] | None:
        """-2 loglik, its gradient and expected second derivatives by the distinct free parameters."""
        states = self.states(values)
        moved = [move(b, s) for b, s in zip((self.inner, self.outer), states, strict=True)]
        k = len(self.select)
        value, gradient, scoring = 0.0, np.zeros(k), np.zeros((k, k))
        for part, (left, right, level) in zip(self.parts(states), self.vectors(moved), strict=True):
            if part is None:
                return None
            vl = part.v @ left
            cross = vl.T @ right
            value += part.value
            gradient += part.many * (2 * (left * (part.w @ right)).sum(axis=0) - 2 * part.e @ level)
            bend = (left.T @ vl) * (right.T @ part.v @ right) + cross * cross.T + level.T @ part.v @ level
            scoring += 2 * part.many * bend
        return value, gradient @ self.select, self.select.T @ scoring @ self.select

    def hessian(self, values: Array) -> Array | None:
        """Second derivatives of -2 loglik by the distinct free parameters."""
        states = self.states(values)
        moved = [move(b, s) for b, s in zip((self.inner, self.outer), states, strict=True)]
        c, k = self.clusters, len(self.select)
        out = np.zeros((k, k))
        bend = [np.zeros((b.p, b.p)) for b in (self.inner, self.outer)]
        tilt = [np.zeros(b.p) for b in (self.inner, self.outer)]
        for part, vectors, size in zip(self.parts(states), self.vectors(moved), (None, *c.sizes), strict=True):
            if part is None:
                return None
            out += part.many * _quadratic(*vectors, part.v, part.w, part.e)
            if size is None:
                bend[0] += part.many * part.w
                continue
            bend[0] += part.many / size.n * part.w[np.ix_(c.inner, c.inner)]
            bend[1] += part.many * part.w[np.ix_(c.outer, c.outer)]
            tilt[0] -= 2 * part.many * part.e[c.inner]
            tilt[1] -= 2 * part.many * part.e[c.outer]
        cut = len(self.inner.rows)
        for part, b, s, m, w, u in zip(
            (slice(cut), slice(cut, None)), (self.inner, self.outer), states, moved, bend, tilt, strict=True
        ):
            out[part, part] += curvature(b, s, m, Products.of(m.pairs[: b.p], w), u)
        return self.select.T @ out @ self.select

    def scores(self, values: Array) -> Array:
        """Gradient of the log-likelihood of every cluster, weights included, (clusters, q)."""
        states = self.states(values)
        moved = [move(b, s) for b, s in zip((self.inner, self.outer), states, strict=True)]
        c = self.clusters
        out = np.zeros((c.count, len(self.select)))
        for part, (left, right, level), size in zip(
            self.parts(states), self.vectors(moved), (None, *c.sizes), strict=True
        ):
            assert part is not None  # the estimates have moments
            vl, vr = part.v @ left, part.v @ right
            constant = (left * vr).sum(axis=0)
            if size is None:
                out += np.einsum("pk,jpq,qk->jk", vl, c.scatter, vr, optimize=True) - (c.n - 1.0)[:, None] * constant
                continue
            mine = c.n == size.n
            mean, _ = self._moments(states, size.n)
            d = c.means[mine] - mean
            out[mine] += (d @ vl) * (d @ vr) - constant + d @ part.v @ level
        return (out * c.weight[:, None]) @ self.select


def _normal(m: Array, s: Array, mean: Array, cov: Array, count: float, extra: float) -> _Part | None:
    """-2 loglik of `count` vectors with moments (m, s), and what its derivatives need."""
    sign, logdet = np.linalg.slogdet(cov)
    if sign <= 0 or np.linalg.eigvalsh(cov)[0] <= 0:
        return None
    v = np.linalg.inv(cov)
    d = m - mean
    e = v @ d
    vs = v @ s
    value = count * (len(m) * LOG_2PI + logdet + float(np.trace(vs)) + float(d @ e) + extra)
    return _Part(value, count, v, v - vs @ v - np.outer(e, e), e)


def _quadratic(left: Array, right: Array, level: Array, v: Array, w: Array, e: Array) -> Array:
    """Second derivatives of a normal -2 loglik apart from the curvature of its moments."""
    vl, vr = v @ left, v @ right
    ll, rr, lr = left.T @ vl, right.T @ vr, left.T @ vr
    z = v - w
    zl, zr = z @ left, z @ right
    ll2, rr2, lr2 = left.T @ zl, right.T @ zr, left.T @ zr
    out = 2 * (lr.T * lr2 + rr * ll2 + ll * rr2 + lr * lr2.T) - 2 * (ll * rr + lr * lr.T)
    mixed = (e @ left) * (level.T @ vr) + (e @ right) * (level.T @ vl)
    return out + 2 * level.T @ v @ level + 2 * (mixed + mixed.T)


class TwoLevel:
    """-2 (loglik - top) / rows of a two-level model.

    Parameters
    ----------
    table : Table
    blocks : sequence of Block
        Both levels of every group.
    clusters : sequence of Clusters
        One for each group.
    base : ndarray of shape (entries,)
        Fixed values.
    top : float
        Log-likelihood at which the discrepancy is zero.
    """

    def __init__(
        self, table: Table, blocks: Sequence[Block], clusters: Sequence[Clusters], base: Array, top: float
    ) -> None:
        self.table, self.clusters, self.base, self.top = table, tuple(clusters), base, top
        self.groups = tuple(_Group(c, blocks[2 * g], blocks[2 * g + 1]) for g, c in enumerate(clusters))
        self.rows = sum(c.rows for c in clusters)

    def value(self, x: Array) -> float:
        """Return the discrepancy, infinite where the model has no moments."""
        values = expand(self.table, self.base, x)
        total = 2 * self.top
        for group in self.groups:
            for part in group.parts(group.states(values)):
                if part is None:
                    return np.inf
                total += part.value
        return total / self.rows

    def derivatives(self, x: Array) -> Derivatives | None:
        """Return value, gradient and expected information."""
        values = expand(self.table, self.base, x)
        value, gradient, scoring = 2 * self.top, np.zeros(len(x)), np.zeros((len(x), len(x)))
        for group in self.groups:
            found = group.derivatives(values)
            if found is None:
                return None
            value += found[0]
            gradient += found[1]
            scoring += found[2]
        return Derivatives(value / self.rows, gradient / self.rows, scoring / self.rows)

    def hessian(self, x: Array) -> Array:
        """Return the exact second derivatives."""
        values = expand(self.table, self.base, x)
        out = np.zeros((len(x), len(x)))
        for group in self.groups:
            found = group.hessian(values)
            if found is None:
                return np.full_like(out, np.nan)
            out += found
        return out / self.rows

    def scores(self, x: Array) -> list[Array]:
        """Return the gradient of the log-likelihood of every cluster by group, (clusters, q), weights included."""
        values = expand(self.table, self.base, x)
        return [group.scores(values) for group in self.groups]


@dataclass(frozen=True, eq=False)
class TwoLevelEstimate(Estimate):
    """A fitted two-level table.

    Attributes
    ----------
    full : Estimate or None
        The unrestricted model.
    exogenous : float
        Log-likelihood of the fixed predictors.
    """

    full: TwoLevelEstimate | None = None
    exogenous: float = 0.0

    @property
    def top(self) -> float:
        """Log-likelihood of the unrestricted model."""
        return self.objective.top  # type: ignore[attr-defined]

    @cached_property
    def multiplier(self) -> float:
        """Rows."""
        return float(self.objective.rows)  # type: ignore[attr-defined]

    @property
    def fmin(self) -> float:
        """What lavaan 0.6 minimises: -loglik a row, fixed predictors included, without the constant of the normal density.

        Of several groups it takes the mean weighted by their rows, each already over the rows of all.
        """
        total = 0.0
        for group, clusters in zip(self.objective.groups, self.objective.clusters, strict=True):  # type: ignore[attr-defined]
            parts = group.parts(group.states(self.values))
            value = sum(p.value - p.many * len(p.e) * LOG_2PI for p in parts)
            total += clusters.rows / self.multiplier * value
        return total / self.multiplier / 2

    @cached_property
    def moments(self) -> int:
        """Covariances of both levels and means of every group, less those of fixed predictors."""
        total = -sum(x.exo for x in self.table.entries)
        for inner, outer in zip(self.table.roles[::2], self.table.roles[1::2], strict=True):
            total += len(set(inner.observed) | set(outer.observed))
            total += sum(len(r.observed) * (len(r.observed) + 1) // 2 for r in (inner, outer))
        return total

    def meat(self) -> Array:
        """First-order information of the clusters: cross-products of their scores over the rows.

        Clusters are drawn independently; of strata the mean is taken off, with n_h / (n_h - 1) for n_h clusters.
        """
        parts = []
        for scores, sample in zip(self.objective.scores(self.x), self.data.samples[::2], strict=True):  # type: ignore[attr-defined]
            parts.append(scores if sample.units is None else sample.units.totals(scores))
        if self.data.shared:
            parts = [np.sum(parts, axis=0)]
        return np.sum([p.T @ p for p in parts], axis=0) / self.multiplier
