"""The layer curve: how the score depends on how many stages of a source are copied.

Yosinski et al. asked it of ImageNet halves; here it is asked of the user's own images. Frozen,
the copied stages stay as they are and the rest learns from scratch; tuned, everything learns.
Where the frozen curve falls the features are the source's own; where the tuned one stays up, what
was copied is still a good start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedShuffleSplit
from torch import nn

from autotransfer.data.holdout import divide
from autotransfer.data.image_set import ImageSet
from autotransfer.errors import CutError, InvalidOptionError
from autotransfer.models.backbone import Backbone, fresh_backbone
from autotransfer.models.features import Features
from autotransfer.models.heads import fit_ridge
from autotransfer.models.predictors.neural import HeadedSuffix, predict_batches
from autotransfer.models.schedule import Schedule
from autotransfer.models.source import Source
from autotransfer.models.training import train
from autotransfer.scenarios.inputs import (
    choose_sources,
    discover_plugins,
    make_readers,
    open_labelled,
)
from autotransfer.scenarios.options import read_options

HELD_OUT = 0.3  # of the images, in every repeat
FRESH_RATE, COPIED_RATE = 2e-3, 3e-4  # AdamW; what is copied needs small steps
MODES = ("frozen", "tuned")


@dataclass(frozen=True)
class Point:
    """One point of the curve.

    Args:
        copied: Number of stages that start from the source, 0..S.
        mode: "frozen" or "tuned".
        accuracies: Accuracy on the held-out images of each repeat.
    """

    copied: int
    mode: str
    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Return the mean accuracy."""
        return float(np.mean(self.accuracies))

    @property
    def error(self) -> float:
        """Return the standard error of the mean over the repeats; 0 for one repeat."""
        n = len(self.accuracies)
        return float(np.std(self.accuracies, ddof=1) / np.sqrt(n)) if n > 1 else 0.0


@dataclass(frozen=True)
class LayerCurve:
    """The whole curve of a source on a target."""

    source: str
    num_stages: int
    num_images: int
    points: tuple[Point, ...]
    notes: tuple[str, ...] = ()
    items: str = "images"

    def of(self, mode: str) -> list[Point]:
        """Return the points of one mode, by the number of copied stages."""
        return sorted((p for p in self.points if p.mode == mode), key=lambda p: p.copied)


def layers(
    target: Any,
    *,
    source: str | None = None,
    epochs: int = 10,
    repeats: int = 3,
    modes: Sequence[str] = MODES,
    **options: Any,
) -> LayerCurve:
    """Return the layer curve of a source on a labelled target; held-out items stay held out.

    Args:
        target: As for `fit`.
        source: Name of the source; None is the first one.
        epochs: Passes over the images for every point.
        repeats: Random divisions of the images, for the error bars.
        modes: "frozen", "tuned" or both.
        **options: The fields of `Options` that concern target, sources and device.

    Raises:
        AutotransferError: If the target, the source or an option cannot be used.

    References:
        Yosinski et al., How transferable are features in deep neural networks?, NIPS 2014,
        arXiv:1411.1792.
    """
    if epochs < 1 or repeats < 1:
        raise InvalidOptionError(f"epochs and repeats must be at least 1, got {epochs}, {repeats}")
    wanted = {"source": (source,)} if source else {}
    chosen = read_options({**options, **wanted})
    registry = discover_plugins(chosen)
    opened = open_labelled(target, chosen)
    record = choose_sources(chosen, registry, len(opened.train), opened.train.modality).sources[0]
    images, readers = divide(opened).images, make_readers(chosen)
    reader = readers[record]
    splitter = StratifiedShuffleSplit(repeats, test_size=HELD_OUT, random_state=chosen.seed)
    divisions = list(splitter.split(np.zeros(len(images)), images.labels))
    points, notes = [], []
    for mode in modes:
        for copied in range(reader.num_stages + 1):
            try:
                point = partial(_accuracy, copied=copied, mode=mode, epochs=epochs)
                found = tuple(
                    point(record, reader, images, division, seed=seed)
                    for seed, division in enumerate(divisions)
                )
            except CutError as error:
                notes.append(str(error))
                continue
            points.append(Point(copied, mode, found))
            chosen.say(f"{copied} stages copied, {mode}: {points[-1].mean:.3f}")
    return LayerCurve(
        record.name,
        reader.num_stages,
        len(images),
        tuple(points),
        tuple(dict.fromkeys(notes)),
        images.modality.plural,
    )


def _accuracy(
    source: Source,
    reader: Features,
    images: ImageSet,
    division: tuple[NDArray[np.int64], NDArray[np.int64]],
    *,
    copied: int,
    mode: str,
    epochs: int,
    seed: int,
) -> float:
    """Return the accuracy on the held-out images with so many stages copied."""
    train_set, held_out = images.subset(division[0]), images.subset(division[1])
    K = len(images.class_names)
    if mode == "frozen" and copied == reader.num_stages:  # nothing but the head learns
        head = fit_ridge(reader(train_set), train_set.labels, K)
        found = head.probabilities(reader(held_out))
        return float((found.argmax(axis=1) == held_out.labels).mean())
    frozen = copied if mode == "frozen" else 0
    network, is_fresh = _network(reader.backbone, source, frozen, copied, K, seed=seed)
    inputs = reader.inputs(train_set, frozen)
    train(
        network.to(reader.device),
        lambda positions, _generator: inputs.batch(positions),
        train_set.labels,
        Schedule(epochs=epochs, learning_rate=FRESH_RATE, keep_batch_statistics=False),
        seed=seed,
        rate_of=lambda name: 1.0 if is_fresh(name) else COPIED_RATE / FRESH_RATE,
    )
    probabilities = predict_batches(network, reader.inputs(held_out, frozen).batch, len(held_out))
    return float((probabilities.argmax(axis=1) == held_out.labels).mean())


def _network(
    backbone: Backbone, source: Source, frozen: int, copied: int, num_classes: int, *, seed: int
) -> tuple[HeadedSuffix, Callable[[str], bool]]:
    """Return the network before its first step, and which of its tensors are fresh.

    Raises:
        CutError: If the architecture cannot be divided after the copied stages.
    """
    suffix: nn.Module = backbone.suffix(frozen)
    network = HeadedSuffix(suffix, backbone.num_features, num_classes, seed=seed)
    fresh: set[str] = set()
    if copied < backbone.num_stages:
        fresh = {f"suffix.{name}" for name in backbone.suffix(copied).state_dict()}
        new = fresh_backbone(source, seed).network.state_dict()
        with torch.no_grad():
            for name, value in network.state_dict().items():
                if name in fresh:
                    value.copy_(new[name.removeprefix("suffix.network.")])
    return network, lambda name: name in fresh or name.startswith("head.")
