"""Rolling indices: the respondents of the last four quarters pooled, moving forward a quarter at a time.

Every window is a study of its own, fitted to all its rows, in which each quarter has a declared share of the weight.
Neighbouring windows share three quarters of their respondents, so the change from one to the next rests on the quarter
that came in and the one that dropped out; its standard error is that of :mod:`cxmodels.acsi.overlap`. Where
each unit is measured once a year and carried forward, see :func:`cxmodels.acsi.last_values`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, listed, near
from ..inference import quantile
from ..resampling import whole_number
from ..results import Result
from ..survey import Survey, as_survey
from . import comparison
from .hierarchy import Weights, in_order
from .overlap import PERSON, contributions, joint_variances, number_people
from .result import IndexResult
from .satisfaction import SatisfactionIndex

ROW = "_row"
Shares = Literal["equal", "interviews"] | Mapping[Any, float]


@dataclass(frozen=True, eq=False, repr=False)
class RollingIndex(Result):
    """Indices of windows that move forward period by period; made by :func:`rolling_index`.

    Attributes
    ----------
    windows : dict of period to IndexResult
        The study of the window that ends with each period.
    period : str
        Column of the period.
    contents : dict of period to tuple
        Periods in each window.
    people : str
        Column that tells respondents apart.

    Examples
    --------
    >>> import pandas as pd
    >>> import cxmodels as cx
    >>> quarters = [cx.datasets.simulate_study(3, 60, 1, seed=q)[0].assign(quarter=q) for q in range(1, 6)]
    >>> found = cx.acsi.rolling_index(cx.SatisfactionIndex(), pd.concat(quarters), "company", period="quarter")
    >>> found.scores.query("construct == 'Satisfaction'")[["company", "period", "index", "se", "n"]].round(1).head(3)
          company  period  index   se    n
    3   Company 1       4   79.3  1.1  240
    9   Company 2       4   78.0  1.2  240
    15  Company 3       4   75.9  1.3  240
    >>> levels = found.aggregate(["industry"])
    >>> levels.query("construct == 'Satisfaction'")[["period", "name", "index"]].round(1)
       period            name  index
    3       4  Retail trade 1   77.7
    9       5  Retail trade 1   76.7
    >>> found.aggregate_change(["industry"]).query("construct == 'Satisfaction'")[["name", "change", "se"]].round(2)
                 name  change    se
    3  Retail trade 1   -1.07  0.46
    """

    windows: dict[Any, IndexResult]
    period: str
    contents: dict[Any, tuple[Any, ...]]
    people: str

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Indices, [unit..., period, construct, index, se, ci_lower, ci_upper, n, periods].

        ``period`` is the last of the window and ``periods`` says in how many the unit was measured. Answers of a person
        asked several times in a window count as one cluster, where respondents are named.
        """
        return self._stacked(self._scores)

    @cached_property
    def impacts(self) -> pd.DataFrame:
        """Effects between indices, [unit..., period, driver, target, impact, se, ci_lower, ci_upper]."""
        return self._stacked(lambda p: self.windows[p].impacts, before="driver")

    def change(self, lag: int = 1, *, adjust: str = "holm") -> pd.DataFrame:
        """Compare each window with an earlier one.

        Parameters
        ----------
        lag : int, default 1
            Periods between the ends of the two windows; with 4 quarters year on year, without common respondents.
        adjust : {"holm", "bh", "none"}, default "holm"
            As for :meth:`IndexResult.change`, within period and construct.

        Returns
        -------
        DataFrame
            [unit..., period, construct, previous, index, change, se, z, pvalue, pvalue_adjusted, detectable, overlap].

        Raises
        ------
        SpecError
            If there is no pair of windows so far apart.
        """
        pairs = self._pairs(lag)

        def found(now: Any) -> pd.DataFrame:
            return comparison.change(self.windows[now], self.windows[pairs[now]], adjust, self.people, once=False)

        return self._stacked(found, pairs)

    def aggregate(self, levels: str | Sequence[str], weights: Weights = None) -> pd.DataFrame:
        """Combine units into industries, sectors or the nation, window by window.

        Parameters
        ----------
        levels, weights
            As for :meth:`IndexResult.aggregate`. Where they change from period to period, a unit has those of its last
            one in the window.

        Returns
        -------
        DataFrame
            [level, name, period, construct, index, se, ci_lower, ci_upper, units, n]; respondents are independent.

        Raises
        ------
        SpecError
            As :meth:`IndexResult.aggregate`.
        DataError
            As :meth:`IndexResult.aggregate`.
        """
        asked = _listed(levels)
        return self._stacked(lambda p: comparison.aggregate(self.windows[p], asked, weights, self._latest(p)))

    def aggregate_change(
        self, levels: str | Sequence[str], weights: Weights = None, *, lag: int = 1, adjust: str = "holm"
    ) -> pd.DataFrame:
        """Compare industries, sectors or the nation with an earlier window.

        Parameters
        ----------
        levels, weights
            As for :meth:`aggregate`.
        lag, adjust
            As for :meth:`change`.

        Returns
        -------
        DataFrame
            [level, name, period, construct, previous, index, change, se, z, pvalue, pvalue_adjusted, detectable, overlap].

        Raises
        ------
        SpecError
            As :meth:`change` and :meth:`aggregate`.
        """
        pairs, asked = self._pairs(lag), _listed(levels)

        def found(now: Any) -> pd.DataFrame:
            two = (now, pairs[now])
            frames = [self._latest(p) for p in two]
            results = [self.windows[p] for p in two]
            return comparison.aggregate_change(
                results[0], results[1], asked, weights, adjust, self.people, frames=frames, once=False
            )

        return self._stacked(found, pairs)

    # --- what it is -----------------------------------------------------------------------------------------

    @property
    def n_obs(self) -> int:
        """Rows used in at least one window."""
        used = [contributions(r, ROW)[PERSON] for r in self.windows.values()]
        return int(pd.concat(used).nunique())

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [period, reason, rows], by window."""
        return self._stacked(lambda p: self.windows[p].excluded, before="reason")

    @property
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """What was unusual, over all windows."""
        return tuple(f"{period}: {text}" for period, r in self.windows.items() for text in r.warnings)

    def headline(self) -> list[tuple[str, str]]:
        """Model, windows, units and the last window's rows.

        Returns
        -------
        list of (label, value)
        """
        last = list(self.windows)[-1]
        result = self.windows[last]
        return [
            (f"{result.spec.model.name} satisfaction index", f"rolling, {len(self.contents[last])} periods pooled"),
            ("Windows", f"{len(self.windows)}, ending with {listed(self.windows)}"),
            ("Units", f"{len(result.measured)} by {', '.join(result.keys)}" if result.keys else "1"),
            ("Rows", f"{result.n_obs} in the last window"),
            ("Converged", "yes" if all(r.converged for r in self.windows.values()) else "NO"),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        target = next(iter(self.windows.values())).target
        tables = {f"Index of {target} (0-100)": self.scores[self.scores["construct"] == target]}
        if len(self.windows) > 1:
            moved = self.change()
            tables["Change from window to window"] = moved[moved["construct"] == target]
        return {title: frame.reset_index(drop=True) for title, frame in tables.items()}

    # --- internals ------------------------------------------------------------------------------------------

    def _stacked(
        self, frame: Callable[[Any], pd.DataFrame], periods: Any = None, before: str = "construct"
    ) -> pd.DataFrame:
        """A frame of every window, one below the other, with its period before a column."""
        parts = []
        for period in self.windows if periods is None else periods:
            part = frame(period).copy()
            part.insert(list(part.columns).index(before), "period", [period] * len(part))
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def _scores(self, period: Any) -> pd.DataFrame:
        """Scores of one window, with the number of periods behind each."""
        result = self.windows[period]
        keys = list(result.keys)
        out = result.scores.drop(columns="se_bootstrap")
        if self.people != ROW:
            own = contributions(result, self.people)
            own[PERSON] = number_people([own])[0]
            spread = joint_variances(own, own, keys)[[*keys, "construct", "var"]]
            out["se"] = np.sqrt(out[[*keys, "construct"]].merge(spread, on=[*keys, "construct"])["var"].to_numpy())
            half = quantile(result.level) * out["se"]
            out["ci_lower"] = (out["index"] - half).clip(lower=0)
            out["ci_upper"] = (out["index"] + half).clip(upper=100)
        frame = result.survey.frame
        if not keys:
            return out.assign(periods=frame[self.period].nunique())
        counted = frame.groupby(keys, observed=True)[self.period].nunique().rename("periods").reset_index()
        return out.merge(counted, on=keys, how="left")

    def _pairs(self, lag: int) -> dict[Any, Any]:
        """The earlier window that each is compared with."""
        if whole_number("lag", lag) < 1:
            raise SpecError(f"lag is a number of periods, 1 or more, not {lag}.")
        ends = list(self.windows)
        if lag >= len(ends):
            raise SpecError(f"There are {len(ends)} windows, so none lies {lag} periods before another.")
        return dict(zip(ends[lag:], ends, strict=False))

    def _latest(self, period: Any) -> pd.DataFrame:
        """Rows of each unit's last period in a window: the levels and weights that hold at its end."""
        frame, keys = self.windows[period].survey.frame, list(self.windows[period].keys)
        place = pd.Series(pd.Index(self.contents[period]).get_indexer(frame[self.period]), frame.index)
        if not keys:
            return frame
        last = place.groupby([frame[k] for k in keys], observed=True).transform("max")
        return frame[(place == last).to_numpy()]


