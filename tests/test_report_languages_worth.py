"""Pages and charts of worth, campaigns, linkages, retention and metrics in four languages: nothing English is left."""

import inspect
import re
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import CxWarning, SpecError
from cxmodels.report import (
    charts,
    control_chart,
    indicator_chart,
    journey_chart,
    linkage_html,
    nation_charts,
    plots,
    profile_chart,
    sem_plots,
    triangle_chart,
    uplift_html,
    worth_html,
)
from cxmodels.report.metric_charts import metric_pictures
from cxmodels.report.words import language
from cxmodels.survey import Survey
from tests.test_report_languages import OTHERS, left_in_english, visible


@pytest.fixture(scope="module")
def worths():
    base, survey, _ = cx.worth.simulate_worth(900, seed=1)
    base, survey = base.rename(columns=WORTH), survey.rename(columns=WORTH)
    base.loc[:2, "маржа"] = np.nan
    fit = cx.Drivers("задоволеність", ["швидкість", "ціна"]).fit(survey)
    common = {"customer": "клієнт", "left": "пішов", "margin": "маржа", "scale": (1, 10), "n": 20, "seed": 1}
    costs = {"швидкість": 500.0, "ціна": 2000.0}
    plans = [
        {
            "changes": {"швидкість": 1.0, "ціна": -0.5},
            "costs": costs,
            "reliability": 0.6,
            "controls": ["ціна"],
            "spend": "витрати",
        },
        {"budget": 700.0, "costs": costs, "reliability": 0.6},
        {"budget": 0.001, "costs": dict.fromkeys(costs, 1e9), "reliability": 0.6},
        {"reliability": 0.6},
        {"changes": {"швидкість": 12.0}, "costs": {"швидкість": 1e7}, "horizon": 1},
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        return [cx.value_of_satisfaction(fit, base, **common, **plan) for plan in plans]


WORTH = {
    "customer_id": "клієнт", "left": "пішов", "margin": "маржа", "price": "ціна", "speed": "швидкість", "csi": "задоволеність",
    "spend": "витрати",
}  # fmt: skip


@pytest.mark.parametrize("code", OTHERS)
def test_pages_of_worth_say_nothing_in_english(worths, code):
    for worth in worths:
        page = worth_html(worth, language=code)
        assert left_in_english(page) == set()
        assert not re.findall(r"\d\.\d+", visible(page).replace(cx.__version__, "")), "a decimal point"
        assert language(code).told(worth.paragraph) in visible(page)
    assert f'lang="{code}"' in worth_html(worths[0], whole=False, language=code)
    for kind in ("chain", "waterfall", "tornado", "curve", "linkage"):
        drawn = worths[0].plot(kind, language=code)
        assert left_in_english(drawn) == set()
        assert drawn != worths[0].plot(kind)


@pytest.mark.parametrize(
    ("code", "said"), [("en", "Technical quality of the network"), ("uk", "Технічна якість мережі")]
)
def test_pages_of_worth_call_attributes_by_their_labels(code, said):
    mobi = cx.datasets.survey("mobi")
    rng, ids = np.random.default_rng(1), [f"c{k}" for k in range(600)]
    survey = Survey(mobi.frame.assign(id=ids[: len(mobi)]), mobi.codebook)
    sat = np.r_[survey.frame["CUSA1"].fillna(7), rng.integers(4, 11, 600 - len(survey))]
    base = pd.DataFrame(
        {"id": ids, "left": (rng.random(600) < 1 / (1 + np.exp(0.45 * sat - 1.5))).astype(int), "m": 20.0}
    )
    fit = cx.Drivers("CUSA1", ["PERQ1", "PERQ2"]).fit(survey)
    worth = cx.value_of_satisfaction(
        fit,
        base,
        {"PERQ2": 1.0},
        costs={"PERQ2": 10.0},
        customer="id",
        left="left",
        margin="m",
        reliability=0.7,
        n=10,
        seed=1,
    )
    text = visible(worth_html(worth, language=code))
    assert text.count(said) > 5
    assert not re.search(r"\bPERQ\d|\bCUSA\d", text)
    assert list(worth.effects.index) == ["PERQ2"], "results keep their columns"


@pytest.fixture(scope="module")
def campaign():
    frame, truth = cx.datasets.simulate_campaign(1500)
    y, t, u = frame["retained"], frame["treatment"], truth["uplift"]
    known = pd.DataFrame({"вік": frame["tenure"], "плата": frame["price"]})
    known.loc[:40, "плата"] = np.nan
    parts = {
        "profit": cx.churn.uplift_profit(y, t, u, value=frame["value"], n=20),
        "whom": cx.churn.persuadables(y, t, u, 1 - truth["p_control"], n=20),
    }
    tilted = (known["вік"] > known["вік"].median()).astype(int)
    return [
        (cx.churn.qini(y, t, u, n=20), {**parts, "balance": cx.churn.balance(known, t)}),
        (cx.churn.qini(frame["value"] * y, t, u, n=20, ties="given"), {"balance": cx.churn.balance(known, tilted)}),
    ]


@pytest.mark.parametrize("code", OTHERS)
def test_campaign_pages_say_nothing_in_english(campaign, code):
    for found, parts in campaign:
        page = uplift_html(found, **parts, language=code)
        assert left_in_english(page) == set()
        assert not re.findall(r"\d\.\d+", visible(page).replace(cx.__version__, "")), "a decimal point"
        assert language(code).told(parts["balance"].verdict) in visible(page)


@pytest.fixture(scope="module")
def linkages():
    tables, _ = cx.datasets.simulate_subscribers(customers=800, months=12, seed=4)
    labels = cx.churn.subscription_labels(tables["subscriptions"], "2023-09-30", 92)
    items = {"satisfaction": "загалом", "expectations": "очікування", "ideal": "ідеал", "price": "ціна"}
    joined = cx.linkage.join(labels, tables["surveys"].rename(columns=items), later="leave_out")
    place = np.arange(len(joined.frame))
    more = {"вік": place % 7.0, "відтік": joined.frame["churned"].mask(place < 5), "витрати": 10.0 + place % 9}
    joined = replace(joined, frame=joined.frame.assign(**more))
    names, common = list(items.values())[:3], {"scale": (1, 10)}
    specs = [
        cx.linkage.Linkage("відтік", names, response=["вік"], **common),
        cx.linkage.Linkage("витрати", names, family="gaussian", controls=["ціна"], correction="simex", **common),
        cx.linkage.Linkage("відтік", names[0], reliability=1.0, family="cloglog", correction="none", **common),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        return [spec.fit(joined, bootstrap=4, seed=1) for spec in specs]


@pytest.mark.parametrize("code", OTHERS)
def test_linkage_pages_say_nothing_in_english(linkages, code):
    for found in linkages:
        page = linkage_html(found, language=code)
        assert left_in_english(page) == set()
        assert not re.findall(r"\d\.\d+", visible(page).replace(cx.__version__, "")), "a decimal point"


@pytest.mark.parametrize("code", OTHERS)
def test_charts_say_nothing_in_english(code):
    words = language(code).pictures
    cells = pd.DataFrame(
        {"unit": "Анна", "period": ["січень", "лютий"], "n": [1009, 4], "mean": [80.5, 60.0], "centre": 78.0,
         "limit_lower": 70.0, "limit_upper": 86.0, "signal": ["", "x"]}
    )  # fmt: skip
    gaps = {"quality": [4.6], "competitor": [4.1], "gap": [0.5], "ci_lower": [0.2], "ci_upper": [0.8]}
    rated = pd.DataFrame({"actual": [70.5], "target": [80.0], "lost": [7.5]}, index=["Темп"])
    curve = pd.DataFrame(
        {
            "group": "Усі",
            "time": [0.0, 1.5],
            "survival": [1.0, 0.5],
            "ci_lower": 0.4,
            "ci_upper": 1.0,
            "at_risk": [1234, 5],
        }
    )
    pictures = [
        control_chart(cells, words=words),
        journey_chart(
            pd.DataFrame({"touchpoint": ["вхід", "вихід"], "value": [72.0, 41.0], "n": [1009, 3]}), words=words
        ),
        profile_chart(pd.DataFrame(gaps, index=["Місце"]), words=words),
        indicator_chart(rated, words=words),
        triangle_chart(pd.DataFrame({"customers": [1009], 0: [1.0], 1: [0.505]}, index=["січень"]), words=words),
        cx.report.survival_chart(curve, words=words),
        cx.report.tracking_chart(
            pd.DataFrame({"time": [1], "observed": [5], "expected": [5.5]}), split=1, words=words
        ),
        *metric_pictures(cx.metrics.csi([5, 3], [3, 5]), "x", words),
    ]
    for drawn in pictures:
        assert left_in_english(drawn, "quality 1", "quality 2") == set()
        assert not re.findall(r"\d\.\d+", visible(drawn)), "a decimal point"
    assert "1\u202f009" in pictures[1]


def test_names_of_pictures_follow_their_words():
    makers = [
        f
        for module in (cx.report, charts, nation_charts, plots, sem_plots)
        for f in vars(module).values()
        if callable(f)
    ]
    drawn = [
        p
        for f in makers
        if inspect.isfunction(f) and "words" in (p := inspect.signature(f).parameters) and "title" in p
    ]
    assert len(drawn) > 25
    assert all(p["title"].default is None for p in drawn)


def test_a_language_goes_with_any_picture():
    telco = cx.churn.KaplanMeier().fit(cx.datasets.load("telco"), "churn", duration="tenure")
    assert language("bg").pictures["share_there"] in telco.plot(language="bg")
    assert "Мой счёт" in telco.plot(language="ru", words={"share_there": "Мой счёт"})
    with pytest.raises(SpecError, match="'en', 'uk', 'ru', 'bg'"):
        telco.plot(language="xx")
    model = "Якість =~ PERQ1 + PERQ2; Лояльність =~ CUSL1 + CUSL3; Лояльність ~ Якість"
    fit = cx.PLS(model).fit(cx.datasets.load("mobi"))
    assert language("uk").pictures["path_title"] in fit.diagram(language="uk")
