"""The resampling engine: known standard errors, the same numbers for any number of workers, failures counted."""

import time
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import cxmodels as cx
from cxmodels.errors import ConvergenceWarning, DataError, DataWarning, EstimationError, ReplicateWarning, SpecError
from cxmodels.resampling import INTERVALS, Sampling, bootstrap, intervals, jackknife, jackknife_se
from tests.test_pls import DATA, MODEL, sample

SMALL = "A =~ q1 + q2\nB =~ s1 + s2\nB ~ A"


class Mean:
    """The mean of each column, as a statistic the engine understands (a class, so that it pickles)."""

    def __init__(self, x):
        self.x = np.atleast_2d(np.asarray(x, float).T).T

    def __call__(self, g):
        return (g @ self.x) / g.sum(axis=1, keepdims=True), {}


def every_number(boot) -> np.ndarray:
    return boot.replicates.values


# --- known standard errors ---------------------------------------------------------------------------------------


def test_se_of_a_mean():
    x = np.random.default_rng(1).exponential(size=200)
    r = bootstrap(Mean(x), Sampling(200), 8000, seed=1)
    table = r.table(slice(None))
    # sd of a bootstrap SE from 8,000 replicates: about 1 / sqrt(16,000) = .8 %
    assert table["se"].item() == pytest.approx(x.std() / np.sqrt(200), rel=0.04)
    assert table["t"].item() == pytest.approx(x.mean() / table["se"].item())
    assert table["pvalue"].item() == pytest.approx(2 * stats.norm.sf(table["t"].item()), abs=1e-12)
    assert (r.failed, r.n) == (0, 8000)


def test_stratified_mean_against_the_closed_form():
    rng = np.random.default_rng(2)
    stratum = np.repeat(["b", "a", "c"], [30, 80, 50])
    x = np.select([stratum == "a", stratum == "b"], [10.0, 50.0], 90.0) + rng.standard_normal(160)
    order = rng.permutation(160)
    stratum, x = stratum[order], x[order]
    r = bootstrap(Mean(x), Sampling(160, strata=stratum), 5000, seed=3)
    within = sum(x[stratum == s].var() * (stratum == s).sum() for s in "abc") / 160**2
    assert r.table(slice(None))["se"].item() == pytest.approx(np.sqrt(within), rel=0.04)
    unstratified = bootstrap(Mean(x), Sampling(160), 2000, seed=3).table(slice(None))["se"].item()
    assert unstratified > 10 * np.sqrt(within)


def test_clustered_mean_against_the_closed_form():
    """With clusters of equal size the bootstrap variance is that of the mean of cluster means."""
    rng = np.random.default_rng(4)
    m, size = 40, 5
    cluster = np.repeat(np.arange(m), size)
    x = rng.standard_normal(m)[cluster] * 2 + rng.standard_normal(m * size)
    order = rng.permutation(m * size)
    cluster, x = cluster[order], x[order]
    means = pd.Series(x).groupby(cluster).mean().to_numpy()
    r = bootstrap(Mean(x), Sampling(len(x), clusters=cluster), 5000, seed=5)
    assert r.table(slice(None))["se"].item() == pytest.approx(means.std() / np.sqrt(m), rel=0.04)
    jack = jackknife(Mean(x), Sampling(len(x), clusters=cluster))
    assert jack.shape == (m, 1)
    assert jackknife_se(jack)[0] == pytest.approx(means.std(ddof=1) / np.sqrt(m))
    assert x.std() / np.sqrt(len(x)) < 0.6 * means.std() / np.sqrt(m)  # rows alone would be far too small


def test_clusters_within_strata():
    rng = np.random.default_rng(6)
    cluster = np.repeat(np.arange(30), 4)
    stratum = cluster % 3
    x = 20.0 * stratum + rng.standard_normal(30)[cluster] + 0.1 * rng.standard_normal(120)
    r = bootstrap(Mean(x), Sampling(120, strata=stratum, clusters=cluster), 5000, seed=7)
    means = pd.Series(x).groupby(cluster).mean().to_numpy()
    variance = sum(means[s::3].var() / 10 for s in range(3)) / 9
    assert r.table(slice(None))["se"].item() == pytest.approx(np.sqrt(variance), rel=0.04)


