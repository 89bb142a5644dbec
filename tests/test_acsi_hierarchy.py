"""Aggregation over levels and quarters by hand, and units compared: ranks, shrinkage, and why an index changed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.acsi.hierarchy import aggregate_scores, last_values, rolling_change
from cxmodels.acsi.population import Population
from cxmodels.errors import CxError, DataError, SpecError

# Two sectors: A with industries a1 (two companies) and a2 (one), B with b1 (two).
FACTS = pd.DataFrame(
    {
        "company": ["c1", "c2", "c3", "c4", "c5"],
        "industry": ["a1", "a1", "a2", "b1", "b1"],
        "sector": ["A", "A", "A", "B", "B"],
        "revenue": [30.0, 10.0, 60.0, 5.0, 15.0],
        "gdp": [0.7, 0.7, 0.7, 0.3, 0.3],
    }
)
SCORES = pd.DataFrame(
    {
        "company": FACTS.company,
        "construct": "S",
        "index": [80.0, 60.0, 70.0, 50.0, 90.0],
        "se": [1.0, 2.0, 1.5, 1.0, 3.0],
        "n": [250, 200, 300, 100, 150],
    }
)
CHAIN = {"industry": "revenue", "sector": "revenue", "nation": "gdp"}


def test_the_formulas_hold_by_hand():
    found = aggregate_scores(SCORES, FACTS, ["company"], ["industry", "sector", "nation"], CHAIN).set_index("name")
    a1, se_a1 = 0.75 * 80 + 0.25 * 60, np.hypot(0.75 * 1, 0.25 * 2)
    b1, se_b1 = 0.25 * 50 + 0.75 * 90, np.hypot(0.25 * 1, 0.75 * 3)
    sector, se_sector = 0.4 * a1 + 0.6 * 70, np.hypot(0.4 * se_a1, 0.6 * 1.5)
    nation, se_nation = 0.7 * sector + 0.3 * b1, np.hypot(0.7 * se_sector, 0.3 * se_b1)
    wanted = {"a1": (a1, se_a1), "a2": (70, 1.5), "b1": (b1, se_b1), "A": (sector, se_sector), "B": (b1, se_b1)}
    wanted["nation"] = (nation, se_nation)
    for name, (index, se) in wanted.items():
        assert found.loc[name, "index"] == pytest.approx(index, abs=1e-12)
        assert found.loc[name, "se"] == pytest.approx(se, abs=1e-12)
    assert found.units[["a1", "A", "nation"]].tolist() == [2, 3, 5]
    assert found.n["nation"] == 1000
    assert found.ci_upper["nation"] == pytest.approx(nation + 1.959963984540054 * se_nation)


def test_one_weight_for_all_levels_equals_the_chain_of_revenues():
    once = aggregate_scores(SCORES, FACTS, ["company"], ["industry", "sector"], "revenue")
    chain = aggregate_scores(
        SCORES, FACTS, ["company"], ["industry", "sector"], dict.fromkeys(("industry", "sector"), "revenue")
    )
    pd.testing.assert_frame_equal(once, chain)


def test_years_are_kept_apart_in_a_chain():
    two = pd.concat([SCORES.assign(year=2024), SCORES.assign(year=2025, index=SCORES["index"] + 2)])
    facts = pd.concat([FACTS.assign(year=y) for y in (2024, 2025)])
    both = aggregate_scores(two, facts, ["company", "year"], ["industry", "sector", "nation"], CHAIN)
    alone = aggregate_scores(SCORES, FACTS, ["company"], ["industry", "sector", "nation"], CHAIN)
    for year, shift in ((2024, 0), (2025, 2)):
        part = both[both.year == year].reset_index(drop=True)
        np.testing.assert_allclose(part["index"], alone["index"] + shift)
        np.testing.assert_allclose(part.se, alone.se)


@pytest.mark.parametrize(
    ("facts", "weights", "said"),
    [
        (FACTS.assign(revenue=[1, 2, 3, 4, -5.0]), CHAIN, "negative or missing for 'c5'"),
        (FACTS.assign(revenue=[1, 2, 3, 4, np.nan]), CHAIN, "negative or missing for 'c5'"),
        (FACTS.assign(revenue=[1, 2, 0, 4, 5.0]), CHAIN, "industry 'a2' are zero"),
        (FACTS.assign(gdp=[0.7, 0.6, 0.7, 0.3, 0.3]), CHAIN, "varies within sector 'A'"),
        (FACTS.assign(sector=["A", "B", "A", "B", "B"]), CHAIN, "industry 'a1' lies in more than one sector"),
        (FACTS, {"sectr": "revenue"}, "Did you mean 'sector'"),
    ],
)
def test_bad_hierarchies_are_refused(facts, weights, said):
    with pytest.raises(CxError, match=said):
        aggregate_scores(SCORES, facts, ["company"], ["industry", "sector", "nation"], weights)


def quarters():
    return pd.DataFrame(
        {
            "quarter": [1, 1, 2, 3, 3],
            "industry": ["a", "b", "a", "b", "c"],
            "construct": "S",
            "index": [70.0, 60.0, 72.0, 63.0, 80.0],
            "se": [1.0, 2.0, 1.0, 2.0, 1.0],
            "n": 250,
        }
    )


def test_last_values_are_carried_and_aged():
    rolled = last_values(quarters(), "quarter", "industry")
    third = rolled[rolled.quarter == 3].set_index("industry")
    assert third["index"].to_dict() == {"a": 72.0, "b": 63.0, "c": 80.0}
    assert third.age.to_dict() == {"a": 1, "b": 0, "c": 0}
    young = last_values(quarters(), "quarter", "industry", max_age=0)
    assert young[young.quarter == 3].industry.tolist() == ["b", "c"]
    with pytest.raises(DataError, match="twice"):
        last_values(pd.concat([quarters(), quarters()]), "quarter", "industry")


def test_the_error_of_what_was_not_measured_anew_cancels():
    facts = pd.DataFrame({"industry": ["a", "b", "c"], "w": [1.0, 3.0, 1.0]})
    found = rolling_change(last_values(quarters(), "quarter", "industry"), facts, "quarter", "industry", "w")
    second = found[found.quarter == 2].iloc[0]
    assert second["index"] == pytest.approx(0.25 * 72 + 0.75 * 60)
    assert second.change == pytest.approx(0.5)
    assert second.change_se == pytest.approx(np.sqrt(2) * 0.25)  # only industry a was measured again
    third = found[found.quarter == 3].iloc[0]
    p, q = np.array([0.2, 0.6, 0.2]), np.array([0.25, 0.75])
    variance = ((0.2 - 0.25) * 1) ** 2 + (p[1] * 2) ** 2 + (q[1] * 2) ** 2 + p[2] ** 2
    assert third.change_se == pytest.approx(np.sqrt(variance))


@pytest.fixture(scope="module")
def waves():
    population = Population.draw(companies=14, years=2, seed=5)
    survey = population.sample(200, seed=3)
    fits = {}
    for year, part in survey.groupby("year"):
        fits[year] = cx.SatisfactionIndex().fit(part, by="company", weights="weight", bootstrap=60, seed=1)
    return fits, population.truth


def test_units_fitted_together_are_those_fitted_alone(waves):
    fits, _ = waves
    together = fits[2024]
    part = together.survey.frame
    unit = part[part.company == "Company 03"]
    alone = cx.SatisfactionIndex().fit(unit, weights="weight", bootstrap=0)
    mine = together.scores[together.scores.company == "Company 03"].reset_index(drop=True)
    for name in ("index", "se"):
        np.testing.assert_allclose(mine[name], alone.scores[name], rtol=1e-10)
    paths = together.paths[together.paths.company == "Company 03"]
    np.testing.assert_allclose(paths.est, alone.paths.est, atol=1e-9)
    assert together.fit_of("Company 03").n_obs == 200
    assert together.respondents.shape[0] == 14 * 200


def test_workers_do_not_change_a_digit(waves):
    fits, _ = waves
    part = fits[2024].survey.frame
    again = cx.SatisfactionIndex().fit(part, by="company", weights="weight", bootstrap=60, seed=1, n_jobs=2)
    pd.testing.assert_frame_equal(fits[2024].impacts, again.impacts)


def test_ranks_and_shrinkage_of_units(waves):
    fits, _ = waves
    table = fits[2025].ranks()
    assert table["rank"].tolist() == sorted(table["rank"])
    assert ((table.rank_lower <= table["rank"]) & (table["rank"] <= table.rank_upper)).all()
    inside = fits[2025].ranks(within="industry")
    assert inside.groupby("industry")["rank"].min().eq(1).all()
    drawn = fits[2025].shrunk(within="industry")
    assert (drawn.se <= fits[2025].scores.se * 1.35).all()
    mean = drawn.groupby(["industry", "construct"]).direct.transform("mean")
    assert ((drawn["index"] - mean).abs() <= (drawn.direct - mean).abs() + 0.8).mean() > 0.9
    with pytest.raises(SpecError, match="Did you mean 'industry'"):
        fits[2025].ranks(within="industri")
    with pytest.raises(SpecError, match="no construct"):
        fits[2025].ranks("Joy")


def test_the_parts_of_a_change_add_up_to_it(waves):
    fits, _ = waves
    why = fits[2025].explain_change(fits[2024])
    change = fits[2025].change(fits[2024])
    satisfaction = change[change.construct == "Satisfaction"].set_index("company").change
    total = why[why.part == "change"].set_index("company").est
    np.testing.assert_allclose(total, satisfaction[total.index], atol=1e-9)
    parts = why[why.part != "change"].groupby("company").est.sum()
    np.testing.assert_allclose(parts, total[parts.index], atol=1e-9)
    assert (why.ci_lower <= why.est + 1e-9).mean() > 0.9
    zero = fits[2025].explain_change(fits[2024], reference=0.0)
    drivers = [w[w.part == "driver"].est.to_numpy() for w in (why, zero)]
    np.testing.assert_allclose(*drivers)
    with pytest.raises(SpecError, match="Nothing leads to 'Expectations'"):
        fits[2025].explain_change(fits[2024], "Expectations")
    with pytest.raises(SpecError, match="reference"):
        fits[2025].explain_change(fits[2024], reference="zero")


def test_the_nation_from_companies(waves):
    fits, truth = waves
    weights = {"industry": "revenue", "sector": "revenue", "nation": "gdp_share"}
    table = fits[2024].aggregate(["industry", "sector", "nation"], weights)
    nation = table[(table.level == "nation") & (table.construct == "Satisfaction")].iloc[0]
    assert nation.units == 14
    assert nation.se < fits[2024].scores.se.mean() / 2
    known = truth.index.query("year == 2024 and construct == 'Satisfaction'").set_index("company")["index"]
    facts = fits[2024].survey.frame.drop_duplicates("company").set_index("company")
    inside = (facts.revenue * known).groupby(facts.sector).sum() / facts.revenue.groupby(facts.sector).sum()
    share = facts.drop_duplicates("sector").set_index("sector").gdp_share
    assert abs(nation["index"] - np.average(inside, weights=share[inside.index])) < 3 * nation.se


@pytest.mark.parametrize(
    ("renamed", "call", "said"),
    [
        ({"company": "index"}, {"by": "index"}, "by names 'index'"),
        ({"industry": "se"}, {"levels": ["se"]}, "'se' is called like one of every result"),
        ({"industry": "units"}, {"levels": ["units"]}, "'units' is called like one of every result"),
        ({"revenue": "n"}, {"weights": "n"}, "'n' is called like one of every result"),
    ],
)
def test_columns_called_like_those_of_results_are_refused(renamed, call, said):
    data = cx.datasets.simulate_study(companies=4, respondents=40, years=1, seed=3)[0].rename(columns=renamed)
    call = {"by": "company", "levels": ["industry"], "weights": "revenue"} | call

    def aggregate():
        fitted = cx.SatisfactionIndex().fit(data, by=call["by"], bootstrap=0)
        return fitted.aggregate(call["levels"], weights=call["weights"])

    with pytest.raises(SpecError, match=said):
        aggregate()


def test_units_that_are_text_in_one_wave_and_numbers_in_the_other_are_refused():
    data = cx.datasets.simulate_study(companies=4, respondents=40, seed=3)[0]
    number = data["company"].str[-1].astype(int)
    fits = [
        cx.SatisfactionIndex().fit(part.assign(company=names[part.index]), by="company", bootstrap=0)
        for (_, part), names in zip(data.groupby("year"), (number.astype(str), number), strict=True)
    ]
    with pytest.raises(SpecError, match="'company' holds text in the earlier wave and numbers in this one"):
        fits[1].change(fits[0])
