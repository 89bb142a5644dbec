"""`PLS`: what to estimate. Fitting it to data gives a `PLSResult`."""

from __future__ import annotations

import warnings as _warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from ..errors import (
    DataError,
    NotIdentifiedError,
    SpecError,
    SpecWarning,
    listed,
    near,
)
from ..model import Model, parse_model
from ..moments import WeightedMoments
from ..survey import Survey, as_survey
from ..survey.validation import array_problems, raise_for
from . import kernel
from .diagnose import diagnose
from .layout import Layout
from .planning import make_plan
from .result import PLSResult
from .rules import SCHEMES, check_options, check_structure, make_design, structural_notes
from .stages import Plan
from .table import Table, rows_used, treatment

__all__ = ["MISSING", "PLS", "SCHEMES"]

MISSING = ("mean", "listwise", "pairwise", "error")


@dataclass(frozen=True)
class PLS:
    """Partial least squares path model.

    Parameters
    ----------
    model : str or Model
        Constructs and paths in the model language: ``Quality =~ q1 + q2`` and ``Satisfaction ~ Quality``.
    scheme : {"path", "factorial", "centroid", "gsca"}, default "path"
        Inner weighting. Path weighting knows the direction of the arrows and gives the highest R²; the ECSI
        literature used the centroid scheme. The choice rarely matters beyond the second decimal. ``"gsca"`` takes the
        weights of generalised structured component analysis instead, which minimise the residuals of items and
        constructs together (Hwang and Takane 2004); Mode B constructs count by their paths alone.
    modes : mapping of construct to {"A", "B"}, optional
        Mode A (correlation weights) for constructs not named; Mode B takes regression weights.
    consistent : bool, default False
        Correct constructs measured by ``=~`` with two items or more for attenuation (PLSc), so that paths and
        loadings estimate those of a common factor model.
    standardize : bool, default True
        Bring items to unit variance first. False keeps their metric, as the ECSI literature did: then items
        should share one scale, and weights refer to raw items.
    interaction : {"two_stage", "product_indicator", "orthogonal"}, default "two_stage"
        How a term such as ``Image:Value`` is formed: the product of the two scores of a model without it (best power and
        recovery in Henseler and Chin 2010, and the only one for formative constructs), products of all items, or
        these with what the items (and products of fewer) explain taken out. The path is per unit of the product of
        standardised scores. Three-way terms ``A:B:C`` need ``A:B``, ``A:C`` and ``B:C`` in the equation.
    higher_order : {"two_stage", "embedded_two_stage", "repeated_indicators"}, default "two_stage"
        Constructs measured by constructs. ``"two_stage"`` (disjoint): the dimensions are estimated first, in the place
        of the higher-order construct, and their scores are its items. ``"embedded_two_stage"``: the first stage holds the
        higher-order construct with repeated items too, and all constructs keep their scores of it.
        ``"repeated_indicators"``: one stage, in which the construct has all items of its dimensions. A construct written
        ``<~``, or of Mode B, is formed by its dimensions, others are reflected in them; Mode B is usual for the
        former. Under repeated indicators dimensions explain a formed construct wholly: paths from its predictors
        lead to the dimensions too, and their total effects in ``effects`` are what to read (Becker et al. 2023).
    tolerance : float, default 1e-10
        Stop when the weights change by less than this in total.
    max_iter : int, default 300
        Iterations before a ConvergenceWarning.

    Attributes
    ----------
    design : Design
        The model as arrays.
    constructs : tuple of str
        Names of the constructs, in the order of all arrays.

    Raises
    ------
    SpecError
        For a model without paths, a construct without items or without a path, a cycle (named), an unknown
        scheme, mode or construct.

    Notes
    -----
    Case weights enter through the moments only (weighted PLS): weighted means, variances and covariances, the
    same algorithm. Whole-number weights give the estimates of the table with rows repeated. Every construct is
    signed so that its loadings have a positive sum; scores have unit variance.

    Sources: Wold (1982); Lohmöller (1989); Dijkstra and Henseler (2015) for PLSc; Becker and Ismail (2016),
    European Management Journal 34(6), for weights.

    Examples
    --------
    >>> import cxmodels as cx
    >>> model = '''
    ... Image =~ IMAG1 + IMAG2 + IMAG3
    ... Satisfaction =~ CUSA1 + CUSA2 + CUSA3
    ... Loyalty =~ CUSL1 + CUSL3
    ... Satisfaction ~ Image
    ... Loyalty ~ Image + Satisfaction
    ... '''
    >>> res = cx.PLS(model).fit(cx.datasets.load("mobi"))
    >>> res.paths.round(3)
            outcome     predictor    est
    0  Satisfaction         Image  0.619
    1       Loyalty         Image  0.073
    2       Loyalty  Satisfaction  0.612
    """

    model: Model | str
    scheme: Literal["path", "factorial", "centroid", "gsca"] = "path"
    modes: Mapping[str, str] | None = None
    consistent: bool = False
    standardize: bool = True
    interaction: Literal["two_stage", "product_indicator", "orthogonal"] = "two_stage"
    higher_order: Literal["two_stage", "embedded_two_stage", "repeated_indicators"] = "two_stage"
    tolerance: float = field(default=1e-10, kw_only=True)
    max_iter: int = field(default=300, kw_only=True)
    plan: Plan = field(init=False, repr=False, compare=False)
    design: kernel.Design = field(init=False, repr=False, compare=False)
    constructs: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _items: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _edges: np.ndarray = field(init=False, repr=False, compare=False)
    _notes: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        model = parse_model(self.model)
        put(self, "model", model)
        check_options(self)
        names = tuple(c.name for c in model.constructs)
        modes = dict(self.modes or {})
        for name, mode in modes.items():
            if name not in names:
                raise SpecError(f"modes names '{name}', which is not a construct of the model.{near(name, names)}")
            if mode not in ("A", "B"):
                raise SpecError(f"The mode of '{name}' is {mode!r}; choose 'A' or 'B'.")
        put(self, "modes", modes)
        notes = check_structure(model)
        kinds = {c.name: c.kind for c in model.constructs}
        formed = frozenset(n for n, kind in kinds.items() if kind == "composite" or modes.get(n) == "B")
        design = partial(make_design, self, kinds)
        plan = make_plan(model, self.interaction, self.higher_order, formed, self.consistent, design)
        notes += structural_notes(self, plan)
        for message in notes:
            _warnings.warn(message, SpecWarning, stacklevel=3)
        place = {name: i for i, name in enumerate(plan.constructs)}
        put(self, "_notes", tuple(notes))
        put(self, "plan", plan)
        put(self, "constructs", plan.constructs)
        put(self, "_items", plan.items)
        put(self, "_edges", np.array([(place[y], place[x]) for y, x in plan.paths]))
        put(self, "design", plan.final)

    def fit(
        self,
        data: Any,
        *,
        weights: Any = None,
        missing: Literal["mean", "listwise", "pairwise", "error"] = "mean",
    ) -> PLSResult:
        """Estimate the model.

        Parameters
        ----------
        data : Survey or DataFrame
            One row per respondent; any frame that narwhals supports.
        weights : str or array-like of shape (n,), optional
            Case weights, by column or by value; by default those of the survey. Any positive scale; rows with
            weight zero are left out.
        missing : {"mean", "listwise", "pairwise", "error"}, default "mean"
            ``"mean"`` replaces an answer by the item's weighted mean, as SmartPLS and seminr do by default: no
            respondent is lost, correlations shrink a little. ``"listwise"`` leaves incomplete rows out.
            ``"pairwise"`` takes each covariance from the rows that have both items; scores then use the mean
            for what is missing. ``"error"`` refuses.

        Returns
        -------
        PLSResult

        Raises
        ------
        DataError
            For unknown, text, constant, empty or infinite items, bad weights, fewer rows than parameters, or
            items of a Mode B construct that determine one another.
        NotIdentifiedError
            For predictors of one construct that determine one another, or a construct without any correlation
            with its neighbours.
        """
        if missing not in MISSING:
            raise SpecError(f"Unknown missing='{missing}'; choose from {listed(MISSING)}.{near(missing, MISSING)}")
        survey = as_survey(data)
        table = self.table(survey.numeric(self._items), survey.case_weights(weights), missing)
        est = self.plan.run(
            table.means, table.cov, table.moments.center, tolerance=self.tolerance, max_iter=self.max_iter
        )
        rows = np.arange(len(survey)) if table.keep is None else np.flatnonzero(table.keep)
        result = self.conclude(survey, rows, table, est)
        for category, message in result.events:
            _warnings.warn(message, category, stacklevel=2)
        return result

    def table(self, x: np.ndarray, case: np.ndarray | None, missing: str) -> Table:
        """Return the rows used of some answers and their moments, after all checks that need no estimate.

        Parameters
        ----------
        x : ndarray of shape (n, items)
            Answers, blanks as NaN.
        case : ndarray of shape (n,) or None
            Case weights.
        missing : str
            As for :meth:`fit`.

        Returns
        -------
        Table

        Raises
        ------
        DataError
            As for :meth:`fit`.
        """
        plan, items = self.plan, self._items
        x, case, keep, exclusions = rows_used(x, np.isnan(x), case, missing, items)
        self._check_rows(len(x), exclusions)
        raise_for(array_problems(x, list(items), constant=True))
        self._check_size(x)
        if plan.terms and missing == "pairwise" and np.isnan(x).any():
            raise SpecError(
                "Interactions need complete rows or means in place of blanks; use missing='mean' or 'listwise'."
            )
        moments = WeightedMoments(plan.extend(x), treatment(x, missing))
        means, cov = moments(None if case is None else case[None])
        self._check_moments(plan.observed(means, cov)[1][0], moments)
        return Table(x, case, keep, exclusions, moments, means, cov, missing)

    def conclude(self, survey: Survey, rows: np.ndarray, table: Table, est: kernel.Estimate) -> PLSResult:
        """Return the result that an estimate from a table gives, after the checks of the estimate.

        Parameters
        ----------
        survey : Survey
            The data.
        rows : ndarray of int
            Positions in it of the rows used.
        table : Table
        est : Estimate
            One line.

        Returns
        -------
        PLSResult

        Raises
        ------
        NotIdentifiedError
            As for :meth:`fit`.
        """
        self._check_identified(est)
        means, cov = self.plan.observed(table.means, table.cov)
        layout = self._layout(len(table.x))
        events = diagnose(est, layout.design, layout, table.missing)
        if layout.first is not None and est.first is not None:
            events += diagnose(est.first, layout.first.design, layout.first, table.missing, layout.dimensions)
        return PLSResult(
            spec=self,
            survey=survey,
            rows=rows,
            x=table.x,
            case_weights=table.case,
            moments=table.moments,
            means=means[0],
            raw_cov=cov[0],
            estimate=est,
            layout=layout,
            missing=table.missing,
            exclusions=table.exclusions,
            events=tuple(events),
            warnings=(*self._notes, *(message for _, message in events)),
        )

    def add(self, text: str) -> PLS:
        r"""Return the same with statements added to the model.

        Parameters
        ----------
        text : str
            Such as ``"Loyalty ~ Image"``.

        Returns
        -------
        PLS
            This one is unchanged.

        Examples
        --------
        >>> import cxmodels as cx
        >>> spec = cx.PLS("A =~ a1 + a2\nB =~ b1 + b2\nC =~ c1\nC ~ B\nB ~ A")
        >>> spec.add("C ~ A").model.paths
        (('C', 'B'), ('B', 'A'), ('C', 'A'))
        """
        return replace(self, model=self.model.add(text))  # type: ignore[union-attr]

    def drop(self, text: str) -> PLS:
        r"""Return the same without some paths.

        Parameters
        ----------
        text : str
            Such as ``"Loyalty ~ Image + Value"``.

        Returns
        -------
        PLS
            This one is unchanged.

        Raises
        ------
        SpecError
            If there is no such path, or a construct is left without any.

        Examples
        --------
        >>> import cxmodels as cx
        >>> spec = cx.PLS("A =~ a1 + a2\nB =~ b1 + b2\nC =~ c1\nC ~ A + B\nB ~ A")
        >>> spec.drop("C ~ A").model.paths
        (('C', 'B'), ('B', 'A'))
        """
        return replace(self, model=self.model.drop(text))  # type: ignore[union-attr]

    def _layout(self, n: int) -> Layout:
        """Names and order of all numbers, for n rows."""
        plan = self.plan
        first, dimensions = None, ()
        if plan.first is not None and plan.dimensions is not None:
            edges = np.argwhere(plan.first.arrows > 0)
            first = Layout(plan.first_names, plan.items, edges, plan.first, n)
            dimensions = tuple(plan.first_names[j] for j in plan.dimensions)
        return Layout(plan.constructs, plan.columns, self._edges, plan.final, n, first, dimensions)

    def _check_rows(self, n: int, exclusions: tuple[tuple[str, int], ...]) -> None:
        """Refuse fewer rows than outer weights and paths together."""
        weights, paths = int(self.design.mask[:, ~self.design.repeated].sum()), len(self._edges)
        if n < weights + paths:
            left_out = "".join(f", after {rows} with {reason} were left out" for reason, rows in exclusions)
            raise DataError(
                f"{n} rows are too few{left_out}: the model has {weights + paths} parameters "
                f"({weights} weights and {paths} paths)."
            )

    def _check_size(self, x: np.ndarray) -> None:
        """Refuse items whose squares leave the range of floating-point numbers."""
        with np.errstate(over="ignore"):
            spread = np.fmax.reduce(x) - np.fmin.reduce(x)
        if wild := [self._items[i] for i in np.flatnonzero((spread < 1e-100) | (spread > 1e100))]:
            raise DataError(
                f"The values of {listed(wild)} are too large or too small to compute with; change the unit."
            )

    def _check_moments(self, cov: np.ndarray, moments: WeightedMoments) -> None:
        """Refuse pairs never answered together, items that do not vary, and collinear Mode B items."""
        items = self._items
        variance = np.diagonal(cov)
        if moments.missing == "pairwise" and (lone := moments.answered_together() < 2).any():
            i, j = np.argwhere(lone)[0]
            raise DataError(
                f"Fewer than two respondents answered both '{items[i]}' and '{items[j]}', so their covariance is "
                "unknown; use missing='mean' or drop one of them."
            )
        if (flat := np.isnan(variance)).any():
            raise DataError(
                f"{listed(items[i] for i in np.flatnonzero(flat))} does not vary among the rows that carry the weight; "
                "check the weights or drop it."
            )
        sd = np.sqrt(variance)
        for name, block, mode_b in self.plan.own_blocks() if self.design.mode_b.any() or self.plan.first else ():
            if not mode_b:
                continue
            values, vectors = np.linalg.eigh((cov / np.outer(sd, sd))[np.ix_(block, block)])
            if values[0] < 1e-9:
                involved = [items[i] for i in block[np.abs(vectors[:, 0]) > 1e-4]]
                raise DataError(
                    f"The items {listed(involved)} of Mode B construct '{name}' determine one "
                    "another, so they have no regression weights; drop one, or use Mode A."
                )

    def _check_identified(self, est: kernel.Estimate) -> None:
        """Refuse predictors that determine one another, and constructs that nothing gives weights."""
        arrows = self.design.arrows > 0
        if not kernel.singular(est, self.design)[0] and np.isfinite(est.weights[0]).all():
            return
        for j in np.flatnonzero(arrows.sum(axis=1) > 1):
            predictors = np.flatnonzero(arrows[j])
            r = est.scores_cor[0][np.ix_(predictors, predictors)]
            if np.isfinite(r).all() and (smallest := np.linalg.eigvalsh(r)[0]) < 2 / kernel.SINGULAR:
                why, remedy = (
                    ("determine one another", "drop one of them")
                    if smallest > -1e-8
                    else ("have pairwise correlations that contradict one another", "use missing='mean'")
                )
                raise NotIdentifiedError(
                    f"The predictors {listed(self.constructs[i] for i in predictors)} of '{self.constructs[j]}' {why}, "
                    f"so their paths are not identified; {remedy}."
                )
        lost = int(np.argmax(np.isnan(est.weights[0]).any(axis=0)))
        neighbours = [self.constructs[i] for i in np.flatnonzero(arrows[lost] | arrows[:, lost])]
        raise NotIdentifiedError(
            f"Construct '{self.constructs[lost]}' has no weights: its items are uncorrelated with {listed(neighbours)}, or "
            "pairwise covariances contradict one another (then use missing='mean')."
        )
