"""A study: what its file may say, what a run gives, and what stands on disk whatever happens."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import warnings
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cxmodels as cx
from cxmodels.errors import CxError, CxWarning, DataError, SpecError
from cxmodels.files import neutral
from cxmodels.report import check_place, write_study
from cxmodels.report.writing import whole_folder

MOBI = {"title": "Phones", "name": "m", "data": {"dataset": "mobi"}, "model": {"name": "ECSI"}}
MODEL = "Quality =~ q1 + q2\nSatisfaction =~ s1 + s2\nSatisfaction ~ Quality"


def mobi(**changes):
    content = {**MOBI, "bootstrap": {"replicates": 20, "seed": 1}}
    for key, value in changes.items():
        content[key] = {**content.get(key, {}), **value} if isinstance(value, dict) else value
    return content


@pytest.fixture(scope="module")
def result():
    return cx.Study.of(mobi()).run()


@pytest.fixture
def answers(tmp_path):
    """A survey on disk: 60 rows, three units, one of them named by too few rows to be estimated."""
    rng = np.random.default_rng(5)
    core = rng.normal(size=(60, 1))
    frame = pd.DataFrame(
        np.clip(np.round(6 + 2 * core + rng.normal(size=(60, 4))), 1, 10), columns=["q1", "q2", "s1", "s2"]
    )
    frame["shop"] = ["=SUM(A1)"] * 30 + ["+Nord"] * 28 + ["tiny"] * 2
    frame["w"] = rng.choice([0.0, 1.0, 2.0], 60, p=[0.1, 0.6, 0.3])
    frame.to_csv(tmp_path / "a.csv", index=False)
    return tmp_path


def study_of(folder, **changes):
    content = {
        "title": "Shops",
        "data": {"file": "a.csv"},
        "model": {"text": MODEL, "scale": [1, 10]},
        "bootstrap": {"replicates": 20},
    }
    for key, value in changes.items():
        content[key] = {**content.get(key, {}), **value} if isinstance(value, dict) else value
    return cx.Study.of(content, folder=folder)


def quietly(study):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        return study.run()


# --- what a study file may say ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"titel": "x"}, r"unknown key 'titel'\. Did you mean 'title'\?"),
        ({"target": "Loyalty"}, r"unknown key 'target'\. It belongs in \[model\]"),
        ({"modell": {"a": 1}}, r"unknown section \[.modell.\]\. Did you mean 'model'\?"),
        ({"data": {"weigths": "w"}}, r"unknown key 'weigths' in \[data\]\. Did you mean 'weights'\?"),
        ({"bootstrap": {"replicates": "many"}}, r"replicates = 'many' in \[bootstrap\].*whole number of at least 2"),
        ({"bootstrap": {"replicates": True}}, "replicates = True"),
        ({"bootstrap": {"replicates": 1}}, "replicates = 1"),
        ({"bootstrap": {"replicates": 10**9}}, "at most 100,000"),
        ({"bootstrap": {"seed": -1}}, "seed = -1"),
        ({"bootstrap": {"level": 95}}, "level = 95.*between 0 and 1"),
        ({"bootstrap": {"level": math.nan}}, "level = nan"),
        ({"bootstrap": {"interval": "percentil"}}, "Did you mean 'percentile'?"),
        ({"bootstrap": {"workers": 0}}, "workers = 0"),
        ({"options": {"scheme": "paths"}}, "Did you mean 'path'?"),
        ({"options": {"missing": "drop"}}, "missing = 'drop'"),
        ({"options": {"standardize": 1}}, "true or false"),
        ({"options": {"modes": {"Quality": "C"}}}, "modes"),
        ({"model": {"scale": [10, 1]}}, r"scale = \[10, 1\].*\[lowest, highest\]"),
        ({"model": {"scale": [1]}}, "scale"),
        ({"model": {"by": []}}, "by = "),
        ({"model": {"by": ["a", "a"]}}, "different columns"),
        ({"model": {"text": MODEL}}, "either 'name' or 'text' in .model., not both"),
        ({"model": {"name": "ecsi"}}, "Did you mean 'ECSI'?"),
        ({"model": {"items": {"CUSA1": 3}}}, "items"),
        ({"data": {"sheet": 0}}, "goes with a file"),
        ({"name": "a/b"}, "folder name"),
        ({"name": ".."}, "folder name"),
        ({"name": ".hidden"}, "folder name"),
        ({"name": "x" * 300}, "folder name"),
        ({"title": ""}, "title = ''"),
        ({"title": date(2024, 1, 1)}, "title = datetime.date"),
        ({"labels": {"Quality": 4}}, "labels"),
        ({"labels": 4}, "is a section"),
        ({"language": ["en"]}, "language"),
        ({"language": "de"}, "language = 'de', which must be a language that reports have, one of 'en', 'uk', 'ru', 'bg'"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_content_is_one_sentence(changes, said):
    with pytest.raises(SpecError, match=said) as caught:
        cx.Study.of(mobi(**changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": {"target": "Satisfation"}}, "Did you mean 'Satisfaction'?"),
        ({"model": {"items": {"CUSA9": "x"}}}, "no item 'CUSA9'"),
        ({"model": {"by": "companny"}}, "by names 'companny'"),
        ({"labels": {"Qualty": "x"}}, r"\[labels\] names 'Qualty'.*'Quality'"),
        ({"options": {"modes": {"Qualty": "B"}}}, "modes names 'Qualty'"),
        ({"data": {"dataset": "moby"}}, "no data set 'moby'"),
        ({"data": {"weights": "CUSA1x"}}, "CUSA1x"),
        ({"data": {"codebook": "nowhere.toml"}}, "nowhere.toml"),
    ],
)
def test_a_mistake_is_found_before_any_estimation(changes, said, monkeypatch):
    monkeypatch.setattr(cx.SatisfactionIndex, "fit", lambda *_, **__: pytest.fail("estimated"))
    with pytest.raises(CxError, match=said):
        cx.Study.of(mobi(**changes)).run()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"title = 'a'\nx ==\n", "line 2"),
        (b"title = 'a'\nname = 'M\xfcller'\n", "line 2 has another encoding"),
        (b"title = 'a'\nx = " + b"9" * 5000, "not valid TOML"),
        (b"x = " + b"[" * 5000, "not valid TOML"),
        (b"", "has no title"),
    ],
)
def test_a_damaged_study_file_is_named(content, said, tmp_path):
    (tmp_path / "s.toml").write_bytes(content)
    with pytest.raises(SpecError, match=said):
        cx.Study.from_toml(tmp_path / "s.toml")


def test_a_missing_study_file_is_named_with_its_neighbour(tmp_path):
    (tmp_path / "study.toml").touch()
    with pytest.raises(SpecError, match=r"Did you mean 'study\.toml'"):
        cx.Study.from_toml(tmp_path / "studdy.toml")
    with pytest.raises(SpecError, match="is a folder"):
        cx.Study.from_toml(tmp_path)
    with pytest.raises(SpecError, match="cannot be read"):
        cx.Study.from_toml(tmp_path / "study.toml" / "x")


def test_a_study_file_may_begin_with_a_byte_order_mark(tmp_path):
    text = "title = 'a'\n[data]\ndataset = 'mobi'\n[model]\nname = 'ECSI'\n"
    (tmp_path / "s.toml").write_text(text, encoding="utf-8-sig")
    assert cx.Study.from_toml(tmp_path / "s.toml").name == "s"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.csv", None, "does not exist"),
        ("empty.csv", b"", "is empty"),
        ("heads.csv", b"q1,q2\n", "no rows|no answers"),
        ("latin.csv", "q1,q2,s1,s2\n1,2,3,M\xfcller\n".encode("latin-1"), "UTF-8|encoding"),
        ("broken.sav", b"$FL2 nonsense", "SPSS"),
        ("broken.xlsx", b"PK nonsense", "Excel"),
        ("what.bin", b"1", "no kind that can be read"),
        ("x" * 300 + ".csv", None, "cannot be opened"),
        ("text.csv", b"q1,q2,s1,s2\n1,2,three,4\n2,3,four,5\n3,5,five,6\n", "s1"),
        ("far.csv", b"q1,q2,s1,s2\n" + b"".join(b"%d,%d,%d,11\n" % (i % 9 + 1, i % 7 + 1, i % 5 + 1) for i in range(40)), "s2"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_used_are_named(name, content, said, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CxError, match=said) as caught:
        study_of(tmp_path, data={"file": name}).run()
    assert "\n" not in str(caught.value)


def test_by_must_name_units(answers):
    frame = pd.read_csv(answers / "a.csv")
    frame.assign(n=1, nobody=np.nan).to_csv(answers / "a.csv", index=False)
    with pytest.raises(SpecError, match="'n', which is a column of every result"):
        study_of(answers, model={"by": "n"}).run()
    with pytest.raises(DataError, match="None of the 60 rows names a unit"):
        study_of(answers, model={"by": ["nobody"]}).run()


WORDS = ["", "x", "Quality", "Satisfaction", "mobi", "ECSI", "CUSA1", "PERQ1", "path", "\0", "a" * 3000, MODEL, "<b>"]
SCALARS = st.one_of(
    st.sampled_from(WORDS), st.text(max_size=8), st.integers(-3, 12), st.just(10**40), st.floats(), st.booleans()
)
VALUES = st.recursive(
    SCALARS,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), v, max_size=3),
    max_leaves=4,
)
SOUND = {
    "data": {
        "weights": st.sampled_from(["CUSA1", "nope"]),
        "wave": st.just("IMAG1"),
        "hierarchy": st.just(["IMAG2"]),
    },
    "model": {
        "target": st.sampled_from(["Loyalty", "Image", "nope"]),
        "scale": st.sampled_from([[1, 10], [0, 10], [2, 9]]),
        "by": st.sampled_from(["CUSA1", ["IMAG1", "IMAG2"], "nope"]),
        "items": st.just({"CUSA1": "CUSA2"}),
    },
    "options": {
        "scheme": st.sampled_from(["path", "factorial", "centroid"]),
        "missing": st.sampled_from(["mean", "listwise", "pairwise", "error"]),
        "modes": st.sampled_from([{"Quality": "B"}, {"nope": "B"}]),
        "standardize": st.booleans(),
    },
    "bootstrap": {"level": st.sampled_from([0.5, 0.999999]), "interval": st.sampled_from(["basic", "normal", "bca"])},
    "labels": {"Quality": st.text(min_size=1), "Satisfaction": st.just({"de": "Zufriedenheit"})},
}


@st.composite
def contents(draw):
    """A study that is mostly sound, with some wild values."""
    wild = draw(st.sampled_from([None, *SOUND, "top"]))
    out = dict(MOBI)
    for section, keys in SOUND.items():
        chosen = draw(st.sets(st.sampled_from(sorted(keys)), max_size=2))
        out[section] = dict(out.get(section, {})) | {k: draw(keys[k]) for k in chosen}
        if wild == section:
            out[section][draw(st.sampled_from([*keys, "replicates", "seed", "file", "text", "name", "?"]))] = draw(
                VALUES
            )
    if wild == "top":
        out[draw(st.sampled_from(["title", "name", "language", "subtitle", "data", "model", "labels", "?"]))] = draw(
            VALUES
        )
    if isinstance(out.get("bootstrap"), dict):
        out["bootstrap"] = {"replicates": 3, **out["bootstrap"]}
    return out


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(contents())
def test_any_content_runs_or_is_refused_in_one_sentence(content):
    refused = None
    try:
        found = quietly(cx.Study.of(content))
    except CxError as error:
        refused = str(error)
    if refused is None:
        assert np.isfinite(found.index.scores["index"]).all()
        json.loads(cx.report.result_json(found))
    else:
        assert refused.endswith((".", "?", ")"))
        assert "\n" not in refused
        assert len(refused) < 4000


# --- what a run gives ---------------------------------------------------------------------------------------


def test_the_mobi_study_has_the_published_index(result):
    row = result.index.scores.set_index("construct").loc["Satisfaction"]
    assert round(row["index"], 2) == 72.45
    assert round(row["se"], 2) == 0.91
    assert result.converged
    assert result.proper
    assert result.n_obs == 250
    assert "72.5" in repr(result)
    assert "Paths" in str(result)


def test_progress_tells_every_stage(answers):
    told = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        study_of(answers, model={"by": "shop"}).run(lambda *step: told.append(step))
    stages = list(dict.fromkeys(stage for stage, *_ in told))
    assert stages == ["indices and impacts", "path model", "units"]
    for stage in stages:
        assert [s for s in told if s[0] == stage][-1][1:] in {(20, 20), (3, 3)}


def test_labels_follow_the_language(answers):
    (answers / "c.toml").write_text('[items.q1]\nlabel = { en = "Fast", uk = "Швидко" }\n', encoding="utf-8")
    labels = {"Quality": {"en": "Quality seen", "uk": "Якість"}}
    own = quietly(study_of(answers, language="uk", labels=labels, data={"codebook": "c.toml"}))
    assert own.label("Quality") == "Якість"
    assert own.item_label("q1") == "Швидко"
    assert own.label("Satisfaction") == "Satisfaction"
    other = quietly(study_of(answers, language="bg", labels=labels, data={"codebook": "c.toml"}))
    assert other.label("Quality") == "Quality seen"
    assert other.item_label("q1") == "Fast"


def test_excluded_rows_weights_and_skipped_units_are_told(answers):
    found = quietly(study_of(answers, data={"weights": "w"}, model={"by": "shop"}))
    zero = int((pd.read_csv(answers / "a.csv")["w"] == 0).sum())
    assert zero > 0
    assert found.excluded.set_index("reason")["rows"].to_dict() == {"weight of zero": zero}
    assert found.provenance["rows_excluded"] == zero
    assert found.provenance["options"]["weights"] == "w"
    assert found.units.skipped["shop"].tolist() == ["tiny"]
    assert any("could not be estimated" in w for w in found.warnings)


def test_a_negative_weight_is_improper(answers):
    frame = pd.read_csv(answers / "a.csv")
    frame.assign(q2=11 - frame["q2"]).to_csv(answers / "a.csv", index=False)
    found = quietly(study_of(answers))
    assert not found.proper
    assert any("egative" in w for w in found.warnings)


# --- what stands on disk ------------------------------------------------------------------------------------


def contents_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_study_twice_is_the_same_to_the_byte(result, tmp_path):
    first = contents_of(write_study(result, tmp_path / "a"))
    second = contents_of(write_study(cx.Study.of(mobi()).run(), tmp_path / "b"))
    assert {"report.html", "result.json", "tables/indices.csv"} <= set(first)
    assert first == second


def test_nothing_is_written_outside(result, tmp_path):
    write_study(result, tmp_path / "deep" / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["deep"]
    assert [p.name for p in (tmp_path / "deep" / "out").iterdir()] == ["m"]
    assert sorted(p.name for p in (tmp_path / "deep" / "out" / "m").iterdir()) == [
        "report.html",
        "result.json",
        "tables",
    ]


def test_result_json_has_its_documented_keys_and_the_numbers_of_the_frames(result, tmp_path):
    text = (write_study(result, tmp_path) / "result.json").read_text(encoding="utf-8")
    read = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert set(read) == {"title", "target", "index", "converged", "proper", "warnings", "tables", "provenance"}
    for key in read:
        assert key in cx.report.result_json.__doc__
    assert read["index"]["index"] == pytest.approx(72.454, abs=1e-3)
    assert read["converged"] is True
    pd.testing.assert_frame_equal(pd.DataFrame(read["tables"]["paths"]), result.bootstrap.paths, check_dtype=False)
    assert read["provenance"]["bootstrap"]["seed"] == 1
    assert len(read["provenance"]["data_sha256"]) == 64


def test_tables_are_read_back_as_they_were(answers):
    pytest.importorskip("pyarrow")
    found = quietly(study_of(answers, model={"by": "shop"}))
    folder = write_study(found, answers / "out") / "tables"
    assert {p.stem for p in folder.glob("*.csv")} == set(found.frames) == {p.stem for p in folder.glob("*.parquet")}
    for name, frame in found.frames.items():
        pd.testing.assert_frame_equal(pd.read_parquet(folder / f"{name}.parquet"), frame, check_dtype=False)
    csv = pd.read_csv(folder / "unit_indices.csv")
    assert set(csv["shop"]) == {"'=SUM(A1)", "'+Nord"}
    np.testing.assert_allclose(csv["index"], found.units.scores["index"], rtol=1e-12)


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_text_of_a_csv_runs_as_a_formula(text):
    frame = neutral(pd.DataFrame({"unit": [text, "a"], "value": [-1.0, 2.0]}))
    assert frame["unit"].tolist() == [f"'{text}", "a"]
    assert frame["value"].tolist() == [-1.0, 2.0]


def test_a_folder_that_is_not_ours_is_never_replaced(result, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "thesis.docx").write_text("years of work")
    with pytest.raises(DataError, match=r"holds 'thesis\.docx'"):
        write_study(result, tmp_path)
    assert (tmp_path / "m" / "thesis.docx").read_text() == "years of work"
    (tmp_path / "n").write_text("a file")
    with pytest.raises(DataError, match="is a file"):
        check_place(tmp_path / "n")
    with pytest.raises(DataError, match="cannot be written to"):
        check_place(tmp_path / "n" / "below" / "x")


def test_a_failure_while_writing_leaves_the_earlier_results(result, tmp_path, monkeypatch):
    before = contents_of(write_study(result, tmp_path))

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    with pytest.raises(DataError, match="No space left"):
        write_study(result, tmp_path)
    assert contents_of(tmp_path / "m") == before
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


KILLED = """
import os, signal, sys
from pathlib import Path
from cxmodels.report import writing

