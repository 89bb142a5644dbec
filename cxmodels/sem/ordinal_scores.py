"""Scores of constructs from ordinal answers: the most probable values given the answers.

With thresholds t, a response of category k to item i has, given the constructs eta, the probability

    P = Phi((t[k] - nu - lambda' eta) / sd) - Phi((t[k - 1] - nu - lambda' eta) / sd),

sd the root of its residual variance. Regression scores maximise the product of these with the normal density of eta
(given numerical items and predictors): the posterior mode, "empirical Bayes modal" in lavaan. Bartlett's leave that
density out: maximum likelihood. Residuals of ordinal items count as independent, as in lavaan (Skrondal and Rabe-Hesketh
2004, Generalized Latent Variable Modeling, section 7.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import SpecError, listed
from .estimate import Estimate
from .matrices import State
from .objective import LeastSquares
from .responses import Responses

Array = NDArray[Any]

__all__ = ["ordinal_scores"]

_LOG_ROOT = 0.5 * float(np.log(2 * np.pi))
_STEPS = 100
_AWAY = 12.0  # standard deviations of a construct beyond which its likelihood has no maximum


class _Answers(NamedTuple):
    """Thresholds below and above what was answered (rows, items), predicted part, loadings and residual sd."""

    low: Array
    high: Array
    shift: Array
    loadings: Array
    sd: Array

    def cell(self, eta: Array) -> tuple[Array, Array, Array]:
        """Log probability of every answer, and its first and (negative) second derivative by the response."""
        from scipy.special import log_ndtr

        fitted = self.shift + eta @ self.loadings.T
        a, b = (self.low - fitted) / self.sd, (self.high - fitted) / self.sd
        flip = a > 0  # the far tail, where only the mirror image has digits
        a, b = np.where(flip, -b, a), np.where(flip, -a, b)
        upper = log_ndtr(b)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            log_p = upper + np.log1p(-np.exp(log_ndtr(a) - upper))
            da, db = (np.where(np.isinf(z), 0.0, np.exp(-0.5 * z * z - _LOG_ROOT - log_p)) for z in (a, b))
            first = np.where(flip, -1.0, 1.0) * (da - db) / self.sd
            second = (np.where(db > 0, b, 0.0) * db - np.where(da > 0, a, 0.0) * da) / self.sd**2 + first**2
        return log_p, first, second


def ordinal_scores(
    e: Estimate, number: int, x: Array, levels: Sequence[Array | None], method: str, measurement: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Scores of the constructs of a group and their standard errors.

    Parameters
    ----------
    e : Estimate
    number : int
        Group, from 0.
    x : ndarray of shape (n, p)
        Answers in the order of the block, NaN where there is none.
    levels : sequence of ndarray or None
        Categories of each ordinal item in the data fitted; None for numerical ones.
    method : {"regression", "bartlett"}
    measurement : (ndarray, ndarray)
        Loadings (p, constructs) and residual covariances (p, p).

    Returns
    -------
    scores, se : ndarray of shape (n, constructs)
        NaN where the likelihood has no maximum, as for Bartlett's scores if all answers are at an end.

    Raises
    ------
    SpecError
        If an ordinal item depends on another ordinal one, or has no residual variance.
    """
    block = e.blocks[number]
    p = block.p
    assert isinstance(e.objective, LeastSquares)
    target = e.objective.targets[number]
    assert isinstance(target, Responses)
    s = target._state(e.values)
    ordinal = target.ordinal
    numeric = np.setdiff1d(np.arange(p), ordinal)
    effects = np.zeros((block.v, block.v))
    to, source, rows = block.directed
    effects[to, source] = e.values[rows]
    if (effects[np.ix_(ordinal, ordinal)] != 0).any():
        i = ordinal[(effects[np.ix_(ordinal, ordinal)] != 0).any(axis=1)]
        raise SpecError(
            f"Scores are not offered where an ordinal item ({listed(block.names[k] for k in i)}) depends on another."
        )
    sd = np.sqrt(np.maximum(e.values[target.own_rows], 0.0))
    if (sd <= 0).any():
        raise SpecError(
            f"Ordinal item {listed(block.names[k] for k in ordinal[sd <= 0])} has no residual variance, so no scores."
        )
    x, back = _distinct(x)
    given = np.array(
        [block.names.index(n) for n in e.table.roles[number].exogenous if target.is_slope.any()], dtype=np.intp
    )
    intercept = np.zeros(p)
    i, rows = block.means
    intercept[i[i < p]] = e.values[rows[i < p]]
    direct = intercept + np.nan_to_num(x[:, numeric]) @ effects[:p, numeric].T
    if method == "regression":
        precision, linear, start = _prior(s, x, numeric, given, p)
    else:
        precision, linear, start = _items(x - direct, np.setdiff1d(numeric, given), measurement)
    answers = _answers(e, target, number, x, levels, direct[:, ordinal], measurement[0][ordinal], sd)
    eta, spread = _modes(answers, precision, linear, start)
    variance = np.diagonal(s.cov)[p:]
    away = (np.abs(eta - s.mean[p:]) > _AWAY * np.sqrt(np.maximum(variance, 1e-300))).any(axis=1)
    eta[away], spread[away] = np.nan, np.nan
    unanswered = np.isnan(x).all(axis=1)
    eta[unanswered], spread[unanswered] = np.nan, np.nan
    return eta[back], np.sqrt(np.maximum(spread, 0.0))[back]


