"""Survey: the door for tables, the numbers it hands to models, weights, subsets."""

import pickle
import re
from dataclasses import FrozenInstanceError

import narwhals
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from cxmodels.errors import DataError, SpecError
from cxmodels.survey import Codebook, Item, Survey, as_survey, check_weights

COLUMNS = {
    "whole": [1, 2, None, 4],
    "real": [1.5, None, 3.5, 4.5],
    "flag": [True, False, True, True],
    "text": ["a", "b", None, "d"],
}
NUMBERS = np.array([[1, 1.5, 1], [2, np.nan, 0], [np.nan, 3.5, 1], [4, 4.5, 1]])

FRAMES = {
    "dict": dict,
    "pandas": pd.DataFrame,
    "nullable": lambda data: pd.DataFrame(data).convert_dtypes(),
    "arrow dtypes": lambda data: pa.table(data).to_pandas(types_mapper=pd.ArrowDtype),
    "object": lambda data: pd.DataFrame(data, dtype=object),
    "polars": pl.DataFrame,
    "polars lazy": pl.LazyFrame,
    "pyarrow": pa.table,
    "narwhals": lambda data: narwhals.from_native(pl.DataFrame(data)),
}


@pytest.fixture(params=FRAMES, ids=list(FRAMES))
def frame(request):
    """The same table as every kind of frame a caller may hold."""
    return FRAMES[request.param](COLUMNS)


# --- the door ---------------------------------------------------------------------------------------------------


def test_every_kind_of_frame_gives_the_same_numbers(frame):
    survey = as_survey(frame)
    np.testing.assert_array_equal(survey.numeric(["whole", "real", "flag"]), NUMBERS)
    assert list(survey.frame.columns) == list(COLUMNS)
    assert survey.frame["text"].isna().tolist() == [False, False, True, False]


def test_every_kind_of_frame_complains_alike_of_text(frame):
    with pytest.raises(DataError, match=r"^Item 'text' holds text in 3 of 4 rows, such as 'a': "):
        as_survey(frame).numeric(["whole", "text"])


def test_index_of_the_caller_survives_and_a_survey_passes_through():
    data = pd.DataFrame({"q": [1, 2, 3]}, index=["x", "y", "z"])
    survey = as_survey(data)
    assert survey.frame.index.tolist() == ["x", "y", "z"]
    assert survey.subset([False, True, True]).frame.index.tolist() == ["y", "z"]
    assert as_survey(survey) is survey
    assert Survey(pl.DataFrame({"q": [1, 2]})).frame.index.equals(pd.RangeIndex(2))


def test_polars_needs_no_pyarrow(monkeypatch):
    import sys

    data = pl.DataFrame({"q": [1, None], "t": ["a", None], "d": [None, 2.5], "u": ["x", "y"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert as_survey(data).numeric(["q", "d"])[0, 0] == 1


def test_frame_of_the_caller_never_changes_and_later_changes_do_not_reach_the_survey():
    data = pd.DataFrame({"q": [1, 10, 99], "r": [1, 2, 3]})
    before = data.copy()
    survey = Survey(data, {"items": {"q": {"scale": [1, 10], "missing": [99], "reversed": True}}})
    pd.testing.assert_frame_equal(data, before)
    plain = as_survey(data)
    data.loc[0, "r"] = 77
    assert plain.frame["r"].tolist() == [1, 2, 3]
    assert survey.frame["r"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (3, "Data must be a pandas, polars or pyarrow table, .*, not of type int"),
        (None, "not of type NoneType"),
        ("answers.sav", "not of type str. To read a file use cxmodels.read_survey"),
        (pd.Series([1, 2], name="q"), "not of type Series"),
        (np.ones((2, 2)), "An array has no column names"),
        ({"a": [1, 2], "b": [1]}, "must be 1-D arrays of one length; they are 'a': 2, 'b': 1"),
        ({"a": 1}, "must be 1-D arrays of one length"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "2 levels of column names"),
    ],
)
def test_what_is_no_table_is_refused(data, message):
    with pytest.raises(DataError, match=message):
        as_survey(data)


def test_survey_is_frozen_and_pickles():
    survey = Survey({"q": [1, 2], "w": [1, 2]}, weights="w")
    with pytest.raises(FrozenInstanceError):
        survey.frame = None
    again = pickle.loads(pickle.dumps(survey))
    assert again.weights.tolist() == [1, 2]
    assert again.codebook == survey.codebook


# --- numeric ------------------------------------------------------------------------------------------------------


def test_numeric_takes_columns_in_the_order_asked_and_a_fresh_array():
    data = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "name": ["x", "y"]})
    for wanted in (data, data[["a", "b"]]):
        survey = as_survey(wanted)
        values = survey.numeric(["b", "a"])
        assert values.tolist() == [[3, 1], [4, 2]]
        values[:] = 0
        assert survey.numeric("a").tolist() == [[1], [2]]


