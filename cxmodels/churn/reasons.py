"""Why a customer's score is what it is: what each column adds, in log-odds, and the largest of them in plain words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .encoding import Column, Table
from .linear import Linear
from .scorer import Foreign, Profile, Scorer, probability

Array = NDArray[np.float64]

GROUPS = 10  # bands of equal numbers of customers that a number is compared in
FOREIGN_ORDERS = 20


def contributions(scorer: Scorer, table: Table) -> tuple[Array, float]:
    r"""What each column adds to the calibrated log-odds of each row, and the mean they are counted from.

    Rows sum with the mean to the row's log-odds. Linear model: :math:`\beta_j(x_j - \bar x_j)`, the effect less its mean over
    the training rows. Boosted models: exact interventional Shapley values against all training rows, a pair's effect
    shared half and half. A plugged-in classifier: Shapley values by sampling 20 training rows and orders of the columns (Štrumbelj & Kononenko
    2014, Knowledge and Information Systems 41, 647-665).

    Parameters
    ----------
    scorer : Scorer
        The model.
    table : Table
        Rows.

    Returns
    -------
    contributions : ndarray of shape (rows, columns)
    mean : float
        Mean calibrated log-odds of the training rows.
    """
    slope = scorer.sigmoid.slope
    if isinstance(scorer.model, Linear):
        pairs = zip(scorer.model.effects, table.values, scorer.profiles, strict=True)
        added = np.column_stack([effect.of(values) - profile.mean_effect for effect, values, profile in pairs])
    elif isinstance(scorer.model, Foreign):
        added = _sampled(scorer, table)
    else:
        codes = scorer.codes(table)
        added = np.zeros((table.rows, len(scorer.used)))
        for block, weight in zip(scorer.model.tables.blocks, scorer.model.background, strict=True):
            place = block.place(codes)
            for j, phi in zip(block.columns, block.shapley(weight), strict=True):
                added[:, j] += phi.ravel()[place]
    logits = scorer.logits(table)
    return slope * added, float(np.mean(logits - slope * added.sum(axis=1)))


def worded(scorer: Scorer, table: Table, top: int, *, raising: bool = False) -> list[list[dict[str, Any]]]:
    """The reasons of each row, the largest first.

    Parameters
    ----------
    scorer : Scorer
        The model.
    table : Table
        Rows.
    top : int
        Reasons per row.
    raising : bool, default False
        Whether what raises the risk comes before what lowers it.

    Returns
    -------
    list of list of dict
        Keys column, value, direction, log_odds, points, reason.
    """
    added, _ = contributions(scorer, table)
    eta = scorer.logits(table)
    p = probability(eta)
    points = 100 * (p[:, None] - probability(eta[:, None] - added))
    weight = np.where(added > 0, 1e6, 1.0) * np.abs(added) if raising else np.abs(added)
    order = np.argsort(-weight, axis=1, kind="stable")[:, :top]
    features = scorer.features
    codes = scorer.codes(table)
    base = float(scorer.profiles[0].left.sum() / scorer.profiles[0].rows.sum())
    peers = {j: Peers(features[j], scorer.profiles[j], base) for j in np.unique(order).tolist()}
    out = []
    for i, row in enumerate(order.tolist()):
        reasons = []
        for j in row:
            if abs(added[i, j]) < 1e-12:
                continue
            value = shown(features[j], table.values[j][i])
            direction = "raises" if added[i, j] > 0 else "lowers"
            size = abs(points[i, j])
            amount = f"{size:.0f} point{'s' * (round(size) != 1)}" if size >= 1 else "less than 1 point"
            words = peers[j].of(int(codes[j][i]), bool(added[i, j] > 0))
            reasons.append(
                {
                    "column": features[j].name,
                    "value": value,
                    "direction": direction,
                    "log_odds": float(added[i, j]),
                    "points": float(points[i, j]),
                    "reason": f"{said(features[j], value)}: {direction} the risk by {amount}; {words}",
                }
            )
        out.append(reasons)
    return out


class Peers:
    """Churn among training customers with a like value of one column, against others.

    Parameters
    ----------
    column : Column
        The column.
    profile : Profile
        Customers and leavers by code.
    base : float
        Churn rate of all.
    """

    def __init__(self, column: Column, profile: Profile, base: float) -> None:
        self.column, self.profile, self.base = column, profile, base
        share = np.cumsum(profile.rows[1:])
        self.few = column.kind == "category" or len(column.edges) < GROUPS
        middle = (share - profile.rows[1:] / 2) / max(share[-1] if len(share) else 1.0, 1e-300)
        band = np.arange(len(share)) if self.few else np.minimum((GROUPS * middle).astype(int), GROUPS - 1)
        self.band = np.append(0, band + 1)

    def of(self, code: int, raises: bool) -> str:
        """The comparison for one code: with the level that differs most for a category, with all customers for a number."""
        mine = self.band == self.band[code]
        rows, left = self.profile.rows[mine].sum(), self.profile.left[mine].sum()
        if not rows:
            return f"no customer in training was like that; {_percent(self.base)} of all leave"
        rate = left / rows
        return f"{_percent(rate)} of {self._who(mine, code)} leave, against {self._against(code, rate, raises)}"

    def _who(self, mine: NDArray[np.bool_], code: int) -> str:
        """Those with a like value."""
        if not code or self.few or mine.sum() < 2:
            return "such customers"
        codes, column = np.flatnonzero(mine), self.column
        low = column.low if codes[0] == 1 else column.edges[codes[0] - 2]
        high = column.high if codes[-1] > len(column.edges) else column.edges[codes[-1] - 1]
        if column.whole:
            low, high = np.ceil(low), np.floor(high)
        return f"those from {low:.4g} to {high:.4g}"

    def _against(self, code: int, rate: float, raises: bool) -> str:
        """Whom they are compared with."""
        everyone = f"{_percent(self.base)} of all"
        if self.column.kind != "category":
            return everyone
        rows, left = self.profile.rows.copy(), self.profile.left
        rows[code] = 0
        common = rows >= 0.01 * self.profile.rows.sum()
        if not common.any():
            return everyone
        rates = np.where(common, left / np.maximum(rows, 1e-300), np.inf if raises else -np.inf)
        other = int(rates.argmin() if raises else rates.argmax())
        if (rates[other] < rate) != raises:
            return everyone
        return f"{_percent(float(rates[other]))} of those with {self.column.label(other)}"


def shown(column: Column, value: Any) -> str:
    """A read value in words.

    Parameters
    ----------
    column : Column
        Its column.
    value : float or int
        Number, or code of a category.

    Returns
    -------
    str
    """
    if column.kind == "category":
        return column.label(int(value))
    return "blank" if np.isnan(value) else f"{value:.6g}"


def said(column: Column, value: str) -> str:
    """A column and its value as the start of a sentence.

    Parameters
    ----------
    column : Column
        The column.
    value : str
        Its value.

    Returns
    -------
    str

    Examples
    --------
    >>> said(Column("payment_method", "category"), "Mailed check")
    'Payment method is Mailed check'
    """
    name = column.name.replace("_", " ").strip()
    return f"{name[:1].upper()}{name[1:]} is {value}"


def long_frame(reasons: list[list[dict[str, Any]]], index: pd.Index) -> pd.DataFrame:
    """Reasons as one row per customer: reason_1 … with their columns, values and points beside them.

    Parameters
    ----------
    reasons : list of list of dict
        From :func:`worded`.
    index : Index
        Of the customers.

    Returns
    -------
    DataFrame
        [reason_1, column_1, value_1, points_1, log_odds_1, reason_2 ...].
    """
    most = max((len(r) for r in reasons), default=0)
    keys = {"reason": "", "column": "", "value": "", "points": np.nan, "log_odds": np.nan}
    data = {
        f"{key}_{k + 1}": [r[k][key] if k < len(r) else empty for r in reasons]
        for k in range(most)
        for key, empty in keys.items()
    }
    return pd.DataFrame(data, index=index)


def _sampled(scorer: Scorer, table: Table) -> Array:
    """Shapley values of a plugged-in classifier: columns switched to a row's values in random orders, forth and back."""
    assert isinstance(scorer.model, Foreign)
    rng = np.random.default_rng(0)
    background, p = scorer.model.background, len(scorer.used)
    added = np.zeros((table.rows, p))
    for start in rng.permutation(background.rows)[:FOREIGN_ORDERS]:
        order = rng.permutation(p)
        for way in (order, order[::-1]):
            values = [np.repeat(v[[start]], table.rows) for v in background.values]
            before = scorer.raw(Table(values, []))
            for j in way:
                values[j] = table.values[j]
                after = scorer.raw(Table(values, []))
                added[:, j] += after - before
                before = after
    added /= 2 * min(FOREIGN_ORDERS, background.rows)
    return added


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
