"""From a model to its stages: how interactions and higher-order constructs are estimated.

Repeated indicators rewrite the model: a higher-order construct takes the items of all its dimensions and predicts them
(reflective), or is predicted by them (formative). Its dimensions then explain a formative construct wholly, so that no
other path to it can differ much from zero. The remedy is to draw the same predictors to the dimensions too and to read
total effects (Becker, Klein and Wetzels 2012, Long Range Planning 45(5-6); Becker et al. 2023, "extended" repeated
indicators): the total effects are the regression of the higher-order score on its predictors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations, product
from typing import Any, Literal

import numpy as np

from ..errors import SpecError, listed
from ..model import Model
from .kernel import Design
from .stages import Method, Plan, Term

HigherOrder = Literal["two_stage", "embedded_two_stage", "repeated_indicators"]
Blocks = dict[str, tuple[str, ...]]
Paths = tuple[tuple[str, str], ...]
MakeDesign = Callable[[Blocks, Paths, tuple[str, ...], tuple[str, ...]], Design]


def make_plan(
    model: Model, method: Method, order: HigherOrder, formed: frozenset[str], consistent: bool, design: MakeDesign
) -> Plan:
    """Read the stages off a model.

    Parameters
    ----------
    model : Model
    method : {"two_stage", "product_indicator", "orthogonal"}
        How interactions are formed.
    order : {"two_stage", "embedded_two_stage", "repeated_indicators"}
        How higher-order constructs are estimated.
    formed : frozenset of str
        Constructs that their parts form, rather than reflect.
    consistent : bool
        Whether common factors are corrected for attenuation.
    design : callable
        Makes a design of blocks (construct to columns), paths (outcome, predictor), columns, and the constructs that repeat
        items.

    Returns
    -------
    Plan

    Raises
    ------
    SpecError
        For constructs of a third order, dimensions with paths of their own, interactions of more than three
        constructs or without their lower-order terms, and repeated indicators under consistent PLS.
    """
    names = [c.name for c in model.constructs]
    blocks = {c.name: c.items for c in model.constructs}
    higher = [n for n in names if any(i in blocks for i in blocks[n])]
    terms = {name: tuple(name.split(":")) for _, name in model.paths if ":" in name}
    _check(model, blocks, higher, terms)
    if higher and order == "repeated_indicators" and consistent:
        raise SpecError(
            f"consistent=True cannot correct '{higher[0]}' and its dimensions, which share items under repeated "
            "indicators; use higher_order='two_stage'."
        )
    items, paths = model.items, model.paths
    dims = [d for n in higher for d in blocks[n]]
    support = {n: tuple(dict.fromkeys(i for d in blocks[n] for i in blocks.get(d, (d,)))) for n in names}
    stage: dict[str, Any] = {}
    if order == "repeated_indicators":
        paths = (*paths, *_echoes(paths, {n: blocks[n] for n in higher}, formed))
        top, used, columns, tops, repeated = names, items, items, support, tuple(higher)
    else:
        top = [n for n in names if n not in dims]
        used = tuple(dict.fromkeys(i for n in top if n not in higher for i in blocks[n]))
        columns, tops, repeated = (*used, *dims), {n: blocks[n] for n in top}, ()
        if higher:
            stage = _first_stage(model, order, higher, support, formed, design)
            stage["dimensions"] = np.array([stage["first_names"].index(d) for d in dims])
            if order == "embedded_two_stage":
                rest = [n for n in top if n not in higher]
                stage["passed"] = tuple((top.index(n), stage["first_names"].index(n)) for n in rest)
            factors = stage["first"].corrected[stage["dimensions"]]
            made = [n for n in higher if n in formed and factors[[dims.index(d) for d in blocks[n]]].any()]
            stage["composed"] = tuple(top.index(n) for n in made)
    where = np.array([items.index(i) for i in used], dtype=np.intp)
    main = tuple(path for path in paths if path[1] not in terms)
    if not terms:
        final = design(tops, main, columns, repeated)
        return Plan(items, final, columns, tuple(top), main, where, **stage)
    made_terms, products, product_blocks = _terms(terms, top, support, items, method)
    if method == "two_stage":
        stage["middle"] = design(tops, main, columns, repeated)
    columns = (*columns, *(c for block in product_blocks.values() for c in block))
    return Plan(
        items=items,
        final=design({**tops, **product_blocks}, paths, columns, repeated),
        columns=columns,
        constructs=(*top, *terms),
        paths=paths,
        used=where,
        products=products,
        terms=made_terms,
        method=method,
        **stage,
    )


def _first_stage(
    model: Model, order: str, higher: list[str], support: Blocks, formed: frozenset[str], design: MakeDesign
) -> dict[str, Any]:
    """Lower-order constructs in the place of those of higher order, or together with them."""
    blocks = {c.name: c.items for c in model.constructs}
    parts = {n: blocks[n] for n in higher}
    main = tuple(path for path in model.paths if ":" not in path[1])
    if order == "embedded_two_stage":
        paths = (*main, *_echoes(main, parts, formed))
        return {"first_names": tuple(support), "first": design(support, paths, model.items, tuple(higher))}
    lower = {n: block for n, block in blocks.items() if n not in higher}
    return {"first_names": tuple(lower), "first": design(lower, _lowered(main, parts), model.items, ())}


def _echoes(paths: Paths, higher: Blocks, formed: frozenset[str]) -> Paths:
    """Paths between a construct that repeats items and its dimensions; predictors of a formative one reach these too."""
    out = []
    for name, dimensions in higher.items():
        if name not in formed:
            out += [(d, name) for d in dimensions]
            continue
        out += [(name, d) for d in dimensions]
        out += [(d, x) for y, x in paths if y == name for d in dimensions]
    return tuple(out)


def _lowered(paths: Paths, higher: Blocks) -> Paths:
    """Paths of the first stage: each dimension in the place of its higher-order construct."""
    return tuple(
        (y, x)
        for outcome, predictor in paths
        for y in higher.get(outcome, (outcome,))
        for x in higher.get(predictor, (predictor,))
    )


def _terms(
    terms: Mapping[str, tuple[str, ...]], top: list[str], support: Blocks, items: tuple[str, ...], method: str
) -> tuple[tuple[Term, ...], tuple[tuple[int, ...], ...], Blocks]:
    """Interactions, the products of items that they need, and what their blocks are called."""
    place = {item: i for i, item in enumerate(items)}
    products: dict[tuple[int, ...], None] = {}
    made, blocks = [], {}
    for name, parts in terms.items():
        cells = list(product(*([place[i] for i in support[part]] for part in parts)))
        for cell in cells:
            products[tuple(sorted(cell))] = None
            if len(cell) == 3:
                products.update(dict.fromkeys(tuple(sorted(pair)) for pair in combinations(cell, 2)))
        made.append(Term(name, tuple(top.index(part) for part in parts), np.array(cells, dtype=np.intp)))
        blocks[name] = (name,) if method == "two_stage" else tuple("*".join(items[i] for i in c) for c in cells)
    return tuple(made), tuple(products), blocks


def _check(model: Model, blocks: Blocks, higher: list[str], terms: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse what the stages cannot do."""
    in_paths = {name for path in model.paths for name in path}
    in_paths |= {part for name in in_paths for part in name.split(":")}
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
    owners: dict[str, str] = {}
    for name in higher:
        for part in blocks[name]:
            if (other := owners.setdefault(part, name)) != name:
                raise SpecError(f"'{part}' is a dimension of both '{other}' and '{name}'; give it one role only.")
    for name, parts in terms.items():
        if len(parts) > 3:
            raise SpecError(f"The interaction '{name}' has {len(parts)} constructs; PLS multiplies two or three.")
    for outcome, name in model.paths:
        if name not in terms:
            continue
        drawn = {tuple(sorted(x.split(":"))) for y, x in model.paths if y == outcome}
        lower = [c for m in range(1, len(terms[name])) for c in combinations(terms[name], m)]
        absent = [":".join(c) for c in dict.fromkeys(lower) if tuple(sorted(c)) not in drawn]
        if absent:
            what = "main effects" if all(":" not in a for a in absent) else "lower-order terms"
            raise SpecError(
                f"'{outcome} ~ {name}' needs the {what} too; add {listed(absent)} to the equation of '{outcome}'."
            )
