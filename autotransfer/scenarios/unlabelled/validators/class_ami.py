"""ClassAMI: do the clusters of the features agree with the predicted classes?"""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score

from autotransfer.models.single_thread import single_thread
from autotransfer.scenarios.unlabelled.validators.evidence import SMALLEST, Evidence

STARTS = 4


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
