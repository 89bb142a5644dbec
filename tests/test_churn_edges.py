"""Tables, scores and lists of churn at their edges: dates, repeated names, odd identifiers, arms that all stayed."""

from __future__ import annotations

from datetime import date
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import Perceptron

import cxmodels as cx
from cxmodels.churn import logit, persuadables, qini, score_file, targets
from cxmodels.churn.encoding import Column, learn, text_of
from cxmodels.churn.scoring import hashed
from cxmodels.churn.totals import proposed
from cxmodels.churn.uplift_models import Reader
from cxmodels.churn.uplift_models import learn as learned
from cxmodels.churn.windows import reduce
from cxmodels.errors import CxError, DataError
from cxmodels.fieldwork.propensity import chance_to_answer


def people(n=300):
    rng = np.random.default_rng(6)
    start = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 700, n), "D")
    x = pd.DataFrame({"start": start, "calls": rng.poisson(3, n).astype(float), "plan": rng.choice(["a", "b"], n)})
    age = (start - pd.Timestamp("2024-01-01")).days
    y = (rng.random(n) < 1 / (1 + np.exp(1 + age / 300 - x["calls"] / 2))).astype(int)
    return x, y


@cache
def model():
    return cx.Churn(candidates=["linear"], folds=3, audit=False).fit(*people())


def test_a_column_of_dates_says_the_same_in_a_file_as_in_a_table(tmp_path):
    x, _ = people()
    assert model().predict_proba(x)[:, 1] == pytest.approx(
        cx.Churn(candidates=["linear"], folds=3, audit=False)
        .fit(x.assign(start=(x["start"] - pd.Timestamp(0)) / pd.Timedelta(1, "D")), people()[1])
        .predict_proba(x.assign(start=(x["start"] - pd.Timestamp(0)) / pd.Timedelta(1, "D")))[:, 1]
    )
    ids = [f"c{i}" for i in range(len(x))]
    x.assign(customer_id=pd.Categorical(ids)).to_parquet(tmp_path / "in.parquet")
    report = score_file(model(), tmp_path / "in.parquet", tmp_path / "out.parquet", flags=False, n_jobs=1, chunk=70)
    out = pd.read_parquet(tmp_path / "out.parquet")
    assert list(out.columns) == ["customer_id", "p_churn"]
    assert out["customer_id"].tolist() == ids
    assert out["p_churn"].to_numpy() == pytest.approx(model().predict_proba(x)[:, 1], abs=1e-12)
    assert report.rows == len(x)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"chunk": 0}, "chunk must be a whole number of 1 or more, not 0"), ({"target": "in.parquet"}, "is the file that is read; write to another")],
)  # fmt: skip
def test_a_file_is_not_scored_into_itself_or_by_nothing(tmp_path, options, said):
    people()[0].to_parquet(tmp_path / "in.parquet")
    target = tmp_path / options.pop("target", "out.parquet")
    with pytest.raises(CxError, match=said):
        score_file(model(), tmp_path / "in.parquet", target, **options)
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize(
    "ids",
    [
        pa.array([date(2024, 1, d) for d in (1, 2, 3)]),
        pa.array([1.5, 2.5, 3.5]),
        pa.array(["", "a", "b"]),
        pa.array([b"x", b"y", b"z"]),
    ],
)
def test_identifiers_of_any_kind_are_told_apart(ids):
    assert len(np.unique(hashed(ids))) == 3
    twice = pa.concat_arrays([ids, ids])
    assert (hashed(twice)[:3] == hashed(twice)[3:]).all()


def test_empty_texts_are_all_alike():
    assert hashed(pa.array(["", ""])).tolist() == [0, 0]


def test_encoding_names_blanks_truths_and_repeated_columns():
    frame = pd.DataFrame({"plan": ["a"] * 6 + ["b"] * 6})
    column = learn(frame, np.ones(12))[0]
    assert isinstance(column, Column)
    assert [column.label(k) for k in (0, 1, 2)] == ["blank", "a", "b"]
    assert [text_of(v) for v in (True, np.bool_(False), 3.0, 3.5, " x ")] == ["True", "False", "3", "3.5", "x"]
    with pytest.raises(DataError, match="Column 'plan' stands more than once in the table; keep one of each name"):
        learn(pd.concat([frame, frame], axis=1), np.ones(12))


