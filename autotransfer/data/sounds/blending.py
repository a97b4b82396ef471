"""Two sounds put together as one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.sounds.decoding import Sound

_LEAST = 1e-12  # energy a sample: what is silent stays so


def blended_sound(first: Sound, second: Sound, share: float) -> tuple[NDArray[np.float32], int]:
    """Return the samples of two sounds heard at once, and their rate; both are that of the first.

    The second one is made as loud as the first, so that the shares are those of what is heard. Of
    a longer one its beginning is taken, and a shorter one ends before the first.

    Args:
        first: The larger part.
        second: The other.
        share: Of the first one's amplitude, between a half and one.

    References:
        Tokozume, Ushiku & Harada, Learning from Between-class Examples for Deep Sound Recognition,
        ICLR 2018, arXiv:1711.10282, section 3.2 (with root mean squares for the loudness).
    """
    mixed = share * first.samples
    other = second.at(first.rate)[: len(mixed)]
    louder = np.sqrt(_energy(first.samples) / _energy(second.samples))
    mixed[: len(other)] += (1 - share) * louder * other
    return mixed.astype(np.float32), first.rate


def _energy(samples: NDArray[np.float32]) -> float:
    return max(float(np.mean(np.square(samples, dtype=np.float64))), _LEAST)
