"""What purchases themselves say about silence: how long customers pause before they come back, who lapsed, and cohorts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError
from ..results import Result
from .labels import purchases
from .timeline import DAY, Instants, day_text, days, span

_SHARES = (0.5, 0.75, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, eq=False, repr=False)
class InactivityEvidence(Result):
    """How silences ended; made by :func:`inactivity_evidence`.

    Attributes
    ----------
    curve : DataFrame
        One row per number of days k, [days, reached, returned_later, share_later, chance, se]: silences that lasted k
        days or more; those of them that a purchase ended; these as a share of all returns, which the rule "lapsed
        after k days" misses; the chance that a customer silent for k days buys within the horizon, and its standard
        error.
    quantiles : DataFrame
        [share, days]: days within which this share of all returns had happened.
    horizon : float
        Days of the chance in `curve`.
    observed_until : Timestamp
        Where the silences still open are cut off.
    n_obs : int
        Silences, one after each day with purchases; `n_returns` of them ended.
    n_returns : int
    excluded : DataFrame
        Purchases not used, [reason, rows].

    Examples
    --------
    >>> import cxmodels as cx
    >>> log = cx.datasets.load("cdnow")
    >>> found = cx.churn.inactivity_evidence(log, horizon=90)
    >>> found.quantiles.head(2)
       share  days
    0   0.50    34
    1   0.75    91
    """

    curve: pd.DataFrame
    quantiles: pd.DataFrame
    horizon: float
    observed_until: pd.Timestamp
    n_obs: int
    n_returns: int
    excluded: pd.DataFrame

    def headline(self) -> list[tuple[str, str]]:
        """Say how many silences there were and how many ended.

        Returns
        -------
        list of (label, value)
        """
        rows = [
            ("Silences", f"{self.n_obs}, {self.n_returns} ended by a purchase, {self.n_obs - self.n_returns} open"),
            ("Data", f"complete until {day_text(self.observed_until)}"),
        ]
        return rows + [("Left out", f"{r.rows} {r.reason}") for r in self.excluded.itertuples()]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Give the curve and the quantiles.

        Returns
        -------
        dict of DataFrame
        """
        title = f"Silences of k days or more, and the chance of a purchase in the next {self.horizon:g} days"
        return {title: self.curve, "Days within which returns happened": self.quantiles}


