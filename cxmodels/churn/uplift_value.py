"""What treating by uplift earns, and whom it reaches that a ranking by risk does not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, SpecError
from ..resampling import Replicates, check_level, intervals, standard_error
from ..results import Result
from .balance_check import Array
from .contact import per_customer
from .qini_curve import POINTS, Arms, arranged, curves, one_each, ratio, resampled
from .ranking import check_share

SEGMENTS = ("persuadables", "sure things", "lost causes", "sleeping dogs")


@dataclass(frozen=True, eq=False)
class ProfitStatistic:
    """Profit per customer of the base at fixed shares treated, as a function of weightings.

    Parameters
    ----------
    arms : Arms
    money : ndarray of shape (n,)
        What the customer brought: value if kept, less the costs of the treatment.
    grid : ndarray of shape (points,)
    """

    arms: Arms
    money: Array
    grid: Array

    def __call__(self, g: Array) -> tuple[Array, dict[str, NDArray[np.bool_]]]:
        """Evaluate weightings (b, n)."""
        n, nt, nc, yt, yc = self.arms.sums(g, self.money)
        x, gain = ratio(n, n[:, -1:]), (ratio(yt, nt) - ratio(yc, nc)) * n / n[:, -1:]
        values = np.array([np.interp(self.grid, a, b) for a, b in zip(x, gain, strict=True)])
        empty = (nt[:, -1] <= 0) | (nc[:, -1] <= 0)
        values[empty] = np.nan
        best = np.zeros(len(values)) if empty.all() else self.grid[np.nan_to_num(values, nan=-np.inf).argmax(axis=1)]
        return np.column_stack([values, np.where(empty, np.nan, best)]), {"one arm only": empty}


@dataclass(frozen=True, eq=False, repr=False)
class UpliftProfit(Result):
    """Profit by the share of customers treated; made by :func:`uplift_profit`.

    Attributes
    ----------
    replicates : Replicates
        Bootstrap over customers, the uplift held.
    level : float
        Confidence level.
    """

    grid: Array
    replicates: Replicates
    level: float
    n_obs: int
    money: str
    warnings: tuple[str, ...] = ()

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]: none."""
        return pd.DataFrame(columns=["reason", "rows"])

    @cached_property
    def curve(self) -> pd.DataFrame:
        """Profit per customer of the base over treating nobody, [targeted, profit, se, ci_lower, ci_upper]."""
        table = self.replicates.table(slice(0, len(self.grid)), "percentile", self.level)
        columns = {"targeted": self.grid, "profit": table["est"], "se": table["se"]}
        return pd.DataFrame(columns | {"ci_lower": table["ci_lower"], "ci_upper": table["ci_upper"]})

    @cached_property
    def best(self) -> pd.DataFrame:
        """Index what (share, profit, treat_all, over_all): [est, ci_lower, ci_upper].

        ``share`` is the one of the highest profit, with the interval over replicates; ``profit`` is per customer at that share. It is the highest
        of many, and a new campaign earns somewhat less. ``treat_all`` treats everybody, ``over_all`` is the difference.
        """
        est, reps = self.replicates.estimate, self.replicates.values[self.replicates.ok]
        k = int(est[: len(self.grid)].argmax())
        last = len(self.grid) - 1
        values = np.array([est[-1], est[k], est[last], est[k] - est[last]])
        draws = np.column_stack([reps[:, -1], reps[:, k], reps[:, last], reps[:, k] - reps[:, last]])
        lower, upper = intervals(values, draws, "percentile", self.level)
        index = pd.Index(["share", "profit", "treat_all", "over_all"], name="what")
        return pd.DataFrame({"est": values, "ci_lower": lower, "ci_upper": upper}, index=index)

    def headline(self) -> list[tuple[str, str]]:
        """Money, best share.

        Returns
        -------
        list of (label, value)
        """
        est, low, high = (self.best[k] for k in ("est", "ci_lower", "ci_upper"))
        return [
            ("Profit", f"per customer of a base, from {self.n_obs} customers of a campaign; {self.money}"),
            (
                "Best share",
                f"{float(est['share']):.0%} ({100 * self.level:g}% interval {float(low['share']):.0%} to {float(high['share']):.0%})",
            ),
            ("Profit there", f"{float(est['profit']):.2f}, treating everybody {float(est['treat_all']):.2f}"),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        return {"Best": self.best, "Curve": self.curve.iloc[:: max(len(self.grid) // 10, 1)].set_index("targeted")}


def uplift_profit(
    y: ArrayLike,
    treatment: ArrayLike,
    uplift: ArrayLike,
    *,
    value: ArrayLike,
    contact_cost: float = 1,
    offer_cost: float = 10,
    goal: str = "raise",
    propensity: Any = None,
    treated: Any = None,
    n: int = 500,
    seed: int = 0,
    level: float = 0.95,
    n_jobs: int = 1,
) -> UpliftProfit:
    """Profit of treating the customers with the highest uplift, by how many are treated.

    Treating a share s brings, per customer of the base, s times the difference between the mean of v y - d y - f among the treated and of v y among
    the control customers within that share: v the value of a kept customer, f the cost of a contact, d that of the offer, which all who stay take.

    Parameters
    ----------
    y, treatment, uplift
        As for :func:`cxmodels.churn.qini`; y is 0 or 1.
    value : float or array-like of shape (n,)
        What a kept customer is worth.
    contact_cost, offer_cost : float, default 1 and 10
        As for :func:`cxmodels.churn.targets`.
    goal, propensity, treated, n, seed, level, n_jobs
        As for :func:`cxmodels.churn.qini`.

    Returns
    -------
    UpliftProfit

    Raises
    ------
    DataError
        As :func:`cxmodels.churn.qini`, and for outcomes that are not 0 and 1 or values that are negative.
    SpecError
        For costs that are negative.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.churn import uplift_profit
    >>> campaign, truth = cx.datasets.simulate_campaign(4000)
    >>> found = uplift_profit(
    ...     campaign["retained"], campaign["treatment"], truth["uplift"], value=campaign["value"], offer_cost=5, n=50
    ... )
    >>> bool(found.best.loc["profit", "est"] > found.best.loc["treat_all", "est"])
    True
    """
    check_level(level)
    for name, cost in (("contact_cost", contact_cost), ("offer_cost", offer_cost)):
        if isinstance(cost, bool) or not isinstance(cost, Real) or not 0 <= float(cost) < np.inf:
            raise SpecError(f"{name} must be an amount of zero or more, not {cost!r}.")
    made = _kept(arranged(y, treatment, uplift, goal, propensity, treated))
    worth = per_customer("value", value, len(made.y))
    if bad := int((worth < 0).sum()):
        raise DataError(
            f"{bad} of {len(worth)} customers have a negative value; give what a customer who is kept is worth."
        )
    money = worth * made.y - made.t * (float(offer_cost) * made.y + float(contact_cost))
    grid = np.linspace(0, 1, POINTS + 1)
    reps = resampled(ProfitStatistic(made, money, grid), made, n, seed, n_jobs)
    said = f"mean value {worth.mean():g}, contact {contact_cost:g}, offer {offer_cost:g} for all who stay"
    return UpliftProfit(grid, reps, level, len(made.y), said)


def _kept(made: Arms) -> Arms:
    """Refuse outcomes that are not 0 and 1."""
    if odd := np.setdiff1d(made.y, [0.0, 1.0]).tolist():
        raise DataError(f"y must be 0 or 1, whether the customer was kept, but holds {odd[0]:g}.")
    return made


@dataclass(frozen=True, eq=False)
class RankingStatistic:
    """Effects among those whom rankings reach, and in segments, as a function of weightings.

    Parameters
    ----------
    rankings : tuple of Arms
        By uplift and by risk.
    top : float
        Share reached.
    segment : ndarray of shape (n,)
        Number of each customer's segment.
    """

    rankings: tuple[Arms, ...]
    top: float
    segment: NDArray[np.intp]

    def __call__(self, g: Array) -> tuple[Array, dict[str, NDArray[np.bool_]]]:
        """Evaluate weightings (b, n)."""
        columns = []
        for made in self.rankings:
            sums = made.sums(g)
            x, _, u = curves(sums)
            at = np.array([np.interp(self.top, a, b) for a, b in zip(x, u, strict=True)])
            columns.append(at / sums[0][:, -1])
            whole = u[:, -1] / sums[0][:, -1]
        columns += [whole * self.top, columns[0] - columns[1]]
        a = self.rankings[0]
        for k in range(len(SEGMENTS)):
            w = g * a.weights * (self.segment == k)
            on, off = w @ a.t, w @ (1 - a.t)
            both = (on > 0) & (off > 0)
            columns.append(np.where(both, ratio(w @ (a.t * a.y), on) - ratio(w @ ((1 - a.t) * a.y), off), np.nan))
        return np.column_stack(columns), {}


@dataclass(frozen=True, eq=False, repr=False)
class Persuadables(Result):
    """Whom the treatment changes, against who merely leaves; made by :func:`persuadables`.

    Attributes
    ----------
    rankings : DataFrame
        Index ranking (uplift, risk, random, difference): [gain, se, ci_lower, ci_upper], customers kept per customer of the base if the share
        ``top`` is treated by it; the difference is that of uplift over risk.
    segments : DataFrame
        Index segment: [customers, share, risk, foreseen, effect, se, ci_lower, ci_upper]: mean risk without the treatment, mean foreseen uplift, and the
        effect that the campaign shows there. Persuadables have an uplift above `least`, sleeping dogs below -`least`; of the others, those with a
        risk above the mean are lost causes and the rest sure things.
    overlap : float
        Share of those whom risk reaches that uplift reaches too.
    """

    rankings: pd.DataFrame
    segments: pd.DataFrame
    overlap: float
    top: float
    n_obs: int
    level: float
    replicates: Replicates
    warnings: tuple[str, ...] = ()

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]: none."""
        return pd.DataFrame(columns=["reason", "rows"])

    def headline(self) -> list[tuple[str, str]]:
        """What the two rankings reach.

        Returns
        -------
        list of (label, value)
        """
        kept = 100 * self.rankings["gain"]
        return [
            ("Persuadables", f"{self.n_obs} customers of a campaign, {self.top:.0%} of a base to be treated"),
            ("By uplift", f"{kept['uplift']:.2f} customers kept per 100 of the base"),
            ("By risk", f"{kept['risk']:.2f}; at random {kept['random']:.2f}"),
            ("Reached by both", f"{self.overlap:.0%} of those whom risk reaches"),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        return {"Rankings": self.rankings, "Segments": self.segments}


def persuadables(
    y: ArrayLike,
    treatment: ArrayLike,
    uplift: ArrayLike,
    risk: ArrayLike,
    *,
    top: float = 0.3,
    least: float = 0.02,
    goal: str = "raise",
    propensity: Any = None,
    treated: Any = None,
    n: int = 500,
    seed: int = 0,
    level: float = 0.95,
    n_jobs: int = 1,
) -> Persuadables:
    """Compare treating by uplift with treating by churn risk, on a campaign that neither has seen.

    Parameters
    ----------
    y, treatment, uplift
        As for :func:`cxmodels.churn.qini`.
    risk : array-like of shape (n,)
        Chance to leave, or any churn score.
    top : float, default 0.3
        Share of the base to be treated.
    least : float, default 0.02
        Foreseen uplift from which a customer counts as persuadable.
    goal, propensity, treated, n, seed, level, n_jobs
        As for :func:`cxmodels.churn.qini`.

    Returns
    -------
    Persuadables

    Raises
    ------
    DataError
        As :func:`cxmodels.churn.qini`.
    SpecError
        For a share that is none.

    Notes
    -----
    Ascarza (2018), "Retention futility: targeting high-risk customers might be ineffective", Journal of Marketing Research 55(1).

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.churn import persuadables
    >>> campaign, truth = cx.datasets.simulate_campaign(6000)
    >>> found = persuadables(campaign["retained"], campaign["treatment"], truth["uplift"], 1 - truth["p_control"], n=50)
    >>> bool(found.rankings.loc["difference", "gain"] > 0)
    True
    """
    check_level(level)
    check_share("top", top)
    if isinstance(least, bool) or not isinstance(least, Real) or not 0 <= float(least) < np.inf:
        raise SpecError(f"least must be an uplift of 0 or more, not {least!r}.")
    by_uplift = arranged(y, treatment, uplift, goal, propensity, treated)
    score = one_each("risk", risk, len(by_uplift.y))
    by_risk = Arms(by_uplift.y, by_uplift.t, score, by_uplift.weights)
    tau = by_uplift.uplift
    segment = np.where(tau > least, 0, np.where(tau < -least, 3, np.where(score > score.mean(), 2, 1)))
    statistic = RankingStatistic((by_uplift, by_risk), float(top), segment)
    reps = resampled(statistic, by_uplift, n, seed, n_jobs)
    est, draws = reps.estimate, reps.values[reps.ok]
    lower, upper = _ends(est, draws, level)
    columns = {"se": standard_error(draws), "ci_lower": lower, "ci_upper": upper}
    index = pd.Index(["uplift", "risk", "random", "difference"], name="ranking")
    rankings = pd.DataFrame({"gain": est[:4], **{k: v[:4] for k, v in columns.items()}}, index=index)
    inside = [segment == k for k in range(len(SEGMENTS))]
    segments = pd.DataFrame(
        {
            "customers": [int(i.sum()) for i in inside],
            "share": [float(i.mean()) for i in inside],
            "risk": [float(score[i].mean()) if i.any() else np.nan for i in inside],
            "foreseen": [float(tau[i].mean()) if i.any() else np.nan for i in inside],
            "effect": est[4:],
            **{k: v[4:] for k, v in columns.items()},
        },
        index=pd.Index(SEGMENTS, name="segment"),
    )
    k = int(np.ceil(top * len(tau)))
    overlap = len(np.intersect1d(by_uplift.order[:k], by_risk.order[:k])) / k
    return Persuadables(rankings, segments, float(overlap), float(top), len(tau), level, reps)


def _ends(est: Array, draws: Array, level: float) -> tuple[Array, Array]:
    """Percentile intervals; NaN where replicates lack the number, as of a segment that is nearly empty."""
    lower, upper = np.full((2, len(est)), np.nan)
    whole = np.isfinite(draws).all(axis=0) & np.isfinite(est)
    lower[whole], upper[whole] = intervals(est[whole], draws[:, whole], "percentile", level)
    return lower, upper
