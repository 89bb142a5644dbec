"""Histories of purchases: frequency, recency, time observed and what moves them, grouped to distinct rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SpecError
from .lifetimes import Array, columns_of, framed, grouped
from .terms import Terms, chosen

_LEAST = {"frequency": 0.0, "recency": 0.0, "T": 0.0}
NO_TERMS = Terms((), (), {})


@dataclass(frozen=True, eq=False)
class Histories:
    """Distinct histories and the customers of each.

    Parameters
    ----------
    x, tx, t : ndarray of shape (m,)
        Repeat purchases, time of the last, time observed.
    w : ndarray of shape (m,)
        Customers.
    place : ndarray of shape (n,)
        Distinct row of each customer.
    customers : int
        Sum of the weights, rounded.
    buying, leaving : Terms
        What moves the rates.
    z_buying, z_leaving : ndarray of shape (m, terms)
    spread : ndarray of shape (terms,)
        Units in which the terms enter the likelihood.
    columns : dict of str to str
        Names of the columns.
    """

    x: Array
    tx: Array
    t: Array
    w: Array
    place: NDArray[np.intp]
    customers: int
    buying: Terms = NO_TERMS
    leaving: Terms = NO_TERMS
    z_buying: Array = field(default_factory=lambda: np.empty((1, 0)))
    z_leaving: Array = field(default_factory=lambda: np.empty((1, 0)))
    spread: Array = field(default_factory=lambda: np.empty(0))
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def distinct(self) -> int:
        """Distinct rows."""
        return len(self.x)

    @property
    def moved(self) -> bool:
        """Whether anything moves the rates."""
        return bool(self.z_buying.shape[1] or self.z_leaving.shape[1])

    @classmethod
    def blank(cls, data: Any, buying: Terms, leaving: Terms) -> Histories:
        """New customers, without a history."""
        none = np.zeros(1)
        if data is None:
            return cls(none, none, none, none, np.zeros(1, dtype=np.intp), 1)
        z = buying.matrix(data), leaving.matrix(data)
        k = len(data)
        return cls(*(np.zeros(k),) * 4, np.arange(k), k, buying, leaving, *z)

    def effects(self, gamma: Array) -> tuple[Any, Any]:
        """Sums of coefficient times term, for buying and for leaving: 0 where there are none."""
        k = self.z_buying.shape[1]
        up: Any = self.z_buying @ gamma[:k] if k else 0.0
        out: Any = self.z_leaving @ gamma[k:] if self.z_leaving.shape[1] else 0.0
        return up, out

    def some(self, count: int) -> Histories:
        """Every so many-th row, about `count` in all."""
        rows = slice(None, None, max(self.distinct // count, 1))
        parts = {k: getattr(self, k)[rows] for k in ("x", "tx", "t", "w")}
        for name in ("z_buying", "z_leaving"):
            z = getattr(self, name)
            parts[name] = z[rows] if z.shape[1] else z
        return replace(self, **parts)

    def by_customer(self) -> Histories:
        """One row per customer again."""
        parts = {k: getattr(self, k)[self.place] for k in ("x", "tx", "t", "w")}
        for name in ("z_buying", "z_leaving"):
            z = getattr(self, name)
            parts[name] = z[self.place] if z.shape[1] else z
        return replace(self, **parts, place=np.arange(len(self.place)))

    def expected(self, result: Any, p: pd.Series | None, ahead: float) -> Array:
        """Purchases expected of each distinct row."""
        return np.asarray(type(result)._expected(result.rates(self, p), ahead, self.x, self.tx, self.t), dtype=float)

    def loglik(
        self,
        rows: Callable[..., tuple[Array, Array]],
        moved: Callable[..., tuple[Any, ...]],
        *,
        leaving_by: int,
        leaving_sign: float,
    ) -> Callable[[Array], tuple[float, Array]]:
        """Log-likelihood and gradient of a model given by rows; alpha moves with minus the effect on buying.

        Parameters
        ----------
        rows : callable
            Values (m,) and slopes (4, m) by the parameters of each row.
        moved : callable
            Parameters of each row.
        leaving_by : int
            Which parameter moves with leaving.
        leaving_sign : float
            Its sign.

        Returns
        -------
        callable
            Coefficients here are per standard deviation of the terms.
        """
        unit = replace(self, z_buying=self.z_buying / self._spread(0), z_leaving=self.z_leaving / self._spread(1))

        def value(p: Array) -> tuple[float, Array]:
            own = moved(p, unit)
            each, slopes = rows(own, self.x, self.tx, self.t)
            weighted = self.w * slopes
            first = np.array([(weighted[j] * (own[j] / p[j])).sum() for j in range(4)])
            up = -(weighted[1] * own[1]) @ unit.z_buying if unit.z_buying.shape[1] else np.empty(0)
            by = leaving_sign * weighted[leaving_by] * own[leaving_by]
            out = by @ unit.z_leaving if unit.z_leaving.shape[1] else np.empty(0)
            return float(self.w @ each), np.concatenate([first, up, out])

        return value

    def _spread(self, part: int) -> Array:
        k = self.z_buying.shape[1]
        return self.spread[k:] if part else self.spread[:k]


def read_histories(
    data: Any,
    frequency: Any,
    recency: Any,
    T: Any,
    weights: Any,
    buying: Terms | Sequence[str],
    leaving: Terms | Sequence[str],
    *,
    fresh: bool = False,
) -> Histories:
    """Read and check histories, and group them.

    Parameters
    ----------
    data : DataFrame or array-like
        A frame, or the frequencies.
    frequency, recency, T : str or array-like
    weights : array-like or str, optional
    buying, leaving : Terms or sequence of str
        Columns to learn, or terms that were learned.
    fresh : bool, default False
        Customers to foresee: there need be no repeat purchase.

    Returns
    -------
    Histories

    Raises
    ------
    DataError
        See :meth:`BGNBD.fit`.
    """
    data = framed(data)
    named = isinstance(data, pd.DataFrame)
    given = {"frequency": frequency if named else None, "recency": recency, "T": T}
    columns, w = columns_of(data, given, weights, least=_LEAST)
    x, tx, t = columns["frequency"], columns["recency"], columns["T"]
    if not fresh:
        _check(x, tx, t, w)
    learned = [terms_of(data, named, part, w) for part in (buying, leaving)]
    z = [complete_terms(terms, data) if terms.names else np.empty((len(x), 0)) for terms in learned]
    both = np.hstack(z)
    spread = both.std(axis=0)
    rows, mass, place = grouped([x, tx, t, *both.T], w)
    k = z[0].shape[1]
    names = {key: value for key, value in given.items() if isinstance(value, str)}
    return Histories(
        rows[0],
        rows[1],
        rows[2],
        mass,
        place,
        round(w.sum()),
        learned[0],
        learned[1],
        np.column_stack(rows[3 : 3 + k]) if k else np.empty((1, 0)),
        np.column_stack(rows[3 + k :]) if z[1].shape[1] else np.empty((1, 0)),
        np.where(spread > 0, spread, 1.0),
        names,
    )


def _check(x: Array, tx: Array, t: Array, w: Array) -> None:
    """Refuse histories that cannot be."""
    if bad := int((x != np.round(x)).sum()):
        raise DataError(f"frequency is not a whole number for {bad} customers; it counts repeat purchases.")
    if bad := int((tx > t).sum()):
        raise DataError(f"{bad} customers bought after the end of their observation (recency above T).")
    if bad := int(((x == 0) & (tx > 0)).sum()):
        raise DataError(f"{bad} customers have a recency but no repeat purchase; frequency counts repeats only.")
    if bad := int(((x > 0) & (tx == 0)).sum()):
        raise DataError(f"{bad} customers have repeat purchases but a recency of 0; count one purchase per day.")
    if not (x[w > 0] > 0).any():
        raise DataError("Nobody bought again, so nothing is known about repeat purchases.")


def terms_of(data: Any, named: bool, part: Terms | Sequence[str], w: Array) -> Terms:
    """Terms of named columns, learned if need be."""
    if isinstance(part, Terms):
        return part
    if isinstance(part, str):
        part = [part]
    if not len(part):
        return NO_TERMS
    if not named:
        raise SpecError("Columns that move buying or leaving are named in a frame; give the data as one.")
    frame = chosen(data, part, [])
    terms = Terms.learn(frame, w)
    x = terms.matrix(frame)
    fine = ~np.isnan(x).any(axis=1)
    return terms.independent(x[fine], w[fine])[0]


def complete_terms(terms: Terms, data: pd.DataFrame) -> Array:
    """Terms of customers, all known."""
    z = terms.matrix(data)
    if bad := int(np.isnan(z).any(axis=1).sum()):
        names = ", ".join(c.name for c in terms.columns)
        raise DataError(f"{names}: blank or never seen for {bad} of {len(z)} customers; fill it.")
    return z
