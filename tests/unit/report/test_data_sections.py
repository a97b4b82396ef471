"""Sections about the images themselves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.stats import mannwhitneyu

from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import open_target
from autotransfer.plugin.testing import shapes
from autotransfer.report.differing import (
    Difference,
    differences,
    share_difference,
    telling_apart,
)
from autotransfer.report.embedding import embedding_section, mixing, plane
from autotransfer.report.health import (
    BAD_FILES,
    balance_section,
    duplicates_section,
    evenness,
    exact_duplicates,
)
from autotransfer.report.looks import Look, looks_of
from autotransfer.report.material import Material
from autotransfer.report.shift import kind_of_shift, shift_section

Make = Callable[..., Any]


def _flat(*colours: tuple[int, int, int], side: int = 16) -> ImageSet:
    pixels = np.stack([np.full((side, side, 3), colour, dtype=np.uint8) for colour in colours])
    return open_target((pixels, ["x", *["y"] * (len(colours) - 1)]), minimum_per_class=1).train


def test_looks_of_flat_pictures_are_those_of_their_colour() -> None:
    grey, red = looks_of(_flat((51, 51, 51), (255, 0, 0)))
    assert (grey.brightness, grey.contrast, grey.saturation) == pytest.approx((0.2, 0.0, 0.0))
    assert (red.brightness, red.saturation, red.warmth) == pytest.approx((0.299, 1.0, 1.0))
    assert (red.sharpness, red.megapixels, red.aspect) == pytest.approx((0.0, 256e-6, 1.0))


def test_camera_and_day_come_from_the_file(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[272] = "Box Brownie"
    tags.get_ifd(0x8769)[36867] = "2024:02:29 10:00:00"
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(2):
            picture = Image.new("RGB", (40, 20), (i * 50, 100, 0))
            picture.save(tmp_path / name / f"{i}.jpg", exif=tags)
    look = looks_of(open_target(tmp_path).train)[0]
    assert look.camera == "Box Brownie"
    assert look.day == date(2024, 2, 29).toordinal()
    assert look.megapixels == pytest.approx(0.0008)
    assert look.aspect == 2.0


def _looks(brightness: list[float], camera: str = "") -> list[Look]:
    return [Look(b, 0.1, 0.1, 0.1, 0.0, 1.0, 1.0, camera) for b in brightness]


def test_the_size_of_a_difference_is_counted_over_all_pairs() -> None:
    first = [0.1 * i for i in range(12)]
    second = [0.1 * i + 0.35 for i in range(12)]
    found = {d.name: d for d in differences(_looks(first), _looks(second))}
    pairs = [np.sign(b - a) for a in first for b in second]
    assert found["brightness"].size == pytest.approx(np.mean(pairs))
    assert found["contrast"].size == 0
    assert "camera" not in found
    assert "day" not in found


def test_p_values_are_corrected_for_all_numbers_together() -> None:
    first, second = [i / 20 for i in range(20)], [i / 20 + 0.3 for i in range(20)]
    found = {d.name: d for d in differences(_looks(first), _looks(second))}
    alone = mannwhitneyu(second, first).pvalue
    assert found["brightness"].p_value == pytest.approx(7 * alone)  # seven numbers are there
    assert found["aspect"].p_value == 1.0


def test_cameras_are_compared_by_their_shares() -> None:
    first = [*_looks([0.5] * 8, "A"), *_looks([0.5] * 4, "B")]
    second = _looks([0.5] * 12, "C")
    camera = next(d for d in differences(first, second) if d.name == "camera")
    assert camera.size == 1.0
    assert camera.first == "A (67 %)"
    assert camera.clear


def test_class_shares_differ_by_their_total_variation() -> None:
    found = share_difference("classes", "a" * 30 + "b" * 10, "a" * 10 + "b" * 30)
    assert found.size == pytest.approx(0.5)
    assert found.clear


def test_a_classifier_that_errs_as_chance_does_tells_nothing_apart() -> None:
    assert telling_apart(0.0, 50)[0] == 0.5
    assert telling_apart(0.0, 50)[1] > 0.5
    accuracy, p_value = telling_apart(2.0, 10)
    assert accuracy == 1.0
    assert p_value == pytest.approx(0.5**20)


def _difference(size: float) -> Difference:
    return Difference("brightness", 0.2, 0.8, size, 0.001)


def test_each_kind_of_shift_is_named_for_what_was_found() -> None:
    classes, same = Difference("classes", "a", "b", 0.4, 0.001), Difference("c", "", "", 0, 1.0)
    assert "input shift" in kind_of_shift([_difference(0.6)], same, None, dropped=False)
    assert "label shift" in kind_of_shift([], classes, None, dropped=False)
    assert "input shift" in kind_of_shift([], same, (0.9, 1e-6), dropped=False)
    assert "concept shift" in kind_of_shift([], same, None, dropped=True)
    assert "No shift was found" in kind_of_shift(
        [_difference(0.05)], same, (0.51, 0.4), dropped=False
    )
    assert "label shift cannot be seen" in kind_of_shift([], None, None, dropped=False)


def test_two_sets_of_another_brightness_are_told_apart_in_the_report(make_record: Make) -> None:
    rng = np.random.default_rng(0)
    dark, light = (
        open_target(
            (rng.integers(low, low + 100, (20, 8, 8, 3), dtype=np.uint8), ["a", "b"] * 10)
        ).train
        for low in (0, 150)
    )
    material = Material(make_record(), images={"training images": dark, "others": light})
    found = str(shift_section(material))
    assert "This looks like input shift: the images differ in brightness" in found
    assert "only labels of both sets do" in found
    assert shift_section(Material(make_record(), images={"training images": dark})) is None


def test_copies_are_counted_by_the_sets_they_lie_in() -> None:
    first = _flat((1, 2, 3), (1, 2, 3), (4, 5, 6))
    second = _flat((4, 5, 6), (7, 8, 9))
    assert exact_duplicates({"a": first, "b": second}) == {("a", "a"): 1, ("a", "b"): 1}


def test_a_resized_copy_is_shown_with_its_picture(make_record: Make, tmp_path: Path) -> None:
    images = shapes(2, 3, seed=1)
    for i in range(len(images)):
        (tmp_path / f"c{images.labels[i]}").mkdir(exist_ok=True)
        images[i].save(tmp_path / f"c{images.labels[i]}" / f"{i}.png")
    images[0].resize((64, 64), Image.Resampling.BICUBIC).save(tmp_path / "c1" / "copy.png")
    target = open_target(tmp_path).train
    record = make_record(class_names=target.class_names)
    found = str(duplicates_section(Material(record, images={"training images": target})))
    assert "look the same" in found
    assert found.count("<img") == 2
    none = str(duplicates_section(Material(record, images={"t": target.subset([0, 3])})))
    assert "No image occurs twice" in none


def test_uneven_classes_get_advice() -> None:
    assert "2.0 times" in evenness(_flat((1, 1, 1), (2, 2, 2), (3, 3, 3)))
    uneven = evenness(_flat(*[(i, i, i) for i in range(6)]))
    assert "5.0 times" in uneven
    assert "--class-weights" in uneven


def test_the_balance_counts_every_class_in_every_labelled_set(make_record: Make) -> None:
    pictures = {"training images": _flat((1, 1, 1), (2, 2, 2), (3, 3, 3))}
    found = str(balance_section(Material(make_record(), images=pictures)))
    assert '<td class="number">2</td>' in found
    assert "width:50.0%" in found


def test_bad_files_are_named_as_the_target_named_them(make_record: Make, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(2):
            Image.new("RGB", (8, 8), (i * 50, 100, ord(name))).save(tmp_path / name / f"{i}.png")
    (tmp_path / "a" / "broken.png").write_bytes(b"no image")
    notes = open_target(tmp_path, on_bad_image="skip").notes
    assert any(BAD_FILES in note for note in notes)
    found = str(balance_section(Material(make_record(warnings=notes))))
    assert "broken.png" in found


def test_domains_that_lie_apart_have_neighbours_of_their_own_only() -> None:
    rng = np.random.default_rng(0)
    side = np.repeat([0, 1], 40)
    points = rng.normal(size=(80, 5))
    assert mixing(points + 100 * side[:, None], side) == 1.0
    assert mixing(points, side) == pytest.approx(0.5, abs=0.1)


def test_the_map_is_the_same_every_time_and_drawn_for_each_kind_of_features(
    make_record: Make,
) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(24, 6))
    assert np.array_equal(plane(features), plane(features))
    left, right = shapes(2, 6, seed=1), shapes(2, 6, seed=2)
    material = Material(
        make_record(),
        domains={"photos": left, "sketches": right},
        embeddings={
            "source-only": lambda images: features[: len(images)],
            "after adapting": lambda images: features[: len(images)],
        },
    )
    found = str(embedding_section(material))
    assert found.count("<svg") == 2
    assert "Map of photos and sketches, source-only" in found
    assert embedding_section(Material(make_record())) is None
