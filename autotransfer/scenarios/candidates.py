"""What competes in a fit with target labels: the obvious, and the arms of the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autotransfer.data.holdout import Division
from autotransfer.data.image_set import ImageSet
from autotransfer.models.source import Source
from autotransfer.plugin.need import Need
from autotransfer.plugin.strategy import Strategy, TaskInfo
from autotransfer.results import Ranking, ScenarioKind, Skipped
from autotransfer.scenarios.base import Candidates
from autotransfer.scenarios.clock import Clock
from autotransfer.scenarios.inputs import Problem
from autotransfer.scenarios.options import Options
from autotransfer.scenarios.run import Request
from autotransfer.scenarios.shortlist import Sourcing, left_out
from autotransfer.search.arms import Terms, arms_of
from autotransfer.search.deployment_limits import ResultLimits
from autotransfer.search.obvious import obvious_points
from autotransfer.search.pool import OBVIOUS, best_subset
from autotransfer.search.probes import ProbePoint
from autotransfer.transferability.scores.ridge_loo import MAXIMUM_SCORES


def candidates_of(
    problem: Problem, sourcing: Sourcing, ranking: Ranking, request: Request, clock: Clock
) -> Candidates:
    """Return what competes, the features of the sources read as far as time allows.

    Args:
        problem: The target.
        sourcing: The sources.
        ranking: Their order.
        request: Which strategies, and over which spaces.
        clock: The time of the fit.

    Raises:
        NoCandidateError: If nothing does.
    """
    chosen, division = sourcing.chosen, sourcing.division
    shortlist = sourcing.named(ranking.shortlist)
    strategies = _strategies(request, problem.scenario)
    everything, pool, unread = sourcing.alone(ranking), tuple[Source, ...](), list[Skipped]()
    if _puts_together(strategies, problem, sourcing):
        everything, unread = _at_hand(problem, sourcing, ranking, clock)
        pool = _within_limits(everything, problem, sourcing)
    obvious = _obvious(everything, pool, problem, sourcing)
    terms = _terms(division, problem, chosen, obvious=bool(obvious))
    arms, unfit = arms_of(shortlist, strategies, request.preset, terms)
    arms = replace(arms, others=everything)
    skipped = (*left_out(ranking), *unread, *unfit)
    if _too_many(division.images):
        reason = f"more than {MAXIMUM_SCORES} scores of items and classes for each source"
        skipped = (*skipped, Skipped("*", OBVIOUS, reason))
    return Candidates(arms, obvious, pool, skipped)


def _puts_together(strategies: Sequence[Any], problem: Problem, sourcing: Sourcing) -> bool:
    """Return whether anything that competes reads several sources."""
    sources = sourcing.sources.sources
    obvious = (point.strategy for point in _obvious(sources, sources, problem, sourcing))
    return any(Need.COMPANIONS in strategy.needs for strategy in (*strategies, *obvious))


def _at_hand(
    problem: Problem, sourcing: Sourcing, ranking: Ranking, clock: Clock
) -> tuple[tuple[Source, ...], list[Skipped]]:
    """Return the sources whose features are there, the default one first."""
    validation, held_out = problem.target.validation, sourcing.division.held_out
    further = [] if validation is None else [validation]
    return sourcing.pool(ranking, clock, further, 0 if held_out is None else len(held_out))


def _within_limits(
    sources: tuple[Source, ...], problem: Problem, sourcing: Sourcing
) -> tuple[Source, ...]:
    """Return the sources that one answer may read together."""
    chosen, images = sourcing.chosen, sourcing.division.images
    limits = ResultLimits(chosen.max_mb, chosen.max_ms, problem.readers, images)
    return sources if limits.none else best_subset(sources, images, problem.readers, limits)


def _obvious(
    everything: Sequence[Source], pool: Sequence[Source], problem: Problem, sourcing: Sourcing
) -> tuple[ProbePoint, ...]:
    """Return what is tried before the search; one source has nothing to be put together with."""
    if not everything:
        return ()
    images, chosen = sourcing.division.images, sourcing.chosen
    task = TaskInfo(everything[0], problem.scenario, len(images), len(images.class_names))
    points = obvious_points(
        sourcing.registry.strategies.values(),
        task,
        named=chosen.strategies,
        single=chosen.single or len(pool) < 2 or _too_many(images),
    )
    return tuple(
        replace(point, source=pool[0]) if Need.COMPANIONS in point.strategy.needs else point
        for point in points
    )


def _too_many(images: ImageSet) -> bool:
    """Return whether a score for each item and class is too much to hold for every source."""
    return len(images) * len(images.class_names) > MAXIMUM_SCORES


def _strategies(request: Request, kind: ScenarioKind) -> list[Strategy]:
    """Return the strategies of the search."""
    found = [request.registry.strategy(name) for name in request.strategies_for(kind)]
    single = request.options.single
    return [
        strategy
        for strategy in found
        if not strategy.obvious and not (single and Need.COMPANIONS in strategy.needs)
    ]


def _terms(division: Division, problem: Problem, chosen: Options, *, obvious: bool) -> Terms:
    counts = np.bincount(division.images.labels, minlength=len(division.images.class_names))
    return Terms(
        num_images=len(division.images),
        num_classes=len(counts),
        per_class=float(np.median(counts)),
        source_images=problem.source_images is not None,
        has_head=lambda source: problem.readers[source].layout.num_source_classes > 0,
        named=tuple(chosen.strategies),
        images=problem.images,
        scenario=problem.scenario,
        unlabelled=problem.unlabelled is not None,
        obvious=obvious,
    )
