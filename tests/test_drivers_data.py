"""Driver analysis on data as they come: types of columns, categories, weights of zero, many attributes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.drivers import kernel
from cxmodels.errors import DataError, DataWarning, SpecError, SpecWarning


def ratings(n=300, p=5, seed=0):
    rng = np.random.default_rng(seed)
    x = np.clip(np.round(6 + 1.5 * (rng.normal(size=(n, p)) + rng.normal(size=(n, 1)))), 1, 10)
    y = np.clip(np.round(x[:, :2].mean(axis=1) + rng.normal(size=n)), 0, 10)
    return pd.DataFrame(x, columns=[f"q{i}" for i in range(p)]).assign(y=y)


def importance(attributes, data, outcome="y", **spec):
    fit = {k: spec.pop(k) for k in ("weights", "missing") if k in spec}
    return cx.Drivers(outcome, attributes, **spec).fit(data, **fit).importance["importance"]


@pytest.mark.parametrize("dtype", ["int8", "Int64", "float32", "object", "boolean", "category"])
def test_types_of_columns_do_not_matter(dtype):
    data = ratings()
    data["q0"] = (data["q0"] > 6).astype(int) if dtype == "boolean" else data["q0"].astype(int)
    other = data.assign(q0=data["q0"].astype(pd.CategoricalDtype(ordered=True) if dtype == "category" else dtype))
    np.testing.assert_allclose(
        importance(["q0", "q1", "q2"], other), importance(["q0", "q1", "q2"], data), atol=1e-12
    )


def test_categories_of_the_data_are_one_player():
    data = ratings().assign(shop=np.resize(["north", "south", "east"], 300))
    named = importance(["q0", "shop"], data, categorical=["shop"])
    own = cx.Drivers("y", ["q0", "shop"]).fit(data.assign(shop=data["shop"].astype("category")))
    np.testing.assert_allclose(own.importance["importance"], named, atol=1e-12)
    assert own.spec.categorical == ("shop",)
    codes = data.assign(shop=data["shop"].map({"north": 3, "south": 1, "east": 2}).astype("category"))
    np.testing.assert_allclose(importance(["q0", "shop"], codes), named, atol=1e-12)
    with pytest.raises(SpecError, match="method='johnson' cannot take the block 'shop'"):
        cx.Drivers("y", ["q0", "shop"], "johnson").fit(codes)
    with pytest.raises(DataError, match="'shop' holds text"):
        cx.Drivers("y", ["q0", "shop"]).fit(data)


def test_a_category_that_loses_its_rows_loses_its_column():
    data = ratings().assign(shop=pd.Categorical(np.resize(["north", "south", "east", "none"], 300)))
    weights = np.where(data["shop"] == "east", 0, 1)  # the first category, that the others are measured from
    kept = data[data["shop"] != "east"]
    res = cx.Drivers("y", ["q0", "shop"]).fit(data, weights=weights)
    np.testing.assert_allclose(res.importance["importance"], importance(["q0", "shop"], kept), atol=1e-12)
    assert [t for t in res.coefficients.index if "shop" in t] == ["shop=north", "shop=south"] or len(
        res.coefficients
    ) == 4
    holes = data.assign(q0=data["q0"].where(data["shop"] != "none"))
    listwise = importance(["q0", "shop"], holes)
    np.testing.assert_allclose(listwise, importance(["q0", "shop"], data[data["shop"] != "none"]), atol=1e-12)


def test_rows_of_weight_zero_do_not_count():
    data = ratings()
    weights = np.where(np.arange(300) < 40, 0.0, np.linspace(1, 2, 300))
    spoilt = data.copy()
    spoilt.loc[:39, "q0"] = 1
    np.testing.assert_allclose(
        importance(["q0", "q1"], spoilt, weights=weights),
        importance(["q0", "q1"], data[40:].reset_index(drop=True), weights=weights[40:]),
        atol=1e-12,
    )


def test_orders_by_factor_are_orders_by_pivot():
    """Where columns are apart, one Cholesky factor says what pivoting says."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 7)) + rng.normal(size=(80, 1))
    cor = np.corrcoef(np.column_stack([x, x.sum(axis=1) + rng.normal(size=80)]).T)
    columns = np.array([[3, 1, 0, 6, 5, 2, 4, 7], [0, 1, 2, 3, 4, 5, 6, 7]])
    a = cor[columns[:, :, None], columns[:, None, :]]
    np.testing.assert_allclose(kernel._triangular(a.copy()), kernel._swept(a), atol=1e-13)


