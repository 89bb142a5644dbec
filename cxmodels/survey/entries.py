"""Single entries of a codebook: what they may be, how they read in a message and in TOML."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import SpecError, listed, near

LANGUAGES = ("en", "uk", "ru", "bg")  # of reports; labels may be in any

Code = float | str
"""One answer code as it stands in the data."""

Missing = Code | tuple[float, float]
"""A missing code, or the two ends of a range of them."""


def scale_text(scale: tuple[float, float]) -> str:
    """Write a scale for a reader: '1 to 10'."""
    return f"{scale[0]:g} to {scale[1]:g}"


def code_text(code: Missing) -> str:
    """Write a missing code for a reader."""
    if isinstance(code, tuple):
        return f"{code[0]:g} to {code[1]:g}"
    return f"'{code}'" if isinstance(code, str) else f"{code:g}"


def base_language(code: object) -> str:
    """Return a language without its region: 'uk' for 'uk-UA'."""
    return str(code).replace("_", "-").partition("-")[0].strip().lower()


def check_language(code: str) -> str:
    """Return the language that reports have for a code, or refuse one that they lack.

    Parameters
    ----------
    code : str
        Such as ``"uk"`` or ``"uk-UA"``.

    Returns
    -------
    str
        One of LANGUAGES.

    Raises
    ------
    SpecError
        Naming the languages there are.
    """
    base = base_language(code)
    if base not in LANGUAGES:
        raise SpecError(f"Reports have no language '{code}'; there are {listed(LANGUAGES)}.{near(base, LANGUAGES)}")
    return base


def in_language(texts: Mapping[str, str], language: str | None) -> str:
    """Pick a text: the language wanted, else without its region ("uk" for "uk-UA"), else English, else the first."""
    for key in () if language is None else (language, base_language(language)):
        if key in texts:
            return texts[key]
    if "en" in texts:
        return texts["en"]
    return next(iter(texts.values()), "")


def is_number(value: object) -> bool:
    """Whether a value is a real number (true and false are not)."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    try:
        return not math.isnan(value)
    except OverflowError:  # an integer beyond all floats
        return False


def written(value: Any) -> str:
    """A value as Python writes it, short enough for one sentence."""
    try:
        text = repr(value)
    except ValueError:  # whole numbers of more than 4,300 digits have no text
        text = "a number of too many digits"
    return text if len(text) <= 60 else text[:57] + "..."


def plain(value: Any) -> float:
    """A number as int where it is whole, so that codes print and compare alike whatever file they came from."""
    return int(value) if math.isfinite(value) and value == int(value) else float(value)


def texts_of(value: Any, where: str) -> dict[str, str]:
    """Texts by language; a plain string is English."""
    if isinstance(value, str):
        return {"en": value} if value else {}
    if isinstance(value, Mapping) and all(isinstance(t, str) for pair in value.items() for t in pair):
        return dict(value)
    raise SpecError(f'{where} must be a text, or texts by language such as {{en = "..."}}, not {written(value)}.')


def scale_of(value: Any, where: str) -> tuple[float, float]:
    """Two rising finite ends."""
    pair = list(value) if isinstance(value, Iterable) and not isinstance(value, str | Mapping) else []
    if len(pair) != 2 or not all(is_number(v) and math.isfinite(v) for v in pair):
        raise SpecError(
            f"{where}: scale must be the two ends of the answer scale, such as [1, 10], not {written(value)}."
        )
    lo, hi = map(plain, pair)
    if lo >= hi:
        raise SpecError(
            f"{where}: scale must rise from its low to its high end, not {lo:g} to {hi:g}; say reversed = true "
            "where a high answer is a bad one."
        )
    return lo, hi


def missing_of(value: Any, where: str) -> tuple[Missing, ...]:
    """Missing codes, each a number, a text or a rising pair."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        value = [value]
    codes: list[Missing] = []
    for code in value:
        pair = list(code) if isinstance(code, list | tuple) else []
        if isinstance(code, str):
            codes.append(code)
        elif is_number(code):
            codes.append(plain(code))
        elif len(pair) == 2 and all(map(is_number, pair)) and pair[0] <= pair[1]:
            codes.append((plain(pair[0]), plain(pair[1])))
        else:
            raise SpecError(f"{where}: a missing code is a number, a text or a rising pair, not {written(code)}.")
    return tuple(codes)


def values_of(value: Any, where: str) -> dict[Code, dict[str, str]]:
    """Texts of single answers; codes written as text in TOML keys become numbers again."""
    if not isinstance(value, Mapping):
        raise SpecError(f"{where}: values must be a table of code = text, not {written(value)}.")
    return {_code(code): texts_of(text, f"{where}: the text of code {code}") for code, text in value.items()}


def _code(code: Any) -> Code:
    if isinstance(code, str):
        try:
            number = float(code)
        except ValueError:
            return code
        return plain(number) if math.isfinite(number) else code
    return plain(code) if is_number(code) else str(code)


def role_of(name: Any, role: str) -> str | None:
    """The name of a column, or None."""
    if name is None or (isinstance(name, str) and name):
        return name
    raise SpecError(f"{role} must be the name of a column, not {written(name)}.")


def hierarchy_of(names: Any) -> tuple[str, ...]:
    """Distinct names of columns, finest level first."""
    levels = (names,) if isinstance(names, str) else tuple(names) if isinstance(names, Iterable) else (names,)
    for level in levels:
        role_of(level, "hierarchy")
    if len(set(levels)) < len(levels):
        raise SpecError(f"hierarchy names a column twice: {listed(levels)}.")
    return levels


def toml(value: Any) -> str:
    """One value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{toml_key(key)} = {toml(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return repr(value)


def toml_key(key: object) -> str:
    """A key, bare where TOML allows it."""
    text = str(key)
    bare = text.isascii() and text.replace("_", "").replace("-", "").isalnum()
    return text if bare else toml(text)
