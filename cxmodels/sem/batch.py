"""Maximum likelihood for many covariance matrices at once: the bootstrap's inner loop.

All replicates take scoring steps together from the solution of the data themselves; those that settle leave the
stack, and the few that do not are finished one by one with the full optimiser.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .estimate import Estimate, fixed_values
from .matrices import Block, move, normal_information, state
from .objective import Normal, expand
from .optimise import minimise
from .samples import Sample
from .table import Table

Array = NDArray[Any]

__all__ = ["fit_many"]

_STEPS = 25
_FINISH = 100  # steps of the full optimiser for a replicate left over; fewer lose replicates that have a solution
_DONE = 1e-6  # squared distance to the minimum, in standard errors


def fit_many(
    e: Estimate, means: Sequence[Array], covs: Sequence[Array], n: Sequence[float]
) -> tuple[Array, NDArray[np.bool_], Array]:
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
    x : ndarray of shape (b, q)
    converged : ndarray of shape (b,)
    base : ndarray of shape (b, rows)
        Fixed values, with the moments of fixed predictors in each replicate.
    """
    b, total = len(covs[0]), sum(n)
    shares = [k / total for k in n]
    base = _bases(e.table, means, covs)
    x = np.repeat(e.x[None], b, axis=0)
    done = np.zeros(b, dtype=bool)
    damping = np.zeros(b)
    logdets = [np.linalg.slogdet(c)[1] for c in covs]
    alive = np.arange(b)
    value, gradient, info = _derivatives(e, x, base, means, covs, logdets, shares, alive)
    ok = np.isfinite(value)
    alive, value, gradient, info = alive[ok], value[ok], gradient[ok], info[ok]
    for _ in range(_STEPS):
        if not len(alive):
            break
        scale = np.sqrt(np.maximum(np.diagonal(info, axis1=1, axis2=2), 1e-300))
        unit = info / (scale[:, :, None] * scale[:, None, :])
        unit[:, range(len(e.x)), range(len(e.x))] += 1e-12 + damping[alive][:, None]
        try:
            step = -np.linalg.solve(unit, (gradient / scale)[..., None])[..., 0] / scale
        except np.linalg.LinAlgError:
            break
        decrement = -(step * gradient).sum(axis=1)
        finished = (decrement * total < _DONE) & (damping[alive] < 1e-3)
        x[alive[finished]] += step[finished]
        done[alive[finished]] = True
        keep = ~finished
        alive, value, gradient, info, step = alive[keep], value[keep], gradient[keep], info[keep], step[keep]
        if not len(alive):
            break
        trial = x.copy()
        trial[alive] += step
        found = _derivatives(e, trial, base, means, covs, logdets, shares, alive)
        better = found[0] <= value + 1e-14
        x[alive[better]] = trial[alive[better]]
        value = np.where(better, found[0], value)
        gradient = np.where(better[:, None], found[1], gradient)
        info = np.where(better[:, None, None], found[2], info)
        damping[alive] = np.where(
            better, np.where(damping[alive] < 1e-3, 0.0, damping[alive] / 5), np.maximum(damping[alive] * 6, 1e-2)
        )
    for i in np.flatnonzero(~done):
        samples = [Sample(k, m[i], c[i]) for k, m, c in zip(n, means, covs, strict=True)]
        objective = Normal(e.table, e.blocks, samples, base[i], e.plan.kind)
        start = x[i] if np.isfinite(objective.value(x[i])) else e.x
        found_one = minimise(objective, start, max_iter=_FINISH)
        x[i], done[i] = found_one.x, found_one.converged
    return x, done, base


def _bases(table: Table, means: Sequence[Array], covs: Sequence[Array]) -> Array:
    """Fixed values for every replicate."""
    b = len(covs[0])
    if not any(x.exo for x in table.entries):
        return np.repeat(table.values[None], b, axis=0)
    return np.stack(
        [fixed_values(table, [Sample(1.0, m[i], c[i]) for m, c in zip(means, covs, strict=True)]) for i in range(b)]
    )


def _derivatives(
    e: Estimate,
    x: Array,
    base: Array,
    means: Sequence[Array],
    covs: Sequence[Array],
    logdets: Sequence[Array],
    shares: Sequence[float],
    alive: NDArray[np.intp],
) -> tuple[Array, Array, Array]:
    """Value (infinite where impossible), gradient and scoring matrix of the replicates that are still alive."""
    values = expand(e.table, base[alive], x[alive])
    q = x.shape[1]
    value, gradient, info = np.zeros(len(alive)), np.zeros((len(alive), q)), np.zeros((len(alive), q, q))
    for block, mean, cov, logdet, share in zip(e.blocks, means, covs, logdets, shares, strict=True):
        part = _block(block, values, mean[alive], cov[alive], logdet[alive], e.table.options.means)
        value += share * part[0]
        if block.identity:
            gradient += share * part[1]
            info += share * part[2]
        else:
            gradient += share * (part[1] @ block.select)
            info += share * (block.select.T @ part[2] @ block.select)
    return value, gradient, info


def _block(
    block: Block, values: Array, mean: Array, cov: Array, logdet: Array, means: bool
) -> tuple[Array, Array, Array]:
    """The same for one group."""
    p = block.p
    s = state(block, values)
    sigma = s.cov[:, :p, :p]
    sign, own = np.linalg.slogdet(sigma)
    bad = ~((sign > 0) & np.isfinite(own))
    if bad.any():
        sigma = sigma.copy()
        sigma[bad] = np.eye(p)
    v = np.linalg.inv(sigma)
    vs = v @ cov
    d = mean - s.mean[:, :p] if means else np.zeros_like(mean)
    e = (v @ d[..., None])[..., 0]
    value = own - logdet + np.trace(vs, axis1=1, axis2=2) - p + (d * e).sum(axis=1)
    w = v - vs @ v - e[:, :, None] * e[:, None, :]
    m = move(block, s)
    left, right = m.left[:, :p], m.right[:, :p]
    gradient = 2 * (left * (w @ right)).sum(axis=1)
    if means:
        gradient -= 2 * (e[:, None, :] @ left)[:, 0] * m.shift
    info = 2 * normal_information(left, right, m.shift if means else None, v)
    return np.where(bad | (value < -1e-9), np.inf, value), gradient, info
