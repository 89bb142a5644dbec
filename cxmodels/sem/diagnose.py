"""What is wrong or unusual about a model or a solution, in plain words."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import (
    ConvergenceWarning,
    CxWarning,
    DataWarning,
    EstimationError,
    ImproperSolutionWarning,
    NotIdentifiedError,
    SpecError,
    listed,
)
from ..model import Model
from .composites import is_hidden
from .constraints import defined_values
from .estimate import Estimate
from .incomplete import Incomplete
from .inference import information
from .matrices import move, state
from .objective import LeastSquares, expand, jacobian_of, surely_above, weigh
from .table import Options, Table, build_table

if TYPE_CHECKING:
    from .prepare import Rows

Array = NDArray[Any]
Event = tuple[type[CxWarning], str]

__all__ = ["check_identified", "check_model", "diagnose", "identified_table", "improper"]

_FLAT = 1e-9  # smallest eigenvalue of the scaled information that counts as information
_NONE = 1e-12  # and of what the model could ever tell, at parameters near the estimates
_COLLINEAR = 20.0  # variance inflation of a path that deserves a word
_TINY = np.finfo(float).eps ** 0.75


def check_model(model: Model) -> None:
    """Refuse models that no covariance structure can be."""
    if not any(r.block for r in model.rows):
        raise SpecError("The model has no equations; write for example 'Quality =~ q1 + q2 + q3'.")
    if empty := [c.name for c in model.constructs if not c.items]:
        raise SpecError(f"Construct {listed(empty)} has no items.")


@lru_cache(maxsize=64)
def identified_table(model: Model, options: Options) -> Table:
    """All parameters of a model that passes :func:`check_identified`; kept, for those who fit it to many data.

    Parameters
    ----------
    model : Model
    options : Options

    Returns
    -------
    Table

    Raises
    ------
    SpecError, NotIdentifiedError
        As :func:`build_table` and :func:`check_identified`.
    """
    table = build_table(model, options)
    check_identified(table)
    return table


def check_identified(table: Table) -> None:
    """Refuse what counting alone shows not to be identified.

    Raises
    ------
    NotIdentifiedError
        Naming the construct at fault where there is one.
    SpecError
        For a variance that is fixed at a negative number.
    """
    o = table.options
    if wrong := [e.lhs for e in table.entries if e.op == "~~" and e.lhs == e.rhs and not e.free and e.value < 0]:
        raise SpecError(
            f"The variance of {listed(dict.fromkeys(wrong))} is fixed at a negative number; free it or fix it at 0."
        )
    if loose := [e for e in table.entries if e.op == "|" and e.lhs not in o.thresholds]:
        raise SpecError(
            f"'{loose[0].lhs} | {loose[0].rhs}' is a threshold, but '{loose[0].lhs}' is not ordinal; name it in ordered=, or leave "
            "the line out."
        )
    moments, labelled = 0, {n for _, a, b in table.constraints for n in (*a.names, *b.names)}
    for role in table.roles:
        p = len(role.observed)
        numeric = [n for n in role.observed if n not in o.thresholds]
        moments += p * (p - 1) // 2 + len(numeric) * (1 + o.means)
        moments += sum(o.thresholds.get(n, 0) for n in role.observed)
    moments -= sum(e.exo for e in table.entries)
    for role in table.roles[:1]:
        for lv in role.latent:
            _check_scale(table, lv, labelled)
    _check_links(table)
    equations = sum(op == "==" for op, _, _ in table.constraints)
    free = table.size - equations
    if free > moments:
        weak = [c for c in table.roles[0].latent if _few(table, c)]
        hint = (
            f" Construct {listed(weak)} has fewer than three items and nothing else to go by; "
            "give it another item, fix a loading, or link it to other constructs."
            if weak
            else " Fix some of them, or add items."
        )
        raise NotIdentifiedError(
            f"The model is not identified: {free} free parameters but only {moments} moments "
            f"(degrees of freedom {moments - free}).{hint}"
        )


def _check_links(table: Table) -> None:
    """A composite needs something outside it: its items alone can be weighted in any way."""
    blocks: dict[str, dict[str, None]] = {}
    for e in table.entries:
        if e.op == "=~" and is_hidden(e.lhs):
            blocks.setdefault(e.lhs[1:].split("~")[0], {})[e.rhs] = None
    for name, items in blocks.items():
        others = {
            other
            for e in table.entries
            for own, other in ((e.lhs, e.rhs), (e.rhs, e.lhs))
            if own == name and other != name and e.op in ("~", "~~", "=~") and (e.free or e.value != 0)
        }
        if not others - set(items):
            raise NotIdentifiedError(
                f"Composite '{name}' is linked to no other variable, so nothing tells how to weight its items: the model is "
                f"not identified. Let it predict or covary with one ('y ~ {name}'), or measure a factor "
                f"('{name} =~ {' + '.join(sorted(items))}')."
            )


def _check_scale(table: Table, lv: str, labelled: set[str]) -> None:
    """A factor needs a fixed loading, a fixed variance, or a constraint."""
    mine = [(i, e) for i, e in enumerate(table.entries) if e.group == 0 and e.level == 0]
    loadings = [(i, e) for i, e in mine if e.op in ("=~", "<~") and e.lhs == lv]
    variance = [(i, e) for i, e in mine if e.op == "~~" and e.lhs == e.rhs == lv]
    fixed = any(table.index[i] < 0 and e.value != 0 for i, e in loadings)
    paths = any(e.op == "~" and lv in (e.lhs, e.rhs) and table.index[i] < 0 and e.value != 0 for i, e in mine)
    held = any(e.label in labelled for _, e in (*loadings, *variance) if e.label)
    if loadings and not fixed and not paths and not held and all(table.index[i] >= 0 for i, _ in variance):
        first = loadings[0][1].rhs
        raise NotIdentifiedError(
            f"Construct '{lv}' has no scale, so the model is not identified: all its loadings and its variance are "
            f"free. Fix one loading ('{lv} =~ 1*{first}') or its variance ('{lv} ~~ 1*{lv}')."
        )


def _few(table: Table, lv: str) -> bool:
    items = [e for e in table.entries if e.op == "=~" and e.lhs == lv and e.group == 0]
    if is_hidden(lv) or any(e.lhs.startswith(f"~{lv}~") for e in table.entries):
        return False
    links = [e for e in table.entries if e.op in ("~", "~~") and e.lhs != e.rhs and lv in (e.lhs, e.rhs)]
    return len(items) < 3 and not links


def diagnose(e: Estimate, rows: Rows) -> list[Event]:
    """Warnings about a solution, most serious first.

    Raises
    ------
    NotIdentifiedError
        If no data of this kind could determine a parameter.
    """
    events: list[Event] = []
    if not e.minimum.converged:
        events.append((ConvergenceWarning, _stopped(e)))
    flat, alone = _flat(e)
    if flat:
        few = f" {e.data.n:.0f} rows for {e.npar} parameters are few." if e.data.n < 2 * e.npar else ""
        what = f"{'do not determine' if alone else 'cannot tell'} {listed(flat)}{'' if alone else ' apart'}"
        if not _identified_nearby(e):
            raise NotIdentifiedError(
                f"The model is not identified: the data {what}, many values fit equally well. "
                f"Fix one of them, or check constructs with two items that are nearly uncorrelated with the rest.{few}"
            )
        events.append(
            (
                ImproperSolutionWarning,
                f"At these estimates the data {what} (empirical under-identification): they have no usable standard errors. "
                f"Drop a construct whose items have nothing in common, or fix one of them.{few}",
            )
        )
    events += [(ImproperSolutionWarning, m) for m in improper(e)]
    events += [(DataWarning, m) for m in _collinear(e)]
    if e.data.n <= e.npar:
        events.append((DataWarning, f"{e.data.n:.0f} rows for {e.npar} free parameters; estimates will be unstable."))
    events += [
        (DataWarning, m) for m in (*_few_clusters(e, rows), *_unbounded(e), *_never_together(e), *_without_value(e))
    ]
    for number, o in enumerate(e.data.ordinal):
        names = e.table.roles[number].observed
        if o.extreme:
            pairs = ", ".join(f"'{names[i]}' and '{names[j]}'" for i, j in o.extreme[:3])
            more = f" and {len(o.extreme) - 3} more pairs" if len(o.extreme) > 3 else ""
            events.append(
                (
                    DataWarning,
                    f"The latent correlation of {pairs}{more} is beyond .99{_where(e, number)}: these items say the same; "
                    "drop one of each pair.",
                )
            )
    return events


def _stopped(e: Estimate) -> str:
    """Say that an estimation did not converge."""
    return (
        f"The estimation stopped after {e.minimum.iterations} steps without reaching a minimum; read nothing into "
        "the numbers. Simplify the model, or give starting values with start()."
    )


def _few_clusters(e: Estimate, rows: Rows) -> list[str]:
    """Standard errors from fewer clusters than parameters."""
    if rows.clusters is None or e.table.levels > 1:
        return []
    count = int(rows.clusters.max()) + 1
    if count > e.npar:
        return []
    return [f"{count} clusters for {e.npar} free parameters; standard errors and test are unreliable."]


def _unbounded(e: Estimate) -> list[str]:
    """Groups whose unrestricted moments have no maximum likelihood."""
    return [
        f"The answers{_where(e, number)} are too few, or too many are missing, for unrestricted covariances: their likelihood "
        "has no maximum that could be found, so test and fit measures are not reliable. Use fewer items."
        for number, top in enumerate(e.data.saturated)
        if not top.converged and not (e.data.patterns[number].coverage == 0).any()
    ]


def _never_together(e: Estimate) -> list[str]:
    """Pairs of items that no row has both of."""
    out = []
    for number, patterns in enumerate(e.data.patterns):
        if len(pairs := np.argwhere(np.triu(patterns.coverage == 0))):
            a, b = (patterns.names[k] for k in pairs[0])
            more = f" (and {len(pairs) - 1} more pairs)" if len(pairs) > 1 else ""
            out.append(
                f"No row{_where(e, number)} has an answer to both '{a}' and '{b}'{more}: the data say nothing about their "
                "covariance, so the degrees of freedom, test and fit measures count too much."
            )
    return out


def _without_value(e: Estimate) -> list[str]:
    """Defined parameters that are no number."""
    values = defined_values(e.table, e.values)
    bad = [name for (name, _), v in zip(e.table.defined, values, strict=True) if not np.isfinite(v)]
    return [f"The defined parameter {listed(bad)} has no value at the estimates; check its formula."] if bad else []


def _flat(e: Estimate) -> tuple[list[str], bool]:
    """Parameters along directions about which the data say nothing, and whether each of them is such a direction."""
    info = information(e, "expected")
    if not np.isfinite(info).all():
        raise EstimationError("The information matrix is not finite; check the scales of the items.")
    scaled = _scaled(e, info)
    if not len(info) or surely_above(_FLAT, scaled):
        return [], False
    values, vectors = np.linalg.eigh(scaled)
    if values[0] > _FLAT:
        return [], False
    weight = np.sqrt((vectors[:, values <= _FLAT] ** 2).sum(axis=1))
    worst = np.flatnonzero(weight > 0.2 * weight.max())
    names = list(dict.fromkeys(_name(e.table, int(q)) for q in worst))[:4]
    return names, bool((weight[worst] > 1 - 1e-6).all())


def _identified_nearby(e: Estimate) -> bool:
    """Whether parameters near the estimates could be told from the moments, so that only these estimates are flat.

    The rank of the Jacobian is the same at almost all parameters (Wald 1950; Bekker, Merckens and Wansbeek 1994).
    """
    if e.table.levels > 1:
        return False
    rng = np.random.default_rng(0)
    best = 0.0
    for _ in range(3):
        step = rng.standard_normal(len(e.x)) * (0.2 * np.abs(e.x) + 0.05 * np.abs(e.x).mean())
        values = expand(e.table, e.base, e.x + (step if e.basis is None else e.basis @ (e.basis.T @ step)))
        info = np.zeros((len(step), len(step)))
        for number, block in enumerate(e.blocks):
            if isinstance(e.objective, LeastSquares):
                jacobian = e.objective.targets[number].jacobian(values)
            else:
                jacobian = jacobian_of(block, move(block, state(block, values)), e.table.options.means) @ block.select
            weight = e.objective.saturated_information[number] if isinstance(e.objective, Incomplete) else None
            info += jacobian.T @ (jacobian if weight is None else weigh(weight, jacobian))
        best = max(best, np.linalg.eigvalsh(_scaled(e, info))[0])
    return best > _NONE


def _scaled(e: Estimate, info: Array) -> Array:
    """Return an information matrix in units of its diagonal, directions of constraints left out."""
    if e.basis is not None:
        info = e.basis @ (e.basis.T @ info @ e.basis) @ e.basis.T + (np.eye(len(info)) - e.basis @ e.basis.T)
    own = np.diagonal(info)
    size = np.sqrt(np.where(own > 1e-100 * own.max(initial=0.0), own, 1.0))
    return info / (size[:, None] * size)


def _name(table: Table, q: int) -> str:
    """A parameter as text; what only serves a composite stands for its weights."""
    x = table.entries[int(np.flatnonzero(table.index == q)[0])]
    for name in (x.lhs, x.rhs):
        if is_hidden(name):
            composite, item = name[1:].split("~")
            return f"{composite} <~ {item}"
    if x.op == "=~" and is_hidden(x.label):
        return f"{x.lhs} <~ {x.rhs}"
    return f"{x.lhs} {x.op} {x.rhs}".strip()


def improper(e: Estimate) -> list[str]:
    """Why a solution is not proper, by the checks of lavaan; empty if it is.

    Parameters
    ----------
    e : Estimate

    Returns
    -------
    list of str
    """
    out = []
    for i, x in enumerate(e.table.entries):
        if x.op == "~~" and x.lhs == x.rhs and e.values[i] < -_TINY and not (x.exo or np.isfinite(x.value)):
            latent = x.lhs in e.table.roles[x.group * e.table.levels + x.level].latent
            kind = "construct" if latent else "item"
            out.append(
                f"The {'residual ' if _has_cause(e, x.lhs) else ''}variance of {kind} '{x.lhs}' is negative "
                f"({e.values[i]:.3f}){_where(e, x.group)}, a Heywood case: the model explains more than all of it."
            )
    for number, (block, s) in enumerate(zip(e.blocks, e.states, strict=True)):
        group = number // e.table.levels
        negative = any("variance of construct" in m for m in out)
        inner = s.cov[block.p :, block.p :]
        if inner.size and np.linalg.eigvalsh(inner)[0] < -_TINY and not negative:
            out.append(_latent(inner, block.names[block.p :]) + _where(e, group) + ".")
        theta = np.zeros((block.p, block.p))
        first, second, at = block.undirected
        own = (first < block.p) & (second < block.p)
        if not (first != second)[own].any():
            continue
        theta[first[own], second[own]] = theta[second[own], first[own]] = e.values[at[own]]
        if np.linalg.eigvalsh(theta)[0] < -_TINY and (np.diagonal(theta) >= -_TINY).all():
            out.append(f"The residual covariances of the items are not positive definite{_where(e, group)}.")
    return out


def _has_cause(e: Estimate, name: str) -> bool:
    return any((x.op == "=~" and x.rhs == name) or (x.op == "~" and x.lhs == name) for x in e.table.entries)


def _where(e: Estimate, group: int) -> str:
    return f" in group '{e.table.options.groups[group]}'" if len(e.table.options.groups) > 1 else ""


def _latent(cov: Array, names: tuple[str, ...]) -> str:
    """Say which constructs make their covariance matrix impossible."""
    sd = np.sqrt(np.maximum(np.diagonal(cov), 1e-300))
    r = cov / np.outer(sd, sd)
    upper = np.triu(np.abs(r), 1)
    i, j = np.unravel_index(int(upper.argmax()), upper.shape)
    start = "The covariance matrix of the constructs is not positive definite"
    if upper[i, j] > 0.95:
        return f"{start}: '{names[i]}' and '{names[j]}' correlate {r[i, j]:.3f}; the items do not tell them apart"
    weight = np.abs(np.linalg.eigh(r)[1][:, 0])
    return f"{start}: {listed(names[k] for k in np.flatnonzero(weight > 0.2))} determine one another"


def _collinear(e: Estimate) -> list[str]:
    """Equations whose predictors are nearly one."""
    out = []
    for number, (block, s) in enumerate(zip(e.blocks, e.states, strict=True)):
        place = {n: i for i, n in enumerate(block.names)}
        causes: dict[str, list[str]] = {}
        for i in e.table.block(number):
            x = e.table.entries[i]
            # products correlate with their parts by where the scale begins, which takes nothing from their paths
            if x.op == "~" and e.table.index[i] >= 0 and ":" not in x.rhs:
                causes.setdefault(x.lhs, []).append(x.rhs)
        for outcome, names in causes.items():
            at = [place[n] for n in names]
            cov = s.cov[np.ix_(at, at)]
            sd = np.sqrt(np.maximum(np.diagonal(cov), 1e-300))
            r = cov / np.outer(sd, sd)
            if len(names) < 2 or np.linalg.eigvalsh(r)[0] <= 0:
                continue
            vif = np.diagonal(np.linalg.inv(r))
            if vif.max() > _COLLINEAR:
                upper = np.triu(np.abs(r), 1)
                a, b = np.unravel_index(int(upper.argmax()), upper.shape)
                out.append(
                    f"In the equation of '{outcome}' the predictors '{names[a]}' and '{names[b]}' correlate "
                    f"{r[a, b]:.3f}{_where(e, number // e.table.levels)} (variance inflation {vif.max():.0f}): they act as "
                    "one, and their separate paths mean nothing. Drop or merge one."
                )
    return out
