"""The zero-shot scenario: predictors that score any attribute row, and closed forms for them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from typing_extensions import override

from autotransfer.data.attributes import Attributes
from autotransfer.data.image_set import ImageSet
from autotransfer.models.predictors.base import FeatureReader, Predictor
from autotransfer.models.zero_shot.eszsl import Eszsl, class_targets, row_kernel
from autotransfer.models.zero_shot.left_out import LeftOut, partitions
from autotransfer.plugin.strategy import Task, Trial

__all__ = [
    "Attributes",
    "AttributePredictor",
    "ClosedForm",
    "LeavesClassesOut",
    "Eszsl",
    "LeftOut",
    "class_targets",
    "row_kernel",
    "partitions",
]

Array = NDArray[np.float64]

# (G, b, K) scores of the items of some classes against all K rows, by fits without them
LeftOutScores = Callable[[Sequence[int]], Array]


@dataclass(frozen=True)
class ClosedForm:
    """Fits without some classes that cost no training.

    Args:
        scores: Of held-out items, for G candidates.
        chosen: Which of the candidates a fit returns.
        exchanged: From (P, 2) pairs and (N, K) rows of the classes to the (N, G) mean scores of
            fits in which the rows were exchanged before anything was learned.
    """

    scores: LeftOutScores
    chosen: int
    exchanged: Callable[[Sequence[tuple[int, int]], NDArray[np.int64]], Array]


class AttributePredictor(Predictor):
    """Scores attribute rows, so classes can be added, left out and exchanged without training.

    The core tests with exchanged rows whether the attributes carry anything, calibrates seen
    against unseen classes, and asks for the attributes that it sees.
    """

    @property
    @abstractmethod
    def rows(self) -> NDArray[np.float64]:
        """Return the (K, a) rows of the task's classes, in the units of the table."""

    @abstractmethod
    def scores(
        self, images: ImageSet, features: FeatureReader, rows: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the (n, c) compatibility of items with (c, a) rows; higher fits better.

        A score depends on its own row and item alone, not on the other rows.
        """

    @abstractmethod
    def contributions(
        self, images: ImageSet, features: FeatureReader, rows: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return (n, c, a) parts of the scores; they sum to the score up to a constant."""

    @abstractmethod
    def attributes(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        """Return the (n, a) attributes that the items seem to have, in the table's units."""

    @override
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        """Return (n, K) probabilities over all classes, seen and unseen, uncalibrated."""
        found: NDArray[np.float64] = softmax(self.scores(images, features, self.rows), axis=1)
        return found


@runtime_checkable
class LeavesClassesOut(Protocol):
    """A strategy with a closed form for fits without some classes; others are fitted again."""

    def left_out(self, task: Task, trial: Trial) -> ClosedForm | None:
        """Return scores of left-out items for G candidates, and the null of refits.

        The candidates are the points among which `fit` chooses on its own; the guard's null
        takes the best of them in every draw, as `fit` does. None where these parameters have
        no closed form.

        Args:
            task: Items of the seen classes, and the rows of all classes.
            trial: As for `fit`.
        """
        ...
