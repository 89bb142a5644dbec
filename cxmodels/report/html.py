"""The study report: one self-contained HTML page, made of the frames of a result and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import __version__
from . import charts, study_sem
from .blocks import Block, Flag, above, below, cell, facts, figure, inline, markup, paragraph, shown, table
from .diagram import path_diagram

if TYPE_CHECKING:
    from ..study import StudyResult

DISCLAIMER = "ACSI is a registered name of its owner; this software and this report are neither affiliated with it nor endorsed by it."
RELIABILITY = {"alpha": 0.7, "rho_a": 0.7, "rho_c": 0.7, "ave": 0.5}
LOADING_LIMIT, VIF_LIMIT, HTMT_LIMITS = 0.7, 5.0, (0.85, 0.9)
FIRST_WARNINGS = 8  # shown at once; more are folded
INTERVAL = {"se": "Std. error", "ci_lower": "Lower", "ci_upper": "Upper"}
STATISTICS = {
    "est": "Estimate",
    "se": "Std. error",
    "t": "t",
    "pvalue": "p",
    "ci_lower": "Lower",
    "ci_upper": "Upper",
}
ARROW = {"outcome": "Outcome", "predictor": "Predictor"}
TERMS = [
    ("Index", "Mean of a construct's items, weighted by the model, on 0 (worst answer) to 100 (best)"),
    ("Impact", "Points by which an index moves per point of a driver's index, over all paths of the model"),
    ("Interval, lower, upper", "Range that covers the population's value in the stated share of samples"),
    ("Loading", "Correlation of an item with its construct"),
    ("Weight", "Share of an item in the construct's score; a negative one subtracts what the item measures"),
    ("Alpha, Rho A, Rho C", "Reliability: share of a score that is not chance (Cronbach 1951; Dijkstra and Henseler 2015; Jöreskog 1971)"),
    ("AVE", "Average variance extracted: share of the items' variance that the construct explains"),
    ("HTMT", "Heterotrait-monotrait ratio (Henseler, Ringle and Sarstedt 2015): near 1, two constructs measure the same"),
    ("VIF", "Variance inflation factor: how far predictors, or items, repeat one another; 1 is not at all"),
    ("R²", "Share of a construct's variance that the arrows into it explain"),
    ("f²", "What a predictor adds to R², relative to what remains unexplained"),
]  # fmt: skip


def study_html(result: StudyResult, *, whole: bool = True, prefix: str = "") -> str:
    """Render a study as HTML.

    Parameters
    ----------
    result : StudyResult
    whole : bool, default True
        A page of its own; False gives one ``<div>``, with a style of its own that touches nothing else, for a
        notebook.
    prefix : str, default ""
        Put before every id, so that several reports fit into one page.

    Returns
    -------
    str
        Self-contained: inline style and SVG, no script, nothing loaded. The same result gives the same text.
    """
    from jinja2 import Environment, PackageLoader

    env = Environment(loader=PackageLoader("cxmodels", "report"), autoescape=True, trim_blocks=True)
    style = markup(env.loader.get_source(env, "style.css")[0])  # type: ignore[union-attr]
    title = shown(result.study.title, 300)
    body = env.get_template("body.html").render(
        whole=whole,
        title=title,
        subtitle=shown(result.study.subtitle, 500),
        prefix=prefix,
        headline=markup(_headline(result, prefix)),
        rows=_rows(result),
        lead=_lead(result),
        alarm=_alarm(result),
        warnings=_warnings(result),
        sections=[s for s in _sections(result, prefix) if s["blocks"]],
        version=__version__,
        disclaimer=DISCLAIMER,
    )
    if not whole:
        return f'<div class="cx" style="max-width:62rem;padding:1rem 1.4rem"><style>{style}</style>{body}</div>'
    return env.get_template("template.html").render(title=title, version=__version__, style=style, body=markup(body))


def _sections(r: StudyResult, prefix: str) -> list[dict[str, Any]]:
    return [
        {"id": "model", "title": "What drives what", "blocks": _model_blocks(r, prefix)},
        {"id": "indices", "title": "Indices", "blocks": _index_blocks(r, prefix)},
        {"id": "impacts", "title": "What to work on", "blocks": _impact_blocks(r, prefix)},
        {"id": "units", "title": "Units compared", "blocks": _unit_blocks(r, prefix)},
        {"id": "quality", "title": "Measurement quality", "blocks": _quality_blocks(r, prefix)},
        {"id": "tables", "title": "Full tables", "blocks": _table_blocks(r)},
        {"id": "method", "title": "Method and provenance", "blocks": _method_blocks(r)},
    ]


# --- what must be read first --------------------------------------------------------------------------------


def _alarm(r: StudyResult) -> str:
    """The reason not to publish, if there is one."""
    if not r.converged:
        return "The estimation did not converge: do not publish these figures"
    return "" if r.proper else "Improper solution: some figures cannot be right as they are"


def _warnings(r: StudyResult) -> dict[str, list[str]]:
    every = [shown(w, 600) for w in r.warnings]
    if not every and _alarm(r):
        every = ["See the units and the full tables for which model it is."]
    return {"first": every[:FIRST_WARNINGS], "rest": every[FIRST_WARNINGS:]}


def _rows(r: StudyResult) -> str:
    """Rows read, used and excluded, weights and blanks, in one line."""
    blanks = r.blanks
    treatment = {
        "mean": "replaced by the item's mean", "pairwise": "left out pair by pair",
        "fiml": "treated by full-information maximum likelihood",
    }.get(r.treatment, "")  # fmt: skip
    answers = f"{blanks:,} missing answers {treatment}" if blanks else "no missing answers"
    return f"{_used(r)}; {_case_weights(r)}; {answers}."


def _used(r: StudyResult) -> str:
    excluded = ", ".join(f"{x.rows:,} for {shown(x.reason)}" for x in r.excluded.itertuples()) or "none"
    return f"{len(r.index.survey.frame):,} rows read, {r.n_obs:,} used, excluded: {excluded}"


def _case_weights(r: StudyResult) -> str:
    if not r.weighted:
        return "no case weights"
    name = r.index.survey.weight_name
    return f"weighted by the survey's '{shown(name)}'" if name else "weighted"


def _headline(r: StudyResult, prefix: str) -> str:
    row = _target_row(r)
    return charts.headline(
        row["index"],
        row["ci_lower"],
        row["ci_upper"],
        label=_name(r, r.index.target),
        n=r.n_obs,
        words={"interval": f"{_percent(r.index.level)} interval {{span}}", "n": "n = {n:,}"},
        id=f"{prefix}headline",
    )


def _target_row(r: StudyResult) -> dict[str, float]:
    """Index of the headline construct and its interval."""
    frame = r.index.scores.set_index("construct")
    return {k: frame[k].astype(float)[r.index.target] for k in ("index", "ci_lower", "ci_upper")}


def _percent(level: float) -> str:
    return f"{100 * level:g}%"


def _lead(r: StudyResult) -> list[str]:
    """The result in plain words."""
    target, row = r.index.target, _target_row(r)
    name = inline(_name(r, target))
    first = (
        f"{name} stands at {row['index']:.1f} on a scale from 0 to 100 ({_percent(r.index.level)} interval "
        f"{row['ci_lower']:.1f} to {row['ci_upper']:.1f}, {r.n_obs:,} respondents)."
    )
    impacts = r.index.impacts.query("target == @target").sort_values("impact", key=abs, ascending=False)
    if impacts.empty or not r.converged:
        return [first]
    best = impacts.iloc[0]
    second = f"{inline(_name(r, best['driver']))} moves it most: one point more goes with {cell(best['impact'], 2)} points of {name}"
    second += "." if np.isnan(best["ci_lower"]) else f" ({cell(best['ci_lower'], 2)} to {cell(best['ci_upper'], 2)})."
    return [first, second]


# --- the sections -------------------------------------------------------------------------------------------


def _model_blocks(r: StudyResult, prefix: str) -> list[Block]:
    if r.by_sem:
        return study_sem.model_blocks(r, prefix, lambda c: _name(r, c), path_diagram)
    svg = path_diagram(
        {c: _name(r, c) for c in r.constructs},
        r.bootstrap.paths,
        index=r.index.scores.set_index("construct")["index"],
        r_squared=r.fit.r_squared,
        highlight=r.index.target,
        title=f"Path diagram of {shown(r.study.title)}",
        id=f"{prefix}paths",
    )
    text = (
        "Arrows carry standardised path coefficients: how many standard deviations the outcome moves with one of the "
        "predictor, the other predictors held equal. Boxes carry the index of the construct and the share of its "
        "variance that the arrows into it explain."
    )
    return [paragraph(text), figure(svg)]


def _index_blocks(r: StudyResult, prefix: str) -> list[Block]:
    scores = _label(r, r.index.scores)
    svg = charts.index_bars(scores, highlight=_name(r, r.index.target), id=f"{prefix}indices-chart")
    heads = {"construct": "Construct", "index": "Index", **INTERVAL, "n": "n"}
    caption = f"On 0–100, with {_percent(r.index.level)} interval at fixed weights."
    if r.bootstrap is not None:
        heads |= {"se_bootstrap": "Std. error with free weights"}
        caption += " The last standard error lets the weights vary with the sample."
    blocks = [figure(svg), table(scores, heads, "Indices", caption, digits=2)]
    if len(r.index.rates):
        rates = {"measure": "Measure", "value": "Share", **INTERVAL, "n": "n"}
        blocks.append(table(r.index.rates, rates, "Rates", "Shares on 0–1, with Wilson intervals."))
    return blocks


def _impact_blocks(r: StudyResult, prefix: str) -> list[Block]:
    target = r.index.target
    impacts = r.index.impacts.query("target == @target")
    if impacts.empty:
        return []
    name = _name(r, target)
    performance = r.index.scores.set_index("construct")["index"]
    drivers = _label(r, impacts)
    text = (
        f"The impact of a driver is what its total effect adds to {inline(name)}, in points per point of the driver's "
        "own index, along every path of the model. It describes association in this survey; it does not prove cause."
    )
    blocks = [paragraph(text), figure(charts.impact_bars(drivers, shown(name, 40), id=f"{prefix}impact-chart"))]
    if len(impacts) > 1:
        at = {"construct": drivers["driver"], "importance": impacts["impact"], "performance": impacts["driver"].map(performance)}  # fmt: skip
        ipma = charts.importance_performance(pd.DataFrame(at), target=shown(name, 60), id=f"{prefix}ipma")
        blocks.append(figure(ipma, "Improvement pays most where a driver is important and weak, at the lower right."))
    return blocks


def _unit_blocks(r: StudyResult, prefix: str) -> list[Block]:
    if r.units is None:
        return []
    u, target = r.units, r.index.target
    names = {unit: shown(", ".join(map(str, unit))) for unit in u.fits}
    scores = u.scores.assign(unit=[names[k] for k in zip(*(u.scores[c] for c in u.keys), strict=True)])
    rows = scores[scores["construct"] == target]
    svg = charts.unit_dots(rows, overall=_target_row(r)["index"], overall_label="All respondents", id=f"{prefix}unit-chart")  # fmt: skip
    notes = {names[unit]: _unit_note(fit) for unit, fit in u.fits.items()}
    ranked = rows.sort_values("index", ascending=False, kind="stable").reset_index(drop=True)
    ranked = ranked.assign(note=ranked["unit"].map(notes))
    by = ", ".join(shown(k) for k in u.keys)
    heads = {"unit": by.capitalize(), "index": "Index", **INTERVAL, "n": "n"}
    flags = {}
    if any(notes.values()):
        heads["note"] = "Note"
        flags["note"] = Flag((ranked["note"] != "").to_numpy(), "▼", "see the warnings")
    text = f"{len(u.fits):,} units by {by}, each estimated by itself"
    text += f"; {len(u.skipped):,} could not be estimated." if len(u.skipped) else "."
    measured = dict.fromkeys(scores["construct"])
    wide = pd.DataFrame({c: scores.loc[scores["construct"] == c, "index"].to_numpy() for c in measured})
    wide.insert(0, "unit", list(rows["unit"]), allow_duplicates=True)
    wide = wide.assign(_order=rows["index"].to_numpy()).sort_values("_order", ascending=False, kind="stable")
    columns = {"unit": by.capitalize()} | {c: _name(r, c) for c in measured}
    caption = f"On 0–100, with {_percent(u.level)} interval at fixed weights."
    blocks = [
        paragraph(text),
        figure(svg),
        table(ranked, heads, f"{_name(r, target)} by unit", caption, digits=1, flags=flags, folded=len(ranked) > 12),
        table(wide, columns, "Every construct by unit", "Indices on 0–100.", digits=1, folded=True),
    ]
    if len(u.skipped):
        skipped = {c: shown(c).capitalize() for c in u.skipped.columns}
        blocks.append(table(u.skipped, skipped, "Units that could not be estimated"))
    return blocks


def _unit_note(fit: Any) -> str:
    """What makes a unit's figures doubtful."""
    said = [] if fit.converged else ["not converged"]
    return ", ".join(said + (["negative weight"] if fit.negative_weights() else []))


