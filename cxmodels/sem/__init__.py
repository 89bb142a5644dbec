"""Covariance-based structural equation models."""

from .bootstrap import SEMBootstrap
from .comparison import compare
from .equality import invariance
from .result import SEMResult
from .sample_size import rmsea_power, rmsea_sample_size
from .spec import SEM

__all__ = ["SEM", "SEMBootstrap", "SEMResult", "compare", "invariance", "rmsea_power", "rmsea_sample_size"]
