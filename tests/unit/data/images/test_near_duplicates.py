from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from autotransfer.data.images.near_duplicates import near_duplicates
from autotransfer.data.target import open_images


def _photo(seed: int, side: int = 96) -> Image.Image:
    """Return an image with large shapes and some texture."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (5, 5, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), dtype=float)
    noisy = smooth + rng.normal(0, 4, smooth.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def _saved(folder: Path, pictures: list[Image.Image]) -> Path:
    folder.mkdir()
    for i, picture in enumerate(pictures):
        picture.save(folder / f"{i:03d}.png")
    return folder


def test_copies_are_found_and_others_are_not(tmp_path: Path) -> None:
    first = _photo(0)
    squeezed = io.BytesIO()
    first.save(squeezed, "JPEG", quality=40)
    copies = [
        first.resize((64, 64), Image.Resampling.LANCZOS),
        Image.open(squeezed),
        first.resize((300, 300), Image.Resampling.BILINEAR),
    ]
    others = [_photo(seed) for seed in range(1, 30)]
    folder = _saved(tmp_path / "pictures", [first, *copies, *others])
    found = near_duplicates(open_images(folder))
    assert found.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]


def test_what_only_resembles_is_not_a_copy(tmp_path: Path) -> None:
    first = _photo(0)
    brighter = ImageEnhance.Brightness(first).enhance(1.4)
    mirrored = first.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    folder = _saved(tmp_path / "pictures", [first, brighter, mirrored])
    assert near_duplicates(open_images(folder)).tolist() == []


def test_flat_pictures_are_not_taken_for_one_another(tmp_path: Path) -> None:
    flat = [Image.new("RGB", (50, 50), (level, level, level)) for level in (100, 101, 102)]
    folder = _saved(tmp_path / "pictures", flat)
    assert len(near_duplicates(open_images(folder))) == 0


def test_positions_go_on_from_one_set_to_the_next(tmp_path: Path) -> None:
    train = _saved(tmp_path / "train", [_photo(1), _photo(2)])
    test = _saved(tmp_path / "test", [_photo(3), _photo(2)])
    found = near_duplicates(open_images(train), open_images(test))
    assert found.tolist() == [[1, 3]]


def test_one_picture_has_no_copy(tmp_path: Path) -> None:
    assert near_duplicates(open_images(_saved(tmp_path / "one", [_photo(0)]))).shape == (0, 2)
