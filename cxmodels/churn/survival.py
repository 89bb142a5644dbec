"""How many customers stay how long: Kaplan-Meier, with customers watched from later on, weights and groups.

At every time t at which somebody leaves, the share of those at risk who stay is one factor: S(t) = prod (1 - d/n)
(Kaplan and Meier 1958, JASA 53). A customer who came under observation at a later age (left truncation) is at risk
from then on only, so that early losses that nobody saw are not taken for loyalty.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import DataError, DataWarning, SpecError, listed, near
from ..inference import choose, quantile
from ..resampling import check_level
from ..results import Result
from .durations import (
    Array,
    Durations,
    as_table,
    column,
    excluded_text,
    group_labels,
    left_text,
    read_durations,
    risk_table,
    times_of,
)

INTERVALS = ("log-log", "log", "plain")


@dataclass(frozen=True)
class KaplanMeier:
    """Share of customers who stay, by time since the start.

    Parameters
    ----------
    interval : {"log-log", "log", "plain"}, default "log-log"
        Scale on which the interval is symmetric; log-log stays inside 0-1 and keeps its level best near the ends
        (Kalbfleisch and Prentice 2002, sec. 1.4).
    robust : bool, default False
        Standard errors by the infinitesimal jackknife, for weights that are sampling weights. The default is
        Greenwood's formula, in which a weight is a number of customers.
    level : float, default 0.95
        Confidence level, pointwise.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.churn import KaplanMeier
    >>> found = KaplanMeier().fit(cx.datasets.load("telco"), "churn", duration="tenure")
    >>> found.at([12, 24])[["time", "at_risk", "survival", "ci_lower", "ci_upper"]].round(4)
       time  at_risk  survival  ci_lower  ci_upper
    0  12.0   4974.0    0.8432    0.8342    0.8518
    1  24.0   3927.0    0.7887    0.7783    0.7987
    """

    interval: Literal["log-log", "log", "plain"] = "log-log"
    robust: bool = False
    level: float = 0.95

    def __post_init__(self) -> None:
        choose("interval", self.interval, INTERVALS)
        check_level(self.level)

    def fit(
        self,
        data: Any,
        event: Any = "event",
        *,
        duration: Any = "duration",
        entry: Any = None,
        group: Any = None,
        weights: Any = None,
    ) -> KaplanMeierResult:
        """Estimate the curve, or one per group.

        Parameters
        ----------
        data : frame, or array-like of shape (n,)
            One row per customer; or the durations themselves.
        event : str or array-like of shape (n,), default "event"
            1 for customers who left, 0 for those still there; of two labels the later in the alphabet has left.
        duration : str or array-like of shape (n,), default "duration"
            Time from the start of the relation until leaving, or until now, in any unit, 0 or more.
        entry : str or array-like of shape (n,), optional
            Age of the relation when the customer came under observation; 0 (the default) is from the beginning.
        group : str or array-like of shape (n,), optional
            A curve for each of its values.
        weights : str or array-like of shape (n,), optional
            Customers that each row stands for, or sampling weights with ``robust=True``.

        Returns
        -------
        KaplanMeierResult

        Raises
        ------
        DataError
            For durations below 0, events before entry, nobody who left, or columns that hold something else.
        """
        frame, event, duration = as_table(data, event, duration)
        spells = read_durations(frame, event, duration, entry, weights)
        excluded = spells.excluded
        names, code = [""], np.zeros(spells.n, dtype=np.intp)
        if group is not None:
            code, names, blank = group_labels(
                column(frame, group, "group", len(spells.used)), spells.used, "The group"
            )
            if blank:
                excluded = pd.concat([excluded, pd.DataFrame({"reason": ["blank group"], "rows": [blank]})])
        parts, messages = [], spells.messages
        for k, name in enumerate(names):
            part = self._curve(spells[code == k])
            messages += _emptied(part, name)
            parts.append(part.assign(group=name) if group is not None else part)
        curve = pd.concat(parts, ignore_index=True)
        if group is not None:
            curve = curve[["group", *curve.columns.drop("group")]]
        kept = spells[code >= 0]
        return KaplanMeierResult(
            curve,
            int((code >= 0).sum()),
            int((kept.event > 0).sum()),
            excluded.reset_index(drop=True),
            self,
            kept,
            code[code >= 0],
            tuple(names) if group is not None else (),
            messages,
        )

    def _curve(self, spells: Durations) -> pd.DataFrame:
        """Curve of one group."""
        table = risk_table(spells)
        n, d = table.at_risk, table.events[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            survival = np.cumprod(np.where(n > 0, 1 - d / n, 1.0))
            hazard = np.cumsum(np.where(n > 0, d / n, 0.0))
            hazard_var = np.cumsum(np.where(n > 0, d / n**2, 0.0))
            greenwood = np.cumsum(np.where(d > 0, d / (n * np.maximum(n - d, 0.0)), 0.0))
        survival = np.where(survival < 1e-12, 0.0, survival)
        relative = _jackknife_variance(spells, table.time, n, d) if self.robust else greenwood
        columns = {"time": table.time, "at_risk": n, "events": d, "censored": table.censored, "survival": survival}
        if table.time[0] > 0:
            first = {"time": 0.0, "at_risk": n[0] if not spells.truncated else np.nan, "events": 0.0, "censored": 0.0}
            columns = {k: np.append(first.get(k, 1.0), v) for k, v in columns.items()}
            relative, hazard, hazard_var = (np.append(0.0, v) for v in (relative, hazard, hazard_var))
        low, high, se = bounds(np.asarray(columns["survival"], dtype=float), relative, self.interval, self.level)
        columns |= {"se": se, "ci_lower": low, "ci_upper": high, "hazard": hazard, "hazard_se": np.sqrt(hazard_var)}
        return pd.DataFrame(columns)


def _emptied(part: pd.DataFrame, name: str) -> tuple[str, ...]:
    """Say where delayed entry lets a curve come down to 0 while customers were still to come."""
    zero = part[part["survival"] == 0]
    if zero.empty or not (zero["at_risk"].iloc[1:] > 0).any():
        return ()
    first = zero.iloc[0]
    message = (
        f"All {first['at_risk']:g} customers at risk at {first['time']:g} left, so the curve{f' of {name}' if name else ''} stays at 0 "
        "although others came later: take customers from a later entry on, or look at ahead(so_far=...)."
    )
    warnings.warn(message, DataWarning, stacklevel=3)
    return (message,)


def bounds(survival: Array, relative: Array, interval: str, level: float) -> tuple[Array, Array, Array]:
    """Pointwise interval of a survival curve.

    Parameters
    ----------
    survival : ndarray of shape (k,)
    relative : ndarray of shape (k,)
        Variance of ln S.
    interval : {"log-log", "log", "plain"}
    level : float

    Returns
    -------
    lower, upper, se : ndarray of shape (k,)
        Inside 0-1; NaN where the curve has come down to 0.
    """
    z = quantile(level)
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(np.where(survival > 0, relative, np.nan))
        se = survival * root
        if interval == "plain":
            low, high = survival - z * se, survival + z * se
        elif interval == "log":
            low, high = survival * np.exp(-z * root), survival * np.exp(z * root)
        else:
            wide = z * root / np.abs(np.log(survival))
            low, high = survival ** np.exp(wide), survival ** np.exp(-wide)
    sure = (survival == 1) & (relative == 0)
    low, high = (np.where(sure, survival, np.clip(v, 0, 1)) for v in (low, high))
    return low, high, np.where(survival > 0, se, np.nan)


def _jackknife_variance(spells: Durations, time: Array, n: Array, d: Array) -> Array:
    """Variance of ln S(t) by the infinitesimal jackknife, the squared influences of the rows summed.

    Row i moves -ln S(t) by w_i [event_i / (n - d) at its exit - (G(min(t, exit)) - G(entry))] with
    G(t) = sum d / (n (n - d)); without weights and truncation this is Greenwood's formula.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        grow = np.cumsum(np.where((d > 0) & (n > d), d / (n * (n - d)), 0.0))
        jump = np.where(n > d, 1 / (n - d), 0.0)
    k = len(time)
    exit = np.searchsorted(time, spells.time)
    entered = np.searchsorted(time, spells.entry, side="right")
    start = np.where(spells.entry > 0, np.append(0.0, grow)[entered], 0.0)
    w2 = spells.weights**2
    done = np.cumsum(np.bincount(exit, w2 * ((spells.event > 0) * jump[exit] - grow[exit] + start) ** 2, k))
    entered[spells.entry == 0] = 0

    def present(value: Array) -> Array:
        came = np.cumsum(np.bincount(entered, value, k + 1)[:k])
        return np.asarray(came - np.cumsum(np.bincount(exit, value, k)), dtype=float)

    still = grow**2 * present(w2) - 2 * grow * present(w2 * start) + present(w2 * start**2)
    return np.asarray(done + np.maximum(still, 0.0), dtype=float)


