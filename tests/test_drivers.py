"""Driver analysis: what theory promises, inference, missing answers, segments."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.drivers import kernel, stack
from cxmodels.drivers.likelihood import Ordinal
from cxmodels.errors import (
    DataError,
    DataWarning,
    EstimationError,
    SpecError,
    SpecWarning,
)
from tests.driver_surveys import CX, FULL, RATINGS, drivers, simulated


def correlations(p, seed=0, n=200):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) + rng.normal(size=(n, 1))
    return np.corrcoef(np.column_stack([x, x @ rng.normal(size=p) + 3 * rng.normal(size=n)]).T)[None]


def brute_force(cor, widths):
    """Shapley values from the definition, with one least-squares solution for each set."""
    ends = np.cumsum([0, *widths])
    p = len(widths)

    def r2(players):
        at = [c for i in sorted(players) for c in range(ends[i], ends[i + 1])]
        if not at:
            return 0.0
        return float(cor[at, -1] @ np.linalg.lstsq(cor[np.ix_(at, at)], cor[at, -1], rcond=1e-8)[0])

    out = np.zeros((p, p))
    for i in range(p):
        others = [j for j in range(p) if j != i]
        for k in range(p):
            sets = list(itertools.combinations(others, k))
            out[i, k] = np.mean([r2({*s, i}) - r2(s) for s in sets])
    return out


# --- the kernel -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [[1], [1] * 6, [2, 1, 3], [1, 4, 1, 2]])
def test_sweep_against_definition(widths):
    cor = correlations(sum(widths))
    np.testing.assert_allclose(kernel.shapley(cor, widths)[0], brute_force(cor[0], widths), atol=1e-12)
    table = kernel.table(cor, widths)
    np.testing.assert_allclose(kernel.table_shapley(table), kernel.shapley(cor, widths), atol=1e-12)


def test_sweep_over_several_blocks_and_matrices():
    """Eleven players span blocks of eight; three matrices at once."""
    cor = np.concatenate([correlations(11, seed) for seed in range(3)])
    together = kernel.shapley(cor, [1] * 11)
    for i in range(3):
        alone = kernel.table_shapley(kernel.table(cor[i : i + 1], [1] * 11))
        np.testing.assert_allclose(together[i], alone[0], atol=1e-12)


def test_blocks_wider_than_one_beyond_the_inner_players():
    cor = correlations(13)
    widths = [2, 1, 1, 1, 3, 1, 1, 1, 1, 1]
    np.testing.assert_allclose(
        kernel.shapley(cor, widths), kernel.table_shapley(kernel.table(cor, widths)), atol=1e-12
    )


def test_pmvd_against_all_orders():
    cor = correlations(5, seed=3)
    worth = kernel.table(cor, [1] * 5)
    total, value = 0.0, np.zeros(5)
    for order in itertools.permutations(range(5)):
        reached = [sum(1 << i for i in order[:k]) for k in range(6)]
        weight = math.prod(1 / (worth[0, 31] - worth[0, s]) for s in reached[1:5])
        total += weight
        for k, i in enumerate(order):
            value[i] += weight * (worth[0, reached[k + 1]] - worth[0, reached[k]])
    np.testing.assert_allclose(kernel.pmvd(worth)[0], value / total, atol=1e-12)


def test_sampled_orders_come_within_their_error():
    cor = correlations(9, seed=5)
    exact = kernel.shapley(cor, [1] * 9)[0].mean(axis=1)
    order = kernel.antithetic(9, 400, 1)
    value, error, steps = kernel.sampled(kernel.orderings(cor, [1] * 9, order), order)
    assert (np.abs(value[0] - exact) < 4 * error[0]).all()
    assert 0 < error.max() < 0.01
    assert value.sum() == pytest.approx(exact.sum(), abs=1e-12)
    np.testing.assert_allclose(steps[0, :, 0], cor[0, :-1, -1] ** 2, atol=1e-12)


def test_twins_share_alike_and_add_nothing():
    data = CX.assign(twin=CX["a1"])
    with pytest.warns(DataWarning, match="'a1', 'twin' determine one another exactly"):
        res = drivers([*FULL, "twin"]).fit(data)
    value = res.importance["importance"]
    assert value["a1"] == pytest.approx(value["twin"], abs=1e-12)
    assert res.r_squared == pytest.approx(drivers().fit(CX).r_squared, abs=1e-10)
    assert value.sum() == pytest.approx(res.r_squared, abs=1e-10)
    assert np.isnan(res.importance.loc["twin", "coef"])
    assert np.isinf(res.importance.loc["twin", "vif"])
    assert np.isfinite(res.importance.loc["a2", ["coef", "vif"]].astype(float)).all()


def test_rescaling_and_reordering_change_nothing():
    res = drivers().fit(CX).importance["importance"]
    moved = CX.assign(a1=CX["a1"] * 1e6 - 5, a3=-CX["a3"], nps=CX["nps"] / 7)
    np.testing.assert_allclose(drivers().fit(moved).importance["importance"], res, atol=1e-12)
    again = drivers(FULL[::-1]).fit(CX.sample(frac=1, random_state=1)).importance["importance"]
    np.testing.assert_allclose(again[FULL], res, atol=1e-12)


@pytest.mark.parametrize("family", ["gaussian", "promoter", "ordered"])
def test_weights_are_repetitions(family):
    w = np.resize([1, 2, 3], len(CX))
    few = FULL[:3]
    weighted = drivers(few, family=family).fit(CX, weights=w)
    repeated = drivers(few, family=family).fit(CX.loc[CX.index.repeat(w)].reset_index(drop=True))
    np.testing.assert_allclose(weighted.importance["importance"], repeated.importance["importance"], atol=1e-8)
    scaled = drivers(few, family=family).fit(CX, weights=w * 17.5)
    np.testing.assert_allclose(weighted.importance["importance"], scaled.importance["importance"], atol=1e-12)
    np.testing.assert_allclose(weighted.coefficients["se"], scaled.coefficients["se"], rtol=1e-9)


def test_above_the_limit_orders_are_sampled_and_said_so():
    with pytest.warns(SpecWarning, match=r"4000 orders were sampled, with a Monte Carlo error"):
        res = drivers(exact=4).fit(CX)
    exact = drivers().fit(CX).importance["importance"]
    frame = res.importance
    assert (np.abs(frame["importance"] - exact) < 4 * frame["mc_error"]).all()
    assert "4000 sampled orders, Monte Carlo error" in repr(res)
    assert frame["importance"].sum() == pytest.approx(res.r_squared, abs=1e-12)


def test_many_attributes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 40)) + rng.normal(size=(400, 1))
    frame = pd.DataFrame(x).add_prefix("q").assign(y=x[:, :4].sum(axis=1) + rng.normal(size=400))
    with pytest.warns(SpecWarning, match="40 attributes have"):
        res = cx.Drivers("y", [f"q{i}" for i in range(40)], pairs=200).fit(frame)
    assert set(res.importance.nsmallest(4, "rank").index) == {"q0", "q1", "q2", "q3"}
    assert res.importance["importance"].sum() == pytest.approx(res.r_squared, abs=1e-10)
    johnson = cx.Drivers("y", [f"q{i}" for i in range(40)], "johnson").fit(frame)
    np.testing.assert_allclose(johnson.importance["importance"], res.importance["importance"], atol=0.03)


# --- logit and ordered models ------------------------------------------------------------------------------------


def test_derivatives_of_the_likelihood():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(60, 3)), np.resize(np.arange(4), 60)
    model = Ordinal(x, y)
    theta = np.array([[-1.0, 0.2, 1.1, 0.3, -0.5, 0.2]])
    w = np.ones((60, 1))
    gradient, curvature = model._derivatives(w, theta)
    for i in range(6):
        step = np.eye(6)[i] * 1e-5
        up, down = theta + step, theta - step
        slope = (model._loglik(w, up) - model._loglik(w, down)) / 2e-5
        assert slope[0] == pytest.approx(gradient[0, i], abs=1e-6)
        bend = (model._derivatives(w, up)[0] - model._derivatives(w, down)[0]) / 2e-5
        np.testing.assert_allclose(bend[0], -curvature[0, i], atol=1e-6)


def test_logit_and_ordered_against_statsmodels():
    import statsmodels.api as sm
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    res = drivers(family="promoter").fit(CX)
    reference = sm.Logit((CX["nps"] >= 9).astype(int), sm.add_constant(CX[FULL])).fit(disp=0)
    np.testing.assert_allclose(res.coefficients["est"], reference.params, atol=1e-6)
    np.testing.assert_allclose(res.coefficients["se"], reference.bse, rtol=1e-5)
    assert res.r_squared == pytest.approx(reference.prsquared, abs=1e-8)
    cut = CX.assign(grade=pd.cut(CX["nps"], [-1, 4, 6, 8, 10], labels=["poor", "fair", "good", "great"]))
    res = drivers(outcome="grade", family="ordered").fit(cut)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = OrderedModel(cut["grade"], CX[FULL], distr="logit").fit(method="bfgs", disp=0, gtol=1e-8)
    np.testing.assert_allclose(res.coefficients["est"].iloc[3:], reference.params[:5], atol=1e-4)
    np.testing.assert_allclose(res.coefficients["se"].iloc[3:], reference.bse[:5], rtol=1e-3)
    assert "poor < fair < good < great" in repr(res)


def test_robust_standard_errors_against_statsmodels():
    import statsmodels.api as sm

    ids = CX["stratum"] * 100 + CX["psu"]
    res = drivers().fit(CX, clusters=ids)
    reference = sm.OLS(CX["nps"], sm.add_constant(CX[FULL])).fit(
        cov_type="cluster", cov_kwds={"groups": ids, "use_correction": False}
    )
    g = ids.nunique()
    np.testing.assert_allclose(res.coefficients["se"], reference.bse * np.sqrt(g / (g - 1)), rtol=1e-8)


def test_perfect_separation_has_r_squared_one():
    frame = pd.DataFrame({"x": [*range(10), *range(10, 20)], "y": [0] * 10 + [1] * 10, "z": np.resize([1, 2, 3], 20)})
    with pytest.warns(DataWarning, match="tell 'y' without an error"):
        res = cx.Drivers("y", ["x", "z"], family="logit").fit(frame)
    assert res.r_squared == pytest.approx(1, abs=1e-4)


def test_nps_as_points_and_as_its_two_ends():
    points = drivers(family="nps").fit(CX)
    values = 100 * ((CX["nps"] >= 9) * 1.0 - (CX["nps"] <= 6))
    plain = drivers(outcome="points").fit(CX.assign(points=values))
    np.testing.assert_allclose(points.importance["importance"], plain.importance["importance"], atol=1e-12)
    assert points.baseline == pytest.approx(values.mean())
    both = points.nps_logits()
    assert (both["promoter_coef"] > 0).all()
    assert both.loc["a1", "detractor_coef"] < 0
    assert both["promoter_share"].sum() == pytest.approx(1)


# --- inference ------------------------------------------------------------------------------------------------------


def test_bootstrap_adds_columns_and_is_repeatable():
    res = drivers().fit(CX)
    boot = res.bootstrap(n=200, seed=1)
    for column in ("importance", "share", "se", "ci_lower", "ci_upper", "rank_lower", "rank_upper"):
        assert column in boot.importance
    pd.testing.assert_frame_equal(boot.importance, res.bootstrap(n=200, seed=1, n_jobs=2).importance)
    assert not boot.importance["se"].equals(res.bootstrap(n=200, seed=2).importance["se"])
    frame = boot.importance
    assert (frame["ci_lower"] < frame["importance"]).all()
    assert (frame["importance"] < frame["ci_upper"]).all()
    assert ((frame["rank_lower"] <= frame["rank"]) & (frame["rank"] <= frame["rank_upper"])).all()
    pairs = boot.differences
    assert len(pairs) == 10
    assert (pairs["est"] >= 0).all()
    assert (pairs["pvalue_adjusted"] >= pairs["pvalue"]).all()
    a, b = pairs.loc[0, ["first", "second"]]
    assert pairs.loc[0, "est"] == pytest.approx(frame.loc[a, "importance"] - frame.loc[b, "importance"])


def test_bootstrap_replicate_is_a_fit_of_the_resample():
    rows = np.random.default_rng(3).integers(0, len(CX), (2, len(CX)))
    for spec in ({}, {"method": "johnson"}, {"family": "promoter"}):
        res = drivers(FULL[:3], **spec).fit(CX, weights="weight")
        draws = res.bootstrap(indices=rows).draws()
        again = drivers(FULL[:3], **spec).fit(CX.iloc[rows[1]].reset_index(drop=True), weights="weight")
        close = 1e-6 if "family" in spec else 1e-8  # replicates of a logit stop short of the last digits
        np.testing.assert_allclose(draws.iloc[1], again.importance["importance"], atol=close)


def test_bootstrap_with_many_players_is_set_right_by_the_exact_values(monkeypatch):
    from cxmodels.drivers.split import LinearSplit

    res = drivers().fit(CX)
    exact = res.bootstrap(300, seed=1)
    monkeypatch.setattr(LinearSplit, "resample_models", 8)
    rough = res.bootstrap(300, seed=1)
    assert "in each, 400 sampled orders" in repr(rough)
    assert "sampled orders" not in repr(exact)
    np.testing.assert_allclose(rough.replicates[0].estimate[:5], res.importance["importance"], atol=1e-12)
    np.testing.assert_allclose(rough.importance["se"], exact.importance["se"], rtol=0.15)


def test_strata_and_clusters():
    ids = CX["stratum"] * 100 + CX["psu"]
    res = drivers().fit(CX, strata="stratum", clusters=ids)
    assert "stratified; clustered" in repr(res)
    plain = drivers().fit(CX).bootstrap(300, seed=1).importance["se"]
    assert not np.allclose(res.bootstrap(300, seed=1).importance["se"], plain, rtol=0.02)
    with pytest.raises(DataError, match="clusters must be nested in strata"):
        drivers().fit(CX, strata="stratum", clusters="psu")


def test_intervals_cover_the_truth():
    """80 samples of 300; 95 % nominal. A run of 300 (percentile) gave 93-95 %, so the bound leaves room for chance."""
    slopes = np.array([0.5, 0.3, 0.15, 0.05])
    inner = np.full((4, 4), 0.5) + 0.5 * np.eye(4)
    cov = np.block([[inner, (inner @ slopes)[:, None]], [(inner @ slopes)[None], slopes @ inner @ slopes + 0.6]])
    sd = np.sqrt(np.diag(cov))
    truth = kernel.shapley((cov / np.outer(sd, sd))[None], [1] * 4)[0].mean(axis=1)
    hits = 0
    for seed in range(80):
        frame = drivers(list("abcd"), "y").fit(simulated(300, seed)).bootstrap(200, seed=seed).importance
        hits += int(((frame["ci_lower"] <= truth) & (truth <= frame["ci_upper"])).sum())
    assert 0.91 <= hits / 320 <= 0.98


def test_random_attribute_test_keeps_its_level_and_finds_what_is_there():
    false, found = 0, 0
    for seed in range(24):
        frame = simulated(150, seed, slopes=(0.8, 0.0, 0.0), rho=0.0)
        test = drivers(list("abc"), "y").fit(frame).random_test(n=38, seed=seed, draws=19)
        false += int((test["pvalue"].iloc[1:] <= 0.05).sum())
        found += int(test["significant"].iloc[0])
        assert not test["significant"].iloc[1:].all()
    assert found == 24
    assert false <= 8  # of 48 at the 5 % level; 8 or more have a chance of 0.4 %


def test_suppressor_is_flagged():
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    z = 0.8 * x + 0.6 * rng.normal(size=500)
    frame = pd.DataFrame({"x": x, "z": z, "y": 2 * x - z + rng.normal(size=500)})
    res = cx.Drivers("y", ["x", "z"]).fit(frame)
    assert res.importance["suppressor"].tolist() == [False, True]
    assert res.importance.loc["z", "correlation"] > 0 > res.importance.loc["z", "coef"]


def test_halo_is_said():
    rng = np.random.default_rng(0)
    mood = rng.normal(size=(300, 1))
    x = mood + 0.3 * rng.normal(size=(300, 5))
    frame = pd.DataFrame(x, columns=list("abcde")).assign(y=mood[:, 0] + rng.normal(size=300))
    with pytest.warns(DataWarning, match="Halo: the attributes correlate at 0.9"):
        res = cx.Drivers("y", list("abcde")).fit(frame)
    assert "Halo" in repr(res)


# --- dominance ------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::cxmodels.errors.SpecWarning")  # of the orders sampled
def test_dominance_of_few_sampled_orders_is_near_that_of_many():
    """Some sizes are then in no order at all."""
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(300, 26))).add_prefix("a").assign(y=lambda d: d.sum(axis=1))
    few, many = (cx.Drivers("y", list(x.columns[:-1]), pairs=k).fit(x).dominance for k in (6, 500))
    assert few.conditional.isna().any().any()
    np.testing.assert_allclose(few.general, many.general, atol=0.02)


def test_dominance_frames():
    dom = drivers().fit(CX).dominance
    assert dom["conditional"].shape == (5, 5)
    np.testing.assert_allclose(dom.general, dom.conditional.mean(axis=1))
    assert len(dom.levels) == 10
    top = dom.levels[dom.levels["level"] == "complete"]
    assert all(dom.complete.loc[a, b] == 1 for a, b in zip(top["first"], top["second"], strict=True))
    johnson = drivers(method="johnson").fit(CX).dominance
    np.testing.assert_allclose(johnson.general, dom.general, atol=1e-12)


# --- missing answers ----------------------------------------------------------------------------------------------


def test_compare_missing():
    res = drivers(RATINGS).fit(CX)
    frame = res.compare_missing()
    assert frame.index.tolist() == ["listwise", "pairwise", "mean", "indicator", "multiple"]
    assert frame["n_obs"].tolist() == [399, 600, 600, 600, 600]
    np.testing.assert_allclose(frame.loc["listwise", RATINGS].astype(float), res.importance["importance"])
    with pytest.raises(SpecError, match=r"Unknown missing='means'.*Did you mean 'mean'"):
        res.compare_missing(["means"])


def test_pairwise_that_no_data_could_have_is_refused():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 60))
    frame = pd.DataFrame({"x": np.nan, "z": np.nan, "u": np.nan}, index=range(90))
    frame.loc[:29, ["x", "z"]] = np.column_stack([a[:30], a[:30]])
    frame.loc[30:59, ["z", "u"]] = np.column_stack([b[30:60], b[30:60]])
    frame.loc[60:, ["x", "u"]] = np.column_stack([a[:30], -a[:30]])
    frame["y"] = rng.normal(size=90)
    with pytest.raises(
        EstimationError, match=r"pairwise correlations contradict one another \(smallest eigenvalue -"
    ):
        cx.Drivers("y", ["x", "z", "u"]).fit(frame, missing="pairwise")


def test_multiple_imputation_recovers_what_was_lost():
    """Answers lost at random given another attribute: imputation beats listwise deletion, and Rubin's error is larger."""
    full = simulated(2000, 1)
    holes = full.copy()
    rng = np.random.default_rng(1)
    holes.loc[rng.random(2000) < 1 / (1 + np.exp(-2 * holes["a"])), "b"] = np.nan
    wanted = drivers(list("abcd"), "y").fit(full).importance["importance"]
    imputed = drivers(list("abcd"), "y").fit(holes, missing="multiple", imputations=10)
    listwise = drivers(list("abcd"), "y").fit(holes)
    assert (
        abs(imputed.importance["importance"] - wanted).max() < abs(listwise.importance["importance"] - wanted).max()
    )
    assert imputed.n_obs == 2000
    complete = drivers(list("abcd"), "y").fit(full)
    boot, less = imputed.bootstrap(400, seed=1), complete.bootstrap(400, seed=1)
    assert boot.importance.loc["b", "se"] > less.importance.loc["b", "se"]
    assert "Rubin" in repr(boot)
    assert imputed.coefficients.loc["b", "se"] > complete.coefficients.loc["b", "se"]


