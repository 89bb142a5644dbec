"""A structural model as matrices, its moments, and how they move with every parameter.

All variables of a block, observed first, follow v = m + A v + e with cov(e) = S (reticular action model of McArdle
and McDonald 1984). With T = inv(I - A), C = T S T' and mu = T m, every derivative has rank two:

    dC = a b' + b a',   dmu = c a,

    parameter           a         b                          c
    A[i, j]             T[:, i]   C[:, j]                    mu[j]
    S[i, j]             T[:, i]   T[:, j], half if i = j     0
    m[i]                T[:, i]   0                          1

so that gradients, information matrices and even second derivatives need only products of p x k matrices. All
functions take stacks of values (..., rows), which is how bootstrap replicates are fitted together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .table import Entry, Table

Array = NDArray[Any]
Index = NDArray[np.intp]

__all__ = [
    "Block", "Moved", "Products", "State", "compile_block", "curvature", "gather", "gather_square", "move",
    "state",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Block:
    """One group (or level of it) of a model, ready for computation.

    Attributes
    ----------
    names : tuple of str
        Observed variables first.
    p : int
        Number of observed ones.
    directed, undirected, means : tuple of ndarray
        (to, from, entry), (i, j, entry) and (i, entry) of every cell with an entry of the table.
    to, source : ndarray of shape (k,)
        Cells of the parameters of interest: directed, then undirected, then means.
    rows, columns : ndarray of shape (k,)
        Their entries, and their places among the distinct free parameters.
    half : ndarray of shape (ku,)
        0.5 for variances.
    select : ndarray of shape (k, q)
        One-hot map to the distinct free parameters.
    identity : bool
        Whether that is the identity.
    depth : int or None
        Arrows in the longest chain of effects; None if there is a circle.
    """

    names: tuple[str, ...]
    p: int
    directed: tuple[Index, Index, Index]
    undirected: tuple[Index, Index, Index]
    means: tuple[Index, Index]
    to: Index
    source: Index
    rows: Index
    columns: Index
    counts: tuple[int, int, int]
    half: Array
    select: Array
    identity: bool
    depth: int | None

    @property
    def v(self) -> int:
        """Number of variables."""
        return len(self.names)


class State(NamedTuple):
    """Total effects, covariances and means of all variables of a block."""

    total: Array
    cov: Array
    mean: Array


class Moved(NamedTuple):
    """Derivatives of the moments by every parameter: a b' + b a' of the covariances, a shift of the means.

    Attributes
    ----------
    pairs : ndarray of shape (..., v, 2 k)
        The vectors a of all parameters, then the vectors b.
    shift : ndarray of shape (..., k)
    """

    pairs: Array
    shift: Array

    @property
    def left(self) -> Array:
        """Vectors a, (..., v, k)."""
        return self.pairs[..., : self.shift.shape[-1]]

    @property
    def right(self) -> Array:
        """Vectors b, (..., v, k)."""
        return self.pairs[..., self.shift.shape[-1] :]


class Products(NamedTuple):
    """Products a' V a, b' V b and a' V b of the vectors of all derivatives of one block, (..., k, k)."""

    aa: Array
    bb: Array
    ab: Array

    @classmethod
    def of(cls, pairs: Array, v: Array) -> Products:
        """Multiply rows (..., p, 2 k) of :attr:`Moved.pairs` by a symmetric V (..., p, p)."""
        k = pairs.shape[-1] // 2
        vp, turned = v @ pairs, np.swapaxes(pairs, -1, -2)
        first = turned[..., :k, :] @ vp
        return cls(first[..., :k], turned[..., k:, :] @ vp[..., k:], first[..., k:])

    def information(self, shift: Array | None) -> Array:
        """Expected normal-theory information of one observation, V the inverse covariance."""
        out = self.aa * self.bb
        out += self.ab * np.swapaxes(self.ab, -1, -2)
        if shift is not None:
            out += self.aa * (shift[..., :, None] * shift[..., None, :])
        return out


def compile_block(table: Table, number: int) -> Block:
    """Turn the entries of a block into index arrays.

    Parameters
    ----------
    table : Table
    number : int
        Block, from 0.

    Returns
    -------
    Block
    """
    role = table.roles[number]
    names = (*role.observed, *role.latent)
    place = {n: i for i, n in enumerate(names)}
    mine = table.block(number)
    cells = [(i, c) for i in mine if (c := _cell(table.entries[i], place)) is not None]
    pick = {k: [(c[1], c[2], i) for i, c in cells if c[0] == k] for k in (0, 1, 2)}
    arrays = {k: np.array(v, dtype=np.intp).reshape(-1, 3).T for k, v in pick.items()}
    wanted = sorted((c[0], c[1], c[2], i, int(table.index[i])) for i, c in cells if table.index[i] >= 0)
    wanted.sort(key=lambda w: (w[0], w[4]))
    kind, to, source, rows, columns = (
        np.array(x, dtype=np.intp) for x in (zip(*wanted, strict=True) if wanted else [[]] * 5)
    )
    und = kind == 1
    q = table.size
    select = np.zeros((len(rows), q))
    select[np.arange(len(rows)), columns] = 1.0
    return Block(
        names=names,
        p=len(role.observed),
        directed=(arrays[0][0], arrays[0][1], arrays[0][2]),
        undirected=(arrays[1][0], arrays[1][1], arrays[1][2]),
        means=(arrays[2][0], arrays[2][2]),
        to=to,
        source=source,
        rows=rows,
        columns=columns,
        counts=(int((kind == 0).sum()), int(und.sum()), int((kind == 2).sum())),
        half=np.where(to[und] == source[und], 0.5, 1.0),
        select=select,
        identity=len(columns) == q and bool((columns == np.arange(q)).all()),
        depth=_depth(arrays[0][0], arrays[0][1], len(names)),
    )


