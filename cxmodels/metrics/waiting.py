"""Durations of which some are still running: the product-limit estimate in place of dropping the long ones.

With d_j ended of Y_j at risk at the j-th time, all weighted, and hazard h_j = d_j / Y_j (Kaplan and Meier 1958),

    S(t) = prod over t_j <= t of (1 - h_j),        mean up to a horizon = integral of S.

A row moves log S(t) by the sum over t_j <= t of -(1{ended at t_j} - h_j 1{at risk at t_j}) / (Y_j (1 - h_j)); the squares of
these sum to Greenwood's variance, and with strata and clusters they are the linearised one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import DataError
from ..inference import quantile
from .design import Array
from .estimate import Bounds, Known, Measure, Point
from .kinds import SHARE_UNIT, mean_bounds, part_bounds


@dataclass(frozen=True, eq=False)
class Curve:
    """Survival curve of weighted durations.

    Parameters
    ----------
    time : ndarray of shape (n,)
    ended : ndarray of bool of shape (n,)
        False where it is still running.
    weights : ndarray of shape (n,)

    Examples
    --------
    >>> c = Curve(np.array([1.0, 2.0, 3.0]), np.array([True, False, True]), np.ones(3))
    >>> c.at.tolist(), c.survival.round(3).tolist()
    ([1.0, 3.0], [0.667, 0.0])
    """

    time: Array
    ended: Array
    weights: Array

    @cached_property
    def at(self) -> Array:
        """Times at which something ended."""
        return np.unique(self.time[self.ended])

    @cached_property
    def counts(self) -> tuple[Array, Array]:
        """Weight ended, and weight at risk, at each of these times."""
        order = np.argsort(self.time, kind="stable")
        later = np.concatenate([np.cumsum(self.weights[order][::-1])[::-1], [0.0]])
        risk = later[np.searchsorted(self.time[order], self.at)]
        place = np.searchsorted(self.at, self.time[self.ended])
        return np.bincount(place, self.weights[self.ended], minlength=len(self.at)).astype(float), risk

    @cached_property
    def survival(self) -> Array:
        """Share still running after each of these times."""
        ended, risk = self.counts
        return np.asarray(np.cumprod(np.maximum(1 - ended / risk, 0.0)), dtype=float)

    def running(self, t: float) -> float:
        """Share still running at one time."""
        i = int(np.searchsorted(self.at, t, side="right"))
        return 1.0 if i == 0 else float(self.survival[i - 1])

    def quantile(self, p: float) -> float:
        """First time by which a share p has ended; halfway to the next where exactly p has. NaN if it never comes."""
        ended = 1 - self.survival
        i = int(np.searchsorted(ended, p - 1e-12))
        if i == len(ended):
            return np.nan
        exact = abs(ended[i] - p) < 1e-12 and i + 1 < len(ended)
        return float((self.at[i] + self.at[i + 1]) / 2 if exact else self.at[i])

    def influence(self, slope: Any) -> Array:
        """What each row adds to a number that moves by `slope` with each log(1 - h_j); its mean is zero.

        Parameters
        ----------
        slope : ndarray of shape (times,)

        Returns
        -------
        ndarray of shape (n,)
        """
        ended, risk = self.counts
        hazard, total = ended / risk, self.weights.sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            # Where all at risk ended the curve is 0 from there on, and nothing moves it.
            push = np.where(hazard < 1 - 1e-12, slope * total / (risk * (1 - hazard)), 0.0)
        through = np.concatenate([[0.0], np.cumsum(hazard * push)])
        out: Array = through[np.searchsorted(self.at, self.time, side="right")]
        out[self.ended] -= push[np.searchsorted(self.at, self.time[self.ended])]
        return out

    def outside(self, low: float, high: float) -> tuple[float, float]:
        """Times outside which a share lies, from the ends that it would have without open durations.

        Those ends are widened at each time by the root of Greenwood's variance over that without open durations.

        Parameters
        ----------
        low, high : float

        Returns
        -------
        lower, upper : float
            The upper one infinite where too few have ended to tell.
        """
        ended, risk = self.counts
        done, p = 1 - self.survival, (low + high) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            sums = np.cumsum(np.where(risk > ended, ended / (risk * (risk - ended)), 0.0)) * self.weights.sum()
            wider = np.sqrt(np.where((done > 0) & (done < 1), self.survival * sums / done, 1.0))
        reach = (high - low) / 2 * wider
        first, last = np.flatnonzero(done >= p - reach), np.flatnonzero(done > p + reach)
        lower = self.at[first[0]] if len(first) else self.time.max()
        return float(lower), float(self.at[last[0]]) if len(last) else np.inf


def curve(x: Array, w: Array) -> Curve:
    """Curve of a table [duration, open]."""
    return Curve(x[:, 0], x[:, 1] == 0, w)


def share_within(target: float, name: str) -> Measure:
    """Share that ended within a target; its interval is Wilson's at the effective number (Rothman 1978)."""

    def point(x: Array, w: Array) -> Point:
        c = curve(x, w)
        left = c.running(target)
        return Point(1 - left, -c.influence(left * (c.at <= target)), {})

    method = f"share within {target:g}, product-limit; interval Wilson at effective n"
    return Measure(f"{name}, within target", SHARE_UNIT, method, point, part_bounds("wilson"), ddof=0)


