"""Sources of texts and sounds by where they lie: a folder, or a name of the hub."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from autotransfer.models.hub import cached_only_when_unreachable
from autotransfer.models.sounds import folders as sounds
from autotransfer.models.source import Source
from autotransfer.models.texts import folders as texts

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def is_source_folder(path: Path) -> bool:
    """Return whether a folder holds a source of texts or of sounds."""
    return sounds.is_sound_folder(path) or texts.is_text_folder(path)


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
    of_sounds = sounds.is_sound_folder(path)
    read = sounds.sound_source_of_folder if of_sounds else texts.source_of_folder
    found, origin = read(path, name), origin or str(path)
    return replace(found, license=license, origin=origin, pretrained_on=pretrained_on)


def source_on_hub(name: str, *, license: str = "unknown") -> Source:
    """Return a source of the hub by its name, OWNER/MODEL, its files fetched once.

    Args:
        name: As the hub has it.
        license: Licence of the weights.

    Raises:
        InvalidSourceError: If the files cannot be had, or are those of no source.
    """
    with cached_only_when_unreachable():
        config = texts.fetched(name, texts.CONFIG)
        if config is not None and sounds.is_sound_folder(config.parent):
            found = [texts.fetched(name, file, sounds.FILES) for file in sounds.FILES]
        else:
            found = [texts.fetched(name, file) for file in texts.FILES]
    folder = next(path.parent for path in found if path is not None)
    return source_in_folder(folder, name, license=license, origin=f"hub:{name}")
