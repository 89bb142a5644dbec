"""Two-level models: respondents within clusters, a model for each level, maximum likelihood.

With cluster means m and deviations from them, a cluster of n rows has the likelihood of n - 1 deviations with
covariance W and of (m, z) with covariance B + W / n, z being what is measured on clusters only. Clusters of one size
share their covariance, so a likelihood costs one matrix per size (Muthén 1994, Sociological Methods & Research 22).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SpecError
from .constraints import minimise_under
from .diagnose import check_identified, diagnose
from .estimate import Data, Estimate, independence
from .matrices import Block, Moved, State, compile_block, curvature, move, state
from .objective import Derivatives, expand
from .optimise import Minimum
from .plan import Plan
from .samples import Sample
from .start import start_values
from .table import Entry, Table, _number, build_table

if TYPE_CHECKING:
    from .result import SEMResult
    from .spec import SEM

Array = NDArray[Any]

__all__ = ["Clusters", "TwoLevel", "TwoLevelEstimate", "fit_two_level"]

_LOG_2PI = float(np.log(2 * np.pi))


class Size(NamedTuple):
    """Clusters with the same number of rows: how many, and the moments of their means (divisor m)."""

    n: int
    m: int
    mean: Array
    cov: Array


@dataclass(frozen=True, eq=False)
class Clusters:
    """What the likelihood needs of the rows.

    Attributes
    ----------
    rows, count : int
        Rows and clusters.
    within : ndarray of shape (p, p)
        Pooled covariance of deviations from cluster means, divisor rows - count.
    sizes : tuple of Size
    inner, outer : ndarray of int
        Places of the variables of each level among all variables.
    """

    rows: int
    count: int
    within: Array
    sizes: tuple[Size, ...]
    inner: NDArray[np.intp]
    outer: NDArray[np.intp]
    total: int

    @classmethod
    def of(
        cls, x: Array, names: Sequence[str], codes: NDArray[np.intp], inner: Sequence[str], outer: Sequence[str]
    ) -> Clusters:
        """Summarise rows; variables of the second level alone must not vary within clusters."""
        place = {n: i for i, n in enumerate(names)}
        count = int(codes.max()) + 1
        n = np.bincount(codes)
        means = np.stack([np.bincount(codes, x[:, j]) / n for j in range(x.shape[1])], axis=1)
        deviations = x - means[codes]
        for name in outer:
            if (
                name not in inner
                and np.abs(deviations[:, place[name]]).max() > 1e-8 * np.abs(x[:, place[name]]).max()
            ):
                raise DataError(f"'{name}' is a variable of level 2, but differs within clusters.")
        at = [place[name] for name in inner]
        within = deviations[:, at].T @ deviations[:, at] / (len(x) - count)
        sizes = []
        for size in np.unique(n):
            part = means[n == size]
            centred = part - part.mean(axis=0)
            sizes.append(Size(int(size), len(part), part.mean(axis=0), centred.T @ centred / len(part)))
        return cls(
            len(x), count, within, tuple(sizes), np.array(at), np.array([place[name] for name in outer]), x.shape[1]
        )


class TwoLevel:
    """-2 (loglik - top) / rows of a two-level model."""

    def __init__(self, table: Table, blocks: Sequence[Block], clusters: Clusters, base: Array, top: float) -> None:
        self.table, self.blocks, self.clusters, self.base, self.top = table, blocks, clusters, base, top
        self.select = np.vstack([b.select for b in blocks])

    def value(self, x: Array) -> float:
        """Return the discrepancy, infinite where the model has no moments."""
        states = self._states(x)
        total = 0.0
        for part in self._parts(states):
            if part is None:
                return np.inf
            total += part[0]
        return (total + 2 * self.top) / self.clusters.rows

    def _states(self, x: Array) -> list[State]:
        values = expand(self.table, self.base, x)
        return [state(b, values) for b in self.blocks]

    def _moments(self, states: Sequence[State], n: float) -> tuple[Array, Array]:
        """Mean and covariance of all variables averaged over n rows of a cluster."""
        c = self.clusters
        inner, outer = states
        pw, pb = self.blocks[0].p, self.blocks[1].p
        mean, cov = np.zeros(c.total), np.zeros((c.total, c.total))
        mean[c.inner] += inner.mean[:pw]
        mean[c.outer] += outer.mean[:pb]
        cov[np.ix_(c.inner, c.inner)] += inner.cov[:pw, :pw] / n
        cov[np.ix_(c.outer, c.outer)] += outer.cov[:pb, :pb]
        return mean, cov

    def _parts(self, states: Sequence[State]):  # type: ignore[no-untyped-def]
        """-2 loglik, count, V, W and V d of the deviations, then of the means of each size."""
        c, pw = self.clusters, self.blocks[0].p
        yield _normal(np.zeros(pw), c.within, np.zeros(pw), states[0].cov[:pw, :pw], c.rows - c.count, 0.0)
        for size in c.sizes:
            mean, cov = self._moments(states, size.n)
            yield _normal(size.mean, size.cov, mean, cov, size.m, pw * np.log(size.n))

    def _vectors(self, moved: Sequence[Moved], n: float | None) -> tuple[Array, Array, Array]:
        """Left and right vectors of the covariances and derivatives of the means, of both levels side by side."""
        c = self.clusters
        (inner, outer), (first, second) = self.blocks, moved
        k = len(inner.rows) + len(outer.rows)
        cut = len(inner.rows)
        if n is None:
            left, right = np.zeros((inner.p, k)), np.zeros((inner.p, k))
            left[:, :cut], right[:, :cut] = first.left[: inner.p], first.right[: inner.p]
            return left, right, np.zeros((inner.p, k))
        left, right, level = (np.zeros((c.total, k)) for _ in range(3))
        left[c.inner, :cut], right[c.inner, :cut] = (
            first.left[: inner.p] / np.sqrt(n),
            first.right[: inner.p] / np.sqrt(n),
        )
        left[c.outer, cut:], right[c.outer, cut:] = second.left[: outer.p], second.right[: outer.p]
        level[c.inner, :cut] = first.left[: inner.p] * first.shift
        level[c.outer, cut:] = second.left[: outer.p] * second.shift
        return left, right, level

    def derivatives(self, x: Array) -> Derivatives | None:
        """Return value, gradient and expected information."""
        states = self._states(x)
        moved = [move(b, s) for b, s in zip(self.blocks, states, strict=True)]
        k = len(self.select)
        value, gradient, scoring = 0.0, np.zeros(k), np.zeros((k, k))
        for part, size in zip(self._parts(states), (None, *self.clusters.sizes), strict=True):
            if part is None:
                return None
            found, count, v, w, e = part
            left, right, level = self._vectors(moved, None if size is None else size.n)
            vl, cross = v @ left, (v @ left).T @ right
            value += found
            gradient += count * (2 * (left * (w @ right)).sum(axis=0) - 2 * e @ level)
            scoring += 2 * count * ((left.T @ vl) * (right.T @ v @ right) + cross * cross.T + level.T @ v @ level)
        n = self.clusters.rows
        s = self.select
        return Derivatives((value + 2 * self.top) / n, gradient @ s / n, s.T @ scoring @ s / n)

    def hessian(self, x: Array) -> Array:
        """Return the exact second derivatives."""
        states = self._states(x)
        moved = [move(b, s) for b, s in zip(self.blocks, states, strict=True)]
        c = self.clusters
        k = len(self.select)
        out = np.zeros((k, k))
        pw, pb = self.blocks[0].p, self.blocks[1].p
        bend = [np.zeros((pw, pw)), np.zeros((pb, pb))]
        tilt = [np.zeros(pw), np.zeros(pb)]
        for part, size in zip(self._parts(states), (None, *c.sizes), strict=True):
            if part is None:
                return np.full((x.size, x.size), np.nan)
            _, count, v, w, e = part
            left, right, level = self._vectors(moved, None if size is None else size.n)
            out += count * _quadratic(left, right, level, v, w, e)
            if size is None:
                bend[0] += count * w
                continue
            bend[0] += count / size.n * w[np.ix_(c.inner, c.inner)]
            bend[1] += count * w[np.ix_(c.outer, c.outer)]
            tilt[0] -= 2 * count * e[c.inner]
            tilt[1] -= 2 * count * e[c.outer]
        cut = len(self.blocks[0].rows)
        out[:cut, :cut] += curvature(self.blocks[0], states[0], moved[0], bend[0], tilt[0])
        out[cut:, cut:] += curvature(self.blocks[1], states[1], moved[1], bend[1], tilt[1])
        return self.select.T @ out @ self.select / c.rows


def _normal(
    m: Array, s: Array, mean: Array, cov: Array, count: int, extra: float
) -> tuple[float, int, Array, Array, Array] | None:
    """-2 loglik of `count` vectors with moments (m, s), and what its derivatives need."""
    sign, logdet = np.linalg.slogdet(cov)
    if sign <= 0 or np.linalg.eigvalsh(cov)[0] <= 0:
        return None
    v = np.linalg.inv(cov)
    d = m - mean
    e = v @ d
    vs = v @ s
    value = count * (len(m) * _LOG_2PI + logdet + float(np.trace(vs)) + float(d @ e) + extra)
    return value, count, v, v - vs @ v - np.outer(e, e), e


def _quadratic(left: Array, right: Array, level: Array, v: Array, w: Array, e: Array) -> Array:
    """Second derivatives of a normal -2 loglik apart from the curvature of its moments."""
    vl, vr = v @ left, v @ right
    ll, rr, lr = left.T @ vl, right.T @ vr, left.T @ vr
    z = v - w
    zl, zr = z @ left, z @ right
    ll2, rr2, lr2 = left.T @ zl, right.T @ zr, left.T @ zr
    out = 2 * (lr.T * lr2 + rr * ll2 + ll * rr2 + lr * lr2.T) - 2 * (ll * rr + lr * lr.T)
    mixed = (e @ left) * (level.T @ vr) + (e @ right) * (level.T @ vl)
    return out + 2 * level.T @ v @ level + 2 * (mixed + mixed.T)


@dataclass(frozen=True, eq=False)
class TwoLevelEstimate(Estimate):
    """A fitted two-level table."""

    top: float = 0.0
    exogenous: float = 0.0

    @cached_property
    def multiplier(self) -> float:
        """Rows."""
        return float(self.objective.clusters.rows)  # type: ignore[attr-defined]

    @cached_property
    def moments(self) -> int:
        """Covariances of both levels and means, less those of fixed predictors."""
        inner, outer = self.table.roles
        names = set(inner.observed) | set(outer.observed)
        pairs = sum(len(r.observed) * (len(r.observed) + 1) // 2 for r in self.table.roles)
        return pairs + len(names) - sum(x.exo for x in self.table.entries)


def fit_two_level(
    spec: SEM, data: Any, *, group: str | None, missing: str, weights: Any, cluster: str | None,
    strata: str | None = None,
) -> SEMResult:
    """Fit a model with ``level:`` blocks.

    Raises
    ------
    SpecError
        For what two-level models are not offered with.
    DataError
        If clusters are too few, or level-2 variables vary within clusters.
    """
    import warnings

    from ..survey import as_survey
    from .prepare import take_rows
    from .result import SEMResult

    if cluster is None:
        raise SpecError("A model with level: blocks needs cluster=, the column that names the level-2 unit.")
    if group is not None or missing != "listwise" or weights is not None or spec.ordered:
        raise SpecError("Two-level models are fitted to complete numerical items, without groups and weights.")
    if strata is not None:
        raise SpecError("Strata are not offered for two-level models; leave out strata=.")
    if str(spec.estimator).upper() != "ML":
        raise SpecError(f"Two-level models are fitted by ML, not {spec.estimator}.")
    survey = as_survey(data)
    model = spec._model
    rows = take_rows(survey, spec.columns, group=None, missing=missing, weights=None, cluster=cluster)
    assert rows.clusters is not None
    options = spec.options(rows, equal=(), partial=(), ordered=(), means=True)
    table = build_table(model, options)
    check_identified(table)
    inner, outer = (r.observed for r in table.roles)
    if not set(inner) & set(outer):
        raise SpecError("The two levels have no item in common; write the same items in both blocks.")
    count = int(rows.clusters.max()) + 1
    if count <= len(outer) or len(rows.x) - count <= len(inner):
        raise DataError(
            f"{count} clusters with {len(rows.x)} rows are too few for {len(inner)} items of level 1 and "
            f"{len(outer)} of level 2."
        )
    clusters = Clusters.of(rows.x, rows.names, rows.clusters, inner, outer)
    found = _estimate(table, clusters, rows.x, rows.names, rows.clusters)
    events = diagnose(found, rows)
    for category, message in events:
        warnings.warn(message, category, stacklevel=3)
    return SEMResult(spec, found, rows, survey.frame.index[rows.keep], survey, tuple(events))


def _estimate(
    table: Table, clusters: Clusters, x: Array, names: Sequence[str], codes: NDArray[np.intp]
) -> TwoLevelEstimate:
    """Fit the model, with the saturated model's likelihood as zero of the discrepancy."""
    moments = _start_moments(clusters)
    base = _fixed(table, x, names, codes)
    full = _saturated_table(table)
    full_base = _fixed(full, x, names, codes)
    full_fit, _, _ = _minimum(full, clusters, full_base, moments, 0.0)
    top = -full_fit.value * clusters.rows / 2
    minimum, active, equations = _minimum(table, clusters, base, moments, top)
    blocks = tuple(compile_block(table, k) for k in range(2))
    full_states = TwoLevel(full, [compile_block(full, k) for k in range(2)], clusters, full_base, 0.0)._states(
        full_fit.x
    )
    samples = tuple(
        Sample(float(clusters.rows), s.mean[: b.p], s.cov[: b.p, : b.p])
        for s, b in zip(full_states, blocks, strict=True)
    )
    data = Data(samples)
    plan = Plan("ML", "ML", "standard", "standard", "observed")
    count = 0 if active is None or equations is None else int(np.linalg.matrix_rank(active[equations]))
    return TwoLevelEstimate(
        table, blocks, data, data, plan, base, TwoLevel(table, blocks, clusters, base, top), minimum, active, count,
        top, _exogenous(table, x, names, codes),
    )  # fmt: skip


