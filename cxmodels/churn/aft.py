"""Weibull accelerated failure time: how much longer or shorter customers stay, by a law that goes on beyond the data.

ln T = x b + s e with e of the smallest extreme value: a unit of x multiplies every duration by exp(b). The cumulative
hazard is H(t) = (t exp(-x b))^k with shape k = 1 / s; k < 1 means that those who stay become ever less likely to leave
(Kalbfleisch and Prentice 2002, sec. 3.2; the parametrisation of R's survreg).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, EstimationError, NotIdentifiedError, listed
from ..resampling import check_level
from ..survey.frames import to_pandas
from .ahead import SurvivalResult, after
from .durations import Array, Durations, column, group_labels, last_rows, read_durations
from .logistic import _frame
from .terms import Terms, chosen

_STEPS = 100


@dataclass(frozen=True)
class WeibullAFT:
    """Weibull regression of durations.

    Parameters
    ----------
    robust : bool, default False
        Sandwich standard errors, for sampling weights or a law that is not quite true. Clusters always have them.
    level : float, default 0.95
        Confidence level.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.churn import WeibullAFT
    >>> data = cx.datasets.load("telco").query("tenure > 0")[["tenure", "churn", "partner", "contract"]]
    >>> found = WeibullAFT().fit(data, "churn", duration="tenure")
    >>> found.estimates[["term", "est", "se"]].round(3)
                     term    est     se
    0           intercept  3.536  0.036
    1             partner  0.701  0.058
    2  contract: Two year  4.250  0.186
    3  contract: One year  2.398  0.103
    4           log_shape -0.170  0.019
    """

    robust: bool = False
    level: float = 0.95

    def __post_init__(self) -> None:
        check_level(self.level)

    def fit(
        self,
        data: Any,
        event: Any = "event",
        *,
        duration: Any = "duration",
        columns: Any = None,
        entry: Any = None,
        weights: Any = None,
        clusters: Any = None,
    ) -> WeibullResult:
        """Estimate by maximum likelihood.

        Parameters
        ----------
        data, event, duration, columns, entry, weights, clusters
            As for :meth:`CoxHazards.fit`. Durations must be above 0; a customer of today (duration 0, still there) says
            nothing and is counted as excluded.

        Returns
        -------
        WeibullResult

        Raises
        ------
        DataError
            As for :meth:`CoxHazards.fit`, and for customers who left at duration 0.
        NotIdentifiedError
            For terms with which nobody leaves.
        """
        frame = to_pandas(data)
        X = chosen(frame, columns, [event, duration, entry, weights, clusters])
        spells = read_durations(frame, event, duration, entry, weights)
        if bad := int(((spells.time == 0) & (spells.event > 0)).sum()):
            raise DataError(f"{bad} customers left at duration 0; count their first period as 1, or use CoxHazards.")
        terms = Terms.learn(X[spells.used], spells.weights)
        x = terms.matrix(X[spells.used])
        reasons = [("blank in a column", np.isnan(x).any(axis=1)), ("duration 0", spells.time == 0)]
        code = None
        if clusters is not None:
            code, _, _ = group_labels(column(frame, clusters, "clusters"), spells.used, "The cluster column")
            reasons.append(("blank cluster", code < 0))
        keep, excluded = after(spells.excluded, reasons)
        spells, x = spells[keep], x[keep]
        if not (spells.event > 0).any():
            raise DataError(
                f"Nobody of the {spells.n} customers without blanks left; fill blanks or choose fewer columns."
            )
        terms, x, messages = terms.independent(x, spells.weights)
        names = ("intercept", *terms.names, "log_shape")
        theta, loglik, hessian, converged = _maximise(spells, x, names)
        if not (np.linalg.eigvalsh(hessian) > 0).all():
            raise EstimationError(
                f"The likelihood of the Weibull model has no maximum: {int((spells.event > 0).sum())} customers who left are too "
                f"few for {len(names)} parameters, or all left at one time; take fewer columns."
            )
        covariance = np.linalg.inv(hessian)
        if self.robust or code is not None:
            parts = _loglik(theta, spells, np.column_stack([np.ones(spells.n), x]))[3] @ covariance
            if code is not None:
                parts = np.column_stack([np.bincount(code[keep], v) for v in parts.T])
            covariance = parts.T @ parts
        events = float(spells.weights[spells.event > 0].sum())
        k = len(theta)
        fit = {"loglik": loglik, "aic": 2 * k - 2 * loglik, "bic": k * np.log(events) - 2 * loglik}
        return WeibullResult(
            estimates=_frame(list(names), theta, np.sqrt(np.diag(covariance)), self.level),
            fit_measures=pd.Series(fit | {"shape": float(np.exp(theta[-1]))}),
            covariance=pd.DataFrame(covariance, names, names),
            n_obs=spells.n,
            n_events=int((spells.event > 0).sum()),
            excluded=excluded,
            terms=terms,
            spells=spells,
            spec=self,
            level=self.level,
            name="Weibull, accelerated failure time",
            warnings=spells.messages + messages,
            ends=last_rows(spells, None if code is None else code[keep]),
            clusters=None if code is None else len(np.unique(code[keep])),
            converged=converged,
        )


def _loglik(theta: Array, spells: Durations, x: Array) -> tuple[float, Array, Array, Array]:
    """Log-likelihood, gradient, minus the Hessian, and the scores of rows."""
    beta, tau = theta[:-1], theta[-1]
    k, eta = np.exp(tau), x @ beta
    with np.errstate(divide="ignore"):
        z = k * (np.log(spells.time) - eta)
        z0 = np.where(spells.entry > 0, k * (np.log(np.maximum(spells.entry, 1e-300)) - eta), -np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        h, h0 = np.exp(z), np.exp(z0)
        zh, zh0 = z * h, np.where(h0 > 0, z0 * h0, 0.0)
        zzh, zzh0 = z * zh, np.where(h0 > 0, z0 * zh0, 0.0)
    d, w = (spells.event > 0).astype(float), spells.weights
    value = float(w @ (d * (tau + z - np.log(spells.time)) - h + h0))
    by_eta, by_tau = k * (h - h0 - d), d * (1 + z) - zh + zh0
    scores = np.column_stack([x * (w * by_eta)[:, None], w * by_tau])
    inner = k**2 * (h - h0)
    mixed = -k * (h - h0 - d + zh - zh0)
    last = -(d * z - zh - zzh + zh0 + zzh0)
    p = x.shape[1]
    hessian = np.empty((p + 1, p + 1))
    hessian[:p, :p] = (x * (w * inner)[:, None]).T @ x
    hessian[:p, p] = hessian[p, :p] = x.T @ (w * mixed)
    hessian[p, p] = w @ last
    return value, scores.sum(axis=0), hessian, scores


def _maximise(spells: Durations, x: Array, names: tuple[str, ...]) -> tuple[Array, float, Array, bool]:
    """Newton steps on standardised terms."""
    w = spells.weights
    centre = np.average(x, axis=0, weights=w)
    spread = np.sqrt(np.average((x - centre) ** 2, axis=0, weights=w))
    full = np.column_stack([np.ones(spells.n), (x - centre) / spread])
    theta = np.zeros(full.shape[1] + 1)
    watched = w @ (spells.time - spells.entry)
    theta[0] = np.log(watched / w[spells.event > 0].sum())
    value, slope, hessian, _ = _loglik(theta, spells, full)
    converged = False
    for _ in range(_STEPS):
        least = float(np.linalg.eigvalsh(hessian)[0])  # far from the maximum the likelihood may bend upwards
        lift = 0.0 if least > 0 else 1e-6 * float(np.trace(hessian)) - least
        move = np.linalg.solve(hessian + lift * np.eye(len(theta)), slope)
        size = min(1.0, 3.0 / max(float(np.abs(move).max()), 1e-300))
        while True:
            found = _loglik(theta + size * move, spells, full)
            if np.isfinite(found[0]) and found[0] >= value - 1e-10 * (1 + abs(value)):
                break
            size /= 2
            if size < 1e-8:
                raise EstimationError(
                    "The likelihood of the Weibull model does not rise along any step; scale its columns."
                )
        gain, theta, (value, slope, hessian, _) = found[0] - value, theta + size * move, found
        moved = np.abs(size * move)
        if moved.max() < 1e-9:
            converged = True
            break
        if gain < 1e-7 and moved.max() > 0.01:
            endless = [names[j] for j in np.flatnonzero(moved > 0.01) if 0 < j < len(theta) - 1]
            raise NotIdentifiedError(
                f"The coefficient of {listed(endless)} has no finite value: nobody left among customers who have it; leave the "
                "column out or join its level with another."
            )
    beta = theta[1:-1] / spread
    out = np.concatenate([[theta[0] - centre @ beta], beta, theta[-1:]])
    value, _, hessian, _ = _loglik(out, spells, np.column_stack([np.ones(spells.n), x]))
    return out, value, hessian, converged


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class WeibullResult(SurvivalResult):
    """A fitted Weibull regression: see :class:`~cxmodels.churn.ahead.SurvivalResult` for its parts.

    Attributes
    ----------
    estimates : DataFrame
        [term, est, se, z, pvalue, ci_lower, ci_upper]: change of ln duration per unit; the last is ``log_shape``.
    fit_measures : Series
        loglik, aic, bic (n = events), shape.

    Examples
    --------
    >>> import cxmodels as cx
    >>> data = cx.datasets.load("telco")
    >>> found = cx.churn.WeibullAFT().fit(data, "churn", duration="tenure", columns=["contract"])
    >>> found.median(data.head(2)).round(0)
    0     30.0
    1    379.0
    Name: median, dtype: float64
    """

    clusters: int | None = None
    converged: bool = True

    def headline(self) -> list[tuple[str, str]]:
        """Return model, customers, shape, standard errors and convergence.

        Returns
        -------
        list of (label, value)
        """
        shape = self.fit_measures["shape"]
        said = "falls" if shape < 1 else "rises"
        return [*super().headline(), ("Shape", f"{shape:.3f}: the hazard {said} with time"), *self._ending()]

    def median(self, data: Any) -> pd.Series:
        """Foresee the time at which half of such customers have left.

        Parameters
        ----------
        data : frame

        Returns
        -------
        Series
            Index of the data: exp(x b) (ln 2)^(1 / shape).
        """
        frame = to_pandas(data)
        theta = self.estimates["est"].to_numpy()
        eta = theta[0] + self.terms.matrix(frame, warn=True) @ theta[1:-1]
        return pd.Series(np.exp(eta) * np.log(2) ** np.exp(-theta[-1]), frame.index, name="median")

    def _hazard(
        self, frame: pd.DataFrame, x: Array, start: Array, end: Array, slope: bool
    ) -> tuple[Array, Array | None, Array | None]:
        theta = self.estimates["est"].to_numpy()
        eta, k = theta[0] + x @ theta[1:-1], np.exp(theta[-1])

        def parts(time: Array) -> tuple[Array, Array]:
            with np.errstate(divide="ignore"):
                z = k * (np.log(time) - eta[:, None])
            h = np.exp(z)
            return h, np.where(h > 0, np.where(h > 0, z, 0.0) * h, 0.0)

        (h, zh), (h0, zh0) = parts(end), parts(start[:, None])
        if not slope:
            return h - h0, None, None
        full = np.column_stack([np.ones(len(x)), x])
        gradient = np.empty((*end.shape, len(theta)))
        gradient[:, :, :-1] = -k * (h - h0)[:, :, None] * full[:, None, :]
        gradient[:, :, -1] = zh - zh0
        return h - h0, gradient, None

    def _risk(self, frame: pd.DataFrame, foreseen: Array) -> Array:
        return -(self.terms.matrix(frame) @ self.estimates["est"].to_numpy()[1:-1])
