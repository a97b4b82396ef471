"""What audit labels say of the reject option: known accuracy, unknown recall, and both together.

Labels are of three strata: images on which the two predictors differ, on which they agree, and
that are rejected. Each counts by its size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.forecasts import Range
from autotransfer.scenarios.unlabelled.audit import Draw

UNKNOWN = -1  # the label of an image that is none of the classes
_DRAWS = 4000  # of the posterior
_PRIOR = 0.5  # Jeffreys


@dataclass(frozen=True)
class OpenSetAudit:
    """Figures in [0, 1] with 90 % intervals.

    Args:
        known_accuracy: Share of the images of the classes that are answered right and not
            rejected.
        recall: Share of the others that are rejected.
        harmonic: Harmonic mean of the two.
    """

    known_accuracy: Range
    recall: Range
    harmonic: Range

    @property
    def told(self) -> str:
        """Return it in one sentence."""
        known, recall, both = (
            f"{100 * r.value:.0f} % ({100 * r.low:.0f} % to {100 * r.high:.0f} %)"
            for r in (self.known_accuracy, self.recall, self.harmonic)
        )
        return (
            f"with what is rejected as none of the classes: known accuracy {known}, unknown "
            f"images rejected {recall}, harmonic mean {both}; 90 % intervals"
        )


def audit_open_set(
    drawn: Draw, labels: dict[int, int], answers: NDArray[np.int64], *, seed: int
) -> OpenSetAudit | None:
    """Return what the labels say; None where nothing was rejected.

    Args:
        drawn: What was drawn.
        labels: The class of every drawn position; `UNKNOWN` for none of them.
        answers: (n,) classes by the predictor that is returned.
        seed: Of the posterior.

    References:
        Fu et al., Learning to Detect Open Classes for Universal Domain Adaptation, ECCV 2020
        (the harmonic mean). Jeffreys, Theory of Probability, 1939 (the prior of shares).
    """
    if not drawn.rejected:
        return None
    strata = (
        (drawn.num_differing, drawn.differing),
        (drawn.num_images - drawn.num_differing, drawn.agreeing),
        (drawn.num_rejected, drawn.rejected),
    )
    counts = np.array([_counts(places, labels, answers) for _, places in strata])  # (3, 3)
    sizes = np.array([size for size, _ in strata], dtype=float)
    generator = np.random.default_rng(seed)
    drawn_shares = [generator.dirichlet(row + _PRIOR, _DRAWS) for row in counts]
    figures = _figures(np.stack(drawn_shares, axis=1), sizes)  # (3, draws)
    values = _figures((counts + 1e-9) / (counts + 1e-9).sum(axis=1, keepdims=True), sizes)
    low, high = np.quantile(figures, [0.05, 0.95], axis=1)
    ranges = [
        Range(float(v), float(min(a, v)), float(max(b, v)))
        for v, a, b in zip(values, low, high, strict=True)
    ]
    return OpenSetAudit(*ranges)


def _counts(
    places: tuple[int, ...], labels: dict[int, int], answers: NDArray[np.int64]
) -> tuple[int, int, int]:
    """Return how many are known and right, known and wrong, and unknown."""
    truth = [labels[i] for i in places]
    unknown = sum(label == UNKNOWN for label in truth)
    right = sum(int(answers[i]) == label for i, label in zip(places, truth, strict=True))
    return right, len(truth) - unknown - right, unknown


def _figures(shares: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the three figures of (..., 3 strata, 3 outcomes) shares."""
    whole = shares * sizes[:, None]
    known = whole[..., :2].sum(axis=(-1, -2))
    unknown = whole[..., 2].sum(axis=-1)
    accuracy = whole[..., :2, 0].sum(axis=-1) / np.maximum(
        known, 1e-9
    )  # what is rejected is wrong
    recall = whole[..., 2, 2] / np.maximum(unknown, 1e-9)
    both = 2 * accuracy * recall / np.maximum(accuracy + recall, 1e-9)
    return np.stack([accuracy, recall, both])
