"""Monitoring: whether customers are still those of training, and whether what was foreseen happens.

The population stability index compares the shares of bins then and now, sum (now - then) ln(now / then). The bands
.10 and .25 are a convention of the credit industry without a distribution behind them; where nothing moved the index
is about (1/n + 1/m) times a chi-square with bins - 1 degrees of freedom (Yurdakul and Naranjo 2020, J. Risk Model
Validation 14(4)), so that small samples exceed .10 by chance. Both are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import DataError, SpecError, listed
from ..inference import quantile, share_interval
from ..resampling import whole_number
from ..results import Result
from .evaluation import auc_se
from .ranking import Array, Ranking, _numbers, outcomes, probabilities, weighted_logit
from .ranking import logit as logit_of

BANDS = (0.10, 0.25)
_FLOOR = 1e-6  # share given to an empty bin
_LEVELS = 50  # categories kept by name; the rest are one


def psi(expected: ArrayLike, actual: ArrayLike, *, bins: int | Literal["shares"] = 10) -> float:
    """Population stability index of one column or score.

    Parameters
    ----------
    expected : array-like of shape (n,)
        Values then, such as the scores in training. Texts are compared by category.
    actual : array-like of shape (m,)
        Values now.
    bins : int or "shares", default 10
        Bins between the quantiles of `expected`, each closed below. ``"shares"`` says that the two are shares of the
        same bins already.

    Returns
    -------
    float
        Below .10 is called stable, above .25 moved; see the module for what chance alone gives. Empty bins count
        with a share of 1e-6; blanks are a bin of their own.

    Raises
    ------
    DataError
        If either is empty, or numbers meet texts.
    SpecError
        For fewer than 2 bins.

    Examples
    --------
    >>> from cxmodels.churn import psi
    >>> round(psi([0.25, 0.25, 0.25, 0.25], [0.4, 0.3, 0.2, 0.1], bins="shares"), 6)
    0.228217
    >>> psi(["a", "b"], ["b", "a"])
    0.0
    """
    if isinstance(bins, str):
        if bins != "shares":
            raise SpecError(f'bins must be a whole number or "shares", not {bins!r}.')
        then, now = _numbers(expected, "expected"), _numbers(actual, "actual")
        if then.shape != now.shape:
            raise DataError(f"There are {len(then)} shares then and {len(now)} now; they must be of the same bins.")
        return _index(then, now)
    profile = column_profile(pd.Series(expected), bins)
    then, now, _ = binned(profile, pd.Series(actual))
    return _index(then, now)


def _index(then: Array, now: Array) -> float:
    """Sum of (now - then) ln(now / then), empty bins at 1e-6."""
    a, e = np.maximum(now, _FLOOR), np.maximum(then, _FLOOR)
    return float(((a - e) * np.log(a / e)).sum())


def column_profile(column: pd.Series, bins: int = 10) -> dict[str, Any]:
    """Describe a column for later comparison, in plain numbers and texts.

    Parameters
    ----------
    column : Series
        Numbers or texts, blanks allowed.
    bins : int, default 10
        Bins of numbers.

    Returns
    -------
    dict
        kind ("number" or "category"), edges or levels, shares (the last is that of blanks), n.

    Raises
    ------
    DataError
        If the column is empty.
    SpecError
        For fewer than 2 bins.

    Examples
    --------
    >>> column_profile(pd.Series(["a", "b", "a", None]))["shares"]
    [0.5, 0.25, 0.0, 0.25]
    """
    whole_number("bins", bins, 2)
    if len(column) == 0:
        raise DataError("A column without rows cannot be compared.")
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        values = column.to_numpy(dtype=float, na_value=np.nan)
        known = values[np.isfinite(values)]
        edges = np.quantile(known, np.arange(1, bins) / bins) if len(known) else np.zeros(bins - 1)
        profile: dict[str, Any] = {"kind": "number", "edges": edges.tolist()}
    else:
        levels = column.dropna().astype(str).value_counts(sort=True).head(_LEVELS).index
        profile = {"kind": "category", "levels": sorted(levels)}
    profile["n"] = len(column)
    profile["shares"] = _shares(profile, column)[0].tolist()
    return profile


def _shares(profile: Mapping[str, Any], column: pd.Series) -> tuple[Array, int]:
    """Share of each bin (texts: each level, all others, blanks) and the number of values never seen before."""
    blank = column.isna().to_numpy()
    if profile["kind"] == "number":
        values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        if odd := int((np.isnan(values) & ~blank).sum()):
            raise DataError(f"{odd} values of the column '{column.name}' are no numbers, but were in training.")
        blank = ~np.isfinite(values)  # an infinite value says as little as a blank
        edges = np.asarray(profile["edges"], dtype=float)
        place, bins, unseen = np.searchsorted(edges, values[~blank], side="right"), len(edges) + 1, 0
    else:
        levels = profile["levels"]
        code = pd.Index(levels).get_indexer(column[~blank].astype(str))
        unseen = int((code < 0).sum())
        place, bins = np.where(code < 0, len(levels), code), len(levels) + 1
    counts = np.append(np.bincount(place, minlength=bins), blank.sum())
    return counts / max(len(column), 1), unseen


def binned(profile: Mapping[str, Any], column: pd.Series) -> tuple[Array, Array, int]:
    """Shares of a column's bins then and now.

    Parameters
    ----------
    profile : dict
        From :func:`column_profile`.
    column : Series
        Values now.

    Returns
    -------
    then, now : ndarray of shape (bins,)
    unseen : int
        Values of categories that were not there before.

    Raises
    ------
    DataError
        If the column is empty, or texts stand where numbers were.

    Examples
    --------
    >>> then, now, unseen = binned(column_profile(pd.Series(["a", "b"])), pd.Series(["a", "c"]))
    >>> unseen
    1
    """
    if len(column) == 0:
        raise DataError("A column without rows cannot be compared.")
    now, unseen = _shares(profile, column)
    return np.asarray(profile["shares"], dtype=float), now, unseen


@dataclass(frozen=True)
class Baseline:
    """What customers and scores looked like in training, small enough to travel with the model.

    Attributes
    ----------
    columns : dict
        Profile of each column, see :func:`column_profile`.
    score : dict
        Profile of the probabilities.
    n : int
        Customers.
    churn_rate : float
        Share who left; NaN if outcomes were not given.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cxmodels.churn import Baseline
    >>> x = pd.DataFrame({"plan": ["a", "b"] * 50, "age": range(100)})
    >>> baseline = Baseline.of(x, np.linspace(0.05, 0.5, 100))
    >>> baseline.compare(x, np.linspace(0.05, 0.5, 100)).alerts.empty
    True
    """

    columns: Mapping[str, Mapping[str, Any]]
    score: Mapping[str, Any]
    n: int
    churn_rate: float = np.nan

    @classmethod
    def of(cls, X: pd.DataFrame, p: ArrayLike, y: ArrayLike | None = None, *, bins: int = 10) -> Baseline:
        """Describe customers and their scores.

        Parameters
        ----------
        X : DataFrame of shape (n, columns)
            Features.
        p : array-like of shape (n,)
            Probabilities of leaving.
        y : array-like of shape (n,), optional
            1 for a customer who left, else 0.
        bins : int, default 10
            Bins of numbers.

        Returns
        -------
        Baseline
        """
        columns = {str(c): column_profile(X[c], bins) for c in X.columns}
        rate = np.nan if y is None else float(np.mean(outcomes(y, p)[0]))
        return cls(columns, column_profile(pd.Series(np.asarray(p, dtype=float)), bins), len(X), rate)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON.

        Returns
        -------
        dict
        """
        rate = None if np.isnan(self.churn_rate) else self.churn_rate
        columns = {k: dict(v) for k, v in self.columns.items()}
        return {"columns": columns, "score": dict(self.score), "n": self.n, "churn_rate": rate}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Baseline:
        """Read back :meth:`to_dict`.

        Parameters
        ----------
        plain : dict
            As written.

        Returns
        -------
        Baseline

        Raises
        ------
        DataError
            If something is missing or of another kind.
        """
        try:
            rate = np.nan if plain["churn_rate"] is None else float(plain["churn_rate"])
            columns = {str(k): _checked(v) for k, v in plain["columns"].items()}
            return cls(columns, _checked(plain["score"]), int(plain["n"]), rate)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"The description of the training customers is damaged ({error}).") from None

    def compare(
        self,
        X: pd.DataFrame,
        p: ArrayLike,
        y: ArrayLike | None = None,
        *,
        bands: tuple[float, float] = BANDS,
        level: float = 0.95,
    ) -> Drift:
        """Compare the customers and scores of today with those of training.

        Parameters
        ----------
        X : DataFrame of shape (m, columns)
            Features now; further columns are ignored.
        p : array-like of shape (m,)
            Probabilities of leaving now.
        y : array-like of shape (m,), optional
            What became of these customers, when it is known: adds calibration.
        bands : (float, float), default (.10, .25)
            Index from which a column is to be watched, and from which to act. An alert needs the index to exceed
            what chance gives as well.
        level : float, default 0.95
            Of the intervals, and of what chance gives.

        Returns
        -------
        Drift

        Raises
        ------
        DataError
            If a column of training is not there, `X` is empty, or texts stand where numbers were.
        """
        if gone := [c for c in self.columns if c not in X]:
            raise DataError(f"The columns {listed(gone)} of training are not there; nothing can be said about them.")
        score = np.asarray(p, dtype=float)
        if len(score) != len(X):
            raise DataError(f"There are {len(score)} scores for {len(X)} customers; give one each.")
        rows = [self._line(c, profile, X[c], bands, level) for c, profile in self.columns.items()]
        names = ["column", "psi", "by_chance", "band", "missing_then", "missing_now", "unseen"]
        columns = pd.DataFrame(rows, columns=names).sort_values("psi", ascending=False, ignore_index=True)
        line = self._line("score", self.score, pd.Series(score, name="score"), bands, level)
        found = None if y is None else _calibration(y, score, self.churn_rate, level)
        return Drift(columns, pd.Series(dict(zip(names[1:4], line[1:4], strict=True))), found, self.n, len(X), level)

    def _line(
        self, name: str, profile: Mapping[str, Any], column: pd.Series, bands: tuple[float, float], level: float
    ) -> tuple[Any, ...]:
        """Name, index, what chance gives, band, blanks then and now, unseen values."""
        from scipy.stats import chi2

        then, now, unseen = binned(profile, column.rename(name))
        value = _index(then, now)
        used = int(((then > 0) | (now > 0)).sum())
        chance = float((1 / profile["n"] + 1 / len(column)) * chi2.ppf(level, max(used - 1, 1)))
        band = "stable" if value < bands[0] or value < chance else "watch" if value < bands[1] else "act"
        return name, value, chance, band, then[-1], now[-1], unseen


