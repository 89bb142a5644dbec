"""Every command that writes, killed at each file it opens and at each renaming: what stood there before stands there whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import cxmodels as cx

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL and fork")

# Runs a command in a fork of itself, which kills itself at the k-th event on a file below the folder; prints which k it
# died at, and at last how the command ends unharmed. After each death the check of the caller is run in another fork.
HARNESS = """
import json, os, signal, sys
folder, command, check, step = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3], int(sys.argv[4])
import cxmodels, cxmodels.cli, cxmodels.cli_churn, cxmodels.churn, pandas, pyarrow.parquet, sklearn.ensemble

def forked(job):
    child = os.fork()
    if not child:
        try:
            code = job() or 0
        except SystemExit as end:
            code = end.code or 0
        except BaseException as error:
            print(type(error).__name__, error, flush=True)
            code = 99
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def run(limit):
    seen = 0
    def hook(event, args):
        nonlocal seen
        if event in ("open", "os.rename") and str(args[0]).startswith(folder):
            writes = event == "os.rename" or (isinstance(args[1], str) and any(c in args[1] for c in "wax+"))
            seen += writes
            if writes and seen == limit:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    sys.argv = ["cxmodels", *command]
    return cxmodels.cli.main()

died = []
for limit in range(1, 1000, step):
    code = forked(lambda: run(limit))
    if code != -signal.SIGKILL:
        break
    died.append(limit)
    after = forked(lambda: exec(check, {}))
    if after:
        print(json.dumps({"died": died, "broken": limit, "after": after}))
        raise SystemExit(1)
print(json.dumps({"died": len(died), "code": code}))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A model and its data."""
    folder = tmp_path_factory.mktemp("killed")
    data = cx.datasets.load("telco").head(700).reset_index(names="customer")
    data.to_csv(folder / "data.csv", index=False)
    model = cx.Churn(candidates=["linear"], folds=2).fit(data.drop(columns=["churn", "customer"]), data["churn"])
    model.save(folder / "model.json")
    return folder


def killed(place, out, command, check, step=1):
    """Run a command and kill it at each (or each k-th) file that it writes below `out`; how many deaths there were."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", HARNESS, str(out), json.dumps(command), check, str(step)],
        capture_output=True, text=True, env=environment, cwd=place, timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    last = json.loads(run.stdout.strip().splitlines()[-1])
    assert last["code"] == 0, run.stdout + run.stderr
    assert last["died"] >= 1
    return last["died"]


SCORE = ["churn", "score", "model.json", "data.csv", "OUT", "--id", "customer", "--as-of", "2026-03-31", "--horizon", "90",
         "--value", "100"]  # fmt: skip


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
def test_scores_are_whole_or_the_old_ones(place, name, tmp_path):
    out = tmp_path / name
    old = pd.DataFrame({"customer": [1, 2], "score": [0.1, 0.2]})
    read, write = ("read_csv", "to_csv") if name.endswith("csv") else ("read_parquet", "to_parquet")
    getattr(old, write)(out, index=False)
    check = f"import pandas as pd; assert pd.{read}({str(out)!r}).equals(pd.DataFrame({old.to_dict('list')!r}))"
    killed(place, tmp_path, [str(out) if x == "OUT" else x for x in SCORE], check)
    assert len(getattr(pd, read)(out)) > 500
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == [name]


def test_a_trained_model_is_whole_or_the_old_one(place, tmp_path):
    out = tmp_path / "churn.json"
    out.write_bytes((place / "model.json").read_bytes())
    before = json.loads(out.read_text())["checksum"]
    check = f"import json, cxmodels as cx; cx.churn.load({str(out)!r}); assert json.load(open({str(out)!r}))['checksum'] == {before!r}"
    command = [
        "churn",
        "train",
        "data.csv",
        "--label",
        "churn",
        "--id",
        "customer",
        "--out",
        str(out),
        "--candidate",
        "linear",
    ]
    killed(place, tmp_path, command, check)
    assert json.loads(out.read_text())["checksum"] != before
    cx.churn.load(out)


def test_a_table_of_drift_is_whole_or_the_old_one(place, tmp_path):
    out = tmp_path / "drift.csv"
    out.write_text("old")
    check = f"assert open({str(out)!r}).read() == 'old'"
    killed(place, tmp_path, ["churn", "monitor", "model.json", "data.csv", "--out", str(out)], check)
    assert len(pd.read_csv(out)) > 3


def test_a_study_is_whole_or_the_old_one(place, tmp_path):
    study = Path(cx.datasets.__file__).parents[1] / "datasets" / "mobi" / "study.toml"
    folder = tmp_path / "mobi"
    folder.mkdir()
    (folder / "result.json").write_text("old")
    check = f"import os; assert os.listdir({str(folder)!r}) == ['result.json'] and open({str(folder / 'result.json')!r}).read() == 'old'"
    small = place / "study.toml"
    small.write_text(study.read_text("utf-8").replace("replicates = 5000", "replicates = 20"), "utf-8")
    killed(place, tmp_path, ["study", "run", str(small), "--out", str(tmp_path)], check, step=9)
    assert (folder / "report.html").exists()
