"""Sources of texts and sounds by where they lie: a folder, or a name of the hub."""

from __future__ import annotations

from pathlib import Path

from autotransfer.models.hub import cached_only_when_unreachable
from autotransfer.models.sounds.folders import (
    is_sound_folder,
    sound_source_of_folder,
    sound_source_of_hub,
)
from autotransfer.models.source import Source
from autotransfer.models.texts.folders import (
    CONFIG,
    HUB_NAME,
    fetched,
    is_text_folder,
    source_of_folder,
    source_of_hub,
)

__all__ = ["HUB_NAME", "is_source_folder", "source_in_folder", "source_on_hub"]


def is_source_folder(path: Path) -> bool:
    """Return whether a folder holds a source of texts or of sounds."""
    return is_sound_folder(path) or is_text_folder(path)


def source_in_folder(
    path: Path,
    name: str = "",
    *,
    license: str = "unknown",
    origin: str = "",
    pretrained_on: str = "unknown",
) -> Source:
    """Return the source in a folder: an encoder of sounds, or a source of texts.

    Args:
        path: What `transformers` writes: configuration, and weights as safetensors.
        name: Name of the source; empty takes that of the folder.
        license: Licence of the weights.
        origin: Where they were published; empty takes the path.
        pretrained_on: What they were trained on.

    Raises:
        InvalidSourceError: If a file is missing or cannot be read, or only files are there that
            would have to be executed.
    """
    found = sound_source_of_folder if is_sound_folder(path) else source_of_folder
    return found(path, name, license=license, origin=origin, pretrained_on=pretrained_on)


def source_on_hub(name: str, *, license: str = "unknown") -> Source:
    """Return a source of the hub by its name, OWNER/MODEL, its files fetched once.

    Args:
        name: As the hub has it.
        license: Licence of the weights.

    Raises:
        InvalidSourceError: If the files cannot be had, or are those of no source.
    """
    with cached_only_when_unreachable():
        config = fetched(name, CONFIG)
    if config is not None and is_sound_folder(config.parent):
        return sound_source_of_hub(name, license=license)
    return source_of_hub(name, license=license)