def test_sixty_attributes_with_a_repeated_one():
    data = ratings(500, 59).assign(twin=lambda d: d["q0"])
    names = [f"q{i}" for i in range(59)] + ["twin"]
    with pytest.warns(SpecWarning, match="Monte Carlo error"), pytest.warns(UserWarning, match="Exact combination"):
        res = cx.Drivers("y", names, pairs=100).fit(data)
    frame = res.importance
    assert frame["importance"].sum() == pytest.approx(res.r_squared, abs=1e-10)
    assert abs(frame.loc["q0", "importance"] - frame.loc["twin", "importance"]) < 4 * frame["mc_error"].max()


@pytest.mark.parametrize("method", ["shapley", "johnson", "first", "last", "betasq", "pratt", "car", "pmvd"])
def test_a_single_attribute_gets_everything(method):
    data = ratings()
    got = importance(["q0"], data, method=method)
    assert got["q0"] == pytest.approx(np.corrcoef(data["q0"], data["y"])[0, 1] ** 2, abs=1e-12)


def test_as_few_rows_as_can_be():
    data = ratings(6, 3, seed=3)
    res = cx.Drivers("y", ["q0", "q1", "q2"])
    found = res.fit(data)
    assert found.importance["importance"].sum() == pytest.approx(found.r_squared, abs=1e-10)
    with pytest.raises(DataError, match="5 rows are too few for 3 columns"):
        res.fit(data.head(5))


def test_a_plan_makes_detractors_fewer():
    res = cx.Drivers("y", ["q0", "q1"], family="detractor").fit(ratings())
    bought = res.plan({"q0": 1.0, "q1": 1.0}, 1.0, scale=(1, 10))
    assert (bought.effects["effect"] < 0).all()
    assert (bought.effects["cost_per_point"] > 0).all()
    assert bought.effects["cost"].sum() == pytest.approx(1.0)
    opposite = cx.Drivers("y", ["q0"], family="detractor").fit(ratings().assign(q0=lambda d: 11 - d["q0"]))
    with pytest.raises(SpecError, match="goes with fewer detractors in 'y'"):
        opposite.plan({"q0": 1.0}, 1.0, scale=(1, 10))


def test_the_paragraph_names_the_largest_change_whatever_its_sign():
    res = cx.Drivers("y", ["q0", "q4"], family="detractor").fit(ratings())
    said = res.deliverable(20, scale=(1, 10))
    largest = said.what_if.effects["effect"].abs().idxmax()
    assert said.what_if.effects.loc[largest, "effect"] < 0
    assert f"that of {largest} goes with the largest change, -" in said.paragraph


def test_a_group_listed_twice_is_named():
    with pytest.raises(SpecError, match="The group 'Staff' is listed 2 times"):
        cx.Drivers("y", ["Staff", "Staff"], groups={"Staff": ["q0", "q1"]})


def test_segments_of_an_attribute_are_refused():
    with pytest.raises(SpecError, match="'q0' is in the model itself"):
        cx.Drivers("y", ["q0", "q1"]).fit(ratings()).segments("q0", 20)


def test_two_texts_as_outcome_say_how_to_recode():
    data = ratings().assign(left=lambda d: np.where(d["y"] > 6, "no", "yes"))
    with pytest.raises(DataError, match=r"recode it, such as data\['left'\] == '(yes|no)'"):
        cx.Drivers("left", ["q0"], family="logit").fit(data)


def test_an_index_cannot_be_raised_beyond_its_end():
    text = "Q =~ PERQ1 + PERQ2 + PERQ3\nS =~ CUSA1 + CUSA2 + CUSA3\nS ~ Q"
    fit = cx.PLS(text).fit(cx.datasets.load("mobi"))
    room = 100 - fit.index(scale=(1, 10))["Q"]
    with pytest.raises(SpecError, match=f"beyond the end of 0 to 100; ask for at most {room:.1f}"):
        cx.drivers.simulate_structure(fit, {"Q": room + 1}, "S", scale=(1, 10), n=20)
    up = cx.drivers.simulate_structure(fit, {"Q": room - 1}, "S", scale=(1, 10), n=20, seed=1)
    assert up.effects.loc["Q", "effect"] == pytest.approx(room - 1)


@pytest.mark.parametrize("measure", ["mcfadden", "cox_snell", "nagelkerke", "estrella"])
def test_an_attribute_that_tells_the_outcome_is_said(measure):
    data = ratings().assign(high=lambda d: d["q0"] > 6)
    with pytest.warns(DataWarning, match="tell 'high' without an error in the 300 rows"):
        res = cx.Drivers("high", ["q0", "q1"], family="logit", measure=measure).fit(data)
    assert "without an error" in res.summary()
