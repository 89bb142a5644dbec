"""The study report: one self-contained HTML page, made of the frames of a result and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import __version__
from . import charts
from .diagram import path_diagram

if TYPE_CHECKING:
    from ..study import StudyResult

Block = dict[str, Any]
DISCLAIMER = "ACSI is a registered name of its owner; this software and this report are neither affiliated with it nor endorsed by it."
THRESHOLDS = {"alpha": 0.7, "rho_a": 0.7, "rho_c": 0.7, "ave": 0.5}
HTMT_LIMITS = (0.85, 0.9)
LOADING_LIMIT, VIF_LIMIT = 0.7, 5.0


def study_html(result: StudyResult, *, whole: bool = True, prefix: str = "") -> str:
    """Render a study as HTML.

    Parameters
    ----------
    result : StudyResult
    whole : bool, default True
        A page of its own; False gives the body alone, for a notebook.
    prefix : str, default ""
        Put before every id, so that several reports fit into one page.

    Returns
    -------
    str
        Self-contained: inline style and SVG, no script, nothing loaded. The same result gives the same text.
    """
    from jinja2 import Environment, PackageLoader

    env = Environment(loader=PackageLoader("cxmodels", "report"), autoescape=True, trim_blocks=True)
    body = env.get_template("body.html").render(
        title=result.study.title,
        subtitle=result.study.subtitle,
        prefix=prefix,
        headline=_safe(_headline(result, prefix)),
        lead=_lead(result),
        warnings=result.warnings,
        sections=[s for s in _sections(result, prefix) if s["blocks"]],
        version=__version__,
        disclaimer=DISCLAIMER,
    )
    if not whole:
        return body
    page = env.get_template("template.html")
    return page.render(
        title=result.study.title, language=result.study.language, version=__version__, body=_safe(body)
    )


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


# --- the page's parts ---------------------------------------------------------------------------------------


def _headline(r: StudyResult, prefix: str) -> str:
    row = _target_row(r)
    return charts.headline(
        row["index"],
        row["ci_lower"],
        row["ci_upper"],
        label=r.label(r.index.target),
        n=r.n_obs,
        id=f"{prefix}headline",
    )


def _target_row(r: StudyResult) -> dict[str, float]:
    """Index of the headline construct and its interval."""
    frame = r.index.scores.set_index("construct")
    return {k: frame[k].astype(float)[r.index.target] for k in ("index", "ci_lower", "ci_upper")}


def _lead(r: StudyResult) -> list[str]:
    """The result in plain words."""
    target, row = r.index.target, _target_row(r)
    level = f"{r.index.level:.0%}".replace("%", " %")
    first = (
        f"{r.label(target)} stands at {row['index']:.1f} on a scale from 0 to 100 "
        f"({level} interval {row['ci_lower']:.1f} to {row['ci_upper']:.1f}, {r.n_obs:,} respondents)."
    )
    if not r.converged:
        return [
            "The estimation did not converge. The figures below are those of its last step and should not be published."
        ]
    impacts = r.index.impacts.query("target == @target").sort_values("impact", ascending=False)
    if impacts.empty:
        return [first]
    best = impacts.iloc[0]
    second = (
        f"{r.label(best['driver'])} moves it most: one point more goes with {best['impact']:.2f} points of "
        f"{r.label(target)}"
    )
    second += "." if np.isnan(best["ci_lower"]) else f" ({best['ci_lower']:.2f} to {best['ci_upper']:.2f})."
    return [first, second]


def _model_blocks(r: StudyResult, prefix: str) -> list[Block]:
    scores = r.index.scores.set_index("construct")["index"]
    boot = r.bootstrap
    svg = path_diagram(
        {c: r.label(c) for c in r.fit.layout.constructs},
        boot.paths,
        index=scores,
        r_squared=r.fit.r_squared,
        highlight=r.index.target,
        title=f"Path diagram of {r.study.title}",
        id=f"{prefix}paths",
    )
    text = (
        "Arrows carry standardised path coefficients: how many standard deviations the outcome moves with one of the "
        "predictor, the other predictors held equal. Boxes carry the index of the construct and the share of its "
        "variance that the arrows into it explain."
    )
    return [_text(text), _figure(svg)]


def _index_blocks(r: StudyResult, prefix: str) -> list[Block]:
    scores = r.index.scores.assign(label=lambda f: f["construct"].map(r.label))
    svg = charts.index_bars(
        scores.assign(construct=scores["label"])[["construct", "index", "ci_lower", "ci_upper"]],
        highlight=r.label(r.index.target),
        id=f"{prefix}indices-chart",
    )
    table = scores[["label", "index", "se", "ci_lower", "ci_upper", "se_bootstrap", "n"]]
    names = {
        "label": "Construct", "index": "Index", "se": "Std. error", "ci_lower": "Lower", "ci_upper": "Upper",
        "se_bootstrap": "Std. error, weights re-estimated", "n": "n",
    }  # fmt: skip
    caption = (
        f"Index on 0-100 with {r.index.level:.0%} interval at fixed weights. The last standard error lets the weights "
        "vary with the sample."
    )
    blocks = [_figure(svg), _table(table, names, caption, digits=2)]
    if len(r.index.rates):
        rates = {
            "measure": "Measure",
            "value": "Share",
            "se": "Std. error",
            "ci_lower": "Lower",
            "ci_upper": "Upper",
            "n": "n",
        }
        blocks.append(_table(r.index.rates, rates, "Shares on 0-1, with Wilson intervals.", digits=3))
    return blocks


def _impact_blocks(r: StudyResult, prefix: str) -> list[Block]:
    target = r.index.target
    impacts = r.index.impacts.query("target == @target")
    if impacts.empty:
        return []
    label = r.label(target)
    shown = impacts.assign(driver=impacts["driver"].map(r.label))
    bars = charts.impact_bars(shown, label, id=f"{prefix}impact-chart")
    performance = r.index.scores.set_index("construct")["index"]
    chart = pd.DataFrame(
        {
            "construct": impacts["driver"].map(r.label),
            "importance": impacts["impact"],
            "performance": impacts["driver"].map(performance),
        }
    )
    text = (
        f"The impact of a driver is what its total effect adds to {label}, in points per point of the driver's own index, "
        "along every path of the model. It describes association in this survey; it does not prove cause."
    )
    blocks = [_text(text), _figure(bars)]
    if len(chart) > 1:
        ipma = charts.importance_performance(chart, target=label, id=f"{prefix}ipma")
        note = (
            "Important and weak (lower right) is where improvement pays most. The lines are the means of the drivers."
        )
        blocks.append(_figure(ipma, note))
    return blocks


def _unit_blocks(r: StudyResult, prefix: str) -> list[Block]:
    if r.units is None:
        return []
    u, target = r.units, r.index.target
    rows = u.scores[u.scores["construct"] == target]
    names = rows[list(u.keys)].astype(str).agg(", ".join, axis=1)
    overall = _target_row(r)["index"]
    chart = pd.DataFrame({"unit": names, **{c: rows[c] for c in ("index", "ci_lower", "ci_upper")}})
    svg = charts.unit_dots(chart, overall=overall, overall_label="All respondents", id=f"{prefix}unit-chart")
    heads = {"unit": "Unit", "index": "Index", "se": "Std. error", "ci_lower": "Lower", "ci_upper": "Upper", "n": "n"}
    table = chart.assign(se=rows["se"], n=rows["n"]).sort_values("index", ascending=False)
    caption = f"Index of {r.label(target)} by unit, on 0-100."
    blocks = [_figure(svg), _table(table[list(heads)], heads, caption, digits=1, folded="All units")]
    if len(u.skipped):
        skipped = {c: c.capitalize() for c in u.skipped.columns}
        blocks.append(_table(u.skipped, skipped, "Units that could not be estimated."))
    return blocks


def _quality_blocks(r: StudyResult, prefix: str) -> list[Block]:
    fit = r.fit
    reliability = fit.reliability.reset_index()
    reliability["construct"] = reliability["construct"].map(r.label)
    single = fit.layout.design.size == 1
    heads = {"construct": "Construct", "alpha": "Alpha", "rho_a": "Rho A", "rho_c": "Rho C", "ave": "AVE"}
    caption = "Reliability: at least .70 is usual. Average variance extracted (AVE): at least .50. Red is below."
    flags = {k: (reliability[k] < limit).to_numpy() & ~single for k, limit in THRESHOLDS.items()}
    measured = reliability.astype(object).where(
        ~pd.DataFrame({c: single & (c != "construct") for c in heads}), "single item"
    )
    boot = r.bootstrap
    pairs = boot.htmt[_first_of_pair(boot.htmt, fit.layout.constructs)]
    forest = pd.DataFrame(
        {
            "label": [f"{r.label(a)} – {r.label(b)}" for a, b in zip(pairs["row"], pairs["column"], strict=True)],
            **{c: pairs[c].to_numpy() for c in ("est", "ci_lower", "ci_upper")},
        }
    ).sort_values("est", ascending=False)
    items = _item_table(r)
    weak = {
        "loading": (items["loading"].abs() < LOADING_LIMIT).to_numpy(),
        "vif": (items["vif"] > VIF_LIMIT).to_numpy(),
    }
    item_heads = {
        "item": "Item",
        "label": "Question",
        "construct": "Construct",
        "loading": "Loading",
        "weight": "Weight",
        "vif": "VIF",
    }
    return [
        _table(measured, heads, caption, digits=3, flags=flags),
        _table(items[list(item_heads)], item_heads, "Items. Loadings of at least .70 are usual, VIF at most 5.", 3, weak),
        _text(
            "Constructs should differ from one another: the heterotrait-monotrait ratio (HTMT) compares correlations between "
            "constructs with those within, and an interval that reaches .90 (.85 for constructs far apart) says that two "
            "constructs are hard to tell apart."
        ),
        _figure(charts.interval_forest(forest, thresholds=HTMT_LIMITS, axis_label="HTMT", title="Heterotrait-monotrait ratios", id=f"{prefix}htmt")),
    ]  # fmt: skip


def _item_table(r: StudyResult) -> pd.DataFrame:
    fit = r.fit
    frame = fit.loadings.rename(columns={"est": "loading"})
    frame["weight"], frame["vif"] = fit.weights["est"], fit.item_vif["vif"]
    frame["label"] = frame["item"].map(r.item_label)
    return frame.assign(construct=frame["construct"].map(r.label))


def _table_blocks(r: StudyResult) -> list[Block]:
    b = r.bootstrap
    stats = {"est": "Estimate", "se": "Std. error", "t": "t", "pvalue": "p", "ci_lower": "Lower", "ci_upper": "Upper"}
    arrow = {"outcome": "Outcome", "predictor": "Predictor"}
    cell = {"construct": "Construct", "item": "Item"}
    total = b.effects[b.effects["effect"] == "total"]
    fit = r.fit.paths.assign(f2=r.fit.f_squared["f2"], vif=r.fit.vif["vif"])
    endogenous = b.r_squared[b.r_squared["column"] == "r2"].rename(columns={"row": "construct"})
    items = r.frames["items"]
    item_heads = {
        "item": "Item", "label": "Question", "mean": "Mean", "sd": "Std. dev.", "missing": "Missing",
        "lowest": "Lowest", "highest": "Highest",
    }  # fmt: skip
    tables = [
        ("Paths", _label(r, b.paths), {**arrow, **stats}, "Standardised paths with bootstrap intervals."),
        ("Effect sizes and collinearity", _label(r, fit), {**arrow, "est": "Path", "f2": "f²", "vif": "VIF"},
         "f²: .02 small, .15 medium, .35 large (Cohen 1988)."),
        ("Total effects", _label(r, total), {**arrow, **stats}, "Direct and indirect effects together, standardised."),
        ("Explained variance", _label(r, endogenous), {"construct": "Construct", **stats}, "R² with bootstrap intervals."),
        ("Impacts", _label(r, r.index.impacts),
         {"driver": "Driver", "target": "Target", "impact": "Impact", "se": "Std. error", "ci_lower": "Lower", "ci_upper": "Upper"},
         "Total effects between 0-100 indices, points per point."),
        ("Loadings", _label(r, b.loadings), {**cell, **stats}, "Correlations of items with their construct."),
        ("Weights", _label(r, b.weights), {**cell, **stats}, "Outer weights, as they make scores of unit variance."),
        ("Items", items, item_heads, "Answers as used, and the ends of each scale."),
    ]  # fmt: skip
    return [_table(frame[list(heads)], heads, caption, folded=title) for title, frame, heads, caption in tables]


def _method_blocks(r: StudyResult) -> list[Block]:
    fit, p = r.fit, r.provenance
    names = {"path": "path weighting", "factorial": "factorial", "centroid": "centroid"}
    text = (
        f"The model was estimated by partial least squares path modelling (Wold 1982; Lohmöller 1989) with the "
        f"{names[fit.spec.scheme]} scheme. The index of a construct is the mean of its items, weighted by their "
        "unstandardised outer weights and placed on 0 to 100 between the ends of the scale (Fornell et al. 1996). "
        "Intervals of indices hold these weights fixed; all other intervals come from a bootstrap that repeats the whole "
        "estimation on resampled respondents."
    )
    o, b = p["options"], p["bootstrap"]
    excluded = ", ".join(f"{x.rows} {x.reason}" for x in r.excluded.itertuples()) or "none"
    blanks = int(np.isnan(fit.x).sum())
    rows = [
        ("Rows", f"{p['rows']:,} read, {p['rows_used']:,} used; excluded: {excluded}"),
        ("Missing answers", f"{blanks:,}, treated by: {o['missing']}" if blanks else "none"),
        ("Case weights", o["weights"] or ("given" if fit.case_weights is not None else "none")),
        ("Converged", f"yes, after {fit.iterations} iterations" if r.converged else "NO"),
        ("Items", "standardised" if o["standardize"] else "in their own metric"),
        ("Mode B", ", ".join(k for k, v in o["modes"].items() if v == "B") or "none (all Mode A)"),
        ("Bootstrap", f"{b['replicates']:,} replicates, {b['failed']} failed, {b['interval']} intervals at {b['level']:.0%}, seed {b['seed']}"),
        ("Versions", ", ".join(f"{k} {v}" for k, v in p["versions"].items())),
        ("Data, SHA-256", p["data_sha256"]),
        ("Model", "; ".join(r.index.spec.model.syntax.splitlines())),
    ]  # fmt: skip
    return [_text(text), {"kind": "facts", "rows": rows}]


# --- pieces -------------------------------------------------------------------------------------------------


def _text(text: str, note: bool = False) -> Block:
    return {"kind": "text", "text": text, "note": note}


def _figure(svg: str, caption: str = "") -> Block:
    return {"kind": "figure", "svg": _safe(svg), "caption": caption}


def _table(
    frame: pd.DataFrame,
    heads: Mapping[str, str],
    caption: str,
    digits: int = 3,
    flags: Mapping[str, np.ndarray] | None = None,
    folded: str = "",
) -> Block:
    """A table block; `flags` marks cells that miss a threshold."""
    flags = flags or {}
    numeric = {c: pd.api.types.is_numeric_dtype(frame[c]) or c in flags for c in heads}
    rows = [
        [
            {"text": _cell(value, digits, c), "number": numeric[c], "flag": bool(c in flags and flags[c][i])}
            for c, value in zip(heads, line, strict=True)
        ]
        for i, line in enumerate(frame[list(heads)].itertuples(index=False, name=None))
    ]
    head = [{"text": text, "number": numeric[c]} for c, text in heads.items()]
    return {"kind": "table", "head": head, "rows": rows, "caption": caption, "folded": bool(folded), "title": folded}


def _cell(value: Any, digits: int, column: str) -> str:
    """A value as the reader sees it."""
    if value is None or value != value:
        return "–"
    if isinstance(value, float | np.floating):
        if column == "pvalue":
            return "< .001" if value < 0.001 else f"{value:.3f}"
        if column in ("missing", "lowest", "highest"):
            return f"{value:g}"
        return f"{value:.{digits}f}".replace("-", "−")
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _label(r: StudyResult, frame: pd.DataFrame) -> pd.DataFrame:
    """Constructs by the names that the reader knows."""
    known = set(r.fit.layout.constructs)
    columns = [c for c in ("outcome", "predictor", "construct", "driver", "target") if c in frame]
    return frame.assign(**{c: frame[c].map(lambda v: r.label(v) if v in known else v) for c in columns})


def _first_of_pair(frame: pd.DataFrame, constructs: Sequence[str]) -> np.ndarray:
    """Each pair of constructs once, in the order of the model."""
    place = {c: i for i, c in enumerate(constructs)}
    return (frame["row"].map(place) < frame["column"].map(place)).to_numpy()


def _safe(svg: str) -> Any:
    """Mark our own markup, whose texts are escaped already."""
    from markupsafe import Markup

    return Markup(svg)
