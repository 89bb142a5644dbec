"""Data drawn from a population: normal, with given skewness and kurtosis, or heavy-tailed; incomplete if asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import SpecError, listed, near
from ..resampling import entropy, whole_number
from .composites import is_hidden
from .population import Group, Population, check_spread, matrices_of

if TYPE_CHECKING:
    from .result import SEMResult

Array = NDArray[Any]

__all__ = ["Drawing", "draw", "fleishman", "population_of_result"]


class Drawing:
    """How rows are drawn from a population; checked once, drawn from many times.

    Parameters
    ----------
    population : Population
    n : int, sequence or mapping of int
        Rows in each group.
    latent : bool, default False
        Give the constructs too.
    skewness, kurtosis : float or mapping of str to float, optional
        Of the observed variables (kurtosis in excess of the normal one).
    df : float, optional
        Degrees of freedom of a multivariate t distribution.
    missing : float or mapping of str to float, default 0
        Share of the answers left out at random.
    cluster_size : int or sequence of int, optional
        Rows in each cluster of a two-level population.
    empirical : bool, default False
        Give the rows the moments of the population exactly (divisor n).
    """

    def __init__(
        self,
        population: Population,
        n: Any,
        *,
        latent: bool = False,
        skewness: Any = None,
        kurtosis: Any = None,
        df: float | None = None,
        missing: Any = 0.0,
        cluster_size: Any = None,
        empirical: bool = False,
    ) -> None:
        self.population, self.latent, self.empirical = population, latent, empirical
        levels = population.table.levels
        self.sizes = _sizes(n, population.labels)
        first = population.groups[0]
        self.observed = tuple(
            dict.fromkeys(x for g in population.groups for x in g.names[: g.p] if ":" not in x and not is_hidden(x))
        )
        nonlinear = any(g.products for g in population.groups)
        self.shape = _shape(skewness, kurtosis, self.observed)
        if self.shape and (nonlinear or latent or levels > 1):
            why = "an interaction" if nonlinear else "two levels" if levels > 1 else "latent=True"
            raise SpecError(
                f"skewness= and kurtosis= shape the observed variables and cannot be combined with {why}; use df= for "
                "heavy tails."
            )
        if self.shape and df is not None:
            raise SpecError("Give skewness= and kurtosis=, or df=, not both.")
        if df is not None and not (isinstance(df, int | float) and df > 2):
            raise SpecError(f"df is a number above 2, so that the variances exist, not {df!r}.")
        if empirical and (nonlinear or self.shape or df is not None or levels > 1):
            raise SpecError("empirical=True is for normal data of one level without interactions.")
        self.df = df
        self.missing = _by_name(missing, self.observed, "missing", 0.0)
        if bad := [k for k, x in self.missing.items() if not 0 <= x < 1]:
            raise SpecError(f"missing is a share from 0 to below 1; for '{bad[0]}' it is {self.missing[bad[0]]}.")
        if (levels > 1) != (cluster_size is not None):
            raise SpecError(
                "A population with two levels needs cluster_size=, the rows in each cluster."
                if levels > 1
                else "cluster_size= is for populations with level: blocks."
            )
        self.clusters = [_clusters(cluster_size, k) for k in self.sizes] if levels > 1 else []
        if empirical and min(self.sizes) <= len(first.names):
            raise SpecError(
                f"empirical=True needs more rows than variables: {min(self.sizes)} rows, {len(first.names)} variables."
            )

    def rows(self, rng: np.random.Generator) -> pd.DataFrame:
        """Draw once."""
        population = self.population
        levels = population.table.levels
        frames = []
        for g, (label, n) in enumerate(zip(population.labels, self.sizes, strict=True)):
            parts = population.groups[g * levels : (g + 1) * levels]
            values = self._group(parts[0], n, rng)
            extra = {}
            if levels > 1:
                codes = self.clusters[g]
                above = self._group(parts[1], int(codes[-1]) + 1, rng)
                values = {
                    k: values.get(k, 0.0) + above[k][codes] if k in above else values[k] for k in (*values, *above)
                }
                extra["cluster"] = codes + 1 + sum(int(c[-1]) + 1 for c in self.clusters[:g])
            frame = pd.DataFrame({k: values[k] for k in self._columns(parts)})
            for name, cuts in parts[0].cuts.items():
                codes = np.searchsorted(cuts, frame[name].to_numpy(), side="right")
                found = population.categories.get(name)
                frame[name] = codes + 1 if found is None else found[codes]
            for name, share in self.missing.items():
                if share and name in frame:
                    frame[name] = frame[name].astype(float).mask(rng.random(n) < share)
            if len(population.labels) > 1:
                extra["group"] = label
            frames.append(frame.assign(**extra))
        return pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]

    def _columns(self, parts: Sequence[Group]) -> list[str]:
        names = list(self.observed)
        if self.latent:
            names += [x for g in parts for x in g.names[g.p :] if ":" not in x and not is_hidden(x)]
        mine = {x for g in parts for x in g.names}
        return [x for x in dict.fromkeys(names) if x in mine]

    def _group(self, group: Group, n: int, rng: np.random.Generator) -> dict[str, Array]:
        """Values of all variables of one group or level."""
        if self.shape:
            return self._shaped(group, n, rng)
        v = len(group.names)
        e = rng.standard_normal((n, v))
        if self.empirical:
            e -= e.mean(axis=0)
            e = e @ np.linalg.inv(np.linalg.cholesky(e.T @ e / n)).T
        e = e @ _root(group.spread).T
        if self.df is not None:
            e *= np.sqrt((self.df - 2) / rng.chisquare(self.df, (n, 1)))
        e += group.level
        if group.products:
            x = _in_turn(group, e)
        else:
            x = np.linalg.solve(np.eye(v) - group.effects, e.T).T
        return dict(zip(group.names, x.T, strict=True))

    def _shaped(self, group: Group, n: int, rng: np.random.Generator) -> dict[str, Array]:
        """Observed variables with given third and fourth moments (Vale and Maurelli 1983)."""
        found = group.moments()
        assert found is not None
        cov, mean = found[0][: group.p, : group.p], found[1][: group.p]
        sd = np.sqrt(np.diagonal(cov))
        names = group.names[: group.p]
        abcd = np.array([fleishman(*self.shape[x]) for x in names])
        inner = _intermediate(cov / np.outer(sd, sd), abcd, names)
        z = rng.standard_normal((n, group.p)) @ _root(inner).T
        _, b, c, d = abcd.T
        x = -c + z * (b + z * (c + z * d))
        return dict(zip(names, (mean + sd * x).T, strict=True))


def draw(drawing: Drawing, seed: Any = None) -> pd.DataFrame:
    """Draw rows.

    Parameters
    ----------
    drawing : Drawing
    seed : int, optional
        Same seed, same rows.

    Returns
    -------
    DataFrame
    """
    return drawing.rows(np.random.default_rng(np.random.SeedSequence(entropy(seed))))


def _root(s: Array) -> Array:
    """Square root of a covariance matrix that may be singular."""
    values, vectors = np.linalg.eigh(s)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _in_turn(group: Group, e: Array) -> Array:
    """Variables one after another, each when all that it depends on is known; products multiply their parts."""
    x = e.copy()
    products = group.products
    needs: dict[int, set[int]] = {
        i: set(products[i]) if i in products else set(np.flatnonzero(group.effects[i]).tolist())
        for i in range(e.shape[1])
    }
    done: set[int] = set()
    while len(done) < len(needs):
        ready = [i for i, before in needs.items() if i not in done and before <= done]
        if not ready:
            names = [group.names[i] for i in needs if i not in done]
            raise SpecError(f"The paths between {listed(names)} form a circle, which an interaction does not allow.")
        for i in ready:
            if i in products:
                x[:, i] = np.prod(x[:, list(products[i])], axis=1)
            elif needs[i]:
                at = sorted(needs[i])
                x[:, i] += x[:, at] @ group.effects[i, at]
        done.update(ready)
    return x


# --- what is asked for --------------------------------------------------------------------------------------------


def _sizes(n: Any, labels: tuple[Any, ...]) -> list[int]:
    """Rows of each group."""
    if isinstance(n, Mapping):
        if gone := [x for x in labels if x not in n]:
            raise SpecError(f"n names no number of rows for group {listed(gone)}; groups are {listed(labels)}.")
        given = [n[x] for x in labels]
    elif isinstance(n, Sequence | np.ndarray) and not isinstance(n, str):
        given = list(n)
    else:
        given = [n] * len(labels)
    if len(given) != len(labels):
        raise SpecError(f"n has {len(given)} numbers of rows for {len(labels)} groups.")
    sizes = [whole_number("The number of rows", x) for x in given]
    if min(sizes) < 1:
        raise SpecError(f"The number of rows is 1 or more, not {min(sizes)}.")
    return sizes


def _clusters(size: Any, n: int) -> NDArray[np.intp]:
    """Cluster of each row; sizes that are given are repeated until the rows are used up."""
    sizes = np.atleast_1d(np.asarray(size))
    if sizes.ndim != 1 or not np.issubdtype(sizes.dtype, np.integer) or not len(sizes) or sizes.min() < 1:
        raise SpecError(f"cluster_size is a whole number of 1 or more, or several, not {size!r}.")
    repeats = np.tile(sizes, int(np.ceil(n / sizes.sum())))
    return np.repeat(np.arange(len(repeats)), repeats)[:n]


def _by_name(given: Any, names: Sequence[str], what: str, nothing: float) -> dict[str, float]:
    """One number for all names, or by name."""
    if isinstance(given, Mapping):
        if unknown := [k for k in given if k not in names]:
            raise SpecError(
                f"{what} names '{unknown[0]}', which is no observed variable of the population."
                f"{near(unknown[0], names)}"
            )
        pairs = {k: given.get(k, nothing) for k in names}
    else:
        pairs = dict.fromkeys(names, nothing if given is None else given)
    try:
        return {k: float(x) for k, x in pairs.items()}
    except (TypeError, ValueError):
        raise SpecError(f"{what} is a number, or a number by variable, not {given!r}.") from None


def _shape(skewness: Any, kurtosis: Any, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Skewness and excess kurtosis by variable; empty if neither is given."""
    if skewness is None and kurtosis is None:
        return {}
    third, fourth = (_by_name(x, names, w, 0.0) for x, w in ((skewness, "skewness"), (kurtosis, "kurtosis")))
    for n in names:
        try:
            fleishman(third[n], fourth[n])
        except SpecError as problem:
            raise SpecError(f"'{n}': {problem}") from None
    return {n: (third[n], fourth[n]) for n in names}


