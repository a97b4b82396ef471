"""The search of one fit: its limits, its executor, and what happens with each result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from autotransfer.models.metrics import Metric
from autotransfer.results import Outcome, ParamValue
from autotransfer.scenarios.options import Options
from autotransfer.search.arms import Arms
from autotransfer.search.budget import SearchLimits
from autotransfer.search.checkpoint import Kept
from autotransfer.search.deployment_limits import ResultLimits
from autotransfer.search.driver import best_of, search
from autotransfer.search.executor import Executor
from autotransfer.search.probes import ProbePoint
from autotransfer.search.progress_forecast import interval, outlook
from autotransfer.search.run_folder import Place
from autotransfer.search.study import Study
from autotransfer.search.trial import Arena, TrialResult
from autotransfer.tracking import Tracker

OUTLOOK_SECONDS = 60.0  # between two lines that say what to expect


@dataclass
class Searching:
    """One search within a fit.

    Args:
        study: Where proposals come from and outcomes go.
        arms: What may be tried.
        arena: Pictures, folds and score.
        place: Where predictors are kept.
        tracker: Mirrors outcomes to MLflow.
        limits: When to end.
        result_limits: What the result may weigh and cost.
        executor: Runs the trials.
        chosen: Options of the fit.
        earlier: Returns first points from earlier fits.
        obvious: What is tried before anything else.
    """

    study: Study
    arms: Arms
    arena: Arena
    place: Place
    tracker: Tracker
    limits: SearchLimits
    result_limits: ResultLimits
    executor: Executor
    chosen: Options
    earlier: Callable[[Arms], Sequence[Mapping[str, ParamValue]]] = lambda _arms: ()
    obvious: Sequence[ProbePoint] = ()
    _outcomes: list[Outcome] = field(default_factory=list)
    _next_outlook: float = OUTLOOK_SECONDS

    def run(self) -> list[Outcome]:
        """Return every outcome of the study, those of earlier invocations included."""
        self._outcomes = self.study.outcomes
        for outcome in self._outcomes:  # written again where a driver was killed in between
            self.tracker.write(outcome)
        return search(
            self.study,
            self.arms,
            self.arena,
            self.limits,
            self.executor,
            seed=self.chosen.seed,
            on_result=self._keep,
            on_recorded=self._show,
            say=self.chosen.say,
            earlier=self.earlier,
            obvious=self.obvious,
        )

    def _keep(self, result: TrialResult) -> Outcome:
        """Save the predictor; return the outcome with the limit that it breaks."""
        outcome, predictor = result.outcome, result.predictor
        if predictor is None or outcome.value is None:
            return outcome
        source = self.arms.source(outcome.source)
        if not self.result_limits.none:
            read = (source, *predictor.companions)
            unfit = self.result_limits.against(read, predictor)
            outcome = replace(outcome, unfit=unfit, reason=unfit)
        if not outcome.unfit:
            kept = Kept(predictor, outcome.strategy, baseline=False, source=source)
            always = outcome.strategy in {point.strategy.name for point in self.obvious}
            self.place.keep(outcome, kept, result.validation, always=always)
        return outcome

    def _show(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self.tracker.write(outcome)
        self.chosen.say(outcome_line(outcome, self.arena.metric))
        self.chosen.on_outcome(outcome)
        spent = time.monotonic() - self.limits.began
        if spent >= self._next_outlook:
            self._next_outlook = spent + OUTLOOK_SECONDS
            line = outlook(
                self._outcomes,
                self._bounds(),
                self.arena.metric,
                seconds=outcome.elapsed,
                seconds_left=self.limits.seconds_left(self._outcomes),
            )
            if line is not None:
                self.chosen.say(line)

    def _bounds(self) -> tuple[float, float] | None:
        best = best_of(self._outcomes)
        found = {} if best is None else self.place.validations([best])
        if not found:
            return None
        (probabilities,) = found.values()
        labels = self.arena.validation_labels
        return interval(labels, probabilities, self.arena.metric, seed=self.chosen.seed)


def refit_reserve(arena: Arena, held_back: float) -> Callable[[Sequence[Outcome]], float]:
    """Return what to reserve, beyond what is held back, for training the best trial once more.

    Args:
        arena: The folds: training on all pictures takes as long as the measured folds did, in
            proportion to their pictures.
        held_back: Seconds that are held back already, half of them for this.
    """
    trained = sum(len(train) for train, _ in arena.divisions())

    def reserve(outcomes: Sequence[Outcome]) -> float:
        best = best_of(outcomes)
        if best is None:
            return 0.0
        seconds = best.seconds * len(arena.images) / max(trained, 1)
        return max(0.0, seconds - held_back / 2)

    return reserve


def outcome_line(outcome: Outcome, metric: Metric) -> str:
    """Return one line about a trial for the terminal."""
    value = "" if outcome.value is None else f" {metric.name} {metric.display(outcome.value):.3f}"
    told = "; ".join(text for text in (outcome.reason, *outcome.remarks) if text)
    reason = f" ({told})" if told else ""
    return (
        f"{outcome.title}: {outcome.source} | {outcome.strategy}: {outcome.state}{value} "
        f"in {outcome.seconds:.1f} s{reason}"
    )
