"""Deep CORAL: features of both domains with the same covariance, while training."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import override

from autotransfer.plugin import SearchSpace, parameters, training
from autotransfer_adaptation.two_domains import Domains, TwoDomains, source_loss


class DeepCoral(TwoDomains):
    """Cross-entropy on the source plus the distance of the covariances of the features.

    References:
        Sun & Saenko, Deep CORAL, ECCV 2016 workshops, arXiv:1607.01719, equation 1.
    """

    name = "deep-coral"
    priority = 2

    @override
    def own_space(self) -> SearchSpace:
        return SearchSpace.of(weight=parameters.floating(0.1, 100.0, default=10.0, log=True))

    @override
    def loss(self, domains: Domains, step: training.Step) -> Tensor:
        loss, source = source_loss(domains, step)
        target = domains.headed.features(domains.draw(len(step.inputs)))
        return loss + float(domains.params["weight"]) * covariance_distance(source, target)


def covariance_distance(source: Tensor, target: Tensor) -> Tensor:
    """Return |C_s - C_t|^2 / (4 d^2) of two (b, d) batches, in units of the features."""
    difference = _covariance(source.float()) - _covariance(target.float())
    return difference.square().sum() / (4 * source.shape[1] ** 2)


def _covariance(features: Tensor) -> Tensor:
    centred = features - features.mean(dim=0)
    return centred.T @ centred / max(len(features) - 1, 1)
