"""Answers of a saved selection in the zero-shot scenario: among which classes, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from autotransfer.data.image_set import ImageSet
from autotransfer.models.predictors.base import FeatureReader, Predictor
from autotransfer.plugin.zero_shot import AttributePredictor
from autotransfer.results import ZeroShotFindings

Array = NDArray[np.float64]

REASONS = 5  # attributes that are named for an image
_CHUNK = 256  # images whose contributions are held at once


def competing(zero_shot: ZeroShotFindings, *, generalised: bool) -> tuple[str, ...]:
    """Return the names of the classes that compete: the unseen ones, or all, seen first."""
    return (*zero_shot.seen, *zero_shot.unseen) if generalised else zero_shot.unseen


def probabilities(
    predictor: Predictor,
    images: ImageSet,
    features: FeatureReader,
    zero_shot: ZeroShotFindings,
    *,
    generalised: bool,
) -> Array:
    """Return (n, K) probabilities of the competing classes, seen ones handicapped."""
    num_seen = len(zero_shot.seen)
    if not isinstance(predictor, AttributePredictor):  # the baseline: chance
        shares = predictor.predict(images, features)[:, 0 if generalised else num_seen :]
        chance: Array = shares / shares.sum(axis=1, keepdims=True)
        return chance
    rows = np.array(zero_shot.values)
    if generalised:
        scores = predictor.scores(images, features, rows)
        scores[:, :num_seen] -= zero_shot.stacking_offset
    else:
        scores = predictor.scores(images, features, rows[num_seen:])
    return softmax(zero_shot.inverse_temperature * scores, axis=1)


@dataclass(frozen=True)
class Reason:
    """One attribute that spoke for the class that was named.

    Args:
        image: What the image seems to have of it, in the units of the table.
        described: What the table says of the class.
        others: What the table says of the other competing classes, on average.
        share: Part of all that spoke for the class, in [0, 1].
    """

    attribute: str
    image: float
    described: float
    others: float
    share: float


@dataclass(frozen=True)
class Explanation:
    """What was seen in one image.

    Args:
        attributes: (a,) attributes that the image seems to have, in the units of the table.
        reasons: What spoke most for the class that was named, most first.
    """

    attributes: Array
    reasons: tuple[Reason, ...]


def explain(
    predictor: Predictor,
    images: ImageSet,
    features: FeatureReader,
    zero_shot: ZeroShotFindings,
    winners: NDArray[np.int64],
    *,
    generalised: bool,
) -> list[Explanation]:
    """Return why each image was given its class: parts of its score above the others' mean.

    Args:
        predictor: What named the classes.
        images: (n,) images.
        features: Of its source.
        zero_shot: The record of the fit.
        winners: (n,) place of the named class among the competing ones.
        generalised: Whether all classes compete.

    Returns:
        One for each image; none where what was returned looks at no attributes, or these are the
        features of descriptions, which say nothing to anybody.
    """
    if not isinstance(predictor, AttributePredictor) or zero_shot.describer:
        return []
    rows = np.array(zero_shot.values)[0 if generalised else len(zero_shot.seen) :]
    found = []
    for start in range(0, len(images), _CHUNK):
        places = np.arange(start, min(start + _CHUNK, len(images)))
        part = images.subset(places)
        seen = predictor.attributes(part, features)
        parts = predictor.contributions(part, features, rows)  # (b, c, a)
        for i, winner in enumerate(winners[places]):
            others = np.arange(len(rows)) != winner
            gain = parts[i, winner] - parts[i, others].mean(axis=0)
            found.append(_explanation(seen[i], gain, rows[winner], rows[others], zero_shot))
    return found


def _explanation(
    seen: Array, gain: Array, row: Array, others: Array, zero_shot: ZeroShotFindings
) -> Explanation:
    total = max(float(np.maximum(gain, 0).sum()), 1e-300)
    best = [i for i in np.argsort(-gain, kind="stable")[:REASONS] if gain[i] > 0]
    mean = others.mean(axis=0)
    reasons = tuple(
        Reason(
            zero_shot.attributes[i],
            float(seen[i]),
            float(row[i]),
            float(mean[i]),
            float(gain[i] / total),
        )
        for i in best
    )
    return Explanation(seen, reasons)
