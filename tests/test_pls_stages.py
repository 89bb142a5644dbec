"""Interactions and higher-order constructs: against seminr, and replicates against refits of the rows."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import CxError

REFERENCE = Path(__file__).parent / "reference" / "pls"
MODERATED = """
Image =~ IMAG1 + IMAG2 + IMAG3 + IMAG4 + IMAG5
Value =~ PERV1 + PERV2
Satisfaction =~ CUSA1 + CUSA2 + CUSA3
Loyalty =~ CUSL1 + CUSL3
Satisfaction ~ Image + Value + Image:Value + Image:Image
Loyalty ~ Satisfaction + Image + Image:Satisfaction
"""
HIGHER = """
Image =~ IMAG1 + IMAG2 + IMAG3 + IMAG4 + IMAG5
Value =~ PERV1 + PERV2
Quality =~ PERQ1 + PERQ2 + PERQ3
Perception =~ Image + Value + Quality
Satisfaction =~ CUSA1 + CUSA2 + CUSA3
Loyalty =~ CUSL1 + CUSL3
Satisfaction ~ Perception
Loyalty ~ Satisfaction + Perception
"""


def reference(name):
    case = json.loads((REFERENCE / f"{name}.json").read_text())
    lines = [f"{c['name']} =~ {' + '.join(c['items'])}" for c in case["model"]["constructs"]]
    lines += [f"{h['name']} =~ {' + '.join(h['dimensions'])}" for h in case["model"].get("higher_order", [])]
    lines += [f"{p['to']} ~ {p['from'].replace('*', ':')}" for p in case["model"]["paths"]]
    modes = {h["name"]: h["mode"] for h in case["model"].get("higher_order", [])}
    return case, "\n".join(lines), modes


CASES = [
    ("ecsi_interaction_two_stage", "two_stage"),
    ("ecsi_interaction_product_indicator", "product_indicator"),
    ("ecsi_interaction_orthogonal", "orthogonal"),
    ("ecsi_hoc_two_stage_modeA", "two_stage"),
    ("ecsi_hoc_two_stage_modeB", "two_stage"),
]


@pytest.mark.parametrize(("name", "interaction"), CASES, ids=[c[0] for c in CASES])
def test_agrees_with_seminr(mobi, name, interaction):
    case, text, modes = reference(name)
    fit = cx.PLS(text, modes=modes, interaction=interaction, tolerance=1e-12).fit(mobi)
    # seminr scales product-indicator scores by the mean spread of the products; ours have unit variance
    unit = {} if interaction == "two_stage" else case["interaction_score_sd"]
    paths = fit.paths.set_index(["outcome", "predictor"])["est"]
    f2 = fit.f_squared.set_index(["outcome", "predictor"])["f2"]
    for p in case["paths"]:
        assert paths[p["to"], p["from"].replace("*", ":")] == pytest.approx(
            p["value"] * unit.get(p["from"], 1), abs=1e-9
        )
    for p in case["f2_fixed_scores"]:
        assert f2[p["to"], p["from"].replace("*", ":")] == pytest.approx(p["value"], rel=1e-7)
    for frame, key in ((fit.weights, "weights"), (fit.loadings, "loadings")):
        ours = frame.set_index(["construct", "item"])["est"]
        for construct, block in case[key].items():
            for item, value in block.items() if "*" not in construct else ():
                assert ours[construct, item] == pytest.approx(value, abs=1e-9)
    for construct, block in case["reliability"].items():
        for column, value in block.items() if "*" not in construct else ():
            assert fit.reliability.loc[construct, column] == pytest.approx(value, abs=1e-9)
    for construct, value in case["r2"].items():
        assert fit.r_squared.loc[construct, "r2"] == pytest.approx(value, abs=1e-9)
        assert fit.r_squared.loc[construct, "r2_adj"] == pytest.approx(case["r2_adj"][construct], abs=1e-9)
    scores = fit.scores.rename(columns=lambda c: c.replace(":", "*"))
    for column in scores if interaction == "two_stage" else [c for c in scores if "*" not in c]:
        expected = [row[column] for row in case["scores_first5"]]
        np.testing.assert_allclose(scores[column].head(5), expected, rtol=1e-6, atol=1e-8)


def test_second_stage_lists_its_own_constructs_and_the_dimensions_where_they_are_measured(mobi):
    fit = cx.PLS(HIGHER).fit(mobi)
    assert list(fit.htmt.index) == list(fit.scores) == ["Perception", "Satisfaction", "Loyalty"]
    assert {"Image", "Value", "Quality"} < set(fit.reliability.index)
    assert {"Image", "Value", "Quality"} < set(fit.weights["construct"])
    np.testing.assert_allclose(fit.scores.std(), 1, rtol=1e-10)
    assert fit.scores.corr().loc["Satisfaction", "Perception"] == pytest.approx(fit.paths["est"].iloc[0], rel=1e-9)


@pytest.mark.parametrize(
    ("model", "interaction"),
    [(MODERATED, "two_stage"), (MODERATED, "product_indicator"), (MODERATED, "orthogonal"), (HIGHER, "two_stage"),
     (HIGHER + "Loyalty ~ Perception:Satisfaction", "two_stage")],
)  # fmt: skip
def test_a_replicate_is_the_model_refitted_to_its_rows(mobi, model, interaction):
    rows = np.random.default_rng(5).integers(0, 250, size=(3, 250))
    spec = cx.PLS(model, interaction=interaction, tolerance=1e-12)
    boot = spec.fit(mobi).bootstrap(indices=rows)
    for name in ("paths", "weights", "loadings", "effects"):
        draws = boot.draws(name)
        for i, line in enumerate(rows):
            frame = getattr(spec.fit(mobi.iloc[line]), name)
            wide = ["direct", "indirect", "total"]
            refit = frame[wide].to_numpy().T.ravel() if name == "effects" else frame["est"]
            # replicates follow the signs of the point estimate; a refit of product items may point the other way
            sign = np.abs if interaction != "two_stage" else np.asarray
            np.testing.assert_allclose(sign(draws.iloc[i]), sign(refit), atol=2e-8)


def test_weights_are_rows_repeated(mobi):
    weights = np.tile([1, 2, 3, 1, 2], 50)
    for model in (MODERATED, HIGHER):
        weighted = cx.PLS(model).fit(mobi, weights=weights)
        repeated = cx.PLS(model).fit(mobi.iloc[np.repeat(np.arange(250), weights)])
        # the path of an interaction is per unit of a product whose sd knows n - 1
        plain = ~weighted.paths["predictor"].str.contains(":")
        np.testing.assert_allclose(weighted.paths["est"][plain], repeated.paths["est"][plain], atol=1e-9)
        np.testing.assert_allclose(weighted.paths["est"], repeated.paths["est"], rtol=3e-3)
        np.testing.assert_allclose(weighted.r_squared["r2"], repeated.r_squared["r2"], rtol=1e-9)


def test_a_known_moderation_is_recovered():
    """y = .4 x + .3 m + .25 x m + e; two-stage estimates of a composite model with reliable items come close."""
    rng = np.random.default_rng(11)
    n = 20_000
    x, m = rng.normal(size=(2, n))
    y = 0.4 * x + 0.3 * m + 0.25 * x * m + 0.6 * rng.normal(size=n)
    frame = pd.DataFrame(
        {f"{k}{i}": v + 0.15 * rng.normal(size=n) for k, v in (("x", x), ("m", m), ("y", y)) for i in range(3)}
    )
    fit = cx.PLS("X =~ x0 + x1 + x2\nM =~ m0 + m1 + m2\nY =~ y0 + y1 + y2\nY ~ X + M + X:M").fit(frame)
    scale = y.std()
    np.testing.assert_allclose(fit.paths["est"] * scale, [0.4, 0.3, 0.25], atol=0.02)


def test_prediction_of_moderated_and_higher_order_models(mobi):
    fold = np.random.default_rng(1).permutation(np.arange(250) % 5)
    for model in (MODERATED, HIGHER):
        metrics = cx.PLS(model).fit(mobi).predict_oos(fold).metrics
        assert set(metrics["item"]) == {"CUSA1", "CUSA2", "CUSA3", "CUSL1", "CUSL3"}
        by_mean = {i: mobi[i] - [mobi.loc[fold != f, i].mean() for f in fold] for i in metrics["item"]}
        size = metrics["item"].map({i: (error**2).mean() for i, error in by_mean.items()})
        np.testing.assert_allclose(metrics["q2_predict"], 1 - metrics["rmse"] ** 2 / size, rtol=1e-9)
        assert metrics["q2_predict"].between(0.05, 0.6).all()


def test_a_direct_prediction_with_an_interaction_by_hand(mobi):
    """The interaction's share of a prediction: the product of hold-out scores less the training mean, times its path."""
    text = "\n".join(line for line in MODERATED.splitlines() if "Loyalty" not in line and line).replace(
        " + Image:Image", ""
    )
    fold = np.arange(250) % 5
    prediction = cx.PLS(text, tolerance=1e-12).fit(mobi).predict_oos(fold)
    train, test = mobi[fold != 0], mobi[fold == 0]
    part = cx.PLS(text, tolerance=1e-12).fit(train)
    plain = cx.PLS(text.replace(" + Image:Value", ""), tolerance=1e-12).fit(train)

    def scores(fit, rows):
        z = (rows - train.mean()) / train.std()
        w = fit.weights.set_index("item")["est"]
        return {c.name: (z[list(c.items)] * w[list(c.items)]).sum(axis=1) for c in fit.model.constructs}

    first, train_first, last = scores(plain, test), scores(plain, train), scores(part, test)
    product = first["Image"] * first["Value"] - (train_first["Image"] * train_first["Value"]).mean()
    path = part.paths.set_index("predictor")["est"]
    eta = path["Image"] * last["Image"] + path["Value"] * last["Value"] + path["Image:Value"] * product
    loading = part.loadings.set_index("item")["est"]["CUSA1"]
    by_hand = test["CUSA1"] - (train["CUSA1"].mean() + train["CUSA1"].std() * loading * eta)
    ours = prediction.errors["direct"][0, fold == 0, prediction.items.index("CUSA1")]
    np.testing.assert_allclose(ours, by_hand, atol=1e-8)


