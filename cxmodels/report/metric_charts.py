"""The pictures of metrics: control charts, journeys, profiles against a competitor, indicators. Frames in, SVG text out.

All take `title`, `width`, `words` and `id` as the charts of ``cxmodels.report.charts``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ..errors import SpecError, listed, near
from ..inference import quantile
from .blocks import shown
from .lettering import clip, text_width
from .plots import importance_performance
from .rows import Scale, axis, decimals, notes_below
from .svg import ACCENT, BLUE, GREY, INK, PALE, PAPER, RULE, TINT, Picture, columns, number, plain, say, span, ticks

__all__ = ["control_chart", "indicator_chart", "journey_chart", "metric_pictures", "profile_chart"]

SMALL = 11.0
LEFT, RIGHT, TOP = 52.0, 14.0, 26.0
Words = Mapping[str, str] | None


def control_chart(
    cells: pd.DataFrame,
    *,
    units: Sequence[str] | str | None = None,
    per_row: int = 2,
    axis_label: str | None = None,
    note: str | None = None,
    title: str | None = None,
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
    axis_label, note : str, optional
        Above the first panel, and at the foot.
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
    >>> import pandas as pd
    >>> from cxmodels.report import control_chart
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
    pic = Picture(width, height, title or said["control_title"], told or said["nothing"], id)
    if data.empty:
        pic.text(LEFT, TOP + 20, said["nothing"], fill=GREY)
        return pic.svg()
    reach = data[["mean", "limit_lower", "limit_upper"]]
    at = ticks(reach.min().min(), reach.max().max(), 5)
    most = float(data["n"].max())
    for i, unit in enumerate(shown):
        left, top = (i % per_row) * wide, (i // per_row) * tall
        label = (said["score"] if axis_label is None else axis_label) if i == 0 else ""
        _panel(pic, data[data["unit"] == unit], unit, periods, at, (left, top, wide, tall), most, label, said)
    notes_below(pic, [said["control_note"] if note is None else note], LEFT, height - 6)
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
    name = clip(unit, 13, (right - left) * (0.6 if label else 1), True)
    pic.text(left, top - 9, name, bold=True)
    if label:
        room = right - left - text_width(name, 13, True) - 12
        pic.text(right, top - 9, clip(label, SMALL, room), SMALL, "end", GREY)
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
        limits = words["limits"].format(span=span(row.limit_lower, row.limit_upper, 1, words))
        count = words["n"].format(n=plain(float(row.n), words))
        pic.open(f"{unit}, {row.period}: {number(row.mean, 1, words)}, {count}, {limits}")
        pic.draw(
            "circle", cx=here, cy=there, r=2 + 3.5 * math.sqrt(row.n / most), fill=ink, stroke=PAPER, stroke_width=1
        )
        pic.close()


def journey_chart(
    frame: pd.DataFrame,
    *,
    digits: int = 1,
    axis_label: str = "",
    title: str | None = None,
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
    >>> import pandas as pd
    >>> from cxmodels.report import journey_chart
    >>> stay = pd.DataFrame({"touchpoint": ["book", "leave"], "value": [72.0, 41.0]})
    >>> "41.0" in journey_chart(stay)
    True
    """
    said = say(words)
    data = columns(frame, "touchpoint", ["value"], ["ci_lower", "ci_upper", "n"])
    told = "; ".join(f"{t} {number(v, digits, said)}" for t, v in zip(data["touchpoint"], data["value"], strict=True))
    left, right, top, bottom = LEFT, width - RIGHT, TOP, 250.0
    pic = Picture(width, bottom + 46, title or said["journey_title"], told or said["nothing"], id)
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
    counts = [said["n"].format(n=plain(n, said)) if math.isfinite(n) else "" for n in data["n"]]
    _names_below(pic, counts, x, bottom + 16, step)
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


