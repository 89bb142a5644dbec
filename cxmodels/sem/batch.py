"""Maximum likelihood for many covariance matrices at once: the bootstrap's inner loop.

All replicates step together from the solution of the data themselves, each with a damping of its own: by Fisher scoring
while it is far from a minimum, then by Newton's method in the coordinates of :mod:`cxmodels.sem.chart`, in which constructs that are
nearly one do not make paths run away. A replicate leaves the stack when it has settled, or when it is given up because a
path runs off to infinity all the same, or nothing is gained any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .chart import RUNAWAY, Core, core_of, longest_path
from .estimate import Estimate, fixed_values
from .matrices import Block, Moved, Products, State, gather, gather_square, move, state
from .objective import expand, inverse_of, likelihood_hessian
from .samples import Sample
from .start import start_values
from .table import Table

Array = NDArray[Any]
Index = NDArray[np.intp]

__all__ = ["Many", "fit_many"]

_STEPS = 60
_TRIAL = 20  # steps after which a path beyond all measure is taken for one without an end
_DONE = 1e-9  # squared distance to the minimum, in standard errors
_NEAR = 1e-3  # decrement below which exact second derivatives are worth their price
_STUCK = 1e12  # damping at which no step is left


class Many(NamedTuple):
    """Fits to many samples.

    Attributes
    ----------
    x : ndarray of shape (b, q)
        Distinct free parameters.
    value : ndarray of shape (b,)
        Discrepancy.
    converged : ndarray of bool of shape (b,)
    runaway : ndarray of int of shape (b,)
        Entry of the path that has no finite estimate, -1 if there is none.
    base : ndarray of shape (b, rows)
        Fixed values, with the moments of fixed predictors in each sample.
    """

    x: Array
    value: Array
    converged: NDArray[np.bool_]
    runaway: Index
    base: Array


class _Point(NamedTuple):
    """Where some samples stand; `matrix` is the scoring matrix or, near a minimum, the exact second derivatives."""

    value: Array
    gradient: Array
    scoring: Array
    matrix: Array
    states: list[State]
    moved: list[Moved]


@dataclass(frozen=True, eq=False)
class _Samples:
    """The moments of all samples, group by group."""

    table: Table
    blocks: Sequence[Block]
    means: Sequence[Array]
    covs: Sequence[Array]
    shares: Sequence[float]
    base: Array

    @cached_property
    def logdets(self) -> list[Array]:
        """Log determinants of the covariances."""
        return [np.linalg.slogdet(c)[1] for c in self.covs]

    @cached_property
    def cores(self) -> list[Core | None]:
        """The part of each block that has other coordinates."""
        return [core_of(self.table, k, b) for k, b in enumerate(self.blocks)]

    def at(self, x: Array, some: Index, exact: NDArray[np.bool_]) -> _Point:
        """Evaluate some samples (value infinite where impossible), some of them with exact second derivatives."""
        values = expand(self.table, self.base[some], x)
        b, q = x.shape
        value, gradient, scoring = np.zeros(b), np.zeros((b, q)), np.zeros((b, q, q))
        parts: list[_Part] = []
        for k, (block, share) in enumerate(zip(self.blocks, self.shares, strict=True)):
            p = block.p
            s = state(block, values)
            m = move(block, s)
            own, v, w, e = self._discrepancy(k, s, some)
            left, right = m.left[:, :p], m.right[:, :p]
            g = 2 * (left * (w @ right)).sum(axis=1)
            if e is not None:
                g -= 2 * (e[:, None, :] @ left)[:, 0] * m.shift
            products = Products.of(m.pairs[:, :p], v)
            value += share * own
            gradient += share * gather(block, g)
            scoring += 2 * share * gather_square(block, products.information(None if e is None else m.shift))
            parts.append(_Part(s, m, w, e, products))
        matrix = scoring
        if exact.any():
            near = np.flatnonzero(exact)
            matrix = scoring.copy()
            matrix[near] = self._curved([part.of(near) for part in parts], gradient[near])
        return _Point(value, gradient, scoring, matrix, [part.s for part in parts], [part.m for part in parts])

    def _discrepancy(self, k: int, s: State, some: Index) -> tuple[Array, Array, Array, Array | None]:
        """Discrepancy of a group, inverse covariance, and the derivatives by covariances and means."""
        p, cov = self.blocks[k].p, self.covs[k][some]
        v, value = np.zeros((len(some), p, p)), np.full(len(some), np.inf)
        for i, sigma in enumerate(s.cov[:, :p, :p]):
            found = inverse_of(sigma)
            if found is not None:
                v[i], value[i] = found
        vs = v @ cov
        value += np.trace(vs, axis1=1, axis2=2) - self.logdets[k][some] - p
        w = v - vs @ v
        if not self.table.options.means:
            return value, v, w, None
        d = self.means[k][some] - s.mean[:, :p]
        e = (v @ d[..., None])[..., 0]
        return value + (d * e).sum(axis=1), v, w - e[:, :, None] * e[:, None, :], e

    def _curved(self, parts: Sequence[_Part], gradient: Array) -> Array:
        """Second derivatives in the coordinates of the chart."""
        out = np.zeros((*gradient.shape, gradient.shape[1]))
        for block, core, share, part in zip(self.blocks, self.cores, self.shares, parts, strict=True):
            h = share * likelihood_hessian(block, *part)
            if core is not None:
                h -= core.bend(part.s, part.m, gradient[:, block.columns])
            out += gather_square(block, h)
        return out

    def after(self, x: Array, step: Array, now: _Point, some: Index) -> Array:
        """Where steps lead in these coordinates."""
        out = x + step
        values = expand(self.table, self.base[some], out)
        for block, core, s, m in zip(self.blocks, self.cores, now.states, now.moved, strict=True):
            if core is not None:
                try:
                    core.settle(values, core.target(s, m, step[:, block.columns]))
                except np.linalg.LinAlgError:  # exactly on a wall
                    return out
        rows, places = self.table.free
        out[:, places] = values[:, rows]
        return out


class _Part(NamedTuple):
    """What the second derivatives of a block need."""

    s: State
    m: Moved
    w: Array
    e: Array | None
    products: Products

    def of(self, some: Index) -> _Part:
        """Return the same of some samples."""
        return _taken(self, some)


def fit_many(e: Estimate, means: Sequence[Array], covs: Sequence[Array], n: Sequence[float]) -> Many:
    """Refit a normal-theory model without constraints to many samples.

    Parameters
    ----------
    e : Estimate
        The fit to the data themselves.
    means, covs : sequence of ndarray of shape (b, p) and (b, p, p)
        Moments by group.
    n : sequence of float
        Rows by group.

    Returns
    -------
    Many
    """
    total = sum(n)
    samples = _Samples(e.table, e.blocks, means, covs, [k / total for k in n], _bases(e.table, means, covs))
    b = len(covs[0])
    out = Many(
        np.repeat(e.x[None], b, axis=0),
        np.full(b, np.inf),
        np.zeros(b, dtype=bool),
        np.full(b, -1, dtype=np.intp),
        samples.base,
    )
    moments = [(s.mean, s.cov) for s in e.data.samples]
    for start in (e.x, start_values(e.table, e.base, moments, e.blocks)):
        _descend(samples, start, np.flatnonzero(~out.converged), total, out)
    out.runaway[out.converged] = -1
    return out


def _descend(samples: _Samples, start: Array, alive: Index, total: float, out: Many) -> None:
    """Minimise for some samples from one start, and write where they end."""
    table, blocks, base = samples.table, samples.blocks, samples.base
    x, value, done, runaway = out.x, out.value, out.converged, out.runaway
    x[alive] = start
    exact = np.zeros(len(alive), dtype=bool)
    now = samples.at(x[alive], alive, exact)
    value[alive] = now.value
    damping = np.where(np.isfinite(now.value), 0.0, 10 * _STUCK)
    for number in range(_STEPS):
        step, decrement = _solve(now.matrix, now.scoring, now.gradient, damping)
        settled = exact & (damping == 0) & (decrement * total < _DONE)
        lost = damping > _STUCK
        if number >= _TRIAL:
            size, entry = longest_path(table, blocks, expand(table, base[alive], x[alive]), now.states)
            lost |= size > RUNAWAY
            away = lost & ~settled & (size > RUNAWAY / 2)
            runaway[alive[away]] = entry[away]
        x[alive[settled]] += step[settled]
        done[alive[settled]] = True
        stay = np.flatnonzero(~(settled | lost))
        if not len(stay):
            break
        if len(stay) < len(alive):
            alive, now, step, decrement, damping, exact = _taken((alive, now, step, decrement, damping, exact), stay)
        exact = _near(now, decrement, damping)
        trial = samples.after(x[alive], step, now, alive)
        found = samples.at(trial, alive, exact)
        expected = decrement / 2 + damping * np.einsum("bi,bij,bj->b", step, now.scoring, step) / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            gain = np.nan_to_num((now.value - found.value) / expected, nan=-1.0, neginf=-1.0, posinf=1.0)
        better = (gain > 0.1) | ((decrement < 1e-10) & (found.value <= now.value + 1e-12))
        x[alive[better]], value[alive[better]] = trial[better], found.value[better]
        now = found if better.all() else _chosen(better, found, now)
        less = damping * np.where(gain > 0.7, 0.2, np.where(gain > 0.3, 0.5, 1.0))
        damping = np.where(better, np.where(damping < 0.02, 0.0, less), np.maximum(damping * 4, 0.05))


def _near(now: _Point, decrement: Array, damping: Array) -> NDArray[np.bool_]:
    """Which samples are near a minimum, judged by scoring where the last step was damped."""
    near = decrement < _NEAR
    if (doubt := np.flatnonzero(near & (damping > 0))).size:
        near[doubt] = (
            _solve(now.scoring[doubt], now.scoring[doubt], now.gradient[doubt], np.zeros(len(doubt)))[1] < _NEAR
        )
    return near


def _solve(matrix: Array, metric: Array, gradient: Array, damping: Array) -> tuple[Array, Array]:
    """Steps -inv(matrix + damping * metric) gradient and their decrements; damping grows, in place, until they descend."""
    from scipy.linalg import lapack

    scale = np.sqrt(np.maximum(np.diagonal(metric, axis1=1, axis2=2), 1e-300))
    both = scale[:, :, None] * scale[:, None, :]
    a, g = matrix / both, gradient / scale
    step, decrement = np.zeros_like(g), np.zeros(len(g))
    ok = np.isfinite(a).all(axis=(1, 2))
    damping[~ok] = 10 * _STUCK
    for i in np.flatnonzero(ok):
        while damping[i] <= _STUCK:
            tried = a[i] + damping[i] * (metric[i] / both[i]) if damping[i] else a[i]
            root, info = lapack.dpotrf(tried.T, lower=1, clean=0)  # symmetric, and what LAPACK reads
            if info == 0 and root.diagonal().min() > 1e-7:
                found, _ = lapack.dpotrs(root, g[i], lower=1)
                step[i], decrement[i] = -found, found @ g[i]
                break
            damping[i] = max(damping[i] * 4, 0.1)
    return step / scale, decrement


def _taken(a: Any, which: Index) -> Any:
    """Return the lines of some samples, whatever holds them."""
    if a is None or isinstance(a, np.ndarray):
        return None if a is None else a[which]
    parts = [_taken(x, which) for x in a]
    return type(a)(*parts) if hasattr(a, "_fields") else parts


def _chosen(first: NDArray[np.bool_], a: Any, b: Any) -> Any:
    """Return the lines of `a` where `first` is true, else those of `b`."""
    if isinstance(a, np.ndarray):
        return np.where(first.reshape(-1, *[1] * (a.ndim - 1)), a, b)
    parts = [_chosen(first, x, y) for x, y in zip(a, b, strict=True)]
    return type(a)(*parts) if hasattr(a, "_fields") else parts


def _bases(table: Table, means: Sequence[Array], covs: Sequence[Array]) -> Array:
    """Fixed values for every sample."""
    b = len(covs[0])
    if not any(x.exo for x in table.entries):
        return np.repeat(table.values[None], b, axis=0)
    return np.stack(
        [fixed_values(table, [Sample(1.0, m[i], c[i]) for m, c in zip(means, covs, strict=True)]) for i in range(b)]
    )