# --- third and fourth moments ---------------------------------------------------------------------------------------


def fleishman(skewness: float, kurtosis: float) -> tuple[float, float, float, float]:
    """Coefficients of the cubic of a normal variable that has given skewness and kurtosis.

    Parameters
    ----------
    skewness : float
    kurtosis : float
        In excess of 3.

    Returns
    -------
    a, b, c, d : float
        Of a + b z + c z^2 + d z^3 with a = -c, mean 0 and variance 1.

    Raises
    ------
    SpecError
        If no cubic has them: roughly, kurtosis below 1.64 skewness^2 - 1.14.

    Notes
    -----
    Fleishman (1978), Psychometrika 43, equations 11, 17 and 18.

    Examples
    --------
    The Laplace distribution:

    >>> _, b, _, d = fleishman(0, 3)
    >>> round(b, 4), round(d, 4)
    (0.7824, 0.0679)
    """
    from scipy.optimize import root

    def gaps(x: Array) -> list[float]:
        b, c, d = x
        return [
            b * b + 6 * b * d + 2 * c * c + 15 * d * d - 1,
            2 * c * (b * b + 24 * b * d + 105 * d * d + 2) - skewness,
            24 * (b * d + c * c * (1 + b * b + 28 * b * d) + d * d * (12 + 48 * b * d + 141 * c * c + 225 * d * d))
            - kurtosis,
        ]

    for start in ((1.0, skewness / 6, 0.0), (0.8, skewness / 4, 0.1), (1.1, skewness / 6, -0.05), (0.5, 0.3, 0.15)):
        found = root(gaps, start, tol=1e-12)
        b, c, d = found.x
        rising = b + 3 * d > 0  # correlates positively with the normal variable it is made of
        if rising and np.abs(gaps(found.x)).max() < 1e-8:
            return -float(c), float(b), float(c), float(d)
    raise SpecError(
        f"no cubic of a normal variable has skewness {skewness:g} and excess kurtosis {kurtosis:g}; raise the kurtosis "
        "(to about 1.6 times the squared skewness or more) or weaken the skewness."
    )


