"""Models of retention, value, uplift and linkage at the edges: rare shapes of data, and input that a hurried user gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.churn import purchase_kernel as kernel
from cxmodels.errors import CxError

BG = (0.243, 4.414, 0.793, 2.426)
X = np.array([0, 2, 50, 300, 1000, 5000.0])
TX = np.array([0, 30.43, 30, 38, 38.5, 38.8])
T = np.array([38.9, 38.86, 38.9, 38.9, 38.9, 38.9])


def purchases() -> pd.DataFrame:
    """Every tenth customer of CDNOW."""
    return cx.datasets.load("cdnow_summary").iloc[::10]


def test_frequent_buyers_are_foreseen_as_by_sixty_digits():
    # mpmath 1.3 with 60 digits on the printed formulas: Fader, Hardie and Lee (2005), eq. 10; Fader and Hardie (2005).
    found = kernel.bgnbd_expected(BG, 39.0, X, np.append(TX[:5], 38.9), T)
    exact = [0.194935616787, 1.22602817477, 0.0215777370613, 84.6529061714, 72.4037690631, 3433.34869435]
    np.testing.assert_allclose(found, exact, rtol=1e-10)
    alive, ahead, loglik = (
        [0.293539942722, 0.868410917132, 0.00337892822161, 0.668178064747, 0.331635157627, 0.252740423486],
        [0.105668146138, 1.45037137479, 0.111792925059, 131.438665221, 217.176862638, 827.192668277],
        [-0.517155770639, -9.56198126084, -44.8962763818, 240.04844349, 2006.33180899, 18078.6204737],
    )
    p = (0.55, 10.58, 0.61, 11.67)
    np.testing.assert_allclose(kernel.pareto_alive(p, X, TX, T), alive, rtol=1e-10)
    np.testing.assert_allclose(kernel.pareto_expected(p, 39.0, X, TX, T), ahead, rtol=1e-10)
    np.testing.assert_allclose(kernel.pareto_rows(p, X, TX, T)[0], loglik, rtol=1e-10)
    p = (0.55, 10.58, 0.61, 3.2)  # alpha above beta takes the other form
    np.testing.assert_allclose(kernel.pareto_alive(p, X, TX, T)[[0, 5]], [0.123569152409, 0.219610288531], rtol=1e-10)


def test_who_bought_thousands_of_times_long_ago_has_left():
    alive = kernel.bgnbd_alive(BG, np.array([5000.0]), np.array([10.0]), np.array([400.0]))
    assert alive[0] < 1e-300
    assert kernel.bgnbd_expected(BG, 39.0, np.array([5000.0]), np.array([10.0]), np.array([400.0]))[0] < 1e-290


def test_a_few_frequent_buyers_do_not_break_the_fit():
    often = pd.DataFrame({"frequency": [300, 1000, 5000], "recency": [38, 38.5, 38.8], "T": 38.9})
    found = cx.churn.BGNBD().fit(pd.concat([cx.datasets.load("cdnow_summary").iloc[::3], often]))
    assert found.converged
    data = pd.concat([cx.datasets.load("cdnow_summary").iloc[::3], often])
    x, tx, t = data[["frequency", "recency", "T"]].to_numpy(float).T
    best = kernel.bgnbd_rows(tuple(found.params), x, tx, t)[0].sum()
    assert found.loglik == pytest.approx(best, rel=1e-9)
    for j in range(4):  # a maximum: every step away costs
        for step in (0.97, 1.03):
            aside = tuple(p * (step if i == j else 1) for i, p in enumerate(found.params))
            assert kernel.bgnbd_rows(aside, x, tx, t)[0].sum() < best


def test_slopes_of_the_pareto_nbd_are_those_of_its_likelihood():
    p = np.array([0.3, 5.0, 20.0, 700.0])
    value, slopes = kernel.pareto_rows(tuple(p), X[:5], TX[:5], T[:5])
    assert np.isfinite(value).all()
    for j in range(4):
        up, down = (np.where(np.arange(4) == j, p * (1 + h), p) for h in (1e-5, -1e-5))
        ends = [kernel.pareto_rows(tuple(q), X[:5], TX[:5], T[:5])[0] for q in (up, down)]
        np.testing.assert_allclose(slopes[j], (ends[0] - ends[1]) / (2e-5 * p[j]), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("ahead", [-1, np.nan, np.inf, "a month", [1, 2]])
def test_times_ahead_that_are_none(ahead):
    data = purchases()
    found = cx.churn.BGNBD().fit(data)
    for call in (found.expected_purchases, found.expected_total):
        with pytest.raises(CxError, match=r"^t (must be|has 2 times for 236 customers)"):
            call(ahead, data)
    if ahead != [1, 2]:
        with pytest.raises(CxError, match=r"^t must be"):
            found.expected_new(ahead)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"discount": "1%"}, "discount must be a rate"),
        ({"discount": None}, "discount must be a rate"),
        ({"periods": np.nan}, "periods must be a whole number"),
        ({"periods": "12"}, "periods must be a whole number"),
        ({"period": "week"}, "period must be a length"),
        ({"weights": [1.0, 2.0]}, "one number for each of 236 rows"),
    ],
)
def test_options_of_customer_value(bad, said):
    data = purchases()
    with pytest.raises(CxError, match=said):
        cx.churn.customer_value(cx.churn.BGNBD().fit(data), data, **({"periods": 12} | bad))


def test_levels_starts_and_weights_of_the_models_of_value():
    data = purchases()
    for model in (cx.churn.BGNBD, cx.churn.ParetoNBD, cx.churn.GammaGamma, cx.churn.ShiftedBetaGeometric):
        with pytest.raises(CxError, match="level must lie between 0 and 1, not 95"):
            model(level=95)
    for start in ("x", [1, 2], [np.nan, 1, 1, 1], [np.inf, 1, 1, 1]):
        with pytest.raises(CxError, match="start must be 4 numbers above zero"):
            cx.churn.BGNBD().fit(data, start=start)
    with pytest.raises(CxError, match="236 of 236 rows are negative"):
        cx.churn.BGNBD().fit(data, weights=-np.ones(len(data)))
    contract = cx.churn.ShiftedBetaGeometric().fit([1000, 869, 743, 653])
    for call in (contract.survival, contract.retention, contract.curve):
        with pytest.raises(CxError, match="eriods"):
            call("x")
    for discount in ("10 %", 0, np.nan, True):
        with pytest.raises(CxError, match="discount must be a rate above zero"):
            contract.expected_lifetime(discount)


def test_a_spend_of_zero_with_purchases_is_not_valued():
    data = purchases()
    spent, bought = cx.churn.GammaGamma().fit(data), cx.churn.BGNBD().fit(data)
    wrong = data.assign(monetary_value=0.0)
    count = int((data["frequency"] > 0).sum())
    with pytest.raises(CxError, match=f"zero or less for {count} customers with purchases"):
        cx.churn.customer_value(bought, wrong, periods=3, spend=spent)
    with pytest.raises(CxError, match=f"zero or less for {count} customers with purchases"):
        spent.expected_spend(wrong["frequency"], wrong["monetary_value"])


# --- retention ----------------------------------------------------------------------------------------------------------


def spells(n: int = 300) -> pd.DataFrame:
    """Customers with tied months, some watched from later on, in an order of rows of their own."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=n)
    time, end = np.ceil(rng.weibull(1.2, n) * np.exp(-0.5 * x) * 12), np.ceil(rng.uniform(1, 30, n))
    months = np.minimum(time, end)
    entry = np.where(rng.random(n) < 0.3, np.floor(rng.uniform(0, 0.8, n) * months), 0.0)
    data = {
        "months": months,
        "left": (time <= end).astype(int),
        "entry": entry,
        "x": x,
        "g": rng.choice(list("abc"), n),
    }
    return pd.DataFrame(data, index=rng.permutation(n) + 1000)


