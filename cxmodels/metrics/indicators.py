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
    """

    value: float
    target: float
    se: float
    ci_lower: float
    ci_upper: float
    level: float
    indicators: pd.DataFrame
    path: pd.DataFrame

    @property
    def n_obs(self) -> int:
        """Number of indicators."""
        return len(self.indicators)

    @property
    def excluded(self) -> pd.DataFrame:
        """Nothing is left out: [reason, rows], empty."""
        return pd.DataFrame(columns=["reason", "rows"])

    def headline(self) -> list[tuple[str, str]]:
        """Return the index, its target and the path.

        Returns
        -------
        list of (label, value)
        """
        rows = [
            ("CSI", f"{self.value:.2f} on 0–100, from {self.n_obs} weighted indicators"),
            ("Target", f"{self.target:.2f} ({self.target - self.value:+.2f} to go)".replace("-", "−")),
        ]
        if np.isfinite(self.se):
            rows.append((f"{100 * self.level:g}% interval", f"{self.ci_lower:.2f} to {self.ci_upper:.2f}"))
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
        >>> table = pd.DataFrame({"weight": [3, 1], "actual": [70, 60], "target": [80, 80]}, index=["Speed", "Staff"])
        >>> e = csi_indicators(table, years=[2025, 2026, 2027])
        >>> e.progress(2026, {"Speed": 76, "Staff": 68})["reached"].tolist()
        [True, False, True]
        """
        if year not in self.path.index:
            raise SpecError(f"The path has no year {year!r}; it has {listed(self.path.index)}.")
        got = pd.Series(actual, dtype=float).reindex(self.indicators.index)
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
    level: float = 0.95,
) -> IndicatorIndex:
    """Satisfaction index from a table of indicators on 0-100 with weights, what is, and what should be.

    Parameters
    ----------
    table : DataFrame
        One row per indicator, named by its index or by the column `indicator`.
    indicator, weight, actual, target : str
        Columns. Weights of any sum; values 0-100.
    se : str, optional
        Column of the standard errors of what is; indicators are then taken as independent.
    years : sequence, optional
        Years of the path to the target; the first is now.
    steps : {"linear", "halving"} or mapping of year to column or values, default "linear"
        Equal steps; or each year but the last halves the gap, so that most is gained early; or the targets of the years
        after the first as columns of the table or values in its order.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    IndicatorIndex

    Raises
    ------
    DataError
        For values outside 0-100, missing or negative weights, or an indicator given twice.
    SpecError
        For an unknown column, or a year without a target.

    Notes
    -----
    CSI = sum w x / sum w; se = sqrt(sum w² se²) / sum w.

    Examples
    --------
    >>> table = pd.DataFrame({"weight": [3, 1], "actual": [70, 60], "target": [80, 80]}, index=["Speed", "Staff"])
    >>> e = csi_indicators(table, years=[2025, 2026, 2027])
    >>> e.value, e.target, e.path["index"].tolist()
    (67.5, 80.0, [67.5, 73.75, 80.0])
    """
    frame = to_pandas(table)
    if indicator in frame.columns:
        frame = frame.set_index(indicator)
    names = [str(v) for v in frame.index]
    if twice := [n for n in dict.fromkeys(names) if names.count(n) > 1]:
        raise DataError(f"The table names the indicators {listed(twice)} more than once.")
    w = _column(frame, weight, 0, np.inf)
    now, goal = _column(frame, actual, 0, 100), _column(frame, target, 0, 100)
    if not w.sum() > 0:
        raise DataError(f"All weights in '{weight}' are 0; at least one must be positive.")
    share = w / w.sum()
    value, aim = float(share @ now), float(share @ goal)
    error = np.nan if se is None else float(np.sqrt(((share * _column(frame, se, 0, np.inf)) ** 2).sum()))
    half = quantile(level) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        attained = np.where(goal > 0, now / goal, np.nan)
    indicators = pd.DataFrame(
        {
            "weight": share, "actual": now, "target": goal, "gap": now - goal, "attainment": attained,
            "contribution": share * now, "lost": share * np.maximum(goal - now, 0),
        },
        index=pd.Index(names, name="indicator"),
    )  # fmt: skip
    path = _path(frame, names, now, goal, list(years), steps)
    path["index"] = path.to_numpy(float) @ share if len(path) else np.array([], dtype=float)
    ordered = indicators.sort_values("lost", ascending=False, kind="stable")
    lower, upper = (
        max(value - half, 0.0) if half == half else np.nan,
        min(value + half, 100.0) if half == half else np.nan,
    )
    return IndicatorIndex(value, aim, error, lower, upper, level, ordered, path)


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
            column = _column(frame, given, 0, 100) if isinstance(given, str) else np.asarray(given, dtype=float)
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
