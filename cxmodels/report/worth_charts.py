"""Pictures of what satisfaction is worth: the chain, the waterfall to the return, the tornado, return against budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SpecError, listed, near
from ..worth.tornado import INPUTS
from .blocks import shown
from .lettering import clip, text_width
from .rows import Row, Rows, Scale, axis, decimals, notes_below
from .svg import ACCENT, BLUE, GREY, INK, PALE, PAPER, RULE, TINT, Picture, amount, number, say, ticks

if TYPE_CHECKING:
    from ..worth import SatisfactionWorth

__all__ = ["draw_worth", "worth_chain", "worth_curve", "worth_linkage", "worth_tornado", "worth_waterfall"]

Words = Mapping[str, str] | None

LARGE, SMALL, SMALLEST = 17.0, 11.5, 9.5
_ROW = 30.0
_KEYS = {name: key for key, name in INPUTS.items()}  # of the inputs of a tornado


def draw_worth(result: SatisfactionWorth, which: str = "chain", **options: Any) -> str:
    """Draw one of the pictures.

    Parameters
    ----------
    result : SatisfactionWorth
    which : {"chain", "waterfall", "tornado", "curve", "linkage"}, default "chain"
    **options
        title, width, words, id; labels of chain and waterfall.

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
    labels: Words = None,
    title: str | None = None,
    width: float = 900,
    words: Words = None,
    id: str = "chain",
) -> str:
    """Draw the stages of the chain one after another, each with its change and interval.

    Parameters
    ----------
    result : SatisfactionWorth
    labels : mapping, optional
        What the reader calls attributes, by their names.
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
    boxes = _boxes(result, labels or {}, said)
    gap = 26.0
    wide = (width - gap * (len(boxes) - 1)) / len(boxes)
    height = 118.0
    pic = Picture(width, height + 22, title or said["chain_title"], "; ".join(" ".join(b) for b in boxes), id)
    for i, (name, now, change, inside) in enumerate(boxes):
        x, last = i * (wide + gap), i == len(boxes) - 1
        pic.draw(
            "rect", x=x + 1, y=1.0, width=wide - 2, height=height, rx=6, fill=PALE if last else TINT, stroke=RULE
        )
        middle = x + wide / 2
        size = _fitting(name, SMALL, SMALLEST, wide - 12)
        pic.text(middle, 24, clip(name, size, wide - 12), size, "middle", GREY)
        size = _fitting(change, LARGE, SMALL, wide - 10, True)
        pic.text(middle, 54, clip(change, size, wide - 10, True), size, "middle", bold=True)
        pic.text(middle, 78, clip(now, SMALL, wide - 8), SMALL, "middle")
        pic.text(middle, 101, clip(inside, 10.5, wide - 6), 10.5, "middle", GREY)
        if not last:
            y = height / 2
            pic.line(x + wide + 3, y, x + wide + gap - 7, y, GREY, 1.6)
            tip = x + wide + gap - 3
            pic.draw("polygon", points=f"{tip},{y} {tip - 7},{y - 4.5} {tip - 7},{y + 4.5}", fill=GREY)
    notes_below(pic, [said["chain_note"].format(level=_level(result, said))], 2, height + 18)
    return pic.svg()


def _fitting(text: str, size: float, least: float, room: float, bold: bool = False) -> float:
    """The largest size, up to the usual one, at which a text fits, if not too small to read."""
    return max(min(size, 0.99 * size * room / max(text_width(text, size, bold), 1.0)), least)


def _boxes(
    result: SatisfactionWorth, labels: Mapping[str, str], words: Mapping[str, str]
) -> list[tuple[str, str, str, str]]:
    """Name, state, change and interval of each stage."""
    frame: dict[Any, dict[str, Any]] = result.stages.drop_duplicates("stage").set_index("stage").to_dict("index")  # type: ignore[assignment]
    out, plan = [], result.plan
    names = ", ".join(shown(labels.get(k, k), 40) for k in plan.index)
    if len(plan) == 1:
        out.append((words["attribute"], names, number(plan.iloc[0], 2, words, True), words["own_points"]))
    elif len(plan):
        out.append((words["attributes"], names, words["raised"].format(n=len(plan)), ""))
    s, r, v, e = frame["satisfaction"], frame["retention"], frame["value"], result.final
    leaving = [f"{number(100 * r[k], 2, words)} %" for k in ("now", "then")]
    out += [
        (words["satisfaction"], f"{number(s['now'], 1, words)} → {number(s['then'], 1, words)}", number(s["change"], 2, words, True),
         _ends(s, 2, words)),
        (words["leaving"], " → ".join(leaving), words["percent_points"].format(change=number(100 * r["change"], 2, words, True)),
         _ends(r, 2, words, 100)),
    ]  # fmt: skip
    if "spending" in frame:
        m = frame["spending"]
        times = 100 / m["now"]
        change = f"{number(times * m['change'], 1, words, True)} %"
        both = f"{amount(m['now'], words)} → {amount(m['then'], words)}"
        out.append((words["margin"], both, change, _ends(m, 1, words, times)))
    value = words["worth_now"].format(value=amount(v["now"], words))
    out.append(
        (words["value_over"].format(n=result.horizon), value, amount(v["change"], words, True), _between(v, words))
    )
    if result.cost > 0:
        cost = words["cost_of"].format(value=amount(result.cost, words))
        out.append((words["return"], cost, amount(e["change"], words, True), _between(e, words)))
    return out


def worth_waterfall(
    result: SatisfactionWorth,
    *,
    labels: Words = None,
    title: str | None = None,
    width: float = 900,
    words: Words = None,
    id: str = "waterfall",
) -> str:
    """Draw how the rises add up to the value gained, and what is left after the cost.

    Parameters
    ----------
    result : SatisfactionWorth
    labels : mapping, optional
        What the reader calls attributes, by their names.
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
    steps = _steps(result, labels or {}, 0.4 * width - 18, said)
    value = dict(result.stages[result.stages["stage"] == "value"].iloc[0])
    final = result.final
    lines: list[tuple[str, float, dict[str, Any] | None]] = [(text, by, None) for text, by in steps]
    lines.append((said["value_gained"], math.nan, value))
    if result.cost > 0:
        lines += [(said["cost"], -result.cost, None), (said["return"], math.nan, final)]
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
    unit, of = _unit(reach, said)
    at = ticks(min(reach) / unit, max(reach) / unit, 7)
    room = min(max(text_width(t, 13, bold=True) for t, _, _ in lines) + 18, 0.4 * width)
    top, right = 6.0, width - 96
    bottom = top + _ROW * len(lines)
    told = "; ".join(f"{t}: {amount(v[1] - v[0], said, True)}" for (t, _, _), v in zip(lines, spans, strict=True))
    pic = Picture(width, bottom + 42, title or said["waterfall_title"], told, id)
    below = said["money_axis"].format(unit=of, level=_level(result, said))
    x = axis(pic, at, room, right, top, bottom, below, said)
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
        pic.text(width - 2, y + 4.5, amount(b - a, said, True), anchor="end", bold=total is not None)
    return pic.svg()


