"""What the columns of a survey mean: labels, scale ends, direction, missing codes, roles."""

from __future__ import annotations

import json
import math
import numbers
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import SpecError, listed, near

__all__ = ["Codebook", "Item"]

Code = float | str
"""One answer code as it stands in the data."""

Missing = Code | tuple[float, float]
"""A missing code, or the two ends of a range of them."""


@dataclass(frozen=True)
class Item:
    """What one column of a survey means.

    Parameters
    ----------
    name : str
        Name of the column.
    label : str or dict of {str: str}, optional
        Wording of the question by language; a plain string is English.
    scale : (lo, hi), optional
        The ends of the answer scale. Never guessed from the data.
    reversed : bool, default False
        True when a high answer is a bad one: a `Survey` then holds ``lo + hi - answer``.
    missing : sequence, default ()
        Codes that are no answer, such as ``(98, 99)``. A pair stands for a range: ``((97, 99),)``.
    values : dict of {code: text} or {code: {language: text}}, optional
        Wording of single answers, by the codes of the data as collected.

    Raises
    ------
    SpecError
        If the scale is not two rising numbers, a missing code lies inside it, or an item without a scale
        is reversed.

    Examples
    --------
    >>> item = Item("IMAG1", label="It can be trusted", scale=(1, 10), missing=(98, 99))
    >>> item.label, item.scale
    ({'en': 'It can be trusted'}, (1, 10))
    """

    name: str
    label: Mapping[str, str] = field(default_factory=dict)
    scale: tuple[float, float] | None = None
    reversed: bool = False
    missing: tuple[Missing, ...] = ()
    values: Mapping[Code, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"Item '{self.name}'"
        if not isinstance(self.name, str) or not self.name:
            raise SpecError(f"An item needs the name of its column, not {self.name!r}.")
        clean = {
            "label": _texts(self.label, f"{where}: label"),
            "scale": None if self.scale is None else _scale(self.scale, where),
            "missing": _missing(self.missing, where),
            "values": _values(self.values, where),
        }
        for key, value in clean.items():
            object.__setattr__(self, key, value)
        if not isinstance(self.reversed, bool):
            raise SpecError(f"{where}: reversed must be true or false, not {self.reversed!r}.")
        if self.reversed and self.scale is None:
            raise SpecError(f"{where} is reversed but has no scale: give the two ends, such as scale = [1, 10].")
        self._check_missing_outside_scale(where)

    def _check_missing_outside_scale(self, where: str) -> None:
        """A code cannot be an answer and no answer."""
        if self.scale is None:
            return
        lo, hi = self.scale
        for code in self.missing:
            low, high = code if isinstance(code, tuple) else (code, code)
            if not isinstance(low, str) and not isinstance(high, str) and low <= hi and high >= lo:
                raise SpecError(
                    f"{where} has the missing code {_code_text(code)} inside its scale {scale_text(self.scale)}: "
                    "correct the scale, or give the item missing codes of its own (missing = [] for none)."
                )

    def text(self, lang: str | None = None) -> str:
        """Return the label in a language, else in English, else in any, else the name.

        Parameters
        ----------
        lang : str, optional
            Language wanted, such as ``"de"``.

        Returns
        -------
        str
            The text to show.

        Examples
        --------
        >>> Item("q1", label={"de": "Wert", "en": "Value"}).text("fr")
        'Value'
        """
        return _in_language(self.label, lang) or self.name


_ITEM_KEYS = tuple(f.name for f in fields(Item) if f.name != "name")
_BOOK_KEYS = ("weights", "wave", "hierarchy", "missing", "items")


@dataclass(frozen=True, init=False, repr=False)
class Codebook(Mapping[str, Item]):
    """The items of a survey and the roles of its other columns; a mapping from column name to `Item`.

    Parameters
    ----------
    items : iterable of Item, or mapping of {name: Item}, default ()
        The columns described, in order.
    weights : str, optional
        Column with the case weights.
    wave : str, optional
        Column with the year or wave.
    hierarchy : str or sequence of str, default ()
        Columns of the levels a respondent belongs to, finest first: ``("company", "industry", "sector")``.

    Raises
    ------
    SpecError
        If an item is described twice or stands under a name which is not its own.

    Notes
    -----
    As TOML, where everything is optional and ``missing`` at the top is the default of the items listed::

        weights = "w"
        wave = "year"
        hierarchy = ["company", "industry", "sector"]
        missing = [98, 99]                   # a range is a pair: [[97, 99]]

        [items.IMAG1]
        label = {en = "It can be trusted", de = "Man kann ihm vertrauen"}    # or a plain string
        scale = [1, 10]
        missing = [98, 99]
        reversed = false
        values = {1 = "Poor", 10 = {en = "Excellent", de = "Hervorragend"}}

    Examples
    --------
    >>> book = Codebook([Item("q1", label="Trust", scale=(1, 10))], weights="w")
    >>> book["q1"].scale, list(book), book.weights
    ((1, 10), ['q1'], 'w')
    """

    entries: Mapping[str, Item]
    weights: str | None
    wave: str | None
    hierarchy: tuple[str, ...]

    def __init__(
        self,
        items: Iterable[Item] | Mapping[str, Item] = (),
        *,
        weights: str | None = None,
        wave: str | None = None,
        hierarchy: str | Iterable[str] = (),
    ) -> None:
        listed_items = list(items.values()) if isinstance(items, Mapping) else list(items)
        for item in listed_items:
            if not isinstance(item, Item):
                raise SpecError(f"A codebook holds cxmodels.survey.Item objects, not {item!r}.")
        entries = {item.name: item for item in listed_items}
        if len(entries) < len(listed_items):
            names = [item.name for item in listed_items]
            twice = listed(name for name in entries if names.count(name) > 1)
            raise SpecError(f"The codebook describes {twice} more than once: keep one entry of each.")
        if isinstance(items, Mapping) and list(items) != list(entries):
            wrong = next(key for key, item in items.items() if key != item.name)
            raise SpecError(f"The codebook has item '{items[wrong].name}' under the name '{wrong}': use one name.")
        vars(self).update(
            entries=entries,
            weights=_role(weights, "weights"),
            wave=_role(wave, "wave"),
            hierarchy=_hierarchy(hierarchy),
        )

    def __getitem__(self, name: str) -> Item:
        return self.entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        roles = {"weights": self.weights, "wave": self.wave, "hierarchy": self.hierarchy}
        said = "".join(f", {key}={value!r}" for key, value in roles.items() if value)
        return f"Codebook({len(self)} items{said})"

    @classmethod
    def of(cls, source: Codebook | Mapping[str, Any] | str | os.PathLike[str] | None) -> Codebook:
        """Return a codebook from whatever describes one.

        Parameters
        ----------
        source : Codebook, dict, path of a TOML file, or None
            None is the empty codebook; a dict is read by `from_dict`.

        Returns
        -------
        Codebook
            The source itself where it is one already.

        Examples
        --------
        >>> len(Codebook.of(None))
        0
        """
        if source is None:
            return cls()
        if isinstance(source, Codebook):
            return source
        if isinstance(source, Mapping):
            return cls.from_dict(source)
        if isinstance(source, str | os.PathLike):
            return cls.from_toml(source)
        raise SpecError(
            f"A codebook is a Codebook, a dict or the path of a TOML file, not a {type(source).__name__}."
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, where: str = "The codebook") -> Codebook:
        """Build a codebook from nested dictionaries of the form of the TOML file.

        Parameters
        ----------
        data : dict
            Keys ``weights``, ``wave``, ``hierarchy``, ``missing`` and ``items``; see the notes of the class.
            ``items`` may also hold `Item` objects.
        where : str, default "The codebook"
            What messages call the source.

        Returns
        -------
        Codebook
            The items in the order given.

        Raises
        ------
        SpecError
            For an unknown key or a value of the wrong kind, naming the item.

        Examples
        --------
        >>> book = Codebook.from_dict({"missing": [99], "items": {"q1": {"label": "Trust", "scale": [1, 10]}}})
        >>> book["q1"].missing
        (99,)
        """
        if data and all(isinstance(value, Item) for value in data.values()):
            return cls(data)
        _check_keys(data, _BOOK_KEYS, where)
        entries = data.get("items", {})
        if not isinstance(entries, Mapping):
            raise SpecError(f"{where}: items must be a table for each column, [items.NAME].")
        if "missing" in data and not entries:
            raise SpecError(f"{where}: missing applies to the columns under items, and none is listed there.")
        roles = {key: data[key] for key in ("weights", "wave", "hierarchy") if key in data}
        try:
            items = [_item(name, entry, data.get("missing", ())) for name, entry in entries.items()]
            return cls(items, **roles)
        except SpecError as error:
            raise SpecError(f"{where}: {error}") from None

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Codebook:
        """Read a codebook from a TOML file.

        Parameters
        ----------
        path : path
            The file; its form is in the notes of the class.

        Returns
        -------
        Codebook
            The items in the order of the file.

        Raises
        ------
        SpecError
            If the file is missing, is not TOML (the message gives the line) or says something unknown.

        Examples
        --------
        >>> Codebook.from_toml("nowhere.toml")
        Traceback (most recent call last):
        cxmodels.errors.SpecError: Codebook 'nowhere.toml' does not exist.
        """
        import tomllib

        path = Path(path)
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            raise SpecError(f"Codebook '{path}' does not exist.") from None
        except OSError as error:
            raise SpecError(f"Codebook '{path}' cannot be opened: {error.strerror}.") from None
        except UnicodeDecodeError as error:
            raise SpecError(f"Codebook '{path}' is not UTF-8 (byte {error.start + 1}): save it as UTF-8.") from None
        except tomllib.TOMLDecodeError as error:
            raise SpecError(f"Codebook '{path}' is not valid TOML: {error}.") from None
        return cls.from_dict(data, where=f"Codebook '{path.name}'")

    def to_dict(self) -> dict[str, Any]:
        """Return nested dictionaries that `from_dict` reads back.

        Returns
        -------
        dict
            Only what was said: no empty entries.

        Examples
        --------
        >>> Codebook([Item("q1", scale=(1, 5))], wave="year").to_dict()
        {'wave': 'year', 'items': {'q1': {'scale': [1, 5]}}}
        """
        roles = {"weights": self.weights, "wave": self.wave, "hierarchy": list(self.hierarchy)}
        said: dict[str, Any] = {key: value for key, value in roles.items() if value}
        return said | ({"items": {name: _entry(item) for name, item in self.items()}} if self else {})

    def to_toml(self, path: str | os.PathLike[str] | None = None) -> str:
        """Write the codebook as TOML.

        Parameters
        ----------
        path : path, optional
            File to write, whole or not at all. Without it nothing is written.

        Returns
        -------
        str
            The text, which `from_toml` reads back to an equal codebook.

        Examples
        --------
        >>> print(Codebook([Item("q1", label="Trust", scale=(1, 5))], wave="year").to_toml())
        wave = "year"
        <BLANKLINE>
        [items.q1]
        label = {en = "Trust"}
        scale = [1, 5]
        <BLANKLINE>
        """
        said = self.to_dict()
        items = said.pop("items", {})
        blocks = ["\n".join(f"{key} = {_toml(value)}" for key, value in said.items())] if said else []
        for name, entry in items.items():
            lines = [f"{key} = {_toml(value)}" for key, value in entry.items()]
            blocks.append("\n".join([f"[items.{_toml_key(name)}]", *lines]))
        text = "\n\n".join(blocks) + "\n"
        if path is not None:
            _write_whole(Path(path), text)
        return text


def scale_text(scale: tuple[float, float]) -> str:
    """Write a scale for a reader: '1 to 10'."""
    return f"{scale[0]:g} to {scale[1]:g}"


def _code_text(code: Missing) -> str:
    """Write a missing code for a reader."""
    if isinstance(code, tuple):
        return f"{code[0]:g} to {code[1]:g}"
    return f"'{code}'" if isinstance(code, str) else f"{code:g}"


def _in_language(texts: Mapping[str, str], lang: str | None) -> str:
    """Pick a text: the language wanted, else English, else the first."""
    for key in (lang, "en"):
        if key is not None and key in texts:
            return texts[key]
    return next(iter(texts.values()), "")


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and not math.isnan(value)


def _plain(value: Any) -> float:
    """A number as int where it is whole, so that codes print and compare alike whatever file they came from."""
    return int(value) if math.isfinite(value) and value == int(value) else float(value)


def _texts(value: Any, where: str) -> dict[str, str]:
    """Texts by language; a plain string is English."""
    if isinstance(value, str):
        return {"en": value} if value else {}
    if isinstance(value, Mapping) and all(isinstance(t, str) for pair in value.items() for t in pair):
        return dict(value)
    raise SpecError(f'{where} must be a text, or texts by language such as {{en = "..."}}, not {value!r}.')


def _scale(value: Any, where: str) -> tuple[float, float]:
    pair = list(value) if isinstance(value, Iterable) and not isinstance(value, str | Mapping) else []
    if len(pair) != 2 or not all(_is_number(v) and math.isfinite(v) for v in pair):
        raise SpecError(f"{where}: scale must be the two ends of the answer scale, such as [1, 10], not {value!r}.")
    lo, hi = map(_plain, pair)
    if lo >= hi:
        raise SpecError(
            f"{where}: scale must rise from its low to its high end, not {lo:g} to {hi:g}; say reversed = true "
            "where a high answer is a bad one."
        )
    return lo, hi


def _missing(value: Any, where: str) -> tuple[Missing, ...]:
    """Missing codes, each a number, a text or a rising pair."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        value = [value]
    codes: list[Missing] = []
    for code in value:
        pair = list(code) if isinstance(code, list | tuple) else []
        if isinstance(code, str):
            codes.append(code)
        elif _is_number(code):
            codes.append(_plain(code))
        elif len(pair) == 2 and all(map(_is_number, pair)) and pair[0] <= pair[1]:
            codes.append((_plain(pair[0]), _plain(pair[1])))
        else:
            raise SpecError(f"{where}: a missing code is a number, a text or a rising pair, not {code!r}.")
    return tuple(codes)


def _values(value: Any, where: str) -> dict[Code, dict[str, str]]:
    """Texts of single answers; codes written as text in TOML keys become numbers again."""
    if not isinstance(value, Mapping):
        raise SpecError(f"{where}: values must be a table of code = text, not {value!r}.")
    return {_code(code): _texts(text, f"{where}: the text of code {code}") for code, text in value.items()}


def _code(code: Any) -> Code:
    if isinstance(code, str):
        try:
            number = float(code)
        except ValueError:
            return code
        return _plain(number) if math.isfinite(number) else code
    return _plain(code) if _is_number(code) else str(code)


def _role(name: Any, role: str) -> str | None:
    if name is None or (isinstance(name, str) and name):
        return name
    raise SpecError(f"{role} must be the name of a column, not {name!r}.")


def _hierarchy(names: Any) -> tuple[str, ...]:
    levels = (names,) if isinstance(names, str) else tuple(names) if isinstance(names, Iterable) else (names,)
    for level in levels:
        _role(level, "hierarchy")
    if len(set(levels)) < len(levels):
        raise SpecError(f"hierarchy names a column twice: {listed(levels)}.")
    return levels


def _check_keys(data: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    for key in data:
        if key not in known:
            hint = near(str(key), known) or f" Known are {listed(known)}."
            raise SpecError(f"{where}: unknown key '{key}'.{hint}")


def _item(name: str, entry: Any, missing: Any) -> Item:
    """One item from its table; `missing` is the default of the codebook."""
    if isinstance(entry, Item):
        return entry
    if not isinstance(entry, Mapping):
        raise SpecError(f"Item '{name}' must be a table of {listed(_ITEM_KEYS)}, not {entry!r}.")
    _check_keys(entry, _ITEM_KEYS, f"Item '{name}'")
    return Item(name, **{"missing": missing, **entry})


def _entry(item: Item) -> dict[str, Any]:
    """The table of an item, without what was not said."""
    entry: dict[str, Any] = {"label": dict(item.label)} if item.label else {}
    if item.scale:
        entry["scale"] = list(item.scale)
    if item.missing:
        entry["missing"] = [list(code) if isinstance(code, tuple) else code for code in item.missing]
    if item.reversed:
        entry["reversed"] = True
    if item.values:
        entry["values"] = {code: dict(texts) for code, texts in item.values.items()}
    return entry


def _toml(value: Any) -> str:
    """One value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml_key(key)} = {_toml(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)


def _toml_key(key: object) -> str:
    text = str(key)
    bare = text.isascii() and text.replace("_", "").replace("-", "").isalnum()
    return text if bare else _toml(text)


def _write_whole(path: Path, text: str) -> None:
    """Write beside the target and rename, so that a reader never sees half a file."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        file.write(text)
    os.replace(file.name, path)
