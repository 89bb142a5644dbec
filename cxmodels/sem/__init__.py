"""Covariance-based structural equation models."""

from .bootstrap import SEMBootstrap
from .comparison import compare
from .equality import invariance
from .result import SEMResult
from .spec import SEM

__all__ = ["SEM", "SEMBootstrap", "SEMResult", "compare", "invariance"]
