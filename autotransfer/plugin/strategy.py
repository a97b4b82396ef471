"""What a plugin author reads: the strategy interface and the records it meets.

A strategy turns a task and parameters into a predictor. It never holds validation or test
items: it hands its predictor to `Trial.report` and the core scores it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import torch
from torch import Tensor
from typing_extensions import override

from autotransfer.data.attributes import Attributes
from autotransfer.data.image_set import ImageSet
from autotransfer.data.modality import Modality
from autotransfer.errors import InvalidOptionError, PluginError, one_line
from autotransfer.models.predictors.base import FeatureReader, Predictor
from autotransfer.models.predictors.neural import NetworkPredictor
from autotransfer.models.source import Source
from autotransfer.plugin.need import Need
from autotransfer.results import Json, ParamValue, ScenarioKind

if TYPE_CHECKING:
    from autotransfer.models.backbone import Backbone
    from autotransfer.plugin.space import SearchSpace


class Report(Protocol):
    """How a strategy shows an unfinished predictor to the core."""

    def __call__(self, progress: float, predictor: Predictor, /) -> None:
        """Offer the predictor after a share of the strategy's own budget.

        Args:
            progress: Share of the trial's own budget that is spent, in (0, 1]. The core scores
                at its rungs (1/9, 1/3 and 1) and ignores the rest.
            predictor: What would be returned if the trial ended now.

        Raises:
            optuna.TrialPruned: If the trial is not worth finishing. Let it through.
        """
        ...


@dataclass(frozen=True)
class Trial:
    """One point of an arm's space, and the rules it runs under.

    Args:
        params: A value for every parameter of the strategy's space.
        report: Where to show unfinished predictors.
        deadline: `time.monotonic()` at which the trial has to be over; None is no limit.
        seed: Seeds everything that is random in the trial.
    """

    params: Mapping[str, ParamValue]
    report: Report
    deadline: float | None
    seed: int


@dataclass(frozen=True)
class TaskInfo:
    """What a search space may depend on; nothing that costs a forward pass.

    Args:
        source: The source of the arm.
        scenario: What is known about the target.
        num_images: Number of items to learn from.
        num_classes: Number K of target classes.
        describer_key: Fingerprint of the source of texts whose features of descriptions the rows
            of attributes are; empty where there are none.
    """

    source: Source
    scenario: ScenarioKind
    num_images: int
    num_classes: int
    describer_key: str = ""


@dataclass(frozen=True)
class Task:
    """Everything a strategy may see.

    Args:
        source: What to transfer from.
        scenario: What is known about the target.
        class_names: The K columns of every prediction.
        train: The labelled items to learn from: of the target, or in the unlabelled scenario
            of the source, with the classes of the target.
        features: The cache of the frozen source.
        device: Where to compute.
        load_backbone: Returns a fresh pretrained copy at each call.
        unlabelled: Unlabelled target items, where the scenario has them.
        source_images: Labelled source items with class names of their own, where there are
            some.
        companions: The other sources of the shortlist, best first, or for an obvious strategy
            all others; `features.of(companion)` reads them.
        attributes: Rows of the K classes, those with items first; in the zero-shot scenario.
        through: Sets of items between source and target, in the order in which to go; those
            with labels have classes of the target.
        class_shares: (K,) estimated shares of the classes in the target, where classes of the
            source seem to be absent from it; `train` then has its classes by these shares. None
            where nothing is known, or all are there.
    """

    source: Source
    scenario: ScenarioKind
    class_names: tuple[str, ...]
    train: ImageSet
    features: FeatureReader
    device: torch.device
    load_backbone: Callable[[], Backbone]
    unlabelled: ImageSet | None = None
    source_images: ImageSet | None = None
    companions: tuple[Source, ...] = ()
    attributes: Attributes | None = None
    through: tuple[ImageSet, ...] = ()
    class_shares: tuple[float, ...] | None = None

    def backbone(self) -> Backbone:
        """Return a fresh pretrained copy of the source's network, in eval mode."""
        return self.load_backbone()

    def needed_unlabelled(self, strategy: str) -> ImageSet:
        """Return the unlabelled target items, for a strategy that cannot do without.

        Raises:
            InvalidOptionError: If there are none.
        """
        return _there(self.unlabelled, strategy, "unlabelled target items", "--unlabelled PATH")

    def needed_source_images(self, strategy: str) -> ImageSet:
        """Return the labelled source items, for a strategy that cannot do without.

        Raises:
            InvalidOptionError: If there are none.
        """
        return _there(self.source_images, strategy, "labelled source items", "--source-data PATH")

    @property
    def info(self) -> TaskInfo:
        """Return the part of the task that a search space may depend on."""
        key = "" if self.attributes is None else self.attributes.describer_key
        return TaskInfo(
            self.source, self.scenario, len(self.train), len(self.class_names), describer_key=key
        )


