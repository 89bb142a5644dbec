"""What a survey says of itself: every problem at once, its description, and how it shows itself."""

import numpy as np
import pandas as pd
import pytest

from cxmodels.errors import DataError
from cxmodels.survey import Codebook, Item, Survey, as_survey

# --- validation ---------------------------------------------------------------------------------------------------


def messy() -> Survey:
    """A survey with every problem there is."""
    rows = 6
    data = pd.DataFrame(
        {
            "ok": [1, 2, 3, 4, 5, 6],
            "scale": [1, 2, 11, 99, 99, 5],
            "text": [1, "two", 3, None, 5, 6],
            "flat": [4] * rows,
            "empty": [np.nan] * rows,
            "inf": [1, 2, np.inf, 4, 5, 6],
            "coded": [1, 2, 2, 1, 9, 1],
            "w": [1, 1, -1, 1, np.nan, 1],
            "year": [1, 1, 1, 2, 2, 2],
            "company": ["a", "a", "b", "b", "c", None],
            "industry": ["x", "y", "x", "x", "x", "x"],
        }
    )
    data.insert(1, "twice", 1)
    data.insert(2, "twice", 2, allow_duplicates=True)
    book = Codebook(
        [
            *(Item(name) for name in ("ok", "text", "flat", "empty", "inf", "twice")),
            Item("scale", scale=(1, 10)),
            Item("coded", values={1: "yes", 2: "no"}),
            Item("Scale", scale=(1, 10)),
        ],
        weights="w",
        wave="year",
        hierarchy=("company", "industry"),
    )
    return Survey(data, book)


def test_validate_lists_everything_at_once_with_counts():
    found = messy().validate().set_index(["column", "problem"])
    assert found["rows"].to_dict() == {
        ("text", "text"): 1,
        ("flat", "constant"): 6,
        ("empty", "all missing"): 6,
        ("inf", "infinite"): 1,
        ("twice", "duplicated column"): 2,
        ("scale", "out of scale"): 3,
        ("coded", "code without a text"): 1,
        ("Scale", "not in the data"): 0,
        ("w", "missing weight"): 1,
        ("w", "negative weight"): 1,
        ("company", "no unit"): 1,
        ("company", "not nested"): 2,
    }
    assert "Did you mean 'scale'?" in found.loc[("Scale", "not in the data"), "detail"]
    assert "9 (1 row)" in found.loc[("coded", "code without a text"), "detail"]
    assert "'a' in 'x', 'y'" in found.loc[("company", "not nested"), "detail"]


def test_check_raises_one_error_and_looks_only_at_the_items_asked_for():
    survey = messy()
    with pytest.raises(DataError, match=r"Item 'text' holds text in 1 of 6 rows") as caught:
        survey.check()
    assert all(f"'{column}'" in str(caught.value) for column in survey.validate()["column"])
    clean = Survey(survey.frame[["ok", "flat"]])
    clean.check(["ok"])
    clean.check("ok")
    with pytest.raises(DataError, match="Item 'flat' is 4 in all 6 rows"):
        clean.check()


def test_without_a_codebook_plain_text_columns_are_no_problem():
    survey = as_survey({"company": ["a", "b", "c"], "q": [1, 2, 3], "mixed": [1, 2, "x"]})
    assert survey.validate()[["column", "problem", "rows"]].values.tolist() == [["mixed", "text", 1]]
    scaled = Survey({"q": ["good", "bad"]}, {"items": {"q": {"scale": [1, 2]}}})
    assert scaled.validate()["problem"].tolist() == ["text"]


def test_labelled_ends_of_a_scale_are_not_taken_for_a_full_list_of_codes():
    survey = Survey({"q": [1, 5, 10]}, Codebook([Item("q", values={1: "bad", 10: "good"})]))
    assert survey.validate().empty
    declared = Survey({"q": [1, 2, 99]}, Codebook([Item("q", values={1: "a", 2: "b", 99: "dk"}, missing=(99,))]))
    assert declared.validate().empty


def test_a_company_may_change_its_industry_between_waves():
    data = {"q": [1, 2], "year": [1, 2], "company": ["a", "a"], "industry": ["x", "y"]}
    assert Survey(data, wave="year", hierarchy=["company", "industry"]).validate().empty
    assert Survey(data, hierarchy=["company", "industry"]).validate()["problem"].tolist() == ["not nested"]


def test_validate_of_no_rows():
    assert as_survey({"q": []}).validate()["problem"].tolist() == ["no rows"]


# --- description and display ----------------------------------------------------------------------------------------


def test_describe_weighs_like_repeated_rows_do():
    data = pd.DataFrame({"q": [1.0, 2.0, np.nan, 7.0], "name": list("abcd"), "w": [2, 1, 3, 2]})
    found = Survey(data, {"items": {"q": {"label": "Q", "scale": [1, 10]}}}, weights="w").describe()
    assert found.columns.tolist() == ["item", "label", "n", "missing", "mean", "sd", "min", "max", "scale"]
    row = found.iloc[0]
    repeated = np.repeat([1.0, 2.0, 7.0], [2, 1, 2])
    assert (row["item"], row["label"], row["scale"], row["n"], row["missing"]) == ("q", "Q", "1 to 10", 3, 1)
    assert row["mean"] == pytest.approx(repeated.mean())
    assert row["sd"] == pytest.approx(np.sqrt(repeated.var() * 3 / 2))
    plain = as_survey(data).describe().set_index("item")
    assert plain.loc["q", "sd"] == pytest.approx(data["q"].std())
    assert plain.index.tolist() == ["q", "w"]


def test_describe_survives_columns_a_model_would_refuse():
    found = as_survey({"inf": [1, np.inf], "empty": [np.nan, np.nan]}).describe().set_index("item")
    assert found.loc["empty", "n"] == 0
    assert np.isinf(found.loc["inf", "max"])
    with pytest.raises(DataError, match="Item 'x' is not in the data"):
        as_survey({"q": [1]}).describe(["x"])


def test_repr_is_short_and_the_same_every_time():
    survey = Survey(
        {"q": [1, 99], "w": [1, 2], "c": ["a", "b"], "i": ["x", "x"]},
        {"items": {"q": {"missing": [99]}, "gone": {}}},
        weights="w",
        hierarchy=["c", "i"],
        notes=["Read so."],
    )
    assert repr(survey) == (
        "Survey of 2 rows x 4 columns; 1 in the codebook; weights: w; hierarchy: c in i\n"
        "  Read so.\n"
        "  The codebook describes 'gone', not in the data.\n"
        "  1 answer held a missing code: 99 in 'q'."
    )


def test_html_escapes_what_comes_from_the_data():
    name = "<script>alert(1)</script>"
    survey = Survey({name: [1, 2]}, Codebook([Item(name, label="<b>&", scale=(1, 2))]), notes=["<i>"])
    html = survey._repr_html_()
    assert "<script>" not in html
    assert "<b>" not in html
    assert "<i>" not in html
    assert "&lt;script&gt;" in html
    assert "1 to 2" in html
    wide = as_survey(pd.DataFrame(np.ones((2, 70)), columns=[f"c{i}" for i in range(70)]))
    assert "and 10 more columns" in wide._repr_html_()
