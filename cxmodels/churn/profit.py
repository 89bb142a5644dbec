"""What a churn score is worth in a retention campaign: EMPC, MPC, and the profit of contacting so many.

A customer who would leave accepts the offer with probability gamma and is then worth `clv`; a contact costs
`contact_cost` and an accepted offer `incentive_cost`; a customer who would stay takes the offer and its cost. With
delta = incentive_cost / clv and phi = contact_cost / clv, the average profit per customer of contacting all with a
score above t is (Verbeke et al. 2012, EJOR 218, eq. 6)

    P(t; gamma) = clv [gamma (1 - delta) - phi] pi0 F0(t) - clv (delta + phi) pi1 F1(t)

where pi0 is the churn share and F0, F1 are the shares of churners and of stayers contacted. MPC is its maximum over
t at a known gamma. EMPC (Verbraken, Verbeke and Baesens 2013, IEEE TKDE 25(5), eq. 12) takes gamma as
Beta(alpha, beta), chooses the best t for every gamma, and averages; the best t lies on the convex hull of the ROC
curve, and between two cut points of gamma it is the same corner, so that the integral is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import SpecError
from ..resampling import whole_number
from .ranking import Array, Ranking, _ratio


@dataclass(frozen=True)
class Campaign:
    """The money in a retention campaign.

    Parameters
    ----------
    clv : float, default 200
        Value of a customer who is kept, in money. The defaults are those of the article, and of the other
        implementations; they are a convention, not advice.
    incentive_cost : float, default 10
        Cost of an offer that is accepted.
    contact_cost : float, default 1
        Cost of contacting a customer.
    accept_rate : float, default 0.3
        Share of the customers about to leave who accept, where it is taken as known (MPC, profit curve).
    alpha, beta : float, default 6 and 14
        Its Beta distribution where it is not (EMPC); the mean alpha / (alpha + beta) is .3.

    Raises
    ------
    SpecError
        For money that is negative or not a number, a value of zero, an offer dearer than the customer, or a rate
        outside 0 to 1.

    Examples
    --------
    >>> from cxmodels.churn import Campaign
    >>> Campaign(clv=500).clv
    500
    """

    clv: float = 200
    incentive_cost: float = 10
    contact_cost: float = 1
    accept_rate: float = 0.3
    alpha: float = 6
    beta: float = 14

    def __post_init__(self) -> None:
        for name in ("clv", "incentive_cost", "contact_cost", "accept_rate", "alpha", "beta"):
            value = getattr(self, name)
            if not isinstance(value, Real) or isinstance(value, bool) or not np.isfinite(float(value)) or value < 0:
                raise SpecError(f"{name} must be a number of zero or more, not {value!r}.")
        for name in ("clv", "alpha", "beta"):
            if getattr(self, name) == 0:
                raise SpecError(f"{name} must be above zero.")
        if self.incentive_cost >= self.clv:
            raise SpecError(
                f"incentive_cost={self.incentive_cost:g} is not below clv={self.clv:g}; such an offer can never pay."
            )
        if self.accept_rate > 1:
            raise SpecError(f"accept_rate must lie in 0 to 1, not {self.accept_rate:g}.")

    def profit(self, p: Any, value: Any = None, accept_rate: Any = None) -> Any:
        """Return the expected profit of contacting a customer who leaves with probability `p`.

        p (gamma (clv - d) - f) - (1 - p) (d + f): contact where it is positive. Needs calibrated probabilities.

        Parameters
        ----------
        p : float or ndarray
            Probability of leaving.
        value : float or ndarray, optional
            Value of the customer, instead of `clv`.
        accept_rate : float or ndarray, optional
            Instead of the campaign's.

        Returns
        -------
        float or ndarray

        Examples
        --------
        >>> from cxmodels.churn import Campaign
        >>> round(Campaign().profit(0.5), 2)
        22.5
        """
        clv = self.clv if value is None else value
        gamma = self.accept_rate if accept_rate is None else accept_rate
        d, f = self.incentive_cost, self.contact_cost
        return p * (gamma * (clv - d) - f) - (1 - p) * (d + f)


def empc(
    y: ArrayLike,
    p: ArrayLike,
    *,
    alpha: float = 6,
    beta: float = 14,
    clv: float = 200,
    incentive_cost: float = 10,
    contact_cost: float = 1,
    weights: ArrayLike | None = None,
) -> float:
    """Expected maximum profit of a retention campaign, per customer, in money.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    p : array-like of shape (n,)
        Scores; only their order matters.
    alpha, beta, clv, incentive_cost, contact_cost : float
        See :class:`Campaign`.
    weights : array-like of shape (n,), optional
        Case weights.

    Returns
    -------
    float
        Compare it with the profit of contacting everybody, see :func:`campaign_value`: where churn is common even a
        useless score has a positive EMPC.

    Raises
    ------
    DataError
        See :func:`cxmodels.churn.ranking.outcomes`.
    SpecError
        See :class:`Campaign`.

    Notes
    -----
    Verbraken, Verbeke and Baesens (2013), IEEE TKDE 25(5), eq. 12.

    Examples
    --------
    >>> from cxmodels.churn import empc
    >>> y, p = [0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9]
    >>> round(empc(y, p), 4)
    23.8756
    """
    r = Ranking(y, p, weights)  # type: ignore[arg-type]
    return float(empc_of(r, r.sorted(), Campaign(clv, incentive_cost, contact_cost, alpha=alpha, beta=beta))[0][0])


def mpc(
    y: ArrayLike,
    p: ArrayLike,
    *,
    accept_rate: float = 0.3,
    clv: float = 200,
    incentive_cost: float = 10,
    contact_cost: float = 1,
    weights: ArrayLike | None = None,
) -> float:
    """Maximum profit of a retention campaign at a known rate of acceptance, per customer, in money.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    p : array-like of shape (n,)
        Scores; only their order matters.
    accept_rate, clv, incentive_cost, contact_cost : float
        See :class:`Campaign`.
    weights : array-like of shape (n,), optional
        Case weights.

    Returns
    -------
    float

    Raises
    ------
    DataError
        See :func:`cxmodels.churn.ranking.outcomes`.
    SpecError
        See :class:`Campaign`.

    Notes
    -----
    Verbeke, Dejaeger, Martens, Hur and Baesens (2012), EJOR 218, eq. 6.

    Examples
    --------
    >>> from cxmodels.churn import mpc
    >>> y, p = [0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9]
    >>> mpc(y, p)
    23.875
    """
    r = Ranking(y, p, weights)  # type: ignore[arg-type]
    return float(mpc_of(r, r.sorted(), Campaign(clv, incentive_cost, contact_cost, accept_rate))[0][0])


def empc_of(r: Ranking, g: Array, c: Campaign) -> tuple[Array, Array]:
    """Return EMPC and the expected share of customers contacted, for weightings of sorted customers.

    Parameters
    ----------
    r : Ranking
        The customers.
    g : ndarray of shape (b, n)
        Weightings, see :meth:`Ranking.sorted`.
    c : Campaign
        The money.

    Returns
    -------
    empc, share : ndarray of shape (b,)
    """
    churn, stay = r.cumulated(g)
    pairs = [
        _empc(a, b, c) if a[-1] > 0 and b[-1] > 0 else (np.nan, np.nan) for a, b in zip(churn, stay, strict=True)
    ]
    values = np.array(pairs).reshape(-1, 2)
    return values[:, 0], values[:, 1]


def _empc(churn: Array, stay: Array, c: Campaign) -> tuple[float, float]:
    """EMPC of one ROC curve given by cumulated weights of churners and of stayers."""
    from scipy.special import betainc

    hull_churn, hull_stay = _hull(churn, stay)
    n = churn[-1] + stay[-1]
    delta, phi = c.incentive_cost / c.clv, c.contact_cost / c.clv
    # The next corner pays as soon as gamma exceeds the cost of its stayers over the value of its churners.
    with np.errstate(divide="ignore"):
        slope = np.where(np.diff(hull_churn) > 0, np.diff(hull_stay) / np.diff(hull_churn), np.inf)
    cuts = np.clip(((delta + phi) * slope + phi) / (1 - delta), 0.0, 1.0)
    edges = np.concatenate([[0.0], cuts, [1.0]])
    mass = np.diff(betainc(c.alpha, c.beta, edges))  # probability that gamma lies where a corner is the best
    mean = c.alpha / (c.alpha + c.beta) * np.diff(betainc(c.alpha + 1, c.beta, edges))  # integral of gamma there
    gain = c.clv * ((1 - delta) * mean - phi * mass) * hull_churn - c.clv * (delta + phi) * mass * hull_stay
    return float(gain.sum() / n), float((mass * (hull_churn + hull_stay)).sum() / n)


def _hull(churn: Array, stay: Array) -> tuple[Array, Array]:
    """Corners of the convex hull of a ROC curve, from nobody to everybody: pooling adjacent violators of the rate."""
    from scipy.optimize import isotonic_regression

    step_churn, step_stay = np.diff(churn, prepend=0.0), np.diff(stay, prepend=0.0)
    size = step_churn + step_stay
    some = size > 0
    pooled = isotonic_regression(step_churn[some] / size[some], weights=size[some], increasing=False)
    ends = pooled.blocks[1:] - 1
    return np.append(0.0, churn[some][ends]), np.append(0.0, stay[some][ends])


def mpc_of(r: Ranking, g: Array, c: Campaign) -> tuple[Array, Array]:
    """Return MPC and the share of customers contacted for it, for weightings of sorted customers.

    Parameters
    ----------
    r : Ranking
        The customers.
    g : ndarray of shape (b, n)
        Weightings, see :meth:`Ranking.sorted`.
    c : Campaign
        The money.

    Returns
    -------
    mpc, share : ndarray of shape (b,)
    """
    churn, stay = (np.hstack([np.zeros((len(g), 1)), a]) for a in r.cumulated(g))
    gained, lost = _gain(c)
    profit = gained * churn - lost * stay
    best = profit.argmax(axis=1)
    line, n = np.arange(len(g)), churn[:, -1] + stay[:, -1]
    return _ratio(profit[line, best], n), _ratio(churn[line, best] + stay[line, best], n)


def _gain(c: Campaign) -> tuple[float, float]:
    """Money gained by contacting a churner, and lost by contacting a stayer."""
    return c.accept_rate * (c.clv - c.incentive_cost) - c.contact_cost, c.incentive_cost + c.contact_cost


def profit_curve(
    y: ArrayLike,
    p: ArrayLike,
    *,
    points: int = 100,
    accept_rate: float = 0.3,
    clv: float = 200,
    incentive_cost: float = 10,
    contact_cost: float = 1,
    weights: ArrayLike | None = None,
) -> pd.DataFrame:
    """Profit of contacting the highest scores, from nobody to everybody.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    p : array-like of shape (n,)
        Scores.
    points : int, default 100
        Shares at which the curve is read, beside 0.
    accept_rate, clv, incentive_cost, contact_cost : float
        See :class:`Campaign`.
    weights : array-like of shape (n,), optional
        Case weights.

    Returns
    -------
    DataFrame
        [contacted, customers, threshold, captured, precision, lift, profit, profit_per_customer]: the share
        contacted, how many these are, the lowest score among them, the share of all churners among them, the churn
        rate among them, that rate over the rate of all, and the profit in all and per customer of the base. The line
        of 0 is contacting nobody, the line of 1 contacting all.

    Raises
    ------
    DataError
        See :func:`cxmodels.churn.ranking.outcomes`.
    SpecError
        See :class:`Campaign`.

    Examples
    --------
    >>> from cxmodels.churn import profit_curve
    >>> y, p = [0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9]
    >>> profit_curve(y, p, points=4)[["contacted", "captured", "profit"]]
       contacted  captured  profit
    0       0.00      0.00     0.0
    1       0.25      0.25    45.0
    2       0.50      0.50    90.0
    3       0.75      0.75   135.0
    4       1.00      1.00   180.0
    """
    whole_number("points", points, 1)
    gained, lost = _gain(Campaign(clv, incentive_cost, contact_cost, accept_rate))
    r = Ranking(y, p, weights)  # type: ignore[arg-type]
    g = r.sorted()
    rows = []
    for share in np.arange(points + 1) / points:
        hit, size = (0.0, 0.0) if share == 0 else (float(v[0]) for v in r.captured(g, share))
        rows.append((share, size, _lowest(r, g, size), hit, gained * hit - lost * (size - hit)))
    out = pd.DataFrame(rows, columns=["contacted", "customers", "threshold", "hit", "profit"])
    total, churners = float(g.sum()), float((g * r.y).sum())
    out["captured"] = out.hit / churners
    out["precision"] = np.where(out.customers > 0, out.hit / out.customers.where(out.customers > 0, np.nan), np.nan)
    out["lift"] = out.precision / (churners / total)
    out["profit_per_customer"] = out.profit / total
    names = ["contacted", "customers", "threshold", "captured", "precision", "lift", "profit", "profit_per_customer"]
    return out[names]


def _lowest(r: Ranking, g: Array, size: float) -> float:
    """Lowest score among the highest `size`."""
    if size == 0:
        return np.nan
    place = int(np.searchsorted(np.cumsum(g[0]), size - 1e-9))
    return float(r.p[min(place, len(r.p) - 1)])


def campaign_value(
    y: ArrayLike, p: ArrayLike, campaign: Campaign | None = None, *, weights: ArrayLike | None = None
) -> pd.Series:
    """What the score adds to a campaign over contacting everybody and over contacting nobody.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a customer who left, else 0.
    p : array-like of shape (n,)
        Scores.
    campaign : Campaign, optional
        The money; the article's by default.
    weights : array-like of shape (n,), optional
        Case weights.

    Returns
    -------
    Series
        empc, empc_share (customers contacted), mpc, mpc_share, contact_all (expected profit per customer of
        contacting all; of nobody it is 0), gain_over_all and gain_over_none of the EMPC.

    Raises
    ------
    DataError
        See :func:`cxmodels.churn.ranking.outcomes`.

    Examples
    --------
    >>> from cxmodels.churn import campaign_value
    >>> y, p = [0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9]
    >>> campaign_value(y, p).round(3)[["empc", "contact_all", "gain_over_all"]].to_dict()
    {'empc': 23.876, 'contact_all': 22.5, 'gain_over_all': 1.376}
    """
    c, r = campaign or Campaign(), Ranking(y, p, weights)  # type: ignore[arg-type]
    return pd.Series({k: float(v[0]) for k, v in value_of(r, r.sorted(), c).items()})


def value_of(r: Ranking, g: Array, c: Campaign) -> dict[str, Array]:
    """Return the entries of :func:`campaign_value`, for weightings of sorted customers.

    Parameters
    ----------
    r : Ranking
        The customers.
    g : ndarray of shape (b, n)
        Weightings, see :meth:`Ranking.sorted`.
    c : Campaign
        The money.

    Returns
    -------
    dict of ndarray of shape (b,)
    """
    best, share = empc_of(r, g, c)
    known, known_share = mpc_of(r, g, c)
    rate = _ratio(g @ r.y, g.sum(axis=1))
    mean = c.alpha / (c.alpha + c.beta)
    everybody = rate * (mean * (c.clv - c.incentive_cost) - c.contact_cost)
    everybody -= (1 - rate) * (c.incentive_cost + c.contact_cost)
    return {
        "empc": best,
        "empc_share": share,
        "mpc": known,
        "mpc_share": known_share,
        "contact_all": everybody,
        "gain_over_all": best - everybody,
        "gain_over_none": best,
    }
