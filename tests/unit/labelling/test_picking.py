from __future__ import annotations

import numpy as np

from autotransfer.labelling.picking import pick, principal, typical


def blobs(sizes: list[int], apart: float = 20.0) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian clusters of these sizes, far apart."""
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    centres = apart * np.eye(len(sizes), 8)
    return rng.standard_normal((len(cluster), 8)) + centres[cluster], cluster


def test_without_labels_one_image_of_each_cluster_is_picked() -> None:
    x, cluster = blobs([30, 20, 10])
    found = pick(x, 3, x[:0], np.zeros(0, dtype=np.int64))
    assert sorted(cluster[found]) == [0, 1, 2]


def test_a_typical_image_lies_in_the_middle_of_its_cluster() -> None:
    x, cluster = blobs([40, 40])
    for place in typical(x, 2, x[:0]):
        mine = x[cluster == cluster[place]]
        distances = np.linalg.norm(mine - mine.mean(axis=0), axis=1)
        assert np.linalg.norm(x[place] - mine.mean(axis=0)) <= np.quantile(distances, 0.2)


def test_a_cluster_that_has_a_label_comes_last() -> None:
    x, cluster = blobs([30, 30, 30])
    known = np.flatnonzero(cluster == 0)[:2]
    rest = np.setdiff1d(np.arange(len(x)), known)
    found = typical(x[rest], 2, x[known])
    assert sorted(cluster[rest][found]) == [1, 2]


def test_with_labels_enough_images_between_the_classes_are_picked() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 20)
    labelled = rng.standard_normal((40, 40)) * 0.3
    labelled[:, :10] += np.where(labels == 0, -2.0, 2.0)[:, None]
    sure = rng.standard_normal((40, 40)) * 0.3
    sure[:, :10] += np.where(np.arange(40) < 20, -2.0, 2.0)[:, None]
    torn = rng.standard_normal((10, 40)) * 0.3
    found = pick(np.concatenate([sure, torn]), 5, labelled, labels)
    assert (found >= 40).mean() >= 0.8


def test_as_many_images_are_picked_as_there_are_at_most_and_none_twice() -> None:
    x, _ = blobs([6, 6])
    for count in (1, 5, 12, 99):
        found = pick(x, count, x[:0], np.zeros(0, dtype=np.int64))
        assert len(set(found.tolist())) == len(found) == min(count, 12)
    copies = np.zeros((9, 4))
    assert len(set(pick(copies, 4, copies[:0], np.zeros(0, dtype=np.int64)).tolist())) == 4


def test_principal_components_keep_distances() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 5)) @ rng.standard_normal((5, 400))
    reduced = principal(x, 32)
    for i, j in ((0, 1), (5, 200), (17, 44)):
        assert np.isclose(np.linalg.norm(reduced[i] - reduced[j]), np.linalg.norm(x[i] - x[j]))
