"""What retention is worth: yearly rates, lifetimes and customer lifetime value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np

from ..errors import DataError, SpecError
from ..inference import choose, quantile
from .estimate import Estimate

Convention = Literal["first_margin_now", "first_margin_later", "finite"]
CONVENTIONS = ("first_margin_now", "first_margin_later", "finite")


def annual(
    rate: Estimate | float, *, periods: float = 12, kind: Literal["churn", "retention"] | None = None
) -> Estimate:
    """Make a churn or retention rate yearly: 1 - (1 - churn)^periods, or retention^periods.

    Parameters
    ----------
    rate : Estimate or float
        Rate per period, 0-1; an estimate keeps its uncertainty.
    periods : float, default 12
        Periods in a year.
    kind : {"churn", "retention"}, optional
        What the rate is; by default as the estimate is called, and churn for a number.

    Returns
    -------
    Estimate
        The interval has its ends transformed; se by the delta method. The rate is taken as the same in every period.

    Raises
    ------
    DataError
        If the rate is no share.
    SpecError
        For another number of periods than a positive one.

    Examples
    --------
    >>> round(annual(0.02).value, 6)
    0.215283
    """
    if not (np.isfinite(periods) and periods > 0):
        raise SpecError(f"periods is how many make a year, above 0, not {periods!r}.")
    e = _share(rate, "rate")
    if kind is None:
        kind = "retention" if e.metric.startswith("Retention") else "churn"
    choose("kind", kind, ("churn", "retention"))

    def yearly(r: float) -> float:
        return 1 - (1 - r) ** periods if kind == "churn" else r**periods

    base = 1 - e.value if kind == "churn" else e.value
    slope = periods * base ** (periods - 1) if base > 0 or periods >= 1 else np.nan
    out = _moved(e, yearly, slope, f"{kind} over {periods:g} periods from one")
    return replace(out, metric=f"Yearly {kind}")


def lifetime(churn: Estimate | float) -> Estimate:
    """Expected lifetime of a customer in periods, 1 / churn.

    Parameters
    ----------
    churn : Estimate or float
        Rate per period, above 0; taken as constant, so that lifetimes are geometric.

    Returns
    -------
    Estimate
        The interval has its ends transformed, the upper one infinite where churn may be 0; se by the delta method.

    Raises
    ------
    DataError
        If churn is 0 or no share.

    Examples
    --------
    >>> lifetime(0.1).value
    10.0
    """
    e = _share(churn, "churn")
    if e.value == 0:
        raise DataError("With no churn at all a lifetime has no end; observe for longer.")

    def periods(c: float) -> float:
        return 1 / c if c > 0 else np.inf

    return replace(_moved(e, periods, e.value**-2, "1 / churn"), metric="Expected lifetime", unit="periods")


def clv(
    margin: Estimate | float,
    retention: Estimate | float,
    discount: float,
    *,
    convention: Convention = "first_margin_now",
    periods: int | None = None,
) -> Estimate:
    """Customer lifetime value, by one of three conventions.

    Parameters
    ----------
    margin : Estimate or float
        Margin per period, in money.
    retention : Estimate or float
        Share of customers kept from period to period, 0-1.
    discount : float
        Rate per period, such as 0.1; above -1.
    convention : {"first_margin_now", "first_margin_later", "finite"}, default "first_margin_now"
        The first margin comes at once, m (1 + d) / (1 + d - r); or after one period, m r / (1 + d - r); or at once and
        for `periods` periods only, the sum of m r^t / (1 + d)^t for t = 0 ... periods - 1.
    periods : int, optional
        For "finite".

    Returns
    -------
    Estimate
        In money. Uncertainty of `margin` and `retention`, as independent, by the delta method; NaN if both are numbers.

    Raises
    ------
    DataError
        If retention is no share, or the sum has no end.
    SpecError
        For an unknown convention, or if `periods` is missing or not used.

    Notes
    -----
    Gupta and Lehmann (2003), Journal of Interactive Marketing 17(1). All three go by the name of CLV: the convention is
    in ``method``.

    Examples
    --------
    >>> [round(clv(100, 0.8, 0.1, convention=c).value, 2) for c in ("first_margin_now", "first_margin_later")]
    [366.67, 266.67]
    >>> round(clv(100, 0.8, 0.1, convention="finite", periods=5).value, 2)
    292.06
    """
    choose("convention", convention, CONVENTIONS)
    if (convention == "finite") != (periods is not None):
        raise SpecError('convention="finite" needs periods=, and no other convention takes it.')
    if periods is not None and (isinstance(periods, bool) or periods != int(periods) or periods < 1):
        raise SpecError(f"periods must be a whole number, 1 or more, not {periods!r}.")
    if not (np.isfinite(discount) and discount > -1):
        raise DataError(f"The discount rate must be above -1, such as 0.1 for 10 %, not {discount!r}.")
    m, r = _number(margin, "margin"), _share(retention, "retention")
    if convention != "finite" and r.value >= 1 + discount:
        raise DataError(
            f"With retention {r.value:g} and discount {discount:g} the sum of margins has no end; "
            'use convention="finite".'
        )
    factor, slope = _factor(r.value, discount, convention, periods)
    value = m.value * factor
    known = [e for e in (m, r) if not np.isnan(e.se)]
    se = np.nan
    if known:
        se = float(np.hypot(factor * np.nan_to_num(m.se), m.value * slope * np.nan_to_num(r.se)))
    level = known[0].level if known else 0.95
    half = quantile(level) * se
    said = {
        "first_margin_now": "first margin at once, without end",
        "first_margin_later": "first margin after one period, without end",
        "finite": f"first margin at once, {periods} periods",
    }[convention]
    n = min((e.n for e in known if e.n), default=0)
    return Estimate(
        value, se, value - half, value + half, n, f"{said}; discount {discount:g} per period; interval delta method",
        metric="CLV", unit="money", level=level, parts={"factor": factor},
    )  # fmt: skip


def _factor(r: float, d: float, convention: str, periods: int | None) -> tuple[float, float]:
    """Discounted number of margins and its derivative by retention."""
    if periods is not None:
        t = np.arange(periods)
        v = 1 / (1 + d)
        return float(((r * v) ** t).sum()), float((t[1:] * v ** t[1:] * r ** (t[1:] - 1)).sum())
    gap = 1 + d - r
    return ((1 + d) / gap if convention == "first_margin_now" else r / gap), (1 + d) / gap**2


def _number(value: Estimate | float, name: str) -> Estimate:
    """A known number as an estimate without uncertainty."""
    if isinstance(value, Estimate):
        return value
    if isinstance(value, bool) or not np.isfinite(value):
        raise DataError(f"The {name} must be a number, not {value!r}.")
    return Estimate(float(value), np.nan, np.nan, np.nan, 0, "given", metric=name)


def _share(value: Estimate | float, name: str) -> Estimate:
    e = _number(value, name)
    if not 0 <= e.value <= 1:
        raise DataError(f"The {name} must be a share between 0 and 1, not {e.value:g}; divide percents by 100.")
    return e


def _moved(e: Estimate, f: Callable[[float], float], slope: float, said: str) -> Estimate:
    """An estimate through a monotone function: its ends transformed, its se by the delta method."""
    lower, upper = sorted((f(e.ci_lower), f(e.ci_upper))) if np.isfinite(e.ci_lower) else (np.nan, np.nan)
    return replace(
        e, value=float(f(e.value)), se=abs(float(slope)) * e.se, ci_lower=float(lower), ci_upper=float(upper),
        method=f"{said}; {e.method}", parts={},
    )  # fmt: skip
