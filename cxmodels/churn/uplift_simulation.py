"""A simulated retention campaign whose effect on every customer is known."""

from __future__ import annotations

from numbers import Real

import numpy as np
import pandas as pd

from ..errors import SpecError
from ..resampling import whole_number

_PLANS = np.array(["basic", "standard", "premium"], dtype=object)
_REGIONS = np.array(["north", "south", "east", "west", "centre"], dtype=object)


def simulate_campaign(
    customers: int = 10_000,
    seed: int = 1,
    *,
    treated: float = 0.5,
    effect: float = 1.0,
    targeting: float = 0.0,
    missing: float = 0.02,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate an offer to some customers, with the chance to stay of each with and without it.

    Who is likely to leave and whom the offer keeps are different customers: risk comes from a short tenure, tickets and low
    satisfaction; the offer persuades those who find the price high for what they use, and reminds dormant customers that they
    pay for nothing, so that some of them leave because of it.

    Parameters
    ----------
    customers : int, default 10000
    seed : int, default 1
    treated : float, default 0.5
        Share that gets the offer.
    effect : float, default 1
        Multiplies all effects on the log-odds; 0 for an offer that does nothing.
    targeting : float, default 0
        Log-odds of the offer per standard deviation of risk. 0 is a randomised campaign; anything else is not.
    missing : float, default 0.02
        Share of the satisfaction ratings that are blank.

    Returns
    -------
    campaign : DataFrame
        [customer_id, tenure (months), price, plan, region, age, usage, trend, tickets, satisfaction (1-10), value (a year's
        margin), treatment (1 offer, 0 control), retained (1 stayed)].
    truth : DataFrame
        [customer_id, p_control, p_treated, uplift]: chance to stay without and with the offer, and the difference.

    Raises
    ------
    SpecError
        An argument is out of its range.

    Examples
    --------
    >>> from cxmodels.datasets import simulate_campaign
    >>> campaign, truth = simulate_campaign(customers=2000)
    >>> campaign.shape, round(float((truth["uplift"] < 0).mean()), 2)
    ((2000, 13), 0.15)
    """
    _check(customers, seed, treated, effect, targeting, missing)
    rng = np.random.default_rng(seed)
    n = customers
    plan = rng.choice(3, n, p=(0.35, 0.45, 0.20))
    tenure = np.minimum(rng.geometric(1 / 24, n), 120)
    price = np.array([20.0, 35.0, 50.0])[plan] + np.round(rng.normal(0, 4, n) * 2) / 2
    usage = np.round(rng.lognormal(3.0, 0.7, n), 1)
    trend = np.round(rng.normal(0, 0.25, n), 3)
    tickets = rng.poisson(0.6, n)
    satisfaction = np.clip(np.rint(7.2 - 0.5 * tickets - 0.02 * (price - 33) + rng.normal(0, 1.6, n)), 1, 10)
    age = np.clip(np.round(rng.normal(45, 15, n)), 18, 90).astype(int)
    dormant = usage < np.quantile(usage, 0.15)
    risk = (
        -1.1
        - 0.35 * (np.log1p(tenure) - 2.9)
        + 0.25 * tickets
        - 0.25 * (satisfaction - 7)
        - 0.8 * trend
        + 0.3 * dormant
    )
    dear = 1 / (1 + np.exp(-(price - 36) / 4)) * (satisfaction >= 4)
    gain = effect * (1.3 * dear * ~dormant - 0.6 * dormant)  # log-odds of staying that the offer adds
    p_control, p_treated = 1 / (1 + np.exp(risk)), 1 / (1 + np.exp(risk - gain))
    odds = np.log(treated / (1 - treated)) + targeting * (risk - risk.mean()) / risk.std()
    offer = rng.random(n) < 1 / (1 + np.exp(-odds))
    stays = rng.random(n) < np.where(offer, p_treated, p_control)
    shown = np.where(rng.random(n) < missing, np.nan, satisfaction)
    ids = "C" + pd.Series(np.arange(1, n + 1)).astype(str).str.zfill(len(str(n))).to_numpy(dtype=object)
    campaign = pd.DataFrame(
        {
            "customer_id": ids, "tenure": tenure, "price": price, "plan": _PLANS[plan], "region": _REGIONS[rng.integers(0, 5, n)],
            "age": age, "usage": usage, "trend": trend, "tickets": tickets, "satisfaction": shown,
            "value": np.round(12 * 0.4 * price, 2), "treatment": offer.astype(int), "retained": stays.astype(int),
        }
    )  # fmt: skip
    truth = pd.DataFrame(
        {"customer_id": ids, "p_control": p_control, "p_treated": p_treated, "uplift": p_treated - p_control}
    )
    return campaign, truth


def _check(
    customers: object, seed: object, treated: object, effect: object, targeting: object, missing: object
) -> None:
    """Refuse arguments out of their range."""
    whole_number("customers", customers, 10)
    whole_number("seed", seed, 0)
    for name, value in (("treated", treated), ("missing", missing)):
        low = 0.0 if name == "missing" else np.nextafter(0, 1)
        if isinstance(value, bool) or not isinstance(value, Real) or not low <= float(value) < 1:
            raise SpecError(f"`{name}` must be a share below 1{'' if low == 0 else ' and above 0'}, not {value!r}.")
    for name, value in (("effect", effect), ("targeting", targeting)):
        if isinstance(value, bool) or not isinstance(value, Real) or not np.isfinite(float(value)):
            raise SpecError(f"`{name}` must be a finite number, not {value!r}.")
