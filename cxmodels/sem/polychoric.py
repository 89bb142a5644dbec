"""Two-stage correlations of latent responses: polychoric, polyserial and Pearson, with their case-wise scores.

A stage-two problem has one unknown, the correlation of two variables whose thresholds, means and variances are
already known. All pairs of a kind are solved together, by Newton steps on arrays with one line per pair.

Sources: Olsson (1979), Psychometrika 44(4), for the polychoric likelihood; Olsson, Drasgow and Dorans (1982),
Psychometrika 47(3), for the polyserial one; Owen (1956), Annals of Mathematical Statistics 27(4), for the
bivariate normal distribution function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import EstimationError

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Likelihood = Callable[[Array, Index], tuple[Array, Array, Array]]

BOUND = 1 - 1e-6  # a correlation may come this close to one
FAR = 40.0  # stands for infinity: the normal density and tail are exactly zero there
RARE = np.sqrt(np.finfo(float).eps)  # cells less likely than this say nothing about the correlation, as in lavaan


def bivariate_normal_cdf(h: Array, k: Array, rho: Array) -> Array:
    """Probability that two standard normal variables with correlation `rho` are at most `h` and `k`.

    Parameters
    ----------
    h, k : ndarray
        Upper limits, finite.
    rho : ndarray
        Correlations, between -1 and 1 exclusively. All three are broadcast.

    Returns
    -------
    ndarray
        Probabilities, exact to about 1e-15 in absolute terms.

    Notes
    -----
    Owen (1956): half of Phi(h) + Phi(k), less T(h, a) and T(k, b) with a = (k - rho h) / (h sqrt(1 - rho^2)) and b
    likewise, less one half where the limits have opposite signs.

    Examples
    --------
    >>> float(bivariate_normal_cdf(np.array(0.0), np.array(0.0), np.array(0.5)).round(12))
    0.333333333333
    """
    from scipy.special import ndtr, owens_t

    h, k, rho = np.broadcast_arrays(np.asarray(h, float), np.asarray(k, float), np.asarray(rho, float))
    root = np.sqrt((1 - rho) * (1 + rho))
    with np.errstate(divide="ignore", invalid="ignore"):
        a = np.where(h == 0, np.where(k > 0, np.inf, -np.inf), (k - rho * h) / (h * root))
        b = np.where(k == 0, np.where(h > 0, np.inf, -np.inf), (h - rho * k) / (k * root))
    opposite = (h * k < 0) | ((h * k == 0) & (h + k < 0))
    value = (ndtr(h) + ndtr(k)) / 2 - owens_t(h, a) - owens_t(k, b) - 0.5 * opposite
    return np.where((h == 0) & (k == 0), 0.25 + np.arcsin(rho) / (2 * np.pi), value)


def maximise(start: Array, likelihood: Likelihood) -> Array:
    """Maximise many one-parameter likelihoods of a correlation at once.

    Parameters
    ----------
    start : ndarray of shape (m,)
        First guesses; anything unusable becomes 0.
    likelihood : callable
        Takes correlations and the numbers of the problems they belong to; returns log-likelihood, slope and curvature.

    Returns
    -------
    ndarray of shape (m,)
        The correlations, within plus or minus `BOUND`.

    Raises
    ------
    EstimationError
        A likelihood has no maximum that 200 steps could find.

    Notes
    -----
    Newton steps, halved until the likelihood no longer falls. A problem leaves when its step is below 1e-9, which
    quadratic convergence makes exact to rounding. Where longer steps gain nothing the likelihood is flat up to the
    end, as for two variables in perfect order: the answer is the bound.
    """
    rho = np.where(np.abs(start) < BOUND, start, 0.0)
    active = np.arange(len(rho))
    value, slope, curve = likelihood(rho, active)
    step = _newton(rho, slope, curve)
    for _ in range(200):
        if not len(active):
            return rho
        trial = rho[active] + step
        new, slope, curve = likelihood(trial, active)
        better = new >= value - 1e-12 * (1 + np.abs(value))
        rho[active[better]] = trial[better]
        done = np.abs(step) < 1e-9
        step = np.where(better, _newton(trial, slope, curve), step / 2)
        value = np.where(better, new, value)
        flat = better & ~done & (np.abs(step) > 1e-9) & (np.abs(step * slope) < 1e-24)
        rho[active[flat]] = BOUND * np.sign(trial[flat])
        left = ~(done | flat)
        active, step, value = active[left], step[left], value[left]
    raise EstimationError(f"The correlation of {len(active)} pair(s) of variables did not settle in 200 steps.")


def _newton(rho: Array, slope: Array, curve: Array) -> Array:
    """Newton step where the likelihood is concave, a short one uphill elsewhere, never past half way to a bound."""
    concave = curve < 0
    step = np.where(concave, -slope / np.where(concave, curve, 1.0), 0.1 * np.sign(slope))
    return np.clip(step, (-BOUND - rho) / 2, (BOUND - rho) / 2)


class Cells(NamedTuple):
    """Cell probabilities of two-way tables and their derivatives; m tables, at most c categories.

    Attributes
    ----------
    p : ndarray of shape (m, c, c)
        Probability of every cell; at least `RARE`.
    slope, curve : ndarray of shape (m, c, c)
        First and second derivative with respect to the correlation.
    """

    p: Array
    slope: Array
    curve: Array


def cells(rho: Array, first: Array, second: Array) -> Cells:
    """Cell probabilities under given thresholds and correlations.

    Parameters
    ----------
    rho : ndarray of shape (m,)
        Correlations.
    first, second : ndarray of shape (m, c - 1)
        Thresholds of the row and the column variable; filled up with `FAR` where there are fewer categories.

    Returns
    -------
    Cells
    """
    from scipy.special import ndtr

    m, t = first.shape
    r, h, k = rho[:, None, None], first[:, :, None], second[:, None, :]
    cdf = np.zeros((m, t + 2, t + 2))
    cdf[:, 1:-1, 1:-1] = bivariate_normal_cdf(h, k, r)
    cdf[:, 1:-1, -1], cdf[:, -1, 1:-1], cdf[:, -1, -1] = ndtr(first), ndtr(second), 1.0
    rest = (1 - r) * (1 + r)
    form = h * h - 2 * r * h * k + k * k
    density, bend = np.zeros_like(cdf), np.zeros_like(cdf)
    density[:, 1:-1, 1:-1] = np.exp(-form / (2 * rest)) / (2 * np.pi * np.sqrt(rest))
    bend[:, 1:-1, 1:-1] = density[:, 1:-1, 1:-1] * (h * k + r - r * form / rest) / rest
    return Cells(np.maximum(_rectangles(cdf), RARE), _rectangles(density), _rectangles(bend))


def _rectangles(corner: Array) -> Array:
    """Differences over both directions of a function given at the corners of the cells."""
    return np.diff(np.diff(corner, axis=1), axis=2)


def polychoric(tables: Array, first: Array, second: Array) -> Array:
    """Maximum likelihood correlations of two-way tables whose thresholds are known.

    Parameters
    ----------
    tables : ndarray of shape (m, c, c)
        Weights of the cells; zero where a variable has fewer than c categories.
    first, second : ndarray of shape (m, c - 1)
        Thresholds of the row and the column variable; filled up with `FAR`.

    Returns
    -------
    ndarray of shape (m,)

    Notes
    -----
    A 2 x 2 table with one empty cell gets half a case there, its margins kept; larger tables are taken as they are.
    Cells less likely than 1.5e-8 do not count. Both are lavaan's defaults.

    Examples
    --------
    >>> table, even = np.array([[[40.0, 10.0], [10.0, 40.0]]]), np.zeros((1, 1))
    >>> bool(np.isclose(polychoric(table, even, even)[0], -np.cos(2 * np.pi * 0.4)))
    True
    """
    tables = _without_empty_cell(tables, first, second)
    code = np.arange(tables.shape[1])
    total = tables.sum(axis=(1, 2))
    rows, cols = tables.sum(axis=2), tables.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_a, mean_b = rows @ code / total, cols @ code / total
        product = np.einsum("mab,a,b->m", tables, code, code) / total
        var_a, var_b = rows @ code**2 / total - mean_a**2, cols @ code**2 / total - mean_b**2
        start = (product - mean_a * mean_b) / np.sqrt(var_a * var_b)

    def likelihood(rho: Array, which: Index) -> tuple[Array, Array, Array]:
        p, slope, curve = cells(rho, first[which], second[which])
        weight = tables[which]
        score = np.where(p > RARE, slope / p, 0.0)
        value = np.einsum("mab,mab->m", weight, np.log(p))
        bend = np.where(p > RARE, curve / p, 0.0) - score**2
        return value, np.einsum("mab,mab->m", weight, score), np.einsum("mab,mab->m", weight, bend)

    return maximise(start, likelihood)


def _without_empty_cell(tables: Array, first: Array, second: Array) -> Array:
    """Move half a case into the one empty cell of a 2 x 2 table, keeping its margins."""
    if not tables.size:
        return tables
    binary = ((first < FAR).sum(axis=1) == 1) & ((second < FAR).sum(axis=1) == 1)
    empty = tables[:, :2, :2] == 0
    shift = np.where(empty[:, 0, 0] | empty[:, 1, 1], 0.5, -0.5) * (binary & (empty.sum(axis=(1, 2)) == 1))
    out = tables.copy()
    out[:, :2, :2] += shift[:, None, None] * np.array([[1.0, -1.0], [-1.0, 1.0]])
    return out


def polychoric_scores(tables: Array, rho: Array, first: Array, second: Array) -> tuple[Array, Array, Array, Array]:
    """Scores of the cells, and their cross products with the scores of the thresholds.

    Parameters
    ----------
    tables : ndarray of shape (m, c, c)
        Weights of the cells.
    rho : ndarray of shape (m,)
        Correlations.
    first, second : ndarray of shape (m, c - 1)
        Thresholds of the row and the column variable.

    Returns
    -------
    score : ndarray of shape (m, c, c)
        Derivative of the log probability of a cell with respect to the correlation.
    square : ndarray of shape (m,)
        Weighted sum of its square.
    cross_first, cross_second : ndarray of shape (m, c - 1)
        Weighted sums of `score` times the derivative with respect to each threshold.
    """
    p, slope, _ = cells(rho, first, second)
    score = np.where(p > RARE, slope / p, 0.0)
    weight = tables * score / p  # times the derivative of p: the cross product
    cross_first = np.einsum("mtb,mtb->mt", _threshold_slope(rho, first, second), -np.diff(weight, axis=1))
    turned = -np.diff(weight.transpose(0, 2, 1), axis=1)
    cross_second = np.einsum("mtb,mtb->mt", _threshold_slope(rho, second, first), turned)
    return score, np.einsum("mab,mab->m", tables, score**2), cross_first, cross_second


def _threshold_slope(rho: Array, own: Array, other: Array) -> Array:
    """Derivative of P(first <= threshold, second in a category) with respect to the threshold: (m, c - 1, c)."""
    from scipy.special import ndtr

    r, root = rho[:, None, None], np.sqrt((1 - rho) * (1 + rho))[:, None, None]
    share = ndtr((other[:, None, :] - r * own[:, :, None]) / root)
    edge = np.ones((*share.shape[:2], 1))
    inside = np.diff(np.concatenate([0 * edge, share, edge], axis=2), axis=2)
    return normal_density(own)[:, :, None] * inside


def normal_density(x: Array) -> Array:
    """Density of the standard normal distribution."""
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


class Slice(NamedTuple):
    """Probability of an observed category given standardised values, and what its derivatives are made of.

    Attributes
    ----------
    p : ndarray of shape (n, k)
        Probability of the category.
    at_upper, at_lower : ndarray of shape (n, k)
        Normal density at its ends, given the value.
    d_upper, d_lower : ndarray of shape (n, k)
        Derivative of those ends with respect to the correlation.
    upper, lower : ndarray of shape (n, k)
        The ends.
    """

    p: Array
    at_upper: Array
    at_lower: Array
    d_upper: Array
    d_lower: Array
    upper: Array
    lower: Array

    @classmethod
    def of(cls, rho: Array, z: Array, above: Array, below: Array) -> Slice:
        """Cut the conditional distribution of the latent response at the thresholds of the observed category."""
        from scipy.special import ndtr

        root = np.sqrt((1 - rho) * (1 + rho))
        upper, lower = (above - rho * z) / root, (below - rho * z) / root
        flip = lower > 0  # the tail away from one keeps its digits
        p = ndtr(np.where(flip, -lower, upper)) - ndtr(np.where(flip, -upper, lower))
        d_upper, d_lower = (above * rho - z) / root**3, (below * rho - z) / root**3
        ends = normal_density(upper), normal_density(lower)
        return cls(np.maximum(p, np.finfo(float).eps), *ends, d_upper, d_lower, upper, lower)

    @property
    def score(self) -> Array:
        """Derivative of log p with respect to the correlation."""
        return (self.at_upper * self.d_upper - self.at_lower * self.d_lower) / self.p


def polyserial(z: Array, above: Array, below: Array, weight: Array, start: Array) -> Array:
    """Maximum likelihood correlations of k standardised variables with one ordinal variable.

    Parameters
    ----------
    z : ndarray of shape (n, k)
        Standardised values.
    above, below : ndarray of shape (n, 1)
        Thresholds above and below the observed category; plus and minus `FAR` at the ends.
    weight : ndarray of shape (n, k)
        Weights of the cases; zero where one of the two is missing.
    start : ndarray of shape (k,)
        First guesses.

    Returns
    -------
    ndarray of shape (k,)
    """

    def likelihood(rho: Array, which: Index) -> tuple[Array, Array, Array]:
        value, w = z[:, which], weight[:, which]
        s = Slice.of(rho, value, above, below)
        score, rest = s.score, (1 - rho) * (1 + rho)
        root5 = rest * rest * np.sqrt(rest)
        bend_upper = (above * rest + 3 * rho * (above * rho - value)) / root5 - s.upper * s.d_upper**2
        bend_lower = (below * rest + 3 * rho * (below * rho - value)) / root5 - s.lower * s.d_lower**2
        bend = (s.at_upper * bend_upper - s.at_lower * bend_lower) / s.p - score**2
        return (w * np.log(s.p)).sum(axis=0), (w * score).sum(axis=0), (w * bend).sum(axis=0)

    return maximise(start, likelihood)


def pearson(square_a: Array, square_b: Array, product: Array) -> Array:
    """Maximum likelihood correlations of pairs of standardised variables whose variances are known.

    Parameters
    ----------
    square_a, square_b, product : ndarray of shape (m,)
        Mean squares and mean product over the rows that have both values. Without missing values the squares are 1 and
        the answer is the product.

    Returns
    -------
    ndarray of shape (m,)
    """

    def likelihood(rho: Array, which: Index) -> tuple[Array, Array, Array]:
        squares, both, rest = (square_a + square_b)[which], product[which], 1 - rho**2
        form = squares - 2 * rho * both
        value = -(np.log(rest) + form / rest) / 2
        slope = (rho + both - rho * form / rest) / rest
        curve = (1 + rho**2 + 4 * rho * both - form * (1 + 4 * rho**2 / rest)) / rest**2
        return value, slope, curve

    complete = (np.abs(square_a - 1) < 1e-12) & (np.abs(square_b - 1) < 1e-12)
    found = maximise(product, likelihood) if not complete.all() else product
    return np.clip(np.where(complete, product, found), -BOUND, BOUND)
