"""Drift: the stability index against its definition, and alerts where, and only where, something moved."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxmodels.churn import Baseline, psi
from cxmodels.errors import DataError, SpecError

REFERENCE = Path(__file__).parent / "reference" / "churn"


def customers(n, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    x = pd.DataFrame(
        {
            "age": rng.normal(40 + 10 * shift, 10, n),
            "plan": rng.choice(["basic", "plus", "pro"], n, p=[0.5, 0.3, 0.2]),
            "calls": rng.poisson(2, n).astype(float),
        }
    )
    x.loc[rng.random(n) < 0.1, "calls"] = np.nan
    p = 1 / (1 + np.exp(-(-2 + 0.05 * (x.age - 40))))
    return x, p.to_numpy(), (rng.random(n) < p).astype(int).to_numpy()


def test_psi_equals_the_reference():
    told = json.loads((REFERENCE / "psi.json").read_text(encoding="utf-8"))
    score = pd.read_csv(REFERENCE / "data" / "scores_2000.csv").score.to_numpy()
    then, now = score[:1000], score[1000:]
    assert psi(then, now) == pytest.approx(told["same_population"], abs=1e-11)
    assert psi(then, np.clip(now * 1.25 + 0.02, 0, 1)) == pytest.approx(told["shifted"]["psi"], abs=1e-10)
    hand = told["hand"]
    assert psi(hand["expected_shares"], hand["actual_shares"], bins="shares") == pytest.approx(hand["psi"], abs=1e-11)


def test_blanks_and_categories_are_bins():
    then, now = pd.Series([1.0, 2.0, 3.0, np.nan] * 25), pd.Series([1.0, 2.0, np.nan, np.nan] * 25)
    assert psi(then, now) > 0.2
    assert psi(then, then) == 0
    a, b = np.array(["x"] * 60 + ["y"] * 40), np.array(["x"] * 30 + ["y"] * 70)
    assert psi(a, b) == pytest.approx((0.3 - 0.6) * np.log(0.3 / 0.6) + (0.7 - 0.4) * np.log(0.7 / 0.4))


def test_chance_is_what_the_index_exceeds_in_one_case_of_twenty():
    over = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x = pd.DataFrame({"a": rng.normal(size=400)})
        found = Baseline.of(x, rng.random(400)).compare(pd.DataFrame({"a": rng.normal(size=300)}), rng.random(300))
        over.append(found.columns.psi[0] > found.columns.by_chance[0])
    assert 0.01 <= np.mean(over) <= 0.11


def test_alerts_only_where_something_moved():
    x, p, y = customers(4000, 1)
    baseline = Baseline.of(x, p, y)
    same = baseline.compare(*customers(3000, 2))
    assert same.alerts.empty
    _, foreseen, left = customers(3000, 2)
    rate = same.calibration.loc["churn_rate"]
    assert rate.est == pytest.approx(left.mean())
    assert rate.expected == pytest.approx(foreseen.mean())
    assert rate.ci_lower < rate.expected < rate.ci_upper
    moved = baseline.compare(*customers(3000, 3, shift=0.8))
    assert moved.columns.column[0] == "age"
    assert set(moved.alerts.what) == {"age", "score"}
    later, q, z = customers(3000, 4)
    wrong = baseline.compare(later, np.clip(q * 1.5, 0, 0.99), z)
    assert "churn_rate" in set(wrong.alerts.what)
    later.loc[:9, "plan"] = "new plan"
    unseen = baseline.compare(later, q, z)
    assert unseen.columns.set_index("column").unseen["plan"] == 10
    assert "never seen" in unseen.alerts.said.iloc[0]
    assert "Alerts" in unseen.summary()


def test_a_baseline_survives_json_and_refuses_damage():
    x, p, y = customers(500, 5)
    baseline = Baseline.of(x, p, y)
    plain = json.loads(json.dumps(baseline.to_dict()))
    again = Baseline.from_dict(plain)
    now = customers(500, 6)
    pd.testing.assert_frame_equal(baseline.compare(*now).columns, again.compare(*now).columns)
    for damage in ({"score": {}}, {"columns": 3}, {"n": "x"}, {"columns": {"a": {"kind": "number", "edges": [1]}}}):
        with pytest.raises(DataError, match="damaged"):
            Baseline.from_dict(plain | damage)


def test_bad_comparisons_are_refused():
    x, p, y = customers(300, 7)
    baseline = Baseline.of(x, p, y)
    with pytest.raises(DataError, match="'plan'"):
        baseline.compare(x.drop(columns="plan"), p)
    with pytest.raises(DataError, match="no numbers"):
        baseline.compare(x.assign(age="old"), p)
    with pytest.raises(DataError, match="without rows"):
        baseline.compare(x.iloc[:0], p[:0])
    with pytest.raises(DataError, match="scores for"):
        baseline.compare(x, p[:5])
    with pytest.raises(SpecError, match="bins"):
        psi([1, 2], [1, 2], bins=1)
    with pytest.raises(DataError, match="without rows"):
        psi([], [1, 2])
