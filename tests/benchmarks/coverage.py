"""Do 95 % bootstrap intervals of a path model contain the population value 95 % of the time?

Surveys of one simulated company, whose constructs are composites, and of a population of common factors, for consistent
PLS, are taken again and again; the population values are known exactly.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import cxmodels as cx
from cxmodels.acsi.engines import statistic_of
from cxmodels.acsi.population import Population
from cxmodels.index import scale_ends
from cxmodels.resampling import Interval, Sampling, bootstrap, intervals

from .saved import keep

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
    index = index_intervals(fit, lo, hi, replicates, seed, kind)
    return {**frames, "index": index}


def index_intervals(
    fit: Any, lo: np.ndarray, hi: np.ndarray, replicates: int, seed: int, kind: Interval
) -> pd.DataFrame:
    """Index of every construct with its interval, weights estimated anew."""
    reps = bootstrap(statistic_of(fit, lo, hi), Sampling(fit.n_obs), replicates, seed=seed, interval=kind)
    names = list(fit.layout.constructs)
    part = slice(0, len(names))
    jack = None if reps.jack is None else reps.jack[:, part]
    lower, upper = intervals(reps.estimate[part], reps.values[reps.ok][:, part], kind, jack=jack)
    return pd.DataFrame({"a": names, "b": names, "est": reps.estimate[part], "ci_lower": lower, "ci_upper": upper})


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


Population95 = tuple[Callable[[int], dict[str, pd.DataFrame]], dict[str, pd.Series]]


def composites(respondents: int, replicates: int, kind: Interval) -> Population95:
    """Surveys of the simulated company, and its truth; what concerns complaints, which one in thirteen makes, apart."""
    population = Population.draw(companies=1, years=1, seed=5)

    def survey(s: int) -> dict[str, pd.DataFrame]:
        frames = intervals_of(population.sample(respondents, seed=s, missing=0.0), replicates, s, kind)
        for name in ("paths", "total effects"):
            rare = (frames[name][["a", "b"]] == "Complaints").any(axis=1)
            frames[f"{name}, complaints"], frames[name] = frames[name][rare], frames[name][~rare]
        return frames

    truth = truth_of(population)
    return survey, truth | {f"{name}, complaints": truth[name] for name in ("paths", "total effects")}


FACTORS = {"X": (0.9, 0.8, 0.7), "M": (0.85, 0.8, 0.75), "Y": (0.9, 0.8, 0.7)}
PATHS = {("M", "X"): 0.5, ("Y", "X"): 0.3, ("Y", "M"): 0.4}
ITEMS = [f"{name.lower()}{i}" for name, loads in FACTORS.items() for i in range(len(loads))]
SYNTAX = (
    "\n".join(f"{f} =~ {' + '.join(f'{f.lower()}{i}' for i in range(3))}" for f in FACTORS) + "\nM ~ X\nY ~ X + M"
)
MIDDLE, SPREAD, SCALE = 7.0, 1.5, (-5.0, 15.0)  # items are normal, so their scale is wide


def factors(respondents: int, replicates: int, kind: Interval) -> Population95:
    """Surveys of a population of three common factors, estimated by consistent PLS, and its truth."""
    b = np.zeros((3, 3))
    for (y, x), value in PATHS.items():
        b["XMY".index(y), "XMY".index(x)] = value
    cor = np.eye(3)
    cor[1, 0] = cor[0, 1] = b[1, 0]
    cor[2, 0] = cor[0, 2] = b[2, 0] + b[2, 1] * cor[1, 0]
    cor[2, 1] = cor[1, 2] = b[2, 1] + b[2, 0] * cor[1, 0]
    load = np.zeros((9, 3))
    for k, values in enumerate(FACTORS.values()):
        load[3 * k : 3 * k + 3, k] = values
    sigma = load @ cor @ load.T
    np.fill_diagonal(sigma, 1.0)
    spec = cx.PLS(SYNTAX, consistent=True)

    def survey(s: int) -> dict[str, pd.DataFrame]:
        rng = np.random.default_rng([7, s])
        data = pd.DataFrame(MIDDLE + SPREAD * rng.multivariate_normal(np.zeros(9), sigma, respondents), columns=ITEMS)
        fit = spec.fit(data.clip(*SCALE))
        boot = fit.bootstrap(replicates, seed=s, interval=kind)
        total = boot.effects[boot.effects["effect"] == "total"]
        lo, hi = (np.full(len(fit.item_names), v) for v in SCALE)
        return {
            "paths": boot.paths.rename(columns={"outcome": "a", "predictor": "b"}),
            "loadings": boot.loadings.rename(columns={"construct": "a", "item": "b"}),
            "total effects": total.rename(columns={"outcome": "a", "predictor": "b"}),
            "index": index_intervals(fit, lo, hi, replicates, s, kind),
        }

    paths = pd.Series(PATHS)
    total = paths.copy()
    total["Y", "X"] += PATHS["Y", "M"] * PATHS["M", "X"]
    flat = {(f, f"{f.lower()}{i}"): v for f, values in FACTORS.items() for i, v in enumerate(values)}
    middle = 100 * (MIDDLE - SCALE[0]) / (SCALE[1] - SCALE[0])
    index = pd.Series({(f, f): middle for f in FACTORS})
    truth = {"paths": paths, "loadings": pd.Series(flat), "total effects": total, "index": index}
    return survey, {name: v.rename_axis(["a", "b"]) for name, v in truth.items()}


def coverage(population: Population95, surveys: int) -> pd.DataFrame:
    """Share of intervals that contain the truth, by quantity: [quantity, intervals, below, above, coverage, se].

    ``below`` and ``above`` are shares of intervals that lie wholly below or above the truth. Quantities of one survey
    hang together, so the standard error comes from the surveys, not from the intervals.
    """
    survey, truth = population
    outcomes: dict[str, list[np.ndarray]] = {name: [] for name in truth}
    for s in range(surveys):
        for name, frame in survey(s).items():
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


def run(surveys: int = 400, replicates: int = 1000) -> None:
    """Print the tables, and keep them."""
    rows = []
    for what, draw in (("composites", composites), ("common factors, consistent PLS", factors)):
        for respondents, kind in ((250, "percentile"), (250, "bca"), (1000, "percentile")):
            table = coverage(draw(respondents, replicates, kind), surveys)  # type: ignore[arg-type]
            print(f"\n{what}: {kind} 95 % intervals, {surveys} surveys of {respondents}, {replicates:,} replicates")
            print(table.to_string(index=False, float_format=lambda v: f"{v:.3f}"), flush=True)
            method = f"{'PLSc' if 'PLS' in what else 'PLS'}, {kind} bootstrap"
            of = {"method": method, "n": respondents, "runs": surveys}
            named = table.assign(design=what.split(",")[0] + ": " + table["quantity"])
            rows += [{**of, **row} for row in named[["design", "coverage", "se"]].to_dict("records")]
    keep("pls", "coverage", rows)