@dataclass(frozen=True, repr=False, eq=False)
class KaplanMeierResult(Result):
    """Kaplan-Meier curves.

    Attributes
    ----------
    curve : DataFrame
        [group,] time, at_risk, events, censored, survival, se, ci_lower, ci_upper, and the cumulative hazard of Nelson
        and Aalen with its standard error: hazard, hazard_se. A line per distinct time of an exit, and one at 0.
    n_obs, n_events : int
        Customers used, and those of them who left.
    excluded : DataFrame
        [reason, rows].
    spec : KaplanMeier

    Examples
    --------
    >>> import cxmodels as cx
    >>> found = cx.churn.KaplanMeier().fit(cx.datasets.load("telco"), "churn", duration="tenure", group="contract")
    >>> found.at([12])[["group", "survival", "ci_lower", "ci_upper"]].round(3)
                group  survival  ci_lower  ci_upper
    0  Month-to-month     0.703     0.687     0.718
    1        One year     0.991     0.984     0.995
    2        Two year     1.000     1.000     1.000
    >>> found.quantiles([0.25])[["group", "time"]]
                group  time
    0  Month-to-month   9.0
    1        One year  67.0
    2        Two year   NaN
    >>> found.restricted_mean(24)[["group", "est"]].round(1)
                group   est
    0  Month-to-month  17.5
    1        One year  23.8
    2        Two year  24.0
    >>> found.test().round(0)[["chisq", "df"]].to_dict()
    {'chisq': 2353.0, 'df': 2.0}
    """

    curve: pd.DataFrame
    n_obs: int
    n_events: int
    excluded: pd.DataFrame
    spec: KaplanMeier
    spells: Durations
    code: np.ndarray
    groups: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def headline(self) -> list[tuple[str, str]]:
        """Return model, customers, groups and the kind of standard error.

        Returns
        -------
        list of (label, value)
        """
        rows = [
            ("Model", "Kaplan-Meier" + (f" by group ({len(self.groups)})" if self.groups else "")),
            ("Customers", f"{self.n_obs:,}, {left_text(self.spells, self.n_events)}{excluded_text(self.excluded)}"),
        ]
        if self.spells.truncated:
            rows.append(("Watched from later on", f"{int((self.spells.entry > 0).sum()):,} (left truncation)"))
        se = "infinitesimal jackknife" if self.spec.robust else "Greenwood"
        return [*rows, ("Intervals", f"{100 * self.spec.level:g} %, {self.spec.interval}, {se}, pointwise")]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return medians and the curve at about ten times.

        Returns
        -------
        dict of DataFrame
        """
        last = float(self.curve["time"].max())
        out = {"Time until so many have left": self.quantiles((0.25, 0.5, 0.75))}
        if last > 0:
            shown = np.unique(np.round(np.linspace(0, last, 10), 0 if last >= 20 else 3))
            out["Survival"] = self.at(shown)
        if len(self.groups) > 1:
            out["Do the groups differ (log-rank)"] = self.test().rename("value").to_frame()
        return out

    def at(self, times: Any) -> pd.DataFrame:
        """Return the curve at given times.

        Parameters
        ----------
        times : float or array-like of shape (k,)

        Returns
        -------
        DataFrame
            Columns of `curve` without events and censored; `at_risk` are those at risk just before the time. Blank
            after the last time at which somebody was watched, unless the curve is down at 0.
        """
        wanted = times_of(times)
        out = []
        for name, part in self._parts():
            place = np.searchsorted(part["time"].to_numpy(), wanted, side="right") - 1
            found = part.iloc[np.maximum(place, 0)].drop(columns=["events", "censored"]).reset_index(drop=True)
            rows = self.spells[self.code == name]
            here = [(rows.weights * (rows.time >= t) * ((rows.entry < t) | (rows.entry == 0))).sum() for t in wanted]
            found["time"], found["at_risk"] = wanted, np.asarray(here, dtype=float)
            over = (wanted > part["time"].iloc[-1]) & (part["survival"].iloc[-1] > 0)
            found.loc[over, [c for c in found.columns if c not in ("group", "time", "at_risk")]] = np.nan
            out.append(found)
        return pd.concat(out, ignore_index=True)

    def quantiles(self, shares: Any = (0.5,)) -> pd.DataFrame:
        """Return times at which so many have left.

        Parameters
        ----------
        shares : float or sequence of float, default (0.5,)
            Shares of leavers, in (0, 1); 0.5 is the median.

        Returns
        -------
        DataFrame
            [group,] share, time, ci_lower, ci_upper: the first time at which survival is 1 - share or less, and where the
            bounds of the curve are (Brookmeyer and Crowley 1982); blank where it stays above.
        """
        wanted = times_of(shares, "shares")
        if (wanted <= 0).any() or (wanted >= 1).any():
            raise SpecError(f"shares must lie between 0 and 1, not {shares!r}.")
        out = []
        for name, part in self._parts():
            time = part["time"].to_numpy()
            for share in wanted:
                ends = []
                for c in ("survival", "ci_lower", "ci_upper"):
                    with np.errstate(invalid="ignore"):
                        reached = np.flatnonzero(part[c].to_numpy() <= 1 - share + 1e-12)
                    ends.append(float(time[reached[0]]) if len(reached) else np.nan)
                first = {"group": self.groups[name]} if self.groups else {}
                out.append(first | dict(zip(("share", "time", "ci_lower", "ci_upper"), (share, *ends), strict=True)))
        return pd.DataFrame(out)

    def restricted_mean(self, until: float) -> pd.DataFrame:
        """Return the expected time that a customer stays within a period.

        Parameters
        ----------
        until : float
            End of the period, such as 36 months.

        Returns
        -------
        DataFrame
            [group,] until, est, se, ci_lower, ci_upper: the area under the curve, with Greenwood's variance sum of
            A(t)² d / (n (n - d)), where A is the area from t on.

        Raises
        ------
        DataError
            If nobody was watched for so long.
        """
        end = float(times_of(until, "until")[-1])
        z, out = quantile(self.spec.level), []
        for name, part in self._parts():
            time, survival = part["time"].to_numpy(), part["survival"].to_numpy()
            if end > time[-1] and survival[-1] > 0:
                raise DataError(
                    f"The longest duration is {time[-1]:g}, so nothing is known until {end:g}; choose less."
                )
            inside = time < end
            width = np.diff(np.append(time[inside], end))
            area = np.append(np.cumsum((width * survival[inside])[::-1])[::-1], 0.0)
            n, d = part["at_risk"].to_numpy()[inside], part["events"].to_numpy()[inside]
            with np.errstate(divide="ignore", invalid="ignore"):
                terms = np.where((d > 0) & (n > d), area[:-1] ** 2 * d / (n * (n - d)), 0.0)
            est, se = float(area[0]), float(np.sqrt(terms.sum()))
            first = {"group": self.groups[name]} if self.groups else {}
            out.append(
                first
                | {"until": end, "est": est, "se": se, "ci_lower": est - z * se, "ci_upper": min(est + z * se, end)}
            )
        return pd.DataFrame(out)

    def ahead(self, horizons: Any, so_far: float = 0.0, *, group: str | None = None) -> pd.DataFrame:
        """Return the chance that a customer who stayed so long stays on.

        Parameters
        ----------
        horizons : float or array-like of shape (k,)
            Further times.
        so_far : float, default 0
            How long the customer is there already.
        group : str, optional
            The customer's group.

        Returns
        -------
        DataFrame
            [horizon, survival, se, ci_lower, ci_upper]: S(so_far + h) / S(so_far), the variance from the losses in
            between. Blank beyond the data.

        Examples
        --------
        >>> import cxmodels as cx
        >>> from cxmodels.churn import KaplanMeier
        >>> found = KaplanMeier().fit(cx.datasets.load("telco"), "churn", duration="tenure")
        >>> found.ahead([12], so_far=12).round(4).to_dict("records")
        [{'horizon': 12.0, 'survival': 0.9354, 'se': 0.0037, 'ci_lower': 0.9279, 'ci_upper': 0.9422}]
        """
        steps, start = times_of(horizons, "horizons"), float(times_of(so_far, "so_far")[0])
        if self.groups and group is None:
            raise SpecError(f"There is a curve for each of {listed(self.groups)}; say which group.")
        if group is not None and str(group) not in self.groups:
            raise SpecError(f"There is no group '{group}'.{near(str(group), self.groups)}")
        rows = self.spells[self.code == (self.groups.index(str(group)) if group is not None else 0)]
        later = rows[rows.time > start]
        last = float(rows.time.max())
        if not later.n:
            raise DataError(f"Nobody was watched for longer than {start:g}; the longest duration is {last:g}.")
        moved = Durations(
            later.time - start, later.event, np.maximum(later.entry - start, 0.0), later.weights, *_rest(later)
        )
        curve = self.spec._curve(moved)
        place = np.searchsorted(curve["time"].to_numpy(), steps, side="right") - 1
        found = curve.iloc[place][["survival", "se", "ci_lower", "ci_upper"]].reset_index(drop=True)
        found[(steps > last - start) & (curve["survival"].iloc[-1] > 0)] = np.nan
        found.insert(0, "horizon", steps)
        return found

    def test(self, rho: float = 0.0) -> pd.Series:
        """Test whether the groups differ.

        Parameters
        ----------
        rho : float, default 0
            Weight S(t-)^rho of each time (Harrington and Fleming 1982): 0 is the log-rank test, 1 weighs early losses
            more (Peto-Peto).

        Returns
        -------
        Series
            chisq, df, pvalue. Rows count by their weights.

        Raises
        ------
        SpecError
            If there is one group only.
        """
        from scipy.special import chdtrc

        if len(self.groups) < 2:
            raise SpecError("A test needs two groups or more; fit with group=.")
        power = float(times_of(rho, "rho")[0])
        time = np.unique(self.spells.time)
        tables = [risk_table(self.spells[self.code == k], time) for k in range(len(self.groups))]
        n, d = np.column_stack([t.at_risk for t in tables]), np.column_stack([t.events[:, 0] for t in tables])
        all_n, all_d = n.sum(axis=1), d.sum(axis=1)
        here = (all_d > 0) & (all_n > 1)
        weight = (
            np.append(1.0, np.cumprod(1 - all_d / np.maximum(all_n, 1e-300))[:-1])[here] ** power
            if power
            else np.ones(here.sum())
        )
        n, d, all_n, all_d = n[here], d[here], all_n[here], all_d[here]
        share = n / all_n[:, None]
        gap = (weight[:, None] * (d - all_d[:, None] * share)).sum(axis=0)
        spread = weight**2 * all_d * (all_n - all_d) / (all_n - 1)
        cov = np.diag((spread[:, None] * share).sum(axis=0)) - (spread[:, None] * share).T @ share
        df = int(np.linalg.matrix_rank(cov))
        value = float(gap @ np.linalg.pinv(cov) @ gap) if df else 0.0
        return pd.Series({"chisq": value, "df": float(df), "pvalue": float(chdtrc(df, value)) if df else np.nan})

    def plot(self, **options: Any) -> Any:
        """Draw the curves with the numbers at risk.

        Parameters
        ----------
        **options
            As for :func:`cxmodels.report.survival_charts.survival_chart`; ``language="uk"`` for its words in Ukrainian, as
            ``"ru"`` and ``"bg"``.

        Returns
        -------
        Drawing

        Examples
        --------
        >>> import cxmodels as cx
        >>> found = cx.churn.KaplanMeier().fit(cx.datasets.load("telco"), "churn", duration="tenure", group="contract")
        >>> drawing = found.plot(time="Months")
        >>> drawing[:4]
        '<svg'
        >>> _ = drawing.write("curves.svg")  # doctest: +SKIP
        """
        from ..results import picture

        return picture("survival", self, **options)

    def _parts(self) -> list[tuple[int, pd.DataFrame]]:
        """Number of each group and its curve."""
        if not self.groups:
            return [(0, self.curve)]
        return [
            (k, self.curve[self.curve["group"] == name].reset_index(drop=True)) for k, name in enumerate(self.groups)
        ]


def _rest(spells: Durations) -> tuple[Any, ...]:
    """What stays the same when times are moved."""
    return spells.used, spells.excluded, spells.label, spells.causes
