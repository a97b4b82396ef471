"""What finalist and baselines are compared on: pictures that none of them learnt from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.splitting import Fold

SEALED = "sealed pictures"
OUT_OF_FOLD = "out-of-fold"


@dataclass(frozen=True)
class Stand:
    """The divisions of a test.

    Args:
        divisions: Pictures to learn from, and those that are then predicted.
        units: (m,) what belongs together among the predicted ones, over all divisions.
        basis: What a verdict rests on.
        inflation: What the variance of a gap is multiplied by.
    """

    divisions: tuple[tuple[ImageSet, ImageSet], ...]
    units: NDArray[np.int64]
    basis: str
    inflation: float = 1.0

    @property
    def labels(self) -> NDArray[np.int64]:
        """Return the (m,) labels of the predicted pictures."""
        return np.concatenate([tested.labels for _, tested in self.divisions])

    @property
    def folds(self) -> NDArray[np.int64]:
        """Return the (m,) number of the division that predicts each picture."""
        sizes = [len(tested) for _, tested in self.divisions]
        return np.repeat(np.arange(len(sizes)), sizes)

    @property
    def pictures(self) -> str:
        """Return what the predicted pictures are called, in the plural."""
        kind = "sealed" if self.basis == SEALED else "labelled"
        m = len(self.units)
        grouped = len(np.unique(self.units)) < m
        return f"groups of {kind} pictures" if grouped else f"{kind} pictures"


def sealed_stand(images: ImageSet, sealed: ImageSet, units: NDArray[np.int64]) -> Stand:
    """Return the test on pictures that nothing has touched before.

    Args:
        images: All open pictures.
        sealed: (m,) the sealed ones.
        units: (m,) what belongs together among them.
    """
    return Stand(((images, sealed),), units, SEALED)


def out_of_fold_stand(
    images: ImageSet, folds: tuple[Fold, ...], units: NDArray[np.int64], inflation: float
) -> Stand:
    """Return the test on all pictures, each predicted by what learnt from the other folds.

    Args:
        images: (n,) all pictures.
        folds: Those of the search.
        units: (n,) what belongs together among them.
        inflation: What the variance of a gap is multiplied by, because each fold chooses its
            finalist by the others.
    """
    divisions = tuple(
        (images.subset(fold.train), images.subset(fold.validation)) for fold in folds
    )
    held_out = np.concatenate([fold.validation for fold in folds])
    return Stand(divisions, units[held_out], OUT_OF_FOLD, inflation)
