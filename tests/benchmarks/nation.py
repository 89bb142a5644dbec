"""A national study: do the intervals of every level cover the truth, and what does a study of 400 companies cost?

One simulated nation, whose population values are known exactly, is surveyed again and again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

import cxmodels as cx
from cxmodels.acsi.population import Population
from cxmodels.errors import CxWarning

from .saved import keep

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
    whole = table.groupby(["survey", "level"], sort=False).mean(numeric_only=True).reset_index().assign(construct="all")
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
