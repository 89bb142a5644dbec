"""Inference for importance: the split as a statistic, its replicates, and the random-attribute test.

Bootstrap of shares, ranks and differences as Groemping (2006), Journal of Statistical Software 17(1); a random attribute as
the yardstick of Tonidandel, LeBreton and Johnson (2009), Psychological Methods 14(4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import EstimationError, SpecError
from ..inference import adjusted_pvalues, choose, quantile
from ..resampling import (
    Interval,
    Replicates,
    Sampling,
    bootstrap,
    check_interval,
    check_level,
    entropy,
    whole_number,
)
from ..results import Derived
from .coefficients import tested
from .split import Effort, LinearSplit, OrdinalSplit

if TYPE_CHECKING:
    from .result import DriverResult

Array = NDArray[np.float64]

_ORDERS = {
    True: 200,
    False: 8,
}  # antithetic pairs for each replicate of a linear model and of another, where not all sub-models are computed
_CONTRASTS = ("importance", "share")


@dataclass(frozen=True, eq=False)
class SplitStatistic:
    """The split as a picklable function of row weightings, for the resampling engine.

    Parameters
    ----------
    split : LinearSplit or OrdinalSplit
    effort : Effort
    shift : ndarray of shape (p,)
        Added to every importance: the exact values less those of the orders that the replicates share.
    """

    split: LinearSplit | OrdinalSplit
    effort: Effort
    shift: Array

    @property
    def exact(self) -> bool:
        """Whether every replicate computes all sub-models that the method asks for."""
        return self.split.method != "shapley" or self.effort.exact(len(self.split.widths))

    def __call__(self, counts: Array) -> tuple[Array, dict[str, Any]]:
        """Return importances, shares and R² under each weighting.

        Parameters
        ----------
        counts : ndarray of shape (b, n)

        Returns
        -------
        values : ndarray of shape (b, 2 p + 1)
        notes : dict of ndarray of shape (b,)
        """
        found = self.split(counts, self.effort)
        value = found.importance + self.shift
        out = np.column_stack([value, value / value.sum(axis=1, keepdims=True), found.r2])
        bad = ~np.isfinite(out).all(axis=1)
        out[bad] = np.nan
        return out, {"no estimate": bad}


def statistic(split: LinearSplit | OrdinalSplit, effort: Effort, point: Array) -> SplitStatistic:
    """Prepare a split for many replicates.

    Parameters
    ----------
    split : LinearSplit or OrdinalSplit
    effort : Effort
        Of the point estimate.
    point : ndarray of shape (p,)
        The point estimate.

    Returns
    -------
    SplitStatistic
    """
    p = len(split.widths)
    small = Effort(min(effort.models, split.resample_models), _ORDERS[isinstance(split, LinearSplit)], effort.seed)
    plain = SplitStatistic(split.warm(small), small, np.zeros(p))
    return plain if plain.exact else replace(plain, shift=point - split(None, small).importance[0])


@dataclass(frozen=True, eq=False, repr=False)
class DriverBootstrap(Derived):
    """Bootstrap of a driver analysis; made by :meth:`DriverResult.bootstrap`.

    Attributes
    ----------
    point : DriverResult
    replicates : tuple of Replicates
        One for each completed table.
    interval, level : str, float
        Kind and level of the intervals.
    adjust : str
        How p-values of differences are adjusted.
    orders : int
        Orders that every replicate samples; 0 where it computes all sub-models.

    Examples
    --------
    >>> import cxmodels as cx
    >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ2", "PERQ3"]).fit(cx.datasets.survey("mobi"))
    >>> boot = res.bootstrap(200, seed=1)
    >>> boot.shares.round(2)
                est    se  ci_lower  ci_upper
    attribute
    PERQ1      0.54  0.07      0.39      0.66
    PERQ2      0.22  0.06      0.13      0.35
    PERQ3      0.24  0.05      0.15      0.36
    >>> boot.draws("importance").shape
    (200, 3)
    """

    point: DriverResult
    replicates: tuple[Replicates, ...]
    interval: Interval
    level: float
    adjust: str
    orders: int = 0

    @cached_property
    def importance(self) -> pd.DataFrame:
        """Importance as in the point estimate, with [se, ci_lower, ci_upper, rank_lower, rank_upper]."""
        return self.point.importance.join(self._table("importance").drop(columns="est")).join(self.ranks)

    @cached_property
    def shares(self) -> pd.DataFrame:
        """Shares of what the attributes explain, index attribute: [est, se, ci_lower, ci_upper]."""
        return self._table("share")

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """Interval of each rank, 1 the most important, index attribute: [rank_lower, rank_upper]."""
        draws = self._draws("importance")
        rank = 1 + (draws[:, None, :] > draws[:, :, None]).sum(axis=2)
        tail = (1 - self.level) / 2
        low, high = np.quantile(rank, [tail, 1 - tail], axis=0, method="inverted_cdf")
        frame = pd.DataFrame({"rank_lower": low, "rank_upper": high}, index=self._names)
        return frame.astype(int)

    @cached_property
    def r_squared(self) -> pd.Series:
        """R² of the whole model: est, se, ci_lower, ci_upper."""
        return self._summary(lambda v: v[..., -1:]).iloc[0].rename("r_squared")

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Differences of importance of all pairs, [first, second, est, se, t, pvalue, pvalue_adjusted, ci_lower, ci_upper].

        The first of a pair is the more important one. Intervals are of single differences; p-values are adjusted for all.
        """
        order = np.argsort(-self.point.importance["importance"].to_numpy(), kind="stable")
        i, j = np.triu_indices(len(order), 1)
        first, second = order[i], order[j]
        table = self._summary(lambda v: v[..., first] - v[..., second])
        names = self._names.to_numpy()
        t = table["est"] / table["se"]
        p = tested(table["est"].to_numpy(), table["se"].to_numpy(), np.inf, self.level)["pvalue"].to_numpy()
        return pd.DataFrame(
            {
                "first": names[first],
                "second": names[second],
                "est": table["est"],
                "se": table["se"],
                "t": t,
                "pvalue": p,
                "pvalue_adjusted": adjusted_pvalues(p, self.adjust),
                "ci_lower": table["ci_lower"],
                "ci_upper": table["ci_upper"],
            }
        )

    def draws(self, name: str = "importance") -> pd.DataFrame:
        """Return the replicates, one column for each attribute.

        Parameters
        ----------
        name : {"importance", "share"}, default "importance"

        Returns
        -------
        DataFrame
        """
        choose("name", name, _CONTRASTS)
        return pd.DataFrame(self._draws(name), columns=self._names)

    @property
    def failed(self) -> int:
        """Replicates that gave no estimate and are left out."""
        return sum(r.failed for r in self.replicates)

    @property
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """What was unusual about the point estimate and the replicates."""
        total = sum(r.n for r in self.replicates)
        text = f"{self.failed} of {total} replicates gave no estimate and are left out."
        return (*self.point.warnings, text) if self.failed else self.point.warnings

    def headline(self) -> list[tuple[str, str]]:
        """Model, rows, replicates and intervals.

        Returns
        -------
        list of (label, value)
        """
        total, seed = sum(r.n for r in self.replicates), self.replicates[0].seed
        kind = {"bca": "BCa"}.get(self.interval, self.interval) if len(self.replicates) == 1 else "Rubin's rules"
        how = f"{total} replicates, {self.failed} failed, seed {seed if seed is not None else 'none (given rows)'}"
        if self.orders:
            how += f"; in each, {self.orders} sampled orders, the same for all, set right by the point estimate"
        return [*self.point.headline(), ("Bootstrap", how), ("Intervals", f"{kind}, {self.level:.0%}")]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        return {
            "Importance": self.importance[["importance", "share", "rank", "se", "ci_lower", "ci_upper", "rank_lower", "rank_upper"]],
            "Shares": self.shares,
            "Differences": self.differences,
        }  # fmt: skip

    # --- internals ------------------------------------------------------------------------------------------------

    @property
    def _names(self) -> pd.Index:
        return self.point.importance.index

    def _part(self, name: str) -> slice:
        p = len(self._names)
        return slice(0, p) if name == "importance" else slice(p, 2 * p)

    def _table(self, name: str) -> pd.DataFrame:
        part = self._part(name)
        return self._summary(lambda v: v[..., part]).set_axis(self._names)

    def _draws(self, name: str) -> Array:
        return np.concatenate([r.values[r.ok][:, self._part(name)] for r in self.replicates])

    def _summary(self, of: Callable[[Array], Array]) -> pd.DataFrame:
        """Estimate, standard error and interval of a linear function of the statistics."""
        parts = [
            Replicates(
                of(r.estimate),
                of(r.values),
                r.ok,
                r.notes,
                r.seed,
                None if r.jack is None else of(r.jack),
                None if r.se_values is None else of(r.se_values),
            )
            for r in self.replicates
        ]
        if len(parts) == 1:
            table = parts[0].table(slice(None), self.interval, self.level)
            return table[["est", "se", "ci_lower", "ci_upper"]]
        est = np.stack([p.estimate for p in parts])
        within = np.mean([p.values[p.ok].var(axis=0, ddof=1) for p in parts], axis=0)
        between, m = est.var(axis=0, ddof=1), len(parts)
        se = np.sqrt(within + (1 + 1 / m) * between)
        mean, half = est.mean(axis=0), quantile(self.level) * se
        return pd.DataFrame({"est": mean, "se": se, "ci_lower": mean - half, "ci_upper": mean + half})


