"""What 20 lines would do: closed-form rules that read frozen features and train no network.

A *probe* is ridge regression on the standardised features of one stage; its penalty has the least
leave-one-out squared error, its temperature the least leave-one-out log loss. Leave-one-out
probabilities are the softmax of its leave-one-out scores at that penalty and that temperature:
two numbers, mean and standard deviation of the features, and nothing else, have seen the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from autotransfer.models.heads.linear import inverse_temperature, scale_of
from autotransfer.models.heads.ridge import fit_ridge, leave_one_out

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
DEFAULT_PROBE, PLAIN_MEAN = "default probe", "plain mean"
STRENGTHS = (5, 20, 50)  # of the prior on weights, in images
ITERATIONS = 500
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Features:
    """The features of one stage of one source, or of several side by side.

    Args:
        labelled: (n, d) of the labelled images.
        tested: (m, d) of those that judge.
    """

    labelled: NDArray[np.float32]
    tested: NDArray[np.float32]

    @classmethod
    def side_by_side(cls, parts: Sequence[Features]) -> Features:
        """Return the features of all parts in one matrix."""
        return cls(
            np.concatenate([part.labelled for part in parts], axis=1),
            np.concatenate([part.tested for part in parts], axis=1),
        )


@dataclass(frozen=True)
class Probe:
    """What a probe says.

    Args:
        answers: (m, K) probabilities of the tested images.
        held_out: (n, K) leave-one-out probabilities of the labelled images.
        labels: (n,) classes of the labelled images.
    """

    answers: Floats = field(repr=False)
    held_out: Floats = field(repr=False)
    labels: Labels = field(repr=False)

    @classmethod
    def of(cls, features: Features, labels: Labels, num_classes: int) -> Probe:
        """Return the probe on these features; every class has two labelled images or more."""
        answers = answers_of(features, labels, num_classes)
        scaled = scale_of(features.labelled, standardise=True).apply(features.labelled)
        path = leave_one_out(scaled, labels, num_classes)
        targets = np.where(labels[:, None] == np.arange(num_classes), 1.0, -1.0)
        errors = np.square(path.scores - targets).mean(axis=(1, 2))
        scores = path.scores[int(np.argmin(errors))]
        held_out = softmax(inverse_temperature(scores, labels) * scores, axis=1)
        return cls(answers, held_out, labels)

    @property
    def likelihoods(self) -> Floats:
        """Return the (n,) leave-one-out probabilities of the true classes."""
        return self.held_out[np.arange(len(self.labels)), self.labels]

    @property
    def log_loss(self) -> float:
        """Return the leave-one-out log loss."""
        return -float(np.log(np.maximum(self.likelihoods, _SMALLEST)).mean())

    @property
    def accuracy(self) -> float:
        """Return the leave-one-out accuracy."""
        return float((self.held_out.argmax(axis=1) == self.labels).mean())


def answers_of(features: Features, labels: Labels, num_classes: int) -> Floats:
    """Return the (m, K) probabilities of a probe, which is tempered by its leave-one-out loss."""
    return fit_ridge(features.labelled, labels, num_classes).probabilities(features.tested)


def best_stages(stages: Sequence[Sequence[Probe]]) -> list[int]:
    """Return the stage of least leave-one-out log loss of each source, from 0 on."""
    return [int(np.argmin([probe.log_loss for probe in source])) for source in stages]


def mean_of(probes: Sequence[Probe]) -> Floats:
    """Return the (m, K) plain mean of what the probes say."""
    mean: Floats = np.mean([probe.answers for probe in probes], axis=0)
    return mean


def mixture_weights(likelihoods: Floats, strength: float) -> Floats:
    """Return (M,) weights of the members of a mixture, by EM.

    A symmetric Dirichlet prior counts as `strength` images that all members explain alike:
    w_m = (sum_i r_im + strength / M) / (n + strength), r_im the share of member m in image i.

    Args:
        likelihoods: (M, n) leave-one-out probabilities of the true classes.
        strength: Images that the prior is worth.
    """
    members, n = likelihoods.shape
    weights = np.full(members, 1 / members)
    for _ in range(ITERATIONS):
        joint = weights[:, None] * np.maximum(likelihoods, _SMALLEST)
        shares = (joint / joint.sum(axis=0)).sum(axis=1)
        weights = (shares + strength / members) / (n + strength)
    return weights


def mixture_of(probes: Sequence[Probe], strength: float) -> Floats:
    """Return what the mixture of the probes says of the tested images, (m, K)."""
    weights = mixture_weights(np.stack([probe.likelihoods for probe in probes]), strength)
    mixed: Floats = np.tensordot(weights, np.stack([probe.answers for probe in probes]), axes=1)
    return mixed


def rules(stages: Sequence[Sequence[Probe]], joined: Mapping[str, Probe]) -> Mapping[str, Floats]:
    """Return what every rule says of the tested images.

    Args:
        stages: The probes on all stages of every source, the default source first.
        joined: Probes on features side by side, by name.
    """
    last = [source[-1] for source in stages]
    best = [source[k] for source, k in zip(stages, best_stages(stages), strict=True)]
    flat = [probe for source in stages for probe in source]
    said = {DEFAULT_PROBE: last[0].answers}
    said["best source, by accuracy"] = max(last, key=lambda probe: probe.accuracy).answers
    said["best source and stage, by log loss"] = min(best, key=lambda p: p.log_loss).answers
    said.update({name: probe.answers for name, probe in joined.items()})
    for name, probes in (("last stages", last), ("best stages", best), ("all stages", flat)):
        said[PLAIN_MEAN if probes is last else f"mean, {name}"] = mean_of(probes)
        for strength in STRENGTHS:
            said[f"mixture, {name}, prior {strength}"] = mixture_of(probes, strength)
    return said
