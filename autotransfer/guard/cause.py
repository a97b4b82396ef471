"""Why transfer hurt: the source's data, or the method that used it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autotransfer.errors import UndefinedScoreError
from autotransfer.models.metrics import Metric
from autotransfer.models.source import Source
from autotransfer.results import Outcome, RankedSource
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.transferability.distances.proxy_a import proxy_a_distance
from autotransfer.transferability.distances.samples import Samples

DATA, METHOD, UNKNOWN = "data", "method", "unknown"
FAR = 1.8  # a proxy A-distance at which 95 of 100 items are told apart
MOST = 500  # items of each set that it is computed from


@dataclass(frozen=True)
class Cause:
    """Where a negative verdict seems to come from.

    Args:
        kind: "data", "method" or "unknown".
        sentence: The figures behind it.
    """

    kind: str
    sentence: str


def cause_of(
    finalist: Outcome,
    outcomes: Sequence[Outcome],
    row: RankedSource | None,
    untrained: float | None,
    best: float,
    *,
    metric: Metric,
    accuracy: float,
    num_tested: int,
    distance: float | None = None,
) -> Cause:
    """Return why the finalist loses.

    It is the method where another method or stage of the same source did at least as well in
    validation as its rival in the test, or where a probe on the best stage is clearly
    (by two standard errors) better than the finalist: what can be transferred is there, and was
    not found. It is the data where even that probe loses to features that were never trained,
    or where the source items that were used look altogether different.

    Args:
        finalist: What lost.
        outcomes: Everything that was tried.
        row: The source in the ranking; its accuracies by stage are leave-one-out.
        untrained: Accuracy of the baseline on untrained features; None where there is none.
        best: Score of the rival, the best without a source.
        metric: The score of validation and of the rival.
        accuracy: Of the finalist on the tested items; probes are compared by accuracy.
        num_tested: Number of these items.
        distance: Cross-fitted proxy A-distance in [0, 2] between source items and target, as
            the source sees them; None where there are no source items.
    """
    apart = "" if distance is None else f"; the A-distance of the two sets is {distance:.1f} of 2"
    rivals = [
        outcome
        for outcome in outcomes
        if outcome.source == finalist.source
        and outcome.number != finalist.number
        and outcome.value is not None
        and outcome.value >= best
    ]
    if rivals:
        rival = max(rivals, key=lambda outcome: outcome.value or 0.0)
        assert rival.value is not None
        return Cause(
            METHOD,
            f"the method: trial {rival.number} ({rival.strategy}) of the same source reached "
            f"{metric.display(rival.value):.3f} in validation, the best without a source "
            f"{metric.display(best):.3f}",
        )
    known = [a for a in row.stage_accuracies if a is not None] if row is not None else []
    if row is None or not known:
        return Cause(UNKNOWN, "no cause could be told")
    probe = max(known)
    features = "" if untrained is None else f", untrained features {untrained:.3f}"
    if untrained is not None and probe < untrained:
        return Cause(
            DATA,
            f"the source: even a probe on its best stage reaches {probe:.3f}, less than untrained "
            f"features ({untrained:.3f}), so what it learnt does not fit these items{apart}",
        )
    variance = accuracy * (1 - accuracy) / num_tested + probe * (1 - probe) / row.num_images
    if probe - accuracy > 2 * max(variance, (1 / num_tested) ** 2) ** 0.5:
        return Cause(
            METHOD,
            f"the method: a probe on the best stage of the same source reaches {probe:.3f}, "
            f"{finalist.strategy} only {accuracy:.3f}, so it lost what the source has to offer",
        )
    if distance is not None and distance >= FAR:
        return Cause(
            DATA,
            "the source items: a linear classifier tells them from yours nearly always"
            f"{apart}, while a probe on the source network itself reaches {probe:.3f}",
        )
    return Cause(
        UNKNOWN,
        f"neither is clear: a probe on the best stage of the source reaches {probe:.3f}, "
        f"{finalist.strategy} {accuracy:.3f}{features}, and no other trial of it did better"
        f"{apart}",
    )


def source_distance(context: LabelledContext, source: Source, seed: int) -> float | None:
    """Return the cross-fitted proxy A-distance in [0, 2], on the last stage of a source.

    Args:
        context: Holds the target's open items and, where there are some, the source items.
        source: The network that looks at both.
        seed: Chooses the items, at most `MOST` of each set.

    Returns:
        None where there are no source items, or too few of either set.
    """
    if context.source_images is None:
        return None
    rng = np.random.default_rng(seed)
    sets = [
        images.subset(rng.permutation(len(images))[:MOST])
        for images in (context.source_images, context.images)
    ]
    samples = Samples.of(*map(context.readers[source], sets))
    try:
        return proxy_a_distance(samples)
    except UndefinedScoreError:
        return None
