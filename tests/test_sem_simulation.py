"""Data drawn from a model, and the power of a study planned with it."""

import itertools
import json
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import cxmodels as cx
from cxmodels.errors import CxWarning, SpecError
from cxmodels.sem import rmsea_power, rmsea_sample_size
from cxmodels.sem.population import population_of
from cxmodels.sem.power import _drawn_moments
from cxmodels.sem.simulation import fleishman

HERE = Path(__file__).parent / "reference" / "cbsem" / "interactions"
REFERENCE = json.loads((HERE / "interactions.json").read_text())
CAUSE = "F =~ 0.7*x1 + 0.7*x2 + 0.7*x3; G =~ 0.7*y1 + 0.7*y2 + 0.7*y3; G ~ 0.3*F"
MODEL = "F =~ x1 + x2 + x3; G =~ y1 + y2 + y3; G ~ b*F"
COMPOSITE = (
    "C <~ 1*x1 + 2*x2 + 1*x3; x1 ~~ .3*x2 + .3*x3; x2 ~~ .3*x3; F =~ .8*y1 + .7*y2 + .9*y3; C ~ .4*F; y4 ~ .5*C"
)
LEVELS = """
level: 1
    f =~ 0.8*x1 + 0.7*x2 + 0.6*x3
level: 2
    g =~ 0.8*x1 + 0.7*x2 + 0.6*x3
    x1 ~~ 0.1*x1; x2 ~~ 0.1*x2; x3 ~~ 0.1*x3
    g ~ 0.5*w
    x1 ~ 3*1
"""


def draw(model, n=200_000, seed=3, **options):
    return cx.SEM(model).simulate(n, seed=seed, **options)


# --- moments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("standardized", [True, False])
def test_a_second_order_population_has_the_moments_of_lavaan(standardized):
    found = REFERENCE["implied"]
    data = draw(found["model"], 400, standardized=standardized, empirical=True)
    names = [n for n in found["standardized"] if n != "_row"]
    expected = np.array([found["standardized" if standardized else "plain"][k] for k in names])
    np.testing.assert_allclose(np.cov(data[names].T, bias=True), expected, atol=1e-8)


def test_written_numbers_are_the_population():
    model = "F =~ x1 + .7*x2 + .6*x3; F ~~ 2*F; x2 ~ 3*1; x1 ~~ .5*x1 + .2*x2; F ~ 1*1"
    data = draw(model, 300, empirical=True)
    own = np.diag([0.5, 1, 1]) + np.array([[0, 0.2, 0], [0.2, 0, 0], [0, 0, 0]])
    loadings = np.array([1, 0.7, 0.6])
    np.testing.assert_allclose(np.cov(data.T, bias=True), 2 * np.outer(loadings, loadings) + own, atol=1e-10)
    np.testing.assert_allclose(data.mean(), [1, 3.7, 0.6], atol=1e-10)


@pytest.mark.parametrize("model", ["y ~ .5*x + .2*z; x ~~ .3*z", "y ~ .5*x; x ~ .3*y + .2*z", COMPOSITE])
def test_standardised_populations_have_unit_variances(model):
    data = draw(model, 300, standardized=True, empirical=True, latent=True)
    np.testing.assert_allclose(data.var(ddof=0), 1, atol=1e-9)


def test_a_composite_is_the_sum_of_its_items_and_passes_on_what_explains_it():
    data = draw(COMPOSITE, 500, standardized=True, empirical=True, latent=True)
    assert data["C"].corr(data[["x1", "x2", "x3"]] @ [1, 2, 1]) == pytest.approx(1, abs=1e-9)
    assert data["C"].corr(data["F"]) == pytest.approx(0.4, abs=1e-9)
    assert data["x1"].corr(data["x2"]) == pytest.approx(0.3, abs=1e-9)
    loading = (1 + 3 * 0.3) / np.sqrt(6 + 2 * 0.3 * 5)  # cov(x1, w'x) over the standard deviation of w'x
    assert data["x1"].corr(data["F"]) == pytest.approx(0.4 * loading, abs=1e-9)
    assert data["y4"].corr(data["C"]) == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("seed", [2, 4, 15])
