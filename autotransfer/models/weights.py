"""Weights on disk: read without running code, verified by hash, written atomically."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from autotransfer.data.atomic_files import written_whole
from autotransfer.data.untrusted_files import plain_file, refused_as
from autotransfer.errors import InvalidSourceError
from autotransfer.models.source import LocalWeights, Source

_CHUNK = 1 << 20
_NAMED_KEYS = 3
_WRAPPERS = ("state_dict", "model", "model_state_dict")


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file as hex; remembered while size and time stay the same.

    Raises:
        OSError: If it is no plain file, or cannot be read.
    """
    status = plain_file(path).stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256(path: Path, size: int, mtime_ns: int) -> str:  # noqa: ARG001 - part of the key
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def read_state_dict(source: Source) -> dict[str, Tensor] | None:
    """Return the tensors of a source with local weights, None for any other.

    Raises:
        InvalidSourceError: If the file is missing, has another hash than the source says, or
            cannot be read without executing what it holds.
    """
    if not isinstance(source.weights, LocalWeights):
        return None
    path, name = source.weights.path, f"source {source.name!r}"
    with refused_as(InvalidSourceError, f"{name}: the weights {path} cannot be read"):
        found = sha256_of(path)
        if found != source.weights.sha256:
            raise InvalidSourceError(
                f"{name}: {path} has sha256 {found}, expected {source.weights.sha256}; fetch the "
                "file again or correct the catalogue"
            )
        if path.suffix == ".safetensors":
            return read_tensors(path)
        return _without_nan(_unpickled(path, name))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors in a safetensors file.

    Raises:
        Exception: Of any kind, if it is no such file, is damaged, or holds NaN.
    """
    try:
        return _without_nan(load_file(plain_file(path)))
    except SafetensorError as error:
        raise ValueError(f"{path.name} is not a safetensors file: {error}") from error


def _without_nan(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.itemsize > 1 and tensor.isnan().any():
            raise ValueError(f"the tensor {key!r} holds NaN")
    return tensors


def _unpickled(path: Path, name: str) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():  # of pickle protocols; what is refused raises
            warnings.simplefilter("ignore", UserWarning)
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InvalidSourceError(
            f"{name}: {path} cannot be read without executing what it holds, so it is refused; "
            "load it where you trust it and save its state_dict with "
            "safetensors.torch.save_file"
        ) from error
    return _unwrapped(content, path, name)


def _unwrapped(content: object, path: Path, name: str) -> dict[str, Tensor]:
    for key in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise InvalidSourceError(f"{name}: {path} holds no state dict of tensors")
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def load_weights(
    network: nn.Module, state: Mapping[str, Tensor], source: Source, *, spare: Sequence[str] = ()
) -> None:
    """Load tensors into a network, each of which has its place there.

    Args:
        network: Filled in place.
        state: Tensors by their names.
        source: Named in errors.
        spare: Parts of the names of tensors that may be missing.

    Raises:
        InvalidSourceError: If tensors are missing, have no place, or have other shapes.
    """
    where = f"source {source.name!r}: the weights do not fit {source.architecture}"
    try:
        missing, unexpected = network.load_state_dict(dict(state), strict=False)
    except RuntimeError as error:
        raise InvalidSourceError(f"{where} ({str(error).splitlines()[-1].strip()})") from error
    missing = [name for name in missing if not any(part in name for part in spare)]
    if missing or unexpected:
        raise InvalidSourceError(
            f"{where}: {len(missing)} tensors missing ({', '.join(missing[:_NAMED_KEYS])}), "
            f"{len(unexpected)} unexpected ({', '.join(unexpected[:_NAMED_KEYS])})"
        )


def write_state_dict(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write tensors as safetensors, whole or not at all; return the sha256 of the file."""
    content = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    with written_whole(path) as file:
        save_file(content, file)
    return sha256_of(path)


def hub_error(name: str, error: Exception) -> InvalidSourceError:
    """Return the error for weights of a source that could not be fetched, with the ways out."""
    reason = (str(error).splitlines() or [type(error).__name__])[0].split(". ")[0][:200]
    return InvalidSourceError(
        f"source {name!r}: its pretrained weights could not be fetched ({reason}). Without "
        "a network, use a catalogue of local files (--sources catalogue.toml), point HF_HOME to "
        "a folder where the weights were fetched before, or HF_ENDPOINT to a mirror"
    )
