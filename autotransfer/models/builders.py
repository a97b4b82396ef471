"""Which code makes the network of a source: by the first part of the name of its architecture.

A source is built by timm unless its architecture is called `KIND/NAME` and the kind is here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from autotransfer.errors import InvalidSourceError

TRANSFORMERS, STATIC, WORDS = "transformers", "static-embedding", "hashed-words"
_OURS = {  # imported when such a source is there
    TRANSFORMERS: "autotransfer.models.texts.transformer",
    STATIC: "autotransfer.models.texts.static",
    WORDS: "autotransfer.models.texts.hashed_words",
}

# Called with a source and whether its weights are wanted; returns a `Backbone`.
Builder = Callable[..., Any]


def kind_of(architecture: str) -> str:
    """Return the kind of an architecture; empty where timm makes it."""
    kind, slash, _ = architecture.partition("/")
    return kind if slash else ""


def is_known(architecture: str) -> bool:
    """Return whether there is code for an architecture of a kind of its own."""
    return kind_of(architecture) in _OURS


def builder_of(architecture: str) -> Builder | None:
    """Return what makes networks of an architecture; None where timm does.

    Raises:
        InvalidSourceError: If nobody offers its kind.
    """
    kind = kind_of(architecture)
    if not kind:
        return None
    if kind not in _OURS:
        raise InvalidSourceError(
            f"no code makes the architecture {architecture!r}; beside timm's there are "
            f"{', '.join(sorted(_OURS))}"
        )
    build: Builder = importlib.import_module(_OURS[kind]).build
    return build
