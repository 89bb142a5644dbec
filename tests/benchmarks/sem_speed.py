"""Covariance-based models against semopy, and lavaan where R has it: the answers are compared first, then the times.

semopy is a dependency (it is our second engine), so it runs in this process, with one BLAS thread for both.

On the bootstrap of the ECSI model: its constructs are nearly one, so that in two thirds of the resamples steps in the
coefficients run off along a path. semopy stops early and counts every resample as done; ours steps in the covariances of the
constructs, reaches a minimum in about 190 of 200, and counts and names the others.
"""

import os
import platform
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import scipy.linalg  # noqa: F401  brings a BLAS of its own, which must be there to be limited
from threadpoolctl import threadpool_limits

import cxmodels as cx

from .saved import keep

HOLZINGER = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
DEMOCRACY = """
ind60 =~ x1 + x2 + x3
dem60 =~ y1 + y2 + y3 + y4
dem65 =~ y5 + y6 + y7 + y8
dem60 ~ ind60
dem65 ~ ind60 + dem60
y1 ~~ y5
y2 ~~ y4
y2 ~~ y6
y3 ~~ y7
y4 ~~ y8
y6 ~~ y8
"""
ECSI = "\n".join(
    [f"{c} =~ {' + '.join(items)}" for c, items in cx.acsi.ECSI.measures.items()]
    + [f"{outcome} ~ {predictor}" for predictor, outcome in cx.acsi.ECSI.paths]
)
SINGLE = "\n".join(f"{i[0]} ~~ 0*{i[0]}" for i in cx.acsi.ECSI.measures.values() if len(i) == 1)
PEER_CASES = (("holzinger", HOLZINGER), ("democracy", DEMOCRACY), ("mobi", f"{ECSI}\n{SINGLE}"))


def seconds(action: Callable[[], Any], times: int) -> list[float]:
    """Processor time of each of some runs, after one to warm up."""
    action()
    return [seconds_of(action) for _ in range(times)]


def seconds_of(action: Callable[[], Any]) -> float:
    """Processor time of one run."""
    start = time.process_time()
    action()
    return time.process_time() - start


