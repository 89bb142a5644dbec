"""Model text to a :class:`Model`: statements, equations, terms."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from ..errors import SpecError, SpecWarning, described, near
from .expression import read_expression
from .lexer import Token, error_at, is_call, normalise, split, tokenize
from .modifiers import FIELDS, Modifiers, merge, read_modifier, read_start
from .rules import check_rows, plain_error
from .table import Model, Row

__all__ = ["extend", "parse_model"]

_HEADERS = ("group", "level", "block", "class")
_OPERATORS = "an operator (=~, <~, ~, ~~ ...)"
_RELATIONS = (":=", "==", "<", ">")
_MEANT = {"=": "=~", "~=": "=~", "->": "~", "<->": "~~", "=>": ">", "<=": "<", ">=": ">"}
FILE = re.compile(r"[^\s~=*]+\.(toml|txt|lav|R|csv|tsv|xlsx|sav|dta|parquet)", re.IGNORECASE)
ASSIGNED = re.compile(r"\s*[\w.]+\s*(<-|=)\s*['\"][^'\"]*~")  # model <- '...'
_PARAMETER = re.compile(r"(.+?)(=~|<~|~\*~|~~|~|\|)(.*)")

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
        ``y ~ x + A:B + A:B:C``       regression, with interactions of two or three
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
    if FILE.fullmatch(text.strip()):
        raise SpecError(
            f"A model is text with one equation per line; {described(text)} is the name of a file, read it first."
        )
    if ASSIGNED.match(text):
        raise SpecError("The text assigns a model to a name; pass the equations between its quotes only.")
    model = _read(text)
    _warn_products(model.rows)
    return model


@lru_cache(maxsize=256)
def _read(text: str) -> Model:
    """The model of a text; kept, as studies and simulations fit one text again and again."""
    return _Parser(text, Model(())).model()


def extend(model: Model, text: str) -> Model:
    """Return `model` with the statements of `text` added; see :meth:`Model.add`."""
    if not isinstance(text, str):
        raise SpecError(f"What is added to a model is text, not {type(text).__name__}.")
    model = _Parser(text, model).model()
    _warn_products(model.rows)
    return model


class _Parser:
    """Statements in, rows out; `model` holds what was there before."""

    def __init__(self, text: str, model: Model):
        self.text = normalise(text)
        self.rows: dict[Key, Row] = {(r.block, r.lhs, r.op, r.rhs): r for r in model.rows}
        self.where: dict[Key, int] = {}  # where the text says it; rows that were there before have none
        self.blocks = {names: i + 1 for i, names in enumerate(model.blocks)}
        self.block = 0 if model.blocks else 1  # 0: a header must come first
        self.header: dict[str, str] = {}
        self.opened: Token | None = None  # a header that no equation has followed yet
        self.interactions = {tuple(sorted(parts)): name for name, parts in model.interactions}
        self.equals: list[tuple[Key, str]] = []

    def model(self) -> Model:
        for statement in _statements(tokenize(self.text)):
            self.statement(statement)
        if self.opened is not None:
            raise self.error(self.opened, "this block header has no equations after it")
        if not any(key[0] for key in self.rows):
            raise SpecError("The model has no equations; write one per line, such as 'Loyalty ~ Satisfaction'.")
        self.equate()
        rows = tuple(self.rows.values())
        check_rows(rows, self.error_row)
        return Model(rows, tuple(self.blocks))

    def error(self, at: Token | int, message: str) -> SpecError:
        return error_at(self.text, at if isinstance(at, int) else at.pos, message)

    def error_row(self, row: Row, message: str) -> SpecError:
        pos = self.where.get((row.block, row.lhs, row.op, row.rhs))
        return plain_error(row, message) if pos is None else self.error(pos, message)

    # -- statements --

    def statement(self, tokens: list[Token]) -> None:
        at = self.operator(tokens)
        if at < 0:
            self.read_header(tokens)
            return
        left, op, right = tokens[:at], tokens[at], tokens[at + 1 :]
        if not left:
            raise self.error(op, f"expected a name before '{op.text}'")
        if not right:
            what = "an expression" if op.text in _RELATIONS else "a name"
            raise self.error(op, f"expected {what} after '{op.text}'")
        if op.text in _RELATIONS:
            self.relation(left, op.text, right)
        else:
            self.equation(left, op.text, right)

    def operator(self, tokens: list[Token]) -> int:
        """Index of the statement's operator, or -1 for a block header; parentheses balance on both sides."""
        found, depth, opened = -1, 0, tokens[0]
        for i, token in enumerate(tokens):
            kind, text, _ = token
            if kind == "symbol":
                if text == "(":
                    opened = opened if depth else token
                    depth += 1
                elif text == ")":
                    depth -= 1
                    if depth < 0:
                        raise self.error(token, "this ')' was never opened")
            elif kind == "op":
                if depth:
                    raise self.error(opened, "this '(' is never closed")
                if found >= 0:
                    raise self.second_operator(tokens, found, i)
                found = i
            elif kind == "badop":
                after = f" after '{tokens[i - 1].text}'" if i else ""
                raise self.error(
                    token, f"expected {_OPERATORS}{after}, found '{text}'. Did you mean '{_MEANT[text]}'?"
                )
        if depth:
            raise self.error(opened, "this '(' is never closed")
        if found < 0 and not (len(tokens) > 1 and tokens[1][:2] == ("symbol", ":")):
            raise self.no_operator(tokens)
        return found

    def no_operator(self, tokens: list[Token]) -> SpecError:
        odd = next((i for i, token in enumerate(tokens) if (token.text == "+") != bool(i % 2)), 0)
        if odd:
            message = f"expected {_OPERATORS} after '{tokens[odd - 1].text}', found '{tokens[odd].text}'"
            return self.error(tokens[odd], message)
        last = tokens[-1]
        starts_line = self.text[: tokens[0].pos].rstrip(" \t").endswith("\n")
        hint = "; to go on with the line above, end that with '+'" if starts_line and self.where else ""
        return self.error(last.pos + max(len(last.text) - 1, 0), f"expected {_OPERATORS} after '{last.text}'{hint}")

    def second_operator(self, tokens: list[Token], first: int, second: int) -> SpecError:
        """Two operators: most often a line that ends in + before the next equation."""
        for i in range(second - 1, first, -1):
            before = tokens[i]
            if before.kind == "symbol" and "\n" in self.text[before.pos : tokens[i + 1].pos]:
                return self.error(
                    before, f"expected a name after '{before.text}', but the next line is a new equation"
                )
        a, b = tokens[first].text, tokens[second].text
        return self.error(
            tokens[second], f"expected one operator in an equation, found '{b}' after '{a}'; write two lines"
        )

    def read_header(self, tokens: list[Token]) -> None:
        kind = tokens[0].text.lower()
        if tokens[0].kind != "name" or kind not in _HEADERS:
            message = f"expected {_OPERATORS} or a block header such as 'group: A', found '{tokens[0].text}:'"
            raise self.error(tokens[0], f"{message}.{near(kind, _HEADERS)}")
        if len(tokens) != 3 or tokens[2].kind not in ("name", "number", "string") or not tokens[2].text.strip():
            at = tokens[min(len(tokens) - 1, 3)]
            raise self.error(at, f"expected one name or number after '{kind}:', such as '{kind}: 1'")
        if self.opened is not None and (kind != "level" or self.opened.text.lower() == "level"):
            raise self.error(self.opened, "this block header has no equations after it")
        if kind == "level":
            self.header = {k: v for k, v in self.header.items() if k != "level"}
        else:
            self.header = {}
        self.header[kind] = tokens[2].text
        self.opened, self.block = tokens[0], 0

    def open_block(self, at: Token) -> int:
        """Number of the block that the header names; a header that comes again goes on with its block."""
        if not self.header:
            raise self.error(at, "this model has blocks; write a header such as 'group: A' before its equations")
        if not self.blocks and any(key[0] for key in self.rows):
            raise self.error(
                self.opened or at, "equations stand before the first block header; give them a header too"
            )
        kinds = next(([kind for kind, _ in names] for names in self.blocks), list(self.header))
        if list(self.header) != kinds:
            message = f"the first block has headers for {' and '.join(kinds)}; give every block the same headers"
            raise self.error(self.opened or at, message)
        self.opened = None
        return self.blocks.setdefault(tuple(self.header.items()), len(self.blocks) + 1)

    def relation(self, left: list[Token], op: str, right: list[Token]) -> None:
        """A ``:=`` line or a constraint."""
        pos = left[0].pos
        if op != ":=":
            lhs = read_expression(left, self.text).text
        elif len(left) > 1 or left[0].kind not in ("name", "string") or left[0].text.strip() in ("", "NA"):
            raise self.error(pos, "expected one name before ':='")
        else:
            lhs = left[0].text
        row = Row(lhs, op, read_expression(right, self.text).text, 0)
        key = (0, lhs, op, row.rhs)
        if op == ":=" and key in self.rows:
            raise self.error(pos, f"'{lhs}' is defined twice by ':='")
        self.rows[key] = row
        self.where[key] = pos

    def equation(self, left: list[Token], op: str, right: list[Token]) -> None:
        self.block = self.block or self.open_block(left[0])
        names = [self.left_name(part, op) for part, _ in split(left, "+", self.text)]
        if op == "~*~" and len(names) > 1:
            raise self.error(left[1], "expected one name before '~*~'")
        terms = [self.term(part, op) for part, _ in split(right, "+", self.text)]
        if op == "=~" and len(terms) > 1 and not all(rhs for rhs, *_ in terms):
            raise self.error(right[0], "'0' after '=~' means no items, so it must stand alone")
        for lhs in names:
            for rhs, row_op, modifiers, equal, pos in terms:
                self.check_pair(lhs, row_op, rhs, pos)
                key = self.put((self.block, lhs, row_op, rhs), modifiers, pos)
                if equal:
                    self.equals.append((key, equal))

    def left_name(self, part: Sequence[Token], op: str) -> str:
        if len(part) > 1:
            token, after = part[:2]
            if after.text == ":":
                raise self.error(token, "an interaction cannot stand on the left; it can on the right of '~'")
            if after.text in ("*", "?", "("):
                raise self.error(token, f"a modifier stands on the right of '{op}', before the name that it changes")
            raise self.error(after, f"expected '{op}' or '+' after '{token.text}', found '{after.text}'")
        return self.name(part[0])

    def check_pair(self, lhs: str, op: str, rhs: str, pos: int) -> None:
        if lhs == rhs and op in ("=~", "<~"):
            raise self.error(pos, f"'{lhs}' cannot measure itself")
        if op == "~" and lhs in rhs.split(":"):
            raise self.error(pos, f"'{lhs}' cannot predict itself")
        if op == "~*~" and lhs != rhs:
            raise self.error(pos, f"expected '{lhs}' on both sides of '~*~', found '{rhs}'")

    def put(self, key: Key, modifiers: Modifiers, pos: int) -> Key:
        """Add a row, or modifiers to the row that is there; return its key."""
        block, lhs, op, rhs = key
        if op == "~~" and (block, rhs, op, lhs) in self.rows:
            key = (block, rhs, op, lhs)
        old = self.rows.get(key)
        if old is None:
            self.rows[key] = Row(lhs, op, rhs, block, **modifiers)
        elif modifiers:
            before = {field: getattr(old, field) for field in FIELDS}
            both = merge(before, modifiers, lambda reason: self.error(pos, reason))
            self.rows[key] = Row(old.lhs, old.op, old.rhs, block, **both)
        self.where.setdefault(key, pos)
        return key

    # -- terms --

    def term(self, tokens: Sequence[Token], op: str) -> tuple[str, str, Modifiers, str, int]:
        """One right-hand term: name, operator of its row, modifiers, what ``equal()`` names, and where it is."""
        modifiers: Modifiers = {}
        equal = ""
        *parts, (last, _) = split(tokens, "*?", self.text) if len(tokens) > 1 else [(tokens, "")]
        for part, sign in parts:
            if is_call(part) and part[0].text == "equal":
                equal = self.read_equal(part)
                continue
            new = read_start(part, self.text) if sign == "?" else read_modifier(part, self.text)
            modifiers = merge(modifiers, new, lambda reason, at=part[0]: self.error(at, reason))  # type: ignore[misc]
        token = last[0]
        if len(last) == 1 and token.kind == "number":
            if op == "~" and token.text == "0":
                modifiers = merge(
                    modifiers, {"fixes": (0.0,), "frees": (False,)}, lambda reason: self.error(token, reason)
                )
            if (op == "~" and token.text in ("0", "1")) or (op == "=~" and token.text == "0" and not parts):
                return "", "~1" if op == "~" else op, modifiers, equal, token.pos
        return self.variable(last, op), op, modifiers, equal, token.pos

    def read_equal(self, part: Sequence[Token]) -> str:
        argument = part[2]
        if len(part) != 4 or argument.kind not in ("name", "string") or not argument.text.strip():
            raise self.error(part[0], 'equal() takes one parameter in quotes, such as "f=~x1", or one label')
        return argument.text

    def variable(self, tokens: Sequence[Token], op: str) -> str:
        """A name, a threshold or an interaction."""
        name = self.name(tokens[0])
        if len(tokens) == 1:
            if op == "|" and not re.fullmatch("t[1-9][0-9]*", name):
                raise self.error(tokens[0], f"expected a threshold t1, t2 ... after '|', found '{name}'")
            return name
        after = tokens[1]
        if after.kind == "symbol" and after.text == ":":
            return self.interaction(tokens, op)
        if is_call(tokens):
            raise self.error(tokens[0], f"expected '*' and a name after '{name}(...)'")
        raise self.error(after, f"expected '+' after '{name}', found '{after.text}'")

    def interaction(self, tokens: Sequence[Token], op: str) -> str:
        if op not in ("~", "~~"):
            raise self.error(tokens[1], "an interaction can stand only on the right of '~' or '~~'")
        if len(tokens) < 3:
            raise self.error(tokens[1], "expected a name after ':'")
        parts = [self.name(tokens[0]), self.name(tokens[2])]
        rest = tokens[3:]
        if rest and rest[0].text == ":":
            if len(rest) < 2:
                raise self.error(rest[0], "expected a name after ':'")
            parts.append(self.name(rest[1]))
            rest = rest[2:]
        if rest and rest[0].text == ":":
            raise self.error(rest[0], "an interaction has two or three parts; for more, multiply columns in the data")
        name = ":".join(parts)
        if rest:
            raise self.error(rest[0], f"expected '+' after '{name}', found '{rest[0].text}'")
        return self.interactions.setdefault(tuple(sorted(parts)), name)

    def name(self, token: Token) -> str:
        kind, text, _ = token
        if (kind == "name" and text != "NA") or (kind == "string" and text.strip() and ":" not in text):
            return text
        if kind == "string":
            raise self.error(token, "a name in quotes must not be empty or hold ':'; rename the column")
        if kind == "symbol":
            raise self.error(token, f"expected a name, found '{text}'")
        raise self.error(token, f"expected a name, found '{text}'; if this is a name, put it in backticks: `{text}`")

    # -- equal() --

    def equate(self) -> None:
        """Give each row with ``equal()`` and the parameter that it names the same label."""
        labels = {label for row in self.rows.values() for label in row.labels} if self.equals else set()
        for key, text in self.equals:
            row = self.rows[key]
            target = None if text in labels else self.parameter(key, text)
            new: tuple[str, ...] = (text,)
            if target is not None:
                new = target.labels or row.labels or (target.lhs + target.op + target.rhs,)
            if row.labels and row.labels != new:
                message = f"this term has the label '{row.labels[0]}' and equal() gives it '{new[0]}'; keep one"
                raise self.error(self.where[key], message)
            for same in (row, target):
                if same is not None and (place := (same.block, same.lhs, same.op, same.rhs)) in self.rows:
                    self.rows[place] = replace(same, labels=new)
            labels.update(new)

    def parameter(self, key: Key, text: str) -> Row:
        """Row of the parameter that `text`, such as ``f=~x1``, names; a new one if the estimator is to add it."""
        match = _PARAMETER.fullmatch(text)
        lhs, op, rhs = (part.strip() for part in match.groups()) if match else ("", "", "")
        if op == "~" and rhs == "1":
            op, rhs = "~1", ""
        named, turned = (key[0], lhs, op, rhs), (key[0], rhs, op, lhs)
        found = turned if op == "~~" and turned in self.rows else named
        if found == key:
            raise self.error(self.where[key], f"equal() names the parameter '{text}' itself; name another one")
        if found in self.rows:
            return self.rows[found]
        names = {name for row in self.rows.values() if row.block for name in (row.lhs, row.rhs)}
        if op in ("~~", "~1", "|", "~*~") and lhs in names and (op != "~~" or rhs in names):
            return Row(lhs, op, rhs, key[0])
        known = [row.lhs + row.op + row.rhs for row in self.rows.values() if row.block]
        message = f"equal() names '{text}', which is neither a parameter of the model nor a label"
        raise self.error(self.where[key], f"{message}.{near(text, known)}")


def _warn_products(rows: Sequence[Row]) -> None:
    """Warn of ``y ~ A*B`` where the label A is also a variable: R's habit, but not the interaction here."""
    labelled = [row for row in rows if row.op == "~" and row.labels]
    if not labelled:
        return
    names = {name for row in rows if row.block for name in (row.lhs, row.rhs)}
    for row in labelled:
        for label in sorted(names.intersection(row.labels) - {""}):
            message = (
                f"'{row.lhs} ~ {label}*{row.rhs}' labels the path from '{row.rhs}' with '{label}', which is also a "
                f"variable; if you mean the interaction, write {label}:{row.rhs}."
            )
            warnings.warn(SpecWarning(message), stacklevel=3)


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
    return token.kind in ("op", "badop") or (token.kind == "symbol" and token.text not in (")", ":"))


def _continues(token: Token, has_operator: bool) -> bool:
    """Whether a line that starts with `token` belongs to the one before."""
    if token.kind == "op":
        return not has_operator
    return token.kind == "symbol" and token.text in ("+", "*", "/", "^", "**", "?", ",", ")")
