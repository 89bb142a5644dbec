"""What stands before a name: ``0.5*x``, ``c(a, NA)*x``, ``start(1)*x``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import SpecError, near
from .expression import FUNCTIONS, read_expression
from .lexer import Token, error_at, is_call, split

__all__ = ["FIELDS", "merge", "read_modifier", "read_start"]

# The fields of Row, with the entry that says nothing for a group.
FIELDS: Mapping[str, Any] = {
    "labels": "", "fixes": None, "frees": False, "starts": None, "lowers": None, "uppers": None,
}  # fmt: skip
_CALLS = ("c", "start", "fixed", "lower", "upper", "label", "equal")
_TWICE = {"labels": "a label", "fixes": "a value", "frees": "NA or a value"}

Modifiers = dict[str, tuple[Any, ...]]


def read_modifier(part: Sequence[Token], source: str) -> Modifiers:
    """Read what stands before a ``*``; the result has the names and tuples of Row."""
    name = part[0].text
    if not is_call(part) or name in ("c", "fixed") or name in FUNCTIONS:
        return _values(part, source)
    if name in ("start", "lower", "upper"):
        found = [v for a in _arguments(part, source) for v in _numbers(a, source, infinite=name != "start")]
        return {f"{name}s": tuple(found)}
    if name == "label":
        labels = [v for a in _arguments(part, source) for v in _entries(a, source)]
        if not all(isinstance(v, str) for v in labels) or not any(labels):
            raise error_at(source, part[0].pos, "label() takes a name or quoted text, or several for several groups")
        return {"labels": tuple(labels)}
    known = ", ".join(f"{call}()" for call in _CALLS)
    message = f"unknown modifier '{name}()' (known: {known}).{near(name, [*_CALLS, *FUNCTIONS])}"
    raise error_at(source, part[0].pos, message)


def read_start(part: Sequence[Token], source: str) -> Modifiers:
    """Read what stands before a ``?``: a starting value."""
    return {"starts": tuple(_numbers(part, source))}


def merge(old: Modifiers, new: Modifiers, error: Callable[[str], SpecError]) -> Modifiers:
    """Both sets of modifiers in one; where they contradict each other raise what `error` makes of the reason."""
    merged = {**old}
    for name, values in new.items():
        both = _fill(old.get(name, ()), values, FIELDS[name])
        if both is None:
            raise error(f"this term has {_TWICE.get(name, f'{name[:-1]}()')} twice, and they differ; keep one")
        merged[name] = both
    fixes, frees = merged.get("fixes", ()), merged.get("frees", ())
    if any(free and value is not None for value, free in zip(fixes, frees, strict=True)):
        raise error("this term is both fixed at a number and freed by NA; keep one")
    return merged


def _fill(old: tuple, new: tuple, nothing: object) -> tuple | None:
    """One vector where both agree or only one says something, else None."""
    if not old or not new:
        return old or new
    if len(old) != len(new) or any(nothing not in (a, b) and a != b for a, b in zip(old, new, strict=True)):
        return None
    return tuple(b if a == nothing else a for a, b in zip(old, new, strict=True))


def _values(part: Sequence[Token], source: str) -> Modifiers:
    """Sort the entries of ``c(...)``, or a single one, into labels, fixed values and freed ones."""
    entries = _entries(part, source)
    labels = tuple(v if isinstance(v, str) else "" for v in entries)
    frees = tuple(isinstance(v, float) and math.isnan(v) for v in entries)
    fixes = tuple(v if isinstance(v, float) and not math.isnan(v) else None for v in entries)
    found: Modifiers = {"labels": labels} if any(labels) else {}
    if any(frees) or any(v is not None for v in fixes):
        found |= {"fixes": fixes, "frees": frees}
    if not found:
        raise error_at(source, part[0].pos, "this modifier says nothing; write a number, NA or a label")
    return found


def _entries(part: Sequence[Token], source: str) -> list[float | str]:
    """Entries of ``c(...)``, or the single one: floats (NaN for NA) and labels."""
    if is_call(part) and part[0].text in ("c", "fixed"):
        return [_entry(argument, source) for argument in _arguments(part, source)]
    return [_entry(part, source)]


def _entry(part: Sequence[Token], source: str) -> float | str:
    kind, text, pos = part[0]
    if len(part) == 1 and kind == "name":
        return math.nan if text == "NA" else text
    if len(part) == 1 and kind == "string":
        return text if text.strip() else ""
    if is_call(part) and text in _CALLS:
        raise error_at(source, pos, f"{text}() cannot stand within c(); write one c() with an entry per group")
    expression = read_expression(part, source)
    if expression.names:
        raise error_at(source, pos, f"expected a number, NA or a label before '*', found '{expression.text}'")
    value = float(expression.evaluate({}))
    if not math.isfinite(value):
        raise error_at(source, pos, f"'{expression.text}' has no finite value")
    return value


def _numbers(part: Sequence[Token], source: str, infinite: bool = False) -> list[float | None]:
    """Entries that must be numbers, None for NA; a bound may be ``Inf`` or ``-Inf``."""
    parts = _arguments(part, source) if is_call(part) and part[0].text == "c" else [part]
    found: list[float | None] = []
    for each in parts:
        signs = [token.text for token in each]
        if infinite and signs in (["Inf"], ["-", "Inf"]):
            found.append(-math.inf if signs[0] == "-" else math.inf)
            continue
        value = _entry(each, source)
        if isinstance(value, str):
            raise error_at(source, each[0].pos, f"expected a number or NA, found '{each[0].text}'")
        found.append(None if math.isnan(value) else value)
    return found


def _arguments(part: Sequence[Token], source: str) -> list[Sequence[Token]]:
    if len(part) == 3:
        raise error_at(source, part[0].pos, f"{part[0].text}() is empty; write a value between the parentheses")
    return [argument for argument, _ in split(part[2:-1], ",", source)]
