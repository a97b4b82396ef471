"""Minimum class confusion: target predictions that do not confuse two classes."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from autotransfer.plugin import SearchSpace, parameters, training
from autotransfer_adaptation.two_domains import Domains, TwoDomains, source_loss

TEMPERATURE = 2.5  # Jin et al. 2020, section 4.1


class Mcc(TwoDomains):
    """Cross-entropy on the source plus class confusion on the target.

    References:
        Jin et al., Minimum Class Confusion for Versatile Domain Adaptation, ECCV 2020,
        arXiv:1912.03699, equations 3 to 7.
    """

    name = "mcc"
    optimises = frozenset({"entropy", "infomax", "bnm"})
    priority = 1

    @override
    def own_space(self) -> SearchSpace:
        return SearchSpace.of(
            weight=parameters.floating(0.0, 2.0, default=1.0),
            temperature=parameters.floating(1.0, 4.0, default=TEMPERATURE).only_where(weight=()),
        )

    @override
    def loss(self, domains: Domains, step: training.Step) -> Tensor:
        loss, _ = source_loss(domains, step)
        logits = domains.headed(domains.draw(len(step.inputs)))
        confusion = class_confusion(
            logits, float(domains.params["temperature"]), domains.class_shares
        )
        return loss + float(domains.params["weight"]) * confusion


def class_confusion(
    logits: Tensor, temperature: float, class_shares: Tensor | None = None
) -> Tensor:
    """Return the mean confusion of two classes over the images, in [0, 1).

    Args:
        logits: (b, K) target logits.
        temperature: Divides the logits; higher shows confusion of less probable classes.
        class_shares: (K,) by which classes count, so that those that are not in the target teach
            nothing; None counts all alike.
    """
    shares = (logits.float() / temperature).softmax(dim=1)  # (b, K)
    entropy = -(shares * torch.log(shares + 1e-8)).sum(dim=1)
    weights = 1 + torch.exp(-entropy.detach())  # images that are certain count more
    weights = len(logits) * weights / weights.sum()
    confusion = (shares * weights[:, None]).T @ shares  # (K, K)
    confusion = confusion / confusion.sum(dim=1, keepdim=True)
    if class_shares is not None:
        return (class_shares.to(confusion) * (1 - confusion.diagonal())).sum()
    return (confusion.sum() - confusion.trace()) / logits.shape[1]
