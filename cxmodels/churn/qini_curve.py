"""How well an uplift ranks, from a campaign with a control group: Qini curve, area under the uplift curve, their intervals.

Nobody is seen with and without the offer, so a ranking is judged by groups. Among the k customers with the highest uplift, with
N_t treated and N_c control, and Y_t and Y_c good outcomes among them,

    Q(k) = Y_t - Y_c N_t / N_c                    Qini curve: good outcomes the treatment added (Radcliffe 2007)
    G(k) = (Y_t / N_t - Y_c / N_c) k              uplift curve: what it would add if all k were treated

The Qini coefficient is the area under Q(k) over k / n less that under the straight line to Q(n), which is a ranking at random.
Customers with equal uplift enter together, so that no order of rows can flatter a score; with ``ties="given"`` they enter in the order
given, as some programs do. Dividing by the same area of a perfect ranking gives scikit-uplift's ``qini_auc_score`` and
``uplift_auc_score``, whose perfect rankings differ from each other: name the rule when you compare.

All functions work on weightings of the customers (b, n), so that a bootstrap is one call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, ReplicateWarning
from ..inference import choose
from ..resampling import Replicates, Sampling, bootstrap, check_level
from ..results import Result
from .balance_check import Array, arms, chances
from .contact import per_customer

TIES = ("together", "given")
GOALS = ("raise", "lower")
TOPS = (0.1, 0.2, 0.3)
POINTS = 50


@dataclass(frozen=True, eq=False)
class Arms:
    """Customers of a campaign sorted by uplift, the highest first.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Outcome, higher is better.
    t : ndarray of shape (n,)
        1 treated, 0 control.
    uplift : ndarray of shape (n,)
    weights : ndarray of shape (n,)
        Inverse chances of the arm; 1 where they are the same for all.
    ties : {"together", "given"}
    """

    y: Array
    t: Array
    uplift: Array
    weights: Array
    ties: str = "together"
    order: NDArray[np.intp] = field(init=False, repr=False)
    ends: NDArray[np.intp] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        order = np.argsort(-self.uplift, kind="stable")
        object.__setattr__(self, "order", order)
        new = np.diff(self.uplift[order]) != 0 if self.ties == "together" else np.ones(len(order) - 1, dtype=bool)
        object.__setattr__(self, "ends", np.flatnonzero(np.append(new, True)))

    def sums(self, g: Array, values: Array | None = None) -> tuple[Array, Array, Array, Array, Array]:
        """Cumulated customers, treated, control, and outcomes of both, each (b, runs + 1), starting at 0."""
        o = self.order
        share = g[:, o]
        w = share * self.weights[o]
        t, y = self.t[o], (self.y if values is None else values)[o]
        parts = (share, w * t, w * (1 - t), w * (t * y), w * ((1 - t) * y))
        return tuple(np.pad(np.cumsum(p, axis=1)[:, self.ends], ((0, 0), (1, 0))) for p in parts)  # type: ignore[return-value]


def ratio(a: Array, b: Array) -> Array:
    """Quotient, 0 where there is nobody."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def area(x: Array, y: Array) -> Array:
    """Area under polygons, (b,)."""
    return (np.diff(x, axis=1) * (y[:, 1:] + y[:, :-1]) / 2).sum(axis=1)


def curves(sums: tuple[Array, ...]) -> tuple[Array, Array, Array]:
    """Share of customers, Qini curve and uplift curve, each (b, runs + 1)."""
    n, nt, nc, yt, yc = sums
    return ratio(n, n[:, -1:]), yt - ratio(yc * nt, nc), (ratio(yt, nt) - ratio(yc, nc)) * n


@dataclass(frozen=True, eq=False)
class QiniStatistic:
    """All measures and the two curves at fixed shares, as a function of weightings.

    Parameters
    ----------
    arms : Arms
    grid : ndarray of shape (points,)
        Shares of customers.
    perfect : tuple of Arms or None
        Perfect rankings behind the normalised measures of a 0/1 outcome.
    """

    arms: Arms
    grid: Array
    perfect: tuple[Arms, Arms] | None

    def __call__(self, g: Array) -> tuple[Array, dict[str, NDArray[np.bool_]]]:
        """Evaluate weightings (b, n)."""
        sums = self.arms.sums(g)
        x, q, u = curves(sums)
        n, nt, nc = (s[:, -1] for s in sums[:3])
        raw, rising = area(x, q) - q[:, -1] / 2, area(x, u)
        columns = [
            u[:, -1] / n,
            raw,
            raw / n,
            self._normal(0, g, raw),
            rising / n,
            self._normal(1, g, rising - u[:, -1] / 2),
        ]
        at_q, at_u = self._at(x, q), self._at(x, u)
        tops = self._at(x, u, np.array(TOPS)) / (np.array(TOPS) * n[:, None])
        values = np.column_stack([*columns, tops, at_q / nt[:, None], at_u / n[:, None], at_q])
        empty = (nt <= 0) | (nc <= 0)
        values[empty] = np.nan
        return values, {"one arm only": empty}

    def _normal(self, which: int, g: Array, value: Array) -> Array:
        """The area over random, in shares of that of the perfect ranking."""
        if self.perfect is None:
            return np.full(len(g), np.nan)
        x, *both = curves(self.perfect[which].sums(g))
        best = area(x, both[which]) - both[which][:, -1] / 2
        return np.divide(value, best, out=np.full(len(g), np.nan), where=best > 0)

    def _at(self, x: Array, y: Array, grid: Array | None = None) -> Array:
        """Curves at fixed shares, straight between the places where customers enter."""
        return np.array([np.interp(self.grid if grid is None else grid, a, b) for a, b in zip(x, y, strict=True)])


