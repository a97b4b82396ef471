"""Dividing images: what is held out, and the folds of the search.

Images with the same content, or of the same group, or that are said to show the same, are one
*unit* and stay on one side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import InvalidTargetError

HELD_OUT_FROM = 1000  # images; below, none is given up and the selection is cross-fitted
HELD_OUT_FRACTION = 0.25
KEPT_OPEN = 2  # different images of a class that are never held-out
FEW_IMAGES = 500  # up to here every image validates once; above, one division is enough
NUM_FOLDS = 3
FEW_A_CLASS = 8  # images of the median class up to which there are more folds
NUM_FOLDS_OF_FEW = 5  # a third of five images is too much to give up
VALIDATION_FRACTION = 0.25
NO_PAIRS: NDArray[np.int64] = np.empty((0, 2), dtype=np.int64)
_SALT = b"autotransfer sealed pictures 1"


@dataclass(frozen=True)
class Fold:
    """One division of the search images; both are (n,) positions within them."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


def hold_out(
    images: ImageSet,
    fraction: float = HELD_OUT_FRACTION,
    groups: Sequence[str] | None = None,
    same: NDArray[np.int64] = NO_PAIRS,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of the open and of the held-out items.

    Whether an image is held out depends on its own content (or group) alone: not on a seed, nor
    on its place, and it stays so when images are added. Only a class that would keep fewer
    than two open images takes back those with the largest hash.

    Args:
        images: (n,) images, labelled or not.
        fraction: Expected share of held-out items, in [0, 1).
        groups: (n,) group of each image.
        same: (p, 2) positions of images that show the same.

    Raises:
        ValueError: If the fraction is outside [0, 1).
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"the held-out fraction must be in [0, 1), got {fraction}")
    units, shares = _units(images, groups, same)
    held_out = shares < fraction  # by unit
    labels = images.labels if images.labelled else np.zeros(0, dtype=np.int64)
    for label in np.unique(labels):
        members = np.unique(units[labels == label])
        held_out[members[np.argsort(-shares[members], kind="stable")][:KEPT_OPEN]] = False
    return np.flatnonzero(~held_out[units]), np.flatnonzero(held_out[units])


def make_folds(
    images: ImageSet,
    *,
    seed: int,
    groups: Sequence[str] | None = None,
    same: NDArray[np.int64] = NO_PAIRS,
    every_item: bool = False,
) -> tuple[Fold, ...]:
    """Return the folds of the search, stratified by class.

    Up to 500 images there are three folds, five where a class has eight images or fewer, and
    every image validates once; above, one fold with a quarter for validation. What a class
    cannot do without (its only image or group) always trains.

    Args:
        images: (n,) the labelled search images.
        seed: Same seed and images, same folds.
        groups: (n,) group of each image.
        same: (p, 2) positions of images that show the same.
        every_item: Whether every image validates once, however many there are.

    Raises:
        InvalidTargetError: If no class has two different images (or groups).
    """
    units, _ = _units(images, groups, same)
    few = every_item or len(images) <= FEW_IMAGES
    counts = np.bincount(images.labels)
    a_class = float(np.median(counts[counts > 0]))
    num_folds = NUM_FOLDS_OF_FEW if a_class <= FEW_A_CLASS else NUM_FOLDS
    num_parts = num_folds if few else round(1 / VALIDATION_FRACTION)
    sizes = np.zeros((units.max(initial=-1) + 1, images.labels.max(initial=0) + 1), dtype=np.int64)
    np.add.at(sizes, (units, images.labels), 1)  # (units, K) images
    parts = _dealt(sizes, num_parts, np.random.default_rng(seed))[units]
    held_out = [parts == part for part in (range(num_folds) if few else range(1))]
    folds = tuple(Fold(np.flatnonzero(~out), np.flatnonzero(out)) for out in held_out if out.any())
    if not folds:
        kind = images.modality.plural
        raise InvalidTargetError(
            f"no class has two different {kind} (or groups), so none can be held out for "
            f"validation; add {kind}"
        )
    return folds


def only_tested(folds: Sequence[Fold], untested: NDArray[np.bool_]) -> tuple[Fold, ...]:
    """Return the folds in which some items always train and never validate.

    Args:
        folds: Of n items.
        untested: (n,) whether an item was chosen for what it teaches: no score on it is fair.

    Raises:
        InvalidTargetError: If no item is left to validate.
    """
    found = []
    for fold in folds:
        tested = ~untested[fold.validation]
        train = np.union1d(fold.train, fold.validation[~tested])
        if tested.any():
            found.append(Fold(train, fold.validation[tested]))
    if not found:
        raise InvalidTargetError(
            f"all {len(untested)} labelled images were chosen for what they teach, so none can "
            "test; label the images that were drawn at random as well"
        )
    return tuple(found)


def units_of(
    images: ImageSet, groups: Sequence[str] | None = None, same: NDArray[np.int64] = NO_PAIRS
) -> NDArray[np.int64]:
    """Return the (n,) number of the unit that each image belongs to.

    Args:
        images: (n,) images.
        groups: (n,) group of each image.
        same: (p, 2) positions of images that show the same.
    """
    return _units(images, groups, same)[0]


def _units(
    images: ImageSet, groups: Sequence[str] | None, same: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the (n,) unit of each image, and a number in [0, 1) for each unit.

    The number depends on the contents (or on the names of the groups) alone; of several, the
    least counts.
    """
    keys, key_of = np.unique(images.digests if groups is None else groups, return_inverse=True)
    contents, content_of = np.unique(images.digests, return_inverse=True)
    first = np.concatenate([key_of, content_of[same[:, 0]] + len(keys)])
    second = np.concatenate([content_of, content_of[same[:, 1]]]) + len(keys)
    links = coo_array(
        (np.ones(len(first)), (first, second)), shape=(len(keys) + len(contents),) * 2
    )
    num_units, unit_of = connected_components(links, directed=False)
    least = np.ones(num_units)
    np.minimum.at(least, unit_of[: len(keys)], [share_of(key, _SALT) for key in keys.tolist()])
    return unit_of[key_of].astype(np.int64), least


def share_of(key: str, salt: bytes) -> float:
    """Return a number in [0, 1), evenly spread, that depends on key and salt alone."""
    digest = hashlib.sha256(salt + key.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _dealt(
    sizes: NDArray[np.int64], num_parts: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the part of each unit; -1 for a unit that a class cannot do without.

    The largest units are dealt first, the rest in random order, each to the part that has the
    smallest share of its classes, then the fewest images. Single images so end within one
    of each other in every class.

    Args:
        sizes: (units, K) number of images of each class in each unit.
        num_parts: Number of parts.
        rng: Breaks ties.
    """
    per_class = np.maximum(sizes.sum(axis=0), 1)  # (K,)
    parts = np.full(len(sizes), -1)
    dealt = np.zeros((num_parts, sizes.shape[1]))
    shuffled = rng.permutation(len(sizes))
    for unit in shuffled[np.argsort(-sizes[shuffled].sum(axis=1), kind="stable")]:
        share = (dealt / per_class) @ (sizes[unit] / per_class)
        part = int(np.lexsort((dealt.sum(axis=1), share))[0])
        parts[unit] = part
        dealt[part] += sizes[unit]
    for members in sizes.T > 0:
        if members.any() and len(set(parts[members].tolist())) == 1:
            needed = np.flatnonzero(members)
            parts[needed[np.argmin(sizes[needed].sum(axis=1))]] = -1
    return parts
