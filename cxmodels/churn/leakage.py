"""Columns that know the outcome: how well one column alone, or its blanks alone, ranks those who left."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, listed

Array = NDArray[np.float64]

_BINS = 100
_FOLDS = 5
_FEWEST = 20  # churners, and rows of a group, below which chance alone can look perfect
_PURE = 0.99
_TELLING = re.compile(
    r"churn|cancel|terminat|attrit|lapse|deactiv|closed|closure|exit|end_?date|(^|_)left(_|$)", re.IGNORECASE
)


@dataclass(frozen=True, eq=False)
class Outcome:
    """Who left, and the folds in which a column is judged.

    Parameters
    ----------
    left : ndarray of shape (n,)
        1 left, 0 stayed.
    fold : ndarray of shape (n,)
    """

    left: Array
    fold: NDArray[np.int64]

    @classmethod
    def of(cls, left: Array) -> Outcome:
        """Deal the rows of each class to folds, by a fixed shuffle."""
        rng = np.random.default_rng(0)
        fold = np.empty(len(left), dtype=np.int64)
        for value in (0.0, 1.0):
            rows = np.flatnonzero(left == value)
            fold[rng.permutation(rows)] = np.arange(len(rows)) % _FOLDS
        return cls(left, fold)

    def auc(self, code: NDArray[np.int64]) -> float:
        """Cross-validated area under the ROC curve of a column given as codes.

        Each code is scored by the share that left among its rows of the other folds, pulled towards the overall share
        by one row, and ranks the rows of its own fold; the areas of the folds are averaged. A code's own rows never
        score themselves, so many levels alone do not look good.
        """
        levels = int(code.max()) + 1
        both = np.stack(
            [
                np.bincount(self.fold * levels + code, weights=w, minlength=_FOLDS * levels)
                for w in (1 - self.left, self.left)
            ]
        )
        stayed, left = both.reshape(2, _FOLDS, levels)
        base = self.left.mean()
        others = stayed.sum(0) - stayed + left.sum(0) - left
        score = (left.sum(0) - left + base) / (others + 1)
        return float(np.mean([_area(s, p, n) for s, p, n in zip(score, left, stayed, strict=True)]))

    def pure(self, code: NDArray[np.int64]) -> tuple[int, int, float] | None:
        """Find a code whose rows nearly all left and that holds a tenth of those who left: code, rows, share of them."""
        rows, left = np.bincount(code), np.bincount(code, weights=self.left)
        share = left / np.maximum(rows, 1)
        hit = (
            (rows >= _FEWEST)
            & (share >= _PURE)
            & (left >= 0.1 * self.left.sum())
            & (rows * np.log(self.left.mean()) < np.log(1e-6))
        )
        if not hit.any():
            return None
        best = int(np.argmax(np.where(hit, left, -1)))
        return best, int(rows[best]), float(left[best] / self.left.sum())


def codes(values: pd.Series) -> tuple[NDArray[np.int64], list[str]]:
    """Code a column: levels of text, up to 100 bins of numbers with equal shares, blanks last; and a name for each."""
    blank = values.isna().to_numpy()
    if values.dtype.kind in "biufM" and not isinstance(values.dtype, pd.CategoricalDtype):
        x = values.to_numpy(dtype=float, na_value=np.nan) if values.dtype.kind != "M" else _seconds(values)
        some = x[~blank]
        edges = (
            np.unique(np.quantile(some, np.linspace(0, 1, _BINS + 1)[:-1], method="inverted_cdf"))
            if len(some)
            else some
        )
        code = np.searchsorted(edges, x, side="left")
        names = [f"at most {e:g}" if k == 0 else f"{edges[k - 1]:g} to {e:g}" for k, e in enumerate(edges)]
        names.append(f"above {edges[-1]:g}" if len(edges) else "")
    else:
        code, levels = pd.factorize(values)
        names = [str(v) for v in levels]
    return np.where(blank, len(names), code).astype(np.int64), [*names, "blank"]


@dataclass(frozen=True)
class Limits:
    """How well a column may rank alone: any column, the fact that it is blank, and one whose name tells of an end."""

    column: float
    blank: float
    named: float


def evidence(name: str, values: pd.Series, outcome: Outcome, limits: Limits) -> str:
    """Say what makes a column too good to be honest; nothing if it is not."""
    left, stayed = int(outcome.left.sum()), int((1 - outcome.left).sum())
    if min(left, stayed) < _FEWEST:
        return ""
    code, names = codes(values)
    blank = (code == len(names) - 1).astype(np.int64)
    said = []
    telling = bool(_TELLING.search(name))
    for what, coded, limit in (
        ("alone it", code, limits.named if telling else limits.column),
        ("whether it is blank", blank, limits.blank),
    ):
        area = outcome.auc(coded)
        if area >= limit and area - 2 * _area_error(area, left, stayed) >= limit - 0.05:
            said.append(f"{what} ranks who left with AUC {area:.3f} (cross-validated; {limit:g} is too good)")
    for coded, labels in ((code, names), (blank, ["not blank", "blank"])):
        found = outcome.pure(coded)
        if found and not said:
            level, rows, share = found
            label = labels[level] if labels[level] in ("blank", "not blank") else f"'{labels[level]}'"
            said.append(f"of {rows} rows that are {label} {_PURE:.0%} or more left, {share:.0%} of all who left")
    if said and telling:
        said.append("its name tells of an end")
    return "; ".join(said)


def _area(score: Array, left: Array, stayed: Array) -> float:
    """Area under the ROC curve of codes with scores: pairs in the right order, ties for half."""
    _, tie = np.unique(score, return_inverse=True)
    p, n = np.bincount(tie, weights=left), np.bincount(tie, weights=stayed)
    return float((p * (np.cumsum(n) - n / 2)).sum() / (p.sum() * n.sum()))


def _area_error(area: float, left: int, stayed: int) -> float:
    """Standard error of an area (Hanley and McNeil 1982, Radiology 143, 29-36)."""
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (left - 1) * (q1 - area**2) + (stayed - 1) * (q2 - area**2)
    return float(np.sqrt(max(variance, 0.0) / (left * stayed)))


def _seconds(values: pd.Series) -> Array:
    """Dates as numbers, blank where blank."""
    out = values.to_numpy(dtype="datetime64[s]").astype(float)
    return np.where(values.isna(), np.nan, out)


def binary(y: ArrayLike, rows: int) -> tuple[Array, NDArray[np.bool_]]:
    """Read labels of any two kinds, the later in sorted order meaning left; and which rows have one."""
    labels = pd.Series(np.asarray(y).ravel() if not isinstance(y, pd.Series) else y.to_numpy())
    if len(labels) != rows:
        raise DataError(f"There are {len(labels)} labels for {rows} rows: give one each.")
    code, kinds = pd.factorize(labels, sort=True)
    if len(kinds) != 2:
        raise DataError(f"Labels must be of two kinds, left and stayed; these are of {len(kinds)}: {listed(kinds)}.")
    return code.astype(float), code >= 0
