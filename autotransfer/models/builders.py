"""Which code makes the network of a source: by the first part of the name of its architecture.

A source is built by timm unless its architecture is called `KIND/NAME` and the kind is here, or
a plugin offers it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from autotransfer.errors import InvalidSourceError

TRANSFORMERS, STATIC, WORDS = "transformers", "static-embedding", "hashed-words"
LOG_MEL, SOUND_ENCODERS = "log-mel", "sound-transformers"
_OURS = {  # imported when such a source is there
    TRANSFORMERS: "autotransfer.models.texts.transformer",
    STATIC: "autotransfer.models.texts.static",
    WORDS: "autotransfer.models.texts.hashed_words",
    LOG_MEL: "autotransfer.models.sounds.small_network",
    SOUND_ENCODERS: "autotransfer.models.sounds.transformer",
}

# Called with a source and whether its weights are wanted; returns a `Backbone`.
Loader = Callable[..., Any]


@dataclass(frozen=True)
class BackboneBuilder:
    """Makes the networks of a kind of architecture that timm does not know.

    Args:
        kind: The first part of the architectures' names, which are KIND/NAME; kebab-case.
        build: Returns the `Backbone` of a source with weights drawn from torch's generator.
        rename: Returns the name of a tensor in the network for its name in a file of weights.
    """

    kind: str
    build: Callable[[Any], Any]
    rename: Callable[[str], str] = lambda name: name


_OFFERED: dict[str, BackboneBuilder] = {}  # by plugins, for the whole process, as timm keeps its


def offer(builder: BackboneBuilder) -> None:
    """Make networks of a kind known by the code of a plugin.

    Raises:
        ValueError: If the kind is one of our own.
    """
    if builder.kind in _OURS:
        raise ValueError(f"the kind {builder.kind!r} is autotransfer's own; choose another name")
    _OFFERED[builder.kind] = builder


def kind_of(architecture: str) -> str:
    """Return the kind of an architecture; empty where timm makes it."""
    kind, slash, _ = architecture.partition("/")
    return kind if slash else ""


def is_known(architecture: str) -> bool:
    """Return whether there is code for an architecture of a kind of its own."""
    return kind_of(architecture) in {*_OURS, *_OFFERED}


def builder_of(architecture: str) -> BackboneBuilder | Loader | None:
    """Return what makes networks of an architecture; None where timm does.

    A builder draws the weights, which are loaded afterwards; a loader does all of it.

    Raises:
        InvalidSourceError: If nobody offers its kind.
    """
    kind = kind_of(architecture)
    if not kind or kind in _OFFERED:
        return _OFFERED.get(kind)
    if kind not in _OURS:
        raise InvalidSourceError(
            f"no code makes the architecture {architecture!r}; beside timm's there are "
            f"{', '.join(sorted({*_OURS, *_OFFERED}))}; if a plugin file does, name it with "
            "--plugin"
        )
    ours: BackboneBuilder | Loader = importlib.import_module(_OURS[kind]).build
    return ours
