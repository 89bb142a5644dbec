"""Who to contact: expected profit, capacity, and a random control group kept out, in the order of a call list."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, SpecError
from ..resampling import whole_number
from .intake import check_ids
from .profit import Campaign
from .ranking import Array, check_share

ACTIONS = ("contact", "control", "none")


def targets(
    customer_id: ArrayLike,
    p: ArrayLike,
    *,
    value: ArrayLike,
    capacity: int | None = None,
    contact_cost: float = 1,
    offer_cost: float = 10,
    accept_rate: ArrayLike = 0.3,
    control_share: float = 0.1,
    seed: int = 0,
    p_low: ArrayLike | None = None,
    p_high: ArrayLike | None = None,
    reasons: pd.DataFrame | None = None,
    flags: ArrayLike | None = None,
    as_of_date: Any = None,
    horizon_days: int | None = None,
    model_id: str = "",
    data_hash: str = "",
    expected_profit: ArrayLike | None = None,
) -> pd.DataFrame:
    """Turn probabilities of leaving into a ranked, costed list with an action for every customer.

    A contact pays where its expected profit p (a (v - d) - f) - (1 - p) (d + f) is positive, with value v, rate of
    acceptance a, cost d of an accepted offer and cost f of a contact (Verbeke et al. 2012, EJOR 218); it needs
    calibrated probabilities. Going down the list in the order of that profit, every customer drawn for the control
    group is kept out and the others are contacted, until `capacity` contacts are given out: contacted and control
    customers come from the same stretch of the list, so that their difference later measures the campaign.

    Parameters
    ----------
    customer_id : array-like of shape (n,)
        Unique identifiers.
    p : array-like of shape (n,)
        Calibrated probabilities of leaving.
    value : float or array-like of shape (n,)
        What a customer who is kept is worth, in money.
    capacity : int, optional
        Contacts that can be made; without it every contact that pays.
    contact_cost, offer_cost : float, default 1 and 10
        Cost of a contact, and of an accepted offer.
    accept_rate : float or array-like of shape (n,), default 0.3
        Probability that a customer about to leave accepts the offer. The default is the mean of the customary
        Beta(6, 14); measure yours with the control group.
    control_share : float, default 0.1
        Share of those worth a contact who are kept out at random; 0 for none.
    seed : int, default 0
        Draws the control group by a hash of seed and identifier: the same customers in any order of rows, on any
        day; another seed for another campaign.
    p_low, p_high : array-like of shape (n,), optional
        Interval of each probability, passed on.
    reasons : DataFrame of n rows, optional
        Columns reason_1, reason_2, ...; passed on.
    flags : array-like of str, optional
        What was unusual about a customer's data; passed on.
    as_of_date : date, optional
        Day to which the features refer.
    horizon_days : int, optional
        Days ahead for which `p` holds.
    model_id, data_hash : str, optional
        Provenance, passed on.
    expected_profit : array-like of shape (n,), optional
        What contacting each customer changes, in money, where it is known otherwise than by the rate of acceptance, as
        from :class:`cxmodels.churn.Uplift`; it takes the place of the formula above.

    Returns
    -------
    DataFrame
        One line per customer, first the best contact: [customer_id, as_of_date, horizon_days, p_churn, p_low,
        p_high, rank, percentile, decile, expected_loss, expected_profit, action, reason_1, reason_2, reason_3, flags,
        model_id, data_hash]. Rank 1 has the highest expected profit (ties: the higher risk, then a hash of the
        identifier). `percentile` is of risk, 100 the riskiest; decile 1 is the riskiest tenth. `expected_loss` is
        p · value; `expected_profit` is that of a contact, whatever the action.

    Raises
    ------
    DataError
        For duplicated or missing identifiers, probabilities outside 0 to 1, values that are missing or negative, or
        lengths that differ.
    SpecError
        For an option that makes no sense.

    Examples
    --------
    >>> from cxmodels.churn import targets
    >>> found = targets(["a", "b", "c"], [0.05, 0.6, 0.3], value=300, capacity=1, control_share=0)
    >>> found[["customer_id", "rank", "expected_profit", "action"]]
      customer_id  rank  expected_profit   action
    0           b     1            47.20  contact
    1           c     2            18.10     none
    2           a     3            -6.15     none
    """
    ids = np.asarray(check_ids(customer_id), dtype=object)
    if not len(ids):
        raise DataError("There are no customers; a list needs at least one.")
    n = len(ids)
    risk = per_customer("p", p, n)
    if bad := int(((risk < 0) | (risk > 1)).sum()):
        raise DataError(f"{bad} probabilities lie outside 0 to 1; give calibrated probabilities of leaving.")
    worth, rate = per_customer("value", value, n), per_customer("accept_rate", accept_rate, n)
    if bad := int((worth < 0).sum()):
        raise DataError(f"{bad} customers have a negative value; give what a customer who is kept is worth.")
    if bad := int(((rate < 0) | (rate > 1)).sum()):
        raise DataError(f"{bad} rates of acceptance lie outside 0 to 1.")
    day = _day(as_of_date)
    if horizon_days is not None and not horizon_days >= 1:
        raise SpecError(f"horizon_days must be a whole number of days, 1 or more, not {horizon_days!r}.")
    _check_options(capacity, contact_cost, offer_cost, control_share, seed)
    # The campaign's own value is not used: every customer has one.
    money = Campaign(clv=float(offer_cost) + 1, incentive_cost=offer_cost, contact_cost=contact_cost)
    profit = (
        money.profit(risk, worth, rate)
        if expected_profit is None
        else per_customer("expected_profit", expected_profit, n)
    )
    order = np.lexsort((_uniform(ids, "order", 0), -risk, -profit))
    chosen = np.zeros(n, dtype=bool)
    control = np.zeros(n, dtype=bool)
    pays = profit[order] > 0
    drawn = (_uniform(ids, "control", seed) < control_share)[order]
    full = np.inf if capacity is None else capacity
    reached = np.cumsum(pays & ~drawn) - (pays & ~drawn) < full  # contacts are left when this line is reached
    chosen[order], control[order] = pays & ~drawn & reached, pays & drawn & reached
    place = np.empty(n, dtype=np.intp)
    place[np.lexsort((_uniform(ids, "order", 0), -risk))] = np.arange(n)  # 0 is the riskiest
    out = pd.DataFrame(
        {
            "customer_id": ids,
            "as_of_date": day,
            "horizon_days": pd.array([pd.NA if horizon_days is None else int(horizon_days)] * n, dtype="Int64"),
            "p_churn": risk,
            "p_low": np.nan if p_low is None else per_customer("p_low", p_low, n),
            "p_high": np.nan if p_high is None else per_customer("p_high", p_high, n),
            "percentile": 100.0 * (n - place) / n,
            "decile": place * 10 // n + 1,
            "expected_loss": risk * worth,
            "expected_profit": profit,
            "action": np.where(chosen, "contact", np.where(control, "control", "none")),
            **_reasons(reasons, n),
            "flags": "" if flags is None else _text("flags", flags, n),
            "model_id": model_id,
            "data_hash": data_hash,
        }
    ).iloc[order]
    out = out.reset_index(drop=True)
    out.insert(6, "rank", np.arange(1, n + 1))
    return out


def targets_summary(list_: pd.DataFrame) -> pd.DataFrame:
    """Count and cost the actions of a list.

    Parameters
    ----------
    list_ : DataFrame
        From :func:`targets`.

    Returns
    -------
    DataFrame
        Index action: [customers, mean_p_churn, expected_churners, expected_loss, expected_profit]; the profit is that
        of contacting, so only the line of contact will be earned.

    Examples
    --------
    >>> from cxmodels.churn import targets, targets_summary
    >>> found = targets(["a", "b", "c"], [0.05, 0.6, 0.3], value=300, capacity=1, control_share=0)
    >>> targets_summary(found)["customers"].to_dict()
    {'contact': 1, 'control': 0, 'none': 2}
    """
    grouped = list_.groupby("action")
    out = grouped.agg(
        customers=("p_churn", "size"),
        mean_p_churn=("p_churn", "mean"),
        expected_churners=("p_churn", "sum"),
        expected_loss=("expected_loss", "sum"),
        expected_profit=("expected_profit", "sum"),
    ).reindex(list(ACTIONS))
    filled = out.fillna({c: 0 for c in out if c != "mean_p_churn"})
    return filled.astype({"customers": int})


def per_customer(name: str, given: ArrayLike, n: int) -> Array:
    """Return one finite number per customer, from one each or one for all.

    Parameters
    ----------
    name : str
        For messages.
    given : float or array-like of shape (n,)
    n : int
        Customers.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    DataError
        For text, blanks, infinities, or another length.
    """
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        raise DataError(f"{name} holds something that is not a number.") from None
    if values.ndim == 0:
        values = np.full(n, float(values))
    if values.shape != (n,):
        raise DataError(f"{name} has {values.size} entries for {n} customers; give one each, or one number for all.")
    if bad := int((~np.isfinite(values)).sum()):
        raise DataError(f"{name} is missing or infinite for {bad} of {n} customers; fill these first.")
    return values


def _check_options(capacity: Any, contact_cost: Any, offer_cost: Any, control_share: Any, seed: Any) -> None:
    """Refuse options that make no sense."""
    if capacity is not None and (
        isinstance(capacity, bool) or not isinstance(capacity, int | np.integer) or capacity < 0
    ):
        raise SpecError(f"capacity must be a whole number of contacts, zero or more, not {capacity!r}.")
    for name, cost in (("contact_cost", contact_cost), ("offer_cost", offer_cost)):
        if isinstance(cost, bool) or not isinstance(cost, Real) or not 0 <= float(cost) < np.inf:
            raise SpecError(f"{name} must be an amount of zero or more, not {cost!r}.")
    if control_share != 0:
        check_share("control_share", control_share)
    whole_number("seed", seed)


def _day(given: Any) -> Any:
    """A day without its time, NaT for none."""
    if given is None:
        return pd.NaT
    try:
        day: Any = pd.Timestamp(given)
    except (TypeError, ValueError):
        day = pd.NaT
    if day is pd.NaT:
        raise SpecError(f"as_of_date must be a day such as 2026-03-31, not {given!r}.")
    return day.normalize()


def _uniform(ids: Iterable[object], purpose: str, seed: int) -> Array:
    """A number in [0, 1) from each identifier, the same on every machine and in any order of rows."""
    head = f"{purpose}|{seed}|".encode()
    digests = b"".join(hashlib.blake2b(head + str(i).encode(), digest_size=8).digest() for i in ids)
    return np.frombuffer(digests, dtype="<u8").astype(float) / 2.0**64


def _reasons(reasons: pd.DataFrame | None, n: int) -> dict[str, Any]:
    """Columns reason_1 to reason_3, blank where there is none."""
    names = ["reason_1", "reason_2", "reason_3"]
    if reasons is None:
        return dict.fromkeys(names, "")
    if len(reasons) != n:
        raise DataError(f"There are reasons for {len(reasons)} of {n} customers; give one line each.")
    return {k: reasons[k].fillna("").astype(str).to_numpy(dtype=object) if k in reasons else "" for k in names}


def _text(name: str, given: ArrayLike, n: int) -> NDArray[np.object_]:
    """One text per customer."""
    values = pd.Series(given).fillna("").astype(str).to_numpy(dtype=object)
    if len(values) != n:
        raise DataError(f"{name} has {len(values)} entries for {n} customers; give one each.")
    return values
