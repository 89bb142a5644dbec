"""Fieldwork of a survey: who answered, when, and the weights that make up for who did not."""

from .propensity import response_weights
from .response import fieldwork_timing, item_nonresponse, nonresponse, response_rates
from .weighting import Weighting, calibrate, trim

__all__ = [
    "Weighting",
    "calibrate",
    "fieldwork_timing",
    "item_nonresponse",
    "nonresponse",
    "response_rates",
    "response_weights",
    "trim",
]
