"""The churn classifier: scikit-learn's contract, choices, calibration, intervals, reasons, and bad input."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import cxmodels as cx
from cxmodels.churn import boosted, encoding, linear, selection, tables, totals
from cxmodels.churn.estimator import Churn
from cxmodels.churn.reasons import contributions
from cxmodels.errors import CxError, DataError, DataWarning, SpecError

# Of two-class estimators scikit-learn 1.6 makes the first row's class the one of two, and then shuffles the rows.
SHUFFLED = ("check_sample_weight_equivalence_on_dense_data",) if sklearn.__version__.startswith("1.6.") else ()


@parametrize_with_checks(
    [Churn(n_jobs=1)], expected_failed_checks=lambda _: dict.fromkeys(SHUFFLED, "classes change")
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def business(n: int, seed: int):
    """Customers with text, numbers and blanks, and their true probability of leaving."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "tenure": rng.integers(0, 60, n).astype(float),
            "price": np.round(rng.gamma(9, 5, n), 1),
            "plan": rng.choice(["basic", "plus", "pro"], n, p=[0.5, 0.3, 0.2]),
            "tickets": rng.poisson(1, n),
        }
    )
    plan = X["plan"].map({"basic": 0.0, "plus": 0.5, "pro": -0.7}).to_numpy()
    eta = -1.2 - 0.04 * (X["tenure"] - 25) + 0.03 * (X["price"] - 45) + plan + 0.3 * X["tickets"]
    p = 1 / (1 + np.exp(-eta.to_numpy()))
    return X, (rng.uniform(size=n) < p).astype(int), p


@pytest.fixture(scope="module")
def telco():
    data = cx.datasets.load("telco")
    rows = np.arange(len(data)) % 4 == 0
    return data.drop(columns="churn"), data["churn"], rows


@pytest.fixture(scope="module")
def fitted(telco):
    X, y, rows = telco
    return {k: Churn(candidates=[k], folds=2, drop_noise=False).fit(X[rows], y[rows]) for k in selection.CANDIDATES}


@pytest.mark.parametrize("kind", selection.CANDIDATES)
def test_every_candidate_ranks_and_is_calibrated(fitted, telco, kind):
    X, y, rows = telco
    found = fitted[kind].evaluate(X[~rows], y[~rows])
    assert found["auc"] > 0.83
    assert found["log_loss"] < 0.44
    assert 0.8 < found["calibration_slope"] < 1.2
    assert fitted[kind].chosen_ == kind


def test_the_chosen_candidate_is_the_simplest_within_a_standard_error(telco):
    X, y, rows = telco
    model = Churn(candidates=["boosted", "linear", LogisticRegression()], folds=2).fit(X[rows], y[rows])
    table = model.candidates_
    assert table["model"].tolist() == ["linear", "boosted", "LogisticRegression"]
    first = table[table["difference"] <= table["difference_se"] + 1e-12].iloc[0]
    assert model.chosen_ == first["model"] == table.loc[table["chosen"], "model"].item()
    assert (table["ci_lower"] <= table["difference"]).all()
    assert table["difference"].min() == 0


def test_interactions_are_found_where_they_are():
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.normal(size=(2000, 3)), columns=["a", "b", "c"])
    p = 1 / (1 + np.exp(-2 * np.sign(X["a"] * X["b"])))
    y = (rng.uniform(size=2000) < p).astype(int)
    model = Churn(["linear", "additive", "pairwise"], folds=2).fit(X, y)
    assert model.chosen_ == "pairwise"
    assert model.candidates_.set_index("model").loc["additive", "ci_lower"] > 0.05
    truth = -np.mean(np.log(np.where(y == 1, p, 1 - p)))
    assert model.candidates_["log_loss"].min() < truth + 0.06


def test_a_total_of_one_unit_is_found_and_kept():
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.gamma(4, 10, (2500, 4)), columns=[f"{p}_charge" for p in ("day", "eve", "night", "intl")])
    X["age"] = rng.integers(18, 80, 2500)
    bill = X.filter(like="charge").sum(axis=1)
    y = (rng.uniform(size=2500) < np.where(bill > 190, 0.85, 0.06)).astype(int)
    with_it = Churn(candidates=["boosted"], folds=3).fit(X, y)
    without = Churn(candidates=["boosted"], folds=3, totals=False).fit(X, y)
    decided = with_it.columns_.set_index("column")["decision"]
    assert decided["sum of charge (4 columns)"] == "added"
    assert with_it.candidates_["log_loss"].item() < without.candidates_["log_loss"].item() - 0.02
    assert with_it.predict_proba(X.drop(columns="age").assign(age=1)).shape == (2500, 2)