@dataclass(frozen=True, eq=False, repr=False)
class Qini(Result):
    """How well an uplift ranks; made by :func:`qini`.

    Attributes
    ----------
    n_obs : int
        Customers of the campaign.
    replicates : Replicates
        Bootstrap over customers, the uplift held.
    level : float
        Confidence level.
    """

    arms: Arms
    grid: Array
    replicates: Replicates
    level: float
    goal: str
    warnings: tuple[str, ...] = ()

    @property
    def n_obs(self) -> int:
        """Customers of the campaign."""
        return len(self.arms.y)

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]: none."""
        return pd.DataFrame(columns=["reason", "rows"])

    @cached_property
    def measures(self) -> pd.DataFrame:
        """Index measure: [est, se, ci_lower, ci_upper].

        effect (mean effect of the treatment, in shares or the outcome's unit); qini (coefficient of Radcliffe, in outcomes);
        qini_per_customer; qini_normalised; auuc (area under the uplift curve per customer); auuc_normalised; effect_10, effect_20,
        effect_30 (effect among the highest uplifts). Normalised measures only for 0/1 outcomes.
        """
        names = ["effect", "qini", "qini_per_customer", "qini_normalised", "auuc", "auuc_normalised"]
        names += [f"effect_{100 * t:.0f}" for t in TOPS]
        table = self.replicates.table(slice(0, len(names)), "percentile", self.level)
        return table[["est", "se", "ci_lower", "ci_upper"]].set_axis(pd.Index(names, name="measure"))

    @cached_property
    def curve(self) -> pd.DataFrame:
        """The curves, [targeted, qini, gain, gain_lower, gain_upper, random, share, share_lower, share_upper].

        ``targeted`` is the share of customers, the highest uplifts first. ``qini`` is Q in outcomes. ``gain`` is Q per treated
        customer of the whole campaign with its interval, ``random`` the same for a ranking at random; ``share`` is G per
        customer of the base.
        """
        k, first = len(self.grid), 6 + len(TOPS)
        q, u = (
            self.replicates.table(slice(first + i * k, first + (i + 1) * k), "percentile", self.level) for i in (0, 1)
        )
        raw = self.replicates.estimate[first + 2 * k :]
        columns = {
            "targeted": self.grid,
            "qini": raw,
            "gain": q["est"],
            "gain_lower": q["ci_lower"],
            "gain_upper": q["ci_upper"],
        }
        columns |= {"random": self.grid * float(q["est"].iloc[-1])}
        return pd.DataFrame(columns | {"share": u["est"], "share_lower": u["ci_lower"], "share_upper": u["ci_upper"]})

    def headline(self) -> list[tuple[str, str]]:
        """Customers, rule, coefficient.

        Returns
        -------
        list of (label, value)
        """
        m = self.measures.loc["qini_per_customer"]
        ties = "ties enter together" if self.arms.ties == "together" else "ties in the order given"
        failed = f", {self.replicates.failed} failed" if self.replicates.failed else ""
        return [
            (
                "Uplift",
                f"{self.n_obs} customers, {int(self.arms.t.sum())} treated; {'higher' if self.goal == 'raise' else 'lower'} outcomes are better",
            ),
            ("Rule", f"Qini of Radcliffe (2007), Q = Yt - Yc Nt / Nc, area over random; {ties}"),
            (
                "Qini",
                f"{m['est']:.5f} per customer, {100 * self.level:g}% interval {m['ci_lower']:.5f} to {m['ci_upper']:.5f}",
            ),
            (
                "Intervals",
                f"{self.replicates.n} bootstrap replicates of customers within arms, the uplift held{failed}",
            ),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        tenths = self.curve.iloc[:: max(len(self.grid) // 10, 1)]
        return {"Measures": self.measures, "Curve": tenths.set_index("targeted")}


def qini(
    y: ArrayLike,
    treatment: ArrayLike,
    uplift: ArrayLike,
    *,
    goal: str = "raise",
    propensity: Any = None,
    treated: Any = None,
    ties: str = "together",
    n: int = 500,
    seed: int = 0,
    level: float = 0.95,
    n_jobs: int = 1,
) -> Qini:
    """Judge an uplift by a campaign that it has not seen.

    Parameters
    ----------
    y : array-like of shape (n,)
        Outcome: 0 and 1, or an amount.
    treatment : array-like of shape (n,)
        Two arms, see :func:`cxmodels.churn.balance_check.arms`.
    uplift : array-like of shape (n,)
        Foreseen effect, or any score by which customers would be treated; from a model that did not see these outcomes.
    goal : {"raise", "lower"}, default "raise"
        Whether the treatment should raise the outcome (customers kept) or lower it (churn).
    propensity : float or array-like of shape (n,), optional
        Known chances to be treated, where they differ between customers; arms are then weighted by their inverse.
    treated : label, optional
        The treated arm.
    ties : {"together", "given"}, default "together"
        See the module.
    n : int, default 500
        Bootstrap replicates.
    seed : int, default 0
    level : float, default 0.95
    n_jobs : int, default 1

    Returns
    -------
    Qini

    Raises
    ------
    DataError
        For one arm only, blanks, text, or lengths that differ.

    Notes
    -----
    Radcliffe (2007), "Using control groups to target on predicted lift", Direct Marketing Analytics Journal; Gutierrez and
    Gérardy (2017), PMLR 67, for the uplift curve.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.churn import qini
    >>> campaign, truth = cx.datasets.simulate_campaign(4000)
    >>> found = qini(campaign["retained"], campaign["treatment"], truth["uplift"], n=50)
    >>> bool(found.measures.loc["qini", "ci_lower"] > 0)
    True
    """
    choose("ties", ties, TIES)
    check_level(level)
    made = arranged(y, treatment, uplift, goal, propensity, treated, ties)
    grid = np.linspace(0, 1, POINTS + 1)
    perfect = _perfect(made) if set(np.unique(made.y)) <= {0.0, 1.0} else None
    reps = resampled(QiniStatistic(made, grid, perfect), made, n, seed, n_jobs)
    return Qini(made, grid, reps, level, goal)


def arranged(
    y: Any, treatment: Any, uplift: Any, goal: str, propensity: Any, treated: Any, ties: str = "together"
) -> Arms:
    """Check outcomes, arms and scores that belong together, and sort them.

    Parameters
    ----------
    y, treatment, uplift, goal, propensity, treated, ties
        As for :func:`qini`.

    Returns
    -------
    Arms
        Outcomes turned so that higher is better.
    """
    choose("goal", goal, GOALS)
    score = one_each("uplift", uplift, None)
    truth = one_each("y", y, len(score))
    t = arms(treatment, len(score), treated)
    e = chances(propensity, t)
    w = np.ones(len(t)) if e is None else np.where(t > 0, 1 / e, 1 / (1 - e))
    if goal == "lower":
        truth = 1 - truth if set(np.unique(truth)) <= {0.0, 1.0} else -truth
    return Arms(truth, t, score, w / w.mean(), ties)


def resampled(statistic: Any, made: Arms, n: int, seed: int, n_jobs: int) -> Replicates:
    """Bootstrap of customers within the arms."""
    import warnings

    if min(made.t.sum(), len(made.t) - made.t.sum()) < 2:
        raise DataError("Each arm needs at least two customers.")
    reps = bootstrap(statistic, Sampling(len(made.t), strata=made.t), n, seed=seed, n_jobs=n_jobs)
    if reps.failed:
        warnings.warn(
            f"{reps.failed} of {reps.n} replicates failed and are left out.", ReplicateWarning, stacklevel=3
        )
    return reps


def one_each(name: str, values: Any, n: int | None) -> Array:
    """Check one finite number per customer.

    Parameters
    ----------
    name : str
    values : array-like
    n : int or None
        Customers; None takes as many as there are.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    DataError
        For text, blanks, infinities, or another length.
    """
    if np.ndim(values) != 1 or not np.size(values):
        raise DataError(f"{name} must be one number per customer, not of shape {np.shape(values)}.")
    return per_customer(name, values, np.size(values) if n is None else n)


def _perfect(made: Arms) -> tuple[Arms, Arms]:
    """Rankings that scikit-uplift calls perfect, for the Qini and for the uplift curve."""
    y, t = made.y, made.t
    by_qini = y * t - y * (1 - t)
    more = ((y == 1) & (t == 0)).sum() > ((y == 0) & (t == 1)).sum()
    by_uplift = 2.0 * (y == t) + (y if more else t)
    return Arms(y, t, by_qini, made.weights), Arms(y, t, by_uplift, made.weights)
