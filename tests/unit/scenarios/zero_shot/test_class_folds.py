from __future__ import annotations

import numpy as np
import pytest

from autotransfer.scenarios.zero_shot.class_folds import class_folds, held_out_groups, num_held_out


@pytest.mark.parametrize(
    ("seen", "unseen", "expected"), [(15, 5, 4), (40, 10, 8), (20, 40, 7), (4, 9, 2), (5, 1, 2)]
)
def test_held_out_classes_are_as_large_a_part_as_unseen_ones_within_bounds(
    seen: int, unseen: int, expected: int
) -> None:
    assert num_held_out(seen, unseen) == expected


def test_all_classes_are_held_out_about_as_often() -> None:
    groups = held_out_groups(15, 4, 8, seed=3)
    counts = np.bincount(np.concatenate(groups), minlength=15)
    assert counts.max() - counts.min() <= 1
    assert all(len(set(group)) == 4 for group in groups)


def test_no_picture_of_a_held_out_class_is_learned_from() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 5))
    for fold in class_folds(labels, 3, seed=1):
        assert not set(labels[fold.train]) & set(labels[fold.validation])
        assert len(fold.train) + len(fold.validation) == 50


def test_same_seed_same_folds() -> None:
    labels = np.repeat(np.arange(9), 4)
    first, again, other = (class_folds(labels, 3, seed=s) for s in (1, 1, 2))
    assert all((a.train == b.train).all() for a, b in zip(first, again, strict=True))
    assert any(len(a.train) != len(b.train) or (a.train != b.train).any()
               for a, b in zip(first, other, strict=True))  # fmt: skip
