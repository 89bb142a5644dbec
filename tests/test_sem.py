"""Covariance-based SEM beyond the reference cases: properties, designs, refusals."""

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import (
    ConvergenceWarning,
    CxError,
    DataError,
    ImproperSolutionWarning,
    SpecError,
)
from cxmodels.model import parse_model
from cxmodels.sem.estimate import Data, estimate
from cxmodels.sem.matrices import compile_block
from cxmodels.sem.objective import Normal
from cxmodels.sem.plan import plan_for
from cxmodels.sem.samples import sample_of
from cxmodels.sem.table import Options, build_table

HS = "visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6; speed =~ x7 + x8 + x9"
COMPOSITE = """
Image <~ IMAG1 + IMAG2 + IMAG3
Sat =~ CUSA1 + CUSA2 + CUSA3
Loy =~ CUSL1 + CUSL3
Sat ~ Image
Loy ~ Sat + Image
"""


@pytest.fixture(scope="module")
def holzinger():
    return cx.datasets.load("holzinger")


@pytest.fixture(scope="module")
def fitted(holzinger):
    return cx.SEM(HS).fit(holzinger)


# --- derivatives --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("means", [False, True])
@pytest.mark.parametrize("kind", ["ML", "GLS"])
def test_derivatives_are_those_of_the_function(means, kind):
    rng = np.random.default_rng(3)
    text = "f =~ a + b + c; g =~ d + e + c; h ~ f + g; a ~~ d; h ~~ h; f ~ z; g ~ f; z ~~ z"
    table = build_table(parse_model(text), Options(means=means))
    names = table.roles[0].observed
    x = rng.normal(size=(80, len(names))) @ rng.normal(size=(len(names),) * 2) + 1
    block = compile_block(table, 0)
    objective = Normal(table, [block], [sample_of(x)], table.values, kind)
    at = rng.normal(scale=0.2, size=table.size)
    for i, e in enumerate(table.entries):
        if e.op == "~~" and e.lhs == e.rhs and table.index[i] >= 0:
            at[table.index[i]] = 4 + rng.random()
    found = objective.derivatives(at)
    step = 1e-6 * np.eye(table.size)
    numeric = [(objective.value(at + h) - objective.value(at - h)) / 2e-6 for h in step]
    np.testing.assert_allclose(found.gradient, numeric, rtol=1e-5, atol=1e-6)
    up, down = ([objective.derivatives(at + s * h).gradient for h in step] for s in (1, -1))
    second = (np.array(up) - np.array(down)) / 2e-6
    np.testing.assert_allclose(objective.hessian(at), second, rtol=1e-4, atol=1e-5)


# --- properties ---------------------------------------------------------------------------------------------


def test_rescaling_items_changes_nothing_standardised(holzinger, fitted):
    scaled = holzinger.assign(x2=holzinger["x2"] * 1000, x5=holzinger["x5"] / 500)
    other = cx.SEM(HS).fit(scaled)
    assert other.fit_measures["chisq"] == pytest.approx(fitted.fit_measures["chisq"], abs=1e-8)
    np.testing.assert_allclose(other.estimates["std_all"], fitted.estimates["std_all"], atol=1e-8)
    np.testing.assert_allclose(other.standardized["std_all_se"], fitted.standardized["std_all_se"], atol=1e-8)


def test_order_of_rows_and_columns_does_not_matter(holzinger, fitted):
    shuffled = holzinger.sample(frac=1, random_state=1)[holzinger.columns[::-1]]
    other = cx.SEM(HS).fit(shuffled)
    np.testing.assert_allclose(other.estimates["est"], fitted.estimates["est"], atol=1e-8)


def test_whole_weights_give_the_estimates_of_repeated_rows(holzinger):
    weights = 1 + np.arange(len(holzinger)) % 3
    a = cx.SEM(HS).fit(holzinger, weights=weights)
    b = cx.SEM(HS).fit(holzinger.loc[holzinger.index.repeat(weights)])
    np.testing.assert_allclose(a.estimates["est"], b.estimates["est"], atol=1e-7)


def test_moments_give_what_the_rows_give(holzinger, fitted):
    items = list(fitted.rows.names)
    res = cx.SEM(HS).fit_moments(holzinger[items].cov(), len(holzinger))
    np.testing.assert_allclose(res.estimates["se"], fitted.estimates["se"], atol=1e-9)
    lower = holzinger[items].cov().where(np.tril(np.ones((9, 9), dtype=bool)))
    res = cx.SEM(HS).fit_moments(lower, len(holzinger))
    np.testing.assert_allclose(res.estimates["est"], fitted.estimates["est"], atol=1e-8)
    with pytest.raises(DataError, match="need the rows"):
        res.scores()


