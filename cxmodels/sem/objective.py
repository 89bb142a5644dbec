"""What is minimised: discrepancies between the moments of the data and of the model.

`Normal` has maximum likelihood and generalised least squares, `LeastSquares` the unweighted, diagonally and fully
weighted ones. Each gives its value, its gradient, the Gauss-Newton (Fisher scoring) matrix and the exact Hessian of

    ML    log|Sigma| - log|S| + tr(S inv(Sigma)) - p + d' inv(Sigma) d
    GLS   tr((inv(S) (S - Sigma))^2) / 2 + d' inv(S) d
    LS    (s - sigma)' W (s - sigma)

averaged over groups by their share of the rows (Browne 1982; Jöreskog 1970).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .matrices import (
    Block,
    Moved,
    Products,
    State,
    curvature,
    gather,
    gather_square,
    move,
    state,
)
from .samples import Sample, vech
from .table import Table

Array = NDArray[Any]

__all__ = [
    "Continuous",
    "Derivatives",
    "LeastSquares",
    "Normal",
    "Objective",
    "Target",
    "expand",
    "likelihood_hessian",
    "moments",
    "surely_above",
    "weigh",
]


class Derivatives(NamedTuple):
    """Value, gradient and Gauss-Newton matrix at a point."""

    value: float
    gradient: Array
    scoring: Array


class Objective(Protocol):
    """A function of the distinct free parameters."""

    def value(self, x: Array) -> float:
        """Return the discrepancy, infinite where the model has no moments."""

    def derivatives(self, x: Array) -> Derivatives | None:
        """Return value, gradient and Gauss-Newton matrix, or None where the model has no moments."""

    def hessian(self, x: Array) -> Array:
        """Return the exact second derivatives."""


def expand(table: Table, base: Array, x: Array) -> Array:
    """Values of all entries from those of the distinct free parameters, for any number of lines."""
    if x.ndim == 1 and x.dtype == base.dtype:
        out = base.copy()
    else:
        out = np.broadcast_to(base, (*x.shape[:-1], base.shape[-1])).astype(np.result_type(base, x))
    free, places = table.free
    out[..., free] = x[..., places]
    return out


class Normal:
    """Normal-theory discrepancy of complete data: ``"ML"`` or ``"GLS"``."""

    def __init__(
        self, table: Table, blocks: Sequence[Block], samples: Sequence[Sample], base: Array, kind: str = "ML"
    ) -> None:
        self.table, self.blocks, self.samples, self.base, self.kind = table, blocks, samples, base, kind
        self.means = table.options.means
        total = sum(s.n for s in samples)
        self.shares = [s.n / total for s in samples]
        self._last: tuple[bytes | None, list[_Part | None]] = (None, [])  # not b"", the key of no free parameters
        self._derived: tuple[bytes | None, Derivatives | None] = (None, None)

    def value(self, x: Array) -> float:
        """Return the discrepancy, infinite where the model has no moments."""
        values = expand(self.table, self.base, x)
        total = 0.0
        for block, sample, share in zip(self.blocks, self.samples, self.shares, strict=True):
            found = self._block(state(block, values), block, sample)
            if found is None:
                return np.inf
            total += share * found[0]
        return total

    def _block(self, s: State, block: Block, sample: Sample) -> tuple[float, Array, Array, Array] | None:
        """Discrepancy, weight V, gradient weights W of the covariances and inv(.) d of the means."""
        p = block.p
        sigma = s.cov[:p, :p]
        d = sample.mean - s.mean[:p] if self.means else np.zeros(p)
        if self.kind == "GLS":
            v = sample.inverse
            gap = v @ (sample.cov - sigma)
            return float(0.5 * np.einsum("ij,ji", gap, gap) + d @ v @ d), v, -gap @ v, v @ d
        found = inverse_of(sigma)
        if found is None:
            return None
        v, logdet = found
        vs = v @ sample.cov
        value = logdet - sample.logdet + float(vs.trace()) - p
        w = v - vs @ v
        if not self.means:
            return value, v, w, d
        e = v @ d
        return value + float(d @ e), v, w - e[:, None] * e, e

    def derivatives(self, x: Array) -> Derivatives | None:
        """Return value, gradient and Gauss-Newton matrix, or None where the model has no moments."""
        key = x.tobytes()
        if key != self._derived[0]:
            self._derived = key, self._derivatives(x)
        return self._derived[1]

    def _derivatives(self, x: Array) -> Derivatives | None:
        total, q = 0.0, len(x)
        gradient, scoring = np.zeros(q), np.zeros((q, q))
        for block, share, part in zip(self.blocks, self.shares, self._parts(x), strict=True):
            if part is None:
                return None
            m, e = part.m, part.e
            left, right = m.left[: block.p], m.right[: block.p]
            g = 2 * (left * (part.w @ right)).sum(axis=0)
            if e is not None:
                g -= 2 * (e @ left) * m.shift
            total += share * part.value
            gradient += share * gather(block, g)
            scoring += 2 * share * gather_square(block, part.products.information(None if e is None else m.shift))
        return Derivatives(total, gradient, scoring)

    def hessian(self, x: Array) -> Array:
        """Return the exact second derivatives."""
        out = np.zeros((len(x), len(x)))
        for block, share, part in zip(self.blocks, self.shares, self._parts(x), strict=True):
            if part is None:
                return np.full_like(out, np.nan)
            out += share * gather_square(block, self._hessian(block, part))
        return out

    def regular(self, x: Array) -> bool:
        """Whether the model has moments at a point that are far from singular."""
        try:
            parts = self._parts(x)
        except np.linalg.LinAlgError:
            return False
        # the trace of the inverse correlations: no eigenvalue is smaller than its inverse
        return all(p is not None and float(p.v.diagonal() @ p.s.cov.diagonal()[: len(p.v)]) < 1e10 for p in parts)

    def _parts(self, x: Array) -> list[_Part | None]:
        """What the derivatives at a point need of each block; that of the last point is kept."""
        if x.tobytes() == self._last[0]:
            return self._last[1]
        values = expand(self.table, self.base, x)
        out: list[_Part | None] = []
        for block, sample in zip(self.blocks, self.samples, strict=True):
            s = state(block, values)
            found = self._block(s, block, sample)
            if found is None:
                out.append(None)
                break
            m = move(block, s)
            value, v, w, e = found
            out.append(_Part(value, s, m, v, w, e if self.means else None, Products.of(m.pairs[: block.p], v)))
        out += [None] * (len(self.blocks) - len(out))
        self._last = x.tobytes(), out
        return out

    def _hessian(self, block: Block, part: _Part) -> Array:
        """Second derivatives of one block by its cells."""
        _, s, m, _, w, e, products = part
        if self.kind == "ML":
            return likelihood_hessian(block, s, m, w, e, products)
        out = curvature(block, s, m, Products.of(m.pairs[: block.p], w), None if e is None else -2 * e)
        return out + 2 * products.information(None if e is None else m.shift)


class _Part(NamedTuple):
    """One block at a point: discrepancy, moments, their derivatives, weight V, those by covariances and means, products with V."""

    value: float
    s: State
    m: Moved
    v: Array
    w: Array
    e: Array | None
    products: Products


def likelihood_hessian(block: Block, s: State, m: Moved, w: Array, e: Array | None, products: Products) -> Array:
    """Second derivatives (..., k, k) of the maximum likelihood discrepancy of one block by its cells.

    Parameters
    ----------
    block : Block
    s, m : State and Moved
    w : ndarray of shape (..., p, p)
        Derivative by the covariances, V - V (S + d d') V.
    e : ndarray of shape (..., p) or None
        V d, for deviations d of the means; None without a mean structure.
    products : Products
        With the inverse V of the implied covariances.
    """
    aa, bb, ab = products
    by_cov = Products.of(m.pairs[..., : block.p, :], w)
    half = np.swapaxes(ab, -1, -2) * (ab - 2 * by_cov.ab) + bb * (aa / 2 - by_cov.aa) + aa * (bb / 2 - by_cov.bb)
    if e is not None:
        shift = m.shift[..., :, None]
        row = e[..., None, :]
        left, right = m.left[..., : block.p, :], m.right[..., : block.p, :]
        half += 2 * shift * ((row @ left) * ab + (row @ right) * aa) + aa * shift * (m.shift[..., None, :])
    return curvature(block, s, m, by_cov, None if e is None else -2 * e) + half + np.swapaxes(half, -1, -2)


class Target(Protocol):
    """Moments of one group that least squares fits."""

    stats: Array
    n: float

    def implied(self, values: Array) -> Array:
        """Return the model's moments."""

    def jacobian(self, values: Array) -> Array:
        """Return their derivatives with respect to the distinct free parameters."""

    def bend(self, values: Array, weights: Array) -> Array | None:
        """Return the second derivatives of weights'implied, or None if it is not worth computing."""


class LeastSquares:
    """Weighted squared distance between moments and what the model implies.

    Parameters
    ----------
    targets : sequence of Target
        One for each group.
    weights : sequence of ndarray
        For each group the diagonal of W, or W itself.
    """

    def __init__(self, table: Table, targets: Sequence[Target], base: Array, weights: Sequence[Array]) -> None:
        self.table, self.targets, self.base, self.weights = table, targets, base, weights
        total = sum(t.n for t in targets)
        self.shares = [t.n / total for t in targets]

    def value(self, x: Array) -> float:
        """Return the discrepancy."""
        total = sum(share * float(r @ weigh(w, r)) for _, w, share, r in self._gaps(expand(self.table, self.base, x)))
        return total if np.isfinite(total) else np.inf

    def derivatives(self, x: Array) -> Derivatives | None:
        """Return value, gradient and Gauss-Newton matrix."""
        values = expand(self.table, self.base, x)
        total, q = 0.0, len(x)
        gradient, scoring = np.zeros(q), np.zeros((q, q))
        for target, weight, share, r in self._gaps(values):
            jacobian = target.jacobian(values)
            wr = weigh(weight, r)
            total += share * float(r @ wr)
            gradient -= 2 * share * (wr @ jacobian)
            scoring += 2 * share * (jacobian.T @ weigh(weight, jacobian))
        return Derivatives(total, gradient, scoring) if np.isfinite(total) else None

    def hessian(self, x: Array) -> Array:
        """Return the exact second derivatives, or the Gauss-Newton matrix where they are not available."""
        values = expand(self.table, self.base, x)
        out = np.zeros((len(x), len(x)))
        for target, weight, share, r in self._gaps(values):
            jacobian = target.jacobian(values)
            out += 2 * share * (jacobian.T @ weigh(weight, jacobian))
            bend = target.bend(values, -2 * weigh(weight, r))
            if bend is not None:
                out += share * bend
        return out

    def _gaps(self, values: Array) -> Iterator[tuple[Target, Array, float, Array]]:
        """Target, weight, share and residual of each group."""
        for target, weight, share in zip(self.targets, self.weights, self.shares, strict=True):
            yield target, weight, share, target.stats - target.implied(values)


class Continuous:
    """Means and covariances of numerical items, stacked as (mean, vech cov)."""

    def __init__(self, block: Block, sample: Sample, means: bool) -> None:
        self.block, self.means, self.n = block, means, sample.n
        self.stats = moments(sample.mean, sample.cov, means)

    def implied(self, values: Array) -> Array:
        """Return the model's moments."""
        s, p = state(self.block, values), self.block.p
        return moments(s.mean[:p], s.cov[:p, :p], self.means)

    def jacobian(self, values: Array) -> Array:
        """Return their derivatives with respect to the distinct free parameters."""
        return gather(self.block, jacobian_of(self.block, move(self.block, state(self.block, values)), self.means))

    def bend(self, values: Array, weights: Array) -> Array | None:
        """Return the second derivatives of weights'implied."""
        p = self.block.p
        rows, cols = vech(p)
        w = np.zeros((p, p))
        w[rows, cols] = weights[p:] if self.means else weights
        s = state(self.block, values)
        u = weights[:p] if self.means else None
        m = move(self.block, s)
        return gather_square(self.block, curvature(self.block, s, m, Products.of(m.pairs[:p], (w + w.T) / 2), u))


def inverse_of(sigma: Array) -> tuple[Array, float] | None:
    """Inverse and log determinant by Cholesky; None if the matrix is not positive definite."""
    from scipy.linalg import lapack

    root, info = lapack.dpotrf(sigma, lower=1, clean=1)
    logdet = 2 * float(np.log(root.diagonal()).sum()) if info == 0 else np.inf
    if not isfinite(logdet):
        return None
    lower, _ = lapack.dpotri(root, lower=1)
    v = lower + lower.T
    v.flat[:: len(v) + 1] /= 2
    return v, logdet


def surely_above(least: float, matrix: Array) -> bool:
    """Whether no eigenvalue of a symmetric matrix is below `least`, by the trace of its inverse; cheaper than the eigenvalues."""
    found = inverse_of(matrix)
    return found is not None and float(found[0].trace()) * least < 1


def weigh(weight: Array, r: Array) -> Array:
    """W r for W given in full or by its diagonal."""
    if weight.ndim == 2:
        return weight @ r
    return weight * r if r.ndim == 1 else weight[:, None] * r


def moments(mean: Array, cov: Array, means: bool) -> Array:
    """Stack (mean, vech cov), or vech cov alone."""
    rows, cols = vech(len(cov))
    return np.concatenate([mean, cov[rows, cols]]) if means else cov[rows, cols]


def jacobian_of(block: Block, m: Moved, means: bool) -> Array:
    """Derivatives of :func:`moments` with respect to the cells, (moments, k)."""
    p = block.p
    left, right = m.left[:p], m.right[:p]
    rows, cols = vech(p)
    out = left[rows] * right[cols] + right[rows] * left[cols]
    return np.vstack([left * m.shift, out]) if means else out
