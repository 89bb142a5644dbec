"""Units with few interviews: put together, measured by the model of their group, drawn to its mean, or left out.

A model of fifteen questions needs more interviews than an index does. A small unit may therefore borrow what is hard to
estimate and keep what is easy: by "pool" the index weights and the impacts are those of the model of its group (its
industry; where that is too small itself, the next level), fitted to all interviews there, and the index is that of the
unit's own answers,

    I_u = 100 (sum v_i xbar_ui - sum v_i lo_i) / (sum v_i hi_i - sum v_i lo_i),   v the group's weights,

with the standard error of its own mean at fixed weights; replicates draw the unit and the rest of the group separately
and estimate the weights anew. By "shrink" the unit's own estimate is drawn to the mean of its group by as much as its
sampling error demands (see :mod:`cxmodels.acsi.shrinkage`).

In 24 simulated populations of 42 companies, every fifth with 30 interviews, the 95 % intervals of small units held the true
index 94 % of the time by either rule; the mean squared error was 13.6 pooled and 7.1 pooled and shrunk, and that of an
impact a fifteenth of what a model of 30 interviews has.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from .. import index as ix
from ..errors import CxError, CxWarning, SpecError, listed, near
from ..resampling import Replicates, Sampling, whole_number
from ..survey import Survey
from .engines import (
    Array,
    MeanIndexStatistic,
    Measured,
    PLSIndexStatistic,
    SEMIndexStatistic,
    answers_given,
    statistic_of,
)
from .fitting import replicates_of
from .hierarchy import WHOLE
from .result import Adopted, IndexResult

if TYPE_CHECKING:
    from .satisfaction import SatisfactionIndex

Rows = NDArray[np.intp]

RULES = ("skip", "pool", "shrink")


def check_rules(small: str | Sequence[str], minimum_n: int) -> tuple[str, ...]:
    """Return the rules for small units, checked.

    Parameters
    ----------
    small : str or sequence of str
    minimum_n : int

    Returns
    -------
    tuple of str

    Raises
    ------
    SpecError
        For an unknown rule, "skip" beside another, or a minimum that is no whole number of 0 or more.

    Examples
    --------
    >>> check_rules("pool", 50)
    ('pool',)
    """
    rules = (small,) if isinstance(small, str) else tuple(small)
    for rule in rules:
        if rule not in RULES:
            raise SpecError(f"Unknown rule small='{rule}'; choose from {listed(RULES)}.{near(str(rule), RULES)}")
    if not rules or len({*rules}) < len(rules):
        raise SpecError(f"small takes one rule or a list of different ones, from {listed(RULES)}.")
    if "skip" in rules and len(rules) > 1:
        raise SpecError(
            "small='skip' leaves small units out, so that nothing is left to pool or shrink; choose one of them."
        )
    if whole_number("minimum_n", minimum_n) < 0:
        raise SpecError(f"minimum_n is a number of interviews, 0 or more, not {minimum_n}.")
    return rules


@dataclass(frozen=True)
class Pooling:
    """How the small units of one wave borrow the model of their group.

    Parameters
    ----------
    spec : SatisfactionIndex
    survey : Survey
        All rows of the wave.
    case : ndarray of shape (n,) or None
        Case weights.
    by : str
        Column that names a unit.
    levels : sequence of str
        Columns of the groups to try, from the lowest up; the whole comes last by itself.
    minimum_n : int
        Fewest rows of a group whose model is borrowed.
    options : mapping
        Of :meth:`SatisfactionIndex.fit`: missing, interval, level.
    bootstrap : int
        Replicates.
    root : sequence of int
        Seed.
    n_jobs : int
    """

    spec: SatisfactionIndex
    survey: Survey
    case: Array | None
    by: str
    levels: Sequence[str]
    minimum_n: int
    options: Mapping[str, Any]
    bootstrap: int
    root: Sequence[int]
    n_jobs: int

    def measure(self, units: Sequence[Any]) -> tuple[dict[Any, Adopted], dict[Any, Replicates], dict[Any, str]]:
        """Measure units by the models of their groups.

        Parameters
        ----------
        units : sequence
            Names of the units.

        Returns
        -------
        adopted : dict of unit to Adopted
        replicates : dict of unit to Replicates
            Of the unit's indices and its group's impacts; empty without a bootstrap.
        failed : dict of unit to str
            Why a unit could not be measured.
        """
        place = self.survey.frame[self.by].to_numpy(dtype=object)
        rows = {u: np.flatnonzero(place == u) for u in units}
        pending, failed = dict.fromkeys(units, ""), dict[Any, str]()
        adopted: dict[Any, Adopted] = {}
        jobs: list[tuple[list[Any], PooledStatistic, Sampling, list[int]]] = []
        for level in [*(k for k in self.levels if k != WHOLE), WHOLE]:
            for group, own in self._groups(level, {u: rows[u] for u in pending}):
                model, why = self._model(own)
                members = [u for u in pending if np.isin(rows[u], own).all()]
                if model is None:
                    failed |= dict.fromkeys(members, f"{group}: {why}")
                    continue
                found = {u: _by_group(model, own, rows[u]) for u in members}
                kept = {u: m for u, m in found.items() if isinstance(m, Measured)}
                adopted |= {u: Adopted(m, model.fit_of(), group) for u, m in kept.items()}
                failed |= {u: m for u, m in found.items() if isinstance(m, str)}
                for unit in members:
                    del pending[unit]
                if kept and self.bootstrap:
                    jobs.append((list(kept), *_resampled(model, own, kept), [*self.root, crc32(group.encode())]))
        failed |= {u: self._too_few for u in pending if u not in failed}
        return adopted, self._replicates(jobs), {u: why for u, why in failed.items() if u not in adopted}

    def _groups(self, level: str, rows: Mapping[Any, Rows]) -> list[tuple[str, Rows]]:
        """Groups of a level that hold some of the units and enough rows: their names and rows."""
        if not rows:
            return []
        n = len(self.survey)
        labels = self.survey.frame[level].to_numpy(dtype=object) if level in self.survey.frame else np.full(n, WHOLE)
        names = dict.fromkeys(labels[own[0]] for own in rows.values())
        found = [(str(name), np.flatnonzero(labels == name)) for name in names]
        return [(name, own) for name, own in found if len(own) >= max(self.minimum_n, 2)]

    @property
    def _too_few(self) -> str:
        """Why a unit has no group to borrow from."""
        return f"all rows together are {len(self.survey)}, fewer than the {self.minimum_n} that a model is borrowed from."

    def _model(self, own: Rows) -> tuple[IndexResult | None, str]:
        """The index model of a group, or why there is none."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CxWarning)  # what is unusual stands in the result
            try:
                case = None if self.case is None else self.case[own]
                return self.spec.fit(self.survey.subset(own), weights=case, bootstrap=0, **self.options), ""
            except CxError as error:
                return None, str(error)

    def _replicates(
        self, jobs: list[tuple[list[Any], PooledStatistic, Sampling, list[int]]]
    ) -> dict[Any, Replicates]:
        """Replicates of all groups, cut into those of their units."""
        if not jobs:
            return {}
        _, statistics, samplings, seeds = map(list, zip(*jobs, strict=True))
        interval = self.options["interval"]
        made = replicates_of(statistics, samplings, seeds, self.bootstrap, interval, self.n_jobs, None)
        out: dict[Any, Replicates] = {}
        for (units, statistic, *_), found in zip(jobs, made, strict=True):
            if isinstance(found, Replicates):  # where all replicates failed there are no intervals
                out |= {u: statistic.of_unit(found, at) for at, u in enumerate(units)}
        return out


