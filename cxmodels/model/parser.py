"""Model text to a :class:`Model`: statements, terms, modifiers."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from ..errors import SpecError, SpecWarning, near
from .expression import FUNCTIONS, read_expression
from .lexer import OPERATORS, Token, error_at, normalise, quote_name, tokenize
from .rules import check_rows
from .table import Model, Row

__all__ = ["extend", "parse_model"]

_HEADERS = ("group", "level", "block", "class")
_MODIFIERS = ("c", "start", "fixed", "lower", "upper", "label", "equal")
_MEANT = {"=": "=~", "~=": "=~", "->": "~", "<->": "~~", "=>": ">", "<=": "<", ">=": ">"}
_PARAMETER = re.compile(r"(.+?)(=~|<~|~\*~|~~|~1(?=$)|~|\|)(.*)")
_WRITTEN_ONLY = ("=~", "<~", "~")  # parameters with these operators exist only if the text has them

Key = tuple[int, str, str, str]


def parse_model(text: str | Model) -> Model:
    """Read a structural model written in lavaan's language.

    Parameters
    ----------
    text : str or Model
        One equation per line (or separated by ``;``). A :class:`Model` is returned as it is.

        ============================  ===================================================================
        ``f =~ x1 + x2``              factor measured by items (or by other constructs: higher order)
        ``f <~ x1 + x2``              composite made of items
        ``y ~ x + A:B``               regression, with an interaction
        ``y ~ 1``                     intercept or mean (``y ~ 0``: fixed at 0)
        ``x ~~ y``                    covariance; ``x ~~ x`` variance
        ``y | t1 + t2``               thresholds of an ordered item
        ``y ~*~ y``                   scaling factor of an ordered item
        ``new := a*b``                defined parameter
        ``a == b``, ``a > 0``         constraints on labels
        ``group: A``, ``level: 1``    what follows belongs to this group or level
        ============================  ===================================================================

        Before a term: ``0.5*x`` fixes, ``NA*x`` frees, ``a*x`` (or ``"a"*x``, ``label("a")*x``) labels,
        ``start(0.5)*x`` (or ``0.5?x``), ``lower(0)*x``, ``upper(1)*x``, ``equal("f=~x1")*x``; for several
        groups ``c(a, b)*x``, ``c(1, NA)*x``, ``start(c(1, 2))*x``, where ``""`` in ``c()`` says nothing for
        that group. Modifiers may follow each other (``a*start(1)*x``) and a term may come twice
        (``x + a*x``). Several names may stand on the left (``y1 + y2 ~ x``). ``#`` and ``!`` begin comments.
        A line goes on if it ends in an operator, ``+``, ``*``, ``,`` or within parentheses, or if the next
        one starts with ``+`` or ``*``. Names are letters of any script, digits, ``_`` and ``.``; other names
        stand in backticks or quotes.

    Returns
    -------
    Model
        The parameter table as written; no defaults are added.

    Raises
    ------
    SpecError
        If the text is not a model: says line, column, what was expected and the near name.

    Warns
    -----
    SpecWarning
        If a label is also the name of a construct, as in ``y ~ A*B`` where ``A:B`` was meant.

    Notes
    -----
    The grammar is that of lavaan 0.6 (Rosseel 2012, doi:10.18637/jss.v048.i02) without ``efa()``, ``rv()`` and
    ``prior()``. Where lavaan overwrites a modifier given twice with different values, this is an error.
    ``equal()`` labels both parameters with its text, because equal labels mean equal parameters; a covariance
    or intercept that it names without being written is for the estimator to label.

    Examples
    --------
    >>> from cxmodels.model import parse_model
    >>> m = parse_model('''
    ...     Satisfaction =~ CUSA1 + CUSA2 + CUSA3   # three questions
    ...     Loyalty      =~ CUSL1 + CUSL3
    ...     Loyalty ~ b*Satisfaction
    ...     double := 2*b
    ... ''')
    >>> m.paths
    (('Loyalty', 'Satisfaction'),)
    >>> m.table[["lhs", "op", "rhs", "label"]].tail(2)
           lhs  op           rhs label
    5  Loyalty   ~  Satisfaction     b
    6   double  :=           2*b
    >>> parse_model("Loyalty = CUSL1")
    Traceback (most recent call last):
    cxmodels.errors.SpecError: Line 1, column 9: expected an operator (=~, <~, ~, ~~ ...) after 'Loyalty', ...
    """
    if isinstance(text, Model):
        return text
    if not isinstance(text, str):
        raise SpecError(f"A model is text with one equation per line, or a Model, not {type(text).__name__}.")
    return _Parser(text, Model(())).model()


def extend(model: Model, text: str) -> Model:
    """Return `model` with the statements of `text` added; see :meth:`Model.add`."""
    if not isinstance(text, str):
        raise SpecError(f"What is added to a model is text, not {type(text).__name__}.")
    return _Parser(text, model).model()


@dataclass(slots=True)
class _Modifiers:
    """Modifiers of one term, as in Row."""

    labels: tuple[str, ...] = ()
    fixes: tuple[float | None, ...] = ()
    frees: tuple[bool, ...] = ()
    starts: tuple[float | None, ...] = ()
    lowers: tuple[float | None, ...] = ()
    uppers: tuple[float | None, ...] = ()
    equal: str = ""


class _Parser:
    """Statements in, rows out; `model` holds what was there before."""

    def __init__(self, text: str, model: Model):
        self.text = normalise(text)
        self.rows: dict[Key, Row] = {(r.block, r.lhs, r.op, r.rhs): r for r in model.rows}
        self.blocks = list(model.blocks)
        self.header: dict[str, str] = {}
        self.block = 0 if model.blocks else 1
        self.opened: Token | None = None  # a header that no equation has followed yet
        self.where: dict[Key, int] = {}
        self.interactions = {frozenset(parts): name for name, parts in model.interactions}
        self.equals: list[tuple[Key, str, int]] = []

    def model(self) -> Model:
        for statement in _statements(tokenize(self.text)):
            self.statement(statement)
        if self.opened is not None:
            self.fail(self.opened, "this block header has no equations after it")
        if not self.rows:
            raise SpecError("The model is empty; write one equation per line, such as 'Loyalty ~ Satisfaction'.")
        for key, target, pos in self.equals:
            self.equate(key, target, pos)
        rows = tuple(self.rows.values())
        check_rows(rows, self.fail_row)
        model = Model(rows, tuple(self.blocks))
        self.warn_product(model)
        return model

    # -- errors --

    def fail(self, at: Token | int, message: str) -> NoReturn:
        raise error_at(self.text, at if isinstance(at, int) else at.pos, message)

    def fail_row(self, row: Row, message: str) -> SpecError:
        pos = self.where.get((row.block, row.lhs, row.op, row.rhs))
        if pos is None:  # it was there before this text
            return SpecError(f"{message[0].upper()}{message[1:]}{'' if message[-1] in '.?' else '.'}")
        return error_at(self.text, pos, message)

    def warn_product(self, model: Model) -> None:
        constructs = {c.name for c in model.constructs}
        for row in model.rows:
            for label in constructs.intersection(row.labels) if row.labels else ():
                if row.op == "~":
                    message = (
                        f"'{label}*{row.rhs}' in the equation of '{row.lhs}' gives the path of '{row.rhs}' the "
                        f"label '{label}', which is a construct; if you mean the interaction, write {label}:{row.rhs}."
                    )
                    warnings.warn(SpecWarning(message), stacklevel=4)

    # -- statements --

    def statement(self, tokens: list[Token]) -> None:
        at = self.operator(tokens)
        if at < 0:
            self.read_header(tokens)
            return
        left, op, right = tokens[:at], tokens[at], tokens[at + 1 :]
        if not left:
            self.fail(op, f"expected a name before '{op.text}'")
        if not right:
            self.fail(op, f"expected something after '{op.text}'")
        if op.text in (":=", "==", "<", ">"):
            self.constraint(left, op, right)
        else:
            self.equation(left, op.text, right)

    def operator(self, tokens: list[Token]) -> int:
        """Index of the statement's operator, or -1 for a block header."""
        found, depth, opened = -1, 0, tokens[0]
        for i, token in enumerate(tokens):
            kind, text, pos = token
            if kind == "symbol":
                if text == "(":
                    if not depth:
                        opened = token
                    depth += 1
                elif text == ")":
                    depth -= 1
                    if depth < 0:
                        self.fail(token, "this ')' was never opened")
            elif kind == "op":
                if depth:
                    self.fail(opened, "this '(' is never closed")
                if found >= 0:
                    self.second_operator(tokens, found, i)
                found = i
            elif kind == "badop":
                before = f" after '{tokens[i - 1].text}'" if i else ""
                known = "=~, <~, ~, ~~ ..."
                self.fail(
                    pos, f"expected an operator ({known}){before}, found '{text}'. Did you mean '{_MEANT[text]}'?"
                )
        if depth > 0:
            self.fail(opened, "this '(' is never closed")
        if found < 0 and not (len(tokens) > 1 and tokens[1][:2] == ("symbol", ":")):
            last = tokens[-1]
            after = tokens[1] if len(tokens) > 1 else None
            if after is not None and tokens[0].kind in ("name", "string"):
                self.fail(
                    after, f"expected an operator (=~, <~, ~, ~~ ...) after '{tokens[0].text}', found '{after.text}'"
                )
            self.fail(last.pos + len(last.text) - 1, f"expected an operator (=~, <~, ~, ~~ ...) after '{last.text}'")
        return found

    def second_operator(self, tokens: list[Token], first: int, second: int) -> NoReturn:
        """Two operators: most often a line that ends in + before the next equation."""
        for i in range(second - 1, first, -1):
            before = tokens[i]
            if before.kind == "symbol" and "\n" in self.text[before.pos : tokens[i + 1].pos]:
                self.fail(before, f"expected a name after '{before.text}', but the next line starts a new equation")
        a, b = tokens[first].text, tokens[second].text
        self.fail(tokens[second], f"expected one operator in an equation, found '{b}' after '{a}'; start a new line")

    def read_header(self, tokens: list[Token]) -> None:
        kind = tokens[0].text.lower()
        if tokens[0].kind != "name" or kind not in _HEADERS:
            message = f"expected an operator or a block header such as 'group: A', found '{tokens[0].text}:'"
            self.fail(tokens[0], f"{message}.{near(kind, _HEADERS)}")
        if len(tokens) != 3 or tokens[2].kind not in ("name", "number", "string") or not tokens[2].text:
            at = tokens[2] if len(tokens) > 2 else tokens[1]
            self.fail(at, f"expected one name or number after '{kind}:', such as '{kind}: 1'")
        if self.opened is not None and (kind != "level" or self.opened.text.lower() == "level"):
            self.fail(self.opened, "this block header has no equations after it")
        if kind != "level":
            self.header = {}
        elif self.opened is None:
            self.header = {k: v for k, v in self.header.items() if k != "level"}
        self.header[kind] = tokens[2].text
        self.opened = tokens[0]
        self.block = 0

    def current_block(self, at: Token) -> int:
        """Number of the block that the header opened."""
        if self.block:
            return self.block
        if not self.header:
            self.fail(at, "this model has blocks: write a header such as 'group: A' before its equations")
        if any(r.block for r in self.rows.values()) and not self.blocks:
            self.fail(self.opened or at, "equations stand before the first block header; give them a header too")
        names = tuple(self.header.items())
        if self.blocks and [k for k, _ in names] != [k for k, _ in self.blocks[0]]:
            kinds = " and ".join(k for k, _ in self.blocks[0])
            self.fail(
                self.opened or at, f"the first block has a header for {kinds}; give every block the same headers"
            )
        if names not in self.blocks:
            self.blocks.append(names)
        self.block = self.blocks.index(names) + 1
        self.opened = None
        return self.block

    def constraint(self, left: list[Token], op: Token, right: list[Token]) -> None:
        if op.text == ":=":
            if len(left) != 1 or left[0].kind not in ("name", "string") or left[0].text in ("", "NA"):
                self.fail(left[0], "expected one name before ':='")
            lhs = left[0].text
        else:
            lhs = read_expression(left, self.text).text
        row = Row(lhs, op.text, read_expression(right, self.text).text, block=0)
        key = (0, row.lhs, row.op, row.rhs)
        if op.text == ":=" and any(k[1] == lhs and k[2] == ":=" for k in self.rows if not k[0]):
            self.fail(left[0], f"'{lhs}' is defined twice by ':='")
        self.rows.setdefault(key, row)
        self.where[key] = left[0].pos

    def equation(self, left: list[Token], op: str, right: list[Token]) -> None:
        block = self.block or self.current_block(left[0])
        lefts = [self.left_name(part, op) for part, _ in self.split(left, "+")]
        if op == "~*~" and len(lefts) > 1:
            self.fail(left[1], "expected one name before '~*~'")
        terms = [self.term(part, op) for part, _ in self.split(right, "+")]
        if len(terms) > 1 and any(op == "=~" and not rhs for rhs, _, _, _ in terms):
            self.fail(right[0], "'0' after '=~' means that there are no items; write it alone")
        for lhs in lefts:
            for rhs, row_op, modifiers, pos in terms:
                self.check_pair(lhs, row_op, rhs, pos)
                self.put((block, lhs, row_op, rhs), modifiers, pos)

    def left_name(self, part: Sequence[Token], op: str) -> str:
        token = part[0]
        if len(part) > 1:
            after = part[1]
            if after.text == ":":
                self.fail(token, "an interaction cannot stand on the left; put it on the right of '~'")
            if after.text in ("*", "?", "("):
                self.fail(token, f"a modifier stands on the right of '{op}', before the name it changes")
            self.fail(after, f"expected '{op}' or '+' after '{token.text}', found '{after.text}'")
        return self.name(token)

    def name(self, token: Token) -> str:
        kind, text, _ = token
        if kind == "name" and text != "NA":
            return text
        if kind == "string" and text.strip() and ":" not in text:
            return text
        if kind == "string":
            self.fail(token, "a name in quotes must not be empty or hold ':'; rename the column")
        what = "number" if kind == "number" else "text"
        self.fail(token, f"expected a name, found the {what} '{text}'; put an unusual name in backticks: `{text}`")

    def check_pair(self, lhs: str, op: str, rhs: str, pos: int) -> None:
        if lhs == rhs and op in ("=~", "<~"):
            self.fail(pos, f"'{lhs}' cannot measure itself")
        if op == "~" and lhs in rhs.split(":"):
            self.fail(pos, f"'{lhs}' cannot predict itself")
        if op == "~*~" and lhs != rhs:
            self.fail(pos, f"expected '{lhs}' on both sides of '~*~', found '{rhs}'")

    # -- terms and modifiers --

    def split(self, tokens: Sequence[Token], signs: str) -> Iterator[tuple[Sequence[Token], Token | None]]:
        """Parts between top-level signs, each with the sign after it; parentheses are balanced already."""
        depth = start = 0
        before: Token | None = None
        for i, token in enumerate(tokens):
            if token.kind != "symbol":
                continue
            if token.text == "(":
                depth += 1
            elif token.text == ")":
                depth -= 1
            elif not depth and token.text in signs and token.text != "**":
                if i == start:
                    self.empty_part(token, before)
                yield tokens[start:i], token
                start, before = i + 1, token
        if start == len(tokens):
            self.empty_part(None, before)
        yield tokens[start:], None

    def empty_part(self, token: Token | None, before: Token | None) -> NoReturn:
        if token is None:
            assert before is not None
            self.fail(before, f"expected a name after '{before.text}'")
        what = "a name" if token.text == "+" else "a modifier or a name"
        after = f" after '{before.text}'" if before else ""
        self.fail(token, f"expected {what}{after}, found '{token.text}'")

    def term(self, tokens: Sequence[Token], op: str) -> tuple[str, str, _Modifiers, int]:
        """One right-hand term: its name, the operator of its row, its modifiers and where it stands."""
        modifiers = _Modifiers()
        if len(tokens) == 1:
            rhs, row_op = self.variable(tokens, op, modifiers)
            return rhs, row_op, modifiers, tokens[0].pos
        *parts, (last, _) = self.split(tokens, "*?")
        for part, sign in parts:
            if sign is not None and sign.text == "?":
                self.set(modifiers, "starts", self.numbers(part), part[0])
            else:
                self.modifier(modifiers, part)
        rhs, row_op = self.variable(last, op, modifiers)
        return rhs, row_op, modifiers, last[0].pos

    def variable(self, tokens: Sequence[Token], op: str, modifiers: _Modifiers) -> tuple[str, str]:
        token = tokens[0]
        if len(tokens) == 1 and token.kind == "number":
            if op == "~" and token.text == "1":
                return "", "~1"
            if op == "~" and token.text == "0":
                self.set(modifiers, "fixes", [0.0], token)
                return "", "~1"
            if op == "=~" and token.text == "0":
                return "", op
        name = self.name(token)
        if len(tokens) == 1:
            if op == "|" and not re.fullmatch(r"t[1-9][0-9]*", name):
                self.fail(token, f"expected a threshold t1, t2 ... after '|', found '{name}'")
            return name, op
        if tokens[1].kind == "symbol" and tokens[1].text == ":":
            return self.interaction(tokens, op), op
        if tokens[1].kind == "symbol" and tokens[1].text == "(":
            self.fail(token, f"expected '*' and a name after '{name}(...)'")
        found = tokens[1].text
        if tokens[1].kind == "symbol":
            self.fail(tokens[1], f"expected '+' between terms, found '{found}'")
        self.fail(tokens[1], f"expected '+' between '{name}' and '{found}'")

    def interaction(self, tokens: Sequence[Token], op: str) -> str:
        if op not in ("~", "~~"):
            self.fail(tokens[1], "an interaction can stand only on the right of '~' or '~~'")
        if len(tokens) < 3:
            self.fail(tokens[1], "expected a name after ':'")
        a, b = self.name(tokens[0]), self.name(tokens[2])
        if len(tokens) > 3:
            if tokens[3].text == ":":
                self.fail(tokens[3], "an interaction has two parts; multiply the columns in the data for more")
            self.fail(tokens[3], f"expected '+' after '{a}:{b}', found '{tokens[3].text}'")
        return self.interactions.setdefault(frozenset((a, b)), f"{a}:{b}")

    def modifier(self, modifiers: _Modifiers, part: Sequence[Token]) -> None:
        token = part[0]
        if len(part) == 1 or not self.is_call(part) or token.text in ("c", "fixed") or token.text in FUNCTIONS:
            self.set_values(modifiers, part)
            return
        arguments = self.arguments(part)
        if token.text in ("start", "lower", "upper"):
            values = [v for a in arguments for v in self.numbers(a, token.text != "start")]
            self.set(modifiers, f"{token.text}s", values, token)
        elif token.text == "label":
            labels = [v for a in arguments for v in self.entries(a)]
            if not all(isinstance(v, str) for v in labels):
                self.fail(token, "label() takes names or quoted text")
            self.set(modifiers, "labels", labels, token)
        elif token.text == "equal":
            if len(arguments) != 1 or len(arguments[0]) != 1 or arguments[0][0].kind not in ("string", "name"):
                self.fail(token, 'equal() takes one quoted parameter such as "f=~x1" or one label')
            modifiers.equal = "".join(arguments[0][0].text.split())
        else:
            options = [*_MODIFIERS, *FUNCTIONS]
            known = ", ".join(f"{m}()" for m in _MODIFIERS)
            self.fail(token, f"unknown modifier '{token.text}()' (known: {known}).{near(token.text, options)}")

    def set_values(self, modifiers: _Modifiers, part: Sequence[Token]) -> None:
        """Split the entries of ``c(...)`` into labels, fixed values and freed ones."""
        values = self.entries(part)
        numbers = [v if isinstance(v, float) and not math.isnan(v) else None for v in values]
        frees = [isinstance(v, float) and math.isnan(v) for v in values]
        labels = [v if isinstance(v, str) else "" for v in values]
        if not any(labels) and not any(frees) and all(n is None for n in numbers):
            self.fail(part[0], "this modifier says nothing; write a number, NA or a label")
        if any(frees) or any(n is not None for n in numbers):
            both = [math.nan if free else n for n, free in zip(numbers, frees, strict=True)]
            self.set(modifiers, "fixes", both, part[0])
        if any(labels):
            self.set(modifiers, "labels", labels, part[0])

    def is_call(self, part: Sequence[Token]) -> bool:
        return (
            len(part) > 2
            and part[0].kind == "name"
            and part[1][:2] == ("symbol", "(")
            and part[-1][:2] == ("symbol", ")")
        )

    def arguments(self, part: Sequence[Token]) -> list[Sequence[Token]]:
        if len(part) == 3:
            self.fail(part[0], f"{part[0].text}() is empty; write a value between the parentheses")
        return [a for a, _ in self.split(part[2:-1], ",")]

    def entries(self, part: Sequence[Token]) -> list[Any]:
        """Entries of ``c(...)`` or of one value: floats (NaN for NA) and labels ("" says nothing)."""
        if self.is_call(part) and part[0].text in ("c", "fixed"):
            return [v for a in self.arguments(part) for v in self.entries(a)]
        kind, text, _ = part[0]
        if len(part) == 1:
            if kind == "number":
                return [self.constant(part)]
            if kind == "name":
                return [math.nan if text == "NA" else text]
            if kind == "string":
                return [text]
        return [self.constant(part)]

    def numbers(self, part: Sequence[Token], infinite: bool = False) -> list[float | None]:
        """Entries that must be numbers, None for NA."""
        signs = [t.text for t in part]
        if infinite and signs in (["Inf"], ["-", "Inf"], ["+", "Inf"]):
            return [-math.inf if signs[0] == "-" else math.inf]
        if self.is_call(part) and part[0].text == "c":
            return [v for a in self.arguments(part) for v in self.numbers(a, infinite)]
        values = self.entries(part)
        if any(isinstance(v, str) for v in values):
            self.fail(part[0], f"expected a number or NA, found '{part[0].text}'")
        return [None if math.isnan(v) else v for v in values]

    def constant(self, part: Sequence[Token]) -> float:
        """Value of arithmetic without labels, such as ``sqrt(10)`` or ``-1/3``."""
        expression = read_expression(part, self.text)
        if expression.names:
            message = f"expected a number, NA or a label before '*', found '{expression.text}'"
            self.fail(part[0], message)
        value = float(expression.evaluate({}))
        if not math.isfinite(value):
            self.fail(part[0], f"'{expression.text}' has no finite value")
        return value

    def set(self, modifiers: _Modifiers, name: str, values: list[Any], at: Token) -> None:
        """Merge a modifier into those of the term."""
        if name == "fixes":
            new = {
                "fixes": tuple(None if v is None or math.isnan(v) else v for v in values),
                "frees": tuple(v is not None and math.isnan(v) for v in values),
            }
        else:
            new = {name: tuple(values)}
        self.merge(modifiers, new, at.pos)

    def merge(self, into: Any, new: dict[str, tuple], pos: int) -> None:
        for name, values in new.items():
            old = getattr(into, name)
            merged = _fill(old, values, {"labels": "", "frees": False}.get(name))
            if merged is None:
                what = {"fixes": "a value", "frees": "NA or a value", "labels": "a label"}.get(name, f"{name[:-1]}()")
                self.fail(pos, f"this term has {what} twice, and they differ; keep one")
            setattr(into, name, merged)
        if any(free and fix is not None for fix, free in zip(into.fixes, into.frees, strict=False)):
            self.fail(pos, "this term is both fixed at a number and freed by NA; keep one")

    def put(self, key: Key, modifiers: _Modifiers, pos: int) -> None:
        """Add a row, or modifiers to the row that is there."""
        block, lhs, op, rhs = key
        if op == "~~" and key not in self.rows and (block, rhs, op, lhs) in self.rows:
            key = (block, rhs, op, lhs)
        self.where.setdefault(key, pos)
        if modifiers.equal:
            self.equals.append((key, modifiers.equal, pos))
        vectors = {n: getattr(modifiers, n) for n in ("labels", "fixes", "frees", "starts", "lowers", "uppers")}
        old = self.rows.get(key)
        if old is None:
            self.rows[key] = Row(key[1], op, key[3], block, **vectors)
            return
        merged = _Modifiers(old.labels, old.fixes, old.frees, old.starts, old.lowers, old.uppers)
        self.merge(merged, {n: v for n, v in vectors.items() if v}, pos)
        self.rows[key] = replace(old, **{n: getattr(merged, n) for n in vectors})

    def equate(self, key: Key, text: str, pos: int) -> None:
        """Give the row and the parameter that ``equal()`` names the same label."""
        labelled = {label for r in self.rows.values() for label in r.labels}
        match = _PARAMETER.fullmatch(text)
        row, target = self.rows[key], None
        if match and text not in labelled:
            lhs, op, rhs = match.groups()
            options = [(key[0], lhs, op, rhs), *([(key[0], rhs, op, lhs)] if op == "~~" else [])]
            target = next((k for k in options if k in self.rows), None)
        if target is None and text not in labelled and not (match and match[2] not in _WRITTEN_ONLY):
            known = [*labelled, *(f"{r.lhs}{r.op}{r.rhs}" for r in self.rows.values() if r.block)]
            self.fail(pos, f"equal() names '{text}', which is neither a label nor a parameter.{near(text, known)}")
        if target == key:
            self.fail(pos, "equal() names the parameter itself")
        there = self.rows[target].labels if target else ()
        labels = there or row.labels or (text,)
        if (row.labels or labels) != labels:
            self.fail(pos, f"this term has the label '{row.labels[0]}' and equal() gives it '{labels[0]}'; keep one")
        self.rows[key] = replace(row, labels=labels)
        if target:
            self.rows[target] = replace(self.rows[target], labels=labels)


