"""Necessary conditions: how much of a driver must be there for a level of the outcome to be possible at all.

Observations leave the upper left corner of the scatter empty if X is necessary for Y. CE-FDH is the step function along the
upper left border, CR-FDH the least squares line through its corners (the peers). The effect size is the empty area over
the area that X and Y span.

Sources: Dul (2016), Organizational Research Methods 19(1); Dul, van der Laan and Kuik (2020), Organizational Research
Methods 23(2), for the permutation test; Richter, Schubring, Hauff, Ringle and Sarstedt (2020), Industrial Management &
Data Systems 120(12), for scores of PLS; Hauff, Richter, Sarstedt and Ringle (2024), Journal of Retailing and Consumer
Services 78, for the combined importance-performance map.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .. import index as ix
from ..errors import DataError, SpecError, near
from ..inference import choose
from ..resampling import entropy, whole_number
from ..results import Derived, axes
from .kernel import Array, total_effects

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .result import PLSResult

CEILINGS = ("ce_fdh", "cr_fdh")


@dataclass(frozen=True, eq=False)
class Ceiling:
    """The upper left border of a scatter.

    Parameters
    ----------
    x, y : ndarray of shape (n,)
        Condition and outcome; at least two values each.

    Attributes
    ----------
    peers : ndarray of shape (m, 2)
        Corners of the step function, from the lowest x to the first that reaches the highest y.
    line : tuple of float
        Intercept and slope of the line through the peers; (max y, 0) where there is one peer, or the line falls.

    Examples
    --------
    >>> c = Ceiling(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0]))
    >>> float(c.effect("ce_fdh")), float(c.effect("cr_fdh"))
    (0.75, 0.5)
    """

    x: Array
    y: Array

    @cached_property
    def peers(self) -> Array:
        """Corners of the step function, (m, 2)."""
        order = np.lexsort((-self.y, self.x))
        x, y = self.x[order], self.y[order]
        top = np.maximum.accumulate(y)
        rises = np.r_[True, top[1:] > top[:-1]]
        return np.column_stack([x[rises], y[rises]])

    @cached_property
    def line(self) -> tuple[float, float]:
        """Intercept and slope of the line through the corners."""
        px, py = self.peers.T
        if len(px) < 2:
            return float(self.y.max()), 0.0
        slope = float(((px - px.mean()) * (py - py.mean())).sum() / ((px - px.mean()) ** 2).sum())
        return float(py.mean() - slope * px.mean()), slope

    def effect(self, ceiling: str) -> float:
        """Return the empty area above the ceiling over the area spanned, 0-1."""
        (x0, x1), (y0, y1) = _range(self.x), _range(self.y)
        scope = (x1 - x0) * (y1 - y0)
        if ceiling == "ce_fdh":
            px, py = self.peers.T
            return float(((y1 - py) * np.diff(np.r_[px, x1])).sum() / scope)
        a, b = self.line
        if b <= 0:
            return 0.0
        bends = np.clip([(y0 - a) / b, (y1 - a) / b], x0, x1)
        at = np.unique(np.r_[x0, bends, x1])
        return float(np.trapezoid(y1 - np.clip(a + b * at, y0, y1), at) / scope)

    def height(self, x: Array, ceiling: str) -> Array:
        """Return the highest y that the ceiling allows at x."""
        if ceiling == "cr_fdh":
            return self.line[0] + self.line[1] * np.asarray(x)
        px, py = self.peers.T
        return py[np.maximum(np.searchsorted(px, x, side="right") - 1, 0)]

    def required(self, y: float, ceiling: str) -> float:
        """Return the least x without which y is not reached; NaN if any x will do, infinite if none does."""
        x0, x1 = _range(self.x)
        if ceiling == "ce_fdh":
            px, py = self.peers.T
            enough = np.flatnonzero(py >= y - 1e-12 * max(1.0, abs(y)))
            need = px[enough[0]] if len(enough) else np.inf
        else:
            a, b = self.line
            need = (y - a) / b if b > 0 else x0
        if need <= x0:
            return np.nan
        return float(need) if need <= x1 * (1 + 1e-12) + 1e-12 else np.inf


@dataclass(frozen=True, eq=False, repr=False)
class PLSNecessity(Derived):
    """Necessary conditions of one construct; made by :meth:`PLSResult.nca`.

    Attributes
    ----------
    point : PLSResult
    target : str
    effects : DataFrame
        [condition, ceiling, effect, pvalue, accuracy, peers]: effect size (.1 small, .3 medium, .5 large; Dul 2016),
        share of permutations with one as large, share of respondents on or below the ceiling, and its corners.
    """

    point: PLSResult
    target: str
    ceilings: dict[str, Ceiling]
    effects: pd.DataFrame
    permutations: int
    seed: Any

    def bottlenecks(self, ceiling: str = "ce_fdh", steps: int = 10) -> pd.DataFrame:
        """Levels of every condition that levels of the outcome require, in percent of their observed ranges.

        Parameters
        ----------
        ceiling : {"ce_fdh", "cr_fdh"}, default "ce_fdh"
            Step function, or line.
        steps : int, default 10
            Steps between 0 and 100 % of the outcome.

        Returns
        -------
        DataFrame
            Index level of the outcome, a column per condition: NaN where any amount will do, infinite where the line
            asks for more than was observed.
        """
        choose("ceiling", ceiling, CEILINGS)
        levels = np.linspace(0, 100, whole_number("steps", steps) + 1)
        out = {}
        for name, c in self.ceilings.items():
            (x0, x1), (y0, y1) = _range(c.x), _range(c.y)
            need = np.array([c.required(y0 + v / 100 * (y1 - y0), ceiling) for v in levels])
            out[name] = 100 * (need - x0) / (x1 - x0)
        return pd.DataFrame(out, pd.Index(levels, name=self.target))

    def plot(self, condition: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw the scatter of a condition and the outcome under both ceilings.

        Parameters
        ----------
        condition : str, optional
            By default the first.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        Axes
            The empty area above CE-FDH is shaded, its corners are ringed.

        Raises
        ------
        SpecError
            If the condition does not lead to the target.
        """
        return axes("necessity", self, condition, ax)

    @property
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """What was unusual about the fit."""
        return self.point.warnings

    def headline(self) -> list[tuple[str, str]]:
        """Model, target and permutations.

        Returns
        -------
        list of (label, value)
        """
        text = f"of '{self.target}'; {self.permutations} permutations, seed {self.seed}"
        return [*self.point.headline(), ("Necessary conditions", text)]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        table = self.bottlenecks().reset_index()
        return {"Effect sizes": self.effects, "Bottlenecks (CE-FDH, percent of range; blank: not necessary)": table}