def test_a_composite_is_found_though_its_first_item_weighs_nothing(seed):
    population = "C <~ 1*x1 + 2*x2 + 1*x3; x1 ~~ .3*x2 + .3*x3; x2 ~~ .3*x3; F =~ .8*y1 + .7*y2 + .9*y3; F ~ .4*C"
    data = draw(population, 200, seed=seed, standardized=True)  # samples in which the first weight is nearly zero
    res = cx.SEM("C <~ x1 + x2 + x3; F =~ y1 + y2 + y3; F ~ C").fit(data)
    other = cx.SEM("C <~ x2 + x3 + x1; F =~ y1 + y2 + y3; F ~ C").fit(data)
    assert res.converged
    assert res.fit_measures["chisq"] == pytest.approx(other.fit_measures["chisq"], abs=1e-4)
    weights, others = (r.estimates.query("op == '<~'").set_index("rhs")["est"] for r in (res, other))
    ratio = (weights / others.reindex(weights.index)).iloc[1:]
    assert ratio.iloc[0] == pytest.approx(ratio.iloc[1], rel=1e-3)
    assert res.r_squared.set_index("name").loc["F", "r2"] == pytest.approx(
        other.r_squared.set_index("name").loc["F", "r2"], abs=1e-5
    )


def test_growth_and_groups():
    model = "i =~ 1*t1 + 1*t2 + 1*t3; s =~ 0*t1 + 1*t2 + 2*t3; i ~ c(5, 4)*1; s ~ c(2, 1)*1"
    data = cx.SEM(model, growth=True).simulate([20_000, 30_000], seed=1)
    assert data["group"].value_counts().to_dict() == {"1": 20_000, "2": 30_000}
    means = data.groupby("group").mean()
    np.testing.assert_allclose(means, [[5, 7, 9], [4, 5, 6]], atol=0.06)
    blocks = draw("group: A\ny ~ .5*x\ngroup: B\ny ~ .1*x; y ~ 3*1", {"A": 40_000, "B": 50_000})
    slopes = {k: np.polyfit(d["x"], d["y"], 1) for k, d in blocks.groupby("group")}
    np.testing.assert_allclose([slopes["A"], slopes["B"]], [[0.5, 0], [0.1, 3]], atol=0.03)


def test_products_of_constructs_are_products():
    model = "y ~ .3*a + .4*z + .5*a:z + .2*a:a; a =~ .8*a1; z =~ .8*z1; a ~~ .3*z; y =~ .7*y1"
    data = draw(model, standardized=True, latent=True)
    x = np.column_stack([data["a"], data["z"], data["a"] * data["z"], data["a"] ** 2, np.ones(len(data))])
    coefficients, rest, *_ = np.linalg.lstsq(x, data["y"], rcond=None)
    np.testing.assert_allclose(coefficients, [0.3, 0.4, 0.5, 0.2, 0], atol=0.01)
    assert data["y"].var() == pytest.approx(1, abs=0.02)
    assert rest[0] / len(data) == pytest.approx(
        population_of(cx.SEM(model), True).number(("y", "~~", "y"), 0), abs=0.01
    )
    # a moderated mediation: a part of the product is an outcome itself
    data = draw("m ~ .5*x; y ~ .3*m + .2*w + .4*m:w + .1*x")
    x = np.column_stack([data["m"], data["w"], data["m"] * data["w"], data["x"]])
    np.testing.assert_allclose(np.linalg.lstsq(x, data["y"], rcond=None)[0], [0.3, 0.2, 0.4, 0.1], atol=0.01)


