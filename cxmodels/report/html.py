"""The study report: one self-contained HTML page, made of the frames of a result and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from . import charts, study_sem
from .blocks import Block, Flag, above, below, facts, figure, inline, paragraph, shown
from .diagram import path_diagram
from .onepage import render, used_rows
from .study_view import StudyView
from .words import Language
from .words import language as words_in

if TYPE_CHECKING:
    from ..study import StudyResult

RELIABILITY = {"alpha": 0.7, "rho_a": 0.7, "rho_c": 0.7, "ave": 0.5}
LOADING_LIMIT, VIF_LIMIT = 0.7, 5.0
EFFECT_SIZES = {"small": 0.02, "medium": 0.15, "large": 0.35}
TERMS = ("index", "impact", "interval", "loading", "weight", "reliability", "ave", "htmt", "vif", "r2", "f2")


def study_html(
    result: StudyResult, *, whole: bool = True, prefix: str = "", language: str | Language | None = None
) -> str:
    """Render a study as HTML.

    Parameters
    ----------
    result : StudyResult
    whole : bool, default True
        A page of its own; False gives one ``<div>``, with a style of its own that touches nothing else, for a
        notebook.
    prefix : str, default ""
        Put before every id, so that several reports fit into one page.
    language : str, optional
        Of everything that is said: ``"en"``, ``"uk"``, ``"ru"`` or ``"bg"``. By default that of the study.

    Returns
    -------
    str
        Self-contained: inline style and SVG, no script, nothing loaded. The same result gives the same text.

    Raises
    ------
    SpecError
        For a language that has no catalogue.

    Examples
    --------
    >>> import cxmodels as cx
    >>> study = cx.Study.of({"title": "Phones", "name": "phones", "data": {"dataset": "mobi"}, "model": {"name": "ECSI"},
    ...                      "bootstrap": {"replicates": 10}})
    >>> result = study.run()
    >>> page = cx.report.study_html(result)
    >>> page[:15], page.count("<svg") > 3
    ('<!doctype html>', True)
    """
    v = StudyView(result, prefix, words_in(language or result.study.language))
    w = v.words
    return render(
        w,
        whole=whole,
        title=result.study.title,
        subtitle=shown(result.study.subtitle, 500),
        prefix=prefix,
        headline=_headline(v),
        rows=_rows(v),
        lead=_lead(v),
        alarm=_alarm(v),
        warnings=_warnings(v),
        names=v.names(),
        sections=_sections(v),
        note=w("disclaimer"),
    )


def _sections(v: StudyView) -> list[tuple[str, str, list[Block]]]:
    w = v.words
    return [
        ("model", w("sec_model"), _model_blocks(v)),
        ("indices", w("sec_indices"), _index_blocks(v)),
        ("impacts", w("sec_impacts"), _impact_blocks(v)),
        ("units", w("sec_units"), _unit_blocks(v)),
        ("quality", w("sec_quality"), _quality_blocks(v)),
        ("tables", w("sec_tables"), _table_blocks(v)),
        ("method", w("method"), _method_blocks(v)),
    ]


# --- what must be read first --------------------------------------------------------------------------------


def _alarm(v: StudyView) -> str:
    """The reason not to publish, if there is one."""
    if not v.result.converged:
        return v.words("alarm_converged")
    return "" if v.result.proper else v.words("alarm_proper")


def _warnings(v: StudyView) -> list[str]:
    every = list(v.result.warnings)
    return [v.words("alarm_where")] if not every and _alarm(v) else every


def _rows(v: StudyView) -> str:
    """Rows read, used and excluded, weights and blanks, in one line."""
    return f"{_used(v)}; {_case_weights(v)}; {_blanks(v) or v.words('no_blanks')}."


def _used(v: StudyView) -> str:
    r = v.result
    return used_rows(v.words, len(r.index.survey.frame), r.n_obs, r.excluded)


def _blanks(v: StudyView) -> str:
    """Missing answers and what was done about them; empty if there are none."""
    w, r = v.words, v.result
    if not r.blanks:
        return ""
    blanks, done = w("blanks", n=r.blanks), f"treated_{r.treatment}"
    return w("blanks_treated", blanks=blanks, treatment=w(done)) if done in w.texts else blanks


def _case_weights(v: StudyView) -> str:
    if not v.result.weighted:
        return v.words("no_weights")
    name = v.result.index.survey.weight_name
    return v.words("weights_survey", name=shown(name)) if name else v.words("weighted")


def _headline(v: StudyView) -> str:
    w, row = v.words, _target_row(v)
    return charts.headline(
        row["index"],
        row["ci_lower"],
        row["ci_upper"],
        label=v.name(v.result.index.target),
        n=v.result.n_obs,
        words={**w.pictures, "interval": w("level_interval", level=v.level, span="{span}")},
        id=f"{v.prefix}headline",
    )


def _impacts(v: StudyView) -> pd.DataFrame:
    """Impacts on the headline construct."""
    every = v.result.index.impacts
    return every[every["target"] == v.result.index.target]


def _target_row(v: StudyView) -> dict[str, float]:
    """Index of the headline construct and its interval."""
    frame = v.result.index.scores.set_index("construct")
    return {k: frame[k].astype(float)[v.result.index.target] for k in ("index", "ci_lower", "ci_upper")}


def _lead(v: StudyView) -> list[str]:
    """The result in plain words."""
    w, r, row = v.words, v.result, _target_row(v)
    first = w(
        "lead_stands", target=v.target, index=w.number(row["index"]), level=v.level,
        span=w.span(row["ci_lower"], row["ci_upper"]), respondents=w("respondents", n=r.n_obs),
    )  # fmt: skip
    impacts = _impacts(v).sort_values("impact", key=abs, ascending=False)
    if impacts.empty or not r.converged:
        return [first]
    best = impacts.iloc[0]
    span = w.span(best["ci_lower"], best["ci_upper"], 2)
    second = w(
        "lead_moves", driver=inline(v.name(best["driver"])), impact=w.number(best["impact"], 2), target=v.target,
        span=f" ({span})" if span else "",
    )  # fmt: skip
    return [first, second]


# --- the sections -------------------------------------------------------------------------------------------


def _model_blocks(v: StudyView) -> list[Block]:
    r, w = v.result, v.words
    if r.by_sem:
        return study_sem.model_blocks(v)
    svg = path_diagram(
        v.names(),
        r.bootstrap.paths,
        index=r.index.scores.set_index("construct")["index"],
        r_squared=r.fit.r_squared,
        highlight=r.index.target,
        title=w("diagram_of", title=shown(r.study.title)),
        words=w.pictures,
        id=f"{v.prefix}paths",
    )
    return [paragraph(w("model_text")), figure(svg)]


def _index_blocks(v: StudyView) -> list[Block]:
    r, w = v.result, v.words
    scores = v.labelled(r.index.scores)
    svg = charts.index_bars(
        scores,
        highlight=v.name(r.index.target),
        title=w("index_each"),
        words=w.pictures,
        id=f"{v.prefix}indices-chart",
    )
    heads, caption = v.heads("construct", "index", "interval", n="n"), w("index_caption", level=v.level)
    if r.bootstrap is not None:
        heads |= {"se_bootstrap": w("se_free")}
        caption += " " + w("index_free")
    blocks = [figure(svg), v.table(scores, heads, w("sec_indices"), caption, digits=2)]
    if len(r.index.rates):
        rates = v.heads("measure", "interval", n="n")
        rates = {"measure": rates.pop("measure"), "value": w("part_share"), **rates}
        said = r.index.rates.assign(measure=[_measure(v, m) for m in r.index.rates["measure"]])
        blocks.append(v.table(said, rates, w("rates"), w("rates_caption")))
    return blocks


def _measure(v: StudyView, name: str) -> str:
    """A rate as the reader calls it."""
    known = v.words.known(f"measure_{name.lower().replace(' ', '_')}") if not v.english else None
    return str(known or name)


def _impact_blocks(v: StudyView) -> list[Block]:
    r, w, impacts = v.result, v.words, _impacts(v)
    if impacts.empty:
        return []
    performance = r.index.scores.set_index("construct")["index"]
    drivers = v.labelled(impacts)
    bars = charts.impact_bars(
        drivers, shown(v.name(r.index.target), 40), words=w.pictures, id=f"{v.prefix}impact-chart"
    )
    blocks = [paragraph(w("impact_text_one", target=v.target)), figure(bars)]
    if len(impacts) > 1:
        at = {"construct": drivers["driver"], "importance": impacts["impact"], "performance": impacts["driver"].map(performance)}  # fmt: skip
        ipma = charts.importance_performance(
            pd.DataFrame(at),
            target=shown(v.name(r.index.target), 60),
            title=w("map"),
            words=w.pictures,
            id=f"{v.prefix}ipma",
        )
        blocks.append(figure(ipma, w("map_caption")))
    return blocks


def _unit_blocks(v: StudyView) -> list[Block]:
    u, w, target = v.result.units, v.words, v.result.index.target
    if u is None:
        return []
    names = {unit: shown(", ".join(map(str, unit))) for unit in u.fits}
    scores = u.scores.assign(unit=[names[k] for k in zip(*(u.scores[c] for c in u.keys), strict=True)])
    rows = scores[scores["construct"] == target]
    svg = charts.unit_dots(
        rows,
        overall=_target_row(v)["index"],
        overall_label=w("units_all"),
        title=w("index_units"),
        words=w.pictures,
        id=f"{v.prefix}unit-chart",
    )
    notes = {names[unit]: _unit_note(w, fit) for unit, fit in u.fits.items()}
    ranked = rows.sort_values("index", ascending=False, kind="stable").reset_index(drop=True)
    ranked = ranked.assign(note=ranked["unit"].map(notes))
    by = ", ".join(_key(w, k) for k in u.keys)
    heads = {"unit": by.capitalize(), **v.heads("index", "interval", n="n")}
    flags = {}
    if any(notes.values()):
        heads["note"] = w("note")
        flags["note"] = Flag((ranked["note"] != "").to_numpy(), "▼", w("see_warnings"))
    text = w("units_text", n=len(u.fits), by=by)
    text += f"; {w('units_lost', n=len(u.skipped))}." if len(u.skipped) else "."
    measured = dict.fromkeys(scores["construct"])
    wide = pd.DataFrame({c: scores.loc[scores["construct"] == c, "index"].to_numpy() for c in measured})
    wide.insert(0, "unit", list(rows["unit"]), allow_duplicates=True)
    wide = wide.assign(_order=rows["index"].to_numpy()).sort_values("_order", ascending=False, kind="stable")
    columns = {"unit": by.capitalize()} | {c: v.name(c) for c in measured}
    caption = w("index_caption", level=w.share(u.level, None))
    title = w("by_unit", target=v.name(target))
    blocks = [
        paragraph(text),
        figure(svg),
        v.table(ranked, heads, title, caption, digits=1, flags=flags, folded=len(ranked) > 12),
        v.table(wide, columns, w("every_by_unit"), w("index_short"), digits=1, folded=True),
    ]
    if len(u.skipped):
        skipped = {k: _key(w, k).capitalize() for k in u.keys} | {"rows": w("rows_head"), "reason": w("reason")}
        told = u.skipped.assign(reason=u.skipped["reason"].map(w.told))
        blocks.append(v.table(told, skipped, w("units_skipped")))
    return blocks


def _key(words: Language, column: str) -> str:
    """A column that names units, as the reader calls it."""
    return str(words.known(f"level_{column}", "") if words.code != "en" else "").lower() or shown(column)


def _unit_note(words: Language, fit: Any) -> str:
    """What makes a unit's figures doubtful."""
    said = [] if fit.converged else [words("not_converged")]
    return ", ".join(said + ([words("negative_weight")] if fit.negative_weights() else []))