@dataclass(frozen=True, eq=False)
class PooledStatistic:
    """Indices of the units of a group under its weights, and its impacts, for the resampling engine.

    Parameters
    ----------
    inner : PLSIndexStatistic, SEMIndexStatistic or MeanIndexStatistic
        The group's model.
    case : ndarray of shape (n,)
        Case weights of the group's rows.
    members : tuple of (rows, answers)
        Of each unit: places among the group's rows, and answers (n_u, p) with NaN for blanks.
    constructs : int
        Indices of each unit.
    """

    inner: PLSIndexStatistic | SEMIndexStatistic | MeanIndexStatistic
    case: Array
    members: tuple[tuple[Rows, Array], ...]
    constructs: int

    def __call__(self, counts: Array) -> tuple[Array, dict[str, Any]]:
        """Evaluate weightings (b, n): indices of one unit after the other, then the effects."""
        parts = self.inner.parts(counts)
        mass = counts * self.case
        found = []
        for own, x in self.members:
            means = _means(x, mass[:, own])
            means = np.where(np.isnan(means), _means(x, self.case[None, own]), means)  # a draw of blanks only
            found.append(ix.index(means, parts.weights, self.inner.lo, self.inner.hi))
        values = np.concatenate([*found, parts.total.reshape(len(counts), -1)], axis=1)
        values[parts.bad] = np.nan
        return values, parts.notes

    def of_unit(self, found: Replicates, at: int) -> Replicates:
        """Return the columns of one unit: its indices, then the effects.

        Parameters
        ----------
        found : Replicates
            Of the group.
        at : int
            Number of the unit.

        Returns
        -------
        Replicates
        """
        k, j = found.values.shape[1], self.constructs
        columns = np.r_[at * j : (at + 1) * j, len(self.members) * j : k]

        def cut(values: Array | None) -> Array | None:
            return None if values is None else values[:, columns]

        return replace(
            found,
            estimate=found.estimate[columns],
            values=found.values[:, columns],
            jack=cut(found.jack),
            se_values=cut(found.se_values),
        )


