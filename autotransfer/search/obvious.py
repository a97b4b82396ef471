"""The obvious: what anybody would try first, and what every other candidate has to beat."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from autotransfer.plugin.need import Need
from autotransfer.plugin.space import SearchSpace
from autotransfer.plugin.strategy import Strategy, TaskInfo, space_of
from autotransfer.search.probes import ProbePoint


def obvious_points(
    strategies: Iterable[Strategy],
    task: TaskInfo,
    *,
    named: Collection[str] = (),
    single: bool = False,
) -> tuple[ProbePoint, ...]:
    """Return what is tried before the search, on the default source with all others beside it.

    Args:
        strategies: All that are installed; the obvious ones of the scenario are taken.
        task: The default source, and what a space may depend on.
        named: Strategies that the user asks for; where there are some, no other may be returned.
        single: Whether the answer may read one source only.
    """
    return tuple(
        ProbePoint(task.source, strategy, space_of(strategy, task).defaults())
        for strategy in strategies
        if strategy.obvious
        and task.scenario in strategy.scenarios
        and (not named or strategy.name in named)
        and not (single and Need.COMPANIONS in strategy.needs)
    )


def last_resort(
    strategies: Iterable[Strategy], task: TaskInfo, spaces: Mapping[str, SearchSpace]
) -> tuple[ProbePoint, ...]:
    """Return the probe that can always be run: of one source, learning from labelled items alone.

    Args:
        strategies: All that are installed; the first that fits is taken, those that the search
            has a space for before others.
        task: The source, and what a space may depend on.
        spaces: Of the strategies of the search.
    """
    fit = [
        strategy
        for strategy in strategies
        if not strategy.trains
        and task.scenario in strategy.scenarios
        and strategy.needs <= {Need.TARGET_LABELS, Need.ATTRIBUTES}
    ]
    fit.sort(key=lambda s: (s.name not in spaces, s.priority, s.name))
    return tuple(
        ProbePoint(task.source, s, (spaces.get(s.name) or space_of(s, task)).defaults())
        for s in fit[:1]
    )
