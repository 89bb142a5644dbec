"""What each player is worth under given weightings of the rows: the linear model, and the ordinal ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..moments import WeightedMoments
from . import kernel
from .likelihood import Ordinal, worth
from .pairwise import PairwiseCorrelations, correlations

Array = NDArray[np.float64]

METHODS = ("shapley", "johnson", "first", "last", "betasq", "pratt", "car", "pmvd")
ALIASES = {"lmg": "shapley", "genizi": "johnson"}
BLOCKS = ("shapley", "first", "last", "pmvd")  # methods that let several columns be one player
TABLE_LIMIT = 20  # players for which a table of all 2^p sub-models is kept: 8 MB


@dataclass(frozen=True, eq=False)
class Split:
    """Shares of R² under b weightings.

    Attributes
    ----------
    importance : ndarray of shape (b, p)
    r2, base : ndarray of shape (b,)
        R² of the whole model, and of the controls alone.
    conditional : ndarray of shape (b, p, p) or None
        Mean increments by number of players already there.
    error : ndarray of shape (b, p) or None
        Monte Carlo standard error, where orders were sampled.
    """

    importance: Array
    r2: Array
    base: Array
    conditional: Array | None = None
    error: Array | None = None


@dataclass(frozen=True)
class Effort:
    """How much work a split may be.

    Parameters
    ----------
    models : int
        Sub-models of one weighting up to which every one is computed.
    pairs : int
        Antithetic pairs of orders that are sampled beyond that.
    seed : int
    """

    models: int
    pairs: int
    seed: int

    def exact(self, players: int) -> bool:
        """Tell whether all sub-models are computed.

        Parameters
        ----------
        players : int

        Returns
        -------
        bool
        """
        return players < 60 and 1 << players <= self.models


@dataclass(frozen=True, eq=False)
class LinearSplit:
    """Split of the R² of a linear model, from weighted moments alone.

    Parameters
    ----------
    data : ndarray of shape (n, q + 1)
        Controls, columns of the players, and the outcome; NaN where missing.
    pairwise : bool
        Whether each correlation comes from the rows that have both; else blanks take the mean of their column.
    weights : ndarray of shape (n,) or None
        Case weights.
    widths : tuple of int
        Columns of each player.
    controls : int
    method : str
    """

    data: Array
    pairwise: bool
    weights: Array | None
    widths: tuple[int, ...]
    controls: int
    method: str

    resample_models: ClassVar[int] = 1 << 16  # of one replicate

    @cached_property
    def blank(self) -> bool:
        """Whether anything is missing."""
        return bool(np.isnan(self.data).any())

    @cached_property
    def moments(self) -> WeightedMoments:
        """Moments with blanks at the mean."""
        return WeightedMoments(self.data, "mean" if self.blank else "complete")

    @cached_property
    def pairs(self) -> PairwiseCorrelations:
        """Correlations from the rows that have both."""
        return PairwiseCorrelations(self.data)

    @cached_property
    def own(self) -> Array:
        """Correlations of the rows as they are, (1, q + 1, q + 1)."""
        return self.correlations(np.ones((1, len(self.data))))

    def correlations(self, counts: Array) -> Array:
        """Correlations under weightings of the rows, on top of the case weights.

        Parameters
        ----------
        counts : ndarray of shape (b, n)

        Returns
        -------
        ndarray of shape (b, q + 1, q + 1)
        """
        w = counts if self.weights is None else counts * self.weights
        return self.pairs(w) if self.pairwise and self.blank else correlations(self.moments(w)[1])

    def __call__(self, counts: Array | None, effort: Effort) -> Split:
        """Split R² under each weighting; NaN where a column does not vary or the matrix is impossible.

        Parameters
        ----------
        counts : ndarray of shape (b, n) or None
        effort : Effort

        Returns
        -------
        Split
        """
        cor = self.own if counts is None else self.correlations(counts)
        ok: NDArray[np.bool_] = np.asarray(np.isfinite(cor).all(axis=(1, 2)))
        if self.pairwise and self.blank and ok.any():
            ok[ok] = np.linalg.eigvalsh(cor[ok])[:, 0] > -1e-8
        if not ok.any():
            p = len(self.widths)
            return Split(np.full((len(cor), p), np.nan), *np.full((2, len(cor)), np.nan))
        return _spread(self._split(cor[ok], effort), ok)

    def _split(self, cor: Array, effort: Effort) -> Split:
        base = 1 - kernel.partial_out(cor, self.controls)[:, -1, -1]
        left = kernel.partial_out(cor, self.controls)
        r2 = 1 - kernel.partial_out(cor, cor.shape[1] - 1)[:, -1, -1]
        if self.method == "shapley":
            if effort.exact(len(self.widths)):
                steps = kernel.shapley(left, self.widths)
                return Split(steps.mean(axis=2), r2, base, steps)
            order = kernel.antithetic(len(self.widths), effort.pairs, effort.seed)
            value, error, steps = kernel.sampled(kernel.orderings(left, self.widths, order), order)
            return Split(value, r2, base, steps, error)
        return Split(_LINEAR[self.method](left, self.widths), r2, base)

    def table(self) -> Array:
        """R² beyond that of the controls of every sub-model, (1, 2^p)."""
        return kernel.table(kernel.partial_out(self.own, self.controls), self.widths)

    def warm(self, effort: Effort) -> LinearSplit:
        """Return itself: nothing here is iterative."""
        return self

    def extended(self, column: Array) -> LinearSplit:
        """Return the split with one more attribute.

        Parameters
        ----------
        column : ndarray of shape (n,)

        Returns
        -------
        LinearSplit
        """
        wider = np.column_stack([self.data[:, :-1], column, self.data[:, -1]])
        return replace(self, data=wider, widths=(*self.widths, 1))


_LINEAR: dict[str, Callable[[Array, tuple[int, ...]], Array]] = {
    "first": lambda cor, widths: kernel.first_and_last(cor, widths)[0],
    "last": lambda cor, widths: kernel.first_and_last(cor, widths)[1],
    "johnson": lambda cor, widths: kernel.relative_weights(cor),
    "car": lambda cor, widths: kernel.car_scores(cor),
    "betasq": lambda cor, widths: kernel.slopes(cor) ** 2,
    "pratt": lambda cor, widths: kernel.slopes(cor) * cor[:, :-1, -1],
    "pmvd": lambda cor, widths: kernel.pmvd(kernel.table(cor, widths)),
}


@dataclass(frozen=True, eq=False)
class OrdinalSplit:
    """Split of the pseudo-R² of a binary or ordered logit.

    Parameters
    ----------
    x : ndarray of shape (n, q)
        Controls, then columns of the players.
    y : ndarray of int of shape (n,)
    weights : ndarray of shape (n,)
        Case weights, of mean 1.
    widths : tuple of int
    controls : int
    method : str
    measure : str
        The pseudo-R².
    start : ndarray, optional
        Parameters of all sub-models to start from.
    """

    x: Array
    y: NDArray[np.intp]
    weights: Array
    widths: tuple[int, ...]
    controls: int
    method: str
    measure: str
    start: Array | None = None

    resample_models: ClassVar[int] = 1 << 7  # of one replicate: each is an iteration of its own

    @cached_property
    def model(self) -> Ordinal:
        """The prepared rows."""
        return Ordinal(self.x, self.y)

    def __call__(self, counts: Array | None, effort: Effort) -> Split:
        """Split the pseudo-R² under each weighting; NaN where a weighting leaves a category empty.

        Parameters
        ----------
        counts : ndarray of shape (b, n) or None
        effort : Effort

        Returns
        -------
        Split
        """
        w = self.weights[None] if counts is None else counts * self.weights
        w = w * (w.shape[1] / w.sum(axis=1, keepdims=True))
        p = len(self.widths)
        sets, order = self._sets(effort)
        gain, base, params = self._gains(w, sets)
        r2 = base + gain[:, _find(sets, np.ones(p, dtype=bool))]
        if self.method == "johnson":
            return Split(*self._relative_weights(w, params[:, _find(sets, np.ones(p, dtype=bool))]))
        if self.method == "first":
            return Split(gain[:, [_find(sets, row) for row in np.eye(p, dtype=bool)]], r2, base)
        if self.method == "last":
            rest = gain[:, [_find(sets, ~row) for row in np.eye(p, dtype=bool)]]
            return Split((r2 - base)[:, None] - rest, r2, base)
        if self.method == "pmvd":
            return Split(kernel.pmvd(gain), r2, base)
        if order is None:
            steps = kernel.table_shapley(gain)
            return Split(steps.mean(axis=2), r2, base, steps)
        prefix = _prefixes(order)
        at = np.searchsorted(_codes(sets), _codes(prefix.reshape(-1, p))).reshape(prefix.shape[:2])
        by_place = np.diff(gain[:, at], axis=2)
        increments = np.empty_like(by_place)
        np.put_along_axis(increments, np.broadcast_to(order, by_place.shape), by_place, axis=2)
        value, error, steps = kernel.sampled(increments, order)
        return Split(value, r2, base, steps, error)

    @property
    def ceiling(self) -> float:
        """The pseudo-R² of a model that knows every answer."""
        null = _null_loglik(self.weights[None], self.y)
        return float(worth(np.zeros((1, 1)), null, float(self.weights.sum()), self.measure)[0, 0])

    def table(self) -> Array:
        """Pseudo-R² beyond that of the controls of every sub-model, (1, 2^p)."""
        return self._gains(self.weights[None], _all_sets(len(self.widths)))[0]

    def warm(self, effort: Effort) -> OrdinalSplit:
        """Return the split with every sub-model's parameters to start from.

        Parameters
        ----------
        effort : Effort

        Returns
        -------
        OrdinalSplit
        """
        return replace(self, start=self._gains(self.weights[None], self._sets(effort)[0])[2][0])

    def extended(self, column: Array) -> OrdinalSplit:
        """Return the split with one more attribute.

        Parameters
        ----------
        column : ndarray of shape (n,)

        Returns
        -------
        OrdinalSplit
        """
        return replace(self, x=np.column_stack([self.x, column]), widths=(*self.widths, 1), start=None)

    def _sets(self, effort: Effort) -> tuple[NDArray[np.bool_], NDArray[np.intp] | None]:
        """The sub-models that the method needs, and the orders where they are sampled."""
        p = len(self.widths)
        own, ends = np.eye(p, dtype=bool), np.array([[False] * p, [True] * p])
        if self.method == "pmvd" or (self.method == "shapley" and effort.exact(p)):
            return _all_sets(p), None
        if self.method != "shapley":
            return _unique([*{"first": [own], "last": [~own]}.get(self.method, []), ends]), None
        order = kernel.antithetic(p, effort.pairs, effort.seed)
        return _unique([_prefixes(order).reshape(-1, p)]), order

    def _gains(self, w: Array, sets: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
        """Pseudo-R² of sub-models beyond the controls, that of the controls, and the parameters."""
        columns = np.concatenate(
            [np.ones((len(sets), self.controls), dtype=bool), np.repeat(sets, self.widths, axis=1)], axis=1
        )
        loglik, params, done = self.model.fit(w, columns, self.start)
        rsq = np.where(done, worth(loglik, _null_loglik(w, self.y), len(self.y), self.measure), np.nan)
        base = rsq[:, _find(sets, np.zeros(len(self.widths), dtype=bool))]
        return rsq - base[:, None], base, params

    def _relative_weights(self, w: Array, params: Array) -> tuple[Array, Array, Array]:
        """Logistic relative weights (Tonidandel and LeBreton 2010)."""
        slope = params[:, self.model.cuts :]
        share = w / w.sum(axis=1, keepdims=True)
        z = (self.x - self.model.center) / self.model.scale
        out, r2 = np.empty(slope.shape), np.empty(len(w))
        for i, g in enumerate(share):
            eta = z @ slope[i]
            fitted = 1 / (1 + np.exp(params[i, 0] - eta))
            cov = np.cov(np.column_stack([z, eta, fitted, self.y]).T, aweights=g)
            sd = np.sqrt(np.diagonal(cov))
            r2[i] = (cov[-1, -2] / (sd[-1] * sd[-2])) ** 2
            root = kernel.symmetric_root(correlations(cov[None])[:, : z.shape[1], : z.shape[1]])[0][0]
            # The attributes are root times orthogonal ones, so these have coefficients root times theirs.
            beta = root @ (slope[i] * sd[: z.shape[1]]) * np.sqrt(r2[i]) / sd[-3]
            out[i] = root**2 @ beta**2
        return out, r2, np.zeros(len(w))


def one_thread() -> Any:
    """Cap BLAS at one thread: on small matrices threads cost far more than they give.

    Returns
    -------
    context manager
    """
    return _libraries().limit(limits=1, user_api="blas")


@cache
def _libraries() -> Any:
    """The BLAS in use; finding it takes longer than many an analysis."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _null_loglik(w: Array, y: NDArray[np.intp]) -> Array:
    """Log-likelihood of the shares of the categories."""
    totals = w @ (y[:, None] == np.arange(y.max() + 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return (totals * np.log(totals / totals.sum(axis=1, keepdims=True))).sum(axis=1)


def _all_sets(p: int) -> NDArray[np.bool_]:
    """Every set of players; bit i of the line's number says whether player i is in."""
    return ((np.arange(1 << p)[:, None] >> np.arange(p)) & 1).astype(bool)


def _prefixes(order: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Sets reached along each order, (m, p + 1, p)."""
    place = np.argsort(order, axis=1)
    return place[:, None, :] < np.arange(order.shape[1] + 1)[:, None]


def _unique(parts: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Sets without repetition, in the order of their codes."""
    every = np.concatenate(parts)
    _, first = np.unique(_codes(every), return_index=True)
    return every[first]


def _codes(sets: NDArray[np.bool_]) -> NDArray[Any]:
    """One sortable value for each set."""
    packed = np.ascontiguousarray(np.packbits(sets, axis=1))
    return packed.view([("", packed.dtype)] * packed.shape[1]).ravel()


def _find(sets: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> int:
    """Line of one set."""
    return int(np.flatnonzero((sets == wanted).all(axis=1))[0])


def _spread(split: Split, ok: NDArray[np.bool_]) -> Split:
    """Put the usable lines back among the failed ones."""
    if ok.all():
        return split

    def back(values: Array | None) -> Array | None:
        if values is None:
            return None
        out = np.full((len(ok), *values.shape[1:]), np.nan)
        out[ok] = values
        return out

    return Split(*(back(v) for v in (split.importance, split.r2, split.base, split.conditional, split.error)))  # type: ignore[arg-type]
