"""Splitting R² among players from correlations: arrays in, arrays out.

A player is a block of columns that enters a model as a whole: one attribute, the dummies of a categorical one, or a
group. Every function takes many correlation matrices at once, so a bootstrap is one call.

All sub-models come from one sweep: a node of the tree holds the correlations that are left once its players are partialled
out; a further player either stays out (nothing to do) or is swept in (Garside 1965; Furnival and Wilson 1974). The nodes
of one level lie side by side, so a level is a few vector operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PIVOT = 1e-10  # variance left, of 1, below which a column adds nothing that is not there already
_CELLS = 1 << 17  # sub-models swept at a time: few enough for a processor's cache
_ORDERED = 1 << 20  # entries of reordered matrices held at a time
_LOW = 8  # players swept inside a block; the others span the blocks


def shapley(cor: Array, widths: Sequence[int]) -> Array:
    """Average increments of R² by the number of players already there; their mean is the Shapley value (LMG).

    Parameters
    ----------
    cor : ndarray of shape (b, q + 1, q + 1)
        Correlations (or partial covariances) of q columns and, last, the outcome.
    widths : sequence of int
        Columns of each of the p players, in order; they sum to q.

    Returns
    -------
    ndarray of shape (b, p, p)
        ``[:, i, k]``: mean increment by player i over all sub-models of k others (Azen and Budescu 2003).

    Notes
    -----
    With T[s] the sum of R² over all sub-models of s players, and A[i, s] over those that hold player i, the mean
    increment is (A[i, k + 1] - T[k] + A[i, k]) / C(p - 1, k). No table of 2^p numbers is kept.
    """
    p, b = len(widths), len(cor)
    low = min(p, _LOW)
    high = p - low
    total, member = np.zeros((p + 1, b)), np.zeros((p, p + 1, b))
    size = _sizes(low)
    by_size = (size == np.arange(low + 1)[:, None]).astype(float)
    holds = _bits(np.arange(1 << low), low).astype(bool)
    inside = (by_size[None] * holds.T[:, None]).reshape(-1, 1 << low)
    for first, left in _residuals(cor, widths):
        nodes = left.shape[1]
        bits = _bits(np.arange(first, first + nodes), high)
        up = bits.sum(axis=1)
        flat = left.reshape(1 << low, -1)
        sums = (by_size @ flat).reshape(low + 1, nodes, b)
        parts = (inside @ flat).reshape(low, low + 1, nodes, b)
        for s in np.unique(up):
            here = up == s
            at = slice(s, s + low + 1)
            total[at] += sums[:, here].sum(axis=1)
            member[high:, at] += parts[:, :, here].sum(axis=2)
            member[:high, at] += np.tensordot(bits[here].astype(float), sums[:, here], ([0], [1]))
    # What is summed is the variance left, 1 - R² of the outcome: increments have the opposite sign.
    ways = _choose(p - 1)[:, None]
    gain = (total[:-1] - member[:, :-1] - member[:, 1:]) / ways
    return np.moveaxis(gain, 2, 0)


def table(cor: Array, widths: Sequence[int]) -> Array:
    """R² of every sub-model.

    Parameters
    ----------
    cor, widths
        As for :func:`shapley`.

    Returns
    -------
    ndarray of shape (b, 2^p)
        Bit i of the place says whether player i is in.
    """
    b = len(cor)
    blocks = [left for _, left in _residuals(cor, widths)]
    left = np.concatenate(blocks, axis=1).reshape(1 << len(widths), b)
    return np.ascontiguousarray(cor[:, -1, -1][:, None] - left.T)


def orderings(cor: Array, widths: Sequence[int], order: NDArray[np.intp]) -> Array:
    """Increments of R² when the players enter in given orders.

    Parameters
    ----------
    cor, widths
        As for :func:`shapley`.
    order : ndarray of shape (m, p)
        Players in the order in which they enter.

    Returns
    -------
    ndarray of shape (b, m, p)
        By player.
    """
    ends = np.cumsum(widths)
    q, p = int(ends[-1]), len(widths)
    blocks = [np.arange(e - w, e) for e, w in zip(ends, widths, strict=True)]
    columns = np.stack([np.concatenate([*(blocks[i] for i in o), [q]]) for o in order])
    closes = np.cumsum(np.asarray(widths)[order], axis=1)
    regular = np.linalg.eigvalsh(cor[:, :-1, :-1])[:, 0] > 1e-7
    out = np.empty((len(cor), len(order), p))
    step = max(1, _ORDERED // (q + 1) ** 2)
    for b, one in enumerate(cor):
        reduce = _triangular if regular[b] else _swept
        for start in range(0, len(order), step):
            part = slice(start, start + step)
            gained = np.cumsum(reduce(one[columns[part, :, None], columns[part, None, :]]), axis=1)
            reached = np.take_along_axis(gained, closes[part] - 1, axis=1)
            steps = np.diff(reached, axis=1, prepend=0.0)
            np.put_along_axis(out[b, part], order[part], steps, axis=1)
    return out


def _triangular(a: Array) -> Array:
    """What each column adds to R² in the order given: the squares of the outcome's row of the Cholesky factor."""
    a[:, -1, -1] += 1.0  # keeps the last pivot away from 0 where R² is 1; the row itself does not depend on it
    return np.square(np.linalg.cholesky(a)[:, -1, :-1], dtype=np.float64)