def _checked(profile: Mapping[str, Any]) -> dict[str, Any]:
    """A profile with the right parts of the right length."""
    parts = profile["edges"] if profile["kind"] == "number" else profile["levels"]
    shares = [float(v) for v in profile["shares"]]
    if profile["kind"] not in ("number", "category") or len(shares) != len(parts) + 2 or int(profile["n"]) < 1:
        raise ValueError("its parts do not fit together")
    if profile["kind"] == "number":
        return {"kind": "number", "edges": [float(v) for v in parts], "n": int(profile["n"]), "shares": shares}
    return {"kind": "category", "levels": [str(v) for v in parts], "n": int(profile["n"]), "shares": shares}


def _calibration(y: ArrayLike, p: Array, rate_then: float, level: float) -> pd.DataFrame:
    """Foreseen and observed churn, slope of calibration and AUC, each with its interval."""
    truth, score = probabilities(y, p)
    z, n = quantile(level), len(truth)
    low, high = share_interval(float(truth.mean()), n, level=level)
    x = logit_of(score)
    intercept, slope = (float(v[0]) for v in weighted_logit(x, truth, np.ones((1, n))))
    mu = 1 / (1 + np.exp(-(intercept + slope * x)))
    v = mu * (1 - mu)
    info = np.array([[v.sum(), (v * x).sum()], [(v * x).sum(), (v * x * x).sum()]])
    half = z * float(np.sqrt(np.linalg.inv(info)[1, 1])) if np.isfinite(slope) else np.nan
    r = Ranking(truth, score)
    auc, se = float(r.auc(r.sorted())[0]), auc_se(truth, score)
    rows = [
        ("churn_rate", float(truth.mean()), low, high, float(score.mean())),
        ("churn_rate_then", rate_then, np.nan, np.nan, np.nan),
        ("calibration_slope", slope, slope - half, slope + half, 1.0),
        ("auc", auc, auc - z * se, auc + z * se, np.nan),
    ]
    return pd.DataFrame(rows, columns=["measure", "est", "ci_lower", "ci_upper", "expected"]).set_index("measure")


