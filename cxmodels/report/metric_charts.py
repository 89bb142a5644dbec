"""The pictures of metrics over an order: control charts and journeys. Frames in, SVG text out.

Both take `title`, `width`, `words` and `id` as the charts of ``cxmodels.report.charts``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd

from ..errors import SpecError, listed, near
from .lettering import clip, text_width
from .rows import Scale, decimals, notes_below
from .svg import ACCENT, BLUE, GREY, INK, PALE, PAPER, RULE, TINT, Picture, columns, number, say, span, ticks

__all__ = ["control_chart", "journey_chart"]

SMALL = 11.0
LEFT, RIGHT, TOP = 52.0, 14.0, 26.0
Words = Mapping[str, str] | None


def control_chart(
    cells: pd.DataFrame,
    *,
    units: Sequence[str] | str | None = None,
    per_row: int = 2,
    axis_label: str = "Score",
    note: str = "Band: limits of usual variation; line: own level; vermilion: a signal; small dots: few answers",
    title: str = "Control chart by unit",
    width: float = 900,
    words: Words = None,
    id: str = "control",
) -> str:
    """Draw the scores of units over time within the limits of their usual variation, a panel for each unit.

    Parameters
    ----------
    cells : DataFrame
        Of a ``Monitor``: columns unit, period, n, mean, centre, limit_lower, limit_upper; optional signal.
    units : str or sequence of str, optional
        Which units, in this order; all by default.
    per_row : int, default 2
        Panels side by side.
    axis_label, note : str
        Under the first axis, and at the foot.
    title, width, words, id
        See the module.

    Returns
    -------
    str
        One ``<svg>`` element. The area of a dot grows with the answers behind it.

    Raises
    ------
    SpecError
        For an unknown unit, or no panel in a row.

    Examples
    --------
    >>> cells = pd.DataFrame({"unit": "Ann", "period": ["Jan", "Feb"], "n": [9, 4], "mean": [80.0, 60.0], "centre": 78.0,
    ...                       "limit_lower": [70.0, 66.0], "limit_upper": [86.0, 90.0], "signal": ["", "beyond"]})
    >>> control_chart(cells).count("<circle")
    2
    """
    said = say(words)
    if per_row < 1:
        raise SpecError(f"control_chart needs at least one panel in a row, and per_row is {per_row}.")
    needed = ["n", "mean", "centre", "limit_lower", "limit_upper"]
    data = columns(cells, "unit", needed).assign(period=[str(p) for p in cells["period"]])
    data["news"] = [bool(s) for s in cells["signal"]] if "signal" in cells.columns else False
    known = list(dict.fromkeys(data["unit"]))
    shown = known if units is None else [units] if isinstance(units, str) else [str(u) for u in units]
    if unknown := [u for u in shown if u not in known]:
        raise SpecError(f"There is no unit {listed(unknown)} to draw.{near(unknown[0], known)}")
    data = data.loc[data["unit"].isin(shown).astype(bool)]
    periods = _in_order(cells.loc[[str(u) in shown for u in cells["unit"]], "period"])
    per_row = max(min(per_row, len(shown)), 1)
    tall, wide = 190.0, width / per_row
    height = tall * max(math.ceil(len(shown) / per_row), 1) + 24
    news = data.loc[data["news"].astype(bool)]
    told = "; ".join(f"{u} {p} {number(m, 1, said)}" for u, p, m in news[["unit", "period", "mean"]].head(20).values)
    pic = Picture(width, height, title, told or said["nothing"], id)
    if data.empty:
        pic.text(LEFT, TOP + 20, said["nothing"], fill=GREY)
        return pic.svg()
    reach = data[["mean", "limit_lower", "limit_upper"]]
    at = ticks(reach.min().min(), reach.max().max(), 5)
    most = float(data["n"].max())
    for i, unit in enumerate(shown):
        left, top = (i % per_row) * wide, (i // per_row) * tall
        label = axis_label if i == 0 else ""
        _panel(pic, data[data["unit"] == unit], unit, periods, at, (left, top, wide, tall), most, label, said)
    notes_below(pic, [note], LEFT, height - 6)
    return pic.svg()


def _panel(
    pic: Picture,
    rows: pd.DataFrame,
    unit: str,
    periods: list[str],
    at: list[float],
    box: tuple[float, float, float, float],
    most: float,
    label: str,
    words: Mapping[str, str],
) -> None:
    """One unit: band, own level, months."""
    left, right = box[0] + LEFT, box[0] + box[2] - RIGHT
    top, bottom = box[1] + TOP, box[1] + box[3] - 34
    y = _up(pic, at, left, right, top, bottom, words)
    x = _stations(len(periods), left, right)
    _names_below(pic, periods, x, bottom, (right - left) / len(periods))
    pic.text(left, top - 9, clip(unit, 13, right - left, True), bold=True)
    if label:
        pic.text(right, top - 9, label, SMALL, "end", GREY)
    half = 0.42 * (right - left) / len(periods)
    points: list[tuple[float, float, Any]] = []
    row: Any
    for row in rows.itertuples(index=False):
        here = x[periods.index(str(row.period))]
        low, high = y(float(row.limit_lower)), y(float(row.limit_upper))
        pic.draw("rect", x=here - half, y=high, width=2 * half, height=low - high, fill=TINT, stroke=RULE)
        level = y(float(row.centre))
        pic.line(here - half, level, here + half, level, GREY, 1.4)
        points.append((here, y(float(row.mean)), row))
    for (x1, y1, _), (x2, y2, _) in pairwise(points):
        pic.line(x1, y1, x2, y2, PALE, 1.4)
    for here, there, row in points:
        ink = ACCENT if row.news else BLUE
        interval = span(row.limit_lower, row.limit_upper, 1, words)
        pic.open(f"{unit}, {row.period}: {number(row.mean, 1, words)}, n = {row.n:g}, limits {interval}")
        pic.draw(
            "circle", cx=here, cy=there, r=2 + 3.5 * math.sqrt(row.n / most), fill=ink, stroke=PAPER, stroke_width=1
        )
        pic.close()


def journey_chart(
    frame: pd.DataFrame,
    *,
    digits: int = 1,
    axis_label: str = "",
    title: str = "Customer journey",
    width: float = 900,
    words: Words = None,
    id: str = "journey",
) -> str:
    """Draw a metric along the touchpoints of a journey, with intervals.

    Parameters
    ----------
    frame : DataFrame
        Of a ``Journey``: columns touchpoint, value; optional ci_lower, ci_upper, n. In the order of the rows.
    digits : int, default 1
        Decimals of the values.
    axis_label : str
        What is measured, above the plot.
    title, width, words, id
        See the module.

    Returns
    -------
    str
        One ``<svg>`` element; the lowest touchpoint is vermilion.

    Examples
    --------
    >>> stay = pd.DataFrame({"touchpoint": ["book", "leave"], "value": [72.0, 41.0]})
    >>> "41.0" in journey_chart(stay)
    True
    """
    said = say(words)
    data = columns(frame, "touchpoint", ["value"], ["ci_lower", "ci_upper", "n"])
    told = "; ".join(f"{t} {number(v, digits, said)}" for t, v in zip(data["touchpoint"], data["value"], strict=True))
    left, right, top, bottom = LEFT, width - RIGHT, TOP, 250.0
    pic = Picture(width, bottom + 46, title, told or said["nothing"], id)
    known = data["value"].dropna()
    if known.empty:
        pic.text(left, top + 20, said["nothing"], fill=GREY)
        return pic.svg()
    every = pd.concat([data["value"], data["ci_lower"], data["ci_upper"]]).dropna()
    y = _up(pic, ticks(every.min(), every.max(), 6), left, right, top, bottom, said)
    x = _stations(len(data), left, right)
    if axis_label:
        pic.text(left, top - 11, axis_label, SMALL, fill=GREY)
    step = (right - left) / len(data)
    _names_below(pic, list(data["touchpoint"]), x, bottom, step)
    _names_below(
        pic, [said["n"].format(n=f"{n:g}") if math.isfinite(n) else "" for n in data["n"]], x, bottom + 16, step
    )
    spots = [(a, y(v)) for a, v in zip(x, data["value"], strict=True) if math.isfinite(v)]
    for (x1, y1), (x2, y2) in pairwise(spots):
        pic.line(x1, y1, x2, y2, PALE, 2)
    lowest = known.idxmin()
    row: Any
    for i, row in enumerate(data.itertuples(index=False)):
        value, low, high = float(row.value), float(row.ci_lower), float(row.ci_upper)
        if not math.isfinite(value):
            pic.text(x[i], (top + bottom) / 2, said["missing"], SMALL, "middle", GREY)
            continue
        ink = ACCENT if i == lowest else BLUE
        if math.isfinite(low) and math.isfinite(high):
            pic.line(x[i], y(low), x[i], y(high), ink, 2)
        pic.draw("circle", cx=x[i], cy=y(value), r=6, fill=ink, stroke=PAPER, stroke_width=1.2)
        pic.text(x[i] + 10, y(value) - 7, number(value, digits, said), 13, fill=INK, bold=True)
    return pic.svg()


# -- shared -------------------------------------------------------------------------------------------------------


def _in_order(periods: pd.Series) -> list[str]:
    """Periods in the order of their categories, else sorted."""
    found = periods.drop_duplicates().sort_values()
    return [str(p) for p in found]


def _stations(count: int, left: float, right: float) -> list[float]:
    """Places of so many things, evenly along the plot."""
    return [left + (right - left) * (i + 0.5) / count for i in range(count)]


def _names_below(pic: Picture, names: Sequence[str], x: Sequence[float], bottom: float, room: float) -> None:
    """Write names under the axis; where there is no room for each, every second, third, ..."""
    widest = max((text_width(n, SMALL) for n in names), default=0.0)
    every = max(math.ceil((min(widest, 90.0) + 6) / room), 1)
    for i, (name, at) in enumerate(zip(names, x, strict=True)):
        if i % every == 0:
            pic.text(at, bottom + 15, clip(name, SMALL, room * every - 4), SMALL, "middle", GREY)


def _up(
    pic: Picture, at: Sequence[float], left: float, right: float, top: float, bottom: float, words: Mapping[str, str]
) -> Scale:
    """Draw a vertical axis with its grid and return the scale from data to pixels."""
    y = Scale(at, bottom, top)
    for tick in at:
        zero = tick == 0 and at[0] < 0
        pic.line(left, y(tick), right, y(tick), INK if zero else RULE)
        pic.text(left - 7, y(tick) + 4, number(tick, decimals(at), words), SMALL, "end", GREY)
    return y
