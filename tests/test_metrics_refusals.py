"""Every refusal of the metrics names what is wrong with which column or option, counts it, and says what to do."""

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels import metrics as m
from cxmodels.errors import DataError, SpecError

TABLE = pd.DataFrame(
    {"weight": [3, 1], "actual": [70, 60], "target": [80, 80], "2026": [75, 70]}, index=["Speed", "Staff"]
)
INDEX = m.csi_indicators(TABLE, years=[2025, 2026, 2027])
HOTEL = m.csi([4, 4], [4.6, 3.9], names=["a", "b"])
BASKET = pd.DataFrame({"q": [5, 4, 5, 4], "p": ["x", "x", "y", "y"], "r": [1, 2, 3, 4]})
RATED = pd.DataFrame({"ia": [5, 4, 3], "ib": [4, 4, 4], "qa": [5, 4, 3], "qb": [2, 3, 4]})
TWO_SCALES = cx.Survey(
    pd.DataFrame({"a": [1, 2, 3], "b": [9, 8, 1]}), {"items": {"a": {"scale": [1, 5]}, "b": {"scale": [1, 10]}}}
)
WHO, WHEN = np.repeat(list("abcd"), 10), np.tile([1, 2], 20)
SCORES = np.random.default_rng(0).normal(80, 5, 40)
EMPTY = pd.Series([pd.NaT, pd.NaT])
STARTED, ENDED = pd.Series(["2024-01-01"]), pd.Series(["2024-01-03"])


def indicators(**options):
    return m.csi_indicators(TABLE, **options)


def tree(data=RATED, importance=1, **options):
    parts = [m.Component("b", "qa", importance=importance), m.Component("c", "qb", importance=1)]
    return m.csi_tree(m.Branch("A", parts), data, **options)


def journey(**columns):
    (name,) = columns
    return m.journey(m.csat, ["q", "r"], data=BASKET.assign(**columns), by=name, measure="mean")


