"""Resizing and cropping as tensor operations: what Pillow does, for any size of item.

ONNX has an operator for resizing, but runtimes differ at the borders and in what they round, and
few know the filters of Pillow. A resize is linear along each axis, so here it is two products of
matrices that are made from the size of the item, with Pillow's weights and its rounding to
whole numbers between the two axes. Only the rows and columns inside the centre crop are made.
Rows come first here, as they do in Pillow, but for items that are more than twice as high as
wide: some of those it shrinks columns first, and a pixel may differ by what is rounded between.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.data.images.preprocessing import LONGEST_RATIO, Geometry
from autotransfer.errors import InvalidOptionError

_BICUBIC = -0.5  # Pillow's choice of the parameter of Keys 1981
_LANCZOS = 3.0
_SMALLEST = 1e-12
_ONE = float(1 << 22)  # Pillow computes with weights in whole numbers of this


class ResizeAndCrop(nn.Module):
    """Resize the shorter side, keep the centre: uint8 (n, h, w, 3) to float32 (n, 3, s, s).

    Raises:
        InvalidOptionError: If the filter is none of Pillow's that we use.
    """

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        if geometry.interpolation not in _FILTERS:
            raise InvalidOptionError(
                f"interpolation {geometry.interpolation!r} cannot be exported; those that can "
                f"are {', '.join(_FILTERS)}"
            )
        self.geometry = geometry

    @override
    def forward(self, images: Tensor) -> Tensor:
        """Return whole-numbered pixels in [0, 255]."""
        x = images.permute(0, 3, 1, 2).to(torch.float64)  # (n, 3, h, w); sums are exact
        height, width = _size(x, 2), _size(x, 3)
        shorter = torch.minimum(height, width)
        across = self._weights(torch.arange(x.shape[3], dtype=torch.float64), width, shorter)
        down = self._weights(torch.arange(x.shape[2], dtype=torch.float64), height, shorter)
        x = _rounded(x @ across.T)  # (n, 3, h, s)
        return _rounded(down @ x).to(torch.float32)  # (n, 3, s, s)

    def _weights(self, place: Tensor, length: Tensor, shorter: Tensor) -> Tensor:
        """Return (s, length) how much each input pixel along an axis counts for each output.

        Args:
            place: (length,) 0, 1, 2, ...
            length: Pixels along the axis.
            shorter: Pixels of the shorter side.
        """
        geometry = self.geometry
        used = torch.minimum(length, LONGEST_RATIO * shorter)
        place = place - torch.floor((length - used) / 2)  # of a very long item, the centre
        resized = torch.round(used * geometry.resized_side / shorter)  # half to even, as Python
        start = torch.floor((resized - geometry.input_size) / 2)
        outputs = torch.arange(geometry.input_size, dtype=torch.float64) + start
        scale = used / resized
        centre = ((outputs + 0.5) * scale)[:, None]  # (s, 1)
        if geometry.interpolation == "nearest":
            read = self._steps(scale)[outputs.to(torch.int64)]
            return (place == torch.floor(read)[:, None]).to(torch.float64)
        kernel, support = _FILTERS[geometry.interpolation]
        stretch = torch.clamp(scale, min=1.0)
        first = torch.clamp(torch.floor(centre - support * stretch + 0.5), min=0.0)
        last = torch.minimum(torch.floor(centre + support * stretch + 0.5), used)
        weights = kernel((place - centre + 0.5) / stretch)
        weights = torch.where((place >= first) & (place < last), weights, 0.0)
        weights = weights / weights.sum(dim=1, keepdim=True)
        return torch.round(weights * _ONE) / _ONE

    def _steps(self, scale: Tensor) -> Tensor:
        """Return where each output reads: a sum of steps, which decides ties as Pillow does."""
        most = LONGEST_RATIO * self.geometry.resized_side
        half = torch.arange(most, dtype=torch.float64) == 0
        return torch.cumsum(torch.where(half, scale * 0.5, scale), dim=0)


def _size(x: Tensor, axis: int) -> Tensor:
    return torch.scalar_tensor(x.shape[axis], dtype=torch.float64)


def _rounded(x: Tensor) -> Tensor:
    return torch.clamp(torch.floor(x + 0.5), 0.0, 255.0)


def _triangle(x: Tensor) -> Tensor:
    return torch.clamp(1.0 - x.abs(), min=0.0)


def _cubic(x: Tensor) -> Tensor:
    """Return Keys' kernel; R. Keys, IEEE Trans. ASSP 29 (1981), equation 15 for any parameter."""
    a, x = _BICUBIC, x.abs()
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * a
    return torch.where(x < 1.0, near, torch.where(x < 2.0, far, 0.0))


def _lanczos(x: Tensor) -> Tensor:
    return torch.where(x.abs() < _LANCZOS, _sinc(x) * _sinc(x / _LANCZOS), 0.0)


def _sinc(x: Tensor) -> Tensor:
    turned = math.pi * x
    safe = torch.where(turned.abs() < _SMALLEST, 1.0, turned)
    return torch.where(turned.abs() < _SMALLEST, 1.0, torch.sin(safe) / safe)


_FILTERS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "nearest": (_triangle, 0.5),
    "bilinear": (_triangle, 1.0),
    "bicubic": (_cubic, 2.0),
    "lanczos": (_lanczos, _LANCZOS),
}
