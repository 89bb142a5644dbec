"""A benchmark study from its file to the disk: history, killed runs, workers near and far."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import cxmodels as cx
from cxmodels import resampling
from cxmodels.cli import app
from cxmodels.errors import CxWarning, DataError, EstimationError, SpecError
from cxmodels.history import History
from cxmodels.resampling import run_tasks

STUDY = """
title = "Small nation"
name = "small"

[data]
file = "answers.csv"
codebook = "codebook.toml"
weights = "weight"
wave = "year"

[model]
name = "ACSI"

[units]
by = "company"
levels = ["industry", "sector", "nation"]
weights = { industry = "revenue", sector = "revenue", nation = "gdp_share" }
facts = "revenue.csv"
minimum_n = 35
small = ["pool", "shrink"]
respondent = "respondent"

[bootstrap]
replicates = 10
seed = 3

[history]
target = "out/history.duckdb"
"""
TEN = 'scale = [1, 10]\nlabel = "{}"\n'
needs_posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGKILL")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study on disk: 14 companies, one of them small, revenues in a file of their own."""
    place = tmp_path_factory.mktemp("nation")
    data, _ = cx.datasets.simulate_study(companies=14, respondents=40, seed=4)
    within = data.groupby(["company", "year"]).cumcount()
    data = data[(data.company != "Company 03") | (within < 30)]
    data.drop(columns="revenue").to_csv(place / "answers.csv", index=False)
    data[data.company < "Company 04"].to_csv(place / "few.csv", index=False)
    data.drop_duplicates(["company", "year"])[["company", "year", "revenue"]].to_csv(
        place / "revenue.csv", index=False
    )
    scales = {"complaint": (0, 1), "tolerance_up": (0, 25), "tolerance_down": (0, 25)}
    items = [c for c in data.columns[6:21] if c != "weight"]
    book = "".join(f"[items.{c}]\nscale = {list(scales.get(c, (1, 10)))}\n" for c in items)
    (place / "codebook.toml").write_text(book)
    (place / "study.toml").write_text(STUDY)
    return place


def study(folder, **changes):
    content = cx.Study.from_toml(folder / "study.toml")
    parts = {k: {**getattr(content, k), **v} for k, v in changes.items()}
    return cx.Study(**{**{f: getattr(content, f) for f in content.__dataclass_fields__}, **parts})


def alone(folder, **changes):
    """The study without its history."""
    made = study(folder, **changes)
    made.history.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        return made.run()


@pytest.fixture(scope="module")
def once(folder):
    return alone(folder)


def same(one, other):
    for name, frame in one.frames.items():
        pd.testing.assert_frame_equal(frame, other.frames[name], check_exact=True, obj=name)


def test_the_command_runs_writes_and_keeps_and_a_second_run_replaces(folder, tmp_path, once):
    file, out = str(folder / "study.toml"), str(tmp_path)
    checked = CliRunner().invoke(app, ["study", "check", file])
    assert checked.exit_code == 0, checked.output
    assert "2024  550 rows, 14 company, 2 industry, 1 sector; 1 below minimum_n" in checked.output
    done = CliRunner().invoke(app, ["study", "run", file, "--out", out, "--quiet"])
    assert done.exit_code == 0, done.output
    assert "Index of Satisfaction, nation 2025" in done.output
    told = json.loads((tmp_path / "small" / "result.json").read_text())
    assert told["title"] == "Small nation"
    assert len(pd.read_csv(tmp_path / "small" / "tables" / "scores.csv")) == len(once.scores)
    history = History(folder / "out" / "history.duckdb", "small")
    assert history.runs().wave.tolist() == ["2024", "2025"]
    back = history.read("scores", [2025])
    assert (back["index"].to_numpy() == once.scores.loc[once.scores.wave == 2025, "index"].to_numpy()).all()
    assert set(history.read("changes").wave) == {"2025"}
    assert history.runs().provenance[1]["options"]["minimum_n"] == 35
    once.keep(history)
    assert history.runs(all_runs=True).wave.tolist().count("2025") == 2
    pd.testing.assert_frame_equal(history.read("scores", [2025]), back)


def test_the_shipped_national_study_is_in_order():
    made = cx.Study.from_toml(Path(__file__).parents[1] / "datasets" / "simulated_nation" / "study.toml")
    assert made.check()[0].startswith("2024  76600 rows, 400 company, 40 industry, 10 sector; 20 below minimum_n")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"units": {"weigths": "revenue"}}, "unknown key 'weigths' in .units.. Did you mean 'weights'"),
        ({"units": {"small": "poool"}}, "one of 'skip', 'pool', 'shrink'"),
        ({"units": {"minimum_n": 2.5}}, "whole number"),
        ({"units": {"weights": {}}}, "a column, or a table"),
        ({"units": {"waves": [2024, 2024]}}, "different waves"),
        ({"units": {"levels": []}}, "levels"),
        ({"histry": {"target": "x"}}, "unknown section"),
        ({"history": {}}, "needs 'target'"),
        ({"cluster": {"adress": "x"}}, "Did you mean 'address'"),
        ({"units": None, "history": {"target": "x.duckdb"}}, "goes with .units."),
        ({"model": {"by": "company"}}, "both by .model. and by .units."),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(section, said):
    content = {"title": "T", "data": {"dataset": "simulated_study"}, "model": {"name": "ACSI"}}
    content |= {"units": {"by": "company"}}
    for key, value in section.items():
        content[key] = {**content.get(key, {}), **(value or {})}
        if value is None:
            del content[key]
    with pytest.raises(SpecError, match=said) as caught:
        cx.Study.of(content)
    assert "\n" not in str(caught.value)


