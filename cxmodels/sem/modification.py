"""Score tests of what the model leaves out.

A candidate parameter with Jacobian column c, score s = c'W r and information c'W c has the modification index
n s² / (c'W c - c'W J inv(J'W J) J'W c), the drop in chi-square that freeing it promises (Sörbom 1989).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .composites import is_hidden
from .estimate import Estimate
from .incomplete import Incomplete
from .inference import invert
from .matrices import move, state
from .objective import LeastSquares, jacobian_of, weigh
from .responses import Responses
from .samples import vech
from .standardize import factors
from .table import Entry, Table

Array = NDArray[Any]

__all__ = ["modification_indices", "parameter_scores"]


def modification_indices(e: Estimate, labels: Sequence[Any]) -> pd.DataFrame:
    """Score tests of parameters that are fixed or absent, largest first."""
    table = e.table
    extra = list(_candidates(table))
    fixed = [
        i for i, x in enumerate(table.entries) if table.index[i] < 0 and not x.exo and x.op in ("=~", "~", "~~", "~1")
    ]
    count = len(fixed) + len(extra)
    index = np.append(table.index, table.size + len(fixed) + np.arange(len(extra)))
    index[fixed] = table.size + np.arange(len(fixed))
    wide = replace(table, entries=(*table.entries, *extra), index=index)
    values = np.append(e.values, np.zeros(len(extra)))
    score, info, n = parameter_scores(e, wide, values)
    q = table.size
    remaining, gain = _remaining(info, q, e.basis), score[q:]
    with np.errstate(invalid="ignore", divide="ignore"):
        mi = np.where(remaining > 1e-8 * np.diagonal(info)[q:], n * gain**2 / remaining, np.nan)
        epc = gain / remaining
    rows = [*fixed, *range(len(table.entries), len(index))]
    found = [wide.entries[i] for i in rows]
    frame = pd.DataFrame(
        {
            "lhs": [x.lhs for x in found],
            "op": [x.op for x in found],
            "rhs": [x.rhs for x in found],
            "group": [labels[x.group] for x in found],
            "mi": mi,
            "epc": epc,
        }
    )
    shown = replace(e, table=wide, blocks=wide.blocks)
    for kind in ("lv", "all"):
        frame[f"sepc_{kind}"] = (epc * factors(shown, values, f"std_{kind}")[rows]) if count else []
    return frame.dropna(subset="mi").sort_values("mi", ascending=False, kind="stable").reset_index(drop=True)


def _candidates(table: Table) -> list[Entry]:
    """Cross-loadings, residual covariances and, in structural models, paths that the model lacks."""
    out = []
    for number, role in enumerate(table.roles):
        group, level = divmod(number, table.levels)
        mine = [table.entries[i] for i in table.block(number)]
        known = {x.key for x in mine}
        measured = [n for n in role.observed if any(x.op == "=~" and x.rhs == n for x in mine)]
        formed = {x.lhs.split("~")[1] for x in mine if is_hidden(x.lhs)}
        inside = {x.rhs for x in mine if x.op == "=~" and x.lhs in formed}
        latent = [n for n in role.latent if not is_hidden(n)]
        factors_ = [n for n in latent if n not in formed]
        measured = [n for n in measured if n not in inside]
        own = [n for n in role.observed if n not in role.exogenous and n not in inside]
        paths = dict.fromkeys(n for x in mine if x.op == "~" for n in (x.lhs, x.rhs))
        wanted = [(f, "=~", i) for f in factors_ for i in measured]
        wanted += [(a, "~~", b) for names in (own, latent) for a, b in combinations(names, 2)]
        given = set(role.exogenous)
        closed = given if table.options.thresholds and table.options.fixed_x else set()
        wanted += [(a, "~", b) for a in paths for b in paths if a != b and a not in closed and not {a, b} <= given]
        for lhs, op, rhs in wanted:
            x = Entry(lhs, op, rhs, group, level)
            loading = rhs in latent and lhs in measured  # the same arrow, under another name
            if x.key not in known and not (op == "~" and (loading or (rhs, "=~", lhs) in known)):
                out.append(x)
    return out


def _remaining(info: Array, q: int, basis: Array | None) -> Array:
    """Information about each candidate that the model's own parameters do not share."""
    across = info[:q, q:]
    inverse = invert(info[:q, :q], basis)
    return np.diagonal(info)[q:] - (across * (inverse @ across)).sum(axis=0)


def parameter_scores(e: Estimate, wide: Table, values: Array) -> tuple[Array, Array, float]:
    """Unit score and expected information of all parameters of a wider table, and what n multiplies them."""
    size = wide.size
    score, info = np.zeros(size), np.zeros((size, size))
    for number, share in enumerate(e.data.shares):
        block = wide.blocks[number]
        if isinstance(e.objective, LeastSquares) and e.data.ordinal:
            target = Responses(wide, number, block, e.data.ordinal[number])
            jacobian = target.jacobian(values)
            gap = target.stats - target.implied(values)
            weighted, inner = weigh(e.weights[number], gap), weigh(e.weights[number], jacobian)
        else:
            s, p = state(block, values), block.p
            jacobian = jacobian_of(block, move(block, s), wide.options.means) @ block.select
            jacobian[_given(e, number)] = 0.0
            if isinstance(e.objective, Incomplete):
                weighted, inner = _incomplete(e.objective, number, s.mean[:p], s.cov[:p, :p], jacobian)
            else:
                weight = e.weights[number]
                weighted, inner = weigh(weight, _gap(e, number)), weigh(weight, jacobian)
        score += share * (weighted @ jacobian)
        info += share * (jacobian.T @ inner)
    return score, info, e.multiplier


def _given(e: Estimate, number: int) -> NDArray[np.bool_]:
    """Which moments of a group belong to fixed predictors alone, whatever causes they are given."""
    role, options = e.table.roles[number], e.table.options
    fixed = np.array([options.fixed_x and n in role.exogenous for n in role.observed])
    rows, cols = vech(len(fixed))
    pairs = fixed[rows] & fixed[cols]
    return np.concatenate([fixed, pairs]) if options.means else pairs


def _gap(e: Estimate, number: int) -> Array:
    """Sample less implied moments, the covariances about the implied means under ML."""
    sample, s, p = e.data.samples[number], e.states[number], e.blocks[number].p
    rows, cols = vech(p)
    d = sample.mean - s.mean[:p]
    gap = sample.cov - s.cov[:p, :p]
    if not e.table.options.means:
        return gap[rows, cols]
    if e.plan.kind == "ML":
        gap = gap + np.outer(d, d)
    return np.concatenate([d, gap[rows, cols]])


def _incomplete(objective: Incomplete, number: int, mu: Array, sigma: Array, jacobian: Array) -> tuple[Array, Array]:
    """Gradient of the unit log-likelihood, and information times Jacobian, with missing values."""
    from . import missing

    patterns = objective.patterns[number]
    info = missing.information(patterns, mu, sigma, "expected")
    return missing.score(patterns, mu, sigma).stacked / patterns.total, info @ jacobian
