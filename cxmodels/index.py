"""The formulas of the 0-100 index of a construct, and of impacts between such indices.

For a construct with items i on scales [lo_i, hi_i] and unstandardised outer weights w_i (the weights of raw
items; for a standardised solution w_std,i / sd(x_i)), with v_i = w_i / sum(w):

    score of respondent r    s_r = 100 (sum v_i x_ri - sum v_i lo_i) / (sum v_i hi_i - sum v_i lo_i)
    index of the construct   I   = mean of s_r = the same with means in place of x_ri
    unstandardised path      b   = b_std sd(s_outcome) / sd(s_predictor)
    impact of a driver       total effect of the unstandardised paths, per point of the driver's index

Sources: Fornell, Johnson, Anderson, Cha and Bryant (1996), Journal of Marketing 60(4), 7-18, for the index;
Ringle and Sarstedt (2016), Industrial Management & Data Systems 116(9), for importance and performance.

All functions take stacks: means (b, p), covariances (b, p, p), weights (b, p, j).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataError, SpecError, listed, near

Array = NDArray[np.float64]
Scale = tuple[float, float] | Mapping[str, tuple[float, float]] | None


def normalized_weights(raw_weights: Array) -> Array:
    """Weights of raw items divided by their sum over each construct, v_i = w_i / sum(w).

    Parameters
    ----------
    raw_weights : ndarray of shape (..., p, j)
        Unstandardised outer weights, zero outside the blocks.

    Returns
    -------
    ndarray of the same shape
        Columns sum to one.

    Examples
    --------
    >>> normalized_weights(np.array([[1.0], [3.0]])).ravel()
    array([0.25, 0.75])
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return raw_weights / raw_weights.sum(axis=-2, keepdims=True)


def index(means: Array, v: Array, lo: Array, hi: Array) -> Array:
    """Index of each construct, 0-100.

    Parameters
    ----------
    means : ndarray of shape (..., p)
        Item means, or the answers of respondents: then the result is their scores.
    v : ndarray of shape (..., p, j)
        Normalised weights.
    lo, hi : ndarray of shape (p,)
        Ends of each item's scale.

    Returns
    -------
    ndarray of shape (..., j)

    Examples
    --------
    >>> index(np.array([5.5, 10.0]), np.array([[0.5], [0.5]]), np.ones(2), np.full(2, 10.0))
    array([75.])
    """
    bottom, top = lo @ v, hi @ v
    with np.errstate(invalid="ignore", divide="ignore"):
        return 100 * ((means[..., None, :] @ v)[..., 0, :] - bottom) / (top - bottom)


def index_sd(cov: Array, v: Array, lo: Array, hi: Array) -> Array:
    """Standard deviation of the respondents' 0-100 scores, from the covariances of the raw items.

    Parameters
    ----------
    cov : ndarray of shape (..., p, p)
    v : ndarray of shape (..., p, j)
    lo, hi : ndarray of shape (p,)

    Returns
    -------
    ndarray of shape (..., j)
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return 100 * np.sqrt((v * (cov @ v)).sum(axis=-2)) / ((hi - lo) @ v)


def unstandardized_paths(paths: Array, sd: Array) -> Array:
    """Paths between 0-100 scores, b_std sd(outcome) / sd(predictor), [outcome, predictor].

    Parameters
    ----------
    paths : ndarray of shape (..., j, j)
        Standardised paths.
    sd : ndarray of shape (..., j)
        Standard deviations of the scores.

    Returns
    -------
    ndarray of shape (..., j, j)
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return paths * sd[..., :, None] / sd[..., None, :]


def index_influence(x: Array, weights: Array, v: Array, lo: Array, hi: Array) -> Array:
    """Influence of each respondent on the index of each construct, at fixed index weights.

    Parameters
    ----------
    x : ndarray of shape (n, p)
        Answers; NaN is missing.
    weights : ndarray of shape (n,)
        Case weights.
    v : ndarray of shape (p, j)
        Normalised index weights.
    lo, hi : ndarray of shape (p,)
        Ends of the scales.

    Returns
    -------
    ndarray of shape (n, j)
        100 sum_i v_i o_ri (x_ri - m_i) / s_i over the range, with o_ri whether item i was answered, m_i its mean over
        the answers and s_i their share of the weight. Without blanks this is the score less its mean. With blanks
        only what was answered counts, so an index of few answers has a large standard error.
    """
    observed = ~np.isnan(x)
    share = weights @ observed / weights.sum()
    filled = np.where(observed, x, 0.0)
    means = (weights @ filled) / weights.sum() / share
    deviation = np.where(observed, x - means, 0.0) / share
    return 100 * (deviation @ v) / ((hi - lo) @ v)


