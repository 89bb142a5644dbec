"""Journeys and control charts: their tests, the mixed model behind the limits, and their signals."""

import numpy as np
import pandas as pd
import pytest

from cxmodels import metrics as m
from cxmodels.errors import DataError, SpecError


def journey_answers(n=120):
    rng = np.random.default_rng(5)
    person = rng.normal(0, 0.8, n)
    shift = {"book": 0.8, "arrive": 0.6, "stay": 0.5, "leave": -0.4}
    return pd.DataFrame(
        {k: np.clip(np.round(3.5 + s + person + rng.normal(0, 0.5, n)), 1, 5) for k, s in shift.items()}
    )


def test_journey_tests_its_steps_as_pairs():
    wide = journey_answers()
    j = m.journey(m.csat, list(wide), data=wide, measure="mean")
    assert j.frame["touchpoint"].tolist() == list(wide)
    assert j.frame["value"].tolist() == pytest.approx(wide.mean().tolist(), rel=1e-10)
    last = j.changes.set_index("group").loc["leave"]
    d = wide["leave"] - wide["stay"]
    assert [last["difference"], last["se"]] == pytest.approx([d.mean(), d.std() / np.sqrt(120)], rel=1e-10)
    long = wide.reset_index().melt("index", var_name="where", value_name="score")
    again = m.journey(
        m.csat, "score", "where", data=long, order=list(wide), respondent="index", measure="mean"
    )  # fmt: skip
    pd.testing.assert_frame_equal(again.changes, j.changes)
    assert "leave" in repr(j)


def monitored(seed=1, jump=0.0):
    rng = np.random.default_rng(seed)
    units, months = 20, 9
    n = rng.integers(2, 12, (units, months))
    n[0, 7] = 11
    unit = np.repeat(np.repeat(np.arange(units), months), n.ravel())
    month = np.repeat(np.tile(np.arange(months), units), n.ravel())
    true = 80 + rng.normal(0, 2, months) + rng.normal(0, 4, units)[:, None] + rng.normal(0, 1, (units, months))
    true[0, 7] -= jump
    return rng.normal(true[unit, month], 12), unit, month, true


def test_monitor_agrees_with_dense_mixed_model_algebra():
    x, unit, month, _ = monitored()
    fit = m.monitor(x, unit, month)
    c = fit.cells
    u, t = c["unit"].astype(int).to_numpy(), c["period"].to_numpy()
    g = fit.between**2 * (u[:, None] == u) + fit.monthly**2 * np.eye(len(c))
    v = g + np.diag(c["se"] ** 2)
    design = (t[:, None] == np.arange(9)).astype(float)
    inverse = np.linalg.inv(v)
    info = design.T @ inverse @ design
    mu = np.linalg.solve(info, design.T @ inverse @ c["mean"])
    score = design @ mu + g @ inverse @ (c["mean"] - design @ mu)
    assert c["score"].tolist() == pytest.approx(score.tolist(), rel=1e-8)
    pull = design - g @ inverse @ design
    mse = np.diag(g - g @ inverse @ g) + np.einsum("ij,jk,ik->i", pull, np.linalg.inv(info), pull)
    assert (c["score_se"] ** 2).tolist() == pytest.approx(mse.tolist(), rel=1e-7)
    h = fit.between**2 * (np.arange(20)[:, None] == u)  # the level of a unit with its cells
    to_mu = np.full((20, 9), 1 / 9) - h @ inverse @ design
    level = fit.between**2 - np.einsum("ij,jk,ik->i", h, inverse, h)
    level = np.sqrt(level + np.einsum("ij,jk,ik->i", to_mu, np.linalg.inv(info), to_mu))
    order = fit.units.index.astype(int).to_numpy()
    assert fit.units["se"].tolist() == pytest.approx(level[order].tolist(), rel=1e-7)


def test_monitor_finds_reml_variances():
    x, unit, month, _ = monitored(4)
    fit = m.monitor(x, unit, month)
    c = fit.cells
    u, t, y = c["unit"].astype(int).to_numpy(), c["period"].to_numpy(), c["mean"].to_numpy()
    design = (t[:, None] == np.arange(9)).astype(float)

    def criterion(between, monthly):
        v = between**2 * (u[:, None] == u) + np.diag(monthly**2 + c["se"] ** 2)
        inverse = np.linalg.inv(v)
        info = design.T @ inverse @ design
        r = y - design @ np.linalg.solve(info, design.T @ inverse @ y)
        return (np.linalg.slogdet(v)[1] + np.linalg.slogdet(info)[1] + r @ inverse @ r) / 2

    best = criterion(fit.between, fit.monthly)
    for db, dm in [(0.05, 0), (-0.05, 0), (0, 0.05), (0, -0.05)]:
        if fit.monthly + dm >= 0:
            assert criterion(fit.between + db, fit.monthly + dm) > best


def test_monitor_shrinks_and_sees_the_jump():
    raw = shrunk = covered = 0.0
    for seed in range(6):
        x, unit, month, true = monitored(seed)
        c = m.monitor(x, unit, month).cells
        truth = true[c["unit"].astype(int), c["period"].astype(int)]
        raw += ((c["mean"] - truth) ** 2).mean()
        shrunk += ((c["score"] - truth) ** 2).mean()
        covered += ((c["ci_lower"] <= truth) & (truth <= c["ci_upper"])).mean() / 6
    assert shrunk < 0.5 * raw
    assert 0.92 < covered < 0.98
    assert len(m.monitor(*monitored(2)[:3]).signals) <= 2
    news = m.monitor(*monitored(2, jump=30)[:3]).signals
    assert ("0", 7) in list(zip(news["unit"], news["period"], strict=True))


def test_monitor_rules():
    from cxmodels.metrics.monitoring import _signals

    z = np.array([0.5] * 8 + [-3.5, 2.5, 0.1, 2.4])
    u, t = np.zeros(12, dtype=int), np.arange(12)
    said = _signals(z, u, t, ("beyond", "run", "two_of_three"), 3.0, 8)
    assert [i for i, s in enumerate(said) if s] == [7, 8, 11]
    assert said[7:9] + said[11:] == ["run", "beyond", "two_of_three"]


def test_monitor_keeps_inside_its_scale():
    x, unit, month, _ = monitored()
    inside = np.clip(x, 0, 100)
    cells = m.monitor(inside, unit, month, scale=(0, 100)).cells
    assert cells["limit_upper"].max() <= 100
    with pytest.raises(DataError, match="outside its scale 0 to 100 in 1 of"):
        m.monitor(np.r_[inside[:-1], 101.0], unit, month, scale=(0, 100))


def test_pictures():
    from xml.etree import ElementTree

    from cxmodels.report.metric_charts import control_chart, journey_chart

    fit = m.monitor(*monitored(2, jump=30)[:3])
    assert "Signals" in fit._repr_html_()
    svg = control_chart(fit.cells, units=["0", "3"])
    assert svg.count("<circle") == int(fit.cells["unit"].isin(["0", "3"]).sum())
    wide = journey_answers()
    drawn = journey_chart(m.journey(m.csat, list(wide), data=wide, measure="mean").frame, digits=2)
    assert f"{wide['leave'].mean():.2f}" in drawn
    for picture in (
        svg,
        drawn,
        control_chart(fit.cells.iloc[:0]),
        journey_chart(pd.DataFrame({"touchpoint": [], "value": []})),
    ):
        ElementTree.fromstring(picture)
    with pytest.raises(SpecError, match="no unit '99'"):
        control_chart(fit.cells, units="99")
