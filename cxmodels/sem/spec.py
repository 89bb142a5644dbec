"""`SEM`: what to estimate. Fitting it to data gives a `SEMResult`."""

from __future__ import annotations

import warnings as _warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import DataError, SpecError, listed, near
from ..model import Model, parse_model
from ..survey import as_survey
from .composites import expand_composites
from .diagnose import check_model, diagnose, identified_table
from .estimate import Data, Estimate, estimate
from .names import Roles
from .plan import ESTIMATORS, Plan, plan_for
from .planning import Planning
from .prepare import Rows, check_covariance, make_data, take_rows
from .products import centre_products, check_products, expand_products, latent_products, product_items
from .samples import Sample
from .table import EQUAL, Options, build_table
from .threads import one_thread

if TYPE_CHECKING:
    from .result import SEMResult

MISSING = ("listwise", "fiml", "pairwise", "error")


@dataclass(frozen=True)
class SEM(Planning):
    """Structural equation model of means and covariances.

    Parameters
    ----------
    model : str or Model
        Equations in the model language (lavaan's): ``Quality =~ q1 + q2``, ``Satisfaction ~ Quality``.
    estimator : str, default "ML"
        ML, MLM, MLMV, MLR (robust standard errors and tests), GLS, WLS, DWLS, ULS, and for ordinal items WLSMV,
        ULSMV, DWLS. ML becomes MLR where weights, clusters or strata are given, and WLSMV where items are ordinal.
        With heavy tails and fewer than some thousand rows the test of MLM keeps its level better than that of MLR.
    std_lv : bool, default False
        Fix the variances of the constructs at 1 in place of the first loading of each.
    ordered : sequence of str or bool, optional
        Ordinal items; True for all items of the model.
    growth : bool, default False
        Growth curve defaults: intercepts of items zero, means of constructs free.
    mean_structure : bool, default False
        Model the means too. Always on with groups, FIML, ordinal items, intercepts in the model, or growth.
    orthogonal : bool, default False
        Fix the covariances of constructs that are not written at zero.
    fixed_x : bool, default True
        Take the moments of observed predictors as given, and not as parameters, under maximum likelihood and with
        ordinal items; GLS, ULS, DWLS and WLS of numerical items always model them, as in lavaan.
    information : {"expected", "observed"}, optional
        For the standard errors; by default expected for ML, observed for MLR and FIML.
    likelihood : {"normal", "wishart"}, default "normal"
        Divisor n, or n - 1, of the moments under ML.
    parameterization : {"delta", "theta"}, default "delta"
        Scale of the latent responses of ordinal items.
    effect_coding : bool or sequence of {"loadings", "intercepts"}, default ()
        Set the scale of the constructs by the average of their loadings (1) and intercepts (0).
    composites : {"composite", "factor"}, default "composite"
        How to fit a block written with ``<~``: as a composite that its items form (refined Henseler-Ogasawara
        specification), or as a common factor.
    interaction : {"product", "lms"}, default "product"
        How to fit ``y ~ a + z + a:z`` with constructs a and z (or ``a:a``): by products of their items, double-mean-
        centred, under which ML becomes MLR, as products are not normal; or by maximum likelihood with numerical
        integration over the constructs that interact (latent moderated structural equations, complete model normal
        but for the product), which is more precise. Products of observed columns are columns of the data.
    pairs : {"matched", "all"}, default "matched"
        Products of items: each item in one, in the order written (write the most reliable items first), or all, with
        covariances between the errors of products that share an item.
    nodes : int, optional
        Points of the numerical integration in each dimension; by default as many as make the likelihood exact.

    Raises
    ------
    SpecError
        For an unknown option, or a model that no options make sense of.

    Notes
    -----
    Defaults and numbers are those of lavaan 0.6 (Rosseel 2012, Journal of Statistical Software 48(2)).

    Examples
    --------
    >>> import cxmodels as cx
    >>> model = "visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6; speed =~ x7 + x8 + x9"
    >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
    >>> res.fit_measures[["chisq", "df", "cfi", "rmsea"]].round(3).to_dict()
    {'chisq': 85.306, 'df': 24.0, 'cfi': 0.931, 'rmsea': 0.092}
    """

    model: Model | str
    estimator: str = "ML"
    std_lv: bool = False
    ordered: Sequence[str] | bool | None = None
    growth: bool = False
    mean_structure: bool = False
    orthogonal: bool = False
    fixed_x: bool = True
    information: Literal["expected", "observed"] | None = None
    likelihood: Literal["normal", "wishart"] = "normal"
    parameterization: Literal["delta", "theta"] = "delta"
    effect_coding: Sequence[str] | bool = ()
    composites: Literal["composite", "factor"] = "composite"
    interaction: Literal["product", "lms"] = "product"
    pairs: Literal["matched", "all"] = "matched"
    nodes: int | None = None

    def __post_init__(self) -> None:
        model = parse_model(self.model)
        object.__setattr__(self, "model", model)
        for name, known in (
            ("likelihood", ("normal", "wishart")),
            ("parameterization", ("delta", "theta")),
            ("composites", ("composite", "factor")),
            ("interaction", ("product", "lms")),
            ("pairs", ("matched", "all")),
        ):
            if getattr(self, name) not in known:
                raise SpecError(f"{name} is {listed(known)}, not '{getattr(self, name)}'.")
        for name in ("std_lv", "growth", "mean_structure", "orthogonal", "fixed_x"):
            if getattr(self, name) not in (True, False):
                raise SpecError(f"{name} is True or False, not {getattr(self, name)!r}.")
        coding = self.effect_coding
        coding = ("loadings", "intercepts") if coding is True else _names(coding or (), "effect_coding")
        if unknown := [c for c in coding if c not in ("loadings", "intercepts")]:
            raise SpecError(f"effect_coding names '{unknown[0]}'; known are 'loadings' and 'intercepts'.")
        object.__setattr__(self, "effect_coding", coding)
        ordered = self.ordered
        if ordered is True:
            ordered = self._items()
        ordered = _names(ordered or (), "ordered")
        if unknown := [n for n in ordered if n not in self.columns]:
            raise SpecError(
                f"ordered names '{unknown[0]}', which the model does not use.{near(unknown[0], self.columns)}"
            )
        object.__setattr__(self, "ordered", ordered)
        if self.nodes is not None and (not isinstance(self.nodes, int) or not 2 <= self.nodes <= 400):
            raise SpecError(f"nodes is a whole number from 2 to 400, not {self.nodes!r}.")
        self._plan(fiml=False, clustered=False, weighted=False)
        check_model(model)

    @one_thread
    def fit(
        self,
        data: Any,
        *,
        group: str | None = None,
        equal: Iterable[str] | str = (),
        partial: Iterable[str] | str = (),
        missing: Literal["listwise", "fiml", "pairwise", "error"] = "listwise",
        weights: Any = None,
        cluster: str | None = None,
        strata: str | None = None,
        cluster_weights: Any = None,
        engine: Literal["cxmodels", "semopy"] = "cxmodels",
    ) -> SEMResult:
        """Estimate the model.

        Parameters
        ----------
        data : Survey or DataFrame
            One row per respondent; any frame that narwhals supports.
        group : str, optional
            Column that splits the rows into groups, each with parameters of its own.
        equal : str or sequence of str, optional
            What is the same in all groups: loadings, intercepts, means, thresholds, regressions, residuals,
            residual.covariances, lv.variances, lv.covariances.
        partial : str or sequence of str, optional
            Single parameters that may differ all the same, such as ``"x3~1"`` or ``"visual=~x2"``.
        missing : {"listwise", "fiml", "pairwise", "error"}, default "listwise"
            Leave incomplete rows out; use all that was answered (full-information maximum likelihood, right if
            answers are missing at random); take each ordinal correlation from the rows that have both; refuse.
        weights : str or array-like of shape (n,), optional
            Sampling weights, by column or by value; by default those of the survey. Rescaled to sum to n.
        cluster : str, optional
            Column of the sampling unit. Standard errors and test then allow for dependence within it; with
            ``level:`` blocks it is the second level.
        strata : str, optional
            Column of the strata that rows, or clusters, were drawn from. Standard errors and test are then those of
            the design (linearised, with replacement): scores added up in clusters, about the mean of their stratum.
        cluster_weights : str or array-like of shape (n,), optional
            With ``level:`` blocks, weights of the clusters. Those of the rows, `weights`, then count relative to the
            others of their cluster only, and without `cluster_weights` must not differ within clusters.
        engine : {"cxmodels", "semopy"}, default "cxmodels"
            semopy estimates with its own optimiser, to cross-check; all else is computed here.

        Returns
        -------
        SEMResult

        Raises
        ------
        SpecError, DataError, NotIdentifiedError, EstimationError
            Each with the reason in one sentence.
        """
        from .result import SEMResult

        if missing not in MISSING:
            hint = "fiml" if missing in ("ml", "direct") else str(missing)
            raise SpecError(f"Unknown missing='{missing}'; choose from {listed(MISSING)}.{near(hint, MISSING)}")
        if missing == "fiml" and self._ordered:
            raise SpecError(
                "missing='fiml' is maximum likelihood for numerical items; with ordinal items use missing='pairwise' "
                "or 'listwise'."
            )
        model = self._measured
        if self._products and any(kind == "level" for block in model.blocks for kind, _ in block):
            raise SpecError("Interactions of constructs are not offered with level: blocks.")
        if any(kind == "level" for block in model.blocks for kind, _ in block):
            from .twolevel_fit import fit_two_level

            return fit_two_level(
                self, data, group=group, equal=equal, partial=partial, missing=missing, weights=weights,
                cluster=cluster, cluster_weights=cluster_weights, strata=strata,
            )  # fmt: skip
        if cluster_weights is not None:
            raise SpecError("cluster_weights= are for models with level: blocks; weights= has those of the rows.")
        if self._products:
            if engine != "cxmodels" or self._ordered:
                what = "by the semopy engine" if engine != "cxmodels" else "with ordinal items"
                raise SpecError(f"Interactions of constructs are not offered {what}.")
            if self.interaction == "lms":
                from .lms import fit_lms

                return fit_lms(
                    self, data, group=group, equal=equal, partial=partial, missing=missing, weights=weights,
                    cluster=cluster, strata=strata,
                )  # fmt: skip
        survey = as_survey(data)
        rows = take_rows(
            survey, self.columns, group=group, missing=missing, weights=weights, cluster=cluster, strata=strata,
            needed=self._given(missing), ordered=self._ordered,
        )  # fmt: skip
        plan = self._plan(
            fiml=missing == "fiml", clustered=rows.units[0] is not None, weighted=rows.weights is not None
        )
        ordered = self._ordered
        if missing == "pairwise" and not ordered:
            raise SpecError(
                "missing='pairwise' is for ordinal items; use missing='fiml', which uses all answers too."
            )
        options = self.options(rows, equal=equal, partial=partial, ordered=ordered, means=missing == "fiml")
        rows = centre_products(rows, product_items(model))
        model = expand_composites(model, len(rows.labels), self.composites == "factor")
        if ordered and model is not self._measured and self.composites == "composite":
            raise SpecError("Composites (<~) of ordinal items are not offered; use composites='factor', or cx.PLS.")
        table = identified_table(model, options)
        sample = make_data(rows, table, plan, missing, ordered)
        if engine == "semopy":
            from .semopy_engine import estimate_with_semopy

            found, events = estimate_with_semopy(self, table, sample, plan, survey, rows)
        elif engine == "cxmodels":
            found, events = self._turned(estimate(table, sample, plan), rows, options, missing), []
        else:
            raise SpecError(f"engine is 'cxmodels' or 'semopy', not '{engine}'.")
        events = [*events, *diagnose(found, rows)]
        for category, message in events:
            _warnings.warn(message, category, stacklevel=3)
        return SEMResult(
            spec=self,
            estimate=found,
            rows=rows,
            row_index=survey.frame.index[rows.keep],
            survey=survey,
            events=tuple(events),
            engine=engine,
        )

    @one_thread
    def fit_moments(
        self,
        cov: Any,
        n: int,
        means: Any = None,
        *,
        equal: Iterable[str] | str = (),
        partial: Iterable[str] | str = (),
    ) -> SEMResult:
        """Estimate the model from a covariance matrix.

        Parameters
        ----------
        cov : DataFrame
            Covariances with divisor n - 1, items as index and columns; only the lower triangle may be filled. For
            several groups a mapping of label to DataFrame.
        n : int
            Rows behind it; for several groups a mapping of label to int.
        means : Series, optional
            Means by item, if they are modelled.
        equal, partial : optional
            As for :meth:`fit`.

        Returns
        -------
        SEMResult
            Without what needs rows: robust tests, scores, bootstrap.

        Raises
        ------
        SpecError, DataError, NotIdentifiedError, EstimationError
            Each with the reason in one sentence.

        Examples
        --------
        >>> import pandas as pd
        >>> import cxmodels as cx
        >>> names = ["a", "b", "c"]
        >>> cov = pd.DataFrame([[1, 0.5, 0.4], [0.5, 1, 0.3], [0.4, 0.3, 1]], index=names, columns=names)
        >>> res = cx.SEM("f =~ a + b + c").fit_moments(cov, 200)
        >>> res.estimates.query("op == '=~'")[["rhs", "std_all"]].round(3)
          rhs  std_all
        0   a    0.816
        1   b    0.612
        2   c    0.490
        """
        from .moments_input import moments_rows
        from .result import SEMResult

        if self._products:
            raise SpecError("Interactions of constructs need the rows of the data, not their moments.")
        plan = self._plan(fiml=False, clustered=False, weighted=False)
        if self._ordered or plan.se != "standard" or plan.kind in ("WLS", "DWLS"):
            raise SpecError(
                f"Estimator {plan.name} needs the rows of the data, not their moments; use ML, GLS or ULS."
            )
        samples, labels = moments_rows(self.columns, cov, n, means, self.mean_structure or self.growth)
        rows = Rows(self.columns, np.empty((0, 0)), np.empty(0, bool), np.empty(0, np.intp), labels, None, None)
        options = self.options(rows, equal=equal, partial=partial, ordered=(), means=means is not None)
        table = identified_table(expand_composites(self._model, len(labels), self.composites == "factor"), options)
        ready = []
        for number, s in enumerate(samples):
            at = [self.columns.index(name) for name in table.roles[number].observed]
            cut = Sample(s.n, s.mean[at], s.cov[np.ix_(at, at)])
            where = f" of group '{labels[number]}'" if len(labels) > 1 else ""
            check_covariance(cut.cov, table.roles[number].observed, int(s.n), where)
            ready.append(cut)
        found = estimate(table, Data(tuple(ready)), plan)
        events = diagnose(found, rows)
        for category, message in events:
            _warnings.warn(message, category, stacklevel=3)
        return SEMResult(self, found, rows, None, None, tuple(events), "cxmodels")

    def options(
        self,
        rows: Rows,
        *,
        equal: Iterable[str] | str,
        partial: Iterable[str] | str,
        ordered: Sequence[str],
        means: bool,
    ) -> Options:
        """Resolve what decides the default parameters, for given rows.

        Parameters
        ----------
        rows : Rows
            Those that are modelled, with their groups.
        equal, partial : str or sequence of str
            As for :meth:`fit`.
        ordered : sequence of str
            Items that are ordinal.
        means : bool
            Whether there are means to model.

        Returns
        -------
        Options

        Raises
        ------
        SpecError
            For an unknown kind of parameter, or groups that are compared where there are none.
        """
        equal, partial = _names(equal, "equal"), _names(partial, "partial")
        if unknown := [w for w in equal if w not in EQUAL]:
            raise SpecError(f"equal names '{unknown[0]}'; known are {listed(EQUAL, 9)}.{near(unknown[0], EQUAL)}")
        if (equal or partial) and len(rows.labels) < 2:
            raise SpecError("equal= and partial= compare groups; name the column with group=.")
        if partial and not equal:
            raise SpecError(
                "partial= lets single parameters differ that equal= holds equal; name those in equal= too."
            )
        thresholds = {}
        place = {n: i for i, n in enumerate(rows.names)}
        for name in ordered:
            column = rows.x[:, place[name]]
            count = len(np.unique(column[~np.isnan(column)]))
            if count > 50:
                raise DataError(f"Ordinal item '{name}' has {count} different values; it is rather numerical.")
            thresholds[name] = count - 1
        written = any(r.op == "~1" for r in self._model.rows)
        means = bool(
            means or self.mean_structure or self.growth or ordered or written or len(rows.labels) > 1
            or "intercepts" in self.effect_coding or rows.units[0] is not None  # type: ignore[operator]
        )  # fmt: skip
        return Options(
            means=means,
            std_lv=self.std_lv,
            orthogonal=self.orthogonal,
            growth=self.growth,
            fixed_x=self.fixed_x and bool(ordered or ESTIMATORS[str(self.estimator).upper()][0] == "ML"),
            theta=self.parameterization == "theta",
            effect_coding=self.effect_coding,  # type: ignore[arg-type]
            thresholds=thresholds,
            groups=tuple(str(x) for x in rows.labels),
            equal=equal,
            partial=partial,
        )

    def _given(self, missing: str) -> tuple[str, ...]:
        """Predictors that ordinal items are regressed on and that pairwise deletion cannot do without."""
        if not self._ordered:
            return ()
        exogenous = Roles.of([r for r in self._model.rows if r.block]).exogenous if self.fixed_x else ()
        if wrong := [n for n in exogenous if n in self._ordered]:
            raise SpecError(
                f"ordered names {listed(wrong)}, an observed predictor: a regression takes it as it is, so leave it out of "
                f"ordered, use indicator variables of its categories, or give it a variance ('{wrong[0]} ~~ {wrong[0]}')."
            )
        return exogenous if missing == "pairwise" else ()

    def _turned(self, found: Estimate, rows: Rows, options: Options, missing: str) -> Estimate:
        """Compare the items of composites with another one, where the weight of the first is nearly nothing."""
        sizes = [len(c.items) for c in self._model.constructs if c.kind == "composite"]
        hopeless = found.plan.fiml and found.data.n <= found.npar  # no maximum, whatever the items are compared with
        if found.minimum.converged or self.composites == "factor" or not sizes or hopeless:
            return found
        for turn in range(1, max(sizes)):
            table = build_table(expand_composites(self._measured, len(rows.labels), False, turn), options)
            other = estimate(table, make_data(rows, table, found.plan, missing, ()), found.plan)
            if other.minimum.converged:
                return other
        return found

    def _plan(self, *, fiml: bool, clustered: bool, weighted: bool) -> Plan:
        name = self.estimator.upper() if isinstance(self.estimator, str) else ""
        if name == "ML" and self.interaction == "product" and not self._ordered and self._products:
            name = "MLR"
        if self._ordered:
            name = "WLSMV" if name == "ML" else name
            if name.startswith("ML") or name == "GLS":
                raise SpecError(f"Estimator {name} is not for ordinal items; use WLSMV, ULSMV, DWLS, ULS or WLS.")
        elif name in ("WLSMV", "ULSMV", "WLSM", "ULSM"):
            raise SpecError(f"Estimator {name} is for ordinal items; name them with ordered=[...], or use MLR.")
        return plan_for(
            name or self.estimator, information=self.information, fiml=fiml, clustered=clustered, weighted=weighted,
            wishart=self.likelihood == "wishart", ordinal=bool(self._ordered),
        )  # fmt: skip

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Variables that the equations use; the interaction of two columns is one, ``a:b``."""
        model = self._measured
        every = dict.fromkeys((*model.observed, *(name for name, _ in model.interactions)))
        used = {name for r in model.rows for name in (r.lhs, r.rhs)} - {c.name for c in model.constructs}
        return tuple(n for n in every if n in used)

    def _items(self) -> tuple[str, ...]:
        exogenous = Roles.of([r for r in self._model.rows if r.block]).exogenous
        return tuple(n for n in self.columns if n not in exogenous)

    @property
    def _model(self) -> Model:
        return self.model  # type: ignore[return-value]

    @cached_property
    def _products(self) -> bool:
        """Whether constructs interact."""
        return bool(latent_products(self._model))

    @cached_property
    def _measured(self) -> Model:
        """The model with products of constructs measured by products of items; without them for LMS."""
        model = self._model
        if not self._products:
            return model
        check_products(model)
        if self.interaction == "lms":
            from .lms import without_products

            return without_products(model)
        if self.std_lv or "loadings" in self.effect_coding:  # type: ignore[operator]
            name = next(iter(latent_products(model)))
            raise SpecError(
                f"The interaction '{name}' has the scale of the markers of its parts, which std_lv= and effect_coding= leave "
                "out; use neither (standardised effects are in the result's interactions), or interaction='lms'."
            )
        return expand_products(model, self.pairs)

    @property
    def _ordered(self) -> tuple[str, ...]:
        return tuple(self.ordered or ())  # type: ignore[arg-type]


def _names(given: Iterable[str] | str, what: str) -> tuple[str, ...]:
    """One name or several."""
    if isinstance(given, str):
        return (given,)
    try:
        found = tuple(given)
    except TypeError:
        raise SpecError(f"{what} takes names, not {given!r}.") from None
    if not all(isinstance(x, str) for x in found):
        raise SpecError(f"{what} takes names, not {given!r}.")
    return found
