"""What is unusual about a point estimate: what the reader must know before using it."""

from __future__ import annotations

import numpy as np

from ..errors import ConvergenceWarning, CxWarning, DataWarning, ImproperSolutionWarning, listed
from . import kernel
from .assessment import loadings
from .layout import Layout


def diagnose(
    est: kernel.Estimate, design: kernel.Design, layout: Layout, missing: str, only: tuple[str, ...] = ()
) -> list[tuple[type[CxWarning], str]]:
    """Name what is unusual about the point estimate of one stage, or of some of its constructs."""
    events: list[tuple[type[CxWarning], str]] = []
    items, constructs = layout.items, layout.constructs
    if not est.converged[0]:
        events.append(
            (
                ConvergenceWarning,
                f"The weights had not settled after {est.iterations[0]} iterations; read nothing into them.",
            )
        )
    sd = np.sqrt(np.diagonal(est.cov[0]))
    r = est.cov[0] / np.outer(sd, sd)
    listed_here = [not only or name in only for name in constructs]
    mode_a = listed_here & ~design.mode_b & np.array([":" not in name for name in constructs])
    if _nearly_singular(r):
        events += [(DataWarning, m) for m in _collinear(r, design, layout, mode_a)]
    for i, j in np.argwhere((est.item_construct[0] < 0) & (design.mask > 0) & mode_a):
        text = f"Item '{items[i]}' loads negatively ({est.item_construct[0, i, j]:.2f}) on '{constructs[j]}'; "
        events.append((DataWarning, text + "if its scale is reversed, say so in the codebook."))
    if missing == "pairwise" and np.linalg.eigvalsh(r)[0] < -1e-10:
        events.append((ImproperSolutionWarning, "The pairwise correlations of the items are not positive definite."))
    if design.corrected.any():
        events += [(ImproperSolutionWarning, m) for m in _improper(est, design, constructs)]
    return events


def _nearly_singular(r: np.ndarray) -> bool:
    """Whether some items may determine one another: a quick look that spares most models the eigenvalues."""
    try:
        return bool(np.diagonal(np.linalg.cholesky(r)).min() < 1e-4)
    except np.linalg.LinAlgError:
        return True


def _collinear(r: np.ndarray, design: kernel.Design, layout: Layout, mode_a: np.ndarray) -> list[str]:
    """Mode A constructs with items that determine one another."""
    out = []
    for j in np.flatnonzero(mode_a):
        block = design.blocks[j]
        values, vectors = np.linalg.eigh(r[np.ix_(block, block)])
        if values[0] < 1e-9:
            involved = [layout.items[i] for i in block[np.abs(vectors[:, 0]) > 1e-4]]
            out.append(f"Items {listed(involved)} of '{layout.constructs[j]}' are collinear.")
    return out


def _improper(est: kernel.Estimate, design: kernel.Design, constructs: tuple[str, ...]) -> list[str]:
    """What consistent PLS must not give: reliabilities, correlations, loadings or R² out of range."""
    out = []
    for j in np.flatnonzero(design.corrected & ~((est.rho_a[0] > 0) & (est.rho_a[0] <= 1))):
        out.append(f"The reliability rho_A of '{constructs[j]}' is {est.rho_a[0, j]:.3f}, outside 0-1.")
    if design.repeated.any():  # correlations of constructs that share items are only a step on the way
        return out
    if (high := np.argwhere(np.triu(np.abs(est.cor[0]) > 1 + 1e-12, 1))).size:
        a, b = high[0]
        out.append(f"The corrected correlation of '{constructs[a]}' and '{constructs[b]}' is {est.cor[0, a, b]:.3f}.")
    if (over := np.flatnonzero(est.r2[0] > 1)).size:
        out.append(f"The corrected R² of '{constructs[over[0]]}' is {est.r2[0, over[0]]:.3f}, above 1.")
    if (np.abs(loadings(est, design)[0]) > 1 + 1e-12).any():
        out.append("A corrected loading exceeds 1.")
    return out
