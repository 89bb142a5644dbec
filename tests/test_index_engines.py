"""The satisfaction index by PLS, PLSc and SEM: weights, impacts free of error, bootstrap, units, refusals."""

import warnings

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.acsi.engines import statistic_of
from cxmodels.errors import CxWarning, DataError, SpecError
from cxmodels.index import mean_se

MODEL = """
Quality =~ q1 + q2 + q3
Satisfaction =~ s1 + s2 + s3
Loyalty =~ l1 + l2
Satisfaction ~ Quality
Loyalty ~ Satisfaction + Quality
"""
LOADINGS = {"q": (1.0, 0.8, 0.6), "s": (0.9, 1.1, 0.7), "l": (1.0, 0.9)}
RESIDUAL = {"q": (0.5, 0.7, 0.9), "s": (0.4, 0.6, 0.8), "l": (0.5, 0.5)}
SLOPES = (0.7, 0.5, 0.2)  # quality on satisfaction, satisfaction and quality on loyalty


def survey(n, seed=1):
    """A factor model with known slopes on an unbounded scale that 0-20 holds."""
    rng = np.random.default_rng(seed)
    q = rng.normal(size=n)
    s = SLOPES[0] * q + rng.normal(size=n) * 0.6
    y = SLOPES[1] * s + SLOPES[2] * q + rng.normal(size=n) * 0.7
    out = {}
    for name, eta in zip("qsl", (q, s, y), strict=True):
        for k, (loading, residual) in enumerate(zip(LOADINGS[name], RESIDUAL[name], strict=True), 1):
            out[f"{name}{k}"] = 10 + loading * eta + np.sqrt(residual) * rng.normal(size=n)
    return pd.DataFrame(out)


def true_impacts():
    """By definition: a construct's points are sum v loading, v proportional to loading over residual variance."""
    points = {}
    for name in "qsl":
        loading, residual = np.array(LOADINGS[name]), np.array(RESIDUAL[name])
        v = loading / residual
        points[name] = (v / v.sum()) @ loading
    a, b, c = SLOPES
    total = {("q", "s"): a, ("s", "l"): b, ("q", "l"): c + a * b}
    return {k: t * points[k[1]] / points[k[0]] for k, t in total.items()}


@pytest.fixture(scope="module")
def large():
    return survey(40_000)


