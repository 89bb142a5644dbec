"""How long contracts last: the shifted beta-geometric and the beta-discrete-Weibull.

At the end of every period a customer leaves with a probability of his own, beta-distributed over customers, so that
the survivors are ever more loyal: S(t) = B(alpha, beta + t) / B(alpha, beta) (Fader and Hardie 2007, J. Interactive
Marketing 21(1)). With t^c in place of t each customer's own hazard may rise or fall (Fader, Hardie, Liu, Davin and
Steenburgh 2018, J. Interactive Marketing 43). Columns of the customers multiply the mean odds of leaving, alpha / beta, by
exp(gamma z): alpha of a customer is alpha exp(gamma z).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, SpecError, listed
from ..resampling import check_level, whole_number
from .histories import NO_TERMS, complete_terms, terms_of
from .lifetimes import Array, LifetimeResult, _numbers, columns_of, framed, grouped, maximise
from .terms import Terms


@dataclass(frozen=True)
class ShiftedBetaGeometric:
    """Retention of a cohort of contracts.

    Parameters
    ----------
    weibull : bool, default False
        Whether hazards of single customers may change with time (beta-discrete-Weibull), by a third parameter c.
    level : float, default 0.95
        Confidence level of the intervals.

    Examples
    --------
    >>> from cxmodels.churn import ShiftedBetaGeometric
    >>> alive = [1000, 869, 743, 653, 593, 551, 517, 491]
    >>> found = ShiftedBetaGeometric().fit(alive)
    >>> found.params.round(3).to_dict()
    {'alpha': 0.668, 'beta': 3.806}
    >>> [round(float(v), 3) for v in found.survival([8, 12])]
    [0.46, 0.378]
    """

    weibull: bool = False
    level: float = 0.95

    def __post_init__(self) -> None:
        check_level(self.level)

    def fit(
        self,
        alive: ArrayLike | None = None,
        *,
        durations: ArrayLike | str | None = None,
        churned: ArrayLike | str | None = None,
        data: Any = None,
        leaving: Sequence[str] = (),
        weights: ArrayLike | str | None = None,
    ) -> ContractResult:
        """Estimate by maximum likelihood.

        Parameters
        ----------
        alive : array-like of shape (periods + 1,), or (cohorts, periods + 1)
            Customers still there at the end of period 0, 1, 2, ...; for several cohorts one line each, with blanks
            (NaN) after a cohort's last period.
        durations : array-like of shape (n,), or str, optional
            Instead: whole periods completed by each customer, for those who left including the one in which they left
            (at least 1), for the others up to now; a column name where `data` is given.
        churned : array-like of shape (n,), or str, optional
            1 if the customer left in that period, else 0; goes with `durations`.
        data : frame, optional
            One row per customer.
        leaving : sequence of str, optional
            Columns of `data`, numbers or categories, that move the odds of leaving; known when the contract begins.
            The parameters are then those of customers with zeros and reference levels, and ``gamma_leaving:`` the
            change of the log-odds per unit; see :meth:`ContractResult.given`.
        weights : array-like of shape (n,), or str, optional
            Customers that each row of single customers stands for.

        Returns
        -------
        ContractResult

        Raises
        ------
        DataError
            For numbers that rise, are negative or too few, blank or unknown columns, or if nobody or everybody left at once.
        SpecError
            If neither or both forms are given, or `leaving` without `data`.

        Examples
        --------
        >>> import pandas as pd
        >>> from cxmodels.churn import ShiftedBetaGeometric
        >>> people = pd.DataFrame({
        ...     "months": [1, 2, 5, 8, 8, 8, 1, 1, 2, 3, 8, 8], "left": [1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0],
        ...     "plan": ["year"] * 6 + ["month"] * 6, "people": [40, 30, 30, 300, 80, 20, 200, 90, 60, 50, 30, 70],
        ... })
        >>> found = ShiftedBetaGeometric().fit(
        ...     data=people, durations="months", churned="left", leaving=["plan"], weights="people"
        ... )
        >>> [round(float(found.given({"plan": p}).survival([8])[0]), 2) for p in ("month", "year")]
        [0.14, 0.8]
        """
        if data is not None or len(leaving) or weights is not None:
            return self._fit_customers(data, durations, churned, leaving, weights, alive)
        left, stayed = _counted(alive, durations, churned)
        t_left, t_stay = np.arange(1, len(left) + 1.0), np.arange(len(stayed) + 0.0)
        names = ("alpha", "beta", "c") if self.weibull else ("alpha", "beta")

        def loglik(p: Array) -> tuple[float, Array]:
            return _loglik(p, left, stayed, t_left, t_stay)

        k = len(names)
        first = left[0] / (left.sum() + stayed.sum())
        starts = [np.array([m * first, m * (1 - first), 1.0][:k]) for m in (1.0, 5.0)]
        what = "beta-discrete-Weibull" if self.weibull else "shifted beta-geometric"
        params, cov, value, done, notes = maximise(loglik, names, starts, np.ones(k, bool), what)
        n = round(left.sum() + stayed.sum())
        return ContractResult(params, cov, value, n, len(left), done, what, self.level, notes)

    def _fit_customers(
        self, data: Any, durations: Any, churned: Any, leaving: Sequence[str], weights: Any, alive: Any
    ) -> ContractResult:
        """Estimate from rows of customers."""
        data = framed(data)
        named = isinstance(data, pd.DataFrame)
        if alive is not None or durations is None or churned is None:
            raise SpecError("Columns and weights of customers go with durations and churned, not with numbers alive.")
        given = {"durations": durations, "churned": churned}
        columns, w = columns_of(data if named else durations, given, weights, least={})
        t, gone = columns["durations"], columns["churned"]
        _counted(None, t[w > 0], gone[w > 0])  # for its checks
        terms = terms_of(data, named, leaving, w)
        z = complete_terms(terms, data) if terms.names else np.empty((len(t), 0))
        spread = np.where(z.std(axis=0) > 0, z.std(axis=0), 1.0)
        rows, mass, _ = grouped([t, gone, *(z / spread).T], w)
        unit = np.column_stack(rows[2:]) if z.shape[1] else np.empty((len(mass), 0))
        own = ("alpha", "beta", "c") if self.weibull else ("alpha", "beta")
        names = (*own, *(f"gamma_leaving:{n}" for n in terms.names))

        def loglik(p: Array) -> tuple[float, Array]:
            return _customer_loglik(p, len(own), rows[0], rows[1] > 0, unit, mass)

        first = float(mass[(rows[0] == 1) & (rows[1] > 0)].sum() / mass.sum())
        first = min(max(first, 0.01), 0.9)
        starts = [np.array([m * first, m * (1 - first), 1.0][: len(own)] + [0.0] * z.shape[1]) for m in (1.0, 5.0)]
        what = "beta-discrete-Weibull" if self.weibull else "shifted beta-geometric"
        positive = np.arange(len(names)) < len(own)
        params, cov, value, done, notes = maximise(loglik, names, starts, positive, what)
        scale = np.append(np.ones(len(own)), 1 / spread)
        n = round(float(mass.sum()))
        cov = cov * scale[:, None] * scale
        return ContractResult(params * scale, cov, value, n, len(mass), done, what, self.level, notes, leaving=terms)


def _customer_loglik(
    p: Array, k: int, t: Array, gone: NDArray[np.bool_], z: Array, mass: Array
) -> tuple[float, Array]:
    """Log-likelihood of rows of customers, each with an alpha of its own, and its gradient."""
    a = p[0] * np.exp(np.clip(z @ p[k:], -50, 50))
    own = [a, *p[1:k]]
    left, dleft = _log_left(own, np.maximum(t, 1.0))
    kept, dkept = _log_survival(own, t)
    value = mass @ np.where(gone, left, kept)
    slope = mass[:, None] * np.where(gone[:, None], dleft, dkept)
    along = slope[:, 0] * a  # by log alpha
    return float(value), np.concatenate([[along.sum() / p[0]], slope[:, 1:].sum(axis=0), along @ z])


def _loglik(p: Array, left: Array, stayed: Array, t_left: Array, t_stay: Array) -> tuple[float, Array]:
    """Log-likelihood sum n_t ln P(t) + sum m_t ln S(t), and its gradient."""
    log_left, dleft = _log_left(p, t_left)
    kept, dkept = _log_survival(p, t_stay)
    some, rest = left > 0, stayed > 0
    value = left[some] @ log_left[some] + stayed[rest] @ kept[rest]
    return float(value), left[some] @ dleft[some] + stayed[rest] @ dkept[rest]


def _log_left(p: Sequence[Any] | Array, t: Array) -> tuple[Array, Array]:
    """Logarithm of P(t) = S(t - 1) - S(t) and its gradient (periods, parameters)."""
    before, dbefore = _log_survival(p, t - 1)
    after, dafter = _log_survival(p, t)
    gone = -np.expm1(np.minimum(after - before, -1e-300))  # share of the survivors who leave in the period
    ratio = np.exp(after - before) / gone
    return before + np.log(gone), dbefore - (dafter - dbefore) * ratio[:, None]


def _log_survival(p: Sequence[Any] | Array, t: Array) -> tuple[Array, Array]:
    """Logarithm of S(t) and its gradient (periods, parameters); alpha may differ by row."""
    from scipy.special import betaln, digamma

    a, b = p[0], p[1]
    c = p[2] if len(p) > 2 else 1.0
    u = t**c
    log = betaln(a, b + u) - betaln(a, b)
    along = digamma(b + u) - digamma(a + b + u)  # derivative by b + u
    parts = [digamma(a + b) - digamma(a + b + u), along - digamma(b) + digamma(a + b)]
    if len(p) > 2:
        parts.append(along * u * np.log(np.where(t > 0, t, 1.0)))
    return log, np.column_stack(parts)


@dataclass(frozen=True, repr=False, eq=False)
class ContractResult(LifetimeResult):
    """A fitted model of contracts: see :class:`LifetimeResult` for its parts.

    Attributes
    ----------
    leaving : Terms
        Of the columns that move the odds of leaving; none by default.

    Examples
    --------
    >>> import cxmodels as cx
    >>> found = cx.churn.ShiftedBetaGeometric().fit([1000, 869, 743, 653, 593, 551, 517, 491])
    >>> found.params.round(3).to_dict()
    {'alpha': 0.668, 'beta': 3.806}
    >>> found.retention([1, 2, 3]).round(3)
    array([0.851, 0.878, 0.897])
    >>> found.curve(3).round(3)
       period  survival  ci_lower  ci_upper  retention
    0       0     1.000     1.000     1.000        NaN
    1       1     0.851     0.832     0.869      0.851
    2       2     0.747     0.723     0.771      0.878
    3       3     0.670     0.644     0.696      0.897
    >>> found.expected_lifetime(0.1).round(2).to_dict()
    {'est': 5.92, 'se': 0.15, 'ci_lower': 5.64, 'ci_upper': 6.21}
    >>> found.residual_lifetime(3, 0.1).round(2).to_dict()
    {'est': 6.62, 'se': 0.24, 'ci_lower': 6.14, 'ci_upper': 7.1}
    """

    leaving: Terms = NO_TERMS

    def given(self, customer: Mapping[str, Any] | pd.DataFrame) -> ContractResult:
        """Return the model of customers with given columns, to ask it for survival, retention and lifetimes.

        Parameters
        ----------
        customer : mapping of str to value, or frame with one row
            The columns of `leaving`.

        Returns
        -------
        ContractResult
            With their alpha; standard errors by the delta method.

        Raises
        ------
        SpecError
            For a model without columns.
        DataError
            For columns that are missing, blank or have a level that was never seen, or several rows.
        """
        if not self.leaving.names:
            raise SpecError("This model has no columns; fit it with leaving= to tell customers apart.")
        frame = pd.DataFrame([customer]) if isinstance(customer, Mapping) else framed(customer)
        if len(frame) != 1:
            raise DataError(f"Give one customer at a time, not {len(frame)} rows.")
        z = self.terms(frame)[0]
        own = [n for n in self.params.index if not str(n).startswith("gamma_")]
        slopes = np.eye(len(own), len(self.params))
        factor = float(np.exp(z @ self.params.to_numpy()[len(own) :]))
        alpha = float(self.params.iloc[0]) * factor
        slopes[0, 0], slopes[0, len(own) :] = factor, alpha * z
        params = self.params[own].copy()
        params.iloc[0] = alpha
        covariance = pd.DataFrame(slopes @ self.covariance.to_numpy() @ slopes.T, own, own)
        said = ", ".join(f"{c.name} {frame[c.name].iloc[0]}" for c in self.leaving.columns)
        return replace(self, params=params, covariance=covariance, leaving=NO_TERMS, name=f"{self.name}, {said}")

    def terms(self, data: pd.DataFrame) -> Array:
        """Return the terms of customers' columns.

        Parameters
        ----------
        data : DataFrame
            With the columns of `leaving`.

        Returns
        -------
        ndarray of shape (n, terms)

        Raises
        ------
        DataError
            For columns that are missing or blank, and levels that were never seen.
        """
        if not self.leaving.names:
            return np.empty((len(data), 0))
        return complete_terms(self.leaving, data)

    def _numbers(self) -> Array:
        """Parameters of a model of customers who are all alike."""
        if self.leaving.names:
            raise SpecError(
                f"Customers differ by {listed(c.name for c in self.leaving.columns)}; say by result.given(...) whom to "
                "ask about first."
            )
        return self.params.to_numpy()

    def survival(self, t: ArrayLike) -> Array:
        """Share of a cohort still there at the end of period t.

        Parameters
        ----------
        t : array-like of shape (k,)
            Periods, 0 or more.

        Returns
        -------
        ndarray of shape (k,)
        """
        return np.exp(_log_survival(self._numbers(), _periods(t))[0])

    def retention(self, t: ArrayLike) -> Array:
        """Share of those there at the end of period t - 1 who are there at the end of t.

        Parameters
        ----------
        t : array-like of shape (k,)
            Periods, 1 or more.

        Returns
        -------
        ndarray of shape (k,)
            (beta + t - 1) / (alpha + beta + t - 1) for the shifted beta-geometric.
        """
        t = _periods(t)
        if (t < 1).any():
            raise DataError("Retention is known from period 1 on.")
        p = self._numbers()
        return np.exp(_log_survival(p, t)[0] - _log_survival(p, t - 1)[0])

    def curve(self, periods: int) -> pd.DataFrame:
        """Survival and retention by period with intervals.

        Parameters
        ----------
        periods : int
            How far.

        Returns
        -------
        DataFrame
            [period, survival, ci_lower, ci_upper, retention].
        """
        if whole_number("periods", periods) < 1:
            raise SpecError(f"periods must be 1 or more, not {periods}.")
        self._numbers()
        t = np.arange(periods + 1.0)
        table = self.interval_of(lambda p: np.exp(_log_survival(p.to_numpy(), t)[0]))
        kept = np.append(np.nan, self.retention(t[1:]))
        lines = {"period": t.astype(int), "survival": table.est, "ci_lower": table.ci_lower.clip(0, 1)}
        return pd.DataFrame(lines | {"ci_upper": table.ci_upper.clip(0, 1), "retention": kept})

    def judge(self, alive: ArrayLike) -> pd.DataFrame:
        """Compare the curve with the numbers alive, in periods that the model has seen and in those it has not.

        Parameters
        ----------
        alive : array-like of shape (periods + 1,)
            Customers of one cohort still there at the end of period 0, 1, 2, ...

        Returns
        -------
        DataFrame
            [period, observed, expected, ci_lower, ci_upper, gap]: shares still there, with the interval of the expectation.

        Raises
        ------
        DataError
            For numbers that rise, are negative or too few.

        Examples
        --------
        >>> from cxmodels.churn import ShiftedBetaGeometric
        >>> alive = [1000, 869, 743, 653, 593, 551, 517, 491, 468, 445, 427, 409, 394]
        >>> found = ShiftedBetaGeometric().fit(alive[:8]).judge(alive)
        >>> round(float(found.gap.iloc[-1]), 3)
        0.016
        """
        _from_alive(alive)
        counted = np.asarray(alive, dtype=float)
        if counted.ndim != 1:
            raise DataError("Judge one cohort at a time: give one row of numbers alive.")
        line = self.curve(len(counted) - 1)
        table = pd.DataFrame(
            {"period": line["period"], "observed": counted / counted[0], "expected": line["survival"]}
        )
        table = table.assign(ci_lower=line["ci_lower"], ci_upper=line["ci_upper"])
        return table.assign(gap=table["observed"] - table["expected"])

    def expected_lifetime(self, discount: float = 0.1) -> pd.Series:
        """Discounted expected lifetime of a new customer, in periods, with its interval.

        Parameters
        ----------
        discount : float, default 0.1
            Rate per period.

        Returns
        -------
        Series
            est, se, ci_lower, ci_upper: DEL = sum of S(t) / (1 + d)^t over t = 0, 1, ...; in closed form
            2F1(1, beta; alpha + beta; 1 / (1 + d)) for the shifted beta-geometric (Fader and Hardie 2010).
        """
        self._numbers()
        return self.interval_of(lambda p: _discounted(p.to_numpy(), 0, discount)).iloc[0]

    def residual_lifetime(self, renewals: int, discount: float = 0.1) -> pd.Series:
        """Discounted expected residual lifetime of a customer who renewed so many times.

        Parameters
        ----------
        renewals : int
            Renewals so far; the customer is about to decide on the next.
        discount : float, default 0.1
            Rate per period.

        Returns
        -------
        Series
            est, se, ci_lower, ci_upper: DERL = sum over t >= n of S(t) / S(n - 1) / (1 + d)^(t - n) with n = renewals + 1
            (Fader and Hardie 2010, Marketing Science 29(1), eq. 6).

        Raises
        ------
        SpecError
            For a negative number of renewals or a discount of zero or less.
        """
        whole_number("renewals", renewals, 0)
        self._numbers()
        return self.interval_of(lambda p: _discounted(p.to_numpy(), renewals + 1, discount)).iloc[0]

    def discounted(
        self, p: pd.Series, n: int, discount: float, periods: int | None = None, terms: ArrayLike = ()
    ) -> float:
        """Return the discounted number of periods that are paid, given parameters.

        Parameters
        ----------
        p : Series
            Parameters, such as ``params``.
        n : int
            The period whose renewal is due now; 0 for a new customer.
        discount : float
            Rate per period, above 0 unless `periods` is given.
        periods : int, optional
            How many to count; default without end.
        terms : array-like of shape (terms,), optional
            Of the customer, where the model has columns: a row of :meth:`terms`.

        Returns
        -------
        float
        """
        z, values = np.asarray(terms, dtype=float), p.to_numpy()
        own = values[: len(values) - len(z)].copy()
        own[0] *= np.exp(z @ values[len(own) :])
        return _discounted(own, n, discount, periods)


def _discounted(p: Array, n: int, discount: float, periods: int | None = None) -> float:
    """Sum over t >= n of S(t) / S(max(n - 1, 0)) (1 + d)^-(t - n), of so many terms or all."""
    from scipy.special import hyp2f1

    if periods is not None:
        t = n + np.arange(float(periods))
        log = _log_survival(p, t)[0] - _log_survival(p, np.array([max(n - 1, 0.0)]))[0][0]
        return float((np.exp(log) * (1 + discount) ** -(t - n)).sum())
    if isinstance(discount, bool) or not isinstance(discount, Real) or not 0 < discount < np.inf:
        raise SpecError(f"discount must be a rate above zero, not {discount!r}.")
    if len(p) == 2:
        a, b = p
        if n == 0:
            return float(hyp2f1(1, b, a + b, 1 / (1 + discount)))
        return float((b + n - 1) / (a + b + n - 1) * hyp2f1(1, b + n, a + b + n, 1 / (1 + discount)))
    far = int(np.ceil(np.log(1e-14) / -np.log1p(discount)))
    t = n + np.arange(far + 1.0)
    log = _log_survival(p, t)[0] - _log_survival(p, np.array([max(n - 1, 0.0)]))[0][0]
    return float((np.exp(log) * (1 + discount) ** -(t - n)).sum())


def _periods(t: ArrayLike) -> Array:
    """Periods as an array."""
    out = _numbers("The periods", t)
    if bad := int((~(out >= 0)).sum()):
        raise DataError(f"{bad} of {len(out)} periods are blank or below zero.")
    return out


def _counted(alive: Any, durations: Any, churned: Any) -> tuple[Array, Array]:
    """Customers who left in period 1, 2, ..., and those still there after 0, 1, 2, ... periods when last seen."""
    if (alive is None) == (durations is None):
        raise SpecError("Give either the numbers alive at the end of each period, or durations with churned.")
    left, stayed = _from_customers(durations, churned) if alive is None else _from_alive(alive)
    if not left.any():
        raise DataError("Nobody left, so nothing is known about how long customers stay.")
    if left[1:].sum() + stayed[1:].sum() == 0:
        raise DataError("Everybody left in the first period, so nothing is known about the periods after it.")
    return left, stayed


def _from_alive(alive: Any) -> tuple[Array, Array]:
    """Leavers and survivors of one or several cohorts."""
    try:
        table = np.atleast_2d(np.asarray(alive, dtype=float))
    except (TypeError, ValueError):
        raise DataError("The numbers alive hold something that is not a number.") from None
    if table.ndim > 2 or table.shape[1] < 2:
        raise DataError("The numbers alive must cover the start and at least one period.")
    left, stayed = np.zeros(table.shape[1] - 1), np.zeros(table.shape[1])
    for line, cohort in enumerate(table):
        seen = int(np.isfinite(cohort).sum())
        if seen < 2 or not np.isfinite(cohort[:seen]).all():
            raise DataError(f"Cohort {line + 1} has a gap or no period; only its last periods may be blank.")
        drop = -np.diff(cohort[:seen])
        if (drop < 0).any() or (cohort[:seen] < 0).any():
            raise DataError(
                f"The numbers alive of cohort {line + 1} rise or are negative; nobody comes back in this model."
            )
        left[: seen - 1] += drop
        stayed[seen - 1] += cohort[seen - 1]
    return left, stayed


def _from_customers(durations: Any, churned: Any) -> tuple[Array, Array]:
    """Leavers and survivors from single customers."""
    if churned is None:
        raise SpecError("durations need churned: 1 for customers who left, else 0.")
    t, gone = _numbers("durations", durations), _numbers("churned", churned)
    if len(t) != len(gone):
        raise DataError(f"There are {len(t)} durations and {len(gone)} entries of churned; give one each.")
    if len(t) == 0 or not np.isin(gone, (0, 1)).all():
        raise DataError("churned must be 1 or 0 for every customer.")
    if bad := int((~np.isfinite(t) | (t < 0) | (t != np.round(t))).sum()):
        raise DataError(f"{bad} durations are missing, negative or no whole periods.")
    if bad := int(((t < 1) & (gone == 1)).sum()):
        raise DataError(
            f"{bad} customers left before the end of their first period; durations of leavers are 1 or more."
        )
    k, places = max(int(t.max()), 1), t.astype(int)
    left = np.bincount(places[gone == 1] - 1, minlength=k).astype(float)
    return left, np.bincount(places[gone == 0], minlength=k + 1).astype(float)