def test_moments_of_products_are_those_of_normal_variables():
    model = "y ~ .3*a + .5*a:b + .2*b:c; a ~ 1*1; b ~ .5*1; a ~~ .4*b; b ~~ .3*c"
    cov, mean = population_of(cx.SEM(model)).groups[0].moments()
    names = population_of(cx.SEM(model)).groups[0].names
    data = draw(model, 300_000)
    drawn = pd.DataFrame({n: np.prod([data[k] for k in n.split(":")], axis=0) for n in names})
    np.testing.assert_allclose(np.cov(drawn.T), cov, atol=0.06)
    np.testing.assert_allclose(drawn.mean(), mean, atol=0.015)


def test_ordinal_answers_follow_thresholds():
    model = "f =~ .8*x1 + .7*x2 + .6*x3; x1 | -0.5*t1 + .5*t2; x2 | 0*t1"
    data = draw(model)
    shares = data["x1"].value_counts(normalize=True).sort_index()
    np.testing.assert_allclose(shares, np.diff(stats.norm.cdf([-np.inf, -0.5, 0.5, np.inf])), atol=0.005)
    fitted = cx.SEM("f =~ x1 + x2 + x3 + x4", ordered=["x1", "x2"], std_lv=True).fit(
        draw(model + "; f =~ .5*x4", 40_000, standardized=True)
    )
    loadings = fitted.estimates.query("op == '=~'")["est"]
    np.testing.assert_allclose(loadings, [0.8, 0.7, 0.6, 0.5], atol=0.03)


def test_two_levels_add_up():
    data = draw(LEVELS, 60_000, cluster_size=[5, 10])
    sizes = data["cluster"].value_counts()
    assert set(sizes) == {5, 10}
    assert data.groupby("cluster")["w"].nunique().max() == 1
    np.testing.assert_allclose(data[["x1", "x2"]].mean(), [3, 0], atol=0.05)
    between = 0.64 * 1.25 + 0.1
    assert data["x1"].var() == pytest.approx(between + 1.64, abs=0.06)
    means = data.groupby("cluster")["x1"].agg(["mean", "size"])
    big = means[means["size"] == 10]["mean"]
    assert big.var() == pytest.approx(between + 1.64 / 10, abs=0.06)


# --- other distributions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("skewness", "kurtosis"), [(0, 3), (1.75, 3.75), (-1, 1.5), (0, -1), (3, 21), (0, 25)])
def test_fleishman_polynomials_have_the_moments_wanted(skewness, kurtosis):
    a, b, c, d = fleishman(skewness, kurtosis)
    z, w = np.polynomial.hermite_e.hermegauss(20)
    y, w = a + b * z + c * z**2 + d * z**3, w / w.sum()
    found = [w @ y, w @ y**2, w @ y**3, w @ y**4 - 3]
    np.testing.assert_allclose(found, [0, 1, skewness, kurtosis], atol=1e-6)


def test_the_laplace_polynomial_is_the_published_one():
    np.testing.assert_allclose(fleishman(0, 3), [0, 0.782356, 0, 0.067905], atol=1e-6)  # Headrick and Sawilowsky 1999


def test_skewed_data_keep_their_covariances():
    model = "f =~ .8*x1 + .7*x2 + .6*x3"
    data = draw(model, standardized=True, skewness={"x1": 1.5}, kurtosis={"x1": 4, "x2": 3})
    expected = np.outer([0.8, 0.7, 0.6], [0.8, 0.7, 0.6])
    np.fill_diagonal(expected, 1)
    np.testing.assert_allclose(data.cov(), expected, atol=0.015)
    np.testing.assert_allclose(data.skew(), [1.5, 0, 0], atol=0.1)
    np.testing.assert_allclose(data.kurt(), [4, 3, 0], atol=0.5)


def test_heavy_tails_keep_their_covariances():
    data = draw("f =~ .8*x1 + .7*x2", standardized=True, df=12)
    np.testing.assert_allclose(data.cov(), [[1, 0.56], [0.56, 1]], atol=0.015)
    np.testing.assert_allclose(data.kurt(), 6 / 8, atol=0.15)


