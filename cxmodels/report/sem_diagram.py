"""The path diagram of a covariance-based model: ovals for factors, boxes for what was observed, arrows and curves.

Constructs joined by arrows are laid out as in every path diagram of the package (``layout``); constructs that only
covary stand in one row. Items hang below the construct they measure; a general factor reaches them by a fan.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..errors import SpecError, check_kind, listed
from ..sem import SEMBootstrap, SEMResult
from .blocks import shown
from .geometry import HEAD, Edge, Point, Rect, place_labels
from .layout import arrange
from .lettering import clip, room_for, text_width, wrap
from .sem_graph import Graph, Link, Node, graph_of, panels
from .svg import ACCENT, BLUE, GREY, INK, PAPER, RULE, TINT, Drawing, Picture, number, say

__all__ = ["sem_diagram"]

LABEL, LEADING, SMALL = 13.0, 16.0, 11.0
ITEM, ITEM_GAP, DROP = 21.0, 6.0, 10.0
MOST_ARCS = 36  # covariances between constructs in a row; more cannot be told apart
Words = Mapping[str, str]


@dataclass(frozen=True)
class _Curve:
    """A line to be drawn: cubic pieces from end to end, arrow heads included."""

    link: Link
    points: tuple[Point, ...]
    both: bool
    small: bool
    label: Rect


@dataclass
class _Plan:
    """Where everything goes."""

    width: float
    height: float
    boxes: dict[str, Rect]
    items: dict[str, Rect]
    right: dict[str, bool]  # whether the items of a construct are joined to it at their right
    edges: dict[tuple[str, str], Edge]


def sem_diagram(
    result: SEMResult | SEMBootstrap,
    *,
    which: str = "std_all",
    group: object = None,
    significance: float = 0.05,
    labels: Mapping[str, str] | None = None,
    items: bool = True,
    title: str | None = None,
    words: Words | None = None,
    id: str = "d1",
) -> Drawing:
    """Draw a fitted structural equation model.

    Parameters
    ----------
    result : SEMResult or SEMBootstrap
        With a bootstrap its p-values decide which lines are dashed.
    which : {"std_all", "std_lv", "est"}, default "std_all"
        The numbers shown: standardised, standardised by the constructs only, or as estimated.
    group : label, optional
        One group of several; by default all, below one another.
    significance : float, default 0.05
        A line is dashed where its p-value is not below; .05 is the custom of the field.
    labels : mapping of name to label, optional
        What variables are called.
    items : bool, default True
        Whether the items are drawn.
    title, words, id
        As for :func:`path_diagram`.

    Returns
    -------
    Drawing
        One ``<svg>`` element; a notebook shows it. Ovals are factors, hexagons composites, boxes observed
        variables; a line is as wide as its standardised estimate is large.

    Raises
    ------
    SpecError
        For an unknown group or `which`.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.report import sem_diagram
    >>> res = cx.SEM("visual =~ x1 + x2 + x3; speed =~ x7 + x8 + x9").fit(cx.datasets.load("holzinger"))
    >>> sem_diagram(res)[:4]
    '<svg'
    """
    if not isinstance(result, SEMBootstrap):
        check_kind(result, SEMResult, "sem_diagram()", "SEM.fit")
    said, labels = say(words), labels or {}
    point = result.result if isinstance(result, SEMBootstrap) else result
    parts = panels(result)
    if group is not None:
        found = [p for p in parts if p[0] == str(group)]
        if not found:
            raise SpecError(f"There is no group '{group}'; groups are {listed(t for t, _ in parts if t)}.")
        parts = found
    graphs = []
    for name, frame in parts:
        r2 = point.r_squared
        for key in ("group", "level"):
            if key in frame and key in r2 and len(frame):
                r2 = r2[r2[key].astype(str) == str(frame[key].iloc[0])]
        graph = graph_of(frame, name, dict(zip(r2["name"], r2["r2"], strict=True)), which, significance, labels)
        graphs.append(graph if items else _without_items(graph))
    return _drawn(graphs, which, significance, shown(title or said["path_title"], 200), said, id)


def _without_items(g: Graph) -> Graph:
    """Constructs and what joins them."""
    nodes = {n: replace(x, items=()) for n, x in g.nodes.items()}
    covariances = tuple(c for c in g.covariances if c.start in nodes and c.end in nodes)
    return replace(g, nodes=nodes, across=(), covariances=covariances)


def _drawn(graphs: Sequence[Graph], which: str, significance: float, title: str, said: Words, id: str) -> Drawing:
    """Draw the panels below one another."""
    plans = [_plan(g) for g in graphs]
    curves = [_curves(g, p, said) for g, p in zip(graphs, plans, strict=True)]
    for g, p, c in zip(graphs, plans, curves, strict=True):
        _fit(g, p, c)
    notes = _notes(graphs, which, significance, said)
    width = max([900.0, *(p.width for p in plans)])
    height = sum(p.height + (26 if g.title else 0) for g, p in zip(graphs, plans, strict=True)) + (24 if notes else 0)
    pic = Picture(width, height, title, " ".join(_told(g, said) for g in graphs), id)
    y = 0.0
    for g, p, lines in zip(graphs, plans, curves, strict=True):
        if g.title:
            pic.text(10, y + 19, shown(g.title, 80), LABEL + 1, bold=True)
            y += 26
        _draw_panel(pic, g, p, lines, ((width - p.width) / 2, y), said)
        y += p.height
    if notes:
        pic.text(10, height - 9, notes, SMALL, fill=GREY)
    return Drawing(pic.svg())


# --- where things go ------------------------------------------------------------------------------------------------


def _plan(g: Graph) -> _Plan:
    w, h = _box_size(g)
    below = {n: (DROP + len(x.items) * (ITEM + ITEM_GAP) if x.items else 0.0) for n, x in g.nodes.items()}
    pulls = [(x.start, _owner(g, x.end)) for x in g.across if x.start in g.nodes]
    paths = [(x.start, x.end) for x in g.paths]
    turned = {p[::-1] for p in paths}
    edges = [p for p in dict.fromkeys([*paths, *pulls]) if p in paths or (p[1] and p[0] != p[1] and p not in turned)]
    strip = 0.0
    if edges:
        plan = arrange(list(g.nodes), edges, box=(w, h), below=below)
        if any(abs(plan.boxes[a].cx - plan.boxes[b].cx) < 1 for a, b in edges):
            strip = 30.0  # an arrow down a column runs at the right, beside the items
            plan = arrange(list(g.nodes), edges, box=(max(w, _item_width(g) + 22 + strip), h), below=below)
        boxes, width, height = dict(plan.boxes), plan.width, plan.height
        laid = {(e.start, e.end): e for e in plan.edges if (e.start, e.end) in paths}
    else:
        boxes, width, height = _row(list(g.nodes), w, h, max(below.values(), default=0.0))
        laid = {}
    joined = {_owner(g, x.end): boxes[x.start].cx for x in g.across if x.start in boxes}
    right = {n: joined.get(n, math.inf) < boxes[n].cx for n in g.nodes}
    spots = {}
    for n, node in g.nodes.items():
        r = boxes[n]
        for k, x in enumerate(node.items):
            left = r.x if right[n] else r.x + 22
            spots[x.end] = Rect(left, r.bottom + DROP + k * (ITEM + ITEM_GAP), r.w - 22 - strip, ITEM)
    return _Plan(width, height, boxes, spots, right, laid)


def _box_size(g: Graph) -> tuple[float, float]:
    lines = {n: wrap(x.label, LABEL, _room(g), bold=True) for n, x in g.nodes.items()}
    widest = max(text_width(line, LABEL, bold=True) for own in lines.values() for line in own)
    tall = max(len(own) * LEADING + (LEADING if g.nodes[n].r_squared is not None else 0) for n, own in lines.items())
    return max(min(widest + 44, 186.0), min(_item_width(g) + 22, 164.0), 128.0), max(tall + 24, 52.0)


def _room(g: Graph) -> float:
    """Width of the names of constructs."""
    return room_for((x.label for x in g.nodes.values()), LABEL, 112.0, 150.0)


def _item_width(g: Graph) -> float:
    """Room for the longest item and its loading, within reason."""
    labels = [g.label(x.end) for n in g.nodes.values() for x in n.items]
    return min(max((text_width(t, SMALL) for t in labels), default=0.0) + text_width("−0.00", SMALL) + 24, 150.0)


def _row(names: Sequence[str], w: float, h: float, below: float) -> tuple[dict[str, Rect], float, float]:
    """Constructs that nothing but covariances join, side by side under their arcs."""
    k = len(names)
    step = max(w + 30, min(w + 110, (880 - w) / max(k - 1, 1)))
    width = max(900.0, step * (k - 1) + w + 20)
    left = (width - step * (k - 1) - w) / 2
    return {n: Rect(left + i * step, 20, w, h) for i, n in enumerate(names)}, width, 20 + h + below + 14


def _owner(g: Graph, name: str) -> str:
    """The node of a variable: itself, or the construct below which it hangs."""
    if name in g.nodes:
        return name
    return next((n for n, x in g.nodes.items() if any(i.end == name for i in x.items)), "")


def _fit(g: Graph, plan: _Plan, curves: list[_Curve]) -> None:
    """Make room for what reaches over the edges of the picture."""
    every = [p for c in curves for p in c.points] + [(c.label.x, c.label.y) for c in curves]
    every += [(c.label.right, c.label.bottom) for c in curves]
    rects = [*plan.boxes.values(), *plan.items.values()]
    xs = [x for x, _ in every] + [r.x for r in rects] + [r.right for r in rects]
    ys = [y for _, y in every] + [r.y for r in rects] + [r.bottom for r in rects]
    dx, dy = 10 - min(xs), 10 - min(ys)
    for rect in (plan.boxes, plan.items):
        for n, r in rect.items():
            rect[n] = Rect(r.x + dx, r.y + dy, r.w, r.h)
    for i, c in enumerate(curves):
        moved = tuple((x + dx, y + dy) for x, y in c.points)
        curves[i] = replace(c, points=moved, label=Rect(c.label.x + dx, c.label.y + dy, c.label.w, c.label.h))
    plan.width, plan.height = max(xs) + dx + 10, max(ys) + dy + 10


# --- lines ----------------------------------------------------------------------------------------------------------


def _curves(g: Graph, plan: _Plan, said: Words) -> list[_Curve]:
    """Every arrow and covariance with its label, those between constructs first."""
    rects = {**plan.boxes, **plan.items}
    places = _paths(g, plan)
    lines = [(x, places[x.start, x.end], False) for x in g.paths]
    fans = [(x, _across(rects[x.start], rects[x.end], plan), False) for x in g.across]
    lines += [(x, c, False) for x, c, _ in fans]
    inner = [c for c in g.covariances if c.start in g.nodes and c.end in g.nodes]
    flat = not g.paths and not any(x.start in g.nodes for x in g.across)
    crowded = len(inner) > MOST_ARCS
    for c in g.covariances:
        if c in inner and crowded:
            continue
        lines.append((c, _covariance(c, g, plan, rects, flat and c in inner), True))
    sizes = [
        (text_width(number(x.est, 2, said), SMALL if x.end in plan.items else LABEL, bold=True) + 7, 16.0)
        for x, _, _ in lines
    ]
    solid = [Rect(r.x, r.y, r.w, r.h) for r in rects.values()]
    spots = place_labels([c for _, c, _ in lines], solid, sizes, max(plan.width, 4000.0)) if lines else []
    near = {
        id(x): _beside(c, size)
        for (x, c, both), size in zip(lines, sizes, strict=True)
        if not both and x.end in plan.items
    }
    apex = {id(x): _apex(c, size) for (x, c, both), size in zip(lines, sizes, strict=True) if both}
    return [
        _Curve(x, c, both, both or x.end in plan.items, near.get(id(x)) or apex.get(id(x)) or spot)
        for (x, c, both), spot in zip(lines, spots, strict=True)
    ]


def _paths(g: Graph, plan: _Plan) -> dict[tuple[str, str], tuple[Point, ...]]:
    """Curves between constructs, drawn out to the outline of their ends."""
    out = {}
    for (start, end), e in plan.edges.items():
        points = list(e.curve)
        points[0] = _onto(points[0], plan.boxes[start], g.nodes[start])
        tip = _onto(e.tip(), plan.boxes[end], g.nodes[end])
        points[-2] = (points[-2][0] + tip[0] - e.tip()[0], points[-2][1] + tip[1] - e.tip()[1])
        points[-1] = tip
        out[start, end] = tuple(points)
    return out


def _onto(p: Point, r: Rect, node: Node) -> Point:
    """Move a point on the side of a box onto the oval in it."""
    if node.kind != "factor":
        return p
    a, b = r.w / 2, r.h / 2
    x, y = p[0] - r.cx, p[1] - r.cy
    if abs(abs(x) - a) <= abs(abs(y) - b):
        return r.cx + math.copysign(a * math.sqrt(max(1 - (y / b) ** 2, 0.0)), x), p[1]
    return p[0], r.cy + math.copysign(b * math.sqrt(max(1 - (x / a) ** 2, 0.0)), y)


def _across(a: Rect, b: Rect, plan: _Plan) -> tuple[Point, ...]:
    """From the side of one box to the facing side of another."""
    if abs(a.cx - b.cx) < 40:  # one below the other: round the right side
        x = max(a.right, b.right) + 34
        return ((a.right, a.cy), (x, a.cy), (x, b.cy), (b.right, b.cy))
    start, end = ((a.right, a.cy), (b.x, b.cy)) if a.cx < b.cx else ((a.x, a.cy), (b.right, b.cy))
    half = (end[0] - start[0]) / 2
    return (start, (start[0] + half, start[1]), (end[0] - half, end[1]), end)


def _covariance(c: Link, g: Graph, plan: _Plan, rects: Mapping[str, Rect], arched: bool) -> tuple[Point, ...]:
    """A curve with two heads: over a row, beside a column, or from side to side."""
    a, b = rects[c.start], rects[c.end]
    if arched:
        a, b = (a, b) if a.cx < b.cx else (b, a)
        reach = abs(b.cx - a.cx)
        lift = 26 + 0.22 * reach
        x1, x2 = a.cx + a.w * 0.12, b.cx - b.w * 0.12
        return ((x1, a.y + 0.5), (x1 + reach * 0.12, a.y - lift), (x2 - reach * 0.12, b.y - lift), (x2, b.y + 0.5))
    if abs(a.cx - b.cx) < 60:
        return _bulge(c, g, plan, a, b)
    a, b = (a, b) if a.cx < b.cx else (b, a)
    (x1, y1), (x2, y2) = (a.right, a.cy), (b.x, b.cy)
    y2 += 5.5 * (
        b in plan.items.values() and not plan.right.get(_owner(g, c.end), False)
    )  # beside its loading's arrow
    half = max((x2 - x1) / 2, 18.0)
    return ((x1, y1), (x1 + half, y1), (x2 - half, y2), (x2, y2))


def _bulge(c: Link, g: Graph, plan: _Plan, a: Rect, b: Rect) -> tuple[Point, ...]:
    """Beside a column: items away from the line that joins them to their construct, constructs where no arrow leaves."""
    a, b = (a, b) if a.cy < b.cy else (b, a)
    if c.start in g.nodes and c.end in g.nodes:
        right = any(x.end in (c.start, c.end) for x in g.paths)
        reach = 26 + 0.2 * (b.cy - a.cy)
    else:
        owner = _owner(g, c.start)
        right = not plan.right.get(owner, False)
        steps = max(1.0, (b.cy - a.cy) / (ITEM + ITEM_GAP))
        reach = 22 + 13 * steps if steps < 9 else 140.0
    x1, x2 = (a.right, b.right) if right else (a.x, b.x)
    x = max(x1, x2) + reach if right else min(x1, x2) - reach
    return ((x1, a.cy), (x, a.cy), (x, b.cy), (x2, b.cy))


def _beside(curve: Sequence[Point], size: tuple[float, float]) -> Rect:
    """Label of an arrow to an item: close to its head, where a fan is widest."""
    (x, y), before = curve[-1], curve[-2]
    side = -1.0 if before[0] < x else 1.0
    left = x + side * (HEAD + 3) - (size[0] if side < 0 else 0)
    return Rect(left, y - size[1] / 2, *size)


def _apex(curve: Sequence[Point], size: tuple[float, float]) -> Rect:
    """Label of a covariance: in the middle of its curve."""
    x = sum(k * p[0] for k, p in zip((1, 3, 3, 1), curve, strict=True)) / 8
    y = sum(k * p[1] for k, p in zip((1, 3, 3, 1), curve, strict=True)) / 8
    return Rect(x - size[0] / 2, y - size[1] / 2, *size)


# --- drawing --------------------------------------------------------------------------------------------------------


def _draw_panel(pic: Picture, g: Graph, plan: _Plan, curves: Sequence[_Curve], at: Point, said: Words) -> None:
    dx, dy = at

    def moved(r: Rect) -> Rect:
        return Rect(r.x + dx, r.y + dy, r.w, r.h)

    for c in curves:
        _draw_curve(pic, g, replace(c, points=tuple((x + dx, y + dy) for x, y in c.points)), said)
    for n, node in g.nodes.items():
        spots = {x.end: moved(plan.items[x.end]) for x in node.items}
        _draw_items(pic, g, node, moved(plan.boxes[n]), spots, plan.right[n], said)
        _draw_node(pic, moved(plan.boxes[n]), node, _room(g), said)
    for c in curves:
        _draw_label(pic, moved(c.label), c, said)


def _draw_curve(pic: Picture, g: Graph, c: _Curve, said: Words) -> None:
    width = 0.9 + 2.4 * min(c.link.size, 1.0) * (0.5 if c.both else 1.0)
    colour = GREY if not math.isfinite(c.link.est) else ACCENT if c.link.est < 0 else GREY if c.both else BLUE
    pic.open(_tip_text(g, c.link, c.both, said))
    points, heads = list(c.points), []
    for end, before in ((-1, -2), *(((0, 1),) if c.both else ())):
        (x, y), (u, v) = points[end], points[before]
        length = max(math.hypot(x - u, y - v), 1e-9)
        ux, uy = (x - u) / length, (y - v) / length
        back = HEAD if not c.both else HEAD * 0.8
        half = (3.4 + 1.4 * min(c.link.size, 1.0)) * (0.85 if c.both else 1.0)
        points[end] = (x - ux * back, y - uy * back)
        bx, by = points[end]
        heads.append(
            f"M{x:.1f} {y:.1f}L{bx - uy * half:.1f} {by + ux * half:.1f}L{bx + uy * half:.1f} {by - ux * half:.1f}Z"
        )
    flat = [f"{x:.1f} {y:.1f}" for x, y in points]
    path = f"M{flat[0]}" + "".join(f"C{', '.join(flat[i : i + 3])}" for i in range(1, len(flat), 3))
    dash = "5 4" if c.link.dashed else None
    pic.draw("path", d=path, fill="none", stroke=colour, stroke_width=width, stroke_dasharray=dash)
    for head in heads:
        pic.draw("path", d=head, fill=colour)
    pic.close()


def _draw_label(pic: Picture, r: Rect, c: _Curve, said: Words) -> None:
    colour = GREY if not math.isfinite(c.link.est) else ACCENT if c.link.est < 0 else INK
    size = SMALL if c.small else LABEL
    pic.draw("rect", x=r.x, y=r.y + 1, width=r.w, height=r.h - 2, rx=3, fill=PAPER)
    pic.text(r.cx, r.cy + 4.4, number(c.link.est, 2, said), size, "middle", colour, bold=not c.small)


def _draw_node(pic: Picture, r: Rect, node: Node, room: float, said: Words) -> None:
    pic.open(shown(node.label))
    style = {"fill": TINT, "stroke": BLUE if node.kind != "observed" else GREY, "stroke_width": 1.3}
    if node.kind == "factor":
        pic.draw("ellipse", cx=r.cx, cy=r.cy, rx=r.w / 2, ry=r.h / 2, **style)
    elif node.kind == "composite":
        corners = [
            (r.x, r.cy),
            (r.x + 14, r.y),
            (r.right - 14, r.y),
            (r.right, r.cy),
            (r.right - 14, r.bottom),
            (r.x + 14, r.bottom),
        ]
        pic.draw("polygon", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in corners), **style)
    else:
        pic.draw("rect", x=r.x, y=r.y, width=r.w, height=r.h, rx=2, **style)
    lines = wrap(shown(node.label), LABEL, room, bold=True)
    tall = len(lines) * LEADING + (LEADING if node.r_squared is not None else 0)
    y = r.cy - tall / 2 - 3.5
    for line in lines:
        y += LEADING
        pic.text(r.cx, y, line, LABEL, "middle", INK, bold=True)
    if node.r_squared is not None:
        pic.text(r.cx, y + LEADING, f"{said['r_squared']} {number(node.r_squared, 2, said)}", SMALL, "middle", GREY)
    pic.close()


def _draw_items(
    pic: Picture, g: Graph, node: Node, box: Rect, spots: Mapping[str, Rect], right: bool, said: Words
) -> None:
    """Hang the items below their construct, each joined to it with its loading."""
    if not spots:
        return
    last = list(spots.values())[-1]
    spine = box.right - 10 if right else box.x + 10
    pic.line(spine, box.cy, spine, last.cy, GREY, 1.1)
    for x in node.items:
        r = spots[x.end]
        edge = r.right if right else r.x
        colour = ACCENT if x.est < 0 else GREY
        pic.open(_tip_text(g, x, False, said))
        pic.line(spine, r.cy, edge, r.cy, colour, 1.1, stroke_dasharray="3 2" if x.dashed else None)
        if node.kind == "factor":
            back = 5.5 if right else -5.5
            tip = f"M{edge:.1f} {r.cy:.1f}L{edge + back:.1f} {r.cy - 3:.1f}L{edge + back:.1f} {r.cy + 3:.1f}Z"
            pic.draw("path", d=tip, fill=colour)
        value = number(x.est, 2, said)
        room = r.w - 14 - text_width(value, SMALL) - 6
        pic.draw(
            "rect",
            x=r.x,
            y=r.y,
            width=r.w,
            height=r.h,
            rx=2,
            fill=PAPER,
            stroke=RULE if x.dashed else GREY,
            stroke_width=0.9,
        )
        pic.text(r.x + 7, r.cy + 4, clip(shown(g.label(x.end)), SMALL, room), SMALL)
        pic.text(r.right - 7, r.cy + 4, value, SMALL, "end", ACCENT if x.est < 0 else GREY)
        pic.close()


# --- words ----------------------------------------------------------------------------------------------------------


def _tip_text(g: Graph, x: Link, both: bool, said: Words) -> str:
    sign = "↔" if both else "→"
    return f"{shown(g.label(x.start))} {sign} {shown(g.label(x.end))}: {number(x.est, 2, said)}"


def _told(g: Graph, said: Words) -> str:
    """What a screen reader says."""
    links = [*(x for n in g.nodes.values() for x in n.items), *g.paths, *g.across]
    every = [_tip_text(g, x, False, said) for x in links] + [_tip_text(g, x, True, said) for x in g.covariances]
    return f"{g.title + ': ' if g.title else ''}{'. '.join(every)}."


def _notes(graphs: Sequence[Graph], which: str, significance: float, said: Words) -> str:
    kinds = {"std_all": said["standardized"], "std_lv": said["standardized_lv"], "est": said["unstandardized"]}
    links = [
        x
        for g in graphs
        for x in (*g.paths, *g.across, *g.covariances, *(i for n in g.nodes.values() for i in n.items))
    ]
    notes = [kinds[which]]
    if any(x.dashed for x in links):
        notes.append(said["dashed_p"].format(level=number(significance, 2, said)))
    if any(n.kind == "composite" for g in graphs for n in g.nodes.values()):
        notes.append(said["hexagon"])
    inner = [[c for c in g.covariances if c.start in g.nodes and c.end in g.nodes] for g in graphs]
    if any(len(c) > MOST_ARCS for c in inner):
        notes.append(said["arcs"].format(n=number(max(map(len, inner)), 0, said)))
    return "; ".join(notes) + "."
