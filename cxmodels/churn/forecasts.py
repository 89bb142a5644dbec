"""Purchases foreseen and counted: histories from a log, and models of purchases judged on a period held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError
from ..inference import quantile
from ..results import Result
from .labels import purchases
from .periods import attributes
from .purchases import BGNBD, ParetoNBD, PurchaseResult
from .timeline import DAY, day_text, days, instants, table


def purchase_histories(
    transactions: Any,
    *,
    observed_until: Any = None,
    unit_days: float = 7,
    amount: str | None = None,
    customer: str = "customer_id",
    date: str = "date",
) -> pd.DataFrame:
    """Summarise a log of purchases to the histories that models of purchases take.

    Parameters
    ----------
    transactions : frame
        One row per purchase. Purchases of one day count once.
    observed_until : date, optional
        The instant up to which purchases count and customers were watched. By default the last date in the log.
    unit_days : float, default 7
        Days in a unit of time: weeks.
    amount : str, optional
        Column of money: adds the mean spend of the days with repeat purchases.
    customer, date : str
        Names of columns.

    Returns
    -------
    DataFrame
        One row per customer, [customer_id, first, frequency, recency, T(, monetary_value)]: repeat purchases, time from the
        first to the last purchase and to `observed_until`, mean spend (0 without a repeat purchase).

    Raises
    ------
    DataError
        A column is missing or holds no dates or numbers, or all purchases are later.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.churn import purchase_histories
    >>> found = purchase_histories(cx.datasets.load("cdnow"), observed_until="1997-09-30", amount="amount")
    >>> found.iloc[0][["frequency", "recency", "T", "monetary_value"]].astype(float).round(2).tolist()
    [2.0, 30.43, 38.86, 22.34]
    """
    unit = days(unit_days, "unit_days", 1e-3)
    line, ids, until, _ = purchases(transactions, customer, date, observed_until)
    day = line.time.astype("datetime64[D]").astype("datetime64[us]")
    fresh = np.append(True, (line.code[1:] != line.code[:-1]) | (day[1:] != day[:-1]))
    code, when = line.code[fresh], day[fresh]
    start = np.flatnonzero(np.append(True, code[1:] != code[:-1]))
    stop = np.append(start[1:], len(code)) - 1
    begin = when[start]
    out = pd.DataFrame(
        {
            "customer_id": ids,
            "first": begin,
            "frequency": stop - start,
            "recency": (when[stop] - begin) / DAY / unit,
            "T": (until.astype("datetime64[D]").astype("datetime64[us]") - begin) / DAY / unit,
        }
    )
    if amount is not None:
        money = _money(transactions, amount, customer, date, until, line)
        spend = np.bincount(np.cumsum(fresh) - 1, money)
        repeat = np.ones(len(code), dtype=bool)
        repeat[start] = False
        total = np.bincount(code[repeat], spend[repeat], len(ids))
        out["monetary_value"] = total / np.maximum(stop - start, 1)
    return out


def _money(transactions: Any, amount: str, customer: str, date: str, until: Any, line: Any) -> np.ndarray:
    """Amounts in the order of the sorted rows."""
    from .durations import numbers
    from .timeline import dates

    frame = table(transactions, "transactions", (customer, date, amount))
    money = numbers(frame[amount], f"Column '{amount}'")[dates(frame, date, "transactions") <= until]
    if bad := int(np.isnan(money).sum()):
        raise DataError(f"Column '{amount}' is blank in {bad} of {len(money)} purchases; fill it or drop them.")
    return money[line.order]


@dataclass(frozen=True, repr=False, eq=False)
class Forecast(Result):
    """A model of purchases beside what customers did afterwards.

    Attributes
    ----------
    tracking : DataFrame
        [time, observed, expected]: repeat purchases since the beginning, counted and as the model foresees them for new
        customers, by the end of each unit of time, through the period learned and the one held out.
    by_frequency : DataFrame
        Index frequency (in the period learned, the last group holds all from 7 up): [customers, observed, ci_lower, ci_upper,
        expected, gap] purchases per customer in the period held out, with an interval of what was observed.
    measures : Series
        observed, expected, error (relative) of the total; mae, rmse, correlation over customers; mae_rate, the mean error if
        everybody went on buying at his own rate so far.
    customers : DataFrame
        Index customer: [frequency, recency, T, observed, expected, p_alive].
    model : result
        Learned before the split.
    """

    tracking: pd.DataFrame
    by_frequency: pd.DataFrame
    measures: pd.Series
    customers: pd.DataFrame
    model: Any
    split: pd.Timestamp
    until: pd.Timestamp
    at: float
    unit_days: float
    later: int
    warnings: tuple[str, ...] = ()

    @property
    def n_obs(self) -> int:
        """Customers judged."""
        return len(self.customers)

    @property
    def excluded(self) -> pd.DataFrame:
        """Customers left out, [reason, rows]."""
        reasons = ["first purchase after the split"] if self.later else []
        return pd.DataFrame({"reason": reasons, "rows": [self.later] * len(reasons)})

    def headline(self) -> list[tuple[str, str]]:
        """Return model, periods and totals.

        Returns
        -------
        list of (label, value)
        """
        m = self.measures
        rows = [
            ("Forecast", f"{self.model.name}, {len(self.customers):,} customers"),
            ("Learned", f"until {self.split.date()}"),
            ("Held out", f"until {self.until.date()}"),
            ("Purchases", f"{m.observed:,.0f} counted, {m.expected:,.0f} foreseen ({m.error:+.1%})"),
        ]
        if self.later:
            rows.append(("Left out", f"{self.later:,} customers whose first purchase came after the split"))
        return rows

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return purchases by frequency, measures, and parameters.

        Returns
        -------
        dict of DataFrame
        """
        return {
            "Purchases per customer in the period held out": self.by_frequency,
            "Measures": self.measures.rename("value").to_frame(),
            "Parameters": self.model.estimates.rename_axis("parameter").reset_index(),
        }

    def plot(self, **options: Any) -> Any:
        """Draw purchases counted and foreseen over time.

        Parameters
        ----------
        **options
            As for :func:`cxmodels.report.survival_charts.tracking_chart`; ``language="uk"`` for its words in Ukrainian, as
            ``"ru"`` and ``"bg"``.

        Returns
        -------
        Drawing
        """
        from ..results import picture

        return picture("tracking", self, **options)


