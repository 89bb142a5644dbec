"""What the chain takes from a fitted model: scores of satisfaction, what moves them, and how well they measure.

A source is a function of row weightings, like every statistic of the package: for each weighting it gives the points of
satisfaction (0-100) per unit of every attribute, the respondents' scores, and the variance of their error of measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import index as ix
from ..errors import SpecError, listed, near

if TYPE_CHECKING:
    from ..drivers.result import DriverResult
    from ..moments import WeightedMoments
    from ..pls import PLSResult
    from ..pls.bootstrap import PLSStatistic
    from ..sem import SEMResult
    from ..sem.bootstrap import Statistic
    from ..sem.indices import Measures
    from ..survey import Survey

Array = NDArray[np.float64]


class Measured(NamedTuple):
    """What a model says under each of b weightings.

    Attributes
    ----------
    slopes : ndarray of shape (b, k)
        Points of satisfaction per unit of each attribute.
    scores : ndarray of shape (b, n)
        Satisfaction of each respondent, 0-100.
    reliability : ndarray of shape (b,)
        Share of the variance of the scores that is not error; NaN where the model does not know.
    bad : ndarray of bool of shape (b,)
        Without estimate.
    """

    slopes: Array
    scores: Array
    reliability: Array
    bad: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Source:
    """A fitted model as the first stages of the chain.

    Attributes
    ----------
    kind : str
        What the model is, in words.
    target : str
        What is called satisfaction.
    survey : Survey
        All rows.
    places : ndarray of int of shape (n,)
        Positions in it of the rows used.
    case : ndarray of shape (n,)
        Case weights.
    names : tuple of str
        What may be raised.
    answers : ndarray of shape (n, k)
        Where each respondent stands on it; NaN without an answer, who then does not move.
    lo, hi : ndarray of shape (k,)
        Ends of the scales.
    measure : callable
        From weightings (b, n) to :class:`Measured`.
    excluded : int
        Rows of the survey that the model left out.
    notes : tuple of str
    """

    kind: str
    target: str
    survey: Survey
    places: NDArray[np.intp]
    case: Array
    names: tuple[str, ...]
    answers: Array
    lo: Array
    hi: Array
    measure: Callable[[Array], Measured]
    excluded: int
    notes: tuple[str, ...] = ()

    def column(self, name: str) -> int:
        """Return the place of an attribute.

        Parameters
        ----------
        name : str

        Returns
        -------
        int

        Raises
        ------
        SpecError
            If there is none, with a near name.
        """
        if name not in self.names:
            raise SpecError(
                f"'{name}' is not an attribute of the model; there are {listed(self.names)}.{near(name, self.names)}"
            )
        return self.names.index(name)


def source_of(fit: Any, target: str | None, scale: Any) -> Source:
    """Read a fitted model.

    Parameters
    ----------
    fit : DriverResult, PLSResult, SEMResult or IndexResult
    target : str or None
        Construct that is satisfaction.
    scale : (lo, hi), mapping or None
        Ends of the answer scales.

    Returns
    -------
    Source

    Raises
    ------
    SpecError
        If the result is of another kind, the target unknown, or a scale missing.
    """
    from ..acsi import IndexResult
    from ..drivers.result import DriverResult
    from ..pls import PLSResult
    from ..sem import SEMResult

    if isinstance(fit, IndexResult):
        if len(fit.fits) != 1:
            raise SpecError(
                f"The index has {len(fit.fits)} units, and a base of customers belongs to one; give fit_of(unit) of it, and target."
            )
        target = target or fit.target
        scale = scale or dict(fit.spec.model.scales)
        fit = fit.fit_of()
    if isinstance(fit, DriverResult):
        return _drivers(fit, target, scale)
    if isinstance(fit, PLSResult):
        return _pls(fit, target, scale)
    if isinstance(fit, SEMResult):
        return _sem(fit, target, scale)
    raise SpecError(
        f"A {type(fit).__name__} says nothing of what moves satisfaction; give a fitted Drivers, PLS, SEM or SatisfactionIndex."
    )


# --- drivers ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class DriverSource:
    """The linear model of all attributes, from weighted moments.

    Parameters
    ----------
    moments : tuple of WeightedMoments
        Of the columns and the outcome, one for each completed table.
    columns : ndarray of int
        Those of the attributes.
    case : ndarray of shape (n,)
    outcome : ndarray of shape (n,)
        On 0-100.
    factor : float
        From points of the outcome to points of 0-100.
    """

    moments: tuple[WeightedMoments, ...]
    columns: NDArray[np.intp]
    case: Array
    outcome: Array
    factor: float

    def __call__(self, counts: Array) -> Measured:
        """Fit under weightings (b, n)."""
        w, b = counts * self.case, len(counts)
        slopes = np.zeros((b, len(self.columns)))
        for moments in self.moments:
            cov = moments(w)[1]
            for i, c in enumerate(cov):
                try:
                    found = np.linalg.solve(c[:-1, :-1], c[:-1, -1])[self.columns]
                except np.linalg.LinAlgError:
                    found = np.full(len(self.columns), np.nan)
                slopes[i] += self.factor * found / len(self.moments)
        bad = np.asarray(~np.isfinite(slopes).all(axis=1))
        return Measured(slopes, np.tile(self.outcome, (b, 1)), np.full(b, np.nan), bad)


def _drivers(fit: DriverResult, target: str | None, scale: Any) -> Source:
    from ..drivers.scenario import answered
    from ..drivers.table import filled
    from ..moments import WeightedMoments

    outcome, spec = fit.spec.outcome, fit.spec
    if spec.family != "gaussian":
        raise SpecError(
            f"The drivers explain '{outcome}' by family='{spec.family}', which has no points of satisfaction; fit them with "
            "family='gaussian'."
        )
    if target not in (None, outcome):
        raise SpecError(f"The drivers explain '{outcome}', not '{target}'; leave out target.")
    if fit.missing == "pairwise":
        raise SpecError(
            "Drivers fitted with missing='pairwise' have no rows to resample; use 'multiple' or 'listwise'."
        )
    names = [n for n, b in fit.slopes_by_attribute().items() if np.isfinite(b)]
    own = {k: v for k, v in scale.items() if k != outcome} if isinstance(scale, dict) else scale
    lo, hi = fit.scale_ends(names, own)
    given = {outcome: scale[outcome]} if isinstance(scale, dict) and outcome in scale else None
    ends = ix.scale_ends([outcome], given if isinstance(scale, dict) else scale, fit.survey.scale)
    ix.check_inside(fit.table.y[:, None], [outcome], *ends)
    low, high = float(ends[0][0]), float(ends[1][0])
    tables = fit.tables_used
    case = np.ones(fit.n_obs) if fit.table.weights is None else fit.table.weights
    answers = np.column_stack([filled(tables[0])[:, fit.column(n)] for n in names])
    seen = np.column_stack([answered(fit, tables[0], n) for n in names])
    statistic = DriverSource(
        tuple(WeightedMoments(np.column_stack([filled(t), t.y])) for t in tables),
        np.array([fit.column(n) for n in names], dtype=np.intp), case, 100 * (fit.table.y - low) / (high - low),
        100 / (high - low),
    )  # fmt: skip
    return Source(
        f"drivers of {outcome}", outcome, fit.survey, fit.positions, case, tuple(names),
        np.where(seen, answers, np.nan), lo, hi, statistic, int(fit.excluded["rows"].sum()),
        tuple(fit.scale_notes(names, own)),
    )  # fmt: skip


# --- structural models ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class PLSSource:
    """A path model: index weights, total effects between indices, and rho_A of the target.

    Parameters
    ----------
    inner : PLSStatistic
    x : ndarray of shape (n, p)
        Answers, blanks filled.
    lo, hi : ndarray of shape (p,)
    target : int
        Position of the construct.
    known : bool
        Whether rho_A says anything: Mode A with two items or more.
    """

    inner: PLSStatistic
    x: Array
    lo: Array
    hi: Array
    target: int
    known: bool

    def __call__(self, counts: Array) -> Measured:
        """Fit under weightings (b, n)."""
        from ..pls.indexing import point_paths
        from ..pls.kernel import total_effects

        _, cov, est, bad, _ = self.inner.estimates(counts)
        d = self.inner.layout.design
        j = d.arrows.shape[0] - len(self.inner.plan.terms)
        v = ix.normalized_weights(est.item_weights[:, :, :j])
        total = total_effects(point_paths(est, d, cov, v, self.lo, self.hi), d.depth)
        rho = est.rho_a[:, self.target] if self.known else np.full(len(counts), np.nan)
        bad = bad | (self.known & ~((rho > 0) & (rho <= 1)))
        return Measured(*_on_scale(v, total, self.x, self.lo, self.hi, self.target), rho, bad)


def _pls(fit: PLSResult, target: str | None, scale: Any) -> Source:
    constructs = list(fit.linear)
    at = _target(target, constructs)
    lo, hi = ix.scale_ends(list(fit.item_names), scale, fit.survey.scale)
    ix.check_inside(fit.x, list(fit.item_names), lo, hi)
    d = fit.layout.design
    known = bool(d.size[at] > 1 and not d.mode_b[at] and fit.estimate.rho_a[0, at] != 1)
    statistic = PLSSource(fit.statistic(), fit.filled, lo, hi, at, known)
    case = np.ones(fit.n_obs) if fit.case_weights is None else fit.case_weights
    scores = fit.index_scores(scale).to_numpy()
    return Source(
        "path model (PLS)", constructs[at], fit.survey, fit.rows, case, (*fit.item_names, *constructs),
        np.hstack([fit.filled, scores]), _ends(lo, constructs, 0.0), _ends(hi, constructs, 100.0), statistic,
        int(fit.excluded["rows"].sum()),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class SEMSource:
    """A model of covariances: index weights, effects between indices, and the reliability of the target's index.

    Parameters
    ----------
    inner : Statistic
    measures : Measures
    x : ndarray of shape (n, p)
        Answers, blanks filled.
    lo, hi : ndarray of shape (p,)
    target : int
    beside : ndarray of int
        Observed predictors that measure no construct, by their place among the variables.
    """

    inner: Statistic
    measures: Measures
    x: Array
    lo: Array
    hi: Array
    target: int
    beside: NDArray[np.intp]

    def __call__(self, counts: Array) -> Measured:
        """Fit under weightings (b, n)."""
        from ..sem.indices import index_effects, index_weights
        from ..sem.matrices import state

        out, _ = self.inner(counts)
        e, m = self.inner.estimate, self.measures
        block = e.blocks[0]
        values = out[:, 1 : 1 + len(e.values)]
        bad = np.asarray(np.isnan(values).any(axis=1))
        s = state(block, np.where(bad[:, None], e.values, values))
        v = index_weights(m, block, s)
        total = index_effects(m, block, np.where(bad[:, None], e.values, values), s, v, self.hi - self.lo).total
        at, eta = np.array([block.names.index(i) for i in m.items]), m.place[self.target]
        w = v[:, :, self.target]
        across = (w * s.cov[:, at, eta]).sum(axis=1)
        within = np.einsum("bi,bij,bj->b", w, s.cov[:, at[:, None], at], w)
        rho = across**2 / (within * s.cov[:, eta, eta])
        if m.mask[:, self.target].sum() < 2:
            rho = np.full(len(counts), np.nan)
        slopes, scores = _on_scale(v, total, self.x, self.lo, self.hi, self.target)
        unit = 100 * across / (w @ (self.hi - self.lo)) / s.cov[:, eta, eta]
        direct = s.total[:, eta, :][:, self.beside] * unit[:, None]
        return Measured(np.concatenate([slopes, direct], axis=1), scores, rho, bad)


def _sem(fit: SEMResult, target: str | None, scale: Any) -> Source:
    from ..sem.bootstrap import Statistic

    if fit.survey is None or not len(fit.rows.x):
        raise SpecError("The model was fitted to moments; the worth of a point needs the answers of its respondents.")
    if len(fit.rows.labels) > 1:
        raise SpecError(f"The model has {len(fit.rows.labels)} groups; fit it to the one whose customers are valued.")
    m, v = fit.index_parts()
    constructs = list(m.constructs)
    at = _target(target, constructs)
    lo, hi = ix.scale_ends(list(m.items), _only(scale, m.items), fit.survey.scale)
    x = fit.item_answers(m)
    ix.check_inside(fit.rows.x[:, [fit.rows.names.index(i) for i in m.items]], list(m.items), lo, hi)
    block = fit.estimate.blocks[0]
    free = [n for n in block.names[: block.p] if n not in m.items]
    beside = np.array([block.names.index(n) for n in free], dtype=np.intp)
    low, high = ix.scale_ends(free, _only(scale, free), fit.survey.scale) if free else (np.zeros(0), np.zeros(0))
    answers = fit.rows.x[:, [fit.rows.names.index(n) for n in free]]
    ix.check_inside(answers, free, low, high)
    statistic = SEMSource(Statistic.of(fit.estimate, fit.rows), m, x, lo, hi, at, beside)
    case = np.ones(fit.n_obs) if fit.rows.weights is None else fit.rows.weights
    return Source(
        "structural model (SEM)", constructs[at], fit.survey, np.flatnonzero(fit.rows.keep), case,
        (*m.items, *constructs, *free), np.hstack([x, ix.index(x, v, lo, hi), answers]),
        np.concatenate([_ends(lo, constructs, 0.0), low]), np.concatenate([_ends(hi, constructs, 100.0), high]), statistic,
        int(fit.excluded["rows"].sum()),
    )  # fmt: skip


def _only(scale: Any, names: Sequence[str]) -> Any:
    """The scales of some columns."""
    return {k: v for k, v in scale.items() if k in names} if isinstance(scale, Mapping) else scale


def _on_scale(v: Array, total: Array, x: Array, lo: Array, hi: Array, target: int) -> tuple[Array, Array]:
    """Points of the target per point of every item and of every index, and the scores of the target."""
    reach = total[:, target, :].copy()
    reach[:, target] = 1.0
    with np.errstate(invalid="ignore", divide="ignore"):
        own = 100 * v / ((hi - lo) @ v)[:, None, :]
    slopes = np.concatenate([(own * reach[:, None, :]).sum(axis=2), reach], axis=1)
    w = v[:, :, target]
    bottom = w @ lo
    return slopes, 100 * (w @ x.T - bottom[:, None]) / (w @ (hi - lo))[:, None]


def _target(target: str | None, constructs: list[str]) -> int:
    """Position of the construct that is satisfaction."""
    if target is None:
        raise SpecError(f"Say which construct is satisfaction: target={listed(constructs)}.")
    if target not in constructs:
        raise SpecError(f"'{target}' is not a construct of the model.{near(target, constructs)}")
    return constructs.index(target)


def _ends(ends: Array, constructs: list[str], index: float) -> Array:
    """Ends of the items' scales, then those of the indices."""
    return np.concatenate([ends, np.full(len(constructs), index)])
