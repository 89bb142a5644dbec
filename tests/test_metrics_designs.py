"""Every metric takes raw answers, weights, strata, clusters and groups, and its groups can be tested against one another."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multinomial

from cxmodels import metrics as m
from cxmodels.errors import DataError, SpecError
from cxmodels.inference import net_interval

N = 240


def people():
    rng = np.random.default_rng(8)
    stratum, cluster = np.repeat([0, 1, 2], 80), np.arange(N) // 4
    mood = rng.normal(size=60)[cluster]
    rating = lambda lo, hi: np.clip(np.round((lo + hi) / 2 + mood + 1.5 * rng.normal(size=N)), lo, hi)  # noqa: E731
    frame = pd.DataFrame({f"q{j}": rating(1, 5) for j in range(4)} | {f"i{j}": rating(1, 5) for j in range(4)})
    yes = {f"yes{j}": (rng.random(N) < 0.4 + 0.15 * (mood > 0)).astype(float) for j in range(3)}
    wait = rng.exponential(5, N) * np.exp(0.3 * mood)
    return frame.assign(
        nps=rating(0, 10), effort=rating(1, 7), ten=rating(1, 10), **yes, orders=rng.integers(0, 4, N), margin=100 + 30 * mood,
        contacts=rng.poisson(2, N), transactions=rng.integers(3, 9, N), days=rng.integers(10, 30, N), wait=np.round(wait, 1) + 0.1,
        open=wait > 12, who=rng.integers(0, 90, N), at=rng.uniform(0, 60, N), shop=np.resize(["north", "south"], N),
        unit=np.resize(list("abcdef"), N), month=np.resize([1, 1, 2, 2, 3], N), weight=rng.uniform(0.5, 2, N), stratum=stratum, cluster=cluster,
    )  # fmt: skip


DATA = people()
ROOM = m.Branch("Room", [m.Component("Bed", "q0", "i0"), m.Component("Bath", "q1", "i1")], importance="i2")
TREE = m.Branch("Hotel", [ROOM, m.Component("Staff", "q2", "i3")])
TABLE = pd.DataFrame({"weight": [2, 1], "target": [90, 80]}, index=["q0", "q1"])
QUALITY, IMPORTANCE = ["q0", "q1", "q2"], ["i0", "i1", "i2"]

#: Every metric of raw answers: what it takes.
EVERY = {
    "nps": (m.nps, ("nps",), {}),
    "nps score": (m.nps, ("nps",), {"interval": "score"}),
    "enps": (m.enps, ("nps",), {}),
    "csat": (m.csat, ("q0",), {}),
    "csat net": (m.csat, ("q0",), {"measure": "net"}),
    "csat mean": (m.csat, ("q0",), {"measure": "mean"}),
    "dissatisfaction": (m.dissatisfaction, ("q0",), {}),
    "ces": (m.ces, ("effort",), {}),
    "ces top box": (m.ces, ("effort",), {"measure": "top_box"}),
    "expectation_gap": (m.expectation_gap, ("ten",), {}),
    "rate": (m.rate, ("yes0",), {}),
    "fcr": (m.fcr, ("yes0",), {"eligible": "yes1"}),
    "fcr_from_log": (m.fcr_from_log, ("who", "at"), {}),
    "response_rate": (m.response_rate, ("yes0",), {}),
    "conversion": (m.conversion, ("yes0",), {}),
    "contact_rate": (m.contact_rate, ("contacts", "transactions"), {}),
    "service_level": (m.service_level, ("days", 30), {}),
    "churn_rate": (m.churn_rate, ("yes0",), {}),
    "retention_rate": (m.retention_rate, ("yes0",), {}),
    "repeat_purchase": (m.repeat_purchase, ("orders",), {}),
    "returning_customers": (m.returning_customers, ("yes0", "yes1"), {}),
    "clv": (m.clv, ("margin", "yes0", 0.1), {}),
    "duration": (m.duration, ("wait",), {"measure": "median"}),
    "duration, some open": (m.duration, ("wait",), {"measure": "median", "open": "open"}),
    "share within, some open": (m.duration, ("wait",), {"measure": "within", "target": 4, "open": "open"}),
    "first_response_time": (m.first_response_time, ("wait",), {"measure": "geometric_mean"}),
    "resolution_time": (m.resolution_time, ("wait",), {"open": "open", "horizon": 10}),
    "handling_time": (m.handling_time, ("wait", "margin"), {}),
    "quality_score": (m.quality_score, (["yes0", "yes1", "yes2"],), {}),
    "csi": (m.csi, (IMPORTANCE, QUALITY), {}),
    "csi_tree": (m.csi_tree, (TREE,), {}),
    "csi_indicators": (m.csi_indicators, (TABLE,), {"scale": (1, 5)}),
    "checklist": (m.checklist, ({"Room": ["yes0", "yes1"], "Staff": ["yes2"]},), {}),
}
#: What is left, and why it takes no design.
OTHERS = {
    "Branch", "Component", "CsiEstimate", "Estimate", "IndicatorIndex", "Journey", "Monitor", "MonitorGroups", "SampleSize",
    "annual", "lifetime", "proportion",  # of counts and estimates
    "csi_scores", "elapsed", "per_customer", "profile", "quadrants",  # a number for every row, or of results
    "difference", "differences", "journey", "monitor", "sample_size",  # tested apart
}  # fmt: skip


def ask(name, data=DATA, **more):
    metric, answers, options = EVERY[name]
    given = {"data": data, **options, **more}
    return metric(*answers, **given)


def numbers(found):
    """Value and error of an estimate, or of a frame's rows."""
    frame = found if isinstance(found, pd.DataFrame) else getattr(found, "estimate", found).frame
    return frame[["value", "se", "ci_lower", "ci_upper"]].to_numpy(float)


