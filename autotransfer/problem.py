"""The records that state a transfer problem: setting, needs, sources, budget and folds."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from autotransfer.errors import InvalidOptionError

ParamValue: TypeAlias = str | int | float | bool
Json: TypeAlias = Any  # what json.dumps takes

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class Setting(StrEnum):
    """What is known about the target."""

    LABELLED = "labelled"
    UNLABELLED = "unlabelled"
    DESCRIBED = "described"


class Need(StrEnum):
    """What a strategy or an estimator cannot do without."""

    SOURCE_IMAGES = "source images"
    SOURCE_HEAD = "source head"
    TARGET_LABELS = "target labels"
    UNLABELLED_TARGET = "unlabelled target"
    ATTRIBUTES = "attributes"
    COMPANIONS = "other sources"
    INTERMEDIATES = "intermediate pictures"


@dataclass(frozen=True)
class Preprocessing:
    """How a source wants its pictures: resize, centre crop, scale to [0, 1], standardise.

    Args:
        input_size: Side of the square input in pixels.
        mean: Mean of each of the three channels, for values in [0, 1].
        std: Standard deviation of each channel, for values in [0, 1].
        interpolation: "nearest", "bilinear" or "bicubic".
        crop_pct: Fraction of the resized shorter side that the centre crop keeps, in (0, 1].
    """

    input_size: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"
    crop_pct: float = 1.0

    def plain(self) -> Json:
        """Return plain values that are the same for 1 and 1.0, a list and a tuple."""
        return json.loads(json.dumps(asdict(self)), parse_int=float)


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


@dataclass(frozen=True)
class Source:
    """Something to transfer from: an architecture, its weights and how it sees pictures.

    Args:
        name: Unique name within one fit.
        architecture: A name that `timm.create_model` knows.
        weights: Where the weights come from.
        preprocessing: What the network expects of a picture.
        kwargs: Further arguments of `timm.create_model`.
        class_names: Names of the Z classes of the head in its order; None when unknown.
        pretrained_on: The data set that the weights were trained on.
        license: Licence of the weights, as their origin states it.
        origin: Where the weights were published.
        num_pretraining_images: Size of the pretraining set; None when unknown.
        pretraining_accuracy: Top-1 accuracy of the head on the validation part of its own
            pretraining set, a fraction; None when unknown.
        seen: Content hashes of the pictures that an earlier fit tuned it on.
    """

    name: str
    architecture: str
    weights: Weights
    preprocessing: Preprocessing
    kwargs: Mapping[str, Json] = field(default_factory=dict)
    class_names: tuple[str, ...] | None = None
    pretrained_on: str = "unknown"
    license: str = "unknown"
    origin: str = "unknown"
    num_pretraining_images: int | None = None
    pretraining_accuracy: float | None = None
    seen: tuple[str, ...] = field(default=(), repr=False)

    @property
    def num_channels(self) -> int:
        """Return the number of input channels of the network."""
        return int(self.kwargs.get("in_chans", 3))

    @property
    def adaptation(self) -> str:
        """Return how RGB pictures are brought to the network; empty where they are as they are."""
        if self.num_channels == 3:
            return ""
        if self.num_channels == 1:
            return "one input channel: it reads the mean of red, green and blue"
        return (
            f"{self.num_channels} input channels: it reads red, green and blue in turn, scaled so "
            "that the sum is that of three"
        )

    @property
    def fingerprint(self) -> str:
        """Return the sha256 of everything that decides the features.

        That is the network, its weights and how it sees pictures. What is only said of a source,
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


@dataclass(frozen=True)
class Budget:
    """How much a fit may spend: trials, seconds, or both; at least one is set."""

    trials: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.trials is None and self.seconds is None:
            raise InvalidOptionError("a budget needs trials, seconds or both")
        if self.trials is not None and self.trials < 1:
            raise InvalidOptionError(f"trials must be at least 1, got {self.trials}")
        if self.seconds is not None and not (self.seconds > 0 and math.isfinite(self.seconds)):
            raise InvalidOptionError(f"seconds must be above 0, got {self.seconds:g}")

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Return the budget written as seconds ("90s", "10m", "2h") or trials ("40 trials")."""
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|trials?)?\s*", text)
        if match is None:
            raise InvalidOptionError(
                f"budget {text!r} is not understood; write '90s', '10m', '2h' or '40 trials'"
            )
        number, unit = match.group(1), match.group(2) or ""
        if unit.startswith("trial"):
            return cls(trials=int(float(number)))
        return cls(seconds=float(number) * _UNITS[unit])


@dataclass(frozen=True)
class Fold:
    """One division of the search pictures; both are (n,) positions within them."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
