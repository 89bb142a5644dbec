"""The partial likelihood of Cox's model on arrays: rows grouped by stratum and time, ties by Efron or Breslow.

With R(t) the customers at risk at t and D(t) the d who leave then, S0, S1 the sums of w exp(x b) (times x) over R, and
D0, D1 those over D, every tie l = 0 ... d - 1 has the risk phi = S0 - (l / d) D0 (Efron 1977, JASA 72; Breslow 1974: l = 0).
The second derivatives need no sum of outer products by time: a row stands in them with weight A - B, where A is the sum
of 1 / phi over the times at which it was at risk and B the share (l / d) / phi of its own exit, so that information is
X' diag(r (A - B)) X less outer products of the S1 and D1. Memory is that of the table, work one pass of it per step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Layout:
    """Rows sorted by stratum and exit, and where their risk sets begin and end among the event times.

    Event times are numbered through the strata: those of stratum s are first[s] ... first[s + 1] - 1.

    Parameters
    ----------
    order : ndarray of shape (n,)
        Row of the table of each sorted row.
    stratum : ndarray of shape (n,)
    time : ndarray of shape (k,)
        Distinct event times.
    of : ndarray of shape (k,)
        Stratum of each event time.
    first : ndarray of shape (strata + 1,)
    stop : ndarray of shape (n,)
        Event times before this place are those at which the row was at risk, or over.
    start : ndarray of shape (n,)
        Event times before this place were over when the row came.
    event : ndarray of bool of shape (n,)
        The row left at event time stop - 1.
    weights : ndarray of shape (n,)
    deaths : ndarray of shape (k,)
        Rows that left at each event time.
    mass : ndarray of shape (k,)
        Their weights.
    """

    order: Places
    stratum: Places
    time: Array
    of: Places
    first: Places
    stop: Places
    start: Places
    event: NDArray[np.bool_]
    weights: Array
    deaths: Array
    mass: Array


def layout(time: Array, event: NDArray[np.bool_], entry: Array, weights: Array, stratum: Places) -> Layout:
    """Sort rows and find their risk sets.

    Parameters
    ----------
    time, entry, weights : ndarray of shape (n,)
    event : ndarray of bool of shape (n,)
    stratum : ndarray of shape (n,)
        From 0.

    Returns
    -------
    Layout
    """
    order = np.lexsort((time, stratum))
    time, event, entry, weights, stratum = time[order], event[order], entry[order], weights[order], stratum[order]
    ranks, inverse = np.unique(np.concatenate([time, entry]), return_inverse=True)
    exit_rank, entry_rank = inverse[: len(time)], inverse[len(time) :]
    width = len(ranks)
    key = stratum * width + exit_rank
    events, inside = np.unique(key[event], return_inverse=True)
    stop = np.searchsorted(events, key, side="right")
    begin = np.where(entry > 0, entry_rank, -1)
    start = np.searchsorted(events, stratum * width + begin, side="right")
    of = events // width
    first = np.searchsorted(of, np.arange(stratum.max() + 2))
    return Layout(
        order,
        stratum,
        ranks[events % width],
        of,
        first,
        stop,
        start,
        event,
        weights,
        np.bincount(inside).astype(float),
        np.bincount(inside, weights[event]).astype(float),
    )


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over risk sets at one value of the coefficients.

    Parameters
    ----------
    risk : ndarray of shape (n,)
        w exp(x b), sorted rows.
    s0, d0 : ndarray of shape (k,)
    s1, d1 : ndarray of shape (k, p)
    one, part : ndarray of shape (k,)
        Sums over ties of 1 / phi and (l / d) / phi.
    aa, ab, bb : ndarray of shape (k,)
        Sums over ties of 1, l / d and (l / d)², each over phi².
    log : ndarray of shape (k,)
        Sum over ties of ln phi.
    """

    risk: Array
    s0: Array
    d0: Array
    s1: Array
    d1: Array
    one: Array
    part: Array
    aa: Array
    ab: Array
    bb: Array
    log: Array


