"""Indices that are plain means of ratings, without a model of causes: items of a construct count alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import CxError, DataError, SpecError, listed
from ..pls.table import rows_used
from ..results import Result
from ..survey import Survey

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Means:
    """Constructs as plain means of their items.

    Parameters
    ----------
    measures : mapping of construct to tuple of items

    Examples
    --------
    >>> import cxmodels as cx
    >>> fit = Means({"Satisfaction": ("CUSA1", "CUSA2")}).fit(cx.Survey(cx.datasets.load("mobi")))
    >>> fit.means.round(2).tolist()
    [7.99, 7.13]
    """

    measures: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        if nested := [c for c, items in self.measures.items() if set(items) & set(self.measures)]:
            raise SpecError(
                f"A plain mean has no dimensions: '{nested[0]}' is measured by other constructs; name items."
            )

    @property
    def items(self) -> tuple[str, ...]:
        """Items in the order of the constructs."""
        return tuple(dict.fromkeys(i for items in self.measures.values() for i in items))

    @property
    def shares(self) -> Array:
        """Share of each item in each construct (items, constructs)."""
        items = self.items
        v = np.zeros((len(items), len(self.measures)))
        for j, own in enumerate(self.measures.values()):
            v[[items.index(i) for i in own], j] = 1 / len(own)
        return v

    def fit(self, survey: Survey, weights: Any = None, missing: str = "mean") -> MeanFit:
        """Take the means of one set of rows.

        Parameters
        ----------
        survey : Survey
        weights : ndarray of shape (n,), optional
            Case weights.
        missing : {"mean", "listwise", "error"}, default "mean"
            By "mean" every item has the mean of its answers.

        Returns
        -------
        MeanFit

        Raises
        ------
        DataError
            If an item has no answer, or rows are fewer than two.
        """
        found = fit_means(self, survey, [np.arange(len(survey))], weights, missing)[0]
        if isinstance(found, CxError):
            raise found
        return found


@dataclass(frozen=True, eq=False, repr=False)
class MeanFit(Result):
    """Means of one unit's items; made by :meth:`Means.fit`.

    Attributes
    ----------
    spec : Means
    survey : Survey
    rows : ndarray of int
        Rows used, by position in the survey.
    x : ndarray of shape (n, items)
        Answers; NaN is missing.
    case_weights : ndarray of shape (n,) or None
    exclusions : tuple of (reason, rows)
    """

    spec: Means
    survey: Survey
    rows: NDArray[np.intp]
    x: Array
    case_weights: Array | None
    exclusions: tuple[tuple[str, int], ...]
    converged = True

    @property
    def case(self) -> Array:
        """Case weights, ones where there are none."""
        return np.ones(len(self.x)) if self.case_weights is None else self.case_weights

    @property
    def means(self) -> Array:
        """Mean of each item over its answers."""
        seen = ~np.isnan(self.x)
        return (self.case @ np.where(seen, self.x, 0.0)) / (self.case @ seen)

    @property
    def filled(self) -> Array:
        """Answers, blanks filled with the means."""
        return np.where(np.isnan(self.x), self.means, self.x)

    @property
    def item_names(self) -> tuple[str, ...]:
        """Items."""
        return self.spec.items

    @property
    def n_obs(self) -> int:
        """Rows used."""
        return len(self.x)

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]."""
        return pd.DataFrame(list(self.exclusions), columns=["reason", "rows"]).astype({"rows": int})

    @property
    def row_index(self) -> pd.Index:
        """Labels of the rows used, as in the data."""
        return self.survey.frame.index[self.rows]

    @property
    def quality(self) -> pd.DataFrame:
        """Items of each construct and their Cronbach's alpha, [construct, items, alpha]; NaN for one item."""
        cov = np.atleast_2d(np.cov(self.filled, rowvar=False, aweights=self.case))
        sizes, alphas = [], []
        for own in self.spec.measures.values():
            at = [self.spec.items.index(i) for i in own]
            k, part = len(at), cov[np.ix_(at, at)]
            sizes.append(k)
            whole = part.sum()
            alphas.append(k / (k - 1) * (1 - np.trace(part) / whole) if k > 1 and whole > 0 else np.nan)
        return pd.DataFrame({"construct": list(self.spec.measures), "items": sizes, "alpha": alphas})

    def negative_weights(self) -> list[str]:
        """Nothing: items count alike."""
        return []

    def headline(self) -> list[tuple[str, str]]:
        """Rows and constructs.

        Returns
        -------
        list of (label, value)
        """
        return [("Plain means", f"{len(self.spec.measures)} constructs"), ("Rows", f"{self.n_obs} used")]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Means of the items.

        Returns
        -------
        dict of DataFrame
        """
        return {"Items": pd.DataFrame({"item": self.item_names, "mean": self.means})}


def fit_means(
    spec: Means, survey: Survey, rows: Sequence[NDArray[np.intp]], weights: Array | None, missing: str
) -> list[MeanFit | CxError]:
    """Take the means of each of several sets of rows.

    Parameters
    ----------
    spec : Means
    survey : Survey
    rows : sequence of ndarray of int
    weights : ndarray of shape (n,) or None
    missing : {"mean", "listwise", "error"}

    Returns
    -------
    list of MeanFit or CxError
        For each set its means, or the error that keeps it from having any.
    """
    x, items = survey.numeric(spec.items), spec.items
    out: list[MeanFit | CxError] = []
    for own in rows:
        try:
            case = None if weights is None else weights[own]
            used, case, keep, gone = rows_used(x[own], np.isnan(x[own]), case, missing, items)
            if len(used) < 2:
                raise DataError(f"A mean with a standard error needs 2 rows or more; {len(used)} can be used.")
            if empty := [items[i] for i in np.flatnonzero(np.isnan(used).all(axis=0))]:
                raise DataError(f"Item {listed(empty)} has no answer in any of {len(used)} rows.")
            out.append(MeanFit(spec, survey, own if keep is None else own[keep], used, case, gone))
        except CxError as error:
            out.append(error)
    return out
