"""What a fit asks of a scenario: how its target is posed decides how each step is done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from autotransfer.data.image_set import ImageSet
from autotransfer.forecasts import LabelForecast
from autotransfer.guard.promotion import Challenger
from autotransfer.models.catalogue import Sources
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source
from autotransfer.report import Material
from autotransfer.results import (
    OpenWorld,
    Outcome,
    ParamValue,
    Ranking,
    Record,
    ScenarioKind,
    Skipped,
    Stopped,
    Verdict,
    ZeroShotFindings,
)
from autotransfer.scenarios.run import Request, Run
from autotransfer.search.arms import Arms
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.search.driver import RunProbe, in_context
from autotransfer.search.probes import ProbePoint
from autotransfer.search.recorder import Forecast
from autotransfer.search.trial import TrialContext, best_of

ContextT = TypeVar("ContextT", bound=TrialContext)
Enough: TypeAlias = Callable[[Sequence[Outcome], float, float], Stopped | None]
FinalistT = TypeVar("FinalistT")


@dataclass(frozen=True)
class Candidates:
    """What competes.

    Args:
        last_resort: What is tried where time has left nothing else.
        pool: The sources that the obvious puts together.
        skipped: What was left out, and why.
        further: Whether probes are tried at other choices of their parameters as well.
    """

    arms: Arms
    obvious: tuple[ProbePoint, ...] = ()
    last_resort: tuple[ProbePoint, ...] = ()
    pool: tuple[Source, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    further: bool = True


@dataclass(frozen=True)
class Searched(Generic[ContextT]):
    """What a search has found.

    Args:
        outcomes: Everything that was tried, earlier invocations included.
    """

    ranking: Ranking
    candidates: Candidates
    context: ContextT
    outcomes: Sequence[Outcome]


@dataclass(frozen=True)
class Judged(Generic[FinalistT]):
    """What the guard found, and what is returned because of it.

    Args:
        finalist: The candidate that was judged last.
        faults: Of outcomes that were found out afterwards, by their number.
        challenger: What the returned model says of items that it did not learn from.
        provenance: Where things come from, beside target and source.
    """

    verdict: Verdict
    kept: Checkpoint
    finalist: FinalistT
    outcome: Outcome
    faults: Mapping[int, str] = field(default_factory=dict)
    zero_shot: ZeroShotFindings | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    challenger: Challenger | None = None
    open_world: OpenWorld | None = None


class Scenario(ABC, Generic[ContextT, FinalistT]):
    """An opened target, and how each step of a fit is done for it.

    Attributes:
        kind: How the target is posed.
        search_share: Share of the seconds at which the search ends.
        differing: What makes a resumed study another problem, in words.
        request: What was asked for.
        name: Short name of the target.
        class_names: The classes of an answer.
        metric: Name of the score that trials are compared by.
        sources: The candidates.
        readers: Their features.
        items: The items that the search learns from.
        provenance: Hashes of what was learnt from, by what it is.
        notes: What was decided or left out while opening.
    """

    kind: ClassVar[ScenarioKind]
    search_share: ClassVar[float]
    differing: ClassVar[str] = "other images, another metric or another seed"

    request: Request
    name: str
    class_names: tuple[str, ...]
    metric: str
    readers: FeatureReaders
    items: ImageSet
    provenance: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    @abstractmethod
    def sources(self) -> Sources:
        """Return the candidate sources."""

    @property
    @abstractmethod
    def identity(self) -> list[Any]:
        """Return what a resumed study must share, as JSON values."""

    @property
    def fingerprint(self) -> str:
        """Return the hash of the target that MLflow shows."""
        return self.provenance["target"]

    @property
    def depth(self) -> int | None:
        """Return how many bits a grey value of more than 8 bits uses; None where there is none."""
        return self.items.depth

    @property
    def modality(self) -> str:
        """Return what the items are."""
        return str(self.items.modality)

    @property
    def parameters(self) -> dict[str, ParamValue]:
        """Return what MLflow shows of the target beside its name."""
        return {}

    def tracked(self, candidates: Candidates) -> dict[str, ParamValue]:
        """Return what MLflow shows of the target and its candidates."""
        return {
            "target": self.name,
            "scenario": str(self.kind),
            "metric": self.metric,
            **self.parameters,
            "shortlist": ", ".join(source.name for source in candidates.arms.sources),
        }

    @abstractmethod
    def rank(
        self, estimators: Sequence[str] = (), *, racing: bool = True, due: float | None = None
    ) -> tuple[Ranking, list[Skipped]]:
        """Return the order of the sources, and those that could not be ranked.

        Args:
            estimators: Names of the scores; empty for the default ones.
            racing: Whether sources without a chance see no more than the first items.
            due: `time.monotonic()` at which it has to end; None is no limit.
        """

    def forecast(self, ranking: Ranking) -> str:  # noqa: ARG002 - of those that can
        """Return whether transfer is worth trying, in a sentence; empty where nothing is known."""
        return ""

    def label_forecast(
        self,
        ranking: Ranking,  # noqa: ARG002 - of those that can
        judged: tuple[Verdict, Sequence[Outcome]] | None = None,  # noqa: ARG002
    ) -> LabelForecast | None:
        """Return what more labels would buy; None where no accuracy can be measured.

        Args:
            ranking: Of the sources.
            judged: The verdict of a fit and everything that was tried; None before a fit.
        """
        return None

    def first_answer(self, run: Run) -> RunProbe:  # noqa: ARG002 - of those that have one
        """Say what answers before the sources are ranked; return what runs the probes."""
        return in_context

    @abstractmethod
    def candidates(self, ranking: Ranking, run: Run) -> Candidates:
        """Return what competes."""

    @abstractmethod
    def context(self, candidates: Candidates) -> ContextT:
        """Return what all trials share."""

    def first_points(self, run: Run) -> Callable[[Arms], Sequence[Mapping[str, ParamValue]]]:  # noqa: ARG002
        """Return the points of earlier fits that are tried first, given the arms."""
        return lambda _arms: ()

    def answered(self, candidates: Candidates) -> Callable[[Sequence[Outcome]], bool]:  # noqa: ARG002
        """Return what says of outcomes whether `choose` has something to choose from."""
        return lambda outcomes: best_of(outcomes) is not None

    def num_trials(self, run: Run) -> int | None:
        """Return how many trials the study may have; None is no limit."""
        return run.request.budget.trials

    def reserve(self, context: ContextT, run: Run) -> Callable[[Sequence[Outcome]], float]:  # noqa: ARG002
        """Return the seconds that the steps after the search need, given the outcomes."""
        return lambda _outcomes: 0.0

    def enough(self, candidates: Candidates, context: ContextT, run: Run) -> Enough:  # noqa: ARG002
        """Return what says whether the search has found enough; by default it never has."""
        return lambda _outcomes, _seconds, _seconds_left: None

    def progress_forecast(self, context: ContextT, run: Run) -> Forecast:  # noqa: ARG002
        """Return what says how the search goes on."""
        return lambda _outcomes, _seconds, _seconds_left: None

    @abstractmethod
    def choose(self, searched: Searched[ContextT], run: Run) -> FinalistT:
        """Return the candidate that is judged.

        Raises:
            BudgetExhaustedError: If nothing that can be judged has finished.
        """

    @abstractmethod
    def judge(
        self, finalist: FinalistT, searched: Searched[ContextT], run: Run
    ) -> Judged[FinalistT]:
        """Return the verdict, and what is returned because of it."""

    @abstractmethod
    def material(
        self, searched: Searched[ContextT], judged: Judged[FinalistT], run: Run
    ) -> Callable[[Record], Material]:
        """Return what gathers the material of the report."""
