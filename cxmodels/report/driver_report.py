"""The report of a driver analysis: one self-contained page whose what-if has sliders that work offline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..drivers.scenario import CAUTION, marginal_effects
from ..drivers.table import filled
from ..errors import check_kind
from ..files import write_page
from ..inference import quantile
from .blocks import Block, above, facts, figure, inline, labels, markup, paragraph, shown, table
from .driver_charts import driver_bars, driver_map, what_if_waterfall
from .metric_charts import profile_chart
from .onepage import render, template, used_rows
from .words import Language
from .words import language as words_in

if TYPE_CHECKING:
    from ..drivers.deliverable import DriverReport
    from ..drivers.result import DriverResult

VIF_LIMIT = 5.0
Labels = Mapping[str, str]


def drivers_html(
    report: DriverReport,
    *,
    title: str | None = None,
    whole: bool = True,
    prefix: str = "",
    language: str | Language = "en",
) -> str:
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
    language : str, default "en"
        Of everything that is said: ``"en"``, ``"uk"``, ``"ru"`` or ``"bg"``.

    Returns
    -------
    str
        Self-contained: inline style, SVG and script, nothing loaded. The same result gives the same text.

    Raises
    ------
    SpecError
        For a language that has no catalogue.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.report import drivers_html
    >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ6"]).fit(cx.datasets.load("mobi"))
    >>> page = drivers_html(res.deliverable(100, seed=1, scale=(1, 10)))
    >>> page.count("type=\"range\""), "http" in page.replace("http://www.w3.org/2000/svg", "")
    (2, False)
    """
    from ..drivers.deliverable import DriverReport

    check_kind(report, DriverReport, "drivers_html()", "DriverResult.deliverable")
    res, w = report.point, words_in(language)
    known = labels(res.survey, [res.spec.outcome, *(a for p in res.spec.players for a in p.attributes)], w)
    sections = [
        ("what-if", w("sec_what_if"), _what_if(report, w, known, whole, prefix)),
        ("map", w("sec_map"), _map(report, w, known, prefix)),
        ("profile", w("sec_profile"), _profile(report, w, known, prefix)),
        ("importance", w("sec_importance"), _importance(report, w, known)),
        ("tests", w("sec_tests"), _tests(report, w, known)),
        ("method", w("sec_method"), _method(report, w, known)),
    ]
    attributes, respondents = w("attributes", n=len(res.spec.players)), w("respondents", n=res.n_obs)
    return render(
        w,
        whole=whole,
        title=title or w("drivers_of", outcome=_called(res.spec.outcome, known)),
        subtitle=f"{attributes}, {respondents}",
        prefix=prefix,
        headline=driver_bars(
            _named(report.bootstrap.shares, known),
            _named(report.random_test[["significant"]], known)["significant"],
            words=w.pictures,
            id=f"{prefix}bars",
        ),
        rows=_rows(report, w),
        lead=[inline(shown(w.told(report.paragraph, known), 4000))],
        warnings=report.warnings,
        names=known,
        sections=sections,
        note=w.told(CAUTION),
    )


def write_drivers(
    report: DriverReport, path: str | Path, *, title: str | None = None, language: str | Language = "en"
) -> Path:
    """Write the page of :func:`drivers_html`; it is there whole or not at all.

    Parameters
    ----------
    report : DriverReport
        From :meth:`DriverResult.deliverable`.
    path : str or Path
        File, such as ``"reports/drivers.html"``; its folder is made if needed.
    title : str, optional
    language : str, default "en"
        As :func:`drivers_html` takes it.

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
    >>> from cxmodels.report import write_drivers
    >>> res = cx.Drivers("CUSA1", ["PERQ1", "IMAG1", "PERV2"]).fit(cx.datasets.survey("mobi"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_drivers(res.deliverable(50, seed=1), f"{folder}/drivers.html").name
    'drivers.html'
    """
    return write_page(drivers_html(report, title=title, language=language), path)


# --- the sections -------------------------------------------------------------------------------------------------


def _rows(report: DriverReport, w: Language) -> str:
    """Rows used and excluded, blanks and design, in one line."""
    res = report.point
    if w.code == "en":
        return shown(dict(res.headline())["Rows"], 400)
    said = [used_rows(w, res.n_obs + int(res.excluded["rows"].sum()), res.n_obs, res.excluded)]
    blanks, done = int(res.table.ratings.isna().to_numpy().sum()), f"treated_{res.missing}"
    if blanks and res.missing != "listwise":
        missing = w("blanks", n=blanks)
        said.append(w("blanks_treated", blanks=missing, treatment=w(done)) if done in w.texts else missing)
    design = {"weighted": res.table.weights, "stratified": res.table.strata, "clustered": res.table.clusters}
    return "; ".join([*said, *(w(k) for k, on in design.items() if on is not None)])


def _heads(w: Language, *keys: str, **columns: str) -> dict[str, str]:
    """What columns are called, by their keys in the catalogue."""
    named = {"ci_lower": "lower", "ci_upper": "upper", "est": "estimate", "pvalue_adjusted": "p_adjusted"}
    signs = {"t": "t", "pvalue": "p", "vif": "VIF"}
    return {k: signs.get(k) or w(named.get(k, k)) for k in keys} | {c: w(k) for c, k in columns.items()}


