"""What if: capped changes of attributes and what goes with them, and elasticities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import SpecError, listed
from ..inference import quantile
from ..resampling import check_level
from ..results import Result
from .coefficients import Coefficients, expected
from .table import filled

if TYPE_CHECKING:
    from .result import DriverResult

Array = NDArray[np.float64]

CAUTION = "These are associations among respondents: who rates an attribute higher also rates the outcome so. They do not prove that raising it would."


@dataclass(frozen=True, eq=False, repr=False)
class WhatIf(Result):
    """What goes with a change of attributes; made by :meth:`DriverResult.simulate` and its kin.

    Attributes
    ----------
    effects : DataFrame
        Index attribute: asked, realised (mean over respondents, less than asked where some stand at the end of the scale),
        share_at_end, effect (alone), se, ci_lower, ci_upper; for a plan also cost.
    baseline, predicted : float
        Mean of the outcome now, and under the scenario.
    change, se, ci_lower, ci_upper : float
        The joint change.
    level : float
    unit : str
        What the change is counted in.
    n_obs : int
        Rows used.
    excluded : DataFrame
        Rows left out, [reason, rows].
    drawn : str
        Replicates behind the standard errors, where there are any.

    Examples
    --------
    >>> import cxmodels as cx
    >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ2", "PERQ3"]).fit(cx.datasets.survey("mobi"))
    >>> what = res.simulate({"PERQ1": 1.0}, scale=(1, 10))
    >>> round(what.change, 2), what.effects[["asked", "realised"]].round(2).values.tolist()
    (0.31, [[1.0, 0.84]])
    """

    effects: pd.DataFrame
    baseline: float
    predicted: float
    change: float
    se: float
    ci_lower: float
    ci_upper: float
    level: float
    unit: str
    n_obs: int
    excluded: pd.DataFrame
    drawn: str = ""
    warnings: tuple[str, ...] = ()

    def headline(self) -> list[tuple[str, str]]:
        """The scenario in three lines.

        Returns
        -------
        list of (label, value)
        """
        asked = ", ".join(f"{k} {v:+.3g}" for k, v in self.effects["asked"].items() if v)
        moved = f"{self.change:+.3f} (se {self.se:.3f}, {self.level:.0%} interval {self.ci_lower:.3f} to {self.ci_upper:.3f})"
        return [
            ("What if", asked),
            (self.unit, f"{self.baseline:.3f} now, {self.predicted:.3f} then: {moved}"),
            ("Rows", f"{self.n_obs} used, {int(self.excluded['rows'].sum())} excluded{self.drawn}"),
            ("Caution", CAUTION),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        return {"Each change alone": self.effects}


def simulate(result: DriverResult, changes: Mapping[str, float], scale: Any, capped: bool, level: float) -> WhatIf:
    """Predict the outcome after changes; see :meth:`DriverResult.simulate`."""
    check_level(level)
    wanted = _columns_of(result, changes)
    names = list(wanted)
    lo, hi = result.scale_ends(names, scale)
    for name, low, high in zip(names, lo, hi, strict=True):
        if capped and abs(wanted[name]) > high - low:
            raise SpecError(
                f"A change of {wanted[name]:+g} for '{name}' is longer than its scale, {low:g} to {high:g}; ask for at most "
                f"{high - low:g}, or set capped=False."
            )
    fit = result.fit_coefficients
    moves = [_moves(result, t, names, wanted, lo, hi, capped) for t in result.tables_used]

    def mean_change(theta: Array, only: int | None = None) -> float:
        out = 0.0
        for table, move in zip(result.tables_used, moves, strict=True):
            x = filled(table)
            to = x.copy()
            for k, name in enumerate(names):
                if only is None or only == k:
                    to[:, result.column(name)] += move[:, k]
            gain = expected(fit, theta, to, result.scores) - expected(fit, theta, x, result.scores)
            out += mean_of(table, gain) / len(moves)
        return out

    rows = []
    for k, name in enumerate(names):
        effect, se = _with_error(partial(mean_change, only=k), fit)
        pairs = list(zip(result.tables_used, moves, strict=True))
        realised = float(np.mean([mean_of(t, m[:, k]) for t, m in pairs]))
        end = hi[k] if wanted[name] > 0 else lo[k]
        stuck = float(np.mean([mean_of(t, (filled(t)[:, result.column(name)] == end) * 1.0) for t, _ in pairs]))
        rows.append((name, wanted[name], realised, stuck, effect, se))
    frame = pd.DataFrame(rows, columns=["attribute", "asked", "realised", "share_at_end", "effect", "se"]).set_index(
        "attribute"
    )
    half = quantile(level, fit.df)
    frame["ci_lower"], frame["ci_upper"] = frame["effect"] - half * frame["se"], frame["effect"] + half * frame["se"]
    change, se = _with_error(mean_change, fit)
    base = result.baseline
    notes = tuple(result.scale_notes(names, scale)) if capped else ()
    if np.isnan(se):
        notes = (*notes, "Under pairwise deletion the standard error is unknown; use missing='multiple' for one.")
    return WhatIf(
        frame, base, base + change, change, se, change - half * se, change + half * se, level, result.unit,
        result.n_obs, result.excluded, warnings=notes,
    )  # fmt: skip


def marginal_effects(result: DriverResult) -> tuple[list[str], Array, Array]:
    """Mean change of the outcome per point of each rating, with covariance.

    Parameters
    ----------
    result : DriverResult

    Returns
    -------
    names : list of str
    effect : ndarray of shape (k,)
    cov : ndarray of shape (k, k)
    """
    fit = result.fit_coefficients
    names = list(result.numeric)
    at = np.array([result.column(n) for n in names], dtype=int)
    if result.spec.linear:
        place = fit.leading + at
        return names, fit.values[place], fit.cov[np.ix_(place, place)]

    def effect(theta: Array) -> Array:
        out = np.zeros(len(names))
        step = 1e-4
        for table in result.tables_used:
            x = filled(table)
            for k, column in enumerate(at):
                up, down = x.copy(), x.copy()
                up[:, column] += step
                down[:, column] -= step
                gain = expected(fit, theta, up, result.scores) - expected(fit, theta, down, result.scores)
                out[k] += mean_of(table, gain) / (2 * step) / len(result.tables_used)
        return out

    gradient = _gradient(effect, fit)
    return names, effect(np.nan_to_num(fit.values)), gradient.T @ np.nan_to_num(fit.cov) @ gradient


def elasticities(result: DriverResult, level: float) -> pd.DataFrame:
    """Percent change of the outcome per percent of each attribute; see :meth:`DriverResult.elasticities`."""
    check_level(level)
    names, effect, cov = marginal_effects(result)
    means = [np.mean([mean_of(t, filled(t)[:, result.column(n)]) for t in result.tables_used]) for n in names]
    factor = np.array(means) / result.baseline
    est, se = effect * factor, np.sqrt(np.diagonal(cov)) * np.abs(factor)
    half = quantile(level, result.fit_coefficients.df) * se
    columns = {"elasticity": est, "se": se, "ci_lower": est - half, "ci_upper": est + half}
    return pd.DataFrame(columns, index=pd.Index(names, name="attribute"))


def mean_of(table: Any, values: Array) -> float:
    """Weighted mean of one number per row.

    Parameters
    ----------
    table : Table
    values : ndarray of shape (n,)

    Returns
    -------
    float
    """
    w = weights_of(table)
    return float(w @ values / w.sum())


def _columns_of(result: DriverResult, changes: Mapping[str, float]) -> dict[str, float]:
    """Changes by attribute; those of a group go to its members."""
    if not isinstance(changes, Mapping) or not changes:
        raise SpecError('Give the changes as a mapping, such as {"speed": 0.5}.')
    groups = {p.name: p.attributes for p in result.spec.players}
    out: dict[str, float] = {}
    for name, by in changes.items():
        members = groups.get(name, (name,))
        if isinstance(by, bool) or not isinstance(by, int | float | np.number) or not np.isfinite(by):
            raise SpecError(f"The change of '{name}' must be a number, not {by!r}.")
        for a in members:
            if a in result.spec.categorical:
                raise SpecError(f"'{a}' is categorical and cannot move by points; compare its coefficients.")
            if a not in result.numeric:
                raise result.unknown(a)
            if a in out:
                raise SpecError(f"'{a}' is changed twice; name it or its group, not both.")
            out[a] = float(by)
    known = result.slopes_by_attribute()
    if tied := [a for a in out if np.isnan(known[a])]:
        raise SpecError(f"{listed(tied)} has no coefficient of its own, as others determine it; drop one of them.")
    return out


def _moves(
    result: DriverResult, table: Any, names: list[str], wanted: dict[str, float], lo: Array, hi: Array, capped: bool
) -> Array:
    """How far each respondent moves; one without an answer stays."""
    x = filled(table)[:, [result.column(n) for n in names]]
    by = np.array([wanted[n] for n in names])
    move = np.clip(x + by, np.minimum(lo, x), np.maximum(hi, x)) - x if capped else np.tile(by, (len(x), 1))
    seen = np.column_stack([answered(result, table, n) for n in names])
    return np.where(seen, move, 0.0)


def answered(result: DriverResult, table: Any, name: str) -> NDArray[np.bool_]:
    """Tell who can move: who answered; under multiple imputation, everyone.

    Parameters
    ----------
    result : DriverResult
    table : Table
    name : str
        A rating.

    Returns
    -------
    ndarray of bool of shape (n,)
    """
    if result.missing == "multiple":
        return np.ones(len(table.x), dtype=bool)
    return ~np.isnan(table.ratings[name].to_numpy(float))


def weights_of(table: Any) -> Array:
    """Return the case weights, ones without.

    Parameters
    ----------
    table : Table

    Returns
    -------
    ndarray of shape (n,)
    """
    return np.ones(len(table.y)) if table.weights is None else table.weights


def _with_error(of: Callable[[Array], float], fit: Coefficients) -> tuple[float, float]:
    """A function of the coefficients and its standard error by the delta method."""
    gradient = _gradient(lambda theta: np.array([of(theta)]), fit)[:, 0]
    used = np.abs(gradient) > 1e-12 * max(np.abs(gradient).max(), 1e-300)
    variance = gradient[used] @ fit.cov[np.ix_(used, used)] @ gradient[used]
    return float(of(np.nan_to_num(fit.values))), float(np.sqrt(variance))


def _gradient(of: Callable[[Array], Array], fit: Coefficients) -> Array:
    """Central differences by the coefficients, (parameters, values)."""
    theta = np.nan_to_num(fit.values)
    scale = np.sqrt(np.nan_to_num(np.diagonal(fit.cov), nan=1.0)) + 1e-12
    rows = []
    for i, step in enumerate(1e-2 * scale):
        up, down = theta.copy(), theta.copy()
        up[i] += step
        down[i] -= step
        rows.append((of(up) - of(down)) / (2 * step))
    return np.stack(rows)
