"""The kinds of metric: shares, means, net scores and ratios, each with its point and its interval."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from ..inference import SHARE_INTERVALS, choose, net_interval, quantile, share_interval
from .answers import Scale
from .design import Array
from .estimate import Bounds, Known, Measure, Point

NetInterval = Literal["adjusted_wald", "score", "wald", "t"]
NET_INTERVALS = ("adjusted_wald", "score", "wald", "t")
NET_UNIT = "points, −100 to 100"
SHARE_UNIT = "share, 0–1"


def share_point(hit: Array, w: Array) -> Point:
    """Point of a weighted share; `hit` is 0 or 1."""
    p = float(np.average(hit, weights=w))
    return Point(p, hit - p, {})


def mean_point(x: Array, w: Array) -> Point:
    """Point of a weighted mean."""
    m = float(np.average(x, weights=w))
    return Point(m, x - m, {"sd": _sd(x, w)})


def _sd(x: Array, w: Array) -> float:
    """Weighted standard deviation with divisor n - 1 (weights scaled to sum to n)."""
    n = len(x)
    if n < 2:
        return np.nan
    return float(np.sqrt(np.average((x - np.average(x, weights=w)) ** 2, weights=w) * n / (n - 1)))


def net_point(top: Array, bottom: Array, w: Array, names: tuple[str, str, str]) -> Point:
    """Point of 100 (share at the top less share at the bottom)."""
    p, d = float(np.average(top, weights=w)), float(np.average(bottom, weights=w))
    return Point(100 * (p - d), 100 * (top - bottom - (p - d)), {names[0]: p, names[1]: 1 - p - d, names[2]: d})


def share_bounds(method: str) -> Callable[[Point, Known], Bounds]:
    """Interval of a share at the effective number of answers; Wald's from the standard error."""

    def bounds(point: Point, known: Known) -> Bounds:
        if method == "wald":
            half = quantile(known.level, known.df) * known.se
            return max(point.value - half, 0.0), min(point.value + half, 1.0)
        return share_interval(point.value, known.n_eff, method, known.level)

    return bounds


def mean_bounds(point: Point, known: Known) -> Bounds:
    """Symmetric interval, value ± quantile times standard error."""
    half = quantile(known.level, known.df) * known.se
    return point.value - half, point.value + half


def net_bounds(method: str, names: tuple[str, str, str]) -> Callable[[Point, Known], Bounds]:
    """Interval of a net score."""

    def bounds(point: Point, known: Known) -> Bounds:
        if method in ("adjusted_wald", "score"):
            ends = point.parts[names[0]], point.parts[names[2]]
            lower, upper = net_interval(*ends, known.n_eff, known.level, method)
            return 100 * lower, 100 * upper
        lower, upper = mean_bounds(point, known)
        return max(lower, -100.0), min(upper, 100.0)

    return bounds


def ratio_point(x: Array, w: Array) -> Point:
    """Point of the ratio of two weighted sums, columns 0 and 1 (Cochran 1977, *Sampling Techniques*, ch. 6)."""
    base = float(np.average(x[:, 1], weights=w))
    if base == 0:
        return Point(np.nan, np.zeros(len(x)), {})
    ratio = float(np.average(x[:, 0], weights=w)) / base
    return Point(ratio, (x[:, 0] - ratio * x[:, 1]) / base, {})


def part_bounds(method: str) -> Callable[[Point, Known], Bounds]:
    """Interval of a ratio between 0 and 1: that of a share at the effective number p (1 - p) / se²."""

    def bounds(point: Point, known: Known) -> Bounds:
        p = point.value
        if method == "wald" or np.isnan(p):
            return share_bounds("wald")(point, known)
        n = p * (1 - p) / known.se**2 if known.se > 0 and 0 < p < 1 else known.n_eff
        return share_interval(p, n, method, known.level)

    return bounds


def span(ends: Scale) -> str:
    """Ends of a scale in words."""
    return f"{ends[0]:g}-{ends[1]:g}" if ends[0] >= 0 else f"{ends[0]:g} to {ends[1]:g}"


def named(interval: str) -> str:
    """Name of an interval in a sentence."""
    names = {
        "wilson": "Wilson", "wald": "Wald", "agresti_coull": "Agresti-Coull", "clopper_pearson": "Clopper-Pearson",
        "adjusted_wald": "adjusted Wald", "score": "score", "t": "t",
    }  # fmt: skip
    return f"interval {names[interval]}"


def within(x: Array, span: Scale) -> Array:
    """1 where an answer lies in a range, else 0."""
    return ((x[:, 0] >= span[0]) & (x[:, 0] <= span[1])).astype(float)


def share_measure(name: str, hits: Scale, ends: Scale, interval: str, rule: str = "") -> Measure:
    """Share of answers in a range."""
    choose("interval", interval, SHARE_INTERVALS)

    def point(x: Array, w: Array) -> Point:
        return share_point(within(x, hits), w)

    said = "; ".join(filter(None, (f"share of answers {span(hits)} on {span(ends)}", rule, named(interval))))
    return Measure(name, "share, 0–1", said, point, share_bounds(interval), ddof=0)


def net_measure(
    name: str, top: Scale, bottom: Scale, parts: tuple[str, str, str], interval: str, rule: str = ""
) -> Measure:
    """Percent of answers in a high range less percent in a low one."""
    choose("interval", interval, NET_INTERVALS)

    def point(x: Array, w: Array) -> Point:
        return net_point(within(x, top), within(x, bottom), w, parts)

    said = "; ".join(filter(None, (f"{parts[0]} {span(top)} less {parts[2]} {span(bottom)}", rule, named(interval))))
    student = interval == "t"
    return Measure(name, NET_UNIT, said, point, net_bounds(interval, parts), ddof=int(student), student=student)


def mean_measure(name: str, ends: Scale, index: bool) -> Measure:
    """Mean on the scale, or on 0-100."""
    lo, hi = ends

    def point(x: Array, w: Array) -> Point:
        return mean_point(100 * (x[:, 0] - lo) / (hi - lo) if index else x[:, 0], w)

    unit = f"index, 0–100 for {span(ends)}" if index else f"mean on {span(ends)}"
    return Measure(name, unit, "mean; interval t", point, mean_bounds, student=True)
