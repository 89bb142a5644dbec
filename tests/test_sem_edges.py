"""Models at the edge of what there is to estimate, each with its number by hand or by a second way."""

import warnings

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

import cxmodels as cx
from cxmodels.errors import DataError, SpecError
from cxmodels.inference import net_interval, share_interval

DATA = cx.datasets.load("holzinger")
N = len(DATA)
ITEMS = [f"x{k}" for k in range(1, 10)]
HS = "visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6; speed =~ x7 + x8 + x9"
NOTHING_FREE = "f =~ 1*x1 + 1*x2 + 1*x3; f ~~ 1*f; x1 ~~ 1*x1; x2 ~~ 1*x2; x3 ~~ 1*x3"
SAMPLE = DATA[["x1", "x2", "x3"]].cov(ddof=0).to_numpy()
SIGMA = np.eye(3) + 1.0
TWO = "level: 1\nf =~ x1 + x2 + x3\nlevel: 2\ng =~ x1 + x2 + x3"


def likelihood_ratio(s, sigma):
    return N * (np.linalg.slogdet(sigma)[1] - np.linalg.slogdet(s)[1] + np.trace(np.linalg.solve(sigma, s)) - len(s))


def generalised(s, sigma):
    gap = np.eye(3) - np.linalg.solve(s, sigma)
    return N * 0.5 * np.trace(gap @ gap)


@pytest.mark.parametrize(
    ("options", "missing", "chisq"),
    [
        ({}, "listwise", likelihood_ratio(SAMPLE, SIGMA)),
        ({}, "fiml", likelihood_ratio(SAMPLE, SIGMA)),
        ({"estimator": "MLR"}, "listwise", likelihood_ratio(SAMPLE, SIGMA)),
        ({"estimator": "GLS"}, "listwise", generalised(SAMPLE * N / (N - 1), SIGMA) * (N - 1) / N),
    ],
)
def test_a_model_with_nothing_to_estimate_is_tested_as_it_stands(options, missing, chisq):
    found = cx.SEM(NOTHING_FREE, **options).fit(DATA, missing=missing)
    assert found.estimate.npar == (3 if missing == "fiml" else 0)  # with gaps there are means
    assert found.fit_measures["df"] == 6
    assert found.fit_measures["chisq"] == pytest.approx(chisq, rel=1e-9)
    drawn = found.bootstrap(20, seed=1)
    assert drawn.failed == 0
    assert drawn.estimates.query("op == '=~'")["se"].tolist() == [0, 0, 0]
    assert "Bootstrap" in dict(drawn.headline())


def test_bootstrap_one_by_one_is_that_of_all_at_once():
    # an equation keeps replicates from being fitted together, a shared label does not
    together = cx.SEM("f =~ x1 + a*x2 + a*x3 + x4").fit(DATA).bootstrap(20, seed=3)
    singly = cx.SEM("f =~ x1 + a*x2 + b*x3 + x4; a == b").fit(DATA).bootstrap(20, seed=3)
    columns = ["est", "se", "ci_lower", "ci_upper"]
    assert singly.estimates[columns].to_numpy() == pytest.approx(together.estimates[columns].to_numpy(), abs=2e-6)


def test_standardised_replicates_are_those_of_the_standardised_model():
    marker = cx.SEM(HS).fit(DATA).bootstrap(30, seed=2)
    unit = cx.SEM(HS, std_lv=True).fit(DATA).bootstrap(30, seed=2)
    query = "op == '~~' and lhs == 'visual' and rhs == 'textual'"
    a, b = marker.standardized.query(query).iloc[0], unit.estimates.query(query).iloc[0]
    for column in ("est", "se", "ci_lower", "ci_upper"):
        assert a[column] == pytest.approx(b[column], abs=1e-6)
    assert (marker.n_obs, len(marker.excluded)) == (N, 0)


def test_one_step_of_invariance_is_the_fit_itself():
    alone = cx.invariance(HS, DATA, group="school", levels=["configural"])
    fit = cx.SEM(HS).fit(DATA, group="school")
    assert alone.index.tolist() == ["configural"]
    assert alone.loc["configural", ["df", "chisq", "cfi"]].tolist() == pytest.approx(
        fit.fit_measures[["df", "chisq", "cfi"]].tolist()
    )
    assert alone[["chisq_diff", "df_diff", "pvalue", "delta_cfi"]].isna().all(axis=None)


