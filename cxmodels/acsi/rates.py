"""What satisfaction leads to, in numbers a business counts: complaints, retention, price tolerance, reservation price.

Public definitions (Fornell, Johnson, Anderson, Cha and Bryant 1996, Journal of Marketing 60(4)): the complaint rate is the raw
share of customers who complained; retention is read from the stated likelihood of buying again; price tolerance is how
much the price may rise before those who would buy again leave, or must fall before the others stay. Conventions of
this package are named in `method` of each estimate.

Every function takes raw answers with weights, strata, clusters and groups, as those of :mod:`cxmodels.metrics`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, listed, near
from ..inference import quantile
from ..metrics.answers import Answers, read_one
from ..metrics.design import Array
from ..metrics.estimate import Bounds, Estimate, Known, Measure, Point, evaluate
from ..metrics.kinds import SHARE_UNIT, mean_bounds, mean_point
from ..metrics.shares import rate
from ..survey import as_survey
from .models import TOLERANCE_LIMIT, signed_tolerance

if TYPE_CHECKING:
    from .hierarchy import Weights
    from .result import IndexResult

PERCENT = "percent of the price"
MEASURES = ["value", "se", "ci_lower", "ci_upper", "n"]
CHANGES = (-20.0, -10.0, -5.0, 0.0, 5.0, 10.0, 20.0)


def complaint_rate(
    x: Any,
    *,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> Any:
    """Share of customers who complained.

    Parameters
    ----------
    x : array-like of shape (n,), or column name
        1 for those who complained in the period, else 0.
    data, weights, strata, clusters, by, level
        As for :func:`cxmodels.metrics.rate`.

    Returns
    -------
    Estimate or DataFrame
        On 0-1, with Wilson's interval.

    Examples
    --------
    >>> from cxmodels.acsi import complaint_rate
    >>> complaint_rate([0, 1, 0, 0]).value
    0.25
    """
    return rate(
        x, data=data, weights=weights, strata=strata, clusters=clusters, by=by, level=level, name="Complaint rate"
    )


def retention(
    x: Any,
    *,
    scale: tuple[float, float] | None = None,
    calibration: Mapping[float, float] | None = None,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> Any:
    """Share of customers expected to stay, from their stated likelihood of buying again.

    Parameters
    ----------
    x : array-like of shape (n,), or column name
        Likelihood of buying again, a high one good.
    scale : (lo, hi), optional
        Ends of the answer scale; by default those of the codebook, else 1-10.
    calibration : mapping of answer to share, optional
        Share of those who gave each answer who did stay, known from an earlier wave with purchase records. By default an
        answer is taken as the probability that it states, (x - lo) / (hi - lo) (Juster 1966, JASA 61); people
        overstate what they will do, so calibrate where you can.
    data, weights, strata, clusters, by, level
        As for :func:`cxmodels.metrics.rate`.

    Returns
    -------
    Estimate or DataFrame
        Mean probability on 0-1; times 100 it is the index of repurchase likelihood. Student's interval, inside 0-1.

    Raises
    ------
    SpecError
        If the calibration lacks an answer, or holds something that is no share.
    DataError
        For answers outside the scale, with counts.

    Examples
    --------
    >>> from cxmodels.acsi import retention
    >>> e = retention([10, 10, 7, 4])
    >>> round(e.value, 4)
    0.75
    >>> retention([10, 10, 7, 4], calibration={10: 0.9, 7: 0.6, 4: 0.2}).value
    0.65
    """
    answers = read_one(x, data)
    lo, hi = answers.scale(scale, (1.0, 10.0))
    table = None if calibration is None else _calibration(calibration, answers)

    def point(x: Array, w: Array) -> Point:
        return mean_point((x[:, 0] - lo) / (hi - lo) if table is None else table.loc[list(x[:, 0])].to_numpy(), w)

    said = f"answer on {lo:g}-{hi:g} as probability" if table is None else "share kept by answer, calibrated"
    asked = Measure("Retention", SHARE_UNIT, f"mean of {said}; interval t", point, _inside_share, student=True)
    return evaluate(asked, answers, weights=weights, strata=strata, clusters=clusters, by=by, level=level)


def tolerated_change(
    up: Any,
    down: Any,
    *,
    limit: float | None = TOLERANCE_LIMIT,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> Any:
    """Price tolerance: by how many percent the price may move until the average customer is about to leave.

    Parameters
    ----------
    up : array-like of shape (n,), or column name
        Price rise borne by those likely to buy again, percent; missing where not asked.
    down : array-like of shape (n,), or column name
        Price cut needed by the others, percent, with or without a minus sign; missing where not asked.
    limit : float, optional
        Answers beyond it count as the limit, by default 25 percent; None takes them as they are.
    data, weights, strata, clusters, by, level
        As for :func:`cxmodels.metrics.rate`.

    Returns
    -------
    Estimate or DataFrame
        Mean signed percent: above zero where prices could rise.

    Raises
    ------
    DataError
        If a respondent answered both questions, or a rise is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from cxmodels.acsi import tolerated_change
    >>> tolerated_change([10, 20, np.nan], [np.nan, np.nan, 15]).value
    5.0
    """
    answers, said = _tolerance(up, down, data, limit)
    asked = Measure(
        "Price tolerance", PERCENT, f"mean signed percent{said}; interval t", _mean, mean_bounds, student=True
    )
    return evaluate(asked, answers, weights=weights, strata=strata, clusters=clusters, by=by, level=level)


def reservation_price(
    up: Any,
    down: Any,
    price: Any = 100.0,
    *,
    limit: float | None = TOLERANCE_LIMIT,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> Any:
    """Reservation price: the highest price at which the average customer would still buy.

    Parameters
    ----------
    up, down
        As for :func:`tolerated_change`.
    price : float, array-like of shape (n,) or column name, default 100
        Price that each respondent pays now; with 100 the result is in percent of it.
    limit, data, weights, strata, clusters, by, level
        As for :func:`tolerated_change`.

    Returns
    -------
    Estimate or DataFrame
        Mean of price (1 + t / 100), t the signed percent, in the unit of `price`.

    Raises
    ------
    DataError
        As :func:`tolerated_change`, or if a price is not above zero.

    Examples
    --------
    >>> import numpy as np
    >>> from cxmodels.acsi import reservation_price
    >>> reservation_price([10, 20, np.nan], [np.nan, np.nan, 15], price=[50.0, 50.0, 40.0]).value
    49.666666666666664
    """
    answers, said = _tolerance(up, down, data, limit)
    paid = np.full(answers.n, price) if np.isscalar(price) and not isinstance(price, str) else price
    prices = read_one(paid, data, "prices")
    prices.at_least(0, "prices are above 0", strict=True)
    if prices.n != answers.n:
        raise DataError(f"There are {prices.n} prices for {answers.n} rows: give one for each.")
    worth = Answers(prices.values * (1 + answers.values / 100), answers.names, answers.survey, answers.named)
    unit = PERCENT if np.isscalar(price) and price == 100.0 else "in the unit of the price"
    method = f"mean of price times one plus the signed percent{said}; interval t"
    asked = Measure("Reservation price", unit, method, _mean, mean_bounds, student=True)
    return evaluate(asked, worth, weights=weights, strata=strata, clusters=clusters, by=by, level=level)


def demand(
    up: Any,
    down: Any,
    *,
    changes: Sequence[float] = CHANGES,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Share of customers who would stay at other prices: the demand curve that reservation prices draw.

    Parameters
    ----------
    up, down
        As for :func:`tolerated_change`.
    changes : sequence of float, default from -20 to 20
        Changes of the price, percent.
    data, weights, strata, clusters, by, level
        As for :func:`cxmodels.metrics.rate`.

    Returns
    -------
    DataFrame
        [(group...), change, value, se, ci_lower, ci_upper, n, ...]: share whose signed percent is the change or more,
        with Wilson's interval.

    Raises
    ------
    DataError
        As :func:`tolerated_change`.
    SpecError
        If a change is no number.

    Examples
    --------
    >>> import numpy as np
    >>> from cxmodels.acsi import demand
    >>> curve = demand([10, 20, 5, np.nan], [np.nan, np.nan, np.nan, 15], changes=[-15, 0, 10])
    >>> curve[["change", "value"]].values.tolist()
    [[-15.0, 1.0], [0.0, 0.75], [10.0, 0.5]]
    """
    answers, _ = _tolerance(up, down, data, None)
    parts = []
    for change in np.atleast_1d(np.asarray(changes, dtype=object)):
        if isinstance(change, bool) or not isinstance(change, int | float | np.number) or not np.isfinite(change):
            raise SpecError(f"changes are percents of the price, numbers, not {change!r}.")
        stays = np.where(np.isnan(answers.values[:, 0]), np.nan, answers.values[:, 0] >= change)
        found = rate(
            stays, data=data, weights=weights, strata=strata, clusters=clusters, by=by, level=level, name="Staying"
        )
        frame = found.frame.drop(columns="metric") if isinstance(found, Estimate) else found
        frame.insert(list(frame.columns).index("value"), "change", float(change))
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


