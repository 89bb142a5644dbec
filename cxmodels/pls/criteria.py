"""Criteria that choose between models or sum one up: information criteria, communality, redundancy, goodness of fit.

Sources: Sharma, Sarstedt, Shmueli, Kim and Thiele (2019), Journal of the Association for Information Systems 20(4), for the
information criteria; Tenenhaus, Esposito Vinzi, Chatelin and Lauro (2005), Computational Statistics & Data Analysis 48(1),
for communality, redundancy and the goodness of fit; Hwang and Takane (2004), Psychometrika 69(1), and Hwang, DeSarbo and
Takane (2007), Psychometrika 72(2), for FIT and AFIT; Cohen (1988) for f².
"""

from __future__ import annotations

import warnings as _warnings
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..errors import CxWarning
from ..model import Model
from .assessment import loadings
from .kernel import Array, solve, structural, total_effects

if TYPE_CHECKING:
    from .result import PLSResult

CRITERIA = ("aic", "aicc", "aicu", "bic", "hq", "hqc", "fpe", "cp", "gm")


def information_criteria(result: PLSResult) -> pd.DataFrame:
    """Criteria of every equation with a residual; see :attr:`PLSResult.criteria`."""
    design, cor, n = result.layout.design, result.estimate.scores_cor, result.n_obs
    _, r2, _ = structural(cor, design)
    below = total_effects(design.arrows, design.depth) > 0
    rows, names = [], []
    for j in np.flatnonzero(design.arrows.any(axis=1) & ~(design.echo & design.repeated)):
        p = int(design.arrows[j].sum()) + 1
        sse = (1 - r2[0, j]) * (n - 1)
        others = np.flatnonzero(~below[:, j] & (np.arange(len(below)) != j))
        others = others[[":" not in result.layout.constructs[k] or design.arrows[j, k] > 0 for k in others]]
        wide = solve(cor[0][np.ix_(others, others)], cor[0][others, j, None])[:, 0] @ cor[0][others, j]
        mse = (1 - wide) * (n - 1) / (n - len(others) - 1)
        logn = np.log(sse / n)
        rows.append(
            (
                n * logn + 2 * p,
                n * (logn + (n + p) / (n - p - 2)) if n > p + 2 else np.nan,
                n * np.log(sse / (n - p)) + 2 * p,
                n * logn + p * np.log(n),
                n * logn + 2 * p * np.log(np.log(n)),
                n * (logn + 2 * p * np.log(np.log(n)) / (n - p - 2)) if n > p + 2 else np.nan,
                sse / (n - p) * (1 + p / n),
                sse / mse - (n - 2 * p),
                sse / mse + p * np.log(n),
            )
        )
        names.append(result.layout.constructs[j])
    return pd.DataFrame(rows, pd.Index(names, name="construct"), list(CRITERIA))


def redundancy(result: PLSResult) -> pd.DataFrame:
    """Communality and redundancy of every item; see :attr:`PLSResult.redundancy`."""
    load = result.loadings
    keep = load["construct"].isin(result.layout.constructs)
    out = load.loc[keep, ["construct", "item"]].reset_index(drop=True)
    out["communality"] = load.loc[keep, "est"].to_numpy() ** 2
    out["redundancy"] = out["communality"] * out["construct"].map(result.r_squared["r2"])
    return out


def goodness_of_fit(result: PLSResult) -> float:
    """Geometric mean of mean communality and mean R²; see :attr:`PLSResult.gof`."""
    design = result.layout.design
    squares = (loadings(result.estimate, design)[0] ** 2).sum(axis=0)
    many = design.size > 1
    communality = squares[many].sum() / design.size[many].sum() if many.any() else 1.0
    return float(np.sqrt(communality * np.nanmean(result.estimate.r2[0])))


def cronbach(result: PLSResult, standardized: bool) -> pd.Series:
    """Alpha of every block; see :meth:`PLSResult.alpha`."""
    out = {}
    for name, block, _ in result.spec.plan.own_blocks():
        s = result.raw_cov[np.ix_(block, block)]
        if standardized:
            sd = np.sqrt(np.diagonal(s))
            s = s / np.outer(sd, sd)
        k = len(block)
        out[name] = k / (k - 1) * (1 - np.trace(s) / s.sum()) if k > 1 else 1.0
    return pd.Series(out, name="alpha").rename_axis("construct")


