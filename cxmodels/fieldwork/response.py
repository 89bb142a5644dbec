"""What happened in the field: who answered, when, and which questions were left blank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, near
from ..inference import share_interval

DISPOSITIONS = ("complete", "partial", "refusal", "noncontact", "other", "unknown", "ineligible")


def response_rates(
    contacts: pd.DataFrame, disposition: str, *, by: str | Sequence[str] | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Response, cooperation and refusal rates from the final state of every case.

    Parameters
    ----------
    contacts : DataFrame
        One row per case that was tried.
    disposition : str
        Column with its final state: complete, partial, refusal, noncontact, other (eligible, not interviewed),
        unknown (eligibility not known), ineligible.
    by : str or sequence of str, optional
        Columns that name the cell, such as the company or the week.
    level : float, default 0.95
        Confidence level of the Wilson interval of rr2.

    Returns
    -------
    DataFrame
        [by..., cases, (one column per state), rr1, rr2, rr2_lower, rr2_upper, rr3, cooperation_rate, refusal_rate]. With I
        complete, P partial, R refusal, NC, O and U: RR1 = I / (I + P + R + NC + O + U), RR2 counts P as answers, RR3
        counts of U the share e that is eligible among the known; cooperation_rate = (I + P) / (I + P + R + O).

    Raises
    ------
    DataError
        If a column is missing, or a state is blank or unknown.

    Notes
    -----
    American Association for Public Opinion Research, *Standard Definitions* (10th ed., 2023): RR1, RR2, RR3, COOP2,
    REF1.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.fieldwork import response_rates
    >>> log = pd.DataFrame({"state": ["complete"] * 5 + ["refusal"] * 3 + ["noncontact"] * 2})
    >>> response_rates(log, "state")[["cases", "rr1", "cooperation_rate", "refusal_rate"]].values.tolist()
    [[10.0, 0.5, 0.625, 0.3]]
    """
    keys = [] if by is None else [by] if isinstance(by, str) else list(by)
    _check_columns(contacts, [disposition, *keys])
    states = contacts[disposition]
    if blank := int(states.isna().sum()):
        raise DataError(f"'{disposition}' is blank in {blank} rows; every case has a final state.")
    if odd := sorted(set(states.astype(str)) - set(DISPOSITIONS)):
        raise DataError(
            f"'{disposition}' holds '{odd[0]}'; the states are {', '.join(DISPOSITIONS)}.{near(odd[0], DISPOSITIONS)}"
        )
    kinds = pd.Categorical(states.astype(str), DISPOSITIONS)
    if keys:
        counts = contacts.assign(_state=kinds).groupby([*keys, "_state"], observed=False).size().unstack("_state")
        counts = counts[counts.sum(axis=1) > 0].reset_index()
    else:
        counts = pd.Series(kinds).value_counts().reindex(list(DISPOSITIONS)).to_frame().T.reset_index(drop=True)
    counts.columns = [*keys, *DISPOSITIONS]
    i, p, r, nc, o, u, out = (counts[k].to_numpy(dtype=float) for k in DISPOSITIONS)
    known, tried = i + p + r + nc + o, i + p + r + nc + o + u
    with np.errstate(invalid="ignore", divide="ignore"):
        eligible = np.where(known + out > 0, known / (known + out), 1.0)
        rates = {
            "rr1": i / tried,
            "rr2": (i + p) / tried,
            "rr3": i / (known + eligible * u),
            "cooperation_rate": (i + p) / (i + p + r + o),
            "refusal_rate": r / tried,
        }
    ends = [share_interval(a, n, level=level) for a, n in zip(rates["rr2"], tried, strict=True)]
    counts.insert(len(keys), "cases", (tried + out).astype(int))
    low, high = np.array(ends).T
    order = ["rr1", "rr2", "rr2_lower", "rr2_upper", "rr3", "cooperation_rate", "refusal_rate"]
    table = counts.assign(**rates, rr2_lower=low, rr2_upper=high)
    return table[[*keys, "cases", *DISPOSITIONS, *order]]


