"""What the answer hangs on: one input after another at the ends of its range, all else as estimated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .chain import Effects
from .kernel import Terms

Array = NDArray[np.float64]

INPUTS = {
    "points": "Points of satisfaction gained",
    "effect": "Satisfaction and leaving (log-odds per point)",
    "spend": "Satisfaction and spending (per point)",
    "chance": "Chance to leave per period",
    "reliability": "Reliability of the score",
    "discount": "Discount rate per period",
    "horizon": "Horizon, periods",
    "margin": "Margin (factor)",
    "cost": "Cost (factor)",
}


@dataclass(frozen=True, eq=False)
class Inputs:
    """All that the return is computed from.

    Attributes
    ----------
    effects : Effects
    terms : Terms
    points : float
        Gained by the plan.
    cost : float
    """

    effects: Effects
    terms: Terms
    points: float
    cost: float

    def net(self) -> float:
        """Value gained less cost."""
        worth = self.effects.worth(self.terms, min(self.points, 0.0), max(self.points, 1.0))
        return float(worth.total(self.points) - worth.total(0.0)) - self.cost

    def put(self, name: str, value: float) -> Inputs:
        """Return the inputs with one at another value.

        Parameters
        ----------
        name : str
            A key of ``INPUTS``.
        value : float

        Returns
        -------
        Inputs
        """
        e = self.effects
        if name == "points":
            return replace(self, points=value)
        if name == "effect":
            return replace(self, effects=replace(e, effect=value))
        if name == "spend":
            return replace(self, effects=replace(e, spend=value))
        if name == "reliability":
            return replace(self, effects=_with_reliability(e, value))
        if name == "chance":
            return replace(self, effects=replace(e, base=replace(e.base, chance=_shifted(e, value))))
        if name == "margin":
            return replace(self, effects=replace(e, base=replace(e.base, margin=e.base.margin * value)))
        if name == "cost":
            return replace(self, cost=self.cost * value)
        if name == "discount":
            return replace(self, terms=Terms(self.terms.horizon, value))
        return replace(self, terms=Terms(int(value), self.terms.discount))


def tornado(inputs: Inputs, ends: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    """Compute the return at both ends of every input.

    Parameters
    ----------
    inputs : Inputs
    ends : mapping of str to (low, high)

    Returns
    -------
    DataFrame
        [input, low, high, at_low, at_high, range], widest first.
    """
    rows = []
    for name, (low, high) in ends.items():
        at = [inputs.put(name, v).net() for v in (low, high)]
        rows.append((INPUTS[name], low, high, *at, abs(at[1] - at[0])))
    out = pd.DataFrame(rows, columns=["input", "low", "high", "at_low", "at_high", "range"])
    return out.sort_values("range", ascending=False, kind="stable", ignore_index=True)


def share_needed(inputs: Inputs) -> float:
    """Share of the associations with leaving and spending that must be cause for the value to reach the cost.

    Parameters
    ----------
    inputs : Inputs

    Returns
    -------
    float
        Above 1 where the whole association is not enough.
    """
    from scipy.optimize import brentq

    e = inputs.effects

    def net(share: float) -> float:
        return inputs.put("effect", share * e.effect).put("spend", share * e.spend).net()

    high = 1.0
    while net(high) < 0:
        high *= 2
        if high > 1e3:
            return np.inf
    return float(brentq(net, 0.0, high, xtol=1e-6))


def _with_reliability(e: Effects, value: float) -> Effects:
    """Effects as they were with another reliability of the score."""
    within = 1 - (1 - value) * e.ratio
    if not within > 0:
        return replace(e, effect=np.nan, spend=np.nan)
    factor = e.within / within
    spread = e.spread / np.sqrt(factor)
    return replace(
        e, reliability=value, within=within, effect=e.effect * factor, spend=e.spend * factor, spread=spread
    )


def _shifted(e: Effects, mean: float) -> Array:
    """Chances to leave whose mean is another, all moved alike on the log-odds."""
    from scipy.optimize import brentq
    from scipy.special import expit, logit

    b, w = logit(np.clip(e.base.chance, 1e-9, 1 - 1e-9)), e.base.weight

    def gap(shift: float) -> float:
        return float(w @ expit(b + shift) / w.sum() - mean)

    return np.asarray(expit(b + brentq(gap, -20.0, 20.0)))
