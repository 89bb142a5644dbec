"""How well a model of durations foresaw: concordance, Brier score over time, and calibration at horizons.

Customers who are still there are no zeros: pairs are compared as far as the order is known (Harrell, Lee and Mark 1996,
Statistics in Medicine 15), or what is known is weighted by the inverse chance to have been watched for so long (Uno, Cai,
Pencina, D'Agostino and Wei 2011, Statistics in Medicine 30; Graf, Schmoor, Sauerbrei and Schumacher 1999, ibid. 18).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, DataWarning, SpecError
from ..inference import choose
from .curves import equal_groups
from .durations import Array, Durations, read_durations, risk_table, times_of
from .survival import KaplanMeier


def concordance(
    duration: ArrayLike,
    event: ArrayLike,
    risk: ArrayLike,
    *,
    kind: str = "harrell",
    tau: float | None = None,
    censoring: tuple[ArrayLike, ArrayLike] | None = None,
) -> float:
    """Share of pairs of customers of whom the one with the higher risk left first.

    Parameters
    ----------
    duration, event : array-like of shape (n,)
        As for :meth:`KaplanMeier.fit`.
    risk : array-like of shape (n,)
        Any score that is higher for those who leave sooner.
    kind : {"harrell", "uno"}, default "harrell"
        Harrell's counts every pair whose order is known, which depends on how long customers were watched; Uno's weighs
        pairs by the inverse squared chance to be watched, and does not.
    tau : float, optional
        Pairs whose first leaver left before this time only; for Uno's choose a time at which some are still watched.
    censoring : (duration, event), optional
        Data from which the chance to be watched is taken, such as the training rows; default the same data.

    Returns
    -------
    float
        0.5 is chance, 1 perfect. Equal risks count half. Customers who leave at the same time are no pair; one who leaves
        and one last seen at that time are.

    Raises
    ------
    DataError
        For columns that cannot be used, or no pair to compare.
    SpecError
        For an unknown kind.

    Examples
    --------
    >>> from cxmodels.churn import concordance
    >>> concordance([2, 4, 6, 8], [1, 1, 0, 1], [3.0, 2.5, 2.7, 1.0])
    0.8
    """
    choose("kind", kind, ("harrell", "uno"))
    seen, score = _scored(duration, event, risk)
    left = seen.event > 0
    weight = np.where(left, seen.weights, 0.0)
    if kind == "uno":
        weight = np.where(left, watched(seen, seen.time, censoring, before=True) ** -2.0, 0.0)
    if tau is not None:
        weight = np.where(seen.time < float(times_of(tau, "tau")[0]), weight, 0.0)
    concordant, tied, pairs = _pairs(seen.time, left, score)
    total = float(weight @ pairs)
    if not total > 0:
        raise DataError("No pair of customers can be compared: nobody left before another was last seen.")
    return float(weight @ (concordant + 0.5 * tied)) / total


def _seen(duration: Any, event: Any) -> Durations:
    """Durations of customers to judge by, of whom all may have left."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return read_durations(None, event, duration)


def _rising(times: Any, what: str) -> Array:
    """Times in the order of the columns that belong to them."""
    grid = times_of(times, what)
    if not np.array_equal(np.atleast_1d(np.asarray(times, dtype=float)), grid):
        raise SpecError(f"{what} must rise without repeats, one for each column of the chances.")
    return grid


def _foreseen(duration: Any, event: Any, survival: Any, k: int) -> tuple[Durations, Array]:
    """Durations, and the chances to stay of the same rows."""
    seen = _seen(duration, event)
    try:
        chances = np.asarray(survival, dtype=float)
    except (TypeError, ValueError):
        raise DataError("The chances hold something that is not a number.") from None
    if chances.shape != (len(seen.used), k):
        raise DataError(f"The chances must have {len(seen.used)} rows and {k} columns, not {chances.shape}.")
    chances = chances[seen.used]
    if bad := int((~((chances >= -1e-12) & (chances <= 1 + 1e-12))).any(axis=1).sum()):
        raise DataError(f"The chance to stay is blank or no share for {bad} of {seen.n} customers; leave them out.")
    return seen, chances


