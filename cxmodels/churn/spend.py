"""What customers spend per purchase: the Gamma-Gamma model.

A customer's purchases scatter about a mean of his own, and the means over customers, both gamma-distributed; the
expectation draws the observed mean of few purchases towards that of the population (Fader and Hardie 2013, "The
Gamma-Gamma Model of Monetary Value"; Colombo and Jiang 1999). It assumes that spend and frequency are unrelated. Columns of
the customers multiply the mean spend by exp(gamma z): the scale v of a customer is v exp(gamma z).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import DataError, SpecError, listed
from ..resampling import check_level
from .histories import NO_TERMS, complete_terms, terms_of
from .lifetimes import Array, LifetimeResult, _start, columns_of, framed, grouped, maximise
from .terms import Terms


@dataclass(frozen=True)
class GammaGamma:
    """Spend per purchase.

    Parameters
    ----------
    level : float, default 0.95
        Confidence level of the intervals.

    Examples
    --------
    >>> import cxmodels as cx
    >>> data = cx.datasets.load("cdnow_summary")
    >>> found = cx.churn.GammaGamma().fit(data)
    >>> found.params.round(2).to_dict()
    {'p': 6.25, 'q': 3.74, 'v': 15.45}
    """

    level: float = 0.95

    def __post_init__(self) -> None:
        check_level(self.level)

    def fit(
        self,
        data: Any,
        monetary_value: Any = "monetary_value",
        *,
        frequency: str = "frequency",
        weights: ArrayLike | str | None = None,
        start: ArrayLike | None = None,
        spending: Sequence[str] = (),
    ) -> GammaGammaResult:
        """Estimate by maximum likelihood.

        Parameters
        ----------
        data : DataFrame, or array-like of shape (n,)
            A frame with columns frequency and monetary_value, or the frequencies themselves.
        monetary_value : str or array-like of shape (n,)
            Mean spend per repeat purchase.
        frequency : str, default "frequency"
            Column of the number of purchases behind the mean, where `data` is a frame.
        weights : array-like or str, optional
            Customers that each row stands for.
        start : array-like of shape (3,), optional
            Starting values p, q, v, tried beside the model's own.
        spending : sequence of str, optional
            Columns of the frame, numbers or categories, that move the mean spend; the parameters are then those of
            customers with zeros and reference levels, and ``gamma_spending:`` the change of the log mean per unit.

        Returns
        -------
        GammaGammaResult
            Customers without a repeat purchase say nothing and are counted in ``excluded``.

        Raises
        ------
        DataError
            For values that are missing or negative, a spend of zero or less with purchases, or too few customers.
        SpecError
            For columns that move spending without a frame.
        """
        data = framed(data)
        named = isinstance(data, pd.DataFrame)
        given = {"frequency": frequency if named else None, "monetary_value": monetary_value}
        columns, w = columns_of(data, given, weights, least={"frequency": 0.0})
        x, z = columns["frequency"], columns["monetary_value"]
        used = (x > 0) & (w > 0)
        _check_spend(x[used], z[used])
        if used.sum() < 4:
            raise DataError(f"Only {int(used.sum())} customers have repeat purchases; the model has 3 parameters.")
        terms = terms_of(data, named, spending, w * used)
        moved = complete_terms(terms, data) if terms.names else np.empty((len(x), 0))
        spread = np.where(moved[used].std(axis=0) > 0, moved[used].std(axis=0), 1.0)
        (x, z, *parts), mass, _ = grouped([x[used], z[used], *(moved[used] / spread).T], w[used])
        unit = np.column_stack(parts) if parts else np.empty((len(mass), 0))
        mean = float(np.average(z, weights=mass))
        starts = [np.array(s) * [1, 1, mean] for s in ((5.0, 3.5, 0.5), (2.0, 3.0, 1.0), (1.0, 5.0, 4.0))]
        if start is not None:
            starts.insert(0, _start(start, 3))
        correlation = _correlation(columns["frequency"][used], columns["monetary_value"][used], w[used])

        def loglik(p: Array) -> tuple[float, Array]:
            return _loglik(p, x, z, mass, unit)

        k = unit.shape[1]
        labels = ("p", "q", "v", *(f"gamma_spending:{n}" for n in terms.names))
        starts = [np.append(s, np.zeros(k)) for s in starts]
        params, cov, value, done, notes = maximise(loglik, labels, starts, np.arange(3 + k) < 3, "Gamma-Gamma")
        scale = np.append(np.ones(3), 1 / spread)
        params, cov = params * scale, cov * scale[:, None] * scale
        gone = int((~used).sum())
        excluded = pd.DataFrame({"reason": ["no repeat purchase"][: gone > 0], "rows": [gone][: gone > 0]})
        n = round(w[used].sum())
        names = {k: v for k, v in given.items() if isinstance(v, str)}
        return GammaGammaResult(
            params, cov, value, n, len(x), done, "Gamma-Gamma", self.level, notes, excluded, correlation, names, terms
        )


def _check_spend(x: Array, z: Array) -> None:
    """Refuse purchases without a spend."""
    if bad := int(((x > 0) & (z <= 0)).sum()):
        raise DataError(f"monetary_value is zero or less for {bad} customers with purchases; leave returns out.")


def _correlation(x: Array, z: Array, w: Array) -> float:
    """Weighted correlation of frequency and spend."""
    a, b = x - np.average(x, weights=w), z - np.average(z, weights=w)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float((w @ (a * b)) / np.sqrt((w @ a**2) * (w @ b**2)))


def _loglik(params: Array, x: Array, z: Array, w: Array, moved: Array) -> tuple[float, Array]:
    """Log-likelihood of mean spends (Fader and Hardie 2013, eq. 1a) and its gradient.

    ln L = ln G(px + q) - ln G(px) - ln G(q) + q ln v + (px - 1) ln z + px ln x - (px + q) ln(v + x z).
    """
    from scipy.special import digamma, gammaln

    p, q, _ = params[:3]
    v = _scale(params, moved)
    px, sum_ = p * x, v + x * z
    value = gammaln(px + q) - gammaln(px) - gammaln(q) + q * np.log(v)
    value += (px - 1) * np.log(z) + px * np.log(x) - (px + q) * np.log(sum_)
    both = digamma(px + q)
    gradient = np.array(
        [
            w @ (x * (both - digamma(px) + np.log(z * x) - np.log(sum_))),
            w @ (both - digamma(q) + np.log(v) - np.log(sum_)),
            w @ (along := q - (px + q) * v / sum_) / params[2],  # by log v of the customer
        ]
    )
    return float(w @ value), np.append(gradient, (w * along) @ moved)


def _scale(params: Any, moved: Array) -> Any:
    """Scale v of customers with their terms."""
    values = np.asarray(params, dtype=float)
    return values[2] * np.exp(np.clip(moved @ values[3:], -50, 50)) if moved.shape[1] else values[2]


@dataclass(frozen=True, repr=False, eq=False)
class GammaGammaResult(LifetimeResult):
    """A fitted Gamma-Gamma model: see :class:`LifetimeResult` for its parts.

    Attributes
    ----------
    correlation : float
        Of frequency and mean spend among the customers used; the model takes it as zero.
    columns : dict of str to str
        Names of the columns of frequency and monetary_value.
    spending : Terms
        Of the columns that move the mean spend; none by default.

    Examples
    --------
    >>> import cxmodels as cx
    >>> data = cx.datasets.load("cdnow_summary")
    >>> found = cx.churn.GammaGamma().fit(data)
    >>> round(found.population_mean, 1)
    35.2
    >>> found.expected_spend([2], [25.0]).round(1)
    array([26.8])
    """

    correlation: float = field(default=np.nan)
    columns: dict[str, str] = field(default_factory=dict)
    spending: Terms = NO_TERMS

    @property
    def population_mean(self) -> float:
        """Expected spend per purchase of a customer nothing is known about, p v / (q - 1); infinite for q <= 1.

        With columns, of customers with zeros and reference levels.
        """
        p, q, v = self.params.iloc[:3]
        return float(p * v / (q - 1)) if q > 1 else np.inf

    def expected_spend(
        self, frequency: ArrayLike, monetary_value: ArrayLike, data: pd.DataFrame | None = None
    ) -> Array:
        """Expected spend per purchase of a customer, given the purchases seen.

        Parameters
        ----------
        frequency, monetary_value : array-like of shape (n,)
            As in :meth:`GammaGamma.fit`; a customer without purchases gets the population's mean.
        data : DataFrame, optional
            The customers' columns, where the model has some.

        Returns
        -------
        ndarray of shape (n,)
            p (v + x z) / (p x + q - 1) (Fader and Hardie 2013, eq. 5).

        Raises
        ------
        SpecError
            For a model with columns and no `data`.
        """
        if self.spending.names and data is None:
            names = listed(c.name for c in self.spending.columns)
            raise SpecError(f"The mean spend moves with {names}; give the customers' columns as data=.")
        given = {"frequency": None, "monetary_value": monetary_value}
        columns, _ = columns_of(frequency, given, None, least={"frequency": 0.0, "monetary_value": 0.0})
        x, z = columns["frequency"], columns["monetary_value"]
        _check_spend(x, z)
        return _expected(self.params, x, z, self._moved(data, len(x)))

    def _moved(self, data: Any, n: int) -> Array:
        """Terms of customers."""
        if not self.spending.names:
            return np.empty((n, 0))
        frame = framed(data)
        if len(frame) != n:
            raise DataError(f"data has {len(frame)} rows for {n} customers; give one per customer.")
        return complete_terms(self.spending, frame)

    def slopes_of_spend(self, data: pd.DataFrame) -> tuple[Array, Array]:
        """Return the expected spend of the customers of a frame, and its derivatives by the parameters.

        Parameters
        ----------
        data : DataFrame
            With the columns of the fit.

        Returns
        -------
        spend : ndarray of shape (n,)
        slopes : ndarray of shape (n, parameters)

        Raises
        ------
        DataError
            For a spend of zero with purchases, or if the expectation of some has no end.
        """
        given = {"frequency": "frequency", "monetary_value": "monetary_value"} | self.columns
        columns, _ = columns_of(data, given, None, least={"frequency": 0.0, "monetary_value": 0.0})
        x, z = columns["frequency"], columns["monetary_value"]
        _check_spend(x, z)
        moved = self._moved(data, len(x))
        if endless := int(np.isinf(_expected(self.params, x, z, moved)).sum()):
            raise DataError(
                f"The expected spend of {endless} customers has no end (q of the Gamma-Gamma is {self.params['q']:.2f}, not "
                "above 1); value those with repeat purchases, or give a margin per purchase without spend=."
            )
        return self.slopes_of(lambda p: _expected(p, x, z, moved))


def _expected(params: Any, x: Array, z: Array, moved: Array) -> Array:
    """Expected spend per purchase."""
    p, q, _ = np.asarray(params, dtype=float)[:3]
    v = _scale(params, moved)
    base = p * x + q - 1  # 0 or less: the mean has no end
    return np.where(base > 0, p * (v + x * z) / np.where(base > 0, base, 1.0), np.inf)
