"""What is known beforehand of a gain over the obvious, and what it becomes once it is measured.

A validation score flatters whoever is chosen by it, the more the fewer items there are. A measured
gain is therefore believed by its precision, beside what such a gain was on many small targets. The
figures are from the record of small transfers (`tests/benchmarks/transfer_record.py`; the tables
are in `docs/benchmarks/transfer-record.md`): up to a hundred items a class, and convolutional
networks.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import astuple, dataclass

from autotransfer.models.architecture import GIVEN_FEATURES
from autotransfer.models.builders import is_known
from autotransfer.models.metrics import Metric

SURPRISES = 0.01  # share of all cases
NATS_PER_POINT = 2.0  # gains in log loss are so many times as large as those in shares of items


@dataclass(frozen=True)
class Gain:
    """What is known of a gain in the score: a normal distribution, and now and then a surprise.

    Args:
        mean: In shares of items.
        deviation: The standard deviation.
        surprise: The standard deviation, about 0, in one case of a hundred: a target that is
            unlike all recorded ones.
    """

    mean: float
    deviation: float
    surprise: float = 0.1

    def given(self, measured: float, error: float) -> float:
        """Return the mean of the gain once it has been measured with a standard error.

        Of two normal priors and a normal measurement: each counts by its precision, and each
        prior by how likely it makes the measurement.
        """
        cases = ((1 - SURPRISES, self.mean, self.deviation), (SURPRISES, 0.0, self.surprise))
        weights, means = [], []
        for share, mean, deviation in cases:
            spread = math.hypot(deviation, error)
            log_density = -(((measured - mean) / spread) ** 2) / 2 - math.log(spread)
            weights.append(math.log(share) + log_density)
            believed = (deviation / spread) ** 2
            means.append(believed * measured + (1 - believed) * mean)
        likely, rare = (math.exp(weight - max(weights)) for weight in weights)
        return (likely * means[0] + rare * means[1]) / (likely + rare)

    def of(self, metric: Metric) -> Gain:
        """Return the gain in units of a metric."""
        if metric.reads_decisions:
            return self
        return Gain(*(NATS_PER_POINT * value for value in astuple(self)))


@dataclass(frozen=True)
class Expected:
    """Gains over what has to be beaten.

    Args:
        frozen: Of what reads frozen features.
        trained: Of what trains a network, or is put together with it.
    """

    frozen: Gain
    trained: Gain


# Over the mixture of all sources, probes of single stages gained nothing: -0.8 points at two items
# a class, 0.0 from five on. Fine-tunes were 6 points behind, and 4 where they were half of a mean.
OVER_A_MIXTURE = Expected(Gain(-0.002, 0.005), Gain(-0.005, 0.015))
# The record ends there: of more items a class, or of networks of other kinds, less is known. On
# frozen features of texts and sounds nothing is (`tests/benchmarks/beyond_the_record.py`).
BEYOND_THE_RECORD = Gain(0.0, 0.03)
RECORDED_ITEMS_A_CLASS = 100
RECORDED_ARCHITECTURES = ("mobilenet", "efficientnet", "resnet")  # parts of their names
# Over one probe of a last stage, a mixture with probes of other stages gained 3 to 5 points.
OVER_A_PROBE = Expected(Gain(0.04, 0.03), Gain(0.04, 0.03))
# Another candidate in place of that probe, chosen by validation: 0 to 4 points.
IN_PLACE_OF_A_PROBE = Expected(Gain(0.0, 0.02), Gain(0.0, 0.02))


def recorded(architectures: Iterable[str]) -> bool:
    """Return whether the record knows networks of these kinds.

    Of features that were given nothing is known, and they are taken for those of such networks.

    Args:
        architectures: Of the sources, as timm calls them, or KIND/NAME.
    """
    return all(
        name == GIVEN_FEATURES
        or (not is_known(name) and any(part in name for part in RECORDED_ARCHITECTURES))
        for name in architectures
    )


def expected_gains(
    architectures: Collection[str], *, over_a_mixture: bool, combine: bool
) -> Expected | None:
    """Return what is known of gains over the obvious; None where the record says nothing.

    Args:
        architectures: Of the sources.
        over_a_mixture: Whether the obvious is a mixture of probes; else it is one probe.
        combine: Whether several candidates may be put together.
    """
    if not recorded(architectures):
        return None
    if over_a_mixture:
        return OVER_A_MIXTURE
    return OVER_A_PROBE if combine else IN_PLACE_OF_A_PROBE


def trained_over_a_mixture(items_a_class: float, architectures: Collection[str]) -> Gain:
    """Return the gain of what trains over a mixture of probes.

    Args:
        items_a_class: To learn from, the median.
        architectures: Of the sources, as timm calls them.
    """
    known = recorded(architectures) and items_a_class <= RECORDED_ITEMS_A_CLASS
    return OVER_A_MIXTURE.trained if known else BEYOND_THE_RECORD


def standard_error(total_square: float, mean: float, n: int, metric: Metric) -> float:
    """Return the standard error of a mean gain of n items.

    Where the metric counts right answers, one more difference is added: that no item differs does
    not show that none would.

    Args:
        total_square: Sum of the squared gains of the items.
        mean: Their mean.
        n: Number of items.
        metric: The score.
    """
    unseen = 1.0 if metric.reads_decisions else 0.0
    return math.sqrt(max(total_square - n * mean**2, 0.0) + unseen) / n
