"""Reports of a campaign and of a linkage: self-contained pages, each from results that say all that is shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..errors import check_kind
from ..files import write_page
from .blocks import Block, bounds, facts, figure, inline, markup, paragraph, shown, table
from .onepage import render
from .uplift_charts import balance_chart, linkage_chart, qini_chart, segments_chart, uplift_profit_chart
from .words import Language
from .words import language as words_in

if TYPE_CHECKING:
    from ..churn.balance_check import Balance
    from ..churn.qini_curve import Qini
    from ..churn.uplift_value import Persuadables, UpliftProfit
    from ..linkage import LinkageResult


def uplift_html(
    found: Qini,
    *,
    profit: UpliftProfit | None = None,
    whom: Persuadables | None = None,
    balance: Balance | None = None,
    title: str | None = None,
    whole: bool = True,
    prefix: str = "",
    language: str | Language = "en",
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
        Self-contained: inline style and SVG, nothing loaded.

    Raises
    ------
    SpecError
        For a language that has no catalogue.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.report import uplift_html
    >>> campaign, truth = cx.datasets.simulate_campaign(1000)
    >>> y, t, u = campaign["retained"], campaign["treatment"], truth["uplift"]
    >>> page = uplift_html(cx.churn.qini(y, t, u, n=20), whom=cx.churn.persuadables(y, t, u, 1 - truth["p_control"], n=20))
    >>> page.count("<svg"), "http" in page.replace("http://www.w3.org/2000/svg", "")
    (2, False)
    """
    from ..churn.qini_curve import Qini

    check_kind(found, Qini, "uplift_html()", "cx.churn.qini")
    w = words_in(language)
    sections = [
        ("rank", w("sec_rank"), [_measures(found, w)]),
        ("profit", w("sec_profit"), _profit(profit, w, prefix)),
        ("whom", w("sec_changed"), _whom(whom, w, prefix)),
        ("balance", w("sec_balance"), _balance(balance, w, prefix)),
    ]
    each = {k: float(found.measures[k]["qini_per_customer"]) for k in ("est", "ci_lower", "ci_upper")}
    qini = w(
        "qini_rows", value=w.number(each["est"], 5), level=w.share(found.level),
        span=w.span(each["ci_lower"], each["ci_upper"], 5),
    )  # fmt: skip
    treated = w("treated_of_them", n=int(found.arms.t.sum()))
    head = markup(qini_chart(found.curve, width=760, words=w.pictures, id=f"{prefix}qini"))
    return render(
        w, whole=whole, title=title or w("uplift_title"), prefix=prefix,
        subtitle=f"{w('customers_of', n=found.n_obs)}, {treated}", headline=head, rows=qini, lead=[_effect(found, w)],
        warnings=[*found.warnings, *([] if balance is None or balance.random else [balance.verdict])], sections=sections,
        note=w("uplift_note"),
    )  # fmt: skip


def _effect(found: Qini, w: Language) -> str:
    """What the treatment does, and what it does where it does most."""
    m = found.measures
    kept = set(found.arms.y.tolist()) <= {0.0, 1.0}
    times, digits = (100, 1) if kept else (1, 2)
    all_, top = (w.number(times * m["est"][k], digits) for k in ("effect", "effect_30"))
    spans = {k: _between(m, row, w, times, digits) for k, row in (("span", "effect"), ("top_span", "effect_30"))}
    return w("uplift_kept" if kept else "uplift_adds", value=all_, top=top, share=w.share(0.3), **spans)


def _measures(found: Qini, w: Language) -> Block:
    """All measures of the ranking."""
    frame = found.measures.rename(index=lambda k: w(f"uplift_{k}")).reset_index()
    rule = w.told(dict(found.headline())["Rule"])
    note = w("measures_rule", rule=rule, level=w.share(found.level))
    return table(frame, {"measure": w("measure"), **bounds(w)}, w("measures"), note, words=w)