def _means(x: Array, mass: Array) -> Array:
    """Weighted means (b, p) of the answers given; NaN where nobody answered."""
    observed = ~np.isnan(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (mass @ np.where(observed, x, 0.0)) / (mass @ observed)


def _places(model: IndexResult, own: Rows, rows: Rows) -> Rows:
    """Places of a unit's rows among those that the group's model uses."""
    return np.flatnonzero(np.isin(own[model.measured[()].rows], rows))


def _by_group(model: IndexResult, own: Rows, rows: Rows) -> Measured | str:
    """Measure a unit with its group's weights, or say why that cannot be done."""
    group = model.measured[()]
    at = _places(model, own, rows)
    x, case = answers_given(model.fit_of())[at], group.case[at]
    if len(at) < 2:
        return f"{len(at)} of its {len(rows)} rows can be used; an index with a standard error needs two."
    means = _means(x, case[None])[0]
    if np.isnan(means).any():
        return f"Nobody answered {listed(np.array(group.items)[np.isnan(means)])}."
    v, lo, hi = group.weights, group.lo, group.hi
    return replace(
        group,
        rows=own[group.rows[at]],
        case=case,
        answers=np.where(np.isnan(x), means, x),
        index=ix.index(means, v, lo, hi),
        se=ix.mean_se(ix.index_influence(x, case, v, lo, hi), case),
    )


def _resampled(model: IndexResult, own: Rows, units: Mapping[Any, Measured]) -> tuple[PooledStatistic, Sampling]:
    """The statistic of a group and its units, and draws that keep each unit's number of rows."""
    fit, group = model.fit_of(), model.measured[()]
    x = answers_given(fit)
    places = [_places(model, own, m.rows) for m in units.values()]
    strata = np.zeros(len(x), dtype=np.intp)
    for k, at in enumerate(places):
        strata[at] = k + 1
    if (strata == 0).sum() == 1:  # one row by itself cannot be drawn again
        strata[strata == 0] = 1
    members = tuple((at, x[at]) for at in places)
    inner = statistic_of(fit, group.lo, group.hi)
    return PooledStatistic(inner, group.case, members, len(group.constructs)), Sampling(len(x), strata)
