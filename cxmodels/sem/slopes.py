"""What an interaction says: effects standardised with their parts, and slopes at levels of the moderator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import SpecError, listed, near
from ..model.moderation import moderator_levels
from ..resampling import check_level
from .inference import delta_variances
from .matrices import state
from .objective import expand
from .standardize import complex_jacobian

if TYPE_CHECKING:
    from .result import SEMResult

Array = NDArray[Any]

__all__ = ["has_interactions", "interactions", "lines", "simple_slopes"]


class _Term(NamedTuple):
    """One interaction in one equation: its entry, the entries of its parts' own paths, places in the block."""

    number: int
    outcome: str
    name: str
    parts: tuple[str, str]
    entry: int
    own: tuple[int | None, int | None]
    at: tuple[int, int, int]


def _terms(res: SEMResult) -> list[_Term]:
    table, out = res.estimate.table, []
    for number, block in enumerate(res.estimate.blocks):
        place = {n: i for i, n in enumerate(block.names)}
        rows = {(e.lhs, e.rhs): i for i in table.block(number) if (e := table.entries[i]).op == "~"}
        for (outcome, name), entry in rows.items():
            parts = tuple(name.split(":"))
            if len(parts) == 2 and all(x in place for x in parts):
                a, b = parts
                at = (place[outcome], place[a], place[b])
                own = (rows.get((outcome, a)), rows.get((outcome, b)))
                out.append(_Term(number, outcome, name, (a, b), entry, own, at))
    return out


def _some_terms(res: SEMResult) -> list[_Term]:
    found = _terms(res)
    if not found:
        raise SpecError("The model has no interaction; write for example 'Loyalty ~ Image + Price + Image:Price'.")
    return found


def has_interactions(res: SEMResult) -> bool:
    """Whether the model has an interaction whose parts it has too."""
    return bool(_terms(res))


def interactions(res: SEMResult) -> pd.DataFrame:
    """Interactions with their appropriately standardised effects; see :attr:`SEMResult.interactions`."""
    terms = _some_terms(res)

    def standard(values: Array) -> Array:
        out = []
        for t in terms:
            cov = state(res.estimate.blocks[t.number], values).cov
            y, a, b = (np.sqrt(cov[..., i, i]) for i in t.at)
            out.append(values[..., t.entry] * a * b / y)
        return np.stack(out, axis=-1)

    frame = _frame(res, terms, [(t.outcome, t.name) for t in terms], ["outcome", "predictor"])
    at = [t.entry for t in terms]
    frame = _inference(frame, res.estimate.values[at], res.standard_errors[at], 0.95)
    std, std_se = _delta(res, standard)
    return frame.assign(std=std, std_se=std_se)


def simple_slopes(res: SEMResult, levels: Sequence[float], level: float) -> pd.DataFrame:
    """Slopes at levels of the moderator; see :meth:`SEMResult.simple_slopes`."""
    check_level(level)
    at = moderator_levels(levels)
    cases = []
    for t in _some_terms(res):
        cases += [(t, k, z) for k in ((0,) if t.parts[0] == t.parts[1] else (0, 1)) for z in at]

    def slope(values: Array) -> Array:
        out = []
        for t, k, z in cases:
            s = state(res.estimate.blocks[t.number], values)
            m = t.at[2 - k]
            moderator = _centre(res, t, m, s.mean) + z * np.sqrt(s.cov[..., m, m])
            own = t.own[k]
            main = 0.0 if own is None else values[..., own]
            out.append(main + (1 + (t.parts[0] == t.parts[1])) * values[..., t.entry] * moderator)
        return np.stack(out, axis=-1)

    keys = [(t.outcome, t.parts[k], t.parts[1 - k], z) for t, k, z in cases]
    frame = _frame(res, [t for t, _, _ in cases], keys, ["outcome", "predictor", "moderator", "level"])
    return _inference(frame, *_delta(res, slope), level)


