"""Complaints, retention, price tolerance and reservation price: definitions by hand, designs, units, hierarchy, coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.acsi import complaint_rate, demand, reservation_price, retention, tolerated_change
from cxmodels.acsi.population import Population
from cxmodels.errors import CxError

NONE = np.nan
WEIGHTS = {"industry": "revenue", "sector": "revenue", "nation": "gdp_share"}
UP, DOWN = [10.0, 30.0, 0.0, NONE, NONE, NONE], [NONE, NONE, NONE, -5.0, 40.0, NONE]


def test_definitions_by_hand():
    x, w = np.array([10, 8, 1, 5]), np.array([1.0, 2, 1, 1])
    kept = (x - 1) / 9
    e = retention(x, weights=w)
    mean = np.average(kept, weights=w)
    assert e.value == pytest.approx(mean)
    assert e.se == pytest.approx(np.sqrt(4 / 3 * ((w * (kept - mean)) ** 2).sum()) / w.sum())
    known = retention(x, calibration={10: 0.95, 8: 0.7, 5: 0.4, 1: 0.1})
    assert known.value == pytest.approx((0.95 + 0.7 + 0.1 + 0.4) / 4)
    t = np.array([10, 25, 0, -5, -25.0])
    tolerance = tolerated_change(UP, DOWN)
    assert (tolerance.value, tolerance.n, tolerance.missing) == (1.0, 5, 1)
    assert tolerance.se == pytest.approx(t.std(ddof=1) / np.sqrt(5))
    assert tolerated_change(UP, DOWN, limit=None).value == pytest.approx((10 + 30 + 0 - 5 - 40) / 5)
    assert reservation_price(UP, DOWN).value == pytest.approx(101)
    paid = np.array([10.0, 20, 10, 10, 20, 10])
    assert reservation_price(UP, DOWN, paid).value == pytest.approx((paid[:5] * (1 + t / 100)).mean())
    assert tolerated_change([5.0, 10.0], [NONE, NONE]).value == 7.5  # nobody was asked for a cut
    assert complaint_rate([0, 0, 1, NONE]).value == pytest.approx(1 / 3)


def test_the_demand_curve_falls_and_groups():
    curve = demand(UP, DOWN, changes=[-50, -5, 0, 10, 30, 31])
    np.testing.assert_allclose(curve.value, [1, 0.8, 0.6, 0.4, 0.2, 0])
    assert ((curve.ci_lower <= curve.value) & (curve.value <= curve.ci_upper)).all()
    frame = pd.DataFrame({"up": UP, "down": DOWN, "firm": list("aabbba")})
    grouped = demand("up", "down", data=frame, by="firm", changes=[0, 10])
    assert grouped[["firm", "change", "value"]].round(3).values.tolist() == [
        ["a", 0.0, 1.0],
        ["b", 0.0, 0.333],
        ["a", 10.0, 1.0],
        ["b", 10.0, 0.0],
    ]


def test_clusters_widen_what_stores_share():
    rng = np.random.default_rng(1)
    store = np.repeat(np.arange(30), 20)
    x = np.clip(np.round(7 + 1.5 * rng.standard_normal(30)[store] + rng.standard_normal(600)), 1, 10)
    apart, together = retention(x), retention(x, clusters=store)
    sums = np.bincount(store, (x - x.mean()) / 9)
    assert together.se == pytest.approx(np.sqrt(30 / 29 * (sums**2).sum()) / 600)
    assert together.se > 2.5 * apart.se


@pytest.fixture(scope="module")
def nation():
    population = Population.draw(companies=60, years=1, seed=4)
    data = population.sample(300, seed=2)
    return cx.SatisfactionIndex().fit(data, by="company", weights="weight", bootstrap=0), population.truth


def known_outcomes(truth) -> pd.DataFrame:
    rows = []
    for company, year in truth.units[["company", "year"]].itertuples(index=False):
        means, _ = truth.moments(company, year)
        rows.append((company, "Complaint rate", means["complaint"]))
        rows.append((company, "Retention", (means["repurchase"] - 1) / 9))
        rows.append((company, "Price tolerance", (means["price_tolerance"] - 1) * 50 / 9 - 25))
    return pd.DataFrame(rows, columns=["company", "measure", "truth"])


def test_intervals_of_units_and_levels_cover_the_population(nation):
    study, truth = nation
    known = known_outcomes(truth)
    found = study.outcomes().merge(known, on=["company", "measure"])
    assert len(found) == 180
    inside = (found.ci_lower <= found.truth) & (found.truth <= found.ci_upper)
    assert 0.91 < inside.mean() < 0.985
    units = truth.units.merge(known, on="company")
    top = study.aggregate_outcomes(["industry", "sector", "nation"], WEIGHTS)
    assert top.scale.unique().tolist() == ["share, 0–1", "percent of the price"]
    industry = units.groupby(["industry", "measure"])[["truth", "revenue"]].apply(
        lambda g: np.average(g.truth, weights=g.revenue)
    )
    low = top[top.level == "industry"].set_index(["name", "measure"])
    error = (low.value - industry.rename_axis(["name", "measure"])) / low.se
    assert error.abs().max() < 3.7
    assert 0.7 < error.std() < 1.3


def test_levels_are_weighted_means(nation):
    study, _ = nation
    own = study.outcomes().query("measure == 'Price tolerance'")
    nation_row = study.aggregate_outcomes("nation").query("measure == 'Price tolerance'").iloc[0]
    assert nation_row.value == pytest.approx(own.value.mean())
    assert nation_row.se == pytest.approx(np.sqrt((own.se**2).sum()) / 60)
    assert nation_row.ci_upper == pytest.approx(nation_row.value + 1.959963984540054 * nation_row.se)


def test_price_clusters_and_a_single_unit():
    data, _ = cx.datasets.simulate_study(companies=2, years=1, respondents=80, seed=1)
    data = data.assign(price=20.0, store=np.arange(len(data)) % 16)
    whole = cx.SatisfactionIndex().fit(data, bootstrap=0)
    found = whole.outcomes(price="price", clusters="store").set_index("measure")
    assert found.value["Reservation price"] == pytest.approx(20 * (1 + found.value["Price tolerance"] / 100))
    assert found.se["Reservation price"] == pytest.approx(0.2 * found.se["Price tolerance"])
    assert found.n["Complaint rate"] == 160
    few = cx.SatisfactionIndex(cx.acsi.ACSI.without("Loyalty")).fit(
        data.drop(columns=["repurchase", "tolerance_up"]), bootstrap=0
    )
    assert few.outcomes().measure.tolist() == ["Complaint rate"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda s: retention([11, 2]), "outside"),
        (lambda s: retention([1, 2], calibration={1: 0.1}), "no share for the answers '2'"),
        (lambda s: retention([1, 2], calibration={1: 0.1, 2: 20}), "answer '2.0' is no share"),
        (lambda s: retention([1, 2], calibration=[0.1, 0.2]), "calibration maps answers to shares"),
        (lambda s: s.outcomes(repurchase="repurchse"), "Did you mean 'repurchase'"),
        (lambda s: retention("q13"), "are texts"),
        (lambda s: complaint_rate([1, 2, 0]), "0 and 1 only"),
        (lambda s: tolerated_change([5.0], [5.0]), "1 respondents answered both"),
        (lambda s: tolerated_change([-5.0], [NONE]), "1 price rises are negative"),
        (lambda s: tolerated_change([NONE, 1], [3.0]), "2 price rises and 1 price cuts"),
        (lambda s: tolerated_change([NONE], [NONE]), "Nobody answered"),
        (lambda s: tolerated_change(UP, DOWN, limit=0), "limit is a percent above 0"),
        (lambda s: reservation_price(UP, DOWN, -1.0), "prices are above 0"),
        (lambda s: demand(UP, DOWN, changes=["5"]), "numbers, not '5'"),
        (lambda s: s.outcomes(clusters="stor"), "'stor' is not in the data"),
        (lambda s: s.aggregate_outcomes("industri"), "Did you mean 'industry'"),
    ],
)
def test_bad_input_is_refused(nation, call, said):
    with pytest.raises(CxError, match=said):
        call(nation[0])


def test_a_study_without_these_questions_says_so():
    mobi = cx.SatisfactionIndex(cx.acsi.ECSI).fit(cx.datasets.load("mobi"), bootstrap=0)
    with pytest.raises(CxError, match="have none of 'complaint', 'repurchase'"):
        mobi.outcomes()
