"""Ordinal and mixed moments against lavaan 0.6.14, brute force, and what theory promises."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal, norm

from cxmodels.errors import CxError, DataError
from cxmodels.sem.design import Units
from cxmodels.sem.ordinal import ordinal_moments
from cxmodels.sem.polychoric import BOUND, bivariate_normal_cdf, pearson, polychoric
from cxmodels.sem.robust_tests import scaled_shifted, u_gamma_traces

REFERENCE = Path(__file__).parent / "reference" / "cbsem"


def responses(n, cuts, seed=0, loading=0.8):
    """One factor seen through thresholds; a variable without cuts stays continuous."""
    rng = np.random.default_rng(seed)
    latent = loading * rng.normal(size=(n, 1)) + np.sqrt(1 - loading**2) * rng.normal(size=(n, len(cuts)))
    columns = [np.digitize(y, c) if c is not None else 3 * y + 10 for y, c in zip(latent.T, cuts, strict=True)]
    return np.stack(columns, axis=1).astype(float)


MIXED = [[-1.0, 0.0, 1.2], None, [0.3], None, [-0.5, 0.4]]
ORDERED = np.array([c is not None for c in MIXED])


# --- the distribution function -------------------------------------------------------------------------------


def test_bivariate_normal_cdf_equals_its_integral():
    rng = np.random.default_rng(3)
    h, k = rng.normal(scale=1.5, size=(2, 300))
    rho = np.concatenate([rng.uniform(-0.95, 0.95, 250), rng.uniform(0.95, 0.999, 25), -rng.uniform(0.95, 0.999, 25)])
    h[:20] = 0

    def exact(a, b, r):
        def density(t):
            return np.exp(-(a * a + b * b - 2 * a * b * np.sin(t)) / (2 * np.cos(t) ** 2)) / (2 * np.pi)

        return norm.cdf(a) * norm.cdf(b) + quad(density, 0, np.arcsin(r), epsabs=1e-14, epsrel=1e-12, limit=200)[0]

    assert_allclose(bivariate_normal_cdf(h, k, rho), [exact(*t) for t in zip(h, k, rho, strict=True)], atol=1e-13)


@pytest.mark.parametrize(("h", "k", "rho", "value"), [(0, 0, 0.5, 1 / 3), (0, 0, -0.5, 1 / 6), (40, 1.2, 0.3, None)])
def test_bivariate_normal_cdf_at_special_points(h, k, rho, value):
    expected = norm.cdf(k) if value is None else value
    assert_allclose(bivariate_normal_cdf(np.array(h), np.array(k), np.array(rho)), expected, atol=1e-15)


# --- against lavaan ------------------------------------------------------------------------------------------


def case(name):
    ref = json.loads((REFERENCE / f"{name}.json").read_text())
    return ref, pd.read_csv(REFERENCE / "data" / ref["data"])


def sample_moments(ref, data):
    """Moments of each group, for the indicators in the order of the model."""
    names = list(dict.fromkeys(e["rhs"] for e in ref["estimates"] if e["op"] == "=~"))
    ordered = np.array([n in ref["options"]["ordered"] for n in names])
    group = ref["options"].get("group")
    parts = [data] if group is None else [data[data[group] == g] for g in ref["group_labels"]]
    return names, ordered, [ordinal_moments(d[names].to_numpy(float), ordered, names=names) for d in parts]


@pytest.mark.parametrize("name", ["hs_ord_cfa_wlsmv", "hs_ord_mixed_wlsmv", "mobi_ord_cfa_wlsmv"])
def test_thresholds_and_correlations_of_lavaan(name):
    ref, data = case(name)
    names = ref["polychoric"]["rows"]
    ordered = np.array([n in ref["options"]["ordered"] for n in names])
    got = ordinal_moments(data[names].to_numpy(float), ordered, names=names)
    # lavaan stops its one-dimensional search at a relative change of 1e-10 in the likelihood: 2e-8 in the correlation
    assert_allclose(got.cor, ref["polychoric"]["values"], atol=1e-7)
    thresholds = [v for k, v in ref["thresholds"].items() if "|" in k]
    assert_allclose(np.concatenate(got.thresholds), thresholds, atol=1e-12)


def implied(ref, names, ordered, moments, free):
    """Implied statistics of a factor model in the delta parameterisation, for each group."""
    factors = list(dict.fromkeys(e["lhs"] for e in ref["estimates"] if e["op"] == "=~"))
    out = []
    for g, m in enumerate(moments, start=1):
        load, cov, residual = (
            np.zeros((len(names), len(factors))),
            np.zeros((len(factors),) * 2),
            np.zeros(len(names)),
        )
        level, intercept, delta, cut = np.zeros(len(factors)), np.zeros(len(names)), np.ones(len(names)), {}
        for number, e in enumerate(ref["estimates"]):
            if e["group"] != g:
                continue
            value, lhs, rhs = free.get(e["label"] or number, e["est"]), e["lhs"], e["rhs"]
            if e["op"] == "=~":
                load[names.index(rhs), factors.index(lhs)] = value
            elif e["op"] == "~~" and lhs in factors:
                a, b = factors.index(lhs), factors.index(rhs)
                cov[a, b] = cov[b, a] = value
            elif e["op"] == "~~":
                residual[names.index(lhs)] = value
            elif e["op"] == "~1" and lhs in factors:
                level[factors.index(lhs)] = value
            elif e["op"] == "~1":
                intercept[names.index(lhs)] = value
            elif e["op"] == "~*~":
                delta[names.index(lhs)] = value
            elif e["op"] == "|":
                cut[names.index(lhs), int(rhs[1:]) - 1] = value
        mean = intercept + load @ level
        sigma = (load @ cov @ load.T + np.diag(np.where(ordered, 0, residual))) * np.outer(delta, delta)
        of = {
            "threshold": lambda i, j, c=cut, mu=mean, d=delta: (c[i, j] - mu[i]) * d[i],
            "mean": lambda i, j, mu=mean: -mu[i],
            "variance": lambda i, j, s=sigma: s[i, i],
            "covariance": lambda i, j, s=sigma: s[i, j],
        }
        out.append(np.array([of[k](i, j) for k, i, j in zip(m.kind, m.row, m.col, strict=True)]))
    return out


@pytest.mark.parametrize(
    "name",
    [
        "hs_ord_cfa_wlsmv",
        "hs_ord_cfa_dwls_naive",
        "hs_ord_mixed_wlsmv",
        "hs_ord_mg_wlsmv",
        "mobi_ord_cfa_wlsmv",
        "mobi_ord_cfa_ulsmv",
    ],
)
def test_chi_square_and_standard_errors_of_lavaan(name):
    """At lavaan's estimates our moments and weights must give lavaan's tests and standard errors."""
    ref, data = case(name)
    names, ordered, moments = sample_moments(ref, data)
    free, se = {}, {}
    for number, e in enumerate(ref["estimates"]):
        if e["free"]:
            free[e["label"] or number], se[e["label"] or number] = e["est"], e["se"]
    n = np.array([m.n for m in moments])
    weight = [np.ones(len(m.stats)) if "uls" in name else 1 / m.gamma_diagonal for m in moments]

    at = implied(ref, names, ordered, moments, free)
    chisq = sum((k - 1) * w @ (m.stats - s) ** 2 for k, w, m, s in zip(n, weight, moments, at, strict=True))
    assert_allclose(chisq, ref["fit"]["chisq"], atol=1e-5)

    step = 1e-5
    columns = []
    for key in free:
        up, down = ({**free, key: free[key] + s} for s in (step, -step))
        pair = (implied(ref, names, ordered, moments, point) for point in (up, down))
        columns.append([(a - b) / (2 * step) for a, b in zip(*pair, strict=True)])
    jacobian = [np.stack(c, axis=1) for c in zip(*columns, strict=True)]
    share = n / n.sum()
    e_inv = np.linalg.inv(sum(f * d.T @ (w[:, None] * d) for f, d, w in zip(share, jacobian, weight, strict=True)))
    vcov = e_inv
    if ref["resolved"]["se"] == "robust.sem":
        gamma = [m.gamma for m in moments]
        half = [w[:, None] * d for d, w in zip(jacobian, weight, strict=True)]
        vcov = e_inv @ sum(f * h.T @ g @ h for f, h, g in zip(share, half, gamma, strict=True)) @ e_inv
        test = scaled_shifted(chisq, ref["fit"]["df"], u_gamma_traces(gamma, weight, jacobian, e_inv, n))
        assert_allclose(test.chisq, ref["fit"]["chisq_scaled"], rtol=1e-6)
        assert_allclose(test.scaling_factor, ref["fit"]["chisq_scaling_factor"], rtol=1e-6)
        assert_allclose(test.pvalue, ref["fit"]["pvalue_scaled"], rtol=1e-4, atol=1e-15)
    assert_allclose(np.sqrt(np.diag(vcov) / (n.sum() - len(n))), list(se.values()), rtol=3e-5)


# --- against brute force -------------------------------------------------------------------------------------


def best(log_likelihood):
    """Maximise over a correlation: a grid against local maxima, then a bounded search."""
    grid = np.linspace(-0.99, 0.99, 67)
    at = grid[np.argmax([log_likelihood(r) for r in grid])]
    found = minimize_scalar(
        lambda r: -log_likelihood(r),
        bounds=(max(at - 0.03, -BOUND), min(at + 0.03, BOUND)),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return found.x


def cell_probabilities(rho, a, b):
    ends_a, ends_b = (np.concatenate([[-9.0], t, [9.0]]) for t in (a, b))
    grid = np.array([[multivariate_normal.cdf([u, v], cov=[[1, rho], [rho, 1]]) for v in ends_b] for u in ends_a])
    return np.diff(np.diff(grid, axis=0), axis=1)


@pytest.mark.parametrize("seed", range(4))
def test_polychoric_is_the_maximum_of_the_pair_likelihood(seed):
    rng = np.random.default_rng(seed)
    x = responses(120, [[-0.5, 0.8], [-1.0, 0.0, 0.7, 1.3]], seed, loading=[0.1, 0.5, 0.8, 0.97][seed])
    x[:, 1] *= rng.choice([-1, 1])
    w = rng.uniform(0.2, 2, len(x))
    got = ordinal_moments(x, np.array([True, True]), w)
    table = pd.crosstab(x[:, 0], x[:, 1], values=w, aggfunc="sum").fillna(0).to_numpy()
    a, b = (norm.ppf(np.cumsum(t)[:-1] / w.sum()) for t in (table.sum(axis=1), table.sum(axis=0)))
    assert_allclose(np.concatenate(got.thresholds), np.concatenate([a, b]), atol=1e-12)
    rho = best(lambda r: (table * np.log(np.maximum(cell_probabilities(r, a, b), 1.5e-8))).sum())
    assert_allclose(got.cor[0, 1], rho, atol=1e-6)  # a bounded search finds a maximum to the root of the precision


def test_polychoric_finds_the_global_maximum_of_sparse_tables():
    rng = np.random.default_rng(8)
    tables = rng.poisson(rng.choice([0.4, 1, 5], size=(300, 1, 1)), size=(300, 3, 3)).astype(float)
    tables = tables[(tables.sum(axis=1) > 0).all(axis=1) & (tables.sum(axis=2) > 0).all(axis=1)]
    a, b = (
        norm.ppf(np.cumsum(tables.sum(axis=i), axis=1)[:, :-1] / tables.sum(axis=(1, 2))[:, None]) for i in (2, 1)
    )
    rho = polychoric(tables, a, b)
    grid = np.linspace(-0.999, 0.999, 400)
    ends = [np.pad(t, ((0, 0), (1, 1)), constant_values=((0, 0), (-9, 9))) for t in (a, b)]

    def log_likelihood(r):
        cdf = bivariate_normal_cdf(ends[0][:, :, None], ends[1][:, None, :], r)
        p = np.diff(np.diff(cdf, axis=1), axis=2)
        return (tables * np.log(np.maximum(p, 1.5e-8))).sum(axis=(1, 2))

    top = np.max([log_likelihood(r) for r in grid], axis=0)
    assert len(tables) > 150
    assert (log_likelihood(rho[:, None, None]) >= top - 1e-9).all()


def test_empty_cell_of_a_two_by_two_table_gets_half_a_case():
    table = np.array([[30.0, 0.0], [20.0, 50.0]])
    a, b = norm.ppf([0.3]), norm.ppf([0.5])
    got = polychoric(table[None], a[None], b[None])[0]
    filled = table + np.array([[-0.5, 0.5], [0.5, -0.5]])
    assert_allclose(bivariate_normal_cdf(a[0], b[0], got), filled[0, 0] / 100, atol=1e-12)
    flipped = polychoric(table[None, :, ::-1], a[None], -b[None])[0]
    assert_allclose(flipped, -got, atol=1e-12)
    larger = np.pad(table, ((0, 0), (0, 1)), constant_values=10.0)  # an empty cell elsewhere is left alone
    even = norm.ppf(np.cumsum(larger.sum(axis=1))[:-1] / larger.sum())
    cut = norm.ppf(np.cumsum(larger.sum(axis=0))[:-1] / larger.sum())
    padded = np.zeros((1, 3, 3))
    padded[0, :2] = larger
    rho = polychoric(padded, np.array([[even[0], 40.0]]), cut[None])[0]
    brute = best(lambda r: (larger * np.log(np.maximum(cell_probabilities(r, even, cut), 1.5e-8))).sum())
    assert_allclose(rho, brute, atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_polyserial_is_the_maximum_of_the_pair_likelihood(weighted):
    x = responses(200, [None, [-0.7, 0.2, 0.9]], seed=5)
    w = np.random.default_rng(1).uniform(0.2, 2, 200) if weighted else np.ones(200)
    got = ordinal_moments(x, np.array([False, True]), w)
    mean = np.average(x[:, 0], weights=w)
    variance = np.average((x[:, 0] - mean) ** 2, weights=w)
    z = (x[:, 0] - mean) / np.sqrt(variance)
    ends = np.concatenate([[-np.inf], got.thresholds[1], [np.inf]])
    code = x[:, 1].astype(int)

    def log_likelihood(r):
        root = np.sqrt(1 - r * r)
        p = norm.cdf((ends[code + 1] - r * z) / root) - norm.cdf((ends[code] - r * z) / root)
        return w @ np.log(np.maximum(p, 1e-300))

    assert_allclose([got.means[0], got.variances[0]], [mean, variance], rtol=1e-12)
    assert_allclose(got.cor[0, 1] / np.sqrt(variance), best(log_likelihood), atol=1e-6)


def test_continuous_variables_give_their_covariance_matrix():
    x = responses(300, [None, None, None], seed=2)
    w = np.random.default_rng(2).uniform(0.5, 2, 300)
    got = ordinal_moments(x, np.zeros(3, bool), w)
    assert_allclose(got.cor, np.cov(x.T, aweights=w, ddof=0), rtol=1e-12)
    assert_array_equal(got.kind, ["mean"] * 3 + ["variance"] * 3 + ["covariance"] * 3)
    assert_allclose(got.stats[:3], -np.average(x, axis=0, weights=w))


def test_pearson_with_missing_values_is_the_maximum_given_the_variances():
    a, b, c = np.array([1.1, 1.0]), np.array([0.9, 1.0]), np.array([0.4, -0.3])
    got = pearson(a, b, c)
    brute = best(lambda r: -(np.log(1 - r * r) + (2.0 - 2 * r * 0.4) / (1 - r * r)) / 2)
    assert_allclose(got, [brute, -0.3], atol=1e-6)
    slope = got[0] + 0.4 - got[0] * (2.0 - 0.8 * got[0]) / (1 - got[0] ** 2)
    assert abs(slope) < 1e-12


# --- the asymptotic covariance -------------------------------------------------------------------------------


@pytest.mark.parametrize("design", ["incomplete", "clusters"])
def test_gamma_is_the_sampling_covariance(design):
    """Root-n statistics of 150 samples vary as gamma says; a variance ratio then has a standard error of 0.12."""
    n, draws = 300, 150
    rng = np.random.default_rng(11)
    stats, gamma = [], 0.0
    for seed in range(draws):
        x = responses(n, MIXED[:3], seed=1000 + seed)
        options = {}
        if design == "incomplete":
            x[rng.random(x.shape) < 0.15] = np.nan
            options = {"missing": "pairwise", "weights": rng.choice([0.5, 1.0, 2.0], n)}
        else:
            x = np.repeat(x[: n // 2], 2, axis=0)
            options = {"units": Units.of(np.repeat(np.arange(n // 2), 2))}
        got = ordinal_moments(x, ORDERED[:3], **options)
        stats.append(got.stats)
        gamma = gamma + got.gamma / draws
    observed = n * np.cov(np.array(stats).T)
    ratio = np.diag(observed) / np.diag(gamma)
    assert_allclose(ratio, 1, atol=0.35)
    assert abs(ratio.mean() - 1) < 0.12
    scale = np.sqrt(np.outer(np.diag(gamma), np.diag(gamma)))
    assert_allclose(observed / scale, gamma / scale, atol=0.35)


def test_gamma_diagonal_alone_is_the_diagonal_of_gamma():
    x = responses(150, MIXED)
    full, diagonal, none = (ordinal_moments(x, ORDERED, covariance=c) for c in ("full", "diagonal", "none"))
    assert_allclose(np.diag(full.gamma), diagonal.gamma_diagonal, rtol=1e-10)
    assert diagonal.gamma is None
    assert none.gamma_diagonal is None
    assert_array_equal(full.stats, none.stats)


def test_whole_number_weights_equal_repeated_rows():
    x = responses(150, MIXED, seed=4)
    w = np.random.default_rng(4).integers(1, 4, 150)
    row = np.repeat(np.arange(150), w)
    weighted = ordinal_moments(x, ORDERED, w.astype(float), units=Units.of(np.arange(150)))
    repeated = ordinal_moments(x[row], ORDERED, units=Units.of(row))
    assert_allclose(weighted.stats, repeated.stats, atol=1e-9)
    assert_allclose(weighted.gamma / weighted.n, repeated.gamma / repeated.n, rtol=1e-6, atol=1e-10)
    scaled = ordinal_moments(x, ORDERED, 7.0 * w, units=Units.of(np.arange(150)))
    assert_allclose(scaled.gamma, weighted.gamma, rtol=1e-8, atol=1e-9)


def test_rows_as_their_own_clusters_change_only_the_small_sample_factor():
    x = responses(100, MIXED, seed=6)
    alone, clustered = ordinal_moments(x, ORDERED), ordinal_moments(x, ORDERED, units=Units.of(np.arange(100)[::-1]))
    assert_allclose(clustered.gamma, alone.gamma * 100 / 99, rtol=1e-8, atol=1e-12)


# --- what must not change ------------------------------------------------------------------------------------


def test_only_the_order_of_codes_counts():
    x = responses(200, MIXED, seed=3)
    other = x.copy()
    other[:, ORDERED] = np.exp(x[:, ORDERED]) - 7.5
    first, second = ordinal_moments(x, ORDERED), ordinal_moments(other, ORDERED)
    assert_allclose(second.stats, first.stats, atol=1e-9)  # starting values differ
    assert_allclose(second.gamma, first.gamma, rtol=1e-6, atol=1e-8)
    assert_allclose(second.levels[0], np.exp([0, 1, 2, 3]) - 7.5)


def test_reversing_an_item_turns_its_correlations():
    x = responses(200, MIXED, seed=3)
    turned = x * np.where(np.arange(5) == 0, -1, 1)
    first, second = ordinal_moments(x, ORDERED), ordinal_moments(turned, ORDERED)
    assert_allclose(second.cor[0, 1:], -first.cor[0, 1:], atol=1e-9)
    assert_allclose(second.thresholds[0], -first.thresholds[0][::-1], atol=1e-12)


def test_scale_and_order_of_variables_pass_through():
    x = responses(200, MIXED, seed=3)
    first = ordinal_moments(x, ORDERED)
    unit = np.array([1, 1e4, 1, 1e-3, 1])
    shifted = ordinal_moments(x * unit + np.where(ORDERED, 0, 1e6), ORDERED)
    assert_allclose(shifted.cor, first.cor * np.outer(unit, unit), rtol=1e-5)
    turn = np.array([3, 1, 4, 0, 2])
    permuted = ordinal_moments(x[:, turn], ORDERED[turn])
    assert_allclose(permuted.cor, first.cor[np.ix_(turn, turn)], atol=1e-9)

    def table(m, number):
        cov = m.kind == "covariance"
        keys = [tuple(sorted((number[i], number[j]))) for i, j in zip(m.row[cov], m.col[cov], strict=True)]
        return dict(zip(keys, m.gamma_diagonal[cov], strict=True))

    a, b = table(first, np.arange(5)), table(permuted, turn)
    assert_allclose([b[k] for k in a], list(a.values()), rtol=1e-6)


def test_pairwise_on_complete_data_is_listwise():
    x = responses(150, MIXED, seed=9)
    a, b = ordinal_moments(x, ORDERED), ordinal_moments(x, ORDERED, missing="pairwise")
    assert_allclose(b.stats, a.stats, atol=1e-12)
    assert_allclose(b.gamma, a.gamma, atol=1e-10)


def test_pairwise_uses_the_rows_of_each_pair():
    x = responses(300, MIXED, seed=10)
    x[:60, 0], x[60:120, 2], x[100:150, 1] = np.nan, np.nan, np.nan
    got = ordinal_moments(x, ORDERED, missing="pairwise")
    assert (got.n, got.dropped) == (300, 0)
    for i in (0, 2):
        seen = ~np.isnan(x[:, i])
        assert_allclose(got.thresholds[i], ordinal_moments(x[seen][:, [i]], np.array([True])).thresholds[0])
    table = pd.crosstab(x[:, 0], x[:, 2]).to_numpy()
    a, b = got.thresholds[0], got.thresholds[2]
    brute = best(lambda r: (table * np.log(np.maximum(cell_probabilities(r, a, b), 1.5e-8))).sum())
    assert_allclose(got.cor[0, 2], brute, atol=1e-6)
    listwise = ordinal_moments(x, ORDERED)
    assert (listwise.n, listwise.dropped) == (150, 150)


def test_rows_of_weight_zero_are_as_good_as_absent():
    x = responses(200, MIXED, seed=12)
    w = np.r_[np.ones(150), np.zeros(50)]
    a, b = ordinal_moments(x[:150], ORDERED), ordinal_moments(x, ORDERED, w)
    assert_allclose(b.gamma, a.gamma, rtol=1e-12)
    assert b.n == 150


def test_a_two_valued_continuous_variable_keeps_its_covariance_finite():
    x = responses(300, [[0.2], [-0.5, 0.5], None], seed=13)
    got = ordinal_moments(x, np.array([False, True, False]))
    share = x[:, 0].mean()
    assert_allclose(got.gamma_diagonal[0], share * (1 - share), rtol=1e-9)  # the mean is a share
    assert np.isfinite(got.gamma).all()


def test_sparse_pairs_are_reported():
    x = responses(60, [[-1.5, 1.5], [-1.5, 1.5], [0.0]], seed=1, loading=0.95)
    got = ordinal_moments(x, np.ones(3, bool), covariance="none")
    assert (1, 0) in got.empty_cells
    assert (2, 0) in got.empty_cells  # nobody is low on the first and high on the third
    binary = np.array([[0, 0], [1, 1]] * 30 + [[0, 1]])
    got = ordinal_moments(binary, np.ones(2, bool), covariance="none")
    assert got.empty_cells == ((1, 0),)
    assert 0.9 < got.cor[0, 1] < 1
    same = ordinal_moments(np.repeat(x[:, :1], 2, axis=1), np.ones(2, bool), covariance="none")
    assert same.extreme == ((1, 0),)


# --- bad input -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (lambda x: x[:, 0].fill(2), {}, "'q1' has one category in 100 answers"),
        (lambda x: None, {"levels": [np.arange(5), None, None, None, None]}, "'q1' has nobody in category 4"),
        (lambda x: None, {"levels": [np.arange(3), None, None, None, None]}, "'q1' has the value 3"),
        (lambda x: x[:, 1].fill(2), {}, "'q2' does not vary in 100 rows"),
        (lambda x: x[3:5, 1].fill(np.inf), {}, "'q2' has 2 infinite values"),
        (lambda x: x[:, 0].fill(np.nan), {}, "Only 0 of 100 rows .* 100 have missing values"),
        (lambda x: np.copyto(x[:, 2], x[:, 4]), {}, "'q3' and 'q5' put all rows in the same"),
        (
            lambda x: (x[:50, 0].fill(np.nan), x[50:, 2].fill(np.nan)),
            {"missing": "pairwise"},
            "'q1' and 'q3' are never",
        ),
        (lambda x: None, {"weights": np.zeros(100)}, "All weights are zero"),
        (lambda x: None, {"weights": np.r_[-1.0, np.nan, np.ones(98)]}, "2 of 100 weights are negative or missing"),
        (lambda x: None, {"weights": np.ones(99)}, "99 weights for 100 rows"),
    ],
)
def test_unusable_data_are_named(change, options, words):
    x = responses(100, MIXED, seed=20)
    change(x)
    with pytest.raises(DataError, match=words):
        ordinal_moments(x, ORDERED, names=["q1", "q2", "q3", "q4", "q5"], **options)


def test_odd_tables_end_in_numbers_or_in_one_sentence():
    rng = np.random.default_rng(5)
    fine = 0
    for _ in range(150):
        n, p = rng.choice([2, 4, 10, 40]), rng.integers(1, 5)
        x = rng.integers(0, rng.integers(2, 5), size=(n, p)).astype(float)
        x[:, rng.random(p) < 0.3] += rng.normal(size=(n, 1))
        x[rng.random(x.shape) < rng.choice([0, 0.2])] = np.nan
        try:
            got = ordinal_moments(x, rng.random(p) < 0.6, missing=rng.choice(["listwise", "pairwise"]))
        except CxError:
            continue
        fine += 1
        assert np.isfinite(got.stats).all()
        assert np.isfinite(got.gamma).all()
    assert fine > 30