def _swept(a: Array) -> Array:
    """The same by pivots, where columns repeat one another: those add nothing."""
    out = np.empty((len(a), a.shape[1] - 1))
    for k in range(out.shape[1]):
        left = a[:, -1, -1]
        row = a[:, 0, 1:]
        a = a[:, 1:, 1:] - row[:, :, None] * (row * _inverse(a[:, :1, 0]))[:, None, :]
        out[:, k] = left - a[:, -1, -1]
    return out


def antithetic(players: int, pairs: int, seed: int) -> NDArray[np.intp]:
    """Random orders of players, each followed by its reverse (Mitchell et al. 2022).

    Parameters
    ----------
    players, pairs : int
    seed : int

    Returns
    -------
    ndarray of shape (2 * pairs, players)
    """
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(players), (pairs, 1)), axis=1)
    return np.stack([order, order[:, ::-1]], axis=1).reshape(-1, players)


def sampled(steps: Array, order: NDArray[np.intp]) -> tuple[Array, Array, Array]:
    """Shapley values from antithetic orders, with their Monte Carlo error.

    Parameters
    ----------
    steps : ndarray of shape (b, 2 m, p)
        Increments from :func:`orderings`, or of any other game, in the order of :func:`antithetic`.
    order : ndarray of shape (2 m, p)

    Returns
    -------
    value, error : ndarray of shape (b, p)
        Mean over the pairs, and its standard error.
    conditional : ndarray of shape (b, p, p)
        Mean increment by the number of players already there; NaN where no order shows it.
    """
    b, m, p = steps.shape
    pairs = steps.reshape(b, m // 2, 2, p).mean(axis=2)
    error = pairs.std(axis=1, ddof=1) / np.sqrt(m // 2)
    place = np.argsort(order, axis=1)
    at = (place[:, :, None] == np.arange(p)).astype(float)
    with np.errstate(invalid="ignore"):
        conditional = np.einsum("bmp,mpk->bpk", steps, at) / at.sum(axis=0)
    return pairs.mean(axis=1), error, conditional


def first_and_last(cor: Array, widths: Sequence[int]) -> tuple[Array, Array]:
    """R² of each player alone, and what each adds to all others.

    Parameters
    ----------
    cor, widths
        As for :func:`shapley`.

    Returns
    -------
    first, last : ndarray of shape (b, p)
    """
    p = len(widths)
    order = np.stack(
        [np.roll(np.arange(p), -i) for i in range(p)]
    )  # player i comes first in line i, last in line i + 1
    steps = orderings(cor, widths, order)
    i = np.arange(p)
    return steps[:, i, i], steps[:, (i + 1) % p, i]


def table_shapley(worth: Array) -> Array:
    """Mean increments by number of players already there, from a table of sub-models of any game.

    Parameters
    ----------
    worth : ndarray of shape (b, 2^p)

    Returns
    -------
    ndarray of shape (b, p, p)
        As :func:`shapley`.
    """
    n = worth.shape[1]
    p = n.bit_length() - 1
    size, bits = _sizes(p), _bits(np.arange(n), p)
    by_size = (size[:, None] == np.arange(p + 1)).astype(float)
    total = worth @ by_size
    member = np.stack([worth @ (by_size * bits[:, i : i + 1]) for i in range(p)], axis=1)
    return (member[:, :, 1:] - total[:, None, :-1] + member[:, :, :-1]) / _choose(p - 1)


def complete_dominance(worth: Array, tolerance: float = 1e-12) -> Array:
    """Share of sub-models without i and j to which i adds more than j.

    Parameters
    ----------
    worth : ndarray of shape (2^p,)
    tolerance : float, default 1e-12
        Differences up to this are ties, which nobody wins.

    Returns
    -------
    ndarray of shape (p, p)
        1 means that player i completely dominates player j (Azen and Budescu 2003); 0 on the diagonal.
    """
    p = len(worth).bit_length() - 1
    out = np.zeros((p, p))
    for j in range(p):
        for i in range(j):
            cube = worth.reshape(1 << (p - 1 - j), 2, 1 << (j - i - 1), 2, 1 << i)
            edge = cube[:, 0, :, 1] - cube[:, 1, :, 0]
            out[i, j], out[j, i] = (edge > tolerance).mean(), (edge < -tolerance).mean()
    return out


def pmvd(worth: Array) -> Array:
    """Proportional marginal variance decomposition (Feldman 2005), from a table of sub-models.

    Orders are weighted by prod 1 / (v(all) - v(first k)); with f(S) the weight of all ways to reach S, and g(S) of all ways to
    go on from it, a player's part is the sum of f(S) g(S + i) times its increment: p 2^p steps in place of p! orders.

    Parameters
    ----------
    worth : ndarray of shape (b, 2^p)

    Returns
    -------
    ndarray of shape (b, p)
        NaN where a part of the players already reaches all of R², which leaves the weights undefined.
    """
    b, n = worth.shape
    p = n.bit_length() - 1
    full = n - 1
    left = worth[:, full, None] - worth
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(left > 1e-15, left, np.nan)
        scale = scale / scale[:, :1]
        scale[:, full] = 1.0
        inverse = 1.0 / scale
    size = _sizes(p)
    masks = np.arange(n)
    forward, onward = np.zeros((b, n)), np.zeros((b, n))
    forward[:, 0], onward[:, full] = 1.0, 1.0
    for s in range(p):
        here = masks[size == s]
        for i in range(p):
            without = here[(here >> i) & 1 == 0]
            forward[:, without | (1 << i)] += forward[:, without]
        reached = masks[size == s + 1]
        forward[:, reached] *= inverse[:, reached]
    for s in range(p - 1, -1, -1):
        for i in range(p):
            without = masks[(size == s) & ((masks >> i) & 1 == 0)]
            onward[:, without] += onward[:, without | (1 << i)] * inverse[:, without | (1 << i)]
    out = np.empty((b, p))
    for i in range(p):
        without = masks[(masks >> i) & 1 == 0]
        into = without | (1 << i)
        weight = forward[:, without] * inverse[:, into] * onward[:, into]
        out[:, i] = (weight * (worth[:, into] - worth[:, without])).sum(axis=1) / onward[:, 0]
    return out


def slopes(cor: Array) -> Array:
    """Standardised coefficients of all columns together; of columns that repeat one another, those of least length.

    Parameters
    ----------
    cor : ndarray of shape (b, q + 1, q + 1)

    Returns
    -------
    ndarray of shape (b, q)
    """
    values, vectors = np.linalg.eigh(cor[:, :-1, :-1])
    inverse = np.where(values > PIVOT, 1 / np.maximum(values, PIVOT), 0.0)
    turned = np.einsum("bji,bj->bi", vectors, cor[:, :-1, -1])
    return np.einsum("bij,bj->bi", vectors, inverse * turned)


def relative_weights(cor: Array) -> Array:
    """Relative weights of Johnson (2000), the same as the decomposition of Genizi (1993).

    Parameters
    ----------
    cor : ndarray of shape (b, q + 1, q + 1)

    Returns
    -------
    ndarray of shape (b, q)
        With L the symmetric root of the predictors' correlations: (L ∘ L) applied to the squares of L⁻¹ r.
    """
    root, inverse = symmetric_root(cor[:, :-1, :-1])
    beta = np.einsum("bij,bj->bi", inverse, cor[:, :-1, -1])
    return np.einsum("bij,bj->bi", root**2, beta**2)


def car_scores(cor: Array) -> Array:
    """Squared correlation-adjusted marginal correlations (Zuber and Strimmer 2011).

    Parameters
    ----------
    cor : ndarray of shape (b, q + 1, q + 1)

    Returns
    -------
    ndarray of shape (b, q)
    """
    _, inverse = symmetric_root(cor[:, :-1, :-1])
    return np.einsum("bij,bj->bi", inverse, cor[:, :-1, -1]) ** 2


def partial_out(cor: Array, count: int) -> Array:
    """Remove the first columns from all others, as controls that are in every model.

    Parameters
    ----------
    cor : ndarray of shape (b, q + 1, q + 1)
    count : int
        Columns to remove.

    Returns
    -------
    ndarray of shape (b, q + 1 - count, q + 1 - count)
        Covariances that are left; the last diagonal entry is 1 - R² of the controls.
    """
    for _ in range(count):
        row = cor[:, 0, 1:]
        cor = cor[:, 1:, 1:] - row[:, :, None] * (row * _inverse(cor[:, :1, 0]))[:, None, :]
    return cor


def symmetric_root(cor: Array) -> tuple[Array, Array]:
    """Symmetric square roots of correlation matrices, and their inverses.

    Parameters
    ----------
    cor : ndarray of shape (b, q, q)

    Returns
    -------
    root, inverse : ndarray of shape (b, q, q)
    """
    values, vectors = np.linalg.eigh(cor)
    root = np.sqrt(np.maximum(values, 0.0))
    inverse = np.where(values > PIVOT, 1 / np.maximum(root, PIVOT**0.5), 0.0)
    turn = np.swapaxes(vectors, 1, 2)
    return (vectors * root[:, None]) @ turn, (vectors * inverse[:, None]) @ turn


def inflation(cor: Array) -> Array:
    """Variance inflation factors of the columns; infinite for a column that others determine.

    Parameters
    ----------
    cor : ndarray of shape (q, q)
        Correlations of the predictors.

    Returns
    -------
    ndarray of shape (q,)
    """
    values, vectors = np.linalg.eigh(cor)
    tiny = values < PIVOT
    out = (vectors[:, ~tiny] ** 2 / values[~tiny]).sum(axis=1)
    return np.where((vectors[:, tiny] ** 2).sum(axis=1) > 1e-8, np.inf, out)


# --- the sweep ----------------------------------------------------------------------------------------------------


def _residuals(cor: Array, widths: Sequence[int]) -> Iterator[tuple[int, Array]]:
    """Yield (first node, variance of the outcome left in sub-models (2^low, nodes, b)), block by block.

    A node is a set of the first ``p - low`` players, as a bit mask; the first axis runs over the sets of the others.
    """
    b, p = len(cor), len(widths)
    low = min(p, _LOW)
    high = p - low
    upper = _store(widths, b, high)
    for i, row in enumerate(upper):
        row[:, :b] = cor[:, i, i:].T
    _sweep(upper, widths[:high], b)
    start = sum(widths[:high])
    nodes = max(1, min(1 << high, _CELLS // (b << low)))
    lower = _store(widths[high:], nodes * b, low)
    for first in range(0, 1 << high, nodes):
        for i, row in enumerate(lower):
            row[:, : nodes * b] = upper[start + i][:, first * b : (first + nodes) * b]
        _sweep(lower, widths[high:], nodes * b)
        yield first, lower[-1][0].reshape(1 << low, nodes, b)


def _store(widths: Sequence[int], cells: int, levels: int) -> list[Array]:
    """Room for the upper triangle: row i holds columns i… of every node that will exist when i is reached."""
    level = [*np.repeat(np.arange(len(widths)), widths), len(widths)]
    return [np.empty((len(level) - i, cells << min(k, levels))) for i, k in enumerate(level)]


def _sweep(rows: list[Array], widths: Sequence[int], cells: int) -> None:
    """Double the nodes once for each player: the old ones stay without it, their copies get it."""
    start = 0
    for width in widths:
        block = [rows[start + t][:, :cells] for t in range(width)]
        if width > 1:
            block = [part.copy() for part in block]
        for t, head in enumerate(block):
            inverse = _inverse(head[0])
            for s in range(t + 1, width):
                block[s] -= head[s - t :] * (head[s - t] * inverse)
            for i in range(start + width, len(rows)):
                place = i - start - t
                more = rows[i][:, cells : 2 * cells]
                before = rows[i][:, :cells] if t == 0 else more.copy()
                np.multiply(head[place:], head[place] * inverse, out=more)
                np.subtract(before, more, out=more)
        start += width
        cells *= 2


def _inverse(pivot: Array) -> Array:
    """1 / pivot; nothing where the column is a combination of those swept before."""
    return np.where(pivot > PIVOT, 1.0 / np.maximum(pivot, PIVOT), 0.0)


def _sizes(p: int) -> NDArray[np.intp]:
    """Number of players in every set of p."""
    return _bits(np.arange(1 << p), p).sum(axis=1)


def _bits(masks: NDArray[np.intp], p: int) -> NDArray[np.intp]:
    """Members of sets, (sets, p)."""
    return (masks[:, None] >> np.arange(p)) & 1


def _choose(n: int) -> Array:
    """Binomial coefficients of n."""
    out = np.ones(n + 1)
    for k in range(n):
        out[k + 1] = out[k] * (n - k) / (k + 1)
    return np.round(out)
