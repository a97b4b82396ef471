"""The interface of a transferability score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.need import Need


class TransferabilityEstimator(ABC):
    """A score of a source for a target that trains no network; higher is better.

    Attributes:
        name: Unique, kebab-case.
        family: What it measures; scores of one family count once in the consensus. Empty for
            a score that is a family of its own.
        needs: What it cannot do without.
    """

    name: ClassVar[str]
    family: ClassVar[str] = ""
    needs: ClassVar[frozenset[Need]] = frozenset()

    @abstractmethod
    def score(self, statistics: Statistics) -> float:
        """Return the score, a finite number.

        Raises:
            UndefinedScoreError: If the score has no value for these statistics.
        """
