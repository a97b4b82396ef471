from __future__ import annotations

from typing import cast

import numpy as np
from PIL import Image

from autotransfer.data.image_set import ImageSet
from autotransfer.models.predictors.base import FeatureReader
from autotransfer.models.predictors.baselines import restore_baseline
from autotransfer.models.predictors.dummy import fit_majority

NO_FEATURES = cast("FeatureReader", None)  # the baseline must not look at the source


class Untouched:
    """Images that must not be read."""

    names = digests = tuple("abcd")

    def read(self, index: int, min_side: int | None = None) -> Image.Image:
        raise AssertionError("the majority baseline looked at an image")


IMAGES = ImageSet(Untouched(), range(4), [0, 2, 2, 2], ("ant", "bee", "cat"))


def test_the_shares_count_one_more_picture_of_each_class() -> None:
    probabilities = fit_majority(IMAGES, 3).predict(IMAGES.subset([1, 2]), NO_FEATURES)
    assert probabilities.tolist() == [[2 / 7, 1 / 7, 4 / 7]] * 2


def test_a_restored_predictor_gives_the_same_shares() -> None:
    predictor = fit_majority(IMAGES, 3)
    restored = restore_baseline("majority", *predictor.state(), None)
    assert np.array_equal(
        restored.predict(IMAGES, NO_FEATURES), predictor.predict(IMAGES, NO_FEATURES)
    )


def test_no_picture_at_all_makes_the_classes_equally_likely() -> None:
    assert fit_majority(IMAGES.subset([]), 2).shares.tolist() == [0.5, 0.5]
