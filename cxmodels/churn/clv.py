"""What customers are worth from now on, with an interval for each and for the base.

Value = sum over coming periods of margin x chance or number expected / (1 + discount)^t. Whether a customer stays or buys
comes from a fitted model: contracts (shifted beta-geometric), purchases (BG/NBD, Pareto/NBD) with spend (Gamma-Gamma), or a
regression of durations (Cox, Weibull, discrete hazard). Intervals carry what is not known about the parameters, by the
delta method; errors are shared by customers, so the total's is no sum of squares. What a customer does by chance is not
in them: the value is an expectation.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError
from ..inference import choose, quantile
from ..results import Result
from ..survey.frames import to_pandas
from ..survey.validation import check_weights
from .ahead import SurvivalResult
from .contracts import ContractResult
from .durations import Array, column, excluded_text, numbers
from .lifetimes import grouped
from .purchases import BGNBDResult, ParetoNBDResult
from .spend import GammaGammaResult

CONVENTIONS = ("first_margin_later", "first_margin_now")


@dataclass(frozen=True, repr=False, eq=False)
class CustomerValue(Result):
    """What customers are worth.

    Attributes
    ----------
    customers : DataFrame
        Index of the data: est, se, ci_lower, ci_upper in money, and what it is made of: expected periods or purchases
        (discounted), margin or spend.
    total : Series
        est, se, ci_lower, ci_upper of the sum over the base.
    mean : Series
        The same per customer.
    n_obs : int
        Customers with a value.
    excluded : DataFrame
        [reason, rows].
    """

    customers: pd.DataFrame
    total: pd.Series
    mean: pd.Series
    n_obs: int
    excluded: pd.DataFrame
    name: str
    said: str
    level: float
    warnings: tuple[str, ...] = ()

    def headline(self) -> list[tuple[str, str]]:
        """Return model, customers, what was summed, and the total.

        Returns
        -------
        list of (label, value)
        """
        t = self.total
        return [
            ("Customer value", self.name),
            ("Customers", f"{self.n_obs:,}{excluded_text(self.excluded)}"),
            ("Sum of", self.said),
            ("Total", f"{t.est:,.0f}, {100 * self.level:g} % interval {t.ci_lower:,.0f} to {t.ci_upper:,.0f}"),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the total and how value is spread over customers.

        Returns
        -------
        dict of DataFrame
        """
        both = pd.DataFrame({"total": self.total, "per customer": self.mean}).T
        return {"Value": both, "Tenths of customers, the most valuable first": self.tenths}

    @property
    def tenths(self) -> pd.DataFrame:
        """Index tenth (1 holds the most valuable customers): [customers, mean, share, cumulative_share] of all value."""
        value = self.customers["est"].dropna().sort_values(ascending=False, kind="stable")
        tenth = np.arange(len(value)) * 10 // max(len(value), 1) + 1
        by = value.groupby(tenth)
        table = pd.DataFrame({"customers": by.size(), "mean": by.mean(), "share": by.sum() / value.sum()})
        table["cumulative_share"] = table["share"].cumsum()
        return table.rename_axis("tenth")