def test_charge_per_minute_is_proposed_where_parts_match():
    """Two totals of as many parts: their ratio is proposed, beside each part's share."""
    rng = np.random.default_rng(1)
    table = {
        f"{part}_{unit}": rng.gamma(3, size, 40)
        for unit, size in (("minutes", 90), ("charge", 9))
        for part in ("day", "night")
    }
    totals, ratios = proposed(table)
    assert sorted(name for name, _, _ in totals) == ["sum of charge (2 columns)", "sum of minutes (2 columns)"]
    assert ("sum of minutes (2 columns) / sum of charge (2 columns)", "ratio",
            ("sum of minutes (2 columns)", "sum of charge (2 columns)")) in ratios  # fmt: skip
    few = {k: np.where(np.arange(40) < 2, v, np.nan) for k, v in table.items()}
    assert proposed(few) == ([], [])


def test_no_slices_have_no_sums():
    none = np.zeros(0, dtype=np.intp)
    assert reduce(np.add, np.arange(3.0), none, none, 0.0).shape == (0,)


# --- campaigns --------------------------------------------------------------------------------------------------------------


def test_where_everybody_stayed_the_chance_is_one_whatever_the_customer():
    frame = pd.DataFrame({"x": np.arange(40.0)})
    table = Reader.learn(frame).table(frame)
    assert learned(None, table, np.ones(40), np.ones(40), True, 0)(table).tolist() == [1.0] * 40


def test_one_lonely_leaver_is_held_out_without_a_regression():
    """In the fold that holds the only leaver the rest all stayed; what is foreseen stays a chance near the rate."""
    frame = pd.DataFrame({"x": np.arange(60.0)})
    table = Reader.learn(frame).table(frame)
    y = np.ones(60)
    y[31] = 0
    found = learned(None, table, y, np.ones(60), True, 0)(table)
    assert found.mean() == pytest.approx(59 / 60, abs=0.02)


@pytest.mark.parametrize(
    ("learner", "weights", "said"),
    [
        (Perceptron(), np.ones(40), "Perceptron gives no probabilities; choose a classifier with predict_proba"),
        ("knn", np.arange(1.0, 41), "KNeighborsClassifier takes no weights; choose another learner"),
    ],
)
def test_learners_that_cannot_do_it_are_refused(learner, weights, said):
    from sklearn.neighbors import KNeighborsClassifier

    frame = pd.DataFrame({"x": np.arange(40.0)})
    table = Reader.learn(frame).table(frame)
    own = KNeighborsClassifier() if learner == "knn" else learner
    with pytest.raises(CxError, match=said):
        learned(own, table, np.arange(40.0) % 2, weights, True, 0)


def test_results_of_campaigns_leave_nobody_out_and_show_their_tables():
    y, t, u = np.tile([1, 0, 1, 1, 0, 0], 5), np.tile([1, 0], 15), np.linspace(0, 1, 30)
    found = qini(y, t, u, n=4)
    assert not len(found.excluded)
    assert list(found.tables()) == ["Measures", "Curve"]
    assert found.tables()["Curve"].index[0] == 0
    two = persuadables(y, t, u, 1 - u, n=4)
    assert not len(two.excluded)
    assert list(two.tables()) == ["Rankings", "Segments"]
    kept = 100 * two.rankings["gain"]
    assert f"{kept['uplift']:.2f} customers kept per 100 of the base" in two.summary()


def test_reasons_go_with_their_customers():
    said = pd.DataFrame({"reason_1": ["late", None, "price"]})
    found = targets(["a", "b", "c"], [0.2, 0.9, 0.5], value=300, reasons=said, control_share=0)
    assert found.set_index("customer_id")["reason_1"].to_dict() == {"a": "late", "b": "", "c": "price"}
    assert (found["reason_2"] == "").all()


def test_a_logistic_regression_shows_its_tables():
    """One column of 0 and 1: the odds ratio is that of the four counts."""
    x, y = np.repeat([0.0, 1.0], 20), np.array([1] * 5 + [0] * 15 + [1] * 12 + [0] * 8)
    found = logit(pd.DataFrame({"x": x}), y)
    assert found.tables()["Odds ratios"].loc["x", "odds_ratio"] == pytest.approx((12 / 8) / (5 / 15), rel=1e-6)
    assert "Compared with" not in found.summary()


def test_the_chance_to_answer_without_columns_is_the_rate():
    design, answered = np.ones((20, 1)), np.repeat([1.0, 0.0], [5, 15])
    assert chance_to_answer(design, answered, np.ones(20))[0] == pytest.approx(np.full(20, 0.25))


def test_the_names_of_an_earlier_table_do_not_stay():
    x, y = people(120)
    own = cx.Churn(candidates=["linear"], folds=2, audit=False).fit(x[["calls"]], y)
    assert own.feature_names_in_.tolist() == ["calls"]
    own.fit(x[["calls"]].set_axis([0], axis=1), y)
    assert not hasattr(own, "feature_names_in_")
