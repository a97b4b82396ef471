"""Figures of zero-shot learning: per-class top-1, harmonic mean, the seen-unseen curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def per_class_top1(labels: NDArray[np.int64], guesses: NDArray[np.int64]) -> float:
    """Return the mean over the classes that occur of the share of their images that is found.

    Args:
        labels: (n,) classes.
        guesses: (n,) predicted classes.

    Raises:
        ValueError: If there is no image.
    """
    if not len(labels):
        raise ValueError("per-class top-1 of no image is undefined")
    hits = labels == guesses
    return float(np.mean([hits[labels == label].mean() for label in np.unique(labels)]))


def harmonic_mean(unseen: float, seen: float) -> float:
    """Return H = 2 U S / (U + S), 0 where both are 0."""
    return 2 * unseen * seen / (unseen + seen) if unseen + seen > 0 else 0.0


@dataclass(frozen=True)
class SeenUnseen:
    """Accuracy on seen and on unseen classes for every stacking_offset of the seen ones.

    Args:
        stacking_offsets: (m,) what is subtracted from the scores of seen classes, ascending;
            one value
            within each stretch in which no decision changes.
        unseen: (m,) per-class top-1 of the unseen classes' images among all classes.
        seen: (m,) that of the seen classes' images.
    """

    stacking_offsets: Array
    unseen: Array
    seen: Array

    @property
    def harmonic(self) -> Array:
        """Return the (m,) harmonic means."""
        total = self.unseen + self.seen
        return 2 * self.unseen * self.seen / np.maximum(total, 1e-300)

    @property
    def area(self) -> float:
        """Return AUSUC, the area under seen against unseen accuracy, in [0, 1].

        References:
            Chao et al., An empirical study and analysis of generalized zero-shot learning for
            object recognition in the wild, ECCV 2016, section 3.4.
        """
        return float(np.trapezoid(self.seen, self.unseen))

    def at(self, stacking_offset: float) -> tuple[float, float]:
        """Return (U, S) at a stacking_offset."""
        place = self.places(np.array(stacking_offset))
        return float(self.unseen[place]), float(self.seen[place])

    def places(self, stacking_offsets: Array) -> NDArray[np.int64]:
        """Return which stretch of the curve each of some stacking offsets is in."""
        edges = (self.stacking_offsets[1:] + self.stacking_offsets[:-1]) / 2
        return np.searchsorted(edges, stacking_offsets)


def seen_unseen_curve(scores: Array, labels: NDArray[np.int64], num_seen: int) -> SeenUnseen:
    """Return the curve of calibrated stacking: argmax of score - stacking_offset [class is seen].

    Args:
        scores: (n, K) scores, seen classes first.
        labels: (n,) classes in [0, K); images of both kinds.
        num_seen: Number of seen classes.

    Raises:
        ValueError: If images of one kind are missing.
    """
    of_seen = labels < num_seen
    if of_seen.all() or not of_seen.any():
        raise ValueError("a curve needs images of seen and of unseen classes")
    best_seen, best_unseen = scores[:, :num_seen], scores[:, num_seen:]
    margin = best_seen.max(axis=1) - best_unseen.max(axis=1)  # above it, unseen wins
    right = np.where(
        of_seen,
        best_seen.argmax(axis=1) == labels,
        best_unseen.argmax(axis=1) + num_seen == labels,
    )
    shares = np.bincount(labels, minlength=scores.shape[1]).astype(float)
    weight = right / shares[labels]
    order = np.argsort(margin, kind="stable")
    edges, first = np.unique(margin[order], return_index=True)
    step_seen = np.add.reduceat(np.where(of_seen, weight, 0.0)[order], first)
    step_unseen = np.add.reduceat(np.where(of_seen, 0.0, weight)[order], first)
    kinds = np.unique(labels)
    seen = (step_seen.sum() - np.concatenate([[0.0], np.cumsum(step_seen)])) / max(
        (kinds < num_seen).sum(), 1
    )
    unseen = np.concatenate([[0.0], np.cumsum(step_unseen)]) / max((kinds >= num_seen).sum(), 1)
    between = (edges[1:] + edges[:-1]) / 2
    stacking_offsets = np.concatenate([[edges[0] - 1], between, [edges[-1] + 1]])
    return SeenUnseen(stacking_offsets, unseen, np.maximum(seen, 0.0))
