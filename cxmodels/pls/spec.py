"""`PLS`: what to estimate. Fitting it to data gives a `PLSResult`."""

from __future__ import annotations

import warnings as _warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from ..errors import (
    ConvergenceWarning,
    CxWarning,
    DataError,
    DataWarning,
    ImproperSolutionWarning,
    NotIdentifiedError,
    SpecError,
    SpecWarning,
    listed,
    near,
)
from ..model import Model, parse_model
from ..moments import WeightedMoments
from ..resampling import whole_number
from ..survey import Survey, as_survey
from ..survey.validation import array_problems, raise_for
from . import kernel
from .assessment import loadings
from .layout import Layout
from .planning import make_plan
from .result import PLSResult
from .stages import Plan
from .table import Table, rows_used, treatment

INTERACTIONS = ("two_stage", "product_indicator", "orthogonal")
HIGHER_ORDER = ("two_stage", "embedded_two_stage", "repeated_indicators")
SCHEMES = ("path", "factorial", "centroid", "gsca")
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
        _check_options(self)
        names = tuple(c.name for c in model.constructs)
        modes = dict(self.modes or {})
        for name, mode in modes.items():
            if name not in names:
                raise SpecError(f"modes names '{name}', which is not a construct of the model.{near(name, names)}")
            if mode not in ("A", "B"):
                raise SpecError(f"The mode of '{name}' is {mode!r}; choose 'A' or 'B'.")
        put(self, "modes", modes)
        notes = _check_structure(model)
        kinds = {c.name: c.kind for c in model.constructs}
        formed = frozenset(n for n, kind in kinds.items() if kind == "composite" or modes.get(n) == "B")
        design = partial(_design, self, kinds)
        plan = make_plan(model, self.interaction, self.higher_order, formed, self.consistent, design)
        notes += _structural_notes(self, plan)
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
        events = _diagnose(est, layout.design, layout, table.missing)
        if layout.first is not None and est.first is not None:
            events += _diagnose(est.first, layout.first.design, layout.first, table.missing, layout.dimensions)
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


def _check_options(spec: PLS) -> None:
    """Refuse options that are none."""
    if spec.scheme not in SCHEMES:
        raise SpecError(f"Unknown scheme '{spec.scheme}'; choose from {listed(SCHEMES)}.{near(spec.scheme, SCHEMES)}")
    for name, known in (("interaction", INTERACTIONS), ("higher_order", HIGHER_ORDER)):
        if (given := getattr(spec, name)) not in known:
            raise SpecError(f"Unknown {name}='{given}'; choose from {listed(known)}.{near(str(given), known)}")
    if not isinstance(spec.tolerance, float | int) or not spec.tolerance > 0:
        raise SpecError(f"tolerance must be a number above 0, not {spec.tolerance!r}.")
    if whole_number("max_iter", spec.max_iter) < 1:
        raise SpecError(f"max_iter must be at least 1, not {spec.max_iter}.")
    for name in ("consistent", "standardize"):
        if not isinstance(getattr(spec, name), bool | np.bool_):
            raise SpecError(f"{name} must be True or False, not {getattr(spec, name)!r}.")
    if spec.consistent and spec.scheme == "gsca":
        raise SpecError(
            "consistent=True corrects PLS weights; choose the path, factorial or centroid scheme with it."
        )
    if not isinstance(spec.modes or {}, Mapping):
        raise SpecError(f"modes must name constructs, as in {{'Quality': 'B'}}, not {spec.modes!r}.")


def _design(
    spec: PLS,
    kinds: Mapping[str, str],
    blocks: Mapping[str, tuple[str, ...]],
    paths: tuple[tuple[str, str], ...],
    columns: tuple[str, ...],
    repeated: tuple[str, ...] = (),
) -> kernel.Design:
    """Turn the constructs and paths of one stage into arrays."""
    place, names, modes = {item: i for i, item in enumerate(columns)}, list(blocks), spec.modes or {}
    mask = np.zeros((len(columns), len(names)))
    for j, items in enumerate(blocks.values()):
        mask[[place[i] for i in items], j] = 1.0
    arrows = np.zeros((len(names), len(names)))
    for outcome, predictor in paths:
        arrows[names.index(outcome), names.index(predictor)] = 1.0
    again, mode_b = np.isin(names, repeated), np.array([modes.get(name) == "B" for name in names])
    factor = np.array([kinds.get(name) == "factor" and len(items) > 1 for name, items in blocks.items()])
    return kernel.Design(
        mask=mask,
        arrows=arrows,
        mode_b=mode_b,
        scheme=spec.scheme,
        standardize=spec.standardize,
        corrected=factor & ~mode_b & ~again & spec.consistent,
        repeated=again,
    )


def _structural_notes(spec: PLS, plan: Plan) -> list[str]:
    """What the reader of the estimates must know about the stages."""
    design, notes = plan.final, []
    for j in np.flatnonzero(design.repeated & design.echo):
        theirs = {
            i for i, row in enumerate(design.arrows[j]) if row and (design.mask[:, i] * design.mask[:, j]).any()
        }
        others = [plan.constructs[i] for i in np.flatnonzero(design.arrows[j]) if i not in theirs]
        if others:
            notes.append(
                f"Its own dimensions explain '{plan.constructs[j]}' under repeated indicators, so read the total effects "
                f"of {listed(others)} on it, not the paths."
            )
    if spec.consistent and plan.terms:
        notes.append(
            f"Consistent PLS does not correct the products {listed(t.name for t in plan.terms)} for attenuation; their "
            "paths are conservative."
        )
    return notes


