"""From companies to industries, sectors and the nation, and forward in time between measurements.

An aggregate is a weighted mean of the estimates one level below, I = sum p_c I_c, and as samples of different units are
independent, se² = sum p_c² se_c². Which weights belong to which level is a matter of fact: revenue for companies and
industries, shares of GDP for sectors (public description of the national index).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, listed, near

WHOLE = "nation"  # a level that need not be a column: everything together
MEASURES = ["index", "se", "ci_lower", "ci_upper", "units", "n"]
SCORES = ("construct", "index", "se", "ci_lower", "ci_upper", "se_bootstrap", "n")  # columns of every result

Weights = str | Mapping[str, str] | None


def aggregate_scores(
    scores: pd.DataFrame,
    facts: pd.DataFrame,
    keys: Sequence[str],
    levels: Sequence[str],
    weights: Weights = None,
    *,
    z: float = 1.959963984540054,
) -> pd.DataFrame:
    """Combine indices level by level.

    Parameters
    ----------
    scores : DataFrame
        [keys..., construct, index, se, n], one line per unit and construct.
    facts : DataFrame
        One line per unit: its keys, the columns of the levels, and those of the weights.
    keys : sequence of str
        Columns that name a unit.
    levels : sequence of str
        From the lowest up, each nested in the next. ``"nation"`` is everything together unless there is such a column.
    weights : str or mapping of level to str, optional
        Weight of what is averaged to make a level. One name serves all levels. In a mapping, the column of the lowest
        level belongs to the units and is added up for higher levels that use it again (revenue); a column that first
        appears higher up belongs to the groups one level below, and must be constant in each (share of GDP).
    z : float
        Quantile of the intervals.

    Returns
    -------
    DataFrame
        [level, name, (further keys such as year), construct, index, se, ci_lower, ci_upper, units, n].

    Raises
    ------
    SpecError
        If a weight is named for something that is no level.
    DataError
        If weights are missing, negative, all zero or not constant where they must be, or a group lies in two groups
        of the next level.

    Examples
    --------
    >>> scores = pd.DataFrame({"company": ["a", "b"], "construct": "S", "index": [70.0, 80.0], "se": 1.0, "n": 100})
    >>> facts = pd.DataFrame({"company": ["a", "b"], "industry": "x", "revenue": [3.0, 1.0]})
    >>> aggregate_scores(scores, facts, ["company"], ["industry"], "revenue")[["index", "se", "units"]].round(4)
       index      se  units
    0   72.5  0.7906      2
    """
    parts = []
    for step in level_steps(scores, facts, keys, levels, weights):
        flat = step.sums.assign(level=step.level, name=step.sums[step.level])
        flat["ci_lower"] = np.maximum(flat["index"] - z * flat.se, 0)
        flat["ci_upper"] = np.minimum(flat["index"] + z * flat.se, 100)
        parts.append(flat[["level", "name", *step.groups[1:-1], "construct", *MEASURES]])
    return pd.concat(parts, ignore_index=True)


class Step(NamedTuple):
    """One level of a hierarchy made from what lies below it.

    `table` has a line per member and construct, with its weight ``_w``; `members` are the columns that name a member, the
    units or the groups one level below; `groups` those of the level, ending in construct; `sums` has
    [groups..., index, se, units, n].
    """

    level: str
    members: list[str]
    groups: list[str]
    table: pd.DataFrame
    sums: pd.DataFrame


def level_steps(
    scores: pd.DataFrame, facts: pd.DataFrame, keys: Sequence[str], levels: Sequence[str], weights: Weights
) -> Iterator[Step]:
    """Climb from level to level.

    Parameters
    ----------
    scores, facts, keys, levels, weights
        As for :func:`aggregate_scores`.

    Yields
    ------
    Step
    """
    chosen = _by_level(levels, weights)
    table = scores.merge(facts, on=list(keys), validate="many_to_one")
    if WHOLE in levels and WHOLE not in table:
        table[WHOLE] = WHOLE
    crossing = _crossing(table, list(keys), levels[0])
    if isinstance(weights, Mapping):
        _check_chain(table, levels, chosen, crossing)
    table["_units"] = 1
    members, used = [*keys, "construct"], set[str]()
    for at, level in enumerate(levels):
        others = crossing if not at else [c for c in crossing if c != level]
        groups = [level, *[c for c in others if c != level], "construct"]
        weight = chosen[level]
        table["_w"] = _weight(table, weight, keys if members[:-1] == list(keys) else members[:1])
        table["_w"] = table["_w"].fillna(0.0)
        grouped = table.assign(_wx=table._w * table["index"], _wv=(table._w * table.se) ** 2).groupby(
            groups, sort=False, observed=True
        )
        sums = grouped.agg(
            _t=("_w", "sum"), _wx=("_wx", "sum"), _wv=("_wv", "sum"), units=("_units", "sum"), n=("n", "sum")
        )
        if not (sums._t > 0).all():
            empty = sums.index[~(sums._t > 0)].get_level_values(0).unique()
            raise DataError(f"All weights of {level} {listed(empty)} are zero.")
        sums["index"], sums["se"] = sums._wx / sums._t, np.sqrt(sums._wv) / sums._t
        flat = sums.reset_index()
        yield Step(level, members, groups, table, flat)
        if isinstance(weights, Mapping):  # the next level averages these groups
            used |= {weight} if weight else set()
            table, members = _climb(table, flat, groups, used, levels, chosen), groups


def _by_level(levels: Sequence[str], weights: Weights) -> dict[str, str | None]:
    """Weight column of each level."""
    if not isinstance(weights, Mapping):
        return dict.fromkeys(levels, weights)
    if odd := [k for k in weights if k not in levels]:
        raise SpecError(f"Weights are given for {listed(odd)}, which is no level asked for.{near(odd[0], levels)}")
    return {level: weights.get(level) for level in levels}


def _weight(table: pd.DataFrame, weight: str | None, owner: Sequence[str]) -> pd.Series:
    """Weights as numbers, none missing or negative."""
    if weight is None:
        return pd.Series(1.0, table.index)
    if not pd.api.types.is_numeric_dtype(table[weight]):
        raise DataError(f"The weight '{weight}' holds text; a weight of units is a number.")
    values = table[weight].astype(float)
    if (bad := table.loc[~(values >= 0) | ~np.isfinite(values), list(owner)].drop_duplicates()).size:
        raise DataError(f"The weight '{weight}' is negative or missing for {_names(bad)}.")
    return values


def _climb(
    table: pd.DataFrame,
    flat: pd.DataFrame,
    groups: list[str],
    used: set[str],
    levels: Sequence[str],
    chosen: Mapping[str, str | None],
) -> pd.DataFrame:
    """One line per group, carrying the higher levels and their weights: sums of those used, values of the others."""
    above = list(levels[levels.index(groups[0]) + 1 :])
    carried = [c for c in dict.fromkeys(chosen[k] for k in above) if c]
    rules = {c: "sum" if c in used else "first" for c in carried}
    rules |= dict.fromkeys([k for k in above if k not in groups], "first")
    facts = table.groupby(groups, sort=False, observed=True).agg(rules) if rules else None
    out = flat[[*groups, "index", "se", "n"]].assign(_units=flat.units)
    return out if facts is None else out.merge(facts.reset_index(), on=groups)


def _check_chain(
    table: pd.DataFrame, levels: Sequence[str], chosen: Mapping[str, str | None], crossing: list[str]
) -> None:
    """Refuse levels that are not nested, and weights of groups that are not the same all over a group."""
    used: set[str | None] = {chosen[levels[0]], None}
    for below, level in pairwise(levels):
        others = [c for c in crossing if c not in (below, level)]
        homes = table.groupby([below, *others], observed=True)[level].nunique(dropna=False)
        if level not in crossing and (torn := homes.index[homes > 1]).size:
            first = torn.get_level_values(0)[0]
            raise DataError(f"The {below} '{first}' lies in more than one {level}; a level is nested in the next.")
        if (weight := chosen[level]) not in used and weight is not None:
            _check_constant(table, weight, [below, *others], level)
        used.add(weight)


def _check_constant(table: pd.DataFrame, weight: str, owner: list[str], level: str) -> None:
    """Refuse a weight of groups that is not the same all over a group."""
    spread = table.groupby(owner, observed=True)[weight].nunique(dropna=False)
    if (varying := spread.index[spread > 1]).size:
        first = varying[0] if not isinstance(varying[0], tuple) else varying[0][0]
        raise DataError(
            f"The weight '{weight}' of {level} varies within {owner[0]} '{first}'; it must be one number per {owner[0]}."
        )


def _crossing(table: pd.DataFrame, keys: list[str], level: str) -> list[str]:
    """Keys that cut across a level, such as the year; those nested in it, such as the company, are averaged over."""

    def varies(of: str, within: str) -> bool:
        return bool(table.groupby(within, observed=True)[of].nunique().gt(1).any())

    nested = [k for k in keys if k != level and not varies(level, k)]
    unit = max(nested, key=lambda k: table[k].nunique(), default=None)
    return [k for k in keys if k not in (level, unit) and (k not in nested or (unit is not None and varies(k, unit)))]


def _names(units: pd.DataFrame) -> str:
    """Units as text for a message."""
    return listed(", ".join(map(str, row)) for row in units.itertuples(index=False, name=None))


def natural_order(waves: Sequence[Any]) -> list[int] | None:
    """Positions of waves or periods in the order of time.

    Parameters
    ----------
    waves : sequence
        Numbers, dates, or texts that differ in their numbers only: "Q4 2024" stands before "Q1 2025".

    Returns
    -------
    list of int or None
        None where they have no order of their own, such as names of months.

    Examples
    --------
    >>> natural_order(["Q1 2025", "Q4 2024"]), natural_order(["spring", "autumn"])
    ([1, 0], None)
    """
    if not all(isinstance(w, str) for w in waves):
        try:
            return sorted(range(len(waves)), key=lambda i: waves[i])
        except TypeError:
            return None
    numbers = [[int(v) for v in re.findall(r"\d+", w)] for w in waves]
    if len({re.sub(r"\d+", "#", w) for w in waves}) > 1 or not all(numbers):
        return None
    if any(len(found) > 2 and found[0] <= 999 for found in numbers):  # 01.02.2025 may be either
        return None
    keys = [sorted(found, key=lambda v: -(v > 999)) for found in numbers]  # the year leads
    return sorted(range(len(waves)), key=keys.__getitem__)


def in_order(values: pd.Series, named: str) -> list[Any]:
    """Different values of a column in the order of time.

    Parameters
    ----------
    values : Series
        Waves or periods; an ordered category brings its order.
    named : str
        Argument that gives the order, for the message.

    Returns
    -------
    list

    Raises
    ------
    SpecError
        If they have no order of their own.

    Examples
    --------
    >>> in_order(pd.Series(["1/2025", "4/2024", "1/2025"]), "periods")
    ['4/2024', '1/2025']
    """
    found = list(pd.unique(values))
    if isinstance(values.dtype, pd.CategoricalDtype) and values.dtype.ordered:
        return [v for v in values.dtype.categories if v in found]
    order = natural_order(found)
    if order is None and len(found) > 1:
        raise SpecError(
            f"The values of '{values.name}' ({listed(found)}) have no order of their own; give it by {named}=."
        )
    return [found[i] for i in order or range(len(found))]


def last_values(
    scores: pd.DataFrame,
    period: str,
    unit: str,
    *,
    periods: Sequence[object] | None = None,
    max_age: int | None = None,
) -> pd.DataFrame:
    """Carry every unit's last measurement forward: each industry is measured once a year, the nation every quarter.

    Parameters
    ----------
    scores : DataFrame
        [period, unit, construct, index, se, n], a line wherever the unit was measured.
    period, unit : str
        Columns of the period and of what is carried forward.
    periods : sequence, optional
        All periods in order; by default those that occur, in the order of time.
    max_age : int, optional
        Periods after which a measurement is too old and the unit missing; by default never.

    Returns
    -------
    DataFrame
        [period, unit, construct, index, se, n, measured, age]: for every period the last measurement of each unit up to
        then, when it was made, and how many periods ago.

    Raises
    ------
    DataError
        If a column is missing, a unit was measured twice in a period, or a period occurs that is not in `periods`.
    SpecError
        If periods have no order of their own.

    Examples
    --------
    >>> import cxmodels as cx
    >>> import pandas as pd
    >>> scores = pd.DataFrame({"q": [1, 2, 3], "industry": ["a", "b", "a"], "construct": "S", "index": [70, 60, 72.0],
    ...                        "se": 1.0, "n": 250})
    >>> cx.acsi.last_values(scores, "q", "industry")[["q", "industry", "index", "age"]].values.tolist()
    [[1, 'a', 70.0, 0], [2, 'a', 70.0, 1], [2, 'b', 60.0, 0], [3, 'a', 72.0, 0], [3, 'b', 60.0, 1]]
    """
    for column in (period, unit, "construct", "index", "se"):
        if column not in scores:
            raise DataError(f"There is no column '{column}' in the scores.{near(column, map(str, scores.columns))}")
    order: list[Any] = in_order(scores[period], "periods") if periods is None else list(periods)
    if isinstance(scores[period].dtype, pd.CategoricalDtype):  # places of categories take no arithmetic
        scores = scores.assign(**{period: scores[period].astype(object)})
    if odd := [p for p in scores[period].unique() if p not in order]:
        raise DataError(f"The scores have the period {listed(odd)}, which is not among the periods given.")
    if (twice := scores.duplicated([period, unit, "construct"])).any():
        first = scores[twice].iloc[0]
        raise DataError(f"{unit} '{first[unit]}' was measured twice in {first[period]}.")
    place = {p: i for i, p in enumerate(order)}
    parts = []
    for p in order:
        now = scores[scores[period].map(place) <= place[p]]
        last = now.loc[now[period].map(place).sort_values(kind="stable").index]
        last = last.drop_duplicates([unit, "construct"], keep="last")
        part = last.assign(measured=last[period], age=place[p] - last[period].map(place))
        part[period] = [p] * len(part)
        parts.append(part)
    out = pd.concat(parts)
    if max_age is not None:
        out = out[out.age <= max_age]
    kept = [c for c in (period, unit, "construct", "index", "se", "n", "measured", "age") if c in out]
    return out[kept].sort_values(
        [period, unit], key=lambda c: c.map(place) if c.name == period else c, kind="stable", ignore_index=True
    )


def rolling_change(
    rolled: pd.DataFrame, facts: pd.DataFrame, period: str, unit: str, weights: str | None = None
) -> pd.DataFrame:
    """Change of the whole from one period to the next, when units not measured anew carry their last value.

    What was carried forward is the same number in both periods, so that its error cancels: the variance of the change
    is the sum over units of (p1 se1)² + (p0 se0)², less 2 p1 p0 se² for a measurement that stands in both.

    Parameters
    ----------
    rolled : DataFrame
        From :func:`last_values`.
    facts : DataFrame
        [unit, weights], one line per unit; or with the period as well, where weights change.
    period, unit : str
        Columns.
    weights : str, optional
        Column of weights.

    Returns
    -------
    DataFrame
        [period, construct, index, se, change, change_se, z, pvalue, units, renewed]; NaN changes in the first period.

    Raises
    ------
    DataError
        If a weight is missing or negative.

    Examples
    --------
    >>> import cxmodels as cx
    >>> import pandas as pd
    >>> scores = pd.DataFrame({"q": [1, 1, 2], "industry": ["a", "b", "a"], "construct": "S", "index": [70, 60, 72.0],
    ...                        "se": 1.0, "n": 250})
    >>> rolled = cx.acsi.last_values(scores, "q", "industry")
    >>> cx.acsi.rolling_change(rolled, pd.DataFrame({"industry": ["a", "b"]}), "q", "industry").round(3)[
    ...     ["q", "index", "se", "change", "change_se"]].values.tolist()
    [[1.0, 65.0, 0.707, nan, nan], [2.0, 66.0, 0.707, 1.0, 0.707]]
    """
    from scipy.special import ndtr

    on = [unit, period] if period in facts else [unit]
    table = rolled.merge(facts, on=on, how="left")
    table["_w"] = _weight(table, weights, [unit])
    table["_p"] = table._w / table.groupby([period, "construct"])._w.transform("sum")
    rows: list[dict[str, Any]] = []
    for construct, mine in table.groupby("construct", sort=False):
        before: pd.DataFrame | None = None
        for p, now in mine.groupby(period, sort=False):
            line: dict[str, Any] = {period: p, "construct": construct, "index": (now._p * now["index"]).sum()}
            line |= {
                "se": np.sqrt(((now._p * now.se) ** 2).sum()),
                "units": len(now),
                "renewed": int((now.age == 0).sum()),
            }
            if before is not None:
                both = now.merge(before, on=[unit, "measured"], suffixes=("", "_0"))
                shared = 2 * (both._p * both._p_0 * both.se**2).sum()
                variance = ((now._p * now.se) ** 2).sum() + ((before._p * before.se) ** 2).sum() - shared
                line |= {
                    "change": line["index"] - (before._p * before["index"]).sum(),
                    "change_se": np.sqrt(max(variance, 0)),
                }
            rows.append(line)
            before = now
    names = [period, "construct", "index", "se", "change", "change_se", "units", "renewed"]
    out = pd.DataFrame(rows).reindex(columns=names)
    with np.errstate(invalid="ignore", divide="ignore"):
        out.insert(6, "z", out.change / out.change_se)
    out.insert(7, "pvalue", 2 * ndtr(-out.z.abs()))
    return out