def test_totals_share_a_unit_and_a_scale():
    rng = np.random.default_rng(0)
    x = {f"total_{p}_{u}": rng.gamma(2, 1, 50) for p in ("day", "eve") for u in ("minutes", "calls")}
    x |= {"bill_amt1": rng.gamma(2, 1, 50), "bill_amt2": rng.gamma(2, 1, 50), "bill_amt3": rng.gamma(2, 1e6, 50)}
    groups = set(totals.same_unit(x).values())
    assert groups == {
        ("total_day_minutes", "total_eve_minutes"),
        ("total_day_calls", "total_eve_calls"),
        ("bill_amt1", "bill_amt2"),
    }


def test_columns_of_noise_are_left_out():
    X, y, _ = business(2500, 5)
    rng = np.random.default_rng(0)
    for k in range(6):
        X[f"noise{'abcdef'[k]}"] = rng.normal(size=len(X))
    model = Churn(candidates=["boosted"], folds=3).fit(X, y)
    out = model.dropped_.set_index("column")["reason"]
    assert len(out) >= 2
    assert all(name.startswith("noise") for name in out.index)
    assert set(out) == {"noise"}


def test_trees_are_those_of_scikit_learn(telco):
    from sklearn.ensemble import HistGradientBoostingClassifier

    X, y, rows = telco
    frame = X[rows].copy()
    frame.loc[frame.index[:50], "contract"] = None
    frame.loc[frame.index[20:90], "tenure"] = np.nan
    columns = encoding.learn(frame, np.ones(len(frame)))
    codes = [c.codes(v) for c, v in zip(columns, encoding.read(frame, columns).values, strict=True)]
    left = (y[rows] == "Yes").to_numpy().astype(int)
    shape = selection.SHAPES["deep"]
    forest, _ = boosted.grow(columns, codes, left, np.ones(len(left)), shape, 0, trees=20)
    order = sorted(range(len(columns)), key=lambda j: columns[j].kind != "category")
    raw = boosted._matrix([codes[j] for j in order])
    peer = HistGradientBoostingClassifier(
        learning_rate=shape.rate,
        max_leaf_nodes=shape.leaves,
        min_samples_leaf=shape.least_rows,
        max_features=shape.columns,
        categorical_features=list(range(sum(c.kind == "category" for c in columns))),
        early_stopping=False,
        random_state=0,
        max_iter=20,
    ).fit(raw, left)
    assert np.abs(forest.logits(codes) - peer.decision_function(raw)).max() < 1e-12
    compiled = tables.compile_forest(forest, [c.size for c in columns])
    assert np.abs(compiled.logits(codes) - forest.logits(codes)).max() < 1e-12


def test_elastic_net_meets_its_first_order_conditions():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(400), rng.normal(size=(400, 8))])
    y = (rng.uniform(size=400) < 1 / (1 + np.exp(-X[:, 1] + 0.5 * X[:, 2]))).astype(float)
    w = rng.integers(1, 4, 400).astype(float)
    for share, strength in ((0.0, 0.01), (0.5, 0.05), (1.0, 0.03)):
        b = linear.fit(X, y, w, share, strength, linear.null_model(X, y, w))
        slope = X.T @ (w / w.sum() * (1 / (1 + np.exp(-X @ b)) - y)) + strength * (1 - share) * b * (np.arange(9) > 0)
        inside = b[1:] != 0
        assert np.abs(slope[0]) < 1e-9
        assert np.abs(slope[1:] + strength * share * np.sign(b[1:]))[inside].max() < 1e-8
        assert (np.abs(slope[1:][~inside]) <= strength * share + 1e-8).all()
    ridge = linear.fit(X, y, np.ones(400), 0.0, 1 / 400, linear.null_model(X, y, np.ones(400)))
    peer = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(X[:, 1:], y)
    assert np.allclose(ridge, [peer.intercept_[0], *peer.coef_[0]], atol=1e-5)


def test_same_data_same_model_in_any_order_of_rows():
    X, y, _ = business(900, 2)
    kinds = ["linear", "pairwise"]
    first = Churn(kinds, folds=3).fit(X, y).predict_proba(X)
    assert np.array_equal(first, Churn(kinds, folds=3, n_jobs=1).fit(X, y).predict_proba(X))
    mixed = np.random.default_rng(0).permutation(len(X))
    again = Churn(kinds, folds=3).fit(X.iloc[mixed], y[mixed]).predict_proba(X)
    assert np.abs(first - again).max() < 0.02
    assert roc_auc_score(y, first[:, 1]) - roc_auc_score(y, again[:, 1]) < 0.002


