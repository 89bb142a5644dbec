"""What a satisfaction index takes from a unit's model, whichever engine fitted it.

By PLS the index weights are the unstandardised outer weights and an effect in points is b_std sd(s_t) / sd(s_d) with
sd the standard deviations of the 0-100 scores (Fornell et al. 1996). Where paths are free of measurement error,
by PLSc and SEM, they are paths between constructs, and sd is that of the part of the score that its
construct explains: under PLSc sd(s) sqrt(rho_A), under SEM as in ``cxmodels.sem.indices``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .. import index as ix
from ..errors import SpecError, listed, near
from ..pls import PLS, PLSResult
from ..pls.bootstrap import PLSStatistic
from ..pls.indexing import point_paths
from ..pls.kernel import Array, total_effects
from ..sem import SEM, SEMResult
from ..sem.bootstrap import Statistic
from ..sem.indices import Measures, index_effects, index_weights, measures
from ..sem.matrices import state
from .means import MeanFit, Means
from .models import IndexModel

ENGINES = ("pls", "sem", "mean")
MISSING = {
    "pls": ("mean", "listwise", "pairwise", "error"),
    "sem": ("fiml", "listwise", "error"),
    "mean": ("mean", "listwise", "error"),
}
PLS_ONLY = {"scheme": "path", "modes": None, "standardize": True, "consistent": False}
SEM_ONLY = {"estimator": "ML"}

Model = PLS | SEM | Means
Fit = PLSResult | SEMResult | MeanFit
IndexStatistic = Callable[[Array], tuple[Array, dict[str, Any]]]


@dataclass(frozen=True, eq=False)
class Measured:
    """The numbers of one unit that an index is made of.

    Attributes
    ----------
    constructs, items : tuple of str
    rows : ndarray of int
        Rows used, by position in the unit's survey.
    case : ndarray of shape (n,)
        Case weights.
    answers : ndarray of shape (n, p)
        Answers used, blanks filled.
    lo, hi : ndarray of shape (p,)
        Ends of the scales.
    mask : ndarray of bool of shape (p, j)
        Which items a construct has.
    weights : ndarray of shape (p, j)
        Shares of the items in the indices.
    index, se : ndarray of shape (j,)
    arrows, reach : ndarray of bool of shape (j, j)
        Paths, and effects along them, [outcome, predictor].
    direct, total : ndarray of shape (j, j)
        Effects between indices.
    total_se : ndarray of shape (j, j) or None
        Standard errors of the total effects, where the engine has them without a bootstrap.
    paths : ndarray of shape (j, j)
        Standardised paths.
    quality : callable
        Gives measurement quality by construct, which takes longer than all the rest.
    """

    constructs: tuple[str, ...]
    items: tuple[str, ...]
    rows: np.ndarray
    case: Array
    answers: Array
    lo: Array
    hi: Array
    mask: np.ndarray
    weights: Array
    index: Array
    se: Array
    arrows: np.ndarray
    reach: np.ndarray
    direct: Array
    total: Array
    total_se: Array | None
    paths: Array
    quality: Callable[[], pd.DataFrame]


def engine_model(engine: str, model: IndexModel, options: Mapping[str, Any]) -> Model:
    """Return the model that an engine fits.

    Parameters
    ----------
    engine : {"pls", "sem", "mean"}
    model : IndexModel
    options : mapping
        Values of ``PLS_ONLY`` and ``SEM_ONLY``.

    Returns
    -------
    PLS, SEM or Means

    Raises
    ------
    SpecError
        For an option of another engine.
    """
    own: dict[str, Mapping[str, Any]] = {"pls": PLS_ONLY, "sem": SEM_ONLY}
    for other, known in own.items():
        if other != engine and (strange := [k for k, default in known.items() if options[k] != default]):
            raise SpecError(
                f"{listed(strange)} is an option of engine='{other}'; leave it out, or choose that engine."
            )
    if engine == "mean":
        return Means(model.measures)
    chosen = {k: options[k] for k in own[engine]}
    return PLS(model.syntax, **chosen) if engine == "pls" else SEM(model.syntax, **chosen)


def fit_unit(model: Model, part: Any, weights: Any, missing: str | None) -> Fit:
    """Fit one unit's model.

    Parameters
    ----------
    model : PLS, SEM or Means
    part : Survey
        Rows of the unit.
    weights : ndarray or None
    missing : str or None
        Treatment of missing answers; None is "mean" for PLS and means, and for SEM full information where answers are
        missing.

    Returns
    -------
    PLSResult, SEMResult or MeanFit
    """
    if isinstance(model, PLS):
        return model.fit(part, weights=weights, missing=missing or "mean")  # type: ignore[arg-type]
    if isinstance(model, Means):
        return model.fit(part, weights, missing or "mean")
    if missing is None:
        columns = dict.fromkeys(
            name for c in model.columns for name in c.split(":")
        )  # products have their parts' blanks
        missing = "fiml" if np.isnan(part.numeric(list(columns))).any() else "listwise"
    return model.fit(part, weights=weights, missing=missing)  # type: ignore[arg-type]


def check_missing(engine: str, missing: str | None) -> None:
    """Refuse a treatment of missing answers that an engine does not have."""
    known = MISSING[engine]
    if missing is not None and missing not in known:
        raise SpecError(
            f"Unknown missing='{missing}' with engine='{engine}'; choose from {listed(known)}.{near(missing, known)}"
        )


def is_proper(fit: Fit) -> bool:
    """Whether a unit's estimates are such as the model allows.

    Parameters
    ----------
    fit : PLSResult or SEMResult

    Returns
    -------
    bool
        No negative weight, no impossible correlation, and by SEM no negative variance.
    """
    if fit.negative_weights():
        return False
    if isinstance(fit, MeanFit):
        return True
    if isinstance(fit, SEMResult):
        return fit.proper
    cov = fit.estimate.cov[0]
    sd = np.sqrt(np.diagonal(cov))
    return bool(np.linalg.eigvalsh(cov / np.outer(sd, sd))[0] >= -1e-10)


def item_names(fit: Fit) -> tuple[str, ...]:
    """Items that the indices of a fit are made of."""
    return tuple(fit.item_names) if isinstance(fit, PLSResult | MeanFit) else measures(fit.estimate).items


def answers_given(fit: Fit) -> Array:
    """Answers (n, p) to these items, blanks as NaN."""
    if isinstance(fit, PLSResult | MeanFit):
        return fit.x
    return fit.rows.x[:, [fit.rows.names.index(i) for i in item_names(fit)]]


def measured(fit: Fit, lo: Array, hi: Array) -> Measured:
    """Read from a fit what its indices are made of.

    Parameters
    ----------
    fit : PLSResult or SEMResult
    lo, hi : ndarray of shape (p,)
        Ends of the items' scales.

    Returns
    -------
    Measured
    """
    if isinstance(fit, MeanFit):
        return _by_mean(fit, lo, hi)
    return _by_pls(fit, lo, hi) if isinstance(fit, PLSResult) else _by_sem(fit, lo, hi)


def _by_mean(fit: MeanFit, lo: Array, hi: Array) -> Measured:
    v, case = fit.spec.shares, fit.case
    none = np.zeros((v.shape[1], v.shape[1]))
    return Measured(
        constructs=tuple(fit.spec.measures),
        items=fit.item_names,
        rows=fit.rows,
        case=case,
        answers=fit.filled,
        lo=lo,
        hi=hi,
        mask=v > 0,
        weights=v,
        index=ix.index(fit.means, v, lo, hi),
        se=ix.mean_se(ix.index_influence(fit.x, case, v, lo, hi), case),
        arrows=none > 0,
        reach=none > 0,
        direct=none,
        total=none,
        total_se=None,
        paths=none,
        quality=lambda: fit.quality,
    )


def _by_pls(fit: PLSResult, lo: Array, hi: Array) -> Measured:
    v = ix.normalized_weights(fit.raw_weights)
    case = np.ones(fit.n_obs) if fit.case_weights is None else fit.case_weights
    j, d = len(fit.linear), fit.layout.design
    direct = point_paths(fit.estimate, d, fit.raw_cov, v, lo, hi)[0]
    edges = fit.layout.edges
    arrows = np.zeros((j, j), dtype=bool)
    arrows[tuple(edges[(edges < j).all(axis=1)].T)] = True
    return Measured(
        constructs=tuple(fit.linear),
        items=tuple(fit.item_names),
        rows=fit.rows,
        case=case,
        answers=fit.filled,
        lo=lo,
        hi=hi,
        mask=fit.raw_weights != 0,
        weights=v,
        index=ix.index(fit.means, v, lo, hi),
        se=ix.mean_se(ix.index_influence(fit.x, case, v, lo, hi), case),
        arrows=arrows,
        reach=total_effects(fit.linear_arrows, d.depth) != 0,
        direct=direct,
        total=total_effects(direct, d.depth),
        total_se=None,
        paths=fit.estimate.paths[0, :j, :j],
        quality=lambda: fit.reliability.join(fit.r_squared[["r2"]]).reset_index(),
    )


def _by_sem(fit: SEMResult, lo: Array, hi: Array) -> Measured:
    m, v = fit.index_parts()
    effects, se = fit.effects_and_errors(m, hi - lo)
    between = (
        fit.paths.pivot_table("std_all", "outcome", "predictor", sort=False) if m.arrows.any() else pd.DataFrame()
    )
    paths = between.reindex(index=m.constructs, columns=m.constructs).fillna(0.0).to_numpy()

    def quality() -> pd.DataFrame:
        r2 = fit.r_squared.set_index("name")["r2"]
        table = fit.reliability.reindex(m.constructs).rename_axis("construct").reset_index()
        return table.assign(r2=table["construct"].map(r2))

    return Measured(
        constructs=m.constructs,
        items=m.items,
        rows=np.flatnonzero(fit.rows.keep),
        case=np.ones(fit.n_obs) if fit.rows.weights is None else fit.rows.weights,
        answers=fit.item_answers(m),
        lo=lo,
        hi=hi,
        mask=m.mask,
        weights=v,
        index=ix.index(fit.item_means(m), v, lo, hi),
        se=fit.index_errors(m, v, lo, hi),
        arrows=m.arrows,
        reach=m.reach,
        direct=effects.direct,
        total=effects.total,
        total_se=se,
        paths=paths,
        quality=quality,
    )


def statistic_of(fit: Fit, lo: Array, hi: Array) -> PLSIndexStatistic | SEMIndexStatistic | MeanIndexStatistic:
    """Return indices (j) and total effects between them (j × j) as a picklable function of row weightings.

    Parameters
    ----------
    fit : PLSResult or SEMResult
    lo, hi : ndarray of shape (p,)

    Returns
    -------
    PLSIndexStatistic, SEMIndexStatistic or MeanIndexStatistic
    """
    if isinstance(fit, MeanFit):
        return MeanIndexStatistic(fit.x, fit.case, fit.spec.shares, lo, hi)
    if isinstance(fit, PLSResult):
        return PLSIndexStatistic(fit.statistic(), lo, hi)
    return SEMIndexStatistic(Statistic.of(fit.estimate, fit.rows), measures(fit.estimate), lo, hi)


class Parts(NamedTuple):
    """Item means (b, p), index weights (b, p, j), total effects (b, j, j), unusable lines, and events."""

    means: Array
    weights: Array
    total: Array
    bad: np.ndarray
    notes: dict[str, Any]


@dataclass(frozen=True, eq=False)
class PLSIndexStatistic:
    """Indices and impacts of a path model, for the resampling engine.

    Parameters
    ----------
    inner : PLSStatistic
        The path model.
    lo, hi : ndarray of shape (items,)
        Ends of the answer scales.
    """

    inner: PLSStatistic
    lo: Array
    hi: Array

    def __call__(self, counts: Array) -> tuple[Array, dict[str, Any]]:
        """Evaluate weightings (b, n); lines that fail hold NaN."""
        return _flat(self.parts(counts), self.lo, self.hi)

    def parts(self, counts: Array) -> Parts:
        """What indices and impacts are made of, under each weighting."""
        means, cov, est, bad, notes = self.inner.estimates(counts)
        d = self.inner.layout.design
        j = d.arrows.shape[0] - len(self.inner.plan.terms)
        v = ix.normalized_weights(est.item_weights[:, :, :j])
        total = total_effects(point_paths(est, d, cov, v, self.lo, self.hi), d.depth)
        return Parts(means, v, total, bad, notes)


@dataclass(frozen=True, eq=False)
class SEMIndexStatistic:
    """Indices and impacts of a covariance-based model, for the resampling engine.

    Parameters
    ----------
    inner : Statistic
        The model.
    measures : Measures
    lo, hi : ndarray of shape (items,)
        Ends of the answer scales.
    """

    inner: Statistic
    measures: Measures
    lo: Array
    hi: Array

    def __call__(self, counts: Array) -> tuple[Array, dict[str, Any]]:
        """Evaluate weightings (b, n); lines without a solution hold NaN."""
        return _flat(self.parts(counts), self.lo, self.hi)

    def parts(self, counts: Array) -> Parts:
        """What indices and impacts are made of, under each weighting."""
        out, notes = self.inner(counts)
        e, rows, m = self.inner.estimate, self.inner.rows, self.measures
        block = e.blocks[0]
        values = out[:, 1 : 1 + len(e.values)]
        bad = np.asarray(np.isnan(values).any(axis=1))
        values = np.where(bad[:, None], e.values, values)
        s = state(block, values)
        v = index_weights(m, block, s)
        if e.plan.fiml:
            means = s.mean[:, [block.names.index(i) for i in m.items]]
        else:
            mass = counts if rows.weights is None else counts * rows.weights
            x = rows.x[:, [rows.names.index(i) for i in m.items]]
            means = mass @ x / mass.sum(axis=1, keepdims=True)
        return Parts(means, v, index_effects(m, block, values, s, v, self.hi - self.lo).total, bad, notes)


@dataclass(frozen=True, eq=False)
class MeanIndexStatistic:
    """Indices that are plain means, for the resampling engine.

    Parameters
    ----------
    x : ndarray of shape (n, items)
        Answers; NaN is missing.
    case : ndarray of shape (n,)
    shares : ndarray of shape (items, constructs)
    lo, hi : ndarray of shape (items,)
    """

    x: Array
    case: Array
    shares: Array
    lo: Array
    hi: Array

    def __call__(self, counts: Array) -> tuple[Array, dict[str, Any]]:
        """Evaluate weightings (b, n); a line with an item that nobody answered holds NaN."""
        return _flat(self.parts(counts), self.lo, self.hi)

    def parts(self, counts: Array) -> Parts:
        """What indices are made of, under each weighting."""
        seen, mass = ~np.isnan(self.x), counts * self.case
        with np.errstate(invalid="ignore", divide="ignore"):
            means = (mass @ np.where(seen, self.x, 0.0)) / (mass @ seen)
        b, (p, j) = len(counts), self.shares.shape
        bad = np.asarray(np.isnan(means).any(axis=1))
        return Parts(means, np.broadcast_to(self.shares, (b, p, j)), np.zeros((b, j, j)), bad, {})


def _flat(parts: Parts, lo: Array, hi: Array) -> tuple[Array, dict[str, Any]]:
    """Indices and total effects, a line per weighting; NaN where there is no usable estimate."""
    index = ix.index(parts.means, parts.weights, lo, hi)
    values = np.concatenate([index, parts.total.reshape(len(index), -1)], axis=1)
    values[parts.bad] = np.nan
    return values, parts.notes