def test_answers_are_missing_as_often_as_asked():
    data = draw("f =~ .8*x1 + .7*x2 + .6*x3", 50_000, missing={"x1": 0.2, "x3": 0.5})
    np.testing.assert_allclose(data.isna().mean(), [0.2, 0, 0.5], atol=0.01)


def test_the_seed_decides():
    one, same, other = (draw(CAUSE, 5, seed=s) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(one, same)
    assert not np.allclose(one, other)


# --- from a fitted model ---------------------------------------------------------------------------------------------


def test_a_fitted_model_gives_data_like_its_own():
    data = cx.datasets.load("holzinger")
    model = "v =~ x1 + x2 + x3; t =~ x4 + x5 + x6; t ~ v + ageyr"
    res = cx.SEM(model).fit(data)
    more = res.simulate(60_000, seed=1)
    np.testing.assert_allclose(more.mean(), data[list(more)].mean(), atol=0.03)
    again = cx.SEM(model).fit(more)
    np.testing.assert_allclose(again.estimates["est"], res.estimates["est"], atol=0.05)
    assert len(res.simulate(seed=1)) == 301
    groups = cx.SEM(model).fit(data, group="school").simulate(seed=2, latent=True)
    assert groups["group"].value_counts().to_dict() == data["school"].value_counts().to_dict()
    assert {"v", "t"} <= set(groups)


def test_ordinal_answers_of_a_fitted_model_are_those_of_the_data():
    data = cx.datasets.load("holzinger")[["x1", "x2", "x3", "x4"]].apply(
        lambda c: pd.qcut(c, 3, labels=False) * 2 + 1
    )
    res = cx.SEM("f =~ x1 + x2 + x3 + x4", ordered=True).fit(data)
    more = res.simulate(30_000, seed=1)
    assert sorted(more["x1"].unique()) == [1, 3, 5]
    shares = [frame["x1"].value_counts(normalize=True).sort_index() for frame in (more, data)]
    np.testing.assert_allclose(*shares, atol=0.02)


def test_an_improper_solution_is_no_population():
    data = cx.datasets.load("holzinger")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        res = cx.SEM("v =~ x1 + x2 + x3 + x9; t =~ x4 + x5 + x6; s =~ x7 + x8 + x9; x7 ~~ x8").fit(data)
    assert not res.proper
    with pytest.raises(SpecError, match=r"improper.*variance of 'x8'"):
        res.simulate(10)


# --- power ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planned():
    return cx.SEM(MODEL + "; twice := 2*b").power(CAUSE, [100, 300], seed=1, standardized=True, replicates=400)


def test_computed_power_is_that_of_semtools():
    found = cx.SEM(MODEL).power(
        CAUSE, [100, 150, 155, 300], standardized=True, method="satorra_saris", parameters="G ~ F"
    )
    np.testing.assert_allclose(found.estimates["power"], REFERENCE["satorra_saris"], atol=1e-7)
    assert found.tests.empty


def test_the_sample_size_is_the_smallest_with_the_power():
    model = cx.SEM(MODEL)
    n = int(model.sample_size(CAUSE, 0.9, standardized=True, parameters="b")["n"].iloc[0])
    power = model.power(CAUSE, [n - 1, n], standardized=True, method="satorra_saris", parameters="b")
    below, enough = power.estimates["power"]
    assert below < 0.9 <= enough
    sizes = model.sample_size(CAUSE, standardized=True).set_index(["lhs", "op", "rhs"])["n"]
    assert np.isnan(sizes["x1", "~~", "x1"])
    absent = cx.SEM(MODEL + "; x1 ~~ y1").sample_size(CAUSE, standardized=True, parameters="x1~~y1")
    assert absent["n"].tolist() == [np.inf]


def test_replicates_agree_with_theory(planned):
    computed = cx.SEM(MODEL).power(CAUSE, [100, 300], standardized=True, method="satorra_saris", parameters="b")
    table = planned.estimates
    path = table.query("lhs == 'G' and op == '~'")
    np.testing.assert_allclose(path["power"], computed.estimates["power"], atol=0.07)
    np.testing.assert_allclose(path["true"], 0.3, atol=1e-9)
    assert table["coverage"].between(0.91, 0.985).all()
    np.testing.assert_allclose(table["se_mean"], table["sd"], rtol=0.12)
    assert (table["bias"].abs() < 5 * table["sd"] / np.sqrt(400) + 0.03).all()
    np.testing.assert_allclose(table["mcse"], np.sqrt(table["power"] * (1 - table["power"]) / 400))
    twice = table.query("op == ':='")
    np.testing.assert_allclose(twice["mean"].to_numpy(), 2 * path["mean"].to_numpy())
    np.testing.assert_allclose(twice["power"].to_numpy(), path["power"].to_numpy())
    tests = planned.tests
    assert tests["rejected"].between(0.02, 0.085).all()
    assert (tests["df"] == 8).all()
    np.testing.assert_allclose(tests["chisq"], 8, atol=0.8)
    needed = planned.n_needed(0.8).query("op == '~'")["n"].iloc[0]
    exact = cx.SEM(MODEL).sample_size(CAUSE, standardized=True, parameters="b")["n"].iloc[0]
    assert needed == pytest.approx(exact, rel=0.15)
    assert "400 replicates" in repr(planned)
    assert "Model test" in planned.summary()


def test_the_picture_of_power_shows_the_frame(planned):
    ax = planned.plot()
    shown = [line for line in ax.get_lines() if len(line.get_xdata()) == 2 and line.get_marker() == "o"]
    path = planned.estimates.query("op == '~'")
    np.testing.assert_allclose(shown[0].get_data(), [[100, 300], path["power"]])
    assert len(shown) == 2  # paths and defined parameters of fifteen
    ax.figure.clear()
    single = cx.SEM(MODEL).power(CAUSE, 200, standardized=True, method="satorra_saris", parameters="b")
    with pytest.raises(SpecError, match="two or more numbers of rows"):
        single.plot()


def test_replicates_drawn_as_moments_are_fits_of_such_data():
    model = cx.SEM(MODEL)
    power = model.power(CAUSE, [120], seed=5, standardized=True, replicates=3)
    sample = power.truth.estimate.raw.samples[0]
    names = list(power.truth.table.roles[0].observed)
    for k, line in enumerate(power.lines[0]):
        rng = np.random.default_rng(np.random.SeedSequence(5, spawn_key=(0, k)))
        _, cov = _drawn_moments(sample.mean, sample.cov, 120, rng)
        res = model.fit_moments(pd.DataFrame(cov * 120 / 119, names, names), 120)
        free = power.truth.rows
        np.testing.assert_allclose(line[4 : 4 + len(free)], res.estimates["est"].iloc[free], atol=1e-5)
        np.testing.assert_allclose(line[4 + len(free) :], res.estimates["se"].iloc[free], rtol=1e-4)
        assert line[1] == pytest.approx(res.fit_measures["chisq"], abs=1e-5)


def test_drawn_moments_are_those_of_normal_rows():
    cov = np.array([[2.0, 0.5], [0.5, 1.0]])
    rng = np.random.default_rng(1)
    drawn = [_drawn_moments(np.array([1.0, -1.0]), cov, 5, rng) for _ in range(4_000)]
    means, covs = (np.stack(x) for x in zip(*drawn, strict=True))
    np.testing.assert_allclose(covs.mean(axis=0), cov * 4 / 5, atol=0.06)
    np.testing.assert_allclose(np.cov(means.T), cov / 5, atol=0.03)
    np.testing.assert_allclose(covs[:, 0, 1].var(), (2 * 1 + 0.25) * 4 / 25, rtol=0.12)  # Wishart


def test_any_number_of_workers_gives_the_same_numbers():
    call = {"seed": 3, "standardized": True, "replicates": 120, "parameters": ["G~F", "F=~x2"]}
    with joblib.parallel_config("threading"):
        one, two = (cx.SEM(MODEL).power(CAUSE, 150, n_jobs=k, **call) for k in (1, 2))
        call["replicates"] = 6
        three, four = (cx.SEM(MODEL, estimator="MLR").power(CAUSE, 150, n_jobs=k, **call) for k in (1, 2))
    pd.testing.assert_frame_equal(one.estimates, two.estimates)
    pd.testing.assert_frame_equal(three.estimates, four.estimates)


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        ({"estimator": "MLR"}, {"skewness": 1, "kurtosis": 2}),
        ({}, {"missing": 0.1}),
        ({}, {"df": 8}),
    ],
    ids=["robust", "FIML", "heavy tails"],
)
def test_replicates_are_fitted_as_data_are(spec, options):
    found = (
        cx.SEM(MODEL, **spec)
        .power(CAUSE, 250, seed=1, standardized=True, replicates=12, parameters="b", **options)
        .estimates
    )
    assert found["mean"].iloc[0] == pytest.approx(0.3, abs=4 * 0.1 / np.sqrt(12))
    assert found["failed"].iloc[0] == 0
    assert found["se_mean"].iloc[0] == pytest.approx(0.09, abs=0.03)