def test_intervals_hold_the_true_probability():
    """Nominal 95 %; a jackknife over five folds is somewhat wider than it must be."""
    new, _, p = business(400, 999)
    inside = []
    for seed in range(4):
        X, y, _ = business(1500, seed)
        found = Churn(candidates=["linear"], drop_noise=False).fit(X, y).intervals(new)
        inside.append(((found["p_low"] <= p) & (p <= found["p_high"])).mean())
    assert 0.90 < np.mean(inside) < 0.995


def test_probabilities_are_true_and_a_weight_is_a_number_of_rows():
    X, y, _ = business(4000, 7)
    model = Churn(candidates=["linear", "additive"], folds=3).fit(X, y)
    new, out, truth = business(6000, 8)
    score = model.predict_proba(new)[:, 1]
    assert log_loss(out, score) < log_loss(out, truth) + 0.008
    for group in np.array_split(np.argsort(score), 10):
        assert abs(score[group].mean() - truth[group].mean()) < 0.02
    half = X.iloc[:300], y[:300]
    twice = Churn(candidates=["linear"]).fit(pd.concat([half[0], half[0]]), np.tile(half[1], 2))
    weighed = Churn(candidates=["linear"]).fit(*half, sample_weight=np.full(300, 2.0))
    assert np.abs(twice.predict_proba(new) - weighed.predict_proba(new)).max() < 1e-8


@pytest.mark.parametrize("kind", selection.CANDIDATES)
def test_contributions_sum_to_the_score(fitted, telco, kind):
    X, _, rows = telco
    found = fitted[kind].contributions(X[:400])
    assert np.allclose(found.sum(axis=1), fitted[kind].decision_function(X[:400]), atol=1e-10)
    over_training = fitted[kind].contributions(X[rows]).drop(columns="mean").mean()
    assert np.abs(over_training).max() < 1e-10


def test_shapley_values_by_their_definition(fitted, telco):
    """Interventional values of a model of pairs by brute force over its training rows: alone, and half of what each pair adds."""
    X, _, rows = telco
    scorer = fitted["pairwise"]._scorer
    codes = scorer.codes(scorer.read(X[rows]))
    own = [c[:1] for c in scorer.codes(scorer.read(X[:1]))]

    def value(known):
        held = [np.repeat(own[j], len(codes[j])) if j in known else codes[j] for j in range(len(codes))]
        return scorer.model.tables.logits(held).mean()

    found, _ = contributions(scorer, scorer.read(X[:1]))
    every = sorted({j for b in scorer.model.tables.blocks for j in b.columns})
    assert max(len(b.columns) for b in scorer.model.tables.blocks) == 2
    for i in every[:4]:
        lone = value({i}) - value(set())
        both = [value({i, j}) - value({j}) - lone for j in every if j != i]
        assert found[0, i] == pytest.approx(scorer.sigmoid.slope * (lone + sum(both) / 2), abs=1e-9)


def test_linear_reasons_follow_the_reference_rule():
    """beta (x - mean): against a plain logistic regression whose penalty is next to nothing."""
    X, y, _ = business(3000, 4)
    model = Churn(candidates=["linear"], drop_noise=False).fit(X, y)
    scorer = model._scorer
    effect = scorer.model.effects[0]
    x = X["tenure"].to_numpy()
    expected = effect.of(x) - effect.of(x).mean()
    found = model.contributions(X)["tenure"].to_numpy()
    assert np.allclose(found, scorer.sigmoid.slope * expected, atol=1e-12)


def test_reasons_speak_plainly(fitted, telco):
    X, _, _ = telco
    found = fitted["additive"].reasons(X[:1], top=2)
    assert list(found) == [f"{k}_{i}" for i in (1, 2) for k in ("reason", "column", "value", "points", "log_odds")]
    assert found["column_1"].item() == "tenure"
    assert found["reason_1"].item().startswith("Tenure is 1: raises the risk by ")
    assert found["reason_2"].item().endswith("leave, against 3 % of those with Two year")


def test_a_plugged_in_classifier_scores_and_explains(telco):
    X, y, rows = telco
    model = Churn(candidates=[LogisticRegression(max_iter=2000)], folds=3).fit(X[rows], y[rows])
    assert model.evaluate(X[~rows], y[~rows])["auc"] > 0.83
    found = model.contributions(X[:3])
    assert np.allclose(found.sum(axis=1), model.decision_function(X[:3]), atol=1e-8)
    with pytest.raises(SpecError, match="plugged-in LogisticRegression cannot be saved"):
        model.save("never.json")


