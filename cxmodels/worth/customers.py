"""The base of customers beside the survey: who answered, who left, what they pay, and what is known of everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..churn.balance_check import Covariates
from ..churn.intake import check_ids
from ..errors import DataError, SpecError, listed, near
from ..survey.frames import to_pandas
from .sources import Source

Array = NDArray[np.float64]

_FEW = 30  # leavers among those who answered below which a warning is due
_TENURES = 24  # groups of tenure


@dataclass(frozen=True, eq=False)
class Customers:
    """The base as arrays.

    Attributes
    ----------
    columns : tuple of str
        Of `x`.
    x : ndarray of shape (n, k)
        Ones, then the controls, each centred and scaled.
    left : ndarray of shape (n,)
        1 for who left in the period after, 0 for who stayed, NaN where it is not known.
    margin : ndarray of shape (n,)
    spend : ndarray of shape (n,) or None
        What was paid in the period after; NaN where it is not known.
    tenure : ndarray of shape (n,) or None
        Periods so far.
    answered : ndarray of bool of shape (n,)
    unit : ndarray of int of shape (respondents,)
        Place of each respondent among the customers; those who are in no base follow behind them.
    matched : DataFrame
        [what, rows].
    excluded : DataFrame
        [reason, rows] of the base.
    notes : tuple of str
        What was unusual.
    """

    columns: tuple[str, ...]
    x: Array
    left: Array
    margin: Array
    spend: Array | None
    tenure: Array | None
    answered: NDArray[np.bool_]
    unit: NDArray[np.intp]
    matched: pd.DataFrame
    excluded: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Customers in the base."""
        return len(self.left)

    @property
    def link(self) -> NDArray[np.intp]:
        """Respondents of whom is known whether they left."""
        inside = np.flatnonzero(self.unit < self.n)
        return inside[np.isfinite(self.left[self.unit[inside]])]


def customers_of(
    source: Source,
    base: Any,
    *,
    customer: str,
    left: str,
    margin: Any,
    spend: str | None,
    controls: Sequence[str],
    tenure: str | None,
) -> Customers:
    """Read the base and find the respondents in it.

    Parameters
    ----------
    source : Source
        The model of the survey.
    base : DataFrame
        One row per customer.
    customer, left : str
    margin : str or float
    spend, tenure : str, optional
    controls : sequence of str

    Returns
    -------
    Customers

    Raises
    ------
    DataError
        For a column that is missing or of the wrong kind, identifiers that stand twice, respondents none of whom is in the
        base, and bases in which nobody or everybody left.
    """
    frame = to_pandas(base).reset_index(drop=True)
    if isinstance(controls, str):
        raise SpecError(f"controls must be a list of columns, such as ['{controls}'].")
    named = [customer, left, *([margin] if isinstance(margin, str) else []), *controls]
    named += [c for c in (spend, tenure) if c is not None]
    for name in named:
        if not isinstance(name, str) or name not in frame:
            raise DataError(f"The base has no column '{name}'.{near(str(name), map(str, frame.columns))}")
    if len(set(controls)) < len(controls) or {left, customer} & set(controls):
        raise SpecError(
            "A control stands twice, or is the identifier or the outcome; name other columns of the base."
        )
    check_ids(frame[customer])
    own = {"margin": frame[margin] if isinstance(margin, str) else _constant(margin, len(frame))}
    own |= {tenure: frame[tenure]} if tenure else {}
    blank = {name: pd.isna(values).to_numpy() for name, values in own.items()}
    gone = np.any(list(blank.values()), axis=0)
    reasons = [(f"{margin if k == 'margin' else k} is blank", int(v.sum())) for k, v in blank.items() if v.any()]
    frame = frame[~gone].reset_index(drop=True)
    if not len(frame):
        raise DataError(f"No customer of the base has all of {listed(own)}; {listed(r for r, _ in reasons)}.")
    outcome = _outcome(frame, left)
    since = None if tenure is None else _numbers(frame, tenure, lowest=0.0)
    x, columns, same = _design(frame, controls, tenure, since)
    unit, told = _match(source, frame[customer], customer)
    answered = np.zeros(len(frame), dtype=bool)
    answered[unit[unit < len(frame)]] = True
    out = Customers(
        columns=columns, x=x, left=outcome,
        margin=_numbers(frame, margin) if isinstance(margin, str) else np.full(len(frame), float(margin)),
        spend=None if spend is None else _numbers(frame, spend, lowest=0.0, blank=True), tenure=since, answered=answered,
        unit=unit, matched=pd.DataFrame(told, columns=["what", "rows"]),
        excluded=pd.DataFrame(reasons, columns=["reason", "rows"]).astype({"rows": int}),
    )  # fmt: skip
    notes = [f"{listed(same)} of the controls is the same for all customers and was left out."] if same else []
    return replace(out, notes=(*notes, *_lost(told), *_check_linked(out, left, spend)))


def tenure_groups(since: Array | None, n: int) -> tuple[NDArray[np.intp], Array]:
    """Group customers by tenure.

    Parameters
    ----------
    since : ndarray of shape (n,) or None
        Periods so far.
    n : int

    Returns
    -------
    group : ndarray of int of shape (n,)
    typical : ndarray of shape (groups,)
        Mean tenure; one group of 0 without tenure.
    """
    if since is None:
        return np.zeros(n, dtype=np.intp), np.zeros(1)
    cuts = np.unique(np.quantile(since, np.linspace(0, 1, _TENURES + 1)[1:-1]))
    _, group = np.unique(np.searchsorted(cuts, since, side="left"), return_inverse=True)
    return group.astype(np.intp), np.bincount(group, since) / np.bincount(group)