def nca(
    result: PLSResult, target: str, n: int, seed: int | None, strata: str | ArrayLike | None = None
) -> PLSNecessity:
    """Measure necessity of all that leads to a construct; see :meth:`PLSResult.nca`."""
    if whole_number("The number of permutations", n) < 20:
        raise SpecError(f"A permutation test needs at least 20 permutations, not {n}.")
    names, scores = result.linear, result.scores
    conditions = [names[j] for j in _leading(result, target)]
    root = entropy(seed)
    y = scores[target].to_numpy()
    blocks = _blocks(result, strata)
    ceilings, rows = {}, []
    for at, name in enumerate(conditions):
        c = ceilings[name] = Ceiling(scores[name].to_numpy(), y)
        rng = np.random.default_rng(np.random.SeedSequence(root, spawn_key=(at,)))
        null = np.array(
            [[Ceiling(c.x, p).effect(k) for k in CEILINGS] for p in (_permuted(y, blocks, rng) for _ in range(n))]
        )
        for k, ceiling in enumerate(CEILINGS):
            effect = c.effect(ceiling)
            p = (1 + (null[:, k] >= effect - 1e-12).sum()) / (1 + n)
            accuracy = (y <= c.height(c.x, ceiling) + 1e-9).mean()
            rows.append((name, ceiling, effect, p, accuracy, len(c.peers)))
    columns = ["condition", "ceiling", "effect", "pvalue", "accuracy", "peers"]
    return PLSNecessity(result, target, ceilings, pd.DataFrame(rows, columns=columns), n, root)


def _blocks(result: PLSResult, strata: str | ArrayLike | None) -> list[NDArray[np.intp]]:
    """Rows within which outcomes change places."""
    if strata is None:
        return [np.arange(result.n_obs)]
    labels = np.asarray(result._labels(strata))
    if labels.shape != (result.n_obs,):
        raise DataError(f"strata has {labels.size} labels for {result.n_obs} rows used; give one for each.")
    codes, levels = pd.factorize(pd.Series(labels))
    if missing := int((codes < 0).sum()):
        raise DataError(f"strata is missing in {missing} of {len(codes)} rows; fill or leave them out.")
    if len(levels) == len(codes):
        raise DataError("Every stratum holds one row, so no outcome can change places; leave strata out.")
    return [np.flatnonzero(codes == k) for k in range(len(levels))]


def _permuted(y: Array, blocks: list[NDArray[np.intp]], rng: np.random.Generator) -> Array:
    """Values in another order within blocks."""
    if len(blocks) == 1:
        return rng.permutation(y)
    out = y.copy()
    for block in blocks:
        out[block] = rng.permutation(y[block])
    return out


def cipma(
    result: PLSResult, target: str, level: float, scale: ix.Scale, n: int, seed: int | None, ceiling: str
) -> pd.DataFrame:
    """Importance, performance and necessity; see :meth:`PLSResult.cipma`."""
    choose("ceiling", ceiling, CEILINGS)
    out = result.ipma(target, scale)
    necessity = nca(result, target, n, seed).effects.set_index(["condition", "ceiling"]).xs(ceiling, level=1)
    points = result.index_scores(scale)
    y = points[target].to_numpy()
    if not y.min() <= level <= y.max():
        raise SpecError(
            f"level={level:g} lies outside the scores of '{target}', which run from {y.min():.1f} to {y.max():.1f}."
        )
    out["effect"], out["pvalue"] = necessity["effect"], necessity["pvalue"]
    out["necessary"] = (out["effect"] >= 0.1) & (out["pvalue"] < 0.05)
    need = {name: Ceiling(points[name].to_numpy(), y).required(level, ceiling) for name in out.index}
    out["required"] = pd.Series(need)
    g = np.ones(len(y)) if result.case_weights is None else result.case_weights
    out["below"] = [np.average((points[c] < need[c]).to_numpy(), weights=g) for c in out.index]
    return out


def _leading(result: PLSResult, target: str) -> NDArray[np.intp]:
    """Constructs with a directed path to the target."""
    names = result.linear
    if target not in names:
        raise SpecError(f"'{target}' is not a construct of the model.{near(target, names)}")
    reach = total_effects(result.linear_arrows, result.layout.design.depth)[names.index(target)] > 0
    if not reach.any():
        raise SpecError(f"Nothing leads to '{target}'; choose a construct that has predictors.")
    return np.flatnonzero(reach)


def _range(v: Array) -> tuple[float, float]:
    """Lowest and highest value."""
    return float(v.min()), float(v.max())
