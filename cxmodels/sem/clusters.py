"""What a two-level likelihood needs of the rows of one group: means and scatter of its clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SpecError, listed

Array = NDArray[Any]
Codes = NDArray[np.intp]

__all__ = ["Clusters", "Size", "level_weights"]


class Size(NamedTuple):
    """Clusters with the same number of rows: how many, and the moments of their means (divisor m)."""

    n: int
    m: float
    mean: Array
    cov: Array


@dataclass(frozen=True, eq=False)
class Clusters:
    """Rows of one group, summed up by cluster.

    Attributes
    ----------
    n : ndarray of int, shape (clusters,)
        Rows of each.
    weight : ndarray of shape (clusters,)
        Weights of the clusters, summing to their number.
    means : ndarray of shape (clusters, p)
        Of all variables.
    scatter : ndarray of shape (clusters, q, q)
        Sums of squares of the variables of the first level about these means.
    inner, outer : ndarray of int
        Places of the variables of each level among all variables.
    """

    n: Codes
    weight: Array
    means: Array
    scatter: Array
    inner: Codes
    outer: Codes

    @classmethod
    def of(
        cls,
        x: Array,
        names: Sequence[str],
        codes: Codes,
        inner: Sequence[str],
        outer: Sequence[str],
        rows: Array | None = None,
        weight: Array | None = None,
    ) -> Clusters:
        """Sum up rows.

        Parameters
        ----------
        x : ndarray of shape (n, p)
        names : sequence of str
            Of the variables.
        codes : ndarray of int, shape (n,)
            Cluster of each row, from 0.
        inner, outer : sequence of str
            Variables of each level.
        rows : ndarray of shape (n,), optional
            Weights of the rows, summing to the number of rows in each cluster.
        weight : ndarray of shape (clusters,), optional
            Weights of the clusters.

        Raises
        ------
        DataError
            If a variable of the second level alone varies within clusters.
        """
        place = {n: i for i, n in enumerate(names)}
        n = np.bincount(codes)
        w = np.ones(len(x)) if rows is None else rows
        means = np.stack([np.bincount(codes, w * x[:, j]) / n for j in range(x.shape[1])], axis=1)
        deviations = x - means[codes]
        for name in outer:
            far = np.abs(deviations[:, place[name]]).max() > 1e-8 * np.abs(x[:, place[name]]).max()
            if name not in inner and far:
                raise DataError(f"'{name}' is a variable of level 2, but differs within clusters.")
        at = [place[name] for name in inner]
        z = deviations[:, at]
        order = np.argsort(codes, kind="stable")
        first = np.concatenate([[0], np.cumsum(n)[:-1]])
        products = (z[order, :, None] * (z * w[:, None])[order, None, :]).reshape(len(x), -1)
        scatter = np.add.reduceat(products, first, axis=0).reshape(-1, len(at), len(at))
        share = np.ones(len(n)) if weight is None else weight * (len(n) / weight.sum())
        return cls(n, share, means, scatter, np.array(at), np.array([place[name] for name in outer]))

    @property
    def rows(self) -> int:
        """Rows in all clusters."""
        return int(self.n.sum())

    @property
    def count(self) -> int:
        """Number of clusters."""
        return len(self.n)

    @cached_property
    def free(self) -> float:
        """Weighted number of deviations from cluster means."""
        return float(self.weight @ (self.n - 1))

    @cached_property
    def within(self) -> Array:
        """Pooled covariance of these deviations."""
        return np.einsum("j,jpq->pq", self.weight, self.scatter) / self.free

    @cached_property
    def sizes(self) -> tuple[Size, ...]:
        """Clusters by their number of rows."""
        out = []
        for size in np.unique(self.n):
            mine = self.n == size
            w, part = self.weight[mine], self.means[mine]
            mean = w @ part / w.sum()
            centred = part - mean
            out.append(Size(int(size), float(w.sum()), mean, (centred * w[:, None]).T @ centred / w.sum()))
        return tuple(out)


def level_weights(
    weights: Array | None, outer: Array | None, codes: Codes, cluster: str
) -> tuple[Array | None, Array | None]:
    """Weights of the rows within their cluster, and of the clusters.

    Parameters
    ----------
    weights, outer : ndarray of shape (n,), optional
        Weights of the rows, and of their clusters.
    codes : ndarray of int, shape (n,)
        Cluster of each row.
    cluster : str
        Its column, for messages.

    Returns
    -------
    rows : ndarray of shape (n,) or None
        Scaled to sum to the number of rows in each cluster, which keeps the variance between clusters nearly unbiased
        (Pfeffermann et al. 1998, JRSS B 60, their second scaling; method A of Asparouhov 2006).
    clusters : ndarray of shape (clusters,) or None

    Raises
    ------
    SpecError
        If rows of a cluster have different weights and the weights of clusters are not known, as then nobody can tell
        how much of a weight belongs to the cluster.
    DataError
        If the weight of a cluster differs within it.
    """

    def spread(values: Array) -> NDArray[np.bool_]:
        low, high = np.full(codes.max() + 1, np.inf), np.full(codes.max() + 1, -np.inf)
        np.minimum.at(low, codes, values)
        np.maximum.at(high, codes, values)
        return high - low > 1e-9 * np.abs(high)

    def of_clusters(values: Array) -> Array:
        return np.bincount(codes, values) / np.bincount(codes)

    if outer is not None and (odd := int(spread(outer).sum())):
        raise DataError(f"cluster_weights differ within {odd} of {codes.max() + 1} clusters of '{cluster}'.")
    if outer is not None and (none := int((of_clusters(outer) == 0).sum())):
        raise DataError(
            f"cluster_weights are zero for {none} of {codes.max() + 1} clusters of '{cluster}'; leave their rows out."
        )
    if weights is None:
        return None, None if outer is None else of_clusters(outer)
    odd = int(spread(weights).sum())
    if outer is None and odd:
        raise SpecError(
            f"weights differ within {odd} of {codes.max() + 1} clusters of {listed([cluster])}, and the two levels need to "
            "know which part is whose: add the weights of the clusters as cluster_weights=."
        )
    if outer is None:
        return None, of_clusters(weights)
    return weights / (np.bincount(codes, weights) / np.bincount(codes))[codes], of_clusters(outer)