def test_numeric_lists_every_problem_once():
    survey = as_survey(
        pd.DataFrame(
            [[1, 1, "x", np.nan, np.inf, 3], [2, 2, "7", np.nan, 1, 3], [3, 3, None, np.nan, -np.inf, 3]],
            columns=["a", "a", "t", "empty", "inf", "same"],
        )
    )
    with pytest.raises(DataError) as error:
        survey.numeric(["a", "A", "t", "empty", "inf", "same"], constant=True)
    assert str(error.value) == (
        "Item 'a' is in the data 2 times: keep one column of that name. "
        "Item 'A' is not in the data. Did you mean 'a'? Columns are case-sensitive. "
        "Item 't' holds text in 1 of 3 rows, such as 'x': code the answers as numbers, or declare texts that mean "
        "no answer as missing codes. "
        "Item 'empty' has no answer in any of 3 rows: leave it out. "
        "Item 'inf' is infinite in 2 of 3 rows: correct the values or set them to missing. "
        "Item 'same' is 3 in all 3 rows that have it: leave it out."
    )


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["7", "8", None], "Item 'q' holds numbers stored as text in 2 of 3 rows, such as '7': convert"),
        (["7", "seven", 3], "Item 'q' holds text in 1 of 3 rows, such as 'seven'"),
        (pd.to_datetime(["2024-01-01", None, "2024-01-03"]), "Item 'q' holds dates in 2 of 3 rows"),
        ([1 + 2j, 1, 2], "Item 'q' holds no numbers in 3 of 3 rows"),
        (pd.Series([10**400, 1, None], dtype=object), "Item 'q' is infinite in 1 of 3 rows"),
        ([[1], [2], 3], "Item 'q' holds no numbers in 2 of 3 rows"),
        (pd.Categorical(["low", "high", "low"]), "Item 'q' holds text in 3 of 3 rows, such as 'low'"),
    ],
)
def test_what_is_no_number_is_said(cells, message):
    with pytest.raises(DataError, match=re.escape(message)):
        as_survey(pd.DataFrame({"q": cells})).numeric(["q"])


def test_categories_that_are_numbers_pass():
    data = pd.DataFrame({"q": pd.Categorical([3, 1, 3]), "r": pd.Categorical([1.5, None, 2.5])})
    np.testing.assert_array_equal(as_survey(data).numeric(["q", "r"]), [[3, 1.5], [1, np.nan], [3, 2.5]])


def test_numeric_counts_missing_where_they_are_not_allowed():
    survey = as_survey({"q": [1, None, None], "r": [1, 2, 3]})
    assert np.isnan(survey.numeric(["q"])).sum() == 2
    with pytest.raises(DataError, match="Item 'q' has no answer in 2 of 3 rows"):
        survey.numeric(["q", "r"], allow_missing=False)


def test_constant_is_refused_only_when_asked_and_missing_does_not_hide_it():
    survey = as_survey({"q": [5, None, 5], "r": [1, 2, 3]})
    assert survey.numeric(["q", "r"]).shape == (3, 2)
    with pytest.raises(DataError, match="Item 'q' is 5 in all 2 rows that have it"):
        survey.numeric(["q", "r"], constant=True)


