"""Necessary conditions, tetrads and copulas: by brute force, by other libraries, and in simulations with known truth."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import cxmodels as cx
from cxmodels.errors import CxError
from cxmodels.pls.copula import copula_term
from cxmodels.pls.nca import Ceiling
from cxmodels.pls.tetrads import independent_tetrads

SMALL = """
Image =~ IMAG1 + IMAG2 + IMAG3 + IMAG4
Satisfaction =~ CUSA1 + CUSA2 + CUSA3
Loyalty =~ CUSL1 + CUSL3
Satisfaction ~ Image
Loyalty ~ Image + Satisfaction
"""


@pytest.fixture(scope="module")
def small():
    return cx.PLS(SMALL).fit(cx.datasets.survey("mobi"))


# --- necessary conditions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_effect_sizes_are_areas_on_a_fine_grid(seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, 60).round(2 if seed % 2 else 6)  # also with ties
    y = x * rng.uniform(0, 1, 60)
    c = Ceiling(x, y)
    grid = np.linspace(x.min(), x.max(), 40_001)[:-1]
    width, (low, high) = np.ptp(x), (y.min(), y.max())
    steps = np.array([y[x <= g].max() for g in grid[::20]])
    assert c.effect("ce_fdh") == pytest.approx((high - steps).mean() / (high - low), abs=2e-3)
    px, py = [], []
    for value in np.unique(x):
        top = y[x <= value].max()
        if not py or top > py[-1]:
            px.append(value)
            py.append(top)
    np.testing.assert_allclose(c.peers, np.column_stack([px, py]))
    slope, intercept = np.polyfit(px, py, 1)
    line = np.clip(intercept + slope * grid, low, high)
    assert c.effect("cr_fdh") == pytest.approx((high - line).mean() / (high - low), abs=1e-3)
    assert width > 0


def test_a_triangle_has_half_its_square_empty():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=20_000)
    c = Ceiling(x, x * rng.uniform(size=20_000))
    assert c.effect("ce_fdh") == pytest.approx(0.5, abs=0.03)
    assert c.effect("cr_fdh") == pytest.approx(0.5, abs=0.03)
    assert c.required(0.6, "cr_fdh") == pytest.approx(0.6, abs=0.03)
    assert c.required(0.6, "ce_fdh") == pytest.approx(0.6, abs=0.03)


def test_requirements_of_a_step_function():
    c = Ceiling(np.array([0.0, 1, 2, 3]), np.array([1.0, 3, 2, 4]))
    assert np.isnan(c.required(1, "ce_fdh"))
    assert c.required(1.5, "ce_fdh") == 1
    assert c.required(3.5, "ce_fdh") == 3
    assert c.effect("ce_fdh") == pytest.approx((3 + 1 + 1) / 9)


@pytest.mark.filterwarnings("ignore::cxmodels.errors.DataWarning")
def test_permutation_holds_its_level_and_sees_a_ceiling():
    rng = np.random.default_rng(3)
    text = "X =~ x\nY =~ y\nY ~ X"
    null = [
        cx.PLS(text).fit(pd.DataFrame(rng.normal(size=(60, 2)), columns=["x", "y"])).nca("Y", 39).effects["pvalue"]
        for _ in range(120)
    ]
    assert ((np.array(null) <= 0.05).mean(axis=0) < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 120)).all()
    x = rng.uniform(size=200)
    found = cx.PLS(text).fit(pd.DataFrame({"x": x, "y": x * rng.uniform(size=200)})).nca("Y", 99, seed=1)
    assert (found.effects["pvalue"] <= 0.01).all()
    assert (found.effects["effect"] > 0.3).all()


def test_a_wave_cannot_pass_for_necessity():
    """Two waves at different levels: across them x seems necessary for y, within them it is not."""
    rng = np.random.default_rng(4)
    wave = np.repeat([0, 1], 80)
    x, y = rng.uniform(size=(2, 160)) + 1.5 * wave
    fit = cx.PLS("X =~ x\nY =~ y\nY ~ X").fit(pd.DataFrame({"x": x, "y": y}))
    assert (fit.nca("Y", 99, seed=1).effects["pvalue"] < 0.05).all()
    assert (fit.nca("Y", 99, seed=1, strata=wave).effects["pvalue"] > 0.05).all()


def test_bottlenecks_and_cipma_fit_together(small):
    nca = small.nca("Loyalty", 50, seed=1)
    table = nca.bottlenecks()
    assert list(table.columns) == ["Image", "Satisfaction"]
    assert table.iloc[0].isna().all()
    assert (table.ffill().diff().iloc[1:].fillna(0) >= 0).all().all()
    assert "Bottlenecks" in nca.summary()
    points = small.index_scores()
    level = points["Loyalty"].min() + 0.7 * np.ptp(points["Loyalty"])
    map_ = small.cipma("Loyalty", level, n=50, seed=1)
    for name in map_.index:
        share = table.loc[70.0, name]
        need = points[name].min() + share / 100 * np.ptp(points[name])
        assert map_.loc[name, "required"] == pytest.approx(need)
        assert map_.loc[name, "below"] == pytest.approx((points[name] < need - 1e-9).mean(), abs=1e-9)
    np.testing.assert_allclose(map_["importance"], small.ipma("Loyalty")["importance"])
    same = nca.effects.query("ceiling == 'ce_fdh'").set_index("condition")
    np.testing.assert_allclose(map_["effect"], same["effect"])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f: f.nca("Image"), "Nothing leads to 'Image'"),
        (lambda f: f.nca("Loyality"), "Did you mean 'Loyalty'"),
        (lambda f: f.nca("Loyalty", 5), "at least 20"),
        (lambda f: f.nca("Loyalty", 20).bottlenecks("ce"), "Unknown ceiling"),
        (lambda f: f.cipma("Loyalty", 140), "level=140 lies outside"),
        (lambda f: f.nca("Loyalty", 20, strata=[1, 2]), "strata has 2 labels for 250 rows"),
        (lambda f: f.nca("Loyalty", 20, strata=range(250)), "Every stratum holds one row"),
        (lambda f: f.tetrads(level=2), "between 0 and 1"),
        (lambda f: f.copula("Image"), "has no predictors"),
        (lambda f: f.copula("Loyalty", ["Value"]), "'Value' does not predict 'Loyalty'"),
        (lambda f: f.copula("Loyal"), "Did you mean 'Loyalty'"),
    ],
)
def test_bad_requests_are_named(small, call, words):
    with pytest.raises(CxError, match=words):
        call(small)


# --- tetrads ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [4, 5, 6, 7, 8])
def test_tetrads_are_as_many_as_not_implied(k):
    assert len(independent_tetrads(k)) == k * (k - 3) // 2


def test_independent_tetrads_imply_all_others():
    """Near a one-factor matrix, any change that keeps the chosen tetrads at zero keeps all at zero."""
    k, rng = 6, np.random.default_rng(1)
    load = rng.uniform(0.3, 0.9, k)
    place = {p: i for i, p in enumerate(combinations(range(k), 2))}

    def gradient(g, h, i, j):
        out = np.zeros(len(place))
        for (a, b), (c, d), sign in (((g, h), (i, j), 1), ((g, i), (h, j), -1)):
            out[place[tuple(sorted((a, b)))]] += sign * load[c] * load[d]
            out[place[tuple(sorted((c, d)))]] += sign * load[a] * load[b]
        return out

    chosen = np.array([gradient(*t) for t in independent_tetrads(k)])
    every = [gradient(*p) for c in combinations(range(k), 4) for p in (c, (c[0], c[1], c[3], c[2]))]
    assert np.linalg.matrix_rank(chosen) == len(chosen) == np.linalg.matrix_rank(np.vstack([chosen, every]))


def test_tetrads_tell_one_factor_from_two():
    rng = np.random.default_rng(2)
    f, g, y = rng.normal(size=(3, 1500))
    y = 0.5 * f + 0.3 * g + y
    one = {f"a{i}": f + (0.6 + 0.2 * i) * rng.normal(size=1500) for i in range(5)}
    two = {f"b{i}": (f if i < 2 else 0.4 * f + g) + 0.7 * rng.normal(size=1500) for i in range(4)}
    data = pd.DataFrame(one | two | {f"y{i}": y + 0.5 * rng.normal(size=1500) for i in range(2)})
    text = "A =~ a0 + a1 + a2 + a3 + a4\nB =~ b0 + b1 + b2 + b3\nY =~ y0 + y1\nY ~ A + B"
    test = cx.PLS(text).fit(data).tetrads(400, seed=1)
    assert list(test.decisions["reflective"]) == [True, False]
    assert list(test.decisions["tetrads"]) == [5, 2]
    r = data.corr()
    row = test.tests.query("tetrad == 'b0, b1, b2, b3'").iloc[0]
    assert row["est"] == pytest.approx(r.loc["b0", "b1"] * r.loc["b2", "b3"] - r.loc["b0", "b2"] * r.loc["b1", "b3"])
    assert "Decisions" in test.summary()


def test_blocks_below_four_items_are_refused():
    fit = cx.PLS("A =~ IMAG1 + IMAG2\nB =~ CUSA1 + CUSA2\nB ~ A").fit(cx.datasets.load("mobi"))
    with pytest.raises(CxError, match="No construct has four items"):
        fit.tetrads()


# --- copulas ----------------------------------------------------------------------------------------------------


def endogenous(seed, n=3000):
    """y = .5 x + e where x is skewed and e correlates .6 with its normal copy."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    e = 0.6 * z + 0.8 * rng.normal(size=n)
    x = np.exp(0.8 * z)
    return pd.DataFrame({"x": x, "y": 0.5 * x + e})


