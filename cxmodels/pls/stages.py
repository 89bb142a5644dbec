"""Models that take more than one run of the algorithm: higher-order constructs and interactions.

Every later stage works on columns that are linear in the items and in products of items, so each stage is again a
moment matrix: T'ST with T from the stage before. Nothing needs the rows, and replicates stay stacks of matrices.

Sources: Ringle, Sarstedt and Straub (2012), MIS Quarterly 36(1), and Becker, Cheah, Gholamzade, Ringle and Sarstedt
(2023), International Journal of Contemporary Hospitality Management 35(1), for the disjoint two-stage approach to
higher-order constructs; Chin, Marcolin and Newsted (2003), Information Systems Research 14(2), for product indicators;
Henseler and Chin (2010), Structural Equation Modeling 17(1), for the two-stage and orthogonalising approaches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import SpecError, listed
from ..model import Model
from .kernel import Array, Design, Estimate, estimate, solve

Method = Literal["two_stage", "product_indicator", "orthogonal"]
MakeDesign = Callable[[dict[str, tuple[str, ...]], tuple[tuple[str, str], ...], tuple[str, ...]], Design]


@dataclass(frozen=True, eq=False)
class Term:
    """An interaction: the two constructs whose scores are multiplied, as numbers of the middle stage."""

    name: str
    a: int
    b: int
    pairs: NDArray[np.intp]  # product columns that it draws on, and the two items of each
    item_a: NDArray[np.intp]
    item_b: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Plan:
    """The stages of a model; a plain model has the final one only.

    Attributes
    ----------
    items : tuple of str
        Observed items.
    pairs : ndarray of shape (m, 2)
        Pairs of items whose products are columns behind the items, (x_a - mean_a)(x_b - mean_b).
    first : Design or None
        Dimensions of higher-order constructs in the place of these.
    dimensions : ndarray
        Constructs of the first stage that become items of the later ones.
    middle : Design or None
        The model without its interactions.
    final : Design
    columns, constructs : tuple of str
        What the arrays of the final stage refer to.
    used : ndarray
        Items that the final stage uses directly.
    terms : tuple of Term
    method : {"two_stage", "product_indicator", "orthogonal"}
    first_names : tuple of str
        Constructs of the first stage.
    """

    items: tuple[str, ...]
    final: Design
    columns: tuple[str, ...]
    constructs: tuple[str, ...]
    used: NDArray[np.intp]
    pairs: NDArray[np.intp]
    first: Design | None = None
    first_names: tuple[str, ...] = ()
    dimensions: NDArray[np.intp] | None = None
    middle: Design | None = None
    terms: tuple[Term, ...] = ()
    method: Method = "two_stage"

    @property
    def simple(self) -> bool:
        """Whether one run of the algorithm on the items is all."""
        return self.first is None and not self.terms

    def extend(self, x: Array) -> Array:
        """Append the products of centred items that the interactions need; blanks are filled with means first."""
        if not len(self.pairs):
            return x
        centred = x - np.nanmean(x, axis=0)
        centred = np.where(np.isnan(centred), 0.0, centred)
        return np.hstack([x, centred[:, self.pairs[:, 0]] * centred[:, self.pairs[:, 1]]])

    def observed(self, means: Array, cov: Array) -> tuple[Array, Array]:
        """Return the part of the moments that belongs to the items themselves."""
        p = len(self.items)
        return means[:, :p], cov[:, :p, :p]

    def own_blocks(self) -> list[tuple[str, NDArray[np.intp], bool]]:
        """Constructs that items measure: name, items, and whether in Mode B."""
        out: list[tuple[str, NDArray[np.intp], bool]] = []
        for design, names, columns in (
            (self.first, self.first_names, self.items),
            (self.final, self.constructs, self.columns),
        ):
            for j, name in enumerate(names if design is not None else ()):
                block = [columns[i] for i in design.blocks[j]]  # type: ignore[union-attr]
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
                middle = fit(_moments(base, cov), self.middle)
                middle_weights = base[:, :p] @ middle.item_weights
                middle_weights = middle_weights * _same_way(middle_weights, toward)
                converged = converged & middle.converged
            full = np.concatenate([base, self._products(means, cov, center, middle_weights)], axis=2)
        est = fit(_moments(full, cov), self.final, toward=None if toward is None else toward.weights[0])
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

    def _products(self, means: Array, cov: Array, center: Array, weights: Array | None) -> Array:
        """Columns of the interactions as combinations of the extended table, (b, c, k)."""
        b, c = means.shape
        p = len(self.items)
        mu = means[:, :p] - center[:p]
        out = []
        for term in self.terms:
            pair, a, i = p + term.pairs, term.item_a, term.item_b
            if weights is not None:
                wa, wb = weights[:, :, term.a], weights[:, :, term.b]
                column = np.zeros((b, c))
                np.add.at(column.T, pair, (wa[:, a] * wb[:, i]).T)
                column[:, :p] -= wa * (mu * wb).sum(axis=1, keepdims=True) + wb * (mu * wa).sum(axis=1, keepdims=True)
                out.append(column[:, :, None])
                continue
            block = np.zeros((b, c, len(pair)))
            k = np.arange(len(pair))
            block[:, pair, k] = 1.0
            block[:, a, k] -= mu[:, i]
            block[:, i, k] -= mu[:, a]  # each column has its own k, so an item times itself counts twice
            if self.method == "orthogonal":
                both = np.union1d(a, i)
                block[:, both] -= solve(cov[:, both[:, None], both], (cov @ block)[:, both])
            out.append(block)
        return np.concatenate(out, axis=2)


def make_plan(model: Model, method: Method, design: MakeDesign) -> Plan:
    """Read the stages off a model.

    Parameters
    ----------
    model : Model
    method : {"two_stage", "product_indicator", "orthogonal"}
        How interactions are formed.
    design : callable
        Makes a design of blocks (construct to columns), paths (outcome, predictor) and columns.

    Returns
    -------
    Plan

    Raises
    ------
    SpecError
        For constructs of a third order, dimensions with paths of their own, interactions of more than two
        constructs, without their main effects, or, with product indicators, of higher-order constructs.
    """
    names = [c.name for c in model.constructs]
    blocks = {c.name: c.items for c in model.constructs}
    higher = [n for n in names if any(i in blocks for i in blocks[n])]
    terms = {name: parts for name, parts in model.interactions if any(name in path for path in model.paths)}
    _check(model, blocks, higher, terms)
    main = tuple(path for path in model.paths if path[1] not in terms)
    dims = [d for n in higher for d in blocks[n]]
    items = model.items
    top = [n for n in names if n not in dims]
    used = tuple(dict.fromkeys(i for n in top if n not in higher for i in blocks[n]))
    columns = (*used, *dims)
    tops = {n: blocks[n] for n in top}
    stage: dict[str, Any] = {}
    if higher:
        lower = {n: blocks[n] for n in names if n not in higher}
        stage["first_names"] = tuple(lower)
        stage["first"] = design(lower, _lowered(main, {n: blocks[n] for n in higher}), items)
        stage["dimensions"] = np.array([list(lower).index(d) for d in dims])
    if not terms:
        final = design(tops, main, columns)
        where = np.array([items.index(i) for i in used], dtype=np.intp)
        return Plan(items, final, columns, tuple(top), where, np.zeros((0, 2), dtype=np.intp), **stage)
    support = {n: [items.index(i) for d in blocks[n] for i in blocks.get(d, (d,))] for n in top}
    pairs: dict[tuple[int, int], int] = {}
    made = []
    product_blocks = {}
    for name, (a, b) in terms.items():
        cells = [(i, k) for i in support[a] for k in support[b]]
        numbers = [pairs.setdefault((min(cell), max(cell)), len(pairs)) for cell in cells]
        left, right = (np.array(side, dtype=np.intp) for side in zip(*cells, strict=True))
        made.append(Term(name, top.index(a), top.index(b), np.array(numbers, dtype=np.intp), left, right))
        product_blocks[name] = (name,) if method == "two_stage" else tuple(f"{items[i]}*{items[k]}" for i, k in cells)
    if method == "two_stage":
        stage["middle"] = design(tops, main, columns)
    columns = (*columns, *(c for block in product_blocks.values() for c in block))
    return Plan(
        items=items,
        final=design({**tops, **product_blocks}, model.paths, columns),
        columns=columns,
        constructs=(*top, *terms),
        used=np.array([items.index(i) for i in used], dtype=np.intp),
        pairs=np.array(list(pairs), dtype=np.intp),
        terms=tuple(made),
        method=method,
        **stage,
    )


def _check(
    model: Model, blocks: dict[str, tuple[str, ...]], higher: list[str], terms: Mapping[str, tuple[str, ...]]
) -> None:
    """Refuse what the stages cannot do."""
    in_paths = {name for path in model.paths for name in path}
    for name in higher:
        for part in blocks[name]:
            if part not in blocks:
                raise SpecError(f"'{name}' mixes the item '{part}' with constructs; measure it by one kind only.")
            if part in higher:
                raise SpecError(f"'{name}' is of the third order ('{part}' is of the second); PLS takes two orders.")
            if part in in_paths:
                raise SpecError(
                    f"'{part}' is a dimension of '{name}' and has paths of its own; give it one role only."
                )
    for name, parts in terms.items():
        if len(parts) != 2:
            raise SpecError(f"The interaction '{name}' has {len(parts)} constructs; PLS multiplies two.")
        for outcome, _ in [path for path in model.paths if path[1] == name]:
            absent = [p for p in dict.fromkeys(parts) if (outcome, p) not in model.paths]
            if absent:
                raise SpecError(
                    f"'{outcome} ~ {name}' needs the main effects too; add {listed(absent)} to the equation of '{outcome}'."
                )


def _lowered(paths: tuple[tuple[str, str], ...], higher: dict[str, tuple[str, ...]]) -> tuple[tuple[str, str], ...]:
    """Paths of the first stage: each dimension in the place of its higher-order construct."""
    return tuple(
        (y, x)
        for outcome, predictor in paths
        for y in higher.get(outcome, (outcome,))
        for x in higher.get(predictor, (predictor,))
    )


def _moments(transform: Array, cov: Array) -> Array:
    """Covariances of new columns, T'ST."""
    return np.swapaxes(transform, 1, 2) @ (cov @ transform)


def _same_way(weights: Array, toward: Estimate | None) -> Array:
    """Signs (b, 1, j) that point middle-stage scores as the point estimate's final scores point."""
    if toward is None:
        return np.ones((1, 1, weights.shape[2]))
    known = np.nan_to_num(toward.item_weights[0])[:, : weights.shape[2]]
    return np.where((weights * known).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