# --- of the units of a study --------------------------------------------------------------------------------


def outcomes(
    result: IndexResult,
    *,
    complaint: str | None = None,
    repurchase: str | None = None,
    up: str | None = None,
    down: str | None = None,
    price: str | None = None,
    calibration: Mapping[float, float] | None = None,
    strata: str | None = None,
    clusters: str | None = None,
) -> pd.DataFrame:
    """Complaint rate, retention, price tolerance and reservation price of the units of a study.

    Parameters
    ----------
    result : IndexResult
        Its units, rows used and case weights.
    complaint, repurchase, up, down : str, optional
        Columns; by default those of the ACSI-style survey, complaint, repurchase, tolerance_up and tolerance_down, as far as
        the data have them: what was not asked is not measured.
    price : str, optional
        Column of the price that a respondent pays, for the reservation price.
    calibration : mapping, optional
        As for :func:`retention`.
    strata, clusters : str, optional
        Columns of the design.

    Returns
    -------
    DataFrame
        [unit..., measure, scale, value, se, ci_lower, ci_upper, n]; scale says what the value counts.

    Raises
    ------
    SpecError
        If the data have none of the columns, or lack one that was named.

    Examples
    --------
    >>> import cxmodels as cx
    >>> data, _ = cx.datasets.simulate_study(companies=2, years=1, seed=1)
    >>> study = cx.SatisfactionIndex().fit(data, by="company", weights="weight", bootstrap=0)
    >>> outcomes(study)[["company", "measure", "value"]].head(3).round(2)
         company          measure  value
    0  Company 1   Complaint rate   0.10
    1  Company 1        Retention   0.78
    2  Company 1  Price tolerance   7.36
    """
    columns = result.survey.frame.columns
    wanted = [c for c in (complaint, repurchase, up, down, price, strata, clusters) if c]
    if lacking := [c for c in wanted if c not in columns]:
        raise SpecError(f"Column '{lacking[0]}' is not in the data.{near(lacking[0], map(str, columns))}")
    complaint = complaint or result.spec.model.rates.get("complaint rate", "complaint")
    repurchase, up, down = repurchase or "repurchase", up or "tolerance_up", down or "tolerance_down"
    table = _rows_used(result, [complaint, repurchase, up, down], [c for c in (price, strata, clusters) if c])
    design: dict[str, Any] = {
        "data": table,
        "weights": "_case",
        "strata": strata,
        "clusters": clusters,
        "level": result.level,
    }
    design["by"] = list(result.keys) or None
    found = {}
    if complaint in table:
        found["Complaint rate"] = (SHARE_UNIT, complaint_rate(complaint, **design))
    if repurchase in table:
        scale = result.survey.scale(repurchase) or result.spec.model.scales.get(repurchase)
        found["Retention"] = (SHARE_UNIT, retention(repurchase, scale=scale, calibration=calibration, **design))
    if {up, down} <= set(table):
        found["Price tolerance"] = (PERCENT, tolerated_change(up, down, **design))
        if price:
            money = "in the unit of the price"
            found["Reservation price"] = (money, reservation_price(up, down, price, **design))
    if not found:
        asked = listed([complaint, repurchase, up, down])
        raise SpecError(
            f"The data have none of {asked}; name the columns of complaints, repurchase or price tolerance."
        )
    parts = []
    for name, (scale, value) in found.items():
        frame = value.frame if isinstance(value, Estimate) else value
        renamed = frame.rename(columns={f"group_{k}": k for k in result.keys})
        parts.append(renamed.assign(measure=name, scale=scale)[[*result.keys, "measure", "scale", *MEASURES]])
    out = pd.concat(parts).sort_index(kind="stable")
    return out.reset_index(drop=True)