def test_items_with_the_same_fault_are_named_together():
    with pytest.raises(
        DataError, match=r"^12 items have the same fault .*'missing7' and 4 more. Item 'missing0' is not in"
    ):
        as_survey({"q": [1]}).numeric([f"missing{i}" for i in range(12)])


def test_no_rows_is_an_error():
    with pytest.raises(DataError, match=r"^The data have no rows\.$"):
        as_survey(pd.DataFrame({"q": []})).numeric(["q"])


def test_values_outside_a_declared_scale_stop_a_model():
    book = {"items": {"q": {"scale": [1, 10], "values": {99: "Don't know"}}}}
    survey = Survey({"q": [1, 99, 99, 0, 10], "r": [1, 2, 3, 4, 99]}, book)
    message = "Item 'q' is outside its scale 1 to 10 in 3 of 5 rows: 99 \"Don't know\" (2 rows), 0 (1 row); correct"
    with pytest.raises(DataError, match=re.escape(message)):
        survey.numeric(["r", "q"])
    assert survey.numeric(["r"]).shape == (5, 1)
    assert survey.out_of_scale()[["column", "rows"]].values.tolist() == [["q", 3]]


def test_large_finite_values_are_no_infinities():
    survey = as_survey({"q": [1e308, 1e308, 1e308]})
    assert survey.numeric(["q"]).max() == 1e308


# --- codebook applied ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pandas", "nullable", "polars", "pyarrow", "arrow dtypes"])
def test_missing_codes_become_missing_and_are_counted(kind):
    data = FRAMES[kind]({"q": [1, 98, 99, None, 10], "r": [1, 2, 3, 4, 98], "s": [950, 2, 3, -5, 901]})
    book = {"items": {"q": {"missing": [98, 99]}, "r": {}, "s": {"missing": [[900, 999], -5]}}}
    survey = Survey(data, book)
    expected = [[1, 1, np.nan], [np.nan, 2, 2], [np.nan, 3, 3], [np.nan, 4, np.nan], [10, 98, np.nan]]
    np.testing.assert_array_equal(survey.numeric(["q", "r", "s"]), expected)
    counts = survey.raw_missing
    assert counts["column"].tolist() == ["q", "q", "s", "s", "s"]
    assert counts["code"].tolist() == [98, 99, -5, 901, 950]
    assert counts["rows"].tolist() == [1, 1, 1, 1, 1]


def test_text_codes_leave_a_column_of_numbers():
    data = {"q": ["7", "refused", "98", None, "2"]}
    survey = Survey(data, {"items": {"q": {"missing": ["refused", 98]}}})
    np.testing.assert_array_equal(survey.numeric(["q"])[:, 0], [7, np.nan, np.nan, np.nan, 2])
    assert survey.raw_missing["code"].tolist() == ["98", "refused"]
    mixed = Survey({"q": [7, "refused", 98, None, 2]}, {"items": {"q": {"missing": ["refused", 98]}}})
    np.testing.assert_array_equal(mixed.numeric(["q"])[:, 0], [7, np.nan, np.nan, np.nan, 2])


@pytest.mark.parametrize("kind", ["pandas", "nullable", "polars", "object", "arrow dtypes", "category"])
def test_reversed_items_are_turned_round_after_missing_codes(kind):
    answers = {"q": [1, 10, 99, 7]}
    data = pd.DataFrame(answers, dtype="category") if kind == "category" else FRAMES[kind](answers)
    survey = Survey(data, {"items": {"q": {"scale": [1, 10], "missing": [99], "reversed": True}}})
    np.testing.assert_array_equal(survey.numeric(["q"])[:, 0], [10, 1, np.nan, 4])
    np.testing.assert_array_equal(survey.subset([3, 0]).numeric(["q"])[:, 0], [4, 10])


def test_out_of_scale_of_a_reversed_item_shows_the_code_as_collected():
    survey = Survey({"q": [1, 12]}, {"items": {"q": {"scale": [1, 10], "reversed": True}}})
    with pytest.raises(DataError, match=re.escape("1 of 2 rows: 12 (1 row)")):
        survey.numeric(["q"])


