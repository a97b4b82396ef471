"""From images to the tensors that a source expects; each image decoded once per size."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.decoding import in_threads
from autotransfer.data.modality import Modality
from autotransfer.data.recent import Recent
from autotransfer.errors import InvalidOptionError
from autotransfer.results import Json

# A JPEG is decoded at no less than this many times the size it is resized to, so that the
# resize, not the decoder, decides how it looks (Pillow's own choice for thumbnails).
DECODING_MARGIN = 2
LARGEST_INPUT = 4096  # pixels: one batch of it fills some gigabytes
LONGEST_RATIO = 8  # of the sides; what is cut off lies far outside the centre crop

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class Preprocessing:
    """How a source wants its images: resize, centre crop, scale to [0, 1], standardise.

    Args:
        input_size: Side of the square input in pixels.
        mean: Mean of each of the three channels, for values in [0, 1].
        std: Standard deviation of each channel, for values in [0, 1].
        interpolation: "nearest", "bilinear" or "bicubic".
        crop_pct: Fraction of the resized shorter side that the centre crop keeps, in (0, 1].

    Raises:
        InvalidOptionError: If a value is not allowed.
    """

    modality: ClassVar[Modality] = Modality.IMAGE
    input_size: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"
    crop_pct: float = 1.0

    def __post_init__(self) -> None:
        Geometry.of(self)
        if not all(math.isfinite(value) for value in (*self.mean, *self.std)):
            raise InvalidOptionError(f"mean and std must be finite, got {self.mean}, {self.std}")
        if min(self.std) <= 0:
            raise InvalidOptionError(f"std must be above 0, got {list(self.std)}")

    @property
    def told(self) -> str:
        """Return it in a few words."""
        return f"{self.input_size} px"

    def plain(self) -> Json:
        """Return plain values that are the same for 1 and 1.0, a list and a tuple."""
        return json.loads(json.dumps(asdict(self)), parse_int=float)


@dataclass(frozen=True)
class Geometry:
    """How an image is brought to size; sources that share it share the decoded pixels.

    Args:
        input_size: Side s of the square in pixels.
        crop_pct: Fraction of the resized shorter side that the centre crop keeps, in (0, 1].
        interpolation: "nearest", "bilinear", "bicubic" or "lanczos".

    Raises:
        InvalidOptionError: If a value is not allowed.
    """

    input_size: int
    crop_pct: float
    interpolation: str

    def __post_init__(self) -> None:
        if self.input_size < 1:
            raise InvalidOptionError(f"input_size must be at least 1, got {self.input_size}")
        if not 0 < self.crop_pct <= 1:
            raise InvalidOptionError(f"crop_pct must be in (0, 1], got {self.crop_pct}")
        if self.input_size > LARGEST_INPUT * min(1, 2 * self.crop_pct):
            raise InvalidOptionError(
                f"input_size must be at most {LARGEST_INPUT} and input_size / crop_pct at most "
                f"{2 * LARGEST_INPUT}, got {self.input_size} and {self.crop_pct}"
            )
        if self.interpolation not in _FILTERS:
            raise InvalidOptionError(
                f"interpolation must be one of {', '.join(_FILTERS)}, got {self.interpolation!r}"
            )

    @classmethod
    def of(cls, preprocessing: Preprocessing) -> Geometry:
        """Return the geometric part of a preprocessing."""
        return cls(preprocessing.input_size, preprocessing.crop_pct, preprocessing.interpolation)

    @property
    def resized_side(self) -> int:
        """Return the shorter side in pixels before the crop."""
        return max(round(self.input_size / self.crop_pct), self.input_size)


def decode(images: ImageSet, geometry: Geometry) -> Tensor:
    """Return the uint8 (n, 3, s, s) pixels: shorter side resized, centre cropped.

    Raises:
        CorruptImagesError: If an image cannot be decoded.
    """
    return _stacked(_decoded(images, geometry), geometry)


def standardise(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Return float32 pixels scaled to [0, 1], then with the source's mean and std.

    Args:
        pixels: uint8 (b, 3, h, w), on any device.
        preprocessing: Mean and std of each channel.
    """
    mean = torch.tensor(preprocessing.mean, device=pixels.device).view(1, 3, 1, 1)
    std = torch.tensor(preprocessing.std, device=pixels.device).view(1, 3, 1, 1)
    return pixels.to(torch.float32).div_(255).sub_(mean).div_(std)


def to_channels(x: Tensor, num_channels: int) -> Tensor:
    """Return standardised (b, 3, h, w) images for a network with another number of channels.

    One channel reads the mean of the three; more read them in turn, scaled by 3 / c, which keeps
    the sum that the first layer sees.
    """
    if num_channels == 3:
        return x
    if num_channels == 1:
        return x.mean(dim=1, keepdim=True)
    return x[:, [i % 3 for i in range(num_channels)]] * (3 / num_channels)


class PixelStore:
    """Decoded images in memory, by content and geometry; the least recently used ones go.

    Several threads may use one store.

    Args:
        max_bytes: Memory for pixels; what does not fit is decoded again when it is needed.
    """

    def __init__(self, max_bytes: int) -> None:
        self._pixels: Recent[tuple[str, Geometry], Tensor] = Recent(max_bytes, lambda p: p.nbytes)

    def get(self, images: ImageSet, geometry: Geometry) -> Tensor:
        """Return the uint8 (n, 3, s, s) pixels of the images; each content decoded once."""
        digests = images.pixel_keys
        kept = {digest: self._pixels.get((digest, geometry)) for digest in digests}
        found = {digest: pixels for digest, pixels in kept.items() if pixels is not None}
        missing = {d: i for i, d in reversed(list(enumerate(digests))) if d not in found}
        fresh = _decoded(images.subset(list(missing.values())), geometry)
        for digest, pixels in zip(missing, fresh, strict=True):
            found[digest] = pixels
            self._pixels.put((digest, geometry), pixels)
        return _stacked([found[digest] for digest in digests], geometry)


def _decoded(images: ImageSet, geometry: Geometry) -> list[Tensor]:
    """Return each image as uint8 (3, s, s)."""
    needed = DECODING_MARGIN * geometry.resized_side

    def one(position: int) -> Tensor:
        pixels = np.asarray(_fitted(images.read(position, needed), geometry))  # (s, s, 3)
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

    return in_threads(one, range(len(images)))


def _fitted(image: Image.Image, geometry: Geometry) -> Image.Image:
    """Return the s x s centre of an image whose shorter side was resized, up or down."""
    shorter, side = min(image.size), geometry.input_size
    image = _centre(image, *(min(long, LONGEST_RATIO * shorter) for long in image.size))
    width, height = (round(x * geometry.resized_side / shorter) for x in image.size)
    if (width, height) != image.size:
        image = image.resize((width, height), _FILTERS[geometry.interpolation])
    return _centre(image, side, side)


def _centre(image: Image.Image, width: int, height: int) -> Image.Image:
    if image.size == (width, height):
        return image
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _stacked(pixels: list[Tensor], geometry: Geometry) -> Tensor:
    if not pixels:
        return torch.empty((0, 3, geometry.input_size, geometry.input_size), dtype=torch.uint8)
    return torch.stack(pixels)
