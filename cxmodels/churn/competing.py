"""Leaving for one cause among several: Aalen-Johansen.

Taking other causes for customers still there would overstate a cause: who moved away cannot go to a competitor any more.
The share gone for cause c by t is F(t) = sum S(s-) d_c / n over times s up to t, S being the share still there (Aalen and
Johansen 1978, Scandinavian Journal of Statistics 5); all shares and S add up to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..inference import quantile
from ..resampling import check_level
from ..results import Result
from .durations import (
    Array,
    Durations,
    as_table,
    column,
    excluded_text,
    group_labels,
    read_durations,
    risk_table,
    times_of,
)


@dataclass(frozen=True)
class AalenJohansen:
    """Share of customers who left for each cause, by time since the start.

    Parameters
    ----------
    level : float, default 0.95
        Confidence level, pointwise; intervals are symmetric on the scale of ln(-ln F).

    Examples
    --------
    >>> from cxmodels.churn import AalenJohansen
    >>> months = [1, 2, 2, 3, 4, 5, 6, 6]
    >>> cause = ["price", "moved", "price", "", "price", "moved", "", ""]
    >>> AalenJohansen().fit(months, cause).at(4)[["cause", "share"]].round(3)
       cause  share
    0  moved  0.125
    1  price  0.406
    """

    level: float = 0.95

    def __post_init__(self) -> None:
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
        left: Any = None,
    ) -> AalenJohansenResult:
        """Estimate the shares.

        Parameters
        ----------
        data : frame, or array-like of shape (n,)
            One row per customer; or the durations themselves.
        event : str or array-like of shape (n,), default "event"
            Cause of leaving; blank, 0, False, "no" or "none" for customers still there.
        duration, entry, group, weights : str or array-like of shape (n,)
            As for :meth:`KaplanMeier.fit`.
        left : object, optional
            The label of those still there, if they have one, such as "active".

        Returns
        -------
        AalenJohansenResult

        Raises
        ------
        DataError
            As for :meth:`KaplanMeier.fit`.
        """
        frame, event, duration = as_table(data, event, duration)
        spells = read_durations(frame, event, duration, entry, weights, causes=True, left=left)
        excluded, names, code = spells.excluded, [""], np.zeros(spells.n, dtype=np.intp)
        if group is not None:
            code, names, blank = group_labels(
                column(frame, group, "group", len(spells.used)), spells.used, "The group"
            )
            if blank:
                excluded = pd.concat([excluded, pd.DataFrame({"reason": ["blank group"], "rows": [blank]})])
        parts = []
        for k, name in enumerate(names):
            part = self._curves(spells[code == k])
            if group is not None:
                part.insert(0, "group", name)
            parts.append(part)
        kept = spells[code >= 0]
        counts = np.bincount(kept.event, minlength=len(spells.causes) + 1)[1:]
        return AalenJohansenResult(
            pd.concat(parts, ignore_index=True),
            kept.n,
            dict(zip(spells.causes, map(int, counts), strict=True)),
            excluded.reset_index(drop=True),
            tuple(names) if group is not None else (),
            kept.truncated,
            self.level,
            spells.messages,
        )

    def _curves(self, spells: Durations) -> pd.DataFrame:
        """Curves of all causes in one group."""
        table = risk_table(spells)
        n, by = table.at_risk, table.events
        d = by.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            stay = np.cumprod(np.where(n > 0, 1 - d / n, 1.0))
        before = np.append(1.0, stay[:-1])
        out = []
        for c, cause in enumerate(spells.causes):
            share, se = _share(n, d, by[:, c], before)
            low, high = _bounds(share, se, quantile(self.level))
            lines = {"cause": cause, "time": table.time, "at_risk": n, "events": by[:, c]}
            out.append(pd.DataFrame(lines | {"share": share, "se": se, "ci_lower": low, "ci_upper": high}))
        return pd.concat(out, ignore_index=True)


def _share(n: Array, d: Array, own: Array, before: Array) -> tuple[Array, Array]:
    """Share gone for one cause and its standard error, by the delta method.

    Var F(t) = sum [(F(t) - F(s))² d / (n (n - d)) + S(s-)² d_c (n - d_c) / n³ - 2 (F(t) - F(s)) S(s-) d_c / n²] over s up to t
    (Marubini and Valsecchi 1995, eq. 10.13), multiplied out so that one pass is enough.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.cumsum(np.where(n > 0, before * own / n, 0.0))
        a = np.where((d > 0) & (n > d), d / (n * (n - d)), 0.0)
        b = np.where(n > 0, before**2 * own * (n - own) / n**3, 0.0)
        e = np.where(n > 0, before * own / n**2, 0.0)
    var = share**2 * np.cumsum(a) - 2 * share * np.cumsum(a * share) + np.cumsum(a * share**2) + np.cumsum(b)
    var -= 2 * (share * np.cumsum(e) - np.cumsum(e * share))
    return share, np.sqrt(np.maximum(var, 0.0))