def nonresponse(
    data: pd.DataFrame, known: Mapping[str, Mapping[Any, float]], *, weights: str | None = None
) -> pd.DataFrame:
    """Compare the sample with known shares of the population, category by category.

    Parameters
    ----------
    data : DataFrame
        The sample.
    known : mapping of column to mapping of category to share
        Shares or counts in the population.
    weights : str, optional
        Column of weights for the sample's shares.

    Returns
    -------
    DataFrame
        [column, category, n, sample, population, ratio, chisq, pvalue]: shares, sample over population, and Pearson's
        test of each column against the population (of unweighted counts, given on each of its lines). Categories
        that nobody has, and blanks, are lines of their own.

    Raises
    ------
    DataError
        If a column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.fieldwork import nonresponse
    >>> sample = pd.DataFrame({"sex": ["f"] * 30 + ["m"] * 70})
    >>> nonresponse(sample, {"sex": {"f": 50, "m": 50}})[["category", "sample", "ratio"]].values.tolist()
    [['f', 0.3, 0.6], ['m', 0.7, 1.4]]
    """
    from scipy.stats import chi2

    _check_columns(data, [*known, *([weights] if weights else [])])
    w = np.ones(len(data)) if weights is None else data[weights].to_numpy(dtype=float)
    rows: list[tuple[Any, ...]] = []
    for column, shares in known.items():
        total = float(sum(shares.values()))
        labels = [*shares, *[k for k in data[column].dropna().unique() if k not in shares]]
        hits = [(data[column] == k).to_numpy() for k in labels]
        counts = np.array([h.sum() for h in hits], dtype=float)
        expected = np.array([shares.get(k, 0.0) / total for k in labels])
        with np.errstate(invalid="ignore", divide="ignore"):
            parts = np.where(expected > 0, (counts - counts.sum() * expected) ** 2 / (counts.sum() * expected), 0.0)
        statistic, df = parts.sum(), max(int((expected > 0).sum()) - 1, 1)
        answered = sum(w[h].sum() for h in hits)
        for k, hit, n, e in zip(labels, hits, counts, expected, strict=True):
            share = w[hit].sum() / answered if answered else np.nan
            test = (statistic, chi2.sf(statistic, df))
            rows.append((column, k, int(n), share, e, share / e if e else np.nan, *test))
        if blank := int(data[column].isna().sum()):
            rows.append((column, "(blank)", blank, *[np.nan] * 5))
    names = ["column", "category", "n", "sample", "population", "ratio", "chisq", "pvalue"]
    return pd.DataFrame(rows, columns=names)


def item_nonresponse(data: pd.DataFrame, items: Sequence[str], *, by: str | None = None) -> pd.DataFrame:
    """Share of blank answers to each question.

    Parameters
    ----------
    data : DataFrame
        One row per respondent.
    items : sequence of str
        Questions.
    by : str, optional
        Column that names the unit.

    Returns
    -------
    DataFrame
        [(by), item, asked, blank, share].

    Raises
    ------
    DataError
        If a column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.fieldwork import item_nonresponse
    >>> item_nonresponse(pd.DataFrame({"a": [1, None], "b": [1, 2]}), ["a", "b"]).values.tolist()
    [['a', 2, 1, 0.5], ['b', 2, 0, 0.0]]
    """
    _check_columns(data, [*items, *([by] if by else [])])
    blank = data[list(items)].isna()
    if by is None:
        table = pd.DataFrame({"item": list(items), "asked": len(data), "blank": blank.sum().to_numpy()})
    else:
        grouped = blank.groupby(data[by], observed=True)
        counts = grouped.sum()
        table = counts.reset_index().melt(by, list(items), "item", "blank")
        table.insert(2, "asked", table[by].map(grouped.size()))
    return table.assign(share=table["blank"] / table["asked"])


def fieldwork_timing(
    data: pd.DataFrame, date: str, *, value: str | None = None, every: str = "W", by: str | None = None
) -> pd.DataFrame:
    """Interviews by period, and whether what they say drifts over the field time.

    Parameters
    ----------
    data : DataFrame
        One row per interview.
    date : str
        Column with its date.
    value : str, optional
        Question whose mean is followed.
    every : str, default "W"
        Period, as pandas names it: "D", "W", "M", "Q".
    by : str, optional
        Column that names the unit.

    Returns
    -------
    DataFrame
        [(by), period, interviews, share, cumulated, (mean, se)]; periods without interviews in between are shown
        with 0.

    Raises
    ------
    DataError
        If a column is missing, or a date cannot be read.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.fieldwork import fieldwork_timing
    >>> days = pd.DataFrame({"day": ["2026-01-05", "2026-01-06", "2026-01-21"], "q": [7, 9, 5]})
    >>> fieldwork_timing(days, "day", value="q")[["interviews", "mean"]].values.tolist()
    [[2.0, 8.0], [0.0, nan], [1.0, 5.0]]
    """
    _check_columns(data, [date, *([value] if value else []), *([by] if by else [])])
    when = pd.to_datetime(data[date], errors="coerce")
    if bad := int((when.isna()).sum()):
        raise DataError(f"'{date}' is blank or no date in {bad} of {len(data)} rows.")
    period = when.dt.to_period(every)
    span = pd.period_range(period.min(), period.max(), freq=period.dt.freq)
    parts = []
    for unit, rows in [(None, data.index)] if by is None else data.groupby(by, observed=True).groups.items():
        mine = period.loc[rows]
        counts = mine.value_counts().reindex(span, fill_value=0)
        part = pd.DataFrame({"period": span.astype(str), "interviews": counts.to_numpy()})
        part["share"] = part.interviews / max(part.interviews.sum(), 1)
        part["cumulated"] = part.interviews.cumsum()
        if value is not None:
            said = (
                pd.to_numeric(data.loc[rows, value], errors="coerce").groupby(mine).agg(["mean", "sem"]).reindex(span)
            )
            part["mean"], part["se"] = said["mean"].to_numpy(), said["sem"].to_numpy()
        if by is not None:
            part.insert(0, by, [unit] * len(part))
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _check_columns(data: pd.DataFrame, wanted: Sequence[str]) -> None:
    """Refuse columns that are not there."""
    for column in wanted:
        if column not in data:
            raise DataError(f"There is no column '{column}'.{near(column, map(str, data.columns))}")
