"""Who is measured: the units of a benchmark study, where they belong and what they weigh, checked before anything is fitted.

All that is wrong is said at once, a sentence for each fault, so that a study is mended in one round.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .. import index as ix
from ..errors import CxError, listed, near, raise_all
from ..survey import Survey
from .hierarchy import WHOLE, natural_order
from .models import with_price_tolerance

if TYPE_CHECKING:
    from .annual import Benchmark

WAVE = "wave"
ONLY = "all"  # name of the wave where the data have no column of waves
TAKEN = (
    "level", "name", "construct", "index", "se", "ci_lower", "ci_upper", "se_bootstrap", "n", "source", "direct", "driver",
    "target", "impact", "units", "previous_wave", "previous", "change", "z", "pvalue", "pvalue_adjusted", "flag",
    "within", "inside", "rank", "group", "share", "part", "est", "measure", "value", "rows", "rule", "detail", "reason",
    "run",
)  # fmt: skip


@dataclass(frozen=True)
class Roster:
    """Respondents with a unit and a wave, their units' facts beside them.

    Attributes
    ----------
    survey : Survey
        Rows that are used, with a column ``wave`` and the columns of the facts.
    case : ndarray of shape (n,) or None
        Case weights.
    waves : tuple
        In order.
    left_out : DataFrame
        [wave, reason, rows] of rows that belong to no unit or wave.
    notes : tuple of str
    """

    survey: Survey
    case: Any
    waves: tuple[Any, ...]
    left_out: pd.DataFrame
    notes: tuple[str, ...]


def make_roster(
    plan: Benchmark, survey: Survey, case: Any, facts: Sequence[pd.DataFrame], known: Sequence[str] = ()
) -> Roster:
    """Join facts to respondents and check all of it.

    Parameters
    ----------
    plan : Benchmark
    survey : Survey
    case : ndarray of shape (n,) or None
        Case weights.
    facts : sequence of DataFrame
        Each with a line per unit, or per group of a level, and perhaps wave.
    known : sequence of str, default ()
        Problems found before.

    Returns
    -------
    Roster

    Raises
    ------
    DataError
        One error with a sentence for everything that is wrong.
    """
    survey = with_price_tolerance(survey, plan.index.model.items)
    if problems := _column_problems(plan, survey.frame, facts):
        raise_all([*known, *problems])
    waves, problems = _waves(plan, survey.frame)
    if problems:
        raise_all([*known, *problems])
    survey, case, left_out = _named(plan, survey, case, waves)
    if not len(survey):
        raise_all([*known, f"'{plan.by}' is blank in all {int(left_out['rows'].sum())} rows that could be used."])
    survey, problems, notes, placed = _joined(plan, survey, facts)
    problems = [*known, *problems, *_exclude_problems(plan, survey.frame), *_answer_problems(plan, survey)]
    problems += [*_place_problems(plan, survey.frame[placed]), *_weight_problems(plan, survey.frame[placed])]
    problems += [*_respondent_problems(plan, survey.frame), *_unit_problems(plan, survey, case)]
    raise_all(problems)
    notes += _spellings(plan, survey.frame)
    return Roster(survey, case, waves, left_out, tuple(notes))


def counted(n: int, noun: str) -> str:
    """Return a number and what is counted, by the name of its column.

    Parameters
    ----------
    n : int
    noun : str

    Returns
    -------
    str

    Examples
    --------
    >>> counted(1, "company"), counted(3, "company"), counted(2, "bank")
    ('1 company', '3 companies', '2 banks')
    """
    if n == 1 or not re.fullmatch(r"[a-z]+", noun):
        return f"{n} {noun}"
    if re.search(r"[^aeiou]y$", noun):
        return f"{n} {noun[:-1]}ies"
    return f"{n} {noun}" + ("" if noun.endswith("s") else "s")


# --- columns and waves --------------------------------------------------------------------------------------


def _column_problems(plan: Benchmark, frame: pd.DataFrame, facts: Sequence[pd.DataFrame]) -> list[str]:
    """Columns that are named and not there, or there twice, or that frames of results need for themselves."""
    known = [*map(str, frame.columns), *(str(c) for f in facts for c in f.columns)]
    out = []
    wanted = {"by": plan.by, "wave": plan.wave, "respondent": plan.respondent}
    own = [(role, name) for role, name in wanted.items() if name is not None]
    for role, name in own:
        count = list(frame.columns).count(name)
        if count != 1:
            hint = near(name, map(str, frame.columns)) if not count else " Keep one."
            out.append(f"{role} names '{name}', which is in the data {count} times.{hint}" if count else f"{role} names '{name}', which is not a column of the data.{hint}")  # fmt: skip
    others = [("levels", k) for k in plan.above if k != WHOLE]
    others += [("weights", k) for k in dict.fromkeys(plan.by_level.values()) if k]
    for role, name in others:
        if name not in known:
            where = "the data or the facts" if facts else "the data"
            out.append(f"{role} names '{name}', which is not a column of {where}.{near(name, known)}")
    for name in dict.fromkeys([plan.by, *(k for k in plan.above if k != WHOLE), *(k for _, k in others)]):
        if name in TAKEN or (name == WAVE and plan.wave != WAVE):
            out.append(f"The column '{name}' is called like one of every result; rename it in the data.")
    return out


def _waves(plan: Benchmark, frame: pd.DataFrame) -> tuple[tuple[Any, ...], list[str]]:
    """Waves in order, and what is wrong with them."""
    if plan.wave is None:
        return (ONLY,), ["waves are listed, but no column says which wave a row is of; name it as wave."] if plan.waves else []  # fmt: skip
    present = list(dict.fromkeys(map(_plain, frame[plan.wave].dropna())))
    if not present:
        return (), [f"'{plan.wave}' is blank in all {len(frame)} rows."]
    dtype = frame[plan.wave].dtype
    if isinstance(dtype, pd.CategoricalDtype) and dtype.ordered and not plan.waves:
        return tuple(w for w in map(_plain, dtype.categories) if w in present), []
    spelled = {str(w): w for w in present}  # 2024 in the plan is "2024" in a column of text
    asked = [spelled.get(str(w), w) for w in map(_plain, plan.waves)] if plan.waves else None
    order = natural_order(asked or present)
    if asked is None:
        if order is None and len(present) > 1:
            return (), [f"The waves {listed(present)} have no order of their own; list them in order as waves."]
        return tuple(present if order is None else [present[i] for i in order]), []
    out = []
    if twice := sorted({str(w) for w in asked if asked.count(w) > 1}):
        out.append(f"waves lists {listed(twice)} more than once.")
    if gone := [w for w in asked if w not in present]:
        counts = frame[plan.wave].map(_plain, na_action="ignore").value_counts()
        there = ", ".join(f"{w} ({counts[w]} rows)" for w in present[:8])
        out.append(f"waves lists {listed(gone)}, and '{plan.wave}' holds only {there}.")
    if order is not None and order != sorted(order):
        right = ", ".join(str(asked[i]) for i in order)
        out.append(f"The waves are out of order: {', '.join(map(str, asked))}; list them as {right}.")
    return tuple(asked), out


def _plain(wave: Any) -> Any:
    """A wave as it is compared: whole numbers as such, whatever column they come from."""
    if isinstance(wave, np.generic):
        wave = wave.item()
    if isinstance(wave, float) and wave.is_integer():
        return int(wave)
    return wave


def _named(plan: Benchmark, survey: Survey, case: Any, waves: Sequence[Any]) -> tuple[Survey, Any, pd.DataFrame]:
    """Rows of the waves compared that name a unit, and how many others there are."""
    frame = survey.frame
    wave = pd.Series([ONLY] * len(frame), frame.index, dtype=object)
    if plan.wave is not None:
        wave = frame[plan.wave].astype(object).map(_plain, na_action="ignore")
    lost = {
        "no wave named": wave.isna(),
        "wave not compared": wave.notna() & ~wave.isin(list(waves)),
        f"no {plan.by} named": wave.isin(list(waves)) & frame[plan.by].isna(),
    }
    lines = []
    for reason, rows in lost.items():
        for w, n in wave[rows].value_counts(dropna=False).items():
            lines.append((None if w is None or w != w else w, reason, int(n)))
    keep = ~np.logical_or.reduce([r.to_numpy() for r in lost.values()])
    kept = survey.subset(keep).assign(**{WAVE: wave[keep].to_numpy()})
    return kept, None if case is None else case[keep], pd.DataFrame(lines, columns=[WAVE, "reason", "rows"])


# --- facts --------------------------------------------------------------------------------------------------


def _joined(
    plan: Benchmark, survey: Survey, facts: Sequence[pd.DataFrame]
) -> tuple[Survey, list[str], list[str], NDArray[np.bool_]]:
    """Facts beside the respondents, problems, what was taken from where, and the rows whose facts are to be checked.

    Those are the rows of units that are not excluded and that every table knows: one fault is one problem.
    """
    problems: list[str] = []
    placed = ~survey.frame[plan.by].isin(plan.exclude).to_numpy()
    notes: list[str] = []
    wanted = [*plan.above, *(w for w in plan.by_level.values() if w)]
    for number, table in enumerate(facts, 1):
        said = table.attrs.get("name", f"facts table {number}")
        frame = survey.frame
        key = next((k for k in (plan.by, *plan.above) if k in table and k in frame), None)
        columns = [c for c in dict.fromkeys(wanted) if c in table and c != key]
        if key is None or not columns:
            problems.append(
                f"{said} has the columns {listed(table.columns)}: it needs '{plan.by}' or a level, and a level or weight beside it."
            )
            continue
        keys = [key]
        table = table.assign(**{key: _spelled(table[key], frame[key])})
        if plan.wave is not None and plan.wave in table:
            table = table.assign(**{WAVE: _spelled(table[plan.wave], frame[WAVE])})
            table = table[table[WAVE].isin(frame[WAVE].unique())]
            keys = [WAVE, key]
        if len(twice := table[table.duplicated(keys, keep=False)]):
            names = listed(twice[key].unique())
            problems.append(f"{said} has {len(twice)} lines for {key} {names}; keep one each.")
            continue
        found = frame[keys].astype(object).merge(table[[*keys, *columns]], on=keys, how="left", indicator=True)
        alone = placed & frame[key].notna().to_numpy() & (found["_merge"] == "left_only").to_numpy()
        placed &= ~alone
        without = frame.loc[alone, key].drop_duplicates()
        strangers = table.loc[~table[key].isin(frame[key]), key].drop_duplicates()
        hint = near(str(without.iloc[0]), map(str, strangers)) if len(without) else ""
        if len(without):
            problems.append(f"{said} has no line for {counted(len(without), key)}: {listed(without)}.{hint}")
        if len(strangers):
            problems.append(
                f"{said} names {counted(len(strangers), key)} without a respondent: {listed(strangers)}; correct or remove them."
            )
        for column in columns:
            if column in plan.above and column in frame:
                problems += _disagreeing(frame, found, key, column, said)
        new = {c: found[c].to_numpy() for c in columns if not (c in plan.above and c in frame)}
        notes += [f"'{c}' is taken from {said}, not from the data." for c in new if c in frame]
        survey = survey.assign(**new)
    return survey, problems, notes, placed


def _spelled(names: pd.Series, wanted: pd.Series) -> pd.Series:
    """Names as another column spells them: 7, 7.0 and "7" are the same unit."""
    known = {str(_plain(v)): v for v in wanted.dropna().unique()}
    return names.astype(object).map(lambda v: known.get(str(_plain(v)), v), na_action="ignore")


def _spellings(plan: Benchmark, frame: pd.DataFrame) -> list[str]:
    """Names that differ only in blanks and capitals, which may be one unit written in two ways."""
    said = []
    for column in [plan.by, *(k for k in plan.above if k in frame)]:
        names = pd.Series([v for v in frame[column].unique() if isinstance(v, str)], dtype=object)
        alike = names[names.map(lambda v: " ".join(v.casefold().split())).duplicated(keep=False)]
        if len(alike):
            said.append(
                f"'{column}' has names that differ only in blanks or capitals: {listed(alike)}; they count apart."
            )
    return said


def _disagreeing(frame: pd.DataFrame, found: pd.DataFrame, key: str, column: str, said: str) -> list[str]:
    """Say where facts and data place something differently."""
    here, there = frame[column].to_numpy(dtype=object), found[column].to_numpy(dtype=object)
    differ = (here != there) & ~pd.isna(here) & ~pd.isna(there)
    names = frame.loc[differ, key].drop_duplicates()
    if not len(names):
        return []
    return [f"{said} and the data place {counted(len(names), key)} in different '{column}': {listed(names)}."]


# --- checks of units ----------------------------------------------------------------------------------------


def _answer_problems(plan: Benchmark, survey: Survey) -> list[str]:
    """What is wrong with the columns of the model's items."""
    model = plan.index.model
    try:
        x = survey.numeric(model.items)
        ends = ix.scale_ends(model.items, plan.index.scale, lambda i: survey.scale(i) or model.scales.get(i))
        ix.check_inside(x, model.items, *ends)
    except CxError as error:
        return [str(error)]
    return []