def _quality_blocks(v: StudyView) -> list[Block]:
    if v.result.by_sem:
        return study_sem.quality_blocks(v)
    w, fit, boot = v.words, v.result.fit, v.result.bootstrap
    several = fit.layout.design.size > 1
    reliability = fit.reliability.copy()
    reliability.loc[~several] = np.nan
    reliability = reliability.reset_index()
    heads = v.heads("construct", "alpha", "rho_a", "rho_c", ave="AVE")
    flags = {k: below(reliability[k], limit, w) for k, limit in RELIABILITY.items()}
    pairs = boot.htmt[_first_of_pair(boot.htmt, fit.layout.constructs)]
    caption = w("reliability_caption", alpha=w.number(RELIABILITY["alpha"], 2), ave=w.number(RELIABILITY["ave"], 2))
    return [
        v.table(reliability, heads, w("constructs"), caption, flags=flags),
        _item_block(v),
        *study_sem.htmt_blocks(v, pairs, "htmt_text"),
        v.terms(*TERMS),
    ]


def _item_block(v: StudyView) -> Block:
    w, fit = v.words, v.result.fit
    items = fit.loadings.rename(columns={"est": "loading"})
    items["weight"], items["vif"] = fit.weights["est"], fit.item_vif["vif"]
    items["label"] = [v.question(i) for i in items["item"]]
    heads = v.heads("item", label="question") | v.heads("construct", "loading", "weight", vif="VIF")
    flags = {"vif": above(items["vif"], VIF_LIMIT, w), "weight": below(items["weight"], 0.0, w)}
    flags["loading"] = below(items["loading"].abs(), LOADING_LIMIT, w)
    caption = w("items_caption", loading=w.number(LOADING_LIMIT, 2), vif=w.plain(VIF_LIMIT))
    return v.table(items, heads, w("items"), caption, flags=flags)