def _check_structure(model: Model) -> list[str]:
    """Refuse models that no path model can be; return what is merely unusual."""
    names = [c.name for c in model.constructs]
    if model.blocks:
        raise SpecError("PLS fits one group at one level; leave 'group:' and 'level:' out of the model.")
    if not names:
        raise SpecError("The model has no constructs; write for example 'Quality =~ q1 + q2'.")
    if not model.paths:
        raise SpecError("The model has no paths; write for example 'Satisfaction ~ Quality'.")
    for outcome, predictor in model.paths:
        for name in predictor.split(":") if ":" in predictor else (outcome, predictor):
            if name not in names:
                raise SpecError(
                    f"Construct '{name}' has paths but no items.{near(name, names)} "
                    f"Write '{name} =~ item1 + item2', or name one column as its only item."
                )
    linked = {name for path in model.paths for name in path}
    linked |= {part for name in linked for part in name.split(":")}
    for construct in reversed(model.constructs):
        linked |= set(construct.items) if construct.name in linked else set()
    if alone := [n for n in names if n not in linked]:
        raise SpecError(f"Construct {listed(alone)} has no path to or from another; add one or leave it out.")
    model.check_acyclic()
    homes: dict[str, list[str]] = {}
    for construct in model.constructs:
        for item in construct.items:
            homes.setdefault(item, []).append(construct.name)
    ignored = [
        row for row in model.rows if row.op not in ("=~", "<~", "~") or (row.op == "~" and set(row.fixes) - {None})
    ]
    return [
        f"Item '{item}' measures more than one construct ({listed(where)}); their correlation is inflated."
        for item, where in homes.items()
        if len(where) > 1
    ] + [
        f"PLS estimates measurement and free paths only and ignores what the model says of "
        f"{listed(f'{r.lhs} {r.op} {r.rhs}'.rstrip() for r in ignored)}."
    ] * bool(ignored)


def _diagnose(
    est: kernel.Estimate, design: kernel.Design, layout: Layout, missing: str, only: tuple[str, ...] = ()
) -> list[tuple[type[CxWarning], str]]:
    """Name what is unusual about the point estimate of one stage, or of some of its constructs."""
    events: list[tuple[type[CxWarning], str]] = []
    items, constructs = layout.items, layout.constructs
    if not est.converged[0]:
        events.append(
            (
                ConvergenceWarning,
                f"The weights had not settled after {est.iterations[0]} iterations; read nothing into them.",
            )
        )
    sd = np.sqrt(np.diagonal(est.cov[0]))
    r = est.cov[0] / np.outer(sd, sd)
    listed_here = [not only or name in only for name in constructs]
    mode_a = listed_here & ~design.mode_b & np.array([":" not in name for name in constructs])
    if _nearly_singular(r):
        events += [(DataWarning, m) for m in _collinear(r, design, layout, mode_a)]
    for i, j in np.argwhere((est.item_construct[0] < 0) & (design.mask > 0) & mode_a):
        text = f"Item '{items[i]}' loads negatively ({est.item_construct[0, i, j]:.2f}) on '{constructs[j]}'; "
        events.append((DataWarning, text + "if its scale is reversed, say so in the codebook."))
    if missing == "pairwise" and np.linalg.eigvalsh(r)[0] < -1e-10:
        events.append((ImproperSolutionWarning, "The pairwise correlations of the items are not positive definite."))
    if design.corrected.any():
        events += [(ImproperSolutionWarning, m) for m in _improper(est, design, constructs)]
    return events


def _nearly_singular(r: np.ndarray) -> bool:
    """Whether some items may determine one another: a quick look that spares most models the eigenvalues."""
    try:
        return bool(np.diagonal(np.linalg.cholesky(r)).min() < 1e-4)
    except np.linalg.LinAlgError:
        return True


def _collinear(r: np.ndarray, design: kernel.Design, layout: Layout, mode_a: np.ndarray) -> list[str]:
    """Mode A constructs with items that determine one another."""
    out = []
    for j in np.flatnonzero(mode_a):
        block = design.blocks[j]
        values, vectors = np.linalg.eigh(r[np.ix_(block, block)])
        if values[0] < 1e-9:
            involved = [layout.items[i] for i in block[np.abs(vectors[:, 0]) > 1e-4]]
            out.append(f"Items {listed(involved)} of '{layout.constructs[j]}' are collinear.")
    return out


def _improper(est: kernel.Estimate, design: kernel.Design, constructs: tuple[str, ...]) -> list[str]:
    """What consistent PLS must not give: reliabilities, correlations, loadings or R² out of range."""
    out = []
    for j in np.flatnonzero(design.corrected & ~((est.rho_a[0] > 0) & (est.rho_a[0] <= 1))):
        out.append(f"The reliability rho_A of '{constructs[j]}' is {est.rho_a[0, j]:.3f}, outside 0-1.")
    if design.repeated.any():  # correlations of constructs that share items are only a step on the way
        return out
    if (high := np.argwhere(np.triu(np.abs(est.cor[0]) > 1 + 1e-12, 1))).size:
        a, b = high[0]
        out.append(f"The corrected correlation of '{constructs[a]}' and '{constructs[b]}' is {est.cor[0, a, b]:.3f}.")
    if (over := np.flatnonzero(est.r2[0] > 1)).size:
        out.append(f"The corrected R² of '{constructs[over[0]]}' is {est.r2[0, over[0]]:.3f}, above 1.")
    if (np.abs(loadings(est, design)[0]) > 1 + 1e-12).any():
        out.append("A corrected loading exceeds 1.")
    return out
