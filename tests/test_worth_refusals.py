"""What the worth of satisfaction refuses or warns of beyond the first mistakes, and its parts where nothing is left to do."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import cxmodels as cx
from cxmodels.worth import plans, robustness_value, simulate_worth
from cxmodels.worth.tornado import _with_reliability

BASE, SURVEY, _ = simulate_worth(400, seed=11, churn=0.3)
GIVEN = {
    "customer": "customer_id", "left": "left", "margin": "margin", "reliability": 0.6, "scale": (1, 10), "n": 4, "seed": 1,
}  # fmt: skip


@cache
def fit():
    return cx.Drivers("csi", ["speed", "price", "service"]).fit(SURVEY)


@cache
def sem_of_moments():
    items = SURVEY[["sat1", "sat2", "sat3"]]
    return cx.SEM("Satisfaction =~ sat1 + sat2 + sat3").fit_moments(items.cov(), len(items))


def value(model=None, changes="default", **options):
    changes = {"speed": 1.0} if isinstance(changes, str) else changes
    given = {"base": BASE} | GIVEN | options
    return cx.value_of_satisfaction(fit() if model is None else model, given.pop("base"), changes, **given)


def silently(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cx.CxWarning)
        return value(*args, **options)


CASES = {
    "costs as a list": ({"costs": [1]}, "Give the costs as a mapping of what one point costs"),
    "no costs in them": ({"costs": {}}, "Give the costs as a mapping"),
    "one number": ({"ranges": {"margin": 2}}, "ranges['margin'] must be two numbers, the lower first, not 2."),
    "words": ({"ranges": {"margin": ("low", "high")}}, "must be two numbers, the lower first"),
    "without end": ({"ranges": {"horizon": (1, np.inf)}}, "ranges['horizon'] must be two numbers, the lower first, not (1, inf)."),
    "horizon in parts": ({"ranges": {"horizon": (1.5, 4)}}, "horizon must be a whole number, not 1.5."),
    "horizon of nothing": ({"ranges": {"horizon": (0, 4)}}, "The horizon must be 1 period or more, not 0."),
    "discount in percent": ({"ranges": {"discount": (0, 5)}}, "The discount rate per period must be a share such as 0.01, not 5.0."),
    "negative cost": ({"ranges": {"cost": (-1, 1)}}, "ranges['cost'] holds factors of 0 or more, not (-1, 1)."),
    "reliability": ({"ranges": {"reliability": (0.5, 1.5)}}, "ranges['reliability'] must be a share above 0 and at most 1, not 1.5."),
    "blank margins": ({"base": BASE.assign(margin=np.nan)}, "No customer of the base has all of 'margin'; 'margin is blank'."),
    "one tenure": ({"base": BASE.assign(since=0.1), "tenure": "since"}, "The tenure 'since' is the same for all 400 customers; leave it out."),
    "nobody spends": ({"base": BASE.assign(spend=0.0), "spend": "spend"}, "'spend' is above 0 for 0 respondents; leave out spend."),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_refused_is_one_clear_sentence(case):
    options, said = CASES[case]
    with pytest.raises(cx.CxError, match=re.escape(said)) as error:
        silently(**options)
    assert "\n" not in str(error.value)


def test_moments_have_no_respondents():
    with pytest.raises(cx.CxError, match="The model was fitted to moments; the worth of a point needs the answers"):
        value(sem_of_moments(), None, target="Satisfaction")


@pytest.mark.parametrize(("name", "share"), [("response", 0), ("churn", 1)])
def test_a_simulated_base_needs_both_kinds_of_customers(name, share):
    with pytest.raises(cx.CxError, match=f"{name} must be a share between 0 and 1, not {share}"):
        simulate_worth(200, **{name: share})


def test_ranges_of_ones_own_stand_in_the_tornado():
    """Ends as given; the value of a horizon is that of a run with this horizon."""
    ranges = {
        "horizon": (3, 9),
        "discount": (0.0, 0.05),
        "reliability": (0.5, 0.7),
        "margin": (0.5, 2),
        "cost": (1, 3),
    }
    found = silently(ranges=ranges, costs={"speed": 100.0}, horizon=6, discount=0.01)
    rows = found.tornado.set_index("input")
    for name, ends in ranges.items():
        line = rows[(rows["low"] == ends[0]) & (rows["high"] == ends[1])]
        assert len(line) == 1, name
    by = rows[(rows["low"] == 3) & (rows["high"] == 9)].iloc[0]
    for end, at in ((3, "at_low"), (9, "at_high")):
        again = silently(costs={"speed": 100.0}, horizon=end, discount=0.01)
        frame = again.tornado.set_index("input")
        margin = frame[(frame["low"] == 0.9) & (frame["high"] == 1.1)].iloc[0]
        assert by[at] == pytest.approx((margin["at_low"] + margin["at_high"]) / 2, rel=1e-9)  # linear in the margin


def test_a_range_of_a_reliability_that_is_not_given_is_not_used():
    found = silently(reliability=None, ranges={"reliability": (0.5, 0.7)})
    assert not ((found.tornado["low"] == 0.5) & (found.tornado["high"] == 0.7)).any()


def test_a_point_beyond_the_end_of_the_scale_is_said():
    """Satisfaction of 99.3 has no room for one point more."""
    high = SURVEY.assign(csi=10 - 0.02 * (10 - SURVEY["csi"]))
    model = cx.Drivers("csi", ["speed", "price", "service"]).fit(high)
    with pytest.warns(
        cx.CxWarning, match=r"satisfaction from 99\.\d to 100\.\d, beyond the end of 0-100; ask for less"
    ):
        found = value(model, None)
    assert any("beyond the end of 0-100" in text for text in found.warnings)


def test_replicates_without_leavers_are_counted_and_left_out():
    """Of the respondents two left: one replicate in seven has none of them."""
    asked = BASE["customer_id"].isin(SURVEY["customer_id"])
    two = BASE.index[asked & (BASE["left"] == 1)][:2]
    rare = BASE.assign(left=BASE["left"].where(~asked | BASE.index.isin(two), 0))
    found = silently(base=rare, n=30)
    lost = found.replicates.failed
    assert 0 < lost < 20
    assert f"{lost} of 30 replicates left a stage without an estimate and are left out." in found.warnings


def test_one_respondent_in_no_base_counts_for_the_drivers_alone():
    gone = SURVEY["customer_id"].iloc[0]
    found = silently(base=BASE[BASE["customer_id"] != gone])
    assert found.matched.set_index("what").loc["of these in no base", "rows"] == 1
    slope = 100 / 9 * fit().coefficients.loc["speed", "est"]
    assert found.effects.loc["speed", "points"] == pytest.approx(
        slope * found.effects.loc["speed", "realised"], rel=1e-9
    )


def test_customers_left_out_stand_in_the_tables():
    blank = BASE.assign(margin=BASE["margin"].where(BASE.index > 6))
    found = silently(base=blank)
    assert found.excluded.to_dict("list") == {"reason": ["margin is blank"], "rows": [7]}
    assert found.tables()["Customers left out"]["rows"].to_dict() == {"margin is blank": 7}
    assert "7" in found.summary()


def test_a_budget_that_buys_nothing():
    found = silently(changes=None, budget=10.0, costs={"speed": 1e9})
    assert not len(found.effects)
    assert "No use of a budget of" in found.paragraph


def test_a_path_without_steps_buys_no_rise():
    assert plans.at(np.zeros(1), np.zeros((1, 3)), [5.0, 9.0]).tolist() == [[0.0] * 3] * 2


def test_a_reliability_below_what_the_controls_tell_leaves_no_effect():
    """1 - (1 - r) V/W, with W the variance of the score beside the controls (Carroll et al. 2006, sec. 3.3)."""
    effects = replace(silently()._inputs.effects, ratio=2.0, within=1.0)
    assert np.isnan(_with_reliability(effects, 0.5).effect)
    assert _with_reliability(effects, 0.75).within == pytest.approx(0.5)


def test_a_cause_that_explains_the_whole_outcome_needs_no_more():
    """Where f* exceeds its reciprocal, Cinelli and Hazlett (2020) give (f² - f*²) / (1 + f²)."""
    t, df = 60.0, 100
    from scipy.stats import t as student

    f, critical = t / np.sqrt(df), student.ppf(0.975, df - 1) / np.sqrt(df - 1)
    assert f - critical > 1 / (f - critical)
    assert robustness_value(t, df, level=0.95) == pytest.approx((f**2 - critical**2) / (1 + f**2), rel=1e-12)
