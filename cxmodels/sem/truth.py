"""True values: what a model's parameters are in a population, on the scale on which the model measures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import SpecError, listed, near
from .composites import is_hidden, weight_of
from .constraints import defined_values
from .estimate import Data, Estimate, estimate
from .objective import expand
from .population import Group, Population
from .prepare import Rows
from .products import latent_products
from .samples import Sample
from .table import Table, build_table

if TYPE_CHECKING:
    from .spec import SEM

Array = NDArray[Any]

__all__ = ["Truth", "truth_of"]

_MANY = 1e6  # rows that population moments count for


@dataclass(frozen=True, eq=False)
class Truth:
    """Free and defined parameters of a model with their values in a population.

    Attributes
    ----------
    table : Table
    labels : tuple
        Groups.
    rows : ndarray of int
        Entries of the table, and beyond them defined parameters.
    values : ndarray
        NaN where the population does not tell.
    estimate : Estimate or None
        The model fitted to the moments of the population; None if these have no simple form.
    batched : bool
        Whether replicates of normal data can be fitted from their moments, together.
    tested : bool
        Whether the model has a test.
    """

    table: Table
    labels: tuple[Any, ...]
    rows: NDArray[np.intp]
    values: Array
    estimate: Estimate | None
    batched: bool
    tested: bool

    def only(self, keep: list[int]) -> Truth:
        """Return some of the parameters."""
        return replace(self, rows=self.rows[keep], values=self.values[keep])

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Their names, [lhs, op, rhs] (and group)."""
        t = self.table
        out = []
        for i in self.rows:
            if i < len(t.entries):
                e = t.entries[i]
                out.append((e.lhs, e.op, e.rhs, self.labels[e.group], str(e.level + 1)))
                continue
            name, expression = t.defined[i - len(t.entries)]
            weight = weight_of(name)
            if weight is not None:
                out.append((weight[0], "<~", weight[1], self.labels[weight[2]], ""))
            else:
                out.append((name, ":=", expression.text, "", ""))
        frame = pd.DataFrame(out, columns=["lhs", "op", "rhs", "group", "level"])
        single = [*(["group"] if len(self.labels) == 1 else []), *(["level"] if t.levels == 1 else [])]
        return frame.drop(columns=single)

    @property
    def names(self) -> list[tuple[str, ...]]:
        """What each parameter may be called: its equation, its label, a covariance either way round."""
        t = self.table
        out: list[tuple[str, ...]] = []
        for i in self.rows:
            if i >= len(t.entries):
                name = t.defined[i - len(t.entries)][0]
                weight = weight_of(name)
                out.append((name,) if weight is None else (f"{weight[0]}<~{weight[1]}",))
                continue
            e = t.entries[i]
            found = [f"{e.lhs}{e.op}{e.rhs}", *([e.label] if e.label else [])]
            if e.op == "~~":
                found.append(f"{e.rhs}~~{e.lhs}")
            out.append(tuple(x.replace(" ", "") for x in found))
        return out

    @property
    def misfit(self) -> float:
        """Discrepancy of the model in the population."""
        return 0.0 if self.estimate is None else self.estimate.minimum.value

    @property
    def rmsea(self) -> float:
        """Root mean square error of approximation in the population."""
        if self.estimate is None or not self.estimate.df:
            return 0.0
        return float(np.sqrt(max(self.misfit, 0.0) * len(self.labels) / self.estimate.df))


