"""What a driver analysis says of what to do: maps, what disappoints and delights, what-if, elasticities, a budget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from .. import index as ix
from ..resampling import check_level
from . import asymmetry, maps, scenario
from .analysis import Analysis
from .budget import plan as budget_plan


class Decisions(Analysis):
    """Methods of :class:`DriverResult` that lead to a decision."""

    # --- maps, asymmetry ----------------------------------------------------------------------------------------------

    def map(
        self: Any,
        cut: str = "mean",
        *,
        target: float | None = None,
        importance_cut: str = "mean",
        scale: ix.Scale = None,
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

    def stated_map(self: Any, stated: Any, *, cut: str = "mean") -> pd.DataFrame:
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

    def profile(
        self: Any, theirs: Any, *, weights: Any = None, level: float = 0.95, adjust: str = "holm"
    ) -> pd.DataFrame:
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

    def penalty_reward(self: Any, low: float, high: float, *, level: float = 0.95) -> pd.DataFrame:
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

    def shapley_kano(self: Any, low: float, high: float, *, outcome_low: float, outcome_high: float) -> pd.DataFrame:
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
        self: Any, changes: Mapping[str, float], *, scale: ix.Scale = None, capped: bool = True, level: float = 0.95
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

    def elasticities(self: Any, level: float = 0.95) -> pd.DataFrame:
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
        self: Any,
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
