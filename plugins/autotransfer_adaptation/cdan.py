"""CDAN: the discriminator reads features together with predictions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.plugin import SearchSpace, parameters, training
from autotransfer_adaptation.dann import STRENGTHS, Critic, domain_loss
from autotransfer_adaptation.reversal import reverse, strength
from autotransfer_adaptation.two_domains import Domains, TwoDomains

WIDEST = 1024  # of the product of features and predictions; beyond, it is projected at random


class Cdan(TwoDomains):
    """DANN on the product of features and predictions; certain images count more (CDAN+E).

    References:
        Long et al., Conditional Adversarial Domain Adaptation, NeurIPS 2018, arXiv:1705.10667,
        equations 5 to 8.
    """

    name = "cdan"
    priority = 4

    @override
    def own_space(self) -> SearchSpace:
        return SearchSpace.of(lambda_max=parameters.choice(STRENGTHS, default=0.3))

    @override
    def critic(self, num_features: int, num_classes: int) -> nn.Module:
        return JointCritic(num_features, num_classes)

    @override
    def loss(self, domains: Domains, step: training.Step) -> Tensor:
        headed, critic = domains.headed, domains.critic
        assert isinstance(critic, JointCritic)
        source = headed.features(step.inputs)  # (b, d)
        target = headed.features(domains.draw(len(step.inputs)))
        features = torch.cat([source, target])
        logits = headed.head(features)
        loss = nn.functional.cross_entropy(logits[: len(source)], step.targets)
        shares = logits.softmax(dim=1).detach()  # (2 b, K)
        lambda_ = strength(step.progress, float(domains.params["lambda_max"]))
        scores = critic.joint(reverse(features, lambda_), shares)
        of_source, of_target = certainty(shares).tensor_split([len(source)])
        return loss + domain_loss(scores, len(source), of_source, of_target)


class JointCritic(Critic):
    """A discriminator on the products of d features and K shares, projected where too wide."""

    on_features: Tensor
    on_shares: Tensor

    def __init__(self, num_features: int, num_classes: int) -> None:
        self.wide = num_features * num_classes > WIDEST
        super().__init__(WIDEST if self.wide else num_features * num_classes, num_classes)
        self.register_buffer("on_features", torch.randn(num_features, WIDEST))
        self.register_buffer("on_shares", torch.randn(num_classes, WIDEST))

    def joint(self, features: Tensor, shares: Tensor) -> Tensor:
        """Return the (b,) logits of (b, d) features and (b, K) shares."""
        if self.wide:
            product = (features @ self.on_features) * (shares @ self.on_shares) / WIDEST**0.5
        else:
            product = (shares[:, :, None] * features[:, None, :]).flatten(1)
        logits: Tensor = self(product)
        return logits


def certainty(shares: Tensor) -> Tensor:
    """Return 1 + exp(-H) of (b, K) predictions, from 1 to 2."""
    entropy = -(shares * torch.log(shares + 1e-8)).sum(dim=1)
    return 1 + torch.exp(-entropy)
