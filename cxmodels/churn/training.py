"""From labelled rows to a fitted model: totals tried, noise left out, candidates compared, the chosen one fitted to all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from . import boosted, linear, totals
from .calibration import Sigmoid
from .encoding import Table, learn, read
from .scorer import Foreign, Profile, Scorer, Trees, profiles
from .selection import (
    BOOST_FROM,
    DEFAULT_PENALTY,
    SHAPES,
    Problem,
    Trial,
    choose,
    fit_foreign,
    hold_out,
    mean_se,
    name_of,
    row_hash,
    run,
    try_all,
)

Array = NDArray[np.float64]

JUDGE = "boosted"  # the candidate by which columns are judged: fast, and it sees all kinds of effects
BACKGROUND = 200  # rows against which reasons of a plugged-in classifier are taken


@dataclass(frozen=True, eq=False)
class Training:
    """What fitting found.

    Parameters
    ----------
    scorer : Scorer
        The model.
    candidates : DataFrame
        Comparison of the candidates.
    columns : DataFrame
        [column, decision, log_loss_difference, se]: columns that were added or left out by cross-validation.
    trial : Trial or None
        The chosen candidate while held out.
    rows : ndarray of int
        Training rows to which the trial's rows belong.
    """

    scorer: Scorer
    candidates: pd.DataFrame
    columns: pd.DataFrame
    trial: Trial | None
    rows: NDArray[np.intp]


@dataclass(frozen=True)
class Options:
    """Arguments of :class:`cxmodels.Churn` that training needs."""

    candidates: tuple[Any, ...]
    totals: bool
    drop_noise: bool
    folds: int
    selection_rows: int
    seed: int
    n_jobs: int


def train(
    frame: pd.DataFrame,
    y: NDArray[np.intp],
    w: Array,
    options: Options,
    beside: Iterable[str] = (),
    customer: NDArray[np.uint64] | None = None,
) -> Training:
    """Fit a churn model.

    Parameters
    ----------
    frame : DataFrame
        Training rows.
    y : ndarray of int
        1 for customers who left.
    w : ndarray of float
        Weights, all positive.
    options : Options
        How.
    beside : iterable of str
        Columns that may be parts of totals, but are not used by themselves.
    customer : ndarray of uint64, optional
        A hash of the customer of each row; customers are held out whole.

    Returns
    -------
    Training
    """
    few = min(w[y == 1].sum(), w[y == 0].sum()) < BOOST_FROM
    candidates = tuple(c for c in options.candidates if not (few and c in SHAPES)) or ("linear",)
    full = _problem(frame, y, w, (), options)
    rows = _sample(full.table, options, customer)
    who = None if customer is None else customer[rows]
    fold = hold_out(full.table.take(rows), y[rows], w[rows], options.folds, options.seed, who)
    hidden = set(beside)
    decisions: list[tuple[str, str, float, float]] = []
    known: list[Trial] = []
    if len(fold) and not few:
        full, known = _with_totals(full, frame, rows, fold, hidden, options, decisions)
        if options.drop_noise:
            known = _without_noise(full.take(rows, fold), known, hidden, decisions)
    columns = full.columns
    used = tuple(j for j, c in enumerate(columns) if c.name not in hidden)
    full = full.keep(used)
    full = replace(full, basis=full.terms())
    problem = full.take(rows, fold)
    if problem.folds:
        trials = try_all(problem, candidates, known)
        trial, compared = choose(problem, trials)
    else:
        trial, compared = None, pd.DataFrame({"model": ["linear"], "chosen": [True]})
    chosen = next((c for c in candidates if trial and name_of(c) == trial.name), "linear")
    model, profile = _finish(full, chosen, trial)
    spread = float(np.sqrt(w[rows].sum() / w.sum()))
    sigmoid = trial.sigmoid if trial else Sigmoid()
    scorer = Scorer(name_of(chosen), columns, used, model, sigmoid, profile, spread)
    table_of = pd.DataFrame(decisions, columns=["column", "decision", "log_loss_difference", "se"])
    return Training(scorer, compared, table_of, trial, rows)


def _problem(
    frame: pd.DataFrame, y: NDArray[np.intp], w: Array, derived: Sequence[totals.Derived], options: Options
) -> Problem:
    """All rows, learned and read."""
    columns = learn(frame, w, derived)
    table = read(frame, columns)
    codes = [c.codes(v) for c, v in zip(columns, table.values, strict=True)]
    nothing = np.empty(0, dtype=np.intp)
    return Problem(columns, Table(table.values, []), codes, y, w, nothing, options.seed, options.n_jobs)


def _sample(table: Table, options: Options, customer: NDArray[np.uint64] | None) -> NDArray[np.intp]:
    """Rows on which choices are made: all, or those with the lowest hashes, of their content or their customer."""
    if table.rows <= options.selection_rows:
        return np.arange(table.rows)
    seed = options.seed + 1
    mark = row_hash(table, seed) if customer is None else pd.util.hash_array(customer ^ np.uint64(seed))
    return np.sort(np.argsort(mark, kind="stable")[: options.selection_rows])


def _judged(problem: Problem, hidden: set[str]) -> Trial:
    """The judge's trial on the columns that are not hidden."""
    return try_all(problem.keep([j for j, c in enumerate(problem.columns) if c.name not in hidden]), [JUDGE])[0]


