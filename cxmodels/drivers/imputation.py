"""Multiple imputation of answers by chained equations with predictive mean matching."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SWEEPS = 10  # passes over the columns before a completed table is kept (van Buuren 2018, sec. 4.5)
_DONORS = 5  # answers nearest in prediction, of which one is taken (van Buuren 2018, sec. 3.4)


def impute(
    x: Array, y: Array, weights: Array | None, times: int, seed: int, blocks: Sequence[Sequence[int]] | None = None
) -> list[Array]:
    """Complete a table several times.

    Every incomplete column is regressed on all others and the outcome, with coefficients drawn from their posterior;
    a blank takes the answer of one of the five rows whose prediction is nearest. Answers stay on their scale, and the
    columns of one categorical attribute come from one row.

    Parameters
    ----------
    x : ndarray of shape (n, q)
        NaN is a missing answer.
    y : ndarray of shape (n,)
        The outcome, complete; it must help to predict, or the attributes would look less important than they are.
    weights : ndarray of shape (n,), optional
    times : int
        Completed tables.
    seed : int
    blocks : sequence of sequences of int, optional
        Columns that are filled together; by default each alone.

    Returns
    -------
    list of ndarray of shape (n, q)

    Notes
    -----
    Sources: Rubin (1987); van Buuren (2018), *Flexible Imputation of Missing Data*; Little (1988) for the matching.

    Examples
    --------
    >>> x = np.array([[1.0, 2], [2, 3], [3, np.nan], [4, 5], [5, 6], [6, 7]])
    >>> bool(2 <= impute(x, x[:, 0], None, 1, 0)[0][2, 1] <= 7)
    True
    """
    blank = np.isnan(x)
    parts = [np.array(b) for b in (blocks or [[j] for j in range(x.shape[1])]) if blank[:, b[0]].any()]
    parts.sort(key=lambda b: int(blank[:, b[0]].sum()))
    root = np.ones(len(x)) if weights is None else np.sqrt(weights)
    out = []
    for child in np.random.SeedSequence(seed).spawn(times):
        rng = np.random.default_rng(child)
        full = x.copy()
        for b in parts:
            gone = blank[:, b[0]]
            full[np.ix_(gone, b)] = x[rng.choice(np.flatnonzero(~gone), int(gone.sum()))][:, b]
        for _ in range(_SWEEPS):
            for b in parts:
                gone = blank[:, b[0]]
                others = np.column_stack([np.ones(len(x)), np.delete(full, b, axis=1), y])
                full[np.ix_(gone, b)] = _matched(others, x[:, b], gone, root, rng)
        out.append(full)
    return out


def _matched(z: Array, answers: Array, blank: NDArray[np.bool_], root: Array, rng: np.random.Generator) -> Array:
    """Answers of donors for the blanks of one block."""
    seen = ~blank
    a, b = z[seen] * root[seen, None], answers[seen] * root[seen, None]
    gram = a.T @ a
    gram[np.diag_indices_from(gram)] *= 1 + 1e-8
    inverse = np.linalg.pinv(gram)
    slope = inverse @ (a.T @ b)
    free = max(int(seen.sum()) - z.shape[1], 1)
    left = b - a @ slope
    spread = _root(left.T @ left / float(rng.chisquare(free)))
    drawn: Array = slope + _root(inverse) @ rng.standard_normal(slope.shape) @ spread.T
    donors, wanted = z[seen] @ slope, z[blank] @ drawn
    near = min(_DONORS, len(donors))
    if answers.shape[1] > 1:
        return np.asarray(answers[seen][_nearest(donors, wanted, near, rng)])
    order = np.argsort(donors[:, 0], kind="stable")
    place = np.searchsorted(donors[order, 0], wanted[:, 0])
    first = np.clip(place - near // 2, 0, len(order) - near)
    return np.asarray(answers[seen][order[first + rng.integers(0, near, len(wanted))]])


def _nearest(donors: Array, wanted: Array, near: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """One of the nearest donors of each in several dimensions; among equals any."""
    from scipy.spatial import cKDTree

    apart = 1e-6 * (donors.std(axis=0) + 1e-12) * rng.standard_normal(donors.shape)
    _, places = cKDTree(donors + apart).query(wanted, k=near)
    places = np.asarray(places).reshape(len(wanted), near)
    return np.asarray(places[np.arange(len(wanted)), rng.integers(0, near, len(wanted))])


def _root(square: Any) -> Array:
    """A root R of a covariance matrix, R R' = square."""
    values, vectors = np.linalg.eigh(square)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))
