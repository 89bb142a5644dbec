"""From the equations as written to every parameter that is estimated or fixed, with lavaan's defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations, combinations_with_replacement
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import SpecError, listed, near
from ..model import Expression, Model, Row
from ..model.expression import parse_expression
from .names import Roles

if TYPE_CHECKING:
    from .matrices import Block

__all__ = ["EQUAL", "Entry", "Options", "Table", "blocks_of", "build_table", "number_parameters"]

EQUAL = (
    "loadings", "intercepts", "means", "thresholds", "regressions",
    "residuals", "residual.covariances", "lv.variances", "lv.covariances",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """What decides the default parameters.

    Attributes
    ----------
    means : bool
        Whether the model has intercepts.
    thresholds : mapping of str to int
        Ordinal items and their number of thresholds.
    groups : tuple of str
        Labels of the groups; one empty label without groups.
    """

    means: bool = False
    std_lv: bool = False
    orthogonal: bool = False
    growth: bool = False
    fixed_x: bool = True
    theta: bool = False
    effect_coding: tuple[str, ...] = ()
    thresholds: Mapping[str, int] = field(default_factory=dict)
    groups: tuple[str, ...] = ("",)
    equal: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash((self.means, self.std_lv, self.groups, self.equal, self.partial, tuple(self.thresholds.items())))


@dataclass(slots=True)
class Entry:
    """One row of the table: a parameter of one group and level."""

    lhs: str
    op: str
    rhs: str
    group: int = 0
    level: int = 0
    label: str = ""
    free: bool = True
    value: float = np.nan
    start: float = np.nan
    lower: float = -np.inf
    upper: float = np.inf
    user: bool = False
    exo: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """Name of the parameter, whatever the order of a covariance."""
        if self.op == "~~" and self.rhs < self.lhs:
            return self.rhs, self.op, self.lhs
        return self.lhs, self.op, self.rhs


@dataclass(frozen=True, eq=False)
class Table:
    """All parameters of a model, and which of them are one.

    Attributes
    ----------
    entries : tuple of Entry
        In lavaan's order: as written, then added, group by group.
    roles : tuple of Roles
        One for each block: levels within groups.
    index : ndarray of int
        Position of each entry among the distinct free parameters, -1 where fixed.
    labels : dict of str to int
        Entry that each label first names.
    defined : tuple of (str, Expression)
        The ``:=`` parameters in order of use.
    constraints : tuple of (str, Expression, Expression)
        Operator, left and right side; those of effect coding included.
    """

    entries: tuple[Entry, ...]
    roles: tuple[Roles, ...]
    levels: int
    index: NDArray[np.intp]
    labels: dict[str, int]
    defined: tuple[tuple[str, Expression], ...]
    constraints: tuple[tuple[str, Expression, Expression], ...]
    options: Options

    @cached_property
    def size(self) -> int:
        """Number of distinct free parameters."""
        return int(self.index.max(initial=-1)) + 1

    @cached_property
    def free(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Entries that are free, and their places among the distinct free parameters."""
        rows = np.flatnonzero(self.index >= 0)
        return rows, self.index[rows]

    @cached_property
    def restricted(self) -> bool:
        """Whether there are constraints, or bounds of free parameters."""
        free = (self.entries[i] for i in self.free[0])
        return bool(self.constraints) or any(isfinite(e.lower) or isfinite(e.upper) for e in free)

    @property
    def values(self) -> NDArray[np.float64]:
        """Fixed values by entry, NaN where free or to be taken from the data."""
        return np.array([e.value for e in self.entries])

    def block(self, number: int) -> list[int]:
        """Return the entries of a block, counted from 0."""
        return self._members[number]

    @cached_property
    def _members(self) -> list[list[int]]:
        """Entries of each block."""
        out: list[list[int]] = [[] for _ in self.roles]
        for i, e in enumerate(self.entries):
            out[e.group * self.levels + e.level].append(i)
        return out

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks as index arrays, ready for computation."""
        from .matrices import compile_block

        return tuple(compile_block(self, k) for k in range(len(self.roles)))

    @cached_property
    def independence(self) -> Table:
        """The baseline model: all items uncorrelated, free variances, means and thresholds, predictors as they are."""
        entries: list[Entry] = []
        roles = []
        o = self.options
        for number, role in enumerate(self.roles):
            group, level = divmod(number, self.levels)
            roles.append(Roles(role.observed, (), (), role.exogenous, (), ()))
            exo = dict.fromkeys(role.exogenous) if o.fixed_x else {}
            for n in role.observed:
                for k in range(o.thresholds.get(n, 0)):
                    entries.append(Entry(n, "|", f"t{k + 1}", group, level))
                fixed = n in o.thresholds
                value = 1.0 if fixed else np.nan
                entries.append(
                    Entry(n, "~~", n, group, level, free=not fixed and n not in exo, value=value, exo=n in exo)
                )
                if fixed:
                    entries.append(Entry(n, "~*~", n, group, level, free=False, value=1.0))
                if o.means:
                    value = 0.0 if fixed else np.nan
                    entries.append(
                        Entry(n, "~1", "", group, level, "", not fixed and n not in exo, value, exo=n in exo)
                    )
            if o.thresholds:  # given predictors, slopes are no matter of correlation
                entries += [Entry(n, "~", x, group, level) for n in role.observed if n not in exo for x in exo]
            pairs = [(a, b) for i, a in enumerate(role.exogenous) for b in role.exogenous[i + 1 :]]
            entries += [Entry(a, "~~", b, group, level, free=not exo, exo=bool(exo)) for a, b in pairs]
        index, labels = number_parameters(entries)
        bare = replace(o, equal=(), partial=(), effect_coding=(), theta=False)
        return Table(tuple(entries), tuple(roles), self.levels, index, labels, (), (), bare)


def build_table(model: Model, options: Options) -> Table:
    """Complete a model with the parameters that lavaan's ``sem()`` and ``growth()`` add.

    Parameters
    ----------
    model : Model
    options : Options

    Returns
    -------
    Table

    Raises
    ------
    SpecError
        If group or level blocks, modifiers or `partial` do not match the groups.
    """
    blocks = list(blocks_of(model, options.groups))
    levels = 1 + max(level for _, level, _ in blocks)
    roles = tuple(Roles.of(rows) for _, _, rows in blocks)
    entries: list[Entry] = []
    for (group, level, rows), role in zip(blocks, roles, strict=True):
        entries += _block(rows, role, roles, group, level, levels, options)
    constraints = list(model.constraints)
    if options.effect_coding:
        constraints += _effect_coding(entries, roles, options)
    if options.equal and len(options.groups) > 1:
        _equate(entries, roles, options)
    index, labels = number_parameters(entries)
    return Table(tuple(entries), roles, levels, index, labels, model.defined, tuple(constraints), options)


def blocks_of(model: Model, groups: Sequence[str]) -> Iterator[tuple[int, int, list[Row]]]:
    """Return group, level and rows of each block."""
    rows = [r for r in model.rows if r.block]
    headers = [dict(b) for b in model.blocks] or [{}]
    if odd := {kind for h in headers for kind in h} - {"group", "level"}:
        raise SpecError(f"The model has blocks by {listed(sorted(odd))}; known are group: and level:.")
    levels = list(dict.fromkeys(h["level"] for h in headers if "level" in h))
    named = list(dict.fromkeys(h["group"] for h in headers if "group" in h))
    if len(levels) > 2 or len(levels) == 1:
        raise SpecError(f"A multilevel model has two levels, level: 1 and level: 2; this one has {listed(levels)}.")
    if named and set(named) != set(groups) and named != [str(i + 1) for i in range(len(groups))]:
        raise SpecError(
            f"The model has blocks for the groups {listed(named)}, the data have {listed(groups)}; "
            "write one group: block for each group, or none."
        )
    for g, label in enumerate(groups):
        for k, level in enumerate(levels or [""]):
            wanted = [
                i
                for i, h in enumerate(headers)
                if h.get("group", label) in (label, str(g + 1)) and h.get("level", level) == level
            ]
            yield g, k, [r for r in rows if r.block - 1 in wanted]


def _block(
    rows: Sequence[Row], role: Roles, roles: Sequence[Roles], g: int, level: int, levels: int, o: Options
) -> list[Entry]:
    """Entries of one block: those written, then the defaults not written."""
    written = [Entry(r.lhs, r.op, r.rhs, g, level, user=True) for r in rows if r.rhs or r.op == "~1"]
    known = {e.key for e in written}
    added = []
    for lhs, op, rhs in _added(role, o):
        entry = Entry(lhs, op, rhs, g, level)
        if entry.key not in known:
            known.add(entry.key)
            added.append(entry)
    entries = written + added
    both = set(roles[0].observed) & set(roles[-1].observed) if levels == 2 else set()
    _fix_defaults(entries, role, o)
    for e in entries:
        if levels == 2 and e.op == "~1" and level == 0 and e.lhs in both:
            e.free, e.value = False, 0.0  # the mean belongs to the level above
    for e, r in zip(written, (r for r in rows if r.rhs or r.op == "~1"), strict=True):
        _modify(e, r, len(o.groups))
    return entries


def _added(role: Roles, o: Options) -> Iterator[tuple[str, str, str]]:
    """Parameters that the model has whether or not they are written."""
    ordinal = [n for n in role.observed if n in o.thresholds]
    for n in ordinal:
        yield from ((n, "|", f"t{k + 1}") for k in range(o.thresholds[n]))
    for n in role.observed:
        if n not in role.exogenous:
            yield n, "~~", n
    for n in role.latent:
        yield n, "~~", n
    for a, b in combinations(role.free_latent, 2):
        yield a, "~~", b
    for a, b in combinations(role.final, 2):
        yield a, "~~", b
    for a, b in combinations_with_replacement(role.exogenous, 2):
        yield a, "~~", b
    for n in ordinal:
        yield n, "~*~", n
    if o.means:
        for n in (*role.observed, *role.latent):
            yield n, "~1", ""


def _fix_defaults(entries: list[Entry], role: Roles, o: Options) -> None:
    """Fix what identifies the scales, and what the data give."""
    seen: set[str] = set()
    homes: dict[str, list[str]] = {}
    for e in entries:
        if e.op == "=~":
            homes.setdefault(e.rhs, []).append(e.lhs)
    counts = {lv: sum(lv in h for h in homes.values()) for lv in role.latent}
    single = {item for item, h in homes.items() if len(h) == 1 and counts[h[0]] == 1}
    for e in entries:
        own, ordinal = e.lhs == e.rhs, e.lhs in o.thresholds
        fixed: float | None = None
        if e.op == "=~" and e.lhs not in seen:
            seen.add(e.lhs)
            fixed = None if o.std_lv or "loadings" in o.effect_coding else 1.0
        elif (e.op == "~~" and own and e.lhs in role.latent and o.std_lv) or (
            e.op == "~~" and own and ordinal and not e.user
        ):
            fixed = 1.0
        elif (e.op == "~~" and own and e.lhs in single) or (
            e.op == "~~" and not own and o.orthogonal and not e.user and {e.lhs, e.rhs} <= set(role.latent)
        ):
            fixed = 0.0
        elif e.op == "~*~":
            fixed = 1.0
        elif e.op == "~1":
            latent = e.lhs in role.latent
            if (
                ordinal
                or (not latent and o.growth)
                or (latent and not o.growth and "intercepts" not in o.effect_coding)
            ):
                fixed = 0.0
        if e.op in ("~~", "~1") and o.fixed_x and not e.user and {e.lhs, e.rhs or e.lhs} <= set(role.exogenous):
            e.free, e.exo = False, True
        elif fixed is not None:
            e.free, e.value = False, fixed


def _modify(e: Entry, r: Row, groups: int) -> None:
    """Apply the modifiers written for an entry."""
    for vector in (r.labels, r.fixes, r.starts, r.lowers, r.uppers):
        if len(vector) > 1 and len(vector) != groups:
            raise SpecError(
                f"'{r.lhs} {r.op} {r.rhs}' has a modifier with {len(vector)} entries, but there "
                f"{'is one group' if groups == 1 else f'are {groups} groups'}."
            )

    def at(vector: tuple, nothing: object) -> object:
        found = vector[e.group if len(vector) > 1 else 0] if vector else nothing
        return nothing if found is None else found

    e.label = str(at(r.labels, "") or "")
    e.start = float(at(r.starts, np.nan))  # type: ignore[arg-type]
    e.lower = float(at(r.lowers, -np.inf))  # type: ignore[arg-type]
    e.upper = float(at(r.uppers, np.inf))  # type: ignore[arg-type]
    value = float(at(r.fixes, np.nan))  # type: ignore[arg-type]
    if np.isfinite(value):
        e.free, e.value = False, value
    elif at(r.frees, False):
        e.free, e.value = True, np.nan


def _effect_coding(
    entries: list[Entry], roles: Sequence[Roles], o: Options
) -> list[tuple[str, Expression, Expression]]:
    """Constraints that set the scale of each factor by its average loading and intercept (Little et al. 2006)."""
    found = []
    for number, role in enumerate(roles):
        for lv in role.latent:
            mine = [e for e in entries if e.group == number and e.lhs == lv and e.op == "=~"]
            sets = [("loadings", mine, len(mine))]
            items = {e.rhs for e in mine}
            sets.append(
                ("intercepts", [e for e in entries if e.group == number and e.op == "~1" and e.lhs in items], 0)
            )
            for kind, rows, total in sets:
                if kind not in o.effect_coding or not rows:
                    continue
                for e in rows:
                    e.label = e.label or f".p{entries.index(e) + 1}."
                names = "+".join(f'"{e.label}"' for e in rows)
                found.append(("==", parse_expression(names), parse_expression(str(total))))
    return found


def _kind(e: Entry, role: Roles) -> str:
    """Name of the family of parameters that lavaan's group.equal knows an entry by."""
    latent = e.lhs in role.latent
    if e.op == "~~":
        if e.lhs == e.rhs:
            return "lv.variances" if latent else "residuals"
        return "lv.covariances" if latent and e.rhs in role.latent else "residual.covariances"
    if e.op == "~1":
        return "means" if latent else "intercepts"
    return {"=~": "loadings", "<~": "loadings", "~": "regressions", "|": "thresholds"}.get(e.op, "")