@pytest.mark.parametrize("seed", range(3))
def test_draws_keep_clusters_whole_and_strata_full(seed):
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, 25, 200)
    stratum = np.array(["x", "y", "z"])[cluster % 3]
    sampling = Sampling(200, strata=stratum, clusters=cluster)
    drawn = sampling.draw(np.random.default_rng(seed))
    counts = sampling.counts(drawn)
    by_cluster = pd.DataFrame({"c": cluster, "s": stratum, "n": counts}).groupby("c")
    assert (by_cluster["n"].nunique() == 1).all()
    per_stratum = by_cluster.first().groupby("s")["n"]
    assert (per_stratum.sum() == per_stratum.size()).all()
    plain = Sampling(50)
    assert plain.counts(plain.draw(np.random.default_rng(seed))).sum() == 50


def test_every_row_is_drawn_equally_often():
    sampling = Sampling(20)
    total = sum(sampling.counts(sampling.draw(np.random.default_rng(i))) for i in range(4000))
    assert stats.chisquare(total).pvalue > 0.001


def test_jackknife_of_a_variance_by_hand():
    x = np.random.default_rng(8).standard_normal(15)

    def variance(g):
        m = g @ x / g.sum(axis=1)
        return ((g * (x - m[:, None]) ** 2).sum(axis=1) / (g.sum(axis=1) - 1))[:, None], {}

    values = jackknife(variance, Sampling(15))
    by_hand = [np.delete(x, i).var(ddof=1) for i in range(15)]
    np.testing.assert_allclose(values[:, 0], by_hand)
    u = np.array(by_hand)
    assert jackknife_se(values)[0] == pytest.approx(np.sqrt(14 / 15 * ((u - u.mean()) ** 2).sum()))


# --- intervals ---------------------------------------------------------------------------------------------------


def test_percentile_and_bca_agree_with_scipy():
    rng = np.random.default_rng(9)
    x = rng.exponential(size=60)
    rows = rng.integers(0, 60, (2000, 60))
    r = bootstrap(Mean(x), Sampling(60), indices=rows, interval="bca")
    reps = x[rows].mean(axis=1)
    np.testing.assert_allclose(r.values[:, 0], reps)
    for kind, method in (("percentile", "percentile"), ("bca", "BCa"), ("basic", "basic")):
        theirs = stats.bootstrap(
            (x,), np.mean, n_resamples=0, bootstrap_result=_Given(reps), method=method, vectorized=True
        ).confidence_interval
        ours = r.table(slice(None), kind, 0.95)
        assert ours[["ci_lower", "ci_upper"]].values[0] == pytest.approx([theirs.low, theirs.high], rel=1e-9)


class _Given:
    """What scipy wants to see of an earlier bootstrap."""

    def __init__(self, reps):
        self.bootstrap_distribution = reps


def test_studentised_interval_of_a_mean_by_hand():
    """With the nested standard errors known in closed form the limits are those of the textbook."""
    x = np.random.default_rng(10).exponential(size=40)
    rows = np.random.default_rng(11).integers(0, 40, (3000, 40))
    reps, se_reps = x[rows].mean(axis=1), x[rows].std(axis=1) / np.sqrt(40)
    t = (reps - x.mean()) / se_reps
    high, low = np.quantile(t, [0.975, 0.025])
    found = intervals(np.array([x.mean()]), reps[:, None], "studentized", se_reps=se_reps[:, None])
    expected = x.mean() - high * reps.std(ddof=1), x.mean() - low * reps.std(ddof=1)
    assert [found[0][0], found[1][0]] == pytest.approx(expected)
    nested = bootstrap(Mean(x), Sampling(40), 600, seed=2, interval="studentized")
    # fifty inner resamples give each SE with an error of a tenth; on average they are right
    own = np.sqrt(np.mean(nested.se_values**2))
    assert own == pytest.approx(np.sqrt(39 / 40) * x.std() / np.sqrt(40), rel=0.05)
    limits = nested.table(slice(None), "studentized")[["ci_lower", "ci_upper"]].values[0]
    assert limits == pytest.approx(expected, abs=0.08)
    assert limits[1] - x.mean() > x.mean() - limits[0]  # skewed to the right, as the data


