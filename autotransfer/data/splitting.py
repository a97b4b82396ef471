"""Dividing pictures: what is sealed, and the folds of the search.

Pictures with the same content, or of the same group, stay on one side.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.problem import Fold

SEALED_FRACTION = 0.25
KEPT_OPEN = 2  # pictures of a class that are never sealed
FEW_PICTURES = 500  # up to here every picture validates once; above, one division is enough
NUM_FOLDS = 3
VALIDATION_FRACTION = 0.25
_SALT = b"autotransfer sealed pictures 1"


def seal(
    images: ImageSet,
    fraction: float = SEALED_FRACTION,
    groups: Sequence[str] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of the open and of the sealed pictures.

    Whether a picture is sealed depends on its own content (or group) alone: not on a seed, not
    on its place, and it stays so when pictures are added. Only a class that would keep fewer
    than two open pictures takes back those that are sealed last.

    Args:
        images: Labelled pictures.
        fraction: Expected share of sealed pictures, in (0, 1).
        groups: Group of each picture.
    """
    units = images.digests if groups is None else tuple(groups)
    shares = np.array([_share(unit) for unit in units])
    sealed = shares < fraction
    for label in np.unique(images.labels):
        members = np.flatnonzero(images.labels == label)
        members = members[np.argsort(-shares[members], kind="stable")]
        distinct = list(dict.fromkeys(units[i] for i in members))
        reopened = set(distinct[:KEPT_OPEN])
        sealed &= ~np.array([unit in reopened for unit in units])
    return np.flatnonzero(~sealed), np.flatnonzero(sealed)


def _share(unit: str) -> float:
    """Return a number in [0, 1) that depends on the unit alone."""
    digest = hashlib.sha256(_SALT + unit.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def make_folds(
    images: ImageSet, *, seed: int, groups: Sequence[str] | None = None
) -> tuple[Fold, ...]:
    """Return the folds of the search, stratified by class.

    Up to 500 pictures there are three folds and every picture validates once; above, one fold
    with a quarter for validation. A class with one picture (or group) always trains.

    Args:
        images: The labelled search pictures.
        seed: Same seed, same folds.
        groups: Group of each picture.
    """
    units = images.digests if groups is None else tuple(groups)
    rng = np.random.default_rng(seed)
    few = len(images) <= FEW_PICTURES
    parts = _dealt(images.labels, units, rng, NUM_FOLDS if few else round(1 / VALIDATION_FRACTION))
    held_out = range(NUM_FOLDS) if few else range(1)
    folds = []
    for part in held_out:
        validation = parts == part
        if validation.any():
            folds.append(Fold(np.flatnonzero(~validation), np.flatnonzero(validation)))
    return tuple(folds)


def _dealt(
    labels: NDArray[np.int64], units: Sequence[str], rng: np.random.Generator, num_parts: int
) -> NDArray[np.int64]:
    """Return the part of each picture; -1 for what may not validate.

    The units of a class are dealt out in turn, like cards, each to the part that has had the
    fewest pictures of that class; the largest first.
    """
    part_of: dict[str, int] = {}
    start = 0
    for label in np.unique(labels):
        members = [units[i] for i in np.flatnonzero(labels == label)]
        sizes = Counter(members)
        fresh = [unit for unit in sizes if unit not in part_of]
        if len(sizes) == 1:
            part_of.update(dict.fromkeys(fresh, -1))
            continue
        order = [fresh[i] for i in rng.permutation(len(fresh))]
        order.sort(key=lambda unit: -sizes[unit])
        filled = np.zeros(num_parts)
        for unit in order:
            turn = (np.arange(num_parts) - start) % num_parts
            part = int(np.lexsort((turn, filled))[0])
            part_of[unit] = part
            filled[part] += sizes[unit]
        start += len(order)
    return np.array([part_of[unit] for unit in units], dtype=np.int64)
