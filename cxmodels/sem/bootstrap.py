"""Bootstrap of a fitted model, through the package's one resampling engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import CxError, DataError, SpecError
from ..moments import WeightedMoments
from ..resampling import Replicates, Sampling, bootstrap
from ..results import Result
from .batch import fit_many
from .constraints import defined_values
from .design import Units
from .estimate import Data, Estimate, estimate
from .objective import expand
from .patterns import Patterns
from .prepare import Rows, response_moments
from .samples import Sample, sample_of
from .saturated import saturated
from .standardize import standardized

if TYPE_CHECKING:
    from .result import SEMResult

Array = NDArray[Any]

_NEEDED: dict[str, Literal["full", "diagonal", "none"]] = {"ULS": "none", "DWLS": "diagonal"}

RUNS_OFF = "no finite estimate of "  # begins the notes on replicates lost to a path

__all__ = ["SEMBootstrap", "Statistic", "bootstrap_model"]


@dataclass(frozen=True, eq=False)
class Statistic:
    """From row counts to chi-square, estimates, defined parameters and their standardised forms."""

    estimate: Estimate
    rows: Rows
    moments: tuple[WeightedMoments, ...] = ()

    @classmethod
    def of(cls, e: Estimate, rows: Rows) -> Statistic:
        """Prepare what all replicates share."""
        place = {n: i for i, n in enumerate(rows.names)}
        batched = (
            e.table.size > 0 and e.plan.kind == "ML" and not e.plan.fiml and not e.plan.unbiased
            and not e.table.constraints
            and all(np.isinf(x.lower) and np.isinf(x.upper) for x in e.table.entries)
        )  # fmt: skip
        if not batched:
            return cls(e, rows)
        parts = [
            WeightedMoments(rows.x[rows.codes == g][:, [place[n] for n in b.names[: b.p]]])
            for g, b in enumerate(e.blocks)
        ]
        return cls(e, rows, tuple(parts))

    def __call__(self, counts: Array) -> tuple[Array, dict[str, NDArray[np.bool_]]]:
        """Evaluate replicates; lines without a solution are NaN."""
        if self.rows.weights is not None:
            counts = counts * self.rows.weights
        values, chisq, done, runaway = self._together(counts) if self.moments else self._singly(counts)
        e = self.estimate
        improper = np.zeros(len(counts), dtype=bool)
        for i, x in enumerate(e.table.entries):
            if x.op == "~~" and x.lhs == x.rhs and e.table.index[i] >= 0:
                improper |= values[:, i] < 0
        parts = [chisq[:, None]]
        for kind in (None, "std_lv", "std_all"):
            full = values if kind is None else standardized(e, values, kind)
            parts.append(np.concatenate([full, defined_values(e.table, full)], axis=1))
        out = np.hstack(parts)
        out[~done] = np.nan
        lost = {self._path(i): runaway == i for i, x in enumerate(e.table.entries) if x.op == "~"}
        return out, {"improper": improper & done} | lost

    def _path(self, i: int) -> str:
        """Note on replicates in which a path has no finite estimate."""
        x = self.estimate.table.entries[i]
        where = f" in group '{self.rows.labels[x.group]}'" if len(self.rows.labels) > 1 else ""
        return f"{RUNS_OFF}'{x.lhs} ~ {x.rhs}'{where}"

    def _together(self, counts: Array) -> tuple[Array, Array, NDArray[np.bool_], NDArray[np.intp]]:
        """All replicates at once."""
        means, covs, n = [], [], []
        for g, moments in enumerate(self.moments):
            w = counts[:, self.rows.codes == g]
            mean, cov = moments(w)
            means.append(mean)
            covs.append(cov * ((moments.n - 1) / moments.n))
            n.append(float(self.estimate.data.samples[g].n))
        found = fit_many(self.estimate, means, covs, n)
        values = expand(self.estimate.table, found.base, found.x)
        return values, sum(n) * found.value, found.converged, found.runaway

    def _singly(self, counts: Array) -> tuple[Array, Array, NDArray[np.bool_], NDArray[np.intp]]:
        """One replicate after another, each from the solution of the data."""
        e = self.estimate
        values = np.full((len(counts), len(e.table.entries)), np.nan)
        chisq, done = np.full(len(counts), np.nan), np.zeros(len(counts), dtype=bool)
        for i, line in enumerate(counts):
            try:
                found = estimate(e.table, self._data(line), e.plan, start=e.x)
            except (CxError, np.linalg.LinAlgError):
                continue
            values[i], chisq[i], done[i] = found.values, found.chisq, found.minimum.converged
        return np.where(done[:, None], values, e.values), chisq, done, np.full(len(counts), -1, dtype=np.intp)

    def _data(self, counts: Array) -> Data:
        """Moments of one replicate."""
        e, rows = self.estimate, self.rows
        place = {n: i for i, n in enumerate(rows.names)}
        samples: list[Sample] = []
        ordinal, patterns, tops = [], [], []
        for g, block in enumerate(e.blocks):
            mine = (rows.codes == g) & (counts > 0)
            names = block.names[: block.p]
            x, w = rows.x[mine][:, [place[n] for n in names]], counts[mine]
            if e.data.ordinal:
                found = response_moments(x, names, e.table, g, w, covariance=_NEEDED.get(e.plan.kind, "full"))
                if any(len(a) != len(b) for a, b in zip(found.levels, e.data.ordinal[g].levels, strict=True)):
                    raise DataError("A replicate lost a category.")
                ordinal.append(replace(found, n=round(w.sum())))
                samples.append(Sample(float(w.sum()), found.means, found.cor))
            elif e.plan.fiml:
                group = Patterns.of(x, w, names)
                top = saturated(group)
                patterns.append(group)
                tops.append(top)
                samples.append(Sample(group.total, top.mean, top.cov))
            else:
                samples.append(sample_of(x, w))
        return Data(tuple(samples), tuple(ordinal), tuple(patterns), tuple(tops))


def bootstrap_model(
    res: SEMResult, n: int, *, seed: int | None, interval: str, level: float, kind: str, n_jobs: int, progress: Any
) -> SEMBootstrap:
    """Refit a model to resamples of its rows, drawn as the sample was: clusters whole, each stratum by itself."""
    if not len(res.rows.x):
        raise DataError("The bootstrap needs the rows of the data; the model was fitted to moments.")
    if kind not in ("nonparametric", "bollen.stine"):
        raise SpecError(f"kind is 'nonparametric' or 'bollen.stine', not '{kind}'.")
    if interval == "studentized":
        raise SpecError("Studentised intervals are not offered for SEM; choose percentile, basic, normal or bca.")
    rows, e = res.rows, res.estimate
    if kind == "bollen.stine":
        rows = _null_rows(e, rows)
    replicates = bootstrap(
        Statistic.of(e, rows), _sampling(rows), n, seed=seed,
        interval=interval, n_jobs=n_jobs, progress=progress,  # type: ignore[arg-type]
    )  # fmt: skip
    return SEMBootstrap(res, replicates, kind, interval, level)


def _sampling(rows: Rows) -> Sampling:
    """Draw within strata, or else within groups, unless clusters have rows in several of them."""
    if rows.strata is not None:
        units = Units.of(rows.clusters, rows.strata)
        return Sampling(len(rows.x), rows.strata, units.row)
    apart = len(rows.labels) > 1 and not any(u is not None and u.shared for u in rows.units)
    return Sampling(len(rows.x), rows.codes if apart else None, rows.clusters)


def _null_rows(e: Estimate, rows: Rows) -> Rows:
    """Rows transformed so that the model holds exactly in them (Bollen and Stine 1992)."""
    if e.plan.fiml or e.data.ordinal or e.plan.kind != "ML":
        raise SpecError("The Bollen-Stine bootstrap is for maximum likelihood with complete numerical items.")
    x = rows.x.copy()
    place = {n: i for i, n in enumerate(rows.names)}
    for g, (block, s, sample) in enumerate(zip(e.blocks, e.states, e.data.samples, strict=True)):
        p = block.p
        at = np.array([place[n] for n in block.names[:p]])
        mine = np.flatnonzero(rows.codes == g)
        turn = _root(np.linalg.inv(sample.cov)) @ _root(s.cov[:p, :p])
        mean = s.mean[:p] if e.table.options.means else sample.mean
        x[np.ix_(mine, at)] = (x[np.ix_(mine, at)] - sample.mean) @ turn + mean
    return replace(rows, x=x)


def _root(a: Array) -> Array:
    values, vectors = np.linalg.eigh(a)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


@dataclass(frozen=True, eq=False, repr=False)
class SEMBootstrap(Result):
    """Bootstrap replicates of a model; made by :meth:`SEMResult.bootstrap`.

    Attributes
    ----------
    result : SEMResult
        The model bootstrapped.
    replicates : Replicates
        The numbers of every replicate.
    kind, interval, level
        As asked for.

    Examples
    --------
    >>> import cxmodels as cx
    >>> model = "visual =~ x1 + x2 + x3; text =~ x4 + x5 + x6; text ~ visual"
    >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
    >>> boot = res.bootstrap(50, seed=1)
    >>> boot.estimates.query("op == '~'")[["lhs", "rhs", "est", "se", "ci_lower", "ci_upper"]].round(2)
        lhs     rhs  est   se  ci_lower  ci_upper
    6  text  visual  0.5  0.1      0.34      0.69
    """

    result: SEMResult
    replicates: Replicates
    kind: str
    interval: str
    level: float

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """As the result's, with bootstrap standard errors, intervals, and z and p-value from them."""
        return self._table(0, self.result._keys.assign(**self._standard))

    @cached_property
    def standardized(self) -> pd.DataFrame:
        """std_all of all parameters, [lhs, op, rhs, group, label, est, se, z, pvalue, ci_lower, ci_upper]."""
        return self._table(2, self.result._keys)

    @property
    def _standard(self) -> dict[str, Array]:
        return {k: self.result._standardized[k] for k in ("std_lv", "std_all")}

    def _table(self, number: int, frame: pd.DataFrame) -> pd.DataFrame:
        k = len(frame)
        found = self.replicates.table(slice(1 + number * k, 1 + (number + 1) * k), self.interval, self.level)  # type: ignore[arg-type]
        found = found.rename(columns={"t": "z"})
        found.loc[found["se"] < 1e-12, "se"] = 0.0
        columns = {c: found[c].to_numpy() for c in ("est", "se", "z", "pvalue", "ci_lower", "ci_upper")}
        names = [c for c in ("lhs", "op", "rhs", "group", "label") if c in frame]
        return self.result.shown(pd.concat([frame[names].assign(**columns), frame.drop(columns=names)], axis=1))

    @property
    def chisq_pvalue(self) -> float:
        """Share of the usable replicates whose chi-square is at least that of the data (Bollen-Stine)."""
        if self.kind != "bollen.stine":
            raise SpecError("Ask for bootstrap(kind='bollen.stine'): other replicates are not drawn under the model.")
        values = self.replicates.values[self.replicates.ok, 0]
        return float((values >= self.result.estimate.chisq).mean())

    @property
    def failed(self) -> int:
        """Replicates without a solution, left out."""
        return self.replicates.failed

    @property
    def n_obs(self) -> int:
        """Rows used."""
        return self.result.n_obs

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]."""
        return self.result.excluded

    @property
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the result, failed replicates and improper ones."""
        out = list(self.result.warnings)
        if self.failed:
            out.append(
                f"{self.failed} of {self.replicates.n} replicates did not converge and are left out: standard errors and "
                "intervals describe the others only, and are too narrow if these are many."
            )
        lost = {k: v for k, v in self.replicates.notes.items() if v and k.startswith(RUNS_OFF)}
        for note, count in sorted(lost.items(), key=lambda item: -item[1])[:3]:
            path = note.removeprefix(RUNS_OFF)
            out.append(
                f"In {count} of {self.replicates.n} replicates the likelihood rises without end as the path {path} grows: "
                "its predictors are nearly one. Drop or merge one."
            )
        rows = self.result.rows
        if rows.strata is not None:
            sizes = Units.of(rows.clusters, rows.strata).sizes
            short = 1 - float(np.sqrt((sizes - 1).sum() / sizes.sum()))
            if short > 0.05:
                out.append(
                    f"Strata have {sizes.mean():.1f} units on average; drawn as many as there are, bootstrap standard errors come "
                    f"out about {100 * short:.0f} % too small: use those of the fit, which allow for it."
                )
        if count := self.replicates.notes.get("improper", 0):
            out.append(f"{count} of {self.replicates.n} replicates had a negative variance; they are kept.")
        return tuple(out)

    def headline(self) -> list[tuple[str, str]]:
        """Return those of the result, and the replicates.

        Returns
        -------
        list of (str, str)
            Name and text of each line.
        """
        text = f"{self.replicates.n} {self.kind} replicates, {self.failed} failed, {self.interval} intervals"
        return [*self.result.headline(), ("Bootstrap", text)]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the estimates.

        Returns
        -------
        dict of str to DataFrame
        """
        return {"Estimates": self.estimates}
