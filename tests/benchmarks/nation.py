"""A national study: do the intervals of every level cover the truth, and what does a study of 400 companies cost?

One simulated nation, whose population values are known exactly, is surveyed again and again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import cxmodels as cx
from cxmodels.acsi.models import with_price_tolerance
from cxmodels.acsi.population import Population
from cxmodels.errors import CxWarning

from .saved import keep
from .speed import PEER, peer_python

LEVELS = ["industry", "sector", "nation"]
WEIGHTS = {"industry": "revenue", "sector": "revenue", "nation": "gdp_share"}
Z = 1.959963984540054


def survey(population: Population, respondents: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Estimates of one study with their truth: indices of all levels and years, and changes of companies.

    [level, name, year, construct, index, se, truth] and [company, construct, change, se, pvalue, truth, changed].
    """
    data = population.sample(respondents, seed=seed)
    waves, frames = {}, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        for year, part in data.groupby("year"):
            waves[year] = cx.SatisfactionIndex().fit(part, by="company", weights="weight", bootstrap=0)
            own = waves[year].scores.rename(columns={"company": "name"}).assign(level="company")
            frames += [t.assign(year=year) for t in (own, waves[year].aggregate(LEVELS, WEIGHTS))]
    found = pd.concat(frames)[["level", "name", "year", "construct", "index", "se"]]
    first, *_, last = waves
    change = waves[last].change(waves[first], adjust="none")
    known = truth_of(population)
    moved = known[known.level == "company"].pivot_table("truth", ["name", "construct"], "year")
    moved = (moved[last] - moved[first]).rename("truth").reset_index().rename(columns={"name": "company"})
    changed = population.truth.changed
    return found.merge(known, on=["level", "name", "year", "construct"]), change.merge(
        moved, on=["company", "construct"]
    ).merge(changed, on="company")


def truth_of(population: Population) -> pd.DataFrame:
    """Population values of every level, [level, name, year, construct, truth]."""
    truth = population.truth
    own = truth.index.assign(level="company").rename(columns={"company": "name"})
    above = truth.aggregate.rename(columns={"unit": "name"})
    return pd.concat([own, above])[["level", "name", "year", "construct", "index"]].rename(columns={"index": "truth"})


def shares(population: Population, respondents: int, seed: int) -> pd.DataFrame:
    """What one study adds to the table of :func:`coverage`: a line per level and construct, and for changes."""
    found, change = survey(population, respondents, seed)
    parts = [_line(group, *key) for key, group in found.groupby(["level", "construct"], sort=False)]
    parts += [_line(g.assign(index=g.change), "change", c) for c, g in change.groupby("construct", sort=False)]
    same = change[~change.changed]
    for construct, group in same.groupby("construct", sort=False):
        parts.append(_line(group.assign(index=group.change), "change, none", construct))
    return pd.DataFrame(parts)


def _line(group: pd.DataFrame, level: object, construct: object) -> dict[str, object]:
    miss = group["index"] - group["truth"]
    inside = (miss.abs() <= Z * group["se"]).mean()
    line = {"level": level, "construct": construct, "intervals": len(group), "inside": inside}
    return line | {"bias": miss.mean(), "rmse2": (miss**2).mean(), "var": (group["se"] ** 2).mean()}


def coverage(respondents: int = 500, surveys: int = 400, companies: int = 400, workers: int = 2) -> pd.DataFrame:
    """Share of 95 % intervals that hold the truth: [level, construct, intervals, coverage, se, bias, rmse, mean_se].

    The last three in points; rmse over mean_se tells standard errors that are too small. "change, none" are companies for
    whom nothing changed: one less coverage is the share flagged before adjustment. Estimates of one survey hang together,
    so the Monte-Carlo error comes from the surveys.
    """
    from joblib import Parallel, delayed

    population = Population.draw(companies=companies, years=2, seed=1)
    _ = population.truth.index, population.truth.aggregate
    made = Parallel(n_jobs=workers)(delayed(shares)(population, respondents, seed) for seed in range(2, surveys + 2))
    return summed(made)