INDICATORS = {
    "year": (lambda: INDEX.progress(2030, {}), "The path has no year 2030; it has '2025', '2026', '2027'."),
    "no value": (lambda: INDEX.progress(2026, {"Speed": 1}), "There is no value of 'Staff' for 2026."),
    "text": (
        lambda: INDEX.progress(2026, {"Speed": "fast", "Staff": 2}),
        "The values for 2026 must be numbers: 'Speed' has 'fast'.",
    ),
    "twice": (
        lambda: m.csi_indicators(pd.concat([TABLE, TABLE])),
        "The table names the indicators 'Speed', 'Staff' more than once.",
    ),
    "all zero": (
        lambda: m.csi_indicators(TABLE.assign(weight=0)),
        "All weights in 'weight' are 0; at least one must be positive.",
    ),
    "negative": (
        lambda: m.csi_indicators(TABLE.assign(weight=[3, -1])),
        "Column 'weight' must hold numbers 0 or more: 1 of 2 rows do not, 'Staff'.",
    ),
    "group column": (lambda: indicators(by="weigt"), "The table has no column 'weigt'. Did you mean 'weight'?"),
    "column": (lambda: indicators(target="targets"), "The table has no column 'targets'. Did you mean 'target'?"),
    "test": (
        lambda: m.differences(m.csi_indicators, TABLE, by="weight"),
        "A test of differences needs the answers, data=; of two indices with se= use difference().",
    ),
    "nobody in a group": (
        lambda: indicators(data=pd.DataFrame({"Speed": [9, 8, 7], "Staff": [None, None, 3]}), by=list("aab")),
        "None of 2 respondents of a group answered 'Staff'; leave the indicator out.",
    ),
    "no years": (lambda: indicators(steps={2026: "2026"}), "A path by year needs years=, the first of them now."),
    "one year": (lambda: indicators(years=[2025]), "A path needs at least two years, the first of them now."),
    "other year": (
        lambda: indicators(steps={2026: "2026"}, years=[2025, 2027]),
        "steps has no targets for 2027; it has '2026'.",
    ),
    **{
        f"steps {given}": (
            lambda given=given: indicators(steps={2026: given}, years=[2025, 2026]),
            "The targets for 2026 must be 2 numbers between 0 and 100.",
        )
        for given in ([1, 2, 3], [1, 200], ["x", "y"], None)
    },
}
PLANNING = {
    "deff": (
        lambda: m.sample_size("nps", 5, deff=0),
        "deff is how many times more answers the design needs, above 0, not 0.",
    ),
    "share": (lambda: m.sample_size("share", 0.05, share=1.2), "share must be a share between 0 and 1, not 1.2."),
    "pilot": (
        lambda: m.sample_size(m.proportion(3, 3), 0.05),
        "The pilot of Proportion has no standard error, so it cannot tell its spread.",
    ),
    "population": (lambda: m.sample_size("share", 0.05, population=0), "population must be 1 or more, not 0."),
    "response": (
        lambda: m.sample_size("share", 0.05, response_rate=0),
        "response_rate must be a share between 0 and 1, not 0.",
    ),
    "more than all": (
        lambda: m.sample_size("nps", 5, promoters=0.7, detractors=0.5),
        "promoters 0.7 and detractors 0.5 are more than all.",
    ),
    "percent": (lambda: m.sample_size("nps", 5, promoters=70), "promoters must be a share between 0 and 1, not 70."),
    "rate": (
        lambda: m.sample_size("contact_rate", 0.05),
        "contact_rate needs rate=, the contacts per transaction expected, above 0.",
    ),
    "too small": (lambda: m.sample_size("share", 1e-9), "No sample is large enough for a margin of 1e-09."),
    **{
        f"percentile {p}": (
            lambda p=p: m.sample_size("median", 0.1, sd=0.5, quantile_at=p),
            f"quantile_at must be a share above 0 and below 1, not {p}.",
        )
        for p in (0.0, 1.0, 50)
    },
}
SHARES = {
    "eligible": (
        lambda: m.rate([1, None, 0], eligible=[0, 1, 0]),
        "No row of 'answers' is eligible and answered: check eligible.",
    ),
    "eligible short": (
        lambda: m.rate([1, 0, 1], eligible=[1, 0]),
        "eligible has 2 entries for 3 rows: give one for each.",
    ),
    **{
        f"count {count}": (
            lambda count=count: m.proportion(count, 3),
            f"Proportion: successes must be a whole number, 0 or more, not {count!r}.",
        )
        for count in (1.5, -1, True, float("nan"))
    },
    "none of none": (
        lambda: m.proportion(0, 0),
        "Proportion: 0 of 0 is no share; n must be 1 or more and hold the successes.",
    ),
    "pairs": (
        lambda: m.contact_rate([1, 2], [1, 2, 3]),
        "There are 2 contacts and 3 transactions: give one of each for every row.",
    ),
    "half a contact": (lambda: m.contact_rate(1.5, 3), "contacts must be a whole number, 0 or more, not 1.5."),
    "nothing sold": (lambda: m.contact_rate(1, 0), "transactions must be above 0, not 0."),
    "total and rows": (
        lambda: m.contact_rate(1, [1, 2]),
        "contacts is a single number and transactions is not: give two totals, or a column of each.",
    ),
    "orders": (
        lambda: m.repeat_purchase([1, 2], at_least=2.5),
        "at_least is a number of orders, 2 or more, not 2.5.",
    ),
    "no buyers": (
        lambda: m.repeat_purchase([0, 0]),
        "No customer of 'orders' has an order, so there are no buyers.",
    ),
}
QUESTIONS = {
    "overlap": (
        lambda: m.ces([1, 2, 7], measure="net", top=4, bottom=4),
        "The easy answers 4-7 and the hard ones 1-4 must not overlap.",
    ),
    **{
        f"bottom {bottom}": (
            lambda bottom=bottom: m.ces([1, 2, 7], measure="net", bottom=bottom),
            f"bottom is how many of the answers 1-7 count, 1 to 6, not {bottom!r}.",
        )
        for bottom in (0, 1.5, 7, "one", True)
    },
    **{
        f"top {top}": (
            lambda top=top: m.csat([1, 2, 5], top=top),
            f"top is how many of the answers 1-5 count, 1 to 4, not {top!r}.",
        )
        for top in (0, 1.5, 5, float("nan"))
    },
    "neutral": (
        lambda: m.csat([3, 3, 3], neutral="excluded"),
        "All answers of 'answers' are the neutral 3: without them none is left.",
    ),
    "expectations": (
        lambda: m.expectation_gap([1, 2, 3], expected=[1, 2]),
        "There are 3 experiences and 2 expectations: give one of each a row.",
    ),
    "one question": (
        lambda: m.expectation_gap([1, 2, 3], expected=[1, 2, 3], measure="index"),
        'measure="index" speaks of one question; with expected= use "gap" or "net".',
    ),
    "scales": (
        lambda: m.csi(["a", "b"], ["a", "b"], data=TWO_SCALES),
        "The columns have different scales, '(1, 5)', '(1, 10)': say which with scale=.",
    ),
    "scales of indicators": (
        lambda: m.csi_indicators(TABLE.set_axis(["a", "b"]), data=TWO_SCALES),
        "The columns have different scales, '(1, 5)', '(1, 10)': say which with scale=.",
    ),
    "cube": (lambda: m.csat(np.zeros((2, 2, 2))), "The answers must be one number for each row, not ndarray."),
    "ragged": (
        lambda: m.csi([[1, 2], [3]], [[1, 2], [3, 4]]),
        "The importance must be one number for each row, not list.",
    ),
    "ragged quality": (lambda: m.csat([[1, 2], [3]]), "The answers must be one number for each row, not list."),
    "rows": (
        lambda: m.csi(["ia", "ib"], np.ones((2, 2)), data=RATED),
        "The quality have 2 rows and the data 3: give one for each row.",
    ),
    "strata": (
        lambda: m.rate([1, 0, 1], strata="g"),
        "'g' (strata) is the name of a column: give the table too, data=df.",
    ),
    "groups": (lambda: m.rate([1, 0, 1], by=["a", "b"]), "by must be one label for each of 3 rows, not 2."),
    "reference": (
        lambda: m.differences(m.rate, [1, 0, 1, 0], by=list("aabb"), reference="a"),
        'reference=\'a\' needs compare="reference", not "pairs".',
    ),
    "levels": (
        lambda: m.difference(m.rate([1, 0, 1]), m.rate([1, 0], level=0.9), interval="mover"),
        "MOVER needs intervals of one level, not 0.95, 0.9 and 0.95.",
    ),
}
INDICES = {
    "names": (
        lambda: m.csi([4, 4], [4.6, 3.9], names=["a", "a"]),
        "names must be 2 different names, one for each component; got 'a', 'a'.",
    ),
    "scores": (
        lambda: m.csi_scores([[1, 2]], [[1, 2, 3]]),
        "Give one column of importance and one of quality for every component, in the same order.",
    ),
    "jackknife": (
        lambda: m.csi(["ia", "ib"], ["qa", "qb"], data=RATED, se="jackknife", by=[1, 1, 2]),
        'se="jackknife" is for one index; leave it out with by=.',
    ),
    "listwise": (
        lambda: m.csi(
            ["ia", "ib"], ["qa", "qb"], data=RATED.assign(ia=[None, 4, 5], qb=[4, None, None]), missing="listwise"
        ),
        'No respondent rated all 4 columns; use missing="available".',
    ),
    "no index": (
        lambda: m.csi([[0, 0], [1, 1]], [[4, 4], [None, None]], importance_scale=(0, 5), average="respondents"),
        "None of 2 respondents has an index: no rating, or no importance above 0.",
    ),
    "tree": (lambda: tree(importance=-1), "The importance of 'b' must be a column or a number of 0 or more, not -1."),
    "tree group": (
        lambda: tree(RATED.assign(qb=[1, None, None]), by=[1, 2, 2]),
        "None of 2 respondents rated 'qb'; leave the component out.",
    ),
    "competitor's scale": (
        lambda: m.profile(HOTEL, m.csi([4, 4], [4.6, 3.9], names=["a", "b"], scale=(1, 10))),
        "The two indices have different scales or forms; compute both in the same way.",
    ),
    "competitor outside": (
        lambda: m.profile(HOTEL, {"a": 4, "b": 9}),
        "The competitor's quality of 'b' lies outside the scale 1-5.",
    ),
    "competitor in words": (
        lambda: m.profile(HOTEL, {"a": 4, "b": "good"}),
        "The competitor's quality must be numbers: 'b' has 'good'.",
    ),
    **{
        f"cut {cut}": (
            lambda cut=cut: m.quadrants(pd.Series([1, 2]), pd.Series([1, 2]), cut=cut),
            f"cut is 'mean', 'midpoint', 'strict', or two numbers (importance, quality), not {cut!r}.",
        )
        for cut in ((1,), 3, ("a", 1), (float("nan"), 1))
    },
    "critical": (
        lambda: m.quality_score(pd.DataFrame({"greets": [1, 0]}), critical=["greet"]),
        "'greet' is no item of the checklist. Did you mean 'greets'?",
    ),
    "points": (
        lambda: m.quality_score(pd.DataFrame({"greets": [1, 0]}), points={"greets": 0}),
        "points must be numbers above 0; 'greets' has another.",
    ),
    "points in words": (
        lambda: m.quality_score(pd.DataFrame({"greets": [1, 0]}), points={"greets": "two"}),
        "points must be numbers: 'greets' has 'two'.",
    ),
    "no blocks": (lambda: m.checklist({}, BASKET), "A checklist needs blocks, each with at least one item."),
    "empty block": (lambda: m.checklist({"A": []}, BASKET), "A checklist needs blocks, each with at least one item."),
    "total": (
        lambda: m.checklist({"Total": ["q"]}, BASKET),
        "No block may be called 'Total', which is the last row of the result; rename it.",
    ),
    "blank item": (
        lambda: m.checklist({"A": ["a"], "B": ["b"]}, pd.DataFrame({"a": [1, 0], "b": [None, None]})),
        "Item 'b' has no answer in any of 2 rows: leave it out.",
    ),
}
VALUES = {
    "periods a year": (lambda: m.annual(0.1, periods=0), "periods is how many make a year, above 0, not 0."),
    "no churn": (lambda: m.lifetime(0), "With no churn at all a lifetime has no end; observe for longer."),
    "periods": (
        lambda: m.clv(100, 0.8, 0.1, convention="finite", periods=2.5),
        "periods must be a whole number, 1 or more, not 2.5.",
    ),
    "discount": (
        lambda: m.clv(100, 0.8, -1),
        "The discount rate must be above -1, such as 0.1 for 10 %, not -1.",
    ),
    "customers": (
        lambda: m.clv([1, 2, 3], [1, 0], 0.1),
        "There are 3 margins and 2 entries of retention: give one of each.",
    ),
    "frame": (
        lambda: m.annual(pd.DataFrame({"value": [0.1], "se": [0.1]}), periods=12, kind="churn"),
        "The frame of rates lacks 'ci_lower', 'ci_upper', 'n', 'method'; give what churn_rate(by=...) returns.",
    ),
    "margin": (lambda: m.clv(float("nan"), 0.8, 0.1), "The margin must be a number, not nan."),
    "measure": (lambda: m.duration([1, 2], measure=[]), "measure is an empty list; name at least one."),
    "percentile": (lambda: m.duration([1, 2], measure=1.5), "A percentile is a share between 0 and 1, not 1.5."),
    "hold": (
        lambda: m.handling_time([1, 2], hold=[1, 2, 3]),
        "There are 2 talk times and 3 hold times: give one for every row.",
    ),
    "log": (
        lambda: m.fcr_from_log([None, "a"], ["2024-01-01", None], window=7),
        "None of 2 rows has a customer and a time.",
    ),
    "no start": (lambda: m.elapsed(EMPTY, EMPTY), "start has no time in any of 2 rows."),
    "true": (
        lambda: m.elapsed(pd.Series([True]), pd.Series([False])),
        "start must be dates, times or numbers, not bool.",
    ),
    **{
        f"hours {hours}": (
            lambda hours=hours: m.elapsed(STARTED, ENDED, hours=hours),
            f"hours are two clock hours, such as (9, 17), not {hours!r}.",
        )
        for hours in (9, ("nine", "five"), (9, 12, 17))
    },
}
WATCHING = {
    "order": (
        lambda: m.journey(m.csat, ["q", "r"], data=BASKET, order=["q"]),
        "order= and respondent= are for long data, with touchpoint=.",
    ),
    "left out": (
        lambda: m.journey(m.csat, "q", data=BASKET, touchpoint="p", order=["x"], measure="mean"),
        "order leaves out the touchpoints 'y'.",
    ),
    **{
        f"called {name}": (
            lambda name=name: journey(**{name: list("aabb")}),
            f"The groups may not be called '{name}', which the result uses itself; rename the column.",
        )
        for name in ("value", "missing", "touchpoint")
    },
    "stratum": (
        lambda: m.journey(m.csat, ["q", "r"], data=BASKET, strata=[1, None, 1, 1], measure="mean"),
        "strata or clusters are missing in some rows; fill them or drop those rows.",
    ),
    "rules": (
        lambda: m.monitor(SCORES, WHO, WHEN, rules=("beyond", "x")),
        "Unknown rules 'x'; choose from 'beyond', 'run', 'two_of_three'.",
    ),
    "sigma": (
        lambda: m.monitor(SCORES, WHO, WHEN, sigma=0),
        "sigma must be above 0 and run at least 2, not 0 and 8.",
    ),
    "no unit": (
        lambda: m.monitor(SCORES, [None] * 40, WHEN),
        "None of 40 rows has a score, a unit and a period.",
    ),
    "luck": (
        lambda: m.monitor([1.0, 2.0, 3.0], list("abc"), [1, 1, 1]),
        "No unit has two answers in one period, so luck and change cannot be told apart.",
    ),
    "small group": (
        lambda: m.monitor(SCORES, WHO, WHEN, by=np.where(WHO == "a", "x", "y")),
        "Group 'x': The scores are of 1 unit; shrinkage needs at least three to know how units differ.",
    ),
    "one cluster": (
        lambda: m.monitor(SCORES, WHO, WHEN, clusters=[f"{a}{b}" for a, b in zip(WHO, WHEN, strict=True)]),
        "Every unit-period lies in one cluster, so that what clusters do to its mean cannot be told.",
    ),
}
CASES = {
    f"{part}: {case}": called
    for part, cases in {
        "indicators": INDICATORS, "planning": PLANNING, "shares": SHARES, "questions": QUESTIONS, "indices": INDICES,
        "values": VALUES, "watching": WATCHING,
    }.items()
    for case, called in cases.items()
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_metric_refuses_in_one_sentence(case):
    call, said = CASES[case]
    with pytest.raises((DataError, SpecError)) as caught:
        call()
    assert str(caught.value) == said
