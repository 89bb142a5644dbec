"""How often customers buy and whether they are still there: BG/NBD and Pareto/NBD.

While active a customer buys at a rate of his own, gamma-distributed over customers. In the BG/NBD he may drop out
after any purchase, with a probability of his own that is beta-distributed (Fader, Hardie and Lee 2005, Marketing
Science 24(2), eqs. 6-11); in the Pareto/NBD at any moment, at a rate that is gamma-distributed (Schmittlein, Morrison
and Colombo 1987, Management Science 33(1); likelihood as in Fader and Hardie 2005, "A Note on Deriving the
Pareto/NBD Model"). Data are frequency (repeat purchases x), recency (time of the last, t_x) and T (time observed).
What is known of customers may move both (Fader and Hardie 2007, "Incorporating Time-Invariant Covariates into the
Pareto/NBD and BG/NBD Models"): the mean rate of buying is multiplied by exp(gamma z), and so is the mean rate of leaving in
the Pareto/NBD, and the mean odds of leaving after a purchase, a / b, in the BG/NBD.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import SpecError
from ..resampling import check_level
from . import purchase_kernel as kernel
from .histories import Histories, read_histories
from .lifetimes import Array, LifetimeResult, _start, framed, maximise
from .terms import Terms

_COARSE = 20_000  # distinct rows from which the starting point of a longer table is found


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

    def __post_init__(self) -> None:
        check_level(self.level)

    def fit(
        self,
        data: Any,
        recency: Any = "recency",
        T: Any = "T",
        *,
        frequency: str = "frequency",
        weights: ArrayLike | str | None = None,
        buying: Sequence[str] = (),
        leaving: Sequence[str] = (),
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
        buying, leaving : sequence of str, optional
            Columns that move how often customers buy, and whether they leave. A coefficient above 0 means oftener, and
            sooner; numbers enter as they are, categories against their most frequent level.
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
        rows = read_histories(data, frequency, recency, T, weights, buying, leaving)
        unit = float(np.average(rows.t, weights=rows.w)) or 1.0
        tried = ((0.5, 0.3, 0.7, 2.0), (0.2, 0.1, 0.5, 1.5), (1.0, 1.0, 1.0, 3.0))
        starts = [np.array(s) * [1, unit, 1, 1] for s in tried]
        return _fit(BGNBDResult, rows, starts, start, ("r", "alpha", "a", "b"), "BG/NBD", self.level)


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

    def __post_init__(self) -> None:
        check_level(self.level)

    def fit(
        self,
        data: Any,
        recency: Any = "recency",
        T: Any = "T",
        *,
        frequency: str = "frequency",
        weights: ArrayLike | str | None = None,
        buying: Sequence[str] = (),
        leaving: Sequence[str] = (),
        start: ArrayLike | None = None,
    ) -> ParetoNBDResult:
        """Estimate by maximum likelihood.

        Parameters
        ----------
        data, recency, T, frequency, weights, buying, leaving, start
            As for :meth:`BGNBD.fit`; starting values are r, alpha, s, beta.

        Returns
        -------
        ParetoNBDResult

        Raises
        ------
        DataError
            As for :meth:`BGNBD.fit`.
        """
        rows = read_histories(data, frequency, recency, T, weights, buying, leaving)
        unit = float(np.average(rows.t, weights=rows.w)) or 1.0
        starts = [np.array([0.5, 0.3 * unit, 0.6, 0.35 * unit])]
        return _fit(ParetoNBDResult, rows, starts, start, ("r", "alpha", "s", "beta"), "Pareto/NBD", self.level)


def _fit(
    kind: type[Any], rows: Histories, starts: list[Array], start: Any, names: tuple[str, ...], what: str, level: float
) -> Any:
    """Maximise the likelihood, from a starting point found on some of the rows where there are many."""
    if start is not None:
        starts.insert(0, _start(start, 4))
    effects = [*(f"gamma_buying:{n}" for n in rows.buying.names), *(f"gamma_leaving:{n}" for n in rows.leaving.names)]
    k = len(effects)
    positive = np.append(np.ones(4, bool), np.zeros(k, bool))
    unit = np.append(np.ones(4), 1 / rows.spread)
    points = [np.append(s, np.zeros(k)) for s in starts]
    if rows.distinct > 2 * _COARSE:
        points = [_nearer(kind._loglik(rows.some(_COARSE)), points, positive, what)]
    params, cov, value, done, notes = maximise(kind._loglik(rows), (*names, *effects), points, positive, what)
    params, cov = params * unit, cov * np.outer(unit, unit)
    return kind(
        params,
        cov,
        value,
        rows.customers,
        rows.distinct,
        done,
        what + (" with covariates" if k else ""),
        level,
        notes,
        buying=rows.buying,
        leaving=rows.leaving,
        columns=rows.columns,
    )


def _ahead(t: ArrayLike) -> Array:
    """Times ahead, checked, in the order given."""
    try:
        out = np.atleast_1d(np.asarray(t, dtype=float))
    except (TypeError, ValueError):
        raise SpecError(f"t must be a time ahead, in the unit of the data, not {t!r}.") from None
    if out.ndim != 1 or not (np.isfinite(out) & (out >= 0)).all():
        raise SpecError(f"t must be finite times of zero or more, in the unit of the data, not {t!r}.")
    return out


def _nearer(loglik: Callable[[Array], Any], points: list[Array], positive: NDArray[np.bool_], what: str) -> Array:
    """The best point on some of the rows."""
    import warnings

    from ..errors import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = maximise(loglik, [str(j) for j in range(len(positive))], points, positive, what)
    return found[0].to_numpy()


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class PurchaseResult(LifetimeResult):
    """A fitted model of purchases: see :class:`LifetimeResult` for its parts.

    Attributes
    ----------
    buying, leaving : Terms
        Columns that move the rate of buying and of leaving.
    columns : dict of str to str
        Names of the columns of frequency, recency and T.
    """

    buying: Terms
    leaving: Terms
    columns: dict[str, str]

    _alive: Any = None
    _expected: Any = None
    _new: Any = None

    @staticmethod
    @abstractmethod
    def _loglik(rows: Histories) -> Callable[[Array], tuple[float, Array]]:
        """The likelihood of the model, with its gradient."""

    def histories(self, frequency: Any, recency: Any = None, T: Any = None) -> Histories:
        """Read histories of customers, with the columns that the model needs.

        Parameters
        ----------
        frequency, recency, T : DataFrame, or array-like of shape (n,)
            A frame as in the fit, or the three columns.

        Returns
        -------
        Histories
        """
        frequency = framed(frequency)
        if isinstance(frequency, pd.DataFrame):
            c = self.columns
            return read_histories(
                frequency, c["frequency"], c["recency"], c["T"], None, self.buying, self.leaving, fresh=True
            )
        if self.buying.names or self.leaving.names:
            raise SpecError("The model has columns that move buying or leaving; give a frame that holds them.")
        return read_histories(frequency, "frequency", recency, T, None, (), (), fresh=True)

    def rates(self, rows: Histories, p: pd.Series | None = None) -> tuple[Any, ...]:
        """Parameters of each distinct row: the four of the model, moved by the covariates.

        Parameters
        ----------
        rows : Histories
        p : Series, optional
            Parameters; default the estimates.

        Returns
        -------
        tuple of float or ndarray
        """
        values = (self.params if p is None else p).to_numpy()
        return self._moved(values, rows)

    @staticmethod
    @abstractmethod
    def _moved(p: Array, rows: Histories) -> tuple[Any, ...]:
        """The four parameters of each row, moved by the covariates."""

    def p_alive(self, frequency: Any, recency: Any = None, T: Any = None) -> Array:
        """Probability that a customer is still active.

        Parameters
        ----------
        frequency, recency, T : DataFrame, or array-like of shape (n,)
            A frame as in the fit, or the three columns.

        Returns
        -------
        ndarray of shape (n,)
            BG/NBD: 1 / (1 + a / (b + x - 1) ((alpha + T) / (alpha + t_x))^(r + x)); a customer without a repeat purchase has
            probability 1 exactly, for one can only leave after a purchase. Pareto/NBD: 1 / (1 + s / (r + s + x)
            (alpha + T)^(r + x) (beta + T)^s A0).
        """
        rows = self.histories(frequency, recency, T)
        return type(self)._alive(self.rates(rows), rows.x, rows.tx, rows.t)[rows.place]

    def expected_purchases(self, t: ArrayLike, frequency: Any, recency: Any = None, T: Any = None) -> Array:
        """Purchases expected of a customer in the next `t` units of time, given the history.

        Parameters
        ----------
        t : float or array-like of shape (n,)
            Time ahead.
        frequency, recency, T : DataFrame, or array-like of shape (n,)
            As for :meth:`p_alive`.

        Returns
        -------
        ndarray of shape (n,)
            BG/NBD: Fader, Hardie and Lee (2005), eq. 10. Pareto/NBD: (r + x) (beta + T) / ((alpha + T) (s - 1))
            [1 - ((beta + T) / (beta + T + t))^(s - 1)] P(alive).
        """
        rows, ahead = self.histories(frequency, recency, T), _ahead(t)
        if np.ndim(t) == 0:
            return rows.expected(self, None, float(ahead[0]))[rows.place]
        if len(ahead) != len(rows.place):
            raise SpecError(
                f"t has {len(ahead)} times for {len(rows.place)} customers; give one for all, or one each."
            )
        each = rows.by_customer()
        return np.asarray(type(self)._expected(self.rates(each), ahead, each.x, each.tx, each.t), dtype=float)

    def expected_new(self, t: ArrayLike, data: Any = None) -> Array:
        """Repeat purchases expected of a new customer in the first `t` units of time.

        Parameters
        ----------
        t : float or array-like of shape (k,)
            Time since the first purchase.
        data : DataFrame of shape (k, columns), optional
            Customers with the columns that move buying and leaving, where the model has any.

        Returns
        -------
        ndarray of shape (k,)
            BG/NBD: Fader, Hardie and Lee (2005), eq. 9. Pareto/NBD: r beta / (alpha (s - 1))
            [1 - (beta / (beta + t))^(s - 1)].
        """
        ahead = _ahead(t)
        moved = bool(self.buying.names or self.leaving.names)
        if moved and data is None:
            raise SpecError("The model has columns that move buying or leaving; give data= with one row per time.")
        rows = Histories.blank(data if moved else None, self.buying, self.leaving)
        return np.asarray(type(self)._new(self._moved(self.params.to_numpy(), rows), ahead), dtype=float)

    def expected_total(self, t: float, frequency: Any, recency: Any = None, T: Any = None) -> pd.Series:
        """Purchases expected of the whole base in the next `t` units of time, with an interval.

        Parameters
        ----------
        t : float
            Time ahead.
        frequency, recency, T : DataFrame, or array-like of shape (n,)
            As for :meth:`p_alive`.

        Returns
        -------
        Series
            est, se, ci_lower, ci_upper: uncertainty of the parameters by the delta method.
        """
        rows, until = self.histories(frequency, recency, T), _ahead(t)
        if len(until) != 1:
            raise SpecError(f"t must be one time for the whole base, not {len(until)}.")
        count = np.bincount(rows.place, minlength=rows.distinct)
        return self.interval_of(lambda p: count @ rows.expected(self, p, float(until[0]))).iloc[0]


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class BGNBDResult(PurchaseResult):
    """A fitted BG/NBD: see :class:`PurchaseResult` for its parts.

    Examples
    --------
    >>> import cxmodels as cx
    >>> data = cx.datasets.load("cdnow_summary")
    >>> found = cx.churn.BGNBD().fit(data)
    >>> found.params.round(3).to_dict()
    {'r': 0.243, 'alpha': 4.414, 'a': 0.793, 'b': 2.426}
    >>> found.p_alive([2], [30.4], [38.9]).round(3)
    array([0.726])
    >>> found.expected_purchases(39, [2], [30.4], [38.9]).round(2)
    array([1.22])
    >>> found.expected_new(10).round(2)
    array([0.43])
    >>> found.expected_total(39, data["frequency"], data["recency"], data["T"]).round(0).to_dict()
    {'est': 1653.0, 'se': 74.0, 'ci_lower': 1508.0, 'ci_upper': 1799.0}
    """

    _alive = staticmethod(kernel.bgnbd_alive)
    _expected = staticmethod(kernel.bgnbd_expected)
    _new = staticmethod(kernel.bgnbd_new)

    @staticmethod
    def _moved(p: Array, rows: Histories) -> tuple[Any, ...]:
        r, alpha, a, b = p[:4]
        up, out = rows.effects(p[4:])
        return r, alpha * np.exp(-up), a * np.exp(out), b

    @staticmethod
    def _loglik(rows: Histories) -> Callable[[Array], tuple[float, Array]]:
        if rows.moved:
            return rows.loglik(kernel.bgnbd_rows, BGNBDResult._moved, leaving_by=2, leaving_sign=1.0)
        ux, place = np.unique(rows.x, return_inverse=True)
        return lambda p: kernel.bgnbd_loglik(p, ux, place, rows.x, rows.tx, rows.t, rows.w)


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class ParetoNBDResult(PurchaseResult):
    """A fitted Pareto/NBD: see :class:`PurchaseResult` for its parts.

    Examples
    --------
    >>> import cxmodels as cx
    >>> data = cx.datasets.load("cdnow_summary").head(300)
    >>> found = cx.churn.ParetoNBD().fit(data)
    >>> sorted(found.params.index)
    ['alpha', 'beta', 'r', 's']
    """

    _alive = staticmethod(kernel.pareto_alive)
    _expected = staticmethod(kernel.pareto_expected)
    _new = staticmethod(kernel.pareto_new)

    @staticmethod
    def _moved(p: Array, rows: Histories) -> tuple[Any, ...]:
        r, alpha, s, beta = p[:4]
        up, out = rows.effects(p[4:])
        return r, alpha * np.exp(-up), s, beta * np.exp(-out)

    @staticmethod
    def _loglik(rows: Histories) -> Callable[[Array], tuple[float, Array]]:
        return rows.loglik(kernel.pareto_rows, ParetoNBDResult._moved, leaving_by=3, leaving_sign=-1.0)
