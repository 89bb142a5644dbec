"""Standard errors and confidence intervals from replicates: the formulas that every bootstrap of the package uses.

Sources: Efron and Tibshirani (1993), *An Introduction to the Bootstrap*, ch. 11-14; Davison and Hinkley (1997),
*Bootstrap Methods and their Application*, ch. 5.
"""

from __future__ import annotations

from numbers import Real
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .errors import SpecError, listed, near

Array = NDArray[np.float64]
Interval = Literal["percentile", "basic", "normal", "bca", "studentized"]

INTERVALS = ("percentile", "basic", "normal", "bca", "studentized")


def jackknife_se(values: Array) -> Array:
    """Jackknife standard errors from leave-one-out values, sqrt((n - 1) / n · sum of squared deviations).

    Parameters
    ----------
    values : ndarray of shape (n, k)
        From :func:`jackknife`.

    Returns
    -------
    ndarray of shape (k,)

    Examples
    --------
    >>> import numpy as np
    >>> from cxmodels.resampling import jackknife_se
    >>> x = np.array([3.0, 5.0, 6.0, 8.0, 9.0])
    >>> left_out = (x.sum() - x[:, None]) / 4
    >>> jackknife_se(left_out).round(4), (x.std(ddof=1) / 5**0.5).round(4)
    (array([1.0677]), np.float64(1.0677))
    """
    values = values[~np.isnan(values).all(axis=1)]
    n = len(values)
    return np.sqrt((n - 1) / n * ((values - values.mean(axis=0)) ** 2).sum(axis=0))


def standard_error(reps: Array) -> Array:
    """Standard deviation of replicates with divisor n - 1; NaN where any usable replicate lacks a number.

    Parameters
    ----------
    reps : ndarray of shape (n, k)
        Usable replicates.

    Returns
    -------
    ndarray of shape (k,)

    Examples
    --------
    >>> import numpy as np
    >>> from cxmodels.resampling import standard_error
    >>> standard_error(np.array([[1.0, 2.0], [3.0, 2.0]])).round(3)
    array([1.414, 0.   ])
    """
    return reps.std(axis=0, ddof=1) if len(reps) > 1 else np.full(reps.shape[1], np.nan)


def intervals(
    est: Array,
    reps: Array,
    kind: Interval,
    level: float = 0.95,
    *,
    jack: Array | None = None,
    se_reps: Array | None = None,
) -> tuple[Array, Array]:
    """Confidence intervals from replicates (Davison and Hinkley 1997, ch. 5; quantiles of type 7).

    Parameters
    ----------
    est : ndarray of shape (k,)
    reps : ndarray of shape (n, k)
        Usable replicates.
    kind : {"percentile", "basic", "normal", "bca", "studentized"}
    level : float, default 0.95
    jack : ndarray of shape (m, k), optional
        Leave-one-out values, for ``"bca"``.
    se_reps : ndarray of shape (n, k), optional
        Standard error of every replicate, for ``"studentized"``.

    Returns
    -------
    lower, upper : ndarray of shape (k,)
        A statistic that does not vary gets its own value at both ends.

    Raises
    ------
    SpecError
        For an unknown kind, a level outside (0, 1), or when what the kind needs was not computed.

    Examples
    --------
    >>> import numpy as np
    >>> from cxmodels.resampling import intervals
    >>> reps = np.arange(101.0)[:, None]
    >>> [round(float(v[0])) for v in intervals(np.array([48.0]), reps, "percentile", 0.9)]
    [5, 95]
    >>> [round(float(v[0])) for v in intervals(np.array([48.0]), reps, "basic", 0.9)]
    [1, 91]
    """
    from scipy.special import ndtri

    check_interval(kind)
    check_level(level)
    tail = (1 - level) / 2
    se = standard_error(reps)
    if kind == "normal":
        lower, upper = est + ndtri(tail) * se, est - ndtri(tail) * se
    elif kind == "bca":
        lower, upper = _bca(est, reps, tail, jack)
    elif kind == "studentized":
        if se_reps is None:
            raise SpecError('Ask for bootstrap(interval="studentized"): its nested replicates are needed.')
        with np.errstate(invalid="ignore", divide="ignore"):
            t = (reps - est) / se_reps
        high, low = _known_quantiles(t, [1 - tail, tail])
        lower, upper = est - high * se, est - low * se
    else:
        low, high = np.quantile(reps, [tail, 1 - tail], axis=0)
        lower, upper = (low, high) if kind == "percentile" else (2 * est - high, 2 * est - low)
    fixed = se <= noise(est)
    return np.where(fixed, est, lower), np.where(fixed, est, upper)


def check_interval(kind: str) -> None:
    """Raise a SpecError if there is no interval of that name."""
    if kind not in INTERVALS:
        raise SpecError(f"Unknown interval '{kind}'; choose from {listed(INTERVALS)}.{near(str(kind), INTERVALS)}")


def check_level(level: float) -> None:
    """Raise a SpecError unless a confidence level lies between 0 and 1."""
    known = isinstance(level, (float, Real))  # float first: an abstract class takes a microsecond to ask
    if isinstance(level, bool) or not known or not 0 < level < 1:
        raise SpecError(f"The confidence level must lie between 0 and 1, not {level!r}.")


def _bca(est: Array, reps: Array, tail: float, jack: Array | None) -> tuple[Array, Array]:
    """Bias-corrected and accelerated limits (Efron and Tibshirani 1993, eqs. 14.9-14.15)."""
    from scipy.special import ndtr, ndtri

    if jack is None:
        raise SpecError('Ask for bootstrap(interval="bca"): its jackknife values are needed.')
    n = len(reps)
    share = np.clip((reps < est).mean(axis=0), 0.5 / n, 1 - 0.5 / n)
    z0 = ndtri(share)
    with np.errstate(invalid="ignore", divide="ignore"):
        u = np.nansum(jack, axis=0) / (~np.isnan(jack)).sum(axis=0) - jack
        a = np.nansum(u**3, axis=0) / (6 * np.nansum(u**2, axis=0) ** 1.5)
    a = np.where(np.isfinite(a), a, 0.0)
    ends = []
    ordered = np.sort(reps, axis=0)
    for z in (ndtri(tail), ndtri(1 - tail)):
        q = ndtr(z0 + (z0 + z) / (1 - a * (z0 + z)))
        at = q * (n - 1)
        low = np.clip(np.floor(at).astype(np.intp), 0, n - 1)
        high = np.minimum(low + 1, n - 1)
        column = np.arange(len(est))
        ends.append(ordered[low, column] + (at - low) * (ordered[high, column] - ordered[low, column]))
    return ends[0], ends[1]


def _known_quantiles(values: Array, shares: list[float]) -> Array:
    """Quantiles of the finite values of each column; NaN where there are none."""
    finite = np.isfinite(values)
    some = finite.any(axis=0)
    out = np.full((len(shares), values.shape[1]), np.nan)
    out[:, some] = np.nanquantile(np.where(finite, values, np.nan)[:, some], shares, axis=0)
    return out


def noise(est: Array) -> Array:
    """Spread below which replicates differ only by rounding."""
    return 1e-12 * np.maximum(np.abs(est), 1.0)
