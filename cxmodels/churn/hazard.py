"""Discrete-time hazard: the chance to leave in the next period, from what is known when it begins.

Rows are customers and periods (:func:`person_periods`), so that columns may change from period to period. The chance h to
leave in a period, given that the customer is still there, is a regression with the link logit, ln h / (1 - h), or cloglog,
ln(-ln(1 - h)), under which coefficients are log hazard ratios of a proportional hazard watched in periods (Prentice and
Gloeckler 1978, Biometrics 34; Allison 1982, Sociological Methodology 13).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, NotIdentifiedError, listed
from ..inference import choose
from ..resampling import check_level
from ..survey.frames import to_pandas
from .ahead import SurvivalResult, after
from .durations import Array, Durations, column, group_labels, read_durations
from .logistic import _frame
from .periods import PersonPeriods
from .terms import Terms, chosen

LINKS = ("cloglog", "logit")
BASELINES = ("log_quadratic", "log", "periods", "constant")
_STEPS = 50


@dataclass(frozen=True)
class DiscreteHazard:
    """Chance to leave in the next period.

    Parameters
    ----------
    link : {"cloglog", "logit"}, default "cloglog"
        Coefficients are log hazard ratios, or log odds ratios.
    baseline : {"log_quadratic", "log", "periods", "constant"}, default "log_quadratic"
        How the hazard changes with the number of the period: by its logarithm and its square, by the logarithm, freely (a
        term per period, nothing beyond the last), or not at all.
    level : float, default 0.95
        Confidence level.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.churn import DiscreteHazard
    >>> tables, _ = cx.datasets.simulate_subscribers(customers=2000, months=18, seed=1)
    >>> periods = cx.churn.person_periods(
    ...     tables["subscriptions"], tables["surveys"][["customer_id", "date", "satisfaction"]], observed_from="2022-12-31",
    ...     every="calendar_month",
    ... )
    >>> found = DiscreteHazard().fit(periods, columns=["price", "satisfaction"])
    >>> found.estimates.term.tolist()
    ['intercept', 'log_period', 'log_period_sq', 'price', 'satisfaction']
    """

    link: Literal["cloglog", "logit"] = "cloglog"
    baseline: Literal["log_quadratic", "log", "periods", "constant"] = "log_quadratic"
    level: float = 0.95

    def __post_init__(self) -> None:
        choose("link", self.link, LINKS)
        choose("baseline", self.baseline, BASELINES)
        check_level(self.level)

    def fit(
        self,
        data: Any,
        event: Any = "event",
        *,
        period: str = "period",
        columns: Any = None,
        customer: Any = "customer_id",
        weights: Any = None,
    ) -> DiscreteHazardResult:
        """Estimate by maximum likelihood.

        Parameters
        ----------
        data : PersonPeriods or frame
            One row per customer and period.
        event : str or array-like of shape (n,), default "event"
            1 where the customer left in the period.
        period : str, default "period"
            Number of the period since the start of the relation, from 1.
        columns : sequence of str, optional
            What explains; default all columns that have no other part (with PersonPeriods not its dates, spell and ages).
            Rows with a blank are left out and counted: with survey scores those are periods before the first answer.
        customer : str or array-like of shape (n,), default "customer_id"
            Whose rows these are: standard errors are robust to rows of one customer belonging together. None takes rows as
            independent, which they are if the model is true.
        weights : str or array-like of shape (n,), optional

        Returns
        -------
        DiscreteHazardResult

        Raises
        ------
        DataError
            For periods below 1, nobody who left, rows after a customer left, or columns that hold something else.
        NotIdentifiedError
            For terms with which nobody or everybody leaves.
        """
        aside: tuple[str, ...] = ()
        if isinstance(data, PersonPeriods):
            data, aside = data.frame, ("spell", "period_start", "period_end", "score_age_days")
        frame = to_pandas(data)
        if isinstance(customer, str) and customer == "customer_id" and customer not in frame:
            customer = None
        X = chosen(frame, columns, [event, period, customer, weights, *([] if columns is not None else aside)])
        spells = read_durations(frame, event, period, weights=weights)
        if bad := int(((spells.time < 1) | (spells.time != np.round(spells.time))).sum()):
            raise DataError(
                f"'{period}' is below 1 or no whole number in {bad} of {spells.n} rows; it counts periods from 1."
            )
        terms = Terms.learn(X[spells.used], spells.weights)
        x = terms.matrix(X[spells.used])
        reasons = [("blank in a column", np.isnan(x).any(axis=1))]
        code = relation = None
        if customer is not None:
            code, _, _ = group_labels(column(frame, customer, "customer"), spells.used, "The customer")
            reasons.append(("blank customer", code < 0))
            relation = _check_rows(code, spells, frame, spells.used)
        keep, excluded = after(spells.excluded, reasons)
        spells, x = spells[keep], x[keep]
        code = None if code is None else code[keep]
        if not (spells.event > 0).any():
            raise DataError(
                f"Nobody left in the {spells.n} rows without blanks; fill blanks or choose fewer columns."
            )
        terms, x, messages = terms.independent(x, spells.weights)
        clock = _clock(self.baseline, spells.time)
        names = (*clock.names, *terms.names)
        theta, loglik, covariance, converged = _maximise(
            np.hstack([clock.of(spells.time), x]), spells, self.link, names, code
        )
        k = len(theta)
        table = _frame(list(names), theta, np.sqrt(np.diag(covariance)), self.level)
        ratio = "hazard_ratio" if self.link == "cloglog" else "odds_ratio"
        table[ratio] = np.where(np.arange(k) < len(clock.names), np.nan, np.exp(table["est"]))
        fit = {"loglik": loglik, "aic": 2 * k - 2 * loglik, "bic": k * np.log(spells.weights.sum()) - 2 * loglik}
        return DiscreteHazardResult(
            estimates=table,
            fit_measures=pd.Series(fit),
            covariance=pd.DataFrame(covariance, names, names),
            n_obs=spells.n,
            n_events=int((spells.event > 0).sum()),
            excluded=excluded,
            terms=terms,
            spells=_lives(spells, None if relation is None else relation[keep]),
            spec=self,
            level=self.level,
            name=f"Discrete-time hazard, {self.link}",
            warnings=spells.messages + messages,
            clock=clock,
            clusters=None if code is None else len(np.unique(code)),
            converged=converged,
        )


@dataclass(frozen=True, eq=False)
class _Clock:
    """Terms of the number of the period."""

    kind: str
    names: tuple[str, ...]
    known: Array

    def of(self, period: Array) -> Array:
        """Terms (..., k) of periods of any shape."""
        one = np.ones_like(period)
        if self.kind == "constant":
            return one[..., None]
        if self.kind == "periods":
            return (np.searchsorted(self.known, period)[..., None] == np.arange(len(self.known))).astype(float)
        log = np.log(np.maximum(period, 1.0))
        return np.stack([one, log] + ([log**2] if self.kind == "log_quadratic" else []), axis=-1)


def _clock(kind: str, period: Array) -> _Clock:
    """The terms that some periods can tell apart."""
    known = np.unique(period)
    if kind == "periods":
        return _Clock(kind, tuple(f"period {p:g}" for p in known), known)
    if len(known) == 1:
        kind = "constant"
    elif len(known) == 2 and kind == "log_quadratic":
        kind = "log"
    names = {"constant": (), "log": ("log_period",), "log_quadratic": ("log_period", "log_period_sq")}[kind]
    return _Clock(kind, ("intercept", *names), known)


def _check_rows(
    code: NDArray[np.intp], spells: Durations, frame: pd.DataFrame, used: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Number of the customer and spell of each row; refuse two rows of one period, and rows after the customer left."""
    keys = pd.DataFrame({"code": code, "period": spells.time})
    if "spell" in frame:
        keys["spell"] = frame["spell"].to_numpy()[used]
    if twice := int((keys.duplicated() & (code >= 0)).sum()):
        raise DataError(
            f"{twice} rows repeat a customer and period; give one row each (a column 'spell' tells relations apart)."
        )
    relation = ["code", "spell"] if "spell" in frame else ["code"]
    keys["left_in"] = np.where(spells.event > 0, spells.time, np.inf)
    last = keys[code >= 0].groupby(relation)["left_in"].transform("min")
    if after := int((keys.loc[last.index, "period"] > last).sum()):
        raise DataError(
            f"{after} rows are of periods after their customer left; end a customer's rows with the one that has the event "
            "(a column 'spell' tells relations apart)."
        )
    return np.asarray(keys.groupby(relation, sort=False, dropna=False).ngroup(), dtype=np.intp)


