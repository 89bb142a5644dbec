"""How a covariance-based model fits, as a picture for the report: residual correlations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .blocks import shown
from .geometry import Rect
from .lettering import clip, text_width
from .svg import GREY, INK, PAPER, RULE, Picture, number, say

__all__ = ["residual_map"]

LARGE = 0.1  # residual correlations beyond are worth a look (Kline 2016)
FULL = 0.3  # where the colour is full
BLUE, VERMILION = (29, 91, 140), (191, 74, 20)


def residual_map(
    result: Any,
    *,
    group: Any = None,
    limit: float = LARGE,
    title: str | None = None,
    words: Mapping[str, str] | None = None,
    id: str = "residuals",
) -> str:
    """Draw what the model leaves unexplained of every correlation between items, as a map.

    Parameters
    ----------
    result : SEMResult
    group : label, optional
        By default the first (or only) group.
    limit : float, default 0.1
        Residuals at least as large are set bold.
    title, words, id
        As for every picture.

    Returns
    -------
    str
        One ``<svg>`` element: blue where items correlate more than the model says, vermilion where less.

    Examples
    --------
    >>> import cxmodels as cx
    >>> res = cx.SEM("visual =~ x1 + x2 + x3 + x9").fit(cx.datasets.load("holzinger"))
    >>> residual_map(res)[:4]
    '<svg'
    """
    said = say(words)
    frame = result.residuals("cor", group)
    names, values = [shown(n, 40) for n in frame.index], frame.to_numpy(dtype=float)
    k = len(names)
    side = float(min(46, max(14, 620 / max(k, 1))))
    left = min(max(text_width(n, 13) for n in names) + 16, 220.0)
    width, top = max(left + side * k + 100, 900.0), 10.0
    pairs = [(i, j) for i in range(k) for j in range(i)]
    large = sorted((p for p in pairs if abs(values[p]) >= limit), key=lambda p: -abs(values[p]))
    told = "; ".join(f"{names[i]}, {names[j]}: {number(values[i, j], 2, said)}" for i, j in large)
    room = 14
    pic = Picture(width, top + side * k + room + 28, title or said["residuals_title"], told or said["nothing"], id)
    for i in range(k):
        y = top + side * i
        pic.text(left - 8, y + side / 2 + 4.5, clip(names[i], 13, left - 12), anchor="end")
        for j in range(i):
            _cell(pic, Rect(left + side * j, y, side, side), values[i, j], f"{names[i]}, {names[j]}", limit, said)
        pic.text(left + side * i + 5, y + side / 2 + 4.5, clip(names[i], 11, side * (k - i) + 20), 11, fill=GREY)
    bold = said["residuals_bold"].format(limit=number(limit, 2, said))
    pic.text(
        10, top + side * k + room + 14, f"{said['residual']}; {bold}; {len(large)} / {len(pairs)}.", 11, fill=GREY
    )
    return pic.svg()


def _cell(pic: Picture, r: Rect, value: float, tip: str, limit: float, said: Mapping[str, str]) -> None:
    x, y, side = r.x, r.y, r.w
    known = bool(np.isfinite(value))
    share = min(abs(value) / FULL, 1.0) if known else 0.0
    full = BLUE if value > 0 else VERMILION
    shade = "#" + "".join(f"{round(255 + (c - 255) * share):02x}" for c in full)
    pic.open(f"{tip}: {number(value, 3, said)}")
    pic.draw(
        "rect",
        x=x,
        y=y,
        width=side - 1,
        height=side - 1,
        fill=shade if known else PAPER,
        stroke=RULE,
        stroke_width=0.5,
    )
    if side >= 26:
        text = number(value, 2, said).replace("0.", ".", 1) if known else said["missing"]
        pic.text(
            x + side / 2 - 0.5,
            y + side / 2 + 3.5,
            text,
            11,
            "middle",
            PAPER if share > 0.6 else INK,
            bold=known and abs(value) >= limit,
        )
    pic.close()