def _table_blocks(v: StudyView) -> list[Block]:
    if v.result.by_sem:
        return study_sem.table_blocks(v)
    w, r, b = v.words, v.result, v.result.bootstrap
    arrow, cells, statistics = v.heads("outcome", "predictor"), v.heads("construct", "item"), v.statistics()
    total = b.effects[b.effects["effect"] == "total"]
    fit = r.fit.paths.assign(f2=r.fit.f_squared["f2"], vif=r.fit.vif["vif"])
    endogenous = b.r_squared[b.r_squared["column"] == "r2"].rename(columns={"row": "construct"})
    sizes = w("sizes_note", **{k: w.number(s, 2) for k, s in EFFECT_SIZES.items()})
    tables = [
        (b.paths, {**arrow, **statistics}, "paths", w("paths_note")),
        (fit, {**arrow, **v.heads(est="path", f2="f²", vif="VIF")}, "sizes", sizes),
        (total, {**arrow, **statistics}, "total_effects", w("total_note")),
        (endogenous, {**v.heads("construct"), **statistics}, "explained", w("explained_note")),
        (r.index.impacts, v.heads("driver", "target", "impact", "interval"), "impacts", w("impacts_note")),
        (b.loadings, {**cells, **statistics}, "loadings", w("loadings_note")),
        (b.weights, {**cells, **statistics}, "weights", w("weights_note")),
    ]
    blocks = [v.table(frame, heads, w(title), note, folded=True) for frame, heads, title, note in tables]
    return [*blocks, study_sem.answers_block(v)]


