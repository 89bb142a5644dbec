"""The charts of a benchmark study: changes, an index against its industry, the course over waves.

All take `title`, `width`, `words` and `id` as those of ``cxmodels.report.charts``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from .lettering import clip, text_width
from .rows import Row, Rows, Scale, axis, decimals
from .svg import ACCENT, BLUE, GREY, INK, PALE, PAPER, RULE, Picture, columns, number, say, ticks

__all__ = ["against_chart", "change_rows", "course_chart", "interval_mark"]

SMALL = 11.0
NO_WORDS: Mapping[str, str] = {}


def change_rows(
    frame: pd.DataFrame,
    *,
    axis_label: str,
    note: str = "",
    strong: str | None = None,
    bars: bool = False,
    most: int = 40,
    omitted: str = "",
    digits: int = 1,
    title: str | None = None,
    width: float = 900,
    words: Mapping[str, str] = NO_WORDS,
    id: str = "changes",
) -> str:
    """Draw changes about zero, in the order of the frame: filled where they are clear, vermilion where they fall.

    Parameters
    ----------
    frame : DataFrame
        Columns label, est; optional ci_lower, ci_upper, clear (bool; default: the interval excludes 0).
    axis_label : str
        Under the axis.
    note : str
        What hollow means, at the foot where something is hollow.
    strong : str, optional
        The row set bold.
    bars : bool, default False
        Whether a bar from 0 lies behind each dot.
    most : int, default 40
        With more rows only the first and last halves of so many are drawn.
    omitted : str
        What stands for the others; ``{n}`` is how many. Default: the word of the charts.
    digits : int, default 1
        Decimals.
    title, width, words, id
        See the module.

    Returns
    -------
    str
        One ``<svg>`` element.

    Examples
    --------
    >>> moved = pd.DataFrame({"label": ["A", "B"], "est": [1.5, -2.0], "clear": [True, False]})
    >>> "−2.0" in change_rows(moved, axis_label="Points")
    True
    """
    said = say(words)
    data = columns(frame.drop(columns="clear", errors="ignore"), "label", ["est"], ["ci_lower", "ci_upper"])
    plain = [
        Row(*cells) for cells in data[["label", "est", "ci_lower", "ci_upper"]].itertuples(index=False, name=None)
    ]
    clear = [bool(c) for c in frame["clear"]] if "clear" in frame else [not r.covers(0) for r in plain]
    rows = [
        Row(r.label, r.est, r.lower, r.upper, hollow=not c, warm=r.est < 0, strong=r.label == strong)
        for r, c in zip(plain, clear, strict=True)
    ]
    reach = [v for r in rows for v in (r.est, r.lower, r.upper) if math.isfinite(v)]
    at = ticks(min([0.0, *reach]), max([0.0, *reach]), 7)
    if len(rows) > most:
        gap = Row("", gap=(omitted or said["omitted"]).format(n=number(len(rows) - 2 * (most // 2), 0, said)))
        rows = [*rows[: most // 2], gap, *rows[-(most // 2) :]]
    notes = [note] if note and any(r.hollow for r in rows) else []
    chart = Rows(rows, at, digits, axis_label, bars=bars, notes=notes, height=26 if bars else 22, signed=True)
    return chart.svg(title or said["changes_title"], width, said, id)


def against_chart(
    frame: pd.DataFrame,
    *,
    own: str,
    middle: str,
    best: str,
    axis_label: str = "",
    title: str | None = None,
    width: float = 900,
    words: Mapping[str, str] = NO_WORDS,
    id: str = "against",
) -> str:
    """Draw indices of one company with their intervals, between those of its industry and of the best in it.

    Parameters
    ----------
    frame : DataFrame
        Columns label, index, industry, best; optional ci_lower, ci_upper.
    own, middle, best : str
        Names for the key: the company, the industry, the best in class.
    axis_label : str
        Under the axis.
    title, width, words, id
        See the module.

    Returns
    -------
    str
        One ``<svg>`` element; the number at the right is the company's.

    Examples
    --------
    >>> scores = pd.DataFrame({"label": ["Quality"], "index": [74.0], "industry": [72.0], "best": [80.0]})
    >>> against_chart(scores, own="Ours", middle="Industry", best="Best").count("<polygon")
    2
    """
    said = say(words)
    names = ["label", "index", "industry", "best"]
    data = columns(frame, "label", names[1:], ["ci_lower", "ci_upper"])
    tall, top = 32.0, 34.0
    bottom = top + tall * max(len(data), 1)
    told = "; ".join(
        f"{label} {number(index, 1, said)}, {middle} {number(industry, 1, said)}, {best} {number(top_index, 1, said)}"
        for label, index, industry, top_index in zip(*(data[c] for c in names), strict=True)
    )
    pic = Picture(width, bottom + 42, title or said["against_title"], told or said["nothing"], id)
    left = min(max((text_width(n, 13) for n in data["label"]), default=0) + 14, 0.34 * width)
    values = data[["index", "industry", "best", "ci_lower", "ci_upper"]].to_numpy()
    known = values[np.isfinite(values)]
    if not len(known):
        pic.text(left, top + 20, said["nothing"], fill=GREY)
        return pic.svg()
    x = axis(pic, ticks(known.min(), known.max(), 8), left, width - 70, top, bottom, axis_label, said)
    _key(pic, left, own, middle, best)
    for i, (label, index, industry, top_index, lower, upper) in enumerate(
        data[[*names, "ci_lower", "ci_upper"]].itertuples(index=False, name=None)
    ):
        y = top + (i + 0.5) * tall
        pic.text(left - 12, y + 4.5, clip(label, 13, left - 14), anchor="end")
        if math.isfinite(top_index) and math.isfinite(index):
            pic.line(x(index), y, x(top_index), y, RULE, 5)
        _industry(pic, x(industry), y) if math.isfinite(industry) else None
        _best(pic, x(top_index), y) if math.isfinite(top_index) else None
        if math.isfinite(lower) and math.isfinite(upper):
            pic.line(x(lower), y, x(upper), y, BLUE, 2)
        if math.isfinite(index):
            pic.draw("circle", cx=x(index), cy=y, r=5, fill=BLUE, stroke=PAPER, stroke_width=1.2)
        pic.text(width - 2, y + 4.5, number(index, 1, said), anchor="end", bold=True)
    return pic.svg()


def _industry(pic: Picture, x: float, y: float) -> None:
    pic.line(x, y - 9, x, y + 9, INK, 2.2)


def _best(pic: Picture, x: float, y: float) -> None:
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in ((0, -6.5), (6.5, 0), (0, 6.5), (-6.5, 0)))
    pic.draw("polygon", points=points, fill=PAPER, stroke=ACCENT, stroke_width=1.8)


def _key(pic: Picture, left: float, own: str, middle: str, best: str) -> None:
    """Which mark is whose."""
    at, room = left, (pic.width - left) / 3 - 34
    for name, kind in ((own, "own"), (middle, "middle"), (best, "best")):
        if kind == "own":
            pic.draw("circle", cx=at + 6, cy=14, r=5, fill=BLUE)
        else:
            (_industry if kind == "middle" else _best)(pic, at + 6, 14)
        text = clip(name, 13, room)
        pic.text(at + 18, 18.5, text)
        at += text_width(text, 13) + 44


def course_chart(
    frame: pd.DataFrame,
    *,
    axis_label: str = "",
    title: str | None = None,
    width: float = 900,
    words: Mapping[str, str] = NO_WORDS,
    id: str = "course",
) -> str:
    """Draw an index from wave to wave with its intervals.

    Parameters
    ----------
    frame : DataFrame
        Columns wave, index; optional ci_lower, ci_upper. In the order of time.
    axis_label : str
        Above the plot.
    title, width, words, id
        See the module.

    Returns
    -------
    str
        One ``<svg>`` element.

    Examples
    --------
    >>> "71.5" in course_chart(pd.DataFrame({"wave": [2024, 2025], "index": [70.0, 71.5]}))
    True
    """
    said = say(words)
    data = columns(frame, "wave", ["index"], ["ci_lower", "ci_upper"])
    told = "; ".join(f"{w} {number(v, 1, said)}" for w, v in zip(data["wave"], data["index"], strict=True))
    left, right, top, bottom = 52.0, width - 24, 30.0, 230.0
    pic = Picture(width, bottom + 30, title or said["course_title"], told or said["nothing"], id)
    values = data[["index", "ci_lower", "ci_upper"]].to_numpy()
    known = values[np.isfinite(values)]
    if not len(known):
        pic.text(left, top + 20, said["nothing"], fill=GREY)
        return pic.svg()
    at = ticks(known.min() - 0.5, known.max() + 0.5, 6)
    y = Scale(at, bottom, top)
    for tick in at:
        pic.line(left, y(tick), right, y(tick), RULE)
        pic.text(left - 7, y(tick) + 4, number(tick, decimals(at), said), SMALL, "end", GREY)
    pic.text(left, top - 13, axis_label, SMALL, fill=GREY)
    step = (right - left) / len(data)
    spots = [(left + (i + 0.5) * step, *row) for i, row in enumerate(values.tolist())]
    for a, b in pairwise(s for s in spots if math.isfinite(s[1])):
        pic.line(a[0], y(a[1]), b[0], y(b[1]), PALE, 2.2)
    every = max(math.ceil(64 / step), 1)
    for i, (x, index, lower, upper) in enumerate(spots):
        if i % every == 0 or i == len(spots) - 1:
            pic.text(x, bottom + 18, clip(str(data["wave"][i]), 13, step * every - 6), 13, "middle", GREY)
        if not math.isfinite(index):
            continue
        if math.isfinite(lower) and math.isfinite(upper):
            pic.line(x, y(lower), x, y(upper), BLUE, 2.2)
        pic.draw("circle", cx=x, cy=y(index), r=5.5, fill=BLUE, stroke=PAPER, stroke_width=1.2)
        if i % every == 0 or i == len(spots) - 1:
            pic.text(x + 10, y(index) - 7, number(index, 1, said), 13, bold=True)
    return pic.svg()


def interval_mark(
    index: float, lower: float, upper: float, ends: Sequence[float], middle: float = math.nan, width: int = 110
) -> str:
    """Draw an interval small enough for a cell of a table; the cell beside it holds the numbers.

    Parameters
    ----------
    index, lower, upper : float
        Estimate and interval.
    ends : (float, float)
        Ends of the axis that the whole table shares.
    middle : float, default NaN
        What to compare with, as a line.
    width : int, default 110
        Pixels.

    Returns
    -------
    str
        One ``<svg>`` element, hidden from screen readers; empty where nothing is known.

    Examples
    --------
    >>> interval_mark(70, 68, 72, (60, 80)).count("<circle")
    1
    """
    if not math.isfinite(index):
        return ""
    x = Scale([ends[0], ends[1] if ends[1] > ends[0] else ends[0] + 1.0], 4, width - 4)
    at = f"{x(middle):.0f}" if math.isfinite(middle) else ""
    line = f'<path d="M{at} 0v14" stroke="{GREY}" stroke-dasharray="2 2"/>' if at else ""
    far = math.isfinite(lower) and math.isfinite(upper)
    bar = f'<path d="M{x(lower):.0f} 7H{x(upper):.0f}" stroke="{BLUE}" stroke-width="2"/>' if far else ""
    dot = f'<circle cx="{x(index):.0f}" cy="7" r="3.5" fill="{BLUE}"/>'
    return f'<svg class="mark" aria-hidden="true" viewBox="0 0 {width} 14" width="{width}" height="14">{line}{bar}{dot}</svg>'
