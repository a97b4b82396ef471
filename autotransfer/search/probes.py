"""Probes: what only reads cached features, on every source and stage.

All of it is tried, in an order in which the first answers are the most useful: the defaults on
every source, then every other stage, then every other choice of the strategy's own parameters on
the best sources. These are outcomes like any other, but no trials of the study: they cost
milliseconds, and a sampler that counted them would spend its time near them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from optuna.distributions import CategoricalDistribution

from autotransfer.models.source import Source
from autotransfer.plugin.space import SearchSpace
from autotransfer.plugin.strategy import Strategy
from autotransfer.results import Outcome, ParamValue, State
from autotransfer.search.arms import Arms

_NO_PROBE = (float("-inf"), 0.0)
VARIED_SOURCES = 2  # on which every choice of a probe's parameters is tried, one at a time


@dataclass(frozen=True)
class ProbePoint:
    """One point of an arm; a probe where its strategy trains no layer."""

    source: Source
    strategy: Strategy
    params: Mapping[str, ParamValue]


def first_points(arms: Arms, stages_of: Callable[[Source], int]) -> Iterator[ProbePoint]:
    """Yield the defaults on every source, then every other stage of every source."""
    pairs = [
        (source, strategy)
        for strategy in arms.strategies
        if not strategy.trains
        for source in arms.sources
        if arms.open(source, strategy)
    ]
    for source, strategy in pairs:
        yield ProbePoint(source, strategy, arms.spaces[strategy.name].defaults())
    for source, strategy in pairs:
        space = arms.spaces[strategy.name]
        for params in _every_stage(space, stages_of(source)):
            yield ProbePoint(source, strategy, params)


def further_points(arms: Arms, outcomes: Sequence[Outcome]) -> Iterator[ProbePoint]:
    """Yield every other choice, one parameter at a time, around the best point of an arm.

    Args:
        arms: What may be tried.
        outcomes: The first points' outcomes; the best sources are told from them.
    """
    for source in by_probes(arms.sources, outcomes)[:VARIED_SOURCES]:
        for strategy in arms.strategies:
            if strategy.trains or not arms.open(source, strategy):
                continue
            same = [o for o in outcomes if (o.source, o.strategy) == (source.name, strategy.name)]
            best = max(
                (o for o in same if o.value is not None),
                key=lambda o: (o.value or 0.0, -(o.log_loss or 0.0)),
                default=None,
            )
            if best is not None:
                for params in _other_choices(arms.spaces[strategy.name], best.params):
                    yield ProbePoint(source, strategy, params)


def by_probes(sources: Sequence[Source], outcomes: Sequence[Outcome]) -> tuple[Source, ...]:
    """Return the sources by their best probe; those without one keep their order, at the end.

    Of equal probes the one with the lower log loss decides.
    """
    best: dict[str, tuple[float, float]] = {}
    for outcome in outcomes:
        if outcome.probe and outcome.state is State.COMPLETE and outcome.value is not None:
            key = outcome.value, -(outcome.log_loss or 0.0)
            best[outcome.source] = max(key, best.get(outcome.source, key))
    return tuple(sorted(sources, key=lambda s: best.get(s.name, _NO_PROBE), reverse=True))


def ordered(arms: Arms, names: Sequence[str]) -> Arms:
    """Return the arms with their sources in the order of these names."""
    place = {name: i for i, name in enumerate(names)}
    return replace(
        arms, sources=tuple(sorted(arms.sources, key=lambda s: place.get(s.name, len(place))))
    )


def _every_stage(space: SearchSpace, num_stages: int) -> Iterator[dict[str, ParamValue]]:
    """Yield the defaults with each depth that reads another stage than they do."""
    depth = space.parameters.get("depth")
    if depth is None:
        return
    own = round(float(depth.default) * num_stages)
    for stage in range(num_stages, 0, -1):
        if stage != own and depth.allows(stage / num_stages):
            yield {**space.defaults(), "depth": stage / num_stages}


def _other_choices(
    space: SearchSpace, params: Mapping[str, ParamValue]
) -> Iterator[dict[str, ParamValue]]:
    for name, parameter in space.parameters.items():
        if isinstance(parameter.distribution, CategoricalDistribution) and parameter.active(
            params
        ):
            for option in parameter.distribution.choices:
                if option is not None and option != params[name]:
                    yield {**params, name: option}