def test_fiml_of_complete_rows_is_ml(holzinger):
    a = cx.SEM(HS).fit(holzinger, missing="fiml")
    b = cx.SEM(HS, mean_structure=True, information="observed").fit(holzinger)
    np.testing.assert_allclose(a.estimates["est"], b.estimates["est"], atol=1e-6)
    np.testing.assert_allclose(a.estimates["se"], b.estimates["se"], atol=1e-6)
    assert a.fit_measures["logl"] == pytest.approx(b.fit_measures["logl"], abs=1e-6)


def test_fitting_twice_gives_the_same_answer(holzinger):
    spec = cx.SEM(HS)
    pd.testing.assert_frame_equal(spec.fit(holzinger).estimates, spec.fit(holzinger).estimates)


def test_identifications_are_equivalent(holzinger, fitted):
    for options in ({"std_lv": True}, {"effect_coding": "loadings"}):
        other = cx.SEM(HS, **options).fit(holzinger)
        assert other.fit_measures["chisq"] == pytest.approx(fitted.fit_measures["chisq"], abs=1e-7)
        a, b = (r.estimates.set_index(["lhs", "op", "rhs"])["std_all"] for r in (other, fitted))
        np.testing.assert_allclose(a, b[a.index], atol=1e-7)


def test_confidence_intervals_cover_and_the_test_keeps_its_level():
    rng = np.random.default_rng(11)
    loadings = np.array([1, 0.8, 1.2, 0, 0, 0, 0, 0, 0, 1, 0.9, 1.1]).reshape(2, 6).T
    truth = loadings @ np.array([[1, 0.4], [0.4, 1]]) @ loadings.T + np.diag([0.5, 0.6, 0.7] * 2)
    text, runs, n = "f =~ a + b + c; g =~ d + e + i", 400, 250
    table = build_table(parse_model(text), Options())
    plan = plan_for("ML", information=None, fiml=False, clustered=False, weighted=False, wishart=False)
    root = np.linalg.cholesky(truth)
    names = [f"{e.lhs}{e.op}{e.rhs}" for e in table.entries]
    spot = names.index("f~~g")
    from cxmodels.sem.inference import covariance

    inside = rejected = 0
    for _ in range(runs):
        found = estimate(table, Data((sample_of(rng.normal(size=(n, 6)) @ root.T),)), plan)
        q = table.index[spot]
        se = np.sqrt(covariance(found)[q, q])
        inside += abs(found.x[q] - 0.4) < 1.96 * se
        rejected += found.chisq > 15.507  # chi-square, 8 df, 5 %
    assert 0.92 <= inside / runs <= 0.98
    assert 0.025 <= rejected / runs <= 0.085


# --- composites ---------------------------------------------------------------------------------------------


def test_composite_scores_are_the_weighted_items(mobi):
    res = cx.SEM(COMPOSITE).fit(mobi)
    weights = res.estimates[res.estimates["op"] == "<~"]
    assert weights["rhs"].tolist() == ["IMAG1", "IMAG2", "IMAG3"]
    items = mobi[weights["rhs"]]
    score = (items - items.mean()) @ weights["est"].to_numpy()
    np.testing.assert_allclose(res.scores()["Image"], score, atol=1e-10)
    standard = res.standardized
    w = standard.loc[standard["op"] == "<~", "std_all"].to_numpy()
    unit = (items - items.mean()) / items.std(ddof=0) @ w
    assert unit.var(ddof=0) == pytest.approx(1, abs=1e-8)
    assert res.fit_measures["df"] == 15
    assert list(res.latent_cov().columns) == ["Image", "Sat", "Loy"]
    assert not res.estimates["lhs"].str.startswith("~").any()


def test_composite_within_its_block_is_saturated(mobi):
    res = cx.SEM(COMPOSITE).fit(mobi)
    residual = res.residuals("cor").loc[["IMAG1", "IMAG2", "IMAG3"], ["IMAG1", "IMAG2", "IMAG3"]]
    np.testing.assert_allclose(residual, 0, atol=1e-7)


def test_composite_as_factor_is_the_factor_model(mobi):
    a = cx.SEM(COMPOSITE, composites="factor").fit(mobi)
    b = cx.SEM(COMPOSITE.replace("<~", "=~")).fit(mobi)
    assert a.fit_measures["chisq"] == pytest.approx(b.fit_measures["chisq"])
    assert "Image, fitted as common factor" in a.summary()
    assert "fitted as" not in b.summary()
    assert set(a.r_squared["name"]) >= {"IMAG1", "Sat"}