def gsca_fit(result: PLSResult) -> pd.Series:
    """Explained share of the variance of items and constructs together; see :attr:`PLSResult.gsca_fit`."""
    design, est = result.layout.design, result.estimate
    linear = len(result.linear)
    reflected = (design.mask[:, :linear] > 0) & ~design.mode_b[:linear] & ~design.repeated[:linear]
    items = reflected.any(axis=1)
    communality = (np.where(reflected, est.item_construct[0, :, :linear], 0.0) ** 2).sum(axis=1)[items]
    r2 = np.nan_to_num(est.r2[0, :linear])
    fit = (communality.sum() + r2.sum()) / (len(communality) + linear)
    several = design.size[:linear] > 1
    free = (design.mask[:, :linear] * several).sum() + (reflected * several).sum() + design.arrows.sum()
    cells = result.n_obs * len(communality)
    adjusted = 1 - (1 - fit) * cells / (cells - free) if cells > free else np.nan
    names = ["fit", "afit", "fit_measurement", "fit_structural"]
    values = [fit, adjusted, communality.mean() if len(communality) else np.nan, r2.mean()]
    return pd.Series(values, names)


def f_squared_refit(result: PLSResult) -> pd.DataFrame:
    """Effect sizes from refits without each path; see :meth:`PLSResult.f_squared_refit`."""
    values = [_without(result, y, x) for y, x in result.paths[["outcome", "predictor"]].itertuples(index=False)]
    full = result.paths["outcome"].map(result.r_squared["r2"]).to_numpy()
    out = result.paths[["outcome", "predictor"]].copy()
    out["r2_without"] = np.array(values)
    out["f2"] = (full - out["r2_without"]) / (1 - full)
    return out


def _without(result: PLSResult, outcome: str, predictor: str) -> float:
    """R² of an outcome in the model without one path; 0 where nothing else predicts it."""
    model: Model = result.spec.model  # type: ignore[assignment]
    if (outcome, predictor) not in model.paths:
        return np.nan  # drawn by repeated indicators
    if [p for y, p in model.paths if y == outcome] == [predictor]:
        return 0.0
    own = Counter(predictor.split(":"))
    if any(y == outcome and own < Counter(p.split(":")) for y, p in model.paths):
        return np.nan  # an interaction needs its lower-order terms
    rest = model.drop(outcome, predictor)
    linked = {part for path in rest.paths for name in path for part in name.split(":")}
    for construct in model.constructs:
        linked |= set(construct.items) if construct.name in linked else set()
    names = {c.name for c in model.constructs}
    rows = tuple(r for r in rest.rows if not (r.lhs in names - linked and r.op in ("=~", "<~")))
    modes = {k: v for k, v in (result.spec.modes or {}).items() if k in linked}
    with _warnings.catch_warnings():
        _warnings.simplefilter("ignore", CxWarning)  # what is unusual was said of the whole model
        spec = replace(result.spec, model=Model(rows, rest.blocks), modes=modes)
        fit = spec.fit(result.survey.subset(result.rows), weights=result.case_weights, missing=result.missing)  # type: ignore[arg-type]
    return float(fit.r_squared["r2"][outcome])


def htmt2(r: Array, mask: Array) -> Array:
    """Heterotrait-monotrait ratios of geometric means (Roemer, Schuberth and Henseler 2021), (b, j, j).

    Parameters
    ----------
    r : ndarray of shape (b, p, p)
        Correlations of the items; absolute values count.
    mask : ndarray of shape (p, j)
        1 where an item belongs to a construct; a single item counts as correlating 1 with itself.

    Returns
    -------
    ndarray of shape (b, j, j)
    """
    k = mask.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(np.abs(r))
        p = np.arange(r.shape[-1])
        logs[:, p, p] = 0.0
        between = mask.T @ logs @ mask / np.outer(k, k)
        inside = np.where(k == 1, 0.0, ((logs @ mask) * mask).sum(axis=1) / np.maximum(k * (k - 1), 1))
        ratio = np.exp(between - (inside[:, :, None] + inside[:, None, :]) / 2)
    j = np.arange(len(k))
    ratio[:, j, j] = 1.0
    return ratio
