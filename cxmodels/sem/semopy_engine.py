"""semopy as a second engine: its optimiser finds the parameters, everything else is computed here.

semopy 2.3 says "success" of models that are not identified, frees the residual of single indicators and ignores
missing values; all of that is settled before it is asked: it gets our table, completed and checked, as model text.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import ConvergenceWarning, EstimationError, SpecError
from .diagnose import Event
from .estimate import Data, Estimate, _objective, fixed_values
from .optimise import Minimum, solve_damped
from .plan import Plan
from .prepare import Rows
from .table import Entry, Table

if TYPE_CHECKING:
    from ..survey import Survey
    from .spec import SEM

__all__ = ["estimate_with_semopy", "semopy_text"]

_FAR = 1e-6  # decrement of the discrepancy beyond which the engine's optimum is none


def semopy_text(table: Table) -> str:
    """Return a table as a model that semopy reads the same way.

    Parameters
    ----------
    table : Table
        One group, one level, numerical items, no means.

    Returns
    -------
    str
    """
    lines = []
    for i, e in enumerate(table.entries):
        if e.op == "~1" or e.exo:
            continue
        factor = f"{e.value!r}*" if table.index[i] < 0 else f"p{table.index[i]}*"
        lines.append(f"{e.lhs} {e.op} {factor}{e.rhs}")
    return "\n".join(lines)


def estimate_with_semopy(
    spec: SEM, table: Table, data: Data, plan: Plan, survey: Survey, rows: Rows
) -> tuple[Estimate, list[Event]]:
    """Fit by semopy and return the solution in our form, and what to warn of.

    Raises
    ------
    SpecError
        For what semopy cannot fit: groups, means, ordinal or missing data, constraints, other estimators.
    EstimationError
        If semopy fails.
    """
    reasons = {
        "groups": len(data.samples) > 1,
        "ordinal items": bool(data.ordinal),
        "missing values": plan.fiml,
        "means": table.options.means,
        "weights, clusters or strata": bool(rows.design),
        "constraints": bool(table.constraints),
        "composites": bool(table.roles[0].composites),
        f"estimator {plan.name}": plan.kind != "ML",
    }
    if bad := [k for k, v in reasons.items() if v]:
        raise SpecError(f"engine='semopy' does not fit models with {bad[0]} correctly; use the default engine.")
    import semopy

    names = table.roles[0].observed
    frame = pd.DataFrame(data.samples[0].x, columns=list(names))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = semopy.Model(semopy_text(table))
            model.fit(frame)
            found = model.inspect(std_est=False)
        except Exception as problem:
            raise EstimationError(f"semopy failed: {type(problem).__name__}: {problem}") from problem
    blocks = table.blocks
    base = fixed_values(table, data.samples)
    objective = _objective(table, blocks, data, plan, base)
    x = _values(table, found)
    at = objective.derivatives(x)
    if at is None:
        raise EstimationError("semopy returned values without a positive definite covariance matrix.")
    decrement = solve_damped(at.scoring, at.gradient, 0.0)[1]
    events: list[Event] = []
    if not 0 <= decrement < _FAR:
        gain = data.n * decrement / 2
        events.append(
            (
                ConvergenceWarning,
                f"semopy stopped before the minimum: another step would lower the chi-square by about {gain:.3g}.",
            )
        )
    minimum = Minimum(x, at.value, at.gradient, 1, bool(0 <= decrement < 1e-3))
    return Estimate(table, blocks, data, data, plan, base, objective, minimum, None, 0), events


def _values(table: Table, found: pd.DataFrame) -> Any:
    """Our free parameters from semopy's frame."""
    known: dict[tuple[str, str, str], float] = {}
    for lhs, op, rhs, value in zip(found["lval"], found["op"], found["rval"], found["Estimate"], strict=True):
        known[str(lhs), str(op), str(rhs)] = float(value)
    x = np.full(table.size, np.nan)
    for i, e in enumerate(table.entries):
        if table.index[i] >= 0:
            x[table.index[i]] = _lookup(known, e)
    if np.isnan(x).any():
        lost = table.entries[int(np.flatnonzero(table.index == int(np.flatnonzero(np.isnan(x))[0]))[0])]
        raise EstimationError(f"semopy returned no value for '{lost.lhs} {lost.op} {lost.rhs}'.")
    return x


def _lookup(known: dict[tuple[str, str, str], float], e: Entry) -> float:
    """Semopy lists a loading as the item's regression on the construct."""
    keys = (
        [(e.rhs, "~", e.lhs), (e.lhs, "=~", e.rhs)] if e.op == "=~" else [(e.lhs, e.op, e.rhs), (e.rhs, e.op, e.lhs)]
    )
    return next((known[k] for k in keys if k in known), np.nan)