def at_risk_sums(at: Layout, values: Array) -> Array:
    """Sum rows over the risk sets of all event times.

    Parameters
    ----------
    at : Layout
    values : ndarray of shape (n,) or (n, p)
        Sorted rows.

    Returns
    -------
    ndarray of shape (k,) or (k, p)
    """
    k = len(at.time)
    # A row is at risk at event times start ... stop - 1: it comes in at the last of them when going backwards.
    total = _by_place(at.stop, values, k + 1)
    if at.start.any():
        total -= _by_place(at.start, values, k + 1)
    return np.cumsum(total[::-1], axis=0)[::-1][1:]


def _by_place(place: Places, values: Array, k: int) -> Array:
    """Sums of rows by place; rows mostly lie in its order, so that each place is one stretch of them."""
    out = np.zeros((k, *values.shape[1:]))
    if not len(place) or (place[0] == place[-1] and (place == place[0]).all()):
        if len(place):
            out[place[0]] = values.sum(axis=0)
        return out
    step = np.diff(place)
    if (step >= 0).all():
        begin = np.append(0, np.flatnonzero(step) + 1)
        out[place[begin]] = np.add.reduceat(values, begin, axis=0)
        return out
    if values.ndim == 1:
        return np.bincount(place, values, k).astype(float)
    return np.column_stack([np.bincount(place, v, k) for v in values.T]).astype(float)


def sums(at: Layout, x: Array, eta: Array, efron: bool) -> Sums:
    """Compute the sums of all risk sets.

    Parameters
    ----------
    at : Layout
    x : ndarray of shape (n, p)
        Sorted rows.
    eta : ndarray of shape (n,)
        x b, with any constant taken off.
    efron : bool
        Else Breslow.

    Returns
    -------
    Sums
    """
    risk = at.weights * np.exp(eta)
    k = len(at.time)
    gone = at.stop[at.event] - 1
    moved = x * risk[:, None]
    s0, s1 = at_risk_sums(at, risk), at_risk_sums(at, moved)
    d0, d1 = _by_place(gone, risk[at.event], k), _by_place(gone, moved[at.event], k)
    of = np.repeat(np.arange(k), at.deaths.astype(int))
    tie = np.arange(len(of)) - np.repeat(np.append(0, np.cumsum(at.deaths)[:-1]), at.deaths.astype(int))
    share = tie / at.deaths[of] if efron else np.zeros(len(of))
    phi = s0[of] - share * d0[of]

    def total(v: Array) -> Array:
        return np.bincount(of, v, k).astype(float)

    return Sums(
        risk,
        s0,
        d0,
        s1,
        d1,
        total(1 / phi),
        total(share / phi),
        total(1 / phi**2),
        total(share / phi**2),
        total(share**2 / phi**2),
        total(np.log(phi)),
    )


def _exposure(at: Layout, s: Sums, mean: Array) -> Array:
    """A - B of each row, given the weight of each event time per tie."""
    grow = np.append(0.0, np.cumsum(mean * s.one))
    out = grow[at.stop] - grow[at.start]
    gone = at.stop[at.event] - 1
    out[at.event] -= (mean * s.part)[gone]
    return out


def likelihood(at: Layout, x: Array, beta: Array, efron: bool) -> tuple[float, Array, Array]:
    """Log partial likelihood, its gradient and the information.

    Parameters
    ----------
    at : Layout
    x : ndarray of shape (n, p)
        Sorted rows, centred.
    beta : ndarray of shape (p,)
    efron : bool

    Returns
    -------
    value : float
    gradient : ndarray of shape (p,)
    information : ndarray of shape (p, p)
    """
    eta = x @ beta
    top = float(eta.max())
    s = sums(at, x, eta - top, efron)
    mean = at.mass / at.deaths
    w = np.where(at.event, at.weights, 0.0)
    value = float(w @ (eta - top) - mean @ s.log)
    scored = s.s1 * (mean * s.one)[:, None] - s.d1 * (mean * s.part)[:, None]
    return value, w @ x - scored.sum(axis=0), information(at, x, s, mean)


