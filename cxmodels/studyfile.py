"""What a study file may say, key by key, so that a mistake is found before any estimation."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .acsi.small import RULES
from .errors import SpecError, listed, near
from .inference import ADJUSTMENTS
from .pls.spec import MISSING, SCHEMES
from .resampling import INTERVALS
from .survey.entries import LANGUAGES, base_language, is_number, written

__all__ = ["SECTIONS", "check_content", "read_toml"]

MOST_REPLICATES = 100_000  # ten times what any interval needs; more would only fill the memory
LONGEST_NAME = 100


@dataclass(frozen=True)
class Rule:
    """A value that a key may have.

    Parameters
    ----------
    fits : callable
        Whether a value does.
    wanted : str
        What it must be, as a message says it.
    options : tuple of str, default ()
        The values there are, for the nearest.
    """

    fits: Callable[[Any], bool]
    wanted: str
    options: tuple[str, ...] = ()


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value


def _is_number(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(map(_is_text, values)) and len({*values}) == len(values)


def _are_values(values: Any) -> bool:
    """Different texts or whole numbers, such as waves."""
    plain = isinstance(values, list) and all(
        _is_text(v) or (isinstance(v, int) and not isinstance(v, bool)) for v in values
    )
    return plain and bool(values) and len({*values}) == len(values)


def _are_rules(value: Any) -> bool:
    rules = value if isinstance(value, list) else [value]
    return bool(rules) and all(isinstance(r, str) and r in RULES for r in rules) and len({*rules}) == len(rules)


def _is_scale(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)) and value[0] < value[1]


def _is_label(value: Any) -> bool:
    texts = list(value.values()) if isinstance(value, Mapping) else [value]
    return bool(texts) and all(map(_is_text, texts))


def _each(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Mapping) and all(map(fits, value.values()))


def _is_folder_name(value: Any) -> bool:
    """Whether every system can have a folder of that name, and it is no hidden one."""
    plain = isinstance(value, str) and value.isprintable() and not set(value) & set('/\\:*?"<>|')
    return plain and 0 < len(value.encode("utf-8", "replace")) <= LONGEST_NAME and value.strip(". ") == value


def _whole(lo: int, hi: float = math.inf) -> Rule:
    wanted = f"a whole number of at least {lo:,}" + (f" and at most {hi:,}" if hi < math.inf else "")
    return Rule(lambda v: isinstance(v, int) and not isinstance(v, bool) and lo <= v <= hi, wanted)


def _one_of(*options: str) -> Rule:
    return Rule(lambda v: isinstance(v, str) and v in options, f"one of {listed(options)}", options)


TEXT = Rule(_is_text, "text")
LANGUAGE = Rule(
    lambda v: isinstance(v, str) and base_language(v) in LANGUAGES,
    f"a language that reports have, one of {listed(LANGUAGES)}",
    LANGUAGES,
)
ANY_TEXT = Rule(lambda v: isinstance(v, str), "text")
YES_NO = Rule(lambda v: isinstance(v, bool), "true or false")
TEXTS = Rule(lambda v: _is_text(v) or _are_texts(v), "a column, or a list of different columns, by name")
SECTIONS: dict[str, dict[str, Rule]] = {
    "": {
        "title": TEXT,
        "name": Rule(
            _is_folder_name,
            f"a folder name: at most {LONGEST_NAME} bytes without slashes or any of :*?\"<>|, and no dot or blank at its ends",
        ),
        "language": LANGUAGE,
        "subtitle": ANY_TEXT,
    },
    "data": {
        "dataset": TEXT,
        "file": TEXT,
        "codebook": TEXT,
        "encoding": TEXT,
        "sheet": Rule(lambda v: _is_text(v) or _whole(0).fits(v), "the name of a sheet, or its position from 0"),
        "weights": TEXT,
        "wave": TEXT,
        "hierarchy": TEXTS,
    },
    "model": {
        "name": TEXT,
        "text": TEXT,
        "target": TEXT,
        "items": Rule(_each(_is_text), "a table of item = \"column\""),
        "scale": Rule(_is_scale, "[lowest, highest]"),
        "by": TEXTS,
    },
    "options": {
        "engine": _one_of("pls", "sem"),
        "scheme": _one_of(*SCHEMES),
        "modes": Rule(_each(lambda v: v in ("A", "B")), "a table of construct = \"A\" or \"B\""),
        "standardize": YES_NO,
        "consistent": YES_NO,
        "estimator": TEXT,
        "missing": _one_of(*MISSING, "fiml"),
    },
    "bootstrap": {
        "replicates": _whole(2, MOST_REPLICATES),
        "seed": _whole(0),
        "interval": _one_of(*INTERVALS),
        "level": Rule(lambda v: _is_number(v) and 0 < v < 1, "a number between 0 and 1"),
        "workers": Rule(lambda v: v == -1 or _whole(1, 1024).fits(v), "a whole number from 1 to 1,024, or -1 for all"),
    },
    "units": {
        "by": TEXT,
        "levels": TEXTS,
        "weights": Rule(
            lambda v: _is_text(v) or (bool(v) and _each(_is_text)(v)), 'a column, or a table of level = "column"'
        ),
        "facts": Rule(lambda v: _is_text(v) or _are_texts(v), "a file, or a list of different files"),
        "minimum_n": _whole(0),
        "small": Rule(_are_rules, f"one of {listed(RULES)}, or a list of them", RULES),
        "others": TEXT,
        "exclude": Rule(_are_values, "a list of different units"),
        "waves": Rule(_are_values, "a list of different waves"),
        "respondent": TEXT,
        "panel": YES_NO,
        "adjust": _one_of(*ADJUSTMENTS),
    },
    "history": {"target": TEXT, "study": TEXT},
    "cluster": {"address": TEXT},
    "labels": {},
}  # fmt: skip
LABEL = Rule(_is_label, "text, or a table of language = \"text\"")  # fmt: skip


def read_toml(path: Path) -> dict[str, Any]:
    """Read a study file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict

    Raises
    ------
    SpecError
        If it is missing, unreadable, not UTF-8 or no TOML; with the line where the reader knows it.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        known = [p.name for p in path.parent.glob("*.toml")] if path.parent.is_dir() else []
        raise SpecError(f"There is no study file '{path}'.{near(path.name, known)}") from None
    except IsADirectoryError:
        raise SpecError(f"'{path}' is a folder, not a study file.") from None
    except OSError as error:
        raise SpecError(f"The study file '{path}' cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SpecError(f"The study file '{path}' is not UTF-8 text: line {line} has another encoding.") from None
    except (ValueError, RecursionError) as error:  # tomllib lets numbers of 5,000 digits and deep nesting through
        reason = str(error).rstrip(".") or "it is nested too deeply"
        raise SpecError(f"The study file '{path}' is not valid TOML: {reason}.") from None


def check_content(content: Mapping[str, Any], where: str, models: Iterable[str]) -> None:
    """Refuse unknown sections and keys, and values that no run could use.

    Parameters
    ----------
    content : mapping
        What a study file holds.
    where : str
        How messages call it.
    models : iterable of str
        Names of models.

    Raises
    ------
    SpecError
        One sentence that names the key.
    """
    names = [s for s in SECTIONS if s]
    for key, value in content.items():
        if isinstance(value, Mapping) and key not in names and key not in SECTIONS[""]:
            raise SpecError(f"{where} has an unknown section [{written(key)}].{near(str(key), names)}")
        if key in names:
            if not isinstance(value, Mapping):
                raise SpecError(f"{where} has {key} = {written(value)}, but [{key}] is a section.")
            _check_section(where, key, value)
        else:
            _check_key(where, "", key, value)
    if "title" not in content:
        raise SpecError(f"{where} has no title.")
    data, model = content.get("data", {}), content.get("model", {})
    _exactly_one(where, "data", data, ("dataset", "file"))
    _exactly_one(where, "model", model, ("name", "text"))
    _check_benchmark(content, where)
    for key in ("encoding", "sheet"):
        if "dataset" in data and key in data:
            raise SpecError(f"{where} has {key} in [data], which goes with a file, not with a dataset; leave it out.")
    if "name" in model and model["name"] not in models:
        raise SpecError(
            f"{where} names the model {written(model['name'])}; choose {listed(models)} or give a text."
            f"{near(model['name'], models)}"
        )


def _check_benchmark(content: Mapping[str, Any], where: str) -> None:
    """Refuse a benchmark study without units, and what only a benchmark study has without one."""
    units = content.get("units")
    for section, key in (("history", "target"), ("cluster", "address")):
        if section in content and units is None:
            raise SpecError(f"{where} has a section [{section}], which goes with [units] of a benchmark study.")
        if section in content and key not in content[section]:
            raise SpecError(f"{where} needs '{key}' in [{section}].")
    if units is None:
        return
    if "by" not in units:
        raise SpecError(f"{where} needs 'by' in [units]: the column that names a unit, such as \"company\".")
    if "by" in content.get("model", {}):
        raise SpecError(f"{where} names units both by [model] and by [units]; keep [units].")


def _check_section(where: str, section: str, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if section == "labels":
            _check_value(where, section, key, value, LABEL)
        else:
            _check_key(where, section, key, value)


def _check_key(where: str, section: str, key: Any, value: Any) -> None:
    rules = SECTIONS[section]
    if key not in rules:
        inside = f" in [{section}]" if section else ""
        known = [*rules, *(s for s in SECTIONS if s and not section)]
        raise SpecError(f"{where} has an unknown key {written(key)}{inside}.{near(str(key), known) or _home(key)}")
    _check_value(where, section, key, value, rules[key])


def _check_value(where: str, section: str, key: str, value: Any, rule: Rule) -> None:
    if not rule.fits(value):
        inside = f" in [{section}]" if section else ""
        hint = near(value, rule.options) if isinstance(value, str) else ""
        raise SpecError(f"{where} has {_plain(key)} = {written(value)}{inside}, which must be {rule.wanted}.{hint}")


def _home(key: Any) -> str:
    """The section that a misplaced key belongs to."""
    homes = [f"[{s}]" for s, rules in SECTIONS.items() if s and key in rules]
    return f" It belongs in {homes[0]}." if homes else ""


def _exactly_one(where: str, section: str, values: Mapping[str, Any], keys: tuple[str, str]) -> None:
    """Require one of two keys."""
    if sum(k in values for k in keys) != 1:
        both = ", not both" if all(k in values for k in keys) else ""
        raise SpecError(f"{where} needs either '{keys[0]}' or '{keys[1]}' in [{section}]{both}.")


def _plain(key: Any) -> str:
    return str(key) if len(str(key)) <= 60 and str(key).isprintable() else written(key)
