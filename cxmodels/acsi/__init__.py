"""The satisfaction index of the ACSI and ECSI kind: models, index, impacts, aggregation and change.

Not affiliated with or endorsed by the owner of the registered name ACSI; the method is that of the public literature.
"""

from .annual import Benchmark
from .benchmark import BenchmarkResult
from .models import ACSI, ECSI, IndexModel, price_tolerance
from .result import IndexResult
from .satisfaction import SatisfactionIndex
from .trend import Trend, trends

__all__ = [
    "ACSI",
    "ECSI",
    "Benchmark",
    "BenchmarkResult",
    "IndexModel",
    "IndexResult",
    "SatisfactionIndex",
    "Trend",
    "price_tolerance",
    "trends",
]
