from __future__ import annotations

import numpy as np
import pytest

from autotransfer.errors import InvalidOptionError
from autotransfer.plugin.testing import shapes
from autotransfer.scenarios.class_weights import class_weights_of
from autotransfer.scenarios.options import read_options


def test_balanced_weights_are_the_inverse_of_the_frequency() -> None:
    images = shapes(3, 4).subset([0, 1, 2, 3, 4, 8])  # four, one and one of the classes
    found = class_weights_of(read_options({"class_weights": "balanced"}), images)
    assert found is not None
    counts = np.bincount(images.labels, minlength=3)
    np.testing.assert_allclose(found * counts, np.full(3, 2.0))


def test_weights_can_be_given_by_name() -> None:
    images = shapes(3, 2)
    names = images.class_names
    chosen = read_options({"class_weights": f"{names[1]}=3"})
    found = class_weights_of(chosen, images)
    assert found is not None
    assert found.tolist() == [1, 3, 1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("zebra=2", "no class 'zebra'"),
        ("direction 0=-1", "positive numbers"),
        ("heavy", "CLASS=WEIGHT"),
    ],
)
def test_bad_weights_are_refused_in_words(given: str, said: str) -> None:
    with pytest.raises(InvalidOptionError, match=said):
        class_weights_of(read_options({"class_weights": given}), shapes(3, 2))
