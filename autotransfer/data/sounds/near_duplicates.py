"""Sounds that are the same but for how they were saved: louder, as Ogg, or with silence.

The log-mel spectrogram without silence at both ends is brought to 32 x 32 levels of loudness,
relative to the loudest, and compared as small images are.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.decoding import in_threads
from autotransfer.data.images.near_duplicates import SIDE, alike_pairs
from autotransfer.data.sounds.decoding import Sound
from autotransfer.data.sounds.spectrogram import Frames, log_mel

FRAMES = Frames(bands=SIDE)
_RANGE = 60.0  # decibels below the loudest band; what is softer is silence
_TRIMMED = 40.0  # decibels below the loudest frame, at both ends
_DECIBELS = 10 / np.log(10)
_LENGTHS = 0.05  # relative difference of two lengths


def near_duplicates(*sets: ImageSet) -> NDArray[np.int64]:
    """Return the (p, 2) positions of sounds that are the same, the smaller one first.

    Args:
        *sets: Sounds; labels are not read. Positions go on from one set to the next.
    """
    places = [(sounds, i) for sounds in sets for i in range(len(sounds))]
    found = in_threads(lambda place: small_spectrogram(place[0].read(place[1])), places)
    small = np.array([levels for levels, _ in found], np.uint8)
    pairs = alike_pairs(small.reshape(-1, SIDE, SIDE))
    frames: NDArray[np.float64] = np.log([count for _, count in found])
    lengths = frames[pairs]
    return pairs[np.abs(lengths[:, 0] - lengths[:, 1]) <= _LENGTHS]


def small_spectrogram(sound: Sound) -> tuple[NDArray[np.uint8], int]:
    """Return (32, 32) levels of a sound without silence at its ends, and its frames.

    Args:
        sound: Of any length and rate.
    """
    rows = _DECIBELS * log_mel(torch.from_numpy(sound.at(FRAMES.rate)), FRAMES).numpy()
    loud = np.flatnonzero(rows.max(axis=1) >= rows.max() - _TRIMMED)
    rows = rows[loud[0] : loud[-1] + 1]
    levels = np.clip(rows - rows.max() + _RANGE, 0, _RANGE) * (255 / _RANGE)
    image = Image.fromarray(levels.astype(np.uint8))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX)), len(rows)
