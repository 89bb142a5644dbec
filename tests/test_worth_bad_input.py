"""What a hurried user gets wrong about the worth of satisfaction: one clear sentence each."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.worth import e_value, simulate_worth

BASE, SURVEY, TRUTH = simulate_worth(700, seed=11, churn=0.3)
FIT = cx.Drivers("csi", ["speed", "price", "service"]).fit(SURVEY)
PLS = cx.PLS("Service =~ service\nSatisfaction =~ sat1 + sat2 + sat3\nSatisfaction ~ Service").fit(SURVEY)
GIVEN = {
    "customer": "customer_id", "left": "left", "margin": "margin", "reliability": 0.6, "scale": (1, 10), "n": 4, "seed": 1,
}  # fmt: skip


def value(fit=FIT, base=BASE, changes="default", **options):
    changes = {"speed": 1.0} if isinstance(changes, str) and changes == "default" else changes
    return cx.value_of_satisfaction(fit, base, changes, **{**GIVEN, **options})


CASES = {
    "unknown attribute": ({"changes": {"sped": 1}}, "'sped' is not an attribute of the model; there are 'speed', 'price', 'service'. Did you mean 'speed'?"),
    "no number": ({"changes": {"speed": np.nan}}, "The change of 'speed' must be a number, not nan."),
    "no mapping": ({"changes": ["speed"]}, "Give the changes as a mapping"),
    "nothing raised": ({"changes": {"speed": 0}}, "changes raises nothing: 'speed' by 0"),
    "negative cost": ({"costs": {"speed": -1}}, "The cost of one point of 'speed' must be 0 or more, not -1."),
    "cost of another": ({"costs": {"price": 1}}, "costs lacks 'speed', which is raised"),
    "changes and budget": ({"budget": 5, "costs": {"speed": 1}}, "give one of them"),
    "budget without costs": ({"changes": None, "budget": 5}, "A budget needs costs"),
    "budget of nothing": ({"changes": None, "budget": 0, "costs": {"speed": 1}}, "The budget must be a positive number, not 0."),
    "free of cost": ({"changes": None, "budget": 9, "costs": {"speed": 0}}, "'speed' costs nothing, so a budget says nothing of it"),
    "costs alone": ({"changes": None, "costs": {"speed": 1}}, "costs needs changes, or a budget"),
    "horizon 0": ({"horizon": 0}, "The horizon must be 1 period or more, not 0."),
    "horizon in parts": ({"horizon": 2.5}, "horizon must be a whole number, not 2.5."),
    "endless": ({"horizon": 5000}, "A horizon of 5000 periods is longer than the 1200"),
    "discount in percent": ({"discount": 5}, "The discount rate per period must be a share such as 0.01, not 5."),
    "reliability": ({"reliability": 1.2}, "reliability must be a share above 0 and at most 1, not 1.2."),
    "scale": ({"scale": (1, 5)}, "Answers outside the scale 1-5: 'speed'"),
    "no scale": ({"scale": None}, "The 0-100 index needs the scale of 'csi'"),
    "target of drivers": ({"target": "Satisfaction"}, "The drivers explain 'csi', not 'Satisfaction'; leave out target."),
    "no target": ({"fit": PLS, "changes": None}, "Say which construct is satisfaction: target="),
    "unknown target": ({"fit": PLS, "target": "Satisfation", "changes": None}, "'Satisfation' is not a construct of the model. Did you mean 'Satisfaction'?"),
    "no model": ({"fit": BASE}, "A DataFrame says nothing of what moves satisfaction"),
    "no such column": ({"left": "Left"}, "The base has no column 'Left'. Did you mean 'left'?"),
    "outcome in words": ({"left": "region"}, "'region' of the base is no finite number in 700 rows"),
    "outcome not 0 or 1": ({"left": "price"}, "'price' of the base is neither 0 nor 1"),
    "nobody left": ({"base": BASE.assign(left=0)}, "By 'left' nobody of the 700 customers left"),
    "everybody left": ({"base": BASE.assign(left=1)}, "By 'left' everybody of the 700 customers left"),
    "outcome blank": ({"base": BASE.assign(left=np.nan)}, "'left' is blank for all 700 customers"),
    "no respondent left": ({"base": BASE.assign(left=BASE["left"].where(~BASE["customer_id"].isin(SURVEY["customer_id"]), 0))}, "respondents in the base none left by 'left'"),
    "customer twice": ({"base": pd.concat([BASE, BASE[:2]])}, "2 identifiers stand more than once"),
    "respondent twice": ({"fit": cx.Drivers("csi", ["speed"]).fit(pd.concat([SURVEY, SURVEY[:3]]))}, "3 rows of the survey repeat a customer"),
    "survey without identifiers": ({"fit": cx.Drivers("csi", ["speed"]).fit(SURVEY.drop(columns="customer_id"))}, "The survey has no column 'customer_id'"),
    "no match": ({"base": BASE.assign(customer_id=BASE["customer_id"].astype(str))}, "respondents is a customer of the base by 'customer_id'"),
    "margin in words": ({"margin": "region"}, "'region' of the base is no finite number"),
    "margin nowhere": ({"margin": None}, "margin must be a column of the base, or one number for all, not None."),
    "controls as a text": ({"controls": "price"}, "controls must be a list of columns, such as ['price']."),
    "outcome as control": ({"controls": ["left"]}, "A control stands twice, or is the identifier or the outcome"),
    "controls repeat": ({"controls": ["price", "again"], "base": BASE.assign(again=2 * BASE["price"])}, "determine one another (2 columns of rank 1)"),
    "control tells all": ({"controls": ["told"], "base": BASE.assign(told=3.0 * BASE["left"])}, "There is no estimate of"),
    "negative tenure": ({"tenure": "price", "base": BASE.assign(price=-1.0)}, "'price' of the base is below 0 in 700 of 700 rows"),
    "negative spend": ({"spend": "spend", "base": BASE.assign(spend=-BASE["spend"])}, "'spend' of the base is below 0"),
    "unknown range": ({"ranges": {"horizn": (1, 2)}}, "ranges has no 'horizn'"),
    "range upside down": ({"ranges": {"margin": (2, 1)}}, "ranges['margin'] must be two numbers, the lower first"),
    "interval": ({"interval": "studentized"}, "Unknown interval 'studentized'"),
    "level": ({"level": 95}, "The confidence level must lie between 0 and 1, not 95."),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_clear_sentence(case):
    options, said = CASES[case]
    with pytest.raises(cx.CxError, match=re.escape(said)) as error:
        value(**options)
    assert "\n" not in str(error.value)


def test_other_families_and_treatments_are_refused():
    logit = cx.Drivers("happy", ["speed"], family="logit").fit(SURVEY.assign(happy=(SURVEY["csi"] > 7).astype(int)))
    with pytest.raises(cx.CxError, match="family='logit', which has no points of satisfaction"):
        value(logit)
    blank = SURVEY.assign(speed=SURVEY["speed"].where(SURVEY.index > 9))
    with pytest.raises(cx.CxError, match="missing='pairwise' have no rows to resample"):
        value(cx.Drivers("csi", ["speed", "price"]).fit(blank, missing="pairwise"))
    groups = cx.SEM("Satisfaction =~ sat1 + sat2 + sat3").fit(SURVEY.assign(half=SURVEY.index % 2), group="half")
    with pytest.raises(cx.CxError, match="The model has 2 groups"):
        value(groups, target="Satisfaction", changes=None)
    with pytest.raises(cx.CxError, match="A risk ratio must be positive"):
        e_value(-1)
    with pytest.raises(cx.CxError, match="customers must be 100 or more"):
        simulate_worth(10)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"reliability": None}, "The reliability of 'csi' is not known, as it is one rating"),
        ({"base": BASE[BASE["customer_id"] <= 250]}, "respondents are no customers of the base"),
        ({"controls": ["same"], "base": BASE.assign(same=1)}, "'same' of the controls is the same for all"),
        ({"horizon": 1}, "A horizon of 1 counts the first margin only"),
        ({"changes": None, "budget": 10.0, "costs": {"speed": 1e9}}, "No plan within the budget of 10 brings more"),
    ],
)
def test_what_is_unusual_is_warned_and_kept(options, said):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = value(**options)
    assert any(said in str(w.message) and issubclass(w.category, cx.CxWarning) for w in caught)
    assert any(said in text for text in found.warnings)
    assert said in found.summary()
