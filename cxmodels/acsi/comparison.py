"""Indices of many units together: rates, aggregates over levels, and changes between waves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, listed, near
from ..inference import ADJUSTMENTS, adjusted_pvalues, choose, quantile, share_interval
from .decomposition import Parts, direct_from_total, split_change
from .hierarchy import MEASURES, SCORES, WHOLE, Weights, _names, aggregate_scores, level_steps
from .overlap import PERSON, both_waves, contributions, joint_variances, number_people, spread_over
from .precision import detectable
from .ranks import rank_table
from .shrinkage import shrink

if TYPE_CHECKING:
    from .result import IndexResult

INTERVIEWS = "interviews"  # a weight that need not be a column: the case weights of a unit, added up


def rate(answers: np.ndarray, case: np.ndarray, measure: str, item: str, level: float) -> dict[str, Any]:
    """Weighted share of ones in a 0/1 item, with Wilson's interval at the effective sample size."""
    x, g = answers, case
    x, g = x[~np.isnan(x)], g[~np.isnan(x)]
    if len(x) < 2 or not np.isin(x, (0, 1)).all():
        raise DataError(f"The {measure} needs '{item}' to hold 0 and 1 in at least two rows.")
    p = float(np.average(x, weights=g))
    n = g.sum() ** 2 / (g**2).sum()
    se = np.sqrt(len(x) / (len(x) - 1) * ((g * (x - p)) ** 2).sum()) / g.sum()
    lower, upper = share_interval(p, n, "wilson", level)
    bounds = {"ci_lower": [lower], "ci_upper": [upper], "n": [len(x)]}
    return {"measure": [measure], "value": [p], "se": [se], **bounds}


def aggregate(
    result: IndexResult,
    levels: list[str],
    weights: Weights,
    frame: pd.DataFrame | None = None,
    people: str | None = None,
) -> pd.DataFrame:
    """Weighted means of unit indices by level; see :meth:`IndexResult.aggregate`.

    `frame` has the levels and weights of units, where they are not those of all rows of the survey.
    """
    facts, keys, z = _facts_of(result, levels, weights, frame), list(result.keys), quantile(result.level)
    out = aggregate_scores(result.scores, facts, keys, levels, weights, z=z)
    if people is None:
        return out
    moved = contributions(result, people)
    moved[PERSON] = number_people([moved])[0]
    above = spread_over(moved, level_steps(result.scores, facts, keys, levels, weights))
    groups = [str(c) for c in out if c not in MEASURES]
    joint = joint_variances(above, above, groups[:-1])
    out["se"] = np.sqrt(out[groups].merge(joint, on=groups)["var"].to_numpy())
    out["ci_lower"] = (out["index"] - z * out["se"]).clip(lower=0)
    out["ci_upper"] = (out["index"] + z * out["se"]).clip(upper=100)
    return out


