"""Covariance matrices given in place of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

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
        raise DataError("cov has missing or infinite entries.")
    scale = np.sqrt(np.abs(np.diagonal(s)))
    if (np.diagonal(s) <= 0).any():
        raise DataError(f"{listed(np.asarray(names)[np.diagonal(s) <= 0])} has no positive variance in cov.")
    if (np.abs(s - s.T) > 1e-6 * np.outer(scale, scale)).any():
        if np.allclose(np.triu(s, 1), 0):
            s = np.tril(s) + np.tril(s, -1).T
        else:
            raise DataError("cov is not symmetric.")
    if not count > len(names):
        raise DataError(f"n is {n} for {len(names)} items; the covariance matrix needs more rows.")
    if means is None:
        if needs_means:
            raise DataError("The model has means; give means= by item.")
        mean = np.zeros(len(names))
    else:
        series = pd.Series(means)
        if gone := [x for x in names if x not in series.index]:
            raise DataError(f"means lacks {listed(gone)}.")
        mean = series[list(names)].to_numpy(dtype=float)
    return Sample(count, mean, (s + s.T) / 2 * ((count - 1) / count))
