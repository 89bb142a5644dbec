"""Hidden segments: the likelihood and the hill by independent computations, recovery in simulation, seeds."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import cxmodels as cx
from cxmodels.errors import CxError

TEXT = "X =~ x0 + x1 + x2\nZ =~ z0 + z1 + z2\nY =~ y0 + y1 + y2\nY ~ X + Z"
TRUTH = (np.arange(300) >= 180).astype(int)


def two_segments(seed, noise=0.25, item=0.2):
    """180 respondents in whom X counts, 120 in whom Z does."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, 300))
    y = np.where(TRUTH == 0, 0.9 * x - 0.1 * z, -0.3 * x + 0.9 * z) + noise * rng.normal(size=300)
    return pd.DataFrame(
        {f"{k}{i}": v + item * rng.normal(size=300) for k, v in (("x", x), ("z", z), ("y", y)) for i in range(3)}
    )


def hits(segments):
    right = (segments.to_numpy() - 1 == TRUTH).mean()
    return max(right, 1 - right)


@pytest.fixture(scope="module")
def fit():
    return cx.PLS(TEXT).fit(two_segments(1))


@pytest.fixture(scope="module")
def mixtures(fit):
    return fit.fimix(4, seed=1, starts=10)


def test_one_segment_is_an_ordinary_regression(fit, mixtures):
    s = fit.scores
    x, y = s[["X", "Z"]].to_numpy(), s["Y"].to_numpy()
    b, *_ = np.linalg.lstsq(x, y, rcond=None)
    residual = y - x @ b
    loglik = norm.logpdf(residual, scale=residual.std()).sum()
    assert mixtures.criteria.loc[1, "loglik"] == pytest.approx(loglik, rel=1e-6)
    np.testing.assert_allclose(mixtures.paths(1)[1], b, rtol=1e-8)


def loglik_of(scores, share, b, sd):
    density = [
        p * norm.pdf(scores["Y"], scores[["X", "Z"]].to_numpy() @ np.asarray(w), d)
        for p, w, d in zip(share, b, sd, strict=True)
    ]
    return np.log(np.sum(density, axis=0)).sum()


def test_two_segments_are_a_summit_of_the_likelihood(fit, mixtures):
    """The log-likelihood by scipy's densities at the estimate, and lower a little aside of it in every direction."""
    m = mixtures.mixtures[2]
    b, sd = m.paths[:, 2, :2], np.sqrt(m.variance[:, 0])
    best = loglik_of(fit.scores, m.share, b, sd)
    assert best == pytest.approx(m.loglik, abs=1e-4)
    rng = np.random.default_rng(0)
    for _ in range(30):
        step = rng.normal(size=7) * 0.01
        share = np.array([m.share[0] + step[0], m.share[1] - step[0]])
        assert loglik_of(fit.scores, share, b + step[1:5].reshape(2, 2), sd + step[5:]) < best


def test_fimix_finds_number_paths_and_members(mixtures):
    assert (mixtures.suggested[["aic3", "bic", "caic"]] == 2).all()
    paths = mixtures.paths(2).set_index("predictor")
    np.testing.assert_allclose(mixtures.sizes(2), [0.6, 0.4], atol=0.06)
    # standardised by the spread of the pooled y, about .97
    np.testing.assert_allclose(paths.loc[["X", "Z"], [1, 2]].T, [[0.9, -0.1], [-0.3, 0.9]], atol=0.12)
    assert hits(mixtures.segments(2)) > 0.85
    assert mixtures.criteria.loc[2, "starts_at_best"] > 0.5
    assert mixtures.criteria.loc[2, "en"] > 0.5


def test_criteria_by_their_formulas(mixtures):
    c, p = mixtures.criteria.loc[2], mixtures.probabilities(2).to_numpy()
    assert c["parameters"] == 2 * 3 + 1
    assert c["aic3"] == pytest.approx(-2 * c["loglik"] + 3 * 7)
    assert c["caic"] == pytest.approx(-2 * c["loglik"] + 7 * (np.log(300) + 1))
    assert c["en"] == pytest.approx(1 + (p * np.log(np.maximum(p, 1e-300))).sum() / (300 * np.log(2)))
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (mixtures.criteria["loglik"].diff().dropna() > 0).all()
    assert "Number of segments" in mixtures.summary()