def _constant(margin: Any, n: int) -> pd.Series:
    """A margin that is the same for all."""
    if isinstance(margin, bool) or not isinstance(margin, int | float | np.number) or not np.isfinite(margin):
        raise SpecError(f"margin must be a column of the base, or one number for all, not {margin!r}.")
    return pd.Series(np.full(n, float(margin)))


def _numbers(frame: pd.DataFrame, name: str, lowest: float = -np.inf, *, blank: bool = False) -> Array:
    """A column of numbers."""
    values = pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    words = frame[name].notna().to_numpy() & ~np.isfinite(values)
    if words.any():
        raise DataError(
            f"'{name}' of the base is no finite number in {int(words.sum())} rows, such as {frame[name][words].iloc[0]!r}; correct them."
        )
    if (below := int((values < lowest).sum())) or (not blank and np.isnan(values).any()):
        raise DataError(f"'{name}' of the base is below {lowest:g} in {below} of {len(frame)} rows; correct them.")
    return values


def _outcome(frame: pd.DataFrame, left: str) -> Array:
    """Who left: 1, 0, or NaN."""
    values = _numbers(frame, left, blank=True)
    known = values[np.isfinite(values)]
    if odd := int((~np.isin(known, (0, 1))).sum()):
        raise DataError(
            f"'{left}' of the base is neither 0 nor 1 in {odd} rows; it says who left (1) in the period after the survey."
        )
    if not len(known):
        raise DataError(
            f"'{left}' is blank for all {len(values)} customers of the base; say who left and who stayed."
        )
    if known.min() == known.max():
        who = "nobody" if known.max() == 0 else "everybody"
        raise DataError(
            f"By '{left}' {who} of the {len(known)} customers left, so nothing can be learnt of leaving; take another period."
        )
    return values


def _design(
    frame: pd.DataFrame, controls: Sequence[str], tenure: str | None, since: Array | None
) -> tuple[Array, tuple[str, ...], list[str]]:
    """Ones; controls as numbers, centred and scaled; log(1 + tenure) last. Names, and controls that say nothing."""
    x, names = np.ones((len(frame), 1)), ["1"]
    same = [c for c in controls if frame[c].nunique(dropna=False) < 2]
    controls = [c for c in controls if c not in same]
    if controls:
        learned = Covariates.learn(frame[list(controls)])
        matrix = learned.matrix(frame[list(controls)])
        keep = ~learned.references & (np.ptp(matrix, axis=0) > 0)
        matrix = matrix[:, keep]
        x = np.column_stack([x, (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)])
        names += [n for n, k in zip(learned.names, keep, strict=True) if k]
    if since is not None:
        x, names = np.column_stack([x, np.log1p(since)]), [*names, f"log(1 + {tenure})"]
        if not np.ptp(since) > 0:
            raise DataError(f"The tenure '{tenure}' is the same for all {len(frame)} customers; leave it out.")
    if (rank := int(np.linalg.matrix_rank(x))) < x.shape[1]:
        raise DataError(
            f"The controls {listed(names[1:])} determine one another ({x.shape[1] - 1} columns of rank {rank - 1}); leave one out."
        )
    return x, tuple(names), same


def _match(source: Source, ids: pd.Series, customer: str) -> tuple[NDArray[np.intp], list[tuple[str, int]]]:
    """Places of the respondents in the base."""
    if customer not in source.survey.frame:
        raise DataError(
            f"The survey has no column '{customer}', by which its respondents are found in the base."
            f"{near(customer, map(str, source.survey.frame.columns))}"
        )
    asked = source.survey.frame[customer].iloc[source.places].reset_index(drop=True)
    if twice := int(asked.dropna().duplicated().sum()):
        raise DataError(
            f"{twice} rows of the survey repeat a customer, such as '{asked[asked.duplicated()].iloc[0]}'; keep one answer of each, "
            "such as the last before the outcome."
        )
    place = pd.Index(ids).get_indexer(pd.Index(asked))
    place[asked.isna().to_numpy()] = -1
    n, lost = len(ids), int((place < 0).sum())
    if lost == len(place):
        raise DataError(
            f"None of the {len(place)} respondents is a customer of the base by '{customer}' (survey: {asked.tolist()[0]!r}, base: "
            f"{ids.tolist()[0]!r}); bring the identifiers to one form."
        )
    place[place < 0] = n + np.arange(lost)
    told = [
        ("customers of the base", n),
        ("respondents used by the model", len(place)),
        ("of these in the base", len(place) - lost),
        ("of these in no base", lost),
        ("rows of the survey left out by the model", source.excluded),
    ]
    return place.astype(np.intp), told


def _lost(told: list[tuple[str, int]]) -> list[str]:
    """Say that many respondents are in no base."""
    asked, lost = told[1][1], told[3][1]
    if lost <= 0.2 * asked:
        return []
    return [
        f"{lost} of {asked} respondents are no customers of the base; they count for what moves satisfaction only."
    ]


def _check_linked(found: Customers, left: str, spend: str | None) -> list[str]:
    """Refuse a linkage that rests on nobody, and say where it rests on few."""
    place = found.unit[found.link]
    gone = int(found.left[place].sum())
    if gone in (0, len(place)):
        who = "none" if gone == 0 else "all"
        raise DataError(
            f"Of the {len(place)} respondents in the base {who} left by '{left}'; take a longer period or more respondents."
        )
    if spend is not None and found.spend is not None and (paid := int((found.spend[place] > 0).sum())) < 2:
        raise DataError(f"'{spend}' is above 0 for {paid} respondents; leave out spend.")
    if min(gone, len(place) - gone) >= _FEW:
        return []
    return [
        f"Only {min(gone, len(place) - gone)} of {len(place)} respondents {'left' if 2 * gone < len(place) else 'stayed'}: the "
        "effect on retention is hardly known; take a longer period or more respondents."
    ]
