"""Whether low ratings cost more than high ratings earn: penalty-reward contrasts, and dissatisfiers and enhancers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SpecError
from ..inference import quantile
from .coefficients import linear, ordinal, tested
from .likelihood import Ordinal, categories

if TYPE_CHECKING:
    from .result import DriverResult

Array = NDArray[np.float64]


def penalty_reward(result: DriverResult, low: float, high: float, level: float) -> pd.DataFrame:
    """Regress the outcome on low and high ratings; see :meth:`DriverResult.penalty_reward`."""
    names, x, y = _complete(result)
    _check_bounds(low, high)
    columns, labels, counts = [], [], {}
    for k, name in enumerate(names):
        few, many = x[:, k] <= low, x[:, k] >= high
        middle = ~few & ~many
        counts[name] = (int(few.sum()), int(middle.sum()), int(many.sum()))
        for what, hits in (("low", few), ("middle", middle), ("high", many)):
            if not hits.any():
                raise DataError(
                    f"No rating of '{name}' is {what} (low is {low:g} or less, high {high:g} or more, of {len(x)} rows); "
                    "move the bounds or leave it out."
                )
        columns += [few, many]
        labels += [f"{name} low", f"{name} high"]
    dummies, table = np.column_stack(columns).astype(float), _rows(result)
    if result.spec.linear:
        fit = linear(dummies, y, table, tuple(labels))
    else:
        fit = ordinal(Ordinal(dummies, categories(y)), table, tuple(labels))
    est, cov = fit.slopes, fit.cov[fit.leading :, fit.leading :]
    se = np.sqrt(np.diagonal(cov))
    out = pd.DataFrame(
        {"penalty": est[0::2], "penalty_se": se[0::2], "reward": est[1::2], "reward_se": se[1::2]},
        index=pd.Index(names, name="attribute"),
    )
    p = tested(est, se, fit.df, level)["pvalue"].to_numpy()
    out["penalty_pvalue"], out["reward_pvalue"] = p[0::2], p[1::2]
    # A penalty is a loss: with b the coefficients, |penalty| - reward = -b_low - b_high.
    out["asymmetry"] = -est[0::2] - est[1::2]
    i = np.arange(0, len(est), 2)
    out["asymmetry_se"] = np.sqrt(cov[i, i] + cov[i + 1, i + 1] + 2 * cov[i, i + 1])
    half = quantile(level, fit.df) * out["asymmetry_se"]
    moves = np.minimum(p[0::2], p[1::2]) < (1 - level) / 2  # at least one of two, by Bonferroni
    out["kind"] = [_kind(*row) for row in zip(out["asymmetry"], half, moves, strict=True)]
    out[["n_low", "n_middle", "n_high"]] = [counts[n] for n in names]
    out["intercept"] = fit.values[0]
    return out


def _kind(gap: float, half: float, moves: bool) -> str:
    """Name the asymmetry, where it is more than noise."""
    if not moves:
        return "no effect"
    if gap > half:
        return "basic"
    return "excitement" if -gap > half else "performance"


def shapley_kano(
    result: DriverResult, low: float, high: float, outcome_low: float, outcome_high: float
) -> pd.DataFrame:
    """Find key dissatisfiers and enhancers; see :meth:`DriverResult.shapley_kano`."""
    names, x, y = _complete(result)
    _check_bounds(low, high)
    _check_bounds(outcome_low, outcome_high)
    w = np.ones(len(x)) if result.table.weights is None else _rows(result).weights
    parts = []
    for side, event, failing in (
        ("dissatisfier", y <= outcome_low, x <= low),
        ("enhancer", y >= outcome_high, x >= high),
    ):
        if not event.any() or event.all():
            raise DataError(
                f"{int(event.sum())} of {len(y)} rows have an outcome of "
                f"{f'{outcome_low:g} or less' if side == 'dissatisfier' else f'{outcome_high:g} or more'}; move that bound."
            )
        parts.append(_success(names, failing, event, w, side))
    return pd.concat(parts, ignore_index=True)


def _success(
    names: list[str], failing: NDArray[np.bool_], event: NDArray[np.bool_], w: Array, side: str
) -> pd.DataFrame:
    """Shapley values of reach less noise, and how far the first attributes get together."""
    inside, outside = np.where(event, w, 0.0), np.where(event, 0.0, w)
    inside, outside = inside / inside.sum(), outside / outside.sum()
    # In the game "does any attribute of the set fail", each of k failing attributes of a respondent is worth 1/k.
    each = failing / np.maximum(failing.sum(axis=1, keepdims=True), 1)
    value = (inside - outside) @ each
    order = np.argsort(-value, kind="stable")
    union = np.logical_or.accumulate(failing[:, order], axis=1)
    reach, noise = inside @ union, outside @ union
    success = reach - noise
    return pd.DataFrame(
        {
            "side": side,
            "attribute": [names[i] for i in order],
            "value": value[order],
            "reach": reach,
            "noise": noise,
            "success": success,
            "key": np.arange(len(order)) <= int(success.argmax()),
        }
    )


def _complete(result: DriverResult) -> tuple[list[str], Array, Array]:
    """Ratings and outcome of the rows that rated every attribute."""
    names = list(result.numeric)
    x = result.table.ratings[names].to_numpy(float)
    keep = ~np.isnan(x).any(axis=1)
    if keep.sum() < 2 * len(names) + 3:
        raise DataError(
            f"{int(keep.sum())} rows rate all {len(names)} attributes; at least {2 * len(names) + 3} are needed."
        )
    return names, x[keep], result.table.y[keep]


def _rows(result: DriverResult) -> Any:
    """The table cut to the rows that rated every attribute."""
    return result.table.rows(~result.table.ratings[list(result.numeric)].isna().any(axis=1).to_numpy())


def _check_bounds(low: float, high: float) -> None:
    if not low < high:
        raise SpecError(f"The low bound {low:g} must lie below the high bound {high:g}.")
