"""Every method with every kind of model: it works, or says in one sentence why not."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import CxError, CxWarning

ITEMS = """
Image =~ IMAG1 + IMAG2 + IMAG3
Value =~ PERV1 + PERV2
Quality =~ PERQ1 + PERQ2 + PERQ3 + PERQ4
Expectation =~ CUEX1 + CUEX2 + CUEX3
Satisfaction =~ CUSA1 + CUSA2 + CUSA3
Loyalty =~ CUSL1 + CUSL3
"""
PLAIN = ITEMS + "Satisfaction ~ Image + Value + Expectation + Quality\nLoyalty ~ Satisfaction + Image\n"
HIGHER = ITEMS + """
Perception =~ Value + Quality
Perception ~ Image + Expectation
Satisfaction ~ Perception + Image
Loyalty ~ Satisfaction
"""  # fmt: skip
THREE = "Satisfaction ~ Image:Value + Image:Quality + Value:Quality + Image:Value:Quality"
HALF = np.arange(250) % 2

MODELS = {
    "plain": (PLAIN, {}),
    "Mode B": (PLAIN, {"modes": {"Image": "B"}}),
    "GSCA": (PLAIN, {"scheme": "gsca"}),
    "PLSc": (PLAIN, {"consistent": True}),
    "raw metric": (PLAIN, {"standardize": False}),
    "interaction": (PLAIN + "Loyalty ~ Image:Satisfaction", {}),
    "product indicators": (PLAIN + "Loyalty ~ Image:Satisfaction", {"interaction": "product_indicator"}),
    "orthogonal": (PLAIN + "Loyalty ~ Image:Satisfaction", {"interaction": "orthogonal"}),
    "quadratic": (PLAIN + "Loyalty ~ Image:Image", {}),
    "three-way": (PLAIN + THREE, {}),
    "PLSc interaction": (PLAIN + "Loyalty ~ Image:Satisfaction", {"consistent": True}),
    "disjoint": (HIGHER, {}),
    "disjoint, Mode B": (HIGHER, {"modes": {"Perception": "B"}}),
    "embedded": (HIGHER, {"higher_order": "embedded_two_stage"}),
    "embedded, PLSc": (HIGHER.replace("ion =~ V", "ion <~ V"), {"higher_order": "embedded_two_stage", "consistent": True}),
    "repeated": (HIGHER, {"higher_order": "repeated_indicators"}),
    "repeated, formed": (HIGHER, {"higher_order": "repeated_indicators", "modes": {"Perception": "B"}}),
    "disjoint interaction": (HIGHER + "Loyalty ~ Image + Perception + Perception:Image", {}),
    "repeated interaction": (
        HIGHER + "Loyalty ~ Image + Perception + Perception:Image",
        {"higher_order": "repeated_indicators"},
    ),
}  # fmt: skip
METHODS = {
    "bootstrap": lambda f: f.bootstrap(25, seed=1).tables(),
    "BCa, mediation": lambda f: f.bootstrap(25, seed=1, interval="bca").mediation,
    "predict_oos": lambda f: f.predict_oos(3, 1, seed=1).tables(),
    "groups": lambda f: f.groups(HALF, 20, seed=1).tables(),
    "discriminant": lambda f: f.discriminant(25, seed=1, kind="htmt2").ratios,
    "model_fit": lambda f: f.model_fit,
    "exact_fit": lambda f: f.exact_fit(20, seed=1).test,
    "criteria": lambda f: (f.criteria, f.redundancy, f.gof, f.gsca_fit),
    "f_squared_refit": lambda f: f.f_squared_refit(),
    "blindfolding": lambda f: f.blindfolding(3),
    "indirect_effects": lambda f: f.indirect_effects,
    "simple_slopes": lambda f: f.simple_slopes(),
    "fimix": lambda f: f.fimix(2, starts=2, seed=1, max_iter=200).tables(),
    "pos": lambda f: f.pos(2, starts=1, seed=1, smallest=100).tables(),
    "ipma": lambda f: (f.ipma("Loyalty"), f.ipma("Loyalty", items=True)),
    "nca": lambda f: f.nca("Loyalty", 20, seed=1).tables(),
    "cipma": lambda f: f.cipma("Loyalty", 70, n=20, seed=1),
    "tetrads": lambda f: f.tetrads(25, seed=1).tables(),
    "copula": lambda f: f.copula("Loyalty", ["Satisfaction"], n=5, seed=1).tables(),
    "ordinal": lambda f: f.ordinal().tables(),
    "index": lambda f: (f.index(), f.index_scores(), f.index_se(), f.unstandardized_effects()),
    "compare": lambda f: cx.compare(f, f).tables(),
    "summary": lambda f: f.tables(),
}
PRODUCTS = {"interaction", "product indicators", "orthogonal", "quadratic", "three-way", "PLSc interaction",
            "disjoint interaction", "repeated interaction"}  # fmt: skip
REFUSED = {
    "model_fit": (PRODUCTS, "Model fit is defined for linear models; fit the model without"),
    "exact_fit": (PRODUCTS, "Model fit is defined for linear models; fit the model without"),
    "ordinal": (
        PRODUCTS,
        "Ordinal PLS is for models without interactions: products of ordered answers have no scale",
    ),
    "fimix": ({"repeated, formed"}, "explain 'Perception' wholly under repeated indicators"),
    "pos": ({"repeated, formed"}, "explain 'Perception' wholly under repeated indicators"),
    "simple_slopes": (set(MODELS) - PRODUCTS, "The model has no interaction"),
}
ALSO = {
    ("ordinal", "raw metric"): "Ordinal PLS standardises items",
    ("simple_slopes", "product indicators"): "need interaction='two_stage'",
    ("simple_slopes", "orthogonal"): "need interaction='two_stage'",
}


def words(method, model):
    """What a refusal says; None where the method works."""
    models, text = REFUSED.get(method, ((), ""))
    return ALSO.get((method, model)) or (text if model in models else None)


def numbers(found):
    """Every number of frames, however nested."""
    if isinstance(found, dict):
        found = tuple(found.values())
    if isinstance(found, tuple):
        return np.concatenate([numbers(part) for part in found])
    if isinstance(found, pd.DataFrame):
        return found.select_dtypes("number").to_numpy(float).ravel()
    return np.atleast_1d(np.asarray(found, float))


def respondents(kind):
    data = cx.datasets.survey("mobi")
    if kind != "blanks":
        return data
    blank = np.random.default_rng(0).random(data.frame.shape) < 0.03
    return cx.Survey(data.frame.astype(float).mask(blank), codebook=data.codebook)


ROWS = [("complete", model) for model in MODELS]
ROWS += [("weights", "interaction"), ("weights", "embedded"), ("blanks", "plain"), ("blanks", "repeated")]
SLOW = {
    "pos": ("interaction", "embedded"),
    "ordinal": ("disjoint", "repeated"),
    "blindfolding": tuple(m for m in MODELS if m not in ("GSCA", "three-way")),
    "copula": ("plain", "interaction", "embedded"),
}


@pytest.mark.parametrize(("kind", "model"), ROWS)
@pytest.mark.filterwarnings("ignore::cxmodels.errors.CxWarning")
def test_every_method_works_or_says_why_not(kind, model):
    text, options = MODELS[model]
    weights = np.random.default_rng(1).uniform(0.5, 2, 250) if kind == "weights" else None
    fit = cx.PLS(text, **options).fit(respondents(kind), weights=weights)
    for method, call in METHODS.items():
        said = words(method, model)
        if said:
            with pytest.raises(CxError, match=re.escape(said)) as caught:
                call(fit)
            assert str(caught.value).count(". ") <= 1
        elif model in SLOW.get(method, MODELS):
            values = numbers(call(fit))
            assert len(values)
            assert np.isfinite(values).mean() > 0.3, method


@pytest.mark.parametrize("model", ["interaction", "three-way", "disjoint", "embedded", "repeated"])
def test_scores_of_stages_have_unit_variance_and_the_data_s_index(model):
    text, options = MODELS[model]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        fit = cx.PLS(text, **options).fit(respondents("blanks"))
    plain = [c for c in fit.scores if ":" not in c]
    np.testing.assert_allclose(fit.scores[plain].std(), 1, rtol=1e-9)
    np.testing.assert_allclose(fit.scores.mean(), 0, atol=1e-9)
    assert fit.scores.index.equals(fit.row_index)


@pytest.mark.parametrize("model", ["plain", "interaction", "disjoint", "embedded", "repeated"])
def test_weights_are_rows_repeated_in_every_method(model):
    """Point estimates under whole-number weights are those of the table with rows repeated."""
    text, options = MODELS[model]
    survey, g = cx.datasets.load("mobi"), np.tile([1, 2, 1, 3, 1], 50)
    again = survey.iloc[np.repeat(np.arange(250), g)].reset_index(drop=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        a, b = cx.PLS(text, **options).fit(survey, weights=g), cx.PLS(text, **options).fit(again)
    tolerance = {"rtol": 4e-3, "atol": 1e-6}  # a product's unit knows n - 1
    np.testing.assert_allclose(a.paths["est"], b.paths["est"], **tolerance)
    for frame in ("loadings", "weights", "reliability", "r_squared"):
        ours, theirs = (numbers(getattr(f, frame)) for f in (a, b))
        skip = slice(None, None, 2) if frame == "r_squared" else slice(None)  # the adjusted R² counts rows
        np.testing.assert_allclose(ours[skip], theirs[skip], **tolerance)
    np.testing.assert_allclose(a.ipma("Loyalty", (1, 10)), b.ipma("Loyalty", (1, 10)), **tolerance)
    fixed = np.arange(250) % 4
    errors = [f.predict_oos(folds).metrics["rmse"] for f, folds in ((a, fixed), (b, np.repeat(fixed, g)))]
    np.testing.assert_allclose(*errors, rtol=4e-3)
    if not a.spec.plan.terms:
        np.testing.assert_allclose(a.model_fit, b.model_fit, rtol=1e-6)
