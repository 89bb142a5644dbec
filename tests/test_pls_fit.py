"""Fit, criteria, blindfolding, discriminant validity, mediation: against cSEM, seminr and plspm, and by hand."""

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import CxError
from cxmodels.pls.criteria import htmt2
from cxmodels.pls.discriminant import ratios
from cxmodels.pls.mediation import _kind
from tests.path_models import SMALL

from .test_pls_reference import fitted, reference


@pytest.fixture(scope="module")
def small(mobi):
    return cx.PLS(SMALL, tolerance=1e-12).fit(mobi)


@pytest.mark.parametrize(
    ("name", "way"), [("ecsi_modeA_path_csem_fit", "composite"), ("ecsi_plsc_path_csem_fit", "own")]
)
def test_distances_agree_with_csem(name, way):
    ours, theirs = fitted(name).model_fit.loc[(way, "estimated")], reference(name)["fit"]
    assert ours["srmr"] == pytest.approx(theirs["srmr"], rel=1e-8)
    assert ours["d_uls"] == pytest.approx(theirs["d_ls"], rel=1e-8)
    assert ours["d_ml"] == pytest.approx(theirs["d_ml"], rel=1e-8)
    # cSEM takes logarithms to base 10
    assert ours["d_g"] / np.log(10) ** 2 == pytest.approx(theirs["d_g"], rel=1e-8)


@pytest.mark.parametrize("name", ["ecsi_modeA_path", "ecsi_plsc_path", "corp_rep_modeAB_path"])
def test_information_criteria_agree_with_seminr(name):
    ours = fitted(name).criteria
    for key, block in reference(name)["it_criteria"].items():
        for construct, value in block.items():
            assert ours.loc[construct, key.lower()] == pytest.approx(value, rel=1e-9)


def test_information_criteria_by_their_formulas(small):
    """From an ordinary regression of one score on others, with n = 250, k = 2."""
    s = small.scores
    x, y = s[["Image", "Satisfaction"]].to_numpy(), s["Loyalty"].to_numpy()
    sse = ((y - x @ np.linalg.lstsq(x, y, rcond=None)[0]) ** 2).sum()
    row, n, p = small.criteria.loc["Loyalty"], 250, 3
    assert row["aicc"] == pytest.approx(n * (np.log(sse / n) + (n + p) / (n - p - 2)))
    assert row["aicu"] == pytest.approx(n * (np.log(sse / (n - p)) + 2 * p / n))
    assert row["hqc"] == pytest.approx(n * (np.log(sse / n) + 2 * p * np.log(np.log(n)) / (n - p - 2)))
    assert row["fpe"] == pytest.approx(sse / (n - p) * (1 + p / n))
    assert row["cp"] == pytest.approx((n - p) - (n - 2 * p))  # nothing was left out, so the error is its own
    assert row["gm"] == pytest.approx((n - p) + p * np.log(n))


@pytest.mark.parametrize("name", ["ecsi_modeA_path", "corp_rep_modeAB_path"])
def test_refitted_effect_sizes_agree_with_seminr(name):
    ours = fitted(name).f_squared_refit().set_index(["predictor", "outcome"])["f2"]
    for path in reference(name)["f2_seminr_refit"]:
        assert ours[path["from"], path["to"]] == pytest.approx(path["value"], rel=1e-6, abs=1e-9)


def test_communality_redundancy_and_gof_agree_with_plspm():
    name = "ecsi_raw_metric_centroid"
    fit, ref = fitted(name), reference(name)
    ours = fit.redundancy.set_index(["construct", "item"])
    for construct, block in ref["communality"].items():
        for item, value in block.items():
            assert ours.loc[(construct, item), "communality"] == pytest.approx(value, rel=1e-8)
            redundancy = ours.loc[(construct, item), "redundancy"]  # plspm has 0 where ours is undefined
            assert (np.isnan(redundancy) and construct == "Image") or redundancy == pytest.approx(
                ref["redundancy"][construct][item], rel=1e-8
            )
    assert fit.gof == pytest.approx(ref["goodness_of_fit"], rel=1e-9)


