"""The simulated study: exact moments against integrals and large samples, truth against what surveys find."""

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.acsi.answers import ANALYSED, CONSTRUCTS, QUESTIONS, answers, latent_correlation, moments
from cxmodels.acsi.population import Population, simulate_study
from cxmodels.errors import SpecError

RATINGS = [q.name for q in QUESTIONS if len(q.cuts) == 9]
MEANS = np.array([[0.0] * 6, [0.3, 0.4, 0.2, 0.5, -0.3, 0.4], [-0.6, -0.8, -0.4, -1.0, 0.5, -0.8]])


def items(data: pd.DataFrame) -> pd.DataFrame:
    """Return the 14 items of the analysis, both tolerances combined."""
    percent = data["tolerance_up"].fillna(-data["tolerance_down"])
    return data.assign(price_tolerance=1 + 9 * (percent + 25) / 50)[list(ANALYSED)]


def composites(cov: np.ndarray) -> np.ndarray:
    """Path coefficients of PLS (Mode A, path scheme) by the plain algorithm for one matrix, [outcome, predictor]."""
    own = np.array([CONSTRUCTS.index(q.construct) for q in QUESTIONS[:14]])
    mask = (own[:, None] == np.arange(6)).astype(float)
    arrows = {1: [0], 2: [0, 1], 3: [0, 1, 2], 4: [3], 5: [3, 4]}
    sd = np.sqrt(np.diag(cov))
    r = cov / np.outer(sd, sd)
    w = mask
    for _ in range(200):
        w = w / np.sqrt(np.diag(w.T @ r @ w))
        c = w.T @ r @ w
        inner = np.zeros((6, 6))
        for outcome, predictors in arrows.items():
            inner[outcome, predictors] = c[outcome, predictors]
            inner[predictors, outcome] = np.linalg.solve(c[np.ix_(predictors, predictors)], c[predictors, outcome])
        w = mask * (r @ w @ inner)
    w = w / np.sqrt(np.diag(w.T @ r @ w))
    c = w.T @ r @ w
    paths = np.zeros((6, 6))
    for outcome, predictors in arrows.items():
        paths[outcome, predictors] = np.linalg.solve(c[np.ix_(predictors, predictors)], c[predictors, outcome])
    return paths


@pytest.fixture(scope="module")
def study():
    return simulate_study(companies=12, respondents=4000, years=2, seed=5, missing=0.0)


# --- moments ---------------------------------------------------------------------------------------------------


def test_moments_are_those_of_bivariate_normal_integrals():
    from scipy.stats import multivariate_normal, norm

    mean, cov = moments(MEANS)
    rho = latent_correlation()
    pairs = [("satisfaction", "confirm"), ("overall_expect", "repurchase"), ("quality_reliab", "complaint")]
    for u, mu in enumerate(MEANS):
        for pair in pairs:
            a, b = (QUESTIONS[ANALYSED.index(name)] for name in pair)
            i, j = ANALYSED.index(a.name), ANALYSED.index(b.name)
            p, q = CONSTRUCTS.index(a.construct), CONSTRUCTS.index(b.construct)
            r = a.loading * b.loading * rho[p, q]
            x = a.loading * mu[p] - np.array(a.cuts)
            y = b.loading * mu[q] - np.array(b.cuts)
            both = [[multivariate_normal.cdf([s, t], cov=[[1, r], [r, 1]]) for t in y] for s in x]
            assert mean[u, i] == pytest.approx(a.low + norm.cdf(x).sum(), abs=1e-7)
            expected = np.sum(both) - norm.cdf(x).sum() * norm.cdf(y).sum()
            assert cov[u, i, j] == pytest.approx(expected, abs=1e-6)
            chance = np.diff(np.r_[1, norm.cdf(x), 0]) * -1
            value = a.low + np.arange(len(chance))
            assert cov[u, i, i] == pytest.approx(chance @ value**2 - (chance @ value) ** 2, abs=1e-6)


def test_moments_are_those_of_a_large_sample():
    rng = np.random.default_rng(11)
    n, root = 200_000, np.linalg.cholesky(latent_correlation())
    mean, cov = moments(MEANS[1:2])
    x = items(pd.DataFrame(answers(MEANS[1] + rng.standard_normal((n, 6)) @ root.T, rng))).to_numpy()
    d = x - x.mean(axis=0)
    s = d.T @ d / n
    se = np.sqrt(((d**2).T @ d**2 / n - s**2) / n)
    assert np.abs((x.mean(axis=0) - mean[0]) / np.sqrt(np.diag(s) / n)).max() < 4
    z = ((s - cov[0]) / se)[np.triu_indices(14)]
    assert np.abs(z).max() < 4.5
    assert 0.6 < np.sqrt((z**2).mean()) < 1.5


