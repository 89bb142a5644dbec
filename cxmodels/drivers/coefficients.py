"""The model that holds all attributes at once: coefficients, their covariance, and effects of changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..inference import quantile
from .likelihood import Ordinal, probabilities
from .split import LinearSplit, OrdinalSplit
from .table import Table, filled

if TYPE_CHECKING:
    from .result import DriverResult

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Intercept or thresholds, then one coefficient for every column.

    Attributes
    ----------
    names : tuple of str
    values : ndarray of shape (k,)
    cov : ndarray of shape (k, k)
        NaN where it is not known.
    leading : int
        Intercept or thresholds.
    df : float
        Degrees of freedom of t; infinite for a normal distribution.
    kind : str
        How the standard errors came about.
    """

    names: tuple[str, ...]
    values: Array
    cov: Array
    leading: int
    df: float
    kind: str

    @property
    def slopes(self) -> Array:
        """Coefficients of the columns."""
        return self.values[self.leading :]

    def frame(self, level: float) -> pd.DataFrame:
        """Coefficients with tests.

        Parameters
        ----------
        level : float

        Returns
        -------
        DataFrame
            Index term, columns est, se, t, pvalue, ci_lower, ci_upper.
        """
        out = tested(self.values, np.sqrt(np.diagonal(self.cov)), self.df, level)
        return out.set_axis(pd.Index(self.names, name="term"))


def tested(est: Array, se: Array, df: float, level: float) -> pd.DataFrame:
    """Estimates with t, p-value and interval.

    Parameters
    ----------
    est, se : ndarray of shape (k,)
    df : float
    level : float

    Returns
    -------
    DataFrame
        Columns est, se, t, pvalue, ci_lower, ci_upper.
    """
    from scipy.special import ndtr, stdtr

    with np.errstate(invalid="ignore", divide="ignore"):
        t = est / se
    p = 2 * (ndtr(-np.abs(t)) if np.isinf(df) else stdtr(df, -np.abs(t)))
    half = quantile(level, df) * se
    return pd.DataFrame({"est": est, "se": se, "t": t, "pvalue": p, "ci_lower": est - half, "ci_upper": est + half})


def coefficients(result: DriverResult) -> Coefficients:
    """Fit the whole model, in every completed table.

    Parameters
    ----------
    result : DriverResult

    Returns
    -------
    Coefficients
        Averaged over imputations, with Rubin's covariance.
    """
    fits = [one(t, s, result.missing) for t, s in zip(result.tables_used, result.splits, strict=True)]
    if len(fits) == 1:
        return fits[0]
    values = np.stack([f.values for f in fits])
    within = np.mean([f.cov for f in fits], axis=0)
    between = np.cov(values.T)
    first = fits[0]
    total = within + (1 + 1 / len(fits)) * np.atleast_2d(between)
    return Coefficients(
        first.names, values.mean(axis=0), total, first.leading, np.inf, f"{first.kind}, Rubin's rules"
    )


def one(table: Table, split: Any, missing: str) -> Coefficients:
    """Fit the whole model to one table.

    Parameters
    ----------
    table : Table
    split : LinearSplit or OrdinalSplit
    missing : str

    Returns
    -------
    Coefficients
    """
    if isinstance(split, OrdinalSplit):
        return ordinal(split.model, table, table.columns)
    if missing == "pairwise" and np.isnan(table.x).any():
        return _from_moments(table, split)
    return linear(filled(table), table.y, table)


def linear(x: Array, y: Array, table: Table, names: tuple[str, ...] | None = None) -> Coefficients:
    """Least squares with an intercept.

    Parameters
    ----------
    x : ndarray of shape (n, q)
    y : ndarray of shape (n,)
    table : Table
        Weights, strata and clusters.
    names : tuple of str, optional
        Of the columns; by default those of the table.

    Returns
    -------
    Coefficients
        NaN for columns that others determine.
    """
    n = len(x)
    w = np.ones(n) if table.weights is None else table.weights
    center = w @ x / w.sum()
    scale = np.sqrt(w @ (x - center) ** 2 / w.sum())
    z = np.column_stack([np.ones(n), (x - center) / scale])
    gram = z.T @ (z * w[:, None])
    values, vectors = np.linalg.eigh(gram)
    tiny = values < 1e-10 * n
    bread = (vectors[:, ~tiny] / values[~tiny]) @ vectors[:, ~tiny].T
    theta = bread @ (z.T @ (w * y))
    left = y - z @ theta
    df: float = n - int((~tiny).sum())
    if simple(table):
        cov, kind = bread * (left @ left / df), "ordinary least squares"
    else:
        cov, kind = bread @ meat(z * (w * left)[:, None], table) @ bread, "linearised"
        df = freedom(table, df)
    turn = np.diag(np.concatenate([[1.0], 1 / scale]))
    turn[0, 1:] = -center / scale
    free = (vectors[:, tiny] ** 2).sum(axis=1) < 1e-8
    free[0] = True
    est, cov = turn @ theta, turn @ cov @ turn.T
    est, cov[~free], cov[:, ~free] = np.where(free, est, np.nan), np.nan, np.nan
    return Coefficients(("(intercept)", *(names or table.columns)), est, cov, 1, df, kind)


