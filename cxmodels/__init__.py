"""Statistical models of customer experience.

Public names load when first used, so that ``import cxmodels`` is quick:

>>> import cxmodels as cx
>>> cx.datasets.catalog()["name"].tolist()[:2]
['cdnow', 'cdnow_summary']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Churn": "cxmodels.churn",
    "CxError": "cxmodels.errors",
    "CxWarning": "cxmodels.errors",
    "Drivers": "cxmodels.drivers",
    "History": "cxmodels.history",
    "PLS": "cxmodels.pls",
    "SEM": "cxmodels.sem",
    "SatisfactionIndex": "cxmodels.acsi",
    "Survey": "cxmodels.survey",
    "read_survey": "cxmodels.survey",
    "read_surveys": "cxmodels.survey",
    "compare": "cxmodels.comparison",
    "invariance": "cxmodels.sem",
    "parse_model": "cxmodels.model",
    "Study": "cxmodels.study",
    "value_of_satisfaction": "cxmodels.worth",
}
_MODULES = (
    "acsi",
    "churn",
    "datasets",
    "drivers",
    "errors",
    "fieldwork",
    "linkage",
    "metrics",
    "model",
    "pls",
    "report",
    "resampling",
    "sem",
    "study",
    "survey",
    "worth",
)

__all__ = [*_HOME, *_MODULES, "__version__"]

if TYPE_CHECKING:
    from . import (
        acsi,
        churn,
        datasets,
        drivers,
        errors,
        fieldwork,
        linkage,
        metrics,
        model,
        pls,
        report,
        resampling,
        sem,
        study,
        survey,
        worth,
    )
    from .acsi import SatisfactionIndex
    from .churn import Churn
    from .comparison import compare
    from .drivers import Drivers
    from .history import History
    from .model import parse_model
    from .pls import PLS
    from .sem import SEM, invariance
    from .study import Study
    from .survey import Survey, read_survey, read_surveys


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"cxmodels.{name}")
    else:
        from .errors import near

        raise AttributeError(f"module 'cxmodels' has no attribute '{name}'.{near(name, __all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
