"""Churn models as data: files scored in chunks, saved and damaged JSON, SQL in a database, and logistic inference."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.churn import logit, saved
from cxmodels.churn.estimator import Churn
from cxmodels.errors import CxError, DataError, NotIdentifiedError, SpecError

GOLD = json.loads((Path(__file__).parent / "reference" / "churn" / "logit_wa_churn.json").read_text())
KINDS = ("linear", "additive", "deep")


@pytest.fixture(scope="module")
def telco():
    data = cx.datasets.load("telco").iloc[::5].reset_index(drop=True)
    return data.drop(columns="churn"), data["churn"]


@pytest.fixture(scope="module")
def fitted(telco):
    return {k: Churn(candidates=[k], folds=2, drop_noise=False).fit(*telco) for k in KINDS}


def odd(X: pd.DataFrame) -> pd.DataFrame:
    """Customers with all that may go wrong."""
    X = X.astype({"tenure": float}).copy()
    X.loc[3, "tenure"] = np.nan
    X.loc[4, "contract"] = "Lifetime"
    X.loc[5, "contract"] = None
    X.loc[6, "total_charges"] = np.inf
    X.loc[7, "monthly_charges"] = 1e6
    return X.assign(customer_id=[f"c{i}" for i in range(len(X))])


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_scored_as_rows_are(fitted, telco, tmp_path, kind):
    pytest.importorskip("pyarrow")
    frame = odd(telco[0])
    frame.sample(frac=1, axis=1, random_state=0).to_parquet(tmp_path / "in.parquet")
    report = cx.churn.score_file(
        fitted[kind], tmp_path / "in.parquet", tmp_path / "out.parquet", chunk=301, intervals=True
    )
    found = pd.read_parquet(tmp_path / "out.parquet")
    rows = fitted[kind].score_frame(frame, "customer_id")
    assert found["customer_id"].tolist() == frame["customer_id"].tolist()
    for column in ("p_churn", "p_low", "p_high"):
        assert np.array_equal(found[column], rows[column])
    assert found["flags"].astype(str).tolist() == rows["flags"].tolist()
    assert rows["flags"][4] == "unseen: contract"
    counted = report.flags.set_index(["column", "flag"])["rows"]
    assert counted.loc["total_charges", "infinite"] == 1
    assert counted.loc["monthly_charges", "out of range"] == 1
    assert report.rows == len(frame)
    assert report.mean == pytest.approx(found["p_churn"].mean())


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_alone_scores_as_in_any_company(fitted, telco, kind):
    X = telco[0]
    whole = fitted[kind].predict_proba(X)[:, 1]
    mixed = np.random.default_rng(0).permutation(len(X))
    assert np.array_equal(fitted[kind].predict_proba(X.iloc[mixed])[:, 1], whole[mixed])
    alone = [fitted[kind].predict_proba(X.iloc[[i]])[0, 1] for i in range(12)]
    assert np.abs(alone - whole[:12]).max() < 1e-12


def test_numbers_as_text_in_a_file(fitted, telco, tmp_path):
    pytest.importorskip("pyarrow")
    X = telco[0].assign(customer_id=range(len(telco[0])))
    text = X.astype({"tenure": str, "total_charges": str})
    text.loc[0, "total_charges"] = " "
    text.loc[1, "tenure"] = "long"
    text.to_parquet(tmp_path / "in.parquet")
    cx.churn.score_file(fitted["additive"], tmp_path / "in.parquet", tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert np.array_equal(found["p_churn"], fitted["additive"].predict_proba(text)[:, 1])
    assert found["flags"].astype(str).tolist()[:3] == ["blank: total_charges", "not a number: tenure", ""]


BAD_FILES = {
    "missing column": (lambda X: X.drop(columns="tenure"), "Column 'tenure' is not in the data"),
    "no rows": (lambda X: X[:0], "has no rows"),
    "duplicate text": (
        lambda X: X.assign(customer_id=["same", *X["customer_id"][1:-1], "same"]),
        "1 identifiers stand",
    ),
    "duplicate numbers": (
        lambda X: X.assign(customer_id=[0, *range(len(X) - 1)]),
        "1 identifiers stand more than once",
    ),
    "blank id": (lambda X: X.assign(customer_id=[None, *X["customer_id"][1:]]), "1 rows have no identifier"),
    "other name": (
        lambda X: X.rename(columns={"customer_id": "customer"}),
        "'customer_id' with the identifiers is not",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_gives_one_sentence_and_no_output(fitted, telco, tmp_path, case):
    pytest.importorskip("pyarrow")
    change, message = BAD_FILES[case]
    change(odd(telco[0])).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(DataError, match=message):
        cx.churn.score_file(fitted["linear"], tmp_path / "in.parquet", tmp_path / "out.parquet", chunk=200)
    assert [p.name for p in tmp_path.iterdir()] == ["in.parquet"]


def test_what_is_no_parquet_file_is_said(fitted, tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "in.parquet").write_text("customer_id,tenure\n1,2\n")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        cx.churn.score_file(fitted["linear"], tmp_path / "in.parquet", tmp_path / "out.parquet")
    with pytest.raises(DataError, match="There is no file"):
        cx.churn.score_file(fitted["linear"], tmp_path / "none.parquet", tmp_path / "out.parquet")
    with pytest.raises(SpecError, match="is the file that is read"):
        cx.churn.score_file(fitted["linear"], tmp_path / "in.parquet", tmp_path / "in.parquet")


def test_damage_beyond_the_head_of_a_file_is_said(fitted, telco, tmp_path):
    telco[0].rename_axis("customer_id").reset_index().to_parquet(tmp_path / "in.parquet", compression="snappy")
    content = bytearray((tmp_path / "in.parquet").read_bytes())
    content[200:600] = b"\xff" * 400
    (tmp_path / "in.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"in\.parquet' is damaged: "):
        cx.churn.score_file(fitted["linear"], tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_a_model_that_cannot_be_saved_is_said(fitted, tmp_path):
    with pytest.raises(DataError, match=r"^The model could not be written to .*: Is a directory\.$"):
        fitted["linear"].save(tmp_path)


def test_scoring_a_file_without_arrow_names_the_extra(fitted, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for score, source in ((cx.churn.score_file, "a.parquet"), (cx.churn.score_files, ["a.parquet"])):
        with pytest.raises(SpecError, match=r'^This needs the package pyarrow: pip install "cxmodels\[store\]"\.$'):
            score(fitted["linear"], source, tmp_path / "out")


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_is_the_model(fitted, telco, tmp_path, kind):
    model, frame = fitted[kind], odd(telco[0])[:300]
    model.save(tmp_path / "model.json")
    again = cx.churn.load(tmp_path / "model.json")
    assert np.array_equal(again.decision_function(frame), model.decision_function(frame))
    assert again.intervals(frame).equals(model.intervals(frame))
    assert again.reasons(frame[:3]).equals(model.reasons(frame[:3]))
    assert again.predict(frame).tolist() == model.predict(frame).tolist()
    assert again.get_params()["folds"] == 2
    assert again.model_id_ == model.model_id_
    assert again.candidates_["model"].tolist() == [kind]
    again.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "model.json").read_bytes()


def test_totals_and_number_labels_are_saved(tmp_path):
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.gamma(4, 10, (1500, 3)), columns=["day_charge", "eve_charge", "night_charge"])
    y = (rng.uniform(size=1500) < np.where(X.sum(axis=1) > 135, 0.9, 0.05)).astype(int)
    model = Churn(candidates=["boosted"], folds=3).fit(X, y)
    assert "added" in set(model.columns_["decision"])
    model.save(tmp_path / "model.json")
    again = cx.churn.load(tmp_path / "model.json")
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.classes_.tolist() == [0, 1]


def test_damaged_and_hostile_files_are_refused(fitted, tmp_path):
    """Any byte changed, any value replaced even with a fitting checksum: an error of ours, or a model that still scores."""
    path = tmp_path / "model.json"
    Churn(candidates=["additive"], folds=2)
    fitted["additive"].save(path)
    raw = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        bad = bytearray(raw)
        bad[rng.integers(len(bad))] ^= int(rng.integers(1, 256))
        path.write_bytes(bad)
        with pytest.raises(DataError, match="no usable churn model"):
            cx.churn.load(path)
    for text in (
        b"",
        b"[]",
        b"[" * 100_000,
        raw[: len(raw) // 2],
        b'{"format": "cxmodels churn model", "version": 99}',
    ):
        path.write_bytes(text)
        with pytest.raises(DataError, match="no usable churn model"):
            cx.churn.load(path)


HOSTILE = (None, -1, 10**6, 1e308, "x", [], {}, True, float("1e-320"), [[]], "__import__('os')")


def test_files_with_a_forged_checksum_do_no_harm(fitted, telco, tmp_path):
    path = tmp_path / "model.json"
    rng = np.random.default_rng(1)
    frame = telco[0][:3]
    for kind in ("linear", "additive"):
        whole = saved.describe(fitted[kind])
        refused = 0
        for _ in range(30):
            body = json.loads(json.dumps(whole))
            replace_somewhere(body, rng)
            data = {"format": saved.FORMAT, "version": saved.VERSION, "checksum": saved.checksum(body), "model": body}
            path.write_text(json.dumps(data))
            try:
                model = cx.churn.load(path)
                model.predict_proba(frame)
            except CxError:
                refused += 1
        assert refused > 8


def replace_somewhere(node, rng):
    """Put something foreign at a random place."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = keys[rng.integers(len(keys))]
        if isinstance(node[key], dict | list) and len(node[key]) and rng.uniform() < 0.85:
            node = node[key]
            continue
        node[key] = HOSTILE[rng.integers(len(HOSTILE))]
        return


