"""An estimate with its uncertainty, and the one way in which every metric of raw answers is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..inference import quantile
from ..results import Result
from .answers import Answers, design_of, groups_of
from .design import Array, Codes, Design, Spread

Bounds = tuple[float, float]


@dataclass(frozen=True, repr=False)
class Estimate(Result):
    """A number estimated from answers, with its uncertainty.

    Attributes
    ----------
    value : float
        The metric.
    se : float
        Its standard error; NaN where the answers cannot tell.
    ci_lower, ci_upper : float
        Ends of its confidence interval.
    n : int
        Answers used.
    method : str
        The convention, the interval and the design, in words.
    metric, unit : str
        What was measured, and on which scale.
    level : float
        Confidence level.
    n_eff : float
        Answers of a simple random sample that would say as much.
    df : float
        Degrees of freedom of the standard error; infinite where the normal distribution is used.
    missing : int
        Rows without an answer (or with weight zero), left out.
    parts : dict of str to float
        What the metric was made from, such as the share of promoters.

    Examples
    --------
    >>> import cxmodels as cx
    >>> cx.metrics.nps([10, 9, 9, 8, 7, 6, 10, 3, 9, 8])
    NPS           30.0 points, −100 to 100
    95% interval  −19.1 to 65.2
    Standard error  24.7
    Answers       10
    Method        promoters 9-10 less detractors 0-6; interval adjusted Wald; simple random sample
    """

    value: float
    se: float
    ci_lower: float
    ci_upper: float
    n: int
    method: str
    metric: str = ""
    unit: str = ""
    level: float = 0.95
    n_eff: float = np.nan
    df: float = np.inf
    missing: int = 0
    parts: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __float__(self) -> float:
        return self.value

    @property
    def n_obs(self) -> int:
        """Rows used."""
        return self.n

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]."""
        rows = [("no answer or weight" if self._weighted else "no answer", self.missing)] if self.missing else []
        return pd.DataFrame(rows, columns=["reason", "rows"])

    @property
    def frame(self) -> pd.DataFrame:
        """The estimate as a frame of one row, [metric, value, se, ci_lower, ci_upper, n, n_eff, missing, parts...]."""
        return pd.DataFrame([{"metric": self.metric, **self._row()}])

    @property
    def _weighted(self) -> bool:
        """Whether case weights were given, so that rows may lack one."""
        return "weighted" in self.method.rsplit("; ", 1)[-1]

    def _row(self) -> dict[str, Any]:
        names = ("value", "se", "ci_lower", "ci_upper", "n", "n_eff", "missing")
        return {**{k: getattr(self, k) for k in names}, **self.parts, "method": self.method}

    def headline(self) -> list[tuple[str, str]]:
        """Return value, interval, answers used and left out, and the method.

        Returns
        -------
        list of (label, value)
        """
        digits = _digits(self.value, self.se)

        def said(v: float) -> str:
            return f"{v:.{digits}f}".replace("-", "−") if np.isfinite(v) else "unknown"

        lacking = "an answer or a weight" if self._weighted else "an answer"
        gone = f" ({self.missing} rows without {lacking} left out)" if self.missing else ""
        return [
            (self.metric or "Value", f"{said(self.value)}{' ' if self.unit else ''}{self.unit}"),
            (f"{100 * self.level:g}% interval", f"{said(self.ci_lower)} to {said(self.ci_upper)}"),
            ("Standard error", said(self.se)),
            ("Answers", f"{self.n}{gone}"),
            ("Method", self.method),
        ]


def _digits(value: float, se: float) -> int:
    """Decimals that leave three digits of the standard error, or four of the value."""
    size = abs(se) if np.isfinite(se) and se > 0 else abs(value) / 10
    return int(np.clip(2 - np.floor(np.log10(size)), 0, 8)) if np.isfinite(size) and size > 0 else 1


class Point(NamedTuple):
    """What a metric is in one group.

    `influence` says how the value moves with the share of each row (the derivative of the value by that share),
    with weighted mean zero; `parts` are the numbers it was made from; `between` gives the answers between two shares.
    """

    value: float
    influence: Array
    parts: dict[str, float]
    between: Callable[[float, float], Bounds] | None = None


class Known(NamedTuple):
    """What an interval may use beside the point: standard error, answers, effective answers, df and level."""

    se: float
    n: int
    n_eff: float
    df: float
    level: float


@dataclass(frozen=True, eq=False)
class Measure:
    """A metric as the engine sees it.

    Attributes
    ----------
    name, unit, method : str
        For the estimate.
    point : callable
        From answers (m, k) and weights (m,) of one group to its `Point`.
    bounds : callable
        From the `Point` and what is `Known` to the ends of the interval.
    ddof : int, default 1
        0 for the textbook standard error of shares from a simple random sample.
    student : bool, default False
        Whether the interval is Student's, also in a simple random sample.
    partial : bool, default False
        Whether a row counts when some of its columns are missing.
    """

    name: str
    unit: str
    method: str
    point: Callable[[Array, Array], Point]
    bounds: Callable[[Point, Known], Bounds]
    ddof: int = 1
    student: bool = False
    partial: bool = False


