"""From a survey to the arrays of a driver analysis: outcome, columns of the players, weights, and who was left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SpecError, listed, near
from ..resampling import Sampling

if TYPE_CHECKING:
    from ..survey import Survey
    from .spec import Drivers

Array = NDArray[np.float64]

MISSING = ("listwise", "error", "pairwise", "mean", "indicator", "multiple")
NPS = ("nps", "promoter", "detractor")
_MOST_LEVELS = 30  # of an ordered outcome: more is a measurement, not an order of answers


@dataclass(frozen=True, eq=False)
class Table:
    """The rows used.

    Attributes
    ----------
    x : ndarray of shape (n, q)
        Columns of the controls, then of the players in order; NaN where missing.
    y : ndarray of shape (n,)
        The outcome as modelled.
    levels : tuple
        Categories of a binary or ordered outcome, lowest first; empty for a number.
    weights : ndarray of shape (n,) or None
        Case weights, scaled to mean 1.
    strata, clusters : ndarray of shape (n,) or None
    columns : tuple of str
        Names of the columns of x.
    owner : tuple of int
        Player of each column; -1 for a control.
    attribute : tuple of str
        Attribute that each column comes from.
    ratings : DataFrame
        The numeric attributes of the rows used, as answered.
    places : ndarray of int of shape (n,)
        Row numbers, in the data, of the rows used.
    exclusions : tuple of (reason, rows)
    """

    x: Array
    y: Array
    levels: tuple[Any, ...]
    weights: Array | None
    strata: NDArray[Any] | None
    clusters: NDArray[Any] | None
    columns: tuple[str, ...]
    owner: tuple[int, ...]
    attribute: tuple[str, ...]
    ratings: pd.DataFrame
    places: NDArray[np.intp]
    exclusions: tuple[tuple[str, int], ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Columns of each player."""
        return tuple(int(c) for c in np.bincount([o for o in self.owner if o >= 0]))

    @property
    def controls(self) -> int:
        """Number of columns of controls."""
        return sum(o < 0 for o in self.owner)

    def rows(self, keep: NDArray[np.bool_]) -> Table:
        """Return some of the rows.

        Parameters
        ----------
        keep : ndarray of bool of shape (n,)

        Returns
        -------
        Table
        """

        def part(values: Any) -> Any:
            return None if values is None else values[keep]

        if keep.all():
            return self
        return replace(
            self,
            x=self.x[keep],
            y=self.y[keep],
            weights=part(self.weights),
            strata=part(self.strata),
            clusters=part(self.clusters),
            ratings=self.ratings[keep],
            places=self.places[keep],
        )


def read(spec: Drivers, survey: Survey, weights: Any, missing: str, strata: Any, clusters: Any) -> Table:
    """Take from a survey what a driver analysis needs, and refuse what it cannot use.

    Parameters
    ----------
    spec : Drivers
    survey : Survey
    weights : str, array-like or None
    missing : str
    strata, clusters : str, array-like or None

    Returns
    -------
    Table

    Raises
    ------
    DataError
        For unknown, text, constant or empty columns, an outcome that does not fit the family, bad weights, missing
        answers where none may be, or too few rows.
    """
    case = survey.case_weights(weights)
    y, levels = _outcome(spec, survey)
    ratings, blocks = _columns(spec, survey)
    x, columns, owner, attribute = _side_by_side(spec, blocks)
    blank = np.isnan(x)
    if missing == "error" and (blank.any() or np.isnan(y).any()):
        counts = {name: int(np.isnan(blocks[name][1][:, 0]).sum()) for name in dict.fromkeys(attribute)}
        told = [f"'{n}' ({c})" for n, c in [(spec.outcome, int(np.isnan(y).sum())), *counts.items()] if c]
        raise DataError(
            f"Answers are missing in {', '.join(told[:8])}; choose missing='listwise', 'pairwise', 'mean', "
            "'indicator' or 'multiple'."
        )
    keep = np.ones(len(x), dtype=bool)
    reasons: list[tuple[str, int]] = []
    for reason, out in (
        ("weight of zero", np.zeros(len(x), dtype=bool) if case is None else case == 0),
        ("no answer to the outcome", np.isnan(y)),
        ("incomplete answers", blank.any(axis=1) if missing == "listwise" else np.zeros(len(x), dtype=bool)),
        ("no answer to any attribute", blank.all(axis=1)),
    ):
        gone = out & keep
        if gone.any():
            reasons.append((reason, int(gone.sum())))
            keep &= ~gone
    table = Table(
        x, y, levels, case, _design(survey, strata, "strata"), _design(survey, clusters, "clusters"),
        columns, owner, attribute, ratings, np.arange(len(x)), tuple(reasons),
    ).rows(keep)  # fmt: skip
    if spec.categorical and keep.any() and not keep.all():  # a category may have lost all its rows
        left = {
            n: _dummies(survey.frame[keep], n) if n in spec.categorical else (b[0], b[1][keep])
            for n, b in blocks.items()
        }
        x, columns, owner, attribute = _side_by_side(spec, left)
        table = replace(table, x=x, columns=columns, owner=owner, attribute=attribute)
    if table.weights is not None and len(table.weights):
        table = replace(table, weights=table.weights / table.weights.mean())
    _check(spec, table)
    if strata is not None or clusters is not None:
        Sampling(len(table.y), table.strata, table.clusters)  # refuses a design that cannot be
    if missing == "indicator":
        return _flagged(table)
    return table


