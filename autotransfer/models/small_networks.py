"""The small network that learns from nothing, for each kind of items."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from autotransfer.data.modality import Modality
from autotransfer.models.small_cnn import small_source
from autotransfer.models.sounds.small_network import small_sound_source
from autotransfer.models.source import Source
from autotransfer.models.texts.hashed_words import small_text_source

_SMALL: Mapping[Modality, Callable[[int], Source]] = {
    Modality.IMAGE: small_source,
    Modality.TEXT: small_text_source,
    Modality.SOUND: small_sound_source,
}


def small_network(modality: Modality, seed: int = 0) -> Source | None:
    """Return the untrained small network for such items; None for a kind that a plugin adds.

    Args:
        modality: What the items are.
        seed: Of its weights.
    """
    made = _SMALL.get(modality)
    return None if made is None else made(seed)