def quiet(spec, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        return spec.fit(*args, **kwargs)


# --- weights and indices ------------------------------------------------------------------------------------------


def test_weights_are_loading_over_residual_variance(large):
    res = cx.SEM(MODEL).fit(large)
    e = res.estimates.set_index(["lhs", "op", "rhs"])["est"]
    w = res.index_weights.set_index(["construct", "item"])["weight"]
    for construct, items in (("Quality", "q1 q2 q3"), ("Loyalty", "l1 l2")):
        ratio = np.array([e[construct, "=~", i] / e[i, "~~", i] for i in items.split()])
        np.testing.assert_allclose(w[construct], ratio / ratio.sum(), atol=1e-10)
        true = np.array(LOADINGS[items[0]]) / RESIDUAL[items[0]]
        np.testing.assert_allclose(w[construct], true / true.sum(), atol=0.02)


def test_weights_are_those_of_the_regression_scores_of_a_lone_construct(mobi):
    res = cx.SEM("S =~ CUSA1 + CUSA2 + CUSA3").fit(mobi)
    items = mobi[["CUSA1", "CUSA2", "CUSA3"]]
    scores = res.scores()["S"]
    slope = np.linalg.lstsq(items - items.mean(), scores, rcond=None)[0]
    np.testing.assert_allclose(res.index_weights["weight"], slope / slope.sum(), atol=1e-8)
    on_scale = res.index_scores((1, 10))["S"]
    assert np.corrcoef(on_scale, scores)[0, 1] == pytest.approx(1)
    assert res.index((1, 10))["S"] == pytest.approx(on_scale.mean())
    assert res.index_se((1, 10))["S"] == pytest.approx(on_scale.std() / np.sqrt(250))


def test_weights_of_a_composite_are_its_weights(mobi):
    model = "Image <~ IMAG1 + IMAG4 + IMAG5\nSatisfaction =~ CUSA1 + CUSA2 + CUSA3\nSatisfaction ~ Image"
    res = cx.SEM(model).fit(mobi)
    weights = res.estimates.query("op == '<~'")["est"].to_numpy()
    found = res.index_weights.query("construct == 'Image'")["weight"]
    np.testing.assert_allclose(found, weights / weights.sum(), atol=1e-6)


def test_a_second_order_construct_has_the_items_of_its_dimensions(mobi):
    model = """
    Image =~ IMAG1 + IMAG4 + IMAG5
    Quality =~ PERQ1 + PERQ2 + PERQ3
    Brand =~ Image + Quality
    Satisfaction =~ CUSA1 + CUSA2 + CUSA3
    Satisfaction ~ Brand
    """
    res = quiet(cx.SEM(model), mobi)
    brand = res.index_weights.query("construct == 'Brand'")
    assert list(brand["item"]) == ["IMAG1", "IMAG4", "IMAG5", "PERQ1", "PERQ2", "PERQ3"]
    assert brand["weight"].sum() == pytest.approx(1)
    effects = res.unstandardized_effects((1, 10))
    assert list(zip(effects["predictor"], effects["outcome"], strict=True)) == [("Brand", "Satisfaction")]


def test_index_by_group_is_that_of_the_group(mobi):
    half = np.where(np.arange(250) % 2, "a", "b")
    model = "S =~ CUSA1 + CUSA2 + CUSA3"
    both = cx.SEM(model).fit(mobi.assign(half=half), group="half")
    for label in "ab":
        alone = cx.SEM(model).fit(mobi[half == label])
        for name in ("index", "index_se"):
            expected = getattr(alone, name)((1, 10))["S"]
            assert getattr(both, name)((1, 10))["S", label] == pytest.approx(expected, abs=1e-5)
    assert list(both.index_scores((1, 10)).index) == list(mobi.index)


def test_full_information_uses_every_answer_and_its_error_is_right():
    """Over many surveys with answers missing by chance, se is the standard deviation of the index."""
    model, found = "S =~ s1 + s2 + s3", []
    for seed in range(40):
        frame = survey(300, seed)[["s1", "s2", "s3"]]
        frame = frame.mask(np.random.default_rng(seed + 1000).random(frame.shape) < 0.25)
        res = cx.SEM(model).fit(frame, missing="fiml")
        found.append((res.index((0, 20))["S"], res.index_se((0, 20))["S"]))
        if seed == 0:
            assert res.index_scores((0, 20))["S"].mean() == pytest.approx(found[0][0])
    index, se = np.array(found).T
    assert index.mean() == pytest.approx(50, abs=3 * se.mean() / np.sqrt(40))
    assert 0.75 < index.std(ddof=1) / se.mean() < 1.3


def test_clusters_count_as_units():
    x, g = np.random.default_rng(1).normal(size=(40, 2)), np.ones(40)
    clusters = np.repeat(np.arange(20), 2)
    doubled = np.repeat(x[:20], 2, axis=0)
    np.testing.assert_allclose(mean_se(doubled, g, clusters), mean_se(x[:20], g[:20]))
    np.testing.assert_allclose(mean_se(x, g, np.arange(40)), mean_se(x, g))


@pytest.mark.parametrize("method", ["regression", "bartlett"])
def test_precision_of_scores_is_their_correlation_with_the_truth(method):
    rng = np.random.default_rng(3)
    eta = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 2]], size=50_000)
    loading, residual = np.array([1.0, 0.8, 0.6, 1.0, 0.7, 0.5]), np.array([0.5, 0.7, 0.9, 1.2, 0.6, 0.8])
    x = loading * eta[:, [0, 0, 0, 1, 1, 1]] + np.sqrt(residual) * rng.normal(size=(50_000, 6))
    res = cx.SEM("f =~ a + b + c; g =~ d + e + h").fit(pd.DataFrame(x, columns=list("abcdeh")))
    found, scores = res.score_precision(method), res.scores(method)
    for k, name in enumerate("fg"):
        assert found.loc[name, "determinacy"] == pytest.approx(np.corrcoef(scores[name], eta[:, k])[0, 1], abs=0.01)
        assert found.loc[name, "se"] == pytest.approx((scores[name] - eta[:, k]).std(), abs=0.02)
        assert found.loc[name, "reliability"] == pytest.approx(found.loc[name, "determinacy"] ** 2)
    assert res.scores(method, se=True)[["f_se", "g_se"]].iloc[0].to_numpy() == pytest.approx(found["se"].to_numpy())