def filled(table: Table) -> Array:
    """Columns with blanks at the weighted mean of the answers.

    Parameters
    ----------
    table : Table

    Returns
    -------
    ndarray of shape (n, q)
    """
    if not np.isnan(table.x).any():
        return table.x
    w = np.ones(len(table.x)) if table.weights is None else table.weights
    seen = ~np.isnan(table.x)
    means = (w @ np.where(seen, table.x, 0.0)) / (w @ seen)
    return np.where(seen, table.x, means)


# --- the outcome --------------------------------------------------------------------------------------------------


def _outcome(spec: Drivers, survey: Survey) -> tuple[Array, tuple[Any, ...]]:
    """The outcome as modelled, and its categories."""
    name, family = spec.outcome, spec.family
    frame = survey.frame
    column = frame[name] if name in frame.columns and frame.columns.tolist().count(name) == 1 else None
    if column is not None and isinstance(column.dtype, pd.CategoricalDtype):
        return _categories(spec, column)
    if family == "ordered" and column is not None and not pd.api.types.is_numeric_dtype(column):
        some = column.dropna().astype(str).unique()
        raise DataError(
            f"The outcome '{name}' holds text without an order ({listed(some, 4)}); give numbers or an ordered "
            "pandas Categorical."
        )
    if family == "logit" and column is not None:
        texts = column.dropna().unique().tolist()
        if (
            len(texts) == 2
            and all(isinstance(v, str) for v in texts)
            and pd.to_numeric(column, "coerce").isna().all()
        ):
            raise DataError(
                f"The outcome '{name}' holds the texts {listed(texts)}, and family='logit' must know which to explain; "
                f"recode it, such as data['{name}'] == '{texts[-1]}'."
            )
    y = survey.numeric(name)[:, 0]
    if family == "gaussian":
        return _varying(name, y), ()
    if family in NPS:
        return _recommendation(name, family, y)
    values, counts = np.unique(y[~np.isnan(y)], return_counts=True)
    if len(values) < 2:
        raise DataError(
            f"The outcome '{name}' is {values[0]:g} in all {counts[0]} rows; there is nothing to explain."
        )
    if family == "logit" and len(values) > 2:
        raise DataError(
            f"The outcome '{name}' has {len(values)} values, and family='logit' needs two; recode it, such as "
            f"data['{name}'] >= {values[-2]:g}, or choose family='ordered' or 'gaussian'."
        )
    if len(values) > _MOST_LEVELS:
        raise DataError(
            f"The outcome '{name}' has {len(values)} values, too many for family='ordered'; choose 'gaussian', or cut it."
        )
    return _coded(y, values), tuple(values.tolist())