def test_equal_means_have_no_equality_to_release():
    step = cx.invariance(HS, DATA, group="school", levels=["strict", "means"])
    assert step.loc["means", "df_diff"] == 3  # of three constructs
    assert step.loc["means", "pvalue"] < 0.05
    assert step.loc["means", "release"] == ""
    # two steps at once: of what is new only residual variances are equalities, not the intercepts of before
    leap = cx.invariance(HS, DATA, group="school", levels=["scalar", "means"])
    assert leap.loc["means", "df_diff"] == 9 + 3
    tests = cx.SEM(HS).fit(DATA, group="school", equal=["loadings", "intercepts", "residuals", "means"]).score_tests()
    worst = tests[tests["op"] == "~~"].sort_values("chisq").iloc[-1]
    assert leap.loc["means", "release"] == f"{worst['lhs']}~~{worst['rhs']}"


def test_half_a_covariance_matrix_is_the_whole():
    cov = DATA[ITEMS].cov()
    half = pd.DataFrame(np.tril(cov), cov.index, cov.columns)
    full, lower = (cx.SEM(HS).fit_moments(s, N) for s in (cov, half))
    assert lower.fit_measures["chisq"] == full.fit_measures["chisq"]


def test_the_interval_of_the_rmsea_closes_with_rows_beyond_count():
    found = cx.SEM("f =~ x1 + x2 + x3 + x4").fit_moments(DATA[ITEMS].cov(), 10**12)
    m = found.fit_measures
    by_hand = np.sqrt(found.estimate.minimum.value / m["df"])
    assert [m["rmsea"], m["rmsea_ci_lower"], m["rmsea_ci_upper"]] == pytest.approx([by_hand] * 3, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "equal"),
    [
        ("f =~ 0.7*x1 + label(a)*x1 + a*x2 + x3", 0.7),
        ("f =~ a*x1 + a*x2 + x3", 1.0),  # the marker is fixed at 1, and its label goes with it
    ],
)
def test_a_label_of_a_fixed_number_fixes_its_namesakes(text, equal):
    estimates = cx.SEM(text).fit(DATA).estimates
    assert estimates["est"].head(2).tolist() == [equal, equal]
    assert estimates["se"].head(2).tolist() == [0, 0]


def test_a_square_takes_every_product_of_items_once():
    found = cx.SEM("f =~ x1 + x2 + x3; x9 ~ f + f:f", pairs="all").fit(DATA)
    products = found.estimates.query("op == '=~' and lhs == 'f:f'")["rhs"].tolist()
    assert sorted(products) == sorted(f"x{i}:x{j}" for i in (1, 2, 3) for j in (1, 2, 3) if i <= j)


def test_negative_weights_of_an_index_are_told():
    turned = DATA.assign(x7=-DATA["x7"])
    found = cx.SEM("f =~ x1 + x2 + x3 + x7").fit(turned)
    with pytest.warns(match="Negative index weight: 'x7' of 'f'; the index subtracts"):
        scores = found.index_scores(scale=(-10, 10))
    assert scores["f"].between(0, 100).all()


def test_an_index_of_moments_is_inside_its_scale():
    spec = cx.SEM("f =~ x1 + x2 + x3", mean_structure=True)
    rows, moments = spec.fit(DATA), spec.fit_moments(DATA[ITEMS].cov(), N, DATA[ITEMS].mean())
    assert moments.index(scale=(-1, 10))["f"] == pytest.approx(rows.index(scale=(-1, 10))["f"], rel=1e-6)
    with pytest.raises(DataError) as caught:
        moments.index(scale=(0, 3))
    assert str(caught.value) == (
        "'x1', 'x2' cannot have been answered from 0 to 3, as the mean of 'x1' is 4.936; correct scale=."
    )


