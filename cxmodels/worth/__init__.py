"""What satisfaction is worth: from attributes to satisfaction, retention and money, with the error of every stage."""

from .result import SatisfactionWorth
from .sensitivity import e_value, robustness_value
from .simulation import WorthTruth, simulate_worth
from .valuation import value_of_satisfaction

__all__ = [
    "SatisfactionWorth",
    "WorthTruth",
    "e_value",
    "robustness_value",
    "simulate_worth",
    "value_of_satisfaction",
]