def in_turn(own: Callable[[], Any], other: Callable[[], Any], times: int) -> tuple[list[float], list[float]]:
    """Processor times of both, one after the other each time, so that what else the machine does meets both."""
    own(), other()
    pairs = [(seconds_of(own), seconds_of(other)) for _ in range(times)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def ours(model: str, data: pd.DataFrame) -> Any:
    """One fit with everything a user looks at."""
    res = cx.SEM(model).fit(data)
    return res.estimates, res.fit_measures


def semopy_fit(model: str, data: pd.DataFrame) -> Any:
    """The same by semopy."""
    import semopy

    m = semopy.Model(model)
    m.fit(data)
    return m.inspect(), semopy.calc_stats(m)


def lavaan(runs: int = 5) -> tuple[str, dict[str, tuple[float, list[float]]]]:
    """Version, and chi-square and seconds by model; empty where there is no R with lavaan."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return "", {}
    with tempfile.TemporaryDirectory() as place:
        folders = []
        for name, model in PEER_CASES:
            folder = Path(place, name)
            folder.mkdir()
            cx.datasets.load(name).to_csv(folder / "data.csv", index=False)
            (folder / "model.txt").write_text(model + "\n", encoding="utf-8")
            folders.append(str(folder))
        script = str(Path(__file__).parent / "peer_lavaan.R")
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        found = subprocess.run(
            [rscript, script, str(runs), *folders], capture_output=True, text=True, env=environment, check=False
        )
    if found.returncode:
        return "", {}
    first, *lines = found.stdout.splitlines()
    numbers = [[float(x) for x in line.split()] for line in lines]
    return first.strip(), {name: (n[0], n[1:]) for (name, _), n in zip(PEER_CASES, numbers, strict=True)}


def factors(rng: np.random.Generator, n: int, count: int, items: int) -> pd.DataFrame:
    """Constructs that correlate .5, with loadings of .7."""
    f = np.sqrt(0.5) * (rng.normal(size=(n, 1)) + rng.normal(size=(n, count)))
    x = np.repeat(0.7 * f, items, axis=1) + np.sqrt(0.51) * rng.normal(size=(n, count * items))
    return pd.DataFrame(x, columns=[f"f{k // items + 1}_{k % items + 1}" for k in range(count * items)])


def measurement(data: pd.DataFrame) -> str:
    """Its model."""
    groups: dict[str, list[str]] = {}
    for name in data:
        groups.setdefault(str(name).split("_")[0], []).append(str(name))
    return "\n".join(f"{f} =~ {' + '.join(items)}" for f, items in groups.items())


def jobs() -> list[tuple[str, Callable[[], Any], int, str]]:
    """What is timed without a peer: name, action, runs, bar."""
    rng = np.random.default_rng(1)
    mobi = cx.SEM(ECSI).fit(cx.datasets.load("mobi"))
    many = factors(rng, 50_000, 3, 5)
    holes = factors(rng, 2800, 5, 5)
    gap = rng.random(holes.shape) < np.where(rng.random((2800, 1)) < 0.35, 0.12, 0.0)
    holes = holes.mask(gap)
    patterns = len(holes.isna().drop_duplicates())
    steps = factors(rng, 1000, 4, 6).apply(lambda c: np.digitize(c, [-1.3, -0.5, 0.4, 1.2]))

    def whole(spec: cx.SEM, data: pd.DataFrame, **call: Any) -> Any:
        res = spec.fit(data, **call)
        return res.estimates, res.fit_measures

    return [
        ("200 bootstrap refits of ECSI", lambda: mobi.bootstrap(200, seed=1).estimates, 3, "2 s"),
        (
            "MLR with means, n = 50,000, 15 items",
            lambda: whole(cx.SEM(measurement(many), estimator="MLR", mean_structure=True), many),
            5,
            "0.5 s",
        ),
        (
            f"FIML, 25 items, 2,800 rows, {patterns} patterns",
            lambda: whole(cx.SEM(measurement(holes)), holes, missing="fiml"),
            3,
            "3 s",
        ),
        (
            "WLSMV, 24 five-category items, n = 1,000",
            lambda: whole(cx.SEM(measurement(steps), ordered=True), steps),
            5,
            "2 s",
        ),
    ]


def run() -> None:
    """Print the tables, and keep what has a peer."""
    load = f", load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors" if hasattr(os, "getloadavg") else ""
    versions = ", ".join(f"{p} {version(p)}" for p in ("numpy", "scipy", "semopy"))
    print(f"\n{platform.machine()}, {platform.system()}{load}; Python {platform.python_version()}, {versions}")
    print("one BLAS thread; processor time, medians of several runs, in brackets the fastest; chi-square of both\n")
    head = f"{'one ML fit, SE and all indices':<32}{'cxmodels':>20}"
    print(f"{head}{'semopy':>22}{'times':>7}   {'chi-square':<24}")
    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chisq: dict[str, float] = {}
        times: dict[str, float] = {}
        rows: list[dict[str, Any]] = []
        for name, model in PEER_CASES:
            data = cx.datasets.load(name)
            (_, measures), (_, stats) = ours(model, data), semopy_fit(model, data)
            other_chisq = float(stats["chi2"].iloc[0])
            # semopy stops early, so it may be above, never below
            agree = -1e-4 < other_chisq - measures["chisq"] < 0.5
            own, other = in_turn(partial(ours, model, data), partial(semopy_fit, model, data), 15)
            chisq[name], times[name] = measures["chisq"], median(own)
            if agree:
                rows.append(kept(name, f"semopy {version('semopy')}", times[name], median(other)))
            said = f"{measures['chisq']:.4f}, {other_chisq:.4f}" + ("" if agree else "  DIFFERENT: times say nothing")
            print(
                f"{name:<32}{shown(own):>20}{shown(other):>22}{median(other) / median(own):>7.1f}   {said}",
                flush=True,
            )
        release, answers = lavaan()
        for name, (value, other) in answers.items():
            said = "" if abs(value - chisq[name]) < 1e-3 else "  DIFFERENT: times say nothing"
            ratio = median(other) / times[name]
            if not said:
                rows.append(kept(name, f"lavaan {release} (R)", times[name], median(other)))
            print(
                f"{name + ', lavaan ' + release:<32}{'':>20}{shown(other):>22}{ratio:>7.1f}   {chisq[name]:.4f}, {value:.4f}{said}"
            )
        keep("sem_speed", "speed", rows, "semopy")
        print(f"\n{'':<48}{'cxmodels':>20}   wanted")
        for name, action, runs, bar in jobs():
            print(f"{name:<48}{shown(seconds(action, runs)):>20}   {bar}", flush=True)
        boot = cx.SEM(ECSI).fit(cx.datasets.load("mobi")).bootstrap(200, seed=1)
        print(f"of the 200 refits {200 - boot.failed} reached a minimum", *boot.warnings[-3:], sep="\n  ")


def kept(name: str, peer: str, own: float, other: float) -> dict[str, Any]:
    """A row of the page of speeds."""
    return {"job": f"SEM on {name}, ML with indices", "peer": peer, "seconds": own, "peer_seconds": other}


def shown(times: list[float]) -> str:
    """Median and fastest in milliseconds."""
    return f"{median(times) * 1000:.1f} ({min(times) * 1000:.1f}) ms"
