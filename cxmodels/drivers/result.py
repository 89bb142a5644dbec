"""What follows from a driver analysis: inference, maps, asymmetry, what-if, segments, and the whole deliverable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .. import index as ix
from ..errors import CxError
from ..inference import choose
from ..resampling import Interval, check_level
from . import asymmetry, maps, scenario
from .analysis import Analysis
from .bootstrap import DriverBootstrap, random_test, run
from .budget import plan as budget_plan
from .table import MISSING

if TYPE_CHECKING:
    from .deliverable import DriverReport
    from .segments import Segments


@dataclass(frozen=True, eq=False, repr=False)
class DriverResult(Analysis):
    """A driver analysis; made by :meth:`Drivers.fit`.

    Attributes
    ----------
    spec : Drivers
        What was fitted.
    n_obs : int
        Rows used.
    excluded : DataFrame
        Rows left out, [reason, rows].
    warnings : tuple of str
        What was unusual, as also warned.

    Examples
    --------
    >>> import cxmodels as cx
    >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ2", "PERQ3"]).fit(cx.datasets.survey("mobi"))
    >>> res.importance[["importance", "share", "rank"]].round(3)
               importance  share  rank
    attribute
    PERQ1           0.221  0.536     1
    PERQ2           0.091  0.220     3
    PERQ3           0.101  0.244     2
    >>> bool(abs(res.importance["importance"].sum() - res.r_squared) < 1e-12)
    True
    """

    # --- inference --------------------------------------------------------------------------------------------------

    def bootstrap(
        self,
        n: int = 1000,
        seed: int | None = None,
        indices: ArrayLike | None = None,
        *,
        interval: Interval = "percentile",
        level: float = 0.95,
        adjust: str = "holm",
        n_jobs: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> DriverBootstrap:
        """Resample respondents, within the strata and by the clusters of the fit.

        Parameters
        ----------
        n : int, default 1000
            Replicates; with multiple imputation, in all.
        seed : int, optional
            Same seed, same numbers, whatever `n_jobs`.
        indices : array-like of shape (n, m), optional
            Given resamples: positions (from 0) among the rows used.
        interval : {"percentile", "basic", "normal", "bca", "studentized"}, default "percentile"
        level : float, default 0.95
        adjust : {"holm", "bh", "none"}, default "holm"
            For the p-values of all pairwise differences.
        n_jobs : int, default 1
            Workers, through joblib.
        progress : callable, optional
            ``progress(done, total)``.

        Returns
        -------
        DriverBootstrap
            ``importance`` with [se, ci_lower, ci_upper, rank_lower, rank_upper], ``shares``, ``differences``. With more than 16
            players (7 in logit and ordered models) a replicate samples orders, the same for all, and is set right by the
            exact values.

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ6"]).fit(cx.datasets.load("mobi"))
        >>> boot = res.bootstrap(200, seed=1)
        >>> boot.importance[["rank_lower", "rank_upper"]].values.tolist()
        [[1, 1], [2, 2]]
        """
        return run(self, n, seed, indices, interval, level, adjust, n_jobs, progress)

    def random_test(
        self,
        n: int = 1000,
        seed: int | None = None,
        *,
        level: float = 0.95,
        draws: int | None = None,
        n_jobs: int = 1,
    ) -> pd.DataFrame:
        """Test each attribute against attributes of pure noise (Tonidandel, LeBreton and Johnson 2009).

        Importance is never below 0, so an interval that excludes 0 proves nothing; one that excludes what noise gets does.

        Parameters
        ----------
        n : int, default 1000
            Replicates in all.
        seed : int, optional
        level : float, default 0.95
        draws : int, optional
            Random normal attributes, each added in turn and bootstrapped n / draws times, so that none decides alone; by
            default 199, or 19 in logit and ordered models.
        n_jobs : int, default 1

        Returns
        -------
        DataFrame
            Index attribute: est (importance less that of noise), se, pvalue, ci_lower, ci_upper, significant (the interval
            lies above 0). That interval is their test, which errs far less often than its level allows. The p-value is the
            share of noise attributes that were at least as important, and keeps its level exactly for an attribute that
            is itself noise.

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ2", "PERQ3"]).fit(cx.datasets.survey("mobi"))
        >>> res.random_test(100, seed=1).round(3)
                     est     se  pvalue  ci_lower  ci_upper  significant
        attribute
        PERQ1      0.218  0.042    0.02     0.140     0.301         True
        PERQ2      0.087  0.027    0.02     0.038     0.133         True
        PERQ3      0.097  0.024    0.02     0.053     0.143         True
        """
        return random_test(self, n, seed, level, draws, n_jobs)

    def compare_missing(self, treatments: Any = None, *, of: str = "importance") -> pd.DataFrame:
        """Repeat the analysis under every treatment of missing answers.

        Parameters
        ----------
        treatments : sequence of str, optional
            By default all that apply.
        of : {"importance", "share", "rank"}, default "importance"

        Returns
        -------
        DataFrame
            Index missing: n_obs, r_squared, one column for each attribute, and a note where a treatment gave nothing.

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ2", "PERQ3"]).fit(cx.datasets.survey("mobi"))
        >>> res.compare_missing().round(3)
                   n_obs  r_squared  PERQ1  PERQ2  PERQ3 note
        missing
        listwise     250      0.413  0.221  0.091  0.101
        pairwise     250      0.413  0.221  0.091  0.101
        mean         250      0.413  0.221  0.091  0.101
        indicator    250      0.413  0.221  0.091  0.101
        multiple     250      0.413  0.221  0.091  0.101
        """
        choose("of", of, ("importance", "share", "rank"))
        default = [m for m in MISSING if m != "error" and (self.spec.linear or m != "pairwise")]
        rows = []
        for name in default if treatments is None else list(treatments):
            choose("missing", name, MISSING)
            try:
                fit = self if name == self.missing else self.spec.fit(self.survey, missing=name, **self.fitting)
                rows.append(
                    {
                        "missing": name,
                        "n_obs": fit.n_obs,
                        "r_squared": fit.r_squared,
                        **fit.importance[of],
                        "note": "",
                    }
                )
            except CxError as error:
                rows.append({"missing": name, "n_obs": 0, "r_squared": np.nan, "note": str(error)})
        columns = ["missing", "n_obs", "r_squared", *self.importance.index, "note"]
        return pd.DataFrame(rows, columns=columns).set_index("missing")

    # --- maps, asymmetry ----------------------------------------------------------------------------------------------

    def map(
        self, cut: str = "mean", *, target: float | None = None, importance_cut: str = "mean", scale: ix.Scale = None
    ) -> pd.DataFrame:
        """Derived importance against performance, with quadrants (Martilla and James 1977).

        Parameters
        ----------
        cut : {"mean", "median", "midpoint", "target"}, default "mean"
            Where performance parts good from poor. Readings flip with it, so every row says which it was.
        target : float, optional
            The rating wanted, for ``cut="target"``.
        importance_cut : {"mean", "median"}, default "mean"
        scale : (lo, hi), or mapping of attribute to (lo, hi), optional
            For ``cut="midpoint"``; by default that of the survey's codebook.

        Returns
        -------
        DataFrame
            Index attribute: importance, share, performance, quadrant ("Not rated" for a player without mean rating),
            importance_cut, performance_cut, cut.

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ2", "PERQ3"]).fit(cx.datasets.survey("mobi"))
        >>> res.map()[["importance", "performance", "quadrant"]].round(2)
                   importance  performance               quadrant
        attribute
        PERQ1            0.22         7.94  Keep up the good work
        PERQ2            0.09         7.19           Low priority
        PERQ3            0.10         7.70      Possible overkill
        """
        return maps.importance_map(self, cut, target, importance_cut, scale)

    def stated_map(self, stated: Any, *, cut: str = "mean") -> pd.DataFrame:
        """Importance that respondents state against importance derived from their ratings.

        Parameters
        ----------
        stated : mapping of attribute to number or to column
            Mean stated importance, or the column that holds the ratings of it.
        cut : {"mean", "median"}, default "mean"

        Returns
        -------
        DataFrame
            Index attribute: stated, derived, reading, stated_cut, derived_cut.

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ2", "PERQ3"]).fit(cx.datasets.survey("mobi"))
        >>> res.stated_map({"PERQ1": 9.1, "PERQ2": 7.0, "PERQ3": 8.2})[["stated", "derived"]].round(2)
               stated  derived
        PERQ1     9.1     0.22
        PERQ2     7.0     0.09
        PERQ3     8.2     0.10
        """
        return maps.stated_map(self, stated, cut)

    def profile(self, theirs: Any, *, weights: Any = None, level: float = 0.95, adjust: str = "holm") -> pd.DataFrame:
        """Compare our mean ratings with a competitor's, attribute by attribute.

        Parameters
        ----------
        theirs : Survey or DataFrame
            Ratings of the competitor by other respondents, in columns of the same names.
        weights : str or array-like, optional
            Of the competitor's rows.
        level : float, default 0.95
        adjust : {"holm", "bh", "none"}, default "holm"

        Returns
        -------
        DataFrame
            Index attribute: ours, ours_se, theirs, theirs_se, gap, se, z, pvalue, pvalue_adjusted, ci_lower, ci_upper,
            contribution (gap times coefficient: points of the outcome that go with it). ``cxmodels.report.profile_chart``
            draws it.

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ2", "PERQ3"]).fit(cx.datasets.survey("mobi"))
        >>> theirs = cx.datasets.load("mobi").head(100)
        >>> res.profile(theirs).round(2).T
        attribute        PERQ1  PERQ2  PERQ3
        ours              7.94   7.19   7.70
        ours_se           0.09   0.12   0.12
        theirs            8.01   7.63   7.85
        theirs_se         0.13   0.16   0.18
        gap              -0.07  -0.44  -0.15
        se                0.15   0.20   0.22
        z                -0.43  -2.22  -0.69
        pvalue            0.67   0.03   0.49
        ci_lower         -0.37  -0.82  -0.57
        ci_upper          0.24  -0.05   0.27
        pvalue_adjusted   0.98   0.08   0.98
        contribution     -0.02  -0.05  -0.02
        """
        check_level(level)
        return maps.profile(self, theirs, weights, level, adjust)

    def penalty_reward(self, low: float, high: float, *, level: float = 0.95) -> pd.DataFrame:
        """Contrast the penalty of low ratings with the reward of high ones (Brandt 1987; Matzler and Sauerwein 2002).

        Parameters
        ----------
        low, high : float
            A rating of `low` or less is low, of `high` or more is high; what lies between is the reference.
        level : float, default 0.95
            Of the tests behind the kinds.

        Returns
        -------
        DataFrame
            Index attribute: penalty and reward (coefficients of the two dummies, log odds in logit and ordered models) with
            se and p-value; asymmetry (size of the penalty less the reward) with se; kind: basic (penalty larger),
            excitement (reward larger), performance (no clear difference), no effect; n_low, n_middle, n_high; intercept (or first threshold).

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ2", "PERQ3"]).fit(cx.datasets.survey("mobi"))
        >>> res.penalty_reward(6, 9).round(2).T
        attribute             PERQ1        PERQ2      PERQ3
        penalty               -0.77        -0.29      -0.34
        penalty_se             0.21         0.16       0.17
        reward                  0.7         0.53       0.23
        reward_se              0.16         0.17       0.15
        penalty_pvalue          0.0         0.06       0.05
        reward_pvalue           0.0          0.0       0.13
        asymmetry              0.07        -0.24       0.11
        asymmetry_se           0.29         0.26       0.26
        kind            performance  performance  no effect
        n_low                    30           66         52
        n_middle                139          128        114
        n_high                   81           56         84
        intercept               7.8          7.8        7.8
        """
        check_level(level)
        return asymmetry.penalty_reward(self, low, high, level)

    def shapley_kano(self, low: float, high: float, *, outcome_low: float, outcome_high: float) -> pd.DataFrame:
        """Find key dissatisfiers and key enhancers (Conklin, Powaga and Lipovetsky 2004).

        Parameters
        ----------
        low, high : float
            An attribute fails at `low` or less and delights at `high` or more.
        outcome_low, outcome_high : float
            The respondent is dissatisfied at `outcome_low` or less and delighted at `outcome_high` or more.

        Returns
        -------
        DataFrame
            [side, attribute, value, reach, noise, success, key]. Value: Shapley value in the game success = reach - noise,
            with reach the share of the dissatisfied (delighted) whom any attribute of a set failed (delighted), and noise the
            same share among the others. Reach, noise and success of a row are those of all rows to it; key marks the set
            of greatest success.

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ2", "PERQ3"]).fit(cx.datasets.survey("mobi"))
        >>> res.shapley_kano(6, 9, outcome_low=6, outcome_high=9)
                   side attribute     value     reach     noise   success    key
        0  dissatisfier     PERQ1  0.187131  0.458333  0.084071  0.374263   True
        1  dissatisfier     PERQ2  0.179388  0.750000  0.256637  0.493363   True
        2  dissatisfier     PERQ3  0.121681  0.833333  0.345133  0.488201  False
        3      enhancer     PERQ1  0.213604  0.686567  0.191257  0.495310   True
        4      enhancer     PERQ2  0.175964  0.805970  0.234973  0.570997   True
        5      enhancer     PERQ3  0.157695  0.880597  0.333333  0.547264  False
        """
        return asymmetry.shapley_kano(self, low, high, outcome_low, outcome_high)

    # --- what if --------------------------------------------------------------------------------------------------------

    def simulate(
        self, changes: Mapping[str, float], *, scale: ix.Scale = None, capped: bool = True, level: float = 0.95
    ) -> scenario.WhatIf:
        """Predict the outcome if attributes moved, all at once.

        Parameters
        ----------
        changes : mapping of attribute (or group) to float
            Points by which every respondent's rating moves.
        scale : (lo, hi), or mapping of attribute to (lo, hi), optional
            Ends of the answer scales; by default those of the survey's codebook, else the extreme answers, which is said.
        capped : bool, default True
            Stop at the end of the scale: who gives 10 of 10 cannot give more. A rating that is not there does not move.
        level : float, default 0.95

        Returns
        -------
        WhatIf
            change, se, ci_lower, ci_upper of the mean outcome (chance of the event in a logit, mean category in an ordered
            model), by the joint covariance of the coefficients; ``effects``: each change alone.

        Raises
        ------
        SpecError
            For an unknown or categorical attribute, or a change longer than the scale.
        """
        return scenario.simulate(self, changes, scale, capped, level)

    def elasticities(self, level: float = 0.95) -> pd.DataFrame:
        """Percent by which the outcome moves with one percent of each attribute, at the means.

        Parameters
        ----------
        level : float, default 0.95

        Returns
        -------
        DataFrame
            Index attribute: elasticity (coefficient · mean rating / mean outcome), se, ci_lower, ci_upper.

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ2", "PERQ3"]).fit(cx.datasets.survey("mobi"))
        >>> res.elasticities().round(2)
                   elasticity    se  ci_lower  ci_upper
        attribute
        PERQ1            0.37  0.05      0.26      0.48
        PERQ2            0.10  0.03      0.03      0.16
        PERQ3            0.12  0.04      0.04      0.19
        """
        return scenario.elasticities(self, level)

    def plan(
        self,
        costs: Mapping[str, float],
        budget: float,
        *,
        scale: ix.Scale = None,
        most: Mapping[str, float] | None = None,
        level: float = 0.95,
    ) -> scenario.WhatIf:
        """Spend a budget where it goes with the greatest rise of the outcome.

        In a linear model the effect of an attribute flattens as respondents reach the end of the scale, so buying the
        steepest piece next is the best plan there is. In logit and ordered models the budget is spent in hundredths, each
        where it gains most, and hundredths are moved while that gains. With ``family="detractor"`` the greatest fall is bought.

        Parameters
        ----------
        costs : mapping of attribute to float
            Cost of moving every rating by one point.
        budget : float
        scale : (lo, hi), or mapping, optional
            As for :meth:`simulate`.
        most : mapping of attribute to float, optional
            Furthest each may move.
        level : float, default 0.95

        Returns
        -------
        WhatIf
            ``effects`` also says cost, and cost_per_point of the outcome.

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ2", "PERQ3"]).fit(cx.datasets.survey("mobi"))
        >>> res.plan({"PERQ1": 100, "PERQ2": 80, "PERQ3": 90}, 150).effects[["asked", "effect", "cost"]].round(2)
                   asked  effect   cost
        attribute
        PERQ1        1.5    0.44  150.0
        """
        return budget_plan(self, costs, budget, scale, most, level)

    # --- segments, deliverable --------------------------------------------------------------------------------------

    def segments(
        self,
        by: str,
        n: int = 1000,
        seed: int | None = None,
        *,
        of: str = "importance",
        level: float = 0.95,
        adjust: str = "holm",
    ) -> Segments:
        """Repeat the analysis in every segment or wave, and test whether they differ.

        Parameters
        ----------
        by : str
            Column of the segments or waves.
        n : int, default 1000
            Bootstrap replicates in each.
        seed : int, optional
        of : {"importance", "share"}, default "importance"
            What is compared. Shares do not move when only R² does.
        level : float, default 0.95
        adjust : {"holm", "bh", "none"}, default "holm"

        Returns
        -------
        Segments
        """
        from .segments import segments

        return segments(self, by, n, seed, of, level, adjust)

    def nps_logits(self) -> pd.DataFrame:
        """What makes promoters beside what makes detractors: the two logits of the 0-10 recommendation.

        Returns
        -------
        DataFrame
            Index attribute: share, rank and coef of the promoter logit, then of the detractor logit.

        Examples
        --------
        >>> import cxmodels as cx
        >>> data = cx.datasets.load("mobi")
        >>> res = cx.Drivers("CUSL3", ["PERQ1", "PERQ2"], family="nps").fit(data)
        >>> res.nps_logits().round(2).T
        attribute        PERQ1  PERQ2
        promoter_share    0.53   0.47
        promoter_rank     1.00   2.00
        promoter_coef     0.60   0.43
        detractor_share   0.75   0.25
        detractor_rank    1.00   2.00
        detractor_coef   -0.65  -0.14
        """
        parts = []
        for side in ("promoter", "detractor"):
            spec = replace(self.spec, family=side, exact=None, pairs=None)
            fit = spec.fit(self.survey, missing=self.missing, **self.fitting)
            parts.append(fit.importance[["share", "rank", "coef"]].add_prefix(f"{side}_"))
        return pd.concat(parts, axis=1)

    def deliverable(
        self,
        n: int = 1000,
        seed: int | None = 1,
        *,
        step: float = 0.5,
        scale: ix.Scale = None,
        cut: str = "mean",
        theirs: Any = None,
    ) -> DriverReport:
        """Everything an analyst hands over: table, tests, map, what-if and one plain paragraph.

        Parameters
        ----------
        n : int, default 1000
            Bootstrap replicates.
        seed : int, default 1
        step : float, default 0.5
            Rise of each attribute in the what-if.
        scale : (lo, hi), or mapping, optional
            As for :meth:`simulate`.
        cut : {"mean", "median", "midpoint"}, default "mean"
            As for :meth:`map`.
        theirs : Survey or DataFrame, optional
            A competitor's ratings, as for :meth:`profile`.

        Returns
        -------
        DriverReport
            Shows itself in a notebook; ``cxmodels.report.write_drivers`` makes a page of it.
        """
        from .deliverable import deliverable

        return deliverable(self, n, seed, step, scale, cut, theirs)