def _with_totals(
    full: Problem,
    frame: pd.DataFrame,
    rows: NDArray[np.intp],
    fold: NDArray[np.intp],
    hidden: set[str],
    options: Options,
    decisions: list[Any],
) -> tuple[Problem, list[Trial]]:
    """Add totals, then ratios, each if the log-loss falls by more than a standard error."""
    numbers = {c.name: v for c, v in zip(full.columns, full.table.values, strict=True) if c.kind == "number"}
    sums, ratios = totals.proposed(numbers) if options.totals else ([], [])
    if not sums and not options.drop_noise:  # nothing to judge
        return full, []
    trial = _judged(full.take(rows, fold), hidden)
    added: list[totals.Derived] = []
    for more in (sums, ratios):
        if not more or (more is ratios and not added):
            continue
        wider = _problem(frame, full.y, full.w, [*added, *more], options)
        rival = _judged(wider.take(rows, fold), hidden)
        gain, se = mean_se(rival.loss - trial.loss, full.w[rows])
        took = gain < -se
        decisions += [(name, "added" if took else "not added", gain, se) for name, _, _ in more]
        if took:
            full, trial, added = wider, rival, [*added, *more]
    return full, [trial]


def _without_noise(problem: Problem, known: list[Trial], hidden: set[str], decisions: list[Any]) -> list[Trial]:
    """Leave out columns that held-out rows do not miss, if leaving them out lowers the log-loss."""
    open_ = [j for j, c in enumerate(problem.columns) if c.name not in hidden]
    harm = _harm(problem.keep(open_), known[0])
    noise = [problem.columns[j].name for j, h in zip(open_, harm, strict=True) if h <= 0]
    if not noise or len(noise) == len(open_):
        return known
    rival = _judged(problem, hidden | set(noise))
    gain, se = mean_se(rival.loss - known[0].loss, problem.w)
    took = gain < 0
    decisions += [(name, "left out as noise" if took else "kept", gain, se) for name in noise]
    if took:
        hidden |= set(noise)
        return [rival]
    return known


def _harm(problem: Problem, trial: Trial) -> Array:
    """Rise of the held-out log-loss when a column's values are shuffled among the held-out rows."""
    rng = np.random.default_rng(problem.seed)

    def fold(k: int) -> Array:
        held = problem.split(k)[1]
        forest, y, w = trial.members[k], problem.y[held], problem.w[held]
        codes = [c[held] for c in problem.codes]
        asked = {int(j) for t in forest.trees for j in t.column if j >= 0}
        out = np.zeros(len(codes))
        right = forest.logits(codes)
        for j in sorted(asked):
            mixed = list(codes)
            mixed[j] = codes[j][orders[k]]
            wrong = forest.logits(mixed)
            out[j] = w @ (np.logaddexp(0, wrong) - y * wrong - np.logaddexp(0, right) + y * right)
        return out

    orders = [rng.permutation(int((problem.fold == k).sum())) for k in range(problem.folds)]
    return np.sum(run([partial(fold, k) for k in range(problem.folds)], problem.n_jobs), axis=0)


def _finish(full: Problem, chosen: Any, trial: Trial | None) -> tuple[linear.Linear | Trees | Foreign, list[Profile]]:
    """The chosen candidate fitted to all rows, with the models of the folds behind it."""
    profile = profiles(full.columns, full.codes, full.y, full.w)
    members = trial.members if trial else []
    if isinstance(chosen, str) and chosen != "linear":
        return _trees(full, SHAPES[chosen], trial.setting if trial else 0, members), profile
    basis = full.terms()
    X = basis.matrix(full.table)
    if chosen != "linear":
        few = full.table.take(np.argsort(row_hash(full.table, full.seed))[:BACKGROUND])
        return Foreign(basis, [fit_foreign(chosen, X, full.y, full.w, full.seed), *members], few), profile
    share, strength = trial.setting if trial else DEFAULT_PENALTY
    start = linear.null_model(X, full.y.astype(float), full.w)
    (coef,) = run([partial(linear.fit, X, full.y.astype(float), full.w, share, strength, start)], 1)
    model = basis.model(np.array([coef, *members]))
    means = [full.w @ e.of(v) / full.w.sum() for e, v in zip(model.effects, full.table.values, strict=True)]
    return model, [replace(p, mean_effect=float(m)) for p, m in zip(profile, means, strict=True)]


def _trees(full: Problem, shape: boosted.Shape, trees: int, members: list[boosted.Forest]) -> Trees:
    """Boosted trees fitted to all rows, with one thread as long as the rows are few: then threads only wait."""

    def grow() -> boosted.Forest:
        return boosted.grow(full.columns, full.codes, full.y, full.w, shape, full.seed, trees=trees)[0]

    final = grow() if len(full.y) > 100_000 else run([grow], 1)[0]
    model = Trees([final, *members], tuple(c.size for c in full.columns))
    return replace(model, background=model.tables.background(full.codes, full.w))
