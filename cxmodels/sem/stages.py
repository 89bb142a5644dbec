"""The two stages of ordinal moments: each variable by itself, then each pair, with the scores of every row.

Rows are n, variables p: q ordered ones with at most c categories and k continuous ones. Scores are derivatives of a
row's log-likelihood, unweighted; sums over rows are weighted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .polychoric import BOUND, FAR, Slice, normal_density, pearson, polychoric, polychoric_scores, polyserial

Array = NDArray[np.float64]
Index = NDArray[np.intp]


class Stage1(NamedTuple):
    """One variable at a time: thresholds, means and variances.

    `slot` is the number of a variable among those of its kind. `codes` are 0, 1, ..., and c where missing; `hot` marks
    the category of every row. `tau` is filled up with FAR. `score` (n, m) has a column per entry of
    `layout()` and one per continuous variance; `a11` (m, m) is its block-diagonal matrix.
    """

    w: Array
    ordered: NDArray[np.bool_]
    slot: Index
    levels: tuple[Array, ...]
    codes: Index
    hot: Array
    tau: Array
    z: Array
    seen: NDArray[np.bool_]
    means: Array
    variances: Array
    score: Array
    a11: Array

    @classmethod
    def of(
        cls,
        x: Array,
        ordered: NDArray[np.bool_],
        w: Array,
        name: Sequence[str],
        levels: Sequence[Array | None] | None,
    ) -> Stage1:
        """Estimate every variable; `levels` are the values it can take, where they are known."""
        p = len(ordered)
        seen = ~np.isnan(x)
        slot = np.where(ordered, np.cumsum(ordered), np.cumsum(~ordered)) - 1
        known = levels if levels is not None else (None,) * p
        values: list[Array] = [np.empty(0)] * p
        columns = []
        for i in np.flatnonzero(ordered).tolist():
            values[i], code = coded(x[:, i], seen[:, i], name[i], known[i])
            columns.append(code)
        c = max((len(v) for v in values), default=2)
        codes = np.array(columns, dtype=np.intp).T.reshape(len(x), len(columns))
        codes[~seen[:, ordered]] = c
        hot = (codes[:, :, None] == np.arange(c)).astype(float)
        count = np.einsum("n,nqc->qc", w, hot)
        tau = thresholds_of(count, [v for v, o in zip(values, ordered, strict=True) if o])

        means, variances = np.zeros(p), np.ones(p)
        z = np.zeros((len(x), int((~ordered).sum())))
        for i in np.flatnonzero(~ordered).tolist():
            means[i], variances[i], z[:, slot[i]] = _standardised(x[:, i], seen[:, i], w, name[i])
        stage = cls(
            w, ordered, slot, tuple(values), codes, hot, tau, z, seen, means, variances, np.empty(0), np.empty(0)
        )
        score, a11 = stage._scores(count)
        return stage._replace(score=score, a11=a11)

    def layout(self) -> tuple[Index, Index, NDArray[np.bool_]]:
        """Variable, threshold number and whether it is a mean, for every threshold and mean in variable order."""
        length = [len(v) - 1 if len(v) else 1 for v in self.levels]
        row = np.repeat(np.arange(len(length)), length)
        number = np.concatenate([np.arange(k) for k in length])
        return row, number, ~self.ordered[row]

    def columns(self) -> tuple[Index, Index, Index]:
        """Columns of the score matrix: thresholds (q, c - 1; -1 where there are fewer), means (k,), variances (k,)."""
        row, number, is_mean = self.layout()
        at = np.full(self.tau.shape, -1)
        place = np.arange(len(row))
        at[self.slot[row[~is_mean]], number[~is_mean]] = place[~is_mean]
        return at, place[is_mean], len(row) + np.arange(self.z.shape[1])

    def _scores(self, count: Array) -> tuple[Array, Array]:
        """Scores of every row, unweighted, and the block diagonal of their weighted squares."""
        at, mean, variance = self.columns()
        n, k = self.z.shape
        score = np.zeros((n, int((at >= 0).sum()) + 2 * k))
        a11 = np.zeros((score.shape[1],) * 2)
        density = normal_density(self.tau)
        share = count / count.sum(axis=1, keepdims=True)
        for v, place in enumerate(at):
            t = int((place >= 0).sum())
            table = np.zeros((count.shape[1] + 1, t))  # score of each category; the last line is for missing values
            table[np.arange(t), np.arange(t)] = density[v, :t] / share[v, :t]
            table[np.arange(1, t + 1), np.arange(t)] = -density[v, :t] / share[v, 1 : t + 1]
            score[:, place[:t]] = table[self.codes[:, v]]
            a11[np.ix_(place[:t], place[:t])] = (table[:-1] * count[v][:, None]).T @ table[:-1]
        for v, i in enumerate(np.flatnonzero(~self.ordered)):
            both = np.array([mean[v], variance[v]])
            own = np.stack([self.z[:, v], (self.z[:, v] ** 2 - 1) / (2 * self.variances[i] ** 0.5)], axis=1)
            own *= self.seen[:, [i]] / self.variances[i] ** 0.5
            score[:, both] = own
            block = (own * self.w[:, None]).T @ own
            expected = self.w[self.seen[:, i]].sum() / np.array([self.variances[i], 2 * self.variances[i] ** 2])
            if np.linalg.det(block / np.sqrt(np.outer(expected, expected))) < 1e-9:  # two values only
                block = np.diag(expected)
            a11[np.ix_(both, both)] = block
        return score, a11


def coded(x: Array, seen: NDArray[np.bool_], name: str, known: Array | None) -> tuple[Array, Index]:
    """Sorted values of an ordered variable, and the number of each row's value among them."""
    found = np.unique(x[seen])
    values = found if known is None else np.unique(np.asarray(known, dtype=float))
    strange = np.setdiff1d(found, values)
    if len(strange):
        raise DataError(
            f"Variable '{name}' has the value {strange[0]:g}, which is not among its {len(values)} levels."
        )
    if len(values) < 2:
        raise DataError(
            f"Ordered variable '{name}' has {'one category' if len(values) else 'no category'} in "
            f"{int(seen.sum())} answers; it needs two or more, so leave it out of the model."
        )
    empty = np.setdiff1d(values, found)
    if len(empty):
        shown = ", ".join(f"{v:g}" for v in empty)
        raise DataError(
            f"Ordered variable '{name}' has nobody in category {shown} among {int(seen.sum())} answers, though other "
            "rows of the data have it; merge categories so that every group has an answer in each."
        )
    return values, np.searchsorted(values, np.where(seen, x, values[0]))


