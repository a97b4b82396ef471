from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_digits

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import InvalidTargetError
from autotransfer.models.predictors import descriptions
from autotransfer.models.predictors.base import FeatureReader
from autotransfer.models.predictors.pixels import PixelPredictor, describe, fit_pixels

NO_FEATURES = cast("FeatureReader", None)  # the baseline must not look at the source


class InMemory:
    """Images that are already decoded; counts how often each is read."""

    def __init__(self, pictures: Sequence[Image.Image]) -> None:
        self.images = pictures
        self.names = self.digests = tuple(str(index) for index in range(len(pictures)))
        self.reads = [0] * len(pictures)

    def read(self, index: int, min_side: int | None = None) -> Image.Image:
        self.reads[index] += 1
        return self.images[index]


def image_set(pictures: Sequence[Image.Image], labels: Sequence[int]) -> ImageSet:
    names = tuple(str(name) for name in range(max(labels) + 1))
    return ImageSet(InMemory(pictures), range(len(pictures)), labels, names)


def coloured(labels: Sequence[int], seed: int = 0) -> ImageSet:
    """Noisy images of which the mean colour gives the class away: 0 is red, 1 green, 2 blue."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 120, size=(len(labels), 12, 16, 3), dtype=np.uint8)
    noise[np.arange(len(labels)), :, :, list(labels)] += 60
    return image_set([Image.fromarray(picture) for picture in noise], labels)


@pytest.fixture(scope="module")
def digits() -> tuple[ImageSet, ImageSet]:
    """Fifty small grey digits a class to learn from, and the rest."""
    data = load_digits()
    grey = (data.images / 16 * 255).astype(np.uint8)
    images = image_set([Image.fromarray(picture) for picture in grey], data.target)
    rng = np.random.default_rng(0)
    train: NDArray[np.int64] = np.concatenate(
        [rng.permutation(np.flatnonzero(data.target == digit))[:50] for digit in range(10)]
    )
    return images.subset(train), images.subset(np.setdiff1d(np.arange(len(images)), train))


def test_digits_are_read_better_than_nine_times_out_of_ten(
    digits: tuple[ImageSet, ImageSet],
) -> None:
    train, test = digits
    predictor = fit_pixels(train, 10, seed=0)
    probabilities = predictor.predict(test, NO_FEATURES)
    assert np.mean(probabilities.argmax(axis=1) == test.labels) > 0.95
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert predictor.description == "hog"
    assert predictor.title == "HOG + logistic regression"


def test_colours_without_shapes_are_told_by_the_raw_pixels() -> None:
    predictor = fit_pixels(coloured([0, 1, 2] * 10), 3, seed=0)
    test = coloured([0, 1, 2] * 5, seed=1)
    assert predictor.description == "raw"
    assert (predictor.predict(test, NO_FEATURES).argmax(axis=1) == test.labels).all()


def test_a_restored_predictor_gives_the_same_probabilities(tmp_path: Path) -> None:
    images = coloured([0, 1, 2] * 4)
    predictor = fit_pixels(images, 3, seed=0)
    tensors, info = predictor.state()
    save_file(tensors, tmp_path / "predictor.safetensors")
    restored = PixelPredictor.restore(
        load_file(tmp_path / "predictor.safetensors"), json.loads(json.dumps(info))
    )
    before, after = predictor.predict(images, NO_FEATURES), restored.predict(images, NO_FEATURES)
    assert np.abs(before - after).max() <= 1e-12


def test_the_same_seed_gives_the_same_weights() -> None:
    images = coloured([0, 1, 2] * 4)
    first, second = (fit_pixels(images, 3, seed=3) for _ in range(2))
    assert np.array_equal(first.head.weight, second.head.weight)


def test_the_folded_head_equals_standardise_project_classify() -> None:
    images = coloured([0, 1, 2] * 4)
    description = describe(images, ("raw",))["raw"]
    space = descriptions._Components.of(description)
    head = descriptions._fit(space.rows, images.labels, 3, 0.01)
    standardised = (description - description.mean(axis=0)) / description.std(axis=0)
    assert space.rows == pytest.approx(standardised @ space.axes, abs=1e-4)
    assert space.axes.T @ space.axes == pytest.approx(np.eye(space.axes.shape[1]), abs=1e-9)
    folded = space.fold_into(head).probabilities(description)
    assert folded == pytest.approx(head.probabilities(space.rows), abs=1e-9)


def test_a_class_without_a_picture_keeps_its_column() -> None:
    images = coloured([0, 2] * 6)
    probabilities = fit_pixels(images, 4, seed=0).predict(images, NO_FEATURES)
    assert probabilities.shape == (12, 4)
    assert probabilities[:, [1, 3]].max() < 1e-9


def test_one_picture_a_class_is_enough() -> None:
    images = coloured([0, 1])
    probabilities = fit_pixels(images, 2, seed=0).predict(images, NO_FEATURES)
    assert probabilities.argmax(axis=1).tolist() == [0, 1]


def test_no_picture_gives_an_empty_prediction() -> None:
    images = coloured([0, 1])
    predictor = fit_pixels(images, 2, seed=0)
    assert predictor.predict(images.subset([]), NO_FEATURES).shape == (0, 2)


def test_one_class_is_refused() -> None:
    with pytest.raises(InvalidTargetError, match="at least 2 classes, got 1 in 3 image"):
        fit_pixels(coloured([1, 1, 1]), 2, seed=0)


def test_a_deadline_that_is_over_leaves_the_first_candidate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(*args: object, **kwargs: object) -> float:
        raise AssertionError("a candidate was tried after the deadline")

    monkeypatch.setattr(descriptions, "validated", forbidden)
    predictor = fit_pixels(coloured([0, 1, 2] * 4), 3, seed=0, deadline=time.monotonic() - 1)
    assert predictor.description == "hog"


def test_every_picture_is_decoded_once() -> None:
    reader = InMemory([Image.new("RGB", (5, 7), colour) for colour in ("red", "blue") * 3])
    fit_pixels(ImageSet(reader, range(6), [0, 1] * 3, ("red", "blue")), 2, seed=0)
    assert reader.reads == [1] * 6


def test_pictures_without_any_shape_are_no_obstacle() -> None:
    images = image_set([Image.new("RGB", (9, 9), "grey")] * 6, [0, 1] * 3)
    probabilities = fit_pixels(images, 2, seed=0).predict(images, NO_FEATURES)
    assert probabilities == pytest.approx(0.5, abs=1e-3)


def test_folds_are_stratified_and_hold_every_picture_out_once() -> None:
    labels = np.repeat([0, 1, 2], [9, 6, 3])
    folds = descriptions.stratified_folds(labels, seed=1)
    assert np.sum(folds, axis=0).tolist() == [1] * 18
    assert [np.bincount(labels[fold]).tolist() for fold in folds] == [[3, 2, 1]] * 3


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK"])
def test_any_picture_mode_is_described(mode: str) -> None:
    images = image_set([Image.new(mode, (3, 200))], [0])
    described = describe(images, ("hog", "raw"))
    assert {name: rows.shape for name, rows in described.items()} == {
        "hog": (1, 1764),
        "raw": (1, 3072),
    }
