"""Indices of many units together: rates, aggregates over levels, and changes between waves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, listed, near
from ..inference import ADJUSTMENTS, adjusted_pvalues, choose, share_interval

if TYPE_CHECKING:
    from .result import IndexResult


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


def aggregate(result: IndexResult, levels: list[str], weights: str | None) -> pd.DataFrame:
    """Weighted means of unit indices by level; see :meth:`IndexResult.aggregate`."""
    from scipy.special import ndtri

    if not result.keys:
        raise SpecError("There is one unit only, so nothing to aggregate; fit with by= first.")
    if not levels or not all(isinstance(c, str) for c in levels) or not isinstance(weights, str | None):
        raise SpecError("aggregate takes the names of level columns and of one weight column.")
    frame, keys = result.survey.frame, list(result.keys)
    wanted = [c for c in [*levels, weights] if c]
    for column in wanted:
        if column not in frame.columns:
            raise SpecError(f"Column '{column}' is not in the data.{near(column, map(str, frame.columns))}")
    facts = _facts(frame, keys, [c for c in wanted if c not in keys])
    table = result.scores.merge(facts, on=keys)
    if weights is not None and not pd.api.types.is_numeric_dtype(table[weights]):
        raise DataError(f"The weight '{weights}' holds text; a weight of units is a number.")
    table["_weight"] = 1.0 if weights is None else table[weights].astype(float)
    if (bad := table.loc[~(table["_weight"] >= 0), keys].drop_duplicates()).size:
        raise DataError(f"The weight '{weights}' is negative or missing for {_names(bad)}.")
    z = -ndtri((1 - result.level) / 2)
    parts = []
    for name in levels:
        others = _crossing(table, keys, name)
        part = table.assign(_wx=table["_weight"] * table["index"], _wse=(table["_weight"] * table["se"]) ** 2)
        sums = part.groupby([name, *others, "construct"], sort=False, observed=True).agg(
            total=("_weight", "sum"), wx=("_wx", "sum"), wse=("_wse", "sum"), units=("n", "size"), n=("n", "sum")
        )
        if not (sums["total"] > 0).all():
            empty = sums.index[~(sums["total"] > 0)].get_level_values(0).unique()
            raise DataError(f"All weights of {name} {listed(empty)} are zero.")
        sums["index"], sums["se"] = sums["wx"] / sums["total"], np.sqrt(sums["wse"]) / sums["total"]
        sums["ci_lower"] = np.maximum(sums["index"] - z * sums["se"], 0)
        sums["ci_upper"] = np.minimum(sums["index"] + z * sums["se"], 100)
        flat = sums.reset_index().rename(columns={name: "name"})
        flat.insert(0, "level", name)
        keep = ["level", "name", *others, "construct", "index", "se", "ci_lower", "ci_upper", "units", "n"]
        parts.append(flat[keep])
    return pd.concat(parts, ignore_index=True)


def change(result: IndexResult, previous: IndexResult, adjust: str) -> pd.DataFrame:
    """Differences of indices between two independent waves; see :meth:`IndexResult.change`."""
    from scipy.special import ndtr

    choose("adjust", adjust, ADJUSTMENTS)
    if not isinstance(previous, type(result)):
        raise SpecError("change() compares with the result of an earlier wave, made by SatisfactionIndex.fit.")
    if result.engine_name != previous.engine_name:
        raise SpecError(
            f"One wave was estimated by {previous.engine_name}, the other by {result.engine_name}; estimate both alike."
        )
    if result.keys != previous.keys:
        raise SpecError(f"The waves have different units: {listed(result.keys)} against {listed(previous.keys)}.")
    keys = [*result.keys, "construct"]
    both = result.scores.merge(previous.scores, on=keys, suffixes=("", "_before"))
    if both.empty:
        raise SpecError("The two waves have no unit in common.")
    out = both[keys].copy()
    out["previous"], out["index"] = both["index_before"], both["index"]
    out["change"] = both["index"] - both["index_before"]
    out["se"] = np.hypot(both["se"], both["se_before"])
    out["z"] = out["change"] / out["se"]
    out["pvalue"] = 2 * ndtr(-out["z"].abs())
    adjusted = out.groupby("construct")["pvalue"].transform(lambda p: adjusted_pvalues(p.to_numpy(float), adjust))
    out["pvalue_adjusted"] = adjusted
    return out


def _crossing(table: pd.DataFrame, keys: list[str], level: str) -> list[str]:
    """Keys that cut across a level, such as the year; those nested in it, such as the company, are averaged over."""

    def varies(of: str, within: str) -> bool:
        return bool(table.groupby(within, observed=True)[of].nunique().gt(1).any())

    nested = [k for k in keys if k != level and not varies(level, k)]
    unit = max(nested, key=lambda k: table[k].nunique(), default=None)
    return [k for k in keys if k not in (level, unit) and (k not in nested or (unit is not None and varies(k, unit)))]


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


def _names(units: pd.DataFrame) -> str:
    """Units as text for a message."""
    return listed(", ".join(map(str, row)) for row in units.itertuples(index=False, name=None))
