"""Pictures of retention: survival curves with the numbers at risk, retention of cohorts, and forecasts beside what came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, listed
from .blocks import shown
from .churn_charts import LEFT, SMALL, TOP, _Frame
from .lettering import text_width
from .svg import ACCENT, BLUE, GREY, INK, PAPER, Picture, number, plain, say, ticks

Words = Mapping[str, str] | None
# Colour, dash and the name at the end of the line tell curves apart.
LINES = ((BLUE, None), (ACCENT, None), ("#3b7d4f", "7 4"), ("#7a4f9a", "2 3"), (INK, "10 3 2 3"), ("#b08a1e", None))


def survival_chart(
    curve: pd.DataFrame,
    *,
    time: str | None = None,
    title: str | None = None,
    width: float = 640,
    words: Words = None,
    id: str = "survival",
) -> str:
    """Draw survival curves with their intervals, and the customers at risk below.

    Parameters
    ----------
    curve : DataFrame
        From :class:`cxmodels.churn.KaplanMeier`: [group,] time, survival, ci_lower, ci_upper, at_risk.
    time : str, optional
        Name of the axis of time, with its unit.
    title, width, words, id
        As for the other charts.

    Returns
    -------
    str
        One ``<svg>`` element.

    Raises
    ------
    DataError
        If a column is missing, or there are no rows.
    SpecError
        For more than six groups.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.report import survival_chart
    >>> found = cx.churn.KaplanMeier().fit(cx.datasets.load("telco"), "churn", duration="tenure", group="contract")
    >>> survival_chart(found.curve, time="Months").count("<polyline")
    3
    """
    said = say(words)
    parts = _groups(curve, ["time", "survival", "ci_lower", "ci_upper", "at_risk"])
    if len(parts) > len(LINES):
        raise SpecError(
            f"A picture holds up to {len(LINES)} curves, not {len(parts)}; join groups or draw some of them."
        )
    at = _time_ticks(max(float(curve["time"].max()), 1e-9))
    room = max((text_width(n, SMALL) for n, _ in parts), default=0.0)
    side = min(room, 150) + 26 if len(parts) > 1 else 0.0
    foot = 22 + 17 * len(parts)
    pic = Picture(width, 330 + foot, title or said["survival_title"], _told(parts, said), id)
    names = (time or said["time_since"], said["share_there"])
    frame = _Frame(pic, at, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0], names, (False, True), said, foot, side)
    for (_, part), (colour, _) in zip(parts, LINES, strict=False):
        _band(frame, part, colour)
    ends = []
    for (name, part), (colour, dash) in zip(parts, LINES, strict=False):
        x, y = _steps(part["time"].to_numpy(), part["survival"].to_numpy())
        frame.path(x.tolist(), y.tolist(), colour, dash=dash)
        ends.append((frame.y(float(y[-1])), name, colour))
    if len(parts) > 1:
        for height, name, colour in _apart(ends):
            pic.text(frame.right + 24, height + 4, shown(name, 22), SMALL, "start", colour, bold=True)
    _at_risk(pic, frame, parts, at, said)
    return pic.svg()


def _time_ticks(last: float) -> list[float]:
    """Four to eight ticks that end near the last time; of years where months are likely."""
    power = 10.0 ** np.floor(np.log10(last / 4))
    steps = sorted({m * power for m in (1, 2, 2.5, 5, 10)} | ({12.0, 24.0} if 24 <= last <= 180 else set()))
    fine = [s for s in steps if 4 <= np.ceil(last / s - 1e-9) <= 8] or [ticks(0.0, last, 6)[1]]
    step = min(fine, key=lambda s: (round(np.ceil(last / s - 1e-9) * s - last, 9), s))
    return [round(k * step, 9) for k in range(int(np.ceil(last / step - 1e-9)) + 1)]


def _groups(curve: pd.DataFrame, needed: Sequence[str]) -> list[tuple[str, pd.DataFrame]]:
    """The curves by name."""
    if missing := [c for c in needed if c not in curve]:
        raise DataError(f"The frame has no column {listed(missing)}; give the curve of a result.")
    if not len(curve):
        raise DataError("The frame has no rows.")
    if "group" not in curve:
        return [("", curve)]
    return [(str(name), part) for name, part in curve.groupby("group", sort=False)]


def _steps(time: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A step curve as points, without what is blank."""
    known = np.isfinite(value)
    time, value = time[known], value[known]
    x = np.repeat(time, 2)[1:]
    y = np.repeat(value, 2)[:-1]
    return x, y


