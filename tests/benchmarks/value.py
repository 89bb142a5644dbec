"""Value and retention: BG/NBD on a million customers from any start, Cox on 200,000 rows of tied months, and coverage.

The peers are lifetimes 0.11.3 and lifelines in the same run, answers compared first; lifetimes is asked for 100,000 customers.
Coverage is that of the value of a base, by purchases with spend and by Cox, whose truth is known.
"""

import json
import os
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import cxmodels as cx
from cxmodels.churn import BGNBD, CoxHazards, GammaGamma, concordance, customer_value

from .peers import interpreter
from .saved import keep

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-peers-value"
NEEDED = ("lifelines==0.30.3", "lifetimes==0.11.3", "setuptools<80", "pyarrow")
TRUTH = {"r": 0.6, "alpha": 6.0, "a": 0.9, "b": 2.5}
STARTS = (None, [5.0, 0.5, 4.0, 0.3], [0.01, 100.0, 0.1, 10.0])
PEER = """
import sys, json, time, warnings
warnings.simplefilter("ignore")
import numpy as np, pandas as pd
from lifelines import CoxPHFitter
from lifelines.utils import concordance_index
from lifetimes import BetaGeoFitter
rows, buyers = pd.read_parquet(sys.argv[1]), pd.read_parquet(sys.argv[2])
start = time.process_time()
cox = CoxPHFitter().fit(rows, "time", "left")
took = time.process_time() - start
start = time.process_time()
c = concordance_index(rows["time"], -(rows.drop(columns=["time", "left"]) @ cox.params_), rows["left"])
took_c = time.process_time() - start
out = {"cox": took, "est": cox.params_.tolist(), "se": cox.standard_errors_.tolist(), "concordance": c, "concordance_seconds": took_c}
start = time.process_time()
try:
    bg = BetaGeoFitter().fit(buyers["frequency"], buyers["recency"], buyers["T"])
    out["bgnbd_est"] = bg.params_.to_dict()
except Exception as problem:
    out["bgnbd_failed"] = type(problem).__name__
out["bgnbd"] = time.process_time() - start
print(json.dumps(out))
"""


def buyers(n: int, seed: int) -> pd.DataFrame:
    """Histories with times that hardly repeat, so that grouping rows saves nothing."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(10, 60, n)
    rate, leave = rng.gamma(TRUTH["r"], 1 / TRUTH["alpha"], n), rng.beta(TRUTH["a"], TRUTH["b"], n)
    x, tx, clock, there = np.zeros(n), np.zeros(n), np.zeros(n), np.arange(n)
    while len(there):
        clock[there] += rng.exponential(1 / rate[there])
        there = there[clock[there] < t[there]]
        x[there] += 1
        tx[there] = clock[there]
        there = there[rng.random(len(there)) >= leave[there]]
    return pd.DataFrame({"frequency": x, "recency": tx, "T": t})


def months(n: int = 200_000, seed: int = 1) -> pd.DataFrame:
    """Customers with ten columns, watched for up to 72 months."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 10))
    t = np.ceil(rng.exponential(40 / np.exp(x @ np.linspace(-0.5, 0.5, 10))))
    c = rng.integers(1, 73, n)
    names = [f"x{j}" for j in range(10)]
    return pd.DataFrame(x, columns=names).assign(time=np.minimum(t, c), left=(t <= c).astype(int))


def seconds(action: Any) -> tuple[Any, float]:
    """An answer and the processor time it took."""
    start = time.process_time()
    found = action()
    return found, time.process_time() - start


def speed() -> list[dict[str, Any]]:
    """Times of ours and of the peers, after the answers were found to be the same."""
    rows, few = months(), buyers(100_000, 3)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / n for n in ("rows.parquet", "buyers.parquet")]
        rows.to_parquet(paths[0])
        few.to_parquet(paths[1])
        settings = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [interpreter(PEERS, NEEDED), "-c", PEER, *paths], capture_output=True, text=True, check=True, env=settings
        )
    peer = json.loads(done.stdout.splitlines()[-1])
    CoxHazards().fit(rows.head(1000), "left", duration="time")  # imports
    cox, took = seconds(lambda: CoxHazards().fit(rows, "left", duration="time"))
    np.testing.assert_allclose(cox.estimates.est, peer["est"], atol=1e-5)
    np.testing.assert_allclose(cox.estimates.se, peer["se"], atol=1e-5)
    risk = rows.drop(columns=["time", "left"]) @ cox.estimates.est.to_numpy()
    c, took_c = seconds(lambda: concordance(rows["time"], rows["left"], risk))
    assert abs(c - peer["concordance"]) < 1e-6
    bg, took_b = seconds(lambda: BGNBD().fit(few))
    if "bgnbd_est" in peer:
        for name, value in peer["bgnbd_est"].items():
            assert abs(bg.params[name] / value - 1) < 1e-2, (name, bg.params[name], value)
    out = [
        ("Cox, 200,000 rows of 10 columns in 72 months", "lifelines", took, peer["cox"]),
        ("concordance, 200,000 rows", "lifelines", took_c, peer["concordance_seconds"]),
        (
            "BG/NBD, 100,000 customers",
            "lifetimes" + (" (failed)" if "bgnbd_failed" in peer else ""),
            took_b,
            peer["bgnbd"],
        ),
    ]
    many = buyers(1_000_000, 5)
    found = []
    for start in STARTS:
        fit, took = seconds(lambda start=start: BGNBD().fit(many, start=start))
        assert fit.converged
        found.append(fit.params)
        said = "its own start" if start is None else f"from {start}"
        out.append((f"BG/NBD with standard errors, 1,000,000 customers, {said}", "", took, np.nan))
    assert all(np.allclose(f, found[0], rtol=1e-5) for f in found)
    return [dict(zip(("job", "peer", "seconds", "peer_seconds"), row, strict=True)) for row in out]


