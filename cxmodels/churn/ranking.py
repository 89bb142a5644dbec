"""How well a score ranks and how well it is calibrated, for many weightings of the customers at once.

Every measure is a function of customers sorted by score, from the riskiest down, and of case weights of shape
(replicates, customers). A bootstrap is therefore one call, and the measures of the data themselves are the case of
one line of ones.

Sources: Bradley (1997), Pattern Recognition 30(7), for the area under the ROC curve; Murphy (1973), J. Applied
Meteorology 12, with the within-bin terms of Stephenson, Coelho and Jolliffe (2008), Weather and Forecasting 23, for
the parts of the Brier score; Cox (1958), Biometrika 45, for the slope and the intercept of calibration.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, SpecError
from ..survey import check_weights

Array = NDArray[np.float64]

_EDGE_LOSS, _EDGE_LOGIT = 1e-15, 1e-12  # how far from 0 and 1 probabilities are kept before a logarithm
_NEWTON = 50


def outcomes(y: ArrayLike, p: ArrayLike, *, what: str = "score") -> tuple[Array, Array]:
    """Check outcomes and scores that belong together.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 or True for a customer who left, 0 or False for one who stayed.
    p : array-like of shape (n,)
        Scores, higher for more risk.
    what : str, default "score"
        Name of `p` in messages.

    Returns
    -------
    y, p : ndarray of shape (n,)

    Raises
    ------
    DataError
        If they differ in length, hold missing or infinite values, or `y` is not 0/1 with both present.

    Examples
    --------
    >>> outcomes([0, 1], [0.2, 0.7])
    (array([0., 1.]), array([0.2, 0.7]))
    """
    truth, score = _numbers(y, "y"), _numbers(p, what)
    if len(truth) != len(score):
        raise DataError(f"y has {len(truth)} rows and the {what} has {len(score)}; they must belong row to row.")
    for name, values in (("y", truth), (what, score)):
        if bad := int((~np.isfinite(values)).sum()):
            raise DataError(f"The {name} holds {bad} missing or infinite values; leave those customers out first.")
    if odd := np.setdiff1d(truth, [0.0, 1.0]).tolist():
        raise DataError(f"y must be 1 for customers who left and 0 for those who stayed, but holds {odd[0]:g}.")
    if len(np.unique(truth)) < 2:
        raise DataError(
            f"All {len(truth)} customers have y = {truth[0]:g}; a score is judged only where some left and some stayed."
            if len(truth)
            else "y is empty; there is nothing to judge."
        )
    return truth, score


def _numbers(values: ArrayLike, name: str) -> Array:
    """One-dimensional floats, or one sentence saying why not."""
    raw = values.to_numpy(dtype=object, na_value=np.nan) if isinstance(values, pd.Series) else np.asarray(values)
    if raw.ndim != 1:
        raise DataError(f"The {name} must have one dimension, not {raw.ndim}; give one value per customer.")
    try:
        return raw.astype(float)
    except (TypeError, ValueError):
        raise DataError(f"The {name} holds values that are not numbers; code customers who left as 1.") from None


def probabilities(y: ArrayLike, p: ArrayLike) -> tuple[Array, Array]:
    """Check outcomes and probabilities, see :func:`outcomes`; probabilities must lie in 0 to 1.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    p : array-like of shape (n,)
        Probabilities of leaving.

    Returns
    -------
    y, p : ndarray of shape (n,)

    Raises
    ------
    DataError
        As :func:`outcomes`, and for a value outside 0 to 1.
    """
    truth, score = outcomes(y, p, what="probability")
    if outside := int(((score < 0) | (score > 1)).sum()):
        raise DataError(
            f"{outside} probabilities lie outside 0 to 1 (from {score.min():g} to {score.max():g}); "
            "use predict_proba, not a raw score."
        )
    return truth, score


@dataclass(frozen=True, eq=False)
class Ranking:
    """Customers sorted from the highest score down (ties in the order given), ready for weighted measures.

    Parameters
    ----------
    y, p : array-like of shape (n,)
        Outcomes and scores.
    weights : array-like of shape (n,), optional
        Case weights, such as design weights.

    Examples
    --------
    >>> r = Ranking([0, 1, 0, 1], [0.1, 0.4, 0.5, 0.9])
    >>> float(r.auc(np.ones((1, 4)))[0])
    0.75
    """

    y: Array
    p: Array
    weights: Array | None = None
    ends: NDArray[np.intp] = field(init=False, repr=False)  # last place of each run of equal scores

    def __post_init__(self) -> None:
        y, p = outcomes(self.y, self.p)
        order = np.argsort(-p, kind="stable")
        object.__setattr__(self, "order", order)
        object.__setattr__(self, "y", y[order])
        object.__setattr__(self, "p", p[order])
        ends = np.flatnonzero(np.append(np.diff(self.p) != 0, True))
        object.__setattr__(self, "ends", ends)
        if self.weights is not None:
            object.__setattr__(self, "weights", check_weights(self.weights, len(y))[order])

    order: NDArray[np.intp] = field(init=False, repr=False)

    def sorted(self, g: Array | None = None) -> Array:
        """Return weightings of the customers as given (b, n) as weightings of the sorted ones, times the weights."""
        g = np.ones((1, len(self.y))) if g is None else g[:, self.order]
        return g if self.weights is None else g * self.weights

    def cumulated(self, g: Array) -> tuple[Array, Array]:
        """Weights of churners and of stayers down to the end of each run of equal scores, each (b, runs)."""
        churn = np.cumsum(g * self.y, axis=1)[:, self.ends]
        stay = np.cumsum(g * (1 - self.y), axis=1)[:, self.ends]
        return churn, stay

    def auc(self, g: Array) -> Array:
        """Probability that a churner scores above a stayer, ties counting one half; (b,)."""
        churn, stay = self.cumulated(g)
        height = np.diff(churn, axis=1, prepend=0.0)
        below = stay[:, -1:] - stay + np.diff(stay, axis=1, prepend=0.0) / 2
        return _ratio((height * below).sum(axis=1), churn[:, -1] * stay[:, -1])

    def pr_auc(self, g: Array) -> Array:
        """Average precision: precision at each score, weighted by the churners found there; (b,)."""
        churn, stay = self.cumulated(g)
        precision = _ratio(churn, churn + stay)
        return _ratio((np.diff(churn, axis=1, prepend=0.0) * np.nan_to_num(precision)).sum(axis=1), churn[:, -1])

    def ks(self, g: Array) -> Array:
        """Largest distance between the score distributions of churners and stayers (Kolmogorov-Smirnov); (b,)."""
        churn, stay = self.cumulated(g)
        return np.abs(_ratio(churn, churn[:, -1:]) - _ratio(stay, stay[:, -1:])).max(axis=1)

    def captured(self, g: Array, top: float) -> tuple[Array, Array]:
        """Churners among the highest scores, and how many customers those are, each (b,).

        Without weights the highest are ceil(top · n); with weights they hold the share `top` of the weight.
        """
        total = g.sum(axis=1)
        wanted = top * total if self.weights is not None else np.ceil(np.round(top * total, 9))
        reach = np.cumsum(g, axis=1)
        taken = np.clip(wanted[:, None] - (reach - g), 0.0, g)
        return (taken * self.y).sum(axis=1), wanted

    def lift(self, g: Array, top: float) -> Array:
        """Churn rate among the highest scores over the churn rate of all; (b,)."""
        hit, size = self.captured(g, top)
        return _ratio(_ratio(hit, size), _ratio((g * self.y).sum(axis=1), g.sum(axis=1)))

    def brier(self, g: Array) -> Array:
        """Mean squared distance between probability and outcome; (b,)."""
        return _ratio(g @ (self.p - self.y) ** 2, g.sum(axis=1))

    def log_loss(self, g: Array) -> Array:
        """Mean negative log-likelihood, probabilities kept 1e-15 from 0 and 1; (b,)."""
        p = np.clip(self.p, _EDGE_LOSS, 1 - _EDGE_LOSS)
        return _ratio(-(g @ np.where(self.y == 1, np.log(p), np.log1p(-p))), g.sum(axis=1))

    def calibration(self, g: Array) -> tuple[Array, Array]:
        """Intercept and slope of the logistic regression of the outcome on the logit of the probability, each (b,)."""
        return weighted_logit(logit(self.p), self.y, g)

    def in_the_large(self, g: Array) -> Array:
        """Intercept of calibration with the slope held at 1; 0 when as many leave as foreseen; (b,)."""
        return shifted_logit(logit(self.p), self.y, g)


def check_share(name: str, value: Any) -> float:
    """Return a share that must lie above 0 and at most at 1.

    Parameters
    ----------
    name : str
        Name of the option.
    value : float
        What was given.

    Returns
    -------
    float

    Raises
    ------
    SpecError
        For anything else.
    """
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 < float(value) <= 1:
        raise SpecError(f"{name} must be a share above 0 and at most 1, not {value!r}.")
    return float(value)


def logit(p: ArrayLike) -> Array:
    """Return log(p / (1 - p)) with p kept 1e-12 from 0 and 1.

    Parameters
    ----------
    p : array-like
        Probabilities.

    Returns
    -------
    ndarray
    """
    kept = np.clip(np.asarray(p, dtype=float), _EDGE_LOGIT, 1 - _EDGE_LOGIT)
    return np.log(kept) - np.log1p(-kept)


def weighted_logit(x: Array, y: Array, g: Array) -> tuple[Array, Array]:
    """Fit y on one regressor by logistic regression, for many weightings at once.

    Parameters
    ----------
    x, y : ndarray of shape (n,)
        Regressor and 0/1 outcome.
    g : ndarray of shape (b, n)
        Weightings.

    Returns
    -------
    intercept, slope : ndarray of shape (b,)
        NaN where no finite maximum exists (perfect separation, or a constant regressor).
    """
    centre = _ratio(g @ x, g.sum(axis=1))
    spread = np.sqrt(np.maximum(_ratio(g @ x**2, g.sum(axis=1)) - centre**2, 0.0))
    z = (x - centre[:, None]) / np.where(spread > 1e-12, spread, np.nan)[:, None]
    rate = _ratio(g @ y, g.sum(axis=1))
    b0, b1 = np.log(rate) - np.log1p(-rate), np.zeros(len(g))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        for _ in range(_NEWTON):
            mu = 1 / (1 + np.exp(-(b0[:, None] + b1[:, None] * z)))
            r, v = g * (y - mu), g * mu * (1 - mu)
            s0, s1 = r.sum(axis=1), (r * z).sum(axis=1)
            h00, h01, h11 = v.sum(axis=1), (v * z).sum(axis=1), (v * z * z).sum(axis=1)
            det = h00 * h11 - h01**2
            d0, d1 = (h11 * s0 - h01 * s1) / det, (h00 * s1 - h01 * s0) / det
            step = np.minimum(1.0, 4.0 / np.maximum(np.abs(d0) + np.abs(d1), 1e-300))
            b0, b1 = b0 + step * d0, b1 + step * d1
            if not (np.abs(d0) + np.abs(d1) > 1e-12).any():
                break
        done = np.abs(d0) + np.abs(d1) < 1e-6
        slope = np.where(done, b1 / spread, np.nan)
        return np.where(done, b0, np.nan) - slope * centre, slope


def shifted_logit(offset: Array, y: Array, g: Array) -> Array:
    """Fit the intercept of a logistic regression with a known offset, for many weightings at once.

    Parameters
    ----------
    offset, y : ndarray of shape (n,)
        Known part of the logit, and 0/1 outcome.
    g : ndarray of shape (b, n)
        Weightings.

    Returns
    -------
    ndarray of shape (b,)
        NaN where all or none of the customers left.
    """
    target = g @ y
    inside = (target > 0) & (target < g.sum(axis=1))
    low, high = np.full(len(g), -80.0), np.full(len(g), 80.0)  # the expected number rises with the intercept
    shift = np.zeros(len(g))
    for _ in range(_NEWTON):
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            mu = 1 / (1 + np.exp(-(shift[:, None] + offset)))
            excess = (g * mu).sum(axis=1) - target
            high, low = np.where(excess > 0, shift, high), np.where(excess > 0, low, shift)
            step = shift - excess / (g * mu * (1 - mu)).sum(axis=1)
        new = np.where((step > low) & (step < high), step, (low + high) / 2)
        settled = np.abs(new - shift) < 1e-13 * (1 + np.abs(new))
        shift = new
        if settled.all():
            break
    return np.where(inside, shift, np.nan)


def _ratio(a: Array, b: Array) -> Array:
    """Quotient, NaN where the divisor is zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(b > 0, a / b, np.nan)


