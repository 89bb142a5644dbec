"""Full-information likelihood of a normal table with missing values: arrays in, arrays out.

Everything rests on one pass over the rows, the E step: complete every row by its conditional expectation given
what is observed in it. With K the inverse of sigma, C = inv(K_mm) the conditional covariance of the missing
variables of a pattern, and the completed deviation d = (z, -C K_mo z), z = x_o - mu_o,

    log|sigma_oo| = log|sigma| + log|K_mm|,     K d = (inv(sigma_oo) z, 0),

so the likelihood, its gradient (Fisher's identity), the EM step and the score of every row follow from d and C,
and only matrices as large as the number of *missing* variables are inverted, all patterns of one size at once.

Parameters are stacked as (mu, vech sigma): vech is the lower triangle column by column, as in lavaan.

Sources: Dempster, Laird and Rubin (1977); Little and Rubin (2019), *Statistical Analysis with Missing Data*,
ch. 8 and 11; Arbuckle (1996) for the casewise likelihood of structural models; Savalei (2010), *Psychological
Methods* 15, for the information matrices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from ..errors import EstimationError
from .patterns import Array, Patterns, Rows
from .samples import duplication_rows, vech

Kind = Literal["observed", "expected"]

_LOG_2PI = float(np.log(2 * np.pi))
_BLOCK_BYTES = 32e6  # inverses of patterns are held for this many bytes at a time


class Score(NamedTuple):
    """A log-likelihood with its gradient.

    Attributes
    ----------
    loglik : float
        With all constants; -inf where sigma is not positive definite.
    mu : ndarray of shape (p,)
        Derivative with respect to the means.
    sigma : ndarray of shape (p, p)
        Symmetric G such that d loglik = sum over all i and j of G_ij d sigma_ij: the derivative with respect to
        a covariance, which stands in two cells, is 2 G_ij. NaN where sigma is not positive definite.
    """

    loglik: float
    mu: Array
    sigma: Array

    @property
    def stacked(self) -> Array:
        """The gradient with respect to (mu, vech sigma), of length p + p (p + 1) / 2."""
        return np.concatenate([self.mu, self.sigma[vech(len(self.mu))] * duplication_rows(len(self.mu))])


def score(patterns: Patterns, mu: Array, sigma: Array) -> Score:
    """Log-likelihood and gradient together, for the price of one.

    Parameters
    ----------
    patterns : Patterns
    mu : ndarray of shape (p,)
    sigma : ndarray of shape (p, p)

    Returns
    -------
    Score
    """
    e = expect(patterns, mu, sigma, patterns.stored)
    if e is None:
        return Score(-np.inf, np.full_like(mu, np.nan), np.full_like(sigma, np.nan))
    first, second = e.sums()
    k = e.precision
    return Score(e.loglik(), k @ first, 0.5 * (k @ second @ k - patterns.total * k))


def loglik(patterns: Patterns, mu: Array, sigma: Array) -> float:
    """Log-likelihood of the observed values, with all constants.

    Parameters
    ----------
    patterns : Patterns
    mu : ndarray of shape (p,)
    sigma : ndarray of shape (p, p)

    Returns
    -------
    float
        Minus infinity where sigma is not positive definite.

    Examples
    --------
    >>> import numpy as np
    >>> p = Patterns.of([[0.0, 1.0], [1.0, np.nan], [2.0, 3.0]])
    >>> bool(np.isclose(loglik(p, np.zeros(2), np.eye(2)), -2.5 * np.log(2 * np.pi) - 7.5))
    True
    """
    e = expect(patterns, mu, sigma, patterns.stored)
    return -np.inf if e is None else e.loglik()


def gradient(patterns: Patterns, mu: Array, sigma: Array) -> tuple[Array, Array]:
    """Gradient of the log-likelihood.

    Parameters
    ----------
    patterns : Patterns
    mu : ndarray of shape (p,)
    sigma : ndarray of shape (p, p)

    Returns
    -------
    d_mu : ndarray of shape (p,)
    d_sigma : ndarray of shape (p, p)
        As in :class:`Score`, whose ``stacked`` is the gradient with respect to (mu, vech sigma).
    """
    s = score(patterns, mu, sigma)
    return s.mu, s.sigma


def information(patterns: Patterns, mu: Array, sigma: Array, kind: Kind = "observed") -> Array:
    """Unit information about (mu, vech sigma): minus the second derivative of the log-likelihood, over n.

    Parameters
    ----------
    patterns : Patterns
    mu : ndarray of shape (p,)
    sigma : ndarray of shape (p, p)
    kind : {"observed", "expected"}, default "observed"
        Observed is valid under missingness at random. Expected takes the data of every pattern as having these
        moments, which holds only if values are missing completely at random (Kenward and Molenberghs 1998).

    Returns
    -------
    ndarray of shape (p + p (p + 1) / 2, p + p (p + 1) / 2)

    Raises
    ------
    EstimationError
        If sigma is not positive definite.

    Notes
    -----
    For a model whose moments have Jacobian J, J' I J is the information of lavaan's ``observed.information = "h1"``.
    Its default, the Hessian, subtracts the curvature of the moments, each times its element of the gradient over n.
    """
    e = _need(expect(patterns, mu, sigma, patterns.stored))
    p = patterns.p
    i, j = vech(p)
    top = np.zeros((p, p))
    cross = np.zeros((p * p, p))
    gram = np.zeros((len(i), len(i)))  # of [sigma_ab, sigma_cd]: sum of A_ab M_cd
    u = e.filled @ e.precision
    weighted = u * e.rows.mass[:, None]
    raw = e.rows.raw[:, None]
    for some, a in e.inverses():
        rows = slice(e.rows.start[some.start], e.rows.start[some.stop])
        first = e.rows.start[some] - rows.start
        n = patterns.n[some, None]
        flat = a[:, i, j]
        top += np.tensordot(n[:, 0], a, 1)
        if kind == "observed":
            m = np.add.reduceat(u[rows][:, i] * weighted[rows][:, j], first) - 0.5 * n * flat
            cross += a.reshape(len(a), -1).T @ np.add.reduceat(weighted[rows] * raw[rows], first)
        else:
            m = 0.5 * n * flat
        gram += flat.T @ m
    at = np.empty((p, p), dtype=np.intp)
    at[i, j] = at[j, i] = np.arange(len(i))
    half = duplication_rows(p) / 2
    c = cross.reshape(p, p, p)
    side = (c[:, i, j] + c[:, j, i]) * half
    below = gram[at[np.ix_(j, i)], at[np.ix_(i, j)]] + gram[at[np.ix_(j, j)], at[np.ix_(i, i)]]
    below += gram[at[np.ix_(i, i)], at[np.ix_(j, j)]] + gram[at[np.ix_(i, j)], at[np.ix_(j, i)]]
    return np.block([[top, side], [side.T, below * half[:, None] * half]]) / patterns.total


def case_scores(patterns: Patterns, mu: Array, sigma: Array) -> Array:
    """Gradient of the log-likelihood of every single row, not multiplied by its weight.

    Parameters
    ----------
    patterns : Patterns
    mu : ndarray of shape (p,)
    sigma : ndarray of shape (p, p)

    Returns
    -------
    ndarray of shape (rows, p + p (p + 1) / 2)
        In the order of the table; zeros for rows with nothing observed. Times the weights, they sum to
        ``score(...).stacked``; their cross-product over n is the first-order information, the meat of MLR.

    Raises
    ------
    EstimationError
        If sigma is not positive definite.
    """
    e = _need(expect(patterns, mu, sigma, patterns.raw()))
    p = patterns.p
    i, j = vech(p)
    u = e.filled @ e.precision
    out = np.zeros((len(patterns.table), p + len(i)))
    out[patterns.order, :p] = u
    for some, a in e.inverses():
        rows = slice(e.rows.start[some.start], e.rows.start[some.stop])
        flat = np.repeat(a[:, i, j], np.diff(e.rows.start[some.start : some.stop + 1]), axis=0)
        out[patterns.order[rows], p:] = 0.5 * duplication_rows(p) * (u[rows][:, i] * u[rows][:, j] - flat)
    return out


def complete(patterns: Patterns, mu: Array, sigma: Array) -> Array:
    """Return the table with every missing value replaced by its expectation given the observed ones of its row.

    Parameters
    ----------
    patterns : Patterns
    mu : ndarray of shape (p,)
    sigma : ndarray of shape (p, p)

    Returns
    -------
    ndarray of shape (rows, p)
        Rows with nothing observed are the mean. Regression factor scores of incomplete rows are the usual formula
        applied to these rows, because inv(sigma) times the completed deviation is inv(sigma_oo) times the observed.

    Raises
    ------
    EstimationError
        If sigma is not positive definite.
    """
    e = _need(expect(patterns, mu, sigma, patterns.raw()))
    out = np.tile(mu, (len(patterns.table), 1))
    out[patterns.order] += e.filled
    return np.where(np.isnan(patterns.table), out, patterns.table)


@dataclass(frozen=True, eq=False)
class Expected:
    """The E step at given moments: rows completed, with what the patterns have in common."""

    patterns: Patterns
    rows: Rows
    precision: Array
    logdet: Array  # of sigma_oo, by pattern
    conditional: tuple[Array, ...]  # covariance of the missing given the observed, by block
    filled: Array  # completed deviations from the mean
    square: Array  # z' inv(sigma_oo) z, by row

    def loglik(self) -> float:
        """Log-likelihood of all rows."""
        n = self.patterns.n
        values = float(n @ self.patterns.observed.sum(axis=1))
        return -0.5 * (values * _LOG_2PI + float(n @ self.logdet) + float(self.rows.mass @ self.square))

    def sums(self) -> tuple[Array, Array]:
        """Expected sums of deviations and of their products."""
        p = self.patterns.p
        first = (self.rows.mass * self.rows.raw) @ self.filled
        second = (self.filled * self.rows.mass[:, None]).T @ self.filled
        for block, c in zip(self.patterns.blocks, self.conditional, strict=True):
            cell = block.missing[:, :, None] * p + block.missing[:, None, :]
            mass = self.patterns.n[block.patterns, None, None] * c
            second += np.bincount(cell.ravel(), weights=mass.ravel(), minlength=p * p).reshape(p, p)
        return first, second

    def inverses(self) -> Iterator[tuple[slice, Array]]:
        """Inverses of sigma_oo, zero where missing, for some patterns at a time."""
        k, p = self.precision, self.patterns.p
        size = max(1, int(_BLOCK_BYTES / (8 * p * p)))
        for block, c in zip(self.patterns.blocks, self.conditional, strict=True):
            for begin in range(0, len(c), size):
                missing = block.missing[begin : begin + size]
                across = k[missing]
                a = k - np.swapaxes(across, 1, 2) @ c[begin : begin + size] @ across
                line = np.arange(len(a))[:, None]
                a[line, missing] = 0.0
                a[line, :, missing] = 0.0
                first = block.patterns.start + begin
                yield slice(first, first + len(a)), a


def expect(patterns: Patterns, mu: Array, sigma: Array, rows: Rows) -> Expected | None:
    """The E step; None where sigma is not positive definite."""
    try:
        factor = np.linalg.cholesky(sigma)
    except np.linalg.LinAlgError:
        return None
    diagonal = np.diag(factor)
    if not np.isfinite(diagonal).all():
        return None
    root = np.linalg.inv(factor)
    precision = root.T @ root
    z = rows.values - rows.location * mu
    v = z @ precision
    square = (z * v).sum(axis=1)
    logdet = np.full(len(patterns.n), 2 * np.log(diagonal).sum())
    conditional = []
    for block in patterns.blocks:
        missing = block.missing
        try:
            inner = np.linalg.cholesky(precision[missing[:, :, None], missing[:, None, :]])
        except np.linalg.LinAlgError:
            return None
        root = np.linalg.inv(inner)
        c = np.swapaxes(root, 1, 2) @ root
        conditional.append(c)
        logdet[block.patterns] += 2 * np.log(np.diagonal(inner, axis1=1, axis2=2)).sum(axis=1)
        part = slice(rows.start[block.patterns.start], rows.start[block.patterns.stop])
        at = np.repeat(np.arange(len(c)), np.diff(rows.start[block.patterns.start : block.patterns.stop + 1]))
        line, where = np.arange(part.start, part.stop)[:, None], missing[at]
        vm = v[line, where]
        fill = -np.einsum("rij,rj->ri", c[at], vm)
        z[line, where] = fill
        square[part] += (fill * vm).sum(axis=1)
    return Expected(patterns, rows, precision, logdet, tuple(conditional), z, square)


def _need(e: Expected | None) -> Expected:
    """Refuse moments at which there is no likelihood."""
    if e is None:
        raise EstimationError("The covariance matrix is not positive definite, so its likelihood does not exist.")
    return e
