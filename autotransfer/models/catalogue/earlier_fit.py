"""The network of an earlier selection as a source, and which images it has learnt from.

Where the earlier fit tuned the network, its tuned layers and its classifier are taken; where it
read a frozen network, that network is taken as it was, since nothing in it has changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autotransfer.data.untrusted_files import read_json, read_object, refused_as
from autotransfer.errors import InvalidSourceError
from autotransfer.models.architecture import GIVEN_FEATURES
from autotransfer.models.backbone import Backbone, load_backbone
from autotransfer.models.feature_store import default_folder, made_private
from autotransfer.models.predictors.base import tensors_under
from autotransfer.models.source import LocalWeights, Source, Untrained, source_in
from autotransfer.models.weights import read_tensors, write_state_dict
from autotransfer.results import Json

PREDICTOR_FILE = "predictor.json"
_TUNED = "suffix.network."  # how `predictors.HeadedSuffix` names the layers after the cut
_KEPT = "earlier"


def is_selection(path: Path) -> bool:
    """Return whether a folder is a saved selection."""
    try:
        return (path / PREDICTOR_FILE).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def source_of_selection(folder: Path, name: str = "") -> Source:
    """Return the network of a saved selection as a source.

    Of an answer that is put together of several, the source with the greatest weight is taken.

    Args:
        folder: What `fit --out` or `Selection.save` wrote.
        name: Name of the source; empty takes that of the folder.

    Raises:
        InvalidSourceError: If the folder cannot be read, or what it holds has no network.
    """
    with refused_as(InvalidSourceError, f"{folder}: the selection cannot be read"):
        return _source_of(folder, name)


def _source_of(folder: Path, name: str) -> Source:
    stored = read_object(folder / PREDICTOR_FILE)
    record = read_object(folder / "selection.json")
    source_json = read_json(folder / "source.json")
    tensors = read_tensors(folder / "predictor.safetensors")
    if source_json is None or source_json["architecture"] == GIVEN_FEATURES:
        raise InvalidSourceError(
            f"{folder}: this selection returned {stored['strategy']!r}, which has no network to "
            "transfer; name another source"
        )
    base, tensors = _chosen(stored, source_json, tensors, folder)
    name = name or folder.resolve().name
    origin = f"the selection {record['name']} ({folder.resolve()})"
    tuned = tensors_under(tensors, _TUNED)
    if not tuned:
        return replace(base, name=name, origin=f"{origin}, whose network stayed frozen")
    found = _tuned(base, tuned, tensors, tuple(record["class_names"]))
    return replace(
        found,
        name=name,
        origin=origin,
        pretrained_on=f"{base.pretrained_on}, then {record['name']}",
        pretraining_accuracy=None,
        seen=tuple(sorted({*base.seen, *_seen(folder)})),
    )


def _chosen(
    stored: Mapping[str, Any], source_json: Json, tensors: Mapping[str, Tensor], folder: Path
) -> tuple[Source, dict[str, Tensor]]:
    """Return the source with the greatest share of the answer, and the tensors of its member."""
    info = stored["info"]
    sources = [source_json, *info.get("companions", ())]
    parts = [(1.0, info, range(len(sources)), "")]
    if stored["strategy"] == "ensemble" and info.get("members"):
        parts = [
            (float(member["weight"]), member["info"], member["sources"], f"{number}.")
            for number, member in enumerate(info["members"])
        ]
    shares = [
        (weight * share, places[place], prefix)
        for weight, own, places, prefix in parts
        for share, place in _shares(own)
    ]
    _, place, prefix = max(shares, key=lambda found: found[0])
    return source_in(folder, sources[place]), tensors_under(tensors, prefix)


def _shares(info: Mapping[str, Any]) -> list[tuple[float, int]]:
    """Return the weight of each probe of a predictor with the place of the source that it reads.

    A predictor that is not put together of probes is its first source as a whole.
    """
    weights, places = info.get("weights"), info.get("sources")
    if weights is None or places is None:
        return [(1.0, 0)]
    return [(float(weight), int(place)) for weight, place in zip(weights, places, strict=True)]


def _seen(folder: Path) -> list[str]:
    file = folder / "seen.txt"
    return file.read_text(encoding="ascii").split() if file.is_file() else []


def _tuned(
    base: Source,
    tuned: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    class_names: tuple[str, ...],
) -> Source:
    """Return the source with its tuned layers, and with the new classifier where it fits."""
    before = load_backbone(base).network.state_dict()
    state = {**before, **tuned}
    weight, bias = tensors["head.weight"], tensors["head.bias"]
    network, place = _with_classes(base, len(class_names), weight.shape[1])
    if place:
        state |= {f"{place}.weight": weight, f"{place}.bias": bias}
    kept = {key: state[key] for key in network.network.state_dict()}
    kwargs = network.source.kwargs
    file = made_private(default_folder() / _KEPT) / f"{_digest(kept)}.safetensors"
    weights = LocalWeights(file, write_state_dict(file, kept))
    return replace(
        base, weights=weights, kwargs=kwargs, class_names=class_names if place else None
    )


def _with_classes(base: Source, num_classes: int, num_features: int) -> tuple[Backbone, str]:
    """Return the architecture for other classes and its classifier; no name without one."""
    for number in (num_classes, 0):
        kwargs = {**base.kwargs, "num_classes": number}
        if "features_only" in base.kwargs:
            kwargs = {**base.kwargs}
        network = load_backbone(replace(base, weights=Untrained(), kwargs=kwargs))
        place = _classifier(network, num_features)
        if place or number == 0:
            return network, place
    raise AssertionError  # the loop ends with a network without classes


def _classifier(backbone: Backbone, num_features: int) -> str:
    if not hasattr(backbone.network, "get_classifier"):
        return ""
    layer = backbone.network.get_classifier()  # type: ignore[operator]
    if not isinstance(layer, nn.Linear) or layer.in_features != num_features:
        return ""
    return next((n for n, m in backbone.network.named_modules() if m is layer), "")


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key, value in tensors.items():
        digest.update(key.encode())
        flat = value.detach().cpu().contiguous().flatten()
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:32]
