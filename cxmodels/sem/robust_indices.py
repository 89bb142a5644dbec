"""Discrepancies behind robust RMSEA, CFI and TLI where the test statistic itself is not on the right scale.

With missing values the likelihood ratio shrinks with what is missing; with ordinal items the weighted squares are no
discrepancy of covariances at all. Both give way to the normal-theory discrepancy F between the unrestricted moments
(full-information or polychoric) and those of the model, whose expectation under a true model replaces its degrees
of freedom.

Sources: Zhang and Savalei (2023), Psychological Methods 28, for incomplete data; Savalei (2021), Multivariate Behavioral
Research 56, for ordinal data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .estimate import Estimate, normal_weight
from .incomplete import Incomplete
from .inference import bread_expected, case_totals, modelled, sandwich_parts
from .robust_missing import Corrected, corrected
from .samples import vech

Array = NDArray[Any]

__all__ = ["rescaled"]

_SINGULAR = np.sqrt(np.finfo(float).eps)


def rescaled(e: Estimate) -> Corrected | None:
    """Normal-theory discrepancy of a model fitted to incomplete or ordinal items, with its bias.

    Parameters
    ----------
    e : Estimate

    Returns
    -------
    Corrected or None
        None for two levels, for mixed items or observed predictors of ordinal ones, for correlations that are not
        positive definite, where thresholds or means are restricted (the correction is about correlations alone), and
        where the data say nothing about some covariance.
    """
    if e.table.levels > 1 or not (e.plan.fiml or e.data.ordinal) or not e.df:
        return None
    try:
        found = _incomplete(e) if e.plan.fiml else _ordinal(e)
    except np.linalg.LinAlgError:
        return None
    return found if found is not None and np.isfinite(found.chisq) and found.bias > 0 else None


def _incomplete(e: Estimate) -> Corrected:
    """FIML-C, version 3 (robust) or 6 (normal)."""
    assert isinstance(e.objective, Incomplete)
    moments = [(s.mean[: b.p], s.cov[: b.p, : b.p]) for s, b in zip(e.states, e.blocks, strict=True)]
    keep = [modelled(role, e.table.options.fixed_x) for role in e.table.roles]
    meats = None
    if e.plan.robust:
        sums = [case_totals(s, x) for s, x in zip(e.objective.saturated_scores(), e.data.samples, strict=True)]
        meats = [s.T @ s / p.total for s, p in zip(sums, e.data.patterns, strict=True)]
    return corrected(e.data.patterns, e.data.saturated, moments, e.jacobians, meats=meats, basis=e.basis, keep=keep)


def _ordinal(e: Estimate) -> Corrected | None:
    """Maximum likelihood discrepancy of the polychoric correlations at the estimates (Savalei 2021, eqs. 7-13)."""
    found = e.data.ordinal
    pairs = [o.kind == "covariance" for o in found]
    if any(np.isin(o.kind, ("mean", "variance", "slope")).any() for o in found):
        return None
    jacobian = np.vstack([j[at] for j, at in zip(e.jacobians, pairs, strict=True)])
    own = jacobian if e.basis is None else jacobian @ e.basis
    if len(jacobian) - np.linalg.matrix_rank(own) != e.df:
        return None
    chisq, weights = 0.0, []
    for target, o, share in zip(e.objective.targets, found, e.data.shares, strict=True):  # type: ignore[attr-defined]
        rows, cols = vech(len(o.cor))
        sigma = np.eye(len(o.cor))
        at = o.kind == "covariance"
        sigma[o.row[at], o.col[at]] = sigma[o.col[at], o.row[at]] = target.implied(e.values)[at]
        roots = np.linalg.eigvalsh(o.cor), np.linalg.eigvalsh(sigma)
        if min(r[0] for r in roots) < _SINGULAR:
            return None
        v = np.linalg.inv(sigma)
        gap = np.log(roots[1]).sum() - np.log(roots[0]).sum() + float((v * o.cor).sum()) - len(v)
        chisq += share * e.data.n * gap
        off = rows != cols
        weights.append(share * normal_weight(v, False)[np.ix_(off, off)])
    return Corrected(chisq, _bias(e, np.concatenate(pairs), weights))


def _bias(e: Estimate, pairs: NDArray[np.bool_], weights: list[Array]) -> float:
    """tr(R' V R Gamma) over the correlations of all groups, R = I - D inv(E) D' W."""
    from scipy.linalg import block_diag

    shares, gammas, least, jacobians = sandwich_parts(e)
    w = block_diag(*(f * (np.diag(x) if x.ndim == 1 else x) for f, x in zip(shares, least, strict=True)))
    gamma = block_diag(*(g / f for f, g in zip(shares, gammas, strict=True)))
    cut = np.ix_(pairs, pairs)
    d = np.vstack(jacobians)[pairs]
    rest = np.eye(len(d)) - d @ bread_expected(e) @ d.T @ w[cut]
    return float(((rest.T @ block_diag(*weights) @ rest) * gamma[cut].T).sum())