def test_events_as_true_false_and_none():
    data = spells()
    some = data["x"] > -1
    told = data["left"].astype(bool).astype(object).where(some, None)
    found = cx.churn.KaplanMeier().fit(data.assign(left=told), "left", duration="months")
    plain = cx.churn.KaplanMeier().fit(data[some], "left", duration="months")
    pd.testing.assert_frame_equal(found.curve, plain.curve)
    assert found.excluded.to_numpy().tolist() == [["blank event", int((~some).sum())]]


def test_the_label_taken_for_leaving_is_shown():
    data = spells().assign(state=lambda d: np.where(d["left"] == 1, "churned", "retained"))
    assert "left (event 'retained')" in cx.churn.KaplanMeier().fit(data, "state", duration="months").summary()
    fit = cx.churn.CoxHazards().fit(data, "state", duration="months", columns=["x"])
    assert "left (event 'retained')" in fit.summary()


def test_messages_name_the_columns_of_durations():
    data = spells()
    model = cx.churn.KaplanMeier()
    with pytest.raises(CxError, match="Entry 'entry' is after duration 'months' or at it for 300 of 300"):
        model.fit(data.assign(entry=data["months"] + 1), "left", duration="months", entry="entry")
    with pytest.raises(CxError, match=r"Event 'left' must be 1 .* in 300 of 300 rows"):
        model.fit(data.assign(left=2), "left", duration="months")
    with pytest.raises(CxError, match="rho must be numbers, not 'peto'"):
        model.fit(data, "left", duration="months", group="g").test("peto")
    with pytest.raises(CxError, match="Column 'z' is blank for every customer"):
        cx.churn.CoxHazards().fit(data.assign(z=np.nan), "left", duration="months", columns=["z"])


