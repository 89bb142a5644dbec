"""Uplift against scikit-uplift's numbers, hand-made learners, and campaigns whose effect on everybody is known."""

from __future__ import annotations

import json
import pickle
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

import cxmodels as cx
from cxmodels.churn import Uplift, balance, persuadables, qini, uplift_profit
from cxmodels.churn.uplift_models import folds_of
from cxmodels.errors import CxError, DataError, DataWarning, SpecError
from cxmodels.report import uplift_html

REFERENCE = Path(__file__).parent / "reference" / "churn"
QUICK = make_pipeline(StandardScaler(), LogisticRegression())
KEYS = ["customer_id", "treatment", "retained"]


@cache
def campaign(n=4000, seed=1, **options):
    table, truth = cx.datasets.simulate_campaign(n, seed, **options)
    return table.drop(columns=KEYS), table["treatment"], table["retained"], truth, table


@cache
def reference():
    data = pd.read_csv(REFERENCE / "data" / "uplift_4000.csv")
    return json.loads((REFERENCE / "uplift.json").read_text(encoding="utf-8")), data


def gain(tau, uplift, top=0.3):
    """Share of the gain of an oracle that treats the same share of customers."""
    k = int(top * len(tau))
    return tau[np.argsort(-uplift)[:k]].sum() / np.sort(tau)[::-1][:k].sum()


# --- Qini -----------------------------------------------------------------------------------------------------------------


def test_qini_is_the_reference():
    """Radcliffe's rule to all digits; the normalised measures are those of scikit-uplift, in which ties enter together."""
    known, d = reference()
    given, together = (qini(d["y"], d["treatment"], d["uplift_score"], ties=t, n=2) for t in ("given", "together"))
    m = given.measures["est"]
    assert m["effect"] == pytest.approx(known["ate"], abs=1e-12)
    assert m["qini"] == pytest.approx(known["qini_coefficient_raw"], abs=1e-9)
    assert m["qini_per_customer"] == pytest.approx(known["qini_per_customer"], abs=1e-12)
    assert m["effect_30"] == pytest.approx(known["sklift"]["uplift_at_30_overall"], abs=1e-11)
    at = given.curve.set_index(given.curve["targeted"].round(2))["qini"]
    assert at[1.0] == pytest.approx(known["qini_curve_end"], abs=1e-8)
    for share, value in known["qini_at"].items():
        assert at[float(share.rstrip("%")) / 100] == pytest.approx(value, abs=1e-9)
    assert together.measures.loc["qini_normalised", "est"] == pytest.approx(
        known["sklift"]["qini_auc_score"], abs=1e-10
    )
    assert together.measures.loc["auuc_normalised", "est"] == pytest.approx(
        known["sklift"]["uplift_auc_score"], abs=1e-10
    )


def test_a_score_that_says_nothing_has_no_qini_in_any_order():
    _, t, y, *_ = campaign()
    order = np.argsort(-(y * t - y * (1 - t)).to_numpy(), kind="stable")
    flat = qini(y.iloc[order], t.iloc[order], np.ones(len(y)), n=2)
    assert flat.measures.loc["qini", "est"] == pytest.approx(0.0, abs=1e-9)
    cheated = qini(y.iloc[order], t.iloc[order], np.ones(len(y)), n=2, ties="given")
    assert cheated.measures.loc["qini", "est"] > 100


def test_intervals_of_qini_are_the_spread_of_campaigns():
    effects, areas = [], []
    for seed in range(16):
        _, t, y, truth, _ = campaign(2000, 50 + seed)
        m = qini(y, t, truth["uplift"], n=2).measures["est"]
        effects.append(m["effect"])
        areas.append(m["qini_per_customer"])
    _, t, y, truth, _ = campaign(2000, 50)
    one = qini(y, t, truth["uplift"], n=150)
    on, off = y[t == 1], y[t == 0]
    assert one.measures.loc["effect", "se"] == pytest.approx(
        np.sqrt(on.var() / len(on) + off.var() / len(off)), rel=0.2
    )
    assert one.measures.loc["qini_per_customer", "se"] == pytest.approx(np.std(areas, ddof=1), rel=0.4)
    assert one.measures.loc["effect", "se"] == pytest.approx(np.std(effects, ddof=1), rel=0.4)
    assert qini(y, t, truth["uplift"], n=150).measures.equals(one.measures)


