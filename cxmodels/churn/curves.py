"""Tables behind the usual pictures of a score: calibration, deciles, gains, and the parts of the Brier score."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import SpecError
from ..inference import share_interval
from ..resampling import whole_number
from .ranking import Array, Ranking, check_share, logit, outcomes, probabilities, weighted_logit


def calibration_curve(y: ArrayLike, p: ArrayLike, *, bins: int = 10, level: float = 0.95) -> pd.DataFrame:
    """Compare foreseen with observed churn, in groups of equal size along the score.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    p : array-like of shape (n,)
        Probabilities of leaving.
    bins : int, default 10
        Groups; equal probabilities stay together, so there may be fewer.
    level : float, default 0.95
        Confidence level of the observed rate.

    Returns
    -------
    DataFrame
        [bin, n, foreseen, observed, ci_lower, ci_upper, gap], from the lowest probabilities up: mean probability,
        churn rate with its Wilson interval, and observed less foreseen.

    Raises
    ------
    DataError
        See :func:`cxmodels.churn.ranking.probabilities`.
    SpecError
        For a number of bins below 1.

    Examples
    --------
    >>> from cxmodels.churn import calibration_curve
    >>> calibration_curve([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.7, 0.8], bins=2)[["n", "foreseen", "observed"]]
       n  foreseen  observed
    0  3       0.2  0.333333
    1  3       0.7  0.666667
    """
    truth, score = probabilities(y, p)
    group = equal_groups(score, bins)
    rows: list[tuple[float, ...]] = []
    for k in np.unique(group):
        inside = group == k
        n, rate = int(inside.sum()), float(truth[inside].mean())
        lower, upper = share_interval(rate, n, level=level)
        rows.append((len(rows) + 1, n, score[inside].mean(), rate, lower, upper, rate - score[inside].mean()))
    return pd.DataFrame(rows, columns=["bin", "n", "foreseen", "observed", "ci_lower", "ci_upper", "gap"])


def equal_groups(score: Array, bins: int) -> NDArray[np.intp]:
    """Number of the group of each score when the scores are cut into groups of equal size, ties together.

    Parameters
    ----------
    score : ndarray of shape (n,)
        Scores.
    bins : int
        Groups wanted.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    SpecError
        For a number of groups that is not a whole number of 1 or more.
    """
    whole_number("bins", bins, 1)
    order = np.argsort(score, kind="stable")
    group = np.empty(len(score), dtype=np.intp)
    group[order] = np.arange(len(score)) * bins // len(score)
    _, run = np.unique(score, return_inverse=True)
    lowest = np.full(run.max() + 1, bins)
    np.minimum.at(lowest, run, group)
    return lowest[run].astype(np.intp)


def deciles(y: ArrayLike, p: ArrayLike, *, bins: int = 10) -> pd.DataFrame:
    """Lift and gains table: the customers in groups of equal size, the riskiest first.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    p : array-like of shape (n,)
        Scores.
    bins : int, default 10
        Groups.

    Returns
    -------
    DataFrame
        [decile, n, churners, mean_score, rate, lift, captured, cumulative_lift]: group 1 has the highest scores;
        `captured` is the share of all churners found up to and including the group.

    Raises
    ------
    DataError
        See :func:`cxmodels.churn.ranking.outcomes`.
    SpecError
        For fewer than 1 or more groups than customers.

    Examples
    --------
    >>> from cxmodels.churn import deciles
    >>> y, p = [0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9]
    >>> deciles(y, p, bins=2)[["decile", "churners", "rate", "lift", "captured"]]
       decile  churners  rate  lift  captured
    0       1         2   0.5   1.0       0.5
    1       2         2   0.5   1.0       1.0
    """
    r = Ranking(y, p)  # type: ignore[arg-type]
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or not 1 <= bins <= len(r.y):
        raise SpecError(f"bins must be a whole number from 1 to the {len(r.y)} customers, not {bins!r}.")
    group = np.arange(len(r.y)) * bins // len(r.y)
    out = pd.DataFrame({"decile": group + 1, "y": r.y, "score": r.p}).groupby("decile", as_index=False)
    table = out.agg(n=("y", "size"), churners=("y", "sum"), mean_score=("score", "mean"))
    table["churners"] = table.churners.astype(int)
    table["rate"] = table.churners / table.n
    table["lift"] = table.rate / r.y.mean()
    table["captured"] = table.churners.cumsum() / r.y.sum()
    table["cumulative_lift"] = table.churners.cumsum() / table.n.cumsum() / r.y.mean()
    return table


def brier_parts(y: ArrayLike, p: ArrayLike, *, bins: int = 10) -> pd.Series:
    """Split the Brier score: reliability - resolution + uncertainty, and what binning leaves within the bins.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    p : array-like of shape (n,)
        Probabilities of leaving.
    bins : int, default 10
        Groups of equal size along the probability.

    Returns
    -------
    Series
        brier, reliability (0 is perfect calibration), resolution (how far group rates lie from the base rate; the
        larger the better), uncertainty (base rate times its complement), within (variance within bins less twice the
        covariance with the outcome), skill (1 - brier / uncertainty).
        brier = reliability - resolution + uncertainty + within, exactly.

    Raises
    ------
    DataError
        See :func:`cxmodels.churn.ranking.probabilities`.

    Notes
    -----
    Murphy (1973), J. Applied Meteorology 12, 595-600; within-bin terms of Stephenson, Coelho and Jolliffe (2008),
    Weather and Forecasting 23, 752-757, eq. 7.

    Examples
    --------
    >>> import numpy as np
    >>> from cxmodels.churn import brier_parts
    >>> parts = brier_parts([0, 1, 0, 1], [0.1, 0.6, 0.6, 0.9], bins=4)
    >>> bool(np.isclose(parts.brier, parts.reliability - parts.resolution + parts.uncertainty + parts.within))
    True
    """
    truth, score = probabilities(y, p)
    group, n, base = equal_groups(score, bins), len(truth), truth.mean()
    reliability = resolution = within = 0.0
    for k in np.unique(group):
        f, o = score[group == k], truth[group == k]
        reliability += len(f) * (f.mean() - o.mean()) ** 2 / n
        resolution += len(f) * (o.mean() - base) ** 2 / n
        within += (((f - f.mean()) ** 2).sum() - 2 * ((f - f.mean()) * (o - o.mean())).sum()) / n
    brier, uncertainty = float(((score - truth) ** 2).mean()), float(base * (1 - base))
    values = (brier, reliability, resolution, uncertainty, within, 1 - brier / uncertainty)
    names = ("brier", "reliability", "resolution", "uncertainty", "within", "skill")
    return pd.Series([float(v) for v in values], index=list(names))


def calibration_error(y: ArrayLike, p: ArrayLike, *, bins: int = 10) -> float:
    """Expected calibration error: mean absolute gap of foreseen and observed, in bins of equal width.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    p : array-like of shape (n,)
        Probabilities of leaving.
    bins : int, default 10
        Bins of equal width on 0 to 1, each closed below; it is biased upwards where bins hold few customers.

    Returns
    -------
    float

    Raises
    ------
    DataError
        See :func:`cxmodels.churn.ranking.probabilities`.

    Examples
    --------
    >>> from cxmodels.churn import calibration_error
    >>> round(calibration_error([0, 1], [0.2, 0.7]), 3)
    0.25
    """
    truth, score = probabilities(y, p)
    whole_number("bins", bins, 1)
    place = np.minimum((score * bins).astype(int), bins - 1)
    gap = np.bincount(place, weights=truth - score, minlength=bins)
    return float(np.abs(gap).sum() / len(truth))


def gains(y: ArrayLike, p: ArrayLike, *, points: int = 100) -> pd.DataFrame:
    """Cumulative gains: the share of all churners found among the highest scores.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    p : array-like of shape (n,)
        Scores.
    points : int, default 100
        Shares at which the curve is read, beside 0.

    Returns
    -------
    DataFrame
        [contacted, captured, lift].

    Raises
    ------
    DataError
        See :func:`cxmodels.churn.ranking.outcomes`.

    Examples
    --------
    >>> from cxmodels.churn import gains
    >>> gains([0, 1, 0, 1], [0.1, 0.2, 0.8, 0.9], points=2)
       contacted  captured  lift
    0        0.0       0.0   NaN
    1        0.5       0.5   1.0
    2        1.0       1.0   1.0
    """
    r = Ranking(y, p)  # type: ignore[arg-type]
    g = r.sorted()
    shares = np.arange(points + 1) / points
    found = [0.0] + [float(r.captured(g, check_share("top", s))[0][0]) / r.y.sum() for s in shares[1:]]
    rates = [np.nan] + [float(r.lift(g, s)[0]) for s in shares[1:]]
    return pd.DataFrame({"contacted": shares, "captured": found, "lift": rates})


def recalibration(y: ArrayLike, p: ArrayLike) -> tuple[float, float]:
    """Fit the sigmoid map of Platt (1999) on the logit: logit(new p) = intercept + slope · logit(p).

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    p : array-like of shape (n,)
        Probabilities of leaving.

    Returns
    -------
    intercept, slope : float
        0 and 1 for a calibrated score; a slope below 1 says that the score is too sure of itself.

    Raises
    ------
    DataError
        See :func:`cxmodels.churn.ranking.outcomes`.

    Examples
    --------
    >>> from cxmodels.churn import recalibration
    >>> [round(v, 3) for v in recalibration([0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9])]
    [0.022, 0.405]
    """
    truth, score = outcomes(y, p)
    intercept, slope = weighted_logit(logit(score), truth, np.ones((1, len(truth))))
    return float(intercept[0]), float(slope[0])
