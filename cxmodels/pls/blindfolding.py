"""Blindfolding: Stone and Geisser's Q² from answers left out one distance apart.

Sources: Stone (1974), Geisser (1974); Tenenhaus, Esposito Vinzi, Chatelin and Lauro (2005), Computational Statistics &
Data Analysis 48(1), sec. 5, for PLS path models; Shmueli, Ray, Velasquez Estrada and Chatla (2016), Journal of Business
Research 69(10), for what is wrong with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import EstimationError, SpecError
from ..moments import WeightedMoments
from ..resampling import whole_number
from .kernel import Array, Estimate
from .prediction import item_loadings, membership

if TYPE_CHECKING:
    from .result import PLSResult


def blindfold(result: PLSResult, distance: int) -> pd.DataFrame:
    """Q² of every construct; see :meth:`PLSResult.blindfolding`."""
    spec, design, plan = result.spec, result.layout.design, result.spec.plan
    n = result.n_obs
    if not 2 <= whole_number("distance", distance) < n:
        raise SpecError(f"distance must lie between 2 and the {n} rows less one, not {distance}.")
    if n % distance == 0:
        raise SpecError(
            f"distance={distance} divides the {n} rows evenly, so every item would lose the same rows; choose a "
            f"number that does not, such as {_free(n, distance)}."
        )
    g = np.ones(n) if result.case_weights is None else result.case_weights
    rows = []
    member = membership(result)
    for j, name in enumerate(result.linear):
        if design.mode_b[j]:
            continue
        block = np.flatnonzero(member[:, j])
        sse, sso = np.zeros(2), 0.0
        for start in range(distance):
            out = _omitted(n, len(block), distance, start)
            holes = result.x.copy()
            holes[:, block] = np.where(out, np.nan, holes[:, block])
            moments = WeightedMoments(plan.extend(holes), "mean")
            means, cov = moments(g[None])
            est = plan.run(
                means, cov, moments.center, tolerance=spec.tolerance, max_iter=spec.max_iter, toward=result.estimate
            )
            if not est.converged[0]:
                raise EstimationError(
                    f"The model has no estimate without every {distance}th answer to '{name}'; use a larger distance."
                )
            sd = np.sqrt(np.diagonal(cov[0]))[block]
            error = _errors(result, est, means[0], holes, j, block, sd)
            known = out & ~np.isnan(result.x[:, block])
            w = g[:, None] * known
            truth = np.where(known, result.x[:, block], 0.0)
            # standardised, so that items on a wide scale do not outweigh the others
            sso += (w * ((truth - means[0, block]) / sd) ** 2).sum()
            sse += [(w * ((truth - e) / sd) ** 2).sum() for e in error]
        endogenous = design.arrows[j].any() and not design.echo[j]
        rows.append((name, 1 - sse[1] / sso if endogenous else np.nan, 1 - sse[0] / sso))
    frame = pd.DataFrame(rows, columns=["construct", "q2_redundancy", "q2_communality"]).set_index("construct")
    single = [c for c, k in zip(result.linear, member.sum(axis=0), strict=False) if k == 1 and c in frame.index]
    frame.loc[single, "q2_communality"] = np.nan  # a score that is the item itself tells nothing of it
    return frame


def _errors(
    result: PLSResult, est: Estimate, means: Array, holes: Array, j: int, block: NDArray[np.intp], sd: Array
) -> tuple[Array, Array]:
    """Predictions of a block's items from its own score (communality), and from its predictors (redundancy)."""
    plan = result.spec.plan
    table = plan.extend(holes)
    filled = np.where(np.isnan(table), means, table)
    scores = plan.scores(est, 0, filled, np.average(filled, axis=0, weights=result.case_weights))
    spread = item_loadings(result, est)[0, block, j] * sd
    own = means[block] + scores[:, [j]] * spread
    return own, means[block] + (scores @ est.paths[0, j])[:, None] * spread


def _omitted(n: int, items: int, distance: int, start: int) -> np.ndarray:
    """Answers of a block left out in one round: every distance-th, counted down one item after the other."""
    return (np.arange(n * items) % distance == start).reshape(items, n).T


def _free(n: int, distance: int) -> int:
    """Return the next distance that does not divide n."""
    return next(d for d in range(distance + 1, n) if n % d)
