"""The baseline that looks at no image: the shares of the classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.models.predictors.base import FeatureReader, Predictor, PredictorState


@dataclass(frozen=True)
class MajorityPredictor(Predictor):
    """The same probabilities for every image.

    Args:
        shares: (K,) class probabilities.
    """

    shares: NDArray[np.float64]

    @override
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        return np.tile(self.shares, (len(images), 1))  # (n, K)

    @override
    def state(self) -> PredictorState:
        return {"shares": torch.from_numpy(self.shares)}, {}


def fit_majority(train: ImageSet, num_classes: int) -> MajorityPredictor:
    """Return the class shares, with one more image of each class than there is.

    Args:
        train: The labelled images to learn from; may be empty.
        num_classes: K.
    """
    counts = np.bincount(train.labels, minlength=num_classes) + 1.0
    return MajorityPredictor(counts / counts.sum())
