"""Every command and function that writes, killed at each file it opens and at each renaming: what stood there before stands there whole."""

import inspect
import json
import os
import re
from pathlib import Path

import pandas as pd
import pytest
import typer

import cxmodels as cx
from cxmodels.cli import app
from tests import public_names
from tests.killing import command, killed

PACKAGE = Path(cx.__file__).parent
pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has neither SIGKILL nor fork")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A model and its data."""
    folder = tmp_path_factory.mktemp("killed")
    data = cx.datasets.load("telco").head(700).reset_index(names="customer")
    data.to_csv(folder / "data.csv", index=False)
    model = cx.Churn(candidates=["linear"], folds=2).fit(data.drop(columns=["churn", "customer"]), data["churn"])
    model.save(folder / "model.json")
    return folder


SCORE = ["churn", "score", "model.json", "data.csv", "OUT", "--id", "customer", "--as-of", "2026-03-31", "--horizon", "90",
         "--value", "100"]  # fmt: skip


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
def test_scores_are_whole_or_the_old_ones(place, name, tmp_path):
    out = tmp_path / name
    old = pd.DataFrame({"customer": [1, 2], "score": [0.1, 0.2]})
    read, write = ("read_csv", "to_csv") if name.endswith("csv") else ("read_parquet", "to_parquet")
    getattr(old, write)(out, index=False)
    check = f"import pandas as pd; assert pd.{read}({str(out)!r}).equals(pd.DataFrame({old.to_dict('list')!r}))"
    killed(place, tmp_path, {name: (command(*[str(out) if x == "OUT" else x for x in SCORE]), check)})
    assert len(getattr(pd, read)(out)) > 500
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == [name]


def test_a_trained_model_and_its_card_are_whole_or_the_old_ones(place, tmp_path):
    out, card = tmp_path / "churn.json", tmp_path / "card.html"
    out.write_bytes((place / "model.json").read_bytes())
    card.write_text("old")
    before = json.loads(out.read_text())["checksum"]
    check = (
        f"import json, cxmodels as cx; cx.churn.load({str(out)!r}); text = open({str(card)!r}).read(); "
        f"assert json.load(open({str(out)!r}))['checksum'] == {before!r}; assert text == 'old' or text.rstrip().endswith('</html>')"
    )
    train = command("churn", "train", "data.csv", "--label", "churn", "--id", "customer", "--out", str(out), "--card", str(card), "--candidate", "linear")  # fmt: skip
    killed(place, tmp_path, {"train": (train, check)})
    assert json.loads(out.read_text())["checksum"] != before
    assert card.read_text().rstrip().endswith("</html>")
    cx.churn.load(out)


def test_a_table_of_drift_is_whole_or_the_old_one(place, tmp_path):
    out = tmp_path / "drift.csv"
    out.write_text("old")
    check = f"assert open({str(out)!r}).read() == 'old'"
    killed(
        place,
        tmp_path,
        {"monitor": (command("churn", "monitor", "model.json", "data.csv", "--out", str(out)), check)},
    )
    assert len(pd.read_csv(out)) > 3


def test_a_study_is_whole_or_the_old_one(place, tmp_path):
    study = Path(cx.datasets.__file__).parents[1] / "datasets" / "mobi" / "study.toml"
    folder = tmp_path / "mobi"
    folder.mkdir()
    (folder / "result.json").write_text("old")
    check = f"import os; assert os.listdir({str(folder)!r}) == ['result.json'] and open({str(folder / 'result.json')!r}).read() == 'old'"
    small = place / "study.toml"
    small.write_text(study.read_text("utf-8").replace("replicates = 5000", "replicates = 20"), "utf-8")
    killed(place, tmp_path, {"study": (command("study", "run", str(small), "--out", str(tmp_path)), check, 9)})
    assert (folder / "report.html").exists()


# --- every function that writes -----------------------------------------------------------------------------------

