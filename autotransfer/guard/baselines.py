"""Every baseline of a labelled target, and the one rival that transfer is compared with.

The rival is what would be returned without a source: the baselines together, or one alone
(`baseline_mixture.py`). It is chosen without the items that test it. Out of fold that costs no
training; with a held-out test every baseline goes through the divisions of the search first.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from autotransfer.errors import DeadlineError, OverrunError, ReducedBudgetWarning
from autotransfer.guard.baseline_mixture import BaselineChoice, choose_baseline, chosen_out_of_fold
from autotransfer.guard.baseline_training import BaselineTrainer
from autotransfer.guard.bootstrap import LEVEL, compare
from autotransfer.guard.evaluation_split import EvaluationSplit
from autotransfer.guard.out_of_fold import dealt
from autotransfer.models.predictors.baselines import MAJORITY, SCRATCH, SMALL, TITLES, TOGETHER
from autotransfer.models.predictors.ensemble import EnsemblePredictor, Member
from autotransfer.models.schedule import Limits
from autotransfer.models.scoring import logit_adjusted
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.search.watchdog import GRACE_SECONDS, ended_at

Predictions = NDArray[np.float64]


@dataclass(frozen=True)
class TrainedBaseline:
    """A baseline and what it says of the tested items.

    Args:
        probabilities: (m, K) predictions for the tested items, or (R, m, K) of what was chosen
            again in each round; no rows where it was stopped because it could not win any more.
        whole: Whether it was not stopped.
        kept: The predictor of the last division and how to restore it; None for all together.
        seconds: Wall time of training and predicting.
        choice: Why it is the rival; None for any other baseline, and for a rival that was fixed
            beforehand.
        validated: (v, K) predictions for the items that choose the rival; of the first division
            alone where it was stopped.
        rival: Whether it is what transfer is compared with.
    """

    name: str
    probabilities: Predictions
    whole: bool
    kept: Checkpoint | None
    seconds: float
    choice: BaselineChoice | None = None
    validated: Predictions = field(default_factory=lambda: np.zeros((0, 0)), repr=False)
    rival: bool = False

    @property
    def returned(self) -> str:
        """Return the name of what is returned where this baseline is."""
        return self.name if self.choice is None else self.choice.alone or self.name


@dataclass(frozen=True)
class Baselines(BaselineTrainer):
    """Every baseline, and the rival among them.

    Args:
        deadline: `time.monotonic()` at which the last one has to be done.
        choosing: What the rival is chosen by; None where the test is out of fold and does that.
        most_seconds: What each network from scratch may take; None is no limit.
    """

    deadline: float | None
    choosing: EvaluationSplit | None = None
    most_seconds: float | None = None

    def on(self, split: EvaluationSplit) -> Iterator[TrainedBaseline]:
        """Yield every baseline, the cheap ones first, and the rival last.

        One that has clearly lost the first of several divisions to another is stopped there.

        Raises:
            DeadlineError: If there was no time for any.
        """
        so_far: list[TrainedBaseline] = []
        again = 0.0  # seconds to train those so far once more, on all items
        for name in self.context.baselines:
            timed = self._timed(name)
            due = timed.deadline
            try:
                if name != MAJORITY:
                    Limits(due).go_on(0)
                with ended_at(None if due is None else due - GRACE_SECONDS):
                    found = timed.over(name, split, so_far, again)
            except (DeadlineError, OverrunError):
                warnings.warn(
                    f"no time was left for the baseline {TITLES[name]!r}; give more --seconds "
                    "for a fuller test",
                    ReducedBudgetWarning,
                    stacklevel=2,
                )
                continue
            so_far.append(found)
            if found.whole and self.choosing is None:
                again += found.seconds / max(len(split.divisions) - 1, 1)
            yield found
        whole = [baseline for baseline in so_far if baseline.whole]
        if not whole:
            raise DeadlineError("no time was left for a baseline")
        only_shares = {baseline.name for baseline in whole} == {MAJORITY}
        if only_shares and self.choosing is not None and len(self.context.baselines) > 1:
            whole += self._fixed(split)
        yield self._rival(whole, split, self.choosing or split)

    def _timed(self, name: str) -> Baselines:
        """Return the same with the deadline of one baseline: networks have one of their own."""
        if self.most_seconds is None or name not in (SMALL, SCRATCH):
            return self
        own = time.monotonic() + self.most_seconds
        return replace(self, deadline=own if self.deadline is None else min(own, self.deadline))

    def trained(self, best: TrainedBaseline, taken: Sequence[TrainedBaseline] = ()) -> Checkpoint:
        """Return a baseline that learnt from all search items.

        The deadline does not stop it: what is returned must not be cut short.

        Args:
            best: What is returned.
            taken: Baselines that are not trained again, but stay as the last division left them.
        """
        left = {baseline.name: baseline.kept for baseline in taken}

        def whole(name: str) -> Checkpoint:
            if kept := left.get(name):
                return kept
            predictor, _ = self.fit(name, self.context.images, None)
            return Checkpoint(predictor, name, baseline=True, source=self.source(name))

        if best.choice is None:
            return whole(best.name)
        mixture, members = best.choice.mixture, []
        if best.choice.alone:
            temperature = mixture.temperatures[best.returned]
            return replace(whole(best.returned), temperature=temperature)
        for name, weight in mixture.weights.items():
            kept, temperature = whole(name), mixture.temperatures[name]
            members.append(Member(kept.strategy, kept.source, weight, kept.predictor, temperature))
        predictor = EnsemblePredictor(tuple(members))
        source = predictor.sources[0] if predictor.sources else None
        return Checkpoint(predictor, best.name, baseline=True, source=source)

    def over(
        self, name: str, split: EvaluationSplit, so_far: Sequence[TrainedBaseline], again: float
    ) -> TrainedBaseline:
        """Return one baseline on every division, or as far as it can still win.

        Raises:
            DeadlineError: If there is no time for it.
        """
        began = time.perf_counter()
        parts: list[Predictions] = []
        kept: Checkpoint | None = None
        choosing = self.choosing
        first = choosing or split
        divisions = [*first.divisions, *(() if choosing is None else split.divisions)]
        # out of fold the best is trained once more, on all items
        spare = int(choosing is None and len(divisions) > 1)
        learns = name in (SMALL, SCRATCH)
        for done, (train, tested) in enumerate(divisions):
            due = self._due(len(divisions) - done, spare, again)
            lost = partial(self._lost, so_far=so_far, split=first) if not done and learns else None
            kept, probabilities = self.trained_on(name, train, tested, due, lost)
            parts.append(logit_adjusted(probabilities, self.context.class_weights))
            stopped = lost is not None and lost(parts[0])
            if stopped:
                break
            if done == 0 and choosing is not None and not learns and name != MAJORITY:
                self._go_on((time.perf_counter() - began) * (len(divisions) - 1))
        validated = np.concatenate(parts[: len(first.divisions)])
        said = validated if choosing is None else parts[-1]
        seconds = time.perf_counter() - began
        said = said[:0] if stopped else said
        return TrainedBaseline(name, said, not stopped, kept, seconds, None, validated)

    def _go_on(self, seconds: float) -> None:
        """Refuse what cannot end in time.

        Raises:
            DeadlineError: If so many seconds are not left.
        """
        if self.deadline is not None and time.monotonic() + seconds > self.deadline:
            raise DeadlineError(f"{seconds:.0f} s do not fit in the time left")

    def _fixed(self, split: EvaluationSplit) -> list[TrainedBaseline]:
        """Return a baseline trained once: there is no time to choose, so none is chosen."""
        name = next(name for name in self.context.baselines if name != MAJORITY)
        began = time.perf_counter()
        try:
            Limits(self.deadline).go_on(0)
            with ended_at(None if self.deadline is None else self.deadline - GRACE_SECONDS):
                kept, said = self.trained_on(name, *split.divisions[0], self.deadline)
        except (DeadlineError, OverrunError):
            return []
        warnings.warn(
            "no time was left to choose what transfer is compared with by cross-validation; "
            f"{TITLES[name]!r} was fixed beforehand",
            ReducedBudgetWarning,
            stacklevel=2,
        )
        said = logit_adjusted(said, self.context.class_weights)
        return [
            TrainedBaseline(name, said, whole=True, kept=kept, seconds=time.perf_counter() - began)
        ]

    def _due(self, left: int, spare: int, again: float) -> float | None:
        """Return when the next of so many divisions has to be done.

        Args:
            left: The divisions from this one on.
            spare: How many trainings more the time is held back for.
            again: Seconds that are held back for the other baselines.
        """
        if self.deadline is None:
            return None
        now = time.monotonic()
        return now + (self.deadline - again - now) / (left + spare)

    def _rival(
        self, whole: Sequence[TrainedBaseline], split: EvaluationSplit, choosing: EvaluationSplit
    ) -> TrainedBaseline:
        """Return what transfer is compared with: chosen by what does not test it, or fixed."""
        fixed = next((b for b in whole if not len(b.validated)), None)
        if fixed is not None:
            return replace(fixed, rival=True)
        began = time.perf_counter()
        said = {b.name: b.validated for b in whole}
        folds, units = choosing.folds, choosing.units
        if len(choosing.divisions) == 1:  # the user's own validation is one
            folds = next(dealt(units, len(folds), self.seed))
        terms = (said, folds, choosing.labels, self.context.metric, units)
        choice = choose_baseline(*terms)
        if choosing is split:
            probabilities, _ = chosen_out_of_fold(*terms, seed=self.seed)
        else:
            probabilities = choice.mixture.mix({b.name: b.probabilities for b in whole})
        seconds = time.perf_counter() - began
        alone = next((b for b in whole if b.name == choice.alone), None)
        if alone is not None and (len(whole) == 1 or choosing is not split):
            return replace(alone, probabilities=probabilities, choice=choice, rival=True)
        found = TrainedBaseline(TOGETHER, probabilities, whole=True, kept=None, seconds=seconds)
        return replace(found, choice=choice, rival=True)

    def _lost(
        self,
        first: Predictions,
        slack: float = 0.0,
        *,
        so_far: Sequence[TrainedBaseline],
        split: EvaluationSplit,
    ) -> bool:
        """Return whether another one is surely better there, even if the score rose by a slack."""
        if len(split.divisions) == 1:
            return False
        labels, m = split.divisions[0][1].labels, len(first)
        units, level = split.units[:m], LEVEL / max(len(so_far), 1)
        metric = self.context.metric
        return any(
            compare(metric, labels, first, b.validated[:m], units=units, level=level).gap.high
            < -slack
            for b in so_far
        )
