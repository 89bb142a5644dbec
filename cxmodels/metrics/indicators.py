"""A satisfaction index from a weighted table of indicators, with targets and a path to them over years."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, listed, near
from ..inference import choose, quantile
from ..results import Result
from ..survey.frames import to_pandas
from .answers import Scale, counts_only, numbers, read
from .design import Array
from .estimate import Asked, Bounds, Estimate, Known, Measure, Point, evaluate
from .kinds import mean_bounds


@dataclass(frozen=True, eq=False, repr=False)
class IndicatorIndex(Result):
    """An index of indicators; made by :func:`csi_indicators`.

    Attributes
    ----------
    value, target : float
        Weighted mean of what is, and of what should be, 0-100.
    se, ci_lower, ci_upper : float
        Uncertainty of the value; NaN unless the table gives standard errors.
    indicators : DataFrame
        Index indicator: [weight (share), actual, target, gap (actual - target), attainment (actual / target),
        contribution (points of the index), lost (points of the index below target)], largest loss first.
    path : DataFrame
        Index year: one column per indicator and ``index``, the targets on the way; the first row is what is.
    estimate : Estimate
        The value as other metrics return it, for :func:`difference`.

    Examples
    --------
    >>> import pandas as pd
    >>> import cxmodels as cx
    >>> table = pd.DataFrame({"weight": [3, 1], "actual": [70, 60], "target": [80, 80]}, index=["Speed", "Staff"])
    >>> found = cx.metrics.csi_indicators(table, years=[2025, 2026])
    >>> found.value, found.path["index"].tolist()
    (67.5, [67.5, 80.0])
    """

    value: float
    target: float
    se: float
    ci_lower: float
    ci_upper: float
    level: float
    indicators: pd.DataFrame
    path: pd.DataFrame
    estimate: Estimate

    @property
    def n_obs(self) -> int:
        """Answers behind the indicators; without any, the number of indicators."""
        return self.estimate.n or len(self.indicators)

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows of answers left out, [reason, rows]."""
        return self.estimate.excluded

    def headline(self) -> list[tuple[str, str]]:
        """Return the index, its target and the path.

        Returns
        -------
        list of (label, value)
        """
        rows = [
            ("CSI", f"{self.value:.2f} on 0–100, from {len(self.indicators)} weighted indicators"),
            ("Target", f"{self.target:.2f} ({self.target - self.value:+.2f} to go)".replace("-", "−")),
        ]
        if np.isfinite(self.se):
            rows.append((f"{100 * self.level:g}% interval", f"{self.ci_lower:.2f} to {self.ci_upper:.2f}"))
        if self.estimate.n:
            rows.append(("Answers", f"{self.estimate.n}; {self.estimate.method}"))
        if len(self.path):
            rows.append(("Path", f"{self.path.index[0]} to {self.path.index[-1]}"))
        return rows

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return indicators and path for display.

        Returns
        -------
        dict of DataFrame
        """
        shown = {"Indicators": self.indicators}
        if len(self.path):
            shown["Target path"] = self.path.T
        return shown

    def progress(self, year: Any, actual: Mapping[str, float] | pd.Series) -> pd.DataFrame:
        """Hold what a later year brought against the path.

        Parameters
        ----------
        year : label
            A year of the path.
        actual : mapping or Series
            Values by indicator, 0-100.

        Returns
        -------
        DataFrame
            Index indicator, last the index: [planned, actual, gap, reached].

        Raises
        ------
        SpecError
            If the path has no such year, or an indicator has no value.

        Examples
        --------
        >>> import pandas as pd
        >>> from cxmodels.metrics import csi_indicators
        >>> table = pd.DataFrame({"weight": [3, 1], "actual": [70, 60], "target": [80, 80]}, index=["Speed", "Staff"])
        >>> e = csi_indicators(table, years=[2025, 2026, 2027])
        >>> e.progress(2026, {"Speed": 76, "Staff": 68})["reached"].tolist()
        [True, False, True]
        """
        if year not in self.path.index:
            raise SpecError(f"The path has no year {year!r}; it has {listed(self.path.index)}.")
        got = numbers(actual, f"The values for {year}").reindex(self.indicators.index)
        if got.isna().any():
            raise SpecError(f"There is no value of {listed(got.index[got.isna()])} for {year}.")
        got["index"] = float((self.indicators["weight"] * got).sum())
        planned = self.path.loc[year].reindex(got.index)
        gap = got - planned
        return pd.DataFrame({"planned": planned, "actual": got, "gap": gap, "reached": gap >= -1e-9})


def csi_indicators(
    table: Any,
    *,
    indicator: str = "indicator",
    weight: str = "weight",
    actual: str = "actual",
    target: str = "target",
    se: str | None = None,
    years: Sequence[Any] = (),
    steps: Literal["linear", "halving"] | Mapping[Any, Any] = "linear",
    data: Any = None,
    scale: Scale | None = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> Any:
    """Satisfaction index from a table of indicators on 0-100 with weights, what is, and what should be.

    Parameters
    ----------
    table : DataFrame
        One row per indicator, named by its index or by the column `indicator`.
    indicator, weight, actual, target : str
        Columns. Weights of any sum; values 0-100. `actual` is not read where `data` says what is.
    se : str, optional
        Column of the standard errors of what is; indicators are then taken as independent.
    years : sequence, optional
        Years of the path to the target; the first is now.
    steps : {"linear", "halving"} or mapping of year to column or values, default "linear"
        Equal steps; or each year but the last halves the gap, so that most is gained early; or the targets of the years
        after the first as columns of the table or values in its order.
    data : Survey or DataFrame, optional
        Answers, a column for every indicator and a row per respondent: what is, is then their means, over those who
        answered, with standard errors that know that one respondent answered several.
    scale : (lo, hi), optional
        Ends of the scale of these answers, by default those of the codebook, else (0, 100); means are put on 0-100.
    weights, strata, clusters : column name or array-like of shape (n,), optional
        Case weights and design of these answers.
    by : column name(s) or labels of shape (n,), optional
        Groups of these answers, such as branches or waves. Without `data` columns of the table, which then holds the
        indicators of every group one below another.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    IndicatorIndex or DataFrame
        With `by` a row per group: [group..., value, se, ci_lower, ci_upper, n, ..., target, gap].

    Raises
    ------
    DataError
        For values outside 0-100 or the scale, missing or negative weights, or an indicator given twice.
    SpecError
        For an unknown column, or a year without a target.

    Notes
    -----
    CSI = sum w x / sum w; se = sqrt(sum w² se²) / sum w, or from answers that of the linearised sum. From answers the
    interval is Student's, from a table normal.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.metrics import csi_indicators
    >>> table = pd.DataFrame({"weight": [3, 1], "actual": [70, 60], "target": [80, 80]}, index=["Speed", "Staff"])
    >>> e = csi_indicators(table, years=[2025, 2026, 2027])
    >>> e.value, e.target, e.path["index"].tolist()
    (67.5, 80.0, [67.5, 73.75, 80.0])
    >>> answers = pd.DataFrame({"Speed": [9, 8, 7], "Staff": [10, 8, 9]})
    >>> csi_indicators(table, data=answers, scale=(0, 10)).value
    82.5
    """
    frame = to_pandas(table)
    if indicator in frame.columns:
        frame = frame.set_index(indicator)
    if data is None:
        counts_only("A table of indicators", weights=weights, strata=strata, clusters=clusters)
        if by is not None:
            options = {"weight": weight, "actual": actual, "target": target, "se": se, "level": level}
            return _tables(frame, by, options)
    names = [str(v) for v in frame.index]
    if twice := [n for n in dict.fromkeys(names) if names.count(n) > 1]:
        raise DataError(f"The table names the indicators {listed(twice)} more than once.")
    w, goal = _column(frame, weight, 0, np.inf), _column(frame, target, 0, 100)
    if not w.sum() > 0:
        raise DataError(f"All weights in '{weight}' are 0; at least one must be positive.")
    share = w / w.sum()
    if data is None:
        now = _column(frame, actual, 0, 100)
        errors = None if se is None else _column(frame, se, 0, np.inf)
        found = _of_table(now, errors, share, level)
    else:
        answers = read(names, data)
        ends = answers.scale(scale, (0, 100))
        design = {"weights": weights, "strata": strata, "clusters": clusters, "level": level}
        found = evaluate(_measure(names, share, ends), answers, by=by, **design)
        if by is not None:
            aim = float(share @ goal)
            return found if "reference" in found else found.assign(target=aim, gap=found["value"] - aim)
        parts = [
            evaluate(_measure([names[j]], np.ones(1), ends), answers.column(j), **design) for j in range(len(names))
        ]
        now, errors = np.array([p.value for p in parts]), np.array([p.se for p in parts])
    return _index(frame, names, share, now, goal, errors, found, list(years), steps)


def _index(
    frame: pd.DataFrame, names: list[str], share: Array, now: Array, goal: Array, errors: Array | None,
    found: Estimate, years: list[Any], steps: Any,
) -> IndicatorIndex:  # fmt: skip
    """Put the index, its indicators and its path together."""
    with np.errstate(divide="ignore", invalid="ignore"):
        attained = np.where(goal > 0, now / goal, np.nan)
    indicators = pd.DataFrame(
        {
            "weight": share, "actual": now, "target": goal, "gap": now - goal, "attainment": attained,
            "contribution": share * now, "lost": share * np.maximum(goal - now, 0),
        },
        index=pd.Index(names, name="indicator"),
    )  # fmt: skip
    if errors is not None:
        indicators.insert(2, "se", errors)
    path = _path(frame, names, now, goal, years, steps)
    path["index"] = path.to_numpy(float) @ share if len(path) else np.array([], dtype=float)
    ordered = indicators.sort_values("lost", ascending=False, kind="stable")
    ends = found.ci_lower, found.ci_upper
    return IndicatorIndex(found.value, float(share @ goal), found.se, *ends, found.level, ordered, path, found)


def _of_table(now: Array, errors: Array | None, share: Array, level: float) -> Estimate:
    """The index of a table, with the standard errors that stand in it."""
    value = float(share @ now)
    error = np.nan if errors is None else float(np.sqrt(((share * errors) ** 2).sum()))
    half = quantile(level) * error
    lower, upper = max(value - half, 0.0) if half == half else np.nan, min(value + half, 100.0) if half == half else np.nan  # fmt: skip
    method = "weighted mean of indicators" + ("" if errors is None else ", taken as independent; interval normal")
    return Estimate(value, error, lower, upper, 0, method, metric="CSI", unit="index, 0–100", level=level)


def _measure(names: list[str], share: Array, ends: Scale) -> Measure:
    """Weighted mean of the columns' means on 0-100, each over those who answered."""

    def point(x: Array, w: Array) -> Point:
        seen = ~np.isnan(x)
        total = w @ seen
        if (total == 0).any():
            blank = [n for n, t in zip(names, total, strict=True) if t == 0]
            raise DataError(
                f"None of {len(x)} respondents of a group answered {listed(blank)}; leave the indicator out."
            )
        score = 100 * (np.where(seen, x, 0.0) - ends[0]) / (ends[1] - ends[0])
        means = (w @ np.where(seen, score, 0.0)) / total
        pull = np.where(seen, score - means, 0.0) * w.sum() / total
        return Point(float(share @ means), pull @ share, {})

    def bounds(point: Point, known: Known) -> Bounds:
        lower, upper = mean_bounds(point, known)
        return max(lower, 0.0), min(upper, 100.0)

    method = f"weighted mean of {len(share)} indicators; interval t"
    return Measure("CSI", "index, 0–100", method, point, bounds, student=True, partial=True)


