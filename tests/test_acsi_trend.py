"""Trends over several waves against statsmodels, and against simulations with known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.acsi.trend import estimate_steps, smooth, trends
from cxmodels.errors import CxError, DataWarning

YEARS = [2018, 2019, 2020, 2022, 2023, 2024]


def frame(y: np.ndarray, se: np.ndarray, waves: list[int], construct: str = "S") -> pd.DataFrame:
    units, t = np.indices(y.shape)
    columns = {"company": units.ravel(), "year": np.array(waves)[t.ravel()], "construct": construct}
    return pd.DataFrame(columns | {"index": y.ravel(), "se": se.ravel()})


def walks(units: int, waves: int, step: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True levels, measurements, and standard errors that differ from wave to wave."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(55, 80, (units, 1)) + np.cumsum(rng.normal(0, step, (units, waves)), axis=1)
    se = rng.uniform(0.6, 1.6, truth.shape)
    return truth, rng.normal(truth, se), se


class LocalLevel:
    """statsmodels' state space model with known measurement variances that differ from wave to wave."""

    def __init__(self, y: np.ndarray, h: np.ndarray) -> None:
        from statsmodels.tsa.statespace.mlemodel import MLEModel

        self.model = MLEModel(y, k_states=1, initialization="diffuse")
        self.model.ssm.initialize_diffuse()
        for name in ("design", "transition", "selection"):
            self.model[name, 0, 0] = 1.0
        self.model["obs_cov"] = np.where(np.isnan(h), 1.0, h)[None, None, :]

    def smoothed(self, q: float):
        self.model["state_cov", 0, 0] = q
        return self.model.ssm.smooth()


def test_the_smoother_is_that_of_statsmodels():
    _, y, se = walks(1, 8, 1.0, seed=4)
    y[0, [2, 5]] = np.nan
    for q in (0.0, 0.3, 4.0):
        peer = LocalLevel(y[0], se[0] ** 2).smoothed(q)
        mean, variance, loglik = smooth(y, se**2, np.arange(8.0), np.array([q]))
        np.testing.assert_allclose(mean[0], peer.smoothed_state[0], rtol=1e-9)
        np.testing.assert_allclose(variance[0], peer.smoothed_state_cov[0, 0], rtol=1e-8)
        seen = np.count_nonzero(~np.isnan(y))
        assert loglik[0] - seen / 2 * np.log(2 * np.pi) == pytest.approx(peer.llf, abs=1e-8)


def test_waves_before_the_first_measurement_walk_back():
    _, y, se = walks(1, 6, 1.0, seed=5)
    y[0, :2] = np.nan
    mean, variance, _ = smooth(y, se**2, np.arange(6.0), np.array([0.5]))
    back, widths, _ = smooth(y[:, ::-1], se[:, ::-1] ** 2, np.arange(6.0), np.array([0.5]))
    np.testing.assert_allclose(mean[0], back[0, ::-1])
    np.testing.assert_allclose(variance[0], widths[0, ::-1])


def test_the_step_is_the_maximum_likelihood_estimate():
    from statsmodels.tsa.api import UnobservedComponents

    rng = np.random.default_rng(6)
    y = 70 + np.cumsum(rng.normal(0, 1.5, 30)) + rng.normal(0, 1, 30)
    y[[4, 17]] = np.nan
    q, loglik = estimate_steps(y[None], np.ones((1, 30)), np.arange(30.0), np.zeros(1, dtype=int))
    model = UnobservedComponents(y, "llevel", use_exact_diffuse=True)
    with model.fix_params({"sigma2.irregular": 1.0}):
        peer = model.fit(disp=False)
    assert q[0] == pytest.approx(peer.params[1], rel=2e-3)
    assert loglik[0] - 28 / 2 * np.log(2 * np.pi) >= peer.llf - 1e-9
    flat = 70 + np.tile([1e-3, -1e-3], 15)
    assert estimate_steps(flat[None], np.ones((1, 30)), np.arange(30.0), np.zeros(1, dtype=int))[0] == 0


def test_lines_are_those_of_weighted_least_squares():
    import statsmodels.api as sm

    rng = np.random.default_rng(7)
    se = rng.uniform(0.5, 1.5, (3, 6))
    y = 70 + 0.4 * np.array(YEARS) - 800 + rng.normal(0, se)
    y[1, 3] = np.nan
    found = trends(frame(y, se, YEARS), "company", "year", method="line", adjust="none")
    x = sm.add_constant(np.array(YEARS, dtype=float) - 2020)
    for company in range(3):
        seen = ~np.isnan(y[company])
        peer = sm.WLS(y[company, seen], x[seen], weights=1 / se[company, seen] ** 2).fit(cov_type="fixed scale")
        row = found.slopes.query("company == @company").iloc[0]
        assert row[["slope", "se", "pvalue"]].to_list() == pytest.approx(
            [peer.params[1], peer.bse[1], peer.pvalues[1]]
        )
        assert row.waves == seen.sum()
        line = found.smoothed.query("company == @company")
        there = peer.get_prediction(x)
        np.testing.assert_allclose(line.smoothed, there.predicted_mean)
        np.testing.assert_allclose(line.se, there.se_mean)


