"""Choosing among candidates by cross-validated log-loss, the simpler one where the difference is within one standard error.

The order of simplicity is linear, additive, pairwise, boosted, deep. All candidates are judged on the same folds, after
the sigmoid that the chosen one would get, so differences are paired row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import SpecError, described, listed, near
from . import boosted, linear
from .calibration import Sigmoid, fit_sigmoid
from .encoding import Codes, Column, Table

Array = NDArray[np.float64]

SHAPES = {
    "additive": boosted.Shape(leaves=4, alone=True, trees=400),
    "pairwise": boosted.Shape(leaves=4, depth=2, columns=0.5),
    "boosted": boosted.Shape(leaves=4, ridge=0.0),
    "deep": boosted.Shape(leaves=16, rate=0.07, columns=0.5, ridge=0.0, least_rows=10),
}
CANDIDATES = ("linear", *SHAPES)
BOOST_FROM = (
    150  # rows of each outcome from which trees are tried: they need far more than a regression (van der Ploeg 2014)
)
DEFAULT_PENALTY = (0.0, 1e-3)


@dataclass(frozen=True, eq=False)
class Problem:
    """The rows on which candidates are judged.

    Parameters
    ----------
    columns : tuple of Column
        What the table means.
    table : Table
        Values.
    codes : list of ndarray
        Codes of the values.
    y : ndarray of int
        0 or 1.
    w : ndarray of float
        Weights.
    fold : ndarray of int
        Fold in which each row is held out; empty where there are too few rows to hold any out.
    seed : int
        For the trees.
    n_jobs : int
        Fits at a time.
    basis : Basis, optional
        Terms of the linear model, learned from all rows where these are some of them.
    """

    columns: tuple[Column, ...]
    table: Table
    codes: list[Codes]
    y: NDArray[np.intp]
    w: Array
    fold: NDArray[np.intp]
    seed: int
    n_jobs: int
    basis: linear.Basis | None = None

    @property
    def folds(self) -> int:
        """Number of folds."""
        return int(self.fold.max()) + 1 if len(self.fold) else 0

    def keep(self, which: Sequence[int]) -> Problem:
        """The same rows with some of the columns."""
        return replace(
            self,
            columns=tuple(self.columns[j] for j in which),
            table=Table([self.table.values[j] for j in which], []),
            codes=[self.codes[j] for j in which],
            basis=None,
        )

    def take(self, rows: NDArray[np.intp], fold: NDArray[np.intp]) -> Problem:
        """Some of the rows, with their folds."""
        return replace(
            self,
            table=self.table.take(rows),
            codes=[c[rows] for c in self.codes],
            y=self.y[rows],
            w=self.w[rows],
            fold=fold,
        )

    def terms(self) -> linear.Basis:
        """Terms of the linear model."""
        return self.basis or linear.Basis.learn(self.columns, self.table, self.w)

    def split(self, k: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows to train on and rows held out."""
        return np.flatnonzero(self.fold != k), np.flatnonzero(self.fold == k)


@dataclass(frozen=True, eq=False)
class Trial:
    """A candidate after cross-validation.

    Parameters
    ----------
    name : str
        Of the candidate.
    raw : ndarray of shape (n,)
        Log-odds of every row while held out.
    sigmoid : Sigmoid
        Learned from these.
    loss : ndarray of shape (n,)
        Log-loss of every row after the sigmoid.
    members : list
        The model of each fold: coefficients or forest.
    setting : object
        What was chosen within: a penalty or the number of trees.
    """

    name: str
    raw: Array
    sigmoid: Sigmoid
    loss: Array
    members: list[Any]
    setting: Any


