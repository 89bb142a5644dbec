"""The report of a benchmark study: one self-contained page for the nation, its sectors, industries and companies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from . import charts
from .blocks import Block, facts, figure, inline, paragraph, shown
from .book import fold, group, line, page, section
from .nation_charts import change_rows, course_chart
from .nation_standings import RANKS
from .nation_tables import Column, sortable
from .nation_view import NationView

if TYPE_CHECKING:
    from ..acsi.benchmark import BenchmarkResult

__all__ = ["change_chart", "impact_map", "nation_html", "outcome_table", "over_all"]

MOST_SHOWN = 40  # rows of a chart of many units
MARKS = "†‡§¶♦♠♣"  # of notes; there are fewer rules


def nation_html(result: BenchmarkResult | NationView, *, links: Mapping[str, str] | None = None) -> str:
    """Render a benchmark study as HTML.

    Parameters
    ----------
    result : BenchmarkResult or NationView
    links : mapping of unit to address, optional
        Pages of the units, such as ``{"Acme": "companies/acme.html"}``.

    Returns
    -------
    str
        Self-contained: inline style, SVG and script, nothing loaded. Tables sort by a click; without script, and in
        print, everything is there unfolded. The same result gives the same text.

    Examples
    --------
    >>> import cxmodels as cx
    >>> data, _ = cx.datasets.simulate_study(companies=3, respondents=60, years=1, seed=3)
    >>> plan = cx.acsi.Benchmark(levels=["industry", "nation"], wave="year")
    >>> result = plan.fit(cx.Survey(data, weights="weight"), bootstrap=0)
    >>> page = cx.report.nation_html(result)
    >>> page[:15], "Company 1" in page
    ('<!doctype html>', True)
    """
    v = result if isinstance(result, NationView) else NationView(result)
    w, result = v.words, v.result
    places = {v.name(unit): address for unit, address in (links or {}).items()}
    pages = _pages(v, places)
    top = [] if v.top is None else [section("nation", v.name(v.groups(v.top)["name"].iloc[0]), _whole(v))]
    levels = [
        section(f"level-{k}", v.head(level, many=True), _level(v, level)) for k, level in enumerate(v.middle, 1)
    ]
    sections = [
        *top,
        *levels,
        section("league", v.head(result.by, many=True), _league(v, places)),
        section("changes", w("changes"), _changes(v, places)),
        section("drivers", w("drivers"), _drivers(v)),
        section("pages", w("in_detail"), pages, [{"id": b["id"], "title": b["title"]} for b in pages]),
        section("outcomes", w("outcomes"), _outcomes(v)),
        section("method", w("method"), _method(v)),
    ]
    return page(
        w,
        title=result.title,
        subtitle=result.subtitle,
        headline=_headline(v),
        facts=v.rests_on,
        lead=_lead(v),
        warnings=[v.told(said) for said in result.warnings],
        sections=sections,
        contents=True,
    )


# --- the first screen ---------------------------------------------------------------------------------------


def _headline(v: NationView) -> str:
    if v.top is None:
        return ""
    row = v.groups(v.top).iloc[0]
    marks = {} if np.isnan(row["previous"]) else {v.since: float(row["previous"])}
    return charts.headline(
        row["index_"],
        row["ci_lower"],
        row["ci_upper"],
        label=f"{v.target} {v.wave}",
        marks=marks,
        words=v.words.pictures,
    )


def _lead(v: NationView) -> list[str]:
    """The result in plain words."""
    out = []
    if v.top is not None:
        row = v.groups(v.top).iloc[0]
        out.append(v.standing(v.name(row["name"]), row))
    for level in v.middle[:1]:
        g = v.groups(level)
        if len(g) > 1:
            first, last = g.iloc[0], g.iloc[-1]
            out.append(
                v.words(
                    "best_and_worst", first=inline(v.name(first["name"])), first_index=v.words.number(first["index_"]),
                    last=inline(v.name(last["name"])), last_index=v.words.number(last["index_"]), level=v.head(level, many=True),
                )
            )  # fmt: skip
    if v.before is not None:
        flags = v.units["flag"].value_counts()
        parts = {k: int(flags.get(k, 0)) for k in ("up", "down", "same", "none")}
        out.append(v.words("flags_counted", since=v.since, units=v.head(v.result.by, many=True), **parts))
    return out


# --- the whole ----------------------------------------------------------------------------------------------


def _whole(v: NationView) -> list[Block]:
    w, top = v.words, str(v.top)
    name = v.groups(top)["name"].iloc[0]
    rows = v.constructs_of(top, name)
    bars = rows.assign(construct=rows["label"], index=rows["index_"])
    blocks = [
        figure(charts.index_bars(bars, highlight=v.target, title=w("indices"), words=w.pictures, id="whole-bars")),
        sortable(rows, [Column("label", w("construct")), *_index_columns(v)], w, title=w("indices"), caption=v.scale),
    ]
    if len(v.result.waves) > 2:
        a = v.result.aggregates
        course = a[(a["level"] == top) & (a["construct"] == v.result.target)]
        svg = course_chart(course, axis_label=w("index_scale"), title=w("course"), words=w.pictures)
        blocks.append(figure(svg, w("course_caption", target=v.target)))
    return blocks


def _index_columns(v: NationView, *, mark: bool = False) -> list[Column]:
    """Index, interval, change and interviews, as every table of indices shows them."""
    w = v.words
    drawn = [Column("mark", "", "mark")] if mark else []
    return [
        Column("index_", w("index"), "index"), *drawn, Column("span", w("interval"), "span"),
        *([Column("change", w("change_since", since=v.since), "flag")] if v.before is not None else []),
        Column("n", w("interviews"), "count"),
    ]  # fmt: skip


# --- levels and units ----------------------------------------------------------------------------------------


def _level(v: NationView, level: str) -> list[Block]:
    """One level between the units and the whole: a chart and a table."""
    g = over_all(_named(v, v.groups(level)))
    overall, middle = v.overall
    svg = charts.unit_dots(
        g.assign(unit=g["name"], index=g["index_"]),
        overall=overall,
        overall_label=middle,
        most=MOST_SHOWN,
        title=v.head(level, many=True),
        words=v.words.pictures,
        id=f"dots-{v.middle.index(level)}",
    )
    return [figure(svg), _table(v, g, level, title=v.head(level, many=True), middle=overall)]


def _table(
    v: NationView,
    frame: pd.DataFrame,
    level: str,
    *,
    title: str = "",
    links: Mapping[str, str] | None = None,
    seek: bool = False,
    middle: float = np.nan,
    extra: tuple[Column, ...] = (),
) -> Block:
    """League table: rank with its interval, tie group, index, change; notes become marks explained above it."""
    w = v.words
    ranked = frame["rank"].notna().any()
    ranks = [Column("rank", w("rank"), "rank"), Column("group", w("tie_group"), "count")] if ranked else []
    columns = [Column("name", v.head(level)), *ranks, *extra, *_index_columns(v, mark=True)]
    said = [v.scale, w("rank_caption")] if ranked else [v.scale]
    frame = _linked(frame, links)
    frame, notes = marked(frame)
    said += notes
    return sortable(frame, columns, w, title=title, caption=" ".join(said), seek=seek, middle=middle)


def marked(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Put a mark beside the names that a note belongs to.

    Parameters
    ----------
    frame : DataFrame
        With a column ``name``, and perhaps ``note``.

    Returns
    -------
    frame : DataFrame
    notes : list of str
        What each mark means.
    """
    if "note" not in frame:
        return frame, []
    marks = dict(zip([n for n in frame["note"].unique() if n], MARKS, strict=False))
    names = [f"{n} {marks.get(note, '')}".strip() for n, note in zip(frame["name"], frame["note"], strict=True)]
    return frame.assign(name=names), [f"{mark} {note}." for note, mark in marks.items()]