moment, target = sys.argv[1], Path(sys.argv[2])
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
swap, rename = writing._exchange, os.rename
if moment == "before the swap":
    writing._exchange = die
elif moment == "after the swap":
    writing._exchange = lambda a, b: (swap(a, b), die())
elif moment == "between two renames":
    writing._exchange = lambda a, b: False
    writing.os.rename = lambda a, b: die() if Path(b) == target else rename(a, b)
with writing.whole_folder(target) as folder:
    for name in ("report.html", "result.json"):
        (folder / name).write_text("new")
        if moment == "while writing":
            die()
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has no signals to send")
@pytest.mark.parametrize("moment", ["while writing", "before the swap", "after the swap", "between two renames"])
def test_a_killed_run_leaves_whole_results_and_the_next_run_tidies_up(moment, tmp_path):
    target = tmp_path / "study [1]"
    target.mkdir()
    for name in ("report.html", "result.json"):
        (target / name).write_text("old")
    killed = subprocess.run([sys.executable, "-c", KILLED, moment, str(target)], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(list(tmp_path.iterdir())) > 1 or moment == "between two renames"
    if moment != "between two renames":
        assert len({p.read_text() for p in target.iterdir()}) == 1
        assert {p.name for p in target.iterdir()} == {"report.html", "result.json"}
    with pytest.raises(ZeroDivisionError), whole_folder(target):
        1 / 0  # this run dies too, after it has tidied up
    assert [p.name for p in tmp_path.iterdir()] == [target.name]
    assert {p.read_text() for p in target.iterdir()} == ({"new"} if moment == "after the swap" else {"old"})


def test_the_unfinished_folder_of_a_running_process_is_left_alone(tmp_path):
    other = tmp_path / f".m.{os.getppid()}-abc"
    other.mkdir()
    with whole_folder(tmp_path / "m") as folder:
        (folder / "report.html").write_text("x")
    assert {p.name for p in tmp_path.iterdir()} == {"m", other.name}
    assert (tmp_path / "m" / "report.html").read_text() == "x"


@pytest.mark.skipif(os.name != "posix", reason="Windows has no signals to send")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_run_ended_by_a_signal_leaves_the_earlier_results(sent, code, result, tmp_path):
    before = contents_of(write_study(result, tmp_path / "out"))
    lines = "\n".join(
        f"[{s}]\n" + "\n".join(f"{k} = {json.dumps(v)}" for k, v in MOBI[s].items()) for s in ("data", "model")
    )
    (tmp_path / "s.toml").write_text(f'title = "x"\nname = "m"\n{lines}\n[bootstrap]\nreplicates = 100000\n')
    started = (  # a shell that started this in the background had it ignore interrupts
        "import signal, sys, cxmodels.cli, cxmodels.study as s\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "run = s.Study.run\n"
        "s.Study.run = lambda self, tell=None: run(self, lambda *step: print(*step, flush=True))\n"
        "cxmodels.cli.main()\n"
    )
    command = [sys.executable, "-c", started, "study", str(tmp_path / "s.toml"), "--out", str(tmp_path / "out")]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout.readline().startswith("indices and impacts")
    run.send_signal(sent)
    _, said = run.communicate()
    assert run.returncode == code
    assert "Traceback" not in said
    assert contents_of(tmp_path / "out" / "m") == before
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["m"]
