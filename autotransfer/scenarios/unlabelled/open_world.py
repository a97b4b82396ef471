"""What seems to be in the target, told before anything is adapted and kept with the study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from autotransfer.data.image_set import ImageSet
from autotransfer.data.modality import USUAL, Modality
from autotransfer.forecasts import Range
from autotransfer.models.features import FeatureReaders
from autotransfer.models.open_set import OpenSet
from autotransfer.models.source import Source
from autotransfer.results import Interval, OpenWorld, UnknownImages
from autotransfer.scenarios.unlabelled.audit_open_set import OpenSetAudit
from autotransfer.scenarios.unlabelled.class_shares import LEAST_ABSENT, read_class_shares
from autotransfer.scenarios.unlabelled.holdout import Part
from autotransfer.scenarios.unlabelled.inputs import UnlabelledProblem
from autotransfer.scenarios.unlabelled.unknown_classes import (
    UnknownClasses,
    read_unknown_classes,
    too_few,
)
from autotransfer.search.study import Study

_KEY = "open world"
_OPEN_WORLDS = TypeAdapter(OpenWorld)
FEWEST_JUDGING = 20  # held-out images; where rejection would leave fewer, all of them judge
_NAMED = 10


def see_unknown(problem: UnlabelledProblem, source: Source, seed: int) -> UnknownClasses | None:
    """Return what a pretrained source sees of images of no class; None with too few images.

    Args:
        problem: Both domains.
        source: Whose frozen features are read.
        seed: Draws images and the classes that are left out.
    """
    learn, reader = problem.target.learn, problem.readers[source]
    if too_few(problem.source.learn, learn):
        return None
    return read_unknown_classes(problem.source.learn, learn, reader, seed=seed)


def look_at_target(
    problem: UnlabelledProblem,
    sources: Sequence[Source],
    unknown: UnknownClasses | None,
    seed: int,
) -> OpenWorld:
    """Return what pretrained sources see in the target.

    Class shares are those of the images that are not rejected.

    Args:
        problem: Both domains.
        sources: Whose frozen features are read: the first, and the second where it is in doubt.
        unknown: What it sees of images that are none of the classes; None with too few images.
        seed: Draws images and bootstraps.
    """
    open_set = None if unknown is None else unknown.open_set(sources[0])
    kept = without_rejected(problem.target, open_set, problem.readers)
    none_of_these = _unknown_images(problem, unknown, len(kept.learn))
    networks = [problem.readers[source] for source in sources]
    found = read_class_shares(problem.source, kept.learn, networks, seed=seed)
    if found.doubt:
        return OpenWorld(doubt=found.doubt, unknown=none_of_these)
    bounds = zip(found.value, found.low, found.high, strict=True)
    names = np.array(problem.class_names)[found.absent]
    return OpenWorld(
        tuple(Interval(float(v), float(a), float(b), found.num_images) for v, a, b in bounds),
        tuple(map(str, names)),
        unknown=none_of_these,
    )


def without_rejected(target: Part, open_set: OpenSet | None, readers: FeatureReaders) -> Part:
    """Return the target without rejected images; which held-out ones judge, `judging_among` says.

    Args:
        target: All images.
        open_set: What rejects; None rejects nothing.
        readers: Features of the sources.
    """
    if open_set is None or not open_set.found:
        return target
    out = rejected_among(target.learn, open_set, readers)
    return replace(target, learn=target.learn.subset(np.flatnonzero(~out)))


def judging_among(
    held_out: ImageSet, open_set: OpenSet | None, readers: FeatureReaders
) -> tuple[bool, ...] | None:
    """Return (n,) which held-out images validators read; None where all of them do.

    What is rejected judges nothing, unless hardly anything else is left.

    Args:
        held_out: Target images that nothing learns from.
        open_set: What rejects; None rejects nothing.
        readers: Features of the sources.
    """
    kept = ~rejected_among(held_out, open_set, readers)
    too_few = kept.sum() < FEWEST_JUDGING
    return None if kept.all() or too_few else tuple(kept.tolist())


def rejected_among(
    images: ImageSet, open_set: OpenSet | None, readers: FeatureReaders
) -> NDArray[np.bool_]:
    """Return (n,) which images are rejected.

    Args:
        images: The images.
        open_set: What rejects; None rejects nothing.
        readers: Features of the sources.
    """
    if open_set is None or not open_set.found:
        return np.zeros(len(images), dtype=bool)
    return open_set.judged(readers[open_set.source](images))[1]


def with_open_set_audit(found: OpenWorld | None, audit: OpenSetAudit | None) -> OpenWorld | None:
    """Return what was seen, with what audit labels say of the rejected images."""
    if found is None or found.unknown is None or audit is None:
        return found
    return replace(found, unknown=replace(found.unknown, **vars(audit)))


def _unknown_images(
    problem: UnlabelledProblem, found: UnknownClasses | None, num_kept: int
) -> UnknownImages:
    learn = problem.target.learn
    num_images = len(learn)
    if found is None:
        return UnknownImages(None, 0, num_images, too_few(problem.source.learn, learn))
    if found.doubt:
        return UnknownImages(None, 0, num_images, found.doubt)
    share = Range(found.mixture.share, found.mixture.low, found.mixture.high)
    return UnknownImages(share, num_images - num_kept, num_images)


def look_and_remember(
    study: Study, problem: UnlabelledProblem, sources: Sequence[Source], seed: int
) -> tuple[OpenWorld, OpenSet | None]:
    """Return what is seen, and what rejects; trials of one study compare, so it stays the same.

    Args:
        study: What was seen first is kept in it.
        problem: Both domains.
        sources: Whose frozen features are read, as `look_at_target` has them.
        seed: Draws images, classes and bootstraps.
    """
    see = cache(partial(see_unknown, problem, sources[0], seed))
    found = remembered(study, lambda: look_at_target(problem, sources, see(), seed))
    if found.unknown is None or found.unknown.share is None:
        return found, None
    unknown = see()
    return found, None if unknown is None else unknown.open_set(sources[0])


def remembered(study: Study, look: Callable[[], OpenWorld]) -> OpenWorld:
    """Return what the study has kept, else what is seen now: trials of one study compare."""
    kept = study.recall(_KEY)
    if kept is None:
        found = look()
        study.remember(_KEY, asdict(found))
        return found
    return _OPEN_WORLDS.validate_python(kept)  # a study of version 0.1 has no unknown images


def weighed_shares(found: OpenWorld | None, learn: ImageSet) -> tuple[float, ...] | None:
    """Return the (K,) class shares that methods go by; None where classes are hardly absent.

    Args:
        found: What was seen; None where nothing was.
        learn: The labelled source images.
    """
    if found is None or len(found.absent) < max(1, LEAST_ABSENT * len(learn.class_names)):
        return None
    return tuple(share.value for share in found.class_shares)


def open_world_sentences(
    found: OpenWorld, class_names: Sequence[str], modality: Modality = USUAL
) -> list[str]:
    """Return what was found: of the classes, then of items that are none of them."""
    unknown = [] if found.unknown is None else [found.unknown.told_of(modality, modality.plural)]
    return [open_world_sentence(found, class_names), *unknown]


def open_world_sentence(found: OpenWorld, class_names: Sequence[str]) -> str:
    """Return what was found in one sentence."""
    if found.doubt:
        return f"which classes the target has is not known: {found.doubt}"
    there = [name for name in class_names if name not in found.absent]
    text = f"{len(there)} of your {len(class_names)} classes seem to be in the target"
    if not found.absent:
        return text
    more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
    return f"{text}: {', '.join(there[:_NAMED])}{more}"
