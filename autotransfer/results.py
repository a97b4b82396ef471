"""The records of what happened in a fit; all of them go to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from autotransfer.domain_results import DomainScore as DomainScore
from autotransfer.domain_results import UnknownImages as UnknownImages
from autotransfer.forecasts import LabelForecast
from autotransfer.forecasts import Stopped as Stopped
from autotransfer.ranking_results import RankedSource as RankedSource
from autotransfer.ranking_results import Ranking as Ranking
from autotransfer.zero_shot_results import ZeroShotFigures as ZeroShotFigures
from autotransfer.zero_shot_results import ZeroShotFindings as ZeroShotFindings

ParamValue: TypeAlias = str | int | float | bool
Json: TypeAlias = Any  # what json.dumps takes

RECORD_FILE = "selection.json"
REPORT_FILE = "report.html"  # in the folder of a selection, and among the artifacts of its run


class ScenarioKind(StrEnum):
    """What is known about the target."""

    LABELLED = "labelled"
    UNLABELLED = "unlabelled"
    ZERO_SHOT = "zero-shot"


class State(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


class Decision(StrEnum):
    """The verdict on transfer: did it help on the user's own items?"""

    POSITIVE = "positive"
    NEUTRAL = "neutral"
    INCONCLUSIVE = "inconclusive"
    NEGATIVE = "negative"
    UNVERIFIED = "unverified"


@dataclass(frozen=True)
class Layers:
    """Which part of the source a predictor uses, in stages.

    Args:
        stage: The stage whose output the head reads.
        copied: Number of stages that start from the source's weights.
        tuned: Number of the copied or fresh stages that were trained.
    """

    stage: int
    copied: int
    tuned: int

    @property
    def told(self) -> str:
        """Return "stage 5, 5 copied, frozen"."""
        tuned = f"{self.tuned} tuned" if self.tuned else "frozen"
        return f"stage {self.stage}, {self.copied} copied, {tuned}"


@dataclass(frozen=True)
class Share:
    """One member of an answer: no source where it reads pixels; all weights sum to one."""

    source: str | None
    strategy: str
    layers: Layers | None
    weight: float

    @property
    def told(self) -> str:
        """Return "network | fine-tune (stage 5, 3 copied, 2 tuned)"."""
        layers = "" if self.layers is None else f" ({self.layers.told})"
        return f"{self.source or 'pixels'} | {self.strategy}{layers}"


