"""The surveys that tests of driver analysis share."""

from pathlib import Path

import pandas as pd

import cxmodels as cx

DATA = Path(__file__).parent / "reference" / "drivers" / "data"
MOBI = pd.read_csv(DATA / "mobi.csv")
CX = pd.read_csv(DATA / "cx_sim.csv")
RATINGS = [f"a{i}" for i in range(1, 9)]
FULL = ["a1", "a2", "a3", "a4", "a5"]  # of CX: the attributes without blanks


def drivers(attributes=FULL, outcome="nps", **spec):
    return cx.Drivers(outcome, attributes, **spec)
