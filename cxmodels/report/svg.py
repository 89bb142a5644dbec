"""What every picture shares: escaped text, numbers, ticks, colours, words and the SVG being drawn.

Pictures are plain SVG text: no script, no external font, the same input gives the same bytes. Every coordinate
is a pixel of a page 900 px wide; the ``viewBox`` scales it to whatever width the page gives.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from html import escape as _escape
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, listed, near
from ..files import CONTROL, replacing
from .lettering import clip, right_to_left, text_width
from .words import language

__all__ = ["WORDS", "Drawing", "Picture", "amount", "columns", "number", "plain", "say", "span", "ticks"]

FONT = "'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"
PAPER, INK, GREY, RULE, TINT = "#ffffff", "#1b2733", "#5c6873", "#dde3e8", "#f3f6f9"
# Blue and vermilion stay apart for every common colour blindness; sign, dash and fill say the same in print.
BLUE, PALE, ACCENT, BLUSH = "#1d5b8c", "#b9d0e3", "#bf4a14", "#f0cdb9"

WORDS = MappingProxyType(language("en").pictures)

SPARE = 24.0  # pixels by which our guess of a width may be wrong
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def say(words: Mapping[str, str] | None) -> dict[str, str]:
    """Return the words of a picture, with those of another language put in.

    Parameters
    ----------
    words : mapping, optional
        Replacements for entries of :data:`WORDS`; ``{"decimal": ","}`` also sets the decimal sign.

    Returns
    -------
    dict
        Every key of :data:`WORDS`.

    Raises
    ------
    SpecError
        A key that no picture uses.

    Examples
    --------
    >>> say({"missing": "k. A."})["missing"]
    'k. A.'
    """
    unknown = sorted(set(words or {}) - set(WORDS))
    if unknown:
        raise SpecError(
            f"The words {listed(unknown)} are used by no picture.{near(unknown[0], WORDS)} "
            "The keys are those of cxmodels.report.svg.WORDS."
        )
    return {**WORDS, **(words or {})}


def columns(frame: pd.DataFrame, text: str, numbers: Sequence[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """Take from a frame one text column and the number columns that a picture needs.

    Parameters
    ----------
    frame : DataFrame
        Any frame; other columns are left out. The text may also stand in an index of that name, or in an unnamed
        one that is not numeric.
    text : str
        Name of the column of labels.
    numbers : sequence of str
        Columns that must be there.
    optional : sequence of str
        Columns that are filled with NaN where the frame has none.

    Returns
    -------
    DataFrame
        Columns `text` (str), then `numbers` and `optional` (float, infinite values as NaN), fresh integer index.

    Raises
    ------
    SpecError
        A column is missing.
    DataError
        A number column holds text.

    Examples
    --------
    >>> columns(pd.DataFrame({"label": ["a"], "est": [1]}), "label", ["est"], ["se"])
      label  est  se
    0     a  1.0 NaN
    """
    unnamed = frame.index.name is None and not pd.api.types.is_numeric_dtype(frame.index)
    if text not in frame.columns and (frame.index.name == text or unnamed):
        frame = frame.rename_axis(text).reset_index()
    for name in (text, *numbers):
        if name not in frame.columns:
            raise SpecError(
                f"The picture needs a column '{name}', and the frame has {listed(frame.columns)}."
                f"{near(name, map(str, frame.columns))}"
            )
    out: dict[str, object] = {text: [str(v) for v in frame[text]]}
    for name in (*numbers, *optional):
        out[name] = _floats(frame[name], name) if name in frame.columns else np.full(len(frame), np.nan)
    return pd.DataFrame(out)


def _floats(series: pd.Series, name: str) -> np.ndarray:
    try:
        values = pd.to_numeric(series).to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        culprits = [
            v for v in series if pd.isna(pd.to_numeric(pd.Series([v]), errors="coerce")).all() and not pd.isna(v)
        ]
        raise DataError(
            f"Column '{name}' of the picture holds text in {len(culprits)} of {len(series)} rows "
            f"({listed(dict.fromkeys(culprits), 3)}); give numbers, and NaN where there is none."
        ) from None
    return np.where(np.isfinite(values), values, np.nan)


def number(value: float, digits: int, words: Mapping[str, str] = WORDS, signed: bool = False) -> str:
    """Write a number for a reader: a real minus sign, no negative zero, a word where it is missing.

    Parameters
    ----------
    value : float
        The number; anything not finite counts as missing.
    digits : int
        Decimals.
    words : mapping, default WORDS
        Decimal sign and the word for a missing value.
    signed : bool, default False
        Whether to write a plus.

    Returns
    -------
    str
        The text.

    Examples
    --------
    >>> number(-0.125, 2), number(-0.001, 2), number(float("nan"), 1)
    ('−0.12', '0.00', 'n/a')
    """
    if value is None or not math.isfinite(value):
        return words["missing"]
    out = f"{value:,.{digits}f}"
    if float(out.replace(",", "")) == 0:
        out = out.lstrip("-")
    return _written(out, words, signed and value > 0)


def amount(value: float, words: Mapping[str, str] = WORDS, signed: bool = False) -> str:
    """Write an amount: whole from 100 on, three digits below.

    Parameters
    ----------
    value : float
        Anything not finite counts as missing.
    words : mapping, default WORDS
        Signs of numbers and the word for a missing value.
    signed : bool, default False
        Whether to write a plus.

    Returns
    -------
    str

    Examples
    --------
    >>> amount(-12345.6), amount(3.14159, signed=True), amount(12345.6, language("uk").pictures)
    ('−12,346', '+3.14', '12\u202f346')
    """
    if not math.isfinite(value):
        return words["missing"]
    return _written(
        f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{value:,.3g}", words, signed and value > 0
    )


def plain(value: float, words: Mapping[str, str] = WORDS) -> str:
    """Write a number with no more decimals than it has, as of a time or a count.

    Parameters
    ----------
    value : float
    words : mapping, default WORDS

    Returns
    -------
    str

    Examples
    --------
    >>> plain(12.0), plain(0.25, language("bg").pictures)
    ('12', '0,25')
    """
    return number(value, len(f"{value:.6f}".rstrip("0").partition(".")[2]) if math.isfinite(value) else 0, words)


def _written(text: str, words: Mapping[str, str], plus: bool) -> str:
    """A number of Python with the signs of a language."""
    signs = {",": words["group"], ".": words["decimal"], "-": "−"}
    return "+" * bool(plus and text.strip("0.")) + "".join(signs.get(c, c) for c in text)


def span(lower: float, upper: float, digits: int, words: Mapping[str, str] = WORDS) -> str:
    """Write an interval as ``70.6 to 74.3``, or nothing where both ends are missing.

    Parameters
    ----------
    lower, upper : float
        The ends.
    digits : int
        Decimals.
    words : mapping, default WORDS
        The word between the ends and the decimal sign.

    Returns
    -------
    str
        The text.

    Examples
    --------
    >>> span(70.6, 74.31, 1), span(float("nan"), float("nan"), 1)
    ('70.6 to 74.3', '')
    """
    if not (math.isfinite(lower) or math.isfinite(upper)):
        return ""
    return f"{number(lower, digits, words)} {words['to']} {number(upper, digits, words)}"


def ticks(lo: float, hi: float, count: int = 6) -> list[float]:
    """Return round numbers that cover an interval, steps of 1, 2 or 5 times a power of ten.

    Parameters
    ----------
    lo, hi : float
        Ends of the data; equal ends are widened.
    count : int, default 6
        About how many ticks.

    Returns
    -------
    list of float
        Ascending; the first is at most `lo`, the last at least `hi`.

    Examples
    --------
    >>> ticks(0, 100), ticks(-0.12, 0.71)
    ([0.0, 20.0, 40.0, 60.0, 80.0, 100.0], [-0.2, 0.0, 0.2, 0.4, 0.6, 0.8])
    """
    if hi - lo <= 1e-9 * max(abs(lo), abs(hi)):
        half = max(abs(lo), abs(hi)) * 0.5 or 0.5
        lo, hi = lo - half, hi + half
    raw = (hi - lo) / max(count - 1, 1)
    power = math.floor(math.log10(raw))
    step = min(m * 10.0**power for m in (1, 2, 5, 10) if m * 10.0**power >= raw * 0.999)
    first, last = math.floor(lo / step + 1e-9), math.ceil(hi / step - 1e-9)
    decimals = max(0, -math.floor(math.log10(step)))
    return [round(i * step, decimals) + 0.0 for i in range(first, last + 1)]


def _attribute(value: object) -> str:
    if isinstance(value, float):
        short = f"{value:.2f}".rstrip("0").rstrip(".")
        return "0" if short == "-0" else short
    return _escape(_FORBIDDEN.sub("\ufffd", CONTROL.sub("", str(value))))


class Drawing(str):
    """A finished picture: SVG text that a notebook shows.

    Examples
    --------
    >>> Drawing("<svg></svg>")._repr_svg_()
    '<svg></svg>'
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Drawing, {len(self):,} characters of SVG>"

    def _repr_svg_(self) -> str:
        return str(self)

    def write(self, path: str | Path) -> Path:
        """Write the picture to a file, whole or not at all.

        Parameters
        ----------
        path : str or Path
            Ends in .svg.

        Returns
        -------
        Path

        Raises
        ------
        SpecError
            For another suffix.
        DataError
            If the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".svg":
            raise SpecError(
                f"A picture is written as .svg, not '{path.suffix}'; a browser or Inkscape turns it into others."
            )
        with replacing(path, "picture") as draft:
            draft.write_text(str(self), encoding="utf-8")
        return path


class Picture:
    """An SVG being drawn.

    Parameters
    ----------
    width, height : float
        Size of the ``viewBox`` in pixels.
    title, desc : str
        What a screen reader says: the name of the picture, then its content.
    id : str
        Prefix of every id in the picture, so that many pictures live in one page.

    Examples
    --------
    >>> pic = Picture(100, 20, "Greeting", "One word", "p1")
    >>> pic.text(0, 15, "<hello>")
    >>> "&lt;hello&gt;" in pic.svg()
    True
    """

    def __init__(self, width: float, height: float, title: str, desc: str, id: str) -> None:
        self.width, self.height = width, height
        name = re.sub(r"[^\w-]", "-", id, flags=re.ASCII)
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="{name}-title {name}-desc" '
            f'viewBox="0 0 {_attribute(float(width))} {_attribute(float(height))}" width="100%" '
            f'font-family="{FONT}" font-size="13" fill="{INK}">',
            f'<title id="{name}-title">{_attribute(title)}</title>',
            f'<desc id="{name}-desc">{_attribute(desc)}</desc>',
        ]

    def draw(self, tag: str, **attributes: object) -> None:
        """Add one element; ``stroke_width=2`` becomes ``stroke-width="2"``, None leaves an attribute out.

        Parameters
        ----------
        tag : str
            Name of the element.
        **attributes : object
            Its attributes.
        """
        shown = (f' {k.replace("_", "-")}="{_attribute(v)}"' for k, v in attributes.items() if v is not None)
        self._parts.append(f"<{tag}{''.join(shown)}/>")

    def line(
        self, x1: float, y1: float, x2: float, y2: float, stroke: str = INK, width: float = 1, **more: object
    ) -> None:
        """Add a straight line.

        Parameters
        ----------
        x1, y1, x2, y2 : float
            Its ends.
        stroke : str
            Colour.
        width : float, default 1
            Thickness.
        **more : object
            Further attributes.
        """
        self.draw(
            "line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), stroke=stroke, stroke_width=width, **more
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 13,
        anchor: str = "start",
        fill: str = INK,
        bold: bool = False,
        turn: bool = False,
    ) -> None:
        """Add one line of text, whatever its script; what is too long for the picture is cut, with the whole as a tooltip.

        Parameters
        ----------
        x, y : float
            The point on the base line that `anchor` speaks of.
        text : str
            Escaped here.
        size : float, default 13
            Font size in pixels.
        anchor : {"start", "middle", "end"}
            Whether the text stands right of the point, around it, or left of it.
        fill : str
            Colour.
        bold : bool, default False
            Whether it is set bold.
        turn : bool, default False
            Whether it reads upwards.
        """
        room = {"start": self.width - x, "end": x}.get(anchor, 2 * min(x, self.width - x))
        room, whole = (self.height if turn else room), text
        if text_width(text, size, bold) > room + SPARE:  # a name from the data may be of any length
            text = clip(text, size, room, bold)
        direction = None
        if right_to_left(text):
            # There the text starts at its right end; the side of the point must not change.
            direction, anchor = "rtl", {"start": "end", "end": "start"}.get(anchor, anchor)
        styled = {
            "font-size": None if size == 13 else _attribute(float(size)),
            "text-anchor": None if anchor == "start" else anchor,
            "fill": None if fill == INK else fill,
            "font-weight": "600" if bold else None,
            "direction": direction,
            "transform": f"rotate(-90 {_attribute(float(x))} {_attribute(float(y))})" if turn else None,
        }
        shown = "".join(f' {k}="{v}"' for k, v in styled.items() if v is not None)
        tip = "" if text == whole else f"<title>{_attribute(whole)}</title>"
        self._parts.append(
            f'<text x="{_attribute(float(x))}" y="{_attribute(float(y))}"{shown}>{tip}{_attribute(text)}</text>'
        )

    def open(self, tip: str) -> None:
        """Open a group whose elements share a tooltip.

        Parameters
        ----------
        tip : str
            Shown where the pointer rests.
        """
        self._parts.append(f"<g><title>{_attribute(tip)}</title>")

    def close(self) -> None:
        """Close the group opened last."""
        self._parts.append("</g>")

    def svg(self) -> str:
        """Return the whole picture.

        Returns
        -------
        str
            One ``<svg>`` element.
        """
        return "\n".join([*self._parts, "</svg>"])
