"""Items that are the same but for how they were saved, whatever kind of items they are."""

from __future__ import annotations

import importlib

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
        return _equal(*sets)
    found: NDArray[np.int64] = importlib.import_module(_FINDERS[sets[0].modality]).near_duplicates(
        *sets
    )
    return found


def _equal(*sets: ImageSet) -> NDArray[np.int64]:
    """Return the pairs of items with the same bytes, each with the first of its kind."""
    first: dict[str, int] = {}
    digests = [digest for items in sets for digest in items.digests]
    pairs = [(first.setdefault(digest, i), i) for i, digest in enumerate(digests)]
    return np.array([pair for pair in pairs if pair[0] != pair[1]], np.int64).reshape(-1, 2)


def related_notes(items: ImageSet) -> tuple[str, ...]:
    """Return a note where items seem to come from one scene, speaker or recording.

    Args:
        items: Labelled, without groups.
    """
    if items.modality not in _RELATED:
        return ()
    found: tuple[str, ...] = importlib.import_module(_RELATED[items.modality]).related_notes(items)
    return found