def _lives(spells: Durations, code: NDArray[np.intp] | None) -> Durations:
    """One duration per customer and spell: the last period, whether the customer left in it, and when the first began."""
    if code is None:
        return Durations(spells.time, spells.event, spells.time - 1, *_rest(spells))
    order = np.lexsort((spells.time, code))
    c = code[order]
    last = np.append(c[1:] != c[:-1], True)
    first = np.append(True, c[1:] != c[:-1])
    weights = spells.weights[order][last]
    return Durations(
        spells.time[order][last],
        spells.event[order][last],
        spells.time[order][first] - 1,
        weights,
        *_rest(spells)[1:],
    )


def _rest(s: Durations) -> tuple[Any, ...]:
    return s.weights, s.used, s.excluded, s.label, s.causes


def _maximise(
    x: Array, spells: Durations, link: str, names: tuple[str, ...], code: NDArray[np.intp] | None
) -> tuple[Array, float, Array, bool]:
    """Fisher scoring; the covariance from the expected information, or robust by customer."""
    y, w = (spells.event > 0).astype(float), spells.weights
    rate = np.average(y, weights=w)
    start = np.log(rate / (1 - rate)) if link == "logit" else np.log(-np.log1p(-min(rate, 1 - 1e-9)))
    some = x[:: max(len(x) // 5000, 1)]
    theta = np.linalg.lstsq(some, np.full(len(some), start), rcond=None)[0]
    spread = np.sqrt(np.average(x**2, axis=0, weights=w))
    converged = False
    value, score, weight = _parts(x @ theta, y, link)
    total = float(w @ value)
    for _ in range(_STEPS):
        information = (x * (w * weight)[:, None]).T @ x
        move = np.linalg.lstsq(information, x.T @ (w * score), rcond=None)[0]
        size = 1.0
        while True:
            value, score, weight = _parts(x @ (theta + size * move), y, link)
            new = float(w @ value)
            if new >= total - 1e-10 * (1 + abs(total)) or size < 1e-6:
                break
            size /= 2
        gain, theta, total = new - total, theta + size * move, new
        moved = np.abs(size * move) * spread
        if moved.max() < 1e-9:
            converged = True
            break
        if 0 <= gain < 1e-7 and moved.max() > 0.01:
            endless = [names[j] for j in np.flatnonzero(moved > 0.01)]
            raise NotIdentifiedError(
                f"The coefficient of {listed(endless)} has no finite value: nobody, or everybody, leaves in such rows; leave the "
                "term out, join its level with another, or take a smoother baseline."
            )
    covariance: Any = np.linalg.inv((x * (w * weight)[:, None]).T @ x)
    if code is not None:
        parts = x * (w * score)[:, None]
        by = np.column_stack([np.bincount(code, v) for v in parts.T]) @ covariance
        covariance = by.T @ by
    return theta, total, covariance, converged


def _parts(eta: Array, y: Array, link: str) -> tuple[Array, Array, Array]:
    """Log-likelihood, its derivative by the linear predictor and the expected information, of each row."""
    eta = np.clip(eta, -500, 500)
    if link == "logit":
        p = 1 / (1 + np.exp(-eta))
        return y * eta - np.logaddexp(0, eta), y - p, p * (1 - p)
    rate = np.exp(np.minimum(eta, 30.0))
    stay = -np.expm1(-rate)  # the chance to leave
    stay = np.maximum(stay, 1e-300)
    value = y * np.log(stay) - (1 - y) * rate
    odds = np.exp(-rate) / stay
    return value, rate * (y * odds - (1 - y)), rate**2 * odds


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class DiscreteHazardResult(SurvivalResult):
    """A fitted discrete-time hazard: see :class:`~cxmodels.churn.ahead.SurvivalResult` for its parts.

    Horizons and times so far are counted in whole periods; columns of customers are held as they are now.

    Attributes
    ----------
    estimates : DataFrame
        [term, est, se, z, pvalue, ci_lower, ci_upper, hazard_ratio or odds_ratio].

    Examples
    --------
    >>> import cxmodels as cx
    >>> tables, _ = cx.datasets.simulate_subscribers(customers=500, months=18, seed=1)
    >>> periods = cx.churn.person_periods(
    ...     tables["subscriptions"], tables["surveys"][["customer_id", "date", "satisfaction"]], observed_from="2022-12-31",
    ...     every="calendar_month",
    ... )
    >>> found = cx.churn.DiscreteHazard().fit(periods, columns=["price", "satisfaction"])
    >>> found.hazard(periods.frame.dropna().head(2)).round(2)
    9     0.02
    10    0.02
    Name: hazard, dtype: float64
    """

    clock: _Clock
    clusters: int | None = None
    converged: bool = True

    def headline(self) -> list[tuple[str, str]]:
        """Return model, rows, baseline, standard errors and convergence.

        Returns
        -------
        list of (label, value)
        """
        rows = super().headline()
        rows = [("Rows" if k == "Customers" else k, v) for k, v in rows if k != "Watched from later on"]
        said = f"robust, by {self.clusters:,} customers" if self.clusters else "from the information"
        rows.append(("Baseline", self.clock.kind.replace("_", " ")))
        return [*rows, ("Standard errors", said), ("Converged", "yes" if self.converged else "NO")]

    def hazard(self, data: Any, *, so_far: Any = "period") -> pd.Series:
        """Foresee the chance to leave in the next period.

        Parameters
        ----------
        data : frame
        so_far : str, float or array-like of shape (n,), default "period"
            Periods that each customer has completed.

        Returns
        -------
        Series
            Index of the data.
        """
        return (1 - self.ahead(data, 1, so_far=so_far)[1.0]).rename("hazard")

    def _longest(self, frame: pd.DataFrame) -> Array:
        last = float(self.clock.known.max()) if self.clock.kind == "periods" else np.inf
        return np.full(len(frame), last)

    def _hazard(
        self, frame: pd.DataFrame, x: Array, start: Array, end: Array, slope: bool
    ) -> tuple[Array, Array | None, Array | None]:
        theta = self.estimates["est"].to_numpy()
        q = len(self.clock.names)
        first, last = np.floor(start + 1e-9), np.floor(end + 1e-9)
        steps = int((last - first[:, None]).max()) if last.size else 0
        number = first[:, None] + np.arange(1.0, max(steps, 1) + 1)
        clock = self.clock.of(number)
        eta = clock @ theta[:q] + (x @ theta[q:])[:, None]
        jump = np.exp(np.minimum(eta, 500)) if self.spec.link == "cloglog" else np.logaddexp(0, eta)
        place = (last - first[:, None]).astype(int)
        change = _upto(jump, place)
        if not slope:
            return change, None, None
        along = jump if self.spec.link == "cloglog" else 1 / (1 + np.exp(-eta))
        gradient = np.empty((*end.shape, len(theta)))
        for j in range(q):
            gradient[:, :, j] = _upto(along * clock[:, :, j], place)
        gradient[:, :, q:] = _upto(along, place)[:, :, None] * x[:, None, :]
        return change, gradient, None


def _upto(values: Array, place: NDArray[np.intp]) -> Array:
    """Sum of the first so many values of each row."""
    total = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    return np.take_along_axis(total, place, axis=1)
