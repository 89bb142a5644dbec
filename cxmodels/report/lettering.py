"""How wide a text is, roughly, and how to cut or break it; for any script, without a font at hand."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence

__all__ = ["clip", "right_to_left", "text_width", "wrap"]

# Advance widths of Arial and Helvetica in em, grouped; other scripts are told by their Unicode category.
_ADVANCE = {
    char: width
    for width, chars in {
        0.222: "ijl'",
        0.278: " !,./:;I[]\\ft|\u00a0",
        0.334: "()-`r{}",
        0.389: '"*',
        0.500: "Jcksvxyz^",
        0.556: "#$?_Labdeghnopqu0123456789–",
        0.584: "+<=>~−",
        0.611: "FTZ",
        0.667: "&ABEKPSVXY",
        0.722: "CDHNRUw",
        0.778: "GOQ",
        0.833: "Mm",
        0.889: "%",
        0.944: "W",
        1.015: "@",
    }.items()
    for char in chars
}
_SLACK = 1.05  # the reader's font may be wider than ours
_JOINED = re.compile("[\u200d\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Return about how wide a text is when set in a Helvetica-like font.

    Parameters
    ----------
    text : str
        One line.
    size : float
        Font size in pixels.
    bold : bool, default False
        Whether it is set bold.

    Returns
    -------
    float
        Pixels, a little on the safe side.

    Examples
    --------
    >>> round(text_width("Satisfaction", 13))
    71
    """
    return sum(map(_advance, text)) * size * _SLACK * (1.06 if bold else 1)


def _advance(char: str) -> float:
    if char in _ADVANCE:
        return _ADVANCE[char]
    if unicodedata.category(char) in ("Mn", "Me", "Cf") or _JOINED.match(char):
        return 0.0
    if unicodedata.east_asian_width(char) in "WF":
        return 1.3 if char > "\U0001f000" else 1.0
    return 0.74 if char.isupper() else 0.6


def _clusters(text: str) -> list[str]:
    """Split into what a reader sees as single characters, so that a cut never halves an emoji or an accent."""
    out: list[str] = []
    for char in text:
        glued = out and (_JOINED.match(char) or unicodedata.category(char) in ("Mn", "Me") or out[-1][-1] == "\u200d")
        if glued:
            out[-1] += char
        else:
            out.append(char)
    return out


def clip(text: str, size: float, width: float, bold: bool = False, tail: str = "") -> str:
    """Cut a text so that it fits a width, with an ellipsis where something is left out.

    Parameters
    ----------
    text : str
        One line.
    size, width : float
        Font size and room, in pixels.
    bold : bool, default False
        Whether it is set bold.
    tail : str, default ""
        What comes after it and stays whole, such as a number.

    Returns
    -------
    str
        The text or its beginning.

    Examples
    --------
    >>> clip("Perceived quality", 13, 60), clip("Perceived quality", 13, 90, tail=" +0.5")
    ('Perceiv…', 'Perceiv… +0.5')
    """
    if text_width(text + tail, size, bold) <= width:
        return text + tail
    width -= text_width(tail, size, bold)
    kept, used = [], text_width("…", size, bold)
    for part in _clusters(text):
        used += text_width(part, size, bold)
        if used > width:
            break
        kept.append(part)
    return "".join(kept).rstrip() + "…" + tail


def wrap(text: str, size: float, width: float, lines: int = 4, bold: bool = False) -> list[str]:
    """Break a text into lines of about equal length that fit a width.

    Parameters
    ----------
    text : str
        Any text; runs of white space count as one blank.
    size, width : float
        Font size and room, in pixels.
    lines : int, default 4
        At most so many; the last ends in an ellipsis if something is left out.
    bold : bool, default False
        Whether it is set bold.

    Returns
    -------
    list of str
        At least one line.

    Examples
    --------
    >>> wrap("Perceived quality of the network", 13, 120)
    ['Perceived quality', 'of the network']
    """
    words = [piece for word in text.split() for piece in _pieces(word, size, width, bold)]
    out = _fill(words, size, width, bold)
    if len(out) > lines:
        rest = " ".join(out[lines - 1 :])
        return [*out[: lines - 1], clip(rest, size, width, bold)]
    narrower = width
    while narrower > 40 and len(_fill(words, size, narrower - 4, bold)) == len(out):
        narrower -= 4
        out = _fill(words, size, narrower, bold)
    return out


def room_for(texts: Iterable[str], size: float, usual: float, most: float) -> float:
    """Return how wide lines of bold text must be so that no word is cut, within reason.

    Parameters
    ----------
    texts : iterable of str
    size : float
        Font size.
    usual, most : float
        Width where all words fit into it, and the widest.

    Returns
    -------
    float

    Examples
    --------
    >>> room_for(["Loyalty"], 13, 112, 150), room_for(["Удовлетворённость клиентов"], 13, 112, 150) > 140
    (112, True)
    """
    longest = max((text_width(word, size, bold=True) for text in texts for word in text.split()), default=0.0)
    return usual if longest <= usual else min(longest + 1, most)


def _pieces(word: str, size: float, width: float, bold: bool) -> Iterable[str]:
    """Yield the word, cut to about equal pieces where it is longer than a line."""
    whole = text_width(word, size, bold)
    room = whole / math.ceil(whole / (width - size)) + size if whole > width else width
    piece = ""
    for cluster in _clusters(word):
        if piece and text_width(piece + cluster, size, bold) > room:
            yield piece
            piece = ""
        piece += cluster
    yield piece


def _fill(words: Sequence[str], size: float, width: float, bold: bool) -> list[str]:
    out = [words[0] if words else ""]
    for word in words[1:]:
        longer = f"{out[-1]} {word}"
        if text_width(longer, size, bold) <= width:
            out[-1] = longer
        else:
            out.append(word)
    return out


def right_to_left(text: str) -> bool:
    """Tell whether a text begins in a script that runs from right to left.

    Parameters
    ----------
    text : str
        One line.

    Returns
    -------
    bool
        True if its first letter belongs to such a script.

    Examples
    --------
    >>> right_to_left("رضا"), right_to_left("Loyalty")
    (True, False)
    """
    strong = (unicodedata.bidirectional(c) for c in text)
    return next((b for b in strong if b in ("L", "R", "AL")), "L") != "L"