def thresholds_of(count: Array, values: Sequence[Array]) -> Array:
    """Normal quantiles of the cumulated shares, filled up with FAR."""
    from scipy.special import ndtri

    tau = np.full((len(count), max(count.shape[1] - 1, 1)), FAR)
    for v, (line, level) in enumerate(zip(count, values, strict=True)):
        tau[v, : len(level) - 1] = ndtri(np.cumsum(line)[: len(level) - 1] / line.sum())
    return tau


def _standardised(x: Array, seen: NDArray[np.bool_], w: Array, name: str) -> tuple[float, float, Array]:
    """Mean and variance of a continuous variable, and its standard scores, zero where missing."""
    value, weight = x[seen], w[seen]
    if not np.isfinite(value).all():
        raise DataError(f"Variable '{name}' has {int((~np.isfinite(value)).sum())} infinite values.")
    if len(value) < 2 or value.min() == value.max():
        raise DataError(f"Variable '{name}' does not vary in {len(value)} rows; leave it out of the model.")
    middle = value.mean()  # first centred roughly, so that large means cost no digits
    shift = np.average(value - middle, weights=weight)
    centred = value - middle - shift
    variance = float(np.average(centred**2, weights=weight))
    z = np.zeros(len(x))
    z[seen] = centred / np.sqrt(variance)
    return float(middle + shift), variance, z


class Stage2(NamedTuple):
    """All pairs, column by column of the lower triangle: variable `row` below variable `col`.

    `score` (n, pairs) holds the unweighted scores of the correlations, `a21` (pairs, m) their weighted products with
    the derivatives by the statistics of stage one, `a22` (pairs,) their weighted squares.
    """

    row: Index
    col: Index
    rho: Array
    empty: NDArray[np.bool_]
    score: Array
    a21: Array
    a22: Array

    @classmethod
    def of(cls, first: Stage1, name: Sequence[str], scores: bool) -> Stage2:
        """Estimate every pair, with or without what the asymptotic covariance needs."""
        col, row = np.triu_indices(len(first.ordered), 1)
        together = first.seen.astype(float).T @ first.seen
        never = np.flatnonzero(together[row, col] < 2)
        if len(never):
            a, b = name[col[never[0]]], name[row[never[0]]]
            raise DataError(
                f"Variables '{a}' and '{b}' are never both answered by two rows or more ({len(never)} such pairs); "
                "leave one of them out of the model."
            )
        m, n = len(row), len(first.w)
        out = cls(
            row,
            col,
            np.zeros(m),
            np.zeros(m, dtype=bool),
            np.zeros((n if scores else 0, m)),
            np.zeros((m, first.score.shape[1])),
            np.ones(m),
        )
        kinds = first.ordered[row].astype(int) + first.ordered[col]
        if (kinds == 2).any():
            _ordered_pairs(first, out, np.flatnonzero(kinds == 2), scores)
        if (kinds == 1).any():
            _mixed_pairs(first, out, np.flatnonzero(kinds == 1), scores)
        if (kinds == 0).any():
            _continuous_pairs(first, out, np.flatnonzero(kinds == 0), scores)
        perfect = np.flatnonzero((np.abs(out.rho) > BOUND - 1e-7) | (out.a22 < 1e-12 * first.w.sum()))
        if scores and len(perfect):
            a, b = name[col[perfect[0]]], name[row[perfect[0]]]
            raise DataError(
                f"Variables '{a}' and '{b}' put all rows in the same or the opposite order ({len(perfect)} such "
                "pairs), so their latent correlation has no standard error; leave one out or merge categories."
            )
        return out


