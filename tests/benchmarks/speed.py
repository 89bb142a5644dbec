"""Path models on mobi, against seminr's Python port: the answers are compared first, then the times."""

import json
import os
import platform
import subprocess
import sys
import time
import venv
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import cxmodels as cx

from .saved import keep

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-peers"
PEER = "seminr==0.2.1"
REPLICATES = 1000
# seminr stops at weight changes of 1e-7; quartiles of two bootstraps of 1,000 differ by some percent
PATH_TOLERANCE, SPREAD_TOLERANCE = 1e-6, 0.25
ECSI = {"measures": cx.acsi.ECSI.measures, "paths": list(cx.acsi.ECSI.paths)}
# PLSc of all of ECSI is improper, so a part of it
PART = {k: ECSI["measures"][k] for k in ("Image", "Value", "Satisfaction", "Complaints")}
DIMENSIONS = {k: ECSI["measures"][k] for k in ("Image", "Value", "Quality", "Satisfaction", "Loyalty")}
CASES: dict[str, dict[str, Any]] = {
    "ECSI": ECSI,
    "interaction": {**ECSI, "paths": [*ECSI["paths"], ("Image:Satisfaction", "Loyalty")], "products": [("Image", "Satisfaction")]},
    "higher order": {
        "measures": DIMENSIONS,
        "higher": {"Perception": ["Image", "Value", "Quality"]},
        "paths": [("Perception", "Satisfaction"), ("Satisfaction", "Loyalty"), ("Perception", "Loyalty")],
    },
    "PLSc": {
        "measures": PART,
        "paths": [("Image", "Value"), ("Value", "Satisfaction"), ("Image", "Satisfaction"), ("Satisfaction", "Complaints")],
        "reflective": True,
    },
}  # fmt: skip


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
    """Answers and times of the peer for every case."""
    common = {"data": str(ROOT / "datasets" / "mobi" / "mobi.csv"), "higher": {}, "products": [], "reflective": False}
    common |= {"replicates": REPLICATES, "points": points, "boots": boots}
    script = Path(__file__).parent / "peer_seminr.py"
    # threads cost a peer more than they give on matrices this small, so it gets the cap that we set ourselves
    settings = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    jobs = json.dumps({name: {**common, **case} for name, case in CASES.items()})
    done = subprocess.run(
        [peer_python(), script], input=jobs, env=settings, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def spec_of(case: dict[str, Any]) -> cx.PLS:
    """Our model of a case."""
    blocks = {**case["measures"], **case.get("higher", {})}
    lines = [f"{name} =~ {' + '.join(items)}" for name, items in blocks.items()]
    lines += [f"{y} ~ {x}" for x, y in case["paths"]]
    return cx.PLS("\n".join(lines), consistent=case.get("reflective", False))


def read_out(boot: Any) -> tuple[Any, ...]:
    """Everything a user looks at after a bootstrap."""
    return boot.weights, boot.loadings, boot.paths, boot.r_squared, boot.effects, boot.htmt


def startup(*arguments: str, times: int = 9) -> list[float]:
    """Wall times of a fresh interpreter, in seconds."""
    command = [sys.executable, *arguments]
    return _timed(lambda: subprocess.run(command, check=True, capture_output=True), times, time.perf_counter)


def compare(name: str, ours: Any, peer: dict[str, Any]) -> None:
    """Stop unless both programs give the same answers."""
    boot = ours.bootstrap(REPLICATES, seed=1)
    order = boot.paths.set_index(["predictor", "outcome"])
    rows = [order.index.get_loc(tuple(path)) for path in CASES[name]["paths"]]
    paths = np.abs(boot.paths["est"].to_numpy()[rows] - peer["paths"]).max()
    draws = boot.draws("paths").to_numpy()[:, rows]
    spread = np.abs(np.diff(np.quantile(draws, [0.25, 0.75], axis=0), axis=0)[0] / peer["spread"] - 1).max()
    print(f"answers, {name}: largest difference of a path {paths:.1e}, of a range of quartiles {spread:.1%}")
    if paths > PATH_TOLERANCE or spread > SPREAD_TOLERANCE:
        sys.exit("The two programs disagree, so their times say nothing.")


Row = tuple[str, list[float], list[float], str]


def own_rows(ours: dict[str, Any]) -> list[Row]:
    """What no peer does, with the bars set for it."""
    res = ours["ECSI"]
    half = np.arange(250) % 2
    data, weights = cx.datasets.load("mobi"), np.random.default_rng(0).uniform(0.5, 2, 250)
    weighted = res.spec.fit(data, weights=weights)
    return [
        (
            "bootstrap, 5,000, all read out",
            seconds(lambda: read_out(res.bootstrap(5000, seed=1)), 3),
            [],
            "about 1 s",
        ),
        (
            "the same with case weights",
            seconds(lambda: read_out(weighted.bootstrap(5000, seed=1)), 3),
            [],
            "< 20 % more",
        ),
        ("PLSpredict, 10 x 10 folds", seconds(lambda: res.predict_oos(10, 10, seed=1).tables(), 3), [], "1 s"),
        ("MGA and MICOM, 1,000 permutations", seconds(lambda: res.groups(half, 1000, seed=1).tables(), 3), [], "2 s"),
        ("PLS-POS, 2 segments, 6 starts", seconds(lambda: res.pos(2, seed=1), 1), [], ""),
    ]


def run() -> None:
    """Print the table, and keep what has a peer."""
    warnings.simplefilter("ignore", cx.CxWarning)
    data = cx.datasets.load("mobi")
    specs = {name: spec_of(case) for name, case in CASES.items()}
    ours = {name: spec.fit(data) for name, spec in specs.items()}
    peer = ask_peer(points=30, boots=2)
    for name in CASES:
        compare(name, ours[name], peer[name])
    rows: list[Row] = [
        ("point estimate", seconds(lambda: specs["ECSI"].fit(data), 500), peer["ECSI"]["point"], "2 ms")
    ]
    for name in CASES:
        times = seconds(lambda name=name: read_out(ours[name].bootstrap(REPLICATES, seed=1)), 7)
        rows.append((f"bootstrap, {REPLICATES:,}: {name}", times, peer[name]["bootstrap"], "a tenth"))
    rows += own_rows(ours)
    rows += [
        ("python -c pass", startup("-c", "pass"), [], ""),
        ("import cxmodels", startup("-c", "import cxmodels"), [], "0.5 s"),
        ("cxmodels --help", startup("-m", "cxmodels.cli", "--help"), [], "0.7 s"),
    ]
    load = f", load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors" if hasattr(os, "getloadavg") else ""
    print(f"\n{platform.machine()}, {platform.system()}{load}; medians of several runs, in brackets the fastest")
    print("Processor time of one process with one BLAS thread; wall time for the starts of an interpreter")
    versions = ", ".join(f"{p} {version(p)}" for p in ("numpy", "pandas", "scipy"))
    print(f"Python {platform.python_version()}, {versions}; peer seminr {peer['version']}\n")
    print(f"{'mobi (250 rows, up to 24 items)':<34}{'cxmodels':>22}{'seminr':>24}{'ratio':>8}   wanted")
    for name, own, other, wanted in rows:
        ratio = f"{median(own) / median(other):.3f}" if other else ""
        print(f"{name:<34}{shown(own):>22}{shown(other):>24}{ratio:>8}   {wanted}")
    name_of_peer = f"seminr {peer['version']} (Python)"
    keep(
        "pls_speed",
        "speed",
        [
            {
                "job": f"PLS on mobi, {name}",
                "peer": name_of_peer,
                "seconds": median(own),
                "peer_seconds": median(other),
            }
            for name, own, other, _ in rows
            if other
        ],
    )


def shown(times: list[float]) -> str:
    """Median and fastest in milliseconds."""
    return f"{median(times) * 1000:.1f} ({min(times) * 1000:.1f}) ms" if times else ""
