"""What retention is worth: yearly rates, lifetimes and customer lifetime value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, listed
from ..inference import choose, quantile
from .answers import Answers, counts_only, read
from .design import Array
from .estimate import Estimate, Measure, Point, evaluate
from .kinds import mean_bounds

Convention = Literal["first_margin_now", "first_margin_later", "finite"]
CONVENTIONS = ("first_margin_now", "first_margin_later", "finite")


def annual(rate: Any, *, periods: float = 12, kind: Literal["churn", "retention"] | None = None) -> Any:
    """Make a churn or retention rate yearly: 1 - (1 - churn)^periods, or retention^periods.

    Parameters
    ----------
    rate : Estimate, float, or DataFrame of a rate by group
        Rate per period, 0-1; an estimate keeps its uncertainty.
    periods : float, default 12
        Periods in a year.
    kind : {"churn", "retention"}, optional
        What the rate is; by default as the estimate is called, and churn for a number. A frame needs it.

    Returns
    -------
    Estimate or DataFrame
        The interval has its ends transformed; se by the delta method. The rate is taken as the same in every period.

    Raises
    ------
    DataError
        If the rate is no share.
    SpecError
        For another number of periods than a positive one.

    Examples
    --------
    >>> from cxmodels.metrics import annual
    >>> round(annual(0.02).value, 6)
    0.215283
    >>> from cxmodels.metrics import churn_rate
    >>> by_plan = churn_rate([1, 0, 0, 0], by=["A", "A", "B", "B"])
    >>> annual(by_plan, kind="churn", periods=2)["value"].tolist()
    [0.75, 0.0]
    """
    if isinstance(rate, pd.DataFrame):
        if kind is None:
            raise SpecError('A frame of rates does not say what they are; give kind="churn" or kind="retention".')
        return _each(rate, lambda e: annual(e, periods=periods, kind=kind))
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


def lifetime(churn: Any) -> Any:
    """Expected lifetime of a customer in periods, 1 / churn.

    Parameters
    ----------
    churn : Estimate, float, or DataFrame of churn by group
        Rate per period, above 0; taken as constant, so that lifetimes are geometric.

    Returns
    -------
    Estimate or DataFrame
        The interval has its ends transformed, the upper one infinite where churn may be 0; se by the delta method.

    Raises
    ------
    DataError
        If churn is 0 or no share.

    Examples
    --------
    >>> from cxmodels.metrics import lifetime
    >>> lifetime(0.1).value
    10.0
    """
    if isinstance(churn, pd.DataFrame):
        return _each(churn, lifetime)
    e = _share(churn, "churn")
    if e.value == 0:
        raise DataError("With no churn at all a lifetime has no end; observe for longer.")

    def periods(c: float) -> float:
        return 1 / c if c > 0 else np.inf

    return replace(_moved(e, periods, e.value**-2, "1 / churn"), metric="Expected lifetime", unit="periods")


def clv(
    margin: Any,
    retention: Any,
    discount: float,
    *,
    convention: Convention = "first_margin_now",
    periods: int | None = None,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> Any:
    """Customer lifetime value, by one of three conventions.

    Parameters
    ----------
    margin : array-like of shape (n,), column name, Estimate or float
        Margin of each customer per period, in money; or its mean.
    retention : array-like of shape (n,), column name, Estimate or float
        1 if the customer was kept from one period to the next, else 0; or the share of them, 0-1.
    discount : float
        Rate per period, such as 0.1; above -1.
    convention : {"first_margin_now", "first_margin_later", "finite"}, default "first_margin_now"
        The first margin comes at once, m (1 + d) / (1 + d - r); or after one period, m r / (1 + d - r); or at once and
        for `periods` periods only, the sum of m r^t / (1 + d)^t for t = 0 ... periods - 1.
    periods : int, optional
        For "finite".
    data, weights, strata, clusters, by
        As for :func:`rate`, where margin or retention are of single customers.
    level : float, default 0.95
        Confidence level, where they are; else that of the estimates.

    Returns
    -------
    Estimate or DataFrame
        In money. From single customers linearised, so that it is known whether those who bring more also stay; from
        estimates as if they were independent, by the delta method; NaN if both are numbers.

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
    >>> from cxmodels.metrics import clv
    >>> [round(clv(100, 0.8, 0.1, convention=c).value, 2) for c in ("first_margin_now", "first_margin_later")]
    [366.67, 266.67]
    >>> round(clv(100, 0.8, 0.1, convention="finite", periods=5).value, 2)
    292.06
    >>> round(clv([90, 110, 100, 120, 80], [1, 1, 1, 1, 0], 0.1).value, 2)
    366.67
    """
    choose("convention", convention, CONVENTIONS)
    if (convention == "finite") != (periods is not None):
        raise SpecError('convention="finite" needs periods=, and no other convention takes it.')
    if periods is not None and (isinstance(periods, bool) or periods != int(periods) or periods < 1):
        raise SpecError(f"periods must be a whole number, 1 or more, not {periods!r}.")
    if not (np.isfinite(discount) and discount > -1):
        raise DataError(f"The discount rate must be above -1, such as 0.1 for 10 %, not {discount!r}.")
    said = {
        "first_margin_now": "first margin at once, without end",
        "first_margin_later": "first margin after one period, without end",
        "finite": f"first margin at once, {periods} periods",
    }[convention] + f"; discount {discount:g} per period"
    single = [not isinstance(v, Estimate) and (isinstance(v, str) or not np.isscalar(v)) for v in (margin, retention)]
    if any(single):
        both = _customers(margin, retention, single, data)
        measure = _lifetime_value(discount, convention, periods, f"{said}; interval t, linearised")
        return evaluate(measure, both, weights=weights, strata=strata, clusters=clusters, by=by, level=level)
    counts_only("Means of customers", data=data, weights=weights, strata=strata, clusters=clusters, by=by)
    m, r = _number(margin, "margin"), _share(retention, "retention")
    value, factor, slope = _worth(m.value, r.value, discount, convention, periods)
    known = [e for e in (m, r) if not np.isnan(e.se)]
    se = np.nan
    if known:
        se = float(np.hypot(factor * np.nan_to_num(m.se), m.value * slope * np.nan_to_num(r.se)))
    level = known[0].level if known else 0.95
    half = quantile(level) * se
    n = min((e.n for e in known if e.n), default=0)
    return Estimate(
        value, se, value - half, value + half, n, f"{said}; interval delta method",
        metric="CLV", unit="money", level=level, parts={"factor": factor},
    )  # fmt: skip


def _customers(margin: Any, retention: Any, single: list[bool], data: Any) -> Answers:
    """Margin and retention of each customer side by side; a mean that is known stands in every row."""
    given = {"margin": margin, "retention": retention}
    found = {name: read(given[name], data, name) for name, own in zip(given, single, strict=True) if own}
    rows = next(iter(found.values()))
    if len({f.n for f in found.values()}) > 1:
        raise DataError(f"There are {found['margin'].n} margins and {found['retention'].n} entries of retention: give one of each.")  # fmt: skip
    if "retention" in found:
        found["retention"].only((0, 1), "0 and 1 only")
    columns = []
    for name, value in given.items():
        if isinstance(value, Estimate):
            raise SpecError(f"The {name} is an estimate and the other of single customers: give both in one way.")
        known = (_share if name == "retention" else _number)(value, name).value if name not in found else np.nan
        columns.append(found[name].values if name in found else np.full((rows.n, 1), known))
    return Answers(np.hstack(columns), list(given), rows.survey, rows.named)


def _lifetime_value(discount: float, convention: str, periods: int | None, method: str) -> Measure:
    """Lifetime value of the mean margin at the mean retention, linearised in both."""

    def point(x: Array, w: Array) -> Point:
        m, r = (float(v) for v in np.average(x, axis=0, weights=w))
        value, factor, slope = _worth(m, r, discount, convention, periods)
        influence = factor * (x[:, 0] - m) + m * slope * (x[:, 1] - r)
        return Point(value, influence, {"margin": m, "retention": r, "factor": factor})

    return Measure("CLV", "money", method, point, mean_bounds, student=True)


def _worth(m: float, r: float, d: float, convention: str, periods: int | None) -> tuple[float, float, float]:
    """Lifetime value, its factor and the factor's derivative by retention."""
    if convention != "finite" and r >= 1 + d:
        raise DataError(
            f'With retention {r:g} and discount {d:g} the sum of margins has no end; use convention="finite".'
        )
    factor, slope = _factor(r, d, convention, periods)
    return m * factor, factor, slope


def _each(frame: pd.DataFrame, make: Callable[[Estimate], Estimate]) -> pd.DataFrame:
    """Apply a function of an estimate to every row of a frame by group."""
    if lacking := [c for c in ("value", "se", "ci_lower", "ci_upper", "n", "method") if c not in frame]:
        raise SpecError(f"The frame of rates lacks {listed(lacking)}; give what churn_rate(by=...) returns.")
    out = frame.copy()
    for at, row in frame.iterrows():
        e = make(Estimate(row["value"], row["se"], row["ci_lower"], row["ci_upper"], row["n"], row["method"]))
        out.loc[at, ["value", "se", "ci_lower", "ci_upper"]] = [e.value, e.se, e.ci_lower, e.ci_upper]
        out.loc[at, "method"] = e.method
    return out


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
