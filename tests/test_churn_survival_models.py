"""Weights, entry, strata and clusters, Weibull, competing causes, discrete hazards: other tools, brute force, known truth.

survival_lifelines.json holds lifelines 0.30.3 and scikit-survival 0.28.0 on survival_cases.csv, with the script that made it.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.churn import (
    AalenJohansen,
    CoxHazards,
    DiscreteHazard,
    KaplanMeier,
    WeibullAFT,
    concordance,
    person_periods,
    survival_brier,
    survival_calibration,
)
from cxmodels.errors import CxError, DataWarning, NotIdentifiedError

from .test_churn_survival import REFERENCE, reference, simulated, telco


@cache
def told():
    return json.loads((Path(REFERENCE) / "survival_lifelines.json").read_text(encoding="utf-8"))


@cache
def cases():
    return pd.read_csv(REFERENCE / "survival_cases.csv")


def fitted(**options):
    return CoxHazards().fit(cases(), "left", duration="time", columns=["a", "b"], **options)


# --- against lifelines and scikit-survival ------------------------------------------------------------------------------


def test_kaplan_meier_and_its_tests_equal_lifelines():
    d, g = cases(), told()
    curve = KaplanMeier().fit(d, "left", duration="time", entry="entry", weights="w")
    t = g["km_entry_weights"]
    np.testing.assert_allclose(curve.at(t["time"]).survival, t["survival"], atol=1e-12)
    groups = KaplanMeier().fit(d, "left", duration="time", group="s")
    assert groups.test().chisq == pytest.approx(g["logrank"]["chisq"])
    assert groups.test().pvalue == pytest.approx(g["logrank"]["p"])
    assert groups.test(1).chisq == pytest.approx(g["fleming_harrington_1"]["chisq"])


@pytest.mark.parametrize(
    ("name", "options"), [("cox_weights", {"weights": "w"}), ("cox_strata_entry", {"strata": "s", "entry": "entry"})]
)
def test_cox_with_options_equals_lifelines(name, options):
    found, g = fitted(**options), told()[name]
    np.testing.assert_allclose(found.estimates.est, g["est"], atol=1e-9)
    np.testing.assert_allclose(found.estimates.se, g["se"], atol=1e-9)
    assert found.fit_measures["loglik"] == pytest.approx(g["loglik"], abs=1e-8)


@pytest.mark.parametrize("clock", ["identity", "km", "log"])
def test_proportionality_equals_lifelines(clock):
    np.testing.assert_allclose(fitted().proportionality(clock).chisq[:2], told()[f"ph_{clock}"]["chisq"], rtol=1e-8)


@pytest.mark.parametrize("clock", ["log", "rank"])
def test_the_score_test_is_that_of_added_products_with_time(clock):
    """Products of columns and time, as rows by period, at coefficients of zero: gradient and information of the likelihood."""
    from cxmodels.churn import cox_kernel as kernel

    d, found = cases(), fitted()
    reading = dict(zip(found.layout.time, found._clock(clock), strict=True))
    ends = np.array(sorted(reading))
    rows = d.loc[d.index.repeat(len(ends))].reset_index(drop=True)
    rows["stop"] = np.tile(ends, len(d))
    rows["begin"] = rows.groupby(np.arange(len(rows)) // len(ends)).stop.shift(fill_value=0)
    rows = rows[rows.stop <= rows.time]
    g = rows.stop.map(reading).to_numpy()
    x = rows[["a", "b"]].to_numpy(dtype=float)
    both = np.column_stack([x, x * g[:, None]])
    gone = ((rows.stop == rows.time) & (rows.left == 1)).to_numpy()
    at = kernel.layout(
        rows.stop.to_numpy(), gone, rows.begin.to_numpy(), np.ones(len(rows)), np.zeros(len(rows), int)
    )
    beta = np.append(found.estimates.est, [0.0, 0.0])
    _, slope, information = kernel.likelihood(at, both[at.order], beta, True)
    table = found.proportionality(clock, test="score")
    assert slope @ np.linalg.solve(information, slope) == pytest.approx(table.chisq["all terms"], rel=1e-6)
    one = [0, 1, 3]
    part = slope[one] @ np.linalg.solve(information[np.ix_(one, one)], slope[one])
    assert part == pytest.approx(table.chisq["b"], rel=1e-5)
    near = found.proportionality(clock)
    np.testing.assert_allclose(near.chisq, table.chisq, rtol=0.25, atol=0.1)


def test_proportionality_by_ranks_is_near_lifelines_on_telco():
    """lifelines breaks ties of time by the order of the file, we give them their mean rank."""
    found = CoxHazards().fit(telco(), "churn", duration="tenure").proportionality()
    for term, value in reference()["ph_test_rank"]["test_statistic"].items():
        assert found.chisq[term] == pytest.approx(value, rel=0.1, abs=0.5)
    assert found.df["all terms"] == 10


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_robust_errors_are_those_of_left_out_customers(ties):
    """The infinitesimal jackknife by refits; lifelines and statsmodels take a simpler score where there are ties."""
    d = cases().iloc[:25]
    spec = CoxHazards(ties=ties)
    options = {"duration": "time", "columns": ["a", "b"], "weights": "w"}
    moved = []
    for i in range(len(d)):
        ends = []
        for step in (1e-4, -1e-4):
            w = d.w.to_numpy(dtype=float)
            w[i] += step
            ends.append(spec.fit(d.assign(w=w), "left", **options).estimates.est.to_numpy())
        moved.append((ends[0] - ends[1]) / 2e-4)
    parts = np.array(moved) * d.w.to_numpy()[:, None]
    robust = CoxHazards(ties=ties, robust=True).fit(d, "left", **options)
    np.testing.assert_allclose(robust.estimates.se, np.sqrt((parts**2).sum(axis=0)), rtol=1e-5)
    by = spec.fit(d, "left", clusters="id", **options)
    summed = pd.DataFrame(parts).groupby(d.id.to_numpy()).sum().to_numpy()
    np.testing.assert_allclose(by.estimates.se, np.sqrt((summed**2).sum(axis=0)), rtol=1e-5)


def test_concordance_and_brier_equal_scikit_survival():
    g, d = told()["holdout"], cases()
    train, test = d.iloc[:250], d.iloc[250:]
    seen = (train.exact, train.left)
    risk, times = np.array(g["risk"]), np.array(g["times"])
    uno = concordance(test.exact, test.left, risk, kind="uno", tau=24, censoring=seen)
    assert uno == pytest.approx(g["uno_24"], abs=1e-12)
    chances = np.exp(-np.outer(np.exp(risk), times / 25))
    brier = survival_brier(test.exact, test.left, chances, times, censoring=seen)
    np.testing.assert_allclose(brier.brier, g["brier"], atol=1e-12)
    assert brier.attrs["integrated"] == pytest.approx(g["ibs"], abs=1e-12)


def test_concordance_is_the_count_of_pairs():
    rng = np.random.default_rng(5)
    for n in (2, 7, 60):
        t, e, r = rng.integers(1, 8, n), rng.integers(0, 2, n), rng.integers(0, 6, n)
        e[t.argmin()] = 1
        won = pairs = 0.0
        for i in range(n):
            for j in range(n):
                if e[i] and (t[i] < t[j] or (t[i] == t[j] and not e[j] and i != j)):
                    pairs += 1
                    won += (r[i] > r[j]) + 0.5 * (r[i] == r[j])
        if pairs:
            assert concordance(t, e, r) == pytest.approx(won / pairs)


def test_calibration_is_right_for_the_truth():
    rng = np.random.default_rng(2)
    rate = rng.uniform(0.01, 0.2, 20_000)
    t, c = rng.exponential(1 / rate), rng.uniform(0, 30, 20_000)
    table = survival_calibration(
        np.minimum(t, c), (t <= c).astype(int), np.exp(-np.outer(rate, [5, 10])), [5, 10], bins=5
    )
    assert len(table) == 10
    d = simulated(3_000, 6)
    found = CoxHazards().fit(d.iloc[:2000], "left", duration="time", columns=["a", "b"], entry="entry")
    table_ = found.calibration(d.iloc[2000:], "left", duration="time", horizons=[6, 12], bins=4)
    assert (table_.gap.abs() < 0.12).all()
    assert (table.gap.abs() < 0.03).all()
    assert ((table.ci_lower <= table.foreseen) & (table.foreseen <= table.ci_upper)).sum() >= 7


# --- Weibull and competing causes ---------------------------------------------------------------------------------------


def test_weibull_equals_lifelines():
    """lifelines stops a little short of the maximum: 1e-5."""
    g = reference()["weibull_aft_tenure_gt_0"]
    found = WeibullAFT().fit(telco(), "churn", duration="tenure")
    est = found.estimates.set_index("term").est
    for name, value in g["params"].items():
        term = name.split(":")[1] if name.startswith("lambda") else "log_shape"
        assert est[term.replace("Intercept", "intercept")] == pytest.approx(value, abs=3e-5)
    assert found.fit_measures["loglik"] == pytest.approx(g["loglik"], abs=1e-6)
    assert found.excluded.to_dict("list") == {"reason": ["duration 0"], "rows": [11]}
    g = told()["weibull_entry_weights"]
    found = WeibullAFT().fit(cases(), "left", duration="time", columns=["a", "b"], entry="entry", weights="w")
    order = ["a", "b", "intercept", "log_shape"]
    table = found.estimates.set_index("term").loc[order]
    np.testing.assert_allclose(table.est, g["est"], atol=1e-5)
    np.testing.assert_allclose(table.se, g["se"], atol=1e-5)
    assert found.fit_measures["loglik"] >= g["loglik"] - 1e-9


def test_weibull_foresees_by_its_law():
    d = simulated(20_000, 4, rounded=False)
    found = WeibullAFT().fit(d, "left", duration="time", columns=["a", "b"], entry="entry")
    truth = {"intercept": np.log(20), "a": -0.5 / 1.3, "b": 0.8 / 1.3, "log_shape": np.log(1.3)}
    table = found.estimates.set_index("term")
    assert ((table.est - pd.Series(truth)).abs() < 3.5 * table.se).all()
    who = pd.DataFrame({"a": [0.0, 1.0], "b": [0.0, 1.0], "so": [10.0, 5.0]})
    k, scale = (
        np.exp(table.est["log_shape"]),
        np.exp(table.est["intercept"] + who.a * table.est["a"] + who.b * table.est["b"]),
    )
    wanted = np.exp(-(((who.so + 60) / scale) ** k) + (who.so / scale) ** k)
    np.testing.assert_allclose(found.ahead(who, 60, so_far="so")[60.0], wanted)
    assert found.median(who)[0] == pytest.approx(scale[0] * np.log(2) ** (1 / k))
    area = found.remaining(who, 30, so_far="so")
    fine = np.linspace(0, 30, 3001)
    curve = found.ahead(who, fine[1:], so_far="so").to_numpy()
    np.testing.assert_allclose(area.est, np.trapezoid(np.column_stack([[1, 1], curve]), fine, axis=1), rtol=1e-4)


def test_errors_of_chances_are_those_of_their_parameters():
    """Gradients of the chance ahead by numerical differences, for every model with parameters."""
    from dataclasses import replace

    d = cases()
    periods = d.loc[d.index.repeat(d.time.astype(int))].reset_index(names="customer_id")
    periods["period"] = periods.groupby("customer_id").cumcount() + 1
    periods["event"] = ((periods.period == periods.time) & (periods.left == 1)).astype(int)
    who = pd.DataFrame({"a": [0.3], "b": [1]})
    options = {"columns": ["a", "b"]}
    models = [WeibullAFT().fit(d, "left", duration="time", **options)]
    models += [DiscreteHazard(link=k).fit(periods, **options) for k in ("logit", "cloglog")]
    for model in models:
        est = model.estimates.est.to_numpy()
        _, slope, _ = model._hazard(who, who.to_numpy(float), np.array([4.0]), np.array([[9.0, 12.0]]), True)
        for j in range(len(est)):
            ends = []
            for step in (1e-6, -1e-6):
                table = model.estimates.assign(est=est + step * (np.arange(len(est)) == j))
                ends.append(-np.log(replace(model, estimates=table).ahead(who, [5, 8], so_far=4).to_numpy()))
            np.testing.assert_allclose(slope[0, :, j], (ends[0] - ends[1])[0] / 2e-6, rtol=1e-4, atol=1e-8)


def test_competing_causes_equal_lifelines_and_add_up():
    found = AalenJohansen().fit(cases(), "cause", duration="exact")
    for cause in (1, 2):
        g = told()[f"aalen_johansen_{cause}"]
        at = found.at(g["time"])
        at = at[at.cause == str(cause)]
        np.testing.assert_allclose(at.share, g["share"], atol=1e-12)
        np.testing.assert_allclose(at.se**2, g["variance"], atol=1e-12)
    gone = found.curve.groupby("time").share.sum()
    stay = KaplanMeier().fit(cases(), "left", duration="exact").curve.set_index("time").survival
    np.testing.assert_allclose(gone + stay[gone.index], 1)


def test_competing_causes_with_entry_and_ties_cover_the_truth():
    inside = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        t, cause = np.ceil(rng.exponential(8, 400)), np.where(rng.random(400) < 0.3, "price", "moved")
        c, entry = rng.integers(5, 25, 400), np.where(rng.random(400) < 0.5, rng.integers(0, 4, 400), 0)
        d = pd.DataFrame({"duration": np.minimum(t, c), "event": np.where(t <= c, cause, "active"), "entry": entry})
        d = d[d.duration > d.entry]
        line = AalenJohansen().fit(d, entry="entry", left="active").at(10).set_index("cause").loc["price"]
        inside.append(line.ci_lower <= 0.3 * (1 - np.exp(-10 / 8)) <= line.ci_upper)
    assert np.mean(inside) >= 0.88


# --- discrete time ------------------------------------------------------------------------------------------------------


@cache
def telco_periods():
    d = telco().query("tenure > 0")
    rows = d.loc[d.index.repeat(d.tenure)].reset_index(names="customer_id")
    rows["period"] = rows.groupby("customer_id").cumcount() + 1
    return rows.assign(event=((rows.period == rows.tenure) & (rows.churn == "Yes")).astype(int))


@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_discrete_hazard_equals_statsmodels(link):
    g = reference()["discrete_time_hazard"]
    rows = telco_periods()
    assert (len(rows), rows.event.sum()) == (g["person_periods"], g["events"])
    rows = rows.drop(columns=["tenure", "churn"])
    found = DiscreteHazard(link=link).fit(
        rows, customer=None, columns=rows.columns.drop(["customer_id", "period", "event"])
    )
    names = {"const": "intercept", "log_month": "log_period", "log_month_sq": "log_period_sq"}
    table = found.estimates.set_index("term")
    for name, value in g[link]["params"].items():
        assert table.est[names.get(name, name)] == pytest.approx(value, abs=1e-8)
        assert table.se[names.get(name, name)] == pytest.approx(g[link]["se"][name], abs=1e-7)
    assert found.fit_measures["loglik"] == pytest.approx(g[link]["loglik"], abs=1e-6)


def test_a_free_baseline_without_columns_that_matter_is_kaplan_meier():
    d = simulated(2_000, 8)
    rows = d.loc[d.index.repeat(d.time.astype(int))].reset_index(names="customer_id")
    rows["period"] = rows.groupby("customer_id").cumcount() + 1
    rows["event"] = ((rows.period == rows.time) & (rows.left == 1)).astype(int)
    rows = rows[rows.period <= 12]
    found = DiscreteHazard(baseline="periods").fit(rows, columns=["a"])
    curve = KaplanMeier().fit(
        d.assign(time=d.time.clip(upper=12), left=d.left * (d.time <= 12)), "left", duration="time"
    )
    mean = found.survival(d, np.arange(1, 13)).mean()
    np.testing.assert_allclose(mean, curve.at(np.arange(1, 13)).survival, atol=0.02)
    with pytest.warns(DataWarning, match="beyond the longest"):
        assert found.ahead(d.head(2), 20, so_far=0)[20.0].isna().all()


@cache
def subscribers():
    return cx.datasets.simulate_subscribers(customers=8_000, months=24, seed=3)


def test_effects_of_a_simulated_business_are_recovered():
    """The true state of every month, as the simulation had it, against its effects."""
    tables, truth = subscribers()
    subs = tables["subscriptions"]
    found = person_periods(subs, truth.monthly[["customer_id", "as_of_date", "satisfaction", "tickets", "log_tenure", "offer_effect"]],
                           every="calendar_month", observed_from="2022-12-31", date="as_of_date")  # fmt: skip
    frame = found.frame
    assert (frame.score_age_days == 0).mean() > 0.95  # a state for every snapshot
    fit = DiscreteHazard(link="logit", baseline="constant").fit(
        frame[frame.score_age_days == 0], columns=["satisfaction", "price", "log_tenure", "tickets", "offer_effect"]
    )
    table = fit.estimates.set_index("term")
    wanted = truth.effects.drop("intercept")
    for term, value in wanted.items():
        assert abs(table.est[term] - value) < 3.5 * table.se[term], term
    assert abs(table.est["offer_effect"] - 1) < 3.5 * table.se["offer_effect"]


def test_scores_never_come_from_the_future():
    tables, _ = subscribers()
    scores = tables["surveys"][["customer_id", "date", "satisfaction", "recommend"]]
    found = person_periods(tables["subscriptions"].head(400), scores, observed_from="2023-06-30", newest=200).frame
    rng = np.random.default_rng(1)
    for row in found.iloc[rng.integers(0, len(found), 60)].itertuples():
        own = scores[(scores.customer_id == row.customer_id) & (scores.date <= row.period_start)].dropna(
            subset="satisfaction"
        )
        own = own[own.date >= row.period_start - pd.Timedelta(days=200)]
        if own.empty:
            assert np.isnan(row.satisfaction)
        else:
            assert row.satisfaction == own.sort_values("date").satisfaction.iloc[-1]
    assert (found.score_age_days.dropna().between(0, 200)).all()
    assert (found.period_start >= "2023-06-30").all()


def test_periods_of_leavers_and_stayers_are_complete_alike():
    subs = pd.DataFrame(
        {"customer_id": list("abcd"), "start": ["2024-01-31", "2024-01-10", "2024-03-01", "2024-01-01"],
         "end": ["2024-03-31", None, "2024-05-20", "2024-02-01"], "plan": list("xyxz")}
    )  # fmt: skip
    found = person_periods(subs, observed_until="2024-05-25")
    events = found.frame[found.frame.event == 1].set_index("customer_id").period
    assert events.to_dict() == {
        "a": 2,
        "d": 1,
    }  # c left in a month that was not over, so that nobody knows who stayed
    assert found.frame.groupby("customer_id").size().to_dict() == {"a": 2, "b": 4, "c": 2, "d": 1}
    assert found.excluded.rows.tolist() == [2]
    assert found.frame.period_end[found.frame.customer_id == "a"].astype(str).tolist() == ["2024-02-29", "2024-03-31"]
    weekly = person_periods(subs, every=7, observed_until="2024-05-25").frame
    assert weekly.groupby("customer_id").event.sum().to_dict() == {"a": 1, "b": 0, "c": 1, "d": 1}
    rate = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        start = pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 365, 4000), "D")
        stay = pd.to_timedelta(30 * rng.geometric(0.1, 4000) - rng.integers(0, 30, 4000), "D")
        end = (start + stay).to_series().reset_index(drop=True).where(lambda v: v <= "2024-01-01")
        many = pd.DataFrame({"customer_id": np.arange(4000), "start": start, "end": end})
        rate.append(person_periods(many, every=30, observed_until="2024-01-01").frame.event.mean())
    assert np.mean(rate) == pytest.approx(0.1, abs=0.004)


# --- bad input ----------------------------------------------------------------------------------------------------------


def bad(**changes):
    return simulated(60).assign(**changes)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: KaplanMeier().fit([3, -1, 2], [1, 0, 1]), "negative for 1 of 3"),
        (lambda: KaplanMeier().fit([3, 1, 2], [0, 0, 0]), "Nobody of 3 customers left"),
        (lambda: KaplanMeier().fit([3, 1, 2], [1, 0, 2]), "something else in 1"),
        (lambda: KaplanMeier().fit([3, 1, 2], [1, 0, 1], entry=[0, 2, 0]), "The entry is after the duration or at it for 1 of 3 customers"),
        (lambda: KaplanMeier().fit(["a", 1, 2], [1, 0, 1]), "holds text in 1 of 3"),
        (lambda: KaplanMeier().fit([np.inf, 1, 2], [1, 0, 1]), "infinite for 1"),
        (lambda: KaplanMeier().fit([1, 2], [1, 0, 1]), "event has 3 entries for 2"),
        (lambda: KaplanMeier().fit(telco(), "churned", duration="tenure"), "Did you mean 'churn'"),
        (lambda: KaplanMeier().fit([1, 2], "churn"), "no table"),
        (lambda: KaplanMeier().fit(pd.to_datetime(["2024-01-01"] * 2), [1, 0]), "dates"),
        (lambda: KaplanMeier().fit([1.0, 2], ["yes", "yes"]), "two labels"),
        (lambda: KaplanMeier().fit([], []), "no customers"),
        (lambda: KaplanMeier().fit(bad(), "left", duration="time").test(), "two groups"),
        (lambda: KaplanMeier().fit(bad(), "left", duration="time").restricted_mean(900), "longest duration"),
        (lambda: KaplanMeier(interval="logit"), "Unknown interval"),
        (lambda: CoxHazards(ties="exact"), "Unknown ties"),
        (lambda: CoxHazards().fit(bad(left=0), "left", duration="time"), "Nobody of .. customers left"),
        (lambda: CoxHazards().fit(bad(a=1.0), "left", duration="time"), "'a' has the same value"),
        (lambda: CoxHazards().fit(bad(), "left", duration="time", columns=["aa"]), "'aa' is not in the data"),
        (lambda: CoxHazards().fit(bad(), "left", duration="time", columns=["left"]), "explains and is explained"),
        (lambda: CoxHazards().fit(bad(), "left", duration="time", columns=[]), "no column that explains"),
        (lambda: CoxHazards().fit(bad(a=np.nan), "left", duration="time", columns=["a"]), "'a'"),
        (lambda: WeibullAFT().fit(bad(time=0, entry=0), "left", duration="time", columns=["a"]), "left at duration 0"),
        (lambda: DiscreteHazard().fit(bad(period=0), "left", columns=["a"]), "below 1"),
        (lambda: DiscreteHazard().fit(bad(period=1, customer_id=1), "left", columns=["a"]), "repeat a customer and period"),
        (lambda: AalenJohansen().fit([1, 2], ["", ""]), "Nobody of 2"),
        (lambda: AalenJohansen().fit([1, 2], ["x", "y"], left="z"), "No customer has the label"),
        (lambda: concordance([1, 2], [1, 0], [0.5]), "one number for each of 2"),
        (lambda: concordance([1, 2], [1, 0], [0.5, np.nan]), "blank for 1"),
        (lambda: survival_brier([1, 2], [1, 0], [[0.5], [0.5]], [5]), "not before the longest"),
        (lambda: survival_brier([1, 2, 3], [1, 0, 1], [[0.5], [1.5], [0.5]], [2]), "no share for 1"),
        (lambda: person_periods(pd.DataFrame({"customer_id": [1], "start": ["2024-01-02"], "end": ["2024-01-01"]})),
         "end before they start"),
        (lambda: WeibullAFT().fit(pd.DataFrame({"duration": [1, 2, 3], "event": [1, 0, 1], "x": [0.0, 1, 0.5]})), "too few for 3"),
        (lambda: person_periods(pd.DataFrame({"customer_id": [1], "start": ["2024-01-02"], "end": [None]}),
                                pd.DataFrame({"customer_id": [7], "date": ["2024-01-03"], "score": [1]}), observed_until="2024-05-01"),
         "None of the 1 rows"),
        (lambda: person_periods(pd.DataFrame({"customer_id": [1], "start": ["2024-01-02"], "end": [None]}), every="weeks"),
         "Unknown every"),
    ],
)  # fmt: skip
def test_bad_durations_are_refused_in_one_sentence(call, said):
    with pytest.raises(CxError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_everybody_left_is_said():
    with pytest.warns(DataWarning, match="All 3 customers left"):
        found = KaplanMeier().fit([1, 2, 3], [1, 1, 1])
    assert "All 3 customers" in repr(found)
    assert found.curve.survival.tolist() == pytest.approx([1, 2 / 3, 1 / 3, 0])


def test_a_curve_emptied_before_others_came_is_said():
    with pytest.warns(DataWarning, match="All 1 customers at risk at 1 left"):
        found = KaplanMeier().fit([1, 5, 6, 7], [1, 1, 0, 1], entry=[0, 2, 2, 3])
    assert found.ahead(3, so_far=3).survival[0] == pytest.approx(2 / 3)


def test_a_column_that_nobody_with_it_leaves_is_named():
    d = simulated(300)
    d["safe"] = ((d.left == 0) & (d.index % 3 == 0)).astype(int)
    for spec in (CoxHazards(), WeibullAFT()):
        with pytest.raises(NotIdentifiedError, match="'safe' has no finite value"):
            spec.fit(d, "left", duration="time", columns=["a", "safe"])


def test_blanks_are_counted_and_get_no_value():
    d = simulated(200).iloc[:180].assign(plan=["x", "y"] * 90)
    d.loc[:4, "a"] = np.nan
    found = CoxHazards().fit(d, "left", duration="time", columns=["a", "plan"])
    assert found.excluded.to_dict("list") == {"reason": ["blank in a column"], "rows": [5]}
    assert "5 left out" in repr(found)
    new = pd.DataFrame({"a": [0.0, np.nan, 1.0], "plan": ["x", "x", "z"]}, index=list("uvw"))
    with pytest.warns(DataWarning, match="2 of 3 customers get no value"):
        chances = found.ahead(new, [1, 2])
    assert chances.isna().any(axis=1).to_dict() == {"u": False, "v": True, "w": True}


def test_rows_by_period_say_what_rows_by_customer_say():
    """Time split into periods changes no risk set, so that columns that change over time enter Cox by rows."""
    d = cases()
    rows = d.loc[d.index.repeat(d.time.astype(int))].reset_index(names="customer_id")
    rows["period"] = rows.groupby("customer_id").cumcount() + 1
    rows["gone"] = ((rows.period == rows.time) & (rows.left == 1)).astype(int)
    by_row = CoxHazards().fit(
        rows, "gone", duration="period", entry=rows.period - 1, columns=["a", "b"], clusters="customer_id"
    )
    by_customer = CoxHazards(robust=True).fit(d, "left", duration="time", columns=["a", "b"])
    np.testing.assert_allclose(by_row.estimates.est, by_customer.estimates.est, atol=1e-9)
    np.testing.assert_allclose(by_row.estimates.se, by_customer.estimates.se, atol=1e-9)
    who = pd.DataFrame({"a": [0.2], "b": [1]})
    np.testing.assert_allclose(by_row.survival(who, [5, 20]), by_customer.survival(who, [5, 20]), atol=1e-9)
