"""Sample moments of ordinal and mixed data: thresholds, latent correlations and their asymptotic covariance.

Every ordered variable is a standard normal response seen through thresholds. Stage one estimates thresholds, means
and variances one variable at a time; stage two the correlation of each pair, the first stage held fixed. The
covariance of both stages together comes from case-wise scores, as in the weighted least squares estimators
(WLSMV, ULSMV, DWLS, WLS) of lavaan and Mplus.

Source: Muthén (1984), Psychometrika 49(1); in the form of Muthén and Satorra (1995), Psychometrika 60(4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, listed
from .design import Units
from .stages import Stage1, Stage2

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class OrdinalMoments:
    """Thresholds, means, variances and latent correlations, with their asymptotic covariance.

    Attributes
    ----------
    levels : tuple of ndarray
        Sorted values of each ordered variable; empty for a continuous one.
    thresholds : tuple of ndarray
        One fewer than the levels; empty for a continuous variable.
    means, variances : ndarray of shape (p,)
        Of the latent responses: 0 and 1 for ordered variables, the maximum likelihood estimates (divisor: sum of
        weights) for continuous ones.
    cor : ndarray of shape (p, p)
        Covariance matrix of the latent responses: polychoric correlations, polyserial correlations times the
        standard deviation, Pearson covariances.
    stats : ndarray of shape (s,)
        All statistics in lavaan's order: thresholds and negated means by variable; variances of the continuous
        variables; the lower triangle of `cor` without its diagonal, column by column.
    kind : ndarray of shape (s,)
        What each entry of `stats` is: ``"threshold"``, ``"mean"``, ``"variance"``, ``"covariance"``, and given observed
        predictors ``"slope"``.
    row, col : ndarray of shape (s,)
        Number of the variable, and of the threshold (from 0), or of the second variable; both are the variable itself
        for a mean or a variance.
    gamma : ndarray of shape (s, s) or None
        Asymptotic covariance of sqrt(n) times `stats` (lavaan's NACOV); None unless asked for.
    gamma_diagonal : ndarray of shape (s,) or None
        Its diagonal, which is all that DWLS estimation needs; None if no covariance was asked for.
    influence : ndarray of shape (units, s) or None
        What each sampling unit adds to `stats`, where units are shared with other groups; its cross-product times n
        is `gamma`.
    n : int
        Rows used.
    dropped : int
        Rows left out because of missing values.
    empty_cells : tuple of (int, int)
        Pairs of ordered variables whose two-way table has an empty cell.
    extreme : tuple of (int, int)
        Pairs whose correlation is beyond 0.99 in absolute value.
    """

    levels: tuple[Array, ...]
    thresholds: tuple[Array, ...]
    means: Array
    variances: Array
    cor: Array
    stats: Array
    kind: NDArray[np.str_]
    row: Index
    col: Index
    gamma: Array | None
    gamma_diagonal: Array | None
    n: int
    dropped: int
    empty_cells: tuple[tuple[int, int], ...]
    extreme: tuple[tuple[int, int], ...]
    influence: Array | None = None


def ordinal_moments(
    x: Array,
    ordered: NDArray[np.bool_],
    weights: Array | None = None,
    missing: Literal["listwise", "pairwise"] = "listwise",
    *,
    names: Sequence[str] | None = None,
    levels: Sequence[Array | None] | None = None,
    units: Units | None = None,
    covariance: Literal["full", "diagonal", "none"] = "full",
) -> OrdinalMoments:
    """Estimate the moments of ordered and continuous variables in two stages.

    Parameters
    ----------
    x : ndarray of shape (n, p)
        The data; NaN is a missing value. Any numbers serve as codes of an ordered variable: only their order counts.
    ordered : ndarray of bool, shape (p,)
        Which variables are ordered.
    weights : ndarray of shape (n,), optional
        Sampling weights of the rows, any positive scale; rows with weight zero do not count.
    missing : {"listwise", "pairwise"}, default "listwise"
        Use the rows with every value, or for each statistic the rows that have what it needs.
    names : sequence of str, optional
        What to call the variables in messages; otherwise ``column 1`` and so on.
    levels : sequence of ndarray or None, optional
        The values an ordered variable can take, where they are known from elsewhere, such as the other groups.
    units : Units, optional
        Sampling units of the rows, in clusters and strata: the asymptotic covariance is then that of the design.
    covariance : {"full", "diagonal", "none"}, default "full"
        How much of the asymptotic covariance to compute.

    Returns
    -------
    OrdinalMoments

    Raises
    ------
    DataError
        No usable rows; an ordered variable with one category, or without any answer in one of its `levels`; a
        continuous variable that does not vary; two variables never seen together, or in perfect order; bad weights.

    Notes
    -----
    With s_1 the scores of stage one and s_2 those of the correlations, the influence of a row on stage one is
    A11^-1 s_1, and on stage two A22^-1 (s_2 - A21 A11^-1 s_1), where A11, A21 and A22 are weighted sums of products
    of scores, A11 block diagonal by variable and A22 diagonal; `gamma` is n times the sum of squares of the weighted
    influences. A continuous variable with two values has a singular block in A11; it takes its expected Hessian.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> f = rng.normal(size=(2000, 1))
    >>> y = np.digitize(0.8 * f + 0.6 * rng.normal(size=(2000, 3)), [-1, 0, 1])
    >>> moments = ordinal_moments(y, np.array([True, True, True]))
    >>> moments.cor[0, 1].round(1), len(moments.stats), moments.gamma.shape
    (np.float64(0.6), 12, (12, 12))
    """
    x = np.asarray(x, dtype=float)
    ordered = np.asarray(ordered, dtype=bool)
    name = tuple(names) if names is not None else tuple(f"column {i + 1}" for i in range(x.shape[1]))
    w = checked_weights(weights, len(x))
    blank = np.isnan(x)
    gone = np.asarray(blank.any(axis=1) if missing == "listwise" else blank.all(axis=1))
    use = ~gone & (w > 0)
    x, w = x[use], w[use]
    if len(x) < 2:
        raise DataError(
            f"Only {len(x)} of {len(gone)} rows can be used for the moments of {listed(name)}: {int(gone.sum())} "
            f"have missing values and {int((~gone & ~use).sum())} weight zero, but two are needed at least."
        )
    first = Stage1.of(x, ordered, w, name, levels)
    second = Stage2.of(first, name, scores=covariance != "none")

    p = len(ordered)
    sd = np.sqrt(first.variances)
    cor = np.eye(p)
    cor[second.row, second.col] = cor[second.col, second.row] = second.rho
    cov = cor * np.outer(sd, sd)
    th_row, th_col, is_mean = first.layout()
    continuous = np.flatnonzero(~ordered)
    statistics = -first.means[th_row]
    statistics[~is_mean] = first.tau[first.slot[th_row[~is_mean]], th_col[~is_mean]]
    kind = np.where(is_mean, "mean", "threshold").tolist()
    kind += ["variance"] * len(continuous) + ["covariance"] * len(second.row)

    full = diagonal = influence = None
    if covariance != "none":
        influence = _influence(first, second, sd)
        if units is not None:
            influence = replace(units, row=units.row[use]).totals(influence)
        diagonal = len(x) * np.einsum("ns,ns->s", influence, influence)
        full = len(x) * (influence.T @ influence) if covariance == "full" else None

    pairs = list(zip(second.row.tolist(), second.col.tolist(), strict=True))
    return OrdinalMoments(
        levels=first.levels,
        thresholds=tuple(
            first.tau[k, : len(values) - 1] if len(values) else np.empty(0)
            for k, values in zip(first.slot, first.levels, strict=True)
        ),
        means=first.means,
        variances=first.variances,
        cor=cov,
        stats=np.concatenate([statistics, first.variances[continuous], cov[second.row, second.col]]),
        kind=np.array(kind),
        row=np.concatenate([th_row, continuous, second.row]),
        col=np.concatenate([np.where(is_mean, th_row, th_col), continuous, second.col]),
        gamma=full,
        gamma_diagonal=diagonal,
        n=len(x),
        dropped=int(gone.sum()),
        empty_cells=tuple(pair for pair, flag in zip(pairs, second.empty, strict=True) if flag),
        extreme=tuple(pair for pair, r in zip(pairs, second.rho, strict=True) if abs(r) > 0.99),
        influence=influence if units is not None and units.shared else None,
    )


def checked_weights(weights: Array | None, n: int) -> Array:
    """Weights as an array of n non-negative numbers, not all zero."""
    if weights is None:
        return np.ones(n)
    w = np.asarray(weights, dtype=float)
    if w.shape != (n,):
        raise DataError(f"There are {len(w)} weights for {n} rows: give one weight per row.")
    bad = int((~np.isfinite(w) | (w < 0)).sum())
    if bad:
        raise DataError(f"{bad} of {n} weights are negative or missing: every row needs a weight of zero or more.")
    if not w.any():
        raise DataError("All weights are zero: no row counts.")
    return w


def _influence(first: Stage1, second: Stage2, sd: Array) -> Array:
    """Weighted influence of every row on all statistics, in the order and with the signs of `stats`."""
    w = first.w[:, None]
    one = np.linalg.solve(first.a11, first.score.T).T
    two = (second.score - one @ second.a21.T) / second.a22
    _, mean, variance = first.columns()
    i, j = second.row, second.col
    two *= sd[i] * sd[j]  # from correlations to covariances: the delta method
    for own, other in ((i, j), (j, i)):
        pair = np.flatnonzero(~first.ordered[own])
        k = first.slot[own[pair]]
        two[:, pair] += one[:, variance[k]] * (second.rho[pair] * sd[other[pair]] / (2 * sd[own[pair]]))
    one[:, mean] *= -1
    return w * np.concatenate([one, two], axis=1)
