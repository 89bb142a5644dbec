"""A simulated world in which the value of a point of satisfaction is known: attributes, satisfaction, leaving, money.

It is the world that the chain assumes, so that what the chain says can be checked; ``cxmodels.churn.simulate_subscribers`` is
another one, whose satisfaction drifts from month to month.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import SpecError
from ..resampling import whole_number
from .kernel import logistic

Array = NDArray[np.float64]

ATTRIBUTES = {"speed": 1.0, "price": 1.6, "service": 2.2}  # points of satisfaction per point of the rating, 1-10
_LARGE = 400_000  # customers from whom the truth is computed


@dataclass(frozen=True, eq=False)
class WorthTruth:
    """What is true of the simulated world.

    Attributes
    ----------
    attributes : Series
        Points of satisfaction per point of each rating.
    effect : float
        Change of the log-odds to leave per point.
    spend : float
        Relative change of the margin per point.
    reliability : float
        Of the mean of the three items of satisfaction.
    intercept, price : float
        Of the log-odds to leave, and per standard deviation of the price paid.

    Examples
    --------
    >>> import cxmodels as cx
    >>> base, survey, truth = cx.worth.simulate_worth(500, seed=1)
    >>> truth.effect, truth.attributes.to_dict()
    (-0.045, {'speed': 1.0, 'price': 1.6, 'service': 2.2})
    """

    attributes: pd.Series
    effect: float
    spend: float
    reliability: float
    intercept: float
    price: float

    def value(self, points: float, customers: int, *, horizon: int, discount: float) -> float:
        """Return what a rise for all is worth, in the population from which the base is drawn.

        Parameters
        ----------
        points : float
        customers : int
            In the base.
        horizon : int
            Periods, the first margin at once.
        discount : float
            Per period.

        Returns
        -------
        float
        """
        rng = np.random.default_rng(20)
        world = _people(_LARGE, rng)
        b = self.intercept + self.effect * world["satisfaction"] + self.price * world["z"]

        def worth(rise: float) -> float:
            stay = (1 - logistic(b + self.effect * rise)) / (1 + discount)
            paid = sum(stay**t for t in range(horizon))
            return float(np.mean(_margin(world, self.spend, rise) * paid))

        return customers * (worth(points) - worth(0.0))


def simulate_worth(
    customers: int = 4000,
    seed: int = 1,
    *,
    response: float = 0.35,
    churn: float = 0.12,
    effect: float = -0.045,
    spend: float = 0.004,
    noise: float = 12.0,
    selective: float = 0.02,
) -> tuple[pd.DataFrame, pd.DataFrame, WorthTruth]:
    """Simulate a base of customers and a survey of some of them, in a world whose value of a point is known.

    Three ratings (1-10) and a part that nobody asks for make satisfaction, 0-100, which acts on leaving and on spending. The
    price a customer pays lowers satisfaction and drives customers away besides: who leaves it out finds too much. Satisfaction
    is asked by three items with errors. The dissatisfied and those who pay much answer less often.

    Parameters
    ----------
    customers : int, default 4000
    seed : int, default 1
    response : float, default 0.35
        Share who answer, at mean satisfaction and price.
    churn : float, default 0.12
        Chance to leave in a period at mean satisfaction and price.
    effect : float, default -0.045
        Change of the log-odds to leave per point of satisfaction.
    spend : float, default 0.004
        Relative change of the margin per point.
    noise : float, default 12
        Standard deviation of the error of an item, in points of 0-100.
    selective : float, default 0.02
        Log-odds of answering per point of satisfaction.

    Returns
    -------
    base : DataFrame
        [customer_id, price, region, left (in the period after), margin (per period, before it), spend (in the period after)].
    survey : DataFrame
        [customer_id, speed, price, service (ratings 1-10), sat1, sat2, sat3 (1-10, not rounded), csi (their mean)].
    truth : WorthTruth

    Raises
    ------
    SpecError
        For fewer than 100 customers, or shares outside 0-1.

    Examples
    --------
    >>> from cxmodels.worth import simulate_worth
    >>> base, survey, truth = simulate_worth(1000, seed=1)
    >>> len(base), len(survey)
    (1000, 364)
    >>> round(truth.value(1, 1000, horizon=8, discount=0.02))
    1836
    """
    if whole_number("customers", customers) < 100:
        raise SpecError(f"customers must be 100 or more, not {customers}.")
    for name, share in (("response", response), ("churn", churn)):
        if not 0 < share < 1:
            raise SpecError(f"{name} must be a share between 0 and 1, not {share!r}.")
    rng = np.random.default_rng([seed, 8])
    world = _people(customers, rng)
    s, z = world["satisfaction"], world["z"]
    middle = 65.0
    price_effect = 0.25
    truth = WorthTruth(
        pd.Series(ATTRIBUTES), effect, spend, _reliability(noise), float(np.log(churn / (1 - churn)) - effect * middle),
        price_effect,
    )  # fmt: skip
    left = rng.random(customers) < logistic(truth.intercept + effect * s + price_effect * z)
    margin = _margin(world, spend, 0.0)
    base = pd.DataFrame(
        {
            "customer_id": np.arange(1, customers + 1),
            "price": np.round(35 + 8 * z, 2),
            "region": np.array(["north", "south", "west"])[rng.integers(0, 3, customers)],
            "left": left.astype(int),
            "margin": margin,
            "spend": margin * rng.gamma(20.0, 1 / 20, customers),
        }
    )
    asked = np.log(response / (1 - response)) + selective * (s - middle) - 0.2 * z
    answers = rng.random(customers) < logistic(asked)
    items = {f"sat{k}": 1 + 9 * np.clip(s + rng.normal(0, noise, customers), 0, 100) / 100 for k in (1, 2, 3)}
    survey = pd.DataFrame({"customer_id": base["customer_id"]} | {k: world[k] for k in ATTRIBUTES} | items)[answers]
    return base, survey.assign(csi=survey[list(items)].mean(axis=1)).reset_index(drop=True), truth


def _people(n: int, rng: np.random.Generator) -> dict[str, Any]:
    """Prices, ratings and satisfaction."""
    z = np.clip(rng.normal(0, 1, n), -3, 3)
    common = rng.normal(0, 1, n)
    load = {"speed": 0.0, "price": -0.8, "service": 0.0}
    ratings = {
        k: np.clip(np.rint(6.5 + 0.8 * common + load[k] * z + rng.normal(0, 1.3, n)), 1, 10) for k in ATTRIBUTES
    }
    lift = sum(ATTRIBUTES[k] * (ratings[k] - 6.5) for k in ATTRIBUTES)
    rest = np.clip(rng.normal(0, 6, n), -18, 18)
    return {"z": z, "satisfaction": 65 + lift + rest, **ratings, "own": rng.normal(0, 1, n)}


def _margin(world: dict[str, Any], spend: float, rise: float) -> Array:
    """What a customer pays in a period."""
    level = 20 + 4 * world["z"] + 2 * np.clip(world["own"], -3, 3)
    return np.asarray(level * np.exp(spend * (world["satisfaction"] - 65 + rise)))


def _reliability(noise: float) -> float:
    """Of the mean of three items, over the population."""
    s = _people(_LARGE, np.random.default_rng(21))["satisfaction"]
    true = float(s.var())
    return true / (true + noise**2 / 3)