def test_data_made_to_fit_do_fit(mobi, small):
    """Transformed data have no distance where the weights are consistent for the model: Mode B, and PLSc."""
    mode_b = cx.PLS(SMALL, modes=dict.fromkeys(["Image", "Satisfaction", "Loyalty"], "B"), tolerance=1e-12)
    np.testing.assert_allclose(mode_b.fit(mobi).exact_fit(20, seed=1).replicates.estimate, 0, atol=1e-6)
    items = "Image =~ IMAG1 + IMAG2 + IMAG3\nValue =~ PERV1 + PERV2\nSatisfaction =~ CUSA1 + CUSA2 + CUSA3"
    plsc = cx.PLS(f"{items}\nValue ~ Image\nSatisfaction ~ Image + Value", consistent=True, tolerance=1e-12)
    np.testing.assert_allclose(plsc.fit(mobi).exact_fit(20, seed=1).replicates.estimate, 0, atol=1e-6)
    # Mode A weights of the implied matrix are the loadings, not the weights that led to it: nearly, but not quite
    test = small.exact_fit(20, seed=1)
    assert test.replicates.estimate[0] < small.model_fit.loc[("composite", "estimated"), "srmr"] / 3
    np.testing.assert_allclose(test.test["est"], small.model_fit.loc[("composite", "estimated")])


def test_exact_fit_rejects_a_missing_path_and_holds_its_level():
    """x causes y and z; a model in which z follows y only is wrong. Three items each, composites."""
    rng = np.random.default_rng(7)

    def data(direct):
        x = rng.normal(size=300)
        y = 0.6 * x + 0.8 * rng.normal(size=300)
        z = direct * x + 0.4 * y + 0.7 * rng.normal(size=300)
        return pd.DataFrame(
            {f"{k}{i}": v + 0.4 * rng.normal(size=300) for k, v in (("x", x), ("y", y), ("z", z)) for i in range(3)}
        )

    text = "X =~ x0 + x1 + x2\nY =~ y0 + y1 + y2\nZ =~ z0 + z1 + z2\nY ~ X\nZ ~ Y"
    wrong = [cx.PLS(text).fit(data(0.6)).exact_fit(79).test["pvalue"] for _ in range(5)]
    assert (np.array(wrong) <= 0.05).all()
    right = cx.PLS(text + " + X")
    null = np.array([right.fit(data(0.3)).exact_fit(79).test["pvalue"] for _ in range(60)])
    # binomial error of 60 data sets
    assert ((null <= 0.05).mean(axis=0) < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 60)).all()


def test_fit_of_a_higher_order_model_is_that_of_its_second_stage(mobi):
    text = "Image =~ IMAG1 + IMAG2\nValue =~ PERV1 + PERV2\nP =~ Image + Value\nS =~ CUSA1 + CUSA2 + CUSA3\nS ~ P"
    fit = cx.PLS(text).fit(mobi)
    # two constructs correlate as they do, so only the correlations across blocks are left
    assert fit.model_fit.loc[("composite", "estimated"), "srmr"] == pytest.approx(
        fit.model_fit.loc[("composite", "saturated"), "srmr"]
    )
    test = fit.exact_fit(50, seed=1)
    assert test.replicates.estimate[0] < 0.01
    assert "Exact fit" in test.summary()


def test_blindfolding_by_a_plain_loop(mobi):
    """Each answer of Satisfaction left out once, predicted from fits of the public class to the table with holes."""
    spec = cx.PLS(SMALL, tolerance=1e-12)
    items = ["CUSA1", "CUSA2", "CUSA3"]
    sse, own, sso = 0.0, 0.0, 0.0
    for start in range(7):
        out = (np.arange(750) % 7 == start).reshape(3, 250).T
        holes = mobi.astype(float).copy()
        holes[items] = holes[items].mask(out)
        fit = spec.fit(holes)
        mean, sd = fit.items["mean"][items].to_numpy(), fit.items["sd"][items].to_numpy()
        load = fit.loadings.query("construct == 'Satisfaction'")["est"].to_numpy()
        path = fit.paths.query("outcome == 'Satisfaction'")["est"].iloc[0]
        z = (mobi[items].to_numpy() - mean) / sd
        sse += ((z - np.outer(path * fit.scores["Image"], load))[out] ** 2).sum()
        own += ((z - np.outer(fit.scores["Satisfaction"], load))[out] ** 2).sum()
        sso += (z[out] ** 2).sum()
    q2 = spec.fit(mobi).blindfolding(7).loc["Satisfaction"]
    assert q2["q2_redundancy"] == pytest.approx(1 - sse / sso, rel=1e-8)
    assert q2["q2_communality"] == pytest.approx(1 - own / sso, rel=1e-8)


