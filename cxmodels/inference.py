"""What every comparison shares: intervals of shares and net scores, and p-values adjusted for many tests."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .errors import SpecError, described, listed, near
from .resampling import check_level

Array = NDArray[np.float64]
Adjustment = Literal["holm", "bh", "none"]
ShareInterval = Literal["wilson", "wald", "agresti_coull", "clopper_pearson"]

ADJUSTMENTS = ("holm", "bh", "none")
SHARE_INTERVALS = ("wilson", "wald", "agresti_coull", "clopper_pearson")


def choose(what: str, value: str, options: tuple[str, ...]) -> None:
    """Raise a SpecError unless an option is one of those that exist.

    Parameters
    ----------
    what : str
        Name of the option.
    value : str
        What was asked for.
    options : tuple of str
        What exists.

    Raises
    ------
    SpecError
        With a near name, if there is one.

    Examples
    --------
    >>> choose("adjust", "holm", ADJUSTMENTS)
    """
    if value not in options:
        hint = near(value, options) if isinstance(value, str) else ""
        raise SpecError(f"Unknown {what}={described(value)}; choose from {listed(options)}.{hint}")


def quantile(level: float, df: float = np.inf) -> float:
    """Return the two-sided quantile of Student's t, or of the normal distribution.

    Parameters
    ----------
    level : float
        Confidence level.
    df : float, default inf
        Degrees of freedom; infinite for the normal distribution, NaN or below 1 gives NaN.

    Returns
    -------
    float

    Examples
    --------
    >>> round(quantile(0.95), 4), round(quantile(0.95, 11), 4)
    (1.96, 2.201)
    """
    from scipy.special import ndtri, stdtrit

    check_level(level)
    tail = (1 + level) / 2
    if np.isinf(df):
        return float(ndtri(tail))
    return float(stdtrit(df, tail)) if df >= 1 else np.nan


def share_interval(p: float, n: float, method: str = "wilson", level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of a share.

    Parameters
    ----------
    p : float
        The share, 0-1.
    n : float
        Answers, or their effective number in a weighted sample; need not be whole.
    method : {"wilson", "wald", "agresti_coull", "clopper_pearson"}, default "wilson"
        Wilson (1927) keeps its level near 0 and 1 and in small samples, on average: exact coverage goes up and down with
        n and p, for 100 answers and shares from 0.01 to 0.5 between 92 and 97 % (Brown, Cai and DasGupta 2001). Wald is the
        textbook p ± z se, which does not. Agresti and Coull (1998) add z²/2 answers of either kind. Clopper and Pearson
        (1934) is exact for simple random samples, and therefore too wide; with a fractional n its beta quantiles are those
        of Korn and Graubard (1998).
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    lower, upper : float
        Inside 0-1.

    Raises
    ------
    SpecError
        For an unknown method, or a level outside (0, 1).

    Examples
    --------
    >>> [round(v, 4) for v in share_interval(37 / 50, 50)]
    [0.6045, 0.8413]
    """
    choose("interval", method, SHARE_INTERVALS)
    z = quantile(level)
    if not n > 0 or np.isnan(p):
        return np.nan, np.nan
    if method == "clopper_pearson":
        from scipy.special import betaincinv

        x, tail = p * n, (1 - level) / 2
        lower = 0.0 if x < 1e-9 else float(betaincinv(x, n - x + 1, tail))
        upper = 1.0 if n - x < 1e-9 else float(betaincinv(x + 1, n - x, 1 - tail))
        return lower, upper
    if method == "wald":
        middle, half = p, z * np.sqrt(p * (1 - p) / n)
    else:
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        if method == "wilson":
            half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        else:
            half = z * np.sqrt(middle * (1 - middle) / (n + z * z))
    # At p = 0 and p = 1 rounding may leave Wilson's end a hair inside.
    lower = 0.0 if method == "wilson" and p == 0 else max(middle - half, 0.0)
    upper = 1.0 if method == "wilson" and p == 1 else min(middle + half, 1.0)
    return float(lower), float(upper)


def net_interval(
    top: float, bottom: float, n: float, level: float = 0.95, method: str = "adjusted_wald"
) -> tuple[float, float]:
    """Interval of a difference of two shares of one sample, such as the NPS.

    Adjusted Wald: three answers are added, three quarters of one at the top, three quarters at the bottom, the rest
    between; with P' and D' their shares among n + 3, P' - D' ± z sqrt((P' + D' - (P' - D')²) / (n + 3)). Among the best of
    six intervals in Rocks (2016), The American Statistician 70(4); Bonett and Price (2012) have the same idea for paired
    shares. Score: all differences d that the test (P - D - d) / sqrt((P0 + D0 - d²) / n) does not reject, with P0 and D0
    the most likely shares if P0 - D0 were d (Tango 1998, Statistics in Medicine 17; the iterative score test of Rocks).

    Parameters
    ----------
    top, bottom : float
        Shares of answers at either end, 0-1.
    n : float
        Answers, or their effective number.
    level : float, default 0.95
        Confidence level.
    method : {"adjusted_wald", "score"}, default "adjusted_wald"

    Returns
    -------
    lower, upper : float
        Inside -1 to 1.

    Examples
    --------
    >>> [round(100 * v, 2) for v in net_interval(0.6, 0.15, 100)]
    [29.34, 58.04]
    >>> [round(v, 3) for v in net_interval(1 / 21, 7 / 21, 21, method="score")]
    [-0.517, -0.026]
    """
    z = quantile(level)
    if not n > 0 or np.isnan(top):
        return np.nan, np.nan
    if method == "score":
        return -_net_score_end(bottom, top, n, z), _net_score_end(top, bottom, n, z)
    p, d = (top * n + 0.75) / (n + 3), (bottom * n + 0.75) / (n + 3)
    half = z * np.sqrt((p + d - (p - d) ** 2) / (n + 3))
    return float(max(p - d - half, -1)), float(min(p - d + half, 1))


def _net_score_end(top: float, bottom: float, n: float, z: float) -> float:
    """Upper end of the score interval: the largest difference not rejected, by halving."""
    low, high = top - bottom, 1.0
    for _ in range(60):
        d = (low + high) / 2
        b = (2 - top + bottom) * d - top - bottom
        least = (np.sqrt(max(b * b + 8 * bottom * d * (1 - d), 0.0)) - b) / 4  # most likely share at the bottom
        if d - (top - bottom) < z * np.sqrt(max(2 * least + d * (1 - d), 0.0) / n):
            low = d
        else:
            high = d
    return float(low)


def adjusted_pvalues(p: Array, method: str = "holm") -> Array:
    """Adjust p-values for many tests.

    Parameters
    ----------
    p : ndarray of shape (m,)
        NaN stays NaN and does not count.
    method : {"holm", "bh", "none"}, default "holm"
        Holm (1979) controls the family-wise error, Benjamini and Hochberg (1995) the false discovery rate.

    Returns
    -------
    ndarray of shape (m,)

    Raises
    ------
    SpecError
        For an unknown method.

    Examples
    --------
    >>> import numpy as np
    >>> adjusted_pvalues(np.array([0.01, 0.02, 0.03])).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    choose("adjust", method, ADJUSTMENTS)
    out = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    m, order = len(known), known[np.argsort(p[known], kind="stable")]
    rank = np.arange(1, m + 1)
    if method == "holm":
        out[order] = np.minimum(np.maximum.accumulate(p[order] * (m - rank + 1)), 1)
    elif method == "bh":
        out[order] = np.minimum(np.minimum.accumulate((p[order] * m / rank)[::-1])[::-1], 1)
    else:
        out[order] = p[order]
    return out
