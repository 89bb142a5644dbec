"""What theory promises of every family, whatever the data: the order of rows and columns, copies of rows against weights, units and signs.

Path models and covariance-based models have more of it in test_pls.py and test_sem_properties.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cxmodels as cx
from cxmodels import churn, fieldwork, metrics
from cxmodels.errors import CxWarning
from cxmodels.linkage import Linkage, growth, join

FEW = settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
SEEDS = st.integers(0, 2**31)


@dataclass(frozen=True)
class Family:
    """Data, what is estimated from them, whether weights are taken, how near a second way must come."""

    data: Callable[[], pd.DataFrame]
    fit: Callable[..., pd.Series]
    weighted: bool = True
    atol: float = 1e-7


def named(values, keys=None) -> pd.Series:
    """Numbers by name, in the order of names."""
    out = values if keys is None else values.set_index(list(keys[:-1]))[keys[-1]]
    return pd.Series(out, dtype=float).sort_index()


# --- data, each with what the method needs ------------------------------------------------------------------------


@cache
def answers() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    common = rng.normal(size=(160, 1))
    x = np.clip(np.round(6 + 1.3 * common + rng.normal(0, 1.4, (160, 5))), 1, 10)
    y = np.clip(np.round(x @ [0.5, 0.3, 0.1, 0.1, 0.0] + rng.normal(0, 0.8, 160)), 1, 10)
    frame = pd.DataFrame(x, columns=[f"a{k}" for k in range(5)]).assign(
        y=y, y2=np.clip(y + rng.integers(-1, 2, 160), 1, 10)
    )
    return frame.assign(
        company=rng.choice(list("ABC"), 160), importance=rng.integers(1, 6, 160), done=rng.integers(0, 2, 160)
    )


@cache
def customers() -> pd.DataFrame:
    return (
        cx.datasets.load("telco")[["tenure", "churn", "monthly_charges", "contract", "paperless_billing"]]
        .head(300)
        .assign(id=range(300))
    )


@cache
def durations() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    age, price = rng.normal(size=160), rng.normal(size=160)
    t = rng.weibull(1.3, 160) * 20 * np.exp(-0.3 * age + 0.2 * price)  # no ties
    end = rng.uniform(2, 40, 160)
    kind = rng.choice(["price", "move"], 160)
    cause = np.where(t <= end, kind, "")
    frame = pd.DataFrame(
        {"duration": np.minimum(t, end), "event": (t <= end).astype(int), "age": age, "price": price}
    )
    return frame.assign(cause=np.where(cause == "", None, cause))


@cache
def subscribers() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    left = rng.geometric(np.clip(rng.beta(0.7, 2.5, 400), 1e-4, 1))
    return pd.DataFrame({"renewals": np.minimum(left, 8), "event": (left <= 8).astype(int)})


@cache
def spenders() -> pd.DataFrame:
    rng = np.random.default_rng(12)
    n, rates = rng.integers(1, 12, 400), rng.gamma(4, 1 / 15, 400)
    return pd.DataFrame({"frequency": n, "monetary_value": rng.gamma(6 * n) / n / rates})


@cache
def buyers() -> pd.DataFrame:
    return cx.datasets.load("cdnow_summary").sample(300, random_state=1).reset_index(drop=True)


@cache
def periods() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    rows = [(c, p, rng.normal(), rng.normal()) for c in range(120) for p in range(1, rng.integers(2, 8))]
    frame = pd.DataFrame(rows, columns=["customer_id", "period", "x", "z"])
    hazard = 1 / (1 + np.exp(1.5 - 0.5 * frame["x"]))
    last = ~frame["customer_id"].duplicated(keep="last")
    return frame.assign(event=(last & (rng.random(len(frame)) < 3 * hazard)).astype(int))


@cache
def campaign() -> pd.DataFrame:
    table, truth = cx.datasets.simulate_campaign(500)
    return table.assign(score=truth["uplift"] + 0 * table["treatment"], risk=1 - truth["p_control"])


@cache
def joined() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    n = 300
    true, age = rng.normal(60, 10, n), rng.normal(45, 9, n)
    left = rng.random(n) < 1 / (1 + np.exp(0.5 + 0.06 * (true - 60) - 0.02 * (age - 45)))
    spend = 50 + 0.4 * (true - 60) + 0.2 * age + rng.normal(0, 4, n)
    said = {f"q{k}": np.clip(true + rng.normal(0, 10, n), 0, 100) for k in range(2)}
    return pd.DataFrame({"customer_id": range(n), "age": age, "left": left.astype(int), "spend": spend, **said})


@cache
def panel() -> pd.DataFrame:
    rng = np.random.default_rng(9)
    rows = [(c, w, 70 + rng.normal(0, 4), 1.0) for c in range(40) for w in (2023, 2024, 2025)]
    frame = pd.DataFrame(rows, columns=["company", "wave", "index", "se"])
    return frame.assign(sales=100 + 0.5 * frame["index"] + rng.normal(0, 3, len(frame)))


@cache
def sample() -> pd.DataFrame:
    rng = np.random.default_rng(10)
    frame = pd.DataFrame({"sex": rng.choice(["f", "m"], 200, p=[0.4, 0.6]), "age": rng.choice(["young", "old"], 200), "spend": rng.gamma(2, 3, 200)})  # fmt: skip
    return frame.assign(answered=rng.random(200) < np.where(frame["sex"] == "f", 0.7, 0.4))


# --- what is estimated --------------------------------------------------------------------------------------------

PATHS = "A =~ a0 + a1\nB =~ a2 + a3 + a4\nC =~ y + y2\nB ~ A\nC ~ A + B"


def pls(d, weights=None, **options):
    res = cx.PLS(PATHS, **options).fit(d, weights=weights)
    return named(
        pd.concat(
            [named(res.paths, ("outcome", "predictor", "est")), named(res.loadings, ("construct", "item", "est"))]
        )
    )


def sem(d, weights=None):
    res = cx.SEM(PATHS, mean_structure=True).fit(d, weights=weights)
    keyed = res.estimates.assign(key=[" ".join([op, *sorted((a, b))]) if op == "~~" else f"{a} {op} {b}" for a, op, b in res.estimates[["lhs", "op", "rhs"]].values])  # fmt: skip
    return named(keyed, ("key", "est"))


def drivers(d, weights=None, method="shapley", family="gaussian", names=("a0", "a1", "a2", "a3")):
    return named(
        cx.Drivers("y", list(names), method=method, family=family).fit(d, weights=weights).importance["importance"]
    )


def index(d, weights=None, scale=(1, 10)):
    found = cx.SatisfactionIndex(model=PATHS, target="C", scale=scale).fit(d if weights is None else cx.Survey(d.assign(w=weights), weights="w"), by="company")  # fmt: skip
    return named(found.scores, ("company", "construct", "index"))


def metric(function, d, weights=None):
    return pd.Series({"value": float(function(data=d, weights=weights).value)})


def churn_of(d, weights=None):
    """Folds go by customer, as without customers they go by what stands in a row, in the order of its columns."""
    x = d.drop(columns=["churn", "id"])
    spec = churn.Churn(candidates=["linear"], folds=3, drop_noise=False, totals=False)
    spec.fit(x, d["churn"], sample_weight=weights, groups=d["id"])
    return pd.Series(spec.predict_proba(x)[:, 1], d["id"]).sort_index()


def survival(d, weights=None):
    found = churn.KaplanMeier().fit(d, duration="duration", weights=weights).at([3.0, 8, 15])
    return pd.Series(found["survival"].to_numpy(float))


def competing(d, weights=None):
    found = churn.AalenJohansen().fit(d, "cause", duration="duration", weights=weights)
    at = found.at([3.0, 8, 15])
    return pd.Series(at["share"].to_numpy(float))


def hazards(d, weights=None, spec=None, columns=("age", "price")):
    return named(spec.fit(d, columns=list(columns), weights=weights).estimates["est"])


def purchases(d, weights=None, spec=None):
    return spec.fit(d, weights=weights).params


def money(d, weights=None):
    return (
        churn.GammaGamma()
        .fit(d[d["frequency"] > 0], weights=None if weights is None else weights[d["frequency"] > 0])
        .params
    )


def contracts(d, weights=None):
    return churn.ShiftedBetaGeometric().fit(durations=d["renewals"], churned=d["event"], weights=weights).params


def gain(d):
    return churn.qini(d["retained"], d["treatment"], d["score"], n=2).measures["est"]


def whom(d):
    return churn.persuadables(d["retained"], d["treatment"], d["score"], d["risk"], n=2).rankings["gain"]


def link(d, outcome="left", family="logit", scale=(0, 100), controls=("age",)):
    said = d[["customer_id", "q0", "q1"]].assign(date="2025-01-10")
    whole = join(d.drop(columns=["q0", "q1"]), said, as_of="2025-02-01")
    found = Linkage(outcome, ["q0", "q1"], scale=scale, controls=list(controls), family=family).fit(
        whole, bootstrap=2, seed=1
    )
    return found.effects["est"]


def grown(d):
    return growth(d, "sales").effects["est"]


MARGINS = {"sex": {"f": 0.51, "m": 0.49}, "age": {"young": 0.3, "old": 0.7}}


def raked(d, weights=None):
    found = fieldwork.calibrate(d, MARGINS, weights=weights).weights
    cells = (found / found.sum()).groupby([d["sex"], d["age"]]).sum()
    return pd.Series(cells.to_numpy())


FAMILIES = {
    "PLS": Family(answers, pls),
    "PLSc": Family(answers, partial(pls, consistent=True)),
    "PLS, centroid": Family(answers, partial(pls, scheme="centroid")),
    "SEM": Family(answers, sem, atol=1e-5),
    **{f"drivers, {m}": Family(answers, partial(drivers, method=m)) for m in ("shapley", "johnson", "first", "last", "betasq", "pratt", "car", "pmvd")},
    "drivers, ordered": Family(answers, partial(drivers, family="ordered"), atol=1e-5),
    "index": Family(answers, index),
    "nps": Family(answers, partial(metric, partial(metrics.nps, "y"))),
    "csat": Family(answers, partial(metric, partial(metrics.csat, "y", scale=(1, 10)))),
    "csat, mean": Family(answers, partial(metric, partial(metrics.csat, "y", scale=(1, 10), measure="mean"))),
    "ces": Family(answers, partial(metric, partial(metrics.ces, "a1", scale=(1, 10)))),
    "csi": Family(answers, partial(metric, partial(metrics.csi, ["importance", "importance"], ["a1", "a2"], scale=(1, 10), importance_scale=(1, 5)))),
    "rate": Family(answers, partial(metric, partial(metrics.rate, "done"))),
    "duration": Family(durations, partial(metric, partial(metrics.duration, "duration"))),
    "dissatisfaction": Family(answers, partial(metric, partial(metrics.dissatisfaction, "y", scale=(1, 10)))),
    "churn, linear": Family(customers, churn_of, weighted=False, atol=1e-4),
    "Kaplan-Meier": Family(durations, survival),
    "Aalen-Johansen": Family(durations, competing),
    "Cox": Family(durations, partial(hazards, spec=churn.CoxHazards("breslow")), atol=1e-6),
    "Weibull": Family(durations, partial(hazards, spec=churn.WeibullAFT()), atol=1e-5),
    "discrete hazard": Family(periods, partial(hazards, spec=churn.DiscreteHazard(), columns=("x", "z")), weighted=False, atol=1e-5),
    "BG/NBD": Family(buyers, partial(purchases, spec=churn.BGNBD()), atol=1e-3),
    "Pareto/NBD": Family(buyers, partial(purchases, spec=churn.ParetoNBD()), atol=2e-3),
    "Gamma-Gamma": Family(spenders, money, atol=1e-2),
    "shifted beta-geometric": Family(subscribers, contracts, atol=1e-3),
    "qini": Family(campaign, gain, weighted=False),
    "persuadables": Family(campaign, whom, weighted=False),
    "linkage": Family(joined, link, weighted=False, atol=1e-5),
    "growth": Family(panel, grown, weighted=False),
    "raking": Family(sample, raked),
}  # fmt: skip


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        yield


def near(a: pd.Series, b: pd.Series, atol: float) -> None:
    assert list(a.index) == list(b.index)
    assert np.isfinite(a.to_numpy()).all()
    np.testing.assert_allclose(a.to_numpy(), b.to_numpy(), atol=atol, rtol=atol)


# --- what must not matter -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
@FEW
@given(seed=SEEDS)
def test_the_order_of_rows_and_columns_does_not_matter(name, seed):
    family = FAMILIES[name]
    data = family.data()
    rng = np.random.default_rng(seed)
    shuffled = data.sample(frac=1, random_state=rng.integers(2**31))[list(rng.permutation(data.columns))]
    near(family.fit(data), family.fit(shuffled), family.atol)


@pytest.mark.parametrize("name", [n for n, f in FAMILIES.items() if f.weighted])
def test_rows_twice_are_weights_of_two(name):
    """Some rows stand twice: the estimates are those of one row each with a weight of 2, whatever the unit of weights."""
    family = FAMILIES[name]
    data = family.data()
    twice = np.arange(len(data)) % 3 == 0
    copies = pd.concat([data, data[twice]], ignore_index=True)
    weighted = family.fit(data, weights=np.where(twice, 2.0, 1.0))
    near(weighted, family.fit(copies), max(family.atol, 1e-6))
    if name != "raking":
        near(family.fit(data, weights=np.full(len(data), 2.0)), family.fit(data), max(family.atol, 1e-6))


# --- units and signs ------------------------------------------------------------------------------------------------


@FEW
@given(power=st.integers(-4, 4), shift=st.floats(-100, 100))
def test_units_of_items_do_not_matter_in_path_models(power, shift):
    moved = answers().assign(**{c: 10.0**power * answers()[c] + shift for c in ("a1", "a2", "y")})
    for options in ({}, {"consistent": True}, {"scheme": "factorial"}, {"modes": {"A": "B"}}):
        near(pls(answers(), **options), pls(moved, **options), 1e-6)


def test_the_sign_of_an_item_turns_its_loading_alone():
    turned = answers().assign(a4=11 - answers()["a4"])
    for function, atol in ((pls, 1e-7), (sem, 1e-5)):
        a, b = function(answers()), function(turned)
        its = [k for k in a.index if "a4" in str(k) and "~~" not in str(k) and "~1" not in str(k)]
        assert len(its) == 1
        near(a[its], -b[its], atol)
        others = [k for k in a.index if "a4" not in str(k)]
        near(a[others], b[others], atol)


@FEW
@given(seed=SEEDS, power=st.integers(-4, 4))
@pytest.mark.parametrize("method", ["shapley", "johnson", "first", "last", "betasq", "pratt", "car", "pmvd"])
def test_importance_knows_no_units_and_no_signs(method, seed, power):
    sign = np.random.default_rng(seed).choice([-1, 1], 5)
    moved = answers().assign(**{f"a{k}": sign[k] * 10.0**power * answers()[f"a{k}"] + 3 for k in range(4)}, y=7 - sign[4] * answers()["y"])  # fmt: skip
    near(drivers(answers(), method=method), drivers(moved, method=method), 1e-8)
    backwards = drivers(answers(), method=method, names=("a3", "a1", "a0", "a2"))
    near(drivers(answers(), method=method), backwards, 1e-10)


@FEW
@given(factor=st.floats(0.1, 50), shift=st.floats(-20, 20))
def test_an_index_moves_with_its_scale(factor, shift):
    items = ["a0", "a1", "a2", "a3", "a4", "y", "y2"]
    moved = answers().assign(**{c: factor * answers()[c] + shift for c in items})
    near(index(answers()), index(moved, scale=(factor + shift, 10 * factor + shift)), 1e-6)


@FEW
@given(factor=st.floats(0.05, 200))
def test_units_of_time_do_not_matter_in_survival(factor):
    d = durations()
    slow = d.assign(duration=factor * d["duration"])
    at = np.array([3.0, 8, 15])
    a, b = (churn.KaplanMeier().fit(x, duration="duration").at(list(t))["survival"] for x, t in ((d, at), (slow, factor * at)))  # fmt: skip
    np.testing.assert_allclose(a, b, atol=1e-12)
    near(FAMILIES["Cox"].fit(d), FAMILIES["Cox"].fit(slow), 1e-7)
    a, b = (churn.WeibullAFT().fit(x, columns=["age", "price"]).estimates["est"] for x in (d, slow))
    moved = (b - a).round(5)
    assert sorted(moved[moved != 0].tolist()) in ([], [pytest.approx(np.log(factor), abs=1e-4)])


@FEW
@given(factor=st.floats(0.01, 100), sign=st.sampled_from([-1, 1]))
def test_a_coefficient_is_in_the_unit_of_its_column(factor, sign):
    d = durations()
    moved = d.assign(age=sign * factor * d["age"] + 4)
    for name in ("Cox", "Weibull"):
        a, b = FAMILIES[name].fit(d), FAMILIES[name].fit(moved)
        own = [k for k in a.index if "age" in str(k)]
        near(a[own], sign * factor * b[own], 1e-4)
        near(a[[k for k in a.index if "price" in str(k)]], b[[k for k in b.index if "price" in str(k)]], 1e-5)


@FEW
@given(factor=st.sampled_from([1 / 7, 30.4, 365.25]))
@pytest.mark.parametrize("spec", [churn.BGNBD(), churn.ParetoNBD()])
def test_purchases_foreseen_do_not_depend_on_the_unit_of_time(spec, factor):
    d = buyers()
    slow = d.assign(recency=factor * d["recency"], T=factor * d["T"])
    a, b = spec.fit(d), spec.fit(slow)
    bought = d["frequency"].sum()
    assert b.loglik == pytest.approx(a.loglik - bought * np.log(factor), abs=0.02)
    now, then = a.expected_purchases(10.0, d), b.expected_purchases(10.0 * factor, slow)
    np.testing.assert_allclose(now, then, rtol=0.01, atol=1e-3)
    np.testing.assert_allclose(a.p_alive(d), b.p_alive(slow), atol=5e-3)


@FEW
@given(factor=st.sampled_from([0.01, 40.0]))
def test_spend_is_in_the_unit_of_money(factor):
    d = spenders()
    rich = d.assign(monetary_value=factor * d["monetary_value"])
    a, b = churn.GammaGamma().fit(d), churn.GammaGamma().fit(rich)
    np.testing.assert_allclose(
        factor * a.expected_spend(d["frequency"], d["monetary_value"]),
        b.expected_spend(rich["frequency"], rich["monetary_value"]),
        rtol=1e-3,
    )


@FEW
@given(factor=st.floats(0.01, 100))
def test_gain_of_an_uplift_is_in_the_unit_of_the_outcome_and_knows_no_unit_of_the_score(factor):
    d = campaign()
    near(gain(d), gain(d.assign(score=factor * d["score"] + 3)), 1e-9)
    money = gain(d.assign(retained=factor * d["retained"]))
    own = ["effect", "effect_10", "effect_30", "qini", "auuc"]
    near(factor * gain(d)[own], money[own], 1e-8)
    turned = gain(d.assign(treatment=1 - d["treatment"], score=-d["score"]))
    assert turned["effect"] == pytest.approx(-gain(d)["effect"])


@FEW
@given(factor=st.sampled_from([0.1, 12.0]), shift=st.floats(-30, 30))
def test_an_effect_of_satisfaction_is_per_point_whatever_the_scale_of_the_answers(factor, shift):
    d = joined()
    moved = d.assign(q0=factor * d["q0"] + shift, q1=factor * d["q1"] + shift)
    near(link(d), link(moved, scale=(shift, 100 * factor + shift)), 1e-5)
    near(link(d), link(d.assign(age=-factor * d["age"] + shift)), 1e-5)
    own = {"outcome": "spend", "family": "gaussian"}
    near(factor * link(d, **own), link(d.assign(spend=factor * d["spend"] + shift), **own), 1e-6)


@FEW
@given(factor=st.sampled_from([0.5, 64.0]))
def test_growth_is_in_the_unit_of_the_outcome(factor):
    near(factor * grown(panel()), grown(panel().assign(sales=factor * panel()["sales"])), 1e-8)


@FEW
@given(factor=st.floats(0.1, 1000), seed=SEEDS)
def test_weights_of_the_fieldwork_know_no_unit_and_no_names(factor, seed):
    d = sample()
    start = np.random.default_rng(seed).uniform(0.5, 2, len(d))
    a = fieldwork.calibrate(d, MARGINS, weights=start).weights
    b = fieldwork.calibrate(d, {k: {v: factor * s for v, s in m.items()} for k, m in MARGINS.items()} if factor == 1 else MARGINS, weights=factor * start).weights  # fmt: skip
    np.testing.assert_allclose(a / a.sum(), b / b.sum(), rtol=1e-8)
    other = d.assign(sex=d["sex"].map({"f": "zz", "m": "aa"}))
    c = fieldwork.calibrate(other, {"sex": {"zz": 0.51, "aa": 0.49}, "age": MARGINS["age"]}, weights=start).weights
    np.testing.assert_allclose(a, c, rtol=1e-8)
    x = fieldwork.response_weights(d, d["answered"], ["sex", "spend"]).weights
    y = fieldwork.response_weights(d.assign(spend=factor * d["spend"] + 5), d["answered"], ["sex", "spend"]).weights
    np.testing.assert_allclose(x, y, rtol=1e-5)


@FEW
@given(power=st.integers(-6, 6))
def test_probabilities_of_churn_do_not_depend_on_units(power):
    d = customers()
    moved = d.assign(tenure=2.0**power * d["tenure"], monthly_charges=2.0**power * d["monthly_charges"])
    near(churn_of(d), churn_of(moved), 1e-6)
