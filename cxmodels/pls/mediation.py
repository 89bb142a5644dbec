"""Indirect effects one by one, kinds of mediation, and slopes under moderation; with intervals from a bootstrap.

All are functions of the path matrix, so replicates of the paths give their replicates.

Sources: Zhao, Lynch and Chen (2010), Journal of Consumer Research 37(2), and Nitzl, Roldán and Cepeda (2016), Industrial
Management & Data Systems 116(9), for kinds of mediation; Aiken and West (1991) for simple slopes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..errors import SpecError
from ..model.moderation import moderator_levels
from .kernel import Array
from .layout import Layout

if TYPE_CHECKING:
    from .bootstrap import PLSBootstrap
    from .result import PLSResult

Chain = tuple[int, ...]


def chains(layout: Layout) -> list[Chain]:
    """Every directed way over at least one mediator, as construct numbers from predictor to outcome."""
    follow = [np.flatnonzero(column).tolist() for column in layout.design.arrows.T]
    out: list[Chain] = []

    def walk(way: Chain) -> None:
        out.extend([way] if len(way) > 2 else [])
        for nxt in follow[way[-1]]:
            walk((*way, nxt))

    for j in range(len(follow)):
        walk((j,))
    return sorted(out, key=lambda c: (c[-1], c[0], len(c), c))


def specific_indirect(result: PLSResult) -> pd.DataFrame:
    """Indirect effects by way; see :attr:`PLSResult.indirect_effects`."""
    frame, values = _ways(result.layout, _edge_values(result.layout, result.layout.part("paths", result.estimate)))
    return frame.assign(est=values[0])


def bootstrapped_indirect(boot: PLSBootstrap) -> pd.DataFrame:
    """Indirect effects by way with intervals; see :attr:`PLSBootstrap.indirect_effects`."""
    layout = boot.point.layout
    frame, _ = _ways(layout, np.zeros((1, len(layout.edges))))
    return pd.concat([frame, _table(boot, lambda b: _ways(layout, _edge_values(layout, b))[1])], axis=1)


def mediation(boot: PLSBootstrap) -> pd.DataFrame:
    """Direct against indirect effects; see :attr:`PLSBootstrap.mediation`."""
    effects = boot.effects.set_index(["outcome", "predictor"])
    pieces = {k: effects[effects["effect"] == k].drop(columns="effect") for k in ("direct", "indirect", "total")}
    pairs = bootstrapped_indirect(boot)[["outcome", "predictor"]].drop_duplicates()
    rows = []
    for y, x in pairs.itertuples(index=False):
        direct, indirect, total = (pieces[k].loc[(y, x)] for k in ("direct", "indirect", "total"))
        drawn = (boot.point.layout.design.arrows[tuple(boot.point.layout.constructs.index(c) for c in (y, x))]) > 0
        has_direct = drawn and not direct["ci_lower"] <= 0 <= direct["ci_upper"]
        has_indirect = not indirect["ci_lower"] <= 0 <= indirect["ci_upper"]
        kind = _kind(drawn, has_direct, has_indirect, float(direct["est"] * indirect["est"]))
        share = indirect["est"] / total["est"] if kind == "complementary" else np.nan
        limits = [part[c] for part in (direct, indirect) for c in ("est", "ci_lower", "ci_upper")]
        rows.append((y, x, *limits, total["est"], share, kind))
    names = [f"{part}{c}" for part in ("direct", "indirect") for c in ("", "_lower", "_upper")]
    return pd.DataFrame(rows, columns=["outcome", "predictor", *names, "total", "share", "mediation"])


def simple_slopes(result: PLSResult, levels: Sequence[float]) -> pd.DataFrame:
    """Slopes at levels of the moderator; see :meth:`PLSResult.simple_slopes`."""
    frame, gradient = _slopes(result, levels)
    return frame.assign(est=gradient @ result.layout.part("paths", result.estimate)[0])


def bootstrapped_slopes(boot: PLSBootstrap, levels: Sequence[float]) -> pd.DataFrame:
    """Slopes with intervals; see :meth:`PLSBootstrap.simple_slopes`."""
    frame, gradient = _slopes(boot.point, levels)
    return pd.concat([frame, _table(boot, lambda paths: paths @ gradient.T)], axis=1)


def _kind(drawn: bool, direct: bool, indirect: bool, product: float) -> str:
    """Name the kind of mediation (Zhao, Lynch and Chen 2010, figure 2)."""
    if not indirect:
        return "direct only" if direct else "no effect"
    if not direct:
        return "indirect only (full)" if drawn else "indirect only (no direct path drawn)"
    return "complementary" if product > 0 else "competitive"


def _edge_values(layout: Layout, paths: Array) -> Array:
    """Path matrix (b, j, j) from the paths in the order of the frame."""
    out = np.zeros((len(paths), len(layout.constructs), len(layout.constructs)))
    out[:, layout.edges[:, 0], layout.edges[:, 1]] = paths
    return out


def _ways(layout: Layout, b: Array) -> tuple[pd.DataFrame, Array]:
    """Names of the ways, and the products of the paths along each (b, ways)."""
    names, every = layout.constructs, chains(layout)
    frame = pd.DataFrame(
        [(names[c[-1]], names[c[0]], " -> ".join(names[k] for k in c[1:-1])) for c in every],
        columns=["outcome", "predictor", "through"],
    )
    if b.ndim == 2 or not every:
        return frame, np.zeros((len(b), len(every)))
    steps = [np.prod([b[:, t, f] for f, t in pairwise(c)], axis=0) for c in every]
    return frame, np.stack(steps, axis=1)


def _slopes(result: PLSResult, levels: Sequence[float]) -> tuple[pd.DataFrame, Array]:
    """Frame of slopes, and the matrix that gives them from the paths: the gradient of each equation at each point.

    The derivative of b x^m z... with respect to x is m b x^(m - 1) z..., constructs that are not listed being at their mean.
    """
    plan, layout, at = result.spec.plan, result.layout, moderator_levels(levels)
    if not plan.terms:
        raise SpecError("The model has no interaction; write for example 'Loyalty ~ Image + Price + Image:Price'.")
    if plan.method != "two_stage":
        raise SpecError(
            "Simple slopes need interaction='two_stage', whose path is per unit of the product of the scores."
        )
    names = layout.constructs
    parts = {t.name: [names[k] for k in t.parts] for t in plan.terms}
    edges = [(names[y], names[x]) for y, x in layout.edges]
    rows = []
    for term in parts:
        for outcome in [y for y, x in edges if x == term]:
            for focal in dict.fromkeys(parts[term]):
                moderators = parts[term].copy()
                moderators.remove(focal)
                moderators = list(dict.fromkeys(moderators))
                for point in product(at, repeat=len(moderators)):
                    rows.append((outcome, focal, *sum(zip(moderators, point, strict=True), ())))
    columns = ["outcome", "predictor", "moderator", "level", "second", "second_level"]
    width = max(len(row) for row in rows)
    frame = pd.DataFrame([(*r, *("", np.nan)[: width - len(r)]) for r in rows], columns=columns[:width])
    gradient = np.zeros((len(rows), len(edges)))
    for line, (outcome, focal, *where) in enumerate(rows):
        level = dict(zip(where[::2], where[1::2], strict=True))
        for column, (y, x) in enumerate(edges):
            if y == outcome and focal in parts.get(x, [x]):
                rest = parts.get(x, [x]).copy()
                rest.remove(focal)
                gradient[line, column] = (1 + rest.count(focal)) * np.prod([level.get(p, 0.0) for p in rest])
    return frame, gradient


def _table(boot: PLSBootstrap, function) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    """Est, se, t, p-value and interval of a function of the paths."""
    if boot.interval == "studentized":
        raise SpecError("Studentised intervals exist for estimated numbers only; use interval='bca' or 'percentile'.")
    reps, part = boot.replicates, boot.point.layout.slices()["paths"]
    derived = replace(
        reps,
        estimate=function(reps.estimate[None, part])[0],
        values=function(reps.values[:, part]),
        jack=None if reps.jack is None else function(reps.jack[:, part]),
    )
    return derived.table(slice(None), boot.interval, boot.level)