def test_no_metric_is_forgotten():
    assert {metric.__name__ for metric, _, _ in EVERY.values()} | OTHERS == set(m.__all__)


@pytest.mark.parametrize("name", EVERY)
def test_designs(name):
    plain = numbers(ask(name))
    weighted = numbers(ask(name, weights="weight"))
    assert not np.allclose(plain[:, 0], weighted[:, 0])
    design = {"weights": "weight", "strata": "stratum", "clusters": "cluster"}
    full = numbers(ask(name, **design))
    np.testing.assert_allclose(full[:, 0], weighted[:, 0])
    assert not np.allclose(full[:, 1], weighted[:, 1], rtol=1e-4)
    scaled = numbers(ask(name, **{**design, "weights": DATA["weight"] * 1000}))
    np.testing.assert_allclose(scaled, full, rtol=1e-9)
    assert (full[:, 1] > 0).all()
    assert ((full[:, 2] <= full[:, 0]) & (full[:, 0] <= full[:, 3])).all()


@pytest.mark.parametrize("name", EVERY)
def test_groups(name):
    log = {"until": DATA["at"].max()} if "log" in name else {}
    frame = ask(name, by="shop", weights="weight", **log)
    for shop, part in DATA.groupby("shop"):
        if "log" in name:  # a contact in the other shop is a repeat too
            assert 0 < frame.loc[frame["shop"] == shop, "value"].iloc[0] < 1
            continue
        alone = numbers(ask(name, data=part, weights="weight"))
        got = numbers(frame[frame["shop"] == shop])
        np.testing.assert_allclose(got[:, 0], alone[:, 0])
        np.testing.assert_allclose(
            got, alone, rtol=0.02, atol=0.05
        )  # groups of a sample are domains: n, not n_g, less 1
    two = ask(name, by=["shop", "month"])
    assert {"shop", "month"} <= set(two.columns)


@pytest.mark.parametrize("name", EVERY)
def test_differences(name):
    metric, answers, options = EVERY[name]
    common = {"data": DATA, "by": "shop", "weights": "weight", "strata": "stratum", "clusters": "cluster", **options}
    if "interval" in common:
        common["groups_interval"] = common.pop("interval")
    found = m.differences(metric, *answers, **common)
    frame = ask(name, **{k: v for k, v in common.items() if k not in ("data", "groups_interval", *options)})
    rows = len(frame) // 2
    values = frame["value"].to_numpy().reshape(-1, 2)
    np.testing.assert_allclose(found["difference"], values[:, 1] - values[:, 0])
    assert len(found) == rows
    assert found["pvalue"].between(0, 1).all()
    waves = m.differences(metric, *answers, **{**common, "by": "month", "compare": "previous"})
    assert len(waves) == 2 * rows


@pytest.mark.parametrize("name", sorted({metric.__name__ for metric, _, _ in EVERY.values()}))
def test_sample_sizes(name):
    assert int(m.sample_size(name, 0.5 if name in ("clv", "csi") else 0.1, sd=1.0, rate=0.5)) > 1


def test_counts_take_no_design():
    for ask_counts in (
        lambda: m.contact_rate(30, 200, weights=[1]),
        lambda: m.churn_rate(start=10, end=9, new=0, by="shop"),
        lambda: m.clv(100, 0.8, 0.1, by=["a"]),
        lambda: m.csi_indicators(TABLE.assign(actual=70), weights=[1, 2]),
    ):
        with pytest.raises(SpecError, match="leave nothing to weigh or to group"):
            ask_counts()


# -- those that are no single number ---------------------------------------------------------------------------------


