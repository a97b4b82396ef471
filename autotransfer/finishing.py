"""From finished trials to the one candidate that the guard tests, and to what is returned."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autotransfer.ensemble import ENSEMBLE, Choice, EnsemblePredictor, Member, choose
from autotransfer.evaluation.labelled import predicted, weighted
from autotransfer.guard.calibration import fit_temperature
from autotransfer.options import Options
from autotransfer.registry import Registry
from autotransfer.results import Outcome, State
from autotransfer.saved_predictor import Kept, read_kept
from autotransfer.search.arms import Arms
from autotransfer.search.driver import best_of, trial_seed
from autotransfer.search.trial import Arena
from autotransfer.strategy import Trial
from autotransfer.workspace import Place

Predictions = NDArray[np.float64]


@dataclass(frozen=True)
class Finalist:
    """What the search chose.

    Args:
        outcome: The best trial, or the ensemble as one more outcome.
        weights: How often each trial counts, by its number.
        temperature: What its probabilities are softened by.
    """

    outcome: Outcome
    weights: Mapping[int, int]
    temperature: float = 1.0


@dataclass(frozen=True)
class Finishing:
    """Chooses the finalist, and trains it once more on all search pictures.

    Args:
        arms: Sources and strategies of the search.
        arena: Its pictures.
        place: Where the predictors of trials are.
        registry: Restores them.
        chosen: Whether to refit, and whether to combine.
        deadline: `time.monotonic()` after which no ensemble is trained.
    """

    arms: Arms
    arena: Arena
    place: Place
    registry: Registry
    chosen: Options
    deadline: float | None

    def choose(self, outcomes: Sequence[Outcome]) -> Finalist | None:
        """Return the best trial, or the ensemble that beats it; None if none is complete."""
        best = best_of(outcomes)
        if best is None:
            return None
        predictions = self.place.validations(outcomes)
        together = self._ensemble(outcomes, predictions)
        if together is not None:
            return self._combined(together, outcomes, predictions)
        temperature = 1.0
        if best.number in predictions and self.arena.same_classes:
            said = predictions[best.number]
            temperature = fit_temperature(said, self.arena.validation_labels)
        return Finalist(best, {best.number: 1}, temperature)

    def train(self, finalist: Finalist, outcomes: Sequence[Outcome]) -> Kept:
        """Return the finalist trained on all search pictures."""
        by_number = {outcome.number: outcome for outcome in outcomes}
        trained = [self._trained(by_number[number]) for number in finalist.weights]
        kept = trained[0]
        if len(trained) > 1:
            kept = self._together(finalist, trained)
        seen = set(self.arena.images.digests)
        seen |= {digest for k in trained if k.source is not None for digest in k.source.seen}
        if self.arena.validation is not None:
            seen |= set(self.arena.validation.digests)
        return replace(
            kept,
            temperature=finalist.temperature,
            seen=tuple(sorted(seen)),
            class_weights=self.class_weights,
        )

    @property
    def class_weights(self) -> tuple[float, ...] | None:
        """Return how much each class counts; None for as much as it occurs."""
        weights = self.arena.class_weights
        return None if weights is None else tuple(map(float, weights))

    def _trained(self, outcome: Outcome) -> Kept:
        """Return a trial trained on all search pictures, or the checkpoint of its first fold.

        The checkpoint also stays where the training went astray: where the new predictor, which
        learnt from them, knows the pictures of the first fold clearly worse than the checkpoint
        that never saw them.
        """
        if not self.chosen.refit:
            return read_kept(self.place.trial_folder(outcome), self.registry)
        source = next(s for s in self.arms.sources if s.name == outcome.source)
        self.chosen.say(
            f"training {outcome.strategy} from {outcome.source} on all search pictures"
        )
        strategy = self.registry.strategy(outcome.strategy)
        task = self.arena.task(source, self.arena.images)
        seed = trial_seed(self.chosen.seed, outcome.number)
        trial = Trial(outcome.params, lambda _progress, _predictor: None, None, seed)
        kept = Kept(strategy.fit(task, trial), outcome.strategy, baseline=False, source=source)
        if self._astray(kept, outcome) and self.place.trial_folder(outcome).is_dir():
            self.chosen.say("that training went astray; the checkpoint that was tested is kept")
            return read_kept(self.place.trial_folder(outcome), self.registry)
        return kept

    def _astray(self, kept: Kept, outcome: Outcome) -> bool:
        arena = self.arena
        if not outcome.fold_values or arena.validation is not None or not arena.same_classes:
            return False
        _, held_out = self.arena.divisions()[0]
        raw = predicted(
            kept.predictor,
            held_out,
            self.arena.reader_of(kept.source),
            len(self.arena.images.class_names),
        )
        found = weighted(raw, self.arena.class_weights)
        expected = outcome.fold_values[0]
        error = (max(expected * (1 - expected), 0.01) / len(held_out)) ** 0.5
        return bool(self.arena.metric.score(held_out.labels, found) < expected - error)

    def _ensemble(
        self, outcomes: Sequence[Outcome], predictions: Mapping[int, Predictions]
    ) -> Choice | None:
        """Return which trials to combine, or None where that gains nothing or there is no time."""
        if not self.chosen.ensemble:
            return None
        if not self.chosen.refit:  # only the checkpoints of the best trials are still there
            kept = {o.number for o in outcomes if self.place.trial_folder(o).is_dir()}
            predictions = {n: p for n, p in predictions.items() if n in kept}
        if len(predictions) < 2:
            return None
        arena = self.arena
        choice = choose(predictions, arena.validation_labels, arena.metric, seed=self.chosen.seed)
        if not choice.worthwhile:
            return None
        seconds = sum(o.seconds for o in outcomes if o.number in choice.weights)
        if self.deadline is not None and time.monotonic() + seconds > self.deadline:
            self.chosen.say("an ensemble would gain, but there is no time to train it")
            return None
        return choice

    def _combined(
        self,
        choice: Choice,
        outcomes: Sequence[Outcome],
        predictions: Mapping[int, Predictions],
    ) -> Finalist:
        """Return the ensemble as one more outcome."""
        members = [outcome for outcome in outcomes if outcome.number in choice.weights]
        first = max(members, key=lambda outcome: choice.weights[outcome.number])
        named = ", ".join(f"{weight} x trial {n}" for n, weight in choice.weights.items())
        value = self.arena.metric.display(choice.value)
        self.chosen.say(f"ensemble of {named}: {self.arena.metric.name} {value:.3f}")
        outcome = Outcome(
            number=max(outcome.number for outcome in outcomes) + 1,
            source=first.source,
            strategy=ENSEMBLE,
            params={"members": named, "gain": choice.gain, "standard_error": choice.error},
            state=State.COMPLETE,
            value=choice.value,
            log_loss=choice.log_loss,
            seconds=sum(outcome.seconds for outcome in members),
        )
        total = sum(choice.weights.values())
        mean = np.sum([w / total * predictions[n] for n, w in choice.weights.items()], axis=0)
        temperature = fit_temperature(mean, self.arena.validation_labels)
        return Finalist(outcome, choice.weights, temperature)

    def _together(self, finalist: Finalist, trained: Sequence[Kept]) -> Kept:
        """Return the members as one predictor; the source of the outcome comes first."""
        members = [
            Member(kept.strategy, kept.source, weight, kept.predictor)
            for kept, weight in zip(trained, finalist.weights.values(), strict=True)
        ]

        def elsewhere(member: Member) -> bool:
            return member.source is None or member.source.name != finalist.outcome.source

        predictor = EnsemblePredictor(tuple(sorted(members, key=elsewhere)))
        return Kept(predictor, ENSEMBLE, baseline=False, source=predictor.sources[0])
