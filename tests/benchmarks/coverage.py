"""Do 95 % bootstrap intervals of a path model contain the population value 95 % of the time?

Surveys of one simulated company are taken again and again; its population values are known exactly.
"""

import numpy as np
import pandas as pd

import cxmodels as cx
from cxmodels.acsi.engines import statistic_of
from cxmodels.acsi.population import Population
from cxmodels.index import scale_ends
from cxmodels.resampling import Interval, Sampling, bootstrap, intervals

COMPANY, YEAR = "Company 1", 2024


def intervals_of(data: pd.DataFrame, replicates: int, seed: int, kind: Interval) -> dict[str, pd.DataFrame]:
    """Estimates and limits of everything of interest, from one survey."""
    spec = cx.SatisfactionIndex(cx.acsi.ACSI)
    survey = cx.acsi.models.with_price_tolerance(cx.Survey(data, weights="weight"), spec.model.items)
    fit = spec.equations.fit(survey)
    boot = fit.bootstrap(replicates, seed=seed, interval=kind)
    total = boot.effects[boot.effects["effect"] == "total"]
    frames = {
        "paths": boot.paths.rename(columns={"outcome": "a", "predictor": "b"}),
        "weights": boot.weights.rename(columns={"construct": "a", "item": "b"}),
        "loadings": boot.loadings.rename(columns={"construct": "a", "item": "b"}),
        "total effects": total.rename(columns={"outcome": "a", "predictor": "b"}),
    }
    lo, hi = scale_ends(fit.layout.items, None, spec.model.scales.get)
    reps = bootstrap(statistic_of(fit, lo, hi), Sampling(fit.n_obs), replicates, seed=seed, interval=kind)
    j = len(fit.layout.constructs)
    lower, upper = intervals(
        reps.estimate[:j],
        reps.values[reps.ok][:, :j],
        kind,
        jack=None if reps.jack is None else reps.jack[:, :j],
    )
    names = list(fit.layout.constructs)
    index = {"a": names, "b": names, "est": reps.estimate[:j], "ci_lower": lower, "ci_upper": upper}
    return {**frames, "index": pd.DataFrame(index)}


def truth_of(population: Population) -> dict[str, pd.Series]:
    """Population values by the same keys."""
    truth = population.truth

    def series(what: str, keys: list[str], value: str) -> pd.Series:
        frame = truth.by_company(what) if what != "index" else truth.index
        frame = frame[(frame["company"] == COMPANY) & (frame["year"] == YEAR)]
        return frame.set_index(keys)[value].rename_axis(["a", "b"])

    index = series_of_index(truth.index)
    return {
        "paths": series("paths", ["outcome", "predictor"], "est"),
        "weights": series("weights", ["construct", "item"], "est"),
        "loadings": series("loadings", ["construct", "item"], "est"),
        "total effects": series("effects", ["outcome", "predictor"], "total"),
        "index": index,
    }


def series_of_index(frame: pd.DataFrame) -> pd.Series:
    """Index of each construct of the company."""
    own = frame[(frame["company"] == COMPANY) & (frame["year"] == YEAR)]
    return own.assign(a=own["construct"], b=own["construct"]).set_index(["a", "b"])["index"]


def coverage(
    surveys: int, respondents: int, replicates: int, kind: Interval = "percentile", seed: int = 0
) -> pd.DataFrame:
    """Share of intervals that contain the truth, by quantity: [quantity, intervals, below, above, coverage, se].

    ``below`` and ``above`` are shares of intervals that lie wholly below or above the truth. Quantities of one survey
    hang together, so the standard error comes from the surveys, not from the intervals.
    """
    population = Population.draw(companies=1, years=1, seed=5)
    truth = truth_of(population)
    outcomes: dict[str, list[np.ndarray]] = {name: [] for name in truth}
    for s in range(surveys):
        data = population.sample(respondents, seed=1000 * seed + s, missing=0.0)
        for name, frame in intervals_of(data, replicates, s, kind).items():
            frame = frame[frame["ci_upper"] - frame["ci_lower"] > 1e-9]  # single items: 1 by definition
            values = truth[name].loc[pd.MultiIndex.from_frame(frame[["a", "b"]])].to_numpy()
            below = (frame["ci_upper"] < values).mean()
            above = (frame["ci_lower"] > values).mean()
            outcomes[name].append(np.array([len(frame), below, above, 1 - below - above]))
    rows = []
    for name, each in outcomes.items():
        table = np.array(each)
        spread = table[:, 3].std(ddof=1) / np.sqrt(surveys)
        rows.append((name, int(table[:, 0].sum()), *table[:, 1:].mean(axis=0), spread))
    return pd.DataFrame(rows, columns=["quantity", "intervals", "below", "above", "coverage", "se"])


def run() -> None:
    """Print the table."""
    for respondents, kind in ((250, "percentile"), (250, "bca"), (1000, "percentile")):
        table = coverage(400, respondents, 1000, kind)  # type: ignore[arg-type]
        print(
            f"\n{kind} 95 % intervals, 400 surveys of {respondents} respondents with case weights, 1,000 replicates"
        )
        print(table.to_string(index=False, float_format=lambda v: f"{v:.3f}"), flush=True)