def test_power_of_ordinal_items():
    cuts = "".join(f"; {i} | -.5*t1 + .5*t2" for i in ("x1", "x2", "x3", "y1", "y2", "y3"))
    found = cx.SEM(MODEL, ordered=True).power(CAUSE + cuts, 400, seed=1, standardized=True, replicates=8).estimates
    true = found.set_index(["lhs", "op", "rhs"])["true"]
    np.testing.assert_allclose([true["G", "~", "F"], true["F", "~~", "F"], true["x1", "|", "t1"]], [0.3, 0.49, -0.5])
    np.testing.assert_allclose(found["mean"], found["true"], atol=0.12)


def test_true_values_are_those_of_the_model_fitted():
    groups = "F =~ 0.7*x1 + c(.7, .4)*x2 + 0.7*x3 + .6*x4; F ~ c(0, .3)*1"
    found = (
        cx.SEM("F =~ x1 + x2 + x3 + x4")
        .power(
            groups,
            [[60, 80]],
            seed=1,
            standardized=True,
            replicates=30,
            fit={"equal": "loadings", "partial": "F=~x2"},
        )
        .estimates
    )
    assert (found["n"] == 140).all()
    true = found.query("lhs == 'F' and rhs == 'x2'")["true"]
    np.testing.assert_allclose(true, [1, 4 / 7], atol=1e-6)
    earlier = cx.SEM("v =~ x1 + x2 + x3; t =~ x4 + x5 + x6; t ~ v").fit(cx.datasets.load("holzinger"))
    again = earlier.spec.power(earlier, 120, seed=1, replicates=10, parameters="t~v").estimates
    assert again["true"].iloc[0] == pytest.approx(earlier.paths["est"].iloc[0], abs=1e-6)