def turned(body):
    tree = next(t for t in body["trees"]["forests"][0]["trees"] if t[0][0] >= 0)
    tree[1][0] = 0


FORGED = {
    "a tree is no tree": turned,
    "more left than there were": lambda body: body["profiles"][0].__setitem__(0, [1e-320] * len(body["profiles"][0][0])),
    "do not add up": lambda body: body["trees"]["background"][0].__setitem__(1, [5.0] * len(body["trees"]["background"][0][1])),
    "another length": lambda body: body["profiles"][0][1].append(0.0),
    "something else where a number": lambda body: body.__setitem__("spread", 1e200),
}  # fmt: skip


@pytest.mark.parametrize("said", FORGED)
def test_what_no_fit_could_have_written_is_refused(fitted, tmp_path, said):
    body = saved.describe(fitted["additive"])
    FORGED[said](body)
    data = {"format": saved.FORMAT, "version": saved.VERSION, "checksum": saved.checksum(body), "model": body}
    (tmp_path / "m.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match=said):
        cx.churn.load(tmp_path / "m.json")


@pytest.mark.parametrize("kind", ["linear", "additive"])
def test_sql_gives_the_same_probabilities(fitted, telco, kind):
    duckdb = pytest.importorskip("duckdb")
    frame = odd(telco[0])
    con = duckdb.connect()
    con.register("customers", frame)
    found = con.sql(fitted[kind].to_sql("duckdb", "customers", ids="customer_id")).df().set_index("customer_id")
    assert list(found) == ["p_churn"]
    expected = fitted[kind].predict_proba(frame)[:, 1]
    assert np.abs(found.loc[frame["customer_id"], "p_churn"] - expected).max() < 1e-12


def test_sql_of_a_total_and_of_sqlite():
    import sqlite3

    duckdb = pytest.importorskip("duckdb")
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.gamma(4, 10, (1500, 3)), columns=["day_charge", "eve_charge", "night_charge"])
    y = (rng.uniform(size=1500) < np.where(X.sum(axis=1) > 135, 0.9, 0.05)).astype(int)
    model = Churn(candidates=["additive"], folds=3).fit(X, y)
    assert "added" in set(model.columns_["decision"])
    X.loc[3, "day_charge"] = np.nan
    expected = model.predict_proba(X)[:, 1]
    con = duckdb.connect()
    con.register("t", X.assign(id=range(len(X))))
    found = con.sql(model.to_sql("duckdb", "t", ids="id")).df().set_index("id")["p_churn"].sort_index()
    assert np.abs(found.to_numpy() - expected).max() < 1e-12
    lite = sqlite3.connect(":memory:")
    X.assign(id=range(len(X))).to_sql("t", lite, index=False)
    rows = dict(lite.execute(model.to_sql("sqlite", "t", ids="id")).fetchall())
    lite.close()
    assert np.abs(np.array([rows[i] for i in range(len(X))]) - expected).max() < 1e-12


