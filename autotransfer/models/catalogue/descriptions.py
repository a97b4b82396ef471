"""What a default set costs, told before anything is fetched."""

from __future__ import annotations

from autotransfer.data.modality import Modality
from autotransfer.errors import InvalidSourceError
from autotransfer.models.catalogue import timm_names
from autotransfer.models.texts.default_sets import describe_text_set

NO_SOUNDS = (
    "there is no default set of sources for sounds; name some with --sources CATALOGUE, and the "
    "file with their networks with --plugin: docs/sound.md has two"
)


def describe_default_set(name: str, modality: Modality, num_items: int) -> str:
    """Return licence, megabytes and expected minutes of the sources of a default set.

    Args:
        name: tiny, small or base.
        modality: What the items are.
        num_items: How many there are.

    Raises:
        InvalidSourceError: If there is no default set for such items.
    """
    if modality is Modality.SOUND:
        raise InvalidSourceError(NO_SOUNDS)
    if modality is Modality.TEXT:
        return describe_text_set(name, num_items)
    return timm_names.describe_default_set(name, num_items)
