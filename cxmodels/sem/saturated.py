"""The unrestricted and the independence model of incomplete data: their maximum likelihood moments.

Sources: Dempster, Laird and Rubin (1977) for EM; Varadhan and Roland (2008), *Scandinavian Journal of Statistics*
35, for its acceleration (SQUAREM, step length S3).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import EstimationError, listed
from .missing import Expected, expect, information, loglik, score
from .patterns import Array, Patterns
from .samples import vech

_NEWTON_LIMIT = 2000  # moments up to which Newton steps are taken: 61 variables
_NEWTON_FROM = 0.03  # largest change in an EM step, in standard deviations, below which Newton is tried
_SINGULAR = 1e-10  # share of its variance that a variable must have for itself


class Saturated(NamedTuple):
    """The unrestricted (H1) model: maximum likelihood moments of incomplete data.

    Attributes
    ----------
    mean : ndarray of shape (p,)
    cov : ndarray of shape (p, p)
        With divisor n.
    loglik : float
    iterations : int
        EM cycles and Newton steps.
    converged : bool
    """

    mean: Array
    cov: Array
    loglik: float
    iterations: int
    converged: bool


def saturated(patterns: Patterns, tolerance: float = 1e-10, max_iter: int = 1000) -> Saturated:
    """Fit the unrestricted model: accelerated EM, then Newton steps.

    Parameters
    ----------
    patterns : Patterns
    tolerance : float, default 1e-10
        Newton stops after a step that promised to raise the log-likelihood by no more than this; being quadratic,
        it then has the moments to nearly machine precision. Where EM works alone (more than 61 variables, or
        moments that the data do not determine) it stops when no moment moves by more than this in standard
        deviations.
    max_iter : int, default 1000
        Limit on EM cycles (of three E steps) and Newton steps together; 300 where Newton could end it, as then the
        likelihood rises towards singular moments, without a maximum.

    Returns
    -------
    Saturated
        Not unique, though its log-likelihood is, if two variables are never observed together.

    Raises
    ------
    EstimationError
        If a variable is an exact linear combination of others, so that the likelihood has no maximum.
    """
    mean, cov = _start(patterns)
    change = np.inf
    newton = patterns.p * (patterns.p + 3) // 2 <= _NEWTON_LIMIT and patterns.coverage.all()
    tried = np.inf
    max_iter = min(max_iter, 300) if newton else max_iter
    for iteration in range(1, max_iter + 1):
        if newton and change < min(_NEWTON_FROM, 0.3 * tried):
            step = _newton(patterns, mean, cov)
            if step is not None:
                mean, cov, value, gain = step
                if gain <= tolerance:
                    return Saturated(mean, cov, value, iteration, True)
                continue
            tried = change
        mean, cov, value, change = _squarem(patterns, mean, cov)
        if change <= tolerance:
            return Saturated(mean, cov, value, iteration, True)
    return Saturated(mean, cov, value, max_iter, False)


def independence(patterns: Patterns) -> tuple[Array, Array]:
    """Fit the baseline model of uncorrelated variables: the moments of the observed values of each.

    Parameters
    ----------
    patterns : Patterns

    Returns
    -------
    mu : ndarray of shape (p,)
    sigma : ndarray of shape (p, p)
        Diagonal.
    """
    mean, cov = _pairwise(patterns)
    return mean, np.diag(np.diag(cov))


def _newton(patterns: Patterns, mean: Array, cov: Array) -> tuple[Array, Array, float, float] | None:
    """One Newton step: moments, log-likelihood, promised gain; None unless it is an ascent."""
    here = score(patterns, mean, cov)
    try:
        inner = information(patterns, mean, cov) * patterns.total
        np.linalg.cholesky(inner)  # only where the likelihood is concave does the step lead up
    except (np.linalg.LinAlgError, EstimationError):
        return None
    step = np.linalg.solve(inner, here.stacked)
    gain = float(step @ here.stacked) / 2
    p = patterns.p
    i, j = vech(p)
    new = cov.copy()
    new[i, j] = new[j, i] = cov[i, j] + step[p:]
    value = loglik(patterns, mean + step[:p], new)
    rounding = 1e-12 * abs(here.loglik)
    return (mean + step[:p], new, value, gain) if value >= here.loglik - rounding else None


def _squarem(patterns: Patterns, mean: Array, cov: Array) -> tuple[Array, Array, float, float]:
    """One accelerated EM cycle: moments, log-likelihood just before them, largest change in a plain EM step."""
    sd = np.sqrt(np.diag(cov))
    one = _em(patterns, mean, cov)
    two = _em(patterns, *one[:2])
    r = np.vstack([one[0] - mean, one[1] - cov]) / sd
    v = np.vstack([two[0] - one[0], two[1] - one[1]]) / sd - r
    r[1:] /= sd[:, None]
    v[1:] /= sd[:, None]
    change = float(np.abs(r).max())
    length = float(np.sqrt((r * r).sum() / (v * v).sum())) if v.any() else 1.0
    if length > 1:
        a, b, c = (1 - length) ** 2, 2 * length * (1 - length), length**2
        far = a * mean + b * one[0] + c * two[0], a * cov + b * one[1] + c * two[1]
        e = expect(patterns, *far, patterns.stored)
        if e is not None and e.loglik() >= two[2]:
            return *_em_from(e, far[0]), change
    return *two, change


def _em(patterns: Patterns, mean: Array, cov: Array) -> tuple[Array, Array, float]:
    """One EM step: new moments, and the log-likelihood of the old ones."""
    e = expect(patterns, mean, cov, patterns.stored)
    if e is None or _own(cov).min() < _SINGULAR:
        raise EstimationError(_singular(patterns, cov))
    return _em_from(e, mean)


def _em_from(e: Expected, mean: Array) -> tuple[Array, Array, float]:
    """The M step: new moments, and the log-likelihood of the old ones."""
    first, second = e.sums()
    total = e.patterns.total
    shift = first / total
    return mean + shift, second / total - shift[:, None] * shift, e.loglik()


def _own(cov: Array) -> Array:
    """Share of each variance that the other variables leave unexplained."""
    values, vectors = np.linalg.eigh(cov / np.sqrt(np.diag(cov)) / np.sqrt(np.diag(cov))[:, None])
    return 1 / (vectors**2 / np.maximum(values, 1e-300)).sum(axis=1)


def _singular(patterns: Patterns, cov: Array) -> str:
    """Say which variables are combinations of each other."""
    own = _own(cov)
    culprits = [i for i in np.argsort(own) if own[i] < 1e3 * max(own.min(), _SINGULAR)]
    names = listed(patterns.names[i] for i in sorted(culprits))
    together = int(((patterns.weights > 0) & ~np.isnan(patterns.table[:, culprits]).any(axis=1)).sum())
    if together <= len(culprits):
        return f"Only {together} rows have {names} together, too few for their covariances; add rows or drop columns."
    return (
        f"Columns {names} are exact linear combinations of each other in the rows that have them, so their "
        "covariance matrix is singular; drop one of them."
    )


def _pairwise(patterns: Patterns) -> tuple[Array, Array]:
    """Means of the observed values, and covariances about them over the rows that have both."""
    seen = ~np.isnan(patterns.table)
    weighted = seen * patterns.weights[:, None]
    x = np.where(seen, patterns.table, 0.0)
    mean = (weighted * x).sum(axis=0) / weighted.sum(axis=0)
    z = np.where(seen, x - mean, 0.0)
    both = weighted.T @ seen
    return mean, (weighted * z).T @ z / np.where(both > 0, both, 1.0)


def _start(patterns: Patterns) -> tuple[Array, Array]:
    """Available-case moments, the correlations shrunk as far as it takes to be well conditioned."""
    mean, cov = _pairwise(patterns)
    sd = np.sqrt(np.diag(cov))
    r = cov / sd / sd[:, None]
    least = float(np.linalg.eigvalsh(r)[0])
    shrink = (0.01 - least) / (1 - least) if least < 0.01 else 0.0
    return mean, ((1 - shrink) * r + shrink * np.eye(len(sd))) * sd * sd[:, None]