def test_a_history_that_cannot_be_kept_stops_the_run_before_it_begins(folder, tmp_path):
    with pytest.raises(SpecError, match="no database"):
        study(folder, history={"target": "history.xlsx"}).run()
    (tmp_path / "bad.duckdb").write_text("x" * 5000)
    with pytest.raises(DataError, match="cannot be opened"):
        study(folder, history={"target": str(tmp_path / "bad.duckdb")}).run()


KILLED = """
title = "Killed"

[data]
file = "few.csv"
wave = "year"

[model]
text = "Quality =~ overall_quality + quality_custom; Satisfaction =~ satisfaction + ideal; Satisfaction ~ Quality"
scale = [1, 10]

[units]
by = "company"
levels = "industry"

[bootstrap]
replicates = 10

[history]
target = "out/killed.duckdb"
"""
KILLER = """
import json, os, random, signal, sys, time, warnings
from multiprocessing import get_context
import cxmodels as cx
from cxmodels.errors import CxError
from cxmodels.history import History
warnings.simplefilter("ignore")
study = cx.Study.from_toml(sys.argv[1])
history = History(study.folder / study.history["target"], study.name)
began = time.monotonic()
study.run()
span = time.monotonic() - began
whole = {w: history.read("scores", [w])["index"].tolist() for w in ("2024", "2025")}
chance, found = random.Random(1), []
for _ in range(10):
    child = os.fork()
    if not child:
        study.run()
        os._exit(0)
    time.sleep(span * (0.2 + 0.85 * chance.random()))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found.append({w: history.read("scores", [w])["index"].tolist() == whole[w] for w in whole})
study.run()
same = {w: history.read("scores", [w])["index"].tolist() == whole[w] for w in whole}
print(json.dumps({"killed": found, "after": same, "runs": len(history.runs(all_runs=True))}))
"""


@needs_posix
def test_a_run_killed_at_ten_moments_leaves_the_last_complete_waves(folder, tmp_path):
    (folder / "killed.toml").write_text(KILLED)
    script = tmp_path / "killer.py"
    script.write_text(textwrap.dedent(KILLER))
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script, folder / "killed.toml"], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert all(all(state.values()) for state in told["killed"])
    assert len(told["killed"]) == 10
    assert all(told["after"].values())


# --- workers ------------------------------------------------------------------------------------------------


def test_two_workers_give_the_same_bits(folder, once):
    same(once, alone(folder, bootstrap={"workers": 2}))


@pytest.mark.filterwarnings("ignore")  # the cluster's own machinery
@needs_posix
def test_a_cluster_gives_the_same_bits_though_a_worker_is_killed(folder, once):
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, processes=True
    )
    with cluster:
        made = study(folder, cluster={"address": cluster.scheduler_address})
        made.history.clear()
        victims = [cluster.workers[0].pid]

        def kill_one(stage, done, total):
            if victims and done == 2:
                os.kill(victims.pop(), signal.SIGKILL)

        result = made.run(kill_one)
        assert not victims
    same(once, result)


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_does_not_answer_is_named(folder):
    pytest.importorskip("distributed")
    made = study(folder, cluster={"address": "tcp://127.0.0.1:9"})
    made.history.clear()
    with pytest.raises(DataError, match=r"No Dask scheduler answers at 'tcp://127\.0\.0\.1:9'"):
        made.run()


def dies_once(number, marker, _):
    if number == 3 and not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number**2


def dies(number, marker, _):
    os.kill(os.getpid(), signal.SIGKILL)


@needs_posix
@pytest.mark.filterwarnings("ignore")  # joblib says that a worker stopped
def test_work_of_a_killed_process_is_given_out_again(tmp_path, monkeypatch):
    tasks = [(k, str(tmp_path / "died"), (0,)) for k in range(6)]
    assert run_tasks(dies_once, tasks, 2, None, 6) == [k**2 for k in range(6)]
    assert (tmp_path / "died").exists()
    monkeypatch.setattr(resampling, "_ATTEMPTS", 1)
    with pytest.raises(EstimationError, match="killed 1 times"):
        run_tasks(dies, tasks, 2, None, 6)
