"""Two items put together as one: what is said of it shows where the boundaries of classes lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autotransfer.data.image_set import ImageSet
from autotransfer.data.modality import Modality
from autotransfer.data.sounds.blending import blended_sound
from autotransfer.data.target import open_images
from autotransfer.data.texts.blending import blended_text


def blended(items: ImageSet, pairs: NDArray[np.int64], share: float) -> ImageSet | None:
    """Return a blend of every pair; None where nothing blends such items.

    Args:
        items: The items.
        pairs: (2, r) positions; the first one makes up the larger part.
        share: Of the first item in a blend, between a half and one.
    """
    blend = _BLENDS.get(items.modality)
    if blend is None:
        return None
    found = [blend(items.read(a), items.read(b), share) for a, b in pairs.T.tolist()]
    return open_images(found, modality=items.modality)


def _blended_image(first: Image.Image, second: Image.Image, share: float) -> Image.Image:
    one = first.convert("RGB")
    return Image.blend(second.convert("RGB").resize(one.size), one, share)


_BLENDS: Mapping[Modality, Callable[..., object]] = {
    Modality.IMAGE: _blended_image,
    Modality.TEXT: blended_text,
    Modality.SOUND: blended_sound,
}
