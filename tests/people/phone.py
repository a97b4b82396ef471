"""What comes off a phone: a zip that a Mac made, with everything that lies in such a zip."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageOps
from pillow_heif import register_heif_opener

FOLDERS = {"daisy": "雏菊", "rose": "Rosen vom Balkon", "sunflower": "sun flowers (big)"}
WRAPPER = "Blumen 2024 花"
TURNED = 6  # EXIF: to be turned by 90 degrees to the right
_ORIENTATION = 0x0112
_MOVIE = b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(4096)


def mac_zip(archive: Path, photos: Mapping[str, Sequence[bytes]]) -> int:
    """Write the zip, and return how many images it has.

    Every third image is HEIC, every third a JPEG that is to be turned, the others are plain.

    Args:
        archive: The file to write.
        photos: Contents of images, by class.
    """
    register_heif_opener()
    number = 0
    with zipfile.ZipFile(archive, "w") as zipped:

        def put(name: str, content: bytes) -> None:
            """Write a file as a Mac does: the name's letters in UTF-8, without the flag for it."""
            info = _Unflagged(f"{WRAPPER}/{name}", (2024, 5, 1, 12, 0, 0))
            zipped.writestr(info, content)
            apart = name.rpartition("/")
            left = _Unflagged(f"__MACOSX/{WRAPPER}/{apart[0]}/._{apart[2]}")
            zipped.writestr(left, b"\0\x05\x16\x07")

        for folder, contents in photos.items():
            place = FOLDERS.get(folder, folder)
            put(f"{place}/.DS_Store", b"\0\0\0\1Bud1")
            for content in contents:
                number += 1
                put(*_as_taken(f"{place}/IMG_{number:04d}", content, number % 3))
        put(f"{place}/IMG_0003.MOV", _MOVIE)
        put(f"{place}/IMG_0004.AAE", b"<?xml version='1.0'?><plist/>")
    return number


class _Unflagged(zipfile.ZipInfo):
    """A member whose name is written in UTF-8 without saying so."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - of the standard library
        return self.filename.encode(), self.flag_bits


def _as_taken(name: str, content: bytes, kind: int) -> tuple[str, bytes]:
    image = Image.open(io.BytesIO(content)).convert("RGB")
    out = io.BytesIO()
    if kind == 0:
        image.save(out, "HEIF", quality=90)
        return f"{name}.HEIC", out.getvalue()
    if kind == 1:  # stored lying down; upright once the tag is heeded
        exif = Image.Exif()
        exif[_ORIENTATION] = TURNED
        image.transpose(Image.Transpose.ROTATE_90).save(out, "JPEG", quality=95, exif=exif)
        stored = Image.open(io.BytesIO(out.getvalue()))
        assert ImageOps.exif_transpose(stored).size == image.size
        return f"{name} (1).JPG", out.getvalue()
    return f"{name}.jpg", content
