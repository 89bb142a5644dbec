"""What the columns of a survey mean: labels, scale ends, direction, missing codes, roles."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import SpecError, listed, near
from ..files import replacing
from .entries import (
    Code,
    Missing,
    code_text,
    hierarchy_of,
    in_language,
    missing_of,
    role_of,
    scale_of,
    scale_text,
    texts_of,
    toml,
    toml_key,
    values_of,
    written,
)

__all__ = ["Codebook", "Item"]


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
    >>> from cxmodels.survey import Item
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
            raise SpecError(f"An item needs the name of its column, not {written(self.name)}.")
        clean = {
            "label": texts_of(self.label, f"{where}: label"),
            "scale": None if self.scale is None else scale_of(self.scale, where),
            "missing": missing_of(self.missing, where),
            "values": values_of(self.values, where),
        }
        for key, value in clean.items():
            object.__setattr__(self, key, value)
        if not isinstance(self.reversed, bool):
            raise SpecError(f"{where}: reversed must be true or false, not {written(self.reversed)}.")
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
                    f"{where} has the missing code {code_text(code)} inside its scale {scale_text(self.scale)}: "
                    "correct the scale, or give the item missing codes of its own (missing = [] for none)."
                )

    def text(self, language: str | None = None) -> str:
        """Return the label in a language, else in English, else in any, else the name.

        Parameters
        ----------
        language : str, optional
            Language wanted, such as ``"de"``.

        Returns
        -------
        str
            The text to show.

        Examples
        --------
        >>> from cxmodels.survey import Item
        >>> Item("q1", label={"de": "Wert", "en": "Value"}).text("fr")
        'Value'
        """
        return in_language(self.label, language) or self.name


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
    >>> from cxmodels.survey import Codebook, Item
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
                raise SpecError(f"A codebook holds cxmodels.survey.Item objects, not {written(item)}.")
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
            weights=role_of(weights, "weights"),
            wave=role_of(wave, "wave"),
            hierarchy=hierarchy_of(hierarchy),
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
    def of(
        cls, source: Codebook | Mapping[str, Any] | str | os.PathLike[str] | None, *, base: Codebook | None = None
    ) -> Codebook:
        """Return a codebook from whatever describes one.

        Parameters
        ----------
        source : Codebook, dict, path of a TOML file, or None
            None is the empty codebook; a dict is read by `from_dict`.
        base : Codebook, optional
            What a file says of itself: holds wherever the source is silent.

        Returns
        -------
        Codebook
            The source itself where it is one already and there is no base.

        Raises
        ------
        SpecError
            As `from_dict` and `from_toml`.

        Examples
        --------
        >>> from cxmodels.survey import Codebook, Item
        >>> inside = Codebook([Item("q1", label="Trust", missing=(99,))])
        >>> Codebook.of({"items": {"q1": {"scale": [1, 10]}}}, base=inside)["q1"].missing
        (99,)
        """
        if source is None:
            return base or cls()
        if isinstance(source, Codebook):
            return cls.from_dict(source.to_dict(), base=base) if base else source
        if isinstance(source, Mapping):
            return cls.from_dict(source, base=base)
        if isinstance(source, str | os.PathLike):
            return cls.from_toml(source, base=base)
        raise SpecError(f"A codebook is a Codebook, a dict or the path of a TOML file, not {written(source)}.")

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], *, where: str = "The codebook", base: Codebook | None = None
    ) -> Codebook:
        """Build a codebook from nested dictionaries of the form of the TOML file.

        Parameters
        ----------
        data : dict
            Keys ``weights``, ``wave``, ``hierarchy``, ``missing`` and ``items``; see the notes of the class.
            A plain mapping from name to `Item` will do, too.
        where : str, default "The codebook"
            What messages call the source.
        base : Codebook, optional
            Holds wherever `data` is silent; labels and answer texts are joined by language and by code.

        Returns
        -------
        Codebook
            The items of the base, then further ones in the order given.

        Raises
        ------
        SpecError
            For an unknown key or a value of the wrong kind, naming the item.

        Examples
        --------
        >>> from cxmodels.survey import Codebook
        >>> book = Codebook.from_dict({"missing": [99], "items": {"q1": {"label": "Trust", "scale": [1, 10]}}})
        >>> book["q1"].missing
        (99,)
        """
        if data and all(isinstance(value, Item) for value in data.values()):
            data = {"items": data}
        _check_keys(data, _BOOK_KEYS, where)
        entries = data.get("items", {})
        if not isinstance(entries, Mapping):
            raise SpecError(f"{where}: items must be a table for each column, [items.NAME].")
        if "missing" in data and not entries:
            raise SpecError(f"{where}: missing applies to the columns under items, and none is listed there.")
        base = base or cls()
        roles = {role: data.get(role, getattr(base, role)) for role in ("weights", "wave", "hierarchy")}
        default = {"missing": data["missing"]} if "missing" in data else {}
        try:
            given = {name: _item(name, entry, default, base.get(name)) for name, entry in entries.items()}
            return cls({**base, **given}, **roles)
        except SpecError as error:
            raise SpecError(f"{where}: {error}") from None

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str], *, base: Codebook | None = None) -> Codebook:
        """Read a codebook from a TOML file.

        Parameters
        ----------
        path : path
            The file; its form is in the notes of the class.
        base : Codebook, optional
            As in `from_dict`.

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
        >>> from cxmodels.survey import Codebook
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
        except (ValueError, RecursionError) as error:  # tomllib lets numbers of 5,000 digits and deep nesting through
            reason = str(error).rstrip(".") or "it is nested too deeply"
            raise SpecError(f"Codebook '{path}' is not valid TOML: {reason}.") from None
        return cls.from_dict(data, where=f"Codebook '{path.name}'", base=base)

    def to_dict(self) -> dict[str, Any]:
        """Return nested dictionaries that `from_dict` reads back.

        Returns
        -------
        dict
            Only what was said: no empty entries.

        Examples
        --------
        >>> from cxmodels.survey import Codebook, Item
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
        >>> from cxmodels.survey import Codebook, Item
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
        blocks = ["\n".join(f"{key} = {toml(value)}" for key, value in said.items())] if said else []
        for name, entry in items.items():
            lines = [f"{key} = {toml(value)}" for key, value in entry.items()]
            blocks.append("\n".join([f"[items.{toml_key(name)}]", *lines]))
        text = "\n\n".join(blocks) + "\n"
        if path is not None:
            _write_whole(Path(path), text)
        return text


def _check_keys(data: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    for key in data:
        if key not in known:
            hint = near(str(key), known) or f" Known are {listed(known)}."
            raise SpecError(f"{where}: unknown key '{key}'.{hint}")


def _item(name: str, entry: Any, default: dict[str, Any], base: Item | None) -> Item:
    """One item from its table; `default` comes from the top of the codebook, `base` from the data file."""
    if isinstance(entry, Item):
        if base is None:
            return entry
        entry = _entry(entry)
    if not isinstance(entry, Mapping):
        raise SpecError(f"Item '{name}' must be a table of {listed(_ITEM_KEYS)}, not {written(entry)}.")
    _check_keys(entry, _ITEM_KEYS, f"Item '{name}'")
    said = default | dict(entry)
    if base is None:
        return Item(name, **said)
    own = Item(name, said.get("label", {}), values=said.get("values", {}))
    codes = {
        code: {**base.values.get(code, {}), **own.values.get(code, {})} for code in {**base.values, **own.values}
    }
    return Item(name, **{**_entry(base), **said, "label": {**base.label, **own.label}, "values": codes})


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


def _write_whole(path: Path, text: str) -> None:
    """Write so that a reader never sees half a file."""
    with replacing(path, "codebook") as draft:
        draft.write_text(text, encoding="utf-8")
