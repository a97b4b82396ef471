"""Distances between two image sets on a common backbone."""

from __future__ import annotations

from autotransfer.transferability.distances.distance import MEASURES, domain_distance
from autotransfer.transferability.distances.samples import Samples
from autotransfer.transferability.distances.wording import describe, levels

__all__ = ["MEASURES", "Samples", "describe", "domain_distance", "levels"]
