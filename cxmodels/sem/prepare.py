"""From a survey to the samples of all groups: which rows are used, which left out and why."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import CxError, DataError, SpecError, listed, near
from ..survey import Survey
from .conditional import conditional_moments
from .design import Units, units_of
from .estimate import Data
from .objective import surely_above
from .ordinal import OrdinalMoments, ordinal_moments
from .patterns import Patterns
from .plan import Plan
from .samples import Sample, sample_of
from .saturated import saturated
from .table import Table

Array = NDArray[Any]

_SIZES = (1e-70, 1e70)  # spread of an item whose fourth moments are numbers

__all__ = ["Rows", "categories", "check_covariance", "make_data", "other_rows", "response_moments", "take_rows"]


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows that take part.

    Attributes
    ----------
    x : ndarray of shape (n, p)
        Items in the order of `names`.
    keep : ndarray of bool
        Which rows of the data these are.
    codes : ndarray of int
        Group of each row.
    labels : tuple
        Labels of the groups, as found.
    weights : ndarray or None
        Sampling weights that sum to n.
    clusters : ndarray of int or None
    reasons : tuple of (str, int)
        Why rows were left out, and how many.
    strata : ndarray of int or None
    units : tuple of Units or None
        Sampling units of the rows of each group; None where rows were drawn singly.
    group : str or None
        Column of the groups.
    """

    names: tuple[str, ...]
    x: Array
    keep: NDArray[np.bool_]
    codes: NDArray[np.intp]
    labels: tuple[Any, ...]
    weights: Array | None
    clusters: NDArray[np.intp] | None
    reasons: tuple[tuple[str, int], ...] = ()
    strata: NDArray[np.intp] | None = None
    units: tuple[Units | None, ...] = (None,)
    group: str | None = None

    @property
    def design(self) -> str:
        """How the rows were drawn, in words; empty for a simple random sample without weights."""
        said = ["weighted"] if self.weights is not None else []
        if self.clusters is not None:
            said.append(f"{int(self.clusters.max()) + 1} clusters")
        if self.strata is not None:
            said.append(f"{int(self.strata.max()) + 1} strata")
        return ", ".join(said)

    @cached_property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]."""
        return pd.DataFrame(list(self.reasons), columns=["reason", "rows"]).astype({"reason": object, "rows": int})


def take_rows(
    survey: Survey, names: Sequence[str], *, group: str | None, missing: str, weights: Any, cluster: str | None,
    strata: str | None = None, needed: Sequence[str] = (), ordered: Sequence[str] = (),
) -> Rows:  # fmt: skip
    """Choose the rows of a survey; those without an answer to what is `needed` are left out.

    Ordinal items may be ordered categoricals of text, whose categories then count from 1.

    Raises
    ------
    DataError
        For unknown, text, constant, empty or infinite columns, bad weights, or too few rows.
    """
    frame = survey.frame
    for role, name in (("group", group), ("cluster", cluster), ("strata", strata)):
        if not isinstance(name, Hashable):
            raise SpecError(f"{role}= is the name of a column, not of type {type(name).__name__}.")
    if group is not None and group in names:
        raise DataError(
            f"group='{group}' is a variable of the model too, and within a group it is the same in all rows; drop it there."
        )
    x = _items(survey, names, ordered=ordered)
    case = survey.case_weights(weights)
    keep = np.ones(len(x), dtype=bool)
    reasons: list[tuple[str, int]] = []

    def leave(bad: Any, reason: str) -> None:
        bad = bad & keep
        if bad.any():
            reasons.append((reason, int(bad.sum())))
            keep[bad] = False

    if case is not None:
        leave(case == 0, "weight of zero")
    columns = {}
    for role, name in (("group", group), ("cluster", cluster), ("strata", strata)):
        if name is not None:
            columns[role] = _column(frame, name, role)
            leave(pd.isna(columns[role]).to_numpy(), f"{role} '{name}' missing")
    blank = np.isnan(x)
    if missing == "error" and blank[keep].any():
        count = blank[keep].sum(axis=0)
        found = [f"'{n}' ({k})" for n, k in zip(names, count, strict=True) if k]
        raise DataError(f"Answers are missing in {', '.join(found[:8])}; choose missing='listwise' or 'fiml'.")
    if missing in ("listwise", "error"):
        leave(blank.any(axis=1), "incomplete answers")
    else:
        leave(blank.all(axis=1), "no answers")
        leave(blank[:, [names.index(x) for x in needed]].any(axis=1), f"{listed(needed)} missing")
    n = int(keep.sum())
    if n < 2:
        raise DataError(f"{n} of {len(x)} rows are usable{_why(reasons)}; the model needs more.")
    codes, labels = np.zeros(n, dtype=np.intp), ("",)
    if group is not None:
        codes, found_labels = pd.factorize(columns["group"][keep])
        labels = tuple(found_labels)
        small = [str(labels[g]) for g, k in enumerate(np.bincount(codes)) if k < 2]
        if small:
            raise DataError(
                f"Group {listed(small)} of '{group}' has one usable row; merge it with another or drop it."
            )
    w = None if case is None else case[keep] * (n / case[keep].sum())
    clusters = None if cluster is None else pd.factorize(columns["cluster"][keep])[0]
    if clusters is not None:
        for g, label in enumerate(labels):
            if len(np.unique(clusters[codes == g])) < 2:
                where = f" of group '{label}'" if len(labels) > 1 else ""
                raise DataError(
                    f"All {int((codes == g).sum())} rows{where} belong to one cluster of '{cluster}'; "
                    "standard errors need several clusters."
                )
    layer, layers = (None, ()) if strata is None else pd.factorize(columns["strata"][keep])
    units = units_of(codes, clusters, layer, tuple(layers), where=f"strata of '{strata}'")
    return Rows(tuple(names), x[keep], keep, codes, labels, w, clusters, tuple(reasons), layer, units, group)


def other_rows(fitted: Rows, survey: Survey, ordered: Sequence[str]) -> Rows:
    """Other respondents, as rows of the items and groups that a model was fitted to.

    Raises
    ------
    DataError
        For unknown or text columns, groups that were not fitted, or answers that no fitted row gave to an ordinal item.
    """
    x = _items(survey, fitted.names, constant=False, ordered=ordered)
    codes = np.zeros(len(x), dtype=np.intp)
    if fitted.group is not None:
        column = _column(survey.frame, fitted.group, "group")
        codes = pd.Index(fitted.labels).get_indexer(pd.Index(column))
        if (codes < 0).any():
            strange = listed(column[codes < 0].unique())
            raise DataError(
                f"{int((codes < 0).sum())} rows have a '{fitted.group}' that the model was not fitted to ({strange}); fitted: "
                f"{listed(fitted.labels)}."
            )
    known = categories(fitted, ordered)
    for name, levels in known.items():
        answers = x[:, fitted.names.index(name)]
        if (new := ~np.isnan(answers) & ~np.isin(answers, levels)).any():
            raise DataError(
                f"Item '{name}' has {int(new.sum())} answers that none of the rows fitted gave ({listed(np.unique(answers[new]))}), "
                "so the model has no thresholds for them."
            )
    everyone = np.ones(len(x), dtype=bool)
    return Rows(fitted.names, x, everyone, codes, fitted.labels, None, None, group=fitted.group)


def _items(survey: Survey, names: Sequence[str], constant: bool = True, ordered: Sequence[str] = ()) -> Array:
    """Columns of the data; an interaction ``a:b`` is the product of its columns."""
    plain = [n for n in names if ":" not in n]
    products = [n for n in names if ":" in n]
    parts = [part for n in products for part in n.split(":")]
    wanted = list(dict.fromkeys([*plain, *parts]))
    if scales := [n for n in wanted if n in ordered and _is_scale(survey.frame, n)]:
        coded = {n: survey.frame[n].cat.codes.where(survey.frame[n].notna()) + 1.0 for n in scales}
        survey = Survey(survey.frame.assign(**coded))
    x = survey.numeric(wanted, constant=constant)
    if not products:
        return x
    place = {n: i for i, n in enumerate(wanted)}
    return np.column_stack([np.prod([x[:, place[part]] for part in n.split(":")], axis=0) for n in names])


def _is_scale(frame: pd.DataFrame, name: str) -> bool:
    """Whether a column is an ordered categorical of text."""
    dtype = frame.dtypes.get(name)
    return isinstance(dtype, pd.CategoricalDtype) and bool(dtype.ordered) and dtype.categories.dtype.kind not in "iuf"


def _column(frame: pd.DataFrame, name: str, role: str) -> pd.Series:
    if name not in frame.columns:
        raise DataError(f"{role}='{name}' is not a column of the data.{near(str(name), frame.columns)}")
    return frame[name]


def _why(reasons: list[tuple[str, int]]) -> str:
    return f" ({', '.join(f'{k} with {r}' for r, k in reasons)})" if reasons else ""


def make_data(rows: Rows, table: Table, plan: Plan, missing: str, ordered: Sequence[str]) -> Data:
    """Moments of every group, in the order of its variables in the table.

    Raises
    ------
    DataError
        If a covariance matrix is not positive definite, naming the items at fault.
    """
    samples, ordinal, patterns, tops = [], [], [], []
    place = {n: i for i, n in enumerate(rows.names)}
    levels = categories(rows, ordered)
    for number in range(len(rows.labels)):
        names = table.roles[number * table.levels].observed
        mine = rows.codes == number
        x = rows.x[mine][:, [place[n] for n in names]]
        w = None if rows.weights is None else rows.weights[mine]
        units = rows.units[number]
        where = f" in group '{rows.labels[number]}'" if len(rows.labels) > 1 else ""
        if ordered:
            with _naming(where):
                found = response_moments(
                    x, names, table, number, w, levels=[levels.get(n) for n in names], units=units
                )
            ordinal.append(found)
            samples.append(Sample(float(found.n), found.means, found.cor, x, w, units))
            continue
        _check_constant(x, names, where)
        if plan.fiml:
            with _naming(where):
                group = Patterns.of(x, w, names)
                top = saturated(group)
            patterns.append(group)
            tops.append(top)
            samples.append(Sample(group.total, top.mean, top.cov, x, w, units))
        else:
            role = table.roles[number * table.levels]
            fixed = tuple(names.index(n) for n in role.exogenous) if table.options.fixed_x else ()
            samples.append(sample_of(x, w, units, fixed))
            check_covariance(samples[-1].cov, names, len(x), where)
    return Data(tuple(samples), tuple(ordinal), tuple(patterns), tuple(tops))


def response_moments(
    x: Array,
    names: Sequence[str],
    table: Table,
    number: int,
    weights: Array | None,
    *,
    levels: Sequence[Array | None] | None = None,
    units: Units | None = None,
    covariance: Literal["full", "diagonal", "none"] = "full",
) -> OrdinalMoments:
    """Moments of ordinal items of one block, given its fixed predictors where there are any."""
    ordered = np.array([n in table.options.thresholds for n in names])
    if not ordered.any():
        raise SpecError("None of the ordered items is in the model.")
    exogenous = table.roles[number].exogenous if table.options.fixed_x else ()
    if exogenous:
        given = np.array([n in exogenous for n in names])
        return conditional_moments(
            x, ordered, given, weights, names=names, levels=levels, units=units, covariance=covariance
        )
    missing: Literal["pairwise", "listwise"] = "pairwise" if np.isnan(x).any() else "listwise"
    return ordinal_moments(
        x, ordered, weights, missing, names=names, levels=levels, units=units, covariance=covariance
    )


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Say in which group an error arose."""
    try:
        yield
    except CxError as problem:
        raise (type(problem)(f"In{where[3:]}: {problem}") if where else problem) from None