def test_sql_refuses_interactions(fitted):
    with pytest.raises(SpecError, match="Only the linear and the additive model become SQL, not the deep one"):
        fitted["deep"].to_sql()


def telco_design():
    raw = cx.datasets.load("telco")
    X = raw[["partner", "dependents", "monthly_charges", "tenure"]].assign(
        senior=raw["senior_citizen"],
        paperless=raw["paperless_billing"],
        fiber=(raw["internet_service"] == "Fiber optic").astype(int),
        no_internet=(raw["internet_service"] == "No").astype(int),
        one_year=(raw["contract"] == "One year").astype(int),
        two_year=(raw["contract"] == "Two year").astype(int),
        e_check=(raw["payment_method"] == "Electronic check").astype(int),
        online_security=(raw["online_security"] == "Yes").astype(int),
        tech_support=(raw["tech_support"] == "Yes").astype(int),
    )
    return X, raw["churn"]


def test_logit_equals_statsmodels_printed_numbers():
    X, y = telco_design()
    found = logit(X, y)
    table = found.estimates.set_index("term").rename(index={"intercept": "const"})
    robust = logit(X, y, covariance="HC1").estimates.set_index("term").rename(index={"intercept": "const"})
    for name in GOLD["params"]:
        assert table.loc[name, "est"] == pytest.approx(GOLD["params"][name], abs=1e-9)
        assert table.loc[name, "se"] == pytest.approx(GOLD["se"][name], abs=1e-10)
        assert table.loc[name, "z"] == pytest.approx(GOLD["z"][name], abs=1e-7)
        assert table.loc[name, "pvalue"] == pytest.approx(GOLD["p"][name], rel=1e-6)
        assert robust.loc[name, "se"] == pytest.approx(GOLD["robust_hc1_se"][name], abs=1e-10)
    effects = found.marginal_effects.set_index("term")
    for name, gold in GOLD["ame"].items():
        assert effects.loc[name, "est"] == pytest.approx(gold["dydx"], abs=1e-10)
        assert effects.loc[name, "se"] == pytest.approx(gold["se"], abs=1e-10)
    fit = found.fit_measures
    assert fit["loglik"] == pytest.approx(GOLD["llf"], abs=1e-6)
    assert fit["mcfadden"] == pytest.approx(GOLD["mcfadden"], abs=1e-9)
    assert fit["bic"] == pytest.approx(GOLD["bic"], abs=1e-6)
    assert table.loc["tenure", "odds_ratio"] == pytest.approx(np.exp(GOLD["params"]["tenure"]))