def profile_chart(
    frame: pd.DataFrame,
    *,
    ours: str | None = None,
    theirs: str | None = None,
    level: float = 0.95,
    digits: int = 2,
    axis_label: str | None = None,
    title: str | None = None,
    width: float = 900,
    words: Words = None,
    id: str = "profile",
) -> str:
    """Draw our ratings beside a competitor's, attribute by attribute, and the gap with its interval.

    Parameters
    ----------
    frame : DataFrame
        Of :meth:`DriverResult.profile` or of ``metrics.profile``: one row per attribute, in the order drawn.
    ours, theirs : str, optional
        Names for the key.
    level : float, default 0.95
        Level of the intervals of the two means; that of the gap is in the frame.
    digits : int, default 2
        Decimals of the gap.
    axis_label : str, optional
        Under the means.
    title, width, words, id
        See the module.

    Returns
    -------
    str
        One ``<svg>`` element. A gap is filled where its interval excludes 0, vermilion where we are behind.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.report import profile_chart
    >>> gaps = pd.DataFrame({"quality": [4.6, 3.2], "competitor": [4.1, 3.8], "gap": [0.5, -0.6],
    ...                      "ci_lower": [0.2, -0.9], "ci_upper": [0.8, -0.3]}, index=["Location", "Quietness"])
    >>> profile_chart(gaps).count("<circle")
    8
    """
    said = say(words)
    ours, theirs = ours or said["ours"], theirs or said["competitor"]
    names = ("ours", "theirs") if "ours" in frame else ("quality", "competitor")
    errors = [f"{n}_se" for n in names]
    label = str(frame.index.name or "attribute")
    data = columns(frame.rename_axis(label), label, [*names, "gap"], [*errors, "ci_lower", "ci_upper"])
    told = "; ".join(
        f"{n}: {number(a, digits, said)} {ours}, {number(b, digits, said)} {theirs}, {number(g, digits, said, True)}"
        for n, a, b, g in zip(data[label], data[names[0]], data[names[1]], data["gap"], strict=True)
    )
    tall = 34.0
    top = 40.0
    bottom = top + tall * max(len(data), 1)
    pic = Picture(width, bottom + 58, title or said["profile_title"], told or said["nothing"], id)
    if data.empty:
        pic.text(LEFT, top + 20, said["nothing"], fill=GREY)
        return pic.svg()
    z = quantile(level)
    for name, error in zip(names, errors, strict=True):
        data[f"{name}_lower"], data[f"{name}_upper"] = data[name] - z * data[error], data[name] + z * data[error]
    left = min(max(text_width(shown(n, 60), 13) for n in data[label]) + 14, 0.3 * width)
    middle, right = left + 0.56 * (width - left), width - 66
    means = data[[f"{n}{part}" for n in names for part in ("", "_lower", "_upper")]].to_numpy()
    ends = data[["gap", "ci_lower", "ci_upper"]].to_numpy()
    x = axis(
        pic,
        ticks(np.nanmin(means), np.nanmax(means), 6),
        left,
        middle,
        top,
        bottom,
        axis_label or said["mean_rating"],
        said,
    )
    g = axis(
        pic, ticks(min(np.nanmin(ends), 0.0), max(np.nanmax(ends), 0.0), 5), middle + 46, right, top, bottom,
        said["gap_of"].format(ours=ours, theirs=theirs, level=f"{number(100 * level, 0, said)} %"), said,
    )  # fmt: skip
    _key(pic, left, (ours, theirs))
    for i, row in data.iterrows():
        y = top + (float(i) + 0.5) * tall  # type: ignore[arg-type]
        pic.text(left - 12, y + 4.5, clip(shown(row[label], 60), 13, left - 14), anchor="end")
        for name, ink, fill, off in ((names[0], BLUE, BLUE, -5.0), (names[1], GREY, PAPER, 5.0)):
            _dot(pic, x, row[name], row[f"{name}_lower"], row[f"{name}_upper"], y + off, ink, fill)
        sure = row["ci_lower"] > 0 or row["ci_upper"] < 0
        ink = ACCENT if row["gap"] < 0 else BLUE
        _dot(pic, g, row["gap"], row["ci_lower"], row["ci_upper"], y, ink, ink if sure else PAPER)
        pic.text(width - 2, y + 4.5, number(row["gap"], digits, said, True), anchor="end", bold=True)
    notes_below(pic, [said["gap_filled"], said["behind"]], left, pic.height - 6)
    return pic.svg()


def _dot(pic: Picture, x: Scale, at: float, low: float, high: float, y: float, ink: str, fill: str) -> None:
    """A dot with its interval, where they are known."""
    if math.isfinite(low) and math.isfinite(high):
        pic.line(x(low), y, x(high), y, ink, 2)
    if math.isfinite(at):
        pic.draw("circle", cx=x(at), cy=y, r=4.6, fill=fill, stroke=ink, stroke_width=1.8)


def _key(pic: Picture, left: float, names: tuple[str, str]) -> None:
    """Which dot is whose."""
    at = left
    for name, ink, fill in ((names[0], BLUE, BLUE), (names[1], GREY, PAPER)):
        pic.draw("circle", cx=at + 5, cy=14, r=4.6, fill=fill, stroke=ink, stroke_width=1.8)
        short = clip(shown(name), 13, 200)
        pic.text(at + 15, 18.5, short, fill=INK)
        at += text_width(short, 13) + 40


