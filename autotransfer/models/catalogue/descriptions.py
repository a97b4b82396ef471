"""What a default set costs, told before anything is fetched."""

from __future__ import annotations

from autotransfer.data.modality import Modality
from autotransfer.errors import InvalidSourceError
from autotransfer.models.catalogue import timm_names
from autotransfer.models.texts.default_sets import describe_text_set

_NONE = (
    "there is no default set of sources for {}; name some with --sources CATALOGUE, and the "
    "file with their networks with --plugin: docs/{} has {}"
)


def refuse_no_set(modality: Modality | None) -> None:
    """Refuse to take a default set for items for which there is none.

    Args:
        modality: What the items are.

    Raises:
        InvalidSourceError: If there is none.
    """
    if modality is Modality.SOUND:
        raise InvalidSourceError(_NONE.format(modality.plural, "sound.md", "two"))
    if modality not in (None, Modality.IMAGE, Modality.TEXT):
        raise InvalidSourceError(_NONE.format(modality.plural, "new-items.md", "one"))


def describe_default_set(name: str, modality: Modality, num_items: int) -> str:
    """Return licence, megabytes and expected minutes of the sources of a default set.

    Args:
        name: tiny, small or base.
        modality: What the items are.
        num_items: How many there are.

    Raises:
        InvalidSourceError: If there is no default set for such items.
    """
    refuse_no_set(modality)
    if modality is Modality.TEXT:
        return describe_text_set(name, num_items)
    return timm_names.describe_default_set(name, num_items)