def test_a_composite_is_called_one_and_explains_nothing_of_its_items(mobi):
    res = cx.SEM(COMPOSITE).fit(mobi)
    assert "Image, fitted as composite" in res.summary()
    assert res.r_squared["name"].tolist() == ["CUSA1", "CUSA2", "CUSA3", "CUSL1", "CUSL3", "Sat", "Loy"]


@pytest.mark.parametrize("extra", ["IMAG1 ~~ CUSA1", "IMAG1 ~ Sat", "Other =~ IMAG1 + CUEX1 + CUEX2"])
def test_composite_items_have_nothing_left_to_covary(mobi, extra):
    with pytest.raises(SpecError, match="IMAG1"):
        cx.SEM(f"{COMPOSITE}\n{extra}").fit(mobi)


# --- groups -------------------------------------------------------------------------------------------------


def test_invariance_names_what_to_release(holzinger):
    steps = cx.invariance(HS, holzinger, group="school")
    assert steps.index.tolist() == ["configural", "metric", "scalar", "strict"]
    assert steps["df"].tolist() == [48, 54, 60, 69]
    assert steps.loc["scalar", "release"] == "x3~1"
    partial = cx.invariance(HS, holzinger, group="school", levels=("metric", "scalar"), partial=["x3~1", "x7~1"])
    assert partial.loc["scalar", "pvalue"] > 0.2
    with pytest.raises(SpecError, match="go up"):
        cx.invariance(HS, holzinger, group="school", levels=("scalar", "metric"))


def test_score_test_of_an_equality_is_the_chi_square_it_costs(holzinger):
    tied = cx.SEM(HS).fit(holzinger, group="school", equal="loadings")
    freed = cx.SEM(HS).fit(holzinger, group="school", equal="loadings", partial="textual=~x5")
    tests = tied.score_tests().set_index("rhs")
    drop = tied.fit_measures["chisq"] - freed.fit_measures["chisq"]
    assert tests.loc["x5", "chisq"] == pytest.approx(drop, rel=0.05)


def test_groups_keep_their_labels(holzinger):
    res = cx.SEM(HS).fit(holzinger, group="grade")
    found = res.estimates["group"].unique().tolist()
    assert found == res.rows.labels[: len(found)] or found == list(res.rows.labels)
    assert res.excluded["rows"].sum() == holzinger["grade"].isna().sum()


def test_per_group_modifiers(holzinger):
    res = cx.SEM(HS + "; visual ~~ c(a, b)*textual; gap := a - b").fit(holzinger, group="school")
    row = res.estimates[res.estimates["op"] == ":="].iloc[0]
    ab = res.estimates[res.estimates["label"].isin(["a", "b"])]["est"].to_numpy()
    assert row["est"] == pytest.approx(ab[0] - ab[1])
    assert row["se"] > 0
    with pytest.raises(SpecError, match="one group"):
        cx.SEM(HS + "; visual ~~ c(a, b)*textual").fit(holzinger)


# --- constraints --------------------------------------------------------------------------------------------


def test_constraints_hold(holzinger):
    text = "visual =~ x1 + a*x2 + b*x3; textual =~ x4 + c*x5 + d*x6; a + b == 1.4; c == d^2; a > 0.7"
    res = cx.SEM(text).fit(holzinger)
    v = res.estimates.set_index("label")["est"]
    assert v["a"] + v["b"] == pytest.approx(1.4, abs=1e-8)
    assert v["c"] == pytest.approx(v["d"] ** 2, abs=1e-8)
    assert v["a"] >= 0.7 - 1e-8
    assert res.fit_measures["npar"] == 11


def test_bounds_hold(holzinger):
    text = f"{HS}; visual =~ x9; x7 ~~ x8"
    with pytest.warns(ImproperSolutionWarning, match="x8"):
        loose = cx.SEM(text).fit(holzinger)
    assert not loose.proper
    with pytest.warns(ImproperSolutionWarning, match="residual covariances"):  # x8 is left with a covariance alone
        held = cx.SEM(f"{text}; x8 ~~ lower(0)*x8").fit(holzinger)
    assert held.fit_measures["chisq"] > loose.fit_measures["chisq"]
    e = held.estimates
    assert e.loc[(e["lhs"] == "x8") & (e["rhs"] == "x8"), "est"].iloc[0] == pytest.approx(0, abs=1e-7)


