"""The first answer: the probe of the default source, before any other source is read."""

from __future__ import annotations

import numpy as np

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import InvalidSourceError
from autotransfer.models.features import Features
from autotransfer.scenarios.run import Run
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.search.driver import RunProbe, in_context
from autotransfer.search.probes import ProbePoint
from autotransfer.search.trial import TrialContext, TrialResult, TrialSpec
from autotransfer.transferability.ranking.race_rounds import (
    ROUNDS,
    UNKNOWN_PACE,
    stratified_order,
)

SHARE = 0.1  # of the seconds, for reading the default source; more of it waits for its turn
MOST_SECONDS = 60.0  # the same, without a time limit
NUMBER = -1  # of the first probe of a study


def first_answer(point: ProbePoint | None, context: LabelledContext, run: Run) -> RunProbe:
    """Say what a probe answers, if its source is soon read; return what runs the probes.

    Nothing is kept of it here: where the search comes to the same probe of the same items, it
    takes the result, and else the probe runs there.

    Args:
        point: The probe; None is none.
        context: The items, without any other source.
        run: Where its study has outcomes already, they have been said.
    """
    if point is None or run.study.outcomes or not _read(point, context, run):
        return in_context
    seed = context.seed_of(run.options.seed, NUMBER)
    spec = TrialSpec(NUMBER, point.source, point.strategy, point.params, seed, None)
    result = context.run(spec)
    value = result.outcome.value
    if value is None:
        return in_context
    run.options.say(
        f"first answer, not tested yet: {context.display(value)} by a probe of "
        f"{point.source.name}; what follows has to beat it"
    )

    def run_probe(asked: TrialSpec, within: TrialContext) -> TrialResult:
        same = isinstance(within, LabelledContext) and (
            within.images is context.images and within.validation is context.validation
        )
        return result if same and asked == spec else within.run(asked)

    return run_probe


def _read(point: ProbePoint, context: LabelledContext, run: Run) -> bool:
    """Return whether the features of a source are there, reading them if that is soon done."""
    reader, seconds = context.readers[point.source], run.clock.seconds
    most = MOST_SECONDS if seconds is None else SHARE * seconds
    parts = (
        [context.images] if context.validation is None else [context.images, context.validation]
    )
    try:
        return all(_read_soon(part, reader, most, run.options.seed) for part in parts)
    except InvalidSourceError:
        return False  # told where the sources are ranked
    finally:
        context.readers.release()


def _read_soon(images: ImageSet, reader: Features, most: float, seed: int) -> bool:
    """Read images as the ranking does, as long as all of them are likely to be read in time."""
    ordered = images.subset(stratified_order(images.labels, seed))
    for seen in (*(n for n in ROUNDS if n < len(images)), len(images)):
        missing = reader.missing(images)
        pace = UNKNOWN_PACE if reader.pace is None else reader.pace
        if reader.seconds + missing * pace > most and missing:
            return False
        reader(images if seen == len(images) else ordered.subset(np.arange(seen)))
    return True
