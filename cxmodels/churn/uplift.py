"""`Uplift`: whom an offer changes, learned from a randomised campaign.

With y the outcome, t the treatment, e the chance to be treated, and m0, m1 the outcome foreseen without and with it::

    S-learner     one model with the treatment as a column, read twice               Künzel et al. (2019), sec. 2
    T-learner     m1(x) - m0(x), a model for each arm                                Künzel et al. (2019), sec. 2
    X-learner     e g0(x) + (1 - e) g1(x), g1 fitted to y - m0(x) of the treated,
                  g0 to m1(x) - y of the control customers                           Künzel et al. (2019), eq. 9-11
    DR-learner    a model of m1 - m0 + t (y - m1) / e - (1 - t) (y - m0) / (1 - e),
                  with m0 and m1 from customers held out                             Kennedy (2023), Algorithm 1

Sources: Künzel, Sekhon, Bickel and Yu (2019), PNAS 116(10); Kennedy (2023), Electronic Journal of Statistics 17(2).
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from ..errors import DataError, DataWarning, SpecError
from ..inference import choose, quantile
from ..resampling import whole_number
from .balance_check import arms, balance_of, chances
from .intake import as_frame, column_of, weights_of
from .qini_curve import GOALS, Qini, one_each, qini
from .uplift_models import Predictor, Reader, Table, folds_of, learn

if TYPE_CHECKING:
    from .balance_check import Balance

Array = NDArray[np.float64]

LEARNERS = ("dr", "x", "t", "s")
NOT_RANDOM = ("refuse", "adjust")
EDGE = 0.02  # how far estimated chances to be treated are kept from 0 and 1
LEAST = 30  # customers that an arm must have


class Uplift(BaseEstimator):
    """What an offer changes for each customer.

    Takes tables as they come, as :class:`cxmodels.Churn` does. An uplift is the foreseen gain: the rise of the chance to stay, the fall of
    the chance to leave, or money, always positive where the treatment does good.

    Parameters
    ----------
    learner : {"x", "dr", "t", "s"}, default "x"
        See the module. X is good where one arm is small, and quick. DR stays right if the outcomes are foreseen badly, and costs several
        times as much; T and S are there to compare.
    outcome_model : classifier or regressor of scikit-learn, optional
        Foresees the outcome. By default the package's own: a ridge on levels and broken lines, stacked with small boosted trees.
    effect_model : regressor of scikit-learn, optional
        Learns the effect, for X and DR. By default the same kind as the outcome's own.
    goal : {"raise", "lower"}, default "raise"
        What good is: 1 for a customer who was kept (or money), or 0 where 1 is a customer who left.
    not_random : {"refuse", "adjust"}, default "refuse"
        What to do where chance did not decide who was treated. ``"adjust"`` estimates the chances from the columns and warns: what the columns
        do not know remains in the uplift.
    folds : int, default 5
        Of the DR-learner's held-out outcomes, and of :meth:`out_of_fold`.
    treated : label, optional
        Which value of the treatment is the treated one; not needed for 1 and 0, or where the other is called control.
    random_state : int, default 0

    Attributes
    ----------
    balance_ : Balance
        Whether the arms are alike.
    effect_ : Series
        Mean effect, [est, se, ci_lower, ci_upper]: difference of the arms' means, weighted by inverse chances where they
        differ.
    propensity_ : ndarray of shape (n,)
        Chance to be treated that was used.
    warnings_ : tuple of str
    n_features_in_, feature_names_in_ : int, ndarray
        Columns of the training table.

    Examples
    --------
    >>> import cxmodels as cx
    >>> import numpy as np
    >>> campaign, truth = cx.datasets.simulate_campaign(3000)
    >>> X = campaign.drop(columns=["customer_id", "treatment", "retained"])
    >>> model = cx.churn.Uplift("x").fit(X, campaign["treatment"], campaign["retained"])
    >>> uplift = model.predict(X)
    >>> bool(np.corrcoef(uplift, truth["uplift"])[0, 1] > 0.5)
    True
    """

    def __init__(
        self,
        learner: str = "x",
        outcome_model: Any = None,
        effect_model: Any = None,
        *,
        goal: str = "raise",
        not_random: str = "refuse",
        folds: int = 5,
        treated: Any = None,
        random_state: int = 0,
    ) -> None:
        self.learner = learner
        self.outcome_model = outcome_model
        self.effect_model = effect_model
        self.goal = goal
        self.not_random = not_random
        self.folds = folds
        self.treated = treated
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        treatment: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        propensity: Any = None,
    ) -> Uplift:
        """Learn from a campaign.

        Parameters
        ----------
        X : frame or array of shape (n, columns)
            What was known of each customer before the campaign.
        treatment : array-like of shape (n,)
            Two arms: 1 and 0, or labels.
        y : array-like of shape (n,)
            Outcome after it: 0 and 1, or an amount.
        sample_weight : array-like of shape (n,), optional
            Rows that each row stands for.
        propensity : float or array-like of shape (n,), optional
            Known chances to be treated, where they were not the same for all.

        Returns
        -------
        Uplift
            Itself.

        Raises
        ------
        DataError
            For one arm, an arm of fewer than 30 customers, blanks, an outcome that does not vary, or a treatment that chance did not
            decide.
        SpecError
            For an option that makes no sense.
        """
        self._check()
        if y is None:
            raise DataError("Uplift requires y to be passed, but the target y is None.")
        frame, _ = as_frame(self, X, y, reset=True)
        outcome, t, w = self._campaign(frame, treatment, y, sample_weight)
        given = chances(propensity, t)
        self._reader = Reader.learn(frame)
        table = self._reader.table(frame)
        self.balance_: Balance = balance_of(self._reader.covariates, table.plain, t, given, self.random_state)
        self.warnings_ = self._judge_balance()
        self.propensity_ = self._chances(table, t, w, given)
        self._chance = bool(np.isin(outcome, (0.0, 1.0)).all())
        self.effect_ = _mean_effect(outcome, t, w, self.propensity_)
        self._outcomes, self._effects = self._learned(table, t, outcome, w, self.propensity_)
        self._share = float(np.average(t, weights=w))
        estimated = self.learner == "x" and given is None and not self.balance_.random
        self._chosen = learn(None, table, t, w, True, self.random_state) if estimated else None
        return self

    def predict(self, X: Any) -> Array:
        """Uplift of each customer.

        Parameters
        ----------
        X : frame or array
            Columns in any order, others beside them.

        Returns
        -------
        ndarray of shape (n,)
            In shares for a 0/1 outcome, else in its unit; positive where the treatment does good.
        """
        table = self._read(X)
        return self._uplift(table) if len(table) else np.empty(0)

    def outcomes(self, X: Any) -> pd.DataFrame:
        """Outcome foreseen without and with the treatment, [control, treated], higher is better, and the uplift.

        Parameters
        ----------
        X : frame or array

        Returns
        -------
        DataFrame
            [control, treated, uplift]; ``treated`` is control + uplift, kept inside 0 to 1 for chances.
        """
        table = self._read(X)
        none = np.empty(0)
        base, gain = (self._outcomes[0](table), self._uplift(table)) if len(table) else (none, none)
        with_it = np.clip(base + gain, 0, 1) if self._chance else base + gain
        index = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(len(base))
        return pd.DataFrame({"control": base, "treated": with_it, "uplift": gain}, index=index)

    def out_of_fold(
        self,
        X: Any,
        treatment: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        propensity: Any = None,
    ) -> Array:
        """Honest uplift of the campaign's own customers: each from a model that was fitted without them.

        Parameters
        ----------
        X, treatment, y, sample_weight, propensity
            As for :meth:`fit`.

        Returns
        -------
        ndarray of shape (n,)
            To be judged by :func:`cxmodels.churn.qini` on the same customers.

        Examples
        --------
        >>> from sklearn.linear_model import LogisticRegression
        >>> import cxmodels as cx
        >>> campaign, truth = cx.datasets.simulate_campaign(600)
        >>> X, t, y = campaign[["tenure", "price"]], campaign["treatment"], campaign["retained"]
        >>> model = cx.churn.Uplift("t", outcome_model=LogisticRegression()).fit(X, t, y)
        >>> model.outcomes(X.head(2)).round(1)
           control  treated  uplift
        0      0.6      0.7     0.1
        1      0.6      0.8     0.1
        >>> model.out_of_fold(X, t, y).shape
        (600,)
        >>> model.targets(X, value=200)[["rank", "uplift"]].head(2).round(1)
           rank  uplift
        0     1     0.1
        1     2     0.1
        """
        from sklearn.base import clone

        self._check()
        frame, _ = as_frame(clone(self), X, y, reset=True)
        outcome, t, w = self._campaign(frame, treatment, y, sample_weight)
        e = chances(propensity, t)
        fold = folds_of(t, self.folds, self.random_state)
        out = np.empty(len(t))
        raw = outcome if self.goal == "raise" else self._flip(outcome)
        for k in range(self.folds):
            a, b = fold != k, fold == k
            model = clone(self).set_params(treated=None)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DataWarning)  # said once, by fit
                model.fit(frame[a], t[a], raw[a], w[a], propensity=None if e is None else e[a])
            out[b] = model.predict(frame[b])
        return out

    def evaluate(self, X: Any, treatment: ArrayLike, y: ArrayLike, **options: Any) -> Qini:
        """Judge the model by a campaign among other customers.

        Parameters
        ----------
        X : frame or array
            Customers that training did not have.
        treatment, y : array-like of shape (n,)
            Their arms and outcomes.
        **options
            Passed on to :func:`cxmodels.churn.qini`: propensity, ties, n, seed, level, n_jobs.

        Returns
        -------
        Qini
        """
        return qini(y, treatment, self.predict(X), goal=self.goal, treated=self.treated, **options)

    def targets(self, X: Any, ids: Any = None, *, value: Any, **options: Any) -> pd.DataFrame:
        """The ranked, costed list, in the order of what contacting each customer changes.

        Contacting pays v u - f - d s, with value v, uplift u of the chance to stay, cost f of the contact, and cost d of the offer, which all
        who stay take (chance s).

        Parameters
        ----------
        X : frame or array
            Customers.
        ids : array-like or str, optional
            Identifiers, or the column that has them; the index of the frame by default.
        value : float, array-like or str
            What a kept customer is worth, or the column that says so.
        **options
            As for :func:`cxmodels.churn.targets`: capacity, contact_cost, offer_cost, control_share, seed, as_of_date, horizon_days ...

        Returns
        -------
        DataFrame
            The columns of :func:`cxmodels.churn.targets`, and ``uplift``. ``p_churn`` is the chance to leave without the offer.

        Raises
        ------
        SpecError
            If the outcome was not 0 and 1.
        """
        from .contact import per_customer, targets

        foreseen = self.outcomes(X)
        if not self._chance:
            raise SpecError(
                "A list of contacts needs an outcome of 0 and 1 (kept or left); this model foresees amounts."
            )
        if "accept_rate" in options:
            raise SpecError("accept_rate is of no use here: the uplift says how many the offer keeps; leave it out.")
        n = len(foreseen)
        worth = per_customer("value", column_of(X, value) if isinstance(value, str) else value, n)
        names = column_of(X, ids) if isinstance(ids, str) else foreseen.index if ids is None else ids
        contact, offer = (per_customer(k, options.get(k, d), n) for k, d in (("contact_cost", 1), ("offer_cost", 10)))
        stay, gain = foreseen["treated"].to_numpy(), foreseen["uplift"].to_numpy()
        profit = worth * gain - contact - offer * stay
        listed = targets(
            np.asarray(names), 1 - foreseen["control"].to_numpy(), value=worth, expected_profit=profit,
            **({"model_id": f"uplift-{self.learner}"} | options),
        )  # fmt: skip
        by_id = pd.Series(gain, index=np.asarray(names, dtype=object))
        return listed.assign(uplift=by_id.loc[listed["customer_id"]].to_numpy())

    # --- inside -----------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        """Refuse options that make no sense."""
        choose("learner", self.learner, LEARNERS)
        choose("goal", self.goal, GOALS)
        choose("not_random", self.not_random, NOT_RANDOM)
        whole_number("folds", self.folds, 2)
        whole_number("random_state", self.random_state, 0)
        if self.effect_model is not None and self.learner in ("t", "s"):
            raise SpecError(
                f"The {self.learner.upper()}-learner has no model of the effect; leave effect_model out, or take learner='dr'."
            )

    def _campaign(self, frame: pd.DataFrame, treatment: Any, y: Any, weight: Any) -> tuple[Array, Array, Array]:
        """Outcome (higher is better), arms and weights."""
        t = arms(treatment, len(frame), self.treated)
        small = int(min(t.sum(), len(t) - t.sum()))
        if small < LEAST:
            raise DataError(
                f"The smaller arm has {small} of {len(t)} customers, fewer than {LEAST}; run a larger campaign."
            )
        outcome = one_each("y", y, len(frame))
        if np.ptp(outcome) == 0:
            raise DataError(
                f"All {len(outcome)} customers have y = {outcome[0]:g}; there is nothing that a treatment could have changed."
            )
        w = weights_of(weight, frame)
        return (self._flip(outcome) if self.goal == "lower" else outcome), t, w

    @staticmethod
    def _flip(outcome: Array) -> Array:
        """Turn an outcome round, so that higher is better (or back)."""
        return 1 - outcome if np.isin(outcome, (0.0, 1.0)).all() else -outcome

    def _judge_balance(self) -> tuple[str, ...]:
        """Refuse, or warn, where chance did not decide."""
        if self.balance_.random:
            return ()
        if self.not_random == "refuse":
            raise DataError(
                f"{self.balance_.verdict} See cx.churn.balance; give the known chances as propensity=, or "
                'accept what the columns cannot adjust for by not_random="adjust".'
            )
        text = f"{self.balance_.verdict} The uplift is adjusted for the columns given; what they do not know remains in it."
        warnings.warn(text, DataWarning, stacklevel=3)
        return (text,)

    def _chances(self, table: Table, t: Array, w: Array, given: Array | None) -> Array:
        """Chance to be treated: known, the same for all, or held-out estimates."""
        if given is not None:
            return given
        if self.balance_.random:
            return np.full(len(t), np.average(t, weights=w))
        fold = folds_of(t, self.folds, self.random_state)
        e = np.empty(len(t))
        for k in range(self.folds):
            a, b = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            e[b] = learn(None, table.take(a), t[a], w[a], True, self.random_state)(table.take(b))
        return np.clip(e, EDGE, 1 - EDGE)

    def _learned(
        self, table: Table, t: Array, y: Array, w: Array, e: Array
    ) -> tuple[tuple[Predictor, Predictor], tuple[Predictor, ...]]:
        """Models of both outcomes, and of the effect."""
        if self.learner == "s":
            one = self._outcome(table.with_treatment(t), y, w)
            return (
                lambda x: one(x.with_treatment(np.zeros(len(x)))),
                lambda x: one(x.with_treatment(np.ones(len(x)))),
            ), ()
        on, off = np.flatnonzero(t > 0), np.flatnonzero(t == 0)
        m0, m1 = (self._outcome(table.take(i), y[i], w[i]) for i in (off, on))
        if self.learner == "t":
            return (m0, m1), ()
        if self.learner == "x":
            gain_on = self._effect(table.take(on), y[on] - m0(table.take(on)), w[on])
            gain_off = self._effect(table.take(off), m1(table.take(off)) - y[off], w[off])
            return (m0, m1), (gain_off, gain_on)
        fold = folds_of(t + 2 * y if self._chance else t, self.folds, self.random_state)
        pseudo = np.empty(len(t))
        for k in range(self.folds):
            b = np.flatnonzero(fold == k)
            f0, f1 = (
                self._outcome(table.take(i), y[i], w[i])(table.take(b))
                for i in (np.flatnonzero((fold != k) & (t == v)) for v in (0, 1))
            )
            pseudo[b] = f1 - f0 + t[b] * (y[b] - f1) / e[b] - (1 - t[b]) * (y[b] - f0) / (1 - e[b])
        return (m0, m1), (self._effect(table, pseudo, w),)

    def _outcome(self, table: Table, y: Array, w: Array) -> Predictor:
        return learn(self.outcome_model, table, y, w, self._chance, self.random_state)

    def _effect(self, table: Table, d: Array, w: Array) -> Predictor:
        return learn(self.effect_model, table, d, w, False, self.random_state)

    def _uplift(self, table: Table) -> Array:
        """Uplift of read rows."""
        if not self._effects:
            return self._outcomes[1](table) - self._outcomes[0](table)
        if len(self._effects) == 1:
            return self._effects[0](table)
        e = self._share if self._chosen is None else self._chosen(table)
        return e * self._effects[0](table) + (1 - e) * self._effects[1](table)

    def _read(self, X: Any) -> Table:
        """Read later customers with the columns of training."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self, "balance_")
        frame, _ = as_frame(self, X, None, reset=False)
        return self._reader.table(frame)


def _mean_effect(y: Array, t: Array, w: Array, e: Array) -> pd.Series:
    """Difference of the arms' (weighted) means, its standard error and 95 % interval."""
    parts = []
    for inside, chance in ((t > 0, e), (t == 0, 1 - e)):
        g = w[inside] / chance[inside]
        mean = float(g @ y[inside] / g.sum())
        parts.append((mean, float((g**2 @ (y[inside] - mean) ** 2) / g.sum() ** 2)))
    est, se = parts[0][0] - parts[1][0], float(np.sqrt(parts[0][1] + parts[1][1]))
    half = quantile(0.95) * se
    return pd.Series({"est": est, "se": se, "ci_lower": est - half, "ci_upper": est + half})