def test_precision_by_group(mobi):
    half = np.where(np.arange(250) % 2, "a", "b")
    res = cx.SEM("S =~ CUSA1 + CUSA2 + CUSA3").fit(mobi.assign(half=half), group="half")
    assert set(res.score_precision().index) == {("S", "a"), ("S", "b")}
    with pytest.raises(SpecError, match="method is 'regression' or 'bartlett'"):
        res.score_precision("anderson")


# --- effects in points --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"engine": "sem"}, {"consistent": True}])
def test_impacts_are_free_of_measurement_error(large, options):
    study = cx.SatisfactionIndex(MODEL, scale=(0, 20), **options).fit(large, bootstrap=0)
    impact = study.impacts.set_index(["driver", "target"])["impact"]
    for (driver, target), true in true_impacts().items():
        names = {"q": "Quality", "s": "Satisfaction", "l": "Loyalty"}
        assert impact[names[driver], names[target]] == pytest.approx(true, abs=0.03), (driver, target)


def test_effects_of_a_consistent_path_model_are_the_same_as_those_of_its_study(mobi):
    study = cx.SatisfactionIndex(cx.acsi.ECSI, consistent=True, scale=(1, 10)).fit(mobi, bootstrap=0)
    effects = study.fit_of().unstandardized_effects((1, 10)).set_index(["predictor", "outcome"])["total"]
    impacts = study.impacts.set_index(["driver", "target"])["impact"]
    np.testing.assert_allclose(impacts, effects[impacts.index])


def test_impacts_by_plain_pls_are_attenuated(large):
    study = cx.SatisfactionIndex(MODEL, scale=(0, 20)).fit(large, bootstrap=0)
    impact = study.impacts.set_index(["driver", "target"])["impact"]
    assert impact["Quality", "Satisfaction"] < 0.85 * true_impacts()["q", "s"]


def test_intervals_hold_the_truth_as_often_as_they_promise():
    """A small run; of 400 surveys 94.5-97 % of the intervals of impacts do, and 93.5-95 % of those of indices."""
    spec = cx.SatisfactionIndex(MODEL, engine="sem", scale=(0, 20))
    names = {"q": "Quality", "s": "Satisfaction", "l": "Loyalty"}
    truth = {(names[a], names[b]): v for (a, b), v in true_impacts().items()}
    impacts, indices = [], []
    for seed in range(60):
        study = spec.fit(survey(250, 5000 + seed))
        for r in study.impacts.itertuples():
            impacts.append(r.ci_lower <= truth[r.driver, r.target] <= r.ci_upper)
        indices += list((study.scores["ci_lower"] <= 50) & (study.scores["ci_upper"] >= 50))
    assert 0.88 < np.mean(impacts) <= 0.99
    assert 0.88 < np.mean(indices) <= 0.99


def test_standard_errors_of_impacts_by_delta_method_agree_with_the_bootstrap():
    spec = cx.SatisfactionIndex(MODEL, engine="sem", scale=(0, 20))
    frame = survey(600, 3)
    delta = spec.fit(frame).impacts
    boot = spec.fit(frame, bootstrap=150, seed=1)
    np.testing.assert_allclose(delta["impact"], boot.impacts["impact"])
    np.testing.assert_allclose(delta["se"], boot.impacts["se"], rtol=0.35)
    assert ((delta["ci_lower"] < delta["impact"]) & (delta["impact"] < delta["ci_upper"])).all()
    scores = boot.scores
    np.testing.assert_allclose(scores["se_bootstrap"], scores["se"], rtol=0.35)