def test_raw_tables_are_scored_counted_and_flagged(fitted, telco):
    X, _, _ = telco
    model = fitted["boosted"]
    odd = X[:6].assign(more=1)[[*X.columns[::-1], "more"]].astype({"total_charges": object, "tenure": object})
    odd = odd.astype({"contract": object})
    odd.iloc[0, odd.columns.get_loc("contract")] = "Lifetime"
    odd.iloc[1, odd.columns.get_loc("contract")] = None
    odd.iloc[2, odd.columns.get_loc("total_charges")] = " "
    odd.iloc[3, odd.columns.get_loc("total_charges")] = np.inf
    odd.iloc[4, odd.columns.get_loc("tenure")] = "many"
    odd.iloc[5, odd.columns.get_loc("tenure")] = str(X["tenure"].iloc[5])
    found = model.score_frame(odd, list("abcdef"))
    assert found["flags"].tolist() == [
        "unseen: contract",
        "blank: contract",
        "blank: total_charges",
        "infinite: total_charges",
        "not a number: tenure",
        "",
    ]
    assert found["p_churn"].between(0, 1).all()
    assert found["p_churn"][5] == model.predict_proba(X[:6])[5, 1]
    counted = model.flags(odd).set_index(["column", "flag"])["rows"]
    assert counted["contract", "unseen"] == counted["tenure", "not a number"] == 1


def test_targets_are_ranked_with_reasons(fitted, telco):
    X, _, _ = telco
    found = fitted["linear"].targets(X[:200], value=200, capacity=15, seed=1)
    assert (found["action"] == "contact").sum() == 15
    assert (found.loc[found["action"] != "none", "reason_1"] != "").all()
    assert (found.loc[found["action"] == "none", "reason_1"] == "").all()
    assert found["model_id"].str.startswith("linear-").all()


BAD = {
    "one class": (lambda X, y: (X, y * 0), "only one class"),
    "few": (lambda X, y: (X, (np.arange(len(y)) < 4).astype(int)), "Only 4 of 300 rows have the label '1'"),
    "three": (lambda X, y: (X, np.arange(len(y)) % 3), "Only binary classification"),
    "blank label": (lambda X, y: (X, np.where(np.arange(len(y)) == 3, np.nan, y)), "NaN"),
    "lengths": (lambda X, y: (X, y[:-1]), "299 labels for 300 rows"),
    "no rows": (lambda X, y: (X[:0], y[:0]), "no rows"),
    "no columns": (lambda X, y: (X[[]], y), r"0 feature\(s\)"),
    "twice": (lambda X, y: (X.set_axis(["a", "a", "b", "c"], axis=1), y), "more than once|stand twice|twice"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_training_input_is_one_sentence(case):
    X, y, _ = business(300, 1)
    change, message = BAD[case]
    with pytest.raises(CxError, match=message):
        Churn().fit(*change(X, y))


def test_all_columns_left_out_and_wrong_options():
    _, y, _ = business(300, 1)
    with pytest.raises(DataError, match="leaves out all 2 columns"):
        Churn().fit(pd.DataFrame({"one": np.ones(300), "two": "x"}), y)
    X, y, _ = business(300, 1)
    with pytest.raises(SpecError, match=r"no candidate 'linar'.*Did you mean 'linear'"):
        Churn(candidates=["linar"]).fit(X, y)
    with pytest.raises(SpecError, match="folds must be a whole number of 2 or more"):
        Churn(folds=1).fit(X, y)


def test_the_audit_is_acted_upon_and_said():
    X, y, _ = business(600, 1)
    X["why_left"] = np.where(y == 1, "moved", None)
    X["customer"] = [f"c{i:05d}" for i in range(600)]
    with pytest.warns(DataWarning, match="left out by the audit"):
        model = Churn(candidates=["linear"]).fit(X, y)
    assert {"why_left", "customer"} <= set(model.dropped_["column"])
    assert model.predict_proba(X.drop(columns=["why_left", "customer"])).shape == (600, 2)


def test_scoring_asks_for_missing_columns_and_unique_customers(fitted, telco):
    X, _, _ = telco
    with pytest.raises(DataError, match=r"Column 'tenure' is not in the data.*Did you mean 'Tenure'"):
        fitted["linear"].predict_proba(X[:5].rename(columns={"tenure": "Tenure"}))
    with pytest.raises(DataError, match="1 identifiers stand more than once, such as 'a'"):
        fitted["linear"].score_frame(X[:3], ["a", "b", "a"])
    with pytest.raises(DataError, match="no rows"):
        fitted["linear"].predict_proba(X[:0])


def test_polars_and_numbers_as_text(fitted, telco):
    pl = pytest.importorskip("polars")
    X, _, _ = telco
    plain = fitted["additive"].predict_proba(X[:50])
    frame = pl.DataFrame({c: X[c][:50].tolist() for c in X})
    assert np.array_equal(fitted["additive"].predict_proba(frame), plain)
    assert np.array_equal(fitted["additive"].predict_proba(X[:50].astype(str)), plain)