def truth_of(spec: SEM, population: Population, options: dict[str, Any]) -> Truth:
    """Find the values of a model's parameters in a population.

    Parameters
    ----------
    spec : SEM
        The model that will be fitted.
    population : Population
    options : dict
        How it will be fitted.

    Returns
    -------
    Truth
        Values from a fit to the population's moments; where these have no simple form (interactions, two levels) those
        of the population, on the model's scale.

    Raises
    ------
    SpecError
        If the model uses a variable that the population does not have.
    """
    known = [n for n in dict.fromkeys(x for g in population.groups for x in g.names[: g.p]) if ":" not in n]
    columns = [x for n in spec.columns for x in n.split(":")]
    if gone := [n for n in dict.fromkeys(columns) if n not in known]:
        raise SpecError(
            f"The model uses {listed(gone)}, which the population does not draw; it has {listed(known)}."
            f"{near(gone[0], known)}"
        )
    fiml = options.get("missing") == "fiml"
    plan = spec._plan(fiml=fiml, clustered="cluster" in options, weighted=False)
    products = bool(latent_products(spec.model)) or any(":" in n for n in spec.columns)  # type: ignore[arg-type]
    simple = population.table.levels == 1 and not products and all(g.moments() is not None for g in population.groups)
    table = _table(spec, population, options)
    estimated = None
    if simple:
        ordered = set(spec.ordered or ())  # type: ignore[arg-type]
        plain = (
            replace(spec, ordered=None, estimator="ML", likelihood="normal", information=None) if ordered else spec
        )
        inner = _table(plain, population, options) if ordered else table
        normal = replace(
            plan, kind="ML", se="standard", test="standard", information="expected", fiml=False, unbiased=False
        )
        data = _moments(plain, population, inner)
        estimated = estimate(inner, data, normal)
        values = _transferred(table, estimated, population) if ordered else estimated.values
    else:
        values = _rescaled(table, population)
    keep = [i for i in np.flatnonzero(table.index >= 0).tolist() if not _internal(table, i)]
    keep = [
        i for k, i in enumerate(keep) if table.index[i] not in table.index[keep[:k]] or len(population.labels) > 1
    ]
    with np.errstate(all="ignore"):
        every = np.concatenate([values, defined_values(table, values)])
    defined = [len(table.entries) + k for k in range(len(table.defined))]
    rows = np.array([*keep, *defined], dtype=np.intp)
    batched = (
        estimated is not None and plan.kind == "ML" and plan.se == "standard" and plan.information == "expected"
        and not plan.fiml and not plan.unbiased and not table.constraints and not spec.ordered
        and all(np.isinf(x.lower) and np.isinf(x.upper) for x in table.entries)
    )  # fmt: skip
    lms = products and spec.interaction == "lms"
    usable = estimated if not spec.ordered and plan.kind == "ML" else None
    return Truth(table, population.labels, rows, every[rows], usable, batched, not lms)


def _internal(table: Table, i: int) -> bool:
    """Whether an entry only serves a composite."""
    e = table.entries[i]
    return is_hidden(e.lhs) or is_hidden(e.rhs) or is_hidden(e.label)


def _table(spec: SEM, population: Population, options: dict[str, Any]) -> Table:
    """The model's parameters for the population's groups, as a fit would have them."""
    from .composites import expand_composites
    from .lms import _with_products

    labels = population.labels
    names = spec.columns
    codes = np.empty(0, np.intp)
    clusters = codes if "cluster" in options else None
    rows = Rows(names, np.empty((0, len(names))), np.empty(0, bool), codes, labels, None, clusters)
    means = options.get("missing") == "fiml" or population.table.levels > 1 or spec.interaction == "lms"
    found = spec.options(
        rows, equal=options.get("equal", ()), partial=options.get("partial", ()), ordered=(), means=means
    )
    ordered = tuple(spec.ordered or ())  # type: ignore[arg-type]
    if ordered:
        cuts = {n: len(population.groups[0].cuts.get(n, ())) for n in ordered}
        if gone := [n for n, k in cuts.items() if not k]:
            raise SpecError(
                f"Item {listed(gone)} is ordered but has no thresholds in the population; write '{gone[0]} | 0*t1'."
            )
        found = replace(found, thresholds=cuts, means=True)
    model = spec._measured
    if latent_products(spec.model) and spec.interaction == "lms":  # type: ignore[arg-type]
        model = _with_products(spec.model)  # type: ignore[arg-type]
    return build_table(expand_composites(model, len(labels), spec.composites == "factor"), found)