def test_a_copula_removes_a_known_bias_and_says_that_there_was_one():
    data = endogenous(1)
    fit = cx.PLS("X =~ x\nY =~ y\nY ~ X").fit(data)
    test = fit.copula("Y", n=150, seed=1)
    unit = data["y"].std() / data["x"].std()
    plain, treated = fit.paths["est"][0] * unit, test.terms["est"][0] * unit
    assert plain > 0.75  # .5 and a good part of what x shares with e
    assert treated == pytest.approx(0.5, abs=0.08)
    assert test.terms.loc[1, "term"] == "copula(X)"
    assert test.terms.loc[1, "pvalue"] < 0.001
    assert test.normality.loc["X", "usable"]


def test_an_exogenous_predictor_is_left_alone():
    rng = np.random.default_rng(5)
    x = rng.exponential(size=1000)
    data = pd.DataFrame({"x": x, "y": 0.5 * x + rng.normal(size=1000)})
    test = cx.PLS("X =~ x\nY =~ y\nY ~ X").fit(data).copula("Y", n=150, seed=1)
    assert test.terms.loc[1, "pvalue"] > 0.05


def test_coefficients_are_those_of_an_ordinary_regression(small):
    test = small.copula("Loyalty", n=20, seed=1)
    s = small.scores
    rank = s.rank(method="max") / 250
    from scipy.stats import norm

    copy = pd.DataFrame(norm.ppf(rank.clip(upper=250 / 251)), s.index, s.columns)
    assert list(test.terms["treated"].unique()) == ["Image", "Satisfaction", "Image + Satisfaction"]
    x = pd.concat([s[["Image", "Satisfaction"]], copy[["Image", "Satisfaction"]].add_prefix("c")], axis=1)
    expected = sm.OLS(s["Loyalty"], sm.add_constant(x)).fit().params.iloc[1:]
    both = test.terms.query("treated == 'Image + Satisfaction'")["est"]
    np.testing.assert_allclose(both, expected, rtol=1e-8)


def test_weights_of_a_copula_are_rows_repeated():
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=30), rng.integers(1, 4, 30)
    again = copula_term(np.repeat(x, g), np.ones(g.sum()))
    first = np.r_[0, np.cumsum(g)[:-1]]
    keep = np.abs(x) < 1.2  # the ends alone depend on the number of rows
    np.testing.assert_allclose(copula_term(x, g.astype(float))[keep], again[first][keep])


def test_a_normal_predictor_is_called_so():
    rng = np.random.default_rng(6)
    x = rng.normal(size=400)
    data = pd.DataFrame({"x": x, "y": x + rng.normal(size=400)})
    test = cx.PLS("X =~ x\nY =~ y\nY ~ X").fit(data).copula("Y", n=20, seed=1)
    assert any("look normal" in w for w in test.warnings)
    assert not test.normality.loc["X", "usable"]
