"""Which classes of the source are in the target, and how often, before anything is adapted.

Shares can be read off a classifier where a class looks the same in both domains. Whether it does
is seen by reading twice: frozen features as they are, and with each domain brought to mean 0 and
deviation 1 by itself, the source weighed by the shares that were found. A shift that fools the
first reading moves the second one. The second reading is also begun from the source's own shares.
Where these tell different shares, none are believed, unless it is the beginning alone that matters
and another network tells the same shares. How the limits were set stands in
`docs/benchmarks/open-world.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.models.calibration import fit_temperature, tempered
from autotransfer.models.features import Features
from autotransfer.models.heads import fit_logistic
from autotransfer.models.heads.linear import Standardisation
from autotransfer.models.label_shift import bbse_shares, em_shares
from autotransfer.models.single_thread import single_thread
from autotransfer.scenarios.unlabelled.holdout import Part

MOST = 2000  # images of a set that are read
FEWEST = 40  # target images; with fewer the shares are not told
MOST_APART = 0.15  # of all images, on which shares found from two beginnings may differ
MOST_MOVED = 0.10  # of all images, on which the shares of the two readings may differ
MOST_BETWEEN = 0.20  # of all images, on which the shares that two networks tell may differ
ABSENT = 0.25  # of its share in the source: with less a class seems not to be there
LEAST_ABSENT = 0.25  # of the classes that have to be absent before the source is weighed
_DRAWS = 40  # of the bootstrap
_LEAST_SHARE = 1e-3


@dataclass(frozen=True)
class ClassShares:
    """The (K,) shares of the classes in the target, and whether to believe them.

    Args:
        value: The estimates; they add up to one.
        low: Lower ends of intervals: the least of six estimates (EM and BBSE of three readings),
            less what another draw of the images would change (95 %).
        high: Upper ends.
        source: Shares of the classes in the source.
        apart: Share of images on which the second reading differs with where it begins.
        moved: Share of images on which the two readings differ.
        num_images: Target images that were read.
        between: Share of images on which a second network differs; None where none was asked.
    """

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    source: NDArray[np.float64]
    apart: float
    moved: float
    num_images: int
    between: float | None = None

    @property
    def doubt(self) -> str:
        """Return why the shares are not believed; empty where they are."""
        if self.num_images < FEWEST:
            return f"{self.num_images} target items are too few; at least {FEWEST} are needed"
        if self.moved > MOST_MOVED or (self.depends_on_beginning and not self.confirmed):
            return (
                "the target looks too different: two readings of the source tell shares that "
                f"differ by {100 * max(self.apart, self.moved):.0f} % of the items"
            )
        return ""

    @property
    def depends_on_beginning(self) -> bool:
        """Return whether the second reading tells other shares from another beginning."""
        return self.apart > MOST_APART

    @property
    def confirmed(self) -> bool:
        """Return whether a second network tells about the same shares."""
        return self.between is not None and self.between <= MOST_BETWEEN

    @property
    def absent(self) -> NDArray[np.bool_]:
        """Return (K,) which classes seem not to be in the target."""
        return self.value < ABSENT * self.source


@dataclass(frozen=True)
class _Reading:
    """Calibrated (n, K) answers to target images, and to held-out source images."""

    target: NDArray[np.float64]
    held_out: NDArray[np.float64]


def read_class_shares(
    source: Part, target: ImageSet, networks: Sequence[Features], *, seed: int
) -> ClassShares:
    """Return the class shares of the target, as frozen sources see it.

    Args:
        source: Labelled images; those held out calibrate the answers.
        target: Images without labels.
        networks: Features of pretrained sources. The second is read only where what the first
            tells depends on where its second reading begins.
        seed: Draws images and the bootstrap.
    """
    found = _read_one(source, target, networks[0], seed)
    if len(networks) == 1 or found.moved > MOST_MOVED or not found.depends_on_beginning:
        return found
    return both(found, _read_one(source, target, networks[1], seed))


def both(one: ClassShares, other: ClassShares) -> ClassShares:
    """Return what two networks tell: the mean, in an interval that holds those of both."""
    return replace(
        one,
        value=(one.value + other.value) / 2,
        low=np.minimum(one.low, other.low),
        high=np.maximum(one.high, other.high),
        moved=max(one.moved, other.moved),
        between=_distance(one.value, other.value),
    )


def _read_one(source: Part, target: ImageSet, features: Features, seed: int) -> ClassShares:
    learn, held_out = source.learn.sample(MOST, seed), source.held_out.sample(MOST, seed)
    target = target.sample(MOST, seed)
    rows = [np.asarray(features(images), np.float64) for images in (learn, held_out, target)]
    with single_thread():
        return class_shares(
            (rows[0], learn.labels), (rows[1], held_out.labels), rows[2],
            len(source.learn.class_names), seed=seed,
        )  # fmt: skip


def class_shares(
    learn: tuple[NDArray[np.float64], NDArray[np.int64]],
    held_out: tuple[NDArray[np.float64], NDArray[np.int64]],
    target: NDArray[np.float64],
    num_classes: int,
    *,
    seed: int,
) -> ClassShares:
    """Return the class shares that features tell.

    Args:
        learn: (n, d) features and (n,) classes of source images.
        held_out: (m, d) and (m,) of others.
        target: (t, d) features of target images.
        num_classes: K.
        seed: Of the bootstrap.
    """
    counts = np.bincount(learn[1], minlength=num_classes)
    prior = counts / counts.sum()

    def weighed(shares: NDArray[np.float64]) -> _Reading:
        return _read(learn, held_out, target, num_classes, np.maximum(shares, _LEAST_SHARE))

    plain = _read(learn, held_out, target, num_classes, None)
    first = em_shares(plain.target, prior)
    of_first = weighed(first)
    second = em_shares(of_first.target, prior)
    begun = weighed(em_shares(weighed(prior).target, prior))
    other = em_shares(begun.target, prior)
    value = (first + second) / 2
    counted = [bbse_shares(r.target, r.held_out, held_out[1]) for r in (plain, of_first, begun)]
    checks = [first, second, other, *counted]
    drawn = _bootstrap(plain.target, of_first.target, prior, value, seed) - value
    low = np.min(checks, axis=0) + np.quantile(drawn, 0.025, axis=0)
    high = np.max(checks, axis=0) + np.quantile(drawn, 0.975, axis=0)
    low, high = np.clip([np.minimum(low, value), np.maximum(high, value)], 0.0, 1.0)
    apart, moved = _distance(second, other), _distance(first, second)
    return ClassShares(value, low, high, prior, apart, moved, len(target))


def _read(
    learn: tuple[NDArray[np.float64], NDArray[np.int64]],
    held_out: tuple[NDArray[np.float64], NDArray[np.int64]],
    target: NDArray[np.float64],
    num_classes: int,
    shares: NDArray[np.float64] | None,
) -> _Reading:
    """Return the answers of a probe; with shares each domain is standardised by itself."""
    features, labels = learn
    scale = of_target = Standardisation.of(features)
    if shares is not None:
        weights = shares / np.maximum(np.bincount(labels, minlength=num_classes), 1)
        scale, of_target = _weighted(features, weights[labels]), Standardisation.of(target)
    head = fit_logistic(scale.apply(features), labels, num_classes, standardise=False)
    known = head.probabilities(scale.apply(held_out[0]))
    temperature = fit_temperature(known, held_out[1])
    said = head.probabilities(of_target.apply(target))
    return _Reading(tempered(said, temperature), tempered(known, temperature))


def _weighted(features: NDArray[np.float64], weights: NDArray[np.float64]) -> Standardisation:
    """Return the statistics of (n, d) features, each image counting by its weight."""
    weights = weights / weights.sum()
    mean = weights @ features
    std = np.sqrt(weights @ (features - mean) ** 2)
    return Standardisation(mean, np.where(std > 1e-6, std, 1.0))


def _bootstrap(
    plain: NDArray[np.float64],
    weighed: NDArray[np.float64],
    prior: NDArray[np.float64],
    start: NDArray[np.float64],
    seed: int,
) -> NDArray[np.float64]:
    """Return (B, K) shares of target images that are drawn again."""
    generator = np.random.default_rng(seed)
    drawn = [generator.integers(0, len(plain), len(plain)) for _ in range(_DRAWS)]
    return np.array(
        [(em_shares(plain[i], prior, start) + em_shares(weighed[i], prior, start)) / 2
         for i in drawn]
    )  # fmt: skip


def _distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the total variation: the share of images that would have to change their class."""
    return float(np.abs(one - other).sum() / 2)


def rows_by_shares(
    labels: NDArray[np.int64], shares: NDArray[np.float64], *, seed: int
) -> NDArray[np.int64]:
    """Return (n,) positions of as many images, of which each class has its share.

    Images of a class are shown in turn, so that they differ by one showing at most.

    Args:
        labels: (n,) classes; a class without images is left out.
        shares: (K,).
        seed: Orders the images of a class.
    """
    generator = np.random.default_rng(seed)
    there = np.unique(labels)
    wanted = shares[there] / shares[there].sum() * len(labels)
    counts = np.floor(wanted).astype(int)
    counts[np.argsort(counts - wanted)[: len(labels) - counts.sum()]] += 1
    parts = [
        np.resize(generator.permutation(np.flatnonzero(labels == k)), count)
        for k, count in zip(there, counts, strict=True)
    ]
    return np.sort(np.concatenate(parts))
