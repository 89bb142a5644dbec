"""What is wrong with a benchmark study is said before anything is fitted: all of it at once, names and counts included."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

import cxmodels as cx
from cxmodels.acsi import Benchmark
from cxmodels.errors import CxError, DataError, SpecError
from cxmodels.studybenchmark import read_facts

WEIGHTS = {"industry": "revenue", "sector": "revenue", "nation": "gdp_share"}
LEVELS = ["industry", "sector", "nation"]


@pytest.fixture(scope="module")
def clean():
    return cx.datasets.simulate_study(companies=14, respondents=30, seed=2)[0]


def prepare(data, facts=None, **options):
    plan = Benchmark(**{"levels": LEVELS, "weights": WEIGHTS, "wave": "year", "respondent": "respondent", **options})
    return plan.prepare(cx.Survey(data, weights="weight"), facts)[1]


def said(data, facts=None, **options):
    with pytest.raises(CxError) as caught:
        prepare(data, facts, **options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def company(data, name, **changes):
    """The data with something changed for one company in 2025."""
    out = data.copy()
    rows = (out.company == name) & (out.year == 2025)
    for column, value in changes.items():
        out[column] = out[column].astype(object).where(~rows, value).infer_objects()
    return out


def test_clean_data_pass(clean):
    roster = prepare(clean)
    assert roster.waves == (2024, 2025)
    assert len(roster.survey) == len(clean)
    assert roster.left_out.empty


def test_each_fault_is_one_sentence(clean):
    first = clean.iloc[[0]]
    cases = {
        "1 company without 'industry' (30 rows): 'Company 03'.": company(clean, "Company 03", industry=None),
        "The weight 'revenue' is missing for 1 company: 'Company 05'.": company(clean, "Company 05", revenue=np.nan),
        "The weight 'revenue' is negative for 1 company: 'Company 05'.": company(clean, "Company 05", revenue=-1.0),
        "company 'Company 01' lies in 2 of 'industry' in wave 2025": pd.concat(
            [clean, clean.query("company == 'Company 01' and year == 2025").head(3).assign(
                industry="Finance and insurance 1", respondent=[90001, 90002, 90003])]
        ),
        "1 respondent more than once in wave 2024 (2 rows): '1'": pd.concat([clean, first]),
        "1 company with one row in a wave: 'Solo'": pd.concat([clean, first.assign(company="Solo", respondent=90001)]),
        "1 company without any answer to Value: 'Company 07 (2025)'.": company(
            clean, "Company 07", price_given_quality=np.nan, quality_given_price=np.nan
        ),
        "All case weights are zero for 1 company: 'Company 02'.": company(clean, "Company 02", weight=0.0),
        "The weight 'revenue' varies within 1 company in a wave: 'Company 01'": clean.assign(
            revenue=clean.revenue.where(clean.index != 0, 1.0)
        ),
        "outside the scale 1-10: 'satisfaction' (1 answers)": clean.assign(
            satisfaction=clean.satisfaction.where(clean.index != 5, 99.0)
        ),
        "The weight 'revenue' holds text in 30 rows, such as 'much'": company(clean, "Company 04", revenue="much"),
    }  # fmt: skip
    for wanted, data in cases.items():
        text = said(data)
        assert wanted in text, text
        assert "problems:" not in text, text


def test_all_faults_are_said_at_once(clean):
    data = company(clean, "Company 03", industry=None)
    data = company(data, "Company 05", revenue=-1.0)
    data = company(data, "Company 07", price_given_quality=np.nan, quality_given_price=np.nan)
    data = pd.concat([data, data.iloc[[0]]])
    text = said(data)
    assert text.startswith("4 problems: (1) ")
    for part in ("without 'industry'", "negative for 1 company", "to Value", "more than once"):
        assert part in text


def test_waves_are_in_order_and_in_the_data(clean):
    assert "out of order: 2025, 2024; list them as 2024, 2025" in said(clean, waves=[2025, 2024])
    text = said(clean, waves=[2024, 2026])
    assert "waves lists '2026', and 'year' holds only 2024 (420 rows), 2025 (420 rows)" in text
    named = clean.assign(year=np.where(clean.year == 2024, "spring", "autumn"))
    assert "no order of their own" in said(named)
    assert prepare(named, waves=["spring", "autumn"]).waves == ("spring", "autumn")
    quarters = clean.assign(year=np.where(clean.year == 2024, "Q4 2024", "Q1 2025"))
    assert prepare(quarters).waves == ("Q4 2024", "Q1 2025")
    assert "out of order" in said(quarters, waves=["Q1 2025", "Q4 2024"])
    blank = clean.assign(year=clean.year.where(clean.index > 9))
    roster = prepare(blank, waves=[2025])
    assert roster.waves == (2025,)
    assert dict(zip(roster.left_out.reason, roster.left_out.rows, strict=True)) == {
        "no wave named": 10, "wave not compared": 410,
    }  # fmt: skip


def test_columns_that_are_not_there_are_near_others(clean):
    text = said(clean, by="compny", levels=["industri", "sector"], weights="revenu")
    assert text.startswith("3 problems")
    for near in ("'company'", "'industry'", "'revenue'"):
        assert f"Did you mean {near}?" in text
    assert "called like one of every result" in said(clean.rename(columns={"company": "name"}), by="name")


def test_rules_take_care_of_units_of_one_row(clean):
    solo = pd.concat([clean, clean.iloc[[0]].assign(company="Solo", respondent=90001)])
    prepare(solo, minimum_n=10)
    prepare(solo, minimum_n=10, others="All others")
    prepare(solo, exclude=["Solo"])
    assert "Solo" in said(solo, minimum_n=10, small="pool")
    assert "no company of the data. Did you mean 'Company 01'?" in said(clean, exclude=["company 01"])


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"small": "poll", "minimum_n": 5}, "Did you mean 'pool'"),
        ({"small": ["skip", "pool"], "minimum_n": 5}, "nothing is left"),
        ({"small": "pool"}, "minimum_n"),
        ({"others": "Rest"}, "minimum_n"),
        ({"minimum_n": -1}, "0 or more"),
        ({"adjust": "holms"}, "Did you mean 'holm'"),
        ({"weights": {"industri": "revenue"}}, "none of the levels"),
        ({"levels": ["company", "industry"]}, "above 'company'"),
        ({"respondent": None, "panel": True}, "needs respondent"),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(clean, options, wanted):
    with pytest.raises(SpecError, match=wanted):
        prepare(clean, **options)


# --- facts --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tables(clean):
    """Revenue by company and year, and shares of sectors."""
    revenue = clean.drop_duplicates(["company", "year"])[["company", "year", "industry", "revenue"]]
    return revenue, clean.drop_duplicates("sector")[["sector", "gdp_share"]]


def bare(clean):
    return clean.drop(columns=["revenue", "gdp_share"])


def test_facts_stand_for_columns_of_the_data(clean, tables):
    roster = prepare(bare(clean).drop(columns="industry"), list(tables))
    for column in ("industry", "revenue", "gdp_share"):
        assert (roster.survey.frame[column].to_numpy() == clean[column].to_numpy()).all()
    assert prepare(clean, list(tables)).notes[0] == "'revenue' is taken from facts table 1, not from the data."


def test_facts_that_do_not_fit_are_named(clean, tables):
    revenue, shares = tables
    wrong = revenue.assign(company=revenue.company.replace("Company 03", "Company 03 Ltd"))
    text = said(bare(clean), [wrong, shares])
    assert "no line for 1 company: 'Company 03'. Did you mean 'Company 03 Ltd'?" in text
    assert "names 1 company without a respondent: 'Company 03 Ltd'" in text
    assert "has 2 lines for company 'Company 01'" in said(
        bare(clean), [pd.concat([revenue, revenue.head(1)]), shares]
    )
    moved = revenue.assign(industry=revenue.industry.where(revenue.company != "Company 02", "Elsewhere"))
    assert "place 1 company in different 'industry': 'Company 02'" in said(bare(clean), [moved, shares])
    assert "it needs 'company' or a level" in said(bare(clean), [shares.rename(columns={"sector": "x"}), revenue])
    assert "'gdp_share', which is not a column of the data or the facts" in said(bare(clean), revenue)
    assert "missing for 1 company: 'Company 09'" in said(
        bare(clean), [revenue.assign(revenue=revenue.revenue.where(revenue.company != "Company 09")), shares]
    )


def test_one_fault_of_the_facts_is_one_problem(clean, tables):
    _, shares = tables
    places = clean.drop_duplicates("company")[["company", "industry", "sector", "revenue"]]
    data = bare(clean).drop(columns=["industry", "sector"])
    text = said(data, [places[places.company != "Company 05"], shares])
    assert text == "facts table 1 has no line for 1 company: 'Company 05'."
    blank = places.assign(sector=places.sector.where(places.company != "Company 05"))
    assert said(data, [blank, shares]) == "1 company without 'sector' (60 rows): 'Company 05'."


def test_units_are_counted_once_over_the_waves(clean):
    silent = clean.company == "Company 03"
    data = clean.assign(
        satisfaction=clean.satisfaction.where(~silent),
        confirm=clean.confirm.where(~silent),
        ideal=clean.ideal.where(~silent),
    )
    assert said(data) == "1 company without any answer to Satisfaction: 'Company 03 (2024)', 'Company 03 (2025)'."
    zero = clean.assign(weight=clean.weight.where(~silent, 0.0))
    assert said(zero) == "All case weights are zero for 1 company: 'Company 03'."
    jumbled = clean.assign(revenue=clean.revenue.where(~silent, range(len(clean))))
    assert said(jumbled) == "The weight 'revenue' varies within 1 company in a wave: 'Company 03'."


def test_names_that_may_be_one_unit_are_noted(clean):
    other = np.where(clean.index % 2, " company  03", "Company 03")
    roster = prepare(clean.assign(company=clean.company.where(clean.company != "Company 03", other)))
    (note,) = roster.notes
    assert "'company' has names that differ only in blanks or capitals: 'Company 03', ' company  03'" in note


def test_data_without_a_named_unit_and_waves_too_small_to_pool_are_told_apart(clean):
    assert said(clean.assign(company=None)) == f"'company' is blank in all {len(clean)} rows that could be used."
    plan = Benchmark(levels=LEVELS, weights=WEIGHTS, wave="year", minimum_n=10_000, small="pool")
    with pytest.raises(DataError, match="none of the 14 companies can be measured; all rows together are 420, fewer"):
        plan.fit(clean, bootstrap=0)


def test_an_ordered_category_brings_the_order_of_its_waves(clean):
    names = clean.year.map({2024: "spring", 2025: "autumn"})
    data = clean.assign(year=pd.Categorical(names, ["spring", "autumn"], ordered=True))
    assert prepare(data).waves == ("spring", "autumn")


def test_what_is_excluded_needs_no_facts(clean, tables):
    revenue, shares = tables
    roster = prepare(bare(clean), [revenue[revenue.company != "Company 05"], shares], exclude=["Company 05"])
    assert roster.waves == (2024, 2025)
    lost = company(clean, "Company 03", industry=None)
    text = said(lost.assign(weight=-1.0), exclude=["Company 3"])
    assert text.startswith("3 problems: ")
    for part in ("'weight'", "exclude names 'Company 3'", "without 'industry'"):
        assert part in text


def test_facts_and_data_may_spell_numbers_differently(clean, tables):
    revenue, shares = tables
    coded = {name: at for at, name in enumerate(clean.company.unique(), 1)}
    yearly = revenue.assign(year=revenue.year.astype(str), company=revenue.company.map(coded).astype(str))
    data = bare(clean).assign(company=clean.company.map(coded))
    roster = prepare(data, [yearly, shares])
    assert roster.survey.frame["revenue"].tolist() == clean["revenue"].tolist()
    assert "no line for 1 company: '5'" in said(data, [yearly[yearly.company != "5"], shares])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
def test_a_facts_file_in_any_encoding_is_read_and_that_is_said(tmp_path, encoding):
    path = tmp_path / "revenue.csv"
    path.write_bytes("company;revenue\nКиївстар;12,5\nВодафон;8\n".encode(encoding))
    frame, notes = read_facts(path)
    assert frame.company.tolist() == ["Київстар", "Водафон"]
    assert frame.revenue.tolist() == [12.5, 8.0]
    assert [("cp1251" in n) for n in notes] == ([True] if encoding == "cp1251" else [])


@pytest.mark.parametrize("kind", ["xlsx", "parquet"])
def test_a_facts_file_may_be_a_workbook_or_parquet(tmp_path, kind):
    frame = pd.DataFrame({"company": ["A", "B"], "revenue": [1.5, 2.5]})
    path = tmp_path / f"revenue.{kind}"
    frame.to_excel(path, index=False) if kind == "xlsx" else frame.to_parquet(path)
    assert read_facts(path)[0].revenue.tolist() == [1.5, 2.5]


def test_a_facts_file_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"company,revenue\nA\x98\x81\x8d,1\n")
    with pytest.raises(
        DataError, match=r"cannot be read\. 'a\.csv' is text neither in UTF-8 nor in cp125\d; save it"
    ):
        read_facts(tmp_path / "a.csv")
    (tmp_path / "revenue.csv").write_bytes(b"\x00\x01\x02binary")
    with pytest.raises(DataError, match="facts cannot be read"):
        read_facts(tmp_path / "revenue.csv")
    with pytest.raises(DataError, match=r"does not exist\. Did you mean 'revenue\.csv'"):
        read_facts(tmp_path / "revenu.csv")


# --- data as people have them -------------------------------------------------------------------------------


def numbered(data):
    """Companies and industries by number."""
    return data.assign(company=data.company.str[-2:].astype(int), industry=data.industry.factorize()[0])


@pytest.fixture(scope="module")
def some(clean):
    """Six companies, one of them small in both years."""
    part = clean[clean.company.isin(clean.company.unique()[:6])]
    return part[(part.company != "Company 03") | (part.groupby(["company", "year"]).cumcount() < 25)]


def top_with_others(data):
    options = {
        "levels": ["industry", "nation"],
        "weights": "revenue",
        "minimum_n": 30,
        "others": "Rest",
        "small": "pool",
    }
    result = Benchmark(**options, wave="year", waves=[2024, 2025]).fit(cx.Survey(data, weights="weight"), bootstrap=0)
    assert result.facts.company.astype(str).str.startswith("Rest: ").sum() == 2
    return result.aggregates.query("level == 'nation'")["index"].to_numpy()


@pytest.fixture(scope="module")
def wanted(some):
    return top_with_others(some)


@pytest.mark.parametrize(
    "change",
    [
        numbered,
        lambda data: data.astype({"company": "category", "industry": "category"}),
        lambda data: data.assign(year=data.year.astype(str)),
        pl.from_pandas,
        lambda data: pd.concat([part.reset_index(drop=True) for _, part in data.groupby("year")]),
    ],
    ids=["numbers", "categories", "text waves", "polars", "index that repeats"],
)
def test_identifiers_of_any_kind_give_the_same_numbers(some, wanted, change):
    found = top_with_others(change(some))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_waves_without_a_unit_in_common_are_compared_above_them(clean):
    apart = clean.assign(company=clean.company + clean.year.astype(str))
    result = Benchmark(levels=LEVELS, weights=WEIGHTS, wave="year").fit(apart, bootstrap=0)
    assert set(result.changes.level) == set(LEVELS)
    assert result.explained.empty
