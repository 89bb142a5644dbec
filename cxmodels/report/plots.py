"""Charts with a plot of their own: importance against performance, and distributions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from ..errors import DataError, listed
from .geometry import Rect
from .lettering import clip, text_width
from .rows import Scale, axis, decimals, notes_below
from .svg import ACCENT, BLUE, GREY, INK, PALE, PAPER, RULE, TINT, Picture, columns, number, say, ticks

__all__ = ["answer_distribution", "histogram", "importance_performance"]

SMALL = 11.0
Words = Mapping[str, str] | None


def importance_performance(
    frame: pd.DataFrame,
    *,
    target: str | None = None,
    cut: tuple[float, float] | None = None,
    title: str | None = None,
    width: float = 900,
    words: Words = None,
    id: str = "ipma",
) -> str:
    """Draw importance against performance in quadrants (Martilla and James, 1977).

    Parameters
    ----------
    frame : DataFrame
        Columns importance, performance; the constructs in the index or in a column construct.
    target : str, optional
        Label of the construct that importance speaks of.
    cut : (importance, performance), optional
        Where the quadrants meet; default: at the means. The word ``means`` says which it is.
    title, width, words, id
        See ``cxmodels.report.charts``.

    Returns
    -------
    str
        One ``<svg>`` element. A construct with a missing number is named below the plot.

    Examples
    --------
    >>> ipma = pd.DataFrame({"importance": [0.4, 0.6], "performance": [73, 75]}, index=["Image", "Quality"])
    >>> "Improve first" in importance_performance(ipma)
    True
    """
    said = say(words)
    data = columns(frame, "construct", ["importance", "performance"])
    shown = data.dropna()
    left, right, top, bottom = 62.0, width - 12, 12.0, 420.0
    missing = [f"{n} {said['missing']}" for n in data.loc[data.isna().any(axis=1), "construct"]]
    notes = [said["means"], *missing] if len(shown) else missing
    told = "; ".join(
        f"{name}: {number(a, 2, said)}, {number(b, 1, said)}"
        for name, a, b in zip(data["construct"], data["importance"], data["performance"], strict=True)
    )
    pic = Picture(width, bottom + 57, title or said["map_title"], told or said["nothing"], id)
    if shown.empty:
        pic.text(left, top + 20, said["nothing"], fill=GREY)
        notes_below(pic, notes, left, bottom + 51)
        return pic.svg()
    label = said["importance"].format(target=target) if target else said["importance_plain"]
    middle = cut or (shown["importance"].mean(), shown["performance"].mean())
    x = axis(pic, _padded(shown["importance"], middle[0]), left, right, top, bottom, label, said)
    y = _vertical_axis(
        pic, _padded(shown["performance"], middle[1]), left, right, top, bottom, said["performance"], said
    )
    dots = [(x(a), y(b)) for a, b in zip(shown["importance"], shown["performance"], strict=True)]
    mean = x(middle[0]), y(middle[1])
    plot = Rect(left, top, right - left, bottom - top)
    pic.line(mean[0], top, mean[0], bottom, GREY, 1.2, stroke_dasharray="5 3")
    pic.line(left, mean[1], right, mean[1], GREY, 1.2, stroke_dasharray="5 3")
    spots = _beside(shown["construct"], dots, _quadrants(pic, plot, said), mean, plot)
    for name, dot, spot in zip(shown["construct"], dots, spots, strict=True):
        _named_dot(pic, name, dot, spot, first=dot[0] > mean[0] and dot[1] > mean[1])
    notes_below(pic, notes, left, bottom + 51)
    return pic.svg()


def histogram(
    values: Iterable[float],
    *,
    mark: float = math.nan,
    lo: float = math.nan,
    hi: float = math.nan,
    bins: int | None = None,
    digits: int = 2,
    axis_label: str = "",
    title: str | None = None,
    width: float = 900,
    words: Words = None,
    id: str = "histogram",
) -> str:
    """Draw how the replicates of an estimate are spread, with the estimate and its interval.

    Parameters
    ----------
    values : iterable of float
        The replicates; those that are missing are counted in the key.
    mark, lo, hi : float, default NaN
        The estimate and the ends of its interval; what is missing is not drawn.
    bins : int, optional
        How many bars; default: the Freedman–Diaconis rule, at least 8 and at most 60.
    digits : int, default 2
        Decimals of the estimate and its interval.
    axis_label : str
        Under the axis.
    title, width, words, id
        See ``cxmodels.report.charts``.

    Returns
    -------
    str
        One ``<svg>`` element.

    Examples
    --------
    >>> "0.50" in histogram([0.4, 0.5, 0.6], mark=0.5)
    True
    """
    said = say(words)
    every = np.asarray(list(values), dtype=float)
    finite = every[np.isfinite(every)]
    marks = {"mark": mark, "lo": lo, "hi": hi}
    notes = [said["replicates"].format(n=number(len(finite), 0, said))]
    told = ", ".join(number(v, digits, said) for v in marks.values())
    left, right, top, bottom = 16.0, width - 16, 40.0, 240.0
    pic = Picture(width, bottom + 57, title or said["replicates_title"], f"{notes[0]}: {told}", id)
    notes += (
        [said["left_out"].format(n=number(len(every) - len(finite), 0, said))] if len(every) > len(finite) else []
    )
    notes_below(pic, notes, left, bottom + 51)
    if not len(finite):
        pic.text(left, top + 20, said["nothing"], fill=GREY)
        return pic.svg()
    rule = len(np.histogram_bin_edges(finite, "fd")) - 1 if np.ptp(finite) > 0 else 9
    counts, edges = np.histogram(finite, bins or min(max(rule, 8), 60))
    known = [v for v in marks.values() if math.isfinite(v)]
    at = ticks(min([edges[0], *known]), max([edges[-1], *known]), 9)
    x = axis(pic, at, left, right, top, bottom, axis_label, said)
    both = math.isfinite(lo) and math.isfinite(hi)
    for count, a, b in zip(counts, edges, edges[1:], strict=False):
        h = (bottom - top - 4) * count / counts.max()
        inner = not both or lo <= (a + b) / 2 <= hi
        if count:
            pic.draw(
                "rect", x=x(a), y=bottom - h, width=x(b) - x(a), height=h,
                fill=PALE if inner else TINT, stroke=PAPER if inner else RULE, stroke_width=1,
            )  # fmt: skip
    pic.line(left, bottom, right, bottom, GREY)
    for name, value in marks.items():
        if math.isfinite(value):
            main = name == "mark"
            pic.line(x(value), 20.0 if main else 36.0, x(value), bottom, INK if main else BLUE, 2 if main else 1.4,
                     stroke_dasharray=None if main else "5 3")  # fmt: skip
            anchor, nudge = {"mark": ("middle", 0.0), "lo": ("end", -5.0), "hi": ("start", 5.0)}[name]
            pic.text(x(value) + nudge, 14 if main else 46, number(value, digits, said), 13, anchor, bold=main)
    return pic.svg()


def answer_distribution(
    frame: pd.DataFrame,
    *,
    diverging: bool = False,
    title: str | None = None,
    width: float = 900,
    words: Words = None,
    id: str = "answers",
) -> str:
    """Draw how the answers to each item are spread, as bars of 100 %.

    Parameters
    ----------
    frame : DataFrame
        Items in the index or in a column item; every other column is an answer, lowest first, and holds counts.
    diverging : bool, default False
        Vermilion to blue over a light middle. Default: light to dark, which also reads in black and white.
    title, width, words, id
        See ``cxmodels.report.charts``.

    Returns
    -------
    str
        One ``<svg>`` element; the number of answers stands at the right.

    Raises
    ------
    DataError
        A count is negative.

    Examples
    --------
    >>> "75" in answer_distribution(pd.DataFrame({"1": [1], "2": [3]}, index=["q1"]))
    True
    """
    said = say(words)
    answers = [c for c in frame.columns if c != "item"]
    data = columns(frame, "item", answers)
    counts = data[answers].fillna(0.0).to_numpy()
    below = [item for item, row in zip(data["item"], counts, strict=True) if (row < 0).any()]
    if below:
        raise DataError(f"The answers of {len(below)} item(s) hold a negative count: {listed(below)}; give counts.")
    totals = counts.sum(axis=1)
    left = min(max((text_width(i, 13) for i in data["item"]), default=0) + 14, 0.4 * width)
    right, top, step = width - 62, 34.0, 27.0
    shades = _shades(len(answers), diverging)
    told = "; ".join(
        f"{item}: "
        + ", ".join(
            f"{a} {number(100 * c / t if t else math.nan, 0, said)} %" for a, c in zip(answers, row, strict=True)
        )
        for item, row, t in zip(data["item"], counts, totals, strict=True)
    )
    pic = Picture(
        width, top + step * max(len(data), 1) + 24, title or said["answers_title"], told or said["nothing"], id
    )
    cell = (right - left) / max(len(answers), 1)
    for k, (answer, shade) in enumerate(zip(answers, shades, strict=True)):
        pic.draw("rect", x=left + k * cell, y=4, width=cell - 1, height=18, fill=shade)
        pic.text(left + (k + 0.5) * cell, 17, clip(str(answer), SMALL, cell - 4), SMALL, "middle", _on(shade))
    pic.text(width - 2, 17, said["n"].split("=")[0].strip(), SMALL, "end", GREY)
    for i, (item, total) in enumerate(zip(data["item"], totals, strict=True)):
        y = top + i * step
        pic.text(left - 12, y + 15, clip(item, 13, left - 14), anchor="end")
        pic.text(width - 2, y + 15, number(total, 0, said), SMALL, "end", GREY)
        start = left
        for count, shade in zip(counts[i], shades, strict=True):
            share = count / total if total else 0.0
            wide = share * (right - left)
            if wide > 0:
                pic.draw(
                    "rect", x=start, y=y, width=wide, height=step - 7, fill=shade, stroke=PAPER, stroke_width=0.8
                )
            if wide > 22:
                pic.text(start + wide / 2, y + 14, number(100 * share, 0, said), SMALL, "middle", _on(shade))
            start += wide
        if not total:
            pic.text(left, y + 15, said["missing"], fill=GREY)
    pic.text(
        left, top + step * max(len(data), 1) + 12, said["answers"] if len(data) else said["nothing"], SMALL, fill=GREY
    )
    return pic.svg()


# -- shared -------------------------------------------------------------------------------------------------------


def _padded(values: pd.Series, cut: float) -> list[float]:
    low, high = min(values.min(), cut), max(values.max(), cut)
    pad = 0.12 * (high - low)
    return ticks(low - pad, high + pad, 7)


def _vertical_axis(
    pic: Picture,
    at: Sequence[float],
    left: float,
    right: float,
    top: float,
    bottom: float,
    label: str,
    words: Mapping[str, str],
) -> Scale:
    y = Scale(at, bottom, top)
    for tick in at:
        pic.line(left, y(tick), right, y(tick), RULE)
        pic.text(left - 8, y(tick) + 4, number(tick, decimals(at), words), SMALL, "end", GREY)
    pic.text(14, (top + bottom) / 2, label, SMALL, "middle", GREY, turn=True)
    return y


def _quadrants(pic: Picture, plot: Rect, words: Mapping[str, str]) -> list[Rect]:
    """Name the quadrants in the corners of the plot and return where the names stand."""
    taken = []
    for key, at_left, y in (
        ("overkill", True, plot.y + 20),
        ("keep", False, plot.y + 20),
        ("low", True, plot.bottom - 10),
        ("improve", False, plot.bottom - 10),
    ):
        w = text_width(words[key], 13)
        x = plot.x + 10 if at_left else plot.right - 10
        pic.text(x, y, words[key], 13, "start" if at_left else "end", ACCENT if key == "improve" else GREY)
        taken.append(Rect(x if at_left else x - w, y - 12, w, 16))
    return taken


def _named_dot(pic: Picture, name: str, dot: tuple[float, float], spot: Rect, first: bool) -> None:
    """Draw a dot, its name, and a line between them where they stand apart."""
    near = min(max(dot[0], spot.x), spot.right), min(max(dot[1], spot.y), spot.bottom)
    if math.dist(near, dot) > 14:
        pic.line(*dot, *near, GREY, 0.8)
    pic.draw("circle", cx=dot[0], cy=dot[1], r=6, fill=ACCENT if first else BLUE, stroke=PAPER, stroke_width=1.2)
    pic.text(spot.cx, spot.cy + 4.5, clip(name, 13, spot.w, True), anchor="middle", bold=True)


def _beside(
    names: Iterable[str],
    dots: Sequence[tuple[float, float]],
    taken: Sequence[Rect],
    mean: tuple[float, float],
    plot: Rect,
) -> list[Rect]:
    """Find a place near each dot for its name, clear of dots, other names, quadrant names and, if easy, the means."""
    widths = [min(text_width(name, 13, bold=True), 220.0) for name in names]
    options = [_around(dot, w) for dot, w in zip(dots, widths, strict=True)]
    blocks = [*taken, *(Rect(u - 7, v - 7, 14, 14) for u, v in dots)]
    means = Rect(mean[0], plot.y, 0, plot.h), Rect(plot.x, mean[1], plot.w, 0)
    spots = [places[0] for places in options]

    def badness(spot: Rect, rank: int, others: Sequence[Rect]) -> float:
        out = spot.x < plot.x or spot.right > plot.right or spot.y < plot.y or spot.bottom > plot.bottom
        met = sum(spot.overlaps(r, 1) for r in others) + sum(spot.overlaps(r) for r in blocks)
        return 100 * out + 20 * met + 0.7 * sum(spot.overlaps(m) for m in means) + rank / 8

    for _ in range(5):
        for i, places in enumerate(options):
            others = [s for j, s in enumerate(spots) if j != i]
            scores = [badness(place, rank, others) for rank, place in enumerate(places)]
            spots[i] = places[scores.index(min(scores))]
    return spots


def _around(dot: tuple[float, float], w: float, h: float = 16.0) -> list[Rect]:
    """Return places for a name around a dot, the best first: beside, above, below, at the corners, then farther off."""
    out = []
    for far in (10.0, 26.0, 44.0, 66.0):
        for sx, sy in ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1)):
            reach = far if sy == 0 else 0.6 * far
            cx, cy = dot[0] + sx * (w / 2 + reach), dot[1] + sy * (h / 2 + reach)
            out.append(Rect(cx - w / 2, cy - h / 2, w, h))
    return out


def _shades(count: int, diverging: bool) -> list[str]:
    stops = (
        ["#a63c0c", "#e9a583", "#eceff1", "#86aecf", "#164a74"] if diverging else ["#e4edf5", "#6f9fc6", "#123f66"]
    )
    at = np.linspace(0, len(stops) - 1, max(count, 2))[:count]
    rgb = np.array([[int(s[i : i + 2], 16) for i in (1, 3, 5)] for s in stops])
    parts = [np.interp(at, range(len(stops)), rgb[:, k]).round().astype(int) for k in range(3)]
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in zip(*parts, strict=True)]


def _on(shade: str) -> str:
    """Return the ink with more contrast on a shade (relative luminance of WCAG 2)."""
    parts = np.array([int(shade[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return INK if linear @ [0.2126, 0.7152, 0.0722] > 0.21 else PAPER
