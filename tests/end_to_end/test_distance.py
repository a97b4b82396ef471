from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import autotransfer
from autotransfer.cli import run
from autotransfer.errors import InvalidTargetError
from autotransfer.plugin.testing.tiny import shapes, tiny_source
from autotransfer.transferability.distances import MEASURES


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOTRANSFER_CACHE", str(tmp_path / "cache"))


def test_two_halves_of_one_set_are_near_and_other_pictures_far() -> None:
    images = shapes(3, 40)
    order = np.random.default_rng(5).permutation(len(images))
    first, second = images.subset(order[:60]), images.subset(order[60:])
    near = autotransfer.distance(first, second, sources=[tiny_source()])
    assert near.sentence.startswith("The two sets are near")
    assert near.num_images == (60, 60)
    assert set(near.distances) == set(MEASURES) | {"js-null"}
    assert set(near.levels.values()) == {"near"}
    noise = np.random.default_rng(1).integers(0, 255, (60, 32, 32, 3), dtype=np.uint8)
    far = autotransfer.distance(first, noise, sources=[tiny_source()])
    assert far.sentence.startswith("The two sets are far apart")
    assert far.distances["mmd"] > near.distances["mmd"]


def test_the_order_of_the_larger_set_brings_it_no_farther_away() -> None:
    many, few = shapes(3, 60, seed=1), shapes(3, 20, seed=2)  # both come class by class
    shuffled = many.subset(np.random.default_rng(0).permutation(len(many)))
    found = [
        autotransfer.distance(
            images, few, sources=[tiny_source()], measures=["proxy-a-distance"]
        ).distances["proxy-a-distance"]
        for images in (many, shuffled)
    ]
    assert max(found) < 0.7, found


def test_pictures_that_are_in_both_sets_are_counted() -> None:
    images = shapes(3, 10)
    found = autotransfer.distance(images, images.subset(range(15)), sources=[tiny_source()])
    assert "15 image(s) are in both sets" in found.notes


def test_a_few_pictures_are_refused() -> None:
    with pytest.raises(InvalidTargetError, match="the second set has 3 image"):
        autotransfer.distance(shapes(3, 10), shapes(3, 1), sources=[tiny_source()])


def _folder(folder: Path, pixels: np.ndarray) -> str:
    folder.mkdir()
    for i, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / f"{i:03d}.png")
    return str(folder)


def test_the_command_prints_one_json_object_or_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    a = _folder(tmp_path / "a", rng.integers(0, 99, (12, 32, 32, 3), dtype=np.uint8))
    b = _folder(tmp_path / "b", rng.integers(120, 250, (14, 32, 32, 3), dtype=np.uint8))
    (tmp_path / "catalogue.toml").write_text(
        '[[source]]\nname = "tiny"\narchitecture = "test_resnet"\nuntrained = true\n'
        "input_size = 32\n"
    )
    arguments = ["distance", a, b, "--sources", str(tmp_path / "catalogue.toml")]
    assert run([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == {"a": 12, "b": 14}
    assert found["source"] == "tiny"
    assert found["levels"]["proxy-a-distance"] == "far"
    assert all(np.isfinite(list(found["distances"].values())))
    assert run([*arguments, "--measure", "mmd", "--measure", "energy"]) == 0
    text = capsys.readouterr().out
    assert "12 and 14 images" in text
    assert "energy" in text
    assert "frechet" not in text
    assert "The two sets are" in text


@pytest.mark.parametrize(
    ("extra", "words"),
    [(["--measure", "magic"], "magic"), (["--source", "none"], "none")],
)
def test_a_wrong_name_is_one_line_and_exit_code_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str], words: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 99, (12, 32, 32, 3), dtype=np.uint8)
    a = _folder(tmp_path / "a", pixels)
    (tmp_path / "catalogue.toml").write_text(
        '[[source]]\nname = "tiny"\narchitecture = "test_resnet"\nuntrained = true\n'
        "input_size = 32\n"
    )
    arguments = ["distance", a, a, "--sources", str(tmp_path / "catalogue.toml"), *extra]
    assert run(arguments) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert "Traceback" not in errors


def test_places_without_enough_pictures_are_one_line_and_exit_code_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 99, (12, 32, 32, 3), dtype=np.uint8)
    good, one = _folder(tmp_path / "good", pixels), _folder(tmp_path / "one", pixels[:1])
    (tmp_path / "empty").mkdir()
    for bad, words in [
        (str(tmp_path / "empty"), "no images"),
        (one, "1 image"),
        (str(tmp_path / "nowhere"), "nowhere"),
        (str(Path(one) / "000.png"), "1 image"),
    ]:
        for pair in ([good, bad], [bad, good]):
            assert run(["distance", *pair, "--sources", "test_resnet"]) == 2
            printed = capsys.readouterr()
            assert printed.out == ""
            assert words in printed.err
            assert "Traceback" not in printed.err
            assert sum(line.startswith("autotransfer: ") for line in printed.err.split("\n")) == 1


def test_of_large_sets_a_fixed_sample_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autotransfer.inspection.distance.MOST_IMAGES", 20)
    images = shapes(3, 12)
    found = [
        autotransfer.distance(images, images.subset(range(15)), sources=[tiny_source()])
        for _ in range(2)
    ]
    assert found[0] == found[1]
    assert found[0].num_images == (20, 15)
    assert found[0].notes[0] == "20 of the 36 images of the first set were compared"


def test_labels_and_splits_do_not_matter(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 32, 3), dtype=np.uint8)
    labelled = tmp_path / "labelled.npz"
    np.savez(
        labelled,
        x_train=pixels[:14],
        y_train=np.arange(14) % 2,
        x_test=pixels[14:],
        y_test=np.arange(10) % 2,
    )
    found = autotransfer.distance(labelled, pixels, sources=[tiny_source()])
    assert found.num_images == (24, 24)
    assert found.notes == ("24 image(s) are in both sets",)
    assert found.sentence.startswith("The two sets are near")
