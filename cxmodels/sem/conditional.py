"""Ordinal and mixed moments given observed predictors: probit and linear regressions, then residual correlations.

With predictors x nothing is said about their distribution (lavaan's ``conditional.x``): every variable is regressed on
x, an ordered one by an ordered probit y* = slope' x + e with var(e) = 1, a continuous one linearly; the correlation of
each pair of residuals e then follows by maximum likelihood with the first stage held fixed, every row having
thresholds of its own, tau - slope' x. Both stages together have the asymptotic covariance of case-wise scores.

Sources: Muthén (1984), Psychometrika 49(1), case B; Muthén and Satorra (1995), Psychometrika 60(4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, EstimationError, listed
from .design import Units
from .ordinal import OrdinalMoments, checked_weights
from .polychoric import BOUND, FAR, Slice, bivariate_normal_cdf, maximise, normal_density, pearson, polyserial
from .stages import coded, thresholds_of

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

__all__ = ["conditional_moments"]

_STEEP = 30.0  # a probit slope per standard deviation that no data short of separation have


def conditional_moments(
    x: Array,
    ordered: Mask,
    given: Mask,
    weights: Array | None = None,
    *,
    names: Sequence[str],
    levels: Sequence[Array | None] | None = None,
    units: Units | None = None,
    covariance: Literal["full", "diagonal", "none"] = "full",
) -> OrdinalMoments:
    """Estimate thresholds, intercepts, slopes and residual correlations given observed predictors.

    Parameters
    ----------
    x : ndarray of shape (n, p)
        The data; NaN is a missing value, none of which may be in the predictors. Each statistic uses the rows that
        have what it needs.
    ordered, given : ndarray of bool, shape (p,)
        Which variables are ordered, and which are the predictors.
    weights : ndarray of shape (n,), optional
        Sampling weights of the rows.
    names : sequence of str
        What to call the variables in messages.
    levels : sequence of ndarray or None, optional
        The values an ordered variable can take, where they are known from elsewhere, such as the other groups.
    units : Units, optional
        Sampling units of the rows, in clusters and strata.
    covariance : {"full", "diagonal", "none"}, default "full"
        How much of the asymptotic covariance to compute.

    Returns
    -------
    OrdinalMoments
        `stats` are thresholds and negated intercepts by variable; slopes (``"slope"``, `col` the predictor), all
        variables of the first predictor first; residual variances of continuous variables; residual covariances.
        `means` and `cor` are those of all variables together, predictors included, by their sample moments.

    Raises
    ------
    DataError
        Predictors that determine one another or do not vary; an ordered variable that they separate; and all that
        :func:`ordinal_moments` refuses.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> z = rng.normal(size=4000)
    >>> y = np.digitize(0.5 * z + rng.normal(size=4000), [-1, 0.5])
    >>> found = conditional_moments(np.column_stack([y, z]), np.array([True, False]), np.array([False, True]), names="yz")
    >>> found.kind.tolist(), found.stats.round(1).tolist()
    (['threshold', 'threshold', 'slope'], [-1.0, 0.5, 0.5])
    """
    w = checked_weights(weights, len(x))
    use = (w > 0) & ~np.isnan(x[:, given]).any(axis=1) & ~np.isnan(x[:, ~given]).all(axis=1)
    if use.sum() < 2:
        raise DataError(f"Only {int(use.sum())} of {len(x)} rows can be used for the moments of {listed(names)}.")
    x, w = x[use], w[use]
    z = _Predictors.of(x[:, given], w, [n for n, g in zip(names, given, strict=True) if g])
    own = np.flatnonzero(~given)
    known = levels if levels is not None else (None,) * len(names)
    first = [
        _ordered(x[:, i], z.unit, w, names[i], known[i]) if ordered[i] else _continuous(x[:, i], z.unit, w, names[i])
        for i in own.tolist()
    ]
    col, row = np.triu_indices(len(own), 1)
    pairs = [
        _pair(first[i], first[j], z.unit, w, (names[own[i]], names[own[j]])) for i, j in zip(row, col, strict=True)
    ]
    moments = _Both(first, pairs, z, np.column_stack([row, col]))
    influence = None
    if covariance != "none":
        influence = moments.influence(w)
        if units is not None:
            influence = replace(units, row=units.row[use]).totals(influence)
    mean, cov = moments.joint(w, len(x) if weights is None else 0)
    kind, at, number = moments.layout()
    place = np.concatenate([own, np.flatnonzero(given)])
    order = np.argsort(place)
    pair = [(int(own[i]), int(own[j])) for i, j in zip(row, col, strict=True)]
    return OrdinalMoments(
        levels=_spread([v.levels for v in first], place, order),
        thresholds=_spread([v.theta[: max(len(v.levels) - 1, 0)] for v in moments.raw()], place, order),
        means=mean[order],
        variances=np.diagonal(cov)[order],
        cor=cov[np.ix_(order, order)],
        stats=moments.stats(),
        kind=kind,
        row=own[at],
        col=np.where(kind == "threshold", number, place[np.where(kind == "threshold", 0, number)]),
        gamma=len(x) * influence.T @ influence if influence is not None and covariance == "full" else None,
        gamma_diagonal=None if influence is None else len(x) * np.einsum("ns,ns->s", influence, influence),
        n=len(x),
        dropped=int((~use & (checked_weights(weights, len(use)) > 0)).sum()),
        empty_cells=tuple(t for t, found in zip(pair, pairs, strict=True) if found.empty),
        extreme=tuple(t for t, found in zip(pair, pairs, strict=True) if abs(found.rho) > 0.99),
        influence=influence if units is not None and units.shared else None,
    )


def _spread(values: list[Array], place: Index, order: Index) -> tuple[Array, ...]:
    """Arrays of the variables, in the order of all, with empty ones for the predictors."""
    every = [*values, *([np.empty(0)] * (len(place) - len(values)))]
    return tuple(every[k] for k in order)


class _Predictors(NamedTuple):
    """Predictors with weighted mean 0 and variance 1, and what makes them raw again."""

    unit: Array
    centre: Array
    scale: Array

    @classmethod
    def of(cls, x: Array, w: Array, names: Sequence[str]) -> _Predictors:
        centre = np.average(x, axis=0, weights=w)
        scale = np.sqrt(np.average((x - centre) ** 2, axis=0, weights=w))
        flat = [n for n, s in zip(names, scale, strict=True) if not s > 0]
        if flat:
            raise DataError(f"Predictor {listed(flat)} has the same value in all {len(x)} rows used; leave it out.")
        unit = (x - centre) / scale
        roots, vectors = np.linalg.eigh((unit * w[:, None]).T @ unit / w.sum())
        if roots[0] < 1e-10:
            weight = np.abs(vectors[:, 0])
            both = [n for n, v in zip(names, weight, strict=True) if v > 0.1 * weight.max()]
            raise DataError(f"The predictors {listed(both)} determine one another; leave one of them out.")
        return cls(unit, centre, scale)


@dataclass(frozen=True, eq=False)
class _Variable:
    """One variable given the predictors.

    `upper` and `lower` are the ends of an ordered response, less its prediction; `z` the standardised residuals of a
    continuous one. `slope_upper`, `slope_lower` and `slope_mean` (n, k) are the derivatives of the ends, and of the
    prediction, with respect to the k parameters: thresholds (or intercept) and slopes, then the variance.
    """

    levels: Array
    theta: Array
    score: Array
    bread: Array
    seen: Mask
    upper: Array
    lower: Array
    code: Index
    z: Array
    sd: float
    slope_upper: Array
    slope_lower: Array

    @property
    def ordered(self) -> bool:
        """Whether it has categories."""
        return len(self.levels) > 0


def _ordered(x: Array, z: Array, w: Array, name: str, known: Array | None) -> _Variable:
    """Ordered probit regression by Newton's method; its likelihood is concave."""
    seen = ~np.isnan(x)
    values, code = coded(x, seen, name, known)
    k, m = len(values) - 1, z.shape[1]
    if (rows := int(seen.sum())) <= k + m:
        raise DataError(
            f"'{name}' has {k + 1} ordered categories in {rows} rows, too many for a regression on the predictors; "
            "merge categories, or do not call it ordered."
        )
    up, low = np.zeros((len(x), k + m)), np.zeros((len(x), k + m))
    each = np.arange(len(x))
    inner, above = seen & (code < k), seen & (code > 0)
    up[each[inner], code[inner]] = 1.0
    low[each[above], code[above] - 1] = 1.0
    up[:, k:] = -z * inner[:, None]
    low[:, k:] = -z * above[:, None]
    count = np.bincount(code[seen], w[seen], k + 1).astype(float)
    theta = np.concatenate([thresholds_of(count[None], [values])[0, :k], np.zeros(m)])

    def parts(theta: Array) -> tuple[float, Array, Array, Array, Array, Array]:
        upper = np.where(inner, up @ theta, FAR)
        lower = np.where(above, low @ theta, -FAR)
        s = Slice.of(np.zeros(1), np.zeros((len(x), 1)), upper[:, None], lower[:, None])
        p = s.p[:, 0]
        return float(w @ np.log(p)), upper, lower, s.at_upper[:, 0] / p, s.at_lower[:, 0] / p, p

    value, upper, lower, a, b, _ = parts(theta)
    for _ in range(100):
        score = a[:, None] * up - b[:, None] * low
        bend_u, bend_l, mixed = w * (-upper * a - a * a), w * (lower * b - b * b), w * a * b
        hessian = up.T @ (bend_u[:, None] * up) + low.T @ (bend_l[:, None] * low)
        cross = up.T @ (mixed[:, None] * low)
        step = -np.linalg.lstsq(hessian + cross + cross.T, w @ score, rcond=None)[0]
        for _ in range(40):
            trial = theta + step
            if (np.diff(trial[:k]) > 0).all() and (found := parts(trial))[0] >= value - 1e-12 * (1 + abs(value)):
                break
            step = step / 2
        theta = trial
        value, upper, lower, a, b, _ = found
        if np.abs(theta[k:]).max(initial=0.0) > _STEEP:
            break
        if np.abs(step).max() < 1e-10:
            score = (a[:, None] * up - b[:, None] * low) * seen[:, None]
            nothing = np.empty(0)
            return _Variable(
                values, theta, score, (score * w[:, None]).T @ score, seen, upper, lower, np.where(seen, code, -1),
                nothing, 1.0, up, low,
            )  # fmt: skip
    raise DataError(
        f"The predictors separate the categories of '{name}' perfectly, or nearly so, and its probit slopes have no "
        "finite estimate; leave a predictor out or merge categories."
    )