def _band(frame: _Frame, part: pd.DataFrame, colour: str) -> None:
    """The interval of a curve."""
    low, high = _steps(*_pair(part, "ci_lower")), _steps(*_pair(part, "ci_upper"))
    if not len(low[0]) or not len(high[0]):
        return
    points = [*zip(*high, strict=True), *zip(low[0][::-1], low[1][::-1], strict=True)]
    told = " ".join(f"{frame.x(a):.1f},{frame.y(b):.1f}" for a, b in points)
    frame.pic.draw("polygon", points=told, fill=colour, fill_opacity=0.13, stroke="none")


def _pair(part: pd.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray]:
    return part["time"].to_numpy(), part[name].to_numpy()


def _apart(ends: list[tuple[float, str, str]], gap: float = 14.0) -> list[tuple[float, str, str]]:
    """Heights of names, moved so that they do not overlap."""
    ordered = sorted(ends)
    heights = [y for y, _, _ in ordered]
    for _ in range(50):
        for j in range(len(heights) - 1):
            if (lack := gap - (heights[j + 1] - heights[j])) > 0.01:
                heights[j] -= lack / 2
                heights[j + 1] += lack / 2
    return [(y, name, colour) for y, (_, name, colour) in zip(heights, ordered, strict=True)]


def _at_risk(
    pic: Picture, frame: _Frame, parts: list[tuple[str, pd.DataFrame]], at: list[float], words: Mapping[str, str]
) -> None:
    """Customers still watched and there, under the ticks."""
    top = frame.bottom + 58
    pic.text(LEFT - 8, top, words["at_risk"], SMALL, "start", GREY)
    for row, ((name, part), (colour, _)) in enumerate(zip(parts, LINES, strict=False)):
        y = top + 17 * (row + 1)
        time, risk = part["time"].to_numpy(), part["at_risk"].to_numpy()
        for value in at:
            place = int(np.searchsorted(time, value))
            if value == 0 and np.isnan(risk[0]):
                place = 1
            count = risk[place] if place < len(risk) else 0.0
            pic.text(frame.x(value), y, number(count, 0, words), SMALL, "middle", colour if len(parts) > 1 else INK)
        if len(parts) > 1:
            pic.text(frame.right + 24, y, shown(name, 22), SMALL, "start", colour)


def _told(parts: list[tuple[str, pd.DataFrame]], words: Mapping[str, str]) -> str:
    """What a screen reader says: the curves at a few times."""
    out = []
    for name, part in parts:
        some = part.iloc[np.unique(np.linspace(0, len(part) - 1, 6).astype(int))]
        said = ", ".join(
            f"{plain(t, words)}: {number(100 * s, 0, words)} %" for t, s in some[["time", "survival"]].to_numpy()
        )
        out.append(f"{name + ': ' if name else ''}{said}")
    return "; ".join(out)


def triangle_chart(
    triangle: pd.DataFrame,
    *,
    title: str | None = None,
    width: float = 900,
    words: Words = None,
    id: str = "triangle",
) -> str:
    """Draw the retention of cohorts as a triangle of shares, darker where more stayed.

    Parameters
    ----------
    triangle : DataFrame
        From :func:`cxmodels.churn.retention_triangle` with shares, or :func:`cxmodels.churn.cohorts` with ``share=True``: a
        line per cohort, a column per period since the start; a first column ``customers``, if there is one, is written
        beside the name.
    title, width, words, id
        As for the other charts.

    Returns
    -------
    str
        One ``<svg>`` element.

    Raises
    ------
    DataError
        If the frame holds no shares, or more than 60 cohorts or 40 periods.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.report import triangle_chart
    >>> shares = cx.churn.cohorts(cx.datasets.load("cdnow"), share=True).iloc[:, :6]
    >>> triangle_chart(shares).count("<rect")
    18
    """
    said = say(words)
    sizes = triangle.get("customers")
    table = triangle.drop(columns="customers", errors="ignore").astype(float)
    values = table.to_numpy()
    if not values.size or np.nanmax(values) > 1 + 1e-9 or np.nanmin(values) < 0:
        raise DataError("The triangle must hold shares between 0 and 1; ask for share=True.")
    if len(table) > 60 or table.shape[1] > 40:
        raise DataError(
            f"A triangle of {len(table)} cohorts and {table.shape[1]} periods is too large to read; take up to 60 and 40."
        )
    names = [
        str(c) if sizes is None else f"{c} ({number(n, 0, said)})"
        for c, n in zip(table.index, sizes if sizes is not None else table.index, strict=True)
    ]
    left = max(text_width(shown(n, 26), SMALL) for n in names) + 14
    cell, high, top = (width - left - 6) / table.shape[1], 24.0, 52.0
    pic = Picture(width, top + high * len(table) + 10, title or said["triangle_title"], _spoken(table, said), id)
    pic.text(left, 16, said["cohort_share"], SMALL, "start", GREY)
    for j, period in enumerate(table.columns):
        pic.text(left + (j + 0.5) * cell, top - 8, str(period), SMALL, "middle", GREY)
    low = float(np.nanmin(values))
    digits = 0 if cell < 44 else 1
    for i, name in enumerate(names):
        y = top + i * high
        pic.text(left - 8, y + 16, shown(name, 26), SMALL, "end", INK)
        for j, share in enumerate(values[i]):
            if np.isnan(share):
                continue
            dark = (share - low) / max(1 - low, 1e-9)
            fill, ink = _shade(dark)
            period = said["period"].format(period=table.columns[j])
            pic.open(f"{name}, {period}: {number(100 * share, 1, said)} %")
            pic.draw("rect", x=left + j * cell, y=y, width=cell - 1.5, height=high - 1.5, fill=fill)
            if cell >= 22:
                pic.text(
                    left + (j + 0.5) * cell - 0.75,
                    y + 16,
                    number(100 * share, digits if share < 1 else 0, said),
                    SMALL,
                    "middle",
                    ink,
                )
            pic.close()
    return pic.svg()