def _ordered_pairs(first: Stage1, out: Stage2, which: Index, scores: bool) -> None:
    """Fill in the polychoric correlations."""
    a, b = first.slot[out.row[which]], first.slot[out.col[which]]
    n, q, c = first.hot.shape
    flat = first.hot.reshape(n, q * c)
    tables = ((flat * first.w[:, None]).T @ flat).reshape(q, c, q, c)[a, :, b, :]
    real = np.arange(c) < np.array([len(v) for v, o in zip(first.levels, first.ordered, strict=True) if o])[:, None]
    out.empty[which] = ((tables == 0) & real[a][:, :, None] & real[b][:, None, :]).any(axis=(1, 2))
    tau_a, tau_b = first.tau[a], first.tau[b]
    out.rho[which] = polychoric(tables, tau_a, tau_b)
    if not scores:
        return
    cell, out.a22[which], cross_a, cross_b = polychoric_scores(tables, out.rho[which], tau_a, tau_b)
    padded = np.zeros((len(which), c + 1, c + 1))  # the last line and column are for missing values
    padded[:, :c, :c] = cell
    code = first.codes
    for pair, i, j, table in zip(which, a, b, padded, strict=True):
        out.score[:, pair] = table[code[:, i], code[:, j]]
    at, _, _ = first.columns()
    for variable, cross in ((a, cross_a), (b, cross_b)):
        place = at[variable]
        line, t = np.nonzero(place >= 0)
        out.a21[which[line], place[line, t]] = cross[line, t]


def _mixed_pairs(first: Stage1, out: Stage2, which: Index, scores: bool) -> None:
    """Fill in the polyserial correlations, one ordered variable with all continuous ones at a time."""
    at, mean, variance = first.columns()
    continuous = np.flatnonzero(~first.ordered)
    sd, seen = np.sqrt(first.variances[continuous]), first.seen[:, continuous]
    ends = np.pad(first.tau, ((0, 0), (1, 1)), constant_values=(-FAR, FAR))
    ends = np.pad(ends, ((0, 0), (0, 1)), constant_values=FAR)  # missing values have code c
    partner = np.where(first.ordered[out.row[which]], out.row[which], out.col[which])
    for i in np.flatnonzero(first.ordered):
        v, pairs = first.slot[i], which[partner == i]
        code = first.codes[:, v]
        below, above = ends[v, code][:, None], ends[v, code + 1][:, None]
        w = first.w[:, None] * (seen & first.seen[:, [i]])
        slope = (w * first.z * code[:, None]).sum(axis=0) / w.sum(axis=0)  # Olsson et al. (1982), eq. 38
        start = slope / normal_density(first.tau[v]).sum()
        rho = out.rho[pairs] = polyserial(first.z, above, below, w, start)
        if not scores:
            continue
        s = Slice.of(rho, first.z, above, below)
        score, root = s.score * (w > 0), np.sqrt(1 - rho**2)
        ratio = (s.at_upper - s.at_lower) / s.p * rho / root
        ws = w * score
        out.score[:, pairs] = score
        out.a22[pairs] = (ws * score).sum(axis=0)
        out.a21[pairs, mean] = (ws * (first.z + ratio)).sum(axis=0) / sd
        out.a21[pairs, variance] = (ws * (first.z**2 - 1 + ratio * first.z)).sum(axis=0) / (2 * sd**2)
        up, low = (first.hot[:, v].T @ (ws * end / (s.p * root)) for end in (s.at_upper, s.at_lower))
        t = int((at[v] >= 0).sum())
        out.a21[np.ix_(pairs, at[v, :t])] = (up[:t] - low[1 : t + 1]).T


def _continuous_pairs(first: Stage1, out: Stage2, which: Index, scores: bool) -> None:
    """Fill in the Pearson correlations."""
    _, mean, variance = first.columns()
    i, j = out.row[which], out.col[which]
    a, b = first.slot[i], first.slot[j]
    w = first.w[:, None] * (first.seen[:, i] & first.seen[:, j])
    za, zb = first.z[:, a], first.z[:, b]
    total = w.sum(axis=0)
    moments = ((w * u * v).sum(axis=0) / total for u, v in ((za, za), (zb, zb), (za, zb)))
    rho = out.rho[which] = pearson(*moments)
    if not scores:
        return
    rest = 1 - rho**2
    form = za**2 - 2 * rho * za * zb + zb**2
    score = (rho + za * zb - rho * form / rest) / rest * (w > 0)
    ws = w * score
    out.score[:, which] = score
    out.a22[which] = (ws * score).sum(axis=0)
    for own, other, variable, k in ((za, zb, i, a), (zb, za, j, b)):
        value = first.variances[variable]
        pull = (own - rho * other) / rest
        out.a21[which, mean[k]] = (ws * pull).sum(axis=0) / np.sqrt(value)
        out.a21[which, variance[k]] = (ws * (own * pull - 1)).sum(axis=0) / (2 * value)
