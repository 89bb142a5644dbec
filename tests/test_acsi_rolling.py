"""Rolling windows of four quarters: what they pool, and how sure the change from one to the next is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.acsi.hierarchy import last_values, natural_order
from cxmodels.acsi.rolling import rolling_index
from cxmodels.acsi.trend import trends
from cxmodels.errors import CxError, SpecError

from .test_acsi_overlap import MODEL, answers

SPEC = cx.SatisfactionIndex(MODEL, scale=(1, 10))


def quarters(companies: int, sizes: list[int], seed: int) -> pd.DataFrame:
    """Independent respondents of companies whose customers do not change, some quarters with more interviews."""
    rng = np.random.default_rng(seed)
    parts = []
    for q, n in enumerate(sizes, 1):
        part = answers(rng.standard_normal(companies * n), rng)
        part["company"] = np.repeat(np.arange(companies), n)
        parts.append(part.assign(quarter=f"Q{q}", industry=part.company % 5, revenue=float(q) + part.company % 3))
    return pd.concat(parts, ignore_index=True).assign(id=lambda f: np.arange(len(f)))


@pytest.fixture(scope="module")
def found():
    return rolling_index(SPEC, quarters(100, [40, 20, 30, 30, 40, 20], seed=1), "company", period="quarter")


def test_a_window_is_the_study_of_its_rows(found):
    data = found.windows["Q5"].survey.frame
    assert found.contents["Q5"] == ("Q2", "Q3", "Q4", "Q5")
    assert sorted(data.quarter.unique()) == ["Q2", "Q3", "Q4", "Q5"]
    weight = 1 / data.groupby(["company", "quarter"]).id.transform("size")
    alone = SPEC.fit(data.assign(w=weight), "company", weights="w", bootstrap=0).scores
    mine = found.scores.query("period == 'Q5'").reset_index(drop=True)
    np.testing.assert_allclose(mine["index"], alone["index"])
    np.testing.assert_allclose(mine.se, alone.se)
    assert mine.periods.eq(4).all()
    assert mine.n.eq(120).all()


def test_changes_scatter_as_their_standard_errors_say(found):
    change = found.change(adjust="none").query("construct == 'Satisfaction'")
    scores = found.scores.query("construct == 'Satisfaction'")
    for period, part in change.groupby("period"):
        assert np.sqrt((part.se**2).mean()) == pytest.approx(part.change.std(), rel=0.2)
        apart = np.sqrt(2) * scores[scores.period == period].se.mean()
        assert part.se.mean() < 0.65 * apart
    assert change.query("period == 'Q5'").overlap.eq(80).all()
    assert 0.01 < (change.pvalue < 0.05).mean() < 0.09


def test_a_change_rests_on_the_quarters_that_come_and_go(found):
    """With one item and equal shares it is a quarter of the difference of two quarters."""
    data = quarters(4, [30, 30, 30, 30, 30], seed=2)
    spec = cx.SatisfactionIndex("Satisfaction =~ s1\nQuality =~ q1\nSatisfaction ~ Quality", scale=(1, 10))
    change = rolling_index(spec, data, "company", period="quarter").change()
    for company, rows in data.groupby("company"):
        score = 100 * (rows.s1 - 1) / 9
        first, last = (score[rows.quarter == q] for q in ("Q1", "Q5"))
        row = change[(change.company == company) & (change.construct == "Satisfaction")].iloc[0]
        assert row.change == pytest.approx((last.mean() - first.mean()) / 4)
        by_hand = np.sqrt(first.var() / 30 + last.var() / 30) / 4
        assert row.se == pytest.approx(by_hand, rel=0.06)


def test_levels_take_the_weights_of_the_last_quarter(found):
    table = found.aggregate(["industry", "nation"], "revenue")
    scores = found.scores.query("period == 'Q6' and construct == 'Satisfaction'").set_index("company")["index"]
    revenue = 6.0 + scores.index.to_numpy() % 3
    nation = table.query("period == 'Q6' and level == 'nation' and construct == 'Satisfaction'").iloc[0]
    assert nation["index"] == pytest.approx(np.average(scores, weights=revenue))
    change = found.aggregate_change(["industry", "nation"], "revenue")
    moved = change.query("level == 'nation'")
    assert (moved.se < 0.65 * np.sqrt(2) * nation.se).all()
    assert moved.z.abs().max() < 4.5
    assert found.aggregate_change("nation", lag=2).period.unique().tolist() == ["Q6"]


def test_shares_by_number_and_as_interviewed():
    data = quarters(3, [40, 20, 30, 30], seed=3)
    spec = cx.SatisfactionIndex("Satisfaction =~ s1\nQuality =~ q1\nSatisfaction ~ Quality", scale=(1, 10))
    means = (100 * (data.s1 - 1) / 9).groupby([data.company, data.quarter]).mean().unstack()
    for shares, weights in (
        ("equal", np.ones(4)),
        ("interviews", np.array([40, 20, 30, 30])),
        ({"Q1": 1, "Q2": 2, "Q3": 3, "Q4": 4}, np.arange(1, 5)),
    ):
        scores = rolling_index(spec, data, "company", period="quarter", shares=shares).scores
        wanted = means.to_numpy() @ weights / weights.sum()
        np.testing.assert_allclose(scores.query("construct == 'Satisfaction'")["index"], wanted)


def test_people_asked_every_quarter_are_clusters():
    data = quarters(2, [40] * 5, seed=4)
    data["id"] = data.index % 80
    named = rolling_index(SPEC, data, "company", period="quarter", respondent="id")
    plain = rolling_index(SPEC, data, "company", period="quarter")
    part = named.windows["Q4"].survey.frame.query("company == 0")
    score = named.windows["Q4"].respondents.query("company == 0").Satisfaction
    sums = (score - score.mean()).groupby(part.id).sum()
    row = named.scores.query("company == 0 and period == 'Q4' and construct == 'Satisfaction'").iloc[0]
    assert row.se == pytest.approx(np.sqrt(160 / 159 * (sums**2).sum()) / 160, rel=1e-6)
    assert named.change().overlap.eq(40).all()
    assert plain.change().overlap.eq(120).all()
    assert "rolling, 4 periods" in repr(named)
    assert "Change from window to window" in named.summary()


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({}, {"period": "quater"}, "Did you mean 'quarter'"),
        ({}, {"window": 5}, "A window takes 5 periods, and there are 4"),
        ({}, {"shares": [1, 2, 3, 4]}, "a mapping of period to number"),
        ({}, {"window": 0}, "1 or more, not 0"),
        ({}, {"shares": "equall"}, "Did you mean 'equal'"),
        ({}, {"shares": {"Q1": 1.0}}, "no number for 'Q2', 'Q3', 'Q4'"),
        ({}, {"shares": {"Q1": 1, "Q2": 1, "Q3": -1, "Q4": 1}}, "share of 'Q3'"),
        ({}, {"by": ["company", "quarter"]}, "name only the units"),
        ({}, {"periods": ["Q1", "Q2", "Q3"]}, "hold quarter 'Q4'"),
        ({"quarter": None}, {}, "240 rows have no 'quarter'"),
    ],
)
def test_bad_input_is_refused(change, options, said):
    data = quarters(3, [20] * 4, seed=5).assign(**change)
    with pytest.raises(CxError, match=said):
        rolling_index(SPEC, data, **{"by": "company", "period": "quarter", **options})


def test_windows_that_do_not_exist_are_not_compared(found):
    with pytest.raises(CxError, match="3 windows, so none lies 3 periods before"):
        found.change(lag=3)
    with pytest.raises(CxError, match="lag is a number of periods"):
        found.change(lag=0)


def test_periods_in_words_are_in_the_order_of_time():
    names = ["Q3 2024", "Q4 2024", "Q1 2025", "Q2 2025"]
    scores = pd.DataFrame(
        {"q": names[::-1], "bank": "a", "construct": "S", "index": [4.0, 3, 2, 1], "se": 1.0, "n": 9}
    )
    assert last_values(scores, "q", "bank")["q"].tolist() == names
    found = trends(scores, "bank", "q").smoothed
    assert found["wave"].tolist() == names
    data = cx.datasets.simulate_study(2, 80, 1, seed=3)[0]
    data["q"] = np.tile(names, 40)
    assert rolling_index(cx.SatisfactionIndex(), data, period="q", window=3).contents == {
        "Q1 2025": tuple(names[:3]),
        "Q2 2025": tuple(names[1:]),
    }
    seasons = scores.assign(q=["winter", "spring", "summer", "autumn"])
    with pytest.raises(SpecError, match=r"'q' .* have no order of their own; give it by periods="):
        last_values(seasons, "q", "bank")
    order = pd.Categorical(seasons["q"], ["winter", "spring", "summer", "autumn"], ordered=True)
    assert last_values(seasons.assign(q=order), "q", "bank")["q"].tolist() == list(order)
    assert natural_order(["01.02.2024", "02.01.2024"]) is None
    assert natural_order(["2024-02-01", "2023-12-31"]) == [1, 0]
