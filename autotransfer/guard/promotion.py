"""Whether a newly registered model takes the place of the champion.

It does where it is not worse: where the whole 95 % interval of its score minus the champion's lies
above minus the margin (a test of non-inferiority), on tested items that neither has learnt from.
So a model that is worse by more than the margin takes over in at most 2.5 % of the cases, and over
all fits that are tested on the same items in at most 4.1 %: the k-th of them has 2.5 % / k^2. The
same items have chosen the model among the candidates of its fit and the rival, so each of these
has an equal share of that error. A better point estimate would not do: of two equal models
it is as often the new one as the old.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import DeadlineError, OverrunError
from autotransfer.guard.bootstrap import TOLERANCE, compare
from autotransfer.guard.comparison import Terms
from autotransfer.guard.evaluation_split import EvaluationSplit
from autotransfer.guard.verdict import default_margin
from autotransfer.plugin.registry import Registry
from autotransfer.results import RECORD_FILE
from autotransfer.search.checkpoint import Checkpoint, read_checkpoint
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.search.record_file import record_in
from autotransfer.search.watchdog import GRACE_SECONDS, ended_at
from autotransfer.tracking.registration import Promotion


def _stays(reason: str) -> Promotion:
    return Promotion(moves=False, reason=reason)


@dataclass(frozen=True)
class Challenger:
    """What a returned model says of items that it did not learn from.

    Args:
        split: The items.
        probabilities: (m, K) in the order of the split; (R, m, K) where the choice was made again
            in each round, out of fold by what did not see the items.
        context: The score, the classes and the features.
        terms: Margin and seed of the fit's own verdict; the level is the share of one of those
            that the items have chosen from.
        registry: What the champion is restored with.
        deadline: `time.monotonic()` at which the comparison has to be done; None is no limit.
    """

    split: EvaluationSplit
    probabilities: NDArray[np.float64]
    context: LabelledContext
    terms: Terms
    registry: Registry
    deadline: float | None = None

    def contest(self, folder: Path) -> Promotion:
        """Return whether the model is not worse than the one in a selection folder."""
        try:
            with ended_at(self.deadline):
                return self._against(folder)
        except (DeadlineError, OverrunError):
            return _stays("no time was left to compare the two; a larger --seconds leaves some")

    def _against(self, folder: Path) -> Promotion:
        champion, names = read_checkpoint(folder, self.registry), self.context.images.class_names
        theirs = record_in(folder / RECORD_FILE).class_names
        if set(theirs) != set(names):
            return _stays(f"it tells other classes apart: {', '.join(theirs[:5])}")
        seen = set(champion.seen)
        tested = [items for _, items in self.split.divisions]
        fresh = [[i for i, d in enumerate(items.digests) if d not in seen] for items in tested]
        if not any(fresh):
            n = len(self.split.units)
            return _stays(f"it has learnt from all {n} images that could compare the two")
        reader = self.context.reader_of(champion.source)
        column = [theirs.index(name) for name in names]
        parts = [items.subset(rows) for items, rows in zip(tested, fresh, strict=True) if rows]
        self._check_time(champion, parts)
        said = np.concatenate([champion.predict(part, reader)[:, column] for part in parts])
        starts = np.cumsum([0, *map(len, tested)])[:-1]
        kept = np.concatenate(
            [start + np.array(r, int) for start, r in zip(starts, fresh, strict=True)]
        )
        return self._compared(kept, said)

    def _check_time(self, champion: Checkpoint, parts: Sequence[ImageSet]) -> None:
        """Refuse to read what cannot be read in time.

        Raises:
            DeadlineError: If the features that the champion needs take longer.
        """
        read = [] if champion.source is None else [champion.source, *champion.predictor.companions]
        readers = self.context.readers
        seconds = sum(
            readers[source].missing(part) * (readers[source].pace or readers.mean_pace or 0.0)
            for source in read
            for part in parts
        )
        end = math.inf if self.deadline is None else self.deadline + GRACE_SECONDS
        if time.monotonic() + seconds > end:
            raise DeadlineError(f"{seconds:.0f} s do not fit in the time left")

    def _compared(self, kept: NDArray[np.int64], champion: NDArray[np.float64]) -> Promotion:
        """Return what the items at some places say of both models."""
        metric, terms = self.context.metric, self.terms
        if self.split.domains is not None:
            told = "models of left-out domains are not compared by items; --promote moves it"
            return _stays(told)
        found = compare(
            metric,
            self.split.labels[kept],
            self.probabilities[..., kept, :],
            champion,
            units=self.split.units[kept],
            level=terms.level,
            inflation=self.split.inflation,
            seed=terms.seed,
        )
        margin = default_margin(metric, found.n) if terms.margin is None else terms.margin
        moves = found.gap.low >= -margin - TOLERANCE
        scores = [metric.display(s) for s in (found.test.value, found.rival)]
        digits = 1 if metric.reads_decisions else 3
        gap, low, allowed = (
            f"{metric.scale * value:+.{digits}f}"
            for value in (found.gap.value, found.gap.low, -margin)
        )
        return Promotion(
            moves,
            f"{'not shown to be worse' if moves else 'it may be worse'}: on {found.n} "
            f"{self.split.images} that neither has learnt from, {metric.title} {scores[0]:.3f} "
            f"against {scores[1]:.3f}; the difference of {gap} {metric.unit} is at least {low} "
            f"(interval of {100 * (1 - 2 * terms.level):.1f} %), and {allowed} is allowed",
        )
