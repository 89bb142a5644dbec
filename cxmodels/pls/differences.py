"""Tests of the difference between two groups, from bootstrap replicates or permutations.

Sources: Henseler, Ringle and Sinkovics (2009), Advances in International Marketing 20, eq. 13, for the bootstrap
comparison; Keil et al. (2000), MIS Quarterly 24(2), and Sarstedt, Henseler and Ringle (2011), Advances in International
Marketing 22, for the t tests; Phipson and Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9(1).
"""

from __future__ import annotations

import numpy as np

from .kernel import Array


def larger_share(a: Array, b: Array) -> Array:
    """Share of pairs of replicates in which the second group's is larger (Henseler et al. 2009, eq. 13).

    Replicates are reflected about their mean, 2 m - x, as the formula has it: 1 - mean of H(2 m_a - a_i - 2 m_b + b_j).

    Parameters
    ----------
    a, b : ndarray of shape (n, k) and (m, k)
        Bootstrap replicates of each group.

    Returns
    -------
    ndarray of shape (k,)

    Examples
    --------
    >>> larger_share(np.array([[3.0], [4.0]]), np.array([[1.0], [2.0]]))
    array([0.])
    """
    out = np.empty(a.shape[1])
    left, right = np.sort(2 * a.mean(axis=0) - a, axis=0), 2 * b.mean(axis=0) - b
    for k in range(a.shape[1]):
        noise = 1e-12 * max(1.0, np.abs(left[:, k]).max())
        below = np.searchsorted(left[:, k], right[:, k] - noise) + np.searchsorted(left[:, k], right[:, k] + noise)
        out[k] = below.mean() / (2 * len(a))  # equal ones count half
    return out


def pooled_t(gap: Array, se: Array, se_other: Array, n: int, m: int) -> tuple[Array, float]:
    """Return t and df of the parametric test with a pooled variance (Keil et al. 2000).

    Parameters
    ----------
    gap, se, se_other : ndarray of shape (k,)
        Difference and bootstrap standard errors of two groups.
    n, m : int
        Their rows.

    Returns
    -------
    t : ndarray of shape (k,)
    df : float
    """
    df = n + m - 2
    pooled = np.sqrt((n - 1) ** 2 / df * se**2 + (m - 1) ** 2 / df * se_other**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(pooled > 1e-12, gap / (pooled * np.sqrt(1 / n + 1 / m)), np.nan), float(df)


def welch_t(gap: Array, se: Array, se_other: Array, n: int, m: int) -> tuple[Array, Array]:
    """Return t and df of the Welch-Satterthwaite test (Sarstedt et al. 2011, eqs. 4-5).

    Parameters
    ----------
    gap, se, se_other : ndarray of shape (k,)
        Difference and bootstrap standard errors of two groups.
    n, m : int
        Their rows.

    Returns
    -------
    t, df : ndarray of shape (k,)
    """
    v = (n - 1) / n * se**2 + (m - 1) / m * se_other**2
    with np.errstate(invalid="ignore", divide="ignore"):
        df = v**2 / ((n - 1) / n**2 * se**4 + (m - 1) / m**2 * se_other**4) - 2
        return np.where(v > 1e-24, gap / np.sqrt(v), np.nan), np.where(v > 1e-24, df, np.nan)


def two_sided(est: Array, null: Array) -> Array:
    """Share of permutations at least as far from zero, the data counted among them (Phipson and Smyth 2010)."""
    far = np.abs(null) >= np.abs(est) - 1e-12
    return np.where(np.isnan(est), np.nan, (1 + far.sum(axis=0)) / (1 + len(null)))