def rolling_index(
    index: SatisfactionIndex,
    data: Any,
    by: str | Sequence[str] | None = None,
    *,
    period: str,
    window: int = 4,
    periods: Sequence[Any] | None = None,
    shares: Shares = "equal",
    respondent: str | None = None,
    weights: Any = None,
    bootstrap: int = 0,
    **options: Any,
) -> RollingIndex:
    """Estimate an index in windows of several periods that move forward one period at a time.

    Parameters
    ----------
    index : SatisfactionIndex
        What to estimate.
    data : Survey or DataFrame
        One row per respondent and period.
    by : str or sequence of str, optional
        Columns that name the unit; not the period.
    period : str
        Column of the period, such as the quarter.
    window : int, default 4
        Periods in a window.
    periods : sequence, optional
        Periods in order, such as quarters named in words; by default those that occur, in the order of time.
    shares : {"equal", "interviews"} or mapping of period to number, default "equal"
        Weight of each period in a unit's window: alike, so that a quarter with much fieldwork does not
        outweigh the others; as many as were asked; or in proportion to given numbers, such as sales. Periods in which
        a unit was not measured are left out, and the others take their share.
    respondent : str, optional
        Column that names a person, where some are asked in several periods. By default every row is another one.
    weights : str or array-like of shape (n,), optional
        Case weights; by default those of the survey.
    bootstrap : int, default 0
        Replicates behind the intervals of impacts.
    **options
        seed, missing, interval, level and n_jobs of :meth:`SatisfactionIndex.fit`.

    Returns
    -------
    RollingIndex

    Raises
    ------
    SpecError
        For a column, period or share that does not exist, or fewer periods than a window takes.
    DataError
        If a period is missing in the data, or a share is negative or missing.

    Examples
    --------
    >>> import cxmodels as cx
    >>> import pandas as pd
    >>> from cxmodels.acsi import rolling_index
    >>> quarters = [cx.datasets.simulate_study(3, 60, 1, seed=q)[0].assign(quarter=q) for q in range(1, 7)]
    >>> found = rolling_index(cx.SatisfactionIndex(), pd.concat(quarters), "company", period="quarter")
    >>> found.scores.query("construct == 'Satisfaction'").groupby("period").n.sum().to_dict()
    {4: 720, 5: 720, 6: 720}
    >>> found.change()[["period", "overlap"]].drop_duplicates().values.tolist()
    [[5, 180], [6, 180]]
    """
    if not isinstance(index, SatisfactionIndex):
        raise SpecError(f"rolling_index takes a SatisfactionIndex first, not {type(index).__name__}.")
    survey = as_survey(data)
    order = _periods(survey.frame, by, period, periods)
    if whole_number("window", window) < 1:
        raise SpecError(f"window is a number of periods, 1 or more, not {window}.")
    if len(order) < window:
        raise SpecError(f"A window takes {window} periods, and there are {len(order)}: {listed(order)}.")
    wanted = _shares(shares, order)
    case = survey.case_weights(weights)
    survey = survey.assign(**{ROW: np.arange(len(survey))})
    place = pd.Index(order).get_indexer(survey.frame[period])
    windows, contents = {}, {}
    for end in range(window - 1, len(order)):
        rows = np.flatnonzero((place > end - window) & (place <= end))
        part = survey.subset(rows)
        own = None if case is None else case[rows]
        if wanted is not None:
            own = _reweighted(part, by, period, np.ones(len(rows)) if own is None else own, wanted)
        windows[order[end]] = index.fit(part, by, weights=own, bootstrap=bootstrap, **options)
        contents[order[end]] = tuple(order[end - window + 1 : end + 1])
    return RollingIndex(windows, period, contents, respondent or ROW)