def test_logit_reason_codes_of_the_first_row():
    """beta (x - mean) of the printed file sums with the mean logit to the row's logit."""
    X, y = telco_design()
    est = logit(X, y).estimates.set_index("term")["est"]
    gold = GOLD["linear_reason_codes_row0"]
    codes = est[X.columns] * (X.iloc[0] - X.mean())
    for name in X.columns:
        assert codes[name] == pytest.approx(gold[name], abs=1e-9)
    assert codes.sum() + gold["mean_logit"] == pytest.approx(gold["row_logit"], abs=1e-8)


def test_logit_takes_text_counts_blanks_and_weights():
    raw = cx.datasets.load("telco")[:2000]
    X = raw[["contract", "tenure"]].astype({"tenure": float}).copy()
    X.loc[5:8, "contract"] = None
    found = logit(X, raw["churn"])
    assert found.excluded.to_dict("records") == [{"reason": "blank in a column", "rows": 4}]
    assert found.n_obs == 1996
    assert found.references == {"contract": "Month-to-month"}
    assert "1996 used, 4 left out" in repr(found)
    twice = logit(pd.concat([X, X]), pd.concat([raw["churn"]] * 2))
    weighed = logit(X, raw["churn"], weights=np.full(2000, 2.0))
    assert np.allclose(twice.estimates["se"], weighed.estimates["se"], atol=1e-10)


def test_logit_says_what_cannot_be_estimated():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200)})
    with pytest.raises(NotIdentifiedError, match="separate the outcome"):
        logit(X, (X["a"] > 0).astype(int))
    with pytest.raises(NotIdentifiedError, match="follow from the others"):
        logit(X.assign(c=X["a"] + X["b"]), rng.integers(0, 2, 200))
    with pytest.raises(DataError, match="must hold two labels"):
        logit(X, np.ones(200))
