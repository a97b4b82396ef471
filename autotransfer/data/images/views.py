"""Views of an item: the image itself, its mirror image, and random ones for training.

A view is drawn from the content of the image and a number, not from a running generator, so
that whatever was computed for a view can be kept and found again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from torchvision.transforms import v2

RANDOM_KINDS = ("flip", "crop", "colour", "shift", "strong")
WORDS, FEW_WORDS, MASK = "words", "few words", "mask"  # of texts
GAIN, MASKS = "gain", "masks"  # of sounds
KINDS = ("plain", "mirror", *RANDOM_KINDS, WORDS, FEW_WORDS, MASK, GAIN, MASKS)
_CROP_AREA = (0.6, 1.0)  # small targets: a crop must still show what the label says
_JITTER = 0.25
_SHIFT = 0.125  # of the side, at most; as FixMatch, section 2.3
_OPERATIONS, _MAGNITUDES = 2, range(1, 31)  # of RandAugment, each at a magnitude of its own
_CUTOUT = (0.01, 0.25)  # of the area
_GREY = 127


@dataclass(frozen=True)
class View:
    """How pixels are changed before a network sees them.

    Args:
        kind: "plain"; "mirror" for left and right exchanged; "flip" for one of the two at random;
            "crop" for a random part of 60 to 100 % of the area, brought back to size, and a flip;
            "colour" for that and random brightness, contrast and saturation; "shift" for a flip
            and a shift by up to an eighth of the side; "strong" for that, two random operations
            of RandAugment and a grey square (Cutout); "words" for a text without a tenth of its
            tokens, "few words" without three; "mask" for one of which 15 % are masked. Of sounds
            see `data.sounds.views`.
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
        if self.kind in (WORDS, FEW_WORDS, MASK):
            raise TypeError("images have no words to leave out or to mask")
        if self.kind in (GAIN, MASKS):
            raise TypeError(f"images have no view {self.kind!r}, which is for sounds")
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
    from torchvision.transforms import v2

    flip = v2.RandomHorizontalFlip()
    if kind == "flip":
        return flip
    if kind in ("shift", "strong"):
        weak = [flip, v2.RandomAffine(0, translate=(_SHIFT, _SHIFT), fill=_GREY)]
        return v2.Compose([*weak, *_strong()] if kind == "strong" else weak)
    crop = v2.RandomResizedCrop(side, scale=_CROP_AREA, ratio=(0.8, 1.25), antialias=True)
    if kind == "crop":
        return v2.Compose([crop, flip])
    return v2.Compose([crop, flip, v2.ColorJitter(_JITTER, _JITTER, _JITTER)])


def _strong() -> list[v2.Transform]:
    """Return what makes a view strong.

    References:
        Cubuk et al., RandAugment, NeurIPS 2020, arXiv:1909.13719; DeVries and Taylor, Cutout,
        arXiv:1708.04552.
    """
    from torchvision.transforms import v2

    operation = v2.RandomChoice(
        [v2.RandAugment(1, magnitude, fill=_GREY) for magnitude in _MAGNITUDES]
    )
    cutout = v2.RandomErasing(p=1.0, scale=_CUTOUT, ratio=(1.0, 1.0), value=_GREY)
    return [operation] * _OPERATIONS + [cutout]