def two_level_baseline(e: TwoLevelEstimate) -> TwoLevelEstimate:
    """Independence at both levels."""
    objective = e.objective
    assert isinstance(objective, TwoLevel)
    table = independence(e.table)
    both = set(e.table.roles[0].observed) & set(e.table.roles[1].observed)
    entries = []
    for x in table.entries:
        if x.op == "~1" and x.level == 0 and x.lhs in both:
            x = replace(x, free=False, value=0.0)
        entries.append(x)
    index, labels = _number(entries)
    known = {(x.key, x.level): v for x, v in zip(e.table.entries, e.values, strict=True) if x.exo}
    table = replace(table, entries=tuple(entries), index=index, labels=labels)
    base = np.array([known.get((x.key, x.level), x.value) for x in table.entries])
    c = objective.clusters
    minimum, _, _ = _minimum(table, c, base, _start_moments(c), e.top)
    blocks = tuple(compile_block(table, k) for k in range(2))
    return TwoLevelEstimate(
        table, blocks, e.raw, e.data, e.plan, base, TwoLevel(table, blocks, c, base, e.top), minimum, None, 0, e.top
    )


def _minimum(
    table: Table, clusters: Clusters, base: Array, moments: list[tuple[Array, Array]], top: float
) -> tuple[Minimum, Array | None, NDArray[np.bool_] | None]:
    blocks = [compile_block(table, k) for k in range(2)]
    x = start_values(table, base, moments, blocks)
    for number, (_, cov) in enumerate(moments):  # covariances of the saturated model start where the data are
        place = {n: i for i, n in enumerate(table.roles[number].observed)}
        if not table.roles[number].latent and any(
            e.op == "~~" and e.lhs != e.rhs and not e.exo for e in table.entries
        ):
            for i in table.block(number):
                e = table.entries[i]
                if e.op == "~~" and table.index[i] >= 0:
                    x[table.index[i]] = cov[place[e.lhs], place[e.rhs]]
    return minimise_under(TwoLevel(table, blocks, clusters, base, top), table, base, x)


