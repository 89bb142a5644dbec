"""The report of what satisfaction is worth: one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ..errors import check_kind
from ..files import write_page
from ..worth.words import CAUTION, money
from .blocks import ENGLISH, Block, facts, figure, inline, paragraph, shown, table
from .onepage import render
from .worth_charts import worth_chain, worth_curve, worth_linkage, worth_tornado, worth_waterfall

if TYPE_CHECKING:
    from ..worth import SatisfactionWorth

BOUNDS = {"est": "Estimate", "se": "Std. error", "ci_lower": "Lower", "ci_upper": "Upper"}


def worth_html(result: SatisfactionWorth, *, title: str | None = None, whole: bool = True, prefix: str = "") -> str:
    """Render what satisfaction is worth as HTML.

    Parameters
    ----------
    result : SatisfactionWorth
    title : str, optional
    whole : bool, default True
        A page of its own; False gives one ``<div>`` for a notebook.
    prefix : str, default ""
        Put before every id, so that several reports fit into one page.

    Returns
    -------
    str
        Self-contained: inline style and SVG, nothing loaded. The same result gives the same text.

    Examples
    --------
    >>> import cxmodels as cx
    >>> base, survey, truth = cx.worth.simulate_worth(1000, seed=1)
    >>> fit = cx.Drivers("csi", ["speed", "price"]).fit(survey)
    >>> worth = cx.value_of_satisfaction(
    ...     fit, base, {"speed": 1.0}, customer="customer_id", left="left", margin="margin", costs={"speed": 500.0},
    ...     reliability=0.6, scale=(1, 10), n=20, seed=1,
    ... )
    >>> page = worth_html(worth)
    >>> page.count("<svg"), "http" in page.replace("http://www.w3.org/2000/svg", "")
    (5, False)
    """
    from ..worth import SatisfactionWorth

    check_kind(result, SatisfactionWorth, "worth_html()", "cx.value_of_satisfaction()")
    sections = [
        ("return", "Return", _return(result, prefix)),
        ("budget", "Return against budget", _budget(result, prefix)),
        ("hangs", "What the answer hangs on", _hangs(result, prefix)),
        ("linkage", "Satisfaction, leaving and spending", _linkage(result, prefix)),
        ("cause", "Association and cause", _cause(result)),
        ("method", "Method", _method(result)),
    ]
    return render(
        ENGLISH, whole=whole, title=title or f"What {result.target} is worth", prefix=prefix,
        subtitle=f"{result.customers:,} customers, {result.n_obs:,} respondents of known outcome",
        headline=worth_chain(result, id=f"{prefix}chain"), rows=shown(dict(result.headline())["Rows"], 400),
        lead=[inline(shown(result.paragraph, 4000))], warnings=result.warnings, sections=sections, note=CAUTION,
    )  # fmt: skip


def write_worth(result: SatisfactionWorth, path: str | Path, *, title: str | None = None) -> Path:
    """Write the page of :func:`worth_html`; it is there whole or not at all.

    Parameters
    ----------
    result : SatisfactionWorth
    path : str or Path
        File, such as ``"reports/worth.html"``; its folder is made if needed.
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
    return write_page(worth_html(result, title=title), path)


# --- the sections -------------------------------------------------------------------------------------------------


def _return(result: SatisfactionWorth, prefix: str) -> list[Block]:
    level = f"{result.level:.0%} intervals from one bootstrap of customers and respondents over all stages."
    blocks = [figure(worth_waterfall(result, id=f"{prefix}waterfall"))]
    if len(result.effects):
        heads = {
            "attribute": "Attribute", "asked": "Asked", "realised": "Realised", "share_at_end": "Already at the end",
            "points": "Points", "value": "Value", "ci_lower": "Lower", "ci_upper": "Upper", "cost": "Cost", "net": "Return",
            "net_per_cost": "per unit of cost",
        }  # fmt: skip
        note = f"Points of satisfaction, 0-100; realised: what is left of the rise as respondents reach the end of the scale. {level}"
        blocks.append(_right(table(_amounts(result.effects), heads, "Each rise alone", note, digits=2), 1))
    heads = {"stage": "Stage", "quantity": "Quantity", "now": "Now", "then": "Then", "change": "Change", "ci_lower": "Lower", "ci_upper": "Upper"}  # fmt: skip
    stages = result.stages.assign(
        **{c: [_digits(v, u) for v, u in zip(result.stages[c], result.stages["unit"], strict=True)]
           for c in ("now", "then", "change", "ci_lower", "ci_upper")}
    )  # fmt: skip
    point = result.point.rename(index=_POINT)
    point = pd.DataFrame(
        {c: [_digits(v, u) for v, u in zip(point[c], _POINT_UNITS, strict=True)] for c in BOUNDS}, index=point.index
    )
    return [
        *blocks,
        _right(table(stages, heads, "The chain, stage by stage", level), 2),
        _right(table(point.rename_axis("quantity").reset_index(), {"quantity": "Quantity", **BOUNDS}, "One point of satisfaction", level), 1),
    ]  # fmt: skip


def _budget(result: SatisfactionWorth, prefix: str) -> list[Block]:
    if not len(result.curve):
        return []
    heads = {"budget": "Budget", "points": "Points", "value": "Value", "net": "Return", "net_lower": "Lower", "net_upper": "Upper"}  # fmt: skip
    rises = [str(c) for c in result.curve.columns[8:]]
    frame = result.curve.rename(columns=str)
    text = (
        "Every budget is spent on the attribute that raises satisfaction most per unit of money, until respondents reach the end of its "
        "scale, then on the next. The same respondents choose the plan and judge it, so the best of many plans looks a little too good."
    )
    return [
        paragraph(text),
        figure(worth_curve(result, id=f"{prefix}curve-chart")),
        _right(table(_amounts(frame), heads | {c: shown(c, 40) for c in rises}, "Budgets", "Last columns: rises bought, in points.", digits=2, folded=True), 0),
    ]  # fmt: skip


