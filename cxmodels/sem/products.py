"""Interactions of constructs by product indicators, double-mean-centred.

The product of two constructs is measured by products of their items. Items are centred before they are multiplied and
the products again after, so that neither means nor constraints are needed (Lin, Wen, Marsh and Lin 2010, Structural
Equation Modeling 17, 374-391; unconstrained as in Marsh, Wen and Hau 2004, Psychological Methods 9, 275-300). Each item
stands in one product (matched pairs, in the order written), or all pairs are formed; the errors of two products that
share an item with an error covary. The first product pairs the markers and is the marker of the product, so that a
path from it is per unit of the product of the constructs as scaled by their markers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SpecError, listed
from ..model import Model, Row
from .prepare import Rows

Array = NDArray[Any]

__all__ = ["centre_products", "check_products", "expand_products", "latent_products", "product_items"]


def latent_products(model: Model) -> dict[str, tuple[str, ...]]:
    """Interactions that a construct takes part in, with their parts."""
    latent = {c.name for c in model.constructs}
    return {name: parts for name, parts in model.interactions if latent & set(parts)}


def check_products(model: Model) -> None:
    """Refuse interactions of constructs that have no products of items.

    Raises
    ------
    SpecError
        Naming the interaction and the part at fault.
    """
    constructs = {c.name: c for c in model.constructs}
    for name, parts in latent_products(model).items():
        if len(parts) > 2:
            raise SpecError(
                f"The interaction '{name}' has three parts; interactions of constructs have two (cx.PLS takes three)."
            )
        if any(name in (r.rhs, r.lhs) and r.op != "~" for r in model.rows):
            raise SpecError(f"'{name}' is a product of constructs and can stand only on the right of '~'.")
        for part in parts:
            if part in constructs:
                found = constructs[part]
                if found.kind == "composite":
                    raise SpecError(
                        f"The interaction '{name}' involves the composite '{part}'; measure it by =~, or use cx.PLS."
                    )
                if nested := [i for i in found.items if i in constructs]:
                    raise SpecError(
                        f"The interaction '{name}' involves '{part}', which is measured by the construct "
                        f"{listed(nested)} and has no items to multiply."
                    )
            elif not any(r.block and part in (r.lhs, r.rhs) for r in model.rows):
                outcome = next(r.lhs for r in model.rows if r.rhs == name)
                raise SpecError(
                    f"'{part}' stands in the interaction '{name}' only; write its own path too: "
                    f"'{outcome} ~ {parts[0]} + {parts[1]} + {name}'."
                )


def expand_products(model: Model, pairs: str) -> Model:
    """Measure every interaction of constructs by products of items.

    Parameters
    ----------
    model : Model
    pairs : {"matched", "all"}

    Returns
    -------
    Model
        The same if there are none.

    Raises
    ------
    SpecError
        If a construct's scale is not set by a fixed loading, so that the product has no scale.
    """
    names = latent_products(model)
    if not names:
        return model
    added = []
    for block in sorted({r.block for r in model.rows if r.rhs in names}):
        rows = [r for r in model.rows if r.block == block]
        made: dict[str, tuple[str, str]] = {}
        for name in dict.fromkeys(r.rhs for r in rows if r.rhs in names):
            first, second = (_items(rows, part, name) for part in names[name])
            couples = _couples([i for i, _ in first], [i for i, _ in second], pairs)
            scale = first[0][1] * second[0][1]
            for k, (a, b) in enumerate(couples):
                item = f"{a}:{b}"
                made[item] = (a, b)
                added.append(Row(name, "=~", item, block, (), *(((scale,), (False,)) if k == 0 else ((), ()))))
        exact = _without_error(rows)
        for p, q in combinations(made, 2):
            if (set(made[p]) & set(made[q])) - exact:
                added.append(Row(p, "~~", q, block))
    return Model((*model.rows, *added), model.blocks)


def _items(rows: Sequence[Row], part: str, name: str) -> list[tuple[str, float]]:
    """Items of a construct with the value of the loading, the marker first; an observed variable is its own item."""
    mine = [r for r in rows if r.op == "=~" and r.lhs == part]
    if not mine:
        return [(part, 1.0)]
    fixed = {r.rhs: r.fixes[0] for r in mine if len(set(r.fixes)) == 1 and r.fixes[0]}
    if not any(r.fixes or any(r.frees) for r in mine[:1]):
        fixed.setdefault(mine[0].rhs, 1.0)
    if not fixed:
        raise SpecError(
            f"The interaction '{name}' has no scale, as no loading of '{part}' is fixed; fix one in place of its "
            "variance (standardised effects are in the result's interactions), or use interaction='lms'."
        )
    marker = next(iter(fixed))
    order = sorted((r.rhs for r in mine), key=lambda i: i != marker)
    return [(i, float(fixed.get(i) or np.nan)) for i in order]


def _couples(first: Sequence[str], second: Sequence[str], pairs: str) -> list[tuple[str, str]]:
    """Pairs of items to multiply; one item alone goes with all of the other construct."""
    if pairs == "all" or len(first) == 1 or len(second) == 1:
        couples = list(product(first, second))
        if first == second:  # a square: a1:a2 and a2:a1 are one
            couples = [(a, b) for a, b in couples if first.index(a) <= first.index(b)]
        return couples
    return list(zip(first, second, strict=False))


def _without_error(rows: Sequence[Row]) -> set[str]:
    """Variables that measure no construct, or are the only item of one: their products share no error."""
    homes: dict[str, list[str]] = {}
    for r in rows:
        if r.op == "=~":
            homes.setdefault(r.lhs, []).append(r.rhs)
    written = {r.lhs for r in rows if r.op == "~~" and r.lhs == r.rhs}
    several = {i for items in homes.values() if len(items) > 1 for i in items}
    alone = {i for items in homes.values() if len(items) == 1 for i in items if i not in written}
    others = {n for r in rows for n in (r.lhs, *r.rhs.split(":"))} - {i for items in homes.values() for i in items}
    return (alone | others) - several


def product_items(model: Model) -> list[str]:
    """Product indicators of an expanded model."""
    return list(dict.fromkeys(r.rhs for r in model.rows if r.op == "=~" and ":" in r.rhs))


def centre_products(rows: Rows, names: Sequence[str]) -> Rows:
    """Replace products of items by products of centred items, centred again, group by group.

    Parameters
    ----------
    rows : Rows
    names : sequence of str
        Products, such as ``a1:z1``; their items are among the columns.

    Returns
    -------
    Rows
    """
    if not names:
        return rows
    x = rows.x.copy()
    place = {n: i for i, n in enumerate(rows.names)}
    for g in range(len(rows.labels)):
        mine = rows.codes == g
        w = None if rows.weights is None else rows.weights[mine]
        for name in names:
            a, b = (_centred(rows.x[mine, place[part]], w) for part in name.split(":"))
            x[mine, place[name]] = _centred(a * b, w)
    return replace(rows, x=x)


def _centred(x: Array, weights: Array | None) -> Array:
    """Deviations from the (weighted) mean of what is there."""
    seen = ~np.isnan(x)
    return x - (np.average(x[seen], weights=None if weights is None else weights[seen]) if seen.any() else 0.0)
