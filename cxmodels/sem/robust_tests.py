"""Corrections of a test statistic that is not chi-square distributed as it stands.

Least squares with a weight matrix that is not the inverse covariance of the sample statistics (DWLS, ULS), or normal
theory on data that are not normal, give a statistic distributed as a weighted sum of chi-squares. The weights are
the eigenvalues of U Gamma; the corrections below use their sum and their sum of squares.

Sources: Satorra and Bentler (1994), in von Eye and Clogg (eds.), Latent variables analysis, ch. 16, for the scaled and
the mean- and variance-adjusted statistic; Asparouhov and Muthén (2010), "Simple second order chi-square correction",
Mplus technical appendix, for the scaled and shifted one; Satorra (2000), in Heijmans et al. (eds.), Innovations in
multivariate statistical analysis, for several groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Traces(NamedTuple):
    """Sum and sum of squares of the eigenvalues of U Gamma.

    Attributes
    ----------
    first : float
        Trace of U Gamma.
    second : float
        Trace of (U Gamma)^2.
    """

    first: float
    second: float


class CorrectedTest(NamedTuple):
    """A corrected chi-square test.

    Attributes
    ----------
    chisq : float
        The corrected statistic: the raw one divided by `scaling_factor`, plus `shift`.
    df : float
        Its degrees of freedom; fractional for the mean- and variance-adjusted test.
    pvalue : float
    scaling_factor : float
        NaN when the model has no degrees of freedom, or when the factor would not be positive.
    shift : float
    """

    chisq: float
    df: float
    pvalue: float
    scaling_factor: float
    shift: float


def u_gamma_traces(
    gamma: Sequence[Array], weight: Sequence[Array], jacobian: Sequence[Array], e_inv: Array, n: Sequence[float]
) -> Traces:
    """Traces of U Gamma and of its square over all groups.

    Parameters
    ----------
    gamma : sequence of ndarray of shape (s, s)
        Asymptotic covariance of the root-n sample statistics of each group.
    weight : sequence of ndarray of shape (s, s) or (s,)
        Weight matrix of each group; a vector is its diagonal.
    jacobian : sequence of ndarray of shape (s, q)
        Derivatives of the implied statistics of each group with respect to all q free parameters.
    e_inv : ndarray of shape (q, q)
        Inverse of the information, sum over groups of (n_g / n) jacobian' weight jacobian. Under linear equality
        constraints: K (K' E K)^-1 K', K spanning the directions that remain free.
    n : sequence of float
        Rows of each group.

    Returns
    -------
    Traces

    Notes
    -----
    U = W - W D E^-1 D' W. With f_g the share of a group, its block of W is f_g W_g and its block of Gamma is
    Gamma_g / f_g. Both traces follow from sums of q x q matrices over the groups, so that U, which has blocks between
    groups where a parameter is shared, is never formed.

    Examples
    --------
    >>> eye = np.eye(3)
    >>> u_gamma_traces([eye], [np.ones(3)], [eye[:, :1]], np.eye(1), [100])
    Traces(first=2.0, second=2.0)
    """
    share = np.asarray(n, dtype=float) / np.sum(n)
    free = free2 = 0.0
    used, used2 = np.zeros_like(e_inv), np.zeros_like(e_inv)
    for g, w, d, f in zip(gamma, weight, jacobian, share, strict=True):
        wg = w[:, None] * g if w.ndim == 1 else w @ g
        wd = w[:, None] * d if w.ndim == 1 else w @ d
        gwd = g @ wd
        free += float(np.trace(wg))
        free2 += float(np.einsum("ij,ji->", wg, wg))
        used += f * (wd.T @ gwd)
        used2 += f * (wd.T @ (wg.T @ gwd)) if w.ndim == 2 else f * (gwd.T @ (w[:, None] * gwd))
    eb = e_inv @ used
    first = free - float(np.trace(eb))
    second = free2 - 2 * float(np.einsum("ij,ji->", e_inv, used2)) + float(np.einsum("ij,ji->", eb, eb))
    return Traces(first, second)


def satorra_bentler(chisq: float, df: int, traces: Traces) -> CorrectedTest:
    """Mean-adjusted test: the statistic divided by the mean eigenvalue (MLM, WLSM).

    Parameters
    ----------
    chisq : float
        The uncorrected statistic.
    df : int
        Degrees of freedom of the model.
    traces : Traces
        From `u_gamma_traces`.

    Returns
    -------
    CorrectedTest

    Examples
    --------
    >>> satorra_bentler(30.0, 10, Traces(15.0, 30.0)).chisq
    20.0
    """
    return _corrected(chisq, df, traces.first / df if df > 0 else np.nan)


def mean_var_adjusted(chisq: float, df: int, traces: Traces) -> CorrectedTest:
    """Mean- and variance-adjusted test with fractional degrees of freedom, after Satterthwaite (MLMV).

    Parameters
    ----------
    chisq : float
        The uncorrected statistic.
    df : int
        Degrees of freedom of the model; only whether there are any matters.
    traces : Traces
        From `u_gamma_traces`.

    Returns
    -------
    CorrectedTest

    Examples
    --------
    >>> mean_var_adjusted(30.0, 10, Traces(15.0, 30.0))[:2]
    (15.0, 7.5)
    """
    if df <= 0:
        return _corrected(chisq, df, np.nan)
    adjusted = traces.first**2 / traces.second
    return _corrected(chisq, adjusted, traces.first / adjusted)


def scaled_shifted(chisq: float, df: int, traces: Traces) -> CorrectedTest:
    """Mean- and variance-adjusted test that keeps the degrees of freedom (WLSMV, ULSMV).

    Parameters
    ----------
    chisq : float
        The uncorrected statistic.
    df : int
        Degrees of freedom of the model.
    traces : Traces
        From `u_gamma_traces`.

    Returns
    -------
    CorrectedTest

    Notes
    -----
    a chisq + df - a tr(U Gamma) with a = sqrt(df / tr((U Gamma)^2)), which gives it the mean df and the variance 2 df
    (Asparouhov and Muthén, 2010). The scaling factor is 1 / a.

    Examples
    --------
    >>> test = scaled_shifted(30.0, 10, Traces(15.0, 40.0))
    >>> test.chisq, test.scaling_factor, test.shift
    (17.5, 2.0, 2.5)
    """
    if df <= 0:
        return _corrected(chisq, df, np.nan)
    a = np.sqrt(df / traces.second)
    return _corrected(chisq, df, 1 / a, df - a * traces.first)


def _corrected(chisq: float, df: float, factor: float, shift: float = 0.0) -> CorrectedTest:
    """Apply factor and shift and look up the p-value."""
    from scipy.special import chdtrc

    if not factor > 0:
        return CorrectedTest(float(chisq), float(df), float("nan"), float("nan"), 0.0)
    statistic = float(chisq / factor + shift)
    return CorrectedTest(statistic, float(df), float(chdtrc(df, statistic)), float(factor), float(shift))
