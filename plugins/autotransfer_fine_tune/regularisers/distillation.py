"""Output distillation: the source's own classes are still told as the source tells them."""

from __future__ import annotations

from torch import Tensor, nn


def distillation_loss(logits: Tensor, source: Tensor, temperature: float = 2.0) -> Tensor:
    """Return T^2 KL(source || now), both at temperature T, a scalar.

    Args:
        logits: (b, Z) of the source's head on the features as they are now.
        source: (b, Z) probabilities of the source for the same images, at temperature 1.
        temperature: T; p^(1/T), normalised, is the softmax of the logits over T.

    References:
        Hinton, Vinyals and Dean, arXiv:1503.02531; for what is learnt next: Li and Hoiem,
        Learning without Forgetting, ECCV 2016, arXiv:1606.09282.
    """
    wanted = (source.clamp_min(1e-12).log() / temperature).log_softmax(dim=1)
    found = (logits / temperature).log_softmax(dim=1)
    divergence = nn.functional.kl_div(found, wanted, reduction="batchmean", log_target=True)
    return temperature**2 * divergence