def test_a_stratum_that_loses_all_rows_is_no_stratum():
    data = spells()
    gone = data.assign(x=data["x"].mask(data["g"] == "c"))
    found = cx.churn.CoxHazards().fit(gone, "left", duration="months", columns=["x"], strata="g")
    plain = cx.churn.CoxHazards().fit(data[data["g"] != "c"], "left", duration="months", columns=["x"], strata="g")
    pd.testing.assert_frame_equal(found.baseline, plain.baseline)
    assert found.levels == ("a", "b")
    with pytest.raises(CxError, match="Stratum 'c' was not in the data"):
        found.survival(data, [3])


def test_customers_who_left_at_once_have_no_logarithm_of_time():
    data = spells().assign(months=lambda d: np.where(d["x"] > 1.5, 0, d["months"]))
    found = cx.churn.CoxHazards().fit(data, "left", duration="months", columns=["x"])
    count = int(((data["months"] == 0) & (data["left"] == 1)).sum())
    with pytest.raises(CxError, match=f"{count} customers left at time 0"):
        found.proportionality("log")


def test_nobody_to_foresee():
    data = spells()
    cox = cx.churn.CoxHazards().fit(data, "left", duration="months", columns=["x"])
    assert cox.remaining(data.iloc[:0], 6).empty
    assert cox.ahead(data.iloc[:0], [3, 6], interval=True).empty


def test_the_curve_for_comparison_knows_who_was_watched_from_later_on():
    data = spells()
    cox = cx.churn.CoxHazards().fit(data, "left", duration="months", columns=["x"], entry="entry")
    times = [3.0, 6.0, 12.0]
    null = cx.churn.KaplanMeier().fit(data, "left", duration="months", entry="entry").at(times)["survival"]
    train = (data["months"], data["left"])
    flat = np.tile(null, (len(data), 1))
    own = cx.churn.survival_brier(data["months"], data["left"], flat, times, censoring=train).attrs["integrated"]
    assert cox.evaluate(data, "left", duration="months", times=times)["ibs_null"] == pytest.approx(own, rel=1e-12)


def test_judging_chances_that_cannot_be():
    data = spells()
    args, half = (data["months"], data["left"]), np.full((300, 2), 0.5)
    for judge in (cx.churn.survival_brier, cx.churn.survival_calibration):
        for wrong, times, said in (
            (half, [12, 3], "must rise without repeats"),
            (half, ["a", "b"], "must be numbers"),
            (3 * half, [3, 12], "blank or no share for 300 of 300 customers"),
            ([["a"]], [3], "not a number"),
        ):
            with pytest.raises(CxError, match=said):
                judge(*args, wrong, times)
    assert len(cx.churn.survival_brier(*args, half[:, :1], 5)) == 1
    with pytest.raises(CxError, match="censoring must be"):
        cx.churn.concordance(*args, data["x"], kind="uno", censoring=data["months"])


def test_periods_after_leaving_and_scores_after_the_outcome():
    rows = pd.DataFrame(
        {"customer_id": list("aaabb"), "period": [1, 2, 3, 1, 2], "event": [0, 1, 0, 0, 0], "x": range(5)}
    )
    with pytest.raises(CxError, match="1 rows are of periods after their customer left"):
        cx.churn.DiscreteHazard(baseline="constant").fit(rows, columns=["x"])
    table = pd.DataFrame({"customer_id": ["a", "b"], "start": "2024-01-01", "end": ["2024-03-20", None]})
    late = pd.DataFrame({"customer_id": ["a", "b"], "date": "2024-09-01", "score": [1, 2]})
    with pytest.raises(CxError, match="None of the 2 rows of table 'scores' is dated before a period"):
        cx.churn.person_periods(table, late, observed_until="2024-06-30")
    for read in (cx.churn.person_periods, cx.churn.retention_triangle):
        with pytest.raises(CxError, match="All 2 subscriptions start after 1990-01-01"):
            read(table, observed_until="1990-01-01")


# --- uplift and linkage -------------------------------------------------------------------------------------------------


def test_balance_of_columns_that_do_not_vary_or_tell_the_arms():
    rng = np.random.default_rng(2)
    t = (rng.random(1200) < 0.5).astype(int)
    table = pd.DataFrame({"x": rng.normal(size=1200), "same": 1.0, "told": t + 0.1})
    found = cx.churn.balance(table, t).table.set_index("column")["difference"]
    assert found["same"] == 0
    assert found["told"] == np.inf
    assert cx.churn.balance(table["x"].to_numpy(), t).random
    with pytest.raises(CxError, match="one label per customer, not a table"):
        cx.churn.balance(table, table[["told", "same"]])
    with pytest.raises(CxError, match="There are no customers"):
        cx.churn.balance(table.iloc[:0], [])