def coverage_of_purchases(runs: int = 400, n: int = 2000) -> dict[str, Any]:
    """Intervals of the value of a base of buyers, against its expectation under the true parameters."""
    from cxmodels.churn.purchase_kernel import bgnbd_expected

    p, q, v = 6.0, 4.0, 15.0
    inside, failed = [], 0
    for seed in range(runs):
        rng = np.random.default_rng([seed, 9])
        d = buyers(n, seed)
        mean = p / rng.gamma(q, 1 / v, n)
        d["monetary_value"] = rng.gamma(p * np.maximum(d.frequency, 1), mean / (p * np.maximum(d.frequency, 1)))
        d.loc[d.frequency == 0, "monetary_value"] = 0.0
        bought, spent = BGNBD().fit(d), GammaGamma().fit(d)
        if not (bought.converged and spent.converged):
            failed += 1
            continue
        found = customer_value(bought, d, spend=spent, periods=10, period=4.0, discount=0.01)
        x, tx, t = (d[k].to_numpy() for k in ("frequency", "recency", "T"))
        ends = [bgnbd_expected(tuple(TRUTH.values()), 4.0 * k, x, tx, t) for k in range(11)]
        each = p * (v + x * d.monetary_value.to_numpy()) / (p * x + q - 1)
        truth = sum(((ends[k] - ends[k - 1]) * 1.01**-k * each).sum() for k in range(1, 11))
        inside.append(found.total.ci_lower <= truth <= found.total.ci_upper)
    if failed:
        print(f"{failed} of {runs} samples had no maximum")
    return _row("value of a base by BG/NBD and Gamma-Gamma", "2,000 customers", n, inside)


def coverage_of_cox(runs: int = 600, n: int = 500) -> dict[str, Any]:
    """Intervals of the value of a base of subscribers, against the truth."""
    base, inside = pd.DataFrame({"x": np.linspace(-1, 1, 30)}), []
    hazard = 1 - np.exp(-np.exp(0.6 * base.x.to_numpy()) / 18)
    truth = float(((1 - hazard[:, None]) ** np.arange(1, 13) * 1.01 ** -np.arange(1.0, 13)).sum())
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=n)
        t, c = np.ceil(rng.exponential(18 / np.exp(0.6 * x))), rng.integers(6, 30, n)
        d = pd.DataFrame({"x": x, "months": np.minimum(t, c), "left": (t <= c).astype(int)})
        total = customer_value(
            CoxHazards().fit(d, "left", duration="months"), base, so_far=0, periods=12, discount=0.01
        ).total
        inside.append(total.ci_lower <= truth <= total.ci_upper)
    return _row("value of a base by Cox", "500 subscribers", n, inside)


def _row(method: str, design: str, n: int, inside: list[bool]) -> dict[str, Any]:
    share = float(np.mean(inside))
    se = float(np.sqrt(share * (1 - share) / len(inside)))
    return {"method": method, "design": design, "n": n, "runs": len(inside), "coverage": share, "se": se}


def run() -> None:
    """Print and keep the times."""
    from threadpoolctl import threadpool_limits

    warnings.simplefilter("ignore", cx.CxWarning)
    with threadpool_limits(1):
        rows = speed()
        table = pd.DataFrame(rows)
        print(table.assign(times=table.peer_seconds / table.seconds).round(2).to_string(index=False), flush=True)
        keep("value_speed", "speed", [r for r in rows if r["peer"]])


def run_coverage() -> None:
    """Print and keep what the intervals cover."""
    from threadpoolctl import threadpool_limits

    warnings.simplefilter("ignore", cx.CxWarning)
    with threadpool_limits(1):
        covered = [coverage_of_cox(), coverage_of_purchases()]
        print(pd.DataFrame(covered).round(3).to_string(index=False), flush=True)
        keep("value", "coverage", covered)