def _steps(
    result: SatisfactionWorth, labels: Mapping[str, str], room: float, words: Mapping[str, str]
) -> list[tuple[str, float]]:
    """Parts of the value gained."""
    total = float(result.stages.loc[result.stages["stage"] == "value", "change"].iloc[0])
    if not len(result.effects):
        spend = float(result.point["est"]["by_spending"]) if len(result.point) and total else 0.0
        parts = [(words["by_retention"], total - spend)]
        return [*parts, (words["by_spending"], spend)] if result.chain.customers.spend is not None else parts
    e = result.effects
    steps = [
        (clip(shown(labels.get(k, k), 50), 13, room, tail=f" {number(a, 2, words, True)}"), float(v))
        for k, a, v in zip(e.index, e["asked"], e["value"], strict=True)
    ]
    left = total - sum(v for _, v in steps)
    return [*steps, (words["together"], left)] if abs(left) > 0.002 * abs(total) else steps


def worth_tornado(
    result: SatisfactionWorth,
    *,
    title: str | None = None,
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
    frame = result.tornado.assign(input=[said[f"input_{_KEYS[k]}"] for k in result.tornado["input"]])
    known = frame[np.isfinite(frame[["at_low", "at_high"]]).all(axis=1)]
    middle = float(result.final["change"])
    reach = [middle, 0.0, *known["at_low"], *known["at_high"]]
    unit, of = _unit(reach, said)
    pad = 0.14 * (max(reach) - min(reach)) / unit
    at = ticks(min(reach) / unit - pad, max(reach) / unit + pad, 7)
    room = min(max((text_width(t, 13) for t in known["input"]), default=0) + 18, 0.42 * width)
    top, right = 26.0, width - 12
    bottom = top + _ROW * len(known)
    name = said["return_axis" if result.cost > 0 else "gained_axis"].format(unit=of)
    bars = list(zip(known["input"], *known[["low", "high", "at_low", "at_high"]].to_numpy(float).T, strict=True))
    there = said["peak"]
    told = "; ".join(
        f"{k}: {there.format(value=amount(u, said), share=_short(lo, said))}, {there.format(value=amount(v, said), share=_short(hi, said))}"
        for k, lo, hi, u, v in bars
    )
    pic = Picture(width, bottom + 60, title or said["tornado_title"], told, id)
    x = axis(pic, at, room, right, top, bottom, name, said)
    for i, (text, lowest, highest, at_low, at_high) in enumerate(bars):
        y = top + (i + 0.5) * _ROW
        pic.text(room - 12, y + 4.5, clip(text, 13, room - 14), anchor="end")
        for value, end, fill in ((at_low, lowest, BLUE), (at_high, highest, ACCENT)):
            start, stop = sorted((x(middle / unit), x(value / unit)))
            pic.draw("rect", x=start, y=y - 9, width=max(stop - start, 1.0), height=18, fill=fill)
            left = value < middle or (value == middle and fill == BLUE)
            pic.text(
                start - 5 if left else stop + 5, y + 4, _short(end, said), SMALL, "end" if left else "start", GREY
            )
    pic.line(x(middle / unit), top - 4, x(middle / unit), bottom, INK, 1.2)
    pic.text(x(middle / unit), top - 9, amount(middle, said), SMALL, "middle", bold=True)
    notes_below(pic, [said["tornado_note"].format(level=_level(result, said))], 2, pic.height - 6)
    return pic.svg()


def worth_curve(
    result: SatisfactionWorth,
    *,
    title: str | None = None,
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
    across, of_x = _unit(spent, said)
    up, of_y = _unit([*low, *high], said)
    at_x, at_y = ticks(0, spent[-1] / across, 8), ticks(min(0.0, low.min() / up), max(high.max() / up, 1e-9), 6)
    height, left, right, top = width * 0.46, 70.0, width - 24, 30.0
    bottom = height - 64
    told = "; ".join(f"{amount(a, said)}: {amount(b, said)}" for a, b in zip(spent[::4], net[::4], strict=True))
    pic = Picture(width, height, title or said["curve_title"], told, id)
    y = Scale(at_y, bottom, top)
    for tick in at_y:
        pic.line(left, y(tick), right, y(tick), INK if tick == 0 else RULE, 1.2 if tick == 0 else 1)
        pic.text(left - 8, y(tick) + 4, number(tick, decimals(at_y), said), SMALL, "end", GREY)
    x = Scale(at_x, left, right)
    for tick in at_x:
        pic.line(x(tick), bottom, x(tick), bottom + 4, GREY)
        pic.text(x(tick), bottom + 18, number(tick, decimals(at_x), said), SMALL, "middle", GREY)
    pic.text((left + right) / 2, bottom + 36, said["budget_axis"].format(unit=of_x), SMALL, "middle", GREY)
    pic.text(left - 60, top - 14, said["return_axis"].format(unit=of_y), SMALL, "start", GREY)
    places = [(x(a / across), y(b / up)) for a, b in zip(spent, net, strict=True)]
    edge = [(x(a / across), y(b / up)) for a, b in zip(spent, high, strict=True)]
    edge += [(x(a / across), y(b / up)) for a, b in zip(spent[::-1], low[::-1], strict=True)]
    pic.draw("polygon", points=_points(edge), fill=PALE, fill_opacity=0.55)
    pic.draw("polyline", points=_points(places), fill="none", stroke=BLUE, stroke_width=2.4)
    notes = [said["band"].format(level=_level(result, said)), said["spent_best"]]
    if 0 < result.cost <= spent[-1] * 1.001:
        value = float(result.final["change"])
        px, py = x(result.cost / across), y(value / up)
        pic.draw("circle", cx=px, cy=py, r=6, fill=ACCENT, stroke=PAPER, stroke_width=1.5)
        early = px < (left + right) / 2
        text = said["plan_point"].format(cost=amount(result.cost, said), value=amount(value, said))
        pic.text(px + (11 if early else -11), py + 20, text, SMALL, "start" if early else "end", bold=True)
    notes_below(pic, notes, 2, height - 6)
    return pic.svg()


def worth_linkage(
    result: SatisfactionWorth,
    *,
    title: str | None = None,
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
        "log_odds_to_leave": said["odds"], "log_odds_to_leave_uncorrected": said["as_measured"],
        "log_spend": said["spending"], "log_spend_uncorrected": said["as_measured"],
    }  # fmt: skip
    rows = []
    for key, r in result.linkage.iterrows():
        if key in names:
            est, low, high = (100 * np.expm1(float(r[c])) for c in ("est", "ci_lower", "ci_upper"))
            raw = str(key).endswith("uncorrected")
            rows.append(Row(names[str(key)], est, low, high, hollow=raw, strong=not raw))
    reach = [0.0, *(v for r in rows for v in (r.lower, r.upper))]
    at = ticks(min(reach), max(reach), 7)
    notes = [said["free_of_error"].format(level=_level(result, said))]
    name = title or said["linkage_title"]
    return Rows(rows, at, 2, said["per_point_axis"], notes=notes).svg(name, width, said, id)


def _unit(values: Sequence[float] | np.ndarray, words: Mapping[str, str]) -> tuple[float, str]:
    """Divisor of an axis of money, and its name."""
    most = float(np.max(np.abs(values), initial=0.0))
    for divisor, name in ((1e9, "billions"), (1e6, "millions"), (1e3, "thousands")):
        if most >= 5 * divisor:
            return divisor, words[name]
    return 1.0, ""


def _level(result: SatisfactionWorth, words: Mapping[str, str]) -> str:
    """The level of the intervals."""
    return words["percent"].format(number(100 * result.level, 0, words))


def _ends(row: Mapping[str, Any], digits: int, words: Mapping[str, str], times: float = 1.0) -> str:
    """The interval of a change, with its signs."""
    low, high = (number(times * row[k], digits, words, True) for k in ("ci_lower", "ci_upper"))
    return f"{low} {words['to']} {high}"


def _between(row: Mapping[str, Any], words: Mapping[str, str]) -> str:
    """The interval of a change of money."""
    return f"{amount(row['ci_lower'], words, True)} {words['to']} {amount(row['ci_upper'], words, True)}"


def _short(value: float, words: Mapping[str, str]) -> str:
    """An end of a range."""
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    text = number(value, digits, words)
    return text.rstrip("0").rstrip(words["decimal"]) if words["decimal"] in text else text


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
