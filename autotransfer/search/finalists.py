"""From finished trials to the one candidate that the guard tests, and to what is returned."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autotransfer.errors import DeadlineError, OverrunError, ReducedBudgetWarning
from autotransfer.models.calibration import fit_temperature
from autotransfer.models.metrics import metric_named
from autotransfer.models.predictors.ensemble import ENSEMBLE, EnsemblePredictor, Member
from autotransfer.models.scoring import logit_adjusted, predicted
from autotransfer.plugin.need import Need
from autotransfer.plugin.registry import Registry
from autotransfer.plugin.strategy import Trial
from autotransfer.results import Outcome, Share, State
from autotransfer.search.arms import Arms
from autotransfer.search.checkpoint import Checkpoint, read_checkpoint
from autotransfer.search.choice import Choice, Terms, choose
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.search.expected_gain import Expected, expected_gains
from autotransfer.search.run_folder import RunFolder
from autotransfer.search.trial import best_of, trial_seed
from autotransfer.search.watchdog import GRACE_SECONDS, ended_at

Predictions = NDArray[np.float64]


@dataclass(frozen=True)
class Finalist:
    """What the search chose.

    Args:
        outcome: The best candidate, or several together as one more outcome.
        choice: Which candidates, and with which weights.
        temperature: What its probabilities are softened by, the members' own temperatures apart.
        fixed: Whether it was fixed before any validation, so that no fold chooses another one.
    """

    outcome: Outcome
    choice: Choice
    temperature: float = 1.0
    fixed: bool = False

    def alone_in(self, num_folds: int) -> list[set[int]]:
        """Return the candidates that each fold may choose from; empty where it is any."""
        return [set(self.choice.weights)] * num_folds if self.fixed else []


@dataclass(frozen=True, kw_only=True)
class Finalists:
    """Chooses the finalist, and trains it once more on all development items.

    Args:
        arms: Sources and strategies.
        place: Where the predictors of trials are.
        deadline: When (`time.monotonic()`) no ensemble is trained any more.
        end: `time.monotonic()` when training ends; what is late stays the first fold's, or goes.
        refit: Whether the finalist is trained again; else its tested checkpoint is kept.
        combine: Whether several candidates may be put together.
        say: Told about progress, a line at a time.
    """

    arms: Arms
    context: LabelledContext
    place: RunFolder
    registry: Registry
    deadline: float | None
    seed: int = 0
    refit: bool = True
    combine: bool = True
    say: Callable[[str], None] = lambda _text: None
    end: float | None = None

    def terms(self, outcomes: Sequence[Outcome]) -> Terms:
        """Return what a choice among these outcomes is made by."""
        obvious, installed = self.obvious(outcomes), self.registry.strategies
        return Terms(
            self.context.metric,
            tuple(outcome.number for outcome in obvious),
            combine=self.combine,
            by_class=not self.context.same_classes,
            by_domain=self.context.by_domain,
            seed=self.seed,
            expected=self._expected(obvious),
            trained=frozenset(
                o.number for o in outcomes if getattr(installed.get(o.strategy), "trains", False)
            ),
        )

    def _expected(self, obvious: Sequence[Outcome]) -> Expected | None:
        """Return what is known of gains over the first of the obvious."""
        if not obvious or not self.context.same_classes:
            return None
        mixed = Need.COMPANIONS in self.registry.strategy(obvious[0].strategy).needs
        architectures = [source.architecture for source in self.arms.sources]
        return expected_gains(architectures, over_a_mixture=mixed, combine=self.combine)

    def obvious(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Return the complete outcomes of the obvious, the one to beat first."""
        installed = self.registry.strategies  # a resumed fit may know outcomes of others
        found = [
            (installed[outcome.strategy].priority, outcome)
            for outcome in outcomes
            if outcome.state is State.COMPLETE
            and not outcome.unfit
            and outcome.strategy in installed
            and installed[outcome.strategy].obvious
        ]
        return [outcome for _, outcome in sorted(found, key=lambda pair: pair[0])]

    def choose(self, outcomes: Sequence[Outcome]) -> Finalist | None:
        """Return what is worth returning by its validation; None if nothing is complete."""
        best = best_of(outcomes)
        if best is None:
            return None
        predictions = self.candidates(outcomes)
        if not predictions:
            return self._single(best, {})
        terms = self.terms(outcomes)
        choice = choose(predictions, self.folds, self.context.validation_labels, terms)
        if len(choice.weights) > 1 and not self._time_for(choice, outcomes):
            self.say("an ensemble would gain, but there is no time to train it")
            choice = Choice({choice.incumbent: 1.0})
        if len(choice.weights) > 1:
            return self._combined(choice, outcomes, predictions)
        (number,) = choice.weights
        return self._single(next(o for o in outcomes if o.number == number), predictions)

    def candidates(self, outcomes: Sequence[Outcome]) -> dict[int, Predictions]:
        """Return what each candidate said of the validation items, by its number."""
        found = self.place.validations(outcomes)
        if not self.refit:  # only the checkpoints of the best trials are still there
            kept = {o.number for o in outcomes if self.place.trial_folder(o).is_dir()}
            found = {n: p for n, p in found.items() if n in kept}
        return found

    def second(self, finalist: Finalist, outcomes: Sequence[Outcome]) -> Finalist | None:
        """Return the obvious, to test it after the finalist; None where it is the finalist."""
        obvious = self.obvious(outcomes)
        if not obvious or obvious[0].number == finalist.outcome.number:
            return None
        return replace(self._single(obvious[0], self.candidates(outcomes)), fixed=True)

    def _single(self, outcome: Outcome, predictions: Mapping[int, Predictions]) -> Finalist:
        temperature = 1.0
        if outcome.number in predictions and self.context.same_classes:
            said = predictions[outcome.number]
            temperature = fit_temperature(said, self.context.validation_labels)
        return Finalist(outcome, Choice({outcome.number: 1.0}), temperature)

    @property
    def folds(self) -> NDArray[np.int64]:
        """Return the (m,) fold of each validation item."""
        sizes = [len(held_out) for _, held_out in self.context.divisions()]
        return np.repeat(np.arange(len(sizes)), sizes)

    def _time_for(self, choice: Choice, outcomes: Sequence[Outcome]) -> bool:
        seconds = sum(o.seconds for o in outcomes if o.number in choice.weights)
        return self.deadline is None or time.monotonic() + seconds <= self.deadline

    def train(self, finalist: Finalist, outcomes: Sequence[Outcome]) -> Checkpoint:
        """Return the finalist trained on all search items."""
        finalist = self._in_time(finalist, outcomes)
        by_number = {outcome.number: outcome for outcome in outcomes}
        trained = {n: self._trained(by_number[n]) for n in finalist.choice.weights}
        kept = next(iter(trained.values()))
        if len(trained) > 1:
            kept = self._together(finalist, trained)
        seen = set(self.context.images.digests)
        for member in trained.values():
            read = () if member.source is None else (member.source, *member.predictor.companions)
            seen |= {digest for source in read for digest in source.seen}
        if self.context.validation is not None:
            seen |= set(self.context.validation.digests)
        return replace(
            kept,
            temperature=finalist.temperature,
            seen=tuple(sorted(seen)),
            class_weights=self.class_weights,
        )

    @property
    def class_weights(self) -> tuple[float, ...] | None:
        """Return how much each class counts; None for as much as it occurs."""
        weights = self.context.class_weights
        return None if weights is None else tuple(map(float, weights))

    def _trained(self, outcome: Outcome) -> Checkpoint:
        """Return a trial trained on all search items, or the checkpoint of its first fold.

        The checkpoint also stays where training failed to converge: where the new predictor,
        which learnt from them, knows the items of the first fold clearly worse than the
        checkpoint that never saw them.
        """
        if not self.refit:
            return self._kept(outcome)
        source = self.arms.source(outcome.source)
        strategy = self.registry.strategy(outcome.strategy)
        folder = self.place.trial_folder(outcome)
        end = self.end if strategy.trains and folder.is_dir() else None
        try:
            self._check_time(outcome, end)
            self.say(f"training {outcome.strategy} from {outcome.source} on all search items")
            task = self.context.seen_by(strategy).task(source, self.context.images)
            seed = trial_seed(self.seed, outcome.number)
            trial = Trial(outcome.params, lambda _progress, _predictor: None, None, seed)
            with ended_at(None if end is None else end - GRACE_SECONDS):
                predictor = strategy.fit(task, trial)
        except (DeadlineError, OverrunError):
            warnings.warn(
                f"no time was left to train {outcome.strategy} on {outcome.source} on all search "
                "items; what is returned learnt from the first fold",
                ReducedBudgetWarning,
                stacklevel=2,
            )
            return self._kept(outcome)
        kept = Checkpoint(predictor, outcome.strategy, baseline=False, source=source)
        if self._diverged(kept, outcome) and self.place.trial_folder(outcome).is_dir():
            self.say("training failed to converge; the tested checkpoint is kept")
            return self._kept(outcome)
        return kept

    def _in_time(self, finalist: Finalist, outcomes: Sequence[Outcome]) -> Finalist:
        """Return the finalist without what has no checkpoint and no time to be trained.

        Where nothing is left of it, the obvious takes its place, or else the best trial.
        """
        by_number = {outcome.number: outcome for outcome in outcomes}
        chosen = finalist.choice.weights
        weights = {n: w for n, w in chosen.items() if self._to_be_had(by_number[n])}
        left = [by_number[n] for n in weights] or self.obvious(outcomes)
        instead = left[0] if left else best_of(outcomes)
        if len(weights) == len(chosen) or instead is None or set(chosen) == {instead.number}:
            return finalist
        gone = ", ".join(by_number[n].strategy for n in chosen if n not in weights)
        warnings.warn(
            f"no time was left to train {gone}; what is returned goes without",
            ReducedBudgetWarning,
            stacklevel=3,
        )
        if len(weights) < 2:
            return self._single(instead, self.candidates(outcomes))
        total = sum(weights.values())
        shares = {n: weight / total for n, weight in weights.items()}
        return replace(finalist, choice=replace(finalist.choice, weights=shares))

    def _to_be_had(self, outcome: Outcome) -> bool:
        """Return whether a trial has a checkpoint, or can be trained again in the time left."""
        trains = self.refit and self.registry.strategy(outcome.strategy).trains
        if trains and not self.place.trial_folder(outcome).is_dir():
            try:
                self._check_time(outcome, self.end)
            except DeadlineError:
                return False
        return True

    def _kept(self, outcome: Outcome) -> Checkpoint:
        """Return the predictor of a trial; it reads the sources of the fit, not copies of them."""
        folder, arms = self.place.trial_folder(outcome), self.arms
        return read_checkpoint(folder, self.registry, (*arms.sources, *arms.others))

    def _check_time(self, outcome: Outcome, end: float | None) -> None:
        """Refuse what the measured folds say cannot end in time.

        Raises:
            DeadlineError: If it cannot.
        """
        learnt = sum(len(train) for train, _ in self.context.divisions())
        seconds = outcome.seconds * len(self.context.images) / max(learnt, 1)
        if end is not None and time.monotonic() + seconds > end:
            raise DeadlineError(f"{seconds:.0f} s do not fit in the time left")

    def _diverged(self, kept: Checkpoint, outcome: Outcome) -> bool:
        context = self.context
        if not outcome.fold_values or context.validation is not None or not context.same_classes:
            return False
        _, held_out = context.divisions()[0]
        num_classes = len(context.images.class_names)
        raw = predicted(kept.predictor, held_out, context.reader_of(kept.source), num_classes)
        found = logit_adjusted(raw, context.class_weights)
        expected = outcome.fold_values[0]
        error = (max(expected * (1 - expected), 0.01) / len(held_out)) ** 0.5
        return bool(self.context.metric.score(held_out.labels, found) < expected - error)

    def _combined(
        self, choice: Choice, outcomes: Sequence[Outcome], predictions: Mapping[int, Predictions]
    ) -> Finalist:
        """Return several candidates as one more outcome."""
        context = self.context
        members = [outcome for outcome in outcomes if outcome.number in choice.weights]
        first = max(members, key=lambda outcome: choice.weights[outcome.number])
        named = ", ".join(
            f"{choice.weights[o.number]:.2f} x {o.title} ({o.strategy})" for o in members
        )
        mean = choice.mix(predictions)
        labels = context.validation_labels
        value = context.metric.score(labels, mean)
        shares = [Share(o.source, o.strategy, o.layers, choice.weights[o.number]) for o in members]
        self.say(f"ensemble of {named}: {context.metric.name} {context.metric.display(value):.3f}")
        outcome = Outcome(
            number=max(outcome.number for outcome in outcomes) + 1,
            source=first.source,
            strategy=ENSEMBLE,
            params={"members": named, "gain": choice.gain, "standard_error": choice.error},
            state=State.COMPLETE,
            value=value,
            log_loss=-metric_named("log_loss").score(labels, mean),
            seconds=sum(outcome.seconds for outcome in members),
            members=tuple(shares),
        )
        temperature = fit_temperature(mean, labels) if context.same_classes else 1.0
        return Finalist(outcome, choice, temperature)

    def _together(self, finalist: Finalist, trained: Mapping[int, Checkpoint]) -> Checkpoint:
        """Return the members as one predictor; the source of the outcome comes first."""
        choice = finalist.choice
        members = [
            Member(
                kept.strategy,
                kept.source,
                choice.weights[number],
                kept.predictor,
                choice.temperatures.get(number, 1.0),
            )
            for number, kept in trained.items()
        ]

        def elsewhere(member: Member) -> bool:
            return member.source is None or member.source.name != finalist.outcome.source

        predictor = EnsemblePredictor(tuple(sorted(members, key=elsewhere)))
        return Checkpoint(predictor, ENSEMBLE, baseline=False, source=predictor.sources[0])