def summed(made: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """All surveys together, by level and construct and over all constructs."""
    table = pd.concat([m.assign(survey=i) for i, m in enumerate(made)])
    whole = (
        table.groupby(["survey", "level"], sort=False).mean(numeric_only=True).reset_index().assign(construct="all")
    )
    out = []
    for (level, construct), g in pd.concat([table, whole]).groupby(["level", "construct"], sort=False):
        out.append(
            {
                "level": level,
                "construct": construct,
                "surveys": len(g),
                "coverage": g.inside.mean(),
                "se": g.inside.std(ddof=1) / np.sqrt(len(g)),
                "bias": g.bias.mean(),
                "rmse": np.sqrt(g.rmse2.mean()),
                "mean_se": np.sqrt(g["var"].mean()),
            }
        )
    return pd.DataFrame(out)


# --- cost ---------------------------------------------------------------------------------------------------


def seconds(action: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of a call, workers included, and what it returns."""

    import resource

    def spent() -> float:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(u.ru_utime + u.ru_stime for u in both)

    start = spent()
    found = action()
    return spent() - start, found


def study(companies: int, respondents: int, replicates: int, workers: int = 1) -> tuple[float, pd.DataFrame]:
    """Seconds of a year's study with all indices and impacts read out, and its paths."""
    data = Population.draw(companies=companies, years=1, seed=1).sample(respondents, seed=2, missing=0.0)
    index = cx.SatisfactionIndex()

    def run() -> pd.DataFrame:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CxWarning)
            found = index.fit(data, by="company", weights="weight", bootstrap=replicates, seed=1, n_jobs=workers)
            _ = found.scores, found.impacts, found.aggregate(LEVELS, WEIGHTS)
        return found.paths

    return seconds(run)


def own_speed() -> None:
    """A national study with replicates, two million interviews without, and the cost of a unit."""
    study(40, 100, 0)  # warms up
    rows = []
    spent, _ = study(400, 500, 500)
    rows.append({"job": "400 companies x 500 interviews x 500 replicates, indices and impacts", "seconds": spent})
    spent, _ = study(4000, 500, 0)
    rows.append({"job": "2,000,000 interviews in 4,000 units, fixed-weight standard errors", "seconds": spent})
    for units in (40, 400, 4000):
        spent, _ = study(units, 100, 0)
        rows.append({"job": f"one unit of 100 interviews among {units:,}", "seconds": spent / units})
    import resource

    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    for row in rows:
        print(f"{row['job']}: {row['seconds']:.4g} s of processor time")
    print(f"largest memory: {gigabytes:.2f} GiB")


def against_peer(companies: int = 10, respondents: int = 500, replicates: int = 500) -> dict[str, Any]:
    """Loop seminr over ten companies, compare every path, and extrapolate its time to four hundred."""
    model = cx.acsi.ACSI
    data = Population.draw(companies=400, years=1, seed=1).sample(respondents, seed=2, missing=0.0)
    table = with_price_tolerance(cx.Survey(data), model.items).frame
    index = cx.SatisfactionIndex()
    ours, found = seconds(lambda: _read_out(index.fit(data, by="company", bootstrap=replicates, seed=1)))
    with tempfile.TemporaryDirectory() as folder:
        jobs = {}
        for name in list(found.keys())[:companies]:
            path = Path(folder) / f"{name}.csv"
            table.loc[table.company == name, list(model.items)].to_csv(path, index=False)
            jobs[name] = {
                "data": str(path),
                "measures": model.measures,
                "paths": list(model.paths),
                **{"higher": {}, "products": [], "reflective": False},
                **{"replicates": replicates, "points": 1, "boots": 1},
            }
        script = Path(__file__).parent / "peer_seminr.py"
        settings = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        done = subprocess.run(
            [peer_python(), script], input=json.dumps(jobs), env=settings, capture_output=True, text=True, check=True
        )
    answers = json.loads(done.stdout)
    worst = max(np.abs(found[name] - np.array(answers[name]["paths"])).max() for name in jobs)
    print(f"answers: largest difference of {9 * companies} paths {worst:.1e}")
    if worst > 1e-6:
        sys.exit("The two programs disagree, so their times say nothing.")
    theirs = sum(answers[name]["point"][0] + answers[name]["bootstrap"][0] for name in jobs) * 400 / companies
    print(f"400 companies, {replicates} replicates: {ours:.1f} s, {PEER} {theirs:.0f} s, {theirs / ours:.0f} times")
    return {"job": "400 companies x 500 x 500 replicates", "peer": PEER, "seconds": ours, "peer_seconds": theirs}


def _read_out(found: Any) -> dict[str, np.ndarray]:
    """Read indices and impacts, and return the paths of each company in the order of the model."""
    _ = found.scores, found.impacts
    paths = found.paths.set_index(["company", "predictor", "outcome"])["est"]
    return {u[0]: np.array([paths[(u[0], *arrow)] for arrow in cx.acsi.ACSI.paths]) for u in found.measured}


def run() -> None:
    """Print the cost of a study, and keep what it is beside a peer."""
    own_speed()
    keep("nation_speed", "speed", [against_peer()])


def run_coverage(surveys: int = 240) -> None:
    """Print and keep what the intervals of every level cover."""
    kept = []
    for respondents in (500, 250):
        table = coverage(respondents, surveys)
        print(f"\n95 % intervals, {surveys} surveys of 400 companies x {respondents} in two years")
        print(table.to_string(index=False, float_format=lambda v: f"{v:.3f}"), flush=True)
        for row in table[table.construct.isin(["all", "Satisfaction"])].itertuples():
            design = f"{row.level}, {row.construct}"
            kept.append({"method": "index at fixed weights", "design": design, "n": respondents, "runs": surveys,
                         "coverage": row.coverage, "se": row.se})  # fmt: skip
    keep("nation", "coverage", kept)