def _equate(entries: list[Entry], roles: Sequence[Roles], o: Options) -> None:
    """Hold families of parameters equal over groups, and free what this identifies."""
    partial = {p.replace(" ", "") for p in o.partial}
    names = {e.lhs + e.op + e.rhs for e in entries}
    if unknown := sorted(partial - names):
        raise SpecError(
            f"partial names '{unknown[0]}', which is not a parameter of the model.{near(unknown[0], names)}"
        )
    levels = len(roles) // len(o.groups)
    first = {
        (e.key, e.level): e for e in entries
        if e.group == 0 and _kind(e, roles[e.level]) in o.equal and e.lhs + e.op + e.rhs not in partial
    }  # fmt: skip
    for number, e in enumerate(entries):
        kind = _kind(e, roles[e.group * levels + e.level])
        model = first.get((e.key, e.level))
        if model is not None and kind in o.equal and model.free and e.free:
            if e.group == 0:
                e.label = e.label or f".p{number + 1}."
            elif not e.label:
                e.label = model.label
        if e.group == 0 or e.user:
            continue
        shifts = ("intercepts" in o.equal or "thresholds" in o.equal) and "means" not in o.equal
        if (
            (kind == "means" and shifts and not o.growth and e.level == levels - 1)
            or (kind == "lv.variances" and o.std_lv and "loadings" in o.equal and "lv.variances" not in o.equal)
            or (
                "thresholds" in o.equal
                and (
                    (e.op == "~*~" and not o.theta)
                    or (
                        o.theta
                        and e.op == "~~"
                        and e.lhs == e.rhs
                        and e.lhs in o.thresholds
                        and "residuals" not in o.equal
                    )
                )
            )
        ):
            e.free, e.value = True, np.nan


def number_parameters(entries: list[Entry]) -> tuple[NDArray[np.intp], dict[str, int]]:
    """Give every distinct free parameter a number; one fixed member fixes all with its label."""
    fixed = {e.label: e.value for e in entries if e.label and not e.free}
    index = np.full(len(entries), -1, dtype=np.intp)
    places: dict[str, int] = {}
    labels: dict[str, int] = {}
    count = 0
    for i, e in enumerate(entries):
        if e.label:
            labels.setdefault(e.label, i)
        if e.free and e.label in fixed:
            e.free, e.value = False, fixed[e.label]
        if not e.free:
            continue
        if e.label in places:
            index[i] = places[e.label]
            continue
        index[i] = count
        if e.label:
            places[e.label] = count
        count += 1
    return index, labels
