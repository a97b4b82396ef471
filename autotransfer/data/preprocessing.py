"""From pictures to the tensors that a source expects; each picture decoded once per size."""

from __future__ import annotations

import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from autotransfer.data.image_set import ImageSet
from autotransfer.problem import Preprocessing

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class Geometry:
    """How a picture is brought to size; sources that share it share the decoded pixels.

    Args:
        input_size: Side s of the square in pixels.
        crop_pct: Fraction of the resized shorter side that the centre crop keeps.
        interpolation: Name of the resampling filter.
    """

    input_size: int
    crop_pct: float
    interpolation: str

    @classmethod
    def of(cls, preprocessing: Preprocessing) -> Geometry:
        """Return the geometric part of a preprocessing."""
        return cls(
            preprocessing.input_size, preprocessing.crop_pct, preprocessing.interpolation
        )

    @property
    def resized_side(self) -> int:
        """Return the shorter side in pixels before the crop."""
        return max(round(self.input_size / self.crop_pct), self.input_size)


def decode(images: ImageSet, geometry: Geometry) -> Tensor:
    """Return the uint8 (n, 3, s, s) pixels: shorter side resized, centre cropped."""
    workers = min(os.cpu_count() or 1, 8)
    with ThreadPoolExecutor(workers) as pool:
        pixels = list(pool.map(lambda i: _decode_one(images, i, geometry), range(len(images))))
    if not pixels:
        return torch.empty((0, 3, geometry.input_size, geometry.input_size), dtype=torch.uint8)
    return torch.from_numpy(np.stack(pixels))


def standardise(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Return float32 pixels scaled to [0, 1], then with the source's mean and std.

    Args:
        pixels: uint8 (b, 3, h, w).
        preprocessing: Mean and std of each channel.
    """
    mean = torch.tensor(preprocessing.mean, dtype=torch.float32).view(1, 3, 1, 1) * 255
    std = torch.tensor(preprocessing.std, dtype=torch.float32).view(1, 3, 1, 1) * 255
    return (pixels.float() - mean) / std


class PixelStore:
    """Decoded pictures in memory, by content and geometry; the least recently used ones go.

    Args:
        max_bytes: Memory for pixels; what does not fit is decoded again when it is needed.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._pixels: OrderedDict[tuple[str, Geometry], Tensor] = OrderedDict()

    def get(self, images: ImageSet, geometry: Geometry) -> Tensor:
        """Return the uint8 (n, 3, s, s) pixels of the pictures."""
        keys = [(digest, geometry) for digest in images.digests]
        missing = [i for i, key in enumerate(keys) if key not in self._pixels]
        fresh = dict(zip(missing, decode(images.subset(missing), geometry), strict=True))
        rows = []
        for i, key in enumerate(keys):
            if i in fresh:
                rows.append(fresh[i])
                self._keep(key, fresh[i])
            else:
                self._pixels.move_to_end(key)
                rows.append(self._pixels[key])
        if not rows:
            return decode(images, geometry)
        self._trim()
        return torch.stack(rows)

    def _keep(self, key: tuple[str, Geometry], pixels: Tensor) -> None:
        if key not in self._pixels:
            self._pixels[key] = pixels.clone()
            self._bytes += pixels.nbytes

    def _trim(self) -> None:
        while self._bytes > self._max_bytes:
            _, oldest = self._pixels.popitem(last=False)
            self._bytes -= oldest.nbytes


def _decode_one(images: ImageSet, index: int, geometry: Geometry) -> NDArray[np.uint8]:
    """Return one picture as (3, s, s)."""
    image = images.read(index, geometry.resized_side)
    scale = geometry.resized_side / min(image.size)
    size = tuple(max(round(side * scale), geometry.input_size) for side in image.size)
    if size != image.size:
        image = image.resize(size, _FILTERS[geometry.interpolation])
    side = geometry.input_size
    left, top = (image.width - side) // 2, (image.height - side) // 2
    pixels = np.asarray(image.crop((left, top, left + side, top + side)))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
