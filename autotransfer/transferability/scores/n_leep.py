"""N-LEEP: LEEP with the components of a Gaussian mixture as source classes."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from autotransfer.errors import UndefinedScoreError
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.transferability.scores.leep import leep

COMPONENTS_PER_CLASS = 5
SEED = 123  # of the authors' evaluation code; the mixture depends on it
WIDE = 64  # features above which a full covariance for each component is out of reach
ENERGY = 0.8  # share of the variance that the principal components of wide features keep


def n_leep(statistics: Statistics) -> float:
    """Return LEEP of the posterior of a mixture with five components for each class.

    Features wider than 64 are first brought to the principal components that hold 80 % of
    their variance.

    Raises:
        UndefinedScoreError: If there are fewer images than components, or none fits.
    """
    statistics.require_spread("n-leep")
    components = COMPONENTS_PER_CLASS * statistics.num_classes
    if components > statistics.num_images:
        raise UndefinedScoreError(
            f"n-leep fits {components} Gaussians, more than the {statistics.num_images} images"
        )
    posterior = _posterior(_reduced(statistics), components)
    return leep(posterior, statistics.positions_by_class())


def _reduced(statistics: Statistics) -> NDArray[np.floating]:
    if statistics.num_features <= WIDE:
        return statistics.rows
    shares = np.cumsum(statistics.spectrum.values[::-1])
    kept = int(np.searchsorted(shares, ENERGY * shares[-1])) + 1
    return statistics.coordinates[:, -kept:]


def _posterior(features: NDArray[np.floating], components: int) -> NDArray[np.floating]:
    """Return the (n, components) posterior probabilities of the mixture."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(n_components=components, random_state=SEED)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a looser fit, still a score
            found: NDArray[np.floating] = mixture.fit(features.astype(np.float64)).predict_proba(
                features
            )
    except ValueError as error:
        raise UndefinedScoreError(f"n-leep: the mixture does not fit: {error}") from error
    return found


class NLeep(TransferabilityEstimator):
    """LEEP without a source head, through clusters; the slowest score, and seed-dependent.

    References:
        Li et al., Ranking Neural Checkpoints, CVPR 2021, arXiv:2011.11200.
    """

    name = "n-leep"
    score = staticmethod(n_leep)
