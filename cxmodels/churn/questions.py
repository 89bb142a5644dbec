"""What a team asks of a fitted churn model: who, why, whom to call, what has changed; each loaded when it is asked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, listed
from ..resampling import whole_number
from .intake import as_frame, check_ids, column_of, labels_of

if TYPE_CHECKING:
    from .monitor import Drift
    from .scorer import Scorer


class Questions:
    """Methods of :class:`Churn` that answer about customers."""

    def intervals(self: Any, X: Any) -> pd.DataFrame:
        """Probabilities of leaving with their intervals, at the model's `level`.

        Parameters
        ----------
        X : frame or array
            As for :meth:`predict_proba`.

        Returns
        -------
        DataFrame
            [p_churn, p_low, p_high]: jackknife over the folds' models and the covariance of the sigmoid, see
            :meth:`cxmodels.churn.scorer.Scorer.interval`.
        """
        from .scorer import probability

        scorer, table = self._scorer_of(), self._read(X)
        low, high = scorer.interval(table, self.level)
        return pd.DataFrame(
            {"p_churn": probability(scorer.logits(table)), "p_low": low, "p_high": high}, index=_index(X, table.rows)
        )

    def score_frame(self: Any, X: Any, ids: ArrayLike | None = None) -> pd.DataFrame:
        """Score customers: probability, interval and flags.

        Parameters
        ----------
        X : frame or array
            As for :meth:`predict_proba`.
        ids : array-like of shape (n,) or str, optional
            Unique identifiers, or the column of `X` that has them; the index of the frame by default.

        Returns
        -------
        DataFrame
            [customer_id, p_churn, p_low, p_high, flags].

        Raises
        ------
        DataError
            For identifiers that are missing or stand twice, and an empty table.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> import cxmodels as cx
        >>> data = cx.datasets.load("telco").head(600)
        >>> X, y = data.drop(columns="churn"), data["churn"]
        >>> model = cx.Churn(candidates=["linear"], folds=3).fit(X, y)
        >>> model.score_frame(X.head(2))[["customer_id", "p_churn", "p_low", "p_high"]].round(1)
           customer_id  p_churn  p_low  p_high
        0            0      0.6    0.3     0.8
        1            1      0.1    0.0     0.2
        >>> list(model.intervals(X.head(2)))
        ['p_churn', 'p_low', 'p_high']
        >>> calls = model.targets(X, value=300, capacity=5)
        >>> int((calls["action"] == "contact").sum())
        5
        >>> model.contributions(X.head(2)).shape
        (2, 20)
        >>> len(model.flags(X)), model.monitor(X).score["band"]
        (1, 'stable')
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(pathlib.Path(folder, "model.json"))
        ...     again = cx.churn.load(pathlib.Path(folder, "model.json"))
        >>> bool((again.decision_function(X) == model.decision_function(X)).all())
        True
        >>> model.to_sql(table="customers")[:4]
        'WITH'
        """
        ids = check_ids(_identifiers(X, ids))
        out = self.intervals(X)
        if len(out) != len(ids):
            raise DataError(f"There are {len(ids)} identifiers for {len(out)} rows; give one each.")
        return out.reset_index(drop=True).assign(flags=self._read(X).by_row()).pipe(_first, ids)

    def flags(self: Any, X: Any) -> pd.DataFrame:
        """What is unusual in a table: blanks, unseen levels, text among numbers, infinities, values out of range.

        Parameters
        ----------
        X : frame or array
            As for :meth:`predict_proba`.

        Returns
        -------
        DataFrame
            [column, flag, rows, done].
        """
        return self._read(X).counted()

    def reasons(self: Any, X: Any, top: int = 3, *, raising: bool = False) -> pd.DataFrame:
        """Why each score is what it is, in plain words with value, direction and peers.

        Exact for all candidates of this package: effects less their means for the linear model, interventional Shapley
        values against all training rows for trees, see :func:`cxmodels.churn.reasons.contributions`.

        Parameters
        ----------
        X : frame or array
            As for :meth:`predict_proba`.
        top : int, default 3
            Reasons per customer, the largest first.
        raising : bool, default False
            Whether what raises the risk comes before what lowers it, as on a list of customers to call.

        Returns
        -------
        DataFrame
            [reason_1, column_1, value_1, points_1, log_odds_1, reason_2 ...]: points are percentage points of risk against
            the same customer without this effect.
        """
        from .reasons import long_frame, worded

        table = self._read(X)
        return long_frame(
            worded(self._scorer_of(), table, whole_number("top", top, 1), raising=raising), _index(X, table.rows)
        )

    def contributions(self: Any, X: Any) -> pd.DataFrame:
        """What each column adds to the log-odds of each customer.

        Parameters
        ----------
        X : frame or array
            As for :meth:`predict_proba`.

        Returns
        -------
        DataFrame
            A column per column used, and ``mean``: rows sum to :meth:`decision_function`.
        """
        from .reasons import contributions

        scorer, table = self._scorer_of(), self._read(X)
        added, mean = contributions(scorer, table)
        out = pd.DataFrame(added, columns=[c.name for c in scorer.features], index=_index(X, table.rows))
        return out.assign(mean=mean)

    def evaluate(self: Any, X: Any, y: ArrayLike, **options: Any) -> pd.Series:
        """Judge the model on other customers, see :func:`cxmodels.churn.evaluate`.

        Parameters
        ----------
        X : frame or array
            Customers that training did not have.
        y : array-like of shape (n,)
            Their labels, of the classes of training.
        **options
            Passed on: top, campaign, weights.

        Returns
        -------
        Series
        """
        from .evaluation import evaluate

        p = self.predict_proba(X)[:, 1]
        return evaluate(self._outcome(y, len(p)), p, **options)

    def targets(
        self: Any, X: Any, ids: ArrayLike | None = None, *, value: Any, top: int = 3, **options: Any
    ) -> pd.DataFrame:
        """The ranked, costed list with reasons, see :func:`cxmodels.churn.targets`.

        Parameters
        ----------
        X : frame or array
            Customers.
        ids : array-like or str, optional
            Identifiers, or the column that has them; the index of the frame by default.
        value : float, array-like or str
            What a kept customer is worth, or the column that says so.
        top : int, default 3
            Reasons given for those to contact or in the control group.
        **options
            Passed on: capacity, contact_cost, offer_cost, accept_rate, control_share, seed, as_of_date, horizon_days ...

        Returns
        -------
        DataFrame
        """
        from .contact import targets

        scored = self.score_frame(X, ids)
        named = {"model_id": self.model_id_, "data_hash": self.provenance_["data_hash"][:16]}
        given = named | {"p_low": scored["p_low"], "p_high": scored["p_high"], "flags": scored["flags"], **options}
        if scored["p_low"].isna().all():
            given["p_low"] = given["p_high"] = None
        worth = column_of(X, value) if isinstance(value, str) else value
        found = targets(scored["customer_id"], scored["p_churn"], value=worth, **given)
        place = pd.Series(np.arange(len(scored)), index=scored["customer_id"].to_numpy())
        listed_ = (found["action"] != "none").to_numpy()
        frame = self._table(X)
        reasons = (
            self.reasons(frame.iloc[place[found.loc[listed_, "customer_id"]].to_numpy()], top, raising=True)
            if listed_.any()
            else pd.DataFrame()
        )
        for k in range(1, top + 1):
            if (name := f"reason_{k}") in reasons:
                found[name] = found[name].astype(object) if name in found else ""
                found.loc[listed_, name] = reasons[name].to_numpy()
        return found

    def monitor(self: Any, X: Any, y: ArrayLike | None = None, **options: Any) -> Drift:
        """Compare customers of today with those of training: columns, scores and, with outcomes, calibration.

        Parameters
        ----------
        X : frame or array
            Customers now.
        y : array-like of shape (n,), optional
            What became of them.
        **options
            Passed on to :meth:`cxmodels.churn.Baseline.compare`: bands, level.

        Returns
        -------
        Drift
        """
        p = self.predict_proba(X)[:, 1]
        outcome = None if y is None else self._outcome(y, len(p))
        return self.baseline_.compare(self._watched(self._table(X)), p, outcome, **options)

    def save(self: Any, path: str | os.PathLike[str]) -> None:
        """Save the model as JSON, whole or not at all; :func:`cxmodels.churn.load` reads it without running anything.

        Parameters
        ----------
        path : str or path
            File to write.
        """
        from .saved import save

        save(self, path)

    def to_sql(self: Any, dialect: str = "duckdb", table: str = "customers", ids: str | Sequence[str] = ()) -> str:
        """The score as a SQL query; for the linear and the additive model.

        Parameters
        ----------
        dialect : {"duckdb", "postgresql", "sqlite"}, default "duckdb"
            Whose words are used.
        table : str, default "customers"
            Table to read.
        ids : str or sequence of str, optional
            Columns that the query gives beside ``p_churn``; those that the model needs by default.

        Returns
        -------
        str
        """
        from .sql import query

        return query(self._scorer_of(), dialect, table, [ids] if isinstance(ids, str) else ids)

    @property
    def model_id_(self: Any) -> str:
        """Name of the model: its candidate, and a hash of its data and options."""
        import hashlib

        options = {k: v for k, v in self.get_params(deep=False).items() if k not in ("n_jobs", "level", "candidates")}
        text = f"{self.provenance_['version']} {self.provenance_['data_hash']} {sorted(options.items())!r}"
        return f"{self.chosen_}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def _outcome(self: Any, y: ArrayLike, n: int) -> NDArray[np.intp]:
        """1 for those who left, by the labels of training."""
        labels = labels_of(y, n)
        if len(other := np.setdiff1d(labels, self.classes_)):
            raise DataError(
                f"y holds {listed(other.tolist())}, but the model knows {listed(self.classes_.tolist())}."
            )
        return (labels == self.classes_[1]).astype(np.intp)

    def _watched(self: Any, frame: pd.DataFrame) -> pd.DataFrame:
        """The columns that the model reads, numbers as numbers."""
        used = [self._scorer.columns[j] for j in self._scorer.used]
        names = {n for c in used for n in (c.parts or (c.name,))}
        numbers = {c.name for c in self._scorer.columns if c.kind == "number"}
        out = frame[[c for c in frame.columns if c in names]].copy()
        for name in out.columns:
            if name in numbers and not pd.api.types.is_numeric_dtype(out[name]):
                out[name] = pd.to_numeric(out[name], errors="coerce")
        return out

    def _scorer_of(self: Any) -> Scorer:
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self, "_scorer")
        return self._scorer

    def _read(self: Any, X: Any) -> Any:
        scorer = self._scorer_of()
        frame = self._table(X)
        if not len(frame):
            raise DataError("The table has no rows (0 sample(s)); there is nothing to score.")
        return scorer.read(frame)

    def _table(self: Any, X: Any) -> pd.DataFrame:
        return as_frame(self, X, None, reset=False)[0]


def _first(frame: pd.DataFrame, ids: NDArray[Any]) -> pd.DataFrame:
    frame.insert(0, "customer_id", ids)
    return frame


def _identifiers(X: Any, ids: Any) -> Any:
    """Identifiers as given, from the column named, or from the index."""
    if ids is None:
        return np.asarray(_index(X, len(X)))
    return column_of(X, ids) if isinstance(ids, str) else ids


def _index(X: Any, n: int) -> pd.Index:
    return X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(n)
