"""Something to transfer from: an architecture, its weights and how it sees images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import TypeAdapter

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.data.item_kinds import ItemPreprocessing
from autotransfer.data.modality import Modality
from autotransfer.data.sounds.preprocessing import SoundPreprocessing
from autotransfer.data.texts.preprocessing import TextPreprocessing
from autotransfer.errors import InvalidSourceError
from autotransfer.models.architecture import GIVEN_FEATURES, check_arguments
from autotransfer.models.builders import kind_of
from autotransfer.results import Json


@dataclass(frozen=True)
class LocalWeights:
    """Weights in a file on disk; `sha256` is the hash that the file was found to have."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class HubWeights:
    """Pretrained weights that timm fetches by the architecture's own tag."""

    tag: str


@dataclass(frozen=True)
class Untrained:
    """No weights: the architecture's own initialisation, from a seed."""

    seed: int = 0


Weights: TypeAlias = LocalWeights | HubWeights | Untrained
if TYPE_CHECKING:  # which it is depends on the modality, and nobody reads both
    AnyPreprocessing: TypeAlias = Any
else:
    AnyPreprocessing: TypeAlias = (
        Preprocessing | TextPreprocessing | SoundPreprocessing | ItemPreprocessing
    )


@dataclass(frozen=True)
class Source:
    """Something to transfer from: an architecture, its weights and how it sees images.

    Args:
        name: Unique name within one fit.
        architecture: A name that `timm.create_model` knows, or KIND/NAME; see
            `models.builders`.
        weights: Where the weights come from.
        preprocessing: What the network expects of an item.
        kwargs: Further arguments of `timm.create_model`, of those in `architecture.ARGUMENTS`;
            of another kind of architecture what its builder takes.
        class_names: Names of the Z classes of the head in its order; None when unknown.
        pretrained_on: The data set that the weights were trained on.
        license: Licence of the weights, as their origin states it.
        origin: Where the weights were published.
        num_pretraining_images: Size of the pretraining set; None when unknown.
        pretraining_accuracy: Top-1 accuracy of the head on the validation part of its own
            pretraining set, a fraction; None when unknown.
        seen: Content hashes of the images that an earlier fit tuned it on.

    Raises:
        InvalidSourceError: If `kwargs` holds anything else.
    """

    name: str
    architecture: str
    weights: Weights
    preprocessing: AnyPreprocessing
    kwargs: Mapping[str, Json] = field(default_factory=dict)
    class_names: tuple[str, ...] | None = None
    pretrained_on: str = "unknown"
    license: str = "unknown"
    origin: str = "unknown"
    num_pretraining_images: int | None = None
    pretraining_accuracy: float | None = None
    seen: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.architecture != GIVEN_FEATURES and not kind_of(self.architecture):
            check_arguments(f"source {self.name!r}", self.kwargs)

    @property
    def modality(self) -> Modality:
        """Return what kind of items it reads."""
        return Modality(self.preprocessing.modality)

    @property
    def num_channels(self) -> int:
        """Return the number of input channels of the network."""
        return int(self.kwargs.get("in_chans", 3))

    @property
    def adaptation(self) -> str:
        """Return how RGB images are brought to the network; empty where they are as they are."""
        if self.num_channels == 3:
            return ""
        if self.num_channels == 1:
            return "one input channel: it reads the mean of red, green and blue"
        return (
            f"{self.num_channels} input channels: it reads red, green and blue in turn, scaled so "
            "that the sum is that of three"
        )

    @cached_property
    def fingerprint(self) -> str:
        """Return the sha256 of everything that decides the features.

        That is the network, its weights and how it sees images. What is only said of a source,
        such as its name or its licence, is left out. It is the key of whatever is kept for a
        source, in memory and on disk.
        """
        match self.weights:
            case LocalWeights(sha256=sha256):
                weights = f"sha256:{sha256}"
            case HubWeights(tag=tag):
                weights = f"hub:{tag}"
            case Untrained(seed=seed):
                weights = f"untrained:{seed}"
        decisive = [self.architecture, dict(self.kwargs), weights, self.preprocessing.plain()]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


_SOURCES = TypeAdapter(Source)


def source_to_json(source: Source) -> Json:
    """Return the source as plain values for JSON."""
    return _SOURCES.dump_python(source, mode="json")


def source_from_json(values: Json) -> Source:
    """Return the source whose `source_to_json` this is."""
    return _SOURCES.validate_python(values)


def source_in(folder: Path, values: Json) -> Source:
    """Return the source whose `source_to_json` this is, its weights in the folder of a model.

    Raises:
        ValueError: If these are no values of a source, or the weights lie outside the folder.
    """
    source = source_from_json(values)
    preprocessing = source.preprocessing
    if isinstance(preprocessing, TextPreprocessing) and preprocessing.tokenizer is not None:
        file = preprocessing.tokenizer
        found = replace(file, path=_inside(folder, file.path, source.name, "tokenizer"))
        source = replace(source, preprocessing=replace(preprocessing, tokenizer=found))
    if not isinstance(source.weights, LocalWeights):
        return source
    path = _inside(folder, source.weights.path, source.name, "weights")
    return replace(source, weights=replace(source.weights, path=path))


def _inside(folder: Path, path: Path, name: str, what: str) -> Path:
    if path.name != str(path):
        raise InvalidSourceError(
            f"source {name!r}: the {what} {path} must be a file in the folder of the model"
        )
    return folder / path