def inactivity_evidence(
    transactions: Any,
    at: Sequence[float] = (7, 14, 30, 45, 60, 90, 120, 180, 270, 365),
    horizon: float = 90,
    *,
    observed_until: Any = None,
    customer: str = "customer_id",
    date: str = "date",
) -> InactivityEvidence:
    """Show how long customers are silent before they buy again, to choose the days after which one counts as lapsed.

    Every day with purchases begins a silence, which the next one ends; the last silence of each customer is still
    open at the end of the data, and is cut off there. The chance of a return comes from the Kaplan-Meier estimate
    over all silences, which uses the open ones for as long as they were watched. The shares and quantiles of the
    returns count ended silences only: long ones had less time to end, so both are a little short.

    Parameters
    ----------
    transactions : frame
        One row per purchase.
    at : sequence of float
        Days of silence to report.
    horizon : float, default 90
        The chance is that of a purchase within this many days after the silence reached k days.
    observed_until : date, optional
        The instant up to which the log is complete. By default the last date in it.
    customer, date : str
        Names of the columns.

    Returns
    -------
    InactivityEvidence

    Raises
    ------
    DataError
        A column is missing or holds no dates, or nobody bought twice.
    SpecError
        An argument is out of its range.

    Notes
    -----
    With d(t) returns among n(t) silences watched at t days, S(t) = prod (1 - d/n) over the times up to t, the chance
    is 1 - S(k + horizon) / S(k-), with Greenwood's standard error over the times in [k, k + horizon]. It is blank
    where no silence was watched that long. Frequent customers have more silences and weigh more, and silences of one
    customer are taken as independent, so the standard error is a lower bound.

    References
    ----------
    Kaplan and Meier (1958), Nonparametric estimation from incomplete observations, Journal of the American Statistical
    Association 53, 457-481.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.churn import inactivity_evidence
    >>> evidence = inactivity_evidence(cx.datasets.load("cdnow"), at=(30, 90, 180))
    >>> evidence.curve.round(3)
       days  reached  returned_later  share_later  chance     se
    0    30     4530            2311        0.533   0.335  0.007
    1    90     3153            1095        0.252   0.200  0.007
    2   180     2332             489        0.113   0.111  0.007
    """
    ks = np.array([days(k, "at") for k in at])
    ahead = days(horizon, "horizon")
    line, ids, until, late = purchases(transactions, customer, date, observed_until)
    code, when = _active_days(line.code, line.time)
    ended = code[1:] == code[:-1]
    if not ended.any():
        raise DataError(f"None of the {len(ids)} customers bought on two days: there is no return to learn from.")
    stop = np.append(np.where(ended, when[1:], until.astype("datetime64[D]")), until.astype("datetime64[D]"))
    length, event = (stop - when).astype(float), np.append(ended, False)
    returns = np.sort(length[event])
    later = len(returns) - np.searchsorted(returns, ks)
    chance, se = _chances(length, event, ks, ahead)
    curve = pd.DataFrame(
        {
            "days": [int(k) if k.is_integer() else k for k in ks],
            "reached": [int((length >= k).sum()) for k in ks],
            "returned_later": later,
            "share_later": later / len(returns),
            "chance": chance,
            "se": se,
        }
    )
    quantiles = pd.DataFrame(
        {"share": _SHARES, "days": np.quantile(returns, _SHARES, method="inverted_cdf").astype(int)}
    )
    excluded = pd.DataFrame({"reason": ["dated after the end of the data"], "rows": [late]}).query("rows > 0")
    return InactivityEvidence(curve, quantiles, ahead, pd.Timestamp(until), len(length), len(returns), excluded)


def lapses(
    transactions: Any,
    inactive_after: float = 90,
    *,
    observed_until: Any = None,
    customer: str = "customer_id",
    date: str = "date",
) -> pd.DataFrame:
    """Say of each customer when a first silence was too long, and how it stands at the end of the data.

    Parameters
    ----------
    transactions : frame
        One row per purchase.
    inactive_after : float, default 90
        Days of silence after which a customer counts as lapsed.
    observed_until : date, optional
        The instant up to which the log is complete. By default the last date in it.
    customer, date : str
        Names of the columns.

    Returns
    -------
    DataFrame
        One row per customer, [customer_id, first, last, purchases, active_days, duration_days, silent_days, lapsed,
        first_lapse]: days from the first to the last purchase; days since then; 1 if these are `inactive_after` or
        more (the event of a survival analysis of `duration_days`) and 0 if the customer is still active (censored);
        the day when a silence first reached `inactive_after` days, blank if none did. A customer can have lapsed and
        come back.

    Raises
    ------
    DataError
        A column is missing or holds no dates.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.churn import lapses
    >>> customers = lapses(cx.datasets.load("cdnow"))
    >>> int(customers["lapsed"].sum()), int(customers["first_lapse"].notna().sum())
    (2058, 2328)
    """
    limit = span(days(inactive_after, "inactive_after"))
    line, ids, until, _ = purchases(transactions, customer, date, observed_until)
    every = np.arange(len(ids))
    first, stop = line.first(every), np.append(line.first(every)[1:], len(line.code))
    ended = np.append(np.where(line.code[1:] == line.code[:-1], line.time[1:], until), until)
    long = np.flatnonzero(ended - line.time >= limit)
    who, k = np.unique(line.code[long], return_index=True)
    lapse = np.full(len(ids), np.datetime64("NaT", "us"))
    lapse[who] = line.time[long[k]] + limit
    begin, last = line.time[first], line.time[stop - 1]
    return pd.DataFrame(
        {
            "customer_id": ids,
            "first": begin,
            "last": last,
            "purchases": stop - first,
            "active_days": np.bincount(_active_days(line.code, line.time)[0], minlength=len(ids)),
            "duration_days": (last - begin) / DAY,
            "silent_days": (until - last) / DAY,
            "lapsed": (until - last >= limit).astype(int),
            "first_lapse": lapse,
        }
    )


