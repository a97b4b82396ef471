"""InfoMax: certain for each image, diverse over all of them."""

from __future__ import annotations

from autotransfer.scenarios.unlabelled.validators.evidence import Evidence, entropy_of


def infomax(evidence: Evidence) -> float:
    """Return H(mean p) - mean H(p) in nats: the mutual information of image and class.

    Assumes class shares that are not far from equal.

    References:
        Bridle, Heading & MacKay, Unsupervised Classifiers, Mutual Information and 'Phantom
        Targets', NeurIPS 1991.
    """
    of_mean = entropy_of(evidence.target.mean(axis=0))
    return float(of_mean - entropy_of(evidence.target).mean())