def _what_if(report: DriverReport, w: Language, known: Labels, whole: bool, prefix: str) -> list[Block]:
    if report.what_if is None:
        return []
    res = report.point
    what = replace(
        report.what_if,
        unit=shown(w.told(report.what_if.unit, known)),
        effects=_named(report.what_if.effects, known),
    )
    level = w.share(what.level)
    text = w(
        "what_if_text", step=w.plain(report.step), unit=inline(what.unit[0].lower() + what.unit[1:]),
        then=w.number(what.predicted, 2), now=w.number(what.baseline, 2), change=w.number(what.change, 2, signed=True),
        level=level, span=w.span(what.ci_lower, what.ci_upper, 2, signed=True),
    )  # fmt: skip
    waterfall = what_if_waterfall(what, words=w.pictures, id=f"{prefix}waterfall")
    blocks = [paragraph(text), figure(waterfall)]
    if whole:
        data = slider_data(res, report.scale)
        for attribute in data["attributes"]:
            attribute["name"] = _called(attribute["name"], known)
        said = w("sliders_text") + ("" if res.spec.linear else " " + w("sliders_mean"))
        widget = template("sliders.html").render(
            prefix=prefix,
            data=markup(json.dumps(data, ensure_ascii=True).replace("<", "\\u003c")),
            attributes=data["attributes"],
            unit=what.unit,
            words=w,
        )
        blocks += [paragraph(said), figure(widget)]
    heads = _heads(w, "attribute", "asked", "realised", "share_at_end", effect="change") | _heads(w, "se", "ci_lower", "ci_upper")  # fmt: skip
    note = f"{w('each_alone_note', level=level)} {w.told(CAUTION)}"
    return [*blocks, table(_flat(what.effects, {}), heads, w("each_alone"), note, words=w)]


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
                "name": n,
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


def _map(report: DriverReport, w: Language, known: Labels, prefix: str) -> list[Block]:
    if report.map.empty:
        return []
    told = _named(report.map, known)
    told = told.assign(cut=told["cut"].map(w.told), quadrant=told["quadrant"].map(w.told))
    heads = _heads(w, "attribute", "importance", share="part_share", performance="mean_rating", quadrant="quadrant")
    picture = driver_map(
        told,
        outcome=_called(report.point.spec.outcome, known),
        words=w.pictures,
        id=f"{prefix}map-chart",
    )
    text = w("map_text", cut=told["cut"].iloc[0])
    return [paragraph(text), figure(picture), table(_flat(told, {}), heads, w("quadrants"), words=w)]


def _profile(report: DriverReport, w: Language, known: Labels, prefix: str) -> list[Block]:
    if report.profile is None:
        return []
    heads = _heads(w, "attribute", "ours", "theirs", gap="gap_head") | _heads(
        w, "se", "ci_lower", "ci_upper", "pvalue_adjusted", contribution="outcome_points"
    )
    picture = profile_chart(
        _named(report.profile, known),
        words=w.pictures,
        id=f"{prefix}profile-chart",
    )
    gaps = table(_flat(report.profile, known), heads, w("gaps"), w("gaps_note"), words=w)
    return [paragraph(w("profile_text")), figure(picture), gaps]


def _importance(report: DriverReport, w: Language, known: Labels) -> list[Block]:
    res = report.point
    frame = report.bootstrap.importance.sort_values("importance", ascending=False, kind="stable")
    flat = _flat(frame, known).assign(suppressor=[w("opposite") if s else "" for s in frame["suppressor"]])
    heads = _heads(w, "attribute", "importance", "se", "ci_lower", "ci_upper", share="part_share", rank="rank_only")
    heads |= _heads(w, "rank_lower", "rank_upper", "correlation", coef="coefficient", suppressor="sign") | _heads(w, "vif")  # fmt: skip
    note = w("importance_note", r2=w.number(res.r_squared, 3), vif=w.plain(VIF_LIMIT))
    return [table(flat, heads, w("importance"), note, flags={"vif": above(flat["vif"], VIF_LIMIT, w)}, words=w)]


def _tests(report: DriverReport, w: Language, known: Labels) -> list[Block]:
    level = w.share(report.bootstrap.level)
    noise = _flat(report.random_test, known).assign(
        significant=[w("yes" if s else "no") for s in report.random_test["significant"]]
    )
    tests = _heads(w, "est", "se", "t", "pvalue", "pvalue_adjusted", "ci_lower", "ci_upper")
    own = {k: head for k, head in tests.items() if k in noise}
    heads = _heads(w, "attribute") | own | _heads(w, significant="beyond_noise")
    pairs = report.bootstrap.differences
    pairs = pairs.assign(**{side: [_called(a, known) for a in pairs[side]] for side in ("first", "second")})
    both = _heads(w, "first", "second") | tests
    folded = len(pairs) > 15
    return [
        paragraph(w("tests_text")),
        table(noise, heads, w("against_noise"), w("against_noise_note", level=level), words=w),
        table(pairs, both, w("differences"), w("differences_note", level=level), folded=folded, words=w),
    ]


def _method(report: DriverReport, w: Language, known: Labels) -> list[Block]:
    lines = [(k, v) for k, v in report.bootstrap.headline() if k != "Rows"]
    rows = [(shown(w.told(k, known)), shown(w.told(v, known), 1000)) for k, v in lines]
    rows.insert(2, (w("rows_head"), _rows(report, w)))
    blocks = [facts([*rows, (w("coefficients"), w.told(report.point.fit_coefficients.kind))])]
    if known:
        blocks.append(facts(((shown(column), label) for column, label in known.items()), w("columns"), folded=True))
    return blocks


def _called(name: object, known: Labels) -> str:
    """One column or attribute as the reader knows it."""
    return shown(known.get(str(name), name))


def _named(frame: pd.DataFrame, known: Labels) -> pd.DataFrame:
    """A frame whose attributes are called as the reader knows them."""
    return frame.rename(index=lambda name: _called(name, known))


def _flat(frame: pd.DataFrame, known: Labels) -> pd.DataFrame:
    """The index as a column, as a page can show it."""
    return _named(frame, known).rename_axis("attribute").reset_index()