def aggregate_outcomes(
    result: IndexResult, levels: str | Sequence[str], weights: Weights = None, **columns: Any
) -> pd.DataFrame:
    """Combine these measures over a hierarchy.

    Parameters
    ----------
    result : IndexResult
    levels, weights
        As for :meth:`IndexResult.aggregate`.
    **columns
        As for :func:`outcomes`.

    Returns
    -------
    DataFrame
        [level, name, (further keys), measure, scale, value, se, ci_lower, ci_upper, units, n].

    Raises
    ------
    SpecError
        As :meth:`IndexResult.aggregate` and :func:`outcomes`.
    """
    from .comparison import _facts_of
    from .hierarchy import aggregate_scores

    own = outcomes(result, **columns)
    levels = [levels] if isinstance(levels, str) else list(levels or ())
    facts = _facts_of(result, levels, weights)
    scales = own.drop_duplicates("measure").set_index("measure")["scale"]
    scores = own.rename(columns={"measure": "construct", "value": "index"})
    found = aggregate_scores(scores, facts, list(result.keys), levels, weights)
    found = found.rename(columns={"construct": "measure", "index": "value"})
    half = quantile(result.level) * found["se"]
    found["ci_lower"], found["ci_upper"] = found["value"] - half, found["value"] + half
    shares = found["measure"].map(scales) == SHARE_UNIT
    found.loc[shares, ["ci_lower", "ci_upper"]] = found.loc[shares, ["ci_lower", "ci_upper"]].clip(0, 1)
    found.insert(list(found.columns).index("value"), "scale", found["measure"].map(scales))
    return found


