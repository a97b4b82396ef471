"""TOML catalogues of sources with local weights."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.errors import InvalidSourceError
from autotransfer.models.source import HubWeights, LocalWeights, Source, Untrained, Weights
from autotransfer.models.weights import sha256_of

_TEXT = ("pretrained_on", "license", "origin")
_KEYS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "architecture": str,
    "kwargs": dict,
    "weights": str,
    "sha256": str,
    "untrained": bool,
    "seed": int,
    "input_size": int,
    "mean": list,
    "std": list,
    "interpolation": str,
    "crop_pct": (int, float),
    "pretrained_on": str,
    "license": str,
    "origin": str,
    "class_names": (str, list),
    "num_pretraining_images": int,
    "pretraining_accuracy": (int, float),
    "extra_architectures": bool,
}
_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


def read_catalogue(path: Path) -> tuple[Source, ...]:
    """Return the sources of a catalogue: one `[[source]]` table each.

    A source has local `weights` (relative to the catalogue; a `sha256` is verified), or
    `untrained = true` with a `seed`, or neither: then timm fetches the weights by the name of
    the architecture.

    Raises:
        InvalidSourceError: Naming the catalogue, the source and the key.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSourceError(f"{path}: the catalogue cannot be read ({error})") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidSourceError(f"{path}: not TOML ({error})") from error
    entries = content.get("source")
    if not isinstance(entries, list) or not entries:
        raise InvalidSourceError(f"{path}: no [[source]] in it")
    unknown = set(content) - {"source"}
    if unknown:
        raise InvalidSourceError(f"{path}: unknown key {sorted(unknown)[0]!r}; use [[source]]")
    sources = tuple(_source(entry, i, path) for i, entry in enumerate(entries))
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise InvalidSourceError(f"{path}: two sources are named {name!r}")
    return sources


def _source(entry: Any, index: int, path: Path) -> Source:
    where = f"{path}: source {index + 1}"
    if not isinstance(entry, dict):
        raise InvalidSourceError(f"{where}: must be a table")
    for key in ("name", "architecture", "input_size"):
        if key not in entry:
            raise InvalidSourceError(f"{where}: the key {key!r} is missing")
    where = f"{path}: source {entry['name']!r}"
    for key, value in entry.items():
        _check_type(key, value, where)
    text = {key: entry[key] for key in _TEXT if key in entry}
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
    if not file.is_file():
        raise InvalidSourceError(f"{where}: there is no weights file {file}")
    found = sha256_of(file)
    expected = entry.get("sha256", found)
    if found != expected:
        raise InvalidSourceError(
            f"{where}: {file} has sha256 {found}, the catalogue says {expected}; fetch the file "
            "again, or correct the catalogue if you trust the file"
        )
    return LocalWeights(file, found)


def _preprocessing(entry: Mapping[str, Any], where: str) -> Preprocessing:
    size, crop = entry["input_size"], entry.get("crop_pct", 1.0)
    interpolation = entry.get("interpolation", "bilinear")
    if size < 1:
        raise InvalidSourceError(f"{where}: input_size must be at least 1, got {size}")
    if not 0 < crop <= 1:
        raise InvalidSourceError(f"{where}: crop_pct must be in (0, 1], got {crop}")
    if interpolation not in _INTERPOLATIONS:
        raise InvalidSourceError(
            f"{where}: interpolation must be one of {', '.join(_INTERPOLATIONS)}, got "
            f"{interpolation!r}"
        )
    defaults = Preprocessing(size)
    mean = _channels(entry.get("mean", list(defaults.mean)), "mean", where)
    std = _channels(entry.get("std", list(defaults.std)), "std", where)
    if min(std) <= 0:
        raise InvalidSourceError(f"{where}: std must be above 0, got {list(std)}")
    return Preprocessing(size, mean, std, interpolation, float(crop))


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
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSourceError(
            f"{where}: class_names {file} cannot be read ({error})"
        ) from error
    return tuple(line.strip() for line in lines if line.strip())