def indicator_chart(
    frame: pd.DataFrame,
    *,
    digits: int = 1,
    title: str | None = None,
    width: float = 900,
    words: Words = None,
    id: str = "indicators",
) -> str:
    """Draw indicators on 0-100 against their targets, the costliest first.

    Parameters
    ----------
    frame : DataFrame
        ``indicators`` of an ``IndicatorIndex``: one row each, with actual, target, lost.
    digits : int, default 1
        Decimals.
    title, width, words, id
        See the module.

    Returns
    -------
    str
        One ``<svg>`` element: a bar as long as what is, a stroke at the target, and the points of the index lost.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.report import indicator_chart
    >>> rows = pd.DataFrame({"actual": [70.0], "target": [80.0], "lost": [7.5]}, index=["Speed"])
    >>> indicator_chart(rows).count("<rect")
    1
    """
    said = say(words)
    data = columns(frame.rename_axis("indicator"), "indicator", ["actual", "target", "lost"])
    told = "; ".join(
        f"{n}: {said['of_target'].format(actual=number(a, digits, said), target=number(t, digits, said))}"
        for n, a, t in zip(data["indicator"], data["actual"], data["target"], strict=True)
    )
    tall, top = 30.0, 26.0
    bottom = top + tall * max(len(data), 1)
    pic = Picture(width, bottom + 58, title or said["indicators_title"], told or said["nothing"], id)
    left = min(max((text_width(shown(n, 60), 13) for n in data["indicator"]), default=0.0) + 14, 0.36 * width)
    right = width - 130
    x = axis(pic, [0, 20, 40, 60, 80, 100], left, right, top, bottom, "0–100", said)
    pic.text(width - 66, top - 9, said["actual"], SMALL, "end", GREY)
    pic.text(width - 2, top - 9, said["lost"], SMALL, "end", GREY)
    for i, (name, actual, target, lost) in enumerate(data.itertuples(index=False, name=None)):
        y = top + (i + 0.5) * tall
        pic.text(left - 12, y + 4.5, clip(shown(name, 60), 13, left - 14), anchor="end")
        short = actual < target
        if math.isfinite(actual):
            pic.draw("rect", x=left, y=y - 8, width=x(actual) - left, height=16, fill=PALE)
        if short:
            pic.line(x(actual), y, x(target), y, ACCENT, 2, stroke_dasharray="3 3")
        pic.line(x(target), y - 12, x(target), y + 12, ACCENT if short else BLUE, 3)
        pic.text(width - 66, y + 4.5, number(actual, digits, said), anchor="end", bold=True)
        pic.text(width - 2, y + 4.5, number(lost, digits, said), anchor="end", fill=ACCENT if short else GREY)
    notes_below(pic, [said["stroke"], said["lost_note"]], left, pic.height - 6)
    return pic.svg()


def metric_pictures(result: Any, prefix: str, words: Words = None) -> list[str]:
    """Return the pictures that a result of ``cxmodels.metrics`` has; none for a plain estimate.

    Parameters
    ----------
    result : Result
    prefix : str
        Before every id.
    words : mapping, optional
        See the module.

    Returns
    -------
    list of str

    Examples
    --------
    >>> import cxmodels as cx
    >>> len(metric_pictures(cx.metrics.csi([5, 3], [3, 5]), "x"))
    1
    """
    from ..metrics import CsiEstimate, IndicatorIndex, Journey, Monitor, MonitorGroups

    if isinstance(result, Monitor):
        return [control_chart(result.cells, units=_most_telling(result.units), words=words, id=f"{prefix}control")]
    if isinstance(result, MonitorGroups):
        return [
            control_chart(
                m.cells, units=_most_telling(m.units), axis_label=str(name), words=words, id=f"{prefix}control{i}"
            )
            for i, (name, m) in enumerate(result.monitors.items())
        ]
    if isinstance(result, Journey):
        frame = result.frame
        parts = list(frame.groupby(list(result.by), sort=False, observed=True)) if result.by else [((), frame)]
        return [
            journey_chart(
                f,
                digits=2,
                axis_label=", ".join([*map(str, k), result.metric]),
                words=words,
                id=f"{prefix}journey{i}",
            )
            for i, (k, f) in enumerate(parts)
        ]
    if isinstance(result, IndicatorIndex):
        return [indicator_chart(result.indicators, words=words, id=f"{prefix}indicators")]
    if isinstance(result, CsiEstimate) and len(result.leaves) > 1:
        return [_importance_map(result, f"{prefix}map", words)]
    return []


def _most_telling(units: pd.DataFrame, most: int = 12) -> list[str]:
    """Units to draw: those with signals first, then by rank."""
    order = units.sort_values(["signals", "rank"], ascending=[False, True], kind="stable")
    return [str(u) for u in order.index[:most]]


def _importance_map(result: Any, id: str, words: Words) -> str:
    """Importance and quality of the components, the cut written on it."""
    map_ = result.quadrants()
    line, at = float(map_["importance_cut"].iloc[0]), float(map_["quality_cut"].iloc[0])
    said = say(words)
    own = {
        "importance_plain": said["stated"], "performance": said["quality_rating"], "improve": said["concentrate"],
        "keep": said["keep_good"], "means": said["means_at"].format(importance=number(line, 2, said), quality=number(at, 2, said)),
    }  # fmt: skip
    frame = (
        map_[["importance", "quality"]]
        .rename(columns={"quality": "performance"})
        .rename(index=lambda v: shown(v, 60))
    )
    return importance_performance(frame.rename_axis("construct"), cut=(line, at), words={**said, **own}, id=id)


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