def test_latent_variables_have_unit_variance_and_follow_the_paths():
    truth = Population.draw(companies=1, years=1).truth
    r = pd.DataFrame(latent_correlation(), CONSTRUCTS, CONSTRUCTS)
    for outcome, rows in truth.latent.groupby("outcome"):
        names = rows["predictor"].tolist()
        np.testing.assert_allclose(np.linalg.solve(r.loc[names, names], r.loc[names, outcome]), rows["est"])
        assert rows["est"] @ r.loc[names, outcome].to_numpy() < 1
    assert np.linalg.eigvalsh(r).min() > 0


# --- truth -----------------------------------------------------------------------------------------------------


def test_truth_moments_are_the_weighted_moments_of_a_large_sample(study):
    data, truth = study
    x, g = items(data).to_numpy(), data["weight"].to_numpy()[:, None]
    means, cov = truth.moments()
    m = (g * x).sum(axis=0) / g.sum()
    se = np.sqrt((g**2 * (x - m) ** 2).sum(axis=0)) / g.sum()
    z = (m - means.to_numpy()) / se
    assert np.abs(z).max() < 4
    s = (g * (x - m)).T @ (x - m) / g.sum()
    np.testing.assert_allclose(s / np.sqrt(np.outer(np.diag(cov), np.diag(cov))), _correlation(cov), atol=0.02)


def _correlation(cov: pd.DataFrame) -> np.ndarray:
    sd = np.sqrt(np.diag(cov))
    return cov.to_numpy() / np.outer(sd, sd)


def test_index_is_the_mean_score_of_a_large_sample(study):
    data, truth = study
    weights = truth.by_company("weights").set_index(["company", "year", "construct"])
    z, unweighted = [], []
    for (company, year), part in data.groupby(["company", "year"]):
        x, g = items(part), part["weight"].to_numpy()
        _, cov = truth.moments(company, year)
        index = truth.index.query("company == @company and year == @year").set_index("construct")["index"]
        for construct in CONSTRUCTS:
            w = weights.loc[[(company, year, construct)]].set_index("item")["est"]
            w = w / np.sqrt(np.diag(cov.loc[w.index, w.index]))
            low, width = (0, 1) if construct == "Complaints" else (1, 9)
            s = 100 * (x[w.index] @ (w / w.sum()) - low).to_numpy() / width
            mean = g @ s / g.sum()
            z.append((mean - index[construct]) / (np.sqrt((g**2 * (s - mean) ** 2).sum()) / g.sum()))
        unweighted.append(s.mean() - mean)
    assert len(z) == 12 * 2 * 6
    assert np.abs(z).max() < 4
    assert 0.7 < np.sqrt(np.square(z).mean()) < 1.3
    assert np.mean(unweighted) > 1  # without weights the heavy users make loyalty look better


def test_composite_model_of_a_large_sample_is_near_truth(study):
    data, truth = study
    x, g = items(data).to_numpy(), data["weight"].to_numpy()
    found = composites(np.cov(x.T, aweights=g))
    exact = composites(truth.moments()[1].to_numpy())
    for row in truth.paths.itertuples():
        at = CONSTRUCTS.index(row.outcome), CONSTRUCTS.index(row.predictor)
        assert row.est == pytest.approx(exact[at], abs=1e-8)
        assert row.est == pytest.approx(found[at], abs=0.015)  # se about .003 at 96,000 respondents


def test_company_parameters_are_those_of_its_own_moments(study):
    _, truth = study
    frame = truth.by_company("paths").query("company == 'Company 03' and year == 2025")
    exact = composites(truth.moments("Company 03", 2025)[1].to_numpy())
    assert len(frame) == 9
    for row in frame.itertuples():
        at = CONSTRUCTS.index(row.outcome), CONSTRUCTS.index(row.predictor)
        assert row.est == pytest.approx(exact[at], abs=1e-8)