def _inference(frame: pd.DataFrame, est: Array, se: Array, level: float) -> pd.DataFrame:
    """The frame with tests and normal intervals."""
    from scipy.special import ndtr, ndtri

    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(se > 0, est / se, np.nan)
    width = -ndtri((1 - level) / 2) * se
    tests = {"est": est, "se": se, "z": z, "pvalue": 2 * ndtr(-np.abs(z))}
    return frame.assign(**tests, ci_lower=est - width, ci_upper=est + width)


def _centre(res: SEMResult, t: _Term, m: int, mean: Array) -> Array | float:
    """Mean of a moderator on the scale on which it was multiplied."""
    e = res.estimate
    block = e.blocks[t.number]
    if block.names.index(t.name) >= block.p and res.spec.interaction == "product":
        return 0.0  # double mean centring
    if e.table.options.means:
        return mean[..., m]
    return e.data.samples[t.number].mean[m] if m < block.p else 0.0


def _frame(res: SEMResult, terms: Sequence[_Term], keys: Sequence[tuple], columns: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(keys, columns=columns)
    if len(res.rows.labels) > 1:
        frame.insert(len(columns), "group", [res.rows.labels[t.number // res.estimate.table.levels] for t in terms])
    return frame


def _delta(res: SEMResult, function) -> tuple[Array, Array]:  # type: ignore[no-untyped-def]
    """Values of a function of all entries at the estimates, and delta-method standard errors."""
    e = res.estimate

    def of(x: Array) -> Array:
        return function(e.completed(expand(e.table, e.base, x)))

    jacobian = complex_jacobian(of, e.x)
    return of(e.x), np.sqrt(delta_variances(jacobian, res.free_vcov))


def lines(
    res: SEMResult, predictor: str, outcome: str | None, levels: Sequence[float], x: Array
) -> tuple[str, str, pd.DataFrame, Array]:
    """Expected outcome along a predictor at levels of its moderator, all in standard deviations.

    Returns
    -------
    outcome, moderator : str
    slopes : DataFrame
        Simple slopes, standardised, one line for each level.
    y : ndarray of shape (levels, points)
    """
    every = simple_slopes(res, levels, 0.95)
    known = list(dict.fromkeys(every["predictor"]))
    if predictor not in known:
        raise SpecError(
            f"No interaction involves '{predictor}'; choose from {listed(known)}.{near(str(predictor), known)}"
        )
    outcomes = list(dict.fromkeys(every.loc[every["predictor"] == predictor, "outcome"]))
    outcome = outcomes[0] if outcome is None else outcome
    if outcome not in outcomes:
        raise SpecError(f"'{predictor}' has no moderator for '{outcome}'; choose from {listed(outcomes)}.")
    t = next(t for t in _terms(res) if t.outcome == outcome and predictor in t.parts)
    k = t.parts.index(predictor)
    moderator = t.parts[1 - k]
    rows = every[(every["outcome"] == outcome) & (every["predictor"] == predictor)]
    rows = rows[rows["moderator"] == moderator].head(len(levels)).reset_index(drop=True)
    e = res.estimate
    s = e.states[t.number]
    sd = np.sqrt(np.diagonal(s.cov))
    y, one, other = t.at[0], t.at[1 + k], t.at[2 - k]
    scale = sd[one] / sd[y]
    frame = rows.assign(**{c: rows[c] * scale for c in ("est", "se", "ci_lower", "ci_upper")})
    if predictor == moderator:
        middle = (
            simple_slopes(res, (0.0,), 0.95).query("outcome == @outcome and predictor == @predictor")["est"].iloc[0]
        )
        curve = middle * scale * x + e.values[t.entry] * sd[one] ** 2 / sd[y] * x**2
        return outcome, moderator, frame, np.tile(curve, (len(frame), 1))
    centre = float(_centre(res, t, one, s.mean))
    own = t.own[1 - k]
    across = (0.0 if own is None else e.values[own]) + e.values[
        t.entry
    ] * centre  # of the moderator, at the mean of x
    rise = across * sd[other] / sd[y] * frame["level"].to_numpy()
    return outcome, moderator, frame, rise[:, None] + frame["est"].to_numpy()[:, None] * x
