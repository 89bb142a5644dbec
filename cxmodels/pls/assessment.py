"""Measurement and structural quality of a PLS estimate, for whole stacks of estimates.

Each function takes what :func:`cxmodels.pls.kernel.estimate` returns and gives arrays with the same leading
dimension, so every criterion has bootstrap intervals for free.
"""

from __future__ import annotations

import numpy as np

from .kernel import Array, Design, Estimate, inverse_diagonal


def loadings(est: Estimate, design: Design) -> Array:
    """Loadings (b, p, j), zero outside the blocks.

    Correlations of items with the score of their construct; for corrected constructs w sqrt(rho_A) / w'w
    (Dijkstra and Henseler 2015, eq. 4), with weights on standardised items.
    """
    plain = est.item_construct * design.mask
    if not design.corrected.any():
        return plain
    w = est.weights if design.standardize else est.weights * est.sd[:, :, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        consistent = w * (np.sqrt(est.rho_a) / (w**2).sum(axis=1))[:, None, :]
    return np.where(design.corrected, consistent, plain)


def alpha(est: Estimate, design: Design) -> Array:
    """Standardised Cronbach's alpha (b, j): k / (k - 1) · (1 - k / sum of the block's correlations)."""
    total = _block_sum(_correlations(est), design)
    k = design.size
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(k == 1, 1.0, k / np.maximum(k - 1, 1) * (1 - k / total))


def rho_c(load: Array, design: Design) -> Array:
    """Composite reliability (b, j): (sum l)² / ((sum l)² + sum(1 - l²)) (Werts, Linn and Jöreskog 1974)."""
    total = load.sum(axis=1) ** 2
    error = ((1 - load**2) * design.mask).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(design.size == 1, 1.0, total / (total + error))


def ave(load: Array, design: Design) -> Array:
    """Average variance extracted (b, j): the mean squared loading (Fornell and Larcker 1981)."""
    return np.where(design.size == 1, 1.0, (load**2).sum(axis=1) / design.size)


def htmt(est: Estimate, design: Design) -> Array:
    """Heterotrait-monotrait ratio (b, j, j) of absolute correlations (Henseler et al. 2015, eq. 6).

    Mean correlation between the items of two constructs over the geometric mean of the mean correlations
    within each; a single item counts as correlating 1 with itself. A construct that repeats the items of its
    dimensions has no ratio to these (NaN).
    """
    r = np.abs(_correlations(est))
    k = design.size
    between = design.mask.T @ r @ design.mask / np.outer(k, k)
    inside = np.where(k == 1, 1.0, (_block_sum(r, design) - k) / np.maximum(k * (k - 1), 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = between / np.sqrt(inside[:, :, None] * inside[:, None, :])
    ratio[:, sharing(design)] = np.nan
    j = np.arange(len(k))
    ratio[:, j, j] = 1.0
    return ratio


def sharing(design: Design) -> np.ndarray:
    """Pairs of constructs (j, j) of which one repeats items of the other."""
    return (design.mask.T @ design.mask > 0) & (design.repeated[:, None] | design.repeated)


def fornell_larcker(est: Estimate, ave_: Array) -> Array:
    """Correlations of the scores (b, j, j) with the square root of the AVE on the diagonal."""
    out = est.scores_cor.copy()
    j = np.arange(out.shape[-1])
    with np.errstate(invalid="ignore"):
        out[:, j, j] = np.sqrt(ave_)
    return out


def item_vif(est: Estimate, design: Design) -> Array:
    """Variance inflation factor of each item among the items of its construct (b, p, j); 0 elsewhere."""
    out = np.zeros_like(est.weights)
    r = _correlations(est)
    with np.errstate(invalid="ignore", divide="ignore"):
        for j, block in enumerate(design.blocks):
            out[:, block, j] = inverse_diagonal(r, block)
    return out


def r2_adjusted(r2: Array, design: Design, n: int) -> Array:
    """R² less the chance share: 1 - (1 - R²)(n - 1)/(n - k - 1), k predictors; NaN if n is too small."""
    left = n - design.arrows.sum(axis=1) - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(left > 0, 1 - (1 - r2) * (n - 1) / left, np.nan)


def _correlations(est: Estimate) -> Array:
    """Item correlations, whatever metric the algorithm ran in."""
    sd = np.sqrt(np.diagonal(est.cov, axis1=1, axis2=2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return est.cov / (sd[:, :, None] * sd[:, None, :])


def _block_sum(r: Array, design: Design) -> Array:
    """Sum of each construct's block of a stack of item matrices (b, j)."""
    return ((r @ design.mask) * design.mask).sum(axis=1)