def test_kinds_of_interval_on_a_model():
    res = cx.PLS(SMALL).fit(DATA)
    found = {}
    for kind in INTERVALS:
        boot = res.bootstrap(80, seed=1, interval=kind)
        paths = boot.paths.loc[0]
        found[kind] = paths[["ci_lower", "ci_upper"]].tolist()
        assert found[kind][0] < paths["est"] < found[kind][1]
        assert f"{'BCa' if kind == 'bca' else kind}, 95%" in boot.summary()
    assert len({tuple(v) for v in found.values()}) == len(INTERVALS)
    est = res.paths["est"].item()
    percentile, basic = found["percentile"], found["basic"]
    assert basic == pytest.approx([2 * est - percentile[1], 2 * est - percentile[0]])
    narrow = res.bootstrap(80, seed=1, level=0.5).paths.loc[0]
    assert percentile[0] < narrow["ci_lower"] < narrow["ci_upper"] < percentile[1]


def test_what_does_not_vary_has_no_spread_and_no_test():
    boot = cx.PLS(MODEL).fit(DATA).bootstrap(30, seed=1, interval="bca")
    row = boot.loadings.set_index("item").loc["v1"]
    assert row[["est", "ci_lower", "ci_upper"]].tolist() == [1, 1, 1]
    assert row["se"] < 1e-12
    assert row[["t", "pvalue"]].isna().all()


# --- one engine, any number of workers ---------------------------------------------------------------------------


def test_workers_and_backends_give_the_same_bits():
    data = sample(40).mask(np.random.default_rng(0).random((40, 11)) < 0.05)
    res = cx.PLS(SMALL).fit(data)
    alone = res.bootstrap(520, seed=7)
    for backend in ("loky", "threading"):
        with joblib.parallel_config(backend=backend):
            two = res.bootstrap(520, seed=7, n_jobs=2)
        np.testing.assert_array_equal(every_number(alone), every_number(two))
        assert alone.replicates.notes == two.replicates.notes
        pd.testing.assert_frame_equal(alone.paths, two.paths)
    with joblib.parallel_config(backend="threading"):
        bca = res.bootstrap(20, seed=7, n_jobs=2, interval="bca")
        np.testing.assert_array_equal(bca.replicates.jack, res.bootstrap(20, seed=7, interval="bca").replicates.jack)
        student = res.bootstrap(20, seed=7, n_jobs=2, interval="studentized")
    np.testing.assert_array_equal(
        student.replicates.se_values, res.bootstrap(20, seed=7, interval="studentized").replicates.se_values
    )


def test_blas_has_one_thread_in_every_worker_and_as_many_as_before_afterwards():
    """Workers that each set and restore the cap would undo one another's: small matrices would crawl."""
    from threadpoolctl import threadpool_info, threadpool_limits

    def threads():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    inside = []

    def statistic(g):
        time.sleep(0.05)
        inside.append(threads())
        return np.ones((len(g), 1)), {}

    with threadpool_limits(2, user_api="blas"):
        before = threads()
        with joblib.parallel_config(backend="threading"):
            bootstrap(statistic, Sampling(20), 1500, seed=1, n_jobs=2)
        assert threads() == before
    one = {1} if before else set()  # some builds of numpy have no pool to cap
    assert inside == [one] * 7  # six chunks and the estimate