def _facts_of(
    result: IndexResult, levels: list[str], weights: Weights, frame: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Levels and weights of every unit, from the data."""
    if not result.keys:
        raise SpecError("There is one unit only, so nothing to aggregate; fit with by= first.")
    named = list(weights.values()) if isinstance(weights, Mapping) else [weights]
    if not levels or not all(isinstance(c, str) for c in levels) or not all(isinstance(c, str | None) for c in named):
        raise SpecError("aggregate takes the names of level columns and of weight columns.")
    frame, keys = result.survey.frame if frame is None else frame, list(result.keys)
    counted = INTERVIEWS in named and INTERVIEWS not in frame
    own = {WHOLE, *([INTERVIEWS] if counted else [])}
    wanted = list(dict.fromkeys(c for c in [*levels, *named] if c and (c not in own or c in frame)))
    for column in wanted:
        if column not in frame.columns:
            raise SpecError(f"Column '{column}' is not in the data.{near(column, map(str, frame.columns))}")
        if column in SCORES or (column in levels and column in MEASURES):
            raise SpecError(f"The column '{column}' is called like one of every result; rename it in the data.")
    facts = _facts(frame, keys, [c for c in wanted if c not in keys])
    if counted:
        asked = pd.DataFrame(list(result.measured), columns=keys)
        facts = facts.merge(asked.assign(**{INTERVIEWS: [m.case.sum() for m in result.measured.values()]}), on=keys)
    return facts


def change(
    result: IndexResult, previous: IndexResult, adjust: str, people: str | None = None, *, once: bool = True
) -> pd.DataFrame:
    """Differences of indices between two waves; see :meth:`IndexResult.change`, and `aggregate_change` for `once`."""
    choose("adjust", adjust, ADJUSTMENTS)
    _check_waves(result, previous, "change")
    keys = [*result.keys, "construct"]
    joint = None if people is None else joint_variances(*both_waves(result, previous, people, once=once), result.keys)
    out = changes(result.scores, previous.scores, keys, ["construct"], adjust, joint=joint, level=result.level)
    if out.empty:
        raise SpecError("The two waves have no unit in common.")
    return out


def aggregate_change(
    result: IndexResult,
    previous: IndexResult,
    levels: list[str],
    weights: Weights,
    adjust: str,
    people: str | None = None,
    *,
    frames: Sequence[pd.DataFrame | None] = (None, None),
    once: bool = True,
) -> pd.DataFrame:
    """Differences of aggregates between two waves; see :meth:`IndexResult.aggregate_change`.

    `frames` are the levels and weights of the two waves, as for :func:`aggregate`; `once` says whether a respondent may
    rate a unit only once in a wave.
    """
    choose("adjust", adjust, ADJUSTMENTS)
    _check_waves(result, previous, "aggregate_change")
    waves, keys = (result, previous), list(result.keys)
    facts = [_facts_of(wave, levels, weights, own) for wave, own in zip(waves, frames, strict=True)]
    tables = [aggregate_scores(w.scores, f, keys, levels, weights) for w, f in zip(waves, facts, strict=True)]
    groups = [str(c) for c in tables[0] if c not in (*MEASURES, "construct")]
    joint = None
    if people is not None:
        moved = [
            spread_over(part, level_steps(wave.scores, known, keys, levels, weights))
            for part, wave, known in zip(both_waves(*waves, people, once=once), waves, facts, strict=True)
        ]
        joint = joint_variances(moved[0], moved[1], groups)
    names, family = [*groups, "construct"], ["level", "construct"]
    out = changes(tables[0], tables[1], names, family, adjust, joint=joint, level=result.level)
    if out.empty:
        raise SpecError("The two waves have no group in common.")
    return out


def changes(
    now: pd.DataFrame,
    before: pd.DataFrame,
    keys: list[str],
    family: list[str],
    adjust: str,
    *,
    joint: pd.DataFrame | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Differences of indices that two frames have in common, p-values adjusted within each family.

    `joint` has the variances and covariances of samples that share respondents, by the same keys; without it the two are
    independent.
    """
    from scipy.special import ndtr

    _check_alike(now, before, keys)
    both = now.merge(before, on=keys, suffixes=("", "_before"))
    out = both[keys].copy()
    out["previous"], out["index"] = both["index_before"], both["index"]
    out["change"] = both["index"] - both["index_before"]
    if joint is None:
        out["se"] = np.hypot(both["se"], both["se_before"])
    else:
        known = both[keys].merge(joint, on=keys, how="left")
        whole = known["var"] + known["var_before"]
        left = whole - 2 * known["covariance"]
        out["se"] = np.sqrt(left.where(left > 1e-12 * whole, 0.0))  # rounding where nothing differs
    with np.errstate(invalid="ignore", divide="ignore"):
        out["z"] = out["change"] / out["se"]
    out["pvalue"] = 2 * ndtr(-out["z"].abs())
    adjusted = out.groupby(family)["pvalue"].transform(lambda p: adjusted_pvalues(p.to_numpy(float), adjust))
    out["pvalue_adjusted"] = adjusted
    out["detectable"] = detectable(out["se"], level=level)
    return out if joint is None else out.assign(overlap=known["overlap"])


def _check_waves(result: IndexResult, previous: IndexResult, verb: str) -> None:
    """Refuse waves that cannot be compared."""
    if not isinstance(previous, type(result)):
        raise SpecError(f"{verb}() compares with the result of an earlier wave, made by SatisfactionIndex.fit.")
    if result.engine_name != previous.engine_name:
        raise SpecError(
            f"One wave was estimated by {previous.engine_name}, the other by {result.engine_name}; estimate both alike."
        )
    if result.keys != previous.keys:
        raise SpecError(f"The waves have different units: {listed(result.keys)} against {listed(previous.keys)}.")


def _check_alike(now: pd.DataFrame, before: pd.DataFrame, keys: list[str]) -> None:
    """Refuse names that are text in one wave and numbers in the other: "7" and 7 are not the same unit."""
    for key in keys:
        texts = [{isinstance(name, str) for name in table[key].unique()} for table in (now, before)]
        if all(texts) and texts[0].isdisjoint(texts[1]):
            text, number = ("this", "the earlier") if True in texts[0] else ("the earlier", "this")
            raise SpecError(
                f"'{key}' holds text in {text} wave and numbers in {number} one, so that nothing is found in both; "
                "write it alike."
            )


def _grouped(result: IndexResult, within: str | None, table: pd.DataFrame | None = None) -> pd.DataFrame:
    """Scores of many units, or another table of theirs, with their group beside them."""
    if not result.keys:
        raise SpecError("There is one unit only; fit with by= first.")
    table = result.scores if table is None else table
    if within is None or within in result.keys:
        return table
    columns = result.survey.frame.columns
    if within not in columns:
        raise SpecError(f"Column '{within}' is not in the data.{near(within, map(str, columns))}")
    facts = _facts(result.survey.frame, list(result.keys), [within])
    return table.merge(facts, on=list(result.keys))


def ranks(result: IndexResult, construct: str, within: str | None, joint: bool) -> pd.DataFrame:
    """Ranks of units; see :meth:`IndexResult.ranks`."""
    table = _grouped(result, within)
    known = table["construct"].unique()
    if construct not in known:
        raise SpecError(f"There is no construct '{construct}'.{near(construct, known)}")
    table = table[table["construct"] == construct].reset_index(drop=True)
    groups = [table.index] if within is None else list(table.groupby(within, sort=False).groups.values())
    parts = []
    for rows in groups:
        part = table.loc[rows]
        found = rank_table(part["index"], part["se"], level=result.level, joint=joint).set_index(part.index)
        parts.append(part.join(found).sort_values("rank", kind="stable"))
    keep = list(dict.fromkeys([*result.keys, *([within] if within else [])]))
    return pd.concat(parts, ignore_index=True)[
        [*keep, "index", "se", "n", "rank", "rank_lower", "rank_upper", "group"]
    ]


def shrunk(result: IndexResult, within: str | None) -> pd.DataFrame:
    """Empirical-Bayes indices of units; see :meth:`IndexResult.shrunk`."""
    found = _drawn(_grouped(result, within), ["construct"], "index", within, result.level)
    found["ci_lower"], found["ci_upper"] = found["ci_lower"].clip(lower=0), found["ci_upper"].clip(upper=100)
    keep = list(dict.fromkeys([*result.keys, *([within] if within else [])]))
    names = [*keep, "construct", "index", "se", "ci_lower", "ci_upper", "direct", "share", "n"]
    return found[names].reset_index(drop=True)


def shrunk_impacts(result: IndexResult, within: str | None) -> pd.DataFrame:
    """Empirical-Bayes impacts of units, those whose standard error is known.

    [unit..., (within), driver, target, impact, se, ci_lower, ci_upper, direct, share], the mean of the group being that
    of the same impact; lines without a standard error, and impacts that fewer than two units of any group have, are
    left out.
    """
    keep = list(dict.fromkeys([*result.keys, *([within] if within else [])]))
    table = _grouped(result, within, result.impacts)
    table = table[table["se"] > 0]
    own = within or "_whole"
    sizes = table.assign(_whole=0).groupby(["driver", "target", own], observed=True)["impact"].transform("size")
    table = table[sizes.groupby([table["driver"], table["target"]]).transform("max") > 1]
    names = [*keep, "driver", "target", "impact", "se", "ci_lower", "ci_upper", "direct", "share"]
    if table.empty:
        return pd.DataFrame(columns=names)
    return _drawn(table, ["driver", "target"], "impact", within, result.level)[names].reset_index(drop=True)


def _drawn(table: pd.DataFrame, kinds: list[str], value: str, within: str | None, level: float) -> pd.DataFrame:
    """Values of each kind drawn to the means of their groups, with normal intervals, `direct` and `share`.

    A value without sampling error, such as the complaints of a small unit where nobody complained, stays as it is.
    """
    z, parts = quantile(level), []
    for _, part in table.groupby(kinds, sort=False):
        part = part.assign(direct=part[value], share=0.0)
        some = part["se"] > 0
        if some.any():
            own = part[some]
            found = shrink(own[value], own["se"], None if within is None else own[within])
            part.loc[some, [value, "se", "share"]] = np.column_stack([found.est, found.se, found.share])
        half = z * part["se"]
        parts.append(part.assign(ci_lower=part[value] - half, ci_upper=part[value] + half))
    return pd.concat(parts).sort_index(kind="stable")


def explain_change(result: IndexResult, previous: IndexResult, target: str, reference: float | str) -> pd.DataFrame:
    """Split of a change; see :meth:`IndexResult.explain_change`."""
    _check_waves(result, previous, "explain_change")
    both = [u for u in result.measured if u in previous.measured]
    if not both:
        raise SpecError("The two waves have no unit in common.")
    if reference != "mean" and not isinstance(reference, int | float):
        raise SpecError(f"reference is a level on 0-100 or 'mean', not {reference!r}.")
    levels = pd.concat([result.scores, previous.scores]).groupby("construct")["index"].mean()
    parts = {}
    for unit in both:
        now, then = result.measured[unit], previous.measured[unit]
        if now.constructs != then.constructs:
            continue
        if target not in now.constructs:
            raise SpecError(f"There is no construct '{target}'.{near(target, now.constructs)}")
        t = now.constructs.index(target)
        drivers = np.flatnonzero(now.arrows[t])
        if not len(drivers):
            raise SpecError(f"Nothing leads to '{target}'; choose a construct that has drivers.")
        at = levels[list(now.constructs)].to_numpy() if reference == "mean" else float(reference)
        est = _flat(split_change(then.index, now.index, then.direct, now.direct, t, at), drivers)
        spread = _split_replicates(result, previous, unit, t, at, drivers)
        names = [now.constructs[k] for k in drivers]
        lines = {
            "target": [target] * len(est),
            "driver": [*names, *names, "", ""],
            "part": ["driver"] * len(names) + ["impact"] * len(names) + ["rest", "change"],
            "est": est,
        }
        parts[unit] = lines | spread
    if not parts:
        raise SpecError("No unit has the same constructs in both waves.")
    return result._stacked(parts)


def _flat(parts: Parts, drivers: np.ndarray) -> np.ndarray:
    """Parts of the drivers, of their impacts, the rest, and the sum, along the last axis."""
    some = np.concatenate([parts.drivers[..., drivers], parts.impacts[..., drivers], parts.rest[..., None]], axis=-1)
    return np.concatenate([some, some.sum(axis=-1, keepdims=True)], axis=-1)


def _split_replicates(
    result: IndexResult, previous: IndexResult, unit: Any, target: int, at: Any, drivers: np.ndarray
) -> dict[str, Any]:
    """Standard errors and percentile intervals of the parts, from independent replicates of both waves."""
    k = 2 * len(drivers) + 2
    if unit not in result.replicates or unit not in previous.replicates:
        return dict.fromkeys(("se", "ci_lower", "ci_upper"), np.full(k, np.nan))
    j = len(result.measured[unit].index)
    now, then = (r.values[r.ok] for r in (result.replicates[unit], previous.replicates[unit]))
    n = min(len(now), len(then))
    b0, b1 = (direct_from_total(v[:n, j:].reshape(n, j, j)) for v in (then, now))
    values = _flat(split_change(then[:n, :j], now[:n, :j], b0, b1, target, at), drivers)
    tail = (1 - result.level) / 2
    low, high = np.quantile(values, [tail, 1 - tail], axis=0)
    return {"se": values.std(axis=0, ddof=1), "ci_lower": low, "ci_upper": high}


def _facts(frame: pd.DataFrame, keys: list[str], columns: list[str]) -> pd.DataFrame:
    """One row per unit with the columns that describe it, each constant within the unit."""
    groups = frame.groupby(keys, observed=True)[columns] if columns else None
    if groups is None:
        return frame[keys].drop_duplicates()
    distinct, blanks = groups.nunique(), frame[columns].isna().groupby([frame[k] for k in keys], observed=True).any()
    for column in columns:
        if (varying := distinct.index[distinct[column] > 1]).size:
            raise DataError(
                f"'{column}' varies within {_names(varying.to_frame())}; it must be constant in a unit; if it changes from wave to wave, name the wave in by= too."
            )
        if (empty := blanks.index[blanks[column]]).size:
            raise DataError(f"'{column}' is missing in {_names(empty.to_frame())}.")
    return groups.first().reset_index()
