"""The words and numbers of a report in the reader's language: one catalogue a language, chosen by its code.

A catalogue is a TOML file of the folder ``languages``: ``[format]`` says how numbers are written, ``[text]`` holds the
words of the pages, ``[picture]`` those of the charts, and ``[told]`` the sentences in which results speak of themselves:
warnings, notes, reasons. English has every key, and a test holds the others to it. A text that depends on a number is a
table of the forms that the language has, chosen by its place ``{n}``.

Results speak English, as plain texts; :meth:`Language.told` finds the sentence in the English catalogue and says it in
another language, with the names and numbers that stood in it.
"""

from __future__ import annotations

import math
import re
import string
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import islice

import numpy as np

from ..errors import SpecError, near
from ..survey.entries import LANGUAGES, check_language

__all__ = ["LANGUAGES", "Language", "language"]

NOTHING = "–"
LONGEST = 2000  # characters of a sentence that is looked up
MOST_HEADS = 3  # before a sentence: its wave, its unit, its group
NUMBERS = ("n", "of", "k", "m", "least", "value", "low", "high", "now", "then")  # places of a sentence that hold one
NUMBER, WORDS = (
    r"[+−-]?(?:[\d,]*\.?\d+(?:e[+-]?\d+)?|inf)%?",
    r"(?:(?!(?:'|more)\. [A-Z]).)+?",
)  # words of one sentence
RISES, RISE = ("rises", "moves"), r"(?:(?!\. ).)+?"  # places of names, each with a number: "speed +0.5, price -1"
SAID = (
    "how",
    "cut",
    "kind",
    "method",
    "model",
    "measure",
    "reason",
    "why",
    "source",
    "level",
    "by",
    "unit",
    "seed",
    "input",
)
"""Places that hold words of the package; what stands in the others is of the data and stays."""
IN_GROUP = re.compile(r" (?:in|of) group '([^']*)'")  # where a sentence on a model of several groups has its place
INPUT = "input_"  # keys of pictures that sentences say too
Text = str | Mapping[str, str]


def _two_forms(n: int) -> str:
    return "one" if n == 1 else "other"


def _three_forms(n: int) -> str:
    """East Slavic: 1, 21, 31 …; 2 to 4, 22 to 24 …; the others, 11 to 14 among them."""
    last, teens = n % 10, 10 < n % 100 < 20
    return "one" if last == 1 and not teens else "few" if 2 <= last <= 4 and not teens else "many"


FORMS: Mapping[str, Callable[[int], str]] = {
    "en": _two_forms,
    "bg": _two_forms,
    "uk": _three_forms,
    "ru": _three_forms,
}
"""Which form of a text goes with a number, by language (the plural rules of the Unicode CLDR for whole numbers)."""


