"""The parts of a study's report that hang on covariance-based SEM: fit, measurement, residuals, method."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..sem.fit import form_of
from . import charts
from .blocks import Block, Flag, below, figure, paragraph, shown
from .diagram import path_diagram
from .pictures import index_paths
from .publication_sem import TESTS, fit_line, kind_of_test
from .sem_diagram import sem_diagram
from .sem_plots import residual_map
from .study_view import StudyView

RELIABILITY = {"alpha": 0.7, "omega": 0.7, "cr": 0.7, "ave": 0.5}
LOADING_LIMIT, HTMT_LIMITS, RESIDUAL_LIMIT = 0.7, (0.85, 0.9), 0.1
SUGGESTIONS = 10
# what is customary, and on which side (Hu and Bentler 1999; Browne and Cudeck 1993)
USUAL = (("cfi", "CFI", 0.95, "at_least"), ("tli", "TLI", 0.95, "at_least"), ("rmsea", "RMSEA", 0.06, "at_most"), ("srmr", "SRMR", 0.08, "at_most"))  # fmt: skip
TERMS = ("index_sem", "impact_sem", "loading_sem", "reliability_sem", "ave", "htmt", "chisq", "cfi", "rmsea", "mi")


def model_blocks(v: StudyView) -> list[Block]:
    """The diagram, and how well the model fits."""
    r, w = v.result, v.words
    r2 = r.index.quality.set_index("construct")["r2"].dropna()
    svg = path_diagram(
        v.names(),
        index_paths(r.index),
        index=r.index.scores.set_index("construct")["index"],
        r_squared=r2,
        highlight=r.index.target,
        title=w("diagram_of", title=shown(r.study.title)),
        words=w.pictures,
        id=f"{v.prefix}paths",
    )
    return [paragraph(w("model_text_sem")), figure(svg), paragraph(w("fit_of", fit=fit_line(r.fit, language=w)))]


def quality_blocks(v: StudyView) -> list[Block]:
    """Fit, reliability, items, discriminant validity, what is left unexplained."""
    w, r = v.words, v.result
    fit: Any = r.fit
    reliability = r.index.quality.copy()
    heads = v.heads("construct", "alpha", "omega", cr="CR", ave="AVE")
    reliability.loc[reliability["alpha"].isna(), list(RELIABILITY)] = np.nan
    flags = {k: below(reliability[k], limit, w) for k, limit in RELIABILITY.items()}
    caption = w("reliability_caption", alpha=w.number(RELIABILITY["alpha"], 2), ave=w.number(RELIABILITY["ave"], 2))
    residuals = fit.residuals("cor")
    left = int((np.abs(residuals.to_numpy()[np.tril_indices(len(residuals), -1)]) >= RESIDUAL_LIMIT).sum())
    every = len(residuals) * (len(residuals) - 1) // 2
    return [
        _fit_block(v),
        v.table(reliability, heads, w("constructs"), caption, flags=flags),
        _items(v),
        figure(sem_diagram(fit, labels=v.names(), title=w("model_items"), words=w.pictures, id=f"{v.prefix}model")),
        *_validity(v),
        paragraph(w("residuals_text", limit=w.number(RESIDUAL_LIMIT, 2), n=left, of=every)),
        figure(residual_map(fit, title=w("residuals"), words=w.pictures, id=f"{v.prefix}residuals")),
        v.terms(*TERMS),
    ]


def _fit_block(v: StudyView) -> Block:
    w, m = v.words, v.result.fit.fit_measures
    rows, why = [], []
    for key, label, limit, side in USUAL:
        form = form_of(m, key)
        value = float(m.get(f"{key}{form}", np.nan))
        named = w(f"form{form}", measure=label) if form else label
        rows.append({"measure": named, "value": value, "usual": w(side, limit=w.plain(limit))})
        why.append(value < limit if side == "at_least" else value > limit)
    flags = {"value": Flag(np.array(why), "▼", w("fit_missed"))}
    heads = v.heads("measure", "value", "usual")
    return v.table(pd.DataFrame(rows), heads, w("fit"), w("fit_caption"), flags=flags)


def _items(v: StudyView) -> Block:
    w = v.words
    fit: Any = v.result.fit
    f = fit.standardized
    formed = f.loc[f["op"] == "<~", "lhs"]
    f = f[((f["op"] == "=~") & ~f["lhs"].isin(formed)) | (f["op"] == "<~")]
    items = f.rename(columns={"lhs": "construct", "rhs": "item", "std_all": "loading"})[
        ["construct", "item", "loading"]
    ]
    items = items.merge(fit.index_weights, how="left", on=["construct", "item"])
    r2 = fit.r_squared.set_index("name")["r2"]
    items["r2"] = items["item"].map(r2)
    items["label"] = [v.question(i) for i in items["item"]]
    heads = v.heads("item", label="question") | v.heads("construct", "loading", weight="index_share", r2="R²")
    flags = {"loading": below(items["loading"].abs(), LOADING_LIMIT, w), "weight": below(items["weight"], 0.0, w)}
    return v.table(items, heads, w("items"), w("items_caption_sem", loading=w.number(LOADING_LIMIT, 2)), flags=flags)


def _validity(v: StudyView) -> list[Block]:
    htmt = v.result.fit.htmt
    names = list(htmt.index)
    pairs = [(a, b, float(htmt.loc[a, b])) for i, a in enumerate(names) for b in names[i + 1 :]]
    if not pairs:
        return []
    return htmt_blocks(v, pd.DataFrame(pairs, columns=["row", "column", "est"]), "htmt_text_sem")


def htmt_blocks(v: StudyView, pairs: pd.DataFrame, text: str) -> list[Block]:
    """Ratios of pairs of constructs, [row, column, est, ...], largest first, and what is customary."""
    w = v.words
    labels = [f"{v.name(a)} – {v.name(b)}" for a, b in zip(pairs["row"], pairs["column"], strict=True)]
    forest = charts.interval_forest(
        pairs.assign(label=labels).sort_values("est", ascending=False),
        thresholds=HTMT_LIMITS,
        axis_label="HTMT",
        title=w("htmt_title"),
        words=w.pictures,
        id=f"{v.prefix}htmt",
    )
    far, near = (w.number(limit, 2) for limit in HTMT_LIMITS)
    return [paragraph(w(text, near=near, far=far)), figure(forest)]


def table_blocks(v: StudyView) -> list[Block]:
    """Everything behind the figures, folded."""
    w, frames = v.words, v.result.frames
    arrow, cells = v.heads("outcome", "predictor"), v.heads("construct", "item")
    statistics = v.statistics("z") | {"std_all": w("standardised")}
    found = frames["modification_indices"].head(SUGGESTIONS)
    found = found.assign(**{side: found[side].replace(v.names()) for side in ("lhs", "rhs")})
    suggested = v.heads(
        lhs="left", op="sign", rhs="right", mi="index", epc="expected_change", sepc_all="standardised"
    )
    tables = [
        (frames["paths"], {**arrow, **statistics}, "paths", w("paths_note_sem")),
        (frames["loadings"], {**cells, **statistics}, "loadings", w("loadings_note_sem")),
        (v.result.index.impacts, v.heads("driver", "target", "impact", "interval"), "impacts", w("impacts_note")),
        (found, suggested, "modification", w("modification_note", n=len(found))),
        (frames["fit_measures"], v.heads("measure", "value"), "fit_all", w("fit_all_note")),
    ]
    blocks = [v.table(f, heads, w(title), note, folded=True) for f, heads, title, note in tables if len(f)]
    return [*blocks, answers_block(v)]


def answers_block(v: StudyView) -> Block:
    """The answers to each item, folded."""
    w, frame = v.words, v.result.frames["items"]
    frame = frame.assign(label=[v.question(i) for i in frame["item"]])
    heads = v.heads("item", label="question") | v.heads("mean", "sd", "missing", "lowest", "highest")
    return v.table(frame, heads, w("answers"), w("answers_note"), folded=True)


def method_text(v: StudyView) -> str:
    """How it was estimated."""
    w, plan = v.words, v.result.fit.estimate.plan
    method = w(f"sem_by_{plan.kind}") if f"sem_by_{plan.kind}" in w.texts else plan.name
    if plan.se.startswith("robust"):
        method = w("sem_robust", method=method)
    if plan.test in TESTS:
        method = w("sem_tested", method=method, test=kind_of_test(w, plan.test))
    errors = w("sem_errors_delta" if v.result.bootstrap is None else "sem_errors_bootstrap")
    return w("sem_text", method=method, errors=errors)