def _bounds(share: Array, se: Array, z: float) -> tuple[Array, Array]:
    """Interval of a share on the scale of ln(-ln F)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        wide = z * se / (share * np.abs(np.log(share)))
        low, high = share ** np.exp(wide), share ** np.exp(-wide)
    none = share <= 0
    return np.where(none, 0.0, low), np.where(none, 0.0, high)


@dataclass(frozen=True, repr=False, eq=False)
class AalenJohansenResult(Result):
    """Shares of customers who left, by cause.

    Attributes
    ----------
    curve : DataFrame
        [group,] cause, time, at_risk, events, share, se, ci_lower, ci_upper.
    n_obs : int
        Customers used.
    causes : dict of str to int
        Customers who left, by cause.
    excluded : DataFrame
        [reason, rows].

    Examples
    --------
    >>> import cxmodels as cx
    >>> cause = ["price", "moved", "price", "", "price", "moved", "", ""]
    >>> found = cx.churn.AalenJohansen().fit([1, 2, 2, 3, 4, 5, 6, 6], cause)
    >>> found.at(4)[["cause", "share", "se"]].round(3)
       cause  share     se
    0  moved  0.125  0.117
    1  price  0.406  0.184
    """

    curve: pd.DataFrame
    n_obs: int
    causes: dict[str, int]
    excluded: pd.DataFrame
    groups: tuple[str, ...]
    truncated: bool
    level: float
    warnings: tuple[str, ...] = ()

    def headline(self) -> list[tuple[str, str]]:
        """Return model, customers and causes.

        Returns
        -------
        list of (label, value)
        """
        rows = [
            ("Model", "Aalen-Johansen" + (f" by group ({len(self.groups)})" if self.groups else "")),
            ("Customers", f"{self.n_obs:,}, {sum(self.causes.values()):,} left{excluded_text(self.excluded)}"),
            ("Causes", ", ".join(f"{k} {v:,}" for k, v in self.causes.items())),
        ]
        if self.truncated:
            rows.append(("Watched from later on", "some (left truncation)"))
        return [*rows, ("Intervals", f"{100 * self.level:g} %, pointwise, delta method")]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the shares at about six times.

        Returns
        -------
        dict of DataFrame
        """
        last = float(self.curve["time"].max())
        shown = np.unique(np.round(np.linspace(0, last, 7)[1:], 0 if last >= 20 else 3))
        return {"Share gone by cause": self.at(shown)}

    def at(self, times: Any) -> pd.DataFrame:
        """Return the shares at given times.

        Parameters
        ----------
        times : float or array-like of shape (k,)

        Returns
        -------
        DataFrame
            [group,] cause, time, share, se, ci_lower, ci_upper; blank after the last time at which somebody was watched.
        """
        wanted, out = times_of(times), []
        keys = ["group", "cause"] if self.groups else ["cause"]
        for _, part in self.curve.groupby(keys, sort=False):
            time = part["time"].to_numpy()
            place = np.searchsorted(time, wanted, side="right") - 1
            found = part.iloc[np.maximum(place, 0)].drop(columns=["at_risk", "events"]).reset_index(drop=True)
            values = ["share", "se", "ci_lower", "ci_upper"]
            found.loc[place < 0, values] = 0.0
            found.loc[wanted > time[-1], values] = np.nan
            found["time"] = wanted
            out.append(found)
        return pd.concat(out, ignore_index=True)
