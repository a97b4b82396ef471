"""How strange an image looks beside labelled ones, as a z-score; no target label is needed.

Up to three surprises add up: how far the second nearest labelled image is, how undecided a probe
is, and how far the nearest class centre is. Each labelled image is scored without itself, so that
its z-scores are those of new images of the same kind: mean 0 and deviation 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.models.heads.linear import LinearHead, Standardisation, unit_rows
from autotransfer.models.heads.ridge import fit_ridge_held_out
from autotransfer.models.out_of_distribution import directions, entropy_of, neighbour_distances
from autotransfer.models.unknown_share import surprise

LOWEST, HIGHEST = -4.0, 5.0  # z-scores are kept within
_LARGEST_SURPRISE = 700.0


@dataclass(frozen=True)
class Novelty:
    """What z-scores of strangeness are computed from.

    Args:
        head: A ridge probe of the labelled images, each of length one.
        centres: (K, d) of the classes, of length one.
        own: (m, P) scores of the labelled images, each without itself; larger is stranger.
        scale: What new features are standardised by first.
        references: (m, d) labelled images, of length one; None where their distances are not
            looked at, because the domains are apart.
    """

    head: LinearHead
    centres: NDArray[np.float64]
    own: NDArray[np.float64]
    scale: Standardisation
    references: NDArray[np.float32] | None = None

    @classmethod
    def of(
        cls,
        features: NDArray[np.floating],
        labels: NDArray[np.int64],
        *,
        like: NDArray[np.floating] | None = None,
        distances: bool = True,
    ) -> Novelty:
        """Return the score that labelled images calibrate.

        Args:
            features: (m, d).
            labels: (m,) of at least two classes.
            like: (n, d) features of another domain: each domain is then brought to mean 0 and
                deviation 1 by itself, and new images are taken to be of that one. None reads
                features as they are.
            distances: Whether the nearest labelled images are looked at as well.

        References:
            Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors, ICML 2022,
            arXiv:2204.06507 (the distance). Fisher, Statistical Methods for Research Workers,
            1932 (the sum).
        """
        scale = Standardisation.identity(features.shape[1])
        if like is not None:
            features, scale = (
                Standardisation.of(features).apply(features),
                Standardisation.of(like),
            )
        x = directions(features)
        _, places = np.unique(labels, return_inverse=True)
        probe = fit_ridge_held_out(x, places, int(places.max()) + 1)
        centres, off_centre = _centres(x.astype(np.float64), places)
        own = [entropy_of(probe.held_out), off_centre]
        references = None
        if distances:
            references = x
            own.append(neighbour_distances(x, x, own=True))
        return cls(probe.head, centres, np.stack(own, axis=1), scale, references)

    def z(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the (n,) z-scores of new images; larger is stranger.

        Args:
            features: (n, d).
        """
        from scipy.stats import norm

        x = directions(self.scale.apply(features))
        found = [
            entropy_of(self.head.probabilities(x)),
            1 - (x.astype(np.float64) @ self.centres.T).max(axis=1),
        ]
        if self.references is not None:
            found.append(neighbour_distances(x, self.references, own=False))
        columns = self.own.T
        sums = [surprise(known, known) for known in columns]
        new = [surprise(known, score) for known, score in zip(columns, found, strict=True)]
        total = surprise(np.sum(sums, axis=0), np.sum(new, axis=0))
        share = np.exp(-np.clip(total, 1e-9, _LARGEST_SURPRISE))
        return np.clip(norm.isf(share), LOWEST, HIGHEST)


def _centres(
    x: NDArray[np.float64], places: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (K, d) centres, and (m,) one minus the cosine to the nearest without the image."""
    present = np.eye(int(places.max()) + 1)[places]  # (m, K)
    sums, counts = present.T @ x, present.sum(axis=0)
    centres = unit_rows(sums)
    cosines = x @ centres.T
    rest = unit_rows(sums[places] - x)
    cosines[np.arange(len(x)), places] = np.where(counts[places] > 1, (rest * x).sum(axis=1), -1)
    return centres, 1 - cosines.max(axis=1)
