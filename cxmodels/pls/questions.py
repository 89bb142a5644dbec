"""What reviewers ask of a fitted path model: fit, distinctness, criteria; one door per question, loaded when opened."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import pandas as pd
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from ..resampling import Interval
    from .discriminant import PLSDiscriminant
    from .fit import PLSExactFit
    from .tetrads import PLSTetrads


class Assessment:
    """Methods of :class:`PLSResult` that judge the model."""

    @cached_property
    def model_fit(self) -> pd.DataFrame:
        """Distances of observed and implied correlations, [srmr, d_uls, d_g, d_ml] by measurement and structure.

        Measurement: Mode A constructs as composites (what PLS estimates; cSEM's) and as common factors (what SmartPLS and
        many programs report); under PLSc as estimated. Structure: saturated, or as the paths imply. Journals ask for
        the SRMR of the saturated and of the estimated model; say which measurement it supposes.
        """
        from .fit import fit_measures

        return fit_measures(self)  # type: ignore[arg-type]

    def exact_fit(
        self,
        n: int = 1000,
        seed: int | None = None,
        *,
        measurement: Literal["own", "factor", "composite"] = "own",
        saturated: bool = False,
        level: float = 0.95,
        strata: str | ArrayLike | None = None,
        clusters: str | ArrayLike | None = None,
        n_jobs: int = 1,
    ) -> PLSExactFit:
        """Test that the model reproduces the correlations of the items up to sampling error.

        Parameters
        ----------
        n : int, default 1000
            Resamples of data transformed so that the model fits them exactly (Dijkstra and Henseler 2015).
        seed : int, optional
            Same seed, same numbers.
        measurement : {"own", "factor", "composite"}, default "own"
            What constructs are: factors where PLSc corrects them and composites elsewhere, or all of Mode A one or the
            other.
        saturated : bool, default False
            Let constructs correlate freely, so that only the measurement is tested.
        level : float, default 0.95
            Quantile that is the critical value.
        strata, clusters : str or array-like of shape (n_obs,), optional
            As for :meth:`PLSResult.bootstrap`.
        n_jobs : int, default 1
            Workers, through joblib.

        Returns
        -------
        PLSExactFit
            Its ``test`` has [est, critical, pvalue, fits] by measure.

        Raises
        ------
        SpecError
            For a model with interactions.
        DataError
            If no data can have the implied correlations.

        Notes
        -----
        Mode B and PLSc estimates of the transformed data fit them perfectly; those of Mode A do so nearly, because their
        weights follow the loadings.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> res.exact_fit(100, seed=1).test[["est", "critical", "fits"]].round(3)
                   est  critical   fits
        measure
        srmr     0.036     0.033  False
        d_uls    0.027     0.022  False
        d_g      0.079     0.064  False
        d_ml     0.078     0.063  False
        """
        from .fit import exact_fit

        return exact_fit(self, n, seed, measurement, saturated, level, strata, clusters, n_jobs)  # type: ignore[arg-type]

    def alpha(self, *, standardized: bool = True) -> pd.Series:
        """Cronbach's alpha by construct that items measure; 1 for single items.

        Parameters
        ----------
        standardized : bool, default True
            From correlations, as ``reliability`` has it and seminr and SmartPLS report. False takes covariances, the
            reliability of the plain sum of the raw answers (Cronbach 1951).

        Returns
        -------
        Series
            k / (k - 1) (1 - sum of the variances / variance of the sum).

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> res.alpha().round(3)
        construct
        Q    0.718
        S    0.779
        Name: alpha, dtype: float64
        """
        from .criteria import cronbach

        return cronbach(self, standardized)  # type: ignore[arg-type]

    @cached_property
    def criteria(self) -> pd.DataFrame:
        """Information criteria by endogenous construct, [aic, aicc, aicu, bic, hq, hqc, fpe, cp, gm]; smaller is better.

        From SSE = (1 - R²)(n - 1) of the scores, as AIC = n log(SSE / n) + 2 (k + 1) and so on; cp and gm take the error
        variance of a regression on all constructs that do not follow the outcome. BIC and GM choose best among models
        that differ in the predictors of one construct (Sharma et al. 2019).
        """
        from .criteria import information_criteria

        return information_criteria(self)  # type: ignore[arg-type]

    @cached_property
    def redundancy(self) -> pd.DataFrame:
        """[construct, item, communality, redundancy]: squared loading, and that times R²; NaN if exogenous."""
        from .criteria import redundancy

        return redundancy(self)  # type: ignore[arg-type]

    @cached_property
    def gof(self) -> float:
        """Goodness of fit of Tenenhaus et al. (2005), sqrt(mean communality × mean R²), single items left out.

        It cannot tell valid models from invalid ones and rewards few, good predictions (Henseler and Sarstedt 2013,
        Computational Statistics 28(2)); report ``model_fit`` with it.
        """
        from .criteria import goodness_of_fit

        return goodness_of_fit(self)  # type: ignore[arg-type]

    @cached_property
    def gsca_fit(self) -> pd.Series:
        """Share of the variance of all items and constructs that the model explains, [fit, afit, fit_measurement, fit_structural].

        FIT = 1 - SS(residuals) / SS(items and constructs), what GSCA maximises: the mean of the communalities of items
        that reflect a construct and of the R² of all constructs, 0 for exogenous ones. AFIT = 1 - (1 - FIT) d0 / d1 charges
        for free weights, loadings and paths: d0 = rows times items, d1 = d0 less these.
        """
        from .criteria import gsca_fit

        return gsca_fit(self)  # type: ignore[arg-type]

    def f_squared_refit(self) -> pd.DataFrame:
        """Effect sizes with the whole model estimated anew without each path, as seminr does.

        Returns
        -------
        DataFrame
            [outcome, predictor, r2_without, f2]. Weights change with the model, so this mixes the effect of a path
            with that of other scores; ``f_squared`` keeps the scores. NaN for a main effect that an interaction needs.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> res.f_squared_refit().round(2)
          outcome predictor  r2_without    f2
        0       S         Q         0.0  1.42
        """
        from .criteria import f_squared_refit

        return f_squared_refit(self)  # type: ignore[arg-type]

    def blindfolding(self, distance: int = 7) -> pd.DataFrame:
        """Stone-Geisser Q² by leaving out every `distance`-th answer of each construct in turn.

        Parameters
        ----------
        distance : int, default 7
            Must not divide the number of rows.

        Returns
        -------
        DataFrame
            Index Mode A construct, [q2_redundancy, q2_communality], from predictors' scores or the construct's own. A
            higher-order construct has the items of its dimensions.

        Raises
        ------
        SpecError
            For a distance that divides the number of rows.

        Notes
        -----
        Not out of sample: rows stay in the estimation, only single answers are replaced by means, and the result mixes
        fit with prediction (Shmueli et al. 2016). Reviewers still ask for it; :meth:`PLSResult.predict_oos` is what to
        trust.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> res.blindfolding().round(2)
                   q2_redundancy  q2_communality
        construct
        Q                    NaN            0.30
        S                   0.39            0.38
        """
        from .blindfolding import blindfold

        return blindfold(self, distance)  # type: ignore[arg-type]

    def discriminant(
        self,
        n: int = 5000,
        seed: int | None = None,
        *,
        kind: Literal["htmt", "htmt2"] = "htmt",
        thresholds: Sequence[float] = (0.85, 0.9, 1.0),
        interval: Interval = "percentile",
        level: float = 0.95,
        strata: str | ArrayLike | None = None,
        clusters: str | ArrayLike | None = None,
    ) -> PLSDiscriminant:
        """Test whether constructs are distinct: heterotrait-monotrait ratios against thresholds.

        Parameters
        ----------
        n : int, default 5000
            Bootstrap replicates.
        seed : int, optional
            Same seed, same numbers.
        kind : {"htmt", "htmt2"}, default "htmt"
            Arithmetic means (Henseler et al. 2015), or geometric ones, which need no equal loadings (Roemer et al. 2021).
        thresholds : sequence of float, default (0.85, 0.9, 1.0)
            .85 for constructs that differ in concept, .90 for similar ones, 1 for the weakest claim.
        interval : {"percentile", "basic", "normal", "bca", "studentized"}, default "percentile"
            Kind of interval.
        level : float, default 0.95
            Level of the one-sided upper limit (Franke and Sarstedt 2019). A test against zero would mean nothing.
        strata, clusters : str or array-like of shape (n_obs,), optional
            As for :meth:`PLSResult.bootstrap`.

        Returns
        -------
        PLSDiscriminant
            Its ``ratios`` has [construct, other, est, se, ci_lower, ci_upper, below_0.85, ...].

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> res.discriminant(200, seed=1).ratios[["construct", "other", "est", "below_0.85", "below_1"]].round(2)
          construct other   est  below_0.85  below_1
        0         S     Q  1.01       False    False
        """
        from .discriminant import discriminant

        return discriminant(self, n, seed, kind, thresholds, interval, level, strata, clusters)  # type: ignore[arg-type]

    def tetrads(
        self,
        n: int = 5000,
        seed: int | None = None,
        *,
        level: float = 0.95,
        strata: str | ArrayLike | None = None,
        clusters: str | ArrayLike | None = None,
    ) -> PLSTetrads:
        """Test whether blocks of four items or more may be reflective (CTA-PLS, Gudergan et al. 2008).

        Parameters
        ----------
        n : int, default 5000
            Bootstrap replicates.
        seed : int, optional
            Same seed, same numbers.
        level : float, default 0.95
            Confidence level over all tetrads of a construct.
        strata, clusters : str or array-like of shape (n_obs,), optional
            As for :meth:`PLSResult.bootstrap`.

        Returns
        -------
        PLSTetrads
            ``tests`` of every tetrad, ``decisions`` by construct.

        Raises
        ------
        SpecError
            If no construct has four items.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3 + PERQ4; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> res.tetrads(200, seed=1).decisions
                   tetrads  rejected  reflective
        construct
        Q                2         0        True
        """
        from .tetrads import tetrads

        return tetrads(self, n, seed, level, strata, clusters)  # type: ignore[arg-type]