def test_a_model_that_is_wrong_says_so():
    found = cx.SEM("F =~ x1 + x2 + x3; G =~ y1 + y2 + y3; F ~~ 0*G").power(
        CAUSE, 200, seed=1, standardized=True, replicates=100
    )
    assert "does not hold in the population" in found.warnings[0]
    computed = cx.SEM(MODEL).power(CAUSE, 200, standardized=True, method="satorra_saris", parameters="b")
    assert found.tests["rejected"].iloc[0] > 3 * 0.05
    assert found.tests["rejected"].iloc[0] < computed.estimates["power"].iloc[0]  # nine degrees of freedom, not one


def test_power_of_two_levels():
    model = "level: 1\nf =~ x1 + x2 + x3\nlevel: 2\ng =~ x1 + x2 + x3\ng ~ w"
    found = cx.SEM(model).power(LEVELS, 500, seed=1, replicates=4, cluster_size=5, parameters=["g~w", "f=~x2"])
    np.testing.assert_allclose(found.estimates["true"], [0.4, 7 / 8])
    assert found.estimates["level"].tolist() == ["2", "1"]
    np.testing.assert_allclose(found.estimates["mean"], [0.4, 7 / 8], atol=0.3)


def test_power_of_tests_of_fit_is_that_of_the_literature():
    sizes = [rmsea_sample_size(df) for df in (2, 10, 50, 100)]
    assert sizes == REFERENCE["rmsea_size"]
    assert [sizes[1], sizes[3]] == [782, 132]  # MacCallum, Browne and Sugawara 1996, table 4
    found = [rmsea_power(57, 200), rmsea_power(57, 200, rmsea1=0.01)]
    np.testing.assert_allclose(found, REFERENCE["rmsea_power"], atol=1e-8)
    exact = 1 - stats.ncx2.cdf(stats.chi2.ppf(0.95, 30), 30, 149 * 30 * 0.06**2)
    assert rmsea_power(30, 150, rmsea0=0, rmsea1=0.06) == pytest.approx(exact)
    assert rmsea_sample_size(20, groups=2) == pytest.approx(2 * rmsea_sample_size(20), abs=2)


