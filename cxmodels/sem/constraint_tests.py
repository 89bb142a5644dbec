"""Score tests of the constraints of a model, and what its parameters would become without them.

With s the unit score and I the expected unit information of all parameters as if each were free, and K the
directions that the constraints still held leave, the test of releasing the others is

    n s' K inv(K' I K) K' s,    and the change to expect    K inv(K' I K) K' s

(Silvey 1959, Annals of Mathematical Statistics 30; Sörbom 1989, Psychometrika 54; lavaan's lavTestScore).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import SpecError, listed, near
from .constraints import Constraints, null_space
from .estimate import Estimate
from .modification import parameter_scores
from .table import Entry

Array = NDArray[Any]

__all__ = ["expected_changes", "score_tests"]

_SMALL = 1e-9  # information about a direction, relative to its own parameters, that counts as none


@dataclass(frozen=True, eq=False)
class _Constraint:
    """One equation: how it is shown, its derivative by all parameters, and whether it ties a parameter to another."""

    lhs: str
    op: str
    rhs: str
    group: Any
    tied_to: str
    label: str
    line: Array
    tie: bool


@dataclass(frozen=True, eq=False)
class _Freed:
    """Score, information and constraints of all parameters, in units that make their own information 1."""

    free: NDArray[np.intp]
    score: Array
    info: Array
    unit: Array
    n: float
    rules: list[_Constraint]
    held: Array

    @classmethod
    def of(cls, e: Estimate, labels: Sequence[Any]) -> _Freed:
        table = e.table
        free = np.flatnonzero(table.index >= 0)
        index = np.full(len(table.index), -1)
        index[free] = np.arange(len(free))
        score, info, n = parameter_scores(e, replace(table, index=index), e.values)
        first = {int(table.index[i]): int(index[i]) for i in free[::-1]}
        rules = [*_ties(e, labels, free, index, first), *_equations(e, first, len(free))]
        unit = 1 / np.sqrt(np.diagonal(info))
        return cls(free, score * unit, info * np.outer(unit, unit), unit, n, rules, _bounds(e, first, len(free)))

    def release(self, which: Sequence[int]) -> tuple[float, int, Array]:
        """Test statistic, its degrees of freedom, and the change of every parameter, without some constraints."""
        keep = [r.line for i, r in enumerate(self.rules) if i not in set(which)]
        some, step = self._solve([*keep, *self.held])
        none = self._solve([*(r.line for r in self.rules), *self.held])[0]
        chisq = self.n * float(self.score @ step)
        return (chisq, some - none, step * self.unit) if some > none else (np.nan, 0, np.full(len(step), np.nan))

    def _solve(self, lines: list[Array]) -> tuple[int, Array]:
        """Directions that the data inform about under constraints, and the step along them."""
        basis = null_space(np.array(lines) * self.unit) if lines else np.eye(len(self.unit))
        values, vectors = np.linalg.eigh(basis.T @ self.info @ basis)
        good = values > _SMALL
        turn = basis @ vectors[:, good]
        return int(good.sum()), turn @ ((turn.T @ self.score) / values[good])


def _ties(
    e: Estimate, labels: Sequence[Any], free: NDArray[np.intp], index: NDArray[np.intp], first: dict[int, int]
) -> list[_Constraint]:
    """Parameters that share a label with an earlier one."""
    out = []
    for i in free:
        start = first[int(e.table.index[i])]
        if start == index[i]:
            continue
        line = np.zeros(len(free))
        line[start], line[index[i]] = -1.0, 1.0
        x, y = e.table.entries[i], e.table.entries[free[start]]
        other = f"{_text(y)}{f' ({labels[y.group]})' if len(labels) > 1 else ''}"
        out.append(_Constraint(x.lhs, x.op, x.rhs, labels[x.group], other, x.label, line, True))
    return out


def _text(x: Entry) -> str:
    return f"{x.lhs} {x.op} {x.rhs}".strip()


def _equations(e: Estimate, first: dict[int, int], count: int) -> list[_Constraint]:
    """Equations written with ``==``, those of effect coding included."""
    rows = Constraints(e.table, e.base).jacobians(e.x)[0]
    written = [(a.text, b.text) for op, a, b in e.table.constraints if op == "=="]
    return [
        _Constraint(a, "==", b, "", "", "", _spread(row, first, count), False)
        for (a, b), row in zip(written, rows, strict=True)
    ]


def _bounds(e: Estimate, first: dict[int, int], count: int) -> Array:
    """Derivatives of the inequalities that bind; they stay."""
    rules = Constraints(e.table, e.base)
    binding = np.abs(rules.values(e.x)[1]) < 1e-7
    if not binding.any():
        return np.empty((0, count))
    return np.array([_spread(row, first, count) for row in rules.jacobians(e.x)[1][binding]])


def _spread(row: Array, first: dict[int, int], count: int) -> Array:
    """A derivative by distinct parameters as one by all, where labels mean their first bearer."""
    out = np.zeros(count)
    for q, value in enumerate(row):
        out[first[q]] = value
    return out


def score_tests(e: Estimate, labels: Sequence[Any]) -> pd.DataFrame:
    """Tests of releasing each constraint alone, and all of them together in the last row.

    Parameters
    ----------
    e : Estimate
    labels : sequence
        Of the groups.

    Returns
    -------
    DataFrame
        [lhs, op, rhs, group, tied_to, chisq, df, pvalue, epc].
    """
    from scipy.special import chdtrc

    freed = _Freed.of(e, labels)
    rows = []
    for i, r in enumerate(freed.rules):
        chisq, df, change = freed.release([i])
        rows.append((r.lhs, r.op, r.rhs, r.group, r.tied_to, chisq, df, float(r.line @ change)))
    if rows:
        chisq, df, _ = freed.release(range(len(rows)))
        rows.append(("(all)", "==", "", "", "", chisq, df, np.nan))
    columns = ["lhs", "op", "rhs", "group", "tied_to", "chisq", "df", "epc"]
    frame = pd.DataFrame(rows, columns=columns)
    pvalue = chdtrc(np.maximum(frame["df"].to_numpy(float), 1), frame["chisq"].to_numpy(float))
    frame.insert(7, "pvalue", pvalue)
    return frame.astype({"df": int, "epc": float})


def expected_changes(e: Estimate, labels: Sequence[Any], release: Sequence[str]) -> pd.DataFrame:
    """Parameters as they would be without some constraints.

    Parameters
    ----------
    e : Estimate
    labels : sequence
        Of the groups.
    release : sequence of str
        Labels and equations (``"b == c"``) to release; empty for all.

    Returns
    -------
    DataFrame
        [lhs, op, rhs, group, label, est, epc, epv].

    Raises
    ------
    SpecError
        If the model has no such constraint, or none at all.
    """
    freed = _Freed.of(e, labels)
    if not freed.rules:
        raise SpecError("The model has no equality constraints: no label is used twice and no equation written.")
    names = [r.label if r.tie else f"{r.lhs}=={r.rhs}" for r in freed.rules]
    wanted = ["".join(x.split()) for x in release]
    if unknown := [x for x in wanted if x not in names]:
        known = list(dict.fromkeys(names))
        raise SpecError(f"release names '{unknown[0]}'; constraints are {listed(known)}.{near(unknown[0], known)}")
    which = [i for i, name in enumerate(names) if not wanted or name in wanted]
    change = freed.release(which)[2]
    found = [e.table.entries[i] for i in freed.free]
    est = e.values[freed.free]
    return pd.DataFrame(
        {
            "lhs": [x.lhs for x in found],
            "op": [x.op for x in found],
            "rhs": [x.rhs for x in found],
            "group": [labels[x.group] for x in found],
            "label": [x.label for x in found],
            "est": est,
            "epc": change,
            "epv": est + change,
        }
    )
