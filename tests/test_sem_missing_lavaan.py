"""Incomplete data against lavaan 0.6.14.

lavaan's EM stops at a change of 1e-5 or so: its unrestricted log-likelihoods lie up to 2e-8 below ours and its
moments 4e-6 away, so what depends on them is compared to 1e-5. What does not is compared to 1e-6 and better.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxmodels.sem.missing import case_scores, complete, information, loglik, score
from cxmodels.sem.patterns import Patterns
from cxmodels.sem.robust_missing import corrected, first_order
from cxmodels.sem.samples import vech
from cxmodels.sem.saturated import independence, saturated
from tests.test_sem_missing import slope

HERE = Path(__file__).parent / "reference" / "cbsem"
ITEMS = [f"x{i}" for i in range(1, 10)]
FACTORS = ["visual", "textual", "speed"]


def case(name):
    return json.loads((HERE / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def holzinger():
    return pd.read_csv(HERE / "data" / "hs_missing10.csv")


@pytest.fixture(scope="module")
def fitted(holzinger):
    """The three-factor model at lavaan's estimates, after a Newton step to take off its rounding."""
    patterns = Patterns.of(holzinger[ITEMS], names=ITEMS)
    return patterns, saturated(patterns), Cfa(case("hs_fiml")["estimates"]).polish([patterns])


class Cfa:
    """The implied moments of a three-factor model in one or more groups, as functions of its free parameters."""

    def __init__(self, estimates):
        rows = [e for e in estimates if e["free"]]
        self.groups = max(e["group"] for e in rows)
        self.start, self.place = [], []  # equal loadings share a parameter
        known = {}
        for e in rows:
            tied = (e["lhs"], e["rhs"]) if e["op"] == "=~" else (e["lhs"], e["op"], e["rhs"], e["group"])
            if tied not in known:
                known[tied] = len(self.start)
                self.start.append(e["est"])
            self.place.append((e, known[tied]))

    def matrices(self, t, group=1):
        loadings, phi, theta, mu = np.zeros((9, 3)), np.zeros((3, 3)), np.zeros((9, 9)), np.zeros(9)
        loadings[[0, 3, 6], [0, 1, 2]] = 1
        where = []
        for e, at in self.place:
            if e["group"] != group:
                continue
            lhs, rhs = e["lhs"], e["rhs"]
            if e["op"] == "=~":
                where.append((at, loadings, ITEMS.index(rhs), FACTORS.index(lhs)))
            elif e["op"] == "~1":
                where.append((at, mu, ITEMS.index(lhs), None))
            elif lhs in FACTORS:
                where.append((at, phi, FACTORS.index(lhs), FACTORS.index(rhs)))
            else:
                where.append((at, theta, ITEMS.index(lhs), ITEMS.index(lhs)))
        for at, matrix, i, j in where:
            if j is None:
                matrix[i] = t[at]
            else:
                matrix[i, j] = t[at]
                if matrix is phi:
                    matrix[j, i] = t[at]
        return loadings, phi, theta, mu, where

    def moments(self, t, group=1):
        loadings, phi, theta, mu, _ = self.matrices(t, group)
        return mu, loadings @ phi @ loadings.T + theta

    def jacobian(self, t, group=1):
        loadings, phi, theta, mu, where = self.matrices(t, group)
        across = phi @ loadings.T
        out = np.zeros((54, len(t)))
        for at, matrix, i, j in where:
            d = np.zeros((9, 9))
            if matrix is mu:
                out[i, at] = 1
            elif matrix is loadings:
                d[i] = across[j]
                d = d + d.T
            elif matrix is theta:
                d[i, i] = 1
            else:
                d = np.outer(loadings[:, i], loadings[:, j])
                d = d if i == j else d + d.T
            out[9:, at] += d[vech(9)]
        return out

    def hessian(self, t, patterns):
        def whole(t):
            return sum(
                self.jacobian(t, g).T @ score(p, *self.moments(t, g)).stacked for g, p in enumerate(patterns, 1)
            )

        step = 1e-4 * np.eye(len(t))
        return -np.array([(whole(t + e) - whole(t - e)) / 2e-4 for e in step]), whole(t)

    def polish(self, patterns):
        self.t = np.array(self.start)
        self.h, g = self.hessian(self.t, patterns)
        self.t = self.t + np.linalg.solve(self.h, g)
        return self


# --- against lavaan --------------------------------------------------------------------------------------------


def test_saturated_model_is_lavaans(fitted):
    _, h1, _ = fitted
    ref = case("hs_fiml")
    assert h1.converged
    assert 0 <= h1.loglik - ref["fit"]["unrestricted_logl"] < 1e-6
    np.testing.assert_allclose(h1.cov, ref["sample_cov"]["values"], atol=1e-5)
    np.testing.assert_allclose(h1.mean, list(ref["sample_mean"].values()), atol=1e-5)


def test_likelihood_of_the_model_is_lavaans(fitted):
    patterns, h1, cfa = fitted
    ref = case("hs_fiml")
    mu, sigma = np.array(list(ref["implied_mean"].values())), np.array(ref["implied_cov"]["values"])
    assert loglik(patterns, mu, sigma) == pytest.approx(ref["fit"]["logl"], abs=1e-9)
    assert 2 * (h1.loglik - loglik(patterns, mu, sigma)) == pytest.approx(ref["fit"]["chisq"], abs=1e-6)
    base = 2 * (h1.loglik - loglik(patterns, *independence(patterns)))
    assert base == pytest.approx(ref["fit"]["baseline_chisq"], abs=1e-6)
    np.testing.assert_allclose(cfa.t, cfa.start, atol=1e-5)


