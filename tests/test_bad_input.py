"""Bad input to a path model or an index gets one sentence that names the culprit, before any estimation."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cxmodels as cx
from cxmodels.errors import CxError, CxWarning, DataError, EstimationError, NotIdentifiedError, SpecError
from tests.test_pls import DATA, MODEL


def error_of(action) -> CxError:
    """The error an action raises, if it is one of ours and is one sentence or one per problem."""
    with pytest.raises(CxError) as caught:
        action()
    text = str(caught.value)
    assert text.rstrip("^ ").strip().endswith((".", "?", "~A")) or "\n" in text, text
    assert "\n\n" not in text
    assert caught.value.__cause__ is None
    return caught.value


def fit(data=DATA, model=MODEL, **options):
    keywords = {k: options.pop(k) for k in ("weights", "missing") if k in options}
    return lambda: cx.PLS(model, **options).fit(data, **keywords)


def changed(column: str, value, rows=slice(None)) -> pd.DataFrame:
    data = DATA.copy()
    if isinstance(value, str):
        data[column] = data[column].astype(object)
    data.iloc[rows, data.columns.get_loc(column)] = value
    return data


# --- the data ----------------------------------------------------------------------------------------------------

CONTRADICTING = DATA.mask(np.arange(120)[:, None] % 2 == np.array([[0] * 3 + [1] * 4 + [0] + [1] * 3]))

DATA_FAULTS = {
    "unknown item": (
        fit(DATA.rename(columns={"q2": "Q2"})),
        "Item 'q2' is not in the data. Did you mean 'Q2'? Columns are case-sensitive.",
    ),
    "several unknown items": (fit(DATA.drop(columns=["q2", "s3"])), "'s3'"),
    "constant item": (fit(changed("q2", 7)), "Item 'q2' is 7 in all 120 rows"),
    "constant item that no binary number equals": (fit(changed("q2", 0.1)), "Item 'q2' is 0.1 in all 120 rows"),
    "constant among the rows used": (
        fit(changed("q2", 4.0, slice(0, 100)), weights=np.r_[np.ones(100), np.zeros(20)]),
        "Item 'q2' is 4 in all 100 rows",
    ),
    "text item": (fit(changed("q2", "very good")), "Item 'q2' holds text in 120 of 120 rows, such as 'very good'"),
    "one text among numbers": (fit(changed("q2", "n/a", 5)), "Item 'q2' holds text in 1 of 120 rows, such as 'n/a'"),
    "numbers as text": (fit(DATA.astype({"q2": str})), "convert the column with pandas.to_numeric"),
    "all missing": (fit(changed("q2", np.nan)), "Item 'q2' has no answer in any of 120 rows"),
    "all missing among the rows used": (
        fit(changed("q2", np.nan, slice(0, 100)), weights=np.r_[np.ones(100), np.zeros(20)]),
        "Item 'q2' has no answer in any of 100 rows",
    ),
    "duplicated column": (
        fit(pd.concat([DATA, DATA[["q2"]]], axis=1)),
        "Item 'q2' is in the data 2 times",
    ),
    "infinite value": (fit(changed("q2", -np.inf, [3, 4])), "Item 'q2' is infinite in 2 of 120 rows"),
    "huge values": (fit(DATA.assign(q2=DATA["q2"] * 1e200)), "values of 'q2' are too large or too small"),
    "tiny values": (fit(DATA.assign(q2=DATA["q2"] * 1e-200)), "values of 'q2' are too large or too small"),
    "dates": (fit(DATA.assign(q2=pd.Timestamp("2024-01-01"))), "Item 'q2' holds dates in 120 of 120 rows"),
    "complex numbers": (fit(DATA.assign(q2=1j)), "'q2'"),
    "no rows": (fit(DATA.iloc[:0]), "The data have no rows"),
    "fewer rows than parameters": (
        fit(DATA.iloc[:16]),
        "16 rows are too few: the model has 17 parameters (11 weights and 6 paths)",
    ),
    "no complete row": (
        fit(CONTRADICTING, missing="listwise"),
        "0 rows are too few, after 120 with incomplete answers were left out",
    ),
    "pairs never answered together": (
        fit(CONTRADICTING, missing="pairwise"),
        "Fewer than two respondents answered both 'i1' and 'q1'",
    ),
    "missing answers refused": (
        fit(changed("q2", np.nan, [1, 2]), missing="error"),
        "Answers are missing in 'q2' (2)",
    ),
    "collinear Mode B items": (
        fit(DATA.assign(q3=DATA["q1"] - 2 * DATA["q2"]), modes={"Quality": "B"}),
        "The items 'q1', 'q2', 'q3' of Mode B construct 'Quality' determine one another",
    ),
    "negative weights": (fit(weights=np.r_[-1.0, np.ones(119)]), "1 of 120 rows are negative"),
    "all-zero weights": (fit(weights=np.zeros(120)), "are 0 in all 120 rows"),
    "missing weights": (fit(weights=np.r_[np.nan, np.nan, np.ones(118)]), "2 of 120 rows are missing"),
    "infinite weights": (fit(weights=np.r_[np.inf, np.ones(119)]), "1 of 120 rows are infinite"),
    "too few weights": (fit(weights=np.ones(7)), "one number for each of 120 rows, not 7"),
    "text weights": (fit(DATA.assign(w="x"), weights="w"), "Weight 'w' must be numbers: 120 of 120 rows"),
    "unknown weight column": (fit(DATA.assign(w=1.0), weights="W"), "Column 'W' (weights) is not in the data"),
    "all weight on rows without variation": (
        fit(changed("q2", 4.0, slice(0, 60)), weights=np.r_[np.ones(60), np.full(60, 1e-30)]),
        "'q2' does not vary among the rows that carry the weight",
    ),
    "an array": (fit(DATA.to_numpy()), "An array has no column names"),
    "a list": (fit([1, 2]), "not of type list"),
    "a path": (fit("survey.csv"), "read_survey"),
}


@pytest.mark.parametrize("case", DATA_FAULTS)
def test_data_at_fault(case):
    action, message = DATA_FAULTS[case]
    error = error_of(action)
    assert isinstance(error, DataError)
    assert message in str(error)


def test_every_problem_of_the_data_is_said_at_once():
    data = changed("q2", "very good").drop(columns="s3").assign(i1=np.nan)
    text = str(error_of(fit(data)))
    assert all(name in text for name in ("'q2'", "'s3'", "'i1'"))


def test_value_outside_the_scale_of_the_codebook():
    data = cx.datasets.load("mobi")
    data.loc[[3, 4], "CUSA1"] = 11
    survey = cx.Survey(data, {"items": {"CUSA1": {"scale": [1, 10]}}})
    text = str(error_of(lambda: cx.PLS("A =~ IMAG1 + IMAG2\nB =~ CUSA1 + CUSA2\nB ~ A").fit(survey)))
    assert "Item 'CUSA1' is outside its scale" in text
    assert "in 2 of 250 rows: 11 (2 rows)" in text


# --- what cannot be estimated ------------------------------------------------------------------------------------


def test_predictors_that_determine_one_another():
    twin = "A =~ q1 + q2\nB =~ t1 + t2\nC =~ s1 + s2\nC ~ A + B"
    data = DATA.assign(t1=DATA["q1"], t2=DATA["q2"])
    for scheme in ("path", "factorial", "centroid"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CxWarning)
            error = error_of(fit(data, twin, scheme=scheme))
        assert isinstance(error, NotIdentifiedError)
        assert "The predictors 'A', 'B' of 'C' determine one another" in str(error)


def test_a_construct_without_any_correlation():
    a, b = np.tile([-1.0, -1, 1, 1], 10), np.tile([-1.0, 1, -1, 1], 10)
    data = pd.DataFrame({"a": a, "c": a * b, "b": b})
    error = error_of(fit(data, "A =~ a + c\nB =~ b\nB ~ A"))
    assert isinstance(error, EstimationError)
    assert "Construct 'A' has no weights: its items are uncorrelated with 'B'" in str(error)
    res = fit(data, "A =~ a\nB =~ b\nB ~ A")()  # single items need no weights
    assert res.paths["est"].item() == 0
    assert res.converged


# --- the model ---------------------------------------------------------------------------------------------------

MODEL_FAULTS = {
    "cycle": ("A =~ a\nB =~ b\nC =~ c\nA ~ C\nB ~ A\nC ~ B", ["cycle", "A", "B", "C", "->"]),
    "construct without items": ("A =~ a\nB ~ A", ["'B' has paths but no items", "B =~ item1 + item2"]),
    "near name of a construct": ("Satisfaction =~ a\nB =~ b\nB ~ Satisfacton", ["Did you mean 'Satisfaction'"]),
    "construct without a path": ("A =~ a\nB =~ b\nC =~ c\nB ~ A", ["'C' has no path"]),
    "no paths": ("A =~ a\nB =~ b", ["has no paths"]),
    "no constructs": ("", ["no"]),
    "dimension with a path of its own": ("A =~ a1 + a2\nB =~ A\nA ~ B", ["'A' is a dimension of 'B'"]),
    "dimensions and items mixed": ("A =~ a1\nB =~ A + b1\nC =~ c\nC ~ B", ["'B' mixes the item 'b1'"]),
    "interaction without main effect": ("A =~ a\nB =~ b\nC =~ c\nC ~ A + A:B", ["main effects", "'B'"]),
    "blocks": ("level: 1\nA =~ a\nB =~ b\nB ~ A\nlevel: 2\nA =~ a\nB =~ b\nB ~ A", ["'group:' and 'level:'"]),
    "itself": ("A =~ a\nB =~ b\nA ~ A", ["'A' cannot predict itself"]),
    "not a model": (17, ["not int"]),
}


@pytest.mark.parametrize("case", MODEL_FAULTS)
def test_model_at_fault(case):
    model, words = MODEL_FAULTS[case]
    with pytest.raises(SpecError) as caught:
        cx.PLS(model)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": "paths"}, "Unknown scheme 'paths'.* Did you mean 'path'"),
        ({"scheme": None}, "Unknown scheme None"),
        ({"modes": {"Qualty": "B"}}, "modes names 'Qualty', which is not a construct.* Did you mean 'Quality'"),
        ({"modes": {"Quality": "C"}}, "The mode of 'Quality' is 'C'; choose 'A' or 'B'"),
        ({"modes": "B"}, "modes must name constructs"),
        ({"modes": ["Quality"]}, "modes must name constructs"),
        ({"tolerance": 0}, "tolerance must be a number above 0"),
        ({"tolerance": "tight"}, "tolerance must be a number above 0, not 'tight'"),
        ({"tolerance": float("nan")}, "tolerance must be a number above 0"),
        ({"max_iter": 0}, "max_iter must be at least 1"),
        ({"max_iter": 2.5}, r"max_iter must be a whole number, not 2\.5"),
        ({"consistent": "yes"}, "consistent must be True or False, not 'yes'"),
        ({"standardize": None}, "standardize must be True or False, not None"),
    ],
)
def test_option_at_fault(options, message):
    with pytest.raises(SpecError, match=message):
        cx.PLS(MODEL, **options)


def test_unknown_treatment_of_missing_answers():
    with pytest.raises(SpecError, match=r"Unknown missing='listwize'.* Did you mean 'listwise'"):
        cx.PLS(MODEL).fit(DATA, missing="listwize")


# --- the index ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (None, "needs the scale of 'i1', 'i2'"),
        ((0, 1), r"Answers outside the scale 0-1: 'i1' \(\d+ answers\)"),
        ((50, -50), "must be .lowest, highest."),
        ((1, 2, 3), "must be .lowest, highest."),
        ("1-10", "must be .lowest, highest., two numbers in order, not '1-10'"),
        (10, "must be .lowest, highest., two numbers in order, not 10"),
        ((float("-inf"), float("inf")), "two numbers in order"),
        ({"Q1": (1, 10)}, "scale names 'Q1', not an item of the model. Did you mean 'q1'"),
        ({"q1": "x"}, "needs the scale"),
    ],
)
def test_scale_at_fault(scale, message):
    res = cx.PLS(MODEL).fit(DATA)
    for action in (res.index, res.index_scores, res.index_se, res.unstandardized_effects):
        with pytest.raises(CxError, match=message):
            action(scale)


@pytest.mark.parametrize(
    ("target", "message"),
    [("Satisfacton", "Did you mean 'Satisfaction'"), (None, "'None' is not a construct"), ("Image", "Nothing leads")],
)
def test_target_of_importance_at_fault(target, message):
    with pytest.raises(SpecError, match=message):
        cx.PLS(MODEL).fit(DATA).ipma(target, (-50, 50))


# --- anything at all ---------------------------------------------------------------------------------------------

cells = st.one_of(
    st.integers(1, 10).map(float),
    st.floats(-5, 5),
    st.sampled_from([np.nan, 0.0, 1.0, np.inf, 1e160, 1e-160, 1e15]),
)
columns = st.one_of(
    st.lists(cells, min_size=14, max_size=14),
    st.integers(0, 2**31).map(lambda s: np.random.default_rng(s).standard_normal(14).tolist()),
    st.integers(0, 2**31).map(lambda s: np.random.default_rng(s).integers(1, 4, 14).astype(float).tolist()),
    st.integers(0, 2**31).map(lambda s: (np.arange(14) == s % 14).astype(float).tolist()),
    st.sampled_from([["a"] * 14, [1.0] * 14, [True, False] * 7, [None] * 14]),
)
models = st.sampled_from(
    [
        "A =~ x0 + x1\nB =~ x2 + x3\nB ~ A",
        "A =~ x0\nB =~ x1\nC =~ x2 + x3\nC ~ A + B",
        "A =~ x0 + x1\nB =~ x1 + x2\nC =~ x3\nB ~ A\nC ~ A + B",
        "A <~ x0 + x1 + x2 + x3\nB =~ x0\nA ~ B",
        "A =~ x0\nB =~ x1\nA ~ B\nB ~ A",
        "A =~ x9\nB =~ x1\nA ~ B",
    ]
)
options = st.fixed_dictionaries(
    {
        "scheme": st.sampled_from(["path", "factorial", "centroid"]),
        "modes": st.sampled_from([None, {"A": "B"}, {"A": "B", "B": "B"}]),
        "consistent": st.booleans(),
        "standardize": st.booleans(),
        "max_iter": st.sampled_from([300, 1]),
    }
)
weightings = st.one_of(
    st.none(),
    st.integers(0, 2**31).map(lambda s: np.random.default_rng(s).uniform(0, 2, 14)),
    st.integers(0, 2**31).map(lambda s: np.random.default_rng(s).integers(0, 2, 14)),
    st.sampled_from([np.full(14, 1e308), np.full(14, 1e-308), -np.ones(14), np.geomspace(1e-300, 1, 14)]),
)


def check_consistency(res):
    """Whatever could be estimated must make sense."""
    assert np.isfinite(res.weights["est"]).all()
    assert np.isfinite(res.scores).all(axis=None)
    if not res.spec.consistent:
        assert np.isfinite(res.paths["est"]).all()
        if res.missing != "pairwise":
            assert res.loadings["est"].abs().max() <= 1 + 1e-6
            assert res.r_squared["r2"].between(-1e-6, 1 + 1e-6).all()
    for text in res.warnings:
        assert text in res.summary()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    data=st.lists(columns, min_size=4, max_size=4),
    model=models,
    options=options,
    weights=weightings,
    missing=st.sampled_from(["mean", "listwise", "pairwise", "error"]),
    interval=st.sampled_from(["percentile", "bca", "normal"]),
)
def test_only_our_errors_and_warnings_escape(data, model, options, weights, missing, interval):
    frame = pd.DataFrame({f"x{i}": column for i, column in enumerate(data)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", CxWarning)
        try:
            res = cx.PLS(model, **options).fit(frame, weights=weights, missing=missing)
        except CxError:
            return
        check_consistency(res)
        try:
            boot = res.bootstrap(10, seed=1, interval=interval)
        except CxError:
            return
        boot.summary()
        assert boot.failed + len(boot.draws("paths")) == 10
