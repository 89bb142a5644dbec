"""The worth of an improvement in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import listed

if TYPE_CHECKING:
    from .result import SatisfactionWorth

CAUTION = (
    "All this is association, what goes with satisfaction in these data; an improvement brings it only as far as satisfaction is "
    "the cause."
)


def money(value: float) -> str:
    """Write an amount: whole from 100 on, three digits below.

    Parameters
    ----------
    value : float

    Returns
    -------
    str

    Examples
    --------
    >>> money(-12345.6), money(3.14159), money(0.0)
    ('−12,346', '3.14', '0')
    """
    text = f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{value:,.3g}"
    return text.replace("-", "−")


def span(low: float, high: float) -> str:
    """Write an interval of amounts.

    Parameters
    ----------
    low, high : float

    Returns
    -------
    str
    """
    return f"{money(low)} to {money(high)}"


def headline(res: SatisfactionWorth) -> list[tuple[str, str]]:
    """What is raised, the worth of a point, the return, and on whom it rests.

    Parameters
    ----------
    res : SatisfactionWorth

    Returns
    -------
    list of (label, value)
    """
    point, final = _line(res.point, "value"), res.final
    each = _line(res.point, "value_per_customer")["est"]
    matched = res.matched.set_index("what")["rows"]
    plan = ", ".join(f"{k} {v:+.3g}" for k, v in res.plan.items())
    rows = [
        ("Worth of satisfaction", f"{res.target}, {res.chain.source.kind}; {res.horizon} periods, discount {res.chain.terms.discount:g}"),
        ("One point (0-100)", f"{money(point['est'])} ({res.level:.0%} interval {span(point['ci_lower'], point['ci_upper'])}), {money(each)} per customer"),
    ]  # fmt: skip
    if plan or res.budget is not None:
        best = "Best plan" if res.budget is not None else "Plan"
        rows.append((best, f"{plan or 'nothing'}; cost {money(res.cost)}"))
        rows.append(
            (
                "Return",
                f"{money(final['change'])} ({res.level:.0%} interval {span(final['ci_lower'], final['ci_upper'])})",
            )
        )
    left = int(res.excluded["rows"].sum())
    rows += [
        ("Rows", f"{res.customers:,} customers, {left} excluded; {matched['of these in the base']:,} of {matched['respondents used by the model']:,} respondents found, {res.n_obs:,} of known outcome"),
        ("Bootstrap", f"{res.replicates.n} joint replicates of customers and respondents, {res.replicates.failed} failed, seed {res.replicates.seed}, {res.interval} intervals"),
        ("Caution", "association, not cause"),
    ]  # fmt: skip
    return rows


def paragraph(res: SatisfactionWorth) -> str:
    """The answer in one paragraph.

    Parameters
    ----------
    res : SatisfactionWorth

    Returns
    -------
    str
    """
    return " ".join([*_rise(res), *_gain(res), _point(res), *_sure(res)])


def _row(res: SatisfactionWorth, stage: str) -> dict[str, Any]:
    """First line of a stage."""
    return {str(k): v for k, v in res.stages[res.stages["stage"] == stage].iloc[0].items()}


def _line(frame: Any, name: str) -> dict[str, float]:
    """A line of a frame as numbers."""
    return {str(k): float(v) for k, v in frame.loc[name].items()}


def _rise(res: SatisfactionWorth) -> list[str]:
    """What is raised, and what satisfaction does."""
    s, e = _row(res, "satisfaction"), res.effects
    points = f"{s['change']:+.2f} points on 0-100 ({s['now']:.1f} now; {res.level:.0%} interval {s['ci_lower']:+.2f} to {s['ci_upper']:+.2f})".replace("-", "−").replace("0−100", "0-100")  # fmt: skip
    if not len(e):
        if res.budget is not None:
            return [f"No use of a budget of {money(res.budget)} brings more than it costs."]
        return [f"Suppose {res.target} were one point higher on 0-100 for every customer."]
    parts = [f"{k} {r.asked:+.3g}" for k, r in zip(e.index, e.itertuples(), strict=True)]
    verb = "The best plan" + ("" if res.budget is None else f" for a budget of {money(res.budget)}")
    said = (
        f"{verb} moves {', '.join(parts)}"
        if res.budget is not None
        else f"Moving {', '.join(parts)} for every respondent"
    )
    cut = ", ".join(f"{k} {r.realised:+.3g}" for k, r in zip(e.index, e.itertuples(), strict=True))
    end = (
        f" (on average {cut}, as some stand at the end of the scale)"
        if (e["realised"].abs() < e["asked"].abs() - 1e-9).any()
        else ""
    )
    if res.budget is not None:
        return [f"{said}{end}. Satisfaction that goes with it is {points}."]
    return [f"{said}{end} goes with satisfaction {points}."]


def _gain(res: SatisfactionWorth) -> list[str]:
    """What retention, value and return do."""
    if not len(res.effects) and res.budget is not None:
        return []
    frame = res.stages
    chance, kept = (dict(r) for _, r in frame[frame["stage"] == "retention"].iterrows())
    value, final = _row(res, "value"), res.final
    verb = "fall" if chance["change"] < 0 else "rise"
    out = [
        f"The chance to leave in a period would {verb} from {100 * chance['now']:.2f} % to {100 * chance['then']:.2f} %, so that of "
        f"{res.customers:,} customers {abs(kept['change']):,.0f} {'more' if kept['change'] >= 0 else 'fewer'} would be there after {res.horizon} periods, and the base would be worth "
        f"{money(abs(value['change']))} {'more' if value['change'] >= 0 else 'less'} ({res.level:.0%} interval of the change {span(value['ci_lower'], value['ci_upper'])})."
    ]  # fmt: skip
    if res.cost > 0:
        out.append(
            f"Less the cost of {money(res.cost)} the return is {money(final['change'])} ({span(final['ci_lower'], final['ci_upper'])}), "
            f"{money(final['change'] / res.cost)} per unit spent."
        )
    return out


def _point(res: SatisfactionWorth) -> str:
    """The worth of one point."""
    each = _line(res.point, "value_per_customer")["est"]
    if not len(res.effects) and res.budget is None:
        return f"That is {money(each)} per customer and point."
    p = _line(res.point, "value")
    return (
        f"One point of satisfaction is worth {money(p['est'])} ({span(p['ci_lower'], p['ci_upper'])}), "
        f"{money(each)} per customer."
    )


def _sure(res: SatisfactionWorth) -> list[str]:
    """Association against cause, and what it would take to be wrong."""
    s, controls = res.sensitivity["value"], res.names[2]
    held = f" with {listed(controls)} held equal" if controls else " with nothing held equal"
    out = [
        f"{CAUTION} The link to leaving is taken{held}; a hidden common cause would need a risk ratio of {s['e_value']:.2f} with both, for "
        f"one standard deviation of satisfaction, to explain it away ({s['e_value_limit']:.2f} to leave it uncertain)."
    ]  # fmt: skip
    if "share_needed" in s:
        share = s["share_needed"]
        out.append(
            f"The return is above zero as long as at least {100 * share:.0f} % of what goes together is cause."
            if share < 1
            else "Even if all of it is cause, the value does not reach the cost."
        )
    if len(res.tornado) and res.tornado["range"].iloc[0] > 0:
        out.append(
            f"The answer hangs most on: {res.tornado['input'].iloc[0][0].lower() + res.tornado['input'].iloc[0][1:]}."
        )
    return out