def _place_problems(plan: Benchmark, frame: pd.DataFrame) -> Iterator[str]:
    """Units without a place, or with two in one wave."""
    chain = [plan.by, *(k for k in plan.above if k in frame)]
    placed = frame if plan.others is None else frame[frame[plan.by] != plan.others]
    for level in chain[1:]:
        blank = placed[placed[level].isna()]
        if len(blank):
            names = blank[plan.by].drop_duplicates()
            yield f"{counted(len(names), plan.by)} without '{level}' ({len(blank)} rows): {listed(names)}."
    for fine, coarse in pairwise(chain):
        table = placed if fine == plan.by else frame
        homes = table[[WAVE, fine, coarse]].dropna().drop_duplicates()
        split = homes[homes.duplicated([WAVE, fine], keep=False)]
        for (wave, name), part in [*split.groupby([WAVE, fine], sort=False, observed=True)][:8]:
            yield f"{fine} '{name}' lies in {len(part)} of '{coarse}' in wave {wave}: {listed(part[coarse])}."
        if (more := split.groupby([WAVE, fine], observed=True).ngroups - 8) > 0:
            yield f"So do {more} more of '{fine}'."


def _weight_problems(plan: Benchmark, frame: pd.DataFrame) -> Iterator[str]:
    """Weights of units and levels that are missing, negative, no numbers, not constant, or zero for a whole group."""
    owner, used = plan.by, set[str]()
    for level, weight in plan.by_level.items():
        if weight and weight in frame and weight not in used:
            used.add(weight)
            yield from _weight_faults(frame, weight, owner, level, plan.wave)
        if level in frame:
            owner = level


