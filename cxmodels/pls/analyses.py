"""What can be asked of a fitted PLS path model beyond its estimates: one door per question, loaded when opened."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import pandas as pd
from numpy.typing import ArrayLike

from .questions import Assessment

if TYPE_CHECKING:
    from ..index import Scale
    from ..resampling import Interval
    from .copula import PLSCopula
    from .fimix import PLSFimix
    from .groups import PLSGroups
    from .nca import PLSNecessity
    from .ordinal import PLSOrdinal
    from .pos import PLSPos


class Analyses(Assessment):
    """Methods of :class:`PLSResult` that start an analysis of their own."""

    def groups(
        self,
        by: str | ArrayLike,
        n: int = 1000,
        seed: int | None = None,
        *,
        strata: str | ArrayLike | None = None,
        clusters: str | ArrayLike | None = None,
        bootstrap: int = 0,
        adjust: str = "holm",
        level: float = 0.95,
    ) -> PLSGroups:
        """Compare groups: invariance of the composites (MICOM), and differences of everything estimated (MGA).

        Parameters
        ----------
        by : str or array-like of shape (n_obs,)
            Column of the data, or labels of the rows used. Any number of groups.
        n : int, default 1000
            Permutations for each pair of groups, and for all groups together where there are more than two.
        seed : int, optional
            Same seed, same numbers.
        strata : str or array-like of shape (n_obs,), optional
            Labels change places within strata only, such as waves, so that these cannot pass for differences.
        clusters : str or array-like of shape (n_obs,), optional
            Rows that were drawn together, such as branches: whole clusters change places, and are resampled. A cluster
            lies in one group.
        bootstrap : int, default 0
            Replicates within each group, which the tests of Henseler, Keil and Welch need.
        adjust : {"holm", "bh", "none"}, default "holm"
            Adjustment of p-values for the tests of a frame: Holm, or Benjamini and Hochberg.
        level : float, default 0.95
            1 - level is the significance level of MICOM.

        Returns
        -------
        PLSGroups
            Per-group fits, ``micom``, ``paths``, ``differences(...)``, ``tests``, ``omnibus(...)``, ``overall``,
            ``overall_omnibus``.

        Raises
        ------
        DataError
            If a label is missing, there is one group only, or groups are smaller than the model's parameters (named).

        Examples
        --------
        >>> import cxmodels as cx
        >>> data = cx.datasets.load("holzinger")
        >>> res = cx.PLS("Visual =~ x1 + x2 + x3; Text =~ x4 + x5 + x6; Text ~ Visual").fit(data)
        >>> res.groups("school", 100, seed=1).paths[["group", "other", "difference", "pvalue"]].round(2)
                 group    other  difference  pvalue
        0  Grant-White  Pasteur        0.02    0.91
        """
        from .groups import groups

        return groups(self, by, n, seed, strata, clusters, bootstrap, adjust, level)  # type: ignore[arg-type]

    # --- ways and slopes ------------------------------------------------------------------------------------

    @cached_property
    def indirect_effects(self) -> pd.DataFrame:
        """Every specific indirect effect, [outcome, predictor, through, est]: the product of the paths along its way."""
        from .mediation import specific_indirect

        return specific_indirect(self)  # type: ignore[arg-type]

    def simple_slopes(self, levels: Sequence[float] = (-1.0, 0.0, 1.0)) -> pd.DataFrame:
        """Slope of a predictor at levels of its moderator.

        Parameters
        ----------
        levels : sequence of float, default (-1, 0, 1)
            In standard deviations of the moderator.

        Returns
        -------
        DataFrame
            [outcome, predictor, moderator, level, est], each construct of an interaction as predictor in turn;
            for a quadratic term the slope of the curve at the level. Three-way terms add [second, second_level], a second
            moderator. Constructs that a line does not name are at their means.

        Raises
        ------
        SpecError
            For a model without interactions, or whose interactions are products of items.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2; I =~ IMAG1 + IMAG2; S =~ CUSA1 + CUSA2; S ~ Q + I + Q:I"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> res.simple_slopes().query("predictor == 'Q'").round(2)
          outcome predictor moderator  level   est
        0       S         Q         I   -1.0  0.53
        1       S         Q         I    0.0  0.57
        2       S         Q         I    1.0  0.62
        """
        from .mediation import simple_slopes

        return simple_slopes(self, levels)  # type: ignore[arg-type]

    # --- hidden segments ------------------------------------------------------------------------------------

    def fimix(
        self,
        segments: int | Sequence[int] = 5,
        *,
        starts: int = 20,
        seed: int | None = None,
        tolerance: float = 1e-9,
        max_iter: int = 5000,
    ) -> PLSFimix:
        """Look for hidden segments that differ in their paths (FIMIX-PLS).

        Parameters
        ----------
        segments : int or sequence of int, default 5
            1 to this many segments, or the numbers given.
        starts : int, default 20
            Random starts of the EM algorithm for each; the likelihood has many summits.
        seed : int, optional
            Same seed, same numbers.
        tolerance : float, default 1e-9
            Stop when the log-likelihood gains less than this, relatively.
        max_iter : int, default 5000
            Iterations after which a start counts as not converged.

        Returns
        -------
        PLSFimix
            ``criteria`` to choose the number k; then ``paths(k)``, ``sizes(k)``, ``probabilities(k)``, ``segments(k)``.

        Raises
        ------
        SpecError
            For a formed higher-order construct under repeated indicators, whose equation leaves no residual.
        DataError
            For more parameters than rows.
        EstimationError
            If every start degenerates.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> found = res.fimix(2, starts=2, seed=1)
        >>> found.criteria[["loglik", "aic3", "bic"]].round(0)
                  loglik   aic3    bic
        segments
        1         -244.0  494.0  499.0
        2         -241.0  497.0  509.0
        """
        from .fimix import fimix

        return fimix(self, segments, starts, seed, tolerance, max_iter)  # type: ignore[arg-type]

    def pos(self, segments: int, *, starts: int = 6, seed: int | None = None, smallest: int | None = None) -> PLSPos:
        """Divide respondents so that the model predicts best within segments (PLS-POS, Becker et al. 2013).

        Unlike FIMIX-PLS it supposes no distribution and sees differences in the weights as well as in the paths.

        Parameters
        ----------
        segments : int
            How many.
        starts : int, default 6
            The first from FIMIX-PLS, the others from random divisions; more find higher summits.
        seed : int, optional
            Same seed, same numbers.
        smallest : int, optional
            Fewest rows of a segment; by default twice the parameters of the model, or a tenth of an even share if more.

        Returns
        -------
        PLSPos
            ``segments`` (ready for :meth:`groups`), ``results`` by segment, ``r_squared``, ``starts``.

        Raises
        ------
        DataError
            For more segments than the rows allow.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.load("mobi").head(100))
        >>> found = res.pos(2, starts=1, seed=1)
        >>> found.paths.round(2)
          outcome predictor   all     1     2
        0       S         Q  0.82  0.93  0.92
        """
        from .pos import pos

        return pos(self, segments, starts, seed, smallest)  # type: ignore[arg-type]

    # --- necessity, measurement, endogeneity ----------------------------------------------------------------

    def nca(
        self, target: str, n: int = 1000, seed: int | None = None, *, strata: str | ArrayLike | None = None
    ) -> PLSNecessity:
        """Necessary condition analysis of all constructs that lead to a target (Dul 2016).

        Parameters
        ----------
        target : str
            Outcome.
        n : int, default 1000
            Permutations of the outcome behind the p-values.
        seed : int, optional
            Same seed, same numbers.
        strata : str or array-like of shape (n_obs,), optional
            Outcomes change places within strata only, such as waves.

        Returns
        -------
        PLSNecessity
            ``effects`` by ceiling (CE-FDH, CR-FDH), ``bottlenecks(...)``. Ceilings rest on single respondents at the edge:
            an outlier makes them, and case weights do not touch them.

        Raises
        ------
        SpecError
            If the target is unknown or nothing leads to it.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> res.nca("S", 50, seed=1).effects[["condition", "ceiling", "effect"]].round(2)
          condition ceiling  effect
        0         Q  ce_fdh    0.32
        1         Q  cr_fdh    0.31
        """
        from .nca import nca

        return nca(self, target, n, seed, strata)  # type: ignore[arg-type]

    def cipma(
        self,
        target: str,
        level: float,
        scale: Scale = None,
        *,
        n: int = 1000,
        seed: int | None = None,
        ceiling: Literal["ce_fdh", "cr_fdh"] = "ce_fdh",
    ) -> pd.DataFrame:
        """Combined importance-performance map: what matters, what is done well, and what must be there (Hauff et al. 2024).

        Parameters
        ----------
        target : str
            Construct whose drivers are wanted.
        level : float
            Index of the target wanted, on 0-100 and within the observed scores.
        scale : (lo, hi), or mapping of item to (lo, hi), optional
            As for :meth:`PLSResult.index_scores`.
        n : int, default 1000
            Permutations behind the p-values.
        seed : int, optional
            Same seed, same numbers.
        ceiling : {"ce_fdh", "cr_fdh"}, default "ce_fdh"
            Ceiling behind effect size and requirement.

        Returns
        -------
        DataFrame
            Index construct, [importance, performance, effect, pvalue, necessary, required, below]: necessary from .1 and
            p < .05; the 0-100 score without which `level` is not reached (NaN: none is), and the weighted share of respondents below.

        Raises
        ------
        SpecError
            For a level outside the target's scores, and as :meth:`PLSResult.ipma`.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> res.cipma("S", 60, n=50, seed=1).round(2).T
        construct        Q
        importance    0.73
        performance   74.3
        effect        0.32
        pvalue        0.02
        necessary     True
        required     44.06
        below         0.04
        """
        from .nca import cipma

        return cipma(self, target, level, scale, n, seed, ceiling)  # type: ignore[arg-type]

    def copula(
        self,
        outcome: str,
        predictors: Sequence[str] | None = None,
        n: int = 1000,
        seed: int | None = None,
        *,
        interval: Interval = "percentile",
        level: float = 0.95,
        strata: str | ArrayLike | None = None,
        clusters: str | ArrayLike | None = None,
        n_jobs: int = 1,
    ) -> PLSCopula:
        """Test predictors of one construct for endogeneity with Gaussian copulas (Park and Gupta 2012).

        Parameters
        ----------
        outcome : str
            Construct whose equation is looked at.
        predictors : sequence of str, optional
            Which may be endogenous, by default all; every combination of them is estimated. Products stay in the equation
            without a copula of their own: that of their parts is enough (Papies, Ebbes and Van Heerde 2017).
        n : int, default 1000
            Bootstrap replicates, which estimate weights and copulas anew.
        seed : int, optional
            Same seed, same numbers.
        interval, level, strata, clusters, n_jobs
            As for :meth:`PLSResult.bootstrap`.

        Returns
        -------
        PLSCopula
            ``terms`` and ``normality``: a normal predictor cannot be tested. Below some 200 rows power is low and estimates
            are biased (Becker et al. 2022).

        Raises
        ------
        SpecError
            For a construct without predictors, or names that do not predict it.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> found = res.copula("S", ["Q"], 20, seed=1)
        >>> list(found.tables())
        ['Normality of the predictors', 'Coefficients with copula terms']
        """
        from .copula import copula

        return copula(self, outcome, predictors, n, seed, interval, level, strata, clusters, n_jobs)  # type: ignore[arg-type]

    def ordinal(self, ordered: Sequence[str] | None = None) -> PLSOrdinal:
        """Fit the same model to polychoric correlations (ordinal PLS; OrdPLSc under ``consistent=True``).

        Parameters
        ----------
        ordered : sequence of str, optional
            Items whose values are ordered categories; by default those with 10 values or fewer.

        Returns
        -------
        PLSOrdinal
            The frames of a fit but scores, and ``bootstrap(...)``.

        Raises
        ------
        SpecError
            For models with interactions or in the metric of the items, and unknown items.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> res.paths["est"].round(2).tolist(), res.ordinal().paths["est"].round(2).tolist()
        ([0.77], [0.79])
        """
        from .ordinal import ordinal

        return ordinal(self, ordered)  # type: ignore[arg-type]


class BootstrapAnalyses:
    """What can be asked of a bootstrap beyond its frames."""

    @cached_property
    def indirect_effects(self) -> pd.DataFrame:
        """Every specific indirect effect, [outcome, predictor, through, est, se, t, pvalue, ci_lower, ci_upper]."""
        from .mediation import bootstrapped_indirect

        return bootstrapped_indirect(self)  # type: ignore[arg-type]

    @cached_property
    def mediation(self) -> pd.DataFrame:
        """Direct and total indirect effects of each pair with a mediator, and the kind of mediation.

        [outcome, predictor, direct, direct_lower, direct_upper, indirect, indirect_lower, indirect_upper, total, share,
        mediation]. An effect exists if its interval excludes zero (Zhao, Lynch and Chen 2010); `share` is indirect over
        total (VAF), given where both point the same way.
        """
        from .mediation import mediation

        return mediation(self)  # type: ignore[arg-type]

    def simple_slopes(self, levels: Sequence[float] = (-1.0, 0.0, 1.0)) -> pd.DataFrame:
        """Slope of a predictor at levels of its moderator, with intervals.

        Parameters
        ----------
        levels : sequence of float, default (-1, 0, 1)
            In standard deviations of the moderator.

        Returns
        -------
        DataFrame
            [outcome, predictor, moderator, level, est, se, t, pvalue, ci_lower, ci_upper].

        Raises
        ------
        SpecError
            For a model without interactions, or whose interactions are products of items.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2; I =~ IMAG1 + IMAG2; S =~ CUSA1 + CUSA2; S ~ Q + I + Q:I"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> slopes = res.bootstrap(50, seed=1).simple_slopes()
        >>> slopes.query("predictor == 'Q'")[["level", "est", "se"]].round(2)
           level   est    se
        0   -1.0  0.53  0.08
        1    0.0  0.57  0.07
        2    1.0  0.62  0.09
        """
        from .mediation import bootstrapped_slopes

        return bootstrapped_slopes(self, levels)  # type: ignore[arg-type]
