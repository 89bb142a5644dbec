"""Driver analysis: times against what is wanted and against shapiq's exact Shapley values, answers compared first."""

import json
import os
import platform
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import cxmodels as cx

from .saved import keep

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-peers-drivers"
PEER = "shapiq==1.4.1"
ROWS = 10_000
FIRST = """
import sys, time, json
import pandas as pd
import cxmodels.drivers
frame = pd.read_pickle(sys.argv[1])
names = [c for c in frame if c != "y"]
wall, cpu = time.perf_counter(), time.process_time()
res = cxmodels.drivers.Drivers("y", names).fit(frame)
res.importance, res.dominance.conditional
print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]))
"""


def ratings(p: int, rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Collinear ratings on 1-10 and an outcome."""
    rng = np.random.default_rng(seed)
    x = np.clip(np.round(7 + 1.2 * rng.normal(size=(rows, p)) + 1.5 * rng.normal(size=(rows, 1))), 1, 10)
    y = np.clip(np.round(x[:, :5].mean(axis=1) + rng.normal(size=rows)), 1, 10)
    return pd.DataFrame(x, columns=[f"q{i}" for i in range(p)]).assign(y=y)


def names(frame: pd.DataFrame) -> list[str]:
    """The attributes."""
    return [c for c in frame if c != "y"]


def first_call(p: int, folder: Path) -> tuple[float, float]:
    """Wall and processor time of the first analysis in a fresh process, best of three processes."""
    path = folder / f"ratings{p}.pkl"
    ratings(p).to_pickle(path)
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", FIRST, path], capture_output=True, text=True, check=True, cwd=ROOT
        )
        runs.append(json.loads(done.stdout))
    return min(r[0] for r in runs), min(r[1] for r in runs)


def once(action: Callable[[], Any]) -> tuple[float, float]:
    """Wall and processor time of one run."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - cpu


def ask_peer(sizes: list[int]) -> dict[str, Any]:
    """Shapley values and times of the peer, with R² as its game."""
    python = PEERS / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (PEERS / PEER).exists():
        print(f"installing {PEER} into {PEERS.name}/", flush=True)
        venv.create(PEERS, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEER], check=True)
        (PEERS / PEER).touch()
    job = {p: np.corrcoef(ratings(p).to_numpy().T).tolist() for p in sizes}
    settings = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    script = Path(__file__).parent / "peer_shapiq.py"
    done = subprocess.run(
        [python, script], input=json.dumps(job), env=settings, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def run() -> None:
    """Print the table, and keep what has a peer."""
    import tempfile

    sizes = [10, 15]
    peer = ask_peer(sizes)
    for p in sizes:
        own = cx.Drivers("y", names(ratings(p))).fit(ratings(p)).importance["importance"].to_numpy()
        gap = np.abs(own - peer["values"][str(p)]).max()
        print(f"answers, {p} attributes: largest difference {gap:.1e}")
        if gap > 1e-9:
            sys.exit("The two programs disagree, so their times say nothing.")
    ten, logit = ratings(10), ratings(12, 5000)
    logit["y"] = (logit["y"] >= 8).astype(int)
    res = cx.Drivers("y", names(ten)).fit(ten)
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            (
                f"Shapley and conditional dominance, p = {p}",
                first_call(p, Path(folder)),
                peer["seconds"].get(str(p)),
                wanted,
            )
            for p, wanted in ((10, ""), (15, "0.05 s"), (20, "0.5 s"), (25, "5 s"))
        ]
    rows.append(("1,000 bootstraps, p = 10", once(lambda: res.bootstrap(1000, seed=1).importance), None, "1.5 s"))
    spec = cx.Drivers("y", names(logit), family="logit")
    rows.append(("logit Shapley, p = 12, n = 5,000", once(lambda: spec.fit(logit)), None, "10 s"))
    load = f", load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors" if hasattr(os, "getloadavg") else ""
    print(
        f"\n{platform.machine()}, {platform.system()}{load}; {ROWS:,} rows; first call of a fresh process, imports done"
    )
    print(
        f"Python {platform.python_version()}, numpy {np.__version__}; peer shapiq {peer['version']}, R² as its game\n"
    )
    print(f"{'':<46}{'wall':>10}{'processor':>11}{'shapiq':>10}   wanted")
    for name, (wall, cpu), other, wanted in rows:
        print(f"{name:<46}{wall:>8.3f} s{cpu:>9.3f} s{f'{other:8.2f} s' if other else '':>10}   {wanted}")
    by = f"shapiq {peer['version']}"
    keep(
        "drivers_speed",
        "speed",
        [
            {"job": f"Drivers, {name}", "peer": by, "seconds": cpu, "peer_seconds": other}
            for name, (_, cpu), other, _ in rows
            if other
        ],
    )