def test_seeds():
    res = cx.PLS(SMALL).fit(DATA)
    first, again, other = (every_number(res.bootstrap(20, seed=s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.isclose(first, other).all()
    free, free2 = res.bootstrap(20), res.bootstrap(20)
    assert not np.array_equal(every_number(free), every_number(free2))
    np.testing.assert_array_equal(every_number(free), every_number(res.bootstrap(20, seed=free.replicates.seed)))
    assert str(free.replicates.seed) in repr(free)
    # replicate i depends on the seed and on i, not on how many are asked for
    np.testing.assert_allclose(every_number(res.bootstrap(300, seed=1))[:20], first, rtol=1e-9, atol=1e-12)
    assert len(np.unique(every_number(res.bootstrap(300, seed=1)), axis=0)) == 300


def test_given_rows_are_refits_of_those_rows():
    res = cx.PLS(MODEL).fit(DATA)
    rows = np.random.default_rng(3).integers(0, len(DATA), (4, len(DATA)))
    boot = res.bootstrap(indices=rows)
    for line, draw in zip(rows, boot.draws("effects").to_numpy(), strict=True):
        refit = cx.PLS(MODEL).fit(DATA.iloc[line])
        np.testing.assert_allclose(
            draw, refit.effects[["direct", "indirect", "total"]].to_numpy().T.ravel(), atol=1e-8
        )
    for name in ("paths", "loadings", "weights", "f_squared"):
        refit = getattr(cx.PLS(MODEL).fit(DATA.iloc[rows[0]]), name)
        np.testing.assert_allclose(boot.draws(name).iloc[0], refit.iloc[:, -1], atol=1e-8)
    wide = cx.PLS(MODEL).fit(DATA.iloc[rows[0]])
    np.testing.assert_allclose(boot.draws("reliability").iloc[0], wide.reliability.to_numpy().ravel(), atol=1e-8)
    np.testing.assert_allclose(boot.draws("r_squared").iloc[0], wide.r_squared.to_numpy().ravel(), atol=1e-8)
    np.testing.assert_allclose(
        boot.draws("cross_loadings").iloc[0], wide.cross_loadings.to_numpy().ravel(), atol=1e-8
    )
    off = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(boot.draws("htmt").iloc[0], wide.htmt.to_numpy()[off], atol=1e-8)


def test_frames_are_long_and_match_the_point_estimate():
    res = cx.PLS(MODEL).fit(DATA)
    boot = res.bootstrap(40, seed=1)
    numeric = ["est", "se", "t", "pvalue", "ci_lower", "ci_upper"]
    for name in ("paths", "weights", "loadings", "f_squared", "vif", "item_vif"):
        frame, point = getattr(boot, name), getattr(res, name)
        assert list(frame.columns[-6:]) == numeric
        pd.testing.assert_frame_equal(frame.iloc[:, :2], point.iloc[:, :2])
        np.testing.assert_allclose(frame["est"], point.iloc[:, -1])
    for name in ("r_squared", "reliability", "htmt", "fornell_larcker", "cross_loadings"):
        frame, point = getattr(boot, name), getattr(res, name)
        for row in frame.itertuples():
            assert row.est == pytest.approx(point.loc[row.row, row.column])
    long = res.effects.melt(["outcome", "predictor"], var_name="effect", value_name="est")
    pd.testing.assert_frame_equal(boot.effects[["outcome", "predictor", "effect", "est"]], long)


def test_case_weights_are_resampled_with_their_rows():
    g = np.random.default_rng(0).uniform(0.5, 3, len(DATA))
    rows = np.random.default_rng(1).integers(0, len(DATA), (2, len(DATA)))
    boot = cx.PLS(SMALL).fit(DATA, weights=g).bootstrap(indices=rows)
    refit = cx.PLS(SMALL).fit(DATA.iloc[rows[1]], weights=g[rows[1]])
    np.testing.assert_allclose(boot.draws("loadings").iloc[1], refit.loadings["est"], atol=1e-8)


def test_strata_and_clusters_by_column_or_by_value():
    rng = np.random.default_rng(0)
    data = DATA.assign(region=rng.integers(0, 4, len(DATA)).astype(str), shop=rng.integers(0, 30, len(DATA)))
    data.loc[3, "q1"] = np.nan
    data.index = pd.Index(np.arange(len(data)) // 3)  # labels repeat
    res = cx.PLS(SMALL).fit(data, missing="listwise")
    used = data["q1"].notna().to_numpy()
    for keyword, column in (("strata", "region"), ("clusters", "shop")):
        named = res.bootstrap(20, seed=1, **{keyword: column})
        given = res.bootstrap(20, seed=1, **{keyword: data[column].to_numpy()[used]})
        np.testing.assert_array_equal(every_number(named), every_number(given))
        assert not np.allclose(every_number(named), every_number(res.bootstrap(20, seed=1)))


# --- failures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["mean", "pairwise"])
@pytest.mark.parametrize("level", [0.0, 7.3, 1e6])
def test_replicates_without_variance_are_counted(level, missing):
    """One row out of the ordinary: every resample that misses it has a constant item, whatever its level."""
    data = sample(60)
    data["q1"] = level
    data.loc[3, "q1"] = level + 1
    data.loc[10, "s1"] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        res = cx.PLS(SMALL).fit(data, missing=missing)
    rows = np.random.default_rng(1).integers(0, 60, (301, 60))
    with pytest.warns(ReplicateWarning, match="of 301 replicates failed"):
        boot = res.bootstrap(indices=rows)
    assert boot.failed == (rows != 3).all(axis=1).sum() > 60
    assert f"{boot.failed} of 301 replicates gave no estimate" in boot.summary()
    assert f"{boot.failed} failed" in repr(boot)
    assert len(boot.draws("paths")) == 301 - boot.failed
    assert boot.paths.notna().all(axis=None)


def test_an_estimate_that_did_not_settle_keeps_its_replicates_and_says_so():
    with pytest.warns(ConvergenceWarning):
        res = cx.PLS(MODEL, max_iter=2).fit(DATA)
    boot = res.bootstrap(50, seed=1)
    assert boot.failed == 0
    assert "50 of 50 replicates did not converge and are kept" in boot.summary()


def test_turned_signs_are_counted_and_aligned():
    rng = np.random.default_rng(0)
    f = rng.standard_normal(50)
    data = pd.DataFrame({"a": f + rng.standard_normal(50), "b": -f + rng.standard_normal(50), "y": f})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        res = cx.PLS("X =~ a + b\nY =~ y\nY ~ X").fit(data)
    boot = res.bootstrap(400, seed=1)
    turned = boot.replicates.notes["sign aligned"]
    assert turned > 50
    assert f"{turned} of 400 replicates had a construct's sign turned" in boot.summary()
    draws = boot.draws("paths").to_numpy()
    assert (np.sign(draws) == np.sign(res.paths["est"].item())).all()


def test_all_replicates_failing_is_an_error():
    res = cx.PLS(SMALL).fit(DATA)
    with pytest.raises(EstimationError, match="All 3 bootstrap replicates failed"):
        res.bootstrap(indices=np.zeros((3, len(DATA)), dtype=int))


def test_not_converged_replicates_are_left_out():
    steps = cx.PLS(MODEL).fit(DATA).iterations
    res = cx.PLS(MODEL, max_iter=steps).fit(DATA)
    with pytest.warns(ReplicateWarning):
        boot = res.bootstrap(100, seed=1)
    late = boot.replicates.notes["not converged"]
    assert 0 < late == boot.failed < 100
    assert f"{late} of 100 replicates did not converge" in boot.summary()


def test_progress_reaches_the_end():
    seen = []
    cx.PLS(SMALL).fit(DATA).bootstrap(600, seed=1, progress=lambda done, total: seen.append((done, total)))
    assert [total for _, total in seen] == [600] * len(seen)
    assert seen[-1][0] == 600
    assert [d for d, _ in seen] == sorted({d for d, _ in seen})


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n": 1}, SpecError, "at least 2 replicates, not 1"),
        ({"n": 2.5}, SpecError, r"number of replicates must be a whole number, not 2\.5"),
        ({"seed": -1}, SpecError, "seed must be a whole number of 0 or more, not -1"),
        ({"seed": "x"}, SpecError, "seed must be a whole number"),
        ({"n_jobs": 0}, SpecError, "n_jobs is the number of workers"),
        ({"n_jobs": "two"}, SpecError, "n_jobs must be a whole number, not 'two'"),
        ({"level": 95}, SpecError, "confidence level must lie between 0 and 1, not 95"),
        ({"interval": "percentil"}, SpecError, "Did you mean 'percentile'"),
        ({"interval": None}, SpecError, "Unknown interval 'None'"),
        ({"indices": [[0, 1], [1]]}, DataError, "lines differ in length"),
        ({"indices": [[0.5]]}, DataError, "table of whole numbers"),
        (
            {"indices": [[0, 500], [0, -1]]},
            DataError,
            "2 of the resample indices are not row numbers between 0 and 119",
        ),
        ({"indices": [[0, 1], [0, 1]], "interval": "studentized"}, SpecError, "leave out indices"),
        ({"strata": "regoin"}, SpecError, "Column 'regoin' is not in the data. Did you mean 'region'"),
        ({"strata": [1, 2]}, DataError, "one label for each of the 120 rows used, not 2"),
        ({"clusters": 3}, DataError, "not a single value"),
        ({"clusters": np.zeros(120)}, DataError, "at least two rows or clusters"),
        ({"strata": np.arange(120)}, DataError, "120 of 120 strata hold a single row"),
        ({"strata": np.where(np.arange(120) < 2, np.nan, 1)}, DataError, "strata is missing in 2 rows"),
        (
            {"strata": np.arange(120) % 2, "clusters": np.arange(120) // 4},
            DataError,
            "60 rows lie in another stratum",
        ),
    ],
)
def test_bad_options(options, error, message):
    res = cx.PLS(SMALL).fit(DATA.assign(region="a"))
    with pytest.raises(error, match=message):
        res.bootstrap(**{"n": 10, "seed": 1, **options})


def test_draws_of_an_unknown_frame():
    boot = cx.PLS(SMALL).fit(DATA).bootstrap(5, seed=1)
    with pytest.raises(SpecError, match="Did you mean 'paths'"):
        boot.draws("path")
