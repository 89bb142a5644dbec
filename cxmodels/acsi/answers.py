"""How simulated customers answer the ACSI-style questions, and the exact moments of what they answer.

Six latent variables follow the nine paths of the ACSI-style model (Fornell et al. 1996, Journal of Marketing
60(4)). Every answer counts the steps that a noisy indicator of its latent variable climbs. Given the latent
variables answers are independent, so that their means and covariances need integrals in one dimension only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ANALYSED",
    "CONSTRUCTS",
    "PATHS",
    "QUESTIONS",
    "Question",
    "answers",
    "latent_correlation",
    "latent_means",
    "moments",
    "path_matrix",
]

Array = NDArray[np.float64]

CONSTRUCTS = ("Expectations", "Quality", "Value", "Satisfaction", "Complaints", "Loyalty")

#: (outcome, predictor, standardised coefficient) between latent variables; outcomes in causal order.
PATHS = (
    ("Quality", "Expectations", 0.60),
    ("Value", "Expectations", 0.10),
    ("Value", "Quality", 0.66),
    ("Satisfaction", "Expectations", 0.08),
    ("Satisfaction", "Quality", 0.52),
    ("Satisfaction", "Value", 0.37),
    ("Complaints", "Satisfaction", -0.50),
    ("Loyalty", "Satisfaction", 0.66),
    ("Loyalty", "Complaints", -0.12),
)

REBUYS = 6  # from this repurchase answer on a price rise is asked about, below it a price cut
NODES = 48  # of the quadrature; the tests hold the moments against bivariate normal integrals
_RATING_CUTS = (-2.60, -2.25, -1.95, -1.65, -1.25, -0.85, -0.35, 0.25, 0.85)  # skewed to the left, mean near 8


class Question(NamedTuple):
    """A question: the answer is `low` plus the number of `cuts` below the customer's indicator.

    The indicator is ``loading * latent + sqrt(1 - loading**2) * noise`` with standard normal noise.
    """

    name: str
    construct: str
    loading: float
    low: int
    cuts: tuple[float, ...]


def _rating(name: str, construct: str, loading: float, ease: float) -> Question:
    """Return a question on 1-10; `ease` moves every answer up."""
    return Question(name, construct, loading, 1, tuple(cut - ease for cut in _RATING_CUTS))


def _percent(name: str, low: int, centre: float, spread: float) -> Question:
    """Return a question answered by 26 whole percents from `low` up: centre + spread * indicator, rounded."""
    return Question(name, "Loyalty", 0.60, low, tuple((low + k + 0.5 - centre) / spread for k in range(25)))


QUESTIONS = (
    _rating("overall_expect", "Expectations", 0.80, -0.10),
    _rating("expect_custom", "Expectations", 0.74, -0.05),
    _rating("expect_reliab", "Expectations", 0.62, -0.15),
    _rating("overall_quality", "Quality", 0.90, 0.10),
    _rating("quality_custom", "Quality", 0.84, 0.05),
    _rating("quality_reliab", "Quality", 0.70, 0.00),
    _rating("price_given_quality", "Value", 0.86, -0.20),
    _rating("quality_given_price", "Value", 0.90, -0.10),
    _rating("satisfaction", "Satisfaction", 0.91, 0.15),
    _rating("confirm", "Satisfaction", 0.83, -0.15),
    _rating("ideal", "Satisfaction", 0.84, -0.20),
    Question("complaint", "Complaints", 0.80, 0, (1.15,)),
    _rating("repurchase", "Loyalty", 0.85, 0.10),
    _percent("tolerance_up", 0, 9.0, 7.0),
    _percent("tolerance_down", -25, -9.0, 7.0),
)

#: The items of the analysis: both tolerances are combined into one on 1-10.
ANALYSED = (*(q.name for q in QUESTIONS[:-2]), "price_tolerance")


def answers(latent: Array, rng: np.random.Generator) -> dict[str, Array]:
    """Draw the answers of customers, given their latent variables.

    Parameters
    ----------
    latent : ndarray of shape (n, 6)
        One row per customer, in the order of `CONSTRUCTS`.
    rng : numpy Generator

    Returns
    -------
    dict of str to ndarray of shape (n,)
        One entry per question. Only one of the two tolerances is asked, the other is NaN; both are percents
        from 0 to 25, the rise that is borne and the cut that is needed.

    Examples
    --------
    >>> drawn = answers(np.zeros((3, 6)), np.random.default_rng(1))
    >>> drawn["satisfaction"]
    array([6., 7., 8.])
    """
    drawn = {}
    for question in QUESTIONS:
        own = latent[:, CONSTRUCTS.index(question.construct)]
        noise = rng.standard_normal(len(latent)) * np.sqrt(1 - question.loading**2)
        drawn[question.name] = question.low + np.searchsorted(question.cuts, question.loading * own + noise) * 1.0
    rebuys = drawn["repurchase"] >= REBUYS
    drawn["tolerance_up"] = np.where(rebuys, drawn["tolerance_up"], np.nan)
    drawn["tolerance_down"] = np.where(rebuys, np.nan, np.abs(drawn["tolerance_down"]))
    return drawn


def path_matrix() -> Array:
    """Return the coefficients of `PATHS` as an array.

    Returns
    -------
    ndarray of shape (6, 6)
        [outcome, predictor], in the order of `CONSTRUCTS`.

    Examples
    --------
    >>> path_matrix()[CONSTRUCTS.index("Loyalty")]
    array([ 0.  ,  0.  ,  0.  ,  0.66, -0.12,  0.  ])
    """
    b = np.zeros((6, 6))
    for outcome, predictor, coefficient in PATHS:
        b[CONSTRUCTS.index(outcome), CONSTRUCTS.index(predictor)] = coefficient
    return b


def latent_correlation() -> Array:
    """Return the correlations that `PATHS` imply for latent variables of unit variance.

    Returns
    -------
    ndarray of shape (6, 6)
        In the order of `CONSTRUCTS`.

    Examples
    --------
    >>> latent_correlation()[0].round(3)
    array([ 1.   ,  0.6  ,  0.496,  0.576, -0.288,  0.414])
    """
    b, r = path_matrix(), np.eye(6)
    for k in range(1, 6):
        r[k, :k] = r[:k, k] = b[k, :k] @ r[:k, :k]
    return r


def latent_means(intercepts: Array) -> Array:
    """Carry shifts of the structural intercepts along the paths.

    Parameters
    ----------
    intercepts : ndarray of shape (..., 6)

    Returns
    -------
    ndarray of shape (..., 6)
        Means of the latent variables, in their standard deviations.

    Examples
    --------
    >>> latent_means(np.array([1.0, 0, 0, 0, 0, 0])).round(3)
    array([ 1.   ,  0.6  ,  0.496,  0.576, -0.288,  0.414])
    """
    return intercepts @ np.linalg.inv(np.eye(6) - path_matrix()).T


def moments(means: Array) -> tuple[Array, Array]:
    """Compute population means and covariances of the items of the analysis.

    Parameters
    ----------
    means : ndarray of shape (u, 6)
        Means of the latent variables in each of u populations; their variances are 1 and their correlations
        those of `latent_correlation`.

    Returns
    -------
    mean : ndarray of shape (u, 14)
        In the order of `ANALYSED`.
    cov : ndarray of shape (u, 14, 14)

    Notes
    -----
    With m the expected answer given the own latent variable and h_k = E[m He_k] / sqrt(k!) its coefficients on
    the normalised Hermite polynomials, Cov(x, y) = sum over k >= 1 of rho^k h_k(x) h_k(y), where rho is the
    correlation of the latent variables (Mehler's expansion). Within a block rho is 1 and the sum is Parseval's.
    Variances, and the covariance of repurchase with price tolerance, whose branch hangs on it, are direct.

    Examples
    --------
    >>> mean, cov = moments(np.zeros((1, 6)))
    >>> mean[0, ANALYSED.index("satisfaction")].round(2).item()
    8.09
    """
    node, weight = np.polynomial.hermite_e.hermegauss(NODES)
    weight /= weight.sum()
    first, second, cross = _given(means, node)
    h = (first * weight) @ _hermite(node)
    mean = h[:, :, 0]
    own = [CONSTRUCTS.index(q.construct) for q in QUESTIONS[:-1]]
    rho = latent_correlation()[np.ix_(own, own)]
    cov, power = np.zeros((len(means), 14, 14)), np.ones_like(rho)
    for k in range(1, NODES):
        power = power * rho
        cov += power * h[:, :, k, None] * h[:, None, :, k]
    items = np.arange(14)
    cov[:, items, items] = second @ weight - mean**2
    cov[:, 12, 13] = cov[:, 13, 12] = cross @ weight - mean[:, 12] * mean[:, 13]
    return mean, cov


def _hermite(node: Array) -> Array:
    """Values (nodes, degrees) of the Hermite polynomials that are orthonormal under the standard normal."""
    degree = np.arange(NODES)
    return np.polynomial.hermite_e.hermevander(node, NODES - 1) / np.sqrt(np.cumprod(np.maximum(degree, 1.0)))


def _given(means: Array, node: Array) -> tuple[Array, Array, Array]:
    """First and second moments (u, 14, nodes) of the items given the own latent variable.

    Third: the mean product of repurchase and price tolerance (u, nodes).
    """
    first, second = np.empty((2, len(means), 14, len(node)))
    for i, question in enumerate(QUESTIONS[:-2]):
        first[:, i], second[:, i] = _steps(question.low, _exceeding(question, means, node))
    repurchase, rise, fall = (_exceeding(q, means, node) for q in QUESTIONS[-3:])
    above = REBUYS - QUESTIONS[-3].low  # how many cuts lie below the answer that divides the branches
    stays = repurchase[above - 1]
    rating = REBUYS * stays + repurchase[above:].sum(axis=0)  # the part of the mean that comes from those who stay
    up, down = _steps(0, rise), _steps(-25, fall)
    percent, square = (stays * u + (1 - stays) * d for u, d in zip(up, down, strict=True))
    low, slope = 5.5, 0.18  # the item is 1 + 9 (percent + 25) / 50
    first[:, 13] = low + slope * percent
    second[:, 13] = low**2 + 2 * low * slope * percent + slope**2 * square
    product = rating * up[0] + (first[:, 12] - rating) * down[0]
    return first, second, low * first[:, 12] + slope * product


def _exceeding(question: Question, means: Array, node: Array) -> Array:
    """Chances (cuts, u, nodes) that the indicator exceeds each cut, given the latent variable."""
    from scipy.special import ndtr

    latent = means[:, CONSTRUCTS.index(question.construct), None] + node
    cuts = np.array(question.cuts)[:, None, None]
    return ndtr((question.loading * latent - cuts) / np.sqrt(1 - question.loading**2))


def _steps(low: int, chance: Array) -> tuple[Array, Array]:
    """First two moments of `low` plus the number of cuts exceeded."""
    top = low + np.arange(1.0, len(chance) + 1)
    return low + chance.sum(axis=0), low**2 + np.tensordot(2 * top - 1, chance, 1)
