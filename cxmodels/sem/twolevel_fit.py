"""Fitting two-level models: rows to clusters, starting values, the unrestricted model and the baseline."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SpecError
from .clusters import Clusters, level_weights
from .constraints import minimise_under, rank_of_equations
from .design import Units, units_of
from .diagnose import diagnose, identified_table
from .estimate import Data
from .names import Roles
from .optimise import Minimum
from .plan import Plan, plan_for
from .prepare import Rows, take_rows
from .samples import Sample
from .start import start_values
from .table import Entry, Table, number_parameters
from .twolevel import LOG_2PI, TwoLevel, TwoLevelEstimate

if TYPE_CHECKING:
    from .result import SEMResult
    from .spec import SEM

Array = NDArray[Any]

__all__ = ["fit_two_level", "two_level_baseline"]


def fit_two_level(
    spec: SEM,
    data: Any,
    *,
    group: str | None,
    equal: Iterable[str] | str,
    partial: Iterable[str] | str,
    missing: str,
    weights: Any,
    cluster: str | None,
    cluster_weights: Any,
    strata: str | None,
) -> SEMResult:
    """Fit a model with ``level:`` blocks.

    Raises
    ------
    SpecError
        For what two-level models are not offered with.
    DataError
        If clusters are too few or lie in several groups or strata, or level-2 variables vary within clusters.
    """
    from ..survey import as_survey
    from .result import SEMResult

    if cluster is None:
        raise SpecError("A model with level: blocks needs cluster=, the column that names the level-2 unit.")
    if spec.ordered:
        raise SpecError(
            "Two-level models are fitted to numerical items: with ordinal ones the likelihood is an integral over the "
            "constructs of each cluster; leave out ordered=, or leave out the levels and keep cluster=."
        )
    if missing not in ("listwise", "error"):
        raise SpecError(
            f"Two-level models are fitted to complete rows, not with missing='{missing}'; use 'listwise'."
        )
    if str(spec.estimator).upper() not in ("ML", "MLR"):
        raise SpecError(f"Two-level models are fitted by ML or MLR, not {spec.estimator}.")
    survey = as_survey(data)
    outer_weight = survey.case_weights(cluster_weights) if cluster_weights is not None else None
    rows = take_rows(
        survey, spec.columns, group=group, missing=missing, weights=weights, cluster=cluster, strata=strata
    )
    _check_nested(rows, cluster, group)
    outer_weight = None if outer_weight is None else outer_weight[rows.keep]
    row_weight = rows.weights
    if outer_weight is not None and row_weight is None:
        rows = replace(rows, weights=outer_weight * (len(outer_weight) / outer_weight.sum()))
    weighted = rows.weights is not None
    plan = plan_for(
        spec.estimator, information=spec.information, fiml=False, clustered=strata is not None, weighted=weighted,
        wishart=False,
    )  # fmt: skip
    plan = plan if spec.information else replace(plan, information="observed")
    options = spec.options(rows, equal=equal, partial=partial, ordered=(), means=True)
    table = identified_table(spec._model, options)
    assert rows.clusters is not None
    design = level_weights(row_weight, outer_weight, rows.clusters, cluster)
    found = _estimate(table, _Levels.of(table, rows, design), plan)
    events = diagnose(found, rows)
    for category, message in events:
        warnings.warn(message, category, stacklevel=4)
    return SEMResult(spec, found, rows, survey.frame.index[rows.keep], survey, tuple(events))


def _check_nested(rows: Rows, cluster: str, group: str | None) -> None:
    """Refuse clusters that lie in several groups or strata: their rows share one draw."""
    clusters = rows.clusters
    assert clusters is not None
    for codes, what in ((rows.codes, f"groups of '{group}'"), (rows.strata, "strata")):
        if codes is None:
            continue
        pairs = np.unique(np.column_stack([clusters, codes]), axis=0)
        crossing = len(pairs) - len(np.unique(clusters))
        if crossing:
            raise DataError(
                f"{crossing} clusters of '{cluster}' have rows in several {what}; with two levels each cluster belongs to one."
            )


class _Levels:
    """Clusters of every group, with the moments of their predictors."""

    def __init__(self, clusters: Sequence[Clusters], fixed: Sequence[Array], units: Sequence[Units | None]) -> None:
        self.clusters, self.fixed, self.units = tuple(clusters), tuple(fixed), tuple(units)

    @classmethod
    def of(cls, table: Table, rows: Rows, design: tuple[Array | None, Array | None]) -> _Levels:
        """Split rows by group."""
        assert rows.clusters is not None
        row_weight, cluster_weight = design
        clusters, fixed = [], []
        for g in range(len(rows.labels)):
            mine = rows.codes == g
            present, codes = np.unique(rows.clusters[mine], return_inverse=True)
            inner, outer = (r.observed for r in table.roles[2 * g : 2 * g + 2])
            _check_counts(len(present), int(mine.sum()), inner, outer)
            within = None if row_weight is None else row_weight[mine]
            between = None if cluster_weight is None else cluster_weight[present]
            clusters.append(Clusters.of(rows.x[mine], rows.names, codes, inner, outer, within, between))
            each = np.ones(mine.sum()) if within is None else within
            fixed.append(_predictors(table, g, rows, mine, codes, each, clusters[-1]))
        first = np.unique(rows.clusters, return_index=True)[1]
        layers = None if rows.strata is None else rows.strata[first]
        units = (None,) * len(clusters) if layers is None else units_of(rows.codes[first], None, layers)
        return cls(clusters, fixed, units)

    def base(self, table: Table) -> Array:
        """Fixed values, with the moments of fixed predictors."""
        values = table.values
        for g, moments in enumerate(self.fixed):
            for i, e in enumerate(table.entries):
                if e.exo and e.group == g:
                    names, mean, cov, _ = moments[e.level]
                    a = names.index(e.lhs)
                    values[i] = mean[a] if e.op == "~1" else cov[a, names.index(e.rhs)]
        return values

    @property
    def exogenous(self) -> float:
        """Log-likelihood of the fixed predictors, which is no part of the model's."""
        total = 0.0
        for moments in self.fixed:
            for names, _, cov, count in moments:
                if names:
                    total -= 0.5 * count * (len(names) * (LOG_2PI + 1) + float(np.linalg.slogdet(cov)[1]))
        return total


