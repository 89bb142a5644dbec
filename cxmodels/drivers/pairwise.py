"""Correlations under many weightings of the rows, also where each comes from rows of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_BLOCK = 6_000_000  # products held at a time


class PairwiseCorrelations:
    """Pearson correlations of the rows that have both columns, under any number of weightings.

    Parameters
    ----------
    x : ndarray of shape (n, p)
        NaN is a missing value.
    """

    def __init__(self, x: Array) -> None:
        seen = ~np.isnan(x)
        center = np.nanmean(x, axis=0)
        scale = np.nanstd(x, axis=0)
        self.z = np.where(seen, (x - center) / np.where(scale > 0, scale, 1.0), 0.0)
        self.o = seen.astype(float)

    def __call__(self, weights: Array) -> Array:
        """Return the correlations under each weighting.

        Parameters
        ----------
        weights : ndarray of shape (b, n)

        Returns
        -------
        ndarray of shape (b, p, p)
            NaN where no row has both, or one does not vary among those.
        """
        both = self._sums(weights, self.o, self.o)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self._sums(weights, self.z, self.o) / both
            square = self._sums(weights, self.z**2, self.o) / both
            product = self._sums(weights, self.z, self.z) / both
            variance = square - mean**2
            variance = np.where(variance > 1e-12 * square, variance, np.nan)
            across = np.swapaxes(variance, 1, 2)
            out = (product - mean * np.swapaxes(mean, 1, 2)) / np.sqrt(variance * across)
        i = np.arange(out.shape[1])
        out[:, i, i] = np.where(np.isnan(out[:, i, i]), np.nan, 1.0)
        return out

    def _sums(self, weights: Array, a: Array, b: Array) -> Array:
        """Weighted sums of a_i b_j over the rows, (lines, p, p)."""
        n, p = a.shape
        out = np.zeros((len(weights), p * p))
        step = max(1, _BLOCK // (p * p))
        for start in range(0, n, step):
            part = slice(start, start + step)
            out += weights[:, part] @ (a[part, :, None] * b[part, None, :]).reshape(-1, p * p)
        return out.reshape(-1, p, p)


def correlations(cov: Array) -> Array:
    """Turn covariance matrices into correlations; NaN where a column does not vary.

    Parameters
    ----------
    cov : ndarray of shape (b, q, q)

    Returns
    -------
    ndarray of shape (b, q, q)
    """
    sd = np.sqrt(np.diagonal(cov, axis1=1, axis2=2))
    with np.errstate(invalid="ignore", divide="ignore"):
        out = cov / (sd[:, :, None] * sd[:, None, :])
    i = np.arange(cov.shape[1])
    out[:, i, i] = np.where(np.isnan(out[:, i, i]), np.nan, 1.0)
    return out
