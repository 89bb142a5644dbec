"""Linkage against statsmodels, brute force and known truth: who is joined, what the error does, who answered."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from joblib import parallel_config
from scipy.optimize import minimize

import cxmodels as cx
from cxmodels.errors import CxError, DataError, DataWarning, NotIdentifiedError, ReplicateWarning, SpecError
from cxmodels.linkage import Linkage, join
from cxmodels.linkage.families import FAMILIES, blurred, calibrate, propensity, scoring
from cxmodels.linkage.measurement import composite_reliability
from cxmodels.report import linkage_html, write_linkage

ITEMS = ["q1", "q2", "q3"]
SCALE = (0, 100)
EFFECT = -0.06  # log-odds of leaving per point of the true index
GROWTH = 0.01  # logarithm of spend per point


def world(n, seed):
    """Customers whose true satisfaction decides what they do and, with their age, whether they answer."""
    rng = np.random.default_rng(seed)
    age, plan = rng.normal(45, 12, n), rng.choice(["a", "b", "c"], n)
    true = 55 + 0.2 * (age - 45) + rng.normal(0, 9, n)
    odds = -1.4 + EFFECT * (true - 55) + 0.02 * (age - 45) + 0.4 * (plan == "c")
    spend = np.exp(3 + GROWTH * (true - 55) + 0.005 * (age - 45)) * rng.gamma(4, 1 / 4, n)
    base = pd.DataFrame({"customer_id": np.arange(n), "age": age, "plan": plan, "spend": spend})
    base["churned"] = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(int)
    answers = rng.random(n) < 1 / (1 + np.exp(0.4 - 0.03 * (age - 45) - 0.02 * (true - 55) + 0.5 * (plan == "b")))
    said = pd.DataFrame({k: np.clip(true + rng.normal(0, 10, n), 0, 100) for k in ITEMS})
    said = said.assign(customer_id=base["customer_id"], date="2025-01-10")[answers]
    return base, said


def joined(n=3000, seed=1):
    base, said = world(n, seed)
    return join(base, said, as_of="2025-02-01")


SPEC = Linkage("churned", ITEMS, scale=SCALE, controls=["age", "plan"], response=["age", "plan"])


@pytest.fixture(scope="module")
def table():
    return joined()


@pytest.fixture(scope="module")
def found(table):
    return SPEC.fit(table, bootstrap=80, seed=1)


def refused(error, text, function):
    """The call ends in one sentence or two that say what is wrong."""
    with pytest.raises(error, match=text) as caught:
        function()
    assert "\n" not in str(caught.value)


# --- joining ------------------------------------------------------------------------------------------------------------


def test_the_last_answer_before_the_window_counts_and_nobody_is_lost():
    base = pd.DataFrame(
        {"customer_id": list("abcde"), "as_of": "2025-06-30", "left": [0, 1, 0, 1, 0]}, index=list("vwxyz")
    )
    said = pd.DataFrame(
        [("a", "2025-01-01", 1), ("a", "2025-06-30", 2), ("a", "2025-07-01", 3), ("b", "2023-01-01", 4), ("c", "2025-05-01", 5), ("z", "2025-05-01", 6)],
        columns=["customer_id", "date", "q"],
    )  # fmt: skip
    got = join(base, said, as_of="as_of", later="leave_out")
    assert got.frame["q"].tolist()[:1] == [2.0]
    assert got.frame.index.tolist() == list("vwxyz")
    assert got.frame["answered"].tolist() == [True, False, True, False, False]
    assert got.frame["answer_age"].dropna().tolist() == [0.0, 60.0]
    assert got.counts["rows"].to_dict() == {
        "outcomes": 5,
        "with an answer in time": 2,
        "without": 3,
        "answers": 6,
        "used": 2,
        "of customers not in the base": 1,
        "after the outcome": 1,
        "replaced by a later one, or too old": 2,
    }
    assert got.excluded["rows"].tolist() == [3]
    assert (got.n_obs, got.response) == (2, 0.4)
    assert "2 of 5 outcomes" in got.summary()


def test_over_several_windows_each_has_the_answer_of_its_time():
    base = pd.DataFrame(
        {"customer_id": [1, 1, 2], "as_of_date": ["2025-01-31", "2025-02-28", "2025-01-31"], "y": [0, 1, 0]}
    )
    said = pd.DataFrame(
        {"customer_id": [1, 1, 2], "date": ["2025-01-15", "2025-02-15", "2025-01-31"], "q": [10, 20, 30]}
    )
    assert join(base, said).frame["q"].tolist() == [10, 20, 30]


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda b, s: (pd.concat([b, b.head(2)]), s), DataError, "2 outcomes repeat a 'customer_id'"),
        (lambda b, s: (b, pd.concat([s, s.head(1)])), DataError, "1 answers are second ones"),
        (
            lambda b, s: (b, s.assign(customer_id="x" + s["customer_id"].astype(str))),
            DataError,
            "None of the .* customers",
        ),
        (
            lambda b, s: (b, s.assign(date="2025-03-01")),
            DataError,
            "are dated after the window of the outcome opened",
        ),
        (lambda b, s: (b, s.assign(date="2020-03-01")), DataError, "No answer lies within 365 days"),
        (lambda b, s: (b, s.assign(date=None)), DataError, "blank in"),
        (lambda b, s: (b, s.drop(columns="date")), DataError, "no column 'date'"),
        (lambda b, s: (b.assign(q1=1), s), DataError, "Both tables have the column 'q1'"),
        (lambda b, s: (b.head(0), s), DataError, "no rows"),
        (lambda b, s: (b, s.head(0)), DataError, "no rows"),
    ],
)
def test_tables_that_cannot_be_joined(change, error, text):
    base, said = world(200, 1)
    refused(error, text, lambda: join(*change(base, said), as_of="2025-02-01"))


# --- the error of measurement -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["logit", "cloglog", "poisson", "gamma", "gaussian"])
def test_scoring_is_statsmodels(family):
    rng = np.random.default_rng(2)
    x = np.column_stack([np.ones(400), rng.normal(size=(400, 2))])
    w = rng.uniform(0.5, 2, 400)
    eta = x @ [0.3, 0.5, -0.4]
    y, law = {
        "logit": ((rng.random(400) < 1 / (1 + np.exp(-eta))) * 1.0, sm.families.Binomial()),
        "cloglog": ((rng.random(400) < 0.4) * 1.0, sm.families.Binomial(sm.families.links.CLogLog())),
        "poisson": (rng.poisson(np.exp(eta)) * 1.0, sm.families.Poisson()),
        "gamma": (np.exp(eta) * rng.gamma(3, 1 / 3, 400), sm.families.Gamma(sm.families.links.Log())),
        "gaussian": (eta + rng.normal(size=400), sm.families.Gaussian()),
    }[family]
    peer = sm.GLM(y, x, family=law, freq_weights=w).fit(tol=1e-12)
    assert scoring(x, y, w, FAMILIES[family]) == pytest.approx(np.asarray(peer.params), abs=1e-7)


def test_calibration_is_the_regression_on_the_true_index():
    """With the truth at hand: the best prediction of it from what was seen."""
    rng = np.random.default_rng(3)
    n = 50_000
    z = rng.normal(size=(n, 2)) @ [[1, 0.3], [0, 1]]
    true = 50 + z @ [2.0, -1.0] + rng.normal(0, 3, n)
    seen = true + rng.normal(0, 2, n)
    got = calibrate(seen, z, np.ones(n), 4.0)
    best = sm.OLS(true, sm.add_constant(np.column_stack([seen, z]))).fit()
    assert got.expected == pytest.approx(best.fittedvalues, abs=0.15)
    assert got.tau == pytest.approx(np.sqrt(best.mse_resid), rel=0.01)


def test_likelihood_with_the_index_integrated_out_by_brute_force():
    rng = np.random.default_rng(4)
    x, z, w = rng.normal(size=300), rng.normal(size=300), rng.uniform(0.5, 2, 300)
    y = (rng.random(300) < 1 / (1 + np.exp(0.5 - 1.5 * x - 0.5 * z))) * 1.0
    design = np.column_stack([np.ones(300), x, z])
    grid = np.linspace(-8, 8, 2001)
    mass = np.exp(-(grid**2) / 2) / np.exp(-(grid**2) / 2).sum()

    def loss(b):
        p = (1 / (1 + np.exp(-((design @ b)[:, None] + b[1] * 0.7 * grid)))) @ mass
        return -(w @ np.where(y > 0, np.log(p), np.log1p(-p)))

    best = minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-7})
    assert blurred(design, 0.7, y, w, FAMILIES["logit"]) == pytest.approx(best.x, abs=2e-5)


def test_a_straight_line_is_divided_by_the_reliability(table):
    """Fuller 1987: without controls the corrected slope is the naive one over the reliability."""
    got = Linkage("spend", "q1", family="gaussian", reliability=0.6).fit(table, bootstrap=2, seed=1)
    assert got.effects.loc["corrected", "est"] == pytest.approx(got.effects.loc["naive", "est"] / 0.6, rel=1e-9)
    exact = Linkage("spend", "q1", family="gaussian", reliability=1.0).fit(table, bootstrap=2, seed=1)
    assert exact.effects["est"].nunique() == 1


def test_omega_and_alpha():
    loadings = np.array([0.9, 0.7, 0.6, 0.8])
    cov = np.outer(loadings, loadings) + np.diag(1 - loadings**2)
    scale = np.diag([1.0, 2.0, 0.5, 1.0])
    true = (loadings @ np.diagonal(scale)) ** 2 / (scale @ cov @ scale).sum()
    assert composite_reliability(scale @ cov @ scale) == pytest.approx(true, abs=1e-8)
    assert composite_reliability(cov, "alpha") == pytest.approx(4 / 3 * (1 - 4 / cov.sum()))
    assert composite_reliability(cov[:2, :2]) == pytest.approx(2 * 0.63 / 1.63)


@cache
def many_worlds(runs=16):
    """Naive and corrected effects on leaving and on spend, without intervals."""
    spend = replace(SPEC, outcome="spend", family="gamma")
    frames = [joined(2500, 100 + seed) for seed in range(runs)]
    return [np.array([s.fit(f, bootstrap=2, seed=1).point.coefficients[:, 1] for f in frames]) for s in (SPEC, spend)]


@pytest.mark.parametrize(("which", "truth"), [(0, EFFECT), (1, GROWTH)])
def test_ignoring_the_error_is_biased_and_the_correction_is_not(which, truth):
    est = many_worlds()[which]
    error = est.std(axis=0, ddof=1) / np.sqrt(len(est))
    assert abs(est[:, 0].mean() - truth) > 5 * error[0]
    assert abs(est[:, 0].mean()) < 0.85 * abs(truth)
    assert abs(est[:, 2].mean() - truth) < 3 * error[2]


def test_standard_errors_are_the_spread_of_many_worlds(found):
    """The bootstrap repeats weights, reliability and effect; 150 worlds of 3,000 gave 96.7 % coverage at 95 %."""
    est, se = many_worlds()[0][:, 2], found.effects.loc["corrected", "se"]
    assert se == pytest.approx(est.std(ddof=1), rel=0.45)
    assert (np.abs(est - EFFECT) < 1.96 * se).mean() >= 0.8


def test_simex_goes_most_of_the_way(table):
    plain = Linkage("spend", ITEMS, scale=SCALE, family="gaussian").fit(table, bootstrap=2, seed=1)
    with_noise = Linkage("spend", ITEMS, scale=SCALE, family="gaussian", correction="simex").fit(
        table, bootstrap=2, seed=1
    )
    naive, full = plain.effects.loc[["naive", "corrected"], "est"]
    part = (with_noise.effects.loc["corrected", "est"] - naive) / (full - naive)
    assert 0.55 < part < 1.1  # a parabola undershoots (Cook and Stefanski 1994)


# --- who answered -------------------------------------------------------------------------------------------------------


def test_propensity_is_a_logistic_regression():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(2000, 2))
    answered = (rng.random(2000) < 1 / (1 + np.exp(0.5 - x @ [0.5, -0.3]))) * 1.0
    design = np.column_stack([np.ones(2000), x])
    chance, _ = propensity(design, answered, np.ones(2000))
    peer = sm.Logit(answered, design).fit(disp=False)
    assert chance == pytest.approx(peer.predict(design), abs=1e-3)


def test_weights_bring_the_effect_of_the_base():
    """The effect differs by age, and the young hardly answer: the average one needs the weights."""
    rng = np.random.default_rng(6)
    n = 20_000
    young = rng.integers(0, 2, n)
    true = rng.normal(50, 10, n)
    base = pd.DataFrame(
        {"customer_id": np.arange(n), "young": young, "spend": (1 + 2 * young) * true + rng.normal(0, 5, n)}
    )
    said = pd.DataFrame({"customer_id": base["customer_id"], "date": "2025-01-01", "score": true})
    said = said[rng.random(n) < np.where(young, 0.05, 0.5)]
    spec = Linkage("spend", "score", family="gaussian", reliability=1.0, controls=["young"], response=["young"])
    with pytest.warns(DataWarning, match="are worth"):
        got = spec.fit(join(base, said, as_of="2025-02-01"), bootstrap=20, seed=1)
    assert got.effects.loc["naive", "est"] == pytest.approx(1.2, abs=0.1)
    assert got.effects.loc["corrected", "est"] == pytest.approx(2.0, abs=0.1)
    assert got.balance["difference"].abs().max() > 0.3 > 0.01 > got.balance["difference_weighted"].abs().max()


def test_weights_are_shown(found):
    w = found.weights
    assert w[found.measurement.answered].mean() == pytest.approx(1.0)
    assert (w[~found.measurement.answered] == 0).all()
    assert found.balance["difference_weighted"].abs().max() < 0.05
    assert "worth" in dict(found.headline())["Weights for who answered"]


# --- results ------------------------------------------------------------------------------------------------------------


def test_the_result_shows_what_was_done(found):
    assert found.effects.index.tolist() == ["naive", "weighted", "corrected"]
    assert found.estimates.loc["q1 + q2 + q3", "est"] == found.effects.loc["corrected", "est"]
    assert found.effects["ratio"].to_numpy() == pytest.approx(np.exp(found.effects["est"]))
    assert found.n_obs < found.n_base == 3000
    text = found.summary()
    for part in ("reliability", "omega of 3 items", "Respondents and base", "80 bootstrap replicates"):
        assert part in text
    best = found.effects.loc["corrected"]
    assert best["ci_lower"] < best["est"] < best["ci_upper"]
    assert abs(best["est"] - EFFECT) < 3 * best["se"]


def test_a_small_rise_moves_the_outcome_by_the_marginal_effect(table):
    got = Linkage("churned", ITEMS, scale=SCALE, shifts=(0.01, 5)).fit(table, bootstrap=5, seed=1)
    assert got.gains.loc[0.01, "change"] / 0.01 == pytest.approx(got.marginal.loc["corrected", "est"], rel=1e-3)
    assert got.gains.loc[5, "then"] < got.gains.loc[5, "now"]


def test_same_seed_same_numbers_whatever_the_workers(table):
    with parallel_config(backend="threading"):
        one, two = (SPEC.fit(table, bootstrap=12, seed=3, n_jobs=k) for k in (1, 2))
    pd.testing.assert_frame_equal(one.effects, two.effects)


def test_reliability_and_shares_come_from_the_model():
    base, said = world(4000, 8)
    said = said.assign(
        r1=said["q1"] * 0.5 + 20, r2=said["q2"] * 0.5 + np.random.default_rng(1).normal(20, 5, len(said))
    )
    frame = join(base, said, as_of="2025-02-01")
    pls = cx.PLS("S =~ q1 + q2 + q3\nL =~ r1 + r2\nL ~ S").fit(said)
    by_pls = Linkage("churned", pls, "S", scale=SCALE).fit(frame, bootstrap=10, seed=1)
    assert by_pls.reliability == pytest.approx(pls.reliability.loc["S", "rho_a"], abs=1e-9)
    scores = pls.index_scores(SCALE)["S"].to_numpy()
    assert by_pls.measurement.observed[by_pls.measurement.answered] == pytest.approx(
        scores[np.argsort(said["customer_id"])]
    )
    sem = cx.SEM("S =~ q1 + q2 + q3").fit(said)
    by_sem = Linkage("churned", sem, "S", scale=SCALE).fit(frame, bootstrap=10, seed=1)
    by_items = Linkage("churned", ITEMS, scale=SCALE).fit(frame, bootstrap=10, seed=1)
    assert by_sem.reliability == pytest.approx(by_items.reliability, abs=0.01)
    study = cx.SatisfactionIndex(
        "S =~ q1 + q2 + q3\nL =~ r1 + r2\nL ~ S", scale=dict.fromkeys(ITEMS, SCALE) | {"r1": SCALE, "r2": SCALE}
    ).fit(said)
    by_index = Linkage("churned", study, "S").fit(frame, bootstrap=10, seed=1)
    assert by_index.effects.loc["corrected", "est"] == pytest.approx(by_pls.effects.loc["corrected", "est"])


def test_hazard_over_months_knows_the_truth_of_the_subscribers():
    """Monthly windows of the simulated business: customers are clusters, the effect is that of the month's satisfaction."""
    tables, truth = cx.datasets.simulate_subscribers(customers=4000, months=14, seed=3, missing=0.0)
    dates = sorted(truth.monthly["as_of_date"].unique())[3:-2]
    labels = cx.churn.subscription_labels(tables["subscriptions"], dates, 31).frame
    state = truth.monthly[["customer_id", "as_of_date", "price", "log_tenure", "tickets", "offer_effect"]]
    base = labels.merge(state, on=["customer_id", "as_of_date"])
    said = tables["surveys"][["customer_id", "date", "satisfaction", "expectations", "ideal"]]
    frame = join(base, said, within=15, later="leave_out")
    spec = Linkage(
        "churned", list(said)[2:], scale=(1, 10), controls=["price", "log_tenure", "tickets", "offer_effect"]
    )
    got = spec.fit(frame, bootstrap=20, seed=1)
    assert base["customer_id"].duplicated().any()
    # Items stand 3 and 6 points lower, which moves no slope.
    assert (
        abs(got.effects.loc["corrected", "est"] - truth.effects["satisfaction"])
        < 2.5 * got.effects.loc["corrected", "se"]
    )
    assert abs(got.effects.loc["naive", "est"]) < abs(got.effects.loc["corrected", "est"])
    hazard = Linkage("churned", list(said)[2:], scale=(1, 10), family="cloglog").fit(frame, bootstrap=4, seed=1)
    assert hazard.effects.loc["corrected", "ratio"] < 1


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"outcome": "spend"}, DataError, "'spend' must be 0 or 1 with family='logit'"),
        ({"outcome": "churn"}, DataError, "Did you mean 'churned'"),
        ({"outcome": "plan"}, DataError, "holds text in 3000"),
        ({"scale": None}, SpecError, "needs the scale"),
        ({"scale": (0, 50)}, DataError, "Answers outside the scale"),
        ({"index": "q1"}, SpecError, "cannot be told from one column"),
        ({"index": "q1", "reliability": 1.5}, SpecError, "a share above 0"),
        ({"index": ["q1"]}, SpecError, "does not tell its reliability"),
        ({"index": ["q1", "q9"]}, DataError, "no column 'q9'"),
        ({"index": 5}, SpecError, "index must be a column"),
        ({"controls": ["aeg"]}, DataError, "Did you mean 'age'"),
        ({"controls": ["age", "age2"]}, NotIdentifiedError, "repeat each other"),
        ({"controls": ["churned"]}, SpecError, "stands among the columns"),
        ({"response": ["q1"]}, SpecError, "come from the survey"),
        ({"outcome": "debt", "family": "poisson"}, DataError, "below 0"),
        ({"outcome": "churned", "family": "gamma"}, DataError, "0 or below in"),
        ({"outcome": "never"}, DataError, "needs differences"),
        ({"controls": ["told"]}, NotIdentifiedError, "without an error"),
    ],
)
def test_bad_options_are_said_in_one_sentence(table, options, error, text):
    frame = table.frame.assign(age2=2 * table.frame["age"], debt=-table.frame["spend"], never=0)
    frame["told"] = frame["churned"] + np.random.default_rng(1).uniform(0, 0.5, len(frame))
    wide = join(
        frame.drop(columns=[*ITEMS, "answered", "answer_date", "answer_age"]), table.survey, as_of="2025-02-01"
    )
    given = {"outcome": "churned", "index": ITEMS, "scale": SCALE} | options
    refused(error, text, lambda: Linkage(**given).fit(wide, bootstrap=2))