@dataclass(frozen=True, eq=False)
class Language:
    """How a report says things in one language.

    Parameters
    ----------
    code : str
        Two letters, as the ``lang`` of a page.
    texts : mapping of key to str or to {form: str}
        Words and sentences, some with places such as ``{n}``.
    pictures : mapping of key to str
        Words of the charts; give them as ``words``. They hold `decimal`, `group` and `percent` too.
    decimal, group : str
        Decimal sign, and what stands between thousands.
    percent : str
        ``"{}%"`` or with a blank.

    Examples
    --------
    >>> language("uk").number(12345.678, 1), language("en").number(-0.5, 2, signed=True)
    ('12\u202f345,7', '−0.50')
    """

    code: str
    texts: Mapping[str, Text] = field(repr=False)
    pictures: Mapping[str, str] = field(repr=False)
    decimal: str
    group: str
    percent: str

    def __call__(self, key: str, **parts: object) -> str:
        """Return a text with its places filled.

        Parameters
        ----------
        key : str
        **parts : object
            What goes into the places; whole numbers are grouped. A text with several forms takes that of `n`.

        Returns
        -------
        str

        Examples
        --------
        >>> [language("uk")("respondents", n=n) for n in (1, 22, 25)]
        ['1 респондент', '22 респонденти', '25 респондентів']
        """
        if key not in self.texts:
            raise SpecError(f"The catalogue has no text '{key}'.{near(key, self.texts)}")
        text = self.texts[key]
        if not isinstance(text, str):
            text = text[FORMS[self.code](abs(int(parts["n"])))]  # type: ignore[call-overload]
        said = {k: self.count(int(v)) if isinstance(v, int | np.integer) else v for k, v in parts.items()}
        return text.format(**said)

    def known(self, key: str, otherwise: str = "") -> str:
        """Return a text that the catalogue may lack, such as the name of a level.

        Parameters
        ----------
        key : str
        otherwise : str, default ""
            What stands for it then.

        Returns
        -------
        str

        Examples
        --------
        >>> language("uk").known("construct_Loyalty"), language("uk").known("construct_Speed", "Speed")
        ('Лояльність', 'Speed')
        """
        return str(self.texts.get(key, otherwise))

    def told(self, sentence: str, names: Mapping[str, str] | None = None) -> str:
        """Say in this language what a result says of itself in English: a warning, a note, a reason.

        Parameters
        ----------
        sentence : str
            Such as one of ``result.warnings``.
        names : mapping, optional
            What is called otherwise for the reader, such as constructs, or columns by their labels.

        Returns
        -------
        str
            What the catalogue does not know stays as it is.

        Examples
        --------
        >>> language("uk").told("North: 3 of 200 bootstrap replicates failed and are left out.")
        'North: Невдалих реплік бутстрепу: 3 з 200; їх не враховано.'
        """
        names = names or {}
        if self.code == "en" and all(known == name for known, name in names.items()):
            return sentence
        if len(sentence) <= LONGEST:
            if said := self._matched(sentence, names):
                return said
            if (found := IN_GROUP.search(sentence)) and (said := self._matched(IN_GROUP.sub("", sentence, 1), names)):
                group = self("told_in_group", group=found[1])
                return f"{group[0].upper()}{group[1:]}: {said}"
        if len(several := re.split(r"(?<=\.) (?=\S)", sentence)) > 1:
            return " ".join(self.told(s, names) for s in several)
        if len(sentence) > LONGEST:
            return sentence
        for start in islice(re.finditer(": ", sentence), MOST_HEADS):
            if said := self._matched(sentence[start.end() :], names):
                return sentence[: start.end()] + said
        if len(several := re.split(r"; (?![^(]*\))", sentence)) > 1:
            return "; ".join(self.told(s, names) for s in several)
        return str(self._number(sentence)) if re.fullmatch(r"\d+\.\d+", sentence) else sentence

    def _matched(self, sentence: str, names: Mapping[str, str]) -> str:
        """A sentence of the catalogue in this language; empty if it is none."""
        for key, pattern in _sentences():
            if found := pattern.fullmatch(sentence):
                return self(key, **{k: self._part(k, v, names) for k, v in found.groupdict().items()})
        return ""

    def _number(self, text: str) -> object:
        """A number as this language writes it; a plain whole one stays a number, for the form of the sentence."""
        text = text.replace("−", "-")
        bare = text.strip("+%").replace(",", "")
        if bare.endswith("inf"):
            return text.replace("-", "−").replace("inf", "∞")
        if bare == text.replace(",", "") and re.fullmatch(r"-?\d+", bare):
            return int(bare)
        decimals = bare if "e" not in bare else f"{float(bare):.12f}".rstrip("0")
        written = self.number(float(bare), len(decimals.partition(".")[2]), signed=text[0] == "+")
        return self.percent.format(written) if text.endswith("%") else written

    def _part(self, name: str, text: str, names: Mapping[str, str]) -> object:
        """What stood in a sentence: a number as this language writes it, names, or another sentence."""
        if name in NUMBERS:
            return self._number(text)
        if name in RISES:
            rises = (re.fullmatch(rf"(.+) ({NUMBER})", part) for part in text.split(", "))
            said = [self("rise", name=names.get(r[1], r[1]), by=str(self._number(r[2]))) for r in rises if r]
            return ", ".join(said) or text
        text = re.sub(r"'([^']*)'", lambda quoted: f"'{names.get(quoted[1], quoted[1])}'", names.get(text, text))
        text = ", ".join(names.get(part, part) for part in text.split(", "))
        text = re.sub(r"'([^']*)' of '([^']*)'", r"'\1' ('\2')", text).replace("' and '", "', '")
        if cut := re.fullmatch(r"(.*[')]) and (\d+) more( pairs)?", text, re.DOTALL):
            return f"{cut[1]} {self('and_more', n=int(cut[2]))}"
        return (self.known(f"level_{text}") or self._said(text, names)) if name in SAID else text

    def _said(self, text: str, names: Mapping[str, str]) -> str:
        """Words within a sentence, which the catalogue may know at the start of one."""
        if (said := self.told(text, names)) != text:
            return said
        capital = text[:1].upper() + text[1:]
        said = self.told(capital, names)
        return text if said == capital else said[:1].lower() + said[1:]

    def number(self, value: float, digits: int = 1, *, signed: bool = False) -> str:
        """Write a number; a dash where it is missing.

        Parameters
        ----------
        value : float
        digits : int, default 1
            Decimals.
        signed : bool, default False
            Whether to write a plus.

        Returns
        -------
        str
        """
        if value is None or not math.isfinite(value):
            return NOTHING
        text = f"{value:,.{digits}f}"
        if float(text.replace(",", "")) == 0:
            text = text.lstrip("-")
        elif signed and value > 0:
            text = "+" + text
        signs = {",": self.group, ".": self.decimal, "-": "−"}
        return "".join(signs.get(c, c) for c in text)

    def plain(self, value: float) -> str:
        """Write a number with no more decimals than it has.

        Parameters
        ----------
        value : float

        Returns
        -------
        str

        Examples
        --------
        >>> language("uk").plain(0.05), language("en").plain(10.0)
        ('0,05', '10')
        """
        _, _, decimals = f"{value:.12g}".partition(".")
        return self.number(value, len(decimals))

    def count(self, value: float) -> str:
        """Write a whole number with its thousands apart.

        Parameters
        ----------
        value : float

        Returns
        -------
        str
        """
        return self.number(float(value), 0)

    def span(self, lower: float, upper: float, digits: int = 1, *, signed: bool = False) -> str:
        """Write an interval; nothing where an end is missing.

        Parameters
        ----------
        lower, upper : float
        digits : int, default 1
            Decimals.
        signed : bool, default False
            Whether to write a plus.

        Returns
        -------
        str
        """
        if not (math.isfinite(lower) and math.isfinite(upper)):
            return ""
        ends = (self.number(v, digits, signed=signed) for v in (lower, upper))
        return f" {self('to')} ".join(ends)

    def share(self, value: float, digits: int | None = 0) -> str:
        """Write a share of one as a percentage.

        Parameters
        ----------
        value : float
        digits : int or None, default 0
            Decimals; None for as many as it has.

        Returns
        -------
        str
        """
        text = self.plain(100 * value) if digits is None else self.number(100 * value, digits)
        return text if text == NOTHING else self.percent.format(text)

    def pvalue(self, p: float) -> str:
        """Write a p-value to three decimals, small ones as a bound.

        Parameters
        ----------
        p : float

        Returns
        -------
        str

        Examples
        --------
        >>> language("bg").pvalue(0.0002)
        '< 0,001'
        """
        return f"< {self.number(0.001, 3)}" if p < 0.001 else self.number(p, 3)


