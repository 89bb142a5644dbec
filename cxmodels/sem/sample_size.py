"""Power and sample size by computation: of single parameters by noncentral chi-square, of model fit by the RMSEA."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SpecError
from ..resampling import whole_number
from .constraints import defined_values
from .estimate import Estimate, estimate
from .inference import bread
from .objective import expand
from .standardize import complex_jacobian
from .table import Table

Array = NDArray[Any]

__all__ = ["needed_noncentrality", "noncentral_power", "noncentralities", "rmsea_power", "rmsea_sample_size"]


def noncentral_power(noncentrality: Array, alpha: float, df: float = 1.0) -> Array:
    """Probability that a chi-square with a noncentrality exceeds the critical value."""
    from scipy.special import chdtri, chndtr

    return 1 - chndtr(chdtri(df, alpha), df, noncentrality)


def needed_noncentrality(power: float, alpha: float) -> float:
    """Noncentrality with which a chi-square with one degree of freedom reaches a power.

    Raises
    ------
    SpecError
        If power does not lie between alpha and 1.
    """
    from scipy.special import chdtri, chndtrinc

    _check(power, alpha)
    return float(chndtrinc(chdtri(1, alpha), 1, 1 - power))


def noncentralities(e: Estimate, rows: Iterable[int]) -> Array:
    """Noncentrality per row of the test that a parameter is zero, from a model fitted to population moments.

    Parameters
    ----------
    e : Estimate
        The model, fitted to the moments of the population.
    rows : iterable of int
        Entries of the table; beyond its end the defined parameters.

    Returns
    -------
    ndarray
        For an entry the discrepancy of the model with it fixed at zero (Satorra and Saris 1985, Psychometrika 50); for
        a defined parameter its squared value over its asymptotic variance (Wald). NaN for variances, whose zero lies
        on the border.
    """
    table, out = e.table, []
    for i in rows:
        if i >= len(table.entries):
            out.append(_wald(e, i - len(table.entries)))
            continue
        x = table.entries[i]
        if x.op == "~~" and x.lhs == x.rhs:
            out.append(np.nan)
            continue
        restricted = _fixed_at_zero(table, int(table.index[i]))
        start = np.delete(e.x, int(table.index[i]))
        found = estimate(restricted, e.raw, e.plan, start)
        out.append(max(found.minimum.value - e.minimum.value, 0.0))
    return np.array(out)


def _wald(e: Estimate, number: int) -> float:
    def function(x: Array) -> Array:
        return defined_values(e.table, expand(e.table, e.base, x))

    gradient = complex_jacobian(function, e.x)[number]
    return float(function(e.x)[number] ** 2 / (gradient @ bread(e) @ gradient))


def _fixed_at_zero(table: Table, place: int) -> Table:
    """The table with one of the distinct free parameters zero."""
    entries = tuple(
        replace(x, free=False, value=0.0) if table.index[i] == place else x for i, x in enumerate(table.entries)
    )
    index = np.where(table.index == place, -1, np.where(table.index > place, table.index - 1, table.index))
    return replace(table, entries=entries, index=index)


def _check(power: float, alpha: float) -> None:
    if not 0 < alpha < 1:
        raise SpecError(f"alpha is a probability between 0 and 1, not {alpha}.")
    if not alpha < power < 1:
        raise SpecError(f"The power wanted must lie between alpha ({alpha:g}) and 1, not be {power}.")


# --- the RMSEA ------------------------------------------------------------------------------------------------------


def rmsea_power(
    df: float, n: int, rmsea0: float = 0.05, rmsea1: float = 0.08, alpha: float = 0.05, *, groups: int = 1
) -> float:
    """Power of a test of model fit by the RMSEA.

    With `rmsea1` above `rmsea0` the test of close fit, which rejects large chi-squares; below it the test of not-close
    fit, which rejects small ones; with rmsea0 = 0 the test of exact fit.

    Parameters
    ----------
    df : float
        Degrees of freedom of the model.
    n : int
        Rows in all groups.
    rmsea0, rmsea1 : float
        RMSEA under the hypothesis, and in truth.
    alpha : float, default 0.05
    groups : int, default 1

    Returns
    -------
    float

    Raises
    ------
    SpecError
        For numbers out of range.

    Notes
    -----
    Noncentrality (n - 1) df rmsea^2, divided by the number of groups (MacCallum, Browne and Sugawara 1996, Psychological
    Methods 1, 130-149; Steiger 1998 for groups).

    Examples
    --------
    >>> from cxmodels.sem import rmsea_power
    >>> round(rmsea_power(df=100, n=132), 2)
    0.8
    """
    from scipy.special import chndtr, chndtrix

    if not (df > 0 and n > 1 and groups >= 1 and rmsea0 >= 0 and rmsea1 >= 0 and 0 < alpha < 1):
        raise SpecError(
            f"The RMSEA test needs df above 0, n above 1, RMSEA of 0 or more and alpha between 0 and 1; got df={df}, "
            f"n={n}, rmsea0={rmsea0}, rmsea1={rmsea1}, alpha={alpha}."
        )
    if rmsea0 == rmsea1:
        raise SpecError(f"rmsea0 and rmsea1 are both {rmsea0}, so there is nothing to detect; change one.")
    first, second = ((n - 1) * df * x**2 / groups for x in (rmsea0, rmsea1))
    if rmsea1 > rmsea0:
        return float(1 - chndtr(chndtrix(1 - alpha, df, first), df, second))
    return float(chndtr(chndtrix(alpha, df, first), df, second))


def rmsea_sample_size(
    df: float, power: float = 0.8, rmsea0: float = 0.05, rmsea1: float = 0.08, alpha: float = 0.05, *, groups: int = 1
) -> int:
    """Fewest rows, in all groups, with which a test of model fit by the RMSEA has a power.

    Parameters
    ----------
    df : float
        Degrees of freedom of the model.
    power : float, default 0.8
    rmsea0, rmsea1 : float
        RMSEA under the hypothesis, and in truth; see :func:`rmsea_power`.
    alpha : float, default 0.05
    groups : int, default 1

    Returns
    -------
    int

    Raises
    ------
    SpecError
        For numbers out of range, or if a million rows do not suffice.

    Examples
    --------
    MacCallum, Browne and Sugawara (1996), table 4:

    >>> from cxmodels.sem import rmsea_sample_size
    >>> rmsea_sample_size(df=100), rmsea_sample_size(df=100, rmsea1=0.01)
    (132, 178)
    """
    _check(power, alpha)
    low, high = 1, 2
    while rmsea_power(df, high, rmsea0, rmsea1, alpha, groups=groups) < power:
        low, high = high, 2 * high
        if high > 2_000_000:
            raise SpecError(
                f"No sample of a million rows tells RMSEA {rmsea1} from {rmsea0} with {df} degrees of freedom."
            )
    while high - low > 1:
        middle = (low + high) // 2
        enough = rmsea_power(df, middle, rmsea0, rmsea1, alpha, groups=groups) >= power
        low, high = (low, middle) if enough else (middle, high)
    return whole_number("The sample size", high)
