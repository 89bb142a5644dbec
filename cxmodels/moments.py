"""Weighted means and covariances of one table, for many weightings at once.

Every structural model of the package starts here. A bootstrap replicate is a weighting of the rows, so a
thousand replicates are a thousand weightings, and their moments come from one matrix product.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Missing = Literal["complete", "mean", "pairwise"]

_BLOCK_BYTES = 48e6  # products of item pairs are formed for this many bytes of rows at a time
_NOISE = 1e-12  # a variance this small against the mean square is what rounding leaves of equal values


class WeightedMoments:
    """Means and covariances of a table under any number of row weightings.

    Parameters
    ----------
    x : ndarray of shape (n, p)
        The data. NaN is a missing value.
    missing : {"complete", "mean", "pairwise"}
        What a NaN means. ``"complete"``: there is none. ``"mean"``: it takes the weighted mean of its column,
        anew in every weighting, so it adds nothing to any covariance. ``"pairwise"``: every covariance uses
        the rows that have both values, about the means of those rows.

    Notes
    -----
    With weights g scaled to sum to n, the covariance is sum g (x - m)(x - m)' / (n - 1), m the weighted mean:
    whole-number weights give the moments of the table with rows repeated, up to that divisor. Under
    ``"pairwise"`` the divisor is the share of weight that has both values, times n, less that share.

    Columns are centred and scaled once, so that no digits are lost for large means.
    """

    def __init__(self, x: Array, missing: Missing = "complete") -> None:
        self.missing = missing
        self.n, self.p = x.shape
        x = np.ascontiguousarray(x)  # the order in memory decides how sums are rounded
        with np.errstate(over="ignore", invalid="ignore"):
            if missing == "complete":
                self.center = x.mean(axis=0)
                z = x - self.center
                self.observed = None
            else:
                self.observed = ~np.isnan(x)
                count = np.maximum(self.observed.sum(axis=0), 1)
                self.center = np.where(self.observed, x, 0.0).sum(axis=0) / count
                z = np.where(self.observed, x - self.center, 0.0)
            norm = np.sqrt((z * z).mean(axis=0))
            self.scale = np.where(norm > 0, norm, 1.0)
            self.z = z / self.scale
        self.rows, self.cols = np.triu_indices(self.p)

    def __call__(self, weights: Array | None = None) -> tuple[Array, Array]:
        """Return the moments under each weighting.

        Parameters
        ----------
        weights : ndarray of shape (b, n), optional
            One weighting of the rows per line, any positive scale. Without it: one line of ones.

        Returns
        -------
        means : ndarray of shape (b, p)
        cov : ndarray of shape (b, p, p)
            NaN where a weighting leaves nothing to compute from, as for an item with one value only.
        """
        if weights is None:
            weights = np.ones((1, self.n))
        with np.errstate(invalid="ignore", divide="ignore"):
            g = weights / weights.sum(axis=1, keepdims=True)
            mean, cov = self._complete(g) if self.observed is None else self._incomplete(g)
            cov = cov * (self.scale[:, None] * self.scale)
        return self.center + mean * self.scale, cov

    def answered_together(self) -> NDArray[np.intp]:
        """Return how many rows have both of two columns, (p, p)."""
        o = np.ones((self.n, self.p)) if self.observed is None else self.observed.astype(float)
        return (o.T @ o).astype(np.intp)

    def _complete(self, g: Array) -> tuple[Array, Array]:
        """Mean and covariance on the internal scale; g sums to one in each line."""
        if len(g) == 1:  # a point estimate: no need to form the products of all pairs
            mean = g @ self.z
            d = self.z - mean
            cov = (d.T @ (d * g[0][:, None]))[None]
            square = g @ (self.z * self.z)
        else:
            mean = g @ self.z
            cov = self._pairs(g, self.z, self.z, symmetric=True)
            square = np.diagonal(cov, axis1=1, axis2=2).copy()
            cov -= mean[:, :, None] * mean[:, None, :]
        return mean, _known(cov, square) * (self.n / (self.n - 1))

    def _incomplete(self, g: Array) -> tuple[Array, Array]:
        """Mean and covariance on the internal scale when some values are missing."""
        o = self.observed.astype(float)  # type: ignore[union-attr]
        share = g @ o
        mean = (g @ self.z) / share
        both = self._pairs(g, o, o, symmetric=True)  # share of weight with i and j
        cross = self._pairs(g, self.z, o)  # sum of z_i over rows that have j
        square = self._pairs(g, self.z, self.z, symmetric=True)
        crosst = np.swapaxes(cross, 1, 2)
        diagonal = np.diagonal(square, axis1=1, axis2=2)
        if self.missing == "mean":
            mi, mj = mean[:, :, None], mean[:, None, :]
            cov = square - mi * crosst - mj * cross + mi * mj * both
            return mean, _known(cov, diagonal) * (self.n / (self.n - 1))
        cov = _known(square / both - cross * crosst / both**2, diagonal / share)
        rows = both * self.n
        return mean, cov * np.where(rows > 1, rows / (rows - 1), np.nan)

    def _pairs(self, g: Array, a: Array, b: Array, symmetric: bool = False) -> Array:
        """Sum over rows of g a_i b_j, for every line of g, as an array (lines, p, p)."""
        rows, cols = (self.rows, self.cols) if symmetric else np.divmod(np.arange(self.p**2), self.p)
        step = max(1, int(_BLOCK_BYTES / (8 * len(rows))))
        flat = np.zeros((len(g), len(rows)))
        for start in range(0, self.n, step):
            part = slice(start, start + step)
            flat += g[:, part] @ (a[part][:, rows] * b[part][:, cols])
        out = np.empty((len(g), self.p, self.p))
        out[:, rows, cols] = flat
        if symmetric:
            out[:, cols, rows] = flat
        return out


def _known(cov: Array, square: Array) -> Array:
    """Blank the covariances of items without variance: what is left there is rounding error of the mean square."""
    nothing = np.diagonal(cov, axis1=1, axis2=2) <= _NOISE * square
    if nothing.any():
        cov = np.where(nothing[:, :, None] | nothing[:, None, :], np.nan, cov)
    return cov