def _weight_faults(frame: pd.DataFrame, weight: str, owner: str, level: str, wave: str | None) -> Iterator[str]:
    """What is wrong with the weight that each `owner` has."""
    values = pd.to_numeric(frame[weight], errors="coerce")
    if len(texts := frame.loc[values.isna() & frame[weight].notna(), weight]):
        yield f"The weight '{weight}' holds text in {len(texts)} rows, such as '{texts.iloc[0]}'; a weight is a number."
        return
    said = {"missing": values.isna(), "negative": values < 0, "infinite": np.isinf(values)}
    for what, rows in said.items():
        if len(names := frame.loc[rows, owner].dropna().drop_duplicates()):
            yield f"The weight '{weight}' is {what} for {counted(len(names), owner)}: {listed(names)}."
    per = values.groupby([frame[WAVE], frame[owner]], observed=True).nunique()
    if len(varying := per[per > 1]):
        where = (
            " in a wave"
            if wave
            else ", and no column says which wave a row is of; name it as wave if there are several"
        )
        names = listed(varying.index.get_level_values(1).unique())
        owners = counted(varying.index.get_level_values(1).nunique(), owner)
        yield f"The weight '{weight}' varies within {owners}{where}: {names}."
    if level in frame and not values.isna().any():
        total = values.groupby([frame[WAVE], frame[level]], observed=True).sum()
        if len(empty := total[total == 0]):
            places = empty.index.get_level_values(1).unique()
            yield f"All weights '{weight}' are zero in {counted(len(places), level)}: {listed(places)}."


