"""Weights of generalised structured component analysis: one criterion for measurement and structure together.

GSCA minimises the sum of squares of all residuals, those of items given their construct and those of constructs given
their predictors. With scores of unit variance the weights of one construct, all else fixed, are the regression of

    sum c_i z_i  +  sum over its predictors b_x γ_x  +  sum over its outcomes b_y (γ_y - what others predict of γ_y)

on its items, brought to unit variance; c are loadings, b paths, γ scores. Loadings count for Mode A constructs only:
Mode B constructs are formed for the structure alone. Moments suffice, so stacks of matrices are estimated together.

Source: Hwang and Takane (2004), Psychometrika 69(1), 81-99.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .kernel import Array, Design, regressions, solve, unit_variance


def gsca_weights(
    s: Array, design: Design, tolerance: float, max_iter: int, start: Array | None = None
) -> tuple[Array, NDArray[np.bool_], NDArray[np.intp]]:
    """Alternate least squares until the weights settle.

    Parameters
    ----------
    s : ndarray of shape (b, p, p)
        Covariances of the items as analysed.
    design : Design
    tolerance : float
        Stop when the weights of standardised items change by less than this in total.
    max_iter : int
    start : ndarray of shape (b, p, j), optional
        Weights to begin with; by default all are equal.

    Returns
    -------
    weights : ndarray of shape (b, p, j)
        Scaled to unit-variance scores.
    converged, steps : ndarray of shape (b,)
    """
    b = len(s)
    scale = np.sqrt(np.diagonal(s, axis1=1, axis2=2))
    weights = np.full((b, *design.mask.shape), np.nan)
    converged, steps = np.zeros(b, dtype=bool), np.full(b, max_iter)
    live = np.flatnonzero(np.isfinite(s).all(axis=(1, 2)) & (scale > 0).all(axis=1))
    s, scale = s[live], scale[live]
    first = np.broadcast_to(design.mask, (b, *design.mask.shape)) if start is None else start
    w, sw = unit_variance(s, first[live])
    for step in range(1, max_iter + 1):
        if not len(live):
            break
        old = w
        for j, block in enumerate(design.blocks):
            w, sw = _update(s, w, sw, design, j, block)
        change = (np.abs(w - old) * scale[:, :, None]).sum(axis=(1, 2))
        done = change < tolerance
        stop = done | ~np.isfinite(change)
        weights[live], steps[live], converged[live] = w, step, done
        live, s, scale, w, sw = (v[~stop] for v in (live, s, scale, w, sw))
    return weights, converged, steps


def criterion(s: Array, weights: Array, design: Design) -> Array:
    """Sum of squared residuals per row that GSCA minimises, (b,).

    Parameters
    ----------
    s : ndarray of shape (b, p, p)
    weights : ndarray of shape (b, p, j)
        Giving unit-variance scores.
    design : Design

    Returns
    -------
    ndarray of shape (b,)
    """
    sw = s @ weights
    cor = np.swapaxes(weights, 1, 2) @ sw
    own = design.mask * ~design.mode_b
    variance = np.diagonal(s, axis1=1, axis2=2)
    measurement = (own.any(axis=1) * variance).sum(axis=1) - ((sw * own) ** 2).sum(axis=(1, 2))
    paths, _ = regressions(cor, design)
    r2 = (paths * cor).sum(axis=2)
    return np.asarray(measurement + ((1 - r2) * design.arrows.any(axis=1)).sum(axis=1))


def _update(s: Array, w: Array, sw: Array, design: Design, j: int, block: NDArray[np.intp]) -> tuple[Array, Array]:
    """Give one construct its best weights, loadings and paths being those of the weights so far."""
    cor = np.swapaxes(w, 1, 2) @ sw
    paths, _ = regressions(cor, design)
    pull = paths[:, j].copy()  # what its predictors and outcomes want of it, as weights of scores
    for y in np.flatnonzero(design.arrows[:, j]):
        left = -paths[:, y].copy()
        left[:, j] = 0.0
        left[:, y] = 1.0
        pull += paths[:, y, j, None] * left
    target = (sw @ pull[:, :, None])[:, block, 0]
    if not design.mode_b[j]:
        target = target + (s[:, block[:, None], block] @ sw[:, block, j, None])[..., 0]
    new = w.copy()
    new[:, block, j] = solve(s[:, block[:, None], block], target[..., None])[..., 0]
    if len(block) == 1:
        new[:, block, j] = 1.0
    return unit_variance(s, new)
