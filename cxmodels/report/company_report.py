"""The report of one unit of a benchmark study: where it stands in its industry, why it changed, what to fix first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from . import charts
from .blocks import Block, facts, figure, inline, paragraph, shown
from .book import line, page, section
from .nation_charts import against_chart, change_rows, course_chart
from .nation_report import impact_map, outcome_table
from .nation_tables import Column, sortable
from .nation_view import NationView

if TYPE_CHECKING:
    from ..acsi.benchmark import BenchmarkResult

MOST_PEERS = 30


def company_html(result: BenchmarkResult | NationView, name: Any, *, up: str = "") -> str:
    """Render the report of one unit as HTML.

    Parameters
    ----------
    result : BenchmarkResult or NationView
        A view, when many units of one study are rendered.
    name : object
        The unit, such as a company.
    up : str
        Address of the study's report.

    Returns
    -------
    str
        Self-contained. The same result gives the same text.

    Raises
    ------
    SpecError
        If there is no such unit in the last wave.

    Examples
    --------
    >>> import cxmodels as cx
    >>> data, _ = cx.datasets.simulate_study(companies=3, respondents=60, years=1, seed=3)
    >>> plan = cx.acsi.Benchmark(levels=["industry", "nation"], wave="year")
    >>> result = plan.fit(cx.Survey(data, weights="weight"), bootstrap=0)
    >>> page = cx.report.company_html(result, "Company 1")
    >>> page[:15], page.count("<svg") > 2
    ('<!doctype html>', True)
    """
    v = result if isinstance(result, NationView) else NationView(result)
    v.check_unit(name)
    w, r = v.words, v.result
    level, home, peers = v.peers(name)
    own = v.unit(name)
    against = v.against(name)
    sections = [
        section("first", w("first_title"), _first(v, name, against)),
        section("against", w("against_title", group=inline(v.name(home)) if level else w("whole")), _against(v, name, against, level)),
        section("peers", w("peers_title"), _peers(v, name, level, home, peers)),
        section("drivers", w("drivers"), _drivers(v, name)),
        section("why", w("why_changed"), _why(v, name)),
        section("outcomes", w("outcomes"), _outcomes(v, name)),
        section("method", w("method"), _method(v)),
    ]  # fmt: skip
    places = [f"{v.head(k)}: {v.name(own[f'in_{k}'])}" for k in reversed(v.middle)]
    return page(
        w,
        title=v.name(name),
        subtitle="; ".join([shown(r.title), v.wave, *places]),
        headline=_headline(v, own, level, home, against),
        facts=_facts(v, own),
        lead=_lead(v, own, level, home, peers),
        warnings=_warnings(v, name),
        sections=sections,
        up=up,
    )


def _headline(v: NationView, own: Any, level: str | None, home: Any, against: pd.DataFrame) -> str:
    row: Any = against.set_index("construct").loc[v.result.target]
    marks = {} if np.isnan(own["previous"]) else {v.since: float(own["previous"])}
    if level is not None:
        marks[shown(v.name(home), 30)] = float(row["industry"])
    if row["gap"] > 0:
        marks[v.words("best_short")] = float(row["best"])
    ends = own["ci_lower"], own["ci_upper"]
    return charts.headline(own["index_"], *ends, label=f"{v.target} {v.wave}", marks=marks, words=v.words.pictures)


def _facts(v: NationView, own: pd.Series) -> str:
    said = [v.words("interviews_used", n=int(own["n"])), v.scale]
    return " ".join(s[:1].upper() + s[1:].rstrip(".") + "." for s in said)


def _lead(v: NationView, own: pd.Series, level: str | None, home: Any, peers: pd.DataFrame) -> list[str]:
    """Where it stands and whether it changed, in plain words."""
    w = v.words
    out = [v.standing(v.name(own.name), own)]
    if len(peers) > 1 and not np.isnan(own["rank"]):
        group = inline(v.name(home)) if level else w("whole")
        ties = int((peers["group"] == own["group"]).sum()) - 1
        places = {k: int(own[k]) for k in ("rank", "rank_lower", "rank_upper")}
        out.append(w("ranked", group=group, of=len(peers), ties=ties, **places))
    return [" ".join(out)]


def _warnings(v: NationView, name: Any) -> list[str]:
    """What makes the numbers of this unit special."""
    mine = v.rules[v.rules[v.result.by] == name]
    return [f"{said}: {detail}" for said, detail in zip(mine["said"], mine["detail"], strict=True)]


# --- the sections -------------------------------------------------------------------------------------------


def _first(v: NationView, name: Any, against: pd.DataFrame) -> list[Block]:
    """What to improve first, in plain words."""
    return [line(text, "first" if k == 0 else "line") for k, text in enumerate(first_words(v, name, against))]


def first_words(v: NationView, name: Any, against: pd.DataFrame) -> list[str]:
    """Say what to improve first, how sure that is, and what comes next.

    Parameters
    ----------
    v : NationView
    name : object
    against : DataFrame
        ``v.against(name)``.

    Returns
    -------
    list of str
    """
    w, target = v.words, inline(v.target)
    if v.impacts_of(v.result.by, name).empty:
        return [w("no_drivers")]
    worth = against[against["gain"] > 0].sort_values("gain", ascending=False, kind="stable")
    if worth.empty:
        return [w("leads_everywhere", target=target)]
    first, rest = worth.iloc[0], worth.iloc[1:]
    out = w(
        "improve_first", driver=inline(first["label"]), index=w.number(first["index_"]), gap=w.number(first["gap"]),
        best=inline(v.name(first["best_name"])), best_index=w.number(first["best"]), impact=w.number(first["impact"], 2),
        gain=w.number(first["gain"]), target=target,
    )  # fmt: skip
    doubts = [w("gap_unclear")] * (not first["gap_clear"]) + [w("impact_unclear")] * (not first["impact_clear"])
    others = [f"{inline(label)} ({w.number(gain)})" for label, gain in zip(rest["label"], rest["gain"], strict=True)]
    after = [w("then_improve", drivers=", ".join(others))] if others else []
    return [" ".join([out, *doubts]), " ".join([*after, w("not_cause")])]


def _against(v: NationView, name: Any, against: pd.DataFrame, level: str | None) -> list[Block]:
    """Each construct beside the group and the best in it."""
    w = v.words
    middle, best = (v.head(level) if level else w("whole")), w("best")
    svg = against_chart(
        against.drop(columns="index", errors="ignore").rename(columns={"index_": "index"})[
            ["label", "index", "ci_lower", "ci_upper", "industry", "best"]
        ],
        own=v.name(name), middle=middle, best=best, axis_label=w("index_scale"), title=w("against_plain"), words=w.pictures,
    )  # fmt: skip
    columns = [
        Column("label", w("construct")), Column("index_", w("index"), "index"), Column("span", w("interval"), "span"),
        Column("industry", middle, "index"), Column("best", best, "index"),
        Column("best_name", w("who_is_best")), Column("gap", w("gap"), "points"), Column("impact", w("impact"), "impact"), Column("gain", w("gain"), "points"),
        *([Column("change", w("change_since", since=v.since), "flag")] if v.before is not None else []),
    ]  # fmt: skip
    rows = against.assign(best_name=against["best_name"].map(v.name))
    rows.loc[rows["impact"].isna(), "gain"] = np.nan
    return [figure(svg), sortable(rows, columns, w, title=w("indices"), caption=w("against_caption"))]


def _peers(v: NationView, name: Any, level: str | None, home: Any, peers: pd.DataFrame) -> list[Block]:
    """All units of the group, with this one set off."""
    if len(peers) < 2:
        return []
    w = v.words
    overall = float("nan") if level is None else float(v.groups(level).set_index("name").loc[home, "index_"])
    rows = peers.assign(label=peers["name"].map(v.name))
    svg = charts.unit_dots(
        rows.drop(columns=["index"], errors="ignore").assign(unit=rows["label"], index=rows["index_"]),
        overall=overall, overall_label=v.name(home) if level else None, highlight=v.name(name), most=MOST_PEERS,
        title=w("peers_title"), words=w.pictures,
    )  # fmt: skip
    columns = [Column("label", v.head(v.result.by)), Column("rank", w("rank"), "rank"), Column("group", w("tie_group"), "count"), Column("index_", w("index"), "index")]  # fmt: skip
    if v.before is not None:
        columns.append(Column("change", w("change_since", since=v.since), "flag"))
    table = sortable(rows, columns, w, caption=w("rank_caption"), strong=lambda x: x["name"] == name)
    return [figure(svg), table]


def _drivers(v: NationView, name: Any) -> list[Block]:
    """Impacts, and importance against performance."""
    rows = v.impacts_of(v.result.by, name)
    if rows.empty:
        return []
    w = v.words
    frame = rows.drop(columns="driver").rename(columns={"label": "driver"})
    svg = charts.impact_bars(frame, inline(shown(v.target, 40)), title=w("drivers"), words=w.pictures)
    source = rows["source"].iloc[0]
    borrowed = [paragraph(w(f"impacts_{source}"))] if source in ("pooled", "shrunk") else []
    return [
        paragraph(w("impact_text", target=inline(v.target))),
        *borrowed,
        figure(svg),
        *impact_map(v, v.result.by, name, "map"),
    ]


def _why(v: NationView, name: Any) -> list[Block]:
    """The change of the index, split into what drivers and what impacts moved."""
    e = v.explained_of(name)
    if e.empty:
        return _course(v, name)
    w = v.words
    said = {"driver": "moved_driver", "impact": "moved_impact"}
    labels = [
        w(said[p], driver=v.label(d)) if p in said else w(f"part_{p}")
        for d, p in zip(e["driver"], e["part"], strict=True)
    ]
    frame = pd.DataFrame(e[["est", "ci_lower", "ci_upper"]]).assign(label=labels)
    svg = change_rows(
        frame, axis_label=w("change_axis", since=v.since), note=w("hollow_part"), strong=w("part_change"), bars=True,
        title=w("why_changed"), words=w.pictures, id="why",
    )  # fmt: skip
    return [paragraph(w("why_text", target=inline(v.target))), figure(svg), *_course(v, name)]


def _course(v: NationView, name: Any) -> list[Block]:
    """The index over the waves, where there are more than two."""
    s = v.result.scores
    mine = s[(s[v.result.by] == name) & (s["construct"] == v.result.target)]
    if len(mine) < 3:
        return []
    w = v.words
    svg = course_chart(mine, axis_label=w("index_scale"), title=w("course"), words=w.pictures)
    return [figure(svg, w("course_caption", target=v.target))]


def _outcomes(v: NationView, name: Any) -> list[Block]:
    """What its satisfaction leads to, beside the levels above."""
    own = v.unit(name)
    return outcome_table(v, [(v.result.by, name), *((k, own[f"in_{k}"]) for k in v.result.levels)])


def _method(v: NationView) -> list[Block]:
    texts = [paragraph(text) for text in (*v.method_texts, v.words("method_best"))]
    return [*texts, facts(v.method_facts)]