def _intermediate(r: Array, abcd: Array, names: Sequence[str]) -> Array:
    """Correlations of the normal variables whose cubics correlate as wanted (Vale and Maurelli 1983, eq. 11)."""
    _, b, c, d = abcd.T
    first = np.outer(b, b) + 3 * np.outer(b, d) + 3 * np.outer(d, b) + 9 * np.outer(d, d)
    second, third = 2 * np.outer(c, c), 6 * np.outer(d, d)
    x = r.copy()
    for _ in range(60):
        step = (x * (first + x * (second + x * third)) - r) / (first + x * (2 * second + 3 * x * third))
        x = np.clip(x - step, -1.0, 1.0)
        if np.abs(step).max() < 1e-14:
            break
    np.fill_diagonal(x, 1.0)
    wrong = np.abs(x * (first + x * (second + x * third)) - r) > 1e-6
    np.fill_diagonal(wrong, False)
    if wrong.any():
        i, j = np.argwhere(wrong)[0].tolist()
        raise SpecError(
            f"Variables of such skewness and kurtosis cannot correlate {r[i, j]:.2f}, as '{names[i]}' and '{names[j]}' "
            "do in the population; weaken one or the other."
        )
    roots, vectors = np.linalg.eigh(x)
    if roots[0] < -1e-8:
        weight = np.abs(vectors[:, 0])
        culprits = [n for n, w in zip(names, weight, strict=True) if w > 0.2 * weight.max()]
        raise SpecError(
            f"With such skewness and kurtosis the correlations of {listed(culprits)} have no normal variables behind "
            "them; weaken the skewness or the correlations."
        )
    return x


