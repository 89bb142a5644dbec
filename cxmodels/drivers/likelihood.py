"""Proportional-odds models by the thousand: every sub-model under every weighting, in one Newton iteration.

A binary logit is the case of two categories. The log-likelihood is concave (Pratt 1981), so Newton steps that are shortened
where they overshoot always arrive.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MEASURES = ("mcfadden", "cox_snell", "nagelkerke", "estrella")
_CHORDS = 5  # steps with the curvature of a common start
_CLOSE = 1e-6  # of the weights: what a likelihood may be short of its maximum before the last of these steps
_CELLS = 100_000  # rows × models held at a time
_RIDGE = 1e-9  # on the Newton matrix only: columns that repeat one another do not stop it, and move no optimum


@dataclass(frozen=True, eq=False)
class Ordinal:
    """Rows of a proportional-odds model, prepared once: P(y <= c) = logistic(t_c - x b).

    Parameters
    ----------
    x : ndarray of shape (n, q)
        Columns; centred and scaled inside.
    y : ndarray of shape (n,)
        Categories 0 … k - 1, all of them present.
    """

    x: Array
    y: NDArray[np.intp]

    def __post_init__(self) -> None:
        order = np.argsort(self.y, kind="stable")
        center, scale = self.x.mean(axis=0), self.x.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        z = np.ascontiguousarray(((self.x - center) / scale)[order])
        i, j = np.triu_indices(z.shape[1])
        put = object.__setattr__
        put(self, "order", order)
        put(self, "center", center)
        put(self, "scale", scale)
        put(self, "z", z)
        put(self, "pairs", (i, j))
        put(self, "products", np.ascontiguousarray((z[:, i] * z[:, j]).T))
        counts = np.bincount(self.y)
        put(self, "ends", np.concatenate([[0], np.cumsum(counts)]))

    order: NDArray[np.intp] = None  # type: ignore[assignment]
    center: Array = None  # type: ignore[assignment]
    scale: Array = None  # type: ignore[assignment]
    z: Array = None  # type: ignore[assignment]
    pairs: tuple[NDArray[np.intp], NDArray[np.intp]] = None  # type: ignore[assignment]
    products: Array = None  # type: ignore[assignment]
    ends: NDArray[np.intp] = None  # type: ignore[assignment]

    @property
    def cuts(self) -> int:
        """Number of thresholds."""
        return len(self.ends) - 2

    def fit(
        self, weights: Array, columns: NDArray[np.bool_], start: Array | None = None, max_iter: int = 100
    ) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Maximise the likelihood of every sub-model under every weighting.

        Parameters
        ----------
        weights : ndarray of shape (b, n)
            Weightings of the rows.
        columns : ndarray of bool of shape (m, q)
            Which columns each sub-model holds.
        start : ndarray of shape (m, k - 1 + q), optional
            Where to start, as returned by an earlier call with much the same weights. Likelihoods are then within 1e-7 of
            their maximum, relatively.
        max_iter : int, default 100
            Newton steps.

        Returns
        -------
        loglik : ndarray of shape (b, m)
        params : ndarray of shape (b, m, k - 1 + q)
            Thresholds and slopes of the centred and scaled columns.
        converged : ndarray of bool of shape (b, m)
            False also where a weighting leaves a category empty; its numbers are NaN.
        """
        b, m = len(weights), len(columns)
        w = weights[:, self.order]
        loglik, done = np.full((b, m), np.nan), np.zeros((b, m), dtype=bool)
        params = np.full((b, m, self.cuts + self.z.shape[1]), np.nan)
        share = np.add.reduceat(w, self.ends[:-1], axis=1)
        full = np.flatnonzero((share > 0).all(axis=1))
        below = np.cumsum(share[full], axis=1)[:, :-1] / share[full].sum(axis=1, keepdims=True)
        null = np.zeros((b, params.shape[2]))
        null[full, : self.cuts] = np.log(below / (1 - below))
        size, step = columns.sum(axis=1), max(1, _CELLS // len(self.z))
        if start is not None:
            for first in range(0, len(full), step):
                lanes = full[first : first + step]
                own = np.ascontiguousarray(w[lanes].T)
                for place, held in enumerate(columns):
                    at = np.concatenate([np.ones(self.cuts, dtype=bool), held])
                    found = self._only(held)._near(own, start[place, at], max_iter)
                    loglik[lanes, place], done[lanes, place] = found[0], found[2]
                    params[lanes[:, None], place, np.flatnonzero(~at)] = 0.0
                    params[lanes[:, None], place, np.flatnonzero(at)] = found[1]
            return loglik, params, done
        parent = _parents(columns)
        for s in np.unique(size):
            line, model = (i.ravel() for i in np.meshgrid(full, np.flatnonzero(size == s), indexing="ij"))
            for first in range(0, len(line), step):
                i, j = line[first : first + step], model[first : first + step]
                theta = np.where(parent[j, None] >= 0, params[i, parent[j]], null[i])
                own = w.T if b == 1 else np.ascontiguousarray(w[i].T)
                loglik[i, j], params[i, j], done[i, j] = self._newton(own, columns[j], theta, max_iter)
        return loglik, params, done

    def _near(self, w: Array, start: Array, max_iter: int) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Maximise one model under many weightings from one start.

        The rows are worked out once for all weightings: that gives each its first Newton step and its curvature. Further
        steps keep that curvature, and what half the slope still promises is added to the likelihood. What does not arrive
        so goes by Newton.
        """
        free = np.ones((w.shape[1], len(start)), dtype=bool)
        gradient, curvature = self._derivatives(w, start[None])
        theta = start + self._solved(w, gradient, curvature, free)[1]
        loglik, done = np.full(len(theta), np.nan), np.zeros(len(theta), dtype=bool)
        going, total = np.arange(len(theta)), w.sum(axis=0)
        with np.errstate(all="ignore"):
            for _ in range(_CHORDS):
                own = w if len(going) == w.shape[1] else w[:, going]
                reached, slope = self._slope(own, theta[going])
                slope, step = self._solved(own, slope, curvature[going], free[going])
                short = (slope * step).sum(axis=1) / 2
                theta[going] += step
                loglik[going] = reached + short
                done[going] = np.abs(short) <= _CLOSE * total[going]
                going = going[~done[going]]
                if not len(going):
                    return loglik, theta, done
        again = np.tile(start, (len(going), 1))
        own = np.ascontiguousarray(w[:, going])
        loglik[going], theta[going], done[going] = self._newton(own, free[going, self.cuts :], again, max_iter)
        return loglik, theta, done

    def _only(self, columns: NDArray[np.bool_]) -> Ordinal:
        """The same rows with some of the columns."""
        out = copy(self)
        i, j = self.pairs
        object.__setattr__(out, "z", np.ascontiguousarray(self.z[:, columns]))
        object.__setattr__(out, "products", self.products[columns[i] & columns[j]])
        object.__setattr__(out, "pairs", np.triu_indices(int(columns.sum())))
        return out

    def _newton(
        self, w: Array, columns: NDArray[np.bool_], theta: Array, max_iter: int
    ) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Iterate some lanes together; those that have arrived drop out."""
        free = np.concatenate([np.ones((len(theta), self.cuts), dtype=bool), columns], axis=1)
        gradient, step = self._step(w, theta, free)
        slope = (gradient * step).sum(axis=1)
        done, going = np.zeros(len(theta), dtype=bool), np.arange(len(theta))
        small = 1e-8 * w.sum(axis=0) * np.ones(len(theta))
        for _ in range(max_iter):
            # Half the slope is what the step promises. Once that is so little, what comes after is below rounding.
            arrived = slope[going] <= small[going]
            theta[going[arrived]] += step[going[arrived]]
            done[going[arrived]] = True
            going = going[~arrived]
            if not len(going):
                break
            trial = theta[going] + step[going]
            gradient, after = self._step(w if w.shape[1] == 1 else w[:, going], trial, free[going])
            # The likelihood is concave: a step went too far only if it falls steeper there than it rose here.
            proper = (np.diff(trial[:, : self.cuts], axis=1) > 0).all(axis=1)
            better = proper & ((gradient * step[going]).sum(axis=1) >= -0.5 * slope[going])
            theta[going[better]] = trial[better]
            slope[going] = np.where(better, (gradient * after).sum(axis=1), slope[going] / 4)
            step[going] = np.where(better[:, None], after, step[going] / 4)
        return self._loglik(w, theta), theta, done

    def _step(self, w: Array, theta: Array, free: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Gradient and Newton step of each lane."""
        return self._solved(w, *self._derivatives(w, theta), free)

    def _solved(self, w: Array, gradient: Array, curvature: Array, free: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Gradient by the free parameters and the step it asks for; -inf and none where it is not finite."""
        gradient = np.where(free, gradient, 0.0)
        own = np.arange(free.shape[1])
        curvature = np.where(free[:, :, None] & free[:, None, :], curvature, 0.0)
        curvature[:, own, own] += np.where(free, _RIDGE * w.sum(axis=0)[:, None], 1.0)
        bad: NDArray[np.bool_] = np.asarray(~np.isfinite(curvature).all(axis=(1, 2)))
        curvature[bad], gradient[bad] = np.eye(free.shape[1]), -np.inf
        with np.errstate(invalid="ignore"):
            step: Any = np.linalg.solve(curvature, np.where(bad[:, None], 0.0, gradient)[..., None])[..., 0]
        return gradient, step

    def _loglik(self, w: Array, theta: Array) -> Array:
        """Log-likelihood of each lane."""
        return self._slope(w, theta)[0]

    def _slope(self, w: Array, theta: Array) -> tuple[Array, Array]:
        """Log-likelihood and gradient of each lane."""
        k = self.cuts
        eta = self.z @ theta[:, k:].T
        loglik, gradient, score = np.zeros(len(theta)), np.zeros(theta.shape), np.empty_like(eta)
        for c in range(k + 1):
            rows = slice(self.ends[c], self.ends[c + 1])
            weight = w[rows]
            above: Any = _logistic(eta[rows] - theta[:, c]) if c < k else 0.0
            under: Any = _logistic(theta[:, c - 1] - eta[rows]) if c else 0.0
            gap = -np.expm1(theta[:, c - 1] - theta[:, c]) if 0 < c < k else 1.0
            loglik += _total(weight, np.log(np.maximum((1.0 - above) * (1.0 - under) * gap, 1e-300)))
            score[rows] = weight * (under - above)
            if 0 < c < k:
                gradient[:, c] += _total(weight, above / ((1.0 - under) * gap))
                gradient[:, c - 1] -= _total(weight, under / ((1.0 - above) * gap))
            else:
                gradient[:, c - 1 if c else c] -= score[rows].sum(axis=0)
        gradient[:, k:] = (self.z.T @ score).T
        return loglik, gradient

    def _derivatives(self, w: Array, theta: Array) -> tuple[Array, Array]:
        """Gradient and negative second derivatives of each lane; w is (n, lanes), theta of every lane or one for all."""
        k, q = self.cuts, self.z.shape[1]
        cut, slope = theta[:, :k], theta[:, k:]
        eta = self.z @ slope.T
        lanes = max(len(theta), w.shape[1])
        gradient, curvature = np.zeros((lanes, k + q)), np.zeros((lanes, k + q, k + q))
        score, bend = np.empty((len(eta), lanes)), np.empty((len(eta), lanes))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for c in range(k + 1):
                rows = slice(self.ends[c], self.ends[c + 1])
                weight, z = w[rows], self.z[rows]
                push: Any = 0.0
                if c < k:  # rows may cross the threshold above them
                    above = _logistic(eta[rows] - cut[:, c])  # P(y > c)
                    push = -above
                    bend[rows] = high = weight * (above * (1.0 - above))
                if c:  # and the one below
                    under = _logistic(cut[:, c - 1] - eta[rows])  # P(y < c)
                    push = under + push
                    low = weight * (under * (1.0 - under))
                    bend[rows] = high + low if c < k else low
                score[rows] = weight * push
                if 0 < c < k:
                    gap = -np.expm1(cut[:, c - 1] - cut[:, c])
                    up, down = above / ((1.0 - under) * gap), under / ((1.0 - above) * gap)  # densities over chance
                    curvature[:, c, c] += _total(weight, up * (1.0 + up - 2 * above))
                    curvature[:, c - 1, c - 1] += _total(weight, down * (1.0 + down - 2 * under))
                    cross = _total(weight, up * down)
                    curvature[:, c, c - 1] -= cross
                    curvature[:, c - 1, c] -= cross
                    gradient[:, c] += _total(weight, up)
                    gradient[:, c - 1] -= _total(weight, down)
                elif c:
                    gradient[:, c - 1] -= score[rows].sum(axis=0)
                    curvature[:, c - 1, c - 1] += low.sum(axis=0)
                else:
                    gradient[:, c] -= score[rows].sum(axis=0)
                    curvature[:, c, c] += high.sum(axis=0)
                if c < k:
                    curvature[:, k:, c] -= (z.T @ high).T
                if c:
                    curvature[:, k:, c - 1] -= (z.T @ low).T
        gradient[:, k:] = (self.z.T @ score).T
        i, j = self.pairs
        square = (self.products @ bend).T
        curvature[:, k + i, k + j] = square
        curvature[:, k + j, k + i] = square
        curvature[:, :k, k:] = np.swapaxes(curvature[:, k:, :k], 1, 2)
        return gradient, curvature

    def natural(self, theta: Array) -> Array:
        """Turn parameters of the scaled columns into those of the columns as they came.

        Parameters
        ----------
        theta : ndarray of shape (..., k - 1 + q)

        Returns
        -------
        ndarray of shape (..., k - 1 + q)
        """
        slope = theta[..., self.cuts :] / self.scale
        return np.concatenate([theta[..., : self.cuts] + (slope @ self.center)[..., None], slope], axis=-1)

    def information(self, weights: Array, theta: Array) -> Array:
        """Negative second derivatives at one set of parameters of the columns as they came.

        Parameters
        ----------
        weights : ndarray of shape (n,)
        theta : ndarray of shape (k - 1 + q,)
            Of the scaled columns.

        Returns
        -------
        ndarray of shape (k - 1 + q, k - 1 + q)
        """
        curvature = self._derivatives(weights[self.order][:, None], theta[None])[1][0]
        turn = self._turn()
        return turn.T @ curvature @ turn

    def row_scores(self, theta: Array) -> Array:
        """First derivatives of each row's log-likelihood by the parameters of the columns as they came.

        Parameters
        ----------
        theta : ndarray of shape (k - 1 + q,)
            Of the scaled columns.

        Returns
        -------
        ndarray of shape (n, k - 1 + q)
            In the order of the rows given.
        """
        n, k = len(self.z), self.cuts
        category = np.repeat(np.arange(k + 1), np.diff(self.ends))
        cut = np.concatenate([[-np.inf], theta[:k], [np.inf]])
        eta = self.z @ theta[k:]
        above, under = _logistic(eta - cut[category + 1]), _logistic(cut[category] - eta)
        with np.errstate(invalid="ignore"):
            gap = -np.expm1(cut[category] - cut[category + 1])
        out = np.zeros((n, k + 1 + 1))
        row = np.arange(n)
        out[row, category + 1] += above / ((1 - under) * gap)
        out[row, category] -= under / ((1 - above) * gap)
        scores = np.concatenate([out[:, 1 : k + 1], (under - above)[:, None] * self.z], axis=1)
        back = np.empty_like(scores)
        back[self.order] = scores
        return back @ self._turn()

    def _turn(self) -> Array:
        """Derivatives of scaled by natural parameters: t' = t - center b, b' = scale b."""
        k, q = self.cuts, self.z.shape[1]
        turn = np.eye(k + q)
        turn[:k, k:] = -self.center
        turn[range(k, k + q), range(k, k + q)] = self.scale
        return turn


def worth(loglik: Array, null: Array, n: float, measure: str) -> Array:
    """Pseudo-R² of models.

    Parameters
    ----------
    loglik : ndarray of shape (b, m)
    null : ndarray of shape (b,)
        Log-likelihood without any column.
    n : float
        Rows.
    measure : {"mcfadden", "cox_snell", "nagelkerke", "estrella"}

    Returns
    -------
    ndarray of shape (b, m)

    Examples
    --------
    >>> worth(np.array([[-50.0]]), np.array([-100.0]), 150, "mcfadden")
    array([[0.5]])
    """
    null = null[:, None]
    if measure == "mcfadden":
        return 1 - loglik / null
    if measure == "estrella":
        return 1 - (loglik / null) ** (-2 * null / n)
    cox_snell = -np.expm1(2 * (null - loglik) / n)
    return cox_snell if measure == "cox_snell" else cox_snell / -np.expm1(2 * null / n)


def probabilities(cut: Array, eta: Array) -> Array:
    """Chance of each category.

    Parameters
    ----------
    cut : ndarray of shape (k - 1,)
    eta : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n, k)

    Examples
    --------
    >>> probabilities(np.array([0.0]), np.array([0.0]))
    array([[0.5, 0.5]])
    """
    below = _logistic(cut - eta[:, None])
    edge = np.zeros((len(eta), 1))
    return np.diff(np.concatenate([edge, below, edge + 1.0], axis=1), axis=1)


def categories(y: Array) -> NDArray[np.intp]:
    """Number the categories that are there from 0, as some may be gone with rows left out.

    Parameters
    ----------
    y : ndarray of shape (n,)

    Returns
    -------
    ndarray of int of shape (n,)

    Examples
    --------
    >>> categories(np.array([0.0, 2.0, 2.0])).tolist()
    [0, 1, 1]
    """
    return np.unique(y, return_inverse=True)[1].astype(np.intp)


def _parents(columns: NDArray[np.bool_]) -> NDArray[np.intp]:
    """For each sub-model the place of one with a column less, to start from; -1 where there is none."""
    place = {row.tobytes(): i for i, row in enumerate(columns)}
    out = np.full(len(columns), -1)
    for i, row in enumerate(columns):
        for j in np.flatnonzero(row):
            less = row.copy()
            less[j] = False
            if less.tobytes() in place:
                out[i] = place[less.tobytes()]
                break
    return out


def _total(weight: Array, values: Array) -> Array:
    """Weighted sum over the rows."""
    if values.shape[1] == 1:
        return values[:, 0] @ weight
    return weight[:, 0] @ values if weight.shape[1] == 1 else np.einsum("nl,nl->l", weight, values)


def _logistic(u: Array) -> Array:
    """Logistic function without overflow."""
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-u))