def restricted_mean(horizon: float | None, unit: str, name: str) -> Measure:
    """Mean duration, each counted up to a horizon at most; without one, up to the longest that ended."""

    def point(x: Array, w: Array) -> Point:
        c = curve(x, w)
        longest = float(c.time.max())
        if horizon is None and (not len(c.at) or c.running(longest) > 1e-12):
            raise DataError(
                f"The longest of {len(x)} durations, {longest:g}, is still open, so that the mean has no end; give "
                "horizon=, up to which each is counted, or ask for the median."
            )
        if horizon is not None and horizon > longest and c.running(longest) > 1e-12:
            raise DataError(f"horizon={horizon:g} lies beyond the longest duration seen, {longest:g}; lower it.")
        end = longest if horizon is None else horizon
        times = c.at[c.at < end]
        steps = np.diff(np.concatenate([[0.0], times, [end]]))
        heights = np.concatenate([[1.0], c.survival[: len(times)]])
        area = steps * heights
        slope = np.zeros(len(c.at))
        slope[: len(times)] = np.cumsum(area[:0:-1])[::-1]
        return Point(float(area.sum()), c.influence(slope), {})

    up_to = "" if horizon is None else f" up to {horizon:g}"
    return Measure(f"{name}, mean", unit, f"mean{up_to}, product-limit; interval t", point, mean_bounds, student=True)


def percentile(p: float, unit: str, name: str) -> Measure:
    """Percentile with the test-based interval of Brookmeyer and Crowley (1982)."""
    said = "median" if p == 0.5 else f"p{100 * p:g}"

    def point(x: Array, w: Array) -> Point:
        c = curve(x, w)
        q = c.quantile(p)
        if np.isnan(q):
            return Point(np.nan, np.full(len(x), np.nan), {}, c.outside)
        left = c.running(q)
        reach = np.sqrt(p * (1 - p) / len(x)) * quantile(0.95)
        ends = max(p - reach, 0.0), min(p + reach, 1 - c.survival[-1])
        times, ended = np.concatenate([[0.0], c.at]), np.concatenate([[0.0], 1 - c.survival])
        width = float(np.diff(np.interp(ends, ended, times))[0])
        influence = c.influence(left * (c.at <= q)) * width / (ends[1] - ends[0]) if ends[1] > ends[0] else np.zeros(len(x))  # fmt: skip
        return Point(q, influence, {}, c.outside)

    def bounds(point: Point, known: Known) -> Bounds:
        reach = quantile(known.level) * np.sqrt(p * (1 - p) / known.n_eff)
        return point.between(p - reach, p + reach) if point.between else (np.nan, np.nan)

    method = f"{said}, product-limit; interval Brookmeyer-Crowley"
    return Measure(f"{name}, {said}", unit, method, point, bounds)