def _fill(old: tuple, new: tuple, nothing: object) -> tuple | None:
    """Two vectors of modifiers in one, or None where they disagree."""
    if not old:
        return new
    if len(old) != len(new):
        return None
    if any(a not in (nothing, b) and b != nothing for a, b in zip(old, new, strict=True)):
        return None
    return tuple(b if a == nothing else a for a, b in zip(old, new, strict=True))


def _statements(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """Group tokens into statements by ``;`` and the line ends that do not continue."""
    current: list[Token] = []
    depth, ended, has_operator = 0, False, False
    for token in tokens:
        kind, text, _ = token
        if kind == "end":
            if text == ";" and current:
                yield current
                current, depth, ended, has_operator = [], 0, False, False
            ended = bool(current)
            continue
        if ended:
            ended = False
            if not (depth > 0 or _goes_on(current[-1]) or _continues(token, has_operator)):
                yield current
                current, depth, has_operator = [], 0, False
        current.append(token)
        if kind == "symbol":
            depth += (text == "(") - (text == ")")
        elif kind == "op":
            has_operator = True
    if current:
        yield current


def _goes_on(token: Token) -> bool:
    """Whether a line that ends in `token` goes on in the next."""
    return token.kind in ("op", "badop") or (token.kind == "symbol" and token.text != ")")


def _continues(token: Token, has_operator: bool) -> bool:
    """Whether a line that starts with `token` belongs to the one before."""
    if token.kind == "op":
        return not has_operator
    return token.kind == "symbol" and token.text in ("+", "*", "/", "^", "**", "?", ",", ")", ":")
