"""A benchmark study: frames of all waves and levels, and what becomes of small units, against the same by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.acsi import Benchmark
from cxmodels.acsi.shrinkage import shrink
from cxmodels.errors import CxWarning, DataError, SpecError

WEIGHTS = {"industry": "revenue", "sector": "revenue", "nation": "gdp_share"}
LEVELS = ["industry", "sector", "nation"]
SMALL = ["Company 02", "Company 09"]


@pytest.fixture(scope="module")
def data():
    """28 companies of 4 industries in 2 sectors over 2 years; two companies have 30 interviews a year."""
    frame, _ = cx.datasets.simulate_study(companies=28, respondents=70, seed=5)
    within = frame.groupby(["company", "year"]).cumcount()
    return frame[~frame.company.isin(SMALL) | (within < 30)].reset_index(drop=True)


def run(data, bootstrap=0, **options):
    plan = Benchmark(**{"levels": LEVELS, "weights": WEIGHTS, "wave": "year", **options})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        return plan.fit(cx.Survey(data, weights="weight"), bootstrap=bootstrap, seed=1)


@pytest.fixture(scope="module")
def plain(data):
    return run(data)


@pytest.fixture(scope="module")
def pooled(data):
    return run(data, bootstrap=30, minimum_n=50, small="pool")


def each_year(data, by="company"):
    index = cx.SatisfactionIndex()
    return {
        year: index.fit(cx.Survey(part, weights="weight"), by, bootstrap=0) for year, part in data.groupby("year")
    }


def test_waves_and_levels_are_those_of_the_index_fitted_year_by_year(data, plain):
    years = each_year(data)
    assert list(plain.waves) == [2024, 2025]
    for year, one in years.items():
        mine = plain.scores[plain.scores.wave == year].drop(columns=["wave", "source", "direct"])
        pd.testing.assert_frame_equal(mine.reset_index(drop=True), one.scores)
        above = plain.aggregates[plain.aggregates.wave == year].drop(columns="wave").reset_index(drop=True)
        pd.testing.assert_frame_equal(above, one.aggregate(LEVELS, WEIGHTS), check_dtype=False)
    change = plain.changes.query("level == 'company'").reset_index(drop=True)
    wanted = years[2025].change(years[2024])
    np.testing.assert_allclose(change["change"], wanted["change"], atol=1e-12)
    np.testing.assert_allclose(change["pvalue_adjusted"], wanted["pvalue_adjusted"], atol=1e-12)
    top = plain.aggregates.query("level == 'nation' and construct == 'Satisfaction'").set_index("wave")
    moved = plain.changes.query("level == 'nation' and construct == 'Satisfaction'").iloc[0]
    assert moved["change"] == pytest.approx(top["index"][2025] - top["index"][2024], abs=1e-12)
    assert moved["se"] == pytest.approx(np.hypot(*top["se"]), abs=1e-12)
    assert set(plain.changes.flag) <= {"up", "down", "same"}
    assert f"{top['index'][2025]:.1f} on 0-100" in repr(plain)


def test_ranks_cover_every_level_inside_those_above(plain):
    pairs = set(map(tuple, plain.ranks[["level", "within"]].drop_duplicates().to_numpy()))
    above = ["company", *LEVELS]
    assert pairs == {(a, b) for i, a in enumerate(above) for b in above[i + 1 :]}
    first = plain.ranks.query("wave == 2025 and level == 'company' and within == 'nation'")
    assert len(first) == 28
    assert first["index"].is_monotonic_decreasing
    sizes = plain.ranks.query("wave == 2025 and level == 'company' and within == 'industry'").groupby("inside").size()
    assert sizes.sum() == 28


def test_rates_of_companies_and_of_all_levels(data, plain):
    part = data.query("year == 2025 and company == 'Company 05'")
    row = plain.rates.query("wave == 2025 and level == 'company' and name == 'Company 05'").iloc[0]
    assert row["value"] == pytest.approx(np.average(part.complaint, weights=part.weight), abs=1e-12)
    industry = data.query("year == 2025").drop_duplicates("company").set_index("company")
    shown = plain.rates.query("wave == 2025 and level == 'company'").set_index("name")["value"]
    name = industry.industry.iloc[0]
    own = industry[industry.industry == name]
    wanted = np.average(shown[own.index], weights=own.revenue)
    found = plain.rates.query("wave == 2025 and level == 'industry' and name == @name")["value"].item()
    assert found == pytest.approx(wanted, abs=1e-12)


# --- small units --------------------------------------------------------------------------------------------


def test_a_pooled_unit_has_its_industrys_weights_and_its_own_means(data, pooled):
    row = pooled.scores.query("wave == 2025 and company == 'Company 02'").set_index("construct")
    part = data[data.year == 2025]
    home = part.loc[part.company == "Company 02", "industry"].iloc[0]
    industry = cx.SatisfactionIndex().fit(cx.Survey(part[part.industry == home], weights="weight"), bootstrap=0)
    own = part[part.company == "Company 02"]
    for construct, index in row["index"].items():
        v = industry.weights[industry.weights.construct == construct].set_index("item")["weight"]
        if construct == "Loyalty":
            continue  # its combined item is made of two questions
        lo, hi = (0, 1) if construct == "Complaints" else (1, 10)
        means = {i: np.average(own[i].dropna(), weights=own.weight[own[i].notna()]) for i in v.index}
        score = sum(v[i] * (means[i] - lo) / (hi - lo) for i in v.index)
        assert index == pytest.approx(100 * score, abs=1e-9)
    assert set(row["source"]) == {"pooled"}
    quality = ["overall_quality", "quality_custom", "quality_reliab"]
    v = industry.weights[industry.weights.construct == "Quality"].set_index("item")["weight"][quality].to_numpy()
    g, x = own.weight.to_numpy(), own[quality].to_numpy()
    o = ~np.isnan(x)
    share, mean = (g @ o) / g.sum(), (g @ np.where(o, x, 0)) / (g @ o)
    influence = 100 / 9 * (np.where(o, x - mean, 0) / share) @ v
    n = len(own)
    wanted = np.sqrt(n / (n - 1) * ((g * (influence - np.average(influence, weights=g))) ** 2).sum()) / g.sum()
    assert row.loc["Quality", "se"] == pytest.approx(wanted, rel=1e-9)
    assert row.loc["Quality", "se_bootstrap"] == pytest.approx(wanted, rel=0.6)
    impact = pooled.impacts.query("wave == 2025 and company == 'Company 02'").set_index(["driver", "target"])[
        "impact"
    ]
    np.testing.assert_allclose(impact, industry.impacts.set_index(["driver", "target"])["impact"].loc[impact.index])


def test_the_rules_say_what_was_done_to_whom(pooled):
    assert sorted(pooled.rules.company.unique()) == SMALL
    assert set(pooled.rules.rule) == {"pool"}
    assert pooled.rules.detail.str.contains("30 rows, fewer than 50").all()
    assert pooled.facts.query("source == 'pooled'").company.nunique() == 2
    assert "4 pool" in repr(pooled)
    assert pooled.unit("Company 02", 2025)["rules"].rows.tolist() == [30]
    with pytest.raises(SpecError, match="Did you mean 'Company 02'"):
        pooled.unit("company 02")


def test_large_units_are_as_without_a_rule(plain, pooled):
    large = pooled.scores[~pooled.scores.company.isin(SMALL)].drop(columns="se_bootstrap").reset_index(drop=True)
    wanted = plain.scores[~plain.scores.company.isin(SMALL)].drop(columns="se_bootstrap").reset_index(drop=True)
    pd.testing.assert_frame_equal(large, wanted)


def test_skipped_units_are_named_and_counted(data):
    result = run(data, minimum_n=50)
    assert sorted(result.skipped.company.unique()) == SMALL
    assert result.rules.rule.eq("skip").all()
    assert not set(result.scores.company) & set(SMALL)
    assert result.excluded["rows"].sum() == 120
    assert result.n_obs + 120 == len(data)


def test_shrunken_units_are_drawn_to_their_industry_and_leave_aggregates_alone(data, plain):
    result = run(data, minimum_n=50, small="shrink")
    year = result.scores[(result.scores.wave == 2025) & (result.scores.construct == "Satisfaction")]
    direct = plain.scores[(plain.scores.wave == 2025) & (plain.scores.construct == "Satisfaction")]
    homes = result.facts[result.facts.wave == 2025].set_index("company").industry[direct.company]
    found = shrink(direct["index"], direct["se"], homes)
    wanted = np.where(direct.company.isin(SMALL), found.est, direct["index"])
    np.testing.assert_allclose(year["index"], wanted, rtol=1e-12)
    np.testing.assert_allclose(year["direct"], direct["index"], rtol=1e-12)
    assert year.set_index("company").source[SMALL].eq("shrunk").all()
    pd.testing.assert_frame_equal(result.aggregates, plain.aggregates)


def test_impacts_are_shrunk_where_they_have_standard_errors(data):
    result = run(data, bootstrap=30, minimum_n=50, small=["pool", "shrink"])
    small = result.impacts[result.impacts.company.isin(SMALL)]
    assert small.source.eq("shrunk").all()
    table = result.shrunk_impacts.query("wave == 2025 and driver == 'Quality' and target == 'Satisfaction'")
    found = shrink(table.direct, result.waves[2025].impacts.query(
        "driver == 'Quality' and target == 'Satisfaction'")["se"], table.industry)  # fmt: skip
    np.testing.assert_allclose(table.impact, found.est, rtol=1e-12)
    assert set(result.rules.rule) == {"pool", "shrink"}


def test_all_others_are_one_unit_with_the_sum_of_their_weights(data):
    result = run(data, minimum_n=50, others="All others", small="pool")
    others = result.rules[result.rules.rule == "others"]
    assert sorted(others.company.unique()) == SMALL
    industries = data.drop_duplicates("company").set_index("company").industry
    labels = {f"All others: {industries[c]}" for c in SMALL}
    assert labels <= set(result.facts.company)
    assert not set(SMALL) & set(result.facts.company)
    merged = data.assign(company=np.where(data.company.isin(SMALL), "All others: " + data.industry, data.company))
    revenue = data[data.company.isin(SMALL)].drop_duplicates(["company", "year"])
    total = revenue.assign(label="All others: " + revenue.industry).groupby(["year", "label"]).revenue.sum()
    for (year, label), value in total.items():
        shown = result.facts[(result.facts.wave == year) & (result.facts.company == label)]
        assert shown.revenue.item() == pytest.approx(value)
        assert shown.rows.item() == ((merged.year == year) & (merged.company == label)).sum()


def test_a_unit_small_in_one_wave_is_among_the_others_in_all(data):
    part = data[
        ~((data.company == "Company 05") & (data.year == 2024) & (data.groupby(["company", "year"]).cumcount() > 23))
    ]
    result = run(part, minimum_n=25, others="Rest", small="pool")
    lines = result.rules[(result.rules.rule == "others") & (result.rules.company == "Company 05")].set_index("wave")
    assert lines.rows.tolist() == [24, 70]
    assert "fewer than 25 in another wave" in lines.detail[2025]
    assert result.facts.company.str.startswith("Rest: ").sum() == 2


def test_units_already_called_others_are_those_of_their_industry(data):
    part = data.assign(company=data.company.where(~data.company.isin(SMALL), "All others"))
    assert part[part.company == "All others"].industry.nunique() == 2
    part["revenue"] = part.revenue.where(part.company != "All others", 500.0)
    result = run(part, minimum_n=10, others="All others")
    assert result.facts.company.str.startswith("All others: ").sum() == 4
    assert result.facts[result.facts.company.str.startswith("All")].revenue.eq(500).all()


def test_a_group_too_small_to_pool_gives_way_to_the_next_level(data):
    one = data.drop_duplicates("company").set_index("company").industry["Company 02"]
    part = data[(data.industry != one) | (data.company == "Company 02")]
    result = run(part, minimum_n=50, small="pool")
    detail = result.rules[result.rules.company == "Company 02"].detail
    sector = data[data.industry == one].sector.iloc[0]
    assert detail.str.endswith(f"of {sector}").all()


def test_pooling_works_where_every_unit_is_small(data):
    part = data[data.company.isin(data.company.unique()[:6]) & (data.year == 2025)]
    result = run(part, minimum_n=100, small="pool")
    assert (result.facts.source == "pooled").all()
    with pytest.raises(DataError, match=r"All 6 companies of wave 2025 have fewer than 100 rows; lower minimum_n"):
        run(part, minimum_n=100)


def test_a_unit_whose_own_model_fails_borrows_one(data):
    part = data.copy()
    part.loc[part.company == "Company 12", ["satisfaction", "confirm", "ideal"]] = 7.0
    part = part[part.year == 2025]
    alone = run(part, minimum_n=15)
    assert alone.skipped.company.tolist() == ["Company 12"]
    result = run(part, minimum_n=15, small="pool")
    row = result.scores.query("company == 'Company 12' and construct == 'Satisfaction'").iloc[0]
    assert row["index"] == pytest.approx(100 * 6 / 9)
    assert "Company 12" in result.rules.company.tolist()


def test_covariance_models_run_and_pool_as_well(data):
    model = """Quality =~ overall_quality + quality_custom + quality_reliab
               Satisfaction =~ satisfaction + confirm + ideal
               Satisfaction ~ Quality"""
    index = cx.SatisfactionIndex(model, engine="sem", scale=(1, 10))
    part = data[(data.year == 2025) & data.industry.isin(data.industry.unique()[:2])]
    result = run(
        part, index=index, minimum_n=50, small=["pool", "shrink"], levels=["industry", "nation"], weights="revenue"
    )
    assert result.facts.source.eq("pooled").sum() == 2
    impacts = result.impacts[result.impacts.company.isin(SMALL)]
    assert impacts.source.eq("shrunk").all()
    assert np.isfinite(result.scores[["index", "se"]]).all().all()


# --- what does not matter -----------------------------------------------------------------------------------


def test_a_wave_is_the_same_alone_and_beside_another(data, pooled):
    alone = run(data[data.year == 2025], bootstrap=30, minimum_n=50, small="pool")
    both = pooled.impacts[pooled.impacts.wave == 2025].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.impacts, both)
    assert alone.changes.empty
    assert alone.explained.empty


def test_the_order_of_rows_does_not_matter_for_indices(data, plain):
    mixed = data.sample(frac=1, random_state=3)
    np.testing.assert_allclose(run(mixed).scores["index"], plain.scores["index"], rtol=1e-9)


def test_every_frame_is_there_and_tidy(pooled):
    for name, frame in pooled.frames.items():
        assert "wave" in frame.columns, name
        assert frame.columns.is_unique, name
    assert pooled.provenance["options"]["small"] == ["pool"]
    assert pooled.provenance["bootstrap"]["replicates"] == 30
    assert len(pooled.summary()) > 1000
    assert "<table" in pooled._repr_html_()
    whole = pooled.fieldwork.query("level == 'nation' and wave == 2025").iloc[0]
    assert whole["rows"] == whole["used"] == pooled.waves[2025].n_obs
    assert whole["effective_n"] < whole["used"]


def test_a_panel_has_smaller_errors_of_change(data):
    part = data[data.company.isin(data.company.unique()[:7])].copy()
    number = part.groupby(["company", "year"]).cumcount()
    part["person"] = part.company + "-" + number.astype(str)
    same = part[part.year == 2024].assign(year=2025)
    part = pd.concat([part[part.year == 2024], same])
    panel = run(part, respondent="person", panel=True)
    apart = run(part)
    assert (panel.changes["se"] < 1e-9).all()
    assert (apart.changes["se"] > 0.1).mean() > 0.9
