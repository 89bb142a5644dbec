"""`Churn`: a scikit-learn classifier that takes raw tables, chooses and calibrates a model by itself, and explains it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from ..errors import DataError, SpecError, listed
from .intake import (
    as_frame,
    audited,
    check_ids,
    column_of,
    customers_of,
    labels_of,
    outcome_of,
    provenance,
    weights_of,
    whole,
)

if TYPE_CHECKING:
    from .monitor import Drift
    from .scorer import Scorer

Array = NDArray[np.float64]


class Churn(ClassifierMixin, BaseEstimator):
    """Who is likely to leave, as calibrated probabilities with intervals and reasons.

    Takes a table as it comes: numbers, text, categories, blanks. Columns that the audit finds unusable are left out and
    named, totals over columns of one unit are added and columns of noise left out where cross-validation says so, and of
    the candidates the simplest is taken whose log-loss lies within one standard error of the best.

    Parameters
    ----------
    candidates : sequence of str or classifier, optional
        Among ``"linear"`` (elastic-net logistic regression on levels and broken lines), ``"additive"`` (boosted trees of one
        column each), ``"pairwise"`` (of two at most), ``"boosted"`` (trees of 4 leaves) and ``"deep"`` (of 16), and any
        scikit-learn classifier with `predict_proba`. All five by default. Trees are tried from
        150 rows of each outcome: with fewer they do not beat a regression (van der Ploeg, Austin & Steyerberg 2014, BMC Medical
        Research Methodology 14, 137).
    totals : bool, default True
        Try totals and ratios over columns of the same unit.
    drop_noise : bool, default True
        Leave out columns that held-out rows do not miss, if that lowers the log-loss.
    audit : bool, default True
        Leave out the columns that :func:`cxmodels.churn.audit` advises to drop. Arrays without column names are taken as they are.
    folds : int, default 5
        Folds of the cross-validation: for every choice, for the calibration, and for the intervals.
    min_churners : int, default 10
        Fewest rows of each outcome; in tables of fewer than 100 rows a tenth of the rows, and 2.
    level : float, default 0.95
        Level of the intervals.
    selection_rows : int, default 50000
        Choices are made on so many rows at most; the chosen model is fitted to all.
    random_state : int, default 0
        Seed of folds and trees. The same data and seed give the same model, in any order of rows up to rounding.
    n_jobs : int, default -1
        Fits at a time, in threads; -1 for all processors. Numbers do not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two labels; the second, in sorted order, means "left".
    candidates_ : DataFrame
        [model, log_loss, se, auc, difference, difference_se, ci_lower, ci_upper, chosen]: cross-validated, with the paired
        difference in log-loss from the best and its 95 % interval.
    chosen_ : str
        The candidate that was taken.
    audit_ : DataFrame
        What the audit found.
    dropped_ : DataFrame
        [column, reason]: columns that the model does not use.
    columns_ : DataFrame
        [column, decision, log_loss_difference, se]: totals and noise, decided by cross-validation.
    calibration_ : Series
        intercept, slope of the sigmoid and their se.
    baseline_ : Baseline
        What customers and scores of training looked like, for :meth:`monitor`.
    provenance_ : dict
        Version of the program, rows, weighted churn rate, seed, and a hash of the training data in any order of rows.
    excluded_ : DataFrame
        [reason, rows]: rows not used.
    flags_ : DataFrame
        [column, flag, rows, done]: values of the training table that could not be used as they are.
    n_features_in_, feature_names_in_ : int, ndarray
        Columns of the training table.

    Examples
    --------
    >>> import cxmodels as cx
    >>> data = cx.datasets.load("telco").head(1500)
    >>> model = cx.Churn(candidates=["linear"]).fit(data.drop(columns="churn"), data["churn"])
    >>> model.chosen_, bool(model.evaluate(data.drop(columns="churn"), data["churn"])["auc"] > 0.8)
    ('linear', True)
    >>> model.reasons(data.head(1), top=1)["reason_1"].item()
    'Tenure is 1: raises the risk by ... points; ... % of those from 0 to 1 leave, against ... % of all'
    """

    def __init__(
        self,
        candidates: Any = None,
        *,
        totals: bool = True,
        drop_noise: bool = True,
        audit: bool = True,
        folds: int = 5,
        min_churners: int = 10,
        level: float = 0.95,
        selection_rows: int = 50_000,
        random_state: int = 0,
        n_jobs: int = -1,
    ) -> None:
        self.candidates = candidates
        self.totals = totals
        self.drop_noise = drop_noise
        self.audit = audit
        self.folds = folds
        self.min_churners = min_churners
        self.level = level
        self.selection_rows = selection_rows
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Churn:
        """Choose, fit and calibrate a model.

        Parameters
        ----------
        X : frame or array of shape (n, columns)
            One row per customer (or per customer and snapshot), known before the outcome.
        y : array-like of shape (n,)
            Two labels; the later in sorted order means "left" (1 of 0 and 1, Yes of No and Yes).
        sample_weight : array-like of shape (n,), optional
            Rows that each row stands for; rows of weight 0 are left out.
        groups : array-like of shape (n,), optional
            Customer of each row, where customers occur at several snapshots: they are held out whole in every
            cross-validation, so that nothing is judged on customers it was trained on.

        Returns
        -------
        Churn
            Itself.

        Raises
        ------
        DataError
            One class, too few churners, labels with blanks, no usable column.
        SpecError
            An option that makes no sense.
        """
        from .selection import CANDIDATES, check_candidates
        from .training import Options, train

        options = Options(
            check_candidates(CANDIDATES if self.candidates is None else self.candidates),
            bool(self.totals),
            bool(self.drop_noise),
            whole("folds", self.folds, 2),
            whole("selection_rows", self.selection_rows, 100),
            whole("random_state", 0 if self.random_state is None else self.random_state, 0),
            self.n_jobs,
        )
        if not 0 < self.level < 1:
            raise SpecError(f"level must lie between 0 and 1, not {self.level!r}.")
        frame, named = as_frame(self, X, y, reset=True)
        labels = labels_of(y, len(frame))
        w = weights_of(sample_weight, frame)
        here = w > 0
        self.excluded_ = pd.DataFrame(
            {"reason": ["weight 0"] * (not here.all()), "rows": [int((~here).sum())][: not here.all()]}
        )
        frame, labels, w = frame[here], labels[here], w[here]
        self.classes_, outcome = outcome_of(labels, self.min_churners)
        self.audit_, self.dropped_, beside = audited(frame, outcome, bool(self.audit) and named)
        frame = frame.drop(columns=[c for c in self.dropped_["column"] if c not in beside])
        found = train(frame, outcome, w, options, beside, customers_of(groups, here))
        self._scorer: Scorer = found.scorer
        self.provenance_ = provenance(frame, outcome, w, self.random_state)
        self._keep(found, frame)
        from .monitor import Baseline
        from .scorer import probability

        p = probability(self._scorer.logits(self._scorer.read(frame)))
        self.baseline_ = Baseline.of(self._watched(frame), p, outcome)
        return self

    def predict_proba(self, X: Any) -> Array:
        """Calibrated probabilities of staying and of leaving.

        Parameters
        ----------
        X : frame or array
            Columns in any order, others beside them; what cannot be read is scored as blank, see :meth:`flags`.

        Returns
        -------
        ndarray of shape (n, 2)
        """
        from .scorer import probability

        p = probability(self.decision_function(X))
        return np.column_stack([1 - p, p])

    def decision_function(self, X: Any) -> Array:
        """Calibrated log-odds of leaving.

        Parameters
        ----------
        X : frame or array
            As for :meth:`predict_proba`.

        Returns
        -------
        ndarray of shape (n,)
        """
        return self._scorer_of().logits(self._read(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """The likelier label; for a campaign use :meth:`targets`, where money decides.

        Parameters
        ----------
        X : frame or array
            As for :meth:`predict_proba`.

        Returns
        -------
        ndarray of shape (n,)
        """
        left = self.decision_function(X) > 0
        return self.classes_[left.astype(int)]

    def intervals(self, X: Any) -> pd.DataFrame:
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

    def score_frame(self, X: Any, ids: ArrayLike | None = None) -> pd.DataFrame:
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

    def flags(self, X: Any) -> pd.DataFrame:
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

    def reasons(self, X: Any, top: int = 3, *, raising: bool = False) -> pd.DataFrame:
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
            worded(self._scorer_of(), table, whole("top", top, 1), raising=raising), _index(X, table.rows)
        )

    def contributions(self, X: Any) -> pd.DataFrame:
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

    def evaluate(self, X: Any, y: ArrayLike, **options: Any) -> pd.Series:
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
        self, X: Any, ids: ArrayLike | None = None, *, value: Any, top: int = 3, **options: Any
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

    def monitor(self, X: Any, y: ArrayLike | None = None, **options: Any) -> Drift:
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

    def _outcome(self, y: ArrayLike, n: int) -> NDArray[np.intp]:
        """1 for those who left, by the labels of training."""
        labels = labels_of(y, n)
        if len(other := np.setdiff1d(labels, self.classes_)):
            raise DataError(
                f"y holds {listed(other.tolist())}, but the model knows {listed(self.classes_.tolist())}."
            )
        return (labels == self.classes_[1]).astype(np.intp)

    def _watched(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The columns that the model reads, numbers as numbers."""
        used = [self._scorer.columns[j] for j in self._scorer.used]
        names = {n for c in used for n in (c.parts or (c.name,))}
        numbers = {c.name for c in self._scorer.columns if c.kind == "number"}
        out = frame[[c for c in frame.columns if c in names]].copy()
        for name in out.columns:
            if name in numbers and not pd.api.types.is_numeric_dtype(out[name]):
                out[name] = pd.to_numeric(out[name], errors="coerce")
        return out

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the model as JSON, whole or not at all; :func:`cxmodels.churn.load` reads it without running anything.

        Parameters
        ----------
        path : str or path
            File to write.
        """
        from .saved import save

        save(self, path)

    def to_sql(self, dialect: str = "duckdb", table: str = "customers", ids: str | Sequence[str] = ()) -> str:
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
    def model_id_(self) -> str:
        """Name of the model: its candidate, and a hash of its data and options."""
        import hashlib

        options = {k: v for k, v in self.get_params(deep=False).items() if k not in ("n_jobs", "level", "candidates")}
        text = f"{self.provenance_['version']} {self.provenance_['data_hash']} {sorted(options.items())!r}"
        return f"{self.chosen_}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _scorer_of(self) -> Scorer:
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self, "_scorer")
        return self._scorer

    def _read(self, X: Any) -> Any:
        scorer = self._scorer_of()
        frame = self._table(X)
        if not len(frame):
            raise DataError("The table has no rows (0 sample(s)); there is nothing to score.")
        return scorer.read(frame)

    def _table(self, X: Any) -> pd.DataFrame:
        return as_frame(self, X, None, reset=False)[0]

    def _keep(self, found: Any, frame: pd.DataFrame) -> None:
        """Attributes for the reader."""
        scorer = found.scorer
        self.chosen_ = scorer.kind
        self.candidates_ = found.candidates
        self.columns_ = found.columns
        self.flags_ = scorer.read(frame).counted()
        noise = found.columns.loc[found.columns["decision"] == "left out as noise", "column"]
        more = pd.DataFrame({"column": noise, "reason": "noise"})
        self.dropped_ = pd.concat([self.dropped_, more], ignore_index=True) if len(more) else self.dropped_
        self._say_calibration()

    def _say_calibration(self) -> None:
        """The sigmoid as a Series."""
        sigmoid = self._scorer.sigmoid
        se = np.sqrt(np.diag(sigmoid.covariance))
        self.calibration_ = pd.Series(
            {"intercept": sigmoid.intercept, "slope": sigmoid.slope, "intercept_se": se[0], "slope_se": se[1]}
        )


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
