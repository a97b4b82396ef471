"""DANN: features from which a discriminator cannot tell the domains apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.plugin import SearchSpace, networks, parameters, training
from autotransfer_adaptation.class_shares import ClassShares
from autotransfer_adaptation.reversal import reverse, strength
from autotransfer_adaptation.two_domains import Domains, TwoDomains

LARGEST_HIDDEN = 1024
STRENGTHS = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0)


class Dann(TwoDomains):
    """Cross-entropy on the source, and a discriminator behind a gradient reversal.

    The gradient of the discriminator itself is not scaled. `lambda_max` 0 is source-only with
    target statistics. `class_shares` "gated" weighs source classes that the target seems to lack
    down, in classifier and discriminator. `batches` "together" normalises both domains by the
    statistics of one common batch, as the authors' code did; "separate" each by its own.

    References:
        Ganin et al., Domain-Adversarial Training of Neural Networks, JMLR 17, 2016,
        arXiv:1505.07818, algorithm 1.
    """

    name = "dann"
    optimises = frozenset({"proxy-a-distance"})
    priority = 5

    @override
    def own_space(self) -> SearchSpace:
        return SearchSpace.of(
            lambda_max=parameters.choice(STRENGTHS, default=0.3),
            class_shares=parameters.choice(("gated", "ignored"), default="gated").only_where(
                lambda_max=()
            ),
            batches=parameters.choice(("separate", "together"), default="separate"),
        )

    @override
    def critic(self, num_features: int, num_classes: int) -> nn.Module:
        return Critic(num_features, num_classes)

    @override
    def loss(self, domains: Domains, step: training.Step) -> Tensor:
        headed, critic = domains.headed, domains.critic
        assert isinstance(critic, Critic)
        drawn = domains.draw(len(step.inputs))
        source, target = _features(headed, step.inputs, drawn, str(domains.params["batches"]))
        weights = None
        if domains.params["class_shares"] == "gated":
            with torch.no_grad():
                critic.shares.note(headed.head(target).softmax(dim=1))
            weights = critic.shares.weights(step.targets, step.progress)
        loss = _mean(
            nn.functional.cross_entropy(headed.head(source), step.targets, reduction="none"),
            weights,
        )
        lambda_ = strength(step.progress, float(domains.params["lambda_max"]))
        scores = critic(reverse(torch.cat([source, target]), lambda_))
        return loss + domain_loss(scores, len(source), weights)


class Critic(nn.Module):
    """A discriminator with two hidden layers, and the class shares beside it.

    Args:
        num_features: Width of what it reads.
        num_classes: K.
    """

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        hidden = min(LARGEST_HIDDEN, 4 * num_features)
        self.shares = ClassShares(num_classes)
        self.layers = nn.Sequential(
            nn.Linear(num_features, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        )

    @override
    def forward(self, features: Tensor) -> Tensor:
        """Return the (b,) logits that features come from the source."""
        logits: Tensor = self.layers(features).squeeze(1)
        return logits


def domain_loss(
    scores: Tensor,
    num_source: int,
    weights: Tensor | None = None,
    target_weights: Tensor | None = None,
) -> Tensor:
    """Return the binary cross-entropy of source (1) and target (0), the mean of both domains.

    Args:
        scores: (2 b,) logits, the source first.
        num_source: b.
        weights: (b,) weights of the source images; None is 1 for all.
        target_weights: (b,) weights of the target images.
    """
    source, target = scores[:num_source], scores[num_source:]
    of_source = _mean(nn.functional.softplus(-source), weights)
    return (of_source + _mean(nn.functional.softplus(target), target_weights)) / 2


def _features(
    headed: networks.HeadedSuffix, source: Tensor, target: Tensor, batches: str
) -> tuple[Tensor, Tensor]:
    """Return the (b, d) features of both domains, normalised apart or by one common batch."""
    if batches == "separate":
        return headed.features(source), headed.features(target)
    together = headed.features(networks.put_together([source, target]))
    return together[: len(source)], together[len(source) :]


def _mean(losses: Tensor, weights: Tensor | None) -> Tensor:
    return losses.mean() if weights is None else (losses * weights).sum() / weights.sum()
