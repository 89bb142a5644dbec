"""The parameter table and what it says about constructs, paths and names."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SpecError, listed, near
from .expression import Expression, parse_expression
from .lexer import quote_label, quote_name

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Construct", "Model", "Row"]

_KINDS = {"=~": "factor", "<~": "composite"}
_CONSTRAINTS = ("==", "<", ">")


@dataclass(frozen=True, slots=True)
class Construct:
    """A latent variable or a composite of a model.

    Parameters
    ----------
    name : str
        As written left of ``=~`` or ``<~``.
    items : tuple of str
        What stands on the right, in order; items that are constructs themselves make it higher order.
    kind : {"factor", "composite"}
        "factor" for ``=~``, "composite" for ``<~``.

    Examples
    --------
    >>> from cxmodels.model import parse_model
    >>> parse_model("Value <~ PERV1 + PERV2").construct("Value")
    Construct(name='Value', items=('PERV1', 'PERV2'), kind='composite')
    """

    name: str
    items: tuple[str, ...]
    kind: str


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter, definition or constraint as written.

    The modifiers are tuples with one entry per group. An empty tuple says nothing, one entry holds for every
    group, and within a tuple ``None`` (``""`` for a label, False for `frees`) says nothing for that group.

    Parameters
    ----------
    lhs, op, rhs : str
        For example ``"Value", "=~", "PERV1"``. Intercepts have op ``~1`` and an empty rhs, as has ``f =~ 0``.
        For ``:=`` and constraints rhs (and lhs of a constraint) is the text of the expression.
    block : int
        1 for the first block (all rows, if the model has no block headers); 0 for ``:=`` and constraints.
    labels : tuple of str
        Equal labels mean equal parameters.
    fixes : tuple of float or None
        Values at which the parameter is fixed.
    frees : tuple of bool
        True where ``NA`` frees a parameter that would be fixed by default.
    starts, lowers, uppers : tuple of float or None
        Starting values and bounds.

    Examples
    --------
    >>> from cxmodels.model import parse_model
    >>> row = parse_model("f =~ c(1, NA)*x1 + c(a, b)*start(.5)*x2").rows[0]
    >>> row.fixes, row.frees
    ((1.0, None), (False, True))
    """

    lhs: str
    op: str
    rhs: str
    block: int = 1
    labels: tuple[str, ...] = ()
    fixes: tuple[float | None, ...] = ()
    frees: tuple[bool, ...] = ()
    starts: tuple[float | None, ...] = ()
    lowers: tuple[float | None, ...] = ()
    uppers: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Model:
    """A structural model: an immutable parameter table, made by :func:`parse_model`.

    Models compare equal, hash and pickle by content. ``str(model)`` is canonical model text that reads back to
    the same model.

    Parameters
    ----------
    rows : tuple of Row
        The parameters in the order written.
    blocks : tuple of tuple of (str, str)
        For each block its headers, such as ``(("group", "A"), ("level", "1"))``; empty without block headers.

    Examples
    --------
    >>> from cxmodels.model import parse_model
    >>> m = parse_model('''
    ...     Image   =~ IMAG1 + IMAG2
    ...     Loyalty =~ CUSL1 + CUSL3
    ...     Loyalty ~ b*Image
    ... ''')
    >>> m
    Model(2 constructs, 4 items, 1 path)
    >>> print(m)
    Image =~ IMAG1 + IMAG2
    Loyalty =~ CUSL1 + CUSL3
    Loyalty ~ b*Image
    """

    rows: tuple[Row, ...]
    blocks: tuple[tuple[tuple[str, str], ...], ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """The parameter table, one row per parameter as written; nothing is added that was not written.

        Columns: ``lhs op rhs block``; a column for each kind of block header used (``group``, ``level``);
        ``label`` (str), ``fixed`` (float), ``free`` (bool: ``NA`` was written), ``start lower upper`` (float),
        filled where one value holds for every group, else empty, NaN or False; and the object columns
        ``labels fixes frees starts lowers uppers`` with the tuples described at :class:`Row`. Definitions and
        constraints have block 0.

        Examples
        --------
        >>> from cxmodels.model import parse_model
        >>> m = parse_model("f =~ 1*x1 + NA*x2 + c(a, b)*x3")
        >>> m.table[["lhs", "op", "rhs", "fixed", "free", "labels"]]
          lhs  op rhs  fixed   free  labels
        0   f  =~  x1    1.0  False      ()
        1   f  =~  x2    NaN   True      ()
        2   f  =~  x3    NaN  False  (a, b)
        """
        import pandas as pd

        vectors = [f.name for f in fields(Row)[4:]]
        frame = pd.DataFrame({c: [getattr(r, c) for r in self.rows] for c in ("lhs", "op", "rhs", "block")})
        for kind in dict.fromkeys(kind for block in self.blocks for kind, _ in block):
            names = ["", *(dict(block).get(kind, "") for block in self.blocks)]
            frame[kind] = [names[r.block] for r in self.rows]
        single = {v: [_single(getattr(r, v)) for r in self.rows] for v in vectors}
        frame["label"] = [str(x or "") for x in single["labels"]]
        frame["fixed"] = np.array(single["fixes"], dtype=float)
        frame["free"] = np.array([bool(x) for x in single["frees"]])
        for column in ("start", "lower", "upper"):
            frame[column] = np.array(single[f"{column}s"], dtype=float)
        for v in vectors:
            frame[v] = pd.Series([getattr(r, v) for r in self.rows], dtype=object)
        return frame

    @cached_property
    def constructs(self) -> tuple[Construct, ...]:
        """Constructs in order of definition; one named on the left twice has the items of both lines."""
        items: dict[str, dict[str, None]] = {}
        kinds: dict[str, str] = {}
        for row in self.rows:
            if row.op in _KINDS:
                kinds[row.lhs] = _KINDS[row.op]
                items.setdefault(row.lhs, {}).update({row.rhs: None} if row.rhs else {})
        return tuple(Construct(name, tuple(items[name]), kind) for name, kind in kinds.items())

    def construct(self, name: str) -> Construct:
        """Return the construct called `name`.

        Parameters
        ----------
        name : str
            As written left of ``=~`` or ``<~``.

        Returns
        -------
        Construct
            Its name, items and kind.

        Raises
        ------
        SpecError
            If there is none, with the near name.

        Examples
        --------
        >>> from cxmodels.model import parse_model
        >>> parse_model("Image =~ IMAG1 + IMAG2").construct("Image").items
        ('IMAG1', 'IMAG2')
        """
        known = {c.name: c for c in self.constructs}
        if name not in known:
            has = f"it has {listed(known)}" if known else "it has none"
            raise SpecError(f"The model has no construct '{name}'; {has}.{near(name, known)}")
        return known[name]

    @cached_property
    def items(self) -> tuple[str, ...]:
        """Observed indicators of all constructs, in order, each once."""
        constructs = self.constructs
        names = {c.name for c in constructs}
        return tuple(dict.fromkeys(i for c in constructs for i in c.items if i not in names))

    @cached_property
    def observed(self) -> tuple[str, ...]:
        """Every name that must be a column of the data: the items, then the others in order.

        Examples
        --------
        >>> from cxmodels.model import parse_model
        >>> parse_model("f =~ x1 + x2; f ~ age").observed
        ('x1', 'x2', 'age')
        """
        latent = {r.lhs for r in self.rows if r.op in _KINDS}
        seen = dict.fromkeys(self.items)
        for row in self.rows:
            if row.block:
                names = (row.lhs,) if row.op == "|" else (row.lhs, *row.rhs.split(":"))
                seen.update(dict.fromkeys(n for n in names if n and n not in latent))
        return tuple(seen)

    @cached_property
    def paths(self) -> tuple[tuple[str, str], ...]:
        """Pairs (outcome, predictor) of the ``~`` rows, in order; an interaction predictor is ``"A:B"``.

        Examples
        --------
        >>> from cxmodels.model import parse_model
        >>> parse_model("y ~ A + B + A:B").paths
        (('y', 'A'), ('y', 'B'), ('y', 'A:B'))
        """
        return tuple(dict.fromkeys((r.lhs, r.rhs) for r in self.rows if r.op == "~"))

    @cached_property
    def interactions(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Interaction terms with their parts: ``("A:B", ("A", "B"))``."""
        names = dict.fromkeys(r.rhs for r in self.rows if r.block and ":" in r.rhs)
        return tuple((name, tuple(name.split(":"))) for name in names)

    @property
    def defined(self) -> tuple[tuple[str, Expression], ...]:
        """The ``:=`` parameters, in an order in which each uses only labels and those before it.

        Examples
        --------
        >>> from cxmodels.model import parse_model
        >>> parse_model("y ~ a*x; double := 2*a").defined
        (('double', Expression(text='2*a')),)
        """
        found = {r.lhs: parse_expression(r.rhs) for r in self.rows if r.op == ":="}
        order = _in_order({name: [n for n in e.names if n in found] for name, e in found.items()})
        return tuple((name, found[name]) for name in order)

    @property
    def constraints(self) -> tuple[tuple[str, Expression, Expression], ...]:
        """The constraints as (operator, left, right), operator being ``==``, ``<`` or ``>``."""
        return tuple(
            (r.op, parse_expression(r.lhs), parse_expression(r.rhs)) for r in self.rows if r.op in _CONSTRAINTS
        )

    def check_acyclic(self) -> None:
        """Raise an error if the paths form a cycle.

        Raises
        ------
        SpecError
            Naming the variables along one cycle.

        Examples
        --------
        >>> from cxmodels.model import parse_model
        >>> parse_model("A =~ a; B =~ b; A ~ B; B ~ A").check_acyclic()
        Traceback (most recent call last):
        cxmodels.errors.SpecError: The paths form a cycle: B -> A -> B. Drop one of these paths.
        """
        for block in sorted({r.block for r in self.rows}):
            graph: dict[str, list[str]] = {}
            for row in self.rows:
                if row.op == "~" and row.block == block:
                    for predictor in row.rhs.split(":"):
                        graph.setdefault(predictor, []).append(row.lhs)
            cycle = find_cycle(graph)
            if cycle:
                raise SpecError(f"The paths form a cycle: {chain(cycle)}. Drop one of these paths.")

    def add(self, text: str) -> Model:
        """Return a new model with the statements of `text` added.

        Parameters
        ----------
        text : str
            Model text. It may refer to labels of this model and adds modifiers to rows that exist.

        Returns
        -------
        Model
            This model is unchanged.

        Raises
        ------
        SpecError
            As for :func:`parse_model`; line and column are those of `text`.

        Examples
        --------
        >>> from cxmodels.model import parse_model
        >>> parse_model("Image =~ IMAG1 + IMAG2").add("Loyalty =~ CUSL1; Loyalty ~ Image").paths
        (('Loyalty', 'Image'),)
        """
        from .parser import extend

        return extend(self, text)

    def drop(self, outcome: str, predictor: str | None = None) -> Model:
        """Return a new model without the path from `predictor` to `outcome`.

        Parameters
        ----------
        outcome, predictor : str
            As in `paths`; the parts of an interaction may come in any order. Or one text such as ``"y ~ a + b"``.

        Returns
        -------
        Model
            This model is unchanged.

        Raises
        ------
        SpecError
            If there is no such path, or a ``:=`` line or a constraint uses its label.

        Examples
        --------
        >>> from cxmodels.model import parse_model
        >>> print(parse_model("y ~ a + b").drop("y", "a"))
        y ~ b
        >>> print(parse_model("y ~ a + b + a:b").drop("y ~ a:b"))
        y ~ a + b
        """
        from .rules import check_rows

        if predictor is None:
            return self._without(outcome)
        parts = sorted(predictor.split(":"))
        rows = tuple(
            r for r in self.rows if not (r.op == "~" and r.lhs == outcome and sorted(r.rhs.split(":")) == parts)
        )
        if len(rows) == len(self.rows):
            options = [f"{o} ~ {p}" for o, p in self.paths]
            hint = near(f"{outcome} ~ {predictor}", options)
            has = f"it has {listed(options)}" if options else "it has no paths"
            raise SpecError(f"The model has no path '{outcome} ~ {predictor}'; {has}.{hint}")
        empty = {r.block for r in self.rows if r.block} - {r.block for r in rows}
        if empty:
            headers = " ".join(f"{kind}: {name}" for kind, name in self.blocks[min(empty) - 1]) if self.blocks else ""
            where = f"the block '{headers}'" if headers else "the model"
            raise SpecError(f"'{outcome} ~ {predictor}' is the only equation of {where}; without it nothing is left.")
        check_rows(rows)
        return Model(rows, self.blocks)

    def _without(self, text: str) -> Model:
        """Drop every path of a text."""
        from .parser import parse_model

        paths = parse_model(text).paths
        if not paths:
            raise SpecError(f"'{text}' names no path; write for example 'Loyalty ~ Image'.")
        model = self
        for outcome, predictor in paths:
            model = model.drop(outcome, predictor)
        return model

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        block = None
        for (number, lhs, op), group in groupby(self.rows, key=lambda r: (r.block, r.lhs, r.op)):
            if self.blocks and number not in (0, block):
                block = number
                yield from (f"{kind}: {_header(name)}" for kind, name in self.blocks[number - 1])
            if number == 0:
                yield from (f"{quote_label(lhs) if op == ':=' else lhs} {op} {row.rhs}" for row in group)
            else:
                sign = "~" if op == "~1" else op
                yield f"{quote_name(lhs)} {sign} {' + '.join(_term(row) for row in group)}"

    def __repr__(self) -> str:
        constructs = self.constructs
        counts = [_count(len(constructs), "construct"), _count(len(self.items), "item")]
        return f"Model({', '.join([*counts, _count(len(self.paths), 'path')])})"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def _header(name: str) -> str:
    return name if re.fullmatch("[0-9]+", name) else quote_label(name)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


def _single(vector: tuple) -> object:
    """The entry that holds for every group, or None."""
    return vector[0] if vector and all(v == vector[0] for v in vector) else None


def _term(row: Row) -> str:
    """A row's right-hand side with its modifiers, such as ``c(a, b)*start(0.5)*x``."""
    values = [("NA" if free else _number(fix)) for fix, free in zip(row.fixes, row.frees, strict=True)]
    labels = [quote_label(x) if x else None for x in row.labels]
    if len(values) == len(labels) and all(v is None or x is None for v, x in zip(values, labels, strict=True)):
        values, labels = [v or x for v, x in zip(values, labels, strict=True)], []
    parts = [_vector(v) for v in (values, labels) if v]
    for name in ("start", "lower", "upper"):
        vector = getattr(row, f"{name}s")
        if vector:
            parts.append(f"{name}({_vector([_number(x) or 'NA' for x in vector])})")
    target = {"~1": "1", "=~": "0"}[row.op] if not row.rhs else quote_name(row.rhs)
    return "*".join([*parts, target])


def _vector(entries: list[str | None]) -> str:
    texts = ['""' if e is None else e for e in entries]
    return texts[0] if len(texts) == 1 else f"c({', '.join(texts)})"


def _number(value: float | None) -> str | None:
    if value is None:
        return None
    return repr(value).removesuffix(".0").replace("inf", "Inf")


def find_cycle(graph: dict[str, list[str]]) -> list[str]:
    """One cycle of a directed graph as a closed list of names, or an empty list (no recursion)."""
    done: set[str] = set()
    for root in graph:
        path, trail = [root], {root: None}
        branches = [iter(graph.get(root, ()))]
        while branches and root not in done:
            for node in branches[-1]:
                if node in trail:
                    return [*path[path.index(node) :], node]
                if node not in done:
                    path.append(node)
                    trail[node] = None
                    branches.append(iter(graph.get(node, ())))
                    break
            else:
                branches.pop()
                done.add(path[-1])
                del trail[path.pop()]
    return []


def chain(names: list[str]) -> str:
    """Names of a cycle with arrows between them, its middle left out when it is long."""
    if len(names) <= 12:
        return " -> ".join(names)
    return f"{' -> '.join(names[:4])} -> ... -> {' -> '.join(names[-3:])} ({len(names) - 1} names)"


def _in_order(needs: dict[str, list[str]]) -> Iterable[str]:
    """Names so that each comes after what it needs, otherwise in the order given; `needs` has no cycle."""
    placed: dict[str, None] = {}
    for root in needs:
        stack = [(root, iter(needs[root]))]
        while stack:
            name, rest = stack[-1]
            need = next((n for n in rest if n not in placed), None)
            if need is not None:
                stack.append((need, iter(needs[need])))
            else:
                stack.pop()
                placed[name] = None
    return placed
