"""The surveys that tests of driver analysis share."""

from pathlib import Path

import numpy as np
import pandas as pd

import cxmodels as cx

DATA = Path(__file__).parent / "reference" / "drivers" / "data"
MOBI = pd.read_csv(DATA / "mobi.csv")
CX = pd.read_csv(DATA / "cx_sim.csv")
RATINGS = [f"a{i}" for i in range(1, 9)]
FULL = ["a1", "a2", "a3", "a4", "a5"]  # of CX: the attributes without blanks


def drivers(attributes=FULL, outcome="nps", **spec):
    return cx.Drivers(outcome, attributes, **spec)


def simulated(n, seed, slopes=(0.5, 0.3, 0.15, 0.05), rho=0.5):
    """Normal attributes with known correlations and coefficients."""
    p = len(slopes)
    root = np.linalg.cholesky(np.full((p, p), rho) + (1 - rho) * np.eye(p))
    rng = np.random.default_rng([11, seed])
    x = rng.standard_normal((n, p)) @ root.T
    return pd.DataFrame(x, columns=list("abcdefgh")[:p]).assign(y=x @ slopes + rng.standard_normal(n) * 0.6**0.5)
