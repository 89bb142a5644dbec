"""Customers who stay, leave or come back: churn, retention, repeat purchase."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError, SpecError
from ..inference import SHARE_INTERVALS, ShareInterval, choose
from .answers import Answers, counts_only, read
from .design import Array
from .estimate import Measure, Point, evaluate
from .kinds import SHARE_UNIT, named, share_bounds, share_point
from .shares import proportion, rate


def churn_rate(
    x: Any = None,
    *,
    start: int | None = None,
    end: int | None = None,
    new: int | None = None,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    interval: ShareInterval = "wilson",
    level: float = 0.95,
) -> Any:
    """Churn: customers lost in a period over customers at its start.

    Parameters
    ----------
    x : array-like of shape (n,), or column name, optional
        For each customer at the start of the period: 1 if lost by its end, else 0.
    start, end, new : int, optional
        In place of `x`: customers at the start and at the end, and how many were won between.
    data, weights, strata, clusters, by, interval, level
        As for :func:`rate`.

    Returns
    -------
    Estimate or DataFrame
        On 0-1, for the period. :func:`annual` makes it yearly.

    Raises
    ------
    SpecError
        If neither or both of answers and counts are given.
    DataError
        If the counts contradict one another.

    Examples
    --------
    >>> from cxmodels.metrics import churn_rate
    >>> churn_rate(start=1000, end=1050, new=150).value
    0.1
    """
    if _counts(x, start, end, new):
        counts_only("Three counts", data=data, weights=weights, strata=strata, clusters=clusters, by=by)
        lost = int(start or 0) - _kept(start, end, new)
        return proportion(lost, int(start or 0), interval=interval, level=level, name="Churn")
    return rate(
        x, data=data, weights=weights, strata=strata, clusters=clusters, by=by, interval=interval, level=level,
        name="Churn",
    )  # fmt: skip


def retention_rate(
    x: Any = None,
    *,
    start: int | None = None,
    end: int | None = None,
    new: int | None = None,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    interval: ShareInterval = "wilson",
    level: float = 0.95,
) -> Any:
    """Retention: customers kept over customers at the start, (end - new) / start.

    Parameters
    ----------
    x : array-like of shape (n,), or column name, optional
        For each customer at the start of the period: 1 if still one at its end, else 0.
    start, end, new, data, weights, strata, clusters, by, interval, level
        As for :func:`churn_rate`.

    Returns
    -------
    Estimate or DataFrame
        On 0-1, for the period.

    Examples
    --------
    >>> from cxmodels.metrics import retention_rate
    >>> retention_rate(start=1000, end=1050, new=150).value
    0.9
    """
    if _counts(x, start, end, new):
        counts_only("Three counts", data=data, weights=weights, strata=strata, clusters=clusters, by=by)
        return proportion(_kept(start, end, new), int(start or 0), interval=interval, level=level, name="Retention")
    return rate(
        x, data=data, weights=weights, strata=strata, clusters=clusters, by=by, interval=interval, level=level,
        name="Retention",
    )  # fmt: skip


def _counts(x: Any, *counts: Any) -> bool:
    """Whether three counts were given and not answers."""
    given = [c is not None for c in counts]
    if all(given) and x is None:
        return True
    if not any(given) and x is not None:
        return False
    raise SpecError("Give either one answer per customer, or the three counts start=, end= and new=.")


def _kept(start: Any, end: Any, new: Any) -> int:
    if end - new < 0 or end - new > start:
        raise DataError(
            f"{end} customers at the end, {new} of them new, leave {end - new} kept of {start} at the start; "
            "correct the counts."
        )
    return int(end - new)


def repeat_purchase(
    orders: Any,
    *,
    at_least: int = 2,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    interval: ShareInterval = "wilson",
    level: float = 0.95,
) -> Any:
    """Share of buyers who bought again in the period.

    Parameters
    ----------
    orders : array-like of shape (n,), or column name
        Orders of each customer in the period. Customers without one are no buyers: they are left out, and counted
        with the missing ones.
    at_least : int, default 2
        Orders that make a repeat buyer.
    data, weights, strata, clusters, by, interval, level
        As for :func:`rate`.

    Returns
    -------
    Estimate or DataFrame
        On 0-1.

    Raises
    ------
    DataError
        For negative or broken numbers of orders.

    Examples
    --------
    >>> from cxmodels.metrics import repeat_purchase
    >>> repeat_purchase([1, 3, 2, 1, 0]).value
    0.5
    """
    if isinstance(at_least, bool) or at_least != int(at_least) or at_least < 2:
        raise SpecError(f"at_least is a number of orders, 2 or more, not {at_least!r}.")
    answers = read(orders, data, "orders")
    answers.whole()
    answers.at_least(0, "a number of orders is 0 or more")
    values = np.where(answers.values == 0, np.nan, answers.values)
    if np.isnan(values).all():
        raise DataError(f"No customer of '{answers.names[0]}' has an order, so there are no buyers.")

    def point(x: Array, w: Array) -> Point:
        return share_point((x[:, 0] >= at_least).astype(float), w)

    choose("interval", interval, SHARE_INTERVALS)
    method = f"buyers with {at_least} or more orders over all buyers; {named(interval)}"
    asked = Measure("Repeat purchase", SHARE_UNIT, method, point, share_bounds(interval), ddof=0)
    buyers = Answers(values, answers.names, answers.survey, answers.named)
    return evaluate(asked, buyers, weights=weights, strata=strata, clusters=clusters, by=by, level=level)


def returning_customers(
    bought: Any,
    bought_before: Any,
    *,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    interval: ShareInterval = "wilson",
    level: float = 0.95,
) -> Any:
    """Share of this period's buyers who had bought before.

    Parameters
    ----------
    bought : array-like of shape (n,), or column name
        1 if the customer bought in the period, else 0.
    bought_before : array-like of shape (n,), or column name
        1 if the customer had bought before the period, else 0.
    data, weights, strata, clusters, by, interval, level
        As for :func:`rate`.

    Returns
    -------
    Estimate or DataFrame
        On 0-1; customers who did not buy in the period are outside the base.

    Examples
    --------
    >>> from cxmodels.metrics import returning_customers
    >>> round(returning_customers([1, 1, 1, 0], [1, 0, 1, 1]).value, 4)
    0.6667
    """
    return rate(
        bought_before, data=data, weights=weights, strata=strata, clusters=clusters, by=by, eligible=bought,
        interval=interval, level=level, name="Returning customers",
    )  # fmt: skip
