"""The audit finds what is planted and leaves honest columns alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cxmodels as cx
from cxmodels.churn import audit
from cxmodels.churn.leakage import Outcome, codes, evidence
from cxmodels.errors import DataError, SpecError


@pytest.fixture(scope="module")
def telco():
    frame = cx.datasets.load("telco")
    return frame.drop(columns="churn"), frame["churn"]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def issues(found, column):
    return dict(
        zip(found["issue"][found["column"] == column], found["action"][found["column"] == column], strict=True)
    )


def one(values, y=None, name="x", **options):
    """Issues of a single column."""
    return issues(audit(pd.DataFrame({name: values}), y, **options), name)


# --- honest columns ------------------------------------------------------------------------------------------------


def test_honest_strong_columns_are_left_alone(telco):
    assert audit(*telco).empty
    churn = cx.datasets.load("churn_mlc")
    found = audit(churn.drop(columns="churn"), churn["churn"])
    assert found[["column", "issue", "action"]].values.tolist() == [["state", "high_cardinality", "keep"]]
    shop = cx.datasets.load("simulated_subscribers")
    assert audit(shop.drop(columns=["churned", "horizon_days", "customer_id", "as_of_date"]), shop["churned"]).empty


def test_single_column_areas_are_those_of_the_telephone_data(telco):
    """A column with few levels has the same rank area as scikit-learn gives for its out-of-fold shares."""
    from sklearn.metrics import roc_auc_score

    X, y = telco
    left = (y == "Yes").to_numpy(dtype=float)
    outcome = Outcome.of(left)
    for column in ("contract", "payment_method", "senior_citizen"):
        code, _ = codes(X[column])
        shares = X.assign(left=left).groupby(column)["left"].transform("mean")
        assert outcome.auc(code) == pytest.approx(roc_auc_score(left, shares), abs=0.004)
    assert outcome.auc(codes(X["contract"])[0]) == pytest.approx(0.73, abs=0.01)
    assert outcome.auc(codes(X["tenure"])[0]) == pytest.approx(roc_auc_score(left, -X["tenure"]), abs=0.01)


@given(st.integers(0, 10_000))
@settings(max_examples=15)
def test_noise_with_many_levels_never_looks_good(seed):
    rng = np.random.default_rng(seed)
    left = (rng.random(600) < 0.15).astype(float)
    outcome = Outcome.of(left)
    for values in (
        rng.normal(size=600),
        rng.integers(0, 200, 600).astype(str),
        np.where(rng.random(600) < 0.5, np.nan, 1.0),
    ):
        assert 0.35 < outcome.auc(codes(pd.Series(values))[0]) < 0.65


def test_a_strong_honest_score_is_not_leakage(rng):
    """A single column with AUC .90 may exist; one whose name tells of an end may not pass .85."""
    y = (rng.random(5000) < 0.2).astype(int)
    x = rng.normal(size=5000) + 1.81 * y
    assert one(x, y) == {}
    assert one(x, y, name="churn_score") == {"leakage": "drop"}
    assert one(x, y, leakage_auc=0.85) == {"leakage": "drop"}


def test_few_churners_prove_nothing(rng):
    y = np.r_[np.ones(15), np.zeros(500)]
    assert one(y + rng.normal(0, 0.01, 515), y) == {}


def test_levels_in_which_nobody_leaves_are_honest(rng):
    """Customers bound by contract cannot leave: half the rows, none of the churners."""
    bound = rng.random(6000) < 0.5
    y = np.where(bound, 0, rng.random(6000) < 0.1).astype(int)
    assert one(np.where(bound, "bound", "free"), y) == {}


# --- planted leaks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5, 0.8])
@pytest.mark.parametrize("labels", [(0, 1), ("No", "Yes"), (False, True)])
def test_planted_leaks_are_found(rate, labels):
    rng = np.random.default_rng(3)
    left = rng.random(6000) < rate
    y = np.where(left, labels[1], labels[0])
    ended = pd.Timestamp("2024-03-31") + pd.to_timedelta(rng.integers(1, 90, 6000), "D")
    X = pd.DataFrame(
        {
            "copy": np.where(rng.random(6000) < 0.02, ~left, left).astype(int),
            "reason": np.where(left, rng.choice(["price", "moved", "rival"], 6000), None),
            "some_reason": np.where(left & (rng.random(6000) < 0.5), "told us", None),
            "filled_for_stayers": np.where(left, np.nan, rng.normal(size=6000)),
            "final_bill": np.where(left, rng.gamma(2, 30, 6000), 0.0),
            "ended": pd.Series(ended).where(left),
            "ended_text": pd.Series(ended.astype(str)).where(left),
            "tenure": rng.integers(0, 72, 6000),
        }
    )
    found = audit(X, y)
    assert set(found["column"][found["issue"] == "leakage"]) == set(X.columns) - {"tenure"}
    assert (found["action"][found["issue"] == "leakage"] == "drop").all()
    assert issues(found, "ended") == {"date": "drop", "leakage": "drop"}


def test_the_evidence_says_how_good_and_why(telco):
    X, y = telco
    reason = y.map({"Yes": "price"})
    left = (y == "Yes").to_numpy()
    half = pd.Series(np.where(left & (np.arange(len(y)) % 2 == 0), "told", None))
    found = audit(X.assign(reason=reason, half=half), y).set_index("column")["evidence"]
    assert "alone it ranks who left with AUC 1.000 (cross-validated; 0.95 is too good)" in found["reason"]
    assert "whether it is blank ranks who left with AUC 1.000 (cross-validated; 0.8 is too good)" in found["reason"]
    told = half.notna().sum()
    assert (
        found["half"] == f"of {told} rows that are 'told' 99% or more left, {told / left.sum():.0%} of all who left"
    )


def test_blank_labels_are_passed_over_and_dates_compared(rng):
    n = 400
    y = pd.Series(rng.integers(0, 2, n)).astype(float)
    X = pd.DataFrame({"copy": y.where(rng.random(n) < 0.99, 1 - y), "seen": pd.Timestamp("2024-01-01")})
    X.loc[:9, "seen"] = pd.Timestamp("2024-04-01")
    y[rng.random(n) < 0.3] = np.nan
    found = audit(X, y, dates=["2024-03-31"] * n)
    assert issues(found, "copy") == {"leakage": "drop"}
    assert issues(found, "seen") == {"date": "drop", "leakage": "drop"}
    assert "10 of 400 dates are later than their snapshot" in found["evidence"].to_list()
    assert (
        evidence("x", pd.Series(rng.normal(size=n)), Outcome.of(rng.integers(0, 2, n).astype(float)), _limits()) == ""
    )


def _limits():
    from cxmodels.churn.leakage import Limits

    return Limits(0.95, 0.8, 0.85)


def test_leakage_is_judged_on_a_sample_of_large_tables(rng):
    y = (rng.random(30_000) < 0.1).astype(int)
    X = pd.DataFrame({"copy": y, "noise": rng.normal(size=30_000)})
    assert set(audit(X, y, sample=2_000)["column"]) == {"copy"}


# --- shape ---------------------------------------------------------------------------------------------------------


def test_identifiers(rng):
    n = 1000
    code = [f"{a}-{b}" for a, b in zip(rng.integers(1000, 9999, n), rng.permutation(n), strict=True)]
    assert one(code) == {"identifier": "drop"}
    for values in (np.arange(n), np.arange(n)[::-1], rng.permutation(n) + 10**6, np.arange(n).astype(float)):
        assert one(values) == {"identifier": "drop"}
    random = rng.choice(10**9, n, replace=False)
    assert one(random) == {}
    assert one(random, name="amount_paid") == {}
    assert one(random, name="phone_number") == {"identifier": "drop"}
    assert one(random, name="accountId") == {"identifier": "drop"}
    assert one(np.repeat(code, 6), name="customer_id") == {"identifier": "drop"}
    assert one(np.repeat(random, 6), name="customer_id") == {"identifier": "drop"}
    assert one(np.repeat(random, 6), ids=np.repeat(code, 6)) == {"identifier": "drop"}
    for honest in (rng.integers(0, 72, n), rng.gamma(2, 30, n), rng.integers(0, 3000, n), rng.choice(["a", "b"], n)):
        assert one(honest) == {}
        assert one(honest, ids=code) == {}
    assert one(rng.integers(0, 5, n), name="plan_id") == {}
    assert one(np.arange(8)) == {}  # a handful of rows says nothing


def test_constants(rng):
    n = 2000
    assert one(np.ones(n)) == {"constant": "drop"}
    assert one(np.full(n, np.nan)) == {"constant": "drop"}
    assert one(["EUR"] * n) == {"constant": "drop"}
    assert one([None] * n) == {"constant": "drop"}
    assert one([" "] * n) == {"constant": "drop"}
    assert one(pd.Series(["a"] * n, dtype="category")) == {"constant": "drop"}
    assert one(np.r_[np.ones(5), np.zeros(n - 5)]) == {"near_constant": "drop"}
    assert one(np.r_[np.ones(20), np.zeros(n - 20)]) == {"near_constant": "keep"}
    assert one(["a"] * 5 + ["b"] * (n - 5)) == {"near_constant": "drop"}
    assert one(np.r_[rng.normal(size=15), np.full(n - 15, np.nan)]) == {"near_constant": "drop"}
    assert one(np.r_[np.ones(60), np.zeros(n - 60)]) == {}
    assert one(np.r_[np.ones(60), np.zeros(n - 60)], near_constant=0.95) == {"near_constant": "keep"}


def test_duplicates_also_in_other_units_and_by_other_names(telco, rng):
    X, y = telco
    n = len(X)
    unlike = X["contract"].map({"Month-to-month": "m", "One year": "y", "Two year": "y"})
    copies = {
        "same": X["monthly_charges"],
        "cents": X["monthly_charges"] * 100,
        "fahrenheit": X["tenure"] * 1.8 + 32,
        "contract_code": X["contract"].map({"Month-to-month": 7, "One year": 1, "Two year": 30}),
        "woman": X["female"].map({1: "F", 0: "M"}),
        "senior": 2 - X["senior_citizen"],
        "gaps": X["total_charges"],
    }
    others = {
        "shuffled": rng.permutation(X["monthly_charges"]),
        "nearly": X["monthly_charges"] + rng.normal(0, 1e-3, n),
        "coarser": unlike,
        "one_off": X["tenure"].mask(np.arange(n) == n // 2, 7_000),
        "square": X["monthly_charges"] ** 2,
    }
    found = audit(X.assign(**copies, **others), y)
    assert found["column"].to_list() == list(copies)
    assert set(found["issue"]) == {"duplicate"}
    assert found["evidence"].to_list() == [
        "equal to 'monthly_charges'",
        "in other units the same as 'monthly_charges'",
        "in other units the same as 'tenure'",
        "by other names the same as 'contract'",
        "by other names the same as 'female'",
        "by other numbers the same as 'senior_citizen'",
        "equal to 'total_charges'",
    ]


def test_rounded_charges_of_minutes_are_no_duplicates():
    """Charges are minutes times a tariff, rounded: they stay, since their sum says what no single one does."""
    churn = cx.datasets.load("churn_mlc")
    assert "duplicate" not in set(audit(churn)["issue"])


def test_numbers_as_text_and_mixed_types(telco):
    X, y = telco
    text = X["total_charges"].map(lambda v: " " if v != v else str(v))
    found = audit(X.drop(columns="total_charges").assign(TotalCharges=text), y)
    assert found[["column", "issue", "action"]].values.tolist() == [["TotalCharges", "mixed_types", "keep"]]
    assert found["evidence"][0] == "7032 of 7043 values are numbers written as text, 11 are blank text"
    n = 300
    assert one([1 if k % 3 else "many" for k in range(n)]) == {"mixed_types": "keep"}
    assert one(["1", "2", "3+"] * 100) == {"mixed_types": "keep"}
    assert one(["a", "b", "3"] * 100) == {}
    assert one([[1, 2]] * n) == {"mixed_types": "drop"}
    assert one(pd.Series([True, False] * 150, dtype=object)) == {}


def test_infinite_values_dates_text_and_many_levels(rng):
    n = 1000
    assert one(np.where(rng.random(n) < 0.01, np.inf, rng.normal(size=n))) == {"infinite": "keep"}
    when = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D")
    for values in (when, when.tz_localize("UTC"), when.strftime("%Y-%m-%d"), when.strftime("%d/%m/%Y"), when.date):
        assert one(values) == {"date": "drop"}
    words = ["the", "price", "is", "far", "too", "high", "and", "nobody", "answered", "my", "letter"]
    assert one([" ".join(rng.choice(words, 12)) for _ in range(n)]) == {"text": "drop"}
    assert one(rng.choice([f"town {k}" for k in range(100)], n)) == {"high_cardinality": "keep"}
    assert one(rng.choice([f"street {k}" for k in range(400)], n)) == {"high_cardinality": "drop"}
    assert one(rng.choice([f"town {k}" for k in range(40)], n)) == {}


def test_any_frame_and_any_column_name(rng):
    polars = pytest.importorskip("polars")
    y = (rng.random(500) < 0.3).astype(int)
    X = pd.DataFrame({"copy": y, "noise": rng.normal(size=500), "kind": rng.choice(["a", "b"], 500)})
    wanted = audit(X, y)
    assert wanted.columns.to_list() == ["column", "issue", "evidence", "advice", "action"]
    pd.testing.assert_frame_equal(audit(polars.from_pandas(X), y), wanted)
    pd.testing.assert_frame_equal(audit(X.convert_dtypes(), pd.array(y, dtype="Int64")), wanted)
    pd.testing.assert_frame_equal(audit(X.astype({"kind": "category"}), y.tolist()), wanted)
    pd.testing.assert_frame_equal(audit(X.set_index(X.index[::-1] + 7), pd.Series(y, index=range(900, 1400))), wanted)
    assert audit(X.rename(columns={"copy": 0}), y)["column"].to_list() == [0]
    assert audit(X.iloc[:0]).empty


def test_bad_arguments(telco):
    X, y = telco
    for call, message in [
        (lambda: audit(X, y[:5]), "There are 5 labels for 7043 rows"),
        (lambda: audit(X, ["Yes"] * len(X)), "Labels must be of two kinds, left and stayed; these are of 1: 'Yes'"),
        (lambda: audit(X, np.arange(len(X)) % 3), "these are of 3: '0', '1', '2'"),
        (lambda: audit(X, y, ids=[1]), "There are 1 ids for 7043 rows"),
        (lambda: audit(X, y, dates=["2024-01-01"]), "There are 1 dates for 7043 rows"),
        (lambda: audit(X, y, dates=[7] * len(X)), "Column 'dates' of table 'arguments' holds int64"),
        (lambda: audit(pd.concat([X, X], axis=1), y), "has the column .* more than once"),
        (lambda: audit(X.to_numpy(), y), "An array has no column names"),
        (lambda: audit(X, y, leakage_auc=2), "`leakage_auc` must be a number above 0 and up to 1, not 2"),
        (lambda: audit(X, y, max_levels=0), "max_levels must be a whole number of 1 or more, not 0"),
    ]:
        with pytest.raises((DataError, SpecError), match=message):
            call()
