"""Differences of a metric between groups and waves, with tests."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import DataWarning, SpecError, listed, near
from ..inference import ADJUSTMENTS, Adjustment, adjusted_pvalues, choose, quantile
from .design import Array, Codes, Design
from .estimate import Asked, Estimate, Groups, Measure, by_group

Compare = Literal["pairs", "previous", "reference", "rest"]
DifferenceInterval = Literal["wald", "mover"]

COMPARISONS = ("pairs", "previous", "reference", "rest")
INTERVALS = ("wald", "mover")


def differences(
    metric: Callable[..., Any],
    *answers: Any,
    by: Any,
    compare: Compare = "pairs",
    reference: Any = None,
    adjust: Adjustment = "holm",
    interval: DifferenceInterval = "wald",
    groups_interval: str | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Compare a metric between groups, or from wave to wave.

    Parameters
    ----------
    metric : callable
        One of this module, such as `nps`.
    *answers
        What the metric takes.
    by : column name(s) or labels of shape (n,)
        The groups, in the order of their categories, else sorted.
    compare : {"pairs", "previous", "reference", "rest"}, default "pairs"
        Every pair; each group with the one before it, for waves; each with one `reference` group; each with all
        other answers together.
    reference : label, optional
        Group compared with; the first by default.
    adjust : {"holm", "bh", "none"}, default "holm"
        Adjustment for the number of tests: Holm keeps the chance of any false alarm, Benjamini and Hochberg the share
        of false alarms.
    interval : {"wald", "mover"}, default "wald"
        Wald: difference ± quantile × se; it rejects too often where groups are lopsided and of unequal size (12 % in
        place of 5 % for NPS with 20 and 60 answers, nine tenths of them alike). MOVER builds the interval from those of
        the two groups (Newcombe 1998; Zou and Donner 2008), and the test from its end nearer to 0: cautious there, and
        defined where all answers of a group are alike, but up to 8 % where small groups are not lopsided.
    groups_interval : str, optional
        The metric's own ``interval=``, such as "score" for `nps`, from which MOVER builds.
    **options
        Further arguments of the metric. With ``clusters=`` of the respondent, the same people asked twice are
        compared as pairs.

    Returns
    -------
    DataFrame
        [group, reference, value, value_reference, difference, se, t, df, pvalue, pvalue_adjusted, ci_lower,
        ci_upper]. Intervals are not adjusted. Infinite df means the normal distribution; means use Welch's df.

    Raises
    ------
    SpecError
        For an unknown option or reference, or a single group.

    Warns
    -----
    DataWarning
        If all answers of a group are alike, so that Wald's standard error is 0.

    Notes
    -----
    var(a - b) = var(a) + var(b) - 2 cov(a, b), with the covariance that shared strata and clusters bring; it is 0 for
    independent samples.

    Examples
    --------
    >>> import cxmodels as cx
    >>> answers, wave = [10] * 60 + [7] * 25 + [0] * 15 + [10] * 50 + [7] * 25 + [0] * 25, [2] * 100 + [1] * 100
    >>> d = cx.metrics.differences(cx.metrics.nps, answers, by=wave, compare="previous")
    >>> d[["group", "reference", "difference", "se", "pvalue"]].round(3).values.tolist()
    [[2.0, 1.0, 20.0, 11.113, 0.072]]
    """
    choose("compare", compare, COMPARISONS)
    choose("adjust", adjust, ADJUSTMENTS)
    choose("interval", interval, INTERVALS)
    if reference is not None and compare != "reference":
        raise SpecError(f'reference={reference!r} needs compare="reference", not "{compare}".')
    if groups_interval is not None:
        options["interval"] = groups_interval
    return metric(*answers, by=Asked(by, Comparison(compare, reference, adjust, interval).frame), **options)


