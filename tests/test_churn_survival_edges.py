"""Durations, periods and contracts at their edges: groups with blanks, one period only, times of one's own, by hand and brute force."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.churn import (
    BGNBD,
    AalenJohansen,
    CoxHazards,
    DiscreteHazard,
    GammaGamma,
    KaplanMeier,
    ShiftedBetaGeometric,
    WeibullAFT,
    customer_value,
    person_periods,
    purchases,
)
from cxmodels.errors import CxError
from tests.churn_histories import TIMES


@cache
def bought():
    data = cx.datasets.load("cdnow_summary").head(600)
    return BGNBD().fit(data), data


def test_periods_say_what_they_hold():
    """Two customers, of whom one left in her third month; scores of a stranger are counted, not used."""
    subs = pd.DataFrame(
        {"customer_id": ["a", "b"], "start": ["2024-01-01", "2024-02-10"], "end": ["2024-03-20", None]}
    )
    said = pd.DataFrame(
        {"customer_id": ["a", "a", "z"], "date": ["2024-01-15", "2024-02-15", "2024-01-01"], "score": [8, 4, 1]}
    )
    ages = pd.DataFrame({"customer_id": ["b", "a"], "age": [50, 30]})
    found = person_periods(subs, said, customers=ages, observed_until="2024-04-30")
    assert found.n_obs == 5
    assert found.frame["age"].tolist() == [30, 30, 30, 50, 50]
    text = found.summary()
    for part in ("5 of 2 customers, each a month", "1 (20.00% per period)", "until 2024-04-30", "2 (40%), never from after",
                 "1 of customers without a subscription", "1 (unfinished at the end of the data)"):  # fmt: skip
        assert part in text, part
    by = found.tables()["By period"]
    assert by["at_risk"].tolist() == [2, 2, 1]
    assert by["hazard"].tolist() == [0, 0, 1]


@pytest.mark.parametrize("spec", [KaplanMeier(), AalenJohansen()])
def test_customers_without_a_group_are_left_out_and_the_rest_stand_alone(spec):
    frame = TIMES.assign(area=TIMES["area"].where(TIMES.index > 1), event=TIMES["event"].map({1: "price", 0: ""}))
    if isinstance(spec, KaplanMeier):
        frame["event"] = TIMES["event"]
    found = spec.fit(frame, group="area")
    assert found.excluded.to_dict("list") == {"reason": ["blank group"], "rows": [2]}
    assert "2 left out" in found.summary()
    alone = spec.fit(frame[frame["area"] == "a"])
    mine = found.at([3, 7]).query("group == 'a'").drop(columns="group").reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, alone.at([3, 7]), check_dtype=False)
    assert "by group (2)" in found.summary()


def test_causes_are_named_and_shown_by_time():
    """Without censoring before the end the share gone is the share counted."""
    causes = ["price", "service", "price", "", "price", ""]
    found = AalenJohansen().fit([1, 2, 3, 7, 4, 7], causes, entry=[0, 0, 0, 0, 0, 0.5])
    assert found.causes == {"price": 3, "service": 1}
    assert "price 3, service 1" in found.summary()
    shown = found.tables()["Share gone by cause"]
    last = shown[shown["time"] == 7].set_index("cause")["share"]
    assert last.to_dict() == pytest.approx({"price": 3 / 6, "service": 1 / 6})
    assert "left truncation" in found.summary()


def test_truncation_is_said():
    entry = np.array([0.0] * 7 + [1.0, 2.0, 3.0])
    assert "3 (left truncation)" in KaplanMeier().fit(TIMES, entry=entry).summary()
    assert "3 rows (left truncation)" in CoxHazards().fit(TIMES, columns=["x"], entry=entry).summary()


def test_durations_as_text_or_as_spans_are_the_numbers():
    known = KaplanMeier().fit(TIMES).curve
    for given in (TIMES["duration"].astype(str), pd.to_timedelta(TIMES["duration"], "D")):
        pd.testing.assert_frame_equal(KaplanMeier().fit(given, TIMES["event"]).curve, known)


@pytest.mark.parametrize("link", ["cloglog", "logit"])
@pytest.mark.parametrize(("last", "kind"), [(1, "constant"), (2, "log")])
def test_a_baseline_takes_the_form_that_its_periods_can_tell(link, last, kind):
    """Two plans in one or two periods: hazards are what statsmodels' binomial regression gives."""
    import statsmodels.api as sm

    left = {1: [1] * 3 + [0] * 17 + [1] * 6 + [0] * 14, 2: [1] * 2 + [0] * 12 + [1] * 4 + [0] * 6}
    plan = {1: [0.0] * 20 + [1.0] * 20, 2: [0.0] * 14 + [1.0] * 10}
    rows = pd.concat([pd.DataFrame({"period": p, "event": left[p], "x": plan[p]}) for p in range(1, last + 1)])
    found = DiscreteHazard(link=link).fit(rows.reset_index(drop=True), columns=["x"], customer=None)
    design = np.column_stack([np.ones(len(rows)), rows["x"], *([np.log(rows["period"])] if last > 1 else [])])
    family = sm.families.Binomial(sm.families.links.Logit() if link == "logit" else sm.families.links.CLogLog())
    known = sm.GLM(rows["event"].to_numpy(), design, family=family).fit(tol=1e-12)
    assert found.fit_measures["loglik"] == pytest.approx(known.llf, rel=1e-9)
    assert found.estimates["est"].iloc[-1] == pytest.approx(known.params[1], rel=1e-6)
    assert found.estimates["se"].iloc[-1] == pytest.approx(known.bse[1], rel=1e-3)
    assert found.clock.kind == kind
    assert ("Baseline", kind) in found.headline()
    assert "from the information" in found.summary()


