"""Which images are none of the classes: those far from the fit's images, or hard to answer.

The distance is that to the k-th nearest image of the fit, in the features of the frozen source,
each brought to length one; how hard an image is to answer is the entropy of a probe. No network
was tuned on these features, so the scores of the fit's own images, each without itself, are those
that new images of the same kind have, and their quantiles say what is too strange.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autotransfer.errors import InvalidOptionError
from autotransfer.models.heads.linear import LinearHead, unit_rows
from autotransfer.models.heads.ridge import fit_ridge_held_out
from autotransfer.models.single_thread import single_thread
from autotransfer.models.unknown_share import Unknown, judged_together, p_values, surprise

NEIGHBOUR = 2  # a single nearest image may be a copy
MOST_REFERENCES = 1000
SHARE = 0.05  # of known images, what is rejected by default
_ROWS = 1024  # of distances at once


@dataclass(frozen=True)
class Rejection:
    """Reference images, and how far they are apart.

    Args:
        references: (m, d) float32 features of images of the fit, each of length one.
        distances: (m,) of each to the k-th nearest of the others, in [0, 2].
        head: A ridge probe of the references; None in what earlier versions saved.
        entropies: (m,) of what the fit without an image says of it.

    References:
        Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors, ICML 2022,
        arXiv:2204.06507. The threshold is the conformal one: Vovk, Gammerman and Shafer,
        Algorithmic Learning in a Random World, 2005, section 2.2.
    """

    references: NDArray[np.float32]
    distances: NDArray[np.float64]
    head: LinearHead | None = None
    entropies: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls,
        features: NDArray[np.floating],
        labels: NDArray[np.int64] | None = None,
        *,
        seed: int = 0,
    ) -> Rejection | None:
        """Return the rejection that the fit's images calibrate.

        None where there are too few images for any distance.

        Args:
            features: (n, d).
            labels: (n,) classes; None leaves the probe out.
            seed: Draws the references, where there are more images than are kept.
        """
        if len(features) <= NEIGHBOUR:
            return None
        kept = np.arange(len(features))
        if len(features) > MOST_REFERENCES:
            drawn = np.random.default_rng(seed).permutation(len(features))[:MOST_REFERENCES]
            kept = np.sort(drawn)
        references = directions(features[kept])
        found = cls(references, neighbour_distances(references, references, own=True))
        if labels is None or len(np.unique(labels[kept])) < 2:
            return found
        _, places = np.unique(labels[kept], return_inverse=True)
        with single_thread():
            probe = fit_ridge_held_out(references, places, int(places.max()) + 1)
        return replace(found, head=probe.head, entropies=entropy_of(probe.held_out))

    def unknown(self, features: NDArray[np.floating]) -> Unknown:
        """Return what is known of the unknown among images, judged together.

        Args:
            features: (n, d).
        """
        own = self._own
        return judged_together(p_values(own, self.strangeness(features)), len(own))

    def strangeness(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the (n,) scores of images; larger is stranger.

        An image is strange by its distance and by how undecided the probe is: a class that lies
        between the known ones is near them, and something else is far though the probe be sure.
        Both are counted in surprises, whose sum is compared with that of the fit's own images,
        each judged without itself. Without a probe it is the distance alone.

        Args:
            features: (n, d).

        References:
            Fisher, Statistical Methods for Research Workers, 1932 (the sum).
        """
        far = self.distance(features)
        if self.head is None or self.entropies is None:
            return far
        said = entropy_of(self.head.probabilities(directions(features)))
        return surprise(self.distances, far) + surprise(self.entropies, said)

    @property
    def _own(self) -> NDArray[np.float64]:
        """Return the (m,) scores of the references, each without itself."""
        if self.head is None or self.entropies is None:
            return self.distances
        own = surprise(self.distances, self.distances)
        return own + surprise(self.entropies, self.entropies)

    def threshold(self, share: float) -> float:
        """Return the score from which on an image is rejected; see `strangeness`.

        A new image of the same kind lies beyond it with at most this probability.

        Raises:
            InvalidOptionError: If the share is not in (0, 1), or the images are too few for it.
        """
        if not 0 < share < 1:
            raise InvalidOptionError(
                f"the share of known images to reject must be in (0, 1), got {share}"
            )
        m = len(self.distances)
        place = math.ceil((m + 1) * (1 - share))
        if place > m:
            raise InvalidOptionError(
                f"{m} images of the fit are too few to reject a share of {share:g}; at least "
                f"{math.ceil(1 / share) - 1} are needed: fit with more, or give a larger share"
            )
        return float(np.sort(self._own)[place - 1])

    def rejected(self, features: NDArray[np.floating], share: float) -> NDArray[np.bool_]:
        """Return (n,) whether images with these (n, d) features are none of the classes."""
        return self.strangeness(features) > self.threshold(share)

    def distance(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the (n,) distances of images to the k-th nearest image of the fit."""
        return neighbour_distances(directions(features), self.references, own=False)


def entropy_of(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (n,) entropy of (n, K) probabilities, in nats."""
    found: NDArray[np.float64] = -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(
        axis=1
    )
    return found


def directions(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return (n, d) features in single precision, each row brought to length one."""
    return unit_rows(np.asarray(features, dtype=np.float64)).astype(np.float32)


def neighbour_distances(
    rows: NDArray[np.float32], references: NDArray[np.float32], *, own: bool
) -> NDArray[np.float64]:
    """Return (n,) one minus the k-th largest cosine; of an image itself none counts.

    Args:
        rows: (n, d) of length one.
        references: (m, d) of length one.
        own: Whether the rows are the references.
    """
    k = NEIGHBOUR + 1 if own else NEIGHBOUR
    parts = []
    for start in range(0, len(rows), _ROWS):
        near = rows[start : start + _ROWS] @ references.T
        if own:
            near[np.arange(len(near)), start + np.arange(len(near))] = 2.0  # the first of all
        kth = np.partition(near, -k, axis=1)[:, -k]
        parts.append(1.0 - kth.astype(np.float64))
    return np.concatenate(parts)
