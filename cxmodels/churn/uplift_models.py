"""The learners behind uplift: one kind for outcomes and effects, its own or any of scikit-learn.

The own learner stacks a ridge regression on levels and broken lines with small boosted trees: with p_j the held-out
predictions of each and m the mean, the prediction is m + sum of a_j (p_j - m), a_j >= 0 by least squares on the held-out
rows (Breiman 1996, Machine Learning 24). Where nothing can be told, all a_j are 0 and everybody gets the mean, which is
the right answer for an effect that does not differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SpecError
from .balance_check import Covariates

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

FOLDS = 3
STRENGTHS = 10.0 ** np.array([1.0, 0.0, -1.0, -2.0, -3.0])  # ridge penalties per row
LEAST_TREES = 100  # rows from which trees are tried


@dataclass(frozen=True, eq=False)
class Table:
    """The customers as the learners see them.

    Parameters
    ----------
    terms : ndarray of shape (n, terms)
        Levels and broken lines, scaled, without an intercept: for the ridge.
    values : ndarray of shape (n, columns)
        Codes of numbers and levels: for trees.
    plain : ndarray of shape (n, columns)
        Numbers filled, one column per level: for learners from elsewhere.
    """

    terms: Array
    values: Array
    plain: Array

    def __len__(self) -> int:
        return len(self.terms)

    def take(self, rows: Any) -> Table:
        """Some of the rows."""
        return Table(self.terms[rows], self.values[rows], self.plain[rows])

    def with_treatment(self, t: Array) -> Table:
        """The treatment as a further column, and for the ridge times every term."""
        column = t[:, None]
        return Table(
            np.hstack([self.terms, column - 0.5, self.terms * (column - 0.5)]),
            np.hstack([self.values, column]),
            np.hstack([self.plain, column]),
        )


@dataclass(frozen=True, eq=False)
class Reader:
    """Learned columns, which turn any later table into a :class:`Table`."""

    covariates: Covariates
    basis: Any

    @classmethod
    def learn(cls, frame: pd.DataFrame) -> Reader:
        """Learn the columns of the training table."""
        from .encoding import read
        from .linear import Basis

        covariates = Covariates.learn(frame)
        table = read(frame, covariates.columns)
        basis = Basis.learn(covariates.columns, table, np.ones(len(frame)))
        if not len(basis.owner):
            raise DataError(
                f"None of the {frame.shape[1]} columns differs between customers; give columns that tell them apart."
            )
        return cls(covariates, basis)

    def table(self, frame: pd.DataFrame) -> Table:
        """Read a table."""
        from .encoding import read

        found = read(frame, self.covariates.columns)
        columns = zip(self.covariates.columns, found.values, strict=True)
        values = np.column_stack(
            [c.codes(v).astype(float) for c, v in columns]
        )  # at most 129 codes, so binned at once
        return Table(self.basis.matrix(found)[:, 1:], values, self.covariates.matrix(frame))


Predictor = Callable[[Table], Array]


def learn(model: Any, table: Table, y: Array, w: Array, chance: bool, seed: int) -> Predictor:
    """Fit a learner.

    Parameters
    ----------
    model : estimator or None
        A scikit-learn classifier or regressor, which is cloned; None for the own learner.
    table : Table
    y, w : ndarray of shape (n,)
        Outcome and weights.
    chance : bool
        Whether the outcome is 0 or 1 and its chance is wanted.
    seed : int

    Returns
    -------
    callable
        From a Table to predictions (n,).

    Raises
    ------
    SpecError
        If the model cannot do what is asked of it.
    """
    if chance and len(np.unique(y)) < 2:
        mean = float(y[0])
        return lambda t: np.full(len(t), mean)
    return _own(table, y, w, chance, seed) if model is None else _foreign(model, table, y, w, chance)


def _foreign(model: Any, table: Table, y: Array, w: Array, chance: bool) -> Predictor:
    """A learner of scikit-learn's; classifiers give chances, regressors numbers."""
    from sklearn.base import clone, is_classifier
    from sklearn.utils.validation import has_fit_parameter

    own = clone(model)
    weighted = has_fit_parameter(own, "sample_weight")
    if not weighted and np.ptp(w) > 0:
        raise SpecError(
            f"{type(model).__name__} takes no weights; choose another learner, or fit without sample_weight."
        )
    classifies = is_classifier(own)
    if classifies and not chance:
        raise SpecError(
            f"{type(model).__name__} is a classifier, but effects and amounts are numbers; give a regressor."
        )
    if classifies and not hasattr(own, "predict_proba"):
        raise SpecError(f"{type(model).__name__} gives no probabilities; choose a classifier with predict_proba.")
    target = y.astype(int) if classifies else y
    own.fit(table.plain, target, **({"sample_weight": w} if weighted else {}))
    if classifies:
        return lambda t: np.asarray(own.predict_proba(t.plain)[:, 1], dtype=float)
    return lambda t: np.asarray(own.predict(t.plain), dtype=float)