def information(at: Layout, x: Array, s: Sums, mean: Array) -> Array:
    """Information, each event time with a weight of its own.

    Parameters
    ----------
    at : Layout
    x : ndarray of shape (n, p)
    s : Sums
    mean : ndarray of shape (k,)
        Mean weight of the rows that leave at each event time, times any factor.

    Returns
    -------
    ndarray of shape (p, p)
    """
    out = (x * (s.risk * _exposure(at, s, mean))[:, None]).T @ x
    mixed = (s.s1 * (mean * s.ab)[:, None]).T @ s.d1
    out -= (s.s1 * (mean * s.aa)[:, None]).T @ s.s1 - mixed - mixed.T
    out -= (s.d1 * (mean * s.bb)[:, None]).T @ s.d1
    return (out + out.T) / 2


def scores(at: Layout, x: Array, beta: Array, efron: bool) -> Array:
    """Score residuals: what each row, counted once, adds to the gradient.

    Parameters
    ----------
    at, x, beta, efron
        As for :func:`likelihood`.

    Returns
    -------
    ndarray of shape (n, p)
        Sorted rows; their sum by weights is the gradient.
    """
    eta = x @ beta
    s = sums(at, x, eta - eta.max(), efron)
    mean = at.mass / at.deaths
    exposure = _exposure(at, s, mean)
    grow = np.zeros((len(at.time) + 1, x.shape[1]))
    np.cumsum(mean[:, None] * (s.s1 * s.aa[:, None] - s.d1 * s.ab[:, None]), axis=0, out=grow[1:])
    gone = at.stop[at.event] - 1
    centre = grow[at.stop] - grow[at.start]
    centre[at.event] -= (mean[:, None] * (s.s1 * s.ab[:, None] - s.d1 * s.bb[:, None]))[gone]
    out = -np.exp(eta - eta.max())[:, None] * (x * exposure[:, None] - centre)
    out[at.event] += x[at.event] - _mean_covariates(at, s)[gone]
    return out


def _mean_covariates(at: Layout, s: Sums) -> Array:
    """Mean of the covariates over the risk set of each event time, averaged over its ties."""
    return (s.s1 * s.one[:, None] - s.d1 * s.part[:, None]) / at.deaths[:, None]


def schoenfeld(at: Layout, x: Array, beta: Array, efron: bool) -> tuple[Array, Places]:
    """Schoenfeld residuals: covariates of those who leave less the mean of those at risk.

    Parameters
    ----------
    at, x, beta, efron
        As for :func:`likelihood`.

    Returns
    -------
    residuals : ndarray of shape (events, p)
    place : ndarray of shape (events,)
        Their event times.
    """
    eta = x @ beta
    s = sums(at, x, eta - eta.max(), efron)
    gone = at.stop[at.event] - 1
    return x[at.event] - _mean_covariates(at, s)[gone], gone


def baseline(at: Layout, x: Array, beta: Array, efron: bool) -> tuple[Array, Array, Array]:
    """Jumps of the baseline hazard at covariates 0, their variances at given coefficients, and mean covariates.

    Parameters
    ----------
    at, x, beta, efron
        As for :func:`likelihood`.

    Returns
    -------
    hazard, variance : ndarray of shape (k,)
    slope : ndarray of shape (k, p)
        Minus the derivative of the jump by the coefficients.
    """
    eta = x @ beta
    top = float(eta.max())
    s = sums(at, x, eta - top, efron)
    mean, scale = at.mass / at.deaths, np.exp(-top)
    slope = mean[:, None] * (s.s1 * s.aa[:, None] - s.d1 * s.ab[:, None]) * scale
    return mean * s.one * scale, mean * s.aa * scale**2, slope