def _continuous(x: Array, z: Array, w: Array, name: str) -> _Variable:
    """Linear regression by weighted least squares; divisor of the variance: sum of weights."""
    seen = ~np.isnan(x)
    design = np.column_stack([np.ones(len(z)), z]) * seen[:, None]
    value = np.where(seen, x, 0.0)
    theta = np.linalg.lstsq(design * np.sqrt(w)[:, None], value * np.sqrt(w), rcond=None)[0]
    rest = (value - design @ theta) * seen
    variance = float(np.average(rest**2, weights=w * seen))
    spread = float(np.average((value - np.average(value, weights=w * seen)) ** 2 * seen, weights=w * seen))
    if not variance > 1e-12 * max(spread, 1e-300):
        raise DataError(f"Variable '{name}' does not vary given the predictors; leave it out of the model.")
    sd = np.sqrt(variance)
    unit = rest / sd
    score = np.column_stack([design * (unit / sd)[:, None], seen * (unit**2 - 1) / (2 * variance)])
    nothing = np.empty(0)
    return _Variable(
        np.empty(0), np.append(theta, variance), score, (score * w[:, None]).T @ score, seen, nothing, nothing,
        np.empty(0, np.intp), unit, sd, np.column_stack([design, np.zeros(len(z))]), np.empty((0, 0)),
    )  # fmt: skip


