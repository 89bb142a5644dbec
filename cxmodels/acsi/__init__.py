"""The satisfaction index of the ACSI and ECSI kind: models, index, impacts, aggregation and change.

Not affiliated with or endorsed by the owner of the registered name ACSI; the method is that of the public literature.
"""

from .annual import Benchmark
from .benchmark import BenchmarkResult
from .hierarchy import last_values, rolling_change
from .models import ACSI, ECSI, IndexModel, price_tolerance
from .precision import detectable_change, index_margin, interviews, interviews_for_change, power_of_change
from .rates import complaint_rate, demand, reservation_price, retention, tolerated_change
from .result import IndexResult
from .rolling import RollingIndex, rolling_index
from .satisfaction import SatisfactionIndex
from .schemes import EPSI, NCSI, SCHEMES, UKCSI, Scheme
from .trend import Trend, trends

__all__ = [
    "ACSI",
    "ECSI",
    "EPSI",
    "NCSI",
    "SCHEMES",
    "UKCSI",
    "Benchmark",
    "BenchmarkResult",
    "IndexModel",
    "IndexResult",
    "RollingIndex",
    "SatisfactionIndex",
    "Scheme",
    "Trend",
    "complaint_rate",
    "demand",
    "detectable_change",
    "index_margin",
    "interviews",
    "interviews_for_change",
    "last_values",
    "power_of_change",
    "price_tolerance",
    "reservation_price",
    "retention",
    "rolling_change",
    "rolling_index",
    "tolerated_change",
    "trends",
]
