"""What intervals of metrics cover, exactly or by simulation, and the samples that a margin needs."""

import numpy as np
import pytest

from cxmodels import metrics as m
from cxmodels.inference import net_interval, share_interval
from tests.metric_answers import HOTEL, IMPORTANCE, QUALITY


@pytest.mark.parametrize(
    ("p", "d"), [(0.45, 0.25), (0.9, 0.02), (0.98, 0.005), (0.05, 0.85), (0.6, 0.0), (0.02, 0.02)]
)
@pytest.mark.parametrize("n", [20, 50, 100])
def test_nps_interval_covers_exactly(n, p, d):
    """Every possible sample with its probability: no Monte Carlo. Rare groups make the interval wide, never short."""
    from scipy.stats import multinomial

    i, j = (a.ravel() for a in np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij"))
    i, j = i[i + j <= n], j[i + j <= n]
    chance = multinomial.pmf(np.column_stack([i, j, n - i - j]), n, [p, d, 1 - p - d])
    likely = chance > 1e-7
    ends = np.array([net_interval(a / n, b / n, n) for a, b in zip(i[likely], j[likely], strict=True)])
    covered = chance[likely][(ends[:, 0] <= p - d) & (p - d <= ends[:, 1])].sum()
    assert covered > 0.935


def test_nps_interval_covers_at_a_thousand():
    draws = np.random.default_rng(1).multinomial(1000, [0.45, 0.25, 0.3], 3000)
    ends = np.array([net_interval(a / 1000, b / 1000, 1000) for a, b, _ in draws])
    assert ((ends[:, 0] <= 0.2) & (ends[:, 1] >= 0.2)).mean() == pytest.approx(0.95, abs=0.015)


def test_share_interval_covers_on_average():
    """Wilson's coverage swings with p and n (down to 91 % at p = 0.01, n = 50); its mean near the ends is what counts."""
    from scipy.stats import binom

    for n in (20, 50, 200, 1000):
        x = np.arange(n + 1)
        ends = np.array([share_interval(v / n, n) for v in x])
        p = np.linspace(0.005, 0.995, 199)
        inside = (ends[:, 0, None] <= p) & (p <= ends[:, 1, None])
        covered = (binom.pmf(x[:, None], n, p) * inside).sum(axis=0)
        assert covered.mean() == pytest.approx(0.953, abs=0.012)
        assert covered[(p > 0.2) & (p < 0.8)].min() > 0.92


def test_intervals_of_clustered_and_weighted_shares_cover():
    rng = np.random.default_rng(7)
    hit = [0, 0]
    for _ in range(300):
        chance = np.repeat(rng.beta(0.3 * 9, 0.7 * 9, 40), 8)
        e = m.rate((rng.random(320) < chance).astype(int), clusters=np.repeat(np.arange(40), 8))
        hit[0] += e.ci_lower <= 0.3 <= e.ci_upper
        w = np.exp(rng.normal(0, 0.6, 150))
        e = m.rate((rng.random(150) < 0.1).astype(int), weights=w)
        hit[1] += e.ci_lower <= 0.1 <= e.ci_upper
    assert 0.92 < hit[0] / 300 < 0.985
    assert 0.92 < hit[1] / 300 < 0.985


def test_percentile_intervals_cover():
    rng = np.random.default_rng(8)
    found = [m.duration(rng.lognormal(size=60), measure=["median", "p90"]) for _ in range(150)]
    for row, truth in ((0, 1.0), (1, np.exp(1.2815515655446004))):
        inside = np.mean([f["ci_lower"][row] <= truth <= f["ci_upper"][row] for f in found])
        assert 0.93 < inside < 0.995


# -- sample size --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "margin", "options"),
    [("share", 0.05, {}), ("csat", 0.02, {"share": 0.9}), ("nps", 5, {"promoters": 0.5, "detractors": 0.2})],
)
def test_sample_size_is_the_smallest_that_holds(metric, margin, options):
    n = int(m.sample_size(metric, margin, **options))

    def half(n):
        if metric == "nps":
            ends = net_interval(0.5, 0.2, n)
            return 50 * (ends[1] - ends[0])
        ends = share_interval(options.get("share", 0.5), n)
        return (ends[1] - ends[0]) / 2

    assert half(n) <= margin < half(n - 1)


def test_sample_size():
    # variance 0.61 and ±5 points: about 940 (Rocks 2016)
    assert int(m.sample_size("nps", 5, promoters=0.5, detractors=0.2)) == pytest.approx(938, abs=4)
    assert int(m.sample_size("mean", 0.1, sd=1)) == 385
    assert int(m.sample_size("mean", 0.1, sd=1, difference=True)) == 769
    assert int(m.sample_size("mean", 0.1, sd=1, deff=1.5)) == 577
    assert m.sample_size("mean", 0.1, sd=1, response_rate=0.2).invitations == 1925
    assert int(m.sample_size("share", 0.05, population=500)) < 220
    pilot = m.csi(IMPORTANCE, QUALITY, data=HOTEL)
    assert int(m.sample_size(pilot, 2)) == int(np.ceil((1.959964 * pilot.se / 2) ** 2 * 60))
    rng = np.random.default_rng(2)
    n = int(m.sample_size("median", 0.1, sd=1.0))
    medians = np.log(np.median(rng.lognormal(size=(4000, n)), axis=1))
    assert 1.96 * medians.std() == pytest.approx(np.log(1.1), rel=0.06)