# --- pieces -------------------------------------------------------------------------------------------------


def _mean(x: Array, w: Array) -> Point:
    return mean_point(x[:, 0], w)


def _inside_share(point: Point, known: Known) -> Bounds:
    lower, upper = mean_bounds(point, known)
    return max(lower, 0.0), min(upper, 1.0)


def _calibration(calibration: Mapping[float, float], answers: Answers) -> pd.Series:
    """Share kept by answer, checked."""
    try:
        table = pd.Series({float(k): float(v) for k, v in calibration.items()})
    except (AttributeError, TypeError, ValueError):
        raise SpecError(f"calibration maps answers to shares, such as {{10: 0.9}}, not {calibration!r}.") from None
    if bad := table.index[~table.between(0, 1)].tolist():
        raise SpecError(f"The calibration of answer {listed(bad)} is no share between 0 and 1.")
    given = answers.values[:, 0]
    if lacking := sorted(set(given[~np.isnan(given)]) - set(table.index)):
        raise SpecError(f"The calibration has no share for the answers {listed(f'{v:g}' for v in lacking)}.")
    return table


def _tolerance(up: Any, down: Any, data: Any, limit: float | None) -> tuple[Answers, str]:
    """Signed percents of both questions, and the convention in words."""
    rises, cuts = _asked(up, data, "price rises"), _asked(down, data, "price cuts")
    read = rises or cuts
    if read is None:
        raise DataError("Nobody answered the price tolerance questions.")
    nobody = np.full(read.n, np.nan)
    rise, cut = (nobody if a is None else a.values[:, 0] for a in (rises, cuts))
    if len(rise) != len(cut):
        raise DataError(
            f"There are {len(rise)} price rises and {len(cut)} price cuts: give one of each for every row."
        )
    if limit is not None and not limit > 0:
        raise SpecError(f"limit is a percent above 0, or None, not {limit!r}.")
    t = signed_tolerance(rise, cut, limit)
    said = "" if limit is None else f", cut at {limit:g}"
    return Answers(t[:, None], ["price tolerance"], read.survey, read.named), said


def _asked(x: Any, data: Any, name: str) -> Answers | None:
    """Answers to a question, or None if nobody was asked it, as the needed cut where all would stay."""
    frame: Any = as_survey(data).frame if isinstance(x, str) and data is not None else {}
    values = frame[x] if isinstance(x, str) and x in frame else x
    if not isinstance(values, str) and bool(np.all(pd.isna(values))):
        return None
    return read_one(x, data, name)


def _rows_used(result: IndexResult, wanted: Sequence[str], named: Sequence[str]) -> pd.DataFrame:
    """Answers and case weights of the rows used, units in front; what the data lack is left out."""
    columns = result.survey.frame.columns
    there = [c for c in dict.fromkeys(wanted) if c in columns]
    parts = []
    for unit, m in result.measured.items():
        survey = result.fits[unit].survey if unit in result.fits else result.survey
        assert survey is not None
        part = pd.DataFrame({c: result._answers(unit, c) for c in there} | {"_case": m.case})
        part = part.assign(**{c: survey.frame[c].to_numpy()[m.rows] for c in named})
        for at, (key, value) in enumerate(zip(result.keys, unit, strict=True)):
            part.insert(at, key, [value] * len(part))
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
