"""The classical baseline of sounds: statistics of log-mel or MFCC with logistic regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.decoding import in_threads
from autotransfer.data.sounds.decoding import Sound
from autotransfer.data.sounds.reading import sounds_of
from autotransfer.data.sounds.spectrogram import USUAL, log_mel, mfcc
from autotransfer.models.predictors.descriptions import DescriptionPredictor

TITLES: Mapping[str, str] = {
    "log-mel": "log-mel statistics + logistic regression",
    "mfcc": "MFCC statistics + logistic regression",
}
PARTS = 3  # of equal length, of which each has its mean
MFCC = 20


@dataclass(frozen=True)
class SpectrumPredictor(DescriptionPredictor):
    """A linear classifier on a fixed description of the spectrum: "log-mel" or "mfcc"."""

    titles = TITLES
    baseline = "the baseline of spectra"

    @override
    def described(self, items: ImageSet) -> NDArray[np.float32]:
        return describe_sounds(items)[self.description]


def fit_spectra(
    train: ImageSet, num_classes: int, *, seed: int, deadline: float | None = None
) -> SpectrumPredictor:
    """Return the better of log-mel and MFCC, at its best strength, by cross-validated log loss.

    Either is described by the mean of each third and the standard deviation of the whole.

    Args:
        train: The labelled sounds to learn from.
        num_classes: K; classes without a sound get a probability near zero.
        seed: Seeds the folds.
        deadline: `time.monotonic()` after which no further candidate is tried.

    Raises:
        InvalidTargetError: If the sounds are of fewer than two classes.
    """
    described = describe_sounds(train)
    return SpectrumPredictor.fitted(described, train, num_classes, seed=seed, deadline=deadline)


def describe_sounds(sounds: ImageSet) -> dict[str, NDArray[np.float32]]:
    """Return the (n, d) descriptions of sounds, each by its name."""

    def describe_one(index: int) -> dict[str, NDArray[np.float32]]:
        return _description(sounds_of(sounds.subset([index]))[0])

    rows = in_threads(describe_one, range(len(sounds)))
    return {
        name: np.array([row[name] for row in rows], np.float32).reshape(-1, (PARTS + 1) * width)
        for name, width in (("log-mel", USUAL.bands), ("mfcc", MFCC))
    }


def _description(sound: Sound) -> dict[str, NDArray[np.float32]]:
    bands = log_mel(torch.from_numpy(sound.at(USUAL.rate))).numpy()
    return {"log-mel": _statistics(bands), "mfcc": _statistics(mfcc(bands, MFCC))}


def _statistics(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return (4 d,): the mean of each third of (f, d) rows, and their standard deviation."""
    edges = np.linspace(0, len(rows), PARTS + 1)
    parts = [
        rows[int(low) : max(int(np.ceil(high)), int(low) + 1)].mean(axis=0)
        for low, high in pairwise(edges)
    ]
    return np.concatenate([*parts, rows.std(axis=0)]).astype(np.float32)
