"""How many interviews: the margin of an index, the change that a survey can see, and the power to see it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import SpecError
from ..inference import quantile
from ..resampling import whole_number


def index_margin(n: float, *, sd: float = 22.0, deff: float = 1.0, level: float = 0.95) -> float:
    """Half the width of an index's confidence interval.

    Parameters
    ----------
    n : float
        Interviews of the unit.
    sd : float, default 22
        Standard deviation of respondents' scores on 0-100. The default is common for satisfaction on 1-10 scales;
        take your own from an earlier wave.
    deff : float, default 1
        Design effect, such as that of weights, 1 + CV².
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    float
        Points: z sd sqrt(deff / n).

    Raises
    ------
    SpecError
        For numbers that are not above zero.

    Examples
    --------
    >>> from cxmodels.acsi import index_margin
    >>> round(index_margin(250), 2), round(index_margin(250, sd=16), 2)
    (2.73, 1.98)
    """
    _positive(n=n, sd=sd, deff=deff)
    return float(quantile(level) * sd * np.sqrt(deff / n))


def interviews(margin: float, *, sd: float = 22.0, deff: float = 1.0, level: float = 0.95) -> int:
    """Interviews per unit for a wanted margin of its index.

    Parameters
    ----------
    margin : float
        Half the width of the interval, in points.
    sd, deff, level : float
        As for :func:`index_margin`.

    Returns
    -------
    int
        (z sd / margin)² deff, rounded up.

    Raises
    ------
    SpecError
        For numbers that are not above zero.

    Examples
    --------
    >>> from cxmodels.acsi import interviews
    >>> interviews(2, sd=16)
    246
    """
    _positive(margin=margin, sd=sd, deff=deff)
    return _up((quantile(level) * sd / margin) ** 2 * deff)


def detectable_change(
    n: float,
    *,
    n_before: float | None = None,
    sd: float = 22.0,
    deff: float = 1.0,
    overlap: float = 0.0,
    correlation: float = 0.0,
    power: float = 0.8,
    level: float = 0.95,
    tests: int = 1,
) -> float:
    """Smallest change of an index between two waves that is found with a wanted power.

    Parameters
    ----------
    n : float
        Interviews of the unit in the later wave.
    n_before : float, optional
        In the earlier wave; by default as many.
    sd, deff : float
        As for :func:`index_margin`.
    overlap : float, default 0
        Share of the later wave's respondents who also answered in the earlier one.
    correlation : float, default 0
        Correlation of their two scores.
    power : float, default 0.8
        Probability of finding the change.
    level : float, default 0.95
        One less the level of the two-sided test.
    tests : int, default 1
        Units tested at once; the level of one test is divided by it (Bonferroni, the first step of Holm).

    Returns
    -------
    float
        (z_{1 - alpha / 2} + z_power) times the standard error of the change.

    Raises
    ------
    SpecError
        For numbers out of their range.

    Notes
    -----
    Var(change) = sd² deff (1 / n + 1 / n_before - 2 overlap correlation / max(n, n_before)) (Kish 1965, *Survey
    Sampling*, sec. 12.4, for partly overlapping samples).

    Examples
    --------
    >>> from cxmodels.acsi import detectable_change
    >>> round(detectable_change(250, sd=16), 2)
    4.01
    """
    se = change_se(n, n_before=n_before, sd=sd, deff=deff, overlap=overlap, correlation=correlation)
    return (_critical(level, tests) + _one_sided(power)) * se


def detectable(se: Any, *, power: float = 0.8, level: float = 0.95) -> Any:
    """Smallest true change that a comparison with a known standard error finds with a wanted power.

    Parameters
    ----------
    se : float or array-like
        Standard error of the change.
    power, level : float
        As for :func:`detectable_change`; a single test, not adjusted for many.

    Returns
    -------
    float or array-like
        (z_{1 - alpha / 2} + z_power) se.

    Examples
    --------
    >>> round(detectable(1.0), 3)
    2.802
    """
    return (quantile(level) + _one_sided(power)) * se


def power_of_change(
    change: float,
    n: float,
    *,
    n_before: float | None = None,
    sd: float = 22.0,
    deff: float = 1.0,
    overlap: float = 0.0,
    correlation: float = 0.0,
    level: float = 0.95,
    tests: int = 1,
) -> float:
    """Probability of finding a change of an index between two waves.

    Parameters
    ----------
    change : float
        True change, in points.
    n, n_before, sd, deff, overlap, correlation, level, tests
        As for :func:`detectable_change`.

    Returns
    -------
    float
        Of rejecting in either direction.

    Raises
    ------
    SpecError
        For numbers out of their range.

    Examples
    --------
    >>> from cxmodels.acsi import power_of_change
    >>> round(power_of_change(1, 250, sd=16), 3)
    0.108
    """
    from scipy.special import ndtr

    se = change_se(n, n_before=n_before, sd=sd, deff=deff, overlap=overlap, correlation=correlation)
    z = _critical(level, tests)
    return float(ndtr(abs(change) / se - z) + ndtr(-abs(change) / se - z))


def interviews_for_change(
    change: float,
    *,
    sd: float = 22.0,
    deff: float = 1.0,
    overlap: float = 0.0,
    correlation: float = 0.0,
    power: float = 0.8,
    level: float = 0.95,
    tests: int = 1,
) -> int:
    """Interviews per unit and wave to find a change with a wanted power.

    Parameters
    ----------
    change : float
        Change to be found, in points.
    sd, deff, overlap, correlation, power, level, tests
        As for :func:`detectable_change`; both waves are of the same size.

    Returns
    -------
    int

    Raises
    ------
    SpecError
        For numbers out of their range, or a change of zero.

    Examples
    --------
    >>> from cxmodels.acsi import interviews_for_change
    >>> interviews_for_change(1, sd=16)
    4019
    """
    _positive(change=abs(change))
    unit = change_se(1.0, sd=sd, deff=deff, overlap=overlap, correlation=correlation)
    return _up(((_critical(level, tests) + _one_sided(power)) * unit / change) ** 2)


def change_se(
    n: float,
    *,
    n_before: float | None = None,
    sd: float = 22.0,
    deff: float = 1.0,
    overlap: float = 0.0,
    correlation: float = 0.0,
) -> float:
    """Standard error of the change of an index between two waves.

    Parameters
    ----------
    n, n_before, sd, deff, overlap, correlation
        As for :func:`detectable_change`.

    Returns
    -------
    float

    Raises
    ------
    SpecError
        For numbers out of their range.

    Examples
    --------
    >>> round(change_se(100, sd=10), 3), round(change_se(100, sd=10, overlap=1, correlation=0.5), 3)
    (1.414, 1.0)
    """
    before = n if n_before is None else n_before
    _positive(n=n, n_before=before, sd=sd, deff=deff)
    if not 0 <= overlap <= 1 or not -1 <= correlation <= 1:
        raise SpecError(
            f"overlap must lie in 0 to 1 and correlation in -1 to 1, not {overlap!r} and {correlation!r}."
        )
    return float(sd * np.sqrt(deff * (1 / n + 1 / before - 2 * overlap * correlation / max(n, before))))


def _critical(level: float, tests: int) -> float:
    """Critical value of a two-sided test, one of several."""
    whole_number("tests", tests, 1)
    return quantile(1 - (1 - level) / tests) if tests > 1 else quantile(level)


def _one_sided(power: Any) -> float:
    """Normal quantile of a power."""
    from scipy.special import ndtri

    if isinstance(power, bool) or not isinstance(power, int | float) or not 0 < power < 1:
        raise SpecError(f"power must lie between 0 and 1, not {power!r}.")
    return float(ndtri(power))


def _positive(**numbers: Any) -> None:
    """Refuse numbers that are not above zero."""
    for name, value in numbers.items():
        good = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not good or not np.isfinite(value) or value <= 0:
            raise SpecError(f"{name} must be a number above zero, not {value!r}.")


def _up(n: float) -> int:
    """Round up, forgiving the last digits."""
    return int(np.ceil(n - 1e-9))
