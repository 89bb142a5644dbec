"""Permutations of group labels: everything estimated in both halves of each, in batches.

A permutation is a 0/1 weighting of the rows for each group, so all of them are estimated as stacks of moment matrices, as
the bootstrap is. Every permutation has its own child of the seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EstimationError
from .fit import distances, implied
from .kernel import Array, Estimate

if TYPE_CHECKING:
    from .bootstrap import PLSStatistic
    from .result import PLSResult

Index = NDArray[np.intp]

COMPARED = ("paths", "effects", "r_squared", "loadings", "weights", "reliability")
_BATCH = 250  # permutations estimated together


@dataclass(frozen=True, eq=False)
class Pair:
    """Two groups and what permuting their labels gave.

    Attributes
    ----------
    a, b : int
        Numbers of the groups.
    values : ndarray of shape (2, k)
        The numbers compared, of each group.
    composites : ndarray of shape (3, c)
        MICOM: correlation of the composites, difference of means, and of log variances.
    null_values : ndarray of shape (m, k)
        Differences in the usable permutations.
    null_composites : ndarray of shape (m, 3, c)
    apart, null_apart : ndarray of shape (2,) and (m, 2)
        Distances d_uls and d_g between the item correlations that the two groups' models imply; NaN with interactions.
    failed : int
        Permutations without an estimate in either group.
    """

    a: int
    b: int
    values: Array
    composites: Array
    null_values: Array
    null_composites: Array
    apart: Array
    null_apart: Array
    failed: int


def subset_estimates(statistic: PLSStatistic, inside: Array) -> tuple[Array, Array, Estimate, np.ndarray]:
    """Estimate from subsets of the rows (b, n), as if each had been fitted alone: its own means and its own n - 1."""
    n, rows = statistic.moments.n, inside.sum(axis=1)
    g = inside if statistic.case_weights is None else inside * statistic.case_weights
    means, cov = statistic.moments(g)
    cov *= ((n - 1) / n * rows / (rows - 1))[:, None, None]
    means, cov, est, bad, _ = statistic.of_moments(means, cov)
    return means, cov, est, bad


def select(layout: Any, values: Array) -> Array:
    """Keep the numbers that are compared, in the order of COMPARED."""
    slices = layout.slices()
    return np.concatenate([values[:, slices[name]] for name in COMPARED], axis=1)


def numbers(fit: PLSResult, est: Estimate, rows: Array) -> Array:
    """The numbers that are compared, (b, k); adjusted R² with the rows of each group."""
    out = []
    for name in COMPARED:
        part = fit.layout.part(name, est)
        if name == "r_squared":
            left = rows[:, None] - fit.layout.design.arrows.sum(axis=1)[fit.layout.design.arrows.any(axis=1)] - 1
            with np.errstate(invalid="ignore", divide="ignore"):
                part[:, 1::2] = np.where(left > 0, 1 - (1 - part[:, ::2]) * (rows[:, None] - 1) / left, np.nan)
        out.append(part)
    return np.concatenate(out, axis=1)


def composite_names(fit: PLSResult) -> list[str]:
    """Names of what MICOM compares: constructs that are sums of items, and dimensions of higher-order ones."""
    layout = fit.layout
    return [*fit.linear, *layout.dimensions]


def composite_weights(fit: PLSResult, est: Estimate) -> Array:
    """Weights of these for raw items, (b, items, composites)."""
    own = est.item_weights[:, :, : len(fit.linear)]
    if est.first is None or fit.spec.plan.dimensions is None:
        return own
    return np.concatenate([own, est.first.item_weights[:, :, fit.spec.plan.dimensions]], axis=2)


@dataclass(frozen=True, eq=False)
class Labels:
    """What may change places: labels of single rows, or of whole clusters, within strata.

    Parameters
    ----------
    code, stratum : ndarray of shape (n,)
        Group and stratum of each row.
    cluster : ndarray of shape (n,), optional
        Rows that keep one label in common.
    """

    code: Index
    stratum: Index
    cluster: Index | None = None

    def permuted(self, rows: Index, n: int, seed: tuple[Any, int]) -> Iterator[Index]:
        """Yield labels with those of some rows permuted, (batch, n); permutation i has its own seed."""
        from threadpoolctl import threadpool_limits

        root, number = seed
        unit = np.arange(len(self.code)) if self.cluster is None else self.cluster
        _, first, member = np.unique(unit[rows], return_index=True, return_inverse=True)
        label, stratum = self.code[rows][first], self.stratum[rows][first]
        blocks = [np.flatnonzero(stratum == s) for s in np.unique(stratum)]
        for start in range(0, n, _BATCH):
            size = min(_BATCH, n - start)
            drawn = np.repeat(label[None], size, axis=0)
            for line in range(size):
                rng = np.random.default_rng(np.random.SeedSequence(root, spawn_key=(number, start + line)))
                for block in blocks:
                    drawn[line, block] = rng.permutation(label[block])
            out = np.repeat(self.code[None], size, axis=0)
            out[:, rows] = drawn[:, member]
            with threadpool_limits(1, user_api="blas"):  # threads cost more than they give on small matrices
                yield out


@dataclass(frozen=True, eq=False)
class Together:
    """All groups at once, and what permuting all labels gave.

    Attributes
    ----------
    variance, null_variance : ndarray of shape (k,) and (m, k)
        Variance of every number between groups, weighted by rows.
    apart, null_apart : ndarray of shape (2,) and (m, 2)
        Distances d_uls and d_g between implied correlations, averaged over pairs of groups.
    failed : int
    """

    variance: Array
    null_variance: Array
    apart: Array
    null_apart: Array
    failed: int


def permute_pair(fit: PLSResult, labels: Labels, a: int, b: int, n: int, seed: tuple[Any, int]) -> Pair:
    """Compare two groups: their estimates, and n permutations of their labels."""
    code = labels.code
    rows = np.flatnonzero((code == a) | (code == b))
    statistic = fit.statistic()
    pooled = np.zeros((1, fit.n_obs))
    pooled[0, rows] = 1.0
    means, cov, whole, bad = subset_estimates(statistic, pooled)
    if bad[0]:
        raise EstimationError("Two groups pooled gave no estimate; read the warnings of the fit.")
    filled = np.where(np.isnan(fit.x), means[0], fit.x)
    scores = (filled - means[0]) @ composite_weights(fit, whole)[0]
    sd = np.sqrt(np.diagonal(cov[0]))

    def compare(first: Array) -> tuple[Array, Array, Array, Any]:
        """Differences (b, k), MICOM (b, 3, c), distances (b, 2) and failures for memberships (b, n) of the first group."""
        other = pooled - first
        both = np.concatenate([first, other])
        _, own_cov, est, wrong = subset_estimates(statistic, both)
        values = numbers(fit, est, both.sum(axis=1)).reshape(2, len(first), -1)
        w = composite_weights(fit, est)
        if fit.spec.standardize:  # weights of standardised items, applied to pooled standardised items
            w = w * np.sqrt(np.diagonal(own_cov, axis1=1, axis2=2))[:, :, None] / sd[:, None]
        w = w.reshape(2, len(first), *w.shape[1:])
        with np.errstate(invalid="ignore", divide="ignore"):
            cw = cov[0] @ w[1]
            size = (w[0] * (cov[0] @ w[0])).sum(axis=1) * (w[1] * cw).sum(axis=1)
            agree = (w[0] * cw).sum(axis=1) / np.sqrt(size)
        mean, var = _score_moments(both, scores, statistic.case_weights)
        mean, logvar = mean.reshape(2, len(first), -1), np.log(var).reshape(2, len(first), -1)
        micom = np.stack([agree, mean[0] - mean[1], logvar[0] - logvar[1]], axis=1)
        return values, micom, _apart(fit, est, 2), np.any(wrong.reshape(2, -1), axis=0)

    values, composites, apart, _ = compare((code == a)[None, :].astype(float) * pooled)
    nulls, nulls_composites, nulls_apart, failed = [], [], [], 0
    for batch in labels.permuted(rows, n, seed):
        v, c, d, lost = compare((batch == a).astype(float) * pooled)
        nulls.append((v[0] - v[1])[~lost])
        nulls_composites.append(c[~lost])
        nulls_apart.append(d[~lost])
        failed += int(lost.sum())
    null = np.concatenate(nulls)
    if len(null) < 20:
        raise EstimationError(
            f"Only {len(null)} of {n} permutations gave an estimate in both groups; they are too small or too alike."
        )
    null_composites, null_apart = np.concatenate(nulls_composites), np.concatenate(nulls_apart)
    return Pair(a, b, values[:, 0], composites[0], null, null_composites, apart[0], null_apart, failed)


def _apart(fit: PLSResult, est: Estimate, k: int) -> Array:
    """Distances d_uls and d_g (b, 2) between the implied correlations of k stacks of estimates, averaged over pairs."""
    size = len(est.paths) // k
    if fit.spec.plan.terms:
        return np.full((size, 2), np.nan)
    groups = np.split(implied(est, fit.layout.design), k)
    return np.mean([distances(x, y)[:, 1:3] for x, y in combinations(groups, 2)], axis=0)


def permute_all(fit: PLSResult, labels: Labels, k: int, n: int, seed: tuple[Any, int]) -> Together:
    """Compare all groups at once: variances of every number, and distances of what their models imply."""
    statistic, code = fit.statistic(), labels.code
    share = np.bincount(code) / len(code)

    def compare(codes: Index) -> tuple[Array, Array, Any]:
        inside = np.concatenate([(codes == g).astype(float) for g in range(k)])
        _, _, est, wrong = subset_estimates(statistic, inside)
        values = numbers(fit, est, inside.sum(axis=1)).reshape(k, len(codes), -1)
        centre = np.einsum("g,gbk->bk", share, values)
        variance = np.einsum("g,gbk->bk", share, (values - centre) ** 2)
        return variance, _apart(fit, est, k), np.any(wrong.reshape(k, -1), axis=0)

    variance, apart, _ = compare(code[None])
    parts = [compare(batch) for batch in labels.permuted(np.arange(len(code)), n, seed)]
    null, null_apart, lost = (np.concatenate(part) for part in zip(*parts, strict=True))
    if (~lost).sum() < 20:
        raise EstimationError(f"Only {(~lost).sum()} of {n} permutations gave an estimate in all groups.")
    return Together(variance[0], null[~lost], apart[0], null_apart[~lost], int(lost.sum()))


def _score_moments(inside: Array, scores: Array, case: Array | None) -> tuple[Array, Array]:
    """Weighted means and variances of scores in subsets of the rows, (b, c) each."""
    g = inside if case is None else inside * case
    g = g / g.sum(axis=1, keepdims=True)
    rows = inside.sum(axis=1)[:, None]
    mean = g @ scores
    return mean, (g @ scores**2 - mean**2) * rows / (rows - 1)
