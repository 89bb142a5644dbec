"""What a path model and its analyses refuse, and what their results say of the rows behind them."""

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import DataError, EstimationError, ImproperSolutionWarning, SpecError, SpecWarning

DATA = cx.datasets.load("mobi")
N = len(DATA)
ITEMS = """
Image =~ IMAG1 + IMAG2 + IMAG3
Satisfaction =~ CUSA1 + CUSA2 + CUSA3
Loyalty =~ CUSL1 + CUSL3
"""
TEXT = ITEMS + "Satisfaction ~ Image\nLoyalty ~ Satisfaction + Image\n"
OTHER = "Image =~ IMAG1 + IMAG2; Value =~ PERV1 + PERV2; Value ~ Image"
MODERATED = TEXT + "Loyalty ~ Image:Satisfaction\n"
ROW = np.arange(N)
GAPS = DATA.assign(IMAG1=DATA["IMAG1"].where(ROW != 5), CUSA2=DATA["CUSA2"].where(ROW % 100 != 7))
HALF = ROW % 2


@pytest.fixture(scope="module")
def fit():
    return cx.PLS(TEXT).fit(DATA)


@pytest.fixture(scope="module")
def gappy():
    return cx.PLS(TEXT).fit(GAPS, missing="listwise")


REFUSED = {
    "a model without constructs": (
        lambda f: cx.PLS("y ~ x"), SpecError, "The model has no constructs; write for example 'Quality =~ q1 + q2'.",
    ),
    "four parts": (
        lambda f: cx.PLS(TEXT + "Loyalty ~ Image:Satisfaction:Image:Satisfaction"), SpecError,
        "an interaction has two or three parts; for more, multiply columns in the data",
    ),
    "products of rows with gaps": (
        lambda f: cx.PLS(MODERATED).fit(GAPS, missing="pairwise"), SpecError,
        "Interactions need complete rows or means in place of blanks; use missing='mean' or 'listwise'.",
    ),
    "levels in words": (
        lambda f: cx.PLS(MODERATED).fit(DATA).simple_slopes("high"), SpecError,
        "levels must list numbers, in standard deviations of the moderator, not 'high'.",
    ),
    "levels not known": (
        lambda f: cx.PLS(MODERATED).fit(DATA).simple_slopes([np.nan]), SpecError, "levels must list numbers",
    ),
    "no level": (
        lambda f: cx.PLS(MODERATED).fit(DATA).simple_slopes([]), SpecError, "levels must list numbers",
    ),
    "loss of indicators": (
        lambda f: f.predict_oos(3, 1, seed=1).compare(f.predict_oos(3, 1, seed=1), "indirect"), SpecError,
        "Unknown approach 'indirect'; choose from 'direct', 'earliest'. Did you mean 'direct'?",
    ),
    "predictions of other rows": (
        lambda f: f.predict_oos(3, 1, seed=1).compare(cx.PLS(TEXT).fit(DATA[:200]).predict_oos(3, 1, seed=1)), SpecError,
        "Only models that predict the same items for the same rows can be compared.",
    ),
    "nothing in common": (
        lambda f: cx.compare(f, cx.PLS(OTHER).fit(DATA)).cvpat(3, 1, seed=1), SpecError,
        "No item is predicted by all models; compare models with an outcome in common.",
    ),
    "one model": (
        lambda f: cx.pls.compare(f), SpecError, "compare() takes two or more fitted models, not 1.",
    ),
    "strata with gaps": (
        lambda f: f.nca("Loyalty", 20, seed=1, strata=pd.Series(HALF).where(ROW > 3)), DataError,
        "strata is missing in 4 of 250 rows; fill or leave them out.",
    ),
    "too few labels": (
        lambda f: cx.pls.compare_groups(cx.PLS(TEXT), DATA, group=["a", "b"] * 5), DataError,
        "group has 10 labels for 250 rows; give one for each row.",
    ),
    "constant once blindfolded": (
        lambda f: cx.PLS(TEXT).fit(DATA.assign(CUSL1=np.where(ROW % 7 == 0, DATA["CUSL1"], 5.0))).blindfolding(7),
        EstimationError, "no estimate without every 7th answer to 'Loyalty'; use a larger distance.",
    ),
    "constant in a segment": (
        lambda f: cx.PLS(TEXT).fit(DATA.assign(CUSL1=(ROW == 3) * 1.0)).pos(2, starts=1, seed=1, smallest=20),
        DataError, "rows): Item 'CUSL1' is 0 in all",
    ),
    "unknown ordered item": (
        lambda f: f.ordinal(["IMAG9"]), SpecError, "'IMAG9' is not an item of the model. Did you mean 'IMAG",
    ),
    "discriminant level of two sides": (
        lambda f: f.discriminant(20, seed=1, level=0.3), SpecError,
        "The one-sided level must lie between 0.5 and 1, not 0.3.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(fit, name):
    call, kind, sentence = REFUSED[name]
    with pytest.raises(kind) as caught:
        call(fit)
    assert sentence in str(caught.value)


ANALYSES = {
    "Bootstrap": lambda f: f.bootstrap(20, seed=1),
    "Prediction": lambda f: f.predict_oos(3, 2, seed=1),
    "Ratio": lambda f: f.discriminant(20, seed=1),
    "Gaussian copula": lambda f: f.copula("Loyalty", n=5, seed=1),
    "Exact fit": lambda f: f.exact_fit(20, seed=1),
    "Tetrads": lambda f: cx.PLS(TEXT.replace("IMAG3", "IMAG3 + IMAG4")).fit(GAPS, missing="listwise").tetrads(20, seed=1),
    "FIMIX": lambda f: f.fimix(2, starts=1, seed=1),
    "POS": lambda f: f.pos(2, starts=1, seed=1),
    "Necessity": lambda f: f.nca("Loyalty", 20, seed=1),
    "Ordinal": lambda f: f.ordinal(),
    "Groups": lambda f: f.groups(HALF[f.rows], 20, seed=1, bootstrap=20),
    "Models": lambda f: cx.compare(f, f),
}  # fmt: skip


@pytest.mark.parametrize("name", ANALYSES)
def test_every_analysis_says_which_rows_it_stands_on(gappy, name):
    made = ANALYSES[name](gappy)
    # rows 5 and 7, 107, 207 lack an answer
    assert made.n_obs == 246
    assert made.excluded.to_numpy().tolist() == [["incomplete answers", 4]]
    assert "246 used, 4 excluded" in str(made.summary())
    if hasattr(made, "failed"):
        assert made.failed == 0


def test_fimix_of_one_segment_explains_what_regression_explains(fit):
    frame = fit.fimix(2, starts=2, seed=1)
    assert frame.r_squared(1)[1].to_numpy() == pytest.approx(
        fit.r_squared.loc[["Satisfaction", "Loyalty"], "r2"].to_numpy()
    )
    # of two: residual variance over the weighted mean square of the scores, by hand
    weight = frame.probabilities(2).to_numpy()
    scores = fit.scores[["Satisfaction", "Loyalty"]].to_numpy()
    total = np.stack([np.average(scores**2, axis=0, weights=w) for w in weight.T])
    assert 1 - frame.r_squared(2).to_numpy() == pytest.approx((frame.mixtures[2].variance / total).T)


def test_models_side_by_side(fit):
    less = cx.PLS(ITEMS + "Satisfaction ~ Image\nLoyalty ~ Satisfaction").fit(DATA)
    both = cx.compare(fit, less, names=["full", "mediated"])
    for frame, one in ((both.effects, "effects"), (both.loadings, "loadings")):
        value = {"effects": "total", "loadings": "est"}[one]
        for name, m in (("full", fit), ("mediated", less)):
            assert frame[name].to_numpy() == pytest.approx(getattr(m, one)[value].to_numpy())


def test_polychoric_correlations_that_no_normal_variables_have():
    coarse = DATA.iloc[:14] // 4
    with pytest.warns(ImproperSolutionWarning, match="not positive definite .smallest eigenvalue -0"):
        made = cx.PLS(TEXT).fit(coarse).ordinal()
    assert [w for w in made.warnings if "polychoric" in w]


def test_repeated_indicators_warn_of_what_dimensions_explain_already():
    text = ITEMS + "Value =~ PERV1 + PERV2\nCare <~ Image + Satisfaction\nCare ~ Value\nLoyalty ~ Care"
    alone = ITEMS + "Care <~ Image + Satisfaction\nLoyalty ~ Care"
    with pytest.warns(SpecWarning, match="read the total effects of 'Value' on it, not the paths"):
        cx.PLS(text, higher_order="repeated_indicators")
    assert not cx.PLS(alone, higher_order="repeated_indicators").fit(DATA).warnings


def test_estimates_in_parts_are_those_of_the_whole(fit, monkeypatch):
    import cxmodels.pls.bootstrap as module

    whole = fit.bootstrap(30, seed=1)
    monkeypatch.setattr(module, "_CELLS", 8 * 8 * 7)  # seven replicates at a time
    parts = fit.bootstrap(30, seed=1)
    pd.testing.assert_frame_equal(whole.paths, parts.paths)