@dataclass(frozen=True, eq=False)
class Stacked:
    """The own learner, fitted."""

    mean: float
    coef: Array
    trees: Any
    shares: Array
    chance: bool

    def __call__(self, table: Table) -> Array:
        """Predict."""
        out = np.full(len(table), self.mean)
        if self.shares[0] > 0:
            out += self.shares[0] * (_ridge_predict(table.terms, self.coef, self.chance) - self.mean)
        if self.shares[1] > 0:
            out += self.shares[1] * (_tree_predict(self.trees, table.values) - self.mean)
        return np.clip(out, 1e-4, 1 - 1e-4) if self.chance else out


def _own(table: Table, y: Array, w: Array, chance: bool, seed: int) -> Stacked:
    """Ridge and trees, held out, stacked, and fitted to all rows."""
    from scipy.optimize import nnls

    n = len(y)
    fold = folds_of(y if chance else np.zeros(n), FOLDS, seed)
    ridge, trees = np.zeros((n, len(STRENGTHS))), np.zeros(n)
    with_trees = n >= LEAST_TREES
    for k in range(FOLDS):
        out, held = fold != k, fold == k
        if chance and len(np.unique(y[out])) < 2:
            ridge[held] = trees[held] = y[out].mean()
            continue
        path = _ridge_path(table.terms[out], y[out], w[out], chance)
        ridge[held] = np.column_stack([_ridge_predict(table.terms[held], b, chance) for b in path])
        if with_trees:
            trees[held] = _tree_predict(_grow(table.values[out], y[out], w[out], chance, seed), table.values[held])
    mean = float(np.average(y, weights=w))
    best = int(np.argmin(w @ (ridge - y[:, None]) ** 2))
    parts = np.column_stack([ridge[:, best], trees if with_trees else np.full(n, mean)]) - mean
    root = np.sqrt(w / w.sum())
    shares, _ = nnls(parts * root[:, None], (y - mean) * root)
    coef = _ridge_path(table.terms, y, w, chance)[best] if shares[0] > 0 else np.empty(0)
    forest = _grow(table.values, y, w, chance, seed) if shares[1] > 0 else None
    return Stacked(mean, coef, forest, shares, chance)


def folds_of(strata: Array, folds: int, seed: int) -> Rows:
    """Fold of each row: drawn at random, each stratum spread evenly.

    Parameters
    ----------
    strata : ndarray of shape (n,)
    folds, seed : int

    Returns
    -------
    ndarray of shape (n,)
    """
    order = np.random.default_rng(seed).permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    out = np.empty(len(strata), dtype=np.intp)
    out[order] = np.arange(len(strata)) % folds
    return out


def _ridge_path(x: Array, y: Array, w: Array, chance: bool) -> list[Array]:
    """Coefficients, intercept first, from the strongest penalty to the weakest."""
    from .linear import fit, null_model

    design = np.column_stack([np.ones(len(y)), x])
    if chance:
        out, start = [], null_model(design, y, w)
        for strength in STRENGTHS:
            start = fit(design, y, w, 0.0, float(strength), start, tolerance=1e-5)
            out.append(start)
        return out
    share = w / w.sum()
    mean = share @ x
    centred = x - mean
    values, vectors = np.linalg.eigh((centred * share[:, None]).T @ centred)
    target = vectors.T @ (centred.T @ (share * (y - share @ y)))
    slopes = [vectors @ (target / (np.maximum(values, 0) + s)) for s in STRENGTHS]
    return [np.append(share @ y - mean @ b, b) for b in slopes]


def _ridge_predict(x: Array, b: Array, chance: bool) -> Array:
    eta = b[0] + x @ b[1:]
    return 1 / (1 + np.exp(-np.clip(eta, -500, 500))) if chance else eta


def _grow(x: Array, y: Array, w: Array, chance: bool, seed: int) -> Any:
    """Small trees by least squares: on 0 and 1 these are chances, too. Effects hide in more noise, so theirs are slower."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    rate, part = (0.08, 100) if chance else (0.04, 40)
    model = HistGradientBoostingRegressor(
        max_iter=80, learning_rate=rate, max_leaf_nodes=5, min_samples_leaf=max(20, len(y) // part), l2_regularization=10.0,
        early_stopping=False, random_state=seed,
    )  # fmt: skip
    with threadpool_limits(1 if len(y) < 100_000 else None, user_api="openmp"):  # with few rows threads only wait
        return model.fit(x, y, sample_weight=w if np.ptp(w) > 0 else None)


def _tree_predict(model: Any, x: Array) -> Array:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1 if len(x) < 100_000 else None, user_api="openmp"):
        return np.asarray(model.predict(x), dtype=float)