def _quality_blocks(r: StudyResult, prefix: str) -> list[Block]:
    if r.by_sem:
        return study_sem.quality_blocks(r, prefix, lambda c: _name(r, c), lambda f: _label(r, f))
    fit = r.fit
    several = fit.layout.design.size > 1
    reliability = fit.reliability.copy()
    reliability.loc[~several] = np.nan
    reliability = reliability.reset_index()
    heads = {"construct": "Construct", "alpha": "Alpha", "rho_a": "Rho A", "rho_c": "Rho C", "ave": "AVE"}
    caption = "Reliability of at least .70 and AVE of at least .50 are usual; ▼ is below. –: single item."
    flags = {k: below(reliability[k], limit) for k, limit in RELIABILITY.items()}
    boot = r.bootstrap
    pairs = boot.htmt[_first_of_pair(boot.htmt, fit.layout.constructs)].sort_values("est", ascending=False)
    labels = [f"{_name(r, a)} – {_name(r, b)}" for a, b in zip(pairs["row"], pairs["column"], strict=True)]
    forest = charts.interval_forest(
        pairs.assign(label=labels),
        thresholds=HTMT_LIMITS,
        axis_label="HTMT",
        title="Heterotrait-monotrait ratios",
        id=f"{prefix}htmt",
    )
    text = (
        "Constructs should differ from one another: the heterotrait-monotrait ratio (HTMT) compares correlations between "
        "constructs with those within, and an interval that reaches .90 (.85 for constructs far apart) says that two "
        "constructs are hard to tell apart."
    )
    return [
        table(_label(r, reliability), heads, "Constructs", caption, flags=flags),
        _item_block(r),
        paragraph(text),
        figure(forest),
        facts(TERMS, "What the terms mean", folded=True),
    ]


