"""A source of sounds from a folder, as the hub of Hugging Face and its tools write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autotransfer.data.sounds.preprocessing import SoundPreprocessing
from autotransfer.data.untrusted_files import read_object, refused_as
from autotransfer.errors import InvalidOptionError, InvalidSourceError
from autotransfer.models.builders import SOUND_ENCODERS
from autotransfer.models.sounds.kinds import KINDS
from autotransfer.models.sounds.reading_rules import rate_of, reading_of, seconds_of
from autotransfer.models.source import Source
from autotransfer.models.texts.folders import CONFIG, TOKENIZER, WEIGHTS, weights_in
from autotransfer.models.texts.transformer import arguments_of

READING = "preprocessor_config.json"
FILES = (CONFIG, READING, WEIGHTS)
_BATCH_NORM = "conv_pos_batch_norm"


def is_sound_folder(path: Path) -> bool:
    """Return whether a folder holds an encoder of sounds, of a kind that is known or another."""
    try:
        if not (path / CONFIG).is_file():
            return False
        if read_object(path / CONFIG).get("model_type") in KINDS:
            return True
        return (path / READING).is_file() and not (path / TOKENIZER).is_file()
    except (OSError, ValueError):  # a name that no file can have, or a file that cannot be read
        return False


def sound_source_of_folder(path: Path, name: str = "") -> Source:
    """Return the encoder of sounds in a folder.

    Args:
        path: Holds config.json, preprocessor_config.json and model.safetensors.
        name: Name of the source; empty takes that of the folder.

    Raises:
        InvalidSourceError: If a file is missing or cannot be read, it is of another kind, or only
            files are there that would have to be executed.
    """
    name = name or path.resolve().name
    weights = weights_in(path, name)
    config = _said(path / CONFIG, name)
    kind = str(config.get("model_type"))
    if kind not in KINDS:
        raise InvalidSourceError(
            f"source {name!r}: {path / CONFIG} is of the kind {kind[:40]!r}; encoders of sounds "
            f"of the kinds {', '.join(KINDS)} can be read, and no code of others is ever run"
        )
    if not (path / READING).is_file():
        raise InvalidSourceError(
            f"source {name!r}: there is no {READING} in {path}, which says how it reads sounds; "
            "fetch it from where the weights are from"
        )
    if config.get(_BATCH_NORM):
        raise InvalidSourceError(
            f"source {name!r}: {path / CONFIG} says {_BATCH_NORM}, by which what fills up a batch "
            "changes the features; take another encoder"
        )
    told = _said(path / READING, name)
    with refused_as(InvalidSourceError, f"source {name!r}: {path}"):
        read = {key: config[key] for key in KINDS[kind].config.split() if key in config}
        reading, rate = reading_of(kind, told, read), rate_of(told)
        preprocessing = _preprocessing(rate, seconds_of(reading, rate))
        arguments = {"config": arguments_of(read), "reading": reading}
    return Source(name, f"{SOUND_ENCODERS}/{kind}", weights, preprocessing, arguments)


def _preprocessing(rate: int, seconds: float) -> SoundPreprocessing:
    try:
        return SoundPreprocessing(rate, seconds)
    except InvalidOptionError as error:
        raise ValueError(str(error)) from None


def _said(path: Path, name: str) -> dict[str, Any]:
    with refused_as(InvalidSourceError, f"source {name!r}: {path} cannot be read"):
        return read_object(path)
