"""The whole deliverable of an analyst from one call: table, tests, map, what-if, one plain paragraph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..results import Derived
from .analysis import MEASURE_NAMES
from .bootstrap import DriverBootstrap
from .scenario import CAUTION, WhatIf

if TYPE_CHECKING:
    from .result import DriverResult


@dataclass(frozen=True, eq=False, repr=False)
class DriverReport(Derived):
    """Table, tests, map, what-if and a paragraph; made by :meth:`DriverResult.deliverable`.

    Attributes
    ----------
    bootstrap : DriverBootstrap
        Importance with intervals, ranks and differences.
    random_test : DataFrame
        Each attribute against noise.
    map : DataFrame
        Importance, performance and quadrants.
    what_if : WhatIf or None
        Each rating up by one step; None without ratings.
    step : float
    scale : (lo, hi), mapping or None
        Ends of the answer scales, as given.
    paragraph : str
        The finding in plain words.
    profile : DataFrame or None
        Our ratings against a competitor's, where there is one.

    Examples
    --------
    >>> import cxmodels as cx
    >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ2", "PERQ3"]).fit(cx.datasets.survey("mobi"))
    >>> report = res.deliverable(100, seed=1)
    >>> report.map[["importance", "performance", "quadrant"]].round(2)
               importance  performance               quadrant
    attribute
    PERQ1            0.22         7.94  Keep up the good work
    PERQ2            0.09         7.19           Low priority
    PERQ3            0.10         7.70      Possible overkill
    >>> report.paragraph[:60]
    'The 3 attributes together account for 41% of what differs be'
    """

    bootstrap: DriverBootstrap
    random_test: pd.DataFrame
    map: pd.DataFrame
    what_if: WhatIf | None
    step: float
    scale: Any
    paragraph: str
    profile: pd.DataFrame | None = None

    @property
    def point(self) -> DriverResult:
        """The analysis."""
        return self.bootstrap.point

    @property
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """What was unusual."""
        return (*self.bootstrap.warnings, *(self.what_if.warnings if self.what_if else ()))

    def headline(self) -> list[tuple[str, str]]:
        """Method, rows, replicates, and the paragraph.

        Returns
        -------
        list of (label, value)
        """
        return [*self.bootstrap.headline(), ("In short", self.paragraph)]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        out = {
            "Importance": self.bootstrap.importance.sort_values("importance", ascending=False, kind="stable"),
            "Against an attribute of noise": self.random_test,
            "Differences of importance": self.bootstrap.differences,
        }
        if len(self.map):
            out["Importance and performance"] = self.map
        if self.profile is not None:
            out["Against the competitor"] = self.profile
        if self.what_if is not None:
            out[f"What if each rose by {self.step:g}"] = self.what_if.effects
        return out


def deliverable(
    result: DriverResult, n: int, seed: int | None, step: float, scale: Any, cut: str, theirs: Any
) -> DriverReport:
    """Put the pieces together; see :meth:`DriverResult.deliverable`."""
    boot = result.bootstrap(n, seed)
    test = result.random_test(n, seed)
    rated = any(set(p.attributes) <= set(result.numeric) for p in result.spec.players)
    chart = result.map(cut, scale=scale) if rated else pd.DataFrame()
    what = None
    movable = [a for a, b in result.slopes_by_attribute().items() if not np.isnan(b)]
    if movable:
        what = result.simulate(dict.fromkeys(movable, step), scale=scale)
    gaps = None if theirs is None else result.profile(theirs)
    return DriverReport(boot, test, chart, what, step, scale, _paragraph(boot, test, chart, what, gaps, step), gaps)


def _paragraph(
    boot: DriverBootstrap, test: pd.DataFrame, chart: pd.DataFrame, what: WhatIf | None, gaps: Any, step: float
) -> str:
    """The finding in a few sentences."""
    res = boot.point
    frame = boot.importance.sort_values("importance", ascending=False, kind="stable")
    best = frame.iloc[0]
    shares = boot.shares.loc[frame.index[0]]
    who, ends = (f"The {len(frame)} attributes together", "") if len(frame) > 1 else (str(frame.index[0]), "s")
    part = res.r_squared - res.r_squared_controls
    out = [
        f"{who} account{ends} for {part:.0%} of what differs between respondents in {res.spec.outcome} ({res.n_obs:,} respondents)."
        if res.spec.linear
        else f"{who} reach{'es' * bool(ends)} a pseudo-R² ({MEASURE_NAMES[res.spec.measure]}) of {part:.2f} for {res.spec.outcome} "
        f"({res.n_obs:,} respondents)."
    ]
    if len(frame) > 1:
        lead = boot.differences.iloc[0]
        sure = "clearly ahead of" if lead["pvalue_adjusted"] < 1 - boot.level else "not clearly ahead of"
        out.append(
            f"{frame.index[0]} counts most, with {best['share']:.0%} of that ({boot.level:.0%} interval "
            f"{shares['ci_lower']:.0%} to {shares['ci_upper']:.0%}), {sure} {frame.index[1]} ({frame['share'].iloc[1]:.0%})."
        )
    noise = [str(a) for a in frame.index[~test["significant"].reindex(frame.index).to_numpy(bool)]]
    if noise:
        out.append(f"Not distinguishable from an attribute of pure noise: {', '.join(noise)}.")
    if len(chart) and (first := [str(a) for a in chart.index[chart["quadrant"] == "Concentrate here"]]):
        out.append(f"Important and rated below the cut: {', '.join(first)}.")
    if gaps is not None:
        behind = gaps.index[(gaps["gap"] < 0) & (gaps["pvalue_adjusted"] < 1 - boot.level)]
        out.append(f"Surely rated below the competitor: {', '.join(map(str, behind)) or 'nothing'}.")
    if what is not None:
        gain = what.effects.sort_values("effect", key=abs, kind="stable").iloc[-1]
        out.append(
            f"Among single rises of {step:g}, that of {gain.name} goes with the largest change, {gain['effect']:+.2f} "
            f"({gain['ci_lower']:+.2f} to {gain['ci_upper']:+.2f}), in the {res.unit[0].lower() + res.unit[1:]}."
        )
    out.append(CAUTION)
    return " ".join(out)
