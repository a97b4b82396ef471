"""Scores as people read them, whatever the fit was searched by."""

from __future__ import annotations

from dataclasses import dataclass

from autotransfer.data.modality import plural_of
from autotransfer.models.metrics import METRICS, Metric
from autotransfer.results import Interval, Record


@dataclass(frozen=True)
class Scale:
    """How the scores of a fit are shown.

    Args:
        metric: The metric; None for scores without labels.
    """

    metric: Metric | None

    @classmethod
    def of(cls, record: Record) -> Scale:
        """Return the scale of a record."""
        return cls(METRICS.get(record.metric))

    @property
    def title(self) -> str:
        """Return what the scores are called."""
        return "label-free score" if self.metric is None else self.metric.title

    @property
    def unit(self) -> str:
        """Return the unit of a difference."""
        return "" if self.metric is None else self.metric.unit

    def shown(self, score: float) -> float:
        """Return a score as people read it."""
        return score if self.metric is None else self.metric.display(score)

    def difference(self, gap: float) -> float:
        """Return a difference in its unit; positive is better."""
        return gap if self.metric is None else gap * self.metric.scale

    def bounds(self, interval: Interval) -> tuple[float, float, float]:
        """Return the score, the lower and the upper limit as people read them."""
        low, high = sorted((self.shown(interval.low), self.shown(interval.high)))
        return self.shown(interval.value), low, high

    def interval(self, interval: Interval) -> str:
        """Return "0.912 (0.880 to 0.940)"."""
        score, low, high = self.bounds(interval)
        return f"{score:.3f} ({low:.3f} to {high:.3f})"

    def gap(self, interval: Interval) -> str:
        """Return "+3.1 points (+1.0 to +5.2)"."""
        low, high = self.difference(interval.low), self.difference(interval.high)
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.difference(interval.value):+.1f}{unit} ({low:+.1f} to {high:+.1f})"


def tested_units(record: Record) -> str:
    """Return the plural of what the test of a fit counts."""
    if record.zero_shot is not None:
        return "classes"
    return record.verdict.units or plural_of(record.modality)
