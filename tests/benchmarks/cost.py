"""How the time of a job grows with rows, items, constructs, units and replicates: two decades each, and the exponent.

An exponent of 1 means that twice the size takes twice the time; small sizes are left out of its fit, where the fixed cost of a call
counts for more than the size.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

import cxmodels as cx

from .saved import keep

STEPS = 5


def answers(rows: int, constructs: int, items: int, seed: int = 0) -> pd.DataFrame:
    """Ratings of a chain of constructs, each driven by the one before."""
    rng = np.random.default_rng(seed)
    f = rng.normal(size=(rows, constructs))
    for j in range(1, constructs):
        f[:, j] = 0.6 * f[:, j - 1] + 0.8 * f[:, j]
    x = np.repeat(f, items, axis=1) + rng.normal(scale=0.6, size=(rows, constructs * items))
    names = [f"c{j}_{i}" for j in range(constructs) for i in range(items)]
    return pd.DataFrame(np.clip(np.round(6 + 1.5 * x), 1, 10), columns=names)


def chain(constructs: int, items: int) -> str:
    """The model of these ratings."""
    lines = [f"C{j} =~ {' + '.join(f'c{j}_{i}' for i in range(items))}" for j in range(constructs)]
    return "\n".join(lines + [f"C{j} ~ C{j - 1}" for j in range(1, constructs)])


def pls(rows: int = 1000, constructs: int = 5, items: int = 4) -> Callable[[], object]:
    """One path model with its quality criteria."""
    data, spec = answers(rows, constructs, items), cx.PLS(chain(constructs, items))
    return lambda: spec.fit(data).tables()


def sem(rows: int = 1000, items: int = 3) -> Callable[[], object]:
    """One covariance model of three constructs with standard errors and fit."""
    data, spec = answers(rows, 3, items), cx.SEM(chain(3, items))
    return lambda: spec.fit(data).fit_measures


def replicates(n: int) -> Callable[[], object]:
    """A bootstrap read out."""
    found = cx.PLS(chain(5, 4)).fit(answers(250, 5, 4))
    return lambda: found.bootstrap(n, seed=1).paths


def units(n: int) -> Callable[[], object]:
    """Indices of many companies of 50 respondents."""
    data = answers(50 * n, 3, 3).assign(company=np.repeat(np.arange(n), 50))
    spec = cx.SatisfactionIndex(chain(3, 3), target="C2", scale=(1, 10))
    return lambda: spec.fit(data, by="company", bootstrap=0).scores


JOBS: dict[tuple[str, str], tuple[Callable[[int], Callable[[], object]], int, int]] = {
    ("PLS", "rows"): (lambda n: pls(rows=n), 1_000, 100_000),
    ("PLS", "items of a construct"): (lambda n: pls(items=n, constructs=2), 4, 400),
    ("PLS", "constructs"): (lambda n: pls(constructs=n, items=2), 2, 200),
    ("PLS bootstrap", "replicates"): (replicates, 100, 10_000),
    ("SEM by ML", "rows"): (lambda n: sem(rows=n), 1_000, 100_000),
    ("SEM by ML", "items of a construct"): (lambda n: sem(rows=5_000, items=n), 2, 200),
    ("Satisfaction index", "companies"): (units, 10, 1_000),
}


def seconds(action: Callable[[], object]) -> float:
    """Processor time, the least of up to three runs."""
    took = []
    while len(took) < 3 and sum(took) < 3:
        start = time.process_time()
        action()
        took.append(time.process_time() - start)
    return min(took)


def exponent(sizes: np.ndarray, times: np.ndarray) -> float:
    """Slope of log time on log size over the upper decade."""
    upper = sizes >= sizes[-1] / 10.5
    return float(np.polyfit(np.log(sizes[upper]), np.log(times[upper]), 1)[0])


def curve(make: Callable[[int], Callable[[], object]], low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    """Sizes and times."""
    sizes = np.unique(np.geomspace(low, high, STEPS).round().astype(int))
    return sizes, np.array([seconds(make(int(n))) for n in sizes])


def run() -> None:
    """Print the curves, and keep them."""
    rows = []
    with threadpool_limits(1, user_api="blas"):
        pls(rows=200)()
        sem(200)()
        for (job, what), (make, low, high) in JOBS.items():
            sizes, times = curve(make, low, high)
            row = {"job": job, "what": what, "sizes": sizes.tolist(), "seconds": [float(f"{t:.3g}") for t in times]}
            rows.append({**row, "exponent": exponent(sizes, times)})
            print(
                f"{job}, {what}: exponent {rows[-1]['exponent']:.2f}",
                dict(zip(sizes.tolist(), times.round(4).tolist(), strict=True)),
                flush=True,
            )
    keep("cost", "cost", rows)
