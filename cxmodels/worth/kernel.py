"""Numbers behind the worth of a point: weighted logits, what error of measurement hides, and the value of a base.

Pure functions on arrays. Sources: Rosner, Willett and Spiegelman (1989), Statistics in Medicine 8, 1051-1069, and Carroll,
Ruppert, Stefanski and Crainiceanu (2006), *Measurement Error in Nonlinear Models*, ch. 4, for regression calibration; Santos
Silva and Tenreyro (2006), Review of Economics and Statistics 88(4), for the log-linear mean; Gupta, Lehmann and
Stuart (2004), Journal of Marketing Research 41(1), for the value of a customer base.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_STEPS = 40
_FAR = 30.0  # log-odds or logs beyond which an estimate runs off to infinity
_NODES, _SHARES = np.polynomial.hermite_e.hermegauss(9)
_SHARES = _SHARES / _SHARES.sum()
_KNOTS = 64  # of the value of a customer as a function of the log-odds to leave
_DENSE = 2000
_POINTS = 7  # knots of the value of the base as a function of a rise of satisfaction


def logistic(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)) without overflow."""
    from scipy.special import expit

    return np.asarray(expit(x), dtype=float)


def glm(x: Array, y: Array, w: Array, *, link: str = "logit", start: Array | None = None) -> Array:
    """Coefficients of a weighted logit, or of a log-linear mean, by Newton's method.

    Parameters
    ----------
    x : ndarray of shape (n, k)
        With the column of ones.
    y : ndarray of shape (n,)
        0 and 1, or amounts of 0 and more.
    w : ndarray of shape (n,)
        Weights, 0 allowed.
    link : {"logit", "log"}
        ``"log"`` solves the Poisson equations, which need the mean to be right and no more.
    start : ndarray of shape (k,), optional

    Returns
    -------
    ndarray of shape (k,)
        NaN where there is no finite estimate, as when a column tells the outcome exactly.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.column_stack([np.ones(4), [0.0, 0.0, 1.0, 1.0]])
    >>> glm(x, np.array([0.0, 1.0, 1.0, 1.0]), np.array([3.0, 1.0, 1.0, 0.0])).round(2).tolist()
    [nan, nan]
    >>> np.exp(glm(x, np.array([2.0, 4.0, 6.0, 6.0]), np.ones(4), link="log")).round(6).tolist()
    [3.0, 2.0]
    """
    k = x.shape[1]
    lost = np.full(k, np.nan)
    used = w > 0
    if not used.all():
        x, y, w = x[used], y[used], w[used]
    mean = float(w @ y / w.sum()) if len(w) else 0.0
    if not (0 < mean < 1 if link == "logit" else mean > 0):
        return lost
    beta = np.zeros(k) if start is None or not np.isfinite(start).all() else start.copy()
    if start is None:
        beta[0] = np.log(mean / (1 - mean)) if link == "logit" else np.log(mean)
    for _ in range(_STEPS):
        eta = x @ beta
        if not np.abs(eta).max() < _FAR:
            return lost if start is None else glm(x, y, w, link=link)
        mu = logistic(eta) if link == "logit" else np.exp(eta)
        v = w * (mu * (1 - mu) if link == "logit" else mu)
        try:
            step = np.linalg.solve(x.T @ (x * v[:, None]), x.T @ (w * (y - mu)))
        except np.linalg.LinAlgError:
            return lost
        beta = beta + step
        if np.abs(step).max() < 1e-9 * (1 + np.abs(beta).max()):
            return beta
    return lost


def residual_variance(y: Array, x: Array, w: Array) -> float:
    """Weighted variance of what the columns leave of y.

    Parameters
    ----------
    y : ndarray of shape (n,)
    x : ndarray of shape (n, k)
        With the column of ones.
    w : ndarray of shape (n,)

    Returns
    -------
    float
    """
    root = np.sqrt(w)
    coef = np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]
    return float(w @ (y - x @ coef) ** 2 / w.sum())


def trust(left: float, error: float) -> tuple[float, float]:
    """Reliability of a score beyond the controls, and the standard deviation of what it measures there.

    With W = s + u and var(u) known, a slope of W beside controls X is that of s times lambda = 1 - var(u) / var(W | X): the
    attenuation grows with every control that explains the score. Regression calibration divides by lambda.

    Parameters
    ----------
    left : float
        Variance of the score given the controls.
    error : float
        Variance of the error of measurement.

    Returns
    -------
    reliability, spread : float
        NaN where the error is larger than what is left of the score.

    Examples
    --------
    >>> trust(100.0, 36.0)
    (0.64, 8.0)
    """
    share = 1 - error / left if left > 0 else 0.0
    return (share, float(np.sqrt(share * left))) if share > 0.02 else (np.nan, np.nan)


@dataclass(frozen=True)
class Terms:
    """What the future is counted with.

    Attributes
    ----------
    horizon : int
        Periods, the first margin at once.
    discount : float
        Per period.
    """

    horizon: int
    discount: float


