"""What follows from logit and ordered models: tests of segments, asymmetry, plans; imputation of categories."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

import cxmodels as cx
from cxmodels.drivers.segments import _tests as segment_tests

NAMES = ["a", "b", "c"]


def data(n=800, seed=0, turn=0.0):
    """Ratings 1-5, a binary and an ordered outcome; in segment S the slope of a is lower by `turn`."""
    rng = np.random.default_rng(seed)
    x = np.clip(np.round(3.2 + rng.normal(size=(n, 3)) + 0.4 * rng.normal(size=(n, 1))), 1, 5)
    south = rng.random(n) < 0.5
    eta = (0.8 - turn * south) * x[:, 0] + 0.5 * x[:, 1] - 4.2 + 0.3 * south
    y = eta + rng.logistic(size=n)
    frame = pd.DataFrame(x, columns=NAMES)
    return frame.assign(buys=(y > 0) * 1, grade=np.digitize(y, [-2, 0, 2]), region=np.where(south, "S", "N"))


def test_a_replicate_is_a_fit_of_the_resample():
    frame = data(500, 8)
    rows = np.random.default_rng(0).integers(0, 500, (3, 500))
    for family, outcome in (("logit", "buys"), ("ordered", "grade")):
        spec = cx.Drivers(outcome, NAMES, family=family)
        draws = spec.fit(frame).bootstrap(indices=rows).draws()
        for i in range(3):
            again = spec.fit(frame.iloc[rows[i]].reset_index(drop=True)).importance["importance"]
            np.testing.assert_allclose(draws.iloc[i], again, atol=1e-6)


# -- segments --------------------------------------------------------------------------------------------------------


def test_tests_of_segments_are_likelihood_ratios():
    frame = data(turn=0.5)
    seg = cx.Drivers("buys", NAMES, family="logit").fit(frame).segments("region", n=20, seed=1)
    south = (frame["region"] == "S") * 1.0
    crossed = {f"{n}:s": frame[n] * south for n in NAMES}

    def loglik(**more):
        return sm.Logit(frame["buys"], sm.add_constant(frame[NAMES].assign(**more))).fit(disp=0).llf

    main, pooled, apart = loglik(s=south), loglik(), loglik(s=south, **crossed)
    for test, gain, df in ((seg.slopes, apart - main, 3), (seg.chow, apart - pooled, 4)):
        assert (test["F"] * test["df1"], test["df1"]) == (pytest.approx(2 * gain, abs=1e-6), df)
        assert test["pvalue"] == pytest.approx(stats.chi2.sf(2 * gain, df), rel=1e-5)
    one = loglik(s=south, **{"a:s": crossed["a:s"]})
    assert seg.moderation.loc["a", "F"] == pytest.approx(2 * (one - main), abs=1e-6)
    assert "χ²(3)" in repr(seg)
    assert seg._repr_html_().count("<circle") == 6


@pytest.mark.parametrize(("family", "outcome"), [("logit", "buys"), ("ordered", "grade")])
def test_weights_make_it_a_wald_test_near_the_ratio(family, outcome):
    frame = data(2000, 1, turn=0.4)
    plain = cx.Drivers(outcome, NAMES, family=family).fit(frame).segments("region", n=20, seed=1)
    wald = (
        cx.Drivers(outcome, NAMES, family=family).fit(frame, weights=np.ones(2000)).segments("region", n=20, seed=1)
    )
    assert plain.moderation.loc["a", "pvalue"] < 0.01
    np.testing.assert_allclose(wald.moderation["F"], plain.moderation["F"], rtol=0.2, atol=0.3)
    np.testing.assert_allclose(wald.chow["F"], plain.chow["F"], rtol=0.2)


def test_level_of_the_tests():
    """50 samples without any difference: p-values are uniform."""
    found = []
    region = pd.Series(np.resize(["N", "S"], 300))
    for seed in range(50):
        res = cx.Drivers("grade", NAMES, family="ordered", method="first").fit(data(300, seed + 10))
        found.append(segment_tests(res, region, ["N", "S"])[1]["pvalue"])
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_tests_over_imputations_are_pooled():
    frame = data(600, 3, turn=0.6)
    holes = frame.assign(b=frame["b"].where(np.arange(600) % 3 > 0))
    full = cx.Drivers("buys", NAMES).fit(frame).segments("region", n=40, seed=1)
    spec = cx.Drivers("buys", NAMES)
    pooled = spec.fit(holes, missing="multiple", imputations=8).segments("region", n=160, seed=1)
    assert pooled.slopes["df2"] < full.slopes["df2"]
    assert 0 < pooled.slopes["F"] < 1.5 * full.slopes["F"]
    assert pooled.moderation.loc["a", "pvalue"] < 0.05


# -- asymmetry, plans ------------------------------------------------------------------------------------------------


def test_penalty_and_reward_in_log_odds():
    frame = data(1500, 2)
    found = cx.Drivers("buys", NAMES, family="logit").fit(frame).penalty_reward(2, 4)
    dummies = pd.DataFrame({f"{n} {k}": (frame[n] <= 2 if k == "low" else frame[n] >= 4) * 1.0 for n in NAMES for k in ("low", "high")})  # fmt: skip
    wanted = sm.Logit(frame["buys"], sm.add_constant(dummies)).fit(disp=0)
    np.testing.assert_allclose(found["penalty"], wanted.params[1::2], atol=1e-5)
    np.testing.assert_allclose(found["reward_se"], wanted.bse[2::2], rtol=1e-4)
    ordered = cx.Drivers("grade", NAMES, family="ordered").fit(frame).penalty_reward(2, 4)
    assert (ordered["penalty"][:2] < 0).all()
    assert (ordered["reward"][:2] > 0).all()
    assert ordered.loc["c", "kind"] == "no effect"


def test_a_category_gone_with_rows_left_out():
    """The highest grade is given only by those who did not rate b."""
    frame = data(900, 9)
    holes = frame.assign(b=frame["b"].where(frame["grade"] < 3))
    kept = frame[frame["grade"] < 3]
    got, wanted = (
        cx.Drivers("grade", NAMES, family="ordered").fit(f, missing=how).penalty_reward(2, 4)
        for f, how in ((holes, "mean"), (kept, "listwise"))
    )
    np.testing.assert_allclose(got["penalty"], wanted["penalty"], atol=1e-8)


@pytest.mark.parametrize(("family", "outcome"), [("logit", "buys"), ("ordered", "grade")])
def test_no_other_plan_is_better(family, outcome):
    res = cx.Drivers(outcome, NAMES, family=family).fit(data(400, 4))
    costs = {"a": 10.0, "b": 4.0, "c": 6.0}
    best = res.plan(costs, 15, scale=(1, 5))
    assert best.effects["cost"].sum() <= 15 + 1e-9
    assert best.effects["cost_per_point"].notna().all()
    rng = np.random.default_rng(0)
    for split in rng.dirichlet(np.ones(3), 60):
        change = {n: min(15 * s / costs[n], 4) for n, s in zip(costs, split, strict=True)}
        other = res.simulate({n: c for n, c in change.items() if c > 1e-6}, scale=(1, 5))
        assert other.change <= best.change + 1e-3 * best.change
    held = res.plan(costs, 1000, scale=(1, 5), most={"a": 1, "b": 0.5})
    assert held.effects.loc["a", "asked"] == pytest.approx(1)
    assert held.effects.loc["b", "asked"] == pytest.approx(0.5)


def test_map_keeps_what_is_not_rated():
    frame = data(300, 5)
    chart = cx.Drivers("buys", [*NAMES, "region"], categorical=["region"]).fit(frame).map()
    assert chart.loc["region", "quadrant"] == "Not rated"
    alone = cx.Drivers("buys", NAMES, controls=["region"], categorical=["region"]).fit(frame).map()
    assert (chart.loc[NAMES, "quadrant"] != "Not rated").all()
    assert len(alone) == 3


def test_deliverable_with_a_competitor():
    frame = data(300, 7)
    res = cx.Drivers("buys", NAMES, family="logit").fit(frame)
    theirs = frame.assign(b=np.minimum(frame["b"] + 1, 5))
    report = res.deliverable(20, seed=1, scale=(1, 5), theirs=theirs)
    assert "a pseudo-R² (McFadden) of 0." in report.paragraph
    assert "Surely rated below the competitor: b." in report.paragraph
    page = cx.report.drivers_html(report)
    assert page.count("Against the competitor") >= 2
    assert "profile-chart" in page
    single = cx.Drivers("buys", ["a"]).fit(frame).deliverable(20, seed=1, scale=(1, 5))
    assert single.paragraph.startswith("a accounts for ")


# -- categories with blanks ------------------------------------------------------------------------------------------


def test_multiple_imputation_of_categories():
    """Shops that are missing more often where the outcome is low: imputation finds their part again, listwise does not."""
    rng = np.random.default_rng(6)
    n = 3000
    shop = rng.choice(["east", "north", "west"], n, p=[0.5, 0.3, 0.2])
    a = rng.normal(size=n) + 0.5 * (shop == "west")
    y = a + 1.5 * (shop == "north") + rng.normal(size=n)
    full = pd.DataFrame({"a": a, "shop": shop, "y": y})
    lost = rng.random(n) < 1 / (1 + np.exp(2 * y - 1))
    holes = full.assign(shop=full["shop"].where(~lost))
    spec = cx.Drivers("y", ["a", "shop"], categorical=["shop"])
    wanted = spec.fit(full).importance["importance"]
    imputed = spec.fit(holes, missing="multiple", imputations=10)
    listwise = spec.fit(holes).importance["importance"]
    got = imputed.importance["importance"]
    assert imputed.n_obs == n
    assert abs(got - wanted).max() < 0.5 * abs(listwise - wanted).max()
    for table in imputed.tables_used:
        dummies = table.x[:, 1:]
        assert set(np.unique(dummies)) == {0.0, 1.0}
        assert (dummies.sum(axis=1) <= 1).all()
    assert imputed.coefficients.loc["shop=north", "se"] > spec.fit(full).coefficients.loc["shop=north", "se"]