class _Pair(NamedTuple):
    """Residual correlation of two variables, its scores, and their products with those of stage one."""

    rho: float
    score: Array
    a22: float
    cross: tuple[Array, Array]
    empty: bool


def _pair(a: _Variable, b: _Variable, z: Array, w: Array, names: tuple[str, str]) -> _Pair:
    """Estimate one pair on the rows that have both."""
    w = w * (a.seen & b.seen)
    if (w > 0).sum() < 2:
        raise DataError(
            f"Variables '{names[0]}' and '{names[1]}' are never both answered by two rows or more; "
            "leave one of them out of the model."
        )
    try:
        if a.ordered and b.ordered:
            found = _both_ordered(a, b, z, w)
        elif a.ordered or b.ordered:
            found = _mixed(a, b, w) if b.ordered else _turned(_mixed(b, a, w))
        else:
            found = _both_continuous(a, b, w)
    except EstimationError:
        raise EstimationError(f"The correlation of '{names[0]}' and '{names[1]}' did not settle.") from None
    if abs(found.rho) > BOUND - 1e-7 or found.a22 < 1e-12 * w.sum():
        raise DataError(
            f"Variables '{names[0]}' and '{names[1]}' put all rows in the same or the opposite order, so their latent "
            "correlation has no standard error; leave one out or merge categories."
        )
    return found


