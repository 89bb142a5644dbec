"""Factor scores of the rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataWarning, SpecError, near
from .composites import is_hidden
from .estimate import Estimate
from .ordinal_scores import ordinal_scores
from .prepare import Rows, categories

Array = NDArray[Any]

__all__ = ["precision", "scores"]


def scores(e: Estimate, fitted: Rows, rows: Rows, index: pd.Index, method: str, se: bool) -> pd.DataFrame:
    """Regression (Thurstone 1935) or Bartlett (1937) scores of rows, with the index of the data."""
    _check_method(method)
    latent = e.blocks[0].names[e.blocks[0].p :]
    if not latent:
        raise SpecError("The model has no constructs, so there are no scores.")
    place = {n: i for i, n in enumerate(rows.names)}
    out = np.full((len(rows.x), len(latent)), np.nan)
    error = np.full_like(out, np.nan)
    levels = categories(fitted, tuple(e.table.options.thresholds))
    for number, (block, s) in enumerate(zip(e.blocks, e.states, strict=True)):
        mine = rows.codes == number
        x = rows.x[mine][:, [place[n] for n in block.names[: block.p]]]
        p = block.p
        if e.data.ordinal:
            known = [levels.get(n) for n in block.names[:p]]
            out[mine], error[mine] = ordinal_scores(e, number, x, known, method, _measurement(e, number))
            continue
        mu = s.mean[:p] if e.table.options.means else e.data.samples[number].mean
        out[mine], error[mine] = _block_scores(x, mu, s.cov, _centre(e, number), p, method, _design(e, number))
        out[mine], error[mine] = (
            np.where(np.isnan(x).all(axis=1)[:, None], np.nan, y) for y in (out[mine], error[mine])
        )
    if e.data.ordinal and (lost := int(np.isnan(out).any(axis=1).sum())):
        warnings.warn(
            f"{lost} of {len(out)} rows have no finite {method} score, as all their answers to a construct are at one end "
            "of the scale (or missing); regression scores exist for every answer.",
            DataWarning,
            stacklevel=4,
        )
    frame = pd.DataFrame(out, index=index, columns=list(latent))
    shown = [n for n in latent if not is_hidden(n)]
    frame = frame[shown]
    if se:
        frame = frame.join(pd.DataFrame(error, index=index, columns=list(latent))[shown].add_suffix("_se"))
    return frame


def _check_method(method: Any) -> None:
    """Refuse what is not a method, and the frame of other rows in its place."""
    if not isinstance(method, str):
        raise SpecError(
            f"method is 'regression' or 'bartlett', not of type {type(method).__name__}; other rows go into data=."
        )
    if method not in ("regression", "bartlett"):
        raise SpecError(
            f"method is 'regression' or 'bartlett', not '{method}'.{near(method, ('regression', 'bartlett'))}"
        )


def precision(e: Estimate, rows: Rows, method: str) -> pd.DataFrame:
    """How well scores of complete rows tell the constructs, [se, reliability, determinacy] by construct (and group).

    With regression weights W and C = cov(x, eta): error variance Var(eta) - W C, reliability WC / Var(eta), determinacy
    its root, the correlation of score and construct (Guttman 1955; Grice 2001). Bartlett's scores have error variance
    v and reliability Var(eta) / (Var(eta) + v). Of ordinal items the error variance is the mean over the rows.
    """
    _check_method(method)
    labels = rows.labels
    if e.data.ordinal:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            found = scores(e, rows, rows, pd.RangeIndex(len(rows.x)), method, True)
    parts = []
    for number, (block, s) in enumerate(zip(e.blocks, e.states, strict=True)):
        p = block.p
        variance = np.diagonal(s.cov)[p:]
        if e.data.ordinal:
            mine = found[rows.codes == number]
            error = np.array(
                [(mine[f"{n}_se"] ** 2).mean() if f"{n}_se" in mine else np.nan for n in block.names[p:]]
            )
        else:
            error = _weights(s.cov[:p, :p], s.cov[p:, :p], s.cov[p:, p:], method, _design(e, number))[1]
        with np.errstate(invalid="ignore", divide="ignore"):
            share = 1 - error / variance if method == "regression" else variance / (variance + error)
            columns = {"se": np.sqrt(np.maximum(error, 0.0)), "reliability": share, "determinacy": np.sqrt(share)}
        frame = pd.DataFrame(columns, pd.Index(block.names[p:], name="construct"))
        parts.append(frame[[not is_hidden(n) for n in frame.index]].assign(group=labels[number]))
    out = pd.concat(parts)
    return out.set_index("group", append=True) if len(labels) > 1 else out.drop(columns="group")


def _block_scores(
    x: Array, mu: Array, cov: Array, centre: Array, p: int, method: str, design: Array
) -> tuple[Array, Array]:
    """Scores and their standard errors, pattern by pattern of answers."""
    out, error = np.empty((len(x), len(cov) - p)), np.empty((len(x), len(cov) - p))
    patterns, which = np.unique(~np.isnan(x), axis=0, return_inverse=True)
    lost = design[:, : len(cov) - p].any(axis=0)
    for k, seen in enumerate(patterns):
        at = np.flatnonzero(seen)
        weights, spread = _weights(cov[np.ix_(at, at)], cov[p:, at], cov[p:, p:], method, design[at])
        rows = which == k
        out[rows] = centre + (x[np.ix_(rows, at)] - mu[at]) @ weights.T
        error[rows] = np.sqrt(np.maximum(spread, 0.0))
        if method == "bartlett":  # nothing of what this pattern answered measures it
            out[np.ix_(rows, lost & ~weights.any(axis=1))] = np.nan
    return out, error


def _weights(sigma: Array, across: Array, latent: Array, method: str, design: Array) -> tuple[Array, Array]:
    """Weights of the items (latent, p) and the error variances of the scores."""
    if method == "regression":
        regression = np.linalg.solve(sigma, across.T).T
        return regression, np.diagonal(latent - regression @ across.T)
    inner = np.linalg.solve(sigma, design)
    square = design.T @ inner
    known = np.diagonal(square) > 0
    size = np.sqrt(np.where(known, np.diagonal(square), 1.0))
    inverse = np.linalg.pinv(square / np.outer(size, size), rcond=1e-10, hermitian=True) / np.outer(size, size)
    k = len(latent)
    error = np.diagonal(inverse)[:k] - np.diagonal(latent)
    return (inverse @ inner.T)[:k], np.where(known[:k], error, np.nan)


def _design(e: Estimate, number: int) -> Array:
    """How constructs and observed predictors move the items, (p, constructs + predictors): what GLS regresses on."""
    block, p = e.blocks[number], e.blocks[number].p
    to, source, rows = block.directed
    effects = np.zeros((block.v, block.v))
    effects[to, source] = e.values[rows]
    given = np.setdiff1d(source[source < p], to)
    return np.linalg.solve(np.eye(p) - effects[:p, :p], np.hstack([effects[:p, p:], np.eye(p)[:, given]]))


def _centre(e: Estimate, number: int) -> Array:
    """Means of the constructs; where means are not modelled, what those of the observed predictors bring."""
    block, p = e.blocks[number], e.blocks[number].p
    if e.table.options.means:
        return e.states[number].mean[p:]
    effects = np.zeros((block.v, block.v))
    to, source, rows = block.directed
    effects[to, source] = e.values[rows]
    moved = effects[p:, :p] @ e.data.samples[number].mean
    return np.linalg.solve(np.eye(block.v - p) - effects[p:, p:], moved)


def _measurement(e: Estimate, number: int) -> tuple[Array, Array]:
    """Loadings of the items on the constructs, and their residual covariances."""
    block = e.blocks[number]
    p = block.p
    loadings, theta = np.zeros((p, block.v - p)), np.zeros((p, p))
    to, source, rows = block.directed
    own = (to < p) & (source >= p)
    loadings[to[own], source[own] - p] = e.values[rows[own]]
    i, j, rows = block.undirected
    own = (i < p) & (j < p)
    theta[i[own], j[own]] = theta[j[own], i[own]] = e.values[rows[own]]
    return loadings, theta
