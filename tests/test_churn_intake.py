"""Tables as people bring them: words of truth, dates with nanoseconds, columns that are not there or there twice."""

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.churn import score_file, subscription_labels, targets, transaction_labels
from cxmodels.errors import CxError


def customers(n=400):
    rng = np.random.default_rng(4)
    table = pd.DataFrame(
        {"paperless": rng.random(n) < 0.5, "spend": rng.gamma(2, 30, n), "country": rng.choice(["DE", "FR"], n)}
    )
    left = rng.random(n) < np.where(table["paperless"], 0.2, 0.5)
    return table, np.where(left, "Yes", "No")


@pytest.fixture(scope="module")
def model():
    return cx.Churn(candidates=["linear"], drop_noise=False).fit(*customers())


def test_words_of_truth_score_as_truth(model, tmp_path):
    table, _ = customers()
    p = model.predict_proba(table)
    for words in (["False", "True"], ["FALSE", "TRUE"], [" false", "true "], ["0", "1"]):
        said = table.assign(paperless=np.array(words)[table["paperless"].astype(int)])
        assert not len(model.flags(said))
        assert np.abs(model.predict_proba(said) - p).max() < 1e-12
    said.assign(paperless=table["paperless"].astype(str), id=np.arange(len(table))).to_parquet(tmp_path / "t.parquet")
    score_file(model, tmp_path / "t.parquet", tmp_path / "s.parquet", ids="id")
    assert np.abs(pd.read_parquet(tmp_path / "s.parquet")["p_churn"].to_numpy() - p[:, 1]).max() < 1e-12
    assert (model.flags(table.assign(paperless="yes"))["flag"] == "not a number").all()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda m, X, y: m.predict_proba(pd.concat([X, X[["spend"]]], axis=1)), "'spend' stands more than once"),
        (lambda m, X, y: m.score_frame(X, "custmer"), "no column 'custmer'"),
        (lambda m, X, y: m.targets(X, "id", value=9), "no column 'id'"),
        (lambda m, X, y: m.targets(X, value="spent"), "no column 'spent'. Did you mean 'spend'"),
        (lambda m, X, y: m.targets(X, value=9, as_of_date="soon"), "as_of_date must be a day"),
        (lambda m, X, y: targets(["a"], [0.5], value=9, horizon_days=-3), "horizon_days must be"),
        (lambda m, X, y: m.fit(X, "churn"), "not 'churn'"),
        (lambda m, X, y: m.fit(X, X["spend"]), "400 different numbers; give two labels"),
        (lambda m, X, y: m.fit("x.csv", y), "read a file first"),
        (lambda m, X, y: m.fit(X, y, [-1.0] * 400), "weights cannot be used: Negative"),
        (lambda m, X, y: m.monitor(X, y == "Yes"), "but the model knows 'No', 'Yes'"),
        (lambda m, X, y: m.fit(None, y), "X must be a table"),
    ],
)
def test_one_sentence(model, ask, message):
    from sklearn.base import clone

    with pytest.raises(CxError, match=message):
        ask(clone(model) if ".fit" in message else model, *customers())


def test_a_model_is_saved_in_a_new_folder(model, tmp_path):
    model.save(tmp_path / "new" / "m.json")
    again = cx.churn.load(tmp_path / "new" / "m.json")
    assert again.model_id_ == model.model_id_
    table, _ = customers()
    table.assign(id=range(len(table))).to_parquet(tmp_path / "t.parquet")
    score_file(tmp_path / "new" / "m.json", tmp_path / "t.parquet", tmp_path / "s.parquet", ids="id")
    p = model.predict_proba(table)[:, 1]
    assert np.abs(pd.read_parquet(tmp_path / "s.parquet")["p_churn"].to_numpy() - p).max() < 1e-12


def test_an_array_of_other_columns_is_refused():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, 3))
    model = cx.Churn(candidates=["linear"]).fit(x, x[:, 0] + rng.normal(size=200) > 0.5)
    with pytest.raises(CxError, match="2 features"):
        model.predict_proba(x[:, :2])


def test_dates_as_pandas_writes_them():
    log = pd.DataFrame(
        {"customer_id": ["a", "a", "b"], "date": ["2024-01-05 10:00:00.123456789", "2024-03-02", "2024-01-09"]}
    )
    found = transaction_labels(log, "2024-01-31", 30)
    assert found.frame.set_index("customer_id")["churned"].to_dict() == {"a": 1.0, "b": 1.0}
    found = subscription_labels(
        pd.DataFrame({"customer_id": ["a"], "start": ["2024-01-01 00:00:00.000000001"], "end": ["2024-02-02"]}),
        "2024-01-31",
        horizon=2,
    )
    assert found.frame["churned"].tolist() == [1.0]
