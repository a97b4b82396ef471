"""What the features of the target images say, of the predictions or by themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score, silhouette_score

from autotransfer.errors import UndefinedScoreError
from autotransfer.models.heads import fit_ridge
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
    return float(adjusted_mutual_info_score(evidence.answers, _groups(evidence, None)[1]))


def in_predicted_groups(evidence: Evidence) -> bool:
    """Return whether the target images fall into groups that are the predicted classes.

    A predictor that merges classes predicts few of them as well. Then there are more groups than
    predicted classes, and the silhouette of as many groups as classes of the source is better.

    References:
        Rousseeuw, Silhouettes, Journal of Computational and Applied Mathematics 20, 1987.
    """
    counts = np.bincount(evidence.answers)
    predicted = int((counts >= LEAST_SHARE * len(evidence.target)).sum())
    if predicted < 2:
        return False
    rows, few = _groups(evidence, predicted)
    _, of_all = _groups(evidence, None)
    if adjusted_mutual_info_score(evidence.answers, few) < GROUPED:
        return False
    shown = np.random.default_rng(evidence.seed).permutation(len(rows))[:MOST]
    as_predicted, as_all = (
        silhouette_score(rows[shown], groups[shown]) if len(np.unique(groups[shown])) > 1 else -1
        for groups in (few, of_all)
    )
    return bool(as_predicted >= as_all)


def _groups(
    evidence: Evidence, number: int | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return (n, d) features of length one, and (n,) their clusters, K of them where None."""
    rows = evidence.target_features
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), SMALLEST)
    number = min(number or evidence.num_classes, len(np.unique(rows, axis=0)))
    with single_thread():
        clusters = KMeans(number, n_init=STARTS, random_state=evidence.seed)
        return rows, clusters.fit_predict(rows)


def rank_me(evidence: Evidence) -> float:
    """Return exp of the entropy of the singular values of the (n, d) target features.

    References:
        Garrido et al., RankMe, ICML 2023, arXiv:2210.02885, equation 1.
    """
    return effective_rank(np.linalg.svd(evidence.target_features, compute_uv=False), SMALLEST)