def _item_block(r: StudyResult) -> Block:
    fit = r.fit
    items = fit.loadings.rename(columns={"est": "loading"})
    items["weight"], items["vif"] = fit.weights["est"], fit.item_vif["vif"]
    items["label"] = [shown(r.item_label(i)) for i in items["item"]]
    heads = {"item": "Item", "label": "Question", "construct": "Construct", "loading": "Loading", "weight": "Weight", "vif": "VIF"}  # fmt: skip
    flags = {"vif": above(items["vif"], VIF_LIMIT), "weight": below(items["weight"], 0.0)}
    flags["loading"] = below(items["loading"].abs(), LOADING_LIMIT)
    caption = "Loadings of at least .70 are usual, weights are positive, VIF is at most 5; ▼ is below, ▲ above."
    return table(_label(r, items), heads, "Items", caption, flags=flags)


def _table_blocks(r: StudyResult) -> list[Block]:
    if r.by_sem:
        return study_sem.table_blocks(r, lambda f: _label(r, f))
    b = r.bootstrap
    cells = {"construct": "Construct", "item": "Item"}
    total = b.effects[b.effects["effect"] == "total"]
    fit = r.fit.paths.assign(f2=r.fit.f_squared["f2"], vif=r.fit.vif["vif"])
    endogenous = b.r_squared[b.r_squared["column"] == "r2"].rename(columns={"row": "construct"})
    item_heads = {
        "item": "Item", "label": "Question", "mean": "Mean", "sd": "Std. dev.", "missing": "Missing",
        "lowest": "Lowest", "highest": "Highest",
    }  # fmt: skip
    tables = [
        ("Paths", b.paths, {**ARROW, **STATISTICS}, "Standardised paths with bootstrap intervals."),
        ("Effect sizes and collinearity", fit, {**ARROW, "est": "Path", "f2": "f²", "vif": "VIF"},
         "f²: .02 small, .15 medium, .35 large (Cohen 1988)."),
        ("Total effects", total, {**ARROW, **STATISTICS}, "Direct and indirect effects together, standardised."),
        ("Explained variance", endogenous, {"construct": "Construct", **STATISTICS}, "R² with bootstrap intervals."),
        ("Impacts", r.index.impacts, {"driver": "Driver", "target": "Target", "impact": "Impact", **INTERVAL},
         "Total effects between 0–100 indices, points per point."),
        ("Loadings", b.loadings, {**cells, **STATISTICS}, "Correlations of items with their construct."),
        ("Weights", b.weights, {**cells, **STATISTICS}, "Outer weights, as they make scores of unit variance."),
        ("Answers", r.frames["items"], item_heads, "Answers as used, and the ends of each scale."),
    ]  # fmt: skip
    return [table(_label(r, frame), heads, title, note, folded=True) for title, frame, heads, note in tables]


