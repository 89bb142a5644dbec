"""What the data say: the moments of every group, by rows or given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .design import Units

Array = NDArray[Any]

__all__ = ["Sample", "duplication_rows", "sample_of", "vech"]


@dataclass(frozen=True, eq=False)
class Sample:
    """One group of respondents.

    Attributes
    ----------
    n : float
        Rows, or the weight they stand for.
    mean, cov : ndarray of shape (p,) and (p, p)
        Weighted moments, divisor n.
    x : ndarray of shape (rows, p) or None
        The rows; None if only moments are known.
    weights : ndarray of shape (rows,) or None
        Sampling weights with the scale of `n`.
    units : Units or None
        How the rows were drawn, unless singly.
    fixed : tuple of int
        Predictors whose values are taken as given.
    """

    n: float
    mean: Array
    cov: Array
    x: Array | None = None
    weights: Array | None = None
    units: Units | None = None
    fixed: tuple[int, ...] = ()

    @cached_property
    def centred(self) -> Array:
        """Rows about their mean."""
        assert self.x is not None
        return self.x - self.mean

    @cached_property
    def inverse(self) -> Array:
        """Inverse of the covariance."""
        return np.linalg.inv(self.cov)

    @cached_property
    def logdet(self) -> float:
        """Log determinant of the covariance."""
        return float(np.linalg.slogdet(self.cov)[1])

    def average(self, values: Array) -> Array:
        """Weighted mean over rows."""
        if self.weights is None:
            return values.mean(axis=0)
        return (self.weights / self.weights.sum()) @ values

    def influence(self, means: bool) -> Array:
        """What the sampling units add to the sample moments (mean, vech cov), times the number of rows.

        With fixed predictors less what the predicted values add, which the predictors' own spread accounts for: the
        moments then vary as they do given the predictors.
        """
        z = self.centred
        full = _moment_rows(z, self.average, means)
        if self.fixed:
            at = list(self.fixed)
            slopes = np.linalg.solve(self.cov[np.ix_(at, at)], self.cov[at])
            full = full - _moment_rows(z[:, at] @ slopes, self.average, means)
        if self.weights is not None:
            w = self.weights * (len(z) / self.weights.sum())
            full = full * w[:, None]
        return full if self.units is None else self.units.totals(full)

    def gamma(self, means: bool) -> Array:
        """Asymptotic covariance of the sample moments (mean, vech cov), from fourth moments, divisor n."""
        full = self.influence(means)
        return full.T @ full / len(self.centred)


def sample_of(
    x: Array, weights: Array | None = None, units: Units | None = None, fixed: tuple[int, ...] = ()
) -> Sample:
    """Moments of complete rows; weights as they are."""
    if weights is None:
        n = float(len(x))
        mean = x.mean(axis=0)
        z = x - mean
        return Sample(n, mean, z.T @ z / n, x, None, units, fixed)
    n = float(weights.sum())
    g = weights / n
    mean = g @ x
    z = x - mean
    return Sample(n, mean, z.T @ (z * g[:, None]), x, weights, units, fixed)


def _moment_rows(z: Array, average: Callable[[Array], Array], means: bool) -> Array:
    """Centred rows and their centred products."""
    rows, cols = vech(z.shape[1])
    products = z[:, rows] * z[:, cols]
    products = products - average(products)
    return np.hstack([z, products]) if means else products


@lru_cache(maxsize=64)
def vech(p: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the lower triangle, column by column, as lavaan stacks covariances."""
    cols, rows = np.triu_indices(p)
    cols.flags.writeable = rows.flags.writeable = False
    return rows, cols


def duplication_rows(p: int) -> Array:
    """How often each element of vech stands in the matrix: 1 on the diagonal, 2 off it."""
    rows, cols = vech(p)
    return np.where(rows == cols, 1.0, 2.0)
