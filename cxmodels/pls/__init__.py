"""PLS path modelling: from a model and a survey to weights, paths, quality criteria and their uncertainty."""

from .bootstrap import PLSBootstrap
from .comparison import PLSComparison, compare
from .groups import PLSGroups, compare_groups
from .result import PLSResult
from .spec import PLS

__all__ = ["PLS", "PLSBootstrap", "PLSComparison", "PLSGroups", "PLSResult", "compare", "compare_groups"]