def linkage_html(
    result: LinkageResult,
    *,
    title: str | None = None,
    whole: bool = True,
    prefix: str = "",
    language: str | Language = "en",
) -> str:
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
    language : str, default "en"
        Of everything that is said: ``"en"``, ``"uk"``, ``"ru"`` or ``"bg"``.

    Returns
    -------
    str
        Self-contained: inline style and SVG, nothing loaded.

    Raises
    ------
    SpecError
        For a language that has no catalogue.

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
    w = words_in(language)
    outcome = result.spec.outcome
    sections = [
        ("effect", w("sec_effect"), _effects(result, w)),
        ("gain", w("sec_gain"), _gains(result, w)),
        ("who", w("sec_who"), _answered(result, w, prefix)),
        ("method", w("sec_method"), _method(result, w)),
    ]
    effect, mean = result.effects["est"], float(result.marginal["est"]["corrected"])
    lead = w(
        "linkage_lead", name=inline(shown(result.measurement.name)), change=w.number(mean, 4, signed=True),
        outcome=shown(outcome), span=_between(result.marginal, "corrected", w, 1, 4),
        share=w.share(abs(effect["naive"] / effect["corrected"])),
    )  # fmt: skip
    chart = linkage_chart(result.effects, outcome=outcome, words=w.pictures, id=f"{prefix}linkage")
    return render(
        w, whole=whole, title=title or w("linkage_of", outcome=outcome), prefix=prefix,
        subtitle=w("respondents_of", n=result.n_obs, base=result.n_base), headline=markup(chart),
        rows=shown(w.told(dict(result.headline())["Error of measurement"]), 400), lead=[shown(lead, 2000)],
        warnings=result.warnings, sections=sections, note=w("linkage_note"),
    )  # fmt: skip


def write_uplift(found: Qini, path: str | Path, **options: Any) -> Path:
    """Write the page of :func:`uplift_html`; it is there whole or not at all.

    Parameters
    ----------
    found : Qini
        From :func:`cxmodels.churn.qini`.
    path : str or Path
        File, such as ``"reports/uplift.html"``; its folder is made if needed.
    **options
        profit, whom, balance, title, language.

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


def write_linkage(
    result: LinkageResult, path: str | Path, *, title: str | None = None, language: str | Language = "en"
) -> Path:
    """Write the page of :func:`linkage_html`; it is there whole or not at all.

    Parameters
    ----------
    result : LinkageResult
    path : str or Path
        File, such as ``"reports/linkage.html"``; its folder is made if needed.
    title : str, optional
    language : str, default "en"
        As :func:`linkage_html` takes it.

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
    return write_page(linkage_html(result, title=title, language=language), path)


# --- the sections -------------------------------------------------------------------------------------------------


def _profit(profit: UpliftProfit | None, w: Language, prefix: str) -> list[Block]:
    """Profit by share, with the best."""
    if profit is None:
        return []
    heads = {"what": "", "est": w("estimate"), "ci_lower": w("lower"), "ci_upper": w("upper")}
    best = profit.best.rename(index=lambda k: w(f"best_{k}")).reset_index()
    note = f"{w.told(profit.money)}. {w('best_note')}"
    return [
        figure(uplift_profit_chart(profit.curve, width=760, words=w.pictures, id=f"{prefix}profit")),
        table(best, heads, w("per_customer_treated"), note, digits=2, words=w),
    ]


def _whom(whom: Persuadables | None, w: Language, prefix: str) -> list[Block]:
    """Uplift against risk, and the segments."""
    if whom is None:
        return []
    kept, ends = 100 * whom.rankings["gain"], {"ci_lower": w("lower"), "ci_upper": w("upper")}
    top = w.share(whom.top)
    text = w(
        "whom_text", top=top, uplift=w.number(kept["uplift"], 2), risk=w.number(kept["risk"], 2),
        overlap=w.share(whom.overlap),
    )  # fmt: skip
    ranked = (100 * whom.rankings).rename(index=lambda k: w(f"by_{k}")).reset_index()
    heads = {"ranking": w("chosen_by"), "gain": w("kept"), "se": w("se"), **ends}
    kinds = {
        "segment": w("customers_who"), "customers": w("number"), "risk": w("risk"), "foreseen": w("foreseen"),
        "effect": w("effect"), **ends,
    }  # fmt: skip
    segments = whom.segments.rename(index=lambda k: w.pictures[f"segment_{k.replace(' ', '_')}"]).reset_index()
    return [
        paragraph(text),
        table(ranked, heads, w("kept_title", top=top), digits=2, words=w),
        figure(segments_chart(whom.segments, words=w.pictures, id=f"{prefix}segments")),
        table(segments, kinds, w("segments"), w("segments_note"), words=w),
    ]


