"""What the predictions alone say: how certain they are, and how diverse.

A collapsed predictor looks certain; `reason_against` refuses it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autotransfer.models.heads.linear import unit_rows
from autotransfer.scenarios.unlabelled.validators.evidence import Evidence, entropy_of
from autotransfer.scenarios.unlabelled.validators.target_features import in_predicted_groups

LEAST = 0.7  # of log K; skewed targets stay above it, collapsed predictors do not
CERTAIN = 0.8  # of the entropy of the answers that InfoMax must reach, where these are few classes
ENOUGH = 20  # images for each class, from which on a class that is never predicted is a fault
TEMPERATURE = 0.05  # of soft neighbourhood density
_MOST = 1000  # images; the matrix of similarities is n x n


def negative_entropy(evidence: Evidence) -> float:
    """Return minus the mean prediction entropy in nats; rewards a confident collapse."""
    return -float(entropy_of(evidence.target).mean())


def infomax(evidence: Evidence) -> float:
    """Return H(mean p) - mean H(p) in nats: the mutual information of image and class.

    Assumes class shares that are not far from equal.

    References:
        Bridle, Heading & MacKay, Unsupervised Classifiers, Mutual Information and 'Phantom
        Targets', NeurIPS 1991.
    """
    of_mean = entropy_of(evidence.target.mean(axis=0))
    return float(of_mean - entropy_of(evidence.target).mean())


def bnm(evidence: Evidence) -> float:
    """Return the nuclear norm of the (n, K) predictions over its largest value, in (0, 1].

    References:
        Cui et al., Towards Discriminability and Diversity: Batch Nuclear-norm Maximization under
        Label Insufficient Situations, CVPR 2020, arXiv:2003.12237.
    """
    n, num_classes = evidence.target.shape
    values = np.linalg.svd(evidence.target, compute_uv=False)
    return float(values.sum() / np.sqrt(n * min(n, num_classes)))


def diversity(evidence: Evidence) -> float:
    """Return the entropy of the mean prediction over log K, in [0, 1]."""
    return float(entropy_of(evidence.target.mean(axis=0)) / np.log(evidence.num_classes))


def reason_against(evidence: Evidence) -> str:
    """Return why the predictions are too uniform to be believed; empty where they are not.

    The target may lack classes of the source. Where its class shares are known, predictions have
    to be as diverse as these. Else so few classes are believed where the predictor tells these
    apart with certainty, and the target images fall into as many groups.
    """
    shares = evidence.class_shares
    least, reason = LEAST if shares is None else LEAST * _diversity_of(shares), ""
    found, n = diversity(evidence), len(evidence.target)
    expected = n / evidence.num_classes if shares is None else n * shares
    counts = np.bincount(evidence.answers, minlength=evidence.num_classes)
    missing = int(((counts == 0) & (expected >= ENOUGH)).sum())
    if found < least:
        reason = f"its predictions collapse: diversity {found:.2f} of at least {least:.2g}"
    elif missing:
        reason = f"it never predicts {missing} of {evidence.num_classes} classes"
    if reason and _certain(evidence) and in_predicted_groups(evidence):
        return ""
    return reason


def _diversity_of(shares: NDArray[np.float64]) -> float:
    """Return the entropy of (K,) shares over log K."""
    return float(entropy_of(shares) / np.log(len(shares)))


def _certain(evidence: Evidence) -> bool:
    """Return whether the classes that are predicted are told apart: I(x; y) close to H(answer)."""
    shares = np.bincount(evidence.answers, minlength=evidence.num_classes) / len(evidence.target)
    return infomax(evidence) >= CERTAIN * float(entropy_of(shares)) > 0


def snd(evidence: Evidence) -> float:
    """Return soft neighbourhood density, which is largest for a collapsed predictor.

    It is the mean entropy of the similarities to the other images, in nats.

    References:
        Saito et al., Tune it the Right Way: Unsupervised Validation of Domain Adaptation via Soft
        Neighborhood Density, ICCV 2021, arXiv:2108.10860, equations 1 to 3.
    """
    rows = unit_rows(evidence.target[:_MOST])
    similarities = rows @ rows.T / TEMPERATURE
    np.fill_diagonal(similarities, -np.inf)
    similarities -= similarities.max(axis=1, keepdims=True)
    shares = np.exp(similarities)
    return float(entropy_of(shares / shares.sum(axis=1, keepdims=True)).mean())