def _predictors(
    table: Table, g: int, rows: Rows, mine: NDArray[np.bool_], codes: NDArray[np.intp], each: Array, c: Clusters
) -> Any:
    """Names, means, covariances and count of the fixed predictors of both levels: over rows, and over clusters."""
    out = []
    for level, (values, w) in enumerate(((rows.x[mine], each * c.weight[codes]), (c.means, c.weight))):
        names = list(table.roles[2 * g + level].exogenous) if table.options.fixed_x else []
        x = values[:, [rows.names.index(n) for n in names]]
        mean = w @ x / w.sum()
        z = x - mean
        out.append((names, mean, (z * w[:, None]).T @ z / w.sum(), float(w.sum())))
    return out


def _check_counts(count: int, rows: int, inner: Sequence[str], outer: Sequence[str]) -> None:
    if not set(inner) & set(outer):
        raise SpecError("The two levels have no item in common; write the same items in both blocks.")
    if count <= len(outer) or rows - count <= len(inner):
        raise DataError(
            f"{count} clusters with {rows} rows are too few for {len(inner)} items of level 1 and "
            f"{len(outer)} of level 2."
        )


def _estimate(table: Table, levels: _Levels, plan: Plan) -> TwoLevelEstimate:
    """Fit the model, with the unrestricted model's likelihood as zero of the discrepancy."""
    full = _fit(_saturated_table(table), levels, plan, None)
    return _fit(table, levels, plan, full)


