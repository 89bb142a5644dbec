"""PLS-POS: segments within which the model predicts best, found by moving respondents one step uphill at a time.

The hill is the sum of R² over equations, averaged over segments by size. Respondents are ranked by how much better another
segment predicts their scores than their own. Moves of single ones are tried in one batch of estimates that start from the
weights of their segment; then those that lead uphill are tried together, the best two, three and so on, and so are the first
parts of the list. The best of all these is made. It ends when no single move is uphill.

Source: Becker, Rai, Ringle and Völckner (2013), MIS Quarterly 37(3).
"""

from __future__ import annotations

import warnings as _warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import CxError, DataError, SpecError
from ..resampling import entropy, whole_number
from ..results import Derived
from .kernel import Array, analysed, outer_weights, regressions
from .permutation import subset_estimates

if TYPE_CHECKING:
    from .bootstrap import PLSStatistic
    from .result import PLSResult

Index = NDArray[np.intp]

_SINGLES = 250  # single moves tried together
_MIN_GAIN = 1e-6  # above what the estimates' own tolerance leaves open


@dataclass(frozen=True, eq=False, repr=False)
class PLSPos(Derived):
    """Segments found by PLS-POS; made by :meth:`PLSResult.pos`.

    Attributes
    ----------
    point : PLSResult
        The model fitted to all rows.
    results : dict of int to PLSResult
        The model fitted to each segment, the largest first.
    objective : float
        Sum of R², averaged over segments by size.
    starts : DataFrame
        [start, objective, moves, agreement]: where each start ended, and the share of respondents that it places as
        the best one does.
    """

    point: PLSResult
    results: dict[int, PLSResult]
    code: Index
    objective: float
    starts: pd.DataFrame
    smallest: int
    seed: Any
    warnings: tuple[str, ...]

    @cached_property
    def segments(self) -> pd.Series:
        """Segment of each row used, from 1; ready for ``point.groups(...)``."""
        return pd.Series(self.code + 1, self.point.row_index, name="segment")

    @cached_property
    def sizes(self) -> pd.Series:
        """Rows of each segment."""
        return pd.Series({k: r.n_obs for k, r in self.results.items()}, name="n").rename_axis("segment")

    @cached_property
    def paths(self) -> pd.DataFrame:
        """Paths in all rows and in each segment, [outcome, predictor, all, 1, 2, ...]."""
        out = self.point.paths.rename(columns={"est": "all"})
        return out.join(pd.DataFrame({k: r.paths["est"] for k, r in self.results.items()}))

    @cached_property
    def r_squared(self) -> pd.DataFrame:
        """R² in all rows, in each segment, and averaged over segments by size, [all, 1, 2, ..., mean]."""
        out = pd.DataFrame({"all": self.point.r_squared["r2"]})
        for k, r in self.results.items():
            out[k] = r.r_squared["r2"]
        share = (self.sizes / self.sizes.sum()).to_numpy()
        out["mean"] = out[list(self.results)].to_numpy() @ share
        return out

    def headline(self) -> list[tuple[str, str]]:
        """Model, segments and starts.

        Returns
        -------
        list of (label, value)
        """
        sizes = ", ".join(f"{k} ({n} rows)" for k, n in self.sizes.items())
        text = f"{self.objective:.3f}, best of {len(self.starts)} starts, seed {self.seed}"
        return [*self.point.headline(), ("PLS-POS segments", sizes), ("Sum of R²", text)]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        return {"Explained variance": self.r_squared, "Paths": self.paths, "Starts": self.starts}


