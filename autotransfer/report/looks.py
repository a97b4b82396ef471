"""What an image looks like, in a few numbers; and what its file says of camera and date."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

import numpy as np
from PIL import Image
from PIL.ExifTags import IFD, Base
from scipy.ndimage import laplace

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.decoding import in_threads, open_file
from autotransfer.data.images.reading import FileReader
from autotransfer.data.modality import Modality

SIDE = 128  # pixels of the shortest side that the numbers are taken at
_TURNED = (5, 6, 7, 8)  # orientations that exchange width and height


@dataclass(frozen=True)
class Look:
    """One image.

    Args:
        brightness: Mean grey in [0, 1].
        contrast: Standard deviation of the grey, of the same scale.
        sharpness: Standard deviation of the Laplacian of the grey; low where it is blurred.
        saturation: Mean saturation in [0, 1].
        warmth: Mean red less mean blue, in [-1, 1].
        megapixels: Size of the file's image, 1e6 pixels.
        aspect: Width over height.
        camera: Model that the file names; empty for none.
        day: Day on which it was taken, as an ordinal; None where the file does not say.
    """

    brightness: float
    contrast: float
    sharpness: float
    saturation: float
    warmth: float
    megapixels: float
    aspect: float
    camera: str = ""
    day: float | None = None


NUMBERS = tuple(field.name for field in fields(Look) if field.name != "camera")


def looks_of(images: ImageSet) -> list[Look]:
    """Return what each image looks like; nothing of other items."""
    if images.modality is not Modality.IMAGE:
        return []
    return in_threads(lambda i: _look(images, i), range(len(images)))


def _look(images: ImageSet, position: int) -> Look:
    image = images.read(position, SIDE)
    (width, height), camera, day = _of_file(images, position, image)
    image.thumbnail((2 * SIDE, 2 * SIDE))
    pixels = np.asarray(image, dtype=np.float64) / 255  # (h, w, 3)
    grey = pixels @ (0.299, 0.587, 0.114)  # ITU-R BT.601
    largest, smallest = pixels.max(axis=2), pixels.min(axis=2)
    saturation = (largest - smallest) / np.maximum(largest, 1 / 255)
    return Look(
        brightness=float(grey.mean()),
        contrast=float(grey.std()),
        sharpness=float(laplace(grey).std()),
        saturation=float(saturation.mean()),
        warmth=float((pixels[..., 0] - pixels[..., 2]).mean()),
        megapixels=width * height / 1e6,
        aspect=width / height,
        camera=camera,
        day=day,
    )


def _of_file(
    images: ImageSet, position: int, image: Image.Image
) -> tuple[tuple[int, int], str, float | None]:
    """Return size, camera and day; images in arrays have their size alone."""
    reader = images.reader
    if not isinstance(reader, FileReader):
        return images.read(position).size, "", None
    try:
        file = open_file(reader.content(int(images.positions[position])))
        tags = file.getexif()
        taken = tags.get_ifd(IFD.Exif).get(Base.DateTimeOriginal) or tags.get(Base.DateTime)
        width, height = file.size
        size = (height, width) if tags.get(Base.Orientation) in _TURNED else (width, height)
        return size, str(tags.get(Base.Model, "")).strip("\x00 "), _day(taken)
    except (OSError, ValueError, SyntaxError):
        return image.size, "", None


def _day(text: object) -> float | None:
    try:
        return float(datetime.strptime(str(text)[:10], "%Y:%m:%d").toordinal())
    except ValueError:
        return None
