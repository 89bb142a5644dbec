"""How strong a hidden common cause would have to be: E-value, robustness value, and the share that must be cause.

Sources: VanderWeele and Ding (2017), Annals of Internal Medicine 167(4), 268-274, for the E-value; Cinelli and Hazlett (2020),
Journal of the Royal Statistical Society B 82(1), 39-67, for the robustness value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import SpecError
from ..resampling import check_level

Array = NDArray[np.float64]

COMMON = 0.15  # chance of an outcome above which an odds ratio is no risk ratio


def e_value(ratio: float) -> float:
    """Return the E-value of a risk ratio.

    Parameters
    ----------
    ratio : float
        Risk ratio; one below 1 is inverted.

    Returns
    -------
    float
        R + sqrt(R (R - 1)): the risk ratio that a hidden common cause would need with both the exposure and the outcome, beyond
        what is controlled for, to explain the association away.

    Raises
    ------
    SpecError
        If the ratio is not positive.

    Examples
    --------
    >>> from cxmodels.worth import e_value
    >>> round(e_value(0.8), 2), round(e_value(3.9), 2), e_value(1.0)
    (1.81, 7.26, 1.0)
    """
    if not 0 < ratio < np.inf:
        raise SpecError(f"A risk ratio must be positive, not {ratio!r}.")
    r = max(ratio, 1 / ratio)
    return float(r + np.sqrt(r * (r - 1)))


def risk_ratio(odds_ratio: float, chance: float) -> float:
    """Return the risk ratio behind an odds ratio: itself for a rare outcome, else its square root.

    Parameters
    ----------
    odds_ratio : float
    chance : float
        Of the outcome; above 0.15 it is not rare (VanderWeele 2017, Biostatistics 18(1)).

    Returns
    -------
    float

    Examples
    --------
    >>> risk_ratio(0.81, 0.02), risk_ratio(0.81, 0.3)
    (0.81, 0.9)
    """
    return float(np.sqrt(odds_ratio)) if chance > COMMON else float(odds_ratio)


def robustness_value(t: float, df: float, *, q: float = 1.0, level: float | None = None) -> float:
    """Return the robustness value of a coefficient of a linear regression.

    Parameters
    ----------
    t : float
        Its t.
    df : float
        Residual degrees of freedom.
    q : float, default 1
        Share of the estimate that is to be explained away.
    level : float, optional
        Confidence level; then it is enough that the interval reaches what is left.

    Returns
    -------
    float
        Share of the residual variance of both the predictor and the outcome that a hidden cause would have to explain:
        (sqrt(f^4 + 4 f^2) - f^2) / 2 with f = q abs(t) / sqrt(df), less the critical t / sqrt(df - 1) with a level; 0 if that
        is not positive.

    Examples
    --------
    >>> from cxmodels.worth import robustness_value
    >>> round(robustness_value(4.18445, 783), 4), round(robustness_value(4.18445, 783, level=0.95), 4)
    (0.1388, 0.0763)
    """
    from scipy.special import stdtrit

    f = q * abs(t) / np.sqrt(df)
    critical = 0.0
    if level is not None:
        check_level(level)
        critical = float(stdtrit(df - 1, (1 + level) / 2)) / np.sqrt(df - 1)
    left = f - critical
    if left <= 0:
        return 0.0
    if critical and left > 1 / left:  # the hidden cause can explain all of the outcome, and that is enough
        return float((f**2 - critical**2) / (1 + f**2))
    return float((np.sqrt(left**4 + 4 * left**2) - left**2) / 2)


def partial_t(y: Array, x: Array) -> tuple[float, float]:
    """Return t and residual degrees of freedom of the last column in a linear regression.

    Parameters
    ----------
    y : ndarray of shape (n,)
    x : ndarray of shape (n, k)
        With the column of ones.

    Returns
    -------
    t, df : float
    """
    q, r = np.linalg.qr(x)
    coef = np.linalg.solve(r, q.T @ y)
    left = y - x @ coef
    df = len(y) - x.shape[1]
    se = np.sqrt(left @ left / df) * np.linalg.norm(np.linalg.inv(r)[-1])
    return float(coef[-1] / se), float(df)
