"""wav2vec 2.0, HuBERT and WavLM: convolutions on samples, then layers of attention.

References:
    Baevski et al., wav2vec 2.0, NeurIPS 2020, arXiv:2006.11477.
    Hsu et al., HuBERT, IEEE/ACM TASLP 2021, arXiv:2106.07447.
    Chen et al., WavLM, IEEE JSTSP 2022, arXiv:2110.13900.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.models.sounds.backbone import frame_mask
from autotransfer.models.sounds.encoder import SoundEncoder, first_of


class ConvolvedEncoder(SoundEncoder):
    """wav2vec 2.0 or HuBERT. What fills up a batch takes part in nothing.

    Where a norm runs over time (`feat_extract_norm` is "group"), it reads the frames of the sound
    alone, so that a sound in a batch has the features that it has alone.
    """

    places: ClassVar[tuple[str, ...]] = ("encoder.layers",)
    beginning: ClassVar[tuple[str, ...]] = (
        *("feature_extractor", "feature_projection", "encoder.pos_conv_embed"),
    )

    def __init__(self, model: Any, first: int = 0) -> None:
        super().__init__(model, first)
        # norm before each part of a layer, and one after the last layer
        self._stable = bool(getattr(model.config, "do_stable_layer_norm", False))

    @override
    def begun(self, x: Tensor) -> tuple[Tensor, Tensor]:
        model = self.model
        hidden, mask = _convolved(model.feature_extractor, x[:, 0], x[:, 1].sum(1).long())
        hidden = first_of(model.feature_projection(hidden.transpose(1, 2))) * mask.unsqueeze(2)
        hidden = hidden + model.encoder.pos_conv_embed(hidden)
        if not self._stable:
            hidden = model.encoder.layer_norm(hidden)
        return model.encoder.dropout(hidden), mask

    @override
    def run(self, layer: nn.Module, hidden: Tensor, mask: Tensor) -> Tensor:
        off = (1 - mask) * torch.finfo(mask.dtype).min
        size = (mask.shape[0], 1, mask.shape[1], mask.shape[1])
        return first_of(layer(hidden, attention_mask=off[:, None, None, :].expand(size)))

    @override
    def ended(self, hidden: Tensor) -> Tensor:
        return self.model.encoder.layer_norm(hidden) if self._stable else hidden


class WavLMEncoder(ConvolvedEncoder):
    """WavLM. The bias by distance is that of the first layer, which later layers keep."""

    @override
    def run(self, layer: nn.Module, hidden: Tensor, mask: Tensor) -> Tensor:
        b, f = mask.shape
        bias = self.model.encoder.layers.get_submodule("0").attention.compute_bias(f, f)
        bias = bias.unsqueeze(0).repeat(b, 1, 1, 1).view(-1, f, f)
        with warnings.catch_warnings():  # of a mask that is true or false beside a bias in numbers
            warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")
            return first_of(layer(hidden, attention_mask=mask, position_bias=bias, index=1))

    @override
    def kept(self, layers: nn.ModuleList, depth: int) -> nn.ModuleList:
        found = super().kept(layers, depth)
        if depth:
            found.add_module("0", _bias_alone(layers[0]))
        return found


def _bias_alone(layer: Any) -> nn.Module:
    """Return of a first layer the bias by distance, by its name."""
    attention = copy.deepcopy(layer.attention)
    for name in [name for name, _ in attention.named_children() if name != "rel_attn_embed"]:
        delattr(attention, name)
    del attention.gru_rel_pos_const
    found = nn.Module()
    found.attention = attention
    return found


def _convolved(extractor: Any, waves: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Return the (b, d, f) outcome of the convolutions, and the (b, f) mask of its frames.

    Args:
        extractor: Of a network of transformers.
        waves: (b, t) samples, zeros after the end of each.
        lengths: (b,) their number.
    """
    least = 1
    for layer in reversed(extractor.conv_layers):
        least = (least - 1) * layer.conv.stride[0] + layer.conv.kernel_size[0]
    x = nn.functional.pad(waves, (0, least - 1)).unsqueeze(1)  # one frame at least
    lengths = lengths.clamp(min=least)
    for layer in extractor.conv_layers:
        x = layer.conv(x)
        size, step = layer.conv.kernel_size[0], layer.conv.stride[0]
        lengths = 1 + torch.div(lengths - size, step, rounding_mode="floor")
        x = layer.activation(_normed(getattr(layer, "layer_norm", None), x, lengths))
    return x, frame_mask(x.shape[2], lengths).to(x.dtype)


def _normed(norm: nn.Module | None, x: Tensor, lengths: Tensor) -> Tensor:
    if norm is None:
        return x
    if not isinstance(norm, nn.GroupNorm):
        found: Tensor = norm(x.transpose(1, 2)).transpose(1, 2)
        return found
    mask = frame_mask(x.shape[2], lengths).to(x.dtype).unsqueeze(1)
    count = lengths.view(-1, 1, 1)
    mean = (x * mask).sum(2, keepdim=True) / count
    off = (x - mean) * mask
    variance = off.square().sum(2, keepdim=True) / count
    return off / (variance + norm.eps).sqrt() * norm.weight[:, None] + norm.bias[:, None]