def pos(result: PLSResult, segments: int, starts: int, seed: int | None, smallest: int | None) -> PLSPos:
    """Segment by hill climbing; see :meth:`PLSResult.pos`."""
    k, n = whole_number("segments", segments), result.n_obs
    if k < 2 or whole_number("starts", starts) < 1:
        raise SpecError(f"PLS-POS needs 2 segments and 1 start or more, not {segments} and {starts}.")
    needed = result.parameters
    least = max(2 * needed, n // (10 * k)) if smallest is None else whole_number("smallest", smallest)
    if least < needed:
        raise SpecError(f"smallest={least} is below the {needed} parameters of the model.")
    if k * least > n:
        raise DataError(f"{k} segments of at least {least} rows need {k * least} rows, but there are {n}.")
    root = entropy(seed)
    climbs = [_climb(result, code, k, least) for code in _start_codes(result, k, least, starts, root)]
    climbs.sort(key=lambda c: -c[1])
    code, objective, _ = climbs[0]
    order = np.argsort(-np.bincount(code, minlength=k), kind="stable")
    code = np.argsort(order)[code]
    frame = pd.DataFrame(
        [(i + 1, value, moves, _agreement(code, other, k)) for i, (other, value, moves) in enumerate(climbs)],
        columns=["start", "objective", "moves", "agreement"],
    )
    fits, notes = {}, []
    for s in range(k):
        rows = code == s
        case = None if result.case_weights is None else result.case_weights[rows]
        with _warnings.catch_warnings(record=True) as caught:
            _warnings.simplefilter("always")
            part = result.survey.subset(result.rows[rows])
            try:
                fits[s + 1] = result.spec.fit(part, weights=case, missing=result.missing)  # type: ignore[arg-type]
            except CxError as error:
                raise type(error)(f"Segment {s + 1} ({int(rows.sum())} rows): {error}") from None
        notes += [f"Segment {s + 1}: {w.message}" for w in caught]
    return PLSPos(result, fits, code, objective, frame, least, root, (*result.warnings, *notes))


def _start_codes(result: PLSResult, k: int, least: int, starts: int, root: Any) -> list[Index]:
    """Divisions to start from: that of FIMIX-PLS if its segments are large enough, and random ones."""
    n, out = result.n_obs, []
    codes = result.fimix([k], starts=10, seed=int(np.random.SeedSequence(root).generate_state(1)[0])).segments(k) - 1
    if (np.bincount(codes, minlength=k) >= least).all():
        out.append(codes.to_numpy().astype(np.intp))
    while len(out) < starts:
        rng = np.random.default_rng(np.random.SeedSequence(root, spawn_key=(len(out),)))
        out.append(rng.permutation(np.arange(n) % k).astype(np.intp))
    return out


def _climb(result: PLSResult, code: Index, k: int, least: int) -> tuple[Index, float, int]:
    """Move respondents uphill until no single move helps; return segments, objective and the number of moves."""
    from threadpoolctl import threadpool_limits

    moves = 0
    with threadpool_limits(1, user_api="blas"):
        state = _State.of(result, code, k)
        best = state.objective
        while True:
            order, target = _candidates(state.distance, code)
            trial = None
            for first in range(0, len(order), _SINGLES):
                rows = order[first : first + _SINGLES]
                each = state.singles(rows, target[rows], least)  # -inf without an estimate, as `best` may be too
                uphill = rows[np.argsort(-each, kind="stable")][: int((each > best + _MIN_GAIN).sum())]
                if len(uphill):
                    trial = state.together(_parts(uphill, order, first == 0), target, least, (rows, each))
                    break
            if trial is None:
                return code, best, moves
            after = _State.of(result, trial, k)
            if after.objective <= best + _MIN_GAIN / 2:
                return code, best, moves
            moves += int((trial != code).sum())
            code, best, state = trial, after.objective, after


def _parts(uphill: Index, order: Index, first: bool) -> list[Index]:
    """Rows to move together: the best single moves, and the first of the list where it begins."""
    sizes = (2, 3, 5, 8, 12, 20, 32, 50, 80, 125, 200, 320, 500)
    heads = [uphill[:m] for m in sizes if m < len(uphill)] + [uphill]
    return heads + [order[:m] for m in sizes if first and m <= len(order) // 2]


@dataclass(frozen=True, eq=False)
class _State:
    """A division of the rows, with what its segments' estimates say.

    Attributes
    ----------
    values : ndarray of shape (k,)
        Sum of R² of each segment.
    distance : ndarray of shape (n, k)
        Sum over equations of |error| over the root of the segment's sum of squared errors.
    weights : ndarray of shape (k, p, j)
        Outer weights to start from.
    """

    result: PLSResult
    statistic: PLSStatistic
    code: Index
    k: int
    values: Array
    distance: Array
    weights: Array

    @classmethod
    def of(cls, result: PLSResult, code: Index, k: int) -> _State:
        """Estimate every segment."""
        statistic = result.statistic()
        statistic = replace(statistic, tolerance=max(statistic.tolerance, 1e-7))  # enough to rank moves
        values, distance, weights = _segments(result, statistic, code, k)
        return cls(result, statistic, code, k, values, distance, weights)

    @property
    def objective(self) -> float:
        """Sum of R² of each segment, averaged by size."""
        return float(_shares(self.code[None], self.result, self.k)[0] @ self.values)

    def singles(self, rows: Index, target: Index, least: int) -> Array:
        """Objective after moving each of some rows alone."""
        trial = np.repeat(self.code[None], len(rows), axis=0)
        trial[np.arange(len(rows)), rows] = target
        return self.trials(trial, least)

    def together(self, parts: list[Index], target: Index, least: int, alone: tuple[Index, Array]) -> Index:
        """Best division after moving rows together, or the best of those moved alone."""
        trial = np.repeat(self.code[None], len(parts), axis=0)
        for line, rows in enumerate(parts):
            trial[line, rows] = target[rows]
        sums = self.trials(trial, least)
        rows, single = alone
        if sums.max() > single.max():
            return trial[int(np.argmax(sums))]
        out = self.code.copy()
        row = rows[int(np.argmax(single))]
        out[row] = target[row]
        return out

    def trials(self, trial: Index, least: int) -> Array:
        """Objective of each trial (b, n); only segments that change are estimated anew. Too small ones are no candidates."""
        k, code = self.k, self.code
        sums = np.repeat(self.values[None], len(trial), axis=0)
        changed = np.stack([((trial == s) != (code == s)).any(axis=1) for s in range(k)], axis=1)
        large = np.stack([(trial == s).sum(axis=1) for s in range(k)], axis=1).min(axis=1) >= least
        line, segment = np.nonzero(changed & large[:, None])
        for part in range(0, len(line), 500):
            at = line[part : part + 500], segment[part : part + 500]
            inside = (trial[at[0]] == at[1][:, None]).astype(float)
            sums[at] = self._r_squared(inside, self.weights[at[1]])
        out = (sums * _shares(trial, self.result, k)).sum(axis=1)
        return np.where(large, out, -np.inf)

    def _r_squared(self, inside: Array, start: Array) -> Array:
        """Sum of R² in subsets of the rows (b, n), -inf where there is no estimate."""
        design, statistic = self.result.layout.design, self.statistic
        if not statistic.plan.simple or design.corrected.any():
            _, _, est, bad = subset_estimates(statistic, inside)
            return np.where(bad, -np.inf, np.nansum(est.r2, axis=1))
        g = inside if statistic.case_weights is None else inside * statistic.case_weights
        s = analysed(statistic.moments(g)[1], design)
        w, converged, _ = outer_weights(s, design, statistic.tolerance, statistic.max_iter, start)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            cor = np.swapaxes(w, 1, 2) @ (s @ w)
            r2 = (regressions(cor, design)[0] * cor).sum(axis=(1, 2))
        return np.where(converged & np.isfinite(r2), r2, -np.inf)


def _shares(code: Index, result: PLSResult, k: int) -> Array:
    """Weighted share of each segment, (b, k), for segments (b, n)."""
    g = _case(result)
    return np.stack([(code == s).astype(float) @ g for s in range(k)], axis=1) / g.sum()


def _case(result: PLSResult) -> Array:
    """Case weights, ones where there are none."""
    return np.ones(result.n_obs) if result.case_weights is None else result.case_weights


def _segments(result: PLSResult, statistic: PLSStatistic, code: Index, k: int) -> tuple[Array, Array, Array]:
    """Sum of R² in each segment (k,), the distance of every row to every segment (n, k), and outer weights."""
    inside = np.stack([(code == s).astype(float) for s in range(k)])
    means, _, est, bad = subset_estimates(statistic, inside)
    homes = np.flatnonzero(result.layout.design.arrows.any(axis=1))
    distance, p = np.empty((len(code), k)), result.x.shape[1]
    table = result.extended.copy()
    for s in range(k):
        table[:, :p] = np.where(np.isnan(result.x), means[s], result.x)
        scores = statistic.plan.scores(est, s, table, np.average(table, axis=0, weights=inside[s] * _case(result)))
        error = (scores - scores @ est.paths[s].T)[:, homes]
        distance[:, s] = (np.abs(error) / np.sqrt((error[code == s] ** 2).sum(axis=0))).sum(axis=1)
    return np.where(bad, -np.inf, np.nansum(est.r2, axis=1)), distance, est.weights


def _candidates(distance: Array, code: Index) -> tuple[Index, Index]:
    """Rows by how much nearer another segment is than their own, and that segment of each row."""
    rows = np.arange(len(code))
    own = distance[rows, code]
    others = distance.copy()
    others[rows, code] = np.inf
    target = others.argmin(axis=1)
    return np.argsort(others[rows, target] - own, kind="stable"), target


def _agreement(a: Index, b: Index, k: int) -> float:
    """Share of rows placed alike under the best matching of segment numbers."""
    from scipy.optimize import linear_sum_assignment

    table = np.zeros((k, k))
    np.add.at(table, (a, b), 1)
    return float(table[linear_sum_assignment(-table)].sum() / len(a))