def test_weights_are_rows_repeated():
    data, weights = two_segments(2), np.tile([1, 2], 150)
    weighted = cx.PLS(TEXT).fit(data, weights=weights).fimix([2], seed=1, starts=5)
    repeated = cx.PLS(TEXT).fit(data.iloc[np.repeat(np.arange(300), weights)]).fimix([2], seed=1, starts=5)
    np.testing.assert_allclose(weighted.paths(2)[[1, 2]], repeated.paths(2)[[1, 2]], atol=2e-3)
    np.testing.assert_allclose(weighted.sizes(2), repeated.sizes(2), atol=2e-3)


def test_same_seed_same_segments(fit):
    a, b = (fit.fimix([2], seed=5, starts=3).probabilities(2) for _ in range(2))
    assert a.equals(b)


@pytest.fixture(scope="module")
def pos(fit):
    return fit.pos(2, seed=1, starts=2)


def test_pos_finds_the_members(pos):
    assert hits(pos.segments) > 0.85
    paths = pos.paths.set_index("predictor")
    assert paths.loc["X", 1] > 0.7 > paths.loc["X", 2]
    assert pos.r_squared["mean"].iloc[0] > 0.85 > pos.r_squared["all"].iloc[0]


def test_pos_objective_is_that_of_plain_fits_and_no_move_of_one_row_helps(pos, fit):
    share = pos.sizes / 300
    value = sum(share[k] * r.r_squared["r2"].sum() for k, r in pos.results.items())
    assert pos.objective == pytest.approx(value, abs=1e-6)
    data, code = two_segments(1), pos.code
    for row in np.random.default_rng(1).choice(300, 12, replace=False):
        moved = code.copy()
        moved[row] = 1 - moved[row]
        r2 = [cx.PLS(TEXT).fit(data[moved == k]).r_squared["r2"].iloc[0] * (moved == k).mean() for k in (0, 1)]
        assert sum(r2) <= pos.objective + 2e-6


def test_pos_is_reproducible_and_feeds_groups(fit, pos):
    again = fit.pos(2, seed=1, starts=2)
    assert again.segments.equals(pos.segments)
    groups = fit.groups(pos.segments.to_numpy(), 40, seed=1)
    assert (groups.paths["pvalue"] < 0.05).all()
    assert pos.starts["agreement"].iloc[0] == 1
    assert "PLS-POS segments" in pos.summary()
    assert (pos.sizes >= pos.smallest).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f: f.fimix(0), "from 1 up"),
        (lambda f: f.fimix(100), "100 segments have 399 parameters for 300 rows"),
        (lambda f: f.fimix(2, starts=0), "at least 1"),
        (lambda f: f.fimix([2], seed=1, starts=2).paths(3), "no solution with 3 segments; there are '2'"),
        (lambda f: f.pos(1), "2 segments"),
        (lambda f: f.pos(20), "20 segments of at least 22 rows need 440 rows"),
        (lambda f: f.pos(2, smallest=5), "below the 11 parameters"),
    ],
)
def test_bad_requests_are_named(fit, call, words):
    with pytest.raises(CxError, match=words):
        call(fit)


def test_pos_takes_interactions(fit):
    """No single row can be moved uphill, by plain fits of both segments."""
    spec = cx.PLS(TEXT + " + X:Z")
    data = two_segments(1)
    pos = spec.fit(data).pos(2, seed=1, starts=1)
    code = pos.code
    share = (pos.sizes / pos.sizes.sum()).to_dict()
    assert pos.objective == pytest.approx(
        sum(share[k] * r.r_squared["r2"].sum() for k, r in pos.results.items()), abs=1e-6
    )
    for row in np.random.default_rng(1).choice(300, 6, replace=False):
        moved = code.copy()
        moved[row] = 1 - moved[row]
        r2 = [spec.fit(data[moved == k]).r_squared["r2"].iloc[0] * (moved == k).mean() for k in (0, 1)]
        assert sum(r2) <= pos.objective + 2e-6
