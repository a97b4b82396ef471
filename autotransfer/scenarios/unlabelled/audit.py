"""Which images to label, and what their labels say of the gap to source-only.

The gap in accuracy between two predictors comes only from images on which they differ. So most
labels go there: with share s of such images, w wins and l losses among k labelled ones, the gap
is s (w - l) / k. The two predictors and the draw are fixed before anybody looks, so that the
estimate is unbiased. Images that are rejected as none of the classes are drawn apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from autotransfer.results import Interval

RANDOM_SHARE = 0.2  # of the labels, on images where both agree: for absolute accuracy
REJECTED_SHARE = 0.2  # of the labels, on images that are rejected, where there are some
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Draw:
    """The images to label; positions are within the n images that neither was trained on.

    Args:
        differing: Those on which the two predictors differ.
        agreeing: Those on which they agree.
        num_differing: Number of all images on which they differ.
        num_images: Number of all images that are not rejected.
        rejected: Those that are rejected as none of the classes.
        num_rejected: Number of all rejected images.
    """

    differing: tuple[int, ...]
    agreeing: tuple[int, ...]
    num_differing: int
    num_images: int
    rejected: tuple[int, ...] = ()
    num_rejected: int = 0

    @property
    def share(self) -> float:
        """Return the share of the images on which the two differ; 0 where all are rejected."""
        return self.num_differing / max(self.num_images, 1)

    @property
    def positions(self) -> tuple[int, ...]:
        """Return all positions, ascending."""
        return tuple(sorted((*self.differing, *self.agreeing, *self.rejected)))


@dataclass(frozen=True)
class Estimate:
    """What the labels say.

    Args:
        gap: Accuracy of the finalist minus that of source-only.
        finalist: Accuracy of the finalist.
        baseline: Accuracy of source-only.
        wins: Labelled images that only the finalist gets right.
        losses: Labelled images that only source-only gets right.
    """

    gap: Interval
    finalist: Interval
    baseline: Interval
    wins: int
    losses: int


def draw(
    finalist: NDArray[np.int64],
    baseline: NDArray[np.int64],
    num_labels: int,
    *,
    seed: int,
    rejected: NDArray[np.bool_] | None = None,
) -> Draw:
    """Return which images to label.

    Args:
        finalist: (n,) answers of the finalist.
        baseline: (n,) answers of source-only.
        num_labels: How many labels there may be.
        seed: Of the draw.
        rejected: (n,) which images are rejected as none of the classes; None for none.
    """
    generator = np.random.default_rng(seed)
    out = np.zeros(len(finalist), dtype=bool) if rejected is None else rejected
    differ = generator.permutation(np.flatnonzero((finalist != baseline) & ~out))
    agree = generator.permutation(np.flatnonzero((finalist == baseline) & ~out))
    strange = generator.permutation(np.flatnonzero(out))
    num_strange = min(round(REJECTED_SHARE * num_labels), len(strange))
    num_labels -= num_strange
    num_agreeing = min(round(RANDOM_SHARE * num_labels), len(agree))
    num_differing = min(num_labels - num_agreeing, len(differ))
    num_agreeing = min(num_labels - num_differing, len(agree))
    return Draw(
        tuple(int(i) for i in np.sort(differ[:num_differing])),
        tuple(int(i) for i in np.sort(agree[:num_agreeing])),
        len(differ),
        len(differ) + len(agree),
        tuple(int(i) for i in np.sort(strange[:num_strange])),
        len(strange),
    )


def estimate(
    drawn: Draw, labels: dict[int, int], finalist: NDArray[np.int64], baseline: NDArray[np.int64]
) -> Estimate:
    """Return the gap and both accuracies with 95 % intervals, for further images like these.

    The variance has two parts: of the wins and losses among the labelled images, and of the
    share of images on which the two differ. Half a win, half a loss and one tie are added to
    the first (Agresti & Min, Biometrics 61, 2005), so that few labels do not look like proof.

    Args:
        drawn: What was drawn.
        labels: The class of every drawn position; -1 for none of them.
        finalist: (n,) answers of the finalist.
        baseline: (n,) answers of source-only.
    """
    differing, agreeing = np.array(drawn.differing, int), np.array(drawn.agreeing, int)
    truth = np.array([labels[int(i)] for i in differing], dtype=np.int64)
    won, lost = finalist[differing] == truth, baseline[differing] == truth
    both = np.array([finalist[i] == labels[int(i)] for i in agreeing], dtype=bool)
    s, n = drawn.share, drawn.num_images
    wins, losses = int(won.sum()), int(lost.sum())
    gap = _gap(wins, losses, len(differing), s, n)
    return Estimate(gap, _accuracy(won, both, s, n), _accuracy(lost, both, s, n), wins, losses)


def _gap(wins: int, losses: int, labelled: int, share: float, n: int) -> Interval:
    if not labelled:
        return Interval(0.0, 0.0, 0.0, 0)
    value = share * (wins - losses) / labelled
    k = labelled + 2
    middle = (wins - losses) / k
    spread = (wins + losses + 1) / k - middle**2
    half = _Z * np.sqrt(share**2 * spread / k + middle**2 * share * (1 - share) / n)
    low, high = share * middle - half, share * middle + half
    return Interval(value, float(max(min(low, value), -1.0)), float(min(max(high, value), 1.0)),
                    labelled)  # fmt: skip


def _accuracy(right: NDArray[np.bool_], both: NDArray[np.bool_], share: float, n: int) -> Interval:
    """Return the stratified accuracy: where the two differ, and where they agree."""
    strata = ((share, right), (1 - share, both))
    means = [(hits.sum() + 1) / (len(hits) + 2) for _, hits in strata]
    value = sum(w * (hits.mean() if len(hits) else 0.5) for w, hits in strata)
    variance = sum(
        w**2 * m * (1 - m) / (len(hits) + 2) for (w, hits), m in zip(strata, means, strict=True)
    )
    variance += (means[0] - means[1]) ** 2 * share * (1 - share) / max(n, 1)
    centre = sum(w * m for (w, _), m in zip(strata, means, strict=True))
    half = _Z * float(np.sqrt(variance))
    low, high = max(min(centre - half, value), 0.0), min(max(centre + half, value), 1.0)
    return Interval(float(value), float(low), float(high), len(right) + len(both))
