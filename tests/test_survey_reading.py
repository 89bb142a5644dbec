"""Reading survey files: what each format says of its columns, and one clear error for each bad file."""

import sys

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodels.errors import CxError, DataError, SpecError
from cxmodels.survey import Codebook, Item, read_survey

ANSWERS = pd.DataFrame(
    {
        "q1": [1.0, 10, 98, 99, np.nan],
        "q2": [1.0, 2, -1, -7, 5],
        "firm": ["Ёлка", "b", "", "X", "d"],
        "year": [2024.0, 2024, 2025, 2025, 2025],
    }
)
LABELS = {"q1": "Вопрос <1>", "year": "Year"}
TEXTS = {"q1": {1: "poor", 10: "excellent", 98: "don't know"}, "firm": {"b": "Firm B"}}


def put(folder, name, content, encoding="utf-8"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


# --- SPSS and Stata -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.sav", "a.zsav"])
def test_spss_labels_texts_and_user_missing(tmp_path, name):
    path = tmp_path / name
    pyreadstat.write_sav(
        ANSWERS,
        path,
        compress=name.endswith("zsav"),
        column_labels=LABELS,
        variable_value_labels=TEXTS,
        missing_ranges={"q1": [{"lo": 98, "hi": 99}], "q2": [{"lo": -9, "hi": -1}, 5], "firm": ["X"]},
    )
    survey = read_survey(path)
    np.testing.assert_array_equal(survey.frame["q1"], [1, 10, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(survey.frame["q2"], [1, 2, np.nan, np.nan, np.nan])
    assert survey.frame["firm"].isna().tolist() == [False, False, True, True, False]
    assert survey.frame["year"].dtype == "int64"
    assert survey.raw_missing.values.tolist() == [
        ["q1", 98, 1],
        ["q1", 99, 1],
        ["q2", -7, 1],
        ["q2", -1, 1],
        ["q2", 5, 1],
        ["firm", "X", 1],
    ]
    assert survey.label("q1") == "Вопрос <1>"
    assert survey.codebook["q1"].values[10] == {"en": "excellent"}
    assert survey.codebook["q1"].missing == ((98, 99),)
    assert survey.scale("q1") is None, "a scale is never guessed"
    assert read_survey(path, language="ru").codebook["q1"].label == {"ru": "Вопрос <1>"}


def test_open_ranges_of_spss_survive_in_toml(tmp_path):
    path = tmp_path / "a.sav"
    pyreadstat.write_sav(ANSWERS, path, missing_ranges={"q2": [{"lo": -1.7976931348623157e308, "hi": -1}]})
    survey = read_survey(path)
    assert survey.codebook["q2"].missing == ((-np.inf, -1),)
    assert survey.frame["q2"].isna().sum() == 2
    survey.codebook.to_toml(tmp_path / "a.toml")
    assert Codebook.from_toml(tmp_path / "a.toml") == survey.codebook


def test_toml_wins_over_the_file_where_it_speaks(tmp_path):
    path = tmp_path / "a.sav"
    pyreadstat.write_sav(
        ANSWERS, path, column_labels=LABELS, variable_value_labels=TEXTS, missing_ranges={"q1": [98], "year": [1]}
    )
    book = put(
        tmp_path,
        "book.toml",
        'wave = "year"\nmissing = [98, 99]\n[items.q1]\nlabel = {de = "Frage"}\nscale = [1, 10]\nvalues = {1 = "bad"}\n',
    )
    survey = read_survey(path, book)
    assert survey.wave == "year"
    item = survey.codebook["q1"]
    assert item.label == {"en": "Вопрос <1>", "de": "Frage"}
    assert item.values[1] == {"en": "bad"}
    assert item.values[10] == {"en": "excellent"}
    assert item.missing == (98, 99)
    assert survey.codebook["year"].missing == (1,)
    assert survey.label("year") == "Year"


def test_stata_labels_texts_and_tagged_missing(tmp_path):
    path = tmp_path / "a.dta"
    data = pd.DataFrame({"q1": [1, 2, 3], "q2": [1.0, "a", 2.5], "firm": ["x", "", "z"]})
    pyreadstat.write_dta(
        data,
        path,
        column_labels=["One", "Two", None],
        variable_value_labels={"q1": {1: "poor"}, "q2": {"a": "refused"}},
        missing_user_values={"q2": ["a"]},
    )
    survey = read_survey(path)
    assert survey.frame["q1"].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(survey.numeric(["q2"])[:, 0], [1, np.nan, 2.5])
    assert survey.frame["firm"].isna().tolist() == [False, True, False]
    assert survey.label("q2") == "Two"
    assert survey.codebook["q1"].values == {1: {"en": "poor"}}
    assert survey.raw_missing.values.tolist() == [["q2", "a", 1]]


# --- CSV ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "q1,firm,q2\n7,Ä,8.5\n9,b,\n"),
        ("bom.csv", "\ufeffq1,firm,q2\n7,Ä,8.5\n9,b,\n"),
        ("european.csv", "q1;firm;q2\r\n7;Ä;8,5\r\n9;b;\r\n"),
        ("excel.csv", "sep=;\nq1;firm;q2\n7;Ä;8,5\n9;b;\n"),
        ("a.tsv", "q1\tfirm\tq2\n7\tÄ\t8,5\n9\tb\t\n"),
        ("bar.csv", "q1|firm|q2\n7|Ä|8.5\n9|b|\n"),
        ("trailing.csv", " q1 ,firm,q2,\n7,Ä,8.5,\n9,b,,\n\n"),
        ("words.csv", "q1,firm,q2\n7,Ä,8.5\n9,b,N/A\n"),
        ("quoted.csv", '"q1","firm","q2"\n"7","Ä","8.5"\n"9","b"," "\n'),
    ],
)
def test_csv_dialects_give_the_same_table(tmp_path, name, text):
    survey = read_survey(put(tmp_path, name, text))
    expected = pd.DataFrame({"q1": [7, 9], "firm": ["Ä", "b"], "q2": [8.5, np.nan]})
    pd.testing.assert_frame_equal(survey.frame, expected, check_dtype=False)
    assert survey.frame["q1"].dtype == "int64"
    assert survey.notes == ()


def test_words_for_missing_stay_words_among_words(tmp_path):
    survey = read_survey(put(tmp_path, "a.csv", "country,q\nNA,1\nDE,none\n,3\n"))
    assert survey.frame["country"].fillna("?").tolist() == ["NA", "DE", "?"]
    np.testing.assert_array_equal(survey.frame["q"], [1, np.nan, 3])


def test_a_comma_in_a_comma_file_is_no_decimal(tmp_path):
    survey = read_survey(put(tmp_path, "a.csv", 'q,r\n"7,5",1\n8,2\n'))
    with pytest.raises(DataError, match="Item 'q' holds text in 1 of 2 rows, such as '7,5'"):
        survey.numeric(["q"])


def test_text_in_a_numeric_item_is_counted_and_shown(tmp_path):
    path = put(tmp_path, "a.csv", "q1,q2\n7,1\nseven,2\n9,3\n")
    with pytest.raises(DataError, match=r"^Item 'q1' holds text in 1 of 3 rows, such as 'seven'"):
        read_survey(path).numeric(["q1", "q2"])
    survey = read_survey(path, {"items": {"q1": {"missing": ["seven"]}}})
    np.testing.assert_array_equal(survey.numeric(["q1"])[:, 0], [7, np.nan, 9])


def test_infinite_negative_out_of_scale_and_doubled_are_found_after_reading(tmp_path):
    path = put(tmp_path, "a.csv", "q1,q2,w,q3,q3\n1,inf,1,1,1\n11,2,-2,2,1\n3,3,1,3,2\n")
    survey = read_survey(path, {"items": {"q1": {"scale": [1, 10]}, "q2": {}, "q3": {}}}, weights="w")
    assert survey.validate()[["column", "problem", "rows"]].values.tolist() == [
        ["q1", "out of scale", 1],
        ["q2", "infinite", 1],
        ["q3", "duplicated column", 2],
        ["w", "negative weight", 1],
    ]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("cp1251", "фирма;q\nЁлка;1\n"), ("cp1252", "société;q\nÉlan;1\n"), ("cp1252", "Größe;q\n“naja”;1\n")],
)
def test_other_encodings_are_said_and_can_be_given(tmp_path, encoding, text):
    path = put(tmp_path, "a.csv", text, encoding)
    with pytest.raises(DataError, match=rf"a.csv' is not UTF-8 at byte \d+ \(line 1\): pass encoding='{encoding}'\."):
        read_survey(path)
    assert read_survey(path, encoding=encoding).frame.columns[0] == text.split(";")[0]
    with pytest.raises(DataError, match="is not in encoding 'ascii'"):
        read_survey(path, encoding="ascii")
    with pytest.raises(SpecError, match="encoding 'cp125x' is unknown"):
        read_survey(path, encoding="cp125x")


