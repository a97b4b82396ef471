"""What finalist and baselines are compared on: items that none of them learnt from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.splitting import Fold

HELD_OUT_ITEMS = "held-out items"
OUT_OF_FOLD = "out-of-fold"


@dataclass(frozen=True)
class EvaluationSplit:
    """The divisions of a test.

    Args:
        divisions: Items to learn from, and those that are then predicted.
        units: (m,) what belongs together among the predicted ones, over all divisions.
        basis: What a verdict rests on.
        inflation: What the variance of a gap is multiplied by.
        domains: (m,) name of the left-out domain of each item; None where items are the unit.
    """

    divisions: tuple[tuple[ImageSet, ImageSet], ...]
    units: NDArray[np.int64]
    basis: str
    inflation: float = 1.0
    domains: tuple[str, ...] | None = None

    @property
    def labels(self) -> NDArray[np.int64]:
        """Return the (m,) labels of the predicted items."""
        return np.concatenate([tested.labels for _, tested in self.divisions])

    @property
    def folds(self) -> NDArray[np.int64]:
        """Return the (m,) number of the division that predicts each item."""
        sizes = [len(tested) for _, tested in self.divisions]
        return np.repeat(np.arange(len(sizes)), sizes)

    @property
    def images(self) -> str:
        """Return what is counted, in the plural."""
        if self.domains is not None:
            return "left-out domains"
        kind = "held-out" if self.basis == HELD_OUT_ITEMS else "labelled"
        return f"groups of {kind} items" if self.grouped else f"{kind} items"

    @property
    def grouped(self) -> bool:
        """Return whether what is counted is more than single items."""
        return self.domains is not None or len(np.unique(self.units)) < len(self.units)


def out_of_fold_split(
    images: ImageSet,
    folds: tuple[Fold, ...],
    units: NDArray[np.int64],
    inflation: float,
    domains: tuple[str, ...] | None = None,
) -> EvaluationSplit:
    """Return the test on all items, each predicted by what learnt from the other folds.

    Args:
        images: (n,) all items.
        folds: Those of the search.
        units: (n,) what belongs together among them.
        inflation: What the variance of a gap is multiplied by, because what is compared was
            chosen among others.
        domains: (n,) name of the domain of each item, where whole domains are left out.
    """
    divisions = tuple(
        (images.subset(fold.train), images.subset(fold.validation)) for fold in folds
    )
    held_out = np.concatenate([fold.validation for fold in folds])
    of = None if domains is None else tuple(domains[i] for i in held_out)
    return EvaluationSplit(divisions, units[held_out], OUT_OF_FOLD, inflation, of)