def _tables(frame: pd.DataFrame, by: Any, options: dict[str, Any]) -> pd.DataFrame:
    """The index of every group of a table that holds the indicators of all."""
    if isinstance(by, Asked):
        raise SpecError("A test of differences needs the answers, data=; of two indices with se= use difference().")
    columns = [by] if isinstance(by, str) else list(by)
    for name in columns:
        if name not in frame.columns:
            raise SpecError(f"The table has no column '{name}'.{near(name, map(str, frame.columns))}")
    rows = []
    for key, part in frame.groupby(columns, sort=False, observed=True):
        e = csi_indicators(part, **options)
        known = dict(zip(columns, key, strict=True))
        ends = {"value": e.value, "se": e.se, "ci_lower": e.ci_lower, "ci_upper": e.ci_upper}
        rows.append({**known, **ends, "indicators": len(part), "target": e.target, "gap": e.value - e.target})
    return pd.DataFrame(rows)


def _column(frame: pd.DataFrame, name: str, low: float, high: float) -> Any:
    """A numeric column without gaps, inside its limits."""
    if name not in frame.columns:
        raise SpecError(f"The table has no column '{name}'.{near(name, map(str, frame.columns))}")
    values = pd.to_numeric(frame[name], errors="coerce").to_numpy(float)
    wrong = ~((values >= low) & (values <= high) & np.isfinite(values))
    if wrong.any():
        said = f"between {low:g} and {high:g}" if np.isfinite(high) else f"{low:g} or more"
        raise DataError(
            f"Column '{name}' must hold numbers {said}: {int(wrong.sum())} of {len(values)} rows do not, "
            f"{listed(frame.index[wrong])}."
        )
    return values


