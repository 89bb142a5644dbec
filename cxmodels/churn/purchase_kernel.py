"""Likelihoods and expectations of BG/NBD and Pareto/NBD on arrays; parameters are numbers, or one per customer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def bgnbd_loglik(
    p: Array, ux: Array, place: NDArray[np.intp], x: Array, tx: Array, t: Array, w: Array
) -> tuple[float, Array]:
    """Log-likelihood of the BG/NBD and its gradient (Fader, Hardie and Lee 2005, eq. 6, in its stable form).

    ln L = A1 + A2 + ln(exp A3 + [x > 0] exp A4), with A3 = -(r + x) ln(alpha + T) and
    A4 = ln a - ln(b + x - 1) - (r + x) ln(alpha + t_x).

    Parameters
    ----------
    p : ndarray of shape (4,)
        r, alpha, a, b.
    ux, place : ndarray
        Distinct frequencies, and which of them each row has: special functions are computed once for each.
    x, tx, t, w : ndarray of shape (m,)
        Distinct rows and their customers.

    Returns
    -------
    value : float
    gradient : ndarray of shape (4,)
    """
    from scipy.special import digamma, gammaln

    r, alpha, a, b = p
    mass = np.bincount(place, w, minlength=len(ux))
    fixed = gammaln(r + ux) - gammaln(r) + r * np.log(alpha)
    fixed += gammaln(a + b) + gammaln(b + ux) - gammaln(b) - gammaln(a + b + ux)
    log_t, log_x = np.log(alpha + t), np.log(alpha + tx)
    a3, w4, total = _bg_parts(r, a, b, x, log_t, log_x)
    w4 *= w  # customers who, so to say, left after their last purchase
    w3 = w - w4
    common = digamma(a + b) - digamma(a + b + ux)
    again = x > 0
    gradient = np.array(
        [
            mass @ (digamma(r + ux) - digamma(r) + np.log(alpha)) - w3 @ log_t - w4 @ log_x,
            mass.sum() * r / alpha - ((r + x) * (w3 / (alpha + t) + w4 / (alpha + tx))).sum(),
            mass @ common + w4.sum() / a,
            mass @ (common + digamma(b + ux) - digamma(b)) - (w4[again] / (b + x[again] - 1)).sum(),
        ]
    )
    return float(mass @ fixed + w @ (a3 + total)), gradient


def _bg_parts(r: Any, a: Any, b: Any, x: Array, log_t: Array, log_x: Array) -> tuple[Array, Array, Array]:
    """A3, the share of exp A4 in the sum of both, and ln(1 + exp(A4 - A3))."""
    odds, over = _bg_odds(r, a, b, x, log_t, log_x)
    return -(r + x) * log_t, odds / (1 + odds), np.log1p(odds) + over


def _bg_odds(r: Any, a: Any, b: Any, x: Array, log_t: Array, log_x: Array) -> tuple[Array, Array]:
    """exp(A4 - A3), the odds of having left, kept finite; and how far its logarithm goes beyond that."""
    again = x > 0
    log = np.where(again, np.log(a / np.where(again, b + x - 1, 1.0)) + (r + x) * (log_t - log_x), -np.inf)
    return np.exp(np.minimum(log, 700.0)), np.maximum(log - 700, 0.0)


def bgnbd_rows(p: tuple[Any, ...], x: Array, tx: Array, t: Array) -> tuple[Array, Array]:
    """Log-likelihood of each row of the BG/NBD and its slopes, where parameters differ between rows.

    Parameters
    ----------
    p : tuple
        r, alpha, a, b, each a number or an array (m,).
    x, tx, t : ndarray of shape (m,)

    Returns
    -------
    value : ndarray of shape (m,)
    slopes : ndarray of shape (4, m)
        By r, alpha, a and b.
    """
    from scipy.special import digamma, gammaln

    r, alpha, a, b = p
    log_t, log_x = np.log(alpha + t), np.log(alpha + tx)
    a3, w4, total = _bg_parts(r, a, b, x, log_t, log_x)
    w3 = 1 - w4
    value = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + a3 + total
    value += gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
    common = digamma(a + b) - digamma(a + b + x)
    slopes = np.array(
        [
            digamma(r + x) - digamma(r) + np.log(alpha) - w3 * log_t - w4 * log_x,
            r / alpha - (r + x) * (w3 / (alpha + t) + w4 / (alpha + tx)),
            common + w4 / a,
            common + digamma(b + x) - digamma(b) - np.where(x > 0, w4 / np.where(x > 0, b + x - 1, 1.0), 0.0),
        ]
    )
    return value, slopes


def bgnbd_alive(p: tuple[Any, ...], x: Array, tx: Array, t: Array) -> Array:
    """Probability of being active under the BG/NBD."""
    r, alpha, a, b = p
    return np.asarray(1 / (1 + _bg_odds(r, a, b, x, np.log(alpha + t), np.log(alpha + tx))[0]), dtype=float)


def bgnbd_expected(p: tuple[Any, ...], ahead: Any, x: Array, tx: Array, t: Array) -> Array:
    """Expected purchases under the BG/NBD."""
    from scipy.special import hyp2f1

    r, alpha, a, b = p
    a = _not_one(a)
    z = ahead / (alpha + t + ahead)
    # Euler's transformation of 2F1(r + x, b + x; a + b + x - 1; z), which overflows for frequent buyers.
    shrink = ((alpha + t) / (alpha + t + ahead)) ** (a - 1) * hyp2f1(a + b - 1 - r, a - 1, a + b + x - 1, z)
    return np.asarray((a + b + x - 1) / (a - 1) * (1 - shrink) * bgnbd_alive(p, x, tx, t), dtype=float)


def _not_one(a: Any) -> Any:
    """At a = 1 the expectation is a limit: a step beside it says the same to seven digits."""
    return np.where(np.abs(np.asarray(a) - 1) < 1e-7, 1 + 1e-7, a)


def bgnbd_new(p: tuple[Any, ...], t: Any) -> Array:
    """Expected repeat purchases of a new customer under the BG/NBD."""
    from scipy.special import hyp2f1

    r, alpha, a, b = p
    a = _not_one(a)
    shrink = (alpha / (alpha + t)) ** r * hyp2f1(r, b, a + b - 1, t / (alpha + t))
    return np.asarray((a + b - 1) / (a - 1) * (1 - shrink), dtype=float)


def pareto_rows(p: tuple[Any, ...], x: Array, tx: Array, t: Array) -> tuple[Array, Array]:
    """Log-likelihood of each row of the Pareto/NBD and its slopes by r, alpha, s and beta.

    ln L = ln G(r + x) - ln G(r) + r ln alpha + s ln beta - (r + x) ln(alpha + T) - s ln(beta + T) + ln(1 + odds of having
    left). The hypergeometric functions of the odds have no simple derivative by their parameters: the slopes of that term
    are central differences on the logarithmic scale, exact to about nine digits.

    Parameters
    ----------
    p : tuple
        r, alpha, s, beta, each a number or an array (m,).
    x, tx, t : ndarray of shape (m,)

    Returns
    -------
    value : ndarray of shape (m,)
    slopes : ndarray of shape (4, m)
    """
    from scipy.special import digamma, gammaln

    step = 1e-5
    r, alpha, s, beta = p

    def gone(j: int, by: float) -> Array:
        moved = tuple(v * np.exp(by) if k == j else v for k, v in enumerate(p))
        return np.logaddexp(0.0, _pareto_log_odds(moved, x, tx, t))

    value = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
    value += np.logaddexp(0.0, _pareto_log_odds(p, x, tx, t)) - (r + x) * np.log(alpha + t) - s * np.log(beta + t)
    slopes = [
        digamma(r + x) - digamma(r) + np.log(alpha / (alpha + t)),
        r / alpha - (r + x) / (alpha + t),
        np.log(beta / (beta + t)),
        s / beta - s / (beta + t),
    ]
    turns = [(gone(j, step) - gone(j, -step)) / (2 * step) / p[j] for j in range(4)]
    return value, np.array([np.broadcast_to(a + b, x.shape) for a, b in zip(slopes, turns, strict=True)])


def _pareto_log_odds(p: tuple[Any, ...], x: Array, tx: Array, t: Array) -> Array:
    """Logarithm of the odds of having left, s / (r + s + x) (alpha + T)^(r + x) (beta + T)^s A0.

    A0 is a difference of 2F1(r + s + x, ...; r + s + x + 1; z) at t_x and T, which overflow for frequent buyers; by Euler's
    transformation each is the power of alpha and beta at its time and a series with 1 as first parameter, so that the
    powers divide out.
    """
    from scipy.special import hyp2f1

    r, alpha, s, beta = p
    total = r + s + x
    high, low = np.maximum(alpha, beta), np.minimum(alpha, beta)
    longer = np.asarray(alpha) >= beta
    second = np.where(longer, r + x, s + 1)

    def series(time: Array) -> Array:
        f = hyp2f1(1.0, second, total + 1, (high - low) / (high + time))
        return np.asarray(f * np.where(longer, 1.0, (alpha + time) / (beta + time)), dtype=float)

    grown = (r + x) * np.log((alpha + t) / (alpha + tx)) + s * np.log((beta + t) / (beta + tx))
    rest = np.maximum(series(tx) - series(t) * np.exp(-grown), 0.0)
    with np.errstate(divide="ignore"):  # nobody has left by the moment of a purchase
        return np.asarray(np.log(s / total) + grown + np.log(rest), dtype=float)


def pareto_alive(p: tuple[Any, ...], x: Array, tx: Array, t: Array) -> Array:
    """Probability of being active under the Pareto/NBD."""
    return np.asarray(1 / (1 + np.exp(np.minimum(_pareto_log_odds(p, x, tx, t), 700.0))), dtype=float)


def pareto_expected(p: tuple[Any, ...], ahead: Any, x: Array, tx: Array, t: Array) -> Array:
    """Expected purchases under the Pareto/NBD."""
    r, alpha, s, beta = p
    log = np.log((beta + t) / (beta + t + ahead))
    grown = -np.expm1((s - 1) * log) / (s - 1) if abs(s - 1) > 1e-8 else -log
    return np.asarray((r + x) * (beta + t) / (alpha + t) * grown * pareto_alive(p, x, tx, t), dtype=float)


def pareto_new(p: tuple[Any, ...], t: Any) -> Array:
    """Expected repeat purchases of a new customer under the Pareto/NBD."""
    r, alpha, s, beta = p
    log = np.log(beta / (beta + t))
    grown = -np.expm1((s - 1) * log) / (s - 1) if abs(s - 1) > 1e-8 else -log
    return np.asarray(r * beta / alpha * grown, dtype=float)