def clustered(groups=2, units=6, periods=6, seed=1):
    """Scores of units over periods, asked in clusters of four; twelve points of luck, eight of them the cluster's."""
    rng = np.random.default_rng(seed)
    cells = list(itertools.product(range(groups), range(units), range(periods), range(5)))
    skill, luck = rng.normal(80, 5, (groups, units)), rng.normal(0, 8, len(cells))
    rows = [
        (f"g{g}", f"g{g}u{u}", t, c, skill[g, u] + luck[c] + e)
        for c, (g, u, t, _) in enumerate(cells)
        for e in rng.normal(0, 10, 4)
    ]
    return pd.DataFrame(rows, columns=["region", "unit", "month", "cluster", "score"])


def test_monitor_knows_clusters():
    data = clustered()
    plain, told = (m.monitor("score", "unit", "month", data=data, **k) for k in ({}, {"clusters": "cluster"}))
    assert plain.deff == 1
    assert told.deff == pytest.approx((64 / 5 + 100 / 20) / (164 / 20), rel=0.15)
    assert "design effect 2" in repr(told)
    assert (told.cells["se"] > 1.3 * plain.cells["se"]).all()
    copies = pd.concat([data.assign(row=np.arange(len(data)))] * 3, ignore_index=True)
    thrice = m.monitor("score", "unit", "month", data=copies, clusters="row")
    np.testing.assert_allclose(thrice.cells["se"], plain.cells["se"], rtol=0.01)
    changes = told.changes()
    first = changes.iloc[0]
    cells = told.cells.set_index(["unit", "period"])
    assert first["change"] == pytest.approx(cells.loc[("g0u0", 1), "mean"] - cells.loc[("g0u0", 0), "mean"])
    assert (changes["pvalue_adjusted"] >= changes["pvalue"]).all()


def test_monitor_of_groups_is_one_monitor_each():
    data = clustered()
    both = m.monitor("score", "unit", "month", data=data, by="region", clusters="cluster")
    alone = m.monitor("score", "unit", "month", data=data[data["region"] == "g1"], clusters="cluster")
    pd.testing.assert_frame_equal(both["g1"].cells, alone.cells)
    assert both.units["region"].value_counts().tolist() == [6, 6]
    assert both.spread["within"].iloc[1] == alone.within
    assert both.n_obs == len(data)
    assert "2 groups of region" in repr(both)
    holes = data.assign(region=data["region"].where(data.index > 9))
    with pytest.warns(UserWarning, match="10 of 1440 rows without 'region'"):
        left = m.monitor("score", "unit", "month", data=holes, by="region")
    assert left.excluded["rows"].tolist() == [10]


def test_journeys_of_groups():
    stops = ["q0", "q1", "q2"]
    both = m.journey(m.csat, stops, data=DATA, by="shop", measure="mean", weights="weight")
    alone = m.journey(m.csat, stops, data=DATA[DATA["shop"] == "south"], measure="mean", weights="weight")
    south = both.frame[both.frame["shop"] == "south"]
    np.testing.assert_allclose(south[["value", "se"]], alone.frame[["value", "se"]], rtol=0.01)
    steps = both.changes[both.changes["shop"] == "south"]
    np.testing.assert_allclose(steps["difference"], alone.changes["difference"])
    np.testing.assert_allclose(steps["se"], alone.changes["se"], rtol=0.02)
    at = both.gaps.set_index("touchpoint").loc["q1"]
    direct = m.differences(m.csat, "q1", data=DATA, by="shop", measure="mean", weights="weight").iloc[0]
    assert (at["difference"], at["se"]) == (pytest.approx(direct["difference"]), pytest.approx(direct["se"]))
    assert (both.gaps["pvalue_adjusted"] >= both.gaps["pvalue"]).all()
    long = DATA.melt(id_vars=["shop", "weight"], value_vars=stops, ignore_index=False).reset_index(names="id")
    again = m.journey(
        m.csat, "value", "variable", data=long, by="shop", respondent="id", measure="mean", weights="weight"
    )
    np.testing.assert_allclose(again.changes["se"], both.changes["se"])
    assert "south" in repr(both) or "north" in repr(both)


def test_indicators_of_answers():
    found = m.csi_indicators(TABLE, data=DATA, scale=(1, 5), weights="weight")
    score = (2 * DATA["q0"] + DATA["q1"]) / 3
    own = m.csat(25 * (score - 1), scale=(0, 100), measure="mean", weights=DATA["weight"])
    assert (found.value, found.se) == (pytest.approx(own.value), pytest.approx(own.se))
    assert found.indicators.loc["q0", "se"] == pytest.approx(
        25 * m.csat("q0", data=DATA, measure="mean", weights="weight").se
    )
    gap = m.difference(found.estimate, m.csi_indicators(TABLE, data=DATA[:100], scale=(1, 5)).estimate)
    assert 0 < gap.parts["pvalue"] < 1
    shops = m.csi_indicators(TABLE, data=DATA, scale=(1, 5), by="shop")
    assert shops["target"].tolist() == pytest.approx([260 / 3] * 2)
    stacked = pd.concat([TABLE.assign(shop=s, actual=a, error=2.0) for s, a in (("north", 70), ("south", 60))])
    frame = m.csi_indicators(stacked, by="shop", se="error")
    assert frame[["shop", "value", "gap"]].round(2).values.tolist() == [["north", 70, -16.67], ["south", 60, -26.67]]
    with pytest.raises(SpecError, match="needs the answers"):
        m.differences(m.csi_indicators, stacked, by="shop")


