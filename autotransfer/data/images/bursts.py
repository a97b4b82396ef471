"""Images that were taken one after the other: frames of a video, bursts of a camera.

Such images look alike without being copies. Where they have no group, some of them are learnt
from and their neighbours test, and every score is too good. They are known by their names, which
differ in a number, and by their looks: neighbours by name are much more alike than others of the
same class.
"""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.decoding import in_threads
from autotransfer.data.images.near_duplicates import small_grey

SIDE = 32
ALIKE = 0.9  # correlation of two small grey images
LEAST_EXCESS = 0.25  # of the neighbours that are alike, beyond what is alike among others
MOST_PAIRS = 300  # that are looked at
FEWEST_PAIRS = 20
_LAST_NUMBER = re.compile(r"(\d+)(\D*)$")

Pairs: TypeAlias = NDArray[np.int64]


def related_notes(images: ImageSet) -> tuple[str, ...]:
    """Return a note where images look like frames of a video or bursts of a camera.

    Args:
        images: Labelled, without groups.
    """
    alike = burst_share(images)
    if not alike:
        return ()
    return (
        f"{100 * alike:.0f} % of the images look almost like the next one by name, as frames of a "
        "video or bursts do: such images train and test at once, and the scores are too good. "
        "Name the video or the scene of each in a manifest and give --group-column",
    )


def burst_share(images: ImageSet) -> float:
    """Return the share of neighbours by name that are alike, where it is suspicious; else 0.

    Args:
        images: Labelled; of any size.
    """
    neighbours = successors(images.names)
    generator = np.random.default_rng(len(images))
    labels = images.labels
    neighbours = neighbours[labels[neighbours[:, 0]] == labels[neighbours[:, 1]]]
    if len(neighbours) < FEWEST_PAIRS:
        return 0.0
    neighbours = generator.permutation(neighbours)[:MOST_PAIRS]
    others = _of_same_class(neighbours[:, 0], labels, generator)
    found, usual = (_share_alike(images, pairs) for pairs in (neighbours, others))
    return found if found - usual >= LEAST_EXCESS else 0.0


def successors(names: tuple[str, ...]) -> Pairs:
    """Return (p, 2) positions of names that follow each other by their last number alone."""
    places: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for place, name in enumerate(names):
        match = _LAST_NUMBER.search(name)
        if match is not None and len(match.group(1)) < 18:
            key = name[: match.start()], match.group(2)
            places[key].setdefault(int(match.group(1)), place)
    ordered = [[place for _, place in sorted(numbered.items())] for numbered in places.values()]
    pairs = [pair for row in ordered for pair in pairwise(row)]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _of_same_class(
    first: NDArray[np.int64], labels: NDArray[np.int64], generator: np.random.Generator
) -> Pairs:
    """Return pairs of the same images with any others of their class."""
    members = {k: np.flatnonzero(labels == k) for k in np.unique(labels[first])}
    other = [generator.choice(members[labels[i]]) for i in first]
    pairs: Pairs = np.stack([first, np.array(other, dtype=np.int64)], axis=1)
    kept: Pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return kept


def _share_alike(images: ImageSet, pairs: Pairs) -> float:
    """Return the share of pairs whose small grey images are alike."""
    if not len(pairs):
        return 0.0
    needed, places = np.unique(pairs, return_inverse=True)
    read = in_threads(lambda i: small_grey(images.read(i, SIDE)).ravel(), needed.tolist())
    small = np.array(read, dtype=np.float64)
    small -= small.mean(axis=1, keepdims=True)
    small /= np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-9)
    one, other = small[places.reshape(pairs.shape)].transpose(1, 0, 2)
    return float(((one * other).sum(axis=1) >= ALIKE).mean())