def _turned(pair: _Pair) -> _Pair:
    """The pair with its variables exchanged."""
    return pair._replace(cross=(pair.cross[1], pair.cross[0]))


def _both_ordered(a: _Variable, b: _Variable, z: Array, w: Array) -> _Pair:
    """Polychoric correlation of residuals; rows with the same ends are one."""
    ends = np.column_stack([a.upper, a.lower, b.upper, b.lower])[w > 0]
    _, index, inverse = np.unique(ends.round(12), axis=0, return_index=True, return_inverse=True)
    au, al, bu, bl = ends[index].T
    weight = np.bincount(inverse.ravel(), w[w > 0])

    def likelihood(rho: Array, _: Index) -> tuple[Array, Array, Array]:
        p, slope, curve = _cells(rho[0], au, al, bu, bl)
        score = slope / p
        return (
            np.array([weight @ np.log(p)]),
            np.array([weight @ score]),
            np.array([weight @ (curve / p - score**2)]),
        )

    both = np.corrcoef(a.code[w > 0], b.code[w > 0])[0, 1] if len(np.unique(b.code[w > 0])) > 1 else 0.0
    rho = float(maximise(np.array([both]), likelihood)[0])
    p, slope, _ = _cells(rho, au, al, bu, bl)
    root = np.sqrt((1 - rho) * (1 + rho))

    def edge(at: Array, upper: Array, lower: Array) -> Array:
        from scipy.special import ndtr

        return normal_density(at) * (ndtr((upper - rho * at) / root) - ndtr((lower - rho * at) / root)) / p

    back = np.zeros((len(w), 5))
    back[w > 0] = np.column_stack(
        [slope / p, edge(au, bu, bl), edge(al, bu, bl), edge(bu, au, al), edge(bl, au, al)]
    )[inverse.ravel()]
    score = back[:, 0]
    ws = w * score
    cross = tuple(
        (ws * back[:, k]) @ v.slope_upper - (ws * back[:, k + 1]) @ v.slope_lower for v, k in ((a, 1), (b, 3))
    )
    table = np.zeros((len(a.levels), len(b.levels)))
    np.add.at(table, (a.code[w > 0], b.code[w > 0]), w[w > 0])
    return _Pair(rho, score, float(ws @ score), (cross[0], cross[1]), bool((table == 0).any()))