def mean_se(scores: Array, weights: Array, clusters: NDArray[np.intp] | None = None) -> Array:
    """Standard error of a weighted mean of scores at fixed index weights.

    Parameters
    ----------
    scores : ndarray of shape (n, j)
    weights : ndarray of shape (n,)
        Case weights g.
    clusters : ndarray of int of shape (n,), optional
        Number of each row's cluster, from 0; deviations are then summed within clusters.

    Returns
    -------
    ndarray of shape (j,)
        sqrt(n / (n - 1) · sum (g (s - mean))²) / sum g; with equal weights sd / sqrt(n).
    """
    deviation = weights[:, None] * (scores - np.average(scores, axis=0, weights=weights))
    if clusters is not None:
        places = np.unique(clusters, return_inverse=True)[1]
        deviation = np.stack([np.bincount(places, column) for column in deviation.T], axis=1)
    n = len(deviation)
    if n < 2:
        return np.full(scores.shape[1], np.nan)
    return np.sqrt(n / (n - 1) * (deviation**2).sum(axis=0)) / weights.sum()


def scale_ends(
    items: Sequence[str], scale: Scale, lookup: Callable[[str], tuple[float, float] | None]
) -> tuple[Array, Array]:
    """Resolve the ends of each item's answer scale.

    Parameters
    ----------
    items : sequence of str
    scale : (lo, hi), mapping of item to (lo, hi), or None
        One scale for all, or by item. Items that a mapping leaves out, and all items if None, are looked up.
    lookup : callable
        Gives the scale that the survey's codebook knows for an item, or None.

    Returns
    -------
    lo, hi : ndarray of shape (p,)

    Raises
    ------
    SpecError
        If an item has no scale, the mapping names an unknown item, or the ends are not in order.
    """
    if isinstance(scale, Mapping):
        if unknown := [k for k in scale if k not in items]:
            raise SpecError(f"scale names {listed(unknown)}, not an item of the model.{near(unknown[0], items)}")
        found = [scale[i] if i in scale else lookup(i) for i in items]
    elif scale is not None:
        found = [scale] * len(items)
    else:
        found = [lookup(i) for i in items]
    if without := [i for i, s in zip(items, found, strict=True) if s is None]:
        raise SpecError(
            f"The 0-100 index needs the scale of {listed(without)}: pass scale=(1, 10), or scale={{item: (lo, hi)}}, "
            "or a Survey whose codebook has it."
        )
    for item, pair in zip(items, found, strict=True):
        if not _is_scale(pair):
            raise SpecError(f"The scale of '{item}' must be (lowest, highest), two numbers in order, not {pair!r}.")
    ends = np.array(found, dtype=float)
    return ends[:, 0], ends[:, 1]


def _is_scale(pair: Any) -> bool:
    """Whether this is two finite numbers, the lower first."""
    try:
        lo, hi = pair
        return bool(-np.inf < lo < hi < np.inf)
    except (TypeError, ValueError):
        return False


def check_means(means: Array, items: Sequence[str], lo: Array, hi: Array) -> None:
    """Raise a DataError naming the items with a mean outside their scale, for models of moments without answers.

    Parameters
    ----------
    means : ndarray of shape (p,)
    items : sequence of str
    lo, hi : ndarray of shape (p,)
    """
    if (outside := np.flatnonzero((means < lo - 1e-9) | (means > hi + 1e-9))).size:
        k = int(outside[0])
        raise DataError(
            f"{listed(items[int(i)] for i in outside)} cannot have been answered from {lo[k]:g} to {hi[k]:g}, as the mean of "
            f"'{items[k]}' is {means[k]:.4g}; correct scale=."
        )


def check_inside(x: Array, items: Sequence[str], lo: Array, hi: Array) -> None:
    """Raise a DataError naming the items with answers outside their scale, and how many.

    Parameters
    ----------
    x : ndarray of shape (n, p)
        Answers; NaN is ignored.
    items : sequence of str
    lo, hi : ndarray of shape (p,)
    """
    with np.errstate(invalid="ignore"):
        outside = ((x < lo - 1e-9) | (x > hi + 1e-9)).sum(axis=0)
    if outside.any():
        worst = [f"'{items[i]}' ({outside[i]} answers)" for i in map(int, np.flatnonzero(outside))]
        first = int(np.flatnonzero(outside)[0])
        raise DataError(
            f"Answers outside the scale {lo[first]:g}-{hi[first]:g}: {', '.join(worst[:8])}"
            f"{f' and {len(worst) - 8} more items' if len(worst) > 8 else ''}; "
            "correct the scale, or declare the codes as missing in the codebook, where each of these items must stand."
        )
