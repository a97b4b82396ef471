"""TOML catalogues of sources with local weights."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.data.sounds.preprocessing import SoundPreprocessing
from autotransfer.data.untrusted_files import plain_file, refused_as
from autotransfer.errors import InvalidOptionError, InvalidSourceError
from autotransfer.models.architecture import check_arguments
from autotransfer.models.catalogue.folder_sources import source_in_folder
from autotransfer.models.source import HubWeights, LocalWeights, Source, Untrained, Weights
from autotransfer.models.weights import sha256_of
from autotransfer.results import Skipped

_TEXT = ("pretrained_on", "license", "origin")
_OF_IMAGES = ("input_size", "mean", "std", "interpolation", "crop_pct")
_KEYS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "architecture": str,
    "kwargs": dict,
    "weights": str,
    "folder": str,
    "sha256": str,
    "untrained": bool,
    "seed": int,
    "input_size": int,
    "mean": list,
    "std": list,
    "interpolation": str,
    "crop_pct": (int, float),
    "sample_rate": int,
    "max_seconds": (int, float),
    "pretrained_on": str,
    "license": str,
    "origin": str,
    "class_names": (str, list),
    "num_pretraining_images": int,
    "pretraining_accuracy": (int, float),
    "extra_architectures": bool,
}


def read_catalogue(path: Path) -> tuple[tuple[Source, ...], tuple[Skipped, ...]]:
    """Return the sources of a catalogue, one `[[source]]` table each, and those that are wrong.

    A source has local `weights` (relative to the catalogue; a `sha256` is verified), or
    `untrained = true` with a `seed`, or for texts and sounds a `folder`, or none of these: then
    timm fetches the weights by the name of the architecture.

    Raises:
        InvalidSourceError: Naming the catalogue, the source and the key; if no source is right.
    """
    with refused_as(InvalidSourceError, f"{path}: the catalogue cannot be read"):
        text = plain_file(path).read_text(encoding="utf-8")
    with refused_as(InvalidSourceError, f"{path}: not TOML"):
        content = tomllib.loads(text)
    entries = content.get("source")
    if not isinstance(entries, list) or not entries:
        raise InvalidSourceError(f"{path}: no [[source]] in it")
    unknown = set(content) - {"source"}
    if unknown:
        raise InvalidSourceError(f"{path}: unknown key {sorted(unknown)[0]!r}; use [[source]]")
    sources, skipped = list[Source](), list[Skipped]()
    for number, entry in enumerate(entries, start=1):
        name = _name(entry, number)
        try:
            with refused_as(InvalidSourceError, f"{path}: {name} cannot be read"):
                sources.append(_source(entry, number, path))
        except InvalidSourceError as error:
            if len(entries) == 1:
                raise
            skipped.append(Skipped(name, "*", str(error)))
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise InvalidSourceError(f"{path}: two sources are named {name!r}")
    return tuple(sources), tuple(skipped)


def _name(entry: Any, number: int) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    return name if isinstance(name, str) and name else f"source {number}"


def _source(entry: Any, number: int, path: Path) -> Source:
    where = f"{path}: source {number}"
    if not isinstance(entry, dict):
        raise InvalidSourceError(f"{where}: must be a table")
    in_folder = "folder" in entry
    size = "sample_rate" if "sample_rate" in entry else "input_size"
    needed = ("name",) if in_folder else ("name", "architecture", size)
    missing = next((key for key in needed if key not in entry), "")
    if missing:
        other = " (or for sounds 'sample_rate')" if missing == "input_size" else ""
        raise InvalidSourceError(f"{where}: the key {missing!r}{other} is missing")
    where = f"{path}: source {entry['name']!r}"
    for key, value in entry.items():
        _check_type(key, value, where)
    if not entry["name"].strip() or not entry["name"].isprintable():
        raise InvalidSourceError(f"{where}: the name must have a letter, and no line break")
    if entry.get("num_pretraining_images", 0) < 0:
        raise InvalidSourceError(f"{where}: num_pretraining_images must not be negative")
    text = {key: entry[key] for key in _TEXT if key in entry}
    if in_folder:
        return _in_folder(entry, path, where, text)
    check_arguments(where, entry.get("kwargs", {}))
    return Source(
        name=entry["name"],
        architecture=entry["architecture"],
        weights=_weights(entry, path, where),
        preprocessing=_preprocessing(entry, where),
        kwargs=entry.get("kwargs", {}),
        class_names=_class_names(entry.get("class_names"), path, where),
        num_pretraining_images=entry.get("num_pretraining_images"),
        pretraining_accuracy=_fraction(entry, "pretraining_accuracy", where),
        **text,
    )


def _in_folder(
    entry: Mapping[str, Any], path: Path, where: str, about: Mapping[str, str]
) -> Source:
    """Return a source of texts or sounds, of which its own folder says the rest."""
    if beside := sorted(set(entry) - {"name", "folder", *_TEXT}):
        raise InvalidSourceError(f"{where}: a folder says what {beside[0]} is; leave it out")
    return source_in_folder(path.parent / entry["folder"], entry["name"], **about)


def _check_type(key: str, value: Any, where: str) -> None:
    if key not in _KEYS:
        raise InvalidSourceError(f"{where}: unknown key {key!r}; known: {', '.join(_KEYS)}")
    kinds = _KEYS[key]
    allowed = kinds if isinstance(kinds, tuple) else (kinds,)
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise InvalidSourceError(
            f"{where}: {key} must be {' or '.join(k.__name__ for k in allowed)}, got {value!r}"
        )


def _fraction(entry: Mapping[str, Any], key: str, where: str) -> float | None:
    value = entry.get(key)
    if value is not None and not 0 <= value <= 1:
        raise InvalidSourceError(f"{where}: {key} must be a fraction in [0, 1], got {value}")
    return value


def _weights(entry: Mapping[str, Any], path: Path, where: str) -> Weights:
    if entry.get("untrained"):
        return Untrained(entry.get("seed", 0))
    if "weights" not in entry:
        return HubWeights(entry["architecture"])
    file = path.parent / entry["weights"]
    with refused_as(InvalidSourceError, f"{where}: the weights file {file} cannot be read"):
        found = sha256_of(file)
    expected = entry.get("sha256", found)
    if found != expected:
        raise InvalidSourceError(
            f"{where}: {file} has sha256 {found}, the catalogue says {expected}; fetch the file "
            "again, or correct the catalogue if you trust the file"
        )
    return LocalWeights(file, found)


def _preprocessing(entry: Mapping[str, Any], where: str) -> Preprocessing | SoundPreprocessing:
    """Return how a source wants its images, or with a `sample_rate` its sounds."""
    if "sample_rate" in entry:
        if beside := sorted(set(entry) & set(_OF_IMAGES)):
            raise InvalidSourceError(f"{where}: {beside[0]} is for images, not beside sample_rate")
        given = {key: entry[key] for key in ("sample_rate", "max_seconds") if key in entry}
        try:
            return SoundPreprocessing(**given)
        except InvalidOptionError as error:
            raise InvalidSourceError(f"{where}: {error}") from error
    if "max_seconds" in entry:
        raise InvalidSourceError(f"{where}: max_seconds is for sounds, beside sample_rate")
    size, crop = entry["input_size"], entry.get("crop_pct", 1.0)
    defaults = Preprocessing(input_size=1)
    mean = _channels(entry.get("mean", list(defaults.mean)), "mean", where)
    std = _channels(entry.get("std", list(defaults.std)), "std", where)
    try:
        return Preprocessing(
            size, mean, std, entry.get("interpolation", defaults.interpolation), float(crop)
        )
    except InvalidOptionError as error:
        raise InvalidSourceError(f"{where}: {error}") from error


def _channels(values: Any, key: str, where: str) -> tuple[float, float, float]:
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(values) != 3 or len(numbers) != 3:
        raise InvalidSourceError(f"{where}: {key} must hold three numbers, got {values!r}")
    return float(values[0]), float(values[1]), float(values[2])


def _class_names(value: str | list[Any] | None, path: Path, where: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, list):
        return tuple(str(name) for name in value)
    file = path.parent / value
    with refused_as(InvalidSourceError, f"{where}: class_names {file} cannot be read"):
        lines = plain_file(file).read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip())
