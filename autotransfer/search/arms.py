"""Arms: every (source, strategy) pair that can be tried, with its search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autotransfer.errors import NoCandidateError
from autotransfer.presets import Preset
from autotransfer.problem import Setting, Source
from autotransfer.results import Skipped
from autotransfer.space import SearchSpace
from autotransfer.strategy import Strategy, TaskInfo


@dataclass(frozen=True)
class Arms:
    """What a study searches over.

    Args:
        sources: The shortlist, best first; a trial knows its source by its place.
        strategies: The strategies, those that do not train first.
        spaces: The space of each strategy.
    """

    sources: tuple[Source, ...]
    strategies: tuple[Strategy, ...]
    spaces: Mapping[str, SearchSpace]

    def defaults(self) -> list[tuple[int, str]]:
        """Return every (source rank, strategy), in the order in which defaults are tried.

        What costs milliseconds is tried on every source before anything trains; within that,
        the ranking decides.
        """
        return [
            (rank, strategy.name)
            for strategy in self.strategies
            for rank in range(1, len(self.sources) + 1)
        ]


def arms_of(
    shortlist: Sequence[Source],
    strategies: Sequence[Strategy],
    preset: Preset,
    *,
    num_images: int,
    num_classes: int,
) -> tuple[Arms, list[Skipped]]:
    """Return the arms for a labelled target, and what was left out.

    Raises:
        NoCandidateError: If no arm is left.
    """
    skipped = [
        Skipped("*", strategy.name, f"does not work in the setting {Setting.LABELLED}")
        for strategy in strategies
        if Setting.LABELLED not in strategy.settings
    ]
    usable = [s for s in strategies if Setting.LABELLED in s.settings]
    usable.sort(key=lambda strategy: (strategy.trains, strategy.name))
    if not usable or not shortlist:
        raise NoCandidateError([skip.reason for skip in skipped] or ["no strategy is installed"])
    info = TaskInfo(shortlist[0], Setting.LABELLED, num_images, num_classes)
    spaces = {s.name: preset.apply(s.name, s.space(info)) for s in usable}
    return Arms(tuple(shortlist), tuple(usable), spaces), skipped
