"""The interface of a domain distance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from autotransfer.transferability.distances.samples import Samples


class DomainDistance(ABC):
    """A distance between two image sets on a common backbone; lower is closer."""

    name: ClassVar[str]

    @abstractmethod
    def distance(self, samples: Samples) -> float:
        """Return the distance, a finite number.

        Raises:
            UndefinedScoreError: If it has no value for these samples.
        """
