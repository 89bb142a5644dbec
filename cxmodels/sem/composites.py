"""Composites in a covariance structure: the refined Henseler-Ogasawara specification.

A composite c of K items is a weighted sum of them, c = w'x. What c leaves of the items has K - 1 dimensions: one
"excrescent" variable for each item but the first, uncorrelated with everything outside the block,

    x_1 = l_1 c + sum_j a_j r_j,      x_j = l_j c + r_j   (j = 2 .. K),      w_j / w_1 = -a_j,

so loadings and covariances inside the block are free and the weights follow (Schuberth 2023, Psychological Methods;
Yu, Schuberth and Henseler 2023, Structural Equation Modeling 30). The model is an ordinary one, so every estimator,
test and option of this package applies to it.
"""

from __future__ import annotations

from itertools import combinations

from ..errors import SpecError, listed
from ..model import Model, Row
from ..model.lexer import quote_label

__all__ = ["expand_composites", "is_hidden", "weight_of"]

_MARK = "~"  # no written name starts so
_WEIGHT = "<~"


def is_hidden(name: str) -> bool:
    """Whether a variable or label only serves a composite."""
    return name.startswith(_MARK)


def weight_of(name: str) -> tuple[str, str, int] | None:
    """Composite, item and group (from 0) that a defined parameter is the weight of, or None."""
    if not name.startswith(_WEIGHT):
        return None
    composite, item, group = name[len(_WEIGHT) :].split(_MARK)
    return composite, item, int(group)


def expand_composites(model: Model, groups: int, as_factor: bool, turn: int = 0) -> Model:
    """Replace the rows written with ``<~``.

    Parameters
    ----------
    model : Model
    groups : int
        Number of groups, each with weights of its own.
    as_factor : bool
        Take them as common factors.
    turn : int, default 0
        Which item of each composite the others are compared with; its weight must not be zero.

    Returns
    -------
    Model
        The same if there are none.

    Raises
    ------
    SpecError
        If a composite's items are constructs, belong to other blocks too, or have a residual of their own.
    """
    blocks = {c.name: c.items for c in model.constructs if c.kind == "composite"}
    if not blocks:
        return model
    if as_factor:
        return Model(tuple(_replaced(r) for r in model.rows), model.blocks)
    _check(model, blocks)
    rows = [r for r in model.rows if r.op != "<~"]
    made: list[Row] = []
    for name, items in blocks.items():
        made += _block(name, items, groups, items[turn % len(items)])
    return Model((*made, *rows), model.blocks)


def _replaced(r: Row) -> Row:
    from dataclasses import replace

    return replace(r, op="=~") if r.op == "<~" else r


def _check(model: Model, blocks: dict[str, tuple[str, ...]]) -> None:
    if model.blocks:
        raise SpecError("Composites (<~) cannot be combined with group: or level: blocks; use composites='factor'.")
    constructs = {c.name for c in model.constructs}
    for name, items in blocks.items():
        if nested := [i for i in items if i in constructs]:
            raise SpecError(f"Composite '{name}' is formed of the construct {listed(nested)}; form it of items.")
        for other in model.constructs:
            shared = [i for i in items if i in other.items and other.name != name]
            if shared:
                raise SpecError(f"Item {listed(shared)} belongs to the composite '{name}' and to '{other.name}' too.")
        for r in model.rows:
            if r.block and r.op in ("~", "~~") and {r.lhs, r.rhs} & set(items):
                item = r.lhs if r.lhs in items else r.rhs
                raise SpecError(
                    f"'{r.lhs} {r.op} {r.rhs}': item '{item}' forms the composite '{name}', so nothing is left of it that "
                    "could covary or depend on something."
                )
            if r.op == "<~" and r.lhs == name and (r.fixes or r.labels):
                raise SpecError(
                    f"'{name} <~ {r.rhs}': weights of a composite are estimated, and its first loading sets its scale; leave numbers and "
                    f"labels out ('{name} <~ {' + '.join(items)}'), standardised results do not depend on the scale."
                )


def _block(name: str, items: tuple[str, ...], groups: int, base: str) -> list[Row]:
    """Rows and weight definitions of one composite; the loading of its first item is 1."""

    def label(what: str, item: str) -> tuple[str, ...]:
        return tuple(f"{_MARK}{what}{_MARK}{name}{_MARK}{item}{_MARK}{g}" for g in range(groups))

    fixed = {"fixes": (1.0,), "frees": (False,)}
    others = [item for item in items if item != base]
    rows = [Row(name, "=~", items[0], 1, label("l", items[0]), **fixed)]  # type: ignore[arg-type]
    rows += [Row(name, "=~", item, 1, label("l", item)) for item in items[1:]]
    rest = [f"{_MARK}{name}{_MARK}{item}" for item in others]
    for extra, item in zip(rest, others, strict=True):
        rows.append(Row(extra, "=~", item, 1, label("s", item), **fixed))  # type: ignore[arg-type]
        rows.append(Row(extra, "=~", base, 1, label("a", item)))
    rows += [Row(a, "~~", b) for a, b in combinations(rest, 2)]
    rows += [Row(item, "~~", item, 1, (), (0.0,), (False,)) for item in items]
    for g in range(groups):

        def q(what: str, item: str, g: int = g) -> str:
            return quote_label(label(what, item)[g])

        ratio = {item: f"({q('a', item)}/{q('s', item)})" for item in others}
        sum_text = "".join(f"-{ratio[i]}*{q('l', i)}" for i in others)
        first = f"1/({q('l', base)}{sum_text})"
        for item in items:
            text = first if item == base else f"-{ratio[item]}*({first})"
            rows.append(Row(f"{_WEIGHT}{name}{_MARK}{item}{_MARK}{g}", ":=", text, 0))
    return rows
