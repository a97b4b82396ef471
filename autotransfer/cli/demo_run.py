"""The embedded default: real handwritten digits, and four small sources trained in seconds.

The target is few labelled digits, shifted in position and contrast. The sources are trained on
digits that are moved at random, as images usually are: one has seen many of the same classes, one
other digits only, one has learnt random labels, one has learnt nothing. All runs on one thread:
more of them are no faster here, and add up in another order on every machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor

from autotransfer.data.atomic_files import write_whole, written_whole
from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.errors import InvalidOptionError
from autotransfer.models.backbone import fresh_backbone
from autotransfer.models.predictors.neural import HeadedSuffix
from autotransfer.models.schedule import Schedule
from autotransfer.models.single_thread import single_thread
from autotransfer.models.source import Source, Untrained
from autotransfer.models.training import train
from autotransfer.models.weights import write_state_dict
from autotransfer.orchestrator import fit
from autotransfer.scenarios.options import read_options
from autotransfer.selection.selection import Selection

ARCHITECTURE = "test_resnet"  # the smallest residual network that timm names
SIDE = 32
TRAIN_PER_CLASS = 6
TEST_PER_CLASS = 40
MOST_SHIFT = 2  # pixels that a digit is moved by, up or down and to either side
_SCHEDULE = Schedule(epochs=8, batch_size=32, learning_rate=3e-3)
_RANDOM_EPOCHS = 3  # labels without a meaning teach nothing more in the others
_PREPROCESSING = Preprocessing(SIDE, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class _Digits:
    """Images (n, s, s, 3) uint8 and their classes."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


def run_demo(
    out: str | Path, *, trials: int, seed: int, say: Callable[[str], None], **told: Any
) -> Selection:
    """Return the selection of a fit on the embedded target.

    Args:
        out: Folder of everything: the sources, the MLflow store, the study and the result.
        trials: Number of trials; the same on every machine, however long they take.
        seed: Seeds the sources and the fit.
        say: Told about progress.
        **told: Further options of the fit that are told about it.
    """
    read_options({"trials": trials, "seed": seed, "workspace": out})
    folder = Path(out).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidOptionError(f"--out {out} cannot be written ({error.strerror})") from error
    plain, few, test = _divide(seed)
    say(f"training four small sources on {len(plain.labels)} plain digits")
    target = folder / "shifted-digits.npz"
    with written_whole(target) as temporary, temporary.open("wb") as file:
        np.savez(
            file, x_train=few.pixels, y_train=few.labels, x_test=test.pixels, y_test=test.labels
        )
    here = Path.cwd()
    os.chdir(folder)  # the workspace of a fit is the working folder
    try:
        with single_thread():
            catalogue = _write_sources(folder / "sources", plain, seed)
            selection = fit(target, sources=catalogue, trials=trials, seed=seed, say=say, **told)
    finally:
        os.chdir(here)
    return selection


def _divide(seed: int) -> tuple[_Digits, _Digits, _Digits]:
    """Return plain digits for the sources, and shifted ones for the target and its test."""
    bunch = load_digits()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(bunch.target))
    images, labels = bunch.images[order] / 16.0, bunch.target[order].astype(np.int64)
    place = np.empty(len(labels), dtype=np.int64)  # place of each image within its class
    for label in range(10):
        members = np.flatnonzero(labels == label)
        place[members] = np.arange(len(members))
    few = place < TRAIN_PER_CLASS
    test = (place >= TRAIN_PER_CLASS) & (place < TRAIN_PER_CLASS + TEST_PER_CLASS)
    rest = ~few & ~test
    return (
        _Digits(_drawn(images[rest]), labels[rest]),
        _Digits(_shifted(images[few], rng), labels[few]),
        _Digits(_shifted(images[test], rng), labels[test]),
    )


def _drawn(images: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return (n, 8, 8) images in [0, 1] as (n, s, s, 3) with a margin."""
    large = np.kron(images, np.ones((1, 3, 3)))
    margin = (SIDE - large.shape[1]) // 2
    framed = np.pad(large, ((0, 0), (margin, margin), (margin, margin)))
    return _as_rgb(framed)


def _shifted(images: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the images moved by some pixels, fainter, on noise."""
    framed = _drawn(images)[..., 0] / 255.0
    shifts = rng.integers(-MOST_SHIFT, MOST_SHIFT + 1, size=(len(framed), 2))
    moved = np.stack([np.roll(p, s, axis=(0, 1)) for p, s in zip(framed, shifts, strict=True)])
    return _as_rgb(np.clip(0.1 + 0.7 * moved + rng.normal(0, 0.05, moved.shape), 0, 1))


def _as_rgb(images: NDArray[np.float64]) -> NDArray[np.uint8]:
    grey = np.round(images * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def _write_sources(folder: Path, plain: _Digits, seed: int) -> Path:
    """Train the sources and return their catalogue."""
    low = plain.labels < 5
    shuffled = np.random.default_rng(seed).permutation(plain.labels)
    stories = {
        "digits-all": (plain.pixels, plain.labels, "other digits, 0 to 9"),
        "digits-0-to-4": (plain.pixels[low], plain.labels[low], "other digits, 0 to 4"),
        "digits-random-labels": (plain.pixels, shuffled, "other digits with random labels"),
    }
    entries = []
    for name, (pixels, labels, story) in stories.items():
        file = folder / f"{name}.safetensors"
        epochs = _RANDOM_EPOCHS if labels is shuffled else _SCHEDULE.epochs
        schedule = replace(_SCHEDULE, epochs=epochs)
        sha256 = _train_source(name, _Digits(pixels, labels), schedule, seed=seed, file=file)
        entries.append(_entry(name, f'weights = "{file.name}"\nsha256 = "{sha256}"', story))
    entries.append(_entry("untrained", f"untrained = true\nseed = {seed}", "nothing"))
    catalogue = folder / "catalogue.toml"
    write_whole(catalogue, "\n".join(entries))
    return catalogue


def _entry(name: str, weights: str, story: str) -> str:
    return (
        f'[[source]]\nname = "{name}"\narchitecture = "{ARCHITECTURE}"\n{weights}\n'
        f"kwargs = {{ num_classes = 0 }}\ninput_size = {SIDE}\nmean = [0.5, 0.5, 0.5]\n"
        f'std = [0.5, 0.5, 0.5]\npretrained_on = "{story}"\nlicense = "BSD-3-Clause"\n'
        'origin = "trained by autotransfer demo on the digits of scikit-learn"\n'
    )


def _train_source(name: str, digits: _Digits, schedule: Schedule, *, seed: int, file: Path) -> str:
    """Train one source, write its weights, and return their sha256."""
    source = Source(name, ARCHITECTURE, Untrained(seed), _PREPROCESSING, {"num_classes": 0})
    backbone = fresh_backbone(source, seed)
    network = HeadedSuffix(backbone.suffix(0), backbone.num_features, 10, seed=seed)
    inputs = torch.from_numpy(digits.pixels).permute(0, 3, 1, 2).float() / 127.5 - 1

    def moved(at: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        shifts = rng.integers(-MOST_SHIFT, MOST_SHIFT + 1, size=(len(at), 2)).tolist()
        pairs = zip(at, shifts, strict=True)
        return torch.stack([inputs[i].roll(shift, dims=(1, 2)) for i, shift in pairs])

    train(network, moved, digits.labels, schedule, seed=seed)
    trained = network.suffix.get_submodule("network").state_dict()
    return write_state_dict(file, trained)