def test_options_that_fit_no_model():
    refused(SpecError, "Did you mean 'logit'", lambda: Linkage("y", "x", family="logti"))
    refused(SpecError, "already exact", lambda: Linkage("y", "x", family="gamma", correction="likelihood"))
    refused(SpecError, "list of columns", lambda: Linkage("y", "x", controls="age"))
    refused(SpecError, "takes what cx.linkage.join returns", lambda: SPEC.fit(pd.DataFrame()))


def test_too_few_answers_and_items_that_contradict(table):
    base, said = world(400, 2)
    refused(DataError, "fewer than 30", lambda: SPEC.fit(join(base, said.head(20), as_of="2025-02-01")))
    turned = join(base, said.assign(q2=100 - said["q2"]), as_of="2025-02-01")
    refused(DataError, "do not go together", lambda: Linkage("churned", ["q1", "q2"], scale=SCALE).fit(turned))
    with pytest.warns(CxWarningOf, match="is not error of measurement|left out"):
        Linkage("churned", "q1", reliability=0.12).fit(table, bootstrap=4, seed=1)
    assert issubclass(DataError, CxError)


CxWarningOf = (DataWarning, ReplicateWarning)


def test_the_page_stands_alone(found, tmp_path):
    page = linkage_html(found, title="<b>Leaving</b>")
    assert page.count("<svg") == 2
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "<b>Leaving" not in page
    assert "Corrected for error of measurement" in page
    assert write_linkage(found, tmp_path / "deep" / "page.html").read_text(encoding="utf-8").startswith("<!")
    refused(
        DataError, "could not be written", lambda: write_linkage(found, tmp_path / "deep" / "page.html" / "x.html")
    )
    refused(SpecError, "as Linkage.fit gives", lambda: linkage_html(pd.DataFrame()))


def test_weights_of_the_fieldwork_are_those_of_the_linkage(table, found):
    frame = table.frame
    got = cx.fieldwork.response_weights(frame, frame["answered"], ["age", "plan"])
    assert got.weights.to_numpy() == pytest.approx(found.weights[found.measurement.answered].to_numpy())
    assert got.margins["after"].to_numpy() == pytest.approx(got.margins["target"].to_numpy(), rel=0.03)
    assert got.n_eff < len(got.weights)
    assert "propensity" in got.summary()
    for call, text in [
        (lambda: cx.fieldwork.response_weights(frame, frame["answered"], ["aeg"]), "Did you mean 'age'"),
        (lambda: cx.fieldwork.response_weights(frame, frame["answered"] | True, ["age"]), "Everybody"),
        (lambda: cx.fieldwork.response_weights(frame, frame["age"], ["age"]), "True or False"),
        (lambda: cx.fieldwork.response_weights(frame, frame["answered"][:5], ["age"]), "5 entries"),
        (lambda: cx.fieldwork.response_weights(frame, frame["answered"], []), "at least one column"),
    ]:
        refused(CxError, text, call)
