"""Weights that make up for who answered, from what is known of everybody who was asked.

The chance to answer is estimated from the columns of the base, and its inverse weights those who did (Little 1986, International
Statistical Review 54; Little and Rubin 2019, *Statistical Analysis with Missing Data*, ch. 3): right where, among people alike
in these columns, answering is a matter of chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..churn.balance_check import Covariates
from ..errors import DataError, EstimationError, SpecError, near
from .weighting import Weighting

Array = NDArray[np.float64]

_STEPS = 60
_RIDGE = 0.5  # half a row's worth, against levels in which nobody answered


def response_weights(base: pd.DataFrame, answered: ArrayLike, columns: Sequence[str]) -> Weighting:
    """Weight those who answered by the inverse of their chance to.

    Parameters
    ----------
    base : DataFrame of shape (n, columns)
        Everybody who was asked, whether they answered or not.
    answered : array-like of shape (n,)
        True or False, or 1 and 0.
    columns : sequence of str
        What the chance depends on: numbers, or categories as levels; a blank is a level of its own.

    Returns
    -------
    Weighting
        Of those who answered; its margins compare them with the base before and after.

    Raises
    ------
    DataError
        For columns that are missing, or if everybody or nobody answered.
    SpecError
        Without a column.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.fieldwork import response_weights
    >>> base = pd.DataFrame({"age": ["old"] * 50 + ["young"] * 50})
    >>> found = response_weights(base, [1] * 40 + [0] * 10 + [1] * 10 + [0] * 40, ["age"])
    >>> found.margins[["category", "target", "before"]].values.tolist()
    [['old', 0.5, 0.8], ['young', 0.5, 0.2]]
    >>> found.margins["after"].round(1).tolist()
    [0.5, 0.5]
    """
    names = [columns] if isinstance(columns, str) else list(columns)
    if not names:
        raise SpecError("response_weights needs at least one column that is known of everybody.")
    for name in names:
        if name not in base:
            raise DataError(f"The base has no column '{name}'.{near(str(name), map(str, base.columns))}")
    here = _answered(answered, len(base))
    learned = Covariates.learn(base[names])
    matrix = learned.matrix(base[names])
    used = matrix[:, ~learned.references & (np.ptp(matrix, axis=0) > 0)]
    design = np.column_stack([np.ones(len(base)), (used - used.mean(axis=0)) / used.std(axis=0)])
    chance, _ = chance_to_answer(design, here.astype(float), np.ones(len(base)))
    w = 1 / chance[here]
    w = w / w.mean()
    margins = pd.DataFrame([_split(n) for n in learned.names], columns=["column", "category"]).assign(
        target=matrix.mean(axis=0), before=matrix[here].mean(axis=0), after=w @ matrix[here] / w.sum()
    )
    weights = pd.Series(w, base.index[here], name="weight")
    return Weighting(weights, margins, float(w.sum() ** 2 / (w @ w)), "inverse propensity to answer")


def chance_to_answer(design: Array, answered: Array, w: Array, start: Array | None = None) -> tuple[Array, Array]:
    """Chance to answer, by a logistic regression with a slight ridge that keeps empty cells finite.

    Parameters
    ----------
    design : ndarray of shape (n, k)
        Intercept and standardised columns.
    answered : ndarray of shape (n,)
        1 for those who did.
    w : ndarray of shape (n,)
        Weights.
    start : ndarray of shape (k,), optional
        Coefficients to start from.

    Returns
    -------
    chance : ndarray of shape (n,)
    coefficients : ndarray of shape (k,)

    Raises
    ------
    EstimationError
        If there is no finite estimate.
    """
    rate = float(w @ answered / w.sum())
    if not 0 < rate < 1:
        raise EstimationError("Everybody or nobody answered.")
    b = np.append(np.log(rate / (1 - rate)), np.zeros(design.shape[1] - 1)) if start is None else start.copy()
    ridge = np.full(design.shape[1], _RIDGE)
    ridge[0] = 0.0
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(design @ b, -500, 500)))
        information = (design * (w * p * (1 - p))[:, None]).T @ design + np.diag(ridge)
        try:
            step = np.linalg.solve(information, design.T @ (w * (answered - p)) - ridge * b)
        except np.linalg.LinAlgError:
            raise EstimationError("The columns of the chance to answer repeat each other.") from None
        b = b + step * min(1.0, 5 / max(float(np.abs(design @ step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            return 1 / (1 + np.exp(-(design @ b))), b
    raise EstimationError("The regression of answering did not converge.")


def _answered(given: Any, n: int) -> NDArray[np.bool_]:
    """Who answered."""
    values = pd.Series(np.asarray(given))
    if len(values) != n:
        raise DataError(f"answered has {len(values)} entries for {n} rows of the base; give one each.")
    if not values.isin([0, 1]).all():
        raise DataError(
            f"answered must be True or False in every row, but holds '{values[~values.isin([0, 1])].iloc[0]}'."
        )
    here = values.to_numpy(dtype=bool)
    if here.all() or not here.any():
        raise DataError(f"{'Everybody' if here.all() else 'Nobody'} of {n} answered, so there is nothing to weight.")
    return here


def _split(name: str) -> tuple[str, str]:
    """Column and level of a term; numbers have their mean."""
    column, _, level = name.rpartition(": ")
    return (column, level) if column else (name, "mean")
