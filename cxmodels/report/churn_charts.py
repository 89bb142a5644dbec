"""Pictures of a churn score: calibration, gains, and the profit of contacting so many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from .lettering import text_width
from .svg import ACCENT, BLUE, GREY, PAPER, RULE, Picture, columns, number, say, span, ticks

LEFT, RIGHT, TOP, BOTTOM = 62.0, 18.0, 26.0, 44.0
SMALL = 11.5
Words = Mapping[str, str] | None


class _Frame:
    """Axes of a picture: from numbers to places."""

    def __init__(
        self,
        pic: Picture,
        x: Sequence[float],
        y: Sequence[float],
        names: tuple[str, str],
        percent: tuple[bool, bool],
        words: Mapping[str, str],
        foot: float = 0.0,
        side: float = 0.0,
    ) -> None:
        self.pic, self.x_ends, self.y_ends = pic, (x[0], x[-1]), (y[0], y[-1])
        self.right, self.bottom = pic.width - RIGHT - side, pic.height - BOTTOM - foot
        right, bottom = self.right, self.bottom
        for value in y:
            at = self.y(value)
            pic.line(LEFT, at, right, at, RULE)
            pic.text(LEFT - 8, at + 4, _tick(value, percent[1], y, words), SMALL, "end", GREY)
        for value in x:
            pic.line(self.x(value), bottom, self.x(value), bottom + 4, GREY)
            pic.text(self.x(value), bottom + 18, _tick(value, percent[0], x, words), SMALL, "middle", GREY)
        pic.line(LEFT, bottom, right, bottom, GREY)
        pic.text((LEFT + right) / 2, bottom + 38, names[0], SMALL, "middle", GREY)
        pic.text(LEFT, TOP - 10, names[1], SMALL, "start", GREY)

    def x(self, value: float) -> float:
        """Place along the axis of x."""
        low, high = self.x_ends
        return LEFT + (value - low) / (high - low) * (self.right - LEFT)

    def y(self, value: float) -> float:
        """Place along the axis of y."""
        low, high = self.y_ends
        return self.bottom - (value - low) / (high - low) * (self.bottom - TOP)

    def path(
        self, x: Sequence[float], y: Sequence[float], colour: str, *, dash: str | None = None, width: float = 2.2
    ) -> None:
        """A line through points."""
        points = " ".join(f"{self.x(a):.1f},{self.y(b):.1f}" for a, b in zip(x, y, strict=True))
        self.pic.draw(
            "polyline", points=points, fill="none", stroke=colour, stroke_width=width, stroke_dasharray=dash
        )


def _tick(value: float, percent: bool, every: Sequence[float], words: Mapping[str, str]) -> str:
    """A number at an axis."""
    step = abs(every[1] - every[0]) if len(every) > 1 else 1.0
    if percent:
        return f"{number(100 * value, 0 if step >= 0.0099 else 1, words)} %"
    return number(value, 0 if step >= 1 else 1 if step >= 0.1 else 2, words)


def calibration_chart(
    curve: pd.DataFrame,
    *,
    title: str | None = None,
    width: float = 520,
    words: Words = None,
    id: str = "calibration",
) -> str:
    """Draw observed against foreseen churn, in groups of customers along the score.

    Parameters
    ----------
    curve : DataFrame
        From :func:`cxmodels.churn.calibration_curve`: foreseen, observed, ci_lower, ci_upper, n.
    title, width, words, id
        As for the other charts.

    Returns
    -------
    str
        One ``<svg>`` element; the diagonal is a score that is right.

    Examples
    --------
    >>> from cxmodels.churn import calibration_curve
    >>> from cxmodels.report import calibration_chart
    >>> calibration_chart(calibration_curve([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9], bins=2)).count("<circle")
    2
    """
    said = say(words)
    data = columns(curve, "bin", ["foreseen", "observed", "ci_lower", "ci_upper", "n"])
    top = max(float(data[["foreseen", "ci_upper"]].max().max()), 0.05)
    at = ticks(0.0, min(top, 1.0), 5)
    told = "; ".join(
        f"{said['foreseen']} {number(100 * f, 0, said)} %, {said['observed']} {number(100 * o, 0, said)} %"
        for f, o in data[["foreseen", "observed"]].values
    )
    pic = Picture(width, width * 0.8, title or said["calibration_title"], told, id)
    frame = _Frame(pic, at, at, (said["foreseen"], said["observed"]), (True, True), said)
    frame.path([at[0], at[-1]], [at[0], at[-1]], GREY, dash="5 4", width=1.4)
    for row in data.to_dict("records"):
        x = frame.x(row["foreseen"])
        interval = span(100 * row["ci_lower"], 100 * row["ci_upper"], 1, said)
        pic.open(
            f"{said['foreseen']} {number(100 * row['foreseen'], 1, said)} %, {said['observed']} {number(100 * row['observed'], 1, said)} %, {interval}, "
            f"n = {number(row['n'], 0, said)}"
        )
        pic.line(x, frame.y(row["ci_lower"]), x, frame.y(min(row["ci_upper"], at[-1])), BLUE, 1.6)
        pic.draw("circle", cx=x, cy=frame.y(row["observed"]), r=4.5, fill=BLUE, stroke=PAPER, stroke_width=1)
        pic.close()
    return pic.svg()


def gains_chart(
    curve: pd.DataFrame, *, title: str | None = None, width: float = 520, words: Words = None, id: str = "gains"
) -> str:
    """Draw the share of all churners among the highest scores.

    Parameters
    ----------
    curve : DataFrame
        From :func:`cxmodels.churn.gains`: contacted, captured.
    title, width, words, id
        As for the other charts.

    Returns
    -------
    str
        One ``<svg>`` element; the dashed line is calling at random.

    Examples
    --------
    >>> from cxmodels.churn import gains
    >>> from cxmodels.report import gains_chart
    >>> gains_chart(gains([0, 1, 0, 1], [0.1, 0.2, 0.8, 0.9], points=4)).count("<polyline")
    2
    """
    said = say(words)
    pic = Picture(width, width * 0.8, title or said["churners_found"], _spoken(curve, "captured", said), id)
    at = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    frame = _Frame(pic, at, at, (said["contacted"], said["churners_found"]), (True, True), said)
    frame.path([0, 1], [0, 1], GREY, dash="5 4", width=1.4)
    frame.path(curve["contacted"].tolist(), curve["captured"].tolist(), BLUE)
    return pic.svg()


def profit_chart(
    curve: pd.DataFrame,
    *,
    title: str | None = None,
    width: float = 520,
    words: Words = None,
    id: str = "profit",
) -> str:
    """Draw the profit of contacting the highest scores, with its peak and the profit of contacting everybody.

    Parameters
    ----------
    curve : DataFrame
        From :func:`cxmodels.churn.profit_curve`: contacted, profit_per_customer.
    title, width, words, id
        As for the other charts.

    Returns
    -------
    str
        One ``<svg>`` element.

    Examples
    --------
    >>> from cxmodels.churn import profit_curve
    >>> from cxmodels.report import profit_chart
    >>> profit_chart(profit_curve([0, 1, 0, 1], [0.1, 0.2, 0.8, 0.9], points=4)).count("<circle")
    1
    """
    said = say(words)
    y = curve["profit_per_customer"]
    at = ticks(min(float(y.min()), 0.0), max(float(y.max()), 1e-9), 5)
    told = _spoken(curve, "profit_per_customer", said)
    pic = Picture(width, width * 0.8, title or said["profit_title"], told, id)
    frame = _Frame(
        pic, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0], at, (said["contacted"], said["money_each"]), (True, False), said
    )
    pic.line(LEFT, frame.y(0), pic.width - RIGHT, frame.y(0), GREY, 1.4)
    frame.path(curve["contacted"].tolist(), y.tolist(), BLUE)
    peak = int(y.to_numpy().argmax())
    share, most = float(curve["contacted"].iloc[peak]), float(y.iloc[peak])
    x, top = frame.x(share), frame.y(most)
    pic.draw("circle", cx=x, cy=top, r=5, fill=ACCENT, stroke=PAPER, stroke_width=1)
    text = said["peak"].format(value=number(most, 2, said), share=f"{number(100 * share, 0, said)} %")
    early = share < 0.6
    at_x = x + (9 if early else -9)
    if early and top < TOP + 8:  # beside the name of the axis, not on it
        at_x = max(at_x, LEFT + text_width(said["money_each"], SMALL) + 14)
    pic.text(at_x, top - 7, text, SMALL, "start" if early else "end", bold=True)
    return pic.svg()


def _spoken(curve: pd.DataFrame, value: str, words: Mapping[str, str]) -> str:
    """What a screen reader says of a curve: its tenths."""
    some = curve.iloc[:: max(len(curve) // 10, 1)]
    return "; ".join(
        f"{number(100 * a, 0, words)} %: {number(b, 2, words)}" for a, b in some[["contacted", value]].values
    )
