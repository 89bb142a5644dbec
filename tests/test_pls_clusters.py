"""All groups compared as a whole, clusters that change places together, and GSCA's FIT."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import CxError
from cxmodels.pls.fit import distances, implied
from cxmodels.pls.gsca import criterion
from cxmodels.pls.permutation import Labels
from tests.path_models import CHAIN


@pytest.fixture(scope="module")
def fit():
    return cx.PLS(CHAIN).fit(cx.datasets.load("mobi"))


def test_omnibus_distance_is_the_mean_over_pairs_of_plain_fits(fit):
    """Klesel et al. (2019): the average distance between the groups' implied correlations, and its permutations."""
    third = np.arange(250) % 3
    groups = fit.groups(third, 30, seed=1)
    parts = [implied(r.estimate, r.layout.design) for r in groups.results.values()]
    expected = np.mean([distances(a, b)[0, 1:3] for a, b in combinations(parts, 2)], axis=0)
    np.testing.assert_allclose(groups.overall_omnibus["est"], expected, rtol=1e-6)
    labels = next(Labels(third, np.zeros(250, dtype=int)).permuted(np.arange(250), 30, (groups.seed, 0)))
    mobi = cx.datasets.load("mobi")
    for line in (0, 7):
        fits = [cx.PLS(CHAIN).fit(mobi[labels[line] == g]) for g in range(3)]
        parts = [implied(r.estimate, r.layout.design) for r in fits]
        again = np.mean([distances(a, b)[0, 1:3] for a, b in combinations(parts, 2)], axis=0)
        np.testing.assert_allclose(groups.together.null_apart[line], again, rtol=1e-6)
    assert "as a whole" in groups.summary()


def test_omnibus_of_two_groups_is_that_of_the_pair(fit):
    groups = fit.groups(np.arange(250) % 2, 40, seed=1)
    pair = groups.overall.set_index("distance")
    pd.testing.assert_frame_equal(groups.overall_omnibus, pair[["est", "critical", "pvalue"]])


def test_omnibus_distance_holds_its_level_and_has_power():
    rng = np.random.default_rng(0)

    def data(paths, n=40):
        x = rng.normal(size=(len(paths), n))
        y = np.array(paths)[:, None] * x + np.sqrt(1 - np.array(paths)[:, None] ** 2) * rng.normal(size=x.shape)
        frame = {f"x{i}": (x + 0.3 * rng.normal(size=x.shape)).ravel() for i in range(2)}
        frame |= {f"y{i}": (y + 0.3 * rng.normal(size=x.shape)).ravel() for i in range(2)}
        return pd.DataFrame(frame).assign(g=np.repeat(np.arange(len(paths)), n))

    spec = cx.PLS("X =~ x0 + x1\nY =~ y0 + y1\nY ~ X")
    null = np.array(
        [spec.fit(d).groups("g", 39, seed=1).overall_omnibus["pvalue"] for d in (data([0.5] * 3) for _ in range(40))]
    )
    assert ((null <= 0.05).mean(axis=0) < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 40)).all()
    found = spec.fit(data([0.1, 0.5, 0.9])).groups("g", 99, seed=1)
    assert (found.overall_omnibus["pvalue"] < 0.05).all()


def test_clusters_change_places_together():
    code = np.repeat([0, 0, 0, 1, 1, 1], [3, 2, 4, 3, 5, 2])
    cluster = np.repeat(np.arange(6), [3, 2, 4, 3, 5, 2])
    labels = Labels(code, np.zeros(len(code), dtype=int), cluster)
    batch = next(labels.permuted(np.arange(len(code)), 50, (1, 0)))
    for c in range(6):
        assert (np.ptp(batch[:, cluster == c], axis=1) == 0).all()
    first = [np.flatnonzero(cluster == c)[0] for c in range(6)]
    assert (batch[:, first].sum(axis=1) == 3).all()
    assert len(np.unique(batch, axis=0)) > 5