def hold_out(
    table: Table,
    y: NDArray[np.intp],
    w: Array,
    folds: int,
    seed: int,
    customer: NDArray[np.uint64] | None = None,
) -> NDArray[np.intp]:
    """Fold of each row, from the row's content: any order of rows gives the same folds, and equal rows stay together.

    Distinct rows are dealt out in turn, ordered by outcome and then by a seeded hash, so folds are stratified. Where
    distinct rows are few (below 100 in a table of 100 rows or more) equal rows are dealt out singly. Rows of one
    customer stay together where customers are named.

    Parameters
    ----------
    table : Table
        Values.
    y : ndarray of int
        0 or 1.
    w : ndarray of float
        Weights.
    folds : int
        Number wanted; fewer where an outcome has fewer distinct rows.
    seed : int
        Seed.
    customer : ndarray of uint64, optional
        A hash of the customer of each row.

    Returns
    -------
    ndarray of int
        Empty where not even two folds have both outcomes.
    """
    mark = row_hash(table, seed) if customer is None else pd.util.hash_array(customer ^ np.uint64(seed))
    distinct, group = np.unique(mark, return_inverse=True)
    if customer is None and len(distinct) < 100 <= w.sum():
        group = np.lexsort((mark, y)).argsort()
        distinct = np.arange(len(y), dtype=np.uint64)
    share = np.bincount(group, w * y) / np.bincount(group, w)
    folds = min(folds, int((share > 0).sum()), int((share < 1).sum()))
    if folds < 2:
        return np.empty(0, dtype=np.intp)
    dealt = np.empty(len(distinct), dtype=np.intp)
    dealt[np.lexsort((distinct, share))] = np.arange(len(distinct)) % folds
    return dealt[group]


def row_hash(table: Table, seed: int) -> NDArray[np.uint64]:
    """A number per row from its values and a seed.

    Parameters
    ----------
    table : Table
        Values.
    seed : int
        Seed.

    Returns
    -------
    ndarray of uint64
    """
    out = np.full(table.rows, seed, dtype=np.uint64)
    for values in table.values:
        out = out * np.uint64(1_000_003) ^ pd.util.hash_array(np.ascontiguousarray(values))
    return pd.util.hash_array(out)


def check_candidates(names: Any) -> tuple[Any, ...]:
    """Check the names of candidates.

    Parameters
    ----------
    names : str, estimator or iterable of these
        What the caller asked for.

    Returns
    -------
    tuple
        Names and scikit-learn classifiers, the known names first in their order of simplicity.

    Raises
    ------
    SpecError
        For a name that is not known, something else than a classifier, or nothing at all.
    """
    if not isinstance(names, str | Iterable) or hasattr(names, "columns") or hasattr(names, "codebook"):
        raise SpecError(
            f"candidates are names of models, some of {listed(CANDIDATES)}, or classifiers, not {described(names)}."
        )
    asked = [names] if isinstance(names, str) or hasattr(names, "fit") else list(names)
    for one in asked:
        if isinstance(one, str) and one not in CANDIDATES:
            raise SpecError(f"There is no candidate '{one}'; there are {listed(CANDIDATES)}.{near(one, CANDIDATES)}")
        if not isinstance(one, str) and not (hasattr(one, "fit") and hasattr(one, "predict_proba")):
            raise SpecError(
                f"A candidate must be a name or a classifier with predict_proba, not {type(one).__name__}."
            )
    if not asked:
        raise SpecError(f"No candidate is given; name some of {listed(CANDIDATES)}.")
    return (*(n for n in CANDIDATES if n in asked), *(e for e in asked if not isinstance(e, str)))


