"""A predictor in a folder: JSON and safetensors, never pickle.

predictor.json          which strategy or baseline restores it, and its plain values
predictor.safetensors   its tensors
source.json             the source that it reads, its weights beside it
source.safetensors
companion-1.safetensors weights of further sources that it reads, where there are some
rejection.safetensors   reference items of the reject option, where there is one
open-set.safetensors    the same of a fit without target labels, and open-set.json its source
seen.txt                content hashes of the items that it was chosen with or learnt from
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autotransfer.data.atomic_files import write_whole
from autotransfer.data.image_set import ImageSet
from autotransfer.data.untrusted_files import (
    content_of,
    plain_file,
    read_json,
    read_object,
    refused_as,
)
from autotransfer.errors import InvalidOptionError, InvalidSourceError
from autotransfer.models.calibration import tempered
from autotransfer.models.features import FeatureReaders
from autotransfer.models.heads.linear import LinearHead
from autotransfer.models.open_set import OpenSet
from autotransfer.models.out_of_distribution import Rejection
from autotransfer.models.predictors.base import FeatureReader, Predictor
from autotransfer.models.predictors.baselines import restore_baseline
from autotransfer.models.predictors.ensemble import ENSEMBLE, restore_ensemble
from autotransfer.models.scoring import logit_adjusted
from autotransfer.models.source import Source, source_in, source_to_json
from autotransfer.models.source_files import with_files
from autotransfer.models.weights import read_tensors, write_state_dict
from autotransfer.plugin.registry import Registry
from autotransfer.results import Json, Share

_SEEN = "seen.txt"
_REJECTION = "rejection.safetensors"
_OPEN_SET, _OPEN_SET_SOURCE = "open-set.safetensors", "open-set.json"


@dataclass(frozen=True)
class Checkpoint:
    """A predictor and how to restore it.

    Args:
        strategy: Name of the strategy, or of the baseline.
        baseline: Whether it is a baseline.
        source: The source that it reads; None where it reads pixels alone.
        temperature: What its probabilities are softened by; see `guard.calibration`.
        seen: Content hashes of the items that it was chosen with or learnt from.
        class_weights: (K,) how much each class counts; None for as much as it occurs.
        rejection: What is none of the classes; None where nothing can say.
        open_set: The same of a fit without target labels.
    """

    predictor: Predictor
    strategy: str
    baseline: bool
    source: Source | None
    temperature: float = 1.0
    seen: tuple[str, ...] = ()
    class_weights: tuple[float, ...] | None = None
    rejection: Rejection | None = None
    open_set: OpenSet | None = None

    @property
    def members(self) -> tuple[Share, ...]:
        """Return what it is put together of, the greatest weight first; itself if it is one."""
        name = None if self.source is None else self.source.name
        whole = (Share(name, self.strategy, self.predictor.layers, 1.0),)
        found = self.predictor.composition or whole
        return tuple(sorted(found, key=lambda share: -share.weight))

    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        """Return the (n, K) calibrated class probabilities."""
        weights = None if self.class_weights is None else np.array(self.class_weights)
        raw = self.predictor.predict(images, features)
        return tempered(logit_adjusted(raw, weights), self.temperature)


def with_rejection(kept: Checkpoint, images: ImageSet, readers: FeatureReaders) -> Checkpoint:
    """Return the predictor with a reject option, where it reads a source.

    The features come from the cache: the ranking has made them for every item.

    Args:
        kept: What is returned.
        images: The items that it learnt from.
        readers: Features of the sources.
    """
    if kept.source is None:
        return kept
    return replace(kept, rejection=Rejection.of(readers[kept.source](images), images.labels))


def write_checkpoint(folder: Path, kept: Checkpoint) -> None:
    """Write a predictor and its source into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors, info = kept.predictor.state()
    write_state_dict(folder / "predictor.safetensors", tensors)
    source = None if kept.source is None else with_files(kept.source, folder, "source")
    write_json(folder / "source.json", None if source is None else source_to_json(source))
    if kept.predictor.companions:
        beside = [
            source_to_json(with_files(companion, folder, f"companion-{i}"))
            for i, companion in enumerate(kept.predictor.companions, start=1)
        ]
        info = {**info, "companions": beside}
    write_json(
        folder / "predictor.json",
        {
            "strategy": kept.strategy,
            "baseline": kept.baseline,
            "temperature": kept.temperature,
            "class_weights": kept.class_weights,
            "info": info,
        },
    )
    _write_rejection(folder / _REJECTION, kept.rejection)
    _write_open_set(folder, kept)
    write_whole(folder / _SEEN, "".join(f"{digest}\n" for digest in kept.seen))


def read_checkpoint(
    folder: Path, registry: Registry, sources: Sequence[Source] = ()
) -> Checkpoint:
    """Return the predictor in a folder.

    Args:
        folder: What `write_checkpoint` wrote.
        registry: What is installed.
        sources: Those at hand; one of them is read instead of that of the same name in the
            folder, so that the predictor outlives the folder.

    Raises:
        InvalidOptionError: If a file is missing, damaged or holds something else.
        InvalidSourceError: If the source says what it must not.
        UnknownNameError: If the strategy is not installed.
    """
    with refused_as(InvalidOptionError, f"{folder} holds a model that cannot be read"):
        return _checkpoint_in(folder, registry, {source.name: source for source in sources})