def test_blindfolding_of_noise_is_not_above_zero():
    rng = np.random.default_rng(2)
    x = rng.normal(size=400)
    frame = {f"x{i}": x + 0.5 * rng.normal(size=400) for i in range(3)}
    y = rng.normal(size=400) + 0.02 * x
    frame |= {f"y{i}": y + 0.5 * rng.normal(size=400) for i in range(3)}
    q2 = cx.PLS("X =~ x0 + x1 + x2\nY =~ y0 + y1 + y2\nY ~ X").fit(pd.DataFrame(frame)).blindfolding()
    assert abs(q2.loc["Y", "q2_redundancy"]) < 0.03
    assert np.isnan(q2.loc["X", "q2_redundancy"])


@pytest.mark.parametrize(
    ("distance", "words"), [(5, "divides the 250 rows.*such as 6"), (1, "between 2"), (2.5, "whole")]
)
def test_bad_distances_are_named(small, distance, words):
    with pytest.raises(CxError, match=words):
        small.blindfolding(distance)


def test_htmt2_by_hand():
    """Two blocks of two items: sqrt(geometric mean of four correlations² / product of the two inside)."""
    r = np.array([[1, 0.6, 0.3, 0.4], [0.6, 1, 0.5, 0.2], [0.3, 0.5, 1, 0.7], [0.4, 0.2, 0.7, 1]])
    mask = np.array([[1, 0], [1, 0], [0, 1], [0, 1.0]])
    assert htmt2(r[None], mask)[0, 0, 1] == pytest.approx((0.3 * 0.4 * 0.5 * 0.2) ** 0.25 / np.sqrt(0.6 * 0.7))
    assert ratios(r[None], mask, "htmt")[0, 0] == pytest.approx(0.35 / np.sqrt(0.6 * 0.7))


def test_discriminant_ratios_are_the_htmt_of_the_fit(small):
    test = small.discriminant(200, seed=1)
    for row in test.ratios.itertuples():
        assert row.est == pytest.approx(small.htmt.loc[row.construct, row.other])
        assert row.ci_lower <= row.est <= row.ci_upper
    assert (test.ratios["below_0.85"] == (test.ratios["ci_upper"] < 0.85)).all()
    boot = small.bootstrap(200, seed=1, level=0.9).htmt
    one = boot[(boot["row"] == "Satisfaction") & (boot["column"] == "Image")].iloc[0]
    np.testing.assert_allclose(test.ratios.loc[0, ["ci_lower", "ci_upper"]].to_list(), [one.ci_lower, one.ci_upper])


def test_equal_constructs_are_not_distinct_and_unlike_ones_are():
    rng = np.random.default_rng(5)
    f = rng.normal(size=(500, 2))
    columns = {f"{k}{i}": f[:, j] + rng.normal(size=500) for k, j in (("a", 0), ("b", 0), ("c", 1)) for i in range(3)}
    columns |= {f"c{i}": columns[f"c{i}"] + 0.4 * f[:, 0] for i in range(3)}
    text = "A =~ a0 + a1 + a2\nB =~ b0 + b1 + b2\nC =~ c0 + c1 + c2\nC ~ A + B"
    fit = cx.PLS(text).fit(pd.DataFrame(columns))
    for kind in ("htmt", "htmt2"):
        below = fit.discriminant(300, seed=1, kind=kind).ratios.set_index(["construct", "other"])["below_0.9"]
        assert not below["B", "A"]
        assert below["C", "A"]


def test_ways_add_up_to_indirect_effects(mobi):
    fit = cx.PLS(cx.acsi.ECSI.syntax).fit(mobi)
    sums = fit.indirect_effects.groupby(["outcome", "predictor"])["est"].sum()
    effects = fit.effects.set_index(["outcome", "predictor"])["indirect"]
    np.testing.assert_allclose(sums, effects[sums.index], rtol=1e-10)
    assert (effects.drop(sums.index).abs() < 1e-12).all()