def language(code: str | Language = "en") -> Language:
    """Return the catalogue of a language.

    Parameters
    ----------
    code : str or Language, default "en"
        Such as ``"uk"`` or ``"uk-UA"``; a catalogue is returned as it is.

    Returns
    -------
    Language

    Raises
    ------
    SpecError
        If there is none, naming those there are.

    Examples
    --------
    >>> language("bg-BG")("levels_sector"), language("uk_UA").code
    ('Сектори', 'uk')
    """
    return code if isinstance(code, Language) else _catalogue(check_language(code))


@cache
def _catalogue(name: str) -> Language:
    """The catalogue of one of the languages there are."""
    content = tomllib.loads((files(__package__) / "languages" / f"{name}.toml").read_text("utf-8"))
    numbers = content["format"]
    pictures = {**numbers, **content["picture"]}
    return Language(name, {**content["text"], **_said_of(content)}, pictures, **numbers)


def _said_of(content: Mapping[str, Mapping[str, Text]]) -> dict[str, Text]:
    """The sentences of results, with those words of pictures that stand in them."""
    inputs = {f"told_{k}": text for k, text in content["picture"].items() if k.startswith(INPUT)}
    return {**content["told"], **inputs}


@cache
def _sentences() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The sentences of results as patterns, those with most words of their own first."""
    told = _said_of(tomllib.loads((files(__package__) / "languages" / "en.toml").read_text("utf-8")))
    forms = [
        (key, form) for key, text in told.items() for form in ([text] if isinstance(text, str) else text.values())
    ]
    forms.sort(key=lambda pair: -len(re.sub(r"{.*?}", "", pair[1])))
    return tuple((key, re.compile(_pattern(form), re.DOTALL)) for key, form in forms)


def _pattern(text: str) -> str:
    """A text with places as a regular expression; a place that comes again must hold the same."""
    out, seen = "", set()
    for literal, name, _, _ in string.Formatter().parse(text):
        out += re.escape(literal)
        if name:
            held = NUMBER if name in NUMBERS else RISE if name in RISES else WORDS
            out += f"(?P={name})" if name in seen else f"(?P<{name}>{held})"
            seen.add(name)
    return out