def _respondent_problems(plan: Benchmark, frame: pd.DataFrame) -> Iterator[str]:
    """Respondents who occur twice in a wave."""
    if plan.respondent is None:
        return
    if blank := int(frame[plan.respondent].isna().sum()):
        yield f"The respondent '{plan.respondent}' is blank in {blank} of {len(frame)} rows."
    named = frame[frame[plan.respondent].notna()]
    for wave, part in named.groupby(WAVE, sort=False):
        twice = part[part.duplicated(plan.respondent, keep=False)]
        if len(twice):
            names = twice[plan.respondent].drop_duplicates()
            yield f"{counted(len(names), 'respondent')} more than once in wave {wave} ({len(twice)} rows): {listed(names)}; keep one row each."  # fmt: skip


def _unit_problems(plan: Benchmark, survey: Survey, case: Any) -> Iterator[str]:
    """Units of one row, without answers to a construct, or without weight, unless a rule takes care of them."""
    frame = survey.frame
    unit = [frame[WAVE], frame[plan.by]]
    size = frame.groupby(unit, observed=True)[plan.by].transform("size")
    spared = frame[plan.by].isin(plan.exclude)
    if plan.minimum_n and (plan.others is not None or plan.rules == ("skip",)):
        spared |= size < plan.minimum_n
    if len(single := frame[(size == 1) & ~spared]):
        yield (
            f"{counted(single[plan.by].nunique(), plan.by)} with one row in a wave: {listed(single[plan.by].unique())}; exclude them, or set "
            "minimum_n with others or small = 'skip'."
        )
    left = ~spared.to_numpy() & (size > 1).to_numpy()
    try:
        x = survey.numeric(plan.index.model.items)
    except CxError:
        return  # said already
    answered = pd.DataFrame(~np.isnan(x), frame.index, list(plan.index.model.items))
    for construct, items in plan.index.model.measures.items():
        any_answer = answered[list(items)].any(axis=1)[left].groupby([u[left] for u in unit], observed=True).any()
        if len(silent := any_answer[~any_answer]):
            names = [f"{name} ({wave})" for wave, name in silent.index]
            units = silent.index.get_level_values(1).nunique()
            yield f"{counted(units, plan.by)} without any answer to {construct}: {listed(names)}."
    if case is not None:
        total = pd.Series(case, frame.index)[left].groupby([u[left] for u in unit], observed=True).sum()
        if len(empty := total[total == 0]):
            unweighted = empty.index.get_level_values(1).unique()
            yield f"All case weights are zero for {counted(len(unweighted), plan.by)}: {listed(unweighted)}."


def _exclude_problems(plan: Benchmark, frame: pd.DataFrame) -> Iterator[str]:
    """Exclusions of units that do not exist."""
    known = frame[plan.by].unique()
    if gone := [u for u in plan.exclude if u not in set(known)]:
        yield f"exclude names {listed(gone)}, no {plan.by} of the data.{near(str(gone[0]), map(str, known))}"