def _start_moments(c: Clusters) -> list[tuple[Array, Array]]:
    """Rough moments of both levels to start from."""
    weight = np.array([s.m for s in c.sizes], dtype=float)
    mean = sum(s.m * s.mean for s in c.sizes) / weight.sum()
    between = sum(s.m * (s.cov + np.outer(s.mean - mean, s.mean - mean)) for s in c.sizes) / weight.sum()
    typical = float(weight @ [s.n for s in c.sizes] / weight.sum())
    cov = between.copy()
    cov[np.ix_(c.inner, c.inner)] -= c.within / typical
    cov = cov[np.ix_(c.outer, c.outer)]
    size = np.sqrt(np.diagonal(between)[c.outer])
    values, vectors = np.linalg.eigh(cov / np.outer(size, size))
    cov = (vectors * np.maximum(values, 0.05)) @ vectors.T * np.outer(size, size)
    return [(np.zeros(len(c.inner)), c.within), (mean[c.outer], cov)]


def _fixed(table: Table, x: Array, names: Sequence[str], codes: NDArray[np.intp]) -> Array:
    """Fixed values, with moments of fixed predictors over rows (level 1) and over clusters (level 2)."""
    base = table.values
    place = {n: i for i, n in enumerate(names)}
    first = pd.DataFrame(x).groupby(codes).mean().to_numpy()
    for i, e in enumerate(table.entries):
        if e.exo:
            values = x if e.level == 0 else first
            a = values[:, place[e.lhs]]
            b = a if e.op == "~1" else values[:, place[e.rhs]]
            base[i] = a.mean() if e.op == "~1" else ((a - a.mean()) * (b - b.mean())).mean()
    return base


