"""What a default set costs, told before anything is fetched."""

from __future__ import annotations

from autotransfer.data.modality import Modality
from autotransfer.errors import InvalidSourceError
from autotransfer.models.catalogue import timm_names
from autotransfer.models.catalogue.folder_sources import source_on_hub
from autotransfer.models.catalogue.hub_sets import HUB_SETS, describe_hub_set
from autotransfer.models.source import Source

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
    modality = modality or Modality.IMAGE
    if modality in HUB_SETS:
        models = HUB_SETS[modality][name]
        return tuple(source_on_hub(model.name, license=model.license) for model in models)
    _refuse_no_set(modality)
    return timm_names.default_set(name)


def _refuse_no_set(modality: Modality) -> None:
    if modality is not Modality.IMAGE:
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
    if modality in HUB_SETS:
        return describe_hub_set(name, modality, num_items)
    _refuse_no_set(modality)
    return timm_names.describe_default_set(name, num_items)
