"""The 0-100 index and impacts: definitions checked on respondents' scores, one by one."""

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels import index as ix
from cxmodels.errors import DataError, SpecError

MODEL = cx.acsi.ECSI.syntax
SCALE = (1, 10)


@pytest.fixture(scope="module")
def res(mobi):
    return cx.PLS(MODEL).fit(mobi)


def test_index_is_the_mean_score_and_weights_sum_to_one(res, mobi):
    scores, index = res.index_scores(SCALE), res.index(SCALE)
    np.testing.assert_allclose(scores.mean(), index)
    assert ((scores >= 0) & (scores <= 100)).all(axis=None)
    for construct, items in res.weights.groupby("construct"):
        raw = items["est"].to_numpy() / mobi[items["item"]].std().to_numpy()
        v = raw / raw.sum()
        by_hand = 100 * (mobi[items["item"]] @ v - 1) / 9
        np.testing.assert_allclose(scores[construct], by_hand)
        # the published way: 100 (sum w mean - sum w) / (9 sum w)
        means = mobi[items["item"]].mean().to_numpy()
        assert index[construct] == pytest.approx(100 * (raw @ means - raw.sum()) / (9 * raw.sum()))
    np.testing.assert_allclose(res.index_se(SCALE), scores.std() / np.sqrt(len(scores)))


def test_index_is_a_linear_map_of_the_standardised_score(res):
    scores = res.index_scores(SCALE)
    for construct in scores:
        assert np.corrcoef(scores[construct], res.scores[construct])[0, 1] == pytest.approx(1)


@pytest.mark.parametrize(("answer", "index"), [(1, 0), (10, 100), (5.5, 50)])
def test_ends_of_the_scale_are_0_and_100(answer, index):
    v = np.array([[0.2, 0], [0.8, 0], [0, 1.0]])
    assert ix.index(np.full(3, float(answer)), v, np.ones(3), np.full(3, 10.0)) == pytest.approx([index, index])


def test_items_on_different_scales(mobi):
    """Five points for some items: 0-100 covers each item's own ends; the ends weigh as the formula says."""
    data = mobi.copy()
    data["CUSA1"] = 1 + (data["CUSA1"] - 1) * 4 / 9
    other = cx.PLS(MODEL).fit(data)
    scale = dict.fromkeys(cx.acsi.ECSI.items, (1, 10)) | {"CUSA1": (1, 5)}
    v = pd.Series(other.raw_weights[:, other.layout.constructs.index("Satisfaction")], other.layout.items)
    v = v[["CUSA1", "CUSA2", "CUSA3"]] / v.sum()
    lo, hi = np.array([1, 1, 1]), np.array([5, 10, 10])
    expected = 100 * (data[v.index].mean() @ v - lo @ v) / (hi @ v - lo @ v)
    assert other.index(scale)["Satisfaction"] == pytest.approx(expected)
    assert other.index_scores(scale)["Satisfaction"].between(0, 100).all()


def test_impacts_are_regressions_between_scores(res):
    scores = res.index_scores(SCALE)
    effects = res.unstandardized_effects(SCALE).set_index(["outcome", "predictor"])
    names = list(scores)
    b = np.zeros((len(names), len(names)))
    for outcome, rows in res.paths.groupby("outcome"):
        predictors = list(rows["predictor"])
        centred = scores[predictors] - scores[predictors].mean()
        slopes = np.linalg.lstsq(centred, scores[outcome] - scores[outcome].mean(), rcond=None)[0]
        np.testing.assert_allclose(effects.loc[[(outcome, p) for p in predictors], "direct"], slopes, atol=1e-9)
        b[names.index(outcome), [names.index(p) for p in predictors]] = slopes
    total = np.linalg.inv(np.eye(len(names)) - b) - np.eye(len(names))
    for (outcome, predictor), row in effects.iterrows():
        assert row["total"] == pytest.approx(total[names.index(outcome), names.index(predictor)])
        assert row["direct"] + row["indirect"] == pytest.approx(row["total"])


