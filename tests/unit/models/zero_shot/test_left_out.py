from __future__ import annotations

from dataclasses import replace

import numpy as np

from autotransfer.models.zero_shot.eszsl import Decomposition, Eszsl
from autotransfer.models.zero_shot.left_out import LeftOut, partitions


def _left_out(seed: int = 0) -> tuple[LeftOut, np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(6), 8)
    rows = rng.normal(size=(6, 5))
    z = rng.normal(size=(48, 10)) + rows[labels] @ rng.normal(size=(5, 10))
    return LeftOut.of(Decomposition.of(z), labels, rows, (0.1, 1.0)), z


def test_scores_of_left_out_classes_equal_a_fit_without_pictures_and_rows_of_them() -> None:
    left_out, z = _left_out()
    others = np.random.default_rng(5).normal(size=(3, 5))
    found = left_out.scores((1, 4), others)  # (4, 16, 3)
    rest = [0, 2, 3, 5]
    kept = ~np.isin(left_out.labels, (1, 4))
    labels = np.searchsorted(rest, left_out.labels[kept])
    for place in range(4):
        gamma, lam = left_out.penalties_at(place)
        again = Eszsl.of(z[kept], labels, left_out.rows[rest]).compatibility(gamma, lam)
        np.testing.assert_allclose(found[place], z[~kept] @ again @ others.T, atol=1e-8)


def test_accuracy_is_the_mean_over_the_classes_of_a_group() -> None:
    left_out, _ = _left_out()
    scores = left_out.scores((0, 3, 5), left_out.rows[[0, 3, 5]])
    truth = np.repeat([0, 1, 2], 8)
    expected = [
        np.mean([(table.argmax(axis=1) == truth)[truth == k].mean() for k in range(3)])
        for table in scores
    ]
    np.testing.assert_allclose(left_out.accuracies([[0, 3, 5]]), expected)


def test_every_class_is_in_one_group_of_a_partition() -> None:
    groups = list(partitions(11, 3, 2, seed=1))
    assert len(groups) == 6
    for half in (groups[:3], groups[3:]):
        assert sorted(k for group in half for k in group) == list(range(11))
        assert min(map(len, half)) >= 3


def test_exchanged_rows_equal_fitting_everything_again_with_them() -> None:
    left_out, _ = _left_out()
    table = np.vstack([left_out.rows, np.random.default_rng(8).normal(size=(3, 5))])
    drawn = np.stack([np.random.default_rng(s).permutation(9) for s in range(3)])
    pairs = [(0, 1), (2, 5), (3, 4)]
    found = left_out.exchanged(pairs, drawn, table)  # (3, 4)
    for n, order in enumerate(drawn):
        dealt = replace(left_out, rows=table[order[:6]])
        np.testing.assert_allclose(found[n], dealt.accuracies(pairs), atol=1e-12)
