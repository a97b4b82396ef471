"""What a default set costs, told before anything is fetched."""

from __future__ import annotations

from autotransfer.data.modality import Modality
from autotransfer.errors import InvalidSourceError
from autotransfer.models.catalogue import timm_names
from autotransfer.models.sounds.default_sets import describe_sound_set, sound_set
from autotransfer.models.source import Source
from autotransfer.models.texts.default_sets import describe_text_set, text_set

_NONE = (
    "there is no default set of sources for {}; name some with --sources CATALOGUE, and the "
    "file with their networks with --plugin: docs/new-items.md has one"
)


def default_set_of(name: str, modality: Modality | None) -> tuple[Source, ...]:
    """Return the sources of a default set, fetched where that is due.

    Args:
        name: tiny, small or base.
        modality: What the items are; None is images.

    Raises:
        InvalidSourceError: If there is no default set for such items, or it cannot be fetched.
    """
    _refuse_no_set(modality)
    if modality is Modality.TEXT:
        return text_set(name)
    return sound_set(name) if modality is Modality.SOUND else timm_names.default_set(name)


def _refuse_no_set(modality: Modality | None) -> None:
    if modality not in (None, Modality.IMAGE, Modality.TEXT, Modality.SOUND):
        raise InvalidSourceError(_NONE.format(modality.plural))


def describe_default_set(name: str, modality: Modality, num_items: int) -> str:
    """Return licence, megabytes and expected minutes of the sources of a default set.

    Args:
        name: tiny, small or base.
        modality: What the items are.
        num_items: How many there are.

    Raises:
        InvalidSourceError: If there is no default set for such items.
    """
    _refuse_no_set(modality)
    if modality is Modality.TEXT:
        return describe_text_set(name, num_items)
    if modality is Modality.SOUND:
        return describe_sound_set(name, num_items)
    return timm_names.describe_default_set(name, num_items)
