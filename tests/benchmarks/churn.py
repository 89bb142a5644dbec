"""Churn: the public protocol on two data sets, coverage of intervals, and files scored against pandas with LightGBM.

Protocol: five stratified folds, shuffled with seed 20240131, raw columns, ``cx.Churn()`` as it is. Scoring: Telco's rows drawn again
into a Parquet file, Parquet to Parquet in the same run; the peer reads with pandas, predicts with LightGBM (250 trees of 4
leaves) and writes id and score.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import cxmodels as cx

from .peers import interpreter
from .saved import keep

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-peers-churn"
NEEDED = ("lightgbm==4.7.0", "scikit-learn", "pandas", "pyarrow")
SEED = 20240131
ROWS = 1_000_000
PEER = """
import sys, time, json
import numpy as np, pandas as pd, lightgbm as lgb
train, source, target = sys.argv[1:4]
data = pd.read_parquet(train)
y = (data.pop("churn") == "Yes").astype(int)
text = [c for c in data if not pd.api.types.is_numeric_dtype(data[c])]
levels = {c: pd.CategoricalDtype(sorted(data[c].unique())) for c in text}
model = lgb.LGBMClassifier(n_estimators=250, num_leaves=4, learning_rate=0.03, verbose=-1).fit(data.astype(levels), y)
best = []
for _ in range(3):
    wall, cpu = time.perf_counter(), time.process_time()
    frame = pd.read_parquet(source)
    p = model.predict_proba(frame[list(data)].astype(levels))[:, 1]
    pd.DataFrame({"customer_id": frame["customer_id"], "p_churn": p}).to_parquet(target)
    best.append([time.perf_counter() - wall, time.process_time() - cpu])
print(json.dumps(np.min(best, axis=0).tolist()))
"""


def protocol(name: str, **options: object) -> pd.DataFrame:
    """Measures of each fold."""
    from sklearn.model_selection import StratifiedKFold

    data = cx.datasets.load(name)
    y = data.pop("churn")
    rows = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=SEED).split(data, y):
        wall, cpu = time.perf_counter(), time.process_time()
        model = cx.Churn(**options).fit(data.iloc[train], y.iloc[train])
        took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        found = model.evaluate(data.iloc[test], y.iloc[test])
        rows.append({**found[["auc", "log_loss", "brier", "empc", "calibration_slope", "lift_10"]], **took})
    return pd.DataFrame(rows)


def scoring(rows: int = ROWS) -> pd.DataFrame:
    """Rows per second of each candidate and of the peer, by the clock and per second of processor time."""
    data = cx.datasets.load("telco")
    with tempfile.TemporaryDirectory() as folder:
        source, target, train = (Path(folder) / n for n in ("in.parquet", "out.parquet", "train.parquet"))
        drawn = data.drop(columns="churn").iloc[np.random.default_rng(0).integers(len(data), size=rows)]
        drawn.reset_index(drop=True).rename_axis("customer_id").reset_index().to_parquet(
            source, row_group_size=1 << 18
        )
        data.to_parquet(train)
        out = []
        for kind in ("linear", "additive", "pairwise", "boosted", "deep"):
            model = cx.Churn(candidates=[kind], drop_noise=False).fit(data.drop(columns="churn"), data["churn"])
            best = []
            for _ in range(3):
                wall, cpu = time.perf_counter(), time.process_time()
                cx.churn.score_file(model, source, target)
                best.append([time.perf_counter() - wall, time.process_time() - cpu])
            head = pd.read_parquet(target).head(1000)["p_churn"].to_numpy()
            assert np.abs(head - model.predict_proba(drawn.head(1000))[:, 1]).max() < 1e-12
            out.append([kind, *np.min(best, axis=0)])
        done = subprocess.run(
            [interpreter(PEERS, NEEDED), "-c", PEER, train, source, target],
            capture_output=True,
            text=True,
            check=True,
        )
        out.append(["pandas + LightGBM", *json.loads(done.stdout)])
    table = pd.DataFrame(out, columns=["model", "wall", "cpu"])
    table["rows_per_s"], table["rows_per_cpu_s"] = rows / table["wall"], rows / table["cpu"]
    table["times_peer"] = table["rows_per_s"] / table["rows_per_s"].iloc[-1]
    table["times_peer_cpu"] = table["rows_per_cpu_s"] / table["rows_per_cpu_s"].iloc[-1]
    return table


def run() -> None:
    """Print all tables, and keep the speeds."""
    table = scoring()
    print(table.round(2).to_string(index=False), flush=True)
    of = {"peer": table["model"].iloc[-1], "peer_seconds": table["cpu"].iloc[-1]}
    rows = [
        {"job": f"Churn, {ROWS:,} customers scored, {model}", "seconds": cpu, **of}
        for model, cpu in zip(table["model"][:-1], table["cpu"], strict=False)
    ]
    keep("churn_speed", "speed", rows, "pyarrow")
    for name, options in (("telco", {}), ("churn_mlc", {}), ("churn_mlc", {"totals": False})):
        found = protocol(name, **options)
        print(f"\n{name} {options or ''}\n{found.agg(['mean', 'std']).round(4).to_string()}", flush=True)


if __name__ == "__main__":
    sys.exit(run())
