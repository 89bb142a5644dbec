"""Confirmatory tetrad analysis (CTA-PLS): whether a block of four items or more may be reflective.

If one factor causes all items, every tetrad r_gh r_ij - r_gi r_hj is zero. Of all tetrads k (k - 3) / 2 are not implied by
the others; those are found as the first, in the order of the items, whose gradients at a one-factor matrix are linearly
independent. Limits are corrected for bias and, by Bonferroni, for the number of tetrads of a construct.

Sources: Bollen and Ting (2000), Psychological Methods 5(1); Gudergan, Ringle, Wende and Will (2008), Journal of Business
Research 61(12).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import SpecError
from ..resampling import Replicates, Sampling, bootstrap, check_level, standard_error
from ..results import Resampled
from .kernel import Array

if TYPE_CHECKING:
    from ..moments import WeightedMoments
    from .result import PLSResult

Tetrad = tuple[int, int, int, int]


def independent_tetrads(k: int) -> list[Tetrad]:
    """Return k (k - 3) / 2 tetrads (g, h, i, j), read as r_gh r_ij - r_gi r_hj, that do not imply one another.

    Parameters
    ----------
    k : int
        Number of items.

    Returns
    -------
    list of tuple

    Examples
    --------
    >>> independent_tetrads(4)
    [(0, 1, 2, 3), (0, 1, 3, 2)]
    """
    load = 0.3 + 0.5 * np.random.default_rng(0).random(k)  # any loadings without special relations
    place = {pair: i for i, pair in enumerate(combinations(range(k), 2))}
    chosen: list[Tetrad] = []
    basis = np.zeros((0, len(place)))
    for a, b, c, d in combinations(range(k), 4):
        for g, h, i, j in ((a, b, c, d), (a, b, d, c), (a, c, d, b)):
            gradient = np.zeros(len(place))
            for one, other, sign in (((g, h), (i, j), 1), ((g, i), (h, j), -1)):
                for pair, rest in ((one, other), (other, one)):
                    gradient[place[tuple(sorted(pair))]] += sign * load[rest[0]] * load[rest[1]]  # type: ignore[index]
            left = gradient - basis.T @ (basis @ gradient)
            if (size := np.linalg.norm(left)) > 1e-8 * np.linalg.norm(gradient):
                basis = np.vstack([basis, left / size])
                chosen.append((g, h, i, j))
    return chosen


@dataclass(frozen=True, eq=False)
class TetradStatistic:
    """Tetrads of correlations under weightings of the rows, for the resampling engine."""

    moments: WeightedMoments
    case_weights: Array | None
    at: np.ndarray

    def __call__(self, counts: Array) -> tuple[Array, dict[str, Any]]:
        """Return the tetrads (b, m), and which lines have none."""
        _, cov = self.moments(counts if self.case_weights is None else counts * self.case_weights)
        sd = np.sqrt(np.diagonal(cov, axis1=1, axis2=2))
        with np.errstate(invalid="ignore", divide="ignore"):
            r = cov / (sd[:, :, None] * sd[:, None, :])
        g, h, i, j = self.at.T
        values = r[:, g, h] * r[:, i, j] - r[:, g, i] * r[:, h, j]
        return values, {"no estimate": np.isnan(values).all(axis=1)}


@dataclass(frozen=True, eq=False, repr=False)
class PLSTetrads(Resampled):
    """Tetrads of every block of four items or more; made by :meth:`PLSResult.tetrads`."""

    point: PLSResult
    replicates: Replicates
    construct: tuple[str, ...]
    names: tuple[str, ...]
    level: float

    @cached_property
    def tests(self) -> pd.DataFrame:
        """[construct, tetrad, est, se, t, pvalue, ci_lower, ci_upper]; limits as the module says, p-values unadjusted."""
        from scipy.special import ndtr, ndtri

        reps, est = self.replicates.values[self.replicates.ok], self.replicates.estimate
        se, bias = standard_error(reps), reps.mean(axis=0) - est
        owner = pd.Series(self.construct)
        count = owner.map(owner.value_counts()).to_numpy()
        half = -ndtri((1 - self.level) / (2 * count)) * se
        t = est / se
        columns = {"construct": self.construct, "tetrad": self.names, "est": est, "se": se, "t": t}
        columns |= {"pvalue": 2 * ndtr(-np.abs(t)), "ci_lower": est - bias - half, "ci_upper": est - bias + half}
        return pd.DataFrame(columns)

    @cached_property
    def decisions(self) -> pd.DataFrame:
        """Index construct, [tetrads, rejected, reflective]: one tetrad that is not zero speaks against reflective items."""
        out = self.tests.assign(rejected=(self.tests["ci_lower"] > 0) | (self.tests["ci_upper"] < 0))
        frame = out.groupby("construct", sort=False)["rejected"].agg(tetrads="size", rejected="sum")
        return frame.assign(reflective=frame["rejected"] == 0)

    def headline(self) -> list[tuple[str, str]]:
        """Model and replicates.

        Returns
        -------
        list of (label, value)
        """
        text = f"{self.runs}; {self.level:.0%} over the tetrads of a construct"
        return [*self.point.headline(), ("Tetrads (CTA-PLS)", text)]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        return {"Decisions": self.decisions, "Tetrads": self.tests}


def tetrads(
    result: PLSResult,
    n: int,
    seed: int | None,
    level: float,
    strata: ArrayLike | None,
    clusters: ArrayLike | None,
) -> PLSTetrads:
    """Bootstrap the tetrads; see :meth:`PLSResult.tetrads`."""
    check_level(level)
    at, owner, names = [], [], []
    for name, block, _ in result.spec.plan.own_blocks(repeated=False):
        for cell in independent_tetrads(len(block)) if len(block) > 3 else ():
            at.append(block[list(cell)])
            owner.append(name)
            names.append(", ".join(result.item_names[i] for i in at[-1]))
    if not at:
        raise SpecError("No construct has four items or more, so there are no tetrads to test.")
    statistic = TetradStatistic(result.moments, result.case_weights, np.array(at))
    sampling = Sampling(result.n_obs, result._labels(strata), result._labels(clusters))
    reps = bootstrap(statistic, sampling, n, seed=seed)
    return PLSTetrads(result, reps, tuple(owner), tuple(names), level)
