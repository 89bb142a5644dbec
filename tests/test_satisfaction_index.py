"""The satisfaction index by unit: against its parts, against known populations, and over levels and years."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import cxmodels as cx
from cxmodels.acsi.engines import statistic_of
from cxmodels.acsi.population import Population
from cxmodels.errors import CxWarning, DataError, DataWarning, SpecError
from tests.benchmarks.coverage import composites, coverage


@pytest.fixture(scope="module")
def simulated():
    data, truth = cx.datasets.simulate_study(companies=6, respondents=120, years=2, seed=3)
    return data, truth


@pytest.fixture(scope="module")
def study(simulated):
    data, _ = simulated
    survey = cx.Survey(data, weights="weight")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        return cx.SatisfactionIndex(cx.acsi.ACSI).fit(survey, by=["company", "year"], bootstrap=60, seed=1)


# --- against its parts -------------------------------------------------------------------------------------------


def test_mobi_headline():
    study = cx.SatisfactionIndex(cx.acsi.ECSI).fit(cx.datasets.load("mobi"), bootstrap=0)
    row = study.scores.set_index("construct").loc["Satisfaction"]
    assert round(row["index"], 2) == 72.45
    assert round(row["se"], 2) == 0.91
    assert row["ci_lower"] == pytest.approx(row["index"] - stats.norm.ppf(0.975) * row["se"])
    assert np.isnan(row["se_bootstrap"])
    impacts = study.impacts.set_index(["driver", "target"])["impact"]
    assert round(impacts["Image", "Satisfaction"], 4) == 0.4147
    assert study.impacts[["se", "ci_lower", "ci_upper"]].isna().all(axis=None)


def test_every_unit_is_a_fit_of_its_own(simulated, study):
    data, _ = simulated
    prepared = data.assign(price_tolerance=cx.acsi.price_tolerance(data["tolerance_up"], data["tolerance_down"]))
    spec = cx.PLS(cx.acsi.ACSI.syntax)
    scale = dict(cx.acsi.ACSI.scales)
    assert len(study.scores) == 6 * 2 * 6
    for (company, year), part in prepared.groupby(["company", "year"]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CxWarning)
            alone = spec.fit(part, weights="weight")
        rows = study.scores.query("company == @company and year == @year").set_index("construct")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CxWarning)
            np.testing.assert_allclose(rows["index"], alone.index(scale)[rows.index], atol=1e-8)
            np.testing.assert_allclose(rows["se"], alone.index_se(scale)[rows.index], atol=1e-8)
            effects = alone.unstandardized_effects(scale).set_index(["predictor", "outcome"])["total"]
        assert (rows["n"] == len(part)).all()
        impacts = study.impacts.query("company == @company and year == @year").set_index(["driver", "target"])
        np.testing.assert_allclose(impacts["impact"], effects[impacts.index], atol=1e-8)
        pd.testing.assert_frame_equal(study.fit_of(company, year).paths, alone.paths)
    weights = study.weights.groupby(["company", "year", "construct"])["weight"].sum()
    np.testing.assert_allclose(weights, 1)


def test_full_bootstrap_is_the_refit_of_resamples():
    mobi = cx.datasets.load("mobi")
    spec = cx.SatisfactionIndex(cx.acsi.ECSI)
    fit = spec.equations.fit(mobi)
    statistic = statistic_of(fit, *spec.ends(fit))
    rows = np.random.default_rng(0).integers(0, 250, (3, 250))
    counts = np.stack([np.bincount(r, minlength=250) for r in rows]).astype(float)
    values = statistic(counts)[0]
    for line, r in zip(values, rows, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CxWarning)
            again = spec.equations.fit(mobi.iloc[r])
            index, effects = again.index((1, 10)), again.unstandardized_effects((1, 10))
        np.testing.assert_allclose(line[:7], index, atol=1e-7)
        place = {name: i for i, name in enumerate(fit.layout.constructs)}
        at = effects["outcome"].map(place) * 7 + effects["predictor"].map(place) + 7
        np.testing.assert_allclose(line[at], effects["total"], atol=1e-7)


def test_bootstrap_of_the_index_is_near_its_error_at_fixed_weights():
    mobi = cx.datasets.load("mobi")
    study = cx.SatisfactionIndex(cx.acsi.ECSI).fit(mobi, bootstrap=1000, seed=1)
    scores = study.scores.set_index("construct")
    ratio = scores["se_bootstrap"] / scores["se"]
    assert ratio.drop("Loyalty").between(0.9, 1.2).all()  # weights vary little and matter less
    assert ratio["Loyalty"] > 1.2  # but for CUSL2, which hardly belongs to it and has a low mean
    impacts = study.impacts
    assert (impacts["ci_lower"] < impacts["impact"]).all()
    assert (impacts["impact"] < impacts["ci_upper"]).all()
    again = cx.SatisfactionIndex(cx.acsi.ECSI).fit(mobi, bootstrap=1000, seed=1, n_jobs=2)
    pd.testing.assert_frame_equal(study.impacts, again.impacts, rtol=0, atol=0)
    pd.testing.assert_frame_equal(study.scores, again.scores, rtol=0, atol=0)


def test_complaint_rate(simulated, study):
    data, _ = simulated
    part = data.query("company == 'Company 2' and year == 2024")
    row = study.rates.query("company == 'Company 2' and year == 2024").iloc[0]
    g, x = part["weight"].to_numpy(), part["complaint"].to_numpy()
    assert row["value"] == pytest.approx(np.average(x, weights=g))
    n = g.sum() ** 2 / (g**2).sum()
    count = row["value"] * n
    wilson = stats.binomtest(round(count), round(n)).proportion_ci(method="wilson")
    assert (row["ci_lower"], row["ci_upper"]) == pytest.approx((wilson.low, wilson.high), abs=0.01)


# --- against known populations -----------------------------------------------------------------------------------


def test_indices_of_many_units_scatter_about_the_truth():
    data, truth = cx.datasets.simulate_study(companies=25, respondents=250, years=1, seed=8, missing=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        study = cx.SatisfactionIndex().fit(cx.Survey(data, weights="weight"), by=["company", "year"], bootstrap=0)
    both = study.scores.merge(truth.index, on=["company", "year", "construct"], suffixes=("", "_true"))
    assert len(both) == 25 * 6
    z = ((both["index"] - both["index_true"]) / both["se"]).to_numpy()
    # 25 independent companies with six related constructs each
    assert abs(z.mean()) < 0.35
    assert 0.8 < z.std() < 1.25
    assert 0.87 < (np.abs(z) < 1.96).mean() <= 0.99
    impacts = study.impacts.merge(truth.impacts, on=["company", "year", "driver", "target"], suffixes=("", "_true"))
    assert len(impacts) == len(study.impacts)
    error = impacts.assign(e=impacts["impact"] - impacts["impact_true"]).groupby(["driver", "target"])["e"]
    standard = error.mean() / (error.std() / 5)
    assert standard.abs().max() < 4.5


def test_intervals_hold_the_truth_as_often_as_they_promise():
    """A small run of benchmarks/coverage.py; the band is three standard errors of the share wide."""
    table = coverage(composites(400, 150, "percentile"), surveys=50).set_index("quantity")
    rare = ["paths, complaints", "total effects, complaints"]  # a dozen complainers in a survey: told, not promised
    assert set(table.index) == {"paths", "weights", "loadings", "total effects", "index", *rare}
    assert (table.loc[rare, "coverage"] > 0.8).all(), table
    table = table.drop(rare)
    assert table["intervals"].min() >= 300
    assert ((table["coverage"] - 0.95).abs() < 0.02 + 3 * table["se"]).all(), table
    assert (table["coverage"] > 0.88).all(), table


def test_change_is_found_where_something_changed_and_only_there():
    """Unchanged companies give z-values that are standard normal, so 5 % false alarms."""
    population = Population.draw(companies=60, years=2, seed=4, unchanged=0.5)
    data = population.sample(150, seed=2, missing=0.0)
    spec = cx.SatisfactionIndex()
    fits = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        for year, part in data.groupby("year"):
            fits[year] = spec.fit(cx.Survey(part, weights="weight"), by="company", bootstrap=0)
    change = fits[2025].change(fits[2024]).merge(population.truth.changed, on="company")
    assert len(change) == 60 * 6
    still = change[~change["changed"] & (change["construct"] == "Satisfaction")]
    assert len(still) == 30
    assert stats.kstest(still["z"], "norm").pvalue > 0.01
    assert (still["pvalue_adjusted"] < 0.05).sum() <= 1
    row = change.iloc[0]
    keys = ["company", "construct"]
    one, other = (f.scores.set_index(keys).loc[(row["company"], row["construct"])] for f in fits.values())
    assert row["change"] == pytest.approx(other["index"] - one["index"])
    assert row["se"] == pytest.approx(np.hypot(one["se"], other["se"]))
    assert row["pvalue"] == pytest.approx(2 * stats.norm.sf(abs(row["z"])))


@pytest.mark.parametrize(("method", "theirs"), [("holm", "holm"), ("bh", "fdr_bh")])
def test_adjustment_of_pvalues_agrees_with_statsmodels(study, method, theirs):
    from statsmodels.stats.multitest import multipletests

    table = study.change(study, adjust=method)
    assert (table["change"] == 0).all()
    other = _shifted(study)
    table = other.change(study, adjust=method)
    for _, rows in table.groupby("construct"):
        np.testing.assert_allclose(rows["pvalue_adjusted"], multipletests(rows["pvalue"], method=theirs)[1])


def _shifted(study):
    """The same study with indices moved by different amounts."""
    import copy

    other = copy.copy(study)
    scores = study.scores.copy()
    scores["index"] += np.linspace(-6, 6, len(scores))
    object.__setattr__(other, "scores", scores)
    return other


# --- levels ------------------------------------------------------------------------------------------------------


def test_aggregate_by_hand(simulated, study):
    data, _ = simulated
    table = study.aggregate(["industry", "sector"], weights="revenue")
    facts = data.groupby(["company", "year"])[["industry", "sector", "revenue"]].first().reset_index()
    joined = study.scores.merge(facts, on=["company", "year"])
    assert set(table["level"]) == {"industry", "sector"}
    for row in table.itertuples():
        part = joined[
            (joined[row.level] == row.name) & (joined["year"] == row.year) & (joined["construct"] == row.construct)
        ]
        p = part["revenue"] / part["revenue"].sum()
        found = table.loc[row.Index]
        assert found["index"] == pytest.approx(p @ part["index"])
        assert found["se"] == pytest.approx(np.sqrt((p**2) @ (part["se"] ** 2)))
        assert found["units"] == len(part)
        assert found["n"] == part["n"].sum()
    equal = study.aggregate("sector")
    first = equal.iloc[0]
    keys = ["sector", "year", "construct"]
    part = joined.set_index(keys).sort_index().loc[(first["name"], first["year"], first["construct"])]
    assert first["index"] == pytest.approx(part["index"].mean())


def test_levels_at_fault(study):
    with pytest.raises(SpecError, match=r"Column 'industri' is not in the data. Did you mean 'industry'"):
        study.aggregate("industri")
    with pytest.raises(DataError, match="'respondent' varies within"):
        study.aggregate("respondent")
    alone = cx.SatisfactionIndex(cx.acsi.ECSI).fit(cx.datasets.load("mobi"), bootstrap=0)
    with pytest.raises(SpecError, match="one unit only"):
        alone.aggregate("industry")
    with pytest.raises(SpecError, match="different units"):
        alone.change(study)
    with pytest.raises(SpecError, match="Did you mean 'holm'"):
        study.change(study, adjust="holmes")


# --- units that fail ---------------------------------------------------------------------------------------------


def test_a_unit_that_cannot_be_estimated_is_listed_and_the_others_stand(simulated):
    data, _ = simulated
    data = data[data["year"] == 2024].copy()
    data.loc[data["company"] == "Company 3", "satisfaction"] = 7
    data = data.drop(data.index[data["company"] == "Company 5"][10:])
    data.loc[data.index[:4], "company"] = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        study = cx.SatisfactionIndex().fit(data, by="company", bootstrap=20, seed=1)
    said = [str(w.message) for w in caught]
    assert any("2 of 6 units could not be estimated" in text for text in said), said
    assert any("4 rows without 'company' are left out" in text for text in said)
    assert set(study.skipped["company"]) == {"Company 3", "Company 5"}
    reasons = study.skipped.set_index("company")["reason"]
    assert "'satisfaction' is 7 in all" in reasons["Company 3"]
    assert "10 rows are too few" in reasons["Company 5"]
    assert study.n_obs + study.excluded["rows"].sum() == len(data)
    for text in (study.summary(), study._repr_html_()):
        assert "could not be estimated" in text
        assert "Company 5" in text
    with pytest.raises(SpecError, match="No unit 'Company 3' was estimated"):
        study.fit_of("Company 3")
    with pytest.raises(DataError, match="None of the 1 units can be estimated; the first: "):
        cx.SatisfactionIndex().fit(data[data["company"] == "Company 5"], by="company")


def test_numbers_of_a_unit_do_not_depend_on_the_order_of_rows_or_workers(simulated):
    data, _ = simulated
    data = data[data["year"] == 2024]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        one = cx.SatisfactionIndex().fit(data, by="company", bootstrap=30, seed=1)
        two = cx.SatisfactionIndex().fit(data, by="company", bootstrap=30, seed=1, n_jobs=2)
    pd.testing.assert_frame_equal(one.scores, two.scores, rtol=0, atol=0)
    pd.testing.assert_frame_equal(one.impacts, two.impacts, rtol=0, atol=0)


def test_negative_outer_weight_is_flagged():
    mobi = cx.datasets.load("mobi")
    mobi["CUSA2"] = 11 - mobi["CUSA2"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        study = cx.SatisfactionIndex(cx.acsi.ECSI).fit(mobi, bootstrap=0)
    assert any("Negative outer weight: 'CUSA2' of 'Satisfaction'" in str(w.message) for w in caught)
    assert "Negative outer weight: 'CUSA2'" in study.summary()


# --- options -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "sem2"}, "Unknown engine 'sem2'"),
        ({"target": "Satisfacton"}, "Did you mean 'Satisfaction'"),
        ({"items": {"CUSA9": "x"}}, "no item 'CUSA9'"),
        ({"scheme": "paths"}, "Did you mean 'path'"),
        ({"modes": {"Imag": "B"}}, "Did you mean 'Image'"),
    ],
)
def test_specification_at_fault(options, message):
    with pytest.raises(SpecError, match=message):
        cx.SatisfactionIndex(cx.acsi.ECSI, **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"by": "compny"}, SpecError, "by names 'compny', which is not a column. Did you mean 'company'"),
        ({"bootstrap": 1}, SpecError, "0 or at least 2, not 1"),
        ({"bootstrap": "many"}, SpecError, "whole number, not 'many'"),
        ({"bootstrap": 2.5}, SpecError, "whole number, not 2.5"),
        ({"level": 95}, SpecError, "between 0 and 1, not 95"),
        ({"level": "high"}, SpecError, "between 0 and 1, not 'high'"),
        ({"seed": -1}, SpecError, "seed must be a whole number"),
        ({"n_jobs": 0}, SpecError, "number of workers"),
        ({"missing": "drop"}, SpecError, "Unknown missing='drop'"),
        ({"weights": "wight"}, DataError, "Column 'wight' .weights. is not in the data. Did you mean 'weight'"),
    ],
)
@pytest.mark.parametrize("by", [None, "company"])
def test_option_at_fault(simulated, options, error, message, by):
    data, _ = simulated
    with pytest.raises(error, match=message):
        cx.SatisfactionIndex().fit(data, **{"by": by, "bootstrap": 5, **options})


def test_answers_outside_the_scale_are_refused():
    mobi = cx.datasets.load("mobi")
    mobi.loc[7, "CUSA1"] = 11
    with pytest.raises(DataError, match=r"Answers outside the scale 1-10: 'CUSA1' \(1 answers\)"):
        cx.SatisfactionIndex(cx.acsi.ECSI).fit(mobi, bootstrap=0)


def test_items_by_other_names_and_models_without_a_construct(simulated):
    data, _ = simulated
    data = data[data["year"] == 2024]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        plain = cx.SatisfactionIndex().fit(data, bootstrap=0)
        renamed = cx.SatisfactionIndex(items={"satisfaction": "Q9"}).fit(
            data.rename(columns={"satisfaction": "Q9"}), bootstrap=0
        )
        fewer = cx.SatisfactionIndex(cx.acsi.ACSI.without("Complaints")).fit(data, bootstrap=0)
    pd.testing.assert_frame_equal(plain.scores, renamed.scores)
    assert "Complaints" not in set(fewer.scores["construct"])
    assert fewer.rates.empty


def test_price_tolerance_questions_must_exclude_one_another():
    with pytest.raises(DataError, match="1 respondents answered both price tolerance questions"):
        cx.acsi.price_tolerance([10, np.nan], [5, 3])
    with pytest.raises(DataError, match="1 price rises are negative"):
        cx.acsi.price_tolerance([-10, np.nan], [np.nan, 3])
    np.testing.assert_allclose(cx.acsi.price_tolerance([np.nan], [np.nan]), [np.nan])


def test_reversed_item_warns_with_the_name_of_its_unit(simulated):
    data, _ = simulated
    data = data[data["year"] == 2024].copy()
    one = data["company"] == "Company 2"
    data.loc[one, "confirm"] = 11 - data.loc[one, "confirm"]
    with pytest.warns(DataWarning):
        study = cx.SatisfactionIndex().fit(data, by="company", bootstrap=0)
    assert any(text.startswith("Company 2: Item 'confirm' loads negatively") for text in study.warnings)


def test_missing_answers_widen_the_interval_as_they_should():
    """Half the answers blank at random: intervals at fixed weights still cover the mean that all answers have."""
    rng = np.random.default_rng(3)
    n, hits, widths = 4000, 0, []
    factor = rng.normal(size=n)
    table = {f"q{i}": 6 + 1.2 * factor + rng.normal(size=n) for i in range(3)}
    table |= {f"s{i}": 6.5 + 1.1 * factor + rng.normal(size=n) for i in range(2)}
    population = pd.DataFrame(table).round().clip(1, 10)
    model = cx.SatisfactionIndex("Q =~ q0 + q1 + q2\nS =~ s0 + s1\nS ~ Q", target="S", scale=(1, 10))
    truth = model.fit(population, bootstrap=0).scores.set_index("construct").loc["S", "index"]
    for _ in range(200):
        sample = population.iloc[rng.integers(0, n, 300)].reset_index(drop=True)
        sample[["s0", "s1"]] = sample[["s0", "s1"]].mask(rng.random((300, 2)) < 0.5)
        row = model.fit(sample, bootstrap=0).scores.set_index("construct").loc["S"]
        hits += row["ci_lower"] <= truth <= row["ci_upper"]
        widths.append(row["se"])
    assert 0.90 <= hits / 200 <= 0.99
    complete = model.fit(population.iloc[:300], bootstrap=0).scores.set_index("construct").loc["S", "se"]
    assert np.mean(widths) > 1.1 * complete


@pytest.mark.parametrize("by", [["company", "year"], ["year", "company"]])
def test_aggregation_does_not_hang_on_the_order_of_keys(by):
    data, _ = cx.datasets.simulate_study(companies=12, respondents=60, years=2, seed=2, missing=0)
    total = (
        cx.SatisfactionIndex().fit(data, by, weights="weight", bootstrap=0).aggregate("industry", weights="revenue")
    )
    assert list(total.columns)[:4] == ["level", "name", "year", "construct"]
    assert len(total) == data["industry"].nunique() * 2 * 6
    assert (total.groupby(["year", "construct"])["units"].sum() == 12).all()


def test_a_unit_without_complaints_keeps_its_index():
    data, _ = cx.datasets.simulate_study(companies=4, respondents=80, years=1, seed=5, missing=0)
    quiet = data["company"].iloc[0]
    data.loc[data["company"] == quiet, "complaint"] = 0
    with pytest.warns(cx.CxWarning, match=f"{quiet}: 'Complaints' has one answer throughout"):
        study = cx.SatisfactionIndex().fit(data, "company", weights="weight", bootstrap=20, seed=1)
    mine = study.scores[study.scores["company"] == quiet].set_index("construct")
    assert mine.loc["Satisfaction", "index"] > 0
    assert "Complaints" not in mine.index
    assert study.rates.set_index("company").loc[quiet, "value"] == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.change(None), "result of an earlier wave"),
        (lambda s: s.aggregate([]), "names of level columns"),
        (lambda s: s.aggregate(None), "names of level columns"),
        (lambda s: s.aggregate("industry", weights=[1, 2]), "names of level columns"),
        (lambda s: s.aggregate("industry", weights="sector"), "'sector' holds text"),
        (lambda s: s.spec.fit(s.survey, ["company", "company"]), "names 'company' twice"),
    ],
)
def test_wrong_calls_are_one_sentence(call, words):
    data, _ = cx.datasets.simulate_study(companies=3, respondents=60, years=1, seed=2, missing=0)
    study = cx.SatisfactionIndex().fit(data, "company", weights="weight", bootstrap=0)
    with pytest.raises(cx.CxError, match=words):
        call(study)


def test_one_column_cannot_be_two_items():
    with pytest.raises(cx.CxError, match="'confirm' would stand for more than one item"):
        cx.acsi.ACSI.with_items(satisfaction="confirm")


def test_bca_intervals_reach_the_impacts():
    mobi = cx.datasets.load("mobi")
    spec = cx.SatisfactionIndex(cx.acsi.ECSI)
    percentile, bca = (spec.fit(mobi, bootstrap=200, seed=1, interval=k).impacts for k in ("percentile", "bca"))
    assert (percentile["se"] == bca["se"]).all()
    assert (percentile["ci_lower"] != bca["ci_lower"]).all()