def difference(
    a: Estimate, b: Estimate, *, interval: DifferenceInterval = "wald", level: float | None = None
) -> Estimate:
    """Difference a - b of two estimates from independent samples, such as two waves.

    Parameters
    ----------
    a, b : Estimate
        Of the same metric.
    interval : {"wald", "mover"}, default "wald"
        As for :func:`differences`.
    level : float, optional
        Confidence level; that of `a` by default.

    Returns
    -------
    Estimate
        Its ``parts`` hold t and the two-sided pvalue.

    Raises
    ------
    SpecError
        If the estimates are of different metrics, or MOVER meets different levels.

    Examples
    --------
    >>> import cxmodels as cx
    >>> now = cx.metrics.nps([10] * 60 + [7] * 25 + [0] * 15)
    >>> before = cx.metrics.nps([10] * 5 + [7] * 3 + [0] * 2)
    >>> d = cx.metrics.difference(now, before)
    >>> round(d.value, 2), round(d.se, 4), round(d.parts["pvalue"], 4)
    (15.0, 25.7827, 0.5607)
    """
    choose("interval", interval, INTERVALS)
    if (a.metric, a.unit) != (b.metric, b.unit):
        raise SpecError(f"The estimates are of different things: {a.metric} ({a.unit}) and {b.metric} ({b.unit}).")
    level = a.level if level is None else level
    if interval == "mover" and not level == a.level == b.level:
        raise SpecError(f"MOVER needs intervals of one level, not {a.level:g}, {b.level:g} and {level:g}.")
    se = float(np.hypot(a.se, b.se))
    row = _tested(a, b, se, _welch(a, b), interval, level)
    method = f"independent samples; interval {interval}; ({a.method}) less ({b.method})"
    return Estimate(
        row["difference"], se, row["ci_lower"], row["ci_upper"], a.n + b.n, method,
        metric=f"Difference of {a.metric}", unit=a.unit, level=level, df=row["df"],
        parts={k: row[k] for k in ("t", "pvalue")},
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Comparison:
    """What :func:`differences` asks of a metric; see there for the options."""

    compare: str
    reference: Any
    adjust: str
    interval: str

    def frame(
        self, measure: Measure, table: Array, design: Design, code: Codes, keys: pd.DataFrame, level: float
    ) -> pd.DataFrame:
        """Compute the differences.

        Parameters
        ----------
        measure : Measure
        table : ndarray of shape (n, k)
        design : Design
        code : ndarray of int of shape (n,)
        keys : DataFrame
        level : float

        Returns
        -------
        DataFrame
        """
        names = [k[0] if len(k) == 1 else ", ".join(map(str, k)) for k in keys.itertuples(index=False, name=None)]
        if len(names) < 2:
            raise SpecError(f"There is one group only, {listed(names)}, so nothing to compare.")
        if self.compare == "rest":
            rows = []
            for g, name in enumerate(names):
                two = np.where(code < 0, -1, np.where(code == g, 0, 1))
                found = by_group(measure, table, design, two, pd.DataFrame(index=[0, 1]), level)
                rows += self._rows(found, [name, "rest"], [(0, 1)], level)
        else:
            found = by_group(measure, table, design, code, keys, level)
            rows = self._rows(found, names, self._pairs(names), level)
        out = pd.DataFrame(rows)
        adjusted = adjusted_pvalues(out["pvalue"].to_numpy(float), self.adjust)
        out.insert(list(out.columns).index("pvalue") + 1, "pvalue_adjusted", adjusted)
        alike = [n for n, e in zip(names, found.estimates, strict=False) if e.n and e.se == 0]
        if alike and self.interval == "wald" and self.compare != "rest":
            warnings.warn(
                f"All answers of {listed(alike)} are alike, so their standard error is 0 and the tests say too much; "
                'use interval="mover".',
                DataWarning,
                stacklevel=5,
            )
        return out

    def _pairs(self, names: list[Any]) -> list[tuple[int, int]]:
        places = range(len(names))
        if self.compare == "pairs":
            return [(b, a) for a, b in combinations(places, 2)]
        if self.compare == "previous":
            return [(b, a) for a, b in pairwise(places)]
        if self.reference is not None and self.reference not in names:
            raise SpecError(
                f"There is no group {self.reference!r}; the groups are {listed(names)}."
                f"{near(str(self.reference), map(str, names))}"
            )
        base = 0 if self.reference is None else names.index(self.reference)
        return [(i, base) for i in places if i != base]

    def _rows(
        self, found: Groups, names: list[Any], pairs: list[tuple[int, int]], level: float
    ) -> list[dict[str, Any]]:
        at = np.array(pairs)
        contrasts = np.zeros((len(names), len(pairs)))
        contrasts[at[:, 0], np.arange(len(pairs))] = 1
        contrasts[at[:, 1], np.arange(len(pairs))] = -1
        rows = []
        for (i, j), se in zip(pairs, found.spread.se(contrasts), strict=True):
            a, b = found.estimates[i], found.estimates[j]
            df = float(found.design.df) if found.design.complex else _welch(a, b)
            shared = (a.se**2 + b.se**2 - se**2) / 2
            row = _tested(a, b, float(se), df, self.interval, level, shared)
            rows.append({"group": names[i], "reference": names[j], **row})
        return rows


def _welch(a: Estimate, b: Estimate) -> float:
    """Degrees of freedom of a difference (Welch 1947); infinite where both are normal."""
    if np.isinf(a.df) and np.isinf(b.df):
        return np.inf
    with np.errstate(invalid="ignore", divide="ignore"):
        va, vb = np.float64(a.se) ** 2, np.float64(b.se) ** 2
        return float((va + vb) ** 2 / (va**2 / a.df + vb**2 / b.df))


def _tested(
    a: Estimate, b: Estimate, se: float, df: float, interval: str, level: float, shared: float = 0.0
) -> dict[str, float]:
    """Difference with its test and interval; `shared` is the covariance."""
    from scipy.special import ndtr, stdtr

    d = a.value - b.value
    q = quantile(level, df)
    if interval == "wald":
        lower, upper, scale = d - q * se, d + q * se, se
    else:
        rho = shared / (a.se * b.se) if a.se > 0 and b.se > 0 else 0.0
        down = _root(a.value - a.ci_lower, b.ci_upper - b.value, rho)
        up = _root(a.ci_upper - a.value, b.value - b.ci_lower, rho)
        lower, upper, scale = d - down, d + up, (down if d > 0 else up) / q
    with np.errstate(invalid="ignore", divide="ignore"):
        t = float(np.float64(d) / scale) if scale > 0 or d else np.nan
    p = np.nan if np.isnan(t) or np.isnan(df) else 2 * float(ndtr(-abs(t)) if np.isinf(df) else stdtr(df, -abs(t)))
    return {
        "value": a.value, "value_reference": b.value, "difference": d, "se": se, "t": t, "df": df,
        "pvalue": p, "ci_lower": float(lower), "ci_upper": float(upper),
    }  # fmt: skip


def _root(x: float, y: float, rho: float) -> float:
    return float(np.sqrt(max(x * x + y * y - 2 * rho * x * y, 0.0)))