def test_excluded_rows_are_counted():
    data = CX.assign(w=np.where(np.arange(600) < 5, 0, 1), nps=CX["nps"].where(np.arange(600) != 7))
    res = drivers(RATINGS).fit(data, weights="w")
    counts = dict(zip(res.excluded["reason"], res.excluded["rows"], strict=True))
    assert counts["weight of zero"] == 5
    assert counts["no answer to the outcome"] == 1
    assert res.n_obs + sum(counts.values()) == 600
    assert f"{res.n_obs} used, {600 - res.n_obs} excluded" in repr(res)


# --- segments, stacking -----------------------------------------------------------------------------------------


def test_segments_find_a_difference_that_is_there():
    one, two = simulated(400, 1), simulated(400, 2, slopes=(0.05, 0.15, 0.3, 0.5))
    frame = pd.concat([one.assign(wave=2023), two.assign(wave=2024)], ignore_index=True)
    seg = drivers(list("abcd"), "y").fit(frame).segments("wave", n=200, seed=1, of="share")
    pairs = seg.differences.set_index("attribute")
    assert pairs.loc["a", "est"] > 0 > pairs.loc["d", "est"]
    assert pairs.loc["a", "pvalue_adjusted"] < 0.01
    assert seg.chow["pvalue"] < 1e-6
    assert seg.slopes["pvalue"] < 1e-6
    assert seg.moderation.loc["d", "pvalue"] < 0.05
    assert set(seg.importance["segment"]) == {2023, 2024}
    weighted = drivers(list("abcd"), "y").fit(frame, weights=np.ones(800)).segments("wave", n=20, seed=1)
    assert weighted.moderation.loc["a", "F"] == pytest.approx(seg.moderation.loc["a", "F"], rel=0.2)
    with pytest.raises(DataError, match="'segment'"):
        drivers().fit(CX[CX["segment"] == "A"]).segments("segment")


def test_stacked_brands():
    wide = pd.DataFrame(
        {f"{c}_{b}": np.arange(4.0) + k for k, (c, b) in enumerate(itertools.product(["csat", "speed"], "AB"))}
    )
    wide.loc[3, ["csat_B", "speed_B"]] = np.nan
    wide["w"] = [1, 2, 3, 4]
    long = stack(wide, ["A", "B"], ["csat", "speed"], keep=["w"], center=True)
    assert len(long) == 7
    assert long.groupby("brand")[["csat", "speed"]].mean().abs().to_numpy().max() < 1e-12
    assert long.loc[long["respondent"] == 3, "brand"].tolist() == ["A"]
    with pytest.raises(DataError, match=r"Column 'csat_C', 'speed_C' is not in the data\. Did you mean 'csat_"):
        stack(wide, ["A", "C"], ["csat", "speed"])