def auc(y: ArrayLike, p: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Area under the ROC curve: how often a churner scores above a stayer, ties counting one half.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    p : array-like of shape (n,)
        Scores.
    weights : array-like of shape (n,), optional
        Case weights.

    Returns
    -------
    float
        .5 for a useless score, 1 for a perfect one. Gini is 2 · auc - 1.

    Raises
    ------
    DataError
        See :func:`outcomes`.

    Examples
    --------
    >>> from cxmodels.churn import auc
    >>> auc([0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9])
    0.625
    """
    r = Ranking(y, p, weights)  # type: ignore[arg-type]
    return float(r.auc(r.sorted())[0])


def lift(y: ArrayLike, p: ArrayLike, top: float = 0.1, *, weights: ArrayLike | None = None) -> float:
    """Churn rate among the highest scores divided by the churn rate of all.

    The highest are the ceil(top · n) customers first in a stable descending sort, so equal scores keep the order of
    the data. With weights they hold the share `top` of the total weight, the last customer counting in part.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    p : array-like of shape (n,)
        Scores.
    top : float, default 0.1
        Share of the customers.
    weights : array-like of shape (n,), optional
        Case weights.

    Returns
    -------
    float

    Raises
    ------
    DataError
        See :func:`outcomes`.
    SpecError
        If `top` is not above 0 and at most 1.

    Examples
    --------
    >>> from cxmodels.churn import lift
    >>> lift([0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9], top=0.1)
    2.0
    """
    share, r = check_share("top", top), Ranking(y, p, weights)  # type: ignore[arg-type]
    return float(r.lift(r.sorted(), share)[0])
