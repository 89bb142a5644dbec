"""The numbers a customer department lives by, each with its standard error and interval.

Every metric takes raw answers, as an array or as the name of a column of ``data=``, and weights, strata, clusters and
groups (``by=``); it returns an :class:`Estimate`, or a frame with a row per group. Conventions that differ between
vendors are arguments, and named in ``method``. :func:`differences` tests groups and waves against one another.

>>> import cxmodels as cx
>>> e = cx.metrics.nps([10, 9, 9, 8, 7, 6, 10, 3, 9, 8])
>>> e.value, round(e.ci_lower, 1), round(e.ci_upper, 1)
(30.0, -19.1, 65.2)
"""

from .checklist import checklist, quality_score
from .comparison import difference, differences
from .csi import CsiEstimate, csi, csi_scores, csi_tree
from .customers import churn_rate, repeat_purchase, retention_rate, returning_customers
from .estimate import Estimate
from .indicators import IndicatorIndex, csi_indicators
from .journey import Journey, journey
from .logs import elapsed, fcr_from_log, per_customer
from .monitor_groups import MonitorGroups
from .monitoring import Monitor, monitor
from .planning import SampleSize, sample_size
from .profile import profile, quadrants
from .recommendation import enps, nps
from .satisfaction import ces, csat, dissatisfaction, expectation_gap
from .shares import (
    contact_rate,
    conversion,
    fcr,
    proportion,
    rate,
    response_rate,
    service_level,
)
from .times import duration, first_response_time, handling_time, resolution_time
from .tree import Branch, Component
from .value import annual, clv, lifetime

__all__ = [
    "Branch",
    "Component",
    "CsiEstimate",
    "Estimate",
    "IndicatorIndex",
    "Journey",
    "Monitor",
    "MonitorGroups",
    "SampleSize",
    "annual",
    "ces",
    "checklist",
    "churn_rate",
    "clv",
    "contact_rate",
    "conversion",
    "csat",
    "csi",
    "csi_indicators",
    "csi_scores",
    "csi_tree",
    "difference",
    "differences",
    "dissatisfaction",
    "duration",
    "elapsed",
    "enps",
    "expectation_gap",
    "fcr",
    "fcr_from_log",
    "first_response_time",
    "handling_time",
    "journey",
    "lifetime",
    "monitor",
    "nps",
    "per_customer",
    "profile",
    "proportion",
    "quadrants",
    "quality_score",
    "rate",
    "repeat_purchase",
    "resolution_time",
    "response_rate",
    "retention_rate",
    "returning_customers",
    "sample_size",
    "service_level",
]