def test_unicode_text_of_excel_is_utf16(tmp_path):
    survey = read_survey(put(tmp_path, "a.tsv", "firm\tq\nЁ\t1,5\n", "utf-16"))
    assert survey.frame.values.tolist() == [["Ё", 1.5]]


def test_blank_and_short_lines_are_noted(tmp_path):
    survey = read_survey(put(tmp_path, "a.csv", "a,b,c\n1,2,3\n,,\n4,5\n6,7,8\n"))
    assert survey.notes == (
        "1 line has fewer fields than the header (first: line 4); the rest is missing.",
        "1 blank row was left out.",
    )
    assert survey.frame["a"].tolist() == [1, 4, 6]
    assert survey.frame.index.tolist() == [0, 1, 2]
    assert "blank row" in repr(survey)


def test_a_column_without_a_name_gets_one_if_it_holds_answers(tmp_path):
    survey = read_survey(put(tmp_path, "a.csv", ",q,\n1,7,\n2,8,\n"))
    assert survey.frame.columns.tolist() == ["unnamed_1", "q"]


# --- Qualtrics ------------------------------------------------------------------------------------------------------

QUALTRICS = [
    ["StartDate", "Q1", "Q2_TEXT"],
    ["Start Date", "How happy,\n are you? <b>", "Why?"],
    ['{"ImportId":"startDate","timeZone":"Etc/UTC"}', '{"ImportId":"QID1"}', '{"ImportId":"QID2_TEXT"}'],
    ["2024-01-01 10:00", "7", "good"],
    ["2024-01-02 10:00", "8", None],
]


