"""The PLS path modelling algorithm: moment matrices in, weights and structural estimates out.

Every function takes stacks of matrices, ``(b, p, p)`` for the items and ``(b, j, j)`` for the constructs, so a
point estimate (b = 1), a bootstrap (b = replicates) and a study of many companies (b = companies) are the same
computation. Nothing here knows names, frames or files.

Sources: Wold (1982); Lohmöller (1989), ch. 2, for modes and inner weighting schemes; Dijkstra and Henseler
(2015), MIS Quarterly 39(2), eqs. 2-5, for the correction of consistent PLS.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Scheme = Literal["path", "factorial", "centroid", "gsca"]

SINGULAR = 1e10  # a variance inflation factor beyond this is rounding error: the predictors determine one another


@dataclass(frozen=True, eq=False)
class Equations:
    """Index arrays of the structural equations: those with one predictor apart, the others padded to one size.

    Attributes
    ----------
    simple : ndarray of shape (j, j)
        1 where an equation has this one predictor.
    y : ndarray of shape (e,)
        Outcomes of the others.
    x : ndarray of shape (e, k)
        Their predictors; filled up with 0.
    used : ndarray of shape (e, k)
        Which entries of `x` are predictors and not filling.
    """

    simple: Array
    y: NDArray[np.intp]
    x: NDArray[np.intp]
    used: NDArray[np.bool_]

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "real", self.used[:, :, None] & self.used[:, None, :])
        put(self, "padding", np.eye(self.x.shape[1]) * ~self.used[:, :, None])
        j = len(self.simple)  # places in a matrix read line by line
        put(self, "among", self.x[:, :, None] * j + self.x[:, None, :])
        put(self, "toward", self.y[:, None] * j + self.x)
        put(self, "at", self.toward[self.used])

    real: NDArray[np.bool_] = field(init=False)
    padding: Array = field(init=False)
    among: NDArray[np.intp] = field(init=False)
    toward: NDArray[np.intp] = field(init=False)
    at: NDArray[np.intp] = field(init=False)

    @classmethod
    def of(cls, arrows: Array) -> Equations:
        """Read the equations off an adjacency matrix [outcome, predictor]."""
        count = (arrows > 0).sum(axis=1)
        simple = (arrows > 0) * (count == 1.0)[:, None]
        y = np.flatnonzero(count > 1)
        used = np.arange(count.max(initial=0))[None, :] < count[y, None]
        x = np.zeros(used.shape, dtype=np.intp)
        x[used] = np.nonzero(arrows[y] > 0)[1]
        return cls(simple.astype(float), y, x, used)


@dataclass(frozen=True, eq=False)
class Design:
    """A model as arrays: which item belongs to which construct, and who predicts whom.

    Parameters
    ----------
    mask : ndarray of shape (p, j)
        1 where an item belongs to a construct.
    arrows : ndarray of shape (j, j)
        1 where the column's construct predicts the row's construct.
    mode_b : ndarray of shape (j,)
        Constructs whose weights are regression weights (Mode B); the others are Mode A.
    scheme : {"path", "factorial", "centroid", "gsca"}
        How neighbouring constructs are weighted in the inner approximation, or GSCA in place of it.
    standardize : bool
        Whether items are brought to unit variance before anything else.
    corrected : ndarray of shape (j,)
        Constructs to correct for attenuation (consistent PLS).
    repeated : ndarray of shape (j,), optional
        Higher-order constructs measured by the items of their dimensions once more; by default none.
    """

    mask: Array
    arrows: Array
    mode_b: NDArray[np.bool_]
    scheme: Scheme
    standardize: bool
    corrected: NDArray[np.bool_]
    repeated: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    blocks: tuple[NDArray[np.intp], ...] = field(init=False)
    size: Array = field(init=False)
    depth: int = field(init=False)
    equations: Equations = field(init=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        if not len(self.repeated):
            put(self, "repeated", np.zeros(self.mask.shape[1], dtype=bool))
        put(self, "blocks", tuple(np.flatnonzero(column) for column in self.mask.T))
        put(self, "size", self.mask.sum(axis=0))
        put(self, "depth", _longest_path(self.arrows))
        put(self, "equations", Equations.of(self.arrows))

    @property
    def echo(self) -> NDArray[np.bool_]:
        """Constructs predicted by their own items in another arrangement (repeated indicators)."""
        shared = (self.mask.T @ self.mask > 0) & (self.repeated[:, None] | self.repeated)
        return np.asarray(((self.arrows > 0) & shared).any(axis=1))


@dataclass(frozen=True, eq=False)
class Estimate:
    """What the algorithm found, one line of every array per moment matrix.

    Attributes
    ----------
    cov : ndarray of shape (b, p, p)
        Covariances of the items as the algorithm used them (correlations if standardised).
    sd : ndarray of shape (b, p)
        Standard deviations of the raw items.
    weights : ndarray of shape (b, p, j)
        Outer weights; they turn items, standardised if the design says so, into unit-variance scores.
    item_construct : ndarray of shape (b, p, j)
        Correlations of items with scores (cross loadings).
    scores_cor : ndarray of shape (b, j, j)
        Correlations of the scores.
    rho_a : ndarray of shape (b, j)
        Reliability of Dijkstra and Henseler; 1 for Mode B and for single items.
    cor : ndarray of shape (b, j, j)
        Correlations of the constructs: those of the scores, or disattenuated ones for consistent PLS.
    paths : ndarray of shape (b, j, j)
        Standardised path coefficients, [outcome, predictor].
    r2 : ndarray of shape (b, j)
        NaN for exogenous constructs.
    f2 : ndarray of shape (b, j, j)
        Effect size of each predictor with the other scores held fixed, [outcome, predictor]; NaN elsewhere.
    vif : ndarray of shape (b, j, j)
        Variance inflation factor of each predictor's score in its equation; NaN elsewhere.
    flipped : ndarray of shape (b,)
        Lines in which `toward` turned the sign of a construct.
    converged : ndarray of shape (b,)
    iterations : ndarray of shape (b,)
    item_weights : ndarray of shape (b, items, j)
        Weights of raw observed items that give the scores; after several stages `weights` refer to the columns of the
        last one.
    first : Estimate or None
        The first stage of a model with higher-order constructs.
    transform : ndarray of shape (b, c, columns) or None
        How the columns of the last stage arise from items and products.
    """

    cov: Array
    sd: Array
    weights: Array
    item_construct: Array
    scores_cor: Array
    rho_a: Array
    cor: Array
    paths: Array
    r2: Array
    f2: Array
    vif: Array
    flipped: NDArray[np.bool_]
    converged: NDArray[np.bool_]
    iterations: NDArray[np.intp]
    item_weights: Array
    first: Estimate | None = None
    transform: Array | None = None


def estimate(
    cov: Array, design: Design, *, tolerance: float = 1e-10, max_iter: int = 300, toward: Array | None = None
) -> Estimate:
    """Run the algorithm on a stack of covariance matrices.

    Parameters
    ----------
    cov : ndarray of shape (b, p, p)
        Covariances of the raw items.
    design : Design
    tolerance : float, default 1e-10
        Stop when the weights of standardised items change by less than this in total.
    max_iter : int, default 300
        Iterations after which a line counts as not converged.
    toward : ndarray of shape (p, j), optional
        Direction for the signs: every score correlates positively with the score that these weights would
        give. Without it the loadings of each construct have a positive sum.

    Returns
    -------
    Estimate
        Lines whose moments are unusable hold NaN and ``converged`` false.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        weights, converged, iterations = outer_weights(analysed(cov, design), design, tolerance, max_iter)
    return conclude(cov, weights, converged, iterations, design, toward)


