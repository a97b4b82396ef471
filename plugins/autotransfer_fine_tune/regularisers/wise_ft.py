"""WiSE-FT: after tuning, part of the way back to where the weights started."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def interpolate(network: nn.Module, start: Mapping[str, Tensor], share: float) -> None:
    """Set every weight and statistic to (1 - share) * now + share * start, in place.

    Args:
        network: The tuned network.
        start: Its `state_dict` before training, cloned; what is missing stays as it is.
        share: 0 keeps the tuned network, 1 is the start.

    References:
        Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022, arXiv:2109.01903.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be in [0, 1], got {share}")
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name in start and value.is_floating_point():
                value.lerp_(start[name].to(value.device), share)
