"""Monte-Carlo power: how often a study of a given size finds what is there, and how well it measures it.

Replicates of normal data under maximum likelihood need no rows: their moments are drawn (means normal, covariances
Wishart by Bartlett's decomposition) and all replicates are fitted together. Everything else is drawn and fitted row
by row, with the same options as a fit to data (Muthén and Muthén 2002, Structural Equation Modeling 9, 599-620).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import CxError, CxWarning, EstimationError, SpecError, listed, near
from ..resampling import check_level, check_workers, entropy, run_tasks, whole_number
from ..results import Result, axes
from .batch import fit_many
from .constraints import defined_values
from .estimate import Estimate
from .matrices import Products, gather_square, move, state
from .objective import expand
from .population import Population
from .sample_size import needed_noncentrality, noncentral_power, noncentralities
from .simulation import Drawing
from .truth import Truth, truth_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .spec import SEM

Array = NDArray[Any]

__all__ = ["SEMPower", "power_of", "sample_size_of"]

_CHUNK = 100  # replicates fitted together
_HEAD = 4  # numbers about the model before those of its parameters


@dataclass(frozen=True, eq=False)
class _Design:
    """One sample size: how rows are drawn and what is fitted; evaluates replicates by their numbers."""

    spec: SEM
    truth: Truth
    drawing: Drawing
    options: dict[str, Any]
    level: float
    together: bool

    def __call__(self, which: range, root: Any, place: int) -> Array:
        """Lines of (p-value and chi-square of the model, df, improper, estimates, standard errors); NaN without a fit."""
        seeds = [np.random.SeedSequence(root, spawn_key=(place, i)) for i in which]
        if self.together:
            return self._moments([np.random.default_rng(s) for s in seeds])
        return np.stack([self._rows(np.random.default_rng(s)) for s in seeds])

    def _rows(self, rng: np.random.Generator) -> Array:
        """Draw rows and fit them."""
        from scipy.special import chdtrc

        out = np.full(_HEAD + 2 * len(self.truth.rows), np.nan)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CxWarning)
            try:
                res = self.spec.fit(self.drawing.rows(rng), **self.options)
                if not res.converged:
                    return out
                e = res.estimate
                found = (e.chisq, e.df) if res.scaled is None else (res.scaled.chisq, res.scaled.df)
                tested = found[1] > 0 and self.truth.tested
                se = res.standard_errors[self.truth.rows]
                if not np.isfinite(se).all():
                    return out
                est = np.concatenate([e.values, defined_values(e.table, e.values)])[self.truth.rows]
            except (CxError, np.linalg.LinAlgError):
                return out
        p = chdtrc(found[1], found[0]) if tested else np.nan
        out[:] = np.concatenate([[p, found[0], e.df, float(not res.proper)], est, se])
        return out

    def _moments(self, rngs: Sequence[np.random.Generator]) -> Array:
        """Draw moments and fit them together."""
        from scipy.special import chdtrc

        e = self.truth.estimate
        assert e is not None
        drawn = [[] for _ in e.blocks]  # type: ignore[var-annotated]
        for rng in rngs:
            for g, (sample, n) in enumerate(zip(e.raw.samples, self.drawing.sizes, strict=True)):
                drawn[g].append(_drawn_moments(sample.mean, sample.cov, n, rng))
        means = [np.stack([m for m, _ in part]) for part in drawn]
        covs = [np.stack([c for _, c in part]) for part in drawn]
        many = fit_many(e, means, covs, [float(n) for n in self.drawing.sizes])
        values = expand(e.table, many.base, many.x)
        se = _standard_errors(e, values, many.x, many.base, self.drawing.sizes)
        est = np.concatenate([values, defined_values(e.table, values)], axis=1)
        chisq = sum(self.drawing.sizes) * many.value
        improper = np.zeros(len(values), dtype=bool)
        for i, x in enumerate(e.table.entries):
            if x.op == "~~" and x.lhs == x.rhs and e.table.index[i] >= 0:
                improper |= values[:, i] < 0
        p = chdtrc(e.df, np.maximum(chisq, 0)) if e.df > 0 else np.full(len(values), np.nan)
        df = np.full(len(values), e.df)
        out = np.column_stack([p, chisq, df, improper, est[:, self.truth.rows], se[:, self.truth.rows]])
        out[~many.converged | ~np.isfinite(se[:, self.truth.rows]).all(axis=1)] = np.nan
        return out


def _drawn_moments(mean: Array, cov: Array, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Mean and covariance (divisor n) of n normal rows (Bartlett 1933)."""
    p = len(mean)
    root = np.linalg.cholesky(cov)
    a = np.tril(rng.standard_normal((p, p)), -1)
    a[np.arange(p), np.arange(p)] = np.sqrt(rng.chisquare(n - 1 - np.arange(p)))
    half = root @ a
    return mean + root @ rng.standard_normal(p) / np.sqrt(n), half @ half.T / n