def _method_blocks(v: StudyView) -> list[Block]:
    w, r, p = v.words, v.result, v.result.provenance
    o, b = p["options"], p["bootstrap"]
    if r.by_sem:
        text, iterations = study_sem.method_text(v), r.fit.estimate.minimum.iterations
        own = [(w("estimator"), o["estimator"])]
    else:
        text, iterations = _pls_text(v), r.fit.iterations
        mode_b = ", ".join(shown(k) for k, mode in o["modes"].items() if mode == "B")
        own = [
            (w("items"), w("metric_standard" if o["standardize"] else "metric_own")),
            (w("mode_b"), mode_b or w("all_mode_a")),
        ]
    level = w.share(b["level"], None)
    drawn = w(
        "drawn", replicates=w("replicates", n=b["replicates"]), failed=b["failed"], kind=w(f"kind_{b['interval']}"),
        level=level, seed=shown(b["seed"]),
    )  # fmt: skip
    rows = [
        (w("rows_head"), _used(v)),
        (w("missing_answers"), _blanks(v) or w("none")),
        (w("case_weights"), _case_weights(v)),
        (w("converged"), w("converged_after", n=int(iterations)) if r.converged else w("converged_no")),
        *own,
        (w("bootstrap"), drawn if b["replicates"] else w("not_drawn", level=level)),
        (w("versions"), ", ".join(f"{k} {x}" for k, x in p["versions"].items())),
        (w("fact_data_sha256"), p["data_sha256"]),
        (w("model"), shown("; ".join(r.index.spec.model.syntax.splitlines()), 20_000)),
    ]
    return [paragraph(text), facts(rows)]


def _pls_text(v: StudyView) -> str:
    """How a path model was estimated."""
    w, spec = v.words, v.result.fit.spec
    corrected = w("pls_corrected") + " " if spec.consistent else ""
    return w("pls_text", scheme=w(f"scheme_{spec.scheme}"), corrected=corrected)


def _first_of_pair(frame: pd.DataFrame, constructs: Sequence[str]) -> np.ndarray:
    """Each pair of constructs once, in the order of the model."""
    place = {c: i for i, c in enumerate(constructs)}
    return (frame["row"].map(place) < frame["column"].map(place)).to_numpy()