def simple(table: Table) -> bool:
    """Whether rows count alike and are drawn singly.

    Parameters
    ----------
    table : Table

    Returns
    -------
    bool
    """
    return table.weights is None and table.strata is None and table.clusters is None


def freedom(table: Table, otherwise: float) -> float:
    """Degrees of freedom of a design: units less strata.

    Parameters
    ----------
    table : Table
    otherwise : float
        Without clusters.

    Returns
    -------
    float
    """
    if table.clusters is None:
        return otherwise
    strata = 1 if table.strata is None else pd.unique(pd.Series(table.strata)).size
    return float(max(pd.unique(pd.Series(table.clusters)).size - strata, 1))


def meat(scores: Array, table: Table) -> Array:
    """Covariance of a sum of scores over a sample with strata and clusters (Binder 1983).

    Parameters
    ----------
    scores : ndarray of shape (n, k)
        Weighted.
    table : Table

    Returns
    -------
    ndarray of shape (k, k)
    """
    n = len(scores)
    cluster = np.arange(n) if table.clusters is None else pd.factorize(table.clusters)[0]
    stratum = np.zeros(n, dtype=int) if table.strata is None else pd.factorize(table.strata)[0]
    _, first, unit = np.unique(cluster, return_index=True, return_inverse=True)
    sums = np.zeros((len(first), scores.shape[1]))
    np.add.at(sums, unit, scores)
    out = np.zeros((scores.shape[1],) * 2)
    for s in np.unique(stratum):
        own = sums[stratum[first] == s]
        if len(own) > 1:
            deviation = own - own.mean(axis=0)
            out += len(own) / (len(own) - 1) * deviation.T @ deviation
    return out


def ordinal(model: Ordinal, table: Table, names: tuple[str, ...]) -> Coefficients:
    """Proportional odds; a binary logit shows an intercept in place of a threshold.

    Parameters
    ----------
    model : Ordinal
        The rows.
    table : Table
        Weights, strata and clusters.
    names : tuple of str
        Of the columns.

    Returns
    -------
    Coefficients
    """
    w = np.ones(len(table.y)) if table.weights is None else table.weights
    _, theta, _ = model.fit(w[None], np.ones((1, model.z.shape[1]), dtype=bool))
    theta = theta[0, 0]
    values = model.natural(theta)
    bread: Any = np.linalg.pinv(model.information(w, theta), hermitian=True)
    if simple(table):
        cov, kind, df = bread, "maximum likelihood", np.inf
    else:
        cov, kind = bread @ meat(model.row_scores(theta) * w[:, None], table) @ bread, "linearised"
        df = freedom(table, np.inf)
    k = model.cuts
    leading = tuple(f"threshold {i + 1}" for i in range(k)) if k > 1 else ("(intercept)",)
    if k == 1:
        sign = np.concatenate([[-1.0], np.ones(len(values) - 1)])
        values, cov = values * sign, cov * np.outer(sign, sign)
    return Coefficients((*leading, *names), values, cov, k, df, kind)


def _from_moments(table: Table, split: LinearSplit) -> Coefficients:
    """Coefficients of pairwise moments; their standard errors are for the bootstrap."""
    means, cov = split.moments(None if split.weights is None else split.weights[None])
    slope = np.linalg.pinv(cov[0, :-1, :-1], hermitian=True) @ cov[0, :-1, -1]
    values = np.concatenate([[means[0, -1] - slope @ means[0, :-1]], slope])
    unknown = np.full((len(values),) * 2, np.nan)
    return Coefficients(
        ("(intercept)", *table.columns), values, unknown, 1, np.inf, "unknown under pairwise deletion"
    )


def expected(fit: Coefficients, theta: Array, x: Array, scores: Array | None) -> Array:
    """Prediction for each row: the outcome, the chance of the event, or the mean category score.

    Parameters
    ----------
    fit : Coefficients
    theta : ndarray of shape (k,)
        Parameters to use in place of those fitted.
    x : ndarray of shape (n, q)
    scores : ndarray of shape (categories,) or None
        Value of each category; None for a linear model.

    Returns
    -------
    ndarray of shape (n,)
    """
    eta = x @ theta[fit.leading :]
    if scores is None:
        return theta[0] + eta
    cut = -theta[:1] if fit.leading == 1 else theta[: fit.leading]
    return probabilities(cut, eta) @ scores
