"""What a report is made from: the record of a fit, its images and what was said of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.results import Record

Predict = Callable[[ImageSet], NDArray[np.float64]]
Embed = Callable[[ImageSet], NDArray[np.floating]]


@dataclass(frozen=True)
class Predicted:
    """Labelled images, and what a predictor that never learnt from them says.

    Args:
        subject: Who says it: "the finalist", "the baseline that is returned".
        basis: Which images: "held-out items", "out-of-fold".
        images: The m images.
        probabilities: (m, K) as they are returned.
        raw: (m, K) before the temperature; None where there was none.
    """

    subject: str
    basis: str
    images: ImageSet
    probabilities: NDArray[np.float64]
    raw: NDArray[np.float64] | None = None

    @property
    def labels(self) -> NDArray[np.int64]:
        """Return the (m,) classes."""
        return self.images.labels

    @property
    def answers(self) -> NDArray[np.int64]:
        """Return the (m,) most probable classes."""
        answers: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return answers


@dataclass(frozen=True)
class Rejected:
    """Images that are more probably none of the classes than not.

    Args:
        images: The m images.
        features: (m, d) by which they look alike.
        probability: (m,) of each to be none of the classes.
    """

    images: ImageSet
    features: NDArray[np.floating]
    probability: NDArray[np.float64]


def no_images() -> None:
    """Return that there is no image with an answer."""


@dataclass(frozen=True)
class Material:
    """All that the sections of a report read; what is missing leaves sections out.

    Args:
        record: What the fit found.
        images: Sets of images by what they are called, those that were learnt from first.
        tested: Returns the tested images; called by the sections that need them.
        checked: Returns the tested images and those of the search, each said by a predictor
            that did not learn from it; labels are checked with it.
        rejected: Returns the images of a target without labels that are none of the classes.
        unlabelled: What the set of images without labels is called; empty for none.
        predict: Says (n, K) of images; None where nothing can be predicted.
        features: Features of images by the chosen source; None where it has none at hand.
        embeddings: Features by what they are called ("before", "after"), for two domains.
        domains: The two sets that an embedding compares, by what they are called; empty for none.
        visible: Whether the items are images that can be shown; features alone are not.
    """

    record: Record
    images: dict[str, ImageSet] = field(default_factory=dict)
    tested: Callable[[], Predicted | None] = no_images
    checked: Callable[[], Predicted | None] = no_images
    rejected: Callable[[], Rejected | None] = no_images
    unlabelled: str = ""
    predict: Predict | None = None
    features: Embed | None = None
    embeddings: dict[str, Embed] = field(default_factory=dict)
    domains: dict[str, ImageSet] = field(default_factory=dict)
    visible: bool = True

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names of the classes."""
        return self.record.class_names