def _method_blocks(r: StudyResult) -> list[Block]:
    p = r.provenance
    o, b = p["options"], p["bootstrap"]
    if r.by_sem:
        text, iterations = study_sem.method_text(r), r.fit.estimate.minimum.iterations
        own = [("Estimator", o["estimator"])]
    else:
        text, iterations = _pls_text(r), r.fit.iterations
        mode_b = ", ".join(shown(k) for k, v in o["modes"].items() if v == "B")
        own = [
            ("Items", "standardised" if o["standardize"] else "in their own metric"),
            ("Mode B", mode_b or "none (all Mode A)"),
        ]
    replicates = f"{b['replicates']:,} replicates, {b['failed']:,} failed, {b['interval']} intervals at {_percent(b['level'])}, seed {b['seed']}"
    rows = [
        ("Rows", _used(r)),
        ("Missing answers", f"{r.blanks:,}, treated by: {o['missing']}" if r.blanks else "none"),
        ("Case weights", _case_weights(r)),
        ("Converged", f"yes, after {iterations} iterations" if r.converged else "NO"),
        *own,
        ("Bootstrap", replicates if b["replicates"] else f"none; intervals at {_percent(b['level'])}"),
        ("Versions", ", ".join(f"{k} {v}" for k, v in p["versions"].items())),
        ("Data, SHA-256", p["data_sha256"]),
        ("Model", shown("; ".join(r.index.spec.model.syntax.splitlines()), 20_000)),
    ]
    return [paragraph(text), facts(rows)]


