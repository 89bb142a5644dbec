"""What theory promises of covariance-based models, whatever the reference values say."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cxmodels as cx
from cxmodels.errors import CxWarning, DataWarning
from tests.benchmarks.sem_coverage import DESIGNS, simulate

DATA = cx.datasets.load("holzinger")
ITEMS = [f"x{k}" for k in range(1, 10)]
HS = "visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6; speed =~ x7 + x8 + x9"
PATHS = f"{HS}; speed ~ visual + textual; textual ~ visual"
KEYS = ["lhs", "op", "rhs", "group"]
ORDINAL = DATA[ITEMS].apply(lambda c: pd.qcut(c, 4, labels=False, duplicates="drop")).assign(school=DATA["school"])
GAPS = DATA.assign(**DATA[ITEMS].mask(np.random.default_rng(8).random((len(DATA), 9)) < 0.1))
FITS = {
    "ML": ({}, {}, DATA),
    "MLR": ({"estimator": "MLR"}, {}, DATA),
    "MLM": ({"estimator": "MLM"}, {}, DATA),
    "GLS": ({"estimator": "GLS"}, {}, DATA),
    "WLSMV": ({"ordered": True}, {}, ORDINAL),
    "FIML": ({}, {"missing": "fiml"}, GAPS),
}


def fit(kind, model=HS, data=None, **more):
    options, call, own = FITS[kind]
    return cx.SEM(model, **options).fit(own if data is None else data, **(call | more))


def frame(res, column="est"):
    return res.estimates.set_index(KEYS)[column].sort_index()


def same(a, b, rtol=1e-6, atol=1e-6):
    pd.testing.assert_series_equal(a, b.loc[a.index], rtol=rtol, atol=atol, check_names=False, check_index_type=False)


def measures_of(res):
    m = res.fit_measures
    return m[[k for k in ("chisq", "chisq_scaled", "df", "cfi", "rmsea") if k in m]]


# --- what must not matter ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FITS)
def test_order_of_rows_columns_equations_does_not_matter(kind):
    res, data = fit(kind), FITS[kind][2]
    shuffled = data.sample(frac=1, random_state=4)[data.columns[::-1]]
    other = fit(kind, "speed =~ x7 + x8 + x9; visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6", shuffled)
    a, b = frame(res), frame(other)
    flipped = {
        k: k if k in b.index else (k[2], k[1], k[0], k[3]) for k in a.index
    }  # visual ~~ speed, speed ~~ visual
    np.testing.assert_allclose(a, b.loc[list(flipped.values())], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(frame(res, "se"), frame(other, "se").loc[list(flipped.values())], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(measures_of(res), measures_of(other), rtol=1e-6, atol=1e-7)
    if kind != "WLSMV":  # which has no scores
        np.testing.assert_allclose(
            res.scores(), other.scores().loc[res.scores().index, res.scores().columns], atol=1e-5
        )


@pytest.mark.parametrize("kind", ["ML", "MLR", "GLS", "FIML"])
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(power=st.lists(st.integers(-5, 5), min_size=9, max_size=9), shift=st.floats(-1e3, 1e3))
def test_units_and_origin_do_not_matter(kind, power, shift):
    data = FITS[kind][2]
    res = fit(kind)
    other = fit(kind, data=data.assign(**{c: data[c] * 10.0**k + shift for c, k in zip(ITEMS, power, strict=True)}))
    np.testing.assert_allclose(measures_of(res), measures_of(other), rtol=1e-5, atol=1e-5)
    loading = res.estimates["op"] == "=~"
    np.testing.assert_allclose(res.estimates["std_all"][loading], other.estimates["std_all"][loading], atol=1e-5)
    a, b = (r.standardized["std_all_se"][loading] for r in (res, other))
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", FITS)
def test_the_choice_of_scale_is_a_choice_of_words(kind):
    """Marker and std_lv are one model: same test, same standardised solution, same defined ratios."""
    options, call, data = FITS[kind]
    marker, unit = (cx.SEM(PATHS, std_lv=s, **options).fit(data, **call) for s in (False, True))
    np.testing.assert_allclose(measures_of(marker), measures_of(unit), rtol=1e-5, atol=1e-6)
    same(frame(marker, "std_all"), frame(unit, "std_all"), atol=2e-5)
    a, b = (r.standardized.set_index(["lhs", "op", "rhs"])["std_all_se"] for r in (marker, unit))
    np.testing.assert_allclose(a, b.loc[a.index], rtol=1e-4, atol=1e-5)


def test_a_saturated_structure_is_the_measurement_model():
    for kind in ("ML", "WLSMV", "FIML"):
        np.testing.assert_allclose(measures_of(fit(kind)), measures_of(fit(kind, PATHS)), rtol=1e-6, atol=1e-6)


def test_labels_of_groups_are_only_labels():
    renamed = DATA.assign(school=DATA["school"].map({"Pasteur": 7, "Grant-White": 3}))
    a, b = (cx.SEM(HS).fit(d, group="school", equal="loadings") for d in (DATA, renamed))
    np.testing.assert_allclose(a.estimates["est"], b.estimates["est"], atol=1e-8)
    assert b.estimates["group"].unique().tolist() == [7, 3]
    back = cx.SEM(HS).fit(DATA.iloc[::-1], group="school", equal="loadings")
    assert back.rows.labels == a.rows.labels[::-1]
    tied = a.estimates["label"] == ""  # equal parameters carry labels
    key = ["lhs", "op", "rhs", "group"]
    same(a.estimates[tied].set_index(key)["est"], back.estimates.set_index(key)["est"], atol=1e-5)
    np.testing.assert_allclose(measures_of(a), measures_of(back), rtol=1e-6, atol=1e-7)


def test_free_groups_are_separate_fits():
    whole = cx.SEM(HS).fit(DATA, group="school")
    parts = {g: cx.SEM(HS, mean_structure=True).fit(d) for g, d in DATA.groupby("school")}
    assert whole.fit_measures["chisq"] == pytest.approx(
        sum(p.fit_measures["chisq"] for p in parts.values()), abs=1e-7
    )
    for g, part in parts.items():
        own = whole.estimates[whole.estimates["group"] == g]
        np.testing.assert_allclose(own[["est", "se"]], part.estimates[["est", "se"]], atol=1e-6)


@pytest.mark.parametrize("make", [
    lambda d: pl.from_pandas(d), lambda d: d.convert_dtypes(), lambda d: d.astype(dict.fromkeys(ITEMS, "float32")),
    lambda d: d.set_index(pd.Index([f"r{k}" for k in range(len(d))])), lambda d: d.set_index(["id"]),
    lambda d: {c: d[c].to_numpy() for c in d.columns}, lambda d: d.assign(junk="x", more=pd.NaT, none=None),
    lambda d: cx.Survey(d),
], ids=["polars", "nullable", "float32", "text index", "number index", "dict", "unused columns", "survey"])  # fmt: skip
def test_kind_of_table_does_not_matter(make):
    data = DATA.assign(x1=DATA["x1"].mask(np.arange(len(DATA)) < 5))
    res, other = cx.SEM(HS).fit(data), cx.SEM(HS).fit(make(data))
    np.testing.assert_allclose(frame(res), frame(other), rtol=1e-5)
    assert other.n_obs == 296
    assert other.excluded["rows"].tolist() == [5]
    assert len(other.scores()) == 296


def test_scores_keep_the_index_and_the_callers_data_stay_as_they_are():
    data = GAPS.set_index(pd.Index([f"r{k}" for k in range(len(GAPS))]))
    copy = data.copy()
    listwise, full = (cx.SEM(HS).fit(data, missing=m) for m in ("listwise", "fiml"))
    complete = data[ITEMS].notna().all(axis=1)
    assert listwise.scores().index.equals(data.index[complete])
    assert full.scores().index.equals(data.index)
    assert listwise.n_obs == complete.sum()
    assert full.n_obs == len(data)
    pd.testing.assert_frame_equal(data, copy)


# --- weights, moments, missing values ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["MLR", "MLM", "WLSMV", "FIML"])
def test_whole_weights_are_repeated_rows_in_estimates(kind):
    options, call, data = FITS[kind]
    weights = 1 + np.arange(len(data)) % 3
    a = cx.SEM(HS, **options).fit(data, weights=weights, **call)
    b = cx.SEM(HS, **options).fit(data.loc[data.index.repeat(weights)], **call)
    # by diagonally weighted least squares loadings follow the precision of the moments, which repeating overstates
    exact = a.estimates["op"] == "|" if kind == "WLSMV" else a.estimates["op"] != ""
    np.testing.assert_allclose(a.estimates["est"][exact], b.estimates["est"][exact], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(a.estimates["est"], b.estimates["est"], rtol=0.05)
    assert a.n_obs == len(data)  # but they are not more respondents


def test_clusters_undo_the_false_precision_of_repeated_rows():
    """Each row three times, rows clustered by respondent: the standard errors of the respondents alone."""
    thrice = DATA.loc[DATA.index.repeat(3)].assign(person=np.repeat(np.arange(len(DATA)), 3))
    once = cx.SEM(HS, estimator="MLR", mean_structure=True).fit(DATA)
    tied = cx.SEM(HS).fit(thrice, cluster="person")
    factor = np.sqrt(len(DATA) / (len(DATA) - 1))
    np.testing.assert_allclose(tied.estimates["se"], once.estimates["se"] * factor, rtol=1e-6, atol=1e-8)
    plain = cx.SEM(HS, estimator="MLR", mean_structure=True).fit(thrice)
    free = plain.estimates["se"] > 0
    np.testing.assert_allclose((tied.estimates["se"] / plain.estimates["se"])[free], np.sqrt(3) * factor, rtol=1e-6)


@pytest.mark.parametrize("estimator", ["ML", "GLS", "ULS"])
def test_moments_are_enough(estimator):
    rows = cx.SEM(HS, estimator=estimator, mean_structure=True).fit(DATA)
    cov = DATA[ITEMS[::-1]].cov()
    res = cx.SEM(HS, estimator=estimator).fit_moments(cov, len(DATA), DATA[ITEMS].mean())
    np.testing.assert_allclose(res.estimates[["est", "se"]], rows.estimates[["est", "se"]], atol=1e-7)
    np.testing.assert_allclose(res.fit_measures, rows.fit_measures, rtol=1e-7, atol=1e-8)
    parts = {g: d[ITEMS] for g, d in DATA.groupby("school", sort=False)}
    groups = cx.SEM(HS, estimator=estimator).fit_moments(
        {g: d.cov() for g, d in parts.items()}, {g: len(d) for g, d in parts.items()},
        {g: d.mean() for g, d in parts.items()}, equal="loadings",
    )  # fmt: skip
    split = cx.SEM(HS, estimator=estimator).fit(DATA, group="school", equal="loadings")
    np.testing.assert_allclose(groups.estimates["est"], split.estimates["est"], atol=1e-6)


def test_rows_without_answers_change_nothing_under_fiml():
    empty = pd.concat([GAPS, GAPS.head(6).assign(**dict.fromkeys(ITEMS, np.nan))], ignore_index=True)
    a, b = (cx.SEM(HS).fit(d, missing="fiml") for d in (GAPS, empty))
    np.testing.assert_allclose(a.estimates[["est", "se"]], b.estimates[["est", "se"]], atol=1e-9)
    assert b.excluded.to_dict("records") == [{"reason": "no answers", "rows": 6}]


def test_monotone_missingness_has_the_closed_form():
    """One item missing at random given another: the regression estimate of its mean (Anderson 1957)."""
    rng = np.random.default_rng(5)
    a = rng.normal(size=400)
    b = 2 + 0.7 * a + rng.normal(size=400)
    data = pd.DataFrame({"a": a, "b": np.where(a > 0.3, np.nan, b)})
    res = cx.SEM("a ~~ b; a ~ 1; b ~ 1").fit(data, missing="fiml")
    seen = data["b"].notna()
    slope = np.polyfit(a[seen], data["b"][seen], 1)
    mean = res.estimates.set_index(["lhs", "op", "rhs"])["est"]
    assert mean["b", "~1", ""] == pytest.approx(slope[1] + slope[0] * a.mean(), abs=1e-7)
    assert mean["a", "~1", ""] == pytest.approx(a.mean(), abs=1e-9)


# --- closed forms --------------------------------------------------------------------------------------------------


def test_regression_is_least_squares():
    res = cx.SEM("x9 ~ x1 + x4; x9 ~ 1").fit(DATA)
    design = np.column_stack([np.ones(len(DATA)), DATA["x1"], DATA["x4"]])
    beta, rss = np.linalg.lstsq(design, DATA["x9"], rcond=None)[:2]
    se = np.sqrt(np.diagonal(np.linalg.inv(design.T @ design)) * rss / len(DATA))
    e = res.estimates[res.estimates["lhs"] == "x9"].set_index(["op", "rhs"])
    keys = [("~1", ""), ("~", "x1"), ("~", "x4")]
    np.testing.assert_allclose(e.loc[keys, "est"], beta, rtol=1e-7)
    np.testing.assert_allclose(e.loc[keys, "se"], se, rtol=1e-6)
    assert res.fit_measures["df"] == 0


def test_an_interaction_of_columns_is_their_product():
    product = DATA.assign(p=DATA["x1"] * DATA["x4"])
    a = cx.SEM("x9 ~ x1 + x4 + x1:x4").fit(DATA)
    with pytest.warns(DataWarning, match="'x4' and 'p' correlate"):  # a column that nobody calls a product
        b = cx.SEM("x9 ~ x1 + x4 + p").fit(product)
    np.testing.assert_allclose(a.estimates["est"], b.estimates["est"], atol=1e-9)


def test_three_items_have_the_closed_form():
    """Loadings of one factor with three items come from ratios of covariances (Spearman)."""
    s = DATA[["x1", "x2", "x3"]].cov(ddof=0).to_numpy()
    res = cx.SEM("f =~ x1 + x2 + x3").fit(DATA)
    e = res.estimates.set_index(["lhs", "op", "rhs"])["est"]
    assert e["f", "=~", "x2"] == pytest.approx(s[1, 2] / s[0, 2], abs=1e-7)
    assert e["f", "~~", "f"] == pytest.approx(s[0, 1] * s[0, 2] / s[1, 2], abs=1e-7)


def test_indirect_effect_has_the_delta_standard_error():
    res = cx.SEM(f"{HS}; textual ~ a*visual; speed ~ b*textual + visual; ab := a * b").fit(DATA)
    e = res.estimates.set_index("label")
    a, b = e.loc["a", "est"], e.loc["b", "est"]
    v = res.vcov.loc[["a", "b"], ["a", "b"]].to_numpy()
    assert e.loc["ab", "est"] == pytest.approx(a * b)
    assert e.loc["ab", "se"] == pytest.approx(np.sqrt(np.array([b, a]) @ v @ [b, a]), rel=1e-8)


def test_wald_score_and_likelihood_ratio_agree_where_the_null_is_true():
    data = simulate(DESIGNS["ML, normal"], 4000, np.random.default_rng(3))
    free = cx.SEM("f =~ a + b + c; g =~ d + e + i; f ~~ x*g; a ~~ d").fit(data)
    null = cx.SEM("f =~ a + b + c; g =~ d + e + i").fit(data)
    ratio = cx.compare(free, null).loc[1, "chisq_diff"]
    wald = free.estimates.query("lhs == 'a' and rhs == 'd'")["z"].iloc[0] ** 2
    score = null.modification_indices().set_index(["lhs", "op", "rhs"]).loc[("a", "~~", "d"), "mi"]
    assert wald == pytest.approx(ratio, rel=0.05, abs=0.05)
    assert score == pytest.approx(ratio, rel=0.05, abs=0.05)


# --- simulation: small here, large in tests.benchmarks ------------------------------------------------------------


@pytest.mark.parametrize("name", DESIGNS)
def test_intervals_cover_and_the_true_model_is_kept(name):
    design = DESIGNS[name]
    rng = np.random.default_rng(21)
    inside, rejected, runs = [], 0, 30
    for _ in range(runs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CxWarning)
            res = design.fit(simulate(design, design.n, rng))
        hit, p = design.judge(res)
        inside.append(hit)
        rejected += p < 0.05
    assert 0.9 < np.mean(inside) < 0.99
    assert rejected <= 6  # of 30 at 5 %: more has probability .001
