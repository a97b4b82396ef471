"""Items that are the same but for how they were saved, whatever kind of items they are."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.modality import Modality

_FINDERS = {  # imported when such items are there
    Modality.IMAGE: "autotransfer.data.images.near_duplicates",
    Modality.TEXT: "autotransfer.data.texts.near_duplicates",
    Modality.SOUND: "autotransfer.data.sounds.near_duplicates",
}
_RELATED = {
    Modality.IMAGE: "autotransfer.data.images.bursts",
    Modality.SOUND: "autotransfer.data.sounds.speakers",
}


def near_duplicates(*sets: ImageSet) -> NDArray[np.int64]:
    """Return the (p, 2) positions of items that are the same, the smaller one first.

    Args:
        *sets: Items of one modality; labels are not read. Positions go on from one set to the
            next.
    """
    if sets[0].modality not in _FINDERS:
        pairs = equal_pairs([digest for items in sets for digest in items.digests])
        return np.array([*pairs], np.int64).reshape(-1, 2)
    found: NDArray[np.int64] = importlib.import_module(_FINDERS[sets[0].modality]).near_duplicates(
        *sets
    )
    return found


def equal_pairs(keys: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the first place of each key that occurs again, and that of each repetition."""
    first: dict[str, int] = {}
    for i, key in enumerate(keys):
        if first.setdefault(key, i) != i:
            yield first[key], i


def related_notes(items: ImageSet) -> tuple[str, ...]:
    """Return a note where items seem to come from one scene, speaker or recording.

    Args:
        items: Labelled, without groups.
    """
    if items.modality not in _RELATED:
        return ()
    found: tuple[str, ...] = importlib.import_module(_RELATED[items.modality]).related_notes(items)
    return found
