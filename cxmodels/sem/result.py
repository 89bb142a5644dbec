"""What a fitted structural equation model says, as frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from ..errors import CxWarning, SpecError
from ..results import Result
from . import assessment, fit, inference
from .diagnose import improper
from .estimate import Estimate, independent
from .inference import Scaled
from .interactions import Interactions
from .measurement import Measurement
from .on_scale import OnScale
from .parameters import Parameters
from .pictures import Pictures
from .prepare import Rows
from .releases import Releases
from .slopes import has_interactions
from .threads import one_thread
from .twolevel import TwoLevelEstimate
from .twolevel_fit import two_level_baseline

if TYPE_CHECKING:
    from ..survey import Survey
    from .bootstrap import SEMBootstrap
    from .spec import SEM

__all__ = ["SEMResult"]


@dataclass(frozen=True, eq=False, repr=False)
class SEMResult(Parameters, Interactions, Measurement, OnScale, Releases, Pictures, Result):
    """A fitted structural equation model; made by :meth:`SEM.fit`.

    Attributes
    ----------
    spec : SEM
        What was fitted.
    estimate : Estimate
        The solution as arrays.
    engine : str
        Whose optimiser found it.

    Examples
    --------
    >>> import cxmodels as cx
    >>> model = "visual =~ x1 + x2 + x3; text =~ x4 + x5 + x6; text ~ visual"
    >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
    >>> res.converged, res.proper, res.n_obs
    (True, True, 301)
    >>> res.paths.round(3)
      outcome predictor    est  std_all     se  pvalue
    0    text    visual  0.503    0.461  0.096     0.0
    >>> res.fit_measures[["chisq", "df", "cfi", "rmsea"]].round(3).to_dict()
    {'chisq': 24.361, 'df': 8.0, 'cfi': 0.975, 'rmsea': 0.082}
    """

    spec: SEM
    estimate: Estimate
    rows: Rows
    row_index: pd.Index | None
    survey: Survey | None
    events: tuple[tuple[type[CxWarning], str], ...]
    engine: str = "cxmodels"

    # --- fit ------------------------------------------------------------------------------------------------

    @cached_property
    @one_thread
    def fit_measures(self) -> pd.Series:
        """Fit measures by lavaan's names; ``_scaled`` and ``_robust`` forms where the test is corrected."""
        e = self.estimate
        found = fit.fit_measures(e, self.baseline, self.scaled, self._baseline_scaled)
        return pd.Series(np.array(list(found.values())), _measure_names(tuple(found)))

    @cached_property
    def r_squared(self) -> pd.DataFrame:
        """Explained variance of items and constructs that depend on something, [name, group, r2]."""
        return assessment.r_squared(self.estimate, self.rows.labels)

    @cached_property
    @one_thread
    def baseline(self) -> Estimate:
        """The independence model, fitted the same way."""
        if isinstance(self.estimate, TwoLevelEstimate):
            return two_level_baseline(self.estimate)
        return independent(self.estimate)

    @cached_property
    @one_thread
    def scaled(self) -> Scaled | None:
        """The corrected test, if the estimator asks for one."""
        return inference.scaled_test(self.estimate)

    @cached_property
    @one_thread
    def _baseline_scaled(self) -> Scaled | None:
        return inference.scaled_test(self.baseline) if self.scaled is not None else None

    @property
    def converged(self) -> bool:
        """Whether the minimum was reached."""
        return self.estimate.minimum.converged

    @cached_property
    def proper(self) -> bool:
        """Whether all variances are positive and the covariance matrices of constructs and residuals possible."""
        return self.converged and not improper(self.estimate)

    @property
    def n_obs(self) -> int:
        """Rows used."""
        return len(self.rows.x) or round(self.estimate.data.n)

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]."""
        return self.rows.excluded

    @property
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """What was unusual, as also warned."""
        return tuple(m for _, m in self.events)

    # --- samples drawn anew ---------------------------------------------------------------------------------

    def simulate(
        self,
        n: int | Sequence[int] | Mapping[Any, int] | None = None,
        *,
        seed: int | None = None,
        latent: bool = False,
        missing: float | Mapping[str, float] = 0.0,
        cluster_size: int | Sequence[int] | None = None,
    ) -> pd.DataFrame:
        """Draw rows from the fitted model, as a parametric bootstrap does.

        Parameters
        ----------
        n : int, or sequence or mapping of int, optional
            Rows in each group; by default as many as were used (and clusters of their mean size).
        seed : int, optional
            Same seed, same rows.
        latent : bool, default False
            Give columns of the constructs too.
        missing : float or mapping of str to float, default 0
            Share of the answers left out completely at random.
        cluster_size : int or sequence of int, optional
            Rows in each cluster of a model with two levels.

        Returns
        -------
        DataFrame
            Normal variables with the moments that the model implies, predictors included; ordinal items with the
            answers of the data; then ``cluster`` and ``group`` where there are several.

        Raises
        ------
        SpecError
            For an improper solution, which is no population.
        """
        from .simulation import Drawing, draw, population_of_result

        groups = np.bincount(self.rows.codes, minlength=len(self.rows.labels))
        if n is None:
            n = [int(k) for k in groups] if len(self.rows.x) else [round(s.n) for s in self.estimate.data.samples]
        if cluster_size is None and self.estimate.table.levels > 1 and self.rows.clusters is not None:
            cluster_size = max(1, round(len(self.rows.x) / len(np.unique(self.rows.clusters))))
        population = population_of_result(self)
        return draw(Drawing(population, n, latent=latent, missing=missing, cluster_size=cluster_size), seed)

    def bootstrap(
        self,
        n: int = 1000,
        *,
        seed: int | None = None,
        interval: str = "percentile",
        level: float = 0.95,
        kind: Literal["nonparametric", "bollen.stine"] = "nonparametric",
        n_jobs: int = 1,
        progress: Any = None,
    ) -> SEMBootstrap:
        """Refit the model to resamples of the rows.

        Parameters
        ----------
        n : int, default 1000
            Replicates.
        seed : int, optional
            Same seed, same numbers.
        interval : {"percentile", "basic", "normal", "bca"}, default "percentile"
        level : float, default 0.95
        kind : {"nonparametric", "bollen.stine"}, default "nonparametric"
            Bollen-Stine resamples data in which the model holds (Bollen and Stine 1992), for the p-value of the
            chi-square.
        n_jobs : int, default 1
        progress : callable, optional
            Called as ``progress(done, total)``.

        Returns
        -------
        SEMBootstrap
            Its ``estimates`` have bootstrap standard errors and intervals; ``failed`` counts replicates without
            a solution.
        """
        from .bootstrap import bootstrap_model

        self._one_level("Bootstrap replicates")
        return bootstrap_model(
            self, n, seed=seed, interval=interval, level=level, kind=kind, n_jobs=n_jobs, progress=progress
        )

    # --- display --------------------------------------------------------------------------------------------

    def _beginning(self, model: str) -> list[tuple[str, str]]:
        """Model, rows and convergence."""
        out = int(self.excluded["rows"].sum()) if len(self.excluded) else 0
        why = ", ".join(f"{r.rows} {r.reason}" for r in self.excluded.itertuples())
        groups = f" in {len(self.rows.labels)} groups" if len(self.rows.labels) > 1 else ""
        state = (
            f"yes, {self.estimate.minimum.iterations} steps"
            if self.converged
            else "NO: read nothing into the numbers"
        )
        rows = [
            ("Model", f"SEM, {model}, {self.estimate.npar} parameters"),
            ("Rows", f"{self.n_obs} used{groups}, {out} excluded" + (f" ({why})" if why else "")),
            ("Converged", state + ("" if self.proper else "; improper solution")),
        ]
        if blocks := [c.name for c in self.spec._measured.constructs if c.kind == "composite"]:
            what = "composite" if self.spec.composites == "composite" else "common factor"
            rows.insert(1, ("Composites", f"{', '.join(blocks)}, fitted as {what}{'s' if len(blocks) > 1 else ''}"))
        if self.rows.design:
            rows.insert(-1, ("Design", self.rows.design))
        if self.engine != "cxmodels":
            rows.insert(1, ("Engine", self.engine))
        return rows

    def headline(self) -> list[tuple[str, str]]:
        """Return model, rows, convergence and test.

        Returns
        -------
        list of (str, str)
            Name and text of each line.
        """
        m, plan = self.fit_measures, self.estimate.plan
        rows = self._beginning(plan.name)
        p = m.get("pvalue_scaled", m["pvalue"])
        unknown = plan.kind == "ULS" and self.scaled is None
        instead = "ULSMV" if self.estimate.data.ordinal else "MLR"
        shown = f"no p: ULS has no chi-square test, use {instead}" if unknown else f"p {p:.3f}"
        test = f"{m.get('chisq_scaled', m['chisq']):.3f}, df {m['df']:.0f}, {shown}"
        rows.append(("Chi-square", test + (f" ({plan.test})" if self.scaled is not None else "")))
        found = {k: m[k + fit.form_of(m, k)] for k in ("cfi", "tli", "rmsea")} | {"srmr": m["srmr"]}
        rows.append(("Fit", ", ".join(f"{k.upper()} {value:.3f}" for k, value in found.items())))
        return rows

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return parameters by kind, and R².

        Returns
        -------
        dict of str to DataFrame
        """
        f = self.estimates
        titles = {
            "=~": "Loadings", "<~": "Composite weights", "~": "Paths", "|": "Thresholds", "~~": "(Co)variances",
            "~1": "Intercepts", ":=": "Defined",
        }  # fmt: skip
        drop = ["group"] if len(self.rows.labels) == 1 else []
        out = {t: f[f["op"] == op].drop(columns=drop) for op, t in titles.items() if (f["op"] == op).any()}
        if len(self.r_squared):
            out["R²"] = self.r_squared
        if has_interactions(self):
            out["Interactions"] = self.interactions
        return out

    def _one_level(self, what: str) -> None:
        if self.estimate.table.levels > 1:
            raise SpecError(f"{what} are offered for models with one level.")

    def _group(self, group: Any) -> int:
        if group is None:
            return 0
        if group not in self.rows.labels:
            from ..errors import listed

            if len(self.rows.labels) == 1:
                raise SpecError(
                    f"There is no group '{group}': the model was fitted to all rows together; leave group= out."
                )
            raise SpecError(f"There is no group '{group}'; groups are {listed(self.rows.labels)}.")
        return self.rows.labels.index(group)


@lru_cache(maxsize=64)
def _measure_names(names: tuple[str, ...]) -> pd.Index:
    """Names of fit measures as an index."""
    return pd.Index(names)
