"""The worth of satisfaction against brute force, other libraries, and a world whose truth is known."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit
from scipy.stats import norm

import cxmodels as cx
from cxmodels.worth import e_value, robustness_value, simulate_worth
from cxmodels.worth.chain import Chain
from cxmodels.worth.customers import customers_of
from cxmodels.worth.kernel import Base, Terms, Worth
from cxmodels.worth.sensitivity import partial_t, risk_ratio
from cxmodels.worth.sources import source_of

MODEL = """
Speed =~ speed
Price =~ price
Service =~ service
Satisfaction =~ sat1 + sat2 + sat3
Satisfaction ~ Speed + Price + Service
"""
TERMS = {"horizon": 8, "discount": 0.02}
COLUMNS = {"customer": "customer_id", "left": "left", "margin": "margin"}


def drivers(survey):
    return cx.Drivers("csi", ["speed", "price", "service"]).fit(survey)


@pytest.fixture(scope="module")
def world():
    return simulate_worth(2500, seed=4)


@pytest.fixture(scope="module")
def found(world):
    base, survey, truth = world
    return cx.value_of_satisfaction(
        drivers(survey), base, {"service": 1.0, "speed": 0.5}, costs={"service": 2000.0, "speed": 1500.0}, spend="spend",
        controls=["price", "region"], reliability=truth.reliability, scale=(1, 10), n=60, seed=1, **COLUMNS, **TERMS,
    )  # fmt: skip


def point_of(base, survey, reliability=None, controls=("price", "region")):
    """The worth of a point, without a bootstrap."""
    source = source_of(cx.PLS(MODEL).fit(survey), "Satisfaction", (1, 10))
    people = customers_of(source, base, spend="spend", controls=controls, tenure=None, **COLUMNS)
    chain = Chain(source, people, Terms(8, 0.02), reliability).with_plans(np.zeros((1, len(source.names))), 1.0)
    return chain.read(chain(np.ones((1, chain.units)))[0][0])


# --- one number a second way ------------------------------------------------------------------------------------------


def test_value_of_a_base_is_the_sum_over_customers_and_periods():
    rng = np.random.default_rng(1)
    n, effect, spend, spread, horizon, discount = 6, -0.05, 0.004, 9.0, 10, 0.03
    base = Base(
        rng.uniform(0.02, 0.4, n), rng.uniform(5, 50, n), rng.integers(0, 3, n).astype(float), np.zeros(n, int)
    )
    trend = -0.3 * (np.log1p(4 + np.arange(horizon - 1)) - np.log1p(4))
    worth = Worth(base, effect, spend, spread, Terms(horizon, discount), trend[:, None], 0.0, 5.0)
    s = spread * norm.ppf((np.arange(20_000) + 0.5) / 20_000)

    def brute(rise: float) -> float:
        total = 0.0
        for p, m, w in zip(base.chance, base.margin, base.weight, strict=True):
            low, high = -12.0, 6.0  # the log-odds whose mean chance is p
            for _ in range(60):
                middle = (low + high) / 2
                low, high = (middle, high) if expit(middle + effect * s).mean() < p else (low, middle)
            stay, paid = np.ones(len(s)), np.ones(len(s))
            for t in range(1, horizon):
                stay = stay * (1 - expit(low + effect * (s + rise) + trend[t - 1]))
                paid += stay / (1 + discount) ** t
            total += w * m * np.exp(spend * rise) * paid.mean()
        return total

    assert float(worth.total(0.0)) == pytest.approx(brute(0.0), rel=1e-4)
    assert float(worth.total(3.0) - worth.total(0.0)) == pytest.approx(brute(3.0) - brute(0.0), rel=1e-3)
    assert worth.leaving(0.0) == pytest.approx(np.average(base.chance, weights=base.weight), abs=1e-6)


def test_without_differences_the_value_is_a_geometric_sum():
    base = Base(np.array([0.1]), np.array([7.0]), np.ones(1), np.zeros(1, int))
    worth = Worth(base, -0.02, 0.0, 0.0, Terms(12, 0.01), np.zeros((11, 1)))
    stay = 1 - expit(logit(0.1) - 0.02)
    assert float(worth.total(1.0)) == pytest.approx(7 * sum((stay / 1.01) ** t for t in range(12)), rel=1e-5)
    assert float(worth.kept(0.0)) == pytest.approx(0.9**11, rel=2e-6)


def test_stages_agree_with_statsmodels(world, found):
    base, survey, _ = world
    x = pd.get_dummies(base[["price", "region"]], drop_first=True).astype(float)
    x = sm.add_constant((x - x.mean()) / x.std(ddof=0))
    answered = base["customer_id"].isin(survey["customer_id"])
    chance = sm.GLM(answered.astype(float), x, sm.families.Binomial()).fit().fittedvalues
    linked = base[answered].merge(survey, on="customer_id")
    score = 100 * (linked["csi"] - 1) / 9
    design = x[answered].reset_index(drop=True).assign(score=score)
    w = (1 / chance[answered]).reset_index(drop=True)
    naive = sm.GLM(linked["left"], design, sm.families.Binomial(), freq_weights=w).fit().params["score"]
    spend = sm.GLM(linked["spend"], design, sm.families.Poisson(), freq_weights=w).fit().params["score"]
    # the propensity has a ridge of half a row
    assert found.linkage.loc["log_odds_to_leave_uncorrected", "est"] == pytest.approx(naive, rel=2e-3)
    assert found.linkage.loc["log_spend_uncorrected", "est"] == pytest.approx(spend, rel=2e-3)
    assert found.linkage.loc["satisfaction", "est"] == pytest.approx(np.average(score, weights=w), rel=1e-3)
    leaving = sm.GLM(base["left"], x, sm.families.Binomial()).fit().fittedvalues
    assert found.now.base.chance == pytest.approx(leaving.to_numpy(), rel=1e-6)
    slope = sm.OLS(survey["csi"], sm.add_constant(survey[["speed", "price", "service"]])).fit().params["service"]
    rise = np.minimum(1.0, 10 - survey["service"])
    alone = found.effects.loc["service"]
    assert alone["points"] == pytest.approx(slope * 100 / 9 * alone["realised"], rel=1e-9)
    assert alone["realised"] == pytest.approx(rise.mean(), abs=0.01)


def test_spending_is_corrected_by_the_reliability_beyond_the_controls(found):
    est = found.linkage["est"]
    assert est["log_spend"] == pytest.approx(
        est["log_spend_uncorrected"] / est["reliability_beyond_controls"], rel=1e-6
    )
    assert abs(est["log_odds_to_leave"] / est["log_odds_to_leave_uncorrected"] * est["reliability_beyond_controls"]) == pytest.approx(1, abs=0.08)  # fmt: skip


def test_the_effect_is_that_of_linkage(world):
    base, survey, truth = world
    index = 100 * (survey["csi"] - 1) / 9
    frame = base.merge(survey.assign(index=index)[["customer_id", "index"]], on="customer_id", how="left")
    asof = frame.assign(as_of_date=pd.Timestamp("2024-03-31"))
    joined = cx.linkage.join(
        asof.drop(columns="index"),
        frame.dropna(subset="index")[["customer_id", "index"]].assign(date=pd.Timestamp("2024-03-01")),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cx.CxWarning)
        theirs = cx.linkage.Linkage(
            "left", "index", controls=["price"], response=["price"], reliability=truth.reliability
        ).fit(joined, bootstrap=2, seed=1)
    ours = point_of_drivers(base, survey, truth.reliability)
    assert ours["effect"] == pytest.approx(theirs.effects.loc["corrected", "est"], rel=1e-4)
    assert ours["naive"] == pytest.approx(theirs.effects.loc["weighted", "est"], rel=1e-4)


def point_of_drivers(base, survey, reliability):
    source = source_of(drivers(survey), None, (1, 10))
    people = customers_of(source, base, spend=None, controls=["price"], tenure=None, **COLUMNS)
    chain = Chain(source, people, Terms(8, 0.02), reliability).with_plans(np.zeros((1, 3)), 1.0)
    return chain.read(chain(np.ones((1, chain.units)))[0][0])


def test_whole_number_weights_are_repeated_rows(world):
    base, survey, truth = world
    few = base.iloc[:900]
    some = survey[survey["customer_id"].isin(few["customer_id"])]
    again = few.assign(customer_id=few["customer_id"] + 10_000)
    twice = some.assign(customer_id=some["customer_id"] + 10_000)
    once = point_of_drivers(few, some, truth.reliability)
    double = point_of_drivers(pd.concat([few, again]), pd.concat([some, twice]), truth.reliability)
    assert double["point"] == pytest.approx(2 * once["point"], rel=2e-3)  # the ridge of the propensity is half a row
    source = source_of(drivers(some), None, (1, 10))
    people = customers_of(source, few, spend=None, controls=["price"], tenure=None, **COLUMNS)
    chain = Chain(source, people, Terms(8, 0.02), truth.reliability).with_plans(np.zeros((1, 3)), 1.0)
    assert chain.read(chain(np.full((1, chain.units), 2.0))[0][0])["point"] == pytest.approx(
        double["point"], rel=1e-6
    )


def test_tenure_lowers_the_chance_to_leave_as_it_grows():
    rng = np.random.default_rng(5)
    base, survey, truth = simulate_worth(4000, seed=5)
    tenure = rng.integers(0, 40, len(base))
    left = rng.random(len(base)) < expit(logit(0.2) - 0.5 * np.log1p(tenure) + 0.5 * np.log(10))
    base = base.assign(left=left.astype(int), tenure=tenure, margin=10.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cx.errors.DataWarning)  # satisfaction does nothing here
        found = cx.value_of_satisfaction(
            drivers(survey), base, controls=["price"], reliability=truth.reliability, scale=(1, 10), tenure="tenure",
            n=2, seed=1, horizon=20, **COLUMNS,
        )  # fmt: skip
    now = found.stages.set_index("stage").loc["value", "now"]
    t = np.arange(19)[:, None]
    stay = 1 - expit(logit(0.2) - 0.5 * np.log1p(tenure + t) + 0.5 * np.log(10))
    assert now == pytest.approx(10 * (1 + np.cumprod(stay, axis=0)).sum() - 10 * 18 * len(base), rel=0.03)
    assert found.now.aging == pytest.approx(-0.5, abs=0.15)


# --- models agree -------------------------------------------------------------------------------------------------------


def test_engines_agree_on_the_same_survey(world):
    base, survey, truth = world
    options = {"controls": ["price"], "scale": (1, 10), "n": 2, "seed": 1, **COLUMNS, **TERMS}
    rho = {"reliability": truth.reliability}
    sem = cx.SEM("Satisfaction =~ sat1 + sat2 + sat3\nSatisfaction ~ speed + price + service").fit(survey)
    rows = {
        "drivers": cx.value_of_satisfaction(drivers(survey), base, {"service": 1.0}, **rho, **options),
        "multiple": cx.value_of_satisfaction(
            cx.Drivers("csi", ["speed", "price", "service"]).fit(survey, missing="multiple"), base, {"service": 1.0}, **rho, **options
        ),
        "pls": cx.value_of_satisfaction(cx.PLS(MODEL).fit(survey), base, {"service": 1.0}, target="Satisfaction", **rho, **options),
        "sem": cx.value_of_satisfaction(sem, base, {"service": 1.0}, target="Satisfaction", **rho, **options),
    }  # fmt: skip
    points = {k: w.effects.loc["service", "points"] for k, w in rows.items()}
    values = {k: w.point.loc["value", "est"] for k, w in rows.items()}
    assert max(points.values()) < 1.02 * min(points.values())
    assert max(values.values()) < 1.07 * min(values.values())  # they weight the three items each in its way
    assert sem.reliability.loc["Satisfaction"].max() == pytest.approx(truth.reliability, abs=0.06)


def test_an_index_study_of_one_unit_is_a_source():
    data, _ = cx.datasets.simulate_study(companies=1, respondents=600, years=1, seed=2)
    study = cx.SatisfactionIndex(cx.acsi.ACSI).fit(data)
    rng = np.random.default_rng(3)
    satisfaction = 100 * (data["satisfaction"] - 1) / 9
    left = rng.random(len(data)) < expit(-1.5 - 0.04 * (satisfaction - satisfaction.mean()))
    base = pd.DataFrame({"respondent": data["respondent"], "left": left.astype(int)})
    found = cx.value_of_satisfaction(
        study, base, {"overall_quality": 1.0}, customer="respondent", left="left", margin=20.0, n=10, seed=1
    )
    assert found.target == "Satisfaction"
    impact = study.impacts.query("driver == 'Quality' and target == 'Satisfaction'")["impact"].iloc[0]
    weights = study.weights.query("construct == 'Quality'").set_index("item")["weight"]
    share = 100 / 9 * weights["overall_quality"] * found.effects.loc["overall_quality", "realised"]
    assert found.effects.loc["overall_quality", "points"] == pytest.approx(impact * share, rel=1e-6)
    assert found.point.loc["value", "est"] > 0


# --- what the frames promise -----------------------------------------------------------------------------------------------


def test_frames_hang_together(found):
    stages, effects = found.stages.set_index("stage"), found.effects
    assert found.cost == 2000 * 1.0 + 1500 * 0.5
    final = stages.loc["return"].iloc[0]
    assert final["change"] == pytest.approx(stages.loc["value", "change"] - found.cost)
    assert stages.loc["return"].iloc[1]["change"] == pytest.approx(final["change"] / found.cost)
    assert stages.loc["satisfaction", "change"] == pytest.approx(effects["points"].sum())
    assert stages.loc["value", "change"] == pytest.approx(effects["value"].sum(), rel=0.02)
    point = found.point["est"]
    assert point["value"] == pytest.approx(point["by_retention"] + point["by_spending"])
    assert point["value_per_customer"] == pytest.approx(point["value"] / found.customers)
    assert (found.point["ci_lower"] <= found.point["est"]).all()
    assert (found.point["est"] <= found.point["ci_upper"]).all()
    assert stages.loc["cost", "se"] == 0
    assert final["se"] > 0


def test_tornado_and_sensitivity(found):
    frame = found.tornado.set_index("input")
    net = found.final["change"]
    assert (frame["range"].diff().dropna() <= 0).all()
    cost = frame.loc["Cost (factor)"]
    assert cost["at_low"] == pytest.approx(net + 0.2 * found.cost)
    assert cost["at_high"] == pytest.approx(net - 0.2 * found.cost)
    margin = frame.loc["Margin (factor)"]
    assert margin["at_high"] == pytest.approx(1.1 * (net + found.cost) - found.cost, rel=1e-5)
    rel = frame.loc["Reliability of the score"]
    assert rel["at_low"] > net > rel["at_high"]
    assert frame.loc["Horizon, periods", "at_high"] > net
    needed = found.sensitivity.loc["share_needed", "value"]
    half = found._inputs
    assert half.put("effect", needed * found.now.effect).put("spend", needed * found.now.spend).net() == pytest.approx(0, abs=1.0)  # fmt: skip


def test_the_plan_beats_every_other_use_of_the_budget(world):
    base, survey, truth = world
    costs, budget = {"speed": 900.0, "price": 2500.0, "service": 2400.0}, 6000.0
    found = cx.value_of_satisfaction(
        drivers(survey), base, costs=costs, budget=budget, controls=["price"], reliability=truth.reliability,
        scale=(1, 10), n=5, seed=1, **COLUMNS, **TERMS,
    )  # fmt: skip
    assert found.cost <= budget + 1e-6
    plan = found.chain.plans[0]
    rng = np.random.default_rng(1)
    price = np.array([costs[k] for k in found.chain.source.names])
    shares = rng.dirichlet(np.ones(3), 300) * rng.uniform(0.2, 1, 300)[:, None]
    others = np.minimum(shares * budget / price, 9.0)
    trial = found.chain.with_plans(np.vstack([plan, others]))
    net = trial.read(trial(np.ones((1, trial.units)))[0][0])["value"] - np.vstack([plan, others]) @ price
    assert net[0] >= net[1:].max() - 1e-6 * abs(net[0])
    curve = found.curve
    assert curve["budget"].is_monotonic_increasing
    assert curve["points"].is_monotonic_increasing
    assert (curve["net"] == curve["value"] - curve["budget"]).all()
    assert curve[["speed", "price", "service"]].iloc[-1] @ price == pytest.approx(curve["budget"].iloc[-1])


def test_a_rise_beyond_the_scale_is_cut_and_said(world):
    base, survey, truth = world
    with pytest.warns(
        cx.errors.SpecWarning, match=r"\+30 for 'speed' is longer than its scale, 1 to 10; \+9 was taken"
    ):
        found = cx.value_of_satisfaction(
            drivers(survey), base, {"speed": 30}, reliability=truth.reliability, scale=(1, 10), n=2, seed=1, **COLUMNS
        )
    assert found.effects.loc["speed", "realised"] == pytest.approx(10 - survey["speed"].mean())
    assert any("+9 was taken" in w for w in found.warnings)


def test_the_same_seed_gives_the_same_numbers_for_any_workers(world):
    base, survey, truth = world
    base, survey = base.iloc[:1200], survey[survey["customer_id"] <= 1100]
    options = {"reliability": truth.reliability, "scale": (1, 10), "n": 16, "seed": 7, **COLUMNS}
    runs = [cx.value_of_satisfaction(drivers(survey), base, n_jobs=k, **options) for k in (1, 2)]
    pd.testing.assert_frame_equal(runs[0].point, runs[1].point)
    few = survey[survey["customer_id"] <= 300]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cx.CxWarning)  # few respondents
        bca = cx.value_of_satisfaction(drivers(few), base.iloc[:300], interval="bca", **{**options, "n": 12})
    assert np.isfinite(bca.point.to_numpy()).all()


def test_respondents_who_are_in_no_base_still_say_what_moves_satisfaction(world):
    base, survey, truth = world
    part = base[base["customer_id"] > 300]
    found = cx.value_of_satisfaction(
        drivers(survey), part, {"service": 1.0}, reliability=truth.reliability, scale=(1, 10), n=4, seed=1, **COLUMNS
    )
    rows = found.matched.set_index("what")["rows"]
    assert rows["of these in no base"] == (survey["customer_id"] <= 300).sum() > 0
    assert rows["of these in the base"] == found.n_obs
    blank = part.assign(margin=part["margin"].where(part["customer_id"] > 400))
    fewer = cx.value_of_satisfaction(
        drivers(survey), blank, reliability=truth.reliability, scale=(1, 10), n=2, seed=1, **COLUMNS
    )
    assert fewer.excluded["rows"].tolist() == [100]
    assert fewer.customers == len(part) - 100


# --- published values -----------------------------------------------------------------------------------------------------


def test_e_values_as_published():
    # VanderWeele and Ding (2017): breast feeding RR 3.9 (1.8, 8.7); R package EValue 4.1.3: RR 0.80 (0.71, 0.91)
    assert [round(e_value(r), 2) for r in (3.9, 1.8, 0.8, 0.91)] == [7.26, 3.0, 1.81, 1.43]
    assert risk_ratio(0.86, 0.3) == pytest.approx(np.sqrt(0.86))


def test_robustness_values_as_published():
    # Cinelli and Hazlett (2020), Darfur: t 4.18, 783 degrees of freedom: 13.9 % and 7.6 %, partial R2 2.2 %
    assert round(robustness_value(4.18445, 783), 3) == 0.139
    assert round(robustness_value(4.18445, 783, level=0.95), 3) == 0.076
    assert round(4.18445**2 / (4.18445**2 + 783), 3) == 0.022
    assert robustness_value(1.0, 783, level=0.95) == 0


def test_t_of_the_last_column_is_that_of_statsmodels():
    rng = np.random.default_rng(2)
    x = sm.add_constant(rng.normal(size=(80, 3)))
    y = x @ [1, 0.2, 0, 0.5] + rng.normal(size=80)
    fit = sm.OLS(y, x).fit()
    assert partial_t(y, x) == pytest.approx((fit.tvalues[-1], fit.df_resid))


# --- worlds with known truth ------------------------------------------------------------------------------------------------


def test_on_average_the_truth_and_biased_where_error_or_a_cause_is_ignored():
    ours, naive, loose = [], [], []
    for seed in range(16):
        base, survey, truth = simulate_worth(3000, seed + 50)
        ours.append(point_of(base, survey))
        naive.append(point_of(base, survey, reliability=1.0))
        loose.append(point_of(base, survey, controls=()))
    true = truth.value(1.0, 3000, **TERMS)
    mean = {k: np.mean([f["point"] for f in v]) for k, v in (("ours", ours), ("naive", naive))}
    error = np.std([f["point"] for f in ours], ddof=1) / np.sqrt(len(ours))
    assert mean["ours"] == pytest.approx(true, abs=3 * error)
    assert mean["naive"] < 0.7 * mean["ours"]  # the reliability is 0.58
    more = np.array([f["effect"] - g["effect"] for f, g in zip(loose, ours, strict=True)])
    assert more.mean() < -2 * more.std(ddof=1) / np.sqrt(len(more))  # the price drives both


def test_intervals_hold_the_truth():
    inside = 0
    for seed in range(12):
        base, survey, truth = simulate_worth(900, seed + 900, churn=0.25)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", cx.errors.DataWarning)  # in some of them chance hides the effect
            found = cx.value_of_satisfaction(
                drivers(survey), base, controls=["price"], reliability=truth.reliability, scale=(1, 10), spend="spend",
                n=40, seed=seed, **COLUMNS, **TERMS,
            )  # fmt: skip
        true, row = truth.value(1.0, 900, **TERMS), found.point.loc["value"]
        inside += row["ci_lower"] <= true <= row["ci_upper"]
    assert inside >= 9


def test_truth_of_the_subscription_business_is_what_customers_pay():
    tables, truth = cx.datasets.simulate_subscribers(12_000, 10, seed=6, campaign_share=0.0, returning=0.0)
    ends = pd.date_range("2023-05-31", periods=6, freq="ME")
    active = truth.monthly[truth.monthly["as_of_date"] == pd.Timestamp("2023-04-30")]["customer_id"]
    paid = tables["payments"]
    paid = paid[paid["customer_id"].isin(active) & paid["date"].isin(ends)]
    assert paid["amount"].sum() == pytest.approx(truth.value("2023-04-30", 6), rel=0.01)
    with pytest.raises(cx.CxError, match="fewer than the horizon of 9"):
        truth.value("2023-04-30", 9)
    with pytest.raises(cx.CxError, match="no snapshot"):
        truth.value("2023-04-29", 2)
