"""Fit a table to samples: the pure core that specs, baselines, comparisons and replicates all use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, EstimationError, listed
from .chart import Chart
from .constraints import minimise_under, null_space, rank_of_equations
from .incomplete import Incomplete
from .matrices import Block, State, move, state
from .objective import Continuous, LeastSquares, Normal, Objective, expand, jacobian_of, surely_above
from .optimise import Minimum
from .ordinal import OrdinalMoments
from .patterns import Patterns
from .plan import Plan
from .responses import Responses
from .samples import Sample, vech
from .saturated import Saturated
from .start import start_values
from .table import Table

Array = NDArray[Any]

__all__ = ["Data", "Estimate", "estimate", "independent"]


@dataclass(frozen=True, eq=False)
class Data:
    """The samples of all groups, with what an estimator needs beyond moments.

    Attributes
    ----------
    samples : tuple of Sample
        Moments by group; for FIML the saturated ones.
    ordinal : tuple of OrdinalMoments
        Empty without ordinal items.
    patterns, saturated : tuple
        Empty without FIML.
    """

    samples: tuple[Sample, ...]
    ordinal: tuple[OrdinalMoments, ...] = ()
    patterns: tuple[Patterns, ...] = ()
    saturated: tuple[Saturated, ...] = ()

    @cached_property
    def n(self) -> float:
        """Rows in all groups."""
        return sum(s.n for s in self.samples)

    @cached_property
    def shares(self) -> list[float]:
        """Share of the rows in each group."""
        return [s.n / self.n for s in self.samples]

    @property
    def shared(self) -> bool:
        """Whether groups have sampling units in common, so that their moments are correlated."""
        return any(s.units is not None and s.units.shared for s in self.samples)

    def gammas(self, means: bool) -> list[Array]:
        """Asymptotic covariance of the moments of each group."""
        if self.ordinal:
            return [o.gamma for o in self.ordinal if o.gamma is not None]
        return [s.gamma(means) for s in self.samples]

    def influences(self, means: bool) -> list[Array]:
        """What each sampling unit adds to the moments of each group; for groups that share units."""
        if self.ordinal:
            return [o.influence for o in self.ordinal if o.influence is not None]
        return [s.influence(means) / len(s.centred) for s in self.samples]


@dataclass(frozen=True, eq=False)
class Estimate:
    """A fitted table.

    Attributes
    ----------
    table : Table
    blocks : tuple of Block
    raw, data : Data
        The samples as given, and with the divisor that the plan asks for.
    plan : Plan
    base : ndarray of shape (rows,)
        Fixed values, those from the data included.
    objective : Objective
    minimum : Minimum
    active : ndarray of shape (c, q) or None
        Derivatives of the constraints that bind.
    equations : int
        How many of these are equations that cost a parameter each.
    """

    table: Table
    blocks: tuple[Block, ...]
    raw: Data
    data: Data
    plan: Plan
    base: Array
    objective: Objective
    minimum: Minimum
    active: Array | None
    equations: int

    @property
    def x(self) -> Array:
        """Distinct free parameters."""
        return self.minimum.x

    @cached_property
    def values(self) -> Array:
        """A number for every entry."""
        return self.completed(expand(self.table, self.base, self.x))

    def completed(self, values: Array) -> Array:
        """Values (..., rows) with what follows from the others filled in."""
        if isinstance(self.objective, LeastSquares):
            for target in self.objective.targets:
                if isinstance(target, Responses):
                    values = target.completed(values)
        return values

    @cached_property
    def states(self) -> list[State]:
        """Moments of all variables of each block."""
        return [state(b, self.values) for b in self.blocks]

    @cached_property
    def multiplier(self) -> float:
        """What the discrepancy is multiplied with to be a test statistic."""
        return self.data.n - (len(self.data.samples) if self.plan.unbiased else 0)

    @property
    def chisq(self) -> float:
        """Test statistic, uncorrected."""
        return max(self.multiplier * self.minimum.value, 0.0)

    @cached_property
    def npar(self) -> int:
        """Free parameters less equations."""
        return self.table.size - self.equations

    @cached_property
    def moments(self) -> int:
        """Sample moments that the model is about; those of fixed predictors do not count."""
        total = 0
        for number, block in enumerate(self.blocks):
            if self.data.ordinal:
                total += len(self.data.ordinal[number].stats)
                continue
            total += block.p * (block.p + 1) // 2 + (block.p if self.table.options.means else 0)
            total -= sum(self.table.entries[i].exo for i in self.table.block(number))
        return total

    @property
    def df(self) -> int:
        """Degrees of freedom."""
        return self.moments - self.npar

    @cached_property
    def basis(self) -> Array | None:
        """Directions that the binding constraints leave, (q, r)."""
        return None if self.active is None or not len(self.active) else null_space(self.active)

    @cached_property
    def jacobians(self) -> list[Array]:
        """Derivatives of the moments of each group with respect to the distinct free parameters."""
        if isinstance(self.objective, LeastSquares):
            values = expand(self.table, self.base, self.x)
            return [t.jacobian(values) for t in self.objective.targets]
        means = self.table.options.means
        return [jacobian_of(b, move(b, s), means) @ b.select for b, s in zip(self.blocks, self.states, strict=True)]

    @cached_property
    def weights(self) -> list[Array]:
        """Weight matrices (or their diagonals) of the moments: for ML the normal-theory ones at the estimates."""
        if isinstance(self.objective, LeastSquares):
            return list(self.objective.weights)
        means = self.table.options.means
        if self.plan.kind == "GLS":
            return [normal_weight(s.inverse, means) for s in self.data.samples]
        return [
            normal_weight(np.linalg.inv(s.cov[: b.p, : b.p]), means)
            for b, s in zip(self.blocks, self.states, strict=True)
        ]


def normal_weight(v: Array, means: bool) -> Array:
    """Inverse of the asymptotic covariance of (mean, vech cov) of normal data with inverse covariance v."""
    rows, cols = vech(len(v))
    half = np.where(rows == cols, 0.5, 1.0)
    w = v[np.ix_(rows, rows)] * v[np.ix_(cols, cols)] + v[np.ix_(rows, cols)] * v[np.ix_(cols, rows)]
    w *= half[:, None] * half
    if not means:
        return w
    p = len(v)
    out = np.zeros((p + len(w), p + len(w)))
    out[:p, :p], out[p:, p:] = v, w
    return out


def estimate(
    table: Table,
    data: Data,
    plan: Plan,
    start: Array | None = None,
    solution: Callable[[Table, Data], Array] | None = None,
) -> Estimate:
    """Fit a table.

    Parameters
    ----------
    table : Table
    data : Data
    plan : Plan
    start : ndarray of shape (q,), optional
        Where to begin; by default moderate values that fit the items' scales.
    solution : callable, optional
        Where the minimum is known in closed form, that.

    Returns
    -------
    Estimate
        Whether or not the minimisation converged.
    """
    raw = data
    if plan.unbiased and not data.ordinal:
        data = replace(data, samples=tuple(_unbiased(s) for s in data.samples))
    blocks = table.blocks
    base = fixed_values(table, data.samples)
    objective = _objective(table, blocks, data, plan, base)
    if solution is not None:
        x = solution(table, data)
        minimum, active, equations = Minimum(x, objective.value(x), np.zeros_like(x), 0, True), None, None
    else:
        minimum, active, equations = _minimum(table, data, plan, base, objective, start)
    if not np.isfinite(minimum.value):
        raise EstimationError(
            "The model has no positive definite covariance matrix at the starting values; "
            "give starting values with start(), or check its fixed values."
        )
    count = rank_of_equations(active, equations)
    if data.samples and plan.unbiased and not data.ordinal:
        data = replace(data, samples=tuple(replace(s, n=s.n + 1) for s in data.samples))
    return Estimate(table, blocks, raw, data, plan, base, objective, minimum, active, count)


def _minimum(
    table: Table, data: Data, plan: Plan, base: Array, objective: Objective, start: Array | None
) -> tuple[Minimum, Array | None, NDArray[np.bool_] | None]:
    """Minimise from the start, and from others if that fails."""
    if start is None:
        start = _start(table, data, table.blocks, base)
        if not (isinstance(objective, Normal) and objective.regular(start)):
            _check_regular(table.blocks, expand(table, base, start), plan.kind == "ML")
    chart = Chart(table, table.blocks, base)
    found = minimise_under(objective, table, base, start, chart)
    if np.isfinite(found[0].value) and found[0].converged:
        return found
    return _again(table, objective, base, start, chart, found)


def independent(e: Estimate) -> Estimate:
    """The independence model of the same data, fitted the same way."""
    table = e.table.independence
    if e.plan.kind != "ML":
        return estimate(table, e.raw, e.plan)
    if e.plan.fiml:
        return estimate(table, e.raw, e.plan, independent_values(table, e.raw))
    return estimate(table, e.raw, e.plan, solution=independent_values)


def _check_regular(blocks: tuple[Block, ...], values: Array, likelihood: bool) -> None:
    """Refuse fixed values under which the items have no likelihood, as their implied covariances are singular."""
    for block in blocks:
        try:
            cov = state(block, values).cov[: block.p, : block.p]
        except np.linalg.LinAlgError:
            raise EstimationError(
                f"The fixed paths between {listed(block.names)} form a circle without a solution; free or drop one."
            ) from None
        sd = np.sqrt(np.maximum(np.diagonal(cov), 1e-300))
        correlations = cov / np.outer(sd, sd)
        if surely_above(1e-10, correlations):
            continue
        roots, vectors = np.linalg.eigh(correlations)
        if likelihood and abs(roots[0]) < 1e-12:
            weight = np.abs(vectors[:, 0])
            names = [block.names[i] for i in np.flatnonzero(weight > 0.1 * weight.max())]
            raise EstimationError(
                f"By its fixed values the model makes {listed(names)} determine one another exactly, "
                "which the data do not; free a residual variance."
            )


def fixed_values(table: Table, samples: Sequence[Sample]) -> Array:
    """Fixed values of all entries, with the moments of fixed predictors taken from the samples."""
    base = table.values
    for number, sample in enumerate(samples):
        place = {n: i for i, n in enumerate(table.roles[number].observed)}
        for i in table.block(number):
            e = table.entries[i]
            if e.exo:
                a = place[e.lhs]
                base[i] = sample.mean[a] if e.op == "~1" else sample.cov[a, place[e.rhs]]
    return base


def _unbiased(s: Sample) -> Sample:
    """The sample with divisor n - 1, counted as n - 1 rows."""
    return replace(s, n=s.n - 1, cov=s.cov * (s.n / (s.n - 1)))


def _objective(table: Table, blocks: tuple[Block, ...], data: Data, plan: Plan, base: Array) -> Objective:
    if plan.fiml:
        return Incomplete(table, blocks, data.patterns, data.saturated, base)
    if plan.kind in ("ML", "GLS"):
        return Normal(table, blocks, data.samples, base, plan.kind)
    if data.ordinal:
        targets: list = [Responses(table, k, blocks[k], o) for k, o in enumerate(data.ordinal)]
        weights = [_ordinal_weight(o, plan.kind) for o in data.ordinal]
        return LeastSquares(table, targets, base, weights)
    means = table.options.means
    targets = [Continuous(b, s, means) for b, s in zip(blocks, data.samples, strict=True)]
    return LeastSquares(table, targets, base, [_weight(s, plan.kind, means) for s in data.samples])


def _weight(sample: Sample, kind: str, means: bool) -> Array:
    """Weight of the moments of numerical items."""
    p = len(sample.mean)
    size = len(vech(p)[0]) + (p if means else 0)
    if kind == "ULS":
        return np.ones(size)
    gamma = sample.gamma(means)
    if kind == "DWLS":
        return 1 / np.diagonal(gamma)
    rows = len(sample.centred)
    if rows <= size or np.linalg.cond(gamma) > 1e14:
        why = (
            f"needs more rows than moments: {rows} rows for {size} moments"
            if rows <= size
            else "cannot weigh these moments, some of which follow from others, as the mean and variance of a yes-no item do"
        )
        raise DataError(f"WLS {why}; use DWLS, or MLR.")
    return np.linalg.inv(gamma)


def _ordinal_weight(o: OrdinalMoments, kind: str) -> Array:
    if kind == "ULS":
        return np.ones(len(o.stats))
    if kind == "DWLS":
        assert o.gamma_diagonal is not None
        return 1 / o.gamma_diagonal
    assert o.gamma is not None
    if np.linalg.cond(o.gamma) > 1e14:
        raise DataError(f"WLS needs more rows than moments: {o.n} rows for {len(o.stats)} moments; use WLSMV.")
    return np.linalg.inv(o.gamma)


def _start(table: Table, data: Data, blocks: Sequence[Block], base: Array) -> Array:
    moments = [(s.mean, s.cov) for s in data.samples]
    x = start_values(table, base, moments, blocks)
    for number, o in enumerate(data.ordinal):
        place = {n: i for i, n in enumerate(table.roles[number].observed)}
        for i in table.block(number):
            e = table.entries[i]
            if e.op == "|" and table.index[i] >= 0 and (number == 0 or e.group == 0) and not np.isfinite(e.start):
                x[table.index[i]] = o.thresholds[place[e.lhs]][int(e.rhs[1:]) - 1]
    return x


def _again(table: Table, objective: Objective, base: Array, start: Array, chart: Chart, first: tuple) -> tuple:
    """Try a method that needs no second derivatives, then other starting values; keep the best.

    Where rows are fewer than parameters, no more than the method: there the likelihood often has no maximum.
    """
    best = first
    if not table.constraints:
        best = _better(
            best, minimise_under(objective, table, base, _quasi_newton(table, objective, base, start), chart)
        )
        if best[0].converged or (isinstance(objective, Incomplete) and objective.n <= table.size):
            return best
    for shrink in (0.5, 0.1, 1.3):
        x = start.copy()
        for i, e in enumerate(table.entries):
            q = table.index[i]
            if q >= 0 and not np.isfinite(e.start):
                if e.op == "=~":
                    x[q] *= max(shrink, 0.3)
                elif e.op == "~~" and e.lhs == e.rhs:
                    latent = e.lhs in table.roles[e.group * table.levels + e.level].latent
                    x[q] *= shrink if latent else 1.6
        found = minimise_under(objective, table, base, x, chart)
        if not found[0].converged and abs(found[0].value - best[0].value) < 1e-4 * max(best[0].value, 1e-3):
            break  # the same valley without an end
        best = _better(best, found)
        if best[0].converged:
            break
    return best


def _better(one: tuple, other: tuple) -> tuple:
    """Of two minimisations the lower one, but no lower one that did not end in place of one that did."""
    lower = other[0].value < one[0].value - 1e-10
    if np.isfinite(other[0].value) and (lower or (other[0].converged and not one[0].converged)):
        return other
    return one


def _quasi_newton(table: Table, objective: Objective, base: Array, x: Array) -> Array:
    """Where BFGS ends (Nocedal and Wright 2006, section 6.1); it passes long valleys in which damped steps creep."""
    from scipy.optimize import minimize

    unit = _units(table, expand(table, base, x))

    def value(y: Array) -> tuple[float, Array]:
        found = objective.derivatives(y * unit)
        return (found.value, found.gradient * unit) if found is not None else (1e6, np.zeros_like(y))

    with np.errstate(all="ignore"):
        return np.asarray(minimize(value, x / unit, jac=True, method="BFGS", options={"maxiter": 200}).x * unit)


def _units(table: Table, values: Array) -> Array:
    """Units of the free parameters: standard deviations of the variables they join."""
    out = np.ones(table.size)
    for block in table.blocks:
        sd = np.sqrt(np.maximum(np.diagonal(state(block, values).cov), 1e-12))
        directed, undirected, _ = np.split(np.arange(len(block.columns)), np.cumsum(block.counts[:2]))
        size = sd[block.to]
        size[directed] /= sd[block.source[directed]]
        size[undirected] *= sd[block.source[undirected]]
        out[block.columns] = size
    return out


def independent_values(table: Table, data: Data) -> Array:
    """Maximum likelihood estimates of an independence model of complete rows; a good start for others."""
    x = np.zeros(table.size)
    for number, sample in enumerate(data.samples):
        place = {n: i for i, n in enumerate(table.roles[number].observed)}
        for i in table.block(number):
            e, q = table.entries[i], table.index[i]
            if q >= 0:
                a = place[e.lhs]
                x[q] = sample.mean[a] if e.op == "~1" else sample.cov[a, place[e.rhs]]
    return x
