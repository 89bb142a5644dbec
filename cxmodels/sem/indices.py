"""The formulas of a model's constructs on 0-100: index weights, and effects between indices.

The index of a construct is the weighted mean of its own items between the ends of their scales, as for every engine
(see ``cxmodels.index``). The weights are those of its factor score: the best linear prediction of the construct
from its own items (Thurstone 1935) has weights

    w = inv(Sigma_xx) cov(x, eta),     v = w / sum(w),

from the moments that the model implies. With uncorrelated residuals they are proportional to loading over residual
variance, so that regression and Bartlett scores, and scores of the whole model cut to the own items, give the same v.
For a composite they are its weights; a second-order construct has the items of its dimensions.

An effect of construct d on construct t is in points of t's index per point of d's: with T the total effects of the
constructs and c_j = cov(s_j, eta_j) / var(eta_j) the points by which the index s_j moves with its construct,

    effect = T_td c_t / c_d.

Paths between constructs are free of measurement error, so this is what a change of the construct itself does; where
constructs interact it is the effect at the mean of the moderator. In 400 surveys each of 150 and of 400 rows from a known
factor model, 95 % intervals of effects held the truth 94.5-97 % of the time, those of indices 93.5-95 %. All functions take stacks of values and complex ones, for replicates and exact derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import index as ix
from ..errors import SpecError
from .composites import is_hidden
from .estimate import Estimate
from .matrices import Block, State

Array = NDArray[Any]

__all__ = ["Effects", "Measures", "index_effects", "index_weights", "measures"]


@dataclass(frozen=True, eq=False)
class Measures:
    """Which constructs of a block have an index, from which items, and who acts on whom.

    Attributes
    ----------
    constructs, items : tuple of str
    place : ndarray of shape (j,)
        Of the constructs among the variables of the block.
    mask : ndarray of bool of shape (p, j)
        Own items.
    arrows : ndarray of bool of shape (j, j)
        Paths, [outcome, predictor].
    """

    constructs: tuple[str, ...]
    items: tuple[str, ...]
    place: NDArray[np.intp]
    mask: NDArray[np.bool_]
    arrows: NDArray[np.bool_]

    @cached_property
    def reach(self) -> NDArray[np.bool_]:
        """Which effects there are along directed paths, [outcome, predictor]."""
        found = self.arrows
        for _ in self.constructs:
            found = found | (found @ self.arrows)
        return found & ~np.eye(len(found), dtype=bool)


class Effects(NamedTuple):
    """Direct and total effects (..., j, j) between indices, [outcome, predictor]."""

    direct: Array
    total: Array


def measures(e: Estimate, number: int = 0) -> Measures:
    """Read from a model which constructs have an index.

    Parameters
    ----------
    e : Estimate
    number : int, default 0
        Group.

    Returns
    -------
    Measures

    Raises
    ------
    SpecError
        If the model has ordinal items, two levels, or no construct with items of its own.
    """
    if e.data.ordinal:
        raise SpecError("The 0-100 index is a mean of answers; fit the items as numerical, without ordered=.")
    if e.table.levels > 1:
        raise SpecError("The 0-100 index is offered for models with one level.")
    block = e.blocks[number]
    entries = [e.table.entries[i] for i in e.table.block(number)]
    parts: dict[str, list[str]] = {}
    for x in entries:
        if x.op == "=~" and not is_hidden(x.lhs) and ":" not in x.lhs:
            parts.setdefault(x.lhs, []).append(x.rhs)
    known = set(block.names[: block.p])
    own = {name: found for name in block.names[block.p :] if (found := _leaves(name, parts, known, ()))}
    if not own:
        raise SpecError("The model has no construct with items of its own, so there is no index.")
    used = set().union(*own.values())
    items = tuple(n for n in block.names[: block.p] if n in used)
    mask = np.array([[i in found for found in own.values()] for i in items])
    names = tuple(own)
    arrows = np.zeros((len(names), len(names)), dtype=bool)
    for x in entries:
        if x.op == "~" and x.lhs in own and x.rhs in own:
            arrows[names.index(x.lhs), names.index(x.rhs)] = True
    return Measures(names, items, np.array([block.names.index(n) for n in names]), mask, arrows)


def _leaves(name: str, parts: dict[str, list[str]], known: set[str], above: tuple[str, ...]) -> dict[str, None]:
    """Items of a construct, those of its dimensions included."""
    out: dict[str, None] = {}
    for part in parts.get(name, []):
        if part in known:
            out[part] = None
        elif part not in above:
            out |= _leaves(part, parts, known, (*above, name))
    return {n: None for n in out if ":" not in n}


def index_weights(m: Measures, block: Block, s: State) -> Array:
    """Normalised weights of the items in each index, (..., p, j), zero outside the blocks.

    Parameters
    ----------
    m : Measures
    block : Block
    s : State
        Implied moments, possibly stacked.

    Returns
    -------
    ndarray
    """
    at = np.array([block.names.index(i) for i in m.items])
    out = np.zeros((*s.cov.shape[:-2], len(at), len(m.place)), s.cov.dtype)
    for j, construct in enumerate(m.place):
        own = at[m.mask[:, j]]
        within, across = s.cov[..., own[:, None], own], s.cov[..., own, construct]
        out[..., m.mask[:, j], j] = np.linalg.solve(within, across[..., None])[..., 0]
    return ix.normalized_weights(out)


def index_effects(m: Measures, block: Block, values: Array, s: State, v: Array, width: Array) -> Effects:
    """Effects between indices.

    Parameters
    ----------
    m : Measures
    block : Block
    values : ndarray of shape (..., rows)
    s : State
    v : ndarray of shape (..., p, j)
        Index weights.
    width : ndarray of shape (p,)
        Length of each item's scale.

    Returns
    -------
    Effects
    """
    at = np.array([block.names.index(i) for i in m.items])
    across = s.cov[..., at[:, None], m.place]
    variance = np.diagonal(s.cov, axis1=-2, axis2=-1)[..., m.place]
    slope = 100 * (v * across).sum(axis=-2) / (width @ v) / variance
    ratio = slope[..., :, None] / slope[..., None, :]
    direct = np.zeros_like(s.cov)
    to, source, rows = block.directed
    direct[..., to, source] = values[..., rows]
    pick = m.place[:, None], m.place
    return Effects(direct[(..., *pick)] * ratio * m.arrows, s.total[(..., *pick)] * ratio * m.reach)
