"""A small network for sounds that learns from nothing: convolutions on a log-mel spectrogram."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.data.sounds.preprocessing import SoundPreprocessing
from autotransfer.data.sounds.spectrogram import USUAL, log_mel
from autotransfer.models.builders import LOG_MEL, BackboneBuilder
from autotransfer.models.sounds.backbone import Heard, SoundBackbone, frame_mask
from autotransfer.models.source import Source, Untrained

WIDTHS = (16, 32, 64)
SECONDS = 5.0  # few labelled sounds do not fill longer inputs, and time counts


class LogMelNetwork(nn.Module):
    """Three convolutions on frequency and time, each with batch norm and pooling by two.

    The level of each sound is taken out first. Frames that only fill up are zero before every
    convolution, as what lies beyond the edge is.
    """

    def __init__(self) -> None:
        super().__init__()
        pairs = zip((1, *WIDTHS), WIDTHS, strict=False)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in pairs
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in WIDTHS)
        self.pool = nn.MaxPool2d(2, ceil_mode=True)

    @override
    def forward(self, waves: Tensor, lengths: Tensor) -> Heard:
        """Return the (b, f, d) states of the last layer; see `Heard`."""
        rows = log_mel(waves)  # (b, f, bands)
        frames = 1 + torch.div(lengths, USUAL.hop, rounding_mode="floor")
        there = frame_mask(rows.shape[1], frames)
        total = (there.sum(1) * rows.shape[2]).view(-1, 1, 1)
        mean = (rows * there.unsqueeze(2)).sum((1, 2), keepdim=True) / total
        off = (rows - mean) * there.unsqueeze(2)
        std = (off.square().sum((1, 2), keepdim=True) / total).sqrt().clamp(min=1e-3)
        x = (off / std).unsqueeze(1)  # (b, 1, f, bands)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = norm(convolution(x)).relu() * frame_mask(x.shape[2], frames)[:, None, :, None]
            x, frames = self.pool(x), torch.div(frames + 1, 2, rounding_mode="floor")
        return Heard([x.permute(0, 2, 1, 3).flatten(2)], frames)


def small_sound_source(seed: int = 0) -> Source:
    """Return the untrained small network for sounds as a source."""
    return Source(
        "log-mel-network",
        f"{LOG_MEL}/{'-'.join(map(str, WIDTHS))}",
        Untrained(seed),
        SoundPreprocessing(USUAL.rate, SECONDS),
        pretrained_on="nothing",
        license="Apache-2.0",
        origin="autotransfer",
    )


build = BackboneBuilder(LOG_MEL, lambda source: SoundBackbone(source, LogMelNetwork()))