def try_all(problem: Problem, candidates: Iterable[Any], given: Sequence[Trial] = ()) -> list[Trial]:
    """Cross-validate candidates, all fits in one pool.

    Parameters
    ----------
    problem : Problem
        Rows and folds.
    candidates : iterable
        Names and classifiers.
    given : sequence of Trial
        Trials that exist already and need not be repeated.

    Returns
    -------
    list of Trial
    """
    known = {t.name: t for t in given}
    wanted = [c for c in candidates if not (isinstance(c, str) and c in known)]
    jobs: list[Callable[[], Any]] = []
    X = np.empty((0, 0))
    if any(c == "linear" or not isinstance(c, str) for c in wanted):
        X = problem.terms().matrix(problem.table)
    for candidate in wanted:
        for k in range(problem.folds):
            if candidate == "linear":
                jobs.append(partial(_linear_fold, problem, X, k))
            elif isinstance(candidate, str):
                jobs.append(partial(_boosted_fold, problem, SHAPES[candidate], k))
            else:
                jobs.append(partial(_foreign_fold, problem, X, candidate, k))
    done = run(jobs, problem.n_jobs)
    for i, candidate in enumerate(wanted):
        folds = done[i * problem.folds : (i + 1) * problem.folds]
        trial = _trial(problem, candidate, folds)
        known[trial.name] = trial
    return [known[name_of(c)] for c in candidates]


def name_of(candidate: Any) -> str:
    """Name of a candidate: its own, or the class of a classifier.

    Parameters
    ----------
    candidate : str or estimator
        The candidate.

    Returns
    -------
    str
    """
    return candidate if isinstance(candidate, str) else type(candidate).__name__


def run(jobs: Sequence[Callable[[], Any]], n_jobs: int) -> list[Any]:
    """Run fits in threads, each with one thread of its own for linear algebra and trees: same numbers however many.

    Parameters
    ----------
    jobs : sequence of callables
        The fits.
    n_jobs : int
        How many at a time; -1 for all processors.

    Returns
    -------
    list
        Their answers in order.
    """
    from joblib import Parallel, delayed
    from threadpoolctl import threadpool_limits

    def alone(job: Callable[[], Any]) -> Any:
        with threadpool_limits(1):
            return job()

    if n_jobs == 1 or len(jobs) < 2:
        return [alone(job) for job in jobs]
    return list(Parallel(n_jobs=n_jobs, prefer="threads")(delayed(alone)(job) for job in jobs))


def choose(problem: Problem, trials: Sequence[Trial]) -> tuple[Trial, pd.DataFrame]:
    """The simplest candidate within one standard error of the best.

    The standard error is that of the paired difference in log-loss, row by row; that of each loss by itself would hide
    differences that all rows agree on.

    Parameters
    ----------
    problem : Problem
        Rows and weights.
    trials : sequence of Trial
        From the simplest.

    Returns
    -------
    chosen : Trial
    table : DataFrame
        [model, log_loss, se, auc, difference, difference_se, ci_lower, ci_upper, chosen]; differences from the lowest loss,
        with 95 % intervals.
    """
    from .ranking import auc

    best = min(trials, key=lambda t: float(problem.w @ t.loss))
    rows = []
    chosen = None
    for trial in trials:
        loss, se = mean_se(trial.loss, problem.w)
        difference, spread = mean_se(trial.loss - best.loss, problem.w)
        if chosen is None and difference <= spread + 1e-12:
            chosen = trial
        rows.append(
            {
                "model": trial.name,
                "log_loss": loss,
                "se": se,
                "auc": auc(problem.y, trial.raw, weights=problem.w),
                "difference": difference,
                "difference_se": spread,
                "ci_lower": difference - 1.96 * spread,
                "ci_upper": difference + 1.96 * spread,
                "chosen": trial is chosen,
            }
        )
    return chosen or best, pd.DataFrame(rows)


def mean_se(x: Array, w: Array) -> tuple[float, float]:
    """Weighted mean and its standard error.

    Parameters
    ----------
    x, w : ndarray
        Values and weights.

    Returns
    -------
    mean, se : float
    """
    mean = float(w @ x / w.sum())
    return mean, float(np.sqrt(w**2 @ (x - mean) ** 2) / w.sum())