def judge_forecast(
    spec: BGNBD | ParetoNBD,
    transactions: Any,
    split: Any,
    *,
    observed_until: Any = None,
    unit_days: float = 7,
    customers: Any = None,
    buying: Any = (),
    leaving: Any = (),
    customer: str = "customer_id",
    date: str = "date",
) -> Forecast:
    """Learn a model of purchases from a part of a log, and judge it on the rest.

    Parameters
    ----------
    spec : BGNBD or ParetoNBD
    transactions : frame
        One row per purchase.
    split : date
        End of the period learned; customers who came later are left out and counted.
    observed_until : date, optional
        End of the period held out. By default the last date in the log.
    unit_days : float, default 7
        Days in a unit of time.
    customers : frame, optional
        One row per customer, with the columns of `buying` and `leaving`.
    buying, leaving : sequence of str, optional
        As for :meth:`BGNBD.fit`.
    customer, date : str
        Names of columns.

    Returns
    -------
    Forecast

    Raises
    ------
    DataError
        As for :func:`purchase_histories`, or if the split leaves nothing on one side.
    SpecError
        If `spec` is no model of purchases.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.churn import BGNBD, judge_forecast
    >>> found = judge_forecast(BGNBD(), cx.datasets.load("cdnow"), "1997-09-30")
    >>> found.measures[["observed", "expected"]].round(0).tolist()
    [1882.0, 1653.0]
    """
    if not isinstance(spec, BGNBD | ParetoNBD):
        raise SpecError(f"Give a model of purchases, BGNBD() or ParetoNBD(), not {type(spec).__name__}.")
    when = instants(split, "split")[0].astype("datetime64[D]").astype("datetime64[us]")
    whole = purchase_histories(
        transactions, observed_until=observed_until, unit_days=unit_days, customer=customer, date=date
    )
    line, ids, until, _ = purchases(transactions, customer, date, observed_until)
    if not whole["first"].min().to_datetime64() <= when < until:
        raise DataError(
            f"split, {day_text(when)}, must lie within the log, which goes from {day_text(whole['first'].min().to_datetime64())} "
            f"to {day_text(until)}."
        )
    before = purchase_histories(transactions, observed_until=when, unit_days=unit_days, customer=customer, date=date)
    before = before.set_index("customer_id")
    known = whole.set_index("customer_id").loc[before.index]
    if customers is not None:
        own = attributes(customers, customer, before.index, "histories")
        before = before.assign(**{k: v for k, v in own.items() if k not in before})
    model = spec.fit(before, buying=buying, leaving=leaving)
    ahead = float((until - when) / DAY / unit_days)
    observed = (known["frequency"] - before["frequency"]).to_numpy(dtype=float)
    expected = model.expected_purchases(ahead, before)
    table_ = before[["frequency", "recency", "T"]].assign(
        observed=observed, expected=expected, p_alive=model.p_alive(before)
    )
    at = float((when - before["first"].min().to_datetime64()) / DAY / unit_days)
    return Forecast(
        _tracking(model, before, line, ids, until, unit_days),
        _by_frequency(table_, spec.level),
        _measures(table_, ahead),
        table_,
        model,
        pd.Timestamp(when),
        pd.Timestamp(until),
        at,
        unit_days,
        len(whole) - len(before),
        model.warnings,
    )