def _hangs(result: SatisfactionWorth, prefix: str) -> list[Block]:
    frame = result.tornado
    heads = {"input": "Input", "low": "From", "high": "to", "at_low": "Result there", "at_high": "and there", "range": "Range"}  # fmt: skip
    text = f"One input after another is moved, all else as estimated: stages to the ends of their {result.level:.0%} intervals, assumptions to those of their ranges."
    return [
        paragraph(text),
        figure(worth_tornado(result, id=f"{prefix}tornado-chart")),
        _right(table(_amounts(frame, ("at_low", "at_high", "range")), heads, "Inputs", folded=True), 1),
    ]


def _linkage(result: SatisfactionWorth, prefix: str) -> list[Block]:
    frame = result.linkage.rename(index=_LINK).rename_axis("quantity").reset_index()
    matched = result.matched.assign(what=result.matched["what"].map(shown))
    text = (
        "A score measures satisfaction with error, which draws effects towards zero. Filled marks are free of it, hollow ones are what the "
        "score itself shows."
    )
    blocks = [
        paragraph(text),
        figure(worth_linkage(result, id=f"{prefix}linkage-chart")),
        table(frame, {"quantity": "Quantity", **BOUNDS}, "What ties the stages", "Per point of satisfaction, 0-100.", digits=4),
        table(matched, {"what": "Who", "rows": "Rows"}, "Respondents and customers"),
    ]  # fmt: skip
    if len(result.excluded):
        blocks.append(table(result.excluded, {"reason": "Reason", "rows": "Rows"}, "Customers left out"))
    return blocks


def _cause(result: SatisfactionWorth) -> list[Block]:
    frame = result.sensitivity.rename(index=_SENSE).rename_axis("measure").reset_index()
    text = (
        f"{CAUTION} The same holds for what moves satisfaction. The table says how strong a hidden common cause would have to be; compare "
        "it with the strongest cause you know and have not controlled for."
    )
    heads = {"measure": "Measure", "value": "Value", "reading": "Reading"}
    note = "E-value: VanderWeele and Ding (2017). Robustness value: Cinelli and Hazlett (2020), linear regression of leaving."
    return [paragraph(text), table(frame, heads, "A hidden common cause", note)]


def _method(result: SatisfactionWorth) -> list[Block]:
    rows = [(shown(k), shown(v, 1000)) for k, v in result.headline()]
    controls = ", ".join(result.names[2]) or "none"
    rows += [
        ("Held equal", shown(controls, 600)),
        ("Retention", "logit of leaving on satisfaction and what is held equal; the error of the score integrated out of the likelihood; respondents weighted by one over the chance to answer"),
        ("Value", f"margins of {result.horizon} periods, the first at once, discounted by {result.chain.terms.discount:g} per period; customers who look alike differ by their satisfaction, which lasts"),
    ]  # fmt: skip
    return [facts(rows)]


_POINT = {
    "value": "Value, whole base", "value_per_customer": "Value per customer", "by_retention": "of this by retention",
    "by_spending": "of this by spending", "chance_to_leave": "Chance to leave per period", "customers_kept": "Customers kept at the end",
}  # fmt: skip
_POINT_UNITS = ("money", "money", "money", "money", "0-1", "customers")
_LINK = {
    "log_odds_to_leave": "Log-odds of leaving", "log_odds_to_leave_uncorrected": "the same, as the score was measured",
    "log_spend": "Logarithm of spending", "log_spend_uncorrected": "the same, as the score was measured ",
    "reliability": "Reliability of the score", "reliability_beyond_controls": "Reliability beyond what is held equal",
    "satisfaction": "Mean satisfaction of the base", "satisfaction_sd": "Its standard deviation",
}  # fmt: skip
_SENSE = {
    "risk_ratio": "Risk ratio", "e_value": "E-value", "e_value_limit": "E-value, limit", "partial_r2": "Partial R²",
    "robustness": "Robustness value", "robustness_limit": "Robustness value, limit", "share_needed": "Share that must be cause",
    "robustness_return": "Robustness value, return",
}  # fmt: skip


def _digits(value: float, unit: str) -> str:
    """A number as its unit asks for."""
    if pd.isna(value):
        return "–"
    if unit in ("money", "customers"):
        return money(value)
    return f"{value:.4f}".replace("-", "−") if unit == "0-1" else f"{value:.2f}".replace("-", "−")


def _amounts(
    frame: pd.DataFrame, columns: tuple[str, ...] = ("value", "ci_lower", "ci_upper", "cost", "net", "net_lower", "net_upper", "budget")
) -> pd.DataFrame:  # fmt: skip
    """The index as a column, texts short, amounts as texts."""
    out = frame.rename(index=shown).reset_index() if frame.index.name else frame.copy()
    for name in columns:
        if name in out:
            out[name] = [money(v) for v in out[name]]
    return out


def _right(block: Block, first: int) -> Block:
    """A table whose columns from some place on are numbers, though they are written as texts."""
    head = [{**c, "number": c["number"] or i >= first} for i, c in enumerate(block["head"])]
    rows = [[{**c, "number": c["number"] or i >= first} for i, c in enumerate(row)] for row in block["rows"]]
    return {**block, "head": head, "rows": rows}