def _trial(problem: Problem, candidate: Any, folds: list[Any]) -> Trial:
    """Put the folds of a candidate together and choose its penalty or number of trees."""
    setting: Any = None
    members = [model for model, _ in folds]
    held = [problem.split(k)[1] for k in range(problem.folds)]
    raw = np.empty(len(problem.y))
    if isinstance(candidate, str):
        best = _best(problem, held, [path for _, path in folds], one_se=candidate == "linear")
        for rows, (_, path) in zip(held, folds, strict=True):
            raw[rows] = path[best]
        if candidate == "linear":
            setting, members = linear.PENALTIES[best], [m[best] for m in members]
        else:
            setting, members = best + 1, [boosted.Forest(m.base, m.trees[: best + 1]) for m in members]
    else:
        for rows, (_, path) in zip(held, folds, strict=True):
            raw[rows] = path
    sigmoid = fit_sigmoid(raw, problem.y, problem.w)
    eta = sigmoid.logits(raw)
    return Trial(name_of(candidate), raw, sigmoid, np.logaddexp(0, eta) - problem.y * eta, members, setting)


def _best(problem: Problem, held: list[NDArray[np.intp]], paths: list[Array], one_se: bool) -> int:
    """Setting with the lowest held-out loss, or the first within one standard error of it: the strongest penalty."""
    length = min(len(path) for path in paths)
    loss = [np.logaddexp(0, p[:length]) - problem.y[rows] * p[:length] for rows, p in zip(held, paths, strict=True)]
    total = np.sum([part @ problem.w[rows] for rows, part in zip(held, loss, strict=True)], axis=0)
    best = int(total.argmin())
    if not one_se:
        return best
    w = problem.w[np.concatenate(held)]
    every = np.concatenate(loss, axis=1)
    for k in range(length):
        difference, se = mean_se(every[k] - every[best], w)
        if difference <= se + 1e-12:
            return k
    return best


def _linear_fold(problem: Problem, X: Array, k: int) -> tuple[Array, Array]:
    train, held = problem.split(k)
    coef = linear.fit_path(X[train], problem.y[train].astype(float), problem.w[train])
    return coef, coef @ X[held].T


def _boosted_fold(problem: Problem, shape: boosted.Shape, k: int) -> tuple[boosted.Forest, Array]:
    train, held = problem.split(k)
    return boosted.grow(
        problem.columns,
        [c[train] for c in problem.codes],
        problem.y[train],
        problem.w[train],
        shape,
        problem.seed,
        held_out=([c[held] for c in problem.codes], problem.y[held].astype(float), problem.w[held]),
    )


def _foreign_fold(problem: Problem, X: Array, model: Any, k: int) -> tuple[Any, Array]:
    train, held = problem.split(k)
    fitted = fit_foreign(model, X[train], problem.y[train], problem.w[train], problem.seed)
    return fitted, foreign_logits(fitted, X[held])


def fit_foreign(model: Any, X: Array, y: NDArray[np.intp], w: Array, seed: int) -> Any:
    """Fit a copy of somebody's classifier on the design matrix of the linear model.

    Parameters
    ----------
    model : estimator
        Left as it is.
    X, y, w : ndarray
        Design matrix with an intercept, outcomes, weights.
    seed : int
        For its `random_state`, where it has one that is not set.

    Returns
    -------
    estimator
        Fitted.
    """
    from sklearn.base import clone
    from sklearn.utils.validation import has_fit_parameter

    copy = clone(model)
    if copy.get_params(deep=False).get("random_state", seed) is None:
        copy.set_params(random_state=seed)
    weighted = {"sample_weight": w} if has_fit_parameter(copy, "sample_weight") else {}
    return copy.fit(X[:, 1:], y, **weighted)


def foreign_logits(model: Any, X: Array) -> Array:
    """Log-odds of somebody's fitted classifier, kept finite.

    Parameters
    ----------
    model : estimator
        Fitted.
    X : ndarray
        Design matrix with an intercept.

    Returns
    -------
    ndarray
    """
    p = np.clip(model.predict_proba(X[:, 1:])[:, 1], 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))