# --- refusals -------------------------------------------------------------------------------------------------------

POPULATIONS = {
    "loading": ("f =~ .8*x1 + x2 + .7*x3", {}, "no number for the loading 'f =~ x2'"),
    "several loadings": ("f =~ x1 + x2 + x3", {}, "(2 parameters lack one)"),
    "standardised marker": ("f =~ x1 + .8*x2", {"standardized": True}, "no number for the loading 'f =~ x1'"),
    "path with a label": ("y ~ a*x", {}, "no number for the path 'y ~ x'"),
    "covariance": ("f =~ x1 + .8*x2; g =~ x3 + .5*x4; f ~~ g", {}, "no number for the covariance 'f ~~ g'"),
    "weight": ("C <~ .5*x1 + x2", {}, "no number for the weight 'C <~ x2'"),
    "threshold": ("f =~ .8*x1 + .7*x2; x1 | t1", {}, "no number for the threshold 'x1 | t1'"),
    "order of thresholds": ("f =~ .8*x1 + .7*x2; x1 | 1*t1 + .5*t2", {}, "thresholds of 'x1' must increase"),
    "covariance beyond variances": (
        "f =~ x1 + .8*x2; g =~ x3 + .5*x4; f ~~ 1.2*g", {}, "'f ~~ g' is 1.200, but the (residual) variances",
    ),
    "explained too much": ("f =~ .9*x1 + 1.2*x2", {"standardized": True}, "What 'x2' depends on explains 1.440"),
    "negative variance": ("y ~ .5*x; y ~~ -1*y", {}, "The variance of 'y' is -1.000"),
    "three that contradict": ("y ~ .1*a + .1*b + .1*c; a ~~ .9*b + .9*c; b ~~ -.9*c", {}, "'a', 'b', 'c' contradict"),
    "circle": ("y ~ 1*x; x ~ 1*y", {}, "'y', 'x' form a circle"),
    "circle with a product": ("y ~ .3*x:z + .2*z; x ~ .3*y", {}, "form a circle, which an interaction"),
    "constraint": ("y ~ a*x + .4*x; w ~ b*q + .2*q; a == b", {}, "breaks its constraint 'a == b' by 0.2"),
    "covariance of a product": ("y ~ .5*x; x ~~ .2*y:z", {}, "covariances of a product follow"),
    "variance of a composite": ("C <~ .5*x1 + .5*x2; C ~~ 1*C", {}, "variance of composite 'C' follows"),
    "no rows": ("y ~ .5*x", {"n": 0}, "1 or more, not 0"),
    "rows of two groups": ("y ~ .5*x", {"n": [3, 4]}, "2 numbers of rows for 1 groups"),
    "rows of a group": ("y ~ c(.5, .4)*x", {"n": {"1": 3}}, "for group '2'"),
    "impossible skewness": ("y ~ .5*x", {"skewness": 1}, "'y': no cubic of a normal variable has skewness 1"),
    "skewness too strong": (
        "y ~ .95*x", {"standardized": True, "skewness": {"x": 3, "y": -3}, "kurtosis": 15}, "cannot correlate 0.95",
    ),
    "skewness of what": ("y ~ .5*x", {"skewness": {"Y": 1}, "kurtosis": 3}, "Did you mean 'y'?"),
    "skewness and df": ("y ~ .5*x", {"kurtosis": 1, "df": 5}, "not both"),
    "skewness of products": ("y ~ .5*x + .1*z + .1*x:z", {"kurtosis": 1}, "combined with an interaction"),
    "df": ("y ~ .5*x", {"df": 2}, "a number above 2"),
    "share": ("y ~ .5*x", {"missing": 1.5}, "a share from 0 to below 1"),
    "levels": (LEVELS, {}, "needs cluster_size="),
    "no levels": ("y ~ .5*x", {"cluster_size": 3}, "for populations with level:"),
    "exact with few rows": ("y ~ .5*x", {"n": 2, "empirical": True}, "more rows than variables"),
    "seed": ("y ~ .5*x", {"seed": -1}, "seed must be"),
}  # fmt: skip


