"""Linkage: what customers say joined to what they do, and indices of companies to their growth."""

from .effect import Linkage
from .growth import GrowthResult, growth
from .joining import Joined, join
from .result import LinkageResult

__all__ = ["GrowthResult", "Joined", "Linkage", "LinkageResult", "growth", "join"]