def test_yearly_rates_and_lifetimes_by_group():
    churn = m.churn_rate("yes0", data=DATA, by="shop")
    yearly = m.annual(churn, kind="churn", periods=2)
    np.testing.assert_allclose(yearly["value"], 1 - (1 - churn["value"]) ** 2)
    np.testing.assert_allclose(m.lifetime(churn)["value"], 1 / churn["value"])
    with pytest.raises(SpecError, match="does not say what they are"):
        m.annual(churn)
    whole = m.clv("margin", "yes0", 0.1, data=DATA)
    apart = m.clv(m.csat("margin", data=DATA, scale=(0, 300), measure="mean"), m.rate("yes0", data=DATA), 0.1)
    assert whole.value == pytest.approx(apart.value)
    left = [m.clv("margin", "yes0", 0.1, data=DATA.drop(i)).value for i in range(N)]
    assert whole.se == pytest.approx(np.sqrt((N - 1) / N * ((left - np.mean(left)) ** 2).sum()), rel=0.01)
    assert abs(whole.se - apart.se) > 0.05 * apart.se  # who brings more also stays, or not
    with pytest.raises(SpecError, match="give both in one way"):
        m.clv("margin", m.rate("yes0", data=DATA), 0.1, data=DATA)


# -- the score interval of net scores --------------------------------------------------------------------------------


def test_score_interval_against_a_textbook():
    """Tango's interval of a paired difference: 1 against 7 of 21 is (-0.517, -0.026) in Fagerland, Lydersen and Laake (2017)."""
    assert net_interval(1 / 21, 7 / 21, 21, method="score") == pytest.approx((-0.517, -0.026), abs=5e-4)
    lower, upper = net_interval(0.3, 0.1, 40, method="score")
    mirrored = net_interval(0.1, 0.3, 40, method="score")
    assert (-upper, -lower) == pytest.approx(mirrored)


@pytest.mark.parametrize(("p", "d"), [(0.5, 0.2), (0.9, 0.05), (0.1, 0.1), (0.98, 0.01), (0.05, 0.6)])
def test_score_interval_covers_exactly(p, d):
    """All samples of 40 enumerated."""
    hit = 0.0
    for a in range(41):
        for b in range(41 - a):
            chance = multinomial.pmf([a, b, 40 - a - b], 40, [p, d, 1 - p - d])
            if chance > 1e-9:
                lower, upper = net_interval(a / 40, b / 40, 40, method="score")
                hit += chance * (lower <= p - d <= upper)
    assert 0.93 <= hit <= 0.975


def test_csi_interval_of_a_small_sample():
    few = DATA.iloc[:12]
    normal, student = (m.csi(IMPORTANCE, QUALITY, data=few, interval=k) for k in ("normal", "t"))
    assert (student.ci_upper - student.ci_lower) / (normal.ci_upper - normal.ci_lower) == pytest.approx(
        2.200985 / 1.959964
    )


def test_yes_and_no_is_no_recommendation():
    with pytest.raises(DataError, match="are 0 or 1, as of a yes or no"):
        m.nps([True, False, True])
    assert m.nps([1, 0, 1], scale=(0, 10)).value == -100


def test_means_by_name():
    by_name = m.csi({"bed": 4, "bar": 3}, {"bed": 4.5, "bar": 4})
    assert by_name.value == m.csi([4, 3], [4.5, 4]).value
    assert by_name.leaves.index.tolist() == ["bed", "bar"]


def test_rows_of_weight_zero_are_not_said_to_lack_an_answer():
    e = m.csat([5, 4, 3, 1], scale=(1, 5), weights=[1, 0, 2, 1])
    assert e.missing == 1
    assert "1 rows without an answer or a weight left out" in repr(e)
    assert e.excluded.to_dict("records") == [{"reason": "no answer or weight", "rows": 1}]


@pytest.mark.parametrize(
    "metric", [m.nps, m.rate, lambda x: m.csat(x, scale=(1, 5)), lambda x: m.ces(x, scale=(1, 7)), m.duration]
)
def test_several_columns_are_no_one_question(metric):
    with pytest.raises(DataError, match="takes one question"):
        metric(np.ones((4, 2)))
