"""Where programs differ the default is the literature's and the other is an option; and what bad input hears."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import CxError, CxWarning, ImproperSolutionWarning
from tests.path_models import CHAIN

REFERENCE = Path(__file__).parent / "reference" / "pls"


@pytest.fixture(scope="module")
def fit(mobi):
    return cx.PLS(CHAIN).fit(mobi)


def test_importance_and_performance_by_standardised_weights_are_seminr_s():
    ref = json.loads((REFERENCE / "ecsi_index_ipma.json").read_text())
    model = cx.acsi.ECSI.syntax
    res = cx.PLS(model).fit(cx.datasets.load("mobi"))
    ours = res.ipma("Satisfaction", (1, 10), weights="standardized")
    for name in ours.index:
        assert ours.loc[name, "performance"] == pytest.approx(ref["constructs"][name]["index_from_std_norm_weights"])
    assert ours.loc["Image", "importance"] == pytest.approx(0.4264, abs=5e-5)  # seminrExtras 0.1.0
    plain = res.ipma("Satisfaction", (1, 10))
    assert plain.loc["Image", "importance"] == pytest.approx(ref["ipma"]["constructs"]["Image"]["importance"])


def test_alpha_of_covariances_and_of_correlations(fit, mobi):
    items = mobi[["CUSA1", "CUSA2", "CUSA3"]]
    raw = 1.5 * (1 - items.var().sum() / items.sum(axis=1).var())
    assert fit.alpha(standardized=False)["Satisfaction"] == pytest.approx(raw)
    pd.testing.assert_series_equal(fit.alpha(), fit.reliability["alpha"], check_names=False)


def test_htmt2_has_limits(fit):
    test = fit.discriminant(200, seed=1, kind="htmt2").ratios
    assert (test["ci_lower"] < test["est"]).all()
    assert (test["est"] < test["ci_upper"]).all()


def test_a_model_is_built_from_another(fit, mobi):
    spec = fit.spec
    wider = spec.add("Loyalty ~ Image")
    assert wider.drop("Loyalty ~ Image").model.paths == spec.model.paths
    both = cx.compare(fit, wider.fit(mobi), names=["lean", "rich"])
    lone = both.paths.set_index(["outcome", "predictor"]).loc[("Loyalty", "Image")]
    assert np.isnan(lone["lean"])
    assert lone["rich"] == pytest.approx(wider.fit(mobi).paths["est"].iloc[-1])
    frame = both.criteria.set_index(["construct", "model"])
    assert frame.loc[("Loyalty", "rich"), "bic"] == pytest.approx(wider.fit(mobi).criteria.loc["Loyalty", "bic"])
    weight = both.weights("Loyalty")
    gap = frame.loc[("Loyalty", "rich"), "bic"] - frame.loc[("Loyalty", "lean"), "bic"]
    assert weight["lean"] / weight["rich"] == pytest.approx(np.exp(gap / 2))
    cvpat = both.cvpat(5, 2, seed=1)
    a, b = (f.predict_oos(5, 2, seed=1) for f in (fit, wider.fit(mobi)))
    assert cvpat["difference"].item() == pytest.approx(a.compare(b)["difference"])
    assert "Explained variance and criteria" in both.summary()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f, d: cx.compare(f), "two or more fitted models, not 1"),
        (lambda f, d: cx.compare(f, cx.SEM("Image =~ IMAG1 + IMAG2 + IMAG3").fit(d)), "one family, PLS or SEM, not PLSResult, SEMR"),
        (lambda f, d: cx.compare(f, f, names=["a"]), "names must give 2 distinct names, not 'a'"),
        (lambda f, d: cx.compare(f, f.spec.fit(d[:200])), "'model 1' used 250 rows and 'model 2' 200"),
        (lambda f, d: cx.compare(f, f.spec.fit(d, weights=np.arange(1, 251))), "different case weights"),
        (lambda f, d: cx.compare(f, f).weights("Image"), "No model has an equation of 'Image'"),
        (lambda f, d: f.spec.drop("Loyalty ~ Image"), "no path 'Loyalty ~ Image'"),
        (lambda f, d: f.spec.drop("Loyalty ~ Satisfaction"), "'Loyalty' has no path"),
        (lambda f, d: f.spec.drop("Loyalty =~ CUSL1"), "names no path"),
        (lambda f, d: f.ipma("Loyalty", weights="raw"), "Unknown weights='raw'"),
        (lambda f, d: f.predict_oos(np.arange(249) % 5), "folds has 249 numbers for 250 rows"),
        (lambda f, d: f.groups(np.ones(250)), "is '1.0' in all 250 rows"),
        (lambda f, d: f.spec.add("Loyalty ~ Image + Image:Nothing"), "'Nothing' has paths but no items"),
        (lambda f, d: f.groups(np.where(np.arange(250) < 4, "north", "south")), "'north' .4 rows"),
    ],
)  # fmt: skip
def test_bad_requests_hear_one_clear_sentence(fit, mobi, call, words):
    with pytest.raises(CxError, match=words) as caught:
        call(fit, mobi)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::cxmodels.errors.DataWarning")
def test_a_group_absent_from_one_wave_is_said(fit):
    wave = np.repeat([1, 2], 125)
    group = np.where((wave == 1) & (np.arange(250) % 3 == 0), "new", np.where(np.arange(250) % 2, "a", "b"))
    with pytest.warns(CxWarning, match="Group 'new' has no rows in 1 of 2 strata"):
        groups = fit.groups(group, 30, seed=1, strata=wave)
    assert "Group 'new' has no rows" in groups.summary()


def test_inadmissible_solutions_are_counted_and_kept():
    """Weak factors make corrected correlations above 1 in some replicates: counted, shown, not dropped."""
    rng = np.random.default_rng(3)
    f, g = rng.multivariate_normal([0, 0], [[1, 0.95], [0.95, 1]], 80).T
    data = pd.DataFrame(
        {f"x{i}": 0.6 * f + 0.8 * rng.normal(size=80) for i in range(3)}
        | {f"y{i}": 0.6 * g + 0.8 * rng.normal(size=80) for i in range(3)}
    )
    spec = cx.PLS("X =~ x0 + x1 + x2\nY =~ y0 + y1 + y2\nY ~ X", consistent=True)
    fit = None
    try:
        fit = spec.fit(data)
    except ImproperSolutionWarning:
        with pytest.warns(ImproperSolutionWarning, match="corrected correlation|R²"):
            fit = spec.fit(data)
    boot = fit.bootstrap(200, seed=1)
    improper = boot.replicates.notes["improper"]
    assert improper > 10
    assert boot.failed < improper
    assert f"{improper} of 200 replicates are improper" in boot.summary()
    assert (boot.draws("paths").abs() > 1).to_numpy().any()
