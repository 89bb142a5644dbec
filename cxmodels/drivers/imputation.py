"""Multiple imputation of answers by chained equations with predictive mean matching."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SWEEPS = 10  # passes over the columns before a completed table is kept (van Buuren 2018, sec. 4.5)
_DONORS = 5  # answers nearest in prediction, of which one is taken (van Buuren 2018, sec. 3.4)


def impute(x: Array, y: Array, weights: Array | None, times: int, seed: int) -> list[Array]:
    """Complete a table several times.

    Every incomplete column is regressed on all others and the outcome, with coefficients drawn from their posterior;
    a blank takes the answer of one of the five rows whose prediction is nearest. Answers stay on their scale.

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
    columns = np.flatnonzero(blank.any(axis=0))
    columns = columns[np.argsort(blank[:, columns].sum(axis=0), kind="stable")]
    root = np.ones(len(x)) if weights is None else np.sqrt(weights)
    out = []
    for child in np.random.SeedSequence(seed).spawn(times):
        rng = np.random.default_rng(child)
        full = x.copy()
        for j in columns:
            full[blank[:, j], j] = rng.choice(x[~blank[:, j], j], int(blank[:, j].sum()))
        for _ in range(_SWEEPS):
            for j in columns:
                others = np.column_stack([np.ones(len(x)), np.delete(full, j, axis=1), y])
                full[blank[:, j], j] = _matched(others, x[:, j], blank[:, j], root, rng)
        out.append(full)
    return out


def _matched(z: Array, answers: Array, blank: NDArray[np.bool_], root: Array, rng: np.random.Generator) -> Array:
    """Answers of donors for the blanks of one column."""
    seen = ~blank
    a, b = z[seen] * root[seen, None], answers[seen] * root[seen]
    gram = a.T @ a
    gram[np.diag_indices_from(gram)] *= 1 + 1e-8
    inverse = np.linalg.pinv(gram)
    slope = inverse @ (a.T @ b)
    free = max(int(seen.sum()) - z.shape[1], 1)
    spread = ((b - a @ slope) ** 2).sum() / rng.chisquare(free)
    values, vectors = np.linalg.eigh(inverse)
    drawn = slope + np.sqrt(spread) * (vectors * np.sqrt(np.maximum(values, 0))) @ rng.standard_normal(len(slope))
    donors, wanted = z[seen] @ slope, z[blank] @ drawn
    order = np.argsort(donors, kind="stable")
    near = min(_DONORS, len(order))
    place = np.searchsorted(donors[order], wanted)
    first = np.clip(place - near // 2, 0, len(order) - near)
    return answers[seen][order[first + rng.integers(0, near, len(wanted))]]
