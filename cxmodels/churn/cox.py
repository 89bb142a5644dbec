"""Cox's proportional hazards: what makes customers leave sooner, without a law for how long they stay.

The hazard of a customer is h0(t) exp(x b), the baseline h0 free (Cox 1972, JRSS B 34). Coefficients maximise the partial
likelihood, with ties by Efron or by Breslow; see :mod:`cxmodels.churn.cox_kernel`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, EstimationError, NotIdentifiedError, SpecError, listed
from ..inference import choose
from ..resampling import check_level
from ..survey.frames import to_pandas
from . import cox_kernel as kernel
from .ahead import SurvivalResult, after
from .durations import Array, column, group_labels, last_rows, read_durations
from .logistic import _frame
from .terms import Terms, chosen

TIES = ("efron", "breslow")
CLOCKS = ("rank", "km", "identity", "log")
_STEPS = 40


@dataclass(frozen=True)
class CoxHazards:
    """Cox regression.

    Parameters
    ----------
    ties : {"efron", "breslow"}, default "efron"
        How customers who leave at the same time count. Efron is nearer to the truth; with months as unit, where ties are
        many, the two differ in the second digit. With weights Efron takes the mean weight of those who leave together,
        so that a row of weight 2 is not quite two rows; with Breslow it is.
    robust : bool, default False
        Sandwich standard errors (Lin and Wei 1989), for sampling weights or a model that is not quite true. Clusters
        always have them.
    level : float, default 0.95
        Confidence level.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.churn import CoxHazards
    >>> data = cx.datasets.load("telco")[["tenure", "churn", "partner", "contract"]]
    >>> found = CoxHazards().fit(data, "churn", duration="tenure")
    >>> found.estimates[["term", "est", "se", "hazard_ratio"]].round(3)
                     term    est     se  hazard_ratio
    0             partner -0.621  0.050         0.538
    1  contract: Two year -4.138  0.158         0.016
    2  contract: One year -2.145  0.084         0.117
    """

    ties: Literal["efron", "breslow"] = "efron"
    robust: bool = False
    level: float = 0.95

    def __post_init__(self) -> None:
        choose("ties", self.ties, TIES)
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
        strata: Any = None,
        clusters: Any = None,
    ) -> CoxResult:
        """Estimate the coefficients and the baseline.

        Parameters
        ----------
        data : frame
            One row per customer; or several, each with the time from `entry` to `duration` in which its values held.
        event, duration, entry, weights : str or array-like of shape (n,)
            As for :meth:`KaplanMeier.fit`.
        columns : sequence of str, optional
            What explains; default all columns that have no other part. Numbers enter as they are, categories as a term per
            level but the most frequent.
        strata : str or array-like of shape (n,), optional
            A baseline for each of its values, where hazards are not proportional.
        clusters : str or array-like of shape (n,), optional
            Rows that belong together, such as those of one customer: standard errors sum the scores by cluster.

        Returns
        -------
        CoxResult

        Raises
        ------
        DataError
            As for :meth:`KaplanMeier.fit`, and for columns without information.
        NotIdentifiedError
            For terms that follow from each other, or that nobody or everybody with a value leaves.
        """
        frame = to_pandas(data)
        X = chosen(frame, columns, [event, duration, entry, weights, strata, clusters])
        spells = read_durations(frame, event, duration, entry, weights)
        terms = Terms.learn(X[spells.used], spells.weights)
        x = terms.matrix(X[spells.used])
        code, levels, cluster_code = np.zeros(spells.n, dtype=np.intp), [""], None
        reasons = [("blank in a column", np.isnan(x).any(axis=1))]
        if strata is not None:
            code, levels, _ = group_labels(column(frame, strata, "strata"), spells.used, "The strata column")
            reasons.append(("blank stratum", code < 0))
        if clusters is not None:
            cluster_code, _, _ = group_labels(column(frame, clusters, "clusters"), spells.used, "The cluster column")
            reasons.append(("blank cluster", cluster_code < 0))
        keep, excluded = after(spells.excluded, reasons)
        spells, x = spells[keep], x[keep]
        there, code = np.unique(code[keep], return_inverse=True)  # a stratum may have lost all its rows
        levels = [levels[k] for k in there]
        cluster_code = None if cluster_code is None else cluster_code[keep]
        if not (spells.event > 0).any():
            raise DataError(
                f"Nobody of the {spells.n} customers without blanks left; fill blanks or choose fewer columns."
            )
        terms, x, messages = terms.independent(x, spells.weights)
        centre = np.average(x, axis=0, weights=spells.weights)
        at = kernel.layout(spells.time, spells.event > 0, spells.entry, spells.weights, code)
        sorted_x = (x - centre)[at.order]
        beta, loglik, null, score, information, steps = _maximise(at, sorted_x, self.ties == "efron", terms.names)
        covariance: Any = np.linalg.inv(information)
        sandwich = self.robust or cluster_code is not None
        if sandwich:
            covariance = _sandwich(at, sorted_x, beta, self.ties == "efron", covariance, cluster_code)
        fit = pd.Series(_measures(loglik, null, score, spells, len(beta)))
        estimates = _frame(list(terms.names), beta, np.sqrt(np.diag(covariance)), self.level)
        estimates["hazard_ratio"] = np.exp(estimates["est"])
        estimates["hr_ci_lower"], estimates["hr_ci_upper"] = (
            np.exp(estimates["ci_lower"]),
            np.exp(estimates["ci_upper"]),
        )
        return CoxResult(
            estimates=estimates,
            fit_measures=fit,
            covariance=pd.DataFrame(covariance, terms.names, terms.names),
            n_obs=spells.n,
            n_events=int((spells.event > 0).sum()),
            excluded=excluded,
            terms=terms,
            spells=spells,
            spec=self,
            level=self.level,
            name=f"Cox, ties by {self.ties.capitalize()}",
            warnings=spells.messages + messages,
            ends=last_rows(spells, cluster_code),
            centre=centre,
            strata=strata if isinstance(strata, str) else None,
            levels=tuple(levels),
            layout=at,
            x=sorted_x,
            jumps=kernel.baseline(at, sorted_x, beta, self.ties == "efron"),
            clusters=None if cluster_code is None else len(np.unique(cluster_code)),
            converged=steps < _STEPS,
        )


def _maximise(
    at: kernel.Layout, x: Array, efron: bool, names: tuple[str, ...]
) -> tuple[Array, float, float, float, Array, int]:
    """Newton steps from zero, halved where the likelihood falls; the score test comes with the first."""
    spread = np.sqrt(np.average(x**2, axis=0, weights=at.weights))
    beta = np.zeros(x.shape[1])
    value, slope, information = kernel.likelihood(at, x, beta, efron)
    null, score = value, np.nan
    for step in range(1, _STEPS + 1):
        try:
            move = np.linalg.solve(information, slope)
        except np.linalg.LinAlgError:
            raise EstimationError(
                "The information of the Cox model is singular; leave out terms that hardly vary."
            ) from None
        if step == 1:
            score = float(slope @ move)
        size = 1.0
        while True:
            new = beta + size * move
            found = kernel.likelihood(at, x, new, efron)
            if np.isfinite(found[0]) and found[0] >= value - 1e-10 * (1 + abs(value)):
                break
            size /= 2
            if size < 1e-6:
                raise EstimationError(
                    "The likelihood of the Cox model does not rise along any step; scale its columns."
                )
        gain, beta, (value, slope, information) = found[0] - value, new, found
        moved = np.abs(size * move) * spread
        if moved.max() < 1e-9:
            return beta, value, null, score, information, step
        if gain < 1e-7 and moved.max() > 0.01 and size == 1.0:
            endless = [names[j] for j in np.flatnonzero(moved > 0.01)]
            raise NotIdentifiedError(
                f"The coefficient of {listed(endless)} has no finite value: nobody, or only those first, left among customers "
                "who have it; leave the column out or join its level with another."
            )
    return beta, value, null, score, information, _STEPS


def _sandwich(
    at: kernel.Layout, x: Array, beta: Array, efron: bool, bread: Array, cluster: NDArray[np.intp] | None
) -> Array:
    """Robust covariance from the weighted score residuals, summed by cluster."""
    parts = kernel.scores(at, x, beta, efron) * at.weights[:, None] @ bread
    if cluster is not None:
        code = cluster[at.order]
        parts = np.column_stack([np.bincount(code, v) for v in parts.T])
    return np.asarray(parts.T @ parts, dtype=float)


def _measures(loglik: float, null: float, score: float, spells: Any, p: int) -> dict[str, float]:
    """Log-likelihoods, tests of all terms, and information criteria with the number of events."""
    from scipy.special import chdtrc

    events = float(spells.weights[spells.event > 0].sum())
    ratio = 2 * (loglik - null)
    return {
        "loglik": loglik,
        "loglik_null": null,
        "chisq": ratio,
        "df": float(p),
        "pvalue": float(chdtrc(p, ratio)),
        "score": score,
        "aic": 2 * p - 2 * loglik,
        "bic": p * np.log(events) - 2 * loglik,
    }


@dataclass(frozen=True, repr=False, eq=False)
class CoxResult(SurvivalResult):
    """A fitted Cox model: see :class:`~cxmodels.churn.ahead.SurvivalResult` for its parts.

    Attributes
    ----------
    estimates : DataFrame
        [term, est, se, z, pvalue, ci_lower, ci_upper, hazard_ratio, hr_ci_lower, hr_ci_upper]; est is the change of the log
        hazard per unit.
    fit_measures : Series
        loglik, loglik_null, chisq, df, pvalue (likelihood ratio of all terms), score (test), aic, bic (n = events).
    baseline : DataFrame
        [stratum,] time, hazard, cumulative, survival, se of survival: of a customer with the mean of every term.

    Examples
    --------
    >>> import cxmodels as cx
    >>> data = cx.datasets.load("telco")
    >>> found = cx.churn.CoxHazards().fit(data, "churn", duration="tenure", columns=["contract"])
    >>> found.estimates[["term", "est", "se", "hazard_ratio"]].round(2)
                     term   est    se  hazard_ratio
    0  contract: Two year -4.23  0.16          0.01
    1  contract: One year -2.19  0.08          0.11
    >>> found.remaining(data.head(2), 24, so_far="tenure").round(1)
        est   se  ci_lower  ci_upper
    0  19.1  0.1      18.8      19.4
    1  23.4  0.1      23.2      23.5
    >>> found.proportionality().round(1)
                        correlation  chisq  df  pvalue
    term
    contract: Two year          0.1   23.3   1     0.0
    contract: One year          0.2   82.6   1     0.0
    all terms                   NaN   97.5   2     0.0
    >>> found.calibration(data.head(2000), "churn", duration="tenure", horizons=[12], bins=3).round(3)
       horizon  bin     n  foreseen  observed  ci_lower  ci_upper    gap
    0     12.0    1   894     0.020     0.006     0.002     0.014 -0.014
    1     12.0    2  1106     0.285     0.298     0.270     0.328  0.013
    """

    centre: Array
    strata: str | None
    levels: tuple[str, ...]
    layout: kernel.Layout
    x: Array
    jumps: tuple[Array, Array, Array]
    clusters: int | None = None
    converged: bool = True

    def headline(self) -> list[tuple[str, str]]:
        """Return model, customers, tie rule, standard errors and convergence.

        Returns
        -------
        list of (label, value)
        """
        rows = super().headline()
        if len(self.levels) > 1:
            rows.append(("Strata", f"{len(self.levels)}, a baseline each"))
        return [*rows, *self._ending()]

    @property
    def baseline(self) -> pd.DataFrame:
        """Baseline by stratum and event time, of a customer with the mean of every term."""
        hazard, variance, slope = self.jumps
        parts = []
        for s, name in enumerate(self.levels):
            here = slice(self.layout.first[s], self.layout.first[s + 1])
            total, along = np.cumsum(hazard[here]), np.cumsum(slope[here], axis=0)
            spread = np.cumsum(variance[here]) + np.einsum("ij,jk,ik->i", along, self.covariance.to_numpy(), along)
            part = pd.DataFrame({"time": self.layout.time[here], "hazard": hazard[here], "cumulative": total})
            part["survival"] = np.exp(-total)
            part["se"] = part["survival"] * np.sqrt(spread)
            if len(self.levels) > 1:
                part.insert(0, "stratum", name)
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def proportionality(self, clock: str = "rank", *, test: str = "residuals") -> pd.DataFrame:
        """Test whether effects stay the same over time.

        Parameters
        ----------
        clock : {"rank", "km", "identity", "log"}, default "rank"
            What time is measured by: ranks of the event times, 1 - Kaplan-Meier, time itself, its logarithm.
        test : {"residuals", "score"}, default "residuals"
            By the scaled Schoenfeld residuals, with one variance for all times (Grambsch and Therneau 1994, Biometrika 81; R
            before 2019, lifelines); or the score test of effects that change along the clock, which needs no such
            approximation (R's cox.zph since).

        Returns
        -------
        DataFrame
            Index term, and "all terms": [correlation, chisq, df, pvalue]; correlation of the scaled Schoenfeld residuals with
            time. Where pvalue is small, the hazard ratio is an average: look at the curves, stratify, or use DiscreteHazard
            with the product of time and column.

        Raises
        ------
        SpecError
            For an unknown clock or test.
        """
        from scipy.special import chdtrc

        choose("clock", clock, CLOCKS)
        choose("test", test, ("residuals", "score"))
        beta, efron = self.estimates["est"].to_numpy(), self.spec.ties == "efron"
        residuals, place = kernel.schoenfeld(self.layout, self.x, beta, efron)
        w = self.layout.weights[self.layout.event]
        reading = self._clock(clock)
        reading = reading - np.average(reading[place], weights=w)
        g = reading[place]
        information = kernel.likelihood(self.layout, self.x, beta, efron)[2]
        d, V, moment, scale = w.sum(), np.linalg.inv(information), (w * g) @ residuals, w @ g**2
        scaled = residuals @ V * d
        centred = scaled - np.average(scaled, axis=0, weights=w)
        related = (w * g) @ centred / np.sqrt(scale * (w @ centred**2))
        if test == "residuals":
            own = (moment @ V * d) ** 2 / (d * np.diag(V) * scale)
            overall = float(d * moment @ V @ moment / scale)
        else:
            eta = self.x @ beta
            s = kernel.sums(self.layout, self.x, eta - eta.max(), efron)
            mean = self.layout.mass / self.layout.deaths
            cross, twice = (kernel.information(self.layout, self.x, s, mean * reading**k) for k in (1, 2))
            left = twice - cross @ V @ cross
            own = moment**2 / (np.diag(twice) - np.einsum("ij,jk,ki->i", cross, V, cross))
            overall = float(moment @ np.linalg.solve(left, moment))
        p = len(own)
        table = pd.DataFrame(
            {"correlation": np.append(related, np.nan), "chisq": np.append(own, overall)},
            index=pd.Index([*self.terms.names, "all terms"], name="term"),
        )
        table["df"] = np.append(np.ones(p, dtype=int), p)
        table["pvalue"] = chdtrc(table["df"], table["chisq"])
        return table

    def _clock(self, clock: str) -> Array:
        """Reading of a clock at each event time."""
        time = self.layout.time
        if clock == "rank":
            known, place = np.unique(time, return_inverse=True)
            count = np.bincount(place, self.layout.deaths, len(known))
            return np.asarray((np.cumsum(count) - (count - 1) / 2)[place], dtype=float)
        if clock == "km":
            return 1 - self._kaplan_meier(time)
        if clock == "log" and (early := int(self.layout.deaths[time == 0].sum())):
            raise SpecError(f"{early} customers left at time 0, which has no logarithm; take clock='rank'.")
        return np.log(time) if clock == "log" else time

    def _kaplan_meier(self, time: Array) -> Array:
        """Survival just after given event times, all strata together."""
        from .durations import risk_table

        table = risk_table(self.spells)
        with np.errstate(divide="ignore", invalid="ignore"):
            curve = np.cumprod(np.where(table.at_risk > 0, 1 - table.events[:, 0] / table.at_risk, 1.0))
        return np.asarray(curve[np.searchsorted(table.time, time)], dtype=float)

    def _strata_of(self, frame: pd.DataFrame) -> NDArray[np.intp]:
        """Number of the stratum of each row."""
        if len(self.levels) == 1:
            return np.zeros(len(frame), dtype=np.intp)
        if self.strata is None:
            raise SpecError(
                "The strata were given as an array; give the name of a column to foresee for other customers."
            )
        values = column(frame, self.strata, "strata").astype(str)
        place = pd.Index(self.levels).get_indexer(pd.Index(values))
        if (place < 0).any():
            unknown = listed(values[place < 0].unique())
            raise DataError(f"Stratum {unknown} was not in the data; there are {listed(self.levels)}.")
        return place.astype(np.intp)

    def _longest(self, frame: pd.DataFrame) -> Array:
        """Longest duration watched in the stratum of each row."""
        most = np.zeros(len(self.levels))
        np.maximum.at(most, self.layout.stratum, self.spells.time[self.layout.order])
        return most[self._strata_of(frame)]

    def _hazard(
        self, frame: pd.DataFrame, x: Array, start: Array, end: Array, slope: bool
    ) -> tuple[Array, Array | None, Array | None]:
        place = self._strata_of(frame)
        lo, hi = self._places(place, start[:, None]), self._places(place, end)
        hazard, variance, along = (
            np.concatenate([np.zeros((1, *v.shape[1:])), np.cumsum(v, axis=0)]) for v in self.jumps
        )
        factor = np.exp((x - self.centre) @ self.estimates["est"].to_numpy())[:, None]
        change = factor * (hazard[hi] - hazard[lo])
        if not slope:
            return change, None, None
        gradient = change[:, :, None] * (x - self.centre)[:, None, :] - factor[:, :, None] * (along[hi] - along[lo])
        return change, gradient, factor**2 * (variance[hi] - variance[lo])

    def _places(self, stratum: NDArray[np.intp], time: Array) -> NDArray[np.intp]:
        """Event times up to a time, counted through the strata."""
        out = np.empty(time.shape, dtype=np.intp)
        for s in np.unique(stratum):
            a, b = self.layout.first[s], self.layout.first[s + 1]
            rows = stratum == s
            out[rows] = a + np.searchsorted(self.layout.time[a:b], time[rows], side="right")
        return out

    def _turns(self, frame: pd.DataFrame, x: Array, start: Array, end: Array, later: Array) -> Array:
        place = self._strata_of(frame)
        share = later * np.exp((x - self.centre) @ self.estimates["est"].to_numpy())[:, None]
        lo = self._places(place, np.hstack([start[:, None], end[:, :-1]])).ravel()
        hi = self._places(place, end).ravel()
        k = len(self.layout.time) + 1
        return np.asarray(np.bincount(lo, share.ravel(), k) - np.bincount(hi, share.ravel(), k), dtype=float)

    def _shared(self, turns: Array) -> float:
        return float(np.cumsum(turns)[:-1] ** 2 @ self.jumps[1]) if len(turns) > 1 else 0.0

    def _risk(self, frame: pd.DataFrame, foreseen: Array) -> Array:
        return self.terms.matrix(frame) @ self.estimates["est"].to_numpy()