def _scored(duration: Any, event: Any, risk: Any) -> tuple[Durations, Array]:
    """Durations and a score of the same rows."""
    seen = _seen(duration, event)
    try:
        score = np.asarray(risk, dtype=float)
    except (TypeError, ValueError):
        raise DataError("The risk holds something that is not a number.") from None
    if score.shape != (len(seen.used),):
        raise DataError(
            f"The risk must be one number for each of {len(seen.used)} customers, not of shape {score.shape}."
        )
    if bad := int(np.isnan(score[seen.used]).sum()):
        raise DataError(f"The risk is blank for {bad} of {seen.n} customers; leave them out.")
    return seen, score[seen.used]


def _pairs(time: Array, left: NDArray[np.bool_], risk: Array) -> tuple[Array, Array, Array]:
    """For each row, the rows known to stay longer: those of lower risk, of equal risk, and all."""
    _, rank = np.unique(time, return_inverse=True)
    key = 2 * rank + ~left  # who leaves at a time comes before who was last seen at it
    ordered = np.sort(key)
    pairs = len(key) - np.searchsorted(ordered, key, side="right")
    _, level = np.unique(risk, return_inverse=True)
    order = np.lexsort((key, level))
    below = np.empty(len(key), dtype=np.int64)
    below[order] = _greater_before(key[order])
    both = level * (key.max() + 1) + key
    in_level = np.sort(both)
    upto = np.searchsorted(in_level, (level + 1) * (key.max() + 1))
    tied = upto - np.searchsorted(in_level, both, side="right")
    return below.astype(float), tied.astype(float), pairs.astype(float)


