"""Columns of customers as the terms of a regression: numbers as they are, categories against their most frequent level."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, DataWarning, NotIdentifiedError, SpecError, listed, near
from .encoding import Column, learn, read

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Terms:
    """What was learned of the columns of a regression.

    Parameters
    ----------
    columns : tuple of Column
    names : tuple of str
        Of the terms: ``tenure``, ``contract: Two year``.
    references : dict of str to str
        Level of each category that the others are compared with.
    left_out : tuple of str
        Terms that follow from the others.
    """

    columns: tuple[Column, ...]
    names: tuple[str, ...]
    references: dict[str, str]
    left_out: tuple[str, ...] = ()

    @classmethod
    def learn(cls, frame: pd.DataFrame, weights: Array) -> Terms:
        """Learn the terms of a table.

        Parameters
        ----------
        frame : DataFrame
            The explanatory columns.
        weights : ndarray of shape (n,)

        Returns
        -------
        Terms

        Raises
        ------
        DataError
            For a column without a usable level, or of one value only.
        """
        columns, references = learn(frame, weights), {}
        for column in columns:
            if column.kind == "number":
                if frame[column.name].isna().all():
                    raise DataError(f"Column '{column.name}' is blank for every customer; leave it out.")
                if column.low == column.high:
                    raise DataError(f"Column '{column.name}' has the same value for every customer; leave it out.")
                continue
            if not column.levels:
                raise DataError(
                    f"Column '{column.name}' has no level with five rows or more; group its levels first."
                )
            if column.size < 3:
                raise DataError(f"Column '{column.name}' has the same value for every customer; leave it out.")
            references[column.name] = column.levels[0]
        return cls(columns, tuple(_names(columns)), references)

    def independent(self, x: Array, weights: Array) -> tuple[Terms, Array, tuple[str, ...]]:
        """Leave out terms that follow from those before them, and say so.

        Parameters
        ----------
        x : ndarray of shape (n, terms)
            Without blanks.
        weights : ndarray of shape (n,)

        Returns
        -------
        terms : Terms
        x : ndarray of shape (n, terms kept)
        messages : tuple of str

        Raises
        ------
        NotIdentifiedError
            If no term is left.

        Warns
        -----
        DataWarning
            Naming the terms.
        """
        extra = follow_from_others(x, weights)
        if not extra.any():
            return self, x, ()
        gone = tuple(n for n, out in zip(self.names, extra, strict=True) if out)
        if extra.all():
            raise NotIdentifiedError(
                f"The terms {listed(gone)} do not vary among the rows used; choose other columns."
            )
        message = f"{len(gone)} of {len(extra)} terms follow from the others and are left out: {listed(gone)}."
        warnings.warn(message, DataWarning, stacklevel=4)
        kept = tuple(n for n, out in zip(self.names, extra, strict=True) if not out)
        return Terms(self.columns, kept, self.references, gone), x[:, ~extra], (message,)

    def matrix(self, frame: pd.DataFrame, *, warn: bool = False) -> Array:
        """Return the terms of rows, NaN where a value is blank or a level was never seen.

        Parameters
        ----------
        frame : DataFrame
        warn : bool, default False
            Say so where there are any.

        Returns
        -------
        ndarray of shape (n, terms)

        Raises
        ------
        DataError
            For a column that is missing.
        """
        table = read(frame, self.columns)
        parts = []
        for column, values in zip(self.columns, table.values, strict=True):
            if column.kind == "number":
                parts.append(np.asarray(values, dtype=float)[:, None])
                continue
            part = (values[:, None] == np.arange(2, column.size)).astype(float)
            part[values == 0] = np.nan
            parts.append(part)
        out = np.hstack(parts) if parts else np.empty((len(frame), 0))
        if self.left_out:
            gone = set(self.left_out)
            out = out[:, [n not in gone for n in _names(self.columns)]]
        if warn and (bad := np.isnan(out).any(axis=1)).any():
            flags = table.counted()
            flags = flags[flags["flag"] != "out of range"]
            warnings.warn(
                f"{int(bad.sum())} of {len(out)} customers get no value: "
                + "; ".join(f"'{r.column}' {r.flag} in {r.rows}" for r in flags.itertuples())
                + ".",
                DataWarning,
                stacklevel=4,
            )
        return out


def _names(columns: Sequence[Column]) -> list[str]:
    """All terms of columns."""
    out = []
    for column in columns:
        levels = range(2, column.size) if column.kind == "category" else ()
        out += [f"{column.name}: {column.label(code)}" for code in levels] or [column.name]
    return out


def chosen(frame: pd.DataFrame, columns: Sequence[str] | None, taken: Sequence[Any]) -> pd.DataFrame:
    """Return the explanatory columns: those named, or all that have no other part.

    Parameters
    ----------
    frame : DataFrame
    columns : sequence of str or None
    taken : sequence
        Arguments that may name columns with another part, such as the duration.

    Returns
    -------
    DataFrame

    Raises
    ------
    DataError
        For a column that is missing, or none at all.
    SpecError
        If a column has another part already.
    """
    used = [t for t in taken if isinstance(t, str)]
    if columns is None:
        columns = [c for c in frame.columns if c not in used]
    elif isinstance(columns, str):
        columns = [columns]
    columns = list(columns)
    if missing := [c for c in columns if c not in frame]:
        raise DataError(
            f"Column {listed(missing)} is not in the data.{near(str(missing[0]), map(str, frame.columns))}"
        )
    if both := [c for c in columns if c in used]:
        raise SpecError(f"Column {listed(both)} explains and is explained, or is used otherwise; name it once.")
    if not columns:
        raise DataError("There is no column that explains; give some, or use KaplanMeier.")
    return frame[columns]


def follow_from_others(matrix: Array, weights: Array) -> NDArray[np.bool_]:
    """Which terms follow from an intercept and the terms before them.

    Parameters
    ----------
    matrix : ndarray of shape (n, terms)
    weights : ndarray of shape (n,)

    Returns
    -------
    ndarray of bool of shape (terms,)

    Examples
    --------
    >>> x = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    >>> follow_from_others(np.column_stack([x, x[:, 0] + x[:, 1]]), np.ones(3)).tolist()
    [False, False, True, True]
    """
    centred = (matrix - np.average(matrix, axis=0, weights=weights)) * np.sqrt(weights)[:, None]
    cross = centred.T @ centred
    size = np.sqrt(np.maximum(np.diag(cross), 1e-300))
    rest = cross / np.outer(size, size)
    out = np.zeros(matrix.shape[1], dtype=bool)
    for j in range(len(out)):  # a sweep: what is left of each term after those before it
        out[j] = rest[j, j] < 1e-9
        if not out[j]:
            rest = rest - np.outer(rest[:, j], rest[j]) / rest[j, j]
    return out
