"""A simulated subscription business: what its tables show, and the satisfaction behind them with its exact effects.

Months are calendar months. Snapshot t is the last day of month t (snapshot 0 the day before the first month); the state of
a customer at a snapshot decides the chance to leave at the end of the next month, so labels with a horizon of 31 days
at month ends are the simulated events, and the probability behind each is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import SpecError
from ..resampling import whole_number

Array = NDArray[np.float64]

# What moves satisfaction, in points per point of the perceived attribute; and the attribute's mean.
DRIVERS = {"speed": (0.15, 72.0), "price": (0.25, 62.0), "service": (0.25, 70.0), "reliability": (0.35, 74.0)}
_PLANS, _PRICES = np.array(["basic", "standard", "premium"]), np.array([20.0, 35.0, 50.0])
_REGIONS = np.array(["north", "south", "east", "west", "centre"])
_CHANNELS = np.array(["shop", "web", "phone"])
_TOPICS = np.array(["billing", "technical", "contract", "other"])
_TYPICAL = {"satisfaction": 70.0, "price": 35.0, "log_tenure": np.log(13.0), "tickets": 0.0}
_OFFER_MONTHS = 3
_STREAMS = ("customers", "paths", "tickets", "leaving", "campaigns", "usage", "surveys", "payments")


@dataclass(frozen=True, eq=False)
class SubscriberTruth:
    """What is true of a simulated subscription business.

    Attributes
    ----------
    monthly : DataFrame
        One row per customer at risk and snapshot, [customer_id, as_of_date, satisfaction (0-100), speed, price_rating,
        service, reliability (perceived, about 0-100), price, tenure_months, log_tenure (of 1 + months), tickets (in the
        month before), offer_effect, p_churn (chance to leave at the end of the next month), value (expected payment
        per month)].
    effects : Series
        Log-odds of leaving next month per unit of [intercept, satisfaction, price, log_tenure, tickets]; ``offer_effect``
        of `monthly` adds to these.
    drivers : Series
        Points of satisfaction per point of each perceived attribute.
    uplift : DataFrame
        One row per customer of a campaign, [customer_id, date, arm, p_control, p_offer, uplift]: chance to leave within
        three months without and with the offer along the customer's own path, and the first less the second.
    spend_effect : float
        Relative change of the monthly payment per point of satisfaction.
    observed_until : Timestamp
        Last day of the tables.
    world : object
        Everything that happened, from which :meth:`value` is computed.
    """

    monthly: pd.DataFrame
    effects: pd.Series
    drivers: pd.Series
    uplift: pd.DataFrame
    spend_effect: float
    observed_until: pd.Timestamp
    world: _World

    def value(self, as_of: Any, horizon: int, points: float = 0.0, *, discount: float = 0.0) -> float:
        """Return what the customers of a date are worth if all of them are more satisfied from then on.

        Parameters
        ----------
        as_of : date
            A month end among the snapshots.
        horizon : int
            Months counted, all of them simulated.
        points : float, default 0
            Points of satisfaction added to every month.
        discount : float, default 0
            Rate per month.

        Returns
        -------
        float
            Expected payments along each customer's own path of satisfaction and tickets, without offers: the first in full, the
            later ones times the chance still to be there.

        Raises
        ------
        SpecError
            If the date is no snapshot, or the horizon goes beyond the simulated months.

        Examples
        --------
        >>> _, truth = simulate_subscribers(customers=500, months=12, seed=1)
        >>> round(truth.value("2023-06-30", 6, 1) - truth.value("2023-06-30", 6))
        549
        """
        w, snapshots = self.world, pd.DatetimeIndex(self.world.ends)
        if pd.Timestamp(as_of) not in snapshots:
            raise SpecError(f"'{as_of}' is no snapshot; take a month end from {snapshots[0]:%Y-%m-%d} on.")
        t = int(np.flatnonzero(snapshots == pd.Timestamp(as_of))[0])
        whole_number("horizon", horizon, 1)
        if t + horizon >= len(snapshots):
            raise SpecError(
                f"{len(snapshots) - 1 - t} months are simulated after {as_of}, fewer than the horizon of {horizon}."
            )
        who = np.flatnonzero(w.life.active[t])
        paths = w.paths | {"satisfaction": w.paths["satisfaction"] + points}
        total, stay = 0.0, np.ones(len(who))
        for k in range(horizon):
            paid = w.people["price"][who] * np.exp(self.spend_effect * (paths["satisfaction"][t + k + 1, who] - 70))
            total += float(stay @ paid) / (1 + discount) ** k
            tickets = w.raw_tickets[t + k] if k else w.life.tickets[t]
            stay *= 1 - _logistic(_logit(self.effects, paths, w.people, t + k, who, w.life.tenure[t] + k, tickets))
        return total

    def __repr__(self) -> str:
        months = self.monthly["as_of_date"].nunique() - 1
        return f"SubscriberTruth({self.monthly['customer_id'].nunique()} customers, {months} months)"


def simulate_subscribers(
    customers: int = 5000,
    months: int = 24,
    seed: int = 1,
    *,
    first_month: str = "2023-01",
    churn: float = 0.025,
    satisfaction_effect: float = -0.04,
    price_effect: float = 0.015,
    tenure_effect: float = -0.35,
    ticket_effect: float = 0.35,
    offer_effect: float = -0.8,
    campaign_share: float = 0.2,
    response: float = 0.35,
    response_effect: float = 0.025,
    spend_effect: float = 0.006,
    returning: float = 0.01,
    missing: float = 0.02,
) -> tuple[dict[str, pd.DataFrame], SubscriberTruth]:
    """Simulate a subscription business with surveys, usage, tickets, payments and campaigns, whose truth is known.

    Each customer perceives four attributes (speed, price, service, reliability), which drift from month to month and
    make satisfaction, on 0-100. Satisfaction acts on leaving, on payments, on usage, and on whether a survey is
    answered. Tickets come from poor reliability. Offers go to a random half of each campaign.

    Parameters
    ----------
    customers : int, default 5000
        In all; 60 % are there at the beginning, the others join month by month.
    months : int, default 24
        Calendar months of data, at least 4.
    seed : int, default 1
        The same seed gives the same tables. Each table draws from a stream of its own: another response rate changes
        the surveys only.
    first_month : str, default "2023-01"
    churn : float, default 0.025
        Chance to leave in a month of a customer with satisfaction 70, price 35, a year of tenure and no ticket.
    satisfaction_effect : float, default -0.04
        Log-odds of leaving in a month per point of satisfaction (0-100).
    price_effect : float, default 0.015
        The same per unit of the monthly price. A high price also lowers the perceived price and thus satisfaction.
    tenure_effect : float, default -0.35
        The same per unit of log(1 + months since the subscription began).
    ticket_effect : float, default 0.35
        The same per ticket in the month before.
    offer_effect : float, default -0.8
        The same, for three months, of an offer to a customer who finds the price poor (perceived price 47); in proportion
        less to those who find it better, none from 77. Dormant customers, the 15 % who use least, are reminded that
        they pay: 0.5 is added.
    campaign_share : float, default 0.2
        Share of the customers in each half-yearly campaign; half of them get the offer, at random.
    response : float, default 0.35
        Chance that a customer with satisfaction 70 answers the quarterly survey.
    response_effect : float, default 0.025
        Log-odds of answering per point of satisfaction: the answers alone look too good.
    spend_effect : float, default 0.006
        Relative change of the payment per point of satisfaction.
    returning : float, default 0.01
        Chance per month that a customer who left subscribes again.
    missing : float, default 0.02
        Share of the answers in a returned survey that are blank, completely at random.

    Returns
    -------
    tables : dict of DataFrame
        ``customers`` [customer_id, region, age, channel]; ``subscriptions`` [customer_id, start, end, plan, price], end
        blank while it runs; ``usage`` [customer_id, date, minutes, sessions], weekly; ``tickets`` [customer_id, date,
        topic, hours, solved_first]; ``surveys`` [customer_id, date, satisfaction, expectations, ideal, speed, price,
        service, reliability (1-10), recommend (0-10)]; ``payments`` [customer_id, date, amount]; ``campaigns``
        [customer_id, date, arm ("offer" or "control"), cost].
    truth : SubscriberTruth

    Raises
    ------
    SpecError
        An argument is out of its range.

    Notes
    -----
    With s the satisfaction at a snapshot, the chance to leave at the end of the next month is the logistic function of
    ``a + satisfaction_effect s + price_effect price + tenure_effect log(1 + tenure) + ticket_effect tickets + offer``.
    Survey items are 1 + 9 (s + e) / 100 rounded to 1-10, with e normal with standard deviation 8.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.datasets import simulate_subscribers
    >>> tables, truth = simulate_subscribers(customers=500, months=12, seed=1)
    >>> labels = cx.churn.subscription_labels(tables["subscriptions"], "2023-06-30", 31)
    >>> int(labels.frame["churned"].sum())
    10
    >>> float(truth.effects["satisfaction"])
    -0.04
    """
    whole_number("customers", customers, 10)
    whole_number("months", months, 4)
    whole_number("seed", seed, 0)
    _share(churn=churn, response=response, campaign_share=campaign_share, returning=returning, missing=missing)
    slopes = {
        "satisfaction": satisfaction_effect,
        "price": price_effect,
        "log_tenure": tenure_effect,
        "tickets": ticket_effect,
    }
    _finite(**{f"{k}_effect": v for k, v in slopes.items()}, offer_effect=offer_effect)
    _finite(response_effect=response_effect, spend_effect=spend_effect)
    rngs = {name: np.random.default_rng([seed, k]) for k, name in enumerate(_STREAMS)}
    ends = _month_ends(first_month, months)
    base = np.log(churn / (1 - churn)) - sum(slopes[k] * _TYPICAL[k] for k in slopes)
    effects = pd.Series({"intercept": base} | slopes)

    people = _people(customers, months, rngs["customers"])
    paths = _paths(people, months, rngs["paths"])
    tickets = rngs["tickets"].poisson(0.25 * np.exp(0.03 * (74 - paths["reliability"])))
    life = _lives(people, paths, tickets, effects, offer_effect, campaign_share, returning, months, rngs, ends)
    ids = "C" + pd.Series(np.arange(1, customers + 1)).astype(str).str.zfill(len(str(customers))).to_numpy(
        dtype=object
    )
    world = _World(ids, ends, people, paths, tickets, life)
    tables = {
        "customers": pd.DataFrame({"customer_id": ids} | {k: people[k] for k in ("region", "age", "channel")}),
        "subscriptions": world.subscriptions(),
        "usage": world.usage(rngs["usage"]),
        "tickets": world.ticket_rows(rngs["tickets"]),
        "surveys": world.surveys(response, response_effect, missing, rngs["surveys"]),
        "payments": world.payments(spend_effect, rngs["payments"]),
        "campaigns": world.campaigns(),
    }
    drivers = pd.Series({k: weight for k, (weight, _) in DRIVERS.items()})
    truth = SubscriberTruth(
        world.monthly(spend_effect), effects, drivers, world.uplift(), spend_effect, pd.Timestamp(ends[-1]), world
    )
    return tables, truth


@dataclass(frozen=True, eq=False)
class _Lives:
    """Who subscribes when: arrays of shape (months + 1, customers), and the spells and campaigns behind them."""

    active: NDArray[np.bool_]
    tenure: Array
    tickets: Array
    offer: Array
    p: Array
    spells: pd.DataFrame
    campaigns: pd.DataFrame


@dataclass(frozen=True, eq=False)
class _World:
    """Everything that happened, from which the tables are written."""

    ids: NDArray[Any]
    ends: Any
    people: dict[str, Any]
    paths: dict[str, Array]
    raw_tickets: NDArray[np.int64]
    life: _Lives

    @property
    def _served(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Month and customer of every full month of service; months count from 1."""
        month, who = np.nonzero(self.life.active[:-1])
        return month + 1, who

    def _days(self, month: NDArray[np.intp], rng: np.random.Generator) -> Any:
        """Draw a day in each month."""
        length = np.diff(self.ends).astype(int)[month - 1]
        return self.ends[month - 1] + _days(1 + (rng.random(len(month)) * length).astype(int))

    def subscriptions(self) -> pd.DataFrame:
        """Spells; the end is the last day of a month."""
        spells = self.life.spells.sort_values(["who", "start"], ignore_index=True)
        who = spells["who"].to_numpy()
        return pd.DataFrame(
            {
                "customer_id": self.ids[who],
                "start": spells["start"].to_numpy(),
                "end": spells["end"].to_numpy(),
                "plan": self.people["plan"][who],
                "price": self.people["price"][who],
            }
        )

    def usage(self, rng: np.random.Generator) -> pd.DataFrame:
        """Four rows per month of service."""
        month, who = (v.repeat(4) for v in self._served)
        week = np.tile(np.arange(4), len(month) // 4)
        level = self.people["usage"][who] * np.exp(0.012 * (self.paths["satisfaction"][month, who] - 70))
        sessions = rng.poisson(4 * level)
        minutes = np.round(sessions * rng.gamma(6.0, 2.5, len(who)), 1)
        days = self.ends[month - 1] + _days(7 * (week + 1))
        return pd.DataFrame({"customer_id": self.ids[who], "date": days, "minutes": minutes, "sessions": sessions})

    def ticket_rows(self, rng: np.random.Generator) -> pd.DataFrame:
        """One row per ticket, at a random day of its month."""
        month, who = self._served
        number = self.raw_tickets[month, who]
        month, who = month.repeat(number), who.repeat(number)
        return pd.DataFrame(
            {
                "customer_id": self.ids[who],
                "date": self._days(month, rng),
                "topic": _TOPICS[rng.choice(4, len(who), p=(0.35, 0.35, 0.15, 0.15))],
                "hours": np.round(rng.lognormal(2.5, 0.9, len(who)), 1),
                "solved_first": (rng.random(len(who)) < 0.6).astype(int),
            }
        )

    def surveys(
        self, response: float, response_effect: float, missing: float, rng: np.random.Generator
    ) -> pd.DataFrame:
        """Answers of those who reply, in the last ten days of the month whose satisfaction they tell."""
        month, who = self._served
        asked = (month + who) % 3 == 0  # a third of the customers each month
        month, who = month[asked], who[asked]
        s = self.paths["satisfaction"][month, who]
        chance = _logistic(np.log(response / (1 - response)) + response_effect * (s - 70))
        replied = rng.random(len(who)) < chance
        month, who, s = month[replied], who[replied], s[replied]
        asked_of = {"satisfaction": s, "expectations": s - 3, "ideal": s - 6}
        asked_of |= {k: self.paths[k][month, who] for k in DRIVERS}
        items = {k: _rating(v + rng.normal(0, 8, len(s)), 9) + 1 for k, v in asked_of.items()}
        items["recommend"] = _rating(s + rng.normal(0, 8, len(s)), 10)
        for answers in items.values():
            answers[rng.random(len(s)) < missing] = np.nan
        date = self.ends[month] - _days(rng.integers(0, 10, len(s)))
        return pd.DataFrame({"customer_id": self.ids[who], "date": date} | items)

    def payments(self, spend_effect: float, rng: np.random.Generator) -> pd.DataFrame:
        """One payment at the end of each month of service."""
        month, who = self._served
        noise = np.exp(rng.normal(-0.005, 0.1, len(who)))  # of mean 1
        amount = self._value(month, who, spend_effect) * noise
        return pd.DataFrame({"customer_id": self.ids[who], "date": self.ends[month], "amount": np.round(amount, 2)})

    def campaigns(self) -> pd.DataFrame:
        """Who was in a campaign, and what it cost."""
        c = self.life.campaigns
        arm = np.where(c["offer"], "offer", "control").astype(object)
        cost = np.where(c["offer"], 10.0, 0.0)
        return pd.DataFrame({"customer_id": self.ids[c["who"]], "date": self.ends[c["t"]], "arm": arm, "cost": cost})

    def uplift(self) -> pd.DataFrame:
        """The campaigns with both chances."""
        c = self.life.campaigns
        both = c[["p_control", "p_offer"]].assign(uplift=c["p_control"] - c["p_offer"])
        return pd.concat([self.campaigns().drop(columns="cost"), both], axis=1)

    def monthly(self, spend_effect: float) -> pd.DataFrame:
        """The state of everybody at risk at each snapshot."""
        life = self.life
        t, who = np.nonzero(life.active)
        state = {"satisfaction": self.paths["satisfaction"][t, who]}
        state |= {("price_rating" if k == "price" else k): self.paths[k][t, who] for k in DRIVERS}
        return pd.DataFrame(
            {"customer_id": self.ids[who], "as_of_date": self.ends[t]}
            | state
            | {
                "price": self.people["price"][who],
                "tenure_months": life.tenure[t, who].astype(int),
                "log_tenure": np.log1p(life.tenure[t, who]),
                "tickets": life.tickets[t, who].astype(int),
                "offer_effect": life.offer[t, who],
                "p_churn": life.p[t, who],
                "value": self._value(t, who, spend_effect),
            }
        )

    def _value(self, month: NDArray[np.intp], who: NDArray[np.intp], spend_effect: float) -> Array:
        """Expected payment of a month."""
        return self.people["price"][who] * np.exp(spend_effect * (self.paths["satisfaction"][month, who] - 70))


def _people(n: int, months: int, rng: np.random.Generator) -> dict[str, Any]:
    """What does not change: place, age, plan, price, how much they use, and when they come."""
    plan = rng.choice(3, n, p=(0.35, 0.45, 0.20))
    joins = np.where(rng.random(n) < 0.6, 0, rng.integers(1, months + 1, n))
    return {
        "region": _REGIONS[rng.integers(0, 5, n)].astype(object),
        "age": np.clip(np.round(rng.normal(45, 15, n)), 18, 90).astype(int),
        "channel": _CHANNELS[rng.choice(3, n, p=(0.3, 0.5, 0.2))].astype(object),
        "plan": _PLANS[plan].astype(object),
        "price": _PRICES[plan] + np.round(rng.normal(0, 3, n) * 2) / 2,
        "usage": rng.lognormal(0.0, 0.6, n),
        "joins": joins,
        "earlier": np.minimum(rng.geometric(1 / 20, n), 120),
    }


def _paths(people: dict[str, Any], months: int, rng: np.random.Generator) -> dict[str, Array]:
    """Attributes and satisfaction of everybody in every month, whether they subscribe or not."""
    n = len(people["price"])

    def drift(spread: float, keep: float) -> Array:
        out = np.empty((months + 1, n))
        out[0] = rng.normal(0, spread, n)
        for t in range(1, months + 1):
            out[t] = keep * out[t - 1] + rng.normal(0, spread * np.sqrt(1 - keep**2), n)
        return out

    halo = rng.normal(0, 8, n)
    paths = {k: mean + halo + rng.normal(0, 16, n) + drift(8, 0.9) for k, (_, mean) in DRIVERS.items()}
    paths["price"] -= 0.3 * (people["price"] - 35)
    lift = sum(weight * (paths[k] - mean) for k, (weight, mean) in DRIVERS.items())
    paths["satisfaction"] = np.clip(70 + lift + drift(6, 0.8), 0, 100)
    return paths


def _lives(
    people: dict[str, Any],
    paths: dict[str, Array],
    raw_tickets: NDArray[np.int64],
    effects: pd.Series,
    offer_effect: float,
    campaign_share: float,
    returning: float,
    months: int,
    rngs: dict[str, np.random.Generator],
    ends: Any,
) -> _Lives:
    """Let customers come, leave and come back, month by month."""
    n, rng = len(people["price"]), rngs["leaving"]
    shape = (months + 1, n)
    active, tenure, tickets, offer, p = np.zeros(shape, bool), *(np.zeros(shape) for _ in range(4))
    dormant = people["usage"] < np.quantile(people["usage"], 0.15)
    gain = offer_effect * np.clip((77 - paths["price"]) / 30, 0, 2) + 0.5 * dormant
    begun = np.where(people["joins"] == 0, -people["earlier"], 0)  # month in which the present spell began
    start = ends[0] - _days((30.4 * people["earlier"]).astype(int))
    active[0] = people["joins"] == 0
    spells: list[pd.DataFrame] = []
    campaigns: list[pd.DataFrame] = []
    for t in range(months + 1):
        tenure[t] = t - begun
        if t:
            tickets[t] = raw_tickets[t] * active[t - 1]
        if t % 6 == 0 and 0 < t <= months - _OFFER_MONTHS:
            chosen = np.flatnonzero(active[t] & (rngs["campaigns"].random(n) < campaign_share))
            treated = rngs["campaigns"].random(len(chosen)) < 0.5
            offer[t : t + _OFFER_MONTHS, chosen[treated]] = gain[t, chosen[treated]]
            ahead = [
                _logit(effects, paths, people, t + k, chosen, tenure[t] + k, raw_tickets[t + k] if k else tickets[t])
                for k in range(_OFFER_MONTHS)
            ]
            stay = [np.prod([1 - _logistic(eta + g) for eta in ahead], axis=0) for g in (0.0, gain[t, chosen])]
            campaigns.append(
                pd.DataFrame(
                    {"t": t, "who": chosen, "offer": treated, "p_control": 1 - stay[0], "p_offer": 1 - stay[1]}
                )
            )
        everyone = np.arange(n)
        p[t] = _logistic(_logit(effects, paths, people, t, everyone, tenure[t], tickets[t]) + offer[t])
        if t == months:
            break
        leaves = active[t] & (rng.random(n) < p[t])
        gone = np.flatnonzero(leaves)
        spells.append(pd.DataFrame({"who": gone, "start": start[gone], "end": ends[t + 1]}))
        away = ~active[t] & (people["joins"] <= t)
        comes = (people["joins"] == t + 1) | (away & (rng.random(n) < returning))
        active[t + 1] = (active[t] & ~leaves) | comes
        offer[t + 1 :, leaves] = 0.0
        begun = np.where(comes, t + 1, begun)
        length = int((ends[t + 1] - ends[t]).astype(int))
        start = np.where(comes, ends[t] + _days(1 + (rng.random(n) * length).astype(int)), start)
    still = np.flatnonzero(active[months])
    spells.append(
        pd.DataFrame({"who": still, "start": start[still], "end": np.full(len(still), np.datetime64("NaT", "D"))})
    )
    none = pd.DataFrame({"t": [], "who": [], "offer": [], "p_control": [], "p_offer": []})
    every = (
        pd.concat(campaigns, ignore_index=True) if campaigns else none.astype({"t": int, "who": int, "offer": bool})
    )
    return _Lives(active, tenure, tickets, offer, p, pd.concat(spells, ignore_index=True), every)


def _days(count: Any) -> Any:
    """Whole days as lengths of time."""
    return np.asarray(count).astype("timedelta64[D]")


def _logit(
    effects: pd.Series, paths: dict[str, Array], people: dict[str, Any], t: int, who: Any, tenure: Any, tickets: Any
) -> Array:
    """Log-odds to leave at the end of the month after snapshot t, without an offer."""
    return (
        effects["intercept"]
        + effects["satisfaction"] * paths["satisfaction"][t, who]
        + effects["price"] * people["price"][who]
        + effects["log_tenure"] * np.log1p(tenure[who])
        + effects["tickets"] * tickets[who]
    )


def _logistic(x: Any) -> Array:
    return 1 / (1 + np.exp(-np.asarray(x, dtype=float)))


def _rating(score: Array, steps: int) -> Array:
    """Round a score on 0-100 to 0, 1, ..., steps."""
    return np.clip(np.rint(score / 100 * steps), 0, steps)


def _month_ends(first_month: str, months: int) -> Any:
    """Last day of the month before the first, and of each month."""
    try:
        first = np.array(str(first_month), dtype="datetime64[M]")
    except ValueError:
        first = np.array("NaT", dtype="datetime64[M]")
    if np.isnat(first):
        raise SpecError(f"`first_month` must be a month such as '2023-01', not {first_month!r}.")
    return (first + np.arange(months + 1).astype("timedelta64[M]")).astype("datetime64[D]") - _days(1)


def _share(**numbers: object) -> None:
    """Raise for an argument that is no share between 0 and 1."""
    for name, value in numbers.items():
        low = 0.0 if name in ("returning", "missing", "campaign_share") else np.nextafter(0, 1)
        if not isinstance(value, Real) or isinstance(value, bool) or not low <= float(value) < 1:
            raise SpecError(f"`{name}` must be a share below 1{'' if low == 0 else ' and above 0'}, not {value!r}.")


def _finite(**numbers: object) -> None:
    """Raise for an argument that is no finite number."""
    for name, value in numbers.items():
        if not isinstance(value, Real) or isinstance(value, bool) or not np.isfinite(float(value)):
            raise SpecError(f"`{name}` must be a finite number, not {value!r}.")
