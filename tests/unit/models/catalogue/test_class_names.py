from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import open_target
from autotransfer.errors import InvalidTargetError
from autotransfer.models.catalogue.class_names import known_images, open_classes


def _pictures(root: Path, *places: str) -> str:
    for i, place in enumerate(places):
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 10 * i, dtype=np.uint8)).save(path)
    return str(root)


def _classes(*names: str) -> ImageSet:
    pixels = np.arange(len(names) * 192, dtype=np.uint32).reshape(-1, 8, 8, 3) % 251
    return open_target((pixels.astype(np.uint8), list(names)), minimum_per_class=1).train


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("tench", "tench, Tinca tinca"),
        ("Tinca_Tinca", "tench, Tinca tinca"),
        ("000_n01440764_tench", "tench"),
        ("n01440764_tench", "Tench"),
        ("12_great_white_shark", "great white shark"),
        ("birds", "bird"),
        ("T-shirt", "t shirt"),
    ],
)
def test_a_class_matches_by_any_spelling_of_its_name(folder: str, name: str) -> None:
    images = _classes(folder, "nothing that it knows")
    known, columns = known_images(images, ["a", "b", name], most=9)
    assert len(known) == 1
    assert columns[images.class_names.index(folder)] == 2
    assert columns[images.class_names.index("nothing that it knows")] == -1


def test_of_two_classes_with_one_name_the_first_is_taken() -> None:
    _, columns = known_images(_classes("crane", "ox"), ["crane", "ox", "crane"], most=9)
    assert columns.tolist() == [0, 1]


def test_of_many_pictures_the_same_sample_is_drawn() -> None:
    images = _classes(*"abcdefgh")
    first, _ = known_images(images, list("abcdefgh"), most=5)
    second, _ = known_images(images, list("abcdefgh"), most=5)
    assert len(first) == 5
    assert first.digests == second.digests


def test_one_picture_of_a_class_is_enough(tmp_path: Path) -> None:
    images = open_classes(_pictures(tmp_path, "cat/0.png", "dog/0.png"))
    assert images.class_names == ("cat", "dog")


def test_folders_that_lie_deeper_are_classes_all_the_same(tmp_path: Path) -> None:
    images = open_classes(_pictures(tmp_path, "all/cat/0.png", "all/dog/0.png", "all/dog/1.png"))
    assert images.class_names == ("cat", "dog")
    assert images.labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("places", "words"),
    [
        (("0.png", "1.png"), "need labels"),
        (("all/cat/0.png",), "one class|lie deeper"),
        (("0.png", "cat/1.png"), "loose images"),
    ],
)
def test_pictures_without_classes_are_refused(
    tmp_path: Path, places: tuple[str, ...], words: str
) -> None:
    with pytest.raises(InvalidTargetError, match=words):
        open_classes(_pictures(tmp_path, *places))


def test_a_missing_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTargetError, match="nowhere"):
        open_classes(str(tmp_path / "nowhere"))
