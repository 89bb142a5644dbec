"""The words, pictures and page of what satisfaction is worth."""

import re
from xml.etree import ElementTree

import pytest

import cxmodels as cx
from cxmodels.report import worth_html, write_worth
from cxmodels.worth import simulate_worth

KINDS = ("chain", "waterfall", "tornado", "curve", "linkage")


@pytest.fixture(scope="module")
def world():
    base, survey, truth = simulate_worth(900, seed=8, churn=0.25)
    fit = cx.Drivers("csi", ["speed", "price", "service"]).fit(survey)
    return fit, base, {
        "customer": "customer_id", "left": "left", "margin": "margin", "spend": "spend", "controls": ["price"],
        "reliability": truth.reliability, "scale": (1, 10), "n": 20, "seed": 1, "discount": 0.01,
    }  # fmt: skip


@pytest.fixture(scope="module")
def bought(world):
    fit, base, options = world
    return cx.value_of_satisfaction(fit, base, costs={"speed": 300.0, "service": 500.0}, budget=900.0, **options)


@pytest.fixture(scope="module")
def point(world):
    fit, base, options = world
    return cx.value_of_satisfaction(fit, base, **{**options, "spend": None})


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_whole_and_named(bought, kind):
    text = str(bought.plot(kind, id="here"))
    ElementTree.fromstring(text)
    assert re.search(r'<title id="here-title">[A-Z]', text)
    assert "nan" not in text and "n/a" not in text  # noqa: PT018


def test_pictures_that_are_not_there(point):
    with pytest.raises(cx.CxError, match=r"There is no picture 'cruve'.*Did you mean 'curve'"):
        point.plot("cruve")
    with pytest.raises(cx.CxError, match="no curve of return against budget without costs"):
        point.plot("curve")


def test_words_say_what_the_frames_hold(bought, point):
    text = bought.paragraph
    assert text.startswith("The best plan for a budget of 900 moves ")
    assert f"{bought.cost:,.0f}" in text
    for part in ("association", "hidden common cause", "'price' held equal", "at least"):
        assert part in text
    share = bought.sensitivity.loc["share_needed", "value"]
    assert f"{100 * share:.0f} % of what goes together is cause" in text
    assert point.paragraph.startswith("Suppose csi were one point higher on 0-100")
    assert "nothing held equal" not in point.paragraph
    assert "spending" not in point.stages["stage"].tolist()
    assert "Return" not in dict(point.headline())


def test_page_is_self_contained_and_the_same_each_time(bought, point, tmp_path):
    page = worth_html(bought)
    assert page == worth_html(bought)
    assert page.count("<svg") == 5
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in page
    ids = re.findall(r'id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert worth_html(point).count("<svg") == 4  # no curve
    path = write_worth(bought, tmp_path / "deep" / "worth.html", title="<b>& what it is worth")
    assert "&lt;b&gt;&amp; what it is worth" in path.read_text()


def test_names_from_the_data_are_escaped(world):
    fit, base, options = world
    survey = fit.survey.frame.rename(columns={"service": "<i>service</i>"})
    found = cx.value_of_satisfaction(
        cx.Drivers("csi", ["speed", "<i>service</i>"]).fit(survey),
        base,
        {"<i>service</i>": 1.0},
        **{**options, "n": 4},
    )
    page = worth_html(found) + found._repr_html_()
    assert "<i>service" not in page
    assert page.count("&lt;i&gt;service") > 3


def test_result_shows_itself(bought):
    shown = bought._repr_html_()
    assert shown.count("<svg") == 2
    assert bought._repr_html_() == shown
    head = dict(bought.headline())
    assert head["Rows"].startswith("900 customers, 0 excluded;")
    assert head["Caution"] == "association, not cause"
    assert "joint replicates" in head["Bootstrap"]
