"""The targets of the record of small transfers: image sets of the kit and some of their classes.

A *pool* is a fixed part of a set, so many images of each class, which every source reads once. A
*target* is a pool, or fixed random classes of it. A draw deals the images of a target out by a
seed of its name, the size and the number: so many labelled ones a class, and tested ones, of which
every class keeps ten or all together 400, and which are 400 at most. A target with a long tail has
five times as many images of its first class as of its last one, labelled and tested alike.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import open_target
from autotransfer.models.catalogue import resolve_sources
from autotransfer.models.source import Source
from autotransfer.plugin.registry import discover

ALL = 0  # the size that leaves every image labelled which is not tested
SIZES = (2, 5, 10, 20, 40, ALL)  # labelled images a class
LEAST_TESTED, MOST_TESTED, MOST_LABELLED = 10, 400, 1000
WORTH_ALL = 1.25  # times the labelled images of the size below: only then is `ALL` another size
TESTED_OF_ALL = 4  # one in so many
TAIL = 5.0  # images of the first class of a long tail for each one of the last

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pool:
    """A part of a set of the kit.

    Args:
        name: Its name.
        parts: Archives, each with the folder or the split of it after a slash.
        family: What of it may also be in other pools: sets of one family are no independent
            evidence.
        each: Most images of a class.
        leak: Sources that learnt from these images, by how `pretrained_on` begins.
    """

    name: str
    parts: tuple[str, ...]
    family: str
    each: int
    leak: str = ""

    def leaks(self, source: Source) -> bool:
        """Return whether the source learnt from images of the pool."""
        return bool(self.leak) and source.pretrained_on.startswith(self.leak)


@dataclass(frozen=True)
class Target:
    """A pool, or some of its classes.

    Args:
        name: Its name.
        pool: Name of the pool.
        span: First and last-plus-one class of those taken, in a fixed random order; None is all.
        groups: Classes of the pool by the name of the class that they make; empty for themselves.
        tail: Whether classes have unequal shares.
    """

    name: str
    pool: str
    span: tuple[int, int] | None = None
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tail: bool = False


@dataclass(frozen=True)
class Draw:
    """Places of the labelled images in the pool, (n,), and of the tested ones, (m,)."""

    labelled: Ints
    tested: Ints


POOLS = (
    Pool("hymenoptera", ("hymenoptera.zip/train",), "hymenoptera", 120, "ImageNet"),
    Pool("flowers5", ("flowers5.zip/train",), "flowers5", 110),
    Pool("eurosat", ("eurosat.zip/train",), "eurosat", 70),
    Pool("pacs-photo", ("pacs.zip/photo",), "pacs", 40),
    Pool("pacs-art", ("pacs.zip/art_painting",), "pacs", 40),
    Pool("pacs-sketch", ("pacs.zip/sketch",), "pacs", 40),
    Pool("bccd", ("bccd_cells.zip/train",), "bccd", 110),
    Pool("fashion", ("fashion_mnist.npz",), "fashion", 50),
    Pool("mnist", ("mnist.npz",), "digits", 50),
    Pool("cifar10", ("cifar10.zip/train",), "cifar10", 70, "CIFAR-10"),
    Pool("caltech30", ("caltech30.zip/train", "caltech30.zip/test"), "caltech30", 30),
    Pool("awa-seen", ("awa_cifar100.zip/seen_train",), "awa", 40),
    Pool("chars74k", tuple(f"chars74k_scene_digits.npz{s}" for s in ("", "/test")), "digits", 32),
    Pool("grocery", ("grocery.zip/train", "grocery.zip/test"), "grocery", 10),
    Pool("mnistm", ("mnistm.npz",), "digits", 30),
    Pool("awa-unseen", ("awa_cifar100.zip/unseen_train",), "awa", 40, "ImageNet"),
    Pool("usps", ("usps.npz",), "digits", 30),
    Pool("synth-digits", ("synth_digits.npz",), "digits", 30),
)
GROUPS = {
    "apple": ("Golden-Delicious", "Granny-Smith", "Pink-Lady", "Red-Delicious", "Royal-Gala"),
    "citrus": ("Lemon", "Lime", "Orange", "Red-Grapefruit", "Satsumas"),
    "juice": (
        "Bravo-Apple-Juice",
        "Bravo-Orange-Juice",
        "God-Morgon-Apple-Juice",
        "God-Morgon-Orange-Juice",
        "God-Morgon-Orange-Red-Grapefruit-Juice",
        "God-Morgon-Red-Grapefruit-Juice",
        "Tropicana-Apple-Juice",
        "Tropicana-Golden-Grapefruit",
        "Tropicana-Juice-Smooth",
        "Tropicana-Mandarin-Morning",
    ),
    "melon": ("Cantaloupe", "Galia-Melon", "Honeydew-Melon", "Watermelon"),
    "milk": (
        "Alpro-Fresh-Soy-Milk",
        "Alpro-Shelf-Soy-Milk",
        "Arla-Ecological-Medium-Fat-Milk",
        "Arla-Lactose-Medium-Fat-Milk",
        "Arla-Medium-Fat-Milk",
        "Arla-Standard-Milk",
        "Garant-Ecological-Medium-Fat-Milk",
        "Garant-Ecological-Standard-Milk",
        "Oatly-Oat-Milk",
    ),
    "pear": ("Anjou", "Conference", "Kaiser"),
    "pepper": ("Green-Bell-Pepper", "Orange-Bell-Pepper", "Red-Bell-Pepper", "Yellow-Bell-Pepper"),
    "potato": ("Floury-Potato", "Solid-Potato", "Sweet-Potato"),
    "tomato": ("Beef-Tomato", "Regular-Tomato", "Vine-Tomato"),
    "yoghurt": (
        "Alpro-Blueberry-Soyghurt",
        "Alpro-Vanilla-Soyghurt",
        "Arla-Mild-Vanilla-Yoghurt",
        "Arla-Natural-Mild-Low-Fat-Yoghurt",
        "Arla-Natural-Yoghurt",
        "Oatly-Natural-Oatghurt",
        "Valio-Vanilla-Yoghurt",
        "Yoggi-Strawberry-Yoghurt",
        "Yoggi-Vanilla-Yoghurt",
    ),
}
_WHOLE = tuple(Target(pool.name, pool.name) for pool in POOLS if pool.name != "awa-unseen")
_HALVES = ((0, 5), (5, 10))
_SOME = (
    *(Target(f"{p}-5{'ab'[s > 0]}", p, (s, e)) for p in ("eurosat", "cifar10", "fashion")
      for s, e in _HALVES),
    *(Target(f"{p}-2", p, (4, 6)) for p in ("eurosat", "cifar10")),
    *(Target(f"{p}-5a", p, (0, 5)) for p in ("mnist", "mnistm")),
    Target("usps-5b", "usps", (5, 10)),
    *(Target(f"awa-seen-5{'abc'[i]}", "awa-seen", (5 * i, 5 * i + 5)) for i in range(3)),
    *(Target(f"caltech30-10{'abc'[i]}", "caltech30", (10 * i, 10 * i + 10)) for i in range(3)),
    Target("flowers5-3", "flowers5", (0, 3)),
    Target("grocery-groups", "grocery", groups=GROUPS),
    *(Target(f"{p}-tail", p, tail=True) for p in ("flowers5", "eurosat", "cifar10", "bccd")),
)  # fmt: skip
TARGETS = (*_WHOLE, *_SOME)


def pool_of(target: Target) -> Pool:
    """Return the pool of a target."""
    return next(pool for pool in POOLS if pool.name == target.pool)


def opened(pool: Pool, kit: Path) -> tuple[list[tuple[ImageSet, Ints]], tuple[str, ...]]:
    """Return the images of a pool as parts of its archives, and the names of the classes.

    Of each part it is the set, without images that an earlier place has, and the places of the
    pool's images in it. Which images of a class are in the pool depends on their content alone.
    """
    sets = [_part(part, kit) for part in pool.parts]
    names = sets[0].class_names
    if any(part.class_names != names for part in sets):
        raise ValueError(f"the parts of {pool.name} have different classes")
    number = np.repeat(np.arange(len(sets)), [len(part) for part in sets])
    place = np.concatenate([np.arange(len(part)) for part in sets])
    labels = np.concatenate([part.labels for part in sets])
    _, first = np.unique([d for part in sets for d in part.digests], return_index=True)
    shuffled = _generator(pool.name).permutation(first)  # `first` is in the order of the content
    taken = np.concatenate(
        [shuffled[labels[shuffled] == k][: pool.each] for k in range(len(names))]
    )
    return [(part, place[taken[number[taken] == i]]) for i, part in enumerate(sets)], names


def _part(part: str, kit: Path) -> ImageSet:
    archive, _, inner = part.partition("/")
    path = kit / "data" / archive
    if archive.endswith(".npz"):
        target = open_target(str(path))
        images = target.held_out if inner else target.train
        assert images is not None
        return images
    return open_target(f"zip://{inner}::{path}").train


def classes_of(target: Target, names: tuple[str, ...]) -> list[list[int]]:
    """Return the classes of the pool that make up each class of a target."""
    if target.groups:
        return [[names.index(name) for name in made] for made in target.groups.values()]
    if target.span is None:
        return [[k] for k in range(len(names))]
    order = _generator(target.pool, "classes").permutation(len(names)).tolist()
    return [[k] for k in order[slice(*target.span)]]


def labels_of(target: Target, pool_labels: Ints, names: tuple[str, ...]) -> Ints:
    """Return (n,) classes of the pool's images in a target; -1 for those that are not in it."""
    labels = np.full(len(pool_labels), -1)
    for number, made in enumerate(classes_of(target, names)):
        labels[np.isin(pool_labels, made)] = number
    return labels