@pytest.mark.parametrize("case", POPULATIONS)
def test_no_data_come_of_a_population_that_cannot_be(case):
    model, options, words = POPULATIONS[case]
    with pytest.raises(SpecError) as caught:
        cx.SEM(model).simulate(**({"n": 10} | options))
    assert words in str(caught.value), caught.value
    assert "\n" not in str(caught.value)


PLANS = {
    "unknown parameter": ({"parameters": "G ~ H"}, "Did you mean 'G~F'?"),
    "no parameter": ({"parameters": []}, "parameters is empty"),
    "one replicate": ({"replicates": 1}, "at least 2 replicates"),
    "alpha": ({"alpha": 2}, "alpha is a probability"),
    "method": ({"method": "exact"}, "'monte_carlo' or 'satorra_saris'"),
    "too few rows": ({"n": 5}, "5 rows for 6 items"),
    "no size": ({"n": []}, "n is empty"),
    "option": ({"fit": {"foo": 1}}, "fit= names 'foo'"),
    "lacking items": (
        {"population": "F =~ .7*x1 + .7*x2"},
        "'x3', 'y1', 'y2', 'y3', which the population does not draw",
    ),
}


@pytest.mark.parametrize("case", PLANS)
def test_a_plan_that_cannot_be_is_refused(case):
    options, words = PLANS[case]
    with pytest.raises(SpecError) as caught:
        cx.SEM(MODEL).power(**({"population": CAUSE, "n": 100, "standardized": True} | options))
    assert words in str(caught.value), caught.value


def test_other_refusals():
    for power, words in ((1.2, "between alpha"), (0.01, "between alpha")):
        with pytest.raises(SpecError, match=words):
            cx.SEM(MODEL).sample_size(CAUSE, power, standardized=True)
    for call, words in itertools.product([rmsea_power, rmsea_sample_size], ["RMSEA test needs"]):
        with pytest.raises(SpecError, match=words):
            call(0, 0.8 if call is rmsea_sample_size else 100)
    with pytest.raises(SpecError, match="simple form"):
        cx.SEM("a =~ a1 + a2; z =~ z1 + z2; y ~ a + z + a:z").sample_size(
            "a =~ .8*a1 + .8*a2; z =~ .8*z1 + .8*z2; y ~ .3*a + .3*z + .2*a:z", standardized=True
        )
