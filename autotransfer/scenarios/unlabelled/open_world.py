"""What seems to be in the target, told before anything is adapted and kept with the study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from autotransfer.data.image_set import ImageSet
from autotransfer.models.source import Source
from autotransfer.results import Interval, OpenWorld
from autotransfer.scenarios.unlabelled.class_shares import LEAST_ABSENT, read_class_shares
from autotransfer.scenarios.unlabelled.inputs import UnlabelledProblem
from autotransfer.search.study import Study

_KEY = "open world"
_NAMED = 10


def look_at_target(problem: UnlabelledProblem, source: Source, seed: int) -> OpenWorld:
    """Return what a pretrained source sees in the target.

    Args:
        problem: Both domains.
        source: Whose frozen features are read.
        seed: Draws images and bootstraps.
    """
    reader = problem.readers[source]
    found = read_class_shares(problem.source, problem.target.learn, reader, seed=seed)
    if found.doubt:
        return OpenWorld(doubt=found.doubt)
    bounds = zip(found.value, found.low, found.high, strict=True)
    names = np.array(problem.class_names)[found.absent]
    return OpenWorld(
        tuple(Interval(float(v), float(a), float(b), found.num_images) for v, a, b in bounds),
        tuple(map(str, names)),
    )


def remembered(study: Study, look: Callable[[], OpenWorld]) -> OpenWorld:
    """Return what the study has kept, else what is seen now: trials of one study compare."""
    kept = study.recall(_KEY)
    if kept is None:
        found = look()
        study.remember(_KEY, asdict(found))
        return found
    shares = tuple(Interval(**share) for share in kept["class_shares"])
    return OpenWorld(shares, tuple(kept["absent"]), kept["doubt"])


def weighed_shares(found: OpenWorld | None, learn: ImageSet) -> tuple[float, ...] | None:
    """Return the (K,) class shares that methods go by; None where classes are hardly absent.

    Args:
        found: What was seen; None where nothing was.
        learn: The labelled source images.
    """
    if found is None or len(found.absent) < max(1, LEAST_ABSENT * len(learn.class_names)):
        return None
    return tuple(share.value for share in found.class_shares)


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
