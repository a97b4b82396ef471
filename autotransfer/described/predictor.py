"""What a predictor for the described setting can do: score any attribute row."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.described.pairs import ClosedForm
from autotransfer.strategy import FeatureReader, Predictor, Task, Trial


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
        """Return the (n, c) compatibility of pictures with (c, a) rows; higher fits better.

        A score depends on its own row and picture alone, not on the other rows.
        """

    @abstractmethod
    def contributions(
        self, images: ImageSet, features: FeatureReader, rows: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return (n, c, a) parts of the scores; they sum to the score up to a constant."""

    @abstractmethod
    def attributes(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        """Return the (n, a) attributes that the pictures seem to have, in the table's units."""

    @override
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        """Return (n, K) probabilities over all classes, seen and unseen, uncalibrated."""
        found: NDArray[np.float64] = softmax(self.scores(images, features, self.rows), axis=1)
        return found


@runtime_checkable
class LeavesClassesOut(Protocol):
    """A strategy with a closed form for fits without some classes; others are fitted again."""

    def left_out(self, task: Task, trial: Trial) -> ClosedForm | None:
        """Return scores of left-out pictures for G candidates, and the null of refits.

        The candidates are the points among which `fit` chooses on its own; the guard's null
        takes the best of them in every draw, as `fit` does. None where these parameters have
        no closed form.

        Args:
            task: Pictures of the seen classes, and the rows of all classes.
            trial: As for `fit`.
        """
        ...