def test_lower_is_better_turns_everything_round():
    _, t, y, truth, _ = campaign()
    kept, left = (qini(v, t, truth["uplift"], goal=g, n=5).measures for v, g in ((y, "raise"), (1 - y, "lower")))
    pd.testing.assert_frame_equal(kept, left)


def test_known_chances_weight_the_arms():
    """Half of the dear customers and a tenth of the others are treated: unweighted, the effect is off."""
    X, _, _, truth, _ = campaign(20_000)
    rng = np.random.default_rng(99)
    e = np.where(X["price"] > 35, 0.5, 0.1)
    t = (rng.random(len(e)) < e).astype(int)
    y = np.where(t, truth["p_treated"], truth["p_control"])
    plain, weighted = (
        qini(y, t, truth["uplift"], propensity=p, n=2).measures.loc["effect", "est"] for p in (None, e)
    )
    right = truth["uplift"].mean()
    assert abs(weighted - right) < 0.008 < 0.015 < abs(plain - right)
    model = Uplift("t", LinearRegression()).fit(X[["price"]], t, y, propensity=e)
    assert model.effect_["est"] == pytest.approx(weighted, abs=1e-9)


# --- balance --------------------------------------------------------------------------------------------------------------


def test_balance_by_hand_and_by_statsmodels():
    X, t, *_ = campaign(2000, targeting=0.2)
    got = balance(X[["tenure", "price", "plan"]], t)
    a, b = (X.loc[t == v, "tenure"] for v in (1, 0))
    line = got.table.set_index("column").loc["tenure"]
    assert line["difference"] == pytest.approx((a.mean() - b.mean()) / np.sqrt((a.var(ddof=0) + b.var(ddof=0)) / 2))
    design = sm.add_constant(pd.get_dummies(X[["tenure", "price", "plan"]], drop_first=True, dtype=float))
    peer = sm.Logit(t, design).fit(disp=False)
    assert got.tests.loc["regression", "statistic"] == pytest.approx(peer.llr, abs=1e-5)
    assert got.tests.loc["regression", "pvalue"] == pytest.approx(peer.llr_pvalue, rel=1e-4)


def test_random_campaigns_pass_and_targeted_ones_do_not():
    p = np.array([balance(campaign(1000, s)[0], campaign(1000, s)[1]).tests["pvalue"].to_numpy() for s in range(6)])
    assert (p < 0.1).mean(axis=0).max() < 0.5
    assert p.min() > 0.001
    X, _, _, truth, _ = campaign(2000)
    risk = 1 - truth["p_control"]
    middling = risk.between(*risk.quantile([0.3, 0.7])) & (np.random.default_rng(1).random(2000) < 0.9)
    found = balance(X.assign(risk=risk), middling.astype(int))
    assert not found.random
    assert found.tests.loc["classifier", "statistic"] > 0.8
    assert "Chance did not decide" in found.summary()


def test_a_treatment_that_depends_on_the_score_is_refused_or_adjusted():
    X, t, y, truth, _ = campaign(4000, targeting=0.8)
    with pytest.raises(DataError, match=r"Chance did not decide who was treated.*not_random"):
        Uplift("t", QUICK).fit(X, t, y)
    with pytest.warns(DataWarning, match="what they do not know remains"):
        model = Uplift("t", QUICK, not_random="adjust", folds=2).fit(X, t, y)
    raw = y[t == 1].mean() - y[t == 0].mean()
    right = truth["uplift"].mean()
    assert abs(model.effect_["est"] - right) < 0.5 * abs(raw - right)
    assert model.warnings_
    assert not model.balance_.random


# --- learners ---------------------------------------------------------------------------------------------------------------


