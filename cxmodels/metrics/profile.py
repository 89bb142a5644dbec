"""Components against those of a competitor, and the map of importance and performance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, listed
from ..inference import ADJUSTMENTS, Adjustment, adjusted_pvalues, choose, quantile
from .answers import Scale, numbers
from .csi import CsiEstimate

CUTS = ("mean", "midpoint", "strict")


def profile(ours: CsiEstimate, theirs: CsiEstimate | Any, *, adjust: Adjustment = "holm") -> pd.DataFrame:
    """Compare our components with a competitor's: gap, test, and what each gap takes from the index.

    Parameters
    ----------
    ours : CsiEstimate
        From :func:`csi` or :func:`csi_tree`.
    theirs : CsiEstimate, mapping or Series
        The same of the competitor's customers, an independent sample; or quality means by component.
    adjust : {"holm", "bh", "none"}, default "holm"
        Adjustment of the p-values for the number of components.

    Returns
    -------
    DataFrame
        Index component: [importance, weight, quality, quality_se, competitor, competitor_se, gap, se, ci_lower, ci_upper,
        pvalue, pvalue_adjusted, contribution], drawn by ``cxmodels.report.profile_chart``. The gap is ours less theirs on the scale of quality. The contribution is our
        weight times the gap, in points of the index: the sum is how far they would be behind if our customers rated
        them. Standard errors are NaN for given means.

    Raises
    ------
    SpecError
        If the competitor lacks a component, or has another scale.

    Examples
    --------
    >>> from cxmodels.metrics import csi
    >>> from cxmodels.metrics import profile
    >>> hotel = csi([4, 4], [4.6, 3.9], names=["location", "check-in"])
    >>> profile(hotel, {"location": 4.1, "check-in": 4.0})[["gap", "contribution"]].round(2).values.tolist()
    [[0.5, 5.0], [-0.1, -1.0]]
    """
    choose("adjust", adjust, ADJUSTMENTS)
    leaves = ours.leaves
    lo, hi = ours.scale
    unit = 100 / (hi if ours.form == "percent" else hi - lo)
    if isinstance(theirs, CsiEstimate):
        if (theirs.scale, theirs.form) != (ours.scale, ours.form):
            raise SpecError("The two indices have different scales or forms; compute both in the same way.")
        other, other_se = theirs.leaves["quality"], theirs.leaves["se"] / unit
    else:
        other = numbers(theirs, "The competitor's quality")
        other_se = pd.Series(np.nan, index=other.index)
        outside = other.index[~other.between(lo, hi)]
        if len(outside):
            raise DataError(f"The competitor's quality of {listed(outside)} lies outside the scale {lo:g}-{hi:g}.")
    if absent := [c for c in leaves.index if c not in other.index]:
        raise SpecError(f"The competitor has no quality for {listed(absent)}; name the components alike.")
    out = leaves[["importance", "quality"]].copy()
    out.insert(1, "weight", leaves["weight_total"])
    out["quality_se"] = leaves["se"] / unit
    out["competitor"] = other.reindex(leaves.index)
    out["competitor_se"] = other_se.reindex(leaves.index)
    out["gap"] = out["quality"] - out["competitor"]
    return _tested(out, adjust, ours.level).assign(contribution=out["weight"] * out["gap"] * unit)


def _tested(out: pd.DataFrame, adjust: str, level: float) -> pd.DataFrame:
    from scipy.special import ndtr

    out["se"] = np.hypot(out["quality_se"], out["competitor_se"])
    half = quantile(level) * out["se"]
    out["ci_lower"], out["ci_upper"] = out["gap"] - half, out["gap"] + half
    with np.errstate(invalid="ignore", divide="ignore"):
        out["pvalue"] = 2 * ndtr(-np.abs(out["gap"].to_numpy() / out["se"].to_numpy()))
    out["pvalue_adjusted"] = adjusted_pvalues(out["pvalue"].to_numpy(float), adjust)
    return out


def quadrants(importance: pd.Series, quality: pd.Series, *, cut: Any = "mean", scale: Scale = (1, 5)) -> pd.DataFrame:
    """Sort things into four fields by importance and performance (Martilla and James 1977, Journal of Marketing 41).

    Parameters
    ----------
    importance, quality : Series
        Of the things, on one index.
    cut : {"mean", "midpoint", "strict"} or (importance, quality), default "mean"
        Where high begins: at the means; at the middle of the scale; at the mean importance and half a step above the
        middle of the scale, so that a neutral answer counts as dissatisfied; or at two numbers.
    scale : (lo, hi), default (1, 5)
        For "midpoint" and "strict".

    Returns
    -------
    DataFrame
        [importance, quality, importance_cut, quality_cut, quadrant]; at the cut is high.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.metrics import quadrants
    >>> quadrants(pd.Series({"Bed": 5.0, "Bar": 3.0}), pd.Series({"Bed": 3.0, "Bar": 4.0}))["quadrant"].tolist()
    ['Concentrate here', 'Possible overkill']
    """
    middle = sum(scale) / 2
    if isinstance(cut, str):
        choose("cut", cut, CUTS)
        at = {
            "mean": (importance.mean(), quality.mean()),
            "midpoint": (middle, middle),
            "strict": (importance.mean(), np.floor(middle) + 0.5),
        }[cut]
    else:
        try:
            at = (float(cut[0]), float(cut[1]))
        except (TypeError, ValueError, IndexError):
            at = (np.nan, np.nan)
        if not np.isfinite(at).all():
            raise SpecError(f"cut is {listed(CUTS)}, or two numbers (importance, quality), not {cut!r}.")
    # Means of the same ratings may differ in the last digit.
    high = importance >= at[0] - 1e-12, quality >= at[1] - 1e-12
    names = {
        (True, False): "Concentrate here",
        (True, True): "Keep up the good work",
        (False, False): "Low priority",
        (False, True): "Possible overkill",
    }
    out = pd.DataFrame({"importance": importance, "quality": quality, "importance_cut": at[0], "quality_cut": at[1]})
    return out.assign(quadrant=[names[bool(a), bool(b)] for a, b in zip(*high, strict=True)])