@pytest.mark.parametrize("kind", ["csv", "tsv", "xlsx"])
def test_qualtrics_exports_keep_their_questions_as_labels(tmp_path, kind):
    path = tmp_path / f"export.{kind}"
    table = pd.DataFrame(QUALTRICS[1:], columns=QUALTRICS[0])
    match kind:
        case "csv":
            table.to_csv(path, index=False, encoding="utf-8-sig")
        case "tsv":
            table.to_csv(path, index=False, sep="\t", encoding="utf-16")
        case _:
            table.to_excel(path, index=False)
    survey = read_survey(path, {"items": {"Q1": {"scale": [0, 10]}}})
    assert survey.frame["Q1"].tolist() == [7, 8]
    assert survey.frame["Q1"].dtype == "int64"
    assert survey.frame["StartDate"].tolist() == ["2024-01-01 10:00", "2024-01-02 10:00"]
    assert survey.label("Q1") == "How happy, are you? <b>"
    assert survey.scale("Q1") == (0, 10)
    assert survey.notes == (
        "Two rows of the Qualtrics export (question text, ImportId) were read as labels, not as answers.",
    )


# --- Excel and Parquet ----------------------------------------------------------------------------------------------


def test_excel_types_sheets_and_blank_rows(tmp_path):
    path = tmp_path / "a.xlsx"
    data = pd.DataFrame(
        {
            "q": [1, None, 3, None],
            "stored": ["1", "2", None, None],
            "mixed": [1, "two", 3, None],
            "flag": [True, False, True, None],
            "day": pd.to_datetime(["2024-01-01", "2024-01-02", None, None]),
        }
    )
    with pd.ExcelWriter(path) as book:
        data.to_excel(book, sheet_name="Data", index=False)
        pd.DataFrame({"x": [5, 6]}).to_excel(book, sheet_name="Other", index=False)
    survey = read_survey(path)
    assert survey.notes == ("Sheet 'Data' was read; the workbook has 2.",)
    np.testing.assert_array_equal(
        survey.numeric(["q", "stored", "flag"]), [[1, 1, 1], [np.nan, 2, 0], [3, np.nan, 1]]
    )
    assert survey.frame["day"].dtype.kind == "M"
    with pytest.raises(DataError, match="Item 'mixed' holds text in 1 of 3 rows, such as 'two'"):
        survey.numeric(["mixed"])
    assert read_survey(path, sheet="Other").frame["x"].tolist() == [5, 6]
    assert read_survey(path, sheet=1).frame["x"].tolist() == [5, 6]
    with pytest.raises(DataError, match=r"has no sheet 'Othr'\. Did you mean 'Other'\?"):
        read_survey(path, sheet="Othr")
    with pytest.raises(DataError, match=r"has no sheet '7'\. Sheets are 'Data', 'Other'"):
        read_survey(path, sheet=7)


