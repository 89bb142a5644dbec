"""What a fitted structural equation model says, as frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import CxWarning, SpecError
from ..results import Result, axes
from . import assessment, fit, inference
from .composites import is_hidden, weight_of
from .constraints import defined_values
from .diagnose import improper
from .estimate import Estimate, independent
from .inference import Scaled
from .measurement import Measurement
from .objective import expand
from .on_scale import OnScale
from .pictures import Pictures
from .prepare import Rows
from .releases import Releases
from .slopes import has_interactions, interactions, simple_slopes
from .standardize import KINDS, complex_jacobian, standardized, standardized_se
from .table import Table
from .threads import one_thread
from .twolevel import TwoLevelEstimate
from .twolevel_fit import two_level_baseline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..survey import Survey
    from .bootstrap import SEMBootstrap
    from .spec import SEM

Array = NDArray[Any]

__all__ = ["SEMResult"]


@dataclass(frozen=True, eq=False, repr=False)
class SEMResult(Measurement, OnScale, Releases, Pictures, Result):
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

    # --- parameters -----------------------------------------------------------------------------------------

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """All parameters, [lhs, op, rhs, group, label, est, se, z, pvalue, ci_lower, ci_upper, std_lv, std_all].

        In lavaan's order, ``:=`` last; fixed ones have se 0. Intervals are 95 % and normal. With two levels there
        is a column ``level`` too.
        """
        return self.parameters()

    def parameters(self, level: float = 0.95) -> pd.DataFrame:
        """Return :attr:`estimates` with intervals of another level.

        Parameters
        ----------
        level : float, default 0.95
            Confidence level.

        Returns
        -------
        DataFrame

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "visual =~ x1 + x2 + x3; text =~ x4 + x5 + x6; text ~ visual"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> res.parameters(level=0.9).query("op == '~'")[["lhs", "rhs", "est", "ci_lower", "ci_upper"]].round(2)
            lhs     rhs  est  ci_lower  ci_upper
        6  text  visual  0.5      0.35      0.66
        """
        from scipy.special import ndtr, ndtri

        if not 0 < level < 1:
            raise SpecError(f"The confidence level must lie between 0 and 1, not {level}.")
        est, se = self._with_defined(self.estimate.values), self.standard_errors
        with np.errstate(invalid="ignore", divide="ignore"):
            z = np.where(se > 0, est / se, np.nan)
        width = -ndtri((1 - level) / 2) * se
        numbers = {
            "est": est, "se": se, "z": z, "pvalue": 2 * ndtr(-np.abs(z)),
            "ci_lower": est - width, "ci_upper": est + width,
        }  # fmt: skip
        standard = {k: self._standardized[k] for k in ("std_lv", "std_all")}
        return self.shown(pd.DataFrame({**self._names, **numbers, **standard}))

    def shown(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame with a row for every parameter without those that only serve composites.

        Parameters
        ----------
        frame : DataFrame
            Rows in the order of the parameter table.

        Returns
        -------
        DataFrame
        """
        weights = [weight_of(d) for d, _ in self.estimate.table.defined]
        if not any(weights):
            return frame
        frame = frame.copy()
        first = len(self.estimate.table.entries)
        for i, found in enumerate(weights, first):
            if found is not None:
                composite, item, group = found
                frame.loc[i, ["lhs", "op", "rhs", "group"]] = [composite, "<~", item, self.rows.labels[group]]
        if "label" in frame:
            frame.loc[frame["label"].map(is_hidden) | frame["label"].str.startswith("<~"), "label"] = ""
        return frame[~frame["lhs"].map(is_hidden)].reset_index(drop=True)

    @cached_property
    def _keys(self) -> pd.DataFrame:
        """Names of all parameters."""
        return pd.DataFrame(self._names)

    @property
    def _names(self) -> dict[str, Any]:
        """Names of all parameters, by column."""
        return _name_columns(self.estimate.table, self.rows.labels)

    def _with_defined(self, values: Array) -> Array:
        return np.concatenate([values, defined_values(self.estimate.table, values)], axis=-1)

    @cached_property
    @one_thread
    def free_vcov(self) -> Array:
        """Covariance matrix of the distinct free parameters as an array, (q, q)."""
        return inference.covariance(self.estimate)

    @cached_property
    @one_thread
    def standard_errors(self) -> Array:
        """Standard errors of all rows of :attr:`estimates`; 0 where fixed."""
        e = self.estimate

        def function(x: Array) -> Array:
            return self._with_defined(expand(e.table, e.base, x))

        jacobian = complex_jacobian(function, e.x) if e.table.defined else None
        variance = np.maximum(np.diagonal(self.free_vcov), 0.0)
        se = np.zeros(len(e.table.entries))
        free = e.table.index >= 0
        se[free] = np.sqrt(variance[e.table.index[free]])
        if jacobian is None:
            return se
        tail = jacobian[len(se) :]
        defined = np.sqrt(inference.delta_variances(tail, self.free_vcov))
        known = np.isfinite(self._with_defined(e.values)[len(se) :])
        return np.concatenate([se, np.where(known, defined, np.nan)])

    @cached_property
    def vcov(self) -> pd.DataFrame:
        """Covariance matrix of the estimates of the distinct free parameters, named by label or equation."""
        names = self.parameter_names
        return pd.DataFrame(self.free_vcov, names, names)

    @cached_property
    def parameter_names(self) -> list[str]:
        """Names of the distinct free parameters: their label, or ``lhs op rhs`` (and ``.group``)."""
        t = self.estimate.table
        out = []
        for q in range(t.size):
            e = t.entries[int(np.flatnonzero(t.index == q)[0])]
            name = e.label or f"{e.lhs}{e.op}{e.rhs}"
            out.append(name if e.label or len(self.rows.labels) == 1 else f"{name}.{self.rows.labels[e.group]}")
        return out

    @cached_property
    @one_thread
    def _standardized(self) -> dict[str, Array]:
        e = self.estimate
        return {k: self._with_defined(standardized(e, e.values, k, e.states)) for k in ("std_lv", "std_all")}

    @cached_property
    @one_thread
    def standardized(self) -> pd.DataFrame:
        """Standardised solutions, [lhs, op, rhs, group, std_lv, std_all, std_nox], each followed by its `_se`.

        std_lv: constructs have unit variance; std_all: items too; std_nox: but not fixed predictors. Delta method.
        """
        frame = self._keys.drop(columns="label")
        for k in KINDS:
            frame[k] = self._with_defined(standardized(self.estimate, self.estimate.values, k))
            frame[f"{k}_se"] = standardized_se(self.estimate, self.free_vcov, k)
        return self.shown(frame)

    @cached_property
    def r_squared(self) -> pd.DataFrame:
        """Explained variance of items and constructs that depend on something, [name, group, r2]."""
        return assessment.r_squared(self.estimate, self.rows.labels)

    @cached_property
    def paths(self) -> pd.DataFrame:
        """Structural paths, [outcome, predictor, est, std_all, se, pvalue] (and group)."""
        f = self.estimates[self.estimates["op"] == "~"]
        frame = f.rename(columns={"lhs": "outcome", "rhs": "predictor"})
        columns = ["outcome", "predictor", *(["group"] if len(self.rows.labels) > 1 else [])]
        return frame[[*columns, "est", "std_all", "se", "pvalue"]].reset_index(drop=True)

    # --- interactions ---------------------------------------------------------------------------------------

    @cached_property
    @one_thread
    def interactions(self) -> pd.DataFrame:
        """Interactions, [outcome, predictor, est, se, z, pvalue, ci_lower, ci_upper, std, std_se] (and group).

        `std` is the appropriately standardised effect, in standard deviations of the outcome per standard deviation of
        each part, b sd(a) sd(z) / sd(y) (Wen, Marsh and Hau 2010, Structural Equation Modeling 17, equation 12); std_all
        divides by the standard deviation of the product, which nobody can read.
        """
        return interactions(self)

    @one_thread
    def simple_slopes(self, levels: Sequence[float] = (-1.0, 0.0, 1.0), *, level: float = 0.95) -> pd.DataFrame:
        """Return the slope of a predictor at levels of its moderator.

        Parameters
        ----------
        levels : sequence of float, default (-1, 0, 1)
            In standard deviations of the moderator from its mean.
        level : float, default 0.95
            Confidence level of the intervals.

        Returns
        -------
        DataFrame
            [outcome, predictor, moderator, level, est, se, z, pvalue, ci_lower, ci_upper], each part of an interaction
            as predictor in turn, b_x + b_xz z in the units of the model; for a quadratic term the slope of the curve,
            b_x + 2 b_xx x. Delta method, the standard deviation of the moderator being estimated too.

        Raises
        ------
        SpecError
            For a model without interactions.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "V =~ x1 + x2 + x3; T =~ x4 + x5 + x6; S =~ x7 + x8 + x9; T ~ V + S + V:S"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> res.simple_slopes().query("predictor == 'V'")[["level", "est", "se"]].round(2)
           level   est    se
        0   -1.0  0.26  0.20
        1    0.0  0.44  0.10
        2    1.0  0.63  0.17
        """
        return simple_slopes(self, levels, level)

    def plot_slopes(
        self,
        predictor: str,
        outcome: str | None = None,
        levels: Sequence[float] = (-1.0, 0.0, 1.0),
        ax: Axes | None = None,
    ) -> Axes:
        """Draw an outcome against a predictor at levels of its moderator.

        Parameters
        ----------
        predictor : str
            On the horizontal axis; a quadratic term gives its curve with the slopes at the levels.
        outcome : str, optional
            By default the first that the interaction predicts.
        levels : sequence of float, default (-1, 0, 1)
            Of the moderator, in standard deviations.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        Axes
            In standard deviations, other variables at their means; of several groups the first.

        Raises
        ------
        SpecError
            If no interaction involves the predictor, or as :meth:`simple_slopes`.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> import cxmodels as cx
        >>> model = "V =~ x1 + x2 + x3; T =~ x4 + x5 + x6; S =~ x7 + x8 + x9; T ~ V + S + V:S"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> figure = Figure()
        >>> ax = res.plot_slopes("V", ax=figure.subplots())
        >>> figure.savefig("picture.png", dpi=300)  # doctest: +SKIP
        """
        return axes("latent_slopes", self, predictor, outcome, levels, ax)

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

    # --- fit ------------------------------------------------------------------------------------------------

    @cached_property
    @one_thread
    def fit_measures(self) -> pd.Series:
        """Fit measures by lavaan's names; ``_scaled`` and ``_robust`` forms where the test is corrected."""
        e = self.estimate
        found = fit.fit_measures(e, self.baseline, self.scaled, self._baseline_scaled)
        return pd.Series(np.array(list(found.values())), _measure_names(tuple(found)))

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

    # --- what to change -------------------------------------------------------------------------------------

    # --- replicates -----------------------------------------------------------------------------------------

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
            Bollen-Stine resamples data in which the model holds, for the p-value of the chi-square.
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


@lru_cache(maxsize=64)
def _name_columns(t: Table, labels: tuple[Any, ...]) -> dict[str, Any]:
    """Names of all parameters of a table, by column; kept with it, as text costs more than numbers."""
    names = [d for d, _ in t.defined]
    columns: dict[str, list[Any]] = {
        "lhs": [*(e.lhs for e in t.entries), *names],
        "op": [*(e.op for e in t.entries), *(":=" for _ in names)],
        "rhs": [*(e.rhs for e in t.entries), *(x.text for _, x in t.defined)],
        "group": [*(labels[e.group] for e in t.entries), *("" for _ in names)],
        "label": [*(e.label for e in t.entries), *names],
    }
    if t.levels > 1:
        columns["level"] = [*(str(e.level + 1) for e in t.entries), *("" for _ in names)]
    return {name: pd.Series(values).array for name, values in columns.items()}