def test_standard_errors_are_lavaans(fitted):
    patterns, _, cfa = fitted
    n = patterns.total
    bread = np.linalg.inv(cfa.h / n)
    se = [e["se"] for e in case("hs_fiml")["estimates"] if e["free"]]
    np.testing.assert_allclose(np.sqrt(np.diag(bread) / n), se, rtol=2e-5)
    scores = case_scores(patterns, *cfa.moments(cfa.t)) @ cfa.jacobian(cfa.t)
    robust = bread @ (scores.T @ scores / n) @ bread / n
    se = [e["se"] for e in case("hs_fiml_mlr")["estimates"] if e["free"]]
    np.testing.assert_allclose(np.sqrt(np.diag(robust)), se, rtol=2e-5)


def test_hessian_is_information_less_curvature(fitted):
    patterns, _, cfa = fitted
    mu, sigma = cfa.moments(cfa.t)
    j, g = cfa.jacobian(cfa.t), score(patterns, mu, sigma).stacked
    curvature = slope(lambda t: cfa.jacobian(t).T @ g, cfa.t)
    n = patterns.total
    want = cfa.hessian(cfa.t, [patterns])[0] / n
    np.testing.assert_allclose(j.T @ information(patterns, mu, sigma) @ j - curvature / n, want, atol=2e-6)


def baseline_jacobian():
    rows, cols = vech(9)
    variances = (rows[:, None] == np.arange(9)) & (cols[:, None] == np.arange(9))
    return np.block([[np.eye(9), np.zeros((9, 9))], [np.zeros((45, 9)), variances.astype(float)]])


@pytest.mark.parametrize(("name", "robust"), [("hs_fiml", False), ("hs_fiml_mlr", True)])
def test_corrected_indices_are_lavaans(fitted, name, robust):
    patterns, h1, cfa = fitted
    ref = case(name)["fit"]
    meats = [first_order(patterns, h1.mean, h1.cov)] if robust else None
    own = corrected([patterns], [h1], [cfa.moments(cfa.t)], [cfa.jacobian(cfa.t)], meats=meats)
    base = corrected([patterns], [h1], [independence(patterns)], [baseline_jacobian()], meats=meats)
    assert_indices(own, base, ref, patterns.total, 1)


def assert_indices(own, base, ref, n, groups):
    gap, base_gap = own.chisq - own.bias, base.chisq - base.bias
    assert np.sqrt(gap / n / ref["df"] * groups) == pytest.approx(ref["rmsea_robust"], abs=1e-5)
    assert 1 - gap / base_gap == pytest.approx(ref["cfi_robust"], abs=1e-5)
    tli = 1 - (gap / ref["df"]) / (base_gap / ref["baseline_df"])
    assert tli == pytest.approx(ref["tli_robust"], abs=1e-5)


def test_two_groups_with_equal_loadings_are_lavaans(holzinger):
    ref = case("hs_fiml_mg")
    patterns = [Patterns.of(holzinger.loc[holzinger.school == s, ITEMS]) for s in ref["group_labels"]]
    h1 = [saturated(p) for p in patterns]
    assert sum(s.loglik for s in h1) == pytest.approx(ref["fit"]["unrestricted_logl"], abs=1e-5)
    cfa = Cfa(ref["estimates"]).polish(patterns)
    moments = [cfa.moments(cfa.t, g) for g in (1, 2)]
    total = sum(loglik(p, *m) for p, m in zip(patterns, moments, strict=True))
    assert total == pytest.approx(ref["fit"]["logl"], abs=1e-7)
    se = np.sqrt(np.diag(np.linalg.inv(cfa.h)))
    for e, at in cfa.place:
        assert se[at] == pytest.approx(e["se"], rel=2e-5)
    jacobians = [cfa.jacobian(cfa.t, g) for g in (1, 2)]
    own = corrected(patterns, h1, moments, jacobians)
    apart = baseline_jacobian()
    base = corrected(
        patterns,
        h1,
        [independence(p) for p in patterns],
        [np.hstack([apart, 0 * apart]), np.hstack([0 * apart, apart])],
    )
    assert_indices(own, base, ref["fit"], 301, 2)


def test_factor_scores_of_incomplete_rows_are_lavaans(fitted, holzinger):
    patterns, _, cfa = fitted
    mu, sigma = cfa.moments(cfa.t)
    loadings = np.zeros((9, 3))
    loadings[[0, 3, 6], [0, 1, 2]] = 1
    for e, at in cfa.place:
        if e["op"] == "=~":
            loadings[ITEMS.index(e["rhs"]), FACTORS.index(e["lhs"])] = cfa.t[at]
    phi = np.array(case("hs_fiml")["cov_lv"]["values"])
    filled = complete(patterns, mu, sigma)
    got = (filled - mu) @ np.linalg.inv(sigma) @ loadings @ phi
    want = pd.DataFrame(case("hs_fiml")["factor_scores"]["regression"]).to_numpy()
    np.testing.assert_allclose(got[: len(want)], want, atol=1e-5)
    seen = holzinger[ITEMS].notna().to_numpy()
    np.testing.assert_array_equal(filled[seen], holzinger[ITEMS].to_numpy()[seen])
