"""How often intervals of metrics hold the truth, exactly where samples can be enumerated, else by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import binom, multinomial

from cxmodels import metrics as m
from cxmodels.inference import net_interval, share_interval

from .saved import keep

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


DESIGN = ("share", "promoters", "detractors", "clusters", "size", "icc")
KEPT = {
    "wilson": "Share, Wilson",
    "adjusted_wald": "Net score, adjusted Wald",
    "score": "Net score, score interval",
    "rate": "Share in clusters, Wilson with effective n",
    "mean (t)": "Mean in clusters, t",
    "t": "Index from stated importance, t",
}


def kept(table: pd.DataFrame, draws: int) -> list[dict[str, object]]:
    """Rows of the coverage page: one per method and design; draws 0 where every sample was enumerated."""
    rows: list[dict[str, object]] = []
    for _, row in table.iterrows():
        design = ", ".join(f"{k} {row[k]:g}" for k in DESIGN if k in row)
        n = int(row["n"] if "n" in row else row["clusters"] * row["size"])
        for kind in [k for k in KEPT if k in row]:
            p = row[kind]
            se = float(np.sqrt(p * (1 - p) / draws)) if draws else 0.0
            method = KEPT[kind]
            rows.append({"method": method, "design": design, "n": n, "runs": draws, "coverage": p, "se": se})
    return sorted(rows, key=lambda r: str(r["method"]))


def run() -> None:
    """Print the tables, and keep them."""
    show = {"index": False, "float_format": lambda v: f"{v:.3f}"}
    tables = [
        ("Coverage of 95 % intervals of shares, exact", pd.concat([shares(n) for n in (20, 100, 1000)]), 0),
        ("Net scores of 20 and 50 answers, exact", pd.concat([nets(n) for n in (20, 50)]), 0),
        ("Net scores of 1,000 answers, 20,000 draws", nets(1000), 20_000),
        ("Few clusters, 1,000 draws", clustered(), 1000),
        ("Satisfaction index from stated importance, 500 draws", indices(), 500),
    ]
    for title, table, _ in tables:
        print(f"\n{title}\n{table.to_string(**show)}", flush=True)
    keep("metrics", "coverage", [row for _, table, draws in tables for row in kept(table, draws)])