def _categories(spec: Drivers, column: pd.Series) -> tuple[Array, tuple[Any, ...]]:
    """A pandas Categorical as codes."""
    used = column.cat.remove_unused_categories()
    levels = tuple(used.cat.categories)
    name, family = spec.outcome, spec.family
    if family not in ("ordered", "logit"):
        raise DataError(f"The outcome '{name}' is categorical; choose family='ordered' or 'logit', or give numbers.")
    if family == "ordered" and not used.cat.ordered:
        raise DataError(
            f"The outcome '{name}' is categorical without an order ({listed(levels, 4)}); use cat.as_ordered() if this "
            "is their order."
        )
    if len(levels) < 2:
        raise DataError(
            f"The outcome '{name}' has one category only ({listed(levels)}); there is nothing to explain."
        )
    if family == "logit" and len(levels) != 2:
        raise DataError(f"The outcome '{name}' has {len(levels)} categories, and family='logit' needs two.")
    codes = used.cat.codes.to_numpy().astype(float)
    return np.where(codes < 0, np.nan, codes), levels


def _recommendation(name: str, family: str, y: Array) -> tuple[Array, tuple[Any, ...]]:
    """Likelihood to recommend as NPS points, or as one of its two ends."""
    known = y[~np.isnan(y)]
    if outside := int(((known < 0) | (known > 10) | (known != np.round(known))).sum()):
        raise DataError(
            f"The outcome '{name}' is no whole number from 0 to 10 in {outside} of {len(known)} rows, and "
            f"family='{family}' needs the 0-10 recommendation question; correct them or declare them missing codes."
        )
    if len(known) and known.max() <= 5:
        raise DataError(
            f"The outcome '{name}' never exceeds {known.max():g}, so it is no 0-10 recommendation question and has no "
            "promoters; choose family='gaussian' or 'ordered'."
        )
    top, bottom = np.where(np.isnan(y), np.nan, y >= 9), np.where(np.isnan(y), np.nan, y <= 6)
    if family == "nps":
        return _varying(name, 100.0 * (top - bottom)), ()
    out = top if family == "promoter" else bottom
    if np.nanmin(out) == np.nanmax(out):
        raise DataError(
            f"All {len(known)} answers to '{name}' are {'' if np.nanmax(out) else 'no '}{family}s; there is nothing "
            "to explain."
        )
    return out, (f"no {family}", family)


def _varying(name: str, y: Array) -> Array:
    """Refuse an outcome of one value."""
    if np.nanmin(y) == np.nanmax(y):
        rows = int((~np.isnan(y)).sum())
        raise DataError(f"The outcome '{name}' is {np.nanmin(y):g} in all {rows} rows; there is nothing to explain.")
    return y


def _coded(y: Array, values: Array) -> Array:
    """Positions among the values; NaN stays."""
    return np.where(np.isnan(y), np.nan, np.searchsorted(values, y).astype(float))


# --- the columns --------------------------------------------------------------------------------------------------


def _columns(spec: Drivers, survey: Survey) -> tuple[pd.DataFrame, dict[str, tuple[list[str], Array]]]:
    """Numeric ratings as answered, and the labelled columns of every attribute and control."""
    names = [*spec.controls, *(a for p in spec.players for a in p.attributes)]
    numeric = [n for n in names if n not in spec.categorical]
    frame = survey.frame
    for name in numeric:
        if name in frame.columns and frame.columns.tolist().count(name) == 1:
            column = frame[name]
            if not pd.api.types.is_numeric_dtype(column) and column.dropna().map(lambda v: isinstance(v, str)).any():
                some = column.dropna().astype(str).unique()
                if pd.to_numeric(pd.Series(some), errors="coerce").isna().all():
                    raise DataError(
                        f"Attribute '{name}' holds text ({listed(some, 3)}); name it in categorical=, or give numbers."
                    )
    values = survey.numeric(numeric, constant=True) if numeric else np.empty((len(survey), 0))
    out = {name: ([name], values[:, [i]]) for i, name in enumerate(numeric)}
    for name in names:
        if name in spec.categorical:
            out[name] = _dummies(survey.frame, name)
    shown = [n for n in numeric if n not in spec.controls]
    return pd.DataFrame({n: out[n][1][:, 0] for n in shown}, index=frame.index), out


