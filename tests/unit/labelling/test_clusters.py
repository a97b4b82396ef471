from __future__ import annotations

import numpy as np

from autotransfer.labelling.clusters import new_classes, seeming_clusters
from tests.unit.labelling.test_picking import blobs


def test_there_seem_to_be_as_many_clusters_as_there_are() -> None:
    x, cluster = blobs([40, 30, 30, 20])
    found = seeming_clusters(x)
    assert len(np.unique(found)) == 4
    for k in range(4):
        assert len(np.unique(found[cluster == k])) == 1


def test_a_dense_cluster_far_from_every_label_is_offered_and_known_classes_are_not() -> None:
    x, cluster = blobs([60, 60, 25])
    labelled = np.flatnonzero(np.isin(cluster, [0, 1]))[::2]
    pool = np.setdiff1d(np.arange(len(x)), labelled)
    (found,) = new_classes(x[pool], x[labelled], cluster[labelled])
    assert set(cluster[pool][found]) == {2}
    assert len(found) >= 20


def test_images_like_the_labelled_ones_are_no_new_class() -> None:
    x, cluster = blobs([60, 60])
    labelled = np.arange(0, 120, 2)
    pool = np.arange(1, 120, 2)
    assert not new_classes(x[pool], x[labelled], cluster[labelled])