def _balance(balance: Balance | None, w: Language, prefix: str) -> list[Block]:
    """Love plot and tests."""
    if balance is None:
        return []
    tests = balance.tests.rename(index=lambda k: w(f"test_{k}")).astype({"df": "Int64"}).reset_index()
    heads = {"test": w("test"), "statistic": w("statistic"), "df": w("df"), "pvalue": "p"}
    columns = {
        "column": w("column"), "treated": w("treated"), "control": w("control"), "difference": w("difference_sd"),
        "variance_ratio": w("variance_ratio"),
    }  # fmt: skip
    return [
        paragraph(shown(w.told(balance.verdict), 600)),
        figure(balance_chart(_told(balance.table, w), words=w.pictures, id=f"{prefix}balance")),
        table(tests, heads, w("tests_together"), w("tests_together_note"), words=w),
        table(_told(balance.table, w), columns, w("columns"), folded=True, words=w),
    ]


def _effects(result: LinkageResult, w: Language) -> list[Block]:
    """The effect of a point, on the scale of the family and on the mean."""
    family, interval = result.spec.family, w.told(dict(result.headline())["Intervals"])
    scale = {"logit": "log_odds", "gaussian": "own_unit", "loglinear": "logarithms"}.get(family, "logarithms_mean")
    heads = {"approach": w("approach"), **bounds(w), "pvalue": "p", "ratio": w("ratio")}
    title, note = w("effect_on", outcome=shown(result.spec.outcome)), f"{w(scale)}; {interval}"
    effects, marginal = (
        f.rename(index=lambda k: w.pictures[f"approach_{k}"]).reset_index() for f in (result.effects, result.marginal)
    )
    return [
        table(effects, heads, title, note, digits=4, words=w),
        table(marginal, {"approach": w("approach"), **bounds(w)}, w("mean_change"), digits=5, words=w),
    ]


def _gains(result: LinkageResult, w: Language) -> list[Block]:
    """The outcome of the base at a better index."""
    now = {"points": w("worth_points"), "now": w.pictures["now"], "then": w.pictures["then"], "change": w("change")}
    ends = {k: head for k, head in bounds(w).items() if k != "est"}
    return [
        table(
            result.gains.rename(index=w.plain).reset_index(), now | ends, w("gains_title"), w("gains_note"), words=w
        )
    ]


def _method(result: LinkageResult, w: Language) -> list[Block]:
    """Facts, all terms, and what was joined."""
    s = result.spec
    known = {
        "Linkage": w("linkage_is", outcome=s.outcome, name=result.measurement.name, family=w(f"family_{s.family}"))
    }
    terms = result.estimates.rename(index=w.told).reset_index()
    counts = result.joined.counts.rename(index=w.told).reset_index()
    return [
        facts([(w.told(k), shown(known.get(k) or w.told(v), 400)) for k, v in result.headline()]),
        table(terms, {"term": w("term"), **bounds(w), "pvalue": "p"}, w("all_terms"), digits=4, folded=True, words=w),
        table(counts, {"what": w("rows_head"), "rows": w("number")}, w("rows_joined"), words=w),
    ]


def _answered(result: LinkageResult, w: Language, prefix: str) -> list[Block]:
    """Respondents against the base."""
    if not len(result.balance):
        return [paragraph(w("not_weighted"))]
    heads = {
        "column": w("column"), "base": w("base"), "respondents": w("answered"), "weighted": w("weighted_head"),
        "difference": w("difference_sd"), "difference_weighted": w("weighted_sd"),
    }  # fmt: skip
    frame = _told(result.balance, w)
    chart = balance_chart(
        frame,
        title=w("alike"),
        groups=(w.pictures["of_respondents"], w.pictures["of_base"]),
        words=w.pictures,
        id=f"{prefix}who",
    )
    return [figure(chart), table(frame, heads, w("answered_title"), folded=True, words=w)]


def _told(frame: pd.DataFrame, w: Language) -> pd.DataFrame:
    """A frame whose columns of the data are named for the reader: "age: blank" in his language."""
    return frame.assign(column=frame["column"].map(w.told))


def _between(frame: pd.DataFrame, row: str, w: Language, times: float = 100, digits: int = 1) -> str:
    """An interval in words."""
    low, high = (times * float(frame[end][row]) for end in ("ci_lower", "ci_upper"))
    return w.span(low, high, digits)
