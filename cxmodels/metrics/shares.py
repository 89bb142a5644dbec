"""Shares and ratios of contacts, visits and days: FCR, response, conversion, contact rate, service level."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError, SpecError
from ..inference import SHARE_INTERVALS, ShareInterval, choose, quantile, share_interval
from ..survey.validation import of_rows
from .answers import Answers, counts_only, read, read_one
from .design import Array
from .estimate import Bounds, Estimate, Known, Measure, Point, evaluate
from .kinds import SHARE_UNIT, mean_bounds, named, part_bounds, ratio_point, share_bounds, share_point


def rate(
    x: Any,
    *,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    eligible: Any = None,
    interval: ShareInterval = "wilson",
    level: float = 0.95,
    name: str = "Rate",
) -> Any:
    """Share of yes among yes and no.

    Parameters
    ----------
    x : array-like of shape (n,), or column name
        1 or True for yes, 0 or False for no; missing ones are NaN or None.
    data : Survey or DataFrame, optional
        The table that column names speak of. A survey brings its weights.
    weights, strata, clusters : column name or array-like of shape (n,), optional
        Case weights and the design of the sample. Clusters are nested in strata.
    by : column name(s) or labels of shape (n,), optional
        Groups.
    eligible : array-like of bool of shape (n,), or column name, optional
        Rows in the base; the others are left out, and counted with the missing ones.
    interval : {"wilson", "wald", "agresti_coull", "clopper_pearson"}, default "wilson"
        See :func:`cxmodels.inference.share_interval`. With weights n is the effective number of answers: Kish's, or
        with strata or clusters that of Korn and Graubard (1998).
    level : float, default 0.95
        Confidence level.
    name : str, default "Rate"
        What the estimate is called.

    Returns
    -------
    Estimate or DataFrame
        On 0-1.

    Raises
    ------
    DataError
        For values other than 0 and 1, with counts.
    SpecError
        For an unknown option.

    Notes
    -----
    se = sqrt(p (1 - p) / n); with weights or a design linearised, with n - 1, as in R's survey package.

    Examples
    --------
    >>> from cxmodels.metrics import rate
    >>> e = rate([1] * 37 + [0] * 13)
    >>> round(e.value, 2), round(e.se, 4), round(e.ci_lower, 4), round(e.ci_upper, 4)
    (0.74, 0.062, 0.6045, 0.8413)
    """
    choose("interval", interval, SHARE_INTERVALS)
    answers = _yes_no(x, data, eligible)

    def point(x: Array, w: Array) -> Point:
        return share_point(x[:, 0], w)

    base = "" if eligible is None else " of eligible rows"
    asked = Measure(name, SHARE_UNIT, f"share of yes{base}; {named(interval)}", point, share_bounds(interval), ddof=0)
    return evaluate(asked, answers, weights=weights, strata=strata, clusters=clusters, by=by, level=level)


def _yes_no(x: Any, data: Any, eligible: Any) -> Answers:
    answers = read_one(x, data)
    answers.only((0, 1), "0 and 1 only")
    if eligible is None:
        return answers
    base = read(eligible, data, "eligible")
    base.only((0, 1), "0 and 1 only")
    if base.n != answers.n:
        raise DataError(f"eligible has {base.n} entries for {answers.n} rows: give one for each.")
    values = np.where(base.values == 1, answers.values, np.nan)
    if np.isnan(values).all():
        raise DataError(f"No row of '{answers.names[0]}' is eligible and answered: check eligible.")
    return Answers(values, answers.names, answers.survey, answers.named)


def proportion(
    successes: int,
    n: int,
    *,
    interval: ShareInterval = "wilson",
    level: float = 0.95,
    name: str = "Proportion",
) -> Estimate:
    """Share from two counts, where the answers themselves are not at hand.

    Parameters
    ----------
    successes : int
        How many did.
    n : int
        How many could.
    interval, level, name
        As for :func:`rate`.

    Returns
    -------
    Estimate

    Raises
    ------
    DataError
        If the counts are not whole, negative, or more did than could.

    Examples
    --------
    >>> from cxmodels.metrics import proportion
    >>> e = proportion(0, 20)
    >>> e.value, round(e.ci_upper, 4)
    (0.0, 0.1611)
    """
    choose("interval", interval, SHARE_INTERVALS)
    for said, count in (("successes", successes), ("n", n)):
        if isinstance(count, bool) or not np.isfinite(count) or count != int(count) or count < 0:
            raise DataError(f"{name}: {said} must be a whole number, 0 or more, not {count!r}.")
    if not 0 <= successes <= n or n == 0:
        raise DataError(f"{name}: {successes} of {n} is no share; n must be 1 or more and hold the successes.")
    p = float(successes / n)
    se = float(np.sqrt(p * (1 - p) / n))
    lower, upper = share_interval(p, n, interval, level)
    method = f"{int(successes)} of {int(n)}; {named(interval)}; simple random sample"
    return Estimate(p, se, lower, upper, int(n), method, metric=name, unit=SHARE_UNIT, level=level, n_eff=float(n))


def fcr(
    x: Any,
    *,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    eligible: Any = None,
    interval: ShareInterval = "wilson",
    level: float = 0.95,
) -> Any:
    """First contact resolution: contacts resolved at first contact over all contacts.

    Parameters
    ----------
    x : array-like of shape (n,), or column name
        1 if resolved at first contact, else 0.
    data, weights, strata, clusters, by, interval, level
        As for :func:`rate`.
    eligible : array-like of bool of shape (n,), or column name, optional
        For the net rate: contacts that could have been resolved at first contact. Default: the gross rate, over all.

    Returns
    -------
    Estimate or DataFrame
        On 0-1.

    Examples
    --------
    >>> from cxmodels.metrics import fcr
    >>> fcr([1, 1, 0, 1]).value, fcr([1, 1, 0, 1], eligible=[1, 1, 0, 1]).value
    (0.75, 1.0)
    """
    return rate(
        x, data=data, weights=weights, strata=strata, clusters=clusters, by=by, eligible=eligible, interval=interval,
        level=level, name="FCR, gross" if eligible is None else "FCR, net",
    )  # fmt: skip


def response_rate(
    x: Any,
    *,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    eligible: Any = None,
    interval: ShareInterval = "wilson",
    level: float = 0.95,
) -> Any:
    """Response rate: completed interviews over invitations.

    Parameters
    ----------
    x : array-like of shape (n,), or column name
        1 if the invited person answered, else 0.
    data, weights, strata, clusters, by, interval, level
        As for :func:`rate`.
    eligible : array-like of bool of shape (n,), or column name, optional
        Invitations that reached an eligible person. By default all count: the strictest rate (RR1 of AAPOR 2023,
        *Standard Definitions*, counts every case of unknown eligibility).

    Returns
    -------
    Estimate or DataFrame
        On 0-1.

    Examples
    --------
    >>> from cxmodels.metrics import response_rate
    >>> response_rate([1, 0, 0, 0, 1]).value
    0.4
    """
    return rate(
        x, data=data, weights=weights, strata=strata, clusters=clusters, by=by, eligible=eligible, interval=interval,
        level=level, name="Response rate",
    )  # fmt: skip


def conversion(
    x: Any,
    *,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    eligible: Any = None,
    interval: ShareInterval = "wilson",
    level: float = 0.95,
) -> Any:
    """Conversion: visits, leads or customers that bought over all of them.

    Parameters
    ----------
    x : array-like of shape (n,), or column name
        1 if it ended in a purchase, else 0.
    data, weights, strata, by, eligible, interval, level
        As for :func:`rate`.
    clusters : column name or array-like of shape (n,), optional
        The visitor, where rows are visits and a visitor has several.

    Returns
    -------
    Estimate or DataFrame
        On 0-1.

    Examples
    --------
    >>> from cxmodels.metrics import conversion
    >>> conversion([1, 0, 0, 0]).value
    0.25
    """
    return rate(
        x, data=data, weights=weights, strata=strata, clusters=clusters, by=by, eligible=eligible, interval=interval,
        level=level, name="Conversion",
    )  # fmt: skip


def contact_rate(
    contacts: Any,
    transactions: Any,
    *,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> Any:
    """Contacts per transaction: how often customers had to call, write or come.

    Parameters
    ----------
    contacts : array-like of shape (n,), column name, or a single number
        Contacts of each customer, day or branch.
    transactions : array-like of shape (n,), column name, or a single number
        Their transactions.
    data, weights, strata, clusters, by, level
        As for :func:`rate`.

    Returns
    -------
    Estimate or DataFrame
        Sum of contacts over sum of transactions. From many rows the ratio is linearised (Cochran 1977, ch. 6), with
        Student's interval; from two totals contacts are taken as Poisson, with the exact interval of Garwood (1936).

    Raises
    ------
    DataError
        For negative numbers, or no transactions.

    Examples
    --------
    >>> from cxmodels.metrics import contact_rate
    >>> contact_rate([2, 0, 1, 3], [10, 5, 10, 5]).value
    0.2
    >>> e = contact_rate(30, 200)
    >>> e.value, round(e.ci_lower, 4), round(e.ci_upper, 4)
    (0.15, 0.1012, 0.2141)
    """
    unit = "contacts per transaction"
    if np.isscalar(contacts) and not isinstance(contacts, str):
        if isinstance(transactions, str) or not np.isscalar(transactions):
            raise SpecError(
                "contacts is a single number and transactions is not: give two totals, or a column of each."
            )
        counts_only("Two totals", data=data, weights=weights, strata=strata, clusters=clusters, by=by)
        return _poisson(float(contacts), float(transactions), unit, level)  # type: ignore[arg-type]
    both = _pair(contacts, transactions, data, ("contacts", "transactions"))
    method = "sum of contacts over sum of transactions; interval t"

    def bounds(point: Point, known: Known) -> Bounds:
        lower, upper = mean_bounds(point, known)
        return max(lower, 0.0), upper

    asked = Measure("Contact rate", unit, method, ratio_point, bounds, student=True)
    return evaluate(asked, both, weights=weights, strata=strata, clusters=clusters, by=by, level=level)


def service_level(
    days_in_stock: Any,
    days: Any,
    *,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    interval: ShareInterval = "wilson",
    level: float = 0.95,
) -> Any:
    """Service level of a stock: days in stock over days, over products or shops.

    Parameters
    ----------
    days_in_stock : array-like of shape (n,), or column name
        Days on which each product could be bought.
    days : array-like of shape (n,), column name, or a single number
        Days on which it should have been.
    data, weights, strata, clusters, by, interval, level
        As for :func:`rate`. Cluster by shop or product where one has several rows.

    Returns
    -------
    Estimate or DataFrame
        Sum of days in stock over sum of days, 0-1. The days of one product are alike, so the standard error treats
        products, not days, as the sample; n in the interval is the effective number p (1 - p) / se².

    Raises
    ------
    DataError
        For negative days, or more days in stock than days.

    Examples
    --------
    >>> from cxmodels.metrics import service_level
    >>> round(service_level([30, 28, 12, 30], 30).value, 4)
    0.8333
    """
    choose("interval", interval, SHARE_INTERVALS)
    if np.isscalar(days) and not isinstance(days, str):
        days = np.full(read(days_in_stock, data, "days in stock").n, days)
    both = _pair(days_in_stock, days, data, ("days in stock", "days"))
    if over := int((both.values[:, 0] > both.values[:, 1]).sum()):
        raise DataError(f"'{both.names[0]}' exceeds '{both.names[1]}' in {of_rows(over, both.n)}; correct the days.")

    method = f"sum of days in stock over sum of days; {named(interval)}"
    asked = Measure("Service level", SHARE_UNIT, method, ratio_point, part_bounds(interval))
    return evaluate(asked, both, weights=weights, strata=strata, clusters=clusters, by=by, level=level)


def _pair(top: Any, bottom: Any, data: Any, said: tuple[str, str]) -> Answers:
    """Two columns side by side, neither negative, the second above zero somewhere."""
    first, second = read(top, data, said[0]), read(bottom, data, said[1])
    if first.n != second.n:
        raise DataError(f"There are {first.n} {said[0]} and {second.n} {said[1]}: give one of each for every row.")
    for part, what in zip((first, second), said, strict=True):
        part.at_least(0, f"{what} are 0 or more")
    if not np.nansum(second.values) > 0:
        raise DataError(f"All {second.n} rows of '{second.names[0]}' are 0, so there is nothing to divide by.")
    values = np.column_stack([first.values, second.values])
    return Answers(values, [*first.names, *second.names], first.survey, first.named)


def _poisson(count: float, exposure: float, unit: str, level: float) -> Estimate:
    from scipy.special import gammaincinv

    if not (np.isfinite(count) and count >= 0 and count == int(count)):
        raise DataError(f"contacts must be a whole number, 0 or more, not {count:g}.")
    if not (np.isfinite(exposure) and exposure > 0):
        raise DataError(f"transactions must be above 0, not {exposure:g}.")
    quantile(level)
    tail = (1 - level) / 2
    lower = 0.0 if count == 0 else float(gammaincinv(count, tail))
    upper = float(gammaincinv(count + 1, 1 - tail))
    return Estimate(
        count / exposure, float(np.sqrt(count)) / exposure, lower / exposure, upper / exposure, int(count),
        f"{count:g} contacts, {exposure:g} transactions; interval exact Poisson",
        metric="Contact rate", unit=unit, level=level,
    )  # fmt: skip
