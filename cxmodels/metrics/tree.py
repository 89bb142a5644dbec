"""A tree of components, its values and their linearisation.

A branch has the weighted mean of its parts as its value, V = sum I_c V_c / sum I_c, and so on up to the root. What each
respondent adds to it follows from what he adds to the parts,

    z(V) = sum over c of  I_c / I z(V_c) + (V_c - V) / I z(I_c),      I = sum I_c

and at the leaves it is that of a mean over those who answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError, SpecError
from .design import Array


@dataclass(frozen=True)
class Component:
    """A leaf of the tree: one thing that customers rate.

    Parameters
    ----------
    name : str
        What it is called.
    quality : str
        Column of the quality ratings.
    importance : str or float, default 1
        Column of the importance ratings, or a weight that is known.

    Examples
    --------
    >>> from cxmodels.metrics import Component
    >>> Component("Wi-fi", "wifi_quality", importance=2).importance
    2
    """

    name: str
    quality: str
    importance: str | float = 1.0


@dataclass(frozen=True)
class Branch:
    """A branch of the tree: components, or smaller branches, that make up one thing.

    Parameters
    ----------
    name : str
        What it is called.
    parts : sequence of Component or Branch
        What it is made of.
    importance : str or float, optional
        Column of the importance ratings of the branch as a whole, or a weight that is known. By default the sum of
        its parts', so that every leaf weighs as if the tree were flat.

    Examples
    --------
    >>> import pandas as pd
    >>> import cxmodels as cx
    >>> from cxmodels.metrics import Branch, Component
    >>> room = Branch("Room", [Component("Bed", "bed", 3), Component("Wi-fi", "wifi", 1)])
    >>> answers = {"bed": [5, 4], "wifi": [2, 3], "desk": [5, 3]}
    >>> hotel = Branch("Hotel", [room, Component("Desk", "desk", 4)])
    >>> cx.metrics.csi_tree(hotel, pd.DataFrame(answers)).value
    80.0
    """

    name: str
    parts: Sequence[Component | Branch]
    importance: str | float | None = None


class Node(NamedTuple):
    """A node with its value, importance, and what each respondent adds to both."""

    name: str
    parent: str
    depth: int
    value: float
    importance: float
    z_value: Array
    z_importance: Array
    parts: tuple[Node, ...]
    column: int


def columns_of(node: Branch | Component) -> tuple[list[str], list[str], list[str]]:
    """Quality columns, importance columns and names of a tree."""
    own = [node.importance] if isinstance(node.importance, str) else []
    if not isinstance(node.importance, str) and node.importance is not None:
        w = node.importance
        if isinstance(w, bool) or not np.isfinite(w) or w < 0:
            raise SpecError(f"The importance of '{node.name}' must be a column or a number of 0 or more, not {w!r}.")
    if isinstance(node, Component):
        return [node.quality], own, [node.name]
    if not node.parts:
        raise SpecError(f"The branch '{node.name}' has no parts.")
    found = [columns_of(p) for p in node.parts]
    quality = [c for q, _, _ in found for c in q]
    stated = [*own, *(c for _, i, _ in found for c in i)]
    return list(dict.fromkeys(quality)), list(dict.fromkeys(stated)), [node.name, *(n for *_, m in found for n in m)]


def numbered(node: Any, columns: dict[tuple[str, str], str]) -> Any:
    """The same tree with numbers of columns in place of their names."""
    importance = columns["i", node.importance] if isinstance(node.importance, str) else node.importance
    if isinstance(node, Component):
        return Component(node.name, columns["q", node.quality], importance)
    return Branch(node.name, [numbered(p, columns) for p in node.parts], importance)


def grow(node: Any, parent: str, depth: int, x: Array, names: list[str], w: Array) -> Node:
    """Compute a node and all below it; what the rows add sums to zero."""
    zero = np.zeros(len(w))
    if isinstance(node.importance, str):
        stated, z_stated = _column_mean(x, names, int(node.importance), w)
    else:
        stated, z_stated = (np.nan if node.importance is None else float(node.importance)), zero
    if isinstance(node, Component):
        value, z = _column_mean(x, names, int(node.quality), w)
        return Node(node.name, parent, depth, value, stated, z, z_stated, (), int(node.quality))
    parts = tuple(grow(p, node.name, depth + 1, x, names, w) for p in node.parts)
    total = sum(p.importance for p in parts)
    if not total > 0:
        raise DataError(f"All parts of '{node.name}' have importance 0, so there is nothing to weigh them by.")
    value = sum(p.importance * p.value for p in parts) / total
    z = sum((p.importance * p.z_value + (p.value - value) * p.z_importance for p in parts), zero) / total
    if node.importance is None:
        stated, z_stated = total, sum((p.z_importance for p in parts), zero)
    return Node(node.name, parent, depth, value, stated, z, z_stated, parts, -1)


def _column_mean(table: Array, names: list[str], j: int, w: Array) -> tuple[float, Array]:
    """Weighted mean over those who rated, and what each adds to it."""
    x = table[:, j]
    g = np.where(np.isnan(x), 0.0, w)
    total = g.sum()
    if not total > 0:
        raise DataError(f"None of {int((w > 0).sum())} respondents rated '{names[j]}'; leave the component out.")
    filled = np.where(np.isnan(x), 0.0, x)
    mean = float(g @ filled / total)
    return mean, g * (filled - mean) / total


def walk(node: Node) -> Any:
    """The node and everything below it, parents first."""
    yield node
    for part in node.parts:
        yield from walk(part)