def test_an_index_of_a_higher_order_construct_is_the_mean_of_its_respondents(mobi):
    study = cx.SatisfactionIndex(HIGHER, scale=(1, 10)).fit(mobi, bootstrap=50, seed=1)
    index = study.scores.set_index("construct")["index"]
    np.testing.assert_allclose(study.respondents.mean()[index.index], index, rtol=1e-10)
    assert study.weights.groupby("construct")["weight"].sum().to_numpy() == pytest.approx(1)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("A =~ IMAG1\nB =~ PERV1\nC =~ CUSA1\nC ~ A + A:B", "main effects too; add 'B'"),
        ("A =~ IMAG1\nB =~ PERV1\nC =~ CUSA1\nC ~ A + B + A:D", "'D' has paths but no items"),
        ("A =~ IMAG1\nH =~ A + PERV1\nC =~ CUSA1\nC ~ H", "mixes the item 'PERV1'"),
        ("A =~ IMAG1\nB =~ PERV1\nH =~ A + B\nG =~ H + D\nD =~ PERQ1\nC =~ CUSA1\nC ~ G", "third order"),
        ("A =~ IMAG1\nB =~ PERV1\nH =~ A + B\nC =~ CUSA1\nC ~ H + A", "one role only"),
    ],
)
def test_bad_stages_are_named(model, words):
    with pytest.raises(CxError, match=words):
        cx.PLS(model)


def test_unknown_ways_are_named():
    with pytest.raises(CxError, match="Did you mean 'two_stage'"):
        cx.PLS(MODERATED, interaction="twostage")
