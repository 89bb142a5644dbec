"""Indices of small units, drawn towards the mean of their group by as much as their sampling error demands.

The area-level model of Fay and Herriot (1979, JASA 74): an estimate y_i with known sampling variance D_i scatters
about theta_i, and theta_i about the mean of its group with variance tau². The empirical best linear predictor is

    theta_i = B_i mean_g + (1 - B_i) y_i,   B_i = D_i / (tau² + D_i)

with tau² by restricted maximum likelihood. Its mean squared error is g1 + g2 + 2 g3 (Prasad and Rao 1990, JASA 85;
Datta and Lahiri 2000, Statistica Sinica 10): shrinking, estimating the mean, and estimating tau².
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError

Array = NDArray[np.float64]
_STEPS = 200


@dataclass(frozen=True, eq=False)
class Shrunk:
    """Empirical-Bayes estimates of many units.

    Attributes
    ----------
    est, se : ndarray of shape (n,)
        Predictors, and the roots of their mean squared errors.
    share : ndarray of shape (n,)
        B_i, how much of the way to the group's mean each estimate was drawn.
    mean : ndarray of shape (n,)
        Mean of each unit's group.
    tau2 : float
        Variance of the units about the mean of their group.
    """

    est: Array
    se: Array
    share: Array
    mean: Array
    tau2: float


def shrink(y: ArrayLike, se: ArrayLike, groups: ArrayLike | None = None) -> Shrunk:
    """Shrink estimates towards the mean of their group.

    Parameters
    ----------
    y : array-like of shape (n,)
        Estimates of the units.
    se : array-like of shape (n,)
        Their standard errors, taken as known; above zero.
    groups : array-like of shape (n,), optional
        Group of each unit, such as its industry; without it all units are one group. A unit alone in its group has
        nothing to be drawn to and stays as it is.

    Returns
    -------
    Shrunk

    Raises
    ------
    DataError
        If the lengths differ, values are missing, a standard error is not above zero, or no group has two units.

    Examples
    --------
    >>> found = shrink([60.0, 70.0, 80.0], [10.0, 1.0, 1.0])
    >>> [round(float(v), 1) for v in found.est]
    [68.2, 70.0, 79.9]
    """
    value, error = np.asarray(y, dtype=float), np.asarray(se, dtype=float)
    if value.ndim != 1 or value.shape != error.shape:
        raise DataError(f"There are {value.size} estimates and {error.size} standard errors; give one each.")
    if bad := int((~np.isfinite(value) | ~np.isfinite(error)).sum()):
        raise DataError(f"{bad} estimates or standard errors are missing; leave those units out first.")
    if bad := int((error <= 0).sum()):
        raise DataError(f"{bad} standard errors are not above zero; such a unit has no sampling error to shrink by.")
    labels = np.zeros(len(value), dtype=np.intp) if groups is None else np.asarray(groups, dtype=object)
    if len(labels) != len(value):
        raise DataError(f"There are {len(labels)} group labels for {len(value)} units; give one each.")
    code = _codes(labels)
    if len(value) <= code.max(initial=-1) + 1:
        raise DataError("No group has two units, so nothing says how much units differ.")
    d = error**2
    tau2 = _reml(value, d, code)
    w = 1 / (tau2 + d)
    total = np.bincount(code, w)
    mean = (np.bincount(code, w * value) / total)[code]
    b = d * w
    g1, g2 = tau2 * b, b**2 / total[code]
    g3 = b**2 * w * 2 / (w**2).sum()
    alone = np.bincount(code)[code] == 1
    est = np.where(alone, value, b * mean + (1 - b) * value)
    mse = np.where(alone, d, g1 + g2 + 2 * g3)
    return Shrunk(est, np.sqrt(mse), np.where(alone, 0.0, b), mean, tau2)


def _codes(labels: NDArray) -> NDArray[np.intp]:
    """Groups numbered in order of first appearance."""
    seen: dict[object, int] = {}
    return np.array([seen.setdefault(v, len(seen)) for v in labels.tolist()], dtype=np.intp)


def _reml(y: Array, d: Array, code: NDArray[np.intp]) -> float:
    """Between-unit variance about group means by restricted maximum likelihood: bisection on its score.

    With P the projection that takes the means out, the score is (y'PPy - tr P) / 2; zero, or the boundary 0.
    """

    def score(tau2: float) -> float:
        w = 1 / (tau2 + d)
        total, square = np.bincount(code, w), np.bincount(code, w**2)
        mean = np.bincount(code, w * y) / total
        return float(((w * (y - mean[code])) ** 2).sum() - (total - square / total).sum())

    if score(0.0) <= 0:
        return 0.0
    low, high = 0.0, float(y.var() + d.max())
    while score(high) > 0:
        low, high = high, 2 * high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if score(middle) > 0 else (low, middle)
        if high - low < 1e-12 * high:
            break
    return (low + high) / 2
