"""A population: a model in which every parameter has a number, from text or from a fitted model.

In v = m + A v + e, cov(e) = S, the numbers fill A, S and m. Where a variable's total variance t is given in place of
its residual variance psi (standardised populations, latent responses of ordinal items, composites) the residual
variances solve the linear equations diag(T (S + diag(psi)) T') = t with T = inv(I - A).

A composite C = w'x of items with covariances Sigma is the variable with total variance s2 = w'Sigma w, loadings
Sigma w / s2 and residual covariances Sigma - loadings loadings' s2 (Henseler 2021, Composite-Based Structural Equation
Modeling, ch. 2), whatever explains C. The product of two exogenous normal variables has the moments of Bohrnstedt and
Goldberger (1969, JASA 64).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SpecError, listed
from ..model import Construct, Model, Row
from .composites import expand_composites
from .matrices import Block
from .table import Entry, Options, Table, blocks_of, build_table

if TYPE_CHECKING:
    from .spec import SEM

Array = NDArray[Any]

__all__ = ["Group", "Population", "check_spread", "matrices_of", "population_of", "product_moments"]

_TINY = 1e-10


@dataclass(frozen=True, eq=False)
class Group:
    """The numbers of one group, or of one level of it.

    Attributes
    ----------
    names : tuple of str
        All variables, observed first; a product is named by its parts, ``a:b``.
    p : int
        Number of observed ones.
    effects, spread : ndarray of shape (v, v)
        A and S. Rows of products are empty: they follow from their parts.
    level : ndarray of shape (v,)
        Intercepts m.
    cuts : dict of str to ndarray
        Thresholds of the ordinal items.
    """

    names: tuple[str, ...]
    p: int
    effects: Array
    spread: Array
    level: Array
    cuts: dict[str, Array]

    @property
    def products(self) -> dict[int, tuple[int, ...]]:
        """Place of each product, and of its parts."""
        place = {n: i for i, n in enumerate(self.names)}
        return {i: tuple(place[x] for x in n.split(":")) for i, n in enumerate(self.names) if ":" in n}

    @property
    def knotty(self) -> list[str]:
        """Products of three parts, or of a part that depends on something and so is not normal."""
        every = self.products.items()
        return [self.names[i] for i, parts in every if len(parts) > 2 or self.effects[list(parts)].any()]

    def linear(self) -> tuple[Array, Array, Array] | None:
        """A, S and m with products as exogenous variables that have the moments of normal parts; None with `knotty` ones."""
        if self.knotty:
            return None
        spread, level = product_moments(self.spread, self.level, self.products)
        return self.effects, spread, level

    def moments(self) -> tuple[Array, Array] | None:
        """Covariances and means of all variables, or None if they have no simple form."""
        found = self.linear()
        if found is None:
            return None
        a, s, m = found
        total = np.linalg.inv(np.eye(len(a)) - a)
        return total @ s @ total.T, total @ m


@dataclass(frozen=True, eq=False)
class Population:
    """A model with a number for every parameter.

    Attributes
    ----------
    table : Table
    values : ndarray of shape (rows,)
        A number for every entry of the table.
    groups : tuple of Group
        Levels within groups.
    labels : tuple
        Names of the groups.
    categories : dict of str to ndarray
        Answers to ordinal items, where they are not 1, 2, ...
    """

    table: Table
    values: Array
    groups: tuple[Group, ...]
    labels: tuple[Any, ...]
    categories: dict[str, Array]

    def number(self, key: tuple[str, str, str], group: int) -> float:
        """Value of a parameter; 0 if the population does not have it."""
        for e, value in zip(self.table.entries, self.values, strict=True):
            if e.key == key and e.group == group:
                return float(value)
        return 0.0


def product_moments(spread: Array, level: Array, products: dict[int, tuple[int, ...]]) -> tuple[Array, Array]:
    """Fill in covariances and means of products of exogenous normal variables.

    Parameters
    ----------
    spread : ndarray of shape (..., v, v)
    level : ndarray of shape (..., v)
        Moments of the others, with anything in the places of the products.
    products : dict of int to tuple of int
        Place of each product and of its parts.

    Returns
    -------
    spread, level : ndarray
        cov(xy, z) = mx cov(y, z) + my cov(x, z); cov(xy, uv) = mx mu cov(y, v) + mx mv cov(y, u) + my mu cov(x, v)
        + my mv cov(x, u) + cov(x, u) cov(y, v) + cov(x, v) cov(y, u); E(xy) = cov(x, y) + mx my.
    """
    spread, level = spread.copy(), level.copy()
    at = list(products)
    spread[..., at, :] = spread[..., :, at] = 0.0
    plain, mean = spread.copy(), level.copy()
    mean[..., at] = 0.0
    for p, (x, y) in products.items():
        line = mean[..., x, None] * plain[..., y, :] + mean[..., y, None] * plain[..., x, :]
        spread[..., p, :] = spread[..., :, p] = line
        level[..., p] = plain[..., x, y] + mean[..., x] * mean[..., y]
    for p, (x, y) in products.items():
        for q, (u, v) in products.items():
            s, m = plain, mean
            spread[..., p, q] = (
                m[..., x] * (m[..., u] * s[..., y, v] + m[..., v] * s[..., y, u])
                + m[..., y] * (m[..., u] * s[..., x, v] + m[..., v] * s[..., x, u])
                + s[..., x, u] * s[..., y, v]
                + s[..., x, v] * s[..., y, u]
            )
    return spread, level


# --- from text ------------------------------------------------------------------------------------------------------


def population_of(spec: SEM, standardized: bool = False) -> Population:
    """Read a population from a model whose fixed or starting values are its numbers.

    Parameters
    ----------
    spec : SEM
    standardized : bool, default False
        Residual variances that are not written make all variances 1.

    Returns
    -------
    Population

    Raises
    ------
    SpecError
        For a loading, path, weight, covariance or threshold without a number, or numbers that no population can
        have, with the variables at fault.
    """
    model: Model = spec.model  # type: ignore[assignment]
    labels = _labels(model)
    rows = _with_parts(model)
    totals: dict[tuple[str, int], float] = {}
    if any(c.kind == "composite" for c in model.constructs):
        rows = _formed(Model(tuple(rows), model.blocks), len(labels), standardized, totals)
    cuts: dict[str, int] = {}
    for r in rows:
        if r.op == "|":
            cuts[r.lhs] = max(cuts.get(r.lhs, 0), int(r.rhs.removeprefix("t")))
    options = Options(
        means=True, std_lv=spec.std_lv, growth=spec.growth, fixed_x=False, theta=spec.parameterization == "theta",
        thresholds=cuts, groups=labels,
    )  # fmt: skip
    complete = Model(tuple(rows), model.blocks)
    table = build_table(complete, options)
    fixed = {
        (r.lhs, r.op, r.rhs, g, level)
        for g, level, mine in blocks_of(complete, labels)
        for r in mine
        if r.fixes and r.fixes[g if len(r.fixes) > 1 else 0] is not None
    }
    values = np.array([_value(e, fixed, standardized) for e in table.entries])
    values = _shared(table, values)
    _check_written(table, values)
    values, groups = _complete(table, values, standardized, totals)
    _check_constraints(table, values)
    return Population(table, values, groups, labels, {})


def _labels(model: Model) -> tuple[str, ...]:
    """Groups by their headers, or by the number of entries in c(...)."""
    named = dict.fromkeys(name for block in model.blocks for kind, name in block if kind == "group")
    if named:
        return tuple(named)
    count = max((len(v) for r in model.rows for v in (r.labels, r.fixes, r.starts)), default=1)
    return ("",) if count <= 1 else tuple(str(k + 1) for k in range(count))


def _with_parts(model: Model) -> list[Row]:
    """The equations, and a variance for every part of a product that stands nowhere else."""
    rows = [r for r in model.rows if r.block]
    if odd := next((r for r in rows if r.op == "~~" and ":" in r.rhs), None):
        raise SpecError(
            f"'{odd.lhs} ~~ {odd.rhs}': in a population the covariances of a product follow from its parts; leave it out."
        )
    added = []
    for block in sorted({r.block for r in rows}):
        mine = [r for r in rows if r.block == block]
        known = {n for r in mine for n in (r.lhs, r.rhs)}
        parts = dict.fromkeys(x for r in mine if ":" in r.rhs for x in r.rhs.split(":"))
        added += [Row(x, "~~", x, block) for x in parts if x not in known]
    return [*rows, *added, *(r for r in model.rows if not r.block)]


def _value(e: Entry, fixed: set[tuple[str, str, str, int, int]], standardized: bool) -> float:
    """Number of an entry; NaN for a residual variance to be solved for, or where it must be written."""
    if e.free and np.isfinite(e.start):
        return e.start
    if (e.lhs, e.op, e.rhs, e.group, e.level) in fixed:
        return e.value
    default = not e.free and np.isfinite(e.value)
    if _is_variance(e):
        return np.nan if standardized else e.value if default else 1.0
    if default and not (standardized and e.op == "=~"):
        return e.value
    if e.op == "~1" or (e.op == "~~" and not e.user):
        return 0.0
    return 1.0 if e.op == "~*~" else np.nan


def _shared(table: Table, values: Array) -> Array:
    """Give parameters of one label one number."""
    known: dict[str, float] = {}
    for e, value in zip(table.entries, values, strict=True):
        if e.label and np.isfinite(value) and e.user:
            known.setdefault(e.label, float(value))
    out = values.copy()
    for i, e in enumerate(table.entries):
        if e.label in known and (np.isnan(out[i]) or e.free):
            out[i] = known[e.label]
    return out


_KINDS = {"=~": "loading", "~": "path", "~~": "covariance", "|": "threshold", "<~": "weight"}


def _check_written(table: Table, values: Array) -> None:
    """Refuse a parameter without a number."""
    bad = [
        e for e, v in zip(table.entries, values, strict=True)
        if np.isnan(v) and not (e.op == "~~" and e.lhs == e.rhs)
    ]  # fmt: skip
    if bad:
        e = bad[0]
        more = f" ({len(bad)} parameters lack one)" if len(bad) > 1 else ""
        raise SpecError(
            f"The population gives no number for the {_KINDS.get(e.op, 'parameter')} '{e.lhs} {e.op} {e.rhs}'"
            f"{_where(table, e.group)}; write it before the variable, such as '{e.lhs} {e.op} 0.5*{e.rhs}'{more}."
        )


def _where(table: Table, group: int) -> str:
    return f" in group '{table.options.groups[group]}'" if len(table.options.groups) > 1 else ""


def _formed(model: Model, count: int, standardized: bool, totals: dict[tuple[str, int], float]) -> list[Row]:
    """Equations with every composite as what its items share and what they have on their own."""
    if model.blocks:
        raise SpecError(
            "A population with composites (<~) cannot have group: or level: blocks; use c(...) for groups."
        )
    rows = list(expand_composites(model, count, as_factor=True).rows)
    for block in (c for c in model.constructs if c.kind == "composite"):
        items = list(block.items)
        _check_block(model, block)
        loadings, own = np.empty((count, len(items))), np.empty((count, len(items), len(items)))
        for g in range(count):
            weights = np.array([_number_of(model, (block.name, "<~", i), g, np.nan) for i in items])
            if np.isnan(weights).any():
                i = items[int(np.isnan(weights).argmax())]
                raise SpecError(
                    f"The population gives no number for the weight '{block.name} <~ {i}'; "
                    f"write it before the variable, such as '{block.name} <~ 0.5*{i}'."
                )
            sigma = np.array([[_number_of(model, (a, "~~", b), g, float(a == b)) for b in items] for a in items])
            check_spread(sigma, items, f" of composite '{block.name}'")
            total = float(weights @ sigma @ weights)
            if standardized:
                weights, total = weights / np.sqrt(total), 1.0
            loadings[g] = sigma @ weights / total
            own[g] = sigma - np.outer(loadings[g], loadings[g]) * total
            totals[block.name, g] = total
        inside = set(items)
        rows = [
            r for r in rows
            if not (r.op == "=~" and r.lhs == block.name) and not (r.op == "~~" and {r.lhs, r.rhs} <= inside)
        ]  # fmt: skip
        rows += [_fixed(block.name, "=~", item, loadings[:, k]) for k, item in enumerate(items)]
        rows += [_fixed(item, "~~", item, own[:, k, k]) for k, item in enumerate(items)]
        pairs = combinations(range(len(items)), 2)
        rows += [_fixed(items[a], "~~", items[b], own[:, a, b]) for a, b in pairs]
    return rows


def _check_block(model: Model, block: Construct) -> None:
    """Refuse a composite whose items are not its own, or with a variance of its own."""
    constructs = {c.name for c in model.constructs}
    if nested := [i for i in block.items if i in constructs]:
        raise SpecError(f"Composite '{block.name}' is formed of the construct {listed(nested)}; form it of items.")
    for other in model.constructs:
        if other.name != block.name and (shared := [i for i in block.items if i in other.items]):
            raise SpecError(
                f"Item {listed(shared)} belongs to the composite '{block.name}' and to '{other.name}' too."
            )
    if any(r.op == "~~" and r.lhs == r.rhs == block.name for r in model.rows):
        raise SpecError(
            f"The variance of composite '{block.name}' follows from its weights and items; leave out "
            f"'{block.name} ~~ {block.name}'."
        )


def _fixed(lhs: str, op: str, rhs: str, numbers: Array) -> Row:
    return Row(lhs, op, rhs, 1, (), tuple(float(x) for x in numbers), (False,) * len(numbers))


def _number_of(model: Model, key: tuple[str, str, str], group: int, nothing: float) -> float:
    """Number written for a parameter in a group."""
    lhs, op, rhs = key
    for r in model.rows:
        if r.op == op and ((r.lhs, r.rhs) == (lhs, rhs) or (op == "~~" and (r.rhs, r.lhs) == (lhs, rhs))):
            for vector in (r.fixes, r.starts):
                found = vector[group if len(vector) > 1 else 0] if vector else None
                if found is not None:
                    return float(found)
    return nothing


# --- completing and checking the numbers ------------------------------------------------------------------------------


def _complete(
    table: Table, values: Array, standardized: bool, totals: dict[tuple[str, int], float]
) -> tuple[Array, tuple[Group, ...]]:
    """Solve for residual variances block by block, and check that such a population exists."""
    values = values.copy()
    groups = []
    for number in range(len(table.roles)):
        block = table.blocks[number]
        group = matrices_of(table, block, number, np.where(np.isnan(values), 0.0, values))
        where = _where(table, number // table.levels)
        own = {table.entries[i].lhs: i for i in table.block(number) if _is_variance(table.entries[i])}
        _check_circle(group, where)
        wanted = {n: 1.0 for n, i in own.items() if np.isnan(values[i])}
        wanted |= {n: t for (n, g), t in totals.items() if g == number // table.levels}
        if not table.options.theta and not standardized:
            wanted |= _responses(table, number, values)
        solved = _solve(group, {n: t for n, t in wanted.items() if ":" not in n}, where)
        for name, psi in solved.items():
            values[own[name]] = psi
        group = matrices_of(table, block, number, values)
        plain = [k for k, n in enumerate(group.names) if ":" not in n]
        check_spread(group.spread[np.ix_(plain, plain)], [group.names[k] for k in plain], where)
        groups.append(group)
    return values, tuple(groups)


def _check_circle(group: Group, where: str) -> None:
    """Refuse paths that feed back on themselves without end."""
    inner = np.eye(len(group.effects)) - group.effects
    if np.linalg.cond(inner) < 1e12:
        return
    weight = np.abs(np.linalg.svd(inner)[2][-1])
    names = [n for n, w in zip(group.names, weight, strict=True) if w > 0.2 * weight.max()]
    raise SpecError(f"The paths between {listed(names)}{where} form a circle without a solution; change one.")


def _is_variance(e: Entry) -> bool:
    return e.op == "~~" and e.lhs == e.rhs


def _responses(table: Table, number: int, values: Array) -> dict[str, float]:
    """Total variances of latent responses under the delta parameterisation, whose residual is not written."""
    mine = [table.entries[i] for i in table.block(number)]
    written = {e.lhs for e in mine if _is_variance(e) and e.user}
    scale = {e.lhs: values[i] for i in table.block(number) if (e := table.entries[i]).op == "~*~"}
    return {n: 1 / scale[n] ** 2 for n in scale if n not in written}


def matrices_of(table: Table, block: Block, number: int, values: Array) -> Group:
    """A, S, m and thresholds of a block."""
    v = block.v
    effects, spread, level = np.zeros((v, v)), np.zeros((v, v)), np.zeros(v)
    to, source, rows = block.directed
    effects[to, source] = values[rows]
    i, j, rows = block.undirected
    spread[i, j] = spread[j, i] = values[rows]
    i, rows = block.means
    level[i] = values[rows]
    at = [k for k, n in enumerate(block.names) if ":" in n]
    effects[at], spread[at], spread[:, at], level[at] = 0.0, 0.0, 0.0, 0.0
    cuts: dict[str, list[float]] = {}
    for k in table.block(number):
        if table.entries[k].op == "|":
            cuts.setdefault(table.entries[k].lhs, []).append(float(values[k]))
    for name, points in cuts.items():
        if (np.diff(points) <= 0).any():
            raise SpecError(f"The thresholds of '{name}' must increase; they are {listed(points)}.")
    return Group(block.names, block.p, effects, spread, level, {n: np.array(c) for n, c in cuts.items()})


def _solve(group: Group, wanted: dict[str, float], where: str) -> dict[str, float]:
    """Residual variances with which variables have the total variances wanted."""
    if not wanted:
        return {}
    place = {n: i for i, n in enumerate(group.names)}
    spread = group.spread.copy()
    outer = [n for n in wanted if not group.effects[place[n]].any()]
    inner = [n for n in wanted if n not in outer]
    for n in outer:
        spread[place[n], place[n]] = wanted[n]
    found = {n: wanted[n] for n in outer}
    if not inner:
        return found
    for n in inner:
        spread[place[n], place[n]] = 0.0
    linear = replace(group, spread=spread).linear()
    if linear is None:
        raise SpecError(
            f"The interaction {listed(group.knotty)} has an outcome among its parts, or three parts, which leaves variances "
            "without a simple form; write the residual variances ('y ~~ 0.5*y') in place of standardized=True."
        )
    a, s, _ = linear
    total = np.linalg.inv(np.eye(len(a)) - a)
    at = [place[n] for n in inner]
    targets = np.array([wanted[n] for n in inner])
    explained = np.diagonal(total @ s @ total.T)[at]
    psi = np.linalg.solve(total[np.ix_(at, at)] ** 2, targets - explained)
    for n, x, t in zip(inner, psi, targets, strict=True):
        if x < -_TINY:
            raise SpecError(
                f"What '{n}' depends on explains {t - x:.3f} of its variance of {t:.3f}{where}, which leaves none for "
                "a residual; weaken its paths or loadings."
            )
    return found | {n: max(float(x), 0.0) for n, x in zip(inner, psi, strict=True)}


def check_spread(s: Array, names: Sequence[str], where: str) -> None:
    """Refuse variances and covariances of residuals and exogenous variables that cannot be."""
    own = np.diagonal(s)
    if (own < 0).any():
        k = int((own < 0).argmax())
        raise SpecError(f"The variance of '{names[k]}'{where} is {own[k]:.3f}; a population needs 0 or more.")
    sd = np.sqrt(own)
    limit = np.outer(sd, sd)
    beyond = np.triu(np.abs(s) > limit + _TINY * (1 + limit), 1)
    if beyond.any():
        i, j = np.argwhere(beyond)[0].tolist()
        raise SpecError(
            f"The covariance '{names[i]} ~~ {names[j]}' is {s[i, j]:.3f}{where}, but the (residual) variances of "
            f"{own[i]:.3f} and {own[j]:.3f} allow {limit[i, j]:.3f} at most; weaken it."
        )
    unit = s / np.where(limit > 0, limit, 1.0)
    roots, vectors = np.linalg.eigh(unit)
    if len(roots) and roots[0] < -1e-8:
        weight = np.abs(vectors[:, 0])
        culprits = [n for n, w in zip(names, weight, strict=True) if w > 0.2 * weight.max()]
        raise SpecError(
            f"The covariances of {listed(culprits)}{where} contradict one another: no population has such a "
            "matrix (not positive definite); weaken one of them."
        )


def _check_constraints(table: Table, values: Array) -> None:
    """Refuse numbers that break an equation or inequality of the model."""
    known = {label: values[i] for label, i in table.labels.items()}
    for name, expression in table.defined:
        known[name] = expression.evaluate(known)
    for op, left, right in table.constraints:
        gap = float(left.evaluate(known) - right.evaluate(known))
        broken = abs(gap) > 1e-6 if op == "==" else gap < -1e-9 if op == ">" else gap > 1e-9
        if broken:
            raise SpecError(
                f"The population breaks its constraint '{left.text} {op} {right.text}' by {abs(gap):.4g}."
            )
