"""Maps, asymmetry and what-if of driver analysis."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.drivers import simulate_structure
from cxmodels.errors import (
    DataError,
    SpecError,
)
from tests.driver_surveys import CX, FULL, MOBI, RATINGS, drivers


def test_map_and_its_cuts():
    res = drivers().fit(CX)
    frame = res.map()
    assert set(frame["quadrant"]) <= {
        "Concentrate here",
        "Keep up the good work",
        "Low priority",
        "Possible overkill",
    }
    middle = frame["performance"].mean()
    weak = (frame["performance"] < middle) & (frame["importance"] >= frame["importance"].mean())
    assert (frame.loc[weak, "quadrant"] == "Concentrate here").all()
    assert res.map("midpoint", scale=(1, 5))["performance_cut"].unique() == [3.0]
    assert set(res.map("target", target=5.1)["quadrant"]) <= {"Concentrate here", "Low priority"}
    assert (
        res.map("median", importance_cut="median")["cut"].iloc[0]
        == "importance at its median, performance at its median"
    )
    with pytest.raises(SpecError, match="target"):
        res.map("target")


def test_stated_against_derived():
    res = drivers().fit(CX)
    frame = res.stated_map({"a1": 1, "a2": 5, "a3": 3, "a4": 5, "a5": 2})
    assert frame.loc["a1", "reading"].startswith("Excitement")
    assert frame.loc["a4", "reading"].startswith("Basic")
    by_column = res.stated_map({f"a{i}": f"a{i}" for i in range(1, 6)})
    np.testing.assert_allclose(by_column["stated"], res.importance["performance"])
    with pytest.raises(SpecError, match="no value for 'a5'"):
        res.stated_map({"a1": 1, "a2": 5, "a3": 3, "a4": 5})


def test_competitor_profile():
    ours, theirs = CX[CX["segment"] == "A"], CX[CX["segment"] == "B"]
    res = drivers().fit(ours)
    frame = res.profile(theirs)
    np.testing.assert_allclose(frame["gap"], ours[FULL].mean() - theirs[FULL].mean())
    se = np.hypot(ours["a1"].sem(), theirs["a1"].sem())
    assert frame.loc["a1", "se"] == pytest.approx(se)
    np.testing.assert_allclose(frame["contribution"], frame["gap"] * res.importance["coef"])


def test_kinds_of_asymmetry():
    rng = np.random.default_rng(2)
    x = rng.integers(1, 6, (3000, 3))
    y = 10 - 3.0 * (x[:, 0] <= 2) + 3.0 * (x[:, 1] >= 4) + 1.0 * x[:, 2] + rng.normal(size=3000)
    frame = pd.DataFrame(x, columns=["basic", "excitement", "performance"]).assign(y=y, none=rng.integers(1, 6, 3000))
    found = cx.Drivers("y", ["basic", "excitement", "performance", "none"]).fit(frame).penalty_reward(2, 4)
    assert found["kind"].tolist() == ["basic", "excitement", "performance", "no effect"]
    with pytest.raises(DataError, match="No rating of 'basic' is middle"):
        cx.Drivers("y", ["basic"]).fit(frame).penalty_reward(2, 3)


def test_shapley_kano_against_definition():
    rng = np.random.default_rng(4)
    x = rng.integers(1, 6, (400, 4))
    y = np.clip(x[:, 0] + x[:, 1] - 3 + rng.integers(0, 3, 400), 1, 10)
    names = list("abcd")
    found = (
        cx.Drivers("y", names)
        .fit(pd.DataFrame(x, columns=names).assign(y=y))
        .shapley_kano(2, 5, outcome_low=3, outcome_high=7)
    )
    fails, bad = x <= 2, y <= 3

    def success(players):
        hit = fails[:, list(players)].any(axis=1) if players else np.zeros(400, dtype=bool)
        return hit[bad].mean() - hit[~bad].mean()

    value = np.zeros(4)
    for order in itertools.permutations(range(4)):
        for k, i in enumerate(order):
            value[i] += (success(order[: k + 1]) - success(order[:k])) / 24
    side = found[found["side"] == "dissatisfier"].set_index("attribute")
    np.testing.assert_allclose(side.loc[names, "value"], value, atol=1e-12)
    assert side["success"].iloc[-1] == pytest.approx(success(range(4)))
    assert side.loc[side["key"], "success"].iloc[-1] == side["success"].max()


# --- what if --------------------------------------------------------------------------------------------------------


def test_scenario_stops_at_the_end_of_the_scale():
    res = drivers().fit(CX)
    what = res.simulate({"a1": 4}, scale=(1, 5))
    assert what.effects.loc["a1", "realised"] == pytest.approx(5 - CX["a1"].mean())
    down = res.simulate({"a1": -4}, scale=(1, 5))
    assert down.effects.loc["a1", "realised"] == pytest.approx(1 - CX["a1"].mean())
    both = res.simulate({"a1": 0.5, "a2": 0.5}, scale=(1, 5))
    assert both.change == pytest.approx(both.effects["effect"].sum())
    assert both.predicted == pytest.approx(both.baseline + both.change)
    assert "associations" in repr(both)
    guessed = res.simulate({"a1": 0.5})
    assert "extreme answers were taken" in repr(guessed)
    pairwise = drivers(RATINGS).fit(CX, missing="pairwise").simulate({"a1": 0.5}, scale=(1, 5))
    assert np.isnan(pairwise.se)
    assert "standard error is unknown" in repr(pairwise)
    assert guessed.change == pytest.approx(res.simulate({"a1": 0.5}, scale=(1, 5)).change)


def test_scale_of_the_codebook():
    survey = cx.Survey(CX, {"items": {a: {"scale": [1, 7]} for a in FULL}})
    what = drivers().fit(survey).simulate({"a1": 2})
    assert what.effects.loc["a1", "realised"] == pytest.approx(2)
    assert not what.warnings


def test_scenario_in_a_logit_against_prediction():
    import statsmodels.api as sm

    res = drivers(family="promoter").fit(CX)
    what = res.simulate({"a1": 0.5, "a3": 0.5}, scale=(1, 5))
    fit = sm.Logit((CX["nps"] >= 9).astype(int), sm.add_constant(CX[FULL])).fit(disp=0)
    moved = CX[FULL].copy()
    moved[["a1", "a3"]] = (moved[["a1", "a3"]] + 0.5).clip(upper=5)
    gain = fit.predict(sm.add_constant(moved)).mean() - fit.predict().mean()
    assert what.change == pytest.approx(gain, abs=1e-7)
    assert what.baseline == pytest.approx((CX["nps"] >= 9).mean())
    margins = fit.get_margeff()
    elasticity = res.elasticities()
    wanted = margins.margeff * CX[FULL].mean() / what.baseline
    np.testing.assert_allclose(elasticity["elasticity"], wanted, atol=1e-5)
    wanted_se = margins.margeff_se * CX[FULL].mean() / what.baseline
    np.testing.assert_allclose(elasticity["se"], wanted_se, rtol=1e-3)


def test_groups_move_together_and_categories_do_not():
    groups = {"Front": ["a1", "a2"]}
    res = cx.Drivers("nps", ["Front", "a3", "segment"], groups=groups, categorical=["segment"]).fit(CX)
    assert list(res.importance.index) == ["Front", "a3", "segment"]
    what = res.simulate({"Front": 0.5}, scale=(1, 5))
    assert list(what.effects.index) == ["a1", "a2"]
    with pytest.raises(SpecError, match="'segment' is categorical and cannot move"):
        res.simulate({"segment": 1})
    with pytest.raises(SpecError, match="changed twice"):
        res.simulate({"Front": 0.5, "a1": 1})


def test_plan_is_the_best_there_is():
    res = drivers().fit(CX)
    costs = {"a1": 10.0, "a2": 4.0, "a3": 6.0}
    best = res.plan(costs, 12, scale=(1, 5))
    assert best.effects["cost"].sum() == pytest.approx(12)
    rng = np.random.default_rng(0)
    for split in rng.dirichlet(np.ones(3), 60):
        change = {n: min(12 * s / costs[n], 4) for n, s in zip(costs, split, strict=True)}
        other = res.simulate({n: c for n, c in change.items() if c > 0}, scale=(1, 5))
        assert other.change <= best.change + 1e-9
    capped = res.plan(costs, 1000, scale=(1, 5), most={"a1": 1})
    assert capped.effects.loc["a1", "asked"] == pytest.approx(1)


def test_structural_what_if():
    model = """
    Quality =~ PERQ1 + PERQ2 + PERQ3
    Satisfaction =~ CUSA1 + CUSA2 + CUSA3
    Loyalty =~ CUSL1 + CUSL3
    Satisfaction ~ Quality
    Loyalty ~ Satisfaction
    """
    fit = cx.PLS(model).fit(MOBI)
    what = simulate_structure(fit, {"Quality": 10}, "Loyalty", scale=(1, 10), n=200, seed=1)
    effects = fit.unstandardized_effects((1, 10)).set_index(["outcome", "predictor"])["total"]
    assert what.change == pytest.approx(10 * effects["Loyalty", "Quality"])
    item = simulate_structure(fit, {"PERQ1": 1}, "Satisfaction", scale=(1, 10), n=200, seed=1)
    v = fit.weights.set_index("item")["est"] / MOBI[["PERQ1", "PERQ2", "PERQ3"]].std()
    share = (v / v[["PERQ1", "PERQ2", "PERQ3"]].sum())["PERQ1"]
    own = 100 * share * (np.minimum(MOBI["PERQ1"] + 1, 10) - MOBI["PERQ1"]).mean() / 9
    assert item.effects.loc["Quality", "asked"] == pytest.approx(own)
    assert item.change == pytest.approx(own * effects["Satisfaction", "Quality"])
    assert 0 < item.se < item.change
    with pytest.raises(SpecError, match=r"'PERQ9' is not in the model\. Did you mean"):
        simulate_structure(fit, {"PERQ9": 1}, "Loyalty", scale=(1, 10))