def test_importance_and_performance(res, mobi):
    ipma = res.ipma("Loyalty", SCALE)
    assert set(ipma.index) == {"Image", "Expectation", "Quality", "Value", "Satisfaction", "Complaints"}
    effects = res.unstandardized_effects(SCALE).query("outcome == 'Loyalty'").set_index("predictor")["total"]
    np.testing.assert_allclose(ipma["importance"], effects[ipma.index])
    np.testing.assert_allclose(ipma["performance"], res.index(SCALE)[ipma.index])
    items = res.ipma("Loyalty", SCALE, items=True)
    # raising every item of a construct by one point of 0-100 raises the construct by one
    np.testing.assert_allclose(items["importance"].groupby(level="construct").sum()[ipma.index], ipma["importance"])
    performance = 100 * (mobi[items.index.get_level_values("item")].mean().to_numpy() - 1) / 9
    np.testing.assert_allclose(items["performance"], performance)


def test_weighted_index_and_its_error():
    """The standard error of a weighted mean, against its linearisation and a simulation with fixed weights."""
    rng = np.random.default_rng(1)
    g = rng.uniform(0.3, 3, 400)
    scores = rng.standard_normal((400, 1)) * 10
    mean = np.average(scores[:, 0], weights=g)
    linear = g * (scores[:, 0] - mean) / g.sum()
    assert ix.mean_se(scores, g)[0] == pytest.approx(np.sqrt(400 * linear.var(ddof=1)), rel=1e-3)
    assert ix.mean_se(scores, np.ones(400))[0] == pytest.approx(scores.std(ddof=1) / 20)
    draws = rng.integers(0, 400, (4000, 400))
    means = np.array([np.average(scores[d, 0], weights=g[d]) for d in draws])
    assert ix.mean_se(scores, g)[0] == pytest.approx(means.std(), rel=0.05)
    assert np.isnan(ix.mean_se(scores[:1], g[:1])[0])


def test_index_of_weighted_data_uses_the_weights(mobi):
    g = np.random.default_rng(2).uniform(0.2, 3, len(mobi))
    res = cx.PLS(MODEL).fit(mobi, weights=g)
    scores = res.index_scores(SCALE)
    np.testing.assert_allclose(np.average(scores, axis=0, weights=g), res.index(SCALE))
    assert not np.allclose(scores.mean(), res.index(SCALE))


def test_scale_comes_from_the_codebook_unless_said(mobi):
    survey = cx.Survey(mobi, {"items": {i: {"scale": [1, 10]} for i in mobi}})
    res = cx.PLS(MODEL).fit(survey)
    pd.testing.assert_series_equal(res.index(), res.index((1, 10)))
    assert (res.index((0, 10)) > res.index()).all()
    mixed = res.index({"CUSA1": (0, 10)})
    changed = mixed.index[~np.isclose(mixed, res.index())]
    assert changed.tolist() == ["Satisfaction"]


def test_scale_with_an_end_of_zero_is_not_taken_for_missing():
    lo, hi = ix.scale_ends(["a", "b"], {"a": (0, 1)}, lambda item: (1, 10))
    assert (lo.tolist(), hi.tolist()) == ([0, 1], [1, 10])


def test_answers_outside_are_named_with_counts():
    x = np.array([[1.0, 11], [np.nan, 0], [5, 5]])
    with pytest.raises(DataError, match=r"outside the scale 1-10: 'b' \(2 answers\); correct the scale"):
        ix.check_inside(x, ["a", "b"], np.ones(2), np.full(2, 10.0))
    ix.check_inside(np.array([[1 - 1e-12, 10 + 1e-12]]), ["a", "b"], np.ones(2), np.full(2, 10.0))
    with pytest.raises(SpecError, match="scale names 'c', not an item of the model"):
        ix.scale_ends(["a", "b"], {"c": (1, 10)}, lambda item: None)
