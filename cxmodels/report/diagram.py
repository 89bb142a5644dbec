"""The path diagram of a structural model as SVG, and the same as Mermaid or DOT text.

Where things go is worked out in ``layout``; here they are only drawn.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ..errors import DataError, SpecError, listed, near
from .geometry import HEAD, Edge, Rect
from .layout import Layout, arrange
from .lettering import clip, room_for, text_width, wrap
from .svg import (
    ACCENT,
    BLUE,
    GREY,
    INK,
    PALE,
    PAPER,
    RULE,
    TINT,
    WORDS,
    Picture,
    columns,
    number,
    say,
    span,
)

__all__ = ["layout_paths", "path_diagram", "to_dot", "to_mermaid"]

LABEL, LEADING, FIGURE, SMALL = 13.0, 16.0, 25.0, 11.0
ITEM, ITEM_GAP = 19.0, 4.0
Items = Mapping[str, Sequence[str] | Mapping[str, str]]
Numbers = Mapping[str, float] | pd.Series


@dataclass(frozen=True)
class _Box:
    """What is written in the box of a construct and below it."""

    label: str
    lines: list[str]
    index: float | None
    r_squared: float | None
    items: Mapping[str, str]


@dataclass(frozen=True)
class _Arrow:
    """One path."""

    outcome: str
    predictor: str
    est: float
    lower: float
    upper: float
    pvalue: float

    def bounded(self) -> bool:
        return math.isfinite(self.lower) and math.isfinite(self.upper)

    def dashed(self, significance: float = 0.05) -> bool:
        if self.bounded():
            return min(self.lower, self.upper) <= 0 <= max(self.lower, self.upper)
        return self.pvalue >= significance


def path_diagram(
    constructs: Sequence[str] | Mapping[str, str],
    paths: pd.DataFrame,
    *,
    items: Items | None = None,
    index: Numbers | None = None,
    r_squared: Numbers | pd.DataFrame | None = None,
    loadings: pd.DataFrame | None = None,
    significance: float = 0.05,
    highlight: str | None = None,
    show_items: bool = False,
    title: str | None = None,
    words: Mapping[str, str] | None = None,
    id: str = "d1",
) -> str:
    """Draw a structural model: boxes for constructs, arrows for paths, from causes at the left to outcomes at the right.

    A line is as wide as its coefficient is large, dashed where its interval covers 0 (without an interval: where
    its p-value is not below `significance`), and vermilion where it is negative. Pointing at a box or an
    arrow shows the full label and the interval.

    Parameters
    ----------
    constructs : sequence of str, or mapping of str to str
        Names in the order of the model, or name to label.
    paths : DataFrame
        Columns outcome, predictor, est; optional ci_lower, ci_upper, pvalue. Missing numbers show as n/a.
    items : mapping, optional
        Construct to its items, or construct to a mapping of item to label. Default: the items of `loadings`.
    index : Series or mapping, optional
        Construct to its index on 0–100. A construct without one has none in the picture.
    r_squared : Series, mapping or DataFrame, optional
        Construct to its R²; of a frame the column r2 is used.
    loadings : DataFrame, optional
        Columns construct, item, est.
    significance : float, default 0.05
        Level for the p-values of paths that have no interval; .05 is the custom of the field.
    highlight : str, optional
        The construct the study is about, drawn dark.
    show_items : bool, default False
        Whether the measured items hang under their construct, each with its loading.
    title : str, optional
        Name of the picture for screen readers.
    words : mapping, optional
        Words in another language, by the keys of ``cxmodels.report.svg.WORDS``.
    id : str, default "d1"
        Prefix of the ids in the picture; give each picture of a page its own.

    Returns
    -------
    str
        One ``<svg>`` element. The same input gives the same text.

    Raises
    ------
    SpecError
        A column is missing, a path names an unknown construct or leads from a construct to itself, or is given twice.
    DataError
        A number column holds text.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.report import path_diagram
    >>> paths = pd.DataFrame({"outcome": ["Loyalty"], "predictor": ["Satisfaction"], "est": [0.62]})
    >>> path_diagram(["Satisfaction", "Loyalty"], paths, index={"Satisfaction": 72.4})[:4]
    '<svg'
    """
    said = say(words)
    arrows = _arrows(constructs, paths)
    boxes = _boxes(constructs, index, r_squared, _measured(items, loadings) if show_items else {})
    if highlight is not None and highlight not in boxes:
        raise SpecError(f"The construct to highlight, '{highlight}', is not in the diagram.{near(highlight, boxes)}")
    plan = layout_paths(constructs, paths, boxes=boxes, words=said)
    notes = _notes(boxes, arrows, significance, show_items and loadings is not None, said)
    height, told = plan.height + (24 if notes else 0), _describe(boxes, arrows, said)
    pic = Picture(plan.width, height, title or said["path_title"], told, id)
    strongest = max((abs(a.est) for a in arrows if math.isfinite(a.est)), default=0.0)
    for edge, arrow in zip(plan.edges, arrows, strict=True):
        _draw_arrow(pic, edge, arrow, strongest, significance, _arrow_tip(boxes, arrow, said))
    known = _loadings(loadings)
    for name, box in boxes.items():
        _draw_box(pic, plan.boxes[name], box, name == highlight, said)
        _draw_items(pic, plan.boxes[name], box, {i: known.get((name, i)) for i in box.items}, said)
    for edge, arrow in zip(plan.edges, arrows, strict=True):
        _draw_label(pic, edge.label, arrow.est, said)
    if notes:
        pic.text(10, plan.height + 12, notes, SMALL, fill=GREY)
    return pic.svg()


def layout_paths(
    constructs: Sequence[str] | Mapping[str, str],
    paths: pd.DataFrame,
    *,
    boxes: Mapping[str, _Box] | None = None,
    words: Mapping[str, str] = WORDS,
) -> Layout:
    """Return where a path diagram puts its boxes, arrows and labels, without drawing it.

    Parameters
    ----------
    constructs : sequence of str, or mapping of str to str
        As in :func:`path_diagram`.
    paths : DataFrame
        As in :func:`path_diagram`.
    boxes : mapping, optional
        What is written in each box; default: its label alone.
    words : mapping
        All words of a picture.

    Returns
    -------
    Layout
        Pixels.

    Examples
    --------
    >>> paths = pd.DataFrame({"outcome": ["b"], "predictor": ["a"], "est": [0.5]})
    >>> layout_paths(["a", "b"], paths).width
    900.0
    """
    arrows = _arrows(constructs, paths)
    if boxes is None:
        boxes = _boxes(constructs, None, None, {})
    height = max(_box_height(b) for b in boxes.values())
    below = {name: len(b.items) * (ITEM + ITEM_GAP) + (6 if b.items else 0) for name, b in boxes.items()}
    estimates = [a.est for a in arrows]
    labels = [(text_width(number(e, 2, words), LABEL, bold=True) + 8, 18.0) for e in estimates]
    edges = [(a.predictor, a.outcome) for a in arrows]
    return arrange(list(boxes), edges, box=(_box_width(boxes), height), below=below, labels=labels)


# -- reading the frames -------------------------------------------------------------------------------------------


def _labelled(constructs: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    if isinstance(constructs, Mapping):
        return {str(k): str(v) for k, v in constructs.items()}
    names = [str(c) for c in constructs]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise SpecError(f"The diagram lists {listed(twice)} more than once; name each construct once.")
    return {n: n for n in names}


def _arrows(constructs: Sequence[str] | Mapping[str, str], paths: pd.DataFrame) -> list[_Arrow]:
    """Check the paths against the constructs and return them."""
    names = _labelled(constructs)
    if not names:
        raise SpecError("The diagram has no construct; give at least one.")
    numbers = columns(paths, "outcome", ["est"], ["ci_lower", "ci_upper", "pvalue"])
    predictors = columns(paths, "predictor", ["est"])["predictor"]
    cells = (numbers[c].to_list() for c in ("est", "ci_lower", "ci_upper", "pvalue"))
    arrows = [_Arrow(*row) for row in zip(numbers["outcome"], predictors, *cells, strict=True)]
    _known((n for a in arrows for n in (a.outcome, a.predictor)), names, "paths name")
    loops = [a.outcome for a in arrows if a.outcome == a.predictor]
    if loops:
        raise SpecError(f"The paths lead from {listed(loops)} to itself; take these rows out.")
    counts = Counter((a.predictor, a.outcome) for a in arrows)
    twice = [f"{p} → {o}" for (p, o), n in counts.items() if n > 1]
    if twice:
        raise SpecError(f"The paths hold {listed(twice)} more than once; keep one row for each path.")
    return arrows


def _known(used: Iterable[str], names: Mapping[str, str], what: str) -> None:
    unknown = [n for n in dict.fromkeys(used) if n not in names]
    if unknown:
        raise SpecError(
            f"The {what} {listed(unknown)}, and the constructs of the diagram are {listed(names)}."
            f"{near(unknown[0], names)}"
        )


def _boxes(
    constructs: Sequence[str] | Mapping[str, str],
    index: Numbers | None,
    r_squared: Numbers | pd.DataFrame | None,
    items: Mapping[str, Mapping[str, str]],
) -> dict[str, _Box]:
    if isinstance(r_squared, pd.DataFrame):
        if "r2" not in r_squared.columns:
            raise SpecError(f"The R² frame needs a column 'r2', and it has {listed(r_squared.columns)}.")
        r_squared = r_squared["r2"]
    names = _labelled(constructs)
    indices, explained = _numbers(index, "index"), _numbers(r_squared, "R²")
    for given, what in ((indices, "index is given for"), (explained, "R² is given for"), (items, "items are of")):
        _known(given, names, what)
    room = room_for(names.values(), LABEL, 126.0, 150.0)
    return {
        name: _Box(
            label, wrap(label, LABEL, room, bold=True), indices.get(name), explained.get(name), items.get(name, {})
        )
        for name, label in names.items()
    }


def _numbers(values: Numbers | None, what: str) -> dict[str, float]:
    out = {}
    for name, value in ({} if values is None else dict(values)).items():
        try:
            out[str(name)] = float("nan" if pd.isna(value) else value)
        except (TypeError, ValueError):
            raise DataError(
                f"The {what} of construct '{name}' is '{value}'; give a number, or NaN where there is none."
            ) from None
    return out


def _measured(items: Items | None, loadings: pd.DataFrame | None) -> dict[str, dict[str, str]]:
    """Return construct to item to label."""
    out: dict[str, dict[str, str]] = {}
    if items is not None:
        for construct, own in items.items():
            pairs = own.items() if isinstance(own, Mapping) else ((i, i) for i in own)
            out[str(construct)] = {str(name): str(label) for name, label in pairs}
    elif loadings is not None:
        for construct, item in _loadings(loadings):
            out.setdefault(construct, {})[item] = item
    return out


def _loadings(loadings: pd.DataFrame | None) -> dict[tuple[str, str], float]:
    """Return (construct, item) to loading."""
    if loadings is None:
        return {}
    values = columns(loadings, "item", ["est"])
    constructs = columns(loadings, "construct", ["est"])["construct"]
    return dict(zip(zip(constructs, values["item"], strict=True), values["est"], strict=True))


# -- drawing ------------------------------------------------------------------------------------------------------


def _box_width(boxes: Mapping[str, _Box]) -> float:
    widest = max(text_width(line, LABEL, bold=True) for b in boxes.values() for line in b.lines)
    return min(max(widest + 24, 144.0 if any(b.items for b in boxes.values()) else 118.0), 176.0)


def _box_height(box: _Box) -> float:
    figure = FIGURE + 4 if box.index is not None else 0
    return 20 + LEADING * len(box.lines) + figure + (LEADING if box.r_squared is not None else 0)


def _draw_arrow(pic: Picture, edge: Edge, arrow: _Arrow, strongest: float, significance: float, tip: str) -> None:
    known, dashes = math.isfinite(arrow.est), "6 4" if arrow.dashed(significance) else None
    share = abs(arrow.est) / strongest if known and strongest else 0.0
    width = 1.1 + 2.9 * share
    colour = GREY if not known or arrow.est == 0 else ACCENT if arrow.est < 0 else BLUE
    points = [f"{x:.1f} {y:.1f}" for x, y in edge.curve]
    curve = f"M{points[0]}" + "".join(f"C{', '.join(points[i : i + 3])}" for i in range(1, len(points), 3))
    pic.open(tip)
    pic.draw("path", d=curve, fill="none", stroke=colour, stroke_width=width, stroke_dasharray=dashes)
    (x, y), (tx, ty) = edge.curve[-1], edge.tip()
    half = 4.0 + 2.0 * share
    nx, ny = (ty - y) / HEAD * half, (x - tx) / HEAD * half
    head = f"M{tx:.1f} {ty:.1f}L{x + nx:.1f} {y + ny:.1f}L{x - nx:.1f} {y - ny:.1f}Z"
    pic.draw("path", d=head, fill=colour)
    pic.close()


def _draw_label(pic: Picture, spot: Rect, est: float, words: Mapping[str, str]) -> None:
    pic.draw("rect", x=spot.x, y=spot.y, width=spot.w, height=spot.h, rx=4, fill=PAPER)
    colour = GREY if not math.isfinite(est) else ACCENT if est < 0 else INK
    pic.text(spot.cx, spot.cy + 4.6, number(est, 2, words), LABEL, "middle", colour, bold=True)


def _draw_box(pic: Picture, rect: Rect, box: _Box, dark: bool, words: Mapping[str, str]) -> None:
    ink, soft = (PAPER, PALE) if dark else (INK, GREY)
    pic.open(box.label)
    pic.draw(
        "rect", x=rect.x, y=rect.y, width=rect.w, height=rect.h, rx=9, fill=BLUE if dark else TINT,
        stroke=BLUE if dark else GREY, stroke_width=1.2,
    )  # fmt: skip
    y = rect.y + (rect.h - _box_height(box)) / 2 + 7
    for line in box.lines:
        y += LEADING
        pic.text(rect.cx, y - 1, line, LABEL, "middle", ink, bold=True)
    if box.index is not None:
        y += FIGURE + 4
        pic.text(rect.cx, y - 1, number(box.index, 1, words), FIGURE, "middle", ink)
    if box.r_squared is not None:
        pic.text(
            rect.cx, y + LEADING - 1, f"{words['r_squared']} {number(box.r_squared, 2, words)}", SMALL, "middle", soft
        )
    pic.close()


def _draw_items(
    pic: Picture, rect: Rect, box: _Box, loadings: Mapping[str, float | None], words: Mapping[str, str]
) -> None:
    """Hang the items under their construct, clear of the strip at the right where an arrow may run down."""
    spine, left, w = rect.x + 10, rect.x + 20, rect.w - 20 - 30
    top, pitch = rect.bottom + 6, ITEM + ITEM_GAP
    if box.items:
        pic.line(spine, rect.bottom, spine, top + (len(box.items) - 1) * pitch + ITEM / 2, GREY, 0.8)
    for i, (item, label) in enumerate(box.items.items()):
        y, loading = top + i * pitch, loadings[item]
        value = "" if loading is None else number(loading, 2, words)
        room = w - 12 - (text_width(value, SMALL) + 6 if value else 0)
        pic.line(spine, y + ITEM / 2, left, y + ITEM / 2, GREY, 0.8)
        pic.open(label if label == item else f"{item}: {label}")
        pic.draw("rect", x=left, y=y, width=w, height=ITEM, rx=2, fill=PAPER, stroke=RULE)
        pic.text(left + 6, y + ITEM / 2 + 4, clip(label, SMALL, room), SMALL)
        pic.text(left + w - 6, y + ITEM / 2 + 4, value, SMALL, "end", GREY)
        pic.close()


# -- words --------------------------------------------------------------------------------------------------------


def _arrow_tip(boxes: Mapping[str, _Box], arrow: _Arrow, words: Mapping[str, str]) -> str:
    inside = span(arrow.lower, arrow.upper, 2, words)
    text = f"{boxes[arrow.predictor].label} → {boxes[arrow.outcome].label}: {number(arrow.est, 2, words)}"
    return f"{text} ({inside})" if inside else text


def _describe(boxes: Mapping[str, _Box], arrows: Sequence[_Arrow], words: Mapping[str, str]) -> str:
    figures = [f"{b.label} {number(b.index, 1, words)}" for b in boxes.values() if b.index is not None]
    head = [f"{words['index']}: {', '.join(figures)}."] if figures else []
    return " ".join([*head, *(f"{_arrow_tip(boxes, a, words)}." for a in arrows)])


def _notes(
    boxes: Mapping[str, _Box],
    arrows: Sequence[_Arrow],
    significance: float,
    loadings: bool,
    words: Mapping[str, str],
) -> str:
    """Return the key to the picture: only what it shows."""
    dashed = [a.bounded() for a in arrows if a.dashed(significance)]
    notes = [words["figure"]] if any(b.index is not None for b in boxes.values()) else []
    notes += [words["width"]] if len(arrows) > 1 else []
    notes += [words["dashed"]] if any(dashed) else []
    notes += [words["dashed_p"].format(level=number(significance, 2, words))] if not all(dashed) else []
    notes += [words["loading"]] if loadings else []
    text = "; ".join(notes)
    return text[:1].upper() + text[1:] + "." if text else ""


# -- text forms ---------------------------------------------------------------------------------------------------


def to_mermaid(paths: pd.DataFrame, constructs: Mapping[str, str] | None = None) -> str:
    """Return the model as a Mermaid flowchart, which GitHub and JupyterLab draw.

    Parameters
    ----------
    paths : DataFrame
        Columns outcome, predictor, est; optional ci_lower, ci_upper, pvalue.
    constructs : mapping, optional
        Name to label; default: the names found in `paths`.

    Returns
    -------
    str
        Mermaid text; a dotted arrow is one whose interval covers 0.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.report import to_mermaid
    >>> print(to_mermaid(pd.DataFrame({"outcome": ["b"], "predictor": ["a"], "est": [0.5]})))
    flowchart LR
      c0["a"]
      c1["b"]
      c0 -->|"0.50"| c1
    """
    names = constructs or _named(paths)
    ids = {name: f"c{i}" for i, name in enumerate(names)}
    lines = [f'  {ids[n]}["{_mermaid(label)}"]' for n, label in names.items()]
    for a in _arrows(names, paths):
        line = "-.->" if a.dashed() else "-->"
        lines.append(f'  {ids[a.predictor]} {line}|"{number(a.est, 2)}"| {ids[a.outcome]}')
    return "\n".join(["flowchart LR", *lines])


def to_dot(paths: pd.DataFrame, constructs: Mapping[str, str] | None = None) -> str:
    """Return the model in the DOT language of Graphviz.

    Parameters
    ----------
    paths : DataFrame
        Columns outcome, predictor, est; optional ci_lower, ci_upper, pvalue.
    constructs : mapping, optional
        Name to label; default: the names found in `paths`.

    Returns
    -------
    str
        DOT text; a dashed arrow is one whose interval covers 0.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.report import to_dot
    >>> print(to_dot(pd.DataFrame({"outcome": ["b"], "predictor": ["a"], "est": [0.5]})))
    digraph model {
      rankdir=LR;
      node [shape=box, style=rounded];
      c0 [label="a"];
      c1 [label="b"];
      c0 -> c1 [label="0.50"];
    }
    """
    names = constructs or _named(paths)
    ids = {name: f"c{i}" for i, name in enumerate(names)}
    lines = [f'  {ids[n]} [label="{_dot(label)}"];' for n, label in names.items()]
    for a in _arrows(names, paths):
        style = ", style=dashed" if a.dashed() else ""
        lines.append(f'  {ids[a.predictor]} -> {ids[a.outcome]} [label="{number(a.est, 2)}"{style}];')
    return "\n".join(["digraph model {", "  rankdir=LR;", "  node [shape=box, style=rounded];", *lines, "}"])


def _named(paths: pd.DataFrame) -> dict[str, str]:
    """Return the constructs of the paths, causes first."""
    for name in ("outcome", "predictor"):
        if name not in paths.columns:
            raise SpecError(f"The paths need a column '{name}', and the frame has {listed(paths.columns)}.")
    pairs = zip(paths["predictor"], paths["outcome"], strict=True)
    return {str(n): str(n) for pair in pairs for n in pair}


def _mermaid(text: str) -> str:
    return "".join(c if c.isalnum() or c in " .,:;()-_'" or c > "\x7f" else f"#{ord(c)};" for c in text)


def _dot(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')