@dataclass(frozen=True, eq=False)
class Groups:
    """Estimates of every group, and what their differences need.

    Attributes
    ----------
    keys : DataFrame
        One row per group.
    estimates : list of Estimate
    spread : Spread
    design : Design
    measure : Measure
    """

    keys: pd.DataFrame
    estimates: list[Estimate]
    spread: Spread
    design: Design
    measure: Measure

    def frame(self) -> pd.DataFrame:
        """Return one row per group."""
        rows = pd.DataFrame([e._row() for e in self.estimates])
        clash = {c: f"group_{c}" for c in self.keys.columns if c in rows.columns}
        return pd.concat([self.keys.rename(columns=clash), rows], axis=1)


class Asked(NamedTuple):
    """Groups to be made into something else than a frame of estimates; stands in place of ``by``."""

    by: Any
    make: Callable[[Measure, Array, Design, Codes, pd.DataFrame, float], Any]


def evaluate(
    measure: Measure,
    answers: Answers,
    *,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> Any:
    """Compute a metric: one estimate, a frame with a row per group, or what a comparison makes of the groups.

    Parameters
    ----------
    measure : Measure
    answers : Answers
    weights, strata, clusters, by, level
        As in every metric.

    Returns
    -------
    Estimate or DataFrame
    """
    quantile(level)
    gone = np.isnan(answers.values)
    answered = np.logical_not(gone.all(axis=1) if measure.partial else gone.any(axis=1))
    everyone = np.ones(answers.n, dtype=bool)
    # With strata or clusters rows without an answer stay in the design, as a domain; else they do not count.
    keep = everyone if strata is not None or clusters is not None else answered
    design = design_of(answers, weights, strata, clusters, keep)
    table, inside = answers.values[keep], answered[keep] & (design.weights > 0)
    if by is None:
        found = by_group(measure, table, design, np.where(inside, 0, -1), pd.DataFrame(index=[0]), level)
        return replace(found.estimates[0], missing=answers.n - int(inside.sum()))
    keys, code = groups_of(answers, by.by if isinstance(by, Asked) else by)
    rows = np.bincount(code[code >= 0], minlength=len(keys))
    inside_group = np.where(inside, code[keep], -1)
    if isinstance(by, Asked):
        return by.make(measure, table, design, inside_group, keys, level)
    found = by_group(measure, table, design, inside_group, keys, level)
    counted = [replace(e, missing=int(r) - e.n) for e, r in zip(found.estimates, rows, strict=True)]
    return Groups(keys, counted, found.spread, design, measure).frame()


def by_group(measure: Measure, table: Array, design: Design, code: Codes, keys: pd.DataFrame, level: float) -> Groups:
    """Estimate every group; a group without answers gets NaN."""
    from scipy.sparse import csr_matrix

    g = len(keys)
    order = np.argsort(code, kind="stable")
    starts = np.searchsorted(code[order], np.arange(g + 1))
    rows_of = [order[a:b] for a, b in pairwise(starts)]
    points: list[Point | None] = []
    z = np.zeros(len(code))
    for rows in rows_of:
        if not len(rows):
            points.append(None)
            continue
        w = design.weights[rows]
        point = measure.point(table[rows], w)
        z[rows] = w * point.influence / w.sum()
        points.append(point)
    used = np.concatenate(rows_of) if g else order[:0]
    sparse = csr_matrix((z[used], (used, code[used])), shape=(len(code), g))
    sizes = np.array([len(r) for r in rows_of])
    spread = design.spread(sparse, sizes, measure.ddof)
    with np.errstate(invalid="ignore"):
        se = np.where(sizes > 0, spread.se(), np.nan)
    estimates = [
        _estimate(measure, design, rows, point, float(s), level)
        for rows, point, s in zip(rows_of, points, se, strict=True)
    ]
    return Groups(keys, estimates, spread, design, measure)


def _estimate(
    measure: Measure, design: Design, rows: Codes, point: Point | None, se: float, level: float
) -> Estimate:
    method = f"{measure.method}; {design}"
    words = {"metric": measure.name, "unit": measure.unit, "level": level}
    if point is None:
        return Estimate(np.nan, np.nan, np.nan, np.nan, 0, method, n_eff=0.0, **words)  # type: ignore[arg-type]
    df = design.df_of(rows) if measure.student or design.complex else np.inf
    if measure.student and not design.complex:
        df = len(rows) - 1.0
    n_eff = _effective(design, rows, point, se, df)
    known = Known(se, len(rows), n_eff, df, level)
    lower, upper = measure.bounds(point, known)
    return Estimate(
        float(point.value), se, float(lower), float(upper), len(rows), method,
        n_eff=n_eff, df=df, parts=point.parts, **words,  # type: ignore[arg-type]
    )  # fmt: skip


def _effective(design: Design, rows: Codes, point: Point, se: float, df: float) -> float:
    """Effective answers: Kish's with weights; with strata or clusters from the design effect (Korn and Graubard 1998).

    The latter is the variance of the answers over that of the estimate, times the squared ratio of Student's
    quantiles for few clusters, and never more than the answers there are.
    """
    if not design.complex:
        return design.kish(rows)
    w = design.weights[rows]
    variance = float(np.average(point.influence**2, weights=w))
    if not (se > 0 and variance > 0 and df >= 1):
        return min(design.kish(rows), float(len(np.unique(design.unit[rows]))))
    few = (quantile(0.95, len(rows) - 1.0) / quantile(0.95, df)) ** 2
    return float(min(variance / se**2 * few, len(rows)))
