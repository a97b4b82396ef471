"""AST and the encoder of Whisper: layers of attention on a log-mel spectrogram of fixed length.

References:
    Gong, Chung and Glass, AST: Audio Spectrogram Transformer, Interspeech 2021, arXiv:2104.01778.
    Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, ICML 2023,
    arXiv:2212.04356.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.models.sounds.backbone import frame_mask
from autotransfer.models.sounds.encoder import SoundEncoder, first_of

_OWN = 2  # tokens of AST that stand for no patch; their mean is its own pooling


class PatchEncoder(SoundEncoder):
    """AST: patches of a spectrogram, and two tokens whose mean it was trained to read."""

    places: ClassVar[tuple[str, ...]] = ("layers", "encoder.layer")
    beginning: ClassVar[tuple[str, ...]] = ("embeddings",)
    fixed: ClassVar[bool] = True

    @override
    def begun(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden: Tensor = self.model.embeddings(x[:, :-1].transpose(1, 2))
        config = self.model.config
        wide = (x.shape[2] - config.patch_size) // config.time_stride + 1
        frames = x[:, -1].sum(1)
        whole = torch.div(frames - config.patch_size, config.time_stride, rounding_mode="floor")
        there = frame_mask(wide, (1 + whole).clamp(min=1)).to(x.dtype)
        high = (x.shape[1] - 1 - config.patch_size) // config.frequency_stride + 1
        return hidden, torch.cat([there.new_zeros(x.shape[0], _OWN), there.repeat(1, high)], dim=1)

    @override
    def run(self, layer: nn.Module, hidden: Tensor, mask: Tensor) -> Tensor:
        return first_of(layer(hidden))

    @override
    def ended(self, hidden: Tensor) -> Tensor:
        found: Tensor = self.model.layernorm(hidden)
        return found

    @override
    def pooled(self, hidden: Tensor, mask: Tensor, *, last: bool) -> Tensor:
        rows = super().pooled(hidden, mask, last=last)
        return torch.cat([rows, hidden[:, :_OWN].mean(1)], dim=1) if last else rows

    @override
    def pooled_width(self, *, last: bool) -> int:
        return (3 if last else 2) * self.width


class WhisperEncoder(SoundEncoder):
    """The encoder of Whisper; a frame stands for a fiftieth of a second."""

    beginning: ClassVar[tuple[str, ...]] = ("conv1", "conv2", "embed_positions")
    fixed: ClassVar[bool] = True

    @override
    def begun(self, x: Tensor) -> tuple[Tensor, Tensor]:
        model = self.model
        hidden = nn.functional.gelu(model.conv1(x[:, :-1]))
        hidden = nn.functional.gelu(model.conv2(hidden)).transpose(1, 2)
        return hidden + model.embed_positions.weight, x[:, -1, ::2]

    @override
    def run(self, layer: nn.Module, hidden: Tensor, mask: Tensor) -> Tensor:
        return first_of(layer(hidden, attention_mask=None))

    @override
    def ended(self, hidden: Tensor) -> Tensor:
        found: Tensor = self.model.layer_norm(hidden)
        return found
