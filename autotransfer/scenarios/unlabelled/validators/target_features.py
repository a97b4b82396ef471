"""What the features of the target images say, of the predictions or by themselves."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score

from autotransfer.errors import UndefinedScoreError
from autotransfer.models.heads import fit_ridge
from autotransfer.models.single_thread import single_thread
from autotransfer.scenarios.unlabelled.validators.evidence import SMALLEST, Evidence
from autotransfer.transferability.scores.rankme import effective_rank

STARTS = 4  # of k-means


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
    rows = evidence.target_features
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), SMALLEST)
    num_clusters = min(evidence.num_classes, len(np.unique(rows, axis=0)))
    with single_thread():
        clusters = KMeans(num_clusters, n_init=STARTS, random_state=evidence.seed)
        found = clusters.fit_predict(rows)
    return float(adjusted_mutual_info_score(evidence.answers, found))


def rank_me(evidence: Evidence) -> float:
    """Return exp of the entropy of the singular values of the (n, d) target features.

    References:
        Garrido et al., RankMe, ICML 2023, arXiv:2210.02885, equation 1.
    """
    return effective_rank(np.linalg.svd(evidence.target_features, compute_uv=False), SMALLEST)
