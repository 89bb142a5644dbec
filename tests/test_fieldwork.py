"""Weights that meet margins, against iterative proportional fitting and an optimiser; response rates by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from cxmodels.errors import CxError, DataError, EstimationError, SpecError
from cxmodels.fieldwork import (
    calibrate,
    fieldwork_timing,
    item_nonresponse,
    nonresponse,
    response_rates,
    trim,
)

MARGINS = {"sex": {"f": 0.51, "m": 0.49}, "age": {"18-34": 0.3, "35-54": 0.35, "55+": 0.35}}


@pytest.fixture
def sample():
    rng = np.random.default_rng(1)
    n = 600
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["f", "m"], n, p=[0.38, 0.62]),
            "age": rng.choice(["18-34", "35-54", "55+"], n, p=[0.15, 0.35, 0.5]),
            "tenure": rng.gamma(3, 2, n),
            "design": rng.uniform(0.5, 2, n),
        }
    )
    return frame.set_index(frame.index + 1000)


def fitted_proportionally(sample, start):
    w = start / start.sum()
    for _ in range(60):
        for column, shares in MARGINS.items():
            now = pd.Series(w, sample.index).groupby(sample[column]).sum()
            w = w * sample[column].map({k: v / now[k] for k, v in shares.items()}).to_numpy()
    return w


def test_raking_is_iterative_proportional_fitting(sample):
    found = calibrate(sample, MARGINS, weights="design")
    wanted = fitted_proportionally(sample, sample.design.to_numpy())
    np.testing.assert_allclose(found.weights / found.weights.sum(), wanted, rtol=1e-8)
    np.testing.assert_allclose(found.margins.after, found.margins.target, atol=1e-10)
    assert found.weights.index.equals(sample.index)
    assert found.weights.mean() == pytest.approx(1)
    w = found.weights
    assert found.n_eff == pytest.approx(w.sum() ** 2 / (w**2).sum())
    assert "sex" in found.summary()


def test_linear_calibration_is_the_closest_in_least_squares(sample):
    sample = sample.iloc[:40]
    found = calibrate(sample, {"tenure": float(sample.tenure.mean()) * 1.05, "sex": MARGINS["sex"]}, method="linear")
    x = np.column_stack([sample.tenure, sample.sex == "f"]).astype(float)
    goal = [sample.tenure.mean() * 1.05, 0.51]
    best = minimize(
        lambda w: ((w - 1) ** 2).sum(),
        np.ones(40),
        constraints=[
            {"type": "eq", "fun": lambda w: w @ x / 40 - goal},
            {"type": "eq", "fun": lambda w: w.sum() - 40},
        ],
        options={"ftol": 1e-14, "maxiter": 500},
    )
    np.testing.assert_allclose(found.weights, best.x, atol=1e-5)


def test_bounded_calibration_stays_inside_its_bounds(sample):
    free = calibrate(sample, MARGINS, weights="design")
    held = calibrate(sample, MARGINS, weights="design", method="logit", bounds=(0.5, 2.5))

    def spread(found):
        ratio = found.weights / sample.design
        return ratio.max() / ratio.min()

    assert spread(held) < 2.5 / 0.5
    assert spread(free) != pytest.approx(spread(held))
    with pytest.raises(EstimationError, match="No weights meet"):  # a linear programme finds none either
        calibrate(sample, MARGINS, weights="design", method="logit", bounds=(0.6, 2.1))
    np.testing.assert_allclose(held.margins.after, held.margins.target, atol=1e-9)


def test_raking_removes_the_bias_of_who_answered():
    rng = np.random.default_rng(2)
    n = 40_000
    old = rng.random(n) < 0.4
    happy = 60 + 15 * old + rng.normal(0, 10, n)
    answered = rng.random(n) < np.where(old, 0.6, 0.2)
    sample = pd.DataFrame({"age": np.where(old, "old", "young"), "score": happy})[answered]
    found = calibrate(sample, {"age": {"old": old.mean(), "young": 1 - old.mean()}})
    assert sample.score.mean() - happy.mean() > 3
    assert np.average(sample.score, weights=found.weights) == pytest.approx(happy.mean(), abs=0.4)


def test_trimming_keeps_the_total_and_the_ends():
    rng = np.random.default_rng(3)
    w = rng.lognormal(0, 1.2, 500)
    cut, count = trim(w, upper=3, lower=0.2)
    assert cut.sum() == pytest.approx(w.sum())
    assert cut.max() <= 3 * w.mean() * (1 + 1e-9)
    assert cut.min() >= 0.2 * w.mean() * (1 - 1e-9)
    assert count >= ((w > 3 * w.mean()) | (w < 0.2 * w.mean())).sum()
    assert (cut**2).sum() < (w**2).sum()


def test_response_rates_are_those_of_the_standard_definitions():
    counts = {
        "complete": 50,
        "partial": 5,
        "refusal": 20,
        "noncontact": 15,
        "other": 2,
        "unknown": 30,
        "ineligible": 8,
    }
    log = pd.DataFrame({"state": np.repeat(list(counts), list(counts.values()))})
    line = response_rates(log, "state").iloc[0]
    e = 92 / 100
    assert line.cases == 130
    assert line.rr1 == pytest.approx(50 / 122)
    assert line.rr2 == pytest.approx(55 / 122)
    assert line.rr3 == pytest.approx(50 / (92 + e * 30))
    assert line.cooperation_rate == pytest.approx(55 / 77)
    assert line.refusal_rate == pytest.approx(20 / 122)
    assert line.rr2_lower < line.rr2 < line.rr2_upper
    both = response_rates(log.assign(wave=[1, 2] * 65), "state", by="wave")
    assert both.cases.tolist() == [65, 65]
    assert both.complete.sum() == 50


def test_nonresponse_against_the_population():
    sample = pd.DataFrame({"sex": ["f"] * 40 + ["m"] * 60 + [None] * 5})
    table = nonresponse(sample, {"sex": {"f": 0.5, "m": 0.5}}).set_index("category")
    assert table.chisq["f"] == pytest.approx(4.0)
    assert table.pvalue["f"] == pytest.approx(0.0455, abs=1e-4)
    assert table.n["(blank)"] == 5
    weighted = nonresponse(sample.assign(w=[3.0] * 40 + [2.0] * 65), {"sex": {"f": 1, "m": 1}}, weights="w")
    assert weighted["sample"].iloc[0] == pytest.approx(0.5)


def test_item_nonresponse_and_timing_by_unit():
    frame = pd.DataFrame(
        {"q": [1, None, 3, None], "c": ["a", "a", "b", "b"], "day": ["2026-01-05"] * 3 + ["2026-01-19"]}
    )
    table = item_nonresponse(frame, ["q"], by="c")
    assert table.share.tolist() == [0.5, 0.5]
    weeks = fieldwork_timing(frame, "day", by="c")
    assert weeks[weeks.c == "b"].interviews.tolist() == [1, 0, 1]
    with pytest.raises(DataError, match="no date in 1 of 4"):
        fieldwork_timing(frame.assign(day=["2026-01-05", "x", "2026-01-05", "2026-01-05"]), "day")


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"margins": {"sx": {"f": 1}}}, DataError, "Did you mean 'sex'"),
        ({"margins": {"sex": {"f": 1.0}}}, DataError, "'m' in 'sex'"),
        ({"margins": {"sex": {"f": 0.5, "m": 0.4, "x": 0.1}}}, DataError, "Nobody in the sample has 'x'"),
        ({"margins": {"sex": {"f": -1, "m": 2}}}, SpecError, "zero or more"),
        ({"margins": {"sex": 0.5}}, DataError, "not numeric"),
        ({"margins": {}}, SpecError, "at least one margin"),
        ({"margins": {"tenure": 1e6}}, EstimationError, "No weights meet"),
        ({"method": "rake"}, SpecError, "Did you mean 'raking'"),
        ({"bounds": (0.5, 2)}, SpecError, "bounds belong"),
        ({"method": "logit", "bounds": (1.5, 2)}, SpecError, "bounds must"),
        ({"weights": "w"}, DataError, "no column 'w'"),
        ({"weights": [1, 2]}, DataError, "600"),
    ],
)
def test_bad_margins_are_refused(sample, change, kind, said):
    given = {"margins": MARGINS} | change
    with pytest.raises(kind, match=said):
        calibrate(sample, **given)


def test_other_bad_input_is_refused(sample):
    sample.loc[1000, "sex"] = None
    with pytest.raises(DataError, match="blank in 1 of 600"):
        calibrate(sample, MARGINS)
    with pytest.raises(CxError, match="no rows"):
        calibrate(sample.iloc[:0], MARGINS)
    with pytest.raises(SpecError, match="upper"):
        trim([1, 2], upper=0.5)
    with pytest.raises(DataError, match="negative"):
        trim([1, -2])
    with pytest.raises(DataError, match="Did you mean 'refusal'"):
        response_rates(pd.DataFrame({"s": ["refusa"]}), "s")
    with pytest.raises(DataError, match="blank in 1 rows"):
        response_rates(pd.DataFrame({"s": ["refusal", None]}), "s")
