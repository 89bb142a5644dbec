"""Discriminant validity: are two constructs distinct? HTMT and HTMT2 against thresholds, by the bootstrap.

The ratios rest on correlations of items alone, so nothing is refitted.

Sources: Henseler, Ringle and Sarstedt (2015), Journal of the Academy of Marketing Science 43(1); Roemer, Schuberth and
Henseler (2021), Industrial Management & Data Systems 121(12), for HTMT2; Franke and Sarstedt (2019), Internet Research
29(3), for the one-sided interval against a threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import SpecError
from ..inference import choose
from ..resampling import Interval, Replicates, Sampling, bootstrap, check_interval
from ..results import Resampled, axes
from .criteria import htmt2
from .kernel import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..moments import WeightedMoments
    from .result import PLSResult

KINDS = ("htmt", "htmt2")


@dataclass(frozen=True, eq=False)
class RatioStatistic:
    """Ratios of all pairs of constructs under weightings of the rows, for the resampling engine."""

    moments: WeightedMoments
    case_weights: Array | None
    mask: Array
    kind: str

    def __call__(self, counts: Array) -> tuple[Array, dict[str, Any]]:
        """Return the ratios (b, pairs) and which lines have none."""
        _, cov = self.moments(counts if self.case_weights is None else counts * self.case_weights)
        p = len(self.mask)
        values = ratios(cov[:, :p, :p], self.mask, self.kind)
        return values, {"no estimate": np.isnan(values).all(axis=1)}


def ratios(cov: Array, mask: Array, kind: str) -> Array:
    """HTMT or HTMT2 of the pairs of constructs, (b, pairs), from covariances of items."""
    sd = np.sqrt(np.diagonal(cov, axis1=1, axis2=2))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = cov / (sd[:, :, None] * sd[:, None, :])
        if kind == "htmt2":
            full = htmt2(r, mask)
        else:
            r, k = np.abs(r), mask.sum(axis=0)
            inside = np.where(k == 1, 1.0, (((r @ mask) * mask).sum(axis=1) - k) / np.maximum(k * (k - 1), 1))
            between = mask.T @ r @ mask / np.outer(k, k)
            full = between / np.sqrt(inside[:, :, None] * inside[:, None, :])
    low = np.tril_indices(mask.shape[1], -1)
    return np.asarray(full[:, low[0], low[1]])


@dataclass(frozen=True, eq=False, repr=False)
class PLSDiscriminant(Resampled):
    """Heterotrait-monotrait ratios with intervals; made by :meth:`PLSResult.discriminant`.

    Attributes
    ----------
    point : PLSResult
    replicates : Replicates
    kind : {"htmt", "htmt2"}
    thresholds : tuple of float
    """

    point: PLSResult
    replicates: Replicates
    names: tuple[str, ...]
    kind: str
    thresholds: tuple[float, ...]
    interval: Interval
    level: float

    @cached_property
    def ratios(self) -> pd.DataFrame:
        """[construct, other, est, se, ci_lower, ci_upper, below_0.85, ...].

        The interval holds 2 level - 1 in the middle, so that its upper end is the one-sided limit at `level`; a pair is
        distinct by a threshold if that limit lies below it.
        """
        low = np.tril_indices(len(self.names), -1)
        table = self.replicates.table(slice(None), self.interval, 2 * self.level - 1)
        name = np.array(self.names, dtype=object)
        out = pd.concat(
            [
                pd.DataFrame({"construct": name[low[0]], "other": name[low[1]]}),
                table[["est", "se", "ci_lower", "ci_upper"]],
            ],
            axis=1,
        )
        for threshold in self.thresholds:
            out[f"below_{threshold:g}"] = out["ci_upper"] < threshold
        return out

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the ratios with their limits against the thresholds, the largest above.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        Axes
            Orange: pairs whose one-sided limit does not lie below the strictest threshold.
        """
        return axes("ratio_forest", self, ax)

    def headline(self) -> list[tuple[str, str]]:
        """Model, ratio and replicates.

        Returns
        -------
        list of (label, value)
        """
        return [
            *self.point.headline(),
            ("Ratio", {"htmt": "HTMT (arithmetic means)", "htmt2": "HTMT2 (geometric means)"}[self.kind]),
            ("Bootstrap", f"{self.runs}; one-sided {self.level:.0%} limits"),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        return {"Discriminant validity": self.ratios}


def discriminant(
    result: PLSResult,
    n: int,
    seed: int | None,
    kind: Literal["htmt", "htmt2"],
    thresholds: Sequence[float],
    interval: Interval,
    level: float,
    strata: ArrayLike | None,
    clusters: ArrayLike | None,
) -> PLSDiscriminant:
    """Bootstrap the ratios; see :meth:`PLSResult.discriminant`."""
    choose("kind", kind, KINDS)
    check_interval(interval)
    if not isinstance(level, float) or not 0.5 < level < 1:
        raise SpecError(f"The one-sided level must lie between 0.5 and 1, not {level!r}.")
    names = result.linear
    mask = (np.nan_to_num(result.estimate.item_weights[0][:, : len(names)]) != 0).astype(float)
    if len(names) < 2:
        raise SpecError("Discriminant validity needs two constructs.")
    statistic = RatioStatistic(result.moments, result.case_weights, mask, kind)
    sampling = Sampling(result.n_obs, result._labels(strata), result._labels(clusters))
    reps = bootstrap(statistic, sampling, n, seed=seed, interval=interval)
    return PLSDiscriminant(result, reps, names, kind, tuple(map(float, thresholds)), interval, level)