def test_constraints_that_contradict_are_refused(holzinger):
    with pytest.raises(SpecError, match="contradict"):
        cx.SEM("f =~ x1 + a*x2 + b*x3 + x4; a + b == 1; a + b == 2").fit(holzinger)


# --- diagnosis ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("f =~ x1 + x2", "degrees of freedom -1"),
        ("f =~ NA*x1 + x2 + x3", "'f' has no scale"),
        ("f =~ x1 + x2 + x3 + x99", "x99"),
        ("f =~ x1 + x2 + x3; x4 ~ x5:f", "interaction"),
        ("f =~ x1 + x2 + school", "text"),
    ],
)
def test_refusals_name_the_fault(holzinger, text, word):
    with pytest.raises(CxError, match=word):
        cx.SEM(text).fit(holzinger)


def test_two_indicators_without_correlation_are_not_told_apart():
    """Other data would: the estimates stay, as in lavaan, and what is not known has no standard error."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4))
    x -= x.mean(axis=0)
    x = np.linalg.qr(x)[0] * 14
    frame = pd.DataFrame(x, columns=list("abcd")) + 5
    with pytest.warns(ImproperSolutionWarning, match="empirical under-identification"):
        res = cx.SEM("f =~ a + b; g =~ c + d").fit(frame)
    assert res.estimates.query("lhs == 'f' and op == '~~' and rhs == 'f'")["se"].isna().all()


def test_bad_columns_are_named(holzinger):
    cases = {
        "same": holzinger.assign(x1=3.0),
        "determine one another": holzinger.assign(x1=holzinger["x2"] * 2 + holzinger["x3"]),
        "infinite": holzinger.assign(x1=holzinger["x1"].where(holzinger.index != 3, np.inf)),
        "more rows": holzinger.head(8),
    }
    for word, frame in cases.items():
        with pytest.raises(DataError, match=f"(?i){word}|leave it out|use more rows"):
            cx.SEM(HS).fit(frame)


def test_group_of_one_row_is_refused(holzinger):
    frame = holzinger.assign(g=["a"] * (len(holzinger) - 1) + ["b"])
    with pytest.raises(DataError, match="'b'"):
        cx.SEM(HS).fit(frame, group="g")


def test_options_that_do_not_go_together(holzinger):
    with pytest.raises(SpecError, match="fiml"):
        cx.SEM(HS, estimator="WLS").fit(holzinger, missing="fiml")
    with pytest.raises(SpecError, match="ordinal"):
        cx.SEM(HS, ordered=["x1"], estimator="MLR")
    with pytest.raises(SpecError, match="group"):
        cx.SEM(HS).fit(holzinger, equal="loadings")
    with pytest.raises(SpecError, match="loadings"):
        cx.SEM(HS).fit(holzinger, group="school", equal="loading")
    with pytest.raises(SpecError, match="cluster="):
        cx.SEM("level: 1\nf =~ x1 + x2 + x3\nlevel: 2\ng =~ x1 + x2 + x3").fit(holzinger)
    with pytest.raises(SpecError, match="ordered"):
        cx.SEM(HS, estimator="WLSMV").fit(holzinger)


def test_excluded_rows_are_counted(holzinger):
    frame = holzinger.assign(x1=holzinger["x1"].where(holzinger.index > 9))
    res = cx.SEM(HS).fit(frame)
    assert res.n_obs == 291
    assert res.excluded.to_dict("records") == [{"reason": "incomplete answers", "rows": 10}]
    assert "10 excluded" in repr(res)
    assert res.scores().index.equals(frame.index[10:])


# --- engines, replicates, scores ----------------------------------------------------------------------------


def test_semopy_engine_agrees_and_its_early_stop_is_said(holzinger, fitted):
    with pytest.warns(ConvergenceWarning, match="semopy stopped"):
        other = cx.SEM(HS).fit(holzinger, engine="semopy")
    np.testing.assert_allclose(other.estimates["est"], fitted.estimates["est"], atol=5e-3)
    assert other.fit_measures["chisq"] >= fitted.fit_measures["chisq"]
    assert list(other.fit_measures.index) == list(fitted.fit_measures.index)
    with pytest.raises(SpecError, match="groups"):
        cx.SEM(HS).fit(holzinger, group="school", engine="semopy")


def test_bootstrap_does_not_depend_on_workers(fitted):
    one, two = (fitted.bootstrap(60, seed=5, n_jobs=j).estimates for j in (1, 2))
    pd.testing.assert_frame_equal(one, two)


def test_batched_replicates_are_the_single_fits(holzinger, fitted):
    rng = np.random.default_rng(2)
    rows = rng.integers(0, len(holzinger), len(holzinger))
    from cxmodels.sem.bootstrap import Statistic

    counts = np.bincount(rows, minlength=len(holzinger)).astype(float)[None]
    values, _ = Statistic.of(fitted.estimate, fitted.rows)(np.repeat(counts, 2, axis=0))
    alone = cx.SEM(HS).fit(holzinger.iloc[rows])
    k = len(alone.estimates)
    np.testing.assert_allclose(values[0, 1 : 1 + k], alone.estimates["est"], atol=1e-4)
    assert values[0, 0] == pytest.approx(alone.fit_measures["chisq"], abs=1e-4)


def test_bollen_stine_is_drawn_under_the_model(holzinger, fitted):
    boot = fitted.bootstrap(200, seed=1, kind="bollen.stine")
    chisq = boot.replicates.values[:, 0]
    assert chisq.mean() == pytest.approx(24, rel=0.25)  # its expectation is about the degrees of freedom
    assert boot.chisq_pvalue < 0.02


def test_ordinal_bootstrap_runs():
    mobi = cx.datasets.load("mobi").apply(lambda c: 1 + np.digitize(c, [5, 7, 8], right=True))
    res = cx.SEM("Sat =~ CUSA1 + CUSA2 + CUSA3 + CUSL3", ordered=True).fit(mobi)
    boot = res.bootstrap(30, seed=1)
    loading = boot.estimates.iloc[1]
    assert loading["se"] == pytest.approx(res.estimates.iloc[1]["se"], rel=0.6)


def test_regression_scores_shrink_and_bartlett_scores_do_not(fitted):
    a, b = fitted.scores("regression", se=True), fitted.scores("bartlett")
    cov = fitted.latent_cov()
    assert a["visual"].var() < cov.loc["visual", "visual"] < b["visual"].var()
    error = a["visual_se"].iloc[0] ** 2
    assert a["visual"].var(ddof=0) + error == pytest.approx(cov.loc["visual", "visual"], rel=1e-6) or error > 0


def test_reliability_frames(fitted):
    r = fitted.reliability
    assert r.loc["visual", "alpha"] == pytest.approx(0.626, abs=1e-3)
    assert r.loc["textual", "omega"] == pytest.approx(0.885, abs=1e-3)
    assert r.loc["speed", "ave"] == pytest.approx(0.424, abs=2e-3)
    np.testing.assert_allclose(fitted.htmt, fitted.htmt.T)
    assert fitted.htmt.loc["visual", "textual"] == pytest.approx(0.424, abs=1e-3)


def test_growth_recovers_its_means():
    rng = np.random.default_rng(1)
    i, s = rng.normal(2, 1, 500), rng.normal(0.5, 0.3, 500)
    frame = pd.DataFrame({f"t{k}": i + k * s + rng.normal(0, 0.5, 500) for k in range(4)})
    text = "i =~ 1*t0 + 1*t1 + 1*t2 + 1*t3; s =~ 0*t0 + 1*t1 + 2*t2 + 3*t3"
    e = cx.SEM(text, growth=True).fit(frame).estimates.set_index(["lhs", "op", "rhs"])["est"]
    assert e["i", "~1", ""] == pytest.approx(2, abs=0.15)
    assert e["s", "~1", ""] == pytest.approx(0.5, abs=0.06)


def test_two_level_is_one_level_without_clusters_that_differ():
    rng = np.random.default_rng(4)
    f = rng.normal(size=600)
    rows = pd.DataFrame({f"y{k}": f + rng.normal(size=600) for k in (1, 2, 3)})
    group = np.arange(600) // 6
    between = rng.normal(size=100)[group][:, None] + 0.5 * rng.normal(size=(100, 3))[group]
    frame = rows + between
    frame["g"] = group
    text = "level: 1\nf =~ y1 + y2 + y3\nlevel: 2\nb =~ y1 + y2 + y3"
    res = cx.SEM(text).fit(frame, cluster="g")
    assert res.converged
    within = res.estimates[(res.estimates["op"] == "~~") & (res.estimates["level"] == "1")].set_index("lhs")["est"]
    assert within["f"] == pytest.approx(1, abs=0.25)
    assert res.fit_measures["df"] == 0
    with pytest.raises(SpecError, match="one level"):
        res.modification_indices()


def test_display_is_deterministic_and_escaped(fitted):
    assert str(fitted) == str(fitted)
    assert "Chi-square  85.306, df 24" in repr(fitted)
    assert fitted._repr_html_().startswith("<div ")