@dataclass(frozen=True, repr=False, eq=False)
class Drift(Result):
    """How far the customers of today are from those of training.

    Attributes
    ----------
    columns : DataFrame
        [column, psi, by_chance, band, missing_then, missing_now, unseen], the most moved first. `by_chance` is the
        index that a sample of this size exceeds in one case of twenty where nothing moved.
    score : Series
        psi, by_chance and band of the probabilities.
    calibration : DataFrame or None
        Index measure (churn_rate, churn_rate_then, calibration_slope, auc): [est, ci_lower, ci_upper, expected];
        only with outcomes.
    n_then, n_obs : int
        Customers then and now.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> import cxmodels as cx
    >>> rng = np.random.default_rng(1)
    >>> X, p = pd.DataFrame({"tenure": rng.uniform(0, 60, 1000)}), rng.uniform(0, 0.3, 1000)
    >>> drift = cx.churn.Baseline.of(X, p, rng.random(1000) < p).compare(X + 20, p)
    >>> drift.alerts[["what", "band"]]
         what band
    0  tenure  act
    """

    columns: pd.DataFrame
    score: pd.Series
    calibration: pd.DataFrame | None
    n_then: int
    n_obs: int
    level: float = 0.95
    excluded: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"reason": [], "rows": []}))

    @property
    def alerts(self) -> pd.DataFrame:
        """What needs a look, [what, band, said]: moved columns, a moved score, churn that is not the foreseen."""
        lines: list[Any] = self.columns.to_dict("records")
        rows = [
            (r["column"], r["band"], f"PSI {r['psi']:.3f}, by chance up to {r['by_chance']:.3f}")
            for r in lines
            if r["band"] != "stable"
        ]
        rows += [
            (r["column"], "watch", f"{r['unseen']} values of categories never seen in training")
            for r in lines
            if r["unseen"] > 0
        ]
        if self.score.band != "stable":
            rows.insert(0, ("score", self.score.band, f"PSI {self.score.psi:.3f}"))
        if self.calibration is not None:
            for name in ("churn_rate", "calibration_slope"):
                est, low, high, expected = self.calibration.loc[name].to_numpy(dtype=float)
                if not low <= expected <= high:
                    said = f"{est:.3f} [{low:.3f}, {high:.3f}], expected {expected:.3f}"
                    rows.insert(0, (name, "act", said))
        return pd.DataFrame(rows, columns=["what", "band", "said"])

    def headline(self) -> list[tuple[str, str]]:
        """Return customers, alerts, and the index of the score.

        Returns
        -------
        list of (label, value)
        """
        return [
            ("Customers", f"{self.n_obs} now, {self.n_then} in training"),
            ("Score", f"PSI {self.score.psi:.3f} ({self.score.band})"),
            ("Alerts", str(len(self.alerts)) if len(self.alerts) else "none"),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the frames of the summary.

        Returns
        -------
        dict of DataFrame
        """
        out = {"Alerts": self.alerts} if len(self.alerts) else {}
        if self.calibration is not None:
            out["Calibration"] = self.calibration
        return out | {"Columns": self.columns}
