"""Models that take more than one run of the algorithm: higher-order constructs and interactions.

Every later stage works on columns that are linear in the items and in products of items, so each stage is again a
moment matrix: T'ST with T from the stage before. Nothing needs the rows, and replicates stay stacks of matrices.

Sources: Sarstedt, Hair, Cheah, Becker and Ringle (2019), Australasian Marketing Journal 27(3), and Becker, Cheah,
Gholamzade, Ringle and Sarstedt (2023), International Journal of Contemporary Hospitality Management 35(1), for the stages of
higher-order constructs; van Riel, Henseler, Kemény and Sasovova (2017), Industrial Management & Data Systems 117(3), for
their consistent estimation; Chin, Marcolin and Newsted (2003), Information Systems Research 14(2), for product indicators;
Henseler and Chin (2010), Structural Equation Modeling 17(1), for the two-stage and orthogonalising approaches; Dawson and
Richter (2006), Journal of Applied Psychology 91(4), for three-way interactions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .kernel import Array, Design, Estimate, analysed, conclude, estimate, outer_weights, solve

Method = Literal["two_stage", "product_indicator", "orthogonal"]


@dataclass(frozen=True, eq=False)
class Term:
    """An interaction: the constructs whose scores are multiplied, as numbers of the middle stage.

    Attributes
    ----------
    name : str
    parts : tuple of int
        Two or three constructs; the same one twice makes a quadratic term.
    cells : ndarray of shape (m, parts)
        One item of each part, in all combinations.
    """

    name: str
    parts: tuple[int, ...]
    cells: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Plan:
    """The stages of a model; a plain model has the final one only.

    Attributes
    ----------
    items : tuple of str
        Observed items.
    final : Design
    columns, constructs : tuple of str
        What the arrays of the final stage refer to.
    paths : tuple of (str, str)
        [outcome, predictor] of the final stage: those of the model, then those that repeated indicators add.
    used : ndarray
        Items that the final stage uses directly.
    products : tuple of tuple of int
        Items whose products are columns behind the items, (x_a - mean_a)(x_b - mean_b) and so on.
    first : Design or None
        Lower-order constructs: in the place of those of higher order, or together with them (embedded).
    first_names : tuple of str
        Constructs of the first stage.
    dimensions : ndarray
        Constructs of the first stage that become items of the later ones.
    passed : tuple of (int, int), optional
        Constructs, as numbers of the final and of the first stage, that keep the scores of the first stage.
    middle : Design or None
        The model without its interactions.
    terms : tuple of Term
    method : {"two_stage", "product_indicator", "orthogonal"}
    composed : tuple of int
        Higher-order constructs of the final stage that are composites of corrected factors.
    """

    items: tuple[str, ...]
    final: Design
    columns: tuple[str, ...]
    constructs: tuple[str, ...]
    paths: tuple[tuple[str, str], ...]
    used: NDArray[np.intp]
    products: tuple[tuple[int, ...], ...] = ()
    first: Design | None = None
    first_names: tuple[str, ...] = ()
    dimensions: NDArray[np.intp] | None = None
    passed: tuple[tuple[int, int], ...] = ()
    middle: Design | None = None
    terms: tuple[Term, ...] = ()
    method: Method = "two_stage"
    composed: tuple[int, ...] = ()

    @property
    def simple(self) -> bool:
        """Whether one run of the algorithm on the items is all."""
        return self.first is None and not self.terms

    def extend(self, x: Array) -> Array:
        """Append the products of centred items that the interactions need; blanks are filled with means first."""
        if not self.products:
            return x
        centred = x - np.nanmean(x, axis=0)
        centred = np.where(np.isnan(centred), 0.0, centred)
        return np.hstack([x, *(centred[:, list(cell)].prod(axis=1)[:, None] for cell in self.products)])

    def observed(self, means: Array, cov: Array) -> tuple[Array, Array]:
        """Return the part of the moments that belongs to the items themselves."""
        p = len(self.items)
        return means[:, :p], cov[:, :p, :p]

    def own_blocks(self, repeated: bool = True) -> list[tuple[str, NDArray[np.intp], bool]]:
        """Constructs that items measure: name, items, and whether in Mode B; those that repeat items only if asked."""
        out: list[tuple[str, NDArray[np.intp], bool]] = []
        for design, names, columns in (
            (self.first, self.first_names, self.items),
            (self.final, self.constructs, self.columns),
        ):
            for j, name in enumerate(names if design is not None else ()):
                block = [columns[i] for i in design.blocks[j]]  # type: ignore[union-attr]
                if design.repeated[j] and not repeated:  # type: ignore[union-attr]
                    continue
                if all(i in self.items for i in block) and name not in [n for n, _, _ in out]:
                    rows = np.array([self.items.index(i) for i in block], dtype=np.intp)
                    out.append((name, rows, bool(design.mode_b[j])))  # type: ignore[union-attr]
        return out

    def run(
        self,
        means: Array,
        cov: Array,
        center: Array,
        *,
        tolerance: float,
        max_iter: int,
        toward: Estimate | None = None,
    ) -> Estimate:
        """Estimate all stages from the moments of items and products.

        Parameters
        ----------
        means, cov : ndarray of shape (b, c) and (b, c, c)
            Moments of the extended table.
        center : ndarray of shape (c,)
            Means of the extended table, at which the products were centred.
        tolerance, max_iter : float, int
        toward : Estimate, optional
            Point estimate whose signs to follow.

        Returns
        -------
        Estimate
            Of the final stage. ``item_weights`` refer to the observed items; they are NaN for interactions.
        """
        fit = partial(estimate, tolerance=tolerance, max_iter=max_iter)
        if self.simple:
            return fit(cov, self.final, toward=None if toward is None else toward.weights[0])
        b, c = means.shape
        p = len(self.items)
        base, first = np.zeros((b, c, len(self.used))), None
        base[:, self.used, np.arange(len(self.used))] = 1.0
        if self.first is not None:
            sign = None if toward is None or toward.first is None else toward.first.weights[0]
            first = fit(cov[:, :p, :p], self.first, toward=sign)
            scores = np.zeros((b, c, len(self.dimensions)))  # type: ignore[arg-type]
            scores[:, :p] = first.item_weights[:, :, self.dimensions]
            base = np.concatenate([base, scores], axis=2)
        full = base
        converged = np.ones(b, dtype=bool) if first is None else first.converged
        if self.terms:
            middle_weights = None
            if self.middle is not None:
                middle = self._later(base, cov, self.middle, first, tolerance, max_iter)
                middle_weights = base[:, :p] @ middle.item_weights
                middle_weights = middle_weights * _same_way(middle_weights, toward)
                converged = converged & middle.converged
            full = np.concatenate([base, self._products(means, cov, center, middle_weights)], axis=2)
        sign = None if toward is None else toward.weights[0]
        est = self._later(full, cov, self.final, first, tolerance, max_iter, sign)
        weights = base[:, :p] @ est.item_weights[:, : base.shape[2]]
        paths = est.paths
        if self.terms:
            last = len(self.constructs) - len(self.terms)
            weights[:, :, last:] = np.nan
            if self.method == "two_stage":
                spread = np.ones((b, len(self.constructs)))
                spread[:, last:] = est.sd[:, base.shape[2] :]
                paths = paths / spread[:, None, :]
        kept = weights if not self.terms else np.where(np.isnan(weights), 0.0, weights)
        finite = np.isfinite(kept).all(axis=(1, 2))
        settled = est.converged & converged & finite
        return replace(est, item_weights=weights, paths=paths, first=first, converged=settled, transform=full)

    def scores(self, est: Estimate, line: int, table: Array, means: Array) -> Array:
        """Scores of rows by one line of an estimate.

        Parameters
        ----------
        est : Estimate
        line : int
        table : ndarray of shape (n, c)
            Extended table without blanks.
        means : ndarray of shape (c,)
            Its weighted means among the rows that were estimated from.

        Returns
        -------
        ndarray of shape (n, j)
            A two-stage interaction is the centred product, not brought to unit variance.
        """
        if est.transform is None:
            return np.asarray((table - means) @ est.item_weights[line])
        columns = (table - means) @ est.transform[line]
        unit = est.sd[line][:, None] if self.final.standardize else 1.0
        scores = columns @ (est.weights[line] / unit)
        if self.terms and self.method == "two_stage":
            scores[:, -len(self.terms) :] = columns[:, -len(self.terms) :]
        return np.asarray(scores)

    def _later(
        self,
        columns: Array,
        cov: Array,
        design: Design,
        first: Estimate | None,
        tolerance: float,
        max_iter: int,
        toward: Array | None = None,
    ) -> Estimate:
        """Estimate a stage whose columns come from the items, given what the first stage settled.

        Constructs that keep their scores (embedded two-stage approach) enter as one column each. The dimensions of a
        composite enter with correlations S* corrected for attenuation if the model is consistent (van Riel et al. 2017).
        Weights w of the true dimensions are v = w / sqrt(reliability) of their scores, and the reliability of the
        composite is w'S*w / v'Sv.
        """
        s = _moments(columns, cov)
        if not self.passed and not self.composed:
            return estimate(s, design, tolerance=tolerance, max_iter=max_iter, toward=toward)
        assert first is not None
        root = self._root_reliability(s, first)
        target = s / (root[:, :, None] * root[:, None, :])
        k = np.arange(s.shape[-1])
        target[:, k, k] = s[:, k, k]
        narrow, keep = self._narrowed(design), self._kept(s, first)
        small = target if keep is None else np.swapaxes(keep, 1, 2) @ target @ keep
        weights, converged, steps = outer_weights(analysed(small, narrow), narrow, tolerance, max_iter)
        with np.errstate(invalid="ignore", divide="ignore"):
            if design.standardize:
                weights = weights / np.sqrt(np.diagonal(small, axis1=1, axis2=2))[:, :, None]
            raw = (weights if keep is None else keep @ weights) / root[:, :, None]
            size = np.sqrt((raw * (s @ raw)).sum(axis=1))
            raw = raw / size[:, None, :]
            sd = np.sqrt(np.diagonal(s, axis1=1, axis2=2))[:, :, None]
        reliability = None
        if self.composed:
            reliability = np.full(size.shape, np.nan)
            reliability[:, self.composed] = 1 / size[:, self.composed] ** 2
        return conclude(s, raw * sd if design.standardize else raw, converged, steps, design, toward, reliability)

    def _root_reliability(self, s: Array, first: Estimate) -> Array:
        """Root of the reliability of each column (b, columns): 1 but for corrected dimensions of composites."""
        root = np.ones(s.shape[:2])
        if self.composed:
            start, corrected = len(self.used), self.first.corrected[self.dimensions]  # type: ignore[union-attr]
            mine = self.final.mask[start : start + len(corrected), list(self.composed)].any(axis=1) & corrected
            with np.errstate(invalid="ignore"):
                rho = np.sqrt(first.rho_a[:, self.dimensions])
            root[:, start : start + len(corrected)] = np.where(mine, rho, 1.0)
        return root

    @cached_property
    def _narrow(self) -> dict[int, Design]:
        """Designs of later stages with one column for each construct that keeps its scores, by number of columns."""
        out = {}
        for design in (self.middle, self.final):
            if design is None or not self.passed:
                continue
            rest = design.mask[len(self.used) :]
            mask = np.zeros((len(self.passed) + len(rest), design.mask.shape[1]))
            mask[np.arange(len(self.passed)), [j for j, _ in self.passed]] = 1.0
            mask[len(self.passed) :] = rest
            out[len(design.mask)] = replace(design, mask=mask)
        return out

    def _narrowed(self, design: Design) -> Design:
        return self._narrow[len(design.mask)] if self.passed else design

    def _kept(self, s: Array, first: Estimate) -> Array | None:
        """Weights (b, columns, narrow columns) that turn items into the scores of the first stage."""
        if not self.passed:
            return None
        many, rest = len(self.passed), s.shape[1] - len(self.used)
        keep = np.zeros((*s.shape[:2], many + rest))
        for k, (_, j) in enumerate(self.passed):
            keep[:, : len(self.used), k] = first.item_weights[:, self.used, j]
        keep[:, np.arange(rest) + len(self.used), np.arange(rest) + many] = 1.0
        return keep

    @cached_property
    def _patterns(self) -> list[list[tuple[tuple[int, ...], Array]]]:
        """For each term: positions left out, and which column (m, c) the product of the others is, for every cell.

        (z_a - d_a)(z_b - d_b)... is the sum over these of the product of -d over positions left out and z over the others.
        """
        p = len(self.items)
        place = {cell: p + k for k, cell in enumerate(self.products)} | {(i,): i for i in range(p)}
        out = []
        for term in self.terms:
            size = len(term.parts)
            kept = [k for m in range(size, 0, -1) for k in combinations(range(size), m)]
            pattern = []
            for positions in kept:
                where = [place[tuple(sorted(cell[k] for k in positions))] for cell in term.cells.tolist()]
                incidence = np.zeros((len(term.cells), p + len(self.products)))
                incidence[np.arange(len(where)), where] = 1.0
                pattern.append((tuple(k for k in range(size) if k not in positions), incidence))
            out.append(pattern)
        return out

    def _products(self, means: Array, cov: Array, center: Array, weights: Array | None) -> Array:
        """Columns of the interactions as combinations of the extended table, (b, c, k)."""
        away = center[: len(self.items)] - means[:, : len(self.items)]
        out = []
        for term, pattern in zip(self.terms, self._patterns, strict=True):
            shift = {left: _product([away[:, term.cells[:, k]] for k in left]) for left, _ in pattern}
            if weights is not None:  # the product of the scores: each cell counts by its items' weights
                share = _product([weights[:, term.cells[:, k], j] for k, j in enumerate(term.parts)])
                column = np.asarray(sum((share * shift[left]) @ incidence for left, incidence in pattern))
                out.append(column[:, :, None])
                continue
            ones = np.ones((len(means), len(term.cells)))
            rows: Array = sum(  # type: ignore[assignment]
                (ones * shift[left])[:, :, None] * incidence for left, incidence in pattern
            )
            block = np.swapaxes(rows, 1, 2)
            if self.method == "orthogonal":  # of what explains it: the items, and products of fewer of them
                lower = np.unique(np.concatenate([np.flatnonzero(inc.any(axis=0)) for _, inc in pattern[1:]]))
                block = block.copy()
                block[:, lower] -= solve(cov[:, lower[:, None], lower], (cov @ block)[:, lower])
            out.append(block)
        return np.concatenate(out, axis=2)


def _product(factors: list[Array]) -> Array | float:
    """Product of arrays; 1 of none."""
    out: Array | float = 1.0
    for factor in factors:
        out = out * factor
    return out


def _moments(transform: Array, cov: Array) -> Array:
    """Covariances of new columns, T'ST."""
    return np.swapaxes(transform, 1, 2) @ (cov @ transform)


def _same_way(weights: Array, toward: Estimate | None) -> Array:
    """Signs (b, 1, j) that point middle-stage scores as the point estimate's final scores point."""
    if toward is None:
        return np.ones((1, 1, weights.shape[2]))
    known = np.nan_to_num(toward.item_weights[0])[:, : weights.shape[2]]
    return np.where((weights * known).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