@pytest.mark.parametrize("interval", ["percentile", "bca", "normal"])
def test_a_way_has_the_interval_of_the_product_of_its_draws(small, interval):
    boot = small.bootstrap(300, seed=1, interval=interval)
    row = boot.indirect_effects.iloc[0]
    assert row["through"] == "Satisfaction"
    total = boot.effects.query("effect == 'indirect' and outcome == 'Loyalty' and predictor == 'Image'").iloc[0]
    for column in ("est", "se", "ci_lower", "ci_upper"):
        assert row[column] == pytest.approx(total[column], rel=1e-9)


def test_kinds_of_mediation():
    assert _kind(True, True, True, 1) == "complementary"
    assert _kind(True, True, True, -1) == "competitive"
    assert _kind(True, False, True, 1) == "indirect only (full)"
    assert _kind(True, True, False, 1) == "direct only"
    assert _kind(True, False, False, 1) == "no effect"


def test_a_full_mediation_is_found():
    rng = np.random.default_rng(3)
    x = rng.normal(size=1500)
    m = 0.7 * x + 0.7 * rng.normal(size=1500)
    y = 0.7 * m + 0.7 * rng.normal(size=1500)
    frame = pd.DataFrame(
        {f"{k}{i}": v + 0.1 * rng.normal(size=1500) for k, v in (("x", x), ("m", m), ("y", y)) for i in range(3)}
    )
    text = "X =~ x0 + x1 + x2\nM =~ m0 + m1 + m2\nY =~ y0 + y1 + y2\nM ~ X\nY ~ M + X"
    found = cx.PLS(text).fit(frame).bootstrap(300, seed=1).mediation
    assert list(found["mediation"]) == ["indirect only (full)"]


def test_slopes_by_their_formula(mobi):
    text = SMALL + "Loyalty ~ Image:Satisfaction + Image:Image"
    fit = cx.PLS(text).fit(mobi)
    b = fit.paths.set_index(["outcome", "predictor"])["est"]["Loyalty"]
    slopes = fit.simple_slopes((-2, 1)).set_index(["predictor", "moderator", "level"])["est"]
    assert slopes["Image", "Satisfaction", -2] == pytest.approx(b["Image"] - 2 * b["Image:Satisfaction"])
    assert slopes["Satisfaction", "Image", 1] == pytest.approx(b["Satisfaction"] + b["Image:Satisfaction"])
    assert slopes["Image", "Image", 1] == pytest.approx(b["Image"] + 2 * b["Image:Image"])
    boot = fit.bootstrap(60, seed=1)
    table = boot.simple_slopes((0,))
    main = boot.paths.set_index(["outcome", "predictor"]).loc[("Loyalty", "Image")]
    np.testing.assert_allclose(table.loc[0, ["est", "se"]].to_list(), main[["est", "se"]].to_list())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f: f.simple_slopes(), "has no interaction"),
        (lambda f: f.exact_fit(50, measurement="factors"), "Did you mean 'factor'"),
        (lambda f: f.discriminant(50, kind="htmt3"), "Unknown kind"),
        (lambda f: f.discriminant(50, level=0.3), "between 0.5 and 1"),
        (lambda f: f.bootstrap(20, seed=1, interval="studentized").indirect_effects, "Studentised intervals exist"),
    ],
)
def test_bad_questions_are_answered_in_one_sentence(small, call, words):
    with pytest.raises(CxError, match=words):
        call(small)


def test_fit_of_an_interaction_model_is_refused(mobi):
    fit = cx.PLS(SMALL + "Loyalty ~ Image:Satisfaction").fit(mobi)
    with pytest.raises(CxError, match="without 'Image:Satisfaction'"):
        fit.model_fit
    assert np.isnan(fit.f_squared_refit().set_index(["outcome", "predictor"]).loc[("Loyalty", "Image"), "f2"])


def test_exact_fit_of_pairwise_correlations_is_refused(mobi):
    blanks = mobi.mask(np.random.default_rng(1).random(mobi.shape) < 0.02)
    with pytest.raises(CxError, match="missing='mean' or 'listwise'"):
        cx.PLS(SMALL).fit(blanks, missing="pairwise").exact_fit(20)
