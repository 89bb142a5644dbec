"""Pictures of whom an offer changes and of what satisfaction does: Qini curve, profit, balance, segments, linkage.

All of them take `title`, `width`, `words` and `id`, see ``cxmodels.report.charts``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from .blocks import shown
from .churn_charts import LEFT, RIGHT, _Frame
from .lettering import clip
from .rows import Guide, Row, Rows, Scale
from .svg import ACCENT, BLUE, GREY, INK, PALE, PAPER, RULE, Picture, columns, number, say, span, ticks

__all__ = ["balance_chart", "linkage_chart", "qini_chart", "segments_chart", "uplift_profit_chart"]

Words = Mapping[str, str] | None

SMALL = 11.5
LARGE = 0.1  # standardised difference that is customarily called large (Austin 2009)
MOST = 30  # rows of a love plot
ENDLESS = 1e9  # stands for the difference of a column that tells the groups apart


def qini_chart(
    curve: pd.DataFrame,
    *,
    title: str | None = None,
    width: float = 520,
    words: Words = None,
    id: str = "qini",
) -> str:
    """Draw the Qini curve with its interval, per customer treated, against a ranking at random.

    Parameters
    ----------
    curve : DataFrame
        :attr:`cxmodels.churn.qini_curve.Qini.curve`: targeted, gain, gain_lower, gain_upper, random.
    title, width, words, id
        See the module.

    Returns
    -------
    str
        One ``<svg>`` element.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.report import qini_chart
    >>> campaign, truth = cx.datasets.simulate_campaign(1000)
    >>> found = cx.churn.qini(campaign["retained"], campaign["treatment"], truth["uplift"], n=20)
    >>> qini_chart(found.curve).count("<polyline")
    2
    """
    said = say(words)
    data = columns(
        curve.assign(at=curve["targeted"]), "at", ["targeted", "gain", "gain_lower", "gain_upper", "random"]
    )
    pic = Picture(width, width * 0.6, title or said["qini_title"], _told(data, "gain", said), id)
    low, high = float(data["gain_lower"].min()), float(data[["gain_upper", "random"]].max().max())
    at = ticks(min(low, 0.0), max(high, 1e-6), 9)
    names = (said["treated_share"], said["gained_share"])
    plane = _Frame(pic, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0], at, names, (True, True), said)
    _band(pic, plane, data, "gain_lower", "gain_upper")
    if at[0] < 0:
        pic.line(LEFT, plane.y(0), pic.width - RIGHT, plane.y(0), GREY, 1.2)
    plane.path(data["targeted"].tolist(), data["random"].tolist(), GREY, dash="5 4", width=1.4)
    plane.path(data["targeted"].tolist(), data["gain"].tolist(), BLUE)
    peak = int(data["gain"].to_numpy().argmax())
    if data["gain"].iloc[peak] > 0:
        most, share = (f"{number(100 * data[c].iloc[peak], d, said)} %" for c, d in (("gain", 1), ("targeted", 0)))
        text = said["peak"].format(value=most, share=share)
        _peak(pic, plane, float(data["targeted"].iloc[peak]), float(data["gain"].iloc[peak]), text)
    pic.text(
        plane.x(0.66), plane.y(float(data["random"].iloc[-1]) * 0.66) + 18, said["at_random"], SMALL, "start", GREY
    )
    return pic.svg()


def uplift_profit_chart(
    curve: pd.DataFrame,
    *,
    title: str | None = None,
    width: float = 520,
    words: Words = None,
    id: str = "uplift-profit",
) -> str:
    """Draw the profit of treating the highest uplifts, with its interval and its peak.

    Parameters
    ----------
    curve : DataFrame
        :attr:`cxmodels.churn.uplift_value.UpliftProfit.curve`: targeted, profit, ci_lower, ci_upper.
    title, width, words, id
        See the module.

    Returns
    -------
    str
        One ``<svg>`` element.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.report import uplift_profit_chart
    >>> frame = pd.DataFrame({"targeted": [0, 0.5, 1], "profit": [0, 3, 1], "ci_lower": [0, 1, -1], "ci_upper": [0, 5, 3]})
    >>> "3.00 at 50 %" in uplift_profit_chart(frame)
    True
    """
    said = say(words)
    data = columns(curve.assign(at=curve["targeted"]), "at", ["targeted", "profit", "ci_lower", "ci_upper"])
    pic = Picture(width, width * 0.6, title or said["uplift_profit_title"], _told(data, "profit", said), id)
    at = ticks(min(float(data["ci_lower"].min()), 0.0), max(float(data["ci_upper"].max()), 1e-6), 9)
    names = (said["treated_share"], said["money_of_base"])
    plane = _Frame(pic, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0], at, names, (True, False), said)
    _band(pic, plane, data, "ci_lower", "ci_upper")
    pic.line(LEFT, plane.y(0), pic.width - RIGHT, plane.y(0), GREY, 1.2)
    plane.path(data["targeted"].tolist(), data["profit"].tolist(), BLUE)
    peak = int(data["profit"].to_numpy().argmax())
    share, most = float(data["targeted"].iloc[peak]), float(data["profit"].iloc[peak])
    text = said["peak"].format(value=number(most, 2, said), share=f"{number(100 * share, 0, said)} %")
    _peak(pic, plane, share, most, text)
    return pic.svg()


def balance_chart(
    table: pd.DataFrame,
    *,
    title: str | None = None,
    groups: tuple[str, str] | None = None,
    width: float = 760,
    words: Words = None,
    id: str = "balance",
) -> str:
    """Draw standardised differences, the largest first (a love plot); hollow before weighting, filled after.

    Parameters
    ----------
    table : DataFrame
        Of :func:`cxmodels.churn.balance` or of a linkage: column, difference; optional difference_weighted.
    title : str, optional
    groups : (str, str), optional
        Who is higher on the right, and who on the left; treated and control by default.
    width, words, id
        See the module.

    Returns
    -------
    str
        One ``<svg>`` element; vermilion beyond 0.1 standard deviations.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.report import balance_chart
    >>> frame = pd.DataFrame({"column": ["age", "price"], "difference": [0.3, -0.02]})
    >>> balance_chart(frame).count("<circle")
    2
    """
    said = say(words)
    right_group, left_group = groups or (said["treated"], said["control"])
    table = table.replace({math.inf: ENDLESS, -math.inf: -ENDLESS})
    data = columns(table, "column", ["difference"], ["difference_weighted"])
    weighted = bool(data["difference_weighted"].notna().any())
    last = "difference_weighted" if weighted else "difference"
    data = data.iloc[(-data["difference"].abs()).argsort(kind="stable")]
    more, data = max(len(data) - MOST, 0), data.head(MOST)
    sizes = data[["difference", "difference_weighted"]].abs()
    inside = sizes.where(sizes < ENDLESS).max().max()  # what has no end is drawn at the end of the axis
    reach = max(float(inside) if inside > 0 else 0.0, LARGE * 1.2)
    at = ticks(-reach, reach, 7)
    left, right, top, row = 0.34 * width, width - 70, 34.0, 24.0
    bottom = top + row * len(data)
    told = "; ".join(f"{r['column']} {_size(r[last], 2, said)}" for r in data.to_dict("records"))
    pic = Picture(width, bottom + 62 + 16 * bool(more), title or said["balance_title"], told, id)
    x = Scale(at, left, right)
    place = data[sizes.columns].clip(at[0], at[-1])
    pic.draw("rect", x=x(-LARGE), y=top - 6, width=x(LARGE) - x(-LARGE), height=bottom - top + 6, fill="#f3f6f9")
    for value in at:
        pic.line(x(value), top - 6, x(value), bottom, GREY if value == 0 else RULE)
        pic.text(
            x(value),
            bottom + 16,
            number(value, 1 if at[1] - at[0] >= 0.0999 else 2, said, signed=True),
            SMALL,
            "middle",
            GREY,
        )
    pic.text(x(at[0]), 16, f"← {said['more_among'].format(group=left_group)}", SMALL, "start", GREY)
    pic.text(x(at[-1]), 16, f"{said['more_among'].format(group=right_group)} →", SMALL, "end", GREY)
    for k, r in enumerate(data.to_dict("records")):
        y = top + row * (k + 0.5) - 3
        name = shown(r["column"])
        pic.open(
            f"{name}: {_size(r['difference'], 3, said)}"
            + (f", {said['weighted']} {_size(r[last], 3, said)}" if weighted else "")
        )
        pic.text(left - 12, y + 4, clip(name, SMALL, left - 16), SMALL, "end", INK)
        before, now = (x(float(place[c].iloc[k])) for c in ("difference", last))
        if weighted:
            pic.line(before, y, now, y, PALE, 3)
            pic.draw("circle", cx=before, cy=y, r=4.5, fill=PAPER, stroke=GREY, stroke_width=1.6)
        pic.draw("circle", cx=now, cy=y, r=5, fill=ACCENT if abs(r[last]) > LARGE else BLUE)
        pic.text(right + 12, y + 4, _size(r[last], 2, said, signed=True), SMALL, "start", INK)
        pic.close()
    key = said["differences_key"].format(limit=number(LARGE, 1, said)) + (
        f". {said['before_weighting']}" if weighted else ""
    )
    pic.text(left, bottom + 38, key, SMALL, "start", GREY)
    if more:
        pic.text(left, bottom + 54, said["smaller_omitted"].format(n=more), SMALL, "start", GREY)
    return pic.svg()


def _size(value: float, digits: int, words: Mapping[str, str], *, signed: bool = False) -> str:
    """Write a standardised difference, which may have no end."""
    if abs(value) >= ENDLESS:
        return "−∞" if value < 0 else "+∞" if signed else "∞"
    return number(value, digits, words, signed=signed)


def segments_chart(
    segments: pd.DataFrame,
    *,
    title: str | None = None,
    width: float = 760,
    words: Words = None,
    id: str = "segments",
) -> str:
    """Draw the effect that the campaign shows among persuadables, sure things, lost causes and sleeping dogs.

    Parameters
    ----------
    segments : DataFrame
        :attr:`cxmodels.churn.uplift_value.Persuadables.segments`.
    title, width, words, id
        See the module.

    Returns
    -------
    str
        One ``<svg>`` element; hollow where the interval includes 0.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.report import segments_chart
    >>> frame = pd.DataFrame({"share": [0.6], "effect": [0.1], "ci_lower": [0.05], "ci_upper": [0.15]}, index=["persuadables"])
    >>> "Persuadables, 60 %" in segments_chart(frame)
    True
    """
    said = say(words)
    data = columns(segments.rename_axis("segment"), "segment", ["share", "effect", "ci_lower", "ci_upper"])
    rows = []
    for r in data.to_dict("records"):
        name = said.get(f"segment_{r['segment'].replace(' ', '_')}", r["segment"])
        label = said["of_customers"].format(segment=name, share=f"{number(100 * r['share'], 0, said)} %")
        row = Row(label, 100 * r["effect"], 100 * r["ci_lower"], 100 * r["ci_upper"], warm=r["effect"] < 0)
        rows.append(replace(row, hollow=row.covers(0)))
    notes = [said["hollow"]] if any(r.hollow for r in rows) else []
    chart = Rows(rows, _reach(rows), 1, said["kept_per_100"], notes=notes, signed=True)
    return chart.svg(title or said["segments_title"], width, said, id)


def linkage_chart(
    effects: pd.DataFrame,
    *,
    outcome: str | None = None,
    axis_label: str | None = None,
    title: str | None = None,
    width: float = 760,
    words: Words = None,
    id: str = "linkage",
) -> str:
    """Draw the effect of one point of satisfaction: as the answers have it, weighted, and free of their error.

    Parameters
    ----------
    effects : DataFrame
        :attr:`cxmodels.linkage.LinkageResult.effects` or its `marginal`: index approach; est, ci_lower, ci_upper.
    outcome : str, optional
        What is moved.
    axis_label, title : str, optional
    width, words, id
        See the module.

    Returns
    -------
    str
        One ``<svg>`` element; the line is at the corrected effect.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.report import linkage_chart
    >>> frame = pd.DataFrame(
    ...     {"est": [-0.03, -0.05], "ci_lower": [-0.04, -0.07], "ci_upper": [-0.02, -0.03]}, index=["naive", "corrected"]
    ... )
    >>> "Corrected for error" in linkage_chart(frame, outcome="churned")
    True
    """
    said = say(words)
    data = columns(effects.rename_axis("approach"), "approach", ["est", "ci_lower", "ci_upper"])
    rows = [
        Row(said.get(f"approach_{r['approach']}", r["approach"]), r["est"], r["ci_lower"], r["ci_upper"], hollow=r["approach"] != "corrected", strong=r["approach"] == "corrected")
        for r in data.to_dict("records")
    ]  # fmt: skip
    best = float(data.loc[data["approach"] == "corrected", "est"].iloc[0])
    digits = 3 if abs(best) >= 0.01 else 4
    label = axis_label or said["linkage_axis"].format(
        outcome=said["the_outcome"] if outcome is None else shown(outcome)
    )
    chart = Rows(rows, _reach(rows), digits, label, guides=[Guide(best, number(best, digits, said))], signed=True)
    return chart.svg(title or label, width, said, id)


# --- shared -----------------------------------------------------------------------------------------------------------


def _band(pic: Picture, plane: _Frame, data: pd.DataFrame, low: str, high: str) -> None:
    """Fill the interval of a curve."""
    upper = [f"{plane.x(a):.1f},{plane.y(b):.1f}" for a, b in data[["targeted", high]].values]
    lower = [f"{plane.x(a):.1f},{plane.y(b):.1f}" for a, b in data[["targeted", low]].values[::-1]]
    pic.draw("polygon", points=" ".join([*upper, *lower]), fill=PALE, fill_opacity=0.55)


def _peak(pic: Picture, plane: _Frame, x: float, y: float, text: str) -> None:
    """Mark the highest point of a curve."""
    pic.draw("circle", cx=plane.x(x), cy=plane.y(y), r=5, fill=ACCENT, stroke=PAPER, stroke_width=1)
    early = x < 0.6
    pic.text(plane.x(x) + (9 if early else -9), plane.y(y) - 9, text, SMALL, "start" if early else "end", bold=True)


def _reach(rows: list[Row]) -> list[float]:
    """Ticks over all intervals and 0."""
    every = [v for r in rows for v in (r.est, r.lower, r.upper) if math.isfinite(v)]
    return ticks(min([0.0, *every]), max([0.0, *every]), 6)


def _told(data: pd.DataFrame, what: str, words: Mapping[str, str]) -> str:
    """What a screen reader says of a curve: its tenths, with intervals."""
    low, high = (next(c for c in data.columns if c.endswith(end)) for end in ("_lower", "_upper"))
    some = data.iloc[:: max(len(data) // 10, 1)]
    return "; ".join(
        f"{number(100 * a, 0, words)} %: {number(b, 3, words)} ({span(c, d, 3, words)})"
        for a, b, c, d in some[["targeted", what, low, high]].values
    )