def test_the_x_learner_finds_most_of_what_an_oracle_gains():
    X, t, y, truth, _ = campaign(20_000, 3)
    model = Uplift().fit(X[:10_000], t[:10_000], y[:10_000])
    uplift, tau = model.predict(X[10_000:]), truth["uplift"].to_numpy()[10_000:]
    assert gain(tau, uplift) > 0.85
    risk = 1 - model.outcomes(X[10_000:])["control"].to_numpy()
    assert gain(tau, risk) < 0.6  # who leaves is not who can be kept
    judged = model.evaluate(X[10_000:], t[10_000:], y[10_000:], n=50).measures.loc["qini_per_customer"]
    oracle = qini(y[10_000:], t[10_000:], tau, n=2).measures.loc["qini_per_customer", "est"]
    assert judged["ci_lower"] > 0
    assert judged["est"] > 0.7 * oracle
    found = persuadables(y[10_000:], t[10_000:], uplift, risk, n=100)
    assert found.rankings.loc["difference", "ci_lower"] > 0
    dogs, wins = (tau[s].mean() for s in (uplift < -0.02, uplift > 0.02))
    assert found.segments.loc["sleeping dogs", "effect"] == pytest.approx(dogs, abs=0.06)
    assert found.segments.loc["persuadables", "effect"] == pytest.approx(wins, abs=0.04)
    assert found.segments["customers"].sum() == 10_000


def test_learners_are_their_formulas():
    """With linear and logistic regressions in the places of the package's own, step by step."""
    X, t, y, *_ = campaign(1500)
    x, t, y = X[["tenure", "price", "usage"]].to_numpy(), t.to_numpy(), y.to_numpy()
    on, off = t == 1, t == 0

    def chance(rows, at):
        return LogisticRegression(max_iter=1000).fit(x[rows], y[rows]).predict_proba(at)[:, 1]

    def fitted(learner, effect=None):
        return Uplift(learner, LogisticRegression(max_iter=1000), effect, folds=3).fit(x, t, y).predict(x)

    assert fitted("t") == pytest.approx(chance(on, x) - chance(off, x))
    both = LogisticRegression(max_iter=1000).fit(np.column_stack([x, t]), y)
    s = [both.predict_proba(np.column_stack([x, np.full(len(x), v)]))[:, 1] for v in (0, 1)]
    assert fitted("s") == pytest.approx(s[1] - s[0])
    g1 = LinearRegression().fit(x[on], y[on] - chance(off, x[on])).predict(x)
    g0 = LinearRegression().fit(x[off], chance(on, x[off]) - y[off]).predict(x)
    e = t.mean()
    assert fitted("x", LinearRegression()) == pytest.approx(e * g0 + (1 - e) * g1)
    fold, pseudo = folds_of(t + 2.0 * y, 3, 0), np.empty(len(t))
    for k in range(3):
        held = fold == k
        m0, m1 = (chance(~held & arm, x[held]) for arm in (off, on))
        pseudo[held] = m1 - m0 + np.where(t[held], (y[held] - m1) / e, -(y[held] - m0) / (1 - e))
    assert fitted("dr", LinearRegression()) == pytest.approx(LinearRegression().fit(x, pseudo).predict(x))


def test_every_learner_ranks_and_an_effect_on_nobody_is_not_found():
    X, t, y, truth, _ = campaign(3000, 4)
    for learner in ("s", "dr"):
        uplift = Uplift(learner, QUICK if learner == "dr" else None, folds=2).fit(X, t, y).predict(X)
        assert np.corrcoef(uplift, truth["uplift"])[0, 1] > 0.5, learner
    X, t, y, *_ = campaign(2000, 5, effect=0.0)
    honest = Uplift("t", QUICK, folds=3).out_of_fold(X, t, y)
    found = qini(y, t, honest, n=100).measures.loc["qini_per_customer"]
    assert found["ci_lower"] < 0 < found["ci_upper"]
    own = Uplift("t", RandomForestClassifier(10, random_state=0)).fit(X.drop(columns="satisfaction"), t, y)
    flattered = qini(y, t, own.predict(X), n=50).measures.loc["qini_per_customer"]
    assert flattered["ci_lower"] > 0  # why only a campaign that the model has not seen may judge it


def test_it_keeps_to_the_conventions_of_scikit_learn():
    X, t, y, *_ = campaign(600)
    model = Uplift("t", random_state=3)
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        model.predict(X)
    before = X.copy()
    assert model.fit(X, t, y) is model
    check_is_fitted(model)
    pd.testing.assert_frame_equal(X, before)
    assert model.n_features_in_ == X.shape[1]
    assert model.feature_names_in_.tolist() == X.columns.tolist()
    uplift = model.predict(X)
    assert pickle.loads(pickle.dumps(model)).predict(X) == pytest.approx(uplift, abs=0)
    assert model.predict(X[X.columns[::-1]].iloc[::-1])[::-1] == pytest.approx(uplift, abs=1e-12)
    assert clone(model).fit(X, np.where(t == 1, "offer", "control"), y).predict(X) == pytest.approx(uplift, abs=0)
    quick = Uplift("t", LinearRegression())
    lower = clone(quick).set_params(goal="lower").fit(X, t, 1 - y)
    assert lower.predict(X) == pytest.approx(quick.fit(X, t, y).predict(X), abs=1e-9)
    array = X[["tenure", "price"]].to_numpy()
    assert Uplift("t", LogisticRegression()).fit(array, t, y).predict(array).shape == (600,)