def test_summaries_of_regressions_say_how():
    frame = TIMES.assign(who=[0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    aft = WeibullAFT().fit(frame, columns=["x"])
    shape = aft.fit_measures["shape"]
    said = "falls" if shape < 1 else "rises"
    assert ("Shape", f"{shape:.3f}: the hazard {said} with time") in aft.headline()
    for options, spec, text in (
        ({}, WeibullAFT(), "from the information"),
        ({}, WeibullAFT(robust=True), "robust"),
        ({"clusters": "who"}, WeibullAFT(), "robust, by 5 clusters"),
    ):
        assert ("Standard errors", text) in spec.fit(frame, columns=["x"], **options).headline()
    assert ("Strata", "2, a baseline each") in CoxHazards().fit(frame, columns=["x"], strata="area").headline()


def test_a_stratum_is_foreseen_by_its_own_baseline():
    """S = exp(-H exp(b (x - mean))): two customers of a stratum have chances in this power of each other."""
    found = CoxHazards().fit(TIMES, columns=["x"], strata="area")
    b = found.estimates["est"].iloc[0]
    who = pd.DataFrame({"x": [0.2, 0.9, 0.2], "area": ["a", "a", "b"]})
    s = found.survival(who, [5]).to_numpy()[:, 0]
    assert np.log(s[1]) / np.log(s[0]) == pytest.approx(np.exp(0.7 * b), rel=1e-9)
    assert s[0] != pytest.approx(s[2])
    with pytest.raises(CxError, match="Stratum 'c' was not in the data; there are 'a', 'b'"):
        found.survival(who.assign(area="c"), [5])


def test_the_error_of_a_chance_follows_from_that_of_the_parameters():
    """The delta method, with the gradient by differences of the parameters."""
    found, who = WeibullAFT().fit(TIMES, columns=["x"]), TIMES.head(1)
    est = found.estimates["est"].to_numpy()
    slope = np.empty(len(est))
    for j in range(len(est)):
        ends = [
            replace(found, estimates=found.estimates.assign(est=est + step * (np.arange(len(est)) == j)))
            .ahead(who, [2.0], so_far=1.0)
            .to_numpy()
            .item()
            for step in (1e-6, -1e-6)
        ]
        slope[j] = (ends[0] - ends[1]) / 2e-6
    told = found.ahead(who, [2.0], so_far=1.0, interval=True).iloc[0]
    assert told["se"] == pytest.approx(np.sqrt(slope @ found.covariance.to_numpy() @ slope), rel=1e-5)
    assert 0 < told["ci_lower"] < told["survival"] < told["ci_upper"] < 1


# --- contracts and purchases ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("renewals", [0, 1, 4])
def test_the_lifetime_with_a_duration_dependence_is_the_sum(renewals):
    """Discounted expected residual lifetime term by term: the renewal that is due now is the first."""
    found = ShiftedBetaGeometric(weibull=True).fit([1000, 869, 743, 653, 593, 551, 517, 491])
    t = np.arange(0, 3000)
    chance = found.survival(t + renewals) / found.survival([max(renewals - 1, 0)] if renewals else [0])
    direct = float((chance * 1.1 ** -t.astype(float)).sum())
    told = found.residual_lifetime(renewals - 1)["est"] if renewals else found.expected_lifetime()["est"]
    assert told == pytest.approx(direct, rel=1e-9)


def test_renewals_as_one_number_are_those_of_every_customer():
    found = ShiftedBetaGeometric().fit([1000, 869, 743, 653, 593])
    value = customer_value(found, TIMES, so_far=2, discount=0.1, margin=50.0)
    assert value.customers["est"].to_numpy() == pytest.approx(50 * found.residual_lifetime(2)["est"])


def test_a_time_for_each_customer_is_the_same_as_one_at_a_time():
    found, data = bought()
    some, ahead = data.head(8), np.arange(1.0, 9.0)
    each = found.expected_purchases(ahead, some)
    one = [float(found.expected_purchases(t, some.iloc[[i]])[0]) for i, t in enumerate(ahead)]
    assert each == pytest.approx(one, rel=1e-10)


def test_information_criteria_by_hand():
    found, data = bought()
    assert found.bic == pytest.approx(4 * np.log(len(data)) - 2 * found.loglik)
    assert found.tables()["Estimates"]["parameter"].tolist() == list(found.params.index)


def test_a_long_table_starts_from_some_of_its_rows_and_ends_at_the_same_maximum(monkeypatch):
    found, data = bought()
    monkeypatch.setattr(purchases, "_COARSE", 60)
    again = BGNBD().fit(data)
    assert again.loglik == pytest.approx(found.loglik, abs=1e-7)
    assert again.params.to_numpy() == pytest.approx(found.params.to_numpy(), rel=1e-3)


def test_one_column_may_be_named_alone_and_new_customers_need_it():
    _, data = bought()
    frame = data.assign(band=np.where(data.index % 3 == 0, "x", "y"))
    one, listed = BGNBD().fit(frame, buying="band"), BGNBD().fit(frame, buying=["band"])
    assert one.params.to_numpy() == pytest.approx(listed.params.to_numpy())
    with pytest.raises(CxError, match="give data= with one row per time"):
        one.expected_new(3.0)
    with pytest.raises(CxError, match="give a frame that holds them"):
        one.p_alive([1], [2], [9])


def test_a_start_of_ones_own_ends_at_the_same_maximum():
    _, data = bought()
    known = GammaGamma().fit(data)
    again = GammaGamma().fit(data, start=known.params.to_numpy() * 1.3)
    assert again.params.to_numpy() == pytest.approx(known.params.to_numpy(), rel=1e-4)


def test_a_hazard_by_period_orders_customers_by_what_it_foresees():
    """Harrell's concordance of `evaluate` is the count of pairs in which who left first had the lower mean chance to stay."""
    rows = pd.DataFrame(
        [(i, p, int(p == d and e), x) for i, (d, e, x) in enumerate(TIMES[["duration", "event", "x"]].to_numpy())
         for p in range(1, int(d) + 1)], columns=["customer_id", "period", "event", "x"],
    )  # fmt: skip
    found = DiscreteHazard(baseline="constant").fit(rows, columns=["x"])
    told = found.evaluate(TIMES, "event", duration="duration", times=[3.0, 6.0])
    risk = -np.log(found.survival(TIMES, [3.0, 6.0]).to_numpy()).mean(axis=1)
    t, e = TIMES["duration"].to_numpy(), TIMES["event"].to_numpy()
    pairs = [(i, j) for i in range(10) for j in range(10) if e[i] and t[i] < t[j]]
    by_hand = np.mean([risk[i] > risk[j] for i, j in pairs])
    assert told["harrell"] == pytest.approx(by_hand)


def test_a_curve_that_starts_with_a_loss_at_once():
    found = KaplanMeier().fit([0, 0, 0, 1], [1, 1, 0, 0])
    assert found.at([0])["survival"].tolist() == pytest.approx([0.5])
    assert list(found.tables()) == ["Time until so many have left", "Survival"]
