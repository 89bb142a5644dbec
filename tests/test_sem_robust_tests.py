"""Corrected tests of fit against the matrix formula, the moments they restore, and equal eigenvalues."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2

from cxmodels.sem.robust_tests import Traces, mean_var_adjusted, satorra_bentler, scaled_shifted, u_gamma_traces


@pytest.mark.parametrize("diagonal", [True, False])
def test_traces_equal_the_matrix_formula_over_groups(diagonal):
    rng = np.random.default_rng(2)
    s, q, n = 7, 3, [120, 80]
    gamma = [np.cov(rng.normal(size=(s, 40))) for _ in n]
    weight = [rng.uniform(0.5, 2, s) if diagonal else np.linalg.inv(np.cov(rng.normal(size=(s, 40)))) for _ in n]
    jacobian = [rng.normal(size=(s, q)) for _ in n]
    w = np.zeros((2 * s, 2 * s))
    g = np.zeros_like(w)
    for i, size in enumerate(n):
        block, share = slice(i * s, (i + 1) * s), size / sum(n)
        w[block, block] = share * (np.diag(weight[i]) if diagonal else weight[i])
        g[block, block] = gamma[i] / share
    d = np.concatenate(jacobian)
    e_inv = np.linalg.inv(d.T @ w @ d)
    u_gamma = (w - w @ d @ e_inv @ d.T @ w) @ g
    got = u_gamma_traces(gamma, weight, jacobian, e_inv, n)
    assert_allclose(got, [np.trace(u_gamma), np.trace(u_gamma @ u_gamma)], rtol=1e-10)


def test_corrections_restore_the_moments_of_chi_square():
    eigenvalues = np.array([0.2, 0.5, 1.0, 1.5, 3.0])
    traces = Traces(eigenvalues.sum(), (eigenvalues**2).sum())
    raw = np.random.default_rng(0).chisquare(1, size=(200_000, 5)) @ eigenvalues
    shifted = scaled_shifted(1.0, 5, traces)
    adjusted = mean_var_adjusted(1.0, 5, traces)
    values = raw / shifted.scaling_factor + shifted.shift
    assert_allclose([values.mean(), values.var()], [5, 10], rtol=0.02)
    values = raw / adjusted.scaling_factor
    assert_allclose([values.mean(), values.var()], [adjusted.df, 2 * adjusted.df], rtol=0.02)
    assert_allclose((raw / satorra_bentler(1.0, 5, traces).scaling_factor).mean(), 5, rtol=0.01)
    assert_allclose(scaled_shifted(20.0, 5, traces).pvalue, chi2.sf(20 / shifted.scaling_factor + shifted.shift, 5))


@pytest.mark.parametrize("correct", [satorra_bentler, mean_var_adjusted, scaled_shifted])
def test_equal_eigenvalues_need_no_correction_and_no_df_has_none(correct):
    test = correct(12.0, 6, Traces(6.0, 6.0))
    assert_allclose([test.chisq, test.df, test.scaling_factor, test.shift], [12, 6, 1, 0], atol=1e-12)
    assert np.isnan(correct(0.0, 0, Traces(0.0, 0.0)).pvalue)