def _side_by_side(
    spec: Drivers, blocks: dict[str, tuple[list[str], Array]]
) -> tuple[Array, tuple[str, ...], tuple[int, ...], tuple[str, ...]]:
    """Columns of the controls, then of the players in order: values, names, player and attribute of each."""
    place = [(-1, c) for c in spec.controls] + [(i, a) for i, p in enumerate(spec.players) for a in p.attributes]
    columns = [(label, who, name) for who, name in place for label in blocks[name][0]]
    labels, owner, attribute = zip(*columns, strict=True)
    return np.concatenate([blocks[name][1] for _, name in place], axis=1), labels, owner, attribute


def _dummies(frame: pd.DataFrame, name: str) -> tuple[list[str], Array]:
    """One column for every category but the first."""
    if name not in frame.columns:
        raise DataError(f"Attribute '{name}' is not in the data.{near(name, map(str, frame.columns))}")
    codes, levels = pd.factorize(frame[name], sort=True)
    if len(levels) < 2:
        raise DataError(
            f"Categorical attribute '{name}' has {len(levels)} category in {len(codes)} rows; leave it out."
        )
    if len(levels) > len(codes) / 2:
        raise DataError(
            f"Categorical attribute '{name}' has {len(levels)} categories in {len(codes)} rows; join some or leave it out."
        )
    hot = (codes[:, None] == np.arange(1, len(levels))).astype(float)
    hot[codes < 0] = np.nan
    return [f"{name}={v}" for v in levels[1:]], hot


def _flagged(table: Table) -> Table:
    """Blanks at the mean, and beside them a column that says where they were, of the same player."""
    full, parts, columns, owner, attribute = filled(table), [], [], [], []
    order = list(dict.fromkeys(zip(table.owner, table.attribute, strict=True)))
    for who, name in order:
        here = [i for i, key in enumerate(zip(table.owner, table.attribute, strict=True)) if key == (who, name)]
        gone = np.isnan(table.x[:, here[0]])
        parts.append(full[:, here])
        columns += [table.columns[i] for i in here]
        if gone.any():
            parts.append(gone[:, None].astype(float))
            columns.append(f"{name} (missing)")
        owner += [who] * (len(here) + int(gone.any()))
        attribute += [name] * (len(here) + int(gone.any()))
    return replace(
        table,
        x=np.concatenate(parts, axis=1),
        columns=tuple(columns),
        owner=tuple(owner),
        attribute=tuple(attribute),
    )


def _design(survey: Survey, labels: Any, what: str) -> NDArray[Any] | None:
    """Strata or clusters of all rows."""
    if labels is None:
        return None
    if isinstance(labels, str):
        if labels not in survey.frame.columns:
            known = map(str, survey.frame.columns)
            raise SpecError(f"Column '{labels}' ({what}) is not in the data.{near(labels, known)}")
        return survey.frame[labels].to_numpy()
    values = np.asarray(labels)
    if values.shape != (len(survey),):
        raise DataError(f"{what} must be one label for each of the {len(survey)} rows, not {values.shape}.")
    return values


def _check(spec: Drivers, table: Table) -> None:
    """Refuse too few rows, and columns or outcomes that no longer vary among the rows used."""
    n, q = table.x.shape
    if n < q + 3:
        lost = "".join(f", {rows} left out for {reason}" for reason, rows in table.exclusions)
        raise DataError(
            f"{n} rows are too few for {q} columns of attributes and controls{lost}; at least {q + 3} are needed."
        )
    low, high = np.fmin.reduce(table.x), np.fmax.reduce(table.x)
    if np.isnan(low).any():
        empty = [table.columns[i] for i in np.flatnonzero(np.isnan(low))]
        raise DataError(f"{listed(empty)} has no answers in the {n} rows used; leave it out.")
    still = low == high
    if still.any():
        constant = [table.columns[i] for i in np.flatnonzero(still)]
        raise DataError(f"{listed(constant)} has the same answer in all {n} rows used; leave it out.")
    values = np.unique(table.y)
    if len(values) < 2:
        raise DataError(
            f"The outcome '{spec.outcome}' has one value in the {n} rows used; there is nothing to explain."
        )
    if table.levels and len(values) < len(table.levels):
        gone = [v for i, v in enumerate(table.levels) if i not in values]
        raise DataError(f"No row used has the outcome '{spec.outcome}' at {listed(gone)}; join categories.")
