"""Full-information maximum likelihood as a discrepancy: -2 (loglik - saturated loglik) / n."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import missing
from .matrices import Block, Products, curvature, gather, gather_square, move, state
from .objective import Derivatives, expand, jacobian_of
from .patterns import Patterns
from .saturated import Saturated
from .table import Table

Array = NDArray[Any]

__all__ = ["Incomplete", "available_moments"]


class Incomplete:
    """Likelihood of rows with missing values, group by group.

    Parameters
    ----------
    table : Table
    blocks : sequence of Block
    patterns : sequence of Patterns
    saturated : sequence of Saturated
        The unrestricted moments, whose likelihood is the zero of the discrepancy.
    base : ndarray of shape (rows,)
        Fixed values.
    """

    def __init__(
        self,
        table: Table,
        blocks: Sequence[Block],
        patterns: Sequence[Patterns],
        saturated: Sequence[Saturated],
        base: Array,
    ) -> None:
        self.table, self.blocks, self.patterns, self.saturated, self.base = table, blocks, patterns, saturated, base
        self.n = sum(p.total for p in patterns)

    def value(self, x: Array) -> float:
        """Return the discrepancy, infinite where the model has no moments."""
        values = expand(self.table, self.base, x)
        total = 0.0
        for block, patterns, top in zip(self.blocks, self.patterns, self.saturated, strict=True):
            s, p = state(block, values), block.p
            total += top.loglik - missing.loglik(patterns, s.mean[:p], s.cov[:p, :p])
        return 2 * total / self.n

    def derivatives(self, x: Array) -> Derivatives | None:
        """Return value, gradient and a Gauss-Newton matrix: the information of the unrestricted moments, by the model."""
        values = expand(self.table, self.base, x)
        total, gradient, scoring = 0.0, np.zeros(len(x)), np.zeros((len(x), len(x)))
        parts = zip(self.blocks, self.patterns, self.saturated, self.saturated_information, strict=True)
        for block, patterns, top, weight in parts:
            s, p = state(block, values), block.p
            mu, sigma = s.mean[:p], s.cov[:p, :p]
            found = missing.score(patterns, mu, sigma)
            if not np.isfinite(found.loglik):
                return None
            j = jacobian_of(block, move(block, s), True)
            total += top.loglik - found.loglik
            gradient -= gather(block, found.stacked @ j)
            scoring += gather_square(block, j.T @ weight @ j) * patterns.total
        return Derivatives(2 * total / self.n, 2 * gradient / self.n, 2 * scoring / self.n)

    @cached_property
    def saturated_information(self) -> list[Array]:
        """Information about the moments of each group at the unrestricted ones, the same in every step."""
        return [
            missing.information(p, top.mean, top.cov, "expected")
            for p, top in zip(self.patterns, self.saturated, strict=True)
        ]

    def expected(self, x: Array) -> Array:
        """Return the expected unit information about the parameters, (q, q)."""
        values = expand(self.table, self.base, x)
        out = np.zeros((len(x), len(x)))
        for block, patterns in zip(self.blocks, self.patterns, strict=True):
            s, p = state(block, values), block.p
            j = jacobian_of(block, move(block, s), True)
            info = missing.information(patterns, s.mean[:p], s.cov[:p, :p], "expected")
            out += gather_square(block, j.T @ info @ j) * patterns.total
        return out / self.n

    def hessian(self, x: Array) -> Array:
        """Return the exact second derivatives."""
        values = expand(self.table, self.base, x)
        out = np.zeros((len(x), len(x)))
        for block, patterns in zip(self.blocks, self.patterns, strict=True):
            s, p = state(block, values), block.p
            mu, sigma = s.mean[:p], s.cov[:p, :p]
            found = missing.score(patterns, mu, sigma)
            m = move(block, s)
            j = jacobian_of(block, m, True)
            info = missing.information(patterns, mu, sigma, "observed")
            by_cov = Products.of(m.pairs[:p], found.sigma)
            bent = j.T @ info @ j * patterns.total - curvature(block, s, m, by_cov, found.mu)
            out += gather_square(block, bent)
        return 2 * out / self.n

    def case_scores(self, x: Array) -> list[Array]:
        """Gradient of the log-likelihood of every row by group, (rows, q), not multiplied by weights."""
        values = expand(self.table, self.base, x)
        out = []
        for block, patterns in zip(self.blocks, self.patterns, strict=True):
            s, p = state(block, values), block.p
            scores = missing.case_scores(patterns, s.mean[:p], s.cov[:p, :p])
            out.append(gather(block, scores @ jacobian_of(block, move(block, s), True)))
        return out

    def saturated_scores(self) -> list[Array]:
        """Gradient of every row with respect to (mu, vech sigma) at the unrestricted moments, by group."""
        return [
            missing.case_scores(p, top.mean, top.cov) for p, top in zip(self.patterns, self.saturated, strict=True)
        ]


def available_moments(x: Array) -> tuple[Array, Array]:
    """Means of what was answered, and covariances of what was answered together.

    Parameters
    ----------
    x : ndarray of shape (n, p)

    Returns
    -------
    mean : ndarray of shape (p,)
    cov : ndarray of shape (p, p)
        Each about the means of its own pairs, divisor pairs - 1, times (n - 1) / n; NaN where no row has both.

    Notes
    -----
    Biased unless answers are missing completely at random, where the saturated likelihood is not; lavaan's goodness of
    fit index of incomplete data is about these moments.

    Examples
    --------
    >>> mean, cov = available_moments(np.array([[1.0, 2.0], [3.0, np.nan], [2.0, 6.0]]))
    >>> mean, cov[1, 0].round(3)
    (array([2., 4.]), np.float64(1.333))
    """
    seen = (~np.isnan(x)).astype(float)
    filled = np.where(seen > 0, x, 0.0)
    n = seen.T @ seen
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = filled.sum(axis=0) / np.diagonal(n)
        z = (filled - centre) * seen
        means = z.T @ seen / n
        cov = (z.T @ z / n - means * means.T) * n / (n - 1)
    return centre, cov * (1 - 1 / len(x))
