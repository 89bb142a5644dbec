"""Changes between waves that share respondents: panels, people who rate several companies, aggregates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.acsi.precision import detectable, detectable_change
from cxmodels.errors import CxError, DataWarning

MODEL = "Quality =~ q1 + q2 + q3\nSatisfaction =~ s1 + s2 + s3\nSatisfaction ~ Quality"
ITEMS = ["q1", "q2", "q3", "s1", "s2", "s3"]
CHAIN = {"industry": "revenue", "nation": "revenue"}


def answers(quality: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Six ratings on 1-10 of people whose view of quality is given."""
    satisfaction = 0.7 * quality + 0.7 * rng.standard_normal(len(quality))
    latent = np.repeat(np.column_stack([quality, satisfaction]), 3, axis=1)
    raw = 6.5 + 1.6 * latent + 0.8 * rng.standard_normal(latent.shape)
    return pd.DataFrame(np.clip(np.round(raw), 1, 10), columns=ITEMS)


def panel(companies: int, n: int, common: int, seed: int) -> list[pd.DataFrame]:
    """Two waves of companies where nothing changed; `common` of the n respondents of each answer in both."""
    rng = np.random.default_rng(seed)
    lasting = rng.standard_normal((companies, 2 * n - common))
    waves = []
    for people in (np.arange(n), np.arange(n - common, 2 * n - common)):
        view = 0.8 * lasting[:, people] + 0.6 * rng.standard_normal((companies, n))
        frame = answers(view.ravel(), rng)
        frame["company"] = np.repeat(np.arange(companies), n)
        frame["id"] = np.repeat(np.arange(companies) * 10_000, n) + np.tile(people, companies)
        frame["weight"] = rng.choice([0.5, 1.0, 2.0], len(frame))
        waves.append(frame.assign(industry=frame.company % 7, revenue=1.0 + frame.company % 3))
    return waves


def fitted(frame: pd.DataFrame, weights: str | None = None) -> cx.acsi.IndexResult:
    spec = cx.SatisfactionIndex(MODEL, scale=(1, 10))
    return spec.fit(frame, by="company", weights=weights, bootstrap=0)


@pytest.fixture(scope="module")
def waves():
    before, now = panel(companies=150, n=60, common=40, seed=1)
    return fitted(now), fitted(before)


def test_standard_errors_are_those_of_a_panel(waves):
    """Over 150 companies changes scatter as their standard errors say, and by far less than independence would have it."""
    now, before = waves
    change = now.change(before, respondent="id").query("construct == 'Satisfaction'")
    alone = now.change(before).query("construct == 'Satisfaction'")
    spread = change["change"].std()
    assert np.sqrt((change.se**2).mean()) == pytest.approx(spread, rel=0.15)
    assert np.sqrt((alone.se**2).mean()) > 1.1 * spread
    assert (change.overlap == 40).all()
    assert 0.01 < (change.pvalue < 0.05).mean() < 0.1
    above = now.aggregate_change(before, ["industry", "nation"], CHAIN, respondent="id")
    apart = now.aggregate_change(before, ["industry", "nation"], CHAIN)
    assert (above.se < apart.se).all()
    assert above.query("level == 'nation'").overlap.eq(150 * 40).all()
    assert above.z.abs().max() < 4.5


def test_everybody_twice_is_the_paired_test():
    before, now = panel(companies=3, n=60, common=60, seed=2)
    a, b = fitted(now, "weight"), fitted(now.assign(**before[ITEMS]), "weight")
    change = a.change(b, respondent="id")
    wide = [r.respondents.set_index([r.respondents.company, now.id]) for r in (a, b)]
    for company in range(3):
        g = now.weight[now.company == company].to_numpy()
        moved = [w.loc[company, "Satisfaction"] for w in wide]
        e = [g * (m - np.average(m, weights=g)) / g.sum() for m in moved]
        by_hand = np.sqrt(60 / 59 * ((e[0] - e[1]) ** 2).sum())
        row = change.query("company == @company and construct == 'Satisfaction'").iloc[0]
        assert row.se == pytest.approx(by_hand, rel=1e-9)


def test_aggregates_without_common_respondents_are_independent(waves):
    now, before = waves
    moved = before.survey.frame.assign(id=-1 - np.arange(len(before.survey.frame)))
    strangers = fitted(moved)
    for weights in (CHAIN, "revenue"):
        with pytest.warns(DataWarning, match="Nobody in 'id' is in both waves"):
            one = now.aggregate_change(strangers, ["industry", "nation"], weights, respondent="id")
        two = now.aggregate_change(strangers, ["industry", "nation"], weights)
        np.testing.assert_allclose(one.se, two.se, rtol=1e-12)
        assert one.overlap.eq(0).all()


def test_the_change_of_an_aggregate_is_that_of_its_table(waves):
    now, before = waves
    found = now.aggregate_change(before, ["industry", "nation"], CHAIN)
    tables = [r.aggregate(["industry", "nation"], CHAIN) for r in waves]
    np.testing.assert_allclose(found.change, tables[0]["index"] - tables[1]["index"])
    np.testing.assert_allclose(found.se, np.hypot(tables[0].se, tables[1].se))


def test_people_who_rate_many_companies_widen_the_nation():
    """300 people rate 20 companies each, and lean to one side: 6,000 ratings are worth far fewer."""
    rng = np.random.default_rng(3)

    def wave(bias: np.ndarray) -> pd.DataFrame:
        view = 0.7 * np.repeat(bias, 20) + 0.7 * rng.standard_normal(6000)
        frame = answers(view, rng).assign(company=np.tile(np.arange(20), 300), id=np.repeat(np.arange(300), 20))
        return frame.assign(industry=frame.company % 4)

    lean = [rng.standard_normal(300) for _ in range(2)]
    strangers = [fitted(wave(b)) for b in lean]
    strangers[1].survey.frame["id"] += 1000
    with pytest.warns(DataWarning, match="Nobody"):
        wide = strangers[0].aggregate_change(strangers[1], ["nation"], respondent="id")
    narrow = strangers[0].aggregate_change(strangers[1], ["nation"])
    assert (wide.se > 2 * narrow.se).all()
    same = [fitted(wave(lean[0])) for _ in range(2)]
    again = same[0].aggregate_change(same[1], ["nation"], respondent="id")
    assert (again.se < 0.5 * wide.se).all()


def test_what_a_comparison_could_have_found(waves):
    now, before = waves
    change = now.change(before)
    np.testing.assert_allclose(change.detectable, detectable(change.se))
    n, sd = 250, 16.0
    assert detectable_change(n, sd=sd) == pytest.approx(detectable(sd * np.sqrt(2 / n)))


def test_bad_respondents_are_refused(waves):
    now, before = waves
    with pytest.raises(CxError, match=r"'idd' .respondents. is not in the data. Did you mean 'id'"):
        now.change(before, respondent="idd")
    with pytest.raises(CxError, match="respondent names one column"):
        now.change(before, respondent=["id"])
    twice = before.survey.frame.assign(id=lambda f: f.id.where(f.id != 1, 0))
    with pytest.raises(CxError, match=r"1 values of 'id' stand more than once .* one company in one wave: '0'"):
        now.change(fitted(twice), respondent="id")
    blank = before.survey.frame.assign(id=lambda f: f.id.where(f.id > 3))
    with pytest.warns(DataWarning, match="4 rows have no 'id'"):
        now.change(fitted(blank), respondent="id")