def _cells(rho: float, au: Array, al: Array, bu: Array, bl: Array) -> tuple[Array, Array, Array]:
    """Probability of each row's cell, and its first two derivatives with respect to the correlation."""
    rest = (1 - rho) * (1 + rho)
    p, slope, curve = (np.zeros(len(au)) for _ in range(3))
    for h, k, sign in ((au, bu, 1), (al, bu, -1), (au, bl, -1), (al, bl, 1)):
        p += sign * bivariate_normal_cdf(h, k, np.asarray(rho))
        form = h * h - 2 * rho * h * k + k * k
        density = np.exp(-form / (2 * rest)) / (2 * np.pi * np.sqrt(rest))
        slope += sign * density
        curve += sign * density * (h * k + rho - rho * form / rest) / rest
    return np.maximum(p, np.finfo(float).eps), slope, curve


def _mixed(a: _Variable, b: _Variable, w: Array) -> _Pair:
    """Polyserial correlation of the residuals of continuous `a` with those of ordered `b`."""
    z, above, below, weight = a.z[:, None], b.upper[:, None], b.lower[:, None], w[:, None]
    start = np.array([(w * a.z * b.code).sum() / w.sum()]) / max(
        normal_density(b.theta[: len(b.levels) - 1]).sum(), 0.1
    )
    rho = polyserial(z, above, below, weight, start)
    s = Slice.of(rho, z, above, below)
    root = np.sqrt(1 - rho**2)
    score = (s.score * (weight > 0))[:, 0]
    ratio = ((s.at_upper - s.at_lower) / s.p * rho / root)[:, 0]
    ws = w * score
    first = (ws * (a.z + ratio) / a.sd) @ a.slope_upper
    first[-1] = (ws * (a.z**2 - 1 + ratio * a.z)).sum() / (2 * a.sd**2)
    up, low = (ws * (end / (s.p * root))[:, 0] for end in (s.at_upper, s.at_lower))
    return _Pair(float(rho[0]), score, float(ws @ score), (first, up @ b.slope_upper - low @ b.slope_lower), False)


def _both_continuous(a: _Variable, b: _Variable, w: Array) -> _Pair:
    """Pearson correlation of residuals."""
    total = w.sum()
    squares = (np.array([(w * u * v).sum() / total]) for u, v in ((a.z, a.z), (b.z, b.z), (a.z, b.z)))
    rho = float(pearson(*squares)[0])
    rest = 1 - rho**2
    form = a.z**2 - 2 * rho * a.z * b.z + b.z**2
    score = (rho + a.z * b.z - rho * form / rest) / rest * (w > 0)
    ws = w * score
    cross = []
    for own, other, v in ((a.z, b.z, a), (b.z, a.z, b)):
        pull = (own - rho * other) / rest
        line = (ws * pull / v.sd) @ v.slope_upper
        line[-1] = (ws * (own * pull - 1)).sum() / (2 * v.sd**2)
        cross.append(line)
    return _Pair(rho, score, float(ws @ score), (cross[0], cross[1]), False)


