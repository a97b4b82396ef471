"""The new column: a network that learns from scratch, with adapters that read frozen columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.plugin import Backbone, networks

# What the frozen columns say in the pass that runs; each thread has its own.
_laterals: ContextVar[Sequence[Tensor]] = ContextVar("_laterals", default=())
SMALL_GATE = 0.1  # how much of the normalised lateral enters an adapter at the start


@dataclass(frozen=True)
class Tap:
    """One lateral: from a stage of a frozen column to a stage of the new one.

    Args:
        column: Which frozen column, from 0.
        stage: The stage of the frozen column whose raw output is read.
        width: Its number of channels.
        into: The stage of the new column that it is added to.
    """

    column: int
    stage: int
    width: int
    into: int


class ProgressiveNetwork(nn.Module):
    """A column with a head, and the adapters that add laterals to some of its stages.

    Args:
        column: The new column; it is copied.
        taps: The laterals.
        num_classes: K.
        lateral_width: Width of an adapter, in units of the channels that it reads.
        seed: Initialises head and adapters; torch's global state is left as it was.
    """

    def __init__(
        self,
        column: Backbone,
        taps: Sequence[Tap],
        num_classes: int,
        lateral_width: float,
        seed: int,
    ) -> None:
        super().__init__()
        self.taps = tuple(taps)
        # the head comes first, so that it is the one of the network from scratch
        self.body = networks.HeadedSuffix(
            column.suffix(0), column.num_features, num_classes, seed=seed
        )
        widths = [stage.num_features for stage in column.stages]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1)
            self.adapters = nn.ModuleList(
                Adapter(tap.width, widths[tap.into - 1], lateral_width) for tap in taps
            )
        for into in dict.fromkeys(tap.into for tap in taps):
            module = self.body.suffix.get_submodule(f"network.{column.stages[into - 1].module}")
            module.register_forward_hook(self._adding(into, widths[into - 1]))

    @override
    def forward(self, x: Tensor, laterals: Sequence[Tensor]) -> Tensor:
        """Return (b, K) logits of small images and the frozen columns' outputs, tap by tap."""
        token = _laterals.set(laterals)
        try:
            logits: Tensor = self.body(x)
        finally:
            _laterals.reset(token)
        return logits

    def _adding(self, into: int, width: int) -> Callable[..., Tensor]:
        def hook(_module: nn.Module, _arguments: object, output: Tensor) -> Tensor:
            total, axis = output, _channel_axis(output, width)
            size = _spatial_size(output, axis)
            for tap, adapter, lateral in zip(
                self.taps, self.adapters, _laterals.get(), strict=False
            ):
                if tap.into == into:
                    added = adapter(_as_map(lateral, tap.width), size)
                    total = total + _in_layout(added, output, axis)
            return total

        return hook


class Adapter(nn.Module):
    """Normalise, gate, narrow, rectify, widen; the last weights start at zero.

    Args:
        width: Channels of the frozen column.
        out: Channels of the new column.
        share: Width of the bottleneck, in units of `width`.
    """

    def __init__(self, width: int, out: int, share: float) -> None:
        super().__init__()
        narrow = max(1, round(share * width))
        self.gate = nn.Parameter(torch.tensor(SMALL_GATE))
        self.narrow = nn.Conv2d(width, narrow, 1)
        self.widen = nn.Conv2d(narrow, out, 1, bias=False)
        nn.init.zeros_(self.widen.weight)

    @override
    def forward(self, z: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the (b, out, *size) lateral of a (b, c, h, w) map."""
        z = nn.functional.adaptive_avg_pool2d(z, size)
        z = nn.functional.group_norm(z, 1)  # over channels and positions, nothing learnt
        lateral: Tensor = self.widen(torch.relu(self.narrow(self.gate * z)))
        return lateral


def _channel_axis(output: Tensor, width: int) -> int:
    return next((i for i in (1, output.ndim - 1) if output.shape[i] == width), 1)


def _spatial_size(output: Tensor, axis: int) -> tuple[int, int]:
    if output.ndim != 4:
        return 1, 1  # vectors and tokens get one lateral for the whole image
    height, width = (i for i in (1, 2, 3) if i != axis)
    return output.shape[height], output.shape[width]


def _as_map(z: Tensor, width: int) -> Tensor:
    """Return a raw stage output as a (b, c, h, w) map; tokens are averaged."""
    if z.ndim == 2:
        return z[:, :, None, None]
    if z.ndim == 3:
        return z.mean(dim=1 if z.shape[2] == width else 2)[:, :, None, None]
    return z if z.shape[1] == width else z.permute(0, 3, 1, 2)


def _in_layout(lateral: Tensor, output: Tensor, axis: int) -> Tensor:
    """Return the (b, c, h, w) lateral so that it can be added to the output."""
    if output.ndim == 4:
        return lateral if axis == 1 else lateral.permute(0, 2, 3, 1)
    vector = lateral[:, :, 0, 0]
    if output.ndim == 2:
        return vector
    return vector[:, None, :] if axis == 2 else vector[:, :, None]
