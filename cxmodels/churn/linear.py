"""The linear candidate: an elastic-net logistic regression on levels and on broken lines of numbers.

The log-odds are ``intercept + sum of one effect per column``. The effect of a number is a broken line with knots at its
quintiles, flat outside the range of the training rows; the effect of a category is a value per level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .encoding import Column, Table

Array = NDArray[np.float64]

KNOTS = (0.2, 0.4, 0.6, 0.8)
#: Penalties tried, as (share of the absolute penalty, strength per row): ridge, and half absolute, which leaves columns out.
PENALTIES = tuple((0.0, 10.0**e) for e in (-1.5, -2.5, -3.5, -5)) + tuple((0.5, 10.0**e) for e in (-2.5, -3, -3.5))


@dataclass(frozen=True, eq=False)
class Effect:
    """Effect of one column on the log-odds, for several members (models) on the same knots or levels.

    Parameters
    ----------
    knots : ndarray of shape (k,)
        Where the line of a number breaks; the first is the low end. Empty for a category.
    slopes : ndarray of shape (members, k)
        Change of slope at each knot.
    levels : ndarray of shape (members, codes)
        Effect by code of a category; for numbers one column, the effect of blank.
    high : float
        The line is flat from here on.
    """

    knots: Array
    slopes: Array
    levels: Array
    high: float

    def of(self, values: NDArray[Any], member: int = 0) -> Array:
        """Effect on the log-odds per row."""
        if not len(self.knots):
            return self.levels[member][values]
        x = np.minimum(values, self.high)
        out = np.zeros(len(x))
        for knot, slope in zip(self.knots, self.slopes[member], strict=True):
            if slope:
                part = x - knot
                np.maximum(part, 0, out=part)
                part *= slope
                out += part
        blank = np.isnan(values)
        if blank.any():
            out[blank] = self.levels[member, 0]
        return out


@dataclass(frozen=True, eq=False)
class Linear:
    """Fitted linear models: the final one is member 0, the models of the folds follow.

    Parameters
    ----------
    intercepts : ndarray of shape (members,)
        Log-odds where all effects are zero.
    effects : list of Effect
        One per column.
    """

    intercepts: Array
    effects: list[Effect]

    @property
    def members(self) -> int:
        """Number of models."""
        return len(self.intercepts)

    def logits(self, values: Sequence[NDArray[Any]], member: int = 0) -> Array:
        """Log-odds before calibration, columns added in their order."""
        out = np.full(len(values[0]), self.intercepts[member])
        for effect, column in zip(self.effects, values, strict=True):
            out += effect.of(column, member)
        return out


@dataclass(frozen=True, eq=False)
class Basis:
    """Centred and scaled columns of the regression, learned without the labels.

    Numbers are scaled to a standard deviation of one half and levels are 0 or 1, so that one penalty treats them alike
    (Gelman 2008, Statistics in Medicine 27, 2865-2873).
    """

    columns: tuple[Column, ...]
    knots: list[Array]
    owner: NDArray[np.intp]
    term: NDArray[np.intp]
    mean: Array
    scale: Array

    @classmethod
    def learn(cls, columns: tuple[Column, ...], table: Table, weights: Array) -> Basis:
        """Knots, terms that occur, and their means and scales."""
        knots = [_knots(c, v, weights) for c, v in zip(columns, table.values, strict=True)]
        owner, term, mean, scale = [], [], [], []
        for j, (column, values) in enumerate(zip(columns, table.values, strict=True)):
            for k, x in _terms(column, knots[j], values):
                m, s = _moments(x, weights)
                if s > 1e-12 * max(1.0, abs(m)):
                    owner.append(j)
                    term.append(k)
                    mean.append(m)
                    scale.append(2 * s if k > 0 and column.kind == "number" else 1.0)
        return cls(
            columns, knots, np.array(owner, int), np.array(term, int), np.array(mean, float), np.array(scale, float)
        )

    def matrix(self, table: Table) -> Array:
        """Design matrix (n, terms), the intercept first."""
        out = np.empty((table.rows, 1 + len(self.owner)))
        out[:, 0] = 1
        place = {(j, k): i for i, (j, k) in enumerate(zip(self.owner.tolist(), self.term.tolist(), strict=True))}
        for j, (column, values) in enumerate(zip(self.columns, table.values, strict=True)):
            for k, x in _terms(column, self.knots[j], values):
                if (i := place.get((j, k))) is not None:
                    out[:, i + 1] = np.nan_to_num((x - self.mean[i]) / self.scale[i])
        return out

    def model(self, coef: Array) -> Linear:
        """Models in the units of the columns from coefficients (members, 1 + terms)."""
        slope = coef[:, 1:] / self.scale
        intercepts = coef[:, 0] - slope @ self.mean
        effects = []
        for j, column in enumerate(self.columns):
            mine = np.flatnonzero(self.owner == j)
            at_mean = slope[:, mine] @ self.mean[mine]
            if column.kind == "category":
                levels = np.repeat(at_mean[:, None], column.size, axis=1)
                levels[:, self.term[mine]] = slope[:, mine]
                effects.append(Effect(np.empty(0), np.empty((len(coef), 0)), levels, 0.0))
                continue
            bends, absent = mine[self.term[mine] > 0], mine[self.term[mine] == 0]
            slopes = np.zeros((len(coef), len(self.knots[j])))
            slopes[:, self.term[bends] - 1] = slope[:, bends]
            blank = slope[:, bends] @ self.mean[bends] + (slope[:, absent].sum(axis=1) if len(absent) else 0)
            effects.append(Effect(self.knots[j], slopes, blank[:, None], column.high))
        return Linear(intercepts, effects)


def fit_path(X: Array, y: Array, w: Array) -> Array:
    """Coefficients for every penalty, each started at the one before.

    Parameters
    ----------
    X : ndarray of shape (n, 1 + p)
        Intercept, then terms.
    y : ndarray of shape (n,)
        0 or 1.
    w : ndarray of shape (n,)
        Weights.

    Returns
    -------
    ndarray of shape (len(PENALTIES), 1 + p)
    """
    out = np.empty((len(PENALTIES), X.shape[1]))
    for i, (share, strength) in enumerate(PENALTIES):
        start = out[i - 1] if i and PENALTIES[i - 1][0] == share else null_model(X, y, w)
        out[i] = fit(X, y, w, share, strength, start, tolerance=1e-5)
    return out


def null_model(X: Array, y: Array, w: Array) -> Array:
    """Coefficients of the model with an intercept only, where every fit starts."""
    rate = (w @ y) / w.sum()
    return np.append(np.log(rate / (1 - rate)), np.zeros(X.shape[1] - 1))


def fit(X: Array, y: Array, w: Array, share: float, strength: float, start: Array, tolerance: float = 1e-9) -> Array:
    r"""Penalised logistic regression by Newton steps; coordinate descent inside each where a part is absolute.

    Minimises :math:`\sum_i w_i\,\ell(y_i, x_i b) / \sum_i w_i + \lambda[\alpha |b|_1 + (1-\alpha)|b|_2^2 / 2]` with the
    intercept free (Friedman, Hastie & Tibshirani 2010, Journal of Statistical Software 33(1), equation 15).

    Parameters
    ----------
    X, y, w : ndarray
        As in :func:`fit_path`.
    share : float
        alpha, the share of the absolute penalty.
    strength : float
        lambda.
    start : ndarray
        First coefficients.
    tolerance : float, default 1e-9
        Largest change of a coefficient in the last step.

    Returns
    -------
    ndarray of shape (1 + p,)
    """
    w = w / w.sum()
    square = np.full(X.shape[1], strength * (1 - share))
    absolute = np.full(X.shape[1], strength * share)
    square[0] = absolute[0] = 0
    b, value = start.copy(), _objective(X, y, w, start, square, absolute)
    for _ in range(60):
        p = 1 / (1 + np.exp(-np.clip(X @ b, -500, 500)))
        gradient = X.T @ (w * (p - y)) + square * b
        hessian = (X * (w * np.maximum(p * (1 - p), 1e-9))[:, None]).T @ X
        hessian[np.diag_indices_from(hessian)] += square + 1e-12
        step = _descend(hessian, gradient, b, absolute) if share else -np.linalg.solve(hessian, gradient)
        size = 1.0
        while (new := _objective(X, y, w, b + size * step, square, absolute)) > value + 1e-14 and size > 1e-6:
            size /= 2
        b, value = b + size * step, new
        if np.abs(size * step).max() < tolerance:
            break
    return b


def _descend(hessian: Array, gradient: Array, b: Array, absolute: Array) -> Array:
    """Step that minimises the quadratic model plus the absolute penalty.

    Coordinate descent finds which coefficients are zero, a linear system then finds the others at once.
    """
    new, slope = b.copy(), gradient.copy()
    diagonal = np.diag(hessian).copy()
    for _ in range(60):
        for _ in range(4):
            _sweep(hessian, diagonal, slope, new, absolute)
        active = np.flatnonzero((new != 0) | (absolute == 0))
        sign = np.sign(new[active])
        rest = slope[active] - hessian[np.ix_(active, active)] @ new[active] + absolute[active] * sign
        solved = np.linalg.solve(hessian[np.ix_(active, active)], -rest)
        if ((np.sign(solved) != sign) & (absolute[active] > 0)).any():
            continue
        new[active] = solved
        slope = gradient + hessian @ (new - b)
        if (np.abs(slope) <= absolute + 1e-9)[new == 0].all():
            break
    return new - b


def _sweep(hessian: Array, diagonal: Array, slope: Array, new: Array, absolute: Array) -> None:
    """One round of coordinate descent, in place."""
    for j in range(len(new)):
        free = diagonal[j] * new[j] - slope[j]
        value = np.sign(free) * max(abs(free) - absolute[j], 0.0) / diagonal[j]
        if change := value - new[j]:
            slope += hessian[j] * change
            new[j] = value


def _objective(X: Array, y: Array, w: Array, b: Array, square: Array, absolute: Array) -> float:
    eta = X @ b
    return float(w @ (np.logaddexp(0, eta) - y * eta) + 0.5 * square @ b**2 + absolute @ np.abs(b))


def _knots(column: Column, values: NDArray[Any], weights: Array) -> Array:
    """The low end, then inner quintiles that differ; none for a category."""
    if column.kind == "category":
        return np.empty(0)
    if len(column.edges) < 2:
        return np.array([column.low])
    here = np.isfinite(values)
    order = np.argsort(values[here], kind="stable")
    x, w = values[here][order], weights[here][order]
    share = np.cumsum(w)
    inner = x[np.searchsorted(share, share[-1] * np.array(KNOTS)).clip(max=len(x) - 1)]
    return np.unique(np.append(column.low, inner[(inner > column.low) & (inner < column.high)]))


def _terms(column: Column, knots: Array, values: NDArray[Any]) -> list[tuple[int, Array]]:
    """Raw terms of a column by number: levels by code; for numbers 0 is "blank" and k the bend at knot k."""
    if column.kind == "category":
        return [(k, (values == k).astype(float)) for k in range(column.size)]
    x = np.clip(values, column.low, column.high)
    return [(0, np.isnan(values).astype(float)), *((k + 1, np.maximum(x - a, 0)) for k, a in enumerate(knots))]


def _moments(x: Array, weights: Array) -> tuple[float, float]:
    """Weighted mean and standard deviation of the filled values."""
    here = np.isfinite(x)
    w = weights[here]
    if not w.sum():
        return 0.0, 0.0
    mean = float(w @ x[here] / w.sum())
    return mean, float(np.sqrt(w @ (x[here] - mean) ** 2 / w.sum()))