def test_uplift_of_nobody():
    campaign, _ = cx.datasets.simulate_campaign(600)
    X = campaign[["tenure", "tickets"]]
    model = cx.churn.Uplift("t").fit(X, campaign["treatment"], campaign["retained"])
    assert model.predict(X.iloc[:0]).shape == (0,)
    assert model.outcomes(X.iloc[:0]).columns.tolist() == ["control", "treated", "uplift"]


def test_shifts_of_a_linkage():
    for shifts in ("a", 5, ("a",), (np.nan,)):
        with pytest.raises(CxError, match=r"^shifts must be"):
            cx.linkage.Linkage("left", ["a", "b"], shifts=shifts)


def panel() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    true = rng.normal(70, 4, (40, 1)) + rng.normal(0, 2, (40, 6))
    rows = [
        (c, t, true[c, t] + rng.normal(), 1.0, 0.5 * true[c, t - 1] + rng.normal())
        for c in range(40)
        for t in range(6)
    ]
    return pd.DataFrame(rows, columns=["company", "wave", "index", "se", "sales"])


def test_waves_of_growth_in_their_order():
    data = panel()
    plain = cx.linkage.growth(data, "sales").effects
    written = data.assign(wave=(5 * data["wave"]).astype(str))  # "10" after "5"
    names = pd.Categorical(data["wave"].map(dict(enumerate("fbdace"))), list("fbdace"), ordered=True)
    for table in (written, data.assign(wave=names), data.sample(frac=1, random_state=1)):
        pd.testing.assert_frame_equal(cx.linkage.growth(table, "sales").effects, plain)
    with pytest.raises(CxError, match="waves of several types"):
        cx.linkage.growth(data.assign(wave=data["wave"].astype(object).where(data["wave"] > 0, "first")), "sales")


@pytest.mark.parametrize("name", ["unit", "step", "outcome", "index_now", "se_before"])
def test_controls_of_growth_may_have_any_name(name):
    data = panel().assign(z=np.random.default_rng(3).normal(size=240))
    plain = cx.linkage.growth(data, "sales", controls=["z"]).estimates
    found = cx.linkage.growth(data.rename(columns={"z": name}), "sales", controls=[name]).estimates
    np.testing.assert_allclose(found, plain)
    for wrong in (["sales"], ["z", "z"]):
        with pytest.raises(CxError, match="has another part already"):
            cx.linkage.growth(data, "sales", controls=wrong)
    with pytest.raises(CxError, match="of 240 rows, 240 no index 1 wave before"):
        cx.linkage.growth(data.assign(se=np.nan), "sales")


def test_a_column_that_tells_the_arms_apart_is_drawn_at_the_end_of_the_axis():
    from cxmodels.report.uplift_charts import balance_chart

    table = pd.DataFrame({"column": ["told", "x"], "difference": [np.inf, 0.2]})
    svg = balance_chart(table)
    assert svg.count("<circle") == 2
    assert "+∞" in svg
    assert "nan" not in svg
    assert "<circle" in balance_chart(table.head(1))


def test_rows_of_one_customer_are_judged_as_one_customer():
    """A customer cut into rows at months 4 and 8 is the same customer, and was not lost from sight at the cuts."""
    data = spells()
    data = data[data["entry"] == 0].assign(id=lambda d: d.index)
    parts = []
    for begin, end in ((0, 4), (4, 8), (8, np.inf)):
        part = data[data["months"] > begin]
        left = (part["months"] <= end) * part["left"]
        parts.append(part.assign(entry=float(begin), months=part["months"].clip(upper=end), left=left))
    for model in (cx.churn.CoxHazards(), cx.churn.WeibullAFT()):
        whole = model.fit(data, "left", duration="months", columns=["x"])
        cut = model.fit(pd.concat(parts), "left", duration="months", columns=["x"], entry="entry", clusters="id")
        judged = [f.evaluate(data, "left", duration="months", times=[3.0, 6, 12]) for f in (whole, cut)]
        pd.testing.assert_series_equal(*judged)


def test_two_spells_of_a_customer_are_two_relations():
    rng = np.random.default_rng(4)
    rows = [
        (c, s, p, int(s == 1 and p == 5), rng.normal())
        for c in range(60)
        for s, n in ((1, 5), (2, 3))
        for p in range(1, n + 1)
    ]
    table = pd.DataFrame(rows, columns=["customer_id", "spell", "period", "event", "x"])
    found = cx.churn.DiscreteHazard(baseline="constant").fit(
        table.assign(event=table["event"] * (table["x"] > 0)), columns=["x"]
    )
    assert np.bincount(found.spells.time.astype(int)).tolist() == [0, 0, 0, 60, 0, 60]
