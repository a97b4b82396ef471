"""Silent faults of a catalogue, found from the accuracy of a source's own head.

A wrong mean, swapped channels or a shifted list of classes raise no error: the source is only
worse than it should be. On images of classes that the head knows, each likely fault is undone,
one at a time; where that makes the head clearly better, the catalogue is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import (
    Geometry,
    PixelStore,
    Preprocessing,
    standardise,
    to_channels,
)
from autotransfer.errors import InvalidSourceError
from autotransfer.models.backbone import Backbone
from autotransfer.models.catalogue.class_names import known_images
from autotransfer.models.features import BATCH_SIZE
from autotransfer.models.source import Source

MOST_IMAGES = 400
SIGNIFICANCE = 0.01  # of all alternatives of a source together
LEAST_GAIN = 0.03  # of accuracy: smaller faults are not worth an alarm
STATISTICS = {
    "the mean and std of ImageNet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "mean and std 0.5": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "mean 0 and std 1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "pixels from 0 to 255 (mean 0 and std 1/255)": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
}

Hits = NDArray[np.bool_]


@dataclass(frozen=True)
class Check:
    """What was found about one source.

    Args:
        ok: False for a fault; None where it cannot be told.
        accuracy: Of the head as the catalogue says; None without images of its classes.
        chance: Share of the most frequent class among those images.
        num_images: Number of images.
        findings: What is wrong and what to write instead, or why it cannot be told.
    """

    source: str
    ok: bool | None
    accuracy: float | None = None
    chance: float | None = None
    num_images: int = 0
    findings: tuple[str, ...] = ()


def check_source(
    source: Source,
    images: ImageSet | None,
    pixels: PixelStore,
    load: Callable[[Source], Backbone],
) -> Check:
    """Return what can be found about a source.

    Args:
        source: From a catalogue.
        images: Labelled images; those whose class the head knows by name are used.
        pixels: Decoded images.
        load: Returns the network.
    """

    def untold(why: str) -> Check:
        return Check(source.name, ok=None, findings=(why,))

    try:
        backbone = load(source)
    except InvalidSourceError as error:
        return Check(source.name, ok=False, findings=(str(error),))
    faults = _faults(source, backbone)
    if faults:
        return Check(source.name, ok=False, findings=tuple(faults))
    if images is None:
        return untold("no images were given (--on IMAGES)")
    if not backbone.num_source_classes or source.class_names is None:
        missing = "class names" if backbone.num_source_classes else "classifier"
        return untold(f"it has no {missing} to check with")
    known, columns = known_images(images, source.class_names, most=MOST_IMAGES)
    if len(np.unique(known.labels)) < 2:
        return untold("fewer than two classes of the images are its own")
    return _by_accuracy(backbone, known, columns, pixels)


def _faults(source: Source, backbone: Backbone) -> list[str]:
    """Return what is wrong whatever the images show."""
    faults = []
    for name in ("mean", "std"):
        values = getattr(source.preprocessing, name)
        if not all(0 <= value <= 1 for value in values):
            faults.append(f"{name} {values} must be for pixels in [0, 1]; divide by 255")
    width, names = backbone.num_source_classes, source.class_names
    if names is not None and width and len(names) != width:
        faults.append(f"there are {len(names)} class names, but the head has {width} classes")
    with torch.inference_mode():
        if not torch.isfinite(backbone(backbone.sample(2))).all():
            faults.append("its features are not finite on a sample of noise; the weights are bad")
    return faults


def _by_accuracy(
    backbone: Backbone, images: ImageSet, columns: NDArray[np.int64], pixels: PixelStore
) -> Check:
    source = backbone.source
    decoded = pixels.get(images, Geometry.of(source.preprocessing))
    stated = _logits(backbone, decoded, source.preprocessing)
    right = _hits(stated, images.labels, columns)
    shares = np.bincount(images.labels) / len(images)
    check = Check(
        source.name,
        ok=True,
        accuracy=float(right.mean()),
        chance=float(shares.max()),
        num_images=len(images),
    )
    alternatives = _other_inputs(backbone, decoded, images, columns)
    alternatives |= _other_classes(stated, source, images, columns)
    limit = SIGNIFICANCE / max(len(alternatives), 1)
    better = {
        fault: hits
        for fault, hits in alternatives.items()
        if hits.mean() - right.mean() >= LEAST_GAIN and _p_value(hits, right) < limit
    }
    if better:
        fault = max(better, key=lambda name: float(better[name].mean()))
        return replace(
            check,
            ok=False,
            findings=(
                f"{fault}: the head would be right about {100 * better[fault].mean():.1f} % of "
                f"{len(images)} images instead of {100 * right.mean():.1f} %",
            ),
        )
    return _against_chance(check, int(right.sum()), float(shares.max()))


def _against_chance(check: Check, num_right: int, chance: float) -> Check:
    """Return the check with what is said of a head that may only be guessing.

    Chance and a good head look alike on a few images, so it is a fault only where the head is
    surely less than half way from chance to perfect.
    """
    n = check.num_images
    if binomtest(num_right, n, chance, "greater").pvalue < SIGNIFICANCE:
        return check
    most = binomtest(num_right, n, alternative="less").proportion_ci(1 - SIGNIFICANCE).high
    right = f"the head is right about {100 * num_right / n:.1f} % of {n} images"
    if most >= (1 + chance) / 2:
        few = f"{right}: too few to tell it from chance ({100 * chance:.1f} %); give more images"
        return replace(check, ok=None, findings=(few,))
    guessing = (
        f"{right}, no better than chance ({100 * chance:.1f} %): weights, class names or "
        "preprocessing do not belong together"
    )
    return replace(check, ok=False, findings=(guessing,))


def _other_inputs(
    backbone: Backbone, decoded: torch.Tensor, images: ImageSet, columns: NDArray[np.int64]
) -> dict[str, Hits]:
    """Return what the head would be right about with other channels or other statistics."""
    stated = backbone.source.preprocessing
    flipped = _logits(backbone, decoded.flip(1), stated)
    swapped = "the network expects blue, green, red; swap the channels of its first layer"
    found = {swapped: _hits(flipped, images.labels, columns)}
    for name, (mean, std) in STATISTICS.items():
        if np.allclose([*mean, *std], [*stated.mean, *stated.std], atol=0.02):
            continue
        other = replace(stated, mean=mean, std=std)
        logits = _logits(backbone, decoded, other)
        advice = f"write mean = {_rounded(mean)}, std = {_rounded(std)}"
        found[f"mean or std is wrong; {name} fits, {advice}"] = _hits(
            logits, images.labels, columns
        )
    return found


def _other_classes(
    logits: NDArray[np.float32], source: Source, images: ImageSet, columns: NDArray[np.int64]
) -> dict[str, Hits]:
    """Return what the head would be right about with its classes in another order."""
    assert source.class_names is not None
    width = logits.shape[1]
    by_name = np.argsort(np.argsort(np.array(source.class_names), kind="stable"))
    orders = {
        "the class names come one line too early, move each one line down": (columns + 1) % width,
        "the class names come one line too late, move each one line up": (columns - 1) % width,
        "the class names are in reverse order, turn the list round": width - 1 - columns,
        "the head has its classes in alphabetical order, sort the list": by_name[columns],
    }
    return {
        fault: _hits(logits, images.labels, np.where(columns >= 0, other, -1))
        for fault, other in orders.items()
    }


def _logits(
    backbone: Backbone, decoded: torch.Tensor, preprocessing: Preprocessing
) -> NDArray[np.float32]:
    """Return the (n, Z) log probabilities of the head."""
    parts = []
    with torch.inference_mode():
        for batch in torch.split(decoded, BATCH_SIZE):
            x = to_channels(standardise(batch, preprocessing), backbone.source.num_channels)
            x = x.contiguous(memory_format=torch.channels_last)
            probabilities = backbone.features(x).probabilities
            assert probabilities is not None
            parts.append(probabilities.float().numpy())
    return np.concatenate(parts)


def _hits(
    logits: NDArray[np.float32], labels: NDArray[np.int64], columns: NDArray[np.int64]
) -> Hits:
    """Return (n,) whether the largest score among the classes of the images is the right one."""
    classes = np.flatnonzero(columns >= 0)
    found = classes[logits[:, columns[classes]].argmax(axis=1)]
    right: Hits = found == labels
    return right


def _rounded(values: tuple[float, ...]) -> list[float]:
    return [round(value, 6) for value in values]


def _p_value(other: Hits, stated: Hits) -> float:
    """Return the p-value of the exact one-sided McNemar test that `other` is right more often."""
    gained, lost = int((other & ~stated).sum()), int((stated & ~other).sum())
    if not gained:
        return 1.0
    return float(binomtest(gained, gained + lost, 0.5, "greater").pvalue)