def _greater_before(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each place, how many earlier places hold a greater number: by merging blocks of doubling length."""
    n, out = len(key), np.zeros(len(key), dtype=np.int64)
    span, place = int(key.max()) + 1, np.arange(n)
    width = 1
    while width < n:
        block = place // width
        lower = block % 2 == 0
        pair = block // 2
        left = np.sort((pair * span + key)[lower])
        right = ~lower
        ends = np.searchsorted(left, (pair[right] + 1) * span)
        out[right] += ends - np.searchsorted(left, (pair * span + key)[right], side="right")
        width *= 2
    return out


def watched(
    seen: Durations, at: Array, censoring: tuple[ArrayLike, ArrayLike] | None = None, *, before: bool = False
) -> Array:
    """Chance to have been watched until given times: Kaplan-Meier of the censoring.

    Parameters
    ----------
    seen : Durations
    at : ndarray of shape (k,)
    censoring : (duration, event), optional
        Data to take it from; default `seen`.
    before : bool, default False
        Just before the time, else at it.

    Returns
    -------
    ndarray of shape (k,)
        Never 0: after the last time at which somebody was still watched it stays as it was.
    """
    if censoring is not None:
        if not isinstance(censoring, tuple | list) or len(censoring) != 2:
            raise SpecError("censoring must be (duration, event) of the customers that it is taken from.")
        seen = _seen(*censoring)
    table = risk_table(seen)
    left = table.events.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(table.at_risk > left, 1 - table.censored / (table.at_risk - left), 1.0)
    curve = np.cumprod(np.where(factor > 0, factor, 1.0))
    place = np.searchsorted(table.time, at, side="left" if before else "right")
    return np.append(1.0, curve)[place]


def survival_brier(
    duration: ArrayLike,
    event: ArrayLike,
    survival: ArrayLike,
    times: ArrayLike,
    *,
    censoring: tuple[ArrayLike, ArrayLike] | None = None,
) -> pd.DataFrame:
    """Squared error of foreseen chances to stay, at given times and over them.

    Parameters
    ----------
    duration, event : array-like of shape (n,)
        What became of the customers.
    survival : array-like of shape (n, k)
        Foreseen chance of each customer to stay until each time.
    times : array-like of shape (k,)
        Rising; within the time that customers were watched.
    censoring : (duration, event), optional
        As for :func:`concordance`.

    Returns
    -------
    DataFrame
        [time, brier]; ``.attrs["integrated"]`` is its mean over the times (trapezoids), 0 perfect, 0.25 a chance of one half
        for everybody. Those who left before t count with 1 / G(T-), those still there with 1 / G(t), those last seen before
        t with 0, G being the chance to be watched.

    Raises
    ------
    DataError
        For another shape, blanks, or no chances.

    Examples
    --------
    >>> from cxmodels.churn import survival_brier
    >>> survival_brier([1, 2, 3, 4], [1, 1, 1, 1], [[0.5, 0.5]] * 4, [1.5, 2.5]).brier.tolist()
    [0.25, 0.25]
    """
    grid = _rising(times, "times")
    seen, chances = _foreseen(duration, event, survival, len(grid))
    if grid[-1] >= seen.time.max():
        raise DataError(
            f"The last time, {grid[-1]:g}, is not before the longest duration, {seen.time.max():g}; choose earlier times."
        )
    gone = watched(seen, seen.time, censoring, before=True)
    still = watched(seen, grid, censoring)
    out = []
    for j, t in enumerate(grid):
        left = (seen.time <= t) & (seen.event > 0)
        there = seen.time > t
        out.append(float(np.mean(left * chances[:, j] ** 2 / gone + there * (1 - chances[:, j]) ** 2 / still[j])))
    table = pd.DataFrame({"time": grid, "brier": out})
    whole = float(np.trapezoid(out, grid) / (grid[-1] - grid[0])) if len(grid) > 1 else out[0]
    table.attrs["integrated"] = whole
    return table


def survival_calibration(
    duration: ArrayLike, event: ArrayLike, survival: ArrayLike, horizons: Any, *, bins: int = 10, level: float = 0.95
) -> pd.DataFrame:
    """Compare foreseen with observed leaving by a horizon, in groups of customers along the forecast.

    Parameters
    ----------
    duration, event : array-like of shape (n,)
        What became of the customers.
    survival : array-like of shape (n, k)
        Foreseen chance to stay until each horizon.
    horizons : float or array-like of shape (k,)
        Rising.
    bins : int, default 10
        Groups of equal size; equal forecasts stay together.
    level : float, default 0.95
        Confidence level of what was observed.

    Returns
    -------
    DataFrame
        [horizon, bin, n, foreseen, observed, ci_lower, ci_upper, gap]: chance to have left by the horizon, observed by one
        minus Kaplan-Meier in the group; blank where nobody of a group was watched for so long.

    Raises
    ------
    DataError
        For another shape, or blanks.

    Examples
    --------
    >>> from cxmodels.churn import survival_calibration
    >>> survival_calibration([1, 2, 3, 4], [1, 1, 1, 0], [[0.4]] * 2 + [[0.6]] * 2, 2, bins=2)[["foreseen", "observed"]]
       foreseen  observed
    0       0.4       0.0
    1       0.6       1.0
    """
    grid = _rising(horizons, "horizons")
    seen, chances = _foreseen(duration, event, survival, len(grid))
    spec, out = KaplanMeier(level=level), []
    for j, t in enumerate(grid):
        group = equal_groups(1 - chances[:, j], bins)
        for number, k in enumerate(np.unique(group), start=1):
            rows = group == k
            found = _left_by(spec, seen[rows], t)
            foreseen = float(1 - chances[rows, j].mean())
            out.append((t, number, int(rows.sum()), foreseen, *found, found[0] - foreseen))
    return pd.DataFrame(out, columns=["horizon", "bin", "n", "foreseen", "observed", "ci_lower", "ci_upper", "gap"])


def _left_by(spec: KaplanMeier, rows: Durations, t: float) -> tuple[float, float, float]:
    """Share of a group that left by a time, with its interval."""
    curve = spec._curve(rows)
    if t > rows.time.max() and curve["survival"].iloc[-1] > 0:
        return np.nan, np.nan, np.nan
    line = curve.iloc[int(np.searchsorted(curve["time"].to_numpy(), t, side="right")) - 1]
    return 1 - float(line["survival"]), 1 - float(line["ci_upper"]), 1 - float(line["ci_lower"])
