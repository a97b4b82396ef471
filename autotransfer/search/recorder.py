"""What happens with each result of a search: it is saved, mirrored to MLflow and told."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from autotransfer.results import Outcome
from autotransfer.search.arms import Arms
from autotransfer.search.budget import SearchLimits
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.search.deployment_limits import ResultLimits
from autotransfer.search.run_folder import RunFolder
from autotransfer.search.trial import TrialContext, TrialResult, best_of

FORECAST_SECONDS = 60.0  # between two lines that say what to expect

Write = Callable[[Outcome], None]
Forecast = Callable[[Sequence[Outcome], float, float], str | None]


@dataclass(kw_only=True)
class TrialRecorder:
    """Keeps what trials leave behind.

    Args:
        result_limits: What the result may weigh and cost.
        always_kept: Strategies whose predictors stay whatever comes.
        say: Told about progress, a line at a time.
        on_outcome: Told about each finished probe and trial.
        forecast: Returns a line about what to expect from the outcomes, the seconds spent and
            those left; None where there is nothing to say.
    """

    arms: Arms
    context: TrialContext
    place: RunFolder
    limits: SearchLimits
    result_limits: ResultLimits
    always_kept: Collection[str]
    write: Write
    say: Callable[[str], None]
    on_outcome: Write
    forecast: Forecast = lambda _outcomes, _seconds, _seconds_left: None
    _outcomes: list[Outcome] = field(default_factory=list, init=False)
    _next_forecast: float = field(default=FORECAST_SECONDS, init=False)

    def repeat(self, outcomes: Sequence[Outcome]) -> None:
        """Mirror outcomes of earlier invocations, of which one may have been killed before it."""
        for outcome in outcomes:
            self._outcomes.append(outcome)
            self.write(outcome)

    def keep(self, result: TrialResult) -> Outcome:
        """Save the predictor; return the outcome with the limit that it breaks."""
        outcome, predictor = result.outcome, result.predictor
        if predictor is None or outcome.value is None:
            return outcome
        source = self.arms.source(outcome.source)
        if not self.result_limits.none:
            read = (source, *predictor.companions)
            unfit = self.result_limits.against(read, predictor)
            outcome = replace(outcome, unfit=unfit, reason=unfit or outcome.reason)
        if not outcome.unfit:
            kept = Checkpoint(predictor, outcome.strategy, baseline=False, source=source)
            always = self.context.keeps_all or outcome.strategy in self.always_kept
            self.place.keep(outcome, kept, result.validation, always=always)
        return outcome

    def show(self, outcome: Outcome) -> None:
        """Mirror and tell an outcome that the study has."""
        self._outcomes.append(outcome)
        self.write(outcome)
        self.say(outcome_line(outcome, self.context))
        self.on_outcome(outcome)
        spent = time.monotonic() - self.limits.began
        if spent >= self._next_forecast:
            self._next_forecast = spent + FORECAST_SECONDS
            left = self.limits.seconds_left(self._outcomes)
            line = self.forecast(self._outcomes, outcome.elapsed, left)
            if line is not None:
                self.say(line)


def refit_reserve(
    num_items: int, num_trained: int, held_back: float
) -> Callable[[Sequence[Outcome]], float]:
    """Return what to reserve, beyond what is held back, for training the best trial once more.

    Training on all items takes as long as the measured folds did, in proportion to their items.

    Args:
        num_items: All items of the search.
        num_trained: Items that all folds of a trial train on together.
        held_back: Seconds that are held back already, half of them for this.
    """

    def reserve(outcomes: Sequence[Outcome]) -> float:
        best = best_of(outcomes)
        if best is None:
            return 0.0
        return max(0.0, best.seconds * num_items / max(num_trained, 1) - held_back / 2)

    return reserve


def outcome_line(outcome: Outcome, context: TrialContext) -> str:
    """Return one line about a trial for the terminal."""
    value = "" if outcome.value is None else f" {context.display(outcome.value)}"
    told = "; ".join(text for text in (outcome.reason, *outcome.remarks) if text)
    reason = f" ({told})" if told else ""
    return (
        f"{outcome.title}: {outcome.source} | {outcome.strategy}: {outcome.state}{value} "
        f"in {outcome.seconds:.1f} s{reason}"
    )
