"""What stands before an encoder of sounds: from samples to what its first layer reads.

The settings are those of the `preprocessor_config.json` beside the weights. Log-mel frames come
from one convolution, whose kernels are the window and the Fourier transform together, so that a
graph can hold them.

References:
    Baevski et al., wav2vec 2.0, NeurIPS 2020, arXiv:2006.11477 (mean 0 and variance 1).
    Gong, Chung and Glass, AST: Audio Spectrogram Transformer, Interspeech 2021, arXiv:2104.01778
    (filter banks as Kaldi makes them).
    Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, ICML 2023,
    arXiv:2212.04356 (log-mel within 80 dB of the loudest).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.models.sounds.backbone import frame_mask

_LEAST = 1e-7  # variance of samples, as transformers has it
_WINDOW, _HOP = 400, 160  # samples, of AST at 16 kHz
_FOURIER = 512
_EMPHASIS = 0.97
_KALDI_FLOOR = 1.1920929e-07
_WHISPER_FLOOR = 1e-10
_RANGE = 8.0  # tenfolds of power below the loudest


class WaveFront(nn.Module):
    """Samples as they are, or brought to mean 0 and variance 1 within each sound.

    Args:
        normalised: Whether they are brought there.
    """

    def __init__(self, *, normalised: bool) -> None:
        super().__init__()
        self._normalised = normalised

    @override
    def forward(self, x: Tensor) -> Tensor:
        """Return (b, 2, t) samples and mask for those given."""
        if not self._normalised:
            return x
        waves, mask = x[:, 0], x[:, 1]
        count = mask.sum(1, keepdim=True).clamp(min=1)
        mean = (waves * mask).sum(1, keepdim=True) / count
        off = (waves - mean) * mask
        variance = off.square().sum(1, keepdim=True) / count
        return torch.stack([off / (variance + _LEAST).sqrt(), mask], dim=1)


@dataclass(frozen=True)
class Bands:
    """How frames are cut, and what becomes of them.

    Args:
        kernels: (2 k, window): cosine and sine of k frequencies, with the window.
        filters: (bands, k) triangles.
        hop: Samples from one frame to the next.
        frames: How many frames the network reads; fewer are filled up.
    """

    kernels: NDArray[np.float64]
    filters: NDArray[np.float64]
    hop: int
    frames: int


class MelFront(nn.Module):
    """Power in mel bands; what is made of it is that of the subclass.

    Args:
        bands: See `Bands`.
    """

    kernels: Tensor
    filters: Tensor

    def __init__(self, bands: Bands) -> None:
        super().__init__()
        kernels = torch.from_numpy(bands.kernels).float().unsqueeze(1)
        self.register_buffer("kernels", kernels, persistent=False)
        filters = torch.from_numpy(bands.filters).float()
        self.register_buffer("filters", filters, persistent=False)
        self._hop, self._frames, self._window = bands.hop, bands.frames, kernels.shape[2]

    def power(self, waves: Tensor) -> Tensor:
        """Return the (b, bands, f) power of (b, t) samples in mel bands."""
        parts = nn.functional.conv1d(waves.unsqueeze(1), self.kernels, stride=self._hop)
        real, imaginary = parts.chunk(2, dim=1)
        return self.filters @ (real.square() + imaginary.square())

    def there(self, frames: Tensor) -> Tensor:
        """Return a (b, 1, frames) mask of the frames of each sound, at least one."""
        return frame_mask(self._frames, frames.clamp(min=1)).unsqueeze(1)

    def filled(self, x: Tensor, count: int) -> Tensor:
        """Return (..., count) of (..., t): cut, or filled up with zeros at the end."""
        x = x[..., :count]
        return nn.functional.pad(x, (0, count - x.shape[-1]))


class KaldiFront(MelFront):
    """Log filter banks of whole frames, with zeros after the last one, then standardised.

    Args:
        bands: See `Bands`.
        mean: Of all frames of the data that the network was trained on.
        std: Half of what they are divided by.
    """

    def __init__(self, bands: Bands, mean: float, std: float) -> None:
        super().__init__(bands)
        self._mean, self._std = mean, std

    @override
    def forward(self, x: Tensor) -> Tensor:
        """Return (b, bands + 1, frames) of (b, 2, t): the mask is the last row."""
        samples = (self._frames - 1) * self._hop + self._window
        power = self.power(self.filled(x[:, 0], samples))
        lengths = x[:, 1].sum(1).long()
        count = 1 + torch.div(lengths - self._window, self._hop, rounding_mode="floor")
        there = self.there(count)
        rows = power.clamp(min=_KALDI_FLOOR).log() * there
        return torch.cat([(rows - self._mean) / (2 * self._std), there], dim=1)


class WhisperFront(MelFront):
    """Log-mel of a sound that is filled up with silence to the length that the network reads."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        """Return (b, bands + 1, frames) of (b, 2, t): the mask is the last row."""
        waves = self.filled(x[:, 0], self._frames * self._hop)
        half = self._window // 2
        waves = nn.functional.pad(waves.unsqueeze(1), (half, half), mode="reflect").squeeze(1)
        rows = self.power(waves)[:, :, : self._frames].clamp(min=_WHISPER_FLOOR).log10()
        rows = torch.maximum(rows, rows.amax((1, 2), keepdim=True) - _RANGE)
        lengths = x[:, 1].sum(1).long()
        there = self.there(torch.div(lengths + self._hop - 1, self._hop, rounding_mode="floor"))
        return torch.cat([(rows + 4) / 4, there], dim=1)


def kaldi_front(reading: Mapping[str, Any], rate: int) -> KaldiFront:
    """Return the front of AST.

    Args:
        reading: `num_mel_bins`, `max_length`, `do_normalize`, `mean` and `std`.
        rate: Samples a second.
    """
    from transformers.audio_utils import mel_filter_bank

    filters = mel_filter_bank(
        num_frequency_bins=_FOURIER // 2 + 1,
        num_mel_filters=int(reading["num_mel_bins"]),
        min_frequency=20,
        max_frequency=rate // 2,
        sampling_rate=rate,
        norm=None,
        mel_scale="kaldi",
        triangularize_in_mel_space=True,
    )
    # of each frame the mean is taken out, then 0.97 of the sample before; the first is its own
    frame = np.eye(_WINDOW) - 1 / _WINDOW
    before = np.eye(_WINDOW, k=-1)
    before[0, 0] = 1
    window = np.hanning(_WINDOW)[:, None] * (np.eye(_WINDOW) - _EMPHASIS * before) @ frame
    bands = Bands(
        _fourier(_FOURIER, _WINDOW) @ window, filters.T, _HOP, int(reading["max_length"])
    )
    normalised = bool(reading.get("do_normalize", True))
    mean, std = (float(reading["mean"]), float(reading["std"])) if normalised else (0.0, 0.5)
    return KaldiFront(bands, mean, std)


def whisper_front(reading: Mapping[str, Any], rate: int) -> WhisperFront:
    """Return the front of Whisper.

    Args:
        reading: `feature_size`, `n_fft`, `hop_length` and `chunk_length`.
        rate: Samples a second.
    """
    from transformers.audio_utils import mel_filter_bank

    size, hop = int(reading["n_fft"]), int(reading["hop_length"])
    filters = mel_filter_bank(
        num_frequency_bins=1 + size // 2,
        num_mel_filters=int(reading["feature_size"]),
        min_frequency=0.0,
        max_frequency=8000.0,
        sampling_rate=rate,
        norm="slaney",
        mel_scale="slaney",
    )
    window = np.hanning(size + 1)[:-1]  # a period of it
    frames = int(reading["chunk_length"]) * rate // hop
    return WhisperFront(Bands(_fourier(size, size) * window, filters.T, hop, frames))


def _fourier(size: int, window: int) -> NDArray[np.float64]:
    """Return (2 k, window): cosine, then sine, of the k frequencies of a transform."""
    angles = 2 * np.pi / size * np.outer(np.arange(size // 2 + 1), np.arange(window))
    return np.concatenate([np.cos(angles), np.sin(angles)])