def _standard_errors(e: Estimate, values: Array, x: Array, base: Array, sizes: Sequence[int]) -> Array:
    """Standard errors (b, rows and defined parameters) from the expected information, 0 where fixed."""
    b, q, total = len(x), x.shape[1], sum(sizes)
    info = np.zeros((b, q, q))
    means = e.table.options.means
    for block, n in zip(e.blocks, sizes, strict=True):
        s = state(block, values)
        m = move(block, s)
        p = block.p
        v = np.linalg.pinv(s.cov[:, :p, :p], hermitian=True)
        part = Products.of(m.pairs[:, :p], v).information(m.shift if means else None)
        info += n / total * gather_square(block, part)
    bad = ~np.isfinite(info).all(axis=(1, 2))
    info[bad] = np.eye(q)
    vcov = np.linalg.pinv(info, hermitian=True) / total
    vcov[bad] = np.nan
    out = np.zeros((b, len(e.table.entries) + len(e.table.defined)))
    free, places = e.table.free
    out[:, free] = np.sqrt(np.maximum(np.diagonal(vcov, axis1=1, axis2=2), 0.0))[:, places]
    if e.table.defined:
        moved = x[:, None] + 1e-20j * np.eye(q)
        gradient = defined_values(e.table, expand(e.table, base[:, None].astype(complex), moved)).imag / 1e-20
        variance = np.einsum("bqd,bqr,brd->bd", gradient, vcov, gradient)
        out[:, len(e.table.entries) :] = np.sqrt(np.maximum(variance, 0.0))
    return out


def power_of(
    spec: SEM,
    population: Population,
    sizes: Sequence[Any],
    *,
    parameters: Sequence[str] | str | None,
    replicates: int,
    seed: Any,
    alpha: float,
    level: float,
    method: str,
    drawing: Mapping[str, Any],
    fit: Mapping[str, Any],
    n_jobs: int,
    progress: Callable[[int, int], None] | None,
) -> SEMPower:
    """Evaluate a model on replicates of a population; see :meth:`SEM.power`."""
    check_workers(n_jobs)
    check_level(level)
    if not 0 < alpha < 1:
        raise SpecError(f"alpha is a probability between 0 and 1, not {alpha}.")
    if method not in ("monte_carlo", "satorra_saris"):
        raise SpecError(f"method is 'monte_carlo' or 'satorra_saris', not '{method}'.")
    sizes = list(sizes) if isinstance(sizes, Sequence | np.ndarray) else [sizes]
    if not sizes:
        raise SpecError("n is empty; give one or more numbers of rows.")
    count = whole_number("The number of replicates", replicates)
    if count < 2:
        raise SpecError(f"Power needs at least 2 replicates, not {count}.")
    options = _options(spec, population, drawing, fit)
    truth = truth_of(spec, population, options)
    keep = _chosen(truth, parameters)
    truth = truth.only(keep)
    plain = all(drawing.get(k) is None for k in ("skewness", "kurtosis", "df")) and not drawing.get("missing")
    designs = [
        _Design(spec, truth, Drawing(population, n, **drawing), options, level, truth.batched and plain)
        for n in sizes
    ]
    if method == "satorra_saris":
        return SEMPower(spec, population, truth, designs, (), alpha, level, method, None)
    for d in designs:
        if min(d.drawing.sizes) <= len(spec.columns):
            raise SpecError(
                f"{min(d.drawing.sizes)} rows for {len(spec.columns)} items: the covariance matrix of every replicate would "
                "be singular; plan for more rows."
            )
    root = entropy(seed)
    tasks = [
        (design, k, range(i, min(i + _CHUNK, count)), root)
        for k, design in enumerate(designs)
        for i in range(0, count, _CHUNK)
    ]
    parts = run_tasks(_evaluate, tasks, n_jobs, progress, count * len(designs))
    lines = tuple(
        np.concatenate([part for task, part in zip(tasks, parts, strict=True) if task[1] == k])
        for k in range(len(designs))
    )
    for design, values in zip(designs, lines, strict=True):
        if np.isnan(values[:, 1]).all():
            raise EstimationError(
                f"All {count} replicates with {sum(design.drawing.sizes)} rows failed; use more rows, a simpler model, "
                "or look at a single data set from simulate()."
            )
    return SEMPower(spec, population, truth, designs, lines, alpha, level, method, root)


