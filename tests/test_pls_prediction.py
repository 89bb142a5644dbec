"""Out-of-sample prediction against seminr, against a plain loop, and by what theory promises."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import CxError

REFERENCE = Path(__file__).parent / "reference" / "pls"
MODEL = cx.acsi.ECSI.syntax


@pytest.fixture(scope="module")
def fit(mobi):
    return cx.PLS(MODEL, tolerance=1e-12).fit(mobi)


@pytest.fixture(scope="module")
def seminr():
    return json.loads((REFERENCE / "ecsi_plspredict_fixed_folds.json").read_text())


@pytest.mark.parametrize(("approach", "key"), [("direct", "PLS_DA"), ("earliest", "PLS_EA")])
def test_errors_agree_with_seminr(fit, seminr, approach, key):
    metrics = fit.predict_oos(np.arange(250) % 10).metrics.query("approach == @approach").set_index("item")
    for column in ("rmse", "mae", "q2_predict"):
        expected = seminr[key][column]
        np.testing.assert_allclose(metrics.loc[list(expected), column], list(expected.values()), rtol=1e-8)


@pytest.mark.parametrize(
    ("benchmark", "key"), [("exogenous", "LM_exogenous_items"), ("others", "LM_all_items_of_other_constructs")]
)
def test_benchmarks_agree_with_seminr(fit, seminr, benchmark, key):
    metrics = fit.predict_oos(np.arange(250) % 10, benchmark=benchmark).metrics.query("approach == 'direct'")
    metrics = metrics.set_index("item")
    for ours, theirs in (("rmse_lm", seminr[key]["rmse"]), ("mae_lm", seminr[key]["mae"])):
        np.testing.assert_allclose(metrics.loc[list(theirs), ours], list(theirs.values()), rtol=1e-8)
    mean = seminr["indicator_average"]["rmse"]
    np.testing.assert_allclose(metrics.loc[list(mean), "rmse_mean"], list(mean.values()), rtol=1e-8)


@pytest.mark.parametrize(
    ("approach", "benchmark", "regressors", "key"),
    [
        ("earliest", "mean", "exogenous", "EA_vs_indicator_average"),
        ("earliest", "lm", "exogenous", "EA_vs_LM_exogenous"),
        ("direct", "mean", "others", "DA_vs_indicator_average"),
        ("direct", "lm", "others", "DA_vs_LM_all_other"),
    ],
)
def test_cvpat_agrees_with_seminr(fit, seminr, approach, benchmark, regressors, key):
    frame = fit.predict_oos(np.arange(250) % 10, benchmark=regressors).cvpat
    row = frame.query("approach == @approach and benchmark == @benchmark").iloc[0]
    expected = seminr["cvpat"][key]
    assert row["loss"] == pytest.approx(expected["loss_pls"], rel=1e-8)
    assert row["loss_benchmark"] == pytest.approx(expected["loss_bench"], rel=1e-8)
    assert row["t"] == pytest.approx(expected["t"], rel=1e-7)
    assert row["pvalue"] == pytest.approx(expected["p_two_sided"], rel=1e-6)


def test_a_fold_is_predicted_by_the_model_of_the_others(mobi, fit):
    """One fold by hand, from the public frames of a fit to the other rows."""
    fold = np.arange(250) % 5
    prediction = fit.predict_oos(fold)
    train, test = mobi[fold != 2], mobi[fold == 2]
    part = cx.PLS(MODEL, tolerance=1e-12).fit(train)
    weights = part.weights.set_index("item")["est"]
    z = (test - train.mean()) / train.std()
    value = (z[["PERV1", "PERV2"]] * weights[["PERV1", "PERV2"]]).sum(axis=1)
    path = part.paths.set_index(["outcome", "predictor"])["est"]["Satisfaction"]
    blocks = {c.name: list(c.items) for c in part.model.constructs}
    expected = sum(path[c] * (z[blocks[c]] * weights[blocks[c]]).sum(axis=1) for c in path.index if c != "Value")
    expected = expected + path["Value"] * value
    loading = part.loadings.set_index("item")["est"]["CUSA2"]
    by_hand = test["CUSA2"] - (train["CUSA2"].mean() + train["CUSA2"].std() * loading * expected)
    ours = prediction.errors["direct"][0, fold == 2, prediction.items.index("CUSA2")]
    np.testing.assert_allclose(ours, by_hand, rtol=1e-9, atol=1e-10)


def test_weights_count_like_repeated_rows(mobi):
    weights = np.tile([1, 2, 3, 1, 2], 50)
    fold = np.arange(250) % 5
    weighted = cx.PLS(MODEL).fit(mobi, weights=weights).predict_oos(fold).metrics
    rows = np.repeat(np.arange(250), weights)
    repeated = cx.PLS(MODEL).fit(mobi.iloc[rows]).predict_oos(fold[rows]).metrics
    # PLS scores, and so predictions of raw items, do not depend on the divisor n - 1
    np.testing.assert_allclose(weighted.select_dtypes("number"), repeated.select_dtypes("number"), rtol=1e-8)


@pytest.mark.filterwarnings("ignore::cxmodels.errors.DataWarning")  # noise loads negatively here and there
def test_noise_predicts_no_better_than_the_mean():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(rng.normal(size=(300, 6)), columns=[f"x{i}" for i in range(6)])
    fit = cx.PLS("A =~ x0 + x1 + x2\nB =~ x3 + x4 + x5\nB ~ A").fit(frame)
    prediction = fit.predict_oos(10, 5, seed=1)
    assert (prediction.metrics["q2_predict"] < 0.02).all()
    test = prediction.cvpat.query("benchmark == 'mean'")
    assert not ((test["difference"] < 0) & (test["pvalue"] < 0.05)).any()


def test_the_model_that_made_the_data_predicts_better_than_one_without_its_path(mobi, fit):
    poorer = cx.PLS(fit.model.drop("Satisfaction", "Quality"), tolerance=1e-12).fit(mobi)
    fold = np.arange(250) % 10
    test = fit.predict_oos(fold).compare(poorer.predict_oos(fold), approach="direct")
    assert test["difference"] < 0
    assert test["pvalue"] < 0.05


def test_same_seed_same_folds(fit):
    a, b = (fit.predict_oos(5, 2, seed=3).metrics for _ in range(2))
    assert a.equals(b)
    assert not a.equals(fit.predict_oos(5, 2, seed=4).metrics)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"folds": np.arange(249) % 10}, "249 numbers for 250 rows"),
        ({"folds": 1}, "between 2 and the 250 rows"),
        ({"folds": 251}, "between 2 and the 250 rows"),
        ({"folds": np.zeros(250)}, "at least two folds"),
        ({"repeats": 0}, "at least 1"),
        ({"benchmark": "other"}, "Did you mean 'others'"),
    ],
)
def test_bad_folds_are_named(fit, options, words):
    with pytest.raises(CxError, match=words):
        fit.predict_oos(**options)
