"""Starting values: moderate loadings and variances that fit the scale of every item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .composites import is_hidden
from .matrices import Block
from .table import Table

Array = NDArray[Any]

__all__ = ["start_values"]


def start_values(table: Table, base: Array, moments: Sequence[tuple[Array, Array]], blocks: Sequence[Block]) -> Array:
    """Starting values of the distinct free parameters.

    Loadings are the covariances of an item with the others of its factor relative to the marker's (the
    instrumental variable estimate of Hägglund 1982, in its simplest form); residual variances half the observed
    ones; factor variances what the loadings leave; everything else zero.

    Parameters
    ----------
    table : Table
    base : ndarray of shape (rows,)
        Fixed values.
    moments : sequence of (mean, cov)
        One for each block.
    blocks : sequence of Block

    Returns
    -------
    ndarray of shape (q,)
    """
    x = np.full(table.size, np.nan)
    for number, (mean, cov) in enumerate(moments):
        role, mine = table.roles[number], table.block(number)
        place = {n: i for i, n in enumerate(role.observed)}
        factor = _factors(table, mine, cov, place, base)
        for i in mine:
            e, q = table.entries[i], table.index[i]
            if q < 0 or not np.isnan(x[q]):
                continue
            value = 0.0
            if np.isfinite(e.start):
                value = e.start
            elif e.op == "=~" and is_hidden(e.lhs):  # as if all weights of the composite were equal
                own = place[e.lhs.rsplit("~", 1)[1]]
                value = -np.sqrt(cov[place[e.rhs], place[e.rhs]] / cov[own, own])
            elif e.op == "=~":
                value = factor[e.lhs][1].get(e.rhs, 1.0 if e.rhs not in place else 0.0)
            elif e.op == "~~" and e.lhs == e.rhs and is_hidden(e.lhs):
                own = place[e.lhs.rsplit("~", 1)[1]]
                value = 0.5 * cov[own, own]
            elif e.op == "~~" and e.lhs == e.rhs:
                value = 0.5 * cov[place[e.lhs], place[e.lhs]] if e.lhs in place else factor[e.lhs][0]
            elif e.op == "~1" and e.lhs in place:
                value = mean[place[e.lhs]]
            elif e.op == "~*~":
                value = 1.0
            x[q] = np.clip(value, e.lower, e.upper)
    return x


def _factors(
    table: Table, mine: list[int], cov: Array, place: dict[str, int], base: Array
) -> dict[str, tuple[float, dict[str, float]]]:
    """Variance and loadings to start each factor with."""
    out: dict[str, tuple[float, dict[str, float]]] = {}
    fixed_variance = {
        table.entries[i].lhs: base[i]
        for i in mine
        if table.entries[i].op == "~~" and table.entries[i].lhs == table.entries[i].rhs and table.index[i] < 0
    }
    for lv in table.roles[table.entries[mine[0]].group * table.levels + table.entries[mine[0]].level].latent:
        rows = [i for i in mine if table.entries[i].op == "=~" and table.entries[i].lhs == lv]
        items = [table.entries[i].rhs for i in rows if table.entries[i].rhs in place]
        at = [place[n] for n in items]
        s = cov[np.ix_(at, at)]
        raw = _loadings(s) if len(at) > 1 else np.sqrt(np.maximum(np.diagonal(s), 1e-12) * 0.9)
        scale, variance = 1.0, 1.0
        known = {table.entries[i].rhs: base[i] for i in rows if table.index[i] < 0 and base[i] != 0}
        marker = next((k for k, n in enumerate(items) if n in known), None)
        if marker is not None and raw[marker] != 0:
            scale = known[items[marker]] / raw[marker]
            variance = 1.0 / scale**2
        elif np.isfinite(fixed_variance.get(lv, np.nan)) and fixed_variance[lv] > 0:
            scale = 1.0 / np.sqrt(fixed_variance[lv])
        elif len(at):  # a common scale, such as effect coding
            scale = 1.0 / max(abs(raw.mean()), 1e-8)
            variance = 1.0 / scale**2
        out[lv] = (variance if items else 0.5, dict(zip(items, raw * scale, strict=True)))
        if not items:
            out[lv] = (0.1, {})
    return out


def _loadings(s: Array) -> Array:
    """Rough loadings of items on one factor with unit variance: the first component of the covariances."""
    sd = np.sqrt(np.maximum(np.diagonal(s), 1e-300))
    r = s / np.outer(sd, sd)
    np.fill_diagonal(r, 0.5)
    values, vectors = np.linalg.eigh(r)
    first = vectors[:, -1] * np.sqrt(max(values[-1], 0.05))
    first = first * (1 if first.sum() >= 0 else -1)
    return np.clip(first, -0.95, 0.95) * sd