def customer_value(
    model: Any,
    data: Any,
    *,
    periods: int | None = None,
    discount: float = 0.0,
    margin: Any = 1.0,
    spend: Any = None,
    period: float = 1.0,
    so_far: Any = None,
    convention: Literal["first_margin_later", "first_margin_now"] = "first_margin_later",
    weights: Any = None,
) -> CustomerValue:
    """Foresee what customers are worth from now on.

    Parameters
    ----------
    model : result of a fit
        Of ShiftedBetaGeometric, BGNBD, ParetoNBD, CoxHazards, WeibullAFT or DiscreteHazard.
    data : frame
        One row per customer who is there, with the columns of the model: frequency, recency and T (and monetary_value, with
        `spend`) for purchases; the explaining columns for a regression of durations; any for contracts.
    periods : int, optional
        How many periods to count. Needed but for contracts, whose sum has a closed form without end.
    discount : float, default 0
        Rate per period, such as 0.01 a month. Contracts without end need one above 0.
    margin : float, str or array-like of shape (n,), default 1
        Money per period of a customer who stays; with purchases the margin per unit of spend (a share, such as 0.3) or,
        without `spend`, the money per purchase.
    spend : GammaGammaResult, optional
        With purchases: a model of the spend per purchase.
    period : float, default 1
        Length of a period in the unit of time of the model, such as 4.345 for months where a model counts weeks.
    so_far : str, float or array-like of shape (n,), optional
        How long each customer stayed already, in the unit of the model; for contracts the renewals so far. Needed but for
        purchases, whose rows hold their history.
    convention : {"first_margin_later", "first_margin_now"}, default "first_margin_later"
        For regressions of durations: the first margin comes after a period, or at once and for sure. Contracts count the
        renewal that is due now as the first; purchases count at the end of their period.
    weights : str or array-like of shape (n,), optional
        Customers that each row stands for, in the total.

    Returns
    -------
    CustomerValue

    Raises
    ------
    DataError
        For margins or durations that cannot be used, or purchases after the end of observation.
    SpecError
        For a model that foresees nothing, or arguments that do not fit it.

    Warns
    -----
    DataWarning
        Where customers get no value, such as for a blank.

    Notes
    -----
    Contracts: discounted expected residual lifetime (Fader and Hardie 2010, Marketing Science 29(1)). Purchases: increments
    of the conditional expectation by period (Fader, Hardie and Lee 2005, Journal of Marketing Research 42(4)), spend taken
    as unrelated to frequency. Margins are taken as known.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.churn import customer_value
    >>> data = cx.datasets.load("cdnow_summary")
    >>> bought, spent = cx.churn.BGNBD().fit(data), cx.churn.GammaGamma().fit(data)
    >>> value = customer_value(bought, data, spend=spent, periods=39, discount=0.0027, margin=0.3)
    >>> value.total.round(0).to_dict()
    {'est': 17104.0, 'se': 786.0, 'ci_lower': 15631.0, 'ci_upper': 18715.0}
    """
    frame = to_pandas(data)
    if not len(frame):
        raise DataError("There are no customers.")
    choose("convention", convention, CONVENTIONS)
    if not _is_real(discount) or discount <= -1:
        raise SpecError(f"discount must be a rate per period above -1, such as 0.01, not {discount!r}.")
    if periods is not None and not (_is_real(periods) and periods == int(periods) and periods >= 1):
        raise SpecError(f"periods must be a whole number, 1 or more, not {periods!r}.")
    if not (_is_real(period) and period > 0):
        raise SpecError(f"period must be a length of time above 0, not {period!r}.")
    mass = np.ones(len(frame))
    if weights is not None:
        mass = check_weights(column(frame, weights, "weights") if isinstance(weights, str) else weights, len(frame))
    money = _money(frame, margin)
    if periods is None and not isinstance(model, ContractResult):
        raise SpecError("Say how many periods to count: periods=12.")
    if spend is not None and not isinstance(model, BGNBDResult | ParetoNBDResult):
        raise SpecError("spend goes with a model of purchases, BGNBD or ParetoNBD.")
    if isinstance(model, BGNBDResult | ParetoNBDResult):
        if so_far is not None:
            raise SpecError("so_far is not for models of purchases: their rows hold the history (recency and T).")
        assert periods is not None
        table, se, gone = _purchases(model, frame, money, spend, int(periods) * period, int(periods), discount, mass)
    elif isinstance(model, ContractResult):
        table, se, gone = _contracts(model, frame, money, so_far, periods, discount, mass)
    elif isinstance(model, SurvivalResult):
        assert periods is not None
        table, se, gone = _durations(model, frame, money, so_far, int(periods), period, discount, convention, mass)
    else:
        raise SpecError(
            f"A {type(model).__name__} does not foresee how long customers stay; fit BGNBD, ParetoNBD, ShiftedBetaGeometric, "
            "CoxHazards, WeibullAFT or DiscreteHazard."
        )
    return _result(model, table, se, gone, mass, periods, period, discount, spend)


