"""Reports of a campaign and of a linkage: self-contained pages, each from results that say all that is shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..errors import check_kind
from ..files import write_page
from .blocks import ENGLISH, Block, facts, figure, inline, markup, paragraph, shown, table
from .onepage import render
from .uplift_charts import balance_chart, linkage_chart, qini_chart, segments_chart, uplift_profit_chart

if TYPE_CHECKING:
    from ..churn.balance_check import Balance
    from ..churn.qini_curve import Qini
    from ..churn.uplift_value import Persuadables, UpliftProfit
    from ..linkage import LinkageResult

BOUNDS = {"est": "Estimate", "se": "Std. error", "ci_lower": "Lower", "ci_upper": "Upper"}
MEASURES = {
    "effect": "Mean effect of the treatment",
    "qini": "Qini coefficient (Radcliffe), outcomes",
    "qini_per_customer": "Qini coefficient per customer",
    "qini_normalised": "Qini, share of a perfect ranking's",
    "auuc": "Area under the uplift curve per customer",
    "auuc_normalised": "The same over random, share of a perfect ranking's",
    "effect_10": "Effect among the highest 10 %",
    "effect_20": "Effect among the highest 20 %",
    "effect_30": "Effect among the highest 30 %",
}
APPROACHES = {
    "naive": "As the answers have it",
    "weighted": "Weighted for who answered",
    "corrected": "Corrected for error of measurement",
}
CAUSE = (
    "An effect of satisfaction is an association among customers who are alike in the controls; it is a cause only as far as nothing "
    "else moves both."
)
CAMPAIGN = "Effects are causes as far as chance alone decided who was treated; they hold for customers and offers like these."


def uplift_html(
    found: Qini,
    *,
    profit: UpliftProfit | None = None,
    whom: Persuadables | None = None,
    balance: Balance | None = None,
    title: str = "Whom the offer changes",
    whole: bool = True,
    prefix: str = "",
) -> str:
    """Render what a campaign says of an uplift as HTML.

    Parameters
    ----------
    found : Qini
        From :func:`cxmodels.churn.qini`.
    profit : UpliftProfit, optional
        From :func:`cxmodels.churn.uplift_profit`.
    whom : Persuadables, optional
        From :func:`cxmodels.churn.persuadables`.
    balance : Balance, optional
        From :func:`cxmodels.churn.balance`, or ``model.balance_``.
    title : str
    whole : bool, default True
        A page of its own; False gives one ``<div>`` for a notebook.
    prefix : str, default ""
        Put before every id, so that several reports fit into one page.

    Returns
    -------
    str
        Self-contained: inline style and SVG, nothing loaded.

    Examples
    --------
    >>> import cxmodels as cx
    >>> campaign, truth = cx.datasets.simulate_campaign(1000)
    >>> y, t, u = campaign["retained"], campaign["treatment"], truth["uplift"]
    >>> page = uplift_html(cx.churn.qini(y, t, u, n=20), whom=cx.churn.persuadables(y, t, u, 1 - truth["p_control"], n=20))
    >>> page.count("<svg"), "http" in page.replace("http://www.w3.org/2000/svg", "")
    (2, False)
    """
    from ..churn.qini_curve import Qini

    check_kind(found, Qini, "uplift_html()", "cx.churn.qini")
    m = found.measures
    all_, top = float(m["est"]["effect"]), float(m["est"]["effect_30"])
    lead = (
        f"Treated, {100 * all_:.1f} more of 100 customers stay than without the treatment "
        f"({_between(m, 'effect')}); among the 30 % with the highest uplift it is {100 * top:.1f} ({_between(m, 'effect_30')})."
        if set(found.arms.y.tolist()) <= {0.0, 1.0}
        else f"The treatment adds {all_:.2f} per customer, and {top:.2f} among the 30 % with the highest uplift."
    )
    heads = {"measure": "Measure", **BOUNDS}
    measures = m.rename(index=MEASURES).reset_index()
    rule = dict(found.headline())["Rule"]
    sections = [
        (
            "rank",
            "How well it ranks",
            [table(measures, heads, "Measures", f"{rule}. {found.level:.0%} bootstrap intervals over customers.")],
        ),
        ("profit", "What it earns", _profit(profit, prefix)),
        ("whom", "Who changes and who merely leaves", _whom(whom, prefix)),
        ("balance", "Did chance decide?", _balance(balance, prefix)),
    ]
    warnings = [*found.warnings, *([] if balance is None or balance.random else [balance.verdict])]
    subtitle = f"{found.n_obs:,} customers, {int(found.arms.t.sum()):,} of them treated"
    head = markup(qini_chart(found.curve, width=760, id=f"{prefix}qini"))
    return _page(
        title,
        subtitle,
        head,
        f"Qini {dict(found.headline())['Qini']}",
        lead,
        warnings,
        sections,
        CAMPAIGN,
        whole,
        prefix,
    )


def linkage_html(result: LinkageResult, *, title: str | None = None, whole: bool = True, prefix: str = "") -> str:
    """Render what satisfaction does to an outcome as HTML.

    Parameters
    ----------
    result : LinkageResult
        From :meth:`cxmodels.linkage.Linkage.fit`.
    title : str, optional
    whole : bool, default True
        A page of its own; False gives one ``<div>`` for a notebook.
    prefix : str, default ""
        Put before every id, so that several reports fit into one page.

    Returns
    -------
    str
        Self-contained: inline style and SVG, nothing loaded.

    Examples
    --------
    >>> import cxmodels as cx
    >>> tables, _ = cx.datasets.simulate_subscribers(customers=800, months=12, seed=4)
    >>> labels = cx.churn.subscription_labels(tables["subscriptions"], "2023-09-30", 92)
    >>> joined = cx.linkage.join(labels, tables["surveys"], later="leave_out")
    >>> spec = cx.linkage.Linkage("churned", ["satisfaction", "expectations", "ideal"], scale=(1, 10))
    >>> found = spec.fit(joined, bootstrap=5, seed=1)
    >>> page = cx.report.linkage_html(found)
    >>> page[:15], page.count("<svg") > 0
    ('<!doctype html>', True)
    """
    from ..linkage import LinkageResult

    check_kind(result, LinkageResult, "linkage_html()", "Linkage.fit")
    outcome, name = result.spec.outcome, inline(shown(result.measurement.name))
    head = dict(result.headline())
    effects = result.effects.rename(index=APPROACHES).reset_index()
    marginal = result.marginal.rename(index=APPROACHES).reset_index()
    kind = {"gaussian": "in the outcome's unit", "loglinear": "in logarithms"}.get(
        result.spec.family, "log-odds" if result.spec.family == "logit" else "in logarithms (hazard or mean)"
    )
    heads = {"approach": "Approach", **BOUNDS, "pvalue": "p", "ratio": "Ratio per point"}
    gains = result.gains.reset_index()
    sections: list[tuple[str, str, list[Block]]] = [
        (
            "effect",
            "Effect of one point",
            [
                table(effects, heads, f"Effect of one point on {shown(outcome)}", f"{kind}; {head['Intervals']}", digits=4),
                table(marginal, {"approach": "Approach", **BOUNDS}, "Change of the mean outcome per point", digits=5),
            ],
        ),
        (
            "gain",
            "If satisfaction rose",
            [
                table(
                    gains,
                    {"points": "Points", "now": "Now", "then": "Then", "change": "Change", "se": "Std. error", "ci_lower": "Lower", "ci_upper": "Upper"},
                    "Mean outcome of the base if the true index of everybody rose",
                    "Interval of the change.",
                )
            ],
        ),
        ("who", "Who answered", _answered(result, prefix)),
        (
            "method",
            "Method",
            [
                facts([(k, shown(v, 400)) for k, v in result.headline()]),
                table(result.estimates.reset_index(), {"term": "Term", **BOUNDS, "pvalue": "p"}, "All terms", digits=4, folded=True),
                table(result.joined.counts.reset_index(), {"what": "Rows", "rows": "Number"}, "Rows joined"),
            ],
        ),
    ]  # fmt: skip
    effect, mean = result.effects["est"], float(result.marginal["est"]["corrected"])
    lead = (
        f"One point of {name} goes with {mean:+.4f} in the mean of {shown(outcome)} "
        f"({_between(result.marginal, 'corrected', 1, 4)}). Taken as the answers have it, the effect would seem "
        f"{abs(effect['naive'] / effect['corrected']):.0%} of that size."
    )
    chart = markup(linkage_chart(result.effects, outcome=outcome, id=f"{prefix}linkage"))
    subtitle = f"{result.n_obs:,} respondents of a base of {result.n_base:,}"
    found = title or f"What satisfaction does to {outcome}"
    return _page(
        found,
        subtitle,
        chart,
        head["Error of measurement"],
        lead,
        list(result.warnings),
        sections,
        CAUSE,
        whole,
        prefix,
    )


def write_uplift(found: Qini, path: str | Path, **options: Any) -> Path:
    """Write the page of :func:`uplift_html`; it is there whole or not at all.

    Parameters
    ----------
    found : Qini
        From :func:`cxmodels.churn.qini`.
    path : str or Path
        File, such as ``"reports/uplift.html"``; its folder is made if needed.
    **options
        profit, whom, balance, title.

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
    >>> campaign, truth = cx.datasets.simulate_campaign(500)
    >>> found = cx.churn.qini(campaign["retained"], campaign["treatment"], truth["uplift"], n=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cx.report.write_uplift(found, pathlib.Path(folder, "uplift.html")).name
    'uplift.html'
    """
    return write_page(uplift_html(found, **options), path)


def write_linkage(result: LinkageResult, path: str | Path, *, title: str | None = None) -> Path:
    """Write the page of :func:`linkage_html`; it is there whole or not at all.

    Parameters
    ----------
    result : LinkageResult
    path : str or Path
        File, such as ``"reports/linkage.html"``; its folder is made if needed.
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
    >>> tables, _ = cx.datasets.simulate_subscribers(customers=800, months=12, seed=4)
    >>> labels = cx.churn.subscription_labels(tables["subscriptions"], "2023-09-30", 92)
    >>> joined = cx.linkage.join(labels, tables["surveys"], later="leave_out")
    >>> spec = cx.linkage.Linkage("churned", ["satisfaction", "expectations", "ideal"], scale=(1, 10))
    >>> found = spec.fit(joined, bootstrap=5, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cx.report.write_linkage(found, pathlib.Path(folder, "linkage.html")).name
    'linkage.html'
    """
    return write_page(linkage_html(result, title=title), path)


# --- the sections -------------------------------------------------------------------------------------------------


def _profit(profit: UpliftProfit | None, prefix: str) -> list[Block]:
    """Profit by share, with the best."""
    if profit is None:
        return []
    words = {"share": "Best share to treat", "profit": "Profit there", "treat_all": "Profit of treating everybody", "over_all": "Gain over everybody"}  # fmt: skip
    heads = {"what": "", "est": "Estimate", "ci_lower": "Lower", "ci_upper": "Upper"}
    note = f"{profit.money}. The best share is the best of many tried; a new campaign earns somewhat less there."
    return [
        figure(uplift_profit_chart(profit.curve, width=760, id=f"{prefix}profit")),
        table(profit.best.rename(index=words).reset_index(), heads, "Per customer of the base, over treating nobody", note, digits=2),
    ]  # fmt: skip


def _whom(whom: Persuadables | None, prefix: str) -> list[Block]:
    """Uplift against risk, and the segments."""
    if whom is None:
        return []
    words = {"uplift": "By uplift", "risk": "By churn risk", "random": "At random", "difference": "Uplift over risk"}
    kept = 100 * whom.rankings["gain"]
    text = (
        f"With {whom.top:.0%} of the base treated, choosing by uplift keeps {kept['uplift']:.2f} of 100 customers, choosing by churn "
        f"risk {kept['risk']:.2f}; the two reach {whom.overlap:.0%} of the same customers."
    )
    ranked = (100 * whom.rankings).rename(index=words).reset_index()
    heads = {
        "ranking": "Chosen",
        "gain": "Kept per 100",
        "se": "Std. error",
        "ci_lower": "Lower",
        "ci_upper": "Upper",
    }
    kinds = {"segment": "Customers who are", "customers": "Number", "risk": "Risk", "foreseen": "Foreseen", "effect": "Effect", "ci_lower": "Lower", "ci_upper": "Upper"}  # fmt: skip
    return [
        paragraph(text),
        table(ranked, heads, f"Customers kept per 100 of the base, {whom.top:.0%} treated", digits=2),
        figure(segments_chart(whom.segments, id=f"{prefix}segments")),
        table(
            whom.segments.reset_index(),
            kinds,
            "Segments",
            "Effect: what the campaign shows there, whatever the model foresaw.",
        ),
    ]


def _balance(balance: Balance | None, prefix: str) -> list[Block]:
    """Love plot and tests."""
    if balance is None:
        return []
    tests = balance.tests.reset_index()
    heads = {"test": "Test", "statistic": "Statistic", "df": "df", "pvalue": "p"}
    note = "Regression: likelihood-ratio test of all columns; classifier: area under the ROC curve of held-out trees."
    columns = {"column": "Column", "treated": "Treated", "control": "Control", "difference": "Difference, sd", "variance_ratio": "Variance ratio"}  # fmt: skip
    return [
        paragraph(shown(balance.verdict, 600)),
        figure(balance_chart(balance.table, id=f"{prefix}balance")),
        table(tests, heads, "Tests of all columns together", note),
        table(balance.table, columns, "Columns", folded=True),
    ]


def _answered(result: LinkageResult, prefix: str) -> list[Block]:
    """Respondents against the base."""
    if not len(result.balance):
        return [paragraph("Respondents are not weighted: no columns of the base were named for who answers.")]
    heads = {"column": "Column", "base": "Base", "respondents": "Respondents", "weighted": "Weighted", "difference": "Difference, sd", "difference_weighted": "Weighted, sd"}  # fmt: skip
    chart = balance_chart(
        result.balance,
        title="Are the respondents like the base?",
        groups=("respondents", "the base"),
        id=f"{prefix}who",
    )
    return [figure(chart), table(result.balance, heads, "Respondents and base", folded=True)]


def _between(frame: pd.DataFrame, row: str, times: float = 100, digits: int = 1) -> str:
    """An interval in words."""
    low, high = (times * float(frame[end][row]) for end in ("ci_lower", "ci_upper"))
    return f"{low:.{digits}f} to {high:.{digits}f}"


def _page(
    title: str,
    subtitle: str,
    head: Any,
    rows: str,
    lead: str,
    warnings: list[str],
    sections: list[tuple[str, str, list[Block]]],
    disclaimer: str,
    whole: bool,
    prefix: str,
) -> str:
    """The whole page."""
    return render(
        ENGLISH, whole=whole, title=title, prefix=prefix, subtitle=subtitle, headline=head, rows=shown(rows, 400),
        lead=[shown(lead, 2000)], warnings=warnings, sections=sections, note=disclaimer,
    )  # fmt: skip