def test_frames_of_one_population_fit_together(study):
    _, truth = study
    effects = truth.effects.set_index(["outcome", "predictor"])
    paths = truth.paths.set_index(["outcome", "predictor"])["est"]
    np.testing.assert_allclose(effects.loc[paths.index, "direct"], paths)
    assert ("Loyalty", "Expectations") in effects.index
    assert effects.loc[("Loyalty", "Expectations"), "direct"] == 0
    total = paths["Quality", "Expectations"] * paths["Value", "Quality"] + paths["Value", "Expectations"]
    assert effects.loc[("Value", "Expectations"), "total"] == pytest.approx(total)
    assert len(truth.weights) == len(truth.loadings) == 14
    assert truth.loadings["est"].between(0.6, 1 + 1e-12).all()
    assert truth.r_squared.index.tolist() == list(CONSTRUCTS[1:])
    rate = truth.index.query("construct == 'Complaints'")["index"].to_numpy() / 100
    np.testing.assert_allclose(truth.complaint_rate["rate"], rate)
    assert len(truth.by_company("effects")) == 24 * len(effects)


def test_impact_is_the_slope_between_scores_on_100(study):
    _, truth = study
    company, year = "Company 07", 2024
    cov = truth.moments(company, year)[1]
    w = truth.by_company("weights").query("company == @company and year == @year").set_index("item")["est"]
    v = (w / np.sqrt(np.diag(cov)))[["satisfaction", "confirm", "ideal"]]
    v = v / v.sum()
    # one predictor, so the slope is a ratio; the complaint's scale is one wide, the others nine
    slope = 9 * (cov.loc["complaint", v.index] @ v) / (v @ cov.loc[v.index, v.index] @ v)
    impacts = truth.impacts.set_index(["company", "year", "driver", "target"])["impact"]
    assert impacts[company, year, "Satisfaction", "Complaints"] == pytest.approx(slope)
    assert impacts[company, year, "Quality", "Satisfaction"] > 0 > slope


def test_aggregates_are_weighted_means_of_the_level_below(study):
    _, truth = study
    units = truth.units.merge(truth.index.query("construct == 'Satisfaction'"), on=["company", "year"])
    found = truth.aggregate.query("construct == 'Satisfaction'").set_index(["level", "unit", "year"])["index"]
    national = 0.0
    for sector, rows in units.query("year == 2025").groupby("sector"):
        expected = np.average(rows["index"], weights=rows["revenue"])
        assert found["sector", sector, 2025] == pytest.approx(expected)
        national += expected * rows["gdp_share"].iloc[0]
    assert found["nation", "nation", 2025] == pytest.approx(national)
    for industry, rows in units.query("year == 2024").groupby("industry"):
        assert found["industry", industry, 2024] == pytest.approx(np.average(rows["index"], weights=rows["revenue"]))


def test_unchanged_companies_have_equal_truth_and_the_others_do_not():
    truth = Population.draw(companies=20, years=3, unchanged=0.4).truth
    assert truth.changed["changed"].tolist().count(False) == 8
    wide = truth.index.pivot(index=["company", "construct"], columns="year", values="index").reset_index()
    wide = wide.merge(truth.changed, on="company")
    spread = wide[[2024, 2025, 2026]].max(axis=1) - wide[[2024, 2025, 2026]].min(axis=1)
    assert spread[~wide["changed"]].max() < 1e-9
    assert spread[wide["changed"] & (wide["construct"] == "Satisfaction")].min() > 1e-3


# --- data ------------------------------------------------------------------------------------------------------


def test_data_look_like_the_answers_of_a_survey(study):
    data, _ = study
    assert len(data) == 12 * 4000 * 2
    assert data["respondent"].is_unique
    assert data[RATINGS].min().min() == 1
    assert data[RATINGS].max().max() == 10
    assert data[RATINGS].mean().between(7, 8.6).all()
    assert data[RATINGS].std().between(1.6, 2.3).all()
    assert (data[RATINGS].skew() < -0.5).all()
    assert set(data["complaint"]) == {0.0, 1.0}
    assert 0.06 < data["complaint"].mean() < 0.2
    rebuys = data["repurchase"] >= 6
    assert data["tolerance_up"].notna().equals(rebuys)
    assert data["tolerance_down"].isna().equals(rebuys)
    for column in ("tolerance_up", "tolerance_down"):
        asked = data[column].dropna()
        assert asked.between(0, 25).all()
        assert (asked == asked.round()).all()
    assert data["weight"].mean() == pytest.approx(1, abs=0.02)
    assert data["weight"].nunique() == 2