def _evaluate(design: _Design, place: int, which: range, root: Any) -> Array:
    return design(which, root, place)


def _options(spec: SEM, population: Population, drawing: Mapping[str, Any], fit: Mapping[str, Any]) -> dict[str, Any]:
    """How each replicate is fitted."""
    out = dict(fit)
    if odd := [k for k in out if k not in ("equal", "partial", "missing", "cluster")]:
        raise SpecError(f"fit= names '{odd[0]}'; known are 'equal', 'partial', 'missing' and 'cluster'.")
    if len(population.labels) > 1:
        out["group"] = "group"
    if population.table.levels > 1:
        out.setdefault("cluster", "cluster")
    share = drawing.get("missing")
    if share and (not isinstance(share, Mapping) or any(share.values())):
        out.setdefault("missing", "pairwise" if spec.ordered else "fiml")
    return out


def _chosen(truth: Truth, parameters: Sequence[str] | str | None) -> list[int]:
    """Which of the free and defined parameters were asked for, by label, name, or equation."""
    if parameters is None:
        return list(range(len(truth.rows)))
    wanted = [parameters] if isinstance(parameters, str) else list(parameters)
    names = truth.names
    out: list[int] = []
    for name in wanted:
        plain = str(name).replace(" ", "")
        hits = [k for k, found in enumerate(names) if plain in found]
        if not hits:
            known = list(dict.fromkeys(x for found in names for x in found))
            raise SpecError(
                f"parameters names '{name}', which is no free parameter of the model; it has "
                f"{listed([found[0] for found in names], 6)}.{near(plain, known)}"
            )
        out += [k for k in hits if k not in out]
    if not out:
        raise SpecError("parameters is empty; name one or more, or leave it out for all.")
    return out


def sample_size_of(
    spec: SEM, population: Population, power: float, parameters: Sequence[str] | str | None, alpha: float,
    fit: Mapping[str, Any],
) -> pd.DataFrame:  # fmt: skip
    """Rows with which each parameter is found; see :meth:`SEM.sample_size`."""
    needed = needed_noncentrality(power, alpha)
    truth = truth_of(spec, population, _options(spec, population, {}, fit))
    truth = truth.only(_chosen(truth, parameters))
    each = _noncentralities(truth)
    groups = len(population.labels)
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.where(each > 1e-12, np.ceil(needed / each / groups - 1e-9) * groups, np.inf)
    n[np.isnan(each)] = np.nan
    return truth.frame.assign(true=truth.values, ncp=each, n=n)


def _noncentralities(truth: Truth) -> Array:
    if truth.estimate is None:
        raise SpecError(
            "Power by computation needs a population whose moments have a simple form, and numerical items; use "
            "power(method='monte_carlo')."
        )
    return noncentralities(truth.estimate, truth.rows)


