"""Judge a churn score: one line of measures, their intervals, candidates against each other, and backtests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import DataError, SpecError
from ..inference import quantile
from ..resampling import Replicates, Sampling, bootstrap, intervals, standard_error
from .profit import Campaign, value_of
from .ranking import Array, Ranking, check_share, outcomes, probabilities


@dataclass(frozen=True, eq=False)
class _Judge:
    """Every measure of one score as a statistic for the resampling engine."""

    ranking: Ranking
    top: float
    campaign: Campaign

    @property
    def names(self) -> list[str]:
        """Names of the measures, in order."""
        return list(self.measures(np.ones((1, len(self.ranking.y)))))

    def measures(self, g: Array) -> dict[str, Array]:
        """Measures for weightings (b, n) of the customers in the order given."""
        r, g = self.ranking, self.ranking.sorted(g)
        auc = r.auc(g)
        intercept, slope = r.calibration(g)
        out = {
            "auc": auc,
            "gini": 2 * auc - 1,
            "pr_auc": r.pr_auc(g),
            "ks": r.ks(g),
            "log_loss": r.log_loss(g),
            "brier": r.brier(g),
            "calibration_slope": slope,
            "calibration_intercept": intercept,
            "calibration_in_the_large": r.in_the_large(g),
            lift_name(self.top): r.lift(g, self.top),
        }
        return out | value_of(r, g, self.campaign)

    def __call__(self, g: Array) -> tuple[Array, Mapping[str, Any]]:
        values = np.column_stack(list(self.measures(g).values()))
        both = (g @ self._churned > 0) & (g @ (1 - self._churned) > 0)
        return np.where(both[:, None], values, np.nan), {"resamples without both outcomes": ~both}

    @property
    def _churned(self) -> Array:
        y = np.empty_like(self.ranking.y)
        y[self.ranking.order] = self.ranking.y
        return y


def lift_name(top: float) -> str:
    """Name of the lift at a share, ``lift_10`` for the top tenth.

    Parameters
    ----------
    top : float
        Share of the customers.

    Returns
    -------
    str

    Examples
    --------
    >>> lift_name(0.05)
    'lift_5'
    """
    return f"lift_{100 * top:g}"


def evaluate(
    y: ArrayLike,
    p: ArrayLike,
    *,
    top: float = 0.1,
    campaign: Campaign | None = None,
    weights: ArrayLike | None = None,
) -> pd.Series:
    """Judge probabilities of leaving by every usual measure.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    p : array-like of shape (n,)
        Probabilities of leaving.
    top : float, default 0.1
        Share of the customers at which the lift is read.
    campaign : Campaign, optional
        The money behind EMPC and MPC; the article's by default.
    weights : array-like of shape (n,), optional
        Case weights.

    Returns
    -------
    Series
        n, churners, churn_rate; auc, gini, pr_auc (average precision), ks: how well it ranks; log_loss, brier,
        calibration_slope, calibration_intercept, calibration_in_the_large: how true it is (1, 0, 0 are perfect);
        lift_10; empc, empc_share, mpc, mpc_share, contact_all, gain_over_all, gain_over_none: what it is worth per
        customer, see :func:`cxmodels.churn.campaign_value`.

    Raises
    ------
    DataError
        See :func:`cxmodels.churn.ranking.probabilities`.

    Examples
    --------
    >>> from cxmodels.churn import evaluate
    >>> y, p = [0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9]
    >>> evaluate(y, p)[["auc", "brier", "lift_10", "empc"]].round(3).to_dict()
    {'auc': 0.625, 'brier': 0.261, 'lift_10': 2.0, 'empc': 23.876}
    """
    judge = _judge(y, p, top, campaign, weights)
    g = np.ones((1, len(judge.ranking.y)))
    base = {"n": len(judge.ranking.y), "churners": int(judge.ranking.y.sum()), "churn_rate": _rate(judge)}
    return pd.Series(base | {k: float(v[0]) for k, v in judge.measures(g).items()})


def _rate(judge: _Judge) -> float:
    """Weighted churn rate."""
    g = judge.ranking.sorted()[0]
    return float(g @ judge.ranking.y / g.sum())


def _judge(y: ArrayLike, p: ArrayLike, top: float, campaign: Campaign | None, weights: ArrayLike | None) -> _Judge:
    """Checked input of all functions here."""
    truth, score = probabilities(y, p)
    return _Judge(Ranking(truth, score, weights), check_share("top", top), campaign or Campaign())  # type: ignore[arg-type]


def evaluate_intervals(
    y: ArrayLike,
    p: ArrayLike,
    *,
    n: int = 1000,
    seed: int | None = None,
    top: float = 0.1,
    campaign: Campaign | None = None,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    n_jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Judge probabilities of leaving, every measure with its bootstrap interval.

    Parameters
    ----------
    y, p, top, campaign, weights
        See :func:`evaluate`.
    n : int, default 1000
        Bootstrap replicates. Customers are drawn, the model is held: the interval is that of the judgement, not of
        training.
    seed : int, optional
        Same seed, same numbers.
    clusters : array-like of shape (n,), optional
        Drawn as a whole, such as a customer who occurs at several dates.
    level : float, default 0.95
        Confidence level.
    n_jobs : int, default 1
        Workers.
    progress : callable, optional
        Called as ``progress(done, total)``.

    Returns
    -------
    DataFrame
        Index measure: [est, se, ci_lower, ci_upper], percentile intervals.

    Raises
    ------
    DataError
        See :func:`cxmodels.churn.ranking.probabilities`.

    Examples
    --------
    >>> from cxmodels.churn import evaluate_intervals
    >>> y, p = [0, 1, 0, 1, 0, 1, 0, 1] * 20, [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9] * 20
    >>> found = evaluate_intervals(y, p, n=200, seed=1)
    >>> bool(found.ci_lower["auc"] < 0.625 < found.ci_upper["auc"])
    True
    """
    judge = _judge(y, p, top, campaign, weights)
    reps = bootstrap(
        judge, Sampling(len(judge.ranking.y), clusters=clusters), n, seed=seed, n_jobs=n_jobs, progress=progress
    )
    return _frame(reps, reps.estimate, reps.values[reps.ok], judge.names, level)