def cohorts(
    transactions: Any,
    *,
    share: bool = False,
    observed_until: Any = None,
    customer: str = "customer_id",
    date: str = "date",
) -> pd.DataFrame:
    """Count who bought again, month after month, by the month of the first purchase.

    Parameters
    ----------
    transactions : frame
        One row per purchase.
    share : bool, default False
        Shares of the cohort on 0-1 in place of customers.
    observed_until : date, optional
        The instant up to which the log is complete. By default the last date in it.
    customer, date : str
        Names of the columns.

    Returns
    -------
    DataFrame
        Cohorts (months of the first purchase) by months since then; month 0 holds the whole cohort. A month that the
        data do not cover to its end is blank, not low.

    Raises
    ------
    DataError
        A column is missing or holds no dates.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.churn import cohorts
    >>> cohorts(cx.datasets.load("cdnow")).iloc[:, :4].rename_axis(index=None)
    months     0    1    2   3
    1997-01  781  124   95  70
    1997-02  857  134  110  75
    1997-03  719   87   84  78
    """
    line, ids, until, _ = purchases(transactions, customer, date, observed_until)
    month = line.time.astype("datetime64[M]").astype(int)
    begin = month[line.first(np.arange(len(ids)))]
    seen = np.unique(np.stack([line.code, month]), axis=1)
    since, cohort = seen[1] - begin[seen[0]], begin[seen[0]]
    table = pd.crosstab(cohort, since).reindex(columns=range(since.max() + 1), fill_value=0).astype(float)
    complete = int(
        (until.astype("datetime64[D]") + np.timedelta64(1, "D")).astype("datetime64[M]").astype(int)
    )  # the first unfinished month
    unfinished = table.index.to_numpy()[:, None] + table.columns.to_numpy() >= complete
    table = table.mask(unfinished & (table.columns.to_numpy() > 0))
    whole = [] if share else [k for k in table if table[k].notna().all()]
    table = (table.div(table[0], axis=0) if share else table).astype(dict.fromkeys(whole, int))
    table.index = pd.Index(np.datetime_as_string(table.index.to_numpy().astype("datetime64[M]")), name="cohort")
    table.columns.name = "months"
    return table.dropna(axis=1, how="all")


def _active_days(code: NDArray[np.int64], time: Instants) -> tuple[NDArray[np.int64], Any]:
    """Days with purchases of each customer, each once."""
    day = time.astype("datetime64[D]")
    fresh = np.ones(len(code), dtype=bool)
    fresh[1:] = (code[1:] != code[:-1]) | (day[1:] != day[:-1])
    return code[fresh], day[fresh]


def _chances(
    length: NDArray[np.float64], event: NDArray[np.bool_], ks: NDArray[np.float64], ahead: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Kaplan-Meier chance that a silence of k days ends within the days ahead, with Greenwood's standard error."""
    times, inverse = np.unique(length, return_inverse=True)
    ends = np.bincount(inverse, weights=event)
    watched = len(length) - np.searchsorted(np.sort(length), times)
    chance, se = np.full(len(ks), np.nan), np.full(len(ks), np.nan)
    for j, k in enumerate(ks):
        if k + ahead > times[-1]:
            continue
        d, n = (v[(times >= k) & (times <= k + ahead)] for v in (ends, watched))
        stay = np.prod(1 - d / n)
        chance[j] = 1 - stay
        with np.errstate(divide="ignore", invalid="ignore"):
            se[j] = stay * np.sqrt(np.sum(d / (n * (n - d)))) if stay > 0 else 0.0
    return chance, se
