"""A classifier by angle, and the predictor that keeps a network with one."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.plugin import networks

TEMPERATURE = 0.05  # Saito et al. 2019, section 3.1


class CosineHeaded(networks.HeadedSuffix):
    """Layers after a stage whose features have length one, and a prototype for each class.

    Args:
        suffix: Takes the raw output of a stage, returns (b, d).
        num_features: d.
        num_classes: K.
        seed: Initialises the prototypes.
    """

    def __init__(
        self, suffix: nn.Module, num_features: int, num_classes: int, *, seed: int = 0
    ) -> None:
        super().__init__(suffix, num_features, num_classes, seed=seed)
        nn.init.zeros_(self.head.bias)
        self.head.bias.requires_grad = False  # an angle has no offset

    @override
    def forward(self, z: Tensor) -> Tensor:
        """Return the (b, K) logits."""
        return self.classify(self.features(z))

    @override
    def features(self, z: Tensor) -> Tensor:
        """Return the (b, d) features, each row of length one."""
        return nn.functional.normalize(super().features(z), dim=1)

    def classify(self, features: Tensor) -> Tensor:
        """Return the (b, K) logits of features of length one."""
        return nn.functional.linear(features, self.head.weight) / TEMPERATURE

    def start_from_means(self, features: Tensor, labels: Tensor) -> None:
        """Make the mean feature of each class its prototype, brought to length one.

        Args:
            features: (n, d) of labelled images.
            labels: (n,) their classes.
        """
        with torch.no_grad():
            for k in sorted(set(labels.tolist())):
                mean = features[labels == k].mean(dim=0)
                self.head.weight[k] = nn.functional.normalize(mean, dim=0)


class CosinePredictor(networks.NetworkPredictor):
    """A trained network with a classifier by angle."""

    headed = CosineHeaded
