"""Cross-validated accuracy of a linear probe."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autotransfer.errors import UndefinedScoreError
from autotransfer.models.heads.logistic import fit_logistic
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.transferability.scores.ridge_loo import require_affordable

FOLDS = 5
_ALWAYS_TRAIN = -1


def folds_of(statistics: Statistics) -> NDArray[np.int64]:
    """Return the (n,) fold of each image, stratified; -1 for an image alone in its class.

    The images of a class are dealt out in their order, from where the class before stopped.
    """
    folds = np.full(statistics.num_images, _ALWAYS_TRAIN)
    dealt = 0
    for own in statistics.positions_by_class():
        if len(own) > 1:
            folds[own] = (dealt + np.arange(len(own))) % FOLDS
            dealt += len(own)
    return folds


def probe_cv(statistics: Statistics) -> float:
    """Return the accuracy of logistic regression on images that it was not fitted to.

    Raises:
        UndefinedScoreError: If no class has two images, or n x K is beyond 50 million.
    """
    statistics.require_spread("probe-cv")
    require_affordable(statistics, "probe-cv")
    folds = folds_of(statistics)
    tested = folds != _ALWAYS_TRAIN
    if not tested.any():
        raise UndefinedScoreError("probe-cv is undefined: no class has two images")
    rows, labels, K = statistics.rows, statistics.labels, statistics.num_classes
    hits = 0
    for fold in np.unique(folds[tested]):
        held_out = folds == fold
        head = fit_logistic(rows[~held_out], labels[~held_out], K)
        predicted = head.logits(rows[held_out]).argmax(axis=1)
        hits += int((predicted == labels[held_out]).sum())
    return hits / int(tested.sum())


class ProbeCv(TransferabilityEstimator):
    """Five-fold accuracy of the probe that would be trained, in [0, 1]; the score to beat.

    References:
        Stone, Cross-validatory choice and assessment of statistical predictions, Journal of the
        Royal Statistical Society B 1974.
    """

    name = "probe-cv"
    family = "probe"
    score = staticmethod(probe_cv)