def test_money_and_weights_and_any_learner():
    X, t, y, truth, table = campaign(1500)
    money = Uplift("x", LinearRegression()).fit(X, t, y * table["value"]).predict(X)
    assert np.corrcoef(money, truth["uplift"] * table["value"])[0, 1] > 0.5
    forest = Uplift("dr", RandomForestClassifier(15, min_samples_leaf=20, random_state=0), RandomForestRegressor(20, min_samples_leaf=50, random_state=0), folds=2)  # fmt: skip
    assert np.corrcoef(forest.fit(X, t, y).predict(X), truth["uplift"])[0, 1] > 0.4
    w = np.zeros(1500)
    w[1000:] = 1.0
    kept = Uplift("t", LogisticRegression()).fit(X[["tenure"]], t, y, w + 1)
    twice = pd.concat([X[["tenure"]], X.loc[1000:, ["tenure"]]])
    again = Uplift("t", LogisticRegression()).fit(twice, np.append(t, t[1000:]), np.append(y, y[1000:]))
    assert kept.predict(X) == pytest.approx(again.predict(X), abs=1e-5)


# --- money and the list -----------------------------------------------------------------------------------------------------


def test_profit_by_brute_force():
    _, t, y, truth, table = campaign(3000)
    value, u = table["value"].to_numpy(), truth["uplift"].to_numpy()
    got = uplift_profit(y, t, u, value=value, contact_cost=2, offer_cost=6, n=50)
    top = np.argsort(-u, kind="stable")[:900]
    on, off = top[t.to_numpy()[top] == 1], top[t.to_numpy()[top] == 0]
    kept = y.to_numpy()
    by_hand = 0.3 * ((kept[on] * (value[on] - 6) - 2).mean() - (kept[off] * value[off]).mean())
    curve = got.curve.set_index(got.curve["targeted"].round(2))
    assert curve.loc[0.3, "profit"] == pytest.approx(by_hand, rel=1e-6)
    assert curve.loc[0.0, "profit"] == 0
    assert got.best.loc["profit", "est"] == curve["profit"].max()
    assert got.best.loc["share", "ci_lower"] <= got.best.loc["share", "est"] <= got.best.loc["share", "ci_upper"]
    assert "Best share" in got.summary()


def test_the_list_has_the_shape_of_churns():
    X, t, y, _, table = campaign(2000)
    model = Uplift("t", QUICK).fit(X, t, y)
    people = X.assign(customer_id=table["customer_id"])
    got = model.targets(people, "customer_id", value="value", capacity=100, offer_cost=5, as_of_date="2026-03-31")
    other = cx.churn.targets(table["customer_id"], np.full(2000, 0.2), value=100)
    assert got.columns.tolist() == [*other.columns, "uplift"]
    assert (got["action"] == "contact").sum() == 100
    foreseen = model.outcomes(people).set_index(table["customer_id"])
    first = got.iloc[0]
    mine = foreseen.loc[first["customer_id"]]
    value = table.set_index("customer_id").loc[first["customer_id"], "value"]
    assert first["uplift"] == mine["uplift"]
    assert first["p_churn"] == pytest.approx(1 - mine["control"])
    assert first["expected_profit"] == pytest.approx(value * mine["uplift"] - 1 - 5 * mine["treated"])
    assert (got.loc[got["action"] == "contact", "expected_profit"] > 0).all()


