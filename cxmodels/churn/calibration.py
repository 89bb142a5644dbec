"""The sigmoid between a model's log-odds and the probability, learned from rows held out in turn.

Every row's log-odds come from a model that did not see the row, so the sigmoid is learned from all rows and none is
spent on calibration alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEAST_SLOPE = 0.05


@dataclass(frozen=True, eq=False)
class Sigmoid:
    """Calibrated log-odds are ``intercept + slope * log-odds``.

    Parameters
    ----------
    intercept, slope : float
        Maximum likelihood estimates (Platt).
    covariance : ndarray of shape (2, 2)
        Of intercept and slope.
    """

    intercept: float = 0.0
    slope: float = 1.0
    covariance: Array = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.covariance is None:
            object.__setattr__(self, "covariance", np.zeros((2, 2)))

    def logits(self, raw: Array) -> Array:
        """Calibrated log-odds."""
        return self.intercept + self.slope * raw

    def variance(self, raw: Array) -> Array:
        """Sampling variance of the calibrated log-odds at fixed raw ones."""
        v = self.covariance
        return v[0, 0] + 2 * v[0, 1] * raw + v[1, 1] * raw**2


def fit_sigmoid(raw: Array, y: NDArray[Any], w: Array) -> Sigmoid:
    """Platt's sigmoid by Newton steps.

    The targets are his ``(N1 + 1) / (N1 + 2)`` and ``1 / (N0 + 2)`` in place of 1 and 0, which keeps the slope finite where the
    score separates the classes (Platt 1999, Advances in Large Margin Classifiers, pages 61-74; Lin, Lin & Weng 2007).

    Parameters
    ----------
    raw : ndarray of shape (n,)
        Log-odds of rows held out.
    y : ndarray of shape (n,)
        0 or 1.
    w : ndarray of shape (n,)
        Weights.

    Returns
    -------
    Sigmoid

    Examples
    --------
    >>> import numpy as np
    >>> raw = np.repeat([-2.0, 0.0, 2.0], 1000)  # of 1000 customers each leave 269, 500 and 731: half as steep
    >>> y = np.concatenate([np.arange(1000) < n for n in (269, 500, 731)]).astype(int)
    >>> round(fit_sigmoid(raw, y, np.ones(3000)).slope, 2)
    0.5
    """
    ones, zeros = w[y == 1].sum(), w[y == 0].sum()
    target = np.where(y == 1, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    X = np.column_stack([np.ones(len(raw)), raw])
    b = np.array([np.log((ones + 1) / (zeros + 1)), 0.0])
    value = _loss(X @ b, target, w)
    information = np.eye(2)
    for _ in range(100):
        eta = X @ b
        p = 1 / (1 + np.exp(-np.clip(eta, -500, 500)))
        gradient = X.T @ (w * (p - target))
        information = (X * (w * p * (1 - p))[:, None]).T @ X + 1e-10 * np.eye(2)
        step, size = np.linalg.solve(information, -gradient), 1.0
        while (new := _loss(X @ (b + size * step), target, w)) > value + 1e-12 * abs(value) and size > 1e-8:
            size /= 2
        b, value = b + size * step, new
        if np.abs(size * step).max() < 1e-10:
            break
    if b[1] < LEAST_SLOPE:  # a score without value keeps its order, near the overall rate
        b = np.array([np.log((ones + 1) / (zeros + 1)) - LEAST_SLOPE * (w @ raw) / w.sum(), LEAST_SLOPE])
    return Sigmoid(float(b[0]), float(b[1]), np.linalg.inv(information).astype(float))


def _loss(eta: Array, target: Array, w: Array) -> float:
    return float(w @ (np.logaddexp(0, eta) - target * eta))
