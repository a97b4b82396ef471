from __future__ import annotations

import numpy as np

from autotransfer.data.splitting import Fold
from autotransfer.guard.evaluation_split import (
    HELD_OUT_ITEMS,
    OUT_OF_FOLD,
    EvaluationSplit,
    out_of_fold_split,
)
from autotransfer.plugin.testing import shapes

IMAGES = shapes(2, 3)
UNITS = np.array([10, 11, 12, 13, 14, 15])
FOLDS = (
    Fold(train=np.array([0, 2, 3, 5]), validation=np.array([4, 1])),
    Fold(train=np.array([1, 4]), validation=np.array([0, 5, 3, 2])),
)
HELD_OUT = [4, 1, 0, 5, 3, 2]


def test_units_and_labels_are_in_the_order_in_which_the_folds_predict() -> None:
    stand = out_of_fold_split(IMAGES, FOLDS, UNITS, 1.2)
    digests = [digest for _, tested in stand.divisions for digest in tested.digests]
    assert digests == [IMAGES.digests[i] for i in HELD_OUT]
    assert stand.labels.tolist() == IMAGES.labels[HELD_OUT].tolist()
    assert stand.units.tolist() == UNITS[HELD_OUT].tolist()
    assert stand.folds.tolist() == [0, 0, 1, 1, 1, 1]


def test_each_fold_is_predicted_by_what_learnt_from_the_others() -> None:
    stand = out_of_fold_split(IMAGES, FOLDS, UNITS, 1.2)
    for (train, tested), fold in zip(stand.divisions, FOLDS, strict=True):
        assert train.digests == IMAGES.subset(fold.train).digests
        assert tested.digests == IMAGES.subset(fold.validation).digests
    assert (stand.basis, stand.inflation) == (OUT_OF_FOLD, 1.2)


def test_sealed_pictures_are_one_division_with_units_of_their_own() -> None:
    sealed = shapes(2, 2, seed=1)
    stand = EvaluationSplit(((IMAGES, sealed),), np.array([7, 7, 8, 9]), HELD_OUT_ITEMS)
    assert [(len(train), len(tested)) for train, tested in stand.divisions] == [(6, 4)]
    assert stand.labels.tolist() == sealed.labels.tolist()
    assert stand.units.tolist() == [7, 7, 8, 9]
    assert (stand.basis, stand.inflation) == (HELD_OUT_ITEMS, 1.0)
    assert stand.images == "groups of held-out items"
