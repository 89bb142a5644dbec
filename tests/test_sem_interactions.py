"""Interactions of constructs: by products of items, and by maximum likelihood (LMS)."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import cxmodels as cx
from cxmodels.errors import CxWarning, DataWarning, SpecError
from cxmodels.sem.mixture import nodes_of
from cxmodels.sem.products import expand_products

HERE = Path(__file__).parent / "reference" / "cbsem"
REFERENCE = json.loads((HERE / "interactions" / "interactions.json").read_text())
DATA = pd.read_csv(HERE / "interactions" / "interaction.csv")
PARTS = "a =~ a1 + a2 + a3; z =~ z1 + z2 + z3; y =~ y1 + y2 + y3"
MODEL = f"{PARTS}; y ~ a + z + a:z"
LINEAR = f"{PARTS}; y ~ a + z"
TRUTH = "a =~ .8*a1 + .7*a2 + .8*a3; z =~ .8*z1 + .9*z2 + .7*z3; y =~ .8*y1 + .8*y2 + .7*y3; a ~~ .3*z"
TRUTH += "; y ~ .3*a + .3*z + .25*a:z"


def frame(name):
    """Estimates of a reference model, its product and products named as here."""
    found = pd.DataFrame(REFERENCE[name]["estimates"])
    names = {"az": "a:z", "aa": "a:a"} | {f"q{k}": f"a{k}:a{k}" for k in (1, 2, 3)}
    for side in ("lhs", "rhs"):
        found[side] = found[side].map(lambda n: names.get(n, n.replace(".", ":")))
    found = found[found["op"] != "~1"]
    return found.set_index([found["lhs"], found["op"], found["rhs"]])[["est", "se"]].sort_index()


def close(res, reference, tolerance=2e-5):
    mine = res.estimates.set_index(["lhs", "op", "rhs"])[["est", "se"]]
    flipped = mine.rename_axis(["rhs", "op", "lhs"]).reorder_levels(["lhs", "op", "rhs"])
    both = pd.concat([mine, flipped[~flipped.index.isin(mine.index)]]).sort_index()
    np.testing.assert_allclose(both.loc[reference.index], reference, atol=tolerance, rtol=1e-4)


@pytest.fixture(scope="module")
def lms():
    return cx.SEM(MODEL, interaction="lms").fit(DATA)


# --- products of items ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "model", "pairs"),
    [
        ("matched", MODEL, "matched"),
        ("all", MODEL, "all"),
        ("square", "a =~ a1 + a2 + a3; y =~ y1 + y2 + y3; y ~ a + a:a", "matched"),
    ],
)
def test_products_give_the_numbers_of_semtools_and_lavaan(case, model, pairs):
    res = cx.SEM(model, pairs=pairs).fit(DATA)
    close(res, frame(case))
    fit = REFERENCE[case]["fit"]
    measures = res.fit_measures[["chisq", "chisq_scaled", "df", "npar"]]
    np.testing.assert_allclose(measures, [fit["chisq"], fit["chisq.scaled"], fit["df"], fit["npar"]], atol=2e-3)


def test_products_of_a_survey_give_the_numbers_of_lavaan():
    found = json.loads((HERE / "mobi_interaction_products.json").read_text())
    model = "Image =~ IMAG1 + IMAG2 + IMAG4; Sat =~ CUSA1 + CUSA2 + CUSA3; Loy =~ CUSL1 + CUSL3; Loy ~ Image + Sat + Image:Sat"
    res = cx.SEM(model).fit(cx.datasets.load("mobi"))
    expected = {(e["lhs"], e["rhs"]): e for e in found["estimates"] if e["op"] == "~"}
    names = {"Image:Sat": "INT"}
    for row in res.estimates.query("op == '~'").itertuples():
        other = expected[row.lhs, names.get(row.rhs, row.rhs)]
        assert row.est == pytest.approx(other["est"], abs=1e-4)
        assert row.se == pytest.approx(other["se"], rel=1e-3)
    assert res.fit_measures["chisq_scaled"] == pytest.approx(found["fit"]["chisq_scaled"], abs=2e-3)


def test_products_are_what_one_would_make_by_hand():
    data = DATA.copy()
    for a, z in (("a1", "z1"), ("a2", "z2"), ("a3", "z3")):
        product = (data[a] - data[a].mean()) * (data[z] - data[z].mean())
        data[a + z] = product - product.mean()
    hand = cx.SEM(f"{PARTS}; az =~ a1z1 + a2z2 + a3z3; y ~ a + z + az", estimator="MLR").fit(data)
    res = cx.SEM(MODEL).fit(DATA)
    np.testing.assert_allclose(res.paths["est"], hand.paths["est"], atol=1e-7)
    np.testing.assert_allclose(res.paths["se"], hand.paths["se"], rtol=1e-5)


def test_where_a_scale_begins_does_not_matter():
    moved = DATA.copy()
    moved["a1"] += 7
    moved["z2"] -= 30
    one, other = (cx.SEM(MODEL, pairs="all").fit(d).paths["est"] for d in (DATA, moved))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_unit_of_a_product_is_that_of_its_markers():
    marked = cx.SEM("a =~ NA*a1 + 1*a2 + a3; z =~ 2*z1 + z2 + z3; y =~ y1 + y2 + y3; y ~ a + z + a:z").fit(DATA)
    own = marked.estimates.query("lhs == 'a:z' and op == '=~'")
    assert own["rhs"].tolist() == ["a2:z1", "a1:z2", "a3:z3"]
    assert own["est"].iloc[0] == 2
    scaled = DATA.assign(a1=10 * DATA["a1"], a2=10 * DATA["a2"], a3=10 * DATA["a3"])
    one, ten = (cx.SEM(MODEL).fit(d).interactions for d in (DATA, scaled))
    assert ten["est"].iloc[0] == pytest.approx(one["est"].iloc[0] / 10, rel=1e-5)
    assert ten["std"].iloc[0] == pytest.approx(one["std"].iloc[0], rel=1e-5)


def test_errors_of_products_that_share_an_item_covary():
    def pairs(model, kind):
        rows = expand_products(cx.parse_model(model), kind).rows
        return {(r.lhs, r.rhs) for r in rows if r.op == "~~"}

    assert pairs(MODEL, "matched") == set()
    assert len(pairs(MODEL, "all")) == 18
    assert pairs(f"{PARTS}; y ~ a + z + a:z + a:a", "matched") == {(f"a{k}:z{k}", f"a{k}:a{k}") for k in (1, 2, 3)}
    observed = "a =~ a1 + a2 + a3; y =~ y1 + y2 + y3; y ~ a + x + a:x"
    assert pairs(observed, "all") == set()  # what is measured without error passes none on
    items = [r.rhs for r in expand_products(cx.parse_model(observed), "matched").rows if r.lhs == "a:x"]
    assert items == ["a1:x", "a2:x", "a3:x"]


def test_groups_weights_and_gaps():
    data = DATA.assign(g=np.where(np.arange(250) % 2, "B", "A"), w=1.0 + np.arange(250) % 2)
    apart = [cx.SEM(MODEL).fit(d).paths["est"].to_numpy() for _, d in data.groupby("g", sort=False)]
    both = cx.SEM(MODEL).fit(data, group="g").paths
    np.testing.assert_allclose(both["est"], np.concatenate(apart), atol=1e-5)
    repeated = data.loc[data.index.repeat(data["w"].astype(int))]
    one, other = cx.SEM(MODEL).fit(data, weights="w"), cx.SEM(MODEL).fit(repeated)
    np.testing.assert_allclose(one.paths["est"], other.paths["est"], atol=1e-5)
    gaps = DATA.mask(np.random.default_rng(1).random(DATA.shape) < 0.1)
    fiml = cx.SEM(MODEL).fit(gaps, missing="fiml")
    assert fiml.n_obs == 250
    np.testing.assert_allclose(fiml.paths["est"], cx.SEM(MODEL).fit(DATA).paths["est"], atol=0.12)


# --- maximum likelihood --------------------------------------------------------------------------------------------


def brute(res, data, names):
    """Log-likelihood of two constructs and their outcome by summing over a fine grid of both constructs."""
    v = res.estimates.set_index(["lhs", "op", "rhs"])["est"].to_dict()
    grid = np.linspace(-6, 6, 161) * np.sqrt(max(v["a", "~~", "a"], v["z", "~~", "z"]))
    a, z = np.meshgrid(grid, grid, indexing="ij")
    cov = [[v["a", "~~", "a"], v["a", "~~", "z"]], [v["a", "~~", "z"], v["z", "~~", "z"]]]
    prior = stats.multivariate_normal.logpdf(np.stack([a, z], axis=-1), [0, 0], cov)
    y = sum(
        v.get(("y", "~", k), 0) * x for k, x in {"a": a, "z": z, "a:z": a * z, "a:a": a * a, "z:z": z * z}.items()
    )
    lam = np.array([v["y", "=~", i] for i in names["y"]])
    inner = np.outer(lam, lam) * v["y", "~~", "y"] + np.diag([v[i, "~~", i] for i in names["y"]])
    total = 0.0
    for row in data.to_dict("records"):
        log = prior.copy()
        for factor, x in (("a", a), ("z", z)):
            for i in names[factor]:
                log += stats.norm.logpdf(row[i], v[i, "~1", ""] + v[factor, "=~", i] * x, np.sqrt(v[i, "~~", i]))
        gap = np.stack([row[i] - v[i, "~1", ""] - k * y for i, k in zip(names["y"], lam, strict=True)], axis=-1)
        log += stats.multivariate_normal.logpdf(gap, np.zeros(len(lam)), inner)
        total += np.log(np.exp(log - log.max()).sum()) + log.max() + 2 * np.log(grid[1] - grid[0])
    return total


@pytest.mark.parametrize(
    ("paths", "nodes"),
    [
        (".4*a + .3*z + .25*a:z", 40),
        (".4*a + .3*z + .25*a:z + .2*a:a", 40),
        (".4*a + .3*z - .2*a:a + .1*z:z", 44),
    ],
)
def test_the_likelihood_is_the_integral(paths, nodes):
    items = {"a": ["a1", "a2"], "z": ["z1", "z2"], "y": ["y1", "y2"]}
    model = "a =~ 1*a1 + .8*a2; z =~ 1*z1 + .9*z2; y =~ 1*y1 + .7*y2; a ~~ .3*z + 1*a; z ~~ 1.2*z"
    model += "; a1 ~~ .4*a1; a2 ~~ .5*a2; z1 ~~ .4*z1; z2 ~~ .4*z2; y1 ~~ .3*y1; y2 ~~ .4*y2"
    paths = paths.replace("- .2", "+ -.2")
    data = cx.SEM(f"{model}; y ~ {paths}; y ~~ .5*y").simulate(30, seed=1)
    res = cx.SEM(f"{model}; y ~ {paths}", interaction="lms", nodes=nodes).fit(
        data
    )  # residual and intercepts are free
    assert res.fit_measures["logl"] == pytest.approx(brute(res, data, items), abs=1e-3)


def test_the_gradient_is_that_of_the_likelihood(lms):
    objective, x = lms.estimate.objective, lms.estimate.x
    x = x + 0.05 * np.cos(np.arange(len(x)))
    gradient = objective.derivatives(x).gradient
    steps = 1e-5 * np.eye(len(x))
    numeric = [(objective.value(x + s) - objective.value(x - s)) / 2e-5 for s in steps]
    np.testing.assert_allclose(gradient, numeric, atol=1e-7)
    values = [x + s for s in steps], [x - s for s in steps]
    second = [
        (objective.derivatives(a).gradient - objective.derivatives(b).gradient) / 2e-5
        for a, b in zip(*values, strict=True)
    ]
    np.testing.assert_allclose(objective.hessian(x), second, atol=1e-6)
    np.testing.assert_allclose(sum(objective.case_scores(x)[0]) * -2 / 250, gradient, atol=1e-12)
    at = objective.derivatives(lms.estimate.x)
    assert np.abs(at.gradient).max() < 1e-6


def test_two_constructs_to_integrate_over_have_the_same_exact_gradient():
    res = cx.SEM(f"{PARTS}; y ~ a + z + a:a + z:z", interaction="lms", nodes=6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        e = res.fit(DATA.head(80)).estimate
    x = e.x + 0.03 * np.sin(np.arange(len(e.x)))
    gradient = e.objective.derivatives(x).gradient
    numeric = [(e.objective.value(x + s) - e.objective.value(x - s)) / 2e-5 for s in 1e-5 * np.eye(len(x))]
    np.testing.assert_allclose(gradient, numeric, atol=1e-7)


def test_without_an_interaction_it_is_the_linear_model():
    zero = cx.SEM(f"{PARTS}; y ~ a + z + 0*a:z", interaction="lms").fit(DATA)
    linear = cx.SEM(LINEAR, mean_structure=True, information="observed").fit(DATA)
    assert zero.fit_measures["logl"] == pytest.approx(linear.fit_measures["logl"], abs=1e-3)
    names = ["lhs", "op", "rhs"]
    a, b = (r.estimates.set_index(names)[["est", "se"]] for r in (zero, linear))
    np.testing.assert_allclose(a.loc[b.index], b, atol=2e-3)


def test_the_test_of_the_interaction(lms):
    linear = cx.SEM(LINEAR).fit(DATA)
    measures = lms.fit_measures
    table = cx.compare(lms, linear)
    gain = 2 * (measures["logl"] - measures["linear_logl"])
    assert table["chisq_diff"].iloc[1] == pytest.approx(gain) == measures["lr_chisq"]
    assert table["df_diff"].iloc[1] == 1 == measures["lr_df"]
    assert table["pvalue"].iloc[1] == pytest.approx(stats.chi2.sf(gain, 1)) == measures["lr_pvalue"]
    assert np.isnan(table["chisq"].iloc[0])
    means = cx.SEM(LINEAR, mean_structure=True).fit(DATA).fit_measures  # counts what the interaction model counts
    np.testing.assert_allclose(table[["aic", "bic"]].iloc[1], means[["aic", "bic"]], atol=1e-6)
    wald = lms.interactions["z"].iloc[0] ** 2
    assert gain == pytest.approx(wald, rel=0.35)


def test_robust_standard_errors_and_test():
    robust = cx.SEM(MODEL, interaction="lms", estimator="MLR").fit(DATA)
    e = robust.estimate
    scores = e.objective.case_scores(e.x)[0]
    inverse = np.linalg.inv(e.objective.hessian(e.x) / 2 * 250)
    np.testing.assert_allclose(robust.free_vcov, inverse @ (scores.T @ scores) @ inverse, rtol=1e-6)
    linear = cx.SEM(LINEAR, estimator="MLR").fit(DATA)
    scaled = cx.compare(robust, linear)["chisq_diff"].iloc[1]
    assert scaled == pytest.approx(robust.fit_measures["lr_chisq"], rel=1e-6)
    assert scaled != pytest.approx(2 * (robust.fit_measures["logl"] - robust.fit_measures["linear_logl"]), rel=1e-3)


def test_weights_are_repeated_rows_and_groups_are_fits_of_their_own():
    data = DATA.head(120).assign(g=np.where(np.arange(120) % 2, "B", "A"), w=1.0 + np.arange(120) % 2)
    spec = cx.SEM(MODEL, interaction="lms", nodes=16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        repeated = data.loc[data.index.repeat(data["w"].astype(int))]
        one, other = spec.fit(data, weights="w"), spec.fit(repeated)
        np.testing.assert_allclose(one.paths["est"], other.paths["est"], atol=1e-4)
        both = spec.fit(data, group="g")
        apart = [spec.fit(d) for _, d in data.groupby("g", sort=False)]
    assert both.fit_measures["logl"] == pytest.approx(sum(r.fit_measures["logl"] for r in apart), abs=1e-4)
    np.testing.assert_allclose(both.paths["est"], np.concatenate([r.paths["est"] for r in apart]), atol=1e-3)
    assert both.interactions["group"].tolist() == ["A", "B"]


def test_gaps_are_integrated_out(lms):
    spec = cx.SEM(MODEL, interaction="lms")
    same = spec.fit(DATA, missing="fiml")
    assert same.fit_measures["logl"] == pytest.approx(lms.fit_measures["logl"], abs=1e-3)
    lost = DATA.copy()
    lost.loc[:99, "y3"] = np.nan
    with_gaps = spec.fit(lost, missing="fiml")
    assert with_gaps.n_obs == 250
    np.testing.assert_allclose(with_gaps.paths["est"], lms.paths["est"], atol=0.1)


def test_both_ways_find_the_truth():
    data = cx.SEM(TRUTH).simulate(1500, seed=5, standardized=True)
    truth = np.array([0.3, 0.3, 0.25])  # standardised constructs
    for kind in ("product", "lms"):
        res = cx.SEM(MODEL, interaction=kind).fit(data)
        scale = np.array([0.8 / 0.8, 0.8 / 0.8, 0.8 / (0.8 * 0.8)])  # units of the markers
        assert (np.abs(res.paths["est"] - truth * scale) < 3.5 * res.paths["se"]).all()
        assert res.interactions["std"].iloc[0] == pytest.approx(0.25, abs=3.5 * res.interactions["std_se"].iloc[0])


def test_maximum_likelihood_is_the_more_precise(lms):
    product = cx.SEM(MODEL).fit(DATA)
    assert lms.interactions["se"].iloc[0] < 1.05 * product.interactions["se"].iloc[0]
    assert lms.interactions["est"].iloc[0] == pytest.approx(product.interactions["est"].iloc[0], abs=0.12)


def test_power_of_an_interaction():
    found = cx.SEM(MODEL).power(TRUTH, 400, seed=2, standardized=True, replicates=20, parameters=["y ~ a:z", "z=~z2"])
    np.testing.assert_allclose(found.estimates["true"], [0.25 / 0.8, 0.9 / 0.8])
    np.testing.assert_allclose(found.estimates["mean"], found.estimates["true"], atol=0.08)
    assert found.estimates["power"].min() > 0.8


# --- what it says ----------------------------------------------------------------------------------------------------


def test_simple_slopes_are_those_of_semtools():
    expected = REFERENCE["slopes"]
    res = cx.SEM(MODEL).fit(DATA)
    sd = np.sqrt(res.latent_cov().loc["z", "z"])
    slopes = res.simple_slopes(np.array([-1, 0, 1]) / sd).query("predictor == 'a'")
    np.testing.assert_allclose(slopes["est"], expected["est"], atol=1e-4)
    np.testing.assert_allclose(
        slopes["se"], expected["se"], rtol=0.25
    )  # there by ML, at fixed values of the moderator


def test_slopes_of_a_curve_and_of_columns():
    square = cx.SEM("a =~ a1 + a2 + a3; y =~ y1 + y2 + y3; y ~ a + a:a").fit(DATA)
    line, bend = square.paths["est"]
    sd = np.sqrt(square.latent_cov().loc["a", "a"])
    np.testing.assert_allclose(square.simple_slopes([-1, 2])["est"], [line - 2 * bend * sd, line + 4 * bend * sd])
    data = DATA.assign(z1=DATA["z1"] + 5)
    columns = [cx.SEM("y1 ~ a1 + z1 + a1:z1", mean_structure=m).fit(data) for m in (True, False)]
    _, _, interaction = columns[0].paths["est"]
    centred = data[["a1", "z1", "y1"]] - data[["a1", "z1", "y1"]].mean()
    x = np.column_stack([centred["a1"], centred["z1"], centred["a1"] * centred["z1"], np.ones(250)])
    slope = np.linalg.lstsq(x, centred["y1"], rcond=None)[0]
    for res in columns:
        found = res.simple_slopes([0, 1]).query("predictor == 'a1'")["est"]
        np.testing.assert_allclose(found, [slope[0], slope[0] + interaction * data["z1"].std(ddof=0)], atol=1e-6)


def test_the_standardised_interaction_is_the_one_of_standardised_constructs(lms):
    cov = lms.latent_cov()
    est = lms.paths.set_index("predictor")["est"]["a:z"]
    sd = np.sqrt(np.diag(cov.loc[["a", "z", "y"], ["a", "z", "y"]]))
    assert lms.interactions["std"].iloc[0] == pytest.approx(est * sd[0] * sd[1] / sd[2])
    single = cx.SEM(MODEL, interaction="lms", std_lv=True).fit(DATA)
    assert single.interactions["std"].iloc[0] == pytest.approx(lms.interactions["std"].iloc[0], abs=1e-4)


def test_what_the_model_implies(lms):
    cov = lms.latent_cov()
    phi = cov.loc["a", "z"]
    assert cov.loc["a:z", "a:z"] == pytest.approx(cov.loc["a", "a"] * cov.loc["z", "z"] + phi**2)
    np.testing.assert_allclose(lms.implied()[1], DATA[list(lms.implied()[1].index)].mean(), atol=1e-3)
    assert np.abs(lms.residuals("cor")).to_numpy().max() < 0.1
    shown = lms.estimates
    assert not (shown["op"].isin(["~~", "~1"]) & (shown["lhs"] + shown["rhs"]).str.contains(":")).any()
    more = lms.simulate(20_000, seed=1, latent=True)
    assert more["y"].var() == pytest.approx(cov.loc["y", "y"], rel=0.08)
    assert lms.r_squared.set_index("name").loc["y", "r2"] == pytest.approx(
        1 - shown.query("lhs == 'y' and rhs == 'y'")["est"].iloc[0] / cov.loc["y", "y"]
    )


def test_scores_are_expected_values():
    data = cx.SEM(TRUTH).simulate(600, seed=9, standardized=True, latent=True).set_index(np.arange(600) + 1000)
    res = cx.SEM(MODEL, interaction="lms", nodes=40).fit(data)
    scores = res.scores(se=True)
    assert scores.index.equals(data.index)
    linear = cx.SEM(LINEAR).fit(data).scores()
    for name in ("a", "z", "y"):
        assert scores[name].corr(data[name]) >= linear[name].corr(data[name]) - 0.005
        scale = 0.8
        inside = np.abs(scores[name] - scale * data[name]) < 1.96 * scores[f"{name}_se"]
        assert 0.91 < inside.mean() < 0.985
    assert scores["a:z"].corr(data["a"] * data["z"]) > 0.75


def test_it_shows_itself(lms):
    text = lms.summary()
    assert "latent moderated structural equations" in text
    assert "against the model without" in text
    assert "Interaction" in lms._repr_html_()
    assert lms.converged
    assert lms.proper


def test_pictures_of_slopes_show_the_slopes(lms):
    square = cx.SEM("a =~ a1 + a2 + a3; y =~ y1 + y2 + y3; y ~ a + a:a").fit(DATA)
    for res, count in ((lms, 3), (square, 1)):
        ax = res.plot_slopes("a")
        lines = [line for line in ax.get_lines() if len(line.get_xdata()) > 2]
        assert len(lines) == count
        sd = np.sqrt(np.diag(res.latent_cov().loc[["a", "y"], ["a", "y"]]))
        slopes = res.simple_slopes().query("predictor == 'a'")["est"] * sd[0] / sd[1]
        x, y = lines[0].get_data()
        steep = np.gradient(y, x)[20] if count == 1 else (y[-1] - y[0]) / (x[-1] - x[0])
        assert steep == pytest.approx(slopes.iloc[0], abs=1e-3)
        ax.figure.clear()
    with pytest.raises(SpecError, match="No interaction involves 'y'"):
        lms.plot_slopes("y")


def test_nodes_weigh_one():
    for count, dimensions in ((24, 1), (12, 2), (7, 3)):
        z, logw = nodes_of(count, dimensions)
        w = np.exp(logw)
        assert w.sum() == pytest.approx(1, abs=1e-9)
        np.testing.assert_allclose(z.T @ (z * w[:, None]), np.eye(dimensions), atol=1e-8)


def test_too_few_nodes_are_told():
    with pytest.warns(DataWarning, match="numerical integration has not settled"):
        res = cx.SEM(MODEL, interaction="lms", nodes=4).fit(DATA)
    assert "nodes=" in res.warnings[0]


# --- refusals -------------------------------------------------------------------------------------------------------

LMS = {"interaction": "lms"}
REFUSED = {
    "an outcome": (f"{PARTS}; z ~ a; y ~ a + z + a:z", LMS, {}, "involves 'z', which depends on other variables"),
    "three parts": (f"{PARTS}; x =~ y1; y ~ a:z:x", {}, {}, "'a:z:x' has three parts"),
    "a composite": (MODEL.replace("a =~", "a <~"), {}, {}, "involves the composite 'a'"),
    "second order": (f"{PARTS}; g =~ a + z; y ~ g + z + g:z", {}, {}, "'g', which is measured by the construct 'a', 'z'"),
    "no own path": ("a =~ a1 + a2 + a3; y1 ~ a + a:z1", {}, {}, "'z1' stands in the interaction 'a:z1' only"),
    "a covariance": (f"{MODEL}; y1 ~~ a:z", {}, {}, "only on the right of '~'"),
    "no marker": (MODEL, {"std_lv": True}, {}, "std_lv= and effect_coding= leave out"),
    "no fixed loading": (MODEL.replace("a1", "NA*a1") + "; a ~~ 1*a", {}, {}, "no loading of 'a' is fixed"),
    "least squares": (MODEL, {"estimator": "GLS"} | LMS, {}, "use estimator ML or MLR, not GLS"),
    "no error": ("a =~ a1; z =~ z1; y =~ y1 + y2 + y3; y ~ a + z + a:z", LMS, {}, "measured without error"),
    "many dimensions": (
        "a =~ a1 + a2; b =~ a3 + z1; c =~ z2 + z3; d =~ y1 + y2; y3 ~ a + b + c + d + a:a + b:b + c:c + d:d",
        LMS, {}, "integrate over 4 constructs",
    ),
    "ordinal items": (MODEL, {"ordered": ["a1"]}, {}, "with ordinal items"),
    "semopy": (MODEL, {}, {"engine": "semopy"}, "semopy engine"),
    "levels": (f"level: 1\n{MODEL}\nlevel: 2\ng =~ y1 + y2 + y3".replace(";", "\n"), {}, {"cluster": "a1"}, "level: blocks"),
    "method": (MODEL, {"interaction": "qml"}, {}, "interaction is 'product', 'lms'"),
    "nodes": (MODEL, {"nodes": 1}, {}, "nodes is a whole number from 2 to 400"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_one_sentence_says_why_not(case):
    model, options, call, words = REFUSED[case]
    with pytest.raises(SpecError) as caught:
        cx.SEM(model, **options).fit(DATA, **call)
    assert words in str(caught.value), caught.value
    assert "\n" not in str(caught.value)


def test_moments_do_not_do():
    with pytest.raises(SpecError, match="need the rows of the data"):
        cx.SEM(MODEL).fit_moments(DATA.cov(), 250)


def test_what_belongs_to_covariances_is_not_offered(lms):
    for action, words in (
        (lms.modification_indices, "Modification indices"),
        (lms.score_tests, "Score tests"),
        (lms.bootstrap, "use estimator='MLR'"),
        (lambda: lms.residuals("standardized"), "'raw' or 'cor'"),
        (lambda: lms.scores("bartlett"), "expected values"),
        (lambda: cx.SEM(LINEAR).fit(DATA).interactions, "no interaction"),
        (lambda: lms.simple_slopes("high"), "levels must list numbers"),
    ):
        with pytest.raises(SpecError, match=words):
            action()
