"""Explained variance, reliability and validity of constructs, from a fitted model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .composites import is_hidden
from .estimate import Estimate

Array = NDArray[Any]

__all__ = ["fornell_larcker", "htmt", "r_squared", "reliability"]


def r_squared(e: Estimate, labels: Sequence[Any]) -> pd.DataFrame:
    """Share of variance explained, [name, group, r2]; NaN where the residual variance is negative.

    Without the items that form a composite: they explain it, and it explains nothing of them.
    """
    rows = []
    for number, (block, s) in enumerate(zip(e.blocks, e.states, strict=True)):
        place = {n: i for i, n in enumerate(block.names)}
        entries = [e.table.entries[i] for i in e.table.block(number)]
        own = {
            x.lhs: e.values[i]
            for i in e.table.block(number)
            if (x := e.table.entries[i]).op == "~~" and x.lhs == x.rhs
        }
        forming = {x.rhs for x in entries if x.op == "=~" and is_hidden(x.lhs)}
        entries = [x for x in entries if not is_hidden(x.lhs)]
        caused = dict.fromkeys(
            [
                *(x.rhs for x in entries if x.op == "=~" and x.rhs not in forming),
                *(x.lhs for x in entries if x.op in ("~", "<~")),
            ]
        )
        for name in sorted(caused, key=lambda n: place[n]):
            residual = own.get(name, 0.0)
            r2 = 1 - residual / s.cov[place[name], place[name]] if residual >= 0 else np.nan
            row = {"name": name, "group": labels[number // e.table.levels], "r2": r2}
            rows.append(row | ({"level": str(number % e.table.levels + 1)} if e.table.levels > 1 else {}))
    return pd.DataFrame(rows, columns=["name", "group", "r2", *(["level"] if e.table.levels > 1 else [])])


def _items(e: Estimate, number: int) -> dict[str, tuple[list[int], Array]]:
    """Places of the observed items of every construct of a block, with their loadings."""
    block = e.blocks[number]
    place = {n: i for i, n in enumerate(block.names)}
    formed = {x.lhs.split("~")[1] for x in e.table.entries if is_hidden(x.lhs)}
    out: dict[str, tuple[list[int], list[float]]] = {}
    for i in e.table.block(number):
        x = e.table.entries[i]
        if x.op == "=~" and place[x.rhs] < block.p and x.lhs not in formed and not is_hidden(x.lhs):
            found = out.setdefault(x.lhs, ([], []))
            found[0].append(place[x.rhs])
            found[1].append(e.values[i])
    return {k: (a, np.array(b)) for k, (a, b) in out.items()}


def _sample_cov(e: Estimate, number: int) -> Array:
    return e.data.ordinal[number].cor if e.data.ordinal else e.data.samples[number].cov


def reliability(e: Estimate, labels: Sequence[Any]) -> pd.DataFrame:
    """Coefficients of every construct with observed items.

    alpha (Cronbach 1951) from the sample covariances; omega (McDonald 1999) relative to the implied variance of the
    sum, which counts residual covariances and other constructs; cr (Jöreskog's rho, Raykov 1997) relative to
    loadings and residual variances alone; ave (Fornell and Larcker 1981), mean share of item variance, weighted
    by variance. For ordinal items all refer to the latent responses.
    """
    rows, index = [], []
    for number, (block, s) in enumerate(zip(e.blocks, e.states, strict=True)):
        theta = np.zeros(block.p)
        i, j, at = block.undirected
        own = (i == j) & (i < block.p)
        theta[i[own]] = e.values[at[own]]
        sample = _sample_cov(e, number)
        for name, (items, loading) in _items(e, number).items():
            k = len(items)
            cov = sample[np.ix_(items, items)]
            implied = s.cov[np.ix_(items, items)]
            f = block.names.index(name)
            common = s.cov[f, f]
            total = common * loading.sum() ** 2
            share = common * (loading**2).sum()
            rows.append(
                {
                    "alpha": k / (k - 1) * (1 - np.trace(cov) / cov.sum()) if k > 1 else np.nan,
                    "omega": total / implied.sum(),
                    "cr": total / (total + theta[items].sum()),
                    "ave": share / (share + theta[items].sum()),
                }
            )
            index.append((name, labels[number // e.table.levels]))
    names = pd.MultiIndex.from_tuples(index, names=["construct", "group"]) if len(labels) > 1 else None
    frame = pd.DataFrame(rows, columns=["alpha", "omega", "cr", "ave"])
    frame.index = names if names is not None else pd.Index([n for n, _ in index], name="construct")
    return frame


def htmt(e: Estimate) -> pd.DataFrame:
    """Heterotrait-monotrait ratios of absolute sample correlations (Henseler, Ringle and Sarstedt 2015)."""
    cov = _sample_cov(e, 0)
    sd = np.sqrt(np.diagonal(cov))
    r = np.abs(cov / np.outer(sd, sd))
    blocks = {k: a for k, (a, _) in _items(e, 0).items()}
    within = {}
    for k, a in blocks.items():
        inner = r[np.ix_(a, a)][np.triu_indices(len(a), 1)]
        within[k] = inner.mean() if len(inner) else 1.0
    names = list(blocks)
    out = np.eye(len(names))
    for i, one in enumerate(names):
        for j, other in enumerate(names):
            if i != j:
                out[i, j] = r[np.ix_(blocks[one], blocks[other])].mean() / np.sqrt(within[one] * within[other])
    return pd.DataFrame(out, names, names)


def fornell_larcker(e: Estimate) -> pd.DataFrame:
    """Correlations of the constructs, with the square root of the AVE on the diagonal."""
    block, s = e.blocks[0], e.states[0]
    ave = reliability(e, range(len(e.blocks) // e.table.levels))["ave"]
    ave = ave.xs(0, level="group") if ave.index.nlevels > 1 else ave
    names = [n for n in block.names[block.p :] if n in ave.index]
    at = [block.names.index(n) for n in names]
    cov = s.cov[np.ix_(at, at)]
    sd = np.sqrt(np.abs(np.diagonal(cov)))
    out = cov / np.outer(sd, sd)
    np.fill_diagonal(out, np.sqrt(np.maximum(ave[names].to_numpy(), 0)))
    return pd.DataFrame(out, names, names)