@dataclass(frozen=True, eq=False)
class Annuity:
    """Discounted number of margins that a customer still pays, as a function of the log-odds to leave.

    A customer with log-odds b to leave in the next period pays, over H periods,

        A(b) = E sum_{t=0}^{H-1} (1 + d)^-t prod_{u=1}^{t} (1 - h_u),   h_u = logistic(b + spread z + trend_u),

    with z standard normal: customers who look alike differ by what satisfaction they have. The mean over z is Gaussian quadrature
    with nine nodes; between 64 knots of b a cubic spline.

    Parameters
    ----------
    low, high : float
        Range of b.
    spread : float
        Standard deviation of log-odds among customers who look alike.
    terms : Terms
    trend : ndarray of shape (H - 1, groups)
        What tenure adds to the log-odds period by period, by group of tenure.
    """

    low: float
    high: float
    spread: float
    terms: Terms
    trend: Array

    @cached_property
    def _splines(self) -> list[Any]:
        """Both by the log-odds, one for each group of tenure."""
        from scipy.interpolate import CubicSpline

        knots = np.linspace(self.low, self.high, _KNOTS)
        eta = knots[:, None, None] + self.spread * _NODES[None, :, None]
        stay = np.ones((_KNOTS, len(_NODES), self.trend.shape[1]))
        paid = stay.copy()
        factor = 1 / (1 + self.terms.discount)
        for t in range(1, self.terms.horizon):
            stay = stay * logistic(-(eta + self.trend[t - 1]))
            paid += factor**t * stay
        both = np.stack([np.einsum("kng,n->kg", v, _SHARES) for v in (paid, stay)], axis=-1)
        return [CubicSpline(knots, both[:, g], axis=0) for g in range(both.shape[1])]

    def __call__(self, logodds: Array, group: NDArray[np.intp]) -> Array:
        """Return discounted margins, and the chance to be there for the last, (n, 2)."""
        if len(self._splines) == 1:
            return np.asarray(self._splines[0](logodds))
        out = np.empty((len(logodds), 2))
        for g, spline in enumerate(self._splines):
            own = group == g
            out[own] = spline(logodds[own])
        return out

    @cached_property
    def _first(self) -> tuple[Array, Array]:
        """Log-odds on a fine grid, and the chance to leave in the next period, on average over z."""
        grid = np.linspace(self.low, self.high, _DENSE)
        return grid, logistic(grid[:, None] + self.spread * _NODES) @ _SHARES

    def within(self, chance: Array) -> Array:
        """Return the log-odds b behind chances to leave in the next period."""
        grid, mean = self._first
        return np.interp(chance, mean, grid)

    def leaving(self, logodds: Array) -> Array:
        """Return the chance to leave in the next period."""
        grid, mean = self._first
        return np.interp(logodds, grid, mean)


@dataclass(frozen=True, eq=False)
class Base:
    """Customers and what they pay.

    Attributes
    ----------
    chance : ndarray of shape (n,)
        To leave in the next period.
    margin : ndarray of shape (n,)
        Per period.
    weight : ndarray of shape (n,)
        How often each stands.
    group : ndarray of int of shape (n,)
        Group of tenure.
    """

    chance: Array
    margin: Array
    weight: Array
    group: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Worth:
    """Value of a base as a function of a rise of satisfaction, for one set of effects.

    Attributes
    ----------
    effect : float
        Change of the log-odds to leave per point.
    spend : float
        Relative change of the margin per point.
    low, high : float
        Rises between which it is asked.
    """

    base: Base
    effect: float
    spend: float
    spread: float
    terms: Terms
    trend: Array
    low: float = 0.0
    high: float = 1.0

    @cached_property
    def _annuity(self) -> Annuity:
        from scipy.special import logit

        b = logit(np.clip(self.base.chance, 1e-9, 1 - 1e-9))
        reach = abs(self.effect) * max(abs(self.low), abs(self.high), 1.0)
        room = reach + 0.5 + self.effect**2 * self.spread**2
        return Annuity(
            float(b.min()) - room, float(b.max()) + room, abs(self.effect) * self.spread, self.terms, self.trend
        )

    @cached_property
    def _logodds(self) -> Array:
        return self._annuity.within(self.base.chance)

    @cached_property
    def _splines(self) -> Any:
        """Value at unchanged spending, and customers kept, by the rise."""
        from scipy.interpolate import CubicSpline

        at = np.linspace(min(self.low, 0.0), max(self.high, 1.0), _POINTS)
        base = self.base
        rows = []
        for rise in at:
            paid, kept = self._annuity(self._logodds + self.effect * rise, base.group).T
            rows.append((base.weight * base.margin @ paid, base.weight @ kept))
        return CubicSpline(at, np.array(rows), axis=0)

    def kept(self, rise: Any) -> Array:
        """Customers still there for the last margin."""
        return np.asarray(self._splines(rise)[..., 1])

    def retained(self, rise: Any) -> Array:
        """Value with the change of retention alone."""
        return np.asarray(self._splines(rise)[..., 0])

    def total(self, rise: Any) -> Array:
        """Value with both changes."""
        return self.retained(rise) * np.exp(self.spend * np.asarray(rise, dtype=float))

    def leaving(self, rise: float) -> float:
        """Chance to leave in the next period, mean over the base."""
        mean = self._annuity.leaving(self._logodds + self.effect * rise)
        return float(self.base.weight @ mean / self.base.weight.sum())
