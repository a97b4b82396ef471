"""Views of an image: the image itself, its mirror image, and random ones for training.

A view is drawn from the content of the image and a number, not from a running generator, so
that whatever was computed for a view can be kept and found again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torchvision.transforms import v2

RANDOM_KINDS = ("flip", "crop", "colour")
KINDS = ("plain", "mirror", *RANDOM_KINDS)
_CROP_AREA = (0.6, 1.0)  # small targets: a crop must still show what the label says
_JITTER = 0.25


@dataclass(frozen=True)
class View:
    """How pixels are changed before a network sees them.

    Args:
        kind: "plain"; "mirror" for left and right exchanged; "flip" for one of the two at random;
            "crop" for a random part of 60 to 100 % of the area, brought back to size, and a flip;
            "colour" for that and random brightness, contrast and saturation.
        number: Another number, another draw.
    """

    kind: str = "plain"
    number: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")

    def apply(self, pixels: Tensor, digests: Sequence[str]) -> Tensor:
        """Return the view of uint8 (b, 3, s, s) pixels of the images with these hashes."""
        if self.kind == "plain":
            return pixels
        if self.kind == "mirror":
            return pixels.flip(-1)
        transform = _transform(self.kind, pixels.shape[-1])
        views = []
        with torch.random.fork_rng(devices=[]):
            for image, digest in zip(pixels, digests, strict=True):
                torch.default_generator.manual_seed(int(digest[:12], 16) + self.number)
                views.append(transform(image))
        return torch.stack(views)


PLAIN = View()


@cache
def _transform(kind: str, side: int) -> v2.Transform:
    flip = v2.RandomHorizontalFlip()
    if kind == "flip":
        return flip
    crop = v2.RandomResizedCrop(side, scale=_CROP_AREA, ratio=(0.8, 1.25), antialias=True)
    if kind == "crop":
        return v2.Compose([crop, flip])
    return v2.Compose([crop, flip, v2.ColorJitter(_JITTER, _JITTER, _JITTER)])
