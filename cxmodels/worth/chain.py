"""From attributes to money in one function of row weightings, so that one bootstrap carries the error of every stage.

A unit is a customer of the base; who answered the survey carries the answers along, respondents who are in no base stand behind.
Under one weighting of the units all stages are estimated anew: what moves satisfaction, how well it is measured, who answers,
how satisfaction goes with leaving and spending, who leaves, and what the base is worth.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..linkage.families import FAMILIES, Failed, corrected, propensity, scoring
from .customers import Customers, tenure_groups
from .kernel import Base, Terms, Worth, logistic, residual_variance
from .sources import Measured, Source

Array = NDArray[np.float64]

# What is found once under each weighting; then come slopes and realised rises by attribute, and points and values by plan.
SINGLE = (
    "satisfaction", "reliability", "within", "naive", "effect", "spend_naive", "spend", "spread", "sd", "chance",
    "margin", "now", "kept_now", "point", "point_retained", "point_chance", "point_kept", "chance_then", "kept_then",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Effects:
    """What one weighting says of the stages between satisfaction and money.

    Attributes
    ----------
    satisfaction : float
        Mean of the base, 0-100.
    reliability, within : float
        Of the score, and of the score beyond the controls.
    naive, effect : float
        Change of the log-odds to leave per point of the score, and per point of what it measures.
    spend_naive, spend : float
        The same of the logarithm of the mean spend; 0 where spend is not looked at.
    spread, sd : float
        Standard deviation of satisfaction among customers who look alike, and of all, without error of measurement.
    ratio : float
        Variance of the score over what the controls leave of it.
    base : Base
    tenures : ndarray of shape (groups,)
        Typical tenure of each group.
    aging : float
        Change of the log-odds to leave per unit of log(1 + tenure).
    """

    satisfaction: float
    reliability: float
    within: float
    naive: float
    effect: float
    spend_naive: float
    spend: float
    spread: float
    sd: float
    ratio: float
    base: Base
    tenures: Array
    aging: float

    def worth(self, terms: Terms, low: float = 0.0, high: float = 1.0) -> Worth:
        """Return the value of the base as a function of a rise between two points."""
        t = np.arange(max(terms.horizon - 1, 0))[:, None]
        trend = self.aging * (np.log1p(self.tenures + t) - np.log1p(self.tenures))
        return Worth(self.base, self.effect, self.spend, self.spread, terms, trend, low, high)


class Linked(NamedTuple):
    """Respondents whose outcome is known.

    Attributes
    ----------
    place : ndarray of int of shape (n,)
        Among the customers.
    score, weight : ndarray of shape (n,)
        Score less the mean of all respondents, and weight.
    mean, total : float
        Mean and variance of the score among all respondents.
    reliability, error : float
        Of the score, and the variance of its error.
    """

    place: NDArray[np.intp]
    score: Array
    weight: Array
    mean: float
    total: float
    reliability: float
    error: float


@dataclass(frozen=True, eq=False)
class Chain:
    """All stages as one picklable function of row weightings.

    Parameters
    ----------
    source : Source
    customers : Customers
    terms : Terms
    reliability : float or None
        Given, in place of what the model says.
    plans : ndarray of shape (s, k)
        Rises asked of the attributes, one plan a line; the first is the one that is reported.
    moves : ndarray of shape (n, s, k)
        How far each respondent follows.
    at_once : float
        Points added to satisfaction directly, in every plan.
    starts : dict
        Coefficients to start from.
    """

    source: Source
    customers: Customers
    terms: Terms
    reliability: float | None = None
    plans: Array = field(default_factory=lambda: np.zeros((0, 0)))
    moves: Array = field(default_factory=lambda: np.zeros((0, 0, 0)))
    at_once: float = 0.0
    starts: dict[str, Array] = field(default_factory=dict)
    group: NDArray[np.intp] = field(init=False)
    tenures: Array = field(init=False)

    def __post_init__(self) -> None:
        group, tenures = tenure_groups(self.customers.tenure, self.customers.n)
        object.__setattr__(self, "group", group)
        object.__setattr__(self, "tenures", tenures)

    @property
    def units(self) -> int:
        """Customers of the base, and respondents who are none."""
        return max(self.customers.n, int(self.customers.unit.max()) + 1)

    def with_plans(self, plans: Array, at_once: float = 0.0) -> Chain:
        """Return the chain for some plans.

        Parameters
        ----------
        plans : ndarray of shape (s, k)
        at_once : float

        Returns
        -------
        Chain
        """
        return replace(self, plans=plans, moves=follow(self.source, plans), at_once=at_once)

    def __call__(self, counts: Array) -> tuple[Array, dict[str, NDArray[np.bool_]]]:
        """Evaluate weightings (b, units); a line in which a stage has no estimate is NaN."""
        rows = counts[:, self.customers.unit]
        found = self.source.measure(rows)
        out = np.full((len(counts), self.size), np.nan)
        lost = np.array(found.bad)
        for i in np.flatnonzero(~lost):
            try:
                out[i] = self._line(counts[i], rows[i], found, int(i))
            except Failed:
                lost[i] = True
        lost |= ~np.isfinite(out).all(axis=1)
        out[lost] = np.nan
        return out, {"a stage without an estimate": lost}

    @property
    def size(self) -> int:
        """Numbers under each weighting."""
        s, k = self.plans.shape
        return len(SINGLE) + 2 * k + 3 * s

    def read(self, line: Array) -> dict[str, Any]:
        """Return the numbers of a line, or of many (b, size), by name."""
        s, k = self.plans.shape
        cut = np.cumsum([len(SINGLE), k, k, s, s])
        parts = np.split(line, cut, axis=-1)
        named = {name: parts[0][..., j] for j, name in enumerate(SINGLE)}
        return named | dict(zip(("slopes", "realised", "points", "value", "retained"), parts[1:], strict=True))

    def effects(self, mass: Array, rows: Array, response: Array, found: Measured, i: int) -> Effects:
        """Estimate the stages between satisfaction and money under one weighting.

        Parameters
        ----------
        mass : ndarray of shape (n,)
            Of the customers.
        rows : ndarray of shape (respondents,)
        response : ndarray of shape (n,)
            How many customers stand behind each.
        found : Measured
        i : int
            Line of `found`.

        Returns
        -------
        Effects

        Raises
        ------
        Failed
            If a stage has no estimate, naming it.
        """
        c, k = self.customers, self._linked(rows, response, found, i)
        with _stage("the effect of satisfaction on leaving"):
            naive, effect = (float(v[1]) for v in self._slopes(k, c.left, "logit"))
        spends = 0.0, 0.0
        if c.spend is not None:
            with _stage("the effect of satisfaction on spending"):
                spends = tuple(float(v[1]) for v in self._slopes(k, c.spend, "poisson"))  # type: ignore[assignment]
        with _stage("the chance to leave"):
            coef = self._leaving(mass)
        left, middle = residual_variance(k.score, c.x[k.place], k.weight), float(k.weight @ k.score / k.weight.sum())
        sd = np.sqrt(max(float(k.weight @ (k.score - middle) ** 2 / k.weight.sum()) - k.error, 0.0))
        return Effects(
            k.mean + middle, k.reliability, 1 - k.error / left, naive, effect, *spends, float(np.sqrt(left - k.error)), float(sd),
            k.total / left, Base(logistic(c.x @ coef), c.margin, mass, self.group), self.tenures,
            float(coef[-1]) if c.tenure is not None else 0.0,
        )  # fmt: skip

    def _linked(self, rows: Array, response: Array, found: Measured, i: int) -> Linked:
        """Scores and weights of the respondents of known outcome, and the error in the scores."""
        c, inside, score = self.customers, self.customers.link, found.scores[i]
        reliability = self.reliability or float(np.nan_to_num(found.reliability[i], nan=1.0))
        case = rows * self.source.case
        mean = float(case @ score / case.sum())
        total = float(case @ (score - mean) ** 2 / case.sum())
        g = case[inside] * response[c.unit[inside]]
        used = g > 0
        place, own = c.unit[inside][used], score[inside][used] - mean
        return Linked(place, own, g[used], mean, total, reliability, (1 - reliability) * total)

    def _slopes(self, k: Linked, outcome: Array, family: str) -> tuple[Array, Array]:
        """Coefficients (intercept, satisfaction, controls) with the score as it is, and with what it measures."""
        y, of = outcome[k.place], FAMILIES[family]
        seen = np.isfinite(y)
        s, x, y, g = k.score[seen], self.customers.x[k.place[seen]], y[seen], k.weight[seen]
        naive = scoring(np.column_stack([x[:, :1], s, x[:, 1:]]), y, g, of, self.starts.get(f"{family} naive"))
        if k.error <= 0:
            return naive, naive
        how = "likelihood" if of.binary else "calibration"
        return naive, corrected(s, x[:, 1:], y, g, of, k.error, how, self.starts.get(family))[0]

    def response(self, mass: Array) -> Array:
        """How many customers like them stand behind each respondent: one over the chance to answer, by the controls."""
        c = self.customers
        if c.x.shape[1] == 1 or c.answered.all():
            return np.ones(c.n)
        with _stage("who answers"):
            return 1 / propensity(c.x, c.answered.astype(float), mass, self.starts.get("response"))[0]

    def own(self, found: Measured) -> Effects:
        """Return the stages in the data themselves.

        Parameters
        ----------
        found : Measured
            Of rows that all count once.

        Returns
        -------
        Effects
        """
        c = self.customers
        mass = np.ones(c.n)
        return self.effects(mass, np.ones(len(c.unit)), self.response(mass), found, 0)

    def warm(self, found: Measured) -> Chain:
        """Return the chain with the estimates of the data themselves to start from.

        Parameters
        ----------
        found : Measured
            Of rows that all count once.

        Returns
        -------
        Chain
        """
        c, mass = self.customers, np.ones(self.customers.n)
        k = self._linked(np.ones(len(c.unit)), self.response(mass), found, 0)
        starts = {}
        for family, outcome in (("logit", c.left), ("poisson", c.spend)):
            if outcome is not None:
                starts[f"{family} naive"], starts[family] = self._slopes(k, outcome, family)
        starts["leaving"] = self._leaving(mass)
        if c.x.shape[1] > 1 and not c.answered.all():
            starts["response"] = propensity(c.x, c.answered.astype(float), mass)[1]
        return replace(self, starts=starts)

    def _leaving(self, mass: Array) -> Array:
        """Coefficients of the chance to leave by the controls."""
        c = self.customers
        known = np.isfinite(c.left) & (mass > 0)
        return scoring(c.x[known], c.left[known], mass[known], FAMILIES["logit"], self.starts.get("leaving"))

    def _line(self, counts: Array, rows: Array, found: Measured, i: int) -> Array:
        """All numbers under one weighting."""
        mass = counts[: self.customers.n]
        response = self.response(mass)
        e = self.effects(mass, rows, response, found, i)
        slopes = found.slopes[i]
        realised, points = self.points(rows, slopes, response)
        worth = e.worth(
            self.terms, float(min(points.min(initial=0.0), 0.0)), float(max(points.max(initial=1.0), 1.0))
        )
        now, kept = float(worth.total(0.0)), float(worth.kept(0.0))
        first = float(points[0]) if len(points) else 1.0
        single = {
            **{name: getattr(e, name) for name in SINGLE[:9]},
            "chance": worth.leaving(0.0), "margin": float(e.base.weight @ e.base.margin / e.base.weight.sum()),
            "now": now, "kept_now": kept, "point": float(worth.total(1.0)) - now,
            "point_retained": float(worth.retained(1.0)) - now, "point_chance": worth.leaving(1.0),
            "point_kept": float(worth.kept(1.0)), "chance_then": worth.leaving(first), "kept_then": float(worth.kept(first)),
        }  # fmt: skip
        return np.concatenate(
            [
                [single[k] for k in SINGLE],
                slopes,
                realised,
                points,
                worth.total(points) - now,
                worth.retained(points) - now,
            ]
        )

    def points(self, rows: Array, slopes: Array, response: Array) -> tuple[Array, Array]:
        """Realised rises of the first plan (k), and points of satisfaction of every plan (s)."""
        if not self.plans.size:
            return np.zeros(self.plans.shape[1]), np.full(len(self.plans), self.at_once)
        unit = self.customers.unit
        inside = unit < self.customers.n
        weight = np.full(len(unit), 1.0)
        weight[inside] = response[unit[inside]]
        weight[~inside] = weight[inside].mean()
        g = rows * self.source.case * weight
        s, k = self.plans.shape
        rises = (g @ self.moves.reshape(len(g), s * k) / g.sum()).reshape(s, k)
        return rises[0], rises @ slopes + self.at_once


def follow(source: Source, plans: Array) -> Array:
    """How far each respondent moves under each plan, (n, s, k): not beyond the end of the scale, and not without an answer.

    Parameters
    ----------
    source : Source
    plans : ndarray of shape (s, k)

    Returns
    -------
    ndarray
    """
    x = source.answers[:, None, :]
    to = np.clip(x + plans, np.minimum(source.lo, x), np.maximum(source.hi, x))
    return np.nan_to_num(to - x)


@contextmanager
def _stage(name: str) -> Iterator[None]:
    """Say which stage failed."""
    try:
        yield
    except Failed as event:
        raise Failed(f"{name} ({event})") from None
