"""What durations, purchases, contracts, scores and models of churn refuse: one sentence with the column, the count and the way out."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Perceptron

import cxmodels as cx
from cxmodels.churn import (
    BGNBD,
    AalenJohansen,
    CoxHazards,
    DiscreteHazard,
    KaplanMeier,
    ShiftedBetaGeometric,
    WeibullAFT,
    backtest,
    by_group,
    calibration_curve,
    calibration_error,
    compare_scores,
    concordance,
    customer_value,
    deciles,
    logit,
    person_periods,
    persuadables,
    profit_curve,
    psi,
    qini,
    read_delivery,
    survival_brier,
    targets,
    uplift_profit,
)
from cxmodels.errors import CxError, NotIdentifiedError
from tests.churn_histories import TIMES

SUBS = pd.DataFrame(
    {
        "customer_id": ["a", "b"],
        "start": ["2024-01-01", "2024-02-10"],
        "end": ["2024-03-20", None],
        "plan": ["x", "y"],
    }
)
SAID = pd.DataFrame({"customer_id": ["a", "a"], "date": ["2024-01-15", "2024-02-15"], "score": [8, 4]})
UNTIL = {"observed_until": "2024-04-30"}


def said_once(call, text, error=CxError):
    with pytest.raises(error, match=text) as caught:
        call()
    assert "\n" not in str(caught.value)


@cache
def curve():
    return KaplanMeier().fit(TIMES)


@cache
def by_area():
    return KaplanMeier().fit(TIMES, group="area")


@cache
def cox():
    return CoxHazards().fit(TIMES, columns=["x"])


@cache
def bought():
    return BGNBD().fit(cx.datasets.load("cdnow_summary").head(400))


@cache
def contract():
    return ShiftedBetaGeometric().fit([100, 70, 60])


def periods(subs=SUBS, said=None, **options):
    return lambda: person_periods(subs, said, **{**UNTIL, **options})


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: KaplanMeier().fit([1, 2], np.ones((2, 2))), "event must be one value per customer, not ndarray"),
        (lambda: KaplanMeier().fit([np.nan, 2], [1, np.nan]), r"No customer of 2 is left \(.*duration.*event"),
        (lambda: KaplanMeier().fit([1, 2], [1, 0], group=[None, None]), "The group is blank for all customers"),
        (lambda: curve().at(["soon"]), r"times must be numbers, not \['soon'\]"),
        (lambda: curve().at([-1]), r"times must be one or more numbers of zero or more, not \[-1\]"),
        (lambda: curve().at([]), "one or more numbers"),
        (lambda: curve().quantiles(1.5), "shares must lie between 0 and 1, not 1.5"),
        (lambda: curve().ahead([1], so_far=10), "Nobody was watched for longer than 10; the longest duration is 10"),
        (lambda: by_area().ahead([1]), "a curve for each of 'a', 'b'; say which group"),
        (lambda: by_area().ahead([1], group="c"), "There is no group 'c'"),
        (lambda: AalenJohansen().fit(np.arange(1, 61), [f"cause {k}" for k in range(60)]), "60 different causes"),
        (lambda: concordance([1, 2], [1, 0], ["a", "b"]), "The risk holds something that is not a number"),
        (lambda: concordance([1, 2, 3], [0, 0, 1], [1, 2, 3]), "No pair of customers can be compared"),
        (lambda: survival_brier([1, 2, 3], [1, 0, 1], [[0.5], [0.5]], [2]), "must have 3 rows and 1 columns, not"),
        (lambda: CoxHazards().fit(TIMES.assign(x=TIMES.x.where(TIMES.event == 0)), columns=["x"]), "Nobody of the 4 customers without blanks left"),
        (lambda: WeibullAFT().fit(TIMES.assign(x=TIMES.x.where(TIMES.event == 0)), columns=["x"]), "Nobody of the 4 customers without blanks left"),
        (lambda: DiscreteHazard().fit(TIMES.assign(x=TIMES.x.where(TIMES.event == 0)), period="duration", columns=["x"]), "Nobody left in the 4 rows without blanks"),
        (lambda: CoxHazards().fit(TIMES.assign(z=TIMES.x.where(TIMES.area == "a"), x=TIMES.x.where(TIMES.area == "b")), columns=["x", "z"]), r"No row is left \(blank in a column: 10\)"),
        (lambda: CoxHazards().fit(TIMES.assign(k=[f"w{i}" for i in range(10)]), columns="k"), "'k' has no level with five rows or more"),
        (lambda: CoxHazards().fit(TIMES.assign(k="same"), columns=["k"]), "'k' has the same value for every customer"),
        (lambda: CoxHazards().fit(TIMES.assign(x=[1.0, None] * 5, w=np.arange(10.0) // 1), columns=["x"]), "'x' has the same value"),
        (lambda: cox().ahead(TIMES, [2], so_far=-TIMES.duration), "so_far is blank or negative for 10 of 10 customers"),
        (lambda: cox().remaining(TIMES, 0), "until must be above 0, not 0"),
        (lambda: cox().evaluate(TIMES.assign(duration=4)), "All 10 customers have the same duration"),
        (lambda: CoxHazards().fit(TIMES, columns=["x"], strata=TIMES.area.to_numpy()).survival(TIMES, [2]), "strata were given as an array; give the name of a column"),
        (lambda: cox().evaluate(TIMES.assign(x=np.nan), times=[2.0]), "No customer has a value at all times up to 2"),
        (lambda: cox().calibration(TIMES.assign(x=np.nan), horizons=[3.0]), "No customer has a value at all horizons up to 3"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*get no value.*")
def test_durations(call, text):
    said_once(call, text)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (periods(every=200), "No period is complete by 2024-04-30; take shorter periods or a later observed_until"),
        (periods(said=SAID[["customer_id", "date"]]), "'scores' has no column beside the customer and the date"),
        (periods(said=SAID.assign(date=[None, "2024-02-15"])), "'date' of table 'scores' is blank in 1 of 2 rows"),
        (periods(said=SAID.assign(date="2025-01-01")), "None of the 2 rows of table 'scores' is dated before a period"),
        (periods(said=SAID.rename(columns={"score": "plan"})), "Table 'scores' has the column 'plan', which is there already; rename it"),
        (periods(customers=pd.DataFrame({"customer_id": ["a", "b", "b"]})), "'customers' has 1 rows for customers who are there already"),
        (periods(customers=pd.DataFrame({"customer_id": ["a"], "age": [3]})), "2 periods are of customers who are not in table 'customers', such as 'b'"),
        (periods(customers=pd.DataFrame({"customer_id": ["a", "b"], "plan": [3, 4]})), "Table 'customers' has the column 'plan'"),
    ],
)  # fmt: skip
def test_periods(call, text):
    said_once(call, text)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: contract().retention([0, 1]), "Retention is known from period 1 on"),
        (lambda: contract().survival([-1, np.nan, 2]), "2 of 3 periods are blank or below zero"),
        (lambda: contract().curve(0), "periods must be 1 or more, not 0"),
        (lambda: contract().judge([[10, 8], [9, 7]]), "Judge one cohort at a time"),
        (lambda: contract().residual_lifetime(-1), "renewals must be a whole number of 0 or more, not -1"),
        (lambda: contract().residual_lifetime(True), "not True"),
        (lambda: ShiftedBetaGeometric().fit([["many", 3]]), "The numbers alive hold something that is not a number"),
        (lambda: ShiftedBetaGeometric().fit([[10, np.nan, 8]]), "Cohort 1 has a gap or no period"),
        (lambda: ShiftedBetaGeometric().fit(durations=[1, 2]), "durations need churned: 1 for customers who left"),
        (lambda: ShiftedBetaGeometric().fit(durations=[1, 2], churned=[1]), "2 durations and 1 entries of churned"),
        (lambda: BGNBD().fit([1, 2], [0, 6], [40, 40]), "1 customers have repeat purchases but a recency of 0"),
        (lambda: BGNBD().fit([1, np.nan], [5, 6], [40, 40]), "frequency is missing or infinite for 1 of 2 customers"),
        (lambda: BGNBD().fit([[1, 2]], [5, 6], [40, 40]), "frequency must have one dimension, not 2"),
        (lambda: BGNBD().fit([], [], []), "There are no customers"),
        (lambda: BGNBD().fit(pd.DataFrame({"frequency": [1], "recency": [2], "T": [9]}), weights="w"), "There is no column 'w' of weights"),
        (lambda: BGNBD().fit(pd.DataFrame({"frequency": [1], "recency": [2], "T": [9]}), recency=[2]), "recency must name a column of the frame, not be list"),
        (lambda: bought().expected_purchases([1, 2], [1], [2], [9]), "t has 2 times for 1 customers; give one for all, or one each"),
        (lambda: bought().expected_purchases(-1, [1], [2], [9]), "t must be finite times of zero or more"),
        (lambda: customer_value(contract(), TIMES, so_far=0, discount=0.1, spend=3), "spend goes with a model of purchases"),
        (lambda: customer_value(cox(), TIMES, periods=3, so_far=0, margin=[np.nan] * 10), "The margin is blank for 10 of 10 customers"),
        (lambda: customer_value(cox(), TIMES, periods=3), "how long each customer stayed so far: so_far='tenure'"),
        (lambda: customer_value(cox(), TIMES.assign(x=np.nan), periods=3, so_far=0), "No customer gets a value"),
        (lambda: customer_value(contract(), TIMES, so_far=[0.5] * 10, discount=0.1), "no whole number of renewals for 10 of 10 customers"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*get no value.*")
def test_contracts_purchases_and_values(call, text):
    said_once(call, text)


Y, P = np.array([1, 0, 1, 0, 0, 1]), np.array([0.9, 0.2, 0.6, 0.4, 0.1, 0.3])
T = np.array([1, 0, 1, 0, 1, 0])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: calibration_curve(Y, P, bins=0), "bins must be a whole number of 1 or more, not 0"),
        (lambda: calibration_error(Y, P, bins=2.5), "bins must be a whole number of 1 or more, not 2.5"),
        (lambda: deciles(Y, P, bins=7), "bins must be a whole number from 1 to the 6 customers, not 7"),
        (lambda: profit_curve(Y, P, points=0, clv=10), "points must be a whole number of 1 or more, not 0"),
        (lambda: compare_scores(Y, {"one": P}), "at least two scores, not 1"),
        (lambda: by_group(Y, P, list("ab")), "There are 2 group labels for 6 customers"),
        (lambda: by_group(Y, P, list("aaaabc")), "The groups 'b', 'c' hold a single customer; merge them"),
        (lambda: psi([0.5, 0.5], [1.0], bins="shares"), "There are 2 shares then and 1 now; they must be of the same bins"),
        (lambda: psi([0.5, 0.5], [0.5, 0.5], bins="tenths"), "bins must be a whole number or \"shares\", not 'tenths'"),
        (lambda: logit(pd.DataFrame({"x": P}), [1, 0]), "y has 2 labels for 6 rows; give one each"),
        (lambda: logit(pd.DataFrame({"x": P}), Y, weights=[-1] * 6), "weights must be 6 numbers that are not negative"),
        (lambda: qini(Y[:3], [1, 0, 0], P[:3]), "Each arm needs at least two customers"),
        (lambda: qini(Y, T, [[0.1]]), "uplift must be one number per customer, not of shape"),
        (lambda: persuadables(Y, T, P, P, least=-0.1), "least must be an uplift of 0 or more, not -0.1"),
        (lambda: uplift_profit(Y, T, P, value=1, propensity="half"), "propensity must be one chance for all or one for each of 6 customers"),
        (lambda: cx.datasets.simulate_campaign(100, effect=np.inf), "`effect` must be a finite number, not inf"),
        (lambda: targets(list("abcdef"), P, value=5, reasons=pd.DataFrame({"reason_1": ["x"]})), "reasons for 1 of 6 customers"),
        (lambda: targets(list("abcdef"), P, value=5, flags=["x"]), "flags has 1 entries for 6 customers"),
    ],
)  # fmt: skip
def test_measures_and_lists(call, text):
    said_once(call, text)


def small(n=120):
    rng = np.random.default_rng(4)
    x = pd.DataFrame({"tenure": rng.uniform(0, 60, n), "calls": rng.poisson(2, n).astype(float)})
    return x, (rng.random(n) < 1 / (1 + np.exp(x.tenure / 20 - x.calls / 2))).astype(int)


@cache
def model():
    return cx.Churn(candidates=["linear"]).fit(*small())


def churn(x=None, y=None, weight=None, **options):
    own = small()
    spec = cx.Churn(**{"candidates": ["linear"], **options})
    return spec.fit(own[0] if x is None else x, own[1] if y is None else y, sample_weight=weight)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: churn(level=95), "level must lie between 0 and 1, not 95"),
        (lambda: churn(candidates=[]), "No candidate is given; name some of 'linear'"),
        (lambda: churn(candidates=[Perceptron()]), "a name or a classifier with predict_proba, not Perceptron"),
        (lambda: churn(weight=np.zeros(120)), "at least one non-zero"),
        (lambda: cx.Churn().fit(small()[0], None), "requires y to be passed"),
        (lambda: model().score_frame(small()[0], ["a"]), "There are 1 identifiers for 120 rows; give one each"),
        (lambda: backtest(cx.Churn(), *small(), splits=[]), "The splits hold no window"),
        (lambda: backtest(model(), *small(), splits=[(np.arange(100), np.flatnonzero(small()[1] == 0)[-5:])]), "Window 1 of the backtest cannot be judged: "),
    ],
)  # fmt: skip
def test_models(call, text):
    said_once(call, text)


def test_terms_that_do_not_vary_where_nothing_is_blank():
    """Each column differs only where the other one is blank."""
    frame = TIMES.assign(x=[1.0] * 6 + [2.0, 2.0, None, None], z=[3.0] * 6 + [None, None, 4.0, 4.0])
    with pytest.raises(NotIdentifiedError, match="The terms 'x', 'z' do not vary among the rows used; choose other"):
        CoxHazards().fit(frame, columns=["x", "z"])


def test_deliveries(tmp_path):
    (tmp_path / "list.txt").write_text("a")
    said_once(lambda: read_delivery(tmp_path / "list.txt"), "Cannot tell what 'list.txt' is; known are")