@dataclass(frozen=True, eq=False)
class _Both:
    """Both stages, in the units of the data: statistics, and what every row adds to them."""

    first: Sequence[_Variable]
    pairs: Sequence[_Pair]
    given: _Predictors
    at: Index

    def raw(self) -> list[_Variable]:
        """The variables with parameters per unit of the predictors."""
        return [replace(v, theta=self._turn(v) @ v.theta) for v in self.first]

    def _turn(self, v: _Variable) -> Array:
        """From parameters per standard deviation of the predictors, about their means, to raw ones."""
        k, m = max(len(v.levels) - 1, 1), len(self.given.scale)
        out = np.eye(len(v.theta))
        out[:k, k : k + m] = (1 if v.ordered else -1) * self.given.centre / self.given.scale
        out[range(k, k + m), range(k, k + m)] = 1 / self.given.scale
        return out

    def _starts(self) -> Index:
        """First column of each variable among the parameters of stage one."""
        return np.cumsum([0, *(len(v.theta) for v in self.first)])

    def _columns(self) -> tuple[list[int], list[int], list[int]]:
        """Columns of thresholds and intercepts; of slopes, predictor by predictor; of variances."""
        start, m = self._starts(), len(self.given.scale)
        length = [max(len(v.levels) - 1, 1) for v in self.first]
        level = [int(start[i]) + k for i in range(len(length)) for k in range(length[i])]
        slope = [int(start[i]) + length[i] + j for j in range(m) for i in range(len(length))]
        return level, slope, [int(start[i + 1]) - 1 for i, v in enumerate(self.first) if not v.ordered]

    def layout(self) -> tuple[NDArray[np.str_], Index, Index]:
        """Kind, variable, and threshold, predictor (after the variables) or second variable of every statistic."""
        q, m = len(self.first), len(self.given.scale)
        rows: list[tuple[str, int, int]] = []
        for i, v in enumerate(self.first):
            rows += [("threshold", i, k) for k in range(len(v.levels) - 1)] if v.ordered else [("mean", i, i)]
        rows += [("slope", i, q + j) for j in range(m) for i in range(q)]
        rows += [("variance", i, i) for i, v in enumerate(self.first) if not v.ordered]
        rows += [("covariance", int(i), int(j)) for i, j in self.at]
        kind, at, number = zip(*rows, strict=True)
        return np.array(kind), np.array(at), np.array(number)

    def stats(self) -> Array:
        """All statistics, intercepts with their sign turned."""
        theta = np.concatenate([v.theta for v in self.raw()])
        kind = self.layout()[0]
        sd = np.array([v.sd for v in self.first])
        cov = [p.rho * sd[i] * sd[j] for p, (i, j) in zip(self.pairs, self.at, strict=True)]
        level, slope, variance = self._columns()
        out = np.concatenate([theta[[*level, *slope, *variance]], cov])
        return np.where(kind == "mean", -out, out)

    def influence(self, w: Array) -> Array:
        """What every row adds to the statistics, weights included."""
        start = self._starts()
        one = np.column_stack([np.linalg.solve(v.bread, v.score.T).T for v in self.first])
        two = np.zeros((len(w), len(self.pairs)))
        sd = np.array([v.sd for v in self.first])
        for k, (pair, (i, j)) in enumerate(zip(self.pairs, self.at, strict=True)):
            mine = [slice(start[v], start[v + 1]) for v in (i, j)]
            line = pair.score - sum(one[:, s] @ c for s, c in zip(mine, pair.cross, strict=True))
            two[:, k] = line / pair.a22 * sd[i] * sd[j]
            for v, other in ((i, j), (j, i)):
                if not self.first[v].ordered:
                    two[:, k] += one[:, start[v + 1] - 1] * pair.rho * sd[other] / (2 * sd[v])
        one = np.column_stack([one[:, start[v] : start[v + 1]] @ self._turn(x).T for v, x in enumerate(self.first)])
        level, slope, variance = self._columns()
        out = np.column_stack([one[:, [*level, *slope, *variance]], two]) * w[:, None]
        out[:, self.layout()[0] == "mean"] *= -1
        return out

    def joint(self, w: Array, n: int) -> tuple[Array, Array]:
        """Means and covariances of variables and predictors together, variables first.

        Those of the predictors have the divisor n - 1, or without `n` the sum of weights, both as in lavaan.
        """
        raw, m = self.raw(), len(self.given.scale)
        slopes = np.stack([v.theta[(k := max(len(v.levels) - 1, 1)) : k + m] for v in raw])
        level = np.array([0.0 if v.ordered else v.theta[0] for v in raw])
        x = self.given.unit * self.given.scale
        spread = (x * w[:, None]).T @ x / (n - 1 if n else w.sum())
        rest = np.diag([v.sd**2 for v in self.first])
        for p, (i, j) in zip(self.pairs, self.at, strict=True):
            rest[i, j] = rest[j, i] = p.rho * self.first[i].sd * self.first[j].sd
        across = slopes @ spread
        mean = np.concatenate([level + slopes @ self.given.centre, self.given.centre])
        return mean, np.block([[across @ slopes.T + rest, across], [across.T, spread]])
