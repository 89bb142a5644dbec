"""What stands on the sheets of a benchmark study's workbook: every table of its last wave, with heads in its language."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from .nation_tables import Column, Kind, Sheet
from .nation_view import NationView


def sheets(v: NationView) -> list[Sheet]:
    """Make the sheets; those with nothing to show are left out.

    Parameters
    ----------
    v : NationView

    Returns
    -------
    list of Sheet
    """
    made = [
        _units(v),
        _levels(v),
        _constructs(v),
        _changes(v),
        _ranks(v),
        _impacts(v),
        _why(v),
        _outcomes(v),
        *_small(v),
    ]
    return [s for s in made if len(s.frame)]


def _column(v: NationView, kinds: dict[str, Kind]) -> list[Column]:
    """Columns called by the word of their own name."""
    return [Column(name, v.words(name), kind) for name, kind in kinds.items()]


def _sheet(v: NationView, key: str, frame: pd.DataFrame, columns: list[Column], flag: bool = False) -> Sheet:
    signs = list(frame["flag"]) if flag and v.before is not None else None
    return Sheet(v.words(f"sheet_{key}"), frame, columns, v.words(f"note_{key}"), signs)


def _labelled(v: NationView, frame: pd.DataFrame) -> pd.DataFrame:
    """Names, levels and constructs as a reader knows them."""
    reads: dict[str, Callable[[str], str]] = {
        "name": v.name,
        "level": v.head,
        "construct": v.label,
        "driver": v.label,
    }
    return frame.assign(**{c: frame[c].map(read) for c, read in reads.items() if c in frame})


def _indices(v: NationView) -> list[Column]:
    w = v.words
    own = [Column("index_", w("index"), "index"), Column("ci_lower", w("lower"), "index"), Column("ci_upper", w("upper"), "index"), Column("se", w("se"), "impact")]  # fmt: skip
    if v.before is None:
        return [*own, Column("n", w("interviews"), "count")]
    moved = [
        Column("previous", v.since, "index"), Column("change", w("change"), "points"), Column("change_lower", f"{w('change')}: {w('lower')}", "points"),
        Column("change_upper", f"{w('change')}: {w('upper')}", "points"), Column("pvalue_adjusted", w("p_adjusted"), "p"), Column("flag_said", w("note")),
    ]  # fmt: skip
    return [*own, *moved, Column("n", w("interviews"), "count")]


def _flagged(v: NationView, frame: pd.DataFrame) -> pd.DataFrame:
    said = {"up": v.words("up"), "down": v.words("down"), "same": v.words("same"), "none": v.words("new")}
    return frame.assign(flag_said=frame["flag"].map(said))


def _rank_columns(v: NationView) -> list[Column]:
    kinds: dict[str, Kind] = {"rank": "rank", "rank_lower": "rank", "rank_upper": "rank", "group": "rank"}
    heads = {"rank": "rank_only", "group": "tie_group"}
    return [Column(name, v.words(heads.get(name, name)), kind) for name, kind in kinds.items()]


def _units(v: NationView) -> Sheet:
    units = _flagged(v, _labelled(v, v.units))
    homes = [Column(f"in_{level}", v.head(level)) for level in v.middle]
    columns = [Column("name", v.head(v.result.by)), *homes, *_indices(v), *_rank_columns(v)]
    if (units["note"] != "").any():
        columns.append(Column("note", v.words("rule")))
    return _sheet(v, "units", units, columns, flag=True)


def _levels(v: NationView) -> Sheet:
    parts = [v.groups(level).assign(level=level) for level in reversed(v.result.levels)]
    frame = pd.concat([p for p in parts if len(p)] or [v.units.iloc[:0].assign(level="")], ignore_index=True)
    columns = [*_column(v, {"level": "text", "name": "text"}), *_indices(v), *_rank_columns(v)]
    return _sheet(v, "levels", _flagged(v, _labelled(v, frame)), columns, flag=True)


def _constructs(v: NationView) -> Sheet:
    columns = [*_column(v, {"level": "text", "name": "text", "construct": "text"}), *_indices(v)]
    return _sheet(v, "constructs", _flagged(v, _labelled(v, v.standings)), columns, flag=True)


def _changes(v: NationView) -> Sheet:
    frame = v.standings[v.standings["flag"] != "none"].sort_values("change", ascending=False, kind="stable")
    columns = [*_column(v, {"level": "text", "name": "text", "construct": "text"}), *_indices(v)[4:]]
    return _sheet(v, "changes", _flagged(v, _labelled(v, frame)), columns if len(frame) else [], flag=True)


def _ranks(v: NationView) -> Sheet:
    frame = v.of_wave(v.result.ranks)
    frame = frame.assign(inside=frame["inside"].map(v.name), within=frame["within"].map(v.head))
    frame = frame.assign(place=frame["within"] + ": " + frame["inside"]).rename(columns={"index": "index_"})
    columns = [*_column(v, {"level": "text", "name": "text"}), Column("place", v.words("peers_title")), *_rank_columns(v), Column("index_", v.words("index"), "index")]  # fmt: skip
    return _sheet(v, "ranks", _labelled(v, frame), columns)


def _impacts(v: NationView) -> Sheet:
    frame = _labelled(v, v.impacts)
    said = {k: v.words(f"source_{k}") for k in ("own", "pooled", "shrunk")}
    frame = frame.assign(source=frame["source"].map(lambda x: said.get(x, "")))
    ends = [Column("ci_lower", v.words("lower"), "impact"), Column("ci_upper", v.words("upper"), "impact")]
    columns = _column(v, {"level": "text", "name": "text", "driver": "text", "impact": "impact"})
    return _sheet(v, "impacts", frame, [*columns, *ends, *_column(v, {"source": "text"})])


def _why(v: NationView) -> Sheet:
    frame = v.of_wave(v.result.explained).rename(columns={v.result.by: "name"})
    said = {k: v.words(f"part_{k}") for k in ("change", "driver", "impact", "rest")}
    frame = frame.assign(part=frame["part"].map(said))
    columns = [
        Column("name", v.head(v.result.by)), Column("part", v.words("note")), Column("driver", v.words("driver")), Column("est", v.words("change"), "points"),
        Column("ci_lower", v.words("lower"), "points"), Column("ci_upper", v.words("upper"), "points"),
    ]  # fmt: skip
    return _sheet(
        v, "why", frame.assign(name=frame["name"].map(v.name), driver=frame["driver"].map(v.label)), columns
    )


def _outcomes(v: NationView) -> Sheet:
    frame = _labelled(v, v.outcome_frame)
    frame = frame.assign(measure=frame["measure"].map(v.outcomes))
    columns = _column(v, {"level": "text", "name": "text", "measure": "text"})
    ends = [Column("value", v.words("share"), "share"), Column("ci_lower", v.words("lower"), "share"), Column("ci_upper", v.words("upper"), "share")]  # fmt: skip
    return _sheet(v, "outcomes", frame, [*columns, *ends, Column("n", v.words("interviews"), "count")])


def _small(v: NationView) -> list[Sheet]:
    """Rules, units without numbers, rows left out, and the field."""
    w, r = v.words, v.result
    unit, rows, reason = Column(r.by, v.head(r.by)), Column("rows", w("interviews"), "count"), Column("reason", w("reason"))  # fmt: skip
    kinds: dict[str, Kind] = {"level": "text", "name": "text"}
    field: dict[str, Kind] = {"used": "count", "effective_n": "count", "design_effect": "impact", "blank": "share"}
    return [
        _sheet(v, "rules", v.rules, [unit, rows, Column("said", w("rule")), Column("detail", w("detail"))]),
        _sheet(v, "skipped", v.skipped, [unit, rows, reason]),
        _sheet(v, "excluded", v.excluded, [reason, rows]),
        _sheet(v, "fieldwork", _labelled(v, v.of_wave(r.fieldwork)), [*_column(v, kinds), rows, *_column(v, field)]),
    ]