def _tracking(
    model: PurchaseResult, before: pd.DataFrame, line: Any, ids: Any, until: Any, unit_days: float
) -> pd.DataFrame:
    """Cumulative repeat purchases by the end of each unit."""
    begin = before["first"].to_numpy()
    origin = begin.min()
    born = (begin - origin) / DAY / unit_days
    last = int(np.floor((until - origin) / DAY / unit_days + 1e-9))
    time = np.arange(1.0, last + 1)
    day = line.time.astype("datetime64[D]")
    fresh = np.append(True, (line.code[1:] != line.code[:-1]) | (day[1:] != day[:-1]))
    mine = np.isin(ids[line.code], before.index) & fresh
    first = np.append(True, line.code[1:] != line.code[:-1])
    bought = np.sort((line.time[mine & ~first] - origin) / DAY / unit_days)
    moved = bool(model.buying.names or model.leaving.names)
    births, number = (born, np.ones(len(born))) if moved else np.unique(born, return_counts=True)
    foreseen = [
        float(number @ model.expected_new(np.maximum(t - births, 0.0), before if moved else None)) for t in time
    ]
    return pd.DataFrame({"time": time, "observed": np.searchsorted(bought, time, side="right"), "expected": foreseen})


def _by_frequency(rows: pd.DataFrame, level: float) -> pd.DataFrame:
    """Means of what was counted and foreseen, by purchases so far."""
    group = rows["frequency"].clip(upper=7).rename("frequency")
    by = rows.groupby(group)
    table = pd.DataFrame({"customers": by.size(), "observed": by["observed"].mean()})
    half = quantile(level) * by["observed"].std(ddof=1) / np.sqrt(table["customers"])
    table["ci_lower"], table["ci_upper"] = (table["observed"] - half).clip(lower=0), table["observed"] + half
    table["expected"] = by["expected"].mean()
    table["gap"] = table["observed"] - table["expected"]
    return table


def _measures(rows: pd.DataFrame, ahead: float) -> pd.Series:
    """Errors of the total and of customers."""
    y, e = rows["observed"].to_numpy(), rows["expected"].to_numpy()
    rate = rows["frequency"].to_numpy() / np.maximum(rows["T"].to_numpy(), 1e-9) * ahead
    with np.errstate(invalid="ignore", divide="ignore"):
        related = float(np.corrcoef(y, e)[0, 1])
        error = float(e.sum() / y.sum() - 1) if y.sum() else np.nan
    return pd.Series(
        {
            "observed": y.sum(),
            "expected": e.sum(),
            "error": error,
            "mae": np.abs(y - e).mean(),
            "rmse": np.sqrt(((y - e) ** 2).mean()),
            "correlation": related,
            "mae_rate": np.abs(y - rate).mean(),
        }
    )