def test_columns_without_a_codebook_stay_as_they_are():
    data = pd.DataFrame({"q": [98, 99], "age": [98, 12]})
    survey = Survey(data, {"missing": [98], "items": {"q": {}}})
    assert survey.frame["age"].tolist() == [98, 12]
    assert survey.frame["q"].isna().tolist() == [True, False]


def test_scale_and_label_fall_back():
    survey = Survey(
        {"q": [1, 2], "r": [1, 2]}, {"items": {"q": {"label": {"de": "Güte", "en": "Quality"}, "scale": [1, 10]}}}
    )
    assert survey.scale("q") == (1, 10)
    assert survey.scale("r") is None
    assert [survey.label("q"), survey.label("q", "de"), survey.label("q", "fr")] == ["Quality", "Güte", "Quality"]
    assert survey.label("r", "de") == "r"


# --- roles and weights --------------------------------------------------------------------------------------------


def test_roles_come_from_arguments_before_the_codebook():
    data = {
        "q": [1, 2],
        "w": [1, 3],
        "w2": [2, 2],
        "year": [2024, 2025],
        "company": ["a", "b"],
        "industry": ["x", "x"],
    }
    book = {"weights": "w", "wave": "year", "hierarchy": ["company", "industry"], "items": {"q": {}}}
    survey = Survey(data, book)
    assert (survey.weight_name, survey.wave, survey.hierarchy) == ("w", "year", ("company", "industry"))
    other = Survey(data, book, weights="w2", hierarchy="company")
    assert other.weights.tolist() == [2, 2]
    assert (other.wave, other.hierarchy) == ("year", ("company",))
    by_value = Survey(data, book, weights=[5, 6])
    assert by_value.weights.tolist() == [5, 6]
    assert by_value.weight_name is None
    assert as_survey(data).weights is None
    assert as_survey(data).case_weights("w").tolist() == [1, 3]
    assert survey.case_weights(np.array([7, 8])).tolist() == [7, 8]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "W"}, r"Column 'W' \(weights\) is not in the data. Did you mean 'w'\?"),
        ({"wave": "yaer"}, r"Column 'yaer' \(wave\) is not in the data. Did you mean 'year'\?"),
        ({"hierarchy": ["firm"]}, r"Column 'firm' \(hierarchy\) is not in the data. Columns are 'q', 'w', 'year'"),
        ({"weights": [1, 2, 3]}, "one number for each of 2 rows, not 3"),
        ({"weights": 2.0}, "one number for each of 2 rows, not a single value"),
        ({"weights": pd.Series([1, 2], index=[5, 6])}, "index of the weights differs"),
    ],
)
def test_roles_that_do_not_fit_the_data(options, message):
    with pytest.raises(DataError, match=message):
        Survey({"q": [1, 2], "w": [1, 1], "year": [1, 1]}, **options)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, -1, -2], "^The weights: 2 of 3 rows are negative; a weight is 0 or more.$"),
        ([0, 0, 0], "^The weights are 0 in all 3 rows: at least one must be positive.$"),
        ([1, None, 2], "^The weights: 1 of 3 rows are missing; fill them or drop those rows.$"),
        ([1, np.inf, 2], "^The weights: 1 of 3 rows are infinite; correct them.$"),
        ([1, "x", 2], "^The weights must be numbers: 1 of 3 rows hold something else, such as 'x'.$"),
        ([1, 2], "^The weights must be one number for each of 3 rows, not 2.$"),
        (np.ones((3, 2)), "not 3 x 2.$"),
        (object(), "must be"),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(DataError, match=message):
        check_weights(weights, 3)


@pytest.mark.parametrize(
    "weights", [[1, 0, 2], (1, 0, 2), np.array([1, 0, 2]), pd.Series([1, 0, 2], dtype="Int64"), pl.Series([1, 0, 2])]
)
def test_good_weights_are_floats(weights):
    found = check_weights(weights, 3)
    assert found.dtype == float
    assert found.tolist() == [1, 0, 2]