def _fit(table: Table, levels: _Levels, plan: Plan, full: TwoLevelEstimate | None) -> TwoLevelEstimate:
    """Fit one table."""
    blocks = table.blocks
    base = levels.base(table)
    top = 0.0 if full is None else -full.minimum.value * full.objective.rows / 2  # type: ignore[attr-defined]
    objective = TwoLevel(table, blocks, levels.clusters, base, top)
    minimum, active, equations = _minimum(objective, blocks, [m for c in levels.clusters for m in _start_moments(c)])
    count = rank_of_equations(active, equations)
    nothing = Data(())
    found = TwoLevelEstimate(
        table, blocks, nothing, nothing, plan, base, objective, minimum, active, count, full, levels.exogenous
    )
    data = _samples(full or found, levels)
    return replace(found, raw=data, data=data)


def _samples(full: TwoLevelEstimate, levels: _Levels) -> Data:
    """The unrestricted moments as a sample for every level of every group."""
    out = []
    for number, (s, b) in enumerate(zip(full.states, full.blocks, strict=True)):
        c, u = levels.clusters[number // 2], levels.units[number // 2]
        out.append(Sample(float(c.rows), s.mean[: b.p], s.cov[: b.p, : b.p], units=u))
    return Data(tuple(out))


def two_level_baseline(e: TwoLevelEstimate) -> TwoLevelEstimate:
    """Independence at both levels."""
    objective, table = e.objective, e.table.independence
    assert isinstance(objective, TwoLevel)
    entries = []
    for x in table.entries:
        inner, outer = e.table.roles[2 * x.group : 2 * x.group + 2]
        if x.op == "~1" and x.level == 0 and x.lhs in set(inner.observed) & set(outer.observed):
            x = replace(x, free=False, value=0.0)
        entries.append(x)
    index, labels = number_parameters(entries)
    known = {(x.key, x.group, x.level): v for x, v in zip(e.table.entries, e.values, strict=True) if x.exo}
    table = replace(table, entries=tuple(entries), index=index, labels=labels)
    base = np.array([known.get((x.key, x.group, x.level), x.value) for x in table.entries])
    blocks = table.blocks
    free = TwoLevel(table, blocks, objective.clusters, base, e.top)
    minimum, _, _ = _minimum(free, blocks, [m for c in objective.clusters for m in _start_moments(c)])
    return TwoLevelEstimate(table, blocks, e.raw, e.data, e.plan, base, free, minimum, None, 0, e.full, e.exogenous)


def _minimum(
    objective: TwoLevel, blocks: Sequence[Any], moments: list[tuple[Array, Array]]
) -> tuple[Minimum, Array | None, NDArray[np.bool_] | None]:
    table = objective.table
    x = start_values(table, objective.base, moments, blocks)
    for number, (_, cov) in enumerate(moments):  # covariances of the saturated model start where the data are
        place = {n: i for i, n in enumerate(table.roles[number].observed)}
        mine = [table.entries[i] for i in table.block(number)]
        if not table.roles[number].latent and any(e.op == "~~" and e.lhs != e.rhs and not e.exo for e in mine):
            for i in table.block(number):
                e = table.entries[i]
                if e.op == "~~" and table.index[i] >= 0:
                    x[table.index[i]] = cov[place[e.lhs], place[e.rhs]]
    return minimise_under(objective, table, objective.base, x)


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


def _saturated_table(table: Table) -> Table:
    """All variances and covariances of both levels free, and the means."""
    entries: list[Entry] = []
    roles = []
    for number, role in enumerate(table.roles):
        g, level = divmod(number, 2)
        both = set(table.roles[2 * g].observed) & set(table.roles[2 * g + 1].observed)
        exo = set(role.exogenous) if table.options.fixed_x else set()
        roles.append(Roles(role.observed, (), (), role.exogenous, (), ()))
        for a, b in combinations_with_replacement(role.observed, 2):
            fixed = a in exo and b in exo
            entries.append(Entry(a, "~~", b, g, level, free=not fixed, exo=fixed))
        for n in role.observed:
            above = level == 0 and n in both
            free = not above and n not in exo
            entries.append(Entry(n, "~1", "", g, level, "", free, 0.0 if above else np.nan, exo=n in exo))
    index, labels = number_parameters(entries)
    return Table(tuple(entries), tuple(roles), 2, index, labels, (), (), table.options)