def _frame(reps: Replicates, est: Array, values: Array, names: list[str], level: float) -> pd.DataFrame:
    """Estimates, standard errors and percentile intervals by measure."""
    lower, upper = intervals(est, values, "percentile", level)
    columns = {"est": est, "se": standard_error(values), "ci_lower": lower, "ci_upper": upper}
    out = pd.DataFrame(columns, index=pd.Index(names, name="measure"))
    out.attrs.update(replicates=reps.n, failed=reps.failed, seed=reps.seed)
    return out


@dataclass(frozen=True, eq=False)
class _Several:
    """Measures of several scores of the same customers, one after the other."""

    judges: tuple[_Judge, ...]

    def __call__(self, g: Array) -> tuple[Array, Mapping[str, Any]]:
        values, notes = zip(*(j(g) for j in self.judges), strict=True)
        return np.hstack(values), notes[0]


def compare_scores(
    y: ArrayLike,
    scores: Mapping[str, ArrayLike],
    *,
    n: int = 1000,
    seed: int | None = None,
    top: float = 0.1,
    campaign: Campaign | None = None,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Compare scores of the same customers by paired bootstrap: champion against challengers.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    scores : mapping of str to array-like of shape (n,)
        Probabilities of leaving by name; the first is the champion.
    n, seed, top, campaign, weights, clusters, level, n_jobs
        See :func:`evaluate_intervals`.

    Returns
    -------
    DataFrame
        [challenger, champion, measure, est, reference, diff, se, ci_lower, ci_upper, pvalue]: the difference is
        challenger less champion on the same resamples; the p-value is two-sided from diff / se.

    Raises
    ------
    SpecError
        For fewer than two scores.
    DataError
        See :func:`cxmodels.churn.ranking.probabilities`.

    Examples
    --------
    >>> import numpy as np
    >>> from cxmodels.churn import compare_scores
    >>> y, p = [0, 1, 0, 1, 0, 1, 0, 1] * 20, np.tile([0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9], 20)
    >>> found = compare_scores(y, {"old": p, "new": p**2}, n=100, seed=1)
    >>> found.loc[found.measure == "auc", ["challenger", "champion", "measure", "diff"]]
      challenger champion measure  diff
    0        new      old     auc   0.0
    """
    from scipy.special import ndtr

    if len(scores) < 2:
        raise SpecError(f"Comparing needs at least two scores, not {len(scores)}.")
    judges = tuple(_judge(y, p, top, campaign, weights) for p in scores.values())
    sampling = Sampling(len(judges[0].ranking.y), clusters=clusters)
    reps = bootstrap(_Several(judges), sampling, n, seed=seed, n_jobs=n_jobs)
    names, k = list(scores), len(judges[0].names)
    values = reps.values[reps.ok]
    parts = []
    for i in range(1, len(names)):
        mine, first = slice(i * k, (i + 1) * k), slice(0, k)
        est, other = reps.estimate[mine], reps.estimate[first]
        table = _frame(reps, est - other, values[:, mine] - values[:, first], judges[0].names, level)
        table = table.rename(columns={"est": "diff"}).reset_index()
        with np.errstate(invalid="ignore", divide="ignore"):
            table["pvalue"] = np.where(table.se > 1e-14, 2 * ndtr(-np.abs(table["diff"] / table.se)), np.nan)
        table.insert(1, "est", est)
        table.insert(2, "reference", other)
        table.insert(0, "challenger", names[i])
        table.insert(1, "champion", names[0])
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def backtest(
    model: Any,
    X: pd.DataFrame,
    y: ArrayLike,
    splits: Any,
    *,
    groups: ArrayLike | None = None,
    top: float = 0.1,
    campaign: Campaign | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Judge a model over time: train on each past, score the window that follows it.

    Parameters
    ----------
    model : classifier
        Such as :class:`cxmodels.Churn`; a clone is fitted for every window.
    X : DataFrame of shape (n, columns)
        Features.
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    splits : splitter or iterable of (train, test)
        Row numbers, as of scikit-learn's splitters; :class:`cxmodels.churn.TimeSplit` for dated snapshots.
    groups : array-like of shape (n,), optional
        Customer of each row, passed to ``model.fit``.
    top, campaign
        See :func:`evaluate`.
    level : float, default 0.95
        Confidence level of the interval of the AUC.

    Returns
    -------
    DataFrame
        [window, trained, n, churners, churn_rate, foreseen, auc, auc_lower, auc_upper, ...], every measure of
        :func:`evaluate` by window. The interval of the AUC is that of DeLong, DeLong and Clarke-Pearson (1988).

    Raises
    ------
    DataError
        If a window lacks churners or stayers (named by number), or there is none.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cxmodels.churn import backtest
    >>> x = pd.DataFrame({"x": np.arange(40.0) % 7})
    >>> y = (np.arange(40) % 7 > 3).astype(int)
    >>> backtest(LogisticRegression(), x, y, [(np.arange(20), np.arange(20, 40))])[["window", "n", "auc"]]
       window   n  auc
    0       1  20  1.0
    """
    from sklearn.base import clone

    truth = np.asarray(y)
    pairs = splits.split(X, truth) if hasattr(splits, "split") else splits
    rows: list[dict[str, Any]] = []
    for i, (train, test) in enumerate(pairs, start=1):
        who = {} if groups is None else {"groups": np.asarray(groups)[train]}
        fitted = clone(model).fit(X.iloc[train], truth[train], **who)
        p = fitted.predict_proba(X.iloc[test])[:, 1]
        try:
            found = evaluate(truth[test], p, top=top, campaign=campaign)
        except DataError as error:
            raise DataError(f"Window {i} of the backtest cannot be judged: {error}") from None
        half = quantile(level) * auc_se(truth[test], p)
        rows.append(
            {
                "window": i,
                "trained": len(train),
                **found.iloc[:3],
                "foreseen": p.mean(),
                "auc": found.auc,
                "auc_lower": max(found.auc - half, 0.0),
                "auc_upper": min(found.auc + half, 1.0),
                **found.drop(["n", "churners", "churn_rate", "auc"]),
            }
        )
    if not rows:
        raise DataError("The splits hold no window; a backtest needs at least one.")
    out = pd.DataFrame(rows)
    return out.astype({"n": int, "churners": int})


def auc_se(y: ArrayLike, p: ArrayLike) -> float:
    """Standard error of the area under the ROC curve.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    p : array-like of shape (n,)
        Scores.

    Returns
    -------
    float

    Raises
    ------
    DataError
        See :func:`cxmodels.churn.ranking.outcomes`.

    Notes
    -----
    DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44, 837-845: variances of the placement of churners among
    stayers and of stayers among churners, by mid-ranks.

    Examples
    --------
    >>> round(auc_se([0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9]), 4)
    0.2282
    """
    from scipy.stats import rankdata

    truth, score = outcomes(y, p)
    churn, stay = score[truth == 1], score[truth == 0]
    m, n = len(churn), len(stay)
    ranks = rankdata(np.concatenate([churn, stay]))
    above = (ranks[:m] - rankdata(churn)) / n
    below = 1 - (ranks[m:] - rankdata(stay)) / m
    spread = [v.var(ddof=1) / len(v) if len(v) > 1 else np.nan for v in (above, below)]
    return float(np.sqrt(spread[0] + spread[1]))
