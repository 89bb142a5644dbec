"""Arithmetic on labels: the right-hand side of ``:=`` and both sides of a constraint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np

from ..errors import SpecError, near
from .lexer import Token, error_at, normalise, quote_label, tokenize

__all__ = ["FUNCTIONS", "Expression", "parse_expression", "read_expression"]

_MAX_DEPTH = 100  # parentheses within parentheses; far beyond use, far below Python's recursion limit


def _sign(x: Any) -> Any:
    return np.sign(np.real(x))


def _abs(x: Any) -> Any:
    """Absolute value that keeps the imaginary part, so that complex steps give its derivative."""
    return np.where(np.real(x) < 0, np.negative(x), x)


def _smaller(x: Any, y: Any) -> Any:
    return np.where(np.real(x) <= np.real(y), x, y)


def _larger(x: Any, y: Any) -> Any:
    return np.where(np.real(x) >= np.real(y), x, y)


# name -> (function, most arguments)
FUNCTIONS: Mapping[str, tuple[Callable[..., Any], int]] = {
    **{f: (getattr(np, f), 1) for f in ("sqrt", "exp", "expm1", "log", "log10", "log2", "log1p")},
    **{f: (getattr(np, f), 1) for f in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "asin": (np.arcsin, 1),
    "acos": (np.arccos, 1),
    "atan": (np.arctan, 1),
    "abs": (_abs, 1),
    "sign": (_sign, 1),
    "min": (lambda *x: reduce(_smaller, x), 99),
    "max": (lambda *x: reduce(_larger, x), 99),
}
_BINARY = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.power}
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 4}
_UNARY_PRECEDENCE = 3  # as in R: -a^2 is -(a^2)


@dataclass(frozen=True, slots=True)
class Expression:
    """Arithmetic on parameter labels, read from model text.

    Parameters
    ----------
    text : str
        The expression without blanks and with ``^`` for powers, as lavaan prints it.
    program : tuple
        The same in postfix order: ``("number", value)``, ``("name", label)``, ``("call", name, count)`` where
        the operators are calls named ``+ - * / ^`` and ``neg``.

    Examples
    --------
    >>> from cxmodels.model.expression import parse_expression
    >>> e = parse_expression("(a + b)**2 / 4")
    >>> e.text, e.names
    ('(a+b)^2/4', ('a', 'b'))
    >>> float(e.evaluate({"a": 1.0, "b": 3.0}))
    4.0
    """

    text: str
    program: tuple[tuple[Any, ...], ...] = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Labels used, in order of first use."""
        return tuple(dict.fromkeys(step[1] for step in self.program if step[0] == "name"))

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Compute the expression.

        Parameters
        ----------
        values : mapping of str to float, complex or numpy array
            A value for each of `names`; arrays follow numpy's broadcasting. Complex values pass through every
            function analytically (``abs``, ``min`` and ``max`` go by the real part), so the imaginary part of
            ``evaluate`` at ``x + 1e-20j`` is the derivative times 1e-20.

        Returns
        -------
        numpy scalar or array
            NaN or infinite where the expression has no finite value, without a warning.

        Raises
        ------
        SpecError
            If a label has no value or its value is not a number.

        Examples
        --------
        >>> from cxmodels.model.expression import parse_expression
        >>> slope = parse_expression("a^2").evaluate({"a": 3 + 1e-20j}).imag / 1e-20
        >>> round(float(slope), 6)
        6.0
        """
        stack: list[Any] = []
        with np.errstate(all="ignore"):
            for kind, what, *count in self.program:
                if kind == "number":
                    stack.append(what)
                elif kind == "name":
                    stack.append(self._value(what, values))
                else:
                    n = count[0]
                    args = stack[-n:]
                    del stack[-n:]
                    stack.append(_apply(what, args))
        return np.asarray(stack[0])[()]

    def _value(self, name: str, values: Mapping[str, Any]) -> Any:
        if name not in values:
            raise SpecError(f"'{self.text}' uses '{name}', which has no value.{near(name, values)}")
        value = np.asarray(values[name])
        if value.dtype.kind not in "biufc":
            raise SpecError(f"'{self.text}' uses '{name}', whose value is not a number.")
        return value if value.dtype.kind in "fc" else value.astype(float)

    def __str__(self) -> str:
        return self.text


def _apply(what: str, args: Sequence[Any]) -> Any:
    if what == "neg":
        return np.negative(args[0])
    return _BINARY[what](*args) if what in _BINARY else FUNCTIONS[what][0](*args)


def parse_expression(text: str) -> Expression:
    """Read an expression such as ``"a*b + c"``.

    Parameters
    ----------
    text : str
        Numbers, labels, ``+ - * / ^`` (or ``**``), parentheses and the functions of `FUNCTIONS`.

    Returns
    -------
    Expression
        Compared by content.

    Raises
    ------
    SpecError
        With the column at fault.

    Examples
    --------
    >>> from cxmodels.model.expression import parse_expression
    >>> parse_expression("sqrt(a) - .5")
    Expression(text='sqrt(a)-.5')
    """
    text = normalise(text)
    tokens = [t for t in tokenize(text) if t.kind != "end"]
    if not tokens:
        raise SpecError("An expression needs at least one label or number.")
    return read_expression(tokens, text)


def read_expression(tokens: Sequence[Token], source: str) -> Expression:
    """Read all of `tokens`, which must not be empty, as one expression; `source` is for messages."""
    reader = _Reader(tokens, source)
    reader.read(0, 0)
    if reader.i < len(tokens):
        token = tokens[reader.i]
        if token[:2] == ("symbol", ")"):
            raise error_at(source, token.pos, "this ')' was never opened")
        raise error_at(source, token.pos, f"expected + - * / or ^ before '{token.text}'")
    return Expression("".join(reader.text), tuple(reader.program))


class _Reader:
    """Precedence climbing; writes postfix steps and canonical text as it goes."""

    def __init__(self, tokens: Sequence[Token], source: str):
        self.tokens, self.source, self.i = tokens, source, 0
        self.program: list[tuple[Any, ...]] = []
        self.text: list[str] = []

    def read(self, lowest: int, depth: int) -> None:
        self.operand(depth)
        while self.i < len(self.tokens):
            token = self.tokens[self.i]
            sign = "^" if token.text == "**" else token.text
            level = _PRECEDENCE.get(sign, 0) if token.kind == "symbol" else 0
            if level <= lowest:
                return
            self.take(sign)
            self.read(level - 1 if sign == "^" else level, depth + 1)  # ^ groups from the right
            self.program.append(("call", sign, 2))

    def operand(self, depth: int) -> None:
        token = self.need("a number, a label or '('")
        if depth > _MAX_DEPTH:
            message = f"this expression is nested more than {_MAX_DEPTH} deep; split it into several ':=' lines"
            raise error_at(self.source, token.pos, message)
        after = self.tokens[self.i + 1] if self.i + 1 < len(self.tokens) else None
        if token.kind == "number":
            self.number(token)
        elif token.kind == "name" and after is not None and after.kind == "symbol" and after.text == "(":
            self.call(token, depth)
        elif token.kind in ("name", "string"):
            self.label(token)
        elif token.kind == "symbol" and token.text in "+-":
            self.take("-" if token.text == "-" else "")  # a leading + would read back as a line that goes on
            self.read(_UNARY_PRECEDENCE, depth + 1)
            if token.text == "-":
                self.program.append(("call", "neg", 1))
        elif token.kind == "symbol" and token.text == "(":
            self.take("(")
            self.read(0, depth + 1)
            self.close(token)
        else:
            raise error_at(self.source, token.pos, f"expected a number, a label or '(', found '{token.text}'")

    def number(self, token: Token) -> None:
        value = float(token.text)
        if value == np.inf:
            raise error_at(self.source, token.pos, f"the number {token.text} is too large")
        self.program.append(("number", value))
        self.take(token.text)

    def label(self, token: Token) -> None:
        if not token.text or (token.kind == "name" and token.text == "NA"):
            raise error_at(self.source, token.pos, f"'{token.text}' is not a label")
        self.program.append(("name", token.text))
        self.take(quote_label(token.text))

    def call(self, token: Token, depth: int) -> None:
        if token.text not in FUNCTIONS:
            hint = near(token.text, FUNCTIONS) or f" Known are {', '.join(FUNCTIONS)}."
            raise error_at(self.source, token.pos, f"unknown function '{token.text}'.{hint}")
        self.take(token.text)
        opened = self.take("(")
        count = 0
        while True:
            self.read(0, depth + 1)
            count += 1
            if not (self.i < len(self.tokens) and self.tokens[self.i][:2] == ("symbol", ",")):
                break
            self.take(",")
        self.close(opened)
        most = FUNCTIONS[token.text][1]
        if count > most:
            message = f"{token.text}() takes {most} argument{'s' * (most > 1)}, found {count}"
            raise error_at(self.source, token.pos, message)
        self.program.append(("call", token.text, count))

    def close(self, opened: Token) -> None:
        if self.i == len(self.tokens):
            raise error_at(self.source, opened.pos, "this '(' is never closed")
        token = self.tokens[self.i]
        if token.kind != "symbol" or token.text != ")":
            raise error_at(self.source, token.pos, f"expected ')' or + - * / ^, found '{token.text}'")
        self.take(")")

    def need(self, what: str) -> Token:
        if self.i == len(self.tokens):
            last = self.tokens[-1]
            raise error_at(self.source, last.pos, f"expected {what} after '{last.text}'")
        return self.tokens[self.i]

    def take(self, text: str) -> Token:
        token = self.tokens[self.i]
        self.text.append(text)
        self.i += 1
        return token
