"""Writing killed at every file it opens and at every renaming: what stood there before must stand there whole."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# Runs each job in a fork of itself, which kills itself at the k-th event on a file below the folder, for every k. After each
# death the check of the job is run in another fork. Says how often each job died, and at last how it ends unharmed.
HARNESS = """
import json, os, signal, sys
folder, told = sys.argv[1], json.load(sys.stdin)
shared = {}
exec(told["setup"], shared)

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

def run(code, limit):
    seen = 0
    def hook(event, args):
        nonlocal seen
        if event in ("open", "os.rename") and str(args[0]).startswith(folder):
            writes = event == "os.rename" or (isinstance(args[1], str) and any(c in args[1] for c in "wax+"))
            seen += writes
            if writes and seen == limit:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    exec(code, dict(shared))

def told_of(code, check, step=1):
    died = 0
    for limit in range(1, 1000, step):
        end = forked(lambda: run(code, limit))
        if end != -signal.SIGKILL:
            return {"died": died, "end": end}
        died += 1
        if after := forked(lambda: exec(check, {})):
            return {"died": died, "end": end, "broken": limit, "after": after}

print(json.dumps({name: told_of(*job) for name, job in told["jobs"].items()}))
"""
COMMANDS = "import sys, cxmodels.cli, cxmodels.cli_churn, cxmodels.churn, pandas, pyarrow.parquet, sklearn.ensemble"


def killed(
    place: Path, out: Path, jobs: dict[str, tuple[str, str] | tuple[str, str, int]], setup: str = COMMANDS
) -> dict[str, dict[str, Any]]:
    """Run jobs (code, check, step 1) from `place` and kill them at each (or each step-th) file that they write below `out`."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", HARNESS, str(out)], input=json.dumps({"setup": setup, "jobs": jobs}),
        capture_output=True, text=True, env=environment, cwd=place, timeout=400, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    told = json.loads(run.stdout.strip().splitlines()[-1])
    for name, found in told.items():
        assert "broken" not in found, (name, found, run.stdout, run.stderr)
        assert found["end"] == 0, (name, found, run.stdout, run.stderr)
        assert found["died"] >= 1, name
    return told


def command(*words: str) -> str:
    """Code that runs a command of the package."""
    return f"sys.argv = {['cxmodels', *words]!r}; cxmodels.cli.main()"
