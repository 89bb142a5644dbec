"""Shrinkage, ranks, precision and the split of a change: definitions, brute force, and what they promise in simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from cxmodels.acsi.decomposition import direct_from_total, split_change
from cxmodels.acsi.precision import (
    change_se,
    detectable_change,
    index_margin,
    interviews,
    interviews_for_change,
    power_of_change,
)
from cxmodels.acsi.ranks import rank_table
from cxmodels.acsi.shrinkage import shrink
from cxmodels.errors import DataError, SpecError


def test_the_variance_between_units_maximises_the_restricted_likelihood():
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(6), 5)
    d = rng.uniform(0.5, 4, 30)
    y = rng.normal(70, 4, 6)[group] + rng.normal(0, 1.7, 30) + rng.normal(0, np.sqrt(d))
    x = np.eye(6)[group]

    def minus_restricted(tau2):
        v = np.diag(1 / (tau2 + d))
        information = x.T @ v @ x
        r = y - x @ np.linalg.solve(information, x.T @ v @ y)
        return np.log(tau2 + d).sum() + np.linalg.slogdet(information)[1] + r @ v @ r

    best = minimize_scalar(minus_restricted, bounds=(0, 50), method="bounded", options={"xatol": 1e-10}).x
    found = shrink(y, np.sqrt(d), group)
    assert found.tau2 == pytest.approx(best, abs=1e-5)
    v = np.diag(1 / (best + d))
    mean = x @ np.linalg.solve(x.T @ v @ x, x.T @ v @ y)
    np.testing.assert_allclose(found.est, mean + best / (best + d) * (y - mean), atol=1e-5)


def test_shrunk_estimates_are_closer_and_their_intervals_cover():
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(12), 7)
    inside, closer = [], []
    for _ in range(150):
        d = rng.uniform(1, 9, len(group))
        truth = rng.normal(70, 4, 12)[group] + rng.normal(0, 2, len(group))
        y = truth + rng.normal(0, np.sqrt(d))
        found = shrink(y, np.sqrt(d), group)
        inside.append(np.abs(found.est - truth) < 1.96 * found.se)
        closer.append(((found.est - truth) ** 2).mean() / ((y - truth) ** 2).mean())
    assert 0.93 < np.mean(inside) < 0.97
    assert np.mean(closer) < 0.75


def test_no_difference_between_units_shrinks_all_the_way_and_a_lone_unit_stays():
    found = shrink([70.0, 70.1, 69.9, 50.0], [2.0, 2.0, 2.0, 2.0], ["a", "a", "a", "b"])
    assert found.tau2 == 0
    np.testing.assert_allclose(found.est, [70, 70, 70, 50])
    assert found.se[3] == 2
    assert found.share[3] == 0


def test_ranks_cover_the_truth_alone_and_together():
    rng = np.random.default_rng(3)
    truth = np.sort(rng.normal(70, 3, 25))[::-1]
    se = rng.uniform(0.5, 1.5, 25)
    alone, together, widths = [], [], []
    for _ in range(200):
        y = truth + rng.normal(0, se)
        one, joint = rank_table(y, se), rank_table(y, se, joint=True)
        place = np.arange(1, 26)
        alone.append((one.rank_lower <= place) & (place <= one.rank_upper))
        together.append(((joint.rank_lower <= place) & (place <= joint.rank_upper)).all())
        widths.append((one.rank_upper - one.rank_lower).mean() <= (joint.rank_upper - joint.rank_lower).mean())
    assert np.mean(alone, axis=0).min() >= 0.93
    assert np.mean(together) >= 0.93
    assert np.mean(widths) == 1


def test_groups_of_ties_open_where_a_unit_differs_from_their_first():
    table = rank_table([80, 79.5, 79, 70, 69.8, 60], [0.6] * 6)
    assert table.group.tolist() == [1, 1, 1, 2, 2, 3]
    assert table["rank"].tolist() == [1, 2, 3, 4, 5, 6]
    assert rank_table([5, 5, 4], [0, 0, 0])["rank"].tolist() == [1, 1, 3]
    assert rank_table([5, 5, 4], [0, 0, 0]).group.tolist() == [1, 1, 2]


def test_power_and_sizes_agree_with_each_other_and_with_simulation():
    n = interviews_for_change(1.5, sd=18, power=0.9)
    assert power_of_change(1.5, n, sd=18) == pytest.approx(0.9, abs=2e-4)
    assert detectable_change(n, sd=18, power=0.9) == pytest.approx(1.5, abs=1e-3)
    assert index_margin(interviews(2, sd=18), sd=18) <= 2 < index_margin(interviews(2, sd=18) - 1, sd=18)
    rng = np.random.default_rng(4)
    z = rng.normal(2 / change_se(300, sd=18), 1, 200_000)
    assert (np.abs(z) > norm.ppf(0.975)).mean() == pytest.approx(power_of_change(2, 300, sd=18), abs=0.005)
    assert detectable_change(250, tests=400) > detectable_change(250)
    assert change_se(100, overlap=1, correlation=0.5) == pytest.approx(change_se(100) / np.sqrt(2))


def test_partly_overlapping_samples_have_the_standard_error_of_a_simulation():
    rng = np.random.default_rng(5)
    n, shared, r = 200, 80, 0.6
    both = rng.multivariate_normal([0, 0], [[1, r], [r, 1]], (4000, shared))
    first = np.concatenate([both[..., 0], rng.normal(size=(4000, n - shared))], axis=1).mean(1)
    second = np.concatenate([both[..., 1], rng.normal(size=(4000, n - shared))], axis=1).mean(1)
    wanted = change_se(n, sd=1, overlap=shared / n, correlation=r)
    assert (second - first).std() == pytest.approx(wanted, rel=0.04)


def test_the_parts_of_a_change_add_up_and_name_what_moved():
    rng = np.random.default_rng(6)
    paths0 = np.zeros((3, 3))
    paths0[1, 0], paths0[2, 0], paths0[2, 1] = 0.6, 0.3, 0.5
    x0 = np.array([70.0, 65.0, 60.0])
    x1 = x0 + np.array([4.0, -1.0, 0.0])
    x1[2] += 0.3 * 4 - 0.5 * 1 + 2.0  # the drivers' share and two points from elsewhere
    parts = split_change(x0, x1, paths0, paths0, 2, 50.0)
    np.testing.assert_allclose(parts.drivers, [1.2, -0.5, 0])
    np.testing.assert_allclose(parts.impacts, 0)
    assert parts.rest == pytest.approx(2.0)
    paths1 = paths0 + rng.normal(0, 0.1, (3, 3)) * (paths0 != 0)
    for reference in (0.0, 50.0, x0):
        parts = split_change(x0, x1, paths0, paths1, 2, reference)
        total = parts.drivers.sum() + parts.impacts.sum() + parts.rest
        assert total == pytest.approx(x1[2] - x0[2])
    back = split_change(x1, x0, paths1, paths0, 2, 50.0)
    forth = split_change(x0, x1, paths0, paths1, 2, 50.0)
    np.testing.assert_allclose(back.drivers, -forth.drivers)
    total = np.linalg.inv(np.eye(3) - paths0) - np.eye(3)
    np.testing.assert_allclose(direct_from_total(total), paths0, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: shrink([1.0, 2.0], [1.0]), "2 estimates and 1 standard errors"),
        (lambda: shrink([1.0, np.nan], [1.0, 1.0]), "1 estimates or standard errors are missing"),
        (lambda: shrink([1.0, 2.0], [1.0, 0.0]), "not above zero"),
        (lambda: shrink([1.0, 2.0], [1.0, 1.0], ["a", "b"]), "No group has two units"),
        (lambda: rank_table([1.0, np.nan], [1, 1]), "no rank"),
    ],
)
def test_bad_units_are_refused(call, said):
    with pytest.raises(DataError, match=said):
        call()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: index_margin(0), "n must be"),
        (lambda: interviews(-1), "margin must be"),
        (lambda: interviews_for_change(0), "change must be"),
        (lambda: detectable_change(100, power=1), "power must"),
        (lambda: detectable_change(100, overlap=2), "overlap"),
        (lambda: power_of_change(1, 100, tests=0), "tests"),
    ],
)
def test_bad_plans_are_refused(call, said):
    with pytest.raises(SpecError, match=said):
        call()