def _shade(dark: float) -> tuple[str, str]:
    """Colour of a cell and of its number."""
    light, deep = np.array([233, 241, 247]), np.array([21, 70, 110])
    mixed = light + (deep - light) * min(max(dark, 0.0), 1.0)
    return "#" + "".join(f"{round(float(v)):02x}" for v in mixed), PAPER if dark > 0.45 else INK


def _spoken(table: pd.DataFrame, words: Mapping[str, str]) -> str:
    """What a screen reader says: the first and the last share of each cohort."""
    out = []
    for name, row in table.iloc[:12].iterrows():
        known = row.dropna()
        if len(known):
            period = words["period"].format(period=known.index[-1])
            out.append(f"{name}, {period}: {number(100 * known.iloc[-1], 0, words)} %")
    return "; ".join(out)


def tracking_chart(
    tracking: pd.DataFrame,
    *,
    split: float | None = None,
    time: str | None = None,
    title: str | None = None,
    width: float = 640,
    words: Words = None,
    id: str = "tracking",
) -> str:
    """Draw cumulative purchases as they came beside those foreseen.

    Parameters
    ----------
    tracking : DataFrame
        From :func:`cxmodels.churn.judge_forecast`: time, observed, expected (cumulative), with ci_lower and ci_upper if known.
    split : float, optional
        End of the period from which the model was learned.
    time : str, optional
        Name of the axis of time, with its unit.
    title, width, words, id
        As for the other charts.

    Returns
    -------
    str
        One ``<svg>`` element.

    Raises
    ------
    DataError
        If a column is missing, or there are no rows.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.report import tracking_chart
    >>> frame = pd.DataFrame({"time": [1, 2], "observed": [5, 9], "expected": [5.5, 9.2]})
    >>> tracking_chart(frame).count("<polyline")
    2
    """
    said = say(words)
    _groups(tracking, ["time", "observed", "expected"])
    x = [0.0, *tracking["time"].astype(float)]
    most = float(tracking[["observed", "expected"]].max().max())
    totals = [number(tracking[c].iloc[-1], 0, said) for c in ("observed", "expected")]
    told = said["counted_foreseen"].format(counted=totals[0], foreseen=totals[1])
    pic = Picture(width, width * 0.62, title or said["tracking_title"], told, id)
    at, up = ticks(0.0, x[-1], 7), ticks(0.0, most, 6)
    frame = _Frame(pic, at, up, (time or said["time"], said["purchases"]), (False, False), said)
    if split is not None:
        pic.line(frame.x(split), TOP, frame.x(split), frame.bottom, GREY, 1.2, stroke_dasharray="5 4")
        pic.text(frame.x(split) - 6, TOP + 12, said["learned"], SMALL, "end", GREY)
        pic.text(frame.x(split) + 6, TOP + 12, said["held_out"], SMALL, "start", GREY)
    frame.path(x, [0.0, *tracking["observed"]], INK, width=2.0)
    frame.path(x, [0.0, *tracking["expected"]], BLUE, dash="7 4")
    lines = ((said["counted"], INK, None), (said["expected"], BLUE, "7 4"))
    left = frame.right - max(text_width(name, SMALL) for name, _, _ in lines) - 12
    for k, (name, colour, dash) in enumerate(lines):
        y = frame.bottom - 34 + 18 * k
        pic.line(left - 38, y - 4, left - 8, y - 4, colour, 2.2, stroke_dasharray=dash)
        pic.text(left, y, name, SMALL, "start", INK)
    return pic.svg()
