"""The charts of a driver analysis: ordered bars with intervals, the map, the waterfall of a scenario."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .blocks import shown
from .lettering import clip, text_width
from .plots import importance_performance
from .rows import Row, Rows, Scale, axis, decimals
from .svg import ACCENT, BLUE, GREY, INK, RULE, Picture, columns, number, say, ticks

if TYPE_CHECKING:
    from ..drivers import WhatIf

__all__ = ["driver_bars", "driver_map", "segment_dots", "what_if_waterfall"]

Words = Mapping[str, str] | None


def driver_bars(
    frame: pd.DataFrame,
    significant: pd.Series | None = None,
    *,
    title: str | None = None,
    width: float = 900,
    words: Words = None,
    id: str = "drivers",
) -> str:
    """Draw shares of importance, largest first, with their intervals.

    Parameters
    ----------
    frame : DataFrame
        Index attribute; column share, or est as in :attr:`DriverBootstrap.shares`; optional ci_lower, ci_upper. On 0-1.
    significant : Series of bool, optional
        Hollow where False: not to be told from an attribute of noise.
    title, width, words, id
        See ``cxmodels.report.charts``.

    Returns
    -------
    str
        One ``<svg>`` element.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.report import driver_bars
    >>> "62" in driver_bars(pd.DataFrame({"share": [0.62, 0.38]}, index=["Staff", "Price"]))
    True
    """
    said = say(words)
    est = frame["est"] if "est" in frame else frame["share"]
    bounded = "est" in frame or "share" not in frame
    low = 100 * frame["ci_lower"] if bounded and "ci_lower" in frame else pd.Series(math.nan, frame.index)
    high = 100 * frame["ci_upper"] if bounded and "ci_upper" in frame else pd.Series(math.nan, frame.index)
    order = np.argsort(-est.to_numpy(), kind="stable")
    noise = np.zeros(len(frame), dtype=bool)
    if significant is not None:
        noise = ~significant.reindex(frame.index).to_numpy(bool)
    rows = [
        Row(
            shown(frame.index[i]),
            100 * float(est.iloc[i]),
            float(low.iloc[i]),
            float(high.iloc[i]),
            hollow=bool(noise[i]),
        )
        for i in order
    ]
    reach = [v for r in rows for v in (r.est, r.lower, r.upper) if math.isfinite(v)]
    notes = [said["noise"]] if noise.any() else []
    at = ticks(min([0.0, *reach]), max(reach, default=100.0), 7)
    chart = Rows(rows, at, 1, said["explained_share"], bars=True, notes=notes)
    return chart.svg(title or said["shares_title"], width, said, id)


def driver_map(
    frame: pd.DataFrame,
    *,
    outcome: str,
    title: str | None = None,
    width: float = 900,
    words: Words = None,
    id: str = "map",
) -> str:
    """Draw the map of :meth:`DriverResult.map`, with its cut written on it.

    Parameters
    ----------
    frame : DataFrame
        As that method returns it.
    outcome : str
        What importance speaks of.
    title, width, words, id
        See ``cxmodels.report.charts``.

    Returns
    -------
    str
        One ``<svg>`` element.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.report import driver_map
    >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ6"]).fit(cx.datasets.load("mobi"))
    >>> "performance at its mean" in driver_map(res.map(), outcome="CUSA1")
    True
    """
    line, at = float(frame["importance_cut"].iloc[0]), float(frame["performance_cut"].iloc[0])
    said = say(words)
    lines = {"importance": number(line, 3, said), "performance": number(at, 2, said)}
    own = {
        "importance": said["derived"],
        "performance": said["rating"],
        "improve": said["concentrate"],
        "keep": said["keep_good"],
        "means": said["lines_at"].format(cut=frame["cut"].iloc[0], **lines),
    }
    named = frame[["importance", "performance"]].rename(index=lambda v: shown(v, 60)).rename_axis("construct")
    return importance_performance(
        named,
        target=shown(outcome, 40),
        cut=(line, at),
        title=title,
        width=width,
        words={**said, **own},
        id=id,
    )


def segment_dots(
    frame: pd.DataFrame,
    *,
    title: str | None = None,
    width: float = 900,
    words: Words = None,
    id: str = "segments",
) -> str:
    """Draw importance of each attribute in every segment, with intervals.

    Parameters
    ----------
    frame : DataFrame
        ``importance`` of a ``Segments``: segment, attribute, importance, ci_lower, ci_upper.
    title, width, words, id
        See ``cxmodels.report.charts``.

    Returns
    -------
    str
        One ``<svg>`` element; attributes by their mean importance, within each the segments in their order.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.report import segment_dots
    >>> rows = pd.DataFrame({"segment": ["N", "S"], "attribute": "Staff", "importance": [0.2, 0.3],
    ...                      "ci_lower": [0.1, 0.2], "ci_upper": [0.3, 0.4]})
    >>> segment_dots(rows).count("<circle")
    2
    """
    said = say(words)
    segments = columns(frame, "segment", ["importance"])["segment"]
    frame = columns(frame, "attribute", ["importance", "ci_lower", "ci_upper"]).assign(segment=segments)
    order = frame.groupby("attribute")["importance"].mean().sort_values(ascending=False, kind="stable").index
    first = frame["segment"].iloc[0]
    rows = []
    for attribute in order:
        for r in frame[frame["attribute"] == attribute].itertuples(index=False):
            lead = f"{shown(attribute, 60)}, " if r.segment == first else ""
            label = f"{lead}{shown(r.segment, 40)}"
            rows.append(
                Row(label, float(r.importance), float(r.ci_lower), float(r.ci_upper), warm=r.segment != first)
            )
    reach = [v for r in rows for v in (r.est, r.lower, r.upper) if math.isfinite(v)]
    at = ticks(min([0.0, *reach]), max(reach, default=1.0), 7)
    notes = [said["first_blue"].format(first=shown(first, 40))]
    chart = Rows(rows, at, 3, said["r2_part"], notes=notes, height=24)
    return chart.svg(title or said["segments_importance"], width, said, id)


def what_if_waterfall(
    what: WhatIf,
    *,
    title: str | None = None,
    width: float = 900,
    words: Words = None,
    id: str = "waterfall",
) -> str:
    """Draw how the changes of a scenario add up from now to then.

    Parameters
    ----------
    what : WhatIf
    title, width, words, id
        See ``cxmodels.report.charts``.

    Returns
    -------
    str
        One ``<svg>`` element; in a model that is not linear the changes do not quite add up, and a step says what is left.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.report import what_if_waterfall
    >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ6"]).fit(cx.datasets.load("mobi"))
    >>> what_if_waterfall(res.simulate({"PERQ1": 0.5}, scale=(1, 10))).count("<rect")
    1
    """
    said = say(words)
    steps = [
        (clip(shown(n, 60), 13, 0.4 * width - 18, tail=f" {number(a, 2, said, True)}"), float(e))
        for n, a, e in zip(what.effects.index, what.effects["asked"], what.effects["effect"], strict=True)
    ]
    left = what.change - sum(e for _, e in steps)
    if abs(left) > 1e-6 * max(abs(what.change), 1e-9):
        steps.append((said["together"], left))
    level = np.concatenate([[what.baseline], what.baseline + np.cumsum([e for _, e in steps])])
    ends = [*level, what.ci_lower + what.baseline, what.ci_upper + what.baseline]
    pad = 0.15 * (max(ends) - min(ends) or 1.0)
    at = ticks(min(ends) - pad, max(ends) + pad, 7)
    digits = max(2, decimals(at))
    lines = [(said["now"], math.nan), *steps, (said["then"], math.nan)]
    room = min(max(text_width(t, 13, bold=True) for t, _ in lines) + 18, 0.4 * width)
    top, height, right = 6.0, 28.0, width - 80
    bottom = top + height * len(lines)
    ends_told = [(said["now"], what.baseline), (said["then"], what.predicted)]
    told = f"{what.unit}: " + "; ".join(
        [
            *(f"{t} {number(v, digits, said)}" for t, v in ends_told),
            *(f"{t}: {number(e, digits, said, True)}" for t, e in steps),
        ]
    )
    pic = Picture(width, bottom + 42, title or said["what_if_title"], told, id)
    x = axis(pic, at, room, right, top, bottom, shown(what.unit), said)
    for i, (text, effect) in enumerate(lines):
        y = top + (i + 0.5) * height
        total = math.isnan(effect)
        pic.text(room - 12, y + 4.5, clip(text, 13, room - 14, total), anchor="end", bold=total)
        if total:
            _end(pic, x, what, y, first=i == 0)
            value = number(what.baseline if i == 0 else what.predicted, digits, said)
        else:
            start, stop = sorted((x(level[i - 1]), x(level[i])))
            pic.draw(
                "rect",
                x=start,
                y=y - 9,
                width=max(stop - start, 1.0),
                height=18,
                fill=BLUE if effect >= 0 else ACCENT,
            )
            pic.line(x(level[i]), y - 9, x(level[i]), y + height + 9, RULE)
            value = number(effect, digits, said, True)
        pic.text(width - 2, y + 4.5, value, anchor="end", fill=INK, bold=total)
    return pic.svg()


def _end(pic: Picture, x: Scale, what: WhatIf, y: float, first: bool) -> None:
    """Mark where the scenario starts, or where it ends with its interval."""
    value = what.baseline if first else what.predicted
    if not first and math.isfinite(what.se):
        pic.line(x(what.baseline + what.ci_lower), y, x(what.baseline + what.ci_upper), y, GREY, 2)
    pic.draw("circle", cx=x(value), cy=y, r=5.5, fill=INK)
