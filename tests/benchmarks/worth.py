"""Do 95 % intervals of the worth of a point, and of an improvement, contain what is true 95 % of the time?

Bases and surveys are drawn again and again from a world whose truth is known. Beside the method stand the same with the error of
measurement ignored, and with the price left out that drives both satisfaction and leaving.
"""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pandas as pd

import cxmodels as cx

from .saved import keep

MODEL = """
Speed =~ speed
Price =~ price
Service =~ service
Satisfaction =~ sat1 + sat2 + sat3
Satisfaction ~ Speed + Price + Service
"""
CUSTOMERS, TERMS = 2500, {"horizon": 8, "discount": 0.02}
WAYS = {
    "as it is": {},
    "error of measurement ignored": {"reliability": 1.0},
    "price not controlled for": {"controls": ()},
}


def true_rise(by: float = 1.0) -> float:
    """Points of satisfaction that a rise of service brings: fewer than its weight, as some stand at the end of the scale."""
    from cxmodels.worth.simulation import ATTRIBUTES, _people

    rating = _people(400_000, np.random.default_rng(22))["service"]
    return ATTRIBUTES["service"] * float(np.minimum(by, 10 - rating).mean())


def once(seed: int, way: str, replicates: int) -> list[dict[str, object]]:
    """Estimates and limits of one base and survey."""
    base, survey, _ = cx.worth.simulate_worth(CUSTOMERS, seed)
    fit = cx.PLS(MODEL).fit(survey)
    options = {"controls": ("price", "region"), **WAYS[way]}
    found = cx.value_of_satisfaction(
        fit, base, {"service": 1.0}, target="Satisfaction", customer="customer_id", left="left", margin="margin",
        spend="spend", scale=(1, 10), n=replicates, seed=seed, **TERMS, **options,
    )  # fmt: skip
    lines = {"one point": found.point.loc["value"], "service +1": found.stages.set_index("stage").loc["value"]}
    return [
        {"way": way, "of": name, "seed": seed, "est": line.get("est", line.get("change")), "ci_lower": line["ci_lower"], "ci_upper": line["ci_upper"]}
        for name, line in lines.items()
    ]  # fmt: skip


def summary(rows: pd.DataFrame, truth: dict[str, float]) -> pd.DataFrame:
    """Coverage and bias, with the Monte Carlo error of each."""
    rows = rows.assign(truth=rows["of"].map(truth))
    rows["inside"] = rows["truth"].between(rows["ci_lower"], rows["ci_upper"])
    by = rows.groupby(["way", "of"], sort=False)
    out = by.agg(runs=("seed", "size"), truth=("truth", "first"), mean=("est", "mean"), sd=("est", "std"))
    out["bias"] = out["mean"] / out["truth"] - 1
    out["bias_error"] = out["sd"] / np.sqrt(out["runs"]) / out["truth"]
    out["coverage"] = by["inside"].mean()
    out["coverage_error"] = np.sqrt(out["coverage"] * (1 - out["coverage"]) / out["runs"])
    return out


def run(runs: int = 300, replicates: int = 160, workers: int = 2) -> pd.DataFrame:
    """Print coverage and bias; the ways that are wrong get a quarter of the runs."""
    from joblib import Parallel, delayed

    truth = cx.worth.simulate_worth(100, 0)[2]
    true = {
        name: truth.value(points, CUSTOMERS, **TERMS)
        for name, points in {"one point": 1.0, "service +1": true_rise()}.items()
    }
    asked = [
        (seed, way) for k, way in enumerate(WAYS) for seed in range(1000, 1000 + (runs if k == 0 else runs // 4))
    ]
    rows: list[dict[str, object]] = []
    done = Parallel(workers, return_as="generator")(delayed(quietly)(seed, way, replicates) for seed, way in asked)
    for number, found in enumerate(done, 1):
        rows += found
        if number % 50 == 0:
            print(summary(pd.DataFrame(rows), true).round(4).to_string(), file=sys.stderr, flush=True)
    out = summary(pd.DataFrame(rows), true)
    print("Worth of satisfaction: coverage of 95 % intervals and bias, simulated world")
    print(out.round(4).to_string())
    keep("worth", "coverage", kept(out))
    return out


def kept(out: pd.DataFrame) -> list[dict[str, object]]:
    """Rows of the coverage page."""
    design = f"joint bootstrap, {CUSTOMERS} customers, reliability 0.58"
    return [
        {"method": f"Worth of {of}", "design": design, "n": CUSTOMERS, "runs": int(r["runs"]), "coverage": r["coverage"], "se": r["coverage_error"]}
        for of, r in out.loc["as it is"].iterrows()
    ]  # fmt: skip


def quietly(seed: int, way: str, replicates: int) -> list[dict[str, object]]:
    """One run without the warnings of the method."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cx.CxWarning)
        return once(seed, way, replicates)
