"""Is a churn score as right for every group of customers: calibration, selection and churners found, each against the others."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import DataError, listed
from ..resampling import Sampling, bootstrap, intervals
from .ranking import Array, Ranking, check_share, outcomes, probabilities


def by_group(
    y: ArrayLike,
    p: ArrayLike,
    groups: ArrayLike,
    *,
    top: float = 0.1,
    level: float = 0.95,
    n: int = 1000,
    seed: int | None = None,
) -> pd.DataFrame:
    """Ask for fairness: whether the score is as true, as sharp and as eager in every group of customers.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    p : array-like of shape (n,)
        Probabilities of leaving.
    groups : array-like of shape (n,)
        Group of each customer; missing counts as a group of its own, named "(missing)".
    top : float, default 0.1
        Share of all customers who are selected for contact.
    level : float, default 0.95
        Confidence level.
    n : int, default 1000
        Bootstrap replicates, drawn within each group.
    seed : int, optional
        Same seed, same numbers.

    Returns
    -------
    DataFrame
        [group, n, churners, observed, foreseen, gap, gap_lower, gap_upper, selected, selected_diff, selected_lower,
        selected_upper, found, found_diff, found_lower, found_upper, auc]. `gap` is foreseen less observed churn with
        its interval: away from 0 the score is wrong for the group as a whole. `selected` is the share of the group
        among the highest `top` scores, `found` the share of its churners among them (equal opportunity: Hardt, Price
        and Srebro 2016); the differences are to all other customers. The AUC is missing for a group in which all
        left or all stayed.

    Raises
    ------
    DataError
        See :func:`cxmodels.churn.ranking.probabilities`; and if there is one group only.

    Examples
    --------
    >>> import numpy as np
    >>> from cxmodels.churn import by_group
    >>> y, p = [0, 1, 0, 1, 0, 1, 0, 1] * 20, np.tile([0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9], 20)
    >>> found = by_group(y, p, ["a", "a", "b", "b"] * 40, n=100, seed=1)
    >>> found[["group", "n", "observed"]]
      group   n  observed
    0     a  80       0.5
    1     b  80       0.5
    """
    truth, score = probabilities(y, p)
    labels = pd.Series(groups, dtype=object) if not isinstance(groups, pd.Series) else groups.astype(object)
    if len(labels) != len(truth):
        raise DataError(f"There are {len(labels)} group labels for {len(truth)} customers; give one each.")
    label = labels.where(labels.notna(), "(missing)").astype(str).to_numpy()
    kinds = pd.unique(label)
    if len(kinds) < 2:
        raise DataError(f"All customers are in the group {listed(kinds)}; comparing needs at least two groups.")
    order = np.argsort(-score, kind="stable")
    chosen = np.zeros(len(truth))
    chosen[order[: int(np.ceil(round(check_share("top", top) * len(truth), 9)))]] = 1.0
    code = np.searchsorted(np.sort(kinds), label)
    single = [str(k) for k in kinds if (label == k).sum() < 2]
    if single:
        raise DataError(f"The groups {listed(single)} hold a single customer; merge them with others.")
    statistic = partial(_group_gaps, truth=truth, score=score, chosen=chosen, code=code, groups=len(kinds))
    reps = bootstrap(statistic, Sampling(len(truth), strata=code), n, seed=seed)
    values = reps.values[reps.ok]
    with np.errstate(invalid="ignore"):
        lower, upper = intervals(reps.estimate, values, "percentile", level)
    est, low, high = (v.reshape(3, -1) for v in (reps.estimate, lower, upper))
    rows = []
    for i, kind in enumerate(np.sort(kinds)):
        inside = code == i
        rows.append(
            {
                "group": kind,
                "n": int(inside.sum()),
                "churners": int(truth[inside].sum()),
                "observed": truth[inside].mean(),
                "foreseen": score[inside].mean(),
                "gap": est[0, i],
                "gap_lower": low[0, i],
                "gap_upper": high[0, i],
                "selected": chosen[inside].mean(),
                "selected_diff": est[1, i],
                "selected_lower": low[1, i],
                "selected_upper": high[1, i],
                "found": chosen[inside & (truth == 1)].mean() if truth[inside].any() else np.nan,
                "found_diff": est[2, i],
                "found_lower": low[2, i],
                "found_upper": high[2, i],
                "auc": _auc_or_nan(truth[inside], score[inside]),
            }
        )
    return pd.DataFrame(rows)


def _group_gaps(
    g: Array, truth: Array, score: Array, chosen: Array, code: Any, groups: int
) -> tuple[Array, Mapping[str, Any]]:
    """Calibration gap, selection difference and difference in churners found, by group; (b, 3 · groups)."""
    inside = np.eye(groups)[code]
    with np.errstate(invalid="ignore", divide="ignore"):
        size = g @ inside
        gap = (g * (score - truth)) @ inside / size
        picked = (g * chosen) @ inside
        every = picked.sum(axis=1, keepdims=True)
        selection = picked / size - (every - picked) / (g.sum(axis=1, keepdims=True) - size)
        churn, hit = (g * truth) @ inside, (g * truth * chosen) @ inside
        rest = churn.sum(axis=1, keepdims=True) - churn
        found = hit / churn - (hit.sum(axis=1, keepdims=True) - hit) / rest
    return np.hstack([gap, selection, found]), {}


def _auc_or_nan(y: Array, p: Array) -> float:
    """AUC, or NaN where all left or all stayed."""
    if len(np.unique(y)) < 2:
        return np.nan
    r = Ranking(*outcomes(y, p))
    return float(r.auc(r.sorted())[0])
