"""Checklists: the quality score of dialogues, and share of yes by block for service and maturity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import SpecError, listed, near
from ..inference import SHARE_INTERVALS, ShareInterval, choose
from .answers import Answers, numbers, read
from .design import Array
from .estimate import Bounds, Estimate, Known, Measure, Point, evaluate
from .kinds import mean_bounds, mean_point, part_bounds, ratio_point

UNIT = "share of yes, 0–1"


def quality_score(
    items: Any,
    *,
    points: Mapping[str, float] | None = None,
    critical: Sequence[str] = (),
    average: Literal["dialogues", "pooled"] = "dialogues",
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> Any:
    """Internal quality score of dialogues: share of the checklist that was kept.

    Parameters
    ----------
    items : frame or array-like of shape (n, k), or column names
        One row per dialogue: 1 if the point was kept, 0 if not, NaN where it did not apply.
    points : mapping of item to number, optional
        What each item is worth; those left out are worth 1.
    critical : sequence of str, default ()
        Items that, if broken, make the whole dialogue worth 0.
    average : {"dialogues", "pooled"}, default "dialogues"
        Mean of the dialogues' own shares; or all points kept over all points that applied.
    data : DataFrame, optional
        The table that column names speak of.
    weights, strata, clusters : column name or array-like of shape (n,), optional
        Case weights and the design of the sample; cluster by agent where an agent has several dialogues.
    by : column name(s) or labels of shape (n,), optional
        Groups, such as agent or channel.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    Estimate or DataFrame
        On 0-1. A dialogue to which nothing applied counts as missing. The interval is Student's, cut at 0 and 1; for the
        pooled share Wilson's at the effective number of points.

    Raises
    ------
    DataError
        For values other than 0 and 1, with counts.
    SpecError
        For points or critical items that are no items.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.metrics import quality_score
    >>> dialogues = pd.DataFrame({"greets": [1, 1, 0], "solves": [1, 0, 1], "thanks": [1, None, 1]})
    >>> round(quality_score(dialogues).value, 4), quality_score(dialogues, critical=["solves"]).n
    (0.7222, 3)
    """
    choose("average", average, ("dialogues", "pooled"))
    answers = read(items, data, "items")
    answers.only((0, 1), "0, 1 or nothing")
    for named in (*(points or {}), *critical):
        if named not in answers.names:
            raise SpecError(f"'{named}' is no item of the checklist.{near(named, answers.names)}")
    given = numbers(points or {}, "points")
    if wrong := list(given.index[~(np.isfinite(given) & (given > 0))]):
        raise SpecError(f"points must be numbers above 0; {listed(wrong)} has another.")
    worth = given.reindex(answers.names).fillna(1.0).to_numpy()
    asked = ~np.isnan(answers.values)
    kept = np.nan_to_num(answers.values) @ worth
    broken = (answers.values[:, [answers.names.index(c) for c in critical]] == 0).any(axis=1)
    both = np.column_stack([np.where(broken, 0.0, kept), asked @ worth])
    both[~asked.any(axis=1)] = np.nan
    table = Answers(both, ["kept", "applied"], answers.survey, answers.named)
    said = f", {len(critical)} critical" if critical else ""
    base = f"{len(answers.names)} items{said}"
    if average == "pooled":
        method = f"points kept over points that applied, {base}; interval Wilson at effective n"
        measure = Measure("Quality score", UNIT, method, ratio_point, part_bounds("wilson"))
    else:
        method = f"mean of dialogues' own shares, {base}; interval t"
        measure = Measure("Quality score", UNIT, method, _own_point, _clipped, student=True)
    return evaluate(measure, table, weights=weights, strata=strata, clusters=clusters, by=by, level=level)


def _own_point(x: Array, w: Array) -> Point:
    return mean_point(x[:, 0] / x[:, 1], w)


def _clipped(point: Point, known: Known) -> Bounds:
    lower, upper = mean_bounds(point, known)
    return (max(lower, 0.0), min(upper, 1.0)) if np.isfinite(known.se) else (np.nan, np.nan)


def checklist(
    blocks: Mapping[str, Sequence[str]],
    data: Any,
    *,
    total: Literal["items", "blocks"] = "items",
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    interval: ShareInterval = "wilson",
    level: float = 0.95,
) -> pd.DataFrame:
    """Profile of a service or maturity checklist: share of yes in each block, and in all.

    Parameters
    ----------
    blocks : mapping of block to item columns
        In the order of the profile.
    data : DataFrame
        One row per visit, branch or assessment: 1 yes, 0 no, NaN where an item did not apply.
    total : {"items", "blocks"}, default "items"
        Whether in the total every item counts alike, or every block.
    weights, strata, clusters, by, level
        As for :func:`quality_score`.
    interval : {"wilson", "wald", "agresti_coull", "clopper_pearson"}, default "wilson"
        Of the shares, at the effective number of answers p (1 - p) / se²: rows, not items, are the sample.

    Returns
    -------
    DataFrame
        [(group...,) block, value, se, ci_lower, ci_upper, n, ..., items], last the total. A single assessment is no
        sample: it has shares, but neither standard errors nor intervals.

    Raises
    ------
    DataError
        For values other than 0 and 1 (with counts), or an item that nobody answered.
    SpecError
        For an item in two blocks, a block called "Total", or no blocks.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.metrics import checklist
    >>> visits = pd.DataFrame({"clean": [1, 1], "light": [1, 0], "smile": [0, 1]})
    >>> checklist({"Shop": ["clean", "light"], "Staff": ["smile"]}, visits)[["block", "value", "items"]].values.tolist()
    [['Shop', 0.75, 2], ['Staff', 0.5, 1], ['Total', 0.6666666666666666, 3]]
    """
    choose("total", total, ("items", "blocks"))
    choose("interval", interval, SHARE_INTERVALS)
    if not blocks or not all(len(items) for items in blocks.values()):
        raise SpecError("A checklist needs blocks, each with at least one item.")
    if "Total" in blocks:
        raise SpecError("No block may be called 'Total', which is the last row of the result; rename it.")
    names = [item for items in blocks.values() for item in items]
    if twice := [n for n in dict.fromkeys(names) if names.count(n) > 1]:
        raise SpecError(f"The items {listed(twice)} stand in the checklist more than once.")
    answers = read(names, data)
    answers.only((0, 1), "0, 1 or nothing")
    asked = ~np.isnan(answers.values)
    yes = np.nan_to_num(answers.values)
    of_block = np.repeat(np.arange(len(blocks)), [len(items) for items in blocks.values()])
    member = (of_block[:, None] == np.arange(len(blocks))).astype(float)
    sums, bases = yes @ member, asked @ member
    columns = {block: (sums[:, [b]], bases[:, [b]]) for b, block in enumerate(blocks)}
    columns["Total"] = (sums.sum(axis=1, keepdims=True), bases.sum(axis=1, keepdims=True))
    if total == "blocks":
        columns["Total"] = (sums, bases)
    frames = []
    for block, (top, bottom) in columns.items():
        table = np.hstack([top, bottom])
        table[~(bottom > 0).any(axis=1)] = np.nan
        part = Answers(table, [block] * table.shape[1], answers.survey, True)
        method = "share of yes; interval " + interval
        measure = Measure(block, UNIT, method, _blocks_point, _sampled(part_bounds(interval)))
        found = evaluate(measure, part, weights=weights, strata=strata, clusters=clusters, by=by, level=level)
        frame = found.frame.drop(columns="metric") if isinstance(found, Estimate) else found
        frame.insert(list(frame.columns).index("value"), "block", block)
        frames.append(frame.assign(items=len(blocks.get(block, names))))
    return pd.concat(frames, ignore_index=True)


def _blocks_point(x: Array, w: Array) -> Point:
    """Mean over blocks of the ratio of yes (left half of the columns) to asked (right half)."""
    k = x.shape[1] // 2
    points = [ratio_point(x[:, [j, k + j]], w) for j in range(k)]
    points = [p for p in points if not np.isnan(p.value)]
    return Point(float(np.mean([p.value for p in points])), np.mean([p.influence for p in points], axis=0), {})


def _sampled(bounds: Any) -> Any:
    """No interval from a single row."""

    def checked(point: Point, known: Known) -> Bounds:
        return bounds(point, known) if np.isfinite(known.se) else (np.nan, np.nan)

    return checked
