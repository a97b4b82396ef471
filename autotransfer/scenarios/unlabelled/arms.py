"""Which (source, strategy) pairs are tried without target labels, and in which order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from autotransfer.data.modality import USUAL, Modality
from autotransfer.errors import NoCandidateError
from autotransfer.models.source import Source, Untrained
from autotransfer.plugin.need import Need
from autotransfer.plugin.presets import Preset
from autotransfer.plugin.strategy import Strategy, TaskInfo, reason_unfit, space_of
from autotransfer.results import Outcome, ScenarioKind, Skipped, State
from autotransfer.search.arms import Arms

_GIVEN = frozenset({Need.SOURCE_IMAGES, Need.UNLABELLED_TARGET, Need.INTERMEDIATES})


def reads_target(strategy: Strategy) -> bool:
    """Return whether it learns from target images; those that do not are source-only."""
    return Need.UNLABELLED_TARGET in strategy.needs


def complete_among(outcomes: Iterable[Outcome], strategies: Collection[str]) -> list[Outcome]:
    """Return the outcomes that may be returned: complete, within limits, of these strategies."""
    return [
        outcome
        for outcome in outcomes
        if outcome.state is State.COMPLETE and not outcome.unfit and outcome.strategy in strategies
    ]


def arms_without_labels(
    shortlist: Sequence[Source],
    strategies: Sequence[Strategy],
    preset: Preset,
    *,
    num_images: int,
    num_classes: int,
    no_path: str = "needs intermediate images; give them with --through PATH",
    modality: Modality = USUAL,
    named: Collection[str] = (),
) -> tuple[Arms, list[Skipped]]:
    """Return the arms, source-only first, and what was left out.

    Args:
        shortlist: The sources, best first.
        strategies: Those that are installed or named.
        preset: Changes their spaces.
        num_images: Source images to learn from.
        num_classes: K.
        no_path: Why there are no intermediate images to go through; empty where there are.
        modality: What the items are.
        named: Strategies that the user asked for by name; of those that do nothing without target
            labels, only these are told of.

    Raises:
        NoCandidateError: If nothing is left, or nothing that ignores the target: without a
            baseline there is nothing to compare with.
    """
    reasons = {s.name: _reason_against(s, no_path, modality) for s in strategies}
    skipped = [Skipped("*", name, reason) for name, reason in reasons.items() if reason]
    usable = [strategy for strategy in strategies if not reasons[strategy.name]]
    usable.sort(key=lambda s: (reads_target(s), s.trains, s.priority, s.name))
    info = TaskInfo(shortlist[0], ScenarioKind.UNLABELLED, num_images, num_classes)
    apart = [
        Skipped(source.name, strategy.name, reason)
        for source in shortlist
        for strategy in usable
        if (reason := _reason_of_source(strategy, replace(info, source=source)))
    ]
    closed = frozenset((skip.source, skip.strategy) for skip in apart)
    pairs = [(s, t) for s in shortlist for t in usable if (s.name, t.name) not in closed]
    if all(reads_target(strategy) for _, strategy in pairs):
        raise NoCandidateError(
            [f"{skip.strategy}: {skip.reason}" for skip in [*skipped, *apart]]
            or ["no strategy is left that ignores the target; name source-only as well"]
        )
    spaces = {s.name: preset.apply(s.name, space_of(s, info)) for s in usable}
    tried = {source.name for source, _ in pairs}
    kept = tuple(source for source in shortlist if source.name in tried)
    arms = Arms(kept, tuple(usable), spaces, closed)
    ours = [s for s in strategies if ScenarioKind.UNLABELLED in s.scenarios]
    told = {s.name for s in ours if not s.reads(modality)}.union(named)
    return arms, [*(skip for skip in skipped if skip.strategy in told), *apart]


def _reason_of_source(strategy: Strategy, info: TaskInfo) -> str:
    if isinstance(info.source.weights, Untrained) and not strategy.trains:
        return "an untrained network has no features to read"
    return reason_unfit(strategy, info)


def _reason_against(strategy: Strategy, no_path: str, modality: Modality) -> str:
    if ScenarioKind.UNLABELLED not in strategy.scenarios:
        return f"does not work in the scenario {ScenarioKind.UNLABELLED}"
    if not strategy.reads(modality):
        return f"does not work on {modality.plural}"
    if Need.INTERMEDIATES in strategy.needs and no_path:
        return no_path
    missing = strategy.needs - _GIVEN
    if missing:
        return f"needs {' and '.join(sorted(missing))}, which an unlabelled target does not have"
    return ""
