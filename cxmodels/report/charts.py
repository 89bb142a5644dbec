"""The charts of a report: frames in, SVG text out.

All of them take `title` (what a screen reader says first), `width` in pixels, `words` (another language, by the keys
of ``cxmodels.report.svg.WORDS``) and `id` (prefix of the ids; give each picture of a page its own). Missing numbers
show as n/a.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from ..errors import SpecError
from .lettering import clip, text_width
from .plots import answer_distribution, histogram, importance_performance
from .rows import Guide, Row, Rows, Scale
from .svg import BLUE, GREY, INK, PALE, RULE, TINT, Picture, columns, number, say, span, ticks

__all__ = [
    "answer_distribution",
    "headline",
    "histogram",
    "impact_bars",
    "importance_performance",
    "index_bars",
    "interval_forest",
    "unit_dots",
]

SMALL = 11.0
ENDS = ("ci_lower", "ci_upper")
Words = Mapping[str, str] | None


def index_bars(
    frame: pd.DataFrame,
    *,
    highlight: str | None = None,
    title: str | None = None,
    width: float = 900,
    words: Words = None,
    id: str = "index",
) -> str:
    """Draw the index of each construct on 0–100 with its interval, in the order of the frame.

    Parameters
    ----------
    frame : DataFrame
        Columns construct, index; optional ci_lower, ci_upper.
    highlight : str, optional
        The construct set bold.
    title, width, words, id
        See the module.

    Returns
    -------
    str
        One ``<svg>`` element.

    Examples
    --------
    >>> "72.4" in index_bars(pd.DataFrame({"construct": ["Satisfaction"], "index": [72.4]}))
    True
    """
    said = say(words)
    rows = [replace(r, strong=r.label == highlight) for r in _rows(frame, "construct", "index")]
    return Rows(rows, ticks(0, 100), 1, said["index"], bars=True).svg(title or said["index_title"], width, said, id)


def impact_bars(
    frame: pd.DataFrame,
    target: str,
    *,
    title: str | None = None,
    width: float = 900,
    words: Words = None,
    id: str = "impact",
) -> str:
    """Draw what each driver does to a target, largest first; hollow where the interval covers 0.

    Parameters
    ----------
    frame : DataFrame
        Columns driver, impact; optional ci_lower, ci_upper.
    target : str
        Label of the construct that is moved.
    title, width, words, id
        See the module.

    Returns
    -------
    str
        One ``<svg>`` element.

    Examples
    --------
    >>> "0.64" in impact_bars(pd.DataFrame({"driver": ["Quality"], "impact": [0.64]}), "Satisfaction")
    True
    """
    said = say(words)
    rows = [replace(r, hollow=r.covers(0), warm=r.est < 0) for r in _rows(frame, "driver", "impact")]
    label = said["impact"].format(target=target)
    notes = [said["hollow"]] if any(r.hollow for r in rows) else []
    chart = Rows(sorted(rows, key=_descending), _reach(rows, [0.0]), 2, label, bars=True, notes=notes)
    return chart.svg(title or label, width, said, id)


def interval_forest(
    frame: pd.DataFrame,
    *,
    thresholds: Sequence[float] = (),
    digits: int = 2,
    axis_label: str | None = None,
    title: str | None = None,
    width: float = 900,
    words: Words = None,
    id: str = "forest",
) -> str:
    """Draw estimates with their intervals, one row each, in the order of the frame.

    Without thresholds a dot is hollow where its interval covers 0. With thresholds a row whose interval reaches the
    lowest one is vermilion.

    Parameters
    ----------
    frame : DataFrame
        Columns label, est; optional ci_lower, ci_upper.
    thresholds : sequence of float, optional
        For example .85 and .90 for HTMT (Henseler, Ringle and Sarstedt, 2015).
    digits : int, default 2
        Decimals.
    axis_label : str, optional
        Under the axis; default: the word for estimate.
    title, width, words, id
        See the module.

    Returns
    -------
    str
        One ``<svg>`` element.

    Examples
    --------
    >>> htmt = pd.DataFrame({"label": ["Image, Quality"], "est": [0.91]})
    >>> "0.91" in interval_forest(htmt, thresholds=[0.85, 0.90])
    True
    """
    said = say(words)
    rows = _rows(frame, "label", "est")
    limits = sorted(float(t) for t in thresholds)
    notes = []
    if limits:
        rows = [replace(r, warm=(r.upper if r.bounded else r.est) >= limits[0]) for r in rows]
        if any(r.warm for r in rows):
            word = "beyond" if any(r.bounded for r in rows) else "at_least"
            notes = [said[word].format(threshold=number(limits[0], digits, said))]
    else:
        rows = [replace(r, hollow=r.covers(0)) for r in rows]
        notes = [said["hollow"]] if any(r.hollow for r in rows) else []
    guides = [Guide(t, number(t, digits, said)) for t in limits]
    label = said["estimate"] if axis_label is None else axis_label
    at = _reach(rows, [*limits, 0.0])
    chart = Rows(rows, at, digits, label, guides=guides, notes=notes, height=26)
    return chart.svg(title or said["estimates_title"], width, said, id)


def unit_dots(
    frame: pd.DataFrame,
    *,
    overall: float | None = None,
    overall_label: str | None = None,
    highlight: str | None = None,
    most: int = 60,
    title: str | None = None,
    width: float = 900,
    words: Words = None,
    id: str = "units",
) -> str:
    """Draw the index of many companies or other units, highest first, against the overall index.

    A dot is filled where its interval excludes the overall value: blue above, vermilion below.

    Parameters
    ----------
    frame : DataFrame
        Columns unit, index; optional ci_lower, ci_upper.
    overall : float, optional
        The index of all units together; the line is left out without it.
    overall_label : str, optional
        What the line is called; default: the word for overall.
    highlight : str, optional
        The unit set bold.
    most : int, default 60
        With more units only the first and last halves of so many are drawn, and a row says how many are not. Sixty
        rows are what a printed page holds.
    title, width, words, id
        See the module.

    Returns
    -------
    str
        One ``<svg>`` element.

    Raises
    ------
    SpecError
        `most` is below 2.

    Examples
    --------
    >>> units = pd.DataFrame({"unit": ["A", "B"], "index": [70.0, 75.0]})
    >>> unit_dots(units, overall=72.5).index(">B<") < unit_dots(units, overall=72.5).index(">A<")
    True
    """
    if most < 2:
        raise SpecError(f"unit_dots can show no fewer than 2 units, and most is {most}.")
    said = say(words)
    rows = [replace(r, strong=r.label == highlight) for r in _rows(frame, "unit", "index")]
    rows.sort(key=_descending)
    guides, notes, line = [], [], math.nan if overall is None else float(overall)
    if math.isfinite(line):
        label = overall_label or said["overall"]
        rows = [replace(r, hollow=not r.bounded or r.covers(line), warm=r.est < line) for r in rows]
        guides = [Guide(line, f"{label} {number(line, 1, said)}")]
        notes = [said["differs"].format(overall=number(line, 1, said))] if any(not r.hollow for r in rows) else []
    at = _reach(rows, [line])
    half = most // 2
    if len(rows) > most:
        gap = Row("", gap=said["omitted"].format(n=number(len(rows) - 2 * half, 0, said)))
        rows = [*rows[:half], gap, *rows[-half:]]
    chart = Rows(rows, at, 1, said["index"], guides=guides, notes=notes, height=21)
    return chart.svg(title or said["units_title"], width, said, id)


def headline(
    index: float,
    ci_lower: float = math.nan,
    ci_upper: float = math.nan,
    *,
    label: str,
    n: int | None = None,
    marks: Mapping[str, float] | None = None,
    title: str | None = None,
    width: float = 900,
    words: Words = None,
    id: str = "headline",
) -> str:
    """Draw one index as a large number beside a ruler from 0 to 100 with its interval.

    Parameters
    ----------
    index : float
        On 0–100.
    ci_lower, ci_upper : float, default NaN
        Its interval.
    label : str
        What it measures.
    n : int, optional
        Respondents.
    marks : mapping, optional
        Label to value of what to compare with, such as last year.
    title, width, words, id
        See the module.

    Returns
    -------
    str
        One ``<svg>`` element.

    Examples
    --------
    >>> "72.4" in headline(72.4, 70.6, 74.3, label="Satisfaction")
    True
    """
    said = say(words)
    value, inside = number(index, 1, said), span(ci_lower, ci_upper, 1, said)
    facts = ([said["interval"].format(span=inside)] if inside else []) + (
        [said["n"].format(n=number(n, 0, said))] if n is not None else []
    )
    told = ", ".join([f"{label} {value}", *facts, *(f"{k} {number(v, 1, said)}" for k, v in (marks or {}).items())])
    left, right, ruler = 0.36 * width, width - 16, 62.0
    x = Scale([0, 100], left, right)
    flags = _flags(marks or {}, x, width, said)
    height = max(122.0, ruler + 64 + 18 * max((level for *_, level in flags), default=-1))
    pic = Picture(width, height, title or label, told, id)
    pic.text(0, 22, clip(label, 15, width - 20, True), 15, bold=True)
    pic.text(0, 84, value, 62, fill=BLUE if math.isfinite(index) else GREY, bold=True)
    pic.text(2, 110, " · ".join(facts), 13, fill=GREY)
    pic.draw("rect", x=left, y=ruler - 7, width=right - left, height=14, rx=2, fill=TINT, stroke=RULE)
    for tick in range(0, 101, 10):
        pic.line(x(tick), ruler + 7, x(tick), ruler + 12, GREY)
        if tick % 20 == 0:
            pic.text(x(tick), ruler + 25, number(tick, 0, said), SMALL, "middle", GREY)
    if math.isfinite(index):
        pic.draw("rect", x=left, y=ruler - 7, width=x(index) - left, height=14, rx=2, fill=PALE)
        if math.isfinite(ci_lower) and math.isfinite(ci_upper):
            pic.line(x(ci_lower), ruler, x(ci_upper), ruler, BLUE, 6)
        pic.line(x(index), ruler - 15, x(index), ruler + 9, INK, 2.5)
        pic.text(x(index), ruler - 21, value, 13, "middle", bold=True)
    for text, at, start, level in flags:
        y = ruler + 46 + 18 * level
        pic.line(at, ruler - 7, at, y + 2, INK, 1, stroke_dasharray="3 2")
        pic.text(start, y, text, SMALL)
    return pic.svg()


# -- shared -------------------------------------------------------------------------------------------------------


def _rows(frame: pd.DataFrame, label: str, est: str) -> list[Row]:
    data = columns(frame, label, [est], ENDS)
    return [Row(*cells) for cells in zip(data[label], *(data[c].to_list() for c in (est, *ENDS)), strict=True)]


def _descending(row: Row) -> tuple[bool, float]:
    """Sort by the estimate, highest first, missing ones last."""
    missing = not math.isfinite(row.est)
    return missing, 0.0 if missing else -row.est


def _reach(rows: Sequence[Row], also: Sequence[float]) -> list[float]:
    """Return ticks over all estimates and interval ends."""
    every = [*(v for r in rows for v in (r.est, r.lower, r.upper)), *also]
    values = [v for v in every if math.isfinite(v)]
    return ticks(min(values, default=0.0), max(values, default=1.0), 7)


def _flags(
    marks: Mapping[str, float], x: Scale, width: float, words: Mapping[str, str]
) -> list[tuple[str, float, float, int]]:
    """Return text, x, where the text starts, and its line, for each mark under the ruler.

    The outermost marks stand highest and their texts point outwards, so no text meets the line of another mark.
    """
    known = sorted(((v, k) for k, v in marks.items() if math.isfinite(v)))
    out = []
    for i, (value, label) in enumerate(known):
        text = f"{label} {number(value, 1, words)}"
        wide, leftwards = text_width(text, SMALL), i < len(known) // 2
        start = x(value) - wide - 5 if leftwards else x(value) + 5
        out.append((text, x(value), min(max(start, 0.0), width - wide), min(i, len(known) - 1 - i)))
    return out
