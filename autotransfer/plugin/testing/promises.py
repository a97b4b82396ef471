"""What a promise is: one thing that a plugin owes the core, as a plain check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Subject = TypeVar("Subject")


class BrokenPromiseError(AssertionError):
    """A plugin does not keep a promise; the message says what was found.

    Args:
        found: What was found.
        remedy: What the author has to do; empty is what the promise says.
    """

    def __init__(self, found: str, remedy: str = "") -> None:
        super().__init__(found)
        self.remedy = remedy


class DoesNotApply(Exception):  # noqa: N818 - nothing is wrong
    """A promise has no meaning for this plugin; the message says why."""


@dataclass(frozen=True)
class Promise(Generic[Subject]):
    """One thing that a plugin owes the core.

    Args:
        keep: Returns when the promise is kept, raises when it is not: `BrokenPromiseError` with
            what was found, or whatever the plugin itself raised. Its name is the promise.
        remedy: What the author has to do when it is broken.
    """

    keep: Callable[[Subject], None]
    remedy: str

    @property
    def name(self) -> str:
        """Return what is promised, as a sentence in kebab-case."""
        return self.keep.__name__.strip("_").replace("_", "-")


def demand(kept: bool, found: str, remedy: str = "") -> None:  # noqa: FBT001 - "demand that ..."
    """Refuse what was found unless it is as promised.

    Args:
        kept: Whether it is.
        found: What was found.
        remedy: What the author has to do; empty is what the promise says.

    Raises:
        BrokenPromiseError: If it is not.
    """
    if not kept:
        raise BrokenPromiseError(found, remedy)
