"""The report of what satisfaction is worth: one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ..errors import check_kind
from ..files import write_page
from ..worth.words import CAUTION
from .blocks import Block, bounds, facts, figure, inline, labels, paragraph, shown, table
from .onepage import render
from .svg import amount
from .words import Language
from .words import language as words_in
from .worth_charts import worth_chain, worth_curve, worth_linkage, worth_tornado, worth_waterfall

if TYPE_CHECKING:
    from ..worth import SatisfactionWorth

Labels = Mapping[str, str]


def worth_html(
    result: SatisfactionWorth,
    *,
    title: str | None = None,
    whole: bool = True,
    prefix: str = "",
    language: str | Language = "en",
) -> str:
    """Render what satisfaction is worth as HTML.

    Parameters
    ----------
    result : SatisfactionWorth
    title : str, optional
    whole : bool, default True
        A page of its own; False gives one ``<div>`` for a notebook.
    prefix : str, default ""
        Put before every id, so that several reports fit into one page.
    language : str, default "en"
        Of everything that is said: ``"en"``, ``"uk"``, ``"ru"`` or ``"bg"``.

    Returns
    -------
    str
        Self-contained: inline style and SVG, nothing loaded. The same result gives the same text.

    Raises
    ------
    SpecError
        For a language that has no catalogue.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.report import worth_html
    >>> base, survey, truth = cx.worth.simulate_worth(1000, seed=1)
    >>> fit = cx.Drivers("csi", ["speed", "price"]).fit(survey)
    >>> worth = cx.value_of_satisfaction(
    ...     fit, base, {"speed": 1.0}, customer="customer_id", left="left", margin="margin", costs={"speed": 500.0},
    ...     reliability=0.6, scale=(1, 10), n=20, seed=1,
    ... )
    >>> page = worth_html(worth)
    >>> page.count("<svg"), "http" in page.replace("http://www.w3.org/2000/svg", "")
    (5, False)
    >>> "Віддача" in worth_html(worth, language="uk")
    True
    """
    from ..worth import SatisfactionWorth

    check_kind(result, SatisfactionWorth, "worth_html()", "cx.value_of_satisfaction()")
    w = words_in(language)
    source = result.chain.source
    known = labels(source.survey, [result.target, *source.names], w)
    sections = [
        ("return", w("worth_return"), _return(result, w, known, prefix)),
        ("budget", w("sec_budget"), _budget(result, w, known, prefix)),
        ("hangs", w("sec_hangs"), _hangs(result, w, prefix)),
        ("linkage", w("sec_worth_linkage"), _linkage(result, w, prefix)),
        ("cause", w("sec_cause"), _cause(result, w)),
        ("method", w("sec_method"), _method(result, w, known)),
    ]
    customers, respondents = w("customers_of", n=result.customers), w("of_known_outcome", n=result.n_obs)
    return render(
        w, whole=whole, title=title or w("worth_of", target=known.get(result.target, result.target)), prefix=prefix,
        subtitle=f"{customers}, {respondents}",
        headline=worth_chain(result, labels=known, words=w.pictures, id=f"{prefix}chain"),
        rows=shown(w.told(dict(result.headline())["Rows"]), 400), lead=[inline(shown(w.told(result.paragraph, known), 4000))],
        warnings=result.warnings, names=known, sections=sections, note=w.told(CAUTION),
    )  # fmt: skip


def write_worth(
    result: SatisfactionWorth, path: str | Path, *, title: str | None = None, language: str | Language = "en"
) -> Path:
    """Write the page of :func:`worth_html`; it is there whole or not at all.

    Parameters
    ----------
    result : SatisfactionWorth
    path : str or Path
        File, such as ``"reports/worth.html"``; its folder is made if needed.
    title : str, optional
    language : str, default "en"
        As :func:`worth_html` takes it.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import cxmodels as cx
    >>> base, survey, truth = cx.worth.simulate_worth(800, seed=1)
    >>> fit = cx.Drivers("csi", ["speed", "price"]).fit(survey)
    >>> worth = cx.value_of_satisfaction(
    ...     fit, base, {"speed": 1.0}, customer="customer_id", left="left", margin="margin", costs={"speed": 500.0},
    ...     reliability=0.6, scale=(1, 10), n=10, seed=1,
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cx.report.write_worth(worth, pathlib.Path(folder, "worth.html")).name
    'worth.html'
    """
    return write_page(worth_html(result, title=title, language=language), path)


# --- the sections -------------------------------------------------------------------------------------------------


def _return(result: SatisfactionWorth, w: Language, known: Labels, prefix: str) -> list[Block]:
    ends = {"ci_lower": w("lower"), "ci_upper": w("upper")}
    level = w("worth_level", level=w.share(result.level))
    blocks = [figure(worth_waterfall(result, labels=known, words=w.pictures, id=f"{prefix}waterfall"))]
    if len(result.effects):
        heads = {
            "attribute": w("attribute"), "asked": w("asked"), "realised": w("realised"), "share_at_end": w("share_at_end"),
            "points": w("worth_points"), "value": w("worth_value"), **ends, "cost": w("worth_cost"), "net": w("worth_return"),
            "net_per_cost": w("per_cost"),
        }  # fmt: skip
        note = f"{w('rises_note')} {level}"
        blocks.append(
            _right(
                table(
                    _amounts(result.effects.rename(index=known), w), heads, w("each_rise"), note, digits=2, words=w
                ),
                1,
            )
        )
    stages = result.stages.assign(
        stage=[w.known(f"stage_{s}", s) for s in result.stages["stage"]],
        quantity=[known.get(q) or w.told(q) for q in result.stages["quantity"]],
        **{c: [_digits(v, u, w) for v, u in zip(result.stages[c], result.stages["unit"], strict=True)]
           for c in ("now", "then", "change", "ci_lower", "ci_upper")},
    )  # fmt: skip
    heads = {"stage": w("stage"), "quantity": w("quantity"), "now": w.pictures["now"], "then": w.pictures["then"]}
    heads |= {"change": w("change"), **ends}
    point = pd.DataFrame(
        {c: [_digits(v, u, w) for v, u in zip(result.point[c], _POINT_UNITS, strict=True)] for c in bounds(w)},
        index=pd.Index([w(f"point_{k}") for k in result.point.index], name="quantity"),
    ).reset_index()
    return [
        *blocks,
        _right(table(stages, heads, w("chain_stages"), level, words=w), 2),
        _right(table(point, {"quantity": w("quantity"), **bounds(w)}, w("one_point"), level, words=w), 1),
    ]


def _budget(result: SatisfactionWorth, w: Language, known: Labels, prefix: str) -> list[Block]:
    if not len(result.curve):
        return []
    heads = {
        "budget": w("budget"), "points": w("worth_points"), "value": w("worth_value"), "net": w("worth_return"),
        "net_lower": w("lower"), "net_upper": w("upper"),
    }  # fmt: skip
    frame = result.curve.rename(columns=str)
    heads |= {c: shown(known.get(c, c), 40) for c in frame.columns[8:]}
    budgets = table(_amounts(frame, w), heads, w("budgets"), w("budgets_note"), digits=2, folded=True, words=w)
    return [
        paragraph(w("budget_text")),
        figure(worth_curve(result, words=w.pictures, id=f"{prefix}curve-chart")),
        _right(budgets, 0),
    ]


def _hangs(result: SatisfactionWorth, w: Language, prefix: str) -> list[Block]:
    frame = _amounts(result.tornado, w, ("at_low", "at_high", "range"))
    heads = {
        "input": w("input"), "low": w("range_from"), "high": w("range_to"), "at_low": w("at_from"), "at_high": w("at_to"),
        "range": w("range"),
    }  # fmt: skip
    inputs = table(frame.assign(input=frame["input"].map(w.told)), heads, w("inputs"), folded=True, words=w)
    return [
        paragraph(w("hangs_text", level=w.share(result.level))),
        figure(worth_tornado(result, words=w.pictures, id=f"{prefix}tornado-chart")),
        _right(inputs, 1),
    ]


def _linkage(result: SatisfactionWorth, w: Language, prefix: str) -> list[Block]:
    frame = result.linkage.rename(index=lambda k: w(f"link_{k}")).rename_axis("quantity").reset_index()
    matched = result.matched.assign(what=[shown(w.told(k)) for k in result.matched["what"]])
    rows = {"rows": w("rows_head")}
    blocks = [
        paragraph(w("linkage_text")),
        figure(worth_linkage(result, words=w.pictures, id=f"{prefix}linkage-chart")),
        table(frame, {"quantity": w("quantity"), **bounds(w)}, w("ties"), w("ties_note"), digits=4, words=w),
        table(matched, {"what": w("who"), **rows}, w("matched"), words=w),
    ]
    if len(result.excluded):
        left = result.excluded.assign(reason=result.excluded["reason"].map(w.told))
        blocks.append(table(left, {"reason": w("reason"), **rows}, w("customers_out"), words=w))
    return blocks


def _cause(result: SatisfactionWorth, w: Language) -> list[Block]:
    frame = result.sensitivity.rename(index=lambda k: w(f"sense_{k}")).rename_axis("measure").reset_index()
    heads = {k: w(k) for k in ("measure", "value", "reading")}
    said = table(frame.assign(reading=frame["reading"].map(w.told)), heads, w("hidden"), w("hidden_note"), words=w)
    return [paragraph(f"{w.told(CAUTION)} {w('cause_text')}"), said]


def _method(result: SatisfactionWorth, w: Language, known: Labels) -> list[Block]:
    rows = [(shown(w.told(k)), shown(w.told(v, known), 1000)) for k, v in result.headline()]
    discount = w.plain(result.chain.terms.discount)
    rows += [
        (w("held_equal"), shown(", ".join(result.names[2]) or w("none"), 600)),
        (w("stage_retention").capitalize(), w("retention_text")),
        (w("worth_value"), w("value_text", n=result.horizon, discount=discount)),
    ]
    return [facts(rows)]


_POINT_UNITS = ("money", "money", "money", "money", "0-1", "customers")


def _digits(value: float, unit: str, w: Language) -> str:
    """A number as its unit asks for."""
    if pd.isna(value) or unit not in ("money", "customers"):
        return w.number(value, 4 if unit == "0-1" else 2)
    return amount(value, w.pictures)


def _amounts(
    frame: pd.DataFrame, w: Language,
    columns: tuple[str, ...] = ("value", "ci_lower", "ci_upper", "cost", "net", "net_lower", "net_upper", "budget"),
) -> pd.DataFrame:  # fmt: skip
    """The index as a column, texts short, amounts as texts."""
    out = frame.rename(index=shown).reset_index() if frame.index.name else frame.copy()
    for name in columns:
        if name in out:
            out[name] = [amount(v, w.pictures) for v in out[name]]
    return out


def _right(block: Block, first: int) -> Block:
    """A table whose columns from some place on are numbers, though they are written as texts."""
    head = [{**c, "number": c["number"] or i >= first} for i, c in enumerate(block["head"])]
    rows = [[{**c, "number": c["number"] or i >= first} for i, c in enumerate(row)] for row in block["rows"]]
    return {**block, "head": head, "rows": rows}
