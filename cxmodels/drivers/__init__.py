"""Driver analysis: which attributes move an outcome, by how much, how surely, and what if."""

from .bootstrap import DriverBootstrap
from .deliverable import DriverReport
from .dominance import Dominance
from .result import DriverResult
from .scenario import WhatIf
from .segments import Segments, stack
from .spec import Drivers
from .structure import simulate_structure

__all__ = [
    "Dominance",
    "DriverBootstrap",
    "DriverReport",
    "DriverResult",
    "Drivers",
    "Segments",
    "WhatIf",
    "simulate_structure",
    "stack",
]