@dataclass(frozen=True)
class Outcome:
    """One evaluated point of an arm; kept whatever happened.

    Args:
        number: Of the trial in its study; probes, which are no trials, count down from -1.
        value: Mean validation score over items or domains; None unless complete.
        fold_values: Score of each fold that ran.
        log_loss: The same of the log loss, the tie-breaker.
        rungs: (step, score) at every rung that was scored.
        layers: What the predictor used of the source; None unless complete.
        reason: Why it failed or was pruned, one line; empty when complete.
        error: The traceback of a failure; empty otherwise.
        adaptation: How items were brought to a network with other inputs; else empty.
        elapsed: Seconds of the fit until its end, those of earlier invocations included.
        unfit: Which limit on the result it breaks; empty where it keeps them all.
        validators: Label-free scores by name, in the unlabelled scenario.
        remarks: What did not go as it was asked, in sentences: a batch that was halved.
        through: Names of the intermediate sets that it went through, in order.
        members: The outcomes that it is put together of, with their weights; else empty.
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
    elapsed: float = 0.0
    unfit: str = ""
    remarks: tuple[str, ...] = ()
    through: tuple[str, ...] = ()
    members: tuple[Share, ...] = ()

    @property
    def probe(self) -> bool:
        """Return whether it is a probe, which is no trial of the study."""
        return self.number < 0

    @property
    def title(self) -> str:
        """Return "probe 3" or "trial 7"."""
        return f"probe {-self.number}" if self.probe else f"trial {self.number}"


@dataclass(frozen=True)
class Skipped:
    """A (source, strategy) pair that was not tried, and why; "*" stands for every strategy."""

    source: str
    strategy: str
    reason: str


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval and the number of items it rests on."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Baseline:
    """A predictor that uses no source, scored on the same items as the finalist.

    Without target labels it has no score; one that is not `whole` was stopped after a fold.
    """

    name: str
    test: float | None
    seconds: float
    whole: bool = True


@dataclass(frozen=True)
class Verdict:
    """What the guard found, and what is returned because of it; unverified, it has no scores.

    Args:
        basis: What it rests on ("held-out items", "out-of-fold", "validators", "audit labels").
        returned: "transfer" or "baseline".
        gap: Finalist minus `best_baseline`, which was chosen without the tested items.
        minimum_detectable: Smallest true gap that would be found four times out of five.
        gap_reference: Finalist minus the reference arm; None where there is none.
        returned_baseline: Name of the baseline that is returned; empty where transfer is.
        competed: Number of trials that the finalist was chosen from.
        optimism: Its validation score minus that of choosing again, by others.
        looks: Which look at the tested items this is; limits widen from the second on.
        cause: Of a negative verdict: "data", "method" or "unknown".
        mcnemar: Two-sided mid-p of McNemar's test against the same baseline.
        calibration_error: Expected calibration error of the finalist in [0, 1].
        competition_bound: Lower limit of the gap, had luck alone chosen the finalist; or None.
        domains: Where each domain was left out: the scores on it.
        units: What `test.n` counts, in the plural, where it is no single items.
    """

    decision: Decision
    basis: str
    sentence: str
    returned: str
    test: Interval | None = None
    baselines: tuple[Baseline, ...] = ()
    best_baseline: str = ""
    gap: Interval | None = None
    minimum_detectable: float | None = None
    gap_reference: Interval | None = None
    returned_test: float | None = None
    returned_baseline: str = ""
    competed: int = 0
    optimism: float | None = None
    looks: int = 1
    cause: str = ""
    remarks: tuple[str, ...] = ()
    mcnemar: float | None = None
    calibration_error: float | None = None
    competition_bound: float | None = None
    domains: tuple[DomainScore, ...] = ()
    units: str = ""


@dataclass(frozen=True)
class Seconds:
    """Wall time of the parts of a fit."""

    total: float = 0.0
    features: float = 0.0
    rank: float = 0.0
    search: float = 0.0
    guard: float = 0.0


@dataclass(frozen=True)
class OpenWorld:
    """The share of each class in a target without labels; those `absent`, or why in `doubt`."""

    class_shares: tuple[Interval, ...] = ()
    absent: tuple[str, ...] = ()
    doubt: str = ""
    unknown: UnknownImages | None = None  # images of none of the classes


@dataclass(frozen=True)
class Record:
    """All that a fit found; `forced` is what the time left, not the data, has decided."""

    name: str
    scenario: str
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
    forced: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    zero_shot: ZeroShotFindings | None = None
    members: tuple[Share, ...] = ()
    stopped: Stopped | None = None  # where the search ended by itself
    open_world: OpenWorld | None = None  # of a target without labels
    depth: int | None = 16  # bits used of those in deep images; None where no image was deep
    modality: str = "image"  # what the items are
    forecast: LabelForecast | None = None  # what more labels would buy

    @property
    def returned(self) -> Outcome | None:
        """Return the trial that answers; None where it is a baseline that no trial has made."""
        if self.verdict.returned == "transfer":
            return self.finalist
        told = self.provenance.get("returned")
        return next((o for o in self.outcomes if f"trial {o.number}" == told), None)

    @property
    def chosen(self) -> tuple[Share, ...]:
        """Return what the finalist is put together of, whatever is returned; itself if one."""
        if self.verdict.returned == "transfer" and self.members:
            return self.members
        alone = Share(self.finalist.source, self.finalist.strategy, self.finalist.layers, 1.0)
        return tuple(sorted(self.finalist.members, key=lambda s: -s.weight)) or (alone,)
