"""What a specification must hold, and its stages as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SpecError, described, listed, near
from ..model import Model
from ..resampling import whole_number
from . import kernel
from .stages import Plan

if TYPE_CHECKING:
    from .spec import PLS

INTERACTIONS = ("two_stage", "product_indicator", "orthogonal")
HIGHER_ORDER = ("two_stage", "embedded_two_stage", "repeated_indicators")
SCHEMES = ("path", "factorial", "centroid", "gsca")


def check_options(spec: PLS) -> None:
    """Refuse options that are none."""
    if spec.scheme not in SCHEMES:
        hint = near(spec.scheme, SCHEMES) if isinstance(spec.scheme, str) else ""
        raise SpecError(f"Unknown scheme {described(spec.scheme)}; choose from {listed(SCHEMES)}.{hint}")
    for name, known in (("interaction", INTERACTIONS), ("higher_order", HIGHER_ORDER)):
        if (given := getattr(spec, name)) not in known:
            raise SpecError(f"Unknown {name}='{given}'; choose from {listed(known)}.{near(str(given), known)}")
    if not isinstance(spec.tolerance, float | int) or not spec.tolerance > 0:
        raise SpecError(f"tolerance must be a number above 0, not {spec.tolerance!r}.")
    if whole_number("max_iter", spec.max_iter) < 1:
        raise SpecError(f"max_iter must be at least 1, not {spec.max_iter}.")
    for name in ("consistent", "standardize"):
        if not isinstance(getattr(spec, name), bool | np.bool_):
            raise SpecError(f"{name} must be True or False, not {getattr(spec, name)!r}.")
    if spec.consistent and spec.scheme == "gsca":
        raise SpecError(
            "consistent=True corrects PLS weights; choose the path, factorial or centroid scheme with it."
        )
    if not isinstance(spec.modes or {}, Mapping):
        raise SpecError(f"modes must name constructs, as in {{'Quality': 'B'}}, not {spec.modes!r}.")


def make_design(
    spec: PLS,
    kinds: Mapping[str, str],
    blocks: Mapping[str, tuple[str, ...]],
    paths: tuple[tuple[str, str], ...],
    columns: tuple[str, ...],
    repeated: tuple[str, ...] = (),
) -> kernel.Design:
    """Turn the constructs and paths of one stage into arrays."""
    place, names, modes = {item: i for i, item in enumerate(columns)}, list(blocks), spec.modes or {}
    mask = np.zeros((len(columns), len(names)))
    for j, items in enumerate(blocks.values()):
        mask[[place[i] for i in items], j] = 1.0
    arrows = np.zeros((len(names), len(names)))
    for outcome, predictor in paths:
        arrows[names.index(outcome), names.index(predictor)] = 1.0
    again, mode_b = np.isin(names, repeated), np.array([modes.get(name) == "B" for name in names])
    factor = np.array([kinds.get(name) == "factor" and len(items) > 1 for name, items in blocks.items()])
    return kernel.Design(
        mask=mask,
        arrows=arrows,
        mode_b=mode_b,
        scheme=spec.scheme,
        standardize=spec.standardize,
        corrected=factor & ~mode_b & ~again & spec.consistent,
        repeated=again,
    )


def structural_notes(spec: PLS, plan: Plan) -> list[str]:
    """What the reader of the estimates must know about the stages."""
    design, notes = plan.final, []
    for j in np.flatnonzero(design.repeated & design.echo):
        theirs = {
            i for i, row in enumerate(design.arrows[j]) if row and (design.mask[:, i] * design.mask[:, j]).any()
        }
        others = [plan.constructs[i] for i in np.flatnonzero(design.arrows[j]) if i not in theirs]
        if others:
            notes.append(
                f"Its own dimensions explain '{plan.constructs[j]}' under repeated indicators, so read the total effects "
                f"of {listed(others)} on it, not the paths."
            )
    if spec.consistent and plan.terms:
        notes.append(
            f"Consistent PLS does not correct the products {listed(t.name for t in plan.terms)} for attenuation; their "
            "paths are conservative."
        )
    return notes


def check_structure(model: Model) -> list[str]:
    """Refuse models that no path model can be; return what is merely unusual."""
    names = [c.name for c in model.constructs]
    if model.blocks:
        raise SpecError("PLS fits one group at one level; leave 'group:' and 'level:' out of the model.")
    if not names:
        raise SpecError("The model has no constructs; write for example 'Quality =~ q1 + q2'.")
    if not model.paths:
        raise SpecError("The model has no paths; write for example 'Satisfaction ~ Quality'.")
    for outcome, predictor in model.paths:
        for name in predictor.split(":") if ":" in predictor else (outcome, predictor):
            if name not in names:
                raise SpecError(
                    f"Construct '{name}' has paths but no items.{near(name, names)} "
                    f"Write '{name} =~ item1 + item2', or name one column as its only item."
                )
    linked = {name for path in model.paths for name in path}
    linked |= {part for name in linked for part in name.split(":")}
    for construct in reversed(model.constructs):
        linked |= set(construct.items) if construct.name in linked else set()
    if alone := [n for n in names if n not in linked]:
        raise SpecError(f"Construct {listed(alone)} has no path to or from another; add one or leave it out.")
    model.check_acyclic()
    homes: dict[str, list[str]] = {}
    for construct in model.constructs:
        for item in construct.items:
            homes.setdefault(item, []).append(construct.name)
    ignored = [
        row for row in model.rows if row.op not in ("=~", "<~", "~") or (row.op == "~" and set(row.fixes) - {None})
    ]
    return [
        f"Item '{item}' measures more than one construct ({listed(where)}); their correlation is inflated."
        for item, where in homes.items()
        if len(where) > 1
    ] + [
        f"PLS estimates measurement and free paths only and ignores what the model says of "
        f"{listed(f'{r.lhs} {r.op} {r.rhs}'.rstrip() for r in ignored)}."
    ] * bool(ignored)
