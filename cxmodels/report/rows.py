"""The chart that most results need: one row for each thing, its label, a dot with its interval, its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .lettering import clip, text_width
from .svg import ACCENT, BLUE, BLUSH, GREY, INK, PALE, PAPER, RULE, Picture, number, span

__all__ = ["Guide", "Row", "Rows", "Scale", "axis", "decimals", "notes_below"]

SMALL = 11.0


@dataclass(frozen=True)
class Row:
    """One row of a chart.

    Attributes
    ----------
    label : str
        At the left.
    est, lower, upper : float
        The estimate and its interval, NaN where missing.
    hollow, warm, strong : bool
        Whether the mark is hollow, whether it is vermilion, whether the label is bold.
    gap : str
        Text that stands in place of everything else, for a row that tells what is left out.
    """

    label: str
    est: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    hollow: bool = False
    warm: bool = False
    strong: bool = False
    gap: str = ""

    @property
    def bounded(self) -> bool:
        """Whether both ends of the interval are known."""
        return math.isfinite(self.lower) and math.isfinite(self.upper)

    def covers(self, value: float) -> bool:
        """Tell whether the interval includes a value.

        Parameters
        ----------
        value : float
            For example 0.

        Returns
        -------
        bool
            False where an end is missing.
        """
        return self.bounded and min(self.lower, self.upper) <= value <= max(self.lower, self.upper)

    def tell(self, digits: int, words: Mapping[str, str]) -> str:
        """Return the row in words.

        Parameters
        ----------
        digits : int
            Decimals.
        words : mapping
            All words of a picture.

        Returns
        -------
        str
            Label, estimate and interval.
        """
        inside = span(self.lower, self.upper, digits, words)
        return self.gap or f"{self.label} {number(self.est, digits, words)}" + (f" ({inside})" if inside else "")


@dataclass(frozen=True)
class Guide:
    """A vertical line across all rows: a threshold, or the overall value."""

    at: float
    label: str


@dataclass(frozen=True)
class Rows:
    """A chart of rows.

    Attributes
    ----------
    rows : sequence of Row
        From top to bottom.
    ticks : list of float
        Of the axis; its ends are the ends of the plot. What lies outside is cut there, its numbers are still printed.
    digits : int
        Decimals of the numbers.
    axis_label : str
        Under the axis.
    bars : bool, default False
        Whether a bar from 0 lies behind each dot.
    guides : sequence of Guide
        Vertical lines.
    notes : sequence of str
        Key at the foot.
    height : float, default 30
        Of a row, in pixels.
    signed : bool, default False
        Whether numbers have a plus.
    """

    rows: Sequence[Row]
    ticks: list[float]
    digits: int
    axis_label: str
    bars: bool = False
    guides: Sequence[Guide] = field(default=())
    notes: Sequence[str] = field(default=())
    height: float = 30.0
    signed: bool = False

    def svg(self, title: str, width: float, words: Mapping[str, str], id: str) -> str:
        """Draw the chart.

        Parameters
        ----------
        title : str
            Name for screen readers.
        width : float
            Pixels.
        words : mapping
            All words of a picture.
        id : str
            Prefix of ids.

        Returns
        -------
        str
            One ``<svg>`` element.
        """
        values = [number(r.est, self.digits, words, self.signed) for r in self.rows]
        spans = [span(r.lower, r.upper, self.digits, words) for r in self.rows]
        named = max((text_width(r.label, 13, bold=True) for r in self.rows), default=0)
        labels = min(named + 14, 0.42 * width)
        wide = max((text_width(v, 13, bold=True) for v in values), default=0)
        ranged = max((text_width(s, SMALL) for s in spans), default=0)
        right = width - wide - ranged - (30 if ranged else 18)
        top = 26.0 if self.guides else 6.0
        bottom = top + max(len(values), 1) * self.height
        foot = 22 + 18 * bool(self.axis_label) + 17 * bool(self.notes)
        pic = Picture(width, bottom + foot, title, self._describe(words), id)
        x = axis(pic, self.ticks, labels, right, top, bottom, self.axis_label, words)
        self._guides(pic, x, top, bottom, labels, right)
        for i, row in enumerate(self.rows):
            y = top + (i + 0.5) * self.height
            if row.gap:
                _draw_gap(pic, row.gap, y, width)
                continue
            known = math.isfinite(row.est)
            label = clip(row.label, 13, labels - 14, row.strong)
            pic.text(labels - 12, y + 4.5, label, anchor="end", bold=row.strong)
            if known:
                self._mark(pic, x, row, y)
            pic.text(right + 14 + wide, y + 4.5, values[i], anchor="end", fill=INK if known else GREY, bold=known)
            pic.text(width - 2, y + 4, spans[i], SMALL, "end", GREY)
        if not values:
            pic.text(labels, top + 20, words["nothing"], fill=GREY)
        notes_below(pic, self.notes, labels, pic.height - 6)
        return pic.svg()

    def _describe(self, words: Mapping[str, str], limit: int = 20) -> str:
        told = "; ".join(r.tell(self.digits, words) for r in self.rows[:limit]) or words["nothing"]
        return told + ("; …" if len(self.rows) > limit else "")

    def _mark(self, pic: Picture, x: Scale, row: Row, y: float) -> None:
        ink, pale = (ACCENT, BLUSH) if row.warm else (BLUE, PALE)
        if self.bars:
            start, end = sorted((x(0.0), x(row.est)))
            half = self.height * 0.3
            fill, edge = (PAPER, pale) if row.hollow else (pale, None)
            pic.draw("rect", x=start, y=y - half, width=end - start, height=2 * half, fill=fill, stroke=edge)
        if row.bounded:
            pic.line(x(row.lower), y, x(row.upper), y, ink, 2)
        radius = min(5.0, self.height * 0.22)
        fill = PAPER if row.hollow else ink
        pic.draw("circle", cx=x(row.est), cy=y, r=radius, fill=fill, stroke=ink, stroke_width=1.8)

    def _guides(self, pic: Picture, x: Scale, top: float, bottom: float, left: float, right: float) -> None:
        taken = -math.inf
        for guide in sorted(self.guides, key=lambda g: g.at):
            at = x(guide.at)
            pic.line(at, top - 4, at, bottom, INK, 1, stroke_dasharray="5 3")
            half = text_width(guide.label, SMALL) / 2
            middle = max(min(max(at, left + half), right - half), taken + half + 8)
            pic.text(middle, top - 10, guide.label, SMALL, "middle")
            taken = middle + half


class Scale:
    """Data to pixels, cut at the ends of the axis.

    Parameters
    ----------
    ticks : sequence of float
        Ascending; the first and the last are the ends.
    start, end : float
        Their pixels; `end` may be the smaller, as on a vertical axis.

    Examples
    --------
    >>> Scale([0, 50, 100], 10, 210)(25)
    60.0
    """

    def __init__(self, ticks: Sequence[float], start: float, end: float) -> None:
        self.lo, self.hi, self.start, self.end = ticks[0], ticks[-1], start, end

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        share = (min(max(value, self.lo), self.hi) - self.lo) / (self.hi - self.lo)
        return float(self.start + share * (self.end - self.start))


def axis(
    pic: Picture,
    ticks: Sequence[float],
    left: float,
    right: float,
    top: float,
    bottom: float,
    label: str,
    words: Mapping[str, str],
) -> Scale:
    """Draw a horizontal axis with its grid and return the scale from data to pixels.

    Parameters
    ----------
    pic : Picture
        Where to draw.
    ticks : sequence of float
        Ascending.
    left, right, top, bottom : float
        The plot.
    label : str
        Under the numbers.
    words : mapping
        Decimal sign.

    Returns
    -------
    callable
        Value to x.
    """
    x = Scale(ticks, left, right)
    digits = decimals(ticks)
    for tick in ticks:
        zero = tick == 0 and ticks[0] < 0
        pic.line(x(tick), top, x(tick), bottom, INK if zero else RULE, 1.2 if zero else 1)
        pic.text(x(tick), bottom + 15, number(tick, digits, words), SMALL, "middle", GREY)
    if label:
        pic.text(left, bottom + 33, label, SMALL, fill=GREY)
    return x


def decimals(ticks: Sequence[float]) -> int:
    """Return how many decimals the labels of an axis need.

    Parameters
    ----------
    ticks : sequence of float
        The ticks.

    Returns
    -------
    int
        Decimals.

    Examples
    --------
    >>> decimals([0.0, 0.25, 0.5]), decimals([0.0, 20.0])
    (2, 0)
    """
    return next((d for d in range(6) if all(abs(t - round(t, d)) < 1e-9 for t in ticks)), 6)


def notes_below(pic: Picture, notes: Sequence[str], x: float, y: float) -> None:
    """Write the key of a chart at its foot.

    Parameters
    ----------
    pic : Picture
        Where to draw.
    notes : sequence of str
        Joined by semicolons.
    x, y : float
        Where the text begins.
    """
    if notes:
        pic.text(x, y, "; ".join(notes) + ".", SMALL, fill=GREY)


def _draw_gap(pic: Picture, note: str, y: float, width: float) -> None:
    half = text_width(note, SMALL) / 2 + 10
    for x1, x2 in ((0.0, width / 2 - half), (width / 2 + half, width)):
        pic.line(x1, y, x2, y, GREY, 1, stroke_dasharray="1 4")
    pic.draw("rect", x=width / 2 - half, y=y - 8, width=2 * half, height=16, fill=PAPER)
    pic.text(width / 2, y + 4, note, SMALL, "middle", GREY)
