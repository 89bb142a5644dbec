"""What theory promises of PLS path modelling: criteria by definition, weights, order, units, kinds of frames, missing answers."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import ConvergenceWarning, DataWarning, ImproperSolutionWarning, SpecWarning

MODEL = """
Image =~ i1 + i2 + i3
Quality =~ q1 + q2 + q3 + q4
Value =~ v1
Satisfaction =~ s1 + s2 + s3
Quality ~ Image
Value ~ Image + Quality
Satisfaction ~ Image + Quality + Value
"""
FRAMES = (
    *("paths", "weights", "loadings", "r_squared", "reliability", "htmt", "fornell_larcker", "cross_loadings"),
    *("vif", "item_vif", "f_squared", "effects"),
)


def sample(n: int = 120, seed: int = 1, noise: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    image = rng.standard_normal(n)
    quality = 0.6 * image + 0.8 * rng.standard_normal(n)
    value = 0.3 * image + 0.4 * quality + rng.standard_normal(n)
    satisfaction = 0.2 * image + 0.5 * quality + 0.2 * value + 0.6 * rng.standard_normal(n)
    blocks = {"i": (image, 3), "q": (quality, 4), "v": (value, 1), "s": (satisfaction, 3)}
    data = {
        f"{name}{k + 1}": (1 + k) * (f + noise * rng.standard_normal(n)) + k
        for name, (f, size) in blocks.items()
        for k in range(size)
    }
    return pd.DataFrame(data)


DATA = sample()


def numbers(res) -> dict[str, np.ndarray]:
    return {name: getattr(res, name).select_dtypes("number").to_numpy(float) for name in FRAMES}


def same(a, b, *, skip=(), atol=1e-8):
    first, second = numbers(a), numbers(b)
    for name in FRAMES:
        if name not in skip:
            np.testing.assert_allclose(first[name], second[name], rtol=0, atol=atol, err_msg=name)


def test_measurement_criteria_from_their_definitions():
    res = cx.PLS(MODEL).fit(DATA)
    r = DATA.corr()
    blocks = {c: list(g["item"]) for c, g in res.loadings.groupby("construct", sort=False)}
    for name, items in blocks.items():
        k, block = len(items), r.loc[items, items].to_numpy()
        loading = res.loadings.query("construct == @name")["est"].to_numpy()
        w = res.weights.query("construct == @name")["est"].to_numpy()
        row = res.reliability.loc[name]
        if k == 1:
            assert row.tolist() == [1, 1, 1, 1]
            continue
        mean_r = (block.sum() - k) / (k * (k - 1))
        assert row["alpha"] == pytest.approx(k * mean_r / (1 + (k - 1) * mean_r))
        off = ~np.eye(k, dtype=bool)
        ww = np.outer(w, w)
        rho_a = (w @ w) ** 2 * (ww * block)[off].sum() / (ww * ww)[off].sum()
        assert row["rho_a"] == pytest.approx(rho_a)
        assert row["rho_c"] == pytest.approx(loading.sum() ** 2 / (loading.sum() ** 2 + (1 - loading**2).sum()))
        assert row["ave"] == pytest.approx((loading**2).mean())
        assert res.fornell_larcker.loc[name, name] == pytest.approx(np.sqrt((loading**2).mean()))
        np.testing.assert_allclose(res.item_vif.query("construct == @name")["vif"], np.diag(np.linalg.inv(block)))
    for a, first in blocks.items():
        for b, second in blocks.items():
            if a == b:
                continue
            between = np.abs(r.loc[first, second].to_numpy()).mean()
            inside = [
                1.0 if len(i) == 1 else np.abs(r.loc[i, i].to_numpy()[~np.eye(len(i), dtype=bool)]).mean()
                for i in (first, second)
            ]
            assert res.htmt.loc[a, b] == pytest.approx(between / np.sqrt(inside[0] * inside[1]))
    correlations = res.scores.corr().to_numpy()
    off = ~np.eye(len(blocks), dtype=bool)
    np.testing.assert_allclose(res.fornell_larcker.to_numpy()[off], correlations[off], atol=1e-12)
    np.testing.assert_allclose(res.scores.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(res.scores.std(), 1, atol=1e-12)
    assert (np.diag(res.htmt) == 1).all()


def test_consistent_pls_recovers_a_factor_model():
    """Loadings and paths of a common factor model, at a size where sampling error is about .01."""
    rng = np.random.default_rng(5)
    n, loading = 20_000, np.array([0.9, 0.8, 0.7, 0.6])
    f = rng.standard_normal(n)
    g = 0.5 * f + np.sqrt(0.75) * rng.standard_normal(n)
    noise = np.sqrt(1 - loading**2) * rng.standard_normal((2, n, 4))
    x = np.hstack([f[:, None] * loading, g[:, None] * loading]) + np.hstack(list(noise))
    data = pd.DataFrame(x, columns=[f"x{i}" for i in range(8)])
    model = "F =~ x0 + x1 + x2 + x3\nG =~ x4 + x5 + x6 + x7\nG ~ F"
    plain, consistent = cx.PLS(model).fit(data), cx.PLS(model, consistent=True).fit(data)
    np.testing.assert_allclose(consistent.loadings["est"], np.tile(loading, 2), atol=0.02)
    assert consistent.paths["est"].item() == pytest.approx(0.5, abs=0.02)
    assert plain.paths["est"].item() < 0.46  # attenuated
    composite = cx.PLS(model.replace("=~", "<~"), consistent=True).fit(data)
    same(composite, plain)  # only constructs written =~ are corrected


# --- weights, rows, order ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("standardize", [True, False])
def test_whole_number_weights_are_rows_repeated(standardize):
    g = np.random.default_rng(3).integers(0, 4, len(DATA))
    spec = cx.PLS(MODEL, standardize=standardize)
    weighted = spec.fit(DATA, weights=g)
    repeated = spec.fit(DATA.loc[DATA.index.repeat(g)].reset_index(drop=True))
    # what depends on a number of rows or on a divisor n - 1 of the raw metric differs by design
    skip = ["r_squared"] if standardize else ["r_squared", "weights"]
    same(weighted, repeated, skip=skip)
    np.testing.assert_allclose(weighted.r_squared["r2"], repeated.r_squared["r2"], atol=1e-10)
    assert weighted.n_obs == (g > 0).sum()
    assert weighted.excluded.values.tolist() == [["weight of zero", int((g == 0).sum())]]
    scale = (-50, 50)
    np.testing.assert_allclose(weighted.index(scale), repeated.index(scale))
    np.testing.assert_allclose(
        weighted.unstandardized_effects(scale)["total"], repeated.unstandardized_effects(scale)["total"]
    )


def test_scale_of_weights_does_not_matter():
    g = np.random.default_rng(4).uniform(0.2, 3, len(DATA))
    first = cx.PLS(MODEL).fit(DATA, weights=g)
    for factor in (1e-9, 7.3, 1e12):
        other = cx.PLS(MODEL).fit(DATA, weights=factor * g)
        same(first, other)
        np.testing.assert_allclose(first.index_se((-50, 50)), other.index_se((-50, 50)))
    same(cx.PLS(MODEL).fit(DATA), cx.PLS(MODEL).fit(DATA, weights=np.full(len(DATA), 3.3)))


def test_weights_by_column_by_value_and_of_the_survey_are_the_same():
    g = np.random.default_rng(5).uniform(0.2, 3, len(DATA))
    data = DATA.assign(w=g)
    by_value = cx.PLS(MODEL).fit(DATA, weights=g)
    same(by_value, cx.PLS(MODEL).fit(data, weights="w"), atol=0)
    same(by_value, cx.PLS(MODEL).fit(cx.Survey(data, weights="w")), atol=0)
    assert "weighted" in repr(by_value)


def test_order_of_rows_items_and_constructs_does_not_matter():
    res = cx.PLS(MODEL).fit(DATA)
    shuffled = cx.PLS(MODEL).fit(DATA.sample(frac=1, random_state=1))
    same(res, shuffled)
    pd.testing.assert_frame_equal(res.scores, shuffled.scores.sort_index(), atol=1e-8, rtol=0)
    other = """
    Satisfaction ~ Value + Quality + Image
    Value ~ Quality + Image
    Satisfaction =~ s3 + s1 + s2
    Value =~ v1
    Image =~ i2 + i3 + i1
    Quality =~ q4 + q3 + q1 + q2
    Quality ~ Image
    """
    turned = cx.PLS(other).fit(DATA[DATA.columns[::-1]])
    for name, keys in [
        ("paths", ["outcome", "predictor"]),
        ("vif", ["outcome", "predictor"]),
        ("f_squared", ["outcome", "predictor"]),
        ("effects", ["outcome", "predictor"]),
        ("weights", ["construct", "item"]),
        ("loadings", ["construct", "item"]),
        ("item_vif", ["construct", "item"]),
    ]:
        a, b = (getattr(r, name).set_index(keys).sort_index() for r in (res, turned))
        pd.testing.assert_frame_equal(a, b, atol=1e-8, rtol=0)
    for name in ("htmt", "fornell_larcker", "cross_loadings", "reliability", "r_squared"):
        a, b = (getattr(r, name).sort_index().sort_index(axis=1) for r in (res, turned))
        pd.testing.assert_frame_equal(a, b, atol=1e-8, rtol=0)


@pytest.mark.parametrize("factor", [1e-9, 1e9, -3.0])
def test_units_of_items_do_not_matter(factor):
    res = cx.PLS(MODEL).fit(DATA)
    changed = DATA.copy()
    for item in ["q1", "q2", "q3", "q4"]:
        changed[item] = factor * changed[item] + 5
    other = cx.PLS(MODEL).fit(changed)
    # a block turned round as a whole is turned back: loadings have a positive sum, so the construct is reversed
    sign = np.sign(factor)
    ours = other.paths.set_index(["outcome", "predictor"])["est"]
    for row in res.paths.itertuples():
        turned = sign if "Quality" in (row.outcome, row.predictor) else 1
        assert ours[row.outcome, row.predictor] == pytest.approx(turned * row.est, abs=1e-7)
    np.testing.assert_allclose(other.weights["est"], res.weights["est"], atol=1e-7)
    np.testing.assert_allclose(other.loadings["est"], res.loadings["est"], atol=1e-7)
    np.testing.assert_allclose(other.r_squared, res.r_squared, atol=1e-7)


def test_raw_metric_is_the_standardised_one_for_standardised_items():
    z = (DATA - DATA.mean()) / DATA.std()
    same(cx.PLS(MODEL).fit(z), cx.PLS(MODEL, standardize=False).fit(z))


def test_raw_metric_scales_with_a_common_unit():
    res, tenfold = (cx.PLS(MODEL, standardize=False).fit(f * DATA) for f in (1, 10))
    same(res, tenfold, skip=["weights"])
    np.testing.assert_allclose(tenfold.weights["est"] * 10, res.weights["est"], atol=1e-8)


def test_signs_are_the_same_whatever_the_start():
    """Loadings of every construct have a positive sum, so one reversed item does not turn the construct."""
    reversed_ = DATA.assign(q2=-DATA["q2"])
    with pytest.warns(DataWarning, match="'q2' loads negatively"):
        res = cx.PLS(MODEL).fit(reversed_)
    assert (res.loadings.groupby("construct")["est"].sum() > 0).all()
    plain = cx.PLS(MODEL).fit(DATA)
    np.testing.assert_allclose(res.paths["est"], plain.paths["est"], atol=1e-8)
    assert any("'q2' loads negatively" in text for text in res.warnings)
    assert "'q2' loads negatively" in res.summary()
    assert "q2" in res._repr_html_()


def test_duplicated_rows_change_nothing_but_degrees_of_freedom():
    doubled = pd.concat([DATA, DATA], ignore_index=True)
    same(cx.PLS(MODEL).fit(DATA), cx.PLS(MODEL).fit(doubled), skip=["r_squared"])


def test_duplicated_item_is_warned_about_and_estimated():
    twice = DATA.assign(q2=DATA["q1"])
    with pytest.warns(DataWarning, match="Items 'q1', 'q2' of 'Quality' are collinear"):
        res = cx.PLS(MODEL).fit(twice)
    weights = res.weights.set_index("item")["est"]
    assert weights["q1"] == pytest.approx(weights["q2"])
    assert "collinear" in res.summary()
    boot = res.bootstrap(50, seed=1, interval="bca")  # item VIF without bound must not spoil the rest
    assert boot.failed == 0
    assert boot.paths.notna().all(axis=None)
    with pytest.warns(DataWarning, match="Items 'q1', 'q2', 'q3' of 'Quality' are collinear"):
        cx.PLS(MODEL).fit(DATA.assign(q3=DATA["q1"] + 2 * DATA["q2"]))


# --- frames of every kind ----------------------------------------------------------------------------------------


def _holed() -> pd.DataFrame:
    data = DATA.round().copy()
    data.iloc[::7, 2] = np.nan
    return data


@pytest.mark.parametrize("kind", ["nullable", "arrow", "polars", "dict", "float32", "object", "survey"])
def test_kind_of_frame_does_not_matter(kind):
    data = _holed()
    res = cx.PLS(MODEL).fit(data)
    if kind == "polars":
        pl = pytest.importorskip("polars")
        other = pl.DataFrame({c: [None if np.isnan(v) else v for v in data[c]] for c in data})
    elif kind == "arrow":
        pytest.importorskip("pyarrow")
        other = data.convert_dtypes(dtype_backend="pyarrow")
    else:
        other = {
            "nullable": lambda: data.convert_dtypes(),
            "dict": lambda: {c: data[c].to_numpy() for c in data},
            "float32": lambda: data.astype("float32"),
            "object": lambda: data.astype(object),
            "survey": lambda: cx.Survey(data),
        }[kind]()
    same(res, cx.PLS(MODEL).fit(other), atol=0)
    assert res.items.loc["i3", "missing"] == np.isnan(data["i3"]).sum()


def test_the_callers_index_survives_and_data_are_not_touched():
    data = _holed()
    data.index = pd.Index([f"r{i // 2}" for i in range(len(data))], name="respondent")  # labels repeat
    before = data.copy()
    res = cx.PLS(MODEL).fit(data, missing="listwise")
    kept = data.notna().all(axis=1)
    pd.testing.assert_index_equal(res.scores.index, data.index[kept])
    pd.testing.assert_index_equal(res.index_scores((-50, 50)).index, data.index[kept])
    pd.testing.assert_frame_equal(data, before)
    assert res.n_obs == kept.sum()
    assert res.excluded.values.tolist() == [["incomplete answers", int((~kept).sum())]]


def test_fitting_twice_gives_the_same_and_later_changes_do_not_reach_the_result():
    spec, data = cx.PLS(MODEL), DATA.copy()
    res = spec.fit(data)
    expected = res.paths.copy()
    data.iloc[:, :] = 0.0
    pd.testing.assert_frame_equal(res.paths, expected)
    assert len(res.scores.drop_duplicates()) == len(DATA)
    same(res, spec.fit(DATA), atol=0)
    for other in (pickle.loads(pickle.dumps(res)), copy.deepcopy(res)):
        same(res, other, atol=0)
        pd.testing.assert_frame_equal(other.bootstrap(5, seed=1).paths, res.bootstrap(5, seed=1).paths)
    with pytest.raises(AttributeError):
        spec.scheme = "centroid"
    with pytest.raises(AttributeError):
        res.missing = "listwise"


# --- missing answers ---------------------------------------------------------------------------------------------


def scattered(share=0.1, n=150):
    data = sample(n, seed=8)
    return data.mask(np.random.default_rng(9).random(data.shape) < share)


def test_mean_replacement_is_what_it_says():
    data = scattered()
    same(cx.PLS(MODEL).fit(data), cx.PLS(MODEL).fit(data.fillna(data.mean())))
    g = np.random.default_rng(1).uniform(0.5, 2, len(data))
    means = (data.mul(g, axis=0).sum() / data.notna().mul(g, axis=0).sum()).to_dict()
    same(cx.PLS(MODEL).fit(data, weights=g), cx.PLS(MODEL).fit(data.fillna(means), weights=g))


def test_listwise_is_dropna():
    data = scattered(0.03)
    res = cx.PLS(MODEL).fit(data, missing="listwise")
    same(res, cx.PLS(MODEL).fit(data.dropna()), atol=0)
    assert f"{len(data) - len(data.dropna())} incomplete answers" in repr(res)


def test_pairwise_deletion_is_the_naive_double_loop():
    from cxmodels.moments import WeightedMoments

    data = scattered(0.2)
    x = data.to_numpy()
    expected = np.empty((x.shape[1],) * 2)
    for i in range(x.shape[1]):
        for j in range(x.shape[1]):
            both = ~np.isnan(x[:, i]) & ~np.isnan(x[:, j])
            expected[i, j] = np.cov(x[both, i], x[both, j])[0, 1]
    means, cov = WeightedMoments(x, "pairwise")()
    np.testing.assert_allclose(cov[0], expected, rtol=1e-10)
    np.testing.assert_allclose(means[0], np.nanmean(x, axis=0))
    np.testing.assert_allclose(cov[0], data.cov(), rtol=1e-10)  # and pandas says the same
    res = cx.PLS(MODEL).fit(data, missing="pairwise")
    sd = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(res.estimate.cov[0], expected / np.outer(sd, sd), rtol=1e-10)
    np.testing.assert_allclose(res.items["sd"], sd)
    same(cx.PLS(MODEL).fit(DATA, missing="pairwise"), cx.PLS(MODEL).fit(DATA), atol=1e-12)


@pytest.mark.parametrize("missing", ["complete", "mean", "pairwise"])
def test_many_weightings_at_once_are_each_alone(missing):
    from cxmodels.moments import WeightedMoments

    x = (DATA if missing == "complete" else scattered(0.15)).to_numpy()
    moments = WeightedMoments(x, missing)
    g = np.random.default_rng(2).integers(0, 4, (7, len(x))).astype(float)
    means, cov = moments(g)
    for line, mean, c in zip(g, means, cov, strict=True):
        kept = np.repeat(x, line.astype(int), axis=0)
        m = np.nanmean(kept, axis=0)
        np.testing.assert_allclose(mean, m, rtol=1e-9)
        n, total = len(x), len(kept)
        if missing == "pairwise":
            o = ~np.isnan(kept)
            for i in range(3):
                for j in range(3):
                    both = o[:, i] & o[:, j]
                    rows = both.sum() / total * n
                    divide = np.cov(kept[both, i], kept[both, j], ddof=0)[0, 1] * rows / (rows - 1)
                    assert c[i, j] == pytest.approx(divide, rel=1e-9)
        else:
            d = np.where(np.isnan(kept), m, kept) - m
            np.testing.assert_allclose(c, d.T @ d / total * n / (n - 1), rtol=1e-9, atol=1e-9)


def test_pairwise_correlations_that_contradict_one_another_are_warned_about():
    data = scattered(0.55, n=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        with pytest.warns(ImproperSolutionWarning, match="not positive definite"):
            res = cx.PLS(MODEL).fit(data, missing="pairwise")
    assert "not positive definite" in res.summary()


# --- warnings that stay with the result --------------------------------------------------------------------------


def test_not_converged_says_so_everywhere():
    with pytest.warns(ConvergenceWarning, match="not settled after 2 iterations"):
        res = cx.PLS(MODEL, max_iter=2).fit(DATA)
    assert not res.converged
    assert res.iterations == 2
    for text in (repr(res), res.summary(), res._repr_html_()):
        assert "NO, stopped at 2" in text
        assert "not settled" in text


def test_improper_consistent_solutions_are_warned_about():
    rng = np.random.default_rng(0)
    f = rng.standard_normal(100)
    x = {f"a{i}": f + 2 * rng.standard_normal(100) for i in range(2)}
    x |= {f"b{i}": f + 2 * rng.standard_normal(100) for i in range(2)}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        res = cx.PLS("A =~ a0 + a1\nB =~ b0 + b1\nB ~ A", consistent=True).fit(pd.DataFrame(x))
    assert {w.category for w in caught} == {ImproperSolutionWarning}
    said = [str(w.message) for w in caught]
    assert any("corrected correlation of 'A' and 'B' is 1." in text for text in said)
    assert any("corrected R² of 'B' is 3.4" in text for text in said)
    assert all(text in res.summary() for text in said)


def test_an_item_in_two_constructs_is_warned_about_in_the_result_too():
    with pytest.warns(SpecWarning, match=r"'q1' measures more than one construct \('Image', 'Quality'\)"):
        spec = cx.PLS(MODEL.replace("i1 + i2 + i3", "i1 + i2 + q1"))
    res = spec.fit(DATA)
    assert "'q1' measures more than one construct" in res.summary()
    assert len(res.weights) == 11


def test_what_pls_ignores_of_a_model_is_said():
    extra = "\nImage ~~ Value\nSatisfaction ~ 1\nSatisfaction ~ 0*Image\nx := 2"
    with pytest.warns(SpecWarning, match=r"ignores .*'Image ~~ Value', 'Satisfaction ~1', 'Satisfaction ~ Image'"):
        spec = cx.PLS(MODEL.replace("~ Image + Quality + Value", "~ Quality + Value") + extra)
    assert "ignores" in spec.fit(DATA).summary()


def test_a_negative_outer_weight_is_flagged_in_the_index():
    data = DATA.assign(q2=-DATA["q2"])
    with pytest.warns(DataWarning):
        res = cx.PLS(MODEL).fit(data)
    with pytest.warns(ImproperSolutionWarning, match="Negative outer weight: 'q2' of 'Quality'"):
        res.index((-50, 50))