def _moments(spec: SEM, population: Population, table: Table) -> Data:
    """The population as a sample of many rows; latent responses of ordinal items with variance 1."""
    samples = []
    for number, group in enumerate(population.groups):
        found = group.moments()
        assert found is not None
        at = [group.names.index(n) for n in table.roles[number].observed]
        scale = np.ones(len(group.names))
        for n in group.cuts:
            k = group.names.index(n)
            scale[k] = 1 / np.sqrt(found[0][k, k])
        cov, mean = found[0] * np.outer(scale, scale), found[1] * scale
        samples.append(Sample(_MANY, mean[at], cov[np.ix_(at, at)]))
    return Data(tuple(samples))


def _transferred(table: Table, e: Estimate, population: Population) -> Array:
    """Values of a model of ordinal items from the one of their latent responses: one group, delta."""
    known = {(x.key, x.group): v for x, v in zip(e.table.entries, e.values, strict=True)}
    out = table.values
    simple = len(population.labels) == 1 and not table.options.theta
    for i in np.flatnonzero(table.index >= 0):
        x = table.entries[i]
        out[i] = known.get((x.key, x.group), np.nan) if simple else np.nan
        group = population.groups[x.group]
        if x.op == "|" and simple:
            found = group.moments()
            k = group.names.index(x.lhs)
            assert found is not None
            cuts = group.cuts[x.lhs]
            out[i] = (cuts[int(x.rhs[1:]) - 1] - found[1][k]) / np.sqrt(found[0][k, k])
    return out


def _rescaled(table: Table, population: Population) -> Array:
    """Values of the population with every construct on the scale that the model gives it."""
    out = table.values
    for number in range(len(table.roles)):
        group = population.groups[number]
        scale = _scales(table, number, group)
        place = {n: i for i, n in enumerate(group.names)}
        for i in table.block(number):
            x = table.entries[i]
            if table.index[i] < 0:
                continue
            if x.lhs not in place or (x.rhs and x.rhs not in place):
                measured = x.op in ("=~", "~~", "~1") and ":" in x.lhs + x.rhs
                out[i] = np.nan if measured or x.op == "=~" else 0.0
                continue
            a, b = place[x.lhs], place.get(x.rhs, 0)
            one, two = scale.get(x.lhs, 1.0), scale.get(x.rhs, 1.0)
            if x.op == "=~":
                out[i] = group.effects[b, a] / one * two
            elif x.op == "~":
                out[i] = group.effects[a, b] * one / two
            elif x.op == "~~":
                out[i] = np.nan if ":" in x.lhs + x.rhs else group.spread[a, b] * one * two
            elif x.op == "~1":
                out[i] = group.level[a] * one
    return _with_shared(table, out)


def _scales(table: Table, number: int, group: Group) -> dict[str, float]:
    """What one unit of each construct in the population is in the model."""
    place = {n: i for i, n in enumerate(group.names)}
    out: dict[str, float] = {}
    for i in table.block(number):
        x = table.entries[i]
        if table.index[i] >= 0 or x.lhs not in place or x.lhs in out or ":" in x.lhs:
            continue
        if x.op == "=~" and x.rhs in place and x.value and ":" not in x.rhs:
            out[x.lhs] = group.effects[place[x.rhs], place[x.lhs]] / x.value
        elif x.op == "~~" and x.lhs == x.rhs and x.lhs in table.roles[number].latent and x.value > 0:
            out[x.lhs] = float(np.sqrt(x.value / group.spread[place[x.lhs], place[x.lhs]]))
    for n in group.names:
        if ":" in n:
            out[n] = float(np.prod([out.get(part, 1.0) for part in n.split(":")]))
    return out


def _with_shared(table: Table, values: Array) -> Array:
    """Fill in what shares a parameter with a known value."""
    rows, places = table.free
    x = np.full(table.size, np.nan)
    for row, q in zip(rows, places, strict=True):
        if np.isnan(x[q]):
            x[q] = values[row]
    return expand(table, values, x)