def _listed(levels: str | Sequence[str]) -> list[str]:
    return [levels] if isinstance(levels, str) else list(levels or ())


def _periods(frame: pd.DataFrame, by: Any, period: str, periods: Sequence[Any] | None) -> list[Any]:
    """Periods in order, after a check."""
    if period not in frame:
        raise SpecError(f"The period '{period}' is not a column of the data.{near(period, map(str, frame.columns))}")
    if period in ([by] if isinstance(by, str) else list(by or ())):
        raise SpecError(f"by names the period '{period}'; windows pool periods, so name only the units.")
    if gone := int(frame[period].isna().sum()):
        raise DataError(f"{gone} rows have no '{period}'; fill it, or drop those rows.")
    if periods is None:
        return in_order(frame[period], "periods")
    known = list(pd.unique(frame[period]))
    if strange := [p for p in known if p not in list(periods)]:
        raise SpecError(f"The data hold {period} {listed(strange)}, which periods= does not name.")
    return list(periods)


def _shares(shares: Shares, order: list[Any]) -> dict[Any, float] | None:
    """Share of each period, or None to leave weights as they are."""
    if isinstance(shares, str):
        if shares not in ("equal", "interviews"):
            raise SpecError(
                f"Unknown shares='{shares}'; choose 'equal', 'interviews' or numbers by period."
                f"{near(shares, ('equal', 'interviews'))}"
            )
        return dict.fromkeys(order, 1.0) if shares == "equal" else None
    if not isinstance(shares, Mapping):
        raise SpecError(f"shares is 'equal', 'interviews' or a mapping of period to number, not {shares!r}.")
    if lacking := [p for p in order if p not in shares]:
        raise SpecError(f"shares names no number for {listed(lacking)}.")
    if bad := [p for p in order if not (np.isfinite(shares[p]) and shares[p] > 0)]:
        raise DataError(f"The share of {listed(bad)} is not a number above zero.")
    return {p: float(shares[p]) for p in order}


def _reweighted(part: Survey, by: Any, period: str, case: np.ndarray, shares: dict[Any, float]) -> np.ndarray:
    """Case weights under which the periods of every unit have their shares; the unit's sum stays."""
    frame = part.frame
    keys = [frame[k] for k in ([by] if isinstance(by, str) else list(by or ())) if k in frame]
    share = frame[period].map(shares).astype(float)
    g = pd.Series(case, frame.index)
    every = keys or [pd.Series(0, frame.index)]
    own = g.groupby([*every, frame[period]], observed=True).transform("sum")
    first = ~pd.concat([*every, frame[period]], axis=1).duplicated()
    total = g.groupby(every, observed=True).transform("sum")
    whole = share.where(first & (own > 0), 0.0).groupby(every, observed=True).transform("sum")
    out = g * share / whole * total / own
    return out.fillna(g).to_numpy()  # rows that name no unit are left out by the fit