def _pls_text(r: StudyResult) -> str:
    """How a path model was estimated."""
    names = {"path": "path weighting", "factorial": "factorial", "centroid": "centroid"}
    corrected = (
        "Paths, R² and impacts are corrected for measurement error (consistent PLS, Dijkstra and Henseler 2015). "
        if r.fit.spec.consistent
        else ""
    )
    return (
        f"The model was estimated by partial least squares path modelling (Wold 1982; Lohmöller 1989) with the "
        f"{names[r.fit.spec.scheme]} scheme. {corrected}The index of a construct is the mean of its items, weighted by their "
        "unstandardised outer weights and placed on 0 to 100 between the ends of the scale (Fornell et al. 1996). "
        "Intervals of indices hold these weights fixed; all other intervals come from a bootstrap that repeats the whole "
        "estimation on resampled respondents."
    )


# --- names --------------------------------------------------------------------------------------------------


def _name(r: StudyResult, construct: str) -> str:
    """A construct as the reader knows it."""
    return shown(r.label(construct))


def _label(r: StudyResult, frame: pd.DataFrame) -> pd.DataFrame:
    """Constructs in a frame as the reader knows them."""
    known = set(r.constructs)
    columns = [c for c in ("outcome", "predictor", "construct", "driver", "target") if c in frame]
    return frame.assign(**{c: frame[c].map(lambda v: _name(r, v) if v in known else v) for c in columns})


def _first_of_pair(frame: pd.DataFrame, constructs: Sequence[str]) -> np.ndarray:
    """Each pair of constructs once, in the order of the model."""
    place = {c: i for i, c in enumerate(constructs)}
    return (frame["row"].map(place) < frame["column"].map(place)).to_numpy()