def test_simulation_from_a_fit_keeps_the_size_of_its_clusters():
    rng = np.random.default_rng(0)
    common = rng.standard_normal(80).repeat(5)
    own = rng.standard_normal(400)
    columns = {
        f"x{k}": common + own + rng.standard_normal(80).repeat(5) / 2 + rng.standard_normal(400) for k in (1, 2, 3)
    }
    data = pd.DataFrame(columns).assign(c=np.arange(80).repeat(5))
    drawn = cx.SEM(TWO).fit(data, cluster="c").simulate(seed=1)
    extra = [name for name in drawn if name not in columns]
    assert len(drawn) == 400
    assert drawn[extra[0]].value_counts().unique().tolist() == [5]


def test_one_thread_changes_no_number():
    free = cx.SEM(HS).fit(DATA).fit_measures["chisq"]
    with threadpool_limits(1, user_api="blas"):
        assert cx.SEM(HS).fit(DATA).fit_measures["chisq"] == pytest.approx(free, rel=1e-12)


@pytest.mark.parametrize("interval", [share_interval(0.5, 0), share_interval(np.nan, 5), net_interval(0.5, 0.2, 0)])
def test_nobody_asked_no_interval(interval):
    assert np.isnan(interval).all()


@pytest.fixture(scope="module")
def integrated():
    return cx.SEM("f =~ x1 + x2; g =~ x4 + x5; x9 ~ f + g + f:g", interaction="lms", estimator="MLR").fit(DATA)


LMS = {
    "scores of others": (
        lambda f: f.scores(data=DATA),
        "Scores of other rows are not offered for models fitted by LMS; fit them with the rest.",
    ),
    "modification indices": (
        lambda f: f.expected_changes(),
        "Score tests are for models of covariances; fit with interaction='product' for them.",
    ),
    "a narrower model without means": (
        lambda f: cx.compare(cx.SEM("f =~ x1 + x2; g =~ x4 + x5; x9 ~ f + 0*g", estimator="MLR").fit(DATA), f),
        "Fit the model without interactions with mean_structure=True, to compare it with one by LMS.",
    ),
    "composites": (
        lambda f: cx.SEM(
            "c <~ x1 + x2 + x3; f =~ x4 + x5; g =~ x7 + x8; x9 ~ f + g + f:g + c", interaction="lms"
        ).fit(DATA),
        "interaction='lms' does not take composites (<~); use composites='factor', or cx.PLS.",
    ),
}


@pytest.mark.parametrize("name", LMS)
def test_integrated_models_refuse(integrated, name):
    call, sentence = LMS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(SpecError) as caught:
            call(integrated)
    assert str(caught.value) == sentence


def test_scaled_difference_of_an_interaction_and_a_path(integrated):
    """Two restrictions of which one is an interaction: scaled by the corrections of both fits (Satorra and Bentler 2001)."""
    from cxmodels.sem.lms import correction

    narrow = cx.SEM("f =~ x1 + x2; g =~ x4 + x5; x9 ~ f + 0*g", estimator="MLR", mean_structure=True).fit(DATA)
    plain = 2 * (integrated.fit_measures["logl"] - narrow.fit_measures["logl"])
    a, b = integrated.estimate, narrow.estimate
    factor = (correction(a) - correction(b)) / (a.npar - b.npar)
    row = cx.compare(narrow, integrated).iloc[-1]
    assert row["df_diff"] == 2
    assert row["chisq_diff"] == pytest.approx(plain / factor, rel=1e-6)


def test_three_constructs_that_determine_one_another():
    text = HS + "; visual ~~ .8*textual; visual ~~ .8*speed; textual ~~ .2*speed"
    # by hand: 1 + 2 * .8 * .8 * .2 - .8**2 - .8**2 - .2**2 = -.064, no covariance matrix
    with pytest.warns(match="not positive definite: 'visual', 'textual', 'speed' determine one another"):
        cx.SEM(text, std_lv=True).fit(DATA)


def test_small_strata_make_the_bootstrap_optimistic():
    fit = cx.SEM("f =~ x1 + x2 + x3 + x4").fit(DATA.assign(s=np.minimum(np.arange(N) // 3, 99)), strata="s")
    short = round(100 * (1 - np.sqrt((N - 100) / N)))  # of 301 rows in 100 strata
    said = [w for w in fit.bootstrap(20, seed=1).warnings if w.startswith("Strata have 3.0 units")]
    assert len(said) == 1
    assert f"about {short} % too small" in said[0]