def test_bad_weight_column_is_named():
    survey = Survey({"q": [1, 2], "w": [1, -1]}, weights="w")
    with pytest.raises(DataError, match=r"^Weight 'w': 1 of 2 rows are negative"):
        survey.weights


# --- subset -------------------------------------------------------------------------------------------------------


def test_subset_keeps_codebook_weights_and_counts():
    book = {"items": {"q": {"missing": [99], "label": "Q"}}}
    survey = Survey({"q": [1, 99, 3, 99], "w": [1, 2, 3, 4]}, book, weights="w")
    half = survey.subset(np.array([True, True, False, False]))
    assert half.weights.tolist() == [1, 2]
    assert half.label("q") == "Q"
    assert half.raw_missing["rows"].tolist() == [1]
    assert survey.raw_missing["rows"].tolist() == [2]
    by_value = Survey({"q": [1, 2, 3]}, weights=[1, 2, 3]).subset([2, 2, 0])
    assert by_value.weights.tolist() == [3, 3, 1]
    assert by_value.frame["q"].tolist() == [3, 3, 1]
    mask = survey.frame["w"] > 2
    assert len(survey.subset(mask)) == 2


@pytest.mark.parametrize("rows", [[True, False], [0, 3], ["a"], [0.5]])
def test_subset_refuses_rows_that_do_not_exist(rows):
    with pytest.raises(DataError, match=r"mask|positions"):
        as_survey({"q": [1, 2, 3]}).subset(rows)


def test_a_codebook_that_contradicts_itself_is_a_spec_error():
    with pytest.raises(SpecError, match="Item 'q' has the missing code 9 inside its scale 1 to 10"):
        Survey({"q": [1]}, {"items": {"q": {"scale": [1, 10], "missing": [9]}}})


def test_codes_of_columns_that_are_no_plain_numbers():
    data = pd.DataFrame(
        {
            "flag": [True, False, True],
            "day": pd.to_datetime(["2024-01-01", "2024-01-02", None]),
            "kind": pd.Categorical([1, 2, 9]),
            "word": ["a", "b", "9"],
        }
    )
    items = [Item(name, missing=(9,)) for name in data]
    survey = Survey(data, Codebook([*items[1:], Item("flag", scale=(0, 1), reversed=True)]))
    assert survey.numeric(["flag"])[:, 0].tolist() == [0, 1, 0]
    assert survey.frame["day"].tolist() == data["day"].tolist()
    assert survey.frame["kind"].isna().tolist() == [False, False, True]
    assert survey.frame["word"].isna().tolist() == [False, False, True]
    assert survey.raw_missing["column"].tolist() == ["kind", "word"]


def test_text_in_a_reversed_item_is_refused_not_passed_through():
    survey = Survey({"q": [1, "x", 3]}, {"items": {"q": {"scale": [1, 5], "reversed": True}}})
    with pytest.raises(DataError, match="Item 'q' holds text in 1 of 3 rows"):
        survey.numeric(["q"])


def test_texts_of_answers_follow_the_codebook_and_its_language():
    items = {
        "country": {"values": {"1": {"en": "Austria", "uk": "Австрія"}, "2": "Bulgaria"}},
        "bad": {"values": {"1": "never", "5": "always"}, "scale": [1, 5], "reversed": True},
        "plain": {"label": "Plain"},
    }
    data = pd.DataFrame({"country": [1.0, 2.0, 3.0, np.nan], "bad": [1, 5, 3, 1], "plain": 1}, index=list("abcd"))
    survey = Survey(data, {"items": items})
    assert survey.texts("country").fillna("").to_dict() == {"a": "Austria", "b": "Bulgaria", "c": "3", "d": ""}
    assert survey.texts("country", "uk").iloc[0] == "Австрія"
    assert survey.frame["bad"].tolist() == [5, 1, 3, 5]
    assert survey.texts("bad").tolist() == ["never", "always", "3", "never"]
    with pytest.raises(DataError, match="no texts for the answers of 'plain'"):
        survey.texts("plain")
    with pytest.raises(DataError, match="'contry' is not in the data"):
        survey.texts("contry")
