"""PLS path modelling: from a model and a survey to weights, paths, quality criteria and their uncertainty."""

from .result import PLSBootstrap, PLSResult
from .spec import PLS

__all__ = ["PLS", "PLSBootstrap", "PLSResult"]
