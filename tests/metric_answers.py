"""The answers and reference numbers that tests of metrics share."""

import json
from pathlib import Path

import pandas as pd
import pytest

FOLDER = Path(__file__).parent / "reference" / "drivers"
GOLD = json.loads((FOLDER / "cx_metrics.json").read_text())
SIM = pd.read_csv(FOLDER / "data" / "cx_sim.csv")
HOTEL = pd.read_csv(FOLDER / "data" / "csi_hotel.csv")
IMPORTANCE, QUALITY = [f"imp_{j}" for j in range(1, 11)], [f"qual_{j}" for j in range(1, 11)]
CLOSE = {"abs": 1e-9, "rel": 1e-10}


def near(expected, **how):
    return pytest.approx(expected, **(how or CLOSE))


def yes(x, n):
    return [1] * x + [0] * (n - x)
