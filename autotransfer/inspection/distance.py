"""How far two sets of images are apart, as one backbone sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.modality import refuse_other
from autotransfer.data.target import open_usable
from autotransfer.errors import InvalidTargetError
from autotransfer.scenarios.inputs import choose_sources, discover_plugins, make_readers
from autotransfer.scenarios.options import read_options
from autotransfer.transferability.distances import describe, domain_distance, levels

MOST_IMAGES = 2000  # of each set; beyond it the numbers hardly move
FEWEST_IMAGES = 10  # of each set; with fewer the classifier between the sets has nothing to learn


@dataclass(frozen=True)
class Distance:
    """What was measured between two sets of images.

    Args:
        source: The backbone whose features were compared.
        stage: The stage, the last one.
        num_images: Images of each set that were compared.
        distances: Value of each measure; lower is closer.
        levels: near, moderate or far, for the measures that have a scale of their own.
        sentence: The words for people; empty when no measure with a scale was asked for.
        notes: What to know about the sets.
        items: The word for what they hold.
    """

    source: str
    stage: int
    num_images: tuple[int, int]
    distances: Mapping[str, float]
    levels: Mapping[str, str]
    sentence: str
    notes: tuple[str, ...]
    items: str = "images"


def distance(
    images_a: Any, images_b: Any, *, measures: Sequence[str] | None = None, **options: Any
) -> Distance:
    """Return how far two sets of images are apart, in numbers and in words.

    Args:
        images_a: Images in any form that `fit` takes; labels are not needed and not used.
        images_b: The other set.
        measures: Names of the measures; None for all.
        **options: The fields of `Options` that concern sources and device. The first of the
            sources is the backbone that looks at both sets.

    Raises:
        AutotransferError: If a set, a source or an option cannot be used.
    """
    chosen = read_options(options)
    registry = discover_plugins(chosen)
    first, of_first = open_usable(images_a, chosen.on_bad_image, every_row=False)
    kind = first.modality
    second, of_second = open_usable(images_b, chosen.on_bad_image, every_row=False, modality=kind)
    refuse_other(second, kind)
    for name, images in (("first", first), ("second", second)):
        if len(images) < FEWEST_IMAGES:
            raise InvalidTargetError(
                f"the {name} set has {len(images)} {kind}(s); at least {FEWEST_IMAGES} of each "
                "are needed to compare them"
            )
    source = choose_sources(chosen, registry, max(len(first), len(second)), kind).sources[0]
    told = f"comparing {len(first)} and {len(second)} {kind.plural} as {source.name} sees them"
    chosen.say(told)
    notes = (*of_first.notes, *of_second.notes, *_notes(first, second))
    first, second = (images.sample(MOST_IMAGES, chosen.seed) for images in (first, second))
    reader = make_readers(chosen)[source]
    found = _with_null(reader(first), reader(second), measures, chosen.seed)
    words = levels(found)
    return Distance(
        source=source.name,
        stage=reader.num_stages,
        num_images=(len(first), len(second)),
        distances=found,
        levels=words,
        sentence=describe(found) if words else "",
        notes=notes,
        items=kind.plural,
    )


def _with_null(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    measures: Sequence[str] | None,
    seed: int,
) -> dict[str, float]:
    """Return the distances, and what the Jensen-Shannon divergence of a random split would be.

    Histograms of few images differ even within one set, by about 31 / (4 n ln 2) bits for n
    images a side while n is large; a split of the same sizes says so for any n.

    Args:
        first: (n, d) features.
        second: (m, d) features.
        measures: Names of the measures; None for all.
        seed: For the split.
    """
    rng = np.random.default_rng(seed)
    # images often come class by class, and some measures read the first ones of the larger set
    found = domain_distance(rng.permutation(first), rng.permutation(second), measures)
    if "js-divergence" not in found:
        return found
    pooled = np.concatenate([first, second])
    order = np.random.default_rng(seed).permutation(len(pooled))
    a, b = pooled[order[: len(first)]], pooled[order[len(first) :]]
    null = domain_distance(a, b, ["js-divergence"])["js-divergence"]
    place, items = [*found].index("js-divergence") + 1, [*found.items()]
    return dict([*items[:place], ("js-null", null), *items[place:]])


def _notes(first: ImageSet, second: ImageSet) -> tuple[str, ...]:
    kind = first.modality
    notes = [
        f"{MOST_IMAGES} of the {len(images)} {kind.plural} of the {name} set were compared"
        for name, images in (("first", first), ("second", second))
        if len(images) > MOST_IMAGES
    ]
    shared = len(set(first.digests) & set(second.digests))
    if shared:
        notes.append(f"{shared} {kind}(s) are in both sets")
    return tuple(notes)
