"""Do 95 % intervals of the effect of satisfaction, of growth, and of an uplift's Qini contain what is true 95 % of the time?

Worlds are drawn again and again; beside the corrected effect stands the one that takes the answers as they are.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

import cxmodels as cx

from ..test_linkage import EFFECT, GROWTH, SPEC, joined
from ..test_linkage_growth import EFFECT as PANEL_EFFECT
from ..test_linkage_growth import panel
from .saved import keep

CUSTOMERS = 3000


def effects(seed: int, replicates: int) -> list[dict[str, object]]:
    """Effects on leaving and on spend, and of companies' indices, in one world each."""
    from dataclasses import replace

    frame = joined(CUSTOMERS, 1000 + seed)
    out = []
    for spec, truth, name in (
        (SPEC, EFFECT, "leaving, logit"),
        (replace(SPEC, outcome="spend", family="gamma"), GROWTH, "spend, gamma"),
    ):
        found = spec.fit(frame, bootstrap=replicates, seed=seed).effects
        out += [{"what": name, "way": way, "truth": truth, **found.loc[way]} for way in ("naive", "corrected")]
    found = cx.linkage.growth(panel(5000 + seed), "sales").effects
    out += [
        {"what": "growth of companies", "way": way, "truth": PANEL_EFFECT, **found.loc[way]} for way in found.index
    ]
    return out


def qini(seed: int, replicates: int, truth: float, score: pd.Series) -> dict[str, object]:
    """Qini per customer of a fixed score, in one campaign among the same customers."""
    _, chances = cx.datasets.simulate_campaign(CUSTOMERS, 1)
    rng = np.random.default_rng(9000 + seed)
    pick = rng.integers(0, CUSTOMERS, CUSTOMERS)
    t = rng.integers(0, 2, CUSTOMERS)
    y = rng.random(CUSTOMERS) < np.where(t, chances["p_treated"][pick], chances["p_control"][pick])
    found = cx.churn.qini(y.astype(float), t, score.to_numpy()[pick], n=replicates, seed=seed).measures
    return {"what": "Qini per customer", "way": "corrected", "truth": truth, **found.loc["qini_per_customer"]}


def run(runs: int = 500, replicates: int = 200) -> pd.DataFrame:
    """Print means and coverage, and keep those of the corrected effects."""
    chances = cx.datasets.simulate_campaign(CUSTOMERS, 1)[1]
    score = chances["uplift"]
    order = np.sort(score.to_numpy())[::-1]
    # In the long run Q(k) / n is half of the uplift summed over the highest k of n customers: half are treated.
    curve = np.concatenate([[0.0], np.cumsum(order)]) / (2 * CUSTOMERS)
    truth = float(np.trapezoid(curve, dx=1 / CUSTOMERS) - curve[-1] / 2)
    rows: list[dict[str, object]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cx.CxWarning)
        for seed in range(runs):
            rows += [*effects(seed, replicates), qini(seed, replicates, truth, score)]
    frame = pd.DataFrame(rows)
    frame["inside"] = frame["truth"].between(frame["ci_lower"], frame["ci_upper"])
    by = frame.groupby(["what", "way"], sort=False)
    out = by.agg(
        runs=("est", "size"),
        truth=("truth", "first"),
        mean=("est", "mean"),
        sd=("est", "std"),
        coverage=("inside", "mean"),
    )
    out["error"] = np.sqrt(out["coverage"] * (1 - out["coverage"]) / out["runs"])
    print("Linkage and uplift: means and coverage of 95 % intervals, simulated worlds")
    print(out.round(4).to_string())
    people = f"reliability 0.7, a third answers, {replicates} replicates"
    designs = {
        "growth of companies": "8 waves, indices with standard errors",
        "Qini per customer": f"{replicates} replicates",
    }
    sizes = {"growth of companies": 80}
    keep(
        "linkage",
        "coverage",
        (
            {"method": f"Linkage: {what}" if "Qini" not in what else what, "design": designs.get(what, people), "n": sizes.get(what, CUSTOMERS), "runs": int(r["runs"]), "coverage": r["coverage"], "se": r["error"]}
            for (what, way), r in out.iterrows()
            if way == "corrected"
        ),
    )  # fmt: skip
    return out
