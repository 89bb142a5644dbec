"""What a base of customers is worth, as a function of how satisfied they are.

Pure functions on arrays. Sources: Gupta, Lehmann and Stuart (2004), Journal of Marketing Research 41(1), 7-18, for the value of a base
as the sum of its customers' lifetime values; Fader and Hardie (2010), Marketing Science 29(1), for why customers who look
alike must not be taken to be alike: those who are still there are the more loyal ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_NODES, _SHARES = np.polynomial.hermite_e.hermegauss(9)
_SHARES = _SHARES / _SHARES.sum()
_KNOTS = 64  # of the value of a customer as a function of the log-odds to leave
_DENSE = 600
_POINTS = 5  # knots of the value of the base as a function of a rise of satisfaction


def logistic(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)) without overflow."""
    from scipy.special import expit

    return np.asarray(expit(x), dtype=float)


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
    coef = np.linalg.lstsq(x.T @ (x * w[:, None]), x.T @ (w * y), rcond=None)[0]
    return float(w @ (y - x @ coef) ** 2 / w.sum())


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