def run(
    result: DriverResult,
    n: int,
    seed: int | None,
    indices: ArrayLike | None,
    interval: Interval,
    level: float,
    adjust: str,
    n_jobs: int,
    progress: Callable[[int, int], None] | None,
) -> DriverBootstrap:
    """Resample the rows of each completed table; see :meth:`DriverResult.bootstrap`."""
    check_interval(interval)
    check_level(level)
    adjusted_pvalues(np.array([]), adjust)
    tables = len(result.splits)
    if tables > 1 and (interval != "percentile" or indices is not None):
        raise SpecError("Multiple imputation combines replicates by Rubin's rules; leave out interval and indices.")
    each = whole_number("The number of replicates", n)
    root = entropy(seed)
    seeds: list[Any] = [seed if seed is None else root]
    if tables > 1:
        each = max(each // tables, 20)
        seeds = [[root, i] if isinstance(root, int) else [*root, i] for i in range(tables)]
    sampling = Sampling(result.n_obs, result.table.strata, result.table.clusters)
    replicates, orders = [], 0
    for split, part, child in zip(result.splits, result.parts, seeds, strict=True):
        stat = statistic(split, result.spec.effort, part.importance[0])
        orders = 0 if stat.exact else 2 * stat.effort.pairs
        replicates.append(
            bootstrap(
                stat, sampling, each, seed=child, indices=indices, interval=interval, n_jobs=n_jobs, progress=progress
            )
        )
    return DriverBootstrap(result, tuple(replicates), interval, level, adjust, orders)


def random_test(
    result: DriverResult, n: int, seed: int | None, level: float, draws: int | None, n_jobs: int
) -> pd.DataFrame:
    """Compare each attribute with one made of noise; see :meth:`DriverResult.random_test`."""
    check_level(level)
    n = whole_number("The number of replicates", n)
    if draws is None:
        draws = max(1, min(199 if result.spec.linear else 19, n // 2))
    if whole_number("draws", draws) < 1 or n < 2 * draws:
        raise SpecError(
            f"The test needs at least 2 replicates for each of {draws} random attributes, not {n} in all."
        )
    root = entropy(seed)
    base = [root] if isinstance(root, int) else list(root)
    sampling = Sampling(result.n_obs, result.table.strata, result.table.clusters)
    p = len(result.spec.players)
    points, values = [], []
    for k in range(draws):
        rng = np.random.default_rng([*base, k])
        split = result.splits[k % len(result.splits)].extended(rng.standard_normal(result.n_obs))
        found = split(None, result.spec.effort).importance[0]
        reps = bootstrap(
            statistic(split, result.spec.effort, found), sampling, n // draws, seed=[*base, k, 1], n_jobs=n_jobs
        )
        points.append(found[:p] - found[p])
        values.append(reps.values[reps.ok][:, :p] - reps.values[reps.ok][:, [p]])
    every = np.concatenate(values)
    if len(every) < 2:
        raise EstimationError("Too few replicates of the random-attribute test gave an estimate.")
    est = np.mean(points, axis=0)
    tail = (1 - level) / 2
    low, high = np.quantile(every, [tail, 1 - tail], axis=0)
    return pd.DataFrame(
        {
            "est": est,
            "se": every.std(axis=0, ddof=1),
            "pvalue": (1 + (np.stack(points) <= 0).sum(axis=0)) / (draws + 1),
            "ci_lower": low,
            "ci_upper": high,
            "significant": low > 0,
        },
        index=result.importance.index,
    )