def _path(frame: pd.DataFrame, names: list[str], now: Any, goal: Any, years: list[Any], steps: Any) -> pd.DataFrame:
    """Targets by year; the first row is what is."""
    if isinstance(steps, Mapping):
        if not years:
            raise SpecError("A path by year needs years=, the first of them now.")
        rows = [now]
        for year in years[1:]:
            if year not in steps:
                raise SpecError(f"steps has no targets for {year!r}; it has {listed(steps)}.")
            given = steps[year]
            try:
                column = _column(frame, given, 0, 100) if isinstance(given, str) else np.asarray(given, dtype=float)
            except (TypeError, ValueError):
                column = np.empty(0)
            if column.shape != (len(names),) or not ((column >= 0) & (column <= 100)).all():
                raise DataError(f"The targets for {year!r} must be {len(names)} numbers between 0 and 100.")
            rows.append(column)
    else:
        choose("steps", steps, ("linear", "halving"))
        if len(years) == 1:
            raise SpecError("A path needs at least two years, the first of them now.")
        last = max(len(years) - 1, 1)
        done = [t / last if steps == "linear" else 1 - 0.5**t for t in range(len(years))]
        done[-1:] = [1.0] if years else []
        rows = [now + d * (goal - now) for d in done]
    return pd.DataFrame(
        np.array(rows).reshape(len(years), len(names)), index=pd.Index(years, name="year"), columns=names
    )
