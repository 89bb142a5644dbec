"""The whole estimation as one function of row weightings, so that a bootstrap repeats every stage of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .families import Calibrated, Failed, Family, corrected, expected_outcome, propensity, scoring
from .measurement import Measurement

Array = NDArray[np.float64]

APPROACHES = ("naive", "weighted", "corrected")
EVENT = "no estimate"


class Point(NamedTuple):
    """One estimation.

    Attributes
    ----------
    coefficients : ndarray of shape (3, 2 + k)
        Intercept, index, controls in the units of the data, by approach.
    marginal : ndarray of shape (3,)
        Mean derivative of the outcome by the index.
    moved : ndarray of shape (1 + shifts,)
        Mean outcome of the base now, and with the true index of everybody moved.
    reliability : float
        Of the observed index among the weighted respondents.
    error : float
        Variance of the error of measurement, in squared points.
    weights : ndarray of shape (n,)
        Weight of each row in the outcome's regression, 0 where nothing was answered.
    """

    coefficients: Array
    marginal: Array
    moved: Array
    reliability: float
    error: float
    weights: Array


@dataclass(frozen=True, eq=False)
class LinkageStatistic:
    """Propensity to answer, error of measurement, and effect of the index, from weightings of the base.

    Parameters
    ----------
    measurement : Measurement
        The index of each row.
    outcome : ndarray of shape (n,)
    controls : ndarray of shape (n, k)
        Standardised by `means` and `spreads`.
    covariates : ndarray of shape (n, q)
        Standardised columns of the propensity; q = 0 for none.
    family : Family
    how : {"likelihood", "calibration", "simex", "none"}
    means, spreads : ndarray of shape (1 + k,)
        Of the index and the controls.
    shifts : tuple of float
        Points by which the index is moved.
    noise : ndarray of shape (draws, n) or None
        For SIMEX.
    start : tuple of ndarray or None
        Coefficients of the data themselves: propensity and the three approaches, standardised.
    """

    measurement: Measurement
    outcome: Array
    controls: Array
    covariates: Array
    family: Family
    how: str
    means: Array
    spreads: Array
    shifts: tuple[float, ...]
    noise: Array | None = None
    start: tuple[Array | None, ...] = (None, None, None, None)

    def __call__(self, counts: Array) -> tuple[Array, dict[str, NDArray[np.bool_]]]:
        """Evaluate weightings (b, n); lines without an estimate hold NaN."""
        lines: list[Array] = []
        failed = np.zeros(len(counts), dtype=bool)
        for i, g in enumerate(counts):
            try:
                p = self.point(g)[0]
            except Failed:
                failed[i] = True
                lines.append(np.full(self.size, np.nan))
                continue
            lines.append(np.concatenate([p.coefficients.ravel(), p.marginal, p.moved, [p.reliability]]))
        return np.array(lines), {EVENT: failed}

    @property
    def size(self) -> int:
        """Number of statistics."""
        return 3 * (2 + self.controls.shape[1]) + 3 + 1 + len(self.shifts) + 1

    def parts(self) -> dict[str, slice]:
        """Where the statistics stand: one block of coefficients by approach, marginal, moved, reliability."""
        k = 2 + self.controls.shape[1]
        out = {name: slice(i * k, (i + 1) * k) for i, name in enumerate(APPROACHES)}
        out["marginal"] = slice(3 * k, 3 * k + 3)
        out["moved"] = slice(3 * k + 3, 3 * k + 4 + len(self.shifts))
        out["reliability"] = slice(self.size - 1, self.size)
        return out

    def point(self, g: Array) -> tuple[Point, tuple[Array | None, ...]]:
        """Estimate once.

        Parameters
        ----------
        g : ndarray of shape (n,)
            Weights of the rows of the base.

        Returns
        -------
        Point
        starts : tuple of ndarray
            Standardised coefficients, to start replicates from.

        Raises
        ------
        Failed
            If some stage has no estimate.
        """
        answered = self.measurement.answered
        rows = answered & (g > 0)
        asking = None
        weights = np.where(answered, g, 0.0)
        if self.covariates.shape[1]:
            design = np.column_stack([np.ones(len(g)), self.covariates])
            chance, asking = propensity(design, answered.astype(float), g, self.start[0])
            weights = weights / chance
        center, unit = self.means[0], self.spreads[0]
        x = (self.measurement.observed[rows] - center) / unit
        z, y, w, plain = self.controls[rows], self.outcome[rows], weights[rows], g[rows]
        error = self.measurement.error_variance(np.where(answered, g, 0.0)) if self.how != "none" else 0.0
        observed = np.column_stack([np.ones(len(x)), x, z])
        naive = scoring(observed, y, plain, self.family, self.start[1])
        weighted = scoring(observed, y, w, self.family, self.start[2]) if asking is not None else naive
        if error > 0:
            noise = None if self.noise is None else self.noise[:, rows]
            start = self.start[3] if self.start[3] is not None else None
            true, known = corrected(x, z, y, w, self.family, error / unit**2, self.how, start, noise)
        else:
            true, known = weighted, Calibrated(x, 0.0)
        share = w / w.sum()
        shown = [
            (naive, Calibrated(x, 0.0), plain / plain.sum()),
            (weighted, Calibrated(x, 0.0), share),
            (true, known, share),
        ]
        marginal = [s @ expected_outcome(b, c, z, self.family)[1] / unit for b, c, s in shown]
        moved = [share @ expected_outcome(true, known, z, self.family, d / unit)[0] for d in (0.0, *self.shifts)]
        variance = float(share @ (x - share @ x) ** 2) * unit**2
        point = Point(
            np.array([self._raw(b) for b in (naive, weighted, true)]),
            np.array(marginal),
            np.array(moved),
            1 - error / variance,
            error,
            weights,
        )
        return point, (asking, naive, weighted, true)

    def _raw(self, b: Array) -> Array:
        """Coefficients in the units of the data."""
        slopes = b[1:] / self.spreads
        return np.concatenate([[b[0] - slopes @ self.means], slopes])
