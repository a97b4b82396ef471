"""Distances between two image sets on a common backbone."""

from __future__ import annotations

from autotransfer.similarity.describe import describe, levels
from autotransfer.similarity.distance import MEASURES, domain_distance
from autotransfer.similarity.measure import DomainDistance
from autotransfer.similarity.samples import Samples

__all__ = ["MEASURES", "DomainDistance", "Samples", "describe", "domain_distance", "levels"]
