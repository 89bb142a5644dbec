"""The words and numbers of a report in the reader's language: one catalogue a language, chosen by its code.

A catalogue is a TOML file of the folder ``languages``: ``[format]`` says how numbers are written, ``[text]`` holds the
words of the pages, ``[picture]`` those of the charts (the keys of ``cxmodels.report.svg.WORDS``). English has every key;
a test holds the others to it. Texts with numbers are written so that no word depends on the number.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from ..errors import SpecError, near

__all__ = ["LANGUAGES", "Language", "language"]

LANGUAGES = ("en", "uk", "ru", "bg")
NOTHING = "–"


@dataclass(frozen=True)
class Language:
    """How a report says things in one language.

    Parameters
    ----------
    code : str
        Two letters, as the ``lang`` of a page.
    texts : mapping of key to str
        Words, some with places such as ``{n}``.
    pictures : mapping of key to str
        Words of the charts; give them as ``words``.
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
    texts: Mapping[str, str]
    pictures: Mapping[str, str]
    decimal: str
    group: str
    percent: str

    def __call__(self, key: str, **parts: object) -> str:
        """Return a text with its places filled.

        Parameters
        ----------
        key : str
        **parts : object
            What goes into the places; whole numbers are grouped.

        Returns
        -------
        str
        """
        if key not in self.texts:
            raise SpecError(f"The catalogue has no text '{key}'.{near(key, self.texts)}")
        said = {k: self.count(int(v)) if isinstance(v, int | np.integer) else v for k, v in parts.items()}
        return self.texts[key].format(**said)

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

    def share(self, value: float, digits: int = 0) -> str:
        """Write a share of one as a percentage.

        Parameters
        ----------
        value : float
        digits : int, default 0
            Decimals.

        Returns
        -------
        str
        """
        text = self.number(100 * value, digits)
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


@cache
def language(code: str = "en") -> Language:
    """Return the catalogue of a language; English where there is none for it.

    Parameters
    ----------
    code : str, default "en"
        Such as ``"uk"`` or ``"uk-UA"``.

    Returns
    -------
    Language
        ``language(code).code`` tells which catalogue it is.

    Examples
    --------
    >>> language("bg-BG")("levels_sector"), language("xx").code
    ('Сектори', 'en')
    """
    base = str(code).replace("_", "-").partition("-")[0].lower()
    name = base if base in LANGUAGES else "en"
    content = tomllib.loads((files(__package__) / "languages" / f"{name}.toml").read_text("utf-8"))
    return Language(name, content["text"], content["picture"], **content["format"])