def _is_real(value: Any) -> bool:
    """Whether it is one finite number."""
    return isinstance(value, Real) and not isinstance(value, bool) and bool(np.isfinite(float(value)))


def _result(
    model: Any,
    table: pd.DataFrame,
    se: float,
    gone: list[tuple[str, int]],
    mass: Array,
    periods: int | None,
    period: float,
    discount: float,
    spend: Any,
) -> CustomerValue:
    """Intervals of the rows and of the total."""
    used = table["est"].notna().to_numpy()
    if not used.any():
        raise DataError("No customer gets a value; fill blanks, or count fewer periods.")
    z = quantile(model.level)
    low, high = _positive_bounds(table["est"].to_numpy(), table["se"].to_numpy(), z)
    table.insert(2, "ci_lower", low)
    table.insert(3, "ci_upper", high)
    est = float(mass[used] @ table["est"].to_numpy()[used])
    ends = _positive_bounds(np.array([est]), np.array([se]), z)
    total = pd.Series({"est": est, "se": se, "ci_lower": ends[0][0], "ci_upper": ends[1][0]})
    long = f"of {period:g}" if period != 1 else ""
    said = "the margin" + (f" of {periods} periods {long}".rstrip() if periods else " of all renewals to come")
    said += f", discounted by {100 * discount:g} % a period" if discount else ", not discounted"
    if (blank := int((~used).sum())) and not gone:
        gone = [("blank in a column, or beyond what was watched", blank)]
    name = model.name + (f" and {spend.name}" if spend is not None else "")
    excluded = pd.DataFrame(gone, columns=["reason", "rows"])
    notes = tuple(model.warnings) + (tuple(spend.warnings) if spend is not None else ())
    return CustomerValue(
        table, total, total / mass[used].sum(), int(used.sum()), excluded, name, said, model.level, notes
    )


