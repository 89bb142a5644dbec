"""The parts of a study's report that hang on covariance-based SEM: fit, measurement, residuals, method."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..sem.fit import form_of
from . import charts
from .blocks import Block, Flag, below, facts, figure, paragraph, shown, table
from .pictures import index_paths
from .publication_sem import TESTS, fit_line
from .sem_diagram import sem_diagram
from .sem_plots import residual_map

if TYPE_CHECKING:
    from ..study import StudyResult

RELIABILITY = {"alpha": 0.7, "omega": 0.7, "cr": 0.7, "ave": 0.5}
LOADING_LIMIT, HTMT_LIMITS = 0.7, (0.85, 0.9)
SUGGESTIONS = 10
# what is customary, and on which side (Hu and Bentler 1999; Browne and Cudeck 1993)
USUAL = (("cfi", "CFI", 0.95, "at least"), ("tli", "TLI", 0.95, "at least"), ("rmsea", "RMSEA", 0.06, "at most"), ("srmr", "SRMR", 0.08, "at most"))  # fmt: skip
STATISTICS = {
    "est": "Estimate", "se": "Std. error", "z": "z", "pvalue": "p", "ci_lower": "Lower", "ci_upper": "Upper",
    "std_all": "Standardised",
}  # fmt: skip
TERMS = [
    ("Index", "Mean of a construct's items, weighted by its factor score, on 0 (worst answer) to 100 (best)"),
    ("Impact", "Points by which an index moves per point of a driver's index, over all paths of the model, free of measurement error"),
    ("Loading", "Correlation of an item with its construct, if it measures one only"),
    ("Alpha, Omega, CR", "Reliability: share of a sum of items that is not chance (Cronbach 1951; McDonald 1999; Jöreskog 1971)"),
    ("AVE", "Average variance extracted: share of the items' variance that the construct explains (Fornell and Larcker 1981)"),
    ("HTMT", "Heterotrait-monotrait ratio (Henseler, Ringle and Sarstedt 2015): near 1, two constructs measure the same"),
    ("Chi-square", "Test that the model explains all covariances of the items but for chance"),
    ("CFI, TLI", "Share of the way from no model at all to a perfect one"),
    ("RMSEA, SRMR", "How far off the model is: per degree of freedom, and as an average residual correlation"),
    ("Modification index", "By how much the chi-square would drop if one parameter more were estimated"),
]  # fmt: skip


def model_blocks(r: StudyResult, prefix: str, name: Callable[[str], str], diagram: Callable[..., str]) -> list[Block]:
    """The diagram, and how well the model fits."""
    r2 = r.index.quality.set_index("construct")["r2"].dropna()
    svg = diagram(
        {c: name(c) for c in r.constructs},
        index_paths(r.index),
        index=r.index.scores.set_index("construct")["index"],
        r_squared=r2,
        highlight=r.index.target,
        title=f"Path diagram of {shown(r.study.title)}",
        id=f"{prefix}paths",
    )
    text = (
        "Arrows carry standardised path coefficients between constructs, free of measurement error: how many standard "
        "deviations the outcome moves with one of the predictor, the other predictors held equal. Boxes carry the index of "
        "the construct and the share of its variance that the arrows into it explain."
    )
    return [paragraph(text), figure(svg), paragraph(f"Fit of the model: {fit_line(r.fit)}.")]


def quality_blocks(
    r: StudyResult, prefix: str, name: Callable[[str], str], label: Callable[[pd.DataFrame], pd.DataFrame]
) -> list[Block]:
    """Fit, reliability, items, discriminant validity, what is left unexplained."""
    fit: Any = r.fit
    reliability = label(r.index.quality.copy())
    heads = {"construct": "Construct", "alpha": "Alpha", "omega": "Omega", "cr": "CR", "ave": "AVE"}
    caption = "Reliability of at least .70 and AVE of at least .50 are usual; ▼ is below. –: single item."
    reliability.loc[reliability["alpha"].isna(), list(RELIABILITY)] = np.nan
    flags = {k: below(reliability[k], limit) for k, limit in RELIABILITY.items()}
    items, residuals = _items(r, label), fit.residuals("cor")
    left = int((np.abs(residuals.to_numpy()[np.tril_indices(len(residuals), -1)]) >= 0.1).sum())
    text = (
        "A model explains why items correlate. What it leaves unexplained of each correlation is shown below: residuals of .10 and "
        f"more deserve a look; here {left} of {len(residuals) * (len(residuals) - 1) // 2} are that large."
    )
    return [
        _fit_block(fit),
        table(reliability, heads, "Constructs", caption, flags=flags),
        items,
        figure(
            sem_diagram(
                fit, labels={c: name(c) for c in r.constructs}, id=f"{prefix}model", title="The model with its items"
            )
        ),
        *_validity(r, prefix, name),
        paragraph(text),
        figure(residual_map(fit, id=f"{prefix}residuals")),
        facts(TERMS, "What the terms mean", folded=True),
    ]


def _fit_block(fit: Any) -> Block:
    m = fit.fit_measures
    rows, why = [], []
    for key, label, limit, side in USUAL:
        form = form_of(m, key)
        value = float(m.get(f"{key}{form}", np.nan))
        missed = value < limit if side == "at least" else value > limit
        rows.append(
            {"measure": label + (f", {form[1:]}" if form else ""), "value": value, "usual": f"{side} {limit:g}"}
        )
        why.append(missed)
    frame = pd.DataFrame(rows)
    flags = {"value": Flag(np.array(why), "▼", "misses what is usual")}
    heads = {"measure": "Measure", "value": "Value", "usual": "Usual"}
    return table(frame, heads, "Fit", "▼ misses what is usual (Hu and Bentler 1999).", flags=flags)


def _items(r: StudyResult, label: Callable[[pd.DataFrame], pd.DataFrame]) -> Block:
    fit: Any = r.fit
    f = fit.standardized
    formed = f.loc[f["op"] == "<~", "lhs"]
    f = f[((f["op"] == "=~") & ~f["lhs"].isin(formed)) | (f["op"] == "<~")]
    items = f.rename(columns={"lhs": "construct", "rhs": "item", "std_all": "loading"})[
        ["construct", "item", "loading"]
    ]
    items = items.merge(fit.index_weights, how="left", on=["construct", "item"])
    r2 = fit.r_squared.set_index("name")["r2"]
    items["r2"] = items["item"].map(r2)
    items["label"] = [shown(r.item_label(i)) for i in items["item"]]
    heads = {"item": "Item", "label": "Question", "construct": "Construct", "loading": "Loading", "weight": "Share of index", "r2": "R²"}  # fmt: skip
    flags = {"loading": below(items["loading"].abs(), LOADING_LIMIT), "weight": below(items["weight"], 0.0)}
    caption = "Standardised loadings of at least .70 are usual, shares of the index are positive; ▼ is below."
    return table(label(items), heads, "Items", caption, flags=flags)


def _validity(r: StudyResult, prefix: str, name: Callable[[str], str]) -> list[Block]:
    htmt = r.fit.htmt
    names = list(htmt.index)
    pairs = [(a, b, float(htmt.loc[a, b])) for i, a in enumerate(names) for b in names[i + 1 :]]
    if not pairs:
        return []
    frame = pd.DataFrame([{"label": f"{name(a)} – {name(b)}", "est": v} for a, b, v in pairs]).sort_values(
        "est", ascending=False
    )
    text = (
        "Constructs should differ from one another: the heterotrait-monotrait ratio (HTMT) compares correlations between "
        "constructs with those within; .90 and more (.85 for constructs far apart) says that two are hard to tell apart."
    )
    forest = charts.interval_forest(
        frame, thresholds=HTMT_LIMITS, axis_label="HTMT", title="Heterotrait-monotrait ratios", id=f"{prefix}htmt"
    )
    return [paragraph(text), figure(forest)]


def table_blocks(r: StudyResult, label: Callable[[pd.DataFrame], pd.DataFrame]) -> list[Block]:
    """Everything behind the figures, folded."""
    frames = r.frames
    arrow, cell = {"outcome": "Outcome", "predictor": "Predictor"}, {"construct": "Construct", "item": "Item"}
    interval = {"se": "Std. error", "ci_lower": "Lower", "ci_upper": "Upper"}
    answers = {"item": "Item", "label": "Question", "mean": "Mean", "sd": "Std. dev.", "missing": "Missing", "lowest": "Lowest", "highest": "Highest"}  # fmt: skip
    suggestions = frames["modification_indices"].head(SUGGESTIONS)
    tables = [
        ("Paths", frames["paths"], {**arrow, **STATISTICS}, "Unstandardised paths with their intervals, and standardised ones."),
        ("Loadings", frames["loadings"], {**cell, **STATISTICS}, "Unstandardised, the scale of a construct being that of its first item."),
        ("Impacts", r.index.impacts, {"driver": "Driver", "target": "Target", "impact": "Impact", **interval},
         "Total effects between 0–100 indices, points per point."),
        ("Modification indices", suggestions,
         {"lhs": "Left", "op": "Sign", "rhs": "Right", "mi": "Index", "epc": "Expected change", "sepc_all": "Standardised"},
         f"The {len(suggestions)} parameters whose release would gain most: =~ a loading, ~~ a covariance, ~ a path. "
         "Release what theory can defend."),
        ("All measures of fit", frames["fit_measures"], {"measure": "Measure", "value": "Value"}, "By lavaan's names."),
        ("Answers", frames["items"], answers, "Answers as used, and the ends of each scale."),
    ]  # fmt: skip
    return [table(label(f), heads, title, note, folded=True) for title, f, heads, note in tables if len(f)]


def method_text(r: StudyResult) -> str:
    """How it was estimated."""
    plan = r.fit.estimate.plan
    what = {"ML": "maximum likelihood", "GLS": "generalised least squares", "ULS": "unweighted least squares"}.get(
        plan.kind, plan.name
    )
    robust = " with robust standard errors" if plan.se.startswith("robust") else ""
    test = f" and a {TESTS[plan.test]} test" if plan.test in TESTS else ""
    errors = (
        "Standard errors of paths and impacts are from a bootstrap that repeats the whole estimation on resampled respondents."
        if r.bootstrap is not None
        else "Standard errors of paths come from the information matrix, those of impacts from the delta method."
    )
    return (
        f"The model was estimated as a covariance-based structural equation model by {what}{robust}{test} (Jöreskog 1969; "
        "Bollen 1989). The index of a construct is the mean of its items, weighted by the construct's factor score from these "
        "items (Thurstone 1935) and placed on 0 to 100 between the ends of the scale (Fornell et al. 1996). Intervals of "
        f"indices hold these weights fixed. {errors}"
    )
