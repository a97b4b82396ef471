"""What kind of item a target or a source is about."""

from __future__ import annotations

from enum import StrEnum

from autotransfer.errors import InvalidTargetError


class Modality(StrEnum):
    """The kinds of items; a target and its sources are of one."""

    IMAGE = "image"
    TEXT = "text"
    SOUND = "sound"

    @property
    def plural(self) -> str:
        """Return the word for several items."""
        return f"{self}s"


def modality_of(items: object) -> Modality:
    """Return what the items of a reader or a set are: images unless it says otherwise."""
    return Modality(getattr(items, "modality", Modality.IMAGE))


def refuse_other(items: object, wanted: Modality | None) -> None:
    """Refuse items of another modality than is asked for.

    Args:
        items: A reader or a set.
        wanted: None takes any.

    Raises:
        InvalidTargetError: If they are others.
    """
    found = modality_of(items)
    if wanted is not None and found is not wanted:
        raise InvalidTargetError(
            f"the items are {found.plural}, and {wanted.plural} were asked for"
        )