@pytest.mark.parametrize("missing", ["listwise", "fiml"])
def test_a_bootstrap_replicate_is_the_fit_of_its_rows(missing):
    frame = survey(200, 4)
    if missing == "fiml":
        frame = frame.mask(np.random.default_rng(2).random(frame.shape) < 0.1)
    spec = cx.SatisfactionIndex(MODEL, engine="sem", scale=(0, 20))
    fit = spec.equations.fit(frame, missing=missing)
    rows = np.random.default_rng(0).integers(0, 200, (2, 200))
    counts = np.stack([np.bincount(r, minlength=200) for r in rows]).astype(float)
    values = statistic_of(fit, *spec.ends(fit))(counts)[0]
    for line, r in zip(values, rows, strict=True):
        again = spec.fit(frame.iloc[r].reset_index(drop=True), missing=missing)
        np.testing.assert_allclose(line[:3], again.scores["index"], atol=1e-3)
        total = again.measured[()].total.ravel()
        np.testing.assert_allclose(line[3:], total, atol=2e-3)


def test_ipma_has_effects_and_indices(mobi):
    model = "Image =~ IMAG1 + IMAG4 + IMAG5; Satisfaction =~ CUSA1 + CUSA2 + CUSA3; Satisfaction ~ Image"
    res = cx.SEM(model).fit(mobi)
    table = res.ipma("Satisfaction", (1, 10))
    effects = res.unstandardized_effects((1, 10)).iloc[0]
    assert table.loc["Image", "importance"] == effects["total"]
    assert table.loc["Image", "performance"] == res.index((1, 10))["Image"]
    with pytest.raises(SpecError, match="Nothing leads to 'Image'"):
        res.ipma("Image", (1, 10))
    with pytest.raises(SpecError, match="Did you mean 'Image'"):
        res.ipma("Imag", (1, 10))


# --- the study ----------------------------------------------------------------------------------------------------


def test_units_levels_and_change_by_sem():
    data, truth = cx.datasets.simulate_study(companies=6, respondents=150, years=2, seed=3)
    spec = cx.SatisfactionIndex(engine="sem")
    waves = [quiet(spec, cx.Survey(part, weights="weight"), "company") for _, part in data.groupby("year")]
    assert waves[0].converged
    assert len(waves[0].scores) == 6 * 6
    assert (waves[0].scores["n"] == 150).all()  # blanks cost no rows
    both = waves[0].scores.merge(truth.index.query("year == 2024"), on=["company", "construct"])
    both = both[both["construct"] == "Satisfaction"]
    # other weights than those of the true PLS composite: a neighbour of the truth, not the truth
    np.testing.assert_allclose(both["index_x"], both["index_y"], atol=5)
    change = waves[1].change(waves[0])
    assert len(change) == 36
    assert (waves[0].aggregate("industry", weights="revenue")["units"] > 0).all()
    assert {"omega", "cr", "ave", "r2"} <= set(waves[0].quality)
    np.testing.assert_allclose(waves[0].respondents.groupby("company")["Satisfaction"].count(), 150)
    with pytest.raises(SpecError, match="One wave was estimated by PLS, the other by SEM"):
        waves[0].change(quiet(cx.SatisfactionIndex(), data, "company", bootstrap=0))


def test_an_improper_solution_keeps_its_numbers_and_says_so():
    rng = np.random.default_rng(0)
    eta = rng.normal(size=100)
    zeta = 0.6 * eta + 0.8 * rng.normal(size=100)
    noise = {"a0": 0.2, "a1": 1.0, "a2": 1.0, "b1": 0.4, "b2": 0.5, "b3": 0.5}
    loading = {"a1": 0.4, "a2": 0.3}
    frame = pd.DataFrame(
        {
            k: 5 + loading.get(k, 1.0) * (eta if k[0] == "a" else zeta) + s * rng.normal(size=100)
            for k, s in noise.items()
        }
    )
    model = "Quality =~ a0 + a1 + a2\nSatisfaction =~ b1 + b2 + b3\nSatisfaction ~ Quality"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        study = cx.SatisfactionIndex(model, engine="sem", scale=(-5, 15)).fit(frame)
    assert not study.proper
    assert study.scores["index"].notna().all()
    assert any("negative" in str(w.message).lower() for w in caught), [str(w.message) for w in caught]
    assert "negative" in repr(study).lower()


