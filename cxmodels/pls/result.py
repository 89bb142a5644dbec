"""What a fitted PLS path model says, as frames."""

from __future__ import annotations

import warnings as _warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import CxWarning, ReplicateWarning, SpecError, near
from ..resampling import Interval, Sampling, bootstrap, check_interval, check_level
from ..results import Result
from .analyses import Analyses
from .bootstrap import PLSBootstrap, PLSStatistic
from .indexing import Indexing
from .kernel import Array, Estimate
from .layout import Layout
from .pictures import PointPictures

if TYPE_CHECKING:
    from ..moments import WeightedMoments
    from ..survey import Survey
    from .prediction import PLSPrediction
    from .spec import PLS


@dataclass(frozen=True, eq=False, repr=False)
class PLSResult(Analyses, Indexing, PointPictures, Result):
    """A fitted PLS path model; made by :meth:`PLS.fit`.

    Attributes
    ----------
    spec : PLS
        What was fitted.
    n_obs : int
        Rows used.
    excluded : DataFrame
        Rows left out, [reason, rows].
    converged : bool
        Whether the weights settled.
    iterations : int
        Steps taken.
    rows : ndarray of shape (n_obs,)
        Positions of the rows used in the data, from 0.
    warnings : tuple of str
        What was unusual, as also warned.

    Examples
    --------
    >>> import cxmodels as cx
    >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
    >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
    >>> res.paths.round(3)
      outcome predictor    est
    0       S         Q  0.766
    >>> res.reliability.round(2)
               alpha  rho_a  rho_c   ave
    construct
    Q           0.72   0.74   0.84  0.64
    S           0.78   0.78   0.87  0.69
    """

    spec: PLS
    survey: Survey
    rows: np.ndarray
    x: Array
    case_weights: Array | None
    moments: WeightedMoments
    means: Array
    raw_cov: Array
    estimate: Estimate
    layout: Layout
    missing: str
    exclusions: tuple[tuple[str, int], ...]
    warnings: tuple[str, ...]
    events: tuple[tuple[type[CxWarning], str], ...] = ()

    # --- the frames -----------------------------------------------------------------------------------------

    @cached_property
    def paths(self) -> pd.DataFrame:
        """Standardised path coefficients, [outcome, predictor, est]."""
        return self._frame("paths")

    @cached_property
    def weights(self) -> pd.DataFrame:
        """Outer weights that give unit-variance scores, [construct, item, est]."""
        return self._frame("weights")

    @cached_property
    def loadings(self) -> pd.DataFrame:
        """Correlations of items with their construct, disattenuated under PLSc, [construct, item, est]."""
        return self._frame("loadings")

    @cached_property
    def r_squared(self) -> pd.DataFrame:
        """Explained variance by endogenous construct, [r2, r2_adj]."""
        return self._frame("r_squared")

    @cached_property
    def reliability(self) -> pd.DataFrame:
        """Reliability and convergent validity by construct, [alpha, rho_a, rho_c, ave]; single items get 1.

        alpha is standardised; rho_a is 1 for Mode B.
        """
        return self._frame("reliability")

    @cached_property
    def htmt(self) -> pd.DataFrame:
        """Heterotrait-monotrait ratios of absolute correlations, constructs by constructs."""
        return self._frame("htmt")

    @cached_property
    def fornell_larcker(self) -> pd.DataFrame:
        """Correlations of the scores, square root of the AVE on the diagonal."""
        return self._frame("fornell_larcker")

    @cached_property
    def cross_loadings(self) -> pd.DataFrame:
        """Correlations of every item with every score, items by constructs."""
        return self._frame("cross_loadings")

    @cached_property
    def vif(self) -> pd.DataFrame:
        """Variance inflation of the predictors of each equation, [outcome, predictor, vif]; 1 for one alone."""
        return self._frame("vif")

    @cached_property
    def item_vif(self) -> pd.DataFrame:
        """Variance inflation of the items within their construct, [construct, item, vif]."""
        return self._frame("item_vif")

    @cached_property
    def f_squared(self) -> pd.DataFrame:
        """Effect sizes (R² with - R² without) / (1 - R² with), the other scores held fixed, [outcome, predictor, f2]."""
        return self._frame("f_squared")

    @cached_property
    def effects(self) -> pd.DataFrame:
        """Standardised effects along all directed paths, [outcome, predictor, direct, indirect, total]."""
        return self._frame("effects")

    @cached_property
    def correlations(self) -> pd.DataFrame:
        """Correlations of the constructs that the paths rest on, disattenuated under PLSc."""
        names = list(self.layout.constructs)
        return pd.DataFrame(self.estimate.cor[0], names, names)

    @cached_property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]."""
        return pd.DataFrame(list(self.exclusions), columns=["reason", "rows"]).astype({"rows": int})

    @cached_property
    def items(self) -> pd.DataFrame:
        """Items as used, [mean, sd, missing], indexed by item; weighted where the fit is."""
        return pd.DataFrame(
            {"mean": self.means, "sd": np.sqrt(np.diagonal(self.raw_cov)), "missing": np.isnan(self.x).sum(axis=0)},
            index=pd.Index(self.item_names, name="item"),
        )

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Construct scores of the rows used, unit variance, with the data's own index.

        The score of an interaction is the centred product of its two scores, not scaled to unit variance.
        """
        table = self.extended
        means = np.average(table, axis=0, weights=self.case_weights)
        return self._by_row(self.spec.plan.scores(self.estimate, 0, table, means))

    # --- inference ------------------------------------------------------------------------------------------

    def bootstrap(
        self,
        n: int = 5000,
        seed: int | None = None,
        indices: ArrayLike | None = None,
        *,
        interval: Interval = "percentile",
        level: float = 0.95,
        strata: ArrayLike | None = None,
        clusters: ArrayLike | None = None,
        n_jobs: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> PLSBootstrap:
        """Resample respondents and estimate the model anew each time.

        Parameters
        ----------
        n : int, default 5000
            Replicates; enough for stable 95 % limits.
        seed : int, optional
            Same seed, same numbers, whatever `n_jobs`.
        indices : array-like of shape (n, m), optional
            Given resamples: positions (from 0) among the rows used.
        interval : {"percentile", "basic", "normal", "bca", "studentized"}, default "percentile"
            Kind of interval.
        level : float, default 0.95
            Confidence level.
        strata, clusters : str or array-like of shape (n_obs,), optional
            Columns of the data, or labels of the rows used: rows are drawn within strata, and in whole clusters.
        n_jobs : int, default 1
            Workers, through joblib.
        progress : callable, optional
            ``progress(done, total)``.

        Returns
        -------
        PLSBootstrap
            The same frames, long, with se, t, pvalue, ci_lower, ci_upper.

        Raises
        ------
        EstimationError
            If every replicate fails.

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.PLS(cx.acsi.ECSI.syntax).fit(cx.datasets.survey("mobi"))
        >>> boot = res.bootstrap(200, seed=1)
        >>> boot.paths.query("outcome == 'Value'")[["predictor", "est", "se", "ci_lower", "ci_upper"]].round(2)
              predictor   est    se  ci_lower  ci_upper
        9   Expectation  0.05  0.09     -0.11      0.22
        10      Quality  0.56  0.08      0.39      0.72
        """
        check_interval(interval)
        check_level(level)
        sampling = Sampling(self.n_obs, self._labels(strata), self._labels(clusters))
        reps = bootstrap(
            self.statistic(),
            sampling,
            n,
            seed=seed,
            indices=indices,
            interval=interval,
            n_jobs=n_jobs,
            progress=progress,
        )
        if reps.failed:
            _warnings.warn(
                f"{reps.failed} of {reps.n} replicates failed and are left out.", ReplicateWarning, stacklevel=2
            )
        return PLSBootstrap(self, reps, interval, level)

    def predict_oos(
        self,
        folds: int | ArrayLike = 10,
        repeats: int = 10,
        seed: int | None = None,
        *,
        benchmark: Literal["exogenous", "others"] = "exogenous",
    ) -> PLSPrediction:
        """Predict items of respondents who were left out of the estimation (PLSpredict, CVPAT).

        Parameters
        ----------
        folds : int or array-like of shape (n_obs,), default 10
            Number of folds, or the fold of each row used, taken once.
        repeats : int, default 10
            Random divisions into folds.
        seed : int, optional
            Same seed, same folds.
        benchmark : {"exogenous", "others"}, default "exogenous"
            Regressors of the linear benchmark: items of exogenous constructs (Shmueli et al. 2016), or items of all
            other constructs, as seminr takes for direct antecedents.

        Returns
        -------
        PLSPrediction

        Raises
        ------
        SpecError, DataError
            For a wrong number of folds, or fold numbers of the wrong length.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> found = res.predict_oos(folds=5, repeats=1, seed=1)
        >>> found.metrics.query("item == 'CUSA1'")[["approach", "rmse", "q2_predict"]].round(2)
           approach  rmse  q2_predict
        0    direct  0.96        0.39
        3  earliest  0.96        0.39
        """
        from .prediction import predict_oos

        return predict_oos(self, folds, repeats, seed, benchmark)

    def statistic(self, *, weighted: bool = True) -> PLSStatistic:
        """Return the estimator as a function of row weightings, for the resampling engine.

        Parameters
        ----------
        weighted : bool, default True
            Multiply weightings by the case weights; False if they contain them already.

        Returns
        -------
        PLSStatistic
        """
        s = self.spec
        return PLSStatistic(
            s.plan,
            self.moments,
            self.layout,
            self.case_weights if weighted else None,
            self.estimate,
            s.tolerance,
            s.max_iter,
        )

    # --- what it is -----------------------------------------------------------------------------------------

    @property
    def n_obs(self) -> int:
        """Rows used."""
        return len(self.x)

    @property
    def row_index(self) -> pd.Index:
        """Labels of the rows used, as in the data."""
        return self.survey.frame.index[self.rows]

    @property
    def converged(self) -> bool:
        """Whether the weights settled."""
        return bool(self.estimate.converged[0])

    @property
    def iterations(self) -> int:
        """Steps of the algorithm."""
        return int(self.estimate.iterations[0])

    @property
    def model(self) -> Any:
        """The model fitted."""
        return self.spec.model

    def headline(self) -> list[tuple[str, str]]:
        """Model, options, rows and convergence.

        Returns
        -------
        list of (label, value)
        """
        s, d = self.spec, self.layout.design
        name = "Consistent PLS (PLSc)" if s.consistent else "PLS path model"
        mode_b = [c for c, b in zip(self.layout.constructs, d.mode_b, strict=True) if b]
        options = [
            f"{s.scheme} scheme",
            f"Mode B: {', '.join(mode_b)}" if mode_b else "Mode A",
            "standardised items" if s.standardize else "items in their own metric",
        ]
        blanks = int(np.isnan(self.x).sum())
        rows = f"{self.n_obs} used, {int(self.excluded['rows'].sum())} excluded"
        if len(self.excluded):
            rows += " (" + ", ".join(f"{r.rows} {r.reason}" for r in self.excluded.itertuples()) + ")"
        if blanks:
            rows += f"; {blanks} missing answers treated by {self.missing}"
        if self.case_weights is not None:
            rows += "; weighted"
        size = f"{len(self.layout.constructs)} constructs, {len(self.layout.items)} items, {len(self.layout.edges)} paths"
        return [
            (name, size),
            ("Options", ", ".join(options)),
            ("Rows", rows),
            (
                "Converged",
                f"yes, {self.iterations} iterations" if self.converged else f"NO, stopped at {self.iterations}",
            ),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        return {
            "Paths": self.paths.merge(self.f_squared).merge(self.vif),
            "Explained variance": self.r_squared,
            "Reliability and convergent validity": self.reliability,
            "Weights and loadings": self.weights.rename(columns={"est": "weight"}).assign(
                loading=self.loadings["est"], vif=self.item_vif["vif"]
            ),
            "Heterotrait-monotrait ratios": self.htmt,
            "Effects": self.effects,
        }

    # --- internals ------------------------------------------------------------------------------------------

    def _frame(self, name: str) -> pd.DataFrame:
        return self.layout.frame(name, self.estimate)

    @cached_property
    def filled(self) -> Array:
        """Items with blanks at their means."""
        return np.where(np.isnan(self.x), self.means, self.x)

    @cached_property
    def extended(self) -> Array:
        """The same with the products of items that interactions need."""
        return np.hstack([self.filled, self.spec.plan.extend(self.x)[:, self.filled.shape[1] :]])

    @property
    def item_names(self) -> tuple[str, ...]:
        """Observed items, in the order of all item arrays."""
        return self.spec.plan.items

    @property
    def parameters(self) -> int:
        """Outer weights and paths estimated."""
        d = self.layout.design
        return int(d.mask[:, ~d.repeated].sum() + d.arrows.sum())

    @property
    def linear(self) -> tuple[str, ...]:
        """Constructs whose scores are sums of items: all but interactions."""
        return self.layout.constructs[: len(self.layout.constructs) - len(self.spec.plan.terms)]

    @property
    def linear_arrows(self) -> Array:
        """Arrows between these constructs, [outcome, predictor]."""
        j = len(self.linear)
        return self.layout.design.arrows[:j, :j]

    @cached_property
    def raw_weights(self) -> Array:
        """Weights of raw items that give unit-variance scores, items by linear constructs."""
        return self.estimate.item_weights[0][:, : len(self.linear)]

    def _by_row(self, values: Array) -> pd.DataFrame:
        return pd.DataFrame(values, self.row_index, list(self.layout.constructs[: values.shape[1]]))

    def _by_construct(self, values: Array, name: str) -> pd.Series:
        return pd.Series(values, pd.Index(self.linear, name="construct"), name=name)

    def _labels(self, labels: ArrayLike | str | None) -> ArrayLike | None:
        """Labels of the rows used, from a column or as given."""
        if not isinstance(labels, str):
            return labels
        if labels not in self.survey.frame.columns:
            known = map(str, self.survey.frame.columns)
            raise SpecError(f"Column '{labels}' is not in the data.{near(labels, known)}")
        return self.survey.frame[labels].to_numpy()[self.rows]
