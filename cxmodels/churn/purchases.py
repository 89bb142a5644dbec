"""How often customers buy and whether they are still there: BG/NBD and Pareto/NBD.

While active a customer buys at a rate of his own, gamma-distributed over customers. In the BG/NBD he may drop out
after any purchase, with a probability of his own that is beta-distributed (Fader, Hardie and Lee 2005, Marketing
Science 24(2), eqs. 6-11); in the Pareto/NBD at any moment, at a rate that is gamma-distributed (Schmittlein, Morrison
and Colombo 1987, Management Science 33(1); likelihood as in Fader and Hardie 2005, "A Note on Deriving the
Pareto/NBD Model"). Data are frequency (repeat purchases x), recency (time of the last, t_x) and T (time observed).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import DataError, SpecError
from .lifetimes import Array, LifetimeResult, columns_of, grouped, maximise

_LEAST = {"frequency": 0.0, "recency": 0.0, "T": 0.0}


@dataclass(frozen=True)
class BGNBD:
    """Beta-geometric / negative binomial model of repeat purchases.

    Parameters
    ----------
    level : float, default 0.95
        Confidence level of the intervals.

    Examples
    --------
    >>> import cxmodels as cx
    >>> found = cx.churn.BGNBD().fit(cx.datasets.load("cdnow_summary"))
    >>> found.params.round(3).to_dict(), round(found.loglik, 1)
    ({'r': 0.243, 'alpha': 4.414, 'a': 0.793, 'b': 2.426}, -9582.4)
    """

    level: float = 0.95

    def fit(
        self,
        data: Any,
        recency: Any = "recency",
        T: Any = "T",
        *,
        frequency: str = "frequency",
        weights: ArrayLike | str | None = None,
        start: ArrayLike | None = None,
    ) -> BGNBDResult:
        """Estimate by maximum likelihood.

        Parameters
        ----------
        data : DataFrame, or array-like of shape (n,)
            A frame with columns frequency, recency and T, or the frequencies themselves.
        recency, T : str or array-like of shape (n,)
            Time of the last purchase and time observed, both since the first purchase, in any one unit.
        frequency : str, default "frequency"
            Column of repeat purchases, where `data` is a frame.
        weights : array-like or str, optional
            Customers that each row stands for.
        start : array-like of shape (4,), optional
            Starting values r, alpha, a, b, tried beside the model's own.

        Returns
        -------
        BGNBDResult

        Raises
        ------
        DataError
            For values that are missing or negative, purchases after the end of observation, a recency without a
            repeat purchase or none with one, and data without any repeat purchase.
        """
        (x, tx, t), w, n = _purchases(data, frequency, recency, T, weights)
        unit = float(np.average(t, weights=w)) or 1.0
        starts = [
            np.array(s) * [1, unit, 1, 1] for s in ((0.5, 0.3, 0.7, 2.0), (0.2, 0.1, 0.5, 1.5), (1.0, 1.0, 1.0, 3.0))
        ]
        if start is not None:
            starts.insert(0, _start(start, 4))
        ux, place = np.unique(x, return_inverse=True)

        def loglik(p: Array) -> tuple[float, Array]:
            return bgnbd_loglik(p, ux, place, x, tx, t, w)

        names = ("r", "alpha", "a", "b")
        params, cov, value, done, notes = maximise(loglik, names, starts, np.ones(4, bool), "BG/NBD")
        return BGNBDResult(params, cov, value, n, len(x), done, "BG/NBD", self.level, notes)


def bgnbd_loglik(
    p: Array, ux: Array, place: np.ndarray, x: Array, tx: Array, t: Array, w: Array
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
    log_t, log_x, again = np.log(alpha + t), np.log(alpha + tx), x > 0
    a3 = -(r + x) * log_t
    a4 = np.where(again, np.log(a) - np.log(np.where(again, b + x - 1, 1.0)) - (r + x) * log_x, -np.inf)
    total = np.logaddexp(a3, a4)
    w4 = w * np.exp(a4 - total)  # customers who, so to say, left after their last purchase
    w3 = w - w4
    common = digamma(a + b) - digamma(a + b + ux)
    left = w4.sum()
    gradient = np.array(
        [
            mass @ (digamma(r + ux) - digamma(r) + np.log(alpha)) - w3 @ log_t - w4 @ log_x,
            mass.sum() * r / alpha - ((r + x) * (w3 / (alpha + t) + w4 / (alpha + tx))).sum(),
            mass @ common + left / a,
            mass @ (common + digamma(b + ux) - digamma(b)) - (w4[again] / (b + x[again] - 1)).sum(),
        ]
    )
    return float(mass @ fixed + w @ total), gradient


@dataclass(frozen=True, repr=False, eq=False)
class BGNBDResult(LifetimeResult):
    """A fitted BG/NBD: see :class:`LifetimeResult` for its parts."""

    def p_alive(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Array:
        """Probability that a customer is still active.

        Parameters
        ----------
        frequency, recency, T : array-like of shape (n,)
            As in :meth:`BGNBD.fit`.

        Returns
        -------
        ndarray of shape (n,)
            1 / (1 + a / (b + x - 1) ((alpha + T) / (alpha + t_x))^(r + x)). A customer without a repeat purchase has
            probability 1 exactly: in this model one can only leave after a purchase.
        """
        return _bg_alive(self.params, *_three(frequency, recency, T))

    def expected_purchases(self, t: ArrayLike, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Array:
        """Purchases expected of a customer in the next `t` units of time, given the history.

        Parameters
        ----------
        t : float or array-like of shape (n,)
            Time ahead.
        frequency, recency, T : array-like of shape (n,)
            As in :meth:`BGNBD.fit`.

        Returns
        -------
        ndarray of shape (n,)
            Fader, Hardie and Lee (2005), eq. 10.
        """
        return _bg_expected(self.params, np.asarray(t, dtype=float), *_three(frequency, recency, T))

    def expected_new(self, t: ArrayLike) -> Array:
        """Repeat purchases expected of a new customer in the first `t` units of time.

        Parameters
        ----------
        t : float or array-like of shape (k,)
            Time since the first purchase.

        Returns
        -------
        ndarray of shape (k,)
            Fader, Hardie and Lee (2005), eq. 9.
        """
        from scipy.special import hyp2f1

        r, alpha, a, b = self.params
        t = np.atleast_1d(np.asarray(t, dtype=float))
        return (a + b - 1) / (a - 1) * (1 - (alpha / (alpha + t)) ** r * hyp2f1(r, b, a + b - 1, t / (alpha + t)))

    def expected_total(self, t: float, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> pd.Series:
        """Purchases expected of the whole base in the next `t` units of time, with an interval.

        Parameters
        ----------
        t : float
            Time ahead.
        frequency, recency, T : array-like of shape (n,)
            As in :meth:`BGNBD.fit`.

        Returns
        -------
        Series
            est, se, ci_lower, ci_upper: uncertainty of the parameters by the delta method.
        """
        x, tx, end = _three(frequency, recency, T)
        return self.interval_of(lambda p: _bg_expected(p, np.asarray(float(t)), x, tx, end).sum()).iloc[0]


def _bg_alive(p: pd.Series, x: Array, tx: Array, t: Array) -> Array:
    """Probability of being active under the BG/NBD."""
    r, alpha, a, b = p
    again = x > 0
    ratio = np.where(again, a / np.where(again, b + x - 1, 1.0), 0.0) * ((alpha + t) / (alpha + tx)) ** (r + x)
    return 1 / (1 + ratio)


def _bg_expected(p: pd.Series, ahead: Array, x: Array, tx: Array, t: Array) -> Array:
    """Expected purchases under the BG/NBD."""
    from scipy.special import hyp2f1

    r, alpha, a, b = p
    z = ahead / (alpha + t + ahead)
    shrink = ((alpha + t) / (alpha + t + ahead)) ** (r + x) * hyp2f1(r + x, b + x, a + b + x - 1, z)
    return (a + b + x - 1) / (a - 1) * (1 - shrink) * _bg_alive(p, x, tx, t)


@dataclass(frozen=True)
class ParetoNBD:
    """Pareto / negative binomial model of repeat purchases.

    Parameters
    ----------
    level : float, default 0.95
        Confidence level of the intervals.

    Examples
    --------
    >>> import cxmodels as cx
    >>> found = cx.churn.ParetoNBD().fit(cx.datasets.load("cdnow_summary"))
    >>> found.params.round(2).to_dict()
    {'r': 0.55, 'alpha': 10.58, 's': 0.61, 'beta': 11.67}
    """

    level: float = 0.95

    def fit(
        self,
        data: Any,
        recency: Any = "recency",
        T: Any = "T",
        *,
        frequency: str = "frequency",
        weights: ArrayLike | str | None = None,
        start: ArrayLike | None = None,
    ) -> ParetoNBDResult:
        """Estimate by maximum likelihood.

        Parameters
        ----------
        data, recency, T, frequency, weights, start
            As for :meth:`BGNBD.fit`; starting values are r, alpha, s, beta.

        Returns
        -------
        ParetoNBDResult

        Raises
        ------
        DataError
            As for :meth:`BGNBD.fit`.
        """
        (x, tx, t), w, n = _purchases(data, frequency, recency, T, weights)
        unit = float(np.average(t, weights=w)) or 1.0
        starts = [np.array([0.5, 0.3 * unit, 0.6, 0.35 * unit])]
        if start is not None:
            starts.insert(0, _start(start, 4))

        def loglik(p: Array) -> tuple[float, Array]:
            value, step = _pareto_value(p, x, tx, t, w), 1e-6
            ends = [[_pareto_value(p * np.exp(s * step * e), x, tx, t, w) for s in (1, -1)] for e in np.eye(4)]
            return value, np.array([(hi - lo) / (2 * step) for hi, lo in ends]) / p

        names = ("r", "alpha", "s", "beta")
        params, cov, value, done, notes = maximise(loglik, names, starts, np.ones(4, bool), "Pareto/NBD")
        return ParetoNBDResult(params, cov, value, n, len(x), done, "Pareto/NBD", self.level, notes)


def _pareto_value(p: Array, x: Array, tx: Array, t: Array, w: Array) -> float:
    """Log-likelihood of the Pareto/NBD."""
    from scipy.special import gammaln

    r, alpha, s, beta = p
    base = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
    alive = -(r + x) * np.log(alpha + t) - s * np.log(beta + t)
    return float(w @ (base + np.logaddexp(alive, np.log(s / (r + s + x)) + _pareto_a0(p, x, tx, t))))


def _pareto_a0(p: Any, x: Array, tx: Array, t: Array) -> Array:
    """Logarithm of A0, the part of the likelihood in which the customer has left."""
    from scipy.special import hyp2f1

    r, alpha, s, beta = p
    total = r + s + x
    high, low = max(alpha, beta), min(alpha, beta)
    second = s + 1 if alpha >= beta else r + x
    ends = []
    for time in (tx, t):
        z = (high - low) / (high + time)
        ends.append(np.log(hyp2f1(total, second, total + 1, z)) - total * np.log(high + time))
    gap = np.minimum(ends[1] - ends[0], -1e-300)
    return ends[0] + np.log(-np.expm1(gap))


@dataclass(frozen=True, repr=False, eq=False)
class ParetoNBDResult(LifetimeResult):
    """A fitted Pareto/NBD: see :class:`LifetimeResult` for its parts."""

    def p_alive(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Array:
        """Probability that a customer is still active.

        Parameters
        ----------
        frequency, recency, T : array-like of shape (n,)
            As in :meth:`BGNBD.fit`.

        Returns
        -------
        ndarray of shape (n,)
            1 / (1 + s / (r + s + x) (alpha + T)^(r + x) (beta + T)^s A0).
        """
        return _pareto_alive(self.params, *_three(frequency, recency, T))

    def expected_purchases(self, t: ArrayLike, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Array:
        """Purchases expected of a customer in the next `t` units of time, given the history.

        Parameters
        ----------
        t : float or array-like of shape (n,)
            Time ahead.
        frequency, recency, T : array-like of shape (n,)
            As in :meth:`BGNBD.fit`.

        Returns
        -------
        ndarray of shape (n,)
            (r + x) (beta + T) / ((alpha + T) (s - 1)) [1 - ((beta + T) / (beta + T + t))^(s - 1)] P(alive).
        """
        r, alpha, s, beta = self.params
        x, tx, end = _three(frequency, recency, T)
        ahead = np.asarray(t, dtype=float)
        log = np.log((beta + end) / (beta + end + ahead))
        grown = -np.expm1((s - 1) * log) / (s - 1) if abs(s - 1) > 1e-8 else -log
        return (r + x) * (beta + end) / (alpha + end) * grown * _pareto_alive(self.params, x, tx, end)

    def expected_new(self, t: ArrayLike) -> Array:
        """Repeat purchases expected of a new customer in the first `t` units of time.

        Parameters
        ----------
        t : float or array-like of shape (k,)
            Time since the first purchase.

        Returns
        -------
        ndarray of shape (k,)
            r beta / (alpha (s - 1)) [1 - (beta / (beta + t))^(s - 1)].
        """
        r, alpha, s, beta = self.params
        log = np.log(beta / (beta + np.atleast_1d(np.asarray(t, dtype=float))))
        grown = -np.expm1((s - 1) * log) / (s - 1) if abs(s - 1) > 1e-8 else -log
        return np.asarray(r * beta / alpha * grown, dtype=float)


def _pareto_alive(p: pd.Series, x: Array, tx: Array, t: Array) -> Array:
    """Probability of being active under the Pareto/NBD."""
    r, alpha, s, beta = p
    log = np.log(s / (r + s + x)) + (r + x) * np.log(alpha + t) + s * np.log(beta + t) + _pareto_a0(p, x, tx, t)
    return np.asarray(1 / (1 + np.exp(log)), dtype=float)


def _purchases(data: Any, frequency: Any, recency: Any, T: Any, weights: Any) -> tuple[list[Array], Array, int]:
    """Distinct rows of frequency, recency and T, the customers of each, and how many there are."""
    named = isinstance(data, pd.DataFrame)
    given = {"frequency": frequency if named else None, "recency": recency, "T": T}
    columns, w = columns_of(data, given, weights, least=_LEAST)
    x, tx, t = columns["frequency"], columns["recency"], columns["T"]
    if bad := int((x != np.round(x)).sum()):
        raise DataError(f"frequency is not a whole number for {bad} customers; it counts repeat purchases.")
    if bad := int((tx > t).sum()):
        raise DataError(f"{bad} customers bought after the end of their observation (recency above T).")
    if bad := int(((x == 0) & (tx > 0)).sum()):
        raise DataError(f"{bad} customers have a recency but no repeat purchase; frequency counts repeats only.")
    if bad := int(((x > 0) & (tx == 0)).sum()):
        raise DataError(f"{bad} customers have repeat purchases but a recency of 0; count one purchase per day.")
    if not (x[w > 0] > 0).any():
        raise DataError("Nobody bought again, so nothing is known about repeat purchases.")
    rows, mass = grouped([x, tx, t], w)
    return rows, mass, round(w.sum())


def _three(frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> tuple[Array, Array, Array]:
    """Histories as arrays of one length."""
    columns, _ = columns_of(frequency, {"frequency": None, "recency": recency, "T": T}, None, least=_LEAST)
    return columns["frequency"], columns["recency"], columns["T"]


def _start(start: ArrayLike, k: int) -> Array:
    """Starting values, all positive."""
    values = np.asarray(start, dtype=float)
    if values.shape != (k,) or not (values > 0).all():
        raise SpecError(f"start must be {k} numbers above zero.")
    return values