def _depth(to: Index, source: Index, v: int) -> int | None:
    """Arrows in the longest chain, None for a circle."""
    level = np.zeros(v, dtype=np.intp)
    for _ in range(v + 1):
        before = level.copy()
        np.maximum.at(level, to, before[source] + 1)
        if (level == before).all():
            return int(level.max(initial=0))
    return None


def _cell(e: Entry, place: dict[str, int]) -> tuple[int, int, int] | None:
    """Matrix (0 A, 1 S, 2 m) and cell of an entry; None if it lies elsewhere."""
    if e.op == "=~":
        return 0, place[e.rhs], place[e.lhs]
    if e.op == "~":
        return 0, place[e.lhs], place[e.rhs]
    if e.op == "<~":
        return 0, place[e.lhs], place[e.rhs]
    if e.op == "~~":
        i, j = place[e.lhs], place[e.rhs]
        return 1, i, j
    if e.op == "~1":
        return 2, place[e.lhs], 0
    return None


def state(block: Block, values: Array, spread: Array | None = None) -> State:
    """Moments of all variables.

    Parameters
    ----------
    block : Block
    values : ndarray of shape (..., rows)
        A number for every entry of the table.
    spread : ndarray of shape (..., v), optional
        Added to the residual variances.

    Returns
    -------
    State
    """
    lead, v = values.shape[:-1], block.v
    effects = np.zeros((*lead, v, v), values.dtype)
    to, source, rows = block.directed
    effects[..., to, source] = values[..., rows]
    residual = np.zeros((*lead, v, v), values.dtype)
    i, j, rows = block.undirected
    residual[..., i, j] = residual[..., j, i] = values[..., rows]
    if spread is not None:
        own = np.arange(v)
        residual[..., own, own] += spread
    total = _total(effects, block.depth)
    cov = total @ residual @ np.swapaxes(total, -1, -2)
    mean = np.zeros((*lead, v), values.dtype)
    i, rows = block.means
    mean[..., i] = values[..., rows]
    return State(total, cov, (total @ mean[..., None])[..., 0] if len(i) else mean)


def _total(effects: Array, depth: int | None) -> Array:
    """Return inv(I - A), which is (I + A)(I + A^2)(I + A^4) ... where chains of effects end."""
    one = np.eye(effects.shape[-1])
    if depth is None:
        return np.linalg.inv(one - effects)
    out, reach = one + effects, 1
    while reach < depth:
        effects = effects @ effects
        out = out + out @ effects
        reach = 2 * reach + 1
    return out


def move(block: Block, s: State) -> Moved:
    """Derivatives of the moments with respect to the parameters of interest."""
    nd, nu, _ = block.counts
    k = len(block.to)
    pairs = np.zeros((*s.total.shape[:-1], 2 * k), s.total.dtype)
    pairs[..., :k] = s.total[..., :, block.to]
    pairs[..., k : k + nd] = s.cov[..., :, block.source[:nd]]
    pairs[..., k + nd : k + nd + nu] = s.total[..., :, block.source[nd : nd + nu]] * block.half
    shift = np.zeros((*s.mean.shape[:-1], k), s.total.dtype)
    shift[..., :nd] = s.mean[..., block.source[:nd]]
    shift[..., nd + nu :] = 1.0
    return Moved(pairs, shift)


def curvature(block: Block, s: State, m: Moved, by_cov: Products, by_mean: Array | None = None) -> Array:
    """Sum of w * d2 sigma + u * d2 mu over the moments, (..., k, k), for one block.

    Parameters
    ----------
    block : Block
    s, m : State and Moved
    by_cov : Products
        With the symmetric weights w (..., p, p) of the covariances.
    by_mean : ndarray of shape (..., p), optional
        The weights u of the means; by default none.
    """
    nd = block.counts[0]
    ll, rl = by_cov.aa[..., :nd], 2 * np.swapaxes(by_cov.ab, -1, -2)[..., :nd]
    if by_mean is not None:
        rl += m.shift[..., :, None] * (by_mean[..., None, :] @ m.left[..., : block.p, :nd])
    reach = block.source[:nd]  # [l, k] = a_k[source_l], b_k[source_l]
    first = np.swapaxes(m.left[..., reach, :], -1, -2) * rl
    out = np.zeros((*first.shape[:-1], first.shape[-2]), first.dtype)
    out[..., :nd] = first + 2 * ll * np.swapaxes(m.right[..., reach, :], -1, -2)
    out[..., :nd, :nd] += np.swapaxes(first[..., :nd, :], -1, -2)
    out[..., :nd, nd:] = np.swapaxes(out[..., nd:, :nd], -1, -2)
    return out


def gather(block: Block, gradient: Array) -> Array:
    """Add up a gradient (..., k) of cells over the distinct free parameters, (..., q)."""
    return gradient if block.identity else gradient @ block.select


def gather_square(block: Block, matrix: Array) -> Array:
    """Add up a matrix (..., k, k) of cells over the distinct free parameters, (..., q, q)."""
    return matrix if block.identity else block.select.T @ matrix @ block.select
