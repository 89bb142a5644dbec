"""Starting values: moderate loadings and variances that fit the scale of every item."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, isnan, nan, sqrt
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
        own = np.diagonal(cov)
        residual = 0.5 * own
        for size, loadings in factor.values():
            for item, loading in loadings.items():
                a = place[item]
                residual[a] = min(max(own[a] - loading**2 * size, 0.2 * own[a]), 0.8 * own[a])
        formed, sums = _composites(table, mine, cov, place)
        formed |= _links(table, mine, cov, place, sums) if sums else _relations(table, mine, cov, place, factor)
        for i in mine:
            e, q = table.entries[i], table.index[i]
            if q < 0 or not isnan(x[q]):
                continue
            value = 0.0
            if isfinite(e.start):
                value = e.start
            elif e.key in formed:
                value = formed[e.key]
            elif e.op == "=~":
                value = factor[e.lhs][1].get(e.rhs, 1.0 if e.rhs not in place else 0.0)
            elif e.op == "~~" and e.lhs == e.rhs and is_hidden(e.lhs):
                value = 0.5 * own[place[e.lhs.rsplit("~", 1)[1]]]
            elif e.op == "~~" and e.lhs == e.rhs:
                value = residual[place[e.lhs]] if e.lhs in place else factor[e.lhs][0]
            elif e.op == "~1" and e.lhs in place:
                value = mean[place[e.lhs]]
            elif e.op == "~*~":
                value = 1.0
            x[q] = min(max(value, e.lower), e.upper)
    return x


def _composites(
    table: Table, mine: list[int], cov: Array, place: dict[str, int]
) -> tuple[dict[tuple[str, str, str], float], dict[str, Array]]:
    """Values that give the items of each composite exactly their covariances, all weights of standardised items equal.

    The weights come with them, on the scale on which the first item has loading 1.
    """
    hidden: dict[str, list[str]] = {}
    for i in mine:
        e = table.entries[i]
        if e.op == "=~" and is_hidden(e.lhs):
            _, composite, item = e.lhs.split("~")
            items = hidden.setdefault(composite, [])
            items += [] if item in items else [item]
    out: dict[tuple[str, str, str], float] = {}
    sums: dict[str, Array] = {}
    for composite, others in hidden.items():
        every = [e.rhs for i in mine if (e := table.entries[i]).op == "=~" and e.lhs == composite]
        first = next(n for n in every if n not in others)
        marker = 0 if every[0] == first else 1 + others.index(every[0])
        at = [place[n] for n in (first, *others)]
        s = cov[np.ix_(at, at)]
        w = 1 / np.sqrt(np.diagonal(s))
        if abs((s @ w)[marker]) < 0.1 * np.sqrt(s[marker, marker]):  # the marker is hardly part of the sum
            w[marker] *= 3
        scale = (s @ w)[marker]
        loading = s @ w / scale
        variance = float(scale**2 / (w @ s @ w))
        rest = s - np.outer(loading, loading) * variance
        names = [f"~{composite}~{n}" for n in others]
        sums[composite] = np.zeros(len(cov))
        sums[composite][at] = w * (scale / (w @ s @ w))
        out[composite, "~~", composite] = variance
        for item, value in zip((first, *others), loading, strict=True):
            out[composite, "=~", item] = float(value)
        for j, name in enumerate(names, 1):
            out[name, "=~", first] = float(-w[j] / w[0])
            for k, other in enumerate(names, 1):
                low, high = sorted((name, other))
                out[low, "~~", high] = float(rest[j, k])
    return out, sums


def _links(
    table: Table, mine: list[int], cov: Array, place: dict[str, int], sums: dict[str, Array]
) -> dict[tuple[str, str, str], float]:
    """Paths and covariances of composites, without which nothing tells their weights: from sums, and markers of factors."""
    proxy = dict(sums)
    for i in mine:
        e = table.entries[i]
        if e.op == "=~" and e.lhs not in proxy and e.rhs in place:
            proxy[e.lhs] = np.eye(len(cov))[place[e.rhs]]
    proxy |= {n: np.eye(len(cov))[k] for n, k in place.items()}
    causes: dict[str, int] = {}
    for i in mine:
        if table.entries[i].op == "~":
            causes[table.entries[i].lhs] = causes.get(table.entries[i].lhs, 0) + 1
    out = {}
    for i in mine:
        e = table.entries[i]
        if e.lhs == e.rhs or not {e.lhs, e.rhs} & set(sums) or e.lhs not in proxy or e.rhs not in proxy:
            continue
        shared = float(proxy[e.lhs] @ cov @ proxy[e.rhs])
        if e.op == "~":
            out[e.key] = shared / float(proxy[e.rhs] @ cov @ proxy[e.rhs]) / causes[e.lhs]
        elif e.op == "~~" and not {e.lhs, e.rhs} & set(causes):
            out[e.key] = shared
    return out


def _relations(
    table: Table,
    mine: list[int],
    cov: Array,
    place: dict[str, int],
    factor: dict[str, tuple[float, dict[str, float]]],
) -> dict[tuple[str, str, str], float]:
    """Covariances and paths between constructs, from those of the sums of their items and what the items load.

    Correlations are kept below .8 and paths are shrunk, so that every start has a positive definite covariance matrix.
    """
    rows = [e for i in mine if (e := table.entries[i]).op in ("~", "~~") and e.lhs != e.rhs]
    names = dict.fromkeys(n for e in rows for n in (e.lhs, e.rhs))
    if not any(n in factor for n in names):
        return {}
    sums = np.zeros((len(names), len(cov)))
    variance = np.ones(len(names))
    for k, name in enumerate(names):
        if name in place:
            sums[k, place[name]], variance[k] = 1.0, cov[place[name], place[name]]
            continue
        size, loadings = factor[name]
        total = sum(abs(x) for x in loadings.values())
        if not total:
            continue  # of higher order: nothing is known of it
        variance[k] = size
        for item, x in loadings.items():
            sums[k, place[item]] = (1.0 if x > 0 else -1.0) / total
    sd = np.sqrt(np.maximum(variance, 1e-300))
    r = (sums @ cov @ sums.T) / np.outer(sd, sd)
    r = np.minimum(np.maximum(r, -0.8), 0.8)
    r.flat[:: len(r) + 1] = 1.0
    at = {n: k for k, n in enumerate(names)}
    causes: dict[str, list[str]] = {}
    for e in rows:
        if e.op == "~":
            causes.setdefault(e.lhs, []).append(e.rhs)
    out: dict[tuple[str, str, str], float] = {}
    for e in rows:
        if e.op == "~~" and not {e.lhs, e.rhs} & (set(causes) | set(place)):
            i, j = at[e.lhs], at[e.rhs]
            out[e.key] = float(r[i, j] * sd[i] * sd[j])
    for name, others in causes.items():
        own, by = at[name], [at[n] for n in others]
        beta = np.linalg.solve(r[np.ix_(by, by)] + 0.1 * np.eye(len(by)), r[by, own])
        for other, value in zip(others, beta, strict=True):
            out[name, "~", other] = float(value * sd[own] / sd[at[other]])
        if name not in place:
            out[name, "~~", name] = float(variance[own] * max(1 - beta @ r[by, own], 0.1))
    return out


def _factors(
    table: Table, mine: list[int], cov: Array, place: dict[str, int], base: Array
) -> dict[str, tuple[float, dict[str, float]]]:
    """Variance and loadings to start each factor with."""
    first = table.entries[mine[0]]
    rows: dict[str, list[int]] = {lv: [] for lv in table.roles[first.group * table.levels + first.level].latent}
    variances = {}
    for i in mine:
        e = table.entries[i]
        if e.op == "=~" and e.rhs in place:
            rows[e.lhs].append(i)
        elif e.op == "~~" and e.lhs == e.rhs and table.index[i] < 0:
            variances[e.lhs] = float(base[i])
    found = _loadings(cov, [[place[table.entries[i].rhs] for i in at] for at in rows.values()])
    out: dict[str, tuple[float, dict[str, float]]] = {}
    for (lv, at), loadings in zip(rows.items(), found, strict=True):
        if not at:
            out[lv] = 0.1, {}
            continue
        marker = next((k for k, i in enumerate(at) if table.index[i] < 0 and base[i] != 0), None)
        if marker is not None and loadings[marker]:
            scale = float(base[at[marker]]) / loadings[marker]
        elif variances.get(lv, nan) > 0:
            scale = 1 / sqrt(variances[lv])
        else:  # a common scale, such as effect coding
            scale = 1 / max(abs(sum(loadings) / len(loadings)), 1e-8)
        out[lv] = 1 / scale**2, {table.entries[i].rhs: x * scale for i, x in zip(at, loadings, strict=True)}
    return out


def _loadings(cov: Array, factors: Sequence[Sequence[int]]) -> list[list[float]]:
    """Rough loadings of the items of factors with unit variance: centroids, or first components where signs differ."""
    sd = np.sqrt(np.maximum(np.diagonal(cov), 1e-300))
    r = cov / (sd[:, None] * sd)
    r.flat[:: len(r) + 1] = 0.5
    members = np.zeros((len(factors), len(cov)))
    for row, at in zip(members, factors, strict=True):
        row[at] = 1.0
    sums, size = (members @ r).tolist(), sd.tolist()
    out = []
    for at, every in zip(factors, sums, strict=True):
        mine = [every[i] for i in at]
        if len(at) == 1:
            found = [sqrt(0.9)]
        elif min(mine, default=1.0) > 0.5:  # all items agree
            found = [x / sqrt(sum(mine)) for x in mine]
        else:
            values, vectors = np.linalg.eigh(r[np.ix_(at, at)])
            sign = 1 if vectors[:, -1].sum() >= 0 else -1
            found = (vectors[:, -1] * (sign * sqrt(max(values[-1], 0.05)))).tolist()
        out.append([min(max(x, -0.95), 0.95) * size[i] for x, i in zip(found, at, strict=True)])
    return out
