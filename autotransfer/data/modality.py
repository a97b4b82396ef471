"""What kind of item a target or a source is about: ours, and those that plugins add."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from typing_extensions import override

from autotransfer.errors import InvalidOptionError, InvalidTargetError


class _Known(type):
    """The kinds of items can be gone through, like the members of an enumeration."""

    def __iter__(cls) -> Iterator[Modality]:
        yield from Modality.known.values()


class Modality(str, metaclass=_Known):
    """A kind of items; a target and its sources are of one. There is one object for each.

    Args:
        name: That of a kind that is known: image, text, sound, or what a plugin has added.

    Raises:
        InvalidOptionError: If there is none of that name.
    """

    known: ClassVar[dict[str, Modality]] = {}
    IMAGE: ClassVar[Modality]
    TEXT: ClassVar[Modality]
    SOUND: ClassVar[Modality]
    plural: str  # the word for several items

    def __new__(cls, name: str) -> Modality:
        """Return the one object of a kind that is known."""
        found = cls.known.get(str(name))
        if found is None:
            raise InvalidOptionError(
                f"modality must be one of {', '.join(cls.known)}, got {name!r}; if a plugin file "
                "adds it, name that file with --plugin"
            )
        return found

    @classmethod
    def add(cls, name: str, plural: str) -> Modality:
        """Return the kind of a name, which is known from then on.

        Args:
            name: In lower case.
            plural: The word for several items.
        """
        found = cls.known.get(name) or str.__new__(cls, name)
        found.plural = plural
        return cls.known.setdefault(name, found)

    @override
    def __reduce__(self) -> tuple[Callable[..., Modality], tuple[str, str]]:
        return Modality.add, (str(self), self.plural)

    def __deepcopy__(self, _memo: Any) -> Modality:
        return self

    @property
    def can_be_shown(self) -> bool:
        """Return whether `autotransfer label` makes a page on which they are labelled."""
        return self is Modality.IMAGE

    @property
    def is_text(self) -> bool:
        """Return whether an item is a text, which a cell of a table can hold."""
        return self is Modality.TEXT


Modality.IMAGE = Modality.add("image", "images")
Modality.TEXT = Modality.add("text", "texts")
Modality.SOUND = Modality.add("sound", "sounds")
USUAL = Modality.IMAGE  # what items are where nothing says otherwise


def plural_of(name: str) -> str:
    """Return the word for several items, also of a kind whose plugin is not here.

    Args:
        name: Of the kind.
    """
    found = Modality.known.get(name)
    return f"{name}s" if found is None else found.plural


def modality_of(items: object) -> Modality:
    """Return what the items of a reader or a set are: images unless it says otherwise."""
    return Modality(getattr(items, "modality", USUAL))


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
