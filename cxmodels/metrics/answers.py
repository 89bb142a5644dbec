"""From what the caller has (arrays, or a table and column names) to checked answers and their design."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, DataWarning, SpecError, listed, near
from ..survey import Item, Survey, as_survey
from ..survey.validation import LIMIT, of_rows, outside, raise_for
from .design import Array, Codes, Design

Scale = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Answers:
    """Columns of numbers and the survey they come from.

    Attributes
    ----------
    values : ndarray of shape (n, k)
        NaN where there is no answer.
    names : list of str
        Of the columns.
    survey : Survey
        Holds weights, scales and the columns that strata, clusters and groups may name.
    named : bool
        Whether the caller gave a table, so that texts may be names of its columns.
    """

    values: Array
    names: list[str]
    survey: Survey
    named: bool

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.values)

    def scale(self, given: Scale | None, default: Scale) -> Scale:
        """Return the scale given, else that of the codebook, else the usual one; refuse answers outside it.

        Parameters
        ----------
        given : (lo, hi) or None
        default : (lo, hi)

        Returns
        -------
        (lo, hi)

        Raises
        ------
        SpecError
            If the ends are not two rising numbers.
        DataError
            With the answers outside, and in how many rows.
        """
        known = {s for s in map(self.survey.scale, self.names) if s is not None}
        if given is None and len(known) > 1:
            raise SpecError(f"The columns have different scales, {listed(sorted(known))}: say which with scale=.")
        ends = given if given is not None else next(iter(known), default)
        raise_for(
            [p for j, name in enumerate(self.names) for p in outside(self.values[:, j], Item(name, scale=ends))]
        )
        return float(ends[0]), float(ends[1])

    def whole(self) -> None:
        """Raise a DataError if an answer is no whole number."""
        for j, name in enumerate(self.names):
            x = self.values[:, j]
            if count := int((np.isfinite(x) & (x != np.round(x))).sum()):
                example = x[np.isfinite(x) & (x != np.round(x))][0]
                raise DataError(
                    f"Item '{name}' must hold whole answers: {of_rows(count, len(x))} do not, such as {example:g}; "
                    "give the single answers, not their means."
                )

    def only(self, allowed: tuple[float, ...], said: str) -> None:
        """Raise a DataError if there is anything but the allowed values.

        Parameters
        ----------
        allowed : tuple of float
        said : str
            What they are, for the message.
        """
        for j, name in enumerate(self.names):
            x = self.values[:, j]
            wrong = x[~np.isnan(x) & ~np.isin(x, allowed)]
            if wrong.size:
                raise DataError(
                    f"Item '{name}' must hold {said}: {of_rows(wrong.size, len(x))} hold something else, "
                    f"{_tally(wrong)}; recode them."
                )

    def at_least(self, low: float, said: str, *, strict: bool = False) -> None:
        """Raise a DataError if a value lies below a limit.

        Parameters
        ----------
        low : float
        said : str
            Why it may not, for the message.
        strict : bool, default False
            Whether the limit itself is refused too.
        """
        for j, name in enumerate(self.names):
            x = self.values[:, j]
            wrong = x[x <= low] if strict else x[x < low]
            if wrong.size:
                raise DataError(f"Item '{name}': {said}, but {of_rows(wrong.size, len(x))} hold {_tally(wrong)}.")

    def column(self, j: int = 0) -> Answers:
        """Return one column alone."""
        return replace(self, values=self.values[:, [j]], names=[self.names[j]])


def read(x: Any, data: Any = None, name: str = "answers") -> Answers:
    """Take answers as they come.

    Parameters
    ----------
    x : array-like of shape (n,) or (n, k), frame, or name(s) of columns of `data`
        Numbers, missing ones NaN or None.
    data : Survey or DataFrame, optional
        The table that names speak of.
    name : str, default "answers"
        What an unnamed array is called in messages.

    Returns
    -------
    Answers

    Raises
    ------
    DataError
        For text, infinite values, unknown columns, no rows or no answers.
    SpecError
        For names without a table.
    """
    names = [x] if isinstance(x, str) else list(x) if isinstance(x, list | tuple) else None
    by_name = bool(names) and all(isinstance(v, str) for v in names or ())
    if by_name:
        if data is None:
            raise SpecError(
                f"{listed(names or ())} are texts, and answers are numbers; if they are names of columns give the table "
                "too, data=df."
            )
        survey = as_survey(data)
        return Answers(survey.numeric(names or ()), list(names or ()), survey, True)
    table = _table(x, name)
    items = [str(c) for c in table.columns]
    table.columns = pd.Index(items)
    if data is None:
        survey = as_survey(table)
        return Answers(survey.numeric(items), items, survey, False)
    survey = as_survey(data)
    _same_rows(table, survey.frame, name)
    return Answers(as_survey(table).numeric(items), items, survey, True)


def read_one(x: Any, data: Any = None, name: str = "answers") -> Answers:
    """Take the answers to one question; see :func:`read`.

    Parameters
    ----------
    x : array-like of shape (n,), or name of a column of `data`
    data : Survey or DataFrame, optional
    name : str, default "answers"

    Returns
    -------
    Answers

    Raises
    ------
    DataError
        For several columns, and what :func:`read` refuses.
    """
    answers = read(x, data, name)
    if len(answers.names) > 1:
        raise DataError(
            f"The {name} are {len(answers.names)} columns, {listed(answers.names, 4)}, and this metric takes one question; "
            "call it once for each."
        )
    return answers


def _table(x: Any, name: str) -> pd.DataFrame:
    """Any array, series or frame as a pandas frame."""
    if isinstance(x, pd.Series):
        return x.to_frame(name=name if x.name is None else str(x.name))
    if isinstance(x, pd.DataFrame | Mapping):
        return as_survey(x).frame.copy()
    if hasattr(x, "columns"):
        return as_survey(x).frame.copy()
    if hasattr(x, "to_numpy"):
        return pd.DataFrame({str(getattr(x, "name", "") or name): x.to_numpy()})
    try:
        array = np.asarray(x)
    except ValueError:
        array = np.empty(())
    if array.ndim == 1:
        return pd.DataFrame({name: list(x) if array.dtype == object else array})
    if array.ndim == 2:
        return pd.DataFrame(array, columns=[f"{name} {j + 1}" for j in range(array.shape[1])])
    raise DataError(f"The {name} must be one number for each row, not {type(x).__name__}.")


def numbers(given: Any, said: str) -> pd.Series:
    """Return values by name as numbers, or refuse those that are none.

    Parameters
    ----------
    given : mapping or Series
    said : str
        What they are, for the message.

    Returns
    -------
    Series of float

    Raises
    ------
    DataError
        With the names and the values that are no numbers.
    """
    values = pd.Series(given, dtype=object)
    out = pd.to_numeric(values, errors="coerce").astype(float)
    if (wrong := (out.isna() & values.notna()).to_numpy()).any():
        raise DataError(f"{said} must be numbers: {listed(values.index[wrong])} has {listed(values[wrong])}.")
    return out


def _same_rows(part: pd.DataFrame, whole: pd.DataFrame, name: str) -> None:
    if len(part) != len(whole):
        raise DataError(f"The {name} have {len(part)} rows and the data {len(whole)}: give one for each row.")


def design_of(answers: Answers, weights: Any, strata: Any, clusters: Any, keep: NDArray[np.bool_]) -> Design:
    """Build the design of the rows that count.

    Parameters
    ----------
    answers : Answers
    weights, strata, clusters : column name or array-like of shape (n,), optional
        Without `weights` those of the survey.
    keep : ndarray of bool of shape (n,)
        Rows of the design.

    Returns
    -------
    Design

    Raises
    ------
    DataError
        For unusable weights, missing labels, or a stratum with one unit.
    """
    case = _weights(answers, weights)
    codes = {
        role: None if given is None else _codes(answers, given, role)[keep]
        for role, given in (("strata", strata), ("clusters", clusters))
    }
    w = np.ones(answers.n) if case is None else case
    return Design(w[keep], case is not None, codes["strata"], codes["clusters"])


def counts_only(what: str, **options: Any) -> None:
    """Refuse a design where a metric was given counts, which have no rows to weigh or to group.

    Parameters
    ----------
    what : str
        What was given.
    **options
        What must not be there beside it.

    Raises
    ------
    SpecError
        Naming the options.
    """
    if given := [f"{k}=" for k, v in options.items() if v is not None]:
        raise SpecError(
            f"{what} leave nothing to weigh or to group: give one row each, or leave out {listed(given)}."
        )


def _weights(answers: Answers, given: Any) -> Array | None:
    if isinstance(given, str) and not answers.named:
        raise SpecError(f"'{given}' (weights) is the name of a column: give the table too, data=df.")
    return answers.survey.case_weights(given.to_numpy() if _foreign(given) else given)


def _foreign(given: Any) -> bool:
    """Whether this is a series of another library than pandas."""
    return hasattr(given, "to_numpy") and not type(given).__module__.startswith("pandas")


def labels(answers: Answers, given: Any, role: str) -> pd.Series:
    """Return labels of the rows, one for each.

    Parameters
    ----------
    answers : Answers
    given : column name or array-like of shape (n,)
    role : str
        What they are for, for messages.

    Returns
    -------
    Series of shape (n,)

    Raises
    ------
    DataError
        If the column is unknown or the length wrong.
    """
    if isinstance(given, str):
        if not answers.named:
            raise SpecError(f"'{given}' ({role}) is the name of a column: give the table too, data=df.")
        frame = answers.survey.frame
        if (frame.columns == given).sum() != 1:
            hint = near(given, map(str, frame.columns)) or f" Columns are {listed(frame.columns)}."
            raise DataError(f"Column '{given}' ({role}) is not in the data exactly once.{hint}")
        return frame[given].reset_index(drop=True)
    if isinstance(given, pd.Series):
        if len(given) == answers.n and not given.index.equals(answers.survey.frame.index):
            raise DataError(f"The index of {role} differs from that of the answers: align them, or give arrays.")
        out = given.reset_index(drop=True)
    else:
        out = pd.Series(given.to_numpy() if _foreign(given) else given)
    if out.ndim != 1 or len(out) != answers.n:
        raise DataError(f"{role} must be one label for each of {answers.n} rows, not {len(out)}.")
    return out


def _codes(answers: Answers, given: Any, role: str) -> Codes:
    codes, _ = pd.factorize(labels(answers, given, role))
    if gone := int((codes < 0).sum()):
        raise DataError(f"{role} is missing in {of_rows(gone, len(codes))}: fill them or drop those rows.")
    return codes.astype(np.intp)


def groups_of(answers: Answers, by: Any) -> tuple[pd.DataFrame, Codes]:
    """Find the groups: in the order of their categories, else sorted.

    Parameters
    ----------
    answers : Answers
    by : column name(s), array-like of shape (n,), frame or mapping of labels
        What divides the rows.

    Returns
    -------
    keys : DataFrame
        One row per group.
    code : ndarray of int of shape (n,)
        Group of each row, -1 where a label is missing; such rows are warned about.
    """
    frame = key_frame(answers, by)
    if twice := [c for c in frame.columns if list(frame.columns).count(c) > 1]:
        raise SpecError(f"by names {listed(dict.fromkeys(twice))} twice.")
    code = frame.groupby(list(frame.columns), sort=_sortable(frame), observed=True).ngroup().to_numpy()
    code = np.where(frame.isna().any(axis=1).to_numpy(), -1, code).astype(np.intp)
    if gone := int((code < 0).sum()):
        message = f"{of_rows(gone, len(code))} without {listed(frame.columns)} belong to no group and are left out."
        warnings.warn(message, DataWarning, stacklevel=5)
    _, first = np.unique(code, return_index=True)
    first = first[code[first] >= 0]
    if not len(first):
        raise DataError(f"No row has {listed(frame.columns)}: there are no groups.")
    return frame.iloc[first].reset_index(drop=True), code.astype(np.intp)


def key_frame(answers: Answers, by: Any) -> pd.DataFrame:
    """Return the labels that divide the rows, one column each.

    Parameters
    ----------
    answers : Answers
    by : column name(s), array-like of shape (n,), frame or mapping of labels

    Returns
    -------
    DataFrame
        n rows, numbered from 0.
    """
    if isinstance(by, pd.DataFrame | Mapping):
        return pd.DataFrame({str(k): labels(answers, by[k], "by") for k in by})
    many = isinstance(by, list | tuple) and bool(by) and all(isinstance(v, str) for v in by)
    if answers.named and many and set(by) <= set(answers.survey.frame.columns):
        return pd.concat([labels(answers, v, "by") for v in by], axis=1)
    column = labels(answers, by, "by")
    return column.to_frame(name="group" if column.name is None else column.name)


def _sortable(frame: pd.DataFrame) -> bool:
    try:
        for column in frame:
            if not isinstance(frame[column].dtype, pd.CategoricalDtype):
                sorted(frame[column].dropna().unique())
    except TypeError:
        return False
    return True


def _tally(values: Iterable[float]) -> str:
    """'11 (3 rows), -1 (1 row)'."""
    found, counts = np.unique(np.asarray(values), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    said = [f"{found[i]:g} ({counts[i]} row{'s' * int(counts[i] > 1)})" for i in order[:LIMIT]]
    return ", ".join(said) + (f" and {len(found) - LIMIT} other values" if len(found) > LIMIT else "")
