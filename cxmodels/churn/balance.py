"""Whether two groups of customers are alike: the same columns side by side, and one test of all of them together.

A campaign measures something only if chance alone decided who got the offer. Then no column tells the groups apart:
standardised differences are small (Austin 2009, Statistics in Medicine 28), a logistic regression of the group on all
columns explains nothing (likelihood-ratio test; Hansen and Bowers 2008, Statistical Science 23, for why one test and not
one per column), and a classifier does no better than a coin (Lopez-Paz and Oquab 2017, ICLR), which also sees what is not
linear, such as an offer to those of middling risk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError

if TYPE_CHECKING:
    from .encoding import Column

Array = NDArray[np.float64]

ALPHA = 0.001  # a group is called not random below this p-value: one honest campaign in a thousand
LARGE = 0.1  # absolute standardised difference that is customarily called large (Austin 2009)


@dataclass(frozen=True, eq=False)
class Covariates:
    """Columns as numbers, learned once: numbers as they are, categories as one column per level, blanks as their own.

    Parameters
    ----------
    columns : tuple of Column
        What was learned of the table.
    fill : ndarray of shape (columns,)
        Mean of each column of numbers, which stands for blanks; 0 for categories.
    blank : ndarray of bool of shape (columns,)
        Columns of numbers that had blanks.

    Examples
    --------
    >>> table = pd.DataFrame({"age": [30.0, 40.0, np.nan], "plan": ["a", "a", "b"]})
    >>> found = Covariates.learn(table)
    >>> found.names
    ['age', 'age: blank', 'plan: a', 'plan: b']
    >>> found.matrix(table).tolist()
    [[30.0, 0.0, 1.0, 0.0], [40.0, 0.0, 1.0, 0.0], [35.0, 1.0, 0.0, 1.0]]
    """

    columns: tuple[Column, ...]
    fill: Array
    blank: NDArray[np.bool_]

    @classmethod
    def learn(cls, frame: pd.DataFrame) -> Covariates:
        """Learn a table's columns.

        Parameters
        ----------
        frame : DataFrame of shape (n, columns)

        Returns
        -------
        Covariates
        """
        from .encoding import learn, read

        columns = tuple(_whole(c, frame) for c in learn(frame, np.ones(len(frame))))
        fill, blank = np.zeros(len(columns)), np.zeros(len(columns), dtype=bool)
        for j, (column, values) in enumerate(zip(columns, read(frame, columns).values, strict=True)):
            if column.kind == "number":
                here = np.isfinite(values)
                fill[j], blank[j] = values[here].mean() if here.any() else 0.0, not here.all()
        return cls(columns, fill, blank)

    @property
    def names(self) -> list[str]:
        """Names of the columns of the matrix; those of a category are "column: level"."""
        out: list[str] = []
        for column, blank in zip(self.columns, self.blank, strict=True):
            if column.kind == "number":
                out += [column.name, f"{column.name}: blank"] if blank else [column.name]
            else:
                out += [f"{column.name}: {column.label(code)}" for code in range(1, column.size)]
        return out

    @property
    def references(self) -> NDArray[np.bool_]:
        """Which columns of the matrix are the first level of a category, to be left out beside an intercept."""
        out: list[bool] = []
        for column, blank in zip(self.columns, self.blank, strict=True):
            if column.kind == "number":
                out += [False] * (1 + bool(blank))
            else:
                out += [code == 1 for code in range(1, column.size)]
        return np.array(out, dtype=bool)

    def matrix(self, frame: pd.DataFrame) -> Array:
        """Return a table as numbers.

        Parameters
        ----------
        frame : DataFrame of shape (n, columns)

        Returns
        -------
        ndarray of shape (n, terms)
        """
        from .encoding import read

        parts: list[Array] = []
        for j, (column, values) in enumerate(zip(self.columns, read(frame, self.columns).values, strict=True)):
            if column.kind == "number":
                gone = ~np.isfinite(values)
                parts.append(np.where(gone, self.fill[j], values))
                if self.blank[j]:
                    parts.append(gone.astype(float))
            else:
                parts += [(values == code).astype(float) for code in range(1, column.size)]
        return np.column_stack(parts) if parts else np.empty((len(frame), 0))


def _whole(column: Column, frame: pd.DataFrame) -> Column:
    """The column itself; refuse a category without any level, which says nothing."""
    if column.kind == "category" and column.size < 2:
        raise DataError(
            f"Column '{column.name}' has no level with five of the {len(frame)} rows; group its levels, or leave it out."
        )
    return column


def differences(
    matrix: Array, names: list[str], group: NDArray[np.bool_], weights: Array | None = None
) -> pd.DataFrame:
    """Compare the means of two groups in units of their common standard deviation.

    Parameters
    ----------
    matrix : ndarray of shape (n, terms)
    names : list of str
    group : ndarray of bool of shape (n,)
        The first group.
    weights : ndarray of shape (n,), optional

    Returns
    -------
    DataFrame
        [column, first, second, difference, variance_ratio]: means, and (m1 - m0) / sqrt((v1 + v0) / 2), 0 where neither
        group varies; v1 / v0.
    """
    w = np.ones(len(matrix)) if weights is None else weights
    means, variances = [], []
    for inside in (group, ~group):
        share = w[inside] / w[inside].sum()
        mean = share @ matrix[inside]
        means.append(mean)
        variances.append(share @ (matrix[inside] - mean) ** 2)
    spread = np.sqrt((variances[0] + variances[1]) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.where(spread > 0, (means[0] - means[1]) / spread, 0.0)
        ratio = variances[0] / variances[1]
    return pd.DataFrame(
        {"column": names, "first": means[0], "second": means[1], "difference": gap, "variance_ratio": ratio}
    )
