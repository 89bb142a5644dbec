"""A folder of survey files read as one survey."""

import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import CxError, DataError, DataWarning, SpecError


@pytest.fixture
def folder(tmp_path):
    data, _ = cx.datasets.simulate_study(companies=4, respondents=150, years=2, seed=4)
    for (company, year), part in data.groupby(["company", "year"]):
        part.drop(columns=["company", "year"]).to_csv(tmp_path / f"{company}_{year}.csv", index=False)
    return tmp_path, data


def test_the_files_are_the_study_again(folder):
    place, data = folder
    survey = cx.read_surveys(place / "{company}_{year}.csv", weights="weight", wave="year", hierarchy=["industry"])
    found = survey.frame.sort_values(["company", "year", "respondent"], ignore_index=True)
    wanted = data.sort_values(["company", "year", "respondent"], ignore_index=True)
    pd.testing.assert_frame_equal(found[wanted.columns], wanted, check_dtype=False)
    assert found["year"].dtype.kind == "i"
    assert survey.notes == ("8 files read, 1,200 rows.",)
    index = cx.SatisfactionIndex(cx.acsi.ACSI)
    both = [
        index.fit(d, by=["company", "year"], bootstrap=20, seed=1).scores
        for d in (survey, cx.Survey(data, weights="weight"))
    ]
    order = ["company", "year", "construct"]
    a, b = (f.sort_values(order, ignore_index=True) for f in both)
    assert (a["index"] - b["index"]).abs().max() < 1e-9


def test_other_files_are_told_of_and_names_stay_text_where_one_is_no_number(folder):
    place, _ = folder
    (place / "readme.csv").write_text("a\n1\n")
    (place / "notes.txt").write_text("x")
    survey = cx.read_surveys(place / "{company}_2025.csv")
    assert "'readme.csv'" in survey.notes[1]
    assert "notes.txt" not in survey.notes[1]
    (place / "Company 1_early.csv").write_bytes((place / "Company 1_2025.csv").read_bytes())
    assert set(cx.read_surveys(place / "{company}_{year}.csv").frame["year"]) == {"2024", "2025", "early"}


def test_codes_of_files_become_missing_once_and_must_agree(tmp_path):
    pyreadstat = pytest.importorskip("pyreadstat")
    for name, code in {"a": 99, "b": 99, "c": 98}.items():
        data = pd.DataFrame({"q1": [7.0, 8.0, float(code)]})
        pyreadstat.write_sav(data, str(tmp_path / f"{name}.sav"), missing_ranges={"q1": [code]})
    with pytest.raises(DataError, match=r"'q1' has missing \(98,\) in 'c.sav', but \(99,\) in 'a.sav'"):
        cx.read_surveys(tmp_path / "{company}.sav")
    (tmp_path / "c.sav").unlink()
    survey = cx.read_surveys(tmp_path / "{company}.sav")
    assert survey.frame["q1"].isna().tolist() == [False, False, True] * 2


def test_a_column_that_some_files_lack_is_warned_of(folder):
    place, _ = folder
    one = place / "Company 2_2025.csv"
    pd.read_csv(one).rename(columns={"ideal": "Ideal"}).to_csv(one, index=False)
    with pytest.warns(DataWarning) as told:
        survey = cx.read_surveys(place / "{company}_{year}.csv")
    assert str(told[0].message) == (
        "Column 'ideal' is in 7 of 8 files; its answers are missing in 'Company 2_2025.csv'. Did you mean 'Ideal'?"
    )
    assert survey.frame["ideal"].isna().sum() >= 150
    assert survey.notes[1:] == tuple(str(w.message) for w in told)


def test_files_of_all_kinds_are_read_and_told_of_where_the_pattern_leaves_them(folder):
    pytest.importorskip("openpyxl")
    place, data = folder
    for name in ("Company 1_2025", "Company 3_2024"):
        pd.read_csv(place / f"{name}.csv").sample(frac=1, axis=1, random_state=1).to_excel(
            place / f"{name}.xlsx", index=False
        )
        (place / f"{name}.csv").unlink()
    survey = cx.read_surveys(place / "{company}_{year}.*", encoding="utf-8", sheet=0)
    assert len(survey) == len(data)
    assert (
        survey.frame.groupby("company")["ideal"].mean().to_dict() == data.groupby("company")["ideal"].mean().to_dict()
    )
    assert "'Company 1_2025.xlsx', 'Company 3_2024.xlsx'" in cx.read_surveys(place / "{company}_{year}.csv").notes[1]
    with pytest.raises(SpecError, match="sheet= applies to none of the 6 files"):
        cx.read_surveys(place / "{company}_{year}.csv", sheet="a")


def test_all_files_that_cannot_be_read_are_named_at_once(folder):
    place, _ = folder
    (place / "Company 1_2024.csv").write_bytes(b"a;b\x00\xff\n1;2\n")
    (place / "Company 2_2025.csv").write_text("a,b\n1,2,3\n")
    with pytest.raises(
        DataError, match=r"^2 problems: \(1\) .*1_2024.csv' is not text.* \(2\) .*2_2025.csv', line 2"
    ):
        cx.read_surveys(place / "{company}_{year}.csv")


def test_a_study_file_names_a_folder_and_its_scale_gives_way_to_the_codebook(folder):
    place, data = folder
    (place / "book.toml").write_text("[items.complaint]\nscale = [0, 1]\n")
    content = {
        "title": "Folder",
        "data": {"file": "{company}_{year}.csv", "codebook": "book.toml", "wave": "year", "weights": "weight"},
        "model": {
            "text": "Satisfaction =~ satisfaction + confirm + ideal; Complaints =~ complaint; Complaints ~ Satisfaction",
            "target": "Satisfaction",
            "scale": [1, 10],
        },
        "bootstrap": {"replicates": 10},
    }
    study = cx.Study.of(content, folder=place)
    assert study.check()[0] == f"Rows   {len(data)}"
    spec = study.spec()
    found = spec.ends(spec.fit(study.survey(), bootstrap=0).fit_of())
    ends = dict(zip(spec.model.items, zip(*found, strict=True), strict=True))
    assert ends["complaint"] == (0, 1)
    assert ends["satisfaction"] == (1, 10)


@pytest.mark.parametrize(
    ("pattern", "kind", "said"),
    [
        ("*.csv", SpecError, r"put a column in braces"),
        ("{company}.xyz", DataError, r"No file of .* fits"),
        ("{}.csv", SpecError, r"In braces stands the name of a column"),
        ("{a}_{a}.csv", SpecError, r"'a' stands twice"),
        ("{company}.sav", DataError, r"No file of .* fits '\{company\}.sav': it holds 'Company 1_2024.csv'"),
        (
            "{industry}_*.csv",
            DataError,
            r"Column 'industry' is to come from the names .* use another name in the braces",
        ),
        ("nowhere/{company}.csv", DataError, r"Folder .* does not exist"),
    ],
)
def test_bad_patterns_are_refused_in_one_sentence(folder, pattern, kind, said):
    with pytest.raises(kind, match=said) as caught:
        cx.read_surveys(folder[0] / pattern)
    assert isinstance(caught.value, CxError)
    assert "\n" not in str(caught.value)


def test_a_folder_given_as_a_file_names_the_way(folder):
    with pytest.raises(DataError, match=r"is a folder: read its files together by read_surveys"):
        cx.read_survey(folder[0])