def draw(target: Target, labels: Ints, size: int, number: int) -> Draw | None:
    """Return one draw; None where the target is too small for the size.

    Args:
        target: The target.
        labels: (n,) its classes by image of the pool, -1 for none.
        size: One of `SIZES`.
        number: Which draw.
    """
    counts = np.bincount(labels[labels >= 0])
    dealt = _lent(target, counts, size)
    if dealt is None:
        return None
    generator = _generator(target.name, size, number)
    labelled, left = [], []
    for label, (some, rest) in enumerate(zip(*dealt, strict=True)):
        members = generator.permutation(np.flatnonzero(labels == label))
        labelled.append(members[:some])
        left.append(members[some : some + rest])
    return Draw(np.sort(np.concatenate(labelled)), np.sort(np.concatenate(left)))


def _lent(target: Target, counts: Ints, size: int) -> tuple[Ints, Ints] | None:
    """Return how many images of each class are labelled and tested; None where it cannot be."""
    if size == ALL:
        return _all_lent(target, counts)
    shares = TAIL ** -np.linspace(0, 1, len(counts)) if target.tail else np.ones(len(counts))
    shares /= shares.sum()
    lent = np.maximum(np.round(size * len(counts) * shares).astype(np.int64), 1)
    left = counts - lent
    if left.min() < 0:
        return None
    if target.tail:
        tested = np.floor(min(MOST_TESTED, (left / shares).min()) * shares).astype(np.int64)
        return (lent, tested) if tested.min() >= LEAST_TESTED else None
    enough = left.min() >= LEAST_TESTED or left.sum() >= MOST_TESTED
    return (lent, _alike(left, MOST_TESTED)) if enough else None


def _all_lent(target: Target, counts: Ints) -> tuple[Ints, Ints] | None:
    tested = _alike(np.maximum(counts // TESTED_OF_ALL, LEAST_TESTED), MOST_TESTED)
    lent = _alike(np.maximum(counts - tested, 0), MOST_LABELLED)
    below = [size for size in SIZES if size != ALL and _lent(target, counts, size)]
    worth = below and lent.sum() >= WORTH_ALL * max(below) * len(counts)
    return (lent, tested) if worth and not target.tail else None


def _alike(counts: Ints, most: int) -> Ints:
    """Return how many of each class are taken, as many of each as there are, so many in all."""
    found = np.minimum(counts, most)
    level = int(found.max())
    while np.minimum(found, level).sum() > most:
        level -= 1
    return np.minimum(found, level)


def _generator(*key: str | int) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(str(part).encode()) for part in key])


def sources_in(kit: Path) -> tuple[Source, ...]:
    """Return the image networks of the kit, the default one first."""
    weights = kit / "weights"
    discover(files=[weights / "timm_extra.py"])
    catalogues = [weights / "catalogue.toml", weights / "catalogue_more.toml"]
    return tuple(s for path in catalogues for s in resolve_sources(str(path)).sources)
