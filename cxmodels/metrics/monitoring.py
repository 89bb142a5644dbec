"""Employees or branches month by month: shrunken scores and control charts, so that noise is not read as news.

The mean score of unit u in period t, from n answers, is taken as

    y_ut = mu_t + a_u + b_ut + e_ut,    a ~ (0, between²),  b ~ (0, monthly²),  e ~ (0, within² / n_ut)

mu_t is what the period did to everybody, a_u what the unit is, b_ut what a month of it is beyond that, e_ut the luck of
who answered. within² is pooled over the cells, the other two variances are found by REML, and the score a cell deserves,
mu_t + a_u + b_ut, is predicted by its BLUP: the fewer answers, the closer to the unit's own level, and with few
answers altogether to the mean of all. Sources: Fay and Herriot (1979), JASA 74; Morris (1983), JASA 78; Robinson
(1991), Statistical Science 6(1). The chart's limits, own level ± k sqrt(monthly² + within² / n_ut), are those of
Laney (2002), Quality Engineering 14(4), for samples of changing size with more spread than luck alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SpecError, listed
from ..inference import adjusted_pvalues, quantile
from ..results import Result
from .answers import Answers, Scale, design_of, groups_of, labels, read_one
from .design import Array, Codes, Design
from .monitor_groups import MonitorGroups

RULES = ("beyond", "run", "two_of_three")


@dataclass(frozen=True, eq=False, repr=False)
class Monitor(Result):
    """Scores of units by period; made by :func:`monitor`.

    Attributes
    ----------
    cells : DataFrame
        One row per unit and period with answers: [unit, period, n, mean (raw), se (of it), score (shrunken), score_se,
        ci_lower, ci_upper (of the score), reliability (weight of the cell's own answers), centre (own level in that
        period), limit_lower, limit_upper, z (distance of the raw mean from the centre in units of its usual spread),
        signal].
    units : DataFrame
        Index unit: [n, periods, mean (raw), level (shrunken, over all periods), se, ci_lower, ci_upper, rank, signals],
        highest level first.
    periods : DataFrame
        Index period: [n, units, mean (of all units), se].
    within, between, monthly : float
        Standard deviations of answers in a cell, of units, and of a unit's months about its level.
    sigma : float
        Width of the limits.
    rules : tuple of str
        What counts as a signal.
    level : float
        Confidence level of the intervals.
    missing : int
        Rows left out.
    deff : float
        How much more the means vary than those of as many single answers, for strata and clusters.

    Examples
    --------
    >>> import numpy as np
    >>> import cxmodels as cx
    >>> rng = np.random.default_rng(1)
    >>> who, month = np.repeat(list("ABCDEF"), 60), np.tile(np.repeat(range(6), 10), 6)
    >>> found = cx.metrics.monitor(np.repeat(rng.normal(80, 5, 6), 60) + rng.normal(0, 15, 360), who, month)
    >>> len(found.units), len(found.signals)
    (6, 0)
    >>> len(found.changes())
    30
    """

    cells: pd.DataFrame
    units: pd.DataFrame
    periods: pd.DataFrame
    within: float
    between: float
    monthly: float
    sigma: float
    rules: tuple[str, ...]
    level: float
    missing: int
    deff: float = 1.0

    @property
    def n_obs(self) -> int:
        """Answers used."""
        return int(self.cells["n"].sum())

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]."""
        rows = [("no answer, unit or period", self.missing)] if self.missing else []
        return pd.DataFrame(rows, columns=["reason", "rows"])

    @property
    def signals(self) -> pd.DataFrame:
        """The cells that are news: [unit, period, n, mean, centre, z, signal]."""
        news = self.cells[self.cells["signal"] != ""]
        return news[["unit", "period", "n", "mean", "centre", "z", "signal"]].reset_index(drop=True)

    def changes(self, adjust: str = "holm") -> pd.DataFrame:
        """Test the raw mean of every unit against that of its period before.

        Parameters
        ----------
        adjust : {"holm", "bh", "none"}, default "holm"
            Adjustment for so many tests.

        Returns
        -------
        DataFrame
            [unit, period, previous, change, se, z, pvalue, pvalue_adjusted]. The standard error is that of who answered;
            whether a change is news beyond a unit's usual months the signals say.
        """
        from scipy.special import ndtr

        cells = self.cells.sort_values(["unit", "period"], kind="stable")
        before = cells.groupby("unit", observed=True)[["period", "mean", "se"]].shift()
        out = pd.DataFrame({
            "unit": cells["unit"], "period": cells["period"], "previous": before["period"],
            "change": cells["mean"] - before["mean"], "se": np.hypot(cells["se"], before["se"]),
        })[before["mean"].notna()].reset_index(drop=True)  # fmt: skip
        out["previous"] = out["previous"].astype(cells["period"].dtype)
        with np.errstate(divide="ignore", invalid="ignore"):
            out["z"] = out["change"] / out["se"]
        out["pvalue"] = 2 * ndtr(-np.abs(out["z"].to_numpy(float)))
        return out.assign(pvalue_adjusted=adjusted_pvalues(out["pvalue"].to_numpy(float), adjust))

    def headline(self) -> list[tuple[str, str]]:
        """Return what was monitored, the spread by source, and signals found and expected.

        Returns
        -------
        list of (label, value)
        """
        from scipy.special import ndtr

        chance = 2 * ndtr(-self.sigma) * len(self.cells)
        beyond = int((self.cells["z"].abs() > self.sigma).sum())
        gone = f", {self.missing} rows left out" if self.missing else ""
        return [
            ("Monitor", f"{len(self.units)} units, {len(self.periods)} periods, {self.n_obs} answers{gone}"),
            (
                "Spread (sd)",
                f"answers {self.within:.3g}, units {self.between:.3g}, months of a unit {self.monthly:.3g}"
                + (f"; design effect {self.deff:.3g}" if self.deff != 1 else ""),
            ),
            ("Beyond limits", f"{beyond} of {len(self.cells)} unit-periods; {chance:.1f} expected by chance"),
            ("Signals", f"{int((self.cells['signal'] != '').sum())} by the rules {', '.join(self.rules)}"),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return units and signals for display.

        Returns
        -------
        dict of DataFrame
        """
        news = self.signals
        return {"Units": self.units} | ({"Signals": news} if len(news) else {})


def monitor(
    x: Any,
    unit: Any,
    period: Any,
    *,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    sigma: float = 3.0,
    rules: Sequence[str] = ("beyond", "run"),
    run: int = 8,
    scale: Scale | None = None,
    level: float = 0.95,
) -> Any:
    """Follow employees or branches month by month, with shrinkage for few answers and control limits.

    Parameters
    ----------
    x : array-like of shape (n,), or column name
        Scores of the single answers, such as :func:`csi_scores`, on any scale; 0 and 1 for a share.
    unit, period : column name or labels of shape (n,)
        Who, and when; periods in the order of their categories, else sorted.
    data : Survey or DataFrame, optional
        The table that column names speak of.
    weights : column name or array-like of shape (n,), optional
        Case weights; a cell then counts with its effective number of answers.
    strata, clusters : column name or array-like of shape (n,), optional
        Design of the sample. A cell is too small to tell its own design effect, so that of all cells together is taken.
    by : column name(s) or labels of shape (n,), optional
        Groups of units, such as regions, each with its own means of the periods and its own spread.
    sigma : float, default 3
        Width of the limits. At 3 about one cell in 370 lies beyond by chance.
    rules : sequence of {"beyond", "run", "two_of_three"}, default ("beyond", "run")
        Beyond a limit; the last of `run` periods in a row on one side of the centre; the last of two out of three
        beyond two thirds of the limit on one side (Western Electric 1956).
    run : int, default 8
        Length of a run.
    scale : (lo, hi), optional
        Ends of the scale: limits are cut there, and scores beyond are refused.
    level : float, default 0.95
        Confidence level of the intervals; Student's, with the units less one as degrees of freedom.

    Returns
    -------
    Monitor or MonitorGroups

    Raises
    ------
    DataError
        For fewer than three units, or no cell with two answers; with `by` in any group.
    SpecError
        For an unknown rule.

    Examples
    --------
    >>> import numpy as np
    >>> from cxmodels.metrics import monitor
    >>> rng = np.random.default_rng(1)
    >>> who, month = np.repeat(list("ABCDEF"), 60), np.tile(np.repeat(range(6), 10), 6)
    >>> skill = np.repeat(rng.normal(80, 5, 6), 60)
    >>> m = monitor(skill + rng.normal(0, 15, 360), who, month)
    >>> m.units.shape, len(m.signals)
    ((6, 9), 0)
    """
    quantile(level)
    if unknown := [r for r in rules if r not in RULES]:
        raise SpecError(f"Unknown rules {listed(unknown)}; choose from {listed(RULES)}.")
    if not sigma > 0 or run < 2:
        raise SpecError(f"sigma must be above 0 and run at least 2, not {sigma!r} and {run!r}.")
    answers = read_one(x, data, "scores")
    ends = (-np.inf, np.inf) if scale is None else answers.scale(scale, scale)
    who, when = labels(answers, unit, "unit"), labels(answers, period, "period")
    known = ~np.isnan(answers.values[:, 0]) & who.notna().to_numpy() & when.notna().to_numpy()
    if not known.any():
        raise DataError(f"None of {answers.n} rows has a score, a unit and a period.")
    design = design_of(answers, weights, strata, clusters, np.ones(answers.n, dtype=bool))
    w = design.weights
    known &= w > 0
    if by is not None:
        options = {"sigma": sigma, "rules": rules, "run": run, "scale": scale, "level": level}
        return _by_group(answers, who, when, known, design, by, options)
    cells = _cells(answers.values[known, 0], w[known], who[known], when[known])
    names, u = np.unique(cells["unit"].to_numpy(), return_inverse=True)
    if len(names) < 3:
        raise DataError(
            f"The scores are of {len(names)} unit{'s' * (len(names) != 1)}; shrinkage needs at least three to know how units differ."
        )
    times = cells["period"].drop_duplicates().sort_values()
    t = pd.Index(times).get_indexer(cells["period"])
    spare = float((cells["n"] - 1).sum())
    if not spare > 0:
        raise DataError("No unit has two answers in one period, so luck and change cannot be told apart.")
    within = float(np.sqrt(cells.pop("_squares").sum() / spare))
    noise = within**2 / cells.pop("_n_eff").to_numpy()
    deff = _design_effect(answers.values[:, 0], known, who, when, design, noise) if design.complex else 1.0
    noise = deff * noise
    y = cells["mean"].to_numpy()
    between, monthly = _variances(y, noise, u, t)
    fit = _predict(y, noise, u, t, between, monthly)
    q = quantile(level, len(names) - 1.0)  # Student's, as the variances are estimated from so many units
    spread = np.sqrt(monthly**2 + noise)
    cells = cells.assign(
        se=np.sqrt(noise), score=fit["score"], score_se=fit["se"],
        ci_lower=fit["score"] - q * fit["se"], ci_upper=fit["score"] + q * fit["se"],
        reliability=fit["reliability"], centre=fit["centre"],
        limit_lower=np.clip(fit["centre"] - sigma * spread, *ends), limit_upper=np.clip(fit["centre"] + sigma * spread, *ends),
        z=np.divide(y - fit["centre"], spread, out=np.zeros_like(y), where=spread > 0),
    )  # fmt: skip
    cells["signal"] = _signals(cells["z"].to_numpy(), u, t, tuple(rules), sigma, run)
    grouped = cells.groupby("unit", observed=True)
    units = pd.DataFrame({
        "n": grouped["n"].sum(), "periods": grouped.size(),
        "mean": grouped[["mean", "n"]].apply(lambda g: np.average(g["mean"], weights=g["n"])),
        "level": fit["mu"].mean() + fit["level"], "se": fit["level_se"],
    }, index=pd.Index(names, name="unit"))  # fmt: skip
    units["ci_lower"], units["ci_upper"] = units["level"] - q * units["se"], units["level"] + q * units["se"]
    units["rank"] = units["level"].rank(ascending=False, method="min").astype(int)
    units["signals"] = grouped["signal"].apply(lambda s: int((s != "").sum()))
    of_period = cells.groupby("period", observed=True)
    periods = pd.DataFrame({"n": of_period["n"].sum(), "units": of_period.size()})
    periods = periods.assign(mean=fit["mu"], se=fit["mu_se"])
    return Monitor(
        cells.reset_index(drop=True), units.sort_values(["rank"], kind="stable"), periods, within, between, monthly,
        float(sigma), tuple(rules), level, int(answers.n - known.sum()), deff,
    )  # fmt: skip


def _by_group(
    answers: Answers, who: pd.Series, when: pd.Series, known: NDArray[np.bool_], design: Design, by: Any, options: Any
) -> MonitorGroups:
    """Fit each group on its own."""
    keys, code = groups_of(answers, by)
    names = [k[0] if len(k) == 1 else ", ".join(map(str, k)) for k in keys.itertuples(index=False, name=None)]
    monitors = {}
    for g, name in enumerate(names):
        rows = np.flatnonzero(known & (code == g))
        sampled: dict[str, Any] = {
            "weights": design.weights[rows] if design.weighted else None,
            "strata": None if design.strata is None else design.strata[rows],
            "clusters": None if design.clusters is None else design.clusters[rows],
        }
        try:
            monitors[name] = monitor(
                answers.values[rows, 0], who.iloc[rows].array, when.iloc[rows].array, **sampled, **options
            )
        except DataError as error:
            raise DataError(f"Group {name!r}: {error}") from None
    return MonitorGroups(monitors, keys, int(answers.n - (known & (code >= 0)).sum()))


def _design_effect(
    x: Array, known: NDArray[np.bool_], who: pd.Series, when: pd.Series, design: Design, noise: Array
) -> float:
    """Variance of the cells' means under the design over that of single answers, all cells together (Wolter 2007, ch. 7)."""
    from scipy.sparse import csr_matrix

    rows = np.flatnonzero(known)
    frame = pd.DataFrame({"unit": who.astype(str).to_numpy()[rows], "period": when.array[rows]})
    cell = frame.groupby(["unit", "period"], observed=True, sort=True).ngroup().to_numpy()
    w = design.weights[rows]
    total = np.bincount(cell, w)
    z = w / total[cell] * (x[rows] - (np.bincount(cell, w * x[rows]) / total)[cell])
    se = design.spread(csr_matrix((z, (rows, cell)), shape=(len(x), len(total)))).se()
    drawn = pd.DataFrame({"cell": cell, "unit": design.unit[rows], "stratum": design.stratum[design.unit[rows]]})
    units = drawn.groupby("cell")["unit"].nunique().to_numpy()
    free = units - drawn.groupby("cell")["stratum"].nunique().to_numpy()
    told = free > 0
    if not told.any():
        raise DataError("Every unit-period lies in one cluster, so that what clusters do to its mean cannot be told.")
    return float((se[told] ** 2 * units[told] / free[told]).sum() / noise[told].sum())


def _cells(x: Array, w: Array, who: pd.Series, when: pd.Series) -> pd.DataFrame:
    """Mean, answers, effective answers and within sum of squares of every unit and period."""
    frame = pd.DataFrame({"unit": who.astype(str).to_numpy(), "period": when.array, "x": x, "w": w})
    frame["wx"], frame["ww"] = frame["w"] * frame["x"], frame["w"] ** 2
    g = frame.groupby(["unit", "period"], observed=True, sort=True)
    out = g.agg(n=("x", "size"), wx=("wx", "sum"), w=("w", "sum"), ww=("ww", "sum"))
    out["mean"] = out["wx"] / out["w"]
    out["_n_eff"] = out["w"] ** 2 / out["ww"]
    centred = frame["x"] - g["wx"].transform("sum") / g["w"].transform("sum")
    frame["square"] = frame["w"] * centred**2
    out["_squares"] = g["square"].sum() * out["n"] / out["w"]
    return out[["n", "mean", "_n_eff", "_squares"]].reset_index()


def _pieces(noise: Array, u: Codes, t: Codes, between: float, monthly: float) -> tuple[Array, Array, Array, Array]:
    """1 / d by cell, its table units × periods, the shrinking factor of units, and X' V⁻¹ X."""
    p = 1 / (monthly**2 + noise)
    k = np.zeros((u.max() + 1, t.max() + 1))
    k[u, t] = p
    f = between**2 / (1 + between**2 * k.sum(axis=1))
    return p, k, f, np.diag(k.sum(axis=0)) - (k.T * f) @ k


def _means(y: Array, p: Array, k: Array, f: Array, info: Array, u: Codes, t: Codes) -> Array:
    """Means of the periods by generalised least squares."""
    py = np.bincount(u, p * y)
    right = np.bincount(t, p * y) - k.T @ (f * py)
    return np.linalg.pinv(info) @ right


def _variances(y: Array, noise: Array, u: Codes, t: Codes) -> tuple[float, float]:
    """Standard deviations of units and of their months, by REML."""
    from scipy.optimize import minimize

    scale = float(max(y.std(), np.sqrt(noise.mean()), 1e-12))
    noise = np.maximum(noise, 1e-10 * scale**2)  # answers all alike leave no noise; keep the matrix regular
    several = len(y) > u.max() + 1  # else months and units cannot be told apart

    def minus_log_likelihood(s: Array) -> float:
        between, monthly = s[0] * scale, s[1] * scale if several else 0.0
        p, k, f, info = _pieces(noise, u, t, between, monthly)
        r = y - _means(y, p, k, f, info, u, t)[t]
        pr = np.bincount(u, p * r)
        quadratic = (p * r * r).sum() - (f * pr**2).sum()
        logdet = -np.log(p).sum() + np.log1p(between**2 * k.sum(axis=1)).sum()
        return float(logdet + np.linalg.slogdet(info)[1] + quadratic) / 2

    starts = [(0.7, 0.3), (0.1, 0.1), (0.3, 0.9)]
    fits = [minimize(minus_log_likelihood, s, method="L-BFGS-B", bounds=[(0, 10), (0, 10)]) for s in starts]
    best = min(fits, key=lambda f: f.fun).x * scale
    return float(best[0]), float(best[1]) if several else 0.0


def _predict(y: Array, noise: Array, u: Codes, t: Codes, between: float, monthly: float) -> dict[str, Array]:
    """BLUPs of cells and units with their mean squared errors, the variances taken as known."""
    noise = np.maximum(noise, 1e-10 * max(y.std(), 1e-6) ** 2)
    p, k, f, info = _pieces(noise, u, t, between, monthly)
    mu = _means(y, p, k, f, info, u, t)
    cov = np.linalg.pinv(info)
    r = y - mu[t]
    level = f * np.bincount(u, p * r)
    monthly2 = monthly**2
    own = monthly2 * p
    score = mu[t] + level[u] + own * (r - level[u])
    # Var(b | y) with the level known, plus what not knowing the level adds, plus what not knowing mu adds.
    conditional = monthly2 * (1 - own) + (1 - own) ** 2 * f[u]
    periods = len(mu)
    to_level = f[:, None] * k  # how a unit's level follows the means of the periods
    pull = (1 - own)[:, None] * (np.eye(periods)[t] - to_level[u])
    through_mu = np.einsum("it,ts,is->i", pull, cov, pull)
    average = 1 / periods - to_level
    level_var = f + np.einsum("it,ts,is->i", average, cov, average)
    return {
        "mu": mu, "mu_se": np.sqrt(np.diag(cov)), "level": level, "level_se": np.sqrt(level_var), "score": score,
        "se": np.sqrt(conditional + through_mu), "centre": mu[t] + level[u],
        "reliability": own + (1 - own) * f[u] * p,
    }  # fmt: skip


def _signals(z: Array, u: Codes, t: Codes, rules: tuple[str, ...], sigma: float, run: int) -> list[str]:
    """The rules that each cell breaks, joined by commas."""
    said: list[list[str]] = [[] for _ in z]
    for one in np.unique(u):
        rows = np.flatnonzero(u == one)
        rows = rows[np.argsort(t[rows], kind="stable")]
        side, length = 0.0, 0
        for at, i in enumerate(rows):
            length = length + 1 if np.sign(z[i]) == side and side else 1
            side = np.sign(z[i])
            if "beyond" in rules and abs(z[i]) > sigma:
                said[i].append("beyond")
            if "run" in rules and length >= run:
                said[i].append("run")
            near = rows[max(at - 2, 0) : at + 1]
            far = (z[near] * np.sign(z[i]) > sigma * 2 / 3).sum()
            if "two_of_three" in rules and abs(z[i]) > sigma * 2 / 3 and far >= 2:
                said[i].append("two_of_three")
    return [", ".join(s) for s in said]
