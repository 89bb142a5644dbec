"""Incomplete data: the likelihood and its derivatives by other means, the test of Little, and what cannot be."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from cxmodels.errors import CxError, DataError, EstimationError
from cxmodels.sem.missing import case_scores, complete, gradient, information, loglik, score
from cxmodels.sem.patterns import Patterns
from cxmodels.sem.robust_missing import first_order, little_mcar
from cxmodels.sem.samples import vech
from cxmodels.sem.saturated import saturated

HERE = Path(__file__).parent / "reference"


@pytest.fixture(scope="module", autouse=True)
def one_blas_thread():
    """On stacks of small matrices threads cost far more than they give."""
    with threadpool_limits(1, user_api="blas"):
        yield


def slope(f, t, h=1e-4):
    """Derivative by central differences of fourth order, one line per argument."""
    t = np.asarray(t, dtype=float)
    steps = np.eye(len(t)) * h
    return np.array([(8 * (f(t + e) - f(t - e)) - f(t + 2 * e) + f(t - 2 * e)) / (12 * h) for e in steps])


def unpack(t, p):
    sigma = np.zeros((p, p))
    rows, cols = vech(p)
    sigma[rows, cols] = sigma[cols, rows] = t[p:]
    return t[:p], sigma


def pack(mu, sigma):
    return np.concatenate([mu, sigma[vech(len(mu))]])


def rowwise(x, mu, sigma, weights=None):
    """The definition: a normal density for the observed values of every row."""
    total = 0.0
    for row, w in zip(x, np.ones(len(x)) if weights is None else weights, strict=True):
        o = ~np.isnan(row)
        if o.any():
            s, z = sigma[np.ix_(o, o)], (row - mu)[o]
            total -= w / 2 * (np.log(np.linalg.det(2 * np.pi * s)) + z @ np.linalg.solve(s, z))
    return total


def sample(n=60, p=4, share=0.3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) @ rng.normal(size=(p, p)) + 0.5 * rng.normal(size=(n, p)) + 3
    x[rng.random((n, p)) < share] = np.nan
    return x


def point(p=4, seed=1):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(p, p))
    return 3 + rng.normal(size=p), a @ a.T + np.eye(p)


# --- by other means --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("weighted", [False, True])
def test_likelihood_is_the_sum_over_rows(share, weighted):
    x = sample(share=share)
    x[5] = np.nan
    w = np.random.default_rng(3).choice([0.0, 0.5, 1.0, 2.5], len(x)) if weighted else None
    mu, sigma = point()
    patterns = Patterns.of(x, w)
    assert loglik(patterns, mu, sigma) == pytest.approx(rowwise(x, mu, sigma, w), rel=1e-12)
    assert score(patterns, mu, sigma).loglik == loglik(patterns, mu, sigma)
    assert patterns.empty.tolist() == np.flatnonzero(np.isnan(x).all(axis=1)).tolist()
    assert 5 in patterns.empty


def test_gradient_and_information_are_derivatives():
    patterns = Patterns.of(sample(n=200, share=0.25), np.random.default_rng(0).random(200) + 0.5)
    mu, sigma = point()
    here = pack(mu, sigma)
    found = slope(lambda t: loglik(patterns, *unpack(t, 4)), here)
    np.testing.assert_allclose(score(patterns, mu, sigma).stacked, found, atol=1e-7)
    d_mu, d_sigma = gradient(patterns, mu, sigma)
    np.testing.assert_array_equal(d_mu, score(patterns, mu, sigma).mu)
    np.testing.assert_allclose(d_sigma, d_sigma.T, atol=1e-12)
    found = -slope(lambda t: score(patterns, *unpack(t, 4)).stacked, here) / patterns.total
    np.testing.assert_allclose(information(patterns, mu, sigma), found, atol=1e-9)


def test_expected_information_is_the_mean_of_the_observed():
    rng = np.random.default_rng(5)
    mu, sigma = point()
    holes = rng.random((40_000, 4)) < 0.3
    x = np.where(holes, np.nan, rng.multivariate_normal(mu, sigma, len(holes)))
    patterns = Patterns.of(x)
    expected = information(patterns, mu, sigma, "expected")
    gap = expected - information(patterns, mu, sigma)
    scale = np.sqrt(np.diag(expected))
    assert np.abs(gap / scale / scale[:, None]).max() < 0.03  # sampling error: about 1 / sqrt(40,000) x a few
    assert np.abs(first_order(patterns, mu, sigma) - expected)[:4, :4].max() < 0.03


def test_scores_of_rows_sum_to_the_gradient():
    x, w = sample(n=300, share=0.2), np.random.default_rng(1).random(300)
    patterns = Patterns.of(x, w)
    mu, sigma = point()
    scores = case_scores(patterns, mu, sigma)
    np.testing.assert_allclose(w @ scores, score(patterns, mu, sigma).stacked, atol=1e-10)
    for row in (0, 17, 299):
        if np.isnan(x[row]).all():
            np.testing.assert_array_equal(scores[row], 0)
            continue
        alone = slope(lambda t, r=x[row : row + 1]: rowwise(r, *unpack(t, 4)), pack(mu, sigma))
        np.testing.assert_allclose(scores[row], alone, atol=1e-8)


def test_complete_data_have_the_usual_formulas():
    x = sample(n=150, share=0.0)
    patterns = Patterns.of(x)
    h1 = saturated(patterns)
    np.testing.assert_allclose(h1.mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(h1.cov, np.cov(x.T, ddof=0), rtol=1e-11)
    n, p = x.shape
    want = -n / 2 * (p * np.log(2 * np.pi) + np.linalg.slogdet(h1.cov)[1] + p)
    assert h1.loglik == pytest.approx(want, rel=1e-12)
    k = np.linalg.inv(h1.cov)
    rows, cols = vech(p)
    double = np.zeros((p * p, len(rows)))
    double[rows * p + cols, np.arange(len(rows))] = double[cols * p + rows, np.arange(len(rows))] = 1
    inner = 0.5 * double.T @ np.kron(k, k) @ double
    for kind in ("observed", "expected"):
        got = information(patterns, h1.mean, h1.cov, kind)
        np.testing.assert_allclose(got[:p, :p], k, atol=1e-10)
        np.testing.assert_allclose(got[:p, p:], 0, atol=1e-10)
        np.testing.assert_allclose(got[p:, p:], inner, atol=1e-10)
    assert little_mcar(patterns).df == 0


def test_saturated_model_is_the_maximum():
    from scipy.optimize import minimize

    x = sample(n=30, p=3, share=0.3, seed=2)
    patterns = Patterns.of(x)
    h1 = saturated(patterns)
    rows, cols = vech(3)

    def deviance(t):
        root = np.zeros((3, 3))
        root[rows, cols] = t[3:]
        return -rowwise(x, t[:3], root @ root.T)

    start = np.concatenate([np.nanmean(x, axis=0), np.diag(np.nanstd(x, axis=0))[rows, cols]])
    best = minimize(deviance, start, method="BFGS", options={"gtol": 1e-5})
    assert h1.loglik == pytest.approx(-best.fun, abs=1e-6)
    assert np.abs(score(patterns, h1.mean, h1.cov).stacked).max() < 1e-8


def test_monotone_missingness_has_a_closed_form():
    rng = np.random.default_rng(8)
    x = rng.multivariate_normal([1, 2], [[2, 1], [1, 3]], 120)
    x[70:, 1] = np.nan
    h1 = saturated(Patterns.of(x))
    both = x[:70]
    beta = np.cov(both.T, ddof=0)[0, 1] / both[:, 0].var()
    rest = both[:, 1].var() - beta**2 * both[:, 0].var()
    mean = both[:, 1].mean() + beta * (x[:, 0].mean() - both[:, 0].mean())
    np.testing.assert_allclose(h1.mean, [x[:, 0].mean(), mean], rtol=1e-12)
    s = x[:, 0].var()
    np.testing.assert_allclose(h1.cov, [[s, beta * s], [beta * s, rest + beta**2 * s]], rtol=1e-11)


@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(seed=st.integers(0, 10_000), share=st.floats(0.0, 0.3), shift=st.floats(-1e4, 1e4), scale=st.floats(1e-3, 1e3))
def test_units_order_and_repetition_do_not_matter(seed, share, shift, scale):
    x = sample(n=150, p=4, share=share, seed=seed)
    a = saturated(Patterns.of(x))
    d = np.array([scale, 1.0, 1.0, 1 / scale])
    move = np.random.default_rng(seed).permutation(len(x))
    b = saturated(Patterns.of((x * d + shift)[move][:, ::-1]))
    assert a.converged
    assert b.converged
    sd = np.sqrt(np.diag(a.cov))
    np.testing.assert_allclose((b.mean[::-1] - shift) / d / sd, a.mean / sd, atol=1e-6)
    np.testing.assert_allclose(b.cov[::-1, ::-1] / (d * sd) / (d * sd)[:, None], a.cov / sd / sd[:, None], atol=1e-6)
    w = np.random.default_rng(seed).integers(0, 3, len(x))
    twice, weighted = Patterns.of(np.repeat(x, w, axis=0)), Patterns.of(x, w)
    assert saturated(twice).loglik == pytest.approx(saturated(weighted).loglik, rel=1e-9)
    np.testing.assert_allclose(twice.coverage, weighted.coverage, atol=1e-12)


def test_little_test_is_naniars():
    x = pd.read_csv(HERE / "naniar" / "airquality.csv")
    test = little_mcar(Patterns.of(x))
    assert test.chisq == pytest.approx(35.1061288689702, abs=1e-3)
    assert (test.df, test.patterns) == (14, 4)
    assert test.pvalue == pytest.approx(0.00141778113856683, abs=1e-6)
    with_empty_row = np.vstack([x.to_numpy(float), np.full(6, np.nan)])
    assert little_mcar(Patterns.of(with_empty_row)) == test


def test_little_test_keeps_its_level():
    rng = np.random.default_rng(11)
    rejected = 0
    for _ in range(200):
        x = rng.normal(size=(150, 3))
        x[rng.random(150) < 0.3, 0] = np.nan
        x[rng.random(150) < 0.3, 1] = np.nan
        rejected += little_mcar(Patterns.of(x)).pvalue < 0.05
    assert 0.01 < rejected / 200 < 0.09  # 5 % give or take 2.5 standard errors


def test_coverage_and_patterns():
    nan = np.nan
    p = Patterns.of([[1, 2], [2, nan], [3, 5], [nan, 1.0], [nan, nan]], weights=[1, 1, 2, 4, 9])
    np.testing.assert_allclose(p.coverage, [[4 / 8, 3 / 8], [3 / 8, 7 / 8]])
    assert p.total == 8
    assert p.pattern.tolist() == [0, p.pattern[1], 0, p.pattern[3], -1]
    np.testing.assert_allclose(p.means[0], [7 / 3, 4])


# --- what cannot be --------------------------------------------------------------------------------------------


def test_moments_without_likelihood():
    patterns = Patterns.of(sample())
    mu, sigma = point()
    bad = sigma - 50 * np.eye(4)
    assert loglik(patterns, mu, bad) == -np.inf
    assert score(patterns, mu, bad).loglik == -np.inf
    assert np.isnan(score(patterns, mu, bad).stacked).all()
    assert loglik(patterns, mu, np.full((4, 4), np.nan)) == -np.inf
    for function in (information, case_scores, complete):
        with pytest.raises(EstimationError, match="not positive definite"):
            function(patterns, mu, bad)


def test_columns_without_likelihood_are_named():
    x = sample()
    names = ["a", "b", "c", "d"]
    with pytest.raises(DataError, match="No value is observed in 'c' among the 60 rows"):
        Patterns.of(np.where(np.arange(4) == 2, np.nan, x), names=names)
    with pytest.raises(DataError, match="equal in 'b'"):
        Patterns.of(np.where((np.arange(4) == 1) & ~np.isnan(x), 7.0, x), names=names)
    infinite = x.copy()
    infinite[3, 3] = np.inf
    with pytest.raises(DataError, match=r"'d' \(1\)"):
        Patterns.of(infinite, names=names)


def test_no_maximum_is_said():
    x = sample(n=80, share=0.2)
    double = np.column_stack([x, 2 * x[:, 0] - 1])
    with pytest.raises(EstimationError, match="Columns 'a', 'e' are exact"):
        saturated(Patterns.of(double, names=list("abcde")))
    with pytest.raises(EstimationError, match=r"Only 4 rows have .* too few for their covariances"):
        saturated(Patterns.of(np.random.default_rng(0).normal(size=(4, 6))))


def test_variables_never_seen_together_still_have_a_likelihood():
    x = sample(n=200, p=3, share=0.0)
    x[:100, 0] = np.nan
    x[100:, 1] = np.nan
    patterns = Patterns.of(x)
    assert patterns.coverage[0, 1] == 0
    h1 = saturated(patterns)
    assert h1.converged
    apart = saturated(Patterns.of(x[:100, 1:])), saturated(Patterns.of(x[100:, [0, 2]]))
    assert np.abs(score(patterns, h1.mean, h1.cov).stacked).max() < 1e-4
    assert h1.loglik <= sum(a.loglik for a in apart)


@settings(max_examples=60, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    n=st.integers(1, 12),
    p=st.integers(1, 5),
    share=st.floats(0, 0.95),
    seed=st.integers(0, 999),
    digits=st.booleans(),
)
def test_small_and_odd_tables_work_or_are_refused_in_words(n, p, share, seed, digits):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 3, (n, p)).astype(float) if digits else rng.normal(size=(n, p))
    x[rng.random((n, p)) < share] = np.nan
    try:
        h1 = saturated(Patterns.of(x), max_iter=60)
    except CxError as error:
        refusal = str(error)
    else:
        assert np.isfinite(h1.loglik)
        return
    assert refusal.endswith(".")


def test_hundreds_of_patterns_have_a_maximum():
    rng = np.random.default_rng(4)
    n, p = 2800, 25
    x = rng.normal(size=(n, 5)) @ rng.normal(size=(5, p)) + rng.normal(size=(n, p))
    x[rng.random((n, p)) < 0.05] = np.nan
    patterns = Patterns.of(x)
    h1 = saturated(patterns)
    assert len(patterns.n) > 500
    assert h1.converged
    assert h1.loglik == pytest.approx(rowwise(x, h1.mean, h1.cov), rel=1e-12)
    assert np.abs(score(patterns, h1.mean, h1.cov).stacked).max() / n < 1e-5
