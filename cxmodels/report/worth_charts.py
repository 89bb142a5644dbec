"""Pictures of what satisfaction is worth: the chain, the waterfall to the return, the tornado, return against budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SpecError, listed, near
from ..worth.words import money
from .blocks import shown
from .lettering import clip, text_width
from .rows import Row, Rows, Scale, axis, decimals, notes_below
from .svg import ACCENT, BLUE, GREY, INK, PALE, PAPER, RULE, TINT, Picture, number, say, ticks

if TYPE_CHECKING:
    from ..worth import SatisfactionWorth

__all__ = ["draw_worth", "worth_chain", "worth_curve", "worth_linkage", "worth_tornado", "worth_waterfall"]

Words = Mapping[str, str] | None

SMALL = 11.5
_ROW = 30.0


def draw_worth(result: SatisfactionWorth, which: str = "chain", **options: Any) -> str:
    """Draw one of the pictures.

    Parameters
    ----------
    result : SatisfactionWorth
    which : {"chain", "waterfall", "tornado", "curve", "linkage"}, default "chain"
    **options
        title, width, words, id.

    Returns
    -------
    str
        One ``<svg>`` element.

    Raises
    ------
    SpecError
        For an unknown picture.
    """
    makers = {
        "chain": worth_chain, "waterfall": worth_waterfall, "tornado": worth_tornado, "curve": worth_curve,
        "linkage": worth_linkage,
    }  # fmt: skip
    if which not in makers:
        raise SpecError(f"There is no picture '{which}'; choose from {listed(makers)}.{near(str(which), makers)}")
    return makers[which](result, **options)


def worth_chain(
    result: SatisfactionWorth,
    *,
    title: str = "From attributes to return",
    width: float = 900,
    words: Words = None,
    id: str = "chain",
) -> str:
    """Draw the stages of the chain one after another, each with its change and interval.

    Parameters
    ----------
    result : SatisfactionWorth
    title, width, words, id
        See ``cxmodels.report.charts``.

    Returns
    -------
    str
        One ``<svg>`` element.

    Examples
    --------
    >>> import cxmodels as cx
    >>> base, survey, truth = cx.worth.simulate_worth(800, seed=1)
    >>> fit = cx.Drivers("csi", ["speed", "price"]).fit(survey)
    >>> worth = cx.value_of_satisfaction(
    ...     fit, base, {"speed": 1.0}, customer="customer_id", left="left", margin="margin", costs={"speed": 500.0},
    ...     reliability=0.6, scale=(1, 10), n=10, seed=1,
    ... )
    >>> cx.report.worth_chain(worth)[:4]
    '<svg'
    """
    said = say(words)
    boxes = _boxes(result, said)
    gap = 26.0
    wide = (width - gap * (len(boxes) - 1)) / len(boxes)
    height = 118.0
    pic = Picture(width, height + 22, title, "; ".join(" ".join(b) for b in boxes), id)
    for i, (name, now, change, inside) in enumerate(boxes):
        x, last = i * (wide + gap), i == len(boxes) - 1
        pic.draw(
            "rect", x=x + 1, y=1.0, width=wide - 2, height=height, rx=6, fill=PALE if last else TINT, stroke=RULE
        )
        middle = x + wide / 2
        pic.text(middle, 24, clip(name, SMALL, wide - 12), SMALL, "middle", GREY)
        pic.text(middle, 54, clip(change, 17, wide - 10, True), 17, "middle", bold=True)
        pic.text(middle, 78, clip(now, SMALL, wide - 8), SMALL, "middle")
        pic.text(middle, 101, clip(inside, 10.5, wide - 6), 10.5, "middle", GREY)
        if not last:
            y = height / 2
            pic.line(x + wide + 3, y, x + wide + gap - 7, y, GREY, 1.6)
            tip = x + wide + gap - 3
            pic.draw("polygon", points=f"{tip},{y} {tip - 7},{y - 4.5} {tip - 7},{y + 4.5}", fill=GREY)
    notes_below(
        pic, [f"In small print: {result.level:.0%} intervals, from one bootstrap of all stages"], 2, height + 18
    )
    return pic.svg()


def _boxes(result: SatisfactionWorth, words: Mapping[str, str]) -> list[tuple[str, str, str, str]]:
    """Name, state, change and interval of each stage."""
    frame: dict[Any, dict[str, Any]] = result.stages.drop_duplicates("stage").set_index("stage").to_dict("index")  # type: ignore[assignment]
    out = []
    plan = result.plan
    if len(plan):
        first = f"{shown(plan.index[0], 40)} {number(plan.iloc[0], 2, words, True)}"
        rest = ", ".join(shown(k, 40) for k in plan.index) if len(plan) > 1 else "points of its scale"
        out.append(
            (
                "Attribute" if len(plan) == 1 else "Attributes",
                rest,
                first if len(plan) == 1 else f"{len(plan)} raised",
                "",
            )
        )
    s, r, v, e = frame["satisfaction"], frame["retention"], frame["value"], result.final
    out += [
        ("Satisfaction, 0-100", f"{number(s['now'], 1, words)} → {number(s['then'], 1, words)}", number(s["change"], 2, words, True),
         f"{number(s['ci_lower'], 2, words, True)} to {number(s['ci_upper'], 2, words, True)}"),
        ("Leaving per period", f"{number(100 * r['now'], 2, words)} % → {number(100 * r['then'], 2, words)} %",
         f"{number(100 * r['change'], 2, words, True)} pp", f"{number(100 * r['ci_lower'], 2, words, True)} to {number(100 * r['ci_upper'], 2, words, True)}"),
    ]  # fmt: skip
    if "spending" in frame:
        m = frame["spending"]
        share = [100 * m[k] / m["now"] for k in ("change", "ci_lower", "ci_upper")]
        out.append(("Margin per period", f"{money(m['now'])} → {money(m['then'])}", f"{number(share[0], 1, words, True)} %", f"{number(share[1], 1, words, True)} to {number(share[2], 1, words, True)}"))  # fmt: skip
    out.append((f"Value, {result.horizon} periods", f"{money(v['now'])} now", f"{_signed(v['change'])}", _between(v)))
    if result.cost > 0:
        out.append(("Return", f"cost {money(result.cost)}", _signed(e["change"]), _between(e)))
    return out


def worth_waterfall(
    result: SatisfactionWorth,
    *,
    title: str = "Value gained, less cost",
    width: float = 900,
    words: Words = None,
    id: str = "waterfall",
) -> str:
    """Draw how the rises add up to the value gained, and what is left after the cost.

    Parameters
    ----------
    result : SatisfactionWorth
    title, width, words, id
        See ``cxmodels.report.charts``.

    Returns
    -------
    str
        One ``<svg>`` element. Where satisfaction itself is raised, the parts are retention and spending.

    Examples
    --------
    >>> import cxmodels as cx
    >>> base, survey, truth = cx.worth.simulate_worth(800, seed=1)
    >>> fit = cx.Drivers("csi", ["speed", "price"]).fit(survey)
    >>> worth = cx.value_of_satisfaction(
    ...     fit, base, {"speed": 1.0}, customer="customer_id", left="left", margin="margin", costs={"speed": 500.0},
    ...     reliability=0.6, scale=(1, 10), n=10, seed=1,
    ... )
    >>> cx.report.worth_waterfall(worth)[:4]
    '<svg'
    """
    said = say(words)
    steps = _steps(result, said)
    value = dict(result.stages[result.stages["stage"] == "value"].iloc[0])
    final = result.final
    lines: list[tuple[str, float, dict[str, Any] | None]] = [(text, by, None) for text, by in steps]
    lines.append(("Value gained", math.nan, value))
    if result.cost > 0:
        lines += [("Cost", -result.cost, None), ("Return", math.nan, final)]
    level, spans, run = [], [], 0.0
    for _, by, total in lines:
        if total is None:
            spans.append((run, run + by))
            run += by
        else:
            run = float(total["change"])
            spans.append((0.0, run))
        level.append(run)
    reach = [0.0, *(v for s in spans for v in s)]
    reach += [float(t[k]) for _, _, t in lines if t is not None for k in ("ci_lower", "ci_upper")]
    unit, of = _unit(reach)
    at = ticks(min(reach) / unit, max(reach) / unit, 7)
    room = min(max(text_width(t, 13, bold=True) for t, _, _ in lines) + 18, 0.4 * width)
    top, right = 6.0, width - 96
    bottom = top + _ROW * len(lines)
    told = "; ".join(f"{t}: {_signed(v[1] - v[0])}" for (t, _, _), v in zip(lines, spans, strict=True))
    pic = Picture(width, bottom + 42, title, told, id)
    x = axis(pic, at, room, right, top, bottom, f"Money{of}; bars in grey: {result.level:.0%} interval", said)
    for i, ((text, _, total), (a, b)) in enumerate(zip(lines, spans, strict=True)):
        y = top + (i + 0.5) * _ROW
        pic.text(
            room - 12, y + 4.5, clip(text, 13, room - 14, total is not None), anchor="end", bold=total is not None
        )
        low, high = sorted((x(a / unit), x(b / unit)))
        fill = (INK if b >= 0 else ACCENT) if total is not None else BLUE if b >= a else ACCENT
        pic.draw("rect", x=low, y=y - 9, width=max(high - low, 1.0), height=18, fill=fill)
        if total is not None:
            ends = [x(float(total[k]) / unit) for k in ("ci_lower", "ci_upper")]
            pic.line(ends[0], y, ends[1], y, PAPER, 5)
            pic.line(ends[0], y, ends[1], y, GREY, 2.4)
        if i < len(lines) - 1:
            pic.line(x(level[i] / unit), y + 9, x(level[i] / unit), y + _ROW - 9, GREY)
        pic.text(width - 2, y + 4.5, _signed(b - a), anchor="end", bold=total is not None)
    return pic.svg()


def _steps(result: SatisfactionWorth, words: Mapping[str, str]) -> list[tuple[str, float]]:
    """Parts of the value gained."""
    total = float(result.stages.loc[result.stages["stage"] == "value", "change"].iloc[0])
    if not len(result.effects):
        spend = float(result.point["est"]["by_spending"]) if len(result.point) and total else 0.0
        parts = [("By retention", total - spend)]
        return [*parts, ("By spending", spend)] if result.chain.customers.spend is not None else parts
    e = result.effects
    steps = [
        (f"{shown(k, 50)} {number(a, 2, words, True)}", float(v))
        for k, a, v in zip(e.index, e["asked"], e["value"], strict=True)
    ]
    left = total - sum(v for _, v in steps)
    return [*steps, ("together", left)] if abs(left) > 0.002 * abs(total) else steps


def worth_tornado(
    result: SatisfactionWorth,
    *,
    title: str = "What the answer hangs on",
    width: float = 900,
    words: Words = None,
    id: str = "tornado",
) -> str:
    """Draw the return with one input after another at the ends of its range.

    Parameters
    ----------
    result : SatisfactionWorth
    title, width, words, id
        See ``cxmodels.report.charts``.

    Returns
    -------
    str
        One ``<svg>`` element; blue at the lower end of the input, vermilion at the upper.

    Examples
    --------
    >>> import cxmodels as cx
    >>> base, survey, truth = cx.worth.simulate_worth(800, seed=1)
    >>> fit = cx.Drivers("csi", ["speed", "price"]).fit(survey)
    >>> worth = cx.value_of_satisfaction(
    ...     fit, base, {"speed": 1.0}, customer="customer_id", left="left", margin="margin", costs={"speed": 500.0},
    ...     reliability=0.6, scale=(1, 10), n=10, seed=1,
    ... )
    >>> cx.report.worth_tornado(worth)[:4]
    '<svg'
    """
    said = say(words)
    frame = result.tornado
    known = frame[np.isfinite(frame[["at_low", "at_high"]]).all(axis=1)]
    middle = float(result.final["change"])
    reach = [middle, 0.0, *known["at_low"], *known["at_high"]]
    unit, of = _unit(reach)
    pad = 0.14 * (max(reach) - min(reach)) / unit
    at = ticks(min(reach) / unit - pad, max(reach) / unit + pad, 7)
    room = min(max((text_width(t, 13) for t in known["input"]), default=0) + 18, 0.42 * width)
    top, right = 26.0, width - 12
    bottom = top + _ROW * len(known)
    name = "Return" if result.cost > 0 else "Value gained"
    bars = list(zip(known["input"], *known[["low", "high", "at_low", "at_high"]].to_numpy(float).T, strict=True))
    told = "; ".join(f"{k}: {money(u)} at {_short(lo)}, {money(v)} at {_short(hi)}" for k, lo, hi, u, v in bars)
    pic = Picture(width, bottom + 60, title, told, id)
    x = axis(pic, at, room, right, top, bottom, f"{name}, money{of}", said)
    for i, (text, lowest, highest, at_low, at_high) in enumerate(bars):
        y = top + (i + 0.5) * _ROW
        pic.text(room - 12, y + 4.5, clip(text, 13, room - 14), anchor="end")
        for value, end, fill in ((at_low, lowest, BLUE), (at_high, highest, ACCENT)):
            start, stop = sorted((x(middle / unit), x(value / unit)))
            pic.draw("rect", x=start, y=y - 9, width=max(stop - start, 1.0), height=18, fill=fill)
            left = value < middle or (value == middle and fill == BLUE)
            pic.text(start - 5 if left else stop + 5, y + 4, _short(end), SMALL, "end" if left else "start", GREY)
    pic.line(x(middle / unit), top - 4, x(middle / unit), bottom, INK, 1.2)
    pic.text(x(middle / unit), top - 9, money(middle), SMALL, "middle", bold=True)
    note = f"Blue: lower end of the input; vermilion: upper end. Stages at the ends of their {result.level:.0%} intervals, assumptions at those of their ranges"
    notes_below(pic, [note], 2, pic.height - 6)
    return pic.svg()


def worth_curve(
    result: SatisfactionWorth,
    *,
    title: str = "Return against budget",
    width: float = 900,
    words: Words = None,
    id: str = "curve",
) -> str:
    """Draw the return of every budget, spent where it raises satisfaction most.

    Parameters
    ----------
    result : SatisfactionWorth
    title, width, words, id
        See ``cxmodels.report.charts``.

    Returns
    -------
    str
        One ``<svg>`` element; the point is the plan.

    Raises
    ------
    SpecError
        Without costs.

    Examples
    --------
    >>> import cxmodels as cx
    >>> base, survey, truth = cx.worth.simulate_worth(800, seed=1)
    >>> fit = cx.Drivers("csi", ["speed", "price"]).fit(survey)
    >>> worth = cx.value_of_satisfaction(
    ...     fit, base, {"speed": 1.0}, customer="customer_id", left="left", margin="margin", costs={"speed": 500.0},
    ...     reliability=0.6, scale=(1, 10), n=10, seed=1,
    ... )
    >>> cx.report.worth_curve(worth)[:4]
    '<svg'
    """
    said, frame = say(words), result.curve
    if not len(frame):
        raise SpecError("There is no curve of return against budget without costs; give costs.")
    spent, net = frame["budget"].to_numpy(), frame["net"].to_numpy()
    low, high = frame["net_lower"].to_numpy(), frame["net_upper"].to_numpy()
    across, of_x = _unit(spent)
    up, of_y = _unit([*low, *high])
    at_x, at_y = ticks(0, spent[-1] / across, 8), ticks(min(0.0, low.min() / up), max(high.max() / up, 1e-9), 6)
    height, left, right, top = width * 0.46, 70.0, width - 24, 30.0
    bottom = height - 64
    told = "; ".join(f"budget {money(a)}: return {money(b)}" for a, b in zip(spent[::4], net[::4], strict=True))
    pic = Picture(width, height, title, told, id)
    y = Scale(at_y, bottom, top)
    for tick in at_y:
        pic.line(left, y(tick), right, y(tick), INK if tick == 0 else RULE, 1.2 if tick == 0 else 1)
        pic.text(left - 8, y(tick) + 4, number(tick, decimals(at_y), said), SMALL, "end", GREY)
    x = Scale(at_x, left, right)
    for tick in at_x:
        pic.line(x(tick), bottom, x(tick), bottom + 4, GREY)
        pic.text(x(tick), bottom + 18, number(tick, decimals(at_x), said), SMALL, "middle", GREY)
    pic.text((left + right) / 2, bottom + 36, f"Budget, money{of_x}", SMALL, "middle", GREY)
    pic.text(left - 60, top - 14, f"Return, money{of_y}", SMALL, "start", GREY)
    places = [(x(a / across), y(b / up)) for a, b in zip(spent, net, strict=True)]
    edge = [(x(a / across), y(b / up)) for a, b in zip(spent, high, strict=True)]
    edge += [(x(a / across), y(b / up)) for a, b in zip(spent[::-1], low[::-1], strict=True)]
    pic.draw("polygon", points=_points(edge), fill=PALE, fill_opacity=0.55)
    pic.draw("polyline", points=_points(places), fill="none", stroke=BLUE, stroke_width=2.4)
    notes = [f"Band: {result.level:.0%} interval", "every budget spent where it raises satisfaction most"]
    if 0 < result.cost <= spent[-1] * 1.001:
        value = float(result.final["change"])
        px, py = x(result.cost / across), y(value / up)
        pic.draw("circle", cx=px, cy=py, r=6, fill=ACCENT, stroke=PAPER, stroke_width=1.5)
        early = px < (left + right) / 2
        text = f"the plan: {money(result.cost)} returns {money(value)}"
        pic.text(px + (11 if early else -11), py + 20, text, SMALL, "start" if early else "end", bold=True)
    notes_below(pic, notes, 2, height - 6)
    return pic.svg()


def worth_linkage(
    result: SatisfactionWorth,
    *,
    title: str = "Effects per point of satisfaction",
    width: float = 900,
    words: Words = None,
    id: str = "linkage",
) -> str:
    """Draw the effects on leaving and spending with and without correction for error of measurement.

    Parameters
    ----------
    result : SatisfactionWorth
    title, width, words, id
        See ``cxmodels.report.charts``.

    Returns
    -------
    str
        One ``<svg>`` element.

    Examples
    --------
    >>> import cxmodels as cx
    >>> base, survey, truth = cx.worth.simulate_worth(800, seed=1)
    >>> fit = cx.Drivers("csi", ["speed", "price"]).fit(survey)
    >>> worth = cx.value_of_satisfaction(
    ...     fit, base, {"speed": 1.0}, customer="customer_id", left="left", margin="margin", costs={"speed": 500.0},
    ...     reliability=0.6, scale=(1, 10), n=10, seed=1,
    ... )
    >>> cx.report.worth_linkage(worth)[:4]
    '<svg'
    """
    said = say(words)
    names = {
        "log_odds_to_leave": "Odds of leaving", "log_odds_to_leave_uncorrected": "as the score was measured",
        "log_spend": "Spending", "log_spend_uncorrected": "as the score was measured",
    }  # fmt: skip
    rows = []
    for key, r in result.linkage.iterrows():
        if key in names:
            est, low, high = (100 * np.expm1(float(r[c])) for c in ("est", "ci_lower", "ci_upper"))
            raw = str(key).endswith("uncorrected")
            rows.append(Row(names[str(key)], est, low, high, hollow=raw, strong=not raw))
    reach = [0.0, *(v for r in rows for v in (r.lower, r.upper))]
    at = ticks(min(reach), max(reach), 7)
    notes = [f"Filled: free of error of measurement; {result.level:.0%} intervals"]
    return Rows(rows, at, 2, "Change per point of satisfaction, %", notes=notes).svg(title, width, said, id)


def _unit(values: Sequence[float] | np.ndarray) -> tuple[float, str]:
    """Divisor of an axis of money, and its name."""
    most = float(np.max(np.abs(values), initial=0.0))
    for divisor, name in ((1e9, ", thousand millions"), (1e6, ", millions"), (1e3, ", thousands")):
        if most >= 5 * divisor:
            return divisor, name
    return 1.0, ""


def _signed(value: float) -> str:
    """An amount with its sign."""
    return f"+{money(value)}" if value > 0 else money(value)


def _between(row: Mapping[str, Any]) -> str:
    """The interval of a change."""
    return f"{_signed(row['ci_lower'])} to {_signed(row['ci_upper'])}"


def _short(value: float) -> str:
    """An end of a range."""
    return f"{value:.3g}".replace("-", "−") if abs(value) < 1000 else money(value)


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
