"""The report of a driver analysis: one self-contained page whose what-if has sliders that work offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..drivers.scenario import CAUTION, marginal_effects
from ..drivers.table import filled
from ..errors import check_kind
from ..files import write_page
from ..inference import quantile
from .blocks import ENGLISH, Block, above, facts, figure, inline, markup, paragraph, shown, table
from .driver_charts import driver_bars, driver_map, what_if_waterfall
from .metric_charts import profile_chart
from .onepage import render, template

if TYPE_CHECKING:
    from ..drivers.deliverable import DriverReport
    from ..drivers.result import DriverResult

TESTS = {"est": "Estimate", "se": "Std. error", "t": "t", "pvalue": "p", "pvalue_adjusted": "p, adjusted", "ci_lower": "Lower", "ci_upper": "Upper"}  # fmt: skip


def drivers_html(report: DriverReport, *, title: str | None = None, whole: bool = True, prefix: str = "") -> str:
    r"""Render a driver analysis as HTML.

    Parameters
    ----------
    report : DriverReport
        From :meth:`DriverResult.deliverable`.
    title : str, optional
        Default: what drives the outcome.
    whole : bool, default True
        A page of its own, with sliders; False gives one ``<div>`` without script, for a notebook.
    prefix : str, default ""
        Put before every id, so that several reports fit into one page.

    Returns
    -------
    str
        Self-contained: inline style, SVG and script, nothing loaded. The same result gives the same text.

    Examples
    --------
    >>> import cxmodels as cx
    >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ6"]).fit(cx.datasets.load("mobi"))
    >>> page = drivers_html(res.deliverable(100, seed=1, scale=(1, 10)))
    >>> page.count("type=\"range\""), "http" in page.replace("http://www.w3.org/2000/svg", "")
    (2, False)
    """
    from ..drivers.deliverable import DriverReport

    check_kind(report, DriverReport, "drivers_html()", "DriverResult.deliverable")
    res = report.point
    sections = [
        ("what-if", "What if", _what_if(report, whole, prefix)),
        ("map", "Where to act", _map(report, prefix)),
        ("profile", "Against the competitor", _profile(report, prefix)),
        ("importance", "Importance in full", _importance(report)),
        ("tests", "How sure", _tests(report)),
        ("method", "Method", _method(report)),
    ]
    return render(
        ENGLISH,
        whole=whole,
        title=title or f"What drives {res.spec.outcome}",
        subtitle=f"{len(res.spec.players)} attributes, {res.n_obs:,} respondents",
        prefix=prefix,
        headline=driver_bars(
            _named(report.bootstrap.shares),
            report.random_test["significant"].rename(index=shown),
            id=f"{prefix}bars",
        ),
        rows=shown(dict(res.headline())["Rows"], 400),
        lead=[inline(shown(report.paragraph, 4000))],
        warnings=report.warnings,
        sections=sections,
        note=CAUTION,
    )


def write_drivers(report: DriverReport, path: str | Path, *, title: str | None = None) -> Path:
    """Write the page of :func:`drivers_html`; it is there whole or not at all.

    Parameters
    ----------
    report : DriverReport
        From :meth:`DriverResult.deliverable`.
    path : str or Path
        File, such as ``"reports/drivers.html"``; its folder is made if needed.
    title : str, optional

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import cxmodels as cx
    >>> res = cx.Drivers("CUSA1", ["PERQ1", "IMAG1", "PERV2"]).fit(cx.datasets.survey("mobi"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_drivers(res.deliverable(50, seed=1), f"{folder}/drivers.html").name
    'drivers.html'
    """
    return write_page(drivers_html(report, title=title), path)


# --- the sections -------------------------------------------------------------------------------------------------


def _what_if(report: DriverReport, whole: bool, prefix: str) -> list[Block]:
    if report.what_if is None:
        return []
    what, res = report.what_if, report.point
    text = (
        f"If every respondent rated every attribute {report.step:g} higher, stopping at the end of the scale, the "
        f"{inline(what.unit[0].lower() + what.unit[1:])} that goes with it would be {what.predicted:.2f} in place of "
        f"{what.baseline:.2f} ({what.change:+.2f}, {what.level:.0%} interval {what.ci_lower:+.2f} to {what.ci_upper:+.2f})."
    )
    blocks = [paragraph(text), figure(what_if_waterfall(what, id=f"{prefix}waterfall"))]
    if whole:
        data = slider_data(res, report.scale)
        said = (
            ""
            if res.spec.linear
            else " The sliders take effects per point at their mean, which is exact for small moves only."
        )
        widget = template("sliders.html").render(
            prefix=prefix,
            data=markup(json.dumps(data, ensure_ascii=True).replace("<", "\\u003c")),
            attributes=data["attributes"],
            unit=shown(what.unit),
        )
        blocks += [
            paragraph(
                f"Move the sliders to try other scenarios: points by which every respondent's rating moves.{said}"
            ),
            figure(widget),
        ]
    heads = {"attribute": "Attribute", "asked": "Asked", "realised": "Realised", "share_at_end": "Already at the end", "effect": "Change", "se": "Std. error", "ci_lower": "Lower", "ci_upper": "Upper"}  # fmt: skip
    note = f"In points of the outcome, with {what.level:.0%} interval. {CAUTION}"
    return [*blocks, table(_flat(what.effects), heads, "Each change alone", note)]


def slider_data(res: DriverResult, scale: Any) -> dict[str, Any]:
    """What the sliders compute with: answers to each rating in bulk, effects per point and their covariance.

    Parameters
    ----------
    res : DriverResult
    scale : (lo, hi), mapping or None

    Returns
    -------
    dict
        No respondent can be read from it: only how often each answer was given.
    """
    names, effect, cov = marginal_effects(res)
    keep = [i for i, e in enumerate(effect) if np.isfinite(e)]
    names = [names[i] for i in keep]
    lo, hi = res.scale_ends(names, scale)
    answers = []
    for name in names:
        total: dict[float, float] = {}
        for t in res.tables_used:
            x = filled(t)[:, res.column(name)] if res.missing == "multiple" else t.ratings[name].to_numpy(float)
            w = np.ones(len(x)) if t.weights is None else t.weights
            seen = ~np.isnan(x)
            values, place = np.unique(x[seen], return_inverse=True)
            share = np.bincount(place, weights=w[seen]) / w.sum() / len(res.tables_used)
            for value, part in zip(values.tolist(), share.tolist(), strict=True):
                total[value] = total.get(value, 0.0) + part
        answers.append(sorted(total.items()))
    known = cov[np.ix_(keep, keep)]
    return {
        "attributes": [
            {
                "name": shown(n, 80),
                "lo": float(a),
                "hi": float(b),
                "effect": float(effect[i]),
                "answers": h,
                "step": _step(a, b),
            }
            for n, a, b, i, h in zip(names, lo, hi, keep, answers, strict=True)
        ],
        "cov": known.tolist() if np.isfinite(known).all() else None,
        "baseline": res.baseline,
        "z": quantile(0.95, res.fit_coefficients.df),
    }


def _step(lo: float, hi: float) -> float:
    """A slider has about a hundred steps each way on a long scale, tenths on a short one."""
    return 0.1 if hi - lo <= 20 else float(f"{(hi - lo) / 100:.1g}")


def _map(report: DriverReport, prefix: str) -> list[Block]:
    if report.map.empty:
        return []
    res = report.point
    frame = _flat(report.map)
    heads = {"attribute": "Attribute", "importance": "Importance", "share": "Share", "performance": "Mean rating", "quadrant": "Quadrant"}  # fmt: skip
    text = (
        f"Readings depend on where the lines are drawn: {report.map['cut'].iloc[0]}. Importance is derived from how ratings go "
        "with the outcome; what respondents say matters to them is another thing."
    )
    picture = figure(driver_map(report.map, outcome=res.spec.outcome, id=f"{prefix}map-chart"))
    return [paragraph(text), picture, table(frame, heads, "Quadrants")]


def _profile(report: DriverReport, prefix: str) -> list[Block]:
    if report.profile is None:
        return []
    frame = _flat(report.profile)
    heads = {
        "attribute": "Attribute", "ours": "Ours", "theirs": "Theirs", "gap": "Gap", "se": "Std. error", "ci_lower": "Lower",
        "ci_upper": "Upper", "pvalue_adjusted": "p, adjusted", "contribution": "In points of the outcome",
    }  # fmt: skip
    text = "Mean ratings of our respondents and of the competitor's, attribute by attribute, and what goes with each gap."
    return [
        paragraph(text),
        figure(profile_chart(report.profile, id=f"{prefix}profile-chart")),
        table(frame, heads, "Gaps", "The last column is the gap times the coefficient of the attribute."),
    ]


def _importance(report: DriverReport) -> list[Block]:
    res = report.point
    frame = report.bootstrap.importance.sort_values("importance", ascending=False, kind="stable")
    flat = _flat(frame).assign(suppressor=["opposite signs" if s else "" for s in frame["suppressor"]])
    heads = {
        "attribute": "Attribute", "importance": "Importance", "se": "Std. error", "ci_lower": "Lower", "ci_upper": "Upper",
        "share": "Share", "rank": "Rank", "rank_lower": "Rank from", "rank_upper": "to", "correlation": "Correlation",
        "coef": "Coefficient", "suppressor": "Sign", "vif": "VIF",
    }  # fmt: skip
    note = (
        f"Importances are parts of R² = {res.r_squared:.3f} and carry no sign; correlation and coefficient do, and where they "
        "disagree, read neither alone. VIF: how far an attribute repeats the others; ▲ is above 5."
    )
    return [table(flat, heads, "Importance", note, flags={"vif": above(flat["vif"], 5.0)})]


def _tests(report: DriverReport) -> list[Block]:
    level = f"{report.bootstrap.level:.0%}"
    noise = _flat(report.random_test).assign(
        significant=["yes" if s else "no" for s in report.random_test["significant"]]
    )
    heads = {
        "attribute": "Attribute",
        **{k: v for k, v in TESTS.items() if k in noise},
        "significant": "More than noise",
    }
    pairs = report.bootstrap.differences
    pairs = pairs.assign(first=pairs["first"].map(shown), second=pairs["second"].map(shown))
    text = (
        "Importance is never below 0, so each attribute is compared with attributes of pure noise (Tonidandel, LeBreton and "
        "Johnson 2009), and with every other attribute."
    )
    return [
        paragraph(text),
        table(noise, heads, "Against noise", f"Importance less that of a random attribute, {level} interval."),
        table(
            pairs, {"first": "First", "second": "Second", **TESTS}, "Differences of importance",
            f"{level} intervals of single differences; p-values adjusted for all pairs.", folded=len(pairs) > 15,
        ),
    ]  # fmt: skip


def _method(report: DriverReport) -> list[Block]:
    rows = [(shown(k), shown(v, 1000)) for k, v in report.bootstrap.headline()]
    return [facts([*rows, ("Coefficients", report.point.fit_coefficients.kind)])]


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """The index as a column, as a page can show it."""
    return _named(frame).rename_axis("attribute").reset_index()


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(index=shown)