def test_hierarchy_and_economy():
    truth = Population.draw(companies=400, years=2, seed=3).truth
    units = truth.units
    per_industry = units.query("year == 2024").groupby("industry")["company"].nunique()
    assert per_industry.between(3, 11).all()
    assert units["sector"].nunique() == 10
    assert (units.groupby("industry")["sector"].nunique() == 1).all()
    assert units.groupby("sector")["gdp_share"].first().sum() == pytest.approx(1)
    assert (units["revenue"] > 0).all()
    satisfaction = truth.index.query("construct == 'Satisfaction'")["index"]
    assert satisfaction.between(65, 85).mean() > 0.9
    assert truth.complaint_rate["rate"].between(0.05, 0.25).mean() > 0.9


def test_missing_answers_are_blank_at_random_and_only_among_ratings():
    population = Population.draw(companies=4, years=1)
    full, holed = (population.sample(2000, seed=2, missing=m) for m in (0.0, 0.1))
    assert full[RATINGS].notna().all(axis=None)
    assert holed[RATINGS].isna().mean().to_numpy() == pytest.approx(np.full(12, 0.1), abs=0.02)
    pd.testing.assert_frame_equal(full.drop(columns=RATINGS), holed.drop(columns=RATINGS))
    kept = holed[RATINGS].notna()
    pd.testing.assert_frame_equal(full[RATINGS].where(kept), holed[RATINGS])


def test_without_sampling_weights_the_plain_mean_is_right():
    population = Population.draw(companies=1, years=1, seed=9)
    data = population.sample(60_000, missing=0, sampling_weights=False)
    assert (data["weight"] == 1).all()
    means, cov = population.truth.moments("Company 1", 2024)
    z = (items(data).mean() - means) / np.sqrt(np.diag(cov) / len(data))
    assert z.abs().max() < 4


def test_the_same_seed_gives_the_same_study():
    first, truth = simulate_study(companies=6, respondents=20, seed=4)
    again, _ = simulate_study(companies=6, respondents=20, seed=4)
    other, moved = simulate_study(companies=6, respondents=20, seed=5)
    pd.testing.assert_frame_equal(first, again)
    assert not first[RATINGS].equals(other[RATINGS])
    assert not truth.index.equals(moved.index)
    _, larger = simulate_study(companies=6, respondents=30, seed=4, missing=0.3, sampling_weights=False)
    pd.testing.assert_frame_equal(truth.index, larger.index)
    population = Population.draw(companies=6, seed=4)
    pd.testing.assert_frame_equal(first, population.sample(20, seed=4))


def test_public_function_and_smallest_study():
    data, truth = cx.datasets.simulate_study(companies=1, respondents=2, years=1)
    assert data.shape == (2, 23)
    assert repr(truth) == "Truth(1 company, 1 year: 2024)"
    assert repr(Population.draw(companies=3)) == "Population(3 companies, 2 years: 2024-2025)"
    assert truth.changed["changed"].tolist() == [False]
    assert len(truth.index) == 6


# --- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"companies": 0}, "companies must be a whole number of 1 or more, not 0"),
        ({"companies": 2.5}, "companies must be a whole number"),
        ({"companies": True}, "companies must be a whole number"),
        ({"respondents": 1}, "respondents must be a whole number of 2 or more, not 1"),
        ({"years": 0}, "years must be a whole number of 1 or more, not 0"),
        ({"seed": -1}, "seed must be a whole number of 0 or more, not -1"),
        ({"missing": 1}, "`missing` must be a share from 0 to less than 1, not 1"),
        ({"missing": -0.1}, "`missing` must be a share"),
        ({"missing": float("nan")}, "`missing` must be a share"),
        ({"missing": "none"}, "`missing` must be a share"),
        ({"unchanged": 1.2}, "`unchanged` must be a share from 0 to 1, not 1.2"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(SpecError, match=message):
        simulate_study(**arguments)


@pytest.mark.parametrize(
    ("company", "year", "message"),
    [
        ("Company 9", 2024, "no company 'Company 9'. Did you mean 'Company 3'"),
        ("acme", 2024, "no company 'acme'. There are Company 1 to Company 3"),
        ("Company 1", 2030, "no year '2030'"),
        ("Company 1", None, "both `company` and `year`"),
    ],
)
def test_unknown_population(company, year, message):
    truth = Population.draw(companies=3).truth
    with pytest.raises(SpecError, match=message):
        truth.moments(company, year)


def test_unknown_parameter():
    with pytest.raises(SpecError, match=r"not 'path'\. Did you mean 'paths'"):
        Population.draw(companies=1).truth.by_company("path")