SETUP = """
import io, os, warnings
warnings.simplefilter("ignore")
import matplotlib, pandas as pd, cxmodels as cx
from cxmodels import files, report
from tests import benchmark_study, hostile as h
whole = cx.datasets.load("telco").head(700).reset_index(names="customer_id")
model = cx.Churn(candidates=["linear"], folds=2, drop_noise=False).fit(whole[["tenure", "contract"]], whole["churn"])
whole.to_parquet("source.parquet")
made = {"sem": h.sem(), "worth": h.worth(), "linked": h.linked(), "drivers": h.drivers().deliverable(n=5, seed=1, scale=(1, 5))}
campaign, truth = cx.datasets.simulate_campaign(600)
made["qini"] = cx.churn.qini(campaign["retained"], campaign["treatment"], truth["uplift"], n=5)
made["card"] = report.churn_card(model, whole[["tenure", "contract"]], whole["churn"], n=10)
made["targets"] = model.targets(whole[["customer_id", "tenure", "contract"]], "customer_id", value=10.0, as_of_date="2026-01-01", horizon_days=30)
made["study"], made["nation"] = h.study("pls"), benchmark_study.fit(benchmark_study.data(40), bootstrap=0)
book = cx.survey.Codebook([cx.survey.Item("q1", label="Trust", scale=(1, 10))])
{"html": report.table(made["sem"]), "svg": made["sem"].diagram()}
import openpyxl, pptx, pyarrow.parquet
"""  # fmt: skip
WRITERS = {  # public name: what it is called with, to a file that stands there, or to a folder
    "cxmodels.Churn.save": ("m.json", "model.save(out)"),
    "cxmodels.churn.deliver": ("t.parquet", "cx.churn.deliver(made['targets'], out)"),
    "cxmodels.churn.score_file": ("s.parquet", "cx.churn.score_file(model, 'source.parquet', out)"),
    "cxmodels.churn.score_files": ("", "cx.churn.score_files(model, ['source.parquet'], out)"),
    "cxmodels.report.ChurnCard.write": ("card.html", "made['card'].write(out)"),
    "cxmodels.report.Tables.write": ("t.xlsx", "report.table(made['sem']).write(out)"),
    "cxmodels.results.Result.to_table": ("t.html", "made['sem'].to_table(path=out)"),
    "cxmodels.report.svg.Drawing.write": ("d.svg", "made['sem'].diagram().write(out)"),
    "cxmodels.report.write_drivers": ("d.html", "report.write_drivers(made['drivers'], out)"),
    "cxmodels.report.write_linkage": ("l.html", "report.write_linkage(made['linked'], out)"),
    "cxmodels.report.write_uplift": ("u.html", "report.write_uplift(made['qini'], out)"),
    "cxmodels.report.write_worth": ("w.html", "report.write_worth(made['worth'], out)"),
    "cxmodels.survey.Codebook.to_toml": ("b.toml", "book.to_toml(out)"),
    "cxmodels.report.write_study": ("study", "report.write_study(made['study'], os.path.dirname(out))", 9),
    "cxmodels.report.write_benchmark": ("nation", "report.write_benchmark(made['nation'], os.path.dirname(out), pages=['Company 01'])", 25),
}  # fmt: skip
DATABASES = {"cxmodels.History.write"}  # in one transaction: killed at ten moments in test_benchmark_study_run
COMMANDS = {"study run", "churn train", "churn score", "churn monitor"}  # above
READERS = {"load", "from_toml", "of", "read_survey", "read_delivery", "survey", "check_place"}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Every writer killed at each of its files, in a folder of its own where an older result stands."""
    home = tmp_path_factory.mktemp("writers")
    jobs = {}
    for name, (place, code, *step) in WRITERS.items():
        folder = home / name / place
        out = folder if place.partition(".")[2] else folder / "result.json"
        out = out if place else folder / "source.parquet"
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text("old")
        check = f"import os; assert open({str(out)!r}).read() == 'old'; assert [n for n in os.listdir({str(out.parent)!r}) if n[0] != '.'] == [{out.name!r}]"
        jobs[name] = (f"out = {str(folder)!r}; {code}", check, *step)
    found = killed(home, home, jobs, SETUP)
    return home, found


@pytest.mark.parametrize("name", WRITERS)
def test_what_a_function_writes_is_whole_or_the_old(name, told):
    home, found = told
    assert found[name]["died"] >= 1
    place = home / name / WRITERS[name][0]
    if place.is_file():
        assert place.read_bytes() != b"old"
        assert len(place.read_bytes()) > 30
    else:
        left = [p.name for p in place.iterdir() if not p.name.startswith(".")]
        assert (
            left == ["source.parquet"]
            if WRITERS[name][0] == ""
            else {"report.html", "result.json", "tables"} <= set(left)
        )


def test_no_function_that_writes_is_left_out():
    found = set()
    for name, value in public_names.everything():
        own = [(f"{name}.{n}", getattr(value, n)) for n, _ in public_names.members(value)] if inspect.isclass(value) else [(name, value)]  # fmt: skip
        for full, function in own:
            if not callable(function) or inspect.isclass(function):
                continue
            given = set(inspect.signature(function).parameters)
            short = full.rpartition(".")[2]
            if (
                given & {"path", "out", "folder"} or short.startswith(("write", "save", "deliver"))
            ) and short not in READERS:
                found.add("cxmodels.results.Result.to_table" if short == "to_table" else full)
    found = {f for f in found if f != "cxmodels.drivers.DriverResult.deliverable"}
    inner = {"cxmodels.churn.score_file", "cxmodels.report.svg.Drawing.write"}  # by another name, or made by a result
    assert found == set(WRITERS) - inner | DATABASES


def test_no_command_that_writes_is_left_out():
    found = set()

    def walk(command, before=""):
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, f"{before}{name} ")
            if any(p.name in ("out", "card") for p in inner.params):
                found.add(f"{before}{name}")

    walk(typer.main.get_command(app))
    assert found == COMMANDS


def test_nothing_is_written_but_by_what_writes_whole():
    """A call that writes stands in a `with replacing(...)` or `with whole_folder(...)`, or writes into what those gave."""
    writes = re.compile(r"\.(write_text|write_bytes|to_csv|to_parquet|to_excel|write_table)\(|\bopen\([^)]*[\"']w")
    into = re.compile(r"\b(draft|folder|tables)\b")
    places = [
        f"{p.relative_to(PACKAGE)}: {line.strip()}"
        for p in PACKAGE.rglob("*.py")
        for line in p.read_text("utf-8").splitlines()
        if writes.search(line) and ">>>" not in line and "..." not in line and not into.search(line)
    ]
    assert places == []
