"""What must hold for a whole model, whatever the order of its lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import SpecError, near
from .expression import parse_expression
from .lexer import sentence
from .table import Row, chain, find_cycle

__all__ = ["check_rows", "plain_error"]

Fail = Callable[[Row, str], SpecError]


def plain_error(row: Row, message: str) -> SpecError:
    """Return the error for a row whose place in the text is not known."""
    name = f"{row.lhs} {row.op} {row.rhs}".rstrip()
    return SpecError(f"In '{name}': {sentence(message)}")


def check_rows(rows: Sequence[Row], fail: Fail = plain_error) -> None:
    """Raise the error that `fail` makes of the first row that breaks a rule and the reason."""
    _check_kinds(rows, fail)
    _check_vectors(rows, fail)
    _check_labels(rows, fail)


def _check_kinds(rows: Sequence[Row], fail: Fail) -> None:
    """A construct is a factor or a composite, and measurement does not run in circles."""
    first: dict[str, Row] = {}
    graph: dict[str, list[str]] = {}
    for row in rows:
        if row.op in ("=~", "<~"):
            if first.setdefault(row.lhs, row).op != row.op:
                raise fail(row, f"'{row.lhs}' is defined both by =~ and by <~; keep one of the two operators")
            graph.setdefault(row.lhs, []).append(row.rhs)
    cycle = find_cycle({name: [i for i in items if i in graph] for name, items in graph.items()})
    if cycle:
        raise fail(first[cycle[0]], f"constructs measure each other in a circle: {chain(cycle)}")


def _check_vectors(rows: Sequence[Row], fail: Fail) -> None:
    """Every c(...) has one entry per group, and no lower bound lies above its upper bound."""
    groups, where = 1, ""
    for row in rows:
        for vector in (row.labels, row.fixes, row.starts, row.lowers, row.uppers):
            if len(vector) > 1:
                if groups not in (1, len(vector)):
                    name = f"{row.lhs} {row.op} {row.rhs}".rstrip()
                    message = (
                        f"'{name}' has a modifier for {len(vector)} groups but '{where}' one for {groups};"
                        " give every c(...) one entry per group"
                    )
                    raise fail(row, message)
                groups, where = len(vector), f"{row.lhs} {row.op} {row.rhs}".rstrip()
        if row.lowers and row.uppers:
            _check_bounds(row, fail)


def _check_bounds(row: Row, fail: Fail) -> None:
    size = max(len(row.lowers), len(row.uppers))
    lowers = row.lowers * (size if len(row.lowers) == 1 else 1)
    uppers = row.uppers * (size if len(row.uppers) == 1 else 1)
    for low, high in zip(lowers, uppers, strict=True):
        if low is not None and high is not None and low > high:
            raise fail(row, f"the lower bound {low:g} of '{row.lhs} {row.op} {row.rhs}' is above the upper, {high:g}")


def _check_labels(rows: Sequence[Row], fail: Fail) -> None:
    """Expressions use labels that exist, and ``:=`` names are new and not circular."""
    labels = {label for row in rows for label in row.labels if label}
    defined: dict[str, Row] = {}
    for row in rows:
        if row.op == ":=":
            if row.lhs in defined:
                raise fail(row, f"'{row.lhs}' is defined twice by ':='")
            if row.lhs in labels:
                raise fail(row, f"'{row.lhs}' is already the label of a parameter; give the new one another name")
            defined[row.lhs] = row
    known = [*labels, *defined]
    needs: dict[str, list[str]] = {}
    for row in rows:
        if row.block:
            continue
        sides = (row.rhs,) if row.op == ":=" else (row.lhs, row.rhs)
        names = [name for side in sides for name in parse_expression(side).names]
        for name in names:
            if name not in labels and name not in defined:
                message = f"no parameter has the label '{name}'; write {name}*x in an equation to give it"
                raise fail(row, f"{message}.{near(name, known)}")
        if row.op == ":=":
            needs[row.lhs] = [n for n in names if n in defined]
    cycle = find_cycle(needs)
    if cycle:
        raise fail(defined[cycle[0]], f"definitions refer to each other in a circle: {chain(cycle)}")
