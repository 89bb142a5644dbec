"""Measures of a churn score against scikit-learn 1.9.1, empulse 0.13.1 and hand computation (reference/churn)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxmodels.churn import curves, evaluation, fairness, profit
from cxmodels.churn.profit import Campaign
from cxmodels.churn.ranking import Ranking, auc, lift
from cxmodels.errors import DataError, SpecError

REFERENCE = Path(__file__).parent / "reference" / "churn"
CASES = ("small", "scores_2000", "scores_2000_ties")


@cache
def reference(name="metrics"):
    return json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))


@cache
def scores():
    return pd.read_csv(REFERENCE / "data" / "scores_2000.csv")


def case(name):
    wanted = reference()[name]
    if name == "small":
        return np.array(wanted["y"]), np.array(wanted["score"]), wanted
    return scores().y.to_numpy(), scores()["score_ties" if name.endswith("ties") else "score"].to_numpy(), wanted


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(3)
    truth = rng.beta(1.2, 4, 1500)
    return (rng.random(1500) < truth).astype(int), truth


@pytest.mark.parametrize("name", CASES)
def test_ranking_and_calibration_equal_the_reference(name):
    y, p, wanted = case(name)
    found = evaluation.evaluate(y, p)
    pairs = {"auc": "auc", "gini": "gini", "pr_auc": "pr_auc_ap", "ks": "ks", "brier": "brier", "log_loss": "logloss"}
    for ours, theirs in pairs.items():
        assert found[ours] == pytest.approx(wanted[theirs], abs=1e-10)
    assert found.calibration_slope == pytest.approx(wanted["calibration"]["slope"], abs=1e-9)
    assert found.calibration_intercept == pytest.approx(wanted["calibration"]["intercept"], abs=1e-9)
    if not name.endswith("ties"):  # there the reference's own iteration ran away (-1e15)
        assert found.calibration_in_the_large == pytest.approx(
            wanted["calibration"]["intercept_in_the_large"], abs=1e-9
        )
    assert curves.calibration_error(y, p) == pytest.approx(wanted["ece_10_equal_width"], abs=1e-12)
    assert curves.brier_parts(y, p).skill == pytest.approx(wanted["brier_skill"], abs=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_lift_equals_the_reference(name):
    y, p, wanted = case(name)
    for top, value in wanted["lift"].items():
        assert lift(y, p, float(top)) == pytest.approx(value, abs=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_profit_equals_empulse(name):
    y, p, wanted = case(name)
    money = ("clv", "incentive_cost", "contact_cost")
    for line in wanted["empc"]:
        given = {k: line[k] for k in (*money, "alpha", "beta")}
        assert profit.empc(y, p, **given) == pytest.approx(line["empc"], abs=1e-8)
        assert profit.campaign_value(y, p, Campaign(**given)).empc_share == pytest.approx(
            line["target_fraction"], abs=1e-8
        )
    for line in wanted["mpc"]:
        given = {k: line[k] for k in (*money, "accept_rate")}
        assert profit.mpc(y, p, **given) == pytest.approx(line["mpc"], abs=1e-8)
        assert profit.campaign_value(y, p, Campaign(**given)).mpc_share == pytest.approx(
            line["target_fraction"], abs=1e-8
        )


def test_deciles_capacities_and_individual_profit_equal_the_reference():
    y, p, _ = case("scores_2000")
    everything = reference()
    table, told = curves.deciles(y, p), pd.DataFrame(everything["decile_table"])
    np.testing.assert_allclose(table[list(told.columns)].to_numpy(float), told.to_numpy(float), atol=1e-7)
    curve = profit.profit_curve(y, p, points=2000)
    for line in everything["capacity"]:
        at = curve.loc[line["capacity"]]
        assert at.threshold == pytest.approx(line["threshold"])
        assert at.captured == pytest.approx(line["recall"], abs=1e-10)
        assert at.precision == pytest.approx(line["precision"], abs=1e-10)
        assert at.profit == pytest.approx(line["profit_gamma03_default"], abs=1e-8)
    each = Campaign().profit(p, scores().clv.to_numpy())
    told = everything["individual_profit"]
    assert (each > 0).sum() == told["n_target"]
    assert each[each > 0].sum() == pytest.approx(told["sum_expected"], abs=1e-6)
    best = np.argsort(-each, kind="stable")[:5]
    assert best.tolist() == told["top5_rows_0based"]
    np.testing.assert_allclose(each[best], told["top5_profit"], atol=1e-8)


def test_platt_map_equals_the_reference():
    d, told = scores().iloc[:1000], reference("calibration")["platt"]
    intercept, slope = curves.recalibration(d.y, d.score)
    assert slope == pytest.approx(told["slope"], abs=1e-9)
    assert intercept == pytest.approx(told["intercept"], abs=1e-9)


def test_empc_is_the_integral_of_the_best_profit_over_gamma(drawn):
    y, p = drawn
    from scipy.stats import beta as beta_law

    c, edges = Campaign(alpha=3, beta=5, clv=90, incentive_cost=20, contact_cost=2), np.linspace(0, 1, 4001)
    order = np.argsort(-p)
    churn, stay = np.append(0, np.cumsum(y[order])), np.append(0, np.cumsum(1 - y[order]))
    middle = (edges[1:] + edges[:-1]) / 2
    best = ((middle[:, None] * (c.clv - c.incentive_cost) - c.contact_cost) * churn
            - (c.incentive_cost + c.contact_cost) * stay).max(axis=1) / len(y)  # fmt: skip
    brute = best @ np.diff(beta_law.cdf(edges, 3, 5))
    found = profit.empc(y, p, alpha=3, beta=5, clv=90, incentive_cost=20, contact_cost=2)
    assert found == pytest.approx(brute, rel=1e-5)


def test_weights_equal_repeated_customers(drawn):
    y, p = (v[:300] for v in drawn)
    times = np.random.default_rng(1).integers(0, 4, 300)
    weighted = evaluation.evaluate(y, p, weights=times.astype(float))
    repeated = evaluation.evaluate(np.repeat(y, times), np.repeat(p, times))
    same = [k for k in weighted.index if k not in ("n", "churners", "lift_10")]
    np.testing.assert_allclose(weighted[same].astype(float), repeated[same].astype(float), rtol=1e-9)


def test_bootstrap_lines_are_the_measures_of_the_resampled_customers(drawn):
    y, p = (v[:400] for v in drawn)
    counts = np.random.default_rng(2).multinomial(400, np.full(400, 1 / 400), size=3).astype(float)
    judge = evaluation._judge(y, p, 0.1, None, None)
    values, _ = judge(counts)
    for g, line in zip(counts.astype(int), values, strict=True):
        again = evaluation.evaluate(np.repeat(y, g), np.repeat(p, g)).drop(["n", "churners", "churn_rate"])
        np.testing.assert_allclose(line, again.astype(float), rtol=1e-8, atol=1e-10)


def test_measures_do_not_depend_on_the_order_of_customers_or_on_a_rising_map(drawn):
    y, p = drawn
    turn = np.random.default_rng(4).permutation(len(y))
    first, second = evaluation.evaluate(y, p), evaluation.evaluate(y[turn], p[turn])
    np.testing.assert_allclose(first, second, rtol=1e-9)
    for name in ("auc", "ks", "pr_auc", "empc", "lift_10"):
        assert evaluation.evaluate(y, p**3)[name] == pytest.approx(first[name], rel=1e-12)


def test_delong_standard_error_is_that_of_all_pairs(drawn):
    y, p = (np.round(v[:200], 2) for v in drawn)
    up, down = p[y == 1], p[y == 0]
    wins = (up[:, None] > down) + 0.5 * (up[:, None] == down)
    brute = np.sqrt(wins.mean(1).var(ddof=1) / len(up) + wins.mean(0).var(ddof=1) / len(down))
    assert evaluation.auc_se(y, p) == pytest.approx(brute, rel=1e-12)


def test_intervals_agree_with_delong_and_are_reproducible(drawn):
    y, p = drawn
    table = evaluation.evaluate_intervals(y, p, n=400, seed=7)
    assert table.se["auc"] == pytest.approx(evaluation.auc_se(y, p), rel=0.12)
    assert table.ci_lower["calibration_slope"] < 1 < table.ci_upper["calibration_slope"]
    pd.testing.assert_frame_equal(table, evaluation.evaluate_intervals(y, p, n=400, seed=7))


def test_paired_comparison_is_sharper_than_two_intervals(drawn):
    y, p = drawn
    noisy = np.clip(p + np.random.default_rng(5).normal(0, 0.08, len(p)), 0.001, 0.999)
    both = evaluation.compare_scores(y, {"true": p, "noisy": noisy}, n=300, seed=1).set_index("measure")
    alone = evaluation.evaluate_intervals(y, noisy, n=300, seed=1)
    assert both.loc["auc", "diff"] == pytest.approx(auc(y, noisy) - auc(y, p))
    assert both.loc["auc", "diff"] < 0 < both.loc["log_loss", "diff"]
    assert both.loc["auc", "se"] < 0.7 * alone.se["auc"]


def test_groups_with_a_wrong_score_are_found(drawn):
    y, p = drawn
    kind = np.where(np.arange(len(y)) % 3 == 0, "new", "old")
    shifted = np.where(kind == "new", np.clip(p + 0.15, 0, 1), p)
    table = fairness.by_group(y, shifted, kind, n=300, seed=2).set_index("group")
    assert table.gap_lower["new"] > 0.08
    assert table.gap_lower["old"] < 0.01
    assert table.selected_lower["new"] > 0
    assert table.n.sum() == len(y)


def test_backtest_scores_each_window_with_a_model_of_its_past():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(6)
    x = pd.DataFrame({"a": rng.normal(size=900)})
    y = (rng.random(900) < 1 / (1 + np.exp(1 - x.a))).astype(int)
    windows = [(np.arange(300), np.arange(300, 600)), (np.arange(600), np.arange(600, 900))]
    table = evaluation.backtest(LogisticRegression(), x, y, windows)
    assert table.trained.tolist() == [300, 600]
    fitted = LogisticRegression().fit(x[:300], y[:300])
    assert table.auc[0] == pytest.approx(auc(y[300:600], fitted.predict_proba(x[300:600])[:, 1]))


def test_calibration_curve_keeps_equal_scores_together():
    y, p = np.array([0, 1] * 50), np.repeat([0.2, 0.5, 0.5, 0.9], 25)
    table = curves.calibration_curve(y, p, bins=4)
    assert table.n.tolist() == [25, 50, 25]
    assert table.foreseen.tolist() == pytest.approx([0.2, 0.5, 0.9])
    parts = curves.brier_parts(y, np.random.default_rng(1).random(100))
    assert parts.brier == pytest.approx(parts.reliability - parts.resolution + parts.uncertainty + parts.within)


@pytest.mark.parametrize(
    ("y", "p", "said"),
    [
        ([0, 0, 0], [0.1, 0.2, 0.3], "All 3 customers have y = 0"),
        ([0, 1], [0.1, 0.2, 0.3], "y has 2 rows and the score has 3"),
        ([0, 1, 1], [0.1, np.nan, 0.3], "score holds 1 missing"),
        ([0, np.nan, 1], [0.1, 0.2, 0.3], "y holds 1 missing"),
        ([0, 2, 1], [0.1, 0.2, 0.3], "holds 2"),
        (["No", "Yes"], [0.1, 0.2], "code customers who left as 1"),
        ([], [], "y is empty"),
        ([[0, 1]], [0.1], "one dimension"),
    ],
)
def test_bad_scores_are_refused_in_one_sentence(y, p, said):
    for function in (profit.empc, profit.mpc, lift, auc, curves.deciles):
        with pytest.raises(DataError, match=said):
            function(y, p)


def test_bad_options_are_refused():
    y, p = [0, 1, 0, 1], [0.1, 0.4, 0.3, 0.9]
    with pytest.raises(DataError, match="outside 0 to 1"):
        evaluation.evaluate(y, [1.5, 0.2, 0.3, 0.4])
    for given, said in (({"clv": -1}, "clv"), ({"alpha": 0}, "alpha"), ({"incentive_cost": 300}, "never pay")):
        with pytest.raises(SpecError, match=said):
            profit.empc(y, p, **given)
    with pytest.raises(SpecError, match="accept_rate"):
        profit.mpc(y, p, accept_rate=1.2)
    for top in (0, -0.1, 1.2, True, "a"):
        with pytest.raises(SpecError, match="top"):
            lift(y, p, top)
    with pytest.raises(DataError, match="negative"):
        auc(y, p, weights=[1, -1, 1, 1])
    with pytest.raises(DataError, match="at least two groups"):
        fairness.by_group(y, p, ["a"] * 4)


def test_a_perfect_and_a_constant_score():
    y = np.array([0, 0, 1, 1])
    perfect = evaluation.evaluate(y, [0.1, 0.2, 0.8, 0.9])
    assert (perfect.auc, perfect.ks) == (1.0, 1.0)
    assert np.isnan(perfect.calibration_slope)
    constant = evaluation.evaluate(y, [0.5] * 4)
    assert constant.auc == 0.5
    assert constant.gain_over_all == pytest.approx(profit.empc(y, [0.5] * 4) - constant.contact_all)
    assert Ranking(y, np.full(4, 0.5)).ends.tolist() == [3]
