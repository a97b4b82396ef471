"""From finished trials to the one candidate that the guard tests."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from autotransfer.ensemble import ENSEMBLE, Choice, EnsemblePredictor, Member, choose
from autotransfer.options import Options
from autotransfer.registry import Registry
from autotransfer.results import Outcome, State
from autotransfer.saved_predictor import Kept, read_kept
from autotransfer.search.arms import Arms
from autotransfer.search.driver import best_of, trial_seed
from autotransfer.search.trial import Arena
from autotransfer.strategy import Trial
from autotransfer.workspace import Place


@dataclass(frozen=True)
class Finishing:
    """Trains the finalist once more, on all search pictures.

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

    def finalist(self, outcomes: Sequence[Outcome]) -> tuple[Outcome, Kept] | None:
        """Return the best trial, or the ensemble that beats it; None if none is complete."""
        best = best_of(outcomes)
        if best is None:
            return None
        together = self._ensemble(outcomes)
        kept = self._trained(best)
        if together is None:
            return best, kept
        return self._combined(together, outcomes, best, kept)

    def _trained(self, outcome: Outcome) -> Kept:
        """Return a trial trained on all search pictures, or the checkpoint of its first fold."""
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
        return Kept(strategy.fit(task, trial), outcome.strategy, baseline=False, source=source)

    def _ensemble(self, outcomes: Sequence[Outcome]) -> Choice | None:
        """Return which trials to combine, or None where that gains nothing or there is no time."""
        predictions = self.place.validations(outcomes) if self.chosen.ensemble else {}
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
        self, choice: Choice, outcomes: Sequence[Outcome], best: Outcome, trained: Kept
    ) -> tuple[Outcome, Kept]:
        """Return the ensemble as one more outcome."""
        members = []
        chosen = [outcome for outcome in outcomes if outcome.number in choice.weights]
        for outcome in sorted(chosen, key=lambda outcome: -choice.weights[outcome.number]):
            kept = trained if outcome.number == best.number else self._trained(outcome)
            assert kept.source is not None
            weight = choice.weights[outcome.number]
            members.append(Member(outcome.strategy, kept.source, weight, kept.predictor))
        named = ", ".join(f"{weight} x trial {n}" for n, weight in choice.weights.items())
        value = self.arena.metric.display(choice.value)
        self.chosen.say(f"ensemble of {named}: {self.arena.metric.name} {value:.3f}")
        source = members[0].source
        outcome = Outcome(
            number=max(outcome.number for outcome in outcomes) + 1,
            source=source.name,
            strategy=ENSEMBLE,
            params={"members": named, "gain": choice.gain, "standard_error": choice.error},
            state=State.COMPLETE,
            value=choice.value,
            log_loss=choice.log_loss,
            seconds=sum(outcome.seconds for outcome in chosen),
        )
        predictor = EnsemblePredictor(tuple(members))
        return outcome, Kept(predictor, ENSEMBLE, baseline=False, source=source)
