"""Public schemes: UKCSI's plain means by hand, EPSI's model and rules, NCSI as the national index; all in one machinery."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.acsi import EPSI, SCHEMES, UKCSI
from cxmodels.errors import CxError, DataWarning


def ratings(n: int = 300, seed: int = 1) -> pd.DataFrame:
    """Customers of six organisations in two sectors, three of whom answered one question less."""
    rng = np.random.default_rng(seed)
    company = rng.integers(0, 6, n)
    level = 7 + 0.2 * company + rng.standard_normal(n)
    items = {q: np.clip(np.round(level + rng.standard_normal(n)), 1, 10) for q in ("overall", "ease", "trust")}
    frame = pd.DataFrame(items).assign(company=company, sector=np.where(company < 3, "Banks", "Shops"))
    frame.loc[:2, "ease"] = np.nan
    return frame.assign(person=rng.integers(0, 90, n), w=rng.choice([0.5, 1, 2], n))


MEASURES = {"Satisfaction": "overall", "Experience": ["ease", "trust"]}


def test_ukcsi_is_the_mean_times_ten():
    data = ratings()
    study = cx.SatisfactionIndex(UKCSI.with_measures(MEASURES)).fit(data, by="company")
    found = study.scores.set_index(["company", "construct"])
    for company, part in data.groupby("company"):
        row = found.loc[(company, "Satisfaction")]
        assert row["index"] == pytest.approx(10 * part.overall.mean(), abs=1e-9)
        assert row.se == pytest.approx(10 * part.overall.std() / np.sqrt(len(part)), abs=1e-9)
        experience = found.loc[(company, "Experience"), "index"]
        assert experience == pytest.approx(5 * (part.ease.mean() + part.trust.mean()), abs=1e-9)
    assert study.engine_name == "plain means"
    assert study.impacts.empty
    assert "Impacts" not in study.summary()
    assert "UKCSI satisfaction index" in repr(study)
    alpha = study.quality.query("company == 3 and construct == 'Experience'").alpha.iloc[0]
    part = data[(data.company == 3)][["ease", "trust"]].dropna()
    assert alpha == pytest.approx(2 * (1 - part.var().sum() / part.sum(axis=1).var()), abs=0.02)


def test_ukcsi_weighted_and_by_bootstrap():
    data = ratings()
    spec = cx.SatisfactionIndex(UKCSI.with_measures(MEASURES))
    study = spec.fit(data, weights="w", bootstrap=2000, seed=1).scores.set_index("construct")
    x, g = data.overall, data.w
    mean = np.average(x, weights=g)
    row = study.loc["Satisfaction"]
    assert row["index"] == pytest.approx(10 * mean)
    n = len(x)
    assert row.se == pytest.approx(10 * np.sqrt(n / (n - 1) * ((g * (x - mean)) ** 2).sum()) / g.sum())
    np.testing.assert_allclose(study.se_bootstrap, study.se, rtol=0.06)


def test_a_sector_is_the_mean_of_all_its_responses():
    data = ratings()
    study = cx.SatisfactionIndex(UKCSI.with_measures(MEASURES)).fit(data, by="company", weights="w")
    table = study.aggregate(list(UKCSI.weights), UKCSI.weights).query("construct == 'Satisfaction'").set_index("name")
    for sector, part in data.groupby("sector"):
        assert table["index"][sector] == pytest.approx(10 * np.average(part.overall, weights=part.w), abs=1e-9)
    assert table["index"]["nation"] == pytest.approx(10 * np.average(data.overall, weights=data.w), abs=1e-9)


def test_panellists_who_rate_many_are_no_independent_sample():
    rng = np.random.default_rng(2)
    person, company = np.divmod(np.arange(3000), 6)
    level = 7 + 1.2 * rng.standard_normal(500)[person] + rng.standard_normal(3000)
    data = pd.DataFrame({"overall": np.clip(np.round(level), 1, 10), "company": company, "id": person})
    spec = cx.SatisfactionIndex(UKCSI.with_measures({"Satisfaction": "overall"}))
    study = spec.fit(data, by="company")
    plain = study.aggregate("nation").iloc[0]
    known = study.aggregate("nation", respondent="id").iloc[0]
    sums = data.overall.groupby(data.id).mean()
    assert known.se == pytest.approx(10 * sums.std() / np.sqrt(500), rel=3e-3)  # companies are centred one by one
    assert known.se > 1.7 * plain.se
    assert known["index"] == plain["index"]
    assert known.ci_upper == pytest.approx(known["index"] + 1.959963984540054 * known.se)


def test_means_of_many_units_change_and_rank():
    before, now = ratings(seed=1), ratings(seed=2)
    spec = cx.SatisfactionIndex("ukcsi", items={"satisfaction": "overall"})
    waves = [spec.fit(w, by="company") for w in (before, now)]
    change = waves[1].change(waves[0])
    assert len(change) == 6
    expected = 10 * (now.groupby("company").overall.mean() - before.groupby("company").overall.mean())
    np.testing.assert_allclose(change.set_index("company").change, expected)
    assert waves[1].ranks()["rank"].min() == 1
    assert len(waves[0].shrunk(within="sector")) == 6


def test_a_constant_answer_has_no_error_and_is_kept():
    data = ratings().assign(overall=lambda f: f.overall.where(f.company != 2, 9.0))
    found = cx.SatisfactionIndex(UKCSI.with_measures(MEASURES)).fit(data, by="company").scores
    row = found.query("company == 2 and construct == 'Satisfaction'").iloc[0]
    assert (row["index"], row.se) == (90.0, 0.0)


def test_plain_means_of_any_model_on_its_own_scale():
    mobi = cx.datasets.load("mobi")
    study = cx.SatisfactionIndex(cx.acsi.ECSI, engine="mean").fit(mobi)
    items = list(cx.acsi.ECSI.measures["Satisfaction"])
    row = study.scores.set_index("construct").loc["Satisfaction"]
    assert row["index"] == pytest.approx(100 * (mobi[items].mean().mean() - 1) / 9)
    pls = cx.SatisfactionIndex("ecsi").fit(mobi, bootstrap=0).scores.set_index("construct")
    assert abs(row["index"] - pls.loc["Satisfaction", "index"]) < 1
    gone = mobi.assign(CUSA1=mobi.CUSA1.where(mobi.index > 4))
    part = cx.SatisfactionIndex(cx.acsi.ECSI, engine="mean").fit(gone, missing="listwise")
    assert part.n_obs == 245
    assert part.excluded.rows.sum() == 5


def epsi_answers(n: int, seed: int) -> pd.DataFrame:
    """Answers that follow the arrows of the EPSI model."""
    rng = np.random.default_rng(seed)
    causes: dict[str, list[str]] = {}
    for x, y in EPSI.model.paths:
        causes.setdefault(y, []).append(x)
    latent: dict[str, np.ndarray] = {}
    for name in EPSI.model.measures:
        driven = sum((0.35 * latent[x] for x in causes.get(name, [])), np.zeros(n))
        latent[name] = driven + 0.8 * rng.standard_normal(n)
    return pd.DataFrame(
        {
            i: np.clip(np.round(7 + 1.3 * latent[c] + 0.7 * rng.standard_normal(n)), 1, 10)
            for c, own in EPSI.model.measures.items()
            for i in own
        }
    )


def test_epsi_has_two_qualities_and_asks_for_250_interviews():
    data = epsi_answers(650, seed=3).assign(provider=["A"] * 300 + ["B"] * 250 + ["C"] * 100)
    with pytest.warns(
        DataWarning, match=r"1 of 3 units have fewer interviews than the 250 that EPSI asks for: 'C \(100\)'"
    ):
        study = cx.SatisfactionIndex("epsi").fit(data, by="provider", bootstrap=50, seed=1)
    assert "fewer interviews" in study.summary()
    assert study.scores.construct.nunique() == 7
    impacts = study.impacts.query("provider == 'A' and target == 'Satisfaction'").set_index("driver").impact
    assert {"Image", "ProductQuality", "ServiceQuality"} <= set(impacts.index)
    assert (impacts[["ProductQuality", "ServiceQuality", "Value"]] > 0.15).all()
    alone = cx.PLS(EPSI.model.syntax).fit(data[data.provider == "A"])
    mine = study.paths[study.paths.provider == "A"]
    np.testing.assert_allclose(mine.est, alone.paths.set_index(["outcome", "predictor"]).loc[list(zip(mine.outcome, mine.predictor, strict=True))].est, atol=1e-9)  # fmt: skip


def test_ncsi_is_the_national_index():
    data, _ = cx.datasets.simulate_study(companies=14, respondents=60, years=1, seed=1)
    ncsi = cx.SatisfactionIndex("NCSI").fit(data, by="company", weights="weight", bootstrap=0)
    acsi = cx.SatisfactionIndex().fit(data, by="company", weights="weight", bootstrap=0)
    pd.testing.assert_frame_equal(ncsi.scores, acsi.scores)
    chain = SCHEMES["ncsi"].weights
    assert ncsi.aggregate(list(chain), chain).query("level == 'nation'").units.eq(14).all()
    assert "NCSI satisfaction index" in repr(ncsi)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: cx.SatisfactionIndex("ukcis"), "no scheme 'ukcis'.*Did you mean 'ukcsi'"),
        (lambda: cx.SatisfactionIndex("ukcsi", engine="sem"), "no model to fit"),
        (lambda: cx.SatisfactionIndex("ukcsi", scheme="centroid"), "'scheme' is an option of engine='pls'"),
        (lambda: EPSI.with_measures({"Quality": ["q1"]}), "no construct 'Quality'"),
        (lambda: UKCSI.with_measures("satisfaction"), "measures name columns by construct"),
        (lambda: EPSI.with_measures({"Image": []}), "'Image' has no columns"),
        (lambda: UKCSI.with_measures(MEASURES, target="Ease"), "target 'Ease'"),
        (lambda: cx.SatisfactionIndex("epsi", minimum_n=-1), "minimum_n is a number of interviews"),
        (lambda: cx.SatisfactionIndex("ukcsi").fit(ratings()), "satisfaction"),
        (lambda: cx.SatisfactionIndex(UKCSI.with_measures(MEASURES)).fit(ratings() * 2), "outside the scale 1-10"),
        (lambda: cx.SatisfactionIndex(UKCSI.with_measures(MEASURES)).fit(ratings(), missing="pairwise"), "engine='mean'"),
        (lambda: cx.SatisfactionIndex(UKCSI.with_measures(MEASURES)).fit(ratings().iloc[:1]), "no answer|2 rows or more"),
    ],
)  # fmt: skip
def test_bad_schemes_are_refused(call, said):
    with pytest.raises(CxError, match=said):
        call()


def test_a_benchmark_of_plain_means_weighs_by_interviews():
    data, _ = cx.datasets.simulate_study(companies=14, respondents=60, seed=3, missing=0)
    kept = data[~((data.company == "Company 01") & (data.respondent % 3 > 0))]
    chain = {"industry": "interviews", "nation": "interviews"}
    plan = cx.acsi.Benchmark(cx.SatisfactionIndex("ukcsi"), levels=list(chain), weights=chain, wave="year")
    result = plan.fit(cx.Survey(kept, weights="weight"))
    for year, part in kept.groupby("year"):
        table = result.aggregates
        nation = table[(table.wave == year) & (table.level == "nation")].iloc[0]
        assert nation["index"] == pytest.approx(10 * np.average(part.satisfaction, weights=part.weight))
    assert result.explained.empty
    assert len(result.changes) == 14 + 2 + 1
