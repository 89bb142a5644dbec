"""How often intervals of metrics hold the truth, exactly where samples can be enumerated, else by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import binom, multinomial

from cxmodels import metrics as m
from cxmodels.inference import net_interval, share_interval

SHARES = (0.01, 0.02, 0.05, 0.1, 0.3, 0.5)
NETS = ((0.5, 0.2), (0.1, 0.1), (0.9, 0.05), (0.98, 0.01), (0.02, 0.02), (0.05, 0.6))


def shares(n: int) -> pd.DataFrame:
    """Exact coverage of share intervals; it oscillates with n and p (Brown, Cai and DasGupta 2001)."""
    rows = []
    for p in SHARES:
        x = np.arange(n + 1)
        row = {"n": n, "share": p}
        for kind in ("wilson", "agresti_coull", "clopper_pearson", "wald"):
            ends = [share_interval(k / n, n, kind) for k in x]
            row[kind] = sum(binom.pmf(k, n, p) for k, (a, b) in zip(x, ends, strict=True) if a <= p <= b)
        rows.append(row)
    return pd.DataFrame(rows)


def nets(n: int, draws: int = 20_000) -> pd.DataFrame:
    """Coverage of net scores: exact up to 60 answers, else over draws."""
    rows = []
    rng = np.random.default_rng(n)
    for p, d in NETS:
        chances = [p, d, 1 - p - d]
        if n <= 60:
            samples = [(a, b) for a in range(n + 1) for b in range(n + 1 - a)]
            weight = [multinomial.pmf([a, b, n - a - b], n, chances) for a, b in samples]
        else:
            drawn, times = np.unique(rng.multinomial(n, chances, draws)[:, :2], axis=0, return_counts=True)
            samples, weight = [tuple(s) for s in drawn.tolist()], (times / draws).tolist()
        row = {"n": n, "promoters": p, "detractors": d}
        for kind in ("adjusted_wald", "score"):
            row[kind] = 0.0
            for (a, b), chance in zip(samples, weight, strict=True):
                if chance > 1e-10:
                    low, high = net_interval(a / n, b / n, n, method=kind)
                    row[kind] += chance * (low - 1e-12 <= p - d <= high + 1e-12)
        rows.append(row)
    return pd.DataFrame(rows)


def clustered(draws: int = 1000) -> pd.DataFrame:
    """Shares and means asked in few clusters, beta-binomial with an intraclass correlation."""
    rows = []
    rng = np.random.default_rng(1)
    for clusters, size, p, icc in ((10, 20, 0.3, 0.1), (10, 20, 0.05, 0.1), (5, 40, 0.3, 0.05), (40, 5, 0.3, 0.1)):
        a, b = p * (1 / icc - 1), (1 - p) * (1 / icc - 1)
        ids, hits = np.repeat(np.arange(clusters), size), np.zeros(2)
        for _ in range(draws):
            x = (rng.random(clusters * size) < rng.beta(a, b, clusters)[ids]).astype(float)
            for k, e in enumerate((m.rate(x, clusters=ids), m.csat(x, scale=(0, 1), measure="mean", clusters=ids))):
                hits[k] += e.ci_lower - 1e-12 <= p <= e.ci_upper + 1e-12
        rows.append((clusters, size, p, icc, *(hits / draws)))
    return pd.DataFrame(rows, columns=["clusters", "size", "share", "icc", "rate", "mean (t)"])


def indices(draws: int = 500) -> pd.DataFrame:
    """The index from stated importance, by the normal interval and by Student's."""
    rng = np.random.default_rng(2)
    p = [0.05, 0.1, 0.2, 0.35, 0.3]
    importance, quality = (rng.choice(5, (200_000, 6), p=p) + 1.0 for _ in range(2))
    truth = 100 * (importance.mean(0) @ quality.mean(0)) / importance.mean(0).sum() / 5
    rows = []
    for n in (12, 30, 100):
        hits = np.zeros(2)
        for _ in range(draws):
            at = rng.choice(len(quality), n)
            for k, kind in enumerate(("normal", "t")):
                e = m.csi(importance[at], quality[at], interval=kind)  # type: ignore[arg-type]
                hits[k] += e.ci_lower <= truth <= e.ci_upper
        rows.append((n, *(hits / draws)))
    return pd.DataFrame(rows, columns=["n", "normal", "t"])


def run() -> None:
    """Print the tables."""
    show = {"index": False, "float_format": lambda v: f"{v:.3f}"}
    print("Coverage of 95 % intervals of shares, exact")
    print(pd.concat([shares(n) for n in (20, 100, 1000)]).to_string(**show))
    print("\nNet scores, exact for 20 and 50 answers, 20,000 draws of 1,000", flush=True)
    print(pd.concat([nets(n) for n in (20, 50, 1000)]).to_string(**show))
    print("\nFew clusters, 1,000 draws", flush=True)
    print(clustered().to_string(**show))
    print("\nSatisfaction index from stated importance, 500 draws", flush=True)
    print(indices().to_string(**show), flush=True)
