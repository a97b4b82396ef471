"""Generated images: small, all different, and with a known colour."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from PIL import Image

Encode: TypeAlias = Callable[..., bytes]
Picture: TypeAlias = Callable[..., Image.Image]
Grow: TypeAlias = Callable[..., Path]


def draw(seed: int = 0, size: tuple[int, int] = (16, 12)) -> Image.Image:
    """Return a noisy RGB image (width, height) that no other seed gives."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def encode_picture(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """Return the file of an image."""
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


@pytest.fixture
def picture() -> Picture:
    return draw


@pytest.fixture
def encode() -> Encode:
    return encode_picture


@pytest.fixture
def grow(tmp_path: Path) -> Grow:
    """Write {path: number of images, or the bytes of a file} below a new folder or archive."""

    def write(tree: Mapping[str, int | bytes], where: str = "photos") -> Path:
        files: dict[str, bytes] = {}
        for path, content in tree.items():
            if isinstance(content, bytes):
                files[path] = content
                continue
            for i in range(content):
                seed = 1000 * len(files) + i
                files[f"{path}/{i:03d}.png"] = encode_picture(draw(seed))
        target = tmp_path / where
        if target.suffix == ".zip":
            with zipfile.ZipFile(target, "w") as archive:
                for name, data in files.items():
                    archive.writestr(name, data)
            return target
        for name, data in files.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(data)
        return target

    return write
