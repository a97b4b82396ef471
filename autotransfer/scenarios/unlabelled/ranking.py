"""Ranking sources without target labels.

How well a source reads the labelled source images, and how far apart it sees the domains.
"""

from __future__ import annotations

import math
import time

import numpy as np

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import AutotransferError
from autotransfer.models.catalogue import Sources
from autotransfer.models.features import Features
from autotransfer.models.ranks import average_ranks
from autotransfer.models.source import Untrained
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.results import RankedSource, Ranking, Skipped
from autotransfer.scenarios.unlabelled.inputs import UnlabelledProblem
from autotransfer.scenarios.unlabelled.intermediate_domains import DISTANCE, sampled
from autotransfer.transferability.distances import domain_distance
from autotransfer.transferability.ranking.race_rounds import HURRIED, UNKNOWN_PACE, affordable
from autotransfer.transferability.scores.ridge_loo import ridge_loo

LEAST_SEEN = 40  # images of each domain, whatever time is left
SHORTLIST = 2  # pretrained sources, unless the user says how many
ACCURACY = "ridge-loo"


def rank_without_labels(
    problem: UnlabelledProblem,
    sources: Sources,
    *,
    seed: int,
    max_sources: int | None,
    due: float | None = None,
) -> tuple[Ranking, list[Skipped]]:
    """Return the ranking: mean rank of source accuracy and domain distance.

    Untrained networks have nothing to rank; they come last and are always on the shortlist.

    Args:
        problem: Both domains.
        sources: The candidates.
        seed: Chooses the images.
        max_sources: Number of pretrained sources on the shortlist; None is the default.
        due: `time.monotonic()` at which it has to end, with at least one source; None is no limit.
    """
    pretrained = [s for s in sources.sources if not isinstance(s.weights, Untrained)]
    untrained = [s for s in sources.sources if isinstance(s.weights, Untrained)]
    measured: dict[str, tuple[dict[str, float], float]] = {}
    skipped: list[Skipped] = []
    labelled, target = (sampled(part.learn, seed) for part in (problem.source, problem.target))
    for place, source in enumerate(pretrained):
        began = time.perf_counter()
        left = math.inf if due is None else due - time.monotonic()
        try:
            reader = problem.readers[source]
            if not measured:
                others = len(pretrained) - place - 1
                labelled, target = _affordable(reader, labelled, target, left, others)
            elif left < (problem.readers.mean_pace or UNKNOWN_PACE) * _missing(
                reader, labelled, target
            ):
                skipped.append(Skipped(source.name, "*", "no time was left to rank it"))
                continue
            scores = _scores(reader, labelled, target)
        except AutotransferError as error:
            skipped.append(Skipped(source.name, "*", str(error).split("\n")[0]))
            continue
        measured[source.name] = (scores, time.perf_counter() - began)
    names = list(measured)
    columns = [[measured[name][0][key] for name in names] for key in (ACCURACY, DISTANCE)]
    mean_ranks = np.mean([average_ranks([-v for v in values]) for values in columns], axis=0)
    order = sorted(range(len(names)), key=lambda i: (mean_ranks[i], names[i]))
    kept = [source for source in pretrained if source.name in measured]
    layouts = {source.name: problem.readers[source].layout for source in [*kept, *untrained]}
    placed = [(names[i], float(mean_ranks[i]), *measured[names[i]]) for i in order]
    placed += [(source.name, float(len(names) + 1), {}, 0.0) for source in untrained]
    rows = [
        RankedSource(
            source=name,
            rank=place,
            rank_low=place,
            rank_high=place,
            score=score,
            stage=len(layouts[name].widths),
            estimators=scores,
            seconds=seconds,
            megabytes=layouts[name].megabytes,
            num_images=len(labelled) if scores else 0,
        )
        for place, (name, score, scores, seconds) in enumerate(placed, start=1)
    ]
    most = SHORTLIST if max_sources is None else max_sources
    chosen = [*(names[i] for i in order[:most]), *(source.name for source in untrained)]
    return Ranking(tuple(rows), tuple(chosen), placed[0][0] if placed else ""), skipped


def _affordable(
    reader: Features, labelled: ImageSet, target: ImageSet, seconds: float, others: int
) -> tuple[ImageSet, ImageSet]:
    """Return the images of both domains that there is time to read; a few are read in any case.

    Where the time is short, so many other sources have an equal share of it.
    """
    if seconds > HURRIED:
        return labelled, target
    few = [images.subset(np.arange(min(LEAST_SEEN, len(images)))) for images in (labelled, target)]
    began = time.monotonic()
    for images in few:
        reader(images)
    if not _missing(reader, labelled, target):
        return labelled, target
    seconds = seconds / (others + 1) - (time.monotonic() - began)
    most = max(len(labelled), len(target))
    n = affordable((reader.pace or UNKNOWN_PACE) * 2, most, seconds, least=LEAST_SEEN)
    first, second = (images.subset(np.arange(len(images))[:n]) for images in (labelled, target))
    return first, second


def _missing(reader: Features, labelled: ImageSet, target: ImageSet) -> int:
    return reader.missing(labelled) + reader.missing(target)


def _scores(reader: Features, labelled: ImageSet, target: ImageSet) -> dict[str, float]:
    """Return both scores; higher is better, so the distance is negative."""
    x, y = reader(labelled), reader(target)
    accuracy = ridge_loo(Statistics.of(x, labelled.labels))
    rng = np.random.default_rng(0)  # images often come by class; the distance reads the first
    distance = domain_distance(rng.permutation(x), rng.permutation(y), [DISTANCE])[DISTANCE]
    return {ACCURACY: accuracy, DISTANCE: -distance}
