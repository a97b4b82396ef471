"""Time series of fixed length as a kind of items, and a network for them: a plugin of one file.

    autotransfer fit machines/ --plugin time_series.py --sources plugins

A series is a file of 128 numbers: .npy, or .series with spaces between them; class
folders, archives, tables with a column `series`, and lists of arrays work as they do for images.
The source is a fixed bank of filters: what it says needs no training, and no weights to fetch.

References:
    Dempster, Petitjean and Webb, ROCKET: exceptionally fast and accurate time series
    classification using random convolutional kernels, DMKD 2020, arXiv:1910.13051.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autotransfer.plugin import Backbone, Source, hookimpl, networks, sources

LENGTH = 128
KERNELS, WIDTH, DILATIONS = 84, 9, (1, 2, 4, 8)
_NPY = b"\x93NUMPY"
_BARS = " ▁▂▃▄▅▆▇█"


def decode(content: bytes) -> NDArray[np.float32]:
    """Return the (128,) numbers in a file.

    Raises:
        ValueError: If there are others; the message is the reason alone.
    """
    if content.startswith(_NPY):
        values = np.load(io.BytesIO(content), allow_pickle=False)
    else:
        values = np.array([float(part) for part in content.decode("ascii", "replace").split()])
    return checked(values)


def checked(values: Any) -> NDArray[np.float32]:
    """Return numbers as a series, if they are one."""
    series = np.asarray(values, dtype=np.float32)
    if series.shape != (LENGTH,):
        raise ValueError(f"has the shape {series.shape}; a series has {LENGTH} numbers")
    if not np.isfinite(series).all():
        raise ValueError("has numbers that are infinite or NaN")
    if np.ptp(series) == 0:
        raise ValueError("is constant")
    return series


def encode(values: Any) -> bytes:
    """Return the file of a series in memory."""
    stream = io.BytesIO()
    np.save(stream, checked(values))
    return stream.getvalue()


def describe(series: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a baseline without any source reads: moments, slopes and the spectrum."""
    steps, centred = np.diff(series), series - series.mean()
    power = np.log1p(np.abs(np.fft.rfft(centred))[1:33])
    moments = [series.mean(), series.std(), series.min(), series.max(), np.abs(steps).mean()]
    return np.array([*moments, *power], dtype=np.float32)


def show(series: NDArray[np.float32]) -> str:
    """Return a line of bars that stands for a series in the report."""
    levels = (series - series.min()) / np.ptp(series) * (len(_BARS) - 1)
    return "".join(_BARS[round(float(level))] for level in levels[::2])


class FilterBank(nn.Module):
    """Random kernels at several dilations; of each the share above zero and the maximum."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv1d(1, KERNELS, WIDTH, padding=d * (WIDTH // 2), dilation=d) for d in DILATIONS
        )
        for layer in self.layers:
            weight = torch.randn(KERNELS, 1, WIDTH)
            layer.weight.data = weight - weight.mean(dim=2, keepdim=True)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the (b, d) features of two stages: fine kernels alone, and all of them.

        Args:
            x: (b, 128) series.
        """
        x = (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True)
        found = []
        for layer in self.layers:
            heard = layer(x.unsqueeze(1))  # (b, kernels, 128)
            found += [(heard > 0).float().mean(2), heard.amax(2)]
        return [torch.cat(found[:2], dim=1), torch.cat(found, dim=1)]


def build(source: Source) -> Backbone:
    """Return the bank; its kernels are drawn from the seed of the source."""
    return networks.ItemBackbone(source, FilterBank(), (LENGTH,), torch.from_numpy)


@hookimpl
def autotransfer_modalities() -> list[sources.ItemKind]:
    """Offer time series."""
    return [
        sources.ItemKind(
            "series", "series", (".npy", ".series"), decode, encode, describe=describe, show=show
        )
    ]


@hookimpl
def autotransfer_backbones() -> list[networks.BackboneBuilder]:
    """Offer the filter bank, as series/filter-bank."""
    return [networks.BackboneBuilder("series", build)]


@hookimpl
def autotransfer_sources() -> list[Source]:
    """Offer one bank as a source."""
    return [
        Source(
            "filter-bank",
            "series/filter-bank",
            sources.Untrained(),
            sources.ItemPreprocessing("series", {"length": LENGTH}),
            pretrained_on="nothing",
            license="Apache-2.0",
            origin="docs/examples",
        )
    ]
