"""How many target images are none of the classes, before anything is adapted, and which.

Target images are scored beside the labelled source images, in frozen features: as they are where
the target looks like the source, else with each domain standardised by itself and without
distances to single images. How far unknown images should lie from known ones is measured on
classes of the source that are left out, several times. Where the target as a whole looks
strange, or the interval is wide, nothing is told and nothing is rejected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.models.features import Features
from autotransfer.models.novelty import Novelty
from autotransfer.models.open_set import MORE_PROBABLY, OpenSet
from autotransfer.models.single_thread import single_thread
from autotransfer.models.source import Source
from autotransfer.models.unknown_mixture import (
    MOST,
    Beforehand,
    UnknownMixture,
    fit_unknown_mixture,
    probability_at,
)

MOST_READ = 1000  # images of a set
FEWEST = 40  # images of each domain; with fewer nothing is told
LOOKS_ALIKE = -0.7  # tenth part of the z-scores lies below, where the domains look alike
MOST_SHIFTED = 0.75  # mean z-score of known images; beyond, the domain itself is strange
LEAST_SEEN = 0.6  # mean z-score of classes left out; below, not finding any says nothing
LEAST_PURE = 0.6  # expected share of unknown images among those that are rejected
WIDEST = 0.4  # interval that is told
LEFT_OUT = 5  # times that a third of the classes is
_MOST_COUNTED = 250  # target images, whatever their number
_MOST_LEFT_OUT = 500  # labelled images of which classes are left out
_BEYOND, _WIDTH = 1.0, 0.7  # where there are too few classes to leave some out
_LEAST_BEYOND = 0.2


@dataclass(frozen=True)
class UnknownClasses:
    """What is known of the target images that are none of the classes.

    Args:
        novelty: The score.
        mixture: What the scores of the target say.
        aligned: Whether each domain was standardised by itself.
        beyond: Mean z-score of images of classes that were left out.
        purity: Expected share of unknown images among those that would be rejected.
    """

    novelty: Novelty
    mixture: UnknownMixture
    aligned: bool
    beyond: float
    purity: float

    @property
    def doubt(self) -> str:
        """Return why the share is not told; empty where it is."""
        found = self.mixture
        if found.shift > MOST_SHIFTED:
            return (
                "the whole target looks strange beside the source items: another look, or hardly "
                "any image of your classes, and nothing here tells the two apart"
            )
        if found.high >= MOST:
            return f"it may be {100 * MOST:.0f} % of the items or more"
        if found.high - found.low > WIDEST:
            return (
                f"it may be anything from {100 * found.low:.0f} % to {100 * found.high:.0f} % "
                "of the items"
            )
        if not found.low and self.beyond < LEAST_SEEN:
            return (
                "classes of the source that are left out look like the others, so classes that "
                "nobody named would not be seen"
            )
        return ""

    @property
    def found(self) -> bool:
        """Return whether there are unknown images, and one can tell which."""
        return not self.doubt and self.mixture.low > 0 and self.purity > LEAST_PURE

    def open_set(self, source: Source) -> OpenSet:
        """Return what `predict` needs of it.

        Args:
            source: Whose features were read.
        """
        return OpenSet(self.novelty, self.mixture.probabilities, source, self.found)


def too_few(source: ImageSet, target: ImageSet) -> str:
    """Return why so few images tell nothing; empty where they are enough.

    Args:
        source: Labelled images.
        target: Images without labels.
    """
    for name, images in (("source", source), ("target", target)):
        if len(images) < FEWEST:
            return f"{len(images)} {name} items are too few; at least {FEWEST} are needed"
    return ""


def read_unknown_classes(
    source: ImageSet, target: ImageSet, features: Features, *, seed: int
) -> UnknownClasses:
    """Return what is known of the unknown in a target, as a frozen source sees it.

    Args:
        source: Labelled images.
        target: Images without labels.
        features: Of a pretrained source.
        seed: Draws images and the classes that are left out.
    """
    source, target = source.sample(MOST_READ, seed), target.sample(MOST_READ, seed)
    known, new = (np.asarray(features(images), np.float64) for images in (source, target))
    with single_thread():
        return unknown_classes(known, source.labels, new, seed=seed)


def unknown_classes(
    known: NDArray[np.float64], labels: NDArray[np.int64], new: NDArray[np.float64], *, seed: int
) -> UnknownClasses:
    """Return what features tell of the unknown.

    Args:
        known: (m, d) features of labelled images.
        labels: (m,) of at least two classes.
        new: (n, d) features of target images.
        seed: Draws the classes that are left out.
    """
    novelty = Novelty.of(known, labels)
    z = novelty.z(new)
    aligned = bool(np.quantile(z, 0.1) > LOOKS_ALIKE)
    if aligned:
        novelty = Novelty.of(known, labels, like=new, distances=False)
        z = novelty.z(new)
    beyond, width = _left_out(known, labels, distances=not aligned, seed=seed)
    before = Beforehand(0.1, beyond, width, _MOST_COUNTED)
    if aligned:  # a shift that hides classes brings them nearer as well
        before = Beforehand(0.4, 0.8 * beyond, width, _MOST_COUNTED)
    mixture = fit_unknown_mixture(z, before)
    probability = probability_at(mixture.probabilities, z)
    more = probability[probability > MORE_PROBABLY]
    purity = float(more.mean()) if len(more) else 0.0
    return UnknownClasses(novelty, mixture, aligned, beyond, purity)


def _left_out(
    features: NDArray[np.float64], labels: NDArray[np.int64], *, distances: bool, seed: int
) -> tuple[float, float]:
    """Return mean and deviation of the z-scores of classes that were left out."""
    generator, drawn = np.random.default_rng(seed), []
    some = np.sort(generator.permutation(len(labels))[:_MOST_LEFT_OUT])
    features, labels = features[some], labels[some]
    classes = np.unique(labels)
    if len(classes) < 3:
        return _BEYOND, _WIDTH
    for _ in range(LEFT_OUT):
        out = np.isin(labels, generator.permutation(classes)[: max(1, len(classes) // 3)])
        kept = features[~out]
        score = Novelty.of(kept, labels[~out], like=kept, distances=distances)
        drawn.append(score.z(features[out]))
    means, widths = ([measure(z) for z in drawn] for measure in (np.mean, np.std))
    return max(float(np.mean(means)), _LEAST_BEYOND), float(np.clip(np.mean(widths), 0.4, 1.0))