def test_clusters_keep_the_level_where_rows_alone_do_not():
    """Branches that differ make groups of branches look different, unless branches change places as a whole."""
    rng = np.random.default_rng(2)
    spec = cx.PLS("X =~ x\nY =~ y\nY ~ X")
    rows, whole = [], []
    for _ in range(40):
        branch = np.repeat(np.arange(16), 12)
        shift = rng.normal(size=16)[branch]
        x, y = rng.normal(size=(2, 192))
        d = pd.DataFrame({"x": x + shift, "y": 0.4 * x + y + shift, "g": branch % 2, "branch": branch})
        fit = spec.fit(d)
        rows.append(fit.groups("g", 39, seed=1).micom["mean_pvalue"].to_numpy())
        whole.append(fit.groups("g", 39, seed=1, clusters="branch").micom["mean_pvalue"].to_numpy())
    assert (np.array(whole) <= 0.05).mean() < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 40)
    assert (np.array(rows) <= 0.05).mean() > 0.25


@pytest.mark.parametrize(
    ("clusters", "options", "words"),
    [
        (np.arange(250) // 2, {}, "125 of 125 clusters have rows in several groups; give it as strata"),
        (np.arange(250) % 2, {}, "needs two clusters or more to change places with others: '0' .1., '1' .1."),
        (np.arange(250) % 10, {"strata": np.arange(250) // 125}, "clusters have rows in several strata"),
        (np.arange(249), {}, "clusters has 249 labels for 250 rows"),
    ],
)
def test_bad_clusters_are_named(fit, clusters, options, words):
    with pytest.raises(CxError, match=words):
        fit.groups(np.arange(250) % 2, 30, clusters=clusters, **options)


def test_clusters_are_resampled_within_groups(fit):
    cluster = np.arange(250) % 50
    plain = fit.groups(np.arange(250) % 2, 30, seed=1, bootstrap=60)
    together = fit.groups(np.arange(250) % 2, 30, seed=1, bootstrap=60, clusters=cluster)
    assert not np.allclose(plain.tests["welch"], together.tests["welch"])
    again = fit.groups(np.arange(250) % 2, 30, seed=1, bootstrap=60, clusters=cluster)
    assert together.tests.equals(again.tests)


def test_fit_of_gsca_by_its_residuals():
    """FIT and AFIT from residuals of rows, and GSCA has the best FIT of all schemes."""
    mobi = cx.datasets.load("mobi")
    model = CHAIN + "Loyalty ~ Image"
    fits = {s: cx.PLS(model, scheme=s).fit(mobi) for s in ("gsca", "path", "centroid")}
    res = fits["gsca"]
    z = ((mobi - mobi.mean()) / mobi.std())[list(res.item_names)]
    scores = res.scores
    residual = 0.0
    for construct, item, load in res.loadings.itertuples(index=False):
        residual += ((z[item] - load * scores[construct]) ** 2).sum()
    fitted = dict.fromkeys(scores, 0.0)
    for outcome, predictor, path in res.paths.itertuples(index=False):
        fitted[outcome] = fitted[outcome] + path * scores[predictor]
    residual += sum(((scores[c] - fitted[c]) ** 2).sum() for c in scores)
    total = (z**2).sum().sum() + (scores**2).sum().sum()
    assert res.gsca_fit["fit"] == pytest.approx(1 - residual / total)
    free = 8 + 8 + 3  # weights, loadings, paths
    assert res.gsca_fit["afit"] == pytest.approx(1 - residual / total * 250 * 8 / (250 * 8 - free))
    assert res.gsca_fit["fit"] == max(f.gsca_fit["fit"] for f in fits.values())
    by_criterion = criterion(res.estimate.cov, res.estimate.weights, res.layout.design)[0]
    assert res.gsca_fit["fit"] == pytest.approx((11 - by_criterion - 1) / 11)  # Image alone has no equation
