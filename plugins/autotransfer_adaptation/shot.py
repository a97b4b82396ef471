"""SHOT: after training on the source, the target alone, under the source's frozen classifier."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.plugin import SearchSpace, parameters, training
from autotransfer_adaptation.two_domains import Domains, TwoDomains, source_loss

SOURCE_SHARE = 0.6  # of the steps, on source images; afterwards none of them is seen
RENEWALS = 4  # times that pseudo-labels are taken anew
BETA = 0.3  # weight of the pseudo-labels, as in the paper


class Shot(TwoDomains):
    """Certain and diverse target predictions, and cross-entropy to cluster labels.

    References:
        Liang, Hu & Feng, Do We Really Need to Access the Source Data?, ICML 2020,
        arXiv:2002.08546, equations 3 to 7.
    """

    name = "shot"
    optimises = frozenset({"entropy", "infomax", "bnm", "class-ami"})
    priority = 4

    @override
    def own_space(self) -> SearchSpace:
        return SearchSpace.of(beta=parameters.floating(0.0, 1.0, default=BETA))

    @override
    def critic(self, num_features: int, num_classes: int) -> nn.Module:
        return PseudoLabels()

    @override
    def loss(self, domains: Domains, step: training.Step) -> Tensor:
        if step.progress < SOURCE_SHARE:
            return source_loss(domains, step)[0]
        labels = domains.critic
        assert isinstance(labels, PseudoLabels)
        labels.renew(domains, (step.progress - SOURCE_SHARE) / (1 - SOURCE_SHARE))
        positions = domains.next_positions(len(step.inputs))
        head = domains.headed.head
        features = domains.headed.features(domains.batch(positions))
        logits = nn.functional.linear(features, head.weight.detach(), head.bias.detach())
        targets = labels.values[positions].to(logits.device)
        loss = nn.functional.cross_entropy(logits, targets)
        return (
            information_loss(logits, domains.class_shares) + float(domains.params["beta"]) * loss
        )


def information_loss(logits: Tensor, class_shares: Tensor | None = None) -> Tensor:
    """Return mean H(p) - H(mean p) of (b, K) logits, in nats.

    With (K,) class shares the mean prediction is drawn to these instead of to equal ones: the
    second term is then its divergence from them.
    """
    shares = logits.float().softmax(dim=1)
    entropy = -(shares * torch.log(shares + 1e-8)).sum(dim=1).mean()
    mean = shares.mean(dim=0)
    if class_shares is not None:
        entropy = entropy - (mean * torch.log(class_shares.to(mean) + 1e-8)).sum()
    return entropy + (mean * torch.log(mean + 1e-8)).sum()


class PseudoLabels(nn.Module):
    """Labels of the target images by the nearest class centre, renewed a few times."""

    def __init__(self) -> None:
        super().__init__()
        self.values = torch.empty(0, dtype=torch.int64)
        self._renewals = 0

    def renew(self, domains: Domains, progress: float) -> None:
        """Take the labels anew when a further share of the target steps is done."""
        if progress * RENEWALS < self._renewals:
            return
        self._renewals += 1
        features, shares = domains.zero_shot()
        self.values = torch.from_numpy(cluster_labels(features, shares))


def cluster_labels(
    features: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the (n,) class whose centre is nearest by cosine; centres weighted by predictions.

    Args:
        features: (n, d).
        shares: (n, K) predictions.
    """
    rows = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    weights = shares
    for _ in range(2):  # from predictions, then once more from the labels themselves
        centres = weights.T @ rows / np.maximum(weights.sum(axis=0)[:, None], 1e-12)  # (K, d)
        norms = np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
        labels: NDArray[np.int64] = (rows @ (centres / norms).T).argmax(axis=1).astype(np.int64)
        weights = np.eye(shares.shape[1])[labels]
    return labels