def _linked(frame: pd.DataFrame, links: Mapping[str, str] | None) -> pd.DataFrame:
    """Beside each unit the address of its page."""
    return frame.assign(href=frame["name"].map(lambda n: links.get(n, ""))) if links else frame


def over_all(frame: pd.DataFrame) -> pd.DataFrame:
    """Put ranks over all in the place of those inside the level above.

    Parameters
    ----------
    frame : DataFrame
        Of ``v.units`` or ``v.groups``.

    Returns
    -------
    DataFrame
    """
    return frame.assign(**{c: frame[f"whole_{c}"] for c in RANKS})


def _named(v: NationView, frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(name=frame["name"].map(v.name))


def _league(v: NationView, links: Mapping[str, str]) -> list[Block]:
    """All units in one table."""
    w, units = v.words, over_all(_named(v, v.units))
    extra = tuple(Column(f"in_{level}", v.head(level)) for level in v.middle[-1:])
    overall, name = v.overall
    svg = charts.unit_dots(
        units.assign(unit=units["name"], index=units["index_"]),
        overall=overall,
        overall_label=name,
        most=MOST_SHOWN,
        title=v.head(v.result.by, many=True),
        words=w.pictures,
        id="league-dots",
    )
    table = _table(v, units, v.result.by, links=links, seek=len(units) > 12, middle=overall, extra=extra)
    title = w("all_units", units=v.head(v.result.by, many=True), n=len(units))
    return [figure(svg), fold(title, [table]) if len(units) > 60 else table]


def _pages(v: NationView, links: Mapping[str, str]) -> list[Block]:
    """A page of each group of the highest level below the whole, with what lies in it."""
    if not v.middle:
        return []
    level = v.middle[0]
    return [_page(v, level, name, f"page-{k}", links) for k, name in enumerate(v.groups(level)["name"], 1)]


def _page(v: NationView, level: str, name: Any, id: str, links: Mapping[str, str]) -> Block:
    """One group: its standing, its league table, its drivers, and the groups below it."""
    row = v.groups(level).set_index("name").loc[name]
    children, below = v.children(level, name), v.below(level)
    blocks = [line(v.standing(v.name(name), row))]
    table = _table(
        v, _named(v, children), below, links=links if below == v.result.by else None, middle=float(row["index_"])
    )
    more = [
        figure(svg)
        for svg in [_impact_chart(v, level, name, f"{id}-impacts", width=760)]
        if svg and below == v.result.by
    ]
    if below == v.result.by:
        title = f"{v.head(below, many=True)}: {v.words.count(len(children))}"
        blocks.append(fold(title, [table, *more]))
    else:
        blocks.append(table)
        blocks += [_page(v, below, child, f"{id}-{k}", links) for k, child in enumerate(children["name"], 1)]
    return group(id, v.name(name), blocks)


# --- changes --------------------------------------------------------------------------------------------------


def _changes(v: NationView, links: Mapping[str, str]) -> list[Block]:
    if v.before is None:
        return [paragraph(v.words("first_wave"))]
    w, r = v.words, v.result
    every = v.standings[v.standings["construct"] == r.target]
    above = every[(every["level"] != r.by) & (every["flag"] != "none")]
    units = every[(every["level"] == r.by) & every["flag"].isin(["up", "down"])].sort_values(
        "change", ascending=False
    )
    blocks = [paragraph(w("change_text", since=v.since, level=w.share(r.level), adjust=w(f"adjust_{r.plan.adjust}")))]
    if len(above):
        blocks += [
            figure(change_chart(v, _by_level(v, above), "changes-above")),
        ]
    if units.empty:
        return [*blocks, paragraph(w("no_clear_change", units=v.head(r.by, many=True)))]
    blocks.append(figure(change_chart(v, units, "changes-units"), w("clear_changes", units=v.head(r.by, many=True))))
    columns = [
        Column("name", v.head(r.by)), Column("previous", v.since, "index"), Column("index_", v.wave, "index"), Column("change", w("change"), "flag"),
        Column("change_lower", w("lower"), "points"), Column("change_upper", w("upper"), "points"), Column("pvalue_adjusted", w("p_adjusted"), "p"),
    ]  # fmt: skip
    blocks.append(sortable(_linked(_named(v, units), links), columns, w, title=w("changes"), caption=w("points")))
    return [*blocks, *_explained(v, units, links)]


def _by_level(v: NationView, frame: pd.DataFrame) -> pd.DataFrame:
    """The whole first, then each level by its changes."""
    order = {level: k for k, level in enumerate(reversed(v.result.levels))}
    at = frame["level"].map(order)
    return frame.assign(_at=at).sort_values(["_at", "change"], ascending=[True, False])


def change_chart(v: NationView, frame: pd.DataFrame, id: str) -> str:
    """Draw changes since the wave before.

    Parameters
    ----------
    v : NationView
    frame : DataFrame
        Lines of ``v.standings``.
    id : str

    Returns
    -------
    str
    """
    w = v.words
    rows = pd.DataFrame(
        {
            "label": frame["name"].map(v.name), "est": frame["change"], "ci_lower": frame["change_lower"],
            "ci_upper": frame["change_upper"], "clear": frame["flag"].isin(["up", "down"]),
        }
    )  # fmt: skip
    return change_rows(
        rows, axis_label=w("change_axis", since=v.since), note=w("hollow_change"), most=60, title=w("changes"),
        words=w.pictures, id=id,
    )  # fmt: skip


def _explained(v: NationView, units: pd.DataFrame, links: Mapping[str, str]) -> list[Block]:
    """Why the units that changed did."""
    lines = []
    for name in units["name"]:
        e = v.explained_of(name)
        if len(e):
            sums = e.groupby("part")["est"].sum()
            lines.append(
                {"name": v.name(name)} | {k: sums.get(k, np.nan) for k in ("change", "driver", "impact", "rest")}
            )
    if not lines:
        return []
    w = v.words
    columns = [Column("name", v.head(v.result.by)), *(Column(k, w(f"part_{k}"), "points") for k in ("change", "driver", "impact", "rest"))]  # fmt: skip
    return [
        sortable(_linked(pd.DataFrame(lines), links), columns, w, title=w("why_changed"), caption=w("why_caption"))
    ]


# --- drivers ----------------------------------------------------------------------------------------------------


def _impact_chart(v: NationView, level: str, name: Any, id: str, width: float = 900) -> str:
    rows = v.impacts_of(level, name)
    if rows.empty:
        return ""
    frame = rows.drop(columns="driver").rename(columns={"label": "driver"})
    title = f"{v.words('drivers')}: {v.name(name)}"
    return charts.impact_bars(
        frame, inline(shown(v.target, 40)), title=title, width=width, words=v.words.pictures, id=id
    )


def _drivers(v: NationView) -> list[Block]:
    if v.impacts.empty:
        return []
    w = v.words
    blocks = [paragraph(w("impact_text", target=inline(v.target)))]
    if v.top is not None:
        name = v.groups(v.top)["name"].iloc[0]
        blocks.append(figure(_impact_chart(v, v.top, name, "drivers-chart"), w("impact_means")))
        blocks += impact_map(v, v.top, name, "drivers-map")
    for level in v.middle:
        wide = v.impacts[v.impacts["level"] == level].pivot_table(index="name", columns="driver", values="impact")
        order = [d for d in dict.fromkeys(v.impacts["driver"]) if d in wide]
        columns = [
            Column("name", v.head(level)),
            *(Column(f"d{k}", v.label(d), "impact") for k, d in enumerate(order)),
        ]
        flat = wide[order].set_axis([f"d{k}" for k in range(len(order))], axis=1).reindex(v.groups(level)["name"])
        flat = _named(v, flat.reset_index())
        blocks.append(
            sortable(flat, columns, w, title=v.head(level, many=True), caption=w("impact_unit", target=v.target))
        )
    return blocks


def impact_map(v: NationView, level: str, name: Any, id: str) -> list[Block]:
    """Draw importance against performance of the drivers of one unit or group.

    Parameters
    ----------
    v : NationView
    level : str
    name : object
    id : str

    Returns
    -------
    list of dict
        Empty with fewer than two drivers.
    """
    impacts = v.impacts_of(level, name)
    if len(impacts) < 2:
        return []
    performance = v.constructs_of(level, name).set_index("construct")["index_"]
    at = {"construct": impacts["label"], "importance": impacts["impact"], "performance": impacts["driver"].map(performance)}  # fmt: skip
    svg = charts.importance_performance(
        pd.DataFrame(at), target=inline(shown(v.target, 60)), title=v.words("map"), words=v.words.pictures, id=id
    )
    return [figure(svg, v.words("map_caption"))]


# --- rates, fieldwork, method -----------------------------------------------------------------------------------


def _outcomes(v: NationView) -> list[Block]:
    groups = [(level, name) for level in reversed(v.result.levels) for name in v.groups(level)["name"]]
    return outcome_table(v, groups)


def outcome_table(v: NationView, groups: Sequence[tuple[str, Any]]) -> list[Block]:
    """Complaints, retention and price tolerance of some units and groups.

    Parameters
    ----------
    v : NationView
    groups : sequence of (level, name)

    Returns
    -------
    list of dict
        Empty where the survey did not ask.
    """
    rows = v.outcomes_of(groups)
    if rows.empty:
        return []
    w = v.words
    rows = rows.assign(name=rows["name"].map(v.name), level=rows["level"].map(v.head))
    columns = [
        Column("name", w("name")),
        Column("level", w("level")),
        *(Column(k, head, "shares") for k, head in v.outcomes.items()),
    ]
    return [sortable(rows, columns, w, caption=w("outcome_caption", level=w.share(v.result.level)))]


def _method(v: NationView) -> list[Block]:
    w = v.words
    blocks = [paragraph(text) for text in v.method_texts]
    blocks.append(facts([*v.method_facts, (w("language"), w("language_is"))]))
    return [*blocks, *_small_print(v)]


def _small_print(v: NationView) -> list[Block]:
    """What was left out, put together or drawn to a mean; and the field."""
    w, r = v.words, v.result
    skipped, out = v.skipped, v.excluded
    field = v.of_wave(r.fieldwork)
    field = field.assign(name=field["name"].map(v.name))
    tables = [
        (v.rules, w("rules"), [Column(r.by, v.head(r.by)), Column("rows", w("interviews"), "count"), Column("said", w("rule")), Column("detail", w("detail"))]),
        (skipped, w("skipped"), [Column(r.by, v.head(r.by)), Column("rows", w("interviews"), "count"), Column("reason", w("reason"))]),
        (out, w("excluded_rows"), [Column("reason", w("reason")), Column("rows", w("interviews"), "count")]),
        (field, w("fieldwork"), [
            Column("name", w("name")), Column("rows", w("interviews"), "count"), Column("used", w("used"), "count"),
            Column("effective_n", w("effective_n"), "count"), Column("design_effect", w("design_effect"), "impact"), Column("blank", w("blank"), "share"),
        ]),
    ]  # fmt: skip
    return [fold(f"{title}: {w.count(len(f))}", [sortable(f, columns, w)]) for f, title, columns in tables if len(f)]
