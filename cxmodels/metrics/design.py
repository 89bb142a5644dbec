"""How a sample was drawn, and what that does to the variance of anything estimated from it.

Every metric is linearised: an estimate moves by z_i when respondent i comes in, and its variance is that of the
sum of the z_i under the design (Taylor linearisation; Wolter 2007, *Introduction to Variance Estimation*, ch. 6;
the same as R's survey package with replacement between primary units):

    Var = sum over strata h of  n_h / (n_h - 1) sum over units c in h of (z_hc - mean of z_h)²

A unit is a cluster, or a row. Groups are domains: outside its group a respondent counts zero but stays in the
design, so that groups which share clusters, or the same people asked twice, are correlated as they should be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

Array = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Design:
    """Weights, strata and clusters of n rows.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Ones without weights.
    weighted : bool, default False
        Whether weights were given.
    strata, clusters : ndarray of int of shape (n,), optional
        Codes. A cluster is what has the same code within one stratum.

    Raises
    ------
    DataError
        If a stratum holds a single cluster or row, or there is one cluster only.

    Examples
    --------
    >>> d = Design(np.ones(4), clusters=np.array([0, 0, 1, 1]))
    >>> d.units, d.df
    (2, 1)
    """

    weights: Array
    weighted: bool = False
    strata: Codes | None = None
    clusters: Codes | None = None
    unit: Codes = field(init=False, repr=False)  # of each row
    stratum: Codes = field(init=False, repr=False)  # of each unit
    size: Codes = field(init=False, repr=False)  # units in each stratum

    def __post_init__(self) -> None:
        n = len(self.weights)
        stratum = np.zeros(n, dtype=np.intp) if self.strata is None else self.strata
        cluster = np.arange(n) if self.clusters is None else self.clusters
        _, first, unit = np.unique(
            stratum * (int(cluster.max(initial=0)) + 1) + cluster, return_index=True, return_inverse=True
        )
        object.__setattr__(self, "unit", unit)
        object.__setattr__(self, "stratum", stratum[first])
        object.__setattr__(self, "size", np.bincount(stratum[first], minlength=1))
        alone = int((self.size == 1).sum())
        if self.complex and alone:
            kind = "row" if self.clusters is None else "cluster"
            raise DataError(
                f"{alone} of {len(self.size)} strata hold a single {kind}, so that their variance is unknown: "
                "merge them."
                if self.strata is not None
                else "All rows lie in one cluster: a standard error needs at least two."
            )

    @property
    def complex(self) -> bool:
        """Whether there are strata or clusters."""
        return self.strata is not None or self.clusters is not None

    @property
    def plain(self) -> bool:
        """Whether this is a simple random sample, without weights."""
        return not (self.complex or self.weighted)

    @property
    def units(self) -> int:
        """Number of clusters, or rows."""
        return len(self.stratum)

    @property
    def df(self) -> int:
        """Degrees of freedom: units less strata."""
        return self.units - len(self.size)

    def __str__(self) -> str:
        said = ["weighted"] if self.weighted else []
        if self.clusters is not None:
            said.append(f"{self.units} clusters")
        if self.strata is not None:
            said.append(f"{len(self.size)} strata")
        return ", ".join(said) or "simple random sample"

    def df_of(self, rows: Codes) -> float:
        """Degrees of freedom of a domain: its units less its strata.

        Parameters
        ----------
        rows : ndarray of int
            Positions of its rows.

        Returns
        -------
        float
        """
        units = np.unique(self.unit[rows])
        return float(len(units) - len(np.unique(self.stratum[units])))

    def kish(self, rows: Codes) -> float:
        """Effective number of rows, (sum w)² / sum w² (Kish 1965).

        Parameters
        ----------
        rows : ndarray of int
            Positions.

        Returns
        -------
        float
        """
        w = self.weights[rows]
        return float(w.sum() ** 2 / (w**2).sum()) if len(w) else 0.0

    def spread(self, z: Any, sizes: Codes | None = None, ddof: int = 1) -> Spread:
        """Collect what the variances of m linearised estimates need.

        Parameters
        ----------
        z : ndarray or sparse matrix of shape (n, m)
            What each row adds to each estimate; zero outside its domain.
        sizes : ndarray of int of shape (m,), optional
            Rows in the domain of each estimate, for simple random samples; all rows by default.
        ddof : int, default 1
            0 leaves out n / (n - 1) in a simple random sample: the textbook standard error of a share.

        Returns
        -------
        Spread
        """
        from scipy.sparse import csr_matrix

        z = csr_matrix(z)
        if self.plain:
            rows = np.full(z.shape[1], z.shape[0]) if sizes is None else sizes
            with np.errstate(divide="ignore", invalid="ignore"):
                scale = np.where(rows > ddof, np.sqrt(rows / (rows - float(ddof))), np.nan)
            return Spread(z, np.zeros((1, z.shape[1])), scale)
        n = len(self.unit)
        totals = csr_matrix((np.ones(n), (self.unit, np.arange(n))), shape=(self.units, n)) @ z
        sums = csr_matrix((np.ones(self.units), (self.stratum, np.arange(self.units)))) @ totals
        with np.errstate(divide="ignore"):
            factor = self.size / (self.size - 1.0)
        means = sums.toarray() * np.sqrt(factor / self.size)[:, None]
        return Spread(totals.multiply(np.sqrt(factor[self.stratum])[:, None]).tocsr(), means, np.ones(z.shape[1]))


@dataclass(frozen=True, eq=False)
class Spread:
    """Variances and covariances of m estimates; made by :meth:`Design.spread`.

    Parameters
    ----------
    totals : sparse matrix of shape (units, m)
        Contributions of the units, times the root of n_h / (n_h - 1).
    means : ndarray of shape (strata, m)
        What the means of the strata take off.
    scale : ndarray of shape (m,)
        Factor of each standard error.
    """

    totals: Any
    means: Array
    scale: Array

    def se(self, contrasts: Array | None = None) -> Array:
        """Return standard errors of the estimates, or of weighted sums of them.

        Parameters
        ----------
        contrasts : ndarray of shape (m, k), optional
            One column for each sum, such as 1 and -1 for a difference.

        Returns
        -------
        ndarray of shape (m,) or (k,)
            NaN where a domain has too few rows.
        """
        totals, means, scale = self.totals, self.means, self.scale
        if contrasts is not None:
            from scipy.sparse import csr_matrix

            scaled = np.where(contrasts == 0, 0.0, contrasts * self.scale[:, None])
            totals, means, scale = totals @ csr_matrix(scaled), means @ scaled, np.ones(scaled.shape[1])
        square = np.asarray(totals.multiply(totals).sum(axis=0)).ravel() - (means**2).sum(axis=0)
        return np.sqrt(np.maximum(square, 0)) * scale
