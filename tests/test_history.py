"""The history of a study: waves come back as written, a re-run replaces at one stroke, a kill leaves the last good state."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pandas as pd
import pytest

from cxmodels.errors import DataError, SpecError
from cxmodels.history import History

from .postgres import server


def frames(seed, companies=5):
    rng = np.random.default_rng(seed)
    names = [f"Company {i}" for i in range(companies)]
    return {
        "scores": pd.DataFrame(
            {"company": names, "index": rng.normal(70, 5, companies), "n": rng.integers(50, 300, companies)}
        ),
        "notes": pd.DataFrame({"company": names[:2], "flag": ["=1+1", None], "good": [True, False]}),
    }


def check(history):
    assert history.write(2024, frames(1), {"seed": 1, "hash": "abc"}) == 1
    assert history.write(2025, frames(2)) == 2
    back = history.read("scores")
    wanted = pd.concat([frames(1)["scores"].assign(wave="2024"), frames(2)["scores"].assign(wave="2025")])
    pd.testing.assert_frame_equal(back[wanted.columns], wanted.reset_index(drop=True), check_dtype=False)
    assert history.write(2024, frames(3)) == 3
    again = history.read("scores", [2024])
    np.testing.assert_array_equal(again["index"], frames(3)["scores"]["index"])
    np.testing.assert_array_equal(history.read("scores", run=1)["index"], frames(1)["scores"]["index"])
    runs = history.runs()
    assert runs.run.tolist() == [3, 2]
    assert runs.wave.tolist() == ["2024", "2025"]
    assert history.runs(all_runs=True).provenance[0] == {"hash": "abc", "seed": 1}
    assert history.read("notes", ["2025"]).flag.tolist()[0] == "=1+1"
    grown = frames(4)
    grown["scores"]["industry"] = "Retail"
    history.write(2026, grown)
    everything = history.read("scores")
    assert everything.industry.isna().sum() == 10
    assert everything.wave.tolist() == ["2024"] * 5 + ["2025"] * 5 + ["2026"] * 5


def test_a_duckdb_file_keeps_every_wave(tmp_path):
    check(History(tmp_path / "study.duckdb"))


def test_sqlite_keeps_every_wave(tmp_path):
    check(History(f"sqlite:///{tmp_path / 'study.db'}"))


def test_postgresql_keeps_every_wave():
    with server() as url:
        check(History(url))


def test_two_studies_share_a_file(tmp_path):
    one, other = (History(tmp_path / "s.duckdb", study=k) for k in ("phones", "banks"))
    one.write(1, frames(1))
    other.write(1, frames(2))
    assert len(one.read("scores")) == len(other.read("scores")) == 5
    assert one.read("scores")["index"][0] != other.read("scores")["index"][0]


WRITER = """
import sys
import pandas as pd
from cxmodels.history import History
history = History(sys.argv[1])
wave = 0
while True:
    wave += 1
    history.write("w", {"scores": pd.DataFrame({"value": [float(wave)] * 20000})}, {"value": wave})
    print(wave, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGKILL")
def test_a_killed_run_leaves_the_last_complete_wave(tmp_path):
    chance = random.Random(1)
    path = tmp_path / "study.duckdb"
    script = tmp_path / "writer.py"
    script.write_text(textwrap.dedent(WRITER))
    for _ in range(4):
        process = subprocess.Popen([sys.executable, script, path], stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline().strip() == "1"
        time.sleep(chance.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        history = History(path)
        found = history.read("scores")
        last = history.runs().provenance[0]["value"]
        assert len(found) == 20_000
        assert set(found.value) == {last}


def test_bad_histories_are_refused(tmp_path):
    history = History(tmp_path / "study.duckdb")
    with pytest.raises(DataError, match="no file"):
        history.read("scores")
    history.write(1, frames(1))
    with pytest.raises(DataError, match="Did you mean 'scores'"):
        history.read("score")
    with pytest.raises(DataError, match="no wave '2'"):
        history.read("scores", [2])
    with pytest.raises(SpecError, match="nothing to write"):
        history.write(1, {})
    with pytest.raises(SpecError, match="'wave'"):
        history.write(1, {"scores": pd.DataFrame({"wave": [1]})})
    with pytest.raises(SpecError, match="plain word"):
        history.write(1, {"a b": pd.DataFrame({"x": [1]})})
    with pytest.raises(DataError, match="nothing was written"):
        history.write(2, {"notes": frames(1)["notes"], "scores": pd.DataFrame({"index": ["text"]})})
    assert history.runs().wave.tolist() == ["1"]
    assert len(history.read("notes")) == 2
    with pytest.raises(SpecError, match="no database"):
        History(tmp_path / "study.xlsx").runs()
    (tmp_path / "bad.duckdb").write_text("x" * 5000)
    with pytest.raises(DataError, match="cannot be opened"):
        History(tmp_path / "bad.duckdb").runs()
    assert "secret" not in repr(History("postgresql+pg8000://ann:secret@host/db"))