def _distinct(x: Array) -> tuple[Array, NDArray[np.intp]]:
    """Rows that differ, and which of them each row is."""
    blank = np.isnan(x)
    marked = np.hstack([np.where(blank, 0.0, x), blank])
    _, first, back = np.unique(marked, axis=0, return_index=True, return_inverse=True)
    return x[first], back.reshape(-1)


def _prior(s: State, x: Array, numeric: Array, given: Array, p: int) -> tuple[Array, Array, Array]:
    """Normal density of the constructs given predictors and numerical items, as eta' Q eta / 2 - b' eta, and its centre."""
    at = np.arange(p, len(s.cov))
    plain = np.setdiff1d(numeric, given)
    fixed = np.nan_to_num(x[:, given])
    centre = s.mean + fixed @ s.total[:, given].T
    start, precision = centre[:, at].copy(), np.zeros((len(x), len(at), len(at)))
    for rows, c in _patterns(x, plain):
        across = s.cov[np.ix_(at, c)]
        weights = np.linalg.solve(s.cov[np.ix_(c, c)], across.T).T
        precision[rows] = np.linalg.pinv(s.cov[np.ix_(at, at)] - weights @ across.T, hermitian=True)
        start[rows] += (x[np.ix_(rows, c)] - centre[np.ix_(rows, c)]) @ weights.T
    return precision, np.einsum("nij,nj->ni", precision, start), start


def _items(gap: Array, plain: Array, measurement: tuple[Array, Array]) -> tuple[Array, Array, Array]:
    """The same for the likelihood of the numerical items alone, from what their other predictors leave."""
    loadings, theta = measurement
    k = loadings.shape[1]
    precision, linear = np.zeros((len(gap), k, k)), np.zeros((len(gap), k))
    for rows, c in _patterns(gap, plain):
        weights = loadings[c].T @ np.linalg.pinv(theta[np.ix_(c, c)], hermitian=True)
        precision[rows] = weights @ loadings[c]
        linear[rows] = gap[np.ix_(rows, c)] @ weights.T
    return precision, linear, np.zeros_like(linear)


def _patterns(x: Array, columns: Array) -> Iterator[tuple[NDArray[np.intp], Array]]:
    """Rows by which of some columns they have."""
    patterns, which = np.unique(~np.isnan(x[:, columns]), axis=0, return_inverse=True)
    for number, seen in enumerate(patterns):
        yield np.flatnonzero(which.reshape(-1) == number), columns[seen]


def _answers(
    e: Estimate, target: Responses, number: int, x: Array, levels: Sequence[Array | None], shift: Array, loadings: Array,
    sd: Array,
) -> _Answers:  # fmt: skip
    """What the ordinal answers say."""
    names = e.blocks[number].names
    found = [e.table.entries[i] for i in e.table.block(number)]
    cut = {(y.lhs, y.rhs): e.values[i] for i, y in zip(e.table.block(number), found, strict=True) if y.op == "|"}
    low, high = (np.full((len(x), len(target.ordinal)), edge) for edge in (-np.inf, np.inf))
    for k, i in enumerate(target.ordinal):
        known = levels[i]
        assert known is not None
        cuts = np.array([-np.inf, *(cut[names[i], f"t{j + 1}"] for j in range(len(known) - 1)), np.inf])
        seen = ~np.isnan(x[:, i])
        category = np.searchsorted(known, x[seen, i])
        low[seen, k], high[seen, k] = cuts[category], cuts[category + 1]
    return _Answers(low, high, shift, loadings, sd)


def _modes(answers: _Answers, precision: Array, linear: Array, start: Array) -> tuple[Array, Array]:
    """Maximum of every row by Newton's method, which the concave criterion allows, and the inverse curvature there."""
    eta = start.copy()
    value = _criterion(answers, precision, linear, eta)
    active = np.arange(len(eta))
    for _ in range(_STEPS):
        part = answers._replace(low=answers.low[active], high=answers.high[active], shift=answers.shift[active])
        q, b, now = precision[active], linear[active], eta[active]
        _, first, second = part.cell(now)
        gradient = first @ part.loadings - np.einsum("nij,nj->ni", q, now) + b
        curve = q + np.einsum("ni,ij,ik->njk", second, part.loadings, part.loadings)
        step = np.einsum("nij,nj->ni", np.linalg.pinv(curve, hermitian=True, rcond=1e-12), gradient)
        length = np.ones(len(active))
        for _ in range(30):
            new = now + length[:, None] * step
            found = _criterion(part, q, b, new)
            worse = ~(found >= value[active] - 1e-12)
            if not worse.any():
                break
            length[worse] /= 2
        eta[active], value[active] = new, found
        active = active[np.abs(length[:, None] * step).max(axis=1) > 1e-10]
        if not len(active):
            break
    _, _, second = answers.cell(eta)
    curve = precision + np.einsum("ni,ij,ik->njk", second, answers.loadings, answers.loadings)
    return eta, np.diagonal(np.linalg.pinv(curve, hermitian=True, rcond=1e-12), axis1=1, axis2=2).copy()


def _criterion(answers: _Answers, precision: Array, linear: Array, eta: Array) -> Array:
    """What is maximised, by row."""
    return (
        answers.cell(eta)[0].sum(axis=1)
        + (linear * eta).sum(axis=1)
        - 0.5 * np.einsum("ni,nij,nj->n", eta, precision, eta)
    )