def test_smoothed_values_are_nearer_to_the_truth_and_say_how_near():
    measured = [0, 1, 2, 4, 5, 6]  # nobody was asked in 2021
    truth, y, se = (part[:, measured] for part in walks(400, 7, 0.7, seed=8))
    y[::5, 2] = np.nan
    found = trends(frame(y, se, YEARS), "company", "year", adjust="bh")
    table = found.smoothed.assign(truth=truth.ravel())
    assert found.steps.step[0] == pytest.approx(0.7, rel=0.15)
    inside = (table.ci_lower <= table.truth) & (table.truth <= table.ci_upper)
    assert 0.935 < inside.mean() < 0.965
    raw = (table["index"] - table.truth).dropna()
    assert ((table.smoothed - table.truth) ** 2).mean() < 0.75 * (raw**2).mean()
    assert inside[table["index"].isna()].mean() > 0.9


def test_slopes_of_what_does_not_move_are_rarely_significant():
    rng = np.random.default_rng(9)
    se = rng.uniform(0.5, 1.5, (600, 4))
    found = trends(frame(rng.normal(70, se), se, YEARS[:4]), "company", "year", method="line", adjust="holm")
    assert 0.03 < (found.slopes.pvalue < 0.05).mean() < 0.07
    assert (found.slopes.pvalue_adjusted < 0.05).sum() <= 1
    assert 0.03 < (found.slopes.lack_of_fit < 0.05).mean() < 0.07
    assert not found.warnings
    assert found.steps.empty


def test_waves_of_results_by_unit_step_and_name():
    parts = [cx.datasets.simulate_study(6, 60, 1, seed=1, first_year=y)[0] for y in range(2021, 2025)]
    fits = {f"{y} Q1": cx.SatisfactionIndex().fit(p, by="company", bootstrap=0) for y, p in enumerate(parts, 2021)}
    found = trends(fits, step="unit")
    assert len(found.slopes) == 36
    assert len(found.steps) == 36
    assert found.smoothed.wave.unique().tolist() == list(fits)
    assert "Kalman" in found.summary()
    whole = pd.concat([r.aggregate("nation").assign(year=w) for w, r in fits.items()])
    nation = trends(whole, ["level", "name"], "year", waves=[*fits, "2025 Q1"])
    last = nation.smoothed[nation.smoothed.construct == "Satisfaction"].iloc[-1]
    assert np.isnan(last["index"])
    assert last.ci_lower < last.smoothed < last.ci_upper


def test_bent_indices_are_said():
    y = np.tile([70.0, 75, 69, 76], (8, 1))
    with pytest.warns(DataWarning, match="'S' scatter about straight lines"):
        found = trends(frame(y, np.ones_like(y), YEARS[:4]), "company", "year", method="line")
    assert "Warning" in repr(found)


GOOD = frame(*walks(2, 3, 1.0, seed=1)[1:], YEARS[:3])


@pytest.mark.parametrize(
    ("scores", "options", "said"),
    [
        (GOOD, {"wave": "yaer"}, "no column 'yaer'. Did you mean 'year'"),
        (GOOD, {"unit": "firm"}, "no column 'firm'"),
        (GOOD[GOOD.year < 2020], {}, "three waves or more; there are 2"),
        (pd.concat([GOOD, GOOD[:1]]), {}, "0, S, 2018 stands twice"),
        (GOOD.assign(se=0.0), {}, "6 standard errors are missing or not above zero, first of 0, S, 2018"),
        (GOOD, {"waves": [2018, 2019]}, "'2020', which waves= does not name"),
        (GOOD, {"waves": [2020, 2019, 2018]}, "must rise"),
        (GOOD, {"method": "lines"}, "Did you mean 'line'"),
        ({}, {}, "trends takes a frame of scores, or results by wave"),
        (GOOD.assign(year=GOOD.year.where(GOOD.year > 2018)), {}, "2 lines of the scores have no 'year'"),
        (GOOD.assign(index="x"), {}, "'index' of the scores holds text"),
        (GOOD.assign(year=GOOD.year.astype(object).replace(2018, "2018")), {}, "no order of their own"),
        (GOOD, {"step": "own"}, "Unknown step='own'"),
        (GOOD, {"adjust": "bonferroni"}, "Unknown adjust"),
    ],
)
def test_bad_scores_are_refused(scores, options, said):
    with pytest.raises(CxError, match=said):
        trends(scores, **{"unit": "company", "wave": "year", **options})


def test_lines_without_an_index_are_counted():
    found = trends(GOOD.assign(index=GOOD["index"].where(GOOD.company == 0)), "company", "year")
    assert found.excluded.rows.tolist() == [3]
    assert "3 without an index" in repr(found)


def test_one_unit_is_drawn():
    import matplotlib.pyplot as plt

    found = trends(GOOD, "company", "year")
    ax = found.plot(1)
    assert ax.get_ylabel() == "S, 0–100"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["2018", "2019", "2020"]
    drawn = ax.get_lines()[0].get_ydata()
    np.testing.assert_allclose(drawn, found.series(1).smoothed)
    plt.close(ax.figure)
    with pytest.raises(CxError, match="no unit '7'; there are '0', '1'"):
        found.plot(7)
    with pytest.raises(CxError, match="no construct 'Joy'"):
        found.series(0, construct="Joy")
