"""What the features of the target images say, of the predictions or by themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autotransfer.errors import UndefinedScoreError
from autotransfer.models.heads import fit_ridge
from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.single_thread import single_thread
from autotransfer.scenarios.unlabelled.validators.evidence import SMALLEST, Evidence
from autotransfer.transferability.scores.rankme import effective_rank

STARTS = 4  # of k-means
MOST = 1000  # images whose distances are compared
LEAST_SHARE = 0.01  # of the images; what is predicted more rarely is no class
GROUPED = 0.5  # least agreement (AMI) of predicted classes and groups


def circular(evidence: Evidence) -> float:
    """Return how well target pseudo-labels teach the source classes, in [0, 1].

    A ridge classifier learns the predicted classes of the target images on their features; the
    value is its accuracy on held-out source images.

    Raises:
        UndefinedScoreError: If one class is predicted for every image.

    References:
        Bruzzone & Marconcini, Domain Adaptation Problems: A DASVM Classification Technique and a
        Circular Validation Strategy, TPAMI 32(5), 2010.
    """
    answers = evidence.answers
    if len(np.unique(answers)) < 2:
        raise UndefinedScoreError("circular validation needs two predicted classes")
    with single_thread():
        head = fit_ridge(evidence.target_features, answers, evidence.num_classes)
    back = head.logits(evidence.source_features).argmax(axis=1)
    return float((back == evidence.source_labels).mean())


def class_ami(evidence: Evidence) -> float:
    """Return the adjusted mutual information of K clusters and the predicted classes.

    Rows of the features are brought to length one before k-means.

    References:
        Musgrave, Belongie & Lim, Benchmarking Validation Methods for Unsupervised Domain
        Adaptation, arXiv:2208.07360.
    """
    from sklearn.metrics import adjusted_mutual_info_score

    groups = _clusters(unit_rows(evidence.target_features), evidence.num_classes, evidence)
    return float(adjusted_mutual_info_score(evidence.answers, groups))


def in_predicted_groups(evidence: Evidence) -> bool:
    """Return whether the target images fall into groups that are the predicted classes.

    A predictor that merges classes predicts few of them as well. Then there are more groups than
    predicted classes, and the silhouette of as many groups as classes of the source is better.
    Only the source, not adapted, can say so: what adapts to few answers makes as few groups.

    References:
        Rousseeuw, Silhouettes, Journal of Computational and Applied Mathematics 20, 1987.
    """
    from sklearn.metrics import adjusted_mutual_info_score, silhouette_score

    counts = np.bincount(evidence.answers)
    predicted = int((counts >= LEAST_SHARE * len(evidence.target)).sum())
    if predicted < 2 or evidence.frozen is None:
        return False
    rows = unit_rows(evidence.frozen)
    few, of_all = (_clusters(rows, k, evidence) for k in (predicted, evidence.num_classes))
    if adjusted_mutual_info_score(evidence.answers, few) < GROUPED:
        return False
    shown = np.random.default_rng(evidence.seed).permutation(len(rows))[:MOST]
    as_predicted, as_all = (
        silhouette_score(rows[shown], groups) if 1 < len(np.unique(groups)) < len(shown) else -1
        for groups in (few[shown], of_all[shown])
    )
    return bool(as_predicted >= as_all)


def _clusters(rows: NDArray[np.float64], number: int, evidence: Evidence) -> NDArray[np.int64]:
    """Return the (n,) cluster of each row, as far as there are so many different rows."""
    from sklearn.cluster import KMeans

    with single_thread():
        number = min(number, len(np.unique(rows, axis=0)))
        clusters = KMeans(number, n_init=STARTS, random_state=evidence.seed)
        found: NDArray[np.int64] = clusters.fit_predict(rows)
    return found


def rank_me(evidence: Evidence) -> float:
    """Return exp of the entropy of the singular values of the (n, d) target features.

    References:
        Garrido et al., RankMe, ICML 2023, arXiv:2210.02885, equation 1.
    """
    return effective_rank(np.linalg.svd(evidence.target_features, compute_uv=False), SMALLEST)