@dataclass(frozen=True, eq=False, repr=False)
class SEMPower(Result):
    """Power of a planned study; made by :meth:`SEM.power`.

    Attributes
    ----------
    spec : SEM
        The model fitted.
    population : Population
        What the data are drawn from.
    lines : tuple of ndarray
        Every replicate of every sample size; NaN where there is no solution.
    alpha, level, method
        As asked for.
    seed
        Entropy of the replicates, to reproduce the run.
    """

    spec: SEM
    population: Population
    truth: Truth
    designs: list[_Design]
    lines: tuple[Array, ...]
    alpha: float
    level: float
    method: str
    seed: Any

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """Parameters by sample size, [n, lhs, op, rhs, true, mean, bias, se_mean, sd, coverage, power, mcse, failed].

        `n` counts the rows of all groups; `true` is the value that the model has in the population; `bias` = mean - true;
        `se_mean` the average standard error, to compare with `sd`, the spread of the estimates; `coverage` of the normal
        interval; `power` the share of replicates in which the parameter differs from zero; `mcse` the standard error of
        `power`; `failed` replicates without a solution, left out. By computation (`method="satorra_saris"`) it is
        [n, lhs, op, rhs, true, ncp, power], ncp being the noncentrality.
        """
        return pd.concat([self._table(k) for k in range(len(self.designs))], ignore_index=True)

    def _table(self, k: int) -> pd.DataFrame:
        from scipy.special import ndtri

        n, truth = sum(self.designs[k].drawing.sizes), self.truth
        frame = truth.frame.copy()
        frame.insert(0, "n", n)
        if self.method == "satorra_saris":
            ncp = n * _noncentralities(truth)
            return frame.assign(true=truth.values, ncp=ncp, power=noncentral_power(ncp, self.alpha))
        ok = ~np.isnan(self.lines[k][:, 1])
        lines = self.lines[k][ok]
        size = len(truth.rows)
        est, se = lines[:, _HEAD : _HEAD + size], lines[:, _HEAD + size :]
        width = -ndtri((1 - self.level) / 2) * se
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.abs(est / se) > -ndtri(self.alpha / 2)
        covered = np.where(np.isnan(truth.values), np.nan, np.abs(est - truth.values) <= width)
        power = found.mean(axis=0)
        mean = est.mean(axis=0)
        return frame.assign(
            true=truth.values, mean=mean, bias=mean - truth.values, se_mean=se.mean(axis=0),
            sd=est.std(axis=0, ddof=1) if len(est) > 1 else np.nan, coverage=covered.mean(axis=0), power=power,
            mcse=np.sqrt(power * (1 - power) / len(est)), failed=int((~ok).sum()),
        )  # fmt: skip

    @cached_property
    def tests(self) -> pd.DataFrame:
        """Test of the model by sample size, [n, replicates, failed, improper, chisq, df, rejected, mcse].

        `chisq` is the mean (before any correction for non-normality of its scale is judged), `rejected` the share of
        replicates in which the test of the model rejects it at alpha: its level where the model is true, its power
        where it is not. Without a test (no degrees of freedom, or interaction="lms") it is NaN.
        """
        rows = []
        for design, lines in zip(self.designs, self.lines, strict=bool(self.lines)):
            ok = ~np.isnan(lines[:, 1])
            p = lines[ok, 0]
            tested = not np.isnan(p).any()
            share = float((p < self.alpha).mean()) if tested else np.nan
            rows.append(
                (
                    sum(design.drawing.sizes), len(lines), int((~ok).sum()), int(lines[ok, 3].sum()),
                    float(lines[ok, 1].mean()) if tested else np.nan, lines[ok, 2].mean() if tested else np.nan, share,
                    np.sqrt(share * (1 - share) / max(ok.sum(), 1)),
                )
            )  # fmt: skip
        columns = ["n", "replicates", "failed", "improper", "chisq", "df", "rejected", "mcse"]
        return pd.DataFrame(rows, columns=columns)

    def n_needed(self, power: float = 0.8) -> pd.DataFrame:
        """Return the rows with which each parameter would be found with a power.

        Parameters
        ----------
        power : float, default 0.8

        Returns
        -------
        DataFrame
            [lhs, op, rhs, true, n]: rows in all groups. The noncentrality of the test grows with n; its rate is the maximum
            likelihood estimate from the replicates of all sample sizes. Infinite for a parameter found no oftener
            than alpha, and a guess from beyond the range of n for others: look at :attr:`estimates` at that n.

        Raises
        ------
        SpecError
            If power does not lie between alpha and 1.
        """
        needed = needed_noncentrality(power, self.alpha)
        if self.method == "satorra_saris":
            rate = _noncentralities(self.truth)
        else:
            tables = [self._table(k) for k in range(len(self.designs))]
            n = np.array([t["n"].iloc[0] for t in tables], dtype=float)
            usable = np.array([len(x) - t["failed"].iloc[0] for x, t in zip(self.lines, tables, strict=True)])
            shares = np.stack([t["power"].to_numpy() for t in tables])
            rate = np.array([_rate(n, usable, share, self.alpha) for share in shares.T])
        with np.errstate(divide="ignore", invalid="ignore"):
            rows = np.where(rate > 0, np.ceil(needed / rate - 1e-9), np.inf)
        rows[np.isnan(rate)] = np.nan
        return self.truth.frame.assign(true=self.truth.values, n=rows)

    def plot(self, wanted: float = 0.8, ax: Axes | None = None) -> Axes:
        """Draw power against the number of rows, a curve for each parameter.

        Parameters
        ----------
        wanted : float, default 0.8
            Where the dashed line stands.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        Axes
            Of more than eight parameters the paths and defined ones only.

        Raises
        ------
        SpecError
            For a single number of rows.
        """
        return axes("power", self, wanted, ax)

    @property
    def failed(self) -> int:
        """Replicates without a solution, of all sample sizes."""
        return sum(int(np.isnan(x[:, 1]).sum()) for x in self.lines)

    @property
    def n_obs(self) -> int:
        """Rows of the largest sample planned."""
        return max(sum(d.drawing.sizes) for d in self.designs)

    @property
    def excluded(self) -> pd.DataFrame:
        """No row is left out of a study that has no data, [reason, rows]."""
        return pd.DataFrame({"reason": pd.Series(dtype=object), "rows": pd.Series(dtype=int)})

    @property
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """A model that does not hold in the population, and replicates left out."""
        out = []
        if self.truth.misfit > 1e-6:
            out.append(
                f"The model does not hold in the population (RMSEA {self.truth.rmsea:.3f}): true values are those with which it "
                "comes closest."
            )
        if self.failed:
            total = sum(len(x) for x in self.lines)
            out.append(f"{self.failed} of {total} replicates have no solution and are left out.")
        return tuple(out)

    def headline(self) -> list[tuple[str, str]]:
        """Return model, sizes, replicates and population."""
        sizes = ", ".join(str(sum(d.drawing.sizes)) for d in self.designs)
        how = "by computation (Satorra-Saris)"
        if self.lines:
            how = f"{len(self.lines[0])} replicates of each, {self.failed} failed, seed {self.seed}"
        return [
            ("Power", f"SEM, {len(self.truth.rows)} parameters, alpha {self.alpha:g}"),
            (
                "Rows",
                f"{sizes}" + (f" in {len(self.population.labels)} groups" if len(self.population.labels) > 1 else ""),
            ),
            ("Replicates", how),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return power by parameter, and the test of the model."""
        return {"Parameters": self.estimates} | ({"Model test": self.tests} if self.lines else {})


def _rate(n: Array, usable: Array, shares: Array, alpha: float) -> float:
    """Noncentrality per row that makes the shares found at several n most likely."""
    from scipy.optimize import minimize_scalar

    hits = shares * usable + 0.5 * (shares == 0) - 0.5 * (shares == 1)

    def deviance(log_rate: float) -> float:
        p = np.clip(noncentral_power(np.exp(log_rate) * n, alpha), 1e-12, 1 - 1e-12)
        return -float((hits * np.log(p) + (usable - hits) * np.log1p(-p)).sum())

    if (hits.sum() / usable.sum()) <= alpha:
        return 0.0
    found = minimize_scalar(deviance, bounds=(np.log(1e-4 / n.max()), np.log(1e3 / n.min())), method="bounded")
    return float(np.exp(found.x))