def analysed(cov: Array, design: Design) -> Array:
    """Correlations of the items, or their covariances if the design keeps their metric."""
    if not design.standardize:
        return cov
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        sd = np.sqrt(np.diagonal(cov, axis1=1, axis2=2))
        return cov / (sd[:, :, None] * sd[:, None, :])


def conclude(
    cov: Array,
    weights: Array,
    converged: NDArray[np.bool_],
    iterations: NDArray[np.intp],
    design: Design,
    toward: Array | None = None,
    reliability: Array | None = None,
) -> Estimate:
    """Everything that follows from outer weights.

    Parameters
    ----------
    cov : ndarray of shape (b, p, p)
        Covariances of the raw items.
    weights : ndarray of shape (b, p, j)
        For items as analysed, giving unit-variance scores.
    converged, iterations : ndarray of shape (b,)
    design : Design
    toward : ndarray of shape (p, j), optional
        As for :func:`estimate`.
    reliability : ndarray of shape (b, j), optional
        Reliabilities of composites of corrected constructs; NaN for all others.

    Returns
    -------
    Estimate
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        sd = np.sqrt(np.diagonal(cov, axis1=1, axis2=2))
        s = analysed(cov, design)
        unit = np.ones_like(sd) if design.standardize else sd
        item_construct = (s @ weights) / unit[:, :, None]
        natural = np.where((item_construct * design.mask).sum(axis=1) < 0, -1.0, 1.0)
        sign = natural
        if toward is not None:
            sign = np.where((item_construct * unit[:, :, None] * toward).sum(axis=1) < 0, -1.0, 1.0)
        weights, item_construct = weights * sign[:, None, :], item_construct * sign[:, None, :]
        scores_cor = _symmetric_unit(np.swapaxes(weights * unit[:, :, None], 1, 2) @ item_construct)
        rho_a = reliability_a(s, weights, unit, design)
        rho = np.where(design.corrected, rho_a, 1.0)
        if reliability is not None:
            known = ~np.isnan(reliability)
            rho_a, rho = np.where(known, reliability, rho_a), np.where(known, reliability, rho)
        cor = scores_cor
        if design.corrected.any() or reliability is not None:
            cor = _symmetric_unit(scores_cor / np.sqrt(rho[:, :, None] * rho[:, None, :]))
        paths, r2, inflation = structural(cor, design)
        left = np.where(np.abs(1 - r2) < 1e-12, np.nan, 1 - r2)  # where nothing is left, no effect has a size
        f2 = paths**2 / inflation / left[:, :, None]
        vif = structural(scores_cor, design)[2] if cor is not scores_cor else inflation
    return Estimate(
        cov=s,
        sd=sd,
        weights=weights,
        item_construct=item_construct,
        scores_cor=scores_cor,
        rho_a=rho_a,
        cor=cor,
        paths=paths,
        r2=r2,
        f2=f2,
        vif=vif,
        flipped=(sign != natural).any(axis=1),
        converged=converged,
        iterations=iterations,
        item_weights=weights / sd[:, :, None] if design.standardize else weights,
    )


def outer_weights(
    s: Array, design: Design, tolerance: float, max_iter: int, start: Array | None = None
) -> tuple[Array, NDArray[np.bool_], NDArray[np.intp]]:
    """Iterate inner and outer approximation until the weights settle (Lohmöller 1989, table 2.1).

    Returns the weights (b, p, j) scaled to unit-variance scores, who converged, and after how many steps. `start` (b, p, j)
    are weights to begin with, for a solution that is nearly known; by default all are equal.
    """
    if design.scheme == "gsca":
        from .gsca import gsca_weights

        return gsca_weights(s, design, tolerance, max_iter, start)
    b = len(s)
    scale = np.sqrt(np.diagonal(s, axis1=1, axis2=2))
    mode_b = [(j, design.blocks[j], _inverse(s, design.blocks[j])) for j in np.flatnonzero(design.mode_b)]
    single = np.flatnonzero(design.size == 1)
    single_item = np.array([design.blocks[j][0] for j in single], dtype=np.intp)
    weights = np.full((b, *design.mask.shape), np.nan)
    steps = np.full(b, max_iter)
    converged = np.zeros(b, dtype=bool)
    live = np.flatnonzero(np.isfinite(s).all(axis=(1, 2)) & (scale > 0).all(axis=1))
    if not len(live):
        return weights, converged, steps
    if len(live) < b:
        s, scale, mode_b = s[live], scale[live], [(j, k, inv[live]) for j, k, inv in mode_b]
    first = np.broadcast_to(design.mask, (b, *design.mask.shape)) if start is None else start
    w, sw = unit_variance(s, first[live])
    for step in range(1, max_iter + 1):
        cor = np.swapaxes(w, 1, 2) @ sw
        new = (sw @ inner_weights(cor, design)) * design.mask
        for j, block, inverse in mode_b:
            new[:, block, j] = (inverse @ new[:, block, j, None])[..., 0]
        new[:, single_item, single] = 1.0  # whatever the neighbours say, even nothing
        new, sw = unit_variance(s, new)
        change = (np.abs(new - w) * scale[:, :, None]).sum(axis=(1, 2))
        w = new
        done = change < tolerance
        stop = done | ~np.isfinite(change)
        if stop.any():
            weights[live[stop]], steps[live[stop]], converged[live[stop]] = w[stop], step, done[stop]
            go = ~stop
            if not go.any():
                return weights, converged, steps
            live, s, scale, w, sw = live[go], s[go], scale[go], w[go], sw[go]
            mode_b = [(j, k, inv[go]) for j, k, inv in mode_b]
    weights[live] = w
    return weights, converged, steps


def inner_weights(cor: Array, design: Design) -> Array:
    """Weights of the neighbours in each construct's inner estimate, [neighbour, construct].

    Centroid: sign of the correlation. Factorial: the correlation. Path: the correlation for the constructs
    that follow, the regression coefficient for those that precede (Lohmöller 1989, eq. 2.14-2.16).
    """
    if design.scheme == "path":
        paths, _ = regressions(cor, design)
        return np.swapaxes(paths, 1, 2) + cor * design.arrows
    neighbours = design.arrows + design.arrows.T
    return (np.sign(cor) if design.scheme == "centroid" else cor) * neighbours


def structural(cor: Array, design: Design) -> tuple[Array, Array, Array]:
    """Least squares of each construct on its predictors, from the correlations of the constructs.

    Returns paths (b, j, j) [outcome, predictor], R² (b, j) and the predictors' variance inflation factors
    (b, j, j), the diagonal of the inverse of their correlation matrix.
    """
    paths, inverse_diagonal = regressions(cor, design, vif=True)
    r2 = (paths * cor).sum(axis=2)
    r2[:, design.arrows.sum(axis=1) == 0] = np.nan
    return paths, r2, np.where(design.arrows > 0, inverse_diagonal, np.nan)


def total_effects(paths: Array, depth: int) -> Array:
    """Direct plus indirect effects: the sum of the powers of the path matrix, (I - B)^-1 - I."""
    total, power = paths, paths
    for _ in range(depth - 1):
        power = power @ paths
        total = total + power
    return total


def reliability_a(s: Array, weights: Array, unit: Array, design: Design) -> Array:
    """Reliability rho_A of the scores (Dijkstra and Henseler 2015, eq. 3), 1 for Mode B and single items.

    rho_A = (w'w)² · w'(S - diag S)w / w'(ww' - diag ww')w, with S the correlations of the items of a block.
    """
    w = weights * unit[:, :, None]
    r = s / (unit[:, :, None] * unit[:, None, :])
    ww = (w**2).sum(axis=1)
    off_s = (w * (r @ w)).sum(axis=1) - ww
    off_w = ww**2 - (w**4).sum(axis=1)
    single = (design.size == 1) | design.mode_b
    return np.where(single, 1.0, ww**2 * off_s / np.where(single, 1.0, off_w))


def singular(est: Estimate, design: Design) -> NDArray[np.bool_]:
    """Say which lines (b,) regress on predictors that determine one another: their inflation is no number from 1 up."""
    wrong = ~((est.vif > 0.5) & (est.vif < SINGULAR)) & (design.arrows > 0)
    return np.asarray(wrong.any(axis=(1, 2)))


def regressions(cor: Array, design: Design, vif: bool = False) -> tuple[Array, Array]:
    """Coefficients of every equation, and on request the diagonal of each inverse, [outcome, predictor].

    The equations are padded to one size with unit rows, so that one call solves them all.
    """
    eq, b = design.equations, len(cor)
    paths, diagonal = cor * eq.simple, np.ones_like(cor) if vif else cor
    if not len(eq.y):
        return paths, diagonal
    flat = cor.reshape(b, -1)
    a = flat.take(eq.among, axis=1) * eq.real + eq.padding
    c = flat.take(eq.toward, axis=1) * eq.used
    if vif:
        inverse = solve(a, np.eye(a.shape[-1]))
        coefficients = (inverse @ c[..., None])[..., 0]
        diagonal.reshape(b, -1)[:, eq.at] = np.diagonal(inverse, axis1=-2, axis2=-1)[:, eq.used]
    else:
        coefficients = solve(a, c[..., None])[..., 0]
    paths.reshape(b, -1)[:, eq.at] = coefficients[:, eq.used]
    return paths, diagonal


def solve(a: Array, b: Array) -> Array:
    """Solve a x = b for stacks of positive definite matrices; a singular one gives inf or NaN in its place.

    LAPACK is called once per matrix, which for the 2 to 10 predictors of a path model costs more than the
    arithmetic. Large stacks are therefore eliminated all at once, the stack along the last axis.
    """
    k, stack = a.shape[-1], a.shape[:-2]
    size = prod(stack)
    if size < 64:
        return _solve_each(a, b)
    b = np.broadcast_to(b, (*stack, *b.shape[-2:]))
    work = np.empty((k, k + b.shape[-1], size))
    work[:, :k] = a.reshape(size, k, k).transpose(1, 2, 0)
    work[:, k:] = b.reshape(size, k, -1).transpose(1, 2, 0)
    for i in range(k):
        work[i] /= work[i, i].copy()
        factor = work[:, i : i + 1].copy()
        factor[i] = 0.0
        work[:, i:] -= factor * work[i, i:]
    return work[:, k:].transpose(2, 0, 1).reshape(b.shape)


def _solve_each(a: Array, b: Array) -> Array:
    """Solve by LAPACK."""
    try:
        return np.asarray(np.linalg.solve(a, b), dtype=float)
    except np.linalg.LinAlgError:
        if a.ndim == 2:
            return np.full(b.shape, np.nan)
        b = np.broadcast_to(b, (*a.shape[:-2], *b.shape[-2:]))
        return np.stack([_solve_each(x, y) for x, y in zip(a, b, strict=True)])


def _inverse(s: Array, block: NDArray[np.intp]) -> Array:
    """Inverse of one block of each matrix in the stack."""
    return solve(s[:, block[:, None], block], np.eye(len(block)))


def inverse_diagonal(s: Array, block: NDArray[np.intp]) -> Array:
    """Diagonal of the inverse of one block of each matrix: variance inflation factors if correlations."""
    return np.diagonal(_inverse(s, block), axis1=1, axis2=2)


def unit_variance(s: Array, w: Array) -> tuple[Array, Array]:
    """Scale weights to unit-variance scores; return them and the covariances of items with scores."""
    sw = s @ w
    norm = np.sqrt((w * sw).sum(axis=1, keepdims=True))
    return w / norm, sw / norm


def _symmetric_unit(c: Array) -> Array:
    """Make a stack of correlation matrices exactly symmetric with ones on the diagonal."""
    c = (c + np.swapaxes(c, 1, 2)) / 2
    j = np.arange(c.shape[-1])
    c[:, j, j] = 1.0
    return c


def _longest_path(arrows: Array) -> int:
    """Number of arrows on the longest way through an acyclic model."""
    depth, power = 0, arrows > 0
    while power.any():
        depth, power = depth + 1, (power.astype(float) @ arrows) > 0
        if depth > len(arrows):
            raise ValueError("the arrows form a cycle")
    return depth
