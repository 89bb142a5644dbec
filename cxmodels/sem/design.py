"""How rows were drawn: clusters within strata, and the totals of sampling units whose squares are design variances.

An estimate that moves by z_i with row i has the variance (Taylor linearisation; Binder 1983, International Statistical
Review 51; Wolter 2007, *Introduction to Variance Estimation*, ch. 6; units drawn with replacement)

    sum over strata h of  n_h / (n_h - 1) sum over units u in h of (z_hu - mean of z_h)(z_hu - mean of z_h)'

z_hu being the sum over the rows of unit u. Groups are domains: a unit without rows in a group counts zero there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, listed

Array = NDArray[Any]
Codes = NDArray[np.intp]

__all__ = ["Units", "units_of"]


@dataclass(frozen=True, eq=False)
class Units:
    """The sampling units of one group's rows.

    Attributes
    ----------
    row : ndarray of int, shape (rows,)
        Unit of each row.
    stratum : ndarray of int, shape (units,)
        Stratum of each unit, units without rows in the group included.
    centred : bool
        Whether totals are taken about the mean of their stratum; without strata scores add up to zero by themselves.
    shared : bool
        Whether the same units, or strata, have rows in other groups.
    """

    row: Codes
    stratum: Codes
    centred: bool
    shared: bool = False

    @classmethod
    def of(cls, clusters: Array | None = None, strata: Array | None = None, n: int | None = None) -> Units:
        """Number the units of n rows; without clusters every row is one.

        Examples
        --------
        >>> Units.of(np.array(["a", "a", "b", "c"]), np.array([1, 1, 1, 2])).stratum
        array([0, 0, 1])
        """
        given = clusters if clusters is not None else strata
        count = len(given) if given is not None else int(n or 0)
        cluster = np.arange(count) if clusters is None else np.unique(clusters, return_inverse=True)[1]
        stratum = np.zeros(count, dtype=np.intp) if strata is None else np.unique(strata, return_inverse=True)[1]
        pair = stratum * (int(cluster.max(initial=0)) + 1) + cluster
        _, first, row = np.unique(pair, return_index=True, return_inverse=True)
        return cls(row, stratum[first], strata is not None)

    @property
    def sizes(self) -> Codes:
        """Units in each stratum."""
        return np.bincount(self.stratum)

    def totals(self, z: Array) -> Array:
        """Totals of the units, so scaled and centred that their cross-product is the design covariance of the sum.

        Parameters
        ----------
        z : ndarray of shape (rows, k)
            What each row adds, weights included.

        Returns
        -------
        ndarray of shape (units, k)
        """
        total = _sums(z, self.row, len(self.stratum))
        size = self.sizes
        if self.centred:
            total -= (_sums(total, self.stratum, len(size)) / size[:, None])[self.stratum]
        return total * np.sqrt(size / (size - 1.0))[self.stratum, None]


def _sums(z: Array, code: Codes, count: int) -> Array:
    """Sums of lines with the same code."""
    out = np.zeros((count, z.shape[1]))
    order = np.argsort(code, kind="stable")
    found, first = np.unique(code[order], return_index=True)
    out[found] = np.add.reduceat(z[order], first, axis=0)
    return out


def units_of(
    codes: Codes,
    clusters: Codes | None,
    strata: Codes | None,
    labels: Sequence[object] = (),
    *,
    where: str = "strata",
) -> tuple[Units | None, ...]:
    """Units of the rows of every group.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Group of each row.
    clusters, strata : ndarray of int, shape (n,), optional
        Cluster and stratum of each row; a cluster is what has the same code within one stratum.
    labels : sequence, optional
        What the codes of the strata stand for, for messages.
    where : str, default "strata"
        What to call the strata.

    Returns
    -------
    tuple of Units or None
        None for every group in a simple random sample. Groups that share no unit and no stratum are numbered
        apart, each with the small-sample factor of its own, as in lavaan.

    Raises
    ------
    DataError
        If a stratum has a single unit.
    """
    groups = range(int(codes.max(initial=0)) + 1)
    if clusters is None and strata is None:
        return tuple(None for _ in groups)
    whole = Units.of(clusters, strata)
    if strata is not None:
        _check_single(whole, "row" if clusters is None else "cluster", labels, where)
    part = whole.row if strata is None else whole.stratum[whole.row]
    pairs = np.unique(np.column_stack([part, codes]), axis=0)
    shared = len(pairs) > len(np.unique(part))
    if shared:
        return tuple(Units(whole.row[codes == g], whole.stratum, whole.centred, True) for g in groups)

    def cut(a: Codes | None, g: int) -> Codes | None:
        return None if a is None else a[codes == g]

    return tuple(Units.of(cut(clusters, g), cut(strata, g)) for g in groups)


def _check_single(units: Units, kind: str, labels: Sequence[object], where: str) -> None:
    """Refuse strata whose variance one unit cannot show."""
    single = np.flatnonzero(units.sizes == 1)
    if len(single):
        names = f" ({listed(labels[int(s)] for s in single)})" if len(labels) else ""
        raise DataError(
            f"{len(single)} of {len(units.sizes)} {where} hold a single {kind}{names}, so that their variance is unknown: "
            "merge them with similar ones."
        )
