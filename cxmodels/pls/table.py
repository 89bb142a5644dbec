"""The rows of a table that a path model uses, and their moments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import DataError
from ..moments import WeightedMoments
from .kernel import Array


@dataclass(frozen=True, eq=False)
class Table:
    """Answers as a path model uses them.

    Attributes
    ----------
    x : ndarray of shape (n, items)
        Rows used; blanks as NaN.
    case : ndarray of shape (n,) or None
        Their case weights, the largest 1.
    keep : ndarray of bool or None
        Which of the rows given are used; None if all.
    exclusions : tuple of (reason, rows)
        Why rows were left out.
    moments : WeightedMoments
    means, cov : ndarray of shape (1, columns) and (1, columns, columns)
        Moments of the items and their products.
    missing : str
        How blanks are treated.
    """

    x: Array
    case: Array | None
    keep: np.ndarray | None
    exclusions: tuple[tuple[str, int], ...]
    moments: WeightedMoments
    means: Array
    cov: Array
    missing: str


def rows_used(
    x: np.ndarray, blank: np.ndarray, case: np.ndarray | None, missing: str, items: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None, tuple[tuple[str, int], ...]]:
    """Leave out rows as asked, and count them by reason."""
    if missing == "error" and blank.any():
        with_blanks = [f"'{items[i]}' ({n})" for i, n in enumerate(blank.sum(axis=0)) if n]
        raise DataError(
            f"Answers are missing in {', '.join(with_blanks[:8])}; choose missing='mean', 'listwise' or 'pairwise'."
        )
    reasons = []
    keep = np.ones(len(x), dtype=bool)
    if case is not None and (zero := case == 0).any():
        reasons.append(("weight of zero", int(zero.sum())))
        keep &= ~zero
    if missing == "listwise" and (incomplete := blank.any(axis=1) & keep).any():
        reasons.append(("incomplete answers", int(incomplete.sum())))
        keep &= ~incomplete
    if case is not None:
        case = case / case.max()  # any scale will do, so take one that cannot overflow
    if keep.all():
        return x, case, None, ()
    return x[keep], None if case is None else case[keep], keep, tuple(reasons)


def treatment(x: np.ndarray, missing: str) -> Literal["complete", "mean", "pairwise"]:
    """How the moments treat blanks; complete data take the short way."""
    if not np.isnan(x).any():
        return "complete"
    return "pairwise" if missing == "pairwise" else "mean"
