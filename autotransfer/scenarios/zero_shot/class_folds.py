"""Held-out classes: whole classes take the part of those without images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.splitting import Fold

REPEATS = 8  # a class is held out about twice
LEAST_HELD_OUT = 2
FRACTIONS = (0.2, 0.35)  # of the seen classes


def num_held_out(num_seen: int, num_unseen: int) -> int:
    """Return how many classes to hold out: the share of unseen classes, within bounds.

    Calibration carries over only where held-out classes are as large a part as unseen ones.
    """
    share = min(max(num_unseen / (num_seen + num_unseen), FRACTIONS[0]), FRACTIONS[1])
    return min(max(round(share * num_seen), LEAST_HELD_OUT), num_seen - 2)


def held_out_groups(num_seen: int, size: int, repeats: int, *, seed: int) -> list[list[int]]:
    """Return the classes of each repeat; counts of how often a class is held out differ by one.

    Args:
        num_seen: Number of classes with images.
        size: Classes of a group.
        repeats: Number of groups.
        seed: Same seed, same groups.
    """
    rng = np.random.default_rng(seed)
    counts = np.zeros(num_seen, dtype=np.int64)
    groups = []
    for _ in range(repeats):
        chosen = np.lexsort((rng.random(num_seen), counts))[:size]
        counts[chosen] += 1
        groups.append(sorted(chosen.tolist()))
    return groups


def class_folds(labels: NDArray[np.int64], num_unseen: int, *, seed: int) -> tuple[Fold, ...]:
    """Return folds whose validation images are all images of some classes.

    Args:
        labels: (n,) seen class of each image; every class occurs.
        num_unseen: Number of classes without images.
        seed: Same seed and labels, same folds.
    """
    num_seen = int(labels.max()) + 1
    size = num_held_out(num_seen, num_unseen)
    folds = []
    for group in held_out_groups(num_seen, size, REPEATS, seed=seed):
        out = np.isin(labels, group)
        folds.append(Fold(np.flatnonzero(~out), np.flatnonzero(out)))
    return tuple(folds)
