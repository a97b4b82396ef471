"""What is known of a source before it sees the target.

Earlier targets, else pretraining accuracy, else the order of a default set.

A rank average with such a prior beats any single score, and a constant choice by size alone is
hard to beat on common collections of networks (Singh, Hess and Vanschoren, arXiv:2510.06448).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from autotransfer.models.catalogue.default_sets import default_places
from autotransfer.models.source import Source
from autotransfer.transferability.ranking.scoring import Scored

PRIOR = "prior"
_FEWEST_KNOWN = 2  # a rank needs at least two
_PORTS = ("tf", "tv", "legacy", "timm")  # where weights were ported from, not what they are
_BREADTH = 0.1  # of the largest pretraining set: below it, a source is no general one


def priors(sources: Sequence[Source], memory: Mapping[str, float]) -> list[float | None]:
    """Return the prior of each source, higher is better; None where nothing is known.

    Args:
        sources: The candidates.
        memory: Mean place of a source on the user's earlier targets by fingerprint, 0 (always the
            best) to 1 (always the worst).

    Returns:
        Minus the mean place, where at least two of the sources have one. Otherwise the accuracy
        on the pretraining set, for the sources that share the set most of them know it for:
        accuracies on different sets do not compare. Where nothing is measured at all, minus the
        place in the default set: its order is a judgement, and what there is.
    """
    remembered = [memory.get(source.fingerprint) for source in sources]
    if sum(place is not None for place in remembered) >= _FEWEST_KNOWN:
        return _negative(remembered)
    known = Counter(s.pretrained_on for s in sources if s.pretraining_accuracy is not None)
    if not known or known.most_common(1)[0][1] < _FEWEST_KNOWN:
        return _negative(default_places(sources))
    shared = known.most_common(1)[0][0]
    return [s.pretraining_accuracy if s.pretrained_on == shared else None for s in sources]


def _negative(places: Sequence[float | None]) -> list[float | None]:
    return [None if place is None else 0.0 - place for place in places]


def constant_choice(scored: Sequence[Scored], known: Mapping[str, float | None]) -> Scored:
    """Return the source that somebody would choose who never looks at the target.

    The best prior; without any, the most pretraining items, then the largest network.
    """
    return max(scored, key=lambda item: _standing(item, known))


def stand_in(
    scored: Sequence[Scored], known: Mapping[str, float | None], taken: Sequence[str]
) -> Scored | None:
    """Return the best source by prior among the families that are not taken yet, or None.

    A network that probes badly may still fine-tune well. Only sources with a prior, or whose
    pretraining was broad, come into question.
    """
    largest = max((item.source.num_pretraining_images or 0 for item in scored), default=0)
    others = [
        item
        for item in scored
        if family_of(item.source) not in taken
        and (
            known.get(item.source.name) is not None
            or (item.source.num_pretraining_images or 0) > _BREADTH * largest
        )
    ]
    return max(others, key=lambda item: _standing(item, known), default=None)


def family_of(source: Source) -> str:
    """Return the family of an architecture: its name without sizes, `resnet` of `resnet50d`."""
    parts = source.architecture.split(".")[0].split("_")
    name = next((part for part in parts if part not in _PORTS), parts[0])
    match = re.match(r"([a-z]+?)(v\d+)?(?:\d.*)?$", name)
    return name if match is None else match.group(1) + (match.group(2) or "")


def _standing(item: Scored, known: Mapping[str, float | None]) -> tuple[bool, float, int, float]:
    prior = known.get(item.source.name)
    return (
        prior is not None,
        prior or 0.0,
        item.source.num_pretraining_images or 0,
        item.megabytes,
    )
