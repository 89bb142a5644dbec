"""The slides of a benchmark study: headline, levels, league table, changes, drivers, method."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .blocks import shown
from .deck import Deck
from .nation_report import marked, over_all
from .nation_tables import ARROWS, text_of
from .nation_view import NationView

ROWS = 14  # of a table that a room can read
BARS = 14


def write_deck(v: NationView, path: str | Path) -> Path:
    """Write the slides of a study, whole or not at all.

    Parameters
    ----------
    v : NationView
    path : str or Path
        Ends in .pptx.

    Returns
    -------
    Path

    Raises
    ------
    SpecError
        If python-pptx is not installed.
    DataError
        If the file cannot be written.
    """
    deck = Deck(v.words, v.result.title)
    _headline(deck, v)
    for level in v.middle:
        _level(deck, v, level)
    _league(deck, v)
    _changes(deck, v)
    _drivers(deck, v)
    _method(deck, v)
    return deck.write(path)


def _notes(v: NationView, *more: str) -> str:
    return " ".join([*more, v.scale, v.rests_on, *v.method_texts])


def _headline(deck: Deck, v: NationView) -> None:
    w = v.words
    slide = deck.slide(v.result.title, v.result.subtitle or v.wave, _notes(v))
    lines = [v.rests_on]
    if v.before is not None:
        flags = v.units["flag"].value_counts()
        parts = {k: int(flags.get(k, 0)) for k in ("up", "down", "same", "none")}
        lines.insert(0, w("flags_counted", since=v.since, units=v.head(v.result.by, many=True), **parts))
    if v.top is None:
        deck.text(slide, lines, 1.8, 4.5, size=20)
        return
    row: Any = v.groups(v.top).iloc[0]
    deck.text(slide, [f"{v.target}, {v.name(row['name'])} {v.wave}"], 1.75, 0.5, size=20)
    deck.big(slide, w.number(row["index_"]), 2.2)
    deck.text(slide, [v.standing(v.name(row["name"]), row), *lines], 4.4, 2.6, size=18)


def _level(deck: Deck, v: NationView, level: str) -> None:
    """A bar chart of a level, then its league table."""
    g = over_all(v.groups(level))
    title = f"{v.head(level, many=True)}: {v.target}"
    shown_groups = _ends(g, BARS)
    line = v.scale if len(shown_groups) == len(g) else v.words("first_and_last", k=BARS // 2, n=len(g))
    overall, whole = v.overall
    zero = 0.0 if np.isnan(overall) else overall  # bars begin at the whole, so that differences can be seen
    ends = shown_groups[["index_", "ci_lower", "ci_upper"]].set_axis(["est", "ci_lower", "ci_upper"], axis=1) - zero
    bars = ends.assign(
        label=_numbered(v, shown_groups, "index_"), clear=(ends["ci_lower"] > 0) | (ends["ci_upper"] < 0)
    )
    axis = v.words("index_scale") if zero == 0 else v.words("beside_whole", whole=whole, index=v.words.number(zero))
    deck.bars(deck.slide(title, line, _notes(v)), bars, name=v.words("gap_to_whole" if zero else "index"), axis=axis)
    parts = math.ceil(len(g) / ROWS)
    for k in range(parts):
        part = g.iloc[k * ROWS : (k + 1) * ROWS]
        head = title if parts == 1 else v.words("part_of", title=title, at=k + 1, of=parts)
        _table(deck, v, part, level, head)


def _numbered(v: NationView, frame: pd.DataFrame, column: str, *, signed: bool = False) -> list[str]:
    """Names, each with its number."""
    pairs = zip(frame["name"], frame[column], strict=True)
    return [f"{shown(v.name(name), 44)}  {v.words.number(x, signed=signed)}" for name, x in pairs]


def _league(deck: Deck, v: NationView) -> None:
    """The first and the last units."""
    units = over_all(v.units)
    title = f"{v.head(v.result.by, many=True)}: {v.target}"
    part = _ends(units, ROWS)
    line = v.words("rank_caption")
    if len(part) < len(units):
        line = f"{v.words('first_and_last', k=ROWS // 2, n=len(units))}. {line}"
    _table(deck, v, part, v.result.by, title, line)


def _ends(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """All lines, or the first and last halves of so many."""
    return frame if len(frame) <= most else pd.concat([frame.iloc[: most // 2], frame.iloc[-(most // 2) :]])


def _table(deck: Deck, v: NationView, frame: pd.DataFrame, level: str, title: str, line: str = "") -> None:
    w = v.words
    heads = [v.head(level), w("rank"), w("tie_group"), w("index"), w("interval")]
    heads += [w("change_since", since=v.since)] if v.before is not None else []
    rows = []
    frame, notes = marked(frame.assign(name=frame["name"].map(v.name)))
    for x in frame.to_dict("records"):
        rank = "–" if np.isnan(x["rank"]) else f"{x['rank']:.0f} ({x['rank_lower']:.0f}–{x['rank_upper']:.0f})"
        cells = [x["name"], rank, text_of(x["group"], "count", w), w.number(x["index_"]), w.span(x["ci_lower"], x["ci_upper"])]  # fmt: skip
        if v.before is not None:
            cells.append(f"{ARROWS[x['flag']]} {_moved(v, x)}".strip())
        rows.append(cells)
    slide = deck.slide(title, " ".join([line or w("rank_caption"), *notes]), _notes(v))
    deck.table(slide, heads, rows, [3.2, 1.3, 1.0, 1.0, 1.7, 2.6][: len(heads)])


def _moved(v: NationView, row: dict[Any, Any]) -> str:
    w = v.words
    return w("new") if row["flag"] == "none" else f"{w.number(row['change'], signed=True)} {w(row['flag'])}"


def _changes(deck: Deck, v: NationView) -> None:
    """Levels first; then the units with clear changes."""
    if v.before is None:
        return
    w, r = v.words, v.result
    every = v.standings[(v.standings["construct"] == r.target) & (v.standings["flag"] != "none")]
    above = [every[every["level"] == level].sort_values("change", ascending=False) for level in reversed(r.levels)]
    clear = every[(every["level"] == r.by) & every["flag"].isin(["up", "down"])].sort_values(
        "change", ascending=False
    )
    text = w("change_text", since=v.since, level=w.share(r.level), adjust=w(f"adjust_{r.plan.adjust}"))
    upper = pd.concat(above[:2]) if above else every.iloc[:0]
    for part, what in (
        (upper, ", ".join(v.head(k, many=True) for k in r.levels[::-1][:2])),
        (clear, v.head(r.by, many=True)),
    ):
        if part.empty:
            continue
        part = _ends(part, BARS)
        bars = part[["change", "change_lower", "change_upper"]].set_axis(["est", "ci_lower", "ci_upper"], axis=1)
        bars = bars.assign(label=_numbered(v, part, "change", signed=True), clear=part["flag"].isin(["up", "down"]))
        slide = deck.slide(f"{w('changes')}: {what}", w("pale_change"), _notes(v, text))
        deck.bars(slide, bars, name=w("change"), axis=w("change_axis", since=v.since))


def _drivers(deck: Deck, v: NationView) -> None:
    if v.top is None:
        return
    name = v.groups(v.top)["name"].iloc[0]
    rows = v.impacts_of(v.top, name)
    if rows.empty:
        return
    w = v.words
    bars = rows[["ci_lower", "ci_upper"]].assign(
        est=rows["impact"],
        label=[f"{label}  {w.number(x, 2)}" for label, x in zip(rows["label"], rows["impact"], strict=True)],
        clear=~((rows["ci_lower"] <= 0) & (rows["ci_upper"] >= 0)),
    )
    notes = _notes(v, w("impact_text", target=v.target))
    slide = deck.slide(w("drivers"), w("impact_means"), notes)
    deck.bars(slide, bars, name=w("impact"), axis=w("impact_unit", target=v.target))


def _method(deck: Deck, v: NationView) -> None:
    slide = deck.slide(v.words("method"), "", "; ".join(f"{k}: {t}" for k, t in v.method_facts))
    deck.text(slide, [*v.method_texts, shown(v.rests_on, 600), v.words("disclaimer")], 1.3, 5.6, size=14)