def _exogenous(table: Table, x: Array, names: Sequence[str], codes: NDArray[np.intp]) -> float:
    """Log-likelihood of the fixed predictors, which is no part of the model's."""
    place = {n: i for i, n in enumerate(names)}
    first = pd.DataFrame(x).groupby(codes).mean().to_numpy()
    total = 0.0
    for role, values in zip(table.roles, (x, first), strict=True):
        at = [place[n] for n in role.exogenous] if table.options.fixed_x else []
        if at:
            cov = np.atleast_2d(np.cov(values[:, at].T, bias=True))
            total -= 0.5 * len(values) * (len(at) * (_LOG_2PI + 1) + float(np.linalg.slogdet(cov)[1]))
    return total


def _saturated_table(table: Table) -> Table:
    """All variances and covariances of both levels free, and the means."""
    from .names import Roles

    entries: list[Entry] = []
    roles = []
    both = set(table.roles[0].observed) & set(table.roles[1].observed)
    for level, role in enumerate(table.roles):
        exo = set(role.exogenous) if table.options.fixed_x else set()
        roles.append(Roles(role.observed, (), (), role.exogenous, (), ()))
        for a, b in combinations_with_replacement(role.observed, 2):
            fixed = a in exo and b in exo
            entries.append(Entry(a, "~~", b, 0, level, free=not fixed, exo=fixed))
        for n in role.observed:
            above = level == 0 and n in both
            free = not above and n not in exo
            entries.append(Entry(n, "~1", "", 0, level, "", free, 0.0 if above else np.nan, exo=n in exo))
    index, labels = _number(entries)
    return Table(tuple(entries), tuple(roles), 2, index, labels, (), (), table.options)