def test_excel_without_rows(tmp_path):
    pd.DataFrame({"a": [], "b": []}).to_excel(tmp_path / "head.xlsx", index=False)
    with pytest.raises(DataError, match=r"Sheet 'Sheet1' of '.*head.xlsx' has a header but no rows"):
        read_survey(tmp_path / "head.xlsx")
    pd.DataFrame().to_excel(tmp_path / "none.xlsx", index=False)
    with pytest.raises(DataError, match=r"Sheet 'Sheet1' of '.*none.xlsx' is empty"):
        read_survey(tmp_path / "none.xlsx")


def test_parquet_keeps_types_and_index(tmp_path):
    data = pd.DataFrame({"q": pd.array([1, None, 3], dtype="Int64"), "firm": ["a", "b", None]}, index=list("xyz"))
    data.to_parquet(tmp_path / "a.parquet")
    survey = read_survey(tmp_path / "a.parquet", {"items": {"q": {"missing": [3]}}})
    assert survey.frame.index.tolist() == ["x", "y", "z"]
    np.testing.assert_array_equal(survey.numeric(["q"])[:, 0], [1, np.nan, np.nan])
    pd.DataFrame({"q": []}).to_parquet(tmp_path / "none.parquet")
    with pytest.raises(DataError, match="has 1 columns and 0 rows: there are no answers"):
        read_survey(tmp_path / "none.parquet")


# --- bad files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "a.csv' is empty"),
        ("a.sav", b"", "a.sav' is empty"),
        ("a.csv", b" \n\n", "a.csv' is empty"),
        ("a.csv", b"a,b\n", "has a header but no rows"),
        ("a.csv", b"a,b\n,\n,\n", "has a header but no rows"),
        ("a.csv", b'a,b\n1,"2\n3,4\n', "line 3: .*check the quotation marks"),
        ("a.csv", b"a,b\n1,2\n1,2,3\n", "line 3: 3 fields where the header has 2"),
        ("a.csv", b"PK\x03\x04\0\0\0\0", "is not text"),
        ("a.sav", b"junk" * 99, "a.sav' cannot be read as an SPSS file; it may be damaged"),
        ("a.dta", b"junk" * 99, "a.dta' cannot be read as a Stata file; it may be damaged"),
        ("a.xlsx", b"junk" * 99, "a.xlsx' cannot be read as an Excel workbook; it may be damaged"),
        ("a.parquet", b"junk" * 99, "a.parquet' cannot be read as a Parquet file; it may be damaged"),
        ("a.pdf", b"%PDF", r"is of no kind that can be read: its name must end in '.sav', '.zsav', '.dta', '.csv'"),
    ],
)
def test_bad_files_give_one_sentence(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message) as error:
        read_survey(put(tmp_path, name, content))
    assert "\n" not in str(error.value)


