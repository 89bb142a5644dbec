"""Model text to tokens, and errors that point at a line and a column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..errors import SpecError

__all__ = ["Token", "error_at", "is_call", "normalise", "quote_label", "quote_name", "sentence", "split", "tokenize"]

# Vowel signs and accents that stand behind a letter: `\w` leaves them out, names in many scripts need them.
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0963"
    "\u0970-\u0dff\u0e31-\u0e4e\u0eb1-\u0ece\u0f18-\u0fbc\u102b-\u109d\u17b4-\u17d3\u1ab0-\u1aff\u1dc0-\u1dff"
    "\u200c\u200d\u20d0-\u20f0\u302a-\u302f\u3099\u309a\ufe00-\ufe0f\ufe20-\ufe2f"
)
_NAME = rf"(?:[^\W\d]|\.(?![0-9]))[\w.{_MARKS}]*"
# Each digit can be read in one way only, so that time grows with the length of a number and not with its square.
_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_TOKEN = re.compile(
    rf"""[^\S\n]*(?:
      (?P<name>{_NAME})
    | (?P<symbol>\*\*|[+*(),?/^]|:(?!=)|-(?!>))
    | (?P<op>=~|<~|~\*~|~~|==|:=|~(?!=)|<(?!=|->)|>(?!=)|\|)
    | (?P<end>[\n;])
    | (?P<number>{_NUMBER}(?![\w.]))
    | (?P<comment>[#!][^\n]*)
    | (?P<string>"[^"\n]*"|'[^'\n]*'|`[^`\n]*`)
    | (?P<badop><->|->|=>|~=|<=|>=|=)
    | (?P<bad>[0-9][\w.]*|.)
    | (?P<eof>\Z)
    )""",
    re.VERBOSE,
)
_PLAIN = re.compile(_NAME)
# Tildes that some keyboards and text editors write, and invisible characters that come with pasted text.
_LOOKALIKES = str.maketrans({"\u02dc": "~", "\u223c": "~", "\uff5e": "~", "\ufeff": " ", "\u200b": " "})


class Token(NamedTuple):
    """A piece of model text: its kind, its text without quotes, and where it starts."""

    kind: str
    text: str
    pos: int


def normalise(text: str) -> str:
    """Use one kind of line end and one kind of tilde; positions in the result are those of the messages."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.isascii() else text.translate(_LOOKALIKES)


def tokenize(text: str) -> list[Token]:
    """Split model text into tokens; comments and blanks are left out, line ends and ``;`` stay."""
    tokens = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind is None or kind == "comment" or kind == "eof":
            continue
        part, pos = match[kind], match.start(kind)
        if kind == "string":
            part = part[1:-1]
        elif kind == "bad":
            raise error_at(text, pos, _unexpected(part))
        tokens.append(Token(kind, part, pos))
    return tokens


def _unexpected(char: str) -> str:
    if char in "\"'`":
        return f"the quote {char} is never closed on its line"
    if len(char) > 1:
        return f"'{char}' is not a number; put a name that starts with a digit in backticks: `{char}`"
    return f"unexpected character {char!r}; put names with unusual characters in backticks, such as `my item`"


def split(tokens: Sequence[Token], signs: str, source: str) -> Iterator[tuple[Sequence[Token], str]]:
    """Parts of `tokens` between `signs` outside parentheses, each with the sign after it ("" after the last).

    Parentheses must be balanced; an empty part is an error.
    """
    depth = start = 0
    for i, (kind, text, pos) in enumerate(tokens):
        if kind != "symbol":
            continue
        if text == "(":
            depth += 1
        elif text == ")":
            depth -= 1
        elif not depth and text in signs:
            if i == start:
                what = "a name" if text == "+" else "a value" if text == "," else "a modifier"
                after = f" after '{tokens[i - 1].text}'" if i else f" before '{text}'"
                raise error_at(source, pos, f"expected {what}{after}" + (f", found '{text}'" if i else ""))
            yield tokens[start:i], text
            start = i + 1
    if start == len(tokens):
        what = "a value" if tokens[-1].text == "," else "a name"
        raise error_at(source, tokens[-1].pos, f"expected {what} after '{tokens[-1].text}'")
    yield tokens[start:], ""


def is_call(part: Sequence[Token]) -> bool:
    """Whether the tokens are a name, a parenthesis and what is in it."""
    return len(part) > 2 and part[0].kind == "name" and part[1][:2] == ("symbol", "(") and _closes(part)


def _closes(part: Sequence[Token]) -> bool:
    """Whether the parenthesis at index 1 closes at the end."""
    depth = 0
    for i, (kind, text, _) in enumerate(part):
        if kind == "symbol":
            depth += (text == "(") - (text == ")")
            if i > 1 and not depth:
                return i == len(part) - 1
    return False


def sentence(message: str) -> str:
    """End a message with a full stop unless it ends as a sentence does."""
    return message if message[-1] in ".?" else f"{message}."


def error_at(text: str, pos: int, message: str) -> SpecError:
    """Return a SpecError that names line and column and shows the line with a caret under the column."""
    if len(message) > 500:  # a name may be of any length
        message = f"{message[:250]} ... {message[-200:]}"
    start = text.rfind("\n", 0, pos) + 1
    end = text.find("\n", pos)
    line = text[start : end if end >= 0 else len(text)]
    column = pos - start
    number = text.count("\n", 0, pos) + 1
    shown, at = line, column
    if len(line) > 100:
        cut = max(0, column - 50)
        shown, at = line[cut : cut + 100], column - cut
    pad = "".join(c if c == "\t" else " " for c in shown[:at])
    return SpecError(f"Line {number}, column {column + 1}: {sentence(message)}\n    {shown}\n    {pad}^")


def quote_name(name: str) -> str:
    """Write a variable so that it reads back: plain when possible, else in backticks or quotes."""
    if ":" in name:
        return ":".join(quote_name(part) for part in name.split(":"))
    return name if _PLAIN.fullmatch(name) and name != "NA" else _quoted(name, "`\"'")


def quote_label(label: str) -> str:
    """Write a label so that it reads back: plain when possible, else in quotes."""
    return label if _PLAIN.fullmatch(label) and label != "NA" else _quoted(label, "\"'`")


def _quoted(text: str, marks: str) -> str:
    mark = next(m for m in marks if m not in text)
    return f"{mark}{text}{mark}"
