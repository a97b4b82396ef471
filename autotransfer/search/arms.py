"""Arms: every (source, strategy) pair that can be tried, with its search space."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from autotransfer.data.modality import USUAL, Modality
from autotransfer.errors import NoCandidateError
from autotransfer.models.source import Source
from autotransfer.plugin.need import Need
from autotransfer.plugin.presets import Preset
from autotransfer.plugin.space import Parameter, SearchSpace
from autotransfer.plugin.strategy import Strategy, TaskInfo, reason_unfit, space_of
from autotransfer.results import ParamValue, ScenarioKind, Skipped


@dataclass(frozen=True)
class Terms:
    """What a fit has to offer, and how many items there are to learn from.

    Args:
        num_classes: K.
        per_class: Median number of search items of a class.
        source_images: Whether labelled source items were given.
        has_head: Whether a source has a classifier of its own.
        named: Strategies that the user asked for by name; no gate keeps them out.
        unlabelled: Whether further target items without labels were given.
        modality: What the items are.
        layers: Whether the sources are networks; with features alone none can be trained.
        scenario: What is known about the target.
        obvious: Whether the obvious competes: a fit can then do without any arm.
        describer_key: As of `TaskInfo`.
    """

    num_images: int
    num_classes: int
    per_class: float
    source_images: bool
    has_head: Callable[[Source], bool]
    named: Sequence[str] = ()
    modality: Modality = USUAL
    layers: bool = True
    scenario: ScenarioKind = ScenarioKind.LABELLED
    unlabelled: bool = False
    obvious: bool = False
    describer_key: str = ""


@dataclass(frozen=True)
class Arms:
    """What a study searches over.

    Args:
        sources: The shortlist, best first; a trial knows its source by its place.
        strategies: The strategies, those that do not train first.
        closed: (source, strategy) pairs that do not go together.
        others: Sources beside the shortlist that the obvious reads.
    """

    sources: tuple[Source, ...]
    strategies: tuple[Strategy, ...]
    spaces: Mapping[str, SearchSpace]
    closed: frozenset[tuple[str, str]] = frozenset()
    others: tuple[Source, ...] = ()

    def source(self, name: str) -> Source:
        """Return a source by its name."""
        return next(s for s in (*self.sources, *self.others) if s.name == name)

    def defaults(self) -> list[tuple[int, str]]:
        """Return every (source rank, strategy), in the order in which defaults are tried.

        The best source is tried with every strategy before the next one is.
        """
        return [
            (rank, strategy.name)
            for rank, source in enumerate(self.sources, start=1)
            for strategy in self.strategies
            if self.open(source, strategy)
        ]

    @property
    def trained(self) -> Arms:
        """Return the arms that are left to the sampler: those that train, or all if none does.

        What only reads cached features has been tried on every source and stage by then.
        """
        training = tuple(strategy for strategy in self.strategies if strategy.trains)
        usable = any(self.open(source, s) for source in self.sources for s in training)
        return replace(self, strategies=training) if usable else self

    @property
    def num_points(self) -> float:
        """Return the number of different points, infinity where a parameter is continuous."""
        return sum(_num_points(self.spaces[name].parameters, {}) for _, name in self.defaults())

    def open(self, source: Source, strategy: Strategy) -> bool:
        """Return whether the pair may be tried."""
        return (source.name, strategy.name) not in self.closed


def _num_points(parameters: Mapping[str, Parameter], before: Mapping[str, ParamValue]) -> float:
    """Return the number of points of some parameters, given the values of those before them.

    Where a parameter has no effect, it has its default alone.
    """
    if not parameters:
        return 1
    (name, parameter), *others = parameters.items()
    distribution, rest, active = parameter.distribution, dict(others), parameter.active(before)
    if active and isinstance(distribution, FloatDistribution) and not distribution.single():
        return math.inf
    values = values_of(parameter) if active else [parameter.default]
    if any(name in other.condition for other in rest.values()):
        return sum(_num_points(rest, {**before, name: value}) for value in values)
    return len(values) * _num_points(rest, {**before, name: parameter.default})


def values_of(parameter: Parameter) -> Sequence[ParamValue]:
    """Return every value of a parameter that is not continuous; of one that is, the default."""
    distribution = parameter.distribution
    if isinstance(distribution, CategoricalDistribution):
        return [option for option in distribution.choices if option is not None]
    if isinstance(distribution, IntDistribution):
        return range(distribution.low, distribution.high + 1, distribution.step)
    return [parameter.default]


def arms_of(
    shortlist: Sequence[Source], strategies: Sequence[Strategy], preset: Preset, terms: Terms
) -> tuple[Arms, list[Skipped]]:
    """Return the arms for a target, and what was left out.

    Raises:
        NoCandidateError: If no arm is left.
    """
    reasons = {s.name: _reason_against(s, len(shortlist), terms) for s in strategies}
    skipped = [Skipped("*", name, reason) for name, reason in reasons.items() if reason]
    usable = [strategy for strategy in strategies if not reasons[strategy.name]]
    usable.sort(key=lambda strategy: (strategy.trains, strategy.name))
    info = TaskInfo(
        shortlist[0],
        terms.scenario,
        terms.num_images,
        terms.num_classes,
        describer_key=terms.describer_key,
    )
    apart = [
        Skipped(source.name, strategy.name, reason)
        for strategy in usable
        for source in shortlist
        if (reason := _reason_of_source(strategy, replace(info, source=source), terms))
    ]
    closed = frozenset((skip.source, skip.strategy) for skip in apart)
    if len(closed) == len(usable) * len(shortlist) and not terms.obvious:
        reasons_given = [f"{skip.strategy}: {skip.reason}" for skip in [*skipped, *apart]]
        raise NoCandidateError(reasons_given or ["no strategy is installed"])
    spaces = {s.name: preset.apply(s.name, space_of(s, info)) for s in usable}
    return Arms(tuple(shortlist), tuple(usable), spaces, closed), [*skipped, *apart]


def _reason_of_source(strategy: Strategy, info: TaskInfo, terms: Terms) -> str:
    """Return why a strategy and a source do not go together; empty where they do."""
    if Need.SOURCE_HEAD in strategy.needs and not terms.has_head(info.source):
        return "the source has no classifier of its own"
    return reason_unfit(strategy, info)


def _reason_of_items(strategy: Strategy, terms: Terms) -> str:
    """Return why a strategy cannot do with such items; empty where it can."""
    if strategy.trains and not terms.layers:
        return "trains layers of the network; features were given instead of images"
    if not strategy.reads(terms.modality):
        return f"does not work on {terms.modality.plural}"
    return ""


_LACKING = {
    Need.SOURCE_IMAGES: "needs labelled source items; give them with --source-data PATH",
    Need.COMPANIONS: "needs more than one source in the shortlist",
    Need.UNLABELLED_TARGET: "needs unlabelled target items; give them with --unlabelled PATH",
    Need.DESCRIPTIONS: "needs descriptions of the classes; give them with --descriptions CSV",
}


def _reason_against(strategy: Strategy, num_sources: int, terms: Terms) -> str:
    """Return why a strategy cannot be tried on any source; empty where it can."""
    if terms.scenario not in strategy.scenarios:
        return f"does not work in the scenario {terms.scenario}"
    if unread := _reason_of_items(strategy, terms):
        return unread
    given = {
        Need.SOURCE_IMAGES: terms.source_images,
        Need.COMPANIONS: num_sources > 1,
        Need.UNLABELLED_TARGET: terms.unlabelled,
        Need.DESCRIPTIONS: terms.describer_key or terms.scenario is not ScenarioKind.ZERO_SHOT,
    }
    for need, reason in _LACKING.items():
        if need in strategy.needs and not given[need]:
            return reason
    if Need.ATTRIBUTES in strategy.needs and terms.scenario is not ScenarioKind.ZERO_SHOT:
        return f"needs {Need.ATTRIBUTES}, which a {terms.scenario} target does not have"
    return "" if strategy.name in terms.named else _reason_to_wait(strategy, terms)


def _reason_to_wait(strategy: Strategy, terms: Terms) -> str:
    """Return why a strategy is tried only where the user names it; empty where it is anyway."""
    if terms.modality in strategy.on_request:
        return f"is tried on {terms.modality.plural} by name (--strategy {strategy.name})"
    if terms.per_class < strategy.least_per_class:
        return (
            f"is tried from {strategy.least_per_class} items a class on; here the median is "
            f"{terms.per_class:g} (--strategy {strategy.name} tries it anyway)"
        )
    return ""
