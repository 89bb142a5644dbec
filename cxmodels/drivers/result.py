"""What follows from a driver analysis: inference, segments, and the whole deliverable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .. import index as ix
from ..errors import CxError
from ..inference import choose
from ..resampling import Interval
from .bootstrap import DriverBootstrap, random_test, run
from .decisions import Decisions
from .table import MISSING

if TYPE_CHECKING:
    from .deliverable import DriverReport
    from .segments import Segments


@dataclass(frozen=True, eq=False, repr=False)
class DriverResult(Decisions):
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
