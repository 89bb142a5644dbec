"""`Churn`: a scikit-learn classifier that takes raw tables, chooses and calibrates a model by itself, and explains it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from ..resampling import check_level, whole_number
from .intake import (
    as_frame,
    audited,
    customers_of,
    labels_of,
    outcome_of,
    provenance,
    weights_of,
)
from .questions import Questions

if TYPE_CHECKING:
    from .scorer import Scorer

Array = NDArray[np.float64]


class Churn(Questions, ClassifierMixin, BaseEstimator):
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
            whole_number("folds", self.folds, 2),
            whole_number("selection_rows", self.selection_rows, 100),
            whole_number("random_state", 0 if self.random_state is None else self.random_state, 0),
            self.n_jobs,
        )
        check_level(self.level)
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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

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