def test_files_that_are_not_there(tmp_path):
    put(tmp_path, "survey_2024.csv", "q\n1\n")
    with pytest.raises(DataError, match=r"survey_2023.csv' does not exist\. Did you mean 'survey_2024.csv'\?"):
        read_survey(tmp_path / "survey_2023.csv")
    with pytest.raises(DataError, match="does not exist"):
        read_survey(tmp_path / "no folder" / "a.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="cannot be opened: Is a directory"):
        read_survey(tmp_path / "folder.csv")


def test_options_that_do_not_apply_are_refused(tmp_path):
    with pytest.raises(SpecError, match=r"sheet= is for Excel workbooks, and 'a.csv' is a CSV file"):
        read_survey(tmp_path / "a.csv", sheet=1)
    with pytest.raises(SpecError, match=r"encoding= does not apply to 'a.parquet'"):
        read_survey(tmp_path / "a.parquet", encoding="utf-8")


def test_roles_are_checked_against_the_file(tmp_path):
    path = put(tmp_path, "a.csv", "q,Weight\n1,1\n2,3\n")
    assert read_survey(path).weights is None
    assert read_survey(path, weights="Weight").weights.tolist() == [1, 3]
    with pytest.raises(DataError, match=r"Column 'weight' \(weights\) is not in the data. Did you mean 'Weight'\?"):
        read_survey(path, weights="weight")


@pytest.mark.parametrize("kind", ["sav", "zsav", "dta", "xlsx", "parquet"])
def test_truncated_and_mangled_files_never_raise_a_library_error(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    data = pd.DataFrame(np.random.default_rng(1).normal(size=(300, 4)), columns=list("abcd"))
    match kind:
        case "sav" | "zsav":
            pyreadstat.write_sav(data, path, compress=kind == "zsav")
        case "dta":
            pyreadstat.write_dta(data, path)
        case "xlsx":
            data.to_excel(path, index=False)
        case _:
            data.to_parquet(path)
    whole = path.read_bytes()
    assert len(read_survey(path)) == 300
    for cut in (1, 3, 100, len(whole) // 2, len(whole) - 300):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=f"a.{kind}' cannot be read as an? .*; it may be damaged"):
            read_survey(path)
    path.write_bytes(whole.replace(b"\n", b"\r\n").replace(b"\0\0\0\2", b"\0\0\2"))
    with pytest.raises(DataError, match=f"a.{kind}' "):
        read_survey(path)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80) | st.text("abq1,;\t|\"'\n\r \u00e9=sep7.{}ImportId", max_size=80).map(str.encode))
def test_any_bytes_as_csv_give_a_survey_or_one_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    path.write_bytes(content)
    rows = 1
    try:
        rows = len(read_survey(path))
    except CxError as error:
        assert "fuzz.csv" in str(error)  # noqa: PT017
    assert rows > 0


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    for module, name, extra in (
        ("pyreadstat", "a.sav", "survey"),
        ("openpyxl", "a.xlsx", "survey"),
        ("pyarrow", "a.parquet", "arrow"),
    ):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(DataError, match=rf'needs the package {module}: pip install "cxmodels\[{extra}\]"'):
            read_survey(put(tmp_path, name, b"x"))


def test_csv_round_trip_of_a_pandas_frame(tmp_path):
    data = pd.DataFrame({"q": [1, 2, 3], "x": [0.1, None, 1e-9], "t": ['a "quoted", text', "line\nbreak", np.nan]})
    data.to_csv(tmp_path / "a.csv", index=False)
    pd.testing.assert_frame_equal(read_survey(tmp_path / "a.csv").frame, data, check_dtype=False)


def test_codebook_objects_serve_too(tmp_path):
    path = put(tmp_path, "a.csv", "q\n1\n9\n")
    survey = read_survey(path, Codebook([Item("q", scale=(1, 5), missing=(9,))]))
    assert survey.frame["q"].isna().tolist() == [False, True]