def space_of(strategy: Strategy, info: TaskInfo) -> SearchSpace:
    """Return the search space of a strategy for a task.

    Raises:
        PluginError: If the strategy fails.
    """
    try:
        return strategy.space(info)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginError(strategy.name, f"its space() failed: {one_line(error)}") from error


def reason_unfit(strategy: Strategy, info: TaskInfo) -> str:
    """Return why a strategy makes no sense on a source; empty where it does.

    Args:
        strategy: Its own word counts.
        info: The source, and what is known beforehand.

    Raises:
        PluginError: If the strategy fails.
    """
    try:
        return str(strategy.unfit(info))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginError(strategy.name, f"its unfit() failed: {one_line(error)}") from error


def _there(images: ImageSet | None, strategy: str, what: str, option: str) -> ImageSet:
    if images is None or not len(images):
        raise InvalidOptionError(
            f"{strategy} learns from {what}, and there are none; give them with {option}, or "
            "leave out this strategy"
        )
    return images


class Strategy(ABC):
    """A method of transfer; stateless, so that any process can run it by name.

    Attributes:
        name: Unique, kebab-case.
        needs: What it cannot do without.
        scenarios: The scenarios it works in.
        trains: Whether a trial trains layers of the network; what only reads cached features
            costs milliseconds and is tried on every source first.
        least_per_class: Items a class from which it is worth a trial; with fewer it is left
            out, unless the user names it.
        optimises: Names of the validators that its own objective maximises; in the unlabelled
            scenario they say nothing about it and do not judge it.
        shifts_source_features: Whether its predictor no longer sees source items as it learned
            them, because their features were moved to the target's place; its accuracy on them
            then says little.
        obvious: Whether it is what anybody would try first. It is then no arm of the search, but
            competes in every fit: on the default source, with all others as `Task.companions`.
        modalities: What kinds of items it works on; None is any for what only reads features, and
            images for what trains layers.
        on_request: Kinds of items that it is tried on only where the user names it.
        uses_intermediate: Whether it goes from source to target through `Task.through`; its
            outcome names the way.
        priority: Order in which methods are preferred, lower first: what is known of their
            robustness. Without target labels all validators together may overrule it; of the
            obvious ones the first is what others have to beat.
    """

    name: ClassVar[str]
    needs: ClassVar[frozenset[Need]] = frozenset()
    scenarios: ClassVar[frozenset[ScenarioKind]] = frozenset({ScenarioKind.LABELLED})
    trains: ClassVar[bool] = True
    least_per_class: ClassVar[int] = 1
    optimises: ClassVar[frozenset[str]] = frozenset()
    shifts_source_features: ClassVar[bool] = False
    obvious: ClassVar[bool] = False
    modalities: ClassVar[frozenset[Modality] | None] = None
    on_request: ClassVar[frozenset[Modality]] = frozenset()
    uses_intermediate: ClassVar[bool] = False
    priority: ClassVar[int] = 100

    def reads(self, modality: Modality) -> bool:
        """Return whether it works on items of a modality."""
        if self.modalities is None:
            return not self.trains or modality is Modality.IMAGE
        return modality in self.modalities

    def unfit(self, task: TaskInfo) -> str:  # noqa: ARG002 - for those that can do with any
        """Return why it makes no sense on the source of a task; empty where it does.

        Args:
            task: The source, and what a space may depend on. Nothing may be computed.
        """
        return ""

    @abstractmethod
    def space(self, task: TaskInfo) -> SearchSpace:
        """Return the parameters, each with its default; ranges do not depend on the source."""

    @abstractmethod
    def fit(self, task: Task, trial: Trial) -> Predictor:
        """Return a predictor trained on `task.train`, and on `task.unlabelled` where it is given.

        Raises:
            optuna.TrialPruned: Passed through from `trial.report`.
            DeadlineError: If the trial cannot end before its deadline.
        """

    @abstractmethod
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> Predictor:
        """Return the predictor whose `state()` was (tensors, info)."""


class NetworkStrategy(Strategy):
    """A strategy that trains layers of the source: its answer is a `NetworkPredictor`.

    `predictor` is the class of its answers.
    """

    predictor: ClassVar[type[NetworkPredictor]] = NetworkPredictor

    @override
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> Predictor:
        return self.predictor.restored(tensors, info, source)
