"""Views of a sound for training: louder or softer, a part of it, and with masks on it.

As for images a view hangs on the content of the sound and a number, so that what was computed for
it can be found again. Each kind contains those before it: "gain", "crop", "masks".

References:
    Park et al., SpecAugment, Interspeech 2019, arXiv:1904.08779 (masks over time and bands; time
    is not warped).
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from autotransfer.data.images.views import GAIN, MASKS, View

CROP = "crop"
VARIED = (GAIN, CROP, MASKS)
DECIBELS = 6.0  # louder or softer, at most
KEPT = 0.8  # of the length, at least
MASKED = 0.2  # of the length, and of the bands, at most


def varied(samples: NDArray[np.float32], digest: str, view: View) -> NDArray[np.float32]:
    """Return the (t',) samples of a view, t' in 0.8 t .. t.

    Args:
        samples: (t,) of a sound.
        digest: Its content hash.
        view: Anything but "gain", "crop" and "masks" leaves it as it is.
    """
    if view.kind not in VARIED:
        return samples
    rng = _generator(digest, view, "wave")
    decibels = rng.uniform(-DECIBELS, DECIBELS)
    if view.kind != GAIN:
        count = len(samples)
        kept = max(1, round(count * rng.uniform(KEPT, 1)))
        start = rng.integers(count - kept + 1)
        samples = samples[start : start + kept]
    return (samples * 10 ** (decibels / 20)).astype(np.float32)


def masked(x: Tensor, digests: tuple[str, ...] | list[str], view: View) -> Tensor:
    """Return what networks read of sounds, with a mask over time, and over bands where there are.

    What is masked is the mean of the sound.

    Args:
        x: (b, c + 1, t): samples or c bands, and 1 where there is one.
        digests: Content hash of each.
        view: Anything but "masks" leaves it as it is.
    """
    if view.kind != MASKS:
        return x
    x = x.clone()
    bands = x.shape[1] - 1
    for row, digest in zip(x, digests, strict=True):
        count, rng = int(row[-1].sum()), _generator(digest, view, "masks")
        own = row[:-1, :count]
        mean = own.mean()
        start, stop = _span(count, rng)
        own[:, start:stop] = mean
        if bands > 1:
            start, stop = _span(bands, rng)
            own[start:stop] = mean
    return x


def _span(count: int, rng: np.random.Generator) -> tuple[int, int]:
    width = int(rng.integers(int(MASKED * count) + 1))
    start = int(rng.integers(count - width + 1))
    return start, start + width


def _generator(digest: str, view: View, part: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(f"{digest} {part} {view.number}".encode()))
