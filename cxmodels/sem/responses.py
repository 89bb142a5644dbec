"""Ordinal items in the model: thresholds on latent responses with a standardised or a free scale.

Under the delta parameterisation the residual variance of an ordinal item is what makes the variance of its latent
response 1 / delta^2; under theta it is a parameter and delta follows (Muthén and Asparouhov 2002, Mplus web note 4).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .matrices import Block, State, gather, move, state
from .ordinal import OrdinalMoments
from .table import Table

Array = NDArray[Any]

__all__ = ["Responses"]


class Responses:
    """Thresholds, means, slopes, variances and correlations of one group with ordinal items.

    Parameters
    ----------
    table : Table
    number : int
        Block, from 0.
    block : Block
    found : OrdinalMoments
        What the data say.
    """

    def __init__(self, table: Table, number: int, block: Block, found: OrdinalMoments) -> None:
        self.block, self.found, self.theta, self.q = block, found, table.options.theta, table.size
        self.stats, self.n = found.stats, found.n - 1.0
        place = {n: i for i, n in enumerate(block.names)}
        self.ordinal = np.array([i for i, n in enumerate(block.names[: block.p]) if n in table.options.thresholds])
        self.spot = {int(i): k for k, i in enumerate(self.ordinal)}
        mine = table.block(number)
        threshold = {(place[e.lhs], int(e.rhs[1:]) - 1): i for i in mine if (e := table.entries[i]).op == "|"}
        scale = {place[e.lhs]: i for i in mine if (e := table.entries[i]).op == "~*~"}
        own = {place[e.lhs]: i for i in mine if (e := table.entries[i]).op == "~~" and e.lhs == e.rhs}
        self.scale_rows = np.array([scale[i] for i in self.ordinal], dtype=np.intp)
        self.own_rows = np.array([own[i] for i in self.ordinal], dtype=np.intp)
        self.is_threshold = found.kind == "threshold"
        self.is_mean = found.kind == "mean"
        self.is_slope = found.kind == "slope"
        self.is_pair = ~(self.is_threshold | self.is_mean | self.is_slope)
        self.given = np.array([i for i in mine if table.entries[i].exo and self.is_slope.any()], dtype=np.intp)
        self.threshold_rows = np.array(
            [threshold[i, k] for i, k in zip(found.row[self.is_threshold], found.col[self.is_threshold], strict=True)]
        )
        self.index = table.index

    def _state(self, values: Array) -> State:
        """Moments given the observed predictors, if there are any: as if they were constants, zero."""
        if len(self.given):
            values = values.copy()
            values[..., self.given] = 0.0
        return state(self.block, values)

    def completed(self, values: Array) -> Array:
        """Values with the residual variances (delta) or scales (theta) that follow from the others, any lines."""
        out = values.copy()
        if self.theta:
            cov = self._state(values).cov
            out[..., self.scale_rows] = 1 / np.sqrt(cov[..., self.ordinal, self.ordinal])
            return out
        out[..., self.own_rows] = 0.0
        s = self._state(out)
        squares = s.total[..., self.ordinal[:, None], self.ordinal] ** 2
        gap = 1 / values[..., self.scale_rows] ** 2 - s.cov[..., self.ordinal, self.ordinal]
        out[..., self.own_rows] = np.linalg.solve(squares, gap[..., None])[..., 0]
        return out

    def _scaled(self, values: Array) -> tuple[State, Array, Array]:
        """State, scale of every observed variable, and the values completed."""
        full = self.completed(values)
        delta = np.ones(self.block.p, full.dtype)
        delta[self.ordinal] = full[self.scale_rows]
        return self._state(full), delta, full

    def implied(self, values: Array) -> Array:
        """Return the model's moments."""
        s, delta, full = self._scaled(values)
        row, col = self.found.row, self.found.col
        out = np.empty(len(self.stats), full.dtype)
        t, m, c = self.is_threshold, self.is_mean, self.is_pair
        out[t] = delta[row[t]] * (full[self.threshold_rows] - s.mean[row[t]])
        out[m] = -s.mean[row[m]]
        out[c] = delta[row[c]] * delta[col[c]] * s.cov[row[c], col[c]]
        b = self.is_slope
        out[b] = delta[row[b]] * s.total[row[b], col[b]]
        return out

    def covariances(self, stats: Array) -> Array:
        """Covariance matrix of the latent responses (given predictors, if there are any) in the order of the items.

        Parameters
        ----------
        stats : ndarray of shape (s,)
            Those of the data, or of the model.

        Returns
        -------
        ndarray of shape (q, q)
            Without observed predictors.
        """
        place = {int(i): k for k, i in enumerate(np.unique(self.found.row))}
        out = np.eye(len(place))
        for value, i, j in zip(
            stats[self.is_pair], self.found.row[self.is_pair], self.found.col[self.is_pair], strict=True
        ):
            out[place[int(i)], place[int(j)]] = out[place[int(j)], place[int(i)]] = value
        return out

    def jacobian(self, values: Array) -> Array:
        """Return their derivatives with respect to the distinct free parameters."""
        s, delta, full = self._scaled(values)
        b, o = self.block, self.ordinal
        m = move(b, s)
        row, col = self.found.row, self.found.col
        t, mean, c = self.is_threshold, self.is_mean, self.is_pair
        own = gather(b, 2 * m.left[o] * m.right[o])  # of the variances of the ordinal items
        shift = gather(b, m.left[: b.p] * m.shift)
        pair = gather(b, m.left[row[c]] * m.right[col[c]] + m.right[row[c]] * m.left[col[c]])
        scale = np.zeros((b.p, self.q))
        free = np.flatnonzero(self.index[self.scale_rows] >= 0)
        if self.theta:
            scale[o] = -0.5 * delta[o, None] ** 3 * own
        else:
            wanted = -own
            at = self.index[self.scale_rows[free]]
            wanted[free, at] -= 2 / delta[o[free]] ** 3
            scale[o[free], at] = 1.0
            spread = np.linalg.solve(s.total[np.ix_(o, o)] ** 2, wanted)
            pair += (s.total[np.ix_(row[c], o)] * s.total[np.ix_(col[c], o)]) @ spread
        out = np.zeros((len(self.stats), self.q))
        tau = full[self.threshold_rows]
        out[t] = scale[row[t]] * (tau - s.mean[row[t]])[:, None] - delta[row[t], None] * shift[row[t]]
        at = self.index[self.threshold_rows]
        lines = np.flatnonzero(t)[at >= 0]
        out[lines, at[at >= 0]] += delta[row[lines]]
        out[mean] = -shift[row[mean]]
        value = s.cov[row[c], col[c]][:, None]
        di, dj = delta[row[c], None], delta[col[c], None]
        out[c] = di * dj * pair + value * (scale[row[c]] * dj + di * scale[col[c]])
        if self.is_slope.any():
            i, x = row[self.is_slope], col[self.is_slope]
            nd = b.counts[0]
            turn = np.zeros((len(i), m.left.shape[1]))
            turn[:, :nd] = m.left[i, :nd] * s.total[b.source[:nd]][:, x].T
            out[self.is_slope] = delta[i, None] * gather(b, turn) + scale[i] * s.total[i, x][:, None]
        return out

    def bend(self, values: Array, weights: Array) -> Array | None:
        """Second derivatives are not worth their price: residuals are small and scoring converges fast."""
        return None
