"""Covariance matrices given in place of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, listed, near
from .samples import Sample

__all__ = ["moments_rows"]


def moments_rows(
    names: Sequence[str], cov: Any, n: Any, means: Any, needs_means: bool
) -> tuple[list[Sample], tuple[Any, ...]]:
    """Samples (divisor n) and labels of the groups from labelled covariances with divisor n - 1.

    Raises
    ------
    DataError
        If the frame does not have the items, is not symmetric, or n is too small.
    """
    if isinstance(cov, Mapping):
        labels = tuple(cov)
        if not labels:
            raise DataError("cov has no groups; give a DataFrame for each.")
        for what, given in (("n", n), ("means", means)):
            if isinstance(given, Mapping) and (gone := [g for g in labels if g not in given]):
                raise DataError(f"{what} lacks group {listed(gone)} of cov.{near(gone[0], map(str, given))}")
        parts = [
            (cov[g], n[g] if isinstance(n, Mapping) else n, means[g] if isinstance(means, Mapping) else means)
            for g in labels
        ]
    else:
        labels, parts = ("",), [(cov, n, means)]
    return [_sample(names, *part, needs_means) for part in parts], labels


def _sample(names: Sequence[str], cov: Any, n: Any, means: Any, needs_means: bool) -> Sample:
    if not isinstance(cov, pd.DataFrame):
        raise DataError("cov must be a DataFrame with the items as index and columns.")
    for axis, labels in (("rows", cov.index), ("columns", cov.columns)):
        if gone := [x for x in names if x not in labels]:
            raise DataError(f"The {axis} of cov lack {listed(gone)}.{near(gone[0], map(str, labels))}")
        if labels.has_duplicates:
            raise DataError(f"The {axis} of cov name an item twice.")
    try:
        s = cov.loc[list(names), list(names)].to_numpy(dtype=float)
        count = float(n)
    except (TypeError, ValueError):
        raise DataError("cov and n must be numbers.") from None
    upper, lower = np.isnan(s) & np.isfinite(s.T), np.isfinite(s)
    s = np.where(upper & lower.T, s.T, s)
    if not np.isfinite(s).all():
        raise DataError(f"cov has missing or infinite entries: {_pair(names, ~np.isfinite(s))}.")
    scale = np.sqrt(np.abs(np.diagonal(s)))
    if (np.diagonal(s) <= 0).any():
        raise DataError(f"{listed(np.asarray(names)[np.diagonal(s) <= 0])} has no positive variance in cov.")
    differ = np.abs(s - s.T) > 1e-6 * np.outer(scale, scale)
    if differ.any():
        if np.allclose(np.triu(s, 1), 0):
            s = np.tril(s) + np.tril(s, -1).T
        else:
            raise DataError(f"cov is not symmetric: {_pair(names, differ)} differs from its mirror image.")
    if np.isinf(count):
        raise DataError("n must be the number of rows behind cov, not infinite.")
    if not count > len(names):
        raise DataError(f"n is {n} for {len(names)} items; the covariance matrix needs more rows.")
    if means is None:
        if needs_means:
            raise DataError("The model has means; give means= by item.")
        mean = np.zeros(len(names))
    else:
        try:
            series = pd.Series(means).astype(float)
        except (TypeError, ValueError):
            raise DataError("means must be numbers by item.") from None
        if gone := [x for x in names if x not in series.index]:
            raise DataError(f"means lacks {listed(gone)}.")
        if series.index.has_duplicates:
            raise DataError("means name an item twice.")
        mean = np.asarray(series[list(names)], dtype=float)
        if not np.isfinite(mean).all():
            raise DataError(f"means are missing or infinite for {listed(np.asarray(names)[~np.isfinite(mean)])}.")
    return Sample(count, mean, (s + s.T) / 2 * ((count - 1) / count))


def _pair(names: Sequence[str], bad: NDArray[np.bool_]) -> str:
    """Name the first entry at fault."""
    i, j = np.argwhere(bad)[0]
    return f"the entry of '{names[i]}' and '{names[j]}'"
