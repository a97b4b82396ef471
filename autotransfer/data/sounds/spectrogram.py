"""Spectrograms on the mel scale, and the coefficients of their shape (MFCC).

References:
    Slaney, Auditory Toolbox, Interval Research, 1998 (the scale: linear below 1 kHz, logarithmic
    above; filters of equal area).
    Davis and Mermelstein, Comparison of parametric representations for monosyllabic word
    recognition, IEEE Transactions on Acoustics, Speech, and Signal Processing, 1980 (MFCC).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dct
from torch import Tensor

FLOOR = 1e-10  # of the power that a logarithm is taken of: 100 dB below that of the loudest tone
_LINEAR = 200 / 3  # hertz a mel below 1 kHz
_BEND_HERTZ, _BEND = 1000.0, 15.0
_STEP = np.log(6.4) / 27  # of the logarithm a mel above


@dataclass(frozen=True)
class Frames:
    """How a sound is cut into frames and bands.

    Args:
        rate: Samples a second.
        window: Samples of a frame.
        hop: Samples from one frame to the next.
        bands: Mel bands from 0 hertz to half the rate.
    """

    rate: int = 16_000
    window: int = 400
    hop: int = 160
    bands: int = 40


USUAL = Frames()


def mel_power(waves: Tensor, frames: Frames = USUAL) -> Tensor:
    """Return the (..., f, bands) power of sounds in mel bands, f = 1 + t // hop.

    Frames are centred, with silence before the beginning and after the end.

    Args:
        waves: (..., t) samples in [-1, 1].
        frames: How they are cut.
    """
    window = torch.hann_window(frames.window, dtype=waves.dtype, device=waves.device)
    spectrum = torch.stft(
        waves, frames.window, frames.hop, window=window, pad_mode="constant", return_complex=True
    )
    power = spectrum.abs().square().transpose(-1, -2)  # (..., f, bins)
    filters = torch.from_numpy(mel_filters(frames)).to(power)
    return power @ filters.T


def log_mel(waves: Tensor, frames: Frames = USUAL) -> Tensor:
    """Return the natural logarithm of `mel_power`, of at least -23."""
    return mel_power(waves, frames).clamp(min=FLOOR).log()


def mfcc(rows: NDArray[np.floating], count: int = 20) -> NDArray[np.float64]:
    """Return the first coefficients of the cosine transform of log-mel rows.

    Args:
        rows: (f, bands) log-mel.
        count: How many; the first one is the loudness.
    """
    found: NDArray[np.float64] = dct(np.asarray(rows, np.float64), axis=1, norm="ortho")
    return found[:, :count]


@cache
def mel_filters(frames: Frames) -> NDArray[np.float32]:
    """Return (bands, window // 2 + 1) triangles of equal area on the mel scale."""
    edges = _hertz(np.linspace(0.0, _mel(frames.rate / 2), frames.bands + 2))
    bins = np.arange(frames.window // 2 + 1) * frames.rate / frames.window
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(np.minimum(rising, falling), 0)
    filters = triangles * (2 / (edges[2:] - edges[:-2]))[:, None]
    found: NDArray[np.float32] = filters.astype(np.float32)
    return found


def _mel(hertz: float) -> float:
    if hertz < _BEND_HERTZ:
        return hertz / _LINEAR
    return float(_BEND + np.log(hertz / _BEND_HERTZ) / _STEP)


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    above: NDArray[np.float64] = _BEND_HERTZ * np.exp(_STEP * (np.maximum(mels, _BEND) - _BEND))
    return np.where(mels < _BEND, mels * _LINEAR, above)
