"""What if on a structural model: attribute to quality to satisfaction to loyalty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .. import index as ix
from ..errors import SpecError, near
from ..inference import quantile
from ..resampling import Sampling, bootstrap, check_level
from .scenario import WhatIf

if TYPE_CHECKING:
    from ..pls import PLSResult
    from ..pls.bootstrap import PLSStatistic

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StructuralStatistic:
    """Index changes of all constructs as a function of row weightings.

    Parameters
    ----------
    estimates : PLSStatistic
    moves : ndarray of shape (n, p)
        How far each respondent moves on each item.
    shock : ndarray of shape (j,)
        Points added to constructs directly.
    lo, hi : ndarray of shape (p,)
        Ends of the scales.
    """

    estimates: PLSStatistic
    moves: Array
    shock: Array
    lo: Array
    hi: Array

    def __call__(self, counts: Array) -> tuple[Array, dict[str, Any]]:
        """Return own shock and total change of each construct.

        Parameters
        ----------
        counts : ndarray of shape (b, n)

        Returns
        -------
        values : ndarray of shape (b, 2 j)
        notes : dict of ndarray of shape (b,)
        """
        from ..pls.kernel import total_effects

        _, cov, est, bad, _ = self.estimates.estimates(counts)
        case = self.estimates.case_weights
        g = counts if case is None else counts * case
        moved = (g @ self.moves) / g.sum(axis=1, keepdims=True)
        j = len(self.shock)
        v = ix.normalized_weights(est.item_weights[:, :, :j])
        span = self.hi - self.lo
        with np.errstate(invalid="ignore", divide="ignore"):
            own = 100 * (moved[:, None, :] @ v)[:, 0] / (span @ v) + self.shock
        direct = ix.unstandardized_paths(est.paths[:, :j, :j], ix.index_sd(cov, v, self.lo, self.hi))
        total = total_effects(direct, self.estimates.layout.design.depth)
        change = own + (total @ own[:, :, None])[..., 0]
        values = np.concatenate([own, change], axis=1)
        values[bad] = np.nan
        return values, {"no estimate": bad}


def simulate_structure(
    fit: PLSResult,
    changes: Mapping[str, float],
    target: str,
    *,
    scale: Any = None,
    n: int = 1000,
    seed: int | None = None,
    level: float = 0.95,
) -> WhatIf:
    """Follow a change of items or constructs along the paths of a fitted model to a target.

    Parameters
    ----------
    fit : PLSResult
    changes : mapping of str to float
        Points by which an item rises on its own scale, capped there, or a construct on 0-100.
    target : str
        Construct whose index is wanted.
    scale : (lo, hi), or mapping of item to (lo, hi), optional
        Ends of the answer scales; by default those of the survey's codebook.
    n : int, default 1000
        Bootstrap replicates behind the standard errors.
    seed : int, optional
    level : float, default 0.95

    Returns
    -------
    WhatIf
        ``effects`` has a line for every construct: asked (the direct push on its index), effect (in all), se, interval.

    Raises
    ------
    SpecError
        For an unknown item, construct or target, a missing scale, or a change beyond the end of a scale or index.

    Examples
    --------
    >>> import cxmodels as cx
    >>> model = '''
    ... Quality =~ PERQ1 + PERQ2 + PERQ3
    ... Satisfaction =~ CUSA1 + CUSA2 + CUSA3
    ... Loyalty =~ CUSL1 + CUSL3
    ... Satisfaction ~ Quality
    ... Loyalty ~ Satisfaction
    ... '''
    >>> fit = cx.PLS(model).fit(cx.datasets.load("mobi"))
    >>> what = cx.drivers.simulate_structure(fit, {"PERQ1": 0.5}, "Loyalty", scale=(1, 10), n=200, seed=1)
    >>> what.effects["effect"].round(2).to_dict()
    {'Quality': 2.06, 'Satisfaction': 1.52, 'Loyalty': 1.62}
    """
    check_level(level)
    items, constructs = list(fit.item_names), list(fit.linear)
    for name in [*changes, target]:
        known = constructs if name is target else [*items, *constructs]
        if name not in known:
            raise SpecError(f"'{name}' is not in the model.{near(str(name), known)}")
    lo, hi = ix.scale_ends(items, scale, fit.survey.scale)
    ix.check_inside(fit.x, items, lo, hi)
    now = fit.index(scale)
    moves, shock = np.zeros(fit.filled.shape), np.zeros(len(constructs))
    for name, by in changes.items():
        if name in constructs:
            if abs(by) > 100:
                raise SpecError(f"A change of {by:+g} for '{name}' is longer than its index, 0 to 100.")
            room = (100 - now[name]) if by > 0 else now[name]
            if abs(by) > room:
                raise SpecError(
                    f"A change of {by:+g} carries the index of '{name}' from {now[name]:.1f} beyond the end of 0 to 100; "
                    f"ask for at most {room:.1f}."
                )
            shock[constructs.index(name)] = by
            continue
        k = items.index(name)
        if abs(by) > hi[k] - lo[k]:
            raise SpecError(f"A change of {by:+g} for '{name}' is longer than its scale, {lo[k]:g} to {hi[k]:g}.")
        moves[:, k] = np.clip(fit.filled[:, k] + by, lo[k], hi[k]) - fit.filled[:, k]
    stat = StructuralStatistic(fit.statistic(), moves, shock, lo, hi)
    reps = bootstrap(stat, Sampling(fit.n_obs), n, seed=seed)
    j = len(constructs)
    own, change = reps.estimate[:j], reps.estimate[j:]
    se = reps.values[reps.ok][:, j:].std(axis=0, ddof=1)
    half = quantile(level) * se
    effects = pd.DataFrame(
        {"asked": own, "effect": change, "se": se, "ci_lower": change - half, "ci_upper": change + half},
        index=pd.Index(constructs, name="construct"),
    )
    at = constructs.index(target)
    base = float(now[target])
    note = (f"{reps.failed} of {reps.n} replicates gave no estimate and are left out.",) if reps.failed else ()
    return WhatIf(
        effects, base, base + change[at], float(change[at]), float(se[at]), float(change[at] - half[at]),
        float(change[at] + half[at]), level, f"Index of {target}, 0-100", fit.n_obs, fit.excluded,
        f"; {reps.n} replicates, seed {reps.seed}", note,
    )  # fmt: skip
