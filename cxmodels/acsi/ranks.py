"""Ranks with their uncertainty, and groups of units that cannot be told apart.

A rank by itself hides that neighbours differ by less than their sampling error. The interval of a unit's rank counts
the units that are significantly above and below it (Mogstad, Romano, Shaikh and Wilhelm 2024, Review of Economic
Studies 91, sec. 3, with Holm's step-down in place of their bootstrap): with probability `level` at least, no pair is
ordered wrongly, so that the true rank lies inside.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from ..inference import adjusted_pvalues
from ..resampling import check_level

Array = NDArray[np.float64]


def rank_table(y: ArrayLike, se: ArrayLike, *, level: float = 0.95, joint: bool = False) -> pd.DataFrame:
    """Rank units, the highest first, with an interval for each rank and groups of ties.

    Parameters
    ----------
    y : array-like of shape (n,)
        Estimates.
    se : array-like of shape (n,)
        Their standard errors; the estimates are independent.
    level : float, default 0.95
        Probability with which the true rank of a unit lies in its interval.
    joint : bool, default False
        Whether the intervals hold for all units together, which makes them wider; by default each holds by itself.

    Returns
    -------
    DataFrame
        One line per unit in the order given: [rank, rank_lower, rank_upper, group]. Equal estimates share the better
        rank. `group` counts from 1: going down the list, a unit that differs significantly (all pairs, Holm) from
        the first of the current group opens the next one.

    Raises
    ------
    DataError
        If lengths differ, or values or standard errors are missing or negative.

    Examples
    --------
    >>> rank_table([80, 79, 60], [1, 1, 1])
       rank  rank_lower  rank_upper  group
    0     1           1           2      1
    1     2           1           2      1
    2     3           3           3      2
    """
    check_level(level)
    value, error = np.asarray(y, dtype=float), np.asarray(se, dtype=float)
    if value.ndim != 1 or value.shape != error.shape:
        raise DataError(f"There are {value.size} estimates and {error.size} standard errors; give one each.")
    if bad := int((~np.isfinite(value) | ~(error >= 0)).sum()):
        raise DataError(f"{bad} estimates or standard errors are missing or negative; such units have no rank.")
    n = len(value)
    p = _pairs(value, error)
    every = _all_pairs(p) < 1 - level
    clear = every if joint else np.array([_row(p[i], i) < 1 - level for i in range(n)]).reshape(n, n)
    above = clear & (value[None, :] > value[:, None])
    below = clear & (value[None, :] < value[:, None])
    rank = 1 + (value[None, :] > value[:, None]).sum(axis=1)
    out = {"rank": rank, "rank_lower": 1 + above.sum(axis=1), "rank_upper": n - below.sum(axis=1)}
    return pd.DataFrame(out | {"group": _groups(value, every)})


def _pairs(y: Array, se: Array) -> Array:
    """Two-sided p-values of all differences."""
    from scipy.special import ndtr

    diff, spread = np.abs(y[:, None] - y[None, :]), np.hypot(se[:, None], se[None, :])
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(spread > 0, diff / spread, np.where(diff > 0, np.inf, 0.0))
    return 2 * ndtr(-z)


def _all_pairs(p: Array) -> Array:
    """Holm's adjustment over every pair of units."""
    i, j = np.triu_indices(len(p), 1)
    out = np.ones_like(p)
    out[i, j] = out[j, i] = adjusted_pvalues(p[i, j], "holm")
    return out


def _row(p: Array, i: int) -> Array:
    """Holm's adjustment over the comparisons of one unit with all others."""
    out = np.ones(len(p))
    others = np.delete(np.arange(len(p)), i)
    out[others] = adjusted_pvalues(p[others], "holm")
    return out


def _groups(y: Array, clear: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Number of the group of ties of each unit."""
    order = np.argsort(-y, kind="stable")
    group, leader, count = np.zeros(len(y), dtype=np.intp), order[0] if len(order) else 0, 1
    for unit in order:
        if clear[leader, unit]:
            leader, count = unit, count + 1
        group[unit] = count
    return group
