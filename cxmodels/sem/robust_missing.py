"""What incomplete data add to tests of fit: the missingness itself, and corrections for it.

Sources: Little (1988), *JASA* 83, for the test of missing completely at random; Yuan and Bentler (2000),
*Sociological Methodology* 30, for the scaled likelihood ratio in the form of Asparouhov and Muthén (2005);
Zhang and Savalei (2023), *Psychological Methods* 28, for fit indices that do not shrink with the missing share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .missing import case_scores, expect, information
from .patterns import Array, Patterns, Rows
from .saturated import Saturated, saturated


class Mcar(NamedTuple):
    """Little's test that values are missing completely at random.

    Attributes
    ----------
    chisq : float
    df : int
        0 if there is a single pattern; then chisq is 0 and the p-value NaN.
    pvalue : float
    patterns : int
        Number of patterns.
    """

    chisq: float
    df: int
    pvalue: float
    patterns: int


class Corrected(NamedTuple):
    """Discrepancy on the complete-data scale, for robust RMSEA, CFI and TLI under missing values.

    Attributes
    ----------
    chisq : float
        n times the complete-data discrepancy between the saturated and the model's moments.
    bias : float
        Its expectation under a true model: `chisq` - `bias` is the noncentrality that takes the place of
        chisq - df, and `bias` / df is the scaling factor that lavaan calls c.hat.
    """

    chisq: float
    bias: float


def little_mcar(patterns: Patterns, h1: Saturated | None = None) -> Mcar:
    """Test whether the means of the patterns differ more than chance allows.

    Parameters
    ----------
    patterns : Patterns
    h1 : Saturated, optional
        The unrestricted model, if it is there already.

    Returns
    -------
    Mcar
        A small p-value is evidence against missing completely at random; full-information maximum likelihood
        needs only missing at random, of which there is no test.

    Raises
    ------
    EstimationError
        If the unrestricted model does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(1).normal(size=(200, 3))
    >>> x[:80, 0] = np.nan
    >>> test = little_mcar(Patterns.of(x))
    >>> test.df, test.patterns, bool(test.pvalue > 0.05)
    (2, 2, True)
    """
    from scipy.special import chdtrc

    h1 = saturated(patterns) if h1 is None else h1
    used = patterns.n > 0
    at = np.arange(len(used) + 1)
    values = np.where(patterns.observed, patterns.means, 0.0)
    e = expect(patterns, h1.mean, h1.cov, Rows(values, patterns.observed.astype(float), patterns.n, at))
    assert e is not None  # the saturated covariance is positive definite
    df = int(patterns.observed[used].sum()) - patterns.p
    if df == 0:
        return Mcar(0.0, 0, float("nan"), int(used.sum()))
    chisq = float(patterns.n @ e.square)
    return Mcar(chisq, df, float(chdtrc(df, chisq)), int(used.sum()))


def first_order(patterns: Patterns, mu: Array, sigma: Array) -> Array:
    """Unit first-order information about (mu, vech sigma): the mean cross-product of the rows' scores.

    Parameters
    ----------
    patterns : Patterns
    mu : ndarray of shape (p,)
    sigma : ndarray of shape (p, p)

    Returns
    -------
    ndarray of shape (p + p (p + 1) / 2, p + p (p + 1) / 2)
        Each row's score is multiplied by its weight, as in a design-based variance.

    Raises
    ------
    EstimationError
        If sigma is not positive definite.
    """
    s = case_scores(patterns, mu, sigma) * patterns.weights[:, None]
    return s.T @ s / patterns.total


def corrected(
    patterns: Sequence[Patterns],
    h1: Sequence[Saturated],
    moments: Sequence[tuple[Array, Array]],
    jacobians: Sequence[Array],
    *,
    meats: Sequence[Array] | None = None,
    basis: Array | None = None,
    keep: Sequence[NDArray[np.intp]] | None = None,
) -> Corrected:
    """Complete-data discrepancy of a model fitted to incomplete data, with its bias.

    Parameters
    ----------
    patterns, h1 : sequences of Patterns and of Saturated
        One per group.
    moments : sequence of (mu, sigma)
        The model's moments in each group.
    jacobians : sequence of ndarray of shape (p + p (p + 1) / 2, q)
        Derivative of (mu, vech sigma) of each group with respect to all distinct free parameters.
    meats : sequence of ndarray, optional
        First-order information of each group's saturated moments: the bias then holds without normality (version V3
        of Zhang and Savalei 2023, for MLR). Without it the data are taken as normal (V6, for ML).
    basis : ndarray of shape (q, r), optional
        Directions that constraints leave to the parameters.
    keep : sequence of ndarray of int, optional
        The moments of each group that the model is about; those of fixed predictors are not.

    Returns
    -------
    Corrected

    Notes
    -----
    With W the information of the saturated model in these data, V that in complete data with its moments, B the
    first-order information, J the Jacobian and R = inv(W) - J inv(J' W J) J', the bias is tr(V R B R), and tr(V R)
    for normal data, where B = W.
    """
    from scipy.linalg import block_diag

    total = sum(p.total for p in patterns)
    groups = [(p.total / total, p, s) for p, s in zip(patterns, h1, strict=True)]
    cut: list[Any] = [np.ix_(k, k) for k in keep] if keep is not None else [(slice(None), slice(None))] * len(groups)
    w = block_diag(*(f * information(p, s.mean, s.cov)[at] for (f, p, s), at in zip(groups, cut, strict=True)))
    v = block_diag(
        *(
            f * information(Patterns.of(_sample_with(s)), s.mean, s.cov)[at]
            for (f, _, s), at in zip(groups, cut, strict=True)
        )
    )
    j = np.vstack(jacobians if keep is None else [j[k] for j, k in zip(jacobians, keep, strict=True)])
    j = j if basis is None else j @ basis
    r = np.linalg.inv(w) - j @ np.linalg.solve(j.T @ w @ j, j.T)
    chisq = sum(p.total * _discrepancy(s, *m) for (_, p, s), m in zip(groups, moments, strict=True))
    if meats is None:
        return Corrected(chisq, float(np.sum(v * r)))
    b = block_diag(*(f * meat[at] for (f, _, _), meat, at in zip(groups, meats, cut, strict=True)))
    return Corrected(chisq, float(np.sum((r @ v) * (r @ b).T)))


def _discrepancy(s: Saturated, mu: Array, sigma: Array) -> float:
    """Maximum likelihood discrepancy of complete data with saturated moments."""
    d = s.mean - mu
    gap = np.linalg.slogdet(sigma)[1] - np.linalg.slogdet(s.cov)[1]
    return float(gap + np.trace(np.linalg.solve(sigma, s.cov)) - len(mu) + d @ np.linalg.solve(sigma, d))


def _sample_with(s: Saturated) -> Array:
    """Build a complete table with just these moments."""
    root = np.linalg.cholesky(s.cov).T * np.sqrt(len(s.mean))
    return np.vstack([s.mean + root, s.mean - root])
