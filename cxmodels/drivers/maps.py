"""Importance against performance, stated against derived importance, and us against a competitor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SpecError, listed
from ..inference import adjusted_pvalues
from ..survey import as_survey
from .coefficients import meat, simple, tested
from .table import Table

if TYPE_CHECKING:
    from .result import DriverResult

Array = NDArray[np.float64]

CUTS = ("mean", "median", "midpoint", "target")
QUADRANTS = {
    (True, False): "Concentrate here",
    (True, True): "Keep up the good work",
    (False, False): "Low priority",
    (False, True): "Possible overkill",
}
STATED = {
    (True, False): "Basic: said to matter, moves little",
    (True, True): "Performance: said to matter, and moves",
    (False, False): "Low priority: neither",
    (False, True): "Excitement: moves, though not said to matter",
}


def importance_map(
    result: DriverResult, cut: str, target: float | None, importance_cut: str, scale: Any
) -> pd.DataFrame:
    """Importance, performance and quadrants; see :meth:`DriverResult.map`."""
    for what, value in (("cut", cut), ("importance_cut", importance_cut)):
        options = CUTS if what == "cut" else CUTS[:2]
        if value not in options:
            raise SpecError(f"Unknown {what}={value!r}; choose from {listed(options)}.")
    if (cut == "target") != (target is not None):
        raise SpecError("cut='target' and target= go together, such as map(cut='target', target=8).")
    every = result.importance[["importance", "share", "performance"]].copy()
    frame = every.dropna()
    if frame.empty:
        raise SpecError("No player has a performance: means exist for numeric attributes and groups of them.")
    if cut == "midpoint":
        lo, hi = result.scale_ends(result.numeric, scale)
        if len(set(zip(lo, hi, strict=True))) > 1:
            raise SpecError("cut='midpoint' needs one scale for all attributes; choose 'mean', 'median' or 'target'.")
        at = float(lo[0] + hi[0]) / 2
    else:
        at = float(target) if target is not None else _middle(frame["performance"], cut)
    line = _middle(frame["importance"], importance_cut)
    every["quadrant"] = [
        "Not rated" if np.isnan(p) else QUADRANTS[bool(i >= line), bool(p >= at)]
        for i, p in zip(every["importance"], every["performance"], strict=True)
    ]
    every["importance_cut"], every["performance_cut"] = line, at
    every["cut"] = f"importance at its {importance_cut}, performance at {'the ' if cut == 'target' else 'its '}{cut}"
    return every


def stated_map(result: DriverResult, stated: Any, cut: str) -> pd.DataFrame:
    """Stated against derived importance; see :meth:`DriverResult.stated_map`."""
    if cut not in CUTS[:2]:
        raise SpecError(f"Unknown cut={cut!r}; choose from {listed(CUTS[:2])}.")
    known = list(result.importance.index)
    values = pd.Series(stated, dtype=object)
    if unknown := [k for k in values.index if k not in known]:
        raise result.unknown(unknown[0])
    if lacking := [k for k in known if k not in values.index]:
        raise SpecError(f"stated gives no value for {listed(lacking)}; give one for each attribute.")
    if all(isinstance(v, str) for v in values):
        numbers = result.survey.numeric(list(values))
        part = numbers[result.positions]
        w = np.ones(len(part)) if result.table.weights is None else result.table.weights
        seen = ~np.isnan(part)
        values = pd.Series((w @ np.where(seen, part, 0)) / (w @ seen), index=values.index)
    try:
        values = values.astype(float)
    except (TypeError, ValueError):
        raise SpecError("stated must give a number, or the column of the rating, for each attribute.") from None
    out = pd.DataFrame({"stated": values.reindex(known), "derived": result.importance["importance"]})
    s, d = _middle(out["stated"], cut), _middle(out["derived"], cut)
    out["reading"] = [STATED[bool(a >= s), bool(b >= d)] for a, b in zip(out["stated"], out["derived"], strict=True)]
    out["stated_cut"], out["derived_cut"] = s, d
    return out


def profile(result: DriverResult, theirs: Any, weights: Any, level: float, adjust: str) -> pd.DataFrame:
    """Our ratings against a competitor's; see :meth:`DriverResult.profile`."""
    names = list(result.numeric)
    other = as_survey(theirs)
    values = other.numeric(names)
    case = other.case_weights(weights)
    slopes = result.slopes_by_attribute()
    rows = []
    for k, name in enumerate(names):
        ours, our_se = mean_with_error(result.table.ratings[name].to_numpy(), result.table)
        seen = ~np.isnan(values[:, k])
        w = np.ones(int(seen.sum())) if case is None else case[seen]
        if len(w) < 2 or not w.any():
            raise DataError(f"The competitor has {int(seen.sum())} answers to '{name}'; at least 2 are needed.")
        mean = float(w @ values[seen, k] / w.sum())
        n = len(w)
        their_se = float(np.sqrt(n / (n - 1) * ((w * (values[seen, k] - mean)) ** 2).sum()) / w.sum())
        rows.append(
            (name, ours, our_se, mean, their_se, ours - mean, np.hypot(our_se, their_se), slopes.get(name, np.nan))
        )
    columns = ["attribute", "ours", "ours_se", "theirs", "theirs_se", "gap", "se", "coefficient"]
    out = pd.DataFrame(rows, columns=columns).set_index("attribute")
    tests = tested(out["gap"].to_numpy(), out["se"].to_numpy(), np.inf, level).set_axis(out.index)
    out[["z", "pvalue", "ci_lower", "ci_upper"]] = tests[["t", "pvalue", "ci_lower", "ci_upper"]]
    out["pvalue_adjusted"] = adjusted_pvalues(out["pvalue"].to_numpy(), adjust)
    out["contribution"] = out["gap"] * out.pop("coefficient")
    return out


def mean_with_error(values: Array, table: Table) -> tuple[float, float]:
    """Weighted mean of the answers there are, and its standard error under the design.

    Parameters
    ----------
    values : ndarray of shape (n,)
    table : Table

    Returns
    -------
    mean, se : float
    """
    seen = ~np.isnan(values)
    w = np.ones(len(values)) if table.weights is None else table.weights
    total = w[seen].sum()
    mean = float(w[seen] @ values[seen] / total)
    score = np.where(seen, w * (np.where(seen, values, mean) - mean), 0.0) / total
    if simple(table):
        n = int(seen.sum())
        return mean, float(np.sqrt(n / (n - 1) * (score**2).sum()))
    return mean, float(np.sqrt(meat(score[:, None], table)[0, 0]))


def _middle(values: pd.Series, cut: str) -> float:
    return float(values.median() if cut == "median" else values.mean())