# --- from a fitted model --------------------------------------------------------------------------------------------


def population_of_result(res: SEMResult) -> Population:
    """Take the estimates of a fitted model as a population; means that it does not have are those of the data.

    Parameters
    ----------
    res : SEMResult

    Returns
    -------
    Population
        Products of constructs are products, whatever indicators measured them.

    Raises
    ------
    SpecError
        For an improper solution, which is no population, or a product whose parts are not in the model.
    """
    e = res.estimate
    groups = []
    categories: dict[str, Array] = {}
    for number, (block, s) in enumerate(zip(e.blocks, e.states, strict=True)):
        mean = s.mean.copy()
        if not e.table.options.means:
            mean[: block.p] = e.data.samples[number].mean
        group = _with_means(matrices_of(e.table, block, number, e.values), s.cov, mean)
        if e.data.ordinal:
            found = e.data.ordinal[number].levels
            categories |= {n: np.asarray(found[block.names.index(n)]) for n in group.cuts}
        groups.append(group)
        plain = [k for k, n in enumerate(group.names) if ":" not in n]
        try:
            check_spread(group.spread[np.ix_(plain, plain)], [group.names[k] for k in plain], "")
        except SpecError as problem:
            raise SpecError(f"The solution is improper and so no population: {problem}") from None
    return Population(e.table, e.values, tuple(groups), res.rows.labels, categories)


def _with_means(group: Group, cov: Array, mean: Array) -> Group:
    """The group with intercepts that give its variables their means, without products that nothing depends on."""
    keep = [i for i, n in enumerate(group.names) if ":" not in n or group.effects[:, i].any()]
    names = tuple(group.names[i] for i in keep)
    if gone := [x for n in names if ":" in n for x in n.split(":") if x not in names]:
        raise SpecError(f"'{gone[0]}' is part of a product but not in the model by itself; add it to simulate.")
    group = Group(
        names, sum(i < group.p for i in keep), group.effects[np.ix_(keep, keep)], group.spread[np.ix_(keep, keep)],
        group.level[keep], group.cuts,
    )  # fmt: skip
    cov, mean = cov[np.ix_(keep, keep)], mean[keep]
    for i, parts in group.products.items():
        if len(parts) == 2:
            mean[i] = cov[parts] + mean[parts[0]] * mean[parts[1]]
    level = mean - group.effects @ mean
    level[list(group.products)] = 0.0
    return replace(group, level=level)