def categories(rows: Rows, ordered: Sequence[str]) -> dict[str, Array]:
    """Categories of each ordinal item over all groups."""
    place = {n: i for i, n in enumerate(rows.names)}
    out = {}
    for n in ordered:
        column = rows.x[:, place[n]]
        out[n] = np.unique(column[~np.isnan(column)])
    return out


def _check_constant(x: Array, names: Sequence[str], where: str) -> None:
    low, high = np.fmin.reduce(x, axis=0), np.fmax.reduce(x, axis=0)
    same = low == high
    if same.any():
        raise DataError(
            f"{listed(np.asarray(names)[same])} has the same answer in all {len(x)} rows used{where}; "
            "drop it from the model."
        )
    empty = np.isnan(low)
    if empty.any():
        raise DataError(f"{listed(np.asarray(names)[empty])} has no answer in the rows used{where}.")
    _check_size(high - low, names, where)


def _check_size(size: Array, names: Sequence[str], where: str) -> None:
    odd = ~((size > _SIZES[0]) & (size < _SIZES[1]))
    if odd.any():
        raise DataError(
            f"The values of {listed(np.asarray(names)[odd])}{where} are too large or too small to compute with; "
            "change their unit."
        )


def check_covariance(cov: Array, names: Sequence[str], n: int, where: str = "") -> None:
    """Refuse a covariance matrix that is not positive definite, naming the items that determine one another."""
    p = len(cov)
    if n <= p:
        raise DataError(
            f"{n} rows{where} for {p} items: the covariance matrix is not positive definite; "
            "use more rows, or fewer items."
        )
    sd = np.sqrt(np.diagonal(cov))
    _check_size(sd, names, where)
    correlations = cov / (sd[:, None] * sd)
    if surely_above(1e-10, correlations):
        return
    values, vectors = np.linalg.eigh(correlations)
    if values[0] > 1e-10:
        return
    weights = np.abs(vectors[:, 0])
    involved = np.asarray(names)[weights > 0.1 * weights.max()]
    raise DataError(
        f"The covariance matrix{where} is not positive definite: {listed(involved)} determine one another "
        f"{'exactly' if values[0] > -1e-8 else 'or contradict one another'}; drop one of them."
    )