def test_equations_beyond_measures_and_paths_reach_the_engine(mobi):
    model = "Image =~ IMAG1 + IMAG4 + IMAG5\nSatisfaction =~ CUSA1 + CUSA2 + CUSA3\nSatisfaction ~ b*Image\n"
    study = cx.SatisfactionIndex(model + "IMAG4 ~~ IMAG5", engine="sem", scale=(1, 10)).fit(mobi)
    assert "IMAG4 ~~ IMAG5" in str(study.fit_of().spec.model)
    renamed = cx.SatisfactionIndex(
        model + "IMAG4 ~~ IMAG5", engine="sem", scale=(1, 10), items={"IMAG4": "image4"}
    ).fit(mobi.rename(columns={"IMAG4": "image4"}))
    np.testing.assert_allclose(study.scores["index"], renamed.scores["index"])
    with pytest.warns(CxWarning, match="ignores what the model says of 'IMAG4 ~~ IMAG5'"):
        cx.SatisfactionIndex(model + "IMAG4 ~~ IMAG5", scale=(1, 10))


def test_a_model_with_an_interaction_has_the_indices_of_its_constructs(mobi):
    model = "Image =~ IMAG1 + IMAG4 + IMAG5; Value =~ PERV1 + PERV2; Satisfaction =~ CUSA1 + CUSA2 + CUSA3; "
    spec = cx.SatisfactionIndex(model + "Satisfaction ~ Image + Value + Image:Value", engine="sem", scale=(1, 10))
    study = quiet(spec, mobi)  # the product of few items has a negative variance here
    assert list(study.scores["construct"]) == ["Image", "Value", "Satisfaction"]
    plain = cx.SatisfactionIndex(model + "Satisfaction ~ Image + Value", engine="sem", scale=(1, 10)).fit(mobi)
    np.testing.assert_allclose(study.scores["index"], plain.scores["index"], atol=0.5)
    effect = study.fit_of().estimates.query("op == '~' and rhs == 'Image'")["est"].iloc[0]
    assert np.sign(effect) == np.sign(study.impacts.query("driver == 'Image'")["impact"].iloc[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "sem", "scheme": "centroid"}, "'scheme' is an option of engine='pls'"),
        ({"engine": "sem", "consistent": True}, "'consistent' is an option of engine='pls'"),
        ({"estimator": "MLR"}, "'estimator' is an option of engine='sem'"),
        ({"engine": "sem", "estimator": "MLRR"}, "Did you mean 'MLR'"),
        ({"engine": "smm"}, "Did you mean 'sem'"),
    ],
)
def test_options_of_the_other_engine_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        cx.SatisfactionIndex(cx.acsi.ECSI, **options)


def test_missing_of_the_other_engine_is_refused(mobi):
    with pytest.raises(SpecError, match="Unknown missing='mean' with engine='sem'; choose from 'fiml'"):
        cx.SatisfactionIndex(cx.acsi.ECSI, engine="sem").fit(mobi, missing="mean")
    with pytest.raises(SpecError, match="Unknown missing='fiml' with engine='pls'"):
        cx.SatisfactionIndex(cx.acsi.ECSI).fit(mobi, missing="fiml")


def test_what_has_no_index_says_why(mobi):
    five = mobi[["CUSA1", "CUSA2", "CUSA3"]].apply(lambda c: np.digitize(c, [5, 7, 9]))
    model = "S =~ CUSA1 + CUSA2 + CUSA3"
    with pytest.raises(SpecError, match="fit the items as numerical"):
        cx.SEM(model, ordered=True).fit(five).index((0, 3))
    with pytest.raises(SpecError, match="needs the scale of 'CUSA1'"):
        cx.SEM(model).fit(mobi).index()
    moments = cx.SEM(model).fit_moments(mobi[["CUSA1", "CUSA2", "CUSA3"]].cov(), 250)
    with pytest.raises(DataError, match="need the rows"):
        moments.index_scores((1, 10))
    with pytest.raises(DataError, match="pass means= to fit_moments"):
        moments.index((1, 10))
    with pytest.raises(DataError, match="outside the scale"):
        cx.SEM(model).fit(mobi).index((1, 5))
    with pytest.raises(SpecError, match="no construct with items"):
        cx.SEM("CUSA1 ~ CUSA2").fit(mobi).index((1, 10))