def _checkpoint_in(folder: Path, registry: Registry, sources: Mapping[str, Source]) -> Checkpoint:
    def source_of(values: Json) -> Source:
        found = source_in(folder, values)
        return sources.get(found.name, found)

    restore = partial(_restored, registry=registry, folder=folder)
    described, source_json = folder / "predictor.json", read_json(folder / "source.json")
    with content_of(folder / "source.json"):
        source = None if source_json is None else source_of(source_json)
    with content_of(folder / "predictor.safetensors"):
        tensors = read_tensors(folder / "predictor.safetensors")
    stored = read_object(described)
    with content_of(described):
        name, info = str(stored["strategy"]), dict(stored["info"])
        weights, temperature = stored.get("class_weights"), float(stored.get("temperature", 1.0))
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature must be above 0, got {temperature}")
        if "companions" in info:
            companions = [source_of(companion) for companion in info["companions"]]
            info["companions"] = [source_to_json(companion) for companion in companions]
        if stored["baseline"]:
            predictor = restore_baseline(name, tensors, info, source)
        elif name == ENSEMBLE:
            predictor = restore_ensemble(tensors, info, source, restore)
        else:
            predictor = restore(name, tensors, info, source)
    return Checkpoint(
        predictor,
        name,
        bool(stored["baseline"]),
        source,
        temperature,
        _seen_in(folder / _SEEN),
        None if weights is None else tuple(map(float, weights)),
        _read_rejection(folder / _REJECTION),
        _read_open_set(folder, source, source_of),
    )


def _seen_in(path: Path) -> tuple[str, ...]:
    return tuple(plain_file(path).read_text(encoding="ascii").split()) if path.exists() else ()


def _restored(
    name: str,
    tensors: Mapping[str, Tensor],
    info: Mapping[str, Json],
    source: Source | None,
    *,
    registry: Registry,
    folder: Path,
) -> Predictor:
    if source is None:
        raise ValueError(f"source.json holds none, which {name!r} reads")
    _check_places({k: v for k, v in info.items() if k != "companions"}, folder)  # checked before
    return registry.strategy(name).restore(tensors, info, source)


def _check_places(values: Json, folder: Path) -> None:
    """Refuse values of a strategy with a source whose weights lie outside the folder."""
    if isinstance(values, list):
        for value in values:
            _check_places(value, folder)
    if isinstance(values, dict):
        match values.get("weights"):
            case {"path": path} if Path(path).parent != folder:
                raise InvalidSourceError(
                    f"the weights {path} must be a file in the folder of the model"
                )
        _check_places([*values.values()], folder)


def _write_rejection(path: Path, rejection: Rejection | None) -> None:
    if rejection is None:
        path.unlink(missing_ok=True)
        return
    tensors = {
        "references": torch.from_numpy(rejection.references),
        "distances": torch.from_numpy(rejection.distances),
    }
    if rejection.head is not None and rejection.entropies is not None:
        tensors["weight"] = torch.from_numpy(rejection.head.weight)
        tensors["bias"] = torch.from_numpy(rejection.head.bias)
        tensors["entropies"] = torch.from_numpy(rejection.entropies)
    write_state_dict(path, tensors)


def _read_rejection(path: Path) -> Rejection | None:
    if not path.exists():
        return None
    tensors = read_tensors(path)
    found = Rejection(tensors["references"].numpy(), tensors["distances"].numpy())
    if "weight" not in tensors:
        return found  # of a version before 0.2
    head = LinearHead(tensors["weight"].numpy(), tensors["bias"].numpy())
    return replace(found, head=head, entropies=tensors["entropies"].numpy())


def _write_open_set(folder: Path, kept: Checkpoint) -> None:
    """Write the tensors, and the source that they read unless it is that of the predictor."""
    if kept.open_set is None:
        (folder / _OPEN_SET).unlink(missing_ok=True)
        return
    write_state_dict(folder / _OPEN_SET, kept.open_set.tensors())
    read, own = kept.open_set.source, kept.source
    same = own is not None and own.fingerprint == read.fingerprint
    other = None if same else source_to_json(with_files(read, folder, "open-set-source"))
    write_json(folder / _OPEN_SET_SOURCE, other)


def _read_open_set(
    folder: Path, own: Source | None, source_of: Callable[[Json], Source]
) -> OpenSet | None:
    if not (folder / _OPEN_SET).exists():
        return None
    values = read_json(folder / _OPEN_SET_SOURCE)
    with content_of(folder / _OPEN_SET):
        source = own if values is None else source_of(values)
        if source is None:
            raise ValueError("no source is named that it reads")
        return OpenSet.restored(read_tensors(folder / _OPEN_SET), source)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all."""
    write_whole(path, json.dumps(value, indent=2, ensure_ascii=False))
