"""The records of what happened in a fit; all of them go to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from autotransfer.problem import ParamValue
from autotransfer.strategy import Layers


class State(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


class Decision(StrEnum):
    """The verdict on transfer: did it help on the user's own pictures?"""

    POSITIVE = "positive"
    NEUTRAL = "neutral"
    INCONCLUSIVE = "inconclusive"
    NEGATIVE = "negative"
    UNVERIFIED = "unverified"


@dataclass(frozen=True)
class Outcome:
    """One evaluated point of an arm; kept whatever happened.

    Args:
        number: Number of the trial in its study.
        source: Name of the source.
        strategy: Name of the strategy.
        params: The parameters that ran.
        state: How it ended.
        value: Mean validation score over the folds, higher is better; None unless complete.
        fold_values: Score of each fold that ran, in order.
        log_loss: Mean validation log loss, the tie-breaker; None unless complete.
        rungs: (step, score) at every rung that was scored.
        seconds: Wall time of the trial.
        layers: What the predictor used of the source; None unless complete.
        reason: Why it failed or was pruned, one line; empty when complete.
        error: The traceback of a failure; empty otherwise.
        adaptation: How pictures were brought to a network with other inputs; empty where they
            were used as they are.
        validators: Label-free scores by name, in the unlabelled setting.
    """

    number: int
    source: str
    strategy: str
    params: Mapping[str, ParamValue]
    state: State
    value: float | None = None
    fold_values: tuple[float, ...] = ()
    log_loss: float | None = None
    rungs: tuple[tuple[int, float], ...] = ()
    seconds: float = 0.0
    layers: Layers | None = None
    reason: str = ""
    error: str = ""
    adaptation: str = ""
    validators: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Skipped:
    """A (source, strategy) pair that was not tried, and why; "*" stands for every strategy."""

    source: str
    strategy: str
    reason: str


@dataclass(frozen=True)
class RankedSource:
    """One row of the ranking.

    Args:
        source: Name of the source.
        rank: Place in the consensus, 1 is best.
        rank_low: Best place within the resampling interval.
        rank_high: Worst place within the resampling interval.
        score: Mean rank over the families of scores, lower is better. A source that left the
            race early has at least the score of those that stayed.
        stage: The stage that a probe should read; the scores are those of the last one.
        estimators: Score of each estimator, higher is better; undefined ones are left out.
        seconds: Seconds of the forward passes and scores.
        megabytes: Size of the network in memory, 1e6 bytes.
        num_images: Number of pictures that the scores rest on.
        stage_accuracies: Leave-one-out accuracy of a probe at each stage; None where undefined.
        within_a_point: Probability that a probe on it is within one point of the best one.
        prior: What was known of it beforehand, higher is better; None for nothing.
    """

    source: str
    rank: int
    rank_low: int
    rank_high: int
    score: float
    stage: int
    estimators: Mapping[str, float]
    seconds: float
    megabytes: float
    num_images: int
    stage_accuracies: tuple[float | None, ...] = ()
    within_a_point: float = 1.0
    prior: float | None = None


@dataclass(frozen=True)
class Ranking:
    """All sources, best first, and the names of those that the search may use.

    Args:
        rows: The sources.
        shortlist: Those that the search may use.
        constant_choice: What one would choose without looking at the target: the source to beat.
    """

    rows: tuple[RankedSource, ...]
    shortlist: tuple[str, ...]
    constant_choice: str = ""


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval and the number of pictures it rests on."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Baseline:
    """A predictor that uses no source, scored on the same pictures as the finalist.

    In the unlabelled setting it is source-only, and its score is None as long as no target label
    was seen.
    """

    name: str
    test: float | None
    seconds: float


@dataclass(frozen=True)
class Verdict:
    """What the guard found, and what is returned because of it.

    Args:
        decision: The verdict.
        basis: What it rests on ("sealed pictures", "validators", "audit labels").
        sentence: The verdict in one sentence for people.
        returned: "transfer" or "baseline".
        test: Score of the finalist.
        baselines: Every baseline with its score.
        best_baseline: Name of the best of them.
        gap: Finalist minus best baseline; positive is better.
        minimum_detectable: Smallest true gap that would be found four times out of five.
        gap_reference: Finalist minus the reference arm; None where there is none.
        returned_test: Score of what is returned.

    All scores and gaps are None where the verdict is unverified.
    """

    decision: Decision
    basis: str
    sentence: str
    returned: str
    test: Interval | None
    baselines: tuple[Baseline, ...]
    best_baseline: str
    gap: Interval | None
    minimum_detectable: float | None
    gap_reference: Interval | None
    returned_test: float | None


@dataclass(frozen=True)
class Seconds:
    """Wall time of the parts of a fit."""

    total: float = 0.0
    features: float = 0.0
    rank: float = 0.0
    search: float = 0.0
    guard: float = 0.0


@dataclass(frozen=True)
class Record:
    """All that a fit found: what `fit --json` prints and the selection folder keeps."""

    name: str
    setting: str
    metric: str
    class_names: tuple[str, ...]
    seed: int
    verdict: Verdict
    finalist: Outcome
    ranking: Ranking
    outcomes: tuple[Outcome, ...]
    skipped: tuple[Skipped, ...]
    seconds: Seconds
    model: str
    run_id: str | None = None
    warnings: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
