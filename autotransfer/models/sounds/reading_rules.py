"""How an encoder reads sounds: what its `preprocessor_config.json` says, checked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from autotransfer.models.sounds.kinds import KINDS
from autotransfer.results import Json

USUAL_SECONDS = 10.0
_RATE, _HOP = 16_000, 160
_MOST_FRAMES = 60_000
_MOST = {"feature_size": 512, "num_mel_bins": 512, "n_fft": 8192, "hop_length": 8192}
_FILE = "preprocessor_config.json"


def reading_of(kind: str, told: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Json]:
    """Return how a kind of encoder reads sounds.

    Args:
        kind: One of `KINDS`.
        told: The values of its `preprocessor_config.json`.
        config: Those of its `config.json`.

    Raises:
        ValueError: If a value is not allowed, or the two do not agree.
    """
    usual = KINDS[kind].reading
    found = {name: told.get(name, value) for name, value in usual.items()}
    for name, value in found.items():
        if not _alike(value, usual[name]):
            raise ValueError(f"{name} in {_FILE} is {str(value)[:64]!r}")
        if value > _MOST.get(name, _MOST_FRAMES):
            raise ValueError(f"{name} in {_FILE} is {value}, which is too much")
    if found.get("std") == 0:
        raise ValueError(f"std in {_FILE} is 0")
    for name, wanted, given in _pairs(found, config, rate_of(told)):
        if wanted != given:
            raise ValueError(f"{name} in config.json is {wanted}, and {_FILE} gives {given:g}")
    return found


def rate_of(told: Mapping[str, Any]) -> int:
    """Return the samples a second that a `preprocessor_config.json` says.

    Raises:
        ValueError: If that is no whole number.
    """
    rate = told.get("sampling_rate", _RATE)
    if not _alike(rate, _RATE):
        raise ValueError(f"sampling_rate in {_FILE} is {str(rate)[:64]!r}")
    return int(rate)


def seconds_of(reading: Mapping[str, Any], rate: int) -> float:
    """Return how much of a sound is read, in seconds."""
    if "chunk_length" in reading:
        return float(reading["chunk_length"])
    if "max_length" in reading:
        return float(reading["max_length"]) * _HOP / rate
    return USUAL_SECONDS


def _alike(value: Any, usual: Json) -> bool:
    """Return whether a value is what it usually is: true or false, a whole number, or any."""
    if isinstance(usual, bool) or isinstance(value, bool):
        return isinstance(usual, bool) and isinstance(value, bool)
    if isinstance(usual, int):
        return isinstance(value, int) and value > 0
    return isinstance(value, int | float) and math.isfinite(value)


def _pairs(
    found: Mapping[str, Any], config: Mapping[str, Any], rate: int
) -> Iterator[tuple[str, float, float]]:
    """Yield what a configuration says, and what it has to be by the reading."""
    if "chunk_length" in found:
        frames = found["chunk_length"] * rate // found["hop_length"]
        if frames > _MOST_FRAMES:
            raise ValueError(f"{frames} frames of a sound in {_FILE}")
        yield "num_mel_bins", config.get("num_mel_bins", 80), found["feature_size"]
        yield "max_source_positions", config.get("max_source_positions", 1500), frames / 2
    if "max_length" in found:
        for name, usual in (("num_mel_bins", 128), ("max_length", 1024)):
            yield name, config.get(name, usual), found[name]
