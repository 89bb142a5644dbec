"""A fitted churn model as data: columns, effects or trees, sigmoid, and what training customers looked like.

This is all that scoring, reasons, saving and SQL need; nothing here is fitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .boosted import Forest
from .calibration import Sigmoid
from .encoding import Column, Table, read
from .linear import Basis, Linear
from .selection import foreign_logits
from .tables import Tables, compile_forest

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trees:
    """Boosted models: the final one is member 0, the models of the folds follow.

    Parameters
    ----------
    forests : list of Forest
        The members.
    sizes : tuple of int
        Number of codes of each column.
    background : list of ndarray
        Share of the training rows in each cell of each table of member 0.
    """

    forests: list[Forest]
    sizes: tuple[int, ...]
    background: list[Array] = field(default_factory=list)

    @cached_property
    def tables(self) -> Tables:
        """The final model, compiled."""
        return compile_forest(self.forests[0], self.sizes)

    @cached_property
    def others(self) -> list[Tables]:
        """The models of the folds, compiled."""
        return [compile_forest(f, self.sizes) for f in self.forests[1:]]

    @property
    def members(self) -> int:
        """Number of models."""
        return len(self.forests)


@dataclass(frozen=True, eq=False)
class Foreign:
    """Somebody's classifier on the design matrix of the linear model; cannot be saved.

    Parameters
    ----------
    basis : Basis
        How the matrix is made.
    models : list of estimator
        Final one and those of the folds.
    background : ndarray
        Rows of the matrix against which reasons are taken.
    """

    basis: Basis
    models: list[Any]
    background: Table

    @property
    def members(self) -> int:
        """Number of models."""
        return len(self.models)


@dataclass(frozen=True, eq=False)
class Profile:
    """Training customers by code of one column: how many, and how many of them left.

    Parameters
    ----------
    rows, left : ndarray of shape (codes,)
        Weighted counts.
    mean_effect : float
        Mean effect of the column in the linear model, log-odds.
    """

    rows: Array
    left: Array
    mean_effect: float = 0.0


@dataclass(frozen=True, eq=False)
class Scorer:
    """A fitted model.

    Parameters
    ----------
    kind : str
        Name of the candidate.
    columns : tuple of Column
        All that is read, derived ones last.
    used : tuple of int
        Those that the model uses.
    model : Linear, Trees or Foreign
        The models.
    sigmoid : Sigmoid
        Calibration.
    profiles : list of Profile
        By used column.
    spread : float
        Factor on the members' spread: the square root of rows of selection over rows of training.
    """

    kind: str
    columns: tuple[Column, ...]
    used: tuple[int, ...]
    model: Linear | Trees | Foreign
    sigmoid: Sigmoid
    profiles: list[Profile]
    spread: float = 1.0

    @property
    def features(self) -> list[Column]:
        """Columns that the model uses."""
        return [self.columns[j] for j in self.used]

    @property
    def needed(self) -> list[Column]:
        """Columns that the data must have: those used, and the parts of totals."""
        by_name = {c.name: c for c in self.columns}
        want: set[str] = set()
        waiting = [c.name for c in self.features]
        while waiting:
            name = waiting.pop()
            want.add(name)
            waiting += by_name[name].parts
        return [c for c in self.columns if c.name in want]

    def read(self, frame: pd.DataFrame) -> Table:
        """Read a table; flags are those of needed columns."""
        table = read(frame, self.needed)
        place = {c.name: i for i, c in enumerate(self.needed)}
        return Table([table.values[place[c.name]] for c in self.features], table.flags)

    def raw(self, table: Table, member: int = 0) -> Array:
        """Log-odds before calibration."""
        if isinstance(self.model, Linear):
            return self.model.logits(table.values, member)
        if isinstance(self.model, Foreign):
            return foreign_logits(self.model.models[member], self.model.basis.matrix(table))
        tables = self.model.others[member - 1] if member else self.model.tables
        return tables.logits(self.codes(table))

    def codes(self, table: Table) -> list[NDArray[Any]]:
        """Codes of read values."""
        return [c.codes(v) for c, v in zip(self.features, table.values, strict=True)]

    def logits(self, table: Table) -> Array:
        """Calibrated log-odds."""
        return self.sigmoid.logits(self.raw(table))

    def interval(self, table: Table, level: float) -> tuple[Array, Array]:
        r"""Interval of each probability: jackknife over the folds' models, and the covariance of the sigmoid.

        With K folds and :math:`l_k` the log-odds by the model without fold k, the variance is
        :math:`\hat b^2\,\frac{K-1}{K}\sum_k (l_k - \bar l)^2` (delete-a-group jackknife; Kott 2001, Journal of Official
        Statistics 17, 521-526) plus that of the sigmoid; Student's t with K - 1 degrees of freedom, on log-odds.

        Parameters
        ----------
        table : Table
            Rows.
        level : float
            Share of intervals that should hold the true probability.

        Returns
        -------
        low, high : ndarray
            NaN where there are no models of folds.
        """
        from ..inference import quantile

        raw = self.raw(table)
        folds = self.model.members - 1
        if folds < 2:
            return np.full(len(raw), np.nan), np.full(len(raw), np.nan)
        each = np.array([self.raw(table, k) for k in range(1, folds + 1)])
        jack = (folds - 1) * each.var(axis=0) * (self.sigmoid.slope * self.spread) ** 2
        half = quantile(level, folds - 1) * np.sqrt(jack + self.sigmoid.variance(raw))
        eta = self.sigmoid.logits(raw)
        return probability(eta - half), probability(eta + half)


def probability(eta: Array) -> Array:
    """Probability from log-odds, without overflow.

    Parameters
    ----------
    eta : ndarray
        Log-odds.

    Returns
    -------
    ndarray
    """
    small = np.exp(-np.abs(eta))
    return np.where(eta >= 0, 1 / (1 + small), small / (1 + small))


def profiles(columns: Sequence[Column], codes: Sequence[NDArray[Any]], y: NDArray[Any], w: Array) -> list[Profile]:
    """Customers and leavers by code of each column.

    Parameters
    ----------
    columns : sequence of Column
        Columns that the model uses.
    codes : sequence of ndarray
        Their codes.
    y, w : ndarray
        Outcomes and weights.

    Returns
    -------
    list of Profile
    """
    return [
        Profile(np.bincount(k, w, c.size).astype(float), np.bincount(k, w * y, c.size).astype(float))
        for c, k in zip(columns, codes, strict=True)
    ]