# --- bad input ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "change", "error", "text"),
    [
        ({}, {"t": lambda t: t * 0}, DataError, "All 600 customers have the treatment '0'"),
        ({}, {"t": lambda t: np.arange(len(t)) % 3}, DataError, "two arms at a time"),
        ({}, {"t": lambda t: np.where(t == 1, "A", "B")}, SpecError, "Say which of"),
        ({"treated": "C"}, {"t": lambda t: np.where(t == 1, "A", "B")}, SpecError, "is not a value of the treatment"),
        ({}, {"t": lambda t: t.where(t.index > 3)}, DataError, "blank for 4 of 600"),
        ({}, {"t": lambda t: t[:9]}, DataError, "9 entries for 600"),
        ({}, {"t": lambda t: (t.index < 20).astype(int)}, DataError, "smaller arm has 20"),
        ({}, {"y": lambda y: y * 0}, DataError, "nothing that a treatment could have changed"),
        ({}, {"y": lambda y: np.where(y, "yes", "no")}, DataError, "not a number"),
        ({}, {"y": lambda y: y.where(y.index > 1)}, DataError, "missing or infinite for 2"),
        ({}, {"y": lambda y: y[:5]}, DataError, "5 entries for 600"),
        ({}, {"y": lambda y: None}, DataError, "y is None"),
        ({}, {"X": lambda x: x[["plan"]].assign(plan="a")}, DataError, "None of the 1 columns differs"),
        ({"learner": "xx"}, {}, SpecError, "Did you mean 'x'"),
        ({"goal": "up"}, {}, SpecError, "Unknown goal"),
        ({"folds": 1}, {}, SpecError, "folds must be"),
        ({"learner": "t", "effect_model": LinearRegression()}, {}, SpecError, "no model of the effect"),
        ({"effect_model": LogisticRegression()}, {}, SpecError, "is a classifier"),
    ],
)
def test_bad_campaigns_are_said_in_one_sentence(options, change, error, text):
    X, t, y, *_ = campaign(600)
    same = lambda v: v  # noqa: E731
    X, t, y = (change.get(k, same)(v) for k, v in (("X", X), ("t", t), ("y", y)))
    with pytest.raises(error, match=text) as caught:
        Uplift(**options).fit(X, t, y)
    assert isinstance(caught.value, CxError)
    assert "\n" not in str(caught.value)


def test_bad_scores_and_lists():
    X, t, y, truth, table = campaign(600)
    u = truth["uplift"]
    for call, text in [
        (lambda: qini(y, t, u.where(u.index > 2)), "missing or infinite for 3"),
        (lambda: qini(y, t, u, ties="tie"), "Unknown ties"),
        (lambda: qini(y, t, u, propensity=1.0), "not between 0 and 1"),
        (lambda: uplift_profit(table["value"], t, u, value=1), "must be 0 or 1"),
        (lambda: uplift_profit(y, t, u, value=-1), "negative value"),
        (lambda: uplift_profit(y, t, u, value=1, offer_cost=-1), "zero or more"),
        (lambda: persuadables(y, t, u, u, top=2), "top must be a share"),
        (lambda: persuadables(y, t, u, u[:4]), "4 entries for 600"),
        (lambda: cx.datasets.simulate_campaign(3), "customers must be a whole number of 10 or more"),
        (lambda: cx.datasets.simulate_campaign(100, treated=1.0), "a share below 1"),
    ]:
        with pytest.raises(CxError, match=text):
            call()
    model = Uplift("t", LogisticRegression()).fit(X[["tenure"]], t, y)
    for call, text in [
        (lambda: model.predict(X[["price"]]), "'tenure' is not in the data"),
        (lambda: model.targets(X, value="vaule"), "no column 'vaule'"),
        (lambda: model.targets(X, value=["a"] * 600), "not a number"),
        (lambda: model.targets(X, value=1, accept_rate=0.3), "of no use here"),
    ]:
        with pytest.raises(CxError, match=text):
            call()


def test_the_page_says_what_was_found_and_stands_alone():
    _, t, y, truth, table = campaign(1500)
    u = truth["uplift"]
    X = table[["tenure"]].assign(**{"<b>price</b>": table["price"]})
    page = uplift_html(
        qini(y, t, u, n=20), profit=uplift_profit(y, t, u, value=100, n=20), whom=persuadables(y, t, u, 1 - truth["p_control"], n=20),
        balance=balance(X, t),
    )  # fmt: skip
    assert page.count("<svg") == 4
    assert "<b>price" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "Persuadables" in page
    with pytest.raises(CxError, match=r"as cx.churn.qini gives"):
        uplift_html(pd.DataFrame())
