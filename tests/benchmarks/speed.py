"""The ECSI model on mobi, against seminr's Python port: the answers are compared first, then the times."""

import json
import os
import platform
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import cxmodels as cx

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-peers"
PEER = "seminr==0.2.1"
REPLICATES = 1000
# seminr stops at weight changes of 1e-7; standard errors of two bootstraps of 1,000 differ by a few percent
PATH_TOLERANCE, SE_TOLERANCE = 1e-6, 0.15


def seconds(action: Callable[[], Any], times: int) -> list[float]:
    """Processor time of each of some runs, after one to warm up: with one thread the wall time of an idle machine."""
    return _timed(action, times, time.process_time)


def _timed(action: Callable[[], Any], times: int, clock: Callable[[], float]) -> list[float]:
    action()
    out = []
    for _ in range(times):
        start = clock()
        action()
        out.append(clock() - start)
    return out


def peer_python() -> Path:
    """The interpreter of the peers' own environment, made when first needed."""
    python = PEERS / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (PEERS / PEER).exists():
        print(f"installing {PEER} into {PEERS.name}/", flush=True)
        venv.create(PEERS, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEER, "pandas"], check=True)
        (PEERS / PEER).touch()
    return python


def ask_peer(points: int, boots: int) -> dict[str, Any]:
    """Answers and times of the peer."""
    job = {
        "data": str(ROOT / "datasets" / "mobi" / "mobi.csv"),
        "measures": cx.acsi.ECSI.measures,
        "paths": cx.acsi.ECSI.paths,
        "replicates": REPLICATES,
        "points": points,
        "boots": boots,
    }
    script = Path(__file__).parent / "peer_seminr.py"
    # threads cost a peer more than they give on matrices this small, so it gets the cap that we set ourselves
    settings = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(
        [peer_python(), script], input=json.dumps(job), env=settings, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def read_out(boot: Any) -> tuple[Any, ...]:
    """Everything a user looks at after a bootstrap."""
    return boot.weights, boot.loadings, boot.paths, boot.r_squared, boot.effects, boot.htmt


def startup(*arguments: str, times: int = 9) -> list[float]:
    """Wall times of a fresh interpreter, in seconds."""
    command = [sys.executable, *arguments]
    return _timed(lambda: subprocess.run(command, check=True, capture_output=True), times, time.perf_counter)


def compare(ours: Any, peer: dict[str, Any]) -> None:
    """Stop unless both programs give the same answers."""
    boot = ours.bootstrap(REPLICATES, seed=1)
    frame = boot.paths.set_index(["predictor", "outcome"]).loc[list(cx.acsi.ECSI.paths)]
    paths = np.abs(frame["est"].to_numpy() - peer["paths"]).max()
    errors = np.abs(frame["se"].to_numpy() / peer["se"] - 1).max()
    print(f"answers: largest difference of a path {paths:.1e}, of a standard error {errors:.1%}")
    if paths > PATH_TOLERANCE or errors > SE_TOLERANCE:
        sys.exit("The two programs disagree, so their times say nothing.")


def run() -> None:
    """Print the table."""
    spec, data = cx.PLS(cx.acsi.ECSI.syntax), cx.datasets.load("mobi")
    res = spec.fit(data)
    peer = ask_peer(points=30, boots=3)
    compare(res, peer)
    rows: list[tuple[str, list[float], list[float], str]] = [
        ("point estimate", seconds(lambda: spec.fit(data), 500), peer["point"], "2 ms"),
        (
            f"bootstrap, {REPLICATES:,}, all read out",
            seconds(lambda: read_out(res.bootstrap(REPLICATES, seed=1)), 9),
            peer["bootstrap"],
            "a tenth",
        ),
        (
            "bootstrap, 5,000, all read out",
            seconds(lambda: read_out(res.bootstrap(5000, seed=1)), 3),
            [],
            "about 1 s",
        ),
        ("python -c pass", startup("-c", "pass"), [], ""),
        ("import cxmodels", startup("-c", "import cxmodels"), [], "0.5 s"),
        ("cxmodels --help", startup("-m", "cxmodels.cli", "--help"), [], "0.7 s"),
    ]
    load = f", load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors" if hasattr(os, "getloadavg") else ""
    print(f"\n{platform.machine()}, {platform.system()}{load}; medians of several runs, in brackets the fastest")
    print("Processor time of one process with one BLAS thread; wall time for the starts of an interpreter")
    versions = ", ".join(f"{p} {version(p)}" for p in ("numpy", "pandas", "scipy"))
    print(f"Python {platform.python_version()}, {versions}; peer seminr {peer['version']}\n")
    print(f"{'ECSI on mobi (250 rows, 24 items)':<34}{'cxmodels':>22}{'seminr':>24}{'ratio':>8}   wanted")
    for name, own, other, wanted in rows:
        ratio = f"{median(own) / median(other):.3f}" if other else ""
        print(f"{name:<34}{shown(own):>22}{shown(other):>24}{ratio:>8}   {wanted}")


def shown(times: list[float]) -> str:
    """Median and fastest in milliseconds."""
    return f"{median(times) * 1000:.1f} ({min(times) * 1000:.1f}) ms" if times else ""