def _positive_bounds(est: Array, se: Array, z: float) -> tuple[Array, Array]:
    """Interval on the log scale where values are above 0, which no lower end crosses."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        wide = np.exp(z * se / est)
        return np.where(est > 0, est / wide, est - z * se), np.where(est > 0, est * wide, est + z * se)


def _money(frame: pd.DataFrame, margin: Any) -> Array:
    """Margin of each customer."""
    if np.isscalar(margin) and not isinstance(margin, str):
        money = np.full(len(frame), float(margin))  # type: ignore[arg-type]
    else:
        money = numbers(column(frame, margin, "margin"), "The margin")
    if bad := int((~np.isfinite(money)).sum()):
        raise DataError(f"The margin is blank for {bad} of {len(money)} customers; fill it or leave them out.")
    return money


def _durations(
    model: SurvivalResult,
    frame: pd.DataFrame,
    money: Array,
    so_far: Any,
    periods: int,
    period: float,
    discount: float,
    convention: str,
    mass: Array,
) -> tuple[pd.DataFrame, float, list[tuple[str, int]]]:
    """Margins of the periods a customer stays."""
    if so_far is None:
        raise SpecError("Say how long each customer stayed so far: so_far='tenure', or 0 for new ones.")
    step = np.arange(1.0, periods + 1) - (convention == "first_margin_now")
    flow: Any = np.outer(money, (1 + discount) ** -step)
    found, se = model.weighted(frame, period * step, flow, so_far=so_far, mass=mass)
    with np.errstate(divide="ignore", invalid="ignore"):
        stays = np.where(money != 0, found["est"].to_numpy() / money, np.nan)
    table = found[["est", "se"]].assign(periods=stays, margin=money)
    return table, se, []


def _contracts(
    model: ContractResult,
    frame: pd.DataFrame,
    money: Array,
    so_far: Any,
    periods: int | None,
    discount: float,
    mass: Array,
) -> tuple[pd.DataFrame, float, list[tuple[str, int]]]:
    """Margins of the renewals to come, computed once for each number of renewals so far and kind of customer."""
    if so_far is None:
        raise SpecError("Say how often each customer renewed so far: so_far='renewals', or 0 for first contracts.")
    if periods is None and not discount > 0:
        raise SpecError("Without periods= the sum has no end; give a discount above 0.")
    if np.isscalar(so_far) and not isinstance(so_far, str):
        so_far = np.full(len(frame), so_far, dtype=float)
    renewals = numbers(column(frame, so_far, "so_far"), "so_far")
    if bad := int((~(renewals >= 0) | (renewals != np.round(renewals))).sum()):
        raise DataError(
            f"so_far is blank, negative or no whole number of renewals for {bad} of {len(renewals)} customers."
        )
    z = model.terms(frame)
    (distinct, *terms), _, place = grouped([renewals, *z.T], np.ones(len(renewals)))
    kinds = np.column_stack(terms) if terms else np.empty((len(distinct), 0))

    def lifetimes(p: pd.Series) -> Array:
        return np.array(
            [
                model.discounted(p, int(n) + 1, discount, periods, kind)
                for n, kind in zip(distinct, kinds, strict=True)
            ]
        )

    est, slope = model.slopes_of(lifetimes)
    V = model.covariance.to_numpy()
    se = np.sqrt(np.einsum("np,pq,nq->n", slope, V, slope))
    table = pd.DataFrame({"est": money * est[place], "se": np.abs(money) * se[place]}, frame.index)
    moved = (mass * money) @ slope[place]
    return table.assign(periods=est[place], margin=money), float(np.sqrt(moved @ V @ moved)), []


def _purchases(
    model: Any,
    frame: pd.DataFrame,
    money: Array,
    spend: Any,
    until: float,
    periods: int,
    discount: float,
    mass: Array,
) -> tuple[pd.DataFrame, float, list[tuple[str, int]]]:
    """Spend on the purchases to come."""
    if spend is not None and not isinstance(spend, GammaGammaResult):
        raise SpecError(f"spend must be a fitted GammaGamma, not {type(spend).__name__}.")
    ends = np.linspace(0, until, periods + 1)
    factors = (1 + discount) ** -np.arange(1.0, periods + 1)
    rows = model.histories(frame)

    def discounted(p: pd.Series) -> Array:
        so_far = np.zeros(rows.distinct)
        total = np.zeros(rows.distinct)
        for end, factor in zip(ends[1:], factors, strict=True):
            now = rows.expected(model, p, end)
            total += factor * (now - so_far)
            so_far = now
        return total

    bought, slope = model.slopes_of(discounted)
    bought, slope = bought[rows.place], slope[rows.place]
    V = model.covariance.to_numpy()
    each, each_slope, W = np.ones(len(frame)), np.zeros((len(frame), 1)), np.zeros((1, 1))
    if spend is not None:
        each, each_slope, W = (*spend.slopes_of_spend(frame), spend.covariance.to_numpy())
    by_model, by_spend = (money * each)[:, None] * slope, (money * bought)[:, None] * each_slope
    var = np.einsum("np,pq,nq->n", by_model, V, by_model) + np.einsum("np,pq,nq->n", by_spend, W, by_spend)
    one, two = mass @ by_model, mass @ by_spend
    table = pd.DataFrame({"est": money * each * bought, "se": np.sqrt(var), "purchases": bought}, frame.index)
    if spend is not None:
        table["spend"] = each
    return table.assign(margin=money), float(np.sqrt(one @ V @ one + two @ W @ two)), []
